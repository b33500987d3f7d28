// SPDX-License-Identifier: GPL-3.0-or-later
/* The two threads of a host: one brings there what it lacks, then the root; the other waits for
 * the roots of the other devices. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/sync-private.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  ASK_AT_ONCE = 4096,
  SWAPS_MAX = 16,
  WATCH_S = 240,
  FIRST_PAUSE_S = 1,
  LONG_PAUSE_S = 15,
  LONGEST_PAUSE_S = 120, /* of a host that was away for long */
};

#define BUNDLE_BYTES ((gsize) 6 * 1024 * 1024)

/* --- waiting --- */

/* Returns: %FALSE when the thread is to end */
static gboolean
pause_s (SyncHost *host, guint seconds)
{
  Sync *sync = host->sync;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);
  gint64 end = g_get_monotonic_time () + seconds * G_USEC_PER_SEC;

  while (!host->stopped && !sync->stopping)
    if (!g_cond_wait_until (&sync->changed, &sync->lock, end))
      return TRUE;
  return FALSE;
}

/* How long to leave a host alone that couldn't be reached. */
static guint
longer (guint pause)
{
  guint next = pause < LONG_PAUSE_S ? 2 * pause : pause + 1;

  return MIN (next, LONGEST_PAUSE_S);
}

/* There is a tree, something to bring, and nobody said to pause. With the lock. */
static gboolean
has_work_locked (SyncHost *host)
{
  Sync *sync = host->sync;

  if (sync->tree == NULL || sync->closing || sync->paused || sync->chain == NULL)
    return FALSE;
  return !host->introduced || host->chain_seq != moss_chain_get_seq (sync->chain) ||
         (sync->record != NULL && host->number < sync->number);
}

static gboolean
wait_for_work (SyncHost *host)
{
  Sync *sync = host->sync;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  while (!host->stopped && !sync->stopping && !has_work_locked (host))
    g_cond_wait (&sync->changed, &sync->lock);
  return !host->stopped && !sync->stopping;
}

/* --- the chain --- */

static void
on_chain_taken (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply == NULL)
    g_message ("the chain of a host: %s", error->message);
}

/* The host knows more of the identity than this device: the agent judges. */
static void
take_chain (SyncHost *host, HostClient *client, MossChain *mine)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = host_client_get_chain (client, moss_chain_get_id_text (mine),
                                                    host->cancellable, &error);

  if (bytes == NULL)
    {
      sync_host_failed (host, error);
      return;
    }
  if (g_bytes_equal (bytes, moss_chain_get_bytes (mine)))
    return;
  g_dbus_connection_call (host->sync->netd->bus, "org.moss.Agent1", "/org/moss/Agent",
                          "org.moss.Agent1", "TakeChain",
                          g_variant_new ("(@ay)", g_variant_new_from_bytes (
                                                      G_VARIANT_TYPE_BYTESTRING, bytes, TRUE)),
                          NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, on_chain_taken,
                          NULL);
}

static gboolean
introduce (SyncHost *host, HostClient *client, GError **error)
{
  Sync *sync = host->sync;
  g_autoptr (MossChain) chain = NULL;
  g_autoptr (GError) local = NULL;

  g_mutex_lock (&sync->lock);
  if (!host->introduced ||
      (sync->chain != NULL && host->chain_seq != moss_chain_get_seq (sync->chain)))
    chain = sync->chain == NULL ? NULL : moss_chain_ref (sync->chain);
  g_mutex_unlock (&sync->lock);
  if (chain == NULL)
    return TRUE;
  if (!host_client_put_chain (client, moss_chain_get_id_text (chain),
                              moss_chain_get_bytes (chain), host->cancellable, &local))
    {
      if (!g_error_matches (local, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_CHANGED))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
      take_chain (host, client, chain);
    }
  g_mutex_lock (&sync->lock);
  host->introduced = TRUE;
  host->chain_seq = moss_chain_get_seq (chain);
  g_cond_broadcast (&sync->changed);
  g_mutex_unlock (&sync->lock);
  return TRUE;
}

