// SPDX-License-Identifier: LGPL-2.1-or-later
/* The object store of one person on one device.
 *
 * Promises:
 * - What get gives is what put took, or an error that names the object.
 * - Equal content is stored once.
 * - Nothing that was synced is lost by a crash; what wasn't may be, but never half: a torn tail
 *   is found by its hash when the store is opened and cut off.
 * - A put doesn't wait for the disk. sync() and set_root() do.
 * - One process at a time; another is told so.
 *
 * Threads: the lock covers the index, the tables and appending. Hashing, compressing, sealing
 * and reading happen outside it. */
#define G_LOG_DOMAIN "moss-store"

#include "core/store/store-private.h"

#include "core/clock.h"
#include "core/parallel.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum
{
  PENDING_MAX = 256,
  TOUCH_AFTER_S = 600,
  REBUILT_GRACE_S = 30 * 24 * 3600,
};

static gint64
now_s (void)
{
  return moss_clock_now_us () / G_USEC_PER_SEC;
}

static gboolean
fail (const char *path, const char *what, GError **error)
{
  int number = errno;

  g_set_error (error, MOSS_STORE_ERROR,
               number == ENOSPC || number == EDQUOT ? MOSS_STORE_ERROR_NO_SPACE
                                                    : MOSS_STORE_ERROR_FAILED,
               "%s can't be %s: %s", path, what, g_strerror (number));
  return FALSE;
}

/* --- opening --- */

/* The packs hold everything but the roots: an index that can't be read is put aside and made
 * anew from them. What was kept by roots can't be told any more, so all of it stays a month. */
