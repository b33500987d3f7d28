// SPDX-License-Identifier: GPL-3.0-or-later
/* Merging two tables, item by item.
 *
 * Each item has a dot: which device changed it last, in which of its roots. Each root says what
 * it has seen of every device. So for an item that only one side has, the other either never saw
 * it (it is new: stays) or saw and removed it (it goes); and of two that differ the one whose dot
 * the other hasn't seen is newer; if neither has seen the other's, both are new: a conflict. No
 * common ancestor is looked for, so it doesn't matter who talked to whom in which order.
 * (Dots and vectors: Preguiça, Baquero et al., "Dotted Version Vectors", 2010.)
 *
 * Policy: the other side's table may be a thief's. Each item that differs is checked as if it
 * came from the network, and a dot that its own root doesn't claim to have seen is refused. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/merge-private.h"

#include "vfs/tree/bytes.h"

enum
{
  PAIRS_MAX = 8 * 1000 * 1000,
};

/* --- state --- */

static void
free_pair (gpointer data)
{
  Pair *pair = data;

  g_bytes_unref (pair->key);
  g_clear_pointer (&pair->value[SIDE_A], g_bytes_unref);
  g_clear_pointer (&pair->value[SIDE_B], g_bytes_unref);
  g_free (pair);
}

static void
unref_nullable (gpointer data)
{
  if (data != NULL)
    g_bytes_unref (data);
}

static void
clear_collision (gpointer data)
{
  g_free (((Collision *) data)->name);
}

void
merge_init (Merge *merge, MossTable *table)
{
  memset (merge, 0, sizeof *merge);
  merge->table = table;
  merge->pairs = g_ptr_array_new_with_free_func (free_pair);
  merge->overlay = g_hash_table_new_full (g_bytes_hash, g_bytes_equal,
                                          (GDestroyNotify) g_bytes_unref, unref_nullable);
  merge->fates = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  merge->settled = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  merge->collisions = g_array_new (FALSE, FALSE, sizeof (Collision));
  g_array_set_clear_func (merge->collisions, clear_collision);
  merge->conflicts = g_array_new (FALSE, FALSE, sizeof (guint64));
}

void
merge_clear (Merge *merge)
{
  g_ptr_array_unref (merge->pairs);
  g_hash_table_unref (merge->overlay);
  g_hash_table_unref (merge->fates);
  g_hash_table_unref (merge->settled);
  g_array_unref (merge->collisions);
  g_array_unref (merge->conflicts);
}

MossItem
merge_item_of (GBytes *key, GBytes *value)
{
  MossItem item = { 0 };
  gsize length;

  item.key = g_bytes_get_data (key, &length);
  item.key_length = length;
  if (value != NULL)
    {
      item.value = g_bytes_get_data (value, &length);
      item.value_length = length;
    }
  return item;
}

gboolean
merge_get_side (Merge *merge,
                Side side,
                const MossKey *key,
                GBytes **value,
                GError **error)
{
  g_autoptr (MossNode) holder = NULL;
  MossItem item;

  *value = NULL;
  if (!moss_table_find (merge->table, &merge->root[side], key->bytes, key->length, &item,
                        &holder, error))
    return FALSE;
  if (holder != NULL)
    *value = g_bytes_new (item.value, item.value_length);
  return TRUE;
}

gboolean
merge_get (Merge *merge, const MossKey *key, GBytes **value, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new (key->bytes, key->length);
  gpointer found;

  if (!g_hash_table_lookup_extended (merge->overlay, bytes, NULL, &found))
    return merge_get_side (merge, SIDE_A, key, value, error);
  *value = found != NULL ? g_bytes_ref (found) : NULL;
  return TRUE;
}

/* Takes @value (nullable: it goes). */
void
merge_set (Merge *merge, const MossKey *key, GBytes *value)
{
  g_hash_table_replace (merge->overlay, g_bytes_new (key->bytes, key->length), value);
}

