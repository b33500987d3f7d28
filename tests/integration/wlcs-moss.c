// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Lets the Wayland conformance suite (package wlcs) load the display:
 *
 *   $(pkg-config --variable=test_runner wlcs) build/dev/tests/integration/libwlcs-moss.so
 *
 * It plays the viewer from inside: keeps windows at positions, sends frame callbacks,
 * turns pointer and touch of the suite into input for the window on top, and answers like
 * the shell does what windows ask for (a connection of its own brings their requests).
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wlcs/display_server.h>
#include <wlcs/pointer.h>
#include <wlcs/touch.h>

#include "display-private.h"
#include "xdg-shell-server-protocol.h"

#define MAX_CLIENTS 16
#define MAX_WINDOWS 64
#define ACTIVATED 1u
#define MAXIMIZED 2u
#define FULLSCREEN 4u
#define RESIZING 8u

typedef struct
{
  uint32_t id;
  int x, y;
  int right, bottom; /* held there while edges says so */
  uint32_t edges;
  MossRect normal; /* before it was maximised or full screen */
} Place;

/* A window that the person moves or resizes. */
typedef struct
{
  uint32_t id, edges; /* id 0: none; edges 0: moved */
  double x, y;        /* pointer at the beginning */
  MossRect rect;
} Grab;

