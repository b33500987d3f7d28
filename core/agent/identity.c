// SPDX-License-Identifier: LGPL-2.1-or-later
/* Files, below "identity" of the state: chain (the bytes of it), seen (core/identity/seen.c),
 * joining (the id of the identity that this device has agreed to join), fork (a chain that
 * contradicts ours). A new chain is on the disk, and then noted as seen, before anybody is told
 * of it; the other order could leave a device that has seen what nobody has. */
#define G_LOG_DOMAIN "moss-agent"

#include "core/agent/identity.h"

#include "core/fault.h"
#include "core/identity/author.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

static gboolean
refuse (GError **error, MossAgentError code, const char *sentence)
{
  g_set_error_literal (error, MOSS_AGENT_ERROR, code, sentence);
  return FALSE;
}

static char *
path_of (MossAgentIdentity *self, const char *name)
{
  return g_build_filename (self->dir, name, NULL);
}

static gboolean
write_file (MossAgentIdentity *self, const char *name, GBytes *bytes, GError **error)
{
  g_autofree char *path = path_of (self, name);

  return moss_fault_error ("agent-chain", error) &&
         g_file_set_contents_full (path, g_bytes_get_data (bytes, NULL),
                                   g_bytes_get_size (bytes),
                                   G_FILE_SET_CONTENTS_CONSISTENT |
                                       G_FILE_SET_CONTENTS_DURABLE,
                                   0600, error);
}

