// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-nautilus"

#include "extension.h"

#include "moss-config.h"

#include <glib/gi18n-lib.h>

static void moss_nautilus_column_iface_init (NautilusColumnProviderInterface *iface);

G_DEFINE_DYNAMIC_TYPE_EXTENDED (
    MossNautilus, moss_nautilus, G_TYPE_OBJECT, G_TYPE_FLAG_FINAL,
    G_IMPLEMENT_INTERFACE_DYNAMIC (NAUTILUS_TYPE_INFO_PROVIDER, moss_nautilus_info_iface_init)
    G_IMPLEMENT_INTERFACE_DYNAMIC (NAUTILUS_TYPE_MENU_PROVIDER, moss_nautilus_menu_iface_init)
    G_IMPLEMENT_INTERFACE_DYNAMIC (NAUTILUS_TYPE_COLUMN_PROVIDER,
                                   moss_nautilus_column_iface_init))

char *
moss_nautilus_path_of (NautilusFileInfo *file)
{
  g_autoptr (GFile) location = nautilus_file_info_get_location (file);
  g_autofree char *path = location != NULL ? g_file_get_path (location) : NULL;

  if (path == NULL || !g_str_has_prefix (path, "/net/") || !g_utf8_validate (path, -1, NULL))
    return NULL;
  return g_steal_pointer (&path);
}

static GList *
get_columns (NautilusColumnProvider *provider)
{
  NautilusColumn *column = nautilus_column_new (
      "Moss::state", "moss_state", _ ("State"),
      _ ("Whether a file on /net is on this device, and on how many hosts"));

  return g_list_append (NULL, column);
}

static void
moss_nautilus_column_iface_init (NautilusColumnProviderInterface *iface)
{
  iface->get_columns = get_columns;
}

/* ---- the devices to send to ---------------------------------------------------------- */

static void
on_devices_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossNautilus) self = data;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  if (answer == NULL || !g_variant_is_of_type (answer, G_VARIANT_TYPE ("(aa{sv})")))
    return;
  g_clear_pointer (&self->devices, g_variant_unref);
  self->devices = g_variant_get_child_value (answer, 0);
}

static void
ask_devices (MossNautilus *self)
{
  g_dbus_connection_call (moss_files_client_get_bus (self->client), MOSS_FILES_NAME,
                          "/org/moss/Net", "org.moss.Net1", "Devices", NULL, NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, G_MAXINT, NULL, on_devices_ready,
                          g_object_ref (self));
}

static void
on_net_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  ask_devices (data);
}

static void
on_device_signal (GDBusConnection *bus, const char *sender, const char *path,
                  const char *interface, const char *signal, GVariant *parameters, gpointer data)
{
  ask_devices (data);
}

static void
follow_devices (MossNautilus *self, GDBusConnection *bus)
{
  self->devices_signal = g_dbus_connection_signal_subscribe (
      bus, MOSS_FILES_NAME, "org.moss.Net1", NULL, "/org/moss/Net", NULL,
      G_DBUS_SIGNAL_FLAGS_NONE, on_device_signal, self, NULL);
  self->devices_watch = g_bus_watch_name_on_connection (bus, MOSS_FILES_NAME,
                                                        G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                        on_net_appeared, NULL, self, NULL);
}

/* ---- life ---------------------------------------------------------------------------- */

static void
on_bus_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossNautilus) self = data;
  g_autoptr (GDBusConnection) bus = g_bus_get_finish (result, NULL);

  if (bus == NULL)
    return;
  self->client = moss_files_client_new (bus);
  moss_nautilus_info_start (self);
  follow_devices (self, bus);
}

static void
moss_nautilus_dispose (GObject *object)
{
  MossNautilus *self = MOSS_NAUTILUS (object);

  moss_nautilus_info_stop (self);
  g_clear_handle_id (&self->devices_watch, g_bus_unwatch_name);
  if (self->devices_signal != 0)
    g_dbus_connection_signal_unsubscribe (moss_files_client_get_bus (self->client),
                                          self->devices_signal);
  self->devices_signal = 0;
  g_clear_pointer (&self->devices, g_variant_unref);
  g_clear_pointer (&self->possible, g_hash_table_unref);
  g_clear_object (&self->client);
  G_OBJECT_CLASS (moss_nautilus_parent_class)->dispose (object);
}

static void
moss_nautilus_class_init (MossNautilusClass *class)
{
  G_OBJECT_CLASS (class)->dispose = moss_nautilus_dispose;
}

static void
moss_nautilus_class_finalize (MossNautilusClass *class)
{
}

static void
moss_nautilus_init (MossNautilus *self)
{
  self->possible = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                          (GDestroyNotify) g_variant_unref);
  /* Nautilus is on the bus anyway: this is its own connection. */
  g_bus_get (G_BUS_TYPE_SESSION, NULL, on_bus_ready, g_object_ref (self));
}

void
moss_nautilus_register (GTypeModule *module)
{
  bindtextdomain (GETTEXT_PACKAGE, MOSS_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  moss_nautilus_register_type (module);
}
