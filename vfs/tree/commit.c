// SPDX-License-Identifier: GPL-3.0-or-later
/* A commit: what changed since the last one becomes a new table and a root.
 *
 * 1. With the lock: what changed is copied, contents are frozen (later writes go beside them),
 *    the journal is marked. This takes time with the number of changes, not with their bytes.
 * 2. Without it: contents go to the store, the table is made anew where it differs, the root is
 *    signed, everything is brought to the disk, and last the head says so.
 * 3. With the lock: memory is told.
 * If anything fails the changes are marked as such again, and the journal still has them. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "core/clock.h"
#include "core/fault.h"

#ifdef __GLIBC__
#  include <malloc.h>
#endif

enum
{
  LARGE_BATCH = 5000,
  RESERVED_INOS = 1 << 16, /* so that a number that a crash forgot isn't given again */
};

typedef struct
{
  guint64 ino;
  guint32 flags; /* ATTR, CONTENT, IN_BASE of the inode */
  MossInodeRecord record;
  char *target;         /* nullable */
  MossContent *content; /* nullable: didn't change */
  GArray *formers;      /* nullable */
} Changed;

typedef struct
{
  GBytes *key;
  GBytes *value; /* nullable: gone; of an attribute: the attribute */
} ChangedKey;

typedef struct
{
  GArray *inodes;     /* Changed */
  GArray *keys;       /* ChangedKey */
  GArray *removed;    /* guint64 */
  GPtrArray *orphans; /* Orphan */
  GArray *seen;       /* Seen: with this root */
  guint64 number;
  guint64 dot;
  guint64 epoch;
  guint32 skip;
  MossRef base;
} Batch;

static void
clear_changed (gpointer data)
{
  Changed *changed = data;

  g_free (changed->target);
  g_clear_pointer (&changed->content, moss_content_free);
  for (guint i = 0; changed->formers != NULL && i < changed->formers->len; i++)
    moss_content_free (g_array_index (changed->formers, Former, i).content);
  g_clear_pointer (&changed->formers, g_array_unref);
}

static void
clear_key (gpointer data)
{
  ChangedKey *key = data;

  g_bytes_unref (key->key);
  g_clear_pointer (&key->value, g_bytes_unref);
}

static Batch *
batch_new (void)
{
  Batch *batch = g_new0 (Batch, 1);

  batch->inodes = g_array_new (FALSE, FALSE, sizeof (Changed));
  batch->keys = g_array_new (FALSE, FALSE, sizeof (ChangedKey));
  g_array_set_clear_func (batch->inodes, clear_changed);
  g_array_set_clear_func (batch->keys, clear_key);
  batch->orphans = g_ptr_array_new_with_free_func ((GDestroyNotify) orphan_free);
  return batch;
}

static void
batch_free (Batch *batch)
{
  g_array_unref (batch->inodes);
  g_array_unref (batch->keys);
  g_clear_pointer (&batch->removed, g_array_unref);
  g_clear_pointer (&batch->seen, g_array_unref);
  g_ptr_array_unref (batch->orphans);
  g_free (batch);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Batch, batch_free)

/* --- 1: freeze --- */

static void
seal_content (Sealing *sealing, const MossContent *content)
{
  for (guint i = 0; i < content->count; i++)
    sealing_add (sealing, content->segments[i].source);
}

