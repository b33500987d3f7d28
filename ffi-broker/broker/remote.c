/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Functions of other devices. A device says in a signed statement what it offers, how busy it is
 * and whether its owner lets others call; that holds for a minute and a half. Only measured,
 * pure functions are offered. What a device says of costs is believed until a call was
 * measured; a device that lies much, floods, or repeats an old statement loses its offers. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "remote.h"

#include "core/clock.h"
#include "core/crypto/suite.h"

#include <string.h>

/* sequence, load, welcome, offers (id, version, name of the provider, capability, attributes,
 * curve, bytes out over in) */
#define STATEMENT_TYPE "(tdba(ssssa{sv}ayd))"
#define SIGNED_TYPE "(ayay)"
#define DOMAIN "moss-ffi-1"

enum
{
  TTL_S = 90,
  EVERY_S = 30,
  SOON_MS = 700,
  STATEMENT_MAX = 4 * 1024 * 1024,
  OFFERS_OF_PEER_MAX = 2000,
  PEERS_MAX = 64,
  MESSAGES_A_SECOND = 200,
};

double
remote_slowdown (double load)
{
  return 1 / (1 - 0.7 * CLAMP ((load - 0.5) / 0.5, 0, 1));
}

static void
peer_free (gpointer data)
{
  Peer *peer = data;

  g_clear_pointer (&peer->info, g_variant_unref);
  g_free (peer->id);
  g_free (peer->name);
  g_free (peer);
}

/* As a device says it, which needn't be a number at all. */
static double
read_load (double said)
{
  return said > 0 ? MIN (said, 1) : 0;
}

Peer *
remote_get_peer (Remote *remote, const char *device)
{
  return g_hash_table_lookup (remote->peers, device);
}

static Peer *
add_peer (Remote *remote, const char *id)
{
  Peer *peer = remote_get_peer (remote, id);

  if (peer != NULL || g_hash_table_size (remote->peers) >= PEERS_MAX)
    return peer;
  peer = g_new0 (Peer, 1);
  peer->remote = remote;
  peer->id = g_strdup (id);
  peer->name = g_strdup (id);
  g_hash_table_insert (remote->peers, peer->id, peer);
  return peer;
}

/* --- what is offered to others --- */

static gboolean
is_idle_here (Broker *broker)
{
  return broker->load < 0.5;
}

gboolean
remote_is_welcome (Remote *remote)
{
  const char *sharing = moss_dbus_function_broker1_get_sharing (remote->broker->interface);

  if (strstr (sharing, ",on-mains") != NULL && moss_machine_power ().on_battery)
    return FALSE;
  if (g_str_has_prefix (sharing, "always"))
    return TRUE;
  return g_str_has_prefix (sharing, "when-idle") && is_idle_here (remote->broker);
}

static gboolean
may_offer (const Offer *offer)
{
  return offer->provider->kind == MOSS_FFI_KIND_LOCAL && offer_is_present (offer) &&
         offer->trust == TRUST_MEASURED && (offer->flags & MOSS_FFI_OFFER_PURE) != 0;
}

static void
add_offers (Broker *broker, GVariantBuilder *list)
{
  GHashTableIter iter;
  Offer *offer;
  guint n = 0;

  g_hash_table_iter_init (&iter, broker->offers);
  while (n < OFFERS_OF_PEER_MAX && g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    if (may_offer (offer))
      {
        g_autoptr (GBytes) curve = moss_ffi_curve_to_bytes (&offer->learner.curve);
        gsize size;
        gconstpointer data = g_bytes_get_data (curve, &size);

        g_variant_builder_add (list, "(ssss@a{sv}@ayd)", offer->provider->id,
                               offer->provider->version, offer->provider->name, offer->text,
                               offer->attributes,
                               g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1),
                               offer->ratio);
        n++;
      }
}

/* Returns: (transfer full) */
static GVariant *
make_statement (Remote *remote)
{
  g_autoptr (GVariant) statement = NULL;
  GVariantBuilder list;
  gboolean welcome = remote_is_welcome (remote);

  remote->was_welcome = welcome;
  remote->sequence = MAX (remote->sequence + 1, (guint64) moss_clock_now_us ());
  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(ssssa{sv}ayd)"));
  if (welcome)
    add_offers (remote->broker, &list);
  statement = g_variant_ref_sink (g_variant_new ("(tdb@a(ssssa{sv}ayd))", remote->sequence,
                                                 remote->broker->load, welcome,
                                                 g_variant_builder_end (&list)));
  return g_variant_get_normal_form (statement);
}

