// SPDX-License-Identifier: GPL-3.0-or-later
/* Names: what changes directories. The tree_ functions change memory alone, and are what replay
 * does again; the others check, call them and write the journal. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <errno.h>
#include <linux/fs.h>

enum
{
  LINKS_MAX = 65000,
  DEPTH_MAX = 4096,
};

/* --- changing memory --- */

static void
touch_dir (MossTree *tree, Inode *dir, gint64 time_ns)
{
  dir->mtime_ns = dir->ctime_ns = time_ns;
  tree_touch (tree, dir, 0);
}

static void
touch_inode (MossTree *tree, Inode *inode, gint64 time_ns)
{
  inode->ctime_ns = time_ns;
  tree_touch (tree, inode, 0);
}

static void
set_entry (MossTree *tree, Inode *dir, const char *name, Inode *inode)
{
  dir_add (tree, dir->dir, name, inode->ino, inode->mode);
  tree_dirty_entry (tree, dir->ino, name);
  inode->parent = dir->ino;
}

Inode *
tree_make (MossTree *tree,
           Inode *parent,
           const char *name,
           guint64 ino,
           const MossInodeRecord *record)
{
  Inode *inode = tree_add (tree, ino);

  inode_fill (inode, record);
  inode->nlink = S_ISDIR (inode->mode) ? 2 : 1;
  if (S_ISDIR (inode->mode))
    {
      inode->dir = dir_new ();
      parent->nlink++;
    }
  else if (S_ISREG (inode->mode))
    inode->content = moss_content_new ();
  set_entry (tree, parent, name, inode);
  touch_dir (tree, parent, record->ctime_ns);
  tree_touch (tree, inode, INODE_ATTR | INODE_CONTENT);
  return inode;
}

/* The entry is out of its directory already. */
static void
lose_link (MossTree *tree, Inode *parent, Inode *inode, gint64 time_ns)
{
  if (S_ISDIR (inode->mode))
    {
      parent->nlink--;
      inode->nlink = 0;
    }
  else if (inode->nlink > 0)
    inode->nlink--;
  touch_inode (tree, inode, time_ns);
  if (inode->nlink > 0)
    return;
  if (inode->flags & (INODE_IN_BASE | INODE_FROZEN))
    {
      g_array_append_val (tree->removed, inode->ino);
      g_hash_table_add (tree->gone, g_memdup2 (&inode->ino, sizeof inode->ino));
    }
  if (S_ISDIR (inode->mode))
    tree_forget (tree, inode);
  else
    tree_drop_if_gone (tree, inode);
}

/* Its inode must be loaded. */
void
tree_unlink_entry (MossTree *tree, Inode *parent, const char *name, gint64 time_ns)
{
  Entry *entry = dir_find (tree, parent->dir, name);
  Inode *inode = tree_find (tree, entry->ino);

  tree_dirty_entry (tree, parent->ino, name);
  dir_remove (tree, parent->dir, name);
  touch_dir (tree, parent, time_ns);
  if (inode != NULL)
    lose_link (tree, parent, inode, time_ns);
}

void
tree_link_entry (MossTree *tree,
                 Inode *parent,
                 const char *name,
                 Inode *inode,
                 gint64 time_ns)
{
  inode->nlink++;
  set_entry (tree, parent, name, inode);
  touch_dir (tree, parent, time_ns);
  touch_inode (tree, inode, time_ns);
}

/* Both ends are loaded, and the inodes there. What is at the new name is replaced. */
void
tree_rename_entry (MossTree *tree,
                   Inode *from,
                   const char *name,
                   Inode *to,
                   const char *new_name,
                   gboolean exchange,
                   gint64 time_ns)
{
  Inode *moved = tree_find (tree, dir_find (tree, from->dir, name)->ino);
  Entry *there = dir_find (tree, to->dir, new_name);
  Inode *other = there != NULL ? tree_find (tree, there->ino) : NULL;

  if (exchange)
    {
      set_entry (tree, from, name, other);
      if (S_ISDIR (other->mode))
        {
          to->nlink--;
          from->nlink++;
        }
      touch_inode (tree, other, time_ns);
    }
  else
    {
      if (other != NULL)
        tree_unlink_entry (tree, to, new_name, time_ns);
      dir_remove (tree, from->dir, name);
      tree_dirty_entry (tree, from->ino, name);
    }
  set_entry (tree, to, new_name, moved);
  if (S_ISDIR (moved->mode))
    {
      from->nlink--;
      to->nlink++;
    }
  touch_dir (tree, from, time_ns);
  touch_dir (tree, to, time_ns);
  touch_inode (tree, moved, time_ns);
}

