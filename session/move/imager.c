/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imager.h"

#include "move-error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_ZERO G_MAXUINT32
#define BLOCK_UNKNOWN (G_MAXUINT32 - 1)

typedef struct
{
  char *name;
  guint64 size;
  const guint8 *data; /* mapped; NULL when empty */
  gsize first;        /* its first block among all */
  gsize blocks;
} Source;

struct _MossImager
{
  MossPool *pool;
  GArray *sources; /* Source */
  gsize n_blocks;
  guint32 *found;  /* a block of the pool, BLOCK_ZERO or BLOCK_UNKNOWN, for each block */
  guint64 *hashes; /* of those that are unknown */
  guint32 first_new;
  guint n_new;     /* segments */
  int content;
  MossImagerStats stats;
};

typedef struct
{
  MossImager *imager;
  gsize from, to;
} Share;

static void
source_clear (gpointer data)
{
  Source *source = data;

  if (source->data != NULL)
    munmap ((gpointer) source->data, source->blocks * MOSS_BLOCK_SIZE);
  g_free (source->name);
}

MossImager *
moss_imager_new (MossPool *pool)
{
  MossImager *imager = g_new0 (MossImager, 1);

  imager->pool = pool;
  imager->content = -1;
  imager->sources = g_array_new (FALSE, TRUE, sizeof (Source));
  g_array_set_clear_func (imager->sources, source_clear);
  return imager;
}

void
moss_imager_free (MossImager *imager)
{
  g_array_unref (imager->sources);
  g_free (imager->found);
  g_free (imager->hashes);
  if (imager->content >= 0)
    close (imager->content);
  g_free (imager);
}

static gboolean
failed (GError **error, const char *what)
{
  int code = errno;

  g_set_error (error, MOSS_MOVE_ERROR,
               code == ENOMEM || code == ENOSPC ? MOSS_MOVE_ERROR_FULL : MOSS_MOVE_ERROR_FAILED,
               "%s failed: %s", what, g_strerror (code));
  return FALSE;
}

gboolean
moss_imager_add (MossImager *imager, const char *name, int fd, guint64 size, GError **error)
{
  Source source = { g_strdup (name), size, NULL, imager->n_blocks,
                    (size + MOSS_BLOCK_SIZE - 1) / MOSS_BLOCK_SIZE };
  struct stat info;

  if (fstat (fd, &info) < 0 || (guint64) info.st_size < size)
    {
      g_free (source.name);
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
                   "%s is shorter than it should be", name);
      return FALSE;
    }
  if (size > 0)
    {
      gpointer data = mmap (NULL, source.blocks * MOSS_BLOCK_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);

      if (data == MAP_FAILED)
        {
          g_free (source.name);
          return failed (error, "Mapping an image");
        }
      source.data = data;
    }
  imager->n_blocks += source.blocks;
  g_array_append_val (imager->sources, source);
  return TRUE;
}

static inline gboolean
is_zero (const guint8 *data)
{
  guint64 first;

  memcpy (&first, data, sizeof first);
  return first == 0 && memcmp (data, data + 8, MOSS_BLOCK_SIZE - 8) == 0;
}

/* Blocks that follow each other mostly did so before: the successor of the last match is compared
 * first, which spares the hash. */
static inline guint32
guess_next (const MossPool *pool, guint32 last)
{
  const MossPoolSegment *segment;

  if (last >= BLOCK_UNKNOWN)
    return MOSS_POOL_NONE;
  last++;
  if (last / MOSS_SEGMENT_MAX_BLOCKS >= pool->segments->len)
    return MOSS_POOL_NONE;
  segment = &g_array_index (pool->segments, MossPoolSegment, last / MOSS_SEGMENT_MAX_BLOCKS);
  return last % MOSS_SEGMENT_MAX_BLOCKS < segment->ref.blocks ? last : MOSS_POOL_NONE;
}

static void
look_up (MossImager *imager, const Source *source, gsize from, gsize to)
{
  const MossPool *pool = imager->pool;
  guint32 last = MOSS_POOL_NONE;

  madvise ((gpointer) (source->data + from * MOSS_BLOCK_SIZE), (to - from) * MOSS_BLOCK_SIZE,
           MADV_POPULATE_READ);
  for (gsize i = from; i < to; i++)
    {
      const guint8 *data = source->data + i * MOSS_BLOCK_SIZE;
      gsize n = source->first + i;
      guint32 guess = guess_next (pool, last);

      if (is_zero (data))
        {
          imager->found[n] = BLOCK_ZERO;
          continue;
        }
      if (guess != MOSS_POOL_NONE
          && memcmp (moss_pool_data (pool, guess), data, MOSS_BLOCK_SIZE) == 0)
        {
          imager->found[n] = last = guess;
          continue;
        }
      imager->hashes[n] = moss_pool_hash (data);
      last = moss_pool_find (pool, imager->hashes[n], data);
      imager->found[n] = last == MOSS_POOL_NONE ? BLOCK_UNKNOWN : last;
    }
}

