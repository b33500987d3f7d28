// SPDX-License-Identifier: GPL-3.0-or-later
/* From the table into memory. Everything is read without the lock and put in place with it; a
 * merge that came in between makes it start again. What nobody loaded nobody changed, so our own
 * commits don't. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <errno.h>

/**
 * load_inode:
 * @record: (out): its tail points into @holder
 */
gboolean
load_inode (MossTable *table,
            const MossRef *root,
            guint64 ino,
            MossInodeRecord *record,
            MossNode **holder,
            gboolean *found,
            GError **error)
{
  MossItem item;
  MossKey key;

  *found = FALSE;
  *holder = NULL;
  moss_key_init (&key, SPACE_INODE, ino);
  if (!moss_table_find (table, root, key.bytes, key.length, &item, holder, error))
    return FALSE;
  if (*holder == NULL)
    return TRUE;
  if (!moss_inode_record_read (item.value, item.value_length, record, error))
    return FALSE;
  *found = TRUE;
  return TRUE;
}

typedef struct
{
  MossContent *content;
  GError *error;
} ContentLoad;

static gboolean
on_extent (const MossItem *item, gpointer user_data)
{
  ContentLoad *load = user_data;
  guint64 offset;

  if (!moss_key_number (item, &offset))
    {
      g_set_error (&load->error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                   "an extent without a place");
      return FALSE;
    }
  return moss_extent_read (item->value, item->value_length, offset, load->content,
                           &load->error);
}

MossContent *
load_content (MossTable *table,
              const MossRef *root,
              guint64 ino,
              const MossInodeRecord *record,
              GError **error)
{
  ContentLoad load = { moss_content_new (), NULL };
  MossKey key;

  if (record->flags & RECORD_INLINE)
    {
      MossSource *source = moss_source_new_data (record->tail, record->tail_length);

      source->frozen = TRUE;
      if (record->tail_length > 0)
        moss_content_insert (load.content, 0, record->tail_length, 0, source);
      moss_source_unref (source);
      return load.content;
    }
  moss_key_init (&key, SPACE_EXTENT, ino);
  if (moss_table_each (table, root, key.bytes, key.length, NULL, 0, on_extent, &load,
                       error) &&
      load.error == NULL)
    return load.content;
  if (load.error != NULL)
    g_propagate_error (error, load.error);
  moss_content_free (load.content);
  return NULL;
}

typedef struct
{
  MossTable *table;
  GHashTable *values;
  GError *error;
} XattrLoad;

static gboolean
on_xattr (const MossItem *item, gpointer user_data)
{
  XattrLoad *load = user_data;
  MossXattrRecord record;
  GBytes *value;

  if (!moss_xattr_record_read (item, &record, &load->error))
    return FALSE;
  if (record.stored)
    value = moss_table_object (load->table, &record.ref, &load->error);
  else
    value = g_bytes_new (record.value, record.length);
  if (value == NULL)
    return FALSE;
  g_hash_table_replace (load->values, moss_key_name (item), value);
  return TRUE;
}

/* name → GBytes */
GHashTable *
load_xattrs (MossTable *table, const MossRef *root, guint64 ino, GError **error)
{
  XattrLoad load = { .table = table };
  MossKey key;

  load.values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                       (GDestroyNotify) g_bytes_unref);
  moss_key_init (&key, SPACE_XATTR, ino);
  if (moss_table_each (table, root, key.bytes, key.length, NULL, 0, on_xattr, &load, error) &&
      load.error == NULL)
    return load.values;
  if (load.error != NULL)
    g_propagate_error (error, load.error);
  g_hash_table_unref (load.values);
  return NULL;
}

/* --- into memory --- */

static void
let_go (MossTree *tree, MossRef *base, guint64 *serial)
{
  *base = tree->base;
  *serial = tree->base_serial;
  tree->drops++;
  g_mutex_unlock (&tree->lock);
}

/* Whether what was read meanwhile is still of the tree. */
static gboolean
take_again (MossTree *tree, guint64 serial)
{
  g_mutex_lock (&tree->lock);
  return tree->base_serial == serial;
}

static gboolean
is_gone (MossTree *tree, guint64 ino)
{
  return g_hash_table_contains (tree->gone, &ino);
}

/* An inode by its number: -ENOENT. */
int
tree_inode (MossTree *tree, guint64 ino, Inode **inode)
{
  for (;;)
    {
      g_autoptr (GError) error = NULL;
      MossInodeRecord record;
      MossNode *holder = NULL;
      guint64 serial;
      gboolean found, ok, same;
      MossRef base;

      *inode = tree_find (tree, ino);
      if (*inode != NULL)
        return 0;
      if (!moss_ino_valid (ino) || is_gone (tree, ino))
        return -ENOENT;
      let_go (tree, &base, &serial);
      ok = load_inode (tree->table, &base, ino, &record, &holder, &found, &error);
      same = take_again (tree, serial);
      if (ok && found && same && tree_find (tree, ino) == NULL && !is_gone (tree, ino))
        {
          Inode *fresh = tree_add (tree, ino);

          inode_fill (fresh, &record);
          fresh->flags |= INODE_IN_BASE;
        }
      g_clear_pointer (&holder, moss_node_unref);
      if (!ok)
        return tree_errno (error);
      if (!found && same)
        return -ENOENT;
    }
}

typedef struct
{
  guint64 ino;
  guint32 type;
  char *name;
  gboolean found;
  MossInodeRecord record;
  MossNode *holder;
} Child;

