// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A viewer without a screen: attaches to a display, keeps windows on a canvas, follows a
 * script on standard input, draws to PNG and prints state as JSON. For tests.
 *
 *   moss-viewer-shot SOCKET [WIDTH HEIGHT]
 *
 * Commands, one a line; each answers with a line that begins with "ok" or "error":
 *   wait MS · settle MS (nothing changed for so long) · windows N (wait for so many)
 *   shot FILE · state · frames (commits since the last time)
 *   move X Y · press BUTTON · release BUTTON · click · leave · scroll STEPS
 *   focus INDEX|none · key CODE · down CODE · up CODE · keymap LAYOUT [VARIANT]
 *   mods DEPRESSED LATCHED LOCKED GROUP
 *   configure INDEX W H STATES · close INDEX · dismiss · visible INDEX 0|1 · pause 0|1
 *   output W H SCALE120 · offer WHICH MIME TEXT · paste WHICH MIME · text COMMIT
 *   preedit TEXT · touch X Y · drop X Y MIME TEXT · drag-out MIME · quit
 */
#include <cairo.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "viewer.h"

typedef struct
{
  MossViewer *viewer;
  GPtrArray *windows, *popups; /* referenced */
  int width, height;
  gint64 last_change;
  guint commits, frame_timer;
  gboolean paused, ended;
  char *offered[2];
  char *dropped;
  GString *requests;
  int drop_action;
  double x, y;
} Shot;

static void
answer (const char *format, ...) G_GNUC_PRINTF (1, 2);

static void
answer (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  putchar ('\n');
  fflush (stdout);
}

/* ---- windows ------------------------------------------------------------------------- */

/* Canvas position of a surface's origin: windows in a cascade by their order. */
static void
origin (Shot *shot, MossViewerSurface *surface, int *x, int *y)
{
  *x = *y = 0;
  while (surface && moss_viewer_surface_get_role (surface) == MOSS_VIEWER_ROLE_POPUP)
    {
      int dx, dy;

      moss_viewer_surface_get_offset (surface, &dx, &dy);
      *x += dx;
      *y += dy;
      surface = moss_viewer_surface_get_parent (surface);
    }
  for (guint i = 0; surface && i < shot->windows->len; i++)
    if (shot->windows->pdata[i] == surface)
      {
        MossViewerRect geometry;

        moss_viewer_surface_get_geometry (surface, &geometry);
        *x += 40 + 40 * (int) i - geometry.x;
        *y += 40 + 40 * (int) i - geometry.y;
      }
}

static gboolean
on_frame (gpointer data)
{
  Shot *shot = data;
  GPtrArray *lists[] = { shot->windows, shot->popups };
  gint64 now = g_get_monotonic_time ();

  shot->frame_timer = 0;
  if (shot->paused || shot->ended)
    return G_SOURCE_REMOVE;
  for (guint l = 0; l < 2; l++)
    for (guint i = 0; i < lists[l]->len; i++)
      if (moss_viewer_surface_get_wants_frame (lists[l]->pdata[i]))
        moss_viewer_frame_done (shot->viewer, lists[l]->pdata[i], now);
  moss_viewer_frame_done (shot->viewer, NULL, now);
  return G_SOURCE_REMOVE;
}

static void
want_frame (Shot *shot)
{
  if (!shot->frame_timer && !shot->paused)
    shot->frame_timer = g_timeout_add (16, on_frame, shot);
}

static void
on_commit (MossViewerSurface *surface, Shot *shot)
{
  shot->last_change = g_get_monotonic_time ();
  shot->commits++;
}

static void
on_wants_frame (MossViewerSurface *surface, Shot *shot)
{
  want_frame (shot);
}

static void
on_removed (MossViewerSurface *surface, Shot *shot)
{
  shot->last_change = g_get_monotonic_time ();
  g_ptr_array_remove (shot->windows, surface);
  g_ptr_array_remove (shot->popups, surface);
}

