/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A file manager with one file: what is dragged out of its window is the file FILE. */
#include <gtk/gtk.h>

static void
on_activate (GtkApplication *application, gpointer path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  GdkFileList *files = gdk_file_list_new_from_array (&file, 1);
  GtkDragSource *source = gtk_drag_source_new ();
  GtkWidget *window = gtk_application_window_new (application);
  GtkWidget *label = gtk_label_new (path);

  gtk_drag_source_set_actions (source, GDK_ACTION_COPY);
  gtk_drag_source_set_content (source, gdk_content_provider_new_typed (GDK_TYPE_FILE_LIST, files));
  gtk_widget_add_controller (label, GTK_EVENT_CONTROLLER (source));
  gtk_window_set_title (GTK_WINDOW (window), "drag-file");
  gtk_window_set_default_size (GTK_WINDOW (window), 240, 120);
  gtk_window_set_child (GTK_WINDOW (window), label);
  gtk_window_present (GTK_WINDOW (window));
}

int
main (int argc, char **argv)
{
  g_autoptr (GtkApplication) application = gtk_application_new (NULL, G_APPLICATION_NON_UNIQUE);

  if (argc != 2)
    return 2;
  g_signal_connect (application, "activate", G_CALLBACK (on_activate), argv[1]);
  return g_application_run (G_APPLICATION (application), 1, argv);
}
