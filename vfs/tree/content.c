// SPDX-License-Identifier: GPL-3.0-or-later
/* The content of a file as a list of segments. Writing never reads: it cuts what it covers and
 * puts new bytes in between, or over bytes that only it has seen so far. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/content.h"

#include <string.h>

enum
{
  SMALL_EXTENT = 64 * 1024,
  MIDDLE_EXTENT = 256 * 1024,
  LARGE_EXTENT = 1024 * 1024,
  FIRST_ROOM = 512,
};

/* How long a piece of a file of @size bytes is at most: small ones are quick to read at random,
 * long ones make few of them. A power of two, at most %MOSS_OBJECT_MAX_PLAIN. */
guint32
moss_extent_bytes (guint64 size)
{
  if (size <= 256 * 1024 * 1024)
    return SMALL_EXTENT;
  return size <= G_GUINT64_CONSTANT (2) << 30 ? MIDDLE_EXTENT : LARGE_EXTENT;
}

/* --- sources --- */

MossSource *
moss_source_new_stored (const MossRef *ref, guint32 start, guint32 length)
{
  MossSource *source = g_new0 (MossSource, 1);

  source->refs = 1;
  source->frozen = source->stored = TRUE;
  source->ref = *ref;
  source->start = start;
  source->length = length;
  return source;
}

MossSource *
moss_source_new_data (gconstpointer data, guint32 length)
{
  MossSource *source = g_new0 (MossSource, 1);

  source->refs = 1;
  source->length = source->room = length;
  source->data = g_memdup2 (data, length);
  return source;
}

MossSource *
moss_source_ref (MossSource *source)
{
  g_atomic_int_inc (&source->refs);
  return source;
}

void
moss_source_unref (MossSource *source)
{
  if (!g_atomic_int_dec_and_test (&source->refs))
    return;
  g_free (source->data);
  g_free (source);
}

/* --- lists --- */

MossContent *
moss_content_new (void)
{
  return g_new0 (MossContent, 1);
}

MossContent *
moss_content_copy (const MossContent *content)
{
  MossContent *copy = moss_content_new ();

  copy->count = copy->room = content->count;
  copy->segments = g_memdup2 (content->segments, content->count * sizeof (MossSegment));
  for (guint i = 0; i < copy->count; i++)
    moss_source_ref (copy->segments[i].source);
  return copy;
}

void
moss_content_free (MossContent *content)
{
  for (guint i = 0; i < content->count; i++)
    moss_source_unref (content->segments[i].source);
  g_free (content->segments);
  g_free (content);
}

