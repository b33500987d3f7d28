/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Order: session directories, display, message bus, app; then it only dispatches, hands new
 * connections to the display, and reaps. When the app's last process is gone it ends with the
 * status of the one it started, and the kernel ends what is left. */

#include "init.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wayland-server-core.h>

#define REPORT_FD 3

typedef struct
{
  struct wl_event_loop *loop;
  pid_t bus;
  pid_t app;
  int status; /* of app, once known */
  bool x11;
  const char *cwd;
  char **argv;
} Init;

static void
report (const char *what, const char *why)
{
  if (dprintf (REPORT_FD, "%s%s", what, why) < 0)
    _exit (1);
  close (REPORT_FD);
}

static _Noreturn void
fail (const char *what, const char *why)
{
  report (what, why);
  _exit (1);
}

/* Processes besides ours: what the app left running keeps the sandbox alive. */
static bool
app_has_processes (const Init *init)
{
  DIR *proc = opendir ("/proc");
  struct dirent *entry;
  bool found = false;

  while (proc != NULL && !found && (entry = readdir (proc)) != NULL)
    {
      pid_t pid = isdigit ((unsigned char) entry->d_name[0]) ? atoi (entry->d_name) : 0;

      found = pid > 1 && pid != init->bus;
    }
  if (proc != NULL)
    closedir (proc);
  return found;
}

static int
on_signal (int fd, uint32_t mask, void *data)
{
  Init *init = data;
  struct signalfd_siginfo info;
  int status;
  pid_t pid;

  while (read (fd, &info, sizeof info) == sizeof info)
    ;
  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    {
      if (pid == init->app)
        init->status = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
      if (pid == init->bus)
        init->bus = -1;
    }
  if (!app_has_processes (init))
    exit (init->status);
  return 0;
}

static int
on_connection (int fd, uint32_t mask, void *data)
{
  int client = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (client >= 0)
    close (client);
  return 0;
}

static int
open_signals (void)
{
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGCHLD);
  sigprocmask (SIG_BLOCK, &set, NULL);
  signal (SIGPIPE, SIG_IGN);
  return signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool
parse (Init *init, int argc, char **argv)
{
  int i = 1;

  init->cwd = INIT_HOME;
  for (; i < argc && strcmp (argv[i], "--") != 0; i++)
    {
      if (strcmp (argv[i], "--x11") == 0)
        init->x11 = true;
      else if (strcmp (argv[i], "--cwd") == 0 && i + 1 < argc)
        init->cwd = argv[++i];
      else
        return false;
    }
  init->argv = argv + i + 1;
  return i + 1 < argc;
}

int
main (int argc, char **argv)
{
  Init init = { .status = 1 };
  char why[256] = "";
  const char *failed;
  int signals, control;

  if (getpid () != 1)
    {
      fprintf (stderr, "moss-init is pid 1 of a sandbox; moss-sandboxd starts it\n");
      return 2;
    }
  fcntl (REPORT_FD, F_SETFD, FD_CLOEXEC);
  if (!parse (&init, argc, argv))
    fail ("moss-init was called wrongly", "");
  prctl (PR_SET_DUMPABLE, 1);
  if ((failed = init_setup_system ()) != NULL)
    fail ("can't set up ", failed);
  signals = open_signals ();
  control = init_setup_control_socket ();
  init.loop = wl_event_loop_create ();
  if (signals < 0 || control < 0 || init.loop == NULL)
    fail ("can't listen: ", strerror (errno));
  wl_event_loop_add_fd (init.loop, signals, WL_EVENT_READABLE, on_signal, &init);
  wl_event_loop_add_fd (init.loop, control, WL_EVENT_READABLE, on_connection, &init);
  init.bus = init_start_bus (why, sizeof why);
  if (init.bus < 0)
    fail ("", why);
  init.app = init_start (init.argv, init.cwd, -1, why, sizeof why);
  if (init.app < 0)
    fail ("", why);
  if ((failed = init_setup_drop_capabilities ()) != NULL)
    fail ("can't give up ", failed);
  report ("ok", "");
  for (;;)
    if (wl_event_loop_dispatch (init.loop, -1) < 0 && errno != EINTR)
      return 1;
}
