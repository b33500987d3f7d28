// SPDX-License-Identifier: GPL-3.0-or-later
#include "display-private.h"

#include <unistd.h>

static const struct wl_seat_interface seat_implementation;

static void
seat_get_pointer (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  moss_pointer_create (client, resource, id);
}

static void
seat_get_keyboard (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  moss_keyboard_create (client, resource, id);
}

static void
seat_get_touch (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  moss_touch_create (client, resource, id);
}

static const struct wl_seat_interface seat_implementation = {
  .get_pointer = seat_get_pointer,
  .get_keyboard = seat_get_keyboard,
  .get_touch = seat_get_touch,
  .release = moss_resource_destroy_request,
};

static void
bind_seat (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  MossDisplay *display = data;
  struct wl_resource *resource
      = moss_resource (client, &wl_seat_interface, version, id, &seat_implementation,
                       display, moss_resource_unlink);

  if (!resource)
    return;
  wl_list_insert (&display->seat.seats, wl_resource_get_link (resource));
  wl_seat_send_capabilities (resource, display->seat.capabilities);
  if (version >= WL_SEAT_NAME_SINCE_VERSION)
    wl_seat_send_name (resource, "seat0");
}

void
moss_seat_add_capability (MossDisplay *display, uint32_t capability)
{
  struct wl_resource *resource;

  if (display->seat.capabilities & capability)
    return;
  display->seat.capabilities |= capability;
  wl_resource_for_each (resource, &display->seat.seats)
    wl_seat_send_capabilities (resource, display->seat.capabilities);
}

/* The window menu and grabs are asked for with the serial of the press, of the key, or of
 * a touch. Serials only grow, and the last few of them are all that counts. */
bool
moss_seat_serial_valid (MossDisplay *display, struct wl_client *client, uint32_t serial)
{
  MossSeat *seat = &display->seat;
  uint32_t last = seat->button_serial;

  if ((int32_t) (seat->key_serial - last) > 0)
    last = seat->key_serial;
  if ((int32_t) (seat->touch_serial - last) > 0)
    last = seat->touch_serial;
  if (!last)
    return false;
  return serial == seat->button_serial || serial == seat->key_serial
         || serial == seat->touch_serial || serial == seat->enter_serial
         || (int32_t) (last - serial) < 4096;
}

void
moss_seat_init (MossDisplay *display)
{
  MossSeat *seat = &display->seat;

  wl_list_init (&seat->pointers);
  wl_list_init (&seat->keyboards);
  wl_list_init (&seat->touches);
  wl_list_init (&seat->seats);
  seat->capabilities = WL_SEAT_CAPABILITY_POINTER | WL_SEAT_CAPABILITY_KEYBOARD;
  seat->repeat_rate = 25;
  seat->repeat_delay = 500;
  seat->keymap_fd = -1;
  wl_global_create (display->wl, &wl_seat_interface, 7, display, bind_seat);
}

/* The viewer went: nothing is pressed and nothing has focus. */
void
moss_seat_reset (MossDisplay *display)
{
  moss_drag_end (display, true);
  moss_pointer_release_all (display);
  moss_pointer_leave (display);
  moss_keyboard_release_all (display);
  moss_keyboard_want_focus (display, NULL);
  moss_touch_cancel (display);
}

void
moss_seat_surface_unmapped (MossSurface *surface)
{
  MossDisplay *display = surface->display;
  MossSeat *seat = &display->seat;

  if (seat->over == surface)
    {
      wl_list_remove (&seat->over_destroyed.link);
      seat->over = NULL;
    }
  if (seat->pointer == surface)
    {
      moss_pointer_set_focus (display, NULL, 0, 0);
      moss_pointer_refocus (display);
    }
  if (display->drag.active && display->drag.focus == surface)
    moss_drag_set_focus (display, NULL, 0, 0);
  if (seat->wanted == surface)
    moss_keyboard_want_focus (display, NULL);
  else if (seat->keyboard == surface)
    moss_keyboard_update_focus (display);
  /* The app may go on with other surfaces: its finger must not stay down for ever. */
  for (unsigned i = 0; i < MOSS_MAX_FINGERS; i++)
    if (seat->fingers[i].down && seat->fingers[i].surface == surface)
      moss_touch_up (display, seat->fingers[i].id, moss_now_ms ());
}

void
moss_seat_fini (MossDisplay *display)
{
  MossSeat *seat = &display->seat;

  if (seat->state)
    xkb_state_unref (seat->state);
  if (seat->keymap)
    xkb_keymap_unref (seat->keymap);
  if (seat->xkb)
    xkb_context_unref (seat->xkb);
  if (seat->keymap_fd >= 0)
    close (seat->keymap_fd);
  free (seat->cursor.name);
}
