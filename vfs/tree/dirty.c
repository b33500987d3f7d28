// SPDX-License-Identifier: GPL-3.0-or-later
/* What changed since the last commit: which inodes and keys, how much is only in memory, and
 * what of it the journal doesn't have. The lock is held. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <errno.h>

enum
{
  LOG_PIECE = 256 * 1024,
  FORMERS_MAX = 64,
  UNLOGGED_MAX = 4096,
};

int
tree_name_error (const char *name)
{
  gsize length = strlen (name);

  if (length > MOSS_TREE_NAME_MAX)
    return -ENAMETOOLONG;
  return moss_name_valid (name, length) ? 0 : -EINVAL;
}

/* Before an operation that changes something looks at anything. */
void
tree_begin (MossTree *tree)
{
  while (tree->gate)
    g_cond_wait (&tree->room, &tree->lock);
}

static void
wake (MossTree *tree)
{
  tree->touched_us = g_get_monotonic_time ();
  if (tree->dirty_since_us == 0)
    {
      tree->dirty_since_us = tree->touched_us;
      g_cond_signal (&tree->work);
    }
}

/* @flags: INODE_ATTR, INODE_CONTENT or 0 (something that only this device reckons). */
void
tree_touch (MossTree *tree, Inode *inode, guint32 flags)
{
  inode->flags |= flags;
  if (!(inode->flags & INODE_LISTED))
    {
      inode->flags |= INODE_LISTED;
      g_array_append_val (tree->dirty, inode->ino);
    }
  wake (tree);
}

void
tree_dirty_key (MossTree *tree, const MossKey *key)
{
  g_hash_table_add (tree->dirty_keys, g_bytes_new (key->bytes, key->length));
  wake (tree);
}

void
tree_dirty_entry (MossTree *tree, guint64 dir, const char *name)
{
  MossKey key;

  moss_key_init (&key, SPACE_ENTRY, dir);
  moss_key_add (&key, name, strlen (name));
  tree_dirty_key (tree, &key);
}

void
tree_account (MossTree *tree, gint64 bytes)
{
  gboolean below = tree->dirty_bytes < DIRTY_SOON;

  if (bytes < 0 && tree->dirty_bytes < (guint64) -bytes)
    tree->dirty_bytes = 0;
  else
    tree->dirty_bytes += bytes;
  if (bytes < 0)
    g_cond_broadcast (&tree->room);
  else if (below && tree->dirty_bytes >= DIRTY_SOON)
    g_cond_signal (&tree->work);
}

/* Who writes faster than the disk takes it waits here; may let go. */
void
tree_wait_for_room (MossTree *tree)
{
  while (tree->dirty_bytes >= DIRTY_MOST && tree->failure == NULL && !tree->stopping)
    {
      tree->drops++;
      g_cond_signal (&tree->work);
      g_cond_wait (&tree->room, &tree->lock);
    }
}

void
tree_unlogged (MossTree *tree, Inode *inode, guint64 offset, guint64 length)
{
  Extra *extra = inode_extra (inode);
  Range range = { offset, length };

  if (extra->unlogged == NULL)
    extra->unlogged = g_array_new (FALSE, FALSE, sizeof (Range));
  if (extra->unlogged->len > 0)
    {
      Range *last = &g_array_index (extra->unlogged, Range, extra->unlogged->len - 1);

      if (offset >= last->offset && offset <= last->offset + last->length)
        {
          last->length = MAX (last->length, offset + length - last->offset);
          return;
        }
      if (extra->unlogged->len >= UNLOGGED_MAX)
        { /* too many to remember: all that lies between */
          guint64 from = offset, to = offset + length;

          for (guint i = 0; i < extra->unlogged->len; i++)
            {
              Range *one = &g_array_index (extra->unlogged, Range, i);

              from = MIN (from, one->offset);
              to = MAX (to, one->offset + one->length);
            }
          range = (Range){ from, to - from };
          g_array_set_size (extra->unlogged, 0);
        }
    }
  g_array_append_val (extra->unlogged, range);
}

static void
log_segment (MossTree *tree,
             const Inode *inode,
             const MossSegment *segment,
             guint64 from,
             guint64 to)
{
  MossSegment part = *segment;

  if (from > part.offset)
    {
      part.start += from - part.offset;
      part.length -= from - part.offset;
      part.offset = from;
    }
  if (part.offset + part.length > to)
    part.length = to - part.offset;
  if (part.source->stored)
    {
      log_extent (tree, inode, &part);
      return;
    }
  for (guint32 done = 0; done < part.length; done += LOG_PIECE)
    log_write (tree, inode, part.offset + done, part.source->data + part.start + done,
               MIN (LOG_PIECE, part.length - done));
}

/* Everything that was written to @inode goes into the journal's buffer. */
void
tree_log_content (MossTree *tree, Inode *inode)
{
  g_autoptr (GArray) ranges = NULL;

  if (inode->extra == NULL || inode->extra->unlogged == NULL)
    return;
  ranges = g_steal_pointer (&inode->extra->unlogged);
  for (guint i = 0; i < ranges->len && inode->content != NULL; i++)
    {
      Range *range = &g_array_index (ranges, Range, i);
      guint64 to = MIN (range->offset + range->length, inode->size);

      for (guint j = moss_content_find (inode->content, range->offset);
           j < inode->content->count && inode->content->segments[j].offset < to; j++)
        log_segment (tree, inode, &inode->content->segments[j], range->offset, to);
    }
}

/* --- versions --- */

/* What was written since the last close is a version from now on. */
void
tree_close_version (MossTree *tree, Inode *inode)
{
  if (!(inode->flags & INODE_WRITTEN))
    return;
  inode->flags &= ~INODE_WRITTEN;
  inode->flags |= INODE_CLOSED;
  inode->version++;
  log_number (tree, LOG_CLOSE, inode->ino, inode->version);
  tree_touch (tree, inode, 0);
}

/* Before the content changes: a version that no commit has seen yet is put aside. */
void
tree_keep_former (MossTree *tree, Inode *inode)
{
  Extra *extra;
  Former former;

  if (!(inode->flags & INODE_CLOSED))
    return;
  inode->flags &= ~INODE_CLOSED;
  if (!(inode->flags & INODE_CONTENT) || inode->content == NULL || inode->size == 0)
    return;
  extra = inode_extra (inode);
  if (extra->formers == NULL)
    extra->formers = g_array_new (FALSE, FALSE, sizeof (Former));
  if (extra->formers->len >= FORMERS_MAX)
    {
      moss_content_free (g_array_index (extra->formers, Former, 0).content);
      g_array_remove_index (extra->formers, 0);
    }
  former = (Former){ inode->version, inode->size, inode->mtime_ns / 1000,
                     moss_content_copy (inode->content) };
  g_array_append_val (extra->formers, former);
}

/* After the last name or the last open went. */
void
tree_drop_if_gone (MossTree *tree, Inode *inode)
{
  if (inode->nlink > 0 || S_ISDIR (inode->mode))
    return;
  if (inode->opens > 0 || (tree->replaying && S_ISREG (inode->mode)))
    {
      if (!g_hash_table_contains (tree->orphans, &inode->ino))
        g_hash_table_add (tree->orphans, g_memdup2 (&inode->ino, sizeof inode->ino));
      return;
    }
  g_hash_table_remove (tree->orphans, &inode->ino);
  if (inode->content != NULL && S_ISREG (inode->mode))
    tree_account (tree, -(gint64) moss_content_memory (inode->content));
  tree_forget (tree, inode);
}
