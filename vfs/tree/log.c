// SPDX-License-Identifier: GPL-3.0-or-later
/* Journal records: docs/formats/tree.md has their bytes. What is written here replay.c reads. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "vfs/tree/bytes.h"

enum
{
  KEEP = 64 * 1024, /* a longer record's buffer isn't kept */
};

/* The tree's own buffer: the lock is held. */
static GByteArray *
begin (MossTree *tree, LogKind kind, guint64 ino)
{
  GByteArray *record = tree->record;

  g_byte_array_set_size (record, 0);
  moss_put_number (record, kind, 1);
  moss_put_number (record, ino, 8);
  return record;
}

static void
put_name (GByteArray *record, const char *name)
{
  moss_put_number (record, strlen (name), 1);
  moss_put_bytes (record, name, strlen (name));
}

static void
end (MossTree *tree, GByteArray *record)
{
  moss_journal_append (tree->journal, record->data, record->len);
  if (record->len <= KEEP)
    return;
  g_byte_array_unref (record);
  tree->record = g_byte_array_new ();
}

void
log_make (MossTree *tree, guint64 parent, const char *name, const Inode *inode)
{
  GByteArray *record = begin (tree, LOG_MAKE, parent);
  MossInodeRecord inode_bytes;

  put_name (record, name);
  moss_put_number (record, inode->ino, 8);
  inode_record (inode, &inode_bytes);
  moss_inode_record_write (&inode_bytes, record);
  end (tree, record);
}

void
log_link (MossTree *tree, guint64 ino, guint64 parent, const char *name, gint64 time_ns)
{
  GByteArray *record = begin (tree, LOG_LINK, parent);

  put_name (record, name);
  moss_put_number (record, ino, 8);
  moss_put_number (record, time_ns, 8);
  end (tree, record);
}

void
log_unlink (MossTree *tree, guint64 parent, const char *name, gint64 time_ns)
{
  GByteArray *record = begin (tree, LOG_UNLINK, parent);

  put_name (record, name);
  moss_put_number (record, time_ns, 8);
  end (tree, record);
}

void
log_rename (MossTree *tree,
            guint64 parent,
            const char *name,
            guint64 new_parent,
            const char *new_name,
            gboolean exchange,
            gint64 time_ns)
{
  GByteArray *record = begin (tree, LOG_RENAME, parent);

  put_name (record, name);
  moss_put_number (record, new_parent, 8);
  put_name (record, new_name);
  moss_put_number (record, exchange, 1);
  moss_put_number (record, time_ns, 8);
  end (tree, record);
}

void
log_attr (MossTree *tree, const Inode *inode)
{
  GByteArray *record = begin (tree, LOG_ATTR, inode->ino);

  moss_put_number (record, inode->mode, 4);
  moss_put_number (record, inode->uid, 4);
  moss_put_number (record, inode->gid, 4);
  moss_put_number (record, inode->atime_ns, 8);
  moss_put_number (record, inode->mtime_ns, 8);
  moss_put_number (record, inode->ctime_ns, 8);
  end (tree, record);
}

void
log_truncate (MossTree *tree, const Inode *inode)
{
  GByteArray *record = begin (tree, LOG_TRUNCATE, inode->ino);

  moss_put_number (record, inode->size, 8);
  moss_put_number (record, inode->mtime_ns, 8);
  end (tree, record);
}

void
log_punch (MossTree *tree, const Inode *inode, guint64 offset, guint64 length)
{
  GByteArray *record = begin (tree, LOG_PUNCH, inode->ino);

  moss_put_number (record, offset, 8);
  moss_put_number (record, length, 8);
  moss_put_number (record, inode->mtime_ns, 8);
  end (tree, record);
}

void
log_write (MossTree *tree,
           const Inode *inode,
           guint64 offset,
           const guint8 *data,
           guint32 length)
{
  GByteArray *record = begin (tree, LOG_WRITE, inode->ino);

  moss_put_number (record, offset, 8);
  moss_put_number (record, inode->mtime_ns, 8);
  moss_put_bytes (record, data, length);
  end (tree, record);
}

void
log_extent (MossTree *tree, const Inode *inode, const MossSegment *segment)
{
  GByteArray *record = begin (tree, LOG_EXTENT, inode->ino);

  moss_put_number (record, segment->offset, 8);
  moss_put_number (record, inode->mtime_ns, 8);
  moss_extent_write (segment, record);
  end (tree, record);
}

/* @value: NULL: removed */
void
log_xattr (MossTree *tree, guint64 ino, const char *name, GBytes *value, gint64 time_ns)
{
  GByteArray *record = begin (tree, LOG_XATTR, ino);

  put_name (record, name);
  moss_put_number (record, time_ns, 8);
  moss_put_number (record, value != NULL, 1);
  if (value != NULL)
    moss_put_bytes (record, g_bytes_get_data (value, NULL), g_bytes_get_size (value));
  end (tree, record);
}

void
log_number (MossTree *tree, LogKind kind, guint64 ino, guint64 number)
{
  GByteArray *record = begin (tree, kind, ino);

  moss_put_number (record, number, 8);
  end (tree, record);
}
