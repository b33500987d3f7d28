// SPDX-License-Identifier: GPL-3.0-or-later
/* Doing again what the journal says, after a crash. It is our own journal, sealed, so it holds
 * what log.c wrote; it is still read as carefully as anything. A record that can't be done (its
 * file is gone, a merge came between) is skipped and said so: the rest is worth more. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "vfs/tree/bytes.h"

#include <errno.h>

typedef struct
{
  MossTree *tree;
  guint64 done;
  guint64 skipped;
} Replay;

/* (transfer full) (nullable) */
static char *
read_name (MossReader *reader)
{
  guint length = moss_read_number (reader, 1);
  const char *bytes = (const char *) moss_read_bytes (reader, length);

  if (bytes == NULL || length == 0 || memchr (bytes, '\0', length) != NULL)
    {
      reader->bad = TRUE;
      return NULL;
    }
  return g_strndup (bytes, length);
}

static Inode *
find_dir (MossTree *tree, guint64 ino)
{
  Inode *dir;

  return tree_dir (tree, ino, &dir) == 0 ? dir : NULL;
}

static Inode *
find_file (MossTree *tree, guint64 ino)
{
  Inode *inode;

  return tree_content (tree, ino, &inode) == 0 ? inode : NULL;
}

/* The inode of an entry, loaded, with what it needs to lose its name. */
static Inode *
find_entry (MossTree *tree, Inode *dir, const char *name)
{
  Entry *entry = dir_find (tree, dir->dir, name);
  Inode *inode;

  if (entry == NULL || tree_inode (tree, entry->ino, &inode) != 0)
    return NULL;
  if (S_ISREG (inode->mode) && tree_content (tree, inode->ino, &inode) != 0)
    return NULL;
  if (S_ISDIR (inode->mode) && tree_dir (tree, inode->ino, &inode) != 0)
    return NULL;
  return inode;
}

static void
use_ino (MossTree *tree, guint64 ino)
{
  if (SLOT_OF (ino) == tree->config.slot && NUMBER_OF (ino) >= tree->next_ino)
    tree->next_ino = NUMBER_OF (ino) + 1;
}

static gboolean
replay_make (MossTree *tree, guint64 parent, MossReader *reader)
{
  g_autofree char *name = read_name (reader);
  guint64 ino = moss_read_number (reader, 8);
  MossInodeRecord record;
  Inode *dir;

  if (reader->bad || tree_name_error (name) != 0 || !moss_ino_valid (ino) ||
      !moss_inode_record_read (reader->at, reader->end - reader->at, &record, NULL))
    return FALSE;
  use_ino (tree, ino);
  dir = find_dir (tree, parent);
  if (dir == NULL || dir_find (tree, dir->dir, name) != NULL || tree_find (tree, ino) != NULL)
    return FALSE;
  tree_make (tree, dir, name, ino, &record);
  return TRUE;
}

static gboolean
replay_link (MossTree *tree, guint64 parent, MossReader *reader)
{
  g_autofree char *name = read_name (reader);
  guint64 ino = moss_read_number (reader, 8);
  gint64 time_ns = moss_read_number (reader, 8);
  Inode *dir, *inode;

  if (!moss_read_end (reader) || tree_name_error (name) != 0)
    return FALSE;
  dir = find_dir (tree, parent);
  if (dir == NULL || dir_find (tree, dir->dir, name) != NULL ||
      tree_inode (tree, ino, &inode) != 0 || S_ISDIR (inode->mode))
    return FALSE;
  g_hash_table_remove (tree->orphans, &ino);
  tree_link_entry (tree, dir, name, inode, time_ns);
  return TRUE;
}

static gboolean
replay_unlink (MossTree *tree, guint64 parent, MossReader *reader)
{
  g_autofree char *name = read_name (reader);
  gint64 time_ns = moss_read_number (reader, 8);
  Inode *dir, *inode;

  if (!moss_read_end (reader))
    return FALSE;
  dir = find_dir (tree, parent);
  inode = dir != NULL ? find_entry (tree, dir, name) : NULL;
  if (inode == NULL || (S_ISDIR (inode->mode) && inode->dir->count > 0))
    return FALSE;
  tree_unlink_entry (tree, dir, name, time_ns);
  return TRUE;
}

