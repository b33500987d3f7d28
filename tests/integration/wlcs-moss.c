// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Lets the Wayland conformance suite (package wlcs) load the display:
 *
 *   $(pkg-config --variable=test_runner wlcs) build/dev/tests/integration/libwlcs-moss.so
 *
 * It plays the viewer from inside: keeps windows at positions, sends frame callbacks,
 * turns pointer and touch of the suite into input for the window on top.
 */
#include <sys/socket.h>
#include <unistd.h>
#include <wlcs/display_server.h>
#include <wlcs/pointer.h>
#include <wlcs/touch.h>

#include "display-private.h"

#define MAX_CLIENTS 16
#define MAX_WINDOWS 64

typedef struct
{
  uint32_t id;
  int x, y;
} Place;

typedef struct
{
  WlcsDisplayServer base;
  MossDisplay *display;
  struct wl_event_source *proxy, *timer;
  struct
  {
    int fd;
    struct wl_client *client;
  } clients[MAX_CLIENTS];
  unsigned n_clients, n_places;
  Place places[MAX_WINDOWS]; /* bottom to top */
  double x, y;
} Server;

typedef struct
{
  WlcsPointer base;
  Server *server;
} Pointer;

typedef struct
{
  WlcsTouch base;
  Server *server;
} Touch;

/* ---- windows ------------------------------------------------------------------------- */

static Place *
place_of (Server *server, uint32_t id)
{
  for (unsigned i = 0; i < server->n_places; i++)
    if (server->places[i].id == id)
      return &server->places[i];
  if (server->n_places == MAX_WINDOWS)
    return &server->places[0];
  server->places[server->n_places] = (Place){ id, 0, 0 };
  return &server->places[server->n_places++];
}

/* Positions are those of the window geometry's corner. */
static bool
origin_of (Server *server, MossSurface *surface, int *x, int *y)
{
  int32_t dx, dy;
  MossSurface *toplevel = moss_surface_get_toplevel (surface, &dx, &dy);
  MossXdgSurface *xdg = toplevel ? moss_surface_get_xdg (toplevel) : NULL;
  MossRect geometry;
  Place *place;

  if (!xdg)
    return false;
  moss_xdg_get_geometry (xdg, &geometry);
  place = place_of (server, toplevel->id);
  *x = place->x + dx - geometry.x;
  *y = place->y + dy - geometry.y;
  return true;
}

/* The newest popup, else the newest toplevel, that takes input there. */
static MossSurface *
window_at (Server *server, double *x, double *y)
{
  static const MossRole order[] = { MOSS_ROLE_POPUP, MOSS_ROLE_TOPLEVEL };
  MossSurface *surface;

  for (unsigned i = 0; i < 2; i++)
    wl_list_for_each_reverse (surface, &server->display->surfaces, link)
      {
        int ox, oy;
        double px, py;

        if (surface->role != order[i] || !surface->mapped
            || !origin_of (server, surface, &ox, &oy))
          continue;
        px = *x - ox;
        py = *y - oy;
        if (!moss_surface_pick (surface, &px, &py))
          continue;
        *x -= ox;
        *y -= oy;
        return surface;
      }
  return NULL;
}

static void
point (Server *server)
{
  double x = server->x, y = server->y;
  MossSurface *window = window_at (server, &x, &y);
  MossSurface *held = server->display->seat.over;
  int ox, oy;

  if (!window && server->display->seat.n_buttons && held
      && origin_of (server, held, &ox, &oy))
    {
      window = held;
      x -= ox;
      y -= oy;
    }
  if (window)
    moss_pointer_motion (server->display, window, x, y, moss_now_ms ());
  else
    moss_pointer_leave (server->display);
  wl_display_flush_clients (server->display->wl);
}

static int
on_timer (void *data)
{
  Server *server = data;
  MossSurface *surface, *newest = NULL;

  wl_list_for_each (surface, &server->display->surfaces, link)
    {
      moss_surface_frame_done (surface, moss_now_ms ());
      if (surface->role == MOSS_ROLE_TOPLEVEL && surface->mapped)
        newest = surface;
    }
  if (newest != server->display->seat.wanted)
    {
      moss_keyboard_want_focus (server->display, newest);
      if (newest && moss_surface_get_xdg (newest))
        moss_toplevel_configure (moss_surface_get_xdg (newest), 0, 0, 1 /* activated */);
    }
  wl_display_flush_clients (server->display->wl);
  wl_event_source_timer_update (server->timer, 5);
  return 0;
}

/* ---- what the suite asks ------------------------------------------------------------- */

static int
on_proxy (int fd, uint32_t mask, void *data)
{
  wl_event_loop_dispatch (data, 0);
  return 0;
}

static void
start_on_this_thread (WlcsDisplayServer *base, wl_event_loop *dispatcher)
{
  Server *server = (Server *) base;

  server->proxy
      = wl_event_loop_add_fd (server->display->loop, wl_event_loop_get_fd (dispatcher),
                              WL_EVENT_READABLE, on_proxy, dispatcher);
  server->timer = wl_event_loop_add_timer (server->display->loop, on_timer, server);
  wl_event_source_timer_update (server->timer, 5);
  moss_display_run (server->display);
  wl_event_source_remove (server->proxy);
  wl_event_source_remove (server->timer);
}

static void
stop (WlcsDisplayServer *base)
{
  moss_display_stop (((Server *) base)->display);
}

static int
create_client_socket (WlcsDisplayServer *base)
{
  Server *server = (Server *) base;
  int fds[2];
  struct wl_client *client;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
    return -1;
  client = wl_client_create (server->display->wl, fds[0]);
  if (!client || server->n_clients == MAX_CLIENTS)
    abort ();
  server->clients[server->n_clients].fd = fds[1];
  server->clients[server->n_clients++].client = client;
  return fds[1];
}

