// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-net-client"

#include "net-client.h"

#include <string.h>

/* MossNetClient: the list of other devices as moss-netd tells it; follows its signals and
   empties the list when it is gone. Never blocks. */

#define BUS_NAME "org.moss.Net1"
#define OBJECT_PATH "/org/moss/Net"

struct _MossNetClient
{
  GObject parent_instance;

  guint watch;
  GCancellable *cancellable;
  MossDBusNet1 *proxy; /* NULL until netd is there */
  GListStore *devices;
};

enum { CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossNetClient, moss_net_client, G_TYPE_OBJECT)

static gboolean
find_position (MossNetClient *self, const char *id, guint *position)
{
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->devices));

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (MossDevice) device =
          g_list_model_get_item (G_LIST_MODEL (self->devices), i);

      if (strcmp (device->id, id) != 0)
        continue;
      *position = i;
      return TRUE;
    }
  return FALSE;
}

static void
take_fields (MossNetClient *self, const char *id, GVariant *fields)
{
  g_autoptr (MossDevice) device = NULL;
  gboolean was_paired;
  guint position;

  if (find_position (self, id, &position))
    {
      device = g_list_model_get_item (G_LIST_MODEL (self->devices), position);
      was_paired = device->paired;
      moss_device_update (device, fields);
      if (device->paired != was_paired)
        g_list_model_items_changed (G_LIST_MODEL (self->devices), position, 1, 1);
      return;
    }
  device = moss_device_new (id);
  moss_device_update (device, fields);
  g_list_store_append (self->devices, device);
}

static void
on_device_changed (MossDBusNet1 *proxy, const char *id, GVariant *fields,
                   MossNetClient *self)
{
  if (*id != '\0')
    take_fields (self, id, fields);
}

static void
on_device_removed (MossDBusNet1 *proxy, const char *id, MossNetClient *self)
{
  guint position;

  if (find_position (self, id, &position))
    g_list_store_remove (self->devices, position);
}

static void
on_devices_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GError) error = NULL;
  MossNetClient *self = data;
  GVariantIter iter;
  GVariant *fields;

  if (!moss_dbus_net1_call_devices_finish (MOSS_DBUS_NET1 (source), &list, result, &error))
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_warning ("the list of devices: %s", error->message);
      return;
    }
  g_variant_iter_init (&iter, list);
  while ((fields = g_variant_iter_next_value (&iter)) != NULL)
    {
      const char *id = NULL;

      if (g_variant_lookup (fields, "id", "&s", &id) && *id != '\0')
        take_fields (self, id, fields);
      g_variant_unref (fields);
    }
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
on_proxy_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  MossDBusNet1 *proxy = moss_dbus_net1_proxy_new_finish (result, &error);
  MossNetClient *self = data;

  if (proxy == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_warning ("the network service: %s", error->message);
      return;
    }
  self->proxy = proxy;
  g_signal_connect_object (proxy, "device-changed", G_CALLBACK (on_device_changed), self, 0);
  g_signal_connect_object (proxy, "device-removed", G_CALLBACK (on_device_removed), self, 0);
  moss_dbus_net1_call_devices (proxy, self->cancellable, on_devices_ready, self);
}

static void
on_name_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  MossNetClient *self = data;

  self->cancellable = g_cancellable_new ();
  moss_dbus_net1_proxy_new (bus, G_DBUS_PROXY_FLAGS_NONE, BUS_NAME, OBJECT_PATH,
                            self->cancellable, on_proxy_ready, self);
}

static void
on_name_vanished (GDBusConnection *bus, const char *name, gpointer data)
{
  MossNetClient *self = data;

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->proxy);
  g_list_store_remove_all (self->devices);
  g_signal_emit (self, signals[CHANGED], 0);
}

/* (transfer none) */
GListModel *
moss_net_client_get_devices (MossNetClient *self)
{
  return G_LIST_MODEL (self->devices);
}

/* (transfer none) (nullable) */
MossDevice *
moss_net_client_find (MossNetClient *self, const char *id)
{
  g_autoptr (MossDevice) device = NULL;
  guint position;

  if (!find_position (self, id, &position))
    return NULL;
  device = g_list_model_get_item (G_LIST_MODEL (self->devices), position);
  return device;
}

/* (transfer none) (nullable): NULL while there is no netd on the bus. */
MossDBusNet1 *
moss_net_client_get_proxy (MossNetClient *self)
{
  return self->proxy;
}

static void
moss_net_client_dispose (GObject *object)
{
  MossNetClient *self = MOSS_NET_CLIENT (object);

  g_clear_handle_id (&self->watch, g_bus_unwatch_name);
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->proxy);
  g_clear_object (&self->devices);
  G_OBJECT_CLASS (moss_net_client_parent_class)->dispose (object);
}

static void
moss_net_client_class_init (MossNetClientClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_net_client_dispose;
  signals[CHANGED] = g_signal_new ("changed", MOSS_TYPE_NET_CLIENT, G_SIGNAL_RUN_LAST, 0,
                                   NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_net_client_init (MossNetClient *self)
{
  self->devices = g_list_store_new (MOSS_TYPE_DEVICE);
}

MossNetClient *
moss_net_client_new (GDBusConnection *bus)
{
  MossNetClient *self = g_object_new (MOSS_TYPE_NET_CLIENT, NULL);

  self->watch = g_bus_watch_name_on_connection (bus, BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                on_name_appeared, on_name_vanished, self,
                                                NULL);
  return self;
}