static gpointer
do_share (gpointer data)
{
  const Share *share = data;

  for (guint s = 0; s < share->imager->sources->len; s++)
    {
      const Source *source = &g_array_index (share->imager->sources, Source, s);
      gsize from = MAX (share->from, source->first);
      gsize to = MIN (share->to, source->first + source->blocks);

      if (from < to)
        look_up (share->imager, source, from - source->first, to - source->first);
    }
  return NULL;
}

static void
look_up_all (MossImager *imager, guint threads)
{
  Share shares[8];
  GThread *others[8] = { NULL };

  threads = imager->n_blocks < 1024 ? 1 : CLAMP (threads, 1, G_N_ELEMENTS (shares));
  for (guint t = 0; t < threads; t++)
    {
      shares[t].imager = imager;
      shares[t].from = imager->n_blocks * t / threads;
      shares[t].to = imager->n_blocks * (t + 1) / threads;
      if (t > 0)
        others[t] = g_thread_new ("imager", do_share, &shares[t]);
    }
  do_share (&shares[0]);
  for (guint t = 1; t < threads; t++)
    g_thread_join (others[t]);
}

static gsize
count_unknown (MossImager *imager)
{
  gsize n = 0;

  for (gsize i = 0; i < imager->n_blocks; i++)
    if (imager->found[i] == BLOCK_UNKNOWN)
      n++;
    else if (imager->found[i] == BLOCK_ZERO)
      imager->stats.zero_bytes += MOSS_BLOCK_SIZE;
    else
      imager->stats.known_bytes += MOSS_BLOCK_SIZE;
  return n;
}

typedef struct
{
  gpointer data;
  gsize size;
} Mapping;

static void
unmap (gpointer data)
{
  Mapping *mapping = data;

  munmap (mapping->data, mapping->size);
  g_free (mapping);
}

/* Bytes over a mapping, which goes away with them. */
static GBytes *
mapping_bytes (gpointer data, gsize size)
{
  Mapping *mapping = g_new (Mapping, 1);

  mapping->data = data;
  mapping->size = size;
  return g_bytes_new_with_free_func (data, size, unmap, mapping);
}

/* Copies an unknown block to the end of the new content, unless one like it just came there. */
static guint32
keep_block (MossImager *imager, gsize n, const guint8 *data, guint8 *content, GBytes *owner,
            gsize *n_kept)
{
  MossPool *pool = imager->pool;
  guint32 block = moss_pool_find (pool, imager->hashes[n], data);
  MossPoolSegment *segment;

  if (block != MOSS_POOL_NONE)
    return block;
  memcpy (content + *n_kept * MOSS_BLOCK_SIZE, data, MOSS_BLOCK_SIZE);
  if (*n_kept % MOSS_SEGMENT_MAX_BLOCKS == 0)
    {
      moss_pool_add (pool, owner, content + *n_kept * MOSS_BLOCK_SIZE, 0, NULL, NULL, NULL);
      imager->n_new++;
    }
  segment = &g_array_index (pool->segments, MossPoolSegment, pool->segments->len - 1);
  block = MOSS_POOL_BLOCK (pool->segments->len - 1, segment->ref.blocks);
  segment->ref.blocks++;
  moss_pool_insert (pool, imager->hashes[n], block);
  *n_kept += 1;
  return block;
}

static gsize
keep_unknown (MossImager *imager, guint8 *content, GBytes *owner)
{
  gsize n_kept = 0;

  for (guint s = 0; s < imager->sources->len; s++)
    {
      const Source *source = &g_array_index (imager->sources, Source, s);

      for (gsize i = 0; i < source->blocks; i++)
        if (imager->found[source->first + i] == BLOCK_UNKNOWN)
          imager->found[source->first + i]
              = keep_block (imager, source->first + i, source->data + i * MOSS_BLOCK_SIZE,
                            content, owner, &n_kept);
    }
  return n_kept;
}

