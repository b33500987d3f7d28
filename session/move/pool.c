/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pool.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static void
segment_clear (gpointer data)
{
  MossPoolSegment *segment = data;

  g_clear_pointer (&segment->owner, g_bytes_unref);
}

MossPool *
moss_pool_new (void)
{
  MossPool *pool = g_new0 (MossPool, 1);

  pool->segments = g_array_new (FALSE, TRUE, sizeof (MossPoolSegment));
  g_array_set_clear_func (pool->segments, segment_clear);
  pool->table_size = 1024;
  pool->table = g_malloc0_n (pool->table_size, sizeof *pool->table);
  return pool;
}

void
moss_pool_free (MossPool *pool)
{
  g_array_unref (pool->segments);
  g_free (pool->table);
  g_free (pool);
}

guint64
moss_pool_hash (const guint8 *data)
{
  return XXH3_64bits (data, MOSS_BLOCK_SIZE);
}

guint32
moss_pool_find (const MossPool *pool, guint64 hash, const guint8 *data)
{
  guint mask = pool->table_size - 1;

  for (guint i = hash & mask; pool->table[i].block != 0; i = (i + 1) & mask)
    {
      guint32 block = pool->table[i].block - 1;

      if (pool->table[i].hash == hash
          && memcmp (moss_pool_data (pool, block), data, MOSS_BLOCK_SIZE) == 0)
        return block;
    }
  return MOSS_POOL_NONE;
}

static void
place (MossPool *pool, guint64 hash, guint32 block)
{
  guint mask = pool->table_size - 1;
  guint i = hash & mask;

  while (pool->table[i].block != 0)
    i = (i + 1) & mask;
  pool->table[i].hash = hash;
  pool->table[i].block = block + 1;
}

static void
grow (MossPool *pool)
{
  guint old_size = pool->table_size;
  gpointer old = pool->table;
  typeof (pool->table) from = old;

  pool->table_size *= 4;
  pool->table = g_malloc0_n (pool->table_size, sizeof *pool->table);
  for (guint i = 0; i < old_size; i++)
    if (from[i].block != 0)
      place (pool, from[i].hash, from[i].block - 1);
  g_free (old);
}

void
moss_pool_insert (MossPool *pool, guint64 hash, guint32 block)
{
  if (pool->n_blocks >= pool->table_size / 2)
    grow (pool);
  place (pool, hash, block);
  pool->n_blocks++;
}

guint32
moss_pool_add (MossPool *pool, GBytes *owner, const guint8 *data, guint32 blocks,
               const guint8 *id, const guint8 *key, const guint8 *used)
{
  MossPoolSegment segment = { data, g_bytes_ref (owner), { { 0 }, { 0 }, blocks }, id != NULL };
  guint32 number = pool->segments->len;

  g_assert (blocks <= MOSS_SEGMENT_MAX_BLOCKS);
  if (id != NULL)
    {
      memcpy (segment.ref.id, id, 32);
      memcpy (segment.ref.key, key, 32);
    }
  g_array_append_val (pool->segments, segment);
  for (guint32 i = 0; i < blocks; i++)
    {
      const guint8 *block = data + (gsize) i * MOSS_BLOCK_SIZE;
      guint64 hash;

      if (used != NULL && !(used[i / 8] & (1 << i % 8)))
        continue;
      hash = moss_pool_hash (block);
      if (moss_pool_find (pool, hash, block) == MOSS_POOL_NONE)
        moss_pool_insert (pool, hash, MOSS_POOL_BLOCK (number, i));
    }
  return number;
}

static void
mark_run (const MossRun *run, guint8 *used)
{
  guint8 *bits = used + (gsize) run->segment * (MOSS_SEGMENT_MAX_BLOCKS / 8);

  for (guint32 b = run->first; b < run->first + run->blocks; b++)
    bits[b / 8] |= 1 << b % 8;
}

static guint
count_bits (const guint8 *bits)
{
  guint n = 0;

  for (guint i = 0; i < MOSS_SEGMENT_MAX_BLOCKS / 8; i++)
    n += __builtin_popcount (bits[i]);
  return n;
}

void
moss_pool_add_manifest (MossPool *pool, const MossManifest *manifest, GPtrArray *plain)
{
  guint n = manifest->segments->len;
  g_autofree guint8 *used = g_malloc0_n (MAX (n, 1), MOSS_SEGMENT_MAX_BLOCKS / 8);

  for (guint f = 0; f < manifest->files->len; f++)
    {
      const MossManifestFile *file = g_ptr_array_index (manifest->files, f);

      for (guint r = 0; r < file->runs->len; r++)
        {
          const MossRun *run = &g_array_index (file->runs, MossRun, r);

          if (run->segment != MOSS_SEGMENT_ZERO)
            mark_run (run, used);
        }
    }
  for (guint i = 0; i < n && i < plain->len; i++)
    {
      const MossSegment *segment = &g_array_index (manifest->segments, MossSegment, i);
      const guint8 *bits = used + (gsize) i * (MOSS_SEGMENT_MAX_BLOCKS / 8);
      GBytes *data = g_ptr_array_index (plain, i);

      if (data == NULL || g_bytes_get_size (data) != (gsize) segment->blocks * MOSS_BLOCK_SIZE
          || count_bits (bits) * 4 < segment->blocks)
        continue;
      moss_pool_add (pool, data, g_bytes_get_data (data, NULL), segment->blocks, segment->id,
                     segment->key, bits);
    }
}
