// SPDX-License-Identifier: LGPL-2.1-or-later
/* Keepers: those who know by themselves which objects are alive, because a list of ids for each
 * of their roots would be too long to be written with every change. Their names stand in the
 * index, so that nothing is collected while one of them isn't there to be asked. */
#define G_LOG_DOMAIN "moss-store"

#include "core/store/store-private.h"

#include <string.h>

typedef struct
{
  char *name;
  MossStoreKeep keep;
  gpointer user_data;
} Keeper;

/* Eight bytes of an id are enough: who collides is kept, that is all. */
struct _MossKeeping
{
  GHashTable *starts;
};

static gpointer
start_of (const MossId *id, guint64 *start)
{
  memcpy (start, id->bytes, sizeof *start);
  return start;
}

void
moss_keeping_add (MossKeeping *keeping, const MossId *id)
{
  guint64 start;

  start_of (id, &start);
  if (!g_hash_table_contains (keeping->starts, &start))
    g_hash_table_add (keeping->starts, g_memdup2 (&start, sizeof start));
}

gboolean
moss_keeping_has (MossKeeping *keeping, const MossId *id)
{
  guint64 start;

  return g_hash_table_contains (keeping->starts, start_of (id, &start));
}

void
moss_keeping_free (MossKeeping *keeping)
{
  g_hash_table_unref (keeping->starts);
  g_free (keeping);
}

void
moss_store_free_keeper (gpointer data)
{
  g_free (((Keeper *) data)->name);
  g_free (data);
}

static Keeper *
find_locked (MossStore *store, const char *name)
{
  for (guint i = 0; i < store->keepers->len; i++)
    {
      Keeper *keeper = g_ptr_array_index (store->keepers, i);

      if (strcmp (keeper->name, name) == 0)
        return keeper;
    }
  return NULL;
}

/**
 * moss_store_add_keeper:
 * @name: stays known to the store after the keeper is gone, until moss_store_forget_keeper()
 * @keep: called by moss_store_collect(), in its thread, without a lock; says with
 *   moss_keeping_add() what is alive; an error ends the collection
 *
 * What @keep doesn't name and is older than the grace may be collected.
 */
gboolean
moss_store_add_keeper (MossStore *store,
                       const char *name,
                       MossStoreKeep keep,
                       gpointer user_data,
                       GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);
  g_autofree char *root = g_strconcat (MOSS_KEEPER_PREFIX, name, NULL);
  g_autoptr (GBytes) known = moss_index_get_root (store->index, root);
  Keeper *keeper = g_new0 (Keeper, 1);
  MossId mark = { { 0 } };

  keeper->name = g_strdup (name);
  keeper->keep = keep;
  keeper->user_data = user_data;
  g_ptr_array_add (store->keepers, keeper);
  return known != NULL || moss_index_set_root (store->index, root, &mark, 1, error);
}

/* The keeper goes; what it keeps stays: nothing is collected until it is back. */
void
moss_store_remove_keeper (MossStore *store, const char *name)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);
  Keeper *keeper = find_locked (store, name);

  if (keeper != NULL)
    g_ptr_array_remove (store->keepers, keeper);
}

/* What it kept is garbage from now on. */
gboolean
moss_store_forget_keeper (MossStore *store, const char *name, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&store->lock);
  g_autofree char *root = g_strconcat (MOSS_KEEPER_PREFIX, name, NULL);

  return moss_index_set_root (store->index, root, NULL, 0, error);
}

/* NULL without @error: a keeper is not there, nothing may be collected. */
MossKeeping *
moss_store_ask_keepers (MossStore *store, GError **error)
{
  g_autoptr (GPtrArray) missing = NULL;
  g_autoptr (GArray) ask = g_array_new (FALSE, FALSE, sizeof (Keeper));
  MossKeeping *keeping = NULL;

  g_mutex_lock (&store->lock);
  missing = moss_index_list_roots (store->index, MOSS_KEEPER_PREFIX);
  for (guint i = missing->len; i > 0; i--)
    {
      const char *name = g_ptr_array_index (missing, i - 1);
      Keeper *keeper = find_locked (store, name + strlen (MOSS_KEEPER_PREFIX));

      if (keeper == NULL)
        continue;
      g_array_append_vals (ask, keeper, 1);
      g_ptr_array_remove_index (missing, i - 1);
    }
  g_mutex_unlock (&store->lock);
  if (missing->len > 0)
    {
      g_debug ("%s isn't open: nothing is collected", (char *) missing->pdata[0]);
      return NULL;
    }
  keeping = g_new0 (MossKeeping, 1);
  keeping->starts = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  for (guint i = 0; i < ask->len; i++)
    {
      Keeper *keeper = &g_array_index (ask, Keeper, i);

      if (!keeper->keep (keeping, keeper->user_data, error))
        {
          moss_keeping_free (keeping);
          return NULL;
        }
    }
  return keeping;
}
