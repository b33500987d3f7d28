// SPDX-License-Identifier: GPL-3.0-or-later
/* Opening, closing, and what concerns a tree as a whole. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

enum
{
  FIRST_BUCKETS = 1024,
  FIRST_INO = 16,
  FIRST_RETENTION_S = 60,
  LOCAL_CACHE_BYTES = 512 * 1024,
};

static void
tree_free (MossTree *tree)
{
  if (tree->buckets != NULL)
    tree_forget_all (tree);
  g_clear_pointer (&tree->journal, moss_journal_free);
  g_clear_pointer (&tree->table, moss_table_free);
  g_clear_pointer (&tree->local, moss_table_free);
  plain_free (tree);
  g_array_unref (tree->seen);
  g_hash_table_unref (tree->records);
  g_array_unref (tree->dirty);
  g_hash_table_unref (tree->dirty_keys);
  g_array_unref (tree->removed);
  g_hash_table_unref (tree->gone);
  g_hash_table_unref (tree->orphans);
  g_hash_table_unref (tree->pins);
  g_hash_table_unref (tree->conflicts);
  g_clear_error (&tree->failure);
  g_byte_array_unref (tree->record);
  if (tree->heads_fd >= 0)
    close (tree->heads_fd);
  if (tree->lock_fd >= 0)
    close (tree->lock_fd);
  moss_crypto_wipe (tree->local_key, sizeof tree->local_key);
  g_mutex_clear (&tree->merge_lock);
  g_mutex_clear (&tree->commit_lock);
  g_mutex_clear (&tree->lock);
  g_mutex_clear (&tree->plain_lock);
  g_cond_clear (&tree->room);
  g_cond_clear (&tree->work);
  g_cond_clear (&tree->done);
  g_clear_pointer (&tree->config.store, moss_store_unref);
  g_free (tree->dir);
  g_free (tree);
}

static MossTree *
tree_new (const MossTreeConfig *config)
{
  MossTree *tree = g_new0 (MossTree, 1);

  tree->config = *config;
  tree->config.store = moss_store_ref (config->store);
  tree->dir = g_strdup (config->dir);
  tree->config.dir = tree->dir;
  tree->generation = config->generation;
  tree->lock_fd = tree->heads_fd = -1;
  g_mutex_init (&tree->merge_lock);
  g_mutex_init (&tree->commit_lock);
  g_mutex_init (&tree->lock);
  g_mutex_init (&tree->plain_lock);
  g_cond_init (&tree->room);
  g_cond_init (&tree->work);
  g_cond_init (&tree->done);
  g_queue_init (&tree->plain_recent);
  memcpy (tree->hash_key, config->tree_id, sizeof tree->hash_key);
  tree->bucket_count = FIRST_BUCKETS;
  tree->buckets = g_new0 (Inode *, FIRST_BUCKETS);
  tree->seen = g_array_new (FALSE, FALSE, sizeof (Seen));
  tree->records = g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free,
                                         (GDestroyNotify) g_bytes_unref);
  tree->dirty = g_array_new (FALSE, FALSE, sizeof (guint64));
  tree->record = g_byte_array_new ();
  tree->dirty_keys = g_hash_table_new_full (g_bytes_hash, g_bytes_equal,
                                            (GDestroyNotify) g_bytes_unref, NULL);
  tree->removed = g_array_new (FALSE, FALSE, sizeof (guint64));
  tree->gone = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  tree->orphans = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  tree->pins = g_hash_table_new_full (g_bytes_hash, g_bytes_equal,
                                      (GDestroyNotify) g_bytes_unref, NULL);
  tree->conflicts = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  tree->plain = g_hash_table_new (moss_id_hash, moss_id_equal);
  tree->table = moss_table_new (config->store, config->tree_id, config->callbacks.fetch,
                                config->user_data);
  tree->local = moss_table_new (config->store, config->tree_id, NULL, NULL);
  tree->local->cache_max = LOCAL_CACHE_BYTES;
  tree->next_retention_us = g_get_monotonic_time () + FIRST_RETENTION_S * G_USEC_PER_SEC;
  return tree;
}

static gboolean
take_dir (MossTree *tree, GError **error)
{
  g_autofree char *path = g_build_filename (tree->dir, "lock", NULL);

  if (g_mkdir_with_parents (tree->dir, 0700) == 0)
    tree->lock_fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (tree->lock_fd < 0)
    {
      g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_FAILED,
                   "%s can't be opened: %s", path, g_strerror (errno));
      return FALSE;
    }
  if (flock (tree->lock_fd, LOCK_EX | LOCK_NB) == 0)
    return TRUE;
  g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_FAILED,
               "the tree in %s is open in another process", tree->dir);
  return FALSE;
}

/* A tree that nobody has written to yet: the root directory, which all devices begin with. */
static void
plant (MossTree *tree)
{
  Inode *root = tree_add (tree, MOSS_TREE_ROOT);

  root->mode = S_IFDIR | 0700;
  root->uid = tree->config.uid;
  root->gid = tree->config.gid;
  root->nlink = 2;
  root->parent = MOSS_TREE_ROOT;
  root->dir = dir_new ();
  root->atime_ns = root->mtime_ns = root->ctime_ns = root->btime_ns = now_ns ();
}

