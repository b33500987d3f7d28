// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-layout-report"

#include "layout-report.h"

#include "device-tile.h"

/* Tells tests and the demo where things are, so that they can use a real pointer: with
   MOSS_SHELL_LAYOUT=FILE in the environment, FILE always holds a JSON object with the windows,
   device tiles and the button of the newest toast, in coordinates of the shell's window. */

#define INTERVAL_MS 100

typedef struct
{
  MossShell *shell;
  char *path;
  char *written;
} Report;

static void
append_text (GString *out, const char *name, const char *text)
{
  g_string_append_printf (out, "\"%s\": \"", name);
  for (const char *c = text != NULL ? text : ""; *c != '\0'; c++)
    if (*c == '"' || *c == '\\' || (guchar) *c < 0x20)
      g_string_append_printf (out, "\\u%04x", (guchar) *c);
    else
      g_string_append_c (out, *c);
  g_string_append (out, "\", ");
}

static void
separate (GString *out)
{
  if (out->str[out->len - 1] != '[')
    g_string_append (out, ",\n  ");
}

/* Where a press begins a move: our own title bar, or left in the app's header bar, where
   few have a button. */
static void
append_window (Report *report, MossFrame *frame, GString *out)
{
  int title = moss_frame_get_title_height (frame);
  MossFrameRect *rect = moss_frame_rect (frame);
  MossSandbox *sandbox = moss_frame_get_sandbox (frame);
  graphene_point_t origin = { 0, 0 };
  gboolean active = moss_workspace_get_focused (report->shell->workspace) == frame;

  if (moss_frame_get_minimized (frame)
      || !gtk_widget_compute_point (GTK_WIDGET (report->shell->workspace),
                                    GTK_WIDGET (report->shell->window),
                                    &GRAPHENE_POINT_INIT (rect->x, rect->y), &origin))
    return;
  separate (out);
  g_string_append (out, "{");
  append_text (out, "id", sandbox->id);
  append_text (out, "app", sandbox->app);
  append_text (out, "title", moss_frame_get_title (frame));
  g_string_append_printf (
      out,
      "\"x\": %d, \"y\": %d, \"w\": %d, \"h\": %d, \"grab\": [%d, %d], "
      "\"content\": [%d, %d, %d, %d], \"live\": %s, \"active\": %s}",
      (int) origin.x, (int) origin.y, rect->width, rect->height + title,
      (int) origin.x + (title > 0 ? rect->width / 3 : 90), (int) origin.y + 18,
      (int) origin.x, (int) origin.y + title, rect->width, rect->height,
      moss_frame_get_surface (frame) != NULL ? "true" : "false", active ? "true" : "false");
}

static void
append_tiles (Report *report, GtkWidget *widget, GString *out)
{
  graphene_rect_t bounds;

  if (MOSS_IS_DEVICE_TILE (widget)
      && gtk_widget_compute_bounds (widget, GTK_WIDGET (report->shell->window), &bounds))
    {
      MossDevice *device = moss_device_tile_get_device (MOSS_DEVICE_TILE (widget));

      separate (out);
      g_string_append (out, "{");
      append_text (out, "device", device->id);
      append_text (out, "name", device->name);
      g_string_append_printf (out, "\"x\": %d, \"y\": %d, \"w\": %d, \"h\": %d}",
                              (int) bounds.origin.x, (int) bounds.origin.y,
                              (int) bounds.size.width, (int) bounds.size.height);
    }
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    append_tiles (report, child, out);
}

static GtkWidget *
find_button (GtkWidget *widget)
{
  GtkWidget *found = GTK_IS_BUTTON (widget) && gtk_widget_get_mapped (widget) ? widget : NULL;

  for (GtkWidget *child = gtk_widget_get_last_child (widget); child != NULL && found == NULL;
       child = gtk_widget_get_prev_sibling (child))
    found = find_button (child);
  return found;
}

static void
append_toast (Report *report, GString *out)
{
  GtkWidget *button = find_button (GTK_WIDGET (report->shell->toasts));
  graphene_rect_t bounds;

  if (button != NULL
      && gtk_widget_compute_bounds (button, GTK_WIDGET (report->shell->window), &bounds))
    g_string_append_printf (out, "[%d, %d]",
                            (int) (bounds.origin.x + bounds.size.width / 2),
                            (int) (bounds.origin.y + bounds.size.height / 2));
  else
    g_string_append (out, "null");
}

static gboolean
write_report (gpointer data)
{
  Report *report = data;
  GString *out = g_string_new (NULL);
  g_autoptr (GPtrArray) frames = moss_workspace_get_frames (report->shell->workspace);
  g_autoptr (GError) error = NULL;

  g_string_append_printf (out, "{\"width\": %d, \"height\": %d,\n \"windows\": [",
                          gtk_widget_get_width (GTK_WIDGET (report->shell->window)),
                          gtk_widget_get_height (GTK_WIDGET (report->shell->window)));
  for (guint i = 0; i < frames->len; i++)
    append_window (report, g_ptr_array_index (frames, i), out);
  g_string_append (out, "],\n \"tiles\": [");
  append_tiles (report, GTK_WIDGET (report->shell->window), out);
  g_string_append (out, "],\n \"toast\": ");
  append_toast (report, out);
  g_string_append (out, "}\n");
  if (g_strcmp0 (out->str, report->written) == 0)
    {
      g_string_free (out, TRUE);
      return G_SOURCE_CONTINUE;
    }
  if (!g_file_set_contents (report->path, out->str, out->len, &error))
    g_warning ("%s", error->message);
  g_free (report->written);
  report->written = g_string_free (out, FALSE);
  return G_SOURCE_CONTINUE;
}

/* Does nothing unless the environment asks for it; goes on until the program ends. */
void
moss_layout_report_start (MossShell *shell)
{
  const char *path = g_getenv ("MOSS_SHELL_LAYOUT");
  Report *report;

  if (path == NULL || *path == '\0')
    return;
  report = g_new0 (Report, 1);
  report->shell = shell;
  report->path = g_strdup (path);
  g_timeout_add (INTERVAL_MS, write_report, report);
}
