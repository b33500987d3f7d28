// SPDX-License-Identifier: GPL-3.0-or-later
/* What the viewer tells the display. Each call is one message, written at once. */
#include "viewer-private.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xkbcommon/xkbcommon.h>

static gboolean
begin (MossViewer *viewer, guint type, guint id)
{
  g_return_val_if_fail (MOSS_IS_VIEWER (viewer), FALSE);
  if (viewer->closed || !viewer->wire)
    return FALSE;
  moss_wire_begin (viewer->wire, type, id);
  return TRUE;
}

static void
end (MossViewer *viewer)
{
  moss_wire_end (viewer->wire);
  moss_viewer_flush (viewer);
}

static void
put (MossViewer *viewer, guint32 value)
{
  moss_wire_put_u32 (viewer->wire, value);
}

static void
put_fixed (MossViewer *viewer, double value)
{
  moss_wire_put_i32 (viewer->wire,
                     isfinite (value) ? (int) (CLAMP (value, -1e6, 1e6) * 256) : 0);
}

static void
put_time (MossViewer *viewer, gint64 time_us)
{
  put (viewer, (guint32) (time_us / 1000));
}

static guint
id_of (MossViewerSurface *surface)
{
  return surface && !surface->removed ? surface->id : 0;
}

static void
simple (MossViewer *viewer, guint type, guint id)
{
  if (begin (viewer, type, id))
    end (viewer);
}

/* ---- windows ------------------------------------------------------------------------- */

void
moss_viewer_frame_done (MossViewer *viewer, MossViewerSurface *surface, gint64 time_us)
{
  if ((surface && surface->removed) || !begin (viewer, MOSS_WIRE_FRAME_DONE, id_of (surface)))
    return;
  if (surface)
    surface->flags &= ~MOSS_WIRE_SURFACE_WANTS_FRAME;
  put_time (viewer, time_us);
  end (viewer);
}

void
moss_viewer_configure (MossViewer *viewer,
                       MossViewerSurface *toplevel,
                       int width,
                       int height,
                       MossViewerState states)
{
  if (!begin (viewer, MOSS_WIRE_CONFIGURE, id_of (toplevel)))
    return;
  put (viewer, MAX (width, 0));
  put (viewer, MAX (height, 0));
  put (viewer, states);
  end (viewer);
}

static int
bounded (int value)
{
  return CLAMP (value, -(1 << 20), 1 << 20);
}

void
moss_viewer_set_popup_bounds (MossViewer *viewer,
                              MossViewerSurface *toplevel,
                              const MossViewerRect *bounds)
{
  if (!begin (viewer, MOSS_WIRE_POPUP_BOUNDS, id_of (toplevel)))
    return;
  put (viewer, bounds ? bounded (bounds->x) : 0);
  put (viewer, bounds ? bounded (bounds->y) : 0);
  put (viewer, bounds ? bounded (bounds->width) : 0);
  put (viewer, bounds ? bounded (bounds->height) : 0);
  end (viewer);
}

void
moss_viewer_set_visible (MossViewer *viewer, MossViewerSurface *toplevel, gboolean visible)
{
  if (!begin (viewer, MOSS_WIRE_VISIBLE, id_of (toplevel)))
    return;
  put (viewer, visible ? 1 : 0);
  end (viewer);
}

void
moss_viewer_close_toplevel (MossViewer *viewer, MossViewerSurface *toplevel)
{
  simple (viewer, MOSS_WIRE_CLOSE, id_of (toplevel));
}

void
moss_viewer_dismiss_popups (MossViewer *viewer)
{
  simple (viewer, MOSS_WIRE_DISMISS_POPUPS, 0);
}

void
moss_viewer_ping (MossViewer *viewer, MossViewerSurface *toplevel)
{
  simple (viewer, MOSS_WIRE_PING, id_of (toplevel));
}