/* --- finding --- */

/* The directory and, when there is one, the entry's inode, all loaded. */
static int
find_name (MossTree *tree, guint64 parent, const char *name, Inode **dir, Inode **inode)
{
  guint64 drops;

  do
    {
      Entry *entry;
      int result = tree_dir (tree, parent, dir);

      *inode = NULL;
      if (result != 0)
        return result;
      entry = dir_find (tree, (*dir)->dir, name);
      if (entry == NULL)
        return 0;
      drops = tree->drops;
      result = tree_inode (tree, entry->ino, inode);
      if (result != 0)
        return result;
    }
  while (drops != tree->drops);
  return 0;
}

int
moss_tree_lookup (MossTree *tree, guint64 parent, const char *name, MossTreeAttr *attr)
{
  g_autoptr (GMutexLocker) locker = NULL;
  Inode *dir, *inode;
  int result = tree_name_error (name);

  if (result != 0)
    return result;
  locker = g_mutex_locker_new (&tree->lock);
  result = find_name (tree, parent, name, &dir, &inode);
  if (result != 0)
    return result;
  if (inode == NULL)
    return -ENOENT;
  inode_attr (inode, attr);
  return 0;
}

/* --- making --- */

static guint64
next_ino (MossTree *tree)
{
  return (guint64) tree->config.slot << SLOT_SHIFT | tree->next_ino++;
}

static int
make (MossTree *tree,
      guint64 parent,
      const char *name,
      const MossInodeRecord *form,
      MossTreeAttr *attr)
{
  g_autoptr (GMutexLocker) locker = NULL;
  MossInodeRecord record = *form;
  Inode *dir, *inode;
  int result = tree_name_error (name);

  if (result != 0)
    return result;
  locker = g_mutex_locker_new (&tree->lock);
  tree_begin (tree);
  result = find_name (tree, parent, name, &dir, &inode);
  if (result != 0)
    return result;
  if (inode != NULL)
    {
      inode_attr (inode, attr);
      return -EEXIST;
    }
  if (dir->nlink == 0)
    return -ENOENT;
  record.atime_ns = record.mtime_ns = record.ctime_ns = record.btime_ns = now_ns ();
  /* Files of a directory with its set-group-id bit are of its group. */
  if (dir->mode & S_ISGID)
    {
      record.gid = dir->gid;
      if (S_ISDIR (record.mode))
        record.mode |= S_ISGID;
    }
  inode = tree_make (tree, dir, name, next_ino (tree), &record);
  log_make (tree, parent, name, inode);
  inode_attr (inode, attr);
  return 0;
}

int
moss_tree_mknod (MossTree *tree,
                 guint64 parent,
                 const char *name,
                 guint32 mode,
                 guint64 rdev,
                 guint32 uid,
                 guint32 gid,
                 MossTreeAttr *attr)
{
  MossInodeRecord form = { .mode = mode, .uid = uid, .gid = gid };

  if ((mode & S_IFMT) == 0)
    form.mode |= S_IFREG;
  form.mode &= S_IFMT | 07777;
  if (S_ISDIR (form.mode) || S_ISLNK (form.mode))
    return -EINVAL;
  if (S_ISCHR (form.mode) || S_ISBLK (form.mode))
    form.rdev = rdev;
  return make (tree, parent, name, &form, attr);
}

int
moss_tree_mkdir (MossTree *tree,
                 guint64 parent,
                 const char *name,
                 guint32 mode,
                 guint32 uid,
                 guint32 gid,
                 MossTreeAttr *attr)
{
  MossInodeRecord form = { .mode = S_IFDIR | (mode & 07777), .uid = uid, .gid = gid };

  return make (tree, parent, name, &form, attr);
}