static void
set_pair (Merge *merge, const Pair *pair, GBytes *value)
{
  g_hash_table_replace (merge->overlay, g_bytes_ref (pair->key),
                        value != NULL ? g_bytes_ref (value) : NULL);
}

static gboolean
read_record (GBytes *value,
             MossInodeRecord *record,
             GBytes **holder,
             gboolean *found,
             GError **error)
{
  gsize length;
  const guint8 *bytes;

  *found = value != NULL;
  *holder = value;
  if (value == NULL)
    return TRUE;
  bytes = g_bytes_get_data (value, &length);
  return moss_inode_record_read (bytes, length, record, error);
}

/* @holder: (out) (transfer full) (nullable): what the record's tail points into */
gboolean
merge_record (Merge *merge,
              guint64 ino,
              MossInodeRecord *record,
              GBytes **holder,
              gboolean *found,
              GError **error)
{
  GBytes *value;
  MossKey key;

  *holder = NULL;
  moss_key_init (&key, SPACE_INODE, ino);
  return merge_get (merge, &key, &value, error) &&
         read_record (value, record, holder, found, error);
}

gboolean
merge_record_side (Merge *merge,
                   Side side,
                   guint64 ino,
                   MossInodeRecord *record,
                   GBytes **holder,
                   gboolean *found,
                   GError **error)
{
  GBytes *value;
  MossKey key;

  *holder = NULL;
  moss_key_init (&key, SPACE_INODE, ino);
  return merge_get_side (merge, side, &key, &value, error) &&
         read_record (value, record, holder, found, error);
}

void
merge_set_record (Merge *merge, guint64 ino, const MossInodeRecord *record)
{
  GByteArray *value = g_byte_array_new ();
  MossKey key;

  moss_inode_record_write (record, value);
  moss_key_init (&key, SPACE_INODE, ino);
  merge_set (merge, &key, g_byte_array_free_to_bytes (value));
}

/* --- what differs --- */

typedef struct
{
  Merge *merge;
  GError *error;
} Collect;

static gboolean
check_theirs (Merge *merge, const MossItem *item, GError **error)
{
  MossConflictRecord conflict;
  MossInodeRecord record;
  guint64 dot;
  gboolean seen;

  if (!moss_item_check (item, &dot, error))
    return FALSE;
  seen = moss_key_space (item) == SPACE_EXTENT || seen_has (merge->seen[SIDE_B], dot);
  if (moss_key_space (item) == SPACE_INODE)
    seen = moss_inode_record_read (item->value, item->value_length, &record, NULL) &&
           seen_has (merge->seen[SIDE_B], record.attr_dot) &&
           seen_has (merge->seen[SIDE_B], record.content_dot);
  if (moss_key_space (item) == SPACE_CONFLICT)
    seen = seen && moss_conflict_record_read (item, &conflict, NULL) &&
           seen_has (merge->seen[SIDE_B], conflict.cause[0]) &&
           seen_has (merge->seen[SIDE_B], conflict.cause[1]);
  if (!seen)
    g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                 "a root holds what it says it hasn't seen");
  return seen;
}

static gboolean
on_difference (const MossItem *a, const MossItem *b, gpointer user_data)
{
  Collect *collect = user_data;
  Merge *merge = collect->merge;
  const MossItem *any = a != NULL ? a : b;
  Pair *pair;

  if (b != NULL && !check_theirs (merge, b, &collect->error))
    return FALSE;
  if (merge->pairs->len >= PAIRS_MAX)
    {
      g_set_error (&collect->error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID,
                   "the other device's tree differs in too many places");
      return FALSE;
    }
  pair = g_new0 (Pair, 1);
  pair->key = g_bytes_new (any->key, any->key_length);
  if (a != NULL)
    pair->value[SIDE_A] = g_bytes_new (a->value, a->value_length);
  if (b != NULL)
    pair->value[SIDE_B] = g_bytes_new (b->value, b->value_length);
  g_ptr_array_add (merge->pairs, pair);
  return TRUE;
}

