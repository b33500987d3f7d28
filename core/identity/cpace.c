// SPDX-License-Identifier: LGPL-2.1-or-later
/* The names of the draft: PRS is the code, CI the channel, ADa and ADb what is said about the
 * two sides, ISK the key that comes out. */
#define G_LOG_DOMAIN "moss-pairing"

#include "core/identity/cpace.h"

#include <sodium.h>
#include <string.h>

static const char dsi[] = "CPaceRistretto255";
static const char dsi_isk[] = "CPaceRistretto255_ISK";

enum
{
  HASH_BLOCK_BYTES = 128, /* of SHA-512 */
};

/* prepend_len (): the length as LEB128, then the bytes. Returns how many were added. */
static gsize
put (GByteArray *out, gconstpointer data, gsize length)
{
  gsize before = out->len;
  gsize left = length;

  do
    {
      guint8 byte = (left & 0x7f) | (left > 0x7f ? 0x80 : 0);

      g_byte_array_append (out, &byte, 1);
      left >>= 7;
    }
  while (left > 0);
  g_byte_array_append (out, data, length);
  return out->len - before;
}

static void
put_bytes (GByteArray *out, GBytes *bytes)
{
  gsize length;
  gconstpointer data = g_bytes_get_data (bytes, &length);

  put (out, data, length);
}

static void
wipe (GByteArray *bytes)
{
  sodium_memzero (bytes->data, bytes->len);
  g_byte_array_unref (bytes);
}

/**
 * moss_cpace_generator:
 * @generator: room for %MOSS_CPACE_POINT_BYTES
 *
 * calculate_generator () of the draft, sections 8.1 and 8.3.
 */
void
moss_cpace_generator (GBytes *code, GBytes *channel, GBytes *sid, guint8 *generator)
{
  static const guint8 zeros[HASH_BLOCK_BYTES];
  GByteArray *text = g_byte_array_sized_new (512);
  guint8 hash[crypto_hash_sha512_BYTES];
  gsize filled;

  filled = put (text, dsi, strlen (dsi));
  filled += put (text, g_bytes_get_data (code, NULL), g_bytes_get_size (code));
  put (text, zeros, filled + 1 < HASH_BLOCK_BYTES ? HASH_BLOCK_BYTES - filled - 1 : 0);
  put_bytes (text, channel);
  put_bytes (text, sid);
  crypto_hash_sha512 (hash, text->data, text->len);
  crypto_core_ristretto255_from_hash (generator, hash);
  sodium_memzero (hash, sizeof hash);
  wipe (text);
}

/* @share: room for %MOSS_CPACE_POINT_BYTES: what the other side gets */
gboolean
moss_cpace_share (const guint8 *generator, const guint8 *scalar, guint8 *share)
{
  return crypto_scalarmult_ristretto255 (share, scalar, generator) == 0;
}

/**
 * moss_cpace_start:
 * @scalar: room for %MOSS_CPACE_SCALAR_BYTES: secret, to be wiped
 * @share: room for %MOSS_CPACE_POINT_BYTES
 */
void
moss_cpace_start (GBytes *code,
                  GBytes *channel,
                  GBytes *sid,
                  guint8 *scalar,
                  guint8 *share)
{
  guint8 generator[MOSS_CPACE_POINT_BYTES];

  moss_cpace_generator (code, channel, sid, generator);
  do
    crypto_core_ristretto255_scalar_random (scalar);
  while (!moss_cpace_share (generator, scalar, share));
  sodium_memzero (generator, sizeof generator);
}

/**
 * moss_cpace_point:
 * @point: room for %MOSS_CPACE_POINT_BYTES: K of the draft
 *
 * Returns: %FALSE if @their_share is no point or gives the neutral one: end the conversation
 */
gboolean
moss_cpace_point (const guint8 *scalar, const guint8 *their_share, guint8 *point)
{
  return crypto_scalarmult_ristretto255 (point, scalar, their_share) == 0 &&
         !sodium_is_zero (point, MOSS_CPACE_POINT_BYTES);
}

/**
 * moss_cpace_isk:
 * @isk: room for %MOSS_CPACE_ISK_BYTES
 *
 * A is who began.
 */
void
moss_cpace_isk (const guint8 *point,
                GBytes *sid,
                const guint8 *share_a,
                GBytes *about_a,
                const guint8 *share_b,
                GBytes *about_b,
                guint8 *isk)
{
  GByteArray *text = g_byte_array_sized_new (512);

  put (text, dsi_isk, strlen (dsi_isk));
  put_bytes (text, sid);
  put (text, point, MOSS_CPACE_POINT_BYTES);
  put (text, share_a, MOSS_CPACE_POINT_BYTES);
  put_bytes (text, about_a);
  put (text, share_b, MOSS_CPACE_POINT_BYTES);
  put_bytes (text, about_b);
  crypto_hash_sha512 (isk, text->data, text->len);
  wipe (text);
}
