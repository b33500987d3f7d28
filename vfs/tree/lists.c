// SPDX-License-Identifier: GPL-3.0-or-later
/* What is few and always in memory: pins and open conflicts. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

typedef struct
{
  GHashTable *pins;
  GHashTable *conflicts;
  GError *error;
} Lists;

static gboolean
on_item (const MossItem *item, gpointer user_data)
{
  Lists *lists = user_data;
  guint64 ino = moss_key_ino (item);
  MossConflictRecord conflict;

  if (moss_key_space (item) == SPACE_PIN)
    {
      g_hash_table_add (lists->pins, g_bytes_new (item->key, item->key_length));
      return TRUE;
    }
  if (!moss_conflict_record_read (item, &conflict, &lists->error))
    return FALSE;
  g_hash_table_replace (lists->conflicts, g_memdup2 (&ino, sizeof ino),
                        g_memdup2 (&conflict, sizeof conflict));
  return TRUE;
}

/* From a table, in place of what there was. Takes the lock. */
gboolean
load_lists (MossTree *tree, const MossRef *root, GError **error)
{
  const guint8 spaces[] = { SPACE_PIN, SPACE_CONFLICT };
  Lists lists = { NULL, NULL, NULL };

  lists.pins = g_hash_table_new_full (g_bytes_hash, g_bytes_equal,
                                      (GDestroyNotify) g_bytes_unref, NULL);
  lists.conflicts = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  for (guint i = 0; i < G_N_ELEMENTS (spaces); i++)
    if (!moss_table_each (tree->table, root, &spaces[i], 1, NULL, 0, on_item, &lists,
                          &lists.error) ||
        lists.error != NULL)
      {
        g_hash_table_unref (lists.pins);
        g_hash_table_unref (lists.conflicts);
        g_propagate_error (error, lists.error);
        return FALSE;
      }
  g_mutex_lock (&tree->lock);
  g_hash_table_unref (tree->pins);
  g_hash_table_unref (tree->conflicts);
  tree->pins = lists.pins;
  tree->conflicts = lists.conflicts;
  g_mutex_unlock (&tree->lock);
  return TRUE;
}
