// SPDX-License-Identifier: GPL-3.0-or-later
/* The identity that this device belongs to.
 *
 * Policy: the agent keeps the chain and decides what goes into it; netd does what it says. A
 * device that is alive in the chain is pinned, with its signing key; one that was revoked is cut
 * off at once and is a stranger from then on, however it was known before. Chains go over the
 * links of the person's own devices only, and are the agent's to verify. A copy is kept in the
 * file "chain", so that nobody is let in after a start who was shut out before it. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/sync.h"

#include <glib/gi18n.h>
#include <string.h>

#define AGENT_NAME "org.moss.Agent1"
#define AGENT_PATH "/org/moss/Agent"

enum
{
  CALL_MS = 20000,
};

static void
hex_of (const guint8 *bytes, char *hex)
{
  for (guint i = 0; i < MOSS_HASH_BYTES; i++)
    g_snprintf (hex + 2 * i, 3, "%02x", bytes[i]);
}

/* --- doing what the chain says --- */

static void
pin (Netd *netd, const MossChainDevice *member)
{
  char id[MOSS_FINGERPRINT_CHARS + 1];
  Device *device;

  hex_of (member->record->fingerprint, id);
  if (strcmp (id, netd->id) == 0)
    {
      netd->slot = member->slot;
      return;
    }
  device = device_get (netd, id);
  if (device == NULL)
    return;
  if (!device->paired && device->link == NULL)
    {
      g_free (device->name);
      device->name = g_strdup (member->record->name);
    }
  device->paired = TRUE;
  device->joining = FALSE;
  device->slot = member->slot;
  device->suite = member->record->suite;
  g_clear_pointer (&device->signing_key, g_bytes_unref);
  device->signing_key = g_bytes_ref (member->record->signing_key);
  if (device->discovered != NULL)
    device_remember_address (device, device->discovered);
  device_changed (device);
  dial_now (device);
}

static void
shut_out (Netd *netd, Device *device)
{
  g_message ("%s (%.8s) was revoked", device->name, device->id);
  device->slot = 0;
  device_unpin (device);
}

/* Whoever stands in the old chain and not, or no longer alive, in the new one. */
static void
shut_out_all (Netd *netd, MossChain *chain)
{
  GHashTableIter iter;
  Device *device;
  g_autoptr (GPtrArray) gone = g_ptr_array_new ();

  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    if (identity_has_revoked (chain, device->id) ||
        (device->slot > 0 && !identity_has_member (chain, device->id)))
      g_ptr_array_add (gone, device);
  for (guint i = 0; i < gone->len; i++)
    {
      device = g_ptr_array_index (gone, i);
      if (device->paired)
        shut_out (netd, device);
    }
}

static gboolean
find (MossChain *chain, const char *id, MossChainDevice *member)
{
  guint8 fingerprint[MOSS_HASH_BYTES];

  if (chain == NULL)
    return FALSE;
  moss_fingerprint_to_bytes (id, fingerprint);
  return moss_chain_find_device (chain, fingerprint, member);
}

/* @chain: (nullable); @id: a device id */
gboolean
identity_has_revoked (MossChain *chain, const char *id)
{
  MossChainDevice member;

  return find (chain, id, &member) && member.revoked;
}

gboolean
identity_has_member (MossChain *chain, const char *id)
{
  MossChainDevice member;

  return find (chain, id, &member) && !member.revoked;
}

static void
save_copy (Netd *netd)
{
  g_autofree char *path = g_build_filename (netd->state_dir, "chain", NULL);
  g_autoptr (GError) error = NULL;
  gsize length = 0;
  const char *data = netd->chain == NULL
                         ? ""
                         : g_bytes_get_data (moss_chain_get_bytes (netd->chain), &length);

  if (!g_file_set_contents_full (path, data, length,
                                 G_FILE_SET_CONTENTS_CONSISTENT |
                                     G_FILE_SET_CONTENTS_DURABLE,
                                 0600, &error))
    g_warning ("the copy of the identity can't be saved: %s", error->message);
}

/* Who was pinned only by the identity that is left. */
static void
leave_all (Netd *netd)
{
  g_autoptr (GPtrArray) members = g_ptr_array_new ();
  GHashTableIter iter;
  Device *device;

  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    if (device->slot > 0)
      g_ptr_array_add (members, device);
  for (guint i = 0; i < members->len; i++)
    {
      device = g_ptr_array_index (members, i);
      device->slot = 0;
      if (device->paired)
        device_unpin (device);
    }
}