static void
note (Shot *shot, const char *what)
{
  g_string_append_printf (shot->requests, "%s\"%s\"", shot->requests->len ? "," : "", what);
}

static void
on_move (MossViewerSurface *surface, Shot *shot)
{
  note (shot, "move");
}

static void
on_resize (MossViewerSurface *surface, guint edge, Shot *shot)
{
  note (shot, "resize");
}

static void
on_menu (MossViewerSurface *surface, int x, int y, Shot *shot)
{
  note (shot, "menu");
}

static void
on_minimize (MossViewerSurface *surface, Shot *shot)
{
  note (shot, "minimize");
}

static void
on_maximize (MossViewerSurface *surface, gboolean on, Shot *shot)
{
  note (shot, on ? "maximize" : "unmaximize");
}

static void
on_activate (MossViewerSurface *surface, gboolean trusted, Shot *shot)
{
  note (shot, trusted ? "activate" : "activate-untrusted");
}

static void
on_added (MossViewer *viewer, MossViewerSurface *surface, Shot *shot)
{
  gboolean toplevel = moss_viewer_surface_get_role (surface) == MOSS_VIEWER_ROLE_TOPLEVEL;

  g_ptr_array_add (toplevel ? shot->windows : shot->popups, g_object_ref (surface));
  g_signal_connect (surface, "commit", G_CALLBACK (on_commit), shot);
  g_signal_connect (surface, "removed", G_CALLBACK (on_removed), shot);
  g_signal_connect (surface, "wants-frame", G_CALLBACK (on_wants_frame), shot);
  g_signal_connect (surface, "request-move", G_CALLBACK (on_move), shot);
  g_signal_connect (surface, "request-resize", G_CALLBACK (on_resize), shot);
  g_signal_connect (surface, "request-menu", G_CALLBACK (on_menu), shot);
  g_signal_connect (surface, "request-minimize", G_CALLBACK (on_minimize), shot);
  g_signal_connect (surface, "request-maximize", G_CALLBACK (on_maximize), shot);
  g_signal_connect (surface, "request-activate", G_CALLBACK (on_activate), shot);
  shot->last_change = g_get_monotonic_time ();
  shot->commits++;
  if (toplevel && shot->windows->len == 1)
    {
      MossViewerRect bounds = { -40, -40, shot->width, shot->height };

      moss_viewer_set_keyboard_focus (viewer, surface);
      moss_viewer_configure (viewer, surface, 0, 0, MOSS_VIEWER_STATE_ACTIVATED);
      moss_viewer_set_popup_bounds (viewer, surface, &bounds);
    }
  want_frame (shot);
}

static void
on_closed (MossViewer *viewer, GError *error, Shot *shot)
{
  answer ("closed %d %s", error->code, error->message);
  shot->ended = TRUE;
}

static void
write_all (int fd, const char *text)
{
  if (write (fd, text, strlen (text)) < 0)
    answer ("error write");
  close (fd);
}

static gboolean
on_selection_requested (MossViewer *viewer, guint which, const char *mime, int fd, Shot *shot)
{
  if (!shot->offered[which])
    return FALSE;
  write_all (fd, shot->offered[which]);
  return TRUE;
}

static gboolean
on_drop_requested (MossViewer *viewer, const char *mime, int fd, Shot *shot)
{
  if (!shot->dropped)
    return FALSE;
  write_all (fd, shot->dropped);
  return TRUE;
}

static void
on_drop_finished (MossViewer *viewer, guint action, Shot *shot)
{
  shot->drop_action = action;
}

/* ---- drawing ------------------------------------------------------------------------- */