static gboolean
load_head (MossTree *tree, guint64 *epoch, guint32 *skip, GError **error)
{
  g_autoptr (Head) head = NULL;

  *epoch = 1;
  *skip = 0;
  tree->next_ino = FIRST_INO;
  if (!head_read (tree, &head, error))
    return FALSE;
  if (head == NULL)
    {
      plant (tree);
      return TRUE;
    }
  tree->base = head->table;
  tree->orphans_ref = head->orphans;
  tree->number = head->number;
  tree->last_time_us = head->time_us;
  memcpy (tree->last_id, head->last_id, 32);
  memcpy (tree->current, head->current, 32);
  tree->next_ino = MAX (head->next_ino, FIRST_INO);
  g_array_append_vals (tree->seen, head->seen->data, head->seen->len);
  g_hash_table_unref (tree->records);
  tree->records = g_hash_table_ref (head->records);
  *epoch = head->epoch;
  *skip = head->skip;
  if (moss_table_is_empty (&tree->base))
    plant (tree);
  return TRUE;
}

static gboolean
load (MossTree *tree, gboolean fresh_mount, GError **error)
{
  guint64 epoch;
  guint32 skip;
  gboolean ok;

  if (!load_head (tree, &epoch, &skip, error))
    return FALSE;
  tree->mark_epoch = epoch;
  tree->mark_skip = skip;
  tree->journal = moss_journal_open (tree->dir, tree->config.tree_id, tree->config.suite,
                                     tree->local_key, error);
  if (tree->journal == NULL || !load_lists (tree, &tree->base, error))
    return FALSE;
  g_mutex_lock (&tree->lock);
  ok = orphans_load (tree, &tree->orphans_ref, error) &&
       tree_replay (tree, epoch, skip, error);
  if (ok && fresh_mount)
    {
      g_autoptr (GList) inos = g_hash_table_get_keys (tree->orphans);

      for (GList *l = inos; l != NULL; l = l->next)
        {
          Inode *inode = tree_find (tree, *(guint64 *) l->data);

          if (inode != NULL)
            tree_forget (tree, inode);
        }
      g_hash_table_remove_all (tree->orphans);
    }
  g_mutex_unlock (&tree->lock);
  return ok;
}

MossTree *
moss_tree_open (const MossTreeConfig *config, gboolean fresh_mount, GError **error)
{
  MossTree *tree;

  g_return_val_if_fail (config->slot > 0 && config->generation > 0, NULL);
  if (!moss_crypto_init (error) || !moss_suite_known (config->suite, error))
    return NULL;
  tree = tree_new (config);
  if (!take_dir (tree, error) || !owner_check (tree, error) ||
      !load (tree, fresh_mount, error))
    {
      tree_free (tree);
      return NULL;
    }
  owner_note (tree);
  keep_register (tree);
  tree->thread = g_thread_new ("moss-commit", commit_thread, tree);
  return tree;
}