/* Index of the first segment that ends after @offset. */
guint
moss_content_find (const MossContent *content, guint64 offset)
{
  guint low = 0, high = content->count;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;
      const MossSegment *segment = &content->segments[middle];

      if (segment->offset + segment->length <= offset)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static void
open_gap (MossContent *content, guint index)
{
  if (content->count == content->room)
    {
      content->room = MAX (4, content->room + content->room / 2);
      content->segments = g_renew (MossSegment, content->segments, content->room);
    }
  memmove (content->segments + index + 1, content->segments + index,
           (content->count - index) * sizeof (MossSegment));
  content->count++;
}

/* Takes a reference of @source. What was there must have been cut. */
void
moss_content_insert (MossContent *content,
                     guint64 offset,
                     guint32 length,
                     guint32 start,
                     MossSource *source)
{
  guint index = moss_content_find (content, offset);

  open_gap (content, index);
  content->segments[index]
      = (MossSegment){ offset, length, start, moss_source_ref (source) };
}

/* Makes a hole of [from, to). */
void
moss_content_cut (MossContent *content, guint64 from, guint64 to)
{
  guint first = moss_content_find (content, from);
  guint last;

  if (from >= to || first == content->count)
    return;
  if (content->segments[first].offset < from)
    {
      MossSegment *segment = &content->segments[first];
      guint32 before = from - segment->offset;

      if (segment->offset + segment->length > to)
        { /* the hole is in the middle of one */
          MossSegment rest = *segment;
          guint32 skipped = to - segment->offset;

          segment->length = before;
          rest.offset += skipped;
          rest.start += skipped;
          rest.length -= skipped;
          moss_source_ref (rest.source);
          open_gap (content, first + 1);
          content->segments[first + 1] = rest;
          return;
        }
      segment->length = before;
      first++;
    }
  for (last = first; last < content->count; last++)
    {
      MossSegment *segment = &content->segments[last];
      guint32 skipped;

      if (segment->offset >= to)
        break;
      if (segment->offset + segment->length > to)
        {
          skipped = to - segment->offset;
          segment->offset += skipped;
          segment->start += skipped;
          segment->length -= skipped;
          break;
        }
      moss_source_unref (segment->source);
    }
  memmove (content->segments + first, content->segments + last,
           (content->count - last) * sizeof (MossSegment));
  content->count -= last - first;
}

/* A segment that new bytes at @offset can go into: nobody else has its source, nobody relies on
 * its bytes, and it begins in the same extent. */
static MossSegment *
writable_at (MossContent *content, guint64 offset, guint32 extent_bytes)
{
  guint index = moss_content_find (content, offset);
  MossSegment *segment;

  if (index < content->count && content->segments[index].offset <= offset)
    segment = &content->segments[index];
  else if (index > 0 && content->segments[index - 1].offset +
                                content->segments[index - 1].length == offset)
    segment = &content->segments[index - 1];
  else
    return NULL;
  if (segment->source->frozen || g_atomic_int_get (&segment->source->refs) > 1 ||
      segment->start != 0 || segment->offset / extent_bytes != offset / extent_bytes)
    return NULL;
  return segment;
}

static gint64
make_room (MossSource *source, guint32 length, guint32 most)
{
  guint32 before = source->room;

  if (length <= source->room)
    return 0;
  source->room = MIN (MAX (length, MAX (FIRST_ROOM, 2 * source->room)), MAX (most, length));
  source->data = g_realloc (source->data, source->room);
  return source->room - before;
}

static gint64
write_piece (MossContent *content,
             guint64 offset,
             const guint8 *data,
             guint32 length,
             guint32 extent_bytes)
{
  MossSegment *segment = writable_at (content, offset, extent_bytes);
  MossSource *source;
  guint32 at;
  gint64 more;

  if (segment == NULL)
    {
      g_autofree MossSource *fresh = g_new0 (MossSource, 1);

      fresh->refs = 1;
      more = make_room (fresh, length, extent_bytes);
      memcpy (fresh->data, data, length);
      fresh->length = length;
      moss_content_cut (content, offset, offset + length);
      moss_content_insert (content, offset, length, 0, fresh);
      moss_source_unref (g_steal_pointer (&fresh));
      return more;
    }
  source = segment->source;
  at = offset - segment->offset;
  more = make_room (source, at + length, extent_bytes);
  memcpy (source->data + at, data, length);
  source->length = MAX (source->length, at + length);
  if (at + length > segment->length)
    {
      guint64 begin = segment->offset;

      /* The segment grows over what follows it. */
      moss_content_cut (content, begin + segment->length, offset + length);
      segment = &content->segments[moss_content_find (content, begin)];
      segment->length = at + length;
    }
  return more;
}

gint64
moss_content_write (MossContent *content,
                    guint64 offset,
                    const guint8 *data,
                    gsize length,
                    guint32 extent_bytes)
{
  gint64 more = 0;

  while (length > 0)
    {
      guint32 piece = MIN (length, extent_bytes - offset % extent_bytes);

      more += write_piece (content, offset, data, piece, extent_bytes);
      offset += piece;
      data += piece;
      length -= piece;
    }
  return more;
}

/* From now on its bytes may be read without the lock. */
void
moss_content_freeze (MossContent *content)
{
  for (guint i = 0; i < content->count; i++)
    content->segments[i].source->frozen = TRUE;
}

guint64
moss_content_allocated (const MossContent *content)
{
  guint64 sum = 0;

  for (guint i = 0; i < content->count; i++)
    sum += content->segments[i].length;
  return sum;
}

/* Bytes of its sources that are only in memory. */
guint64
moss_content_memory (const MossContent *content)
{
  guint64 sum = 0;

  for (guint i = 0; i < content->count; i++)
    if (!content->segments[i].source->stored)
      sum += content->segments[i].source->room;
  return sum;
}

static gboolean
same_source (const MossSegment *a, const MossSegment *b)
{
  const MossSource *x = a->source, *y = b->source;

  if (x->stored && y->stored)
    return moss_id_equal (&x->ref.id, &y->ref.id) &&
           x->start + a->start == y->start + b->start;
  if (x->data == NULL || y->data == NULL)
    return FALSE;
  return memcmp (x->data + a->start, y->data + b->start, a->length) == 0;
}

/* Whether both are cut the same and hold the same; FALSE may also mean: can't tell. */
gboolean
moss_content_same (const MossContent *a, const MossContent *b)
{
  if (a->count != b->count)
    return FALSE;
  for (guint i = 0; i < a->count; i++)
    if (a->segments[i].offset != b->segments[i].offset ||
        a->segments[i].length != b->segments[i].length ||
        !same_source (&a->segments[i], &b->segments[i]))
      return FALSE;
  return TRUE;
}
