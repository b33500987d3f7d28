// SPDX-License-Identifier: GPL-3.0-or-later
/* Keys and values of the table, written and read.
 *
 * Policy: what is read here was written by some device of the identity, which may not be a
 * friend any more. Lengths, types, names and ranges are checked before anything is used; what
 * doesn't fit is an error that names the place. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/record.h"

#include "vfs/tree/bytes.h"

enum
{
  INODE_FORM = 1,
};

void
moss_key_init (MossKey *key, MossSpace space, guint64 ino)
{
  key->bytes[0] = space;
  moss_store_be64 (key->bytes + 1, ino);
  key->length = MOSS_NODE_KEY_MIN;
}

void
moss_key_add (MossKey *key, gconstpointer bytes, gsize length)
{
  g_return_if_fail (key->length + length <= sizeof key->bytes);
  memcpy (key->bytes + key->length, bytes, length);
  key->length += length;
}

void
moss_key_add_number (MossKey *key, guint64 number)
{
  guint8 bytes[8];

  moss_store_be64 (bytes, number);
  moss_key_add (key, bytes, sizeof bytes);
}

MossSpace
moss_key_space (const MossItem *item)
{
  return item->key[0];
}

guint64
moss_key_ino (const MossItem *item)
{
  return moss_load_be64 (item->key + 1);
}

char *
moss_key_name (const MossItem *item)
{
  return g_strndup ((const char *) item->key + MOSS_NODE_KEY_MIN,
                    item->key_length - MOSS_NODE_KEY_MIN);
}

gboolean
moss_key_number (const MossItem *item, guint64 *number)
{
  if (item->key_length < MOSS_NODE_KEY_MIN + 8)
    return FALSE;
  *number = moss_load_be64 (item->key + MOSS_NODE_KEY_MIN);
  return TRUE;
}

/* As one entry of a directory. */
gboolean
moss_name_valid (const char *name, gsize length)
{
  if (length == 0 || length > MOSS_TREE_NAME_MAX || memchr (name, '/', length) != NULL ||
      memchr (name, '\0', length) != NULL)
    return FALSE;
  return !(name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')));
}

gboolean
moss_ino_valid (guint64 ino)
{
  return ino != 0 && ino != G_MAXUINT64;
}

static gboolean
corrupt (const char *what, GError **error)
{
  g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
               "the tree holds a record that makes no sense: %s", what);
  return FALSE;
}

/* --- inodes --- */

void
moss_inode_record_write (const MossInodeRecord *r, GByteArray *out)
{
  moss_put_number (out, INODE_FORM, 1);
  moss_put_number (out, r->flags, 1);
  moss_put_number (out, r->mode, 4);
  moss_put_number (out, r->uid, 4);
  moss_put_number (out, r->gid, 4);
  moss_put_number (out, r->nlink, 4);
  moss_put_number (out, r->rdev, 8);
  moss_put_number (out, r->size, 8);
  moss_put_number (out, r->allocated, 8);
  moss_put_number (out, r->atime_ns, 8);
  moss_put_number (out, r->mtime_ns, 8);
  moss_put_number (out, r->ctime_ns, 8);
  moss_put_number (out, r->btime_ns, 8);
  moss_put_number (out, r->version, 8);
  moss_put_number (out, r->attr_dot, 8);
  moss_put_number (out, r->content_dot, 8);
  moss_put_number (out, r->parent, 8);
  moss_put_number (out, r->tail_length, 2);
  moss_put_bytes (out, r->tail, r->tail_length);
}

static gboolean
check_inode (const MossInodeRecord *r, GError **error)
{
  guint32 type = r->mode & S_IFMT;

  if (r->flags & ~RECORD_FLAGS)
    return corrupt ("an inode with unknown flags", error);
  if ((r->mode & ~(S_IFMT | 07777)) ||
      (type != S_IFREG && type != S_IFDIR && type != S_IFLNK && type != S_IFIFO &&
       type != S_IFSOCK && type != S_IFCHR && type != S_IFBLK))
    return corrupt ("an inode of no type", error);
  if (r->size > MOSS_TREE_SIZE_MAX || r->allocated > MOSS_TREE_SIZE_MAX)
    return corrupt ("an inode with an absurd size", error);
  if (type == S_IFLNK)
    return (r->tail_length > 0 && r->tail_length <= TARGET_MAX &&
            memchr (r->tail, '\0', r->tail_length) == NULL) ||
           corrupt ("a symbolic link that leads nowhere", error);
  if (r->flags & RECORD_INLINE)
    return (type == S_IFREG && r->tail_length <= INLINE_MAX && r->tail_length <= r->size) ||
           corrupt ("an inline file with an impossible length", error);
  return r->tail_length == 0 || corrupt ("an inode with something behind it", error);
}

