// SPDX-License-Identifier: GPL-3.0-or-later
/* What the tree keeps from being collected in the store: all objects of the present table, of
 * the former roots it lists, of old versions, and of unlinked files that are open. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/list.h"

static gboolean
on_object (const MossId *id, gpointer user_data)
{
  moss_keeping_add (user_data, id);
  return TRUE;
}

static gboolean
keep_orphans (MossTree *tree, const MossRef *orphans, MossKeeping *keeping)
{
  GHashTableIter iter;
  gpointer ino;

  if (!moss_table_is_empty (orphans))
    moss_keeping_add (keeping, &orphans->id);
  g_mutex_lock (&tree->lock);
  g_hash_table_iter_init (&iter, tree->orphans);
  while (g_hash_table_iter_next (&iter, &ino, NULL))
    {
      Inode *inode = tree_find (tree, *(guint64 *) ino);

      for (guint i = 0; inode != NULL && S_ISREG (inode->mode) && inode->content != NULL &&
                        i < inode->content->count; i++)
        if (inode->content->segments[i].source->stored)
          moss_keeping_add (keeping, &inode->content->segments[i].source->ref.id);
    }
  g_mutex_unlock (&tree->lock);
  return TRUE;
}

/* Contents that were written back before a commit are young: the grace keeps them. */
static gboolean
keep (MossKeeping *keeping, gpointer user_data, GError **error)
{
  MossTree *tree = user_data;
  MossRef base, orphans;
  GError *local = NULL;

  g_mutex_lock (&tree->lock);
  base = tree->base;
  orphans = tree->orphans_ref;
  g_mutex_unlock (&tree->lock);
  keep_orphans (tree, &orphans, keeping);
  if (moss_table_is_empty (&base))
    return TRUE;
  list_objects (tree->local, &base, NULL, FALSE, TRUE, on_object, keeping, &local);
  if (local == NULL)
    return TRUE;
  g_propagate_error (error, local);
  return FALSE;
}

/* What the store knows a tree as; @id: the tree's, as text. */
char *
keep_call (const char *id)
{
  return g_strconcat ("tree:", id, NULL);
}

static char *
keeper_name (MossTree *tree)
{
  MossId id;
  g_autofree char *text = NULL;

  memcpy (id.bytes, tree->config.tree_id, sizeof id.bytes);
  text = moss_id_to_string (&id);
  return keep_call (text);
}

void
keep_register (MossTree *tree)
{
  g_autofree char *name = keeper_name (tree);
  g_autoptr (GError) error = NULL;

  if (!moss_store_add_keeper (tree->config.store, name, keep, tree, &error))
    g_warning ("%s", error->message);
}

void
keep_unregister (MossTree *tree)
{
  g_autofree char *name = keeper_name (tree);

  moss_store_remove_keeper (tree->config.store, name);
}
