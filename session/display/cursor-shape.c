// SPDX-License-Identifier: GPL-3.0-or-later
#include "display-private.h"
#include "cursor-shape-v1-server-protocol.h"

/* By number; CSS names, which is what GDK takes. */
static const char *const names[] = {
  NULL,          "default",   "context-menu", "help",      "pointer",     "progress",
  "wait",        "cell",      "crosshair",    "text",      "vertical-text", "alias",
  "copy",        "move",      "no-drop",      "not-allowed", "grab",      "grabbing",
  "e-resize",    "n-resize",  "ne-resize",    "nw-resize", "s-resize",    "se-resize",
  "sw-resize",   "w-resize",  "ew-resize",    "ns-resize", "nesw-resize", "nwse-resize",
  "col-resize",  "row-resize", "all-scroll",  "zoom-in",   "zoom-out",
};

static void
set_shape (struct wl_client *client,
           struct wl_resource *resource,
           uint32_t serial,
           uint32_t shape)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  MossSurface *focus = display->seat.pointer;

  if (shape == 0 || shape >= sizeof names / sizeof *names)
    wl_resource_post_error (resource, WP_CURSOR_SHAPE_DEVICE_V1_ERROR_INVALID_SHAPE,
                            "no such shape: %u", shape);
  else if (focus && focus->resource && wl_resource_get_client (focus->resource) == client)
    moss_pointer_set_cursor_name (display, names[shape]);
}

static const struct wp_cursor_shape_device_v1_interface device_implementation = {
  .destroy = moss_resource_destroy_request,
  .set_shape = set_shape,
};

static void
get_device (struct wl_client *client,
            struct wl_resource *resource,
            uint32_t id,
            struct wl_resource *pointer)
{
  moss_resource (client, &wp_cursor_shape_device_v1_interface, 1, id,
                 &device_implementation, wl_resource_get_user_data (resource), NULL);
}

static const struct wp_cursor_shape_manager_v1_interface manager_implementation = {
  .destroy = moss_resource_destroy_request,
  .get_pointer = get_device,
  .get_tablet_tool_v2 = get_device,
};

static void
bind_manager (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &wp_cursor_shape_manager_v1_interface, version, id,
                 &manager_implementation, data, NULL);
}

void
moss_cursor_shape_init (MossDisplay *display)
{
  wl_global_create (display->wl, &wp_cursor_shape_manager_v1_interface, 1, display,
                    bind_manager);
}
