// SPDX-License-Identifier: GPL-3.0-or-later
/* The second half of a merge: names and directories. After the items were merged each by itself,
 * a name may lead to nothing, a directory may be in two places, in itself or in none, and two
 * things may want one name. Here that is set right, always the same way whoever merges, and never
 * by losing a file. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/merge-private.h"

#include <sodium.h>

enum
{
  DEPTH_MAX = 4096,
  TRIES_MAX = 1000,
};

/* --- entries --- */

static void
entry_key (MossKey *key, guint64 dir, const char *name)
{
  moss_key_init (key, SPACE_ENTRY, dir);
  moss_key_add (key, name, strlen (name));
}

static void
set_entry (Merge *merge, guint64 dir, const char *name, const MossEntryRecord *record)
{
  GByteArray *value = g_byte_array_new ();
  MossKey key;

  moss_entry_record_write (record, value);
  entry_key (&key, dir, name);
  merge_set (merge, &key, g_byte_array_free_to_bytes (value));
}

static void
drop_entry (Merge *merge, guint64 dir, const char *name)
{
  MossKey key;

  entry_key (&key, dir, name);
  merge_set (merge, &key, NULL);
}

static gboolean
get_entry (Merge *merge,
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

static gboolean
read_entry (GBytes *key, GBytes *value, MossEntryRecord *record)
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

static void
clear_link (gpointer data)
{
  g_free (((Link *) data)->name);
}

static void
add_link (GArray *links, guint64 dir, const char *name, const MossEntryRecord *record)
{
  Link link = { dir, g_strdup (name), *record };

  g_array_append_val (links, link);
}

/* Every entry of the result that the two sides don't have alike. */
static GArray *
changed_links (Merge *merge, GError **error)
{
  g_autoptr (GArray) links = g_array_new (FALSE, FALSE, sizeof (Link));
  g_autoptr (GHashTable) keys = g_hash_table_new (g_bytes_hash, g_bytes_equal);
  g_autoptr (GList) sorted = NULL;
  GHashTableIter iter;
  gpointer bytes;

  g_array_set_clear_func (links, clear_link);
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
      if (!get_entry (merge, moss_key_ino (&item), name, &record, &found, error))
        return NULL;
      if (found)
        add_link (links, moss_key_ino (&item), name, &record);
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
static char *
free_name (Merge *merge,
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

      if (!get_entry (merge, dir, candidate, &record, &found, error))
        return NULL;
      if (!found)
        return g_steal_pointer (&candidate);
    }
  g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID,
               "there are too many conflicts of “%s”", name);
  return NULL;
}

static void
list_conflict (Merge *merge, guint64 copy, guint64 ino, guint16 slot, gint64 time_ns)
{
  MossConflictRecord record = { merge->dot, ino, slot, time_ns / 1000 };
  GByteArray *value = g_byte_array_new ();
  MossKey key;

  moss_conflict_record_write (&record, value);
  moss_key_init (&key, SPACE_CONFLICT, copy);
  merge_set (merge, &key, g_byte_array_free_to_bytes (value));
  merge->conflict_count++;
}

/* --- two things of one name --- */

static gboolean
exists_on (Merge *merge, Side side, guint64 ino, gboolean *found, GError **error)
{
  g_autoptr (GBytes) holder = NULL;
  MossInodeRecord record;

  return merge_record_side (merge, side, ino, &record, &holder, found, error);
}

typedef struct
{
  Merge *merge;
  GArray *links;
} Children;

static gboolean
on_child (const MossItem *item, gpointer user_data)
{
  Children *children = user_data;
  g_autofree char *name = moss_key_name (item);
  MossEntryRecord record;

  if (moss_entry_record_read (item, &record, NULL))
    add_link (children->links, moss_key_ino (item), name, &record);
  return TRUE;
}