gboolean
moss_inode_record_read (const guint8 *bytes,
                        gsize length,
                        MossInodeRecord *r,
                        GError **error)
{
  MossReader reader = moss_reader (bytes, length);
  guint form = moss_read_number (&reader, 1);

  memset (r, 0, sizeof *r);
  r->flags = moss_read_number (&reader, 1);
  r->mode = moss_read_number (&reader, 4);
  r->uid = moss_read_number (&reader, 4);
  r->gid = moss_read_number (&reader, 4);
  r->nlink = moss_read_number (&reader, 4);
  r->rdev = moss_read_number (&reader, 8);
  r->size = moss_read_number (&reader, 8);
  r->allocated = moss_read_number (&reader, 8);
  r->atime_ns = moss_read_number (&reader, 8);
  r->mtime_ns = moss_read_number (&reader, 8);
  r->ctime_ns = moss_read_number (&reader, 8);
  r->btime_ns = moss_read_number (&reader, 8);
  r->version = moss_read_number (&reader, 8);
  r->attr_dot = moss_read_number (&reader, 8);
  r->content_dot = moss_read_number (&reader, 8);
  r->parent = moss_read_number (&reader, 8);
  r->tail_length = moss_read_number (&reader, 2);
  r->tail = moss_read_bytes (&reader, r->tail_length);
  if (!moss_read_end (&reader) || form != INODE_FORM)
    return corrupt ("an inode of an impossible length or form", error);
  return check_inode (r, error);
}

void
moss_inode_record_attr (const MossInodeRecord *r, guint64 ino, MossTreeAttr *attr)
{
  *attr = (MossTreeAttr){ .ino = ino,
                          .mode = r->mode,
                          .nlink = r->nlink,
                          .uid = r->uid,
                          .gid = r->gid,
                          .rdev = r->rdev,
                          .size = r->size,
                          .allocated = r->allocated,
                          .atime_ns = r->atime_ns,
                          .mtime_ns = r->mtime_ns,
                          .ctime_ns = r->ctime_ns,
                          .btime_ns = r->btime_ns,
                          .version = r->version };
}

/* --- entries --- */

void
moss_entry_record_write (const MossEntryRecord *record, GByteArray *out)
{
  moss_put_number (out, record->dot, 8);
  moss_put_number (out, record->ino, 8);
  moss_put_number (out, record->type >> 12, 1);
}

gboolean
moss_entry_record_read (const MossItem *item, MossEntryRecord *record, GError **error)
{
  MossReader reader = moss_reader (item->value, item->value_length);

  record->dot = moss_read_number (&reader, 8);
  record->ino = moss_read_number (&reader, 8);
  record->type = moss_read_number (&reader, 1) << 12;
  if (!moss_read_end (&reader))
    return corrupt ("an entry of an impossible length", error);
  if (!moss_name_valid ((const char *) item->key + MOSS_NODE_KEY_MIN,
                        item->key_length - MOSS_NODE_KEY_MIN))
    return corrupt ("a forbidden name", error);
  if (!moss_ino_valid (record->ino) || record->ino == MOSS_TREE_ROOT ||
      (record->type & ~S_IFMT) || record->ino == moss_key_ino (item))
    return corrupt ("an entry that leads where none can", error);
  return TRUE;
}

/* --- extents --- */

void
moss_extent_write (const MossSegment *segment, GByteArray *out)
{
  moss_put_number (out, segment->length, 4);
  moss_put_number (out, segment->source->start + segment->start, 4);
  moss_put_bytes (out, &segment->source->ref, sizeof (MossRef));
}

