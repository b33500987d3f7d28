// SPDX-License-Identifier: GPL-3.0-or-later
/* The reader's end of a selection or drag, for both protocols. */
#include "display-private.h"
#include "primary-selection-unstable-v1-server-protocol.h"

#include <unistd.h>

#define ALL_ACTIONS                                                                       \
  (WL_DATA_DEVICE_MANAGER_DND_ACTION_COPY | WL_DATA_DEVICE_MANAGER_DND_ACTION_MOVE        \
   | WL_DATA_DEVICE_MANAGER_DND_ACTION_ASK)

static void
offer_receive (struct wl_client *client,
               struct wl_resource *resource,
               const char *mime_type,
               int32_t fd)
{
  MossOffer *offer = wl_resource_get_user_data (resource);

  if (offer->source && !offer->finished)
    moss_source_send (offer->source, mime_type, fd);
  else
    close (fd);
}

static void
offer_accept (struct wl_client *client,
              struct wl_resource *resource,
              uint32_t serial,
              const char *mime_type)
{
  MossOffer *offer = wl_resource_get_user_data (resource);

  if (offer->drag && offer->source)
    moss_drag_accepted (offer->source->display, offer, mime_type);
}

static void
offer_finish (struct wl_client *client, struct wl_resource *resource)
{
  MossOffer *offer = wl_resource_get_user_data (resource);

  if (!offer->drag || offer->finished || (offer->source && !offer->source->dropped))
    wl_resource_post_error (resource, WL_DATA_OFFER_ERROR_INVALID_FINISH,
                            "nothing was dropped here");
  else if (offer->source)
    moss_drag_offer_finished (offer->source->display, offer);
}

static void
offer_set_actions (struct wl_client *client,
                   struct wl_resource *resource,
                   uint32_t actions,
                   uint32_t preferred)
{
  MossOffer *offer = wl_resource_get_user_data (resource);

  if (actions & ~ALL_ACTIONS)
    wl_resource_post_error (resource, WL_DATA_OFFER_ERROR_INVALID_ACTION_MASK,
                            "no such actions: 0x%x", actions);
  else if (preferred & ~actions || (preferred & (preferred - 1)))
    wl_resource_post_error (resource, WL_DATA_OFFER_ERROR_INVALID_ACTION,
                            "no such action: 0x%x", preferred);
  else if (offer->drag && offer->source)
    {
      offer->actions = actions;
      offer->preferred = preferred;
      moss_drag_update_action (offer->source->display, offer);
    }
}

static const struct wl_data_offer_interface offer_implementation = {
  .accept = offer_accept,
  .receive = offer_receive,
  .destroy = moss_resource_destroy_request,
  .finish = offer_finish,
  .set_actions = offer_set_actions,
};

static const struct zwp_primary_selection_offer_v1_interface primary_implementation = {
  .receive = offer_receive,
  .destroy = moss_resource_destroy_request,
};

static void
offer_destroyed (struct wl_resource *resource)
{
  MossOffer *offer = wl_resource_get_user_data (resource);

  if (offer->source)
    moss_drag_offer_gone (offer->source->display, offer);
  wl_list_remove (&offer->link);
  free (offer);
}

MossOffer *
moss_offer_new (MossSource *source, struct wl_resource *device, bool drag)
{
  bool primary = strcmp (wl_resource_get_class (device), "zwp_primary_selection_device_v1")
                 == 0;
  struct wl_client *client = wl_resource_get_client (device);
  MossOffer *offer = calloc (1, sizeof *offer);

  if (!offer)
    return NULL;
  if (primary)
    offer->resource
        = moss_resource (client, &zwp_primary_selection_offer_v1_interface, 1, 0,
                         &primary_implementation, offer, offer_destroyed);
  else
    offer->resource = moss_resource (client, &wl_data_offer_interface,
                                     wl_resource_get_version (device), 0,
                                     &offer_implementation, offer, offer_destroyed);
  if (!offer->resource)
    {
      free (offer);
      return NULL;
    }
  offer->source = source;
  offer->primary = primary;
  offer->drag = drag;
  wl_list_insert (&source->offers, &offer->link);
  if (primary)
    zwp_primary_selection_device_v1_send_data_offer (device, offer->resource);
  else
    wl_data_device_send_data_offer (device, offer->resource);
  for (unsigned i = 0; i < source->n_mime_types; i++)
    if (primary)
      zwp_primary_selection_offer_v1_send_offer (offer->resource, source->mime_types[i]);
    else
      wl_data_offer_send_offer (offer->resource, source->mime_types[i]);
  if (drag
      && wl_resource_get_version (offer->resource)
             >= WL_DATA_OFFER_SOURCE_ACTIONS_SINCE_VERSION)
    wl_data_offer_send_source_actions (offer->resource, source->actions);
  return offer;
}
