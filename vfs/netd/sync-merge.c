// SPDX-License-Identifier: GPL-3.0-or-later
/* Taking in the roots of other devices, one at a time, in a thread. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/home.h"
#include "vfs/netd/sync-private.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  RETRY_S = 5,
  TRIES_MAX = 12,
};

void
sync_incoming_free (gpointer data)
{
  Incoming *incoming = data;

  /* Somebody waits to hear whether it was merged. */
  if (incoming->link != NULL)
    {
      moss_link_reply_error (incoming->link, incoming->request, "org.moss.Error.Failed",
                             "the root was not merged");
      moss_link_unref (incoming->link);
    }
  if (incoming->host != NULL)
    sync_host_unref (incoming->host);
  g_bytes_unref (incoming->record);
  g_free (incoming->source);
  g_free (incoming);
}

static gboolean
is_waiting (Sync *sync, GBytes *record)
{
  for (GList *l = sync->incoming.head; l != NULL; l = l->next)
    if (g_bytes_equal (((Incoming *) l->data)->record, record))
      return TRUE;
  return FALSE;
}

/**
 * sync_merge_push:
 * @source: who gave it, for people
 * @host: (nullable): that gave it
 * @link: (nullable): gets an answer to @request when it is merged
 *
 * Any thread.
 */
void
sync_merge_push (Sync *sync,
                 GBytes *record,
                 const char *source,
                 SyncHost *host,
                 MossLink *link,
                 guint64 request)
{
  Incoming *incoming = g_new0 (Incoming, 1);

  incoming->record = g_bytes_ref (record);
  incoming->source = g_strdup (source);
  incoming->host = host == NULL ? NULL : sync_host_ref (host);
  incoming->link = link == NULL ? NULL : moss_link_ref (link);
  incoming->request = request;
  g_mutex_lock (&sync->lock);
  if (sync->incoming.length < SYNC_RECORDS_MAX && (link != NULL || !is_waiting (sync, record)))
    {
      g_queue_push_tail (&sync->incoming, g_steal_pointer (&incoming));
      g_cond_broadcast (&sync->changed);
    }
  g_mutex_unlock (&sync->lock);
  g_clear_pointer (&incoming, sync_incoming_free);
}

static void
answer (Incoming *incoming, guint64 number)
{
  if (incoming->link == NULL)
    return;
  moss_link_reply (incoming->link, incoming->request, g_variant_new ("(t)", number));
  g_clear_pointer (&incoming->link, moss_link_unref);
}

static void
blame (Sync *sync, Incoming *incoming, const char *device, const GError *error)
{
  if (incoming->host != NULL)
    sync_host_lied (incoming->host, _ ("It shows a root of %s that can't be believed: %s"),
                    device, error->message);
  else
    sync_blame (sync, incoming->source, _ ("It shows a root of %s that can't be believed: %s"),
                device, error->message);
}

/* Says whether it should be tried again later. */
static gboolean
judge (Sync *sync, Incoming *incoming, const MossTreeRoot *root, const GError *error)
{
  g_autofree char *device = sync_device_name (sync, root->device);

  if (g_error_matches (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID))
    {
      answer (incoming, root->number); /* older than what is known: nothing to do */
      return FALSE;
    }
  if (g_error_matches (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_FORGED) ||
      g_error_matches (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_FORKED) ||
      g_error_matches (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT))
    {
      blame (sync, incoming, device, error);
      return FALSE;
    }
  g_message ("a root of %s from %s: %s", device, incoming->source, error->message);
  if (g_error_matches (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_MISSING) &&
      incoming->host != NULL && incoming->tries == 2)
    sync_blame (sync, incoming->source,
                _ ("It shows a root of %s, but not all of what belongs to it."), device);
  return incoming->tries < TRIES_MAX;
}

/* Says whether it should be tried again later. */
static gboolean
merge_one (Sync *sync, MossTree *tree, Incoming *incoming)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) pins = NULL;
  MossTreeRoot root;
  MossTreeMerged merged;

  if (!moss_tree_root_parse (incoming->record, &root, &error))
    {
      memset (&root, 0, sizeof root);
      blame (sync, incoming, "?", error);
      return FALSE;
    }
  if (memcmp (root.device, sync->me, MOSS_HASH_BYTES) == 0)
    {
      answer (incoming, root.number);
      return FALSE;
    }
  incoming->tries++;
  pins = moss_tree_list_pins (tree, home_get_slot (sync->netd));
  if (!moss_tree_merge (tree, incoming->record, &merged, &error))
    return judge (sync, incoming, &root, error);
  answer (incoming, root.number);
  g_debug ("a root of another device, number %" G_GUINT64_FORMAT ", from %s: %u changes, "
           "%u conflicts", root.number, incoming->source, merged.changes, merged.conflicts);
  if (incoming->tries > 2)
    sync_forgive (sync, incoming->source);
  sync_pins_compare (sync, tree, pins, root.device);
  sync_wake (sync); /* for those that aren't linked to where it came from */
  sync_status_changed (sync);
  return FALSE;
}

typedef struct
{
  Sync *sync;
  Incoming *incoming;
} Later;

static gboolean
on_later (gpointer data)
{
  Later *later = data;

  g_mutex_lock (&later->sync->lock);
  if (!later->sync->stopping)
    {
      g_queue_push_tail (&later->sync->incoming, g_steal_pointer (&later->incoming));
      g_cond_broadcast (&later->sync->changed);
    }
  g_mutex_unlock (&later->sync->lock);
  return G_SOURCE_REMOVE;
}

static void
free_later (gpointer data)
{
  Later *later = data;

  g_clear_pointer (&later->incoming, sync_incoming_free);
  g_free (later);
}

static void
try_later (Sync *sync, Incoming *incoming)
{
  Later *later = g_new0 (Later, 1);

  later->sync = sync;
  later->incoming = incoming;
  g_timeout_add_seconds_full (G_PRIORITY_DEFAULT, RETRY_S, on_later, later, free_later);
}

static gpointer
merge_thread (gpointer data)
{
  Sync *sync = data;

  for (;;)
    {
      Incoming *incoming;
      MossTree *tree;

      g_mutex_lock (&sync->lock);
      while (!sync->stopping && (sync->incoming.length == 0 || sync->tree == NULL ||
                                 sync->closing || sync->paused))
        g_cond_wait (&sync->changed, &sync->lock);
      incoming = sync->stopping ? NULL : g_queue_pop_head (&sync->incoming);
      g_mutex_unlock (&sync->lock);
      if (incoming == NULL)
        return NULL;
      tree = sync_hold_tree (sync);
      if (tree == NULL || merge_one (sync, tree, incoming))
        try_later (sync, incoming);
      else
        sync_incoming_free (incoming);
      if (tree != NULL)
        sync_drop_tree (sync);
    }
}

void
sync_merge_start (Sync *sync)
{
  sync->merger = g_thread_new ("merge", merge_thread, sync);
}
