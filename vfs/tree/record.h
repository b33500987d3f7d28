// SPDX-License-Identifier: GPL-3.0-or-later
/* Keys and values of the table. docs/formats/tree.md. */
#pragma once

#include "vfs/tree/content.h"
#include "vfs/tree/table.h"

/* First byte of a key; the order is that of what is read together. Numbers are on disks. */
typedef enum
{
  SPACE_INODE = 1,    /* ino */
  SPACE_ENTRY = 2,    /* ino of the directory, name */
  SPACE_EXTENT = 3,   /* ino, offset */
  SPACE_XATTR = 4,    /* ino, name */
  SPACE_VERSION = 5,  /* ino, version, slot */
  SPACE_CONFLICT = 6, /* ino of the copy */
  SPACE_PIN = 7,      /* ino, slot */
  SPACE_HISTORY = 8,  /* time_us, slot */
  SPACE_DEVICE = 9,   /* slot */
  N_SPACES
} MossSpace;

#define INLINE_MAX 384
#define TARGET_MAX 4095
#define XATTR_INLINE_MAX 2048
#define SLOT_SHIFT 48
#define NUMBER_MAX ((G_GUINT64_CONSTANT (1) << SLOT_SHIFT) - 1)
#define SLOT_OF(x) ((guint16) ((x) >> SLOT_SHIFT))
#define NUMBER_OF(x) ((x) & NUMBER_MAX)

typedef struct
{
  guint8 bytes[MOSS_NODE_KEY_MAX];
  guint16 length;
} MossKey;

void moss_key_init (MossKey *key, MossSpace space, guint64 ino);
void moss_key_add (MossKey *key, gconstpointer bytes, gsize length);
void moss_key_add_number (MossKey *key, guint64 number);
/* Of an item whose length was checked by the node. */
MossSpace moss_key_space (const MossItem *item);
guint64 moss_key_ino (const MossItem *item);
char *moss_key_name (const MossItem *item); /* (transfer full) the bytes after the ino */
gboolean moss_key_number (const MossItem *item, guint64 *number);

gboolean moss_name_valid (const char *name, gsize length);
gboolean moss_ino_valid (guint64 ino);

/* A dot says who changed something last, and in which root of theirs: slot << 48 | number. */
typedef enum
{
  RECORD_INLINE = 1 << 0, /* tail is the content */
  RECORD_CLOSED = 1 << 1, /* the content is a whole version */
  RECORD_XATTRS = 1 << 2, /* it has some */
  RECORD_FLAGS = 7
} MossRecordFlags;

typedef struct
{
  guint8 flags;
  guint32 mode, uid, gid, nlink;
  guint64 rdev, size, allocated;
  gint64 atime_ns, mtime_ns, ctime_ns, btime_ns;
  guint64 version;
  guint64 attr_dot;    /* of mode and owners; and times when the content is no newer */
  guint64 content_dot; /* of size, content, mtime */
  guint64 parent;
  guint16 tail_length; /* target of a link, or inline content */
  const guint8 *tail;  /* not owned */
} MossInodeRecord;

void moss_inode_record_write (const MossInodeRecord *record, GByteArray *out);
gboolean moss_inode_record_read (const guint8 *bytes,
                                 gsize length,
                                 MossInodeRecord *record,
                                 GError **error);
void moss_inode_record_attr (const MossInodeRecord *record,
                             guint64 ino,
                             MossTreeAttr *attr);

typedef struct
{
  guint64 ino;
  guint64 dot;
  guint32 type; /* S_IFMT bits */
} MossEntryRecord;

void moss_entry_record_write (const MossEntryRecord *record, GByteArray *out);
gboolean moss_entry_record_read (const MossItem *item,
                                 MossEntryRecord *record,
                                 GError **error);

void moss_extent_write (const MossSegment *segment, GByteArray *out);
gboolean moss_extent_read (const guint8 *bytes,
                           gsize length,
                           guint64 offset,
                           MossContent *content,
                           GError **error);

/* Small values as they are, long ones by the object that holds them. */
typedef struct
{
  guint64 dot;
  gboolean stored;
  MossRef ref;
  const guint8 *value; /* not owned; NULL when stored */
  guint32 length;
} MossXattrRecord;

void moss_xattr_record_write (const MossXattrRecord *record, GByteArray *out);
gboolean moss_xattr_record_read (const MossItem *item,
                                 MossXattrRecord *record,
                                 GError **error);

/* An old content. Its extents stand in the value; many of them in objects of their own. */
#define VERSION_EXTENTS_MAX 32
#define VERSION_LISTS_MAX 100
typedef struct
{
  guint64 dot;
  guint64 size;
  gint64 time_us;
  guint8 kind; /* 0 inline bytes, 1 extents, 2 refs of lists of extents */
  const guint8 *tail;
  guint16 tail_length;
} MossVersionRecord;

void moss_version_record_write (const MossVersionRecord *record, GByteArray *out);
gboolean moss_version_record_read (const MossItem *item,
                                   MossVersionRecord *record,
                                   GError **error);

typedef struct
{
  guint64 dot;
  guint64 ino;   /* that it is a copy of */
  guint16 slot;  /* of who wrote the copy's content */
  gint64 time_us;
  guint64 cause[2]; /* dots of the two that met; zeros: no merge made it */
} MossConflictRecord;

void moss_conflict_record_write (const MossConflictRecord *record, GByteArray *out);
gboolean moss_conflict_record_read (const MossItem *item,
                                    MossConflictRecord *record,
                                    GError **error);

typedef struct
{
  guint64 dot;
  guint8 id[MOSS_HASH_BYTES]; /* of the signed root, zeros: wasn't signed */
  MossRef table;
} MossHistoryRecord;

void moss_history_record_write (const MossHistoryRecord *record, GByteArray *out);
gboolean moss_history_record_read (const MossItem *item,
                                   MossHistoryRecord *record,
                                   GError **error);

/* Just a dot: pins; a dot and 32 bytes: devices. */
gboolean moss_dot_read (const MossItem *item, gsize more, guint64 *dot, GError **error);

/* The dot of any item by which a merge decides, or FALSE: it has none of its own (extents). */
gboolean moss_item_check (const MossItem *item, guint64 *dot, GError **error);
