// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "drop-view.h"

#include "running-row.h"
#include "shell/format.h"
#include "vfs/files/status.h"
#include "work.h"

#include <glib/gi18n.h>

#define MAX_ROWS 200

struct _MossDropView
{
  GtkWidget parent_instance;

  MossFunctionsClient *client;
  GFile *file;
  char *name;
  char *caps;            /* NULL: not known yet */
  guint64 bytes;
  GVariant *shown;       /* of Possible, or NULL */
  GCancellable *asking;  /* what can be done with it */
  GCancellable *working; /* NULL: nothing is being done */
  GtkWidget *box;
  GtkWidget *message;
  GtkWidget *scroller;
  GtkWidget *list;
  GtkWidget *row; /* MossRunningRow while something is being done */
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

static void
on_cancel (MossRunningRow *row, MossDropView *self)
{
  g_cancellable_cancel (self->working);
}

static void
show_row (MossDropView *self, const char *text, guint64 predicted_us)
{
  self->row = moss_running_row_new (text, g_get_monotonic_time (), predicted_us);
  g_signal_connect (self->row, "cancel", G_CALLBACK (on_cancel), self);
  gtk_box_append (GTK_BOX (self->box), self->row);
  gtk_widget_set_sensitive (self->list, FALSE);
}

static void
hide_row (MossDropView *self)
{
  gtk_box_remove (GTK_BOX (self->box), self->row);
  self->row = NULL;
  gtk_widget_set_sensitive (self->list, TRUE);
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
  hide_row (self);
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
begin (MossDropView *self, const char *request, const char *title, guint64 predicted_us)
{
  g_autofree char *text = NULL;

  if (self->working != NULL)
    return;
  /* Translators: name of a file, what is being made of it */
  text = g_strdup_printf (_ ("%s → %s"), self->name, title);
  self->working = g_cancellable_new ();
  show_row (self, text, predicted_us);
  moss_work_run_async (self->file, request, self->working, on_worked, g_object_ref (self));
}

void
moss_drop_view_run (MossDropView *self, const char *request)
{
  g_autofree char *title = moss_request_title (request);

  begin (self, request, title, 0);
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
show_possible (MossDropView *self, GVariant *all)
{
  gsize n = MIN (g_variant_n_children (all), MAX_ROWS);
  GtkWidget *row;

  g_clear_pointer (&self->shown, g_variant_unref);
  self->shown = g_variant_ref (all);
  while ((row = gtk_widget_get_first_child (self->list)) != NULL)
    gtk_list_box_remove (GTK_LIST_BOX (self->list), row);
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
on_possible_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  MossDropView *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) all = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (answer == NULL)
    {
      g_autofree char *text = moss_format_error (error);

      g_clear_pointer (&self->shown, g_variant_unref);
      show_message (self, text);
      return;
    }
  all = g_variant_get_child_value (answer, 0);
  if (self->working == NULL && (self->shown == NULL || !g_variant_equal (self->shown, all)))
    show_possible (self, all);
}

static void
ask (MossDropView *self)
{
  if (self->caps != NULL)
    moss_functions_client_ask_possible (self->client, self->caps, self->bytes, self->asking,
                                        on_possible_ready, self);
}

/* Others offer something, costs were learned, or the broker is back. */
static void
on_offers_changed (MossFunctionsClient *client, MossDropView *self)
{
  if (moss_functions_client_get_problem (client) == NULL)
    ask (self);
}

static void
on_info_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  MossDropView *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GFileInfo) info = g_file_query_info_finish (G_FILE (source), result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (info == NULL)
    {
      show_message (self, error->message);
      return;
    }
  self->caps = moss_work_get_caps (info);
  self->bytes = g_file_info_get_size (info);
  ask (self);
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

static void
fill (MossDropView *self)
{
  GtkWidget *box = self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 16);

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
  gtk_widget_set_parent (box, GTK_WIDGET (self));
}

static void
moss_drop_view_dispose (GObject *object)
{
  MossDropView *self = MOSS_DROP_VIEW (object);
  GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self));

  g_cancellable_cancel (self->asking);
  if (self->working != NULL)
    g_cancellable_cancel (self->working);
  g_clear_object (&self->asking);
  g_clear_object (&self->client);
  g_clear_object (&self->file);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->caps, g_free);
  g_clear_pointer (&self->shown, g_variant_unref);
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
  g_signal_connect_object (client, "changed", G_CALLBACK (on_offers_changed), self, 0);
  g_file_query_info_async (
      file, G_FILE_ATTRIBUTE_STANDARD_CONTENT_TYPE "," G_FILE_ATTRIBUTE_STANDARD_SIZE,
      G_FILE_QUERY_INFO_NONE, G_PRIORITY_DEFAULT, self->asking, on_info_ready, self);
  return GTK_WIDGET (self);
}
