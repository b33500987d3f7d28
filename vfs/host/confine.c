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

#include "core/confine/confine.h"

#include <sched.h>
#include <sys/prctl.h>

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

/* Threads and nothing else; a name for them. */
static const MossConfineCall allowed_so[] = {
  { SCMP_SYS (clone), 0, CLONE_THREAD, CLONE_THREAD },
  { SCMP_SYS (prctl), 0, ~0ull, PR_SET_NAME },
};

static gboolean
lock_files (const char *state_dir, GError **error)
{
  g_autoptr (MossConfineFiles) files = NULL;

  files = moss_confine_files_new (MOSS_CONFINE_WRITE | MOSS_CONFINE_EXECUTE, error);
  return files != NULL &&
         moss_confine_files_allow (files, state_dir, MOSS_CONFINE_WRITE, error) &&
         moss_confine_files_enter (files, error);
}

/**
 * confine:
 *
 * For all threads there are and will be.
 */
gboolean
confine (const char *state_dir, GError **error)
{
  g_autoptr (GError) unlocked = NULL;

  if (!moss_confine_privileges (error) ||
      !moss_confine_limit (RLIMIT_NOFILE, OPEN_FILES_MAX, error) ||
      !moss_confine_limit (RLIMIT_DATA, DATA_MAX, error))
    return FALSE;
  if (!lock_files (state_dir, &unlocked))
    g_message ("files outside %s are not locked, the list of system calls holds alone: %s",
               state_dir, unlocked->message);
  return moss_confine_calls (allowed, G_N_ELEMENTS (allowed), allowed_so,
                             G_N_ELEMENTS (allowed_so), error);
}