static MossIndex *
open_index (MossStore *store, GError **error)
{
  g_autofree char *path = g_build_filename (store->dir, "index.db", NULL);
  g_autofree char *log = g_strconcat (path, "-wal", NULL);
  g_autofree char *shared = g_strconcat (path, "-shm", NULL);
  g_autofree char *aside = g_strconcat (path, ".damaged", NULL);
  g_autoptr (GError) local = NULL;
  MossIndex *index = moss_index_open (path, &local);

  if (index != NULL)
    return index;
  if (!g_error_matches (local, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
  g_message ("%s; it is made anew from the packs, and %s kept", local->message, aside);
  if (g_rename (path, aside) < 0)
    {
      fail (path, "put aside", error);
      return NULL;
    }
  g_unlink (log);
  g_unlink (shared);
  store->rebuilding = TRUE;
  return moss_index_open (path, error);
}

static gboolean
take_lock (MossStore *store, GError **error)
{
  g_autofree char *path = g_build_filename (store->dir, "lock", NULL);

  store->lock_fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (store->lock_fd < 0)
    return fail (path, "opened", error);
  if (flock (store->lock_fd, LOCK_EX | LOCK_NB) == 0)
    return TRUE;
  g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_BUSY,
               "the store %s is used by another process", store->dir);
  return FALSE;
}

static gboolean
load_dedup_key (MossStore *store, GError **error)
{
  g_autofree char *path = g_build_filename (store->dir, "dedup-key", NULL);
  g_autofree char *bytes = NULL;
  g_autoptr (GError) local = NULL;
  gsize length;

  if (g_file_get_contents (path, &bytes, &length, &local))
    {
      if (length == MOSS_KEY_BYTES)
        {
          memcpy (store->dedup_key, bytes, MOSS_KEY_BYTES);
          return TRUE;
        }
      g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT,
                   "%s has %" G_GSIZE_FORMAT " bytes instead of %d", path, length,
                   MOSS_KEY_BYTES);
      return FALSE;
    }
  if (!g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  moss_crypto_random (store->dedup_key, MOSS_KEY_BYTES);
  return g_file_set_contents_full (path, (const char *) store->dedup_key, MOSS_KEY_BYTES,
                                   G_FILE_SET_CONTENTS_CONSISTENT |
                                       G_FILE_SET_CONTENTS_DURABLE,
                                   0600, error);
}

typedef struct
{
  MossStore *store;
  guint pack;
  guint found;
  GError *error;
} Recovery;

static void
on_record_found (const MossRecord *record, gpointer user_data)
{
  Recovery *recovery = user_data;
  MossEntry entry = { .pack = recovery->pack, .record = *record };

  recovery->found++;
  if (recovery->store->rebuilding)
    entry.record.added = now_s () + REBUILT_GRACE_S;
  if (recovery->error == NULL)
    moss_index_add (recovery->store->index, &entry, &recovery->error);
}

static gboolean
load_pack (MossStore *store, guint number, GError **error)
{
  g_autoptr (MossPack) pack = moss_pack_open (store->dir, number, FALSE, error);
  Recovery recovery = { .store = store, .pack = number };
  guint64 cut = 0;

  if (pack == NULL)
    return FALSE;
  pack->synced = moss_index_get_synced (store->index, number);
  if (pack->size < pack->synced)
    g_warning ("%s lost its last %" G_GUINT64_FORMAT " bytes", pack->path,
               pack->synced - pack->size);
  pack->synced = MIN (pack->synced, pack->size);
  if (!moss_index_forget_tail (store->index, number, pack->synced, error) ||
      !moss_pack_recover (pack, on_record_found, &recovery, &cut, error))
    return FALSE;
  if (recovery.error != NULL)
    {
      g_propagate_error (error, recovery.error);
      return FALSE;
    }
  if (cut > 0)
    g_message ("%s: %" G_GUINT64_FORMAT " bytes of a torn tail are cut off", pack->path, cut);
  store->last_pack = MAX (store->last_pack, number);
  if (pack->size < MOSS_PACK_SOFT_LIMIT && number == store->last_pack)
    store->current = pack;
  g_hash_table_replace (store->packs, GUINT_TO_POINTER (number), g_steal_pointer (&pack));
  return TRUE;
}

static gboolean
load_packs (MossStore *store, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (store->dir, 0, error);
  g_autoptr (GArray) known = moss_index_list_packs (store->index);
  const char *name;

  if (dir == NULL)
    return FALSE;
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      guint64 number;

      if (g_str_has_prefix (name, "pack-") &&
          g_ascii_string_to_unsigned (name + 5, 10, 1, G_MAXUINT32 - 1, &number, NULL) &&
          !load_pack (store, number, error))
        return FALSE;
    }
  for (guint i = 0; i < known->len; i++)
    {
      guint number = g_array_index (known, guint, i);

      if (g_hash_table_contains (store->packs, GUINT_TO_POINTER (number)))
        continue;
      g_warning ("pack %u of the store %s is gone, with what was in it", number, store->dir);
      if (!moss_index_forget_tail (store->index, number, 0, error) ||
          !moss_index_forget_pack (store->index, number, error))
        return FALSE;
    }
  if (store->current != NULL && store->current->number != store->last_pack)
    store->current = NULL;
  return TRUE;
}

static MossStore *
open_store (const char *dir, guint suite, gboolean blind, GError **error)
{
  g_autoptr (MossStore) store = g_new0 (MossStore, 1);

  g_atomic_ref_count_init (&store->refs);
  g_mutex_init (&store->lock);
  store->dir = g_strdup (dir);
  store->lock_fd = -1;
  store->suite = suite;
  store->keepers = g_ptr_array_new_with_free_func (moss_store_free_keeper);
  store->packs =
      g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) moss_pack_unref);
  store->pending = g_hash_table_new_full (moss_id_hash, moss_id_equal, NULL, g_free);
  store->pending_dedup = g_hash_table_new (moss_id_hash, moss_id_equal);
  if (g_mkdir_with_parents (dir, 0700) < 0)
    {
      fail (dir, "made", error);
      return NULL;
    }
  if (!moss_crypto_init (error) || !moss_suite_known (suite, error) ||
      !take_lock (store, error) || (!blind && !load_dedup_key (store, error)))
    return NULL;
  store->index = open_index (store, error);
  if (store->index == NULL || !moss_index_begin (store->index, FALSE, error))
    return NULL;
  if (!load_packs (store, error))
    {
      moss_index_rollback (store->index);
      return NULL;
    }
  if (!moss_index_commit (store->index, error))
    return NULL;
  return g_steal_pointer (&store);
}

