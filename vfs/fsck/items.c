// SPDX-License-Identifier: GPL-3.0-or-later
/* The records of the table, each by itself. docs/formats/tree.md. */
#define G_LOG_DOMAIN "moss-fsck"

#include "vfs/fsck/fsck.h"

#include <sys/stat.h>

enum
{
  EXTENT_BYTES = 72,
  PLACED_EXTENT_BYTES = 80,
  INLINE_MAX = 384,
  TARGET_MAX = 4095,
  XATTR_MAX = 65536,
};

#define FILE_MAX (G_GUINT64_CONSTANT (1) << 44)

typedef enum
{
  INODE = 1,
  ENTRY,
  EXTENT,
  XATTR,
  VERSION,
  CONFLICT,
  PIN,
  HISTORY,
  DEVICE
} Space;

typedef struct
{
  guint8 flags;
  guint32 mode, links;
  guint64 size, allocated, parent;
} Inode;

static const char *
parse_inode (const guint8 *bytes, gsize length, Inode *inode)
{
  In in = in_new (bytes, length);
  guint form = in_number (&in, 1);
  const guint8 *tail;
  guint tail_length;
  mode_t type;

  inode->flags = in_number (&in, 1);
  inode->mode = in_number (&in, 4);
  in_bytes (&in, 8);
  inode->links = in_number (&in, 4);
  in_bytes (&in, 8);
  inode->size = in_number (&in, 8);
  inode->allocated = in_number (&in, 8);
  in_bytes (&in, 4 * 8 + 3 * 8);
  inode->parent = in_number (&in, 8);
  tail_length = in_number (&in, 2);
  tail = in_bytes (&in, tail_length);
  type = inode->mode & S_IFMT;
  if (!in_end (&in) || form != 1)
    return "it has an impossible length or form";
  if (inode->flags > 7)
    return "it has unknown flags";
  if (inode->mode & ~(S_IFMT | 07777) ||
      !(S_ISREG (type) || S_ISDIR (type) || S_ISLNK (type) || S_ISFIFO (type) ||
        S_ISSOCK (type) || S_ISCHR (type) || S_ISBLK (type)))
    return "it is of no type";
  if (inode->size > FILE_MAX || inode->allocated > FILE_MAX)
    return "it has an absurd size";
  if (S_ISLNK (type) &&
      (tail_length == 0 || tail_length > TARGET_MAX || memchr (tail, 0, tail_length) != NULL))
    return "the symbolic link leads nowhere";
  if (inode->flags & 1 &&
      (!S_ISREG (type) || tail_length > INLINE_MAX || tail_length > inode->size))
    return "its inline content has an impossible length";
  return tail_length == 0 || S_ISLNK (type) || inode->flags & 1 ? NULL
                                                                : "something stands behind it";
}

gboolean
inode_is_good (const guint8 *bytes, gsize length, const char **reason)
{
  Inode inode;

  *reason = parse_inode (bytes, length, &inode);
  return *reason == NULL;
}

static const char *
check_inode (Check *check, guint64 ino, const guint8 *value, guint length)
{
  Inode inode;
  const char *reason = parse_inode (value, length, &inode);

  if (reason != NULL || !check->current)
    return reason;
  check->inodes++;
  work_add (check, check->add_inode,
            (gint64[]){ ino, (inode.mode & S_IFMT) >> 12, inode.links, inode.parent, inode.size,
                        inode.allocated, inode.flags & 1 }, 7);
  return NULL;
}

static const char *
check_entry (Check *check,
             guint64 dir,
             const guint8 *name,
             guint name_length,
             const guint8 *value,
             guint length)
{
  In in = in_new (value, length);
  guint64 ino;
  guint type;

  in_number (&in, 8);
  ino = in_number (&in, 8);
  type = in_number (&in, 1);
  if (!in_end (&in))
    return "it has an impossible length";
  if (!name_is_legal (name, name_length))
    return "the name is forbidden";
  if (ino <= 1 || ino == G_MAXUINT64 || ino == dir || type > 15)
    return "it leads where none can";
  if (!check->current)
    return NULL;
  check->names++;
  work_add (check, check->add_name, (gint64[]){ dir, ino, type }, 3);
  return NULL;
}