static gboolean
replay_rename (MossTree *tree, guint64 parent, MossReader *reader)
{
  g_autofree char *name = read_name (reader);
  guint64 new_parent = moss_read_number (reader, 8);
  g_autofree char *new_name = read_name (reader);
  gboolean exchange = moss_read_number (reader, 1);
  gint64 time_ns = moss_read_number (reader, 8);
  Inode *from, *to, *moved, *other;

  if (!moss_read_end (reader) || tree_name_error (new_name) != 0)
    return FALSE;
  from = find_dir (tree, parent);
  to = find_dir (tree, new_parent);
  if (from == NULL || to == NULL)
    return FALSE;
  moved = find_entry (tree, from, name);
  other = find_entry (tree, to, new_name);
  if (moved == NULL || (exchange && other == NULL) || moved == other ||
      (!exchange && other != NULL && S_ISDIR (other->mode) && other->dir->count > 0))
    return FALSE;
  tree_rename_entry (tree, from, name, to, new_name, exchange, time_ns);
  return TRUE;
}

static gboolean
replay_attr (MossTree *tree, guint64 ino, MossReader *reader)
{
  guint32 mode = moss_read_number (reader, 4);
  guint32 uid = moss_read_number (reader, 4);
  guint32 gid = moss_read_number (reader, 4);
  gint64 atime_ns = moss_read_number (reader, 8);
  gint64 mtime_ns = moss_read_number (reader, 8);
  gint64 ctime_ns = moss_read_number (reader, 8);
  Inode *inode;

  if (!moss_read_end (reader) || tree_inode (tree, ino, &inode) != 0 ||
      (mode & S_IFMT) != (inode->mode & S_IFMT))
    return FALSE;
  inode->mode = (inode->mode & S_IFMT) | (mode & 07777);
  inode->uid = uid;
  inode->gid = gid;
  inode->atime_ns = atime_ns;
  inode->mtime_ns = mtime_ns;
  inode->ctime_ns = ctime_ns;
  tree_touch (tree, inode, INODE_ATTR);
  return TRUE;
}

static gboolean
replay_cut (MossTree *tree, LogKind kind, guint64 ino, MossReader *reader)
{
  guint64 from = moss_read_number (reader, 8);
  guint64 length = kind == LOG_PUNCH ? moss_read_number (reader, 8) : 0;
  gint64 time_ns = moss_read_number (reader, 8);
  Inode *inode = find_file (tree, ino);

  if (!moss_read_end (reader) || inode == NULL || from > MOSS_TREE_SIZE_MAX ||
      length > MOSS_TREE_SIZE_MAX - from)
    return FALSE;
  if (kind == LOG_PUNCH)
    tree_punch (tree, inode, from, length, time_ns);
  else
    tree_truncate (tree, inode, from, time_ns);
  return TRUE;
}

static void
wrote (MossTree *tree, Inode *inode, guint64 end, gint64 time_ns)
{
  inode->size = MAX (inode->size, end);
  inode->allocated = moss_content_allocated (inode->content);
  inode->mtime_ns = inode->ctime_ns = time_ns;
  inode->flags |= INODE_WRITTEN;
  tree_touch (tree, inode, INODE_CONTENT);
}

static gboolean
replay_write (MossTree *tree, guint64 ino, MossReader *reader)
{
  guint64 offset = moss_read_number (reader, 8);
  gint64 time_ns = moss_read_number (reader, 8);
  gsize length = reader->bad ? 0 : reader->end - reader->at;
  Inode *inode = find_file (tree, ino);

  if (reader->bad || inode == NULL || offset > MOSS_TREE_SIZE_MAX - length)
    return FALSE;
  tree_keep_former (tree, inode);
  tree_account (tree,
                moss_content_write (inode->content, offset, reader->at, length,
                                    moss_extent_bytes (inode->size + length)));
  wrote (tree, inode, offset + length, time_ns);
  return TRUE;
}

static gboolean
replay_extent (MossTree *tree, guint64 ino, MossReader *reader)
{
  g_autoptr (MossContent) one = moss_content_new ();
  guint64 offset = moss_read_number (reader, 8);
  gint64 time_ns = moss_read_number (reader, 8);
  Inode *inode = find_file (tree, ino);
  MossSegment *segment;

  if (reader->bad || inode == NULL ||
      !moss_extent_read (reader->at, reader->end - reader->at, offset, one, NULL))
    return FALSE;
  segment = &one->segments[0];
  /* Its object was to be synced before the call that wrote this record returned. */
  if (!moss_store_has (tree->config.store, &segment->source->ref.id))
    return FALSE;
  tree_keep_former (tree, inode);
  moss_content_cut (inode->content, offset, offset + segment->length);
  moss_content_insert (inode->content, offset, segment->length, 0, segment->source);
  wrote (tree, inode, offset + segment->length, time_ns);
  return TRUE;
}

