/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry.h"
#include "registry-private.h"
#include "base.h"
#include "sandbox-cgroup.h"
#include "error.h"
#include "fds.h"
#include "net-bind.h"
#include "network.h"
#include "room.h"
#include "spawn.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* ---- files and mounts ---------------------------------------------------------------- */

static char *
files_path (MossSandbox *sandbox, const char *name)
{
  g_autofree char *user = g_strdup_printf ("%u", sandbox->owner);

  return g_build_filename (sandbox->registry->paths.state_dir, user, sandbox->id, name, NULL);
}

static gboolean
ensure_dir (const char *path, mode_t mode, GError **error)
{
  if (mkdir (path, mode) == 0 || errno == EEXIST)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't make the directory %s", path);
}

static gboolean
make_files (MossSandbox *sandbox, GError **error)
{
  g_autofree char *own = files_path (sandbox, NULL);
  g_autofree char *user = g_path_get_dirname (own);
  g_autofree char *upper = files_path (sandbox, "upper");
  g_autofree char *work = files_path (sandbox, "work");

  if (!ensure_dir (user, 0700, error) || !ensure_dir (own, 0700, error)
      || !ensure_dir (work, 0755, error) || !ensure_dir (upper, 0755, error))
    return FALSE;
  if (chown (upper, MOSS_SANDBOX_FIRST_ID, MOSS_SANDBOX_FIRST_ID) == 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't set the owner of %s", upper);
}

gboolean
moss_sandbox_open_files (MossSandbox *sandbox, gboolean create, GError **error)
{
  g_autofree char *upper = files_path (sandbox, "upper");

  if (sandbox->upper_fd >= 0)
    return TRUE;
  if (create && !make_files (sandbox, error))
    return FALSE;
  sandbox->upper_fd = open (upper, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (sandbox->upper_fd >= 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't open the files of sandbox %s",
                                  sandbox->id);
}

gboolean
moss_sandbox_make_files (MossSandbox *sandbox, GError **error)
{
  g_autofree char *init
      = g_build_filename (sandbox->registry->paths.libexec_dir, "moss-init", NULL);

  if (sandbox->fresh)
    return TRUE;
  sandbox->fresh = moss_sandbox_open_files (sandbox, TRUE, error)
                   && moss_base_fill_upper (sandbox->upper_fd, init, error);
  return sandbox->fresh;
}

/* index and nfs_export make inotify watches on overlay files travel; nosuid because no app
 * may become another id by a file. Device nodes must work: they are in the base. */
char *
moss_sandbox_mount (MossSandbox *sandbox, GError **error)
{
  const MossRegistryPaths *paths = &sandbox->registry->paths;
  g_autofree char *target = g_build_filename (paths->private_dir, "mnt", sandbox->key, NULL);
  g_autofree char *upper = files_path (sandbox, "upper");
  g_autofree char *work = files_path (sandbox, "work");
  g_autofree char *options = g_strdup_printf (
      "lowerdir=%s/base:%s,upperdir=%s,workdir=%s,index=on,nfs_export=on", paths->private_dir,
      paths->root_dir, upper, work);

  if (!ensure_dir (target, 0700, error))
    return NULL;
  if (mount ("moss", target, "overlay", MS_NOSUID, options) == 0)
    return g_steal_pointer (&target);
  moss_sandbox_fail_errno (error, errno, "Can't mount the files of sandbox %s", sandbox->id);
  rmdir (target);
  return NULL;
}

void
moss_sandbox_unmount (const char *path)
{
  if (umount2 (path, MNT_DETACH) != 0)
    g_warning ("Can't unmount %s: %s", path, g_strerror (errno));
  rmdir (path);
}

gboolean
moss_sandbox_open_cgroup (MossSandbox *sandbox, GError **error)
{
  if (sandbox->cgroup_fd < 0)
    sandbox->cgroup_fd
        = moss_sandbox_cgroup_open (sandbox->registry->cgroup_base, sandbox->key, TRUE, error);
  return sandbox->cgroup_fd >= 0;
}

/* ---- what the next sandboxd must know ------------------------------------------------ */

static char *
record_path (MossSandbox *sandbox)
{
  return g_build_filename (sandbox->registry->paths.run_dir, MOSS_REGISTRY_RECORDS,
                           sandbox->key, NULL);
}

/* Field 22 of /proc/PID/stat, or 0: with the pid it names a process for ever. */
static guint64
read_start_time (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;
  const char *rest;

  if (!g_file_get_contents (path, &text, NULL, NULL) || (rest = strrchr (text, ')')) == NULL)
    return 0;
  fields = g_strsplit (rest + 1, " ", 23);
  return g_strv_length (fields) > 20 ? g_ascii_strtoull (fields[20], NULL, 10) : 0;
}

static gboolean
write_record (MossSandbox *sandbox, GError **error)
{
  g_autoptr (GKeyFile) record = g_key_file_new ();
  g_autofree char *path = record_path (sandbox);

  g_key_file_set_integer (record, "sandbox", "pid", sandbox->pid);
  g_key_file_set_uint64 (record, "sandbox", "start-time", sandbox->start_time);
  g_key_file_set_string (record, "sandbox", "name", sandbox->name);
  g_key_file_set_boolean (record, "sandbox", "network", sandbox->network);
  return g_key_file_save_to_file (record, path, error);
}

static void
remove_record (MossSandbox *sandbox)
{
  g_autofree char *path = record_path (sandbox);

  unlink (path);
}

/* ---- end of the last process --------------------------------------------------------- */

typedef struct
{
  MossSandbox *sandbox;
  int status;
} Ended;

static gboolean
on_ended (gpointer data)
{
  Ended *ended = data;
  MossRegistry *registry = ended->sandbox->registry;

  registry->exited (ended->sandbox->owner, ended->sandbox->id, ended->status,
                    registry->exited_data);
  moss_sandbox_unref (ended->sandbox);
  g_free (ended);
  return G_SOURCE_REMOVE;
}

/* Lock held. Called when pid 1 is known to be gone or just killed. */
static void
bury (MossSandbox *sandbox)
{
  siginfo_t info = { 0 };
  Ended *ended = g_new0 (Ended, 1);

  ended->status = -1;
  if (waitid (P_PIDFD, sandbox->pidfd, &info, WEXITED) == 0 && info.si_pid != 0)
    ended->status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  ended->sandbox = moss_sandbox_ref (sandbox);
  sandbox->alive = FALSE;
  moss_network_stop (sandbox);
  if (sandbox->watch != NULL)
    g_source_destroy (sandbox->watch);
  g_clear_pointer (&sandbox->watch, g_source_unref);
  close (g_steal_fd (&sandbox->pidfd));
  if (sandbox->cgroup_fd >= 0)
    close (g_steal_fd (&sandbox->cgroup_fd));
  moss_sandbox_cgroup_remove (sandbox->registry->cgroup_base, sandbox->key);
  remove_record (sandbox);
  g_main_context_invoke (NULL, on_ended, ended);
}

static gpointer
bury_in_thread (gpointer data)
{
  MossSandbox *sandbox = data;

  g_mutex_lock (&sandbox->lock);
  if (sandbox->alive)
    {
      moss_sandbox_cgroup_kill (sandbox->cgroup_fd, NULL);
      bury (sandbox);
    }
  moss_sandbox_release (sandbox);
  return NULL;
}

/* A request may hold the lock for seconds, and the main loop must not wait for it. */
static gboolean
on_pidfd_readable (int fd, GIOCondition condition, gpointer data)
{
  g_thread_unref (g_thread_new ("bury", bury_in_thread, moss_sandbox_ref (data)));
  return G_SOURCE_REMOVE;
}

static void
watch (MossSandbox *sandbox)
{
  sandbox->watch = g_unix_fd_source_new (sandbox->pidfd, G_IO_IN);
  g_source_set_callback (sandbox->watch, G_SOURCE_FUNC (on_pidfd_readable),
                         moss_sandbox_ref (sandbox), (GDestroyNotify) moss_sandbox_unref);
  g_source_attach (sandbox->watch, NULL);
}

/* ---- life ---------------------------------------------------------------------------- */

gboolean
moss_sandbox_adopt (MossSandbox *sandbox, pid_t pid, int pidfd, GError **error)
{
  sandbox->pid = pid;
  sandbox->pidfd = pidfd;
  sandbox->start_time = read_start_time (pid);
  sandbox->alive = TRUE;
  watch (sandbox);
  if (write_record (sandbox, error))
    return TRUE;
  moss_sandbox_kill (sandbox, NULL);
  return FALSE;
}

/* A record counts only when the process is the very same and sits in the sandbox's cgroup. */
void
moss_sandbox_readopt (MossSandbox *sandbox)
{
  g_autoptr (GKeyFile) record = g_key_file_new ();
  g_autofree char *path = record_path (sandbox);
  pid_t pid;
  int pidfd;

  /* That it has files is what keeps its id from being taken again. */
  moss_sandbox_open_files (sandbox, FALSE, NULL);
  if (!g_key_file_load_from_file (record, path, 0, NULL))
    return;
  pid = g_key_file_get_integer (record, "sandbox", "pid", NULL);
  pidfd = pid > 0 ? syscall (SYS_pidfd_open, pid, 0) : -1;
  sandbox->cgroup_fd
      = moss_sandbox_cgroup_open (sandbox->registry->cgroup_base, sandbox->key, FALSE, NULL);
  if (pidfd < 0 || sandbox->cgroup_fd < 0
      || read_start_time (pid)
             != g_key_file_get_uint64 (record, "sandbox", "start-time", NULL))
    {
      if (sandbox->cgroup_fd >= 0)
        moss_sandbox_cgroup_kill (sandbox->cgroup_fd, NULL);
      moss_fd_cleanup (&sandbox->cgroup_fd);
      moss_fd_cleanup (&pidfd);
      sandbox->cgroup_fd = -1;
      moss_sandbox_cgroup_remove (sandbox->registry->cgroup_base, sandbox->key);
      unlink (path);
      return;
    }
  g_free (sandbox->name);
  sandbox->name = g_key_file_get_string (record, "sandbox", "name", NULL);
  if (sandbox->name == NULL)
    sandbox->name = g_strdup ("the app");
  sandbox->network = g_key_file_get_boolean (record, "sandbox", "network", NULL);
  moss_sandbox_adopt (sandbox, pid, pidfd, NULL);
}

static void
on_namespaces (pid_t pid, gpointer data)
{
  moss_network_start (data, pid);
}

gboolean
moss_sandbox_start (MossSandbox *sandbox, const MossSandboxOptions *options, GError **error)
{
  moss_autofd net = moss_net_bind_make (sandbox->registry, sandbox->owner, NULL);
  g_autofree char *root = NULL;
  MossSpawned spawned;
  gboolean ok;

  moss_room_drop (sandbox); /* its CRIU would be one of the app's processes */
  if (!moss_sandbox_make_files (sandbox, error) || !moss_sandbox_open_cgroup (sandbox, error)
      || (root = moss_sandbox_mount (sandbox, error)) == NULL)
    return FALSE;
  g_free (sandbox->name);
  sandbox->name = g_strdup (options->name);
  sandbox->network = options->network;
  sandbox->fresh = FALSE;
  ok = moss_spawn (root, net, sandbox->cgroup_fd, options, on_namespaces, sandbox,
                   &spawned, error)
       && moss_sandbox_adopt (sandbox, spawned.pid, spawned.pidfd, error);
  moss_sandbox_unmount (root);
  if (!ok)
    moss_network_stop (sandbox);
  return ok;
}

gboolean
moss_sandbox_kill (MossSandbox *sandbox, GError **error)
{
  if (!sandbox->alive)
    return TRUE;
  if (!moss_sandbox_cgroup_kill (sandbox->cgroup_fd, error))
    return FALSE;
  bury (sandbox);
  return TRUE;
}

gboolean
moss_sandbox_require_alive (MossSandbox *sandbox, GError **error)
{
  if (sandbox->alive)
    return TRUE;
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_STATE, "%s is not running",
               sandbox->name);
  return FALSE;
}

typedef struct
{
  int top_fd;
  guint n_moved; /* deep directories put at the top, to be walked again */
} Removal;

static guint
depth_of (const char *path)
{
  guint depth = 0;

  for (; *path != '\0'; path++)
    depth += *path == '/';
  return depth;
}

/* An app can nest directories deeper than we have descriptors: what is deep comes to the top. */
static gboolean
remove_entry (MossWalkStep step, int dir_fd, const char *name, const char *path,
              const struct stat *st, gpointer data)
{
  Removal *removal = data;
  char moved[32];

  if (step == MOSS_WALK_BEFORE && depth_of (path) < MOSS_WALK_MAX_DEPTH / 2)
    return TRUE;
  if (step == MOSS_WALK_BEFORE)
    {
      g_snprintf (moved, sizeof moved, ".moss-deep-%u", removal->n_moved++);
      return renameat (dir_fd, name, removal->top_fd, moved) != 0;
    }
  return unlinkat (dir_fd, name, step == MOSS_WALK_AFTER ? AT_REMOVEDIR : 0) == 0
         || errno == ENOENT;
}

static gboolean
remove_tree (const char *path)
{
  moss_autofd fd = open (path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  Removal removal = { fd, 0 };
  guint n_moved;

  if (fd < 0)
    return errno == ENOENT;
  do
    {
      n_moved = removal.n_moved;
      if (!moss_walk (fd, remove_entry, &removal))
        return FALSE;
    }
  while (removal.n_moved > n_moved);
  return rmdir (path) == 0;
}

static gboolean
is_empty (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);

  return dir != NULL && g_dir_read_name (dir) == NULL;
}

/* The kernel refuses an index of files that a layer has put others in the place of. An empty one
 * stays: in a freeze nothing is to wait for the journal of a disk. */
gboolean
moss_sandbox_clear_work (MossSandbox *sandbox, GError **error)
{
  g_autofree char *work = files_path (sandbox, "work");

  if (is_empty (work) || remove_tree (work))
    return ensure_dir (work, 0755, error);
  return moss_sandbox_fail_errno (error, errno, "Can't empty the work directory of sandbox %s",
                                  sandbox->id);
}

gboolean
moss_sandbox_remove (MossSandbox *sandbox, GError **error)
{
  g_autofree char *path = files_path (sandbox, NULL);

  if (sandbox->alive)
    {
      g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_STATE,
                   "%s is running; end it before its files are removed", sandbox->name);
      return FALSE;
    }
  moss_room_drop (sandbox);
  g_clear_pointer (&sandbox->applied, g_ptr_array_unref);
  if (sandbox->upper_fd >= 0)
    close (g_steal_fd (&sandbox->upper_fd));
  if (!remove_tree (path))
    return moss_sandbox_fail_errno (error, errno, "Can't remove the files of sandbox %s",
                                    sandbox->id);
  if (sandbox->cgroup_fd >= 0)
    close (g_steal_fd (&sandbox->cgroup_fd));
  moss_sandbox_cgroup_remove (sandbox->registry->cgroup_base, sandbox->key);
  moss_registry_forget (sandbox);
  return TRUE;
}
