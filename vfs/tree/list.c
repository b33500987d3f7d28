// SPDX-License-Identifier: GPL-3.0-or-later
/* Which objects a root needs: for who sends them, and for the collection of garbage. Two tables
 * are walked side by side, so that what both have isn't looked at; former roots each beside the
 * one after. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/list.h"

typedef struct
{
  MossTable *table;
  gboolean metadata_only;
  gboolean tolerant; /* what isn't here is passed over */
  MossListEach each;
  gpointer user_data;
  GHashTable *told; /* first 8 bytes of an id → NULL */
  GArray *former;   /* MossRef: tables of former roots that came up */
  gboolean stopped;
  GError *error;
} Walk;

static gboolean
tell (Walk *walk, const MossId *id)
{
  guint64 start;

  memcpy (&start, id, sizeof start);
  if (g_hash_table_contains (walk->told, &start))
    return TRUE;
  g_hash_table_add (walk->told, g_memdup2 (&start, sizeof start));
  walk->stopped = !walk->each (id, walk->user_data);
  return !walk->stopped;
}

static gboolean
on_block (const MossRef *ref, gpointer user_data)
{
  return tell (user_data, &ref->id);
}

static gboolean
tell_content (Walk *walk, const MossContent *content)
{
  for (guint i = 0; i < content->count; i++)
    if (content->segments[i].source->stored &&
        !tell (walk, &content->segments[i].source->ref.id))
      return FALSE;
  return TRUE;
}

static gboolean
tell_version (Walk *walk, const MossItem *item)
{
  g_autoptr (MossContent) content = NULL;
  g_autoptr (GError) error = NULL;
  MossVersionRecord record;

  if (!moss_version_record_read (item, &record, NULL))
    return TRUE;
  for (guint i = 0; record.kind == 2 && i < record.tail_length / sizeof (MossRef); i++)
    {
      MossRef ref;

      memcpy (&ref, record.tail + i * sizeof ref, sizeof ref);
      if (!tell (walk, &ref.id))
        return FALSE;
    }
  content = version_content (walk->table, item, &error);
  if (content != NULL)
    return tell_content (walk, content);
  if (walk->tolerant)
    return TRUE;
  g_propagate_error (&walk->error, g_steal_pointer (&error));
  return FALSE;
}

static gboolean
tell_item (Walk *walk, const MossItem *item)
{
  MossRef ref;

  switch (moss_key_space (item))
    {
    case SPACE_EXTENT:
      memcpy (&ref, item->value + 8, sizeof ref);
      return item->value_length != 72 || tell (walk, &ref.id);
    case SPACE_XATTR:
      if (item->value_length != 9 + 4 + sizeof ref || item->value[8] != 1)
        return TRUE;
      memcpy (&ref, item->value + 13, sizeof ref);
      return tell (walk, &ref.id);
    case SPACE_VERSION:
      return tell_version (walk, item);
    default:
      return TRUE;
    }
}

static gboolean
on_item (const MossItem *a, const MossItem *b, gpointer user_data)
{
  Walk *walk = user_data;
  MossHistoryRecord history;

  if (b == NULL)
    return TRUE;
  if (moss_key_space (b) == SPACE_HISTORY && moss_history_record_read (b, &history, NULL))
    g_array_append_val (walk->former, history.table);
  return walk->metadata_only || tell_item (walk, b);
}

static gboolean
walk_table (Walk *walk, const MossRef *known, const MossRef *root)
{
  if (moss_table_diff (walk->table, known, root, on_block, on_item, walk,
                       walk->error == NULL ? &walk->error : NULL))
    return walk->error == NULL;
  if (!walk->tolerant)
    return FALSE;
  g_debug ("a former root isn't all here: %s", walk->error->message);
  g_clear_error (&walk->error);
  return TRUE;
}

/**
 * list_objects:
 * @known: (nullable): a table whose objects needn't be told
 * @tolerant: pass over what can't be read
 *
 * Each id about once. FALSE with no @error: @each stopped it.
 */
gboolean
list_objects (MossTable *table,
              const MossRef *root,
              const MossRef *known,
              gboolean metadata_only,
              gboolean tolerant,
              MossListEach each,
              gpointer user_data,
              GError **error)
{
  static const MossRef nothing;
  Walk walk = { .table = table,
                .metadata_only = metadata_only,
                .tolerant = tolerant,
                .each = each,
                .user_data = user_data };
  g_autoptr (GHashTable) told
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_autoptr (GArray) former = g_array_new (FALSE, FALSE, sizeof (MossRef));
  MossRef before = known != NULL ? *known : nothing;
  guint count;
  gboolean ok;

  walk.told = told;
  walk.former = former;
  ok = walk_table (&walk, known != NULL ? known : &nothing, root);
  /* Their own former roots are among those that were just found. */
  count = former->len;
  for (guint i = 0; ok && !walk.stopped && i < count; i++)
    {
      MossRef table_ref = g_array_index (former, MossRef, i);

      if (!moss_table_is_empty (&table_ref))
        ok = walk_table (&walk, &before, &table_ref);
      before = table_ref;
    }
  if (walk.error != NULL)
    g_propagate_error (error, walk.error);
  return ok && !walk.stopped;
}

typedef struct
{
  MossTree *tree;
  MossTreeObject each;
  gpointer user_data;
} Telling;

static gboolean
tell_object (const MossId *id, gpointer user_data)
{
  Telling *telling = user_data;

  return telling->each (id, moss_store_has (telling->tree->config.store, id),
                        telling->user_data);
}

gboolean
moss_tree_list_objects (MossTree *tree,
                        GBytes *record,
                        GBytes *known,
                        gboolean metadata_only,
                        MossTreeObject each,
                        gpointer user_data,
                        GError **error)
{
  g_auto (MossRootBody) body = { 0 };
  g_auto (MossRootBody) before = { 0 };
  Telling telling = { tree, each, user_data };
  MossTreeRoot root;
  GError *local = NULL;

  if (!moss_tree_root_verify (tree, record, &root, error) ||
      !root_open (tree, record, &body, error))
    return FALSE;
  if (known != NULL && (!moss_tree_root_verify (tree, known, &root, error) ||
                        !root_open (tree, known, &before, error)))
    return FALSE;
  list_objects (tree->table, &body.table, known != NULL ? &before.table : NULL,
                metadata_only, metadata_only, tell_object, &telling, &local);
  if (local == NULL)
    return TRUE;
  g_propagate_error (error, local);
  return FALSE;
}
