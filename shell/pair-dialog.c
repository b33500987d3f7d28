// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-pair-dialog"

#include "pair-dialog.h"

#include "device-dialog.h"
#include "form.h"
#include "format.h"

#include <glib/gi18n.h>
#include <string.h>

/* MossPairDialog: one sheet after the other. Without an identity it asks whether this is the
   person's first device; with one it lists the devices. Nothing is decided here: netd pairs,
   the agent signs. It lives as long as its sheet or a call that is under way. */

G_DEFINE_FINAL_TYPE (MossPairDialog, moss_pair_dialog, G_TYPE_OBJECT)

#define FINGERPRINT_BYTES 32
#define PASSPHRASE_MIN 8

static void
stop_counting (MossPairDialog *self)
{
  g_clear_handle_id (&self->tick, g_source_remove);
}

static void
on_sheet_gone (gpointer data, GObject *sheet)
{
  MossPairDialog *self = data;

  if (self->sheet == (GtkWidget *) sheet)
    {
      self->sheet = NULL;
      stop_counting (self);
    }
  g_object_unref (self);
}

/**
 * moss_pair_dialog_begin:
 * @body: (out) (transfer none): for the content
 *
 * Returns: (transfer floating): the next page, to be shown by moss_sheets_show()
 */
GtkWidget *
moss_pair_dialog_begin (MossPairDialog *self, const char *title, GtkWidget **body)
{
  stop_counting (self);
  self->name = self->passphrase = self->again = self->keyring = NULL;
  self->where = self->code = self->left = self->done = self->warning = self->address = NULL;
  self->sheet = moss_sheets_make_dialog (self->shell->sheets, title, body);
  g_object_weak_ref (G_OBJECT (self->sheet), on_sheet_gone, g_object_ref (self));
  return self->sheet;
}

static void
set_busy (MossPairDialog *self, gboolean busy)
{
  if (self->done != NULL)
    gtk_widget_set_sensitive (self->done, !busy);
}

/* Says on the page why it doesn't go on. */
void
moss_pair_dialog_fail (MossPairDialog *self, const GError *error)
{
  g_autofree char *text = moss_format_error (error);

  if (self->sheet == NULL)
    return;
  set_busy (self, FALSE);
  if (self->warning != NULL)
    moss_form_warn (self->warning, text);
  else
    moss_toasts_say (self->shell->toasts, text);
}

static const char *
get_string (GVariant *dict, const char *key)
{
  const char *text = "";

  g_variant_lookup (dict, key, "&s", &text);
  return text;
}

static gboolean
get_boolean (GVariant *dict, const char *key)
{
  gboolean value = FALSE;

  g_variant_lookup (dict, key, "b", &value);
  return value;
}

/* ---- how the keys of this device are kept --------------------------------------------- */

static void
on_keyring_toggled (MossPairDialog *self)
{
  gboolean keyring = gtk_check_button_get_active (GTK_CHECK_BUTTON (self->keyring));

  gtk_widget_set_sensitive (gtk_widget_get_parent (self->passphrase), !keyring);
  gtk_widget_set_sensitive (gtk_widget_get_parent (self->again), !keyring);
}

/* Asks for a passphrase, unless the keys are sealed already. */
void
moss_pair_dialog_add_sealing (MossPairDialog *self, GtkWidget *body)
{
  if (!g_str_equal (get_string (self->identity, "sealing"), "none"))
    return;
  self->passphrase = moss_form_add_password (body, _("Passphrase for the keys of this device"));
  self->again = moss_form_add_password (body, _("The same once more"));
  self->keyring = gtk_check_button_new_with_label (_("The desktop's keyring keeps them instead"));
  gtk_box_append (GTK_BOX (body), self->keyring);
  g_signal_connect_swapped (self->keyring, "toggled", G_CALLBACK (on_keyring_toggled), self);
}