static gboolean
collect (MossImager *imager, gsize n_unknown, GError **error)
{
  gsize size = n_unknown * MOSS_BLOCK_SIZE;
  guint8 *content;
  g_autoptr (GBytes) owner = NULL;
  gsize n_kept;

  imager->content = memfd_create ("moss-segments", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (imager->content < 0 || ftruncate (imager->content, size) < 0)
    return failed (error, "Making room for new blocks");
  content = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                  imager->content, 0);
  if (content == MAP_FAILED)
    return failed (error, "Making room for new blocks");
  owner = mapping_bytes (content, size);
  n_kept = keep_unknown (imager, content, owner);
  imager->stats.new_bytes = n_kept * MOSS_BLOCK_SIZE;
  imager->stats.known_bytes += (n_unknown - n_kept) * MOSS_BLOCK_SIZE;
  /* A shared mapping forbids the seal, and before Linux 6.7 the seal forbids even a shared
   * read-only one: the address is kept while the mapping changes to a private one. */
  if (mmap (content, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
          == MAP_FAILED
      || ftruncate (imager->content, n_kept * MOSS_BLOCK_SIZE) < 0
      || fcntl (imager->content, F_ADD_SEALS,
                F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0
      || mmap (content, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, imager->content, 0)
             == MAP_FAILED)
    return failed (error, "Sealing new blocks");
  return TRUE;
}

gboolean
moss_imager_cut (MossImager *imager, guint threads, GError **error)
{
  gsize n_unknown;

  imager->found = g_new (guint32, MAX (imager->n_blocks, 1));
  imager->hashes = g_new (guint64, MAX (imager->n_blocks, 1));
  imager->first_new = imager->pool->segments->len;
  imager->stats.total_bytes = imager->n_blocks * MOSS_BLOCK_SIZE;
  look_up_all (imager, threads);
  n_unknown = count_unknown (imager);
  return n_unknown == 0 || collect (imager, n_unknown, error);
}

int
moss_imager_get_content (MossImager *imager)
{
  return imager->content;
}

GVariant *
moss_imager_get_ranges (MossImager *imager)
{
  GVariantBuilder builder;
  guint64 offset = 0;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(tu)"));
  for (guint i = 0; i < imager->n_new; i++)
    {
      const MossPoolSegment *segment
          = &g_array_index (imager->pool->segments, MossPoolSegment, imager->first_new + i);
      guint32 length = segment->ref.blocks * MOSS_BLOCK_SIZE;

      g_variant_builder_add (&builder, "(tu)", offset, length);
      offset += length;
    }
  return g_variant_builder_end (&builder);
}

static gboolean
copy_32 (guint8 *to, GVariant *from)
{
  gsize size;
  const guint8 *data = g_variant_get_fixed_array (from, &size, 1);

  if (size != 32)
    return FALSE;
  memcpy (to, data, 32);
  return TRUE;
}

gboolean
moss_imager_set_refs (MossImager *imager, GVariant *refs, GError **error)
{
  if (!g_variant_is_of_type (refs, G_VARIANT_TYPE ("a(ayay)"))
      || g_variant_n_children (refs) != imager->n_new)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
                   "The store did not keep all new blocks");
      return FALSE;
    }
  for (guint i = 0; i < imager->n_new; i++)
    {
      MossPoolSegment *segment
          = &g_array_index (imager->pool->segments, MossPoolSegment, imager->first_new + i);
      g_autoptr (GVariant) id = NULL, key = NULL;

      g_variant_get_child (refs, i, "(@ay@ay)", &id, &key);
      if (!copy_32 (segment->ref.id, id) || !copy_32 (segment->ref.key, key))
        {
          g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
                       "The store gave an id that is none");
          return FALSE;
        }
      segment->stored = TRUE;
    }
  return TRUE;
}

static guint32
renumber (MossImager *imager, MossManifest *manifest, guint32 *numbers, guint32 segment)
{
  if (numbers[segment] == G_MAXUINT32)
    {
      const MossPoolSegment *from
          = &g_array_index (imager->pool->segments, MossPoolSegment, segment);

      g_assert (from->stored);
      numbers[segment] = manifest->segments->len;
      g_array_append_val (manifest->segments, from->ref);
    }
  return numbers[segment];
}

void
moss_imager_write (MossImager *imager, MossManifest *manifest)
{
  guint n = imager->pool->segments->len;
  g_autofree guint32 *numbers = g_new (guint32, MAX (n, 1));

  memset (numbers, 0xff, n * sizeof *numbers);
  for (guint s = 0; s < imager->sources->len; s++)
    {
      const Source *source = &g_array_index (imager->sources, Source, s);
      MossManifestFile *file = moss_manifest_add_file (manifest, source->name, source->size);

      for (gsize i = source->first; i < source->first + source->blocks; i++)
        {
          guint32 block = imager->found[i];

          if (block == BLOCK_ZERO)
            moss_manifest_file_add (file, MOSS_SEGMENT_ZERO, 0, 1);
          else
            moss_manifest_file_add (
                file,
                renumber (imager, manifest, numbers, block / MOSS_SEGMENT_MAX_BLOCKS),
                block % MOSS_SEGMENT_MAX_BLOCKS, 1);
        }
    }
}

const MossImagerStats *
moss_imager_get_stats (MossImager *imager)
{
  return &imager->stats;
}
