// SPDX-License-Identifier: GPL-3.0-or-later
/* Tells the kernel what changed from elsewhere.
 *
 * From a thread of its own: while a request about a directory is under way the kernel holds that
 * directory's lock, and the notice waits for it; in a handler that would never end (libfuse's
 * README.notifications).
 *
 * Each notice is given twice: an answer that was under way at the first one, and says what was
 * before, may be kept by the kernel after it. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"

#include <string.h>

#define AGAIN_US (100 * G_TIME_SPAN_MILLISECOND)

typedef struct
{
  guint64 ino; /* 0: end */
  char *name;
  gboolean content;
  gint64 again_us; /* when it is to be told again */
} Change;

struct _MountChanges
{
  MossMount *mount;
  GAsyncQueue *queue;
  GThread *thread;
};

static void
change_free (gpointer data)
{
  Change *change = data;

  g_free (change->name);
  g_free (change);
}

/* offset -1: attributes only. */
static void
tell (MossMount *mount, const Change *change)
{
  fuse_ino_t node = to_node (change->ino);

  if (change->name != NULL)
    {
      fuse_lowlevel_notify_inval_entry (mount->session, node, change->name,
                                        strlen (change->name));
      /* The list of a directory that the kernel keeps, too. */
      fuse_lowlevel_notify_inval_inode (mount->session, node, 0, 0);
      return;
    }
  if (change->content && mount->backing != NULL)
    backing_refresh (mount, change->ino);
  fuse_lowlevel_notify_inval_inode (mount->session, node, change->content ? 0 : -1, 0);
}

/* The next one, or NULL when the first of those told is to be told again. */
static Change *
wait_for_change (MountChanges *changes, GQueue *told)
{
  Change *first = g_queue_peek_head (told);
  gint64 left_us;

  if (first == NULL)
    return g_async_queue_pop (changes->queue);
  left_us = first->again_us - g_get_monotonic_time ();
  return left_us > 0 ? g_async_queue_timeout_pop (changes->queue, left_us) : NULL;
}

static gpointer
run (gpointer data)
{
  MountChanges *changes = data;
  g_autoptr (GQueue) told = g_queue_new ();

  for (;;)
    {
      Change *change = wait_for_change (changes, told);
      gboolean again = change == NULL;

      if (again && (change = g_queue_peek_head (told)) == NULL)
        continue;
      if (again && change->again_us > g_get_monotonic_time ())
        continue;
      if (again)
        g_queue_pop_head (told);
      if (change->ino == 0)
        {
          change_free (change);
          g_queue_free_full (g_steal_pointer (&told), change_free);
          return NULL;
        }
      if (!g_atomic_int_get (&changes->mount->stopping))
        tell (changes->mount, change);
      if (again)
        change_free (change);
      else
        {
          change->again_us = g_get_monotonic_time () + AGAIN_US;
          g_queue_push_tail (told, change);
        }
    }
}

MountChanges *
changes_new (MossMount *mount)
{
  MountChanges *changes = g_new0 (MountChanges, 1);

  changes->mount = mount;
  changes->queue = g_async_queue_new_full (change_free);
  changes->thread = g_thread_new ("net-changes", run, changes);
  return changes;
}

void
changes_free (MountChanges *changes)
{
  g_async_queue_push_front (changes->queue, g_new0 (Change, 1));
  g_thread_join (changes->thread);
  g_async_queue_unref (changes->queue);
  g_free (changes);
}

void
moss_mount_changed (MossMount *mount, const MossTreeChange *changes, gsize count)
{
  g_atomic_int_inc (&mount->changes_told);
  for (gsize i = 0; i < count; i++)
    {
      Change *change = g_new0 (Change, 1);

      change->ino = changes[i].ino;
      change->name = g_strdup (changes[i].name);
      change->content = changes[i].content;
      g_async_queue_push (mount->changes->queue, change);
    }
}
