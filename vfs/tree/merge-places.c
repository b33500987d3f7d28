// SPDX-License-Identifier: GPL-3.0-or-later
/* The last part of a merge: what has a name must be there, what is there must have a name, a
 * directory is in one place, and links are counted. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/merge-private.h"

enum
{
  DEPTH_MAX = 4096,
};

/* --- what must be there --- */

/* A directory that is not in the result comes back, and all above it. */
static gboolean
ensure_directory (Merge *merge, guint64 ino, GError **error)
{
  for (guint depth = 0; depth < DEPTH_MAX; depth++)
    {
      g_autoptr (GBytes) holder = NULL;
      g_autofree char *name = NULL;
      MossEntryRecord there, entry = { .dot = merge->dot, .type = S_IFDIR, .ino = ino };
      MossInodeRecord record;
      gboolean found, done;
      guint64 dir = 0;

      if (!merge_record (merge, ino, &record, &holder, &found, error))
        return FALSE;
      if (found && S_ISDIR (record.mode))
        return TRUE;
      if (found || !merge_restore_inode (merge, ino, &done, error))
        goto broken;
      for (guint side = 0; done && side < 2 && name == NULL; side++)
        if (!merge_name_on (merge, side, ino, &dir, &name, error))
          return FALSE;
      if (!done || name == NULL)
        goto broken;
      if (!merge_get_entry (merge, dir, name, &there, &found, error))
        return FALSE;
      if (found && there.ino != ino)
        {
          g_autofree char *other
              = merge_free_name (merge, dir, name, SLOT_OF (ino), 0, error);

          if (other == NULL)
            return FALSE;
          merge_set_entry (merge, dir, other, &entry);
        }
      else
        merge_set_entry (merge, dir, name, &entry);
      ino = dir;
    }
broken:
  if (error != NULL && *error == NULL)
    g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                 "the other device's tree has a file in a directory that isn't one");
  return FALSE;
}

static gboolean
ensure_ends (Merge *merge, GError **error)
{
  g_autoptr (GArray) links = merge_changed_links (merge, error);

  if (links == NULL)
    return FALSE;
  for (guint i = 0; i < links->len; i++)
    {
      Link *link = &g_array_index (links, Link, i);
      g_autoptr (GBytes) holder = NULL;
      MossInodeRecord record;
      gboolean found;

      if (!ensure_directory (merge, link->dir, error) ||
          !merge_record (merge, link->record.ino, &record, &holder, &found, error) ||
          (!found && !merge_restore_inode (merge, link->record.ino, &found, error)))
        return FALSE;
      g_clear_pointer (&holder, g_bytes_unref);
      if (found && !merge_record (merge, link->record.ino, &record, &holder, &found, error))
        return FALSE;
      if (!found || (record.mode & S_IFMT) != link->record.type)
        {
          g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                       "the other device's tree has a name of nothing");
          return FALSE;
        }
    }
  return TRUE;
}

/* A name that @ino has on @side and not on the other. What its record remembers may be another
 * directory, when it had several names. (transfer full) (nullable) */
static char *
name_among (Merge *merge, Side side, guint64 ino, guint64 *dir)
{
  for (guint i = 0; i < merge->pairs->len; i++)
    {
      Pair *pair = g_ptr_array_index (merge->pairs, i);
      MossEntryRecord record;
      MossItem item;
      gsize length;

      item.key = g_bytes_get_data (pair->key, &length);
      item.key_length = length;
      if (moss_key_space (&item) > SPACE_ENTRY)
        return NULL;
      if (moss_key_space (&item) < SPACE_ENTRY || pair->value[side] == NULL)
        continue;
      item.value = g_bytes_get_data (pair->value[side], &length);
      item.value_length = length;
      if (!moss_entry_record_read (&item, &record, NULL) || record.ino != ino)
        continue;
      *dir = moss_key_ino (&item);
      return moss_key_name (&item);
    }
  return NULL;
}

/* The name that is to be kept of what both sides have and each under another one: the same of the
 * two whoever merges. @name: (out) (nullable) (transfer full) */
static gboolean
former_name (Merge *merge, guint64 ino, guint64 *dir, char **name, GError **error)
{
  gboolean found[2];

  *name = NULL;
  *dir = MOSS_TREE_ROOT;
  if (!merge_exists_on (merge, SIDE_A, ino, &found[0], error) ||
      !merge_exists_on (merge, SIDE_B, ino, &found[1], error))
    return FALSE;
  for (guint side = 0; found[0] && found[1] && side < 2; side++)
    {
      guint64 at = 0;
      g_autofree char *one = name_among (merge, side, ino, &at);

      if (one == NULL || (*name != NULL && (at > *dir || (at == *dir && strcmp (one, *name) >= 0))))
        continue;
      g_free (*name);
      *name = g_steal_pointer (&one);
      *dir = at;
    }
  return TRUE;
}

