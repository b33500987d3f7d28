// SPDX-License-Identifier: LGPL-2.1-or-later
/* org.moss.Agent1: what others may ask of the agent. */
#define G_LOG_DOMAIN "moss-agent"

#include "core/agent/service.h"

#include "core/agent/keyring.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  MESSAGE_MAX = 64 * 1024 * 1024,
  PASSPHRASE_MIN = 8,
  PASSPHRASE_MAX = 1024,
};

/* In order: those that every device signs in, then those that need an identity. */
static const char *const device_domains[] = { "moss-snapshot-1", "moss-link-1", "moss-ffi-1",
                                              NULL };
static const char *const identity_domains[] = { "moss-root-1", "moss-host-1", "moss-lease-1",
                                                NULL };

static const GDBusErrorEntry agent_errors[] = {
  { MOSS_AGENT_ERROR_LOCKED, "org.moss.Error.Locked" },
  { MOSS_AGENT_ERROR_WRONG, "org.moss.Error.WrongPassphrase" },
  { MOSS_AGENT_ERROR_NO_IDENTITY, "org.moss.Error.NoIdentity" },
  { MOSS_AGENT_ERROR_HAS_IDENTITY, "org.moss.Error.HasIdentity" },
  { MOSS_AGENT_ERROR_INVALID, "org.moss.Error.Invalid" },
};

static const GDBusErrorEntry chain_errors[] = {
  { MOSS_CHAIN_ERROR_CORRUPT, "org.moss.Error.Corrupt" },
  { MOSS_CHAIN_ERROR_NEWER, "org.moss.Error.Newer" },
  { MOSS_CHAIN_ERROR_FORGED, "org.moss.Error.Forged" },
  { MOSS_CHAIN_ERROR_REVOKED, "org.moss.Error.Revoked" },
  { MOSS_CHAIN_ERROR_OLD, "org.moss.Error.Old" },
  { MOSS_CHAIN_ERROR_FORKED, "org.moss.Error.Forked" },
  { MOSS_CHAIN_ERROR_FOREIGN, "org.moss.Error.Foreign" },
  { MOSS_CHAIN_ERROR_FULL, "org.moss.Error.Full" },
};

static GVariant *
byte_array (GBytes *bytes)
{
  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

/* Tells everybody how things are now. */
static void
publish (MossAgentService *service)
{
  static const char *const sealings[] = { "none", "passphrase", "keyring" };
  MossAgentIdentity *identity = &service->identity;
  g_autoptr (GBytes) nothing = g_bytes_new_static ("", 0);

  moss_dbus_agent1_set_sealing (service->interface, sealings[service->keys.sealing]);
  moss_dbus_agent1_set_problem (service->interface, identity->problem);
  moss_dbus_agent1_set_forked (service->interface, identity->fork != NULL);
  moss_dbus_agent1_set_chain (service->interface,
                              byte_array (identity->chain == NULL
                                              ? nothing
                                              : moss_chain_get_bytes (identity->chain)));
  moss_dbus_agent1_set_locked (service->interface,
                               moss_agent_keys_are_locked (&service->keys));
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (service->interface));
}

static void
answer_error (GDBusMethodInvocation *invocation, GError *error)
{
  g_dbus_method_invocation_take_error (invocation, error);
}

/* --- signing --- */

static gboolean
check_domain (MossAgentService *service, const char *domain, gsize length, GError **error)
{
  gboolean known = g_strv_contains (device_domains, domain);

  if (!known && g_strv_contains (identity_domains, domain))
    known = moss_agent_identity_is_alive (&service->identity);
  if (known && length <= MESSAGE_MAX && !moss_agent_keys_are_locked (&service->keys))
    return TRUE;
  if (known && length <= MESSAGE_MAX)
    g_set_error (error, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_LOCKED,
                 _ ("Moss is locked. Unlock it with: moss identity unlock"));
  else
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                 "the agent doesn't sign for “%s”", domain);
  return FALSE;
}

