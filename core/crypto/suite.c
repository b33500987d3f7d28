// SPDX-License-Identifier: LGPL-2.1-or-later
/* Cryptographic suites behind one small interface.
 *
 * Policy: every object and signature names its suite; a number that isn't known is refused,
 * never guessed. Keys for sealing are used for one message each, or with a nonce that never
 * repeats: the caller sees to that. Comparisons of secrets take constant time. Nothing here
 * allocates by a length that came from outside. All functions may be called from any thread
 * after moss_crypto_init(). */
#define G_LOG_DOMAIN "moss-crypto"

#include "core/crypto/suite-private.h"

#include <sodium.h>
#include <string.h>

G_DEFINE_QUARK (moss-crypto-error-quark, moss_crypto_error)

static const MossSuiteOps *
find (guint suite, GError **error)
{
  if (suite == MOSS_SUITE_SODIUM)
    return &moss_suite_sodium;
  if (suite == MOSS_SUITE_GNUTLS)
    return &moss_suite_gnutls;
  g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_UNKNOWN_SUITE,
               "cryptographic suite %u is not known here", suite);
  return NULL;
}

static gboolean
check (gboolean ok, const char *what, const MossSuiteOps *ops, GError **error)
{
  if (!ok)
    g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_FAILED, "%s can't %s",
                 ops->name, what);
  return ok;
}

static gboolean
check_length (GBytes *bytes, gsize wanted, const char *what, GError **error)
{
  if (g_bytes_get_size (bytes) == wanted)
    return TRUE;
  g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_BAD_KEY,
               "the %s has %" G_GSIZE_FORMAT " bytes instead of %" G_GSIZE_FORMAT, what,
               g_bytes_get_size (bytes), wanted);
  return FALSE;
}

/**
 * moss_crypto_init:
 *
 * Must have succeeded before anything else here is called; may be called again.
 */
gboolean
moss_crypto_init (GError **error)
{
  if (sodium_init () >= 0)
    return TRUE;
  g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_FAILED,
               "libsodium can't be initialised");
  return FALSE;
}

void
moss_crypto_random (guint8 *out, gsize length)
{
  randombytes_buf (out, length);
}

gboolean
moss_crypto_equal (const guint8 *a, const guint8 *b, gsize length)
{
  return sodium_memcmp (a, b, length) == 0;
}

void
moss_crypto_wipe (gpointer data, gsize length)
{
  sodium_memzero (data, length);
}

gboolean
moss_suite_known (guint suite, GError **error)
{
  return find (suite, error) != NULL;
}

/**
 * moss_suite_nonce_bytes:
 *
 * Returns: length of a nonce of @suite, 0 for an unknown one
 */
gsize
moss_suite_nonce_bytes (guint suite)
{
  const MossSuiteOps *ops = find (suite, NULL);

  return ops == NULL ? 0 : ops->nonce_bytes;
}

/**
 * moss_suite_public_bytes:
 *
 * Returns: length of a public signing key of @suite, 0 for an unknown one
 */
gsize
moss_suite_public_bytes (guint suite)
{
  const MossSuiteOps *ops = find (suite, NULL);

  return ops == NULL ? 0 : ops->public_bytes;
}

/**
 * moss_suite_signature_bytes:
 *
 * Returns: length of a signature of @suite, 0 for an unknown one
 */
gsize
moss_suite_signature_bytes (guint suite)
{
  const MossSuiteOps *ops = find (suite, NULL);

  return ops == NULL ? 0 : ops->signature_bytes;
}

/**
 * moss_suite_seal:
 * @key: %MOSS_KEY_BYTES bytes
 * @nonce: moss_suite_nonce_bytes() bytes, never used before with @key
 * @sealed: room for @length + %MOSS_TAG_BYTES; must not overlap @plain
 *
 * Encrypts and authenticates @plain, and authenticates @associated.
 */
gboolean
moss_suite_seal (guint suite,
                 const guint8 *key,
                 const guint8 *nonce,
                 const guint8 *associated,
                 gsize associated_length,
                 const guint8 *plain,
                 gsize length,
                 guint8 *sealed,
                 GError **error)
{
  const MossSuiteOps *ops = find (suite, error);

  return ops != NULL &&
         check (ops->seal (key, nonce, associated, associated_length, plain, length, sealed),
                "seal", ops, error);
}

