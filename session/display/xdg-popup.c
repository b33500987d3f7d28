// SPDX-License-Identifier: GPL-3.0-or-later
/* Popups: where they lie, who grabs, and how they are dismissed. */
#include "display-private.h"
#include "xdg-shell-server-protocol.h"

/* ---- place --------------------------------------------------------------------------- */

/* The viewer gives bounds in the toplevel's coordinates; positioners want them relative to
 * the parent's window geometry. */
static bool
bounds_for (MossXdgSurface *xdg, MossRect *bounds)
{
  int32_t x, y;
  MossSurface *toplevel;
  MossXdgSurface *top, *parent;
  MossRect geometry;

  if (!xdg->popup_parent || !(parent = moss_surface_get_xdg (xdg->popup_parent)))
    return false;
  toplevel = moss_surface_get_toplevel (xdg->popup_parent, &x, &y);
  top = toplevel ? moss_surface_get_xdg (toplevel) : NULL;
  if (!top || !top->has_bounds)
    return false;
  moss_xdg_get_geometry (parent, &geometry);
  *bounds = top->bounds;
  bounds->x -= x + geometry.x;
  bounds->y -= y + geometry.y;
  return true;
}

void
moss_popup_send_configure (MossXdgSurface *xdg, MossConfigure *configure)
{
  MossRect bounds;
  bool bounded = bounds_for (xdg, &bounds);

  configure->popup = moss_positioner_solve (&xdg->positioner, bounded ? &bounds : NULL);
  if (xdg->reposition)
    xdg_popup_send_repositioned (xdg->role_resource, xdg->reposition_token);
  xdg->reposition = false;
  xdg_popup_send_configure (xdg->role_resource, configure->popup.x, configure->popup.y,
                            configure->popup.width, configure->popup.height);
}

void
moss_popup_committed (MossXdgSurface *xdg)
{
  if (!xdg->popup_pending_set)
    return;
  xdg->popup_pending_set = false;
  if (memcmp (&xdg->popup, &xdg->popup_pending, sizeof xdg->popup) == 0)
    return;
  xdg->popup = xdg->popup_pending;
  moss_surface_dirty (xdg->surface, MOSS_DIRTY_SURFACE);
}

void
moss_popup_parent_changed (MossSurface *parent)
{
  MossXdgSurface *xdg;

  wl_list_for_each (xdg, &parent->display->xdg_surfaces, link)
    if (xdg->surface->role == MOSS_ROLE_POPUP && xdg->positioner.reactive && xdg->mapped
        && xdg->popup_parent && moss_surface_is_ancestor (xdg->popup_parent, parent))
      moss_xdg_schedule_configure (xdg);
}

/* ---- grabs --------------------------------------------------------------------------- */

MossSurface *
moss_popup_grabbing (MossDisplay *display)
{
  MossXdgSurface *xdg;

  wl_list_for_each (xdg, &display->grabs, grab_link)
    if (xdg->mapped)
      return xdg->surface;
  return NULL;
}

/* Whose keys these are while popups are open. */
MossSurface *
moss_popup_grabbing_keys (MossDisplay *display)
{
  MossXdgSurface *xdg;

  wl_list_for_each (xdg, &display->grabs, grab_link)
    if (xdg->mapped && xdg->grabs_keys)
      return xdg->surface;
  return NULL;
}

/* A popup that typing opened, as file dialogs do to complete a name, goes again with the next
 * letter. Keys that are on their way to it then have no surface any more, and Qt drops them. So
 * the keyboard stays with whom the person types to; every toolkit hands its keys to an open popup
 * itself. */
static bool
opened_by_key (MossSeat *seat, uint32_t serial)
{
  return seat->key_serial && (int32_t) (serial - seat->button_serial) > 0
         && (int32_t) (serial - seat->touch_serial) > 0
         && (int32_t) (seat->key_serial - serial) >= 0;
}

void
moss_popup_dismiss (MossXdgSurface *xdg)
{
  if (xdg->dismissed || !xdg->role_resource)
    return;
  xdg->dismissed = true;
  xdg_popup_send_popup_done (xdg->role_resource);
  wl_list_remove (&xdg->grab_link);
  wl_list_init (&xdg->grab_link);
  xdg->grabs = false;
  moss_xdg_unmapped (xdg);
  moss_keyboard_update_focus (xdg->surface->display);
}

/* Topmost first, as the protocol wants it. */
void
moss_popup_dismiss_all (MossDisplay *display)
{
  while (!wl_list_empty (&display->grabs))
    {
      MossXdgSurface *xdg = wl_container_of (display->grabs.next, xdg, grab_link);

      moss_popup_dismiss (xdg);
    }
}