void
moss_viewer_set_output (MossViewer *viewer,
                        int width,
                        int height,
                        guint scale_120,
                        guint refresh_mhz,
                        int width_mm,
                        int height_mm)
{
  if (!begin (viewer, MOSS_WIRE_OUTPUT, 0))
    return;
  put (viewer, CLAMP (width, 1, 1 << 20));
  put (viewer, CLAMP (height, 1, 1 << 20));
  put (viewer, CLAMP (scale_120, 30, 1920));
  put (viewer, MIN (refresh_mhz, 10000000));
  put (viewer, CLAMP (width_mm, 0, 1 << 20));
  put (viewer, CLAMP (height_mm, 0, 1 << 20));
  end (viewer);
}

void
moss_viewer_set_work_area (MossViewer *viewer, int width, int height)
{
  if (!begin (viewer, MOSS_WIRE_WORK_AREA, 0))
    return;
  put (viewer, CLAMP (width, 0, 1 << 20));
  put (viewer, CLAMP (height, 0, 1 << 20));
  end (viewer);
}

/* ---- pointer and touch --------------------------------------------------------------- */

static void
place (MossViewer *viewer, double x, double y, gint64 time_us)
{
  put_fixed (viewer, x);
  put_fixed (viewer, y);
  put_time (viewer, time_us);
  end (viewer);
}

void
moss_viewer_pointer_motion (MossViewer *viewer,
                            MossViewerSurface *surface,
                            double x,
                            double y,
                            gint64 time_us)
{
  if (begin (viewer, MOSS_WIRE_POINTER_MOTION, id_of (surface)))
    place (viewer, x, y, time_us);
}

void
moss_viewer_pointer_relative (MossViewer *viewer, double dx, double dy, gint64 time_us)
{
  if (begin (viewer, MOSS_WIRE_POINTER_RELATIVE, 0))
    place (viewer, dx, dy, time_us);
}

void
moss_viewer_pointer_leave (MossViewer *viewer)
{
  simple (viewer, MOSS_WIRE_POINTER_LEAVE, 0);
}

void
moss_viewer_pointer_button (MossViewer *viewer,
                            guint button,
                            gboolean pressed,
                            gint64 time_us)
{
  if (!begin (viewer, MOSS_WIRE_POINTER_BUTTON, 0))
    return;
  put (viewer, button);
  put (viewer, pressed ? 1 : 0);
  put_time (viewer, time_us);
  end (viewer);
}

void
moss_viewer_pointer_axis (MossViewer *viewer,
                          double dx,
                          double dy,
                          int steps_x,
                          int steps_y,
                          MossViewerAxisSource source,
                          gint64 time_us)
{
  if (!begin (viewer, MOSS_WIRE_POINTER_AXIS, 0))
    return;
  put_fixed (viewer, dx);
  put_fixed (viewer, dy);
  put (viewer, steps_x);
  put (viewer, steps_y);
  put (viewer, source);
  put_time (viewer, time_us);
  end (viewer);
}

void
moss_viewer_touch_down (MossViewer *viewer,
                        MossViewerSurface *surface,
                        int finger,
                        double x,
                        double y,
                        gint64 time_us)
{
  if (!begin (viewer, MOSS_WIRE_TOUCH_DOWN, id_of (surface)))
    return;
  put (viewer, finger);
  place (viewer, x, y, time_us);
}

void
moss_viewer_touch_motion (MossViewer *viewer, int finger, double x, double y, gint64 time_us)
{
  if (!begin (viewer, MOSS_WIRE_TOUCH_MOTION, 0))
    return;
  put (viewer, finger);
  place (viewer, x, y, time_us);
}

void
moss_viewer_touch_up (MossViewer *viewer, int finger, gint64 time_us)
{
  if (!begin (viewer, MOSS_WIRE_TOUCH_UP, 0))
    return;
  put (viewer, finger);
  put_time (viewer, time_us);
  end (viewer);
}

void
moss_viewer_touch_cancel (MossViewer *viewer)
{
  simple (viewer, MOSS_WIRE_TOUCH_CANCEL, 0);
}

/* ---- keyboard ------------------------------------------------------------------------ */

static int
memory_file (const char *text, gsize size)
{
  int fd = memfd_create ("moss-keymap", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd < 0)
    return -1;
  if (write (fd, text, size) != (gssize) size)
    {
      close (fd);
      return -1;
    }
  fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  return fd;
}

