// SPDX-License-Identifier: LGPL-2.1-or-later
/* The file "keys": GVariant, normal form, little-endian, (uuua{sv}ayayay): version 2, sealing,
 * suite, how it is sealed, sealed secrets, public signing key, public exchange key. One file,
 * so that it is never half sealed.
 *
 * Secrets: (ayay) signing, exchange. Sealing 0: as they are; the mode of the file (0600) is
 * what keeps them. 1: under Argon2id of a passphrase (how: salt ay, ops t, memory t). 2: under a
 * random key that the keyring holds (how: item s). Sealed is nonce, then what
 * moss_suite_seal() makes; the two public keys are bound to it. Other numbers are refused with
 * a sentence, never guessed.
 *
 * Before there were identities the file was "signing-key" and held the signing key alone. */
#define G_LOG_DOMAIN "moss-agent"

#include "core/agent/keys.h"

#include "core/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_FORMAT "(uuua{sv}ayayay)"
#define OLD_FORMAT "(uuua{sv}ayay)"
#define SECRETS_FORMAT "(ayay)"

enum
{
  KEYS_VERSION = 2,
  OLD_VERSION = 1,
  KEY_FILE_MAX = 65536,
  OPS = crypto_pwhash_OPSLIMIT_MODERATE,
  MEMORY = crypto_pwhash_MEMLIMIT_MODERATE, /* bytes */
  OPS_MAX = 64,
  MEMORY_MAX = 1024 * 1024 * 1024,
};

G_DEFINE_QUARK (moss-agent-error-quark, moss_agent_error)

static gboolean
refuse (const char *path, const char *reason, GError **error)
{
  g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_BAD_KEY,
               "the key file %s can't be used: %s", path, reason);
  return FALSE;
}

static gboolean
fail (const char *path, int number, GError **error)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number),
               "the key file %s can't be read: %s", path, g_strerror (number));
  return FALSE;
}

/* Read into memory that is locked and wiped, for secrets can be in there. */
static GBytes *
read_file (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  g_autoptr (GBytes) bytes = NULL;
  struct stat st;
  guint8 *data;
  gboolean whole;

  if (fd < 0 || fstat (fd, &st) < 0)
    {
      fail (path, errno, error);
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  if (!S_ISREG (st.st_mode) || st.st_size == 0 || st.st_size > KEY_FILE_MAX ||
      (st.st_mode & 077) != 0 || st.st_uid != geteuid ())
    {
      close (fd);
      refuse (path, "it isn't a file of the user's with mode 0600", error);
      return NULL;
    }
  bytes = moss_secret_new (st.st_size, &data);
  whole = read (fd, data, st.st_size) == st.st_size;
  close (fd);
  if (!whole)
    {
      fail (path, EIO, error);
      return NULL;
    }
  return g_steal_pointer (&bytes);
}

static GBytes *
child_bytes (GVariant *file, gsize index, gboolean is_secret)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (file, index);
  gsize length;
  const guint8 *data = g_variant_get_fixed_array (child, &length, 1);
  guint8 *locked;
  GBytes *secret;

  if (!is_secret)
    return g_bytes_new (data, length);
  secret = moss_secret_new (length, &locked);
  memcpy (locked, data, length);
  return secret;
}

static GVariant *
byte_array (GBytes *bytes)
{
  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

/* --- secrets as bytes, and back --- */

static GBytes *
pack_secrets (const MossAgentKeys *keys)
{
  g_autoptr (GVariant) both = g_variant_ref_sink (
      g_variant_new ("(@ay@ay)", byte_array (keys->secret), byte_array (keys->exchange_secret)));
  guint8 *data;
  GBytes *bytes = moss_secret_new (g_variant_get_size (both), &data);

  g_variant_store (both, data);
  return bytes;
}

static gboolean
unpack_secrets (MossAgentKeys *keys, GBytes *bytes, GError **error)
{
  g_autoptr (GVariant) both = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (SECRETS_FORMAT), bytes, FALSE));
  g_autoptr (GBytes) secret = NULL;
  g_autoptr (GBytes) exchange = NULL;
  g_autoptr (GBytes) public_key = NULL;

  if (!g_variant_is_normal_form (both))
    return refuse (keys->path, "it is damaged", error);
  secret = child_bytes (both, 0, TRUE);
  exchange = child_bytes (both, 1, TRUE);
  public_key = moss_suite_signing_public (keys->suite, secret, error);
  if (public_key == NULL)
    return FALSE;
  if (!g_bytes_equal (public_key, keys->public_key) ||
      g_bytes_get_size (exchange) != MOSS_KEY_BYTES)
    return refuse (keys->path, "its two halves don't belong together", error);
  keys->secret = g_steal_pointer (&secret);
  keys->exchange_secret = g_steal_pointer (&exchange);
  return TRUE;
}

