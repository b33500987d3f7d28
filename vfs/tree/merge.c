// SPDX-License-Identifier: GPL-3.0-or-later
/* Taking another device's root in. The merge itself is pure (merge-items.c, merge-names.c) and
 * runs while the files are used; only at the end, when its outcome is written to the head and
 * told to memory, changes wait for some milliseconds. What was changed meanwhile where the merge
 * changes something makes it begin anew. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/merge-private.h"

#include <errno.h>

enum
{
  TRIES = 6, /* then changes wait for the whole merge */
};

typedef struct
{
  MossTree *tree;
  Merge *merge; /* nullable: their table is taken as it is */
  MossRef table;
  GArray *seen;
  gboolean behind;
  GHashTable *inos; /* (element-type guint64 *): what the merge touches */
  GArray *changes;  /* MossTreeChange */
  GPtrArray *names; /* of changes */
} Outcome;

static void
clear_outcome (Outcome *outcome)
{
  g_clear_pointer (&outcome->seen, g_array_unref);
  g_clear_pointer (&outcome->inos, g_hash_table_unref);
  g_clear_pointer (&outcome->changes, g_array_unref);
  g_clear_pointer (&outcome->names, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, clear_outcome)

/* --- what may be merged --- */

static gboolean
fail (MossTreeError code, const char *reason, GError **error)
{
  g_set_error_literal (error, MOSS_TREE_ERROR, code, reason);
  return FALSE;
}

static gboolean
check_body (MossTree *tree, const MossTreeRoot *root, const MossRootBody *body, GError **error)
{
  if (seen_of (body->seen, root->slot) != root->number)
    return fail (MOSS_TREE_ERROR_CORRUPT, "a root doesn't know its own number", error);
  if (moss_table_is_empty (&body->table))
    return fail (MOSS_TREE_ERROR_CORRUPT, "a root of nothing", error);
  if (seen_of (body->seen, tree->config.slot) > tree->number)
    return fail (MOSS_TREE_ERROR_FORKED,
                 "another device has seen newer roots of this device than it knows itself: "
                 "its state was set back",
                 error);
  return TRUE;
}

static gboolean
check_order (MossTree *tree, const MossTreeRoot *root, GError **error)
{
  g_autoptr (GBytes) known = moss_tree_get_record (tree, root->device);
  MossTreeRoot last;

  if (memcmp (root->device, tree->config.device, 32) == 0)
    return fail (root->number > tree->number ? MOSS_TREE_ERROR_FORKED
                                             : MOSS_TREE_ERROR_INVALID,
                 "that is a root of this device", error);
  if (known == NULL || !moss_tree_root_parse (known, &last, NULL))
    return TRUE;
  if (memcmp (last.id, root->id, sizeof last.id) == 0)
    return fail (MOSS_TREE_ERROR_INVALID, "that root is known already", error);
  if (root->number == last.number)
    return fail (MOSS_TREE_ERROR_FORKED,
                 "there are two roots of one number by the same device", error);
  return root->number > last.number ||
         fail (MOSS_TREE_ERROR_INVALID, "a newer root of that device is known", error);
}

/* --- computing --- */

typedef struct
{
  MossTree *tree;
  Merge *merge;
} Names;

/* The same on every device: what the identity's chain calls it. */
static char *
device_name (guint16 slot, gpointer user_data)
{
  Names *names = user_data;
  const MossTreeCallbacks *callbacks = &names->tree->config.callbacks;
  MossKey key;

  moss_key_init (&key, SPACE_DEVICE, slot);
  for (guint side = 0; side < 2; side++)
    {
      g_autoptr (GBytes) value = NULL;
      char *name;

      if (!merge_get_side (names->merge, side, &key, &value, NULL) || value == NULL ||
          g_bytes_get_size (value) != 40 || callbacks->device_name == NULL)
        continue;
      name = callbacks->device_name ((const guint8 *) g_bytes_get_data (value, NULL) + 8,
                                     names->tree->config.user_data);
      if (name != NULL)
        return name;
    }
  return g_strdup_printf ("device %u", slot);
}

/* Of a file with several names each device may remember another directory: that is no change. */
static gboolean
only_parent (const MossItem *a, const MossItem *b)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  MossInodeRecord mine, theirs;

  if (a == NULL || b == NULL || moss_key_space (a) != SPACE_INODE ||
      !moss_inode_record_read (a->value, a->value_length, &mine, NULL) ||
      !moss_inode_record_read (b->value, b->value_length, &theirs, NULL) ||
      S_ISDIR (mine.mode))
    return FALSE;
  mine.parent = theirs.parent;
  moss_inode_record_write (&mine, bytes);
  return bytes->len == b->value_length && memcmp (bytes->data, b->value, bytes->len) == 0;
}

