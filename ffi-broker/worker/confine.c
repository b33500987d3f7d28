// SPDX-License-Identifier: GPL-3.0-or-later
/* What moss-ffi-worker gives up before it loads a bridge.
 *
 * Policy: a worker computes. What it works on comes in sealed buffers over the one socket it
 * was started with, and what comes out goes the same way. So it
 *   - opens no socket, connects nowhere and listens nowhere;
 *   - opens no file for writing, makes, renames and removes none, whatever the path: what it
 *     writes to are memfds of its own and descriptors that it was given;
 *   - reads the system's files (programs, libraries, their data), its own bridge and manifest,
 *     and nothing of the person's: no home, no /run, no /tmp, no other process's /proc;
 *   - executes nothing, but for the bridge of a manifest: that one executes the manifest's
 *     program and nothing else, which inherits all of this;
 *   - traces nobody, signals nobody but its own processes, changes no ids, mounts, clocks, and
 *     makes no namespaces;
 *   - has bounded memory, files and descriptors, and leaves no memory image.
 * Landlock holds the files, seccomp the calls; where the kernel has no Landlock, reading is
 * not held back (writing is, by the list of calls) and programs are not run at all.
 * The person's data is what a call brings, so a hostile picture can at worst spoil the answers
 * of this worker, which its caller checks as foreign ones. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/worker/worker.h"

#include "core/confine/confine.h"

#include <asm/termbits.h>
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asm/ioctls.h>

#define OPEN_FILES_MAX 512
/* A buffer is at most as large as this, and so is what a program may put out. */
#define FILE_BYTES_MAX ((rlim_t) 4 * 1024 * 1024 * 1024)
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_MAX RLIM_INFINITY /* the sanitizer's shadow */
const char *__asan_default_options (void);

const char *
__asan_default_options (void)
{
  return "detect_leaks=0"; /* it would have to trace */
}
#else
/* Private memory; buffers are shared memory and bounded one by one. */
#define MEMORY_MAX ((rlim_t) 3 * 1024 * 1024 * 1024)
#endif

static const int allowed[] = {
  /* memory and threads */
  SCMP_SYS (brk), SCMP_SYS (mmap), SCMP_SYS (munmap), SCMP_SYS (mprotect), SCMP_SYS (mremap),
  SCMP_SYS (madvise), SCMP_SYS (mincore), SCMP_SYS (mlock), SCMP_SYS (munlock),
  SCMP_SYS (memfd_create), SCMP_SYS (futex), SCMP_SYS (futex_waitv),
  SCMP_SYS (set_robust_list), SCMP_SYS (get_robust_list), SCMP_SYS (rseq),
  SCMP_SYS (set_tid_address), SCMP_SYS (arch_prctl), SCMP_SYS (sched_yield),
  SCMP_SYS (sched_getaffinity), SCMP_SYS (sched_getattr), SCMP_SYS (sched_setattr),
  SCMP_SYS (sched_getparam), SCMP_SYS (sched_getscheduler), SCMP_SYS (getpriority),
  SCMP_SYS (membarrier), SCMP_SYS (get_mempolicy), SCMP_SYS (getcpu), SCMP_SYS (gettid),
  SCMP_SYS (getpid), SCMP_SYS (getppid), SCMP_SYS (exit), SCMP_SYS (exit_group),
  SCMP_SYS (restart_syscall), SCMP_SYS (rt_sigaction), SCMP_SYS (rt_sigprocmask),
  SCMP_SYS (rt_sigreturn), SCMP_SYS (rt_sigtimedwait), SCMP_SYS (sigaltstack),
  SCMP_SYS (getrandom),
  /* time */
  SCMP_SYS (clock_gettime), SCMP_SYS (clock_getres), SCMP_SYS (clock_nanosleep),
  SCMP_SYS (nanosleep), SCMP_SYS (gettimeofday), SCMP_SYS (time), SCMP_SYS (times),
  SCMP_SYS (alarm), SCMP_SYS (setitimer), SCMP_SYS (getitimer),
  /* files that are open, and looking at others */
  SCMP_SYS (close), SCMP_SYS (close_range), SCMP_SYS (read), SCMP_SYS (write),
  SCMP_SYS (readv), SCMP_SYS (writev), SCMP_SYS (pread64), SCMP_SYS (pwrite64),
  SCMP_SYS (preadv), SCMP_SYS (pwritev), SCMP_SYS (lseek), SCMP_SYS (ftruncate),
  SCMP_SYS (fallocate), SCMP_SYS (fsync), SCMP_SYS (fdatasync), SCMP_SYS (splice),
  SCMP_SYS (sendfile), SCMP_SYS (copy_file_range), SCMP_SYS (fadvise64), SCMP_SYS (fcntl),
  SCMP_SYS (flock), SCMP_SYS (dup), SCMP_SYS (dup2), SCMP_SYS (dup3), SCMP_SYS (fstat),
  SCMP_SYS (stat), SCMP_SYS (lstat), SCMP_SYS (newfstatat), SCMP_SYS (statx),
  SCMP_SYS (statfs), SCMP_SYS (fstatfs), SCMP_SYS (access), SCMP_SYS (faccessat),
  SCMP_SYS (faccessat2), SCMP_SYS (getdents), SCMP_SYS (getdents64), SCMP_SYS (getcwd),
  SCMP_SYS (chdir), SCMP_SYS (fchdir), SCMP_SYS (readlink), SCMP_SYS (readlinkat),
  SCMP_SYS (umask), SCMP_SYS (getuid), SCMP_SYS (geteuid), SCMP_SYS (getgid),
  SCMP_SYS (getegid), SCMP_SYS (getgroups), SCMP_SYS (getresuid), SCMP_SYS (getresgid),
  SCMP_SYS (getrlimit), SCMP_SYS (getrusage), SCMP_SYS (uname), SCMP_SYS (sysinfo),
  SCMP_SYS (getpgrp), SCMP_SYS (getpgid), SCMP_SYS (getsid), SCMP_SYS (capget),
  /* waiting, and the sockets that the worker was given */
  SCMP_SYS (poll), SCMP_SYS (ppoll), SCMP_SYS (select), SCMP_SYS (pselect6),
  SCMP_SYS (epoll_create), SCMP_SYS (epoll_create1), SCMP_SYS (epoll_ctl),
  SCMP_SYS (epoll_wait), SCMP_SYS (epoll_pwait), SCMP_SYS (eventfd2), SCMP_SYS (pipe),
  SCMP_SYS (pipe2), SCMP_SYS (timerfd_create), SCMP_SYS (timerfd_settime),
  SCMP_SYS (shutdown), SCMP_SYS (recvmsg), SCMP_SYS (sendmsg), SCMP_SYS (recvfrom),
  SCMP_SYS (getsockname), SCMP_SYS (getpeername), SCMP_SYS (getsockopt),
  SCMP_SYS (setsockopt),
};