static gboolean
on_handle_sign (MossDBusAgent1 *interface,
                GDBusMethodInvocation *invocation,
                const char *domain,
                GVariant *message,
                MossAgentService *service)
{
  g_autoptr (GBytes) signature = NULL;
  GError *error = NULL;
  gsize length;
  const guint8 *bytes = g_variant_get_fixed_array (message, &length, 1);

  if (check_domain (service, domain, length, &error))
    signature = moss_sign_domain (service->keys.suite, service->keys.secret, domain, bytes,
                                  length, &error);
  if (signature == NULL)
    answer_error (invocation, error);
  else
    moss_dbus_agent1_complete_sign (interface, invocation, byte_array (signature));
  return TRUE;
}

/* --- locking --- */

typedef struct
{
  MossAgentService *service;
  GDBusMethodInvocation *invocation; /* nullable: nobody asked, it is the start */
} Waiting;

static void
on_keyring_made (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Waiting *waiting = user_data;
  g_autofree char *item = NULL;
  GError *error = NULL;
  g_autoptr (GBytes) key = moss_keyring_make_finish (result, &item, &error);

  if (key == NULL || !moss_agent_keys_seal (&waiting->service->keys, MOSS_SEALING_KEYRING,
                                            item, key, &error))
    {
      answer_error (waiting->invocation, error);
      return;
    }
  publish (waiting->service);
  moss_dbus_agent1_complete_seal (waiting->service->interface, waiting->invocation);
}

static GBytes *
secret_text (const char *text)
{
  guint8 *data;
  GBytes *bytes = moss_secret_new (strlen (text), &data);

  memcpy (data, text, strlen (text));
  return bytes;
}

static gboolean
check_passphrase (const char *passphrase, GError **error)
{
  if (g_utf8_strlen (passphrase, -1) >= PASSPHRASE_MIN && strlen (passphrase) <= PASSPHRASE_MAX)
    return TRUE;
  g_set_error (error, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_INVALID,
               _ ("A passphrase has at least %d characters."), PASSPHRASE_MIN);
  return FALSE;
}

static gboolean
on_handle_seal (MossDBusAgent1 *interface,
                GDBusMethodInvocation *invocation,
                const char *sealing,
                const char *passphrase,
                MossAgentService *service)
{
  gboolean by_passphrase = g_str_equal (sealing, "passphrase");
  g_autoptr (GBytes) secret = secret_text (passphrase);
  GError *error = NULL;
  Waiting *waiting;

  if (g_str_equal (sealing, "keyring") && !moss_agent_keys_are_locked (&service->keys))
    {
      waiting = g_new0 (Waiting, 1);
      waiting->service = service;
      waiting->invocation = invocation;
      moss_keyring_make (on_keyring_made, waiting);
      return TRUE;
    }
  if (!by_passphrase && !g_str_equal (sealing, "none") && !g_str_equal (sealing, "keyring"))
    g_set_error (&error, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_INVALID,
                 "keys can't be sealed by “%s”", sealing);
  else if (!by_passphrase || check_passphrase (passphrase, &error))
    moss_agent_keys_seal (&service->keys,
                          by_passphrase ? MOSS_SEALING_PASSPHRASE : MOSS_SEALING_NONE, NULL,
                          secret, &error);
  if (error != NULL)
    {
      answer_error (invocation, error);
      return TRUE;
    }
  publish (service);
  moss_dbus_agent1_complete_seal (interface, invocation);
  return TRUE;
}

static gboolean
unlock (MossAgentService *service, GBytes *secret, GError **error)
{
  gboolean was_locked = moss_agent_keys_are_locked (&service->keys);

  if (!moss_agent_keys_unlock (&service->keys, secret, error))
    return FALSE;
  publish (service);
  if (was_locked)
    moss_dbus_agent1_emit_unlocked (service->interface);
  return TRUE;
}

static void
on_keyring_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Waiting *waiting = user_data;
  GError *error = NULL;
  g_autoptr (GBytes) key = moss_keyring_find_finish (result, &error);

  if (key != NULL)
    unlock (waiting->service, key, &error);
  if (waiting->invocation == NULL)
    {
      if (error != NULL)
        g_message ("it stays locked: %s", error->message);
      g_clear_error (&error);
    }
  else if (error != NULL)
    answer_error (waiting->invocation, error);
  else
    moss_dbus_agent1_complete_unlock (waiting->service->interface, waiting->invocation);
}

