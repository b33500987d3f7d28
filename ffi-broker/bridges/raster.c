// SPDX-License-Identifier: GPL-3.0-or-later
/* Rasters in buffers. A buffer's sender says how large a picture is and where its rows are:
 * nothing of that is believed before it's been compared with the bytes that are there. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/bridges/picture.h"

#include "ffi-broker/types/caps.h"

/**
 * moss_raster_check:
 *
 * Returns: %FALSE with MOSS_FFI_ERROR_BAD_BUFFER for a picture that nobody has seriously.
 */
gboolean
moss_raster_check (guint64 width, guint64 height, GError **error)
{
  if (width > 0 && height > 0 && width <= MOSS_RASTER_SIDE_MAX &&
      height <= MOSS_RASTER_SIDE_MAX && width * height <= MOSS_RASTER_PIXELS_MAX)
    return TRUE;
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BAD_BUFFER,
               "a picture of %" G_GUINT64_FORMAT " × %" G_GUINT64_FORMAT
               " pixels is refused: at most %d a side and %u in all",
               width, height, MOSS_RASTER_SIDE_MAX, MOSS_RASTER_PIXELS_MAX);
  return FALSE;
}

static const char *
format_name (guint channels)
{
  return channels == 1 ? "GRAY8" : channels == 3 ? "RGB" : "RGBA";
}

static gboolean
parse_raster (MossRaster *raster, const char *text, GError **error)
{
  g_autoptr (MossFfiCaps) caps = moss_ffi_caps_parse (text, error);
  gint64 width = 0, height = 0;
  const char *format;

  if (caps == NULL)
    return FALSE;
  format = moss_ffi_caps_get_string (caps, "format");
  raster->channels = g_strcmp0 (format, "RGB") == 0    ? 3
                     : g_strcmp0 (format, "RGBA") == 0 ? 4
                     : g_strcmp0 (format, "GRAY8") == 0 ? 1
                                                        : 0;
  if (g_strcmp0 (moss_ffi_caps_get_media (caps), "video/x-raw") != 0 || raster->channels == 0 ||
      !moss_ffi_caps_get_int (caps, "width", &width) ||
      !moss_ffi_caps_get_int (caps, "height", &height) || width < 0 || height < 0)
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BAD_BUFFER,
                   "%s is no picture with a format, a width and a height", text);
      return FALSE;
    }
  raster->width = MIN (width, G_MAXUINT32);
  raster->height = MIN (height, G_MAXUINT32);
  return moss_raster_check (width, height, error);
}

/* The rows' distance stands in the dimensions, where there are any. */
static gboolean
parse_stride (MossRaster *raster, MossFfiBuffer *buffer, GError **error)
{
  guint64 rows, columns;
  gint64 stride, step;

  raster->stride = (gsize) raster->width * raster->channels;
  if (moss_ffi_buffer_get_n_dims (buffer) == 0)
    return TRUE;
  if (moss_ffi_buffer_get_dim (buffer, 0, &rows, &stride) &&
      moss_ffi_buffer_get_dim (buffer, 1, &columns, &step) && rows == raster->height &&
      columns == raster->width && step == (gint64) raster->channels &&
      stride >= (gint64) raster->stride && stride <= G_MAXINT32)
    {
      raster->stride = stride;
      return TRUE;
    }
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BAD_BUFFER,
               "the dimensions of the buffer are not those of %s",
               moss_ffi_buffer_get_caps (buffer));
  return FALSE;
}

/**
 * moss_raster_open:
 * @raster: (out caller-allocates): clear it with moss_raster_clear()
 *
 * For reading.
 *
 * Returns: %FALSE with MOSS_FFI_ERROR_BAD_BUFFER for what is no picture, or one shorter than
 *   it says.
 */