/* @chain: (nullable): what holds from now on */
static void
set_chain (Netd *netd, MossChain *chain)
{
  g_clear_pointer (&netd->chain, moss_chain_unref);
  netd->slot = 0;
  if (chain != NULL && identity_has_member (chain, netd->id))
    {
      netd->chain = moss_chain_ref (chain);
      shut_out_all (netd, chain);
      for (guint slot = 1; slot <= moss_chain_get_n_devices (chain); slot++)
        {
          MossChainDevice member;

          moss_chain_get_device (chain, slot, &member);
          if (!member.revoked)
            pin (netd, &member);
        }
    }
  else
    leave_all (netd);
  devices_save (netd);
  sync_set_chain (netd, netd->chain);
}

static gboolean
is_same (MossChain *chain, GBytes *bytes)
{
  return chain == NULL ? g_bytes_get_size (bytes) == 0
                       : g_bytes_equal (moss_chain_get_bytes (chain), bytes);
}

/* --- telling other devices of the person --- */

static void
on_told (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = moss_link_call_finish (result, NULL, &error);

  if (reply == NULL && !g_error_matches (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY))
    g_message ("another device doesn't take the identity: %s", error->message);
}

/* The device is linked: it gets the chain. */
void
identity_greet (Netd *netd, Device *device)
{
  if (netd->chain == NULL || device->slot == 0 || device->link == NULL)
    return;
  moss_link_call (device->link, IDENTITY_CHAIN_METHOD,
                  g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING,
                                            moss_chain_get_bytes (netd->chain), TRUE),
                  CALL_MS, on_told, NULL);
}

static void
tell_all (Netd *netd)
{
  GHashTableIter iter;
  Device *device;

  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    identity_greet (netd, device);
}

typedef struct
{
  MossLink *link;
  guint64 request;
} Asked;

static void
on_taken (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Asked *asked = user_data;
  g_autoptr (MossLink) link = asked->link;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autofree char *name = NULL;

  if (reply != NULL)
    {
      moss_link_reply (link, asked->request, reply);
      return;
    }
  name = g_dbus_error_get_remote_error (error);
  g_dbus_error_strip_remote_error (error);
  g_message ("the identity that %.8s has is refused: %s", moss_link_get_device (link),
             error->message);
  moss_link_reply_error (link, asked->request,
                         name != NULL ? name : "org.moss.Error.Failed", error->message);
}

/**
 * identity_call:
 * @body: from another device: ay, a chain
 */
void
identity_call (Netd *netd, MossLink *link, guint64 request, GVariant *body)
{
  Device *device = device_find (netd, moss_link_get_device (link));
  Asked *asked;

  if (device == NULL || (device->slot == 0 && !device->joining) ||
      !g_variant_is_of_type (body, G_VARIANT_TYPE_BYTESTRING) ||
      g_variant_get_size (body) > MOSS_CHAIN_MAX_BYTES)
    {
      moss_link_reply_error (link, request, "org.moss.Error.Invalid",
                             _ ("The two devices don't belong to one identity."));
      return;
    }
  asked = g_new0 (Asked, 1);
  asked->link = moss_link_ref (link);
  asked->request = request;
  g_dbus_connection_call (netd->bus, AGENT_NAME, AGENT_PATH, AGENT_NAME, "TakeChain",
                          g_variant_new ("(@ay)", body), G_VARIANT_TYPE ("(s)"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_MS, NULL, on_taken, asked);
}

/* --- following the agent --- */

static void
on_chain (MossDBusAgent1 *agent, GParamSpec *pspec, Netd *netd)
{
  GVariant *value = moss_dbus_agent1_get_chain (agent);
  g_autofree char *owner = g_dbus_proxy_get_name_owner (G_DBUS_PROXY (agent));
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (MossChain) chain = NULL;
  g_autoptr (GError) error = NULL;

  if (value == NULL || owner == NULL)
    return; /* it is gone for a moment; what it said holds */
  bytes = g_variant_get_data_as_bytes (value);
  if (is_same (netd->chain, bytes))
    return;
  if (g_bytes_get_size (bytes) > 0 && (chain = moss_chain_parse (bytes, &error)) == NULL)
    {
      g_message ("the agent's identity: %s", error->message);
      return;
    }
  set_chain (netd, chain);
  save_copy (netd);
  joining_forget (netd);
  if (netd->chain != NULL)
    pairing_joined (netd);
  moss_dbus_net1_emit_identity_changed (netd->interface);
  tell_all (netd);
}

static void
on_agent_state (MossDBusAgent1 *agent, GParamSpec *pspec, Netd *netd)
{
  if (!moss_dbus_agent1_get_locked (agent))
    signing_ask (netd);
  moss_dbus_net1_emit_identity_changed (netd->interface);
}

static void
on_proxy (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Netd *netd = user_data;
  g_autoptr (GError) error = NULL;

  netd->agent = moss_dbus_agent1_proxy_new_finish (result, &error);
  if (netd->agent == NULL)
    {
      g_warning ("the agent can't be followed: %s", error->message);
      return;
    }
  g_signal_connect (netd->agent, "notify::chain", G_CALLBACK (on_chain), netd);
  g_signal_connect (netd->agent, "notify::locked", G_CALLBACK (on_agent_state), netd);
  g_signal_connect (netd->agent, "notify::problem", G_CALLBACK (on_agent_state), netd);
  on_chain (netd->agent, NULL, netd);
}

/* Before the first connection is taken. */
void
identity_load (Netd *netd)
{
  g_autofree char *path = g_build_filename (netd->state_dir, "chain", NULL);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (MossChain) chain = NULL;
  g_autoptr (GError) error = NULL;
  char *text;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, NULL))
    return;
  bytes = g_bytes_new_take (text, length);
  if (length > 0 && (chain = moss_chain_parse (bytes, &error)) == NULL)
    g_message ("the copy of the identity: %s", error->message);
  if (chain != NULL)
    set_chain (netd, chain);
}

