// SPDX-License-Identifier: GPL-3.0-or-later
/* Bringing objects here, from the nearest who has them: linked devices of the person first, the
 * quickest of them first, then hosts. What one hasn't got, or gives wrongly, the next is asked
 * for. Nobody is asked twice for one object at a time, however many threads want it. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/sync-private.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  AT_ONCE = 512,       /* objects in one request */
  LINK_PATIENCE_S = 20, /* without anything coming */
};

/* --- from a device --- */

typedef struct
{
  gatomicrefcount refs;
  Sync *sync;
  char *name;
  GArray *ids;
  GMutex lock;
  GCond changed;
  guint answered;
  gboolean gone;
  gboolean wrong; /* it gave something else */
} FromLink;

static void
from_link_unref (gpointer data)
{
  FromLink *from = data;

  if (!g_atomic_ref_count_dec (&from->refs))
    return;
  g_array_unref (from->ids);
  g_free (from->name);
  g_mutex_clear (&from->lock);
  g_cond_clear (&from->changed);
  g_free (from);
}

/* In a thread of the link's. */
static void
on_arrived (gsize index, GBytes *sealed, guint64 wire_bytes, gpointer user_data)
{
  FromLink *from = user_data;
  g_autoptr (GError) error = NULL;
  gboolean wrong = FALSE;

  if (sealed != NULL && index < from->ids->len)
    wrong = !moss_store_put_raw (from->sync->netd->store, sealed,
                                 &g_array_index (from->ids, MossId, index), NULL, &error) &&
            g_error_matches (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT);
  g_mutex_lock (&from->lock);
  if (index < from->ids->len)
    from->answered++;
  else
    from->gone = TRUE;
  from->wrong = from->wrong || wrong;
  g_cond_broadcast (&from->changed);
  g_mutex_unlock (&from->lock);
}

static gboolean
is_over (Sync *sync)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  return sync->closing || sync->stopping;
}

/* Waits until all is answered, the link is gone, or nothing has come for too long (%FALSE). */
static gboolean
wait_for_all (FromLink *from)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&from->lock);
  gint64 begin = g_get_monotonic_time ();
  guint before = 0;

  while (from->answered < from->ids->len && !from->gone)
    {
      gint64 now = g_get_monotonic_time ();

      if (from->answered != before)
        begin = now;
      before = from->answered;
      if (now - begin > LINK_PATIENCE_S * G_USEC_PER_SEC)
        return FALSE;
      if (!g_cond_wait_until (&from->changed, &from->lock, now + G_USEC_PER_SEC / 2) &&
          is_over (from->sync))
        return TRUE;
    }
  return TRUE;
}

static void
ask_link (Sync *sync, const SyncPeer *peer, GArray *ids)
{
  FromLink *from = g_new0 (FromLink, 1);
  g_autoptr (GError) error = NULL;
  guint64 request;
  gboolean wrong;

  g_atomic_ref_count_init (&from->refs);
  from->sync = sync;
  from->name = g_strdup (peer->name);
  from->ids = g_array_copy (ids);
  g_mutex_init (&from->lock);
  g_cond_init (&from->changed);
  g_atomic_ref_count_inc (&from->refs); /* the link's */
  if (!moss_link_fetch (peer->link, (const MossId *) from->ids->data, from->ids->len,
                        on_arrived, from, from_link_unref, &request, &error))
    {
      g_debug ("%s: %s", peer->name, error->message);
      from_link_unref (from);
    }
  else if (!wait_for_all (from))
    {
      moss_link_fetch_cancel (peer->link, request);
      sync_blame (sync, peer->name, _ ("It doesn't send what it is asked for."));
    }
  g_mutex_lock (&from->lock);
  wrong = from->wrong;
  g_mutex_unlock (&from->lock);
  if (wrong)
    sync_blame (sync, peer->name, _ ("It sends something else than it is asked for."));
  from_link_unref (from);
}

/* Takes out what is here by now. */
static void
keep_missing (Sync *sync, GArray *ids)
{
  guint left = 0;

  for (guint i = 0; i < ids->len; i++)
    {
      MossId id = g_array_index (ids, MossId, i);

      if (!moss_store_has (sync->netd->store, &id))
        g_array_index (ids, MossId, left++) = id;
    }
  g_array_set_size (ids, left);
}

static void
try_link (Sync *sync, const SyncPeer *peer, GArray *ids)
{
  ask_link (sync, peer, ids);
  keep_missing (sync, ids);
  if (ids->len == 0)
    return;
  /* "Not here" can mean "pushed just before": look again, then ask once more. */
  moss_link_wait_settled (peer->link);
  keep_missing (sync, ids);
  if (ids->len > 0)
    ask_link (sync, peer, ids);
  keep_missing (sync, ids);
}

/* --- from a host --- */

typedef struct
{
  Sync *sync;
  SyncHost *host;
  const MossId *ids;
  guint absent;
} FromHost;

static gboolean
on_host_object (gsize index, GBytes *sealed, gpointer user_data)
{
  FromHost *from = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;

  if (sealed == NULL)
    {
      from->absent++;
      return TRUE;
    }
  if (moss_store_put_raw (from->sync->netd->store, sealed, &from->ids[index], NULL, &error))
    return TRUE;
  if (g_error_matches (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT) ||
      error->domain == MOSS_CRYPTO_ERROR)
    {
      name = moss_id_to_string (&from->ids[index]);
      sync_host_lied (from->host, _ ("It gives something else for object %.12s."), name);
    }
  else
    g_warning ("%s", error->message);
  return TRUE;
}

