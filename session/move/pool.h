/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manifest.h"

G_BEGIN_DECLS

/* Blocks that are known already: those of the last snapshot, those that were pre-copied, and those
 * that were just cut. Found by XXH3-64 and then compared byte for byte, so a collision costs time
 * and never a wrong page. Holds the plaintext of its segments in memory.
 *
 * A block is named by segment × 256 + place. Lookups may run in several threads at once; changes
 * need the pool alone. */
typedef struct _MossPool MossPool;

#define MOSS_POOL_NONE G_MAXUINT32
#define MOSS_POOL_BLOCK(segment, place) ((segment) * MOSS_SEGMENT_MAX_BLOCKS + (place))

typedef struct
{
  const guint8 *data;
  GBytes *owner;        /* keeps data alive */
  MossSegment ref;
  gboolean stored;      /* ref has id and key */
} MossPoolSegment;

struct _MossPool
{
  GArray *segments;     /* MossPoolSegment */
  struct
  {
    guint64 hash;
    guint32 block;      /* + 1; 0 is an empty place */
  } *table;
  guint table_size;     /* a power of two */
  guint n_blocks;       /* blocks in the table */
};

MossPool *moss_pool_new (void);
void moss_pool_free (MossPool *pool);

/* Adds a segment; owner is referenced. id and key may be NULL for one that is not stored yet.
 * used: one bit a block, which are worth finding; NULL: all. Returns its number. */
guint32 moss_pool_add (MossPool *pool, GBytes *owner, const guint8 *data, guint32 blocks,
                       const guint8 *id, const guint8 *key, const guint8 *used);
/* Adds what a manifest uses of the segments whose plaintext is given (in the manifest's order;
 * NULL entries are left out). Segments of which less than a quarter is in use are left out too:
 * what they hold is written anew, so that snapshots don't hang on ever more old segments. */
void moss_pool_add_manifest (MossPool *pool, const MossManifest *manifest, GPtrArray *plain);

/* Puts a block in the table; its segment must hold it already. */
void moss_pool_insert (MossPool *pool, guint64 hash, guint32 block);

static inline const guint8 *
moss_pool_data (const MossPool *pool, guint32 block)
{
  const MossPoolSegment *segment
      = &g_array_index (pool->segments, MossPoolSegment, block / MOSS_SEGMENT_MAX_BLOCKS);

  return segment->data + (gsize) (block % MOSS_SEGMENT_MAX_BLOCKS) * MOSS_BLOCK_SIZE;
}

guint64 moss_pool_hash (const guint8 *data);
/* The block with these 4096 bytes, or MOSS_POOL_NONE. */
guint32 moss_pool_find (const MossPool *pool, guint64 hash, const guint8 *data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossPool, moss_pool_free)

G_END_DECLS
