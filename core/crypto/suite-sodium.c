// SPDX-License-Identifier: LGPL-2.1-or-later
/* Suite 1: Ed25519 (RFC 8032), X25519 (RFC 7748), XChaCha20-Poly1305
 * (draft-irtf-cfrg-xchacha), BLAKE2b with 32 bytes (RFC 7693), all from libsodium.
 * A signing secret is the 32-byte seed. */
#include "core/crypto/suite-private.h"

#include <sodium.h>

static gboolean
seal (const guint8 *key, const guint8 *nonce, const guint8 *ad, gsize ad_length,
      const guint8 *plain, gsize length, guint8 *sealed)
{
  return crypto_aead_xchacha20poly1305_ietf_encrypt (sealed, NULL, plain, length, ad,
                                                     ad_length, NULL, nonce, key) == 0;
}

static gboolean
open_sealed (const guint8 *key, const guint8 *nonce, const guint8 *ad, gsize ad_length,
             const guint8 *sealed, gsize sealed_length, guint8 *plain)
{
  return crypto_aead_xchacha20poly1305_ietf_decrypt (plain, NULL, NULL, sealed,
                                                     sealed_length, ad, ad_length, nonce,
                                                     key) == 0;
}

static gboolean
hash_bytes (const guint8 *data, gsize length, guint8 *hash)
{
  return crypto_generichash (hash, MOSS_HASH_BYTES, data, length, NULL, 0) == 0;
}

static gboolean
keyed_hash (const guint8 *key, const guint8 *data, gsize length, guint8 *hash)
{
  return crypto_generichash (hash, MOSS_HASH_BYTES, data, length, key, MOSS_KEY_BYTES) == 0;
}

static gboolean
signing_keygen (guint8 *secret)
{
  randombytes_buf (secret, crypto_sign_SEEDBYTES);
  return TRUE;
}

static gboolean
signing_public (const guint8 *secret, guint8 *public_key)
{
  guint8 expanded[crypto_sign_SECRETKEYBYTES];
  int result = crypto_sign_seed_keypair (public_key, expanded, secret);

  sodium_memzero (expanded, sizeof expanded);
  return result == 0;
}

static gboolean
sign (const guint8 *secret, const guint8 *data, gsize length, guint8 *signature)
{
  guint8 public_key[crypto_sign_PUBLICKEYBYTES];
  guint8 expanded[crypto_sign_SECRETKEYBYTES];
  int result;

  crypto_sign_seed_keypair (public_key, expanded, secret);
  result = crypto_sign_detached (signature, NULL, data, length, expanded);
  sodium_memzero (expanded, sizeof expanded);
  return result == 0;
}

static gboolean
verify (const guint8 *public_key, const guint8 *data, gsize length, const guint8 *signature)
{
  return crypto_sign_verify_detached (signature, data, length, public_key) == 0;
}

static gboolean
exchange_public (const guint8 *secret, guint8 *public_key)
{
  return crypto_scalarmult_base (public_key, secret) == 0;
}

static gboolean
exchange (const guint8 *secret, const guint8 *theirs, guint8 *shared)
{
  return crypto_scalarmult (shared, secret, theirs) == 0;
}

const MossSuiteOps moss_suite_sodium = {
  .name = "libsodium",
  .nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
  .secret_bytes = crypto_sign_SEEDBYTES,
  .public_bytes = crypto_sign_PUBLICKEYBYTES,
  .signature_bytes = crypto_sign_BYTES,
  .seal = seal,
  .open = open_sealed,
  .hash = hash_bytes,
  .keyed_hash = keyed_hash,
  .signing_keygen = signing_keygen,
  .signing_public = signing_public,
  .sign = sign,
  .verify = verify,
  .exchange_public = exchange_public,
  .exchange = exchange,
};
