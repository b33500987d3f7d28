// SPDX-License-Identifier: GPL-3.0-or-later
#include "display-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- small helpers ------------------------------------------------------------------- */

uint32_t
moss_now_ms (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint32_t) ((uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

bool
moss_display_just_moved (MossDisplay *display)
{
  if (display->moved && display->moved_until
      && (int32_t) (moss_now_ms () - display->moved_until) > 0)
    display->moved = false;
  return display->moved;
}

uint32_t
moss_display_serial (MossDisplay *display)
{
  return wl_display_next_serial (display->wl);
}

struct wl_resource *
moss_resource (struct wl_client *client,
               const struct wl_interface *interface,
               int version,
               uint32_t id,
               const void *implementation,
               void *data,
               wl_resource_destroy_func_t destroyed)
{
  struct wl_resource *resource = wl_resource_create (client, interface, version, id);

  if (!resource)
    {
      wl_client_post_no_memory (client);
      return NULL;
    }
  wl_resource_set_implementation (resource, implementation, data, destroyed);
  wl_list_init (wl_resource_get_link (resource));
  return resource;
}

void
moss_resource_destroy_request (struct wl_client *client, struct wl_resource *resource)
{
  wl_resource_destroy (resource);
}

void
moss_resource_unlink (struct wl_resource *resource)
{
  wl_list_remove (wl_resource_get_link (resource));
}

void
moss_display_count_toplevels (MossDisplay *display, int change)
{
  display->n_mapped += change;
  if (display->callbacks.toplevels)
    display->callbacks.toplevels (display, display->n_mapped, display->callbacks_data);
}

/* ---- the loop ------------------------------------------------------------------------ */

/* Once a round: what changed goes to the viewer, and all that was said to clients goes
 * out, also when somebody else runs the loop. */
static void
on_idle (void *data)
{
  MossDisplay *display = data;

  display->idle = NULL;
  if (display->viewer)
    {
      moss_sync_run (display->viewer);
      moss_connection_flush (display->viewer);
    }
  wl_display_flush_clients (display->wl);
}

void
moss_display_schedule (MossDisplay *display)
{
  if (!display->idle && !display->ending)
    display->idle = wl_event_loop_add_idle (display->loop, on_idle, display);
}

bool
moss_display_iterate (MossDisplay *display, int timeout_ms)
{
  wl_event_loop_dispatch_idle (display->loop);
  wl_display_flush_clients (display->wl);
  if (wl_event_loop_dispatch (display->loop, timeout_ms) < 0 && errno != EINTR)
    return false;
  wl_event_loop_dispatch_idle (display->loop);
  wl_display_flush_clients (display->wl);
  return true;
}

void
moss_display_set_one_window (MossDisplay *display, pid_t pid)
{
  display->one_window = pid;
}

void
moss_display_run (MossDisplay *display)
{
  display->running = true;
  while (display->running && moss_display_iterate (display, -1))
    ;
}

void
moss_display_stop (MossDisplay *display)
{
  display->running = false;
}

struct wl_event_loop *
moss_display_get_event_loop (MossDisplay *display)
{
  return display->loop;
}

struct wl_display *
moss_display_get_wl_display (MossDisplay *display)
{
  return display->wl;
}

/* ---- what the program asks ----------------------------------------------------------- */

void
moss_display_set_callbacks (MossDisplay *display,
                            const MossDisplayCallbacks *callbacks,
                            void *data)
{
  display->callbacks = callbacks ? *callbacks : (MossDisplayCallbacks){ 0 };
  display->callbacks_data = data;
}

bool
moss_display_has_viewer (MossDisplay *display)
{
  return display->viewer != NULL;
}

unsigned
moss_display_get_n_toplevels (MossDisplay *display)
{
  return display->n_mapped;
}

unsigned
moss_display_close_all (MossDisplay *display)
{
  MossXdgSurface *xdg;
  unsigned n = 0;

  wl_list_for_each (xdg, &display->xdg_surfaces, link)
    if (xdg->surface->role == MOSS_ROLE_TOPLEVEL && xdg->role_resource && xdg->mapped)
      {
        moss_toplevel_close (xdg);
        n++;
      }
  moss_display_schedule (display);
  return n;
}

int
moss_display_add_client (MossDisplay *display, int fd)
{
  fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  if (wl_client_create (display->wl, fd))
    return 0;
  close (fd);
  return -1;
}

/* ---- the socket of the clients ------------------------------------------------------- */

static int
listen_at (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (path) >= sizeof address.sun_path)
    {
      errno = ENAMETOOLONG;
      return -1;
    }
  memcpy (address.sun_path, path, strlen (path) + 1);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return -1;
  unlink (path);
  if (bind (fd, (struct sockaddr *) &address, sizeof address) == 0 && chmod (path, 0666) == 0
      && listen (fd, 32) == 0)
    return fd;
  close (fd);
  return -1;
}

static bool
open_socket (MossDisplay *display, const char *runtime_dir, const char *socket_name)
{
  int fd;

  if (asprintf (&display->socket_path, "%s/%s", runtime_dir, socket_name) < 0)
    {
      display->socket_path = NULL;
      return false;
    }
  fd = listen_at (display->socket_path);
  if (fd < 0)
    return false;
  if (wl_display_add_socket_fd (display->wl, fd) == 0)
    return true;
  close (fd);
  errno = ENOMEM;
  return false;
}

/* ---- life ---------------------------------------------------------------------------- */

static void
add_globals (MossDisplay *display)
{
  moss_compositor_init (display);
  moss_subcompositor_init (display);
  moss_shm_init (display);
  moss_single_pixel_init (display);
  moss_output_init (display);
  moss_seat_init (display);
  moss_selection_init (display);
  moss_data_device_init (display);
  moss_primary_init (display);
  moss_xdg_shell_init (display);
  moss_decoration_init (display);
  moss_viewporter_init (display);
  moss_fractional_init (display);
  moss_cursor_shape_init (display);
  moss_constraint_init (display);
  moss_text_input_init (display);
  moss_activation_init (display);
  moss_inhibit_init (display);
}

MossDisplay *
moss_display_new (const char *runtime_dir, const char *socket_name)
{
  MossDisplay *display = calloc (1, sizeof *display);

  if (!display || !(display->wl = wl_display_create ()))
    {
      free (display);
      errno = ENOMEM;
      return NULL;
    }
  display->loop = wl_display_get_event_loop (display->wl);
  wl_list_init (&display->connections);
  moss_client_init (display);
  add_globals (display);
  if (socket_name && !open_socket (display, runtime_dir, socket_name))
    {
      int saved = errno;

      moss_display_destroy (display);
      errno = saved;
      return NULL;
    }
  return display;
}

void
moss_display_destroy (MossDisplay *display)
{
  MossDisplayConnection *connection, *next;

  display->callbacks = (MossDisplayCallbacks){ 0 };
  wl_list_for_each_safe (connection, next, &display->connections, link)
    moss_connection_kill (connection, MOSS_WIRE_BYE_ENDED);
  wl_display_destroy_clients (display->wl);
  display->ending = true;
  if (display->idle)
    wl_event_source_remove (display->idle);
  display->idle = NULL;
  moss_selection_fini (display);
  moss_activation_fini (display);
  moss_seat_fini (display);
  wl_list_remove (&display->client_created.link);
  wl_display_destroy (display->wl);
  if (display->socket_path)
    unlink (display->socket_path);
  free (display->socket_path);
  free (display->drop_mime_type);
  free (display);
}
