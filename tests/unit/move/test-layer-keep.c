/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "session/move/layer-keep.h"

#include <string.h>

typedef struct
{
  const char *path;
  gint64 mtime;
  guint64 size, offset;
} File;

/* As docs/formats/layer.md wants it: without an end. */
static GVariant *
bytes (const char *text)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, text, strlen (text), 1);
}

static GBytes *
make_index (const File *files, guint n)
{
  GVariantBuilder builder;
  g_autoptr (GVariant) value = NULL;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ayyuuuxtayta{say})"));
  for (guint i = 0; i < n; i++)
    g_variant_builder_add (&builder, "(@ayyuuuxt@ayta{say})", bytes (files[i].path), 'f', 0644,
                           1000, 1000, files[i].mtime, files[i].size, bytes (""),
                           files[i].offset, NULL);
  value = g_variant_ref_sink (g_variant_new ("(ua(ayyuuuxtayta{say}))", 1, &builder));
  return g_variant_get_data_as_bytes (value);
}

static guint64
offset_of (GBytes *index, guint n)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE ("(ua(ayyuuuxtayta{say}))"), index, FALSE));
  g_autoptr (GVariant) entries = g_variant_get_child_value (value, 1);
  g_autoptr (GVariant) entry = g_variant_get_child_value (entries, n);
  guint64 offset;

  g_variant_get_child (entry, 8, "t", &offset);
  return offset;
}

/* Four blocks, the given ones of segment "s". */
static MossManifest *
make_manifest (char id, const guint32 *blocks, guint n)
{
  MossManifest *manifest = moss_manifest_new ();
  MossSegment other = { { 'o' }, { 0 }, 256 }, segment = { { id }, { 0 }, 256 };
  MossManifestFile *file = moss_manifest_add_file (manifest, "layer/content", n * 4096);

  if (id != 's')
    g_array_append_val (manifest->segments, other);
  g_array_append_val (manifest->segments, segment);
  for (guint i = 0; i < n; i++)
    moss_manifest_file_add (file, manifest->segments->len - 1, blocks[i], 1);
  return manifest;
}

static void
test_keep (void)
{
  const File before_files[] = { { "a", 1, 8192, 0 }, { "b", 1, 100, 8192 }, { "c", 1, 4, 12288 } };
  const File now_files[] = { { "a", 1, 8192, 4096 }, { "b", 2, 100, 12288 }, { "c", 1, 4, 0 } };
  const guint32 before_blocks[] = { 10, 11, 20, 30 }, now_blocks[] = { 31, 10, 11, 20 };
  g_autoptr (MossManifest) before = make_manifest ('s', before_blocks, 4);
  g_autoptr (MossManifest) now = make_manifest ('s', now_blocks, 4);
  g_autoptr (GBytes) before_index = make_index (before_files, 3);
  g_autoptr (GBytes) now_index = make_index (now_files, 3);
  g_autofree guint8 *kept = NULL;
  g_autoptr (GBytes) result = moss_layer_keep (now_index, now, before_index, before, &kept);

  g_assert_nonnull (kept);
  /* The same content elsewhere is kept; another time or another content is not. */
  g_assert_cmpuint (offset_of (result, 0), ==, MOSS_LAYER_KEPT_OFFSET);
  g_assert_cmpuint (offset_of (result, 1), ==, 12288);
  g_assert_cmpuint (offset_of (result, 2), ==, 0);
  g_assert_cmpmem (kept, 4, "\0\1\1\0", 4);
}

/* Blocks are the same when their segments are, wherever these stand in the lists. */
static void
test_segments_by_id (void)
{
  const File files[] = { { "a", 1, 8192, 0 } };
  const guint32 blocks[] = { 10, 11 };
  g_autoptr (MossManifest) before = make_manifest ('s', blocks, 2);
  g_autoptr (MossManifest) other = make_manifest ('t', blocks, 2);
  g_autoptr (GBytes) index = make_index (files, 1);
  g_autofree guint8 *kept = NULL;
  g_autoptr (GBytes) result = moss_layer_keep (index, other, index, before, &kept);

  g_assert_null (kept);
  g_assert_true (result == index);
  memset (g_array_index (other->segments, MossSegment, 1).id, 0, 32);
  g_array_index (other->segments, MossSegment, 1).id[0] = 's';
  g_clear_pointer (&result, g_bytes_unref);
  result = moss_layer_keep (index, other, index, before, &kept);
  g_assert_nonnull (kept);
}

/* An index that lies about its content is passed on as it is: sandboxd refuses it. */
static void
test_lies (void)
{
  const File good[] = { { "a", 1, 8192, 0 } };
  const File lies[] = { { "a", 1, 8192, 4096 }, { "a", 1, G_MAXUINT64, 0 },
                        { "a", 1, 8192, G_MAXUINT64 - 4095 }, { "a", 1, 8192, 7 } };
  const guint32 blocks[] = { 10, 11 };
  g_autoptr (MossManifest) manifest = make_manifest ('s', blocks, 2);
  g_autoptr (GBytes) index = make_index (good, 1);
  g_autoptr (GBytes) noise = g_bytes_new_static ("noise", 5);

  for (guint i = 0; i < G_N_ELEMENTS (lies); i++)
    {
      g_autoptr (GBytes) lie = make_index (&lies[i], 1);
      g_autofree guint8 *kept = NULL;
      g_autoptr (GBytes) result = moss_layer_keep (lie, manifest, index, manifest, &kept);
      g_autofree guint8 *kept_too = NULL;
      g_autoptr (GBytes) other = moss_layer_keep (index, manifest, lie, manifest, &kept_too);

      g_assert_null (kept);
      g_assert_null (kept_too);
    }
  {
    g_autofree guint8 *kept = NULL;
    g_autoptr (GBytes) result = moss_layer_keep (noise, manifest, index, manifest, &kept);

    g_assert_true (result == noise);
  }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/layer-keep/keep", test_keep);
  g_test_add_func ("/layer-keep/segments-by-id", test_segments_by_id);
  g_test_add_func ("/layer-keep/lies", test_lies);
  return g_test_run ();
}
