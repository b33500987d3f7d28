// SPDX-License-Identifier: GPL-3.0-or-later
/* The threads that serve the kernel.
 *
 * One of them has the turn: it takes requests and carries them out itself, one after the other,
 * since most take less time than waking somebody else for the next. Another gets the turn
 * - at once, when a request may take long: it is carried out beside those that follow;
 * - when one that shouldn't has taken STUCK_US: it waits for a disk or the network. A watcher sees
 *   that. It wakes every STUCK_US while requests come, and not at all when there were none for
 *   QUIET_US.
 * So there are as many threads as requests that take long, one with the turn, and a watcher,
 * within bounds. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define THREADS_MAX 128
#define PARKED_MAX 2 /* the watcher, and one that needn't be made anew */
#define NOBODY (-1)
#define STUCK_US 5000
#define QUIET_US 100000
#define LONG_READ (16u << 10)
#define LONG_WRITE (64u << 10)
#define WAKE_SIGNAL SIGURG

struct _MountThreads
{
  MossMount *mount;
  GMutex lock;
  GCond turn;  /* for those who wait but the watcher */
  GCond watch; /* for the watcher */
  GCond changed;
  GArray *threads; /* pthread_t */
  gboolean slots[FUSE_STATE_SLOTS];
  guint starting;
  guint waiting; /* for the turn; the watcher isn't one of them */
  int holder;    /* number of who has the turn, or NOBODY */
  int watcher;
  gint watching; /* atomic: the watcher will look by itself */
  gboolean over; /* the connection has ended */
};

static void start_thread (MountThreads *threads);

static gboolean
is_ending (MountThreads *threads)
{
  return threads->over || g_atomic_int_get (&threads->mount->stopping);
}

/* ---- the watcher --------------------------------------------------------------------- */

/* Lock held. How long the one with the turn has worked on its request; < 0: it has none, and when
 * it took the last one. */
static gint64
look (MountThreads *threads)
{
  FuseStateBlock *block = fuse_state_get_block (threads->mount->state);
  const FuseStateSlot *slot = &block->slots[threads->holder];
  guint64 unique = __atomic_load_n (&slot->unique, __ATOMIC_SEQ_CST);
  gint64 passed_us = g_get_monotonic_time () - __atomic_load_n (&slot->since_us, __ATOMIC_RELAXED);

  return unique != 0 ? passed_us : -1 - passed_us;
}

/* Lock held. Waits a while; TRUE when the turn is to be taken from who has it. */
static gboolean
watch (MountThreads *threads)
{
  gint64 passed_us = look (threads);

  if (passed_us >= STUCK_US)
    return TRUE;
  if (passed_us < -QUIET_US)
    {
      g_atomic_int_set (&threads->watching, 0);
      /* It may have taken one since, and not seen that nobody watches. */
      if (look (threads) < 0)
        g_cond_wait (&threads->watch, &threads->lock);
      g_atomic_int_set (&threads->watching, 1);
      return FALSE;
    }
  g_cond_wait_until (&threads->watch, &threads->lock, g_get_monotonic_time () + STUCK_US);
  return FALSE;
}

static void
wake_watcher (MountThreads *threads)
{
  g_mutex_lock (&threads->lock);
  g_cond_signal (&threads->watch);
  g_mutex_unlock (&threads->lock);
}

/* ---- the turn ------------------------------------------------------------------------ */

/* Lock held. Sees to it that somebody watches. */
static void
find_watcher (MountThreads *threads)
{
  if (threads->watcher != NOBODY || threads->starting > 0)
    return;
  if (threads->waiting > 0)
    g_cond_signal (&threads->turn);
  else
    start_thread (threads);
}

/* Lock held. */
static gboolean
wait_for_turn (MountThreads *threads, int self)
{
  while (threads->holder != NOBODY && !is_ending (threads))
    {
      if (threads->watcher == NOBODY)
        threads->watcher = self;
      if (threads->watcher == self && watch (threads))
        break;
      if (threads->watcher == self)
        continue;
      threads->waiting++;
      g_cond_wait (&threads->turn, &threads->lock);
      threads->waiting--;
    }
  if (threads->watcher == self)
    threads->watcher = NOBODY;
  return !is_ending (threads);
}

/* FALSE: it isn't needed any more. */
static gboolean
take_turn (MountThreads *threads, int self)
{
  guint parked;
  gboolean taken;

  g_mutex_lock (&threads->lock);
  taken = threads->holder == self && !is_ending (threads);
  parked = threads->waiting + (threads->watcher != NOBODY);
  if (!taken && (threads->holder == NOBODY || parked < PARKED_MAX)
      && wait_for_turn (threads, self))
    {
      taken = TRUE;
      threads->holder = self;
      find_watcher (threads);
    }
  g_mutex_unlock (&threads->lock);
  return taken;
}

static void
give_turn (MountThreads *threads, int self)
{
  g_mutex_lock (&threads->lock);
  if (threads->holder == self)
    {
      threads->holder = NOBODY;
      if (threads->waiting > 0)
        g_cond_signal (&threads->turn);
      else if (threads->watcher != NOBODY)
        g_cond_signal (&threads->watch);
      else if (threads->starting == 0)
        start_thread (threads);
    }
  g_mutex_unlock (&threads->lock);
}