/* A directory that each side had elsewhere, and that lost both places to something else. */
static gboolean
restore_directory (Merge *merge, guint64 ino, GError **error)
{
  MossEntryRecord entry = { .dot = merge->dot, .ino = ino, .type = S_IFDIR }, there;
  g_autoptr (GBytes) holder = NULL;
  g_autofree char *name = NULL;
  g_autofree char *other = NULL;
  MossInodeRecord record;
  gboolean found;
  guint64 dir;

  if (!merge_record (merge, ino, &record, &holder, &found, error))
    return FALSE;
  if (!found || !S_ISDIR (record.mode))
    return TRUE;
  if (!former_name (merge, ino, &dir, &name, error))
    return FALSE;
  if (name == NULL)
    return TRUE;
  if (!merge_get_entry (merge, dir, name, &there, &found, error))
    return FALSE;
  if (found)
    {
      other = merge_free_name (merge, dir, name, SLOT_OF (ino), 0, error);
      if (other == NULL)
        return FALSE;
    }
  merge_set_entry (merge, dir, other != NULL ? other : name, &entry);
  return TRUE;
}

static gboolean
restore_directories (Merge *merge, GHashTable *named, GError **error)
{
  for (guint i = 0; i < merge->pairs->len; i++)
    {
      Pair *pair = g_ptr_array_index (merge->pairs, i);
      MossItem item = { .key = g_bytes_get_data (pair->key, NULL) };

      if (moss_key_space (&item) > SPACE_ENTRY)
        break;
      for (guint side = 0; moss_key_space (&item) == SPACE_ENTRY && side < 2; side++)
        {
          MossEntryRecord record;

          if (merge_read_entry (pair->key, pair->value[side], &record) && record.type == S_IFDIR &&
              g_hash_table_add (named, g_memdup2 (&record.ino, sizeof record.ino)) &&
              !restore_directory (merge, record.ino, error))
            return FALSE;
        }
    }
  return TRUE;
}

/* What lost its last name on one side while the other changed or made it anew. */
static gboolean
restore_changed (Merge *merge, GHashTable *links, GError **error)
{
  for (guint i = 0; i < merge->pairs->len; i++)
    {
      Pair *pair = g_ptr_array_index (merge->pairs, i);
      gsize length;
      MossItem item = { .key = g_bytes_get_data (pair->key, &length) };
      g_autoptr (GBytes) holder = NULL;
      MossInodeRecord record;
      guint64 ino = moss_key_ino (&item);
      g_autofree char *name = NULL;
      MossEntryRecord entry = { .dot = merge->dot, .ino = ino }, there;
      guint64 dir = 0;
      gboolean found;
      Side side;

      if (moss_key_space (&item) != SPACE_INODE)
        break;
      if (g_hash_table_contains (links, &ino))
        continue;
      /* One side only, and it is in the result: its content is new to the other. */
      if ((pair->value[0] == NULL) == (pair->value[1] == NULL))
        continue;
      side = pair->value[SIDE_A] != NULL ? SIDE_A : SIDE_B;
      if (!merge_record (merge, ino, &record, &holder, &found, error))
        return FALSE;
      if (!found || ino == MOSS_TREE_ROOT)
        continue;
      name = name_among (merge, side, ino, &dir);
      if (name == NULL)
        continue;
      if (!merge_get_entry (merge, dir, name, &there, &found, error))
        return FALSE;
      if (found && there.ino == ino)
        continue;
      entry.type = record.mode & S_IFMT;
      if (found)
        {
          g_autofree char *other = merge_free_name (merge, dir, name, merge_writer_of (&record),
                                                    record.mtime_ns, error);

          if (other == NULL)
            return FALSE;
          merge_set_entry (merge, dir, other, &entry);
          /* Its name went to something that was put in its place. */
          merge_list_conflict (merge, ino, there.ino, merge_writer_of (&record), record.mtime_ns,
                               (guint64[]){ record.content_dot, there.dot });
        }
      else
        merge_set_entry (merge, dir, name, &entry);
    }
  return TRUE;
}

static gboolean
restore_nameless (Merge *merge, GError **error)
{
  g_autoptr (GArray) links = merge_changed_links (merge, error);
  g_autoptr (GHashTable) named
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);

  if (links == NULL)
    return FALSE;
  for (guint i = 0; i < links->len; i++)
    g_hash_table_add (named, g_memdup2 (&g_array_index (links, Link, i).record.ino, 8));
  return restore_changed (merge, named, error) && restore_directories (merge, named, error);
}

/* --- directories in one place --- */