typedef struct
{
  WlcsDisplayServer base;
  MossDisplay *display;
  MossWire *wire;
  struct wl_event_source *proxy, *timer, *requests, *idle;
  struct
  {
    int fd;
    struct wl_client *client;
  } clients[MAX_CLIENTS];
  unsigned n_clients, n_places;
  Place places[MAX_WINDOWS];
  Grab grab;
  uint32_t newest; /* toplevel that was focused because it was new */
  bool pointed;    /* the pointer has been somewhere */
  double x, y;     /* of the pointer */
  int calls[2], answers[2]; /* pipes to the loop's thread and back */
  struct wl_event_source *called;
  double touch_x, touch_y; /* of the touched window's origin */
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
  server->places[server->n_places] = (Place){ .id = id };
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
  if (place->edges & XDG_TOPLEVEL_RESIZE_EDGE_LEFT)
    place->x = place->right - geometry.width;
  if (place->edges & XDG_TOPLEVEL_RESIZE_EDGE_TOP)
    place->y = place->bottom - geometry.height;
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
configure (MossXdgSurface *xdg, int width, int height, uint32_t set, uint32_t unset)
{
  moss_toplevel_configure (xdg, width, height, (xdg->states & ~unset) | set);
}

static void
drag_window (Server *server)
{
  Grab *grab = &server->grab;
  MossSurface *surface = moss_display_find_surface (server->display, grab->id);
  MossXdgSurface *xdg = surface ? moss_surface_get_xdg (surface) : NULL;
  int dx = server->x - grab->x, dy = server->y - grab->y;
  int width = grab->rect.width, height = grab->rect.height;

  if (!xdg)
    return;
  if (!grab->edges)
    {
      place_of (server, grab->id)->x = grab->rect.x + dx;
      place_of (server, grab->id)->y = grab->rect.y + dy;
      return;
    }
  if (grab->edges & XDG_TOPLEVEL_RESIZE_EDGE_LEFT)
    width -= dx;
  else if (grab->edges & XDG_TOPLEVEL_RESIZE_EDGE_RIGHT)
    width += dx;
  if (grab->edges & XDG_TOPLEVEL_RESIZE_EDGE_TOP)
    height -= dy;
  else if (grab->edges & XDG_TOPLEVEL_RESIZE_EDGE_BOTTOM)
    height += dy;
  configure (xdg, width < 1 ? 1 : width, height < 1 ? 1 : height, RESIZING, 0);
}

/* Where the person put it, whether its client has drawn that size yet or never will. */
static void
settle (Place *place, MossXdgSurface *xdg)
{
  if (place->edges & XDG_TOPLEVEL_RESIZE_EDGE_LEFT)
    place->x = place->right - xdg->width;
  if (place->edges & XDG_TOPLEVEL_RESIZE_EDGE_TOP)
    place->y = place->bottom - xdg->height;
  place->edges = 0;
}

static void
end_grab (Server *server)
{
  MossSurface *surface = moss_display_find_surface (server->display, server->grab.id);
  MossXdgSurface *xdg = surface ? moss_surface_get_xdg (surface) : NULL;

  if (xdg && server->grab.edges)
    {
      configure (xdg, xdg->width, xdg->height, 0, RESIZING);
      settle (place_of (server, server->grab.id), xdg);
    }
  server->grab.id = 0;
}

static void
point (Server *server)
{
  double x = server->x, y = server->y;
  MossSurface *window = window_at (server, &x, &y);
  MossSurface *held = server->display->seat.over;
  int ox, oy;

  if (server->grab.id)
    {
      drag_window (server);
      wl_display_flush_clients (server->display->wl);
      return;
    }
  if ((server->display->seat.n_buttons || server->display->seat.constraint)
      && !server->display->drag.active && held && origin_of (server, held, &ox, &oy))
    {
      window = held;
      x = server->x - ox;
      y = server->y - oy;
    }
  if (window)
    moss_pointer_motion (server->display, window, x, y, moss_now_ms ());
  else
    moss_pointer_leave (server->display);
  if (server->display->seat.constraint && origin_of (server, window, &ox, &oy))
    {
      server->x = server->display->seat.x + ox;
      server->y = server->display->seat.y + oy;
    }
  wl_display_flush_clients (server->display->wl);
}

/* Windows may have come, gone or changed their size under a pointer that rests. */
static void
point_again (Server *server)
{
  const MossSeat *seat = &server->display->seat;
  double x = server->x, y = server->y;
  MossSurface *window = window_at (server, &x, &y);

  if (!server->pointed || server->grab.id || seat->n_buttons
      || server->display->drag.active)
    return;
  if (window != seat->over || (window && (x != seat->over_x || y != seat->over_y)))
    point (server);
}

/* ---- focus --------------------------------------------------------------------------- */

static void
focus (Server *server, MossSurface *toplevel)
{
  MossDisplay *display = server->display;
  MossSurface *old = display->seat.wanted, *popup = moss_popup_grabbing (display);
  MossXdgSurface *xdg;
  int32_t x, y;

  if (toplevel == old)
    return;
  if (popup && moss_surface_get_toplevel (popup, &x, &y) != toplevel)
    moss_popup_dismiss_all (display);
  moss_keyboard_want_focus (display, toplevel);
  if (old && (xdg = moss_surface_get_xdg (old)))
    configure (xdg, xdg->width, xdg->height, 0, ACTIVATED);
  if (toplevel && (xdg = moss_surface_get_xdg (toplevel)))
    configure (xdg, xdg->width, xdg->height, ACTIVATED, 0);
}

/* New windows take the focus; without any the newest of the others. */
static void
focus_newest (Server *server)
{
  MossSurface *surface, *newest = NULL, *wanted = server->display->seat.wanted;

  wl_list_for_each (surface, &server->display->surfaces, link)
    if (surface->role == MOSS_ROLE_TOPLEVEL && surface->mapped)
      newest = surface;
  if (newest && (newest->id > server->newest || !wanted || !wanted->mapped))
    focus (server, newest);
  else if (!newest)
    focus (server, NULL);
  if (newest && newest->id > server->newest)
    server->newest = newest->id;
}

static void
on_idle (void *data)
{
  Server *server = data;

  server->idle = NULL;
  focus_newest (server);
  point_again (server);
}

/* What follows goes out together with the answer to a sync that the client sent with it. */
static void
on_toplevels (MossDisplay *display, unsigned n, void *data)
{
  Server *server = data;

  if (!server->idle)
    server->idle = wl_event_loop_add_idle (display->loop, on_idle, server);
}

static int
on_timer (void *data)
{
  Server *server = data;
  MossSurface *surface;

  wl_list_for_each (surface, &server->display->surfaces, link)
    moss_surface_frame_done (surface, moss_now_ms ());
  focus_newest (server);
  point_again (server);
  wl_display_flush_clients (server->display->wl);
  wl_event_source_timer_update (server->timer, 5);
  return 0;
}

/* ---- what windows ask ---------------------------------------------------------------- */

static void
begin_grab (Server *server, MossXdgSurface *xdg, uint32_t edges)
{
  Place *place = place_of (server, xdg->surface->id);
  Grab *grab = &server->grab;

  if (!server->display->seat.n_buttons)
    return;
  moss_xdg_get_geometry (xdg, &grab->rect);
  grab->id = place->id;
  grab->edges = place->edges = edges;
  grab->x = server->x;
  grab->y = server->y;
  grab->rect.x = place->x;
  grab->rect.y = place->y;
  place->right = place->x + grab->rect.width;
  place->bottom = place->y + grab->rect.height;
  moss_pointer_release_all (server->display);
  moss_pointer_leave (server->display);
}

static void
set_large (Server *server, MossXdgSurface *xdg, uint32_t state, bool on)
{
  Place *place = place_of (server, xdg->surface->id);
  bool was_large = xdg->states & (MAXIMIZED | FULLSCREEN);
  bool large = on || (xdg->states & (MAXIMIZED | FULLSCREEN) & ~state);

  if (!was_large)
    {
      moss_xdg_get_geometry (xdg, &place->normal);
      place->normal.x = place->x;
      place->normal.y = place->y;
    }
  place->edges = 0;
  place->x = large ? 0 : place->normal.x;
  place->y = large ? 0 : place->normal.y;
  configure (xdg, large ? server->display->output.width : place->normal.width,
             large ? server->display->output.height : place->normal.height,
             on ? state : 0, on ? 0 : state);
}

static void
on_request (Server *server, MossWireMessage *message)
{
  MossSurface *surface = moss_display_find_surface (server->display, message->id);
  MossXdgSurface *xdg = surface ? moss_surface_get_xdg (surface) : NULL;
  uint32_t request = moss_wire_get_u32 (message);
  int32_t a = moss_wire_get_i32 (message);

  if (!xdg || !xdg->role_resource || surface->role != MOSS_ROLE_TOPLEVEL)
    return;
  if (request == MOSS_WIRE_REQUEST_MOVE)
    begin_grab (server, xdg, 0);
  else if (request == MOSS_WIRE_REQUEST_RESIZE)
    begin_grab (server, xdg, a);
  else if (request == MOSS_WIRE_REQUEST_MAXIMIZE)
    set_large (server, xdg, MAXIMIZED, a);
  else if (request == MOSS_WIRE_REQUEST_FULLSCREEN)
    set_large (server, xdg, FULLSCREEN, a);
}

static void
on_done (Server *server, MossWireMessage *message)
{
  uint32_t serial = moss_wire_get_u32 (message);

  moss_wire_begin (server->wire, MOSS_WIRE_ACK, 0);
  moss_wire_put_u32 (server->wire, serial);
  moss_wire_end (server->wire);
  focus_newest (server);
  point_again (server);
}

static int
on_wire (int fd, uint32_t mask, void *data)
{
  Server *server = data;
  MossWireMessage *message;
  MossWireRead read = moss_wire_fill (server->wire);

  if (read == MOSS_WIRE_READ_END || read == MOSS_WIRE_READ_BAD)
    abort ();
  while (moss_wire_next (server->wire, &message) == MOSS_WIRE_READ_MESSAGE)
    if (message->type == MOSS_WIRE_DONE)
      on_done (server, message);
    else if (message->type == MOSS_WIRE_REQUEST)
      on_request (server, message);
  moss_wire_flush (server->wire);
  wl_display_flush_clients (server->display->wl);
  return 0;
}

static void
connect_viewer (Server *server)
{
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)
      || moss_display_add_connection (server->display, fds[0]) < 0
      || !(server->wire = moss_wire_new (fds[1])))
    abort ();
  moss_wire_begin (server->wire, MOSS_WIRE_HELLO, 0);
  moss_wire_put_u32 (server->wire, MOSS_WIRE_MAGIC);
  moss_wire_put_u32 (server->wire, MOSS_WIRE_VERSION);
  moss_wire_put_u32 (server->wire, MOSS_WIRE_ROLE_VIEWER);
  moss_wire_end (server->wire);
  moss_wire_flush (server->wire);
}

