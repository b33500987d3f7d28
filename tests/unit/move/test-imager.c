/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "session/move/assembler.h"
#include "session/move/imager.h"
#include "session/move/move-error.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int
sealed_fd (const guint8 *data, gsize size)
{
  int fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (write (fd, data, size), ==, (gssize) size);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, SEALS), ==, 0);
  return fd;
}

static guint8 *
noise (gsize size, guint32 seed)
{
  guint8 *data = g_malloc (MAX (size, 1));
  guint32 state = seed * 2654435761u + 1;

  for (gsize i = 0; i < size; i++)
    {
      state = state * 1664525u + 1013904223u;
      data[i] = state >> 24;
    }
  return data;
}

/* What the store would do: gives each new segment an id and keeps the plaintext. */
static void
store (MossImager *imager, MossShelf *shelf)
{
  static guint32 next = 1;
  g_autoptr (GVariant) ranges = g_variant_ref_sink (moss_imager_get_ranges (imager));
  GVariantBuilder refs;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  g_variant_builder_init (&refs, G_VARIANT_TYPE ("a(ayay)"));
  for (gsize i = 0; i < g_variant_n_children (ranges); i++)
    {
      guint64 offset;
      guint32 length;
      guint8 id[32] = { 0 };
      guint8 *plain;
      g_autoptr (GBytes) bytes = NULL;

      g_variant_get_child (ranges, i, "(tu)", &offset, &length);
      memcpy (id, &next, sizeof next);
      next++;
      plain = g_malloc (length);
      g_assert_cmpint (pread (moss_imager_get_content (imager), plain, length, offset), ==,
                       length);
      bytes = g_bytes_new_take (plain, length);
      moss_shelf_add (shelf, id, bytes);
      g_variant_builder_add (&refs, "(@ay@ay)",
                             g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, id, 32, 1),
                             g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, id, 32, 1));
    }
  value = g_variant_ref_sink (g_variant_builder_end (&refs));
  moss_imager_set_refs (imager, value, &error);
  g_assert_no_error (error);
}

static void
cut_one (MossPool *pool, MossShelf *shelf, MossManifest *manifest, const char *name,
         const guint8 *data, gsize size, guint threads, MossImagerStats *stats)
{
  g_autoptr (MossImager) imager = moss_imager_new (pool);
  g_autoptr (GError) error = NULL;
  int fd = sealed_fd (data, size);

  moss_imager_add (imager, name, fd, size, &error);
  g_assert_no_error (error);
  close (fd);
  moss_imager_cut (imager, threads, &error);
  g_assert_no_error (error);
  store (imager, shelf);
  moss_imager_write (imager, manifest);
  if (stats != NULL)
    *stats = *moss_imager_get_stats (imager);
}

/* As sandboxd's MakeRoom gives it. */
static MossSpare *
make_spare (gsize size)
{
  int fd = memfd_create ("spare", MFD_CLOEXEC);

  g_assert_cmpint (ftruncate (fd, size), ==, 0);
  return moss_spare_new (fd, size);
}

static void
assert_same (MossManifest *manifest, MossShelf *shelf, const char *name, const guint8 *data,
             gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *got = g_malloc (size + 1);
  g_autoptr (MossSpare) spare = make_spare (size + 8192);
  int fd = moss_assemble (manifest, moss_manifest_find (manifest, name), shelf, NULL, spare,
                          &error);
  int plain = moss_assemble (manifest, moss_manifest_find (manifest, name), shelf, NULL, NULL,
                             NULL);

  g_assert_cmpint (pread (plain, got, size + 1, 0), ==, (gssize) size);
  g_assert_cmpmem (got, size, data, size);
  g_assert_cmpint (fcntl (plain, F_GET_SEALS) & SEALS, ==, SEALS);
  close (plain);
  memset (got, 1, size);
  g_assert_no_error (error);
  g_assert_cmpint (pread (fd, got, size + 1, 0), ==, (gssize) size);
  g_assert_cmpmem (got, size, data, size);
  g_assert_cmpint (fcntl (fd, F_GETFL) & O_ACCMODE, ==, O_RDONLY);
  close (fd);
}

static void
test_round_trip (void)
{
  gsize sizes[] = { 0, 1, 4095, 4096, 4097, 1 << 20, (1 << 20) + 5, 9000000 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (MossPool) pool = moss_pool_new ();
      g_autoptr (MossShelf) shelf = moss_shelf_new ();
      g_autoptr (MossManifest) manifest = moss_manifest_new ();
      g_autofree guint8 *data = noise (sizes[i], i);

      cut_one (pool, shelf, manifest, "image/a.img", data, sizes[i], 2, NULL);
      assert_same (manifest, shelf, "image/a.img", data, sizes[i]);
    }
}

