// SPDX-License-Identifier: LGPL-2.1-or-later
/* A buffer is in one of three states: written by its maker (memory or a writable
 * mapping), sealed in memory, or sealed in a memfd that is mapped for reading when
 * somebody looks. */
#include "buffer-private.h"

#include "core/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

G_DEFINE_BOXED_TYPE (MossFfiBuffer,
                     moss_ffi_buffer,
                     moss_ffi_buffer_ref,
                     moss_ffi_buffer_unref)

static gint no_mappings;

/* From now on this process reads memfds instead of mapping them: in a sandbox a shared
 * mapping of a sealed memfd would be in the way of a move. */
void
moss_ffi_buffer_avoid_mappings (void)
{
  g_atomic_int_set (&no_mappings, TRUE);
}

MossFfiBuffer *
moss_ffi_buffer_make (const char *caps)
{
  MossFfiBuffer *buffer = g_new0 (MossFfiBuffer, 1);

  g_atomic_ref_count_init (&buffer->refs);
  g_mutex_init (&buffer->lock);
  buffer->caps = g_strdup (caps);
  buffer->fd = -1;
  buffer->lent.fd = -1;
  return buffer;
}

/**
 * moss_ffi_buffer_new:
 * @caps: what the bytes are
 * @bytes: the bytes
 *
 * Returns: (transfer full): a buffer of bytes in memory, ready to be sent. When they are
 * more than 32 KiB, sending copies them once; moss_ffi_buffer_new_writable() spares that.
 */
MossFfiBuffer *
moss_ffi_buffer_new (const char *caps, GBytes *bytes)
{
  MossFfiBuffer *buffer = moss_ffi_buffer_make (caps);

  buffer->bytes = g_bytes_ref (bytes);
  buffer->length = g_bytes_get_size (bytes);
  return buffer;
}

/* A memfd of that length, sealed against shrinking and growing. */
int
moss_ffi_memfd_make (gsize length, GError **error)
{
  int fd = memfd_create ("moss-buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd >= 0 && ftruncate (fd, length) == 0
      && fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
    return fd;
  moss_ffi_fail (error, MOSS_FFI_ERROR_FAILED,
                 "No memory for a buffer of %" G_GSIZE_FORMAT " bytes: %s", length,
                 g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static gboolean
map_writable (MossFfiBuffer *buffer, GError **error)
{
  void *data;

  buffer->fd = moss_ffi_memfd_make (buffer->length, error);
  if (buffer->fd < 0)
    return FALSE;
  data = mmap (NULL, buffer->length, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd, 0);
  if (data == MAP_FAILED)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_FAILED,
                          "A buffer of %" G_GSIZE_FORMAT " bytes can't be mapped: %s",
                          buffer->length, g_strerror (errno));
  buffer->writable = data;
  return TRUE;
}

/**
 * moss_ffi_buffer_new_writable:
 * @caps: what the bytes will be
 * @length: how many
 * @error: where to say why not
 *
 * A buffer to be filled in place, zero at first; when it is sent nothing is copied.
 *
 * Returns: (transfer full): the buffer, or %NULL
 */
MossFfiBuffer *
moss_ffi_buffer_new_writable (const char *caps, gsize length, GError **error)
{
  g_autoptr (MossFfiBuffer) buffer = moss_ffi_buffer_make (caps);

  buffer->length = buffer->room = length;
  if (length > MOSS_FFI_BUFFER_INLINE && !g_atomic_int_get (&no_mappings))
    {
      if (!map_writable (buffer, error))
        return NULL;
      return g_steal_pointer (&buffer);
    }
  buffer->writable = g_try_malloc0 (MAX (length, 1));
  if (buffer->writable == NULL)
    {
      moss_ffi_fail (error, MOSS_FFI_ERROR_FAILED,
                     "No memory for a buffer of %" G_GSIZE_FORMAT " bytes", length);
      return NULL;
    }
  return g_steal_pointer (&buffer);
}

gboolean
moss_ffi_fd_has (int fd, guint64 offset, guint64 length, GError **error)
{
  struct stat info;

  if (fstat (fd, &info) < 0)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                          "A buffer can't be looked at: %s", g_strerror (errno));
  if (length <= G_MAXSSIZE && offset <= G_MAXSSIZE
      && offset + length <= (guint64)MAX (info.st_size, 0))
    return TRUE;
  return moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                        "A buffer is said to have %" G_GUINT64_FORMAT
                        " bytes from %" G_GUINT64_FORMAT
                        " on, but its memory ends at %" G_GINT64_FORMAT,
                        length, offset, (gint64)info.st_size);
}

