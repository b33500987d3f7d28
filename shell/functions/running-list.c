// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "running-list.h"

#include "vfs/files/status.h"

#include <glib/gi18n.h>

#define TICK_MS 200
#define MAX_ROWS 20

struct _MossRunningList
{
  GtkWidget parent_instance;

  MossFunctionsClient *client;
  GtkWidget *box;
  GPtrArray *rows; /* of Row */
  guint tick;
};

typedef struct
{
  MossRunningList *list;
  guint64 call;
  gint64 began_us; /* by our clock */
  guint64 predicted_us;
  GtkWidget *progress;
  GtkWidget *left;
} Row;

G_DEFINE_FINAL_TYPE (MossRunningList, moss_running_list, GTK_TYPE_WIDGET)

static void
show_time (Row *row)
{
  double passed = g_get_monotonic_time () - row->began_us;
  double left = (double) row->predicted_us - passed;
  g_autofree char *time = moss_format_us (left);
  g_autofree char *text = NULL;

  if (row->predicted_us == 0 || left <= 0)
    text = g_strdup (_ ("longer than expected"));
  else
    /* Translators: a duration, as in “0.3 s left” */
    text = g_strdup_printf (_ ("%s left"), time);
  gtk_label_set_text (GTK_LABEL (row->left), text);
  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (row->progress),
                                 MIN (passed / MAX (row->predicted_us, 1), 1));
}

static gboolean
on_tick (gpointer data)
{
  MossRunningList *self = data;

  for (guint i = 0; i < self->rows->len; i++)
    show_time (self->rows->pdata[i]);
  return G_SOURCE_CONTINUE;
}

static void
on_cancel_clicked (GtkButton *button, Row *row)
{
  gtk_widget_set_sensitive (GTK_WIDGET (button), FALSE);
  moss_functions_client_cancel (row->list->client, row->call);
}

static GtkWidget *
make_row (MossRunningList *self, GVariant *call)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  GtkWidget *now = gtk_label_new (_ ("Now"));
  GtkWidget *cancel = gtk_button_new_with_label (_ ("Cancel"));
  GtkWidget *label = gtk_label_new (NULL);
  Row *row = g_new0 (Row, 1);
  const char *what = "";
  g_autofree char *text = NULL;
  guint64 ago_us = 0;

  g_variant_lookup (call, "call", "t", &row->call);
  g_variant_lookup (call, "started-us", "t", &ago_us);
  g_variant_lookup (call, "predicted-us", "t", &row->predicted_us);
  g_variant_lookup (call, "what", "&s", &what);
  text = moss_files_clean (what, 60);
  row->list = self;
  row->began_us = g_get_monotonic_time () - (gint64) MIN (ago_us, G_MAXINT32);
  row->progress = gtk_progress_bar_new ();
  row->left = gtk_label_new (NULL);
  gtk_label_set_text (GTK_LABEL (label), text);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_MIDDLE);
  gtk_widget_add_css_class (now, "strong");
  gtk_widget_add_css_class (row->left, "muted");
  gtk_widget_add_css_class (row->left, "numbers");
  gtk_widget_add_css_class (row->progress, "thin");
  gtk_widget_add_css_class (cancel, "tinted");
  gtk_widget_add_css_class (box, "now");
  gtk_widget_set_hexpand (row->progress, TRUE);
  gtk_widget_set_valign (row->progress, GTK_ALIGN_CENTER);
  g_signal_connect (cancel, "clicked", G_CALLBACK (on_cancel_clicked), row);
  gtk_box_append (GTK_BOX (box), now);
  gtk_box_append (GTK_BOX (box), label);
  gtk_box_append (GTK_BOX (box), row->progress);
  gtk_box_append (GTK_BOX (box), row->left);
  gtk_box_append (GTK_BOX (box), cancel);
  g_ptr_array_add (self->rows, row);
  show_time (row);
  return box;
}

static void
clear (MossRunningList *self)
{
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (self->box)) != NULL)
    gtk_box_remove (GTK_BOX (self->box), child);
  g_ptr_array_set_size (self->rows, 0);
}

static void
on_running (MossFunctionsClient *client, MossRunningList *self)
{
  GVariant *running = moss_functions_client_get_running (client);
  gsize n = running == NULL ? 0 : MIN (g_variant_n_children (running), MAX_ROWS);

  clear (self);
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) call = g_variant_get_child_value (running, i);

      gtk_box_append (GTK_BOX (self->box), make_row (self, call));
    }
  gtk_widget_set_visible (GTK_WIDGET (self), n > 0);
  if (n == 0)
    g_clear_handle_id (&self->tick, g_source_remove);
  else if (self->tick == 0)
    self->tick = g_timeout_add (TICK_MS, on_tick, self);
}

static void
moss_running_list_dispose (GObject *object)
{
  MossRunningList *self = MOSS_RUNNING_LIST (object);

  g_clear_handle_id (&self->tick, g_source_remove);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  g_clear_pointer (&self->rows, g_ptr_array_unref);
  g_clear_object (&self->client);
  G_OBJECT_CLASS (moss_running_list_parent_class)->dispose (object);
}

static void
moss_running_list_class_init (MossRunningListClass *class)
{
  G_OBJECT_CLASS (class)->dispose = moss_running_list_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BIN_LAYOUT);
}

static void
moss_running_list_init (MossRunningList *self)
{
  self->rows = g_ptr_array_new_with_free_func (g_free);
  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 8);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
}

GtkWidget *
moss_running_list_new (MossFunctionsClient *client)
{
  MossRunningList *self = g_object_new (MOSS_TYPE_RUNNING_LIST, NULL);

  self->client = g_object_ref (client);
  g_signal_connect_object (client, "running", G_CALLBACK (on_running), self, 0);
  on_running (client, self);
  return GTK_WIDGET (self);
}