static void
on_sent (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree char *device = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, &error);

  if (reply == NULL)
    g_debug ("%s did not take our offers: %s", device, error->message);
}

typedef struct
{
  Broker *broker;
  GVariant *bytes;
} Signing;

static void
on_signed (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Signing *signing = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, &error);
  g_autoptr (GVariant) signature = NULL, body = NULL;
  Remote *remote = signing->broker->remote;
  GHashTableIter iter;
  Peer *peer;

  if (reply == NULL)
    g_debug ("offers for other devices are not signed: %s", error->message);
  if (reply != NULL && remote != NULL)
    {
      signature = g_variant_get_child_value (reply, 0);
      body = g_variant_ref_sink (g_variant_new ("(@ay@ay)", signing->bytes, signature));
      g_hash_table_iter_init (&iter, remote->peers);
      while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
        if (peer->linked)
          g_dbus_connection_call (signing->broker->bus, NET_NAME, NET_PATH, NET_NAME, "Call",
                                  g_variant_new ("(ssvu)", peer->id, OFFERS_METHOD, body, 5000u),
                                  NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, 7000, NULL, on_sent,
                                  g_strdup (peer->id));
    }
  g_variant_unref (signing->bytes);
  g_free (signing);
}

static gboolean
anybody_linked (Remote *remote)
{
  GHashTableIter iter;
  Peer *peer;

  g_hash_table_iter_init (&iter, remote->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    if (peer->linked)
      return TRUE;
  return FALSE;
}

static gboolean
on_send (gpointer user_data)
{
  Remote *remote = user_data;
  g_autoptr (GVariant) statement = NULL;
  Signing *signing;

  remote->send = 0;
  remote->sent_us = g_get_monotonic_time ();
  if (!anybody_linked (remote))
    return G_SOURCE_REMOVE;
  statement = make_statement (remote);
  signing = g_new0 (Signing, 1);
  signing->broker = remote->broker;
  signing->bytes = g_variant_ref_sink (g_variant_new_fixed_array (
      G_VARIANT_TYPE_BYTE, g_variant_get_data (statement), g_variant_get_size (statement), 1));
  g_dbus_connection_call (remote->broker->bus, "org.moss.Agent1", "/org/moss/Agent",
                          "org.moss.Agent1", "Sign",
                          g_variant_new ("(s@ay)", DOMAIN, signing->bytes),
                          G_VARIANT_TYPE ("(ay)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, 5000, NULL,
                          on_signed, signing);
  return G_SOURCE_REMOVE;
}

void
remote_offers_changed (Broker *broker)
{
  Remote *remote = broker->remote;

  if (remote != NULL && remote->send == 0)
    remote->send = g_timeout_add (SOON_MS, on_send, remote);
}

/* --- what others offer --- */

static gboolean
refuse (GError **error, const char *why)
{
  g_set_error_literal (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_DENIED, why);
  return FALSE;
}

static gboolean
verify (Peer *peer, GVariant *bytes, GVariant *signature, GError **error)
{
  g_autoptr (GVariant) key =
      g_variant_lookup_value (peer->info, "signing-key", G_VARIANT_TYPE_BYTESTRING);
  g_autoptr (GBytes) key_bytes = key != NULL ? g_variant_get_data_as_bytes (key) : NULL;
  g_autoptr (GBytes) signature_bytes = g_variant_get_data_as_bytes (signature);
  guint suite = 0;

  if (key == NULL || !g_variant_lookup (peer->info, "signing-suite", "u", &suite))
    return refuse (error, "the key of that device is not known");
  return moss_verify_domain (suite, key_bytes, DOMAIN, g_variant_get_data (bytes),
                             g_variant_get_size (bytes), signature_bytes, error);
}

static void
drop_offers (Peer *peer)
{
  Broker *broker = peer->remote->broker;
  GHashTableIter iter;
  Provider *provider;

  g_hash_table_iter_init (&iter, broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    if (g_str_equal (provider->device, peer->id))
      for (guint i = 0; i < provider->offers->len; i++)
        ((Offer *) provider->offers->pdata[i])->announced = FALSE;
  publish_soon (broker);
}

/* rtt and bytes a second as netd measured them on the link. */
static void
take_link (Peer *peer, Provider *provider)
{
  guint64 rtt_us = 0, bytes_per_s = 0;

  g_variant_lookup (peer->info, "rtt-us", "t", &rtt_us);
  g_variant_lookup (peer->info, "bytes-per-s", "t", &bytes_per_s);
  provider->latency_us = rtt_us > 0 ? rtt_us : 20000;
  provider->bytes_per_us = bytes_per_s > 0 ? bytes_per_s / 1e6 : 5;
}

static void
take_offer_of_peer (Peer *peer, GVariant *one)
{
  Broker *broker = peer->remote->broker;
  const char *id, *version, *name, *capability;
  g_autoptr (GVariant) attributes = NULL, curve = NULL;
  g_autoptr (GError) error = NULL;
  double ratio;
  Offer *offer;

  g_variant_get (one, "(&s&s&s&s@a{sv}@ayd)", &id, &version, &name, &capability, &attributes,
                 &curve, &ratio);
  offer = registry_announce_remote (broker, peer->id, id, version, name, capability, attributes,
                                    &error);
  if (offer == NULL)
    {
      g_debug ("an offer of %s is left out: %s", peer->name, error->message);
      return;
    }
  take_link (peer, offer->provider);
  if (offer->calls == 0)
    {
      g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (curve);

      if (moss_ffi_curve_from_bytes (bytes, &offer->learner.curve))
        offer->trust = TRUST_MEASURED;
      offer->ratio = ratio > 0 && ratio < 1e6 ? ratio : 0;
    }
}

static gboolean
take_statement (Peer *peer, GVariant *body, GError **error)
{
  g_autoptr (GVariant) bytes = NULL, signature = NULL, statement = NULL, offers = NULL;
  g_autoptr (GBytes) data = NULL;
  guint64 sequence;
  double load;
  gboolean welcome;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE (SIGNED_TYPE)) ||
      g_variant_get_size (body) > STATEMENT_MAX)
    return refuse (error, "that is no statement of offers");
  g_variant_get (body, "(@ay@ay)", &bytes, &signature);
  if (!verify (peer, bytes, signature, error))
    return FALSE;
  data = g_variant_get_data_as_bytes (bytes);
  statement = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (STATEMENT_TYPE), data, FALSE));
  if (!g_variant_is_normal_form (statement))
    return refuse (error, "a statement of offers is malformed");
  g_variant_get (statement, "(tdb@a(ssssa{sv}ayd))", &sequence, &load, &welcome, &offers);
  if (sequence <= peer->newest || g_variant_n_children (offers) > OFFERS_OF_PEER_MAX)
    return refuse (error, "a statement of offers is old or too long");
  peer->newest = sequence;
  peer->heard_us = g_get_monotonic_time ();
  peer->load = read_load (load);
  peer->welcome = welcome;
  drop_offers (peer);
  for (gsize i = 0; welcome && i < g_variant_n_children (offers); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (offers, i);

      take_offer_of_peer (peer, one);
    }
  registry_touch (peer->remote->broker);
  publish_soon (peer->remote->broker);
  return TRUE;
}