static gboolean
on_rest (const MossItem *a, const MossItem *b, gpointer behind)
{
  if (only_parent (a, b))
    return TRUE;
  *(gboolean *) behind = TRUE;
  return FALSE;
}

static gboolean
build_outcome (Outcome *outcome, const MossRef *theirs, GError **error)
{
  Merge *merge = outcome->merge;
  g_autoptr (MossChanges) changes = moss_changes_new ();
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, merge->overlay);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      gsize length, value_length = 0;
      MossItem item = { .key = g_bytes_get_data (key, &length) };
      const guint8 *bytes = value != NULL ? g_bytes_get_data (value, &value_length) : NULL;
      guint64 ino = moss_key_ino (&item);

      if (bytes != NULL)
        moss_changes_add (changes, item.key, length, bytes, value_length);
      else
        moss_changes_remove (changes, item.key, length);
      g_hash_table_add (outcome->inos, g_memdup2 (&ino, sizeof ino));
    }
  moss_changes_sort (changes);
  if (!moss_table_apply (merge->table, &merge->root[SIDE_A], changes, &outcome->table, error))
    return FALSE;
  if (!moss_table_diff (merge->table, &outcome->table, theirs, NULL, on_rest,
                        &outcome->behind, error))
    return FALSE;
  /* Equal, though perhaps sealed under another generation's keys: theirs will do. */
  if (!outcome->behind)
    outcome->table = *theirs;
  return TRUE;
}

/* With commit_lock: base doesn't change. */
static gboolean
compute (MossTree *tree,
         const MossRootBody *body,
         Merge *merge,
         Outcome *outcome,
         GError **error)
{
  Names names = { tree, merge };

  outcome->tree = tree;
  outcome->inos = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  outcome->changes = g_array_new (FALSE, FALSE, sizeof (MossTreeChange));
  outcome->names = g_ptr_array_new_with_free_func (g_free);
  outcome->seen = g_array_copy (tree->seen);
  for (guint i = 0; i < body->seen->len; i++)
    seen_raise (outcome->seen, g_array_index (body->seen, Seen, i).slot,
                g_array_index (body->seen, Seen, i).number);
  outcome->table = body->table;
  if (moss_table_is_empty (&tree->base) || moss_id_equal (&tree->base.id, &body->table.id))
    return TRUE;
  outcome->merge = merge;
  merge->root[SIDE_A] = tree->base;
  merge->root[SIDE_B] = body->table;
  merge->seen[SIDE_A] = tree->seen;
  merge->seen[SIDE_B] = body->seen;
  merge->dot = (guint64) tree->config.slot << SLOT_SHIFT | (tree->number + 1);
  merge->device_name = device_name;
  merge->user_data = &names;
  return merge_collect (merge, error) && merge_items (merge, error) &&
         merge_names (merge, error) && build_outcome (outcome, &body->table, error);
}

/* --- telling memory --- */

/* Whether something that isn't committed yet is where the merge changes something. */
static gboolean
disturbed (MossTree *tree, Outcome *outcome)
{
  GHashTableIter iter;
  gpointer bytes;

  if (outcome->merge == NULL && !moss_table_is_empty (&tree->base))
    return FALSE; /* nothing differs */
  if (outcome->merge == NULL)
    return tree->dirty->len > 0 || g_hash_table_size (tree->dirty_keys) > 0;
  for (guint i = 0; i < tree->dirty->len; i++)
    if (g_hash_table_contains (outcome->inos, &g_array_index (tree->dirty, guint64, i)))
      return TRUE;
  for (guint i = 0; i < tree->removed->len; i++)
    if (g_hash_table_contains (outcome->inos, &g_array_index (tree->removed, guint64, i)))
      return TRUE;
  g_hash_table_iter_init (&iter, tree->dirty_keys);
  while (g_hash_table_iter_next (&iter, &bytes, NULL))
    {
      MossItem item = { .key = g_bytes_get_data (bytes, NULL) };
      guint64 ino = moss_key_ino (&item);

      if (g_hash_table_contains (outcome->inos, &ino))
        return TRUE;
    }
  return FALSE;
}

static void
tell (Outcome *outcome, guint64 ino, const char *name, gboolean content)
{
  MossTreeChange change = { ino, NULL, content };

  if (name != NULL)
    {
      change.name = g_strdup (name);
      g_ptr_array_add (outcome->names, (char *) change.name);
    }
  g_array_append_val (outcome->changes, change);
}