/**
 * moss_store_open:
 * @dir: made, 0700, if it isn't there
 *
 * Returns: (transfer full): the store; %MOSS_STORE_ERROR_BUSY if another process has it
 */
MossStore *
moss_store_open (const char *dir, GError **error)
{
  return moss_store_open_with_suite (dir, MOSS_SUITE_SODIUM, error);
}

/**
 * moss_store_open_with_suite:
 * @suite: of the objects that are made; those of other suites are read as well
 */
MossStore *
moss_store_open_with_suite (const char *dir, guint suite, GError **error)
{
  return open_store (dir, suite, FALSE, error);
}

/**
 * moss_store_open_blind:
 *
 * As moss_store_open(), for a machine that keeps objects of others: there is no key in @dir,
 * and only the raw functions, the list and moss_store_remove() are of use.
 */
MossStore *
moss_store_open_blind (const char *dir, GError **error)
{
  return open_store (dir, MOSS_SUITE_SODIUM, TRUE, error);
}

MossStore *
moss_store_ref (MossStore *store)
{
  g_atomic_ref_count_inc (&store->refs);
  return store;
}

/* The last one syncs, so that the next open has nothing to look through. */
void
moss_store_unref (MossStore *store)
{
  g_autoptr (GError) error = NULL;

  if (!g_atomic_ref_count_dec (&store->refs))
    return;
  if (store->index != NULL && !moss_store_sync (store, &error))
    g_warning ("closing the store: %s", error->message);
  g_clear_pointer (&store->index, moss_index_free);
  g_hash_table_unref (store->pending_dedup);
  g_hash_table_unref (store->pending);
  g_hash_table_unref (store->packs);
  g_ptr_array_unref (store->keepers);
  if (store->lock_fd >= 0)
    close (store->lock_fd);
  moss_crypto_wipe (store->dedup_key, sizeof store->dedup_key);
  g_mutex_clear (&store->lock);
  g_free (store->dir);
  g_free (store);
}

void
moss_store_set_dedup_key (MossStore *store, const guint8 *key)
{
  g_mutex_lock (&store->lock);
  memcpy (store->dedup_key, key, sizeof store->dedup_key);
  g_mutex_unlock (&store->lock);
}

/* --- the index and its batch --- */

gboolean
moss_store_find_locked (MossStore *store, const MossId *id, MossEntry *entry)
{
  MossEntry *pending = g_hash_table_lookup (store->pending, id);

  if (pending == NULL)
    return moss_index_find (store->index, id, entry);
  *entry = *pending;
  return TRUE;
}

static gboolean
find_dedup_locked (MossStore *store, const guint8 *dedup, MossEntry *entry)
{
  MossEntry *pending = g_hash_table_lookup (store->pending_dedup, dedup);

  if (pending == NULL)
    return moss_index_find_dedup (store->index, dedup, entry);
  *entry = *pending;
  return TRUE;
}

static gboolean
add_pending_rows (MossStore *store, GError **error)
{
  GHashTableIter iter;
  gpointer entry;

  g_hash_table_iter_init (&iter, store->pending);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    if (!moss_index_add (store->index, entry, error))
      return FALSE;
  return TRUE;
}

static void
drop_pending (MossStore *store)
{
  g_hash_table_remove_all (store->pending_dedup);
  g_hash_table_remove_all (store->pending);
}

static gboolean
end_batch (MossStore *store, gboolean ok, GError **error)
{
  if (ok && moss_index_commit (store->index, error))
    {
      drop_pending (store);
      return TRUE;
    }
  moss_index_rollback (store->index);
  return FALSE;
}

