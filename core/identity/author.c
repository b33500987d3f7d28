// SPDX-License-Identifier: LGPL-2.1-or-later
#define G_LOG_DOMAIN "moss-identity"

#include "core/identity/author.h"

#include "core/clock.h"

#include <string.h>

/**
 * moss_author_agree:
 * @record: the new device
 * @secret: its signing key
 * @identity: the id of the identity that it joins
 *
 * Returns: (transfer full): the reverse signature
 */
GBytes *
moss_author_agree (const MossDeviceRecord *record,
                   GBytes *secret,
                   const guint8 *identity,
                   GError **error)
{
  g_autoptr (GBytes) encoded = moss_device_record_encode (record, error);
  g_autoptr (GBytes) message = NULL;

  if (encoded == NULL)
    return NULL;
  message = moss_device_reverse_message (identity, encoded);
  return moss_sign_domain (record->suite, secret, MOSS_DEVICE_DOMAIN,
                           g_bytes_get_data (message, NULL), g_bytes_get_size (message),
                           error);
}

/**
 * moss_author_append:
 * @chain: (nullable): %NULL for the first statement
 * @statement: what it says; who, where and when are filled in
 *
 * Returns: (transfer full)
 */
MossChain *
moss_author_append (const MossAuthor *author,
                    MossChain *chain,
                    MossStatement *statement,
                    GError **error)
{
  g_autoptr (GBytes) bytes = NULL;

  statement->suite = author->suite;
  statement->signer = author->slot;
  statement->time_s = moss_clock_now_us () / G_USEC_PER_SEC;
  statement->seq = 0;
  if (chain != NULL)
    {
      statement->seq = moss_chain_get_seq (chain) + 1;
      memcpy (statement->previous, moss_chain_get_head (chain), MOSS_HASH_BYTES);
    }
  bytes = moss_statement_sign (statement, author->secret, error);
  if (bytes == NULL)
    return NULL;
  return chain == NULL ? moss_chain_parse (bytes, error)
                       : moss_chain_append (chain, bytes, error);
}

static MossChain *
grant (const MossAuthor *author,
       MossChain *chain,
       guint slot,
       GBytes *user_key,
       GError **error)
{
  MossStatement statement = { .type = MOSS_STATEMENT_GRANT, .slot = slot };
  MossChainDevice device;

  if (chain == NULL || !moss_chain_get_device (chain, slot, &device))
    return NULL;
  statement.generation = moss_chain_get_generation (chain);
  if (!moss_user_key_box (moss_chain_get_suite (chain), user_key,
                          device.record->exchange_key, moss_chain_get_id (chain),
                          statement.generation, statement.box, error))
    return NULL;
  return moss_author_append (author, chain, &statement, error);
}

static MossChain *
rotate (const MossAuthor *author,
        MossChain *chain,
        GBytes *user_key,
        GBytes *next_key,
        GError **error)
{
  MossStatement statement = { .type = MOSS_STATEMENT_ROTATE };
  guint suite;

  if (chain == NULL)
    return NULL;
  suite = moss_chain_get_suite (chain);
  statement.generation = moss_chain_get_generation (chain) + 1;
  if (!moss_user_key_commit (suite, next_key, statement.commitment, error) ||
      !moss_user_key_seal_previous (suite, next_key, user_key, moss_chain_get_id (chain),
                                    statement.generation, statement.sealed_previous, error))
    return NULL;
  return moss_author_append (author, chain, &statement, error);
}

/**
 * moss_author_create:
 * @record: the device that begins it: @author's, with full scope
 * @user_key: the first generation
 *
 * Returns: (transfer full)
 */
MossChain *
moss_author_create (const MossAuthor *author,
                    const char *name,
                    const MossDeviceRecord *record,
                    GBytes *user_key,
                    GError **error)
{
  g_auto (MossStatement) statement = { .type = MOSS_STATEMENT_CREATE };
  g_autoptr (MossChain) created = NULL;
  g_autoptr (MossChain) rotated = NULL;

  statement.name = g_strdup (name);
  statement.device = moss_device_record_copy (record);
  created = moss_author_append (author, NULL, &statement, error);
  rotated = rotate (author, created, NULL, user_key, error);
  return grant (author, rotated, author->slot, user_key, error);
}

/**
 * moss_author_add_device:
 * @reverse: what moss_author_agree() made on the new device
 * @user_key: the newest generation
 *
 * Returns: (transfer full)
 */
MossChain *
moss_author_add_device (const MossAuthor *author,
                        MossChain *chain,
                        const MossDeviceRecord *record,
                        GBytes *reverse,
                        GBytes *user_key,
                        GError **error)
{
  g_auto (MossStatement) statement = { .type = MOSS_STATEMENT_ADD_DEVICE };
  g_autoptr (MossChain) added = NULL;

  statement.slot = moss_chain_get_n_devices (chain) + 1;
  statement.device = moss_device_record_copy (record);
  statement.reverse = g_bytes_ref (reverse);
  added = moss_author_append (author, chain, &statement, error);
  return grant (author, added, statement.slot, user_key, error);
}

/**
 * moss_author_revoke:
 * @slot: another device
 * @user_key: the newest generation
 * @next_key: the next one, which @slot does not get
 *
 * Returns: (transfer full)
 */
MossChain *
moss_author_revoke (const MossAuthor *author,
                    MossChain *chain,
                    guint slot,
                    GBytes *user_key,
                    GBytes *next_key,
                    GError **error)
{
  MossStatement statement = { .type = MOSS_STATEMENT_REVOKE, .slot = slot };
  g_autoptr (MossChain) revoked = NULL;
  g_autoptr (MossChain) result = NULL;

  statement.as_of = moss_chain_get_seq (chain);
  revoked = moss_author_append (author, chain, &statement, error);
  result = rotate (author, revoked, user_key, next_key, error);
  for (guint i = 1; result != NULL && i <= moss_chain_get_n_devices (result); i++)
    {
      g_autoptr (MossChain) before = NULL;

      if (!moss_chain_device_alive (result, i, MOSS_CHAIN_NOW))
        continue;
      before = g_steal_pointer (&result);
      result = grant (author, before, i, next_key, error);
    }
  return g_steal_pointer (&result);
}
