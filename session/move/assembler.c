/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "assembler.h"

#include "core/parallel.h"
#include "core/whole.h"
#include "move-error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PARTS 8
#define MIN_PART_BLOCKS 512

struct _MossShelf
{
  GHashTable *segments; /* id (32 bytes) → GBytes */
  guint64 bytes;
};

static guint
id_hash (gconstpointer data)
{
  guint hash;

  memcpy (&hash, data, sizeof hash); /* ids are hashes already */
  return hash;
}

static gboolean
id_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, 32) == 0;
}

MossShelf *
moss_shelf_new (void)
{
  MossShelf *shelf = g_new0 (MossShelf, 1);

  shelf->segments = g_hash_table_new_full (id_hash, id_equal, g_free,
                                           (GDestroyNotify) g_bytes_unref);
  return shelf;
}

void
moss_shelf_free (MossShelf *shelf)
{
  g_hash_table_unref (shelf->segments);
  g_free (shelf);
}

void
moss_shelf_add (MossShelf *shelf, const guint8 *id, GBytes *plain)
{
  if (g_hash_table_contains (shelf->segments, id))
    return;
  shelf->bytes += g_bytes_get_size (plain);
  g_hash_table_insert (shelf->segments, g_memdup2 (id, 32), g_bytes_ref (plain));
}

GBytes *
moss_shelf_find (MossShelf *shelf, const guint8 *id)
{
  return g_hash_table_lookup (shelf->segments, id);
}

guint64
moss_shelf_bytes (MossShelf *shelf)
{
  return shelf->bytes;
}

GVariant *
moss_shelf_missing (MossShelf *shelf, const MossManifest *manifest, guint *n)
{
  GVariantBuilder builder;
  guint count = 0;
  g_autoptr (GHashTable) asked = g_hash_table_new (id_hash, id_equal);

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ayay)"));
  for (guint i = 0; i < manifest->segments->len; i++)
    {
      MossSegment *segment = &g_array_index (manifest->segments, MossSegment, i);

      if (moss_shelf_find (shelf, segment->id) != NULL
          || !g_hash_table_add (asked, segment->id))
        continue;
      g_variant_builder_add (&builder, "(@ay@ay)",
                             g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, segment->id, 32, 1),
                             g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, segment->key, 32, 1));
      count++;
    }
  if (n != NULL)
    *n = count;
  return g_variant_builder_end (&builder);
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

static GBytes *
map_sealed (int fd, GError **error)
{
  struct stat info;
  int seals = fcntl (fd, F_GET_SEALS);
  gpointer data;
  Mapping *mapping;

  if (fstat (fd, &info) < 0 || seals < 0 || !(seals & F_SEAL_SHRINK) || !(seals & F_SEAL_WRITE))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
                   "The store gave content that is not sealed");
      return NULL;
    }
  if (info.st_size == 0)
    return g_bytes_new (NULL, 0);
  data = mmap (NULL, info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (data == MAP_FAILED)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FULL,
                   "The store's content can't be mapped: %s", g_strerror (errno));
      return NULL;
    }
  mapping = g_new (Mapping, 1);
  mapping->data = data;
  mapping->size = info.st_size;
  return g_bytes_new_with_free_func (data, mapping->size, unmap, mapping);
}

gboolean
moss_shelf_take (MossShelf *shelf, GVariant *refs, int content, GVariant *lengths,
                 GError **error)
{
  g_autoptr (GBytes) all = map_sealed (content, error);
  gsize n = g_variant_n_children (refs), offset = 0;

  if (all == NULL)
    return FALSE;
  if (g_variant_n_children (lengths) != n)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
                   "The store gave another number of objects than were asked for");
      return FALSE;
    }
  for (gsize i = 0; i < n; i++)
    {
      guint32 length;
      gsize id_size;
      const guint8 *id;
      g_autoptr (GVariant) id_value = NULL;
      g_autoptr (GBytes) plain = NULL;

      g_variant_get_child (lengths, i, "u", &length);
      g_variant_get_child (refs, i, "(@ay@ay)", &id_value, NULL);
      id = g_variant_get_fixed_array (id_value, &id_size, 1);
      if (id_size != 32 || length > g_bytes_get_size (all) - offset)
        {
          g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
                       "The store gave less content than it says");
          return FALSE;
        }
      plain = g_bytes_new_from_bytes (all, offset, length);
      moss_shelf_add (shelf, id, plain);
      offset += length;
    }
  return TRUE;
}

static gboolean
write_run (int fd, guint8 *mapped, const guint8 *data, const MossRun *run, guint64 block,
           const guint8 *keep)
{
  guint32 done = 0;

  data += (gsize) run->first * MOSS_BLOCK_SIZE;
  while (done < run->blocks)
    {
      guint32 n = 1;
      gboolean kept = keep != NULL && keep[block + done];

      while (done + n < run->blocks && (keep != NULL && keep[block + done + n]) == kept)
        n++;
      if (!kept && mapped != NULL)
        memcpy (mapped + (block + done) * MOSS_BLOCK_SIZE, data + (gsize) done * MOSS_BLOCK_SIZE,
                (gsize) n * MOSS_BLOCK_SIZE);
      else if (!kept
               && !moss_pwrite_all (fd, data + (gsize) done * MOSS_BLOCK_SIZE,
                                    (gsize) n * MOSS_BLOCK_SIZE,
                                    (block + done) * MOSS_BLOCK_SIZE))
        return FALSE;
      done += n;
    }
  return TRUE;
}