/* ino → index of its link; of a directory that is in several the one with the largest dot stays. */
static GHashTable *
single_places (Merge *merge, GArray *links)
{
  GHashTable *places = g_hash_table_new (g_int64_hash, g_int64_equal);

  for (guint i = 0; i < links->len; i++)
    {
      Link *link = &g_array_index (links, Link, i);
      gpointer index;
      Link *other;

      if (link->record.type != S_IFDIR)
        continue;
      if (!g_hash_table_lookup_extended (places, &link->record.ino, NULL, &index))
        {
          g_hash_table_insert (places, &link->record.ino, GUINT_TO_POINTER (i));
          continue;
        }
      other = &g_array_index (links, Link, GPOINTER_TO_UINT (index));
      if (other->record.dot >= link->record.dot)
        merge_drop_entry (merge, link->dir, link->name);
      else
        {
          merge_drop_entry (merge, other->dir, other->name);
          g_hash_table_replace (places, &link->record.ino, GUINT_TO_POINTER (i));
        }
    }
  return places;
}

static gboolean
parent_in (Merge *merge,
           GArray *links,
           GHashTable *places,
           guint64 ino,
           guint64 *parent,
           GError **error)
{
  g_autoptr (GBytes) holder = NULL;
  MossInodeRecord record;
  gpointer index;
  gboolean found;

  if (g_hash_table_lookup_extended (places, &ino, NULL, &index))
    {
      *parent = g_array_index (links, Link, GPOINTER_TO_UINT (index)).dir;
      return TRUE;
    }
  if (!merge_record (merge, ino, &record, &holder, &found, error))
    return FALSE;
  *parent = found ? record.parent : MOSS_TREE_ROOT;
  return TRUE;
}

/* Whether the way up from @ino ends at the root; else *@smallest is of the circle. */
static gboolean
find_circle (Merge *merge,
             GArray *links,
             GHashTable *places,
             guint64 ino,
             guint64 *smallest,
             GError **error)
{
  g_autoptr (GHashTable) visited
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  guint64 start;

  *smallest = 0;
  while (ino != MOSS_TREE_ROOT)
    {
      if (!g_hash_table_add (visited, g_memdup2 (&ino, sizeof ino)))
        break;
      if (!parent_in (merge, links, places, ino, &ino, error))
        return FALSE;
    }
  if (ino == MOSS_TREE_ROOT)
    return TRUE;
  start = *smallest = ino;
  do
    {
      if (!parent_in (merge, links, places, ino, &ino, error))
        return FALSE;
      if (ino < *smallest && g_hash_table_contains (places, &ino))
        *smallest = ino;
    }
  while (ino != start);
  return TRUE;
}

/* Two directories were moved into each other: one of them goes to the top. */
static gboolean
break_circles (Merge *merge, GArray *links, GHashTable *places, GError **error)
{
  for (guint i = 0; i < links->len; i++)
    {
      Link *link = &g_array_index (links, Link, i);
      guint64 ino;

      if (link->record.type != S_IFDIR)
        continue;
      for (;;)
        {
          g_autofree char *name = NULL;
          MossEntryRecord there;
          gpointer index;
          gboolean found;
          Link *moved;

          if (!find_circle (merge, links, places, link->record.ino, &ino, error))
            return FALSE;
          if (ino == 0)
            break;
          if (!g_hash_table_lookup_extended (places, &ino, NULL, &index))
            {
              g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                           "the other device's tree has a directory inside itself");
              return FALSE;
            }
          moved = &g_array_index (links, Link, GPOINTER_TO_UINT (index));
          merge_drop_entry (merge, moved->dir, moved->name);
          if (!merge_get_entry (merge, MOSS_TREE_ROOT, moved->name, &there, &found, error))
            return FALSE;
          name = found ? merge_free_name (merge, MOSS_TREE_ROOT, moved->name, SLOT_OF (ino), 0,
                                          error)
                       : g_strdup (moved->name);
          if (name == NULL)
            return FALSE;
          moved->record.dot = merge->dot;
          moved->dir = MOSS_TREE_ROOT;
          g_free (moved->name);
          moved->name = g_steal_pointer (&name);
          merge_set_entry (merge, moved->dir, moved->name, &moved->record);
          merge->conflict_count++;
        }
    }
  return TRUE;
}

static gboolean
fix_directories (Merge *merge, GError **error)
{
  g_autoptr (GArray) links = merge_changed_links (merge, error);
  g_autoptr (GHashTable) places = NULL;

  if (links == NULL)
    return FALSE;
  places = single_places (merge, links);
  return break_circles (merge, links, places, error);
}

/* --- counting --- */

typedef struct
{
  gint64 links;       /* names more than A has */
  gint64 directories; /* in it, more than in A */
  guint64 parent;     /* 0: its place didn't change */
} Tally;

static Tally *
tally_of (GHashTable *tallies, guint64 ino)
{
  Tally *tally = g_hash_table_lookup (tallies, &ino);

  if (tally == NULL)
    {
      tally = g_new0 (Tally, 1);
      g_hash_table_insert (tallies, g_memdup2 (&ino, sizeof ino), tally);
    }
  return tally;
}

