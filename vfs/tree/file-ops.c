// SPDX-License-Identifier: GPL-3.0-or-later
/* Attributes and contents of files. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

enum
{
  STORE_FIRST = 1024 * 1024, /* more unlogged bytes go to the store, not through the journal */
};

/* --- attributes --- */

int
moss_tree_getattr (MossTree *tree, guint64 ino, MossTreeAttr *attr)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode;
  int result = tree_inode (tree, ino, &inode);

  if (result == 0)
    inode_attr (inode, attr);
  return result;
}

/* Content and size; the content is loaded. */
void
tree_truncate (MossTree *tree, Inode *inode, guint64 size, gint64 time_ns)
{
  gint64 before = moss_content_memory (inode->content);

  tree_keep_former (tree, inode);
  if (size < inode->size)
    moss_content_cut (inode->content, size, MOSS_TREE_SIZE_MAX);
  tree_account (tree, (gint64) moss_content_memory (inode->content) - before);
  inode->size = size;
  inode->allocated = moss_content_allocated (inode->content);
  inode->mtime_ns = inode->ctime_ns = time_ns;
  inode->flags |= INODE_WRITTEN;
  tree_touch (tree, inode, INODE_CONTENT);
}

void
tree_punch (MossTree *tree, Inode *inode, guint64 offset, guint64 length, gint64 time_ns)
{
  gint64 before = moss_content_memory (inode->content);

  tree_keep_former (tree, inode);
  moss_content_cut (inode->content, offset, offset + length);
  tree_account (tree, (gint64) moss_content_memory (inode->content) - before);
  inode->allocated = moss_content_allocated (inode->content);
  inode->mtime_ns = inode->ctime_ns = time_ns;
  inode->flags |= INODE_WRITTEN;
  tree_touch (tree, inode, INODE_CONTENT);
}

/* With its journal: what was written before must not be lost behind it. */
static void
truncate_now (MossTree *tree, Inode *inode, guint64 size)
{
  if (size == 0 && inode->extra != NULL)
    g_clear_pointer (&inode->extra->unlogged, g_array_unref);
  tree_log_content (tree, inode);
  tree_truncate (tree, inode, size, now_ns ());
  log_truncate (tree, inode);
}

int
moss_tree_setattr (MossTree *tree,
                   guint64 ino,
                   const MossTreeAttr *values,
                   MossTreeSet set,
                   MossTreeAttr *attr)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode;
  int result;

  tree_begin (tree);
  if (set & MOSS_TREE_SET_SIZE)
    result = tree_content (tree, ino, &inode);
  else
    result = tree_inode (tree, ino, &inode);
  if (result != 0)
    return result;
  if ((set & MOSS_TREE_SET_SIZE) && values->size > MOSS_TREE_SIZE_MAX)
    return -EFBIG;
  if (set & MOSS_TREE_SET_SIZE)
    {
      truncate_now (tree, inode, values->size);
      /* Nobody has it open, so nobody will close it. */
      if (inode->opens == 0)
        tree_close_version (tree, inode);
    }
  if (set & MOSS_TREE_SET_MODE)
    inode->mode = (inode->mode & S_IFMT) | (values->mode & 07777);
  if (set & MOSS_TREE_SET_UID)
    inode->uid = values->uid;
  if (set & MOSS_TREE_SET_GID)
    inode->gid = values->gid;
  if (set & MOSS_TREE_SET_ATIME)
    inode->atime_ns = values->atime_ns;
  if (set & MOSS_TREE_SET_MTIME)
    inode->mtime_ns = values->mtime_ns;
  if (set & ~MOSS_TREE_SET_SIZE)
    {
      inode->ctime_ns = now_ns ();
      tree_touch (tree, inode, INODE_ATTR);
      log_attr (tree, inode);
    }
  inode_attr (inode, attr);
  return 0;
}

int
moss_tree_statfs (MossTree *tree, struct statvfs *buf)
{
  if (statvfs (tree->dir, buf) < 0)
    return -errno;
  buf->f_namemax = MOSS_TREE_NAME_MAX;
  buf->f_bsize = buf->f_frsize;
  return 0;
}

/* --- open and close --- */