gboolean
remote_is_present (const Provider *provider)
{
  Remote *remote = provider->broker->remote;
  Peer *peer = remote != NULL ? remote_get_peer (remote, provider->device) : NULL;

  return peer != NULL && peer->linked && peer->welcome && peer->heard_us != 0 &&
         g_get_monotonic_time () - peer->heard_us < TTL_S * G_USEC_PER_SEC;
}

double
remote_load (const Provider *provider)
{
  Peer *peer = remote_get_peer (provider->broker->remote, provider->device);

  return peer != NULL ? peer->load : 0;
}

const char *
remote_name (const Provider *provider)
{
  Remote *remote = provider->broker->remote;
  Peer *peer = remote != NULL ? remote_get_peer (remote, provider->device) : NULL;

  return peer != NULL ? peer->name : "";
}

/* --- messages from netd --- */

static gboolean
is_flood (Peer *peer)
{
  gint64 now = g_get_monotonic_time ();

  if (now - peer->window_us > G_USEC_PER_SEC)
    {
      peer->window_us = now;
      peer->in_window = 0;
    }
  return ++peer->in_window > MESSAGES_A_SECOND;
}

static void
answer (GDBusMethodInvocation *invocation, const GError *error)
{
  GVariant *nothing = g_variant_new ("a{sv}", NULL);

  if (error != NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, moss_ffi_error_name (error),
                                                error->message);
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(v)", nothing));
}

void
remote_handle (Broker *broker, GDBusMethodInvocation *invocation, const char *device,
               const char *method, GVariant *body)
{
  Peer *peer = broker->remote != NULL ? remote_get_peer (broker->remote, device) : NULL;
  g_autoptr (GError) error = NULL;

  if (peer == NULL || peer->info == NULL)
    refuse (&error, "that device is not known here yet");
  else if (is_flood (peer))
    {
      drop_offers (peer);
      g_set_error (&error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BUSY, "%s sends too much", peer->name);
    }
  else if (g_str_equal (method, CALL_METHOD))
    {
      remote_serve (broker->remote, peer, invocation, body);
      return;
    }
  else if (g_str_equal (method, CANCEL_METHOD))
    remote_serve_cancel (broker->remote, peer, body);
  else if (g_str_equal (method, OFFERS_METHOD))
    take_statement (peer, body, &error);
  else
    g_set_error (&error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "there is no method “%s”",
                 method);
  answer (invocation, error);
}

