// SPDX-License-Identifier: GPL-3.0-or-later
/* Reading contents: what is in memory is copied under the lock, what is in the store is read and
 * opened outside of it, several objects at once on several processors. A few opened objects stay
 * in memory, because small files share one. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "core/parallel.h"

#include <errno.h>

enum
{
  PLAIN_MOST = 4 * 1024 * 1024,
  FETCH_AHEAD = 64,
};

typedef struct
{
  MossId id;
  GBytes *plain;
  GList link;
} Plain;

static GBytes *
plain_find (MossTree *tree, const MossId *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->plain_lock);
  Plain *plain = g_hash_table_lookup (tree->plain, id);

  if (plain == NULL)
    return NULL;
  if (tree->plain_recent.head != &plain->link)
    {
      g_queue_unlink (&tree->plain_recent, &plain->link);
      g_queue_push_head_link (&tree->plain_recent, &plain->link);
    }
  return g_bytes_ref (plain->plain);
}

static void
plain_add (MossTree *tree, const MossId *id, GBytes *bytes)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->plain_lock);
  Plain *plain;

  if (g_hash_table_contains (tree->plain, id))
    return;
  plain = g_new0 (Plain, 1);
  plain->id = *id;
  plain->plain = g_bytes_ref (bytes);
  plain->link.data = plain;
  g_queue_push_head_link (&tree->plain_recent, &plain->link);
  g_hash_table_insert (tree->plain, &plain->id, plain);
  tree->plain_bytes += g_bytes_get_size (bytes);
  while (tree->plain_bytes > PLAIN_MOST && tree->plain_recent.length > 1)
    {
      Plain *old = tree->plain_recent.tail->data;

      g_queue_unlink (&tree->plain_recent, &old->link);
      tree->plain_bytes -= g_bytes_get_size (old->plain);
      g_hash_table_remove (tree->plain, &old->id);
      g_bytes_unref (old->plain);
      g_free (old);
    }
}

void
plain_free (MossTree *tree)
{
  GList *link;

  while ((link = g_queue_pop_head_link (&tree->plain_recent)) != NULL)
    {
      Plain *plain = link->data;

      g_bytes_unref (plain->plain);
      g_free (plain);
    }
  g_hash_table_unref (tree->plain);
}

/* (transfer full): an object's bytes, from the cache, the store or elsewhere. */
GBytes *
plain_object (MossTree *tree, const MossRef *ref, GError **error)
{
  GBytes *plain = plain_find (tree, &ref->id);

  if (plain != NULL)
    return plain;
  plain = moss_table_object (tree->table, ref, error);
  if (plain != NULL)
    plain_add (tree, &ref->id, plain);
  return plain;
}

typedef struct
{
  MossRef ref;
  guint32 start;
  guint32 length;
  guint8 *to;
} Piece;

typedef struct
{
  MossTree *tree;
  GArray *pieces;
  GError *error; /* the first, atomic */
} Pieces;

static void
read_piece (gsize index, gpointer user_data)
{
  Pieces *job = user_data;
  Piece *piece = &g_array_index (job->pieces, Piece, index);
  GError *error = NULL;
  g_autoptr (GBytes) plain = plain_object (job->tree, &piece->ref, &error);
  gsize length;
  const guint8 *bytes;

  if (plain != NULL)
    {
      bytes = g_bytes_get_data (plain, &length);
      if (piece->start <= length && piece->length <= length - piece->start)
        {
          memcpy (piece->to, bytes + piece->start, piece->length);
          return;
        }
      g_set_error (&error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                   "an extent reaches over the end of its object");
    }
  if (!g_atomic_pointer_compare_and_exchange (&job->error, NULL, error))
    g_error_free (error);
}

/* What isn't here of all the pieces, in one go. Whether it came shows when they are read. */
static void
fetch_pieces (MossTree *tree, GArray *pieces)
{
  g_autoptr (GArray) ids = NULL;

  if (tree->table->fetch == NULL || pieces->len < 2)
    return;
  for (guint i = 0; i < pieces->len && i < FETCH_AHEAD; i++)
    {
      Piece *piece = &g_array_index (pieces, Piece, i);

      if (moss_store_has (tree->table->store, &piece->ref.id))
        continue;
      if (ids == NULL)
        ids = g_array_new (FALSE, FALSE, sizeof (MossId));
      g_array_append_val (ids, piece->ref.id);
    }
  if (ids != NULL)
    tree->table->fetch ((MossId *) ids->data, ids->len, tree->table->user_data, NULL);
}

static gssize
read_pieces (MossTree *tree, GArray *pieces, gsize length, GError **error)
{
  Pieces job = { tree, pieces, NULL };

  fetch_pieces (tree, pieces);
  if (pieces->len == 1)
    read_piece (0, &job);
  else
    moss_parallel (pieces->len, read_piece, &job);
  if (job.error == NULL)
    return length;
  g_propagate_error (error, job.error);
  return -1;
}

/**
 * content_read:
 * @locked: the tree's lock is held; it is let go of when something has to be read
 *
 * Returns: bytes, short only at @size; -1 with @error
 */
gssize
content_read (MossTree *tree,
              const MossContent *content,
              guint64 size,
              gpointer buffer,
              gsize length,
              guint64 offset,
              gboolean locked,
              GError **error)
{
  g_autoptr (GArray) pieces = NULL;
  guint8 *to = buffer;
  gssize result;

  if (offset >= size)
    return 0;
  length = MIN (length, size - offset);
  memset (to, 0, length);
  for (guint i = moss_content_find (content, offset); i < content->count; i++)
    {
      const MossSegment *segment = &content->segments[i];
      guint64 from = MAX (segment->offset, offset);
      guint64 end = MIN (segment->offset + segment->length, offset + length);
      Piece piece;

      if (segment->offset >= offset + length)
        break;
      piece.start = segment->start + (from - segment->offset);
      piece.length = end - from;
      piece.to = to + (from - offset);
      if (segment->source->data != NULL)
        {
          memcpy (piece.to, segment->source->data + piece.start, piece.length);
          continue;
        }
      piece.ref = segment->source->ref;
      piece.start += segment->source->start;
      if (pieces == NULL)
        pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
      g_array_append_val (pieces, piece);
    }
  if (pieces == NULL)
    return length;
  if (locked)
    {
      tree->drops++;
      g_mutex_unlock (&tree->lock);
    }
  result = read_pieces (tree, pieces, length, error);
  if (locked)
    g_mutex_lock (&tree->lock);
  return result;
}

gssize
moss_tree_read (MossTree *tree,
                guint64 ino,
                gpointer buffer,
                gsize length,
                guint64 offset)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  g_autoptr (GError) error = NULL;
  Inode *inode;
  gssize done;
  int result = tree_content (tree, ino, &inode);

  if (result != 0)
    return result;
  done = content_read (tree, inode->content, inode->size, buffer, length, offset, TRUE,
                       &error);
  return done < 0 ? tree_errno (error) : done;
}