static void
on_sealed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossPairDialog) self = data;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_agent1_call_seal_finish (MOSS_DBUS_AGENT1 (source), result, &error))
    moss_pair_dialog_fail (self, error);
  else if (self->sheet != NULL)
    self->sealed (self);
}

/* Seals as the page says, and then calls sealed. */
void
moss_pair_dialog_seal (MossPairDialog *self, void (*sealed) (MossPairDialog *self))
{
  const char *passphrase, *again;
  gboolean keyring;

  self->sealed = sealed;
  if (self->passphrase == NULL)
    {
      sealed (self);
      return;
    }
  passphrase = gtk_editable_get_text (GTK_EDITABLE (self->passphrase));
  again = gtk_editable_get_text (GTK_EDITABLE (self->again));
  keyring = gtk_check_button_get_active (GTK_CHECK_BUTTON (self->keyring));
  if (!keyring && g_utf8_strlen (passphrase, -1) < PASSPHRASE_MIN)
    moss_form_warn (self->warning, _("A passphrase has at least 8 characters."));
  else if (!keyring && strcmp (passphrase, again) != 0)
    moss_form_warn (self->warning, _("The two passphrases differ."));
  else
    {
      set_busy (self, TRUE);
      moss_dbus_agent1_call_seal (self->agent, keyring ? "keyring" : "passphrase",
                                  keyring ? "" : passphrase, NULL, on_sealed,
                                  g_object_ref (self));
    }
}

/* ---- the first device ------------------------------------------------------------------ */

static GVariant *
fingerprint_bytes (const char *id)
{
  guint8 bytes[FINGERPRINT_BYTES] = { 0 };

  for (guint i = 0; i < sizeof bytes && strlen (id) == 2 * sizeof bytes; i++)
    bytes[i] = g_ascii_xdigit_value (id[2 * i]) << 4 | g_ascii_xdigit_value (id[2 * i + 1]);
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, sizeof bytes, 1);
}

static void
on_created (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossPairDialog) self = data;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_agent1_call_create_identity_finish (MOSS_DBUS_AGENT1 (source), result,
                                                     &error))
    moss_pair_dialog_fail (self, error);
}

static void
create (MossPairDialog *self)
{
  set_busy (self, TRUE);
  moss_dbus_agent1_call_create_identity (
      self->agent, gtk_editable_get_text (GTK_EDITABLE (self->name)),
      fingerprint_bytes (moss_dbus_net1_get_device_id (self->net)),
      moss_dbus_net1_get_device_name (self->net), NULL, on_created, g_object_ref (self));
}

static void
on_create_clicked (MossPairDialog *self)
{
  moss_form_warn (self->warning, "");
  if (*gtk_editable_get_text (GTK_EDITABLE (self->name)) == '\0')
    moss_form_warn (self->warning, _("It needs a name."));
  else
    moss_pair_dialog_seal (self, create);
}

static void
show_create (MossPairDialog *self)
{
  GtkWidget *body;
  GtkWidget *sheet = moss_pair_dialog_begin (self, _("Your first device"), &body);

  gtk_box_append (GTK_BOX (body),
                  moss_form_text_new (_("The name is yours on all your devices, and that of "
                                        "your folder in /net."), "muted"));
  self->name = moss_form_add_entry (body, _("Your name"), _("me, or me@example.org"));
  moss_pair_dialog_add_sealing (self, body);
  self->warning = moss_form_add_warning (body);
  self->done = moss_form_add_button (moss_form_add_buttons (body), _("Begin"), "suggested",
                                     G_CALLBACK (on_create_clicked), self);
  g_signal_connect_swapped (self->name, "activate", G_CALLBACK (on_create_clicked), self);
  moss_sheets_show (self->shell->sheets, sheet);
}

static void
on_fingerprint_clicked (MossPairDialog *self)
{
  moss_device_dialog_show_this (self->shell);
}

