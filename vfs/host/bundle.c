// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/bundle.h"

#include "vfs/host/token.h"

#include <string.h>

static gboolean
invalid (const char *reason, GError **error)
{
  g_set_error (error, MOSS_HOST_ERROR, MOSS_HOST_ERROR_INVALID, "the body is refused: %s",
               reason);
  return FALSE;
}

/**
 * moss_bundle_add:
 * @length: 0: an object that was asked for and isn't here
 */
void
moss_bundle_add (GByteArray *bundle, const guint8 *object, gsize length)
{
  guint32 head = GUINT32_TO_LE ((guint32) length);

  g_byte_array_append (bundle, (const guint8 *) &head, sizeof head);
  if (length > 0)
    g_byte_array_append (bundle, object, length);
}

/**
 * moss_bundle_next:
 * @at: 0 at first; where the next one is
 * @object: (out) (nullable): %NULL with %TRUE at the end; empty: not here
 */
gboolean
moss_bundle_next (GBytes *bundle, gsize *at, GBytes **object, GError **error)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (bundle, &size);
  guint32 length;

  *object = NULL;
  if (*at == size)
    return TRUE;
  if (size - *at < sizeof length)
    return invalid ("it ends within a length", error);
  memcpy (&length, bytes + *at, sizeof length);
  length = GUINT32_FROM_LE (length);
  if (length > MOSS_OBJECT_MAX_SEALED || length > size - *at - sizeof length)
    return invalid ("an object in it is longer than it may be", error);
  *object = g_bytes_new_from_bytes (bundle, *at + sizeof length, length);
  *at += sizeof length + length;
  return TRUE;
}

/**
 * moss_bundle_check:
 * @count: (out): objects in it
 *
 * Looks through all of it before anything of it is used.
 */
gboolean
moss_bundle_check (GBytes *bundle, guint *count, GError **error)
{
  gsize at = 0;

  for (*count = 0;; (*count)++)
    {
      g_autoptr (GBytes) object = NULL;

      if (!moss_bundle_next (bundle, &at, &object, error))
        return FALSE;
      if (object == NULL)
        return TRUE;
      if (*count >= MOSS_BUNDLE_MAX_IDS)
        return invalid ("there are too many objects in it", error);
    }
}

/**
 * moss_id_list_parse:
 *
 * Returns: (transfer full): an array of #MossId
 */
GArray *
moss_id_list_parse (GBytes *body, GError **error)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (body, &size);
  GArray *ids;

  if (size % sizeof (MossId) != 0 || size / sizeof (MossId) > MOSS_BUNDLE_MAX_IDS)
    {
      invalid ("it is not a list of at most 16384 ids", error);
      return NULL;
    }
  ids = g_array_new (FALSE, FALSE, sizeof (MossId));
  if (size > 0)
    g_array_append_vals (ids, bytes, size / sizeof (MossId));
  return ids;
}

GBytes *
moss_id_list_new (const MossId *ids, gsize count)
{
  return g_bytes_new (ids, count * sizeof (MossId));
}

/* Lower-case hex of the right length and nothing else: it becomes part of a path. */
gboolean
moss_id_from_string (const char *text, MossId *id)
{
  for (guint i = 0; i < 2 * MOSS_HASH_BYTES; i++)
    {
      int digit = g_ascii_xdigit_value (text[i]);

      if (digit < 0 || g_ascii_isupper (text[i]))
        return FALSE;
      id->bytes[i / 2] = i % 2 == 0 ? digit << 4 : id->bytes[i / 2] | digit;
    }
  return text[2 * MOSS_HASH_BYTES] == '\0';
}