/* ---- touch --------------------------------------------------------------------------- */

typedef enum
{
  TOUCH_DOWN,
  TOUCH_MOVE,
  TOUCH_UP,
} TouchKind;

typedef struct
{
  TouchKind kind;
  int x, y;
} TouchCall;

static void
run_touch (Server *server, const TouchCall *call)
{
  double x = call->x, y = call->y;
  MossSurface *window;

  if (call->kind == TOUCH_DOWN && (window = window_at (server, &x, &y)))
    {
      server->touch_x = call->x - x;
      server->touch_y = call->y - y;
      moss_touch_down (server->display, window, 0, x, y, moss_now_ms ());
    }
  else if (call->kind == TOUCH_MOVE)
    moss_touch_motion (server->display, 0, x - server->touch_x, y - server->touch_y,
                       moss_now_ms ());
  else if (call->kind == TOUCH_UP)
    moss_touch_up (server->display, 0, moss_now_ms ());
  wl_display_flush_clients (server->display->wl);
}

static int
on_call (int fd, uint32_t mask, void *data)
{
  Server *server = data;
  TouchCall call;

  if (read (fd, &call, sizeof call) != sizeof call)
    abort ();
  run_touch (server, &call);
  if (write (server->answers[1], "", 1) != 1)
    abort ();
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
  server->requests = wl_event_loop_add_fd (server->display->loop,
                                           moss_wire_get_fd (server->wire),
                                           WL_EVENT_READABLE, on_wire, server);
  server->called = wl_event_loop_add_fd (server->display->loop, server->calls[0],
                                         WL_EVENT_READABLE, on_call, server);
  server->timer = wl_event_loop_add_timer (server->display->loop, on_timer, server);
  wl_event_source_timer_update (server->timer, 5);
  moss_display_run (server->display);
  wl_event_source_remove (server->proxy);
  wl_event_source_remove (server->requests);
  wl_event_source_remove (server->called);
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
        if (server->pointed)
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
  server->pointed = true;
  point (server);
}

