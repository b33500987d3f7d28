// SPDX-License-Identifier: GPL-3.0-or-later
/* The hosts that the person's chain names. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/sync-private.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  SLOW_S = 300,
};

SyncHost *
sync_host_ref (SyncHost *host)
{
  g_atomic_ref_count_inc (&host->refs);
  return host;
}

void
sync_host_unref (gpointer data)
{
  SyncHost *host = data;

  if (!g_atomic_ref_count_dec (&host->refs))
    return;
  g_ptr_array_unref (host->clients);
  g_hash_table_unref (host->shown);
  g_clear_pointer (&host->base, g_bytes_unref);
  g_object_unref (host->cancellable);
  g_object_unref (host->nudge);
  g_free (host->reason);
  g_free (host->lie);
  g_free (host->url);
  g_free (host);
}

/* Any thread. Returns: (transfer full) */
GPtrArray *
sync_hosts_copy (Sync *sync)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func (sync_host_unref);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  for (guint i = 0; i < sync->hosts->len; i++)
    g_ptr_array_add (copy, sync_host_ref (g_ptr_array_index (sync->hosts, i)));
  return copy;
}

static GBytes *
sign_token (const guint8 *message,
            gsize length,
            guint *suite,
            gpointer user_data,
            GError **error)
{
  return agent_sign (user_data, MOSS_TOKEN_DOMAIN, message, length, suite, error);
}

/* Any thread; one that is idle, or a new one. Returns: (transfer full) */
HostClient *
sync_host_client (SyncHost *host, GError **error)
{
  Sync *sync = host->sync;
  HostClientSelf self = { .suite = sync->netd->hello.suite,
                          .sign = sign_token,
                          .user_data = sync->netd };
  HostClient *client = NULL;

  g_mutex_lock (&sync->lock);
  if (host->clients->len > 0)
    client = g_ptr_array_steal_index_fast (host->clients, host->clients->len - 1);
  memcpy (self.identity, sync->identity, MOSS_HASH_BYTES);
  memcpy (self.tree.bytes, sync->identity, MOSS_HASH_BYTES);
  memcpy (self.device, sync->me, MOSS_HASH_BYTES);
  g_mutex_unlock (&sync->lock);
  return client != NULL ? client : host_client_new (host->url, &self, error);
}

void
sync_host_set_state (SyncHost *host, HostState state, const char *reason)
{
  Sync *sync = host->sync;
  gboolean changed;

  g_mutex_lock (&sync->lock);
  changed = host->state != state || g_strcmp0 (host->reason, reason) != 0;
  host->state = state;
  g_free (host->reason);
  host->reason = g_strdup (reason);
  g_mutex_unlock (&sync->lock);
  if (changed)
    sync_status_changed (sync);
}

/* A request failed; what that says about the host. */
void
sync_host_failed (SyncHost *host, const GError *error)
{
  Sync *sync = host->sync;

  if (error == NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_debug ("%s", error->message);
  if (g_error_matches (error, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_LIES))
    sync_host_lied (host, "%s", error->message);
  else if (g_error_matches (error, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_FULL))
    sync_host_set_state (host, HOST_FULL, error->message);
  else if (g_error_matches (error, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_REFUSED))
    sync_host_set_state (host, HOST_REFUSED, error->message);
  else
    sync_host_set_state (host, HOST_AWAY, error->message);
  if (!g_error_matches (error, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_SLOW))
    return;
  g_mutex_lock (&sync->lock);
  host->slow_until_us = g_get_monotonic_time () + SLOW_S * G_USEC_PER_SEC;
  g_mutex_unlock (&sync->lock);
  sync_blame (sync, host->url, _ ("It answers too slowly to be of use."));
}

/* It was caught at something that no honest host does; it stays written down until netd starts
 * anew, whatever the host does meanwhile. */
void
sync_host_lied (SyncHost *host, const char *format, ...)
{
  Sync *sync = host->sync;
  va_list arguments;
  g_autofree char *sentence = NULL;

  va_start (arguments, format);
  sentence = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_mutex_lock (&sync->lock);
  g_free (host->lie);
  host->lie = g_strdup (sentence);
  g_mutex_unlock (&sync->lock);
  sync_blame (sync, host->url, "%s", sentence);
}

/* --- which there are --- */

static SyncHost *
find_locked (Sync *sync, const char *url)
{
  for (guint i = 0; i < sync->hosts->len; i++)
    if (g_str_equal (((SyncHost *) g_ptr_array_index (sync->hosts, i))->url, url))
      return g_ptr_array_index (sync->hosts, i);
  return NULL;
}

static SyncHost *
host_new (Sync *sync, const char *url)
{
  SyncHost *host = g_new0 (SyncHost, 1);

  g_atomic_ref_count_init (&host->refs);
  host->sync = sync;
  host->url = g_strdup (url);
  host->cancellable = g_cancellable_new ();
  host->nudge = g_cancellable_new ();
  host->reason = g_strdup (_ ("It was not reached yet."));
  host->shown = g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free, g_free);
  host->clients = g_ptr_array_new_with_free_func ((GDestroyNotify) host_client_free);
  return host;
}