typedef struct
{
  GArray *children;
  GError *error;
} DirLoad;

static gboolean
on_entry (const MossItem *item, gpointer user_data)
{
  DirLoad *load = user_data;
  MossEntryRecord entry;
  Child child = { 0 };

  if (!moss_entry_record_read (item, &entry, &load->error))
    return FALSE;
  child.ino = entry.ino;
  child.type = entry.type;
  child.name = moss_key_name (item);
  g_array_append_val (load->children, child);
  return TRUE;
}

static void
clear_child (gpointer data)
{
  Child *child = data;

  g_free (child->name);
  g_clear_pointer (&child->holder, moss_node_unref);
}

/* Names and inodes, so that a listing with attributes needs nothing more. */
static GArray *
read_children (MossTable *table, const MossRef *root, guint64 ino, GError **error)
{
  g_autoptr (GArray) children = g_array_new (FALSE, FALSE, sizeof (Child));
  DirLoad load = { children, NULL };
  MossKey key;

  g_array_set_clear_func (children, clear_child);
  moss_key_init (&key, SPACE_ENTRY, ino);
  if (!moss_table_each (table, root, key.bytes, key.length, NULL, 0, on_entry, &load, error))
    return NULL;
  for (guint i = 0; load.error == NULL && i < children->len; i++)
    {
      Child *child = &g_array_index (children, Child, i);

      load_inode (table, root, child->ino, &child->record, &child->holder, &child->found,
                  &load.error);
    }
  if (load.error == NULL)
    return g_steal_pointer (&children);
  g_propagate_error (error, load.error);
  return NULL;
}

static Dir *
put_children (MossTree *tree, GArray *children)
{
  Dir *dir = dir_new ();

  for (guint i = 0; i < children->len; i++)
    {
      Child *child = &g_array_index (children, Child, i);

      /* An entry without its inode, or of another type, is not shown: fsck names it. */
      if (!child->found || (child->record.mode & S_IFMT) != child->type)
        continue;
      dir_add (tree, dir, child->name, child->ino, child->type);
      if (tree_find (tree, child->ino) == NULL)
        {
          Inode *fresh = tree_add (tree, child->ino);

          inode_fill (fresh, &child->record);
          fresh->flags |= INODE_IN_BASE;
        }
    }
  return dir;
}

/* A directory with its entries: -ENOTDIR. */
int
tree_dir (MossTree *tree, guint64 ino, Inode **inode)
{
  for (;;)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GArray) children = NULL;
      guint64 serial;
      MossRef base;
      int result = tree_inode (tree, ino, inode);

      if (result != 0)
        return result;
      if (!S_ISDIR ((*inode)->mode))
        return -ENOTDIR;
      if ((*inode)->dir != NULL)
        return 0;
      let_go (tree, &base, &serial);
      children = read_children (tree->table, &base, ino, &error);
      if (!take_again (tree, serial))
        continue;
      if (children == NULL)
        return tree_errno (error);
      *inode = tree_find (tree, ino);
      if (*inode != NULL && (*inode)->dir == NULL)
        (*inode)->dir = put_children (tree, children);
    }
}

/* A file with its content: -EISDIR, -EINVAL. */
int
tree_content (MossTree *tree, guint64 ino, Inode **inode)
{
  for (;;)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MossContent) content = NULL;
      MossInodeRecord record;
      MossNode *holder = NULL;
      gboolean found;
      guint64 serial;
      MossRef base;
      int result = tree_inode (tree, ino, inode);

      if (result != 0)
        return result;
      if (!S_ISREG ((*inode)->mode))
        return S_ISDIR ((*inode)->mode) ? -EISDIR : -EINVAL;
      if ((*inode)->content != NULL)
        return 0;
      if ((*inode)->size == 0 || !((*inode)->flags & INODE_IN_BASE))
        {
          (*inode)->content = moss_content_new ();
          return 0;
        }
      let_go (tree, &base, &serial);
      if (load_inode (tree->table, &base, ino, &record, &holder, &found, &error) && found)
        content = load_content (tree->table, &base, ino, &record, &error);
      g_clear_pointer (&holder, moss_node_unref);
      if (!take_again (tree, serial))
        continue;
      if (content == NULL)
        return error != NULL ? tree_errno (error) : -ESTALE;
      *inode = tree_find (tree, ino);
      if (*inode != NULL && (*inode)->content == NULL)
        (*inode)->content = g_steal_pointer (&content);
    }
}

int
tree_xattrs (MossTree *tree, guint64 ino, Inode **inode)
{
  for (;;)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GHashTable) values = NULL;
      guint64 serial;
      MossRef base;
      int result = tree_inode (tree, ino, inode);

      if (result != 0)
        return result;
      if ((*inode)->extra != NULL && (*inode)->extra->xattrs != NULL)
        return 0;
      if (!((*inode)->flags & INODE_XATTRS))
        {
          inode_extra (*inode)->xattrs = g_hash_table_new_full (
              g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
          return 0;
        }
      let_go (tree, &base, &serial);
      values = load_xattrs (tree->table, &base, ino, &error);
      if (!take_again (tree, serial))
        continue;
      if (values == NULL)
        return tree_errno (error);
      *inode = tree_find (tree, ino);
      if (*inode != NULL && inode_extra (*inode)->xattrs == NULL)
        inode_extra (*inode)->xattrs = g_steal_pointer (&values);
    }
}