static void
move_relative (WlcsPointer *base, wl_fixed_t dx, wl_fixed_t dy)
{
  Server *server = ((Pointer *) base)->server;

  if (moss_constraint_locks (server->display))
    {
      moss_pointer_relative (server->display, wl_fixed_to_double (dx),
                             wl_fixed_to_double (dy), moss_now_ms ());
      wl_display_flush_clients (server->display->wl);
      return;
    }
  server->x += wl_fixed_to_double (dx);
  server->y += wl_fixed_to_double (dy);
  server->pointed = true;
  point (server);
}

static void
button (WlcsPointer *base, int code, bool pressed)
{
  Server *server = ((Pointer *) base)->server;
  MossSurface *over = server->display->seat.over;
  int32_t x, y;

  if (server->grab.id)
    {
      if (!pressed)
        end_grab (server);
      point (server);
      return;
    }
  if (pressed && over)
    focus (server, moss_surface_get_toplevel (over, &x, &y));
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

/* The suite brings everything else to the loop's thread, but calls these from its own. */
static void
call_touch (WlcsTouch *base, TouchKind kind, int x, int y)
{
  Server *server = ((Touch *) base)->server;
  TouchCall call = { kind, x, y };
  char answer;

  if (write (server->calls[1], &call, sizeof call) != sizeof call
      || read (server->answers[0], &answer, 1) != 1)
    abort ();
}

/* Whole pixels, whatever the type says: that is what the suite passes for touches. */
static void
touch_down (WlcsTouch *base, wl_fixed_t x, wl_fixed_t y)
{
  call_touch (base, TOUCH_DOWN, x, y);
}

static void
touch_move (WlcsTouch *base, wl_fixed_t x, wl_fixed_t y)
{
  call_touch (base, TOUCH_MOVE, x, y);
}

static void
touch_up (WlcsTouch *base)
{
  call_touch (base, TOUCH_UP, 0, 0);
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
    { "zwp_pointer_constraints_v1", 1 },
    { "zwp_primary_selection_device_manager_v1", 1 },
    { "zwp_relative_pointer_manager_v1", 1 },
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
  static const MossDisplayCallbacks callbacks = { .toplevels = on_toplevels };
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
  moss_display_set_callbacks (server->display, &callbacks, server);
  moss_seat_add_capability (server->display, WL_SEAT_CAPABILITY_TOUCH);
  connect_viewer (server);
  if (pipe2 (server->calls, O_CLOEXEC) || pipe2 (server->answers, O_CLOEXEC))
    abort ();
  return &server->base;
}

static void
destroy_server (WlcsDisplayServer *base)
{
  Server *server = (Server *) base;

  moss_display_set_callbacks (server->display, &(MossDisplayCallbacks){ 0 }, NULL);
  if (server->idle)
    wl_event_source_remove (server->idle);
  moss_wire_free (server->wire);
  moss_display_destroy (server->display);
  for (int i = 0; i < 2; i++)
    {
      close (server->calls[i]);
      close (server->answers[i]);
    }
  free (base);
}

__attribute__ ((visibility ("default"))) const WlcsServerIntegration wlcs_server_integration
    = { WLCS_SERVER_INTEGRATION_VERSION, create_server, destroy_server };