static gboolean
send_keymap (MossViewer *viewer, const char *text, GError **error)
{
  gsize size = strlen (text);
  int fd = -1;

  if (size == 0 || size >= MOSS_WIRE_MAX_KEYMAP || (fd = memory_file (text, size)) < 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                   "The keymap of %" G_GSIZE_FORMAT " bytes can't be passed on", size);
      return FALSE;
    }
  if (!begin (viewer, MOSS_WIRE_KEYMAP, 0))
    {
      close (fd);
      return TRUE;
    }
  put (viewer, size);
  moss_wire_put_fd (viewer->wire, fd);
  end (viewer);
  return TRUE;
}

static struct xkb_context *
new_context (void)
{
  struct xkb_context *context = xkb_context_new (XKB_CONTEXT_NO_FLAGS);

  if (!context)
    g_error ("out of memory");
  xkb_context_set_log_level (context, XKB_LOG_LEVEL_CRITICAL);
  return context;
}

gboolean
moss_viewer_set_keymap (MossViewer *viewer, const char *text, GError **error)
{
  struct xkb_context *context = new_context ();
  struct xkb_keymap *keymap
      = xkb_keymap_new_from_string (context, text, XKB_KEYMAP_FORMAT_TEXT_V1, 0);
  gboolean good = FALSE;

  if (keymap)
    good = send_keymap (viewer, text, error);
  else
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                         "The keymap is not valid XKB text");
  if (keymap)
    xkb_keymap_unref (keymap);
  xkb_context_unref (context);
  return good;
}

gboolean
moss_viewer_set_keymap_names (MossViewer *viewer,
                              const char *rules,
                              const char *model,
                              const char *layout,
                              const char *variant,
                              const char *options,
                              GError **error)
{
  struct xkb_rule_names names = { rules, model, layout, variant, options };
  struct xkb_context *context = new_context ();
  struct xkb_keymap *keymap = xkb_keymap_new_from_names (context, &names, 0);
  char *text = keymap ? xkb_keymap_get_as_string (keymap, XKB_KEYMAP_FORMAT_TEXT_V1) : NULL;
  gboolean good = FALSE;

  if (text)
    good = send_keymap (viewer, text, error);
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                 "There is no keyboard layout “%s” with variant “%s”",
                 layout ? layout : "default", variant ? variant : "");
  free (text);
  if (keymap)
    xkb_keymap_unref (keymap);
  xkb_context_unref (context);
  return good;
}

void
moss_viewer_set_repeat (MossViewer *viewer, guint rate, guint delay_ms)
{
  if (!begin (viewer, MOSS_WIRE_REPEAT, 0))
    return;
  put (viewer, rate);
  put (viewer, delay_ms);
  end (viewer);
}

void
moss_viewer_set_keyboard_focus (MossViewer *viewer, MossViewerSurface *toplevel)
{
  simple (viewer, MOSS_WIRE_KEY_FOCUS, id_of (toplevel));
}

void
moss_viewer_key (MossViewer *viewer, guint key, gboolean pressed, gint64 time_us)
{
  if (!begin (viewer, MOSS_WIRE_KEY, 0))
    return;
  put (viewer, key);
  put (viewer, pressed ? 1 : 0);
  put_time (viewer, time_us);
  end (viewer);
}

void
moss_viewer_set_modifiers (MossViewer *viewer,
                           guint depressed,
                           guint latched,
                           guint locked,
                           guint group)
{
  if (!begin (viewer, MOSS_WIRE_MODIFIERS, 0))
    return;
  put (viewer, depressed);
  put (viewer, latched);
  put (viewer, locked);
  put (viewer, group);
  end (viewer);
}

/* ---- input method -------------------------------------------------------------------- */

