// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-compat-dialogs"

#include "compat-dialogs.h"

#include <glib/gi18n.h>

/* The one file that knows that GTK 4.8 has no GtkFileDialog. */

typedef struct
{
  MossChosenFunc func;
  gpointer data;
} Choice;

G_GNUC_BEGIN_IGNORE_DEPRECATIONS

static void
on_response (GtkNativeDialog *native, int response, gpointer data)
{
  Choice *choice = data;
  g_autoptr (GFile) file = NULL;

  if (response == GTK_RESPONSE_ACCEPT)
    file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (native));
  choice->func (file, choice->data);
  g_free (choice);
  g_object_unref (native);
}

static GtkFileChooser *
choose (GtkWindow *parent, const char *title, GtkFileChooserAction action, const char *accept,
        MossChosenFunc func, gpointer data)
{
  GtkFileChooserNative *native
      = gtk_file_chooser_native_new (title, parent, action, accept, _("Cancel"));
  Choice *choice = g_new0 (Choice, 1);

  choice->func = func;
  choice->data = data;
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (native), TRUE);
  g_signal_connect (native, "response", G_CALLBACK (on_response), choice);
  return GTK_FILE_CHOOSER (native);
}

/* func is called once, with NULL when the person thought better of it. */
void
moss_compat_choose_save (GtkWindow *parent, const char *title, const char *name,
                         MossChosenFunc func, gpointer data)
{
  GtkFileChooser *chooser
      = choose (parent, title, GTK_FILE_CHOOSER_ACTION_SAVE, _("Save"), func, data);

  gtk_file_chooser_set_current_name (chooser, name);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (chooser));
}

/* As moss_compat_choose_save(), for a file that is there. */
void
moss_compat_choose_open (GtkWindow *parent, const char *title, MossChosenFunc func,
                         gpointer data)
{
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (
      choose (parent, title, GTK_FILE_CHOOSER_ACTION_OPEN, _("Open"), func, data)));
}

G_GNUC_END_IGNORE_DEPRECATIONS