static void
position_window (WlcsDisplayServer *base, wl_display *client, wl_surface *surface, int x, int y)
{
  Server *server = (Server *) base;
  int fd = wl_display_get_fd (client);

  for (unsigned i = server->n_clients; i-- > 0;)
    if (server->clients[i].fd == fd)
      {
        struct wl_resource *resource
            = wl_client_get_object (server->clients[i].client,
                                    wl_proxy_get_id ((struct wl_proxy *) surface));
        MossSurface *window = moss_surface_from_resource (resource);
        Place *place;

        if (!window)
          return;
        place = place_of (server, window->id);
        place->x = x;
        place->y = y;
        point (server);
        return;
      }
}

static void
move_absolute (WlcsPointer *base, wl_fixed_t x, wl_fixed_t y)
{
  Server *server = ((Pointer *) base)->server;

  server->x = wl_fixed_to_double (x);
  server->y = wl_fixed_to_double (y);
  point (server);
}

static void
move_relative (WlcsPointer *base, wl_fixed_t dx, wl_fixed_t dy)
{
  Server *server = ((Pointer *) base)->server;

  server->x += wl_fixed_to_double (dx);
  server->y += wl_fixed_to_double (dy);
  point (server);
}

static void
button (WlcsPointer *base, int code, bool pressed)
{
  Server *server = ((Pointer *) base)->server;

  moss_pointer_button (server->display, code, pressed, moss_now_ms ());
  wl_display_flush_clients (server->display->wl);
}

static void
button_up (WlcsPointer *base, int code)
{
  button (base, code, false);
}

static void
button_down (WlcsPointer *base, int code)
{
  button (base, code, true);
}

static void
destroy_pointer (WlcsPointer *base)
{
  free (base);
}

static WlcsPointer *
create_pointer (WlcsDisplayServer *base)
{
  Pointer *pointer = calloc (1, sizeof *pointer);

  pointer->base = (WlcsPointer){ WLCS_POINTER_VERSION, move_absolute, move_relative,
                                 button_up, button_down, destroy_pointer };
  pointer->server = (Server *) base;
  return &pointer->base;
}

static void
touch_down (WlcsTouch *base, wl_fixed_t fx, wl_fixed_t fy)
{
  Server *server = ((Touch *) base)->server;
  double x = wl_fixed_to_double (fx), y = wl_fixed_to_double (fy);
  MossSurface *window = window_at (server, &x, &y);

  server->x = wl_fixed_to_double (fx) - x;
  server->y = wl_fixed_to_double (fy) - y;
  if (window)
    moss_touch_down (server->display, window, 0, x, y, moss_now_ms ());
  wl_display_flush_clients (server->display->wl);
}

static void
touch_move (WlcsTouch *base, wl_fixed_t x, wl_fixed_t y)
{
  Server *server = ((Touch *) base)->server;

  moss_touch_motion (server->display, 0, wl_fixed_to_double (x) - server->x,
                     wl_fixed_to_double (y) - server->y, moss_now_ms ());
  wl_display_flush_clients (server->display->wl);
}

static void
touch_up (WlcsTouch *base)
{
  Server *server = ((Touch *) base)->server;

  moss_touch_up (server->display, 0, moss_now_ms ());
  wl_display_flush_clients (server->display->wl);
}

static void
destroy_touch (WlcsTouch *base)
{
  free (base);
}

static WlcsTouch *
create_touch (WlcsDisplayServer *base)
{
  Touch *touch = calloc (1, sizeof *touch);

  touch->base = (WlcsTouch){ WLCS_TOUCH_VERSION, touch_down, touch_move, touch_up,
                             destroy_touch };
  touch->server = (Server *) base;
  moss_seat_add_capability (touch->server->display, WL_SEAT_CAPABILITY_TOUCH);
  return &touch->base;
}

static const WlcsIntegrationDescriptor *
get_descriptor (const WlcsDisplayServer *server)
{
  static const WlcsExtensionDescriptor extensions[] = {
    { "wl_compositor", 5 },
    { "wl_subcompositor", 1 },
    { "wl_shm", 1 },
    { "wl_seat", 7 },
    { "wl_output", 4 },
    { "wl_data_device_manager", 3 },
    { "xdg_wm_base", 5 },
    { "zwp_primary_selection_device_manager_v1", 1 },
    { "zwp_text_input_manager_v3", 1 },
    { "wp_viewporter", 1 },
  };
  static const WlcsIntegrationDescriptor descriptor
      = { WLCS_INTEGRATION_DESCRIPTOR_VERSION, sizeof extensions / sizeof *extensions,
          extensions };

  return &descriptor;
}

static WlcsDisplayServer *
create_server (int argc, const char **argv)
{
  Server *server = calloc (1, sizeof *server);

  server->base = (WlcsDisplayServer){ .version = WLCS_DISPLAY_SERVER_VERSION,
                                      .stop = stop,
                                      .create_client_socket = create_client_socket,
                                      .position_window_absolute = position_window,
                                      .create_pointer = create_pointer,
                                      .create_touch = create_touch,
                                      .get_descriptor = get_descriptor,
                                      .start_on_this_thread = start_on_this_thread };
  server->display = moss_display_new (NULL, NULL);
  moss_seat_add_capability (server->display, WL_SEAT_CAPABILITY_TOUCH);
  return &server->base;
}

static void
destroy_server (WlcsDisplayServer *base)
{
  moss_display_destroy (((Server *) base)->display);
  free (base);
}

__attribute__ ((visibility ("default"))) const WlcsServerIntegration wlcs_server_integration
    = { WLCS_SERVER_INTEGRATION_VERSION, create_server, destroy_server };