static void
test_known_and_zero (void)
{
  gsize size = 2000 * 4096;
  g_autoptr (MossPool) pool = moss_pool_new ();
  g_autoptr (MossShelf) shelf = moss_shelf_new ();
  g_autoptr (MossManifest) first = moss_manifest_new (), second = moss_manifest_new ();
  g_autofree guint8 *data = noise (size, 7);
  MossImagerStats stats;

  memset (data + 100 * 4096, 0, 300 * 4096);
  cut_one (pool, shelf, first, "image/a.img", data, size, 2, &stats);
  g_assert_cmpuint (stats.zero_bytes, ==, 300 * 4096);
  g_assert_cmpuint (stats.new_bytes, ==, 1700 * 4096);
  data[1500 * 4096 + 17] ^= 1;
  memmove (data, data + 4096, size / 2); /* moved, not changed */
  cut_one (pool, shelf, second, "image/a.img", data, size, 2, &stats);
  g_assert_cmpuint (stats.new_bytes, ==, 4096);
  assert_same (second, shelf, "image/a.img", data, size);
}

static void
test_twins_in_one_file (void)
{
  g_autoptr (MossPool) pool = moss_pool_new ();
  g_autoptr (MossShelf) shelf = moss_shelf_new ();
  g_autoptr (MossManifest) manifest = moss_manifest_new ();
  g_autofree guint8 *data = noise (8192, 3);
  MossImagerStats stats;

  memcpy (data + 4096, data, 4096);
  cut_one (pool, shelf, manifest, "image/a.img", data, 8192, 1, &stats);
  g_assert_cmpuint (stats.new_bytes, ==, 4096);
  assert_same (manifest, shelf, "image/a.img", data, 8192);
}

/* Segments that are hardly used any more are left behind. */
static void
test_sparse_segments (void)
{
  g_autoptr (MossPool) pool = moss_pool_new (), next = moss_pool_new ();
  g_autoptr (MossShelf) shelf = moss_shelf_new ();
  g_autoptr (MossManifest) all = moss_manifest_new (), few = moss_manifest_new ();
  g_autoptr (GPtrArray) plain = g_ptr_array_new ();
  g_autofree guint8 *data = noise (512 * 4096, 9);
  MossImagerStats stats;

  cut_one (pool, shelf, all, "image/a.img", data, 512 * 4096, 1, NULL);
  cut_one (pool, shelf, few, "image/a.img", data, 256 * 4096 + 4096 * 10, 1, &stats);
  g_assert_cmpuint (stats.new_bytes, ==, 0);
  g_assert_cmpuint (few->segments->len, ==, 2);
  for (guint i = 0; i < 2; i++)
    g_ptr_array_add (plain, moss_shelf_find (
                                shelf, g_array_index (few->segments, MossSegment, i).id));
  moss_pool_add_manifest (next, few, plain);
  g_assert_cmpuint (next->segments->len, ==, 1);
  g_assert_cmpuint (next->n_blocks, ==, 256);
}

static void
test_missing_segment (void)
{
  g_autoptr (MossPool) pool = moss_pool_new ();
  g_autoptr (MossShelf) shelf = moss_shelf_new (), empty = moss_shelf_new ();
  g_autoptr (MossManifest) manifest = moss_manifest_new ();
  g_autofree guint8 *data = noise (4096, 3);
  g_autoptr (GError) error = NULL;
  guint n;

  cut_one (pool, shelf, manifest, "image/a.img", data, 4096, 1, NULL);
  g_variant_unref (g_variant_ref_sink (moss_shelf_missing (empty, manifest, &n)));
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpint (moss_assemble (manifest, g_ptr_array_index (manifest->files, 0), empty, NULL,
                                  NULL, &error), ==, -1);
  g_assert_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT);
}

static void
test_kept_blocks (void)
{
  g_autoptr (MossPool) pool = moss_pool_new ();
  g_autoptr (MossShelf) shelf = moss_shelf_new ();
  g_autoptr (MossManifest) manifest = moss_manifest_new ();
  g_autofree guint8 *data = noise (4 * 4096, 3), *got = g_malloc (4 * 4096);
  guint8 keep[] = { 0, 1, 1, 0 };
  int fd;

  cut_one (pool, shelf, manifest, "layer/content", data, 4 * 4096, 1, NULL);
  fd = moss_assemble (manifest, g_ptr_array_index (manifest->files, 0), shelf, keep, NULL, NULL);
  memset (data + 4096, 0, 8192);
  g_assert_cmpint (pread (fd, got, 4 * 4096, 0), ==, 4 * 4096);
  g_assert_cmpmem (got, 4 * 4096, data, 4 * 4096);
  close (fd);
}

static void
test_short_file (void)
{
  g_autoptr (MossPool) pool = moss_pool_new ();
  g_autoptr (MossImager) imager = moss_imager_new (pool);
  g_autoptr (GError) error = NULL;
  guint8 data[10] = { 1 };
  int fd = sealed_fd (data, 10);

  g_assert_false (moss_imager_add (imager, "image/a.img", fd, 4096, &error));
  g_assert_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT);
  close (fd);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/imager/round-trip", test_round_trip);
  g_test_add_func ("/imager/known-and-zero", test_known_and_zero);
  g_test_add_func ("/imager/twins", test_twins_in_one_file);
  g_test_add_func ("/imager/sparse-segments", test_sparse_segments);
  g_test_add_func ("/imager/missing-segment", test_missing_segment);
  g_test_add_func ("/imager/kept-blocks", test_kept_blocks);
  g_test_add_func ("/imager/short-file", test_short_file);
  return g_test_run ();
}
