// SPDX-License-Identifier: GPL-3.0-or-later
#include "display-private.h"
#include "xdg-decoration-unstable-v1-server-protocol.h"
#include "server-decoration-server-protocol.h"
#include "xdg-shell-server-protocol.h"

/* In the order of MossViewerState. */
static const uint32_t state_names[] = {
  XDG_TOPLEVEL_STATE_ACTIVATED,  XDG_TOPLEVEL_STATE_MAXIMIZED,
  XDG_TOPLEVEL_STATE_FULLSCREEN, XDG_TOPLEVEL_STATE_RESIZING,
  XDG_TOPLEVEL_STATE_TILED_LEFT, XDG_TOPLEVEL_STATE_TILED_RIGHT,
  XDG_TOPLEVEL_STATE_TILED_TOP,  XDG_TOPLEVEL_STATE_TILED_BOTTOM,
};

#define N_STATES (sizeof state_names / sizeof *state_names)

/* A client that speaks of decorations nowhere, and has no shadows to leave out either,
 * knows nothing of title bars (Xwayland with a root window): it gets one. */
bool
moss_toplevel_server_decorated (MossSurface *surface)
{
  MossXdgSurface *xdg = moss_surface_get_xdg (surface);

  if (surface->decoration)
    return surface->decoration_mode != ZXDG_TOPLEVEL_DECORATION_V1_MODE_CLIENT_SIDE;
  if (surface->kde_decoration)
    return surface->kde_mode == ORG_KDE_KWIN_SERVER_DECORATION_MODE_SERVER;
  return xdg && !xdg->geometry_set && !surface->client->decorates;
}

/* What all apps are told they may at most take, when the viewer said it. */
static void
send_bounds (MossXdgSurface *xdg)
{
  MossOutput *output = &xdg->surface->display->output;
  struct wl_resource *resource = xdg->role_resource;

  if (wl_resource_get_version (resource) >= XDG_TOPLEVEL_CONFIGURE_BOUNDS_SINCE_VERSION
      && output->work_width > 0)
    xdg_toplevel_send_configure_bounds (resource, output->work_width, output->work_height);
}

static void
send_capabilities (MossXdgSurface *xdg)
{
  static const uint32_t all[] = {
    XDG_TOPLEVEL_WM_CAPABILITIES_WINDOW_MENU, XDG_TOPLEVEL_WM_CAPABILITIES_MAXIMIZE,
    XDG_TOPLEVEL_WM_CAPABILITIES_FULLSCREEN, XDG_TOPLEVEL_WM_CAPABILITIES_MINIMIZE
  };
  struct wl_array array;

  if (wl_resource_get_version (xdg->role_resource)
      < XDG_TOPLEVEL_WM_CAPABILITIES_SINCE_VERSION)
    return;
  array.data = (void *) all;
  array.size = array.alloc = sizeof all;
  xdg_toplevel_send_wm_capabilities (xdg->role_resource, &array);
}

void
moss_toplevel_send_configure (MossXdgSurface *xdg, MossConfigure *configure)
{
  uint32_t names[N_STATES];
  struct wl_array array = { 0, sizeof names, names };
  unsigned n = 0;
  bool tiled = wl_resource_get_version (xdg->role_resource)
               >= XDG_TOPLEVEL_STATE_TILED_LEFT_SINCE_VERSION;

  for (unsigned i = 0; i < N_STATES; i++)
    if (xdg->states & (1u << i)
        && (tiled || state_names[i] < XDG_TOPLEVEL_STATE_TILED_LEFT))
      names[n++] = state_names[i];
  array.size = n * sizeof *names;
  configure->states = xdg->states;
  send_bounds (xdg);
  xdg_toplevel_send_configure (xdg->role_resource, xdg->width, xdg->height, &array);
  if (xdg->surface->decoration)
    zxdg_toplevel_decoration_v1_send_configure (
        xdg->surface->decoration, moss_toplevel_server_decorated (xdg->surface)
                                      ? ZXDG_TOPLEVEL_DECORATION_V1_MODE_SERVER_SIDE
                                      : ZXDG_TOPLEVEL_DECORATION_V1_MODE_CLIENT_SIDE);
}

/* While the app still works on the last size the newest one waits for its ack. */
void
moss_toplevel_configure (MossXdgSurface *xdg, int32_t width, int32_t height, uint32_t states)
{
  bool only_size = states == xdg->states;

  xdg->width = width < 0 ? 0 : width > 32767 ? 32767 : width;
  xdg->height = height < 0 ? 0 : height > 32767 ? 32767 : height;
  xdg->states = states & ((1u << N_STATES) - 1);
  if (!xdg->initial_commit)
    return; /* it goes out with the answer to the first commit */
  if (only_size && xdg->n_configures)
    xdg->resize_waits = true;
  else
    moss_xdg_schedule_configure (xdg);
}

void
moss_toplevel_close (MossXdgSurface *xdg)
{
  if (!xdg->role_resource)
    return;
  xdg_toplevel_send_close (xdg->role_resource);
  moss_xdg_ping (xdg);
}

