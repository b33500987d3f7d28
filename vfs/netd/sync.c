// SPDX-License-Identifier: GPL-3.0-or-later
/* Keeping the tree alike everywhere.
 *
 * After each commit the new objects and the signed root go to the linked devices of the person
 * and to the hosts. What they have is merged; contents are fetched when somebody reads them.
 *
 * Policy: nobody is believed. A root counts if a device of the chain signed it and the tree's
 * own checks pass (number, previous, not older than the highest seen, which is on the disk
 * before anything of it is used); an object if its hash is its id. Who gives something else is
 * named in the status, and the thing is looked for elsewhere. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/home.h"
#include "vfs/netd/lease.h"
#include "vfs/netd/sync-private.h"

#include <string.h>

enum
{
  ANNOUNCE_MS = 250,
};

/**
 * sync_hold_tree:
 *
 * Any thread. Returns: (nullable): the tree; it stays until sync_drop_tree()
 */
MossTree *
sync_hold_tree (Sync *sync)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  if (sync->tree == NULL || sync->closing || sync->stopping)
    return NULL;
  sync->users++;
  return sync->tree;
}

void
sync_drop_tree (Sync *sync)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  sync->users--;
  g_cond_broadcast (&sync->changed);
}

MossTree *
sync_borrow_tree (Netd *netd)
{
  return sync_hold_tree (netd->sync);
}

void
sync_return_tree (Netd *netd)
{
  sync_drop_tree (netd->sync);
}

void
sync_wake (Sync *sync)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  sync->sender_wake++;
  g_cond_broadcast (&sync->changed);
}

static gboolean
on_announce (gpointer data)
{
  Sync *sync = data;

  g_mutex_lock (&sync->lock);
  sync->announce = 0;
  g_mutex_unlock (&sync->lock);
  moss_dbus_files1_emit_status_changed (sync->netd->files, sync_status (sync->netd));
  return G_SOURCE_REMOVE;
}

/* Any thread; told a few times a second at most. */
void
sync_status_changed (Sync *sync)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  if (sync->announce == 0 && !sync->stopping)
    sync->announce = g_timeout_add (ANNOUNCE_MS, on_announce, sync);
}

/* --- what is wrong with whom --- */

void
sync_blame (Sync *sync, const char *source, const char *format, ...)
{
  va_list arguments;
  char *sentence;

  va_start (arguments, format);
  sentence = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_message ("%s: %s", source, sentence);
  g_mutex_lock (&sync->lock);
  g_hash_table_replace (sync->troubles, g_strdup (source), sentence);
  g_mutex_unlock (&sync->lock);
  sync_status_changed (sync);
}

void
sync_forgive (Sync *sync, const char *source)
{
  gboolean was;

  g_mutex_lock (&sync->lock);
  was = g_hash_table_remove (sync->troubles, source);
  g_mutex_unlock (&sync->lock);
  if (was)
    sync_status_changed (sync);
}

/* Returns: (transfer full): never %NULL */
char *
sync_device_name (Sync *sync, const guint8 *device)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);
  MossChainDevice found;

  if (sync->chain != NULL && moss_chain_find_device (sync->chain, device, &found))
    return g_strdup (found.record->name);
  return g_strdup_printf ("%02x%02x%02x%02x", device[0], device[1], device[2], device[3]);
}

/* Any thread. Returns: (transfer full) (nullable): as programs see it */
char *
sync_path_of (Sync *sync, MossTree *tree, guint64 ino)
{
  g_autofree char *path = NULL;
  g_autoptr (GMutexLocker) locker = NULL;

  if (moss_tree_path (tree, ino, &path) != 0)
    return NULL;
  locker = g_mutex_locker_new (&sync->lock);
  return sync->home == NULL ? NULL : g_strconcat (sync->home, path, NULL);
}

/* --- what is kept alike --- */