/* Both devices made a directory of this name: what is in the one goes into the other. */
static gboolean
join_directories (Merge *merge,
                  guint64 winner,
                  guint64 loser,
                  Side loser_side,
                  GError **error)
{
  g_autoptr (GArray) links = g_array_new (FALSE, FALSE, sizeof (Link));
  Children children = { merge, links };
  MossKey key;

  g_array_set_clear_func (links, clear_link);
  moss_key_init (&key, SPACE_ENTRY, loser);
  if (!moss_table_each (merge->table, &merge->root[loser_side], key.bytes, key.length, NULL,
                        0, on_child, &children, error))
    return FALSE;
  for (guint i = 0; i < links->len; i++)
    {
      Link *link = &g_array_index (links, Link, i);
      Collision collision = { .dir = winner };
      MossEntryRecord there;
      gboolean found;

      drop_entry (merge, loser, link->name);
      if (!get_entry (merge, winner, link->name, &there, &found, error))
        return FALSE;
      link->record.dot = merge->dot;
      if (!found)
        {
          set_entry (merge, winner, link->name, &link->record);
          continue;
        }
      collision.name = g_strdup (link->name);
      collision.record[loser_side] = link->record;
      collision.record[!loser_side] = there;
      g_array_append_val (merge->collisions, collision);
    }
  return merge_drop_inode (merge, loser, error);
}

static guint16
writer_of (const MossInodeRecord *record)
{
  return SLOT_OF (record->content_dot);
}

/* Whether what @ino has on @side is what the result will have. */
static gboolean
keeps_content (Merge *merge, Side side, guint64 ino)
{
  gpointer fate;

  return !g_hash_table_lookup_extended (merge->fates, &ino, NULL, &fate) ||
         GPOINTER_TO_INT (fate) == (side == SIDE_A ? FATE_A : FATE_B);
}

/* Whether of two files of one name the second needn't be kept: it has no other name, the other
 * side doesn't know it, and its bytes are what the first will hold. */
static gboolean
is_spare (Merge *merge,
          const Collision *collision,
          const MossInodeRecord record[2],
          Side loser,
          gboolean *spare,
          GError **error)
{
  guint64 ino = collision->record[loser].ino;
  gboolean known;

  *spare = FALSE;
  if (!S_ISREG (record[0].mode) || !S_ISREG (record[1].mode) || record[loser].nlink > 1 ||
      !keeps_content (merge, loser, ino) ||
      !keeps_content (merge, !loser, collision->record[!loser].ino))
    return TRUE;
  if (!exists_on (merge, !loser, ino, &known, error))
    return FALSE;
  return known || merge_same_content (merge, collision->record[SIDE_A].ino,
                                      collision->record[SIDE_B].ino, spare, error);
}

static gboolean
settle (Merge *merge, const Collision *collision, GError **error)
{
  MossInodeRecord record[2];
  MossEntryRecord entry;
  gboolean found[2], spare, shared = FALSE;
  g_autofree char *name = NULL;
  gboolean directories;
  Side winner, loser;

  for (guint side = 0; side < 2; side++)
    {
      g_autoptr (GBytes) holder = NULL;

      if (!merge_record_side (merge, side, collision->record[side].ino, &record[side],
                              &holder, &found[side], error))
        return FALSE;
      record[side].tail = NULL;
    }
  if (!found[SIDE_A] || !found[SIDE_B])
    { /* only a broken table: the one that is there */
      winner = found[SIDE_A] ? SIDE_A : SIDE_B;
      set_entry (merge, collision->dir, collision->name, &collision->record[winner]);
      return TRUE;
    }
  directories = S_ISDIR (record[0].mode) && S_ISDIR (record[1].mode);
  if (directories)
    winner = collision->record[SIDE_A].ino < collision->record[SIDE_B].ino ? SIDE_A : SIDE_B;
  else if (record[SIDE_A].mtime_ns != record[SIDE_B].mtime_ns)
    winner = record[SIDE_A].mtime_ns > record[SIDE_B].mtime_ns ? SIDE_A : SIDE_B;
  else
    winner = collision->record[SIDE_A].ino > collision->record[SIDE_B].ino ? SIDE_A : SIDE_B;
  loser = !winner;
  entry = collision->record[winner];
  set_entry (merge, collision->dir, collision->name, &entry);
  if (directories &&
      !exists_on (merge, winner, collision->record[loser].ino, &shared, error))
    return FALSE;
  if (directories && !shared)
    return join_directories (merge, entry.ino, collision->record[loser].ino, loser, error);
  if (!is_spare (merge, collision, record, loser, &spare, error))
    return FALSE;
  if (spare)
    return merge_drop_inode (merge, collision->record[loser].ino, error);
  name = free_name (merge, collision->dir, collision->name, writer_of (&record[loser]),
                    record[loser].mtime_ns, error);
  if (name == NULL)
    return FALSE;
  entry = collision->record[loser];
  entry.dot = merge->dot;
  set_entry (merge, collision->dir, name, &entry);
  list_conflict (merge, entry.ino, collision->record[winner].ino, writer_of (&record[loser]),
                 record[loser].mtime_ns);
  return TRUE;
}

