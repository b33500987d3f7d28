// SPDX-License-Identifier: LGPL-2.1-or-later
/* Buffers into a frame and out of it. What comes out is another process's: its memory
 * must be a memfd that nobody can make shorter (else reading it could kill us), nobody
 * may be able to change it while it is read, it must be as long as it says, and hold what
 * its dimensions and caps say. Whatever isn't so is refused with a sentence before
 * anything is mapped. */
#include "buffer-private.h"

#include "core/whole.h"
#include "ffi-broker/types/caps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean
copy_into (MossFfiBuffer *buffer, int fd, GError **error)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (buffer->bytes, &size);

  if (fd < 0)
    return FALSE;
  if (moss_pwrite_all (fd, data, size, 0))
    return TRUE;
  moss_ffi_fail (error, MOSS_FFI_ERROR_FAILED, "A buffer can't be filled: %s",
                 g_strerror (errno));
  close (fd);
  return FALSE;
}

/* In memory that has more in it than these bytes: for nobody else. */
static gboolean
lend (MossFfiBuffer *buffer, GError **error)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (buffer->bytes, &size);

  if (buffer->lent.fd >= 0)
    return TRUE;
  if (!moss_ffi_pool_take (size, &buffer->lent, error))
    return FALSE;
  memcpy (buffer->lent.data, data, size);
  return TRUE;
}

/* Puts the bytes in a memfd if they aren't; sealed unless the receiver trusts us. */
gboolean
moss_ffi_buffer_share (MossFfiBuffer *buffer, MossFfiTrust trust, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&buffer->lock);
  gboolean trusted = trust == MOSS_FFI_TRUST_LENT || trust == MOSS_FFI_TRUST_ALL;
  int fd;

  if (trusted && buffer->fd >= 0)
    return TRUE;
  moss_ffi_buffer_end_writing (buffer);
  if (buffer->fd < 0 && trust == MOSS_FFI_TRUST_LENT)
    return lend (buffer, error);
  if (buffer->fd < 0)
    {
      fd = moss_ffi_memfd_make (g_bytes_get_size (buffer->bytes), error);
      if (!copy_into (buffer, fd, error))
        return FALSE;
      buffer->fd = fd;
      buffer->offset = 0;
    }
  return moss_ffi_fd_seal (buffer->fd, error);
}

/* After a call that wasn't answered: who knows who still reads it. */
void
moss_ffi_buffer_forgo (MossFfiBuffer *buffer)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&buffer->lock);

  buffer->forgone = TRUE;
}

/* Whether a result is an argument that was lent, given back as it came. */
gboolean
moss_ffi_buffer_is_lent (MossFfiBuffer *argument, MossFfiBuffer *result)
{
  struct stat first, second;

  return argument->lent.fd >= 0 && result->fd >= 0 && fstat (argument->lent.fd, &first) == 0
         && fstat (result->fd, &second) == 0 && first.st_dev == second.st_dev
         && first.st_ino == second.st_ino;
}

static GVariant *
empty_dict (void)
{
  return g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);
}

static GVariant *
to_wire (MossFfiBuffer *buffer, GVariant *data, int index)
{
  GVariantBuilder dims;

  g_variant_builder_init (&dims, G_VARIANT_TYPE ("a(tx)"));
  for (guint i = 0; i < buffer->n_dims; i++)
    g_variant_builder_add (&dims, "(tx)", buffer->dims[i].extent, buffer->dims[i].stride);
  return g_variant_new ("(@ayittsa(tx)@a{sv})", data, index,
                        index < 0 ? (guint64)0 : buffer->offset, (guint64)buffer->length,
                        buffer->caps, &dims,
                        buffer->metadata ? buffer->metadata : empty_dict ());
}

static GVariant *
to_wire_inline (MossFfiBuffer *buffer, GError **error)
{
  g_autoptr (GBytes) bytes = moss_ffi_buffer_get_bytes (buffer, error);

  if (bytes == NULL)
    return NULL;
  return to_wire (buffer,
                  g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE), -1);
}

static GVariant *
to_wire_fd (MossFfiBuffer *buffer, MossFfiTrust trust, MossFfiFds *fds, GError **error)
{
  if (fds->n_fds == MOSS_FFI_FRAME_FDS)
    {
      moss_ffi_fail (error, MOSS_FFI_ERROR_INVALID,
                     "A call can't have more than %d big buffers", MOSS_FFI_FRAME_FDS);
      return NULL;
    }
  if (!moss_ffi_buffer_share (buffer, trust, error))
    return NULL;
  fds->fds[fds->n_fds++] = buffer->fd >= 0 ? buffer->fd : buffer->lent.fd;
  return to_wire (buffer, g_variant_new_array (G_VARIANT_TYPE_BYTE, NULL, 0),
                  fds->n_fds - 1);
}