static GtkWidget *
add_wide_button (GtkWidget *body, const char *label, const char *css_class, GCallback clicked,
                 MossPairDialog *self)
{
  GtkWidget *button = moss_form_add_button (body, label, css_class, clicked, self);

  gtk_widget_set_hexpand (button, TRUE);
  return button;
}

static void
show_start (MossPairDialog *self)
{
  GtkWidget *body;
  GtkWidget *sheet = moss_pair_dialog_begin (self, _("Your devices"), &body);
  const char *problem = get_string (self->identity, "problem");

  if (*problem != '\0')
    gtk_box_append (GTK_BOX (body), moss_form_text_new (problem, "warning"));
  gtk_box_append (GTK_BOX (body),
                  moss_form_text_new (_("Devices that are yours share your files, and apps go "
                                        "from one to the other."), "muted"));
  add_wide_button (body, _("This is my first device"), "suggested", G_CALLBACK (show_create),
                   self);
  add_wide_button (body, _("I have one already: show a code"), "tinted",
                   G_CALLBACK (moss_pair_dialog_show_code), self);
  add_wide_button (body, _("By fingerprint"), "flat",
                   G_CALLBACK (on_fingerprint_clicked), self);
  moss_sheets_show (self->shell->sheets, sheet);
}

/* ---- the list ------------------------------------------------------------------------ */

static void
on_revoked (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossPairDialog) self = data;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_agent1_call_revoke_device_finish (MOSS_DBUS_AGENT1 (source), result, &error))
    moss_pair_dialog_fail (self, error);
}

/* The first click asks, the second does it. */
static void
on_revoke_clicked (GtkButton *button, MossPairDialog *self)
{
  const char *id = g_object_get_data (G_OBJECT (button), "id");

  if (!gtk_widget_has_css_class (GTK_WIDGET (button), "suggested"))
    {
      gtk_widget_remove_css_class (GTK_WIDGET (button), "flat");
      gtk_widget_add_css_class (GTK_WIDGET (button), "suggested");
      gtk_button_set_label (button, _("Revoke for good?"));
      return;
    }
  gtk_widget_set_sensitive (GTK_WIDGET (button), FALSE);
  moss_dbus_agent1_call_revoke_device (self->agent, fingerprint_bytes (id), NULL, on_revoked,
                                       g_object_ref (self));
}

static const char *
say_device (MossDevice *device)
{
  if (device != NULL && moss_device_is_linked (device))
    return _("Linked");
  return device != NULL && *device->reason != '\0' ? device->reason : _("Away or asleep");
}

static const char *
say_state (GVariant *member, MossDevice *device)
{
  if (get_boolean (member, "revoked"))
    return _("Revoked");
  return get_boolean (member, "self") ? _("This device") : say_device (device);
}

static void
on_device_changed (MossDevice *device, GtkLabel *state)
{
  gtk_label_set_label (state, say_device (device));
}

static GtkWidget *
make_revoke (MossPairDialog *self, GVariant *member)
{
  GtkWidget *button = gtk_button_new_with_label (_("Revoke"));
  g_autofree char *label = g_strdup_printf (_("Revoke %s"), get_string (member, "name"));

  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  g_object_set_data_full (G_OBJECT (button), "id", g_strdup (get_string (member, "id")),
                          g_free);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  label, -1);
  g_signal_connect (button, "clicked", G_CALLBACK (on_revoke_clicked), self);
  return button;
}