/* --- sealing --- */

static GBytes *
bound_to (const MossAgentKeys *keys)
{
  GByteArray *out = g_byte_array_new ();

  g_byte_array_append (out, g_bytes_get_data (keys->public_key, NULL),
                       g_bytes_get_size (keys->public_key));
  g_byte_array_append (out, g_bytes_get_data (keys->exchange_public, NULL),
                       g_bytes_get_size (keys->exchange_public));
  return g_byte_array_free_to_bytes (out);
}

static GBytes *
seal (const MossAgentKeys *keys, GBytes *key, GBytes *plain, GError **error)
{
  gsize nonce_bytes = moss_suite_nonce_bytes (keys->suite);
  gsize length = g_bytes_get_size (plain);
  g_autoptr (GBytes) bound = bound_to (keys);
  g_autofree guint8 *out = g_malloc (nonce_bytes + length + MOSS_TAG_BYTES);

  moss_crypto_random (out, nonce_bytes);
  if (!moss_suite_seal (keys->suite, g_bytes_get_data (key, NULL), out,
                        g_bytes_get_data (bound, NULL), g_bytes_get_size (bound),
                        g_bytes_get_data (plain, NULL), length, out + nonce_bytes, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&out), nonce_bytes + length + MOSS_TAG_BYTES);
}

static GBytes *
open_sealed (const MossAgentKeys *keys, GBytes *key, GError **error)
{
  gsize nonce_bytes = moss_suite_nonce_bytes (keys->suite);
  gsize length;
  const guint8 *sealed = g_bytes_get_data (keys->sealed, &length);
  g_autoptr (GBytes) bound = bound_to (keys);
  g_autoptr (GBytes) plain = NULL;
  guint8 *data;

  if (length <= nonce_bytes + MOSS_TAG_BYTES)
    {
      refuse (keys->path, "it is damaged", error);
      return NULL;
    }
  plain = moss_secret_new (length - nonce_bytes - MOSS_TAG_BYTES, &data);
  if (moss_suite_open (keys->suite, g_bytes_get_data (key, NULL), sealed,
                       g_bytes_get_data (bound, NULL), g_bytes_get_size (bound),
                       sealed + nonce_bytes, length - nonce_bytes, data, NULL))
    return g_steal_pointer (&plain);
  g_set_error (error, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_WRONG,
               keys->sealing == MOSS_SEALING_PASSPHRASE
                   ? "The passphrase is not the right one."
                   : "The keyring holds another key than the one that is needed.");
  return NULL;
}

/* Argon2id, RFC 9106. */
static GBytes *
stretch (GBytes *passphrase, GVariant *how, GError **error)
{
  g_autoptr (GVariant) salt = g_variant_lookup_value (how, "salt", G_VARIANT_TYPE_BYTESTRING);
  guint64 ops = 0, memory = 0;
  gsize salt_bytes = 0;
  gconstpointer salt_data =
      salt == NULL ? NULL : g_variant_get_fixed_array (salt, &salt_bytes, 1);
  guint8 *data;
  g_autoptr (GBytes) key = NULL;

  if (!g_variant_lookup (how, "ops", "t", &ops) ||
      !g_variant_lookup (how, "memory", "t", &memory) ||
      salt_bytes != crypto_pwhash_SALTBYTES || ops == 0 || ops > OPS_MAX ||
      memory < crypto_pwhash_MEMLIMIT_MIN || memory > MEMORY_MAX)
    {
      g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_BAD_KEY,
                   "the key file says in no usable way how it is sealed");
      return NULL;
    }
  key = moss_secret_new (MOSS_KEY_BYTES, &data);
  if (crypto_pwhash (data, MOSS_KEY_BYTES, g_bytes_get_data (passphrase, NULL),
                     g_bytes_get_size (passphrase), salt_data, ops, memory,
                     crypto_pwhash_ALG_ARGON2ID13) == 0)
    return g_steal_pointer (&key);
  g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_FAILED,
               "there is not enough memory to work with the passphrase");
  return NULL;
}

static GVariant *
choose_how (MossSealing sealing, const char *item)
{
  guint8 salt[crypto_pwhash_SALTBYTES];
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  moss_crypto_random (salt, sizeof salt);
  if (sealing == MOSS_SEALING_PASSPHRASE)
    {
      g_variant_dict_insert_value (
          &dict, "salt",
          g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, salt, sizeof salt, 1));
      g_variant_dict_insert (&dict, "ops", "t", (guint64) OPS);
      g_variant_dict_insert (&dict, "memory", "t", (guint64) MEMORY);
    }
  else if (sealing == MOSS_SEALING_KEYRING)
    g_variant_dict_insert (&dict, "item", "s", item);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static gboolean
