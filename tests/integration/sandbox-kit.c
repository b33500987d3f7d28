/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sandbox-kit.h"
#include "criu-cgroup.h"
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define HOME "home/moss"

static void
must (gboolean ok, const char *what)
{
  if (!ok)
    g_error ("%s: %s", what, g_strerror (errno));
}

static const char *
cgroup_root (void)
{
  return access ("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ? "/sys/fs/cgroup"
                                                           : "/sys/fs/cgroup/unified";
}

TestSandbox *
test_sandbox_new (const char *lower, const char *parent)
{
  static int serial;
  TestSandbox *s = g_new0 (TestSandbox, 1);

  s->dir = g_strdup_printf ("%s/sandbox-%d", parent, ++serial);
  s->lower = g_strdup (lower);
  s->cgroup
      = g_strdup_printf ("%s/moss-test-%d-%d", cgroup_root (), (int)getpid (), serial);
  for (const char *const *p = (const char *const[]){ "upper", "work", "root", NULL }; *p;
       p++)
    {
      g_autofree char *path = g_build_filename (s->dir, *p, NULL);

      must (g_mkdir_with_parents (path, 0755) == 0, path);
      if (g_str_equal (*p, "upper"))
        {
          must (chown (path, MOSS_LAYER_FIRST_ID, MOSS_LAYER_FIRST_ID) == 0, path);
          s->upper_dirfd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
    }
  s->lower_dirfd = open (lower, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  must (s->lower_dirfd >= 0, lower);
  must (mkdir (s->cgroup, 0755) == 0, s->cgroup);
  s->cgroup_dirfd = open (s->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return s;
}

static void
make_dir (int dirfd, const char *path, mode_t mode, uid_t uid)
{
  must (mkdirat (dirfd, path, mode) == 0 || errno == EEXIST, path);
  must (fchownat (dirfd, path, MOSS_LAYER_FIRST_ID + uid, MOSS_LAYER_FIRST_ID + uid, 0)
            == 0,
        path);
  must (fchmodat (dirfd, path, mode, 0) == 0, path);
}

static void
make_node (int dirfd, const char *path, int major_number, int minor_number)
{
  must (mknodat (dirfd, path, S_IFCHR | 0666, makedev (major_number, minor_number)) == 0
            || errno == EEXIST,
        path);
  must (fchmodat (dirfd, path, 0666, 0) == 0, path);
}

static void
set_opaque (int dirfd, const char *path)
{
  int fd = openat (dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  must (fsetxattr (fd, "trusted.overlay.opaque", "y", 1, 0) == 0, path);
  close (fd);
}

/* What stands in the upper directory of every new sandbox, also of one that a layer goes
 * into. */
void
test_sandbox_prepare_upper (TestSandbox *s)
{
  int d = s->upper_dirfd;

  make_dir (d, "dev", 0755, 0);
  set_opaque (d, "dev");
  make_node (d, "dev/null", 1, 3);
  make_node (d, "dev/zero", 1, 5);
  make_node (d, "dev/full", 1, 7);
  make_node (d, "dev/random", 1, 8);
  make_node (d, "dev/urandom", 1, 9);
  make_node (d, "dev/tty", 5, 0);
  make_dir (d, "dev/pts", 0755, 0);
  make_dir (d, "dev/shm", 01777, 0);
  must (symlinkat ("pts/ptmx", d, "dev/ptmx") == 0 || errno == EEXIST, "ptmx");
  must (symlinkat ("/proc/self/fd", d, "dev/fd") == 0 || errno == EEXIST, "fd");
  make_dir (d, "proc", 0555, 0);
}

static void
prepare_home (TestSandbox *s)
{
  int d = s->upper_dirfd;

  make_dir (d, "run", 0755, 0);
  set_opaque (d, "run");
  make_dir (d, "run/user", 0755, 0);
  make_dir (d, "run/user/1000", 0700, 1000);
  make_dir (d, "tmp", 01777, 0);
  set_opaque (d, "tmp");
  make_dir (d, "home", 0755, 0);
  set_opaque (d, "home");
  make_dir (d, HOME, 0700, 1000);
}

char *
test_sandbox_root (TestSandbox *s)
{
  return g_build_filename (s->dir, "root", NULL);
}

void
test_sandbox_mount (TestSandbox *s)
{
  g_autofree char *root = test_sandbox_root (s);
  g_autofree char *options = g_strdup_printf (
      "lowerdir=%s,upperdir=%s/upper,workdir=%s/work,index=on,nfs_export=on,"
      "metacopy=off,redirect_dir=off",
      s->lower, s->dir, s->dir);

  must (mount ("overlay", root, "overlay", MS_NOSUID, options) == 0, options);
  s->mounted = TRUE;
}

static void
write_text (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  must (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t)strlen (text), path);
  close (fd);
}

static void
map_ids (pid_t pid)
{
  g_autofree char *text = g_strdup_printf ("0 %u 65536\n", MOSS_LAYER_FIRST_ID);

  for (const char *const *p = (const char *const[]){ "uid_map", "gid_map", NULL }; *p;
       p++)
    {
      g_autofree char *path = g_strdup_printf ("/proc/%d/%s", (int)pid, *p);

      write_text (path, text);
    }
}

static void
loopback_up (void)
{
  struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  must (ioctl (fd, SIOCSIFFLAGS, &request) == 0, "lo");
  close (fd);
}

static void
mount_inside (const char *root, gboolean run_tmpfs)
{
  must (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
  must (mount (root, root, NULL, MS_BIND, NULL) == 0, "bind");
  must (chdir (root) == 0, root);
  must (mount ("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0,
        "proc");
  must (mount ("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
               "newinstance,ptmxmode=0666,mode=0620")
            == 0,
        "devpts");
  if (run_tmpfs)
    must (mount ("tmpfs", "run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") == 0, "run");
  must (syscall (SYS_pivot_root, ".", ".") == 0, "pivot_root");
  must (umount2 (".", MNT_DETACH) == 0, "umount");
  must (chdir ("/") == 0, "/");
}

static void
run_init (TestSandbox *s, int go, const char *script, gboolean run_tmpfs)
{
  g_autofree char *root = test_sandbox_root (s);
  char byte;
  int null;

  must (read (go, &byte, 1) == 1, "go");
  must (setresgid (0, 0, 0) == 0 && setresuid (0, 0, 0) == 0, "root inside");
  mount_inside (root, run_tmpfs);
  loopback_up ();
  sethostname ("moss", 4);
  setsid ();
  if (run_tmpfs)
    {
      mkdir ("/run/user", 0755);
      mkdir ("/run/user/1000", 0700);
      must (chown ("/run/user/1000", 1000, 1000) == 0, "runtime dir");
    }
  null = open ("/dev/null", O_RDWR);
  for (int i = 0; i < 3; i++)
    dup2 (null, i);
  close_range (3, ~0u, 0);
  execle ("/bin/sh", "sh", "-c", script, NULL,
          (char *[]){ "PATH=/usr/bin:/bin", "HOME=/home/moss", "LANG=C.UTF-8",
                      "XDG_RUNTIME_DIR=/run/user/1000", "LIBGL_ALWAYS_SOFTWARE=1",
                      "GSK_RENDERER=cairo", "LD_BIND_NOW=1", NULL });
  _exit (127);
}

void
test_sandbox_start (TestSandbox *s, const char *script, gboolean run_tmpfs)
{
  struct clone_args args = {
    .flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC
             | CLONE_NEWUTS | CLONE_INTO_CGROUP,
    .exit_signal = SIGCHLD,
    .cgroup = s->cgroup_dirfd,
  };
  int go[2];

  prepare_home (s);
  must (pipe2 (go, O_CLOEXEC) == 0, "pipe");
  s->init = syscall (SYS_clone3, &args, sizeof args);
  must (s->init >= 0, "clone3");
  if (s->init == 0)
    run_init (s, go[0], script, run_tmpfs);
  map_ids (s->init);
  must (write (go[1], "x", 1) == 1, "go");
  close (go[0]);
  close (go[1]);
}

void
test_sandbox_thaw (TestSandbox *s)
{
  g_autoptr (GError) error = NULL;

  if (!moss_cgroup_set_frozen (s->cgroup_dirfd, FALSE, &error))
    g_error ("%s", error->message);
}

void
test_sandbox_kill (TestSandbox *s)
{
  g_autoptr (GError) error = NULL;

  if (!moss_cgroup_kill (s->cgroup_dirfd, 5000, &error))
    g_error ("%s", error->message);
  if (s->init > 0)
    waitpid (s->init, NULL, 0);
  s->init = 0;
}

void
test_sandbox_free (TestSandbox *s)
{
  g_autofree char *root = test_sandbox_root (s);
  g_autofree char *remove = g_strdup_printf ("rm -rf '%s'", s->dir);

  test_sandbox_kill (s);
  moss_cgroup_set_frozen (s->cgroup_dirfd, FALSE, NULL);
  if (s->mounted)
    must (umount2 (root, MNT_DETACH) == 0, root);
  close (s->upper_dirfd);
  close (s->lower_dirfd);
  close (s->cgroup_dirfd);
  must (rmdir (s->cgroup) == 0, s->cgroup);
  must (system (remove) == 0, "rm");
  g_free (s->dir);
  g_free (s->lower);
  g_free (s->cgroup);
  g_free (s);
}

void
test_sandbox_write (TestSandbox *s, const char *path, const char *text)
{
  g_autofree char *full = g_build_filename (s->dir, "upper", path, NULL);

  prepare_home (s);
  must (g_file_set_contents (full, text, -1, NULL), full);
  must (chmod (full, 0755) == 0, full);
}

char *
test_sandbox_read (TestSandbox *s, const char *path)
{
  g_autofree char *full = g_build_filename (s->dir, "upper", path, NULL);
  char *text = NULL;

  g_file_get_contents (full, &text, NULL, NULL);
  return text;
}

int
test_sandbox_count (TestSandbox *s)
{
  g_autofree char *text = test_sandbox_read (s, "home/moss/count");

  return text != NULL ? atoi (text) : 0;
}

/* The file is empty for a moment whenever the shell truncates it. */
int
test_sandbox_wait_count (TestSandbox *s, int more_than, int timeout_ms)
{
  int count = 0;

  for (int ms = 0; ms < timeout_ms; ms += 5)
    {
      count = MAX (count, test_sandbox_count (s));
      if (count > more_than)
        return count;
      g_usleep (5000);
    }
  g_error ("the app does not go on: count is %d, not more than %d", count, more_than);
}

/* A runtime of just what the loop needs, copied so that it has its own inodes. */
void
test_sandbox_copy_runtime (const char *dir)
{
  static const char script[]
      = "set -e; cd \"$0\"; mkdir -p usr/bin usr/lib usr/lib32 usr/lib64 etc home run "
        "tmp dev proc sys;"
        "for l in bin lib lib32 lib64; do [ -L /$l ] && cp -a /$l .; done;"
        "for p in sh sleep setpriv; do f=$(readlink -f /bin/$p); cp $f usr/bin/$p;"
        "  for l in $(ldd $f | grep -o '/[^ ]*'); do r=$(readlink -f $l);"
        "    mkdir -p .$(dirname $l); [ -e .$l ] || cp $r .$l; done; done;"
        "touch etc/hostname";
  g_autofree char *quoted = g_shell_quote (script);
  g_autofree char *command = g_strdup_printf ("sh -c %s '%s'", quoted, dir);

  g_mkdir_with_parents (dir, 0755);
  if (system (command) != 0)
    g_error ("no runtime at %s", dir);
}
