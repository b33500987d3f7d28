// SPDX-License-Identifier: GPL-3.0-or-later
/* The bridge to gdk-pixbuf: its loaders and savers, its scaling and turning. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/bridges/picture.h"
#include "ffi-broker/bridges/pictures.h"
#include "ffi-broker/worker/module.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <string.h>

#define PIECE (64 * 1024) /* of a file, before which its size is known */

static GdkPixbuf *
over (const MossRaster *raster)
{
  return gdk_pixbuf_new_from_data (raster->data, GDK_COLORSPACE_RGB, raster->channels == 4, 8,
                                   raster->width, raster->height, raster->stride, NULL, NULL);
}

/* Copies into the result, with the channels that were asked for. */
static gboolean
give (MossPictureCall *call, GdkPixbuf *pixbuf, GError **error)
{
  guint has = gdk_pixbuf_get_n_channels (pixbuf);
  guint channels = call->channels != 0 ? call->channels : has;
  const guint8 *from = gdk_pixbuf_read_pixels (pixbuf);
  gsize stride = gdk_pixbuf_get_rowstride (pixbuf);
  MossRaster *out = &call->out;

  if (!moss_raster_alloc (out, gdk_pixbuf_get_width (pixbuf), gdk_pixbuf_get_height (pixbuf),
                          channels, error))
    return FALSE;
  for (guint y = 0; y < out->height; y++)
    {
      const guint8 *source = from + y * stride;
      guint8 *target = out->data + y * out->stride;

      if (channels == has)
        memcpy (target, source, out->stride);
      else
        for (guint x = 0; x < out->width; x++, source += has, target += channels)
          {
            memcpy (target, source, 3);
            if (channels == 4)
              target[3] = 255;
          }
    }
  return TRUE;
}

/* --- files --- */

typedef struct
{
  GError *refused;
  int height, rows; /* there should be, and were there */
} Loading;

/* Zero by zero is how a loader is told to go no further. */
static void
on_size_prepared (GdkPixbufLoader *loader, int width, int height, gpointer data)
{
  Loading *loading = data;

  loading->height = height;
  if (loading->refused == NULL && !moss_raster_check (width, height, &loading->refused))
    gdk_pixbuf_loader_set_size (loader, 0, 0);
}

/* The end of a file may be missing without a word from the loader. */
static void
on_area_updated (GdkPixbufLoader *loader, int x, int y, int width, int height, gpointer data)
{
  Loading *loading = data;

  loading->rows = MAX (loading->rows, y + height);
}

static gboolean
feed (GdkPixbufLoader *loader, GBytes *bytes, Loading *loading, GError **error)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (bytes, &length);

  for (gsize at = 0; at < length && loading->refused == NULL; at += PIECE)
    if (!gdk_pixbuf_loader_write (loader, data + at, MIN (PIECE, length - at), error))
      return FALSE;
  return TRUE;
}

static gboolean
decode (MossPictureCall *call, GError **error)
{
  g_autoptr (GdkPixbufLoader) loader = NULL;
  g_autoptr (GError) ours = NULL;
  Loading loading = { 0 };
  GdkPixbuf *pixbuf = NULL;
  gboolean fed;

  loader = gdk_pixbuf_loader_new_with_mime_type (call->offer->data, error);
  if (loader == NULL)
    return FALSE;
  g_signal_connect (loader, "size-prepared", G_CALLBACK (on_size_prepared), &loading);
  g_signal_connect (loader, "area-updated", G_CALLBACK (on_area_updated), &loading);
  fed = feed (loader, call->bytes, &loading, &ours);
  fed = gdk_pixbuf_loader_close (loader, fed ? &ours : NULL) && fed;
  if (loading.refused != NULL)
    g_propagate_error (error, loading.refused);
  else if (!fed)
    g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "gdk-pixbuf reads no %s here: %s",
                 call->offer->function, ours->message);
  else if ((pixbuf = gdk_pixbuf_loader_get_pixbuf (loader)) == NULL)
    g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "gdk-pixbuf found no picture");
  else if (loading.rows < loading.height)
    g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED,
                 "the picture ends after %d of %d rows", loading.rows, loading.height);
  else
    return give (call, pixbuf, error);
  return FALSE;
}

static gboolean
save (MossPictureCall *call, const char *key, int value, GError **error)
{
  g_autoptr (GdkPixbuf) pixbuf = over (&call->in);
  g_autofree char *text = g_strdup_printf ("%d", value);
  g_autofree char *data = NULL;
  char *keys[] = { (char *) key, NULL };
  char *values[] = { text, NULL };
  gsize length;

  return gdk_pixbuf_save_to_bufferv (pixbuf, &data, &length, call->offer->data, keys, values,
                                     error) &&
         moss_picture_give_bytes (call, data, length, error);
}

static gboolean
encode_png (MossPictureCall *call, GError **error)
{
  int level;

  return moss_picture_get_int (call, "level", DEFAULT_PNG_LEVEL, 0, 9, &level, error) &&
         save (call, "compression", level, error);
}

static gboolean
encode_jpeg (MossPictureCall *call, GError **error)
{
  int quality;

  return moss_picture_get_int (call, "quality", DEFAULT_JPEG_QUALITY, 1, 100, &quality,
                               error) &&
         save (call, "quality", quality, error);
}

static gboolean
encode_tiff (MossPictureCall *call, GError **error)
{
  return save (call, "compression", 1, error); /* COMPRESSION_NONE, as the others do */
}

static gboolean
encode_bmp (MossPictureCall *call, GError **error)
{
  return save (call, NULL, 0, error);
}

/* --- pictures into pictures --- */

