// SPDX-License-Identifier: GPL-3.0-or-later
/* Keeping another device's content beside a file that is about to be written over. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <errno.h>
#include <string.h>

#define TRIES_MAX 100

/* "name (conflict of DEVICE, DATE).ext", at most 255 bytes, cut between characters. */
char *
tree_conflict_name (const char *name, const char *device, gint64 time_ns, guint try)
{
  g_autofree char *clean = g_strndup (device, 64);
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (time_ns / 1000000000);
  g_autofree char *text
      = date != NULL ? g_date_time_format (date, "%Y-%m-%d %H.%M.%S") : g_strdup ("");
  const char *dot = strrchr (name, '.');
  g_autofree char *more = NULL;
  gsize stem = dot != NULL && dot != name && strlen (dot) < 16 ? (gsize) (dot - name)
                                                               : strlen (name);
  gsize room;

  g_strdelimit (clean, "/", '_');
  more = try == 0 ? g_strdup_printf (" (conflict of %s, %s)%s", clean, text, name + stem)
                  : g_strdup_printf (" (conflict of %s, %s, %u)%s", clean, text, try + 1,
                                     name + stem);
  room = MOSS_TREE_NAME_MAX - MIN (strlen (more), MOSS_TREE_NAME_MAX);
  if (stem > room)
    for (stem = room; stem > 0 && (name[stem] & 0xc0) == 0x80;)
      stem--;
  return g_strdup_printf ("%.*s%s", (int) stem, name, more);
}

/* What is in the file now, if another device wrote it; else 0. */
static int
foreign_dot (MossTree *tree, guint64 ino, guint64 *dot)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode;
  int result = tree_inode (tree, ino, &inode);

  *dot = 0;
  if (result != 0 || !S_ISREG (inode->mode))
    return result;
  if (!(inode->flags & INODE_CONTENT) && inode->content_dot != 0
      && SLOT_OF (inode->content_dot) != tree->config.slot)
    *dot = inode->content_dot;
  return 0;
}

guint64
moss_tree_foreign (MossTree *tree, guint64 ino)
{
  guint64 dot;

  return foreign_dot (tree, ino, &dot) == 0 ? dot : 0;
}

static char *
device_name (MossTree *tree, guint16 slot)
{
  guint8 device[32];
  char *name = NULL;

  tree_device_of (tree, slot, device);
  if (tree->config.callbacks.device_name != NULL)
    name = tree->config.callbacks.device_name (device, tree->config.user_data);
  return name != NULL ? name : g_strdup_printf ("%u", slot);
}

/* @name (out) (transfer full): what it is called */
static int
make_copy (MossTree *tree, guint64 dir, const char *of, guint16 slot, const MossTreeAttr *attr,
           char **name, MossTreeAttr *copy)
{
  g_autofree char *device = device_name (tree, slot);
  int result = -EEXIST;

  for (guint try = 0; result == -EEXIST && try < TRIES_MAX; try++)
    {
      g_free (*name);
      *name = tree_conflict_name (of, device, attr->mtime_ns, try);
      result = moss_tree_mknod (tree, dir, *name, attr->mode, 0, attr->uid, attr->gid, copy);
    }
  return result;
}

static void
list_it (MossTree *tree, guint64 copy, guint64 ino, guint16 slot, gint64 time_ns)
{
  MossConflictRecord *record = g_new0 (MossConflictRecord, 1);
  MossKey key;

  record->ino = ino;
  record->slot = slot;
  record->time_us = time_ns / 1000;
  g_mutex_lock (&tree->lock);
  tree_begin (tree);
  g_hash_table_replace (tree->conflicts, g_memdup2 (&copy, sizeof copy), record);
  moss_key_init (&key, SPACE_CONFLICT, copy);
  tree_dirty_key (tree, &key);
  g_mutex_unlock (&tree->lock);
}

int
moss_tree_keep_beside (MossTree *tree, guint64 ino)
{
  g_autofree char *of = NULL, *name = NULL;
  MossTreeAttr attr, copy;
  guint64 dir, dot;
  guint16 slot;
  int result = foreign_dot (tree, ino, &dot);

  slot = SLOT_OF (dot);
  if (result != 0 || slot == 0)
    return result;
  result = moss_tree_getattr (tree, ino, &attr);
  if (result == 0)
    result = tree_split_path (tree, ino, &dir, &of);
  if (result == -ENOENT)
    return 0; /* it has no name any more */
  if (result == 0)
    result = make_copy (tree, dir, of, slot, &attr, &name, &copy);
  if (result == 0)
    result = tree_copy_over (tree, ino, copy.ino);
  if (result != 0)
    return result;
  list_it (tree, copy.ino, ino, slot, attr.mtime_ns);
  tree_tell_entry (tree, dir, name, copy.ino);
  return moss_tree_sync (tree);
}
