// SPDX-License-Identifier: GPL-3.0-or-later
/* What a file costs before it is opened, and having it all here. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <errno.h>

enum
{
  BATCH = 64,
  DEPTH_MAX = 4096,
};

/* Walks up what is loaded; no waiting. */
static gboolean
is_pinned (MossTree *tree, Inode *inode)
{
  guint16 slot = GUINT16_TO_BE (tree->config.slot);

  for (guint i = 0; inode != NULL && i < DEPTH_MAX; i++)
    {
      MossKey key;
      g_autoptr (GBytes) bytes = NULL;

      moss_key_init (&key, SPACE_PIN, inode->ino);
      moss_key_add (&key, &slot, 2);
      bytes = g_bytes_new_static (key.bytes, key.length);
      if (g_hash_table_contains (tree->pins, bytes))
        return TRUE;
      if (inode->ino == MOSS_TREE_ROOT)
        return FALSE;
      inode = tree_find (tree, inode->parent);
    }
  return FALSE;
}

static guint64
missing_of (MossTree *tree, const MossContent *content, GHashTable *objects)
{
  guint64 missing = 0;

  for (guint i = 0; i < content->count; i++)
    {
      MossSource *source = content->segments[i].source;

      if (!source->stored)
        continue;
      g_hash_table_add (objects, &source->ref.id);
      if (source->data == NULL && !moss_store_has (tree->config.store, &source->ref.id))
        missing += content->segments[i].length;
    }
  return missing;
}

/* The content from memory or from what is here of the table; NULL: not even that is here. */
static MossContent *
content_here (MossTree *tree, guint64 ino, const MossRef *base)
{
  g_autoptr (MossNode) holder = NULL;
  MossInodeRecord record;
  gboolean found;

  if (!load_inode (tree->local, base, ino, &record, &holder, &found, NULL) || !found)
    return NULL;
  return load_content (tree->local, base, ino, &record, NULL);
}

int
moss_tree_info (MossTree *tree, guint64 ino, MossTreeInfo *info)
{
  g_autoptr (GHashTable) objects = g_hash_table_new (moss_id_hash, moss_id_equal);
  g_autoptr (MossContent) content = NULL;
  MossConflictRecord *conflict;
  gboolean regular, dirty;
  guint64 size, dot;
  Inode *inode;
  MossRef base;

  memset (info, 0, sizeof *info);
  g_mutex_lock (&tree->lock);
  inode = tree_find (tree, ino);
  if (inode == NULL)
    {
      g_mutex_unlock (&tree->lock);
      return -ENOENT;
    }
  info->version = inode->version;
  info->pinned = is_pinned (tree, inode);
  info->dirty = dirty = inode->flags & (INODE_LISTED | INODE_CONTENT | INODE_FROZEN);
  info->suite = tree->config.suite;
  conflict = g_hash_table_lookup (tree->conflicts, &ino);
  info->conflict_of = conflict != NULL ? conflict->ino : 0;
  dot = inode->content_dot;
  regular = S_ISREG (inode->mode);
  size = inode->size;
  base = tree->base;
  if (regular && inode->content != NULL)
    content = moss_content_copy (inode->content);
  g_mutex_unlock (&tree->lock);
  if (dot != 0)
    {
      info->number = NUMBER_OF (dot);
      tree_device_of (tree, SLOT_OF (dot), info->device);
    }
  if (!regular || size == 0)
    return 0;
  if (content == NULL)
    content = content_here (tree, ino, &base);
  info->bytes_missing = content != NULL ? missing_of (tree, content, objects) : size;
  info->objects = g_hash_table_size (objects);
  return 0;
}

/* --- hydrating --- */

static GArray *
missing_ids (MossTree *tree, const MossContent *content, guint64 offset, guint64 length)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (MossId));
  guint64 end = length > MOSS_TREE_SIZE_MAX - offset ? MOSS_TREE_SIZE_MAX : offset + length;

  for (guint i = moss_content_find (content, offset);
       i < content->count && content->segments[i].offset < end; i++)
    {
      MossSource *source = content->segments[i].source;
      gboolean again = ids->len > 0 &&
                       moss_id_equal (&g_array_index (ids, MossId, ids->len - 1),
                                      &source->ref.id);

      if (source->stored && !again && !moss_store_has (tree->config.store, &source->ref.id))
        g_array_append_val (ids, source->ref.id);
    }
  return ids;
}

int
moss_tree_hydrate (MossTree *tree, guint64 ino, guint64 offset, guint64 length)
{
  g_autoptr (MossContent) content = NULL;
  g_autoptr (GArray) ids = NULL;
  g_autoptr (GError) error = NULL;
  Inode *inode;
  int result;

  if (offset > MOSS_TREE_SIZE_MAX)
    return -EINVAL;
  g_mutex_lock (&tree->lock);
  result = tree_content (tree, ino, &inode);
  if (result == 0)
    content = moss_content_copy (inode->content);
  g_mutex_unlock (&tree->lock);
  if (result != 0)
    return result;
  ids = missing_ids (tree, content, offset, length);
  if (ids->len > 0 && tree->table->fetch == NULL)
    return -EHOSTUNREACH;
  for (guint i = 0; i < ids->len; i += BATCH)
    if (!tree->table->fetch (&g_array_index (ids, MossId, i), MIN (BATCH, ids->len - i),
                             tree->table->user_data, &error))
      return -EHOSTUNREACH;
  return 0;
}
