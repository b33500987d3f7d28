// SPDX-License-Identifier: GPL-3.0-or-later
/* Contents into the store: long pieces as objects of their own, short ones several to an object.
 * Compressing and sealing is done outside the lock, on several processors. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "core/parallel.h"

Sealing *
sealing_new (void)
{
  Sealing *sealing = g_new0 (Sealing, 1);

  sealing->sources = g_ptr_array_new_with_free_func ((GDestroyNotify) moss_source_unref);
  sealing->known = g_hash_table_new (NULL, NULL);
  return sealing;
}

void
sealing_free (Sealing *sealing)
{
  g_hash_table_unref (sealing->known);
  g_ptr_array_unref (sealing->sources);
  g_free (sealing);
}

/* With the lock. What is stored already is not taken. */
void
sealing_add (Sealing *sealing, MossSource *source)
{
  if (source->stored || source->length == 0 || !g_hash_table_add (sealing->known, source))
    return;
  source->frozen = TRUE;
  g_ptr_array_add (sealing->sources, moss_source_ref (source));
}

/* An object to be: one source, or several in a row. */
typedef struct
{
  guint first;
  guint count;
  guint32 length;
  MossRef ref;
} Job;

typedef struct
{
  MossTree *tree;
  GPtrArray *sources; /* in the order of the jobs */
  GArray *jobs;
  GError *error; /* the first, atomic */
} Work;

static void
run_job (gsize index, gpointer user_data)
{
  Work *work = user_data;
  Job *job = &g_array_index (work->jobs, Job, index);
  MossSource *source = g_ptr_array_index (work->sources, job->first);
  g_autofree guint8 *bundle = NULL;
  const guint8 *bytes = source->data;
  GError *error = NULL;

  if (g_atomic_pointer_get (&work->error) != NULL)
    return;
  if (job->count > 1)
    {
      guint8 *to = bundle = g_malloc (job->length);

      for (guint i = 0; i < job->count; i++)
        {
          source = g_ptr_array_index (work->sources, job->first + i);
          memcpy (to, source->data, source->length);
          to += source->length;
        }
      bytes = bundle;
    }
  if (!moss_store_put (work->tree->config.store, bytes, job->length, &job->ref, &error) &&
      !g_atomic_pointer_compare_and_exchange (&work->error, NULL, error))
    g_error_free (error);
}

static void
plan (Work *work, GPtrArray *sources)
{
  Job bundle = { 0 };

  for (guint i = 0; i < sources->len; i++)
    {
      MossSource *source = g_ptr_array_index (sources, i);

      if (source->length > BUNDLE_PIECE_MAX)
        {
          Job job = { .first = work->sources->len, .count = 1, .length = source->length };

          g_ptr_array_add (work->sources, source);
          g_array_append_val (work->jobs, job);
        }
    }
  for (guint i = 0; i < sources->len; i++)
    {
      MossSource *source = g_ptr_array_index (sources, i);

      if (source->length > BUNDLE_PIECE_MAX)
        continue;
      if (bundle.length + source->length > BUNDLE_BYTES)
        {
          g_array_append_val (work->jobs, bundle);
          bundle = (Job){ 0 };
        }
      if (bundle.count == 0)
        bundle.first = work->sources->len;
      g_ptr_array_add (work->sources, source);
      bundle.count++;
      bundle.length += source->length;
    }
  if (bundle.count > 0)
    g_array_append_val (work->jobs, bundle);
}

/* With the lock: from now on they are read from the store. */
static void
mark_stored (MossTree *tree, Work *work)
{
  for (guint i = 0; i < work->jobs->len; i++)
    {
      Job *job = &g_array_index (work->jobs, Job, i);
      guint32 start = 0;

      for (guint j = 0; j < job->count; j++)
        {
          MossSource *source = g_ptr_array_index (work->sources, job->first + j);

          source->ref = job->ref;
          source->start = start;
          source->stored = TRUE;
          start += source->length;
          tree_account (tree, -(gint64) source->room);
          g_clear_pointer (&source->data, g_free);
          source->room = 0;
        }
    }
}

/* When it fails nothing has changed, but for objects that nobody refers to. */
gboolean
sealing_run (MossTree *tree, Sealing *sealing, GError **error)
{
  Work work = { .tree = tree };

  if (sealing->sources->len == 0)
    return TRUE;
  work.sources = g_ptr_array_new ();
  work.jobs = g_array_new (FALSE, FALSE, sizeof (Job));
  plan (&work, sealing->sources);
  moss_parallel (work.jobs->len, run_job, &work);
  if (work.error == NULL)
    {
      g_mutex_lock (&tree->lock);
      mark_stored (tree, &work);
      g_mutex_unlock (&tree->lock);
    }
  g_ptr_array_unref (work.sources);
  g_array_unref (work.jobs);
  if (work.error == NULL)
    return TRUE;
  g_propagate_error (error, work.error);
  return FALSE;
}

/* Short, in one piece and in memory: it stands in the inode's own record. */
gboolean
content_is_inline (const MossContent *content, guint64 size)
{
  return size > 0 && size <= INLINE_MAX && content->count == 1 &&
         content->segments[0].offset == 0 && content->segments[0].length == size &&
         content->segments[0].source->data != NULL;
}

/**
 * commit_write_back:
 *
 * Stores the long pieces of what is only in memory, without a commit. commit_lock is held.
 */
gboolean
commit_write_back (MossTree *tree, GError **error)
{
  g_autoptr (Sealing) sealing = sealing_new ();

  g_mutex_lock (&tree->lock);
  for (guint i = 0; i < tree->dirty->len; i++)
    {
      Inode *inode = tree_find (tree, g_array_index (tree->dirty, guint64, i));

      if (inode == NULL || !S_ISREG (inode->mode) || inode->content == NULL)
        continue;
      for (guint j = 0; j < inode->content->count; j++)
        if (inode->content->segments[j].source->length > BUNDLE_PIECE_MAX)
          sealing_add (sealing, inode->content->segments[j].source);
    }
  g_mutex_unlock (&tree->lock);
  return sealing_run (tree, sealing, error);
}
