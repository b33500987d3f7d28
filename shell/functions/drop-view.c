// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "drop-view.h"

#include "shell/format.h"
#include "vfs/files/status.h"
#include "work.h"

#include <glib/gi18n.h>

#define MAX_ROWS 200
#define PULSE_MS 100

struct _MossDropView
{
  GtkWidget parent_instance;

  MossFunctionsClient *client;
  GFile *file;
  char *name;
  GCancellable *asking;  /* what can be done with it */
  GCancellable *working; /* NULL: nothing is being done */
  gint64 began_us;
  double predicted_us;
  guint pulse;
  GtkWidget *message;
  GtkWidget *scroller;
  GtkWidget *list;
  GtkWidget *busy;
  GtkWidget *busy_label;
  GtkWidget *progress;
};

enum { DONE, SAY, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossDropView, moss_drop_view, GTK_TYPE_WIDGET)

static GtkWidget *
make_label (const char *text, const char *css_class)
{
  GtkWidget *label = gtk_label_new (text);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  if (css_class != NULL)
    gtk_widget_add_css_class (label, css_class);
  return label;
}

static void
show_message (MossDropView *self, const char *text)
{
  gtk_label_set_text (GTK_LABEL (self->message), text);
  gtk_widget_set_visible (self->message, TRUE);
  gtk_widget_set_visible (self->scroller, FALSE);
}

/* ---- doing it ------------------------------------------------------------------------ */

/* How far it is, by the estimate: it slows down towards the end and never says that it is over. */
static gboolean
on_pulse (gpointer data)
{
  MossDropView *self = data;
  double passed = (g_get_monotonic_time () - self->began_us) / MAX (self->predicted_us, 1e4);

  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (self->progress), passed / (passed + 0.35));
  return G_SOURCE_CONTINUE;
}

static void
set_busy (MossDropView *self, gboolean busy)
{
  g_clear_handle_id (&self->pulse, g_source_remove);
  gtk_widget_set_visible (self->busy, busy);
  gtk_widget_set_sensitive (self->list, !busy);
  if (!busy)
    return;
  self->began_us = g_get_monotonic_time ();
  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (self->progress), 0);
  self->pulse = g_timeout_add (PULSE_MS, on_pulse, self);
}

static void
on_worked (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossDropView) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GFile) made = moss_work_run_finish (result, &error);
  g_autofree char *text = NULL;

  g_clear_object (&self->working);
  if (self->client == NULL) /* closed meanwhile */
    return;
  set_busy (self, FALSE);
  if (made != NULL)
    {
      g_autofree char *base = g_file_get_basename (made);
      g_autofree char *name = moss_files_clean (base, 60);

      /* Translators: name of a file that was made */
      text = g_strdup_printf (_ ("“%s” is there."), name);
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    text = g_strdup (_ ("Cancelled; nothing was changed."));
  else
    text = moss_format_error (error);
  g_signal_emit (self, signals[SAY], 0, text, made);
}

static void
begin (MossDropView *self, const char *request, const char *title, double predicted_us)
{
  g_autofree char *text = NULL;

  if (self->working != NULL)
    return;
  /* Translators: name of a file, what is being made of it */
  text = g_strdup_printf (_ ("%s → %s"), self->name, title);
  gtk_label_set_text (GTK_LABEL (self->busy_label), text);
  self->predicted_us = predicted_us;
  self->working = g_cancellable_new ();
  set_busy (self, TRUE);
  moss_work_run_async (self->file, request, self->working, on_worked, g_object_ref (self));
}

void
moss_drop_view_run (MossDropView *self, const char *request)
{
  begin (self, request, request, 1e6);
}

static void
on_row_activated (GtkListBox *list, GtkListBoxRow *row, MossDropView *self)
{
  GVariant *possible = g_object_get_data (G_OBJECT (row), "possible");
  const char *request = "", *text = "";
  guint64 us = 0;

  g_variant_lookup (possible, "request", "&s", &request);
  g_variant_lookup (possible, "text", "&s", &text);
  g_variant_lookup (possible, "predicted-us", "t", &us);
  begin (self, request, *text != '\0' ? text : request, us);
}

