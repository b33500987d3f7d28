/* SPDX-License-Identifier: GPL-3.0-or-later */
/* While CRIU restores, the death of this process must not let the restored tasks run:
 * CRIU would find its socket closed at "pre-resume", log it and go on. With the guard the
 * socket stays open, CRIU waits, and the guard kills everything in the cgroup (CRIU too).
 */
#define G_LOG_DOMAIN "moss-criu"
#include "criu-guard.h"
#include "criu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum
{
  LIFELINE = 3,
  CGROUP,
  SOCKET,
  N_FDS
};

/* Runs in a fork of a process with threads: system calls only. */
static void
stand_guard (int lifeline, int cgroup_dirfd, int socket, pid_t criu_pid)
{
  sigset_t all;
  char byte;
  ssize_t n;
  int fd;

  sigfillset (&all);
  sigprocmask (SIG_SETMASK, &all, NULL);
  setsid ();
  /* First out of the way of the target numbers, then onto them. */
  lifeline = fcntl (lifeline, F_DUPFD, 64);
  cgroup_dirfd = fcntl (cgroup_dirfd, F_DUPFD, 64);
  socket = fcntl (socket, F_DUPFD, 64);
  dup2 (lifeline, LIFELINE);
  dup2 (cgroup_dirfd, CGROUP);
  dup2 (socket, SOCKET);
  close_range (0, LIFELINE - 1, 0);
  close_range (N_FDS, ~0u, 0);

  do
    n = read (LIFELINE, &byte, 1);
  while (n < 0 && errno == EINTR);
  if (n == 1)
    _exit (0);
  for (int i = 0; i < 100; i++)
    {
      fd = openat (CGROUP, "cgroup.kill", O_WRONLY | O_CLOEXEC);
      if (fd >= 0 && write (fd, "1", 1) == 1)
        break;
      usleep (1000);
    }
  kill (criu_pid, SIGKILL);
  kill (-criu_pid, SIGKILL); /* its helpers: it has a session of its own */
  _exit (0);
}

MossCriuGuard *
moss_criu_guard_new (int socket, int cgroup_dirfd, pid_t criu_pid, GError **error)
{
  MossCriuGuard *guard;
  int pipe_fds[2];
  pid_t pid;

  if (pipe2 (pipe_fds, O_CLOEXEC) != 0)
    {
      g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED, "no pipe: %s",
                   g_strerror (errno));
      return NULL;
    }
  pid = fork ();
  if (pid == 0)
    {
      close (pipe_fds[1]);
      stand_guard (pipe_fds[0], cgroup_dirfd, socket, criu_pid);
    }
  close (pipe_fds[0]);
  if (pid < 0)
    {
      g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED, "no guard process: %s",
                   g_strerror (errno));
      close (pipe_fds[1]);
      return NULL;
    }
  guard = g_new (MossCriuGuard, 1);
  guard->pid = pid;
  guard->lifeline = pipe_fds[1];
  return guard;
}

void
moss_criu_guard_free (MossCriuGuard *guard)
{
  ssize_t n;

  do
    n = write (guard->lifeline, "x", 1);
  while (n < 0 && errno == EINTR);
  /* Closing alone would make it kill; if the byte did not go out it is already dead. */
  while (waitpid (guard->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  close (guard->lifeline);
  g_free (guard);
}
