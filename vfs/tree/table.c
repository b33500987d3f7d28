// SPDX-License-Identifier: GPL-3.0-or-later
/* The table: a tree of blocks (node.c) in the store. Reading goes through a small cache of
 * blocks; a block that isn't in the store is fetched, together with the missing ones beside it.
 * No lock is held while something is read or fetched. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/table.h"

#include <string.h>

enum
{
  CACHE_BYTES = 6 * 1024 * 1024,
  FETCH_BESIDE = 256,
};

typedef struct
{
  MossId id;
  MossNode *node;
  GList link;
} Cached;

G_DEFINE_QUARK (moss-tree-error-quark, moss_tree_error)

static void
free_cached (gpointer data)
{
  Cached *cached = data;

  moss_node_unref (cached->node);
  g_free (cached);
}

MossTable *
moss_table_new (MossStore *store,
                const guint8 *tree_id,
                MossTableFetch fetch,
                gpointer user_data)
{
  MossTable *table = g_new0 (MossTable, 1);

  table->store = moss_store_ref (store);
  memcpy (table->tree_id, tree_id, sizeof table->tree_id);
  table->fetch = fetch;
  table->user_data = user_data;
  g_mutex_init (&table->lock);
  g_queue_init (&table->recent);
  table->cache = g_hash_table_new_full (moss_id_hash, moss_id_equal, NULL, free_cached);
  table->cache_max = CACHE_BYTES;
  return table;
}

void
moss_table_free (MossTable *table)
{
  g_hash_table_unref (table->cache);
  g_mutex_clear (&table->lock);
  moss_store_unref (table->store);
  g_free (table);
}

gboolean
moss_table_is_empty (const MossRef *root)
{
  static const MossId none;

  return moss_id_equal (&root->id, &none);
}

void
moss_item_ref (const MossItem *item, MossRef *ref)
{
  memcpy (ref, item->value, sizeof *ref);
}

/* --- reading blocks --- */

static MossNode *
cache_find (MossTable *table, const MossId *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&table->lock);
  Cached *cached = g_hash_table_lookup (table->cache, id);

  if (cached == NULL)
    return NULL;
  if (table->recent.head != &cached->link)
    {
      g_queue_unlink (&table->recent, &cached->link);
      g_queue_push_head_link (&table->recent, &cached->link);
    }
  return moss_node_ref (cached->node);
}

static void
cache_add (MossTable *table, const MossId *id, MossNode *node)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&table->lock);
  Cached *cached;

  if (g_hash_table_contains (table->cache, id))
    return;
  cached = g_new0 (Cached, 1);
  cached->id = *id;
  cached->node = moss_node_ref (node);
  cached->link.data = cached;
  g_queue_push_head_link (&table->recent, &cached->link);
  g_hash_table_insert (table->cache, &cached->id, cached);
  table->cache_bytes += moss_node_memory (node);
  while (table->cache_bytes > table->cache_max && table->recent.length > 1)
    {
      Cached *old = table->recent.tail->data;

      g_queue_unlink (&table->recent, &old->link);
      table->cache_bytes -= moss_node_memory (old->node);
      g_hash_table_remove (table->cache, &old->id);
    }
}

/* As our callers tell errors apart. */
static void
translate (GError **error, GError *from)
{
  int code = MOSS_TREE_ERROR_FAILED;

  if (g_error_matches (from, MOSS_STORE_ERROR, MOSS_STORE_ERROR_MISSING))
    code = MOSS_TREE_ERROR_MISSING;
  else if (g_error_matches (from, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT))
    code = MOSS_TREE_ERROR_CORRUPT;
  else if (g_error_matches (from, MOSS_STORE_ERROR, MOSS_STORE_ERROR_NO_SPACE))
    code = MOSS_TREE_ERROR_NO_SPACE;
  if (from->domain == MOSS_TREE_ERROR)
    code = from->code;
  g_set_error_literal (error, MOSS_TREE_ERROR, code, from->message);
  g_error_free (from);
}

/**
 * moss_table_object:
 *
 * Any object of the tree; fetched when it isn't here or is damaged here.
 */
GBytes *
moss_table_object (MossTable *table, const MossRef *ref, GError **error)
{
  GError *local = NULL;
  GBytes *plain = moss_store_get (table->store, ref, &local);

  if (plain == NULL && table->fetch != NULL &&
      (g_error_matches (local, MOSS_STORE_ERROR, MOSS_STORE_ERROR_MISSING) ||
       g_error_matches (local, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT)))
    {
      g_clear_error (&local);
      if (table->fetch (&ref->id, 1, table->user_data, &local))
        plain = moss_store_get (table->store, ref, &local);
      else if (local->domain != MOSS_TREE_ERROR)
        {
          g_set_error_literal (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_MISSING,
                               local->message);
          g_error_free (local);
          return NULL;
        }
    }
  if (plain == NULL)
    translate (error, local);
  return plain;
}