int
moss_tree_symlink (MossTree *tree,
                   guint64 parent,
                   const char *name,
                   const char *target,
                   guint32 uid,
                   guint32 gid,
                   MossTreeAttr *attr)
{
  gsize length = strlen (target);
  MossInodeRecord form = { .mode = S_IFLNK | 0777, .uid = uid, .gid = gid };

  if (length == 0)
    return -ENOENT;
  if (length > TARGET_MAX)
    return -ENAMETOOLONG;
  form.size = form.tail_length = length;
  form.tail = (const guint8 *) target;
  return make (tree, parent, name, &form, attr);
}

int
moss_tree_link (MossTree *tree,
                guint64 ino,
                guint64 parent,
                const char *name,
                MossTreeAttr *attr)
{
  g_autoptr (GMutexLocker) locker = NULL;
  Inode *dir, *inode, *there;
  guint64 drops;
  gint64 now = now_ns ();
  int result = tree_name_error (name);

  if (result != 0)
    return result;
  locker = g_mutex_locker_new (&tree->lock);
  tree_begin (tree);
  do
    {
      result = tree_inode (tree, ino, &inode);
      drops = tree->drops;
      if (result == 0)
        result = find_name (tree, parent, name, &dir, &there);
      if (result != 0)
        return result;
    }
  while (drops != tree->drops);
  if (S_ISDIR (inode->mode))
    return -EPERM;
  if (there != NULL)
    return -EEXIST;
  if (inode->nlink == 0 || dir->nlink == 0)
    return -ENOENT;
  if (inode->nlink >= LINKS_MAX)
    return -EMLINK;
  tree_link_entry (tree, dir, name, inode, now);
  log_link (tree, ino, parent, name, now);
  inode_attr (inode, attr);
  return 0;
}

/* --- removing --- */

/* A file that is open and about to lose its last name needs its content in memory, for the next
 * table won't have it. */
static int
hold_content (MossTree *tree, Inode *inode)
{
  if (inode == NULL || !S_ISREG (inode->mode) || inode->opens == 0 || inode->nlink > 1 ||
      inode->content != NULL)
    return 0;
  return tree_content (tree, inode->ino, &inode);
}

static int
remove_name (MossTree *tree,
             guint64 parent,
             const char *name,
             gboolean directory,
             guint64 *removed)
{
  g_autoptr (GMutexLocker) locker = NULL;
  Inode *dir, *inode;
  guint64 drops, ino;
  gint64 now = now_ns ();
  int result = tree_name_error (name);

  if (result != 0)
    return result;
  locker = g_mutex_locker_new (&tree->lock);
  tree_begin (tree);
  do
    {
      result = find_name (tree, parent, name, &dir, &inode);
      if (result != 0)
        return result;
      if (inode == NULL)
        return -ENOENT;
      if (directory != !!S_ISDIR (inode->mode))
        return directory ? -ENOTDIR : -EISDIR;
      drops = tree->drops;
      ino = inode->ino;
      if (directory)
        result = tree_dir (tree, ino, &inode);
      else
        result = hold_content (tree, inode);
      if (result != 0)
        return result;
    }
  while (drops != tree->drops);
  if (directory && inode->dir->count > 0)
    return -ENOTEMPTY;
  tree_unlink_entry (tree, dir, name, now);
  log_unlink (tree, parent, name, now);
  if (removed != NULL)
    *removed = ino;
  return 0;
}

int
moss_tree_unlink (MossTree *tree, guint64 parent, const char *name, guint64 *removed)
{
  return remove_name (tree, parent, name, FALSE, removed);
}

int
moss_tree_rmdir (MossTree *tree, guint64 parent, const char *name, guint64 *removed)
{
  return remove_name (tree, parent, name, TRUE, removed);
}

/* --- renaming --- */

/* Whether @ino is @dir or above it. Parents of what is loaded are loaded or can be. */
static int
is_above (MossTree *tree, guint64 ino, guint64 dir, gboolean *above)
{
  for (guint i = 0; i < DEPTH_MAX; i++)
    {
      Inode *inode;
      int result;

      *above = dir == ino;
      if (*above || dir == MOSS_TREE_ROOT)
        return 0;
      result = tree_inode (tree, dir, &inode);
      if (result != 0)
        return result;
      dir = inode->parent;
    }
  return -ELOOP;
}