/* Several requests, for a host answers with what fits. */
static gboolean
ask_host (FromHost *from, HostClient *client, GArray *ids, GError **error)
{
  gsize at = 0;

  while (at < ids->len)
    {
      gsize answered;

      from->ids = (const MossId *) ids->data + at;
      if (!host_client_fetch (client, from->ids, MIN (ids->len - at, AT_ONCE), on_host_object,
                              from, &answered, from->host->cancellable, error))
        return FALSE;
      at += answered;
    }
  return TRUE;
}

/* A client that broke off in the middle of something is not used again. */
static void
give_back (SyncHost *host, HostClient *client, gboolean ok)
{
  g_autoptr (HostClient) spent = client;

  if (!ok)
    return;
  g_mutex_lock (&host->sync->lock);
  if (!host->stopped && host->clients->len < 4)
    g_ptr_array_add (host->clients, g_steal_pointer (&spent));
  g_mutex_unlock (&host->sync->lock);
}

static void
try_host (Sync *sync, SyncHost *host, GArray *ids)
{
  FromHost from = { .sync = sync, .host = host };
  g_autoptr (GError) error = NULL;
  HostClient *client = sync_host_client (host, &error);
  gboolean ok = client != NULL && ask_host (&from, client, ids, &error);

  if (client != NULL)
    give_back (host, client, ok);
  if (!ok)
    sync_host_failed (host, error);
  keep_missing (sync, ids);
}

static gboolean
is_usable (SyncHost *host, gboolean also_slow)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host->sync->lock);
  gboolean slow = host->slow_until_us > g_get_monotonic_time ();

  return !host->stopped && host->introduced && host->state != HOST_REFUSED && slow == also_slow;
}

static void
try_hosts (Sync *sync, GArray *ids, gboolean also_slow)
{
  g_autoptr (GPtrArray) hosts = sync_hosts_copy (sync);

  for (guint i = 0; i < hosts->len && ids->len > 0 && !is_over (sync); i++)
    {
      SyncHost *host = g_ptr_array_index (hosts, i);

      if (is_usable (host, also_slow))
        try_host (sync, host, ids);
    }
}

/* --- one caller after the other for one object --- */

/* Splits what is missing into what this thread fetches and what others fetch already. */
static void
claim (Sync *sync, GArray *missing, GArray *mine)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  for (guint i = 0; i < missing->len; i++)
    {
      const MossId *id = &g_array_index (missing, MossId, i);

      if (g_hash_table_contains (sync->in_flight, id))
        continue;
      g_hash_table_add (sync->in_flight, g_memdup2 (id, sizeof *id));
      g_array_append_val (mine, *id);
    }
}

static void
unclaim (Sync *sync, GArray *mine)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  for (guint i = 0; i < mine->len; i++)
    g_hash_table_remove (sync->in_flight, &g_array_index (mine, MossId, i));
  g_cond_broadcast (&sync->changed);
}

static void
wait_for_others (Sync *sync, GArray *missing)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  for (guint i = 0; i < missing->len; i++)
    while (g_hash_table_contains (sync->in_flight, &g_array_index (missing, MossId, i)) &&
           !sync->closing && !sync->stopping)
      g_cond_wait (&sync->changed, &sync->lock);
}

static void
fetch_mine (Sync *sync, GArray *ids)
{
  g_autoptr (GPtrArray) peers = sync_peers_copy (sync);

  for (guint i = 0; i < peers->len && ids->len > 0; i++)
    try_link (sync, g_ptr_array_index (peers, i), ids);
  try_hosts (sync, ids, FALSE);
  try_hosts (sync, ids, TRUE);
}

static gboolean
nobody_has (Sync *sync, GArray *ids, GError **error)
{
  g_autofree char *name = moss_id_to_string (&g_array_index (ids, MossId, 0));

  g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_MISSING,
               "object %.12s (%u in all) is on no device or host that can be reached now", name,
               ids->len);
  return FALSE;
}

/**
 * sync_fetch:
 *
 * MossTreeCallbacks.fetch: any thread, waits for the network, for a bounded time.
 */
gboolean
sync_fetch (const MossId *ids, gsize count, gpointer data, GError **error)
{
  Sync *sync = ((Netd *) data)->sync;
  g_autoptr (GArray) missing = g_array_new (FALSE, FALSE, sizeof (MossId));

  g_array_append_vals (missing, ids, count);
  keep_missing (sync, missing);
  for (guint turn = 0; turn < 2 && missing->len > 0; turn++)
    {
      g_autoptr (GArray) mine = g_array_new (FALSE, FALSE, sizeof (MossId));
      g_autoptr (GArray) wanted = NULL;

      claim (sync, missing, mine);
      wanted = g_array_copy (mine);
      if (mine->len > 0)
        fetch_mine (sync, mine);
      unclaim (sync, wanted);
      wait_for_others (sync, missing);
      keep_missing (sync, missing);
    }
  if (missing->len == 0)
    {
      moss_store_flush (sync->netd->store, NULL);
      return TRUE;
    }
  return nobody_has (sync, missing, error);
}

/* A guess for people: what it takes to fetch so many bytes from the nearest. Any thread. */
guint
sync_cost_ms (guint64 bytes, gpointer data)
{
  Sync *sync = ((Netd *) data)->sync;
  g_autoptr (GPtrArray) peers = sync_peers_copy (sync);
  guint64 rate = 4 * 1024 * 1024, rtt_us = 50 * 1000;

  if (bytes == 0)
    return 0;
  if (peers->len > 0)
    {
      SyncPeer *peer = g_ptr_array_index (peers, 0);
      guint64 measured = moss_link_get_bytes_per_s (peer->link);

      rate = measured > 0 ? measured : 50 * 1024 * 1024;
      rtt_us = peer->rtt_us;
    }
  return MIN (rtt_us / 1000 + bytes * 1000 / rate + 1, G_MAXUINT32);
}
