// SPDX-License-Identifier: GPL-3.0-or-later
/* xdg_wm_base and xdg_surface: configure and ack, window geometry, ping. */
#include "display-private.h"
#include "xdg-shell-server-protocol.h"

MossXdgSurface *
moss_surface_get_xdg (MossSurface *surface)
{
  if (surface->role != MOSS_ROLE_TOPLEVEL && surface->role != MOSS_ROLE_POPUP)
    return NULL;
  return surface->role_object;
}

void
moss_xdg_get_geometry (MossXdgSurface *xdg, MossRect *rect)
{
  *rect = (MossRect){ 0, 0, xdg->surface->width, xdg->surface->height };
  if (xdg->geometry_set)
    *rect = xdg->geometry;
}

/* ---- configure ----------------------------------------------------------------------- */

MossConfigure *
moss_xdg_new_configure (MossXdgSurface *xdg)
{
  MossConfigure *configure = calloc (1, sizeof *configure);

  if (!configure)
    return NULL;
  configure->serial = moss_display_serial (xdg->surface->display);
  wl_list_insert (xdg->configures.prev, &configure->link);
  xdg->n_configures++;
  return configure;
}

static void
forget_configure (MossXdgSurface *xdg, MossConfigure *configure)
{
  wl_list_remove (&configure->link);
  free (configure);
  xdg->n_configures--;
}

static void
forget_configures (MossXdgSurface *xdg)
{
  MossConfigure *configure, *next;

  wl_list_for_each_safe (configure, next, &xdg->configures, link)
    forget_configure (xdg, configure);
}

static void
send_configure (void *data)
{
  MossXdgSurface *xdg = data;
  MossConfigure *configure;

  xdg->idle_configure = NULL;
  if (!xdg->role_resource)
    return;
  if (xdg->n_configures >= 64) /* a client that never answers */
    forget_configure (xdg, wl_container_of (xdg->configures.next, configure, link));
  configure = moss_xdg_new_configure (xdg);
  if (!configure)
    return;
  if (xdg->surface->role == MOSS_ROLE_TOPLEVEL)
    moss_toplevel_send_configure (xdg, configure);
  else
    moss_popup_send_configure (xdg, configure);
  xdg_surface_send_configure (xdg->resource, configure->serial);
}

/* Several reasons in one round make one configure. */
void
moss_xdg_schedule_configure (MossXdgSurface *xdg)
{
  if (!xdg->idle_configure)
    xdg->idle_configure
        = wl_event_loop_add_idle (xdg->surface->display->loop, send_configure, xdg);
  moss_display_schedule (xdg->surface->display);
}

static void
send_first_configure (MossXdgSurface *xdg)
{
  if (xdg->idle_configure)
    wl_event_source_remove (xdg->idle_configure);
  send_configure (xdg);
}

static void
xdg_surface_ack (struct wl_client *client, struct wl_resource *resource, uint32_t serial)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);
  MossConfigure *configure, *next;
  bool found = false;

  if (!xdg)
    return;
  wl_list_for_each (configure, &xdg->configures, link)
    found = found || configure->serial == serial;
  if (!found)
    {
      wl_resource_post_error (resource, XDG_SURFACE_ERROR_INVALID_SERIAL,
                              "serial %u was not sent", serial);
      return;
    }
  wl_list_for_each_safe (configure, next, &xdg->configures, link)
    {
      bool last = configure->serial == serial;

      if (last)
        {
          xdg->pending_states = configure->states;
          if (xdg->surface->role == MOSS_ROLE_POPUP)
            {
              xdg->popup_pending = configure->popup;
              xdg->popup_pending_set = true;
            }
        }
      forget_configure (xdg, configure);
      if (last)
        break;
    }
  xdg->configured = true;
  if (xdg->resize_waits && !xdg->n_configures)
    {
      xdg->resize_waits = false;
      moss_xdg_schedule_configure (xdg);
    }
}

static void
xdg_surface_set_geometry (struct wl_client *client,
                          struct wl_resource *resource,
                          int32_t x,
                          int32_t y,
                          int32_t width,
                          int32_t height)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (!xdg)
    return;
  if (width <= 0 || height <= 0 || !xdg->role_resource)
    {
      wl_resource_post_error (resource,
                              xdg->role_resource ? -1 : XDG_SURFACE_ERROR_NOT_CONSTRUCTED,
                              "window geometry of %dx%d", width, height);
      return;
    }
  xdg->pending_geometry = (MossRect){ x, y, width, height };
  xdg->pending_geometry_set = true;
}

static void
xdg_surface_get_toplevel (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  moss_xdg_get_toplevel (client, resource, id);
}

static void
xdg_surface_get_popup (struct wl_client *client,
                       struct wl_resource *resource,
                       uint32_t id,
                       struct wl_resource *parent,
                       struct wl_resource *positioner)
{
  moss_xdg_get_popup (client, resource, id, parent, positioner);
}

