// SPDX-License-Identifier: GPL-3.0-or-later
/* The tree as it was: a table, read. Nothing is kept in memory but the directory that was listed
 * last. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "vfs/tree/bytes.h"

#include <errno.h>

enum
{
  DEPTH_MAX = 4096,
};

static MossView *
view_new (MossTree *tree, const MossRef *root, gint64 time_us)
{
  MossView *view = g_new0 (MossView, 1);

  g_atomic_ref_count_init (&view->refs);
  g_mutex_init (&view->lock);
  view->tree = tree;
  view->table = tree->table;
  view->root = *root;
  view->time_us = time_us;
  return view;
}

MossView *
moss_view_ref (MossView *view)
{
  g_atomic_ref_count_inc (&view->refs);
  return view;
}

void
moss_view_unref (MossView *view)
{
  if (!g_atomic_ref_count_dec (&view->refs))
    return;
  g_clear_pointer (&view->dir, dir_free);
  g_mutex_clear (&view->lock);
  g_free (view);
}

gint64
moss_view_get_time_us (MossView *view)
{
  return view->time_us;
}

/* --- which root --- */

typedef struct
{
  gint64 until_us;
  guint16 slot;
  gboolean found, found_mine;
  gint64 time_us, mine_us;
  MossRef root, mine;
  GArray *times; /* nullable */
} Search;

static gboolean
on_history (const MossItem *item, gpointer user_data)
{
  Search *search = user_data;
  gint64 time_us = moss_key_ino (item);
  MossHistoryRecord record;

  if (!moss_history_record_read (item, &record, NULL))
    return TRUE;
  if (search->times != NULL)
    {
      g_array_append_val (search->times, time_us);
      return TRUE;
    }
  if (time_us > search->until_us)
    return FALSE;
  search->found = TRUE;
  search->time_us = time_us;
  search->root = record.table;
  if ((item->key[MOSS_NODE_KEY_MIN] << 8 | item->key[MOSS_NODE_KEY_MIN + 1]) != search->slot)
    return TRUE;
  search->found_mine = TRUE;
  search->mine_us = time_us;
  search->mine = record.table;
  return TRUE;
}

static gboolean
search_history (MossTree *tree, Search *search, const MossRef *base, GError **error)
{
  guint8 prefix = SPACE_HISTORY;

  return moss_table_each (tree->table, base, &prefix, 1, NULL, 0, on_history, search, error);
}

MossView *
moss_tree_view_at (MossTree *tree, gint64 time_us, GError **error)
{
  Search search = { .until_us = time_us, .slot = tree->config.slot };
  gint64 last_us;
  MossRef base;

  g_mutex_lock (&tree->lock);
  base = tree->base;
  last_us = tree->last_time_us;
  g_mutex_unlock (&tree->lock);
  if (time_us >= last_us && !moss_table_is_empty (&base))
    return view_new (tree, &base, last_us);
  if (!search_history (tree, &search, &base, error))
    return NULL;
  if (search.found_mine)
    return view_new (tree, &search.mine, search.mine_us);
  if (search.found)
    return view_new (tree, &search.root, search.time_us);
  g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID,
               "there is no state of the files from that time");
  return NULL;
}

