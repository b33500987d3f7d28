// SPDX-License-Identifier: GPL-3.0-or-later
/* The second half of a merge: names and directories. After the items were merged each by itself,
 * a name may lead to nothing, a directory may be in two places, in itself or in none, and two
 * things may want one name. Here, and in merge-places.c, that is set right, always the same way
 * whoever merges, and never by losing a file. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/merge-private.h"

#include <sodium.h>

/* --- two things of one name --- */

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
    merge_add_link (children->links, moss_key_ino (item), name, &record);
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

  g_array_set_clear_func (links, merge_clear_link);
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

      merge_drop_entry (merge, loser, link->name);
      /* The other device had moved this one into that one: it is where it is now. */
      if (link->record.ino == winner)
        continue;
      if (!merge_get_entry (merge, winner, link->name, &there, &found, error))
        return FALSE;
      link->record.dot = merge->dot;
      if (!found)
        {
          merge_set_entry (merge, winner, link->name, &link->record);
          continue;
        }
      collision.name = g_strdup (link->name);
      collision.record[loser_side] = link->record;
      collision.record[!loser_side] = there;
      g_array_append_val (merge->collisions, collision);
    }
  return merge_drop_inode (merge, loser, error);
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
  if (!merge_exists_on (merge, !loser, ino, &known, error))
    return FALSE;
  return known || merge_same_content (merge, collision->record[SIDE_A].ino,
                                      collision->record[SIDE_B].ino, spare, error);
}

static gboolean
settle (Merge *merge, const Collision *collision, GError **error)
{
  MossInodeRecord record[2];
  MossEntryRecord entry;
  guint64 cause[2];
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
      merge_set_entry (merge, collision->dir, collision->name, &collision->record[winner]);
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
  merge_set_entry (merge, collision->dir, collision->name, &entry);
  if (directories &&
      !merge_exists_on (merge, winner, collision->record[loser].ino, &shared, error))
    return FALSE;
  if (directories && !shared)
    return join_directories (merge, entry.ino, collision->record[loser].ino, loser, error);
  if (!is_spare (merge, collision, record, loser, &spare, error))
    return FALSE;
  if (spare)
    return merge_drop_inode (merge, collision->record[loser].ino, error);
  name = merge_free_name (merge, collision->dir, collision->name,
                          merge_writer_of (&record[loser]), record[loser].mtime_ns, error);
  if (name == NULL)
    return FALSE;
  entry = collision->record[loser];
  entry.dot = merge->dot;
  merge_set_entry (merge, collision->dir, name, &entry);
  cause[0] = collision->record[loser].dot;
  cause[1] = collision->record[winner].dot;
  merge_list_conflict (merge, entry.ino, collision->record[winner].ino,
                       merge_writer_of (&record[loser]), record[loser].mtime_ns, cause);
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

/* Where the copy of a file goes: beside a name that it has in the result. */
static gboolean
place_of (Merge *merge, guint64 ino, guint64 *dir, char **name, GError **error)
{
  for (guint side = 0; side < 2; side++)
    {
      MossEntryRecord record;
      gboolean found;

      if (!merge_name_on (merge, side, ino, dir, name, error))
        return FALSE;
      if (*name == NULL)
        continue;
      if (!merge_get_entry (merge, *dir, *name, &record, &found, error))
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
content_dot_on (Merge *merge, Side side, guint64 ino, guint64 *dot, GError **error)
{
  g_autoptr (GBytes) holder = NULL;
  MossInodeRecord record;
  gboolean found;

  if (!merge_record_side (merge, side, ino, &record, &holder, &found, error))
    return FALSE;
  *dot = found ? record.content_dot : 0;
  return TRUE;
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
  guint64 dir, cause[2];
  guint16 slot;
  guint32 links;

  if (!merge_record_side (merge, loser, ino, &record, &holder, &found, error) || !found)
    return FALSE;
  cause[0] = record.content_dot;
  if (!content_dot_on (merge, !loser, ino, &cause[1], error))
    return FALSE;
  entry.ino = copy_ino (merge, ino, record.content_dot);
  if (!find_copy (merge, entry.ino, &made, &links, error))
    return FALSE;
  if (made)
    return TRUE;
  if (!place_of (merge, ino, &dir, &name, error))
    return FALSE;
  slot = merge_writer_of (&record);
  copy_name = merge_free_name (merge, dir, name, slot, record.mtime_ns, error);
  if (copy_name == NULL)
    return FALSE;
  record.attr_dot = record.content_dot = merge->dot;
  record.nlink = links;
  record.parent = dir;
  record.flags = (record.flags | RECORD_CLOSED) & ~RECORD_XATTRS;
  merge_set_record (merge, entry.ino, &record);
  if (!merge_copy_content (merge, loser, ino, entry.ino, error))
    return FALSE;
  merge_set_entry (merge, dir, copy_name, &entry);
  merge_list_conflict (merge, entry.ino, ino, slot, record.mtime_ns, cause);
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
  return merge_places (merge, error);
}