/* Whether others shouldn't wait for it. */
static gboolean
takes_long (const struct fuse_in_header *request)
{
  const struct fuse_read_in *read = (gconstpointer) (request + 1);
  const struct fuse_write_in *write = (gconstpointer) (request + 1);

  switch (request->opcode)
    {
    case FUSE_READ:
      return read->size > LONG_READ;
    case FUSE_WRITE:
      return request->len > LONG_WRITE || (write->flags & O_DSYNC) != 0;
    case FUSE_FSYNC:
    case FUSE_FALLOCATE:
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
      return TRUE;
    default:
      return FALSE;
    }
}

/* ---- threads ------------------------------------------------------------------------- */

static void
serve (MountThreads *threads, int self)
{
  struct fuse_session *session = threads->mount->session;
  struct fuse_buf buffer = { 0 };

  while (take_turn (threads, self))
    {
      int n = fuse_session_receive_buf (session, &buffer);

      /* As the watcher says first that it doesn't watch, and looks then. */
      __atomic_thread_fence (__ATOMIC_SEQ_CST);
      if (n > 0 && takes_long (buffer.mem))
        give_turn (threads, self);
      else if (n > 0 && !g_atomic_int_get (&threads->watching))
        wake_watcher (threads);
      if (n > 0)
        fuse_session_process_buf (session, &buffer);
      connection_end_request ();
      if ((n <= 0 && n != -EINTR) || fuse_session_exited (session))
        threads->over = TRUE;
    }
  free (buffer.mem);
}

static int
take_slot (MountThreads *threads)
{
  for (guint i = 0; i < FUSE_STATE_SLOTS; i++)
    if (!threads->slots[i])
      {
        threads->slots[i] = TRUE;
        return i;
      }
  g_assert_not_reached (); /* there are more slots than threads */
}

static void
leave (MountThreads *threads, int self)
{
  pthread_t thread = pthread_self ();
  MossMount *mount = threads->mount;

  threads->slots[self] = FALSE;
  for (guint i = 0; i < threads->threads->len; i++)
    if (pthread_equal (g_array_index (threads->threads, pthread_t, i), thread))
      {
        g_array_remove_index_fast (threads->threads, i);
        break;
      }
  if (threads->over)
    {
      g_cond_broadcast (&threads->turn);
      g_cond_broadcast (&threads->watch);
    }
  if (threads->threads->len == 0 && !g_atomic_int_get (&mount->stopping)
      && mount->hooks.ended != NULL)
    mount->hooks.ended (mount->user_data);
  g_cond_broadcast (&threads->changed);
}

static gpointer
run_thread (gpointer data)
{
  MountThreads *threads = data;
  pthread_t thread = pthread_self ();
  int self;

  g_mutex_lock (&threads->lock);
  self = take_slot (threads);
  g_array_append_val (threads->threads, thread);
  threads->starting--;
  g_mutex_unlock (&threads->lock);
  connection_use_slot (&fuse_state_get_block (threads->mount->state)->slots[self]);
  serve (threads, self);
  connection_use_slot (NULL);
  g_mutex_lock (&threads->lock);
  leave (threads, self);
  g_mutex_unlock (&threads->lock);
  return NULL;
}

/* Lock held. */
static void
start_thread (MountThreads *threads)
{
  if (threads->threads->len + threads->starting >= THREADS_MAX || is_ending (threads))
    return;
  threads->starting++;
  g_thread_unref (g_thread_new ("net-files", run_thread, threads));
}

static void
on_wake (int number)
{
}

MountThreads *
threads_new (MossMount *mount)
{
  struct sigaction wake = { .sa_handler = on_wake };
  MountThreads *threads = g_new0 (MountThreads, 1);

  sigaction (WAKE_SIGNAL, &wake, NULL);
  threads->mount = mount;
  threads->holder = threads->watcher = NOBODY;
  threads->watching = 1;
  threads->threads = g_array_new (FALSE, FALSE, sizeof (pthread_t));
  g_mutex_init (&threads->lock);
  g_cond_init (&threads->turn);
  g_cond_init (&threads->watch);
  g_cond_init (&threads->changed);
  return threads;
}

void
threads_start (MountThreads *threads)
{
  g_mutex_lock (&threads->lock);
  start_thread (threads);
  g_mutex_unlock (&threads->lock);
}

/* A read of the connection that waits ends only by a signal. */
void
threads_free (MountThreads *threads)
{
  g_mutex_lock (&threads->lock);
  while (threads->threads->len > 0 || threads->starting > 0)
    {
      g_cond_broadcast (&threads->turn);
      g_cond_broadcast (&threads->watch);
      for (guint i = 0; i < threads->threads->len; i++)
        pthread_kill (g_array_index (threads->threads, pthread_t, i), WAKE_SIGNAL);
      g_cond_wait_until (&threads->changed, &threads->lock, g_get_monotonic_time () + 20000);
    }
  g_mutex_unlock (&threads->lock);
  g_array_unref (threads->threads);
  g_mutex_clear (&threads->lock);
  g_cond_clear (&threads->turn);
  g_cond_clear (&threads->watch);
  g_cond_clear (&threads->changed);
  g_free (threads);
}