/* A file that isn't a memfd has none: the answer is -1 then, in which every bit is set. */
static gboolean
has_seals (int fd, int seals)
{
  int there = fcntl (fd, F_GET_SEALS);

  return there >= 0 && (there & seals) == seals;
}

/**
 * moss_ffi_buffer_new_for_fd:
 * @caps: what the bytes are
 * @fd: a memfd, or a file; the buffer keeps a duplicate
 * @offset: where the bytes begin in it
 * @length: how many
 * @error: where to say why not
 *
 * A memfd is used as it is and gets sealed when it is sent; anything else is copied now.
 *
 * Returns: (transfer full): the buffer, or %NULL
 */
MossFfiBuffer *
moss_ffi_buffer_new_for_fd (
    const char *caps, int fd, guint64 offset, guint64 length, GError **error)
{
  g_autoptr (MossFfiBuffer) buffer = NULL;
  const int fixed = F_SEAL_SHRINK | F_SEAL_GROW;

  if (!moss_ffi_fd_has (fd, offset, length, error))
    return NULL;
  if (has_seals (fd, fixed) || fcntl (fd, F_ADD_SEALS, fixed) == 0)
    {
      buffer = moss_ffi_buffer_make (caps);
      buffer->fd = fcntl (fd, F_DUPFD_CLOEXEC, 3);
      buffer->offset = offset;
      buffer->length = length;
      return g_steal_pointer (&buffer);
    }
  buffer = moss_ffi_buffer_new_writable (caps, length, error);
  if (buffer == NULL)
    return NULL;
  if (moss_pread_all (fd, buffer->writable, length, offset))
    return g_steal_pointer (&buffer);
  moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER, "A file can't be read: %s",
                 g_strerror (errno));
  return NULL;
}

/**
 * moss_ffi_buffer_ref: (skip)
 * @buffer: a buffer
 *
 * Returns: (transfer full): @buffer
 */
MossFfiBuffer *
moss_ffi_buffer_ref (MossFfiBuffer *buffer)
{
  g_atomic_ref_count_inc (&buffer->refs);
  return buffer;
}

static void
drop_writable (MossFfiBuffer *buffer)
{
  if (buffer->writable == NULL)
    return;
  if (buffer->fd >= 0)
    munmap (buffer->writable, buffer->room);
  else
    g_free (buffer->writable);
  buffer->writable = NULL;
}

/**
 * moss_ffi_buffer_unref: (skip)
 * @buffer: (transfer full): a buffer
 */
void
moss_ffi_buffer_unref (MossFfiBuffer *buffer)
{
  if (!g_atomic_ref_count_dec (&buffer->refs))
    return;
  drop_writable (buffer);
  g_clear_pointer (&buffer->bytes, g_bytes_unref);
  if (buffer->fd >= 0)
    close (buffer->fd);
  if (buffer->lent.fd >= 0 && !buffer->forgone)
    moss_ffi_pool_give (&buffer->lent);
  else if (buffer->lent.fd >= 0)
    moss_ffi_pooled_close (&buffer->lent);
  g_clear_pointer (&buffer->metadata, g_variant_unref);
  g_mutex_clear (&buffer->lock);
  g_free (buffer->caps);
  g_free (buffer);
}

/* --- writing ---------------------------------------------------------------------------
 */

/**
 * moss_ffi_buffer_get_data: (skip)
 * @buffer: a buffer that isn't sealed
 * @length: (out) (optional): how many bytes
 *
 * Returns: (nullable): where to write; %NULL once it is sealed. Valid until then.
 */
guint8 *
moss_ffi_buffer_get_data (MossFfiBuffer *buffer, gsize *length)
{
  if (length)
    *length = buffer->length;
  return buffer->writable;
}

static gboolean
may_write (MossFfiBuffer *buffer, GError **error)
{
  if (buffer->writable != NULL)
    return TRUE;
  return moss_ffi_fail (error, MOSS_FFI_ERROR_INVALID,
                        "A sealed buffer can't be changed");
}

/**
 * moss_ffi_buffer_write:
 * @buffer: a buffer that isn't sealed
 * @offset: where
 * @bytes: what
 * @error: where to say why not
 *
 * Returns: %FALSE when it is sealed already or too short.
 */
