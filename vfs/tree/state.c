// SPDX-License-Identifier: GPL-3.0-or-later
/* What is to be known of a file before it is read. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <errno.h>
#include <string.h>

typedef struct
{
  MossId id;
  guint64 bytes;
} Need;

static void
pin_key (MossKey *key, guint64 ino, guint16 slot)
{
  guint16 big = GUINT16_TO_BE (slot);

  moss_key_init (key, SPACE_PIN, ino);
  moss_key_add (key, &big, sizeof big);
}

/* Lock held. Kept for this device by itself or by a directory above. */
static gboolean
is_pinned (MossTree *tree, const Inode *inode)
{
  for (guint depth = 0; inode != NULL && depth < 4096; depth++)
    {
      g_autoptr (GBytes) bytes = NULL;
      MossKey key;

      pin_key (&key, inode->ino, tree->config.slot);
      bytes = g_bytes_new (key.bytes, key.length);
      if (g_hash_table_contains (tree->pins, bytes))
        return TRUE;
      if (inode->ino == MOSS_TREE_ROOT)
        return FALSE;
      inode = tree_find (tree, inode->parent);
    }
  return FALSE;
}

/* Lock held. What of the content is in objects. */
static GArray *
collect_needs (const MossContent *content)
{
  GArray *needs = g_array_new (FALSE, FALSE, sizeof (Need));

  for (guint i = 0; content != NULL && i < content->count; i++)
    {
      const MossSegment *segment = &content->segments[i];
      Need need = { segment->source->ref.id, segment->length };
      Need *last = needs->len > 0 ? &g_array_index (needs, Need, needs->len - 1) : NULL;

      if (!segment->source->stored)
        continue;
      if (last != NULL && memcmp (&last->id, &need.id, sizeof need.id) == 0)
        last->bytes += need.bytes;
      else
        g_array_append_val (needs, need);
    }
  return needs;
}

/* Lock held. */
static void
fill (MossTree *tree, const Inode *inode, MossTreeInfo *info)
{
  guint64 dot = MAX (inode->attr_dot, inode->content_dot);
  MossConflictRecord *conflict = g_hash_table_lookup (tree->conflicts, &inode->ino);

  memset (info, 0, sizeof *info);
  info->version = inode->version;
  info->pinned = is_pinned (tree, inode);
  info->dirty = (inode->flags & INODE_LISTED) != 0;
  info->number = NUMBER_OF (dot);
  info->suite = tree->config.suite;
  if (SLOT_OF (dot) == tree->config.slot)
    memcpy (info->device, tree->config.device, sizeof info->device);
  if (conflict != NULL)
    info->conflict_of = conflict->ino;
}

int
moss_tree_info (MossTree *tree, guint64 ino, MossTreeInfo *info)
{
  g_autoptr (GArray) needs = NULL;
  Inode *inode;
  int result;

  g_mutex_lock (&tree->lock);
  inode = tree_find (tree, ino);
  result = inode == NULL ? -ENOENT : S_ISREG (inode->mode) ? tree_content (tree, ino, &inode) : 0;
  if (result == 0)
    {
      fill (tree, inode, info);
      needs = collect_needs (S_ISREG (inode->mode) ? inode->content : NULL);
    }
  g_mutex_unlock (&tree->lock);
  if (result != 0)
    return result;
  info->objects = needs->len;
  for (guint i = 0; i < needs->len; i++)
    {
      const Need *need = &g_array_index (needs, Need, i);

      if (!moss_store_has (tree->table->store, &need->id))
        info->bytes_missing += need->bytes;
    }
  return 0;
}