/* --- the devices --- */

static void
take_device (Remote *remote, const char *id, GVariant *info)
{
  Peer *peer = add_peer (remote, id);
  const char *state = "", *name = id;
  gboolean paired = FALSE, was_linked;

  if (peer == NULL)
    return;
  was_linked = peer->linked;
  g_variant_lookup (info, "state", "&s", &state);
  g_variant_lookup (info, "name", "&s", &name);
  g_variant_lookup (info, "paired", "b", &paired);
  if (g_variant_lookup (info, "load", "d", &peer->load))
    peer->load = read_load (peer->load);
  g_clear_pointer (&peer->info, g_variant_unref);
  peer->info = g_variant_ref (info);
  g_free (peer->name);
  peer->name = g_strdup (name);
  peer->linked = paired && g_str_equal (state, "linked");
  if (peer->linked && !was_linked)
    remote_offers_changed (remote->broker);
  if (peer->linked != was_linked)
    publish_soon (remote->broker);
}

static void
on_devices (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Broker *broker = user_data;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, NULL);
  g_autoptr (GVariant) list = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;

  for (gsize i = 0; list != NULL && broker->remote != NULL && i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) device = g_variant_get_child_value (list, i);
      const char *id;

      if (g_variant_lookup (device, "id", "&s", &id))
        take_device (broker->remote, id, device);
    }
}

static void
on_netd_there (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  Broker *broker = user_data;

  g_dbus_connection_call (bus, NET_NAME, NET_PATH, NET_NAME, "Devices", NULL,
                          G_VARIANT_TYPE ("(aa{sv})"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL,
                          on_devices, broker);
}

static void
on_netd_gone (GDBusConnection *bus, const char *name, gpointer user_data)
{
  Broker *broker = user_data;
  GHashTableIter iter;
  Peer *peer;

  if (broker->remote == NULL)
    return;
  g_hash_table_iter_init (&iter, broker->remote->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    peer->linked = FALSE;
  publish_soon (broker);
}

static void
on_net_signal (GDBusConnection *bus, const char *sender, const char *path,
               const char *interface, const char *name, GVariant *parameters, gpointer user_data)
{
  Remote *remote = user_data;
  g_autoptr (GVariant) device = NULL;
  const char *id;

  if (g_str_equal (name, "DeviceChanged") &&
      g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv})")))
    {
      g_variant_get (parameters, "(&s@a{sv})", &id, &device);
      take_device (remote, id, device);
    }
  else if (g_str_equal (name, "DeviceRemoved") &&
           g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(s)")))
    {
      g_variant_get (parameters, "(&s)", &id);
      if (remote_get_peer (remote, id) != NULL)
        drop_offers (remote_get_peer (remote, id));
      g_hash_table_remove (remote->peers, id);
    }
}

/* Every two seconds: is it time to say it again, or is our answer another one now? */
void
remote_tick (Broker *broker)
{
  Remote *remote = broker->remote;

  if (remote == NULL)
    return;
  if (g_get_monotonic_time () - remote->sent_us > EVERY_S * G_USEC_PER_SEC ||
      remote_is_welcome (remote) != remote->was_welcome)
    remote_offers_changed (broker);
}

void
remote_start (Broker *broker)
{
  Remote *remote = g_new0 (Remote, 1);

  remote->broker = broker;
  remote->peers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, peer_free);
  remote->served = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  broker->remote = remote;
  remote->signal = g_dbus_connection_signal_subscribe (
      broker->bus, NET_NAME, NET_NAME, NULL, NET_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
      on_net_signal, remote, NULL);
  remote->watch = g_bus_watch_name_on_connection (broker->bus, NET_NAME,
                                                  G_BUS_NAME_WATCHER_FLAGS_NONE, on_netd_there,
                                                  on_netd_gone, broker, NULL);
}

void
remote_stop (Broker *broker)
{
  Remote *remote = g_steal_pointer (&broker->remote);

  g_clear_handle_id (&remote->send, g_source_remove);
  g_bus_unwatch_name (remote->watch);
  g_dbus_connection_signal_unsubscribe (broker->bus, remote->signal);
  g_hash_table_unref (remote->peers);
  g_hash_table_unref (remote->served);
  g_free (remote);
}