/* From buffer pixels to the logical rectangle 0,0 w×h. */
static void
set_matrix (cairo_t *cr, MossViewerSurface *surface)
{
  MossViewerArea area;
  MossViewerTransform transform = moss_viewer_surface_get_transform (surface);
  int width, height, bw, bh;

  moss_viewer_surface_get_size (surface, &width, &height);
  moss_viewer_surface_get_buffer_size (surface, &bw, &bh);
  moss_viewer_surface_get_source (surface, &area);
  cairo_rectangle (cr, 0, 0, width, height);
  cairo_clip (cr);
  cairo_scale (cr, width / area.width, height / area.height);
  cairo_translate (cr, -area.x, -area.y);
  switch (transform & 3)
    {
    case 1:
      cairo_translate (cr, bh, 0);
      cairo_rotate (cr, G_PI / 2);
      break;
    case 2:
      cairo_translate (cr, bw, bh);
      cairo_rotate (cr, G_PI);
      break;
    case 3:
      cairo_translate (cr, 0, bw);
      cairo_rotate (cr, -G_PI / 2);
      break;
    default:
      break;
    }
  if (transform & 4)
    {
      cairo_translate (cr, bw, 0);
      cairo_scale (cr, -1, 1);
    }
}

static void
draw_one (cairo_t *cr, MossViewerSurface *surface)
{
  int width, height;
  g_autoptr (GBytes) bytes = moss_viewer_surface_ref_pixels (surface, &width, &height);
  cairo_surface_t *image;

  if (!bytes)
    return;
  image = cairo_image_surface_create_for_data (
      (guchar *) g_bytes_get_data (bytes, NULL), CAIRO_FORMAT_ARGB32, width, height,
      width * 4);
  cairo_save (cr);
  set_matrix (cr, surface);
  cairo_set_source_surface (cr, image, 0, 0);
  cairo_paint (cr);
  cairo_restore (cr);
  cairo_surface_destroy (image);
}

static void
draw_tree (cairo_t *cr, MossViewerSurface *surface, int depth)
{
  GPtrArray *stack = moss_viewer_surface_get_stack (surface);

  for (guint i = 0; i < stack->len; i++)
    {
      MossViewerSurface *child = stack->pdata[i];
      int x, y;

      if (child == surface)
        {
          draw_one (cr, surface);
          continue;
        }
      moss_viewer_surface_get_offset (child, &x, &y);
      cairo_save (cr);
      cairo_translate (cr, x, y);
      if (depth < 32)
        draw_tree (cr, child, depth + 1);
      cairo_restore (cr);
    }
}

static void
draw_at (Shot *shot, cairo_t *cr, MossViewerSurface *surface)
{
  int x, y;

  origin (shot, surface, &x, &y);
  cairo_save (cr);
  cairo_translate (cr, x, y);
  draw_tree (cr, surface, 0);
  cairo_restore (cr);
}

static void
shoot (Shot *shot, const char *path)
{
  cairo_surface_t *image
      = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, shot->width, shot->height);
  cairo_t *cr = cairo_create (image);
  MossViewerSurface *cursor;
  int hot_x, hot_y;

  cairo_set_source_rgb (cr, 0.25, 0.35, 0.3);
  cairo_paint (cr);
  for (guint i = 0; i < shot->windows->len; i++)
    draw_at (shot, cr, shot->windows->pdata[i]);
  for (guint i = 0; i < shot->popups->len; i++)
    draw_at (shot, cr, shot->popups->pdata[i]);
  cursor = moss_viewer_get_cursor_surface (shot->viewer, &hot_x, &hot_y);
  if (cursor && shot->x > 0)
    {
      cairo_translate (cr, shot->x - hot_x, shot->y - hot_y);
      draw_tree (cr, cursor, 0);
    }
  cairo_destroy (cr);
  if (cairo_surface_write_to_png (image, path) == CAIRO_STATUS_SUCCESS)
    answer ("ok %s", path);
  else
    answer ("error %s can't be written", path);
  cairo_surface_destroy (image);
}

/* ---- JSON ---------------------------------------------------------------------------- */

static void
put_string (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (const char *p = text; p && *p; p++)
    if (*p == '"' || *p == '\\')
      g_string_append_printf (out, "\\%c", *p);
    else if ((guchar) *p < 0x20)
      g_string_append_printf (out, "\\u%04x", *p);
    else
      g_string_append_c (out, *p);
  g_string_append_c (out, '"');
}

