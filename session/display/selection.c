// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What can be pasted: sources, offers, and who owns clipboard and primary selection.
 *
 * Data never passes through the display: a reader's pipe goes to whoever owns the data.
 */
#include "display-private.h"
#include "primary-selection-unstable-v1-server-protocol.h"

#include <unistd.h>

MossSource *
moss_source_new (MossDisplay *display, struct wl_resource *resource, bool primary)
{
  MossSource *source = calloc (1, sizeof *source);

  if (!source)
    return NULL;
  source->display = display;
  source->resource = resource;
  source->primary = primary;
  source->selection = -1;
  source->mime_types = calloc (1, sizeof *source->mime_types);
  wl_list_init (&source->offers);
  if (source->mime_types)
    return source;
  free (source);
  return NULL;
}

void
moss_source_offer (MossSource *source, const char *mime_type)
{
  char **types;

  if (source->n_mime_types >= MOSS_MAX_MIME_TYPES || strlen (mime_type) > 1024
      || moss_source_has (source, mime_type))
    return;
  types = realloc (source->mime_types, (source->n_mime_types + 2) * sizeof *types);
  if (!types)
    return;
  source->mime_types = types;
  types[source->n_mime_types] = strdup (mime_type);
  if (types[source->n_mime_types])
    types[++source->n_mime_types] = NULL;
}

bool
moss_source_has (MossSource *source, const char *mime_type)
{
  for (unsigned i = 0; i < source->n_mime_types; i++)
    if (strcmp (source->mime_types[i], mime_type) == 0)
      return true;
  return false;
}

void
moss_source_send (MossSource *source, const char *mime_type, int fd)
{
  if (!moss_source_has (source, mime_type))
    close (fd);
  else if (!source->resource)
    moss_viewer_send_fd (source->display,
                         source->selection < 0 ? MOSS_WIRE_DROP_SEND
                                               : MOSS_WIRE_SELECTION_SEND,
                         source->selection, mime_type, fd);
  else
    {
      if (source->primary)
        zwp_primary_selection_source_v1_send_send (source->resource, mime_type, fd);
      else
        wl_data_source_send_send (source->resource, mime_type, fd);
      close (fd);
    }
}

void
moss_source_cancel (MossSource *source)
{
  if (!source->resource)
    return;
  if (source->primary)
    zwp_primary_selection_source_v1_send_cancelled (source->resource);
  else
    wl_data_source_send_cancelled (source->resource);
}

void
moss_source_free (MossSource *source)
{
  MossDisplay *display = source->display;
  MossOffer *offer, *next;

  wl_list_for_each_safe (offer, next, &source->offers, link)
    {
      offer->source = NULL;
      wl_list_remove (&offer->link);
      wl_list_init (&offer->link);
    }
  moss_drag_source_gone (display, source);
  for (int i = 0; i < MOSS_N_SELECTIONS; i++)
    if (display->selections[i] == source)
      {
        display->selections[i] = NULL;
        moss_selection_set (display, i, NULL);
      }
  moss_wire_free_strings (source->mime_types);
  free (source->accepted);
  free (source);
}

/* ---- offers -------------------------------------------------------------------------- */

static void
send_to_device (MossDisplay *display, MossSelection which, struct wl_resource *device)
{
  MossSource *source = display->selections[which];
  MossOffer *offer = source ? moss_offer_new (source, device, false) : NULL;
  struct wl_resource *resource = offer ? offer->resource : NULL;

  if (which == MOSS_SELECTION_PRIMARY)
    zwp_primary_selection_device_v1_send_selection (device, resource);
  else
    wl_data_device_send_selection (device, resource);
}

void
moss_selection_send_offers (MossDisplay *display,
                            MossSelection which,
                            struct wl_resource *device)
{
  MossSurface *focus = display->seat.keyboard;

  if (focus && focus->resource
      && wl_resource_get_client (focus->resource) == wl_resource_get_client (device))
    send_to_device (display, which, device);
}

void
moss_selection_focus (MossDisplay *display, struct wl_client *client)
{
  struct wl_resource *device;

  wl_resource_for_each (device, &display->data_devices)
    if (wl_resource_get_client (device) == client)
      send_to_device (display, MOSS_SELECTION_CLIPBOARD, device);
  wl_resource_for_each (device, &display->primary_devices)
    if (wl_resource_get_client (device) == client)
      send_to_device (display, MOSS_SELECTION_PRIMARY, device);
}

/* ---- owning -------------------------------------------------------------------------- */

/* source NULL: nobody owns it. The old source is told; a viewer's is freed. */
void
moss_selection_set (MossDisplay *display, MossSelection which, MossSource *source)
{
  MossSource *old = display->selections[which];
  struct wl_list *devices = which == MOSS_SELECTION_PRIMARY ? &display->primary_devices
                                                            : &display->data_devices;
  struct wl_resource *device;

  if (old == source && source)
    return;
  display->selections[which] = source;
  if (source)
    source->selection = which;
  if (old)
    {
      old->selection = -1;
      moss_source_cancel (old);
      if (!old->resource)
        moss_source_free (old);
    }
  wl_resource_for_each (device, devices)
    moss_selection_send_offers (display, which, device);
  if (!source || source->resource)
    {
      display->stale |= which == MOSS_SELECTION_PRIMARY ? MOSS_STALE_PRIMARY
                                                        : MOSS_STALE_CLIPBOARD;
      moss_display_schedule (display);
    }
}

/* All clients of this display belong to one app: it may copy whichever of them has the
 * keyboard, and none may while the person works with another app. */
void
moss_selection_ask (MossDisplay *display, MossSelection which, MossSource *source)
{
  if (source)
    source->used = true;
  if (display->seat.keyboard)
    moss_selection_set (display, which, source);
  else if (source)
    moss_source_cancel (source);
}

/* Takes mime_types (NULL: the viewer withdraws what it offered). */
void
moss_viewer_source (MossDisplay *display, MossSelection which, char **mime_types)
{
  MossSource *source;

  if (!mime_types)
    {
      MossSource *now = display->selections[which];

      if (now && !now->resource)
        moss_selection_set (display, which, NULL);
      return;
    }
  source = moss_source_new (display, NULL, which == MOSS_SELECTION_PRIMARY);
  if (source)
    {
      for (char **m = mime_types; *m; m++)
        moss_source_offer (source, *m);
      source->used = true;
      moss_selection_set (display, which, source);
    }
  moss_wire_free_strings (mime_types);
}

void
moss_selection_init (MossDisplay *display)
{
  wl_list_init (&display->data_devices);
  wl_list_init (&display->primary_devices);
}

void
moss_selection_fini (MossDisplay *display)
{
  for (int i = 0; i < MOSS_N_SELECTIONS; i++)
    if (display->selections[i] && !display->selections[i]->resource)
      moss_source_free (display->selections[i]);
}
