// SPDX-License-Identifier: GPL-3.0-or-later
/* One output: what the viewer says of its screen, with xdg_output and fractional scale. */
#include "display-private.h"
#include "fractional-scale-v1-server-protocol.h"
#include "xdg-output-unstable-v1-server-protocol.h"

static int32_t
whole_scale (const MossOutput *output)
{
  return (output->scale_120 + 119) / 120;
}

/* Logical pixels. An X server shows its screen in one window: as much as fits on the desktop. */
static void
get_size (MossDisplay *display, struct wl_resource *resource, int32_t *width, int32_t *height)
{
  const MossOutput *output = &display->output;
  pid_t pid = 0;

  wl_client_get_credentials (wl_resource_get_client (resource), &pid, NULL, NULL);
  *width = output->width;
  *height = output->height;
  if (!display->one_window || pid != display->one_window)
    return;
  if (output->work_width > 0 && output->work_width < *width)
    *width = output->work_width;
  if (output->work_height > 0 && output->work_height < *height)
    *height = output->work_height;
}

static void
send_output (MossDisplay *display, struct wl_resource *resource)
{
  MossOutput *output = &display->output;
  int version = wl_resource_get_version (resource);
  int32_t width, height;

  get_size (display, resource, &width, &height);
  width = (int64_t) width * output->scale_120 / 120;
  height = (int64_t) height * output->scale_120 / 120;
  wl_output_send_geometry (resource, 0, 0, output->width_mm, output->height_mm,
                           WL_OUTPUT_SUBPIXEL_UNKNOWN, "Moss", "Display",
                           WL_OUTPUT_TRANSFORM_NORMAL);
  wl_output_send_mode (resource, WL_OUTPUT_MODE_CURRENT | WL_OUTPUT_MODE_PREFERRED, width,
                       height, output->refresh_mhz);
  if (version >= WL_OUTPUT_SCALE_SINCE_VERSION)
    wl_output_send_scale (resource, whole_scale (output));
  if (version >= WL_OUTPUT_NAME_SINCE_VERSION)
    {
      wl_output_send_name (resource, "MOSS-1");
      wl_output_send_description (resource, "Moss");
    }
}

static void
send_done (struct wl_resource *resource)
{
  if (wl_resource_get_version (resource) >= WL_OUTPUT_DONE_SINCE_VERSION)
    wl_output_send_done (resource);
}

static void
send_xdg_output (MossDisplay *display, struct wl_resource *resource)
{
  int32_t width, height;

  get_size (display, resource, &width, &height);
  zxdg_output_v1_send_logical_position (resource, 0, 0);
  zxdg_output_v1_send_logical_size (resource, width, height);
}

static void
tell_all (MossDisplay *display)
{
  MossOutput *output = &display->output;
  struct wl_resource *resource;

  wl_resource_for_each (resource, &output->resources)
    send_output (display, resource);
  wl_resource_for_each (resource, &output->xdg_resources)
    {
      send_xdg_output (display, resource);
      if (wl_resource_get_version (resource) < 3)
        zxdg_output_v1_send_done (resource);
    }
  wl_resource_for_each (resource, &output->resources)
    send_done (resource);
}

void
moss_output_set (MossDisplay *display,
                 int32_t width,
                 int32_t height,
                 uint32_t scale_120,
                 uint32_t refresh_mhz,
                 int32_t width_mm,
                 int32_t height_mm)
{
  MossOutput *output = &display->output;
  bool same_scale = output->scale_120 == scale_120;

  if (same_scale && output->width == width && output->height == height
      && output->refresh_mhz == refresh_mhz && output->width_mm == width_mm
      && output->height_mm == height_mm)
    return;
  output->width = width;
  output->height = height;
  output->scale_120 = scale_120;
  output->refresh_mhz = refresh_mhz;
  output->width_mm = width_mm;
  output->height_mm = height_mm;
  tell_all (display);
  if (!same_scale)
    moss_fractional_send (display);
}

void
moss_output_set_work_area (MossDisplay *display, int32_t width, int32_t height)
{
  MossOutput *output = &display->output;
  bool same = output->work_width == width && output->work_height == height;

  output->work_width = width;
  output->work_height = height;
  if (!same && display->one_window)
    tell_all (display);
}

static const struct wl_output_interface output_implementation = {
  .release = moss_resource_destroy_request,
};

static void
bind_output (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  MossDisplay *display = data;
  struct wl_resource *resource
      = moss_resource (client, &wl_output_interface, version, id, &output_implementation,
                       display, moss_resource_unlink);
  MossSurface *surface;

  if (!resource)
    return;
  wl_list_insert (&display->output.resources, wl_resource_get_link (resource));
  send_output (display, resource);
  send_done (resource);
  wl_list_for_each (surface, &display->surfaces, link)
    if (surface->mapped && wl_resource_get_client (surface->resource) == client)
      wl_surface_send_enter (surface->resource, resource);
}

void
moss_surface_enter_output (MossSurface *surface)
{
  struct wl_resource *resource;

  if (surface->entered || !surface->resource)
    return;
  surface->entered = true;
  wl_resource_for_each (resource, &surface->display->output.resources)
    if (wl_resource_get_client (resource) == wl_resource_get_client (surface->resource))
      wl_surface_send_enter (surface->resource, resource);
}

/* ---- xdg_output ---------------------------------------------------------------------- */

static const struct zxdg_output_v1_interface xdg_output_implementation = {
  .destroy = moss_resource_destroy_request,
};

static void
get_xdg_output (struct wl_client *client,
                struct wl_resource *resource,
                uint32_t id,
                struct wl_resource *output)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  int version = wl_resource_get_version (resource);
  struct wl_resource *xdg
      = moss_resource (client, &zxdg_output_v1_interface, version, id,
                       &xdg_output_implementation, display, moss_resource_unlink);

  if (!xdg)
    return;
  wl_list_insert (&display->output.xdg_resources, wl_resource_get_link (xdg));
  send_xdg_output (display, xdg);
  if (version >= ZXDG_OUTPUT_V1_NAME_SINCE_VERSION)
    {
      zxdg_output_v1_send_name (xdg, "MOSS-1");
      zxdg_output_v1_send_description (xdg, "Moss");
    }
  if (version < 3)
    zxdg_output_v1_send_done (xdg);
  else
    send_done (output);
}

static const struct zxdg_output_manager_v1_interface xdg_manager_implementation = {
  .destroy = moss_resource_destroy_request,
  .get_xdg_output = get_xdg_output,
};

static void
bind_xdg_manager (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &zxdg_output_manager_v1_interface, version, id,
                 &xdg_manager_implementation, data, NULL);
}

/* Until a viewer comes: a plain screen. */
void
moss_output_init (MossDisplay *display)
{
  MossOutput *output = &display->output;

  wl_list_init (&output->resources);
  wl_list_init (&output->xdg_resources);
  output->width = 1280;
  output->height = 800;
  output->scale_120 = 120;
  output->refresh_mhz = 60000;
  wl_global_create (display->wl, &wl_output_interface, 4, display, bind_output);
  wl_global_create (display->wl, &zxdg_output_manager_v1_interface, 3, display,
                    bind_xdg_manager);
}
