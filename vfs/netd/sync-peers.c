// SPDX-License-Identifier: GPL-3.0-or-later
/* Telling the person's linked devices what is new, and hearing from them.
 *
 * Call "tree.root": (tree ay, record ay, hosts a(st)): a signed root that the other one may lack,
 * and which roots of its own the caller knows to be on which hosts. The reply, (t) the number of
 * the root, comes when it is merged. Blocks of the table are pushed before, and contents where
 * they are few, so that a merge need not ask for them. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/sync-private.h"

#include <glib/gi18n.h>
#include <string.h>

#define ROOT_METHOD SYNC_CALL_PREFIX "root"
#define ROOT_TYPE "(ayaya(st))"

enum
{
  CALL_MS = 120 * 1000,
  CLAIMS_MAX = 16,
  RETELL_S = 10,
};

#define PUSH_CONTENT_BYTES ((guint64) 1024 * 1024)
#define PUSH_BLOCKS_MAX 2048

void
sync_peer_free (gpointer data)
{
  SyncPeer *peer = data;

  moss_link_unref (peer->link);
  g_free (peer->id);
  g_free (peer->name);
  g_free (peer);
}

static SyncPeer *
peer_copy (const SyncPeer *peer)
{
  SyncPeer *copy = g_memdup2 (peer, sizeof *peer);

  copy->id = g_strdup (peer->id);
  copy->name = g_strdup (peer->name);
  copy->link = moss_link_ref (peer->link);
  return copy;
}

/* Any thread. Returns: (transfer full): SyncPeer, the nearest first */
GPtrArray *
sync_peers_copy (Sync *sync)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func (sync_peer_free);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  for (guint i = 0; i < sync->peers->len; i++)
    g_ptr_array_add (copy, peer_copy (g_ptr_array_index (sync->peers, i)));
  return copy;
}

/* One of the person's own, and not revoked. With the lock. */
static gboolean
is_own_locked (Sync *sync, const char *id)
{
  guint8 fingerprint[MOSS_HASH_BYTES];
  MossChainDevice device;

  moss_fingerprint_to_bytes (id, fingerprint);
  return sync->chain != NULL &&
         moss_chain_find_device (sync->chain, fingerprint, &device) && !device.revoked;
}

static gint
nearest_first (gconstpointer a, gconstpointer b)
{
  const SyncPeer *one = *(SyncPeer *const *) a;
  const SyncPeer *other = *(SyncPeer *const *) b;

  return (one->rtt_us > other->rtt_us) - (one->rtt_us < other->rtt_us);
}

