/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long the cut of 60 MB takes inside the freeze, when all, and when 95 % of it was
 * pre-copied; and the assembly of the files. Prints one line of JSON a case: medians of 21. */
#include "session/move/assembler.h"
#include "session/move/imager.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (60u << 20)
#define ROUNDS 21

static int
compare (gconstpointer a, gconstpointer b)
{
  const gdouble *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

static int
fill_fd (guint changed_per_mille, guint32 seed)
{
  int fd = memfd_create ("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  guint64 *data;
  guint64 state = 88172645463325252u;

  g_assert (ftruncate (fd, SIZE) == 0);
  data = mmap (NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  for (gsize i = 0; i < SIZE / 8; i++)
    {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      data[i] = state;
    }
  for (gsize page = 0; page < SIZE / 4096; page++)
    if (page * 7919 % 1000 < changed_per_mille)
      data[page * 512 + 5] ^= seed;
  munmap (data, SIZE);
  return fd;
}

static void
print (const char *name, gdouble *values)
{
  qsort (values, ROUNDS, sizeof *values, compare);
  printf ("{\"name\":\"%s\",\"median_ms\":%.2f,\"worst_ms\":%.2f,\"rounds\":%d}\n", name,
          values[ROUNDS / 2], values[ROUNDS - 1], ROUNDS);
}

static void
set_refs (MossImager *imager, MossShelf *shelf)
{
  static guint32 next;
  g_autoptr (GVariant) ranges = g_variant_ref_sink (moss_imager_get_ranges (imager));
  g_autoptr (GVariant) refs = NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ayay)"));
  for (gsize i = 0; i < g_variant_n_children (ranges); i++)
    {
      guint8 id[32] = { 0 };
      guint64 offset;
      guint32 length;
      g_autoptr (GBytes) bytes = NULL;
      guint8 *plain;

      g_variant_get_child (ranges, i, "(tu)", &offset, &length);
      next++;
      memcpy (id, &next, 4);
      g_variant_builder_add (&builder, "(@ay@ay)",
                             g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, id, 32, 1),
                             g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, id, 32, 1));
      if (shelf == NULL)
        continue;
      plain = g_malloc (length);
      g_assert (pread (moss_imager_get_content (imager), plain, length, offset) == length);
      bytes = g_bytes_new_take (plain, length);
      moss_shelf_add (shelf, id, bytes);
    }
  refs = g_variant_ref_sink (g_variant_builder_end (&builder));
  g_assert (moss_imager_set_refs (imager, refs, NULL));
}

static void
bench (const char *name, guint changed_per_mille, guint threads, gsize spare_bytes)
{
  gdouble cut[ROUNDS], assemble[ROUNDS];
  g_autofree char *second = g_strdup_printf ("%s-assemble", name);

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (MossPool) pool = moss_pool_new ();
      g_autoptr (MossShelf) shelf = moss_shelf_new ();
      g_autoptr (MossImager) before = moss_imager_new (pool), now = moss_imager_new (pool);
      g_autoptr (MossManifest) manifest = moss_manifest_new ();
      int old = fill_fd (0, 0), new = fill_fd (changed_per_mille, round + 1), fd;
      gint64 start;
      g_autoptr (MossSpare) spare = NULL;

      g_assert (moss_imager_add (before, "image/pages-1.img", old, SIZE, NULL));
      g_assert (moss_imager_cut (before, 2, NULL));
      set_refs (before, shelf);
      start = g_get_monotonic_time ();
      g_assert (moss_imager_add (now, "image/pages-1.img", new, SIZE, NULL));
      g_assert (moss_imager_cut (now, threads, NULL));
      cut[round] = (g_get_monotonic_time () - start) / 1000.0;
      set_refs (now, shelf);
      moss_imager_write (now, manifest);
      if (spare_bytes)
        {
          int room = memfd_create ("spare", MFD_CLOEXEC);

          g_assert (fallocate (room, 0, 0, spare_bytes) == 0);
          spare = moss_spare_new (room, spare_bytes);
        }
      start = g_get_monotonic_time ();
      fd = moss_assemble (manifest, g_ptr_array_index (manifest->files, 0), shelf, NULL, spare,
                          NULL);
      assemble[round] = (g_get_monotonic_time () - start) / 1000.0;
      g_assert (fd >= 0);
      close (fd);
      close (old);
      close (new);
    }
  print (name, cut);
  print (second, assemble);
}

int
main (void)
{
  bench ("imager-60mb-known-1-thread", 0, 1, 0);
  bench ("imager-60mb-known-2-threads", 0, 2, SIZE + (4 << 20));
  bench ("imager-60mb-5-percent-new", 50, 2, SIZE + (4 << 20));
  return 0;
}