static void
xdg_surface_destroy (struct wl_client *client, struct wl_resource *resource)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (xdg && xdg->role_resource)
    wl_resource_post_error (xdg->shell, XDG_WM_BASE_ERROR_DEFUNCT_SURFACES,
                            "xdg_surface destroyed before its role object");
  else
    wl_resource_destroy (resource);
}

static const struct xdg_surface_interface xdg_surface_implementation = {
  .destroy = xdg_surface_destroy,
  .get_toplevel = xdg_surface_get_toplevel,
  .get_popup = xdg_surface_get_popup,
  .set_window_geometry = xdg_surface_set_geometry,
  .ack_configure = xdg_surface_ack,
};

/* ---- commits ------------------------------------------------------------------------- */

/* The window geometry stays: once set it holds until it is set again. */
void
moss_xdg_unmapped (MossXdgSurface *xdg)
{
  bool was_mapped = xdg->mapped;

  xdg->mapped = false;
  xdg->configured = xdg->initial_commit = false;
  xdg->acked_states = xdg->pending_states = 0;
  xdg->resize_waits = false;
  forget_configures (xdg);
  moss_surface_update_mapped (xdg->surface);
  if (was_mapped)
    moss_sync_surface_gone (xdg->surface);
}

static void
take_geometry (MossXdgSurface *xdg)
{
  MossRect was, now;

  moss_xdg_get_geometry (xdg, &was);
  if (xdg->pending_geometry_set)
    {
      xdg->geometry = xdg->pending_geometry;
      xdg->geometry_set = true;
      xdg->pending_geometry_set = false;
    }
  moss_xdg_get_geometry (xdg, &now);
  if (memcmp (&was, &now, sizeof now) != 0)
    moss_surface_dirty (xdg->surface, MOSS_DIRTY_TOPLEVEL | MOSS_DIRTY_SURFACE);
}

void
moss_xdg_surface_committed (MossSurface *surface)
{
  MossXdgSurface *xdg = moss_surface_get_xdg (surface);
  bool send_now = false;

  if (!xdg || !xdg->role_resource)
    return;
  if (!xdg->initial_commit)
    {
      /* At once: wl-clipboard counts on it before the answer to its next sync. The letter
       * wants no buffer before the first configure, and lets a server end the client for
       * one; nothing is lost by showing it and configuring after. */
      xdg->initial_commit = true;
      send_now = true;
    }
  take_geometry (xdg);
  if (surface->role == MOSS_ROLE_TOPLEVEL)
    {
      if (!moss_toplevel_committed (xdg))
        return;
    }
  else
    moss_popup_committed (xdg);
  if (surface->current.buffer && !xdg->mapped && !xdg->dismissed)
    {
      xdg->mapped = true;
      moss_surface_dirty (surface, MOSS_DIRTY_ALL);
    }
  else if (!surface->current.buffer && xdg->mapped)
    moss_xdg_unmapped (xdg);
  if (send_now)
    send_first_configure (xdg);
}

/* ---- life ---------------------------------------------------------------------------- */

static void
xdg_free (MossXdgSurface *xdg)
{
  if (xdg->surface->role == MOSS_ROLE_TOPLEVEL)
    moss_toplevel_gone (xdg);
  else if (xdg->surface->role == MOSS_ROLE_POPUP)
    moss_popup_gone (xdg);
  moss_xdg_unmapped (xdg);
  if (xdg->idle_configure)
    wl_event_source_remove (xdg->idle_configure);
  if (xdg->role_resource)
    wl_resource_set_user_data (xdg->role_resource, NULL);
  if (xdg->resource)
    wl_resource_set_user_data (xdg->resource, NULL);
  if (xdg->surface->role_object == xdg)
    xdg->surface->role_object = NULL;
  wl_list_remove (&xdg->link);
  free (xdg->title);
  free (xdg->app_id);
  free (xdg);
}

MossXdgSurface *
moss_xdg_find (MossSurface *surface)
{
  MossXdgSurface *xdg;

  wl_list_for_each (xdg, &surface->display->xdg_surfaces, link)
    if (xdg->surface == surface)
      return xdg;
  return NULL;
}

void
moss_xdg_surface_surface_destroyed (MossSurface *surface)
{
  MossXdgSurface *xdg = moss_xdg_find (surface);

  if (xdg)
    xdg_free (xdg);
}

static void
xdg_surface_destroyed (struct wl_resource *resource)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (!xdg)
    return;
  xdg->resource = NULL;
  xdg_free (xdg);
}

static void
get_xdg_surface (struct wl_client *client,
                 struct wl_resource *resource,
                 uint32_t id,
                 struct wl_resource *surface_resource)
{
  MossShell *shell = wl_resource_get_user_data (resource);
  MossSurface *surface = moss_surface_from_resource (surface_resource);
  MossXdgSurface *xdg;

