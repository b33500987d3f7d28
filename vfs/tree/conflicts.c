// SPDX-License-Identifier: GPL-3.0-or-later
/* Open conflicts: listed until a person, or who removes one of the two, settles them. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>

static int
oldest_first (gconstpointer a, gconstpointer b)
{
  const MossTreeConflict *x = a, *y = b;

  if (x->time_us != y->time_us)
    return x->time_us < y->time_us ? -1 : 1;
  return x->other < y->other ? -1 : x->other > y->other;
}

/* Those of which both are still there. */
GArray *
moss_tree_list_conflicts (MossTree *tree)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (MossTreeConflict));
  g_autoptr (GArray) slots = g_array_new (FALSE, FALSE, sizeof (guint16));
  GHashTableIter iter;
  gpointer ino, value;

  g_mutex_lock (&tree->lock);
  g_hash_table_iter_init (&iter, tree->conflicts);
  while (g_hash_table_iter_next (&iter, &ino, &value))
    {
      MossConflictRecord *record = value;
      MossTreeConflict conflict = { .ino = record->ino,
                                    .other = *(guint64 *) ino,
                                    .time_us = record->time_us };

      conflict.device[0] = record->slot >> 8;
      conflict.device[1] = record->slot & 0xff;
      g_array_append_val (list, conflict);
    }
  g_mutex_unlock (&tree->lock);
  for (guint i = list->len; i > 0; i--)
    {
      MossTreeConflict *conflict = &g_array_index (list, MossTreeConflict, i - 1);
      guint16 slot = conflict->device[0] << 8 | conflict->device[1];

      if (moss_tree_getattr (tree, conflict->ino, NULL) == -ENOENT ||
          moss_tree_getattr (tree, conflict->other, NULL) == -ENOENT)
        g_array_remove_index (list, i - 1);
      else
        tree_device_of (tree, slot, conflict->device);
    }
  g_array_sort (list, oldest_first);
  return list;
}

static void
forget_conflict (MossTree *tree, guint64 other)
{
  MossKey key;

  g_mutex_lock (&tree->lock);
  tree_begin (tree);
  if (g_hash_table_remove (tree->conflicts, &other))
    {
      moss_key_init (&key, SPACE_CONFLICT, other);
      tree_dirty_key (tree, &key);
      log_number (tree, LOG_CONFLICT, other, 0);
    }
  g_mutex_unlock (&tree->lock);
}

int
tree_split_path (MossTree *tree, guint64 ino, guint64 *dir, char **name)
{
  g_autofree char *path = NULL;
  int result = moss_tree_path (tree, ino, &path);

  if (result == 0)
    result = moss_tree_parent (tree, ino, dir);
  if (result == 0)
    *name = g_path_get_basename (path);
  return result;
}

void
tree_tell_entry (MossTree *tree, guint64 dir, const char *name, guint64 ino)
{
  MossTreeChange changes[] = { { dir, name, FALSE }, { ino, NULL, TRUE } };

  if (tree->config.callbacks.changed != NULL)
    tree->config.callbacks.changed (changes, G_N_ELEMENTS (changes), tree->config.user_data);
}

int
tree_copy_over (MossTree *tree, guint64 from, guint64 to)
{
  g_autofree guint8 *buffer = g_malloc (MOSS_OBJECT_MAX_PLAIN);
  guint64 offset = 0;
  gssize done = 0;
  int result = moss_tree_open_file (tree, to, O_RDWR | O_TRUNC);

  if (result != 0)
    return result;
  while ((done = moss_tree_read (tree, from, buffer, MOSS_OBJECT_MAX_PLAIN, offset)) > 0)
    {
      gssize written = moss_tree_write (tree, to, buffer, done, offset, FALSE, FALSE);

      if (written < 0)
        {
          done = written;
          break;
        }
      offset += done;
    }
  moss_tree_release (tree, to, O_RDWR);
  return done < 0 ? done : 0;
}

int
moss_tree_resolve_conflict (MossTree *tree, guint64 ino, guint64 other, MossTreeKeep keep)
{
  g_autofree char *name = NULL;
  MossTreeAttr mine, theirs;
  guint64 dir;
  int result;

  if (keep == MOSS_TREE_KEEP_BOTH)
    {
      forget_conflict (tree, other);
      return 0;
    }
  result = moss_tree_getattr (tree, ino, &mine);
  if (result == 0)
    result = moss_tree_getattr (tree, other, &theirs);
  if (result == 0)
    result = tree_split_path (tree, other, &dir, &name);
  if (result != 0)
    return result;
  if (S_ISDIR (theirs.mode) ||
      (keep == MOSS_TREE_KEEP_THEIRS && !(S_ISREG (mine.mode) && S_ISREG (theirs.mode))))
    return -EISDIR;
  if (keep == MOSS_TREE_KEEP_THEIRS)
    result = tree_copy_over (tree, other, ino);
  if (result == 0)
    result = moss_tree_unlink (tree, dir, name, NULL);
  if (result != 0)
    return result;
  forget_conflict (tree, other);
  tree_tell_entry (tree, dir, name, ino);
  return 0;
}
