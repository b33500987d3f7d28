/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer-keep.h"

#include <string.h>

#define INDEX_TYPE "(ua(ayyuuuxtayta{say}))"
#define CONTENT "layer/content"

/* Which block a block of the content is. Blocks are named by what they hold, so two of the same
 * name are the same. */
typedef struct
{
  const guint8 *segment; /* its id; NULL: zeros */
  guint32 place;
} Block;

typedef struct
{
  guint64 offset, size;
  gint64 mtime;
} Content;

static Block *
list_blocks (const MossManifest *manifest, guint64 *n)
{
  const MossManifestFile *file = moss_manifest_find (manifest, CONTENT);
  Block *blocks;
  guint64 at = 0;

  *n = file == NULL ? 0 : (file->size + MOSS_BLOCK_SIZE - 1) / MOSS_BLOCK_SIZE;
  if (*n > (1u << 26))
    *n = 0;
  blocks = g_new0 (Block, MAX (*n, 1));
  for (guint r = 0; *n > 0 && r < file->runs->len; r++)
    {
      const MossRun *run = &g_array_index (file->runs, MossRun, r);
      gboolean zero = run->segment == MOSS_SEGMENT_ZERO;

      for (guint32 i = 0; i < run->blocks && at < *n; i++, at++)
        {
          blocks[at].segment
              = zero ? NULL
                     : g_array_index (manifest->segments, MossSegment, run->segment).id;
          blocks[at].place = zero ? 0 : run->first + i;
        }
    }
  return blocks;
}

static gboolean
same_block (const Block *a, const Block *b)
{
  if (a->segment == NULL || b->segment == NULL)
    return a->segment == b->segment;
  return a->place == b->place && memcmp (a->segment, b->segment, 32) == 0;
}

static GVariant *
parse (GBytes *index)
{
  g_autoptr (GVariant) value
      = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (INDEX_TYPE), index, FALSE));

  if (G_BYTE_ORDER != G_LITTLE_ENDIAN || !g_variant_is_normal_form (value))
    return NULL;
  return g_variant_get_child_value (value, 1);
}

/* A path stands in an index as bytes without an end. */
static char *
read_path (GVariant *entry)
{
  g_autoptr (GVariant) value = g_variant_get_child_value (entry, 0);
  gsize size;
  const char *bytes = g_variant_get_fixed_array (value, &size, 1);

  return g_strndup (bytes, size);
}

/* TRUE for a file with content of its own. Free path with g_free(). */
static gboolean
read_content (GVariant *entry, char **path, Content *content)
{
  g_autoptr (GVariant) target = NULL;
  guint8 kind;

  g_variant_get_child (entry, 1, "y", &kind);
  target = g_variant_get_child_value (entry, 7);
  g_variant_get_child (entry, 5, "x", &content->mtime);
  g_variant_get_child (entry, 6, "t", &content->size);
  g_variant_get_child (entry, 8, "t", &content->offset);
  *path = read_path (entry);
  return kind == 'f' && g_variant_n_children (target) == 0 && content->size > 0
         && content->offset != MOSS_LAYER_KEPT_OFFSET;
}

static GHashTable *
list_contents (GVariant *entries)
{
  GHashTable *contents = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  gsize n = g_variant_n_children (entries);

  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
      g_autofree char *path = NULL;
      Content content;

      if (read_content (entry, &path, &content))
        g_hash_table_insert (contents, g_steal_pointer (&path),
                             g_memdup2 (&content, sizeof content));
    }
  return contents;
}

typedef struct
{
  Block *now, *before;
  guint64 n_now, n_before;
  GHashTable *contents; /* of the prepared layer */
} Layers;

static gboolean
is_kept (const Layers *layers, const char *path, const Content *now)
{
  const Content *before = g_hash_table_lookup (layers->contents, path);
  guint64 n = now->size / MOSS_BLOCK_SIZE + (now->size % MOSS_BLOCK_SIZE != 0);
  guint64 at = now->offset / MOSS_BLOCK_SIZE, old;

  if (before == NULL || before->size != now->size || before->mtime != now->mtime
      || now->offset % MOSS_BLOCK_SIZE != 0 || before->offset % MOSS_BLOCK_SIZE != 0)
    return FALSE;
  old = before->offset / MOSS_BLOCK_SIZE;
  if (n > layers->n_now || at > layers->n_now - n || n > layers->n_before
      || old > layers->n_before - n)
    return FALSE;
  for (guint64 i = 0; i < n; i++)
    if (!same_block (&layers->now[at + i], &layers->before[old + i]))
      return FALSE;
  return TRUE;
}

static GVariant *
with_offset (GVariant *entry, guint64 offset)
{
  GVariant *children[10];

  for (guint i = 0; i < G_N_ELEMENTS (children); i++)
    children[i] = i == 8 ? g_variant_new_uint64 (offset) : g_variant_get_child_value (entry, i);
  return g_variant_new_tuple (children, G_N_ELEMENTS (children));
}

static GBytes *
rewrite (GVariant *entries, const Layers *layers, guint8 *kept, guint *n_kept)
{
  GVariantBuilder builder;
  gsize n = g_variant_n_children (entries);
  g_autoptr (GVariant) value = NULL;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ayyuuuxtayta{say})"));
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
      g_autofree char *path = NULL;
      Content content;

      if (!read_content (entry, &path, &content) || !is_kept (layers, path, &content))
        {
          g_variant_builder_add_value (&builder, entry);
          continue;
        }
      *n_kept += 1;
      memset (kept + content.offset / MOSS_BLOCK_SIZE, 1,
              (content.size + MOSS_BLOCK_SIZE - 1) / MOSS_BLOCK_SIZE);
      g_variant_builder_add_value (&builder, with_offset (entry, MOSS_LAYER_KEPT_OFFSET));
    }
  value = g_variant_ref_sink (g_variant_new ("(u@a(ayyuuuxtayta{say}))", 1,
                                             g_variant_builder_end (&builder)));
  return g_variant_get_data_as_bytes (value);
}

GBytes *
moss_layer_keep (GBytes *index, const MossManifest *manifest, GBytes *prepared_index,
                 const MossManifest *prepared, guint8 **kept)
{
  g_autoptr (GVariant) now = parse (index), before = parse (prepared_index);
  Layers layers = { NULL };
  GBytes *result = NULL;
  guint n_kept = 0;

  *kept = NULL;
  if (now == NULL || before == NULL)
    return g_bytes_ref (index);
  layers.now = list_blocks (manifest, &layers.n_now);
  layers.before = list_blocks (prepared, &layers.n_before);
  layers.contents = list_contents (before);
  *kept = g_malloc0 (MAX (layers.n_now, 1));
  result = rewrite (now, &layers, *kept, &n_kept);
  g_free (layers.now);
  g_free (layers.before);
  g_hash_table_unref (layers.contents);
  if (n_kept > 0)
    return result;
  g_bytes_unref (result);
  g_clear_pointer (kept, g_free);
  return g_bytes_ref (index);
}
