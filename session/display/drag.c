// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Drag and drop: inside of the app, from it outward, and from outside over it.
 *
 * Inside, pointer motion of the viewer is all that is needed. Outward, the viewer plays
 * the target for the app's source (moss_drag_target...); inward, a source of the viewer
 * stands for whoever drags.
 */
#include "display-private.h"

static void
drag_changed (MossDisplay *display)
{
  display->stale |= MOSS_STALE_DRAG;
  moss_display_schedule (display);
}

static bool
source_version (MossSource *source, int version)
{
  return source && source->resource && !source->primary
         && wl_resource_get_version (source->resource) >= version;
}

/* ---- what the target would do -------------------------------------------------------- */

static uint32_t
choose_action (MossSource *source, MossOffer *offer)
{
  uint32_t both;

  if (source->resource && !source->actions_set)
    return WL_DATA_DEVICE_MANAGER_DND_ACTION_COPY;
  if (wl_resource_get_version (offer->resource) < WL_DATA_OFFER_ACTION_SINCE_VERSION)
    return source->actions & WL_DATA_DEVICE_MANAGER_DND_ACTION_COPY;
  both = source->actions & offer->actions;
  if (both & offer->preferred)
    return offer->preferred;
  return both & -both;
}

static void
drop_status (MossDisplay *display, uint32_t action, const char *mime_type)
{
  free (display->drop_mime_type);
  display->drop_mime_type = mime_type ? strdup (mime_type) : NULL;
  display->drop_action = action;
  display->stale |= MOSS_STALE_DROP;
  moss_display_schedule (display);
}

void
moss_drag_update_action (MossDisplay *display, MossOffer *offer)
{
  MossSource *source = offer->source;
  uint32_t action = choose_action (source, offer);

  if (source->action == action && action)
    return;
  source->action = action;
  if (wl_resource_get_version (offer->resource) >= WL_DATA_OFFER_ACTION_SINCE_VERSION)
    wl_data_offer_send_action (offer->resource, action);
  if (!source->resource)
    drop_status (display, action, source->accepted);
  else if (source_version (source, WL_DATA_SOURCE_ACTION_SINCE_VERSION))
    wl_data_source_send_action (source->resource, action);
}

void
moss_drag_accepted (MossDisplay *display, MossOffer *offer, const char *mime_type)
{
  MossSource *source = offer->source;

  if (mime_type && !moss_source_has (source, mime_type))
    return;
  free (source->accepted);
  source->accepted = mime_type ? strdup (mime_type) : NULL;
  if (!source->resource)
    drop_status (display, source->action, mime_type);
  else
    wl_data_source_send_target (source->resource, mime_type);
}

/* ---- focus --------------------------------------------------------------------------- */

static void
on_focus_destroyed (struct wl_listener *listener, void *data)
{
  MossDrag *drag = wl_container_of (listener, drag, focus_destroyed);

  wl_list_remove (&listener->link);
  drag->focus = NULL;
}

static void
leave (MossDisplay *display)
{
  MossDrag *drag = &display->drag;
  struct wl_resource *device;

  if (drag->focus)
    {
      if (drag->focus->resource)
        wl_resource_for_each (device, &display->data_devices)
          if (wl_resource_get_client (device)
              == wl_resource_get_client (drag->focus->resource))
            wl_data_device_send_leave (device);
      wl_list_remove (&drag->focus_destroyed.link);
      drag->focus = NULL;
    }
  if (drag->offer && !(drag->source && drag->source->dropped))
    {
      drag->offer->source = NULL;
      wl_list_remove (&drag->offer->link);
      wl_list_init (&drag->offer->link);
    }
  drag->offer = NULL;
  if (drag->source && !drag->source->dropped)
    {
      bool told = drag->source->accepted != NULL;

      free (drag->source->accepted);
      drag->source->accepted = NULL;
      drag->source->action = 0;
      if (told && drag->source->resource)
        wl_data_source_send_target (drag->source->resource, NULL);
    }
}

static void
enter (MossDisplay *display, MossSurface *surface, double x, double y)
{
  MossDrag *drag = &display->drag;
  struct wl_client *client = wl_resource_get_client (surface->resource);
  uint32_t serial = moss_display_serial (display);
  struct wl_resource *device;

  if (!drag->source && client != drag->client)
    return;
  drag->focus = surface;
  drag->focus_destroyed.notify = on_focus_destroyed;
  wl_signal_add (&surface->destroyed, &drag->focus_destroyed);
  wl_resource_for_each (device, &display->data_devices)
    {
      if (wl_resource_get_client (device) != client)
        continue;
      if (drag->source)
        drag->offer = moss_offer_new (drag->source, device, true);
      wl_data_device_send_enter (device, serial, surface->resource,
                                 wl_fixed_from_double (x), wl_fixed_from_double (y),
                                 drag->offer ? drag->offer->resource : NULL);
      if (drag->offer)
        moss_drag_update_action (display, drag->offer);
      return; /* one device a client: more would make more offers than drops */
    }
}

void
moss_drag_set_focus (MossDisplay *display, MossSurface *surface, double x, double y)
{
  if (display->drag.focus == surface)
    return;
  leave (display);
  if (surface && surface->resource)
    enter (display, surface, x, y);
}