void
sync_set_tree (Netd *netd, MossTree *tree)
{
  Sync *sync = netd->sync;

  g_mutex_lock (&sync->lock);
  sync->closing = TRUE;
  g_cond_broadcast (&sync->changed);
  for (guint i = 0; i < sync->hosts->len; i++)
    g_cancellable_cancel (((SyncHost *) g_ptr_array_index (sync->hosts, i))->cancellable);
  while (sync->users > 0)
    g_cond_wait (&sync->changed, &sync->lock);
  for (guint i = 0; i < sync->hosts->len; i++)
    g_cancellable_reset (((SyncHost *) g_ptr_array_index (sync->hosts, i))->cancellable);
  sync->tree = tree;
  g_free (sync->home);
  sync->home = g_strdup (home_get_path (netd));
  sync->closing = FALSE;
  g_clear_pointer (&sync->record, g_bytes_unref);
  g_clear_pointer (&sync->told, g_bytes_unref);
  sync->number = 0;
  g_mutex_unlock (&sync->lock);
  if (tree != NULL)
    {
      g_autoptr (GBytes) record = moss_tree_get_record (tree, sync->me);
      MossTreeRoot root;

      if (record != NULL && moss_tree_root_parse (record, &root, NULL))
        sync_committed (&root, record, netd);
    }
  sync_hosts_refresh (sync);
  sync_peers_refresh (sync);
  sync_wake (sync);
  sync_pins_look (sync);
  sync_status_changed (sync);
}

void
sync_set_chain (Netd *netd, MossChain *chain)
{
  Sync *sync = netd->sync;

  if (sync == NULL)
    return; /* it asks when it starts */
  g_mutex_lock (&sync->lock);
  g_clear_pointer (&sync->chain, moss_chain_unref);
  if (chain != NULL)
    {
      sync->chain = moss_chain_ref (chain);
      memcpy (sync->identity, moss_chain_get_id (chain), MOSS_HASH_BYTES);
    }
  g_mutex_unlock (&sync->lock);
  sync_hosts_refresh (sync);
  sync_peers_refresh (sync);
  sync_wake (sync);
  sync_status_changed (sync);
}

void
sync_links_changed (Netd *netd)
{
  if (netd->sync == NULL)
    return;
  sync_peers_refresh (netd->sync);
  sync_hosts_nudge (netd->sync);
  lease_links_changed (netd);
  sync_wake (netd->sync);
  sync_status_changed (netd->sync);
}

/* From the commit thread of the tree. */
void
sync_committed (const MossTreeRoot *root, GBytes *record, gpointer data)
{
  Sync *sync = ((Netd *) data)->sync;

  g_mutex_lock (&sync->lock);
  if (root->number >= sync->number)
    {
      g_clear_pointer (&sync->record, g_bytes_unref);
      sync->record = g_bytes_ref (record);
      sync->number = root->number;
      sync->sender_wake++;
      g_cond_broadcast (&sync->changed);
    }
  g_mutex_unlock (&sync->lock);
  sync_status_changed (sync);
}

void
sync_pause (Netd *netd, gboolean paused)
{
  g_mutex_lock (&netd->sync->lock);
  netd->sync->paused = paused;
  g_cond_broadcast (&netd->sync->changed);
  g_mutex_unlock (&netd->sync->lock);
  sync_status_changed (netd->sync);
}

/* --- starting and stopping --- */

void
sync_start (Netd *netd)
{
  Sync *sync = g_new0 (Sync, 1);

  netd->sync = sync;
  sync->netd = netd;
  g_mutex_init (&sync->lock);
  g_cond_init (&sync->changed);
  moss_fingerprint_to_bytes (netd->id, sync->me);
  sync->hosts = g_ptr_array_new_with_free_func (sync_host_unref);
  sync->peers = g_ptr_array_new_with_free_func (sync_peer_free);
  sync->acknowledged = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  sync->claims = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  sync->in_flight = g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free, NULL);
  sync->troubles = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  sync_merge_start (sync);
  sync_peers_start (sync);
  sync_pins_start (sync);
  sync_export (netd);
  sync_set_chain (netd, netd->chain);
}

/* Its threads end; nothing of it is used after. */
void
sync_stop (Netd *netd)
{
  Sync *sync = netd->sync;

  if (sync == NULL)
    return;
  g_mutex_lock (&sync->lock);
  sync->stopping = TRUE;
  g_cond_broadcast (&sync->changed);
  g_clear_handle_id (&sync->announce, g_source_remove);
  g_mutex_unlock (&sync->lock);
  sync_hosts_stop (sync);
  g_thread_join (sync->merger);
  g_thread_join (sync->sender);
  g_thread_join (sync->keeper);
}
