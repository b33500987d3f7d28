// SPDX-License-Identifier: GPL-3.0-or-later
/* One block of the table: docs/formats/tree.md has the bytes.
 *
 * Policy: a block comes from a host or a peer. Its object id was verified, so it is what some
 * device of the identity wrote, but that device may have been a thief's. Everything is checked
 * here: lengths, order of the keys, the level. A reader goes down exactly one level a step, so
 * nothing it meets can lead it in a circle.
 *
 * Where a block ends is decided by its last item alone (a hash of it falls below a bound that
 * grows with the item's length), never by how the table came about: equal content gives equal
 * blocks, so two devices that merge the same things get the same table, and comparing two
 * tables skips what they share. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/node.h"

#include "vfs/tree/bytes.h"

#include <sodium.h>

enum
{
  HEAD = 4 + 1 + 3 + MOSS_TREE_ID_BYTES,
  TARGET_BYTES = 6144, /* what a block holds on average */
};

static const char magic[4] = { 'M', 'T', 'N', '1' };

/* Byte strings in order; a prefix comes first. */
int
moss_key_compare (const guint8 *a, gsize a_length, const guint8 *b, gsize b_length)
{
  int order = memcmp (a, b, MIN (a_length, b_length));

  if (order != 0)
    return order;
  return a_length < b_length ? -1 : a_length > b_length;
}

static gboolean
corrupt (const char *reason, GError **error)
{
  g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
               "a block of the tree is not one: %s", reason);
  return FALSE;
}

static gboolean
parse_items (MossNode *node, MossReader *reader, GError **error)
{
  g_autoptr (GArray) items = g_array_new (FALSE, FALSE, sizeof (MossItem));
  MossItem last = { 0 };

  while (reader->at < reader->end)
    {
      MossItem item;

      item.key_length = moss_read_number (reader, 2);
      item.value_length = moss_read_number (reader, 2);
      item.key = moss_read_bytes (reader, item.key_length);
      item.value = moss_read_bytes (reader, item.value_length);
      if (reader->bad)
        return corrupt ("an item is cut off", error);
      if (item.key_length < MOSS_NODE_KEY_MIN || item.key_length > MOSS_NODE_KEY_MAX ||
          item.value_length > MOSS_NODE_VALUE_MAX ||
          (node->level > 0 && item.value_length != sizeof (MossRef)))
        return corrupt ("an item has an impossible length", error);
      if (last.key != NULL &&
          moss_key_compare (last.key, last.key_length, item.key, item.key_length) >= 0)
        return corrupt ("its items are out of order", error);
      last = item;
      g_array_append_val (items, item);
    }
  if (items->len == 0)
    return corrupt ("it is empty", error);
  node->count = items->len;
  node->items = (MossItem *) g_array_free (g_steal_pointer (&items), FALSE);
  return TRUE;
}

/**
 * moss_node_parse:
 *
 * Returns: (transfer full): the block, fully checked; %MOSS_TREE_ERROR_CORRUPT
 */
MossNode *
moss_node_parse (GBytes *plain, const guint8 *tree_id, GError **error)
{
  g_autoptr (MossNode) node = g_new0 (MossNode, 1);
  gsize length;
  const guint8 *bytes = g_bytes_get_data (plain, &length);
  MossReader reader = moss_reader (bytes, length);

  g_atomic_ref_count_init (&node->refs);
  if (length < HEAD || length > MOSS_NODE_BYTES_MAX || memcmp (bytes, magic, 4) != 0)
    {
      corrupt ("it has no head", error);
      return NULL;
    }
  if (memcmp (bytes + 8, tree_id, MOSS_TREE_ID_BYTES) != 0)
    {
      corrupt ("it belongs to another tree", error);
      return NULL;
    }
  node->level = bytes[4];
  if (node->level > MOSS_NODE_LEVEL_MAX || bytes[5] != 0 || bytes[6] != 0 || bytes[7] != 0)
    {
      corrupt ("its head makes no sense", error);
      return NULL;
    }
  node->plain = g_bytes_ref (plain);
  moss_read_bytes (&reader, HEAD);
  if (!parse_items (node, &reader, error))
    return NULL;
  return g_steal_pointer (&node);
}

MossNode *
moss_node_ref (MossNode *node)
{
  g_atomic_ref_count_inc (&node->refs);
  return node;
}

void
moss_node_unref (MossNode *node)
{
  if (!g_atomic_ref_count_dec (&node->refs))
    return;
  g_clear_pointer (&node->plain, g_bytes_unref);
  g_free (node->items);
  g_free (node);
}

/* Index of the first item that isn't before @key; count if all are. */
guint
moss_node_find (MossNode *node, const guint8 *key, gsize key_length)
{
  guint low = 0, high = node->count;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;
      MossItem *item = &node->items[middle];

      if (moss_key_compare (item->key, item->key_length, key, key_length) < 0)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

/* Bytes that it takes in memory, about. */
gsize
moss_node_memory (MossNode *node)
{
  return sizeof *node + node->count * sizeof (MossItem) + g_bytes_get_size (node->plain) + 64;
}

void
moss_node_begin (GByteArray *out, const guint8 *tree_id, guint level)
{
  guint8 head[4] = { level };

  moss_put_bytes (out, magic, 4);
  moss_put_bytes (out, head, 4);
  moss_put_bytes (out, tree_id, MOSS_TREE_ID_BYTES);
}

void
moss_node_add (GByteArray *out, const MossItem *item)
{
  moss_put_number (out, item->key_length, 2);
  moss_put_number (out, item->value_length, 2);
  moss_put_bytes (out, item->key, item->key_length);
  moss_put_bytes (out, item->value, item->value_length);
}

/* Whether a block ends with @item. On a level above 0 only keys count, for refs change. */
gboolean
moss_node_is_last (const guint8 *tree_id, guint level, const MossItem *item)
{
  guint8 key[crypto_shorthash_KEYBYTES];
  guint64 hash;
  guint64 weight = 4 + item->key_length + item->value_length;

  memcpy (key, tree_id, sizeof key);
  key[0] ^= level;
  crypto_shorthash ((guint8 *) &hash, item->key, item->key_length, key);
  return (GUINT64_FROM_LE (hash) >> 32) * TARGET_BYTES < (weight << 32);
}