static void
popup_grab (struct wl_client *client,
            struct wl_resource *resource,
            struct wl_resource *seat,
            uint32_t serial)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (!xdg || xdg->grabs)
    return;
  if (xdg->mapped)
    {
      wl_resource_post_error (resource, XDG_POPUP_ERROR_INVALID_GRAB,
                              "grab after the popup was mapped");
      return;
    }
  if (!moss_seat_serial_valid (xdg->surface->display, client, serial))
    {
      moss_popup_dismiss (xdg);
      return;
    }
  xdg->grabs = true;
  xdg->grabs_keys = !opened_by_key (&xdg->surface->display->seat, serial);
  wl_list_insert (&xdg->surface->display->grabs, &xdg->grab_link);
  moss_surface_dirty (xdg->surface, MOSS_DIRTY_SURFACE);
  moss_keyboard_update_focus (xdg->surface->display);
}

static void
popup_reposition (struct wl_client *client,
                  struct wl_resource *resource,
                  struct wl_resource *positioner,
                  uint32_t token)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (!xdg)
    return;
  xdg->positioner = *moss_positioner_from_resource (positioner);
  xdg->reposition = true;
  xdg->reposition_token = token;
  if (xdg->initial_commit)
    moss_xdg_schedule_configure (xdg);
}

static const struct xdg_popup_interface popup_implementation = {
  .destroy = moss_resource_destroy_request,
  .grab = popup_grab,
  .reposition = popup_reposition,
};

/* ---- life ---------------------------------------------------------------------------- */

/* Popups above a popup or toplevel that goes have nothing to hang on. */
static void
dismiss_children (MossSurface *parent)
{
  MossXdgSurface *xdg;

  wl_list_for_each (xdg, &parent->display->xdg_surfaces, link)
    if (xdg->surface->role == MOSS_ROLE_POPUP && xdg->popup_parent == parent)
      {
        dismiss_children (xdg->surface);
        moss_popup_dismiss (xdg);
        wl_list_remove (&xdg->parent_destroyed.link);
        xdg->parent_listening = false;
        xdg->popup_parent = NULL;
        moss_surface_dirty (xdg->surface, MOSS_DIRTY_SURFACE);
      }
}

void
moss_popup_gone (MossXdgSurface *xdg)
{
  dismiss_children (xdg->surface);
  wl_list_remove (&xdg->grab_link);
  wl_list_init (&xdg->grab_link);
  xdg->grabs = false;
  if (xdg->parent_listening)
    wl_list_remove (&xdg->parent_destroyed.link);
  xdg->parent_listening = false;
  xdg->popup_parent = NULL;
}

static void
popup_destroyed (struct wl_resource *resource)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);

  if (!xdg)
    return;
  xdg->role_resource = NULL;
  moss_popup_gone (xdg);
  moss_xdg_unmapped (xdg);
  moss_keyboard_update_focus (xdg->surface->display);
  xdg->surface->role_object = NULL;
  moss_surface_update_mapped (xdg->surface);
  moss_sync_surface_gone (xdg->surface);
}

static void
on_parent_destroyed (struct wl_listener *listener, void *data)
{
  MossXdgSurface *xdg = wl_container_of (listener, xdg, parent_destroyed);

  wl_list_remove (&xdg->parent_destroyed.link);
  xdg->parent_listening = false;
  xdg->popup_parent = NULL;
  moss_popup_dismiss (xdg);
}

void
moss_xdg_get_popup (struct wl_client *client,
                    struct wl_resource *resource,
                    uint32_t id,
                    struct wl_resource *parent_resource,
                    struct wl_resource *positioner_resource)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (resource);
  MossXdgSurface *parent = parent_resource ? wl_resource_get_user_data (parent_resource)
                                           : NULL;
  MossPositioner *positioner = moss_positioner_from_resource (positioner_resource);

  if (!xdg)
    return;
  if (!positioner->width || !positioner->height || !positioner->has_anchor_rect)
    {
      wl_resource_post_error (xdg->shell, XDG_WM_BASE_ERROR_INVALID_POSITIONER,
                              "positioner without size or anchor rectangle");
      return;
    }
  if (!parent || parent == xdg || moss_surface_is_ancestor (parent->surface, xdg->surface))
    {
      wl_resource_post_error (xdg->shell, XDG_WM_BASE_ERROR_INVALID_POPUP_PARENT,
                              "a popup needs a parent");
      return;
    }
  if (xdg->role_resource)
    {
      wl_resource_post_error (resource, XDG_SURFACE_ERROR_ALREADY_CONSTRUCTED,
                              "the surface has a role already");
      return;
    }
  if (!moss_surface_set_role (xdg->surface, MOSS_ROLE_POPUP, resource,
                              XDG_SURFACE_ERROR_ALREADY_CONSTRUCTED))
    return;
  xdg->role_resource = moss_resource (client, &xdg_popup_interface,
                                      wl_resource_get_version (resource), id,
                                      &popup_implementation, xdg, popup_destroyed);
  if (!xdg->role_resource)
    return;
  xdg->positioner = *positioner;
  xdg->popup_parent = parent->surface;
  xdg->parent_destroyed.notify = on_parent_destroyed;
  wl_signal_add (&parent->surface->destroyed, &xdg->parent_destroyed);
  xdg->parent_listening = true;
  xdg->dismissed = false;
  xdg->surface->role_object = xdg;
}
