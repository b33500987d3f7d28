// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-pair-dialog"

#include "pair-dialog.h"

#include "form.h"
#include "vfs/files/host-address.h"

#include <glib/gi18n.h>
#include <string.h>

/* The page with the hosts that keep a person's files, and what to do when the identity was
 * changed in two ways at once. */

#define HOSTS_MAX 16

/* ---- two ways ------------------------------------------------------------------------ */

static void
on_resolved (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossPairDialog) self = data;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_agent1_call_resolve_finish (MOSS_DBUS_AGENT1 (source), result, &error))
    moss_pair_dialog_fail (self, error);
  else if (self->sheet != NULL)
    moss_pair_dialog_load (self);
}

static void
resolve (MossPairDialog *self, gboolean mine)
{
  moss_dbus_agent1_call_resolve (self->agent, mine, NULL, on_resolved, g_object_ref (self));
}

static void
on_here_clicked (MossPairDialog *self)
{
  resolve (self, TRUE);
}

static void
on_elsewhere_clicked (MossPairDialog *self)
{
  resolve (self, FALSE);
}

/* Nothing when the identity is not in dispute. */
void
moss_pair_dialog_add_ways (MossPairDialog *self, GtkWidget *body)
{
  GtkWidget *row;

  if (!moss_dbus_agent1_get_forked (self->agent))
    return;
  row = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  moss_form_add_button (row, _ ("Keep what was done here"), "tinted",
                        G_CALLBACK (on_here_clicked), self);
  moss_form_add_button (row, _ ("Take what was done elsewhere"), "tinted",
                        G_CALLBACK (on_elsewhere_clicked), self);
  gtk_box_append (GTK_BOX (body), row);
}

/* ---- hosts --------------------------------------------------------------------------- */

static void
on_hosts_set (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossPairDialog) self = data;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_agent1_call_set_hosts_finish (MOSS_DBUS_AGENT1 (source), result, &error))
    moss_pair_dialog_fail (self, error);
  else if (self->sheet != NULL)
    moss_pair_dialog_load (self);
}

/* Those of now without @gone, and with @added; each may be NULL. */
static void
set_hosts (MossPairDialog *self, const char *gone, const char *added)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree const char **hosts = NULL;
  g_auto (GStrv) list = NULL;

  g_variant_lookup (self->identity, "hosts", "^a&s", &hosts);
  for (guint i = 0; hosts != NULL && hosts[i] != NULL; i++)
    if (g_strcmp0 (hosts[i], gone) != 0 && g_strcmp0 (hosts[i], added) != 0)
      g_strv_builder_add (builder, hosts[i]);
  if (added != NULL)
    g_strv_builder_add (builder, added);
  list = g_strv_builder_end (builder);
  moss_dbus_agent1_call_set_hosts (self->agent, (const char *const *) list, NULL,
                                   on_hosts_set, g_object_ref (self));
}

static void
on_add_clicked (MossPairDialog *self)
{
  g_autofree char *typed =
      g_strstrip (g_strdup (gtk_editable_get_text (GTK_EDITABLE (self->address))));
  g_autofree char *url =
      strstr (typed, "://") == NULL ? g_strconcat ("https://", typed, NULL) : g_strdup (typed);

  moss_form_warn (self->warning, "");
  if (!moss_host_address_is_valid (url))
    {
      moss_form_warn (self->warning, _ ("That is not the address of a host.\n"
                                        "It looks like https://example.org"));
      return;
    }
  gtk_widget_set_sensitive (self->done, FALSE);
  set_hosts (self, NULL, url);
}

/* The first click asks, the second does it. */
static void
on_remove_clicked (GtkButton *button, MossPairDialog *self)
{
  const char *host = g_object_get_data (G_OBJECT (button), "host");

  if (!gtk_widget_has_css_class (GTK_WIDGET (button), "suggested"))
    {
      gtk_widget_remove_css_class (GTK_WIDGET (button), "flat");
      gtk_widget_add_css_class (GTK_WIDGET (button), "suggested");
      gtk_button_set_label (button, _ ("No longer use it?"));
      return;
    }
  gtk_widget_set_sensitive (GTK_WIDGET (button), FALSE);
  set_hosts (self, host, NULL);
}