gboolean
moss_store_flush_locked (MossStore *store, GError **error)
{
  if (g_hash_table_size (store->pending) == 0)
    return TRUE;
  if (!moss_index_begin (store->index, FALSE, error))
    return FALSE;
  return end_batch (store, add_pending_rows (store, error), error);
}

static gboolean
rotate_locked (MossStore *store, GError **error)
{
  g_autoptr (MossPack) pack = NULL;

  if (store->current != NULL && store->current->size < MOSS_PACK_SOFT_LIMIT)
    return TRUE;
  pack = moss_pack_open (store->dir, store->last_pack + 1, TRUE, error);
  if (pack == NULL || !moss_index_set_synced (store->index, pack->number, 0, error))
    return FALSE;
  store->last_pack = pack->number;
  store->current = pack;
  g_hash_table_replace (store->packs, GUINT_TO_POINTER (store->last_pack),
                        g_steal_pointer (&pack));
  return TRUE;
}

gboolean
moss_store_append_locked (MossStore *store,
                          const MossId *id,
                          const guint8 *dedup,
                          const guint8 *sealed,
                          gsize length,
                          gint64 added,
                          MossEntry *entry,
                          GError **error)
{
  memset (entry, 0, sizeof *entry);
  entry->record.id = *id;
  entry->record.length = length;
  entry->record.added = added;
  if (dedup != NULL)
    memcpy (entry->record.dedup, dedup, MOSS_HASH_BYTES);
  if (!rotate_locked (store, error))
    return FALSE;
  entry->pack = store->current->number;
  return moss_pack_append (store->current, &entry->record, sealed, error);
}

static gboolean
add_locked (MossStore *store,
            const MossId *id,
            const guint8 *dedup,
            GBytes *sealed,
            GError **error)
{
  MossEntry entry;
  MossEntry *pending;
  gsize length;
  const guint8 *bytes = g_bytes_get_data (sealed, &length);

  if (moss_store_find_locked (store, id, &entry))
    return TRUE;
  if (!moss_store_append_locked (store, id, dedup, bytes, length, now_s (), &entry, error))
    return FALSE;
  pending = g_memdup2 (&entry, sizeof entry);
  g_hash_table_replace (store->pending, &pending->record.id, pending);
  if (dedup != NULL)
    g_hash_table_replace (store->pending_dedup, pending->record.dedup, pending);
  if (g_hash_table_size (store->pending) < PENDING_MAX)
    return TRUE;
  return moss_store_flush_locked (store, error);
}

/**
 * moss_store_flush:
 *
 * Ends the batch: a killed process then has nothing to look through when it starts again.
 */
gboolean
moss_store_flush (MossStore *store, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);

  return moss_store_flush_locked (store, error);
}

typedef struct
{
  MossPack *pack;
  guint64 size;
} Mark;

static GArray *
dirty_packs_locked (MossStore *store)
{
  GArray *marks = g_array_new (FALSE, FALSE, sizeof (Mark));
  GHashTableIter iter;
  MossPack *pack;

  g_hash_table_iter_init (&iter, store->packs);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &pack))
    if (pack->size > pack->synced)
      {
        Mark mark = { moss_pack_ref (pack), pack->size };

        g_array_append_val (marks, mark);
      }
  return marks;
}