/* FALSE: it can't be; whether its object is whole is a finding of its own. */
gboolean
extent_check (Check *check, guint64 offset, const guint8 *bytes, const char *whose)
{
  In in = in_new (bytes, EXTENT_BYTES);
  guint32 length = in_number (&in, 4);
  guint32 start = in_number (&in, 4);

  if (length == 0 || length > PLAIN_MAX || start > PLAIN_MAX - length ||
      offset > FILE_MAX - length)
    return FALSE;
  store_check_ref (check, bytes + 8, (guint64) start + length, whose);
  return TRUE;
}

static const char *
check_extent (Check *check,
              guint64 ino,
              const guint8 *place,
              const guint8 *value,
              guint length,
              const char *whose)
{
  guint64 offset = big_endian (place);
  In in = in_new (value, length);
  guint32 bytes = in_number (&in, 4);

  if (length != EXTENT_BYTES || !extent_check (check, offset, value, whose))
    return "the extent has an impossible place or length";
  if (!check->current)
    return NULL;
  if (check->extent_ino != ino)
    {
      check->extent_ino = ino;
      check->extent_end = check->extent_sum = 0;
    }
  if (offset < check->extent_end)
    return "two extents overlap";
  check->extent_end = offset + bytes;
  check->extent_sum += bytes;
  work_add (check, check->add_extent,
            (gint64[]){ ino, check->extent_end, check->extent_sum }, 3);
  return NULL;
}

static const char *
check_xattr (Check *check, guint64 ino, const guint8 *value, guint length, const char *whose)
{
  In in = in_new (value, length);
  guint stored, bytes;
  const guint8 *ref;

  in_number (&in, 8);
  stored = in_number (&in, 1);
  if (in.bad || stored > 1)
    return "the attribute has an impossible form";
  if (check->current)
    work_add (check, check->add_owner, (gint64[]){ ino }, 1);
  if (!stored)
    return NULL;
  bytes = in_number (&in, 4);
  ref = in_bytes (&in, REF_BYTES);
  if (!in_end (&in) || bytes > XATTR_MAX)
    return "the attribute has an impossible length";
  store_check_ref (check, ref, bytes, whose);
  return NULL;
}

static const char *
check_extents (Check *check, const guint8 *bytes, guint length, const char *whose)
{
  guint64 end = 0;

  if (length % PLACED_EXTENT_BYTES != 0)
    return "its list of extents has an impossible length";
  for (guint at = 0; at < length; at += PLACED_EXTENT_BYTES)
    {
      In in = in_new (bytes + at, PLACED_EXTENT_BYTES);
      guint64 offset = in_number (&in, 8);

      if (!extent_check (check, offset, bytes + at + 8, whose) || offset < end)
        return "it has an extent with an impossible place";
      end = offset + in_number (&in, 4);
    }
  return NULL;
}

/* The extents of an old content, many of them in objects of their own. */
static const char *
check_version (Check *check, const guint8 *value, guint length, const char *whose)
{
  In in = in_new (value, length);
  guint64 size;
  guint kind;

  in_number (&in, 8);
  size = in_number (&in, 8);
  in_number (&in, 8);
  kind = in_number (&in, 1);
  length = in.end - in.at;
  if (in.bad || kind > 2 || size > FILE_MAX)
    return "the version has an impossible form";
  if (kind == 0)
    return length <= MIN (INLINE_MAX, size) ? NULL : "the version is longer than its file";
  if (kind == 1)
    return check_extents (check, in.at, length, whose);
  if (length % REF_BYTES != 0)
    return "the version has an impossible length";
  for (guint at = 0; at < length; at += REF_BYTES)
    {
      g_autofree guint8 *plain = NULL;
      const char *reason;
      guint32 bytes;

      store_check_ref (check, in.at + at, PLACED_EXTENT_BYTES, whose);
      if (store_open_object (check, in.at + at, &plain, &bytes, &reason) != OBJECT_GOOD)
        continue;
      reason = check_extents (check, plain, bytes, whose);
      if (reason != NULL)
        return reason;
    }
  return NULL;
}

