// SPDX-License-Identifier: GPL-3.0-or-later
/* How long former roots and old versions are kept: all of the first span, then one a step. Of
 * those that fall into one step the newest stays. What a file was is kept as long after it was
 * removed as it would be if it were there. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "core/clock.h"
#include "vfs/tree/bytes.h"

enum
{
  MINUTE_S = 60,
  HOUR_S = 3600,
  DAY_S = 24 * HOUR_S,
  WEEK_S = 7 * DAY_S,
  YEAR_S = 366 * DAY_S,
};

static const MossTreeKeepRule default_rules[] = { { DAY_S, 1 },
                                                  { WEEK_S, HOUR_S },
                                                  { 31 * DAY_S, DAY_S },
                                                  { YEAR_S, WEEK_S },
                                                  { 0, 0 } };

/* Roots come with every commit: of a day one a minute is enough. */
static const MossTreeKeepRule root_rules[] = { { 10 * MINUTE_S, 1 },
                                               { DAY_S, MINUTE_S },
                                               { WEEK_S, HOUR_S },
                                               { 31 * DAY_S, DAY_S },
                                               { YEAR_S, WEEK_S },
                                               { 0, 0 } };

/* Which step a time falls into; FALSE: too old. All of a step have one number. */
static gboolean
step_of (const MossTreeKeepRule *rules, gint64 now_us, gint64 time_us, gint64 *step)
{
  gint64 age_s = (now_us - time_us) / G_USEC_PER_SEC;
  guint i = 0;

  while (rules[i].within_s != 0 && age_s >= rules[i].within_s)
    i++;
  if (rules[i].within_s == 0)
    return FALSE;
  /* In the first span every one is its own step. */
  *step = i == 0 ? time_us : time_us / (rules[i].step_s * G_USEC_PER_SEC);
  return TRUE;
}

typedef struct
{
  const MossTreeKeepRule *rules;
  gint64 now_us;
  MossChanges *changes;
  /* The item before: it goes when this one is of the same file and step. */
  guint64 ino;
  gint64 step;
  GBytes *key; /* nullable */
} Thinning;

static void
consider (Thinning *thinning, const MossItem *item, guint64 ino, gint64 time_us)
{
  gint64 step;

  if (!step_of (thinning->rules, thinning->now_us, time_us, &step))
    {
      moss_changes_remove (thinning->changes, item->key, item->key_length);
      return;
    }
  if (thinning->key != NULL && thinning->ino == ino && thinning->step == step)
    moss_changes_remove (thinning->changes, g_bytes_get_data (thinning->key, NULL),
                         g_bytes_get_size (thinning->key));
  g_clear_pointer (&thinning->key, g_bytes_unref);
  thinning->key = g_bytes_new (item->key, item->key_length);
  thinning->ino = ino;
  thinning->step = step;
}

static gboolean
on_version (const MossItem *item, gpointer user_data)
{
  MossVersionRecord record;

  if (moss_version_record_read (item, &record, NULL))
    consider (user_data, item, moss_key_ino (item), record.time_us);
  return TRUE;
}

static gboolean
on_root (const MossItem *item, gpointer user_data)
{
  consider (user_data, item, 0, moss_key_ino (item));
  return TRUE;
}

static gboolean
thin (MossTree *tree,
      MossSpace space,
      MossItemFunc each,
      Thinning *thinning,
      const MossTreeKeepRule *rules,
      GError **error)
{
  guint8 prefix = space;
  gboolean ok;

  thinning->rules = rules;
  thinning->ino = G_MAXUINT64;
  ok = moss_table_each (tree->table, &tree->base, &prefix, 1, NULL, 0, each, thinning, error);
  g_clear_pointer (&thinning->key, g_bytes_unref);
  return ok;
}

/* With commit_lock: base doesn't change. A removal is a change like others: the next root has
 * it, and the other devices take it over. */
static gboolean
retain (MossTree *tree,
        const MossTreeKeepRule *versions,
        const MossTreeKeepRule *roots,
        GError **error)
{
  g_autoptr (MossChanges) changes = moss_changes_new ();
  g_autoptr (GArray) seen = NULL;
  Thinning thinning = { .now_us = moss_clock_now_us (), .changes = changes };
  MossRef table;

  if (!commit_now (tree, error))
    return FALSE;
  if (moss_table_is_empty (&tree->base))
    return TRUE;
  if (!thin (tree, SPACE_VERSION, on_version, &thinning, versions, error) ||
      !thin (tree, SPACE_HISTORY, on_root, &thinning, roots, error))
    return FALSE;
  if (changes->list->len == 0)
    return TRUE;
  moss_changes_sort (changes);
  seen = g_array_copy (tree->seen);
  seen_raise (seen, tree->config.slot, tree->number + 1);
  if (!moss_table_apply (tree->table, &tree->base, changes, &table, error) ||
      !commit_root (tree, &table, tree->number + 1, seen, NULL, tree->mark_epoch,
                    tree->mark_skip, &tree->orphans_ref, TRUE, error))
    return FALSE;
  g_mutex_lock (&tree->lock);
  tree->base = table;
  g_mutex_unlock (&tree->lock);
  g_debug ("%u old versions and roots are let go of", changes->list->len);
  return TRUE;
}

gboolean
moss_tree_retain (MossTree *tree, const MossTreeKeepRule *rules, GError **error)
{
  gboolean ok;

  g_mutex_lock (&tree->commit_lock);
  ok = retain (tree, rules != NULL ? rules : default_rules, rules != NULL ? rules : root_rules,
               error);
  g_mutex_unlock (&tree->commit_lock);
  return ok;
}