static void
on_cancel_clicked (GtkButton *button, MossDropView *self)
{
  g_cancellable_cancel (self->working);
}

static void
on_back_clicked (GtkButton *button, MossDropView *self)
{
  g_signal_emit (self, signals[DONE], 0);
}

/* ---- what can be done ---------------------------------------------------------------- */

/* “about 0.3 s · 2 steps · loses quality” */
static char *
describe (GVariant *possible)
{
  GString *text = g_string_new (NULL);
  guint64 us = 0;
  guint32 steps = 1;
  gboolean lossy = FALSE;

  g_variant_lookup (possible, "predicted-us", "t", &us);
  g_variant_lookup (possible, "steps", "u", &steps);
  g_variant_lookup (possible, "lossy", "b", &lossy);
  if (us > 0)
    {
      g_autofree char *time = moss_format_us (us);

      /* Translators: a duration */
      g_string_append_printf (text, _ ("about %s"), time);
    }
  else
    g_string_append (text, _ ("not measured yet"));
  if (steps > 1)
    g_string_append_printf (text, ngettext (" · %u step", " · %u steps", steps), steps);
  if (lossy)
    g_string_append (text, _ (" · loses quality"));
  return g_string_free (text, FALSE);
}

static GtkWidget *
make_row (GVariant *possible)
{
  GtkWidget *row = gtk_list_box_row_new ();
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  const char *text = "", *request = "";
  g_autofree char *title = NULL;
  g_autofree char *cost = describe (possible);
  GtkWidget *name;

  g_variant_lookup (possible, "text", "&s", &text);
  g_variant_lookup (possible, "request", "&s", &request);
  title = moss_files_clean (*text != '\0' ? text : request, 80);
  name = make_label (title, "strong");
  gtk_widget_set_hexpand (name, TRUE);
  gtk_box_append (GTK_BOX (box), name);
  gtk_box_append (GTK_BOX (box), make_label (cost, "muted"));
  gtk_list_box_row_set_child (GTK_LIST_BOX_ROW (row), box);
  g_object_set_data_full (G_OBJECT (row), "possible", g_variant_ref (possible),
                          (GDestroyNotify) g_variant_unref);
  return row;
}

static void
on_possible_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  MossDropView *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) all = NULL;
  gsize n;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (answer == NULL)
    {
      g_autofree char *text = moss_format_error (error);

      show_message (self, text);
      return;
    }
  all = g_variant_get_child_value (answer, 0);
  n = MIN (g_variant_n_children (all), MAX_ROWS);
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) possible = g_variant_get_child_value (all, i);

      gtk_list_box_append (GTK_LIST_BOX (self->list), make_row (possible));
    }
  if (n == 0)
    show_message (self, _ ("Nobody offers anything for a file of this kind yet."));
  gtk_widget_set_visible (self->scroller, n > 0);
  gtk_widget_set_visible (self->message, n == 0);
}

static void
on_info_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  MossDropView *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GFileInfo) info = g_file_query_info_finish (G_FILE (source), result, &error);
  g_autofree char *caps = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (info == NULL)
    {
      show_message (self, error->message);
      return;
    }
  caps = moss_work_get_caps (info);
  moss_functions_client_ask_possible (self->client, caps, g_file_info_get_size (info),
                                      self->asking, on_possible_ready, self);
}

/* ---- the widget ---------------------------------------------------------------------- */

static GtkWidget *
make_head (MossDropView *self)
{
  GtkWidget *head = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  /* Translators: name of a file */
  g_autofree char *text = g_strdup_printf (_ ("What can be done with “%s”"), self->name);
  GtkWidget *title = make_label (text, "title");
  GtkWidget *back = gtk_button_new_with_label (_ ("Back"));

  gtk_widget_set_hexpand (title, TRUE);
  g_signal_connect (back, "clicked", G_CALLBACK (on_back_clicked), self);
  gtk_box_append (GTK_BOX (head), title);
  gtk_box_append (GTK_BOX (head), back);
  return head;
}

