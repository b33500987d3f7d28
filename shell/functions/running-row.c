// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "running-row.h"

#include "ffi-broker/market/policy.h"
#include "offers.h"

#include <glib/gi18n.h>

#define TICK_MS 100
#define BAR_WIDTH 120
#define LEFT_CHARS 10

struct _MossRunningRow
{
  GtkWidget parent_instance;

  gint64 began_us;
  guint64 predicted_us;
  guint tick;
  GtkWidget *progress;
  GtkWidget *left;
};

enum { CANCEL, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossRunningRow, moss_running_row, GTK_TYPE_WIDGET)

static char *
format_seconds (double us)
{
  return us < 10e6 ? g_strdup_printf (_ ("%.1f s"), MAX (us, 1e5) / 1e6) : moss_format_us (us);
}

static void
show_time (MossRunningRow *self)
{
  double passed = g_get_monotonic_time () - self->began_us;
  double left = (double) self->predicted_us - passed;
  g_autofree char *time = format_seconds (self->predicted_us > 0 ? left : passed);
  g_autofree char *text = NULL;

  if (self->predicted_us == 0)
    /* Translators: a duration, as in “3.1 s so far” */
    text = g_strdup_printf (_ ("%s so far"), time);
  else if (left <= 0)
    text = g_strdup (_ ("longer than expected"));
  else
    /* Translators: a duration, as in “0.3 s left” */
    text = g_strdup_printf (_ ("%s left"), time);
  gtk_label_set_text (GTK_LABEL (self->left), text);
  if (self->predicted_us == 0)
    gtk_progress_bar_pulse (GTK_PROGRESS_BAR (self->progress));
  else
    gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (self->progress),
                                   moss_ffi_shown_fraction (passed, self->predicted_us));
}

static gboolean
on_tick (gpointer data)
{
  show_time (data);
  return G_SOURCE_CONTINUE;
}

static void
on_cancel_clicked (GtkWidget *button, MossRunningRow *self)
{
  gtk_widget_set_sensitive (button, FALSE);
  g_signal_emit (self, signals[CANCEL], 0);
}

static GtkWidget *
add_label (MossRunningRow *self, const char *text, const char *css_class)
{
  GtkWidget *label = gtk_label_new (text);

  if (css_class != NULL)
    gtk_widget_add_css_class (label, css_class);
  gtk_widget_set_parent (label, GTK_WIDGET (self));
  return label;
}

static void
fill (MossRunningRow *self, const char *text)
{
  GtkWidget *cancel = gtk_button_new_with_label (_ ("Cancel"));
  /* Translators: what is being done, for those who don't see the row of the button */
  g_autofree char *whole = g_strdup_printf (_ ("Cancel: %s"), text);
  GtkWidget *what;

  add_label (self, _ ("Now"), "strong");
  what = add_label (self, text, NULL);
  gtk_label_set_ellipsize (GTK_LABEL (what), PANGO_ELLIPSIZE_MIDDLE);
  self->progress = gtk_progress_bar_new ();
  gtk_widget_add_css_class (self->progress, "thin");
  gtk_widget_set_size_request (self->progress, BAR_WIDTH, -1);
  gtk_widget_set_hexpand (self->progress, TRUE);
  gtk_widget_set_valign (self->progress, GTK_ALIGN_CENTER);
  gtk_widget_set_parent (self->progress, GTK_WIDGET (self));
  self->left = add_label (self, NULL, "muted");
  gtk_label_set_width_chars (GTK_LABEL (self->left), LEFT_CHARS);
  gtk_label_set_xalign (GTK_LABEL (self->left), 0);
  gtk_widget_add_css_class (self->left, "numbers");
  gtk_widget_add_css_class (cancel, "tinted");
  gtk_accessible_update_property (GTK_ACCESSIBLE (cancel), GTK_ACCESSIBLE_PROPERTY_LABEL, whole,
                                  -1);
  g_signal_connect (cancel, "clicked", G_CALLBACK (on_cancel_clicked), self);
  gtk_widget_set_parent (cancel, GTK_WIDGET (self));
}

static void
moss_running_row_dispose (GObject *object)
{
  MossRunningRow *self = MOSS_RUNNING_ROW (object);
  GtkWidget *child;

  g_clear_handle_id (&self->tick, g_source_remove);
  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    gtk_widget_unparent (child);
  G_OBJECT_CLASS (moss_running_row_parent_class)->dispose (object);
}

static void
moss_running_row_class_init (MossRunningRowClass *class)
{
  G_OBJECT_CLASS (class)->dispose = moss_running_row_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BOX_LAYOUT);
  signals[CANCEL] = g_signal_new ("cancel", MOSS_TYPE_RUNNING_ROW, G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_running_row_init (MossRunningRow *self)
{
  gtk_box_layout_set_spacing (
      GTK_BOX_LAYOUT (gtk_widget_get_layout_manager (GTK_WIDGET (self))), 12);
  gtk_widget_add_css_class (GTK_WIDGET (self), "now");
}

GtkWidget *
moss_running_row_new (const char *text, gint64 began_us, guint64 predicted_us)
{
  MossRunningRow *self = g_object_new (MOSS_TYPE_RUNNING_ROW, NULL);

  self->began_us = began_us;
  self->predicted_us = predicted_us;
  fill (self, text);
  show_time (self);
  self->tick = g_timeout_add (TICK_MS, on_tick, self);
  return GTK_WIDGET (self);
}
