// SPDX-License-Identifier: GPL-3.0-or-later
/* Little-endian numbers in byte strings. A reader that has run over its end gives zeros and says
 * so once at the end, so that a decoder checks once and never reads outside. */
#pragma once

#include <glib.h>
#include <string.h>

typedef struct
{
  const guint8 *at;
  const guint8 *end;
  gboolean bad;
} MossReader;

static inline MossReader
moss_reader (const guint8 *bytes, gsize length)
{
  return (MossReader){ bytes, bytes + length, FALSE };
}

/* NULL and bad when there are fewer. */
static inline const guint8 *
moss_read_bytes (MossReader *reader, gsize length)
{
  const guint8 *at = reader->at;

  if (reader->bad || (gsize) (reader->end - at) < length)
    {
      reader->bad = TRUE;
      return NULL;
    }
  reader->at += length;
  return at;
}

static inline void
moss_read_into (MossReader *reader, gpointer to, gsize length)
{
  const guint8 *from = moss_read_bytes (reader, length);

  if (from != NULL)
    memcpy (to, from, length);
  else
    memset (to, 0, length);
}

static inline guint64
moss_read_number (MossReader *reader, guint bytes)
{
  const guint8 *from = moss_read_bytes (reader, bytes);
  guint64 value = 0;

  for (guint i = 0; from != NULL && i < bytes; i++)
    value |= (guint64) from[i] << (8 * i);
  return value;
}

static inline gboolean
moss_read_end (MossReader *reader)
{
  return !reader->bad && reader->at == reader->end;
}

static inline void
moss_put_bytes (GByteArray *to, gconstpointer bytes, gsize length)
{
  g_byte_array_append (to, bytes, length);
}

static inline void
moss_put_number (GByteArray *to, guint64 value, guint bytes)
{
  guint8 some[8];

  for (guint i = 0; i < bytes; i++)
    some[i] = value >> (8 * i);
  g_byte_array_append (to, some, bytes);
}

/* Big-endian, so that byte strings sort as the numbers do. */
static inline void
moss_store_be64 (guint8 *to, guint64 value)
{
  value = GUINT64_TO_BE (value);
  memcpy (to, &value, 8);
}

static inline guint64
moss_load_be64 (const guint8 *from)
{
  guint64 value;

  memcpy (&value, from, 8);
  return GUINT64_FROM_BE (value);
}