void
moss_viewer_text_input (MossViewer *viewer,
                        guint delete_before,
                        guint delete_after,
                        const char *commit,
                        const char *preedit,
                        int cursor_begin,
                        int cursor_end)
{
  int length = preedit ? (int) strlen (preedit) : 0;

  if ((commit && strlen (commit) >= 4000) || length >= 4000
      || !begin (viewer, MOSS_WIRE_TEXT_EVENT, 0))
    return;
  put (viewer, delete_before);
  put (viewer, delete_after);
  put (viewer, CLAMP (cursor_begin, -1, length));
  put (viewer, CLAMP (cursor_end, -1, length));
  put (viewer, (commit ? 1 : 0) | (preedit ? 2 : 0));
  moss_wire_put_string (viewer->wire, commit);
  moss_wire_put_string (viewer->wire, preedit);
  end (viewer);
}

/* ---- selections and drags ------------------------------------------------------------ */

void
moss_viewer_set_selection (MossViewer *viewer,
                           MossViewerSelection which,
                           const char *const *mime_types)
{
  if (!begin (viewer, MOSS_WIRE_SET_SELECTION, 0))
    return;
  put (viewer, which);
  moss_wire_put_strings (viewer->wire, mime_types);
  end (viewer);
}

void
moss_viewer_receive_selection (MossViewer *viewer,
                               MossViewerSelection which,
                               const char *mime_type,
                               int fd)
{
  if (!begin (viewer, MOSS_WIRE_RECEIVE_SELECTION, 0))
    {
      close (fd);
      return;
    }
  put (viewer, which);
  moss_wire_put_string (viewer->wire, mime_type);
  moss_wire_put_fd (viewer->wire, fd);
  end (viewer);
}

void
moss_viewer_drag_target (MossViewer *viewer, const char *mime_type, MossViewerAction action)
{
  if (!begin (viewer, MOSS_WIRE_DRAG_TARGET, 0))
    return;
  put (viewer, action);
  put (viewer, mime_type ? 1 : 0);
  moss_wire_put_string (viewer->wire, mime_type);
  end (viewer);
}

void
moss_viewer_drag_receive (MossViewer *viewer, const char *mime_type, int fd)
{
  if (!begin (viewer, MOSS_WIRE_DRAG_RECEIVE, 0))
    {
      close (fd);
      return;
    }
  moss_wire_put_string (viewer->wire, mime_type);
  moss_wire_put_fd (viewer->wire, fd);
  end (viewer);
}

void
moss_viewer_drag_dropped (MossViewer *viewer)
{
  simple (viewer, MOSS_WIRE_DRAG_DROPPED, 0);
}

void
moss_viewer_drag_finished (MossViewer *viewer, MossViewerAction action)
{
  if (!begin (viewer, MOSS_WIRE_DRAG_FINISHED, 0))
    return;
  put (viewer, action);
  end (viewer);
}

void
moss_viewer_drag_cancel (MossViewer *viewer)
{
  simple (viewer, MOSS_WIRE_DRAG_CANCEL, 0);
}

void
moss_viewer_drop_enter (MossViewer *viewer,
                        MossViewerSurface *surface,
                        double x,
                        double y,
                        const char *const *mime_types,
                        MossViewerAction actions)
{
  static const char *const none[] = { NULL };

  g_clear_pointer (&viewer->drop_type, g_free);
  viewer->drop_action = 0;
  if (!begin (viewer, MOSS_WIRE_DROP_ENTER, id_of (surface)))
    return;
  put_fixed (viewer, x);
  put_fixed (viewer, y);
  put (viewer, actions & 7);
  moss_wire_put_strings (viewer->wire, mime_types ? mime_types : none);
  end (viewer);
}

void
moss_viewer_drop_motion (MossViewer *viewer,
                         MossViewerSurface *surface,
                         double x,
                         double y,
                         gint64 time_us)
{
  if (begin (viewer, MOSS_WIRE_DROP_MOTION, id_of (surface)))
    place (viewer, x, y, time_us);
}

void
moss_viewer_drop_leave (MossViewer *viewer)
{
  simple (viewer, MOSS_WIRE_DROP_LEAVE, 0);
}

void
moss_viewer_drop_drop (MossViewer *viewer)
{
  simple (viewer, MOSS_WIRE_DROP_DROP, 0);
}