static GtkWidget *
make_busy (MossDropView *self)
{
  GtkWidget *cancel = gtk_button_new_with_label (_ ("Cancel"));

  self->busy = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  self->busy_label = make_label ("", NULL);
  self->progress = gtk_progress_bar_new ();
  gtk_widget_add_css_class (self->busy, "now");
  gtk_widget_add_css_class (self->progress, "thin");
  gtk_widget_add_css_class (cancel, "tinted");
  gtk_widget_set_hexpand (self->progress, TRUE);
  gtk_widget_set_valign (self->progress, GTK_ALIGN_CENTER);
  g_signal_connect (cancel, "clicked", G_CALLBACK (on_cancel_clicked), self);
  gtk_box_append (GTK_BOX (self->busy), self->busy_label);
  gtk_box_append (GTK_BOX (self->busy), self->progress);
  gtk_box_append (GTK_BOX (self->busy), cancel);
  gtk_widget_set_visible (self->busy, FALSE);
  return self->busy;
}

static void
fill (MossDropView *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 16);

  self->message = make_label (_ ("Looking…"), "muted");
  gtk_label_set_wrap (GTK_LABEL (self->message), TRUE);
  self->list = gtk_list_box_new ();
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (self->list), GTK_SELECTION_NONE);
  gtk_widget_add_css_class (self->list, "list");
  gtk_widget_set_valign (self->list, GTK_ALIGN_START);
  g_signal_connect (self->list, "row-activated", G_CALLBACK (on_row_activated), self);
  self->scroller = gtk_scrolled_window_new ();
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (self->scroller), self->list);
  gtk_widget_set_vexpand (self->scroller, TRUE);
  gtk_widget_set_visible (self->scroller, FALSE);
  gtk_box_append (GTK_BOX (box), make_head (self));
  gtk_box_append (GTK_BOX (box), self->message);
  gtk_box_append (GTK_BOX (box), self->scroller);
  gtk_box_append (GTK_BOX (box), make_busy (self));
  gtk_widget_set_parent (box, GTK_WIDGET (self));
}

static void
moss_drop_view_dispose (GObject *object)
{
  MossDropView *self = MOSS_DROP_VIEW (object);
  GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self));

  g_clear_handle_id (&self->pulse, g_source_remove);
  g_cancellable_cancel (self->asking);
  if (self->working != NULL)
    g_cancellable_cancel (self->working);
  g_clear_object (&self->asking);
  g_clear_object (&self->client);
  g_clear_object (&self->file);
  g_clear_pointer (&self->name, g_free);
  if (child != NULL)
    gtk_widget_unparent (child);
  G_OBJECT_CLASS (moss_drop_view_parent_class)->dispose (object);
}

static void
moss_drop_view_class_init (MossDropViewClass *class)
{
  G_OBJECT_CLASS (class)->dispose = moss_drop_view_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BIN_LAYOUT);
  signals[DONE] = g_signal_new ("done", MOSS_TYPE_DROP_VIEW, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                NULL, G_TYPE_NONE, 0);
  signals[SAY] = g_signal_new ("say", MOSS_TYPE_DROP_VIEW, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                               NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_FILE);
}

static void
moss_drop_view_init (MossDropView *self)
{
  self->asking = g_cancellable_new ();
}

GtkWidget *
moss_drop_view_new (MossFunctionsClient *client, GFile *file)
{
  MossDropView *self = g_object_new (MOSS_TYPE_DROP_VIEW, NULL);
  g_autofree char *base = g_file_get_basename (file);

  self->client = g_object_ref (client);
  self->file = g_object_ref (file);
  self->name = moss_files_clean (base, 60);
  fill (self);
  g_file_query_info_async (
      file, G_FILE_ATTRIBUTE_STANDARD_CONTENT_TYPE "," G_FILE_ATTRIBUTE_STANDARD_SIZE,
      G_FILE_QUERY_INFO_NONE, G_PRIORITY_DEFAULT, self->asking, on_info_ready, self);
  return GTK_WIDGET (self);
}