  if (moss_xdg_find (surface)
      || (surface->role != MOSS_ROLE_NONE && surface->role != MOSS_ROLE_TOPLEVEL
          && surface->role != MOSS_ROLE_POPUP))
    {
      wl_resource_post_error (resource, XDG_WM_BASE_ERROR_ROLE,
                              "the surface has a role already");
      return;
    }
  if (surface->current.buffer || surface->pending.buffer)
    {
      wl_resource_post_error (resource, XDG_WM_BASE_ERROR_INVALID_SURFACE_STATE,
                              "the surface has a buffer already");
      return;
    }
  xdg = calloc (1, sizeof *xdg);
  if (!xdg)
    {
      wl_client_post_no_memory (client);
      return;
    }
  xdg->resource
      = moss_resource (client, &xdg_surface_interface, wl_resource_get_version (resource),
                       id, &xdg_surface_implementation, xdg, xdg_surface_destroyed);
  if (!xdg->resource)
    {
      free (xdg);
      return;
    }
  xdg->shell = resource;
  xdg->surface = surface;
  xdg->hangs = shell->hangs;
  wl_list_init (&xdg->configures);
  wl_list_init (&xdg->grab_link);
  wl_list_insert (&surface->display->xdg_surfaces, &xdg->link);
}

/* ---- ping ---------------------------------------------------------------------------- */

static void
set_hangs (MossShell *shell, bool hangs)
{
  MossXdgSurface *xdg;

  shell->hangs = hangs;
  wl_list_for_each (xdg, &shell->display->xdg_surfaces, link)
    if (xdg->shell == shell->resource && xdg->hangs != hangs)
      {
        xdg->hangs = hangs;
        moss_surface_dirty (xdg->surface, MOSS_DIRTY_SURFACE);
      }
}

static int
on_ping_timeout (void *data)
{
  set_hangs (data, true);
  return 0;
}

void
moss_xdg_ping (MossXdgSurface *xdg)
{
  MossShell *shell = xdg->shell ? wl_resource_get_user_data (xdg->shell) : NULL;

  if (!shell || shell->ping_serial)
    return;
  if (!shell->timer)
    shell->timer = wl_event_loop_add_timer (shell->display->loop, on_ping_timeout, shell);
  if (!shell->timer)
    return;
  shell->ping_serial = moss_display_serial (shell->display);
  xdg_wm_base_send_ping (shell->resource, shell->ping_serial);
  wl_event_source_timer_update (shell->timer, MOSS_PING_MS);
}

static void
shell_pong (struct wl_client *client, struct wl_resource *resource, uint32_t serial)
{
  MossShell *shell = wl_resource_get_user_data (resource);

  if (!shell->ping_serial || serial != shell->ping_serial)
    return;
  shell->ping_serial = 0;
  wl_event_source_timer_update (shell->timer, 0);
  set_hangs (shell, false);
}

static void
create_positioner (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  moss_positioner_create (client, resource, id);
}

static void
shell_destroy (struct wl_client *client, struct wl_resource *resource)
{
  MossShell *shell = wl_resource_get_user_data (resource);
  MossXdgSurface *xdg;

  wl_list_for_each (xdg, &shell->display->xdg_surfaces, link)
    if (xdg->shell == resource)
      {
        wl_resource_post_error (resource, XDG_WM_BASE_ERROR_DEFUNCT_SURFACES,
                                "xdg_wm_base destroyed before its surfaces");
        return;
      }
  wl_resource_destroy (resource);
}

static const struct xdg_wm_base_interface shell_implementation = {
  .destroy = shell_destroy,
  .create_positioner = create_positioner,
  .get_xdg_surface = get_xdg_surface,
  .pong = shell_pong,
};

/* The client is going: its surfaces may be freed after this. */
static void
shell_destroyed (struct wl_resource *resource)
{
  MossShell *shell = wl_resource_get_user_data (resource);
  MossXdgSurface *xdg;

  wl_list_for_each (xdg, &shell->display->xdg_surfaces, link)
    if (xdg->shell == resource)
      xdg->shell = NULL;
  if (shell->timer)
    wl_event_source_remove (shell->timer);
  wl_list_remove (&shell->link);
  free (shell);
}

static void
bind_shell (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  MossDisplay *display = data;
  MossShell *shell = calloc (1, sizeof *shell);

  if (!shell)
    {
      wl_client_post_no_memory (client);
      return;
    }
  shell->resource = moss_resource (client, &xdg_wm_base_interface, version, id,
                                   &shell_implementation, shell, shell_destroyed);
  if (!shell->resource)
    {
      free (shell);
      return;
    }
  shell->display = display;
  wl_list_insert (&display->shells, &shell->link);
}

void
moss_xdg_shell_init (MossDisplay *display)
{
  wl_list_init (&display->xdg_surfaces);
  wl_list_init (&display->shells);
  wl_list_init (&display->grabs);
  wl_global_create (display->wl, &xdg_wm_base_interface, 5, display, bind_shell);
}
