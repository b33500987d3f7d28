// SPDX-License-Identifier: GPL-3.0-or-later
/* What a viewer asks for. One small function a message; each returns whether the message
 * was well-formed. Unknown surfaces are no error: they may have gone meanwhile. */
#include "display-private.h"

#include <unistd.h>

typedef bool (*Handler) (MossDisplayConnection *connection, MossWireMessage *message);

static MossSurface *
target (MossDisplayConnection *connection, MossWireMessage *message)
{
  return moss_display_find_surface (connection->display, message->id);
}

static MossXdgSurface *
target_toplevel (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossSurface *surface = target (connection, message);

  return surface && surface->role == MOSS_ROLE_TOPLEVEL ? surface->role_object : NULL;
}

static MossSurface *
target_root (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossSurface *surface = target (connection, message);

  if (!surface || !surface->mapped
      || (surface->role != MOSS_ROLE_TOPLEVEL && surface->role != MOSS_ROLE_POPUP))
    return NULL;
  return surface;
}

static double
get_coordinate (MossWireMessage *message)
{
  return moss_wire_get_i32 (message) / 256.0;
}

/* ---- windows ------------------------------------------------------------------------- */

static bool
on_ack (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t serial = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message)
      || serial - connection->acked > connection->serial - connection->acked)
    return false;
  moss_sync_ack (connection, serial);
  return true;
}

static bool
on_frame_done (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossDisplay *display = connection->display;
  uint32_t time = moss_wire_get_u32 (message);
  MossSurface *surface = target (connection, message);

  if (!moss_wire_finished (message))
    return false;
  if (surface)
    moss_surface_frame_done (surface, time);
  else if (message->id == 0)
    {
      if (display->seat.cursor.surface)
        moss_surface_frame_done (display->seat.cursor.surface, time);
      if (display->drag.icon)
        moss_surface_frame_done (display->drag.icon, time);
    }
  return true;
}

static bool
on_configure (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossXdgSurface *xdg = target_toplevel (connection, message);
  int32_t width = moss_wire_get_i32 (message);
  int32_t height = moss_wire_get_i32 (message);
  uint32_t states = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message))
    return false;
  if (xdg)
    moss_toplevel_configure (xdg, width, height, states);
  return true;
}

static int32_t
get_bounded (MossWireMessage *message)
{
  int32_t value = moss_wire_get_i32 (message);

  if (value > 1 << 20 || value < -(1 << 20))
    message->bad = true;
  return value;
}

static bool
on_popup_bounds (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossXdgSurface *xdg = target_toplevel (connection, message);
  MossRect bounds;

  bounds.x = get_bounded (message);
  bounds.y = get_bounded (message);
  bounds.width = get_bounded (message);
  bounds.height = get_bounded (message);
  if (!moss_wire_finished (message))
    return false;
  if (!xdg)
    return true;
  xdg->has_bounds = bounds.width > 0 && bounds.height > 0;
  xdg->bounds = bounds;
  moss_popup_parent_changed (xdg->surface);
  return true;
}

static bool
on_visible (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossXdgSurface *xdg = target_toplevel (connection, message);
  uint32_t visible = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message) || visible > 1)
    return false;
  if (xdg)
    xdg->surface->hidden = !visible;
  return true;
}

static bool
on_close (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossXdgSurface *xdg = target_toplevel (connection, message);

  if (!moss_wire_finished (message))
    return false;
  if (xdg)
    moss_toplevel_close (xdg);
  return true;
}

static bool
on_dismiss_popups (MossDisplayConnection *connection, MossWireMessage *message)
{
  if (!moss_wire_finished (message))
    return false;
  moss_popup_dismiss_all (connection->display);
  return true;
}

static bool
on_ping (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossXdgSurface *xdg = target_toplevel (connection, message);

  if (!moss_wire_finished (message))
    return false;
  if (xdg)
    moss_xdg_ping (xdg);
  return true;
}

static bool
on_output (MossDisplayConnection *connection, MossWireMessage *message)
{
  int32_t width = get_bounded (message);
  int32_t height = get_bounded (message);
  uint32_t scale = moss_wire_get_u32 (message);
  uint32_t refresh = moss_wire_get_u32 (message);
  int32_t width_mm = get_bounded (message);
  int32_t height_mm = get_bounded (message);

  if (!moss_wire_finished (message) || width < 1 || height < 1 || scale < 30
      || scale > 120 * 16 || refresh > 10000000 || width_mm < 0 || height_mm < 0)
    return false;
  moss_output_set (connection->display, width, height, scale, refresh, width_mm, height_mm);
  return true;
}