/* The buffers as a frame's body has them: the first 32 KiB of short ones in the frame,
 * the rest in @fds, which are the buffers' own and must be sent before these go.
 * Floating; any thread. */
GVariant *
moss_ffi_buffers_to_wire (MossFfiBuffer *const *buffers,
                          guint n_buffers,
                          MossFfiTrust trust,
                          MossFfiFds *fds,
                          GError **error)
{
  GVariantBuilder list;
  gsize room = MOSS_FFI_BUFFER_INLINE;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("a" MOSS_FFI_BUFFER_TYPE));
  for (guint i = 0; i < n_buffers; i++)
    {
      gboolean fits = buffers[i]->length <= room;
      GVariant *one = fits ? to_wire_inline (buffers[i], error)
                           : to_wire_fd (buffers[i], trust, fds, error);

      if (one == NULL)
        {
          g_variant_builder_clear (&list);
          return NULL;
        }
      if (fits)
        room -= buffers[i]->length;
      g_variant_builder_add_value (&list, one);
    }
  return g_variant_builder_end (&list);
}

static gboolean
dims_fit (MossFfiBuffer *buffer, GError **error)
{
  guint64 last = 0;
  guint64 least = G_MAXUINT64;

  for (guint i = 0; i < buffer->n_dims; i++)
    {
      guint64 extent = buffer->dims[i].extent;
      guint64 stride = buffer->dims[i].stride;
      guint64 span;

      if (extent == 0 || buffer->dims[i].stride <= 0
          || !g_uint64_checked_mul (&span, extent - 1, stride)
          || !g_uint64_checked_add (&last, last, span))
        return moss_ffi_fail (
            error, MOSS_FFI_ERROR_BAD_BUFFER,
            "A buffer of %s has an impossible dimension: %" G_GUINT64_FORMAT
            " times %" G_GINT64_FORMAT " bytes",
            buffer->caps, extent, buffer->dims[i].stride);
      least = MIN (least, stride);
    }
  if (buffer->n_dims == 0
      || (g_uint64_checked_add (&last, last, least) && last <= buffer->length))
    return TRUE;
  return moss_ffi_fail (
      error, MOSS_FFI_ERROR_BAD_BUFFER,
      "A buffer of %s is too short for its dimensions: they need %" G_GUINT64_FORMAT
      " bytes, it has %" G_GSIZE_FORMAT,
      buffer->caps, last, buffer->length);
}

/* Bytes of a pixel of the formats that have whole ones; 0 for others. */
static guint
pixel_bytes (const char *format)
{
  static const struct
  {
    const char *format;
    guint bytes;
  } known[]
      = { { "RGB", 3 },   { "BGR", 3 },       { "RGBA", 4 },      { "BGRA", 4 },
          { "ARGB", 4 },  { "ABGR", 4 },      { "RGBx", 4 },      { "BGRx", 4 },
          { "GRAY8", 1 }, { "GRAY16_LE", 2 }, { "GRAY16_BE", 2 }, { "RGBA64_LE", 8 } };

  for (guint i = 0; format && i < G_N_ELEMENTS (known); i++)
    if (g_str_equal (known[i].format, format))
      return known[i].bytes;
  return 0;
}

/* A picture's width and height must have their bytes. */
static gboolean
picture_fits (MossFfiBuffer *buffer, GError **error)
{
  g_autoptr (MossFfiCaps) caps = moss_ffi_caps_parse (buffer->caps, error);
  gint64 width, height;
  guint64 pixels;
  guint bytes;

  if (caps == NULL)
    return FALSE;
  if (!moss_ffi_caps_get_int (caps, "width", &width)
      || !moss_ffi_caps_get_int (caps, "height", &height))
    return TRUE;
  bytes = MAX (pixel_bytes (moss_ffi_caps_get_string (caps, "format")), 1);
  if (width > 0 && height > 0 && width <= G_MAXINT32 && height <= G_MAXINT32
      && g_uint64_checked_mul (&pixels, width, height)
      && pixels <= buffer->length / bytes)
    return TRUE;
  return moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                        "A picture of %" G_GINT64_FORMAT " times %" G_GINT64_FORMAT
                        " can't be in %" G_GSIZE_FORMAT " bytes",
                        width, height, buffer->length);
}

/* Is there memory for what the dimensions and the caps say? Whatever they say. */
gboolean
moss_ffi_buffer_check (MossFfiBuffer *buffer, GError **error)
{
  if (!dims_fit (buffer, error))
    return FALSE;
  return !g_str_has_prefix (buffer->caps, "video/x-raw") || picture_fits (buffer, error);
}

