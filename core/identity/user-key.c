// SPDX-License-Identifier: LGPL-2.1-or-later
/* Giving the person's key to a device, and handing older generations down.
 *
 * A box is for one device: X25519 with a key that is used once, the hash of both public keys
 * and the shared secret as the sealing key. Each generation seals the one before it, so that a
 * new device reads what is old with one box. The chain holds a commitment to each generation:
 * whoever opens a box knows that all devices got the same key. Every sealing key here is used
 * for one message, so the nonce is zero. */
#define G_LOG_DOMAIN "moss-identity"

#include "core/identity/user-key.h"

#include <string.h>

static const char commit_label[] = "moss commit 1";
static const char previous_label[] = "moss previous 1";
static const char box_label[] = "moss box 1";

/**
 * moss_user_key_derive:
 * @label: what it is for
 *
 * Returns: (transfer full): %MOSS_KEY_BYTES secret bytes: the keyed hash of @label
 */
GBytes *
moss_user_key_derive (guint suite, GBytes *key, const char *label, GError **error)
{
  guint8 *data;
  g_autoptr (GBytes) derived = moss_secret_new (MOSS_KEY_BYTES, &data);

  if (g_bytes_get_size (key) != MOSS_KEY_BYTES ||
      !moss_suite_keyed_hash (suite, g_bytes_get_data (key, NULL), (const guint8 *) label,
                              strlen (label), data, error))
    return NULL;
  return g_steal_pointer (&derived);
}

/* @commitment: room for %MOSS_HASH_BYTES: says which key it is and nothing else about it */
gboolean
moss_user_key_commit (guint suite, GBytes *key, guint8 *commitment, GError **error)
{
  return moss_suite_keyed_hash (suite, g_bytes_get_data (key, NULL),
                                (const guint8 *) commit_label, strlen (commit_label),
                                commitment, error);
}

/* What a sealed key is bound to: identity and generation. */
static gsize
describe (const guint8 *identity, guint32 generation, guint8 *out)
{
  guint32 number = GUINT32_TO_LE (generation);

  memcpy (out, identity, MOSS_HASH_BYTES);
  memcpy (out + MOSS_HASH_BYTES, &number, sizeof number);
  return MOSS_HASH_BYTES + sizeof number;
}

/**
 * moss_user_key_seal_previous:
 * @key: U_g
 * @previous: (nullable): U_{g-1}; %NULL for the first generation, and zeros are written
 * @sealed: room for %MOSS_SEALED_PREVIOUS_BYTES
 */
gboolean
moss_user_key_seal_previous (guint suite,
                             GBytes *key,
                             GBytes *previous,
                             const guint8 *identity,
                             guint32 generation,
                             guint8 *sealed,
                             GError **error)
{
  static const guint8 nonce[MOSS_NONCE_MAX];
  guint8 about[MOSS_HASH_BYTES + 4];
  gsize length = describe (identity, generation, about);
  g_autoptr (GBytes) sealing = NULL;

  memset (sealed, 0, MOSS_SEALED_PREVIOUS_BYTES);
  if (previous == NULL)
    return TRUE;
  sealing = moss_user_key_derive (suite, key, previous_label, error);
  return sealing != NULL &&
         moss_suite_seal (suite, g_bytes_get_data (sealing, NULL), nonce, about, length,
                          g_bytes_get_data (previous, NULL), MOSS_KEY_BYTES, sealed, error);
}

static GBytes *
open_previous (guint suite,
               GBytes *key,
               const guint8 *identity,
               guint32 generation,
               const guint8 *sealed,
               GError **error)
{
  static const guint8 nonce[MOSS_NONCE_MAX];
  guint8 about[MOSS_HASH_BYTES + 4];
  gsize length = describe (identity, generation, about);
  g_autoptr (GBytes) sealing = moss_user_key_derive (suite, key, previous_label, error);
  guint8 *data;
  g_autoptr (GBytes) previous = moss_secret_new (MOSS_KEY_BYTES, &data);

  if (sealing == NULL ||
      !moss_suite_open (suite, g_bytes_get_data (sealing, NULL), nonce, about, length, sealed,
                        MOSS_SEALED_PREVIOUS_BYTES, data, error))
    return NULL;
  return g_steal_pointer (&previous);
}