/* False: a protocol error was posted. */
bool
moss_toplevel_committed (MossXdgSurface *xdg)
{
  uint32_t states = xdg->pending_states;

  if ((xdg->pending_max_width && xdg->pending_min_width > xdg->pending_max_width)
      || (xdg->pending_max_height && xdg->pending_min_height > xdg->pending_max_height))
    {
      wl_resource_post_error (xdg->role_resource, XDG_TOPLEVEL_ERROR_INVALID_SIZE,
                              "the smallest size is larger than the largest");
      return false;
    }
  if (xdg->min_width != xdg->pending_min_width || xdg->min_height != xdg->pending_min_height
      || xdg->max_width != xdg->pending_max_width
      || xdg->max_height != xdg->pending_max_height || xdg->acked_states != states)
    moss_surface_dirty (xdg->surface, MOSS_DIRTY_TOPLEVEL);
  xdg->min_width = xdg->pending_min_width;
  xdg->min_height = xdg->pending_min_height;
  xdg->max_width = xdg->pending_max_width;
  xdg->max_height = xdg->pending_max_height;
  xdg->acked_states = states;
  return true;
}

/* ---- requests ------------------------------------------------------------------------ */

static void
set_text (MossXdgSurface *xdg, char **to, const char *text)
{
  size_t n = strnlen (text, MOSS_WIRE_MAX_STRING);
  char *copy;

  if (*to && strcmp (*to, text) == 0)
    return;
  copy = strndup (text, n);
  if (!copy)
    return;
  free (*to);
  *to = copy;
  moss_surface_dirty (xdg->surface, MOSS_DIRTY_TOPLEVEL);
}

static void
on_parent_destroyed (struct wl_listener *listener, void *data)
{
  MossXdgSurface *xdg = wl_container_of (listener, xdg, parent_destroyed);
  MossXdgSurface *gone = moss_surface_get_xdg (xdg->parent);

  wl_list_remove (&xdg->parent_destroyed.link);
  xdg->parent_listening = false;
  xdg->parent = NULL;
  (void) gone;
  moss_surface_dirty (xdg->surface, MOSS_DIRTY_SURFACE);
}

static void
drop_parent (MossXdgSurface *xdg)
{
  if (xdg->parent_listening)
    wl_list_remove (&xdg->parent_destroyed.link);
  xdg->parent_listening = false;
  xdg->parent = NULL;
}

static void
toplevel_set_parent (struct wl_client *client,
                     struct wl_resource *resource,
                     struct wl_resource *parent_resource)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);
  MossXdgSurface *parent = parent_resource ? wl_resource_get_user_data (parent_resource)
                                           : NULL;

  if (!xdg)
    return;
  if (parent && moss_surface_is_ancestor (parent->surface, xdg->surface))
    {
      wl_resource_post_error (resource, XDG_TOPLEVEL_ERROR_INVALID_PARENT,
                              "a window can't be above itself");
      return;
    }
  drop_parent (xdg);
  if (parent)
    {
      xdg->parent = parent->surface;
      xdg->parent_destroyed.notify = on_parent_destroyed;
      wl_signal_add (&parent->surface->destroyed, &xdg->parent_destroyed);
      xdg->parent_listening = true;
    }
  moss_surface_dirty (xdg->surface, MOSS_DIRTY_SURFACE);
}

static void
toplevel_set_title (struct wl_client *client, struct wl_resource *resource, const char *title)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (xdg)
    set_text (xdg, &xdg->title, title);
}

static void
toplevel_set_app_id (struct wl_client *client, struct wl_resource *resource, const char *id)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (xdg)
    set_text (xdg, &xdg->app_id, id);
}

static void
ask (struct wl_resource *resource, uint32_t request, int32_t a, int32_t b)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (xdg)
    moss_viewer_request (xdg->surface, request, a, b);
}

/* Moves, resizes and menus must follow something that the person did. */
static bool
entitled (struct wl_client *client, struct wl_resource *resource, uint32_t serial)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  return xdg && moss_seat_serial_valid (xdg->surface->display, client, serial);
}

static void
toplevel_menu (struct wl_client *client,
               struct wl_resource *resource,
               struct wl_resource *seat,
               uint32_t serial,
               int32_t x,
               int32_t y)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);
  MossRect geometry;

  if (!entitled (client, resource, serial))
    return;
  moss_xdg_get_geometry (xdg, &geometry);
  if (x > 32767 || x < -32767 || y > 32767 || y < -32767)
    return;
  ask (resource, MOSS_WIRE_REQUEST_MENU, x + geometry.x, y + geometry.y);
}

static void
toplevel_move (struct wl_client *client,
               struct wl_resource *resource,
               struct wl_resource *seat,
               uint32_t serial)
{
  if (entitled (client, resource, serial))
    ask (resource, MOSS_WIRE_REQUEST_MOVE, 0, 0);
}

