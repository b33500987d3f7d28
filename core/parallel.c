// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/parallel.h"

typedef struct
{
  gsize count;
  gsize next; /* atomic */
  MossParallelFunc func;
  gpointer user_data;
  GMutex lock;
  GCond done;
  guint helpers; /* under lock: helpers that may still touch this */
} Job;

static void
work (Job *job)
{
  gsize index;

  while ((index = __atomic_fetch_add (&job->next, 1, __ATOMIC_RELAXED)) < job->count)
    job->func (index, job->user_data);
}

static void
help (gpointer data, gpointer unused)
{
  Job *job = data;

  work (job);
  g_mutex_lock (&job->lock);
  if (--job->helpers == 0)
    g_cond_signal (&job->done);
  g_mutex_unlock (&job->lock);
}

static GThreadPool *
pool (void)
{
  static gsize once;
  static GThreadPool *shared;

  if (g_once_init_enter (&once))
    {
      shared = g_thread_pool_new (help, NULL, (gint) g_get_num_processors (), FALSE, NULL);
      g_once_init_leave (&once, 1);
    }
  return shared;
}

/**
 * moss_parallel:
 * @func: called once for each index below @count, from several threads at once
 *
 * Spreads independent pieces of work over the processors; the caller works too, so a call
 * makes progress however busy the shared pool is. Returns when all is done. Any thread.
 */
void
moss_parallel (gsize count, MossParallelFunc func, gpointer user_data)
{
  Job job = { .count = count, .func = func, .user_data = user_data };
  guint helpers = MIN (MIN (count, g_get_num_processors ()), 8);

  helpers = helpers > 0 ? helpers - 1 : 0;
  g_mutex_init (&job.lock);
  g_cond_init (&job.done);
  job.helpers = helpers;
  for (guint i = 0; i < helpers; i++)
    g_thread_pool_push (pool (), &job, NULL);
  work (&job);
  g_mutex_lock (&job.lock);
  while (job.helpers > 0)
    g_cond_wait (&job.done, &job.lock);
  g_mutex_unlock (&job.lock);
  g_mutex_clear (&job.lock);
  g_cond_clear (&job.done);
}
