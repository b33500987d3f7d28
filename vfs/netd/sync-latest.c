// SPDX-License-Identifier: GPL-3.0-or-later
/* The latest changes, for people: what was saved here and whether it has gone out, what came, what
 * was removed. Paths are found when somebody asks: a program saves under another name first. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/home.h"
#include "vfs/netd/sync-private.h"

#include "core/clock.h"

#include <errno.h>
#include <string.h>

enum
{
  KEPT_MAX = 64,
  SHOWN_MAX = 10,
  CHANGES_MAX = 64, /* looked at of one merge */
};

static void
latest_free (gpointer data)
{
  Latest *latest = data;

  g_free (latest->path);
  g_free (latest);
}

static gboolean
is_same (const Latest *one, const Latest *other)
{
  return one->ino == other->ino && g_strcmp0 (one->path, other->path) == 0;
}

/* Any thread. A file that is saved again and again stands there once. */
static void
note (Sync *sync, guint64 ino, const char *path, const char *what)
{
  Latest *latest = g_new0 (Latest, 1);

  latest->ino = ino;
  latest->path = g_strdup (path);
  latest->what = what;
  latest->time_us = moss_clock_now_us ();
  g_mutex_lock (&sync->lock);
  for (GList *l = sync->latest.head; l != NULL; l = l->next)
    if (is_same (l->data, latest))
      {
        latest_free (l->data);
        g_queue_delete_link (&sync->latest, l);
        break;
      }
  g_queue_push_head (&sync->latest, latest);
  if (sync->latest.length > KEPT_MAX)
    latest_free (g_queue_pop_tail (&sync->latest));
  g_mutex_unlock (&sync->lock);
  sync_status_changed (sync);
}

void
sync_note_came (Netd *netd, guint64 ino)
{
  note (netd->sync, ino, NULL, "came");
}

void
sync_note_saved (guint64 ino, gpointer netd)
{
  note (((Netd *) netd)->sync, ino, NULL, "saved");
}

static void
note_removed (Sync *sync, MossTree *tree, guint64 dir, const char *name)
{
  g_autofree char *parent = sync_path_of (sync, tree, dir);
  g_autofree char *path = parent == NULL ? NULL : g_build_filename (parent, name, NULL);

  if (path != NULL)
    note (sync, 0, path, "removed");
}

static void
note_change (Sync *sync, MossTree *tree, const MossTreeChange *change)
{
  MossTreeAttr attr;
  int result;

  if (change->name == NULL)
    result = change->content ? moss_tree_getattr (tree, change->ino, &attr) : -EINVAL;
  else
    result = moss_tree_lookup (tree, change->ino, change->name, &attr);
  if (result == 0 && S_ISREG (attr.mode))
    note (sync, attr.ino, NULL, "came");
  else if (result == -ENOENT && change->name != NULL)
    note_removed (sync, tree, change->ino, change->name);
}

/* From a thread that merges. */
void
sync_note_changes (const MossTreeChange *changes, gsize count, gpointer netd)
{
  Sync *sync = ((Netd *) netd)->sync;
  MossTree *tree = sync_hold_tree (sync);

  for (gsize i = 0; tree != NULL && i < MIN (count, CHANGES_MAX); i++)
    note_change (sync, tree, &changes[i]);
  if (tree != NULL)
    sync_drop_tree (sync);
}

/* ---- telling ------------------------------------------------------------------------- */

/* The newest root of ours that somebody else has. */
static guint64
newest_elsewhere (Sync *sync)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);
  guint64 newest = 0;
  GHashTableIter iter;
  gpointer number;

  g_hash_table_iter_init (&iter, sync->acknowledged);
  while (g_hash_table_iter_next (&iter, NULL, &number))
    newest = MAX (newest, *(guint64 *) number);
  for (guint i = 0; i < sync->hosts->len; i++)
    newest = MAX (newest, ((SyncHost *) g_ptr_array_index (sync->hosts, i))->number);
  return newest;
}

static const char *
what_now (const Sync *sync, MossTree *tree, const Latest *latest, guint64 elsewhere)
{
  MossTreeInfo info;

  if (latest->ino == 0 || moss_tree_info (tree, latest->ino, &info) != 0)
    return latest->what;
  if (info.conflict_of != 0)
    return "conflict";
  if (strcmp (latest->what, "saved") == 0 && !info.dirty
      && (memcmp (info.device, sync->me, MOSS_HASH_BYTES) != 0 || info.number <= elsewhere))
    return "sent";
  return latest->what;
}

static GArray *
copy_latest (Sync *sync)
{
  GArray *copy = g_array_new (FALSE, FALSE, sizeof (Latest));
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  for (GList *l = sync->latest.head; l != NULL; l = l->next)
    {
      Latest one = *(Latest *) l->data;

      one.path = g_strdup (one.path);
      g_array_append_val (copy, one);
    }
  return copy;
}

/* What programs keep for themselves interests nobody. */
static gboolean
is_hidden (const char *path)
{
  return strstr (path, "/.") != NULL;
}

GVariant *
sync_latest (Sync *sync)
{
  g_autoptr (GArray) all = copy_latest (sync);
  guint64 elsewhere = newest_elsewhere (sync);
  MossTree *tree = sync_hold_tree (sync);
  GVariantBuilder list;
  guint shown = 0;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(ssx)"));
  for (guint i = 0; i < all->len; i++)
    {
      Latest *one = &g_array_index (all, Latest, i);
      g_autofree char *path = g_steal_pointer (&one->path);

      if (tree == NULL || shown == SHOWN_MAX)
        continue;
      if (path == NULL)
        path = sync_path_of (sync, tree, one->ino);
      if (path == NULL || is_hidden (path) || !g_utf8_validate (path, -1, NULL))
        continue;
      g_variant_builder_add (&list, "(ssx)", path, what_now (sync, tree, one, elsewhere),
                             one->time_us);
      shown++;
    }
  if (tree != NULL)
    sync_drop_tree (sync);
  return g_variant_ref_sink (g_variant_builder_end (&list));
}
