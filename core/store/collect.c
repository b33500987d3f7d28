// SPDX-License-Identifier: LGPL-2.1-or-later
/* Garbage collection: what no root keeps and is older than a grace is forgotten; packs that
 * are mostly forgotten are copied together and removed. The lock is held for one object at a
 * time, and a call does a bounded amount of copying. */
#define G_LOG_DOMAIN "moss-store"

#include "core/store/store-private.h"

#include "core/clock.h"

#include <errno.h>
#include <glib/gstdio.h>

typedef struct
{
  GHashTable *live;
  MossKeeping *keeping;
  gint64 before; /* objects added earlier may go */
  GArray *dead;  /* MossId */
  GArray *kept;  /* MossEntry */
  guint64 kept_bytes;
} Census;

static void
count_entry (const MossEntry *entry, gpointer user_data)
{
  Census *census = user_data;

  if (g_hash_table_contains (census->live, &entry->record.id) ||
      moss_keeping_has (census->keeping, &entry->record.id) ||
      entry->record.added >= census->before)
    {
      g_array_append_val (census->kept, *entry);
      census->kept_bytes += entry->record.length + MOSS_PACK_RECORD_HEAD;
    }
  else
    g_array_append_val (census->dead, entry->record.id);
}

static void
clear_census (Census *census)
{
  g_clear_pointer (&census->live, g_hash_table_unref);
  g_clear_pointer (&census->dead, g_array_unref);
  g_clear_pointer (&census->kept, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Census, clear_census)

static gboolean
take_census (MossStore *store,
             MossPack *pack,
             MossKeeping *keeping,
             gint64 before,
             Census *census,
             GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);
  gboolean ok;

  census->live = moss_index_live_ids (store->index, error);
  if (census->live == NULL)
    return FALSE;
  census->keeping = keeping;
  census->before = before;
  census->dead = g_array_new (FALSE, FALSE, sizeof (MossId));
  census->kept = g_array_new (FALSE, FALSE, sizeof (MossEntry));
  if (!moss_store_flush_locked (store, error) ||
      !moss_index_each (store->index, pack->number, count_entry, census, error) ||
      !moss_index_begin (store->index, FALSE, error))
    return FALSE;
  ok = TRUE;
  for (guint i = 0; ok && i < census->dead->len; i++)
    ok = moss_index_remove (store->index, &g_array_index (census->dead, MossId, i), error);
  if (ok)
    return moss_index_commit (store->index, error);
  moss_index_rollback (store->index);
  return FALSE;
}

/* Copies an object to the current pack. A damaged one is left behind: it is lost already. */
static gboolean
move_object (MossStore *store, MossPack *pack, const MossEntry *old, GError **error)
{
  g_autofree guint8 *sealed = g_malloc (old->record.length);
  g_autofree char *name = NULL;
  g_autoptr (GMutexLocker) locker = NULL;
  MossEntry entry;
  MossId id;

  if (!moss_pack_read (pack, &old->record, sealed, NULL) ||
      !moss_object_id (sealed, old->record.length, &id, NULL) ||
      !moss_id_equal (&id, &old->record.id))
    {
      name = moss_id_to_string (&old->record.id);
      g_message ("object %s is damaged and can't be kept", name);
      locker = g_mutex_locker_new (&store->lock);
      return moss_index_remove (store->index, &old->record.id, error);
    }
  locker = g_mutex_locker_new (&store->lock);
  return moss_store_append_locked (store, &id, old->record.dedup, sealed,
                                   old->record.length, old->record.added, &entry, error) &&
         moss_index_add (store->index, &entry, error);
}

static gboolean
drop_pack (MossStore *store, MossPack *pack, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);

  if (!moss_index_forget_tail (store->index, pack->number, 0, error) ||
      !moss_index_forget_pack (store->index, pack->number, error))
    return FALSE;
  if (g_unlink (pack->path) < 0)
    g_warning ("%s can't be removed: %s", pack->path, g_strerror (errno));
  /* Who reads from it just now holds a reference. */
  g_hash_table_remove (store->packs, GUINT_TO_POINTER (pack->number));
  return TRUE;
}

static gboolean
repack (MossStore *store, MossPack *pack, Census *census, GError **error)
{
  for (guint i = 0; i < census->kept->len; i++)
    if (!move_object (store, pack, &g_array_index (census->kept, MossEntry, i), error))
      return FALSE;
  return moss_store_sync (store, error) && drop_pack (store, pack, error);
}

static GPtrArray *
full_packs (MossStore *store)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);
  GPtrArray *packs = g_ptr_array_new_with_free_func ((GDestroyNotify) moss_pack_unref);
  GHashTableIter iter;
  MossPack *pack;

  g_hash_table_iter_init (&iter, store->packs);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &pack))
    if (pack != store->current)
      g_ptr_array_add (packs, moss_pack_ref (pack));
  return packs;
}

static void
start_new_pack (MossStore *store)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);

  if (store->current != NULL && store->current->size > MOSS_PACK_SOFT_LIMIT / 8)
    store->current = NULL;
}

/**
 * moss_store_collect:
 * @grace_s: objects younger than this many seconds stay, rooted or not
 * @max_bytes: about how much may be copied in this call; call again for more
 * @freed_bytes: (out): room that was given back to the file system
 *
 * Keepers (moss_store_add_keeper()) are asked first; while one of them isn't there nothing is
 * collected. Not twice at a time. Slow (the disk); any thread.
 */
gboolean
moss_store_collect (MossStore *store,
                    gint64 grace_s,
                    guint64 max_bytes,
                    guint64 *freed_bytes,
                    GError **error)
{
  g_autoptr (GPtrArray) packs = NULL;
  gint64 before = moss_clock_now_us () / G_USEC_PER_SEC - grace_s + 1;
  g_autoptr (MossKeeping) keeping = NULL;
  GError *local = NULL;
  guint64 copied = 0;

  *freed_bytes = 0;
  keeping = moss_store_ask_keepers (store, &local);
  if (local != NULL)
    {
      g_propagate_error (error, local);
      return FALSE;
    }
  if (keeping == NULL)
    return TRUE;
  start_new_pack (store);
  packs = full_packs (store);
  for (guint i = 0; i < packs->len && copied < max_bytes; i++)
    {
      MossPack *pack = g_ptr_array_index (packs, i);
      g_auto (Census) census = { 0 };

      if (!take_census (store, pack, keeping, before, &census, error))
        return FALSE;
      if (census.kept_bytes > pack->size / 2)
        continue;
      if (!repack (store, pack, &census, error))
        return FALSE;
      copied += census.kept_bytes;
      *freed_bytes += pack->size - census.kept_bytes;
    }
  return TRUE;
}