static bool
on_work_area (MossDisplayConnection *connection, MossWireMessage *message)
{
  int32_t width = get_bounded (message);
  int32_t height = get_bounded (message);

  if (!moss_wire_finished (message) || width < 0 || height < 0)
    return false;
  moss_output_set_work_area (connection->display, width, height);
  return true;
}

/* ---- pointer ------------------------------------------------------------------------- */

static bool
on_pointer_motion (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossSurface *root = target_root (connection, message);
  double x = get_coordinate (message);
  double y = get_coordinate (message);
  uint32_t time = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message))
    return false;
  if (root)
    moss_pointer_motion (connection->display, root, x, y, time);
  return true;
}

static bool
on_pointer_relative (MossDisplayConnection *connection, MossWireMessage *message)
{
  double dx = get_coordinate (message);
  double dy = get_coordinate (message);
  uint32_t time = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message))
    return false;
  if (moss_constraint_locks (connection->display))
    moss_pointer_relative (connection->display, dx, dy, time);
  return true;
}

static bool
on_pointer_leave (MossDisplayConnection *connection, MossWireMessage *message)
{
  if (!moss_wire_finished (message))
    return false;
  moss_pointer_leave (connection->display);
  return true;
}

static bool
on_pointer_button (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t button = moss_wire_get_u32 (message);
  uint32_t pressed = moss_wire_get_u32 (message);
  uint32_t time = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message) || pressed > 1)
    return false;
  moss_pointer_button (connection->display, button, pressed, time);
  return true;
}

static bool
on_pointer_axis (MossDisplayConnection *connection, MossWireMessage *message)
{
  int32_t dx = moss_wire_get_i32 (message);
  int32_t dy = moss_wire_get_i32 (message);
  int32_t steps_x = moss_wire_get_i32 (message);
  int32_t steps_y = moss_wire_get_i32 (message);
  uint32_t source = moss_wire_get_u32 (message);
  uint32_t time = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message) || source > WL_POINTER_AXIS_SOURCE_WHEEL_TILT)
    return false;
  moss_pointer_axis (connection->display, dx, dy, steps_x, steps_y, source, time);
  return true;
}

/* ---- keyboard ------------------------------------------------------------------------ */

static bool
on_keymap (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t size = moss_wire_get_u32 (message);
  int fd = moss_wire_take_fd (message);
  bool good = moss_wire_finished (message) && size > 0 && size <= MOSS_WIRE_MAX_KEYMAP;
  char *text = good ? malloc (size) : NULL;

  if (text)
    good = pread (fd, text, size, 0) == (ssize_t) size
           && moss_keyboard_set_keymap (connection->display, text, size);
  free (text);
  if (fd >= 0)
    close (fd);
  return good;
}

static bool
on_repeat (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t rate = moss_wire_get_u32 (message);
  uint32_t delay = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message))
    return false;
  moss_keyboard_repeat (connection->display, rate, delay);
  return true;
}

static bool
on_key_focus (MossDisplayConnection *connection, MossWireMessage *message)
{
  if (!moss_wire_finished (message))
    return false;
  moss_keyboard_want_focus (connection->display, target_root (connection, message));
  return true;
}

static bool
on_key (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t key = moss_wire_get_u32 (message);
  uint32_t pressed = moss_wire_get_u32 (message);
  uint32_t time = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message) || pressed > 1)
    return false;
  moss_keyboard_key (connection->display, key, pressed, time);
  return true;
}

static bool
on_modifiers (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t depressed = moss_wire_get_u32 (message);
  uint32_t latched = moss_wire_get_u32 (message);
  uint32_t locked = moss_wire_get_u32 (message);
  uint32_t group = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message))
    return false;
  moss_keyboard_modifiers (connection->display, depressed, latched, locked, group);
  return true;
}

/* ---- touch and text ------------------------------------------------------------------ */

static bool
on_touch_down (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossSurface *root = target_root (connection, message);
  int32_t finger = moss_wire_get_i32 (message);
  double x = get_coordinate (message);
  double y = get_coordinate (message);
  uint32_t time = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message))
    return false;
  if (root)
    moss_touch_down (connection->display, root, finger, x, y, time);
  return true;
}

