// SPDX-License-Identifier: GPL-3.0-or-later
/* Making a table anew where it changes. Level by level: the blocks that a change falls into are
 * written again, and those after them until an old and a new block end at the same item; what
 * was replaced and made is the change of the level above. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/table.h"

#include <string.h>

MossChanges *
moss_changes_new (void)
{
  MossChanges *changes = g_new0 (MossChanges, 1);

  changes->list = g_array_new (FALSE, FALSE, sizeof (MossChange));
  changes->bytes = g_byte_array_new ();
  return changes;
}

void
moss_changes_free (MossChanges *changes)
{
  g_array_unref (changes->list);
  g_byte_array_unref (changes->bytes);
  g_free (changes);
}

static void
add_change (MossChanges *changes,
            const guint8 *key,
            gsize key_length,
            gconstpointer value,
            gsize value_length,
            gboolean goes)
{
  MossChange change = { changes->bytes->len, key_length, value_length, goes };

  g_byte_array_append (changes->bytes, key, key_length);
  if (value_length > 0)
    g_byte_array_append (changes->bytes, value, value_length);
  g_array_append_val (changes->list, change);
}

/* A key that comes twice: the later counts. */
void
moss_changes_add (MossChanges *changes,
                  const guint8 *key,
                  gsize key_length,
                  gconstpointer value,
                  gsize value_length)
{
  add_change (changes, key, key_length, value, value_length, FALSE);
}

void
moss_changes_remove (MossChanges *changes, const guint8 *key, gsize key_length)
{
  add_change (changes, key, key_length, NULL, 0, TRUE);
}

/* Points into @changes: until something is added. */
MossItem
moss_changes_item (const MossChanges *changes, guint index)
{
  const MossChange *change = &g_array_index (changes->list, MossChange, index);
  const guint8 *key = changes->bytes->data + change->at;

  return (MossItem){ key, key + change->key_length, change->key_length,
                     change->value_length };
}

static int
compare_changes (gconstpointer a, gconstpointer b, gpointer bytes)
{
  const MossChange *x = a, *y = b;

  return moss_key_compare ((guint8 *) bytes + x->at, x->key_length, (guint8 *) bytes + y->at,
                           y->key_length);
}

/* By key; of equal ones the last that was added stays (the sort keeps their order). */
void
moss_changes_sort (MossChanges *changes)
{
  GArray *list = changes->list;
  guint kept = 0;

  g_array_sort_with_data (list, compare_changes, changes->bytes->data);
  for (guint i = 0; i < list->len; i++)
    {
      MossChange *change = &g_array_index (list, MossChange, i);

      if (i + 1 < list->len &&
          compare_changes (change, change + 1, changes->bytes->data) == 0)
        continue;
      g_array_index (list, MossChange, kept++) = *change;
    }
  g_array_set_size (list, kept);
}

/* The blocks of one level as they are made. */
typedef struct
{
  MossTable *table;
  guint level;
  GByteArray *buffer; /* blocks, one after the other */
  GArray *ranges;     /* MossRange into it */
  GPtrArray *lasts;   /* GBytes: last key of each block */
  gsize start;        /* of the block that is being made */
  gboolean open;      /* it has an item */
  const guint8 *last; /* not owned: key of its last item */
  gsize last_length;
} Builder;

static void
end_block (Builder *builder)
{
  MossRange range = { builder->start, builder->buffer->len - builder->start };

  g_array_append_val (builder->ranges, range);
  g_ptr_array_add (builder->lasts, g_bytes_new (builder->last, builder->last_length));
  builder->start = builder->buffer->len;
  builder->open = FALSE;
}

static void
build (Builder *builder, const MossItem *item)
{
  gsize size = builder->buffer->len - builder->start;

  /* Never by chance: only somebody who picks names for it gets here. */
  if (builder->open &&
      size + 4 + item->key_length + item->value_length > MOSS_NODE_BYTES_MAX)
    end_block (builder);
  if (!builder->open)
    moss_node_begin (builder->buffer, builder->table->tree_id, builder->level);
  builder->open = TRUE;
  moss_node_add (builder->buffer, item);
  builder->last = item->key;
  builder->last_length = item->key_length;
  if (moss_node_is_last (builder->table->tree_id, builder->level, item))
    end_block (builder);
}