/* Every item that differs, theirs checked. Reads, so it may fetch. */
gboolean
merge_collect (Merge *merge, GError **error)
{
  Collect collect = { merge, NULL };

  if (!moss_table_diff (merge->table, &merge->root[SIDE_A], &merge->root[SIDE_B], NULL,
                        on_difference, &collect, error))
    return FALSE;
  if (collect.error == NULL)
    return TRUE;
  g_propagate_error (error, collect.error);
  return FALSE;
}

/* --- deciding --- */

static gboolean
is_new (Merge *merge, Side side, guint64 dot)
{
  return !seen_has (merge->seen[!side], dot);
}

/* Which of two is newer by their dots; *@both: neither saw the other's. */
static Side
newer (Merge *merge, guint64 a, guint64 b, gboolean *both)
{
  gboolean a_new = is_new (merge, SIDE_A, a);
  gboolean b_new = is_new (merge, SIDE_B, b);

  *both = a != b && a_new == b_new;
  if (a_new != b_new)
    return a_new ? SIDE_A : SIDE_B;
  return a >= b ? SIDE_A : SIDE_B;
}

/* Of what one side has alone, the other has dealt with it already. */
static void
leave_out (Merge *merge, const Pair *pair)
{
  if (pair->value[SIDE_A] != NULL)
    set_pair (merge, pair, NULL);
}

static gboolean
is_one_sided (const Pair *pair)
{
  return pair->value[SIDE_A] == NULL || pair->value[SIDE_B] == NULL;
}

/* Items that are taken or left as a whole. */
static void
merge_whole (Merge *merge, const Pair *pair, guint64 dot_a, guint64 dot_b)
{
  gboolean both;

  if (pair->value[SIDE_B] == NULL)
    {
      if (!is_new (merge, SIDE_A, dot_a))
        set_pair (merge, pair, NULL);
      return;
    }
  if (pair->value[SIDE_A] == NULL)
    {
      if (is_new (merge, SIDE_B, dot_b))
        set_pair (merge, pair, pair->value[SIDE_B]);
      return;
    }
  if (dot_a == dot_b
          ? g_bytes_compare (pair->value[SIDE_A], pair->value[SIDE_B]) < 0
          : newer (merge, dot_a, dot_b, &both) == SIDE_B)
    set_pair (merge, pair, pair->value[SIDE_B]);
}

static void
set_fate (Merge *merge, guint64 ino, Fate fate)
{
  g_hash_table_replace (merge->fates, g_memdup2 (&ino, sizeof ino), GINT_TO_POINTER (fate));
}

static Fate
fate_of (Merge *merge, guint64 ino)
{
  return GPOINTER_TO_INT (g_hash_table_lookup (merge->fates, &ino));
}

/* Attributes of one, content of the same or the other; what neither decides is the larger. */
static void
join_records (MossInodeRecord *to,
              const MossInodeRecord *attr,
              const MossInodeRecord *content,
              const MossInodeRecord *a,
              const MossInodeRecord *b)
{
  gboolean same_content = a->content_dot == b->content_dot;

  *to = *content;
  to->mode = attr->mode;
  to->uid = attr->uid;
  to->gid = attr->gid;
  to->rdev = attr->rdev;
  /* Ours is where our entry stands; if another one is taken, count_links() sees to it. */
  to->parent = S_ISDIR (a->mode) ? a->parent : attr->parent;
  to->attr_dot = attr->attr_dot;
  to->nlink = a->nlink;
  to->atime_ns = MAX (a->atime_ns, b->atime_ns);
  to->ctime_ns = MAX (a->ctime_ns, b->ctime_ns);
  to->btime_ns = MIN (a->btime_ns, b->btime_ns);
  to->flags |= (a->flags | b->flags) & RECORD_XATTRS;
  if (S_ISDIR (to->mode))
    to->mtime_ns = MAX (a->mtime_ns, b->mtime_ns);
  else if (same_content)
    {
      to->mtime_ns = a->attr_dot == b->attr_dot ? MAX (a->mtime_ns, b->mtime_ns)
                                                : attr->mtime_ns;
      to->version = MAX (a->version, b->version);
      to->flags |= (a->flags | b->flags) & RECORD_CLOSED;
    }
}

