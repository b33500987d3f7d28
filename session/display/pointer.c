// SPDX-License-Identifier: GPL-3.0-or-later
/* The pointer: the viewer says which window it is over; which subsurface has it, what a
 * pressed button holds, and drags inside of the app are decided here. */
#include "display-private.h"

#define for_each_of(item, surface, list)                                                  \
  wl_resource_for_each (item, list)                                                       \
    if (wl_resource_get_client (item) == wl_resource_get_client ((surface)->resource))

static void
send_frame (struct wl_resource *pointer)
{
  if (wl_resource_get_version (pointer) >= WL_POINTER_FRAME_SINCE_VERSION)
    wl_pointer_send_frame (pointer);
}

/* ---- cursor -------------------------------------------------------------------------- */

static void
cursor_changed (MossDisplay *display)
{
  display->stale |= MOSS_STALE_CURSOR;
  moss_display_schedule (display);
}

static void
cursor_clear (MossDisplay *display)
{
  MossCursor *cursor = &display->seat.cursor;

  if (cursor->surface)
    wl_list_remove (&cursor->surface_destroyed.link);
  free (cursor->name);
  *cursor = (MossCursor){ 0 };
}

void
moss_pointer_set_cursor_name (MossDisplay *display, const char *name)
{
  const char *now = display->seat.cursor.name;

  if (name && now && strcmp (name, now) == 0)
    return;
  cursor_clear (display);
  display->seat.cursor.name = name ? strdup (name) : NULL;
  cursor_changed (display);
}

static void
on_cursor_destroyed (struct wl_listener *listener, void *data)
{
  MossSurface *surface = data;
  MossCursor *cursor = &surface->display->seat.cursor;

  wl_list_remove (&cursor->surface_destroyed.link);
  cursor->surface = NULL;
  moss_pointer_set_cursor_name (surface->display, "none");
}

static void
pointer_set_cursor (struct wl_client *client,
                    struct wl_resource *resource,
                    uint32_t serial,
                    struct wl_resource *surface_resource,
                    int32_t x,
                    int32_t y)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  MossSurface *surface = moss_surface_from_resource (surface_resource);
  MossSurface *focus = display->seat.pointer;
  MossCursor *cursor = &display->seat.cursor;

  if (surface
      && (surface->role_object
          || !moss_surface_set_role (surface, MOSS_ROLE_CURSOR, resource,
                                     WL_POINTER_ERROR_ROLE)))
    return;
  if (!focus || wl_resource_get_client (focus->resource) != client)
    return;
  if (!surface)
    {
      moss_pointer_set_cursor_name (display, "none");
      return;
    }
  if (cursor->surface == surface && cursor->hot_x == x && cursor->hot_y == y)
    return;
  cursor_clear (display);
  cursor->surface = surface;
  cursor->hot_x = x;
  cursor->hot_y = y;
  cursor->surface_destroyed.notify = on_cursor_destroyed;
  wl_signal_add (&surface->destroyed, &cursor->surface_destroyed);
  moss_surface_update_mapped (surface);
  moss_surface_dirty (surface, MOSS_DIRTY_SURFACE);
  cursor_changed (display);
}

static const struct wl_pointer_interface pointer_implementation = {
  .set_cursor = pointer_set_cursor,
  .release = moss_resource_destroy_request,
};

/* ---- focus --------------------------------------------------------------------------- */

static void
on_focus_destroyed (struct wl_listener *listener, void *data)
{
  MossSurface *surface = data;

  wl_list_remove (&listener->link);
  surface->display->seat.pointer = NULL;
}

static void
leave (MossDisplay *display)
{
  MossSeat *seat = &display->seat;
  struct wl_resource *pointer;

  if (!seat->pointer)
    return;
  if (seat->pointer->resource)
    {
      uint32_t serial = moss_display_serial (display);

      for_each_of (pointer, seat->pointer, &seat->pointers)
        {
          wl_pointer_send_leave (pointer, serial, seat->pointer->resource);
          send_frame (pointer);
        }
    }
  wl_list_remove (&seat->pointer_destroyed.link);
  seat->pointer = NULL;
}

void
moss_pointer_set_focus (MossDisplay *display, MossSurface *surface, double x, double y)
{
  MossSeat *seat = &display->seat;
  struct wl_resource *pointer;
  MossSurface *old = seat->pointer;
  bool other_client
      = !old || !surface || !old->resource
        || wl_resource_get_client (old->resource)
               != wl_resource_get_client (surface->resource);

  seat->x = x;
  seat->y = y;
  if (old == surface)
    return;
  leave (display);
  if (other_client)
    moss_pointer_set_cursor_name (display, "default");
  if (!surface || !surface->resource)
    {
      moss_constraint_update (display);
      return;
    }
  seat->pointer = surface;
  seat->pointer_destroyed.notify = on_focus_destroyed;
  wl_signal_add (&surface->destroyed, &seat->pointer_destroyed);
  seat->enter_serial = moss_display_serial (display);
  for_each_of (pointer, surface, &seat->pointers)
    {
      wl_pointer_send_enter (pointer, seat->enter_serial, surface->resource,
                             wl_fixed_from_double (x), wl_fixed_from_double (y));
      send_frame (pointer);
    }
  moss_constraint_update (display);
}

