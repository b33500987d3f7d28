/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* For fuzzers that are run without libFuzzer: a few random changes to a good input.
 * Deterministic for a seed. The result is a fresh array. */
static inline GByteArray *
mutate (GRand *rand, gconstpointer data, gsize size)
{
  static const guint32 words[]
      = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff };
  GByteArray *bytes = g_byte_array_sized_new (size + 64);
  int changes = g_rand_int_range (rand, 1, 6);

  g_byte_array_append (bytes, data, size);
  for (int i = 0; i < changes && bytes->len > 0; i++)
    {
      guint at = g_rand_int_range (rand, 0, bytes->len);
      guint32 word = words[g_rand_int_range (rand, 0, G_N_ELEMENTS (words))];
      guint n;

      switch (g_rand_int_range (rand, 0, 7))
        {
        case 0:
          bytes->data[at] ^= 1 << g_rand_int_range (rand, 0, 8);
          break;
        case 1:
          bytes->data[at] = g_rand_int (rand);
          break;
        case 2:
          memcpy (bytes->data + at, &word, MIN (sizeof word, bytes->len - at));
          break;
        case 3:
          g_byte_array_set_size (bytes, at);
          break;
        case 4:
          n = g_rand_int_range (rand, 1, 16);
          n = MIN (bytes->len - at, n);
          g_byte_array_remove_range (bytes, at, n);
          break;
        case 5: /* some of itself again, elsewhere */
          {
            guint8 some[64];

            n = g_rand_int_range (rand, 1, sizeof some);
            n = MIN (bytes->len - at, n);
            memcpy (some, bytes->data + at, n);
            g_byte_array_append (bytes, some, n);
          }
          break;
        default:
          bytes->data[at] += g_rand_int_range (rand, -3, 4);
        }
    }
  return bytes;
}

/* Number of rounds and seed from the command line: PROGRAM [ROUNDS [SEED]]. */
static inline GRand *
mutate_begin (int argc, char **argv, guint *rounds)
{
  guint32 seed = argc > 2 ? strtoul (argv[2], NULL, 0) : 1;

  *rounds = argc > 1 ? strtoul (argv[1], NULL, 0) : 20000;
  g_print ("# %u rounds with seed %u\n", *rounds, seed);
  return g_rand_new_with_seed (seed);
}