static gboolean
save_marks_locked (MossStore *store, GArray *marks, GError **error)
{
  for (guint i = 0; i < marks->len; i++)
    {
      Mark *mark = &g_array_index (marks, Mark, i);

      if (!moss_index_set_synced (store->index, mark->pack->number, mark->size, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
all_here_locked (MossStore *store,
                 const char *root,
                 const MossId *ids,
                 gsize count,
                 GError **error)
{
  for (gsize i = 0; i < count; i++)
    {
      MossEntry entry;
      g_autofree char *text = NULL;

      if (moss_store_find_locked (store, &ids[i], &entry))
        continue;
      text = moss_id_to_string (&ids[i]);
      g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_MISSING,
                   "root %s: object %s is not in the store", root, text);
      return FALSE;
    }
  return TRUE;
}

/* The disk is waited for without the lock, so puts go on meanwhile. */
static gboolean
sync_and_root (MossStore *store,
               const char *root,
               const MossId *ids,
               gsize count,
               GError **error)
{
  g_autoptr (GArray) marks = NULL;
  gboolean ok = TRUE;

  g_mutex_lock (&store->lock);
  marks = dirty_packs_locked (store);
  g_mutex_unlock (&store->lock);
  for (guint i = 0; ok && i < marks->len; i++)
    ok = moss_pack_sync (g_array_index (marks, Mark, i).pack, error);

  g_mutex_lock (&store->lock);
  if (ok && (root != NULL || marks->len > 0 || g_hash_table_size (store->pending) > 0))
    {
      /* Packs can do without their index: only a root has to be in it after a power cut. */
      ok = moss_index_begin (store->index, root != NULL, error);
      if (ok)
        ok = end_batch (store,
                        all_here_locked (store, root, ids, count, error) &&
                            add_pending_rows (store, error) &&
                            save_marks_locked (store, marks, error) &&
                            (root == NULL || moss_index_set_root (store->index, root, ids,
                                                                  count, error)),
                        error);
    }
  for (guint i = 0; i < marks->len; i++)
    {
      Mark *mark = &g_array_index (marks, Mark, i);

      if (ok)
        mark->pack->synced = MAX (mark->pack->synced, mark->size);
      moss_pack_unref (mark->pack);
    }
  g_mutex_unlock (&store->lock);
  if (ok && root == NULL)
    moss_index_checkpoint (store->index);
  return ok;
}

/**
 * moss_store_sync:
 *
 * When it returns %TRUE, everything put before is on the disk.
 */
gboolean
moss_store_sync (MossStore *store, GError **error)
{
  return sync_and_root (store, NULL, NULL, 0, error);
}

/**
 * moss_store_set_root:
 * @ids: what @name keeps from being collected; none: the root is removed
 *
 * Durable when it returns, with the objects. Fails with %MOSS_STORE_ERROR_MISSING if one of
 * them isn't here.
 */
gboolean
moss_store_set_root (MossStore *store,
                     const char *name,
                     const MossId *ids,
                     gsize count,
                     GError **error)
{
  return sync_and_root (store, name, ids, count, error);
}

/**
 * moss_store_get_root:
 *
 * Returns: (transfer full) (nullable): an array of #MossId
 */
GBytes *
moss_store_get_root (MossStore *store, const char *name)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);

  return moss_index_get_root (store->index, name);
}

/* --- put --- */

static gboolean
already_here (MossStore *store, const guint8 *dedup, MossId *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);
  MossEntry entry;
  gint64 now = now_s ();

  if (!find_dedup_locked (store, dedup, &entry))
    return FALSE;
  *id = entry.record.id;
  /* Wanted again: its grace before collection starts anew. */
  if (now - entry.record.added > TOUCH_AFTER_S)
    moss_index_touch (store->index, id, now, NULL);
  return TRUE;
}

static gboolean
put_one (MossStore *store,
         const guint8 *plain,
         gsize length,
         MossRef *ref,
         guint64 *stored,
         MossStoreMade made,
         gpointer user_data,
         GError **error)
{
  guint8 dedup_key[MOSS_KEY_BYTES], dedup[MOSS_HASH_BYTES];
  g_autoptr (GBytes) sealed = NULL;

  g_mutex_lock (&store->lock);
  memcpy (dedup_key, store->dedup_key, sizeof dedup_key);
  g_mutex_unlock (&store->lock);
  moss_object_key (store->suite, dedup_key, plain, length, ref->key, dedup);
  moss_crypto_wipe (dedup_key, sizeof dedup_key);
  if (already_here (store, dedup, &ref->id))
    {
      if (made != NULL)
        made (&ref->id, NULL, user_data);
      return TRUE;
    }
  sealed = moss_object_seal (store->suite, ref->key, plain, length, &ref->id, error);
  if (sealed == NULL)
    return FALSE;
  if (made != NULL)
    made (&ref->id, sealed, user_data);
  *stored = g_bytes_get_size (sealed);
  g_mutex_lock (&store->lock);
  gboolean ok = add_locked (store, &ref->id, dedup, sealed, error);
  g_mutex_unlock (&store->lock);
  if (!ok)
    {
      g_autofree char *name = moss_id_to_string (&ref->id);

      g_prefix_error (error, "object %s can't be stored: ", name);
    }
  return ok;
}