static void
clear_builder (Builder *builder)
{
  g_byte_array_unref (builder->buffer);
  g_array_unref (builder->ranges);
  g_ptr_array_unref (builder->lasts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Builder, clear_builder)

/* Builds the changes in *@next and after that come before @item (NULL: all). Returns whether
 * one of them replaces @item. */
static gboolean
build_changes (Builder *builder, MossChanges *changes, guint *next, const MossItem *item)
{
  while (*next < changes->list->len)
    {
      MossItem made = moss_changes_item (changes, *next);
      int order = item == NULL ? -1
                               : moss_key_compare (made.key, made.key_length, item->key,
                                                   item->key_length);

      if (order > 0)
        return FALSE;
      if (!g_array_index (changes->list, MossChange, *next).goes)
        build (builder, &made);
      (*next)++;
      if (order == 0)
        return TRUE;
    }
  return FALSE;
}

/* To the block of @level that @key falls into; beyond all: the last one. */
static gboolean
seek_block (MossCursor *cursor,
            MossTable *table,
            const MossRef *root,
            guint level,
            const MossItem *key,
            GError **error)
{
  if (!moss_cursor_start (cursor, table, root, error))
    return FALSE;
  while (moss_cursor_level (cursor) > level)
    {
      MossNode *node = cursor->path[cursor->depth - 1].node;
      guint index = moss_node_find (node, key->key, key->key_length);

      cursor->path[cursor->depth - 1].index = MIN (index, node->count - 1);
      if (!moss_cursor_down (cursor, error))
        return FALSE;
    }
  return TRUE;
}

/* From a whole block to the next of its level; FALSE with depth 0: there is none. */
static gboolean
next_block (MossCursor *cursor, guint level, GError **error)
{
  cursor->path[cursor->depth - 1].index = cursor->path[cursor->depth - 1].node->count - 1;
  moss_cursor_next (cursor);
  while (cursor->depth > 0 && moss_cursor_level (cursor) > level)
    if (!moss_cursor_down (cursor, error))
      return FALSE;
  return TRUE;
}

/* Rewrites the run of blocks that begins where the cursor is; up to where a block ends anew at
 * an old end. */
static gboolean
rewrite_run (Builder *builder,
             MossCursor *cursor,
             MossChanges *changes,
             guint *next,
             MossChanges *above,
             GPtrArray *holders,
             GError **error)
{
  while (cursor->depth > 0)
    {
      MossNode *node = cursor->path[cursor->depth - 1].node;
      const MossItem *last = &node->items[node->count - 1];

      g_ptr_array_add (holders, moss_node_ref (node));
      moss_changes_remove (above, last->key, last->key_length);
      for (guint i = 0; i < node->count; i++)
        if (!build_changes (builder, changes, next, &node->items[i]))
          build (builder, &node->items[i]);
      if (!next_block (cursor, builder->level, error))
        return FALSE;
      if (!builder->open && cursor->depth > 0)
        return TRUE;
    }
  build_changes (builder, changes, next, NULL);
  if (builder->open)
    end_block (builder);
  return TRUE;
}

/* Stores the new blocks and tells the level above. */
static gboolean
store_blocks (Builder *builder, MossChanges *above, GError **error)
{
  guint count = builder->ranges->len;
  g_autofree MossRef *refs = g_new0 (MossRef, count + 1);

  if (count > 0 && !moss_store_put_many (builder->table->store, builder->buffer->data,
                                         (MossRange *) builder->ranges->data, count, refs,
                                         NULL, NULL, NULL, error))
    return FALSE;
  for (guint i = 0; i < count; i++)
    {
      gsize length;
      const guint8 *key
          = g_bytes_get_data (g_ptr_array_index (builder->lasts, i), &length);

      moss_changes_add (above, key, length, &refs[i], sizeof refs[i]);
    }
  return TRUE;
}

/* @old_levels: how many levels the old table has. */
static gboolean
edit_level (MossTable *table,
            const MossRef *root,
            guint old_levels,
            guint level,
            MossChanges *changes,
            MossChanges *above,
            GError **error)
{
  g_autoptr (GPtrArray) holders
      = g_ptr_array_new_with_free_func ((GDestroyNotify) moss_node_unref);
  g_auto (Builder) builder = { .table = table, .level = level };
  guint next = 0;

  builder.buffer = g_byte_array_new ();
  builder.ranges = g_array_new (FALSE, FALSE, sizeof (MossRange));
  builder.lasts = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  while (next < changes->list->len)
    {
      g_auto (MossCursor) cursor = { 0 };
      MossItem first = moss_changes_item (changes, next);

      if (level < old_levels && !seek_block (&cursor, table, root, level, &first, error))
        return FALSE;
      if (!rewrite_run (&builder, &cursor, changes, &next, above, holders, error))
        return FALSE;
    }
  if (!store_blocks (&builder, above, error))
    return FALSE;
  moss_changes_sort (above);
  return TRUE;
}

/* The uppermost block has more than one entry, or is a leaf. */
static gboolean
lower_root (MossTable *table, MossRef *root, GError **error)
{
  for (;;)
    {
      g_autoptr (MossNode) node = moss_table_node (table, root, error);

      if (node == NULL)
        return FALSE;
      if (node->level == 0 || node->count > 1)
        return TRUE;
      moss_item_ref (&node->items[0], root);
    }
}

/**
 * moss_table_apply:
 * @changes: sorted (moss_changes_sort())
 * @new_root: (out): may be @root
 *
 * The new blocks are in the store, not yet on the disk. Time goes with the number of blocks
 * that change; their bytes are in memory meanwhile.
 */
gboolean
moss_table_apply (MossTable *table,
                  const MossRef *root,
                  MossChanges *changes,
                  MossRef *new_root,
                  GError **error)
{
  MossRef old = *root;
  guint old_levels = 0;
  MossChanges *now = changes;
  g_autoptr (MossChanges) owned = NULL;

  *new_root = old;
  if (changes->list->len == 0)
    return TRUE;
  if (!moss_table_is_empty (&old))
    {
      g_autoptr (MossNode) top = moss_table_node (table, &old, error);

      if (top == NULL)
        return FALSE;
      old_levels = top->level + 1;
    }
  for (guint level = 0; level <= MOSS_NODE_LEVEL_MAX; level++)
    {
      MossChanges *above = moss_changes_new ();
      guint made = 0, one = 0;

      if (!edit_level (table, &old, old_levels, level, now, above, error))
        {
          moss_changes_free (above);
          return FALSE;
        }
      g_clear_pointer (&owned, moss_changes_free);
      owned = now = above;
      if (level + 1 < old_levels)
        continue;
      /* Nothing of this level is old any more: what was made is all of it. */
      for (guint i = 0; i < now->list->len; i++)
        if (!g_array_index (now->list, MossChange, i).goes)
          {
            one = i;
            made++;
          }
      if (made == 0)
        {
          memset (new_root, 0, sizeof *new_root);
          return TRUE;
        }
      if (made == 1)
        {
          MossItem item = moss_changes_item (now, one);

          moss_item_ref (&item, new_root);
          return lower_root (table, new_root, error);
        }
    }
  g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_FAILED, "the table is too high");
  return FALSE;
}
