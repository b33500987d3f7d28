// SPDX-License-Identifier: GPL-3.0-or-later
/* viewporter and fractional_scale: objects that hang on a surface. */
#include "display-private.h"
#include "fractional-scale-v1-server-protocol.h"
#include "viewporter-server-protocol.h"

void
moss_surface_detach_addons (MossSurface *surface)
{
  struct wl_resource *addons[] = { surface->viewport, surface->fractional,
                                   surface->decoration, surface->kde_decoration };

  for (unsigned i = 0; i < sizeof addons / sizeof *addons; i++)
    if (addons[i])
      wl_resource_set_user_data (addons[i], NULL);
}

/* ---- viewport ------------------------------------------------------------------------ */

static void
set_source (struct wl_client *client,
            struct wl_resource *resource,
            wl_fixed_t x,
            wl_fixed_t y,
            wl_fixed_t width,
            wl_fixed_t height)
{
  MossSurface *surface = wl_resource_get_user_data (resource);
  bool unset = x == wl_fixed_from_int (-1) && y == x && width == x && height == x;

  if (!surface)
    {
      wl_resource_post_error (resource, WP_VIEWPORT_ERROR_NO_SURFACE, "no surface");
      return;
    }
  if (!unset && (x < 0 || y < 0 || width <= 0 || height <= 0))
    {
      wl_resource_post_error (resource, WP_VIEWPORT_ERROR_BAD_VALUE, "bad source");
      return;
    }
  surface->pending.view.has_source = !unset;
  surface->pending.view.x = x;
  surface->pending.view.y = y;
  surface->pending.view.width = width;
  surface->pending.view.height = height;
  surface->pending.set |= MOSS_STATE_VIEWPORT;
}

static void
set_destination (struct wl_client *client,
                 struct wl_resource *resource,
                 int32_t width,
                 int32_t height)
{
  MossSurface *surface = wl_resource_get_user_data (resource);
  bool unset = width == -1 && height == -1;

  if (!surface)
    {
      wl_resource_post_error (resource, WP_VIEWPORT_ERROR_NO_SURFACE, "no surface");
      return;
    }
  if (!unset && (width <= 0 || height <= 0 || width > 32767 || height > 32767))
    {
      wl_resource_post_error (resource, WP_VIEWPORT_ERROR_BAD_VALUE, "bad destination");
      return;
    }
  surface->pending.view.to_width = width;
  surface->pending.view.to_height = height;
  surface->pending.set |= MOSS_STATE_VIEWPORT;
}

static const struct wp_viewport_interface viewport_implementation = {
  .destroy = moss_resource_destroy_request,
  .set_source = set_source,
  .set_destination = set_destination,
};

static void
viewport_destroyed (struct wl_resource *resource)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  if (!surface)
    return;
  surface->viewport = NULL;
  surface->pending.view.has_source = false;
  surface->pending.view.to_width = surface->pending.view.to_height = -1;
  surface->pending.set |= MOSS_STATE_VIEWPORT;
}

static void
get_viewport (struct wl_client *client,
              struct wl_resource *resource,
              uint32_t id,
              struct wl_resource *surface_resource)
{
  MossSurface *surface = moss_surface_from_resource (surface_resource);

  if (surface->viewport)
    wl_resource_post_error (resource, WP_VIEWPORTER_ERROR_VIEWPORT_EXISTS,
                            "the surface has a viewport already");
  else
    surface->viewport = moss_resource (client, &wp_viewport_interface, 1, id,
                                       &viewport_implementation, surface,
                                       viewport_destroyed);
}

static const struct wp_viewporter_interface viewporter_implementation = {
  .destroy = moss_resource_destroy_request,
  .get_viewport = get_viewport,
};

static void
bind_viewporter (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &wp_viewporter_interface, version, id, &viewporter_implementation,
                 data, NULL);
}

void
moss_viewporter_init (MossDisplay *display)
{
  wl_global_create (display->wl, &wp_viewporter_interface, 1, display, bind_viewporter);
}

/* ---- fractional scale ---------------------------------------------------------------- */

static const struct wp_fractional_scale_v1_interface fractional_implementation = {
  .destroy = moss_resource_destroy_request,
};

static void
fractional_destroyed (struct wl_resource *resource)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  if (surface)
    surface->fractional = NULL;
}

static void
get_fractional (struct wl_client *client,
                struct wl_resource *resource,
                uint32_t id,
                struct wl_resource *surface_resource)
{
  MossSurface *surface = moss_surface_from_resource (surface_resource);

  if (surface->fractional)
    {
      wl_resource_post_error (
          resource, WP_FRACTIONAL_SCALE_MANAGER_V1_ERROR_FRACTIONAL_SCALE_EXISTS,
          "the surface has one already");
      return;
    }
  surface->fractional = moss_resource (client, &wp_fractional_scale_v1_interface, 1, id,
                                       &fractional_implementation, surface,
                                       fractional_destroyed);
  if (surface->fractional)
    wp_fractional_scale_v1_send_preferred_scale (surface->fractional,
                                                 surface->display->output.scale_120);
}

void
moss_fractional_send (MossDisplay *display)
{
  MossSurface *surface;

  wl_list_for_each (surface, &display->surfaces, link)
    if (surface->fractional)
      wp_fractional_scale_v1_send_preferred_scale (surface->fractional,
                                                   display->output.scale_120);
}

static const struct wp_fractional_scale_manager_v1_interface manager_implementation = {
  .destroy = moss_resource_destroy_request,
  .get_fractional_scale = get_fractional,
};

static void
bind_manager (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &wp_fractional_scale_manager_v1_interface, version, id,
                 &manager_implementation, data, NULL);
}

void
moss_fractional_init (MossDisplay *display)
{
  wl_global_create (display->wl, &wp_fractional_scale_manager_v1_interface, 1, display,
                    bind_manager);
}