int
moss_tree_open_file (MossTree *tree, guint64 ino, int flags)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  gboolean empty = (flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY;
  Inode *inode;
  int result;

  tree_begin (tree);
  if (empty)
    result = tree_content (tree, ino, &inode);
  else
    result = tree_inode (tree, ino, &inode);
  if (result != 0)
    return result;
  if (empty && inode->size > 0)
    truncate_now (tree, inode, 0);
  inode->opens++;
  return 0;
}

int
moss_tree_release (MossTree *tree, guint64 ino, int flags)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode = tree_find (tree, ino);

  if (inode == NULL)
    return 0;
  if (inode->opens > 0)
    inode->opens--;
  if ((flags & O_ACCMODE) != O_RDONLY || inode->opens == 0)
    tree_close_version (tree, inode);
  if (inode->nlink == 0)
    {
      if (inode->opens == 0)
        log_number (tree, LOG_RELEASE, ino, 0);
      tree_drop_if_gone (tree, inode);
      return 0;
    }
  if (inode->opens == 0 && S_ISREG (inode->mode) &&
      !(inode->flags & (INODE_LISTED | INODE_FROZEN | INODE_CONTENT)))
    inode_drop_content (inode);
  return 0;
}

int
moss_tree_flush (MossTree *tree, guint64 ino)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode = tree_find (tree, ino);

  if (inode != NULL)
    tree_close_version (tree, inode);
  return 0;
}

/* --- writing --- */

gssize
moss_tree_write (MossTree *tree,
                 guint64 ino,
                 gconstpointer data,
                 gsize length,
                 guint64 offset,
                 gboolean append,
                 gboolean kill_suid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode;
  gint64 more;
  int result;

  tree_begin (tree);
  tree_wait_for_room (tree);
  if (tree->dirty_bytes >= DIRTY_MOST)
    return tree->failure != NULL ? tree_errno (tree->failure) : -EIO;
  result = tree_content (tree, ino, &inode);
  if (result != 0)
    return result;
  if (append)
    offset = inode->size;
  if (length == 0)
    return 0;
  if (offset > MOSS_TREE_SIZE_MAX || length > MOSS_TREE_SIZE_MAX - offset)
    return -EFBIG;
  tree_keep_former (tree, inode);
  more = moss_content_write (inode->content, offset, data, length,
                             moss_extent_bytes (MAX (inode->size, offset + length)));
  tree_account (tree, more);
  inode->size = MAX (inode->size, offset + length);
  inode->allocated = moss_content_allocated (inode->content);
  inode->mtime_ns = inode->ctime_ns = now_ns ();
  inode->flags |= INODE_WRITTEN;
  tree_unlogged (tree, inode, offset, length);
  tree_touch (tree, inode, INODE_CONTENT);
  if (kill_suid && (inode->mode & (S_ISUID | S_ISGID)))
    {
      inode->mode &= ~S_ISUID;
      if (inode->mode & S_IXGRP)
        inode->mode &= ~S_ISGID;
      tree_touch (tree, inode, INODE_ATTR);
      log_attr (tree, inode);
    }
  return length;
}

int
moss_tree_fallocate (MossTree *tree, guint64 ino, int mode, guint64 offset, guint64 length)
{
  g_autoptr (GMutexLocker) locker = NULL;
  gboolean keep = mode & FALLOC_FL_KEEP_SIZE;
  gboolean hole = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
  struct statvfs disk;
  Inode *inode;
  int result;

  if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE &&
      mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) &&
      (mode & ~FALLOC_FL_KEEP_SIZE) != FALLOC_FL_ZERO_RANGE)
    return -EOPNOTSUPP;
  if (length == 0)
    return -EINVAL;
  if (offset > MOSS_TREE_SIZE_MAX || length > MOSS_TREE_SIZE_MAX - offset)
    return -EFBIG;
  if (!hole && statvfs (tree->dir, &disk) == 0 &&
      length / disk.f_frsize > disk.f_bavail)
    return -ENOSPC;
  locker = g_mutex_locker_new (&tree->lock);
  tree_begin (tree);
  result = tree_content (tree, ino, &inode);
  if (result != 0)
    return result;
  if (hole)
    {
      tree_log_content (tree, inode);
      tree_punch (tree, inode, offset, length, now_ns ());
      log_punch (tree, inode, offset, length);
    }
  if (!keep && offset + length > inode->size)
    truncate_now (tree, inode, offset + length);
  if (inode->opens == 0)
    tree_close_version (tree, inode);
  return 0;
}