static void
toplevel_resize (struct wl_client *client,
                 struct wl_resource *resource,
                 struct wl_resource *seat,
                 uint32_t serial,
                 uint32_t edges)
{
  if (edges == 0 || edges > XDG_TOPLEVEL_RESIZE_EDGE_BOTTOM_RIGHT || (edges & 3) == 3)
    wl_resource_post_error (resource, XDG_TOPLEVEL_ERROR_INVALID_RESIZE_EDGE,
                            "no such edge: %u", edges);
  else if (entitled (client, resource, serial))
    ask (resource, MOSS_WIRE_REQUEST_RESIZE, edges, 0);
}

static void
toplevel_set_max_size (struct wl_client *client,
                       struct wl_resource *resource,
                       int32_t width,
                       int32_t height)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (!xdg)
    return;
  if (width < 0 || height < 0)
    {
      wl_resource_post_error (resource, XDG_TOPLEVEL_ERROR_INVALID_SIZE, "negative size");
      return;
    }
  xdg->pending_max_width = width;
  xdg->pending_max_height = height;
}

static void
toplevel_set_min_size (struct wl_client *client,
                       struct wl_resource *resource,
                       int32_t width,
                       int32_t height)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (!xdg)
    return;
  if (width < 0 || height < 0)
    {
      wl_resource_post_error (resource, XDG_TOPLEVEL_ERROR_INVALID_SIZE, "negative size");
      return;
    }
  xdg->pending_min_width = width;
  xdg->pending_min_height = height;
}

/* The protocol wants an answer to these; without a viewer the old state is the answer. */
static void
ask_for_state (struct wl_resource *resource, uint32_t request, bool on)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (!xdg)
    return;
  moss_viewer_request (xdg->surface, request, on, 0);
  if (!xdg->surface->display->viewer && xdg->initial_commit)
    moss_xdg_schedule_configure (xdg);
}

static void
toplevel_set_maximized (struct wl_client *client, struct wl_resource *resource)
{
  ask_for_state (resource, MOSS_WIRE_REQUEST_MAXIMIZE, true);
}

static void
toplevel_unset_maximized (struct wl_client *client, struct wl_resource *resource)
{
  ask_for_state (resource, MOSS_WIRE_REQUEST_MAXIMIZE, false);
}

static void
toplevel_set_fullscreen (struct wl_client *client,
                         struct wl_resource *resource,
                         struct wl_resource *output)
{
  ask_for_state (resource, MOSS_WIRE_REQUEST_FULLSCREEN, true);
}

static void
toplevel_unset_fullscreen (struct wl_client *client, struct wl_resource *resource)
{
  ask_for_state (resource, MOSS_WIRE_REQUEST_FULLSCREEN, false);
}

static void
toplevel_set_minimized (struct wl_client *client, struct wl_resource *resource)
{
  ask (resource, MOSS_WIRE_REQUEST_MINIMIZE, 0, 0);
}

static const struct xdg_toplevel_interface toplevel_implementation = {
  .destroy = moss_resource_destroy_request,
  .set_parent = toplevel_set_parent,
  .set_title = toplevel_set_title,
  .set_app_id = toplevel_set_app_id,
  .show_window_menu = toplevel_menu,
  .move = toplevel_move,
  .resize = toplevel_resize,
  .set_max_size = toplevel_set_max_size,
  .set_min_size = toplevel_set_min_size,
  .set_maximized = toplevel_set_maximized,
  .unset_maximized = toplevel_unset_maximized,
  .set_fullscreen = toplevel_set_fullscreen,
  .unset_fullscreen = toplevel_unset_fullscreen,
  .set_minimized = toplevel_set_minimized,
};

/* ---- life ---------------------------------------------------------------------------- */

void
moss_toplevel_gone (MossXdgSurface *xdg)
{
  MossXdgSurface *other;

  drop_parent (xdg);
  wl_list_for_each (other, &xdg->surface->display->xdg_surfaces, link)
    if (other->parent == xdg->surface)
      {
        drop_parent (other);
        moss_surface_dirty (other->surface, MOSS_DIRTY_SURFACE);
      }
}

static void
toplevel_destroyed (struct wl_resource *resource)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (!xdg)
    return;
  xdg->role_resource = NULL;
  moss_toplevel_gone (xdg);
  moss_xdg_unmapped (xdg);
  xdg->surface->role_object = NULL;
  moss_surface_update_mapped (xdg->surface);
  moss_sync_surface_gone (xdg->surface);
}

void
moss_xdg_get_toplevel (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (!xdg)
    return;
  if (xdg->role_resource)
    {
      wl_resource_post_error (resource, XDG_SURFACE_ERROR_ALREADY_CONSTRUCTED,
                              "the surface has a role already");
      return;
    }
  if (!moss_surface_set_role (xdg->surface, MOSS_ROLE_TOPLEVEL, resource,
                              XDG_SURFACE_ERROR_ALREADY_CONSTRUCTED))
    return;
  xdg->role_resource = moss_resource (client, &xdg_toplevel_interface,
                                      wl_resource_get_version (resource), id,
                                      &toplevel_implementation, xdg, toplevel_destroyed);
  if (!xdg->role_resource)
    return;
  xdg->surface->role_object = xdg;
  send_capabilities (xdg);
}
