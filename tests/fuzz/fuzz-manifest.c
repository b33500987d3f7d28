/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The manifest and its envelope. With libFuzzer: clang -fsanitize=fuzzer. Without: the program
 * mutates a few good ones itself, for as many rounds as its argument says. */
#include "session/move/manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static gboolean
accept_all (guint32 suite, GBytes *key, const char *domain, GBytes *message, GBytes *signature,
            GError **error)
{
  return TRUE;
}

static void
use (MossManifest *manifest)
{
  guint64 blocks = 0;

  for (guint f = 0; f < manifest->files->len; f++)
    {
      const MossManifestFile *file = g_ptr_array_index (manifest->files, f);

      for (guint r = 0; r < file->runs->len; r++)
        {
          const MossRun *run = &g_array_index (file->runs, MossRun, r);

          if (run->segment != MOSS_SEGMENT_ZERO
              && run->first + run->blocks
                     > g_array_index (manifest->segments, MossSegment, run->segment).blocks)
            abort ();
          blocks += run->blocks;
        }
    }
  if (blocks * MOSS_BLOCK_SIZE < moss_manifest_total_bytes (manifest))
    abort ();
  moss_manifest_check_machine (manifest, "x86_64", NULL, NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GBytes) key = g_bytes_new_static ("key", 3);
  g_autoptr (GBytes) inner = moss_envelope_open (bytes, 1, key, accept_all, NULL);
  g_autoptr (MossManifest) direct = moss_manifest_decode (bytes, NULL);
  g_autoptr (MossManifest) wrapped = inner ? moss_manifest_decode (inner, NULL) : NULL;

  if (direct != NULL)
    use (direct);
  if (wrapped != NULL)
    use (wrapped);
  return 0;
}

#ifndef MOSS_LIBFUZZER
static GBytes *
seed (guint n)
{
  g_autoptr (MossManifest) manifest = moss_manifest_new ();
  g_autoptr (GBytes) key = g_bytes_new_static ("key", 3);
  g_autoptr (GBytes) signature = g_bytes_new_static ("signature", 9);
  g_autoptr (GBytes) bytes = NULL;

  g_variant_dict_insert (manifest->about, "id", "s", "7a9ce8a7-8b1b-4a1e-8b0f-3f1f0c1d2e3f");
  g_variant_dict_insert (manifest->about, "arch", "s", "x86_64");
  g_variant_dict_insert (manifest->about, "page-size", "u", MOSS_BLOCK_SIZE);
  for (guint i = 0; i < n; i++)
    {
      MossSegment segment = { { i }, { i }, 1 + i };
      g_autofree char *name = g_strdup_printf ("image/core-%u.img", i);
      MossManifestFile *file = moss_manifest_add_file (manifest, name, 4096 * (2 + i) - 5);

      g_array_append_val (manifest->segments, segment);
      moss_manifest_file_add (file, i, 0, 1 + i);
      moss_manifest_file_add (file, MOSS_SEGMENT_ZERO, 0, 1);
    }
  bytes = moss_manifest_encode (manifest, NULL);
  return n % 2 ? g_steal_pointer (&bytes) : moss_envelope_seal (1, key, signature, bytes);
}

static guint8 *
mutate (GRand *random, const guint8 *data, gsize *size)
{
  guint8 *copy = g_malloc (*size + 64);
  guint n = g_rand_int_range (random, 1, 6);

  memcpy (copy, data, *size);
  while (n-- > 0 && *size > 0)
    {
      gsize at = g_rand_int_range (random, 0, *size);

      switch (g_rand_int_range (random, 0, 5))
        {
        case 0:
          copy[at] ^= 1 << g_rand_int_range (random, 0, 8);
          break;
        case 1:
          copy[at] = g_rand_int (random);
          break;
        case 2:
          memset (copy + at, 0xff, MIN (4, *size - at));
          break;
        case 3:
          *size = g_rand_int_range (random, 0, 8) ? *size : at;
          break;
        default:
          memmove (copy + at, copy + at / 2, MIN (16, *size - at));
        }
    }
  return copy;
}

int
main (int argc, char *argv[])
{
  guint64 rounds = argc > 1 ? g_ascii_strtoull (argv[1], NULL, 10) : 100000;
  g_autoptr (GRand) random = g_rand_new_with_seed (argc > 2 ? atoi (argv[2]) : 1);

  for (guint64 i = 0; i < rounds; i++)
    {
      g_autoptr (GBytes) bytes = seed (i % 7);
      gsize size;
      const guint8 *data = g_bytes_get_data (bytes, &size);
      g_autofree guint8 *copy = mutate (random, data, &size);

      LLVMFuzzerTestOneInput (copy, size);
    }
  return 0;
}
#endif