/* A part of a file's runs, written by one thread. */
typedef struct
{
  int fd;
  guint8 *mapped; /* the file, or NULL */
  const MossManifest *manifest;
  const MossManifestFile *file;
  MossShelf *shelf;
  const guint8 *keep;
  guint first_run[MAX_PARTS + 1];
  guint64 first_block[MAX_PARTS + 1];
  gint error_code; /* of MossMoveError, plus one */
  int error_number;
} Writing;

static gboolean
write_one (Writing *writing, const MossRun *run, guint64 block)
{
  const MossSegment *segment;
  GBytes *plain;

  if (run->segment == MOSS_SEGMENT_ZERO)
    return TRUE;
  segment = &g_array_index (writing->manifest->segments, MossSegment, run->segment);
  plain = moss_shelf_find (writing->shelf, segment->id);
  if (plain == NULL || g_bytes_get_size (plain) != (gsize) segment->blocks * MOSS_BLOCK_SIZE)
    {
      g_atomic_int_set (&writing->error_code, MOSS_MOVE_ERROR_CORRUPT + 1);
      return FALSE;
    }
  if (write_run (writing->fd, writing->mapped, g_bytes_get_data (plain, NULL), run, block,
                 writing->keep))
    return TRUE;
  writing->error_number = errno;
  g_atomic_int_set (&writing->error_code, MOSS_MOVE_ERROR_FULL + 1);
  return FALSE;
}

static void
write_part (gsize part, gpointer data)
{
  Writing *writing = data;
  guint64 block = writing->first_block[part];

  for (guint i = writing->first_run[part]; i < writing->first_run[part + 1]; i++)
    {
      const MossRun *run = &g_array_index (writing->file->runs, MossRun, i);

      if (!write_one (writing, run, block))
        return;
      block += run->blocks;
    }
}

/* Cuts the runs into parts of about as many blocks each. */
static guint
divide (Writing *writing)
{
  const GArray *runs = writing->file->runs;
  guint64 blocks = (writing->file->size + MOSS_BLOCK_SIZE - 1) / MOSS_BLOCK_SIZE;
  guint64 share = MAX (blocks / MAX_PARTS, MIN_PART_BLOCKS), block = 0;
  guint parts = 0;

  for (guint i = 0; i < runs->len; i++)
    {
      if (parts == 0 || (parts < MAX_PARTS && block >= parts * share))
        {
          writing->first_run[parts] = i;
          writing->first_block[parts++] = block;
        }
      block += g_array_index (runs, MossRun, i).blocks;
    }
  writing->first_run[parts] = runs->len;
  return parts;
}

static gboolean
write_runs (int fd, guint8 *mapped, const MossManifest *manifest, const MossManifestFile *file,
            MossShelf *shelf, const guint8 *keep, GError **error)
{
  Writing writing = { .fd = fd, .mapped = mapped, .manifest = manifest, .file = file,
                      .shelf = shelf, .keep = keep };
  guint parts = divide (&writing);

  /* The kernel lets one thread at a time write to a file, but any number to a mapping. */
  if (mapped != NULL)
    moss_parallel (parts, write_part, &writing);
  else
    for (guint i = 0; i < parts; i++)
      write_part (i, &writing);
  if (writing.error_code == 0)
    return TRUE;
  if (writing.error_code == MOSS_MOVE_ERROR_CORRUPT + 1)
    g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
                 "The snapshot is damaged: a part of %s is missing", file->name);
  else
    g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FULL, "There is no room for %s: %s",
                 file->name, g_strerror (writing.error_number));
  return FALSE;
}

/* ---- spares -------------------------------------------------------------------------- */

MossSpare *
moss_spare_new (int fd, gsize size)
{
  gpointer data
      = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  MossSpare *spare;

  if (data == MAP_FAILED)
    {
      close (fd);
      return NULL;
    }
  spare = g_new0 (MossSpare, 1);
  spare->size = size;
  spare->fd = fd;
  spare->data = data;
  return spare;
}

void
moss_spare_free (MossSpare *spare)
{
  if (spare->data != NULL)
    munmap (spare->data, spare->size);
  if (spare->fd >= 0)
    close (spare->fd);
  g_free (spare);
}

static int
cannot_seal (const MossManifestFile *file, int fd, GError **error)
{
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FULL, "%s can't be sealed: %s",
               file->name, g_strerror (errno));
  close (fd);
  return -1;
}

/* What lies behind the file is cut off; what stays unwritten is zeros there too. */
static int
finish_spare (const MossManifestFile *file, MossSpare *spare, int fd, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  int reader;

  munmap (g_steal_pointer (&spare->data), spare->size);
  reader = ftruncate (fd, file->size) == 0 ? open (path, O_RDONLY | O_CLOEXEC) : -1;

  if (reader < 0)
    return cannot_seal (file, fd, error);
  close (fd);
  return reader;
}

static int
finish_memfd (const MossManifestFile *file, int fd, GError **error)
{
  if (ftruncate (fd, file->size) == 0
      && fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
    return fd;
  return cannot_seal (file, fd, error);
}

int
moss_assemble (const MossManifest *manifest, const MossManifestFile *file, MossShelf *shelf,
               const guint8 *keep, MossSpare *spare, GError **error)
{
  /* A file is written in whole blocks. */
  gboolean fits = spare != NULL && spare->fd >= 0
                  && spare->size / MOSS_BLOCK_SIZE * MOSS_BLOCK_SIZE >= file->size;
  int fd = fits ? g_steal_fd (&spare->fd)
                : memfd_create (file->name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd < 0)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FULL,
                   "There is no room for %s: %s", file->name, g_strerror (errno));
      return -1;
    }
  if (!write_runs (fd, fits ? spare->data : NULL, manifest, file, shelf, keep, error))
    {
      close (fd);
      return -1;
    }
  return fits ? finish_spare (file, spare, fd, error) : finish_memfd (file, fd, error);
}
