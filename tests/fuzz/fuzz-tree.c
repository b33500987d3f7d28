/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blocks, items and roots of trees, as a host or a peer may give them. With libFuzzer: clang
 * -fsanitize=fuzzer -DMOSS_LIBFUZZER. Without: good ones are changed at random. */
#include "vfs/tree/bytes.h"
#include "vfs/tree/record.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const guint8 tree_id[32] = { 5 };

/* What every reader of an item relies on. */
static void
use_item (const MossItem *item)
{
  g_autoptr (MossContent) content = moss_content_new ();
  MossInodeRecord inode;
  guint64 dot, offset;

  if (!moss_item_check (item, &dot, NULL))
    return;
  switch (moss_key_space (item))
    {
    case SPACE_INODE:
      if (!moss_inode_record_read (item->value, item->value_length, &inode, NULL) ||
          inode.tail_length > item->value_length || inode.size > MOSS_TREE_SIZE_MAX)
        abort ();
      break;
    case SPACE_ENTRY:
      if (memchr (item->key + 9, '/', item->key_length - 9) != NULL ||
          item->key_length - 9 > MOSS_TREE_NAME_MAX)
        abort ();
      break;
    case SPACE_EXTENT:
      if (!moss_key_number (item, &offset) ||
          !moss_extent_read (item->value, item->value_length, offset, content, NULL) ||
          offset + content->segments[0].length > MOSS_TREE_SIZE_MAX)
        abort ();
      break;
    default:
      break;
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (MossNode) node = moss_node_parse (bytes, tree_id, &error);
  MossTreeRoot root;

  if ((node == NULL) != (error != NULL))
    abort ();
  for (guint i = 0; node != NULL && i < node->count; i++)
    {
      const MossItem *item = &node->items[i];

      if (moss_node_find (node, item->key, item->key_length) != i)
        abort ();
      if (node->level == 0)
        use_item (item);
    }
  g_clear_error (&error);
  if (moss_tree_root_parse (bytes, &root, &error) != (error == NULL))
    abort ();
  return node != NULL;
}

#ifndef MOSS_LIBFUZZER
#  include "mutate.h"

static void
add (GByteArray *block, const MossKey *key, GByteArray *value)
{
  MossItem item = { key->bytes, value->data, key->length, value->len };

  moss_node_add (block, &item);
  g_byte_array_unref (value);
}

static GByteArray *
good_block (void)
{
  GByteArray *block = g_byte_array_new ();
  GByteArray *value = g_byte_array_new ();
  MossInodeRecord inode = { .flags = RECORD_INLINE,
                            .mode = S_IFREG | 0644,
                            .size = 5,
                            .tail = (const guint8 *) "hello",
                            .tail_length = 5 };
  MossEntryRecord entry = { .ino = 99, .dot = 7, .type = S_IFREG };
  MossXattrRecord xattr = { .value = (const guint8 *) "v", .length = 1 };
  MossConflictRecord conflict = { .ino = 4 };
  MossHistoryRecord history = { .dot = 3 };
  MossRef ref = { 0 };
  MossKey key;

  moss_node_begin (block, tree_id, 0);
  moss_inode_record_write (&inode, value);
  moss_key_init (&key, SPACE_INODE, 99);
  add (block, &key, value);
  value = g_byte_array_new ();
  moss_entry_record_write (&entry, value);
  moss_key_init (&key, SPACE_ENTRY, 1);
  moss_key_add (&key, "name", 4);
  add (block, &key, value);
  value = g_byte_array_new ();
  moss_put_number (value, 4096, 4);
  moss_put_number (value, 0, 4);
  moss_put_bytes (value, &ref, sizeof ref);
  moss_key_init (&key, SPACE_EXTENT, 98);
  moss_key_add_number (&key, 65536);
  add (block, &key, value);
  value = g_byte_array_new ();
  moss_xattr_record_write (&xattr, value);
  moss_key_init (&key, SPACE_XATTR, 98);
  moss_key_add (&key, "user.x", 6);
  add (block, &key, value);
  value = g_byte_array_new ();
  moss_conflict_record_write (&conflict, value);
  moss_key_init (&key, SPACE_CONFLICT, 98);
  add (block, &key, value);
  value = g_byte_array_new ();
  moss_history_record_write (&history, value);
  moss_key_init (&key, SPACE_HISTORY, 98);
  moss_key_add (&key, "\0\1", 2);
  add (block, &key, value);
  return block;
}

static GByteArray *
good_root (void)
{
  GByteArray *root = g_byte_array_new ();

  moss_put_bytes (root, "MTR1", 4);
  moss_put_number (root, MOSS_SUITE_SODIUM, 1);
  moss_put_number (root, 0, 1);
  moss_put_number (root, 1, 2);
  moss_put_number (root, 1, 4);
  moss_put_number (root, 12, 8);
  moss_put_number (root, 1000, 8);
  g_byte_array_set_size (root, root->len + 96);
  moss_put_number (root, 100, 4);
  g_byte_array_set_size (root, root->len + 100);
  moss_put_number (root, MOSS_SUITE_SODIUM, 1);
  moss_put_number (root, 64, 2);
  g_byte_array_set_size (root, root->len + 64);
  return root;
}

int
main (int argc, char **argv)
{
  guint rounds;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);
  g_autoptr (GByteArray) block = good_block ();
  g_autoptr (GByteArray) root = good_root ();

  if (!moss_crypto_init (NULL) || !LLVMFuzzerTestOneInput (block->data, block->len))
    return 1;
  for (guint i = 0; i < rounds; i++)
    {
      GByteArray *good = i % 3 == 0 ? root : block;
      g_autoptr (GByteArray) bytes = mutate (rand, good->data, good->len);

      LLVMFuzzerTestOneInput (bytes->data, bytes->len);
    }
  return 0;
}
#endif