save (const MossAgentKeys *keys, GError **error)
{
  g_autoptr (GVariant) file = NULL;
  gboolean written;

  file = g_variant_ref_sink (g_variant_new (
      "(uuu@a{sv}@ay@ay@ay)", GUINT32_TO_LE (KEYS_VERSION), GUINT32_TO_LE (keys->sealing),
      GUINT32_TO_LE (keys->suite), keys->how, byte_array (keys->sealed),
      byte_array (keys->public_key), byte_array (keys->exchange_public)));
  written = moss_fault_error ("agent-keys", error) &&
            g_file_set_contents_full (
                keys->path, g_variant_get_data (file), g_variant_get_size (file),
                G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error);
  moss_crypto_wipe ((gpointer) g_variant_get_data (file), g_variant_get_size (file));
  return written;
}

/**
 * moss_agent_keys_seal:
 * @item: (nullable): under what name the keyring holds the key
 * @passphrase: (nullable): the passphrase, or that key (%MOSS_KEY_BYTES); ignored for
 *   %MOSS_SEALING_NONE
 *
 * Seals the secrets in this way from now on, durable.
 */
gboolean
moss_agent_keys_seal (MossAgentKeys *keys,
                      MossSealing sealing,
                      const char *item,
                      GBytes *passphrase,
                      GError **error)
{
  MossAgentKeys next = *keys;
  g_autoptr (GBytes) plain = NULL;
  g_autoptr (GVariant) how = NULL;
  g_autoptr (GBytes) key = NULL;
  g_autoptr (GBytes) sealed = NULL;

  if (moss_agent_keys_are_locked (keys))
    {
      g_set_error (error, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_LOCKED,
                   "Moss is locked. Unlock it first.");
      return FALSE;
    }
  plain = pack_secrets (keys);
  how = choose_how (sealing, item);
  if (sealing == MOSS_SEALING_PASSPHRASE)
    key = stretch (passphrase, how, error);
  else if (sealing == MOSS_SEALING_KEYRING)
    key = g_bytes_ref (passphrase);
  if (sealing != MOSS_SEALING_NONE)
    sealed = key == NULL ? NULL : seal (keys, key, plain, error);
  else
    sealed = g_bytes_ref (plain);
  if (sealed == NULL)
    return FALSE;
  next.sealing = sealing;
  next.how = how;
  next.sealed = sealed;
  if (!save (&next, error))
    return FALSE;
  g_clear_pointer (&keys->how, g_variant_unref);
  g_clear_pointer (&keys->sealed, g_bytes_unref);
  keys->sealing = sealing;
  keys->how = g_steal_pointer (&how);
  keys->sealed = g_steal_pointer (&sealed);
  return TRUE;
}

/**
 * moss_agent_keys_unlock:
 * @passphrase: as for moss_agent_keys_seal()
 *
 * Fails with %MOSS_AGENT_ERROR_WRONG.
 */
gboolean
moss_agent_keys_unlock (MossAgentKeys *keys, GBytes *passphrase, GError **error)
{
  g_autoptr (GBytes) key = NULL;
  g_autoptr (GBytes) plain = NULL;

  if (!moss_agent_keys_are_locked (keys))
    return TRUE;
  if (keys->sealing == MOSS_SEALING_PASSPHRASE)
    key = stretch (passphrase, keys->how, error);
  else if (g_bytes_get_size (passphrase) == MOSS_KEY_BYTES)
    key = g_bytes_ref (passphrase);
  else
    refuse (keys->path, "the keyring doesn't hold its key", error);
  if (key == NULL)
    return FALSE;
  plain = open_sealed (keys, key, error);
  return plain != NULL && unpack_secrets (keys, plain, error);
}

/* Forgets the secrets; the caller sees to it that they can be had again. */
void
moss_agent_keys_lock (MossAgentKeys *keys)
{
  g_clear_pointer (&keys->secret, g_bytes_unref);
  g_clear_pointer (&keys->exchange_secret, g_bytes_unref);
}

gboolean
moss_agent_keys_are_locked (const MossAgentKeys *keys)
{
  return keys->secret == NULL;
}

/* Returns: (transfer full) (nullable): under what name the keyring holds the key */
char *
moss_agent_keys_item (const MossAgentKeys *keys)
{
  char *item = NULL;

  if (keys->how != NULL)
    g_variant_lookup (keys->how, "item", "s", &item);
  return item;
}