static gboolean
take_fd (MossFfiBuffer *buffer,
         MossFfiFrame *frame,
         gint32 index,
         MossFfiTrust trust,
         GError **error)
{
  const int fixed = F_SEAL_SHRINK | F_SEAL_GROW;
  int seals;

  buffer->fd = index < 0 ? -1 : moss_ffi_frame_take_fd (frame, index);
  if (buffer->fd < 0)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                          "A buffer came without its memory");
  seals = fcntl (buffer->fd, F_GET_SEALS);
  if (seals < 0 || (seals & fixed) != fixed)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_UNSEALED,
                          "A buffer of %s could still be made shorter by its sender",
                          buffer->caps);
  if ((seals & F_SEAL_WRITE) == 0 && trust == MOSS_FFI_TRUST_SEALED)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_UNSEALED,
                          "A buffer of %s could still be changed by its sender",
                          buffer->caps);
  if (!moss_ffi_fd_has (buffer->fd, buffer->offset, buffer->length, error))
    return FALSE;
  if ((seals & F_SEAL_WRITE) == 0 && trust == MOSS_FFI_TRUST_COPY && buffer->length > 0)
    {
      buffer->bytes = moss_ffi_buffer_read (buffer, error);
      close (buffer->fd);
      buffer->fd = -1;
      buffer->offset = 0;
      return buffer->bytes != NULL;
    }
  return TRUE;
}

static gboolean
take_inline (MossFfiBuffer *buffer, GVariant *data, GError **error)
{
  if (g_variant_get_size (data) != buffer->length || buffer->offset != 0)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                          "A buffer is said to have %" G_GSIZE_FORMAT
                          " bytes, but %" G_GSIZE_FORMAT " came",
                          buffer->length, g_variant_get_size (data));
  buffer->bytes = g_variant_get_data_as_bytes (data);
  return TRUE;
}

static gboolean
take_dims (MossFfiBuffer *buffer, GVariant *dims, GError **error)
{
  if (g_variant_n_children (dims) > MOSS_FFI_BUFFER_DIMS)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                          "A buffer has more than %d dimensions", MOSS_FFI_BUFFER_DIMS);
  buffer->n_dims = g_variant_n_children (dims);
  for (guint i = 0; i < buffer->n_dims; i++)
    g_variant_get_child (dims, i, "(tx)", &buffer->dims[i].extent,
                         &buffer->dims[i].stride);
  return moss_ffi_buffer_check (buffer, error);
}

static MossFfiBuffer *
from_wire (GVariant *wire, MossFfiFrame *frame, MossFfiTrust trust, GError **error)
{
  g_autoptr (MossFfiBuffer) buffer = moss_ffi_buffer_make (NULL);
  g_autoptr (GVariant) data = NULL;
  g_autoptr (GVariant) dims = NULL;
  guint64 length;
  gint32 index;

  g_variant_get (wire, "(@ayitts@a(tx)@a{sv})", &data, &index, &buffer->offset, &length,
                 &buffer->caps, &dims, &buffer->metadata);
  buffer->length = length;
  if (length > G_MAXSSIZE || buffer->offset > G_MAXSSIZE)
    {
      moss_ffi_fail (error, MOSS_FFI_ERROR_BAD_BUFFER,
                     "A buffer has %" G_GUINT64_FORMAT " bytes", length);
      return NULL;
    }
  if (index == -1 ? !take_inline (buffer, data, error)
                  : !take_fd (buffer, frame, index, trust, error))
    return NULL;
  if (!take_dims (buffer, dims, error))
    return NULL;
  return g_steal_pointer (&buffer);
}

/* Takes the buffers of a frame and their descriptors. Transfer full; nothing is mapped
 * yet. */
GPtrArray *
moss_ffi_buffers_from_wire (GVariant *buffers,
                            MossFfiFrame *frame,
                            MossFfiTrust trust,
                            GError **error)
{
  g_autoptr (GPtrArray) list
      = g_ptr_array_new_with_free_func ((GDestroyNotify)moss_ffi_buffer_unref);
  GVariantIter iter;
  GVariant *wire;

  g_variant_iter_init (&iter, buffers);
  while ((wire = g_variant_iter_next_value (&iter)))
    {
      MossFfiBuffer *buffer = from_wire (wire, frame, trust, error);

      g_variant_unref (wire);
      if (buffer == NULL)
        return NULL;
      g_ptr_array_add (list, buffer);
    }
  return g_steal_pointer (&list);
}
