// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A private display without a sandbox, for tests and benchmarks.
 *
 *   moss-display-host RUNTIME_DIR [SOCKET_NAME]
 *
 * Clients connect to RUNTIME_DIR/SOCKET_NAME (wayland-0), viewers and controllers to
 * RUNTIME_DIR/viewer. Prints "ready" when both are there, and a line for what happens.
 * Ends with SIGTERM, or when its standard input ends.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wayland-server-core.h>

#include "display.h"

static int
on_viewer_socket (int fd, uint32_t mask, void *data)
{
  int connected = accept4 (fd, NULL, NULL, SOCK_CLOEXEC);

  if (connected >= 0 && moss_display_add_connection (data, connected) != 0)
    perror ("moss-display-host: viewer");
  return 0;
}

static int
on_signal (int number, void *data)
{
  moss_display_stop (data);
  return 0;
}

static int
on_input (int fd, uint32_t mask, void *data)
{
  char bytes[256];

  if (read (fd, bytes, sizeof bytes) == 0)
    moss_display_stop (data);
  return 0;
}

static void
on_setting (MossDisplay *display, const char *key, const char *value, void *data)
{
  printf ("setting %s %s\n", key, value);
}

static void
on_viewer (MossDisplay *display, bool attached, void *data)
{
  printf ("viewer %s\n", attached ? "attached" : "gone");
}

static void
on_toplevels (MossDisplay *display, unsigned n, void *data)
{
  printf ("toplevels %u\n", n);
}

static int
listen_at (const char *directory)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int n = snprintf (address.sun_path, sizeof address.sun_path, "%s/viewer", directory);

  if (fd < 0 || n >= (int) sizeof address.sun_path)
    return -1;
  unlink (address.sun_path);
  if (bind (fd, (struct sockaddr *) &address, sizeof address) || listen (fd, 8))
    return -1;
  return fd;
}

int
main (int argc, char **argv)
{
  static const MossDisplayCallbacks callbacks
      = { .setting = on_setting, .viewer = on_viewer, .toplevels = on_toplevels };
  const char *name = argc > 2 ? argv[2] : "wayland-0";
  struct wl_event_source *sources[4];
  struct wl_event_loop *loop;
  MossDisplay *display;
  int fd;

  setvbuf (stdout, NULL, _IOLBF, 0);
  if (argc < 2 || !(display = moss_display_new (argv[1], name)))
    {
      fprintf (stderr, "moss-display-host: %s\n",
               argc < 2 ? "RUNTIME_DIR is missing" : strerror (errno));
      return 1;
    }
  fd = listen_at (argv[1]);
  if (fd < 0)
    {
      perror ("moss-display-host: viewer socket");
      return 1;
    }
  moss_display_set_callbacks (display, &callbacks, NULL);
  loop = moss_display_get_event_loop (display);
  sources[0] = wl_event_loop_add_fd (loop, fd, WL_EVENT_READABLE, on_viewer_socket, display);
  sources[1] = wl_event_loop_add_signal (loop, SIGTERM, on_signal, display);
  sources[2] = wl_event_loop_add_signal (loop, SIGINT, on_signal, display);
  sources[3] = wl_event_loop_add_fd (loop, 0, WL_EVENT_READABLE, on_input, display);
  printf ("ready\n");
  moss_display_run (display);
  for (int i = 0; i < 4; i++)
    if (sources[i])
      wl_event_source_remove (sources[i]);
  moss_display_destroy (display);
  return 0;
}
