// SPDX-License-Identifier: GPL-3.0-or-later
/* Entries of the result of a merge, and names for copies. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/merge-private.h"

enum
{
  TRIES_MAX = 1000,
};

/* --- entries --- */

static void
entry_key (MossKey *key, guint64 dir, const char *name)
{
  moss_key_init (key, SPACE_ENTRY, dir);
  moss_key_add (key, name, strlen (name));
}

void
merge_set_entry (Merge *merge, guint64 dir, const char *name, const MossEntryRecord *record)
{
  GByteArray *value = g_byte_array_new ();
  MossKey key;

  moss_entry_record_write (record, value);
  entry_key (&key, dir, name);
  merge_set (merge, &key, g_byte_array_free_to_bytes (value));
}

void
merge_drop_entry (Merge *merge, guint64 dir, const char *name)
{
  MossKey key;

  entry_key (&key, dir, name);
  merge_set (merge, &key, NULL);
}

gboolean
merge_get_entry (Merge *merge,
                 guint64 dir,
                 const char *name,
                 MossEntryRecord *record,
                 gboolean *found,
                 GError **error)
{
  g_autoptr (GBytes) value = NULL;
  MossItem item;
  MossKey key;
  gsize length;

  entry_key (&key, dir, name);
  if (!merge_get (merge, &key, &value, error))
    return FALSE;
  *found = value != NULL;
  if (!*found)
    return TRUE;
  item.key = key.bytes;
  item.key_length = key.length;
  item.value = g_bytes_get_data (value, &length);
  item.value_length = length;
  return moss_entry_record_read (&item, record, error);
}

gboolean
merge_read_entry (GBytes *key, GBytes *value, MossEntryRecord *record)
{
  MossItem item;
  gsize length;

  if (value == NULL)
    return FALSE;
  item.key = g_bytes_get_data (key, &length);
  item.key_length = length;
  item.value = g_bytes_get_data (value, &length);
  item.value_length = length;
  return moss_entry_record_read (&item, record, NULL);
}

void
merge_clear_link (gpointer data)
{
  g_free (((Link *) data)->name);
}

void
merge_add_link (GArray *links, guint64 dir, const char *name, const MossEntryRecord *record)
{
  Link link = { dir, g_strdup (name), *record };

  g_array_append_val (links, link);
}

/* Every entry of the result that the two sides don't have alike. */
GArray *
merge_changed_links (Merge *merge, GError **error)
{
  g_autoptr (GArray) links = g_array_new (FALSE, FALSE, sizeof (Link));
  g_autoptr (GHashTable) keys = g_hash_table_new (g_bytes_hash, g_bytes_equal);
  g_autoptr (GList) sorted = NULL;
  GHashTableIter iter;
  gpointer bytes;

  g_array_set_clear_func (links, merge_clear_link);
  for (guint i = 0; i < merge->pairs->len; i++)
    g_hash_table_add (keys, ((Pair *) g_ptr_array_index (merge->pairs, i))->key);
  g_hash_table_iter_init (&iter, merge->overlay);
  while (g_hash_table_iter_next (&iter, &bytes, NULL))
    g_hash_table_add (keys, bytes);
  sorted = g_list_sort (g_hash_table_get_keys (keys), g_bytes_compare);
  for (GList *l = sorted; l != NULL; l = l->next)
    {
      gsize length;
      MossItem item = { .key = g_bytes_get_data (l->data, &length) };
      g_autofree char *name = NULL;
      MossEntryRecord record;
      gboolean found;

      item.key_length = length;
      if (moss_key_space (&item) != SPACE_ENTRY)
        continue;
      name = moss_key_name (&item);
      if (!merge_get_entry (merge, moss_key_ino (&item), name, &record, &found, error))
        return NULL;
      if (found)
        merge_add_link (links, moss_key_ino (&item), name, &record);
    }
  return g_steal_pointer (&links);
}

/* --- names of copies --- */

static char *
conflict_name (Merge *merge, const char *name, guint16 slot, gint64 time_ns, guint try)
{
  g_autofree char *device = merge->device_name (slot, merge->user_data);

  return tree_conflict_name (name, device, time_ns, try);
}

/* A name in @dir that nothing has. (transfer full) */
char *
merge_free_name (Merge *merge,
                 guint64 dir,
                 const char *name,
                 guint16 slot,
                 gint64 time_ns,
                 GError **error)
{
  for (guint try = 0; try < TRIES_MAX; try++)
    {
      g_autofree char *candidate = conflict_name (merge, name, slot, time_ns, try);
      MossEntryRecord record;
      gboolean found;

      if (!merge_get_entry (merge, dir, candidate, &record, &found, error))
        return NULL;
      if (!found)
        return g_steal_pointer (&candidate);
    }
  g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID,
               "there are too many conflicts of “%s”", name);
  return NULL;
}

void
merge_list_conflict (Merge *merge,
                     guint64 copy,
                     guint64 ino,
                     guint16 slot,
                     gint64 time_ns,
                     const guint64 cause[2])
{
  MossConflictRecord record = { merge->dot, ino, slot, time_ns / 1000,
                                { cause[0], cause[1] } };
  GByteArray *value = g_byte_array_new ();
  MossKey key;

  moss_conflict_record_write (&record, value);
  moss_key_init (&key, SPACE_CONFLICT, copy);
  merge_set (merge, &key, g_byte_array_free_to_bytes (value));
  merge->conflict_count++;
}

/* --- who has what --- */

gboolean
merge_exists_on (Merge *merge, Side side, guint64 ino, gboolean *found, GError **error)
{
  g_autoptr (GBytes) holder = NULL;
  MossInodeRecord record;

  return merge_record_side (merge, side, ino, &record, &holder, found, error);
}

typedef struct
{
  guint64 ino;
  char *name; /* nullable */
} FindName;

static gboolean
on_named (const MossItem *item, gpointer user_data)
{
  FindName *find = user_data;
  MossEntryRecord record;

  if (!moss_entry_record_read (item, &record, NULL) || record.ino != find->ino)
    return TRUE;
  find->name = moss_key_name (item);
  return FALSE;
}

/* A name of @ino on one side, in the directory its record names. (transfer full) (nullable) */
gboolean
merge_name_on (Merge *merge, Side side, guint64 ino, guint64 *dir, char **name, GError **error)
{
  g_autoptr (GBytes) holder = NULL;
  FindName find = { ino, NULL };
  MossInodeRecord record;
  gboolean found;
  MossKey key;

  *name = NULL;
  if (!merge_record_side (merge, side, ino, &record, &holder, &found, error))
    return FALSE;
  if (!found)
    return TRUE;
  *dir = record.parent;
  moss_key_init (&key, SPACE_ENTRY, record.parent);
  if (!moss_table_each (merge->table, &merge->root[side], key.bytes, key.length, NULL, 0,
                        on_named, &find, error))
    return FALSE;
  *name = find.name;
  return TRUE;
}

guint16
merge_writer_of (const MossInodeRecord *record)
{
  return SLOT_OF (record->content_dot);
}