static GtkWidget *
make_row (MossPairDialog *self, GVariant *member)
{
  MossDevice *device = moss_net_client_find (self->shell->net, get_string (member, "id"));
  const char *icon = device != NULL ? moss_device_get_icon_name (device)
                                    : "moss-device-desktop-symbolic";
  GtkWidget *row = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  GtkWidget *text = gtk_box_new (GTK_ORIENTATION_VERTICAL, 2);
  GtkWidget *image = gtk_image_new_from_icon_name (icon);
  GtkWidget *state = moss_form_text_new (say_state (member, device), "muted");

  if (device != NULL && !get_boolean (member, "revoked"))
    g_signal_connect_object (device, "changed", G_CALLBACK (on_device_changed), state, 0);
  gtk_image_set_pixel_size (GTK_IMAGE (image), 24);
  gtk_widget_add_css_class (state, "small");
  gtk_widget_set_hexpand (text, TRUE);
  gtk_box_append (GTK_BOX (text), moss_form_text_new (get_string (member, "name"), "strong"));
  gtk_box_append (GTK_BOX (text), state);
  gtk_box_append (GTK_BOX (row), image);
  gtk_box_append (GTK_BOX (row), text);
  if (!get_boolean (member, "revoked") && !get_boolean (member, "self") &&
      !get_boolean (self->identity, "locked"))
    gtk_box_append (GTK_BOX (row), make_revoke (self, member));
  gtk_widget_set_opacity (row, get_boolean (member, "revoked") ? 0.55 : 1);
  return row;
}

static GtkWidget *
make_list (MossPairDialog *self)
{
  GtkWidget *list = gtk_list_box_new ();
  GtkWidget *scrolled = gtk_scrolled_window_new ();
  g_autoptr (GVariant) devices =
      g_variant_lookup_value (self->identity, "devices", G_VARIANT_TYPE ("aa{sv}"));

  gtk_widget_add_css_class (list, "list");
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (list), GTK_SELECTION_NONE);
  for (gsize i = 0; devices != NULL && i < g_variant_n_children (devices); i++)
    {
      g_autoptr (GVariant) member = g_variant_get_child_value (devices, i);

      gtk_list_box_append (GTK_LIST_BOX (list), make_row (self, member));
      gtk_widget_set_focusable (gtk_widget_get_last_child (list), FALSE);
    }
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scrolled), list);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scrolled), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_propagate_natural_height (GTK_SCROLLED_WINDOW (scrolled), TRUE);
  gtk_scrolled_window_set_max_content_height (GTK_SCROLLED_WINDOW (scrolled), 320);
  gtk_widget_set_size_request (scrolled, 380, -1);
  return scrolled;
}

static void
on_unlocked (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossPairDialog) self = data;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_agent1_call_unlock_finish (MOSS_DBUS_AGENT1 (source), result, &error))
    moss_pair_dialog_fail (self, error);
}

static void
on_unlock_clicked (MossPairDialog *self)
{
  const char *text =
      self->passphrase != NULL ? gtk_editable_get_text (GTK_EDITABLE (self->passphrase)) : "";

  set_busy (self, TRUE);
  moss_dbus_agent1_call_unlock (self->agent, text, NULL, on_unlocked, g_object_ref (self));
}

static void
add_unlock (MossPairDialog *self, GtkWidget *body)
{
  gtk_box_append (GTK_BOX (body),
                  moss_form_text_new (_("Moss is locked: your files can't be opened, and "
                                        "nothing can be changed here."), "warning"));
  if (g_str_equal (get_string (self->identity, "sealing"), "passphrase"))
    {
      self->passphrase = moss_form_add_password (body, _("Passphrase"));
      g_signal_connect_swapped (self->passphrase, "activate", G_CALLBACK (on_unlock_clicked),
                                self);
    }
}

static void
on_type_clicked (MossPairDialog *self)
{
  moss_pair_dialog_show_type (self, "");
}

