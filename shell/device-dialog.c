// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-device-dialog"

#include "device-dialog.h"

#include "form.h"
#include "format.h"

#include <glib/gi18n.h>
#include <string.h>

/* “This device” shows what the other one must know about this; “Add a device” takes the
   same from the other. The fingerprint is typed or pasted, never accepted by a mere click:
   it is what makes the other device the right one. */

#define FINGERPRINT_DIGITS 64

static void
on_copy_clicked (GtkButton *button, MossShell *shell)
{
  const char *id = g_object_get_data (G_OBJECT (button), "fingerprint");

  gdk_clipboard_set_text (gtk_widget_get_clipboard (GTK_WIDGET (button)), id);
  gtk_button_set_label (button, _("Copied"));
}

static void
on_add_instead (GtkButton *button, MossShell *shell)
{
  moss_device_dialog_show_add (shell);
}

/* What a person reads out or copies when the other device asks. */
void
moss_device_dialog_show_this (MossShell *shell)
{
  MossDBusNet1 *net = moss_net_client_get_proxy (shell->net);
  const char *id = net != NULL ? moss_dbus_net1_get_device_id (net) : NULL;
  const char *name = net != NULL ? moss_dbus_net1_get_device_name (net) : NULL;
  GtkWidget *body, *sheet, *row, *label, *button;
  g_autofree char *fingerprint = NULL;
  g_autofree char *address = NULL;

  sheet = moss_sheets_make_dialog (shell->sheets, _("This device"), &body);
  if (id == NULL || *id == '\0')
    {
      gtk_box_append (GTK_BOX (body), moss_form_text_new (_("The network service is not running."),
                                                 "muted"));
      moss_sheets_show (shell->sheets, sheet);
      return;
    }
  fingerprint = moss_format_fingerprint (id);
  address = g_strdup_printf ("%s:%u", g_get_host_name (), moss_dbus_net1_get_port (net));
  gtk_box_append (GTK_BOX (body), moss_form_text_new (name, "large"));
  gtk_box_append (GTK_BOX (body),
                  moss_form_text_new (_("Type this at the other device, under “Add a device”:"),
                             "muted"));
  label = moss_form_text_new (address, "strong");
  gtk_label_set_selectable (GTK_LABEL (label), TRUE);
  gtk_box_append (GTK_BOX (body), label);
  label = moss_form_text_new (fingerprint, "fingerprint");
  gtk_label_set_selectable (GTK_LABEL (label), TRUE);
  gtk_widget_set_direction (label, GTK_TEXT_DIR_LTR);
  gtk_box_append (GTK_BOX (body), label);
  row = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  gtk_widget_set_halign (row, GTK_ALIGN_END);
  button = gtk_button_new_with_label (_("Add a device"));
  g_signal_connect (button, "clicked", G_CALLBACK (on_add_instead), shell);
  gtk_box_append (GTK_BOX (row), button);
  button = gtk_button_new_with_label (_("Copy the fingerprint"));
  gtk_widget_add_css_class (button, "suggested");
  g_object_set_data_full (G_OBJECT (button), "fingerprint", g_strdup (id), g_free);
  g_signal_connect (button, "clicked", G_CALLBACK (on_copy_clicked), shell);
  gtk_box_append (GTK_BOX (row), button);
  gtk_box_append (GTK_BOX (body), row);
  moss_sheets_show (shell->sheets, sheet);
}

/* ---- add ----------------------------------------------------------------------------- */

typedef struct
{
  MossShell *shell;
  GtkWidget *address;
  GtkWidget *fingerprint;
  GtkWidget *error;
  GtkWidget *add;
} AddDialog;

static char *
get_fingerprint (AddDialog *dialog)
{
  const char *text = gtk_editable_get_text (GTK_EDITABLE (dialog->fingerprint));
  GString *hex = g_string_new (NULL);

  for (const char *at = text; *at != '\0'; at++)
    {
      if (*at == ':' || g_ascii_isspace (*at))
        continue;
      g_string_append_c (hex, g_ascii_isxdigit (*at) ? g_ascii_tolower (*at) : '?');
    }
  return g_string_free (hex, FALSE);
}