static GtkWidget *
make_row (MossPairDialog *self, const char *host, gboolean locked)
{
  GtkWidget *row = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  GtkWidget *image = gtk_image_new_from_icon_name ("moss-device-server-symbolic");
  GtkWidget *text = moss_form_text_new (host, "strong");
  GtkWidget *button = gtk_button_new_with_label (_ ("Remove"));
  g_autofree char *name = g_strdup_printf (_ ("Remove %s"), host);

  gtk_image_set_pixel_size (GTK_IMAGE (image), 24);
  gtk_label_set_ellipsize (GTK_LABEL (text), PANGO_ELLIPSIZE_MIDDLE);
  gtk_label_set_wrap (GTK_LABEL (text), FALSE);
  gtk_widget_set_hexpand (text, TRUE);
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_sensitive (button, !locked);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, name,
                                  -1);
  g_object_set_data_full (G_OBJECT (button), "host", g_strdup (host), g_free);
  g_signal_connect (button, "clicked", G_CALLBACK (on_remove_clicked), self);
  gtk_box_append (GTK_BOX (row), image);
  gtk_box_append (GTK_BOX (row), text);
  gtk_box_append (GTK_BOX (row), button);
  return row;
}

static guint
add_list (MossPairDialog *self, GtkWidget *body, gboolean locked)
{
  GtkWidget *list = gtk_list_box_new ();
  g_autofree const char **hosts = NULL;
  guint n = 0;

  g_variant_lookup (self->identity, "hosts", "^a&s", &hosts);
  gtk_widget_add_css_class (list, "list");
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (list), GTK_SELECTION_NONE);
  gtk_widget_set_size_request (list, 380, -1);
  gtk_accessible_update_property (GTK_ACCESSIBLE (list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Hosts"), -1);
  for (; hosts != NULL && hosts[n] != NULL && n < HOSTS_MAX; n++)
    {
      gtk_list_box_append (GTK_LIST_BOX (list), make_row (self, hosts[n], locked));
      gtk_widget_set_focusable (gtk_widget_get_last_child (list), FALSE);
    }
  gtk_widget_set_visible (list, n > 0);
  gtk_box_append (GTK_BOX (body), list);
  return n;
}

static void
on_back_clicked (MossPairDialog *self)
{
  self->address = NULL;
  moss_pair_dialog_load (self);
}

void
moss_pair_dialog_show_hosts (MossPairDialog *self)
{
  GtkWidget *body, *buttons;
  GtkWidget *sheet = moss_pair_dialog_begin (self, _ ("Hosts"), &body);
  gboolean locked = FALSE;
  guint n;

  g_variant_lookup (self->identity, "locked", "b", &locked);
  gtk_box_append (GTK_BOX (body),
                  moss_form_text_new (_ ("A host keeps your files while your devices are off. "
                                         "It can't read them."), "muted"));
  n = add_list (self, body, locked);
  self->address = moss_form_add_entry (
      body, n == 0 ? _ ("No host keeps your files yet. Address of one") : _ ("Another host"),
      "https://example.org");
  gtk_widget_set_sensitive (self->address, !locked && n < HOSTS_MAX);
  self->warning = moss_form_add_warning (body);
  if (locked)
    moss_form_warn (self->warning, _ ("Moss is locked: nothing can be changed here."));
  buttons = moss_form_add_buttons (body);
  moss_form_add_button (buttons, _ ("Back"), "flat", G_CALLBACK (on_back_clicked), self);
  self->done = moss_form_add_button (buttons, _ ("Add"), "suggested",
                                     G_CALLBACK (on_add_clicked), self);
  gtk_widget_set_sensitive (self->done, !locked && n < HOSTS_MAX);
  g_signal_connect_swapped (self->address, "activate", G_CALLBACK (on_add_clicked), self);
  moss_sheets_show (self->shell->sheets, sheet);
  gtk_widget_grab_focus (self->address);
}
