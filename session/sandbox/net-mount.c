/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy, in plain words:
 *
 * - There is one /net on a machine, and it belongs to one person at a time: the one whose mount
 *   stands there. Anybody else gets a sentence. It is taken over from a mount that is dead (its
 *   server is gone), never from one that lives.
 * - The caller gets the descriptor of a new, empty FUSE connection and serves it with its own
 *   rights. What it serves is not trusted: nosuid, nodev, the kernel checks modes and owners
 *   (default_permissions), and the root directory starts as the caller's own with mode 0700. Root
 *   here never reads below /net.
 * - /net is a plain empty directory of root's. Anything else there (a file, a link, files, autofs,
 *   any other mount) is refused and left alone.
 * - Unmount and Abort work on the caller's own mount only, Tune sets a bounded number.
 * - All of it happens in the machine's mount namespace, in a thread that does nothing else. */

#include "net-mount.h"
#include "net-bind.h"
#include "error.h"
#include "fds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

#define DEAD_TIMEOUT_MS 500
#define READ_AHEAD_MAX_KIB 16384

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* What stands at /net. */
typedef struct
{
  gboolean is_mount;
  gboolean is_ours; /* made by us, for owner */
  uid_t owner;
  guint major, minor;
  char type[32];
} Standing;

static int host_mounts = -1;
/* Two mounts at once would end one on top of the other. */
static GMutex lock;

gboolean
moss_net_mount_start (GError **error)
{
  host_mounts = open ("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (host_mounts >= 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't open the machine's mount namespace");
}

gid_t
moss_net_group_of (uid_t uid)
{
  struct passwd entry, *found = NULL;
  char text[4096];

  if (getpwuid_r (uid, &entry, text, sizeof text, &found) == 0 && found != NULL)
    return found->pw_gid;
  return uid;
}

/* ---- in the machine's mounts --------------------------------------------------------- */

typedef int (*HostJob) (uid_t owner, GError **error);

typedef struct
{
  HostJob job;
  uid_t owner;
  int result;
  GError *error;
} HostCall;

static gpointer
run_on_host (gpointer data)
{
  HostCall *call = data;

  if (unshare (CLONE_FS) != 0 || setns (host_mounts, CLONE_NEWNS) != 0)
    moss_sandbox_fail_errno (&call->error, errno, "Can't enter the machine's mounts");
  else
    call->result = call->job (call->owner, &call->error);
  return NULL;
}

/* A thread can leave its mount namespace, but not come back with all it shares. */
static int
on_host (HostJob job, uid_t owner, GError **error)
{
  HostCall call = { job, owner, -1, NULL };

  g_mutex_lock (&lock);
  g_thread_join (g_thread_new ("net-mount", run_on_host, &call));
  g_mutex_unlock (&lock);
  if (call.error != NULL)
    g_propagate_error (error, call.error);
  return call.result;
}

/* A line is "36 35 0:51 / /net rw,nosuid - fuse.moss moss rw,user_id=1000,…". */
static void
read_line (char *line, Standing *standing)
{
  char *rest = strstr (line, " - ");
  char point[8], *options;
  guint major, minor;

  if (rest == NULL
      || sscanf (line, "%*u %*u %u:%u %*s %7s", &major, &minor, point) != 3
      || strcmp (point, MOSS_NET_PATH) != 0)
    return;
  memset (standing, 0, sizeof *standing);
  standing->is_mount = TRUE;
  standing->major = major;
  standing->minor = minor;
  if (sscanf (rest, " - %31s", standing->type) != 1)
    return;
  options = strstr (rest, "user_id=");
  standing->is_ours = strcmp (standing->type, "fuse.moss") == 0 && options != NULL
                      && sscanf (options, "user_id=%u", &standing->owner) == 1;
}

/* The topmost mount at /net is the last one listed. */
static gboolean
look (Standing *standing, GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  memset (standing, 0, sizeof *standing);
  if (!g_file_get_contents ("/proc/thread-self/mountinfo", &text, NULL, error))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    read_line (lines[i], standing);
  return TRUE;
}

/* Asks its server in a process of its own: whoever asks a hung one hangs, until killed. */
static gboolean
is_dead (void)
{
  struct statx st;
  struct pollfd ended = { .fd = -1, .events = POLLIN };
  siginfo_t info = { 0 };
  pid_t pid = fork ();

  if (pid == 0)
    _exit (statx (AT_FDCWD, MOSS_NET_PATH, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &st) != 0
           && (errno == ENOTCONN || errno == ECONNABORTED));
  if (pid < 0)
    return FALSE;
  ended.fd = syscall (SYS_pidfd_open, pid, 0);
  if (ended.fd < 0 || poll (&ended, 1, DEAD_TIMEOUT_MS) <= 0)
    kill (pid, SIGKILL);
  waitid (P_PID, pid, &info, WEXITED);
  moss_fd_cleanup (&ended.fd);
  return info.si_code == CLD_EXITED && info.si_status == 1;
}