static void
on_over_destroyed (struct wl_listener *listener, void *data)
{
  MossSurface *surface = data;

  wl_list_remove (&listener->link);
  surface->display->seat.over = NULL;
}

static void
set_over (MossDisplay *display, MossSurface *root)
{
  MossSeat *seat = &display->seat;

  if (seat->over == root)
    return;
  if (seat->over)
    wl_list_remove (&seat->over_destroyed.link);
  seat->over = root;
  if (!root)
    return;
  seat->over_destroyed.notify = on_over_destroyed;
  wl_signal_add (&root->destroyed, &seat->over_destroyed);
}

/* While a button is down or the pointer is confined, the surface that has it keeps it, however
 * far it goes: from the place that the viewer said to one in that surface. */
static void
held_position (MossDisplay *display, double *x, double *y)
{
  MossSeat *seat = &display->seat;
  int32_t from_x, from_y, to_x, to_y;
  MossSurface *from = moss_surface_get_toplevel (seat->over, &from_x, &from_y);
  MossSurface *to = moss_surface_get_toplevel (seat->pointer, &to_x, &to_y);

  if (from != to)
    {
      *x = seat->x;
      *y = seat->y;
      return;
    }
  *x += from_x - to_x;
  *y += from_y - to_y;
}

static void
send_motion (MossDisplay *display, uint32_t time)
{
  MossSeat *seat = &display->seat;
  struct wl_resource *pointer;

  for_each_of (pointer, seat->pointer, &seat->pointers)
    {
      wl_pointer_send_motion (pointer, time, wl_fixed_from_double (seat->x),
                              wl_fixed_from_double (seat->y));
      send_frame (pointer);
    }
}

static void
moved (MossDisplay *display, double x, double y, double dx, double dy, uint32_t time)
{
  moss_constraint_clamp (display, &x, &y);
  display->seat.x = x;
  display->seat.y = y;
  moss_pointer_send_relative (display, dx, dy, time);
  send_motion (display, time);
  moss_constraint_update (display);
}

void
moss_pointer_motion (MossDisplay *display, MossSurface *root, double x, double y, uint32_t time)
{
  MossSeat *seat = &display->seat;
  MossSurface *target;
  double dx, dy;

  if (!root->mapped || moss_constraint_locks (display))
    return;
  dx = seat->over == root ? x - seat->over_x : 0;
  dy = seat->over == root ? y - seat->over_y : 0;
  set_over (display, root);
  seat->over_x = x;
  seat->over_y = y;
  if (display->drag.active)
    {
      target = moss_surface_pick (root, &x, &y);
      moss_drag_motion (display, target, x, y, time);
      return;
    }
  if ((seat->n_buttons || seat->constraint) && seat->pointer)
    {
      held_position (display, &x, &y);
      moved (display, x, y, dx, dy, time);
      return;
    }
  target = moss_surface_pick (root, &x, &y);
  if (target && target == seat->pointer)
    moved (display, x, y, dx, dy, time);
  else
    moss_pointer_set_focus (display, target, x, y);
}

void
moss_pointer_relative (MossDisplay *display, double dx, double dy, uint32_t time)
{
  struct wl_resource *pointer;

  if (!display->seat.pointer)
    return;
  moss_pointer_send_relative (display, dx, dy, time);
  for_each_of (pointer, display->seat.pointer, &display->seat.pointers)
    send_frame (pointer);
}

/* After a surface under the pointer came, went or moved without the pointer moving. */
void
moss_pointer_refocus (MossDisplay *display)
{
  MossSeat *seat = &display->seat;

  double x = seat->over_x, y = seat->over_y;
  MossSurface *target;

  if (!seat->over || !seat->over->mapped || seat->n_buttons || display->drag.active
      || seat->constraint)
    return;
  target = moss_surface_pick (seat->over, &x, &y);
  if (target != seat->pointer)
    moss_pointer_set_focus (display, target, x, y);
  else if (target && (x != seat->x || y != seat->y))
    {
      seat->x = x;
      seat->y = y;
      send_motion (display, moss_now_ms ());
    }
}

void
moss_pointer_leave (MossDisplay *display)
{
  set_over (display, NULL);
  if (display->drag.active)
    moss_drag_set_focus (display, NULL, 0, 0);
  moss_pointer_set_focus (display, NULL, 0, 0);
}

/* ---- buttons and wheels -------------------------------------------------------------- */