static void
freeze_inode (Batch *batch, Inode *inode, Sealing *sealing)
{
  Changed changed = { .ino = inode->ino };

  changed.flags = inode->flags & (INODE_ATTR | INODE_CONTENT | INODE_IN_BASE);
  if (inode->flags & INODE_ATTR)
    inode->attr_dot = batch->dot;
  if (inode->flags & INODE_CONTENT)
    inode->content_dot = batch->dot;
  inode->flags &= ~(INODE_LISTED | INODE_ATTR | INODE_CONTENT);
  inode->flags |= INODE_FROZEN;
  inode_record (inode, &changed.record);
  if (S_ISLNK (inode->mode))
    {
      changed.target = g_strdup (inode->target);
      changed.record.tail = (guint8 *) changed.target;
    }
  if (S_ISREG (inode->mode) && (changed.flags & INODE_CONTENT))
    {
      moss_content_freeze (inode->content);
      changed.content = moss_content_copy (inode->content);
      if (!content_is_inline (changed.content, inode->size))
        seal_content (sealing, changed.content);
      if (inode->extra != NULL)
        changed.formers = g_steal_pointer (&inode->extra->formers);
      for (guint i = 0; changed.formers != NULL && i < changed.formers->len; i++)
        {
          Former *former = &g_array_index (changed.formers, Former, i);

          if (!content_is_inline (former->content, former->size))
            seal_content (sealing, former->content);
        }
    }
  g_array_append_val (batch->inodes, changed);
}

static GBytes *
entry_value (MossTree *tree, const MossItem *key, guint64 dot)
{
  Inode *dir = tree_find (tree, moss_key_ino (key));
  g_autofree char *name = moss_key_name (key);
  g_autoptr (GByteArray) value = NULL;
  MossEntryRecord record = { .dot = dot };
  Entry *entry;

  if (dir == NULL || !S_ISDIR (dir->mode) || dir->dir == NULL)
    return NULL;
  entry = dir_find (tree, dir->dir, name);
  if (entry == NULL)
    return NULL;
  record.ino = entry->ino;
  record.type = entry_mode (entry);
  value = g_byte_array_new ();
  moss_entry_record_write (&record, value);
  return g_byte_array_free_to_bytes (g_steal_pointer (&value));
}

static GBytes *
xattr_value (MossTree *tree, const MossItem *key)
{
  Inode *inode = tree_find (tree, moss_key_ino (key));
  g_autofree char *name = moss_key_name (key);
  GBytes *value;

  if (inode == NULL || inode->extra == NULL || inode->extra->xattrs == NULL)
    return NULL;
  value = g_hash_table_lookup (inode->extra->xattrs, name);
  return value != NULL ? g_bytes_ref (value) : NULL;
}

static GBytes *
conflict_value (MossTree *tree, const MossItem *key, guint64 dot)
{
  guint64 ino = moss_key_ino (key);
  MossConflictRecord *found = g_hash_table_lookup (tree->conflicts, &ino);
  g_autoptr (GByteArray) value = NULL;
  MossConflictRecord record;

  if (found == NULL)
    return NULL;
  record = *found;
  record.dot = dot;
  value = g_byte_array_new ();
  moss_conflict_record_write (&record, value);
  return g_byte_array_free_to_bytes (g_steal_pointer (&value));
}

static GBytes *
value_now (MossTree *tree, GBytes *bytes, guint64 dot)
{
  gsize length;
  MossItem key = { .key = g_bytes_get_data (bytes, &length) };
  guint64 little = GUINT64_TO_LE (dot);

  key.key_length = length;
  switch (moss_key_space (&key))
    {
    case SPACE_ENTRY:
      return entry_value (tree, &key, dot);
    case SPACE_XATTR:
      return xattr_value (tree, &key);
    case SPACE_CONFLICT:
      return conflict_value (tree, &key, dot);
    case SPACE_PIN:
      return g_hash_table_contains (tree->pins, bytes) ? g_bytes_new (&little, 8) : NULL;
    default:
      return NULL;
    }
}

static void
freeze_keys (MossTree *tree, Batch *batch)
{
  GHashTableIter iter;
  gpointer bytes;

  g_hash_table_iter_init (&iter, tree->dirty_keys);
  while (g_hash_table_iter_next (&iter, &bytes, NULL))
    {
      ChangedKey key = { g_bytes_ref (bytes), value_now (tree, bytes, batch->dot) };

      g_array_append_val (batch->keys, key);
    }
  g_hash_table_remove_all (tree->dirty_keys);
}