void
identity_start (Netd *netd)
{
  moss_dbus_agent1_proxy_new (netd->bus, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, AGENT_NAME,
                              AGENT_PATH, NULL, on_proxy, netd);
}

/* --- showing it --- */

static GVariant *
describe_device (Netd *netd, const MossChainDevice *member)
{
  static const char *const scopes[] = { "", "full", "no-admin", "kiosk" };
  g_auto (MossStatement) statement = { 0 };
  char id[MOSS_FINGERPRINT_CHARS + 1];
  GVariantDict dict;

  hex_of (member->record->fingerprint, id);
  moss_chain_describe (netd->chain, member->added_seq, &statement);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "slot", "u", (guint) member->slot);
  g_variant_dict_insert (&dict, "id", "s", id);
  g_variant_dict_insert (&dict, "name", "s", member->record->name);
  g_variant_dict_insert (&dict, "scope", "s", scopes[member->record->scope]);
  g_variant_dict_insert (&dict, "revoked", "b", member->revoked);
  g_variant_dict_insert (&dict, "self", "b", strcmp (id, netd->id) == 0);
  g_variant_dict_insert (&dict, "added", "x", statement.time_s);
  return g_variant_dict_end (&dict);
}

static void
add_chain (Netd *netd, GVariantDict *dict)
{
  MossChain *chain = netd->chain;
  GVariantBuilder devices;

  g_variant_builder_init (&devices, G_VARIANT_TYPE ("aa{sv}"));
  for (guint slot = 1; slot <= moss_chain_get_n_devices (chain); slot++)
    {
      MossChainDevice member;

      moss_chain_get_device (chain, slot, &member);
      g_variant_builder_add_value (&devices, describe_device (netd, &member));
    }
  g_variant_dict_insert (dict, "id", "s", moss_chain_get_id_text (chain));
  g_variant_dict_insert (dict, "name", "s", moss_chain_get_name (chain));
  g_variant_dict_insert (dict, "seq", "u", moss_chain_get_seq (chain));
  g_variant_dict_insert (dict, "generation", "u", moss_chain_get_generation (chain));
  g_variant_dict_insert (dict, "slot", "u", netd->slot);
  g_variant_dict_insert (dict, "hosts", "^as", moss_chain_get_hosts (chain));
  g_variant_dict_insert_value (dict, "devices", g_variant_builder_end (&devices));
}

static gboolean
on_handle_identity (MossDBusNet1 *interface, GDBusMethodInvocation *invocation, Netd *netd)
{
  const char *problem =
      netd->agent == NULL ? NULL : moss_dbus_agent1_get_problem (netd->agent);
  const char *sealing =
      netd->agent == NULL ? NULL : moss_dbus_agent1_get_sealing (netd->agent);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  if (netd->chain != NULL)
    add_chain (netd, &dict);
  g_variant_dict_insert (&dict, "problem", "s", problem != NULL ? problem : "");
  g_variant_dict_insert (&dict, "forked", "b",
                         netd->agent != NULL && moss_dbus_agent1_get_forked (netd->agent));
  g_variant_dict_insert (&dict, "sealing", "s", sealing != NULL ? sealing : "");
  g_variant_dict_insert (&dict, "locked", "b",
                         netd->agent == NULL || moss_dbus_agent1_get_locked (netd->agent));
  moss_dbus_net1_complete_identity (interface, invocation, g_variant_dict_end (&dict));
  return TRUE;
}

void
identity_export (Netd *netd)
{
  g_signal_connect (netd->interface, "handle-identity", G_CALLBACK (on_handle_identity), netd);
}