static int
check_directories (MossTree *tree, Inode *moved, Inode *other, guint64 to, gboolean swapped)
{
  gboolean above;
  int result;

  if (S_ISDIR (moved->mode))
    {
      result = is_above (tree, moved->ino, to, &above);
      if (result != 0 || above)
        return result != 0 ? result : -EINVAL;
    }
  if (other == NULL || swapped)
    return 0;
  if (S_ISDIR (other->mode) && !S_ISDIR (moved->mode))
    return -EISDIR;
  if (!S_ISDIR (other->mode) && S_ISDIR (moved->mode))
    return -ENOTDIR;
  return 0;
}

typedef struct
{
  Inode *from, *to, *moved, *other;
} Ends;

/* All that a rename touches, loaded and checked; nothing was let go of after. */
static int
find_ends (MossTree *tree,
           guint64 parent,
           const char *name,
           guint64 new_parent,
           const char *new_name,
           guint flags,
           Ends *ends)
{
  gboolean exchange = flags & RENAME_EXCHANGE;
  guint64 drops;
  int result;

  do
    {
      drops = tree->drops;
      result = find_name (tree, parent, name, &ends->from, &ends->moved);
      if (result == 0)
        result = find_name (tree, new_parent, new_name, &ends->to, &ends->other);
      if (result != 0)
        return result;
      if (drops != tree->drops)
        continue;
      if (ends->moved == NULL || ends->to->nlink == 0 || (exchange && ends->other == NULL))
        return -ENOENT;
      if (ends->other != NULL && (flags & RENAME_NOREPLACE))
        return -EEXIST;
      result = check_directories (tree, ends->moved, ends->other, new_parent, exchange);
      if (result == 0 && exchange)
        result = check_directories (tree, ends->other, ends->moved, parent, TRUE);
      if (result == 0 && drops == tree->drops && ends->other != NULL && !exchange &&
          S_ISDIR (ends->other->mode))
        result = tree_dir (tree, ends->other->ino, &ends->other);
      else if (result == 0 && drops == tree->drops && !exchange)
        result = hold_content (tree, ends->other);
      if (result != 0)
        return result;
    }
  while (drops != tree->drops);
  if (ends->other != NULL && !exchange && S_ISDIR (ends->other->mode) &&
      ends->other != ends->moved && ends->other->dir->count > 0)
    return -ENOTEMPTY;
  return 0;
}

int
moss_tree_rename (MossTree *tree,
                  guint64 parent,
                  const char *name,
                  guint64 new_parent,
                  const char *new_name,
                  guint flags,
                  guint64 *replaced)
{
  g_autoptr (GMutexLocker) locker = NULL;
  gboolean exchange = flags == RENAME_EXCHANGE;
  gint64 now = now_ns ();
  Ends ends;
  int result = tree_name_error (name);

  if (result == 0)
    result = tree_name_error (new_name);
  if (result != 0)
    return result;
  if (flags != 0 && flags != RENAME_NOREPLACE && flags != RENAME_EXCHANGE)
    return -EINVAL;
  locker = g_mutex_locker_new (&tree->lock);
  tree_begin (tree);
  result = find_ends (tree, parent, name, new_parent, new_name, flags, &ends);
  if (replaced != NULL)
    *replaced = result == 0 && ends.other != NULL ? ends.other->ino : 0;
  if (result != 0)
    return result;
  if (ends.moved == ends.other)
    {
      if (replaced != NULL)
        *replaced = 0;
      return 0;
    }
  /* Who replaces a file by a new one must not find an empty one after a power cut. */
  if (S_ISREG (ends.moved->mode) && ends.other != NULL)
    tree_log_content (tree, ends.moved);
  tree_rename_entry (tree, ends.from, name, ends.to, new_name, exchange, now);
  log_rename (tree, parent, name, new_parent, new_name, exchange, now);
  return 0;
}