static void
start (SyncHost *host)
{
  /* Without knowing what it has shown before, it could show something older: it isn't used. */
  if (!sync_host_load (host))
    {
      sync_host_set_state (host, HOST_REFUSED,
                           _ ("What it has shown before can't be read any more."));
      return;
    }
  host->uploader = g_thread_new ("upload", sync_upload_thread, sync_host_ref (host));
  host->watcher = g_thread_new ("watch", sync_watch_thread, sync_host_ref (host));
}

/* Its threads end by themselves; what they do meanwhile is of no effect. */
static void
stop (SyncHost *host, gboolean wait)
{
  g_mutex_lock (&host->sync->lock);
  host->stopped = TRUE;
  g_cond_broadcast (&host->sync->changed);
  g_mutex_unlock (&host->sync->lock);
  g_cancellable_cancel (host->cancellable);
  g_cancellable_cancel (host->nudge);
  if (wait && host->uploader != NULL)
    {
      g_thread_join (host->uploader);
      g_thread_join (host->watcher);
    }
  else if (host->uploader != NULL)
    {
      g_thread_unref (host->uploader);
      g_thread_unref (host->watcher);
    }
}

static gboolean
is_named (MossChain *chain, const char *url)
{
  return chain != NULL && g_strv_contains (moss_chain_get_hosts (chain), url);
}

/* Main context: the chain or the tree is another one. */
void
sync_hosts_refresh (Sync *sync)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func (sync_host_unref);
  g_autoptr (GPtrArray) fresh = g_ptr_array_new_with_free_func (sync_host_unref);
  const char *const *url;

  g_mutex_lock (&sync->lock);
  for (guint i = sync->hosts->len; i > 0; i--)
    if (!is_named (sync->chain, ((SyncHost *) g_ptr_array_index (sync->hosts, i - 1))->url))
      g_ptr_array_add (gone, g_ptr_array_steal_index_fast (sync->hosts, i - 1));
  for (url = sync->chain == NULL ? NULL : moss_chain_get_hosts (sync->chain);
       url != NULL && *url != NULL; url++)
    if (find_locked (sync, *url) == NULL)
      {
        SyncHost *host = host_new (sync, *url);

        g_ptr_array_add (sync->hosts, sync_host_ref (host));
        g_ptr_array_add (fresh, host);
      }
  g_cond_broadcast (&sync->changed);
  g_mutex_unlock (&sync->lock);
  for (guint i = 0; i < gone->len; i++)
    stop (g_ptr_array_index (gone, i), FALSE);
  for (guint i = 0; i < fresh->len; i++)
    start (g_ptr_array_index (fresh, i));
}

/* A device came or went: what hosts say may have got lost, too. */
void
sync_hosts_nudge (Sync *sync)
{
  g_autoptr (GPtrArray) hosts = sync_hosts_copy (sync);

  for (guint i = 0; i < hosts->len; i++)
    g_cancellable_cancel (((SyncHost *) g_ptr_array_index (hosts, i))->nudge);
}

void
sync_hosts_stop (Sync *sync)
{
  g_autoptr (GPtrArray) hosts = sync_hosts_copy (sync);

  for (guint i = 0; i < hosts->len; i++)
    stop (g_ptr_array_index (hosts, i), TRUE);
}
