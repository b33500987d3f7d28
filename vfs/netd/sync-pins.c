// SPDX-License-Identifier: GPL-3.0-or-later
/* "Keep here" and "Send to": what is pinned for this device is fetched whole, in a thread, again
 * whenever it changes. A pin that came from another device is something it sent: the person is
 * told when all of it is here. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/home.h"
#include "vfs/netd/sync-private.h"

#include <string.h>

enum
{
  DEPTH_MAX = 64,
  RETRY_S = 15,
};

#define PIECE_BYTES ((guint64) 16 * 1024 * 1024)

typedef struct
{
  guint64 ino;
  char *sender; /* nullable: pinned here */
} Pin;

static void
pin_free (gpointer data)
{
  Pin *pin = data;

  g_free (pin->sender);
  g_free (pin);
}

static gboolean
is_over (Sync *sync)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  return sync->stopping || sync->closing;
}

static gboolean
on_child (const char *name,
          guint64 ino,
          guint32 mode,
          const MossTreeAttr *attr,
          guint64 cookie,
          gpointer user_data)
{
  if (strcmp (name, ".") != 0 && strcmp (name, "..") != 0)
    g_array_append_val ((GArray *) user_data, ino);
  return TRUE;
}

static gboolean keep_whole (Sync *sync, MossTree *tree, guint64 ino, guint depth);

static gboolean
keep_directory (Sync *sync, MossTree *tree, guint64 ino, guint depth)
{
  g_autoptr (GArray) children = g_array_new (FALSE, FALSE, sizeof (guint64));
  gboolean ok = depth < DEPTH_MAX &&
                moss_tree_readdir (tree, ino, 0, FALSE, on_child, children) == 0;

  for (guint i = 0; i < children->len; i++)
    ok = keep_whole (sync, tree, g_array_index (children, guint64, i), depth + 1) && ok;
  return ok;
}

static gboolean
keep_whole (Sync *sync, MossTree *tree, guint64 ino, guint depth)
{
  MossTreeAttr attr;

  if (is_over (sync))
    return FALSE;
  if (moss_tree_getattr (tree, ino, &attr) != 0)
    return TRUE; /* it is gone */
  if (S_ISDIR (attr.mode))
    return keep_directory (sync, tree, ino, depth);
  for (guint64 at = 0; S_ISREG (attr.mode) && at < attr.size; at += PIECE_BYTES)
    if (is_over (sync) ||
        moss_tree_hydrate (tree, ino, at, MIN (PIECE_BYTES, attr.size - at)) != 0)
      return FALSE;
  return TRUE;
}

typedef struct
{
  Sync *sync;
  guint64 ino;
  char *path;
  char *sender;
} Arrived;

static gboolean
on_arrived (gpointer data)
{
  Arrived *arrived = data;

  moss_dbus_files1_emit_received (arrived->sync->netd->files, arrived->path, arrived->sender);
  sync_note_came (arrived->sync->netd, arrived->ino);
  g_free (arrived->path);
  g_free (arrived->sender);
  g_free (arrived);
  return G_SOURCE_REMOVE;
}

static void
announce (Sync *sync, MossTree *tree, const Pin *pin)
{
  g_autofree char *path = pin->sender == NULL ? NULL : sync_path_of (sync, tree, pin->ino);
  Arrived *arrived;

  if (path == NULL)
    return;
  arrived = g_new0 (Arrived, 1);
  arrived->sync = sync;
  arrived->ino = pin->ino;
  arrived->path = g_steal_pointer (&path);
  arrived->sender = g_strdup (pin->sender);
  g_idle_add (on_arrived, arrived);
}

/* Old pins go before new ones: they are mostly here already. */
static GPtrArray *
next_round (Sync *sync, MossTree *tree)
{
  GPtrArray *round = g_ptr_array_new_with_free_func (pin_free);
  g_autoptr (GArray) pins = moss_tree_list_pins (tree, home_get_slot (sync->netd));

  for (guint i = 0; pins != NULL && i < pins->len; i++)
    {
      Pin *pin = g_new0 (Pin, 1);

      pin->ino = g_array_index (pins, guint64, i);
      g_mutex_lock (&sync->lock);
      pin->sender = g_strdup (g_hash_table_lookup (sync->sent_here, &pin->ino));
      g_mutex_unlock (&sync->lock);
      g_ptr_array_add (round, pin);
    }
  return round;
}

static gboolean
keep_all (Sync *sync, MossTree *tree)
{
  g_autoptr (GPtrArray) round = next_round (sync, tree);
  gboolean ok = TRUE;

  for (guint i = 0; i < round->len; i++)
    {
      Pin *pin = g_ptr_array_index (round, i);

      if (!keep_whole (sync, tree, pin->ino, 0))
        {
          ok = FALSE;
          continue;
        }
      announce (sync, tree, pin);
      g_mutex_lock (&sync->lock);
      g_hash_table_remove (sync->sent_here, &pin->ino);
      g_mutex_unlock (&sync->lock);
    }
  return ok;
}

static gboolean
on_retry (gpointer data)
{
  sync_pins_look (data);
  return G_SOURCE_REMOVE;
}

static gpointer
keeper_thread (gpointer data)
{
  Sync *sync = data;

  for (;;)
    {
      MossTree *tree;
      gboolean stopping;

      g_mutex_lock (&sync->lock);
      while (!sync->stopping && !sync->look_at_pins)
        g_cond_wait (&sync->changed, &sync->lock);
      sync->look_at_pins = FALSE;
      stopping = sync->stopping;
      g_mutex_unlock (&sync->lock);
      if (stopping)
        return NULL;
      tree = sync_hold_tree (sync);
      if (tree == NULL)
        continue;
      if (!keep_all (sync, tree) && !is_over (sync))
        g_timeout_add_seconds (RETRY_S, on_retry, sync);
      sync_drop_tree (sync);
    }
}

/* Any thread: something may have changed. */
void
sync_pins_look (Sync *sync)
{
  g_mutex_lock (&sync->lock);
  sync->look_at_pins = TRUE;
  g_cond_broadcast (&sync->changed);
  g_mutex_unlock (&sync->lock);
}

/**
 * sync_pins_compare:
 * @before: (nullable): pins for this device before a merge (guint64)
 * @device: whose root was merged
 *
 * What is pinned now and wasn't before, that device has sent. The merger's thread.
 */
void
sync_pins_compare (Sync *sync, MossTree *tree, GArray *before, const guint8 *device)
{
  g_autoptr (GArray) after = moss_tree_list_pins (tree, home_get_slot (sync->netd));
  g_autofree char *name = sync_device_name (sync, device);

  for (guint i = 0; before != NULL && after != NULL && i < after->len; i++)
    {
      guint64 ino = g_array_index (after, guint64, i);
      gboolean known = FALSE;

      for (guint j = 0; j < before->len; j++)
        known = known || g_array_index (before, guint64, j) == ino;
      if (known)
        continue;
      g_mutex_lock (&sync->lock);
      g_hash_table_replace (sync->sent_here, g_memdup2 (&ino, sizeof ino), g_strdup (name));
      g_mutex_unlock (&sync->lock);
    }
  sync_pins_look (sync);
}

void
sync_pins_start (Sync *sync)
{
  sync->sent_here = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  sync->keeper = g_thread_new ("keeper", keeper_thread, sync);
}