static void
freeze_orphans (MossTree *tree, Batch *batch, Sealing *sealing)
{
  GHashTableIter iter;
  gpointer ino;

  g_hash_table_iter_init (&iter, tree->orphans);
  while (g_hash_table_iter_next (&iter, &ino, NULL))
    {
      Inode *inode = tree_find (tree, *(guint64 *) ino);
      Orphan *orphan;

      if (inode == NULL)
        continue;
      if (S_ISREG (inode->mode) && inode->content != NULL)
        {
          moss_content_freeze (inode->content);
          seal_content (sealing, inode->content);
        }
      orphan = orphan_new (inode);
      g_ptr_array_add (batch->orphans, orphan);
    }
}

/* NULL: nothing changed. */
static Batch *
freeze (MossTree *tree, Sealing *sealing)
{
  g_autoptr (Batch) batch = batch_new ();

  if (tree->dirty->len == 0 && g_hash_table_size (tree->dirty_keys) == 0 &&
      tree->removed->len == 0)
    {
      tree->dirty_since_us = 0;
      return NULL;
    }
  batch->number = tree->number + 1;
  batch->dot = (guint64) tree->config.slot << SLOT_SHIFT | batch->number;
  batch->base = tree->base;
  batch->seen = g_array_copy (tree->seen);
  seen_raise (batch->seen, tree->config.slot, batch->number);
  for (guint i = 0; i < tree->dirty->len; i++)
    {
      Inode *inode = tree_find (tree, g_array_index (tree->dirty, guint64, i));

      if (inode != NULL && (inode->nlink > 0 || S_ISDIR (inode->mode)))
        freeze_inode (batch, inode, sealing);
      else if (inode != NULL)
        inode->flags &= ~(INODE_LISTED | INODE_ATTR | INODE_CONTENT);
    }
  g_array_set_size (tree->dirty, 0);
  freeze_keys (tree, batch);
  batch->removed = tree->removed;
  tree->removed = g_array_new (FALSE, FALSE, sizeof (guint64));
  freeze_orphans (tree, batch, sealing);
  moss_journal_mark (tree->journal, &batch->epoch, &batch->skip);
  tree->dirty_since_us = 0;
  return g_steal_pointer (&batch);
}

/* --- 2: build --- */

typedef struct
{
  MossTree *tree;
  Batch *batch;
  MossChanges *changes;
} Build;

static void
inode_key (MossKey *key, MossSpace space, guint64 ino)
{
  moss_key_init (key, space, ino);
}

static void
add_record (Build *build, guint64 ino, const MossInodeRecord *record)
{
  g_autoptr (GByteArray) value = g_byte_array_new ();
  MossKey key;

  moss_inode_record_write (record, value);
  inode_key (&key, SPACE_INODE, ino);
  moss_changes_add (build->changes, key.bytes, key.length, value->data, value->len);
}

static void
extent_change (Build *build, guint64 ino, guint64 offset, const MossSegment *segment)
{
  g_autoptr (GByteArray) value = NULL;
  MossKey key;

  inode_key (&key, SPACE_EXTENT, ino);
  moss_key_add_number (&key, offset);
  if (segment == NULL)
    {
      moss_changes_remove (build->changes, key.bytes, key.length);
      return;
    }
  value = g_byte_array_new ();
  moss_extent_write (segment, value);
  moss_changes_add (build->changes, key.bytes, key.length, value->data, value->len);
}

static gboolean
same_segment (const MossSegment *a, const MossSegment *b)
{
  return a->length == b->length && moss_id_equal (&a->source->ref.id, &b->source->ref.id) &&
         a->source->start + a->start == b->source->start + b->start;
}

/* Only the extents that differ. @old and @new may be NULL: none. */
static void
extent_changes (Build *build, guint64 ino, const MossContent *old, const MossContent *new)
{
  guint i = 0, j = 0;

  while ((old != NULL && i < old->count) || (new != NULL && j < new->count))
    {
      const MossSegment *a = old != NULL && i < old->count ? &old->segments[i] : NULL;
      const MossSegment *b = new != NULL && j < new->count ? &new->segments[j] : NULL;

      if (b == NULL || (a != NULL && a->offset < b->offset))
        {
          extent_change (build, ino, a->offset, NULL);
          i++;
          continue;
        }
      if (a == NULL || a->offset > b->offset || !same_segment (a, b))
        extent_change (build, ino, b->offset, b);
      if (a != NULL && a->offset == b->offset)
        i++;
      j++;
    }
}

