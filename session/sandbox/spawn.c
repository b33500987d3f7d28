/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: pid 1 of a sandbox lives in user, pid, mount, net, ipc, uts and cgroup namespaces of its
 * own. Its ids are mapped by sandboxd, setgroups stays allowed (the ids are nobody's outside). It
 * keeps no file descriptor but one pipe on which it says that it started, no mount of the
 * machine, no signal disposition, no environment but the list below.
 *
 * Between clone3() and execve() the child is a copy of one thread of a threaded process: it may
 * call nothing but the kernel. All that it needs is prepared before. */

#include "spawn.h"
#include "base.h"
#include "sandbox-cgroup.h"
#include "error.h"
#include "sandbox-limits.h"
#include "fds.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define START_TIMEOUT_MS 10000
#define READY_FD 3

/* Every CPU that Moss runs on has SSE2 (x86-64-v1); glibc chooses nothing above v2, so that an
 * app never holds a pointer to code that another machine can't run. */
#ifdef __x86_64__
#define TUNABLES                                                                                 \
  "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL,-AVX512BW,"           \
  "-AVX512DQ,-AVX512CD,-FMA,-FMA4,-BMI1,-BMI2,-LZCNT,-MOVBE,-F16C,-ERMS,-FSRM,-RTM"
#else
#define TUNABLES "glibc.malloc.check=0"
#endif

static const char *const fixed_env[] = {
  "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
  "HOME=" MOSS_SANDBOX_HOME,
  "USER=moss",
  "LOGNAME=moss",
  "SHELL=/bin/bash",
  "XDG_RUNTIME_DIR=/run/user/1000",
  "XDG_SESSION_TYPE=wayland",
  "XDG_DATA_DIRS=/usr/local/share:/usr/share",
  "XDG_CONFIG_DIRS=/etc/xdg",
  "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus",
  "WAYLAND_DISPLAY=wayland-0",
  "GLIBC_TUNABLES=" TUNABLES,
  "LD_BIND_NOW=1",
  "DISPLAY=:0",
  "GDK_BACKEND=wayland,x11",
  "GSK_RENDERER=cairo",
  "GSETTINGS_BACKEND=keyfile",
  "GIO_USE_VFS=local",
  "GTK_A11Y=none",
  "NO_AT_BRIDGE=1",
  "QT_QPA_PLATFORM=wayland;xcb",
  "QT_WAYLAND_DISABLE_WINDOWDECORATION=0",
  "QT_XCB_GL_INTEGRATION=none",
  "QT_LINUX_ACCESSIBILITY_ALWAYS_ON=0",
  "SDL_VIDEODRIVER=wayland,x11",
  "SDL_AUDIODRIVER=dummy", /* there is no sound, which some take for a reason to end */
  "LIBGL_ALWAYS_SOFTWARE=1",
  "MOZ_ENABLE_WAYLAND=1",
  NULL
};
static const char *const default_env[] = { "LANG=C.UTF-8", "TERM=xterm-256color", NULL };

/* What the child needs, made before the fork. */
typedef struct
{
  const char *root_path;
  int net; /* a mount, or -1 */
  char **argv;
  char **envp;
  int go_fd;     /* reading end: "go" once the id maps are written */
  int report_fd; /* writing end: "ok", or a sentence */
} Child;

static gboolean
env_has (GStrv env, const char *assignment)
{
  gsize length = strcspn (assignment, "=") + 1;

  for (int i = 0; env[i] != NULL; i++)
    if (strncmp (env[i], assignment, length) == 0)
      return TRUE;
  return FALSE;
}

GStrv
moss_spawn_make_env (const MossSandboxOptions *options)
{
  g_autoptr (GPtrArray) env = g_ptr_array_new ();

  for (int i = 0; fixed_env[i] != NULL; i++)
    {
      const char *assignment = fixed_env[i];

      if (options->x11 && g_str_has_prefix (assignment, "GDK_BACKEND="))
        assignment = "GDK_BACKEND=x11";
      if (options->x11 && g_str_has_prefix (assignment, "QT_QPA_PLATFORM="))
        assignment = "QT_QPA_PLATFORM=xcb";
      if (options->x11 && g_str_has_prefix (assignment, "SDL_VIDEODRIVER="))
        assignment = "SDL_VIDEODRIVER=x11";
      g_ptr_array_add (env, g_strdup (assignment));
    }
  for (int i = 0; options->env[i] != NULL; i++)
    g_ptr_array_add (env, g_strdup (options->env[i]));
  for (int i = 0; default_env[i] != NULL; i++)
    if (!env_has (options->env, default_env[i]))
      g_ptr_array_add (env, g_strdup (default_env[i]));
  g_ptr_array_add (env, NULL);
  return (GStrv) g_ptr_array_steal (env, NULL);
}

static GStrv
make_argv (const MossSandboxOptions *options)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();

  g_ptr_array_add (argv, g_strdup ("moss-init"));
  g_ptr_array_add (argv, g_strdup ("--cwd"));
  g_ptr_array_add (argv, g_strdup (options->cwd));
  g_ptr_array_add (argv, g_strdup ("--"));
  for (int i = 0; options->argv[i] != NULL; i++)
    g_ptr_array_add (argv, g_strdup (options->argv[i]));
  g_ptr_array_add (argv, NULL);
  return (GStrv) g_ptr_array_steal (argv, NULL);
}