/* --- one file, two contents --- */

static guint64
copy_ino (Merge *merge, guint64 ino, guint64 dot)
{
  guint64 numbers[2] = { GUINT64_TO_LE (ino), GUINT64_TO_LE (dot) };
  guint64 hash;

  crypto_shorthash ((guint8 *) &hash, (guint8 *) numbers, sizeof numbers,
                    merge->table->tree_id);
  return (G_GUINT64_CONSTANT (0xffff) << SLOT_SHIFT) |
         (GUINT64_FROM_LE (hash) & NUMBER_MAX & ~G_GUINT64_CONSTANT (1));
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
static gboolean
name_on (Merge *merge, Side side, guint64 ino, guint64 *dir, char **name, GError **error)
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

/* Where the copy of a file goes: beside a name that it has in the result. */
static gboolean
place_of (Merge *merge, guint64 ino, guint64 *dir, char **name, GError **error)
{
  for (guint side = 0; side < 2; side++)
    {
      MossEntryRecord record;
      gboolean found;

      if (!name_on (merge, side, ino, dir, name, error))
        return FALSE;
      if (*name == NULL)
        continue;
      if (!get_entry (merge, *dir, *name, &record, &found, error))
        return FALSE;
      if (found && record.ino == ino)
        return TRUE;
      if (side == SIDE_A)
        g_clear_pointer (name, g_free);
    }
  /* It lost that name: the copy takes its place's neighbourhood all the same. */
  if (*name == NULL)
    {
      *dir = MOSS_TREE_ROOT;
      *name = g_strdup_printf ("%" G_GINT64_MODIFIER "x", ino);
    }
  return TRUE;
}

/* Whether another merge has made this copy already: it may have been written to since, and stays
 * as it is. @links: what its names are counted from. */
static gboolean
find_copy (Merge *merge, guint64 ino, gboolean *made, guint32 *links, GError **error)
{
  g_autoptr (GBytes) holder = NULL;
  g_autoptr (GBytes) ours = NULL;
  MossInodeRecord record;
  gboolean found;

  if (!merge_record_side (merge, SIDE_A, ino, &record, &ours, &found, error))
    return FALSE;
  *links = found ? record.nlink : 0;
  return merge_record (merge, ino, &record, &holder, made, error);
}

static gboolean
copy_loser (Merge *merge, guint64 ino, GError **error)
{
  Side loser = GPOINTER_TO_INT (g_hash_table_lookup (merge->fates, &ino)) == FATE_A ? SIDE_B
                                                                                    : SIDE_A;
  g_autoptr (GBytes) holder = NULL;
  g_autofree char *name = NULL;
  g_autofree char *copy_name = NULL;
  MossEntryRecord entry = { .dot = merge->dot, .type = S_IFREG };
  MossInodeRecord record;
  gboolean found, made;
  guint64 dir;
  guint16 slot;
  guint32 links;

  if (!merge_record_side (merge, loser, ino, &record, &holder, &found, error) || !found)
    return FALSE;
  entry.ino = copy_ino (merge, ino, record.content_dot);
  if (!find_copy (merge, entry.ino, &made, &links, error))
    return FALSE;
  if (made)
    return TRUE;
  if (!place_of (merge, ino, &dir, &name, error))
    return FALSE;
  slot = writer_of (&record);
  copy_name = free_name (merge, dir, name, slot, record.mtime_ns, error);
  if (copy_name == NULL)
    return FALSE;
  record.attr_dot = record.content_dot = merge->dot;
  record.nlink = links;
  record.parent = dir;
  record.flags = (record.flags | RECORD_CLOSED) & ~RECORD_XATTRS;
  merge_set_record (merge, entry.ino, &record);
  if (!merge_copy_content (merge, loser, ino, entry.ino, error))
    return FALSE;
  set_entry (merge, dir, copy_name, &entry);
  list_conflict (merge, entry.ino, ino, slot, record.mtime_ns);
  return TRUE;
}

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
        if (!name_on (merge, side, ino, &dir, &name, error))
          return FALSE;
      if (!done || name == NULL)
        goto broken;
      if (!get_entry (merge, dir, name, &there, &found, error))
        return FALSE;
      if (found && there.ino != ino)
        {
          g_autofree char *other
              = free_name (merge, dir, name, SLOT_OF (ino), 0, error);

          if (other == NULL)
            return FALSE;
          set_entry (merge, dir, other, &entry);
        }
      else
        set_entry (merge, dir, name, &entry);
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
  g_autoptr (GArray) links = changed_links (merge, error);

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
  if (!exists_on (merge, SIDE_A, ino, &found[0], error) ||
      !exists_on (merge, SIDE_B, ino, &found[1], error))
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
  if (!get_entry (merge, dir, name, &there, &found, error))
    return FALSE;
  if (found)
    {
      other = free_name (merge, dir, name, SLOT_OF (ino), 0, error);
      if (other == NULL)
        return FALSE;
    }
  set_entry (merge, dir, other != NULL ? other : name, &entry);
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

          if (read_entry (pair->key, pair->value[side], &record) && record.type == S_IFDIR &&
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
      if (!get_entry (merge, dir, name, &there, &found, error))
        return FALSE;
      if (found && there.ino == ino)
        continue;
      entry.type = record.mode & S_IFMT;
      if (found)
        {
          g_autofree char *other = free_name (merge, dir, name, writer_of (&record),
                                              record.mtime_ns, error);

          if (other == NULL)
            return FALSE;
          set_entry (merge, dir, other, &entry);
          /* Its name went to something that was put in its place. */
          list_conflict (merge, ino, there.ino, writer_of (&record), record.mtime_ns);
        }
      else
        set_entry (merge, dir, name, &entry);
    }
  return TRUE;
}