/* Returns: (transfer full) (nullable): with no error set if it isn't there */
static GBytes *
read_file (MossAgentIdentity *self, const char *name, GError **error)
{
  g_autofree char *path = path_of (self, name);
  g_autoptr (GError) local = NULL;
  char *text;
  gsize length;

  if (g_file_get_contents (path, &text, &length, &local))
    return g_bytes_new_take (text, length);
  if (!g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_propagate_error (error, g_steal_pointer (&local));
  return NULL;
}

static void
remove_file (MossAgentIdentity *self, const char *name)
{
  g_autofree char *path = path_of (self, name);

  g_unlink (path);
}

/* --- who this device is in it --- */

static gboolean
find_myself (MossAgentIdentity *self, MossChain *chain, MossChainDevice *device)
{
  return moss_chain_find_signer (chain, self->keys->suite, self->keys->public_key, device) &&
         memcmp (device->record->exchange_key,
                 g_bytes_get_data (self->keys->exchange_public, NULL), MOSS_KEY_BYTES) == 0;
}

gboolean
moss_agent_identity_is_alive (MossAgentIdentity *self)
{
  MossChainDevice device;

  return self->chain != NULL && find_myself (self, self->chain, &device) && !device.revoked;
}

static char *
name_at (MossChain *chain, guint32 seq)
{
  g_auto (MossStatement) statement = { 0 };
  MossChainDevice device;

  if (moss_chain_describe (chain, seq, &statement) &&
      moss_chain_get_device (chain, statement.signer, &device))
    return g_strdup (device.record->name);
  return g_strdup (_ ("a device"));
}

static void
find_problem (MossAgentIdentity *self)
{
  if (self->seen == NULL)
    return; /* it says that */
  g_clear_pointer (&self->problem, g_free);
  if (self->fork != NULL)
    {
      guint32 seq = moss_chain_find_fork (self->chain, self->fork);
      g_autofree char *here = name_at (self->chain, seq);
      g_autofree char *there = name_at (self->fork, seq);

      self->problem = g_strdup_printf (
          _ ("Your identity was changed in two ways at once, by %s here and by %s elsewhere. "
             "Say which one holds."),
          here, there);
    }
  else if (self->chain != NULL && !moss_agent_identity_is_alive (self))
    self->problem = g_strdup (_ ("This device was revoked by another one of yours."));
  else
    self->problem = g_strdup ("");
}

static gboolean
author (MossAgentIdentity *self, MossAuthor *by, GError **error)
{
  MossChainDevice device;

  if (self->chain == NULL)
    return refuse (error, MOSS_AGENT_ERROR_NO_IDENTITY,
                   _ ("This device belongs to no identity yet."));
  if (moss_agent_keys_are_locked (self->keys))
    return refuse (error, MOSS_AGENT_ERROR_LOCKED,
                   _ ("Moss is locked. Unlock it with: moss identity unlock"));
  if (!find_myself (self, self->chain, &device) || device.revoked)
    return refuse (error, MOSS_AGENT_ERROR_INVALID,
                   _ ("This device was revoked by another one of yours."));
  by->slot = device.slot;
  by->suite = self->keys->suite;
  by->secret = self->keys->secret;
  return TRUE;
}

static GPtrArray *
user_keys (MossAgentIdentity *self, GError **error)
{
  MossAuthor by;

  if (!author (self, &by, error))
    return NULL;
  return moss_user_keys_open (self->chain, by.slot,
                              g_bytes_get_data (self->keys->exchange_secret, NULL), error);
}

/* The newest. */
static GBytes *
user_key (MossAgentIdentity *self, GError **error)
{
  g_autoptr (GPtrArray) keys = user_keys (self, error);

  return keys == NULL ? NULL : g_bytes_ref (g_ptr_array_index (keys, keys->len - 1));
}

static GBytes *
new_user_key (void)
{
  guint8 *data;
  GBytes *key = moss_secret_new (MOSS_KEY_BYTES, &data);

  moss_crypto_random (data, MOSS_KEY_BYTES);
  return key;
}

static MossDeviceRecord *
describe_myself (MossAgentIdentity *self,
                 GBytes *fingerprint,
                 const char *device_name,
                 GError **error)
{
  g_autoptr (MossDeviceRecord) record = g_new0 (MossDeviceRecord, 1);
  const char *end = device_name;

  if (g_bytes_get_size (fingerprint) != MOSS_HASH_BYTES)
    {
      refuse (error, MOSS_AGENT_ERROR_INVALID, "a fingerprint has 32 bytes");
      return NULL;
    }
  while (*end != '\0' && g_utf8_next_char (end) - device_name <= MOSS_DEVICE_NAME_MAX)
    end = g_utf8_next_char (end);
  memcpy (record->fingerprint, g_bytes_get_data (fingerprint, NULL), MOSS_HASH_BYTES);
  record->suite = self->keys->suite;
  record->signing_key = g_bytes_ref (self->keys->public_key);
  memcpy (record->exchange_key, g_bytes_get_data (self->keys->exchange_public, NULL),
          MOSS_KEY_BYTES);
  record->scope = MOSS_SCOPE_FULL;
  record->name = g_strndup (device_name, end - device_name);
  return g_steal_pointer (&record);
}

/* Without the note of what was seen no chain is believed. */
static gboolean
has_memory (MossAgentIdentity *self, GError **error)
{
  return self->seen != NULL || refuse (error, MOSS_AGENT_ERROR_INVALID, self->problem);
}

/* From now on @chain (taken; nullable: @error is set) is what holds. */
static gboolean
commit (MossAgentIdentity *self, MossChain *chain, GError **error)
{
  g_autoptr (MossChain) taken = chain;

  if (chain == NULL || !has_memory (self, error) ||
      !moss_seen_check (self->seen, chain, error) ||
      !write_file (self, "chain", moss_chain_get_bytes (chain), error) ||
      !moss_seen_take (self->seen, chain, error))
    return FALSE;
  g_clear_pointer (&self->chain, moss_chain_unref);
  self->chain = g_steal_pointer (&taken);
  find_problem (self);
  return TRUE;
}

/* --- what it does --- */

/* Stricter than what is read: “name@domain” or “name”, so that hosts can be asked for it. */
static gboolean
is_good_name (const char *name)
{
  const char *at = strchr (name, '@');

  return moss_identity_name_is_valid (name) &&
         (at == NULL || (at > name && at[1] != '\0' && strchr (at + 1, '@') == NULL));
}

gboolean
moss_agent_identity_create (MossAgentIdentity *self,
                            const char *name,
                            GBytes *fingerprint,
                            const char *device_name,
                            GError **error)
{
  MossAuthor by = { 1, self->keys->suite, self->keys->secret };
  g_autoptr (MossDeviceRecord) record = NULL;
  g_autoptr (GBytes) key = new_user_key ();

  if (self->chain != NULL)
    return refuse (error, MOSS_AGENT_ERROR_HAS_IDENTITY,
                   _ ("This device belongs to an identity already."));
  if (moss_agent_keys_are_locked (self->keys))
    return refuse (error, MOSS_AGENT_ERROR_LOCKED, _ ("Moss is locked."));
  if (!is_good_name (name))
    return refuse (error, MOSS_AGENT_ERROR_INVALID,
                   _ ("That can't be a name: it is a folder's too, such as “me” or "
                      "“me@example.org”, at most 48 bytes long."));
  record = describe_myself (self, fingerprint, device_name, error);
  return record != NULL &&
         commit (self, moss_author_create (&by, name, record, key, error), error);
}

/* What was seen can't be read. Somebody who pairs the device anew, by a code, stands before it:
 * only then is it begun anew. */
static gboolean
begin_memory (MossAgentIdentity *self, GError **error)
{
  g_autofree char *path = path_of (self, "seen");
  g_autofree char *aside = path_of (self, "seen.damaged");

  if (self->seen != NULL)
    return TRUE;
  if (g_rename (path, aside) != 0)
    return refuse (error, MOSS_AGENT_ERROR_INVALID, self->problem);
  self->seen = moss_seen_open (path, error);
  find_problem (self);
  return self->seen != NULL;
}

gboolean
moss_agent_identity_join (MossAgentIdentity *self,
                          GBytes *identity,
                          GBytes *fingerprint,
                          const char *device_name,
                          GBytes **record_out,
                          GBytes **reverse,
                          GError **error)
{
  g_autoptr (MossDeviceRecord) record = NULL;
  g_autoptr (GBytes) encoded = NULL;
  g_autoptr (GBytes) agreed = NULL;

  if (moss_agent_identity_is_alive (self))
    return refuse (error, MOSS_AGENT_ERROR_HAS_IDENTITY,
                   _ ("This device belongs to an identity already."));
  if (moss_agent_keys_are_locked (self->keys))
    return refuse (error, MOSS_AGENT_ERROR_LOCKED, _ ("Moss is locked."));
  if (!begin_memory (self, error))
    return FALSE;
  if (g_bytes_get_size (identity) != MOSS_HASH_BYTES)
    return refuse (error, MOSS_AGENT_ERROR_INVALID, "an identity's id has 32 bytes");
  record = describe_myself (self, fingerprint, device_name, error);
  encoded = record == NULL ? NULL : moss_device_record_encode (record, error);
  if (encoded == NULL)
    return FALSE;
  agreed = moss_author_agree (record, self->keys->secret, g_bytes_get_data (identity, NULL),
                              error);
  if (agreed == NULL || !write_file (self, "joining", identity, error))
    return FALSE;
  *record_out = g_steal_pointer (&encoded);
  *reverse = g_steal_pointer (&agreed);
  return TRUE;
}

gboolean
moss_agent_identity_add (MossAgentIdentity *self,
                         GBytes *encoded,
                         GBytes *reverse,
                         GError **error)
{
  g_autoptr (MossDeviceRecord) record = moss_device_record_decode (encoded, error);
  g_autoptr (GBytes) key = NULL;
  MossChainDevice device;
  MossAuthor by;

  if (record == NULL || !author (self, &by, error))
    return FALSE;
  if (moss_chain_find_device (self->chain, record->fingerprint, &device) && !device.revoked &&
      g_bytes_equal (device.record->signing_key, record->signing_key))
    return TRUE;
  key = user_key (self, error);
  return key != NULL &&
         commit (self,
                 moss_author_add_device (&by, self->chain, record, reverse, key, error),
                 error);
}

gboolean
moss_agent_identity_revoke (MossAgentIdentity *self, GBytes *fingerprint, GError **error)
{
  g_autoptr (GBytes) key = NULL;
  g_autoptr (GBytes) next = new_user_key ();
  MossChainDevice device;
  MossAuthor by;

  if (!author (self, &by, error))
    return FALSE;
  if (g_bytes_get_size (fingerprint) != MOSS_HASH_BYTES ||
      !moss_chain_find_device (self->chain, g_bytes_get_data (fingerprint, NULL), &device) ||
      device.revoked)
    return refuse (error, MOSS_AGENT_ERROR_INVALID,
                   _ ("No device of this identity has that fingerprint."));
  if (device.slot == by.slot)
    return refuse (error, MOSS_AGENT_ERROR_INVALID,
                   _ ("A device can't revoke itself. Do it on another one of yours."));
  key = user_key (self, error);
  return key != NULL &&
         commit (self,
                 moss_author_revoke (&by, self->chain, device.slot, key, next, error), error);
}

gboolean
moss_agent_identity_set_hosts (MossAgentIdentity *self,
                               const char *const *hosts,
                               GError **error)
{
  MossStatement statement = { .type = MOSS_STATEMENT_HOSTS, .hosts = (GStrv) hosts };
  MossAuthor by;

  return author (self, &by, error) &&
         commit (self, moss_author_append (&by, self->chain, &statement, error), error);
}

/* --- chains of others --- */

/* The first chain of the identity that this device has agreed to join. */
static gboolean
take_first (MossAgentIdentity *self, MossChain *chain, GError **error)
{
  g_autoptr (GBytes) joining = read_file (self, "joining", error);
  MossChainDevice device;

  if (joining == NULL || g_bytes_get_size (joining) != MOSS_HASH_BYTES ||
      memcmp (g_bytes_get_data (joining, NULL), moss_chain_get_id (chain),
              MOSS_HASH_BYTES) != 0)
    return refuse (error, MOSS_AGENT_ERROR_INVALID,
                   _ ("This device has not agreed to join that identity."));
  if (!find_myself (self, chain, &device) || device.revoked)
    return refuse (error, MOSS_AGENT_ERROR_INVALID,
                   _ ("This device is not in that identity."));
  if (!commit (self, moss_chain_ref (chain), error))
    return FALSE;
  remove_file (self, "joining");
  return TRUE;
}

static void
note_fork (MossAgentIdentity *self, MossChain *chain, GError **error)
{
  write_file (self, "fork", moss_chain_get_bytes (chain), NULL);
  g_clear_pointer (&self->fork, moss_chain_unref);
  self->fork = moss_chain_ref (chain);
  find_problem (self);
  g_message ("%s", self->problem);
  g_set_error_literal (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_FORKED, self->problem);
}

/* A person's decision, or a revocation: @chain holds though it contradicts what was seen. */
static gboolean
adopt (MossAgentIdentity *self, MossChain *chain, GError **error)
{
  if (!write_file (self, "chain", moss_chain_get_bytes (chain), error) ||
      !moss_seen_replace (self->seen, chain, error))
    return FALSE;
  moss_chain_ref (chain);
  g_clear_pointer (&self->chain, moss_chain_unref);
  self->chain = chain;
  find_problem (self);
  return TRUE;
}

static void
forget_fork (MossAgentIdentity *self)
{
  g_clear_pointer (&self->fork, moss_chain_unref);
  remove_file (self, "fork");
  find_problem (self);
}

/* A revocation beats what the revoked device signed beside it; of two devices that revoked
 * each other, and of all else, a person decides. */
static const char *
weigh_fork (MossAgentIdentity *self, MossChain *chain, GError **error)
{
  gboolean ours_wins = moss_chain_revokes_branch (self->chain, chain);
  gboolean theirs_wins = moss_chain_revokes_branch (chain, self->chain);
  g_autofree char *name = NULL;

  if (ours_wins == theirs_wins)
    {
      note_fork (self, chain, error);
      return NULL;
    }
  if (theirs_wins)
    return adopt (self, chain, error) ? "newer" : NULL;
  name = name_at (chain, moss_chain_find_fork (self->chain, chain));
  g_set_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_REVOKED,
               _ ("That identity was changed by %s, which was revoked."), name);
  return NULL;
}

