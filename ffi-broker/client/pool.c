// SPDX-License-Identifier: LGPL-2.1-or-later
/* Making a memfd is cheap, its first touch is not: the kernel finds, clears and maps every
 * page. So the memory of a large argument is kept for a moment after the call and filled
 * again for the next one. What lies in it is an earlier argument, perhaps of another
 * function: it only ever goes to processes that may see everything of this one, and is
 * never sealed. Any thread. */
#include "pool.h"

#include "buffer-private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST_BYTES (64 * 1024 * 1024) /* kept in all */
#define MOST 8
#define KEPT_US (5 * G_USEC_PER_SEC) /* without being used */

typedef struct
{
  MossFfiPooled pooled;
  gint64 since_us;
} Kept;

static GMutex lock; /* of what follows */
static Kept kept[MOST];
static guint n_kept; /* the oldest first */
static gboolean sweeping;

static gsize
kept_bytes (void)
{
  gsize bytes = 0;

  for (guint i = 0; i < n_kept; i++)
    bytes += kept[i].pooled.size;
  return bytes;
}

static MossFfiPooled
remove_kept (guint at)
{
  MossFfiPooled pooled = kept[at].pooled;

  memmove (kept + at, kept + at + 1, (--n_kept - at) * sizeof *kept);
  return pooled;
}

void
moss_ffi_pooled_close (const MossFfiPooled *pooled)
{
  munmap (pooled->data, pooled->size);
  close (pooled->fd);
}

static void
drop_oldest (void)
{
  MossFfiPooled pooled = remove_kept (0);

  moss_ffi_pooled_close (&pooled);
}

/* Gives the memory back to the system when nobody calls any more. */
static gpointer
sweep (gpointer unused)
{
  for (;;)
    {
      gboolean more;
      gint64 now;

      g_usleep (KEPT_US);
      now = g_get_monotonic_time ();
      g_mutex_lock (&lock);
      while (n_kept > 0 && now - kept[0].since_us >= KEPT_US)
        drop_oldest ();
      more = sweeping = n_kept > 0;
      g_mutex_unlock (&lock);
      if (!more)
        return NULL;
    }
}

/* The smallest one that is kept and long enough, not by far too long. */
static gboolean
take_kept (gsize length, MossFfiPooled *pooled)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  guint best = n_kept;

  for (guint i = 0; i < n_kept; i++)
    if (kept[i].pooled.size >= length && kept[i].pooled.size / 4 <= length
        && (best == n_kept || kept[i].pooled.size < kept[best].pooled.size))
      best = i;
  if (best == n_kept)
    return FALSE;
  *pooled = remove_kept (best);
  return TRUE;
}

/* Memory of @length bytes or more that can't be made shorter; anything may be in it. */
gboolean
moss_ffi_pool_take (gsize length, MossFfiPooled *pooled, GError **error)
{
  gsize size = length <= MOST_BYTES ? (gsize)1 << g_bit_storage (length - 1) : length;
  void *data;
  int fd;

  if (take_kept (length, pooled))
    return TRUE;
  fd = moss_ffi_memfd_make (size, error);
  if (fd < 0)
    return FALSE;
  data = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED)
    {
      moss_ffi_fail (error, MOSS_FFI_ERROR_FAILED,
                     "A buffer of %" G_GSIZE_FORMAT " bytes can't be mapped: %s", length,
                     g_strerror (errno));
      close (fd);
      return FALSE;
    }
  *pooled = (MossFfiPooled){ fd, size, data };
  return TRUE;
}

/* Takes one back that nobody uses any more. */
void
moss_ffi_pool_give (const MossFfiPooled *pooled)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  if (pooled->size > MOST_BYTES)
    {
      moss_ffi_pooled_close (pooled);
      return;
    }
  while (n_kept == MOST || kept_bytes () + pooled->size > MOST_BYTES)
    drop_oldest ();
  kept[n_kept++] = (Kept){ *pooled, g_get_monotonic_time () };
  if (!sweeping)
    g_thread_unref (g_thread_new ("moss-ffi-pool", sweep, NULL));
  sweeping = TRUE;
}