static bool
on_touch_motion (MossDisplayConnection *connection, MossWireMessage *message)
{
  int32_t finger = moss_wire_get_i32 (message);
  double x = get_coordinate (message);
  double y = get_coordinate (message);
  uint32_t time = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message))
    return false;
  moss_touch_motion (connection->display, finger, x, y, time);
  return true;
}

static bool
on_touch_up (MossDisplayConnection *connection, MossWireMessage *message)
{
  int32_t finger = moss_wire_get_i32 (message);
  uint32_t time = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message))
    return false;
  moss_touch_up (connection->display, finger, time);
  return true;
}

static bool
on_touch_cancel (MossDisplayConnection *connection, MossWireMessage *message)
{
  if (!moss_wire_finished (message))
    return false;
  moss_seat_add_capability (connection->display, WL_SEAT_CAPABILITY_TOUCH);
  moss_touch_cancel (connection->display);
  return true;
}

static bool
on_text_event (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t before = moss_wire_get_u32 (message);
  uint32_t after = moss_wire_get_u32 (message);
  int32_t begin = moss_wire_get_i32 (message);
  int32_t end = moss_wire_get_i32 (message);
  uint32_t has = moss_wire_get_u32 (message);
  char *commit = moss_wire_dup_string (message);
  char *preedit = moss_wire_dup_string (message);
  bool good = moss_wire_finished (message) && has < 4 && begin >= -1 && end >= -1
              && strlen (commit) < 4000 && strlen (preedit) < 4000
              && begin <= (int32_t) strlen (preedit) && end <= (int32_t) strlen (preedit);

  if (good)
    moss_text_input_event (connection->display, before, after, has & 1 ? commit : NULL,
                           has & 2 ? preedit : NULL, begin, end);
  free (commit);
  free (preedit);
  return good;
}

/* ---- selections and drags ------------------------------------------------------------ */

static bool
on_set_selection (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t which = moss_wire_get_u32 (message);
  bool none;
  char **types = moss_wire_dup_strings (message, &none);

  if (!moss_wire_finished (message) || which >= MOSS_N_SELECTIONS || (!types && !none))
    {
      moss_wire_free_strings (types);
      return false;
    }
  moss_viewer_source (connection->display, which, types);
  return true;
}

static bool
on_receive_selection (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t which = moss_wire_get_u32 (message);
  char *mime_type = moss_wire_dup_string (message);
  int fd = moss_wire_take_fd (message);
  bool good = moss_wire_finished (message) && which < MOSS_N_SELECTIONS;
  MossSource *source = good ? connection->display->selections[which] : NULL;

  if (source && source->resource)
    moss_source_send (source, mime_type, fd);
  else if (fd >= 0)
    close (fd);
  free (mime_type);
  return good;
}

static bool
on_drag_target (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t action = moss_wire_get_u32 (message);
  uint32_t has = moss_wire_get_u32 (message);
  char *mime_type = moss_wire_dup_string (message);
  bool good = moss_wire_finished (message) && has < 2 && action < 8
              && !(action & (action - 1));

  if (good)
    moss_drag_target (connection->display, has ? mime_type : NULL, action);
  free (mime_type);
  return good;
}

static bool
on_drag_receive (MossDisplayConnection *connection, MossWireMessage *message)
{
  char *mime_type = moss_wire_dup_string (message);
  int fd = moss_wire_take_fd (message);
  bool good = moss_wire_finished (message);

  if (good)
    moss_drag_receive (connection->display, mime_type, fd);
  else if (fd >= 0)
    close (fd);
  free (mime_type);
  return good;
}

static bool
on_drag_dropped (MossDisplayConnection *connection, MossWireMessage *message)
{
  if (!moss_wire_finished (message))
    return false;
  moss_drag_dropped (connection->display);
  return true;
}

static bool
on_drag_finished (MossDisplayConnection *connection, MossWireMessage *message)
{
  uint32_t action = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message) || action > 7 || (action & (action - 1)))
    return false;
  moss_drag_outside_finished (connection->display, action);
  return true;
}

static bool
on_drag_cancel (MossDisplayConnection *connection, MossWireMessage *message)
{
  if (!moss_wire_finished (message))
    return false;
  moss_drag_cancel (connection->display);
  return true;
}

