// SPDX-License-Identifier: GPL-3.0-or-later
/* What moss-host gives up once it listens.
 *
 * Policy: it runs no program, makes no process, opens no socket but what its listener accepts,
 * traces nobody, changes no ids, mounts and clocks, and leaves no memory image. A list of
 * system calls says what it may; everything else fails with EPERM. Where the kernel has
 * Landlock, files outside its state can't be opened for writing, whatever it is made to do.
 * It holds no secret but its TLS key, where it has one; what it keeps it can't read. */
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_FILES_MAX 16384
#ifdef __SANITIZE_ADDRESS__
/* The sanitizer's shadow counts as data, and its search for leaks at the end makes a process. */
#define DATA_MAX RLIM_INFINITY
const char *__asan_default_options (void);

const char *
__asan_default_options (void)
{
  return "detect_leaks=0";
}
#else
#define DATA_MAX ((rlim_t) 2 * 1024 * 1024 * 1024)
#endif

static const int allowed[] = {
  /* memory and threads */
  SCMP_SYS (brk), SCMP_SYS (mmap), SCMP_SYS (munmap), SCMP_SYS (mprotect), SCMP_SYS (mremap),
  SCMP_SYS (madvise), SCMP_SYS (futex), SCMP_SYS (set_robust_list), SCMP_SYS (rseq),
  SCMP_SYS (sched_yield), SCMP_SYS (sched_getaffinity), SCMP_SYS (sched_getattr),
  SCMP_SYS (sched_setattr), SCMP_SYS (membarrier), SCMP_SYS (mlock), SCMP_SYS (munlock),
  SCMP_SYS (gettid), SCMP_SYS (getpid), SCMP_SYS (tgkill), SCMP_SYS (exit),
  SCMP_SYS (exit_group), SCMP_SYS (restart_syscall), SCMP_SYS (rt_sigaction),
  SCMP_SYS (rt_sigprocmask), SCMP_SYS (rt_sigreturn), SCMP_SYS (sigaltstack),
  SCMP_SYS (getrandom), SCMP_SYS (getcpu),
  /* time */
  SCMP_SYS (clock_gettime), SCMP_SYS (clock_getres), SCMP_SYS (clock_nanosleep),
  SCMP_SYS (nanosleep), SCMP_SYS (gettimeofday), SCMP_SYS (time),
  /* files */
  SCMP_SYS (openat), SCMP_SYS (open), SCMP_SYS (close), SCMP_SYS (read), SCMP_SYS (write),
  SCMP_SYS (readv), SCMP_SYS (writev), SCMP_SYS (pread64), SCMP_SYS (pwrite64),
  SCMP_SYS (lseek), SCMP_SYS (fstat), SCMP_SYS (stat), SCMP_SYS (lstat), SCMP_SYS (newfstatat),
  SCMP_SYS (statx), SCMP_SYS (statfs), SCMP_SYS (fstatfs), SCMP_SYS (access),
  SCMP_SYS (faccessat), SCMP_SYS (faccessat2), SCMP_SYS (getdents64), SCMP_SYS (getcwd),
  SCMP_SYS (readlink), SCMP_SYS (readlinkat), SCMP_SYS (fsync), SCMP_SYS (fdatasync),
  SCMP_SYS (ftruncate), SCMP_SYS (fallocate), SCMP_SYS (mkdir), SCMP_SYS (mkdirat),
  SCMP_SYS (unlink), SCMP_SYS (unlinkat), SCMP_SYS (rename), SCMP_SYS (renameat),
  SCMP_SYS (renameat2), SCMP_SYS (fcntl), SCMP_SYS (flock), SCMP_SYS (fchmod),
  SCMP_SYS (fchown), SCMP_SYS (umask), SCMP_SYS (fadvise64), SCMP_SYS (dup),
  SCMP_SYS (geteuid), SCMP_SYS (getuid), SCMP_SYS (getegid), SCMP_SYS (getgid),
  SCMP_SYS (prlimit64), SCMP_SYS (uname), SCMP_SYS (sysinfo),
  /* waiting and what the listener accepts */
  SCMP_SYS (poll), SCMP_SYS (ppoll), SCMP_SYS (eventfd2), SCMP_SYS (pipe2), SCMP_SYS (accept),
  SCMP_SYS (accept4), SCMP_SYS (shutdown), SCMP_SYS (recvfrom), SCMP_SYS (sendto),
  SCMP_SYS (recvmsg), SCMP_SYS (sendmsg), SCMP_SYS (getsockname), SCMP_SYS (getpeername),
  SCMP_SYS (getsockopt), SCMP_SYS (setsockopt), SCMP_SYS (ioctl),
};

