// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-versions"

#include "version-row.h"

#include "shell/format.h"
#include "vfs/files/status.h"

#include <glib/gi18n.h>

struct _MossVersionRow
{
  GtkListBoxRow parent_instance;

  GVariant *version;
};

enum
{
  OPEN,
  BRING_BACK,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossVersionRow, moss_version_row, GTK_TYPE_LIST_BOX_ROW)

/* "Laptop · 1.2 kB · on 2 hosts" */
static char *
describe (GVariant *version)
{
  g_autofree char *device =
      moss_files_clean (moss_files_get_string (version, "device"), 40);
  g_autofree char *size = g_format_size (moss_files_get_number (version, "size"));
  guint hosts = MIN (moss_files_get_number (version, "hosts"), 1000);

  if (hosts == 0)
    /* Translators: device, size */
    return g_strdup_printf (_ ("%s · %s · not on a host yet"), device, size);
  /* Translators: device, size, number of hosts */
  return g_strdup_printf (ngettext ("%s · %s · on %u host", "%s · %s · on %u hosts", hosts),
                          device, size, hosts);
}

static void
on_open_clicked (GtkButton *button, MossVersionRow *self)
{
  g_signal_emit (self, signals[OPEN], 0);
}

static void
on_back_clicked (GtkButton *button, MossVersionRow *self)
{
  g_signal_emit (self, signals[BRING_BACK], 0);
}

static GtkWidget *
make_label (const char *text, const char *css_class)
{
  GtkWidget *label = gtk_label_new (text);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_widget_add_css_class (label, css_class);
  return label;
}

static GtkWidget *
make_button (const char *text, const char *css_class, const char *what, GCallback callback,
             MossVersionRow *self)
{
  GtkWidget *button = gtk_button_new_with_label (text);
  g_autofree char *name = g_strdup_printf ("%s: %s", text, what);

  gtk_widget_add_css_class (button, css_class);
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, name,
                                  -1);
  g_signal_connect (button, "clicked", callback, self);
  return button;
}

static GtkWidget *
make_words (const char *time, const char *details)
{
  GtkWidget *words = gtk_box_new (GTK_ORIENTATION_VERTICAL, 2);

  gtk_box_append (GTK_BOX (words), make_label (time, "strong"));
  gtk_box_append (GTK_BOX (words), make_label (details, "muted"));
  gtk_widget_set_hexpand (words, TRUE);
  return words;
}

static void
moss_version_row_finalize (GObject *object)
{
  g_clear_pointer (&MOSS_VERSION_ROW (object)->version, g_variant_unref);
  G_OBJECT_CLASS (moss_version_row_parent_class)->finalize (object);
}

static void
moss_version_row_class_init (MossVersionRowClass *class)
{
  G_OBJECT_CLASS (class)->finalize = moss_version_row_finalize;
  signals[OPEN] = g_signal_new ("open", MOSS_TYPE_VERSION_ROW, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                NULL, G_TYPE_NONE, 0);
  signals[BRING_BACK] = g_signal_new ("bring-back", MOSS_TYPE_VERSION_ROW, G_SIGNAL_RUN_LAST, 0,
                                      NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_version_row_init (MossVersionRow *self)
{
  gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (self), FALSE);
}

GVariant *
moss_version_row_get_version (MossVersionRow *self)
{
  return self->version;
}

GtkWidget *
moss_version_row_new (GVariant *version, gboolean newest)
{
  MossVersionRow *self = g_object_new (MOSS_TYPE_VERSION_ROW, NULL);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  g_autofree char *time =
      moss_format_time (moss_files_get_number (version, "time"), g_get_real_time ());
  g_autofree char *details = describe (version);

  self->version = g_variant_ref (version);
  gtk_box_append (GTK_BOX (box), make_words (time, details));
  if (newest)
    {
      GtkWidget *badge = make_label (_ ("Now"), "badge");

      gtk_widget_set_valign (badge, GTK_ALIGN_CENTER);
      gtk_box_append (GTK_BOX (box), badge);
    }
  gtk_box_append (GTK_BOX (box), make_button (_ ("Open"), "flat", time,
                                              G_CALLBACK (on_open_clicked), self));
  if (!newest)
    gtk_box_append (GTK_BOX (box), make_button (_ ("Bring back"), "tinted", time,
                                                G_CALLBACK (on_back_clicked), self));
  gtk_list_box_row_set_child (GTK_LIST_BOX_ROW (self), box);
  return GTK_WIDGET (self);
}