static bool
on_drop_enter (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossSurface *root = target_root (connection, message);
  double x = get_coordinate (message);
  double y = get_coordinate (message);
  uint32_t actions = moss_wire_get_u32 (message);
  bool none;
  char **types = moss_wire_dup_strings (message, &none);

  if (!moss_wire_finished (message) || actions > 7 || !types || !root)
    {
      bool good = moss_wire_finished (message) && actions <= 7 && types;

      moss_wire_free_strings (types);
      return good;
    }
  moss_drop_enter (connection->display, root, x, y, actions, types);
  return true;
}

static bool
on_drop_motion (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossSurface *root = target_root (connection, message);
  double x = get_coordinate (message);
  double y = get_coordinate (message);
  uint32_t time = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message))
    return false;
  if (root)
    moss_drop_motion (connection->display, root, x, y, time);
  return true;
}

static bool
on_drop_leave (MossDisplayConnection *connection, MossWireMessage *message)
{
  if (!moss_wire_finished (message))
    return false;
  moss_drop_leave (connection->display);
  return true;
}

static bool
on_drop_drop (MossDisplayConnection *connection, MossWireMessage *message)
{
  if (!moss_wire_finished (message))
    return false;
  moss_drop_drop (connection->display);
  return true;
}

static const Handler handlers[] = {
  [MOSS_WIRE_ACK] = on_ack,
  [MOSS_WIRE_FRAME_DONE] = on_frame_done,
  [MOSS_WIRE_CONFIGURE] = on_configure,
  [MOSS_WIRE_POPUP_BOUNDS] = on_popup_bounds,
  [MOSS_WIRE_VISIBLE] = on_visible,
  [MOSS_WIRE_CLOSE] = on_close,
  [MOSS_WIRE_DISMISS_POPUPS] = on_dismiss_popups,
  [MOSS_WIRE_PING] = on_ping,
  [MOSS_WIRE_OUTPUT] = on_output,
  [MOSS_WIRE_WORK_AREA] = on_work_area,
  [MOSS_WIRE_POINTER_MOTION] = on_pointer_motion,
  [MOSS_WIRE_POINTER_LEAVE] = on_pointer_leave,
  [MOSS_WIRE_POINTER_BUTTON] = on_pointer_button,
  [MOSS_WIRE_POINTER_AXIS] = on_pointer_axis,
  [MOSS_WIRE_POINTER_RELATIVE] = on_pointer_relative,
  [MOSS_WIRE_KEYMAP] = on_keymap,
  [MOSS_WIRE_REPEAT] = on_repeat,
  [MOSS_WIRE_KEY_FOCUS] = on_key_focus,
  [MOSS_WIRE_KEY] = on_key,
  [MOSS_WIRE_MODIFIERS] = on_modifiers,
  [MOSS_WIRE_TOUCH_DOWN] = on_touch_down,
  [MOSS_WIRE_TOUCH_MOTION] = on_touch_motion,
  [MOSS_WIRE_TOUCH_UP] = on_touch_up,
  [MOSS_WIRE_TOUCH_CANCEL] = on_touch_cancel,
  [MOSS_WIRE_TEXT_EVENT] = on_text_event,
  [MOSS_WIRE_SET_SELECTION] = on_set_selection,
  [MOSS_WIRE_RECEIVE_SELECTION] = on_receive_selection,
  [MOSS_WIRE_DRAG_TARGET] = on_drag_target,
  [MOSS_WIRE_DRAG_RECEIVE] = on_drag_receive,
  [MOSS_WIRE_DRAG_DROPPED] = on_drag_dropped,
  [MOSS_WIRE_DRAG_FINISHED] = on_drag_finished,
  [MOSS_WIRE_DRAG_CANCEL] = on_drag_cancel,
  [MOSS_WIRE_DROP_ENTER] = on_drop_enter,
  [MOSS_WIRE_DROP_MOTION] = on_drop_motion,
  [MOSS_WIRE_DROP_LEAVE] = on_drop_leave,
  [MOSS_WIRE_DROP_DROP] = on_drop_drop,
};

bool
moss_dispatch_viewer (MossDisplayConnection *connection, MossWireMessage *message)
{
  if (message->type >= sizeof handlers / sizeof *handlers || !handlers[message->type])
    return false;
  return handlers[message->type](connection, message);
}
