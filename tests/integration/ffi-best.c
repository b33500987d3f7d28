/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A program that sorts with its own routine until another is better: ffi-best NUMBERS. Sorts so
 * many and a hundred of them, again and again, and says each time who did it. */
#include "ffi-broker/client/best.h"

#include <stdio.h>
#include <stdlib.h>

#define TENSOR "application/x-moss-tensor,dtype=i32"
#define FEW 100
#define PAUSE_US 100000

static gboolean called;

static int
compare (const void *a, const void *b)
{
  const gint32 *one = a, *other = b;

  return (*one > *other) - (*one < *other);
}

/* What every C program has. */
static gsize
native (gconstpointer in, gsize bytes, gpointer out, gsize room)
{
  called = TRUE;
  memcpy (out, in, bytes);
  qsort (out, bytes / 4, 4, compare);
  return bytes;
}

static MossFfiBest best = MOSS_FFI_BEST ("transform sort(" TENSOR ") -> " TENSOR, native);

static gboolean
is_sorted (const gint32 *numbers, gsize n, gint64 sum)
{
  for (gsize i = 0; i < n; i++)
    {
      sum -= numbers[i];
      if (i > 0 && numbers[i - 1] > numbers[i])
        return FALSE;
    }
  return sum == 0;
}

/* Who did it; ends the program when it was done wrong. */
static const char *
sort (const gint32 *numbers, gint32 *sorted, gsize n)
{
  gint64 sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += numbers[i];
  called = FALSE;
  if (moss_ffi_call_best (&best, numbers, n * 4, sorted, n * 4) == n * 4
      && is_sorted (sorted, n, sum))
    return called ? "own" : "other";
  printf ("wrong\n");
  exit (1);
}

int
main (int argc, char **argv)
{
  gsize n = argc == 2 ? strtoul (argv[1], NULL, 10) : 0;
  g_autofree gint32 *numbers = g_new (gint32, n);
  g_autofree gint32 *sorted = g_new (gint32, n);

  if (n < FEW)
    return 2;
  for (gsize i = 0; i < n; i++)
    numbers[i] = (gint32)g_random_int ();
  moss_ffi_best_wait_ready (&best);
  for (;;)
    {
      const char *few = sort (numbers, sorted, FEW);

      printf ("%s %s\n", few, sort (numbers, sorted, n));
      fflush (stdout);
      g_usleep (PAUSE_US);
    }
}