/* --- objects --- */

typedef struct
{
  SyncHost *host;
  GArray *ids;
  guint64 bytes;
} Gather;

/* What isn't here is for the device to bring that has it. */
static gboolean
on_object (const MossId *id, gboolean is_here, gpointer user_data)
{
  Gather *gather = user_data;
  guint32 length;

  if (is_here && moss_store_get_length (gather->host->sync->netd->store, id, &length))
    {
      g_array_append_val (gather->ids, *id);
      gather->bytes += length;
    }
  return !g_cancellable_is_cancelled (gather->host->cancellable);
}

static void
set_progress (SyncHost *host, guint done, guint total, guint64 bytes)
{
  Sync *sync = host->sync;
  gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&sync->lock);
  sync->done = done;
  sync->total = total;
  sync->waiting_bytes = bytes;
  if (now - sync->measured_us > G_USEC_PER_SEC)
    {
      sync->bytes_per_s = sync->measured_us == 0
                              ? 0
                              : (sync->sent_bytes - sync->sent_before) * G_USEC_PER_SEC /
                                    (now - sync->measured_us);
      sync->measured_us = now;
      sync->sent_before = sync->sent_bytes;
    }
  g_mutex_unlock (&sync->lock);
  sync_status_changed (sync);
}

static gboolean
put_bundle (SyncHost *host, HostClient *client, GByteArray **array, GError **error)
{
  g_autoptr (GBytes) bundle = NULL;

  if ((*array)->len == 0)
    return TRUE;
  bundle = g_byte_array_free_to_bytes (*array);
  *array = g_byte_array_new ();
  if (!host_client_put_many (client, bundle, host->cancellable, error))
    return FALSE;
  g_mutex_lock (&host->sync->lock);
  host->sync->sent_bytes += g_bytes_get_size (bundle);
  g_mutex_unlock (&host->sync->lock);
  return TRUE;
}

/* What the host says it lacks is a hint: what it lacks and didn't say shows when it is asked. */
static gboolean
put_some (SyncHost *host,
          HostClient *client,
          const MossId *ids,
          gsize count,
          guint64 *left,
          GError **error)
{
  g_autoptr (GArray) missing =
      host_client_missing (client, ids, count, host->cancellable, error);
  g_autoptr (GByteArray) bundle = g_byte_array_new ();

  if (missing == NULL)
    return FALSE;
  for (guint i = 0; i < missing->len; i++)
    {
      g_autoptr (GBytes) object = moss_store_get_raw (
          host->sync->netd->store, &g_array_index (missing, MossId, i), NULL);

      if (object == NULL)
        continue;
      moss_bundle_add (bundle, g_bytes_get_data (object, NULL), g_bytes_get_size (object));
      *left -= MIN (*left, g_bytes_get_size (object));
      if (bundle->len >= BUNDLE_BYTES && !put_bundle (host, client, &bundle, error))
        return FALSE;
    }
  return put_bundle (host, client, &bundle, error);
}

static gboolean
put_objects (SyncHost *host, HostClient *client, MossTree *tree, GBytes *record, GError **error)
{
  Gather gather = { host, g_array_new (FALSE, FALSE, sizeof (MossId)), 0 };
  g_autoptr (GArray) ids = gather.ids;
  guint64 left;
  gboolean ok;

  ok = moss_tree_list_objects (tree, record, host->base, FALSE, on_object, &gather, error);
  left = gather.bytes;
  for (guint at = 0; ok && at < ids->len; at += ASK_AT_ONCE)
    {
      guint count = MIN (ids->len - at, ASK_AT_ONCE);

      set_progress (host, at, ids->len, left);
      ok = put_some (host, client, (const MossId *) ids->data + at, count, &left, error);
    }
  set_progress (host, 0, 0, 0);
  return ok;
}