/* Main context. */
void
sync_peers_refresh (Sync *sync)
{
  g_autoptr (GPtrArray) peers = g_ptr_array_new_with_free_func (sync_peer_free);
  g_autoptr (GPtrArray) old = NULL;
  GHashTableIter iter;
  Device *device;

  g_mutex_lock (&sync->lock);
  g_hash_table_iter_init (&iter, sync->netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    {
      SyncPeer *peer;

      if (device->link == NULL || !is_own_locked (sync, device->id))
        continue;
      peer = g_new0 (SyncPeer, 1);
      peer->id = g_strdup (device->id);
      peer->name = g_strdup (device->name);
      peer->link = moss_link_ref (device->link);
      peer->rtt_us = moss_link_get_rtt_us (device->link);
      g_ptr_array_add (peers, peer);
    }
  g_ptr_array_sort (peers, nearest_first);
  old = g_steal_pointer (&sync->peers);
  sync->peers = g_steal_pointer (&peers);
  g_cond_broadcast (&sync->changed);
  g_mutex_unlock (&sync->lock);
}

/* --- telling --- */

typedef struct
{
  Sync *sync;
  SyncPeer *peer;
  GBytes *record;
  guint64 number;
  gboolean mine;
} Tell;

static void
tell_free (gpointer data)
{
  Tell *tell = data;

  sync_peer_free (tell->peer);
  g_bytes_unref (tell->record);
  g_free (tell);
}

/* Somebody didn't take what they were told: all is told again. */
static gboolean
on_retell (gpointer data)
{
  Sync *sync = data;

  g_mutex_lock (&sync->lock);
  sync->retell = TRUE;
  g_mutex_unlock (&sync->lock);
  sync_wake (sync);
  return G_SOURCE_REMOVE;
}

static void
on_told (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Tell *tell = user_data;
  Sync *sync = tell->sync;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = moss_link_call_finish (result, NULL, &error);

  if (reply == NULL)
    {
      g_debug ("%s: a root was not taken: %s", tell->peer->name, error->message);
      g_timeout_add_seconds (RETELL_S, on_retell, sync);
    }
  else if (tell->mine)
    {
      guint64 *known;

      g_mutex_lock (&sync->lock);
      known = g_hash_table_lookup (sync->acknowledged, tell->peer->id);
      if (known == NULL || *known < tell->number)
        g_hash_table_replace (sync->acknowledged, g_strdup (tell->peer->id),
                              g_memdup2 (&tell->number, sizeof tell->number));
      g_mutex_unlock (&sync->lock);
      sync_status_changed (sync);
    }
  tell_free (tell);
}

/* Which root of ours is on which host. */
static GVariant *
claims (Sync *sync)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(st)"));
  for (guint i = 0; i < sync->hosts->len && i < CLAIMS_MAX; i++)
    {
      SyncHost *host = g_ptr_array_index (sync->hosts, i);

      if (host->number > 0)
        g_variant_builder_add (&builder, "(st)", host->url, host->number);
    }
  return g_variant_builder_end (&builder);
}

static gboolean
on_tell (gpointer data)
{
  Tell *tell = data;
  Sync *sync = tell->sync;
  GVariant *tree = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, sync->identity,
                                              MOSS_HASH_BYTES, 1);

  moss_link_call (tell->peer->link, ROOT_METHOD,
                  g_variant_new ("(@ay@ay@a(st))", tree,
                                 g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING,
                                                           tell->record, TRUE),
                                 claims (sync)),
                  CALL_MS, on_told, tell);
  return G_SOURCE_REMOVE;
}

static void
tell (Sync *sync, const SyncPeer *peer, GBytes *record, const MossTreeRoot *root)
{
  Tell *one = g_new0 (Tell, 1);

  one->sync = sync;
  one->peer = peer_copy (peer);
  one->record = g_bytes_ref (record);
  one->number = root->number;
  one->mine = memcmp (root->device, sync->me, MOSS_HASH_BYTES) == 0;
  g_idle_add_full (G_PRIORITY_DEFAULT, on_tell, one, NULL);
}

/* --- the sender's thread --- */

/* What has been told over a link: the link itself and device → number. */
typedef struct
{
  MossLink *link;
  GHashTable *numbers;
} Told;

static void
told_free (gpointer data)
{
  Told *told = data;

  moss_link_unref (told->link);
  g_hash_table_unref (told->numbers);
  g_free (told);
}

static Told *
find_told (GPtrArray *all, MossLink *link)
{
  Told *told;

  for (guint i = 0; i < all->len; i++)
    if (((Told *) g_ptr_array_index (all, i))->link == link)
      return g_ptr_array_index (all, i);
  told = g_new0 (Told, 1);
  told->link = moss_link_ref (link);
  told->numbers = g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free, g_free);
  g_ptr_array_add (all, told);
  return told;
}

static void
forget_gone (GPtrArray *all, GPtrArray *peers)
{
  for (guint i = all->len; i > 0; i--)
    {
      Told *told = g_ptr_array_index (all, i - 1);
      gboolean here = FALSE;

      for (guint j = 0; j < peers->len; j++)
        here = here || ((SyncPeer *) g_ptr_array_index (peers, j))->link == told->link;
      if (!here)
        g_ptr_array_remove_index_fast (all, i - 1);
    }
}