/**
 * moss_suite_open:
 * @plain: room for @sealed_length - %MOSS_TAG_BYTES; must not overlap @sealed
 *
 * The inverse of moss_suite_seal(). Fails with %MOSS_CRYPTO_ERROR_FORGED if anything was
 * changed; @plain is then not to be read.
 */
gboolean
moss_suite_open (guint suite,
                 const guint8 *key,
                 const guint8 *nonce,
                 const guint8 *associated,
                 gsize associated_length,
                 const guint8 *sealed,
                 gsize sealed_length,
                 guint8 *plain,
                 GError **error)
{
  const MossSuiteOps *ops = find (suite, error);

  if (ops == NULL)
    return FALSE;
  if (sealed_length >= MOSS_TAG_BYTES &&
      ops->open (key, nonce, associated, associated_length, sealed, sealed_length, plain))
    return TRUE;
  g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_FORGED,
               "sealed data was changed or belongs to another key");
  return FALSE;
}

/**
 * moss_suite_hash:
 * @hash: room for %MOSS_HASH_BYTES
 */
gboolean
moss_suite_hash (guint suite, const guint8 *data, gsize length, guint8 *hash, GError **error)
{
  const MossSuiteOps *ops = find (suite, error);

  return ops != NULL && check (ops->hash (data, length, hash), "hash", ops, error);
}

/**
 * moss_suite_keyed_hash:
 * @key: %MOSS_KEY_BYTES bytes
 * @hash: room for %MOSS_HASH_BYTES
 */
gboolean
moss_suite_keyed_hash (guint suite,
                       const guint8 *key,
                       const guint8 *data,
                       gsize length,
                       guint8 *hash,
                       GError **error)
{
  const MossSuiteOps *ops = find (suite, error);

  return ops != NULL && check (ops->keyed_hash (key, data, length, hash), "hash", ops, error);
}

/**
 * moss_secret_new:
 * @data: (out): where to write
 *
 * Returns: (transfer full): bytes in memory that is locked, guarded, and wiped when the last
 *   reference goes
 */
GBytes *
moss_secret_new (gsize length, guint8 **data)
{
  /* libsodium puts the end at the guard page: round up, so that the start is aligned. */
  guint8 *memory = sodium_malloc ((length + 16) & ~(gsize) 15);

  if (memory == NULL)
    g_error ("no memory for a secret of %" G_GSIZE_FORMAT " bytes", length);
  *data = memory;
  return g_bytes_new_with_free_func (memory, length, sodium_free, memory);
}

/**
 * moss_suite_signing_keygen:
 * @secret: (out) (transfer full): wiped when the last reference goes
 * @public_key: (out) (transfer full):
 */
gboolean
moss_suite_signing_keygen (guint suite, GBytes **secret, GBytes **public_key, GError **error)
{
  const MossSuiteOps *ops = find (suite, error);
  g_autoptr (GBytes) made = NULL;
  guint8 *data;

  if (ops == NULL)
    return FALSE;
  made = moss_secret_new (ops->secret_bytes, &data);
  if (!check (ops->signing_keygen (data), "make a signing key", ops, error))
    return FALSE;
  *public_key = moss_suite_signing_public (suite, made, error);
  if (*public_key == NULL)
    return FALSE;
  *secret = g_steal_pointer (&made);
  return TRUE;
}

/**
 * moss_suite_signing_public:
 *
 * Returns: (transfer full): the public key that belongs to @secret
 */
GBytes *
moss_suite_signing_public (guint suite, GBytes *secret, GError **error)
{
  const MossSuiteOps *ops = find (suite, error);
  g_autofree guint8 *public_key = NULL;

  if (ops == NULL || !check_length (secret, ops->secret_bytes, "signing key", error))
    return NULL;
  public_key = g_malloc0 (ops->public_bytes);
  if (!check (ops->signing_public (g_bytes_get_data (secret, NULL), public_key),
              "read the signing key", ops, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&public_key), ops->public_bytes);
}

/**
 * moss_suite_sign:
 *
 * Returns: (transfer full): a signature over @data. Use moss_sign_domain() unless a format
 *   outside Moss says otherwise.
 */