static void
on_typed (AddDialog *dialog)
{
  g_autofree char *hex = get_fingerprint (dialog);
  gboolean whole = strlen (hex) == FINGERPRINT_DIGITS && strchr (hex, '?') == NULL;

  gtk_widget_set_sensitive (dialog->add, whole);
  gtk_widget_set_visible (dialog->error, strchr (hex, '?') != NULL);
  gtk_label_set_label (GTK_LABEL (dialog->error),
                       _("A fingerprint has only the digits 0–9 and the letters a–f."));
}

static void
on_added (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GtkWidget) widget = data;
  AddDialog *dialog = g_object_get_data (G_OBJECT (widget), "dialog");
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  g_autofree char *reason = NULL;

  if (moss_dbus_net1_call_add_device_finish (MOSS_DBUS_NET1 (source), &id, result, &error))
    {
      moss_sheets_close (dialog->shell->sheets);
      moss_toasts_say (dialog->shell->toasts,
                       _("Added. Now add this device at the other one, too."));
      return;
    }
  reason = moss_format_error (error);
  gtk_label_set_label (GTK_LABEL (dialog->error), reason);
  gtk_widget_set_visible (dialog->error, TRUE);
  gtk_widget_set_sensitive (dialog->add, TRUE);
}

static void
on_add_clicked (AddDialog *dialog)
{
  MossDBusNet1 *net = moss_net_client_get_proxy (dialog->shell->net);
  g_autofree char *hex = get_fingerprint (dialog);

  if (net == NULL)
    {
      gtk_label_set_label (GTK_LABEL (dialog->error),
                           _("The network service is not running."));
      gtk_widget_set_visible (dialog->error, TRUE);
      return;
    }
  gtk_widget_set_sensitive (dialog->add, FALSE);
  moss_dbus_net1_call_add_device (net,
                                  gtk_editable_get_text (GTK_EDITABLE (dialog->address)),
                                  hex, NULL, on_added, g_object_ref (dialog->add));
}

void
moss_device_dialog_show_add (MossShell *shell)
{
  AddDialog *dialog = g_new0 (AddDialog, 1);
  GtkWidget *body, *sheet;

  sheet = moss_sheets_make_dialog (shell->sheets, _("Add a device"), &body);
  dialog->shell = shell;
  gtk_box_append (GTK_BOX (body),
                  moss_form_text_new (_("At the other device, open “Your devices” and choose "
                                        "“By fingerprint”. It shows both lines."), "muted"));
  dialog->address = moss_form_add_entry (body, _("Address"), _("laptop.local or 192.168.1.20"));
  dialog->fingerprint = moss_form_add_entry (body, _("Fingerprint"), "3fa9 27c1 …");
  gtk_editable_set_width_chars (GTK_EDITABLE (dialog->fingerprint), 44);
  dialog->error = moss_form_text_new ("", "warning");
  gtk_widget_set_visible (dialog->error, FALSE);
  gtk_box_append (GTK_BOX (body), dialog->error);
  dialog->add = gtk_button_new_with_label (_("Add"));
  gtk_widget_add_css_class (dialog->add, "suggested");
  gtk_widget_set_halign (dialog->add, GTK_ALIGN_END);
  gtk_widget_set_sensitive (dialog->add, FALSE);
  gtk_box_append (GTK_BOX (body), dialog->add);
  g_object_set_data_full (G_OBJECT (dialog->add), "dialog", dialog, g_free);
  g_signal_connect_swapped (dialog->fingerprint, "changed", G_CALLBACK (on_typed), dialog);
  g_signal_connect_swapped (dialog->fingerprint, "activate", G_CALLBACK (on_add_clicked),
                            dialog);
  g_signal_connect_swapped (dialog->add, "clicked", G_CALLBACK (on_add_clicked), dialog);
  moss_sheets_show (shell->sheets, sheet);
  gtk_widget_grab_focus (dialog->address);
}

static void
on_removed (GObject *source, GAsyncResult *result, gpointer data)
{
  MossShell *shell = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *reason = NULL;

  if (moss_dbus_net1_call_remove_device_finish (MOSS_DBUS_NET1 (source), result, &error))
    return;
  reason = moss_format_error (error);
  moss_toasts_say (shell->toasts, reason);
}

/* From now on it is a stranger. */
void
moss_device_dialog_remove (MossShell *shell, MossDevice *device)
{
  MossDBusNet1 *net = moss_net_client_get_proxy (shell->net);

  if (net != NULL)
    moss_dbus_net1_call_remove_device (net, device->id, NULL, on_removed, shell);
}