/* Both have it. */
static gboolean
merge_inode (Merge *merge,
             guint64 ino,
             const MossInodeRecord *a,
             const MossInodeRecord *b,
             GError **error)
{
  gboolean both_attr, both_content, same = FALSE;
  Side attr = newer (merge, a->attr_dot, b->attr_dot, &both_attr);
  Side content = newer (merge, a->content_dot, b->content_dot, &both_content);
  MossInodeRecord joined;

  if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
    {
      g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                   "a file of the other device is of another type than ours of its number");
      return FALSE;
    }
  if (both_content && S_ISREG (a->mode))
    {
      if (!merge_same_content (merge, ino, ino, &same, error))
        return FALSE;
      if (a->mtime_ns != b->mtime_ns)
        content = a->mtime_ns > b->mtime_ns ? SIDE_A : SIDE_B;
      if (!same)
        g_array_append_val (merge->conflicts, ino);
    }
  join_records (&joined, attr == SIDE_A ? a : b, content == SIDE_A ? a : b, a, b);
  set_fate (merge, ino, content == SIDE_A ? FATE_A : FATE_B);
  merge_set_record (merge, ino, &joined);
  return TRUE;
}

static gboolean
merge_inode_pair (Merge *merge, const Pair *pair, GError **error)
{
  MossItem item = merge_item_of (pair->key, NULL);
  guint64 ino = moss_key_ino (&item);
  MossInodeRecord record[2];

  for (guint side = 0; side < 2; side++)
    if (pair->value[side] != NULL)
      {
        item = merge_item_of (pair->key, pair->value[side]);
        if (!moss_inode_record_read (item.value, item.value_length, &record[side], error))
          return FALSE;
      }
  if (pair->value[SIDE_A] != NULL && pair->value[SIDE_B] != NULL)
    return merge_inode (merge, ino, &record[SIDE_A], &record[SIDE_B], error);
  if (ino == MOSS_TREE_ROOT)
    {
      g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                   "the other device's tree has no root directory");
      return FALSE;
    }
  if (pair->value[SIDE_B] == NULL)
    {
      if (is_new (merge, SIDE_A, record[SIDE_A].content_dot) &&
          !merge_inode_settled (merge, ino))
        return TRUE;
      set_fate (merge, ino, FATE_DELETED);
      set_pair (merge, pair, NULL);
      return TRUE;
    }
  if (!is_new (merge, SIDE_B, record[SIDE_B].content_dot) ||
      merge_inode_settled (merge, ino))
    {
      set_fate (merge, ino, FATE_SKIPPED);
      return TRUE;
    }
  set_fate (merge, ino, FATE_B);
  /* Its links are counted from nothing. */
  record[SIDE_B].nlink = S_ISDIR (record[SIDE_B].mode) ? 2 : 0;
  merge_set_record (merge, ino, &record[SIDE_B]);
  return TRUE;
}

/* What belongs to a file's content goes where the content goes. */
static void
merge_extent (Merge *merge, const Pair *pair)
{
  MossItem item = merge_item_of (pair->key, NULL);

  switch (fate_of (merge, moss_key_ino (&item)))
    {
    case FATE_B:
      set_pair (merge, pair, pair->value[SIDE_B]);
      break;
    case FATE_DELETED:
      set_pair (merge, pair, NULL);
      break;
    default:
      break;
    }
}

static void
add_collision (Merge *merge, guint64 dir, char *name, MossEntryRecord record[2])
{
  Collision collision = { dir, name, { record[0], record[1] } };

  g_array_append_val (merge->collisions, collision);
}