gboolean
moss_ffi_buffer_write (MossFfiBuffer *buffer, gsize offset, GBytes *bytes, GError **error)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  if (!may_write (buffer, error))
    return FALSE;
  if (offset > buffer->length || size > buffer->length - offset)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                          "The buffer is too short for that");
  if (size > 0)
    memcpy (buffer->writable + offset, data, size);
  return TRUE;
}

/**
 * moss_ffi_buffer_shorten:
 * @buffer: a buffer that isn't sealed
 * @length: how many bytes are used
 * @error: where to say why not
 *
 * For who only knows afterwards how much it became.
 *
 * Returns: %FALSE when it is sealed already or shorter.
 */
gboolean
moss_ffi_buffer_shorten (MossFfiBuffer *buffer, gsize length, GError **error)
{
  if (!may_write (buffer, error))
    return FALSE;
  if (length > buffer->length)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                          "The buffer is shorter than that");
  buffer->length = length;
  return TRUE;
}

gboolean
moss_ffi_fd_seal (int fd, GError **error)
{
  if (has_seals (fd, F_SEAL_WRITE)
      || fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) == 0)
    return TRUE;
  return moss_ffi_fail (error, MOSS_FFI_ERROR_UNSEALED, "A buffer can't be sealed: %s",
                        errno == EBUSY ? "it is still mapped for writing somewhere"
                                       : g_strerror (errno));
}

void
moss_ffi_buffer_end_writing (MossFfiBuffer *buffer)
{
  if (buffer->writable != NULL && buffer->fd < 0)
    buffer->bytes
        = g_bytes_new_take (g_steal_pointer (&buffer->writable), buffer->length);
  drop_writable (buffer);
}

/**
 * moss_ffi_buffer_seal:
 * @buffer: a buffer
 * @error: where to say why not
 *
 * From now on nobody can change its bytes, its maker neither. A call seals what it is
 * given.
 *
 * Returns: %TRUE when it is sealed (now)
 */
gboolean
moss_ffi_buffer_seal (MossFfiBuffer *buffer, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&buffer->lock);

  moss_ffi_buffer_end_writing (buffer);
  return buffer->fd < 0 || moss_ffi_fd_seal (buffer->fd, error);
}

/* --- reading ---------------------------------------------------------------------------
 */

typedef struct
{
  void *base;
  gsize size;
} Mapping;

static void
unmap (gpointer data)
{
  Mapping *mapping = data;

  munmap (mapping->base, mapping->size);
  g_free (mapping);
}

static GBytes *
map_for_reading (MossFfiBuffer *buffer, GError **error)
{
  guint64 slack = buffer->offset % sysconf (_SC_PAGESIZE);
  Mapping *mapping;
  /* Private: a shared one would count as one that writes, so that the memory could not be sealed
   * any more, and kernels before 6.7 refuse it for memory that is. */
  void *base = mmap (NULL, buffer->length + slack, PROT_READ, MAP_PRIVATE, buffer->fd,
                     buffer->offset - slack);

  if (base == MAP_FAILED)
    {
      moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                     "A buffer of %" G_GSIZE_FORMAT " bytes can't be mapped: %s",
                     buffer->length, g_strerror (errno));
      return NULL;
    }
  mapping = g_new (Mapping, 1);
  *mapping = (Mapping){ base, buffer->length + slack };
  return g_bytes_new_with_free_func ((guint8 *)base + slack, buffer->length, unmap,
                                     mapping);
}

GBytes *
moss_ffi_buffer_read (MossFfiBuffer *buffer, GError **error)
{
  g_autofree guint8 *data = g_try_malloc (buffer->length);

  if (data != NULL && moss_pread_all (buffer->fd, data, buffer->length, buffer->offset))
    return g_bytes_new_take (g_steal_pointer (&data), buffer->length);
  moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                 "A buffer of %" G_GSIZE_FORMAT " bytes can't be read: %s",
                 buffer->length, g_strerror (data ? errno : ENOMEM));
  return NULL;
}

static GBytes *
load_bytes (MossFfiBuffer *buffer, GError **error)
{
  moss_ffi_buffer_end_writing (buffer);
  if (buffer->bytes != NULL)
    return buffer->bytes;
  if (buffer->length == 0)
    buffer->bytes = g_bytes_new (NULL, 0);
  else if (g_atomic_int_get (&no_mappings))
    buffer->bytes = moss_ffi_buffer_read (buffer, error);
  else
    buffer->bytes = map_for_reading (buffer, error);
  return buffer->bytes;
}