/**
 * moss_agent_identity_take:
 * @bytes: a chain that another device or a host has
 *
 * Returns: (nullable): "same", "newer" (it was taken) or "older"
 */
const char *
moss_agent_identity_take (MossAgentIdentity *self, GBytes *bytes, GError **error)
{
  g_autoptr (MossChain) chain = moss_chain_parse (bytes, error);
  MossChainOrder order;

  if (chain == NULL)
    return NULL;
  if (self->chain == NULL ||
      (!moss_agent_identity_is_alive (self) &&
       moss_chain_compare (chain, self->chain) == MOSS_CHAIN_FOREIGN))
    return take_first (self, chain, error) ? "newer" : NULL;
  order = moss_chain_compare (chain, self->chain);
  if (order == MOSS_CHAIN_FORK)
    return weigh_fork (self, chain, error);
  if (order == MOSS_CHAIN_FOREIGN)
    {
      g_set_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_FOREIGN,
                   _ ("That is the identity of somebody else, who calls themselves %s."),
                   moss_chain_get_name (chain));
      return NULL;
    }
  if (order == MOSS_CHAIN_NEWER && !commit (self, moss_chain_ref (chain), error))
    return NULL;
  if (self->fork != NULL && moss_chain_compare (self->fork, self->chain) != MOSS_CHAIN_FORK)
    forget_fork (self);
  return order == MOSS_CHAIN_NEWER ? "newer" : order == MOSS_CHAIN_OLDER ? "older" : "same";
}

