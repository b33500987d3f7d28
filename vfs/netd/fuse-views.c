// SPDX-License-Identifier: GPL-3.0-or-later
/* What is in /net besides the files of now, all of it read-only:
 *
 *   /net                        one entry: the tree
 *   NAME/.at/TIME/…             the tree as it was then (fuse-time.h says how TIME can be written)
 *   NAME/.versions/PATH/        for a file: its versions, "TIME-vN.SLOT-NAME", each a file;
 *                               for a directory: what is in it
 *
 * .at and .versions aren't listed, so that nothing that walks the tree walks into them. Their nodes
 * are numbered as they are looked up and forgotten with the kernel. A server that took over knows
 * none of them: the kernel is told ESTALE and looks them up again. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"
#include "vfs/netd/fuse-time.h"

#include <string.h>

#define READ_ONLY_BITS 0222
#define VIEW_SECONDS 3600.0
#define LIST_SECONDS 0.0 /* what grows by itself: the kernel asks for its time before it lists it */

typedef enum
{
  VIEW_FILE,     /* anything of a tree as it was */
  MIRROR,        /* a directory of now, below .versions */
  VERSIONS,      /* a file of now, below .versions: a directory of its versions */
  VERSION,
} NodeKind;

typedef struct
{
  NodeKind kind;
  guint64 ino;
  MossView *view; /* VIEW_FILE */
  guint64 version;
  guint16 slot;
  fuse_ino_t number;
  guint64 lookups;
  char *name;  /* VERSIONS: the file's, as it was looked up: it may have two, or get another */
  gint64 time_us; /* VERSION */
  guint64 size;
} Node;

struct _MountViews
{
  GMutex lock;
  GHashTable *known;   /* Node → itself, by what it is */
  GHashTable *numbers; /* number → Node */
  fuse_ino_t next;
};

/* ---- nodes --------------------------------------------------------------------------- */

static guint
node_hash (gconstpointer data)
{
  const Node *node = data;

  return g_int64_hash (&node->ino) ^ GPOINTER_TO_UINT (node->view) ^ node->version * 31
         ^ node->kind << 24 ^ node->slot << 8;
}

static gboolean
node_equal (gconstpointer a, gconstpointer b)
{
  const Node *one = a, *other = b;

  return one->kind == other->kind && one->ino == other->ino && one->view == other->view
         && one->version == other->version && one->slot == other->slot
         && g_strcmp0 (one->name, other->name) == 0;
}

static void
node_free (gpointer data)
{
  Node *node = data;

  g_clear_pointer (&node->view, moss_view_unref);
  g_free (node->name);
  g_free (node);
}

MountViews *
views_new (void)
{
  MountViews *views = g_new0 (MountViews, 1);

  g_mutex_init (&views->lock);
  views->known = g_hash_table_new (node_hash, node_equal);
  views->numbers = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, node_free);
  views->next = NODE_VIEWS;
  return views;
}

void
views_free (MountViews *views)
{
  g_hash_table_unref (views->known);
  g_hash_table_unref (views->numbers);
  g_mutex_clear (&views->lock);
  g_free (views);
}

/* The number of a node, with one more look-up counted. what: copied when it is new. */
static fuse_ino_t
intern (MountViews *views, const Node *what)
{
  Node *node;

  g_mutex_lock (&views->lock);
  node = g_hash_table_lookup (views->known, what);
  if (node == NULL)
    {
      node = g_memdup2 (what, sizeof *what);
      node->view = what->view != NULL ? moss_view_ref (what->view) : NULL;
      node->name = g_strdup (what->name);
      node->number = views->next++;
      node->lookups = 0;
      g_hash_table_add (views->known, node);
      g_hash_table_insert (views->numbers, &node->number, node);
    }
  node->lookups++;
  g_mutex_unlock (&views->lock);
  return node->number;
}

/* A copy that keeps its view; clear it with copy_clear(). FALSE: nobody knows it. */
static gboolean
find (MossMount *mount, fuse_ino_t number, Node *copy)
{
  MountViews *views = mount->views;
  Node *node;

  g_mutex_lock (&views->lock);
  node = g_hash_table_lookup (views->numbers, &number);
  if (node != NULL)
    {
      *copy = *node;
      copy->view = node->view != NULL ? moss_view_ref (node->view) : NULL;
      copy->name = g_strdup (node->name);
    }
  g_mutex_unlock (&views->lock);
  return node != NULL;
}