static bool
track_button (MossSeat *seat, uint32_t button, bool pressed)
{
  for (unsigned i = 0; i < seat->n_buttons; i++)
    if (seat->buttons[i] == button)
      {
        if (pressed)
          return false;
        seat->buttons[i] = seat->buttons[--seat->n_buttons];
        return true;
      }
  if (!pressed || seat->n_buttons == sizeof seat->buttons / sizeof *seat->buttons)
    return false;
  seat->buttons[seat->n_buttons++] = button;
  return true;
}

/* A press on somebody else than the one who grabs closes menus. */
static void
dismiss_for_press (MossDisplay *display)
{
  MossSurface *grabbing = moss_popup_grabbing (display);
  MossSurface *focus = display->seat.pointer;

  if (grabbing
      && (!focus
          || wl_resource_get_client (grabbing->resource)
                 != wl_resource_get_client (focus->resource)))
    moss_popup_dismiss_all (display);
}

void
moss_pointer_button (MossDisplay *display, uint32_t button, bool pressed, uint32_t time)
{
  MossSeat *seat = &display->seat;
  struct wl_resource *pointer;

  if (!track_button (seat, button, pressed))
    return;
  if (display->drag.active && !pressed && !seat->n_buttons)
    {
      moss_drag_drop (display);
      return;
    }
  if (pressed)
    dismiss_for_press (display);
  if (!seat->pointer || display->drag.active)
    return;
  seat->button_serial = moss_display_serial (display);
  for_each_of (pointer, seat->pointer, &seat->pointers)
    {
      wl_pointer_send_button (pointer, seat->button_serial, time, button,
                              pressed ? WL_POINTER_BUTTON_STATE_PRESSED
                                      : WL_POINTER_BUTTON_STATE_RELEASED);
      send_frame (pointer);
    }
  if (!pressed && !seat->n_buttons)
    moss_pointer_refocus (display);
}

void
moss_pointer_release_all (MossDisplay *display)
{
  MossSeat *seat = &display->seat;

  while (seat->n_buttons)
    moss_pointer_button (display, seat->buttons[0], false, moss_now_ms ());
}

static void
send_axis (struct wl_resource *pointer,
           uint32_t axis,
           wl_fixed_t value,
           int32_t steps,
           uint32_t source,
           uint32_t time)
{
  int version = wl_resource_get_version (pointer);

  if (value)
    {
      if (steps / 120 && version >= WL_POINTER_AXIS_DISCRETE_SINCE_VERSION)
        wl_pointer_send_axis_discrete (pointer, axis, steps / 120);
      wl_pointer_send_axis (pointer, time, axis, value);
    }
  else if (version >= WL_POINTER_AXIS_STOP_SINCE_VERSION
           && source == WL_POINTER_AXIS_SOURCE_FINGER)
    wl_pointer_send_axis_stop (pointer, time, axis);
}

void
moss_pointer_axis (MossDisplay *display,
                   wl_fixed_t dx,
                   wl_fixed_t dy,
                   int32_t steps_x,
                   int32_t steps_y,
                   uint32_t source,
                   uint32_t time)
{
  MossSeat *seat = &display->seat;
  struct wl_resource *pointer;
  bool stop = !dx && !dy;

  if (!seat->pointer || display->drag.active)
    return;
  for_each_of (pointer, seat->pointer, &seat->pointers)
    {
      int version = wl_resource_get_version (pointer);

      if (version >= WL_POINTER_AXIS_SOURCE_SINCE_VERSION)
        wl_pointer_send_axis_source (
            pointer, source == WL_POINTER_AXIS_SOURCE_WHEEL_TILT
                             && version < WL_POINTER_AXIS_SOURCE_WHEEL_TILT_SINCE_VERSION
                         ? WL_POINTER_AXIS_SOURCE_WHEEL
                         : source);
      if (dy || stop)
        send_axis (pointer, WL_POINTER_AXIS_VERTICAL_SCROLL, dy, steps_y, source, time);
      if (dx || stop)
        send_axis (pointer, WL_POINTER_AXIS_HORIZONTAL_SCROLL, dx, steps_x, source, time);
      send_frame (pointer);
    }
}

/* ---- life ---------------------------------------------------------------------------- */

void
moss_pointer_create (struct wl_client *client, struct wl_resource *seat, uint32_t id)
{
  MossDisplay *display = wl_resource_get_user_data (seat);
  MossSurface *focus = display->seat.pointer;
  struct wl_resource *pointer
      = moss_resource (client, &wl_pointer_interface, wl_resource_get_version (seat), id,
                       &pointer_implementation, display, moss_resource_unlink);

  if (!pointer)
    return;
  wl_list_insert (&display->seat.pointers, wl_resource_get_link (pointer));
  if (focus && focus->resource && wl_resource_get_client (focus->resource) == client)
    {
      wl_pointer_send_enter (pointer, display->seat.enter_serial, focus->resource,
                             wl_fixed_from_double (display->seat.x),
                             wl_fixed_from_double (display->seat.y));
      send_frame (pointer);
    }
}
