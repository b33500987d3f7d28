// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "running-list.h"

#include "running-row.h"
#include "vfs/files/status.h"

#include <glib/gi18n.h>
#include <unistd.h>

#define MAX_ROWS 20

struct _MossRunningList
{
  GtkWidget parent_instance;

  MossFunctionsClient *client;
  GtkWidget *box;
};

#define CALL "call" /* of a row: the number of its call */

G_DEFINE_FINAL_TYPE (MossRunningList, moss_running_list, GTK_TYPE_WIDGET)

static guint64
get_call (GtkWidget *row)
{
  return *(guint64 *) g_object_get_data (G_OBJECT (row), CALL);
}

static void
on_cancel (GtkWidget *row, MossRunningList *self)
{
  moss_functions_client_cancel (self->client, get_call (row));
}

/* “convert png → image/webp, asked by Photos” */
static char *
describe (GVariant *call)
{
  g_autofree char *title = moss_request_title (moss_files_get_string (call, "what"));
  g_autofree char *clean = moss_files_clean (title, 60);
  g_autofree char *who = moss_files_clean (moss_files_get_string (call, "who"), 30);

  if (*who == '\0')
    return g_steal_pointer (&clean);
  /* Translators: a function, the program that called it */
  return g_strdup_printf (_ ("%s, for %s"), clean, who);
}

static void
add_row (MossRunningList *self, GVariant *call, guint64 number)
{
  g_autofree char *text = describe (call);
  g_autofree char *name = moss_files_clean (moss_files_get_string (call, "name"), 60);
  guint64 ago_us = MIN (moss_files_get_number (call, "started-us"), G_MAXINT32);
  GtkWidget *row = moss_running_row_new (text, g_get_monotonic_time () - (gint64) ago_us,
                                         moss_files_get_number (call, "predicted-us"));

  g_object_set_data_full (G_OBJECT (row), CALL, g_memdup2 (&number, sizeof number), g_free);
  gtk_widget_set_tooltip_text (row, name);
  g_signal_connect (row, "cancel", G_CALLBACK (on_cancel), self);
  gtk_box_append (GTK_BOX (self->box), row);
}

/* What this process asked for is shown where it was asked for. */
static gboolean
is_shown (GVariant *call)
{
  return moss_files_get_number (call, "pid") != (guint64) getpid ();
}

static gboolean
runs_still (GVariant *running, guint64 number)
{
  for (gsize i = 0; running != NULL && i < g_variant_n_children (running); i++)
    {
      g_autoptr (GVariant) call = g_variant_get_child_value (running, i);

      if (moss_files_get_number (call, "call") == number)
        return TRUE;
    }
  return FALSE;
}

/* Gives back the number of the newest that is left: numbers grow. */
static guint64
remove_ended (MossRunningList *self, GVariant *running, guint *n)
{
  GtkWidget *row = gtk_widget_get_first_child (self->box);
  guint64 newest = 0;

  while (row != NULL)
    {
      GtkWidget *next = gtk_widget_get_next_sibling (row);

      if (runs_still (running, get_call (row)))
        {
          newest = get_call (row);
          *n += 1;
        }
      else
        gtk_box_remove (GTK_BOX (self->box), row);
      row = next;
    }
  return newest;
}

static void
on_running (MossFunctionsClient *client, MossRunningList *self)
{
  GVariant *running = moss_functions_client_get_running (client);
  guint n = 0;
  guint64 newest = remove_ended (self, running, &n);

  for (gsize i = 0; running != NULL && i < g_variant_n_children (running) && n < MAX_ROWS; i++)
    {
      g_autoptr (GVariant) call = g_variant_get_child_value (running, i);
      guint64 number = moss_files_get_number (call, "call");

      if (number <= newest || !is_shown (call))
        continue;
      add_row (self, call, number);
      n++;
    }
  gtk_widget_set_visible (GTK_WIDGET (self), n > 0);
}

static void
moss_running_list_dispose (GObject *object)
{
  MossRunningList *self = MOSS_RUNNING_LIST (object);

  g_clear_pointer (&self->box, gtk_widget_unparent);
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
