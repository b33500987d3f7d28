// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-pair-dialog"

#include "pair-dialog.h"

#include "form.h"

#include <glib/gi18n.h>
#include <string.h>

/* The two pages with the code: the new device shows it, an old one takes it. */

/* ---- shown --------------------------------------------------------------------------- */

static gboolean
on_tick (gpointer data)
{
  MossPairDialog *self = data;
  gint64 left = MAX (self->until_us - g_get_monotonic_time (), 0) / G_USEC_PER_SEC;
  g_autofree char *text = NULL;

  /* Translators: minutes and seconds that a code can still be typed */
  text = g_strdup_printf (_("%d:%02d left"), (int) (left / 60), (int) (left % 60));
  gtk_label_set_label (GTK_LABEL (self->left), text);
  if (left > 0)
    return G_SOURCE_CONTINUE;
  self->tick = 0;
  return G_SOURCE_REMOVE;
}

static void
on_pairing (MossDBusNet1 *net, const char *state, const char *text, MossPairDialog *self)
{
  if (self->sheet == NULL || self->left == NULL)
    return;
  if (strcmp (state, "paired") == 0)
    {
      moss_toasts_say (self->shell->toasts, text);
      moss_pair_dialog_load (self);
      return;
    }
  moss_form_warn (self->warning, text);
  if (strcmp (state, "ended") != 0)
    return;
  g_clear_handle_id (&self->tick, g_source_remove);
  gtk_label_set_label (GTK_LABEL (self->left), "");
  gtk_widget_set_sensitive (self->code, FALSE);
  gtk_widget_set_visible (self->done, TRUE);
}

/* Nobody types a code that isn't shown any more. */
static void
on_code_unmap (GtkWidget *label, MossPairDialog *self)
{
  if (label != self->code)
    return; /* a new one took its place */
  moss_dbus_net1_call_hide_code (self->net, NULL, NULL, NULL);
}

static void
show_code (MossPairDialog *self, const char *code, guint seconds)
{
  GtkWidget *body;
  GtkWidget *sheet = moss_pair_dialog_begin (self, _("Type this code"), &body);
  g_autofree char *how = g_strdup_printf (
      _("On the device that you have already, under “Your devices”, choose “Add a device”, "
        "then %s, and type:"), moss_dbus_net1_get_device_name (self->net));

  gtk_box_append (GTK_BOX (body), moss_form_text_new (how, "muted"));
  self->code = gtk_label_new (code);
  gtk_widget_add_css_class (self->code, "code");
  gtk_widget_set_direction (self->code, GTK_TEXT_DIR_LTR);
  gtk_box_append (GTK_BOX (body), self->code);
  g_signal_connect (self->code, "unmap", G_CALLBACK (on_code_unmap), self);
  self->left = moss_form_text_new ("", "muted");
  gtk_widget_add_css_class (self->left, "numbers");
  gtk_widget_set_halign (self->left, GTK_ALIGN_CENTER);
  gtk_box_append (GTK_BOX (body), self->left);
  self->warning = moss_form_add_warning (body);
  self->done = moss_form_add_button (moss_form_add_buttons (body), _("Show a new code"),
                                     "suggested", G_CALLBACK (moss_pair_dialog_show_code),
                                     self);
  gtk_widget_set_visible (self->done, FALSE);
  self->until_us = g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
  on_tick (self);
  self->tick = g_timeout_add_seconds (1, on_tick, self);
  moss_sheets_show (self->shell->sheets, sheet);
}

static void
on_code (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossPairDialog) self = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *code = NULL;
  guint seconds;

  if (!moss_dbus_net1_call_show_code_finish (MOSS_DBUS_NET1 (source), &code, &seconds, result,
                                             &error))
    moss_pair_dialog_fail (self, error);
  else if (self->sheet != NULL)
    show_code (self, code, seconds);
  else
    moss_dbus_net1_call_hide_code (self->net, NULL, NULL, NULL);
}

static void
ask_for_code (MossPairDialog *self)
{
  g_signal_handlers_disconnect_by_func (self->net, on_pairing, self);
  g_signal_connect_object (self->net, "pairing", G_CALLBACK (on_pairing), self, 0);
  moss_dbus_net1_call_show_code (self->net, NULL, on_code, g_object_ref (self));
}

static void
on_show_clicked (MossPairDialog *self)
{
  moss_form_warn (self->warning, "");
  moss_pair_dialog_seal (self, ask_for_code);
}

static void
show_prepare (MossPairDialog *self)
{
  GtkWidget *body;
  GtkWidget *sheet = moss_pair_dialog_begin (self, _("One more device"), &body);

  gtk_box_append (GTK_BOX (body),
                  moss_form_text_new (_("Its keys never leave it. Say what keeps them when it "
                                        "is switched off."), "muted"));
  moss_pair_dialog_add_sealing (self, body);
  self->warning = moss_form_add_warning (body);
  self->done = moss_form_add_button (moss_form_add_buttons (body), _("Show the code"),
                                     "suggested", G_CALLBACK (on_show_clicked), self);
  moss_sheets_show (self->shell->sheets, sheet);
}

