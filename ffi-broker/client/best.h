// SPDX-License-Identifier: LGPL-2.1-or-later
/* One's own routine, overtaken by a better one only for the sizes where it loses:
 *
 *   static MossFfiBest sort = MOSS_FFI_BEST ("transform
 * sort(application/x-moss-tensor,dtype=i32)" " -> application/x-moss-tensor,dtype=i32",
 * my_sort); moss_ffi_call_best (&sort, numbers, bytes, numbers, bytes);
 *
 * For C only. While the own routine is the best for a size, a call costs a load, a store
 * and a branch more than calling it. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Reads @bytes at @in, writes at most @room at @out (which may be @in), gives how many.
 */
typedef gsize (*MossFfiOwn) (gconstpointer in, gsize bytes, gpointer out, gsize room);

#define MOSS_FFI_BEST_SIZES 64

typedef struct
{
  const char *capability; /* of one input without options; pure */
  MossFfiOwn own;
  /* For each power of two: how many more calls go to the own routine unasked. */
  guint32 unasked[MOSS_FFI_BEST_SIZES];
  gpointer state;
} MossFfiBest;

#define MOSS_FFI_BEST(capability, own)                                                   \
  {                                                                                      \
    capability, own, { 0 }, NULL                                                         \
  }

gsize moss_ffi_call_best_slowly (
    MossFfiBest *best, gconstpointer in, gsize bytes, gpointer out, gsize room);
gboolean moss_ffi_best_is_own (MossFfiBest *best, gsize bytes);
void moss_ffi_best_wait_ready (MossFfiBest *best);

/* Gives as many bytes as were written. Any thread. */
static inline gsize
moss_ffi_call_best (
    MossFfiBest *best, gconstpointer in, gsize bytes, gpointer out, gsize room)
{
  guint size = 63 - __builtin_clzll ((unsigned long long)bytes | 1);
  guint32 left = __atomic_load_n (&best->unasked[size], __ATOMIC_RELAXED);

  if (G_UNLIKELY (left == 0))
    return moss_ffi_call_best_slowly (best, in, bytes, out, room);
  __atomic_store_n (&best->unasked[size], left - 1, __ATOMIC_RELAXED);
  return best->own (in, bytes, out, room);
}

G_END_DECLS
