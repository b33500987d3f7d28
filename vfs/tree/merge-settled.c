// SPDX-License-Identifier: GPL-3.0-or-later
/* Conflicts that one device has settled while another was still making its copy of them.
 *
 * Every device that takes in both of two contents makes the same copy of the loser, but each under
 * a dot of its own. Who settled the conflict has not seen that dot, and yet has dealt with the
 * copy: it has seen both contents, which the conflict's record names, and hasn't the record any
 * more. What that device hasn't, and nobody has touched since the merge made it, goes; what was
 * written to or renamed since stays, under its own dot. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/merge-private.h"

/* By the inode of the copy. */
typedef struct
{
  guint64 dot;    /* of what the other merge made */
  gboolean whole; /* the copy itself goes, too */
} Settled;

static gboolean
knows_both (Merge *merge, Side side, const MossConflictRecord *record)
{
  for (guint i = 0; i < 2; i++)
    if (record->cause[i] == 0 || !seen_has (merge->seen[side], record->cause[i]))
      return FALSE;
  return TRUE;
}

/* Whether the copy is as a merge made it on @side, and not there on the other. */
static gboolean
is_untouched (Merge *merge, Side side, guint64 ino, guint64 dot, gboolean *is, GError **error)
{
  g_autoptr (GBytes) holder = NULL;
  MossInodeRecord record;
  gboolean found, other;

  if (!merge_exists_on (merge, !side, ino, &other, error) ||
      !merge_record_side (merge, side, ino, &record, &holder, &found, error))
    return FALSE;
  *is = !other && found && record.content_dot == dot;
  return TRUE;
}

static gboolean
look_at (Merge *merge, const Pair *pair, GError **error)
{
  Side side = pair->value[SIDE_A] != NULL ? SIDE_A : SIDE_B;
  MossItem item = merge_item_of (pair->key, pair->value[side]);
  guint64 ino = moss_key_ino (&item);
  MossConflictRecord record;
  Settled settled;

  if (pair->value[!side] != NULL)
    return TRUE;
  if (!moss_conflict_record_read (&item, &record, error))
    return FALSE;
  if (!knows_both (merge, !side, &record))
    return TRUE;
  settled.dot = record.dot;
  if (!is_untouched (merge, side, ino, record.dot, &settled.whole, error))
    return FALSE;
  g_hash_table_replace (merge->settled, g_memdup2 (&ino, sizeof ino),
                        g_memdup2 (&settled, sizeof settled));
  return TRUE;
}

/* After collecting, before deciding. */
gboolean
merge_find_settled (Merge *merge, GError **error)
{
  for (guint i = 0; i < merge->pairs->len; i++)
    {
      Pair *pair = g_ptr_array_index (merge->pairs, i);
      MossItem item = merge_item_of (pair->key, NULL);

      if (moss_key_space (&item) == SPACE_CONFLICT && !look_at (merge, pair, error))
        return FALSE;
    }
  return TRUE;
}

/* Whether the other side has settled what made this inode, and it goes. */
gboolean
merge_inode_settled (Merge *merge, guint64 ino)
{
  Settled *settled = g_hash_table_lookup (merge->settled, &ino);

  return settled != NULL && settled->whole;
}

/* The same for a name of @ino, or for the conflict's record; @dot: its own */
gboolean
merge_item_settled (Merge *merge, guint64 ino, guint64 dot)
{
  Settled *settled = g_hash_table_lookup (merge->settled, &ino);

  return settled != NULL && settled->dot == dot;
}
