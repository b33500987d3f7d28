// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-save-out"

#include "save-out.h"

#include "compat-dialogs.h"
#include "format.h"

#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <glib/gi18n.h>
#include <string.h>

/* The dialog that lists what an app keeps in its home and writes a file to a place that the
   person chooses. The bytes come from the session as a descriptor and stream to the file;
   nothing is half written under the chosen name. */

#define MAX_FILES 500

typedef struct
{
  MossShell *shell;
  MossSandbox *sandbox;
  GtkWidget *list;
  GtkWidget *status;
} Dialog;

typedef struct
{
  MossShell *shell;
  MossSandbox *sandbox;
  char *path; /* bytes, inside of the sandbox */
  GFile *target;
} Copy;

static void
copy_free (Copy *copy)
{
  g_object_unref (copy->sandbox);
  g_clear_object (&copy->target);
  g_free (copy->path);
  g_free (copy);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Copy, copy_free)

static void
say_failed (Copy *copy, const GError *error)
{
  g_autofree char *name = g_filename_display_basename (copy->path);
  g_autofree char *reason = moss_format_error (error);
  g_autofree char *text = g_strdup_printf (
      /* Translators: file name, then the reason */
      _("%s was not saved: %s"), name, reason);

  moss_toasts_say (copy->shell->toasts, text);
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Copy) copy = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;
  g_autofree char *text = NULL;

  if (g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, &error) < 0)
    {
      say_failed (copy, error);
      return;
    }
  name = g_file_get_basename (copy->target);
  text = g_strdup_printf (_("%s is saved."), name);
  moss_toasts_say (copy->shell->toasts, text);
}

static void
on_content_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Copy) copy = data;
  g_autoptr (GVariant) handle = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) input = NULL;
  g_autoptr (GFileOutputStream) output = NULL;
  int fd = -1;

  if (moss_dbus_session1_call_read_file_finish (MOSS_DBUS_SESSION1 (source), &handle, &fds,
                                                result, &error) && fds != NULL)
    fd = g_unix_fd_list_get (fds, g_variant_get_handle (handle), &error);
  if (fd >= 0)
    {
      input = g_unix_input_stream_new (fd, TRUE);
      output = g_file_replace (copy->target, NULL, FALSE, G_FILE_CREATE_PRIVATE, NULL,
                               &error);
    }
  if (output == NULL)
    {
      if (error == NULL)
        g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_FAILED, _("it can't be read"));
      say_failed (copy, error);
      return;
    }
  g_output_stream_splice_async (G_OUTPUT_STREAM (output), input,
                                G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE |
                                G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, NULL, on_written,
                                g_steal_pointer (&copy));
}

static void
on_target_chosen (GFile *target, gpointer data)
{
  g_autoptr (Copy) copy = data;
  MossDBusSession1 *proxy = moss_session_client_get_proxy (copy->shell->session);

  if (target == NULL || proxy == NULL)
    return;
  copy->target = g_object_ref (target);
  moss_dbus_session1_call_read_file (proxy, copy->sandbox->id,
                                     copy->path, NULL, NULL,
                                     on_content_ready, copy);
  g_steal_pointer (&copy);
}

static void
on_save_clicked (GtkButton *button, Dialog *dialog)
{
  const char *path = g_object_get_data (G_OBJECT (button), "path");
  Copy *copy = g_new0 (Copy, 1);
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *shown = g_filename_display_name (name);

  copy->shell = dialog->shell;
  copy->sandbox = g_object_ref (dialog->sandbox);
  copy->path = g_strdup (path);
  moss_compat_choose_save (dialog->shell->window, _("Save out"), shown, on_target_chosen,
                           copy);
}

