// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define MOSS_KEY_BYTES 32
#define MOSS_HASH_BYTES 32
#define MOSS_TAG_BYTES 16
#define MOSS_NONCE_MAX 24

/* Numbers are on disks and wires: never reuse one. */
typedef enum
{
  MOSS_SUITE_SODIUM = 1, /* Ed25519, X25519, XChaCha20-Poly1305, BLAKE2b-256 */
  MOSS_SUITE_GNUTLS = 2, /* Ed448, X25519, AES-256-GCM, SHA-256 */
} MossSuite;

#define MOSS_CRYPTO_ERROR (moss_crypto_error_quark ())
typedef enum
{
  MOSS_CRYPTO_ERROR_UNKNOWN_SUITE, /* made by a newer version: refuse it */
  MOSS_CRYPTO_ERROR_BAD_KEY,
  MOSS_CRYPTO_ERROR_FORGED, /* tag or signature doesn't fit the bytes */
  MOSS_CRYPTO_ERROR_FAILED,
} MossCryptoError;

GQuark moss_crypto_error_quark (void);

gboolean moss_crypto_init (GError **error);
void moss_crypto_random (guint8 *out, gsize length);
gboolean moss_crypto_equal (const guint8 *a, const guint8 *b, gsize length);
void moss_crypto_wipe (gpointer data, gsize length);

GBytes *moss_secret_new (gsize length, guint8 **data);

gboolean moss_suite_known (guint suite, GError **error);
gsize moss_suite_nonce_bytes (guint suite);
gsize moss_suite_public_bytes (guint suite);
gsize moss_suite_signature_bytes (guint suite);

gboolean moss_suite_seal (guint suite,
                          const guint8 *key,
                          const guint8 *nonce,
                          const guint8 *associated,
                          gsize associated_length,
                          const guint8 *plain,
                          gsize length,
                          guint8 *sealed,
                          GError **error);
gboolean moss_suite_open (guint suite,
                          const guint8 *key,
                          const guint8 *nonce,
                          const guint8 *associated,
                          gsize associated_length,
                          const guint8 *sealed,
                          gsize sealed_length,
                          guint8 *plain,
                          GError **error);

gboolean moss_suite_hash (guint suite,
                          const guint8 *data,
                          gsize length,
                          guint8 *hash,
                          GError **error);
gboolean moss_suite_keyed_hash (guint suite,
                                const guint8 *key,
                                const guint8 *data,
                                gsize length,
                                guint8 *hash,
                                GError **error);

gboolean moss_suite_signing_keygen (guint suite,
                                    GBytes **secret,
                                    GBytes **public_key,
                                    GError **error);
GBytes *moss_suite_signing_public (guint suite, GBytes *secret, GError **error);
GBytes *moss_suite_sign (guint suite,
                         GBytes *secret,
                         const guint8 *data,
                         gsize length,
                         GError **error);
gboolean moss_suite_verify (guint suite,
                            GBytes *public_key,
                            const guint8 *data,
                            gsize length,
                            GBytes *signature,
                            GError **error);

gboolean moss_suite_exchange_keygen (guint suite,
                                     guint8 *secret,
                                     guint8 *public_key,
                                     GError **error);
gboolean moss_suite_exchange (guint suite,
                              const guint8 *secret,
                              const guint8 *their_public,
                              guint8 *shared,
                              GError **error);

/* Signatures are over domain 0x00 message, so that one made for one purpose fits no other. */
GBytes *moss_sign_domain (guint suite,
                          GBytes *secret,
                          const char *domain,
                          const guint8 *message,
                          gsize length,
                          GError **error);
gboolean moss_verify_domain (guint suite,
                             GBytes *public_key,
                             const char *domain,
                             const guint8 *message,
                             gsize length,
                             GBytes *signature,
                             GError **error);

G_END_DECLS