gboolean
moss_tree_close (MossTree *tree, GError **error)
{
  gboolean ok;

  g_mutex_lock (&tree->lock);
  tree->stopping = TRUE;
  g_cond_broadcast (&tree->work);
  g_cond_broadcast (&tree->done);
  g_cond_broadcast (&tree->room);
  g_mutex_unlock (&tree->lock);
  g_thread_join (tree->thread);
  g_mutex_lock (&tree->commit_lock);
  ok = commit_now (tree, error);
  g_mutex_unlock (&tree->commit_lock);
  if (!ok)
    {
      g_autoptr (GError) local = NULL;

      if (!moss_journal_sync (tree->journal, moss_journal_position (tree->journal), &local))
        g_warning ("%s", local->message);
    }
  keep_unregister (tree);
  tree_free (tree);
  return ok;
}

void
moss_tree_set_generation (MossTree *tree, guint32 generation)
{
  g_mutex_lock (&tree->lock);
  tree->generation = generation;
  g_mutex_unlock (&tree->lock);
}

int
moss_tree_sync (MossTree *tree)
{
  g_autoptr (GError) error = NULL;

  return tree_commit_and_wait (tree, &error) ? 0 : tree_errno (error);
}

/* --- roots --- */

GBytes *
moss_tree_get_record (MossTree *tree, const guint8 *device)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  GBytes *record = g_hash_table_lookup (tree->records, device);

  return record != NULL ? g_bytes_ref (record) : NULL;
}

/* An agent that was locked at the last commit may sign now: the same table, a new number. */
static gboolean
sign_again (MossTree *tree, GError **error)
{
  g_autoptr (GArray) seen = NULL;
  MossRef base, orphans;
  guint64 number;
  gboolean ok;

  g_mutex_lock (&tree->commit_lock);
  ok = commit_now (tree, error);
  if (ok)
    {
      g_mutex_lock (&tree->lock);
      seen = g_array_copy (tree->seen);
      base = tree->base;
      orphans = tree->orphans_ref;
      number = tree->number + 1;
      seen_raise (seen, tree->config.slot, number);
      g_mutex_unlock (&tree->lock);
      ok = moss_table_is_empty (&base) ||
           commit_root (tree, &base, number, seen, NULL, tree->mark_epoch, tree->mark_skip,
                        &orphans, TRUE, error);
    }
  g_mutex_unlock (&tree->commit_lock);
  return ok;
}

/* The record that says what is committed: mine, or of the device whose root was taken as it is;
 * NULL: it wasn't signed. */
static GBytes *
current_record (MossTree *tree, MossTreeRoot *root)
{
  guint8 device[32];
  GBytes *record;

  g_mutex_lock (&tree->lock);
  memcpy (device, tree->current, 32);
  g_mutex_unlock (&tree->lock);
  record = moss_tree_get_record (tree, device);
  if (record != NULL && moss_tree_root_parse (record, root, NULL))
    return record;
  g_clear_pointer (&record, g_bytes_unref);
  return NULL;
}

gboolean
moss_tree_snapshot (MossTree *tree, MossTreeRoot *root, GBytes **record, GError **error)
{
  g_autoptr (GBytes) found = NULL;
  gboolean dirty;

  g_mutex_lock (&tree->lock);
  dirty = tree->dirty_since_us != 0;
  g_mutex_unlock (&tree->lock);
  if (dirty && !tree_commit_and_wait (tree, error))
    return FALSE;
  found = current_record (tree, root);
  if (found == NULL)
    {
      if (!sign_again (tree, error))
        return FALSE;
      found = current_record (tree, root);
    }
  if (found == NULL)
    {
      memset (root, 0, sizeof *root);
      memcpy (root->tree_id, tree->config.tree_id, 32);
      memcpy (root->device, tree->config.device, 32);
      root->slot = tree->config.slot;
      root->number = tree->number;
      root->time_us = tree->last_time_us;
    }
  if (record != NULL)
    *record = g_steal_pointer (&found);
  return TRUE;
}

void
moss_tree_get_stats (MossTree *tree, MossTreeStats *stats)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);

  memset (stats, 0, sizeof *stats);
  stats->known = tree->inode_count;
  stats->dirty_bytes = tree->dirty_bytes;
  stats->journal_bytes = moss_journal_bytes (tree->journal);
  stats->commits = tree->commits;
  stats->commit_us = tree->commit_us;
}