static void
add_row (Dialog *dialog, GVariant *fields)
{
  g_autoptr (GVariant) path = g_variant_lookup_value (fields, "path",
                                                      G_VARIANT_TYPE_BYTESTRING);
  GtkWidget *row = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  GtkWidget *button = gtk_button_new_with_label (_("Save…"));
  GtkWidget *name, *size;
  g_autofree char *shown = NULL;
  g_autofree char *bytes = NULL;
  guint64 n_bytes = 0;

  if (path == NULL)
    {
      g_object_ref_sink (row);
      g_object_unref (row);
      g_object_ref_sink (button);
      g_object_unref (button);
      return;
    }
  g_variant_lookup (fields, "size", "t", &n_bytes);
  shown = g_filename_display_name (g_variant_get_bytestring (path));
  bytes = moss_format_bytes (n_bytes);
  name = gtk_label_new (shown);
  gtk_label_set_xalign (GTK_LABEL (name), 0);
  gtk_label_set_ellipsize (GTK_LABEL (name), PANGO_ELLIPSIZE_MIDDLE);
  gtk_widget_set_hexpand (name, TRUE);
  size = gtk_label_new (bytes);
  gtk_widget_set_css_classes (size, (const char *[]){ "muted", "numbers", NULL });
  gtk_widget_add_css_class (button, "tinted");
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  shown, -1);
  g_object_set_data_full (G_OBJECT (button), "path",
                          g_strdup (g_variant_get_bytestring (path)), g_free);
  g_signal_connect (button, "clicked", G_CALLBACK (on_save_clicked), dialog);
  gtk_box_append (GTK_BOX (row), name);
  gtk_box_append (GTK_BOX (row), size);
  gtk_box_append (GTK_BOX (row), button);
  gtk_list_box_append (GTK_LIST_BOX (dialog->list), row);
}

static void
on_files_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GtkWidget) list = data; /* keeps the dialog's data alive with it */
  Dialog *dialog = g_object_get_data (G_OBJECT (list), "dialog");
  g_autoptr (GVariant) files = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *reason = NULL;
  gsize n = 0;

  if (moss_dbus_session1_call_list_files_finish (MOSS_DBUS_SESSION1 (source), &files, result,
                                                 &error))
    n = g_variant_n_children (files);
  else
    reason = moss_format_error (error);
  for (gsize i = 0; i < MIN (n, MAX_FILES); i++)
    {
      g_autoptr (GVariant) fields = g_variant_get_child_value (files, i);

      add_row (dialog, fields);
    }
  gtk_widget_set_visible (dialog->list, n > 0);
  gtk_widget_set_visible (dialog->status, n == 0);
  gtk_label_set_label (GTK_LABEL (dialog->status),
                       reason != NULL ? reason : _("It keeps no files of its own."));
}

static void
dialog_free (gpointer data)
{
  Dialog *dialog = data;

  g_object_unref (dialog->sandbox);
  g_free (dialog);
}

/* Lists the files in the home of this app. */
void
moss_save_out_show (MossShell *shell, MossSandbox *sandbox)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (shell->session);
  g_autofree char *name = moss_format_app_name (sandbox->name, sandbox->app);
  g_autofree char *title = g_strdup_printf (_("Files of %s"), name);
  Dialog *dialog = g_new0 (Dialog, 1);
  GtkWidget *scroller = gtk_scrolled_window_new ();
  GtkWidget *body, *sheet;

  sheet = moss_sheets_make_dialog (shell->sheets, title, &body);
  dialog->shell = shell;
  dialog->sandbox = g_object_ref (sandbox);
  dialog->status = gtk_label_new (_("Looking…"));
  gtk_widget_add_css_class (dialog->status, "muted");
  dialog->list = gtk_list_box_new ();
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (dialog->list), GTK_SELECTION_NONE);
  gtk_widget_add_css_class (dialog->list, "list");
  gtk_widget_set_visible (dialog->list, FALSE);
  g_object_set_data_full (G_OBJECT (dialog->list), "dialog", dialog, dialog_free);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_propagate_natural_height (GTK_SCROLLED_WINDOW (scroller), TRUE);
  gtk_scrolled_window_set_max_content_height (GTK_SCROLLED_WINDOW (scroller), 420);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), dialog->list);
  gtk_widget_set_size_request (sheet, 460, -1);
  gtk_box_append (GTK_BOX (body), dialog->status);
  gtk_box_append (GTK_BOX (body), scroller);
  moss_sheets_show (shell->sheets, sheet);
  if (proxy != NULL)
    moss_dbus_session1_call_list_files (proxy, sandbox->id, NULL, on_files_ready,
                                        g_object_ref (dialog->list));
}