/* The key under which a box is sealed. */
static gboolean
box_key (guint suite,
         const guint8 *secret,
         const guint8 *other_public,
         const guint8 *ephemeral,
         const guint8 *recipient,
         guint8 *key,
         GError **error)
{
  guint8 shared[MOSS_KEY_BYTES];
  guint8 message[sizeof box_label + 2 * MOSS_KEY_BYTES];
  gboolean done;

  memcpy (message, box_label, sizeof box_label);
  memcpy (message + sizeof box_label, ephemeral, MOSS_KEY_BYTES);
  memcpy (message + sizeof box_label + MOSS_KEY_BYTES, recipient, MOSS_KEY_BYTES);
  done = moss_suite_exchange (suite, secret, other_public, shared, error) &&
         moss_suite_keyed_hash (suite, shared, message, sizeof message, key, error);
  moss_crypto_wipe (shared, sizeof shared);
  return done;
}

/**
 * moss_user_key_box:
 * @exchange_key: the device's, %MOSS_KEY_BYTES bytes
 * @box: room for %MOSS_BOX_BYTES
 */
gboolean
moss_user_key_box (guint suite,
                   GBytes *key,
                   const guint8 *exchange_key,
                   const guint8 *identity,
                   guint32 generation,
                   guint8 *box,
                   GError **error)
{
  static const guint8 nonce[MOSS_NONCE_MAX];
  guint8 about[MOSS_HASH_BYTES + 4];
  gsize length = describe (identity, generation, about);
  guint8 secret[MOSS_KEY_BYTES];
  guint8 sealing[MOSS_KEY_BYTES];
  gboolean done;

  done = moss_suite_exchange_keygen (suite, secret, box, error) &&
         box_key (suite, secret, exchange_key, box, exchange_key, sealing, error) &&
         moss_suite_seal (suite, sealing, nonce, about, length, g_bytes_get_data (key, NULL),
                          MOSS_KEY_BYTES, box + MOSS_KEY_BYTES, error);
  moss_crypto_wipe (secret, sizeof secret);
  moss_crypto_wipe (sealing, sizeof sealing);
  return done;
}

static GBytes *
open_box (MossChain *chain,
          const MossChainDevice *device,
          const guint8 *exchange_secret,
          GError **error)
{
  static const guint8 nonce[MOSS_NONCE_MAX];
  const guint8 *box = moss_chain_get_box (chain, device->slot);
  guint suite = moss_chain_get_suite (chain);
  guint8 about[MOSS_HASH_BYTES + 4];
  gsize length = describe (moss_chain_get_id (chain), device->generation, about);
  guint8 sealing[MOSS_KEY_BYTES];
  guint8 *data;
  g_autoptr (GBytes) key = moss_secret_new (MOSS_KEY_BYTES, &data);
  gboolean opened;

  opened = box_key (suite, exchange_secret, box, box, device->record->exchange_key, sealing,
                    error) &&
           moss_suite_open (suite, sealing, nonce, about, length, box + MOSS_KEY_BYTES,
                            MOSS_BOX_BYTES - MOSS_KEY_BYTES, data, error);
  moss_crypto_wipe (sealing, sizeof sealing);
  return opened ? g_steal_pointer (&key) : NULL;
}

static gboolean
check_commitment (guint suite, GBytes *key, const guint8 *commitment, GError **error)
{
  guint8 hash[MOSS_HASH_BYTES];

  if (!moss_user_key_commit (suite, key, hash, error))
    return FALSE;
  if (moss_crypto_equal (hash, commitment, sizeof hash))
    return TRUE;
  g_set_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_FORGED,
               "the identity gives this device another key than it says");
  return FALSE;
}

/**
 * moss_user_keys_open:
 * @slot: this device's
 * @exchange_secret: %MOSS_KEY_BYTES bytes
 *
 * Opens the newest key that the device was given, and all before it.
 *
 * Returns: (transfer full) (element-type GBytes): index 0 is generation 1
 */
GPtrArray *
moss_user_keys_open (MossChain *chain,
                     guint slot,
                     const guint8 *exchange_secret,
                     GError **error)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  guint suite = moss_chain_get_suite (chain);
  const guint8 *commitment, *sealed;
  MossChainDevice device;
  GBytes *key;

  if (!moss_chain_get_device (chain, slot, &device) || device.generation == 0)
    {
      g_set_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_FORGED,
                   "the identity gives this device no key");
      return NULL;
    }
  key = open_box (chain, &device, exchange_secret, error);
  for (guint32 generation = device.generation; key != NULL; generation--)
    {
      g_ptr_array_insert (keys, 0, key);
      moss_chain_get_rotation (chain, generation, &commitment, &sealed);
      if (!check_commitment (suite, key, commitment, error))
        return NULL;
      if (generation == 1)
        return g_steal_pointer (&keys);
      key = open_previous (suite, key, moss_chain_get_id (chain), generation, sealed, error);
    }
  return NULL;
}