/* Appends it to @content: offsets must grow. */
gboolean
moss_extent_read (const guint8 *bytes,
                  gsize length,
                  guint64 offset,
                  MossContent *content,
                  GError **error)
{
  MossReader reader = moss_reader (bytes, length);
  guint32 extent = moss_read_number (&reader, 4);
  guint32 start = moss_read_number (&reader, 4);
  MossSource *source;
  MossRef ref;

  moss_read_into (&reader, &ref, sizeof ref);
  if (!moss_read_end (&reader) || extent == 0 || extent > MOSS_OBJECT_MAX_PLAIN ||
      start > MOSS_OBJECT_MAX_PLAIN - extent || offset > MOSS_TREE_SIZE_MAX - extent)
    return corrupt ("an extent with an impossible place or length", error);
  if (content->count > 0)
    {
      MossSegment *last = &content->segments[content->count - 1];

      if (last->offset + last->length > offset)
        return corrupt ("two extents of a file overlap", error);
    }
  source = moss_source_new_stored (&ref, start, extent);
  moss_content_insert (content, offset, extent, 0, source);
  moss_source_unref (source);
  return TRUE;
}

/* --- the rest --- */

void
moss_xattr_record_write (const MossXattrRecord *record, GByteArray *out)
{
  moss_put_number (out, record->dot, 8);
  moss_put_number (out, record->stored, 1);
  if (record->stored)
    {
      moss_put_number (out, record->length, 4);
      moss_put_bytes (out, &record->ref, sizeof record->ref);
    }
  else
    moss_put_bytes (out, record->value, record->length);
}

gboolean
moss_xattr_record_read (const MossItem *item, MossXattrRecord *record, GError **error)
{
  MossReader reader = moss_reader (item->value, item->value_length);
  guint stored;

  memset (record, 0, sizeof *record);
  record->dot = moss_read_number (&reader, 8);
  stored = moss_read_number (&reader, 1);
  record->stored = stored == 1;
  if (record->stored)
    {
      record->length = moss_read_number (&reader, 4);
      moss_read_into (&reader, &record->ref, sizeof record->ref);
    }
  else if (!reader.bad)
    {
      record->length = reader.end - reader.at;
      record->value = moss_read_bytes (&reader, record->length);
    }
  if (!moss_read_end (&reader) || stored > 1 || record->length > MOSS_TREE_XATTR_MAX ||
      item->key_length == MOSS_NODE_KEY_MIN ||
      memchr (item->key + MOSS_NODE_KEY_MIN, '\0', item->key_length - MOSS_NODE_KEY_MIN))
    return corrupt ("an extended attribute", error);
  return TRUE;
}

void
moss_version_record_write (const MossVersionRecord *record, GByteArray *out)
{
  moss_put_number (out, record->dot, 8);
  moss_put_number (out, record->size, 8);
  moss_put_number (out, record->time_us, 8);
  moss_put_number (out, record->kind, 1);
  moss_put_bytes (out, record->tail, record->tail_length);
}

gboolean
moss_version_record_read (const MossItem *item, MossVersionRecord *record, GError **error)
{
  MossReader reader = moss_reader (item->value, item->value_length);

  record->dot = moss_read_number (&reader, 8);
  record->size = moss_read_number (&reader, 8);
  record->time_us = moss_read_number (&reader, 8);
  record->kind = moss_read_number (&reader, 1);
  record->tail_length = reader.bad ? 0 : reader.end - reader.at;
  record->tail = moss_read_bytes (&reader, record->tail_length);
  if (!moss_read_end (&reader) || record->kind > 2 || record->size > MOSS_TREE_SIZE_MAX ||
      item->key_length != MOSS_NODE_KEY_MIN + 10 ||
      (record->kind == 0 && record->tail_length > MIN (INLINE_MAX, record->size)) ||
      (record->kind == 1 && record->tail_length % 80 != 0) ||
      (record->kind == 2 && record->tail_length % sizeof (MossRef) != 0))
    return corrupt ("an old version", error);
  return TRUE;
}

void
moss_conflict_record_write (const MossConflictRecord *record, GByteArray *out)
{
  moss_put_number (out, record->dot, 8);
  moss_put_number (out, record->ino, 8);
  moss_put_number (out, record->slot, 2);
  moss_put_number (out, record->time_us, 8);
  moss_put_number (out, record->cause[0], 8);
  moss_put_number (out, record->cause[1], 8);
}