typedef struct
{
  MossStore *store;
  const guint8 *base;
  const MossRange *ranges;
  MossRef *refs;
  guint64 stored; /* atomic */
  MossStoreMade made;
  gpointer user_data;
  GError *error; /* the first one, atomic */
} PutJob;

static void
put_range (gsize index, gpointer user_data)
{
  PutJob *job = user_data;
  const MossRange *range = &job->ranges[index];
  GError *error = NULL;
  guint64 stored = 0;

  if (g_atomic_pointer_get (&job->error) != NULL)
    return;
  if (put_one (job->store, job->base + range->offset, range->length, &job->refs[index],
               &stored, job->made, job->user_data, &error))
    __atomic_add_fetch (&job->stored, stored, __ATOMIC_RELAXED);
  else if (!g_atomic_pointer_compare_and_exchange (&job->error, NULL, error))
    g_error_free (error);
}

/**
 * moss_store_put_many:
 * @base: where the ranges point into; stays unchanged until this returns
 * @ranges: each of 1 to %MOSS_OBJECT_MAX_PLAIN bytes; the caller checked the bounds
 * @refs: (out): room for @count
 * @stored_bytes: (out) (optional): ciphertext that was really written
 *
 * On several processors. One batch of the index.
 */
gboolean
moss_store_put_many (MossStore *store,
                     const guint8 *base,
                     const MossRange *ranges,
                     gsize count,
                     MossRef *refs,
                     guint64 *stored_bytes,
                     MossStoreMade made,
                     gpointer user_data,
                     GError **error)
{
  PutJob job = { .store = store,
                 .base = base,
                 .ranges = ranges,
                 .refs = refs,
                 .made = made,
                 .user_data = user_data };

  moss_parallel (count, put_range, &job);
  if (stored_bytes != NULL)
    *stored_bytes = job.stored;
  if (job.error != NULL)
    {
      g_propagate_error (error, job.error);
      return FALSE;
    }
  return moss_store_flush (store, error);
}

/**
 * moss_store_put:
 *
 * One object; for many use moss_store_put_many().
 */
gboolean
moss_store_put (MossStore *store,
                const guint8 *plain,
                gsize length,
                MossRef *ref,
                GError **error)
{
  guint64 stored = 0;

  return put_one (store, plain, length, ref, &stored, NULL, NULL, error);
}

/**
 * moss_store_put_raw:
 * @id: (nullable): what it has to be; %MOSS_STORE_ERROR_CORRUPT if it isn't
 * @made: (out) (optional): what it is
 *
 * Takes an object as another device sent it.
 */
gboolean
moss_store_put_raw (MossStore *store,
                    GBytes *sealed,
                    const MossId *id,
                    MossId *made,
                    GError **error)
{
  g_autoptr (GMutexLocker) locker = NULL;
  MossId found;

  if (!moss_object_id (g_bytes_get_data (sealed, NULL), g_bytes_get_size (sealed), &found,
                       error))
    return FALSE;
  if (id != NULL && !moss_id_equal (&found, id))
    {
      g_autofree char *name = moss_id_to_string (id);

      g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT,
                   "what came as object %s is something else", name);
      return FALSE;
    }
  if (made != NULL)
    *made = found;
  locker = g_mutex_locker_new (&store->lock);
  return add_locked (store, &found, NULL, sealed, error);
}

/* --- get --- */

gboolean
moss_store_has (MossStore *store, const MossId *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);
  MossEntry entry;

  return moss_store_find_locked (store, id, &entry);
}

