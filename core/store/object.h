// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core/crypto/suite.h"

G_BEGIN_DECLS

#define MOSS_OBJECT_MAX_PLAIN (1024 * 1024)
#define MOSS_OBJECT_MAX_SEALED (MOSS_OBJECT_MAX_PLAIN + MOSS_OBJECT_MAX_PLAIN / 16)

typedef struct
{
  guint8 bytes[MOSS_HASH_BYTES];
} MossId;

typedef struct
{
  MossId id; /* hash of the ciphertext */
  guint8 key[MOSS_KEY_BYTES];
} MossRef;

#define MOSS_STORE_ERROR (moss_store_error_quark ())
typedef enum
{
  MOSS_STORE_ERROR_MISSING,  /* fetch it from elsewhere */
  MOSS_STORE_ERROR_CORRUPT,  /* fetch it again */
  MOSS_STORE_ERROR_NO_SPACE, /* make room */
  MOSS_STORE_ERROR_INVALID,  /* the caller asked for something impossible */
  MOSS_STORE_ERROR_BUSY,     /* another process has the store open */
  MOSS_STORE_ERROR_FAILED,
} MossStoreError;

GQuark moss_store_error_quark (void);

/* What is inside an object after decryption, before decompression. */
typedef struct
{
  guint8 *buffer; /* owned */
  const guint8 *payload;
  guint32 payload_length;
  guint32 plain_length;
  guint8 encoding;
} MossUnsealed;

void moss_object_key (guint suite,
                      const guint8 *dedup_key,
                      const guint8 *plain,
                      gsize length,
                      guint8 *key,
                      guint8 *dedup);
GBytes *moss_object_seal (guint suite,
                          const guint8 *key,
                          const guint8 *plain,
                          gsize length,
                          MossId *id,
                          GError **error);
gboolean moss_object_id (const guint8 *sealed, gsize length, MossId *id, GError **error);
gboolean moss_object_unseal (const guint8 *sealed,
                             gsize length,
                             const MossRef *ref,
                             MossUnsealed *unsealed,
                             GError **error);
gboolean moss_object_unpack (const MossUnsealed *unsealed,
                             const MossRef *ref,
                             guint8 *plain,
                             GError **error);
void moss_unsealed_clear (MossUnsealed *unsealed);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MossUnsealed, moss_unsealed_clear)

char *moss_id_to_string (const MossId *id);
guint moss_id_hash (gconstpointer id);
gboolean moss_id_equal (gconstpointer a, gconstpointer b);

G_END_DECLS
