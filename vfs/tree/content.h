// SPDX-License-Identifier: GPL-3.0-or-later
/* What a file holds: pieces of sources, which are in memory or in the store. See content.c. Not
 * locked: belongs to who owns it. */
#pragma once

#include "vfs/tree/tree.h"

/* Bytes that were written together. Once frozen they never change; once stored they may be
 * dropped from memory. Shared between the contents that were the same once. */
typedef struct
{
  gint refs;       /* under the lock of the tree that owns it */
  guint32 length;  /* valid bytes of data */
  guint32 room;    /* allocated ones */
  guint8 *data;    /* nullable: only in the store */
  guint32 start;   /* where they begin in the object */
  gboolean frozen : 1;
  gboolean stored : 1;
  MossRef ref;
} MossSource;

typedef struct
{
  guint64 offset; /* in the file */
  guint32 length;
  guint32 start; /* in the source */
  MossSource *source;
} MossSegment;

/* Sorted by offset, not overlapping; what lies between are holes. */
typedef struct
{
  guint count;
  guint room;
  MossSegment *segments;
} MossContent;

guint32 moss_extent_bytes (guint64 size);

MossSource *moss_source_new_stored (const MossRef *ref, guint32 start, guint32 length);
MossSource *moss_source_new_data (gconstpointer data, guint32 length);
MossSource *moss_source_ref (MossSource *source);
void moss_source_unref (MossSource *source);

MossContent *moss_content_new (void);
MossContent *moss_content_copy (const MossContent *content);
void moss_content_free (MossContent *content);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossContent, moss_content_free)

guint moss_content_find (const MossContent *content, guint64 offset);
void moss_content_cut (MossContent *content, guint64 from, guint64 to);
void moss_content_insert (MossContent *content,
                          guint64 offset,
                          guint32 length,
                          guint32 start,
                          MossSource *source);
/* Returns how many bytes of memory it takes more (or fewer). */
gint64 moss_content_write (MossContent *content,
                           guint64 offset,
                           const guint8 *data,
                           gsize length,
                           guint32 extent_bytes);
void moss_content_freeze (MossContent *content);
guint64 moss_content_allocated (const MossContent *content);
guint64 moss_content_memory (const MossContent *content);
gboolean moss_content_same (const MossContent *a, const MossContent *b);