/* Opening is reading: no access mode but O_RDONLY, no making, no emptying, no O_TMPFILE. */
#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

static const MossConfineCall allowed_so[] = {
  { SCMP_SYS (open), 1, OPEN_WRITES, O_RDONLY },
  { SCMP_SYS (openat), 2, OPEN_WRITES, O_RDONLY },
  { SCMP_SYS (prctl), 0, 0xffffffff, PR_SET_NAME },
  { SCMP_SYS (prctl), 0, 0xffffffff, PR_GET_NAME },
  { SCMP_SYS (prctl), 0, 0xffffffff, PR_CAPBSET_READ },
  { SCMP_SYS (prctl), 0, 0xffffffff, PR_SET_PDEATHSIG },
  /* What is asked of any descriptor; nothing that puts input into a terminal. */
  { SCMP_SYS (ioctl), 1, 0xffffffff, TCGETS },
  { SCMP_SYS (ioctl), 1, 0xffffffff, TIOCGWINSZ },
  { SCMP_SYS (ioctl), 1, 0xffffffff, FIONREAD },
  { SCMP_SYS (ioctl), 1, 0xffffffff, FIONBIO },
  { SCMP_SYS (ioctl), 1, 0xffffffff, FIOCLEX },
  /* Two ends for talking to oneself; a datagram's could be sent anywhere. */
  { SCMP_SYS (socketpair), 1, 0xf, SOCK_STREAM },
  /* Asking for limits is setting none: the third argument is where new ones would stand. */
  { SCMP_SYS (prlimit64), 2, ~0ull, 0 },
};

/* Threads. */
static const MossConfineCall allowed_threads[] = {
  { SCMP_SYS (clone), 0, CLONE_THREAD, CLONE_THREAD },
};

/* Processes, too, in no namespaces of their own. */
#define CLONE_NEW (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
                   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static const MossConfineCall allowed_processes[] = {
  { SCMP_SYS (clone), 0, CLONE_NEW, 0 },
  { SCMP_SYS (vfork), 0, 0, 0 },
  { SCMP_SYS (fork), 0, 0, 0 },
  { SCMP_SYS (execve), 0, 0, 0 },
  { SCMP_SYS (wait4), 0, 0, 0 },
  { SCMP_SYS (waitid), 0, 0, 0 },
};

/* Where Landlock keeps signals among the confined ones. */
static const MossConfineCall allowed_signals[] = {
  { SCMP_SYS (kill), 0, 0, 0 },
  { SCMP_SYS (tgkill), 0, 0, 0 },
};

static const char *const readable[] = {
  "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt", "/etc", "/dev/null",
  "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/proc/self", "/proc/cpuinfo",
  "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/sys/vm/overcommit_memory",
  "/proc/sys/kernel/osrelease", "/sys/devices/system/cpu", "/sys/devices/system/node",
};

/* The kernel executes two more files for a program: the loader that its ELF header names, and
 * what its first line names where it's a script. */