/* --- reading --- */

int
moss_tree_readlink (MossTree *tree, guint64 ino, char **target)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode;
  int result = tree_inode (tree, ino, &inode);

  if (result != 0)
    return result;
  if (!S_ISLNK (inode->mode))
    return -EINVAL;
  *target = g_strdup (inode->target);
  return 0;
}

int
moss_tree_parent (MossTree *tree, guint64 ino, guint64 *parent)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode;
  int result = tree_inode (tree, ino, &inode);

  if (result == 0)
    *parent = ino == MOSS_TREE_ROOT ? MOSS_TREE_ROOT : inode->parent;
  return result;
}

/* "." and ".." */
static gboolean
give_dots (MossTree *tree,
           Inode *dir,
           guint64 cookie,
           gboolean with_attr,
           MossTreeEntry entry,
           gpointer user_data)
{
  MossTreeAttr attr;
  guint64 above = dir->ino == MOSS_TREE_ROOT ? MOSS_TREE_ROOT : dir->parent;
  Inode *parent = tree_find (tree, above);

  inode_attr (dir, &attr);
  if (cookie < 1 &&
      !entry (".", dir->ino, S_IFDIR, with_attr ? &attr : NULL, 1, user_data))
    return FALSE;
  if (parent != NULL)
    inode_attr (parent, &attr);
  return cookie >= 2 ||
         entry ("..", above, S_IFDIR, with_attr && parent != NULL ? &attr : NULL, 2,
                user_data);
}

int
moss_tree_readdir (MossTree *tree,
                   guint64 ino,
                   guint64 cookie,
                   gboolean with_attr,
                   MossTreeEntry entry,
                   gpointer user_data)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *dir;
  int result = tree_dir (tree, ino, &dir);

  if (result != 0)
    return result;
  if (!give_dots (tree, dir, cookie, with_attr, entry, user_data))
    return 0;
  for (guint i = dir_after (dir->dir, cookie); i < dir->dir->count; i++)
    {
      const Entry *one = dir->dir->entries[i];
      Inode *inode = with_attr ? tree_find (tree, one->ino) : NULL;
      MossTreeAttr attr;

      if (inode != NULL)
        inode_attr (inode, &attr);
      if (!entry (one->name, one->ino, entry_mode (one), inode != NULL ? &attr : NULL,
                  entry_cookie (one), user_data))
        break;
    }
  return 0;
}

static const char *
name_in (const Dir *dir, guint64 ino)
{
  for (guint i = 0; i < dir->count; i++)
    if (dir->entries[i]->ino == ino)
      return dir->entries[i]->name;
  return NULL;
}

int
moss_tree_path (MossTree *tree, guint64 ino, char **path)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  g_autoptr (GString) text = g_string_new (NULL);
  Inode *inode;
  int result = tree_inode (tree, ino, &inode);

  for (guint i = 0; result == 0 && ino != MOSS_TREE_ROOT; i++)
    {
      Inode *dir;
      const char *name;

      if (i >= DEPTH_MAX)
        return -ELOOP;
      result = tree_inode (tree, ino, &inode);
      if (result == 0)
        result = tree_dir (tree, inode->parent, &dir);
      if (result != 0)
        break;
      name = name_in (dir->dir, ino);
      if (name == NULL)
        return -ENOENT;
      g_string_prepend (text, name);
      g_string_prepend_c (text, '/');
      ino = dir->ino;
    }
  if (result != 0)
    return result;
  *path = text->len > 0 ? g_strdup (text->str) : g_strdup ("/");
  return 0;
}

int
moss_tree_resolve (MossTree *tree, const char *path, MossTreeAttr *attr)
{
  g_auto (GStrv) names = g_strsplit (path, "/", DEPTH_MAX);
  MossTreeAttr found = { 0 };
  int result = moss_tree_getattr (tree, MOSS_TREE_ROOT, &found);

  for (guint i = 0; result == 0 && names[i] != NULL; i++)
    if (names[i][0] != '\0')
      result = moss_tree_lookup (tree, found.ino, names[i], &found);
  if (result == 0 && attr != NULL)
    *attr = found;
  return result;
}
