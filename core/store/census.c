// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is in a store, and taking out single objects: for those who keep objects by list and not
 * by roots. Room that removed objects took is given back by moss_store_collect(). */
#define G_LOG_DOMAIN "moss-store"

#include "core/store/store-private.h"

/**
 * moss_store_get_length:
 * @length: (out): of the ciphertext, in bytes
 *
 * Returns: %FALSE if it isn't here
 */
gboolean
moss_store_get_length (MossStore *store, const MossId *id, guint32 *length)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);
  MossEntry entry;

  if (!moss_store_find_locked (store, id, &entry))
    return FALSE;
  *length = entry.record.length;
  return TRUE;
}

static void
on_listed (const MossEntry *entry, gpointer user_data)
{
  MossListed listed = { entry->record.id, entry->record.length };

  g_array_append_val ((GArray *) user_data, listed);
}

/**
 * moss_store_list:
 * @after: the list begins behind this id; zeros: at the beginning
 *
 * Returns: (transfer full): at most @max #MossListed, in the order of their ids
 */
GArray *
moss_store_list (MossStore *store, const MossId *after, guint max, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);
  g_autoptr (GArray) list = g_array_new (FALSE, FALSE, sizeof (MossListed));

  if (!moss_store_flush_locked (store, error) ||
      !moss_index_list (store->index, after, max, on_listed, list, error))
    return NULL;
  return g_steal_pointer (&list);
}

/* Looks at every row: for when a store is opened. */
gboolean
moss_store_total (MossStore *store, guint64 *count, guint64 *bytes, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);

  if (!moss_store_flush_locked (store, error))
    return FALSE;
  moss_index_total (store->index, count, bytes);
  return TRUE;
}

/**
 * moss_store_remove:
 * @removed_bytes: (out): ciphertext of those that were here
 *
 * Durable when it returns. After a crash of the disk's own an object may be back.
 */
gboolean
moss_store_remove (MossStore *store,
                   const MossId *ids,
                   gsize count,
                   guint64 *removed_bytes,
                   GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);
  gboolean ok = TRUE;

  *removed_bytes = 0;
  if (!moss_store_flush_locked (store, error) || !moss_index_begin (store->index, TRUE, error))
    return FALSE;
  for (gsize i = 0; ok && i < count; i++)
    {
      MossEntry entry;

      if (!moss_index_find (store->index, &ids[i], &entry))
        continue;
      *removed_bytes += entry.record.length;
      ok = moss_index_remove (store->index, &ids[i], error);
    }
  if (ok && moss_index_commit (store->index, error))
    return TRUE;
  moss_index_rollback (store->index);
  return FALSE;
}