static void
install_inode (Outcome *outcome, guint64 ino, GBytes *value)
{
  MossTree *tree = outcome->tree;
  Inode *inode = tree_find (tree, ino);
  gboolean content;
  MossInodeRecord record;
  gsize length;
  const guint8 *bytes;

  if (inode == NULL)
    return;
  if (value == NULL)
    {
      tell (outcome, ino, NULL, TRUE);
      inode->nlink = 0;
      if (S_ISDIR (inode->mode))
        tree_forget (tree, inode);
      else
        tree_drop_if_gone (tree, inode);
      return;
    }
  bytes = g_bytes_get_data (value, &length);
  if (!moss_inode_record_read (bytes, length, &record, NULL))
    return;
  content = record.content_dot != inode->content_dot;
  inode_fill (inode, &record);
  inode->flags |= INODE_IN_BASE;
  if (content && S_ISREG (inode->mode))
    {
      inode_drop_content (inode);
      if (inode->extra != NULL)
        g_clear_pointer (&inode->extra->unlogged, g_array_unref);
    }
  tell (outcome, ino, NULL, content && S_ISREG (record.mode));
}

static void
install_entry (Outcome *outcome, const MossItem *item, GBytes *value)
{
  MossTree *tree = outcome->tree;
  Inode *dir = tree_find (tree, moss_key_ino (item));
  g_autofree char *name = moss_key_name (item);
  MossEntryRecord record;
  MossItem full = *item;
  gsize length;

  if (dir == NULL || !S_ISDIR (dir->mode))
    return;
  /* Nobody has listed it here, but the kernel may know that this name wasn't there. */
  if (dir->dir == NULL)
    {
      tell (outcome, dir->ino, name, FALSE);
      return;
    }
  if (value == NULL)
    dir_remove (tree, dir->dir, name);
  else
    {
      full.value = g_bytes_get_data (value, &length);
      full.value_length = length;
      if (moss_entry_record_read (&full, &record, NULL))
        dir_add (tree, dir->dir, name, record.ino, record.type);
    }
  tell (outcome, dir->ino, name, FALSE);
}

static void
install_conflict (MossTree *tree, const MossItem *item, GBytes *value)
{
  guint64 ino = moss_key_ino (item);
  MossConflictRecord record;
  MossItem full = *item;
  gsize length;

  g_hash_table_remove (tree->conflicts, &ino);
  if (value == NULL)
    return;
  full.value = g_bytes_get_data (value, &length);
  full.value_length = length;
  if (moss_conflict_record_read (&full, &record, NULL))
    g_hash_table_insert (tree->conflicts, g_memdup2 (&ino, sizeof ino),
                         g_memdup2 (&record, sizeof record));
}

static void
install_item (Outcome *outcome, GBytes *key, GBytes *value)
{
  MossTree *tree = outcome->tree;
  gsize length;
  MossItem item = { .key = g_bytes_get_data (key, &length) };
  Inode *inode;

  item.key_length = length;
  switch (moss_key_space (&item))
    {
    case SPACE_ENTRY:
      install_entry (outcome, &item, value);
      break;
    case SPACE_XATTR:
      inode = tree_find (tree, moss_key_ino (&item));
      if (inode != NULL && inode->extra != NULL)
        g_clear_pointer (&inode->extra->xattrs, g_hash_table_unref);
      break;
    case SPACE_PIN:
      if (value != NULL)
        g_hash_table_add (tree->pins, g_bytes_ref (key));
      else
        g_hash_table_remove (tree->pins, key);
      break;
    case SPACE_CONFLICT:
      install_conflict (tree, &item, value);
      break;
    default:
      break;
    }
}

/* Entries first: inodes that go are not to be met through them. */
static void
install (Outcome *outcome)
{
  MossTree *tree = outcome->tree;
  GHashTableIter iter;
  gpointer key, value;

  tree->base = outcome->table;
  tree->base_serial++;
  if (outcome->merge == NULL)
    return;
  g_hash_table_iter_init (&iter, outcome->merge->overlay);
  while (g_hash_table_iter_next (&iter, &key, &value))
    install_item (outcome, key, value);
  g_hash_table_iter_init (&iter, outcome->merge->overlay);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      MossItem item = { .key = g_bytes_get_data (key, NULL) };

      if (moss_key_space (&item) == SPACE_INODE)
        install_inode (outcome, moss_key_ino (&item), value);
    }
}

/* The first root of a device that had nothing yet. */
static gboolean
adopt (Outcome *outcome, GError **error)
{
  MossTree *tree = outcome->tree;
  g_autoptr (MossNode) holder = NULL;
  MossInodeRecord record;
  gboolean found;
  Inode *root;

  if (!load_lists (tree, &outcome->table, error) ||
      !load_inode (tree->table, &outcome->table, MOSS_TREE_ROOT, &record, &holder, &found,
                   error))
    return FALSE;
  if (!found || !S_ISDIR (record.mode))
    return fail (MOSS_TREE_ERROR_CORRUPT, "a tree without a root directory", error);
  g_mutex_lock (&tree->lock);
  root = tree_find (tree, MOSS_TREE_ROOT);
  if (root != NULL && moss_table_is_empty (&tree->base))
    {
      inode_drop_content (root);
      inode_fill (root, &record);
      root->flags |= INODE_IN_BASE;
      tell (outcome, MOSS_TREE_ROOT, NULL, TRUE);
    }
  g_mutex_unlock (&tree->lock);
  return TRUE;
}