MossNode *
moss_table_node (MossTable *table, const MossRef *ref, GError **error)
{
  MossNode *node = cache_find (table, &ref->id);
  g_autoptr (GBytes) plain = NULL;

  if (node != NULL)
    return node;
  plain = moss_table_object (table, ref, error);
  if (plain == NULL)
    return NULL;
  node = moss_node_parse (plain, table->tree_id, error);
  if (node != NULL)
    cache_add (table, &ref->id, node);
  return node;
}

/* What isn't here of the blocks after the cursor's, so that one journey brings them all. */
static void
fetch_beside (MossCursor *cursor)
{
  MossTable *table = cursor->table;
  MossNode *node = cursor->path[cursor->depth - 1].node;
  guint index = cursor->path[cursor->depth - 1].index;
  g_autoptr (GArray) ids = NULL;

  if (table->fetch == NULL)
    return;
  for (guint i = index; i < node->count && i < index + FETCH_BESIDE; i++)
    {
      MossRef ref;

      moss_item_ref (&node->items[i], &ref);
      if (moss_store_has (table->store, &ref.id))
        {
          if (i == index)
            return;
          continue;
        }
      if (ids == NULL)
        ids = g_array_new (FALSE, FALSE, sizeof (MossId));
      g_array_append_val (ids, ref.id);
    }
  /* Whether it worked shows when the block is read. */
  if (ids != NULL && ids->len > 1)
    table->fetch ((MossId *) ids->data, ids->len, table->user_data, NULL);
}

/* --- cursors --- */

void
moss_cursor_clear (MossCursor *cursor)
{
  while (cursor->depth > 0)
    moss_node_unref (cursor->path[--cursor->depth].node);
}

static void
push (MossCursor *cursor, MossNode *node)
{
  cursor->path[cursor->depth].node = node;
  cursor->path[cursor->depth].index = 0;
  cursor->depth++;
}

/* At the uppermost block's first entry. */
gboolean
moss_cursor_start (MossCursor *cursor,
                   MossTable *table,
                   const MossRef *root,
                   GError **error)
{
  MossNode *node;

  memset (cursor, 0, sizeof *cursor);
  cursor->table = table;
  if (moss_table_is_empty (root))
    return TRUE;
  node = moss_table_node (table, root, error);
  if (node == NULL)
    return FALSE;
  push (cursor, node);
  return TRUE;
}

/* NULL at the end. */
const MossItem *
moss_cursor_item (MossCursor *cursor)
{
  if (cursor->depth == 0)
    return NULL;
  return &cursor->path[cursor->depth - 1].node->items[cursor->path[cursor->depth - 1].index];
}

/* 0: the item is one of the table; else it leads to a block of the level below. */
guint
moss_cursor_level (MossCursor *cursor)
{
  return cursor->path[cursor->depth - 1].node->level;
}

/* Into the block that the cursor is at. */
gboolean
moss_cursor_down (MossCursor *cursor, GError **error)
{
  const MossItem *item = moss_cursor_item (cursor);
  const MossItem *last;
  MossNode *node;
  MossRef ref;

  moss_item_ref (item, &ref);
  node = cache_find (cursor->table, &ref.id);
  if (node == NULL)
    {
      fetch_beside (cursor);
      node = moss_table_node (cursor->table, &ref, error);
    }
  if (node == NULL)
    return FALSE;
  last = &node->items[node->count - 1];
  if (node->level != moss_cursor_level (cursor) - 1 ||
      moss_key_compare (last->key, last->key_length, item->key, item->key_length) != 0)
    {
      moss_node_unref (node);
      g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                   "a block of the tree stands where another belongs");
      return FALSE;
    }
  push (cursor, node);
  return TRUE;
}

/* Down to an item of the table, or to the end. */
gboolean
moss_cursor_to_item (MossCursor *cursor, GError **error)
{
  while (cursor->depth > 0 && moss_cursor_level (cursor) > 0)
    if (!moss_cursor_down (cursor, error))
      return FALSE;
  return TRUE;
}

/* Past the item or the whole block that the cursor is at. */
void
moss_cursor_next (MossCursor *cursor)
{
  while (cursor->depth > 0)
    {
      guint top = cursor->depth - 1;

      if (++cursor->path[top].index < cursor->path[top].node->count)
        return;
      moss_node_unref (cursor->path[top].node);
      cursor->depth--;
    }
}