static gboolean
others_are_left (MossAgentIdentity *self)
{
  MossChainDevice mine, device;

  if (!find_myself (self, self->chain, &mine) || mine.revoked)
    return TRUE;
  for (guint slot = 1; slot <= moss_chain_get_n_devices (self->chain); slot++)
    if (slot != mine.slot && moss_chain_get_device (self->chain, slot, &device) &&
        !device.revoked)
      return TRUE;
  return FALSE;
}

/**
 * moss_agent_identity_leave:
 * @force: even the only device of it, with which the identity ends
 *
 * Forgets the identity, but not how far it was seen, but for what this device alone said last.
 */
gboolean
moss_agent_identity_leave (MossAgentIdentity *self, gboolean force, GError **error)
{
  MossChainDevice mine;

  if (self->chain == NULL)
    return refuse (error, MOSS_AGENT_ERROR_NO_IDENTITY,
                   _ ("This device belongs to no identity yet."));
  if (!force && !others_are_left (self))
    return refuse (error, MOSS_AGENT_ERROR_INVALID,
                   _ ("This is the only device of your identity: nobody could read its files "
                      "any more. If that is meant: moss identity leave --force"));
  if (self->seen != NULL && find_myself (self, self->chain, &mine) &&
      !moss_seen_leave (self->seen, self->chain, mine.slot, error))
    return FALSE;
  remove_file (self, "chain");
  remove_file (self, "fork");
  g_clear_pointer (&self->chain, moss_chain_unref);
  g_clear_pointer (&self->fork, moss_chain_unref);
  find_problem (self);
  return TRUE;
}