static gboolean
merge_entry (Merge *merge, const Pair *pair, GError **error)
{
  MossItem item = merge_item_of (pair->key, NULL);
  MossEntryRecord record[2] = { 0 };
  gboolean both;
  Side has;

  for (guint side = 0; side < 2; side++)
    if (pair->value[side] != NULL)
      {
        item = merge_item_of (pair->key, pair->value[side]);
        if (!moss_entry_record_read (&item, &record[side], error))
          return FALSE;
      }
  if (pair->value[SIDE_A] != NULL && pair->value[SIDE_B] != NULL &&
      record[SIDE_A].ino != record[SIDE_B].ino)
    {
      newer (merge, record[SIDE_A].dot, record[SIDE_B].dot, &both);
      if (both)
        {
          add_collision (merge, moss_key_ino (&item), moss_key_name (&item), record);
          return TRUE;
        }
    }
  has = pair->value[SIDE_A] != NULL ? SIDE_A : SIDE_B;
  if (is_one_sided (pair) && merge_item_settled (merge, record[has].ino, record[has].dot))
    leave_out (merge, pair);
  else
    merge_whole (merge, pair, record[SIDE_A].dot, record[SIDE_B].dot);
  return TRUE;
}

static gboolean
merge_other (Merge *merge, const Pair *pair, GError **error)
{
  guint64 dot[2] = { 0, 0 };
  MossItem item;
  Fate fate;

  for (guint side = 0; side < 2; side++)
    if (pair->value[side] != NULL)
      {
        item = merge_item_of (pair->key, pair->value[side]);
        if (!moss_item_check (&item, &dot[side], error))
          return FALSE;
      }
  item = merge_item_of (pair->key, NULL);
  fate = fate_of (merge, moss_key_ino (&item));
  if (moss_key_space (&item) == SPACE_XATTR && fate == FATE_SKIPPED)
    return TRUE;
  if (moss_key_space (&item) == SPACE_XATTR && fate == FATE_DELETED)
    set_pair (merge, pair, NULL);
  else if (moss_key_space (&item) == SPACE_CONFLICT && is_one_sided (pair) &&
           merge_item_settled (merge, moss_key_ino (&item), MAX (dot[SIDE_A], dot[SIDE_B])))
    leave_out (merge, pair);
  else
    merge_whole (merge, pair, dot[SIDE_A], dot[SIDE_B]);
  return TRUE;
}

/* Pairs come in the order of their keys: inodes before what depends on their fate. */
gboolean
merge_items (Merge *merge, GError **error)
{
  gboolean ok = merge_find_settled (merge, error);

  for (guint i = 0; ok && i < merge->pairs->len; i++)
    {
      Pair *pair = g_ptr_array_index (merge->pairs, i);
      MossItem item = merge_item_of (pair->key, NULL);

      switch (moss_key_space (&item))
        {
        case SPACE_INODE:
          ok = merge_inode_pair (merge, pair, error);
          break;
        case SPACE_ENTRY:
          ok = merge_entry (merge, pair, error);
          break;
        case SPACE_EXTENT:
          merge_extent (merge, pair);
          break;
        default:
          ok = merge_other (merge, pair, error);
        }
    }
  return ok;
}

/* --- contents --- */

static gboolean
load_side (Merge *merge,
           Side side,
           guint64 ino,
           guint64 *size,
           MossContent **content,
           GError **error)
{
  g_autoptr (GBytes) holder = NULL;
  MossInodeRecord record;
  gboolean found;

  *content = NULL;
  if (!merge_record_side (merge, side, ino, &record, &holder, &found, error))
    return FALSE;
  if (!found || !S_ISREG (record.mode))
    return TRUE;
  *size = record.size;
  *content = load_content (merge->table, &merge->root[side], ino, &record, error);
  return *content != NULL;
}

