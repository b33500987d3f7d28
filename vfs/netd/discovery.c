// SPDX-License-Identifier: GPL-3.0-or-later
/* Finding devices on the local network through Avahi, when it runs.
 *
 * Policy: whatever is announced there can be a lie. It only says where to knock: who answers is
 * found out by the pinned certificate. Devices that aren't pinned are shown and never dialled;
 * few of them are kept. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/netd.h"

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-glib/glib-watch.h>
#include <glib/gi18n.h>
#include <string.h>

#define SERVICE_TYPE "_moss._tcp"

enum
{
  UNPAIRED_MAX = 64,
};

typedef struct
{
  Netd *netd;
  AvahiGLibPoll *poll;
  AvahiClient *client;
  AvahiEntryGroup *group;
  AvahiServiceBrowser *browser;
  GHashTable *services; /* service name → device id */
  guint restart;
} Discovery;

static char *
read_text (AvahiStringList *text, const char *key)
{
  AvahiStringList *entry = avahi_string_list_find (text, key);
  g_autofree char *copy = NULL;
  char *value = NULL;

  if (entry == NULL || avahi_string_list_get_pair (entry, NULL, &value, NULL) < 0)
    return NULL;
  copy = g_strdup (value);
  avahi_free (value);
  return g_steal_pointer (&copy);
}

static gboolean
is_link_local (const AvahiAddress *address)
{
  return address->proto == AVAHI_PROTO_INET6 && address->data.ipv6.address[0] == 0xfe &&
         (address->data.ipv6.address[1] & 0xc0) == 0x80;
}

static guint
count_unpaired (Netd *netd)
{
  GHashTableIter iter;
  Device *device;
  guint count = 0;

  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    count += !device->paired;
  return count;
}

static void
found (Discovery *self, const char *service, const char *id, const char *name, char *address)
{
  Netd *netd = self->netd;
  Device *device = device_find (netd, id);

  if (device == NULL && count_unpaired (netd) < UNPAIRED_MAX)
    device = device_get (netd, id);
  if (device == NULL)
    {
      g_free (address);
      return;
    }
  g_hash_table_replace (self->services, g_strdup (service), g_strdup (id));
  g_free (device->discovered);
  device->discovered = address;
  if (!device->paired && name != NULL)
    {
      g_free (device->name);
      device->name = moss_clean_name (name);
      device_set_state (device, DEVICE_AWAY, _ ("It is not one of your devices yet."));
    }
  device_changed (device);
  if (!device->paired)
    return;
  device->delay_ms = 0;
  device->attempt = 0; /* where it says it is comes first */
  dial_now (device);
}

static void
on_resolved (AvahiServiceResolver *resolver,
             AvahiIfIndex interface,
             AvahiProtocol protocol,
             AvahiResolverEvent event,
             const char *service,
             const char *type,
             const char *domain,
             const char *host,
             const AvahiAddress *address,
             uint16_t port,
             AvahiStringList *text,
             AvahiLookupResultFlags flags,
             void *user_data)
{
  Discovery *self = user_data;
  char where[AVAHI_ADDRESS_STR_MAX];

  if (event == AVAHI_RESOLVER_FOUND && port != 0 && !is_link_local (address))
    {
      g_autofree char *shown = read_text (text, "id");
      g_autofree char *name = read_text (text, "name");
      g_autofree char *id = shown == NULL ? NULL : moss_fingerprint_parse (shown, NULL);

      avahi_address_snprint (where, sizeof where, address);
      if (id != NULL && strcmp (id, self->netd->id) != 0)
        found (self, service, id, name,
               address->proto == AVAHI_PROTO_INET6 ? g_strdup_printf ("[%s]:%u", where, port)
                                                   : g_strdup_printf ("%s:%u", where, port));
    }
  avahi_service_resolver_free (resolver);
}

static void
lost (Discovery *self, const char *service)
{
  const char *id = g_hash_table_lookup (self->services, service);
  Device *device = id == NULL ? NULL : device_find (self->netd, id);

  if (device != NULL)
    {
      g_clear_pointer (&device->discovered, g_free);
      if (device->paired)
        device_changed (device);
      else
        {
          moss_dbus_net1_emit_device_removed (self->netd->interface, id);
          g_hash_table_remove (self->netd->devices, id);
        }
    }
  g_hash_table_remove (self->services, service);
}

