// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/lease-record.h"

#include "vfs/tree/bytes.h"

#include <gio/gio.h>

#define MAGIC "MLS1"
#define ITEM_BYTES 9
#define SIGNATURE_MAX 256

GByteArray *
lease_set_write (const LeaseSet *set)
{
  GByteArray *out = g_byte_array_new ();

  moss_put_bytes (out, MAGIC, 4);
  moss_put_bytes (out, set->tree, MOSS_HASH_BYTES);
  moss_put_bytes (out, set->device, MOSS_HASH_BYTES);
  moss_put_number (out, set->sequence, 8);
  moss_put_number (out, set->end_us, 8);
  moss_put_number (out, set->life_s, 4);
  moss_put_number (out, set->items->len, 4);
  for (guint i = 0; i < set->items->len; i++)
    {
      const LeaseItem *item = &g_array_index (set->items, LeaseItem, i);

      moss_put_number (out, item->ino, 8);
      moss_put_number (out, item->mode, 1);
    }
  return out;
}

GBytes *
lease_set_seal (GByteArray *message, guint suite, GBytes *signature)
{
  gsize length;
  gconstpointer bytes = g_bytes_get_data (signature, &length);
  GByteArray *out = g_byte_array_sized_new (message->len + 4 + length);

  moss_put_bytes (out, message->data, message->len);
  moss_put_number (out, suite, 2);
  moss_put_number (out, length, 2);
  moss_put_bytes (out, bytes, length);
  return g_byte_array_free_to_bytes (out);
}

/* Ascending, so that there is one form of each set. */
static gboolean
read_items (MossReader *reader, guint count, GArray *items)
{
  guint64 before = 0;

  if (count > LEASE_ITEMS_MAX || (gsize) (reader->end - reader->at) / ITEM_BYTES < count)
    return FALSE;
  for (guint i = 0; i < count; i++)
    {
      LeaseItem item = { 0 };

      item.ino = moss_read_number (reader, 8);
      item.mode = moss_read_number (reader, 1);
      if (item.ino <= before || item.mode < 1 || item.mode > 2)
        return FALSE;
      before = item.ino;
      g_array_append_val (items, item);
    }
  return TRUE;
}

static gboolean
read_all (MossReader *reader, LeaseSet *set)
{
  const guint8 *begin = reader->at, *magic = moss_read_bytes (reader, 4), *signature;
  guint length;

  if (magic == NULL || memcmp (magic, MAGIC, 4) != 0)
    return FALSE;
  moss_read_into (reader, set->tree, MOSS_HASH_BYTES);
  moss_read_into (reader, set->device, MOSS_HASH_BYTES);
  set->sequence = moss_read_number (reader, 8);
  set->end_us = moss_read_number (reader, 8);
  set->life_s = moss_read_number (reader, 4);
  if (set->life_s > LEASE_LIFE_MAX_S
      || !read_items (reader, moss_read_number (reader, 4), set->items))
    return FALSE;
  set->signed_length = reader->at - begin;
  set->suite = moss_read_number (reader, 2);
  length = moss_read_number (reader, 2);
  signature = length <= SIGNATURE_MAX ? moss_read_bytes (reader, length) : NULL;
  if (signature == NULL || !moss_read_end (reader))
    return FALSE;
  set->signature = g_bytes_new (signature, length);
  return TRUE;
}

LeaseSet *
lease_set_read (GBytes *record, GError **error)
{
  g_autoptr (LeaseSet) set = g_new0 (LeaseSet, 1);
  gsize length;
  const guint8 *bytes = g_bytes_get_data (record, &length);
  MossReader reader = moss_reader (bytes, length);

  set->items = g_array_new (FALSE, FALSE, sizeof (LeaseItem));
  if (length <= LEASE_RECORD_MAX && read_all (&reader, set))
    return g_steal_pointer (&set);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
               "what a device says of its leases can't be read");
  return NULL;
}

void
lease_set_free (LeaseSet *set)
{
  g_array_unref (set->items);
  g_clear_pointer (&set->signature, g_bytes_unref);
  g_free (set);
}

guint
lease_set_mode (const LeaseSet *set, guint64 ino)
{
  for (guint i = 0; i < set->items->len; i++)
    if (g_array_index (set->items, LeaseItem, i).ino == ino)
      return g_array_index (set->items, LeaseItem, i).mode;
  return 0;
}