static void
ask_keyring (MossAgentService *service, GDBusMethodInvocation *invocation)
{
  g_autofree char *item = moss_agent_keys_item (&service->keys);
  Waiting *waiting = g_new0 (Waiting, 1);

  waiting->service = service;
  waiting->invocation = invocation;
  moss_keyring_find (item != NULL ? item : "", on_keyring_found, waiting);
}

static gboolean
on_handle_unlock (MossDBusAgent1 *interface,
                  GDBusMethodInvocation *invocation,
                  const char *passphrase,
                  MossAgentService *service)
{
  g_autoptr (GBytes) secret = secret_text (passphrase);
  GError *error = NULL;

  if (moss_agent_keys_are_locked (&service->keys) &&
      service->keys.sealing == MOSS_SEALING_KEYRING)
    ask_keyring (service, invocation);
  else if (unlock (service, secret, &error))
    moss_dbus_agent1_complete_unlock (interface, invocation);
  else
    answer_error (invocation, error);
  return TRUE;
}

static gboolean
on_handle_lock (MossDBusAgent1 *interface,
                GDBusMethodInvocation *invocation,
                MossAgentService *service)
{
  if (service->keys.sealing == MOSS_SEALING_NONE)
    {
      g_dbus_method_invocation_return_error (
          invocation, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_INVALID,
          _ ("There is nothing to lock with: this device's keys have no passphrase."));
      return TRUE;
    }
  moss_agent_keys_lock (&service->keys);
  publish (service);
  moss_dbus_agent1_complete_lock (interface, invocation);
  return TRUE;
}

static gboolean
on_handle_tree_keys (MossDBusAgent1 *interface,
                     GDBusMethodInvocation *invocation,
                     MossAgentService *service)
{
  GError *error = NULL;
  GVariant *keys = moss_agent_identity_tree_keys (&service->identity, &error);

  if (keys == NULL)
    answer_error (invocation, error);
  else
    moss_dbus_agent1_complete_tree_keys (interface, invocation, keys);
  return TRUE;
}

/* --- the identity --- */

static GBytes *
bytes_of (GVariant *array)
{
  return g_variant_get_data_as_bytes (array);
}

/* Ends a call that gives nothing back but that it was done. */
static gboolean
finish (MossAgentService *service,
        GDBusMethodInvocation *invocation,
        gboolean done,
        GError *error)
{
  publish (service);
  if (done)
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    answer_error (invocation, error);
  return TRUE;
}

static gboolean
on_handle_create (MossDBusAgent1 *interface,
                  GDBusMethodInvocation *invocation,
                  const char *name,
                  GVariant *fingerprint,
                  const char *device_name,
                  MossAgentService *service)
{
  g_autoptr (GBytes) bytes = bytes_of (fingerprint);
  GError *error = NULL;
  gboolean done = moss_agent_identity_create (&service->identity, name, bytes, device_name,
                                              &error);

  return finish (service, invocation, done, error);
}

static gboolean
on_handle_join (MossDBusAgent1 *interface,
                GDBusMethodInvocation *invocation,
                GVariant *identity,
                GVariant *fingerprint,
                const char *device_name,
                MossAgentService *service)
{
  g_autoptr (GBytes) id = bytes_of (identity);
  g_autoptr (GBytes) print = bytes_of (fingerprint);
  g_autoptr (GBytes) record = NULL;
  g_autoptr (GBytes) reverse = NULL;
  GError *error = NULL;

  if (moss_agent_identity_join (&service->identity, id, print, device_name, &record, &reverse,
                                &error))
    moss_dbus_agent1_complete_join (interface, invocation, byte_array (record),
                                    byte_array (reverse));
  else
    answer_error (invocation, error);
  return TRUE;
}

static gboolean
on_handle_add (MossDBusAgent1 *interface,
               GDBusMethodInvocation *invocation,
               GVariant *record,
               GVariant *reverse,
               MossAgentService *service)
{
  g_autoptr (GBytes) record_bytes = bytes_of (record);
  g_autoptr (GBytes) reverse_bytes = bytes_of (reverse);
  GError *error = NULL;
  gboolean done =
      moss_agent_identity_add (&service->identity, record_bytes, reverse_bytes, &error);

  return finish (service, invocation, done, error);
}