static void
put_list (GString *out, const char *const *strings)
{
  if (!strings)
    {
      g_string_append (out, "null");
      return;
    }
  g_string_append_c (out, '[');
  for (guint i = 0; strings[i]; i++)
    {
      if (i)
        g_string_append_c (out, ',');
      put_string (out, strings[i]);
    }
  g_string_append_c (out, ']');
}

static void
put_window (Shot *shot, GString *out, MossViewerSurface *surface)
{
  MossViewerSurface *parent = moss_viewer_surface_get_parent (surface);
  MossViewerRect g;
  int x, y, w, h, bw, bh, minw, minh;

  origin (shot, surface, &x, &y);
  moss_viewer_surface_get_geometry (surface, &g);
  moss_viewer_surface_get_size (surface, &w, &h);
  moss_viewer_surface_get_buffer_size (surface, &bw, &bh);
  moss_viewer_surface_get_min_size (surface, &minw, &minh);
  g_string_append_printf (
      out,
      "{\"id\":%u,\"parent\":%u,\"x\":%d,\"y\":%d,\"width\":%d,\"height\":%d,"
      "\"geometry\":[%d,%d,%d,%d],\"buffer\":[%d,%d],\"scale\":%d,\"stack\":%u,"
      "\"states\":%u,\"server_decorated\":%s,\"opaque\":%s,\"grabs\":%s,"
      "\"responsive\":%s,\"inhibits_idle\":%s,\"min\":[%d,%d],\"title\":",
      moss_viewer_surface_get_id (surface), parent ? moss_viewer_surface_get_id (parent) : 0,
      x, y, w, h, g.x, g.y, g.width, g.height, bw, bh,
      moss_viewer_surface_get_scale (surface), moss_viewer_surface_get_stack (surface)->len,
      moss_viewer_surface_get_states (surface),
      moss_viewer_surface_get_server_decorated (surface) ? "true" : "false",
      moss_viewer_surface_get_opaque (surface) ? "true" : "false",
      moss_viewer_surface_get_grabs (surface) ? "true" : "false",
      moss_viewer_surface_get_responsive (surface) ? "true" : "false",
      moss_viewer_surface_get_inhibits_idle (surface) ? "true" : "false", minw, minh);
  put_string (out, moss_viewer_surface_get_title (surface));
  g_string_append (out, ",\"app_id\":");
  put_string (out, moss_viewer_surface_get_app_id (surface));
  g_string_append_c (out, '}');
}

static void
put_windows (Shot *shot, GString *out, GPtrArray *list)
{
  g_string_append_c (out, '[');
  for (guint i = 0; i < list->len; i++)
    {
      if (i)
        g_string_append_c (out, ',');
      put_window (shot, out, list->pdata[i]);
    }
  g_string_append_c (out, ']');
}

static void
print_state (Shot *shot)
{
  g_autoptr (GString) out = g_string_new ("ok {\"windows\":");
  const MossViewerTextInput *text = moss_viewer_get_text_input (shot->viewer);

  put_windows (shot, out, shot->windows);
  g_string_append (out, ",\"popups\":");
  put_windows (shot, out, shot->popups);
  g_string_append (out, ",\"cursor\":");
  if (moss_viewer_get_cursor_name (shot->viewer))
    put_string (out, moss_viewer_get_cursor_name (shot->viewer));
  else
    g_string_append (out, "null");
  g_string_append (out, ",\"clipboard\":");
  put_list (out, moss_viewer_get_selection (shot->viewer, 0));
  g_string_append (out, ",\"primary\":");
  put_list (out, moss_viewer_get_selection (shot->viewer, 1));
  g_string_append (out, ",\"drag\":");
  put_list (out, moss_viewer_get_drag_mime_types (shot->viewer));
  g_string_append_printf (out,
                          ",\"drop_action\":%d,\"drop_finished\":%d,"
                          "\"text_input\":{\"enabled\":%s,\"cursor\":%u,\"surrounding\":",
                          moss_viewer_get_drop_action (shot->viewer), shot->drop_action,
                          text->enabled ? "true" : "false", text->cursor);
  put_string (out, text->surrounding);
  g_string_append_printf (out, "},\"requests\":[%s]}", shot->requests->str);
  answer ("%s", out->str);
}