static void
show_list (MossPairDialog *self)
{
  GtkWidget *body, *buttons;
  GtkWidget *sheet =
      moss_pair_dialog_begin (self, get_string (self->identity, "name"), &body);
  const char *problem = get_string (self->identity, "problem");
  gboolean locked = get_boolean (self->identity, "locked");

  if (*problem != '\0')
    gtk_box_append (GTK_BOX (body), moss_form_text_new (problem, "warning"));
  moss_pair_dialog_add_ways (self, body);
  if (locked)
    add_unlock (self, body);
  gtk_box_append (GTK_BOX (body), make_list (self));
  self->warning = moss_form_add_warning (body);
  buttons = moss_form_add_buttons (body);
  moss_form_add_button (buttons, _("Hosts"), "flat", G_CALLBACK (moss_pair_dialog_show_hosts),
                        self);
  moss_form_add_button (buttons, _("By fingerprint"), "flat",
                        G_CALLBACK (on_fingerprint_clicked), self);
  if (locked)
    self->done = moss_form_add_button (buttons, _("Unlock"), "suggested",
                                       G_CALLBACK (on_unlock_clicked), self);
  else
    self->done = moss_form_add_button (buttons, _("Add a device"), "suggested",
                                       G_CALLBACK (on_type_clicked), self);
  moss_sheets_show (self->shell->sheets, sheet);
  gtk_widget_grab_focus (self->passphrase != NULL ? self->passphrase : self->done);
}

/* ---- loading ------------------------------------------------------------------------- */

static void
on_identity (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossPairDialog) self = data;
  g_autoptr (GVariant) identity = NULL;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_net1_call_identity_finish (MOSS_DBUS_NET1 (source), &identity, result,
                                            &error))
    {
      moss_pair_dialog_fail (self, error);
      return;
    }
  if (self->sheet == NULL)
    return;
  g_clear_pointer (&self->identity, g_variant_unref);
  self->identity = g_steal_pointer (&identity);
  if (*get_string (self->identity, "id") == '\0')
    show_start (self);
  else if (self->address != NULL)
    moss_pair_dialog_show_hosts (self);
  else
    show_list (self);
}

/* Shows how things are now. */
void
moss_pair_dialog_load (MossPairDialog *self)
{
  moss_dbus_net1_call_identity (self->net, NULL, on_identity, g_object_ref (self));
}

static void
on_identity_changed (MossDBusNet1 *net, MossPairDialog *self)
{
  if (self->sheet != NULL && self->where == NULL)
    moss_pair_dialog_load (self);
}

static void
on_agent_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossPairDialog) self = data;
  g_autoptr (GError) error = NULL;

  self->agent = moss_dbus_agent1_proxy_new_finish (result, &error);
  if (self->agent == NULL)
    moss_pair_dialog_fail (self, error);
  else if (self->sheet != NULL)
    {
      /* The keyring may ask the person for its own password first. */
      g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (self->agent), G_MAXINT);
      moss_pair_dialog_load (self);
    }
}

static void
moss_pair_dialog_dispose (GObject *object)
{
  MossPairDialog *self = MOSS_PAIR_DIALOG (object);

  stop_counting (self);
  g_clear_object (&self->net);
  g_clear_object (&self->agent);
  g_clear_pointer (&self->identity, g_variant_unref);
  G_OBJECT_CLASS (moss_pair_dialog_parent_class)->dispose (object);
}

static void
moss_pair_dialog_class_init (MossPairDialogClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_pair_dialog_dispose;
}

static void
moss_pair_dialog_init (MossPairDialog *self)
{
}

/* Opens the dialog; it finds out by itself where to begin. */
void
moss_pair_dialog_show (MossShell *shell)
{
  g_autoptr (MossPairDialog) self = g_object_new (MOSS_TYPE_PAIR_DIALOG, NULL);
  MossDBusNet1 *net = moss_net_client_get_proxy (shell->net);
  GtkWidget *body, *sheet;

  self->shell = shell;
  sheet = moss_pair_dialog_begin (self, _("Your devices"), &body);
  self->warning = moss_form_add_warning (body);
  moss_sheets_show (shell->sheets, sheet);
  if (net == NULL)
    {
      moss_form_warn (self->warning, _("The network service is not running."));
      return;
    }
  self->net = g_object_ref (net);
  g_signal_connect_object (net, "identity-changed", G_CALLBACK (on_identity_changed), self, 0);
  moss_dbus_agent1_proxy_new (shell->bus, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START,
                              "org.moss.Agent1", "/org/moss/Agent", NULL, on_agent_ready,
                              g_object_ref (self));
}
