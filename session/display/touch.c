// SPDX-License-Identifier: GPL-3.0-or-later
#include "display-private.h"

/* Only surfaces that live are in seat->fingers; see moss_seat_surface_unmapped(). */
static MossFinger *
find (MossSeat *seat, int32_t id)
{
  for (unsigned i = 0; i < MOSS_MAX_FINGERS; i++)
    if (seat->fingers[i].down && seat->fingers[i].id == id)
      return &seat->fingers[i];
  return NULL;
}

static MossFinger *
find_free (MossSeat *seat)
{
  for (unsigned i = 0; i < MOSS_MAX_FINGERS; i++)
    if (!seat->fingers[i].down)
      return &seat->fingers[i];
  return NULL;
}

void
moss_touch_down (MossDisplay *display,
                 MossSurface *root,
                 int32_t id,
                 double x,
                 double y,
                 uint32_t time)
{
  MossSeat *seat = &display->seat;
  MossSurface *target = moss_surface_pick (root, &x, &y);
  MossFinger *finger = find_free (seat);
  struct wl_resource *touch;

  moss_seat_add_capability (display, WL_SEAT_CAPABILITY_TOUCH);
  if (!target || !finger || find (seat, id))
    return;
  *finger = (MossFinger){ true, id, target, wl_resource_get_client (target->resource) };
  seat->touch_serial = moss_display_serial (display);
  wl_resource_for_each (touch, &seat->touches)
    if (wl_resource_get_client (touch) == finger->client)
      {
        wl_touch_send_down (touch, seat->touch_serial, time, target->resource, id,
                            wl_fixed_from_double (x), wl_fixed_from_double (y));
        wl_touch_send_frame (touch);
      }
}

/* Coordinates are in the root that went down first; its subsurface may lie elsewhere. */
static void
to_target (MossFinger *finger, double *x, double *y)
{
  for (MossSurface *s = finger->surface; s && s->role == MOSS_ROLE_SUBSURFACE;
       s = moss_surface_get_parent (s))
    {
      int32_t dx, dy;

      moss_surface_get_offset (s, &dx, &dy);
      *x -= dx;
      *y -= dy;
    }
}

void
moss_touch_motion (MossDisplay *display, int32_t id, double x, double y, uint32_t time)
{
  MossFinger *finger = find (&display->seat, id);
  struct wl_resource *touch;

  if (!finger)
    return;
  to_target (finger, &x, &y);
  wl_resource_for_each (touch, &display->seat.touches)
    if (wl_resource_get_client (touch) == finger->client)
      {
        wl_touch_send_motion (touch, time, id, wl_fixed_from_double (x),
                              wl_fixed_from_double (y));
        wl_touch_send_frame (touch);
      }
}

void
moss_touch_up (MossDisplay *display, int32_t id, uint32_t time)
{
  MossFinger *finger = find (&display->seat, id);
  struct wl_resource *touch;

  if (!finger)
    return;
  display->seat.touch_serial = moss_display_serial (display);
  wl_resource_for_each (touch, &display->seat.touches)
    if (wl_resource_get_client (touch) == finger->client)
      {
        wl_touch_send_up (touch, display->seat.touch_serial, time, id);
        wl_touch_send_frame (touch);
      }
  *finger = (MossFinger){ 0 };
}

void
moss_touch_cancel (MossDisplay *display)
{
  MossSeat *seat = &display->seat;
  struct wl_resource *touch;

  wl_resource_for_each (touch, &seat->touches)
    {
      bool any = false;

      for (unsigned i = 0; i < MOSS_MAX_FINGERS; i++)
        any = any
              || (seat->fingers[i].down
                  && seat->fingers[i].client == wl_resource_get_client (touch));
      if (any)
        wl_touch_send_cancel (touch);
    }
  memset (seat->fingers, 0, sizeof seat->fingers);
}

static const struct wl_touch_interface touch_implementation = {
  .release = moss_resource_destroy_request,
};

void
moss_touch_create (struct wl_client *client, struct wl_resource *seat, uint32_t id)
{
  MossDisplay *display = wl_resource_get_user_data (seat);
  struct wl_resource *touch
      = moss_resource (client, &wl_touch_interface, wl_resource_get_version (seat), id,
                       &touch_implementation, display, moss_resource_unlink);

  if (touch)
    wl_list_insert (&display->seat.touches, wl_resource_get_link (touch));
}