gint64
moss_tree_seek (MossTree *tree, guint64 ino, guint64 offset, int whence)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  const MossContent *content;
  Inode *inode;
  int result;
  guint i;

  if (whence != SEEK_DATA && whence != SEEK_HOLE)
    return -EINVAL;
  result = tree_content (tree, ino, &inode);
  if (result != 0)
    return result;
  if (offset >= inode->size)
    return -ENXIO;
  content = inode->content;
  i = moss_content_find (content, offset);
  if (whence == SEEK_DATA)
    return i < content->count ? (gint64) MAX (content->segments[i].offset, offset) : -ENXIO;
  while (i < content->count && content->segments[i].offset <= offset)
    {
      offset = content->segments[i].offset + content->segments[i].length;
      i++;
    }
  return MIN (offset, inode->size);
}

/* --- fsync --- */

static guint64
unlogged_bytes (const Inode *inode)
{
  guint64 sum = 0;

  if (inode->extra == NULL || inode->extra->unlogged == NULL)
    return 0;
  for (guint i = 0; i < inode->extra->unlogged->len; i++)
    sum += g_array_index (inode->extra->unlogged, Range, i).length;
  return sum;
}

/* Much goes to the store first, so that it is written once; the journal then has refs. */
static int
store_first (MossTree *tree)
{
  g_autoptr (GError) error = NULL;
  gboolean ok;

  g_mutex_lock (&tree->commit_lock);
  ok = commit_write_back (tree, &error);
  g_mutex_unlock (&tree->commit_lock);
  return ok ? 0 : tree_errno (error);
}

/* Lock held. Whether some of its content is in the store, perhaps not on the disk. */
static gboolean
has_stored (const Inode *inode)
{
  for (guint i = 0; inode->content != NULL && i < inode->content->count; i++)
    if (inode->content->segments[i].source->stored)
      return TRUE;
  return FALSE;
}

/**
 * moss_tree_note:
 *
 * Returns: 1: what was changed so far survives this process; 0: the latest bytes of @ino don't yet,
 * because they are many and on their way to the store; or -errno
 */
int
moss_tree_note (MossTree *tree, guint64 ino)
{
  g_autoptr (GError) error = NULL;
  gboolean whole = TRUE;
  guint64 position;
  Inode *inode;

  g_mutex_lock (&tree->lock);
  inode = tree_find (tree, ino);
  if (inode != NULL && S_ISREG (inode->mode) && unlogged_bytes (inode) > 0)
    {
      whole = unlogged_bytes (inode) <= STORE_FIRST;
      if (whole)
        {
          tree->store_unsynced |= has_stored (inode);
          tree_log_content (tree, inode);
        }
    }
  position = moss_journal_position (tree->journal);
  g_mutex_unlock (&tree->lock);
  if (!moss_journal_write (tree->journal, position, &error))
    return tree_errno (error);
  return whole;
}

int
moss_tree_fsync (MossTree *tree, guint64 ino)
{
  g_autoptr (GError) error = NULL;
  gboolean stored;
  guint64 position;
  Inode *inode;
  int result = 0;

  g_mutex_lock (&tree->lock);
  inode = tree_find (tree, ino);
  stored = inode != NULL && unlogged_bytes (inode) > STORE_FIRST;
  g_mutex_unlock (&tree->lock);
  if (stored)
    result = store_first (tree);
  if (result != 0)
    return result;
  g_mutex_lock (&tree->lock);
  inode = tree_find (tree, ino);
  if (inode != NULL && S_ISREG (inode->mode))
    {
      /* Some of it may have gone to the store before. */
      for (guint i = 0; !stored && inode->extra != NULL && inode->extra->unlogged != NULL &&
                        inode->content != NULL && i < inode->content->count; i++)
        stored = inode->content->segments[i].source->stored;
      tree_log_content (tree, inode);
    }
  stored |= tree->store_unsynced;
  tree->store_unsynced = FALSE;
  position = moss_journal_position (tree->journal);
  g_mutex_unlock (&tree->lock);
  if (stored && !moss_store_sync (tree->config.store, &error))
    {
      g_mutex_lock (&tree->lock);
      tree->store_unsynced = TRUE;
      g_mutex_unlock (&tree->lock);
      return tree_errno (error);
    }
  if (!moss_journal_sync (tree->journal, position, &error))
    return tree_errno (error);
  return 0;
}