static char *
interpreter (const char *program)
{
  g_autofree char *head = NULL;
  gsize length;
  const Elf64_Ehdr *elf;

  if (!g_file_get_contents (program, &head, &length, NULL))
    return NULL;
  if (length > 2 && memcmp (head, "#!", 2) == 0)
    {
      head[strcspn (head, "\n")] = '\0';
      g_strstrip (head + 2);
      head[2 + strcspn (head + 2, " \t")] = '\0';
      return g_strdup (head + 2);
    }
  elf = (const Elf64_Ehdr *) head;
  if (length < sizeof *elf || memcmp (head, ELFMAG, SELFMAG) != 0 ||
      elf->e_phoff > length || elf->e_phentsize != sizeof (Elf64_Phdr))
    return NULL;
  for (guint i = 0; i < elf->e_phnum && elf->e_phoff + (i + 1) * sizeof (Elf64_Phdr) <= length;
       i++)
    {
      const Elf64_Phdr *part = (const Elf64_Phdr *) (head + elf->e_phoff) + i;

      if (part->p_type == PT_INTERP && part->p_offset < length &&
          part->p_filesz <= length - part->p_offset)
        return g_strndup (head + part->p_offset, part->p_filesz);
    }
  return NULL;
}

static gboolean
allow_program (MossConfineFiles *files, const char *program, GError **error)
{
  g_autofree char *next = NULL;
  g_autofree char *loader = NULL;
  MossConfineRights rights = MOSS_CONFINE_READ | MOSS_CONFINE_EXECUTE;

  if (!moss_confine_files_allow (files, program, rights, error))
    return FALSE;
  next = interpreter (program);
  if (next != NULL && !moss_confine_files_allow (files, next, rights, error))
    return FALSE;
  loader = next != NULL ? interpreter (next) : NULL;
  return loader == NULL || moss_confine_files_allow (files, loader, rights, error);
}

static gboolean
lock_files (const char *modules, const char *manifest, const char *program, gboolean *scoped,
            GError **error)
{
  g_autoptr (MossConfineFiles) files = NULL;

  files = moss_confine_files_new (MOSS_CONFINE_READ | MOSS_CONFINE_WRITE |
                                    MOSS_CONFINE_EXECUTE | MOSS_CONFINE_SIGNAL,
                                  error);
  if (files == NULL)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (readable); i++)
    moss_confine_files_allow (files, readable[i], MOSS_CONFINE_READ, NULL); /* where there */
  if (!moss_confine_files_allow (files, modules, MOSS_CONFINE_READ, error) ||
      (manifest != NULL &&
       !moss_confine_files_allow (files, manifest, MOSS_CONFINE_READ, error)) ||
      (program != NULL && !allow_program (files, program, error)))
    return FALSE;
  *scoped = moss_confine_files_get_taken (files) & MOSS_CONFINE_SIGNAL;
  return moss_confine_files_enter (files, error);
}

static gboolean
lock_calls (gboolean processes, gboolean scoped, GError **error)
{
  g_autoptr (GArray) so = g_array_new (FALSE, FALSE, sizeof (MossConfineCall));
  MossConfineCall ourselves = { SCMP_SYS (tgkill), 0, 0xffffffff, (guint64) getpid () };

  g_array_append_vals (so, allowed_so, G_N_ELEMENTS (allowed_so));
  if (processes)
    g_array_append_vals (so, allowed_processes, G_N_ELEMENTS (allowed_processes));
  else
    g_array_append_vals (so, allowed_threads, G_N_ELEMENTS (allowed_threads));
  if (scoped)
    g_array_append_vals (so, allowed_signals, G_N_ELEMENTS (allowed_signals));
  else
    g_array_append_val (so, ourselves); /* abort () */
  return moss_confine_calls (allowed, G_N_ELEMENTS (allowed), (gpointer) so->data, so->len,
                             error);
}

/**
 * worker_confine:
 * @modules: the folder of the bridges
 * @manifest: (nullable): the manifest that the bridge reads
 * @program: (nullable): the one program that the bridge may execute
 *
 * For good, and before there are other threads.
 */
gboolean
worker_confine (const char *modules, const char *manifest, const char *program, GError **error)
{
  g_autoptr (GError) unlocked = NULL;
  gboolean scoped = FALSE;

  if (!moss_confine_privileges (error) ||
      !moss_confine_limit (RLIMIT_NOFILE, OPEN_FILES_MAX, error) ||
      !moss_confine_limit (RLIMIT_FSIZE, FILE_BYTES_MAX, error) ||
      !moss_confine_limit (RLIMIT_DATA, MEMORY_MAX, error))
    return FALSE;
  if (!lock_files (modules, manifest, program, &scoped, &unlocked))
    {
      if (program != NULL)
        return g_propagate_error (error, g_steal_pointer (&unlocked)), FALSE;
      g_message ("any file can be read, none written: %s", unlocked->message);
    }
  return lock_calls (program != NULL, scoped, error);
}