/* To the first item not before the key. */
gboolean
moss_cursor_seek (MossCursor *cursor,
                  MossTable *table,
                  const MossRef *root,
                  const guint8 *key,
                  gsize key_length,
                  GError **error)
{
  if (!moss_cursor_start (cursor, table, root, error))
    return FALSE;
  while (cursor->depth > 0)
    {
      guint top = cursor->depth - 1;
      MossNode *node = cursor->path[top].node;
      guint index = moss_node_find (node, key, key_length);

      if (index == node->count)
        {
          cursor->path[top].index = node->count - 1;
          moss_cursor_next (cursor);
          return TRUE;
        }
      cursor->path[top].index = index;
      if (node->level == 0)
        return TRUE;
      if (!moss_cursor_down (cursor, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
moss_table_find (MossTable *table,
                 const MossRef *root,
                 const guint8 *key,
                 gsize key_length,
                 MossItem *item,
                 MossNode **holder,
                 GError **error)
{
  g_auto (MossCursor) cursor = { 0 };
  const MossItem *found;

  *holder = NULL;
  if (!moss_cursor_seek (&cursor, table, root, key, key_length, error))
    return FALSE;
  found = moss_cursor_item (&cursor);
  if (found == NULL ||
      moss_key_compare (found->key, found->key_length, key, key_length) != 0)
    return TRUE;
  *item = *found;
  *holder = moss_node_ref (cursor.path[cursor.depth - 1].node);
  return TRUE;
}

gboolean
moss_table_each (MossTable *table,
                 const MossRef *root,
                 const guint8 *prefix,
                 gsize prefix_length,
                 const guint8 *from,
                 gsize from_length,
                 MossItemFunc each,
                 gpointer user_data,
                 GError **error)
{
  g_auto (MossCursor) cursor = { 0 };

  if (from == NULL)
    {
      from = prefix;
      from_length = prefix_length;
    }
  if (!moss_cursor_seek (&cursor, table, root, from, from_length, error))
    return FALSE;
  while (cursor.depth > 0)
    {
      const MossItem *item;

      if (!moss_cursor_to_item (&cursor, error))
        return FALSE;
      item = moss_cursor_item (&cursor);
      if (item == NULL || item->key_length < prefix_length ||
          memcmp (item->key, prefix, prefix_length) != 0)
        return TRUE;
      if (!each (item, user_data))
        return TRUE;
      moss_cursor_next (&cursor);
    }
  return TRUE;
}

/* --- differences --- */

static gboolean
same_item (const MossItem *a, const MossItem *b)
{
  return a->value_length == b->value_length &&
         memcmp (a->value, b->value, a->value_length) == 0;
}

static gboolean
tell_block (MossCursor *b, MossBlockFunc block, gpointer user_data)
{
  MossRef ref;

  if (block == NULL)
    return TRUE;
  moss_item_ref (moss_cursor_item (b), &ref);
  return block (&ref, user_data);
}

/* Goes into blocks until both stand at items, skipping blocks that are the same. *@stopped: the
 * caller wants no more. */
static gboolean
align (MossCursor *a,
       MossCursor *b,
       MossBlockFunc block,
       gpointer user_data,
       gboolean *stopped,
       GError **error)
{
  while (a->depth > 0 || b->depth > 0)
    {
      guint a_level = a->depth > 0 ? moss_cursor_level (a) : 0;
      guint b_level = b->depth > 0 ? moss_cursor_level (b) : 0;

      if (a_level == 0 && b_level == 0)
        return TRUE;
      if (a_level == b_level && a->depth > 0 && b->depth > 0 &&
          same_item (moss_cursor_item (a), moss_cursor_item (b)))
        {
          moss_cursor_next (a);
          moss_cursor_next (b);
          continue;
        }
      if (a_level >= b_level && !moss_cursor_down (a, error))
        return FALSE;
      if (b_level < a_level)
        continue;
      *stopped = !tell_block (b, block, user_data);
      if (*stopped)
        return TRUE;
      if (!moss_cursor_down (b, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
moss_table_diff (MossTable *table,
                 const MossRef *a,
                 const MossRef *b,
                 MossBlockFunc block,
                 MossDiffFunc each,
                 gpointer user_data,
                 GError **error)
{
  g_auto (MossCursor) left = { 0 };
  g_auto (MossCursor) right = { 0 };
  gboolean stopped = FALSE;

  if (moss_id_equal (&a->id, &b->id) ||
      (block != NULL && !moss_table_is_empty (b) && !block (b, user_data)))
    return TRUE;
  if (!moss_cursor_start (&left, table, a, error) ||
      !moss_cursor_start (&right, table, b, error))
    return FALSE;
  for (;;)
    {
      const MossItem *x, *y;
      int order;

      if (!align (&left, &right, block, user_data, &stopped, error))
        return FALSE;
      if (stopped)
        return TRUE;
      x = moss_cursor_item (&left);
      y = moss_cursor_item (&right);
      if (x == NULL && y == NULL)
        return TRUE;
      order = x == NULL ? 1 : y == NULL ? -1
                                        : moss_key_compare (x->key, x->key_length, y->key,
                                                            y->key_length);
      if ((order != 0 || !same_item (x, y)) &&
          !each (order <= 0 ? x : NULL, order >= 0 ? y : NULL, user_data))
        return TRUE;
      if (order <= 0)
        moss_cursor_next (&left);
      if (order >= 0)
        moss_cursor_next (&right);
    }
}