/* What the base table has of a file. */
typedef struct
{
  gboolean found;
  MossInodeRecord record; /* its tail points into holder */
  MossNode *holder;
  MossContent *content; /* nullable: no file, or empty */
} Old;

static void
old_clear (Old *old)
{
  g_clear_pointer (&old->holder, moss_node_unref);
  g_clear_pointer (&old->content, moss_content_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Old, old_clear)

static gboolean
load_old (Build *build, guint64 ino, gboolean with_content, Old *old, GError **error)
{
  if (!load_inode (build->tree->table, &build->batch->base, ino, &old->record, &old->holder,
                   &old->found, error))
    return FALSE;
  if (!with_content || !old->found || !S_ISREG (old->record.mode) || old->record.size == 0)
    return TRUE;
  old->content = load_content (build->tree->table, &build->batch->base, ino, &old->record,
                               error);
  return old->content != NULL;
}

static gboolean
keep_old_version (Build *build, guint64 ino, const Old *old, GError **error)
{
  return version_add (build->tree, build->changes, ino, old->record.version,
                      SLOT_OF (old->record.content_dot), build->batch->dot, old->record.size,
                      old->record.mtime_ns / 1000, old->content, error);
}

static gboolean
keep_formers (Build *build, const Changed *changed, GError **error)
{
  for (guint i = 0; changed->formers != NULL && i < changed->formers->len; i++)
    {
      Former *former = &g_array_index (changed->formers, Former, i);

      if (!version_add (build->tree, build->changes, changed->ino, former->version,
                        build->tree->config.slot, build->batch->dot, former->size,
                        former->time_us, former->content, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
build_content (Build *build, Changed *changed, Old *old, GError **error)
{
  gboolean inline_now = content_is_inline (changed->content, changed->record.size);
  gboolean inline_then = old->found && (old->record.flags & RECORD_INLINE);

  if (old->content != NULL && (old->record.flags & RECORD_CLOSED) &&
      !moss_content_same (old->content, changed->content) &&
      !keep_old_version (build, changed->ino, old, error))
    return FALSE;
  if (!keep_formers (build, changed, error))
    return FALSE;
  extent_changes (build, changed->ino, inline_then ? NULL : old->content,
                  inline_now ? NULL : changed->content);
  if (inline_now)
    {
      const MossSegment *segment = &changed->content->segments[0];

      changed->record.flags |= RECORD_INLINE;
      changed->record.tail = segment->source->data + segment->start;
      changed->record.tail_length = segment->length;
    }
  return TRUE;
}

static gboolean
build_inode (Build *build, Changed *changed, GError **error)
{
  g_auto (Old) old = { 0 };

  if ((changed->flags & INODE_IN_BASE) && S_ISREG (changed->record.mode) &&
      !load_old (build, changed->ino, changed->content != NULL, &old, error))
    return FALSE;
  if (changed->content != NULL && !build_content (build, changed, &old, error))
    return FALSE;
  /* Only the attributes changed: what is inline stays. */
  if (changed->content == NULL && old.found && (old.record.flags & RECORD_INLINE))
    {
      changed->record.flags |= RECORD_INLINE;
      changed->record.tail = old.record.tail;
      changed->record.tail_length = old.record.tail_length;
    }
  add_record (build, changed->ino, &changed->record);
  return TRUE;
}

static gboolean
on_dead_key (const MossItem *item, gpointer user_data)
{
  Build *build = user_data;

  moss_changes_remove (build->changes, item->key, item->key_length);
  return TRUE;
}

static gboolean
build_removed (Build *build, guint64 ino, GError **error)
{
  g_auto (Old) old = { 0 };
  MossKey key;

  if (!load_old (build, ino, TRUE, &old, error))
    return FALSE;
  if (!old.found)
    return TRUE;
  inode_key (&key, SPACE_INODE, ino);
  moss_changes_remove (build->changes, key.bytes, key.length);
  if (old.content != NULL)
    {
      extent_changes (build, ino, (old.record.flags & RECORD_INLINE) ? NULL : old.content,
                      NULL);
      if (!keep_old_version (build, ino, &old, error))
        return FALSE;
    }
  if (!(old.record.flags & RECORD_XATTRS))
    return TRUE;
  inode_key (&key, SPACE_XATTR, ino);
  return moss_table_each (build->tree->table, &build->batch->base, key.bytes, key.length,
                          NULL, 0, on_dead_key, build, error);
}

static gboolean
build_xattr (Build *build, const ChangedKey *key, GError **error)
{
  gsize length, key_length;
  const guint8 *value = g_bytes_get_data (key->value, &length);
  const guint8 *key_bytes = g_bytes_get_data (key->key, &key_length);
  MossXattrRecord record = { .dot = build->batch->dot, .value = value, .length = length };
  g_autoptr (GByteArray) out = g_byte_array_new ();

  if (length > XATTR_INLINE_MAX)
    {
      record.stored = TRUE;
      if (!moss_store_put (build->tree->config.store, value, length, &record.ref, error))
        return FALSE;
    }
  moss_xattr_record_write (&record, out);
  moss_changes_add (build->changes, key_bytes, key_length, out->data, out->len);
  return TRUE;
}

static gboolean
build_keys (Build *build, GError **error)
{
  for (guint i = 0; i < build->batch->keys->len; i++)
    {
      ChangedKey *key = &g_array_index (build->batch->keys, ChangedKey, i);
      gsize length, value_length;
      const guint8 *bytes = g_bytes_get_data (key->key, &length);
      const guint8 *value;

      if (key->value == NULL)
        {
          moss_changes_remove (build->changes, bytes, length);
          continue;
        }
      if (bytes[0] == SPACE_XATTR)
        {
          if (!build_xattr (build, key, error))
            return FALSE;
          continue;
        }
      value = g_bytes_get_data (key->value, &value_length);
      moss_changes_add (build->changes, bytes, length, value, value_length);
    }
  return TRUE;
}

/* The root before, so that it can be looked at later; and who this device is. */
static void
build_history (Build *build)
{
  MossTree *tree = build->tree;
  guint16 slot = GUINT16_TO_BE (tree->config.slot);
  g_autoptr (GByteArray) value = g_byte_array_new ();
  g_autoptr (GByteArray) device = g_byte_array_new ();
  MossHistoryRecord record = { .dot = build->batch->dot, .table = build->batch->base };
  guint64 little = GUINT64_TO_LE (build->batch->dot);
  MossKey key;

  if (!moss_table_is_empty (&build->batch->base))
    {
      memcpy (record.id, tree->last_id, sizeof record.id);
      moss_history_record_write (&record, value);
      moss_key_init (&key, SPACE_HISTORY, tree->last_time_us);
      moss_key_add (&key, &slot, 2);
      moss_changes_add (build->changes, key.bytes, key.length, value->data, value->len);
    }
  if (seen_of (tree->seen, tree->config.slot) > 0)
    return;
  g_byte_array_append (device, (guint8 *) &little, 8);
  g_byte_array_append (device, tree->config.device, 32);
  moss_key_init (&key, SPACE_DEVICE, tree->config.slot);
  moss_changes_add (build->changes, key.bytes, key.length, device->data, device->len);
}

static gboolean
build_table (MossTree *tree, Batch *batch, MossRef *table, GError **error)
{
  g_autoptr (MossChanges) changes = moss_changes_new ();
  Build build = { tree, batch, changes };

  for (guint i = 0; i < batch->inodes->len; i++)
    if (!build_inode (&build, &g_array_index (batch->inodes, Changed, i), error))
      return FALSE;
  for (guint i = 0; i < batch->removed->len; i++)
    if (!build_removed (&build, g_array_index (batch->removed, guint64, i), error))
      return FALSE;
  if (!build_keys (&build, error))
    return FALSE;
  build_history (&build);
  moss_changes_sort (changes);
  return moss_table_apply (tree->table, &batch->base, changes, table, error);
}

/* --- root and head --- */

/**
 * commit_root:
 * @theirs: (nullable): a root of another device that @table now holds
 * @sign: whether others are to see it; else it is only kept here
 *
 * Everything in the store is brought to the disk, then the head says that @table is what there
 * is. On success the tree's memory of it is up to date; base is the caller's.
 */
gboolean
commit_root (MossTree *tree,
             const MossRef *table,
             guint64 number,
             GArray *seen,
             GBytes *theirs,
             guint64 epoch,
             guint32 skip,
             const MossRef *orphans,
             gboolean sign,
             GError **error)
{
  g_autoptr (Head) head = head_new ();
  g_autoptr (GBytes) record = NULL;
  MossTreeRoot root = { .slot = tree->config.slot, .number = number };
  MossTreeRoot other;
  MossRootBody body = { *table, seen };
  GHashTableIter iter;
  gpointer device, bytes;

  memcpy (root.tree_id, tree->config.tree_id, 32);
  memcpy (root.device, tree->config.device, 32);
  memcpy (root.previous, tree->last_id, 32);
  root.generation = tree->generation;
  root.time_us = MAX (moss_clock_now_us (), tree->last_time_us + 1);
  if (sign)
    record = root_make (tree, &root, &body, NULL);
  if (record != NULL && !moss_tree_root_parse (record, &root, error))
    return FALSE;
  head->table = *table;
  head->orphans = *orphans;
  head->number = number;
  head->time_us = root.time_us;
  head->epoch = epoch;
  head->skip = skip;
  memcpy (head->last_id, record != NULL ? root.id : tree->last_id, 32);
  g_array_append_vals (head->seen, seen->data, seen->len);
  g_hash_table_iter_init (&iter, tree->records);
  while (g_hash_table_iter_next (&iter, &device, &bytes))
    g_hash_table_replace (head->records, g_memdup2 (device, 32), g_bytes_ref (bytes));
  if (record != NULL)
    g_hash_table_replace (head->records, g_memdup2 (root.device, 32), g_bytes_ref (record));
  if (record != NULL)
    memcpy (head->current, root.device, 32);
  if (theirs != NULL && moss_tree_root_parse (theirs, &other, NULL) && !sign)
    memcpy (head->current, other.device, 32);
  if (theirs != NULL && moss_tree_root_parse (theirs, &other, NULL))
    g_hash_table_replace (head->records, g_memdup2 (other.device, 32), g_bytes_ref (theirs));
  g_mutex_lock (&tree->lock);
  tree->reserved_ino = head->next_ino = tree->next_ino + RESERVED_INOS;
  g_mutex_unlock (&tree->lock);
  (void) moss_fault ("tree-commit");
  if (!moss_store_sync (tree->config.store, error) || !head_write (tree, head, error))
    return FALSE;
  g_mutex_lock (&tree->lock);
  tree->number = number;
  tree->last_time_us = head->time_us;
  memcpy (tree->last_id, head->last_id, 32);
  memcpy (tree->current, head->current, 32);
  tree->orphans_ref = *orphans;
  tree->mark_epoch = epoch;
  tree->mark_skip = skip;
  g_array_set_size (tree->seen, 0);
  g_array_append_vals (tree->seen, seen->data, seen->len);
  g_hash_table_unref (tree->records);
  tree->records = g_hash_table_ref (head->records);
  g_mutex_unlock (&tree->lock);
  if (record != NULL && tree->config.callbacks.committed != NULL)
    tree->config.callbacks.committed (&root, record, tree->config.user_data);
  return TRUE;
}

/* --- 3: memory --- */

static void
thaw_inode (MossTree *tree, const Changed *changed)
{
  Inode *inode = tree_find (tree, changed->ino);

  if (inode == NULL)
    return;
  inode->flags |= INODE_IN_BASE;
  inode->flags &= ~INODE_FROZEN;
  if (inode->flags & INODE_CONTENT)
    return;
  if (changed->content != NULL && inode->extra != NULL)
    g_clear_pointer (&inode->extra->unlogged, g_array_unref);
  if (inode->opens == 0 && S_ISREG (inode->mode) && inode->nlink > 0)
    inode_drop_content (inode);
}

static void
succeed (MossTree *tree, Batch *batch, const MossRef *table)
{
  g_mutex_lock (&tree->lock);
  tree->base = *table;
  for (guint i = 0; i < batch->inodes->len; i++)
    thaw_inode (tree, &g_array_index (batch->inodes, Changed, i));
  for (guint i = 0; i < batch->removed->len; i++)
    g_hash_table_remove (tree->gone, &g_array_index (batch->removed, guint64, i));
  if (tree->dirty->len == 0)
    tree->dirty_bytes = 0;
  tree->commits++;
  g_cond_broadcast (&tree->room);
  g_mutex_unlock (&tree->lock);
  moss_journal_drop (tree->journal, batch->epoch);
}

static void
give_back_formers (Inode *inode, Changed *changed)
{
  Extra *extra;

  if (changed->formers == NULL)
    return;
  extra = inode_extra (inode);
  if (extra->formers != NULL)
    {
      g_array_append_vals (changed->formers, extra->formers->data, extra->formers->len);
      g_array_unref (extra->formers);
    }
  extra->formers = g_steal_pointer (&changed->formers);
}

/* Everything is as changed as it was. */
static void
give_back (MossTree *tree, Batch *batch)
{
  g_mutex_lock (&tree->lock);
  for (guint i = 0; i < batch->inodes->len; i++)
    {
      Changed *changed = &g_array_index (batch->inodes, Changed, i);
      Inode *inode = tree_find (tree, changed->ino);

      if (inode == NULL)
        continue;
      inode->flags &= ~INODE_FROZEN;
      give_back_formers (inode, changed);
      tree_touch (tree, inode, changed->flags & (INODE_ATTR | INODE_CONTENT));
    }
  for (guint i = 0; i < batch->keys->len; i++)
    g_hash_table_add (tree->dirty_keys,
                      g_bytes_ref (g_array_index (batch->keys, ChangedKey, i).key));
  g_array_append_vals (tree->removed, batch->removed->data, batch->removed->len);
  if (tree->dirty_since_us == 0)
    tree->dirty_since_us = g_get_monotonic_time ();
  g_mutex_unlock (&tree->lock);
}

/**
 * commit_now:
 *
 * With commit_lock. TRUE also when there was nothing to do.
 */
gboolean
commit_now (MossTree *tree, GError **error)
{
  g_autoptr (Sealing) sealing = sealing_new ();
  g_autoptr (Batch) batch = NULL;
  MossRef table, orphans;
  gboolean ok;

  moss_journal_prepare (tree->journal);
  g_mutex_lock (&tree->lock);
  batch = freeze (tree, sealing);
  g_mutex_unlock (&tree->lock);
  if (batch == NULL)
    return TRUE;
  ok = moss_fault_error ("tree-seal", error) && sealing_run (tree, sealing, error) &&
       moss_fault_error ("tree-build", error) && build_table (tree, batch, &table, error) &&
       orphans_store (tree, batch->orphans, &orphans, error) &&
       commit_root (tree, &table, batch->number, batch->seen, NULL, batch->epoch,
                    batch->skip, &orphans, TRUE, error);
  if (ok)
    {
      G_GNUC_UNUSED gboolean large = batch->inodes->len > LARGE_BATCH;

      succeed (tree, batch, &table);
#ifdef __GLIBC__
      /* What a long copy needed isn't kept from others for hours. */
      if (large)
        malloc_trim (0);
#endif
    }
  else
    give_back (tree, batch);
  return ok;
}
