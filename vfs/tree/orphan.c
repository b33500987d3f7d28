// SPDX-License-Identifier: GPL-3.0-or-later
/* Files without a name that somebody has open: no table has them, so a commit keeps them in an
 * object of their own, for the process that comes after this one. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "vfs/tree/bytes.h"

enum
{
  ORPHAN_SEGMENTS_MAX = 8192,
  BLOB_MAX = 1000 * 1000,
};

/* With the lock. Its content is frozen. */
Orphan *
orphan_new (const Inode *inode)
{
  Orphan *orphan = g_new0 (Orphan, 1);
  MossInodeRecord record;

  orphan->ino = inode->ino;
  orphan->opens = inode->opens;
  orphan->record = g_byte_array_new ();
  inode_record (inode, &record);
  moss_inode_record_write (&record, orphan->record);
  if (S_ISREG (inode->mode) && inode->content != NULL)
    orphan->content = moss_content_copy (inode->content);
  return orphan;
}

void
orphan_free (Orphan *orphan)
{
  g_byte_array_unref (orphan->record);
  g_clear_pointer (&orphan->content, moss_content_free);
  g_free (orphan);
}

static void
write_orphan (GByteArray *out, const Orphan *orphan)
{
  guint count = orphan->content != NULL ? orphan->content->count : 0;

  moss_put_number (out, orphan->ino, 8);
  moss_put_number (out, orphan->opens, 4);
  moss_put_number (out, orphan->record->len, 2);
  moss_put_bytes (out, orphan->record->data, orphan->record->len);
  moss_put_number (out, count, 4);
  for (guint i = 0; i < count; i++)
    {
      moss_put_number (out, orphan->content->segments[i].offset, 8);
      moss_extent_write (&orphan->content->segments[i], out);
    }
}

/* @orphans: (element-type Orphan), all stored */
gboolean
orphans_store (MossTree *tree, GPtrArray *orphans, MossRef *ref, GError **error)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  memset (ref, 0, sizeof *ref);
  for (guint i = 0; i < orphans->len; i++)
    {
      Orphan *orphan = g_ptr_array_index (orphans, i);

      if (orphan->content != NULL && orphan->content->count > ORPHAN_SEGMENTS_MAX)
        g_message ("an unlinked file of %u pieces won't outlive this process",
                   orphan->content->count);
      else if (out->len < BLOB_MAX - 80 * ORPHAN_SEGMENTS_MAX)
        write_orphan (out, orphan);
    }
  return out->len == 0 ||
         moss_store_put (tree->config.store, out->data, out->len, ref, error);
}

static gboolean
read_orphan (MossTree *tree, MossReader *reader, GError **error)
{
  guint64 ino = moss_read_number (reader, 8);
  guint32 opens = moss_read_number (reader, 4);
  guint16 length = moss_read_number (reader, 2);
  const guint8 *bytes = moss_read_bytes (reader, length);
  guint32 count = moss_read_number (reader, 4);
  g_autoptr (MossContent) content = moss_content_new ();
  MossInodeRecord record;
  Inode *inode;

  if (bytes == NULL || !moss_inode_record_read (bytes, length, &record, error))
    return FALSE;
  for (guint i = 0; i < count && !reader->bad; i++)
    {
      guint64 offset = moss_read_number (reader, 8);
      const guint8 *extent = moss_read_bytes (reader, 72);

      if (extent == NULL || !moss_extent_read (extent, 72, offset, content, error))
        return FALSE;
    }
  if (reader->bad || tree_find (tree, ino) != NULL || S_ISDIR (record.mode))
    return FALSE;
  inode = tree_add (tree, ino);
  inode_fill (inode, &record);
  inode->nlink = 0;
  inode->opens = opens;
  if (S_ISREG (inode->mode))
    inode->content = g_steal_pointer (&content);
  g_hash_table_add (tree->orphans, g_memdup2 (&ino, sizeof ino));
  return TRUE;
}

/* At the start, with the lock. What can't be read is lost: its file had no name. */
gboolean
orphans_load (MossTree *tree, const MossRef *ref, GError **error)
{
  g_autoptr (GBytes) blob = NULL;
  MossReader reader;
  gsize length;
  const guint8 *bytes;

  if (moss_table_is_empty (ref))
    return TRUE;
  blob = moss_table_object (tree->table, ref, error);
  if (blob == NULL)
    return FALSE;
  bytes = g_bytes_get_data (blob, &length);
  reader = moss_reader (bytes, length);
  while (reader.at < reader.end)
    if (!read_orphan (tree, &reader, error))
      return FALSE;
  return TRUE;
}