/* On the new device. */
void
moss_pair_dialog_show_code (MossPairDialog *self)
{
  const char *sealing = moss_dbus_agent1_get_sealing (self->agent);

  if (g_strcmp0 (sealing, "none") == 0)
    show_prepare (self);
  else
    ask_for_code (self);
}

/* ---- typed --------------------------------------------------------------------------- */

static void
on_paired (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossPairDialog) self = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  g_autofree char *name = NULL;
  g_autofree char *text = NULL;

  if (!moss_dbus_net1_call_type_code_finish (MOSS_DBUS_NET1 (source), &id, &name, result,
                                             &error))
    {
      moss_pair_dialog_fail (self, error);
      return;
    }
  text = g_strdup_printf (_("%s is one of your devices now."), name);
  moss_toasts_say (self->shell->toasts, text);
  if (self->sheet != NULL)
    moss_pair_dialog_load (self);
}

/* What was picked in the list, else what was typed. */
static const char *
get_where (MossPairDialog *self)
{
  const char *id = g_object_get_data (G_OBJECT (self->where), "id");

  return id != NULL ? id : gtk_editable_get_text (GTK_EDITABLE (self->where));
}

static void
on_pair_clicked (MossPairDialog *self)
{
  const char *where = get_where (self);
  const char *code = gtk_editable_get_text (GTK_EDITABLE (self->code));

  moss_form_warn (self->warning, "");
  if (*where == '\0' || *code == '\0')
    {
      moss_form_warn (self->warning, _("It needs both: where the new device is, and its code."));
      return;
    }
  gtk_widget_set_sensitive (self->done, FALSE);
  moss_dbus_net1_call_type_code (self->net, where, code, NULL, on_paired,
                                 g_object_ref (self));
}

static void
on_where_changed (GtkEditable *entry, MossPairDialog *self)
{
  g_object_set_data (G_OBJECT (entry), "id", NULL);
}

static void
on_seen_clicked (GtkButton *button, MossPairDialog *self)
{
  gtk_editable_set_text (GTK_EDITABLE (self->where), gtk_button_get_label (button));
  g_object_set_data_full (G_OBJECT (self->where), "id",
                          g_strdup (g_object_get_data (G_OBJECT (button), "id")), g_free);
  gtk_widget_grab_focus (self->code);
}

/* Devices that announce themselves and are nobody's of ours: one click instead of typing. */
static void
add_seen (MossPairDialog *self, GtkWidget *body)
{
  GListModel *devices = moss_net_client_get_devices (self->shell->net);
  GtkWidget *row = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);

  for (guint i = 0; i < g_list_model_get_n_items (devices); i++)
    {
      g_autoptr (MossDevice) device = g_list_model_get_item (devices, i);
      GtkWidget *button;

      if (device->paired)
        continue;
      button = gtk_button_new_with_label (device->name);
      gtk_widget_add_css_class (button, "tinted");
      g_object_set_data_full (G_OBJECT (button), "id", g_strdup (device->id), g_free);
      g_signal_connect (button, "clicked", G_CALLBACK (on_seen_clicked), self);
      gtk_box_append (GTK_BOX (row), button);
    }
  gtk_box_append (GTK_BOX (body), row);
  gtk_widget_set_visible (row, gtk_widget_get_first_child (row) != NULL);
}

/* On a device of the identity. */
void
moss_pair_dialog_show_type (MossPairDialog *self, const char *where)
{
  GtkWidget *body;
  GtkWidget *sheet = moss_pair_dialog_begin (self, _("Add a device"), &body);

  gtk_box_append (GTK_BOX (body),
                  moss_form_text_new (_("On the new device open “Your devices” and let it show "
                                        "a code."), "muted"));
  self->where = moss_form_add_entry (body, _("New device"), _("laptop.local or 192.168.1.20"));
  gtk_editable_set_text (GTK_EDITABLE (self->where), where);
  g_signal_connect (self->where, "changed", G_CALLBACK (on_where_changed), self);
  add_seen (self, body);
  self->code = moss_form_add_entry (body, _("Code"), "1234 5678");
  gtk_widget_add_css_class (self->code, "code-entry");
  gtk_widget_set_direction (self->code, GTK_TEXT_DIR_LTR);
  gtk_entry_set_input_purpose (GTK_ENTRY (self->code), GTK_INPUT_PURPOSE_DIGITS);
  g_signal_connect_swapped (self->code, "activate", G_CALLBACK (on_pair_clicked), self);
  self->warning = moss_form_add_warning (body);
  self->done = moss_form_add_button (moss_form_add_buttons (body), _("Pair"), "suggested",
                                     G_CALLBACK (on_pair_clicked), self);
  moss_sheets_show (self->shell->sheets, sheet);
}
