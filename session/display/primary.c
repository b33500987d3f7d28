// SPDX-License-Identifier: GPL-3.0-or-later
#include "display-private.h"
#include "primary-selection-unstable-v1-server-protocol.h"

static void
source_offer (struct wl_client *client, struct wl_resource *resource, const char *mime_type)
{
  MossSource *source = wl_resource_get_user_data (resource);

  if (!source->used)
    moss_source_offer (source, mime_type);
}

static const struct zwp_primary_selection_source_v1_interface source_implementation = {
  .offer = source_offer,
  .destroy = moss_resource_destroy_request,
};

static void
source_destroyed (struct wl_resource *resource)
{
  MossSource *source = wl_resource_get_user_data (resource);

  source->resource = NULL;
  moss_source_free (source);
}

static void
create_source (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  MossSource *source
      = moss_source_new (wl_resource_get_user_data (resource), NULL, true);

  if (!source)
    {
      wl_client_post_no_memory (client);
      return;
    }
  source->resource
      = moss_resource (client, &zwp_primary_selection_source_v1_interface, 1, id,
                       &source_implementation, source, source_destroyed);
  if (!source->resource)
    moss_source_free (source);
}

static void
device_set_selection (struct wl_client *client,
                      struct wl_resource *resource,
                      struct wl_resource *source_resource,
                      uint32_t serial)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  MossSource *source = source_resource ? wl_resource_get_user_data (source_resource) : NULL;

  moss_selection_ask (display, MOSS_SELECTION_PRIMARY, source);
}

static const struct zwp_primary_selection_device_v1_interface device_implementation = {
  .set_selection = device_set_selection,
  .destroy = moss_resource_destroy_request,
};

static void
get_device (struct wl_client *client,
            struct wl_resource *resource,
            uint32_t id,
            struct wl_resource *seat)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  struct wl_resource *device
      = moss_resource (client, &zwp_primary_selection_device_v1_interface, 1, id,
                       &device_implementation, display, moss_resource_unlink);

  if (!device)
    return;
  wl_list_insert (&display->primary_devices, wl_resource_get_link (device));
  moss_selection_send_offers (display, MOSS_SELECTION_PRIMARY, device);
}

static const struct zwp_primary_selection_device_manager_v1_interface
    manager_implementation = {
      .create_source = create_source,
      .get_device = get_device,
      .destroy = moss_resource_destroy_request,
    };

static void
bind_manager (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &zwp_primary_selection_device_manager_v1_interface, version, id,
                 &manager_implementation, data, NULL);
}

void
moss_primary_init (MossDisplay *display)
{
  wl_global_create (display->wl, &zwp_primary_selection_device_manager_v1_interface, 1,
                    display, bind_manager);
}