/* --- loading --- */

static gboolean
load (MossAgentKeys *keys, GError **error)
{
  g_autoptr (GBytes) bytes = read_file (keys->path, error);
  g_autoptr (GVariant) file = NULL;
  guint32 version, sealing, suite;

  if (bytes == NULL)
    return FALSE;
  file = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (KEYS_FORMAT), bytes, FALSE));
  if (!g_variant_is_normal_form (file))
    return refuse (keys->path, "it is damaged", error);
  g_variant_get (file, "(uuu@a{sv}@ay@ay@ay)", &version, &sealing, &suite, NULL, NULL, NULL,
                 NULL);
  keys->sealing = GUINT32_FROM_LE (sealing);
  keys->suite = GUINT32_FROM_LE (suite);
  if (GUINT32_FROM_LE (version) != KEYS_VERSION || keys->sealing > MOSS_SEALING_KEYRING ||
      !moss_suite_known (keys->suite, NULL))
    return refuse (keys->path, "it was made by a newer version of Moss", error);
  g_variant_get_child (file, 3, "@a{sv}", &keys->how);
  keys->sealed = child_bytes (file, 4, TRUE);
  keys->public_key = child_bytes (file, 5, FALSE);
  keys->exchange_public = child_bytes (file, 6, FALSE);
  if (g_bytes_get_size (keys->exchange_public) != MOSS_KEY_BYTES)
    return refuse (keys->path, "it is damaged", error);
  return keys->sealing != MOSS_SEALING_NONE || unpack_secrets (keys, keys->sealed, error);
}

/* What there was before identities: FALSE with no error set if there is none. */
static gboolean
take_old (MossAgentKeys *keys, const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) file = NULL;
  guint32 version, sealing, suite;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return FALSE;
  bytes = read_file (path, error);
  if (bytes == NULL)
    return FALSE;
  file = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (OLD_FORMAT), bytes, FALSE));
  g_variant_get_child (file, 0, "u", &version);
  g_variant_get_child (file, 1, "u", &sealing);
  g_variant_get_child (file, 2, "u", &suite);
  if (!g_variant_is_normal_form (file) || GUINT32_FROM_LE (version) != OLD_VERSION ||
      sealing != MOSS_SEALING_NONE)
    return refuse (path, "it is damaged, or was made by a newer version of Moss", error);
  keys->suite = GUINT32_FROM_LE (suite);
  keys->secret = child_bytes (file, 4, TRUE);
  keys->public_key = moss_suite_signing_public (keys->suite, keys->secret, error);
  return keys->public_key != NULL;
}

static gboolean
make (MossAgentKeys *keys, const char *old_path, GError **error)
{
  guint8 public_key[MOSS_KEY_BYTES];
  g_autoptr (GError) local = NULL;
  guint8 *secret;

  if (!take_old (keys, old_path, &local))
    {
      if (local != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
      keys->suite = MOSS_SUITE_SODIUM;
      if (!moss_suite_signing_keygen (keys->suite, &keys->secret, &keys->public_key, error))
        return FALSE;
    }
  keys->exchange_secret = moss_secret_new (MOSS_KEY_BYTES, &secret);
  if (!moss_suite_exchange_keygen (keys->suite, secret, public_key, error))
    return FALSE;
  keys->exchange_public = g_bytes_new (public_key, sizeof public_key);
  if (!moss_agent_keys_seal (keys, MOSS_SEALING_NONE, NULL, NULL, error))
    return FALSE;
  g_unlink (old_path);
  return TRUE;
}

/**
 * moss_agent_keys_load_or_make:
 * @keys: zeroed; to be cleared by the caller in any case
 *
 * Loads the keys of this device, locked if they are sealed; makes them, durable, if there are
 * none.
 */
gboolean
moss_agent_keys_load_or_make (MossAgentKeys *keys, const char *dir, GError **error)
{
  g_autofree char *old_path = g_build_filename (dir, "signing-key", NULL);
  g_autoptr (GError) local = NULL;

  keys->path = g_build_filename (dir, "keys", NULL);
  if (load (keys, &local))
    return TRUE;
  if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return make (keys, old_path, error);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

void
moss_agent_keys_clear (MossAgentKeys *keys)
{
  moss_agent_keys_lock (keys);
  g_clear_pointer (&keys->public_key, g_bytes_unref);
  g_clear_pointer (&keys->exchange_public, g_bytes_unref);
  g_clear_pointer (&keys->sealed, g_bytes_unref);
  g_clear_pointer (&keys->how, g_variant_unref);
  g_clear_pointer (&keys->path, g_free);
}
