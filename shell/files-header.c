// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-files-header"

#include "files-header.h"

struct _MossFilesHeader
{
  GtkWidget parent_instance;

  MossFilesClient *client;
  GtkWidget *box;
  GtkWidget *image;
  GtkWidget *title;
  GtkWidget *detail;
  GtkWidget *progress;
};

G_DEFINE_FINAL_TYPE (MossFilesHeader, moss_files_header, GTK_TYPE_WIDGET)

static void
on_changed (MossFilesClient *client, MossFilesHeader *self)
{
  const MossFilesView *view = moss_files_client_get_view (client);
  MossFilesState state = moss_files_view_state (view);
  g_autofree char *title = moss_files_view_title (view);
  g_autofree char *detail = moss_files_view_detail (view);
  double progress = moss_files_view_progress (view);

  gtk_image_set_from_icon_name (GTK_IMAGE (self->image), moss_files_state_icon (state));
  if (moss_files_state_needs_attention (state))
    gtk_widget_add_css_class (self->image, "warning");
  else
    gtk_widget_remove_css_class (self->image, "warning");
  gtk_label_set_text (GTK_LABEL (self->title), title);
  gtk_label_set_text (GTK_LABEL (self->detail), detail);
  gtk_widget_set_visible (self->detail, *detail != '\0');
  gtk_widget_set_visible (self->progress, progress >= 0);
  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (self->progress), MAX (progress, 0));
}

static GtkWidget *
make_label (const char *css_class)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 32);
  gtk_widget_add_css_class (label, css_class);
  gtk_widget_add_css_class (label, "numbers");
  return label;
}

static void
moss_files_header_dispose (GObject *object)
{
  MossFilesHeader *self = MOSS_FILES_HEADER (object);

  if (self->client != NULL)
    g_signal_handlers_disconnect_by_data (self->client, self);
  g_clear_object (&self->client);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  G_OBJECT_CLASS (moss_files_header_parent_class)->dispose (object);
}

static void
moss_files_header_class_init (MossFilesHeaderClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_files_header_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (klass), "files-header");
  gtk_widget_class_set_accessible_role (GTK_WIDGET_CLASS (klass), GTK_ACCESSIBLE_ROLE_STATUS);
}

static void
moss_files_header_init (MossFilesHeader *self)
{
  GtkWidget *words = gtk_box_new (GTK_ORIENTATION_VERTICAL, 2);

  self->box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  self->image = gtk_image_new ();
  gtk_image_set_pixel_size (GTK_IMAGE (self->image), 20);
  gtk_widget_add_css_class (self->image, "state");
  gtk_widget_set_valign (self->image, GTK_ALIGN_CENTER);
  self->title = make_label ("strong");
  self->detail = make_label ("muted");
  self->progress = gtk_progress_bar_new ();
  gtk_widget_set_margin_top (self->progress, 4);
  gtk_box_append (GTK_BOX (words), self->title);
  gtk_box_append (GTK_BOX (words), self->detail);
  gtk_box_append (GTK_BOX (words), self->progress);
  gtk_widget_set_hexpand (words, TRUE);
  gtk_widget_set_valign (words, GTK_ALIGN_CENTER);
  gtk_box_append (GTK_BOX (self->box), self->image);
  gtk_box_append (GTK_BOX (self->box), words);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
}

GtkWidget *
moss_files_header_new (MossFilesClient *client)
{
  MossFilesHeader *self = g_object_new (MOSS_TYPE_FILES_HEADER, NULL);

  self->client = g_object_ref (client);
  g_signal_connect (client, "changed", G_CALLBACK (on_changed), self);
  on_changed (client, self);
  return GTK_WIDGET (self);
}