static const char *
check_history (Check *check, const guint8 *value, guint length)
{
  if (length != 8 + 32 + REF_BYTES)
    return "the former root has an impossible length";
  if (!check->current)
    return NULL;
  sqlite3_bind_blob (check->add_history, 1, value + 40, REF_BYTES, SQLITE_STATIC);
  work_run (check, check->add_history);
  return NULL;
}

static const char *
check_item (Check *check,
            const guint8 *key,
            guint more,
            const guint8 *value,
            guint length,
            const char *whose)
{
  /* What stands behind kind and inode of a key, and how long a value is that is always so. */
  static const struct
  {
    guint more, length;
  } sizes[] = { [INODE] = { 0 }, [EXTENT] = { 8 }, [VERSION] = { 10 }, [CONFLICT] = { 0, 42 },
                [PIN] = { 2, 8 }, [HISTORY] = { 2 }, [DEVICE] = { 0, 40 } };
  guint64 ino = big_endian (key + 1);

  if (key[0] < INODE || key[0] > DEVICE)
    return "it is of an unknown kind";
  if (key[0] != ENTRY && key[0] != XATTR &&
      (more != sizes[key[0]].more ||
       (sizes[key[0]].length != 0 && length != sizes[key[0]].length)))
    return "its key or value has an impossible length";
  switch ((Space) key[0])
    {
    case INODE:
      return ino == 0 || ino == G_MAXUINT64 ? "its number can't be"
                                            : check_inode (check, ino, value, length);
    case ENTRY:
      return check_entry (check, ino, key + 9, more, value, length);
    case EXTENT:
      return check_extent (check, ino, key + 9, value, length, whose);
    case XATTR:
      return more == 0 || memchr (key + 9, 0, more) != NULL
                 ? "the attribute has no name"
                 : check_xattr (check, ino, value, length, whose);
    case VERSION:
      return check_version (check, value, length, whose);
    case HISTORY:
      return check_history (check, value, length);
    default:
      return NULL;
    }
}

/* @key_length: at least 9 */
void
item_check (Check *check,
            const guint8 *key,
            guint key_length,
            const guint8 *value,
            guint value_length)
{
  static const char *const kinds[] = { "record", "inode", "a name in inode", "extent of inode",
                                       "attribute of inode", "version of inode",
                                       "conflict of inode", "pin of inode", "former root",
                                       "device" };
  g_autofree char *whose =
      g_strdup_printf ("%s %" G_GINT64_MODIFIER "x", kinds[key[0] <= DEVICE ? key[0] : 0],
                       big_endian (key + 1));
  const char *reason = check_item (check, key, key_length - 9, value, value_length, whose);

  if (reason != NULL)
    finding (check, whose, reason, "go back to a version of it");
}

/* Files that were open without a name at the last commit. */
void
orphans_check (Check *check)
{
  g_autofree guint8 *plain = NULL;
  const char *reason;
  guint32 length;
  In in;

  if (is_zero (check->orphans, ID_BYTES))
    return;
  if (store_open_object (check, check->orphans, &plain, &length, &reason) != OBJECT_GOOD)
    {
      finding (check, "files without a name", reason, "they are lost when netd starts");
      return;
    }
  in = in_new (plain, length);
  while (in.at < in.end)
    {
      guint64 ino = in_number (&in, 8);
      g_autofree char *whose = g_strdup_printf ("nameless inode %" G_GINT64_MODIFIER "x", ino);
      const guint8 *record, *extents;
      guint bytes, count;

      in_number (&in, 4);
      bytes = in_number (&in, 2);
      record = in_bytes (&in, bytes);
      count = in_number (&in, 4);
      extents = count > PLAIN_MAX / PLACED_EXTENT_BYTES
                    ? NULL
                    : in_bytes (&in, count * PLACED_EXTENT_BYTES);
      if (record == NULL || extents == NULL)
        reason = "it is cut off";
      else if (inode_is_good (record, bytes, &reason))
        reason = check_extents (check, extents, count * PLACED_EXTENT_BYTES, whose);
      if (reason != NULL)
        finding (check, whose, reason, "it is lost when netd starts");
      if (extents == NULL)
        return;
    }
}