gboolean
moss_raster_open (MossRaster *raster, MossFfiBuffer *buffer, GError **error)
{
  const char *caps = moss_ffi_buffer_get_caps (buffer);
  gsize needed, length;

  *raster = (MossRaster){ 0 };
  if (!parse_raster (raster, caps, error) || !parse_stride (raster, buffer, error))
    return FALSE;
  raster->mapped = moss_ffi_buffer_get_bytes (buffer, error);
  if (raster->mapped == NULL)
    return FALSE;
  raster->buffer = moss_ffi_buffer_ref (buffer);
  raster->data = (guint8 *) g_bytes_get_data (raster->mapped, &length);
  needed = raster->stride * (raster->height - 1) + (gsize) raster->width * raster->channels;
  if (length >= needed)
    return TRUE;
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BAD_BUFFER,
               "%s needs %" G_GSIZE_FORMAT " bytes, the buffer has %" G_GSIZE_FORMAT, caps,
               needed, length);
  moss_raster_clear (raster);
  return FALSE;
}

static char *
caps_text (const MossRaster *raster)
{
  return g_strdup_printf ("video/x-raw,format=%s,width=%u,height=%u",
                          format_name (raster->channels), raster->width, raster->height);
}

static void
say_dimensions (MossRaster *raster)
{
  moss_ffi_buffer_add_dim (raster->buffer, raster->height, raster->stride);
  moss_ffi_buffer_add_dim (raster->buffer, raster->width, raster->channels);
}

/**
 * moss_raster_alloc:
 *
 * A raster to write into, in a buffer that can be handed out as it is.
 */
gboolean
moss_raster_alloc (MossRaster *raster, guint width, guint height, guint channels,
                   GError **error)
{
  g_autofree char *caps = NULL;

  *raster = (MossRaster){ .width = width, .height = height, .channels = channels };
  if (!moss_raster_check (width, height, error))
    return FALSE;
  raster->stride = (gsize) width * channels;
  caps = caps_text (raster);
  raster->buffer = moss_ffi_buffer_new_writable (caps, raster->stride * height, error);
  if (raster->buffer == NULL)
    return FALSE;
  raster->data = moss_ffi_buffer_get_data (raster->buffer, NULL);
  say_dimensions (raster);
  return TRUE;
}

/**
 * moss_raster_view:
 * @raster: (out caller-allocates): a part of @of
 * @of: a raster for reading; must contain the area
 *
 * Where @of is in a memfd, its part is in the same one, and no byte is copied.
 */
gboolean
moss_raster_view (MossRaster *raster, const MossRaster *of, guint left, guint top, guint width,
                  guint height, GError **error)
{
  gsize start = top * of->stride + (gsize) left * of->channels;
  gsize length = (height - 1) * of->stride + (gsize) width * of->channels;
  int fd = of->buffer != NULL ? moss_ffi_buffer_get_fd (of->buffer) : -1;
  g_autofree char *caps = NULL;

  if (fd < 0)
    {
      if (!moss_raster_alloc (raster, width, height, of->channels, error))
        return FALSE;
      for (guint y = 0; y < height; y++)
        memcpy (raster->data + y * raster->stride, of->data + start + y * of->stride,
                raster->stride);
      return TRUE;
    }
  *raster = (MossRaster){ .width = width, .height = height, .channels = of->channels };
  raster->stride = of->stride;
  raster->data = of->data + start;
  raster->mapped = g_bytes_ref (of->mapped);
  caps = caps_text (raster);
  raster->buffer = moss_ffi_buffer_new_for_fd (
    caps, fd, moss_ffi_buffer_get_offset (of->buffer) + start, length, error);
  if (raster->buffer == NULL)
    return moss_raster_clear (raster), FALSE;
  say_dimensions (raster);
  return TRUE;
}

void
moss_raster_clear (MossRaster *raster)
{
  g_clear_pointer (&raster->mapped, g_bytes_unref);
  g_clear_pointer (&raster->buffer, moss_ffi_buffer_unref);
  raster->data = NULL;
}