typedef struct
{
  Sync *sync;
  GArray *ids;
  guint64 bytes, most;
} Gather;

static gboolean
on_object (const MossId *id, gboolean is_here, gpointer user_data)
{
  Gather *gather = user_data;
  guint32 length;

  if (!is_here || !moss_store_get_length (gather->sync->netd->store, id, &length))
    return TRUE;
  gather->bytes += length;
  if (gather->bytes > gather->most || gather->ids->len >= PUSH_BLOCKS_MAX)
    return FALSE;
  g_array_append_val (gather->ids, *id);
  return TRUE;
}

/* What a merge of @record will ask for, by who has @known. */
static GArray *
gather (Sync *sync, MossTree *tree, GBytes *record, GBytes *known)
{
  Gather blocks = { sync, g_array_new (FALSE, FALSE, sizeof (MossId)), 0, G_MAXUINT64 };
  Gather contents = { sync, NULL, 0, PUSH_CONTENT_BYTES };

  if (known == NULL)
    return blocks.ids; /* too much: they ask for what they lack */
  contents.ids = g_array_new (FALSE, FALSE, sizeof (MossId));
  moss_tree_list_objects (tree, record, known, TRUE, on_object, &blocks, NULL);
  if (moss_tree_list_objects (tree, record, known, FALSE, on_object, &contents, NULL) &&
      contents.bytes <= contents.most)
    {
      g_array_unref (blocks.ids);
      return contents.ids;
    }
  g_array_unref (contents.ids);
  return blocks.ids;
}

static void
push (GPtrArray *peers, GArray *ids)
{
  for (guint i = 0; i < peers->len; i++)
    for (guint j = 0; j < ids->len; j++)
      moss_link_push (((SyncPeer *) g_ptr_array_index (peers, i))->link,
                      &g_array_index (ids, MossId, j), NULL);
}

static void
tell_if_new (Sync *sync, GPtrArray *peers, GPtrArray *all, GBytes *record)
{
  MossTreeRoot root;

  if (record == NULL || !moss_tree_root_parse (record, &root, NULL))
    return;
  for (guint i = 0; i < peers->len; i++)
    {
      SyncPeer *peer = g_ptr_array_index (peers, i);
      Told *told = find_told (all, peer->link);
      guint8 theirs[MOSS_HASH_BYTES];
      guint64 *number = g_hash_table_lookup (told->numbers, root.device);

      moss_fingerprint_to_bytes (peer->id, theirs);
      if (memcmp (theirs, root.device, MOSS_HASH_BYTES) == 0 ||
          (number != NULL && *number >= root.number))
        continue;
      tell (sync, peer, record, &root);
      g_hash_table_replace (told->numbers, g_memdup2 (root.device, MOSS_HASH_BYTES),
                            g_memdup2 (&root.number, sizeof root.number));
    }
}

static MossChain *
ref_chain (Sync *sync)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  return sync->chain == NULL ? NULL : moss_chain_ref (sync->chain);
}