/**
 * moss_agent_identity_resolve:
 * @mine: what was done here holds, and the other way is forgotten
 *
 * A person's decision; nothing else undoes what a device has seen.
 */
gboolean
moss_agent_identity_resolve (MossAgentIdentity *self, gboolean mine, GError **error)
{
  MossChainDevice device;

  if (self->fork == NULL)
    return refuse (error, MOSS_AGENT_ERROR_INVALID,
                   _ ("Your identity is not in dispute: there is nothing to decide."));
  if (mine)
    {
      forget_fork (self);
      return TRUE;
    }
  if (!find_myself (self, self->fork, &device) || device.revoked)
    return refuse (error, MOSS_AGENT_ERROR_INVALID,
                   _ ("The other way doesn't have this device: pair it again there, or keep "
                      "this way."));
  if (!adopt (self, self->fork, error))
    return FALSE;
  forget_fork (self);
  return TRUE;
}

/* --- keys for trees --- */

static GVariant *
derive (guint suite, GBytes *key, const char *label, GError **error)
{
  g_autoptr (GBytes) derived = moss_user_key_derive (suite, key, label, error);

  return derived == NULL
             ? NULL
             : g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, g_bytes_get_data (derived, NULL),
                                          MOSS_KEY_BYTES, 1);
}