static gboolean
on_handle_revoke (MossDBusAgent1 *interface,
                  GDBusMethodInvocation *invocation,
                  GVariant *fingerprint,
                  MossAgentService *service)
{
  g_autoptr (GBytes) bytes = bytes_of (fingerprint);
  GError *error = NULL;
  gboolean done = moss_agent_identity_revoke (&service->identity, bytes, &error);

  return finish (service, invocation, done, error);
}

static gboolean
on_handle_set_hosts (MossDBusAgent1 *interface,
                     GDBusMethodInvocation *invocation,
                     const char *const *hosts,
                     MossAgentService *service)
{
  GError *error = NULL;
  gboolean done = moss_agent_identity_set_hosts (&service->identity, hosts, &error);

  return finish (service, invocation, done, error);
}

static gboolean
on_handle_take_chain (MossDBusAgent1 *interface,
                      GDBusMethodInvocation *invocation,
                      GVariant *chain,
                      MossAgentService *service)
{
  g_autoptr (GBytes) bytes = bytes_of (chain);
  GError *error = NULL;
  const char *outcome = moss_agent_identity_take (&service->identity, bytes, &error);

  publish (service);
  if (outcome == NULL)
    answer_error (invocation, error);
  else
    moss_dbus_agent1_complete_take_chain (interface, invocation, outcome);
  return TRUE;
}

static gboolean
on_handle_leave (MossDBusAgent1 *interface,
                 GDBusMethodInvocation *invocation,
                 gboolean force,
                 MossAgentService *service)
{
  GError *error = NULL;
  gboolean done = moss_agent_identity_leave (&service->identity, force, &error);

  return finish (service, invocation, done, error);
}

static gboolean
on_handle_resolve (MossDBusAgent1 *interface,
                   GDBusMethodInvocation *invocation,
                   gboolean mine,
                   MossAgentService *service)
{
  GError *error = NULL;
  gboolean done = moss_agent_identity_resolve (&service->identity, mine, &error);

  return finish (service, invocation, done, error);
}

static void
register_errors (void)
{
  static gsize agent_quark, chain_quark;

  g_dbus_error_register_error_domain ("moss-agent-error-quark", &agent_quark, agent_errors,
                                      G_N_ELEMENTS (agent_errors));
  g_dbus_error_register_error_domain ("moss-chain-error-quark", &chain_quark, chain_errors,
                                      G_N_ELEMENTS (chain_errors));
}

/* Makes the interface of a service whose keys and identity are loaded. */
void
moss_agent_service_start (MossAgentService *service)
{
  static const struct
  {
    const char *signal;
    GCallback callback;
  } handlers[] = {
    { "handle-sign", G_CALLBACK (on_handle_sign) },
    { "handle-seal", G_CALLBACK (on_handle_seal) },
    { "handle-unlock", G_CALLBACK (on_handle_unlock) },
    { "handle-lock", G_CALLBACK (on_handle_lock) },
    { "handle-tree-keys", G_CALLBACK (on_handle_tree_keys) },
    { "handle-create-identity", G_CALLBACK (on_handle_create) },
    { "handle-join", G_CALLBACK (on_handle_join) },
    { "handle-add-device", G_CALLBACK (on_handle_add) },
    { "handle-revoke-device", G_CALLBACK (on_handle_revoke) },
    { "handle-set-hosts", G_CALLBACK (on_handle_set_hosts) },
    { "handle-take-chain", G_CALLBACK (on_handle_take_chain) },
    { "handle-leave", G_CALLBACK (on_handle_leave) },
    { "handle-resolve", G_CALLBACK (on_handle_resolve) },
  };

  register_errors ();
  service->interface = moss_dbus_agent1_skeleton_new ();
  moss_dbus_agent1_set_suite (service->interface, service->keys.suite);
  moss_dbus_agent1_set_public_key (service->interface, byte_array (service->keys.public_key));
  for (guint i = 0; i < G_N_ELEMENTS (handlers); i++)
    g_signal_connect (service->interface, handlers[i].signal, handlers[i].callback, service);
  publish (service);
  if (service->keys.sealing == MOSS_SEALING_KEYRING)
    ask_keyring (service, NULL);
}

void
moss_agent_service_clear (MossAgentService *service)
{
  g_clear_object (&service->interface);
  moss_agent_identity_clear (&service->identity);
  moss_agent_keys_clear (&service->keys);
}