/* A damaged object is forgotten, so that it counts as missing and can be fetched again. */
static void
forget_if_damaged (MossStore *store, const MossId *id, const guint8 *sealed, gsize length)
{
  g_autofree char *name = moss_id_to_string (id);
  MossId found;

  if (sealed != NULL && moss_object_id (sealed, length, &found, NULL) &&
      moss_id_equal (&found, id))
    return;
  g_message ("object %s is damaged in the store %s and is no longer used", name, store->dir);
  g_mutex_lock (&store->lock);
  moss_store_flush_locked (store, NULL);
  moss_index_remove (store->index, id, NULL);
  g_mutex_unlock (&store->lock);
}

static GBytes *
read_sealed (MossStore *store, const MossId *id, GError **error)
{
  g_autoptr (MossPack) pack = NULL;
  g_autofree guint8 *sealed = NULL;
  g_autofree char *name = NULL;
  MossEntry entry;
  gboolean found;

  g_mutex_lock (&store->lock);
  found = moss_store_find_locked (store, id, &entry);
  if (found)
    pack = g_hash_table_lookup (store->packs, GUINT_TO_POINTER (entry.pack));
  if (pack != NULL)
    moss_pack_ref (pack);
  g_mutex_unlock (&store->lock);
  if (pack == NULL)
    {
      name = moss_id_to_string (id);
      g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_MISSING,
                   "object %s is not in the store", name);
      return NULL;
    }
  sealed = g_malloc (entry.record.length);
  if (moss_pack_read (pack, &entry.record, sealed, error))
    return g_bytes_new_take (g_steal_pointer (&sealed), entry.record.length);
  name = moss_id_to_string (id);
  g_prefix_error (error, "object %s: ", name);
  forget_if_damaged (store, id, NULL, 0);
  return NULL;
}

/**
 * moss_store_unseal:
 * @unsealed: (out): clear with moss_unsealed_clear()
 *
 * The first half of a get; the second is moss_object_unpack().
 */
gboolean
moss_store_unseal (MossStore *store,
                   const MossRef *ref,
                   MossUnsealed *unsealed,
                   GError **error)
{
  g_autoptr (GBytes) sealed = read_sealed (store, &ref->id, error);
  const guint8 *bytes;
  gsize length;

  if (sealed == NULL)
    return FALSE;
  bytes = g_bytes_get_data (sealed, &length);
  if (moss_object_unseal (bytes, length, ref, unsealed, error))
    return TRUE;
  forget_if_damaged (store, &ref->id, bytes, length);
  return FALSE;
}

/**
 * moss_store_get:
 *
 * Returns: (transfer full): the plaintext. %MOSS_STORE_ERROR_MISSING if it isn't here,
 *   %MOSS_STORE_ERROR_CORRUPT, naming the object, if it isn't what was put.
 */
GBytes *
moss_store_get (MossStore *store, const MossRef *ref, GError **error)
{
  g_auto (MossUnsealed) unsealed = { 0 };
  g_autofree guint8 *plain = NULL;

  if (!moss_store_unseal (store, ref, &unsealed, error))
    return NULL;
  plain = g_malloc (unsealed.plain_length);
  if (!moss_object_unpack (&unsealed, ref, plain, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&plain), unsealed.plain_length);
}

/**
 * moss_store_get_raw:
 *
 * Returns: (transfer full): the ciphertext, checked against @id
 */
GBytes *
moss_store_get_raw (MossStore *store, const MossId *id, GError **error)
{
  g_autoptr (GBytes) sealed = read_sealed (store, id, error);
  g_autofree char *name = NULL;
  const guint8 *bytes;
  gsize length;
  MossId found;

  if (sealed == NULL)
    return NULL;
  bytes = g_bytes_get_data (sealed, &length);
  if (moss_object_id (bytes, length, &found, NULL) && moss_id_equal (&found, id))
    return g_steal_pointer (&sealed);
  name = moss_id_to_string (id);
  g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT,
               "object %s is damaged in the store", name);
  forget_if_damaged (store, id, bytes, length);
  return NULL;
}
