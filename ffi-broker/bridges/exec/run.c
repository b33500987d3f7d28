// SPDX-License-Identifier: GPL-3.0-or-later
/* Runs the program once. What it reads is descriptor 0, what it makes is descriptor 1; what it
 * says on 2 becomes the error's text. It dies with the thread that waits for it. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/bridges/exec/run.h"

#include "ffi-broker/client/moss-ffi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_MAX 500 /* bytes of what it says that are kept */

static char *const environment[] = {
  "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=/nonexistent", "TMPDIR=/nonexistent", NULL,
};

static gboolean
fail (const char *program, const char *why, GError **error)
{
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "%s: %s", program, why);
  return FALSE;
}

/* Shares the worker's memory until it executes: calls the kernel and nothing else. */
static G_GNUC_NORETURN void
become (const char *program, char *const argv[], int input, int output, int said)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (dup2 (input, STDIN_FILENO) >= 0 && dup2 (output, STDOUT_FILENO) >= 0 &&
      dup2 (said, STDERR_FILENO) >= 0)
    execve (program, argv, environment);
  _exit (127);
}

static pid_t
start (const char *program, char *const argv[], int input, int output, int said)
{
  pid_t pid = vfork ();

  if (pid == 0)
    become (program, argv, input, output, said);
  return pid;
}

/* Until it has closed its descriptor 2, which it does at its end. */
static gboolean
listen_until_end (int said, pid_t pid, char text[SAID_MAX + 1], GCancellable *cancellable)
{
  GPollFD cancelled = { 0 };
  gboolean can_be = cancellable != NULL && g_cancellable_make_pollfd (cancellable, &cancelled);
  struct pollfd waits[2] = { { said, POLLIN, 0 }, { can_be ? cancelled.fd : -1, POLLIN, 0 } };
  gsize length = 0;
  gboolean killed = FALSE;

  for (;;)
    {
      char piece[256];
      gssize got;

      if (poll (waits, 2, -1) < 0 && errno != EINTR)
        break;
      if (waits[1].revents != 0)
        {
          killed = kill (pid, SIGKILL) == 0;
          waits[1].fd = -1;
        }
      if (waits[0].revents == 0)
        continue;
      got = read (said, piece, sizeof piece);
      if (got <= 0)
        break;
      memcpy (text + length, piece, MIN ((gsize) got, SAID_MAX - length));
      length += MIN ((gsize) got, SAID_MAX - length);
    }
  text[length] = '\0';
  if (can_be)
    g_cancellable_release_fd (cancellable);
  return killed;
}

static gboolean
judge (const char *program, int status, const char *said, GError **error)
{
  g_autofree char *valid = g_utf8_make_valid (said, -1);
  g_autofree char *why = NULL;

  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return TRUE;
  g_strdelimit (g_strstrip (valid), "\n\r\t", ' ');
  if (*valid != '\0')
    return fail (program, valid, error);
  why = WIFEXITED (status) ? g_strdup_printf ("ended with %d", WEXITSTATUS (status))
                           : g_strdup_printf ("ended by signal %d", WTERMSIG (status));
  return fail (program, why, error);
}

/**
 * exec_run:
 * @argv: with the program's name, ended by %NULL
 * @input: where it reads from, at that position
 * @output: where it writes to
 *
 * Waits for its end, in this thread.
 */
gboolean
exec_run (const char *program, char *const argv[], int input, int output,
          GCancellable *cancellable, GError **error)
{
  char text[SAID_MAX + 1];
  int said[2], status = 0;
  gboolean killed;
  pid_t pid;

  if (pipe2 (said, O_CLOEXEC) < 0)
    return fail (program, g_strerror (errno), error);
  pid = start (program, argv, input, output, said[1]);
  close (said[1]);
  if (pid < 0)
    {
      close (said[0]);
      return fail (program, g_strerror (errno), error);
    }
  killed = listen_until_end (said[0], pid, text, cancellable);
  close (said[0]);
  while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (!killed)
    return judge (program, status, text, error);
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_CANCELLED, "%s was ended", program);
  return FALSE;
}
