// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "dialog"

#include <gtk/gtk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any program that asks for a file: a file dialog of GTK 3 or GTK 4, as it comes. Compiled
   twice. It says "row NAME" when a label of that text (the first argument) is in it, "gone NAME"
   when it is no longer, and every second "gap MS": how long its main loop stood still at most. */

static GtkWidget *dialog;
static const char *wanted;
static gboolean seen;
static gint64 last_us, worst_us;

static gboolean find (GtkWidget *widget);

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
  *(gboolean *) data = *(gboolean *) data || find (child);
}

static gboolean
find_in_children (GtkWidget *widget)
{
  gboolean found = FALSE;

  if (GTK_IS_CONTAINER (widget))
    gtk_container_forall (GTK_CONTAINER (widget), on_child, &found);
  return found;
}
#else
static gboolean
find_in_children (GtkWidget *widget)
{
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    if (find (child))
      return TRUE;
  return FALSE;
}
#endif

static gboolean
find (GtkWidget *widget)
{
  if (GTK_IS_LABEL (widget)
      && strcmp (gtk_label_get_text (GTK_LABEL (widget)), wanted) == 0)
    return TRUE;
  return find_in_children (widget);
}

static gboolean
on_tick (gpointer data)
{
  gint64 now = g_get_monotonic_time ();
  gboolean found;

  worst_us = MAX (worst_us, now - last_us);
  found = find (dialog);
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