/* --- the cell --- */

/* What others have put there and is news. */
static void
take_entries (SyncHost *host, GPtrArray *entries)
{
  for (guint i = 0; i < entries->len; i++)
    {
      CellEntry *entry = g_ptr_array_index (entries, i);

      if (memcmp (entry->device, host->sync->me, MOSS_HASH_BYTES) != 0)
        sync_merge_push (host->sync, entry->record, host->url, host, NULL, 0);
    }
}

static GPtrArray *
read_cell (SyncHost *host, GBytes *cell, GHashTable *expected, GError **error)
{
  g_autoptr (GPtrArray) entries = sync_cell_parse (cell, host->sync->identity, error);

  if (entries == NULL)
    return NULL;
  if (sync_cell_check (host, expected, entries))
    return g_steal_pointer (&entries);
  g_set_error (error, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_FAILED,
               _ ("What it shows is not used."));
  return NULL;
}

/* Says in @again whether somebody else was quicker. */
static gboolean
swap_once (SyncHost *host, HostClient *client, GBytes *record, gboolean *again, GError **error)
{
  g_autoptr (GBytes) cell = NULL;
  g_autoptr (GBytes) next = NULL;
  g_autofree char *etag = NULL;
  g_autofree char *new_etag = NULL;
  g_autoptr (GHashTable) expected = sync_cell_expect (host);
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GError) local = NULL;
  MossTreeRoot root;

  *again = FALSE;
  if (!host_client_get_cell (client, NULL, 0, &cell, &etag, host->cancellable, error) ||
      (entries = read_cell (host, cell, expected, error)) == NULL ||
      !moss_tree_root_parse (record, &root, error))
    return FALSE;
  take_entries (host, entries);
  next = sync_cell_replace (entries, &root, record);
  if (host_client_put_cell (client, next, etag, &new_etag, host->cancellable, &local))
    return TRUE;
  *again = g_error_matches (local, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_CHANGED);
  if (!*again)
    g_propagate_error (error, g_steal_pointer (&local));
  return *again;
}

static gboolean
swap (SyncHost *host, HostClient *client, GBytes *record, GError **error)
{
  gboolean again = TRUE;

  for (guint i = 0; again && i < SWAPS_MAX; i++)
    if (!swap_once (host, client, record, &again, error))
      return FALSE;
  if (again)
    g_set_error (error, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_AWAY, "%s: others keep changing it",
                 host->url);
  return !again;
}

/* It has all of it: from now on it may not show less. */
static gboolean
note_acknowledged (SyncHost *host, GBytes *record, guint64 number)
{
  Sync *sync = host->sync;

  g_mutex_lock (&sync->lock);
  host->number = number;
  g_clear_pointer (&host->base, g_bytes_unref);
  host->base = g_bytes_ref (record);
  g_hash_table_replace (host->shown, g_memdup2 (sync->me, MOSS_HASH_BYTES),
                        g_memdup2 (&number, sizeof number));
  sync->sender_wake++;
  g_cond_broadcast (&sync->changed);
  g_mutex_unlock (&sync->lock);
  return sync_host_save (host);
}

static void
note_room (SyncHost *host, HostClient *client)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host->sync->lock);

  host_client_get_room (client, &host->used, &host->quota);
}

/* --- a round --- */

static gboolean
bring (SyncHost *host, HostClient *client, MossTree *tree, GError **error)
{
  Sync *sync = host->sync;
  g_autoptr (GBytes) record = NULL;
  MossTreeRoot root;

  if (!introduce (host, client, error))
    return FALSE;
  g_mutex_lock (&sync->lock);
  record = sync->record == NULL || host->number >= sync->number ? NULL
                                                                : g_bytes_ref (sync->record);
  g_mutex_unlock (&sync->lock);
  if (record == NULL)
    return TRUE;
  if (!moss_tree_root_parse (record, &root, error) ||
      !put_objects (host, client, tree, record, error) || !swap (host, client, record, error))
    return FALSE;
  note_room (host, client);
  return note_acknowledged (host, record, root.number);
}