/* ---- in the child: system calls only ------------------------------------------------- */

static void
child_say (int fd, const char *text)
{
  if (write (fd, text, strlen (text)) < 0)
    _exit (126);
}

static _Noreturn void
child_fail (const Child *child, const char *step)
{
  int number = errno;
  char digits[12];
  int at = sizeof digits - 1;

  digits[at] = '\0';
  do
    digits[--at] = '0' + number % 10;
  while ((number /= 10) > 0 && at > 0);
  child_say (child->report_fd, step);
  child_say (child->report_fd, " failed with error number ");
  child_say (child->report_fd, digits + at);
  _exit (125);
}

#define CHILD_DO(call)                                                                           \
  G_STMT_START                                                                                   \
  {                                                                                              \
    if ((call) < 0)                                                                              \
      child_fail (child, #call);                                                                 \
  }                                                                                              \
  G_STMT_END

static void
child_reset_signals (void)
{
  sigset_t none;

  for (int i = 1; i < 32; i++)
    signal (i, SIG_DFL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* Only root outside, which we are until the ids change, may walk to our mount points. */
static void
child_enter_root (const Child *child)
{
  CHILD_DO (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  /* Mounts copied into a lesser user namespace are locked; a bind mount of ours is not. */
  CHILD_DO (mount (child->root_path, child->root_path, NULL, MS_BIND, NULL));
  CHILD_DO (chdir (child->root_path));
  if (child->net >= 0)
    CHILD_DO (syscall (SYS_move_mount, child->net, "", AT_FDCWD, "net",
                       MOVE_MOUNT_F_EMPTY_PATH));
}

/* The mounts: root, /proc, /dev/pts. A tmpfs would make CRIU start tar in the freeze. */
static void
child_mount (const Child *child)
{
  CHILD_DO (mount ("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
  CHILD_DO (mount ("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                   "newinstance,ptmxmode=0666,mode=0620,gid=5"));
  CHILD_DO (syscall (SYS_pivot_root, ".", "."));
  CHILD_DO (umount2 (".", MNT_DETACH));
  CHILD_DO (chdir ("/"));
}

/* /dev/null as 0–2, the report as READY_FD, nothing else. */
static void
child_close_fds (Child *child)
{
  int null = open ("/dev/null", O_RDWR);

  if (null < 0)
    child_fail (child, "open /dev/null");
  for (int i = 0; i < 3; i++)
    CHILD_DO (dup2 (null, i));
  if (child->report_fd != READY_FD)
    {
      CHILD_DO (dup2 (child->report_fd, READY_FD));
      child->report_fd = READY_FD;
    }
  else
    CHILD_DO (fcntl (READY_FD, F_SETFD, 0));
  CHILD_DO (syscall (SYS_close_range, READY_FD + 1, ~0U, 0));
}

static _Noreturn void
child_main (Child *child)
{
  char go = 0;

  child_reset_signals ();
  if (read (child->go_fd, &go, 1) != 1)
    _exit (124);
  CHILD_DO (setsid ());
  child_enter_root (child);
  CHILD_DO (syscall (SYS_setresgid, 0, 0, 0));
  CHILD_DO (syscall (SYS_setgroups, 0, NULL));
  CHILD_DO (syscall (SYS_setresuid, 0, 0, 0));
  CHILD_DO (unshare (CLONE_NEWCGROUP));
  CHILD_DO (moss_limits_set_resources ());
  CHILD_DO (sethostname ("moss", 4));
  umask (022);
  child_mount (child);
  child_close_fds (child);
  execve (MOSS_SANDBOX_INIT_PATH, child->argv, child->envp);
  child_fail (child, "execve " MOSS_SANDBOX_INIT_PATH);
}

/* ---- in sandboxd --------------------------------------------------------------------- */

static gboolean
write_map (pid_t pid, const char *file, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/%s", pid, file);
  g_autofree char *line = g_strdup_printf ("0 %u %u\n", MOSS_SANDBOX_FIRST_ID, MOSS_SANDBOX_N_IDS);
  moss_autofd fd = open (path, O_WRONLY | O_CLOEXEC);

  if (fd >= 0 && write (fd, line, strlen (line)) > 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't write the id map of a sandbox");
}

static pid_t
clone_child (Child *child, int cgroup_fd, int *pidfd)
{
  struct clone_args args = {
    .flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC
             | CLONE_NEWUTS | CLONE_PIDFD | CLONE_INTO_CGROUP,
    .pidfd = (guint64) (gsize) pidfd,
    .exit_signal = SIGCHLD,
    .cgroup = cgroup_fd,
  };
  pid_t pid = syscall (SYS_clone3, &args, sizeof args);

  if (pid == 0)
    child_main (child);
  return pid;
}

/* Reads what moss-init has to say until it closes the pipe: "ok", or why not; a question mark and
 * a program's name: there is none of this name. */
static gboolean
wait_until_ready (int fd, const char *name, GError **error)
{
  char text[1024] = "";
  gsize used = 0;
  gint64 end = g_get_monotonic_time () + START_TIMEOUT_MS * 1000;

  while (used < sizeof text - 1)
    {
      struct pollfd poll_fd = { fd, POLLIN, 0 };
      gint64 left_ms = (end - g_get_monotonic_time ()) / 1000;
      gssize n = left_ms > 0 && poll (&poll_fd, 1, left_ms) > 0
                     ? read (fd, text + used, sizeof text - 1 - used) : -1;

      if (n <= 0)
        break;
      used += n;
    }
  text[used] = '\0';
  if (strcmp (text, "ok") == 0)
    return TRUE;
  for (gsize i = 0; i < used; i++)
    if (!g_ascii_isprint (text[i]))
      text[i] = '_';
  if (used > 0 && text[0] == '?')
    {
      g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_NOT_FOUND,
                   "There is no program \"%s\"", text + 1);
      return FALSE;
    }
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_FAILED, "%s did not start: %s", name,
               used > 0 ? text : "its sandbox ended or did not answer");
  return FALSE;
}

gboolean
moss_spawn (const char *root_path, int net, int cgroup_fd, const MossSandboxOptions *options,
            MossSpawnHook hook, gpointer data, MossSpawned *spawned, GError **error)
{
  g_auto (GStrv) argv = make_argv (options);
  g_auto (GStrv) envp = moss_spawn_make_env (options);
  int go[2] = { -1, -1 }, report[2] = { -1, -1 };
  gboolean ok;

  if (pipe2 (go, O_CLOEXEC) != 0 || pipe2 (report, O_CLOEXEC) != 0)
    return moss_sandbox_fail_errno (error, errno, "Can't make a pipe");
  moss_autofd go_read = go[0], go_write = go[1], report_read = report[0];
  moss_autofd report_write = report[1];
  Child child = { root_path, net, argv, envp, go_read, report_write };

  spawned->pidfd = -1;
  spawned->pid = clone_child (&child, cgroup_fd, &spawned->pidfd);
  if (spawned->pid < 0)
    return moss_sandbox_fail_errno (error, errno, "Can't make the namespaces of a sandbox");
  close (g_steal_fd (&report_write));
  moss_limits_set_share (spawned->pidfd);
  ok = write_map (spawned->pid, "uid_map", error) && write_map (spawned->pid, "gid_map", error);
  if (ok && hook != NULL)
    hook (spawned->pid, data);
  ok = ok && write (go_write, "g", 1) == 1 && wait_until_ready (report_read, options->name, error);
  if (ok)
    return TRUE;
  moss_sandbox_cgroup_kill (cgroup_fd, NULL);
  waitpid (spawned->pid, NULL, 0);
  close (g_steal_fd (&spawned->pidfd));
  return FALSE;
}