/* ---- waiting ------------------------------------------------------------------------- */

static gboolean
on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

static void
spin_until (gint64 until)
{
  guint tick = g_timeout_add (5, on_tick, NULL);

  while (g_get_monotonic_time () < until)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
}

static void
settle (Shot *shot, int ms)
{
  gint64 deadline = g_get_monotonic_time () + 15 * G_USEC_PER_SEC;
  gint64 quiet = ms * 1000;

  shot->last_change = MAX (shot->last_change, g_get_monotonic_time () - quiet / 2);
  while (!shot->ended && g_get_monotonic_time () < deadline
         && g_get_monotonic_time () - shot->last_change < quiet)
    spin_until (MIN (deadline, shot->last_change + quiet));
}

static gboolean
wait_windows (Shot *shot, guint n)
{
  gint64 deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

  while (!shot->ended && shot->windows->len != n && g_get_monotonic_time () < deadline)
    spin_until (g_get_monotonic_time () + 10000);
  return shot->windows->len == n;
}

/* ---- input --------------------------------------------------------------------------- */

static gboolean
accepts (MossViewerSurface *surface, double x, double y, int depth)
{
  GPtrArray *stack = moss_viewer_surface_get_stack (surface);

  for (guint i = 0; i < stack->len; i++)
    {
      MossViewerSurface *child = stack->pdata[i];
      int dx, dy;

      if (child == surface)
        {
          if (moss_viewer_surface_accepts_input (surface, x, y))
            return TRUE;
          continue;
        }
      moss_viewer_surface_get_offset (child, &dx, &dy);
      if (depth < 16 && accepts (child, x - dx, y - dy, depth + 1))
        return TRUE;
    }
  return FALSE;
}

static MossViewerSurface *
pick (Shot *shot, double *x, double *y)
{
  GPtrArray *lists[] = { shot->popups, shot->windows };

  for (guint l = 0; l < 2; l++)
    for (guint i = lists[l]->len; i-- > 0;)
      {
        int ox, oy;

        origin (shot, lists[l]->pdata[i], &ox, &oy);
        if (!accepts (lists[l]->pdata[i], *x - ox, *y - oy, 0))
          continue;
        *x -= ox;
        *y -= oy;
        return lists[l]->pdata[i];
      }
  return NULL;
}

static void
move (Shot *shot, double x, double y)
{
  MossViewerSurface *surface;

  shot->x = x;
  shot->y = y;
  surface = pick (shot, &x, &y);
  if (surface)
    moss_viewer_pointer_motion (shot->viewer, surface, x, y, g_get_monotonic_time ());
  else
    moss_viewer_pointer_leave (shot->viewer);
}

static void
button (Shot *shot, guint code, gboolean pressed)
{
  moss_viewer_pointer_button (shot->viewer, code, pressed, g_get_monotonic_time ());
}

static void
key (Shot *shot, guint code, gboolean pressed)
{
  moss_viewer_key (shot->viewer, code, pressed, g_get_monotonic_time ());
}

static void
read_pipe (int fd)
{
  g_autoptr (GString) text = g_string_new (NULL);
  gint64 deadline = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;
  char bytes[4096];
  gssize n = -1;

  fcntl (fd, F_SETFL, O_NONBLOCK);
  while (g_get_monotonic_time () < deadline && n != 0)
    {
      n = read (fd, bytes, sizeof bytes);
      if (n > 0)
        g_string_append_len (text, bytes, n);
      else if (n < 0)
        spin_until (g_get_monotonic_time () + 5000);
    }
  close (fd);
  g_strdelimit (text->str, "\n", ' ');
  answer (n == 0 ? "ok %s" : "error no end of data: %s", text->str);
}