GBytes *
moss_suite_sign (guint suite, GBytes *secret, const guint8 *data, gsize length, GError **error)
{
  const MossSuiteOps *ops = find (suite, error);
  g_autofree guint8 *signature = NULL;

  if (ops == NULL || !check_length (secret, ops->secret_bytes, "signing key", error))
    return NULL;
  signature = g_malloc0 (ops->signature_bytes);
  if (!check (ops->sign (g_bytes_get_data (secret, NULL), data, length, signature), "sign",
              ops, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&signature), ops->signature_bytes);
}

/**
 * moss_suite_verify:
 *
 * Fails with %MOSS_CRYPTO_ERROR_FORGED when @signature is not one over @data by the holder of
 * @public_key, with %MOSS_CRYPTO_ERROR_BAD_KEY when the key has another length.
 */
gboolean
moss_suite_verify (guint suite,
                   GBytes *public_key,
                   const guint8 *data,
                   gsize length,
                   GBytes *signature,
                   GError **error)
{
  const MossSuiteOps *ops = find (suite, error);

  if (ops == NULL || !check_length (public_key, ops->public_bytes, "public key", error))
    return FALSE;
  if (g_bytes_get_size (signature) == ops->signature_bytes &&
      ops->verify (g_bytes_get_data (public_key, NULL), data, length,
                   g_bytes_get_data (signature, NULL)))
    return TRUE;
  g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_FORGED,
               "the signature was not made over these bytes with this key");
  return FALSE;
}

/**
 * moss_suite_exchange_keygen:
 * @secret: room for %MOSS_KEY_BYTES
 * @public_key: room for %MOSS_KEY_BYTES
 */
gboolean
moss_suite_exchange_keygen (guint suite, guint8 *secret, guint8 *public_key, GError **error)
{
  const MossSuiteOps *ops = find (suite, error);

  if (ops == NULL)
    return FALSE;
  randombytes_buf (secret, MOSS_KEY_BYTES);
  return check (ops->exchange_public (secret, public_key), "make an exchange key", ops, error);
}

/**
 * moss_suite_exchange:
 * @shared: room for %MOSS_KEY_BYTES; hash it before use as a key
 *
 * X25519 (RFC 7748). Fails on public keys that would give an all-zero secret.
 */
gboolean
moss_suite_exchange (guint suite,
                     const guint8 *secret,
                     const guint8 *their_public,
                     guint8 *shared,
                     GError **error)
{
  const MossSuiteOps *ops = find (suite, error);

  if (ops == NULL)
    return FALSE;
  if (ops->exchange (secret, their_public, shared) &&
      !sodium_is_zero (shared, MOSS_KEY_BYTES))
    return TRUE;
  g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_BAD_KEY,
               "the other side's exchange key is not usable");
  return FALSE;
}

static guint8 *
in_domain (const char *domain, const guint8 *message, gsize length, gsize *joined_length)
{
  gsize head = strlen (domain) + 1;
  guint8 *joined = g_malloc (head + length);

  memcpy (joined, domain, head);
  if (length > 0)
    memcpy (joined + head, message, length);
  *joined_length = head + length;
  return joined;
}

/**
 * moss_sign_domain:
 *
 * Returns: (transfer full): a signature over @domain 0x00 @message
 */
GBytes *
moss_sign_domain (guint suite,
                  GBytes *secret,
                  const char *domain,
                  const guint8 *message,
                  gsize length,
                  GError **error)
{
  gsize joined_length;
  g_autofree guint8 *joined = in_domain (domain, message, length, &joined_length);

  return moss_suite_sign (suite, secret, joined, joined_length, error);
}

/**
 * moss_verify_domain:
 *
 * The inverse of moss_sign_domain(); errors as for moss_suite_verify().
 */
gboolean
moss_verify_domain (guint suite,
                    GBytes *public_key,
                    const char *domain,
                    const guint8 *message,
                    gsize length,
                    GBytes *signature,
                    GError **error)
{
  gsize joined_length;
  g_autofree guint8 *joined = in_domain (domain, message, length, &joined_length);

  return moss_suite_verify (suite, public_key, joined, joined_length, signature, error);
}