static gboolean
fail (const char *what, int number, GError **error)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number), "%s: %s", what,
               g_strerror (number));
  return FALSE;
}

/* --- Landlock: the files --- */

static int
landlock_call (int number, gpointer a, gsize b, guint c)
{
  return syscall (number, a, b, c);
}

static gboolean
allow_below (int rules, const char *path, guint64 rights)
{
  struct landlock_path_beneath_attr beneath = { .allowed_access = rights };
  gboolean ok;

  beneath.parent_fd = open (path, O_PATH | O_CLOEXEC);
  if (beneath.parent_fd < 0)
    return FALSE;
  ok = syscall (SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
  close (beneath.parent_fd);
  return ok;
}

static void
lock_files (const char *state_dir)
{
  guint64 writing = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM |
                    LANDLOCK_ACCESS_FS_EXECUTE;
  guint64 ours = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                 LANDLOCK_ACCESS_FS_MAKE_REG;
  struct landlock_ruleset_attr attr = { .handled_access_fs = writing };
  int rules = landlock_call (SYS_landlock_create_ruleset, &attr, sizeof attr, 0);

  if (rules < 0)
    {
      g_message ("this kernel has no Landlock; the list of system calls holds alone");
      return;
    }
  if (!allow_below (rules, state_dir, ours) ||
      syscall (SYS_landlock_restrict_self, rules, 0) < 0)
    g_warning ("files outside %s can't be locked: %s", state_dir, g_strerror (errno));
  close (rules);
}

/* --- seccomp: the calls --- */

static int
add_rules (scmp_filter_ctx filter)
{
  int result = 0;

  for (guint i = 0; result == 0 && i < G_N_ELEMENTS (allowed); i++)
    {
      result = seccomp_rule_add (filter, SCMP_ACT_ALLOW, allowed[i], 0);
      if (result == -EDOM) /* not on this architecture */
        result = 0;
    }
  /* Threads and nothing else: clone3's flags can't be looked at, so libc has to do with clone. */
  if (result == 0)
    result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS), SCMP_SYS (clone3), 0);
  if (result == 0)
    result = seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (clone), 1,
                               SCMP_A0 (SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
  if (result == 0)
    result = seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (prctl), 1,
                               SCMP_A0 (SCMP_CMP_EQ, PR_SET_NAME));
  return result;
}

static gboolean
lock_calls (GError **error)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ERRNO (EPERM));
  int result = filter == NULL ? -ENOMEM : seccomp_attr_set (filter, SCMP_FLTATR_CTL_TSYNC, 1);

  if (result == 0)
    result = add_rules (filter);
  if (result == 0)
    result = seccomp_load (filter);
  if (filter != NULL)
    seccomp_release (filter);
  return result == 0 || fail ("the list of system calls can't be set", -result, error);
}

static gboolean
limit (int what, rlim_t most, GError **error)
{
  struct rlimit now;

  if (getrlimit (what, &now) < 0)
    return fail ("resource limits", errno, error);
  now.rlim_max = MIN (now.rlim_max, most);
  now.rlim_cur = now.rlim_max;
  return setrlimit (what, &now) == 0 || fail ("resource limits", errno, error);
}

/**
 * confine:
 *
 * For all threads there are and will be.
 */
gboolean
confine (const char *state_dir, GError **error)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl (PR_SET_DUMPABLE, 0) < 0)
    return fail ("privileges can't be given up", errno, error);
  if (!limit (RLIMIT_CORE, 0, error) || !limit (RLIMIT_NOFILE, OPEN_FILES_MAX, error) ||
      !limit (RLIMIT_DATA, DATA_MAX, error))
    return FALSE;
  lock_files (state_dir);
  return lock_calls (error);
}