static void
paste (Shot *shot, guint which, const char *mime)
{
  int fds[2];

  if (!g_unix_open_pipe (fds, FD_CLOEXEC, NULL))
    return;
  moss_viewer_receive_selection (shot->viewer, which, mime, fds[1]);
  read_pipe (fds[0]);
}

static void
offer (Shot *shot, guint which, const char *mime, const char *text)
{
  const char *const types[] = { mime, NULL };

  g_free (shot->offered[which]);
  shot->offered[which] = g_strdup (text);
  moss_viewer_set_selection (shot->viewer, which, text ? types : NULL);
}

static void
drop (Shot *shot, double x, double y, const char *mime, const char *text)
{
  const char *const types[] = { mime, NULL };
  MossViewerSurface *surface = pick (shot, &x, &y);

  if (!surface)
    {
      answer ("error nothing there");
      return;
    }
  g_free (shot->dropped);
  shot->dropped = g_strdup (text);
  shot->drop_action = -1;
  moss_viewer_drop_enter (shot->viewer, surface, x, y, types, MOSS_VIEWER_ACTION_COPY);
  for (int i = 0; i < 5; i++)
    {
      moss_viewer_drop_motion (shot->viewer, surface, x + i, y, g_get_monotonic_time ());
      spin_until (g_get_monotonic_time () + 50000);
    }
  moss_viewer_drop_drop (shot->viewer);
  settle (shot, 300);
  answer ("ok %d", shot->drop_action);
}

/* The shell's part when an app's drag is let go over somebody else. */
static void
drag_out (Shot *shot, const char *mime)
{
  int fds[2];

  if (!moss_viewer_get_drag_active (shot->viewer) || !g_unix_open_pipe (fds, FD_CLOEXEC, NULL))
    {
      answer ("error no drag");
      return;
    }
  moss_viewer_pointer_leave (shot->viewer);
  moss_viewer_drag_target (shot->viewer, mime, MOSS_VIEWER_ACTION_COPY);
  moss_viewer_drag_dropped (shot->viewer);
  moss_viewer_drag_receive (shot->viewer, mime, fds[1]);
  read_pipe (fds[0]);
  moss_viewer_drag_finished (shot->viewer, MOSS_VIEWER_ACTION_COPY);
}

/* ---- the script ---------------------------------------------------------------------- */

static MossViewerSurface *
window_at (Shot *shot, const char *word)
{
  guint i = word ? (guint) atoi (word) : 0;

  return i < shot->windows->len && g_strcmp0 (word, "none") != 0 ? shot->windows->pdata[i]
                                                                  : NULL;
}

static gboolean
run_input (Shot *shot, char **w, guint n)
{
  gint64 now = g_get_monotonic_time ();

  if (!strcmp (w[0], "move") && n == 3)
    move (shot, atof (w[1]), atof (w[2]));
  else if (!strcmp (w[0], "press") && n == 2)
    button (shot, atoi (w[1]), TRUE);
  else if (!strcmp (w[0], "release") && n == 2)
    button (shot, atoi (w[1]), FALSE);
  else if (!strcmp (w[0], "click"))
    {
      button (shot, 0x110, TRUE);
      spin_until (now + 30000);
      button (shot, 0x110, FALSE);
    }
  else if (!strcmp (w[0], "leave"))
    moss_viewer_pointer_leave (shot->viewer);
  else if (!strcmp (w[0], "scroll") && n == 2)
    moss_viewer_pointer_axis (shot->viewer, 0, 10 * atoi (w[1]), 0, 120 * atoi (w[1]),
                              MOSS_VIEWER_AXIS_SOURCE_WHEEL, now);
  else if (!strcmp (w[0], "down") && n == 2)
    key (shot, atoi (w[1]), TRUE);
  else if (!strcmp (w[0], "up") && n == 2)
    key (shot, atoi (w[1]), FALSE);
  else if (!strcmp (w[0], "key") && n == 2)
    {
      key (shot, atoi (w[1]), TRUE);
      key (shot, atoi (w[1]), FALSE);
    }
  else if (!strcmp (w[0], "mods") && n == 5)
    moss_viewer_set_modifiers (shot->viewer, atoi (w[1]), atoi (w[2]), atoi (w[3]),
                               atoi (w[4]));
  else if (!strcmp (w[0], "touch") && n == 3)
    {
      double x = atof (w[1]), y = atof (w[2]);
      MossViewerSurface *surface = pick (shot, &x, &y);

      moss_viewer_touch_down (shot->viewer, surface, 1, x, y, now);
      spin_until (now + 30000);
      moss_viewer_touch_up (shot->viewer, 1, g_get_monotonic_time ());
    }
  else
    return FALSE;
  return TRUE;
}

