// SPDX-License-Identifier: LGPL-2.1-or-later
/* One store object as bytes; docs/formats/store.md has the table.
 *
 * Policy: the key of an object is the keyed hash of its plaintext, so the same content has the
 * same key and id on devices that share the dedup key, and nobody without that key can test
 * whether somebody has some content. A key may meet two encodings of one plaintext (another
 * zstd, another level): the nonce is derived from the encoding, so that no nonce is used for
 * two different messages. Lengths are padded (Padmé), so that they tell little. Everything
 * that is read is checked by the cipher's tag before a length in it is believed. */
#define G_LOG_DOMAIN "moss-store"

#include "core/store/object.h"

#include <string.h>
#include <zstd.h>

enum
{
  ENCODING_RAW = 0,
  ENCODING_ZSTD = 1,
  INNER_HEAD = 9, /* u8 encoding, u32 plain length, u32 payload length */
  ZSTD_LEVEL = 1,
};

G_DEFINE_QUARK (moss-store-error-quark, moss_store_error)

/* A buffer and the zstd contexts of one thread: made once, for these cost more than a page. */
typedef struct
{
  ZSTD_CCtx *pack;
  ZSTD_DCtx *unpack;
  guint8 *inner;
} Scratch;

static void
free_scratch (gpointer data)
{
  Scratch *scratch = data;

  ZSTD_freeCCtx (scratch->pack);
  ZSTD_freeDCtx (scratch->unpack);
  g_free (scratch->inner);
  g_free (scratch);
}

static Scratch *
my_scratch (void)
{
  static GPrivate key = G_PRIVATE_INIT (free_scratch);
  Scratch *scratch = g_private_get (&key);

  if (scratch != NULL)
    return scratch;
  scratch = g_new0 (Scratch, 1);
  scratch->pack = ZSTD_createCCtx ();
  scratch->unpack = ZSTD_createDCtx ();
  scratch->inner = g_malloc (MOSS_OBJECT_MAX_SEALED);
  g_private_set (&key, scratch);
  return scratch;
}

/* Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication
 * with PURBs", PETS 2019): at most 12 % for small ones, 3 % at 1 MiB. */
static gsize
padded_length (gsize length)
{
  guint exponent, mantissa_bits, low_bits;
  gsize mask;

  if (length < 2)
    return length;
  exponent = g_bit_storage (length) - 1;
  mantissa_bits = g_bit_storage (exponent);
  low_bits = exponent > mantissa_bits ? exponent - mantissa_bits : 0;
  mask = ((gsize) 1 << low_bits) - 1;
  return (length + mask) & ~mask;
}

static void
put_u32 (guint8 *at, guint32 value)
{
  value = GUINT32_TO_LE (value);
  memcpy (at, &value, sizeof value);
}

static guint32
get_u32 (const guint8 *at)
{
  guint32 value;

  memcpy (&value, at, sizeof value);
  return GUINT32_FROM_LE (value);
}

/**
 * moss_object_key:
 * @suite: a known suite
 * @key: room for %MOSS_KEY_BYTES
 * @dedup: room for %MOSS_HASH_BYTES: names the plaintext in an index without giving its key
 */
void
moss_object_key (guint suite,
                 const guint8 *dedup_key,
                 const guint8 *plain,
                 gsize length,
                 guint8 *key,
                 guint8 *dedup)
{
  static const char label[] = "moss-dedup-1";

  moss_suite_keyed_hash (suite, dedup_key, plain, length, key, NULL);
  moss_suite_keyed_hash (suite, key, (const guint8 *) label, sizeof label, dedup, NULL);
}

static void
derive_nonce (guint suite, const guint8 *key, const guint8 *inner_head, guint8 *nonce)
{
  guint8 message[32] = "moss-object-1";
  guint8 hash[MOSS_HASH_BYTES];

  memcpy (message + 16, inner_head, INNER_HEAD);
  put_u32 (message + 26, inner_head[0] == ENCODING_ZSTD ? ZSTD_versionNumber () : 0);
  message[30] = ZSTD_LEVEL;
  moss_suite_keyed_hash (suite, key, message, sizeof message, hash, NULL);
  memcpy (nonce, hash, moss_suite_nonce_bytes (suite));
}

/* Returns the length of the inner bytes, padding included. */
static gsize
encode (Scratch *scratch, const guint8 *plain, gsize length)
{
  guint8 *inner = scratch->inner;
  gsize room = length - length / 16; /* less than that isn't worth the time to unpack */
  gsize packed = ZSTD_compressCCtx (scratch->pack, inner + INNER_HEAD, room, plain, length,
                                    ZSTD_LEVEL);
  gsize padded;

  inner[0] = ENCODING_ZSTD;
  if (length < 64 || ZSTD_isError (packed))
    {
      inner[0] = ENCODING_RAW;
      packed = length;
      memcpy (inner + INNER_HEAD, plain, length);
    }
  put_u32 (inner + 1, length);
  put_u32 (inner + 5, packed);
  padded = padded_length (INNER_HEAD + packed);
  memset (inner + INNER_HEAD + packed, 0, padded - INNER_HEAD - packed);
  return padded;
}

/**
 * moss_object_seal:
 * @key: from moss_object_key() over the same bytes
 * @length: 1 to %MOSS_OBJECT_MAX_PLAIN
 * @id: (out):
 *
 * Returns: (transfer full): the object as it lies in a store and goes over a wire
 */