static gboolean
refuse (GError **error, MossSandboxError code, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (MOSS_SANDBOX_ERROR, code, format, args);
  va_end (args);
  return FALSE;
}

static gboolean
refuse_owner (uid_t caller, uid_t owner, GError **error)
{
  struct passwd entry, *found = NULL;
  char text[4096];

  if (caller == owner)
    return refuse (error, MOSS_SANDBOX_ERROR_EXISTS,
                   "/net is in use by another session of yours on this machine");
  getpwuid_r (owner, &entry, text, sizeof text, &found);
  return refuse (error, MOSS_SANDBOX_ERROR_EXISTS,
                 "/net on this machine is in use by %s; it is free when they log out",
                 found != NULL ? found->pw_name : "somebody else");
}

/* Makes room for a mount of the caller's, or says why there is none. */
static gboolean
clear_way (uid_t caller, GError **error)
{
  Standing standing;

  for (;;)
    {
      if (!look (&standing, error))
        return FALSE;
      if (!standing.is_mount)
        return TRUE;
      if (strcmp (standing.type, "autofs") == 0)
        return refuse (error, MOSS_SANDBOX_ERROR_EXISTS,
                       "autofs has taken /net; take the line “/net -hosts” out of "
                       "/etc/auto.master to have your files there");
      if (!standing.is_ours)
        return refuse (error, MOSS_SANDBOX_ERROR_EXISTS,
                       "/net has another file system mounted on it (%s)", standing.type);
      if (!is_dead ())
        return refuse_owner (caller, standing.owner, error);
      if (umount2 (MOSS_NET_PATH, MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
        return moss_sandbox_fail_errno (error, errno, "Can't remove a dead mount from /net");
    }
}

static gboolean
is_empty (int fd)
{
  int copy = dup (fd);
  DIR *dir = copy >= 0 ? fdopendir (copy) : NULL;
  struct dirent *entry;
  guint n = 0;

  if (dir == NULL)
    {
      moss_fd_cleanup (&copy);
      return FALSE;
    }
  while (n <= 2 && (entry = readdir (dir)) != NULL)
    n++;
  closedir (dir);
  return n <= 2;
}

/* Returns the directory to mount on, made when it isn't there; -1 with error. */
static int
open_point (GError **error)
{
  struct stat st;
  moss_autofd fd = -1;

  if (mkdir (MOSS_NET_PATH, 0755) != 0 && errno != EEXIST)
    {
      moss_sandbox_fail_errno (error, errno, "Can't make the directory /net");
      return -1;
    }
  fd = open (MOSS_NET_PATH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &st) != 0)
    {
      moss_sandbox_fail_errno (error, errno, "Can't open the directory /net");
      return -1;
    }
  if (st.st_uid == 0 && is_empty (fd))
    return g_steal_fd (&fd);
  refuse (error, MOSS_SANDBOX_ERROR_EXISTS,
          "/net is not an empty directory of root's; move away what is there");
  return -1;
}

static gboolean
set (int fs, const char *key, const char *value)
{
  guint command = value != NULL ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

  return syscall (SYS_fsconfig, fs, command, key, value, 0) == 0;
}

/* Returns a mount that hangs nowhere yet. */
static int
make_mount (int device, uid_t owner, GError **error)
{
  moss_autofd fs = syscall (SYS_fsopen, "fuse", FSOPEN_CLOEXEC);
  char number[16], user[16], group[16];
  int made = -1;

  g_snprintf (number, sizeof number, "%d", device);
  g_snprintf (user, sizeof user, "%u", owner);
  g_snprintf (group, sizeof group, "%u", moss_net_group_of (owner));
  if (fs >= 0 && set (fs, "source", "moss") && set (fs, "subtype", "moss")
      && set (fs, "fd", number) && set (fs, "rootmode", "40700") && set (fs, "user_id", user)
      && set (fs, "group_id", group) && set (fs, "allow_other", NULL)
      && set (fs, "default_permissions", NULL)
      && syscall (SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    made = syscall (SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (made < 0)
    moss_sandbox_fail_errno (error, errno, "Can't make a FUSE file system for /net");
  return made;
}

/* Returns the connection. */
static int
mount_on_host (uid_t owner, GError **error)
{
  moss_autofd point = -1;
  moss_autofd device = -1;
  moss_autofd made = -1;

  if (!clear_way (owner, error) || (point = open_point (error)) < 0)
    return -1;
  device = open ("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0)
    {
      moss_sandbox_fail_errno (error, errno, "Can't open /dev/fuse");
      return -1;
    }
  made = make_mount (device, owner, error);
  if (made < 0)
    return -1;
  if (syscall (SYS_move_mount, made, "", point, "",
               MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0)
    return g_steal_fd (&device);
  moss_sandbox_fail_errno (error, errno, "Can't mount on /net");
  return -1;
}

/* The caller's mount, or NOT_FOUND. */
static gboolean
find_own (uid_t owner, Standing *standing, GError **error)
{
  if (!look (standing, error))
    return FALSE;
  if (standing->is_mount && standing->is_ours && standing->owner == owner)
    return TRUE;
  return refuse (error, MOSS_SANDBOX_ERROR_NOT_FOUND, "You have nothing mounted on /net");
}

static int
take_down (uid_t owner, int flags, GError **error)
{
  Standing standing;

  if (!find_own (owner, &standing, error))
    return -1;
  if (umount2 (MOSS_NET_PATH, flags | MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
    return 0;
  moss_sandbox_fail_errno (error, errno, "Can't unmount /net");
  return -1;
}

static int
unmount_on_host (uid_t owner, GError **error)
{
  return take_down (owner, 0, error);
}

/* MNT_FORCE is what the abort file in /sys/fs/fuse/connections does, without the need that it is
 * mounted anywhere: every request that waits fails, and every later one. */
static int
abort_on_host (uid_t owner, GError **error)
{
  return take_down (owner, MNT_FORCE, error);
}

static int
clone_on_host (uid_t owner, GError **error)
{
  Standing standing;
  int fd;

  if (!find_own (owner, &standing, error))
    return -1;
  fd = syscall (SYS_open_tree, AT_FDCWD, MOSS_NET_PATH,
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
  if (fd < 0)
    moss_sandbox_fail_errno (error, errno, "Can't copy the mount of /net");
  return fd;
}

/* Returns the number of its device (minor). */
static int
find_on_host (uid_t owner, GError **error)
{
  Standing standing;

  return find_own (owner, &standing, error) ? (int) standing.minor : -1;
}

/* ---- requests ------------------------------------------------------------------------ */

int
moss_net_mount_clone (uid_t owner, GError **error)
{
  return on_host (clone_on_host, owner, error);
}

gboolean
moss_net_mount_is_there (uid_t owner)
{
  return on_host (find_on_host, owner, NULL) >= 0;
}

GVariant *
moss_net_mount_request (MossRequest *request, GError **error)
{
  int fd = on_host (mount_on_host, request->caller, error);
  int index;

  if (fd < 0)
    return NULL;
  index = moss_request_add_fd (request, fd, error);
  return index < 0 ? NULL : g_variant_new ("(h)", index);
}

static GVariant *
take_down_request (MossRequest *request, HostJob job, GError **error)
{
  if (on_host (job, request->caller, error) < 0)
    return NULL;
  moss_net_unbind_all (request->registry, request->caller);
  return g_variant_new ("()");
}

GVariant *
moss_net_unmount_request (MossRequest *request, GError **error)
{
  return take_down_request (request, unmount_on_host, error);
}

GVariant *
moss_net_abort_request (MossRequest *request, GError **error)
{
  return take_down_request (request, abort_on_host, error);
}

/* The kernel maps no ids before it knows that the server goes along, hence not in MountNet. */
GVariant *
moss_net_bind_request (MossRequest *request, GError **error)
{
  if (on_host (find_on_host, request->caller, error) < 0)
    return NULL;
  moss_net_bind_all (request->registry, request->caller);
  return g_variant_new ("()");
}

/* The kernel reads ahead 128 KiB of a FUSE file unless it is told otherwise, and only root may. */
GVariant *
moss_net_tune_request (MossRequest *request, GError **error)
{
  g_autofree char *path = NULL;
  char text[16];
  guint32 kib;
  int minor = on_host (find_on_host, request->caller, error);
  moss_autofd fd = -1;

  if (minor < 0)
    return NULL;
  g_variant_get (request->parameters, "(u)", &kib);
  path = g_strdup_printf ("/sys/class/bdi/0:%d/read_ahead_kb", minor);
  g_snprintf (text, sizeof text, "%u", MIN (kib, READ_AHEAD_MAX_KIB));
  fd = open (path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write (fd, text, strlen (text)) > 0)
    return g_variant_new ("()");
  moss_sandbox_fail_errno (error, errno, "Can't set how far /net is read ahead");
  return NULL;
}