static gboolean
run_window (Shot *shot, char **w, guint n)
{
  MossViewerSurface *window = window_at (shot, n > 1 ? w[1] : NULL);

  if (!strcmp (w[0], "focus") && n == 2)
    moss_viewer_set_keyboard_focus (shot->viewer, window);
  else if (!strcmp (w[0], "configure") && n == 5 && window)
    moss_viewer_configure (shot->viewer, window, atoi (w[2]), atoi (w[3]), atoi (w[4]));
  else if (!strcmp (w[0], "close") && window)
    moss_viewer_close_toplevel (shot->viewer, window);
  else if (!strcmp (w[0], "visible") && n == 3 && window)
    moss_viewer_set_visible (shot->viewer, window, atoi (w[2]));
  else if (!strcmp (w[0], "dismiss"))
    moss_viewer_dismiss_popups (shot->viewer);
  else if (!strcmp (w[0], "ping") && window)
    moss_viewer_ping (shot->viewer, window);
  else if (!strcmp (w[0], "output") && n == 4)
    moss_viewer_set_output (shot->viewer, atoi (w[1]), atoi (w[2]), atoi (w[3]), 60000, 0, 0);
  else if (!strcmp (w[0], "pause") && n == 2)
    {
      shot->paused = atoi (w[1]);
      want_frame (shot);
    }
  else
    return FALSE;
  return TRUE;
}

/* Those that print their own answer. */
static gboolean
run_query (Shot *shot, char **w, guint n)
{
  g_autoptr (GError) error = NULL;

  if (!strcmp (w[0], "shot") && n == 2)
    shoot (shot, w[1]);
  else if (!strcmp (w[0], "state"))
    print_state (shot);
  else if (!strcmp (w[0], "frames"))
    {
      answer ("ok %u", shot->commits);
      shot->commits = 0;
    }
  else if (!strcmp (w[0], "windows") && n == 2)
    {
      gboolean good = wait_windows (shot, atoi (w[1]));

      answer ("%s %u", good ? "ok" : "error", shot->windows->len);
    }
  else if (!strcmp (w[0], "paste") && n == 3)
    paste (shot, atoi (w[1]), w[2]);
  else if (!strcmp (w[0], "drop") && n == 5)
    drop (shot, atof (w[1]), atof (w[2]), w[3], w[4]);
  else if (!strcmp (w[0], "drag-out") && n == 2)
    drag_out (shot, w[1]);
  else if (!strcmp (w[0], "keymap") && n >= 2)
    answer (moss_viewer_set_keymap_names (shot->viewer, NULL, NULL, w[1],
                                          n > 2 ? w[2] : NULL, NULL, &error)
                ? "ok%s"
                : "error %s",
            error ? error->message : "");
  else
    return FALSE;
  return TRUE;
}