/* All that is newer than what was told: ours, with its objects, and what others gave us. */
static void
send_round (Sync *sync, MossTree *tree, GPtrArray *all)
{
  g_autoptr (GPtrArray) peers = sync_peers_copy (sync);
  g_autoptr (MossChain) chain = ref_chain (sync);
  g_autoptr (GBytes) record = NULL;
  g_autoptr (GArray) ids = NULL;
  gboolean retell;

  g_mutex_lock (&sync->lock);
  retell = sync->retell;
  sync->retell = FALSE;
  g_mutex_unlock (&sync->lock);
  forget_gone (all, peers);
  if (retell)
    g_ptr_array_set_size (all, 0);
  if (peers->len == 0 || chain == NULL)
    return;
  g_mutex_lock (&sync->lock);
  record = sync->record == NULL ? NULL : g_bytes_ref (sync->record);
  g_mutex_unlock (&sync->lock);
  if (record != NULL && record != sync->told)
    {
      ids = gather (sync, tree, record, sync->told);
      push (peers, ids);
    }
  tell_if_new (sync, peers, all, record);
  g_mutex_lock (&sync->lock);
  g_clear_pointer (&sync->told, g_bytes_unref);
  sync->told = g_steal_pointer (&record);
  g_mutex_unlock (&sync->lock);
  for (guint slot = 1; slot <= moss_chain_get_n_devices (chain); slot++)
    {
      g_autoptr (GBytes) other = NULL;
      MossChainDevice device;

      if (!moss_chain_get_device (chain, slot, &device) || device.revoked ||
          memcmp (device.record->fingerprint, sync->me, MOSS_HASH_BYTES) == 0)
        continue;
      other = moss_tree_get_record (tree, device.record->fingerprint);
      tell_if_new (sync, peers, all, other);
    }
}

static gpointer
sender_thread (gpointer data)
{
  Sync *sync = data;
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (told_free);
  guint seen = 0;

  for (;;)
    {
      MossTree *tree;
      gboolean stopping;

      g_mutex_lock (&sync->lock);
      while (!sync->stopping && (sync->sender_wake == seen || sync->paused))
        g_cond_wait (&sync->changed, &sync->lock);
      seen = sync->sender_wake;
      stopping = sync->stopping;
      g_mutex_unlock (&sync->lock);
      if (stopping)
        return NULL;
      tree = sync_hold_tree (sync);
      if (tree == NULL)
        continue;
      send_round (sync, tree, all);
      sync_drop_tree (sync);
    }
}

void
sync_peers_start (Sync *sync)
{
  sync->sender = g_thread_new ("sender", sender_thread, sync);
}

/* --- hearing --- */

static void
note_claims (Sync *sync, const char *device, GVariant *list)
{
  GVariantIter iter;
  const char *url;
  guint64 number;
  guint count = 0;

  g_variant_iter_init (&iter, list);
  while (count++ < CLAIMS_MAX && g_variant_iter_next (&iter, "(&st)", &url, &number))
    g_hash_table_replace (sync->claims, g_strdup_printf ("%s %s", url, device),
                          g_memdup2 (&number, sizeof number));
}

static gboolean
take_root (Sync *sync, MossLink *link, guint64 request, GVariant *body)
{
  g_autoptr (GVariant) tree = NULL;
  g_autoptr (GVariant) record = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GBytes) bytes = NULL;
  Device *device = device_find (sync->netd, moss_link_get_device (link));
  gboolean good;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE (ROOT_TYPE)))
    return FALSE;
  g_variant_get (body, "(@ay@ay@a(st))", &tree, &record, &list);
  if (g_variant_get_size (tree) != MOSS_HASH_BYTES || g_variant_get_size (record) == 0 ||
      g_variant_get_size (record) > MOSS_TREE_RECORD_MAX)
    return FALSE;
  g_mutex_lock (&sync->lock);
  good = device != NULL && is_own_locked (sync, device->id) &&
         memcmp (g_variant_get_data (tree), sync->identity, MOSS_HASH_BYTES) == 0;
  if (good)
    note_claims (sync, device->id, list);
  g_mutex_unlock (&sync->lock);
  if (!good)
    return FALSE;
  bytes = g_variant_get_data_as_bytes (record);
  sync_merge_push (sync, bytes, device->name, NULL, link, request);
  return TRUE;
}

void
sync_call (Netd *netd, MossLink *link, guint64 request, const char *method, GVariant *body)
{
  if (netd->sync == NULL || !g_str_equal (method, ROOT_METHOD) ||
      !take_root (netd->sync, link, request, body))
    moss_link_reply_error (link, request, "org.moss.Error.Invalid",
                           _ ("That is no root of this person's files."));
}