/* Returns: (transfer floating): a(uayay): generation, tree key, dedup key */
GVariant *
moss_agent_identity_tree_keys (MossAgentIdentity *self, GError **error)
{
  g_autoptr (GPtrArray) keys = user_keys (self, error);
  GVariantBuilder builder;
  guint suite;

  if (keys == NULL)
    return NULL;
  suite = moss_chain_get_suite (self->chain);
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(uayay)"));
  for (guint i = 0; i < keys->len; i++)
    {
      GVariant *tree = derive (suite, g_ptr_array_index (keys, i), "moss tree 1", error);
      GVariant *dedup = derive (suite, g_ptr_array_index (keys, i), "moss dedup 1", error);

      if (tree == NULL || dedup == NULL)
        {
          g_variant_builder_clear (&builder);
          return NULL;
        }
      g_variant_builder_add (&builder, "(u@ay@ay)", i + 1, tree, dedup);
    }
  return g_variant_builder_end (&builder);
}

/* --- loading --- */

static void
set_unusable (MossAgentIdentity *self, const GError *reason)
{
  g_message ("%s", reason->message);
  self->problem = g_strdup_printf (
      _ ("The identity on this device can't be used: %s. Pair the device again."),
      reason->message);
}

/**
 * moss_agent_identity_load:
 * @dir: "identity" of the state
 *
 * A chain that is damaged, or older than what was seen, is not used: @self->problem says so,
 * and the device goes on without an identity. The same if it can't be told what was seen.
 */
gboolean
moss_agent_identity_load (MossAgentIdentity *self,
                          MossAgentKeys *keys,
                          const char *dir,
                          GError **error)
{
  g_autofree char *seen_path = g_build_filename (dir, "seen", NULL);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) fork = NULL;
  g_autoptr (MossChain) chain = NULL;
  g_autoptr (GError) local = NULL;

  self->keys = keys;
  self->dir = g_strdup (dir);
  self->seen = moss_seen_open (seen_path, &local);
  if (self->seen == NULL)
    {
      set_unusable (self, local);
      return TRUE;
    }
  bytes = read_file (self, "chain", error);
  if (bytes == NULL)
    {
      find_problem (self);
      return error == NULL || *error == NULL;
    }
  chain = moss_chain_parse (bytes, &local);
  if (chain == NULL || !moss_seen_take (self->seen, chain, &local))
    {
      set_unusable (self, local);
      return TRUE;
    }
  self->chain = g_steal_pointer (&chain);
  fork = read_file (self, "fork", NULL);
  chain = fork == NULL ? NULL : moss_chain_parse (fork, NULL);
  if (chain != NULL && moss_chain_compare (chain, self->chain) == MOSS_CHAIN_FORK)
    self->fork = g_steal_pointer (&chain);
  find_problem (self);
  return TRUE;
}

void
moss_agent_identity_clear (MossAgentIdentity *self)
{
  g_clear_pointer (&self->seen, moss_seen_free);
  g_clear_pointer (&self->chain, moss_chain_unref);
  g_clear_pointer (&self->fork, moss_chain_unref);
  g_clear_pointer (&self->problem, g_free);
  g_clear_pointer (&self->dir, g_free);
}