/* Of @a on side A and @b on side B. */
gboolean
merge_same_content (Merge *merge, guint64 a, guint64 b, gboolean *same, GError **error)
{
  g_autoptr (MossContent) mine = NULL;
  g_autoptr (MossContent) theirs = NULL;
  guint64 size[2] = { 0, 0 };

  if (!load_side (merge, SIDE_A, a, &size[0], &mine, error) ||
      !load_side (merge, SIDE_B, b, &size[1], &theirs, error))
    return FALSE;
  *same = mine != NULL && theirs != NULL && size[0] == size[1] &&
          moss_content_same (mine, theirs);
  return TRUE;
}

typedef struct
{
  Merge *merge;
  guint64 ino;
} Copy;

static gboolean
on_copied (const MossItem *item, gpointer user_data)
{
  Copy *copy = user_data;
  MossKey key;

  moss_key_init (&key, moss_key_space (item), copy->ino);
  moss_key_add (&key, item->key + MOSS_NODE_KEY_MIN, item->key_length - MOSS_NODE_KEY_MIN);
  merge_set (copy->merge, &key, g_bytes_new (item->value, item->value_length));
  return TRUE;
}

static gboolean
on_dropped (const MossItem *item, gpointer user_data)
{
  MossKey key;

  moss_key_init (&key, moss_key_space (item), moss_key_ino (item));
  moss_key_add (&key, item->key + MOSS_NODE_KEY_MIN, item->key_length - MOSS_NODE_KEY_MIN);
  merge_set (user_data, &key, NULL);
  return TRUE;
}

static gboolean
each_of (Merge *merge,
         Side side,
         MossSpace space,
         guint64 ino,
         MossItemFunc each,
         gpointer user_data,
         GError **error)
{
  MossKey key;

  moss_key_init (&key, space, ino);
  return moss_table_each (merge->table, &merge->root[side], key.bytes, key.length, NULL, 0,
                          each, user_data, error);
}

/* The extents of @from on @side become those of @to. */
gboolean
merge_copy_content (Merge *merge, Side side, guint64 from, guint64 to, GError **error)
{
  Copy copy = { merge, to };

  return each_of (merge, side, SPACE_EXTENT, from, on_copied, &copy, error);
}

/* Record, extents and attributes, of whichever side it came. */
gboolean
merge_drop_inode (Merge *merge, guint64 ino, GError **error)
{
  MossKey key;

  moss_key_init (&key, SPACE_INODE, ino);
  merge_set (merge, &key, NULL);
  set_fate (merge, ino, FATE_DELETED);
  for (guint side = 0; side < 2; side++)
    if (!each_of (merge, side, SPACE_EXTENT, ino, on_dropped, merge, error) ||
        !each_of (merge, side, SPACE_XATTR, ino, on_dropped, merge, error))
      return FALSE;
  return TRUE;
}

/* Back from the side that has it; a fresh dot, so that who removed it hears of it. */
gboolean
merge_restore_inode (Merge *merge, guint64 ino, gboolean *done, GError **error)
{
  *done = FALSE;
  for (guint side = 0; side < 2 && !*done; side++)
    {
      g_autoptr (GBytes) holder = NULL;
      MossInodeRecord record;
      Copy copy = { merge, ino };

      if (!merge_record_side (merge, side, ino, &record, &holder, done, error))
        return FALSE;
      if (!*done)
        continue;
      record.content_dot = record.attr_dot = merge->dot;
      if (side == SIDE_B)
        record.nlink = S_ISDIR (record.mode) ? 2 : 0;
      merge_set_record (merge, ino, &record);
      set_fate (merge, ino, side == SIDE_A ? FATE_A : FATE_B);
      if (!each_of (merge, side, SPACE_EXTENT, ino, on_copied, &copy, error) ||
          !each_of (merge, side, SPACE_XATTR, ino, on_copied, &copy, error))
        return FALSE;
    }
  return TRUE;
}
