// SPDX-License-Identifier: GPL-3.0-or-later
/* The xdg_positioner object. Coordinates are bounded so that sums can't overflow. */
#include "display-private.h"
#include "xdg-shell-server-protocol.h"

#define LIMIT (1 << 20)

static int32_t
bounded (int32_t value)
{
  return value > LIMIT ? LIMIT : value < -LIMIT ? -LIMIT : value;
}

static void
bad_input (struct wl_resource *resource, const char *what)
{
  wl_resource_post_error (resource, XDG_POSITIONER_ERROR_INVALID_INPUT, "invalid %s", what);
}

static void
set_size (struct wl_client *client, struct wl_resource *resource, int32_t w, int32_t h)
{
  MossPositioner *p = wl_resource_get_user_data (resource);

  if (w < 1 || h < 1)
    {
      bad_input (resource, "size");
      return;
    }
  p->width = bounded (w);
  p->height = bounded (h);
}

static void
set_anchor_rect (struct wl_client *client,
                 struct wl_resource *resource,
                 int32_t x,
                 int32_t y,
                 int32_t w,
                 int32_t h)
{
  MossPositioner *p = wl_resource_get_user_data (resource);

  if (w < 0 || h < 0)
    {
      bad_input (resource, "anchor rectangle");
      return;
    }
  p->anchor_rect = (MossRect){ bounded (x), bounded (y), bounded (w), bounded (h) };
  p->has_anchor_rect = true;
}

static void
set_anchor (struct wl_client *client, struct wl_resource *resource, uint32_t anchor)
{
  MossPositioner *p = wl_resource_get_user_data (resource);

  if (anchor > XDG_POSITIONER_ANCHOR_BOTTOM_RIGHT)
    bad_input (resource, "anchor");
  else
    p->anchor = anchor;
}

static void
set_gravity (struct wl_client *client, struct wl_resource *resource, uint32_t gravity)
{
  MossPositioner *p = wl_resource_get_user_data (resource);

  if (gravity > XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT)
    bad_input (resource, "gravity");
  else
    p->gravity = gravity;
}

static void
set_adjustment (struct wl_client *client, struct wl_resource *resource, uint32_t adjustment)
{
  MossPositioner *p = wl_resource_get_user_data (resource);

  p->adjustment = adjustment;
}

static void
set_offset (struct wl_client *client, struct wl_resource *resource, int32_t x, int32_t y)
{
  MossPositioner *p = wl_resource_get_user_data (resource);

  p->dx = bounded (x);
  p->dy = bounded (y);
}

static void
set_reactive (struct wl_client *client, struct wl_resource *resource)
{
  MossPositioner *p = wl_resource_get_user_data (resource);

  p->reactive = true;
}

static void
set_parent_size (struct wl_client *client, struct wl_resource *resource, int32_t w, int32_t h)
{
  MossPositioner *p = wl_resource_get_user_data (resource);

  p->parent_width = w;
  p->parent_height = h;
}

static void
set_parent_configure (struct wl_client *client, struct wl_resource *resource, uint32_t serial)
{
  MossPositioner *p = wl_resource_get_user_data (resource);

  p->parent_serial = serial;
}

static const struct xdg_positioner_interface positioner_implementation = {
  .destroy = moss_resource_destroy_request,
  .set_size = set_size,
  .set_anchor_rect = set_anchor_rect,
  .set_anchor = set_anchor,
  .set_gravity = set_gravity,
  .set_constraint_adjustment = set_adjustment,
  .set_offset = set_offset,
  .set_reactive = set_reactive,
  .set_parent_size = set_parent_size,
  .set_parent_configure = set_parent_configure,
};

static void
positioner_destroyed (struct wl_resource *resource)
{
  free (wl_resource_get_user_data (resource));
}

void
moss_positioner_create (struct wl_client *client, struct wl_resource *shell, uint32_t id)
{
  MossPositioner *positioner = calloc (1, sizeof *positioner);

  if (!positioner)
    wl_client_post_no_memory (client);
  else if (!moss_resource (client, &xdg_positioner_interface,
                           wl_resource_get_version (shell), id, &positioner_implementation,
                           positioner, positioner_destroyed))
    free (positioner);
}

MossPositioner *
moss_positioner_from_resource (struct wl_resource *resource)
{
  return wl_resource_get_user_data (resource);
}
