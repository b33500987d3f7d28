// SPDX-License-Identifier: GPL-3.0-or-later
/* The commit thread: commits a moment after a change, when it is quiet, or a second after the
 * first when it isn't; writes contents back before they fill memory; keeps versions as long as
 * the rules say. After a failure it waits and tries again. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

enum
{
  QUIET_MS = 40,
  LONGEST_MS = 1000,
  SHARE = 4, /* pauses are so many times as long as commits */
  RETRY_S = 2,
  RETENTION_S = 600,
};

/* Monotonic time of the next commit, or 0: nothing to do. */
static gint64
due_at (MossTree *tree)
{
  gint64 quiet_us = (tree->config.commit_after_ms > 0 ? tree->config.commit_after_ms
                                                      : QUIET_MS) * 1000;
  gint64 due;

  if (tree->urgent || tree->stopping)
    return 1;
  if (tree->dirty_since_us == 0)
    return 0;
  due = MIN (tree->touched_us + quiet_us,
             tree->dirty_since_us + MAX (LONGEST_MS * 1000, quiet_us));
  due = MAX (due, tree->last_commit_us + MIN (SHARE * tree->last_cost_us, G_USEC_PER_SEC));
  return MAX (due, tree->retry_at_us);
}

static void
run_commit (MossTree *tree)
{
  GError *error = NULL;
  gint64 began = g_get_monotonic_time ();
  guint64 wanted;
  gboolean ok;

  wanted = tree->wanted;
  tree->urgent = FALSE;
  g_mutex_unlock (&tree->lock);
  g_mutex_lock (&tree->commit_lock);
  ok = commit_now (tree, &error);
  g_mutex_unlock (&tree->commit_lock);
  g_mutex_lock (&tree->lock);
  tree->last_commit_us = g_get_monotonic_time ();
  tree->last_cost_us = tree->last_commit_us - began;
  tree->commit_us += tree->last_cost_us;
  tree->finished = wanted;
  g_clear_error (&tree->failure);
  tree->retry_at_us = 0;
  if (!ok)
    {
      g_message ("the tree can't be committed: %s", error->message);
      tree->failure = error;
      tree->retry_at_us = tree->last_commit_us + RETRY_S * G_USEC_PER_SEC;
    }
  g_cond_broadcast (&tree->done);
  g_cond_broadcast (&tree->room);
}

static gboolean
run_write_back (MossTree *tree)
{
  g_autoptr (GError) error = NULL;
  guint64 before = tree->dirty_bytes;
  gboolean ok;

  g_mutex_unlock (&tree->lock);
  g_mutex_lock (&tree->commit_lock);
  ok = commit_write_back (tree, &error);
  g_mutex_unlock (&tree->commit_lock);
  g_mutex_lock (&tree->lock);
  if (!ok)
    g_message ("contents can't be stored: %s", error->message);
  return ok && tree->dirty_bytes < before;
}

static void
run_retention (MossTree *tree)
{
  g_autoptr (GError) error = NULL;

  tree->next_retention_us = g_get_monotonic_time () + RETENTION_S * G_USEC_PER_SEC;
  g_mutex_unlock (&tree->lock);
  if (!moss_tree_retain (tree, NULL, &error))
    g_message ("old versions can't be let go of: %s", error->message);
  g_mutex_lock (&tree->lock);
}

gpointer
commit_thread (gpointer user_data)
{
  MossTree *tree = user_data;

  g_mutex_lock (&tree->lock);
  while (!tree->stopping)
    {
      gint64 due = due_at (tree);
      gint64 now = g_get_monotonic_time ();

      if (tree->dirty_bytes >= DIRTY_SOON && tree->retry_at_us <= now && !tree->urgent &&
          run_write_back (tree))
        continue;
      if (due != 0 && due <= now)
        run_commit (tree);
      else if (tree->dirty_bytes >= DIRTY_MOST && tree->retry_at_us <= now)
        run_commit (tree);
      else if (due == 0 && tree->commits > 0 && now >= tree->next_retention_us)
        run_retention (tree);
      else if (due != 0)
        g_cond_wait_until (&tree->work, &tree->lock, due);
      else
        g_cond_wait (&tree->work, &tree->lock);
    }
  g_mutex_unlock (&tree->lock);
  return NULL;
}

/* Commits what there is now and waits until it is on the disk. Without the lock. */
gboolean
tree_commit_and_wait (MossTree *tree, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  guint64 mine = ++tree->wanted;

  tree->urgent = TRUE;
  g_cond_signal (&tree->work);
  while (tree->finished < mine && !tree->stopping)
    g_cond_wait (&tree->done, &tree->lock);
  if (tree->finished >= mine && tree->failure == NULL)
    return TRUE;
  if (tree->failure != NULL)
    g_propagate_error (error, g_error_copy (tree->failure));
  else
    g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_FAILED, "the tree is closed");
  return FALSE;
}
