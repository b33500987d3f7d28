/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: a sandbox gets /net of its owner and nobody else's. It is a mount of its own whose ids
 * are mapped one to one: the owner outside is the app's user inside, every other id is nobody. So
 * an app reads and writes what its owner may, and can't give a file to anybody else. The kernel
 * does that from 6.12 on; on an older one sandboxes have no /net.
 *
 * Nothing below /net is walked here, and the place it is mounted on is reached without links. */
#define G_LOG_DOMAIN "moss-sandboxd"

#include "net-bind.h"
#include "net-mount.h"
#include "base.h"
#include "error.h"
#include "fds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the mapping --------------------------------------------------------------------- */

static gboolean
write_map (pid_t pid, const char *file, guint outside)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/%s", pid, file);
  g_autofree char *line
      = g_strdup_printf ("%u %u 1\n", outside, MOSS_SANDBOX_FIRST_ID + MOSS_SANDBOX_APP_ID);
  moss_autofd fd = open (path, O_WRONLY | O_CLOEXEC);

  return fd >= 0 && write (fd, line, strlen (line)) > 0;
}

/* A user namespace lives as long as a descriptor of it does; no process need stay in it. */
static int
make_namespace (uid_t uid, gid_t gid)
{
  char path[32], go;
  int ready[2], fd = -1;
  pid_t pid;

  if (pipe2 (ready, O_CLOEXEC) != 0)
    return -1;
  pid = fork ();
  if (pid == 0)
    {
      if (unshare (CLONE_NEWUSER) == 0 && write (ready[1], "r", 1) == 1)
        pause ();
      _exit (1);
    }
  close (ready[1]);
  if (pid > 0 && read (ready[0], &go, 1) == 1 && write_map (pid, "uid_map", uid)
      && write_map (pid, "gid_map", gid))
    {
      g_snprintf (path, sizeof path, "/proc/%d/ns/user", pid);
      fd = open (path, O_RDONLY | O_CLOEXEC);
    }
  close (ready[0]);
  if (pid > 0)
    {
      kill (pid, SIGKILL);
      waitpid (pid, NULL, 0);
    }
  return fd;
}

static int
map_mount (uid_t owner, GError **error)
{
  moss_autofd mount = moss_net_mount_clone (owner, error);
  moss_autofd namespace = -1;
  struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };

  if (mount < 0)
    return -1;
  namespace = make_namespace (owner, moss_net_group_of (owner));
  attr.userns_fd = namespace;
  if (namespace >= 0
      && syscall (SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0)
    return g_steal_fd (&mount);
  moss_sandbox_fail_errno (error, errno, "This system can't give /net to a sandbox");
  return -1;
}

/* ---- ours ---------------------------------------------------------------------------- */

/* One at a time; who has one, by user. */
static GMutex lock;
static GHashTable *made;

/* In our own mount namespace, but where CRIU's helper with the sandbox's ids can walk to. */
static char *
own_path (MossRegistry *registry, uid_t owner)
{
  return g_strdup_printf ("%s/net-%u", moss_registry_get_paths (registry)->run_dir, owner);
}

static gboolean
attach (const char *path, uid_t owner, GError **error)
{
  moss_autofd mount = map_mount (owner, error);

  if (mount < 0)
    return FALSE;
  if ((mkdir (path, 0700) == 0 || errno == EEXIST)
      && syscall (SYS_move_mount, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) == 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't keep the mount of /net");
}

char *
moss_net_bind_path (MossRegistry *registry, uid_t owner, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  g_autofree char *path = own_path (registry, owner);
  gpointer key = GUINT_TO_POINTER (owner);

  if (made == NULL)
    made = g_hash_table_new (NULL, NULL);
  if (!g_hash_table_contains (made, key))
    {
      if (!attach (path, owner, error))
        return NULL;
      g_hash_table_add (made, key);
    }
  return g_steal_pointer (&path);
}

/* Of everybody: there is one /net on a machine. */
static void
drop_own (MossRegistry *registry)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  GHashTableIter iter;
  gpointer key;

  if (made == NULL)
    return;
  g_hash_table_iter_init (&iter, made);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      g_autofree char *path = own_path (registry, GPOINTER_TO_UINT (key));

      umount2 (path, MNT_DETACH | UMOUNT_NOFOLLOW);
    }
  g_hash_table_remove_all (made);
}

int
moss_net_bind_make (MossRegistry *registry, uid_t owner, GError **error)
{
  g_autofree char *path = moss_net_bind_path (registry, owner, error);
  int mount;

  if (path == NULL)
    return -1;
  mount = syscall (SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (mount < 0)
    moss_sandbox_fail_errno (error, errno, "Can't copy the mount of /net");
  return mount;
}

/* ---- in running sandboxes ------------------------------------------------------------ */

typedef struct
{
  pid_t pid;
  int mount; /* -1: take it down */
  int error; /* errno */
} Visit;

static int
open_point (void)
{
  struct open_how how = {
    .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
    .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
  };

  return syscall (SYS_openat2, AT_FDCWD, MOSS_NET_PATH, &how, sizeof how);
}

static gboolean
visit (Visit *v)
{
  moss_autofd pidfd = syscall (SYS_pidfd_open, v->pid, 0);
  moss_autofd point = -1;

  if (pidfd < 0 || unshare (CLONE_FS) != 0 || setns (pidfd, CLONE_NEWNS) != 0)
    return FALSE;
  /* Whatever was there before is dead or to go. Not mounted is fine, too. */
  umount2 (MOSS_NET_PATH, MNT_DETACH | UMOUNT_NOFOLLOW);
  if (v->mount < 0)
    return TRUE;
  point = open_point ();
  return point >= 0
         && syscall (SYS_move_mount, v->mount, "", point, "",
                     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
}

static gpointer
visit_in_thread (gpointer data)
{
  Visit *v = data;

  v->error = visit (v) ? 0 : errno;
  return NULL;
}

static void
visit_sandbox (MossSandbox *sandbox, int mount)
{
  Visit v = { sandbox->pid, mount, 0 };

  g_thread_join (g_thread_new ("net-bind", visit_in_thread, &v));
  if (v.error != 0)
    g_message ("%s has no /net: %s", sandbox->name, g_strerror (v.error));
}

void
moss_net_bind_late (MossSandbox *sandbox)
{
  g_autoptr (GError) error = NULL;
  moss_autofd mount = moss_net_bind_make (sandbox->registry, sandbox->owner, &error);

  if (mount >= 0)
    visit_sandbox (sandbox, mount);
  else if (!g_error_matches (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_NOT_FOUND))
    g_message ("%s has no /net: %s", sandbox->name, error->message);
}

void
moss_net_bind_all (MossRegistry *registry, uid_t owner)
{
  g_autoptr (GPtrArray) list = moss_registry_list (registry, owner);

  drop_own (registry);
  for (guint i = 0; i < list->len; i++)
    {
      MossSandbox *sandbox = list->pdata[i];

      g_mutex_lock (&sandbox->lock);
      if (sandbox->alive)
        moss_net_bind_late (sandbox);
      g_mutex_unlock (&sandbox->lock);
    }
}

void
moss_net_unbind_all (MossRegistry *registry, uid_t owner)
{
  g_autoptr (GPtrArray) list = moss_registry_list (registry, owner);

  for (guint i = 0; i < list->len; i++)
    {
      MossSandbox *sandbox = list->pdata[i];

      g_mutex_lock (&sandbox->lock);
      if (sandbox->alive)
        visit_sandbox (sandbox, -1);
      g_mutex_unlock (&sandbox->lock);
    }
  drop_own (registry);
}