static gboolean
crop (MossPictureCall *call, GError **error)
{
  guint area[4];

  return moss_picture_get_area (call, area, error) &&
         moss_raster_view (&call->out, &call->in, area[0], area[1], area[2], area[3], error);
}

static gboolean
shrink (MossPictureCall *call, GError **error)
{
  g_autoptr (GdkPixbuf) from = over (&call->in);
  g_autoptr (GdkPixbuf) to = NULL;
  guint width, height;

  if (!moss_picture_get_size (call, &width, &height, error) ||
      !moss_raster_alloc (&call->out, width, height, call->in.channels, error))
    return FALSE;
  to = over (&call->out);
  gdk_pixbuf_scale (from, to, 0, 0, width, height, 0, 0, (double) width / call->in.width,
                    (double) height / call->in.height, GDK_INTERP_BILINEAR);
  return TRUE;
}

static gboolean
flip (MossPictureCall *call, GError **error)
{
  g_autoptr (GdkPixbuf) from = over (&call->in);
  g_autoptr (GdkPixbuf) to = NULL;
  g_autofree char *direction = moss_picture_get_word (
    call, "direction", NULL, (const char *const[]){ "horizontal", "vertical", NULL }, error);

  if (direction == NULL)
    return FALSE;
  to = gdk_pixbuf_flip (from, *direction == 'h');
  if (to != NULL)
    return give (call, to, error);
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "gdk-pixbuf has no memory to flip");
  return FALSE;
}

static gboolean
turn (MossPictureCall *call, GError **error)
{
  g_autoptr (GdkPixbuf) from = over (&call->in);
  g_autoptr (GdkPixbuf) to = NULL;
  int angle;

  if (!moss_picture_get_angle (call, &angle, error))
    return FALSE;
  to = gdk_pixbuf_rotate_simple (from, (360 - angle) % 360); /* its angles are anticlockwise */
  if (to != NULL)
    return give (call, to, error);
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "gdk-pixbuf has no memory to turn");
  return FALSE;
}

/* --- what there is: loaders are modules of their own, some installed, some not --- */

static const MossPictureOffer decoders[] = {
  { CAPABILITY_DECODE_PNG, "png:load", QUALITY_DECODED, FALSE, 8, decode, "image/png" },
  { CAPABILITY_DECODE_JPEG, "jpeg:load", QUALITY_DECODED, FALSE, 60, decode, "image/jpeg" },
  { CAPABILITY_DECODE_WEBP, "webp:load", QUALITY_DECODED, FALSE, 60, decode, "image/webp" },
  { CAPABILITY_DECODE_TIFF, "tiff:load", QUALITY_DECODED, FALSE, 4, decode, "image/tiff" },
  { CAPABILITY_DECODE_GIF, "gif:load", QUALITY_DECODED, FALSE, 20, decode, "image/gif" },
  { CAPABILITY_DECODE_BMP, "bmp:load", QUALITY_DECODED, FALSE, 2, decode, "image/bmp" },
};

static const MossPictureOffer encoders[] = {
  { CAPABILITY_ENCODE_PNG, "png:save", QUALITY_PNG, FALSE, 1, encode_png, "png" },
  { CAPABILITY_ENCODE_JPEG, "jpeg:save", QUALITY_JPEG, TRUE, 0.5, encode_jpeg, "jpeg" },
  { CAPABILITY_ENCODE_TIFF, "tiff:save", QUALITY_LOSSLESS, FALSE, 1.1, encode_tiff, "tiff" },
  { CAPABILITY_ENCODE_BMP, "bmp:save", QUALITY_LOSSLESS, FALSE, 1.1, encode_bmp, "bmp" },
};

static const MossPictureOffer others[] = {
  { CAPABILITY_CROP, "subpixbuf", QUALITY_EXACT, FALSE, 0, crop, NULL },
  { CAPABILITY_SHRINK, "scale", QUALITY_AREA, FALSE, 0.5, shrink, NULL },
  { CAPABILITY_FLIP, "flip", QUALITY_EXACT, FALSE, 2, flip, NULL },
  { CAPABILITY_ROTATE, "rotate_simple", QUALITY_EXACT, FALSE, 2, turn, NULL },
};

static gboolean
is_there (const char *function, gboolean written)
{
  g_autofree char *format = g_strndup (function, strcspn (function, ":"));
  g_autoptr (GSList) formats = gdk_pixbuf_get_formats ();
  gboolean found = FALSE;

  for (GSList *l = formats; l != NULL && !found; l = l->next)
    {
      g_autofree char *name = gdk_pixbuf_format_get_name (l->data);

      found = g_str_equal (name, format) &&
              (!written || gdk_pixbuf_format_is_writable (l->data));
    }
  return found;
}

static MossFfiProvider *
open_pixbuf (const char *manifest, GError **error)
{
  MossFfiProvider *provider = moss_ffi_provider_new ("pixbuf", gdk_pixbuf_version);

  moss_ffi_provider_set_name (provider, "gdk-pixbuf");
  for (guint i = 0; i < G_N_ELEMENTS (decoders); i++)
    if (is_there (decoders[i].function, FALSE))
      moss_picture_add (provider, &decoders[i], 1, "LGPL-2.1-or-later");
  for (guint i = 0; i < G_N_ELEMENTS (encoders); i++)
    if (is_there (encoders[i].function, TRUE))
      moss_picture_add (provider, &encoders[i], 1, "LGPL-2.1-or-later");
  moss_picture_add (provider, others, G_N_ELEMENTS (others), "LGPL-2.1-or-later");
  return provider;
}

const MossFfiBridge moss_ffi_bridge = {
  .abi = MOSS_FFI_BRIDGE_ABI,
  .name = "pixbuf",
  .open = open_pixbuf,
};