/**
 * moss_ffi_buffer_get_bytes:
 * @buffer: a buffer; it can't be written any more after this
 * @error: where to say why not
 *
 * Returns: (transfer full): its bytes, which may outlive it; %NULL when they can't be
 * mapped
 */
GBytes *
moss_ffi_buffer_get_bytes (MossFfiBuffer *buffer, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&buffer->lock);
  GBytes *bytes = load_bytes (buffer, error);

  return bytes ? g_bytes_ref (bytes) : NULL;
}

/**
 * moss_ffi_buffer_get_length:
 * @buffer: a buffer
 *
 * Returns: how many bytes it has
 */
gsize
moss_ffi_buffer_get_length (MossFfiBuffer *buffer)
{
  return buffer->length;
}

/**
 * moss_ffi_buffer_get_caps:
 * @buffer: a buffer
 *
 * Returns: what its bytes are
 */
const char *
moss_ffi_buffer_get_caps (MossFfiBuffer *buffer)
{
  return buffer->caps;
}

/**
 * moss_ffi_buffer_set_caps:
 * @buffer: a buffer that nobody else uses yet
 * @caps: what its bytes are
 */
void
moss_ffi_buffer_set_caps (MossFfiBuffer *buffer, const char *caps)
{
  g_autofree char *old = buffer->caps;

  buffer->caps = g_strdup (caps);
}

/**
 * moss_ffi_buffer_get_fd:
 * @buffer: a buffer
 *
 * For who hands the memory on, or writes it through a mapping of its own (which must be
 * gone before the buffer is sent).
 *
 * Returns: the memfd with the bytes, the buffer's own; -1 when they are in memory
 */
int
moss_ffi_buffer_get_fd (MossFfiBuffer *buffer)
{
  return buffer->fd;
}

/**
 * moss_ffi_buffer_get_offset:
 * @buffer: a buffer
 *
 * Returns: where in moss_ffi_buffer_get_fd() its bytes begin
 */
guint64
moss_ffi_buffer_get_offset (MossFfiBuffer *buffer)
{
  return buffer->offset;
}

/**
 * moss_ffi_buffer_add_dim:
 * @buffer: a buffer that nobody else uses yet
 * @extent: how many along this dimension
 * @stride: bytes from one to the next
 *
 * The slowest dimension first. More than %MOSS_FFI_BUFFER_DIMS are not kept.
 */
void
moss_ffi_buffer_add_dim (MossFfiBuffer *buffer, guint64 extent, gint64 stride)
{
  if (buffer->n_dims == MOSS_FFI_BUFFER_DIMS)
    return;
  buffer->dims[buffer->n_dims].extent = extent;
  buffer->dims[buffer->n_dims++].stride = stride;
}

/**
 * moss_ffi_buffer_get_n_dims:
 * @buffer: a buffer
 *
 * Returns: how many dimensions it has; 0 when it has no form
 */
guint
moss_ffi_buffer_get_n_dims (MossFfiBuffer *buffer)
{
  return buffer->n_dims;
}

/**
 * moss_ffi_buffer_get_dim:
 * @buffer: a buffer
 * @index: which dimension
 * @extent: (out) (optional): how many along it
 * @stride: (out) (optional): bytes from one to the next
 *
 * Returns: %FALSE when there is no such dimension
 */
gboolean
moss_ffi_buffer_get_dim (MossFfiBuffer *buffer,
                         guint index,
                         guint64 *extent,
                         gint64 *stride)
{
  if (index >= buffer->n_dims)
    return FALSE;
  if (extent)
    *extent = buffer->dims[index].extent;
  if (stride)
    *stride = buffer->dims[index].stride;
  return TRUE;
}

/**
 * moss_ffi_buffer_set_metadata:
 * @buffer: a buffer that nobody else uses yet
 * @metadata: (nullable): an a{sv}
 */
void
moss_ffi_buffer_set_metadata (MossFfiBuffer *buffer, GVariant *metadata)
{
  g_return_if_fail (metadata == NULL
                    || g_variant_is_of_type (metadata, G_VARIANT_TYPE_VARDICT));
  g_clear_pointer (&buffer->metadata, g_variant_unref);
  if (metadata)
    buffer->metadata = g_variant_ref_sink (metadata);
}

/**
 * moss_ffi_buffer_get_metadata:
 * @buffer: a buffer
 *
 * Returns: (transfer none) (nullable): what else is known about the bytes, an a{sv}
 */
GVariant *
moss_ffi_buffer_get_metadata (MossFfiBuffer *buffer)
{
  return buffer->metadata;
}
