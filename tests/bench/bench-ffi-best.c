// SPDX-License-Identifier: GPL-3.0-or-later
/* What it costs a small routine that it could be overtaken: calls of it through its
 * handle and plain ones in turns, the median of the differences. One JSON line. */
#include "ffi-broker/client/moss-ffi.h"

#include <string.h>

#define CALLS 200000
#define NUMBERS 16

/* Insertion sort of a few numbers: as small as anybody would care to offer. */
static gsize __attribute__ ((noinline))
sort (gconstpointer in, gsize bytes, gpointer out, gsize room)
{
  gint32 *numbers = out;

  memmove (out, in, bytes);
  for (gsize i = 1; i < bytes / 4; i++)
    for (gsize j = i; j > 0 && numbers[j - 1] > numbers[j]; j--)
      {
        gint32 one = numbers[j];

        numbers[j] = numbers[j - 1];
        numbers[j - 1] = one;
      }
  return bytes;
}

static MossFfiBest best
    = MOSS_FFI_BEST ("transform sort(application/x-moss-tensor,dtype=i32) -> "
                     "application/x-moss-tensor,dtype=i32",
                     sort);

static const gint32 numbers[NUMBERS]
    = { 7, 3, 9, 1, 12, 4, 4, 2, 8, 15, 6, 5, 11, 10, 14, 13 };
static gint32 sorted[NUMBERS];
static MossFfiOwn volatile plain = sort; /* through a pointer, as the handle does */

static double
run_plain (void)
{
  gint64 began = g_get_monotonic_time ();

  for (guint i = 0; i < CALLS; i++)
    plain (numbers, sizeof numbers, sorted, sizeof sorted);
  return (g_get_monotonic_time () - began) * 1000.0 / CALLS;
}

static double
run_best (void)
{
  gint64 began = g_get_monotonic_time ();

  for (guint i = 0; i < CALLS; i++)
    moss_ffi_call_best (&best, numbers, sizeof numbers, sorted, sizeof sorted);
  return (g_get_monotonic_time () - began) * 1000.0 / CALLS;
}

static int
by_size (gconstpointer a, gconstpointer b)
{
  double x = *(const double *)a, y = *(const double *)b;

  return x < y ? -1 : x > y;
}

int
main (int argc, char **argv)
{
  guint rounds = argc > 1 && g_str_equal (argv[1], "--quick") ? 5 : 51;
  g_autofree double *over = g_new (double, rounds);
  double one = 0;

  moss_ffi_best_wait_ready (&best);
  run_best ();
  for (guint i = 0; i < rounds; i++)
    {
      one = run_plain ();
      over[i] = run_best () - one;
    }
  qsort (over, rounds, sizeof *over, by_size);
  g_print ("{\"name\": \"call-best-overhead\", \"value\": %.1f, \"goal\": 100, "
           "\"unit\": \"ns\", \"plain_ns\": %.1f, \"rounds\": %u}\n",
           over[rounds / 2], one, rounds);
  return 0;
}
