// SPDX-License-Identifier: GPL-3.0-or-later
/* What a person sees of all this: org.moss.Files1.Status. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/sync-private.h"

#include <glib/gi18n.h>
#include <string.h>

static const char *
host_state (const SyncHost *host)
{
  if (host->lie != NULL)
    return "refused";
  switch (host->state)
    {
    case HOST_LINKED:
      return "linked";
    case HOST_FULL:
      return "full";
    case HOST_REFUSED:
      return "refused";
    default:
      return "away";
    }
}

static void
add_hosts (Sync *sync, GVariantDict *dict)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < sync->hosts->len; i++)
    {
      SyncHost *host = g_ptr_array_index (sync->hosts, i);
      const char *trouble = g_hash_table_lookup (sync->troubles, host->url);
      GVariantDict one;

      if (host->lie != NULL)
        trouble = host->lie;
      g_variant_dict_init (&one, NULL);
      g_variant_dict_insert (&one, "url", "s", host->url);
      g_variant_dict_insert (&one, "state", "s", host_state (host));
      g_variant_dict_insert (&one, "reason", "s",
                             trouble != NULL          ? trouble
                             : host->reason != NULL ? host->reason
                                                      : "");
      g_variant_dict_insert (&one, "used", "t", host->used);
      g_variant_dict_insert (&one, "quota", "t", host->quota);
      g_variant_builder_add_value (&list, g_variant_dict_end (&one));
    }
  g_variant_dict_insert_value (dict, "hosts", g_variant_builder_end (&list));
}

static guint
devices_behind (Sync *sync)
{
  guint behind = 0;

  for (guint slot = 1; sync->chain != NULL && slot <= moss_chain_get_n_devices (sync->chain);
       slot++)
    {
      MossChainDevice device;
      g_autofree char *id = NULL;
      guint64 *number;

      moss_chain_get_device (sync->chain, slot, &device);
      if (device.revoked || memcmp (device.record->fingerprint, sync->me, MOSS_HASH_BYTES) == 0)
        continue;
      id = moss_id_to_string ((const MossId *) device.record->fingerprint);
      number = g_hash_table_lookup (sync->acknowledged, id);
      behind += sync->number > 0 && (number == NULL || *number < sync->number);
    }
  return behind;
}

typedef struct
{
  guint hosts, linked, full, lying, behind;
} Census;

static Census
count_hosts (Sync *sync)
{
  Census census = { 0 };

  for (guint i = 0; i < sync->hosts->len; i++)
    {
      SyncHost *host = g_ptr_array_index (sync->hosts, i);

      census.hosts++;
      census.lying += host->lie != NULL;
      census.linked += host->state == HOST_LINKED;
      census.full += host->state == HOST_FULL;
      census.behind += host->number < sync->number;
    }
  return census;
}

static const char *
decide (Sync *sync, const Census *census, guint conflicts, guint behind)
{
  MossTreeStats stats;

  if (sync->tree == NULL)
    return "none";
  if (sync->paused)
    return "paused";
  if (conflicts > 0)
    return "conflict";
  if (census->full > 0)
    return "host-full";
  if (census->hosts > 0 && census->linked == 0 && sync->peers->len == 0)
    return "offline";
  if (census->hosts == 0 && sync->peers->len == 0 && behind > 0)
    return "offline";
  moss_tree_get_stats (sync->tree, &stats);
  if (stats.dirty_bytes > 0 && (census->linked > 0 || sync->peers->len > 0))
    return "syncing"; /* written, not in a root yet */
  if (census->linked > 0 && census->behind > 0)
    return "syncing";
  return sync->incoming.length > 0 || sync->total > 0 ? "syncing" : "synced";
}

/* The most urgent thing to say. */
static char *
reason (Sync *sync, const char *state)
{
  GHashTableIter iter;
  gpointer source, sentence;

  g_hash_table_iter_init (&iter, sync->troubles);
  if (g_hash_table_iter_next (&iter, &source, &sentence))
    return g_strdup_printf ("%s: %s", (char *) source, (char *) sentence);
  if (g_str_equal (state, "offline"))
    return g_strdup (_ ("Neither another device nor a host can be reached."));
  if (g_str_equal (state, "host-full"))
    return g_strdup (_ ("A host has no more room."));
  return g_strdup ("");
}

static guint
count_conflicts (Sync *sync)
{
  MossTree *tree = sync_hold_tree (sync);
  g_autoptr (GArray) conflicts = tree == NULL ? NULL : moss_tree_list_conflicts (tree);

  if (tree != NULL)
    sync_drop_tree (sync);
  return conflicts == NULL ? 0 : conflicts->len;
}

/* Main context. Returns: (transfer floating): a{sv}, as StatusChanged has it */
GVariant *
sync_status (Netd *netd)
{
  Sync *sync = netd->sync;
  guint conflicts = count_conflicts (sync);
  g_autoptr (GVariant) latest = sync_latest (sync);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);
  Census census = count_hosts (sync);
  guint behind = devices_behind (sync);
  const char *state = decide (sync, &census, conflicts, behind);
  g_autofree char *why = reason (sync, state);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "state", "s", state);
  g_variant_dict_insert (&dict, "reason", "s", why);
  g_variant_dict_insert (&dict, "done", "u", sync->done);
  g_variant_dict_insert (&dict, "total", "u", sync->total);
  g_variant_dict_insert (&dict, "waiting-bytes", "t", sync->waiting_bytes);
  g_variant_dict_insert (&dict, "bytes-per-s", "t", sync->bytes_per_s);
  g_variant_dict_insert (&dict, "seconds-left", "u",
                         (guint32) (sync->bytes_per_s == 0
                                        ? 0
                                        : MIN (sync->waiting_bytes / sync->bytes_per_s,
                                               G_MAXUINT32)));
  g_variant_dict_insert (&dict, "conflicts", "u", conflicts);
  g_variant_dict_insert (&dict, "devices-behind", "u", behind);
  add_hosts (sync, &dict);
  g_variant_dict_insert_value (&dict, "latest", latest);
  return g_variant_dict_end (&dict);
}

/* Whether a version is on a host: the host has a root of ours that is not older than the one
 * which has it first. Any thread. */
guint
sync_count_hosts (const MossTreeInfo *info, gpointer data)
{
  Sync *sync = ((Netd *) data)->sync;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);
  guint count = 0;

  if (info->dirty)
    return 0;
  for (guint i = 0; i < sync->hosts->len; i++)
    {
      SyncHost *host = g_ptr_array_index (sync->hosts, i);
      guint64 *shown = g_hash_table_lookup (host->shown, info->device);

      count += host->lie == NULL && shown != NULL && *shown >= info->number;
    }
  return count;
}