static gboolean
count_entries (Merge *merge, GHashTable *tallies, GError **error)
{
  GHashTableIter iter;
  gpointer bytes, value;

  g_hash_table_iter_init (&iter, merge->overlay);
  while (g_hash_table_iter_next (&iter, &bytes, &value))
    {
      gsize length;
      MossItem item = { .key = g_bytes_get_data (bytes, &length) };
      g_autoptr (GBytes) old = NULL;
      MossEntryRecord record;
      guint64 dir = moss_key_ino (&item);
      MossKey key;

      if (moss_key_space (&item) != SPACE_ENTRY)
        continue;
      memcpy (key.bytes, item.key, length);
      key.length = length;
      if (!merge_get_side (merge, SIDE_A, &key, &old, error))
        return FALSE;
      if (merge_read_entry (bytes, old, &record))
        {
          tally_of (tallies, record.ino)->links--;
          tally_of (tallies, dir)->directories -= record.type == S_IFDIR;
        }
      if (merge_read_entry (bytes, value, &record))
        {
          tally_of (tallies, record.ino)->links++;
          tally_of (tallies, record.ino)->parent = dir;
          tally_of (tallies, dir)->directories += record.type == S_IFDIR;
        }
    }
  return TRUE;
}

/* Each side took away a name and left another: neither meant the file. It keeps one. */
static gboolean
keep_name (Merge *merge, guint64 ino, MossInodeRecord *record, gboolean *kept, GError **error)
{
  MossEntryRecord entry = { .dot = merge->dot, .ino = ino, .type = record->mode & S_IFMT };
  g_autofree char *name = NULL;
  g_autofree char *other = NULL;
  g_autoptr (GBytes) holder = NULL;
  MossInodeRecord above;
  MossEntryRecord there;
  gboolean found;
  guint64 dir;

  *kept = FALSE;
  if (!former_name (merge, ino, &dir, &name, error))
    return FALSE;
  if (name == NULL)
    return TRUE;
  if (!merge_record (merge, dir, &above, &holder, &found, error))
    return FALSE;
  if (!found || !S_ISDIR (above.mode))
    dir = MOSS_TREE_ROOT;
  if (!merge_get_entry (merge, dir, name, &there, &found, error))
    return FALSE;
  if (found)
    other = merge_free_name (merge, dir, name, merge_writer_of (record), record->mtime_ns, error);
  if (found && other == NULL)
    return FALSE;
  merge_set_entry (merge, dir, other != NULL ? other : name, &entry);
  record->nlink = 1;
  record->parent = dir;
  merge_set_record (merge, ino, record);
  *kept = TRUE;
  return TRUE;
}

static gboolean
apply_tally (Merge *merge, guint64 ino, const Tally *tally, GError **error)
{
  g_autoptr (GBytes) holder = NULL;
  MossInodeRecord record;
  gboolean found;
  gint64 links;
  guint64 parent;

  if (!merge_record (merge, ino, &record, &holder, &found, error))
    return FALSE;
  if (!found)
    return TRUE;
  links = record.nlink + (S_ISDIR (record.mode) ? tally->directories : tally->links);
  if (!S_ISDIR (record.mode) && links <= 0)
    {
      if (!keep_name (merge, ino, &record, &found, error))
        return FALSE;
      return found || merge_drop_inode (merge, ino, error);
    }
  parent = tally->parent != 0 ? tally->parent : record.parent;
  if (links == record.nlink && parent == record.parent)
    return TRUE;
  record.nlink = MAX (links, 0);
  record.parent = parent;
  merge_set_record (merge, ino, &record);
  return TRUE;
}

/* Link counts, and where things are. What has no name is gone. */
static gboolean
count_links (Merge *merge, GError **error)
{
  g_autoptr (GHashTable) tallies
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  GHashTableIter iter;
  gpointer ino, tally;

  if (!count_entries (merge, tallies, error))
    return FALSE;
  /* What came without any name, too. */
  g_hash_table_iter_init (&iter, merge->fates);
  while (g_hash_table_iter_next (&iter, &ino, NULL))
    if (*(guint64 *) ino != MOSS_TREE_ROOT)
      tally_of (tallies, *(guint64 *) ino);
  g_hash_table_iter_init (&iter, tallies);
  while (g_hash_table_iter_next (&iter, &ino, &tally))
    if (!apply_tally (merge, *(guint64 *) ino, tally, error))
      return FALSE;
  return TRUE;
}

gboolean
merge_places (Merge *merge, GError **error)
{
  return restore_nameless (merge, error) && ensure_ends (merge, error) &&
         fix_directories (merge, error) && count_links (merge, error);
}
