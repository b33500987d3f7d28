// SPDX-License-Identifier: LGPL-2.1-or-later
/* Suite 2: Ed448 (RFC 8032), AES-256-GCM (SP 800-38D), SHA-256 and HMAC-SHA-256 from GnuTLS;
 * X25519 (RFC 7748) from nettle, because GnuTLS offers no key exchange of its own before 3.8.2. */
#include "core/crypto/suite-private.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <nettle/curve25519.h>
#include <nettle/eddsa.h>
#include <string.h>

enum
{
  ED448_KEY_BYTES = 57,
  ED448_SIGNATURE_BYTES = 114,
  GCM_NONCE_BYTES = 12,
};

static gnutls_datum_t
datum (const guint8 *data, gsize length)
{
  return (gnutls_datum_t){ .data = (unsigned char *) data, .size = length };
}

static gboolean
seal (const guint8 *key, const guint8 *nonce, const guint8 *ad, gsize ad_length,
      const guint8 *plain, gsize length, guint8 *sealed)
{
  gnutls_datum_t key_datum = datum (key, MOSS_KEY_BYTES);
  gnutls_aead_cipher_hd_t cipher;
  gsize sealed_length = length + MOSS_TAG_BYTES;
  int result;

  if (gnutls_aead_cipher_init (&cipher, GNUTLS_CIPHER_AES_256_GCM, &key_datum) < 0)
    return FALSE;
  result = gnutls_aead_cipher_encrypt (cipher, nonce, GCM_NONCE_BYTES, ad, ad_length,
                                       MOSS_TAG_BYTES, plain, length, sealed, &sealed_length);
  gnutls_aead_cipher_deinit (cipher);
  return result == 0 && sealed_length == length + MOSS_TAG_BYTES;
}

static gboolean
open_sealed (const guint8 *key, const guint8 *nonce, const guint8 *ad, gsize ad_length,
             const guint8 *sealed, gsize sealed_length, guint8 *plain)
{
  gnutls_datum_t key_datum = datum (key, MOSS_KEY_BYTES);
  gnutls_aead_cipher_hd_t cipher;
  gsize length = sealed_length - MOSS_TAG_BYTES;
  int result;

  if (gnutls_aead_cipher_init (&cipher, GNUTLS_CIPHER_AES_256_GCM, &key_datum) < 0)
    return FALSE;
  result = gnutls_aead_cipher_decrypt (cipher, nonce, GCM_NONCE_BYTES, ad, ad_length,
                                       MOSS_TAG_BYTES, sealed, sealed_length, plain, &length);
  gnutls_aead_cipher_deinit (cipher);
  return result == 0;
}

static gboolean
hash_bytes (const guint8 *data, gsize length, guint8 *hash)
{
  return gnutls_hash_fast (GNUTLS_DIG_SHA256, data, length, hash) == 0;
}

static gboolean
keyed_hash (const guint8 *key, const guint8 *data, gsize length, guint8 *hash)
{
  return gnutls_hmac_fast (GNUTLS_MAC_SHA256, key, MOSS_KEY_BYTES, data, length, hash) == 0;
}

static gboolean
signing_keygen (guint8 *secret)
{
  return gnutls_rnd (GNUTLS_RND_KEY, secret, ED448_KEY_BYTES) == 0;
}

/* Any 57 bytes are an Ed448 secret; GnuTLS wants the public half with it. */
static gboolean
signing_public (const guint8 *secret, guint8 *public_key)
{
  ed448_shake256_public_key (public_key, secret);
  return TRUE;
}

static gboolean
sign (const guint8 *secret, const guint8 *data, gsize length, guint8 *signature)
{
  guint8 public_key[ED448_KEY_BYTES];
  gnutls_datum_t k = datum (secret, ED448_KEY_BYTES);
  gnutls_datum_t x = datum (public_key, ED448_KEY_BYTES);
  gnutls_datum_t message = datum (data, length);
  gnutls_datum_t made = { 0 };
  gnutls_privkey_t key;
  gboolean ok;

  signing_public (secret, public_key);
  if (gnutls_privkey_init (&key) < 0)
    return FALSE;
  ok = gnutls_privkey_import_ecc_raw (key, GNUTLS_ECC_CURVE_ED448, &x, NULL, &k) == 0 &&
       gnutls_privkey_sign_data2 (key, GNUTLS_SIGN_EDDSA_ED448, 0, &message, &made) == 0 &&
       made.size == ED448_SIGNATURE_BYTES;
  if (ok)
    memcpy (signature, made.data, ED448_SIGNATURE_BYTES);
  gnutls_free (made.data);
  gnutls_privkey_deinit (key);
  return ok;
}

static gboolean
verify (const guint8 *public_key, const guint8 *data, gsize length, const guint8 *signature)
{
  gnutls_datum_t x = datum (public_key, ED448_KEY_BYTES);
  gnutls_datum_t message = datum (data, length);
  gnutls_datum_t given = datum (signature, ED448_SIGNATURE_BYTES);
  gnutls_pubkey_t key;
  gboolean ok;

  /* The last byte of S is always zero (RFC 8032, 5.2.7: S is below the order), and nettle
   * doesn't look at it: anybody could make a second signature of one that holds. */
  if (signature[ED448_SIGNATURE_BYTES - 1] != 0 || gnutls_pubkey_init (&key) < 0)
    return FALSE;
  ok = gnutls_pubkey_import_ecc_raw (key, GNUTLS_ECC_CURVE_ED448, &x, NULL) == 0 &&
       gnutls_pubkey_verify_data2 (key, GNUTLS_SIGN_EDDSA_ED448, 0, &message, &given) >= 0;
  gnutls_pubkey_deinit (key);
  return ok;
}

static gboolean
exchange_public (const guint8 *secret, guint8 *public_key)
{
  curve25519_mul_g (public_key, secret);
  return TRUE;
}

static gboolean
exchange (const guint8 *secret, const guint8 *theirs, guint8 *shared)
{
  curve25519_mul (shared, secret, theirs);
  return TRUE;
}

const MossSuiteOps moss_suite_gnutls = {
  .name = "GnuTLS",
  .nonce_bytes = GCM_NONCE_BYTES,
  .secret_bytes = ED448_KEY_BYTES,
  .public_bytes = ED448_KEY_BYTES,
  .signature_bytes = ED448_SIGNATURE_BYTES,
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