static gboolean
replay_xattr (MossTree *tree, guint64 ino, MossReader *reader)
{
  g_autofree char *name = read_name (reader);
  gint64 time_ns = moss_read_number (reader, 8);
  gboolean set = moss_read_number (reader, 1);
  gsize length = reader->bad ? 0 : reader->end - reader->at;
  Inode *inode;
  MossKey key;

  if (reader->bad || length > MOSS_TREE_XATTR_MAX || tree_xattrs (tree, ino, &inode) != 0)
    return FALSE;
  moss_key_init (&key, SPACE_XATTR, ino);
  moss_key_add (&key, name, strlen (name));
  if (set)
    g_hash_table_replace (inode->extra->xattrs, g_steal_pointer (&name),
                          g_bytes_new (reader->at, length));
  else
    g_hash_table_remove (inode->extra->xattrs, name);
  tree_dirty_key (tree, &key);
  inode->flags &= ~INODE_XATTRS;
  if (g_hash_table_size (inode->extra->xattrs) > 0)
    inode->flags |= INODE_XATTRS;
  inode->ctime_ns = time_ns;
  tree_touch (tree, inode, 0);
  return TRUE;
}

static gboolean
replay_close (MossTree *tree, guint64 ino, guint64 version)
{
  Inode *inode;

  if (tree_inode (tree, ino, &inode) != 0 || !S_ISREG (inode->mode))
    return FALSE;
  inode->flags &= ~INODE_WRITTEN;
  inode->flags |= INODE_CLOSED;
  inode->version = MAX (version, inode->version);
  tree_touch (tree, inode, 0);
  return TRUE;
}

static gboolean
replay_number (MossTree *tree, LogKind kind, guint64 ino, MossReader *reader)
{
  guint64 number = moss_read_number (reader, 8);
  Inode *inode;
  MossKey key;

  if (!moss_read_end (reader))
    return FALSE;
  switch (kind)
    {
    case LOG_CLOSE:
      return replay_close (tree, ino, number);
    case LOG_PIN:
      tree_set_pin (tree, ino, number >> 1, number & 1);
      return TRUE;
    case LOG_CONFLICT: /* resolved */
      g_hash_table_remove (tree->conflicts, &ino);
      moss_key_init (&key, SPACE_CONFLICT, ino);
      tree_dirty_key (tree, &key);
      return TRUE;
    default: /* LOG_RELEASE */
      inode = tree_find (tree, ino);
      if (inode == NULL || !g_hash_table_remove (tree->orphans, &ino))
        return FALSE;
      tree_forget (tree, inode);
      return TRUE;
    }
}

static gboolean
replay_one (MossTree *tree, MossReader *reader)
{
  LogKind kind = moss_read_number (reader, 1);
  guint64 ino = moss_read_number (reader, 8);

  if (reader->bad)
    return FALSE;
  switch (kind)
    {
    case LOG_MAKE:
      return replay_make (tree, ino, reader);
    case LOG_LINK:
      return replay_link (tree, ino, reader);
    case LOG_UNLINK:
      return replay_unlink (tree, ino, reader);
    case LOG_RENAME:
      return replay_rename (tree, ino, reader);
    case LOG_ATTR:
      return replay_attr (tree, ino, reader);
    case LOG_TRUNCATE:
    case LOG_PUNCH:
      return replay_cut (tree, kind, ino, reader);
    case LOG_WRITE:
      return replay_write (tree, ino, reader);
    case LOG_EXTENT:
      return replay_extent (tree, ino, reader);
    case LOG_XATTR:
      return replay_xattr (tree, ino, reader);
    case LOG_CLOSE:
    case LOG_PIN:
    case LOG_CONFLICT:
    case LOG_RELEASE:
      return replay_number (tree, kind, ino, reader);
    default:
      return FALSE;
    }
}

static gboolean
on_record (const guint8 *record, gsize length, gpointer user_data, GError **error)
{
  Replay *replay = user_data;
  MossReader reader = moss_reader (record, length);

  if (replay_one (replay->tree, &reader))
    replay->done++;
  else
    replay->skipped++;
  return TRUE;
}

/* With the lock, before the commit thread runs. */
gboolean
tree_replay (MossTree *tree, guint64 epoch, guint32 skip, GError **error)
{
  Replay replay = { .tree = tree };

  tree->replaying = TRUE;
  if (!moss_journal_replay (tree->journal, epoch, skip, on_record, &replay, error))
    return FALSE;
  tree->replaying = FALSE;
  if (replay.done + replay.skipped > 0)
    g_message ("%" G_GUINT64_FORMAT " changes in the journal of %s are done again, %"
               G_GUINT64_FORMAT " couldn't be", replay.done, tree->dir, replay.skipped);
  return TRUE;
}