GBytes *
moss_object_seal (guint suite,
                  const guint8 *key,
                  const guint8 *plain,
                  gsize length,
                  MossId *id,
                  GError **error)
{
  Scratch *scratch = my_scratch ();
  gsize nonce_bytes = moss_suite_nonce_bytes (suite);
  gsize inner_length, total;
  g_autofree guint8 *object = NULL;

  if (length == 0 || length > MOSS_OBJECT_MAX_PLAIN)
    {
      g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_INVALID,
                   "an object holds 1 to %d bytes, not %" G_GSIZE_FORMAT,
                   MOSS_OBJECT_MAX_PLAIN, length);
      return NULL;
    }
  if (!moss_suite_known (suite, error))
    return NULL;
  inner_length = encode (scratch, plain, length);
  total = 1 + nonce_bytes + inner_length + MOSS_TAG_BYTES;
  object = g_malloc (total);
  object[0] = suite;
  derive_nonce (suite, key, scratch->inner, object + 1);
  if (!moss_suite_seal (suite, key, object + 1, object, 1, scratch->inner, inner_length,
                        object + 1 + nonce_bytes, error) ||
      !moss_object_id (object, total, id, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&object), total);
}

/**
 * moss_object_id:
 * @id: (out): hash of the ciphertext, by the suite that the object names
 *
 * Fails if this can't be an object: too long, too short, of an unknown suite.
 */
gboolean
moss_object_id (const guint8 *sealed, gsize length, MossId *id, GError **error)
{
  if (length < 1 || length > MOSS_OBJECT_MAX_SEALED ||
      length < 1 + moss_suite_nonce_bytes (sealed[0]) + INNER_HEAD + MOSS_TAG_BYTES)
    {
      g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT,
                   "%" G_GSIZE_FORMAT " bytes are not an object", length);
      return FALSE;
    }
  return moss_suite_hash (sealed[0], sealed, length, id->bytes, error);
}

static gboolean
corrupt (const MossRef *ref, const char *reason, GError **error)
{
  g_autofree char *name = moss_id_to_string (&ref->id);

  g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT, "object %s is damaged: %s",
               name, reason);
  return FALSE;
}

/**
 * moss_object_unseal:
 * @unsealed: (out): clear with moss_unsealed_clear()
 *
 * Decrypts and checks; every byte that comes out is the one that was sealed.
 * Fails with %MOSS_STORE_ERROR_CORRUPT, naming the object.
 */
gboolean
moss_object_unseal (const guint8 *sealed,
                    gsize length,
                    const MossRef *ref,
                    MossUnsealed *unsealed,
                    GError **error)
{
  guint suite = length > 0 ? sealed[0] : 0;
  gsize head = 1 + moss_suite_nonce_bytes (suite);
  g_autofree guint8 *inner = NULL;
  gsize inner_length;

  memset (unsealed, 0, sizeof *unsealed);
  if (!moss_suite_known (suite, NULL))
    return corrupt (ref, "it names an unknown suite", error);
  if (length < head + INNER_HEAD + MOSS_TAG_BYTES || length > MOSS_OBJECT_MAX_SEALED)
    return corrupt (ref, "it has an impossible length", error);
  inner_length = length - head - MOSS_TAG_BYTES;
  inner = g_malloc (inner_length);
  if (!moss_suite_open (suite, ref->key, sealed + 1, sealed, 1, sealed + head, length - head,
                        inner, NULL))
    return corrupt (ref, "its seal is broken or the key is another's", error);
  unsealed->encoding = inner[0];
  unsealed->plain_length = get_u32 (inner + 1);
  unsealed->payload_length = get_u32 (inner + 5);
  if (unsealed->payload_length > inner_length - INNER_HEAD ||
      unsealed->plain_length == 0 || unsealed->plain_length > MOSS_OBJECT_MAX_PLAIN ||
      unsealed->encoding > ENCODING_ZSTD ||
      (unsealed->encoding == ENCODING_RAW &&
       unsealed->payload_length != unsealed->plain_length))
    return corrupt (ref, "what is sealed in it makes no sense", error);
  unsealed->buffer = g_steal_pointer (&inner);
  unsealed->payload = unsealed->buffer + INNER_HEAD;
  return TRUE;
}

/**
 * moss_object_unpack:
 * @plain: room for @unsealed->plain_length bytes
 */
gboolean
moss_object_unpack (const MossUnsealed *unsealed,
                    const MossRef *ref,
                    guint8 *plain,
                    GError **error)
{
  gsize length;

  if (unsealed->encoding == ENCODING_RAW)
    {
      memcpy (plain, unsealed->payload, unsealed->plain_length);
      return TRUE;
    }
  length = ZSTD_decompressDCtx (my_scratch ()->unpack, plain, unsealed->plain_length,
                                unsealed->payload, unsealed->payload_length);
  if (ZSTD_isError (length) || length != unsealed->plain_length)
    return corrupt (ref, "it can't be unpacked", error);
  return TRUE;
}

void
moss_unsealed_clear (MossUnsealed *unsealed)
{
  g_clear_pointer (&unsealed->buffer, g_free);
}

char *
moss_id_to_string (const MossId *id)
{
  GString *text = g_string_sized_new (2 * MOSS_HASH_BYTES);

  for (guint i = 0; i < MOSS_HASH_BYTES; i++)
    g_string_append_printf (text, "%02x", id->bytes[i]);
  return g_string_free (text, FALSE);
}

/* An id is a hash already. */
guint
moss_id_hash (gconstpointer id)
{
  guint value;

  memcpy (&value, id, sizeof value);
  return value;
}

gboolean
moss_id_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (MossId)) == 0;
}