void
moss_drag_motion (MossDisplay *display, MossSurface *surface, double x, double y, uint32_t time)
{
  MossDrag *drag = &display->drag;
  struct wl_resource *device;

  if (!drag->active)
    return;
  if (surface != drag->focus)
    {
      moss_drag_set_focus (display, surface, x, y);
      return;
    }
  if (!surface)
    return;
  wl_resource_for_each (device, &display->data_devices)
    if (wl_resource_get_client (device) == wl_resource_get_client (surface->resource))
      wl_data_device_send_motion (device, time, wl_fixed_from_double (x),
                                  wl_fixed_from_double (y));
}

/* ---- begin and end ------------------------------------------------------------------- */

static void
on_icon_destroyed (struct wl_listener *listener, void *data)
{
  MossSurface *icon = data;

  wl_list_remove (&listener->link);
  icon->display->drag.icon = NULL;
  drag_changed (icon->display);
}

void
moss_drag_start (MossDisplay *display,
                 MossSource *source,
                 MossSurface *icon,
                 struct wl_client *client)
{
  MossDrag *drag = &display->drag;

  *drag = (MossDrag){ .active = true, .source = source, .client = client };
  if (icon)
    {
      drag->icon = icon;
      drag->icon_destroyed.notify = on_icon_destroyed;
      wl_signal_add (&icon->destroyed, &drag->icon_destroyed);
      icon->offset_x = icon->offset_y = 0;
      moss_surface_update_mapped (icon);
    }
  moss_pointer_set_focus (display, NULL, 0, 0);
  drag_changed (display);
  if (display->seat.over)
    moss_pointer_motion (display, display->seat.over, display->seat.over_x,
                         display->seat.over_y, moss_now_ms ());
}

/* From here on the pointer is an ordinary one. The source lives until its end. */
static void
stop (MossDisplay *display)
{
  MossDrag *drag = &display->drag;

  leave (display);
  if (drag->icon)
    wl_list_remove (&drag->icon_destroyed.link);
  *drag = (MossDrag){ 0 };
  display->seat.n_buttons = 0;
  drag_changed (display);
  moss_pointer_refocus (display);
}

void
moss_drag_end (MossDisplay *display, bool cancelled)
{
  MossSource *source = display->drag.source;
  bool ours = display->drag.from_viewer;

  if (!display->drag.active)
    return;
  stop (display);
  if (!source)
    return;
  if (ours)
    moss_source_free (source);
  else if (cancelled)
    moss_source_cancel (source);
}

void
moss_drag_drop (MossDisplay *display)
{
  MossDrag *drag = &display->drag;
  MossSource *source = drag->source;
  bool ours = drag->from_viewer;
  struct wl_resource *device;
  bool old_offer = drag->offer
                   && wl_resource_get_version (drag->offer->resource)
                          < WL_DATA_OFFER_ACTION_SINCE_VERSION;
  bool wanted = drag->focus && drag->focus->resource
                && (!source
                    || (source->accepted && drag->offer && (source->action || old_offer)));

  if (!drag->active)
    return;
  if (!wanted)
    {
      moss_drag_end (display, true);
      if (ours)
        moss_viewer_drop_finished (display, 0);
      return;
    }
  wl_resource_for_each (device, &display->data_devices)
    if (wl_resource_get_client (device) == wl_resource_get_client (drag->focus->resource))
      wl_data_device_send_drop (device);
  if (source)
    {
      source->dropped = true;
      if (source_version (source, WL_DATA_SOURCE_DND_DROP_PERFORMED_SINCE_VERSION))
        wl_data_source_send_dnd_drop_performed (source->resource);
    }
  /* The target keeps its offer; a leave would take it away. */
  if (drag->focus)
    wl_list_remove (&drag->focus_destroyed.link);
  drag->focus = NULL;
  stop (display);
}

void
moss_drag_offer_finished (MossDisplay *display, MossOffer *offer)
{
  MossSource *source = offer->source;

  offer->finished = true;
  source->finished = true;
  wl_list_remove (&offer->link);
  wl_list_init (&offer->link);
  offer->source = NULL;
  if (!source->resource)
    {
      moss_viewer_drop_finished (display, source->action);
      moss_source_free (source);
    }
  else if (source_version (source, WL_DATA_SOURCE_DND_FINISHED_SINCE_VERSION))
    wl_data_source_send_dnd_finished (source->resource);
}

/* An offer was destroyed. After a drop without a finish it means "no, thank you", except
 * for old clients, which have no finish. */
void
moss_drag_offer_gone (MossDisplay *display, MossOffer *offer)
{
  MossSource *source = offer->source;

  if (display->drag.offer == offer)
    display->drag.offer = NULL;
  if (!offer->drag || !source->dropped)
    return;
  if (!source->resource)
    {
      bool old = wl_resource_get_version (offer->resource)
                 < WL_DATA_OFFER_ACTION_SINCE_VERSION;

      offer->source = NULL;
      wl_list_remove (&offer->link);
      wl_list_init (&offer->link);
      moss_viewer_drop_finished (display, old ? source->action : 0);
      moss_source_free (source);
    }
  else if (wl_resource_get_version (offer->resource) >= WL_DATA_OFFER_ACTION_SINCE_VERSION)
    moss_source_cancel (source);
}

void
moss_drag_source_gone (MossDisplay *display, MossSource *source)
{
  MossDrag *drag = &display->drag;

  if (display->handed == source)
    display->handed = NULL;
  if (!drag->active || drag->source != source)
    return;
  leave (display);
  drag->source = NULL;
  stop (display);
}
