/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Order: session directories, display, message bus, app; then it only dispatches, hands new
 * connections to the display, and reaps. When the app's last process is gone it ends with the
 * status of the one it started, and the kernel ends what is left. */

#include "init.h"

#include "display.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wayland-server-core.h>

#define REPORT_FD 3

typedef struct
{
  MossDisplay *display;
  pid_t bus;
  pid_t xwayland;
  pid_t app;
  int status; /* of app, once known */
  int x11_fd; /* listens for X clients */
  struct wl_event_source *x11_source; /* NULL: the X server looks after it */
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

/* What a message has started lives as long as somebody needs it, and nobody does once the app is
 * gone: unless it is the app, with its windows. Which X client has a window can't be told here. */
static bool
is_kept_by_app (const Init *init, pid_t pid)
{
  switch (init_services_kind (pid, init->bus))
    {
    case INIT_SERVICE:
      return init->xwayland > 0 || moss_display_has_client (init->display, pid);
    case INIT_SERVICE_WATCHER:
      return false;
    case INIT_SERVICE_NONE:
      break;
    }
  return pid != init->bus && pid != init->xwayland;
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

      found = pid > 1 && is_kept_by_app (init, pid);
    }
  if (proc != NULL)
    closedir (proc);
  return found;
}

static void
end_with_app (const Init *init)
{
  if (init->app > 0 && !app_has_processes (init))
    _exit (init->status);
}

static void watch_x11 (Init *init);

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
      if (pid == init->xwayland)
        {
          init->xwayland = -1;
          watch_x11 (init);
        }
    }
  end_with_app (init);
  return 0;
}

/* It may have been a service, whose end only the bus hears of. */
static void
on_client_gone (MossDisplay *display, void *data)
{
  end_with_app (data);
}

static int
on_connection (int fd, uint32_t mask, void *data)
{
  Init *init = data;
  int client = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (client >= 0)
    moss_display_add_connection (init->display, client);
  return 0;
}

static void
on_setting (MossDisplay *display, const char *key, const char *value, void *data)
{
  init_settings_apply (key, value);
}

static void
on_detaching (MossDisplay *display, void *data)
{
  init_relay_end_all ();
  init_functions_end_all ();
  init_trim_log ();
}

static bool
on_bus (MossDisplay *display, int fd, void *data)
{
  return init_relay_add (moss_display_get_event_loop (display), fd);
}

static bool
on_functions (MossDisplay *display, int fd, void *data)
{
  return init_functions_open (moss_display_get_event_loop (display), fd);
}

static const MossDisplayCallbacks callbacks = {
  .setting = on_setting,
  .detaching = on_detaching,
  .bus = on_bus,
  .functions = on_functions,
  .client_gone = on_client_gone,
};

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
      if (strcmp (argv[i], "--cwd") == 0 && i + 1 < argc)
        init->cwd = argv[++i];
      else
        return false;
    }
  init->argv = argv + i + 1;
  return i + 1 < argc;
}

static void
add_source (Init *init, int fd, wl_event_loop_fd_func_t func)
{
  struct wl_event_loop *loop = moss_display_get_event_loop (init->display);

  if (fd < 0 || wl_event_loop_add_fd (loop, fd, WL_EVENT_READABLE, func, init) == NULL)
    fail ("can't listen: ", strerror (errno));
}

static void
open_display (Init *init)
{
  init->display = moss_display_new (INIT_RUNTIME_DIR, INIT_DISPLAY_NAME);
  if (init->display == NULL)
    fail ("can't make the display: ", strerror (errno));
  moss_display_set_callbacks (init->display, &callbacks, init);
  add_source (init, open_signals (), on_signal);
  add_source (init, init_setup_control_socket (), on_connection);
}

/* An X client waits at the door: it is let in as soon as the X server, which takes the door over,
 * is there. Most apps speak Wayland and never come here. */
static int
on_x11_client (int fd, uint32_t mask, void *data)
{
  Init *init = data;
  char why[256];

  init->xwayland = init_start_x11 (fd, why, sizeof why);
  if (init->xwayland < 0)
    {
      dprintf (STDERR_FILENO, "%s\n", why);
      close (accept (fd, NULL, NULL));
      return 0;
    }
  moss_display_set_one_window (init->display, init->xwayland);
  wl_event_source_remove (init->x11_source);
  init->x11_source = NULL;
  return 0;
}

static void
watch_x11 (Init *init)
{
  struct wl_event_loop *loop = moss_display_get_event_loop (init->display);

  if (init->x11_fd >= 0 && init->x11_source == NULL)
    init->x11_source
        = wl_event_loop_add_fd (loop, init->x11_fd, WL_EVENT_READABLE, on_x11_client, init);
}

int
main (int argc, char **argv)
{
  Init init = { .status = 1, .bus = -1, .xwayland = -1 };
  char why[256] = "";
  const char *failed;

  if (getpid () != 1)
    {
      fprintf (stderr, "moss-init is pid 1 of a sandbox; moss-sandboxd starts it\n");
      return 2;
    }
  fcntl (REPORT_FD, F_SETFD, FD_CLOEXEC);
  if (!parse (&init, argc, argv))
    fail ("moss-init was called wrongly", "");
  if ((failed = init_setup_system ()) != NULL)
    fail ("can't set up ", failed);
  open_display (&init);
  init.bus = init_start_bus (why, sizeof why);
  if (init.bus < 0)
    fail ("", why);
  init.x11_fd = init_setup_x11_socket ();
  watch_x11 (&init);
  init.app = init_start (init.argv, init.cwd, -1, why, sizeof why);
  if (init.app < 0)
    fail ("", why);
  if ((failed = init_setup_drop_capabilities ()) != NULL)
    fail ("can't give up ", failed);
  report ("ok", "");
  moss_display_run (init.display);
  return 1;
}