static gboolean
run (Shot *shot, char **w, guint n)
{
  if (run_query (shot, w, n))
    return TRUE;
  if (run_input (shot, w, n) || run_window (shot, w, n))
    ;
  else if (!strcmp (w[0], "wait") && n == 2)
    spin_until (g_get_monotonic_time () + atoi (w[1]) * 1000);
  else if (!strcmp (w[0], "settle") && n == 2)
    settle (shot, atoi (w[1]));
  else if (!strcmp (w[0], "offer") && n == 4)
    offer (shot, atoi (w[1]), w[2], w[3]);
  else if (!strcmp (w[0], "offer") && n == 2)
    offer (shot, atoi (w[1]), NULL, NULL);
  else if (!strcmp (w[0], "text") && n == 2)
    moss_viewer_text_input (shot->viewer, 0, 0, w[1], NULL, 0, 0);
  else if (!strcmp (w[0], "preedit") && n == 2)
    moss_viewer_text_input (shot->viewer, 0, 0, NULL, w[1], strlen (w[1]), strlen (w[1]));
  else
    {
      answer ("error what is “%s” with %u words?", w[0], n);
      return TRUE;
    }
  spin_until (g_get_monotonic_time () + 2000);
  answer ("ok");
  return TRUE;
}

static gboolean
on_line (gint fd, GIOCondition condition, gpointer data)
{
  Shot *shot = data;
  static GString *pending;
  char bytes[4096];
  gssize n = read (fd, bytes, sizeof bytes);
  char *newline;

  if (!pending)
    pending = g_string_new (NULL);
  if (n <= 0)
    {
      shot->ended = TRUE;
      return G_SOURCE_REMOVE;
    }
  g_string_append_len (pending, bytes, n);
  while (!shot->ended && (newline = strchr (pending->str, '\n')))
    {
      g_autofree char *line = g_strndup (pending->str, newline - pending->str);
      g_auto (GStrv) words = NULL;
      int count = 0;

      g_string_erase (pending, 0, newline - pending->str + 1);
      if (!g_shell_parse_argv (line, &count, &words, NULL) || count == 0)
        continue;
      if (!strcmp (words[0], "quit"))
        shot->ended = TRUE;
      else
        run (shot, words, count);
    }
  return G_SOURCE_CONTINUE;
}

static int
connect_to (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) != 0)
    {
      perror (path);
      exit (1);
    }
  return fd;
}

int
main (int argc, char **argv)
{
  Shot shot = { .width = argc > 3 ? atoi (argv[2]) : 1280,
                .height = argc > 3 ? atoi (argv[3]) : 900,
                .drop_action = -1 };

  if (argc < 2)
    {
      fprintf (stderr, "usage: moss-viewer-shot SOCKET [WIDTH HEIGHT]\n");
      return 2;
    }
  shot.windows = g_ptr_array_new_with_free_func (g_object_unref);
  shot.popups = g_ptr_array_new_with_free_func (g_object_unref);
  shot.requests = g_string_new (NULL);
  shot.viewer = moss_viewer_new (connect_to (argv[1]));
  g_signal_connect (shot.viewer, "surface-added", G_CALLBACK (on_added), &shot);
  g_signal_connect (shot.viewer, "closed", G_CALLBACK (on_closed), &shot);
  g_signal_connect (shot.viewer, "selection-requested",
                    G_CALLBACK (on_selection_requested), &shot);
  g_signal_connect (shot.viewer, "drop-requested", G_CALLBACK (on_drop_requested), &shot);
  g_signal_connect (shot.viewer, "drop-finished", G_CALLBACK (on_drop_finished), &shot);
  moss_viewer_set_output (shot.viewer, shot.width, shot.height, 120, 60000, 0, 0);
  moss_viewer_set_work_area (shot.viewer, shot.width, shot.height);
  g_unix_fd_add (0, G_IO_IN | G_IO_HUP, on_line, &shot);
  while (!shot.ended)
    g_main_context_iteration (NULL, TRUE);
  moss_viewer_close (shot.viewer);
  g_object_unref (shot.viewer);
  g_ptr_array_unref (shot.windows);
  g_ptr_array_unref (shot.popups);
  g_string_free (shot.requests, TRUE);
  g_free (shot.offered[0]);
  g_free (shot.offered[1]);
  g_free (shot.dropped);
  return 0;
}