static gboolean
work_round (SyncHost *host, HostClient **client)
{
  MossTree *tree = sync_hold_tree (host->sync);
  g_autoptr (GError) error = NULL;
  gboolean ok = tree != NULL;

  if (ok && *client == NULL)
    *client = sync_host_client (host, &error);
  ok = ok && *client != NULL && bring (host, *client, tree, &error);
  if (tree != NULL)
    sync_drop_tree (host->sync);
  if (ok)
    sync_host_set_state (host, HOST_LINKED, "");
  else if (error != NULL)
    {
      g_clear_pointer (client, host_client_free);
      sync_host_failed (host, error);
    }
  return ok;
}

gpointer
sync_upload_thread (gpointer data)
{
  SyncHost *host = data;
  HostClient *client = NULL;
  guint pause = FIRST_PAUSE_S;

  while (wait_for_work (host))
    {
      if (work_round (host, &client))
        {
          pause = FIRST_PAUSE_S;
          continue;
        }
      if (!pause_s (host, pause))
        break;
      pause = longer (pause);
    }
  g_clear_pointer (&client, host_client_free);
  sync_host_unref (host);
  return NULL;
}

/* --- watching --- */

static gboolean
wait_until_known (SyncHost *host)
{
  Sync *sync = host->sync;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  while (!host->stopped && !sync->stopping &&
         (!host->introduced || sync->tree == NULL || sync->closing || sync->paused))
    g_cond_wait (&sync->changed, &sync->lock);
  return !host->stopped && !sync->stopping;
}

/* One answer of the host. The tree isn't held while it is waited for. */
static gboolean
watch_once (SyncHost *host,
            HostClient *client,
            char **known,
            gboolean ask_now,
            GError **error)
{
  g_autoptr (GBytes) cell = NULL;
  g_autofree char *etag = NULL;
  g_autoptr (GHashTable) expected = sync_cell_expect (host);
  g_autoptr (GPtrArray) entries = NULL;

  if (!host_client_get_cell (client, *known, *known == NULL || ask_now ? 0 : WATCH_S, &cell,
                             &etag, host->nudge, error))
    return FALSE;
  note_room (host, client);
  sync_host_set_state (host, HOST_LINKED, "");
  if (cell == NULL)
    return *known != NULL || pause_s (host, FIRST_PAUSE_S * 5);
  entries = read_cell (host, cell, expected, error);
  if (entries == NULL)
    return FALSE;
  take_entries (host, entries);
  g_free (*known);
  *known = g_steal_pointer (&etag);
  return TRUE;
}

gpointer
sync_watch_thread (gpointer data)
{
  SyncHost *host = data;
  HostClient *client = NULL;
  g_autofree char *known = NULL;
  guint pause = FIRST_PAUSE_S;
  gboolean nudged = FALSE;

  while (wait_until_known (host))
    {
      g_autoptr (GError) error = NULL;
      gboolean ask_now = nudged;

      nudged = FALSE;

      if (client == NULL)
        client = sync_host_client (host, &error);
      if (client != NULL && watch_once (host, client, &known, ask_now, &error))
        {
          pause = FIRST_PAUSE_S;
          continue;
        }
      g_clear_pointer (&client, host_client_free);
      if (g_cancellable_is_cancelled (host->nudge))
        {
          nudged = TRUE;
          g_cancellable_reset (host->nudge);
          continue;
        }
      sync_host_failed (host, error);
      if (!pause_s (host, pause))
        break;
      pause = longer (pause);
      /* A long wait would leave it “away” until something changes there. */
      nudged = TRUE;
    }
  g_clear_pointer (&client, host_client_free);
  sync_host_unref (host);
  return NULL;
}