static void
on_browsed (AvahiServiceBrowser *browser,
            AvahiIfIndex interface,
            AvahiProtocol protocol,
            AvahiBrowserEvent event,
            const char *service,
            const char *type,
            const char *domain,
            AvahiLookupResultFlags flags,
            void *user_data)
{
  Discovery *self = user_data;

  if (event == AVAHI_BROWSER_NEW)
    avahi_service_resolver_new (self->client, interface, protocol, service, type, domain,
                                AVAHI_PROTO_UNSPEC, 0, on_resolved, self);
  else if (event == AVAHI_BROWSER_REMOVE)
    lost (self, service);
}

static void
on_group (AvahiEntryGroup *group, AvahiEntryGroupState state, void *user_data)
{
  if (state == AVAHI_ENTRY_GROUP_FAILURE || state == AVAHI_ENTRY_GROUP_COLLISION)
    g_message ("this device can't be announced on the network");
}

static void
announce (Discovery *self)
{
  Netd *netd = self->netd;
  /* Two devices may have one name; with the fingerprint's beginning the service has not. */
  g_autofree char *service = g_strdup_printf ("%.40s %.8s", netd->name, netd->id);
  g_autofree char *id = g_strdup_printf ("id=%s", netd->id);
  g_autofree char *name = g_strdup_printf ("name=%s", netd->name);

  if (self->group == NULL)
    self->group = avahi_entry_group_new (self->client, on_group, self);
  if (self->group == NULL || !avahi_entry_group_is_empty (self->group))
    return;
  if (avahi_entry_group_add_service (self->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0,
                                     service, SERVICE_TYPE, NULL, NULL, netd->port, id, name,
                                     NULL) < 0 ||
      avahi_entry_group_commit (self->group) < 0)
    g_message ("this device can't be announced on the network: %s",
               avahi_strerror (avahi_client_errno (self->client)));
}

static void connect_client (Discovery *self);

static void
forget_client (Discovery *self)
{
  /* Frees the group and the browser too. */
  g_clear_pointer (&self->client, avahi_client_free);
  self->group = NULL;
  self->browser = NULL;
}

static gboolean
on_restart (gpointer data)
{
  Discovery *self = data;

  self->restart = 0;
  forget_client (self);
  connect_client (self);
  return G_SOURCE_REMOVE;
}

static void
on_client (AvahiClient *client, AvahiClientState state, void *user_data)
{
  Discovery *self = user_data;

  self->client = client; /* this comes before avahi_client_new() returns, too */
  if (state == AVAHI_CLIENT_S_RUNNING)
    {
      announce (self);
      if (self->browser == NULL)
        self->browser =
            avahi_service_browser_new (client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
                                       SERVICE_TYPE, NULL, 0, on_browsed, self);
    }
  else if (state == AVAHI_CLIENT_S_COLLISION || state == AVAHI_CLIENT_S_REGISTERING)
    {
      if (self->group != NULL)
        avahi_entry_group_reset (self->group);
    }
  else if (state == AVAHI_CLIENT_FAILURE && self->restart == 0)
    self->restart = g_timeout_add_seconds (2, on_restart, self);
}

static void
connect_client (Discovery *self)
{
  int error = 0;

  /* NO_FAIL: waits for the daemon when it isn't there yet. */
  self->client = avahi_client_new (avahi_glib_poll_get (self->poll), AVAHI_CLIENT_NO_FAIL,
                                   on_client, self, &error);
  if (self->client == NULL)
    g_debug ("no discovery on this network: %s", avahi_strerror (error));
}

void
discovery_start (Netd *netd)
{
  Discovery *self = g_new0 (Discovery, 1);

  self->netd = netd;
  self->services = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->poll = avahi_glib_poll_new (NULL, G_PRIORITY_DEFAULT);
  netd->discovery = self;
  connect_client (self);
}

void
discovery_stop (Netd *netd)
{
  Discovery *self = netd->discovery;

  if (self == NULL)
    return;
  g_clear_handle_id (&self->restart, g_source_remove);
  forget_client (self);
  avahi_glib_poll_free (self->poll);
  g_hash_table_unref (self->services);
  g_clear_pointer (&netd->discovery, g_free);
}