gboolean
moss_conflict_record_read (const MossItem *item, MossConflictRecord *record, GError **error)
{
  MossReader reader = moss_reader (item->value, item->value_length);

  record->dot = moss_read_number (&reader, 8);
  record->ino = moss_read_number (&reader, 8);
  record->slot = moss_read_number (&reader, 2);
  record->time_us = moss_read_number (&reader, 8);
  record->cause[0] = moss_read_number (&reader, 8);
  record->cause[1] = moss_read_number (&reader, 8);
  return (moss_read_end (&reader) && item->key_length == MOSS_NODE_KEY_MIN) ||
         corrupt ("a conflict", error);
}

void
moss_history_record_write (const MossHistoryRecord *record, GByteArray *out)
{
  moss_put_number (out, record->dot, 8);
  moss_put_bytes (out, record->id, sizeof record->id);
  moss_put_bytes (out, &record->table, sizeof record->table);
}

gboolean
moss_history_record_read (const MossItem *item, MossHistoryRecord *record, GError **error)
{
  MossReader reader = moss_reader (item->value, item->value_length);

  record->dot = moss_read_number (&reader, 8);
  moss_read_into (&reader, record->id, sizeof record->id);
  moss_read_into (&reader, &record->table, sizeof record->table);
  return (moss_read_end (&reader) && item->key_length == MOSS_NODE_KEY_MIN + 2) ||
         corrupt ("a former root", error);
}

gboolean
moss_dot_read (const MossItem *item, gsize more, guint64 *dot, GError **error)
{
  MossReader reader = moss_reader (item->value, item->value_length);

  *dot = moss_read_number (&reader, 8);
  moss_read_bytes (&reader, more);
  return moss_read_end (&reader) || corrupt ("a dot", error);
}

static gboolean
check_extent (const MossItem *item, GError **error)
{
  g_autoptr (MossContent) content = moss_content_new ();
  guint64 offset;

  if (!moss_key_number (item, &offset) || item->key_length != MOSS_NODE_KEY_MIN + 8)
    return corrupt ("an extent without a place", error);
  return moss_extent_read (item->value, item->value_length, offset, content, error);
}

/**
 * moss_item_check:
 * @dot: (out): of entries, attributes, versions, conflicts, former roots, pins, devices; of an
 *   inode the larger one of its two; 0 of extents
 *
 * Whether @item is one that our own code could have written.
 */
gboolean
moss_item_check (const MossItem *item, guint64 *dot, GError **error)
{
  MossInodeRecord inode;
  MossEntryRecord entry;
  MossXattrRecord xattr;
  MossVersionRecord version;
  MossConflictRecord conflict;
  MossHistoryRecord history;
  gboolean ok = FALSE;

  *dot = 0;
  switch (moss_key_space (item))
    {
    case SPACE_INODE:
      ok = item->key_length == MOSS_NODE_KEY_MIN && moss_ino_valid (moss_key_ino (item)) &&
           moss_inode_record_read (item->value, item->value_length, &inode, error);
      *dot = ok ? MAX (inode.attr_dot, inode.content_dot) : 0;
      break;
    case SPACE_ENTRY:
      ok = moss_entry_record_read (item, &entry, error);
      *dot = entry.dot;
      break;
    case SPACE_EXTENT:
      ok = check_extent (item, error);
      break;
    case SPACE_XATTR:
      ok = moss_xattr_record_read (item, &xattr, error);
      *dot = xattr.dot;
      break;
    case SPACE_VERSION:
      ok = moss_version_record_read (item, &version, error);
      *dot = version.dot;
      break;
    case SPACE_CONFLICT:
      ok = moss_conflict_record_read (item, &conflict, error);
      *dot = conflict.dot;
      break;
    case SPACE_PIN:
      ok = item->key_length == MOSS_NODE_KEY_MIN + 2 && moss_dot_read (item, 0, dot, error);
      break;
    case SPACE_HISTORY:
      ok = moss_history_record_read (item, &history, error);
      *dot = history.dot;
      break;
    case SPACE_DEVICE:
      ok = item->key_length == MOSS_NODE_KEY_MIN && moss_dot_read (item, 32, dot, error);
      break;
    default:
      break;
    }
  if (!ok && error != NULL && *error == NULL)
    corrupt ("a key of an unknown kind or length", error);
  return ok;
}
