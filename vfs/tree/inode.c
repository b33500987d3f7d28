// SPDX-License-Identifier: GPL-3.0-or-later
/* Inodes in memory: those that were looked at. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "core/clock.h"

#include <errno.h>

gint64
now_ns (void)
{
  return moss_clock_now_us () * 1000;
}

/* As a system call says it. What is elsewhere and can't be had: "no route to host", which tells
 * a person more than an I/O error. */
int
tree_errno (const GError *error)
{
  if (error == NULL)
    return -EIO;
  g_debug ("%s", error->message);
  if (error->domain == MOSS_STORE_ERROR)
    return error->code == MOSS_STORE_ERROR_NO_SPACE ? -ENOSPC : -EIO;
  if (error->domain != MOSS_TREE_ERROR)
    return -EIO;
  switch (error->code)
    {
    case MOSS_TREE_ERROR_MISSING:
      return -EHOSTUNREACH;
    case MOSS_TREE_ERROR_NO_SPACE:
      return -ENOSPC;
    case MOSS_TREE_ERROR_LOCKED:
      return -EACCES;
    default:
      return -EIO;
    }
}

static guint
bucket_of (MossTree *tree, guint64 ino)
{
  ino ^= ino >> 31;
  ino *= G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  return (ino >> 32) & (tree->bucket_count - 1);
}

Inode *
tree_find (MossTree *tree, guint64 ino)
{
  Inode *inode = tree->buckets[bucket_of (tree, ino)];

  while (inode != NULL && inode->ino != ino)
    inode = inode->next;
  return inode;
}

static void
grow_buckets (MossTree *tree)
{
  guint old_count = tree->bucket_count;
  Inode **old = tree->buckets;

  tree->bucket_count *= 2;
  tree->buckets = g_new0 (Inode *, tree->bucket_count);
  for (guint i = 0; i < old_count; i++)
    while (old[i] != NULL)
      {
        Inode *inode = old[i];
        guint bucket = bucket_of (tree, inode->ino);

        old[i] = inode->next;
        inode->next = tree->buckets[bucket];
        tree->buckets[bucket] = inode;
      }
  g_free (old);
}

/* A blank one; @ino must not be there. */
Inode *
tree_add (MossTree *tree, guint64 ino)
{
  Inode *inode = g_new0 (Inode, 1);
  guint bucket;

  if (tree->inode_count >= tree->bucket_count)
    grow_buckets (tree);
  bucket = bucket_of (tree, ino);
  inode->ino = ino;
  inode->next = tree->buckets[bucket];
  tree->buckets[bucket] = inode;
  tree->inode_count++;
  return inode;
}

static void
free_extra (Extra *extra)
{
  g_clear_pointer (&extra->xattrs, g_hash_table_unref);
  g_clear_pointer (&extra->unlogged, g_array_unref);
  for (guint i = 0; extra->formers != NULL && i < extra->formers->len; i++)
    moss_content_free (g_array_index (extra->formers, Former, i).content);
  g_clear_pointer (&extra->formers, g_array_unref);
  g_free (extra);
}

void
inode_drop_content (Inode *inode)
{
  if (S_ISREG (inode->mode))
    g_clear_pointer (&inode->content, moss_content_free);
  else if (S_ISDIR (inode->mode))
    g_clear_pointer (&inode->dir, dir_free);
  else
    g_clear_pointer (&inode->target, g_free);
}

static void
free_inode (Inode *inode)
{
  inode_drop_content (inode);
  g_clear_pointer (&inode->extra, free_extra);
  g_free (inode);
}

void
tree_forget (MossTree *tree, Inode *inode)
{
  Inode **at = &tree->buckets[bucket_of (tree, inode->ino)];

  while (*at != inode)
    at = &(*at)->next;
  *at = inode->next;
  tree->inode_count--;
  free_inode (inode);
}

void
tree_forget_all (MossTree *tree)
{
  for (guint i = 0; i < tree->bucket_count; i++)
    while (tree->buckets[i] != NULL)
      {
        Inode *inode = tree->buckets[i];

        tree->buckets[i] = inode->next;
        free_inode (inode);
      }
  g_clear_pointer (&tree->buckets, g_free);
}

/* All but content; the flags that say what changed stay as they are. */
void
inode_fill (Inode *inode, const MossInodeRecord *record)
{
  inode->mode = record->mode;
  inode->uid = record->uid;
  inode->gid = record->gid;
  inode->nlink = record->nlink;
  inode->size = S_ISCHR (record->mode) || S_ISBLK (record->mode) ? record->rdev
                                                                 : record->size;
  inode->allocated = record->allocated;
  inode->atime_ns = record->atime_ns;
  inode->mtime_ns = record->mtime_ns;
  inode->ctime_ns = record->ctime_ns;
  inode->btime_ns = record->btime_ns;
  inode->version = record->version;
  inode->attr_dot = record->attr_dot;
  inode->content_dot = record->content_dot;
  inode->parent = record->parent;
  inode->flags &= ~(INODE_CLOSED | INODE_XATTRS);
  if (record->flags & RECORD_CLOSED)
    inode->flags |= INODE_CLOSED;
  if (record->flags & RECORD_XATTRS)
    inode->flags |= INODE_XATTRS;
  if (S_ISLNK (record->mode))
    {
      g_free (inode->target);
      inode->target = g_strndup ((const char *) record->tail, record->tail_length);
    }
}

/* The other way; the tail of a link points into @inode. */
void
inode_record (const Inode *inode, MossInodeRecord *record)
{
  gboolean device = S_ISCHR (inode->mode) || S_ISBLK (inode->mode);

  *record = (MossInodeRecord){ .mode = inode->mode,
                               .uid = inode->uid,
                               .gid = inode->gid,
                               .nlink = inode->nlink,
                               .rdev = device ? inode->size : 0,
                               .size = device ? 0 : inode->size,
                               .allocated = inode->allocated,
                               .atime_ns = inode->atime_ns,
                               .mtime_ns = inode->mtime_ns,
                               .ctime_ns = inode->ctime_ns,
                               .btime_ns = inode->btime_ns,
                               .version = inode->version,
                               .attr_dot = inode->attr_dot,
                               .content_dot = inode->content_dot,
                               .parent = inode->parent };
  if (inode->flags & INODE_CLOSED)
    record->flags |= RECORD_CLOSED;
  if (inode->flags & INODE_XATTRS)
    record->flags |= RECORD_XATTRS;
  if (S_ISLNK (inode->mode))
    {
      record->tail = (const guint8 *) inode->target;
      record->tail_length = strlen (inode->target);
    }
}

void
inode_attr (const Inode *inode, MossTreeAttr *attr)
{
  MossInodeRecord record;

  if (attr == NULL)
    return;
  inode_record (inode, &record);
  moss_inode_record_attr (&record, inode->ino, attr);
}

Extra *
inode_extra (Inode *inode)
{
  if (inode->extra == NULL)
    inode->extra = g_new0 (Extra, 1);
  return inode->extra;
}
