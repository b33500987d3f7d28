// SPDX-License-Identifier: GPL-3.0-or-later
/* Prints medians; the content is this program's own text and random bytes, half and half. */
#include "core/parallel.h"
#include "core/store/store.h"

#include <string.h>

enum
{
  ROUNDS = 15,
  OBJECT = 1 << 20,
};

static int
compare (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double
median (double *values)
{
  qsort (values, ROUNDS, sizeof *values, compare);
  return values[ROUNDS / 2];
}

/* Half of it compresses, and no two rounds are alike. */
static void
fill (guint8 *bytes, gsize length, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  for (gsize i = 0; i < length; i += 4)
    {
      guint32 word = g_rand_int (rand);

      if ((i / 4096) % 2 == 0)
        word = (word & 0xff) | ((guint32) i & 0xff00);
      memcpy (bytes + i, &word, 4);
    }
}

typedef struct
{
  MossStore *store;
  MossRef *refs;
  guint8 *out;
} Get;

static void
get_one (gsize index, gpointer user_data)
{
  Get *get = user_data;
  g_auto (MossUnsealed) unsealed = { 0 };

  if (!moss_store_unseal (get->store, &get->refs[index], &unsealed, NULL) ||
      !moss_object_unpack (&unsealed, &get->refs[index], get->out + index * OBJECT, NULL))
    g_error ("get failed");
}

static void
bench (MossStore *store, guint mib, guint32 seed)
{
  gsize length = (gsize) mib * OBJECT;
  g_autofree guint8 *bytes = g_malloc (length);
  g_autofree guint8 *out = g_malloc0 (length);
  g_autofree MossRange *ranges = g_new (MossRange, mib);
  g_autofree MossRef *refs = g_new (MossRef, mib);
  double put[ROUNDS], get[ROUNDS];
  Get job = { store, refs, out };

  for (guint i = 0; i < mib; i++)
    ranges[i] = (MossRange){ (guint64) i * OBJECT, OBJECT };
  for (guint round = 0; round < ROUNDS; round++)
    {
      gint64 start, middle;

      fill (bytes, length, seed + round);
      start = g_get_monotonic_time ();
      if (!moss_store_put_many (store, bytes, ranges, mib, refs, NULL, NULL, NULL, NULL))
        g_error ("put failed");
      middle = g_get_monotonic_time ();
      moss_parallel (mib, get_one, &job);
      put[round] = (middle - start) / 1000.0;
      get[round] = (g_get_monotonic_time () - middle) / 1000.0;
      if (memcmp (bytes, out, length) != 0)
        g_error ("what came back is something else");
    }
  g_print ("{\"mib\": %u, \"put_ms\": %.1f, \"get_ms\": %.1f, \"rounds\": %d}\n", mib,
           median (put), median (get), ROUNDS);
}

int
main (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *dir = g_dir_make_tmp ("moss-bench-XXXXXX", NULL);
  g_autoptr (MossStore) store = moss_store_open (dir, &error);
  g_autofree char *command = g_strdup_printf ("rm -rf %s", dir);

  if (store == NULL)
    g_error ("%s", error->message);
  bench (store, 5, 1);
  bench (store, 60, 1000);
  return system (command);
}