/* Open files that the merge removes need their content in memory. */
static void
hold_removed (Outcome *outcome)
{
  MossTree *tree = outcome->tree;
  GHashTableIter iter;
  gpointer key, value;

  if (outcome->merge == NULL)
    return;
  g_mutex_lock (&tree->lock);
  g_hash_table_iter_init (&iter, outcome->merge->overlay);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      MossItem item = { .key = g_bytes_get_data (key, NULL) };
      Inode *inode;

      if (value != NULL || moss_key_space (&item) != SPACE_INODE)
        continue;
      inode = tree_find (tree, moss_key_ino (&item));
      if (inode != NULL && inode->opens > 0 && S_ISREG (inode->mode))
        tree_content (tree, inode->ino, &inode);
    }
  g_mutex_unlock (&tree->lock);
}

/* With commit_lock and the gate closed. *@again: something came between. */
static gboolean
finish (Outcome *outcome, GBytes *record, gboolean *again, GError **error)
{
  MossTree *tree = outcome->tree;
  guint64 number = tree->number;

  g_mutex_lock (&tree->lock);
  *again = disturbed (tree, outcome);
  g_mutex_unlock (&tree->lock);
  if (*again)
    return TRUE;
  if (outcome->behind)
    seen_raise (outcome->seen, tree->config.slot, ++number);
  /* What can't be had must fail before their root counts as taken. */
  if (moss_table_is_empty (&tree->base) && !adopt (outcome, error))
    return FALSE;
  if (!commit_root (tree, &outcome->table, number, outcome->seen, record, tree->mark_epoch,
                    tree->mark_skip, &tree->orphans_ref, outcome->behind, error))
    return FALSE;
  g_mutex_lock (&tree->lock);
  install (outcome);
  g_mutex_unlock (&tree->lock);
  return TRUE;
}

static void
set_gate (MossTree *tree, gboolean closed)
{
  g_mutex_lock (&tree->lock);
  tree->gate = closed;
  g_cond_broadcast (&tree->room);
  g_mutex_unlock (&tree->lock);
}

/* One try. */
static gboolean
try_merge (MossTree *tree,
           GBytes *record,
           const MossRootBody *body,
           gboolean patient,
           MossTreeMerged *merged,
           gboolean *again,
           GError **error)
{
  g_auto (Outcome) outcome = { 0 };
  g_auto (Merge) merge = { 0 };
  gboolean ok;

  merge_init (&merge, tree->table);
  if (!patient)
    set_gate (tree, TRUE);
  g_mutex_lock (&tree->commit_lock);
  ok = commit_now (tree, error) && compute (tree, body, &merge, &outcome, error);
  if (ok)
    {
      hold_removed (&outcome);
      ok = moss_store_sync (tree->config.store, error);
    }
  if (ok)
    {
      set_gate (tree, TRUE);
      ok = finish (&outcome, record, again, error);
    }
  set_gate (tree, FALSE);
  g_mutex_unlock (&tree->commit_lock);
  if (!ok || *again)
    return ok;
  merged->changes = outcome.changes->len;
  merged->conflicts = merge.conflict_count;
  merged->behind = outcome.behind;
  if (outcome.changes->len > 0 && tree->config.callbacks.changed != NULL)
    tree->config.callbacks.changed ((MossTreeChange *) outcome.changes->data,
                                    outcome.changes->len, tree->config.user_data);
  return TRUE;
}

gboolean
moss_tree_merge (MossTree *tree, GBytes *record, MossTreeMerged *merged, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->merge_lock);
  g_auto (MossRootBody) body = { 0 };
  MossTreeMerged unused;
  MossTreeRoot root;

  if (merged == NULL)
    merged = &unused;
  memset (merged, 0, sizeof *merged);
  if (!moss_tree_root_verify (tree, record, &root, error) ||
      !check_order (tree, &root, error) || !root_open (tree, record, &body, error) ||
      !check_body (tree, &root, &body, error))
    return FALSE;
  for (guint i = 0; i <= TRIES; i++)
    {
      gboolean again = FALSE;

      if (!try_merge (tree, record, &body, i < TRIES, merged, &again, error))
        return FALSE;
      if (!again)
        return TRUE;
    }
  return fail (MOSS_TREE_ERROR_FAILED, "the tree changes too fast to be merged", error);
}