static gboolean
restore_nameless (Merge *merge, GError **error)
{
  g_autoptr (GArray) links = changed_links (merge, error);
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
        drop_entry (merge, link->dir, link->name);
      else
        {
          drop_entry (merge, other->dir, other->name);
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
          drop_entry (merge, moved->dir, moved->name);
          if (!get_entry (merge, MOSS_TREE_ROOT, moved->name, &there, &found, error))
            return FALSE;
          name = found ? free_name (merge, MOSS_TREE_ROOT, moved->name, SLOT_OF (ino), 0,
                                    error)
                       : g_strdup (moved->name);
          if (name == NULL)
            return FALSE;
          moved->record.dot = merge->dot;
          moved->dir = MOSS_TREE_ROOT;
          g_free (moved->name);
          moved->name = g_steal_pointer (&name);
          set_entry (merge, moved->dir, moved->name, &moved->record);
          merge->conflict_count++;
        }
    }
  return TRUE;
}

static gboolean
fix_directories (Merge *merge, GError **error)
{
  g_autoptr (GArray) links = changed_links (merge, error);
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
      if (read_entry (bytes, old, &record))
        {
          tally_of (tallies, record.ino)->links--;
          tally_of (tallies, dir)->directories -= record.type == S_IFDIR;
        }
      if (read_entry (bytes, value, &record))
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
  if (!get_entry (merge, dir, name, &there, &found, error))
    return FALSE;
  if (found)
    other = free_name (merge, dir, name, writer_of (record), record->mtime_ns, error);
  if (found && other == NULL)
    return FALSE;
  set_entry (merge, dir, other != NULL ? other : name, &entry);
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
merge_names (Merge *merge, GError **error)
{
  for (guint i = 0; i < merge->collisions->len; i++)
    {
      Collision collision = g_array_index (merge->collisions, Collision, i);
      g_autofree char *name = g_strdup (collision.name);

      /* The list may grow meanwhile. */
      collision.name = name;
      if (!settle (merge, &collision, error))
        return FALSE;
    }
  for (guint i = 0; i < merge->conflicts->len; i++)
    if (!copy_loser (merge, g_array_index (merge->conflicts, guint64, i), error))
      return FALSE;
  return restore_nameless (merge, error) && ensure_ends (merge, error) &&
         fix_directories (merge, error) && count_links (merge, error);
}