static void
copy_clear (Node *copy)
{
  g_clear_pointer (&copy->view, moss_view_unref);
  g_clear_pointer (&copy->name, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Node, copy_clear)

void
views_forget (MossMount *mount, fuse_ino_t number, guint64 count)
{
  MountViews *views = mount->views;
  Node *node;

  g_mutex_lock (&views->lock);
  node = g_hash_table_lookup (views->numbers, &number);
  if (node != NULL && node->lookups > count)
    node->lookups -= count;
  else if (node != NULL)
    {
      g_hash_table_remove (views->known, node);
      g_hash_table_remove (views->numbers, &number);
    }
  g_mutex_unlock (&views->lock);
}

/* ---- attributes ---------------------------------------------------------------------- */

static void
fill_dir (MossMount *mount, fuse_ino_t number, struct stat *st)
{
  memset (st, 0, sizeof *st);
  st->st_ino = number;
  st->st_mode = S_IFDIR | (number == NODE_ROOT ? 0700 : 0500);
  st->st_nlink = 2;
  st->st_uid = mount->uid;
  st->st_gid = mount->gid;
  st->st_mtim.tv_sec = st->st_ctim.tv_sec = st->st_atim.tv_sec = mount->made_ns / 1000000000;
}

/* The kernel keeps a list until the directory's time is another one: that of the newest of what is
 * in it, and a little for how many there are, since old ones go. */
static void
fill_list (MossMount *mount, fuse_ino_t number, gint64 newest_us, guint count, struct stat *st)
{
  fill_dir (mount, number, st);
  st->st_mtim.tv_sec = newest_us / G_USEC_PER_SEC;
  st->st_mtim.tv_nsec = newest_us % G_USEC_PER_SEC * 1000 + count % 1000;
  st->st_ctim = st->st_mtim;
}

static void
fill_versions (MossMount *mount, const Node *node, struct stat *st)
{
  g_autoptr (GArray) versions = NULL;

  if (moss_tree_list_versions (mount->tree, node->ino, &versions) == 0 && versions->len > 0)
    fill_list (mount, node->number, g_array_index (versions, MossTreeVersion, 0).time_us,
               versions->len, st);
  else
    fill_dir (mount, node->number, st);
}

static void
fill_times (MossMount *mount, struct stat *st)
{
  g_autoptr (GArray) times = moss_tree_list_times (mount->tree);
  gint64 newest = 0;

  for (guint i = 0; times != NULL && i < times->len; i++)
    newest = MAX (newest, g_array_index (times, gint64, i));
  if (newest != 0)
    fill_list (mount, NODE_AT, newest, times->len, st);
  else
    fill_dir (mount, NODE_AT, st);
}

/* One of the numbers that are always there. */
static int
fill_fixed (MossMount *mount, fuse_ino_t number, struct stat *st)
{
  MossTreeAttr root;

  if (number == NODE_AT)
    fill_times (mount, st);
  else
    fill_dir (mount, number, st);
  if (number == NODE_VERSIONS && moss_tree_getattr (mount->tree, MOSS_TREE_ROOT, &root) == 0)
    {
      st->st_mtim.tv_sec = root.mtime_ns / 1000000000;
      st->st_mtim.tv_nsec = root.mtime_ns % 1000000000;
    }
  return 0;
}

/* As it is now, but for what differs in this version. */
static void
fill_version (MossMount *mount, const Node *node, const MossTreeAttr *now, struct stat *st)
{
  MossTreeAttr attr = *now;

  attr.mtime_ns = attr.ctime_ns = node->time_us * 1000;
  attr.size = node->size;
  attr.allocated = node->size;
  attr.nlink = 1;
  ops_to_stat (mount, &attr, st);
}

static int
node_getattr (MossMount *mount, const Node *node, struct stat *st)
{
  MossTreeAttr attr;
  int result = node->kind == VIEW_FILE ? moss_view_getattr (node->view, node->ino, &attr)
                                       : moss_tree_getattr (mount->tree, node->ino, &attr);

  if (result != 0)
    return result;
  if (node->kind == VERSIONS)
    fill_versions (mount, node, st);
  else if (node->kind == VERSION)
    fill_version (mount, node, &attr, st);
  else
    ops_to_stat (mount, &attr, st);
  st->st_ino = node->number;
  if (!S_ISLNK (st->st_mode))
    st->st_mode &= ~READ_ONLY_BITS;
  return 0;
}

int
views_getattr (MossMount *mount, fuse_ino_t number, struct stat *st, double *seconds)
{
  g_auto (Node) node = { 0 };

  *seconds = number == NODE_ROOT ? CACHE_SECONDS : LIST_SECONDS;
  if (number < NODE_VIEWS)
    return fill_fixed (mount, number, st);
  if (!find (mount, number, &node))
    return -ESTALE;
  if (node.kind == VIEW_FILE || node.kind == VERSION)
    *seconds = VIEW_SECONDS;
  return node_getattr (mount, &node, st);
}

/* ---- look-ups ------------------------------------------------------------------------ */

gboolean
views_is_reserved (fuse_ino_t parent, const char *name)
{
  return parent == NODE_TREE
         && (strcmp (name, ".at") == 0 || strcmp (name, ".versions") == 0);
}

static void
reply_node (fuse_req_t request, Node *what, double seconds)
{
  MossMount *mount = get_mount (request);
  struct fuse_entry_param entry = { .attr_timeout = seconds, .entry_timeout = seconds };
  int result;

  what->number = entry.ino = intern (mount->views, what);
  result = node_getattr (mount, what, &entry.attr);
  if (result == 0)
    {
      fuse_reply_entry (request, &entry);
      return;
    }
  views_forget (mount, entry.ino, 1);
  fuse_reply_err (request, -result);
}

static void
reply_fixed (fuse_req_t request, fuse_ino_t number)
{
  struct fuse_entry_param entry
      = { .ino = number, .attr_timeout = LIST_SECONDS, .entry_timeout = CACHE_SECONDS };

  fill_fixed (get_mount (request), number, &entry.attr);
  fuse_reply_entry (request, &entry);
}

static void
lookup_tree (fuse_req_t request, const char *name)
{
  MossMount *mount = get_mount (request);
  MossTreeAttr attr;
  int result = strcmp (name, mount->name) != 0
                   ? -ENOENT
                   : moss_tree_getattr (mount->tree, MOSS_TREE_ROOT, &attr);

  ops_reply_entry (request, result, &attr);
}

static void
lookup_time (fuse_req_t request, const char *name)
{
  MossMount *mount = get_mount (request);
  Node what = { .kind = VIEW_FILE, .ino = MOSS_TREE_ROOT };
  g_autoptr (MossView) view = NULL;
  gboolean relative;
  gint64 time_us;

  if (fuse_time_parse (name, g_get_real_time (), &time_us, &relative))
    view = moss_tree_view_at (mount->tree, time_us, NULL);
  if (view == NULL)
    {
      fuse_reply_err (request, ENOENT);
      return;
    }
  what.view = view;
  reply_node (request, &what, relative ? 0 : VIEW_SECONDS);
}

static void
lookup_in_view (fuse_req_t request, const Node *parent, const char *name)
{
  Node what = { .kind = VIEW_FILE, .view = parent->view };
  MossTreeAttr attr;
  int result = moss_view_lookup (parent->view, parent->ino, name, &attr);

  what.ino = attr.ino;
  if (result != 0)
    fuse_reply_err (request, -result);
  else
    reply_node (request, &what, VIEW_SECONDS);
}

static void
lookup_in_mirror (fuse_req_t request, guint64 parent, const char *name)
{
  Node what = { .kind = MIRROR };
  MossTreeAttr attr;
  int result = moss_tree_lookup (get_mount (request)->tree, parent, name, &attr);

  if (result == 0 && !S_ISDIR (attr.mode) && !S_ISREG (attr.mode))
    result = -ENOENT;
  if (result != 0)
    {
      fuse_reply_err (request, -result);
      return;
    }
  what.ino = attr.ino;
  if (!S_ISDIR (attr.mode))
    {
      what.kind = VERSIONS;
      what.name = (char *) name;
    }
  reply_node (request, &what, LIST_SECONDS);
}

/* The end of the name stays: it holds what tells programs the type. */
char *
views_version_name (const char *name, const MossTreeVersion *version)
{
  g_autofree char *time = fuse_time_format (version->time_us);
  g_autofree char *start = g_strdup_printf ("%s-v%" G_GUINT64_FORMAT ".%u-", time,
                                            version->version, version->slot);
  gsize room = MOSS_TREE_NAME_MAX - strlen (start), length = strlen (name);
  const char *end = name + (length > room ? length - room : 0);

  while ((*end & 0xc0) == 0x80)
    end++;
  return g_strconcat (start, end, NULL);
}

static void
fill_version_node (guint64 ino, const MossTreeVersion *version, Node *what)
{
  *what = (Node) { .kind = VERSION, .ino = ino, .version = version->version,
                   .slot = version->slot, .time_us = version->time_us, .size = version->size };
}

static void
lookup_version (fuse_req_t request, const Node *parent, const char *name)
{
  g_autoptr (GArray) versions = NULL;
  Node what;

  if (moss_tree_list_versions (get_mount (request)->tree, parent->ino, &versions) == 0)
    for (guint i = 0; i < versions->len; i++)
      {
        const MossTreeVersion *version = &g_array_index (versions, MossTreeVersion, i);
        g_autofree char *its = views_version_name (parent->name, version);

        if (strcmp (its, name) != 0)
          continue;
        fill_version_node (parent->ino, version, &what);
        reply_node (request, &what, VIEW_SECONDS);
        return;
      }
  fuse_reply_err (request, ENOENT);
}

void
views_lookup (fuse_req_t request, fuse_ino_t parent, const char *name)
{
  g_auto (Node) node = { 0 };

  if (parent == NODE_TREE)
    reply_fixed (request, strcmp (name, ".at") == 0 ? NODE_AT : NODE_VERSIONS);
  else if (parent == NODE_ROOT)
    lookup_tree (request, name);
  else if (parent == NODE_AT)
    lookup_time (request, name);
  else if (parent == NODE_VERSIONS)
    lookup_in_mirror (request, MOSS_TREE_ROOT, name);
  else if (!find (get_mount (request), parent, &node))
    fuse_reply_err (request, ESTALE);
  else if (node.kind == VIEW_FILE)
    lookup_in_view (request, &node, name);
  else if (node.kind == MIRROR)
    lookup_in_mirror (request, node.ino, name);
  else if (node.kind == VERSIONS)
    lookup_version (request, &node, name);
  else
    fuse_reply_err (request, ENOTDIR);
}

/* ---- lists --------------------------------------------------------------------------- */

/* Adds one of a list; TRUE: go on. readdirplus: node 0, the kernel looks it up when it wants it. */
static gboolean
add (DirBuffer *buffer, const char *name, mode_t type, guint64 next)
{
  struct fuse_entry_param entry = { .attr.st_mode = type, .attr.st_ino = NODE_VIEWS };

  return !dir_buffer_wants (buffer, next) || dir_buffer_add (buffer, name, &entry, next);
}

static gboolean
add_dots (DirBuffer *buffer)
{
  return add (buffer, ".", S_IFDIR, 1) && add (buffer, "..", S_IFDIR, 2);
}

/* Of several within a second the last is what the name leads to. */
static void
list_times (MossMount *mount, DirBuffer *buffer)
{
  g_autoptr (GArray) times = moss_tree_list_times (mount->tree);
  gint64 last = -1;
  guint64 next = 3;

  for (guint i = 0; times != NULL && i < times->len; i++)
    {
      gint64 time_us = g_array_index (times, gint64, i);
      g_autofree char *name = fuse_time_format (time_us);

      if (time_us / 1000000 == last)
        continue;
      last = time_us / 1000000;
      if (!add (buffer, name, S_IFDIR, next++))
        return;
    }
}

static void
list_versions (MossMount *mount, const Node *node, DirBuffer *buffer)
{
  g_autoptr (GArray) versions = NULL;

  if (moss_tree_list_versions (mount->tree, node->ino, &versions) != 0)
    return;
  for (guint i = 0; i < versions->len; i++)
    {
      g_autofree char *name
          = views_version_name (node->name, &g_array_index (versions, MossTreeVersion, i));

      if (!add (buffer, name, S_IFREG, 3 + i))
        return;
    }
}

static gboolean
on_view_entry (const char *name, guint64 ino, guint32 mode, const MossTreeAttr *attr,
               guint64 cookie, gpointer data)
{
  struct fuse_entry_param entry = { .attr.st_mode = mode, .attr.st_ino = to_node (ino) };

  return dir_buffer_add (data, name, &entry, cookie);
}

/* Below .versions a file is a directory. */
static gboolean
on_mirror_entry (const char *name, guint64 ino, guint32 mode, const MossTreeAttr *attr,
                 guint64 cookie, gpointer data)
{
  struct fuse_entry_param entry = { .attr.st_mode = S_IFDIR, .attr.st_ino = to_node (ino) };

  if (!S_ISDIR (mode) && !S_ISREG (mode))
    return TRUE;
  return dir_buffer_add (data, name, &entry, cookie);
}

static int
list_node (MossMount *mount, fuse_ino_t number, off_t offset, DirBuffer *buffer)
{
  g_auto (Node) node = { 0 };

  if (!find (mount, number, &node))
    return -ESTALE;
  if (node.kind == VIEW_FILE)
    return moss_view_readdir (node.view, node.ino, offset, FALSE, on_view_entry, buffer);
  if (node.kind == MIRROR)
    return moss_tree_readdir (mount->tree, node.ino, offset, FALSE, on_mirror_entry, buffer);
  if (node.kind != VERSIONS)
    return -ENOTDIR;
  if (add_dots (buffer))
    list_versions (mount, &node, buffer);
  return 0;
}

void
views_readdir (fuse_req_t request, fuse_ino_t number, gsize size, off_t offset, gboolean plus)
{
  MossMount *mount = get_mount (request);
  DirBuffer *buffer = dir_buffer_new (request, size, offset, plus);
  int result = 0;

  if (number == NODE_ROOT)
    {
      if (add_dots (buffer))
        add (buffer, mount->name, S_IFDIR, 3);
    }
  else if (number == NODE_AT)
    {
      if (add_dots (buffer))
        list_times (mount, buffer);
    }
  else if (number == NODE_VERSIONS)
    result = moss_tree_readdir (mount->tree, MOSS_TREE_ROOT, offset, FALSE, on_mirror_entry,
                                buffer);
  else
    result = list_node (mount, number, offset, buffer);
  dir_buffer_reply (buffer, -result);
}

/* ---- content ------------------------------------------------------------------------- */

gssize
views_read (MossMount *mount, fuse_ino_t number, gpointer data, gsize size, off_t offset)
{
  g_auto (Node) node = { 0 };

  if (!find (mount, number, &node))
    return -ESTALE;
  if (node.kind == VIEW_FILE)
    return moss_view_read (node.view, node.ino, data, size, offset);
  if (node.kind == VERSION)
    return moss_tree_read_version (mount->tree, node.ino, node.version, node.slot, data, size,
                                   offset);
  return -EISDIR;
}

void
views_readlink (fuse_req_t request, fuse_ino_t number)
{
  g_auto (Node) node = { 0 };
  g_autofree char *target = NULL;
  int result = -EINVAL;

  if (!find (get_mount (request), number, &node))
    result = -ESTALE;
  else if (node.kind == VIEW_FILE)
    result = moss_view_readlink (node.view, node.ino, &target);
  if (result != 0)
    fuse_reply_err (request, -result);
  else
    fuse_reply_readlink (request, target);
}

int
views_getxattr (MossMount *mount, fuse_ino_t number, const char *name, GBytes **value)
{
  g_auto (Node) node = { 0 };

  if (number >= NODE_VIEWS && !find (mount, number, &node))
    return -ESTALE;
  if (number >= NODE_VIEWS && node.kind == VIEW_FILE)
    return moss_view_getxattr (node.view, node.ino, name, value);
  return -ENODATA;
}

int
views_listxattr (MossMount *mount, fuse_ino_t number, GBytes **names)
{
  g_auto (Node) node = { 0 };

  if (number >= NODE_VIEWS && !find (mount, number, &node))
    return -ESTALE;
  if (number >= NODE_VIEWS && node.kind == VIEW_FILE)
    return moss_view_listxattr (node.view, node.ino, names);
  return 0;
}
