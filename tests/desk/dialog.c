// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "dialog"

#include <gtk/gtk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any program that asks for a file: a file dialog of GTK 3 or GTK 4, as it comes. Compiled
   twice: dialog NAME [open|save [FOLDER]]. It says "row NAME" when a label of that text is in
   it, "gone NAME" when it is no longer, "files N" when it lists so many, "taken PATH" when a
   person took it, and every second "gap MS": how long its main loop stood still at most. */

static GtkWidget *dialog;
static const char *wanted;
static gboolean seen, found;
static gint64 last_us, worst_us;
static int listed = -1;

static void look (GtkWidget *widget);

static void
say (const char *what, const char *text)
{
  printf ("%s %s\n", what, text);
  fflush (stdout);
}

#if GTK_MAJOR_VERSION == 3
static void
on_child (GtkWidget *child, gpointer data)
{
  look (child);
}

static void
look_at_children (GtkWidget *widget)
{
  if (GTK_IS_CONTAINER (widget))
    gtk_container_forall (GTK_CONTAINER (widget), on_child, NULL);
}
#else
static void
look_at_children (GtkWidget *widget)
{
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    look (child);
}
#endif

static void
count_files (GtkTreeView *list)
{
  GtkTreeModel *model = gtk_tree_view_get_model (list);
  int n = model != NULL ? gtk_tree_model_iter_n_children (model, NULL) : 0;

  if (n != listed)
    {
      g_autofree char *text = g_strdup_printf ("%d", n);

      say ("files", text);
    }
  listed = n;
}

static void
look (GtkWidget *widget)
{
  if (GTK_IS_TREE_VIEW (widget) && gtk_widget_get_mapped (widget))
    count_files (GTK_TREE_VIEW (widget));
  if (GTK_IS_LABEL (widget)
      && strcmp (gtk_label_get_text (GTK_LABEL (widget)), wanted) == 0)
    found = TRUE;
  look_at_children (widget);
}

static gboolean
on_tick (gpointer data)
{
  gint64 now = g_get_monotonic_time ();

  worst_us = MAX (worst_us, now - last_us);
  found = FALSE;
  look (dialog);
  if (found != seen)
    say (found ? "row" : "gone", wanted);
  seen = found;
  last_us = g_get_monotonic_time ();
  return G_SOURCE_CONTINUE;
}

static gboolean
on_second (gpointer data)
{
  g_autofree char *text = g_strdup_printf ("%d", (int) (worst_us / 1000));

  say ("gap", text);
  worst_us = 0;
  return G_SOURCE_CONTINUE;
}

static void
on_response (GtkDialog *unused, int response, gpointer data)
{
  g_autoptr (GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
  g_autofree char *path = file != NULL ? g_file_get_path (file) : NULL;

  if (response == GTK_RESPONSE_ACCEPT && path != NULL)
    say ("taken", path);
}

static void
show_folder (const char *path)
{
  g_autoptr (GFile) folder = g_file_new_for_path (path);

#if GTK_MAJOR_VERSION == 3
  gtk_file_chooser_set_current_folder_file (GTK_FILE_CHOOSER (dialog), folder, NULL);
#else
  gtk_file_chooser_set_current_folder (GTK_FILE_CHOOSER (dialog), folder, NULL);
#endif
}

int
main (int argc, char **argv)
{
  GtkFileChooserAction action = GTK_FILE_CHOOSER_ACTION_OPEN;

#if GTK_MAJOR_VERSION == 3
  gtk_init (&argc, &argv);
#else
  gtk_init ();
#endif
  if (argc < 2)
    return 2;
  wanted = argv[1];
  if (argc > 2 && strcmp (argv[2], "save") == 0)
    action = GTK_FILE_CHOOSER_ACTION_SAVE;
  dialog = gtk_file_chooser_dialog_new ("File", NULL, action, "_Cancel", GTK_RESPONSE_CANCEL,
                                        "_Take", GTK_RESPONSE_ACCEPT, NULL);
  gtk_window_set_default_size (GTK_WINDOW (dialog), 900, 560);
  g_signal_connect (dialog, "response", G_CALLBACK (on_response), NULL);
  if (argc > 3)
    show_folder (argv[3]);
#if GTK_MAJOR_VERSION == 3
  gtk_widget_show_all (dialog);
#else
  gtk_window_present (GTK_WINDOW (dialog));
#endif
  last_us = g_get_monotonic_time ();
  g_timeout_add (20, on_tick, NULL);
  g_timeout_add (1000, on_second, NULL);
  while (TRUE)
    g_main_context_iteration (NULL, TRUE);
}
