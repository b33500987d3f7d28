// SPDX-License-Identifier: GPL-3.0-or-later
/* wl_data_device_manager: the objects. Drags themselves are in drag.c. */
#include "display-private.h"

#define ALL_ACTIONS                                                                       \
  (WL_DATA_DEVICE_MANAGER_DND_ACTION_COPY | WL_DATA_DEVICE_MANAGER_DND_ACTION_MOVE        \
   | WL_DATA_DEVICE_MANAGER_DND_ACTION_ASK)

static void
source_offer (struct wl_client *client, struct wl_resource *resource, const char *mime_type)
{
  MossSource *source = wl_resource_get_user_data (resource);

  if (!source->used)
    moss_source_offer (source, mime_type);
}

static void
source_set_actions (struct wl_client *client, struct wl_resource *resource, uint32_t actions)
{
  MossSource *source = wl_resource_get_user_data (resource);

  if (actions & ~ALL_ACTIONS)
    wl_resource_post_error (resource, WL_DATA_SOURCE_ERROR_INVALID_ACTION_MASK,
                            "no such actions: 0x%x", actions);
  else if (source->actions_set || source->used)
    wl_resource_post_error (resource, WL_DATA_SOURCE_ERROR_INVALID_SOURCE,
                            "actions can be set once and before use");
  else
    {
      source->actions = actions;
      source->actions_set = true;
    }
}

static const struct wl_data_source_interface source_implementation = {
  .offer = source_offer,
  .destroy = moss_resource_destroy_request,
  .set_actions = source_set_actions,
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
      = moss_source_new (wl_resource_get_user_data (resource), NULL, false);

  if (!source)
    {
      wl_client_post_no_memory (client);
      return;
    }
  source->resource = moss_resource (client, &wl_data_source_interface,
                                    wl_resource_get_version (resource), id,
                                    &source_implementation, source, source_destroyed);
  if (!source->resource)
    moss_source_free (source);
}

static void
device_start_drag (struct wl_client *client,
                   struct wl_resource *resource,
                   struct wl_resource *source_resource,
                   struct wl_resource *origin,
                   struct wl_resource *icon_resource,
                   uint32_t serial)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  MossSource *source = source_resource ? wl_resource_get_user_data (source_resource) : NULL;
  MossSurface *icon = moss_surface_from_resource (icon_resource);
  MossSurface *focus = display->seat.pointer;

  if (icon && icon->role_object)
    {
      wl_resource_post_error (resource, WL_DATA_DEVICE_ERROR_ROLE,
                              "the icon has another role");
      return;
    }
  if (icon
      && !moss_surface_set_role (icon, MOSS_ROLE_DRAG_ICON, resource,
                                 WL_DATA_DEVICE_ERROR_ROLE))
    return;
  if (source && source->used)
    {
      moss_source_cancel (source);
      return;
    }
  if (source)
    source->used = true;
  if (display->drag.active || !display->seat.n_buttons || !focus || !focus->resource
      || wl_resource_get_client (focus->resource) != client)
    {
      if (source)
        moss_source_cancel (source);
      return;
    }
  moss_drag_start (display, source, icon, client);
}

static void
device_set_selection (struct wl_client *client,
                      struct wl_resource *resource,
                      struct wl_resource *source_resource,
                      uint32_t serial)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  MossSource *source = source_resource ? wl_resource_get_user_data (source_resource) : NULL;

  if (source && source->actions_set)
    {
      wl_resource_post_error (source_resource, WL_DATA_SOURCE_ERROR_INVALID_SOURCE,
                              "a source with actions is for drags");
      return;
    }
  moss_selection_ask (display, MOSS_SELECTION_CLIPBOARD, source);
}

static const struct wl_data_device_interface device_implementation = {
  .start_drag = device_start_drag,
  .set_selection = device_set_selection,
  .release = moss_resource_destroy_request,
};

static void
get_device (struct wl_client *client,
            struct wl_resource *resource,
            uint32_t id,
            struct wl_resource *seat)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  struct wl_resource *device
      = moss_resource (client, &wl_data_device_interface,
                       wl_resource_get_version (resource), id, &device_implementation,
                       display, moss_resource_unlink);

  if (!device)
    return;
  wl_list_insert (&display->data_devices, wl_resource_get_link (device));
  moss_selection_send_offers (display, MOSS_SELECTION_CLIPBOARD, device);
}

static const struct wl_data_device_manager_interface manager_implementation = {
  .create_data_source = create_source,
  .get_data_device = get_device,
};

static void
bind_manager (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &wl_data_device_manager_interface, version, id,
                 &manager_implementation, data, NULL);
}

void
moss_data_device_init (MossDisplay *display)
{
  wl_global_create (display->wl, &wl_data_device_manager_interface, 3, display,
                    bind_manager);
}
