// SPDX-License-Identifier: GPL-3.0-or-later
/* Extended attributes, pins. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <errno.h>
#include <sys/xattr.h>

static void
dirty_xattr (MossTree *tree, Inode *inode, const char *name)
{
  MossKey key;

  moss_key_init (&key, SPACE_XATTR, inode->ino);
  moss_key_add (&key, name, strlen (name));
  tree_dirty_key (tree, &key);
  if (g_hash_table_size (inode->extra->xattrs) > 0)
    inode->flags |= INODE_XATTRS;
  else
    inode->flags &= ~INODE_XATTRS;
  inode->ctime_ns = now_ns ();
  tree_touch (tree, inode, 0);
}

static gsize
names_length (GHashTable *xattrs)
{
  GHashTableIter iter;
  gpointer name;
  gsize length = 0;

  g_hash_table_iter_init (&iter, xattrs);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    length += strlen (name) + 1;
  return length;
}

int
moss_tree_setxattr (MossTree *tree,
                    guint64 ino,
                    const char *name,
                    gconstpointer value,
                    gsize length,
                    int flags)
{
  g_autoptr (GMutexLocker) locker = NULL;
  gsize name_length = strlen (name);
  GHashTable *xattrs;
  GBytes *bytes;
  gboolean there;
  Inode *inode;
  int result;

  if (name_length == 0 || name_length > MOSS_TREE_NAME_MAX)
    return -ERANGE;
  if (length > MOSS_TREE_XATTR_MAX)
    return -E2BIG;
  locker = g_mutex_locker_new (&tree->lock);
  tree_begin (tree);
  result = tree_xattrs (tree, ino, &inode);
  if (result != 0)
    return result;
  xattrs = inode->extra->xattrs;
  there = g_hash_table_contains (xattrs, name);
  if (there && (flags & XATTR_CREATE))
    return -EEXIST;
  if (!there && (flags & XATTR_REPLACE))
    return -ENODATA;
  if (!there && names_length (xattrs) + name_length + 1 > MOSS_TREE_XATTR_MAX)
    return -ENOSPC;
  bytes = g_bytes_new (value, length);
  log_xattr (tree, ino, name, bytes, now_ns ());
  g_hash_table_replace (xattrs, g_strdup (name), bytes);
  dirty_xattr (tree, inode, name);
  return 0;
}

int
moss_tree_getxattr (MossTree *tree, guint64 ino, const char *name, GBytes **value)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  GBytes *found;
  Inode *inode;
  int result = tree_inode (tree, ino, &inode);

  if (result != 0)
    return result;
  if (!(inode->flags & INODE_XATTRS))
    return -ENODATA;
  result = tree_xattrs (tree, ino, &inode);
  if (result != 0)
    return result;
  found = g_hash_table_lookup (inode->extra->xattrs, name);
  if (found == NULL)
    return -ENODATA;
  *value = g_bytes_ref (found);
  return 0;
}

static GBytes *
join_names (GHashTable *xattrs)
{
  GByteArray *names = g_byte_array_new ();
  g_autoptr (GList) sorted = g_list_sort (g_hash_table_get_keys (xattrs),
                                          (GCompareFunc) strcmp);

  for (GList *l = sorted; l != NULL; l = l->next)
    g_byte_array_append (names, l->data, strlen (l->data) + 1);
  return g_byte_array_free_to_bytes (names);
}

int
moss_tree_listxattr (MossTree *tree, guint64 ino, GBytes **names)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode;
  int result = tree_xattrs (tree, ino, &inode);

  if (result == 0)
    *names = join_names (inode->extra->xattrs);
  return result;
}

int
moss_tree_removexattr (MossTree *tree, guint64 ino, const char *name)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode;
  int result;

  tree_begin (tree);
  result = tree_xattrs (tree, ino, &inode);
  if (result != 0)
    return result;
  if (!g_hash_table_remove (inode->extra->xattrs, name))
    return -ENODATA;
  dirty_xattr (tree, inode, name);
  log_xattr (tree, ino, name, NULL, inode->ctime_ns);
  return 0;
}

int
moss_view_getxattr (MossView *view, guint64 ino, const char *name, GBytes **value)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) xattrs = load_xattrs (view->table, &view->root, ino, &error);
  GBytes *found;

  if (xattrs == NULL)
    return tree_errno (error);
  found = g_hash_table_lookup (xattrs, name);
  if (found == NULL)
    return -ENODATA;
  *value = g_bytes_ref (found);
  return 0;
}

int
moss_view_listxattr (MossView *view, guint64 ino, GBytes **names)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) xattrs = load_xattrs (view->table, &view->root, ino, &error);

  if (xattrs == NULL)
    return tree_errno (error);
  *names = join_names (xattrs);
  return 0;
}

/* --- pins --- */

static void
pin_key (MossKey *key, guint64 ino, guint16 slot)
{
  guint16 big = GUINT16_TO_BE (slot);

  moss_key_init (key, SPACE_PIN, ino);
  moss_key_add (key, &big, 2);
}

void
tree_set_pin (MossTree *tree, guint64 ino, guint16 slot, gboolean keep)
{
  MossKey key;
  GBytes *bytes;

  pin_key (&key, ino, slot);
  bytes = g_bytes_new (key.bytes, key.length);
  if (keep)
    g_hash_table_add (tree->pins, bytes);
  else
    {
      g_hash_table_remove (tree->pins, bytes);
      g_bytes_unref (bytes);
    }
  tree_dirty_key (tree, &key);
}

int
moss_tree_pin (MossTree *tree, guint64 ino, guint16 slot, gboolean keep)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode;
  int result;

  tree_begin (tree);
  result = tree_inode (tree, ino, &inode);
  if (result != 0)
    return result;
  tree_set_pin (tree, ino, slot, keep);
  log_number (tree, LOG_PIN, ino, (guint64) slot << 1 | !!keep);
  return 0;
}

GArray *
moss_tree_list_pins (MossTree *tree, guint16 slot)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  GArray *list = g_array_new (FALSE, FALSE, sizeof (guint64));
  GHashTableIter iter;
  gpointer bytes;

  g_hash_table_iter_init (&iter, tree->pins);
  while (g_hash_table_iter_next (&iter, &bytes, NULL))
    {
      MossItem item = { .key = g_bytes_get_data (bytes, NULL) };
      guint64 ino = moss_key_ino (&item);
      MossKey key;

      pin_key (&key, ino, slot);
      if (memcmp (key.bytes, item.key, key.length) == 0)
        g_array_append_val (list, ino);
    }
  return list;
}