MossView *
moss_tree_view_root (MossTree *tree, GBytes *record, GError **error)
{
  g_auto (MossRootBody) body = { 0 };
  MossTreeRoot root;

  if (!moss_tree_root_verify (tree, record, &root, error) ||
      !root_open (tree, record, &body, error))
    return NULL;
  return view_new (tree, &body.table, root.time_us);
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

GArray *
moss_tree_list_times (MossTree *tree)
{
  Search search = { .times = g_array_new (FALSE, FALSE, sizeof (gint64)) };
  gint64 last_us;
  MossRef base;

  g_mutex_lock (&tree->lock);
  base = tree->base;
  last_us = tree->last_time_us;
  g_mutex_unlock (&tree->lock);
  search_history (tree, &search, &base, NULL);
  if (!moss_table_is_empty (&base))
    g_array_append_val (search.times, last_us);
  g_array_sort (search.times, compare_times);
  return search.times;
}

/* --- reading --- */

static int
find (MossView *view, guint64 ino, MossInodeRecord *record, MossNode **holder)
{
  g_autoptr (GError) error = NULL;
  gboolean found;

  if (!load_inode (view->table, &view->root, ino, record, holder, &found, &error))
    {
      g_clear_pointer (holder, moss_node_unref);
      return tree_errno (error);
    }
  return found ? 0 : -ENOENT;
}

int
moss_view_getattr (MossView *view, guint64 ino, MossTreeAttr *attr)
{
  g_autoptr (MossNode) holder = NULL;
  MossInodeRecord record;
  int result = find (view, ino, &record, &holder);

  if (result == 0 && attr != NULL)
    moss_inode_record_attr (&record, ino, attr);
  return result;
}

int
moss_view_lookup (MossView *view, guint64 parent, const char *name, MossTreeAttr *attr)
{
  g_autoptr (MossNode) holder = NULL;
  g_autoptr (GError) error = NULL;
  MossEntryRecord entry;
  MossItem item;
  MossKey key;
  int result = tree_name_error (name);

  if (result != 0)
    return result;
  moss_key_init (&key, SPACE_ENTRY, parent);
  moss_key_add (&key, name, strlen (name));
  if (!moss_table_find (view->table, &view->root, key.bytes, key.length, &item, &holder,
                        &error))
    return tree_errno (error);
  if (holder == NULL)
    return -ENOENT;
  if (!moss_entry_record_read (&item, &entry, &error))
    return tree_errno (error);
  return moss_view_getattr (view, entry.ino, attr);
}

int
moss_view_resolve (MossView *view, const char *path, MossTreeAttr *attr)
{
  g_auto (GStrv) names = g_strsplit (path, "/", DEPTH_MAX);
  MossTreeAttr found = { 0 };
  int result = moss_view_getattr (view, MOSS_TREE_ROOT, &found);

  for (guint i = 0; result == 0 && names[i] != NULL; i++)
    if (names[i][0] != '\0')
      result = moss_view_lookup (view, found.ino, names[i], &found);
  if (result == 0 && attr != NULL)
    *attr = found;
  return result;
}

int
moss_view_readlink (MossView *view, guint64 ino, char **target)
{
  g_autoptr (MossNode) holder = NULL;
  MossInodeRecord record;
  int result = find (view, ino, &record, &holder);

  if (result != 0)
    return result;
  if (!S_ISLNK (record.mode))
    return -EINVAL;
  *target = g_strndup ((const char *) record.tail, record.tail_length);
  return 0;
}

gssize
moss_view_read (MossView *view, guint64 ino, gpointer buffer, gsize length, guint64 offset)
{
  g_autoptr (MossNode) holder = NULL;
  g_autoptr (MossContent) content = NULL;
  g_autoptr (GError) error = NULL;
  MossInodeRecord record;
  gssize done;
  int result = find (view, ino, &record, &holder);

  if (result != 0)
    return result;
  if (!S_ISREG (record.mode))
    return S_ISDIR (record.mode) ? -EISDIR : -EINVAL;
  content = load_content (view->table, &view->root, ino, &record, &error);
  if (content == NULL)
    return tree_errno (error);
  done = content_read (view->tree, content, record.size, buffer, length, offset, FALSE,
                       &error);
  return done < 0 ? tree_errno (error) : done;
}

typedef struct
{
  MossView *view;
  Dir *dir;
  gboolean bad;
} Listing;

static gboolean
on_entry (const MossItem *item, gpointer user_data)
{
  Listing *listing = user_data;
  g_autofree char *name = NULL;
  MossEntryRecord entry;

  if (!moss_entry_record_read (item, &entry, NULL))
    {
      listing->bad = TRUE;
      return FALSE;
    }
  name = moss_key_name (item);
  dir_add (listing->view->tree, listing->dir, name, entry.ino, entry.type);
  return TRUE;
}

static int
list (MossView *view, guint64 ino)
{
  Listing listing = { view, dir_new (), FALSE };
  g_autoptr (GError) error = NULL;
  MossKey key;
  gboolean ok;

  moss_key_init (&key, SPACE_ENTRY, ino);
  ok = moss_table_each (view->table, &view->root, key.bytes, key.length, NULL, 0, on_entry,
                        &listing, &error);
  if (!ok || listing.bad)
    {
      dir_free (listing.dir);
      return tree_errno (error);
    }
  g_clear_pointer (&view->dir, dir_free);
  view->dir = listing.dir;
  view->dir_ino = ino;
  return 0;
}

static gboolean
give_dots (MossView *view,
           guint64 ino,
           guint64 cookie,
           MossTreeEntry entry,
           gpointer user_data)
{
  g_autoptr (MossNode) holder = NULL;
  MossInodeRecord record;

  if (cookie < 1 && !entry (".", ino, S_IFDIR, NULL, 1, user_data))
    return FALSE;
  if (cookie >= 2)
    return TRUE;
  if (find (view, ino, &record, &holder) != 0)
    record.parent = MOSS_TREE_ROOT;
  return entry ("..", ino == MOSS_TREE_ROOT ? ino : record.parent, S_IFDIR, NULL, 2,
                user_data);
}

/* The view's own lock is held over @entry, not the tree's. */
int
moss_view_readdir (MossView *view,
                   guint64 ino,
                   guint64 cookie,
                   gboolean with_attr,
                   MossTreeEntry entry,
                   gpointer user_data)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&view->lock);
  MossTreeAttr attr;
  int result = moss_view_getattr (view, ino, &attr);

  if (result == 0 && !S_ISDIR (attr.mode))
    result = -ENOTDIR;
  if (result == 0 && (view->dir == NULL || view->dir_ino != ino))
    result = list (view, ino);
  if (result != 0 || !give_dots (view, ino, cookie, entry, user_data))
    return result;
  for (guint i = dir_after (view->dir, cookie); i < view->dir->count; i++)
    {
      const Entry *one = view->dir->entries[i];
      gboolean known = with_attr && moss_view_getattr (view, one->ino, &attr) == 0;

      if (!entry (one->name, one->ino, entry_mode (one), known ? &attr : NULL,
                  entry_cookie (one), user_data))
        break;
    }
  return 0;
}
