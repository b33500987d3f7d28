// SPDX-License-Identifier: GPL-3.0-or-later
/* The bridge to libvips. Pixels are read where the caller's buffer is and written where the
 * result's is: images are laid over both, and libvips runs from the one to the other in strips.
 * What libvips itself calls untrusted (loaders that nobody fuzzes) is blocked. Vectors are on,
 * its cache of operations is off: a worker keeps nothing of a call. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/bridges/picture.h"
#include "ffi-broker/bridges/pictures.h"
#include "ffi-broker/worker/module.h"

#include <vips/vips.h>

typedef VipsImage Image; /* some versions have this for VipsImage, some don't */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Image, g_object_unref)

static gboolean
fail (MossPictureCall *call, GError **error)
{
  g_autofree char *why = g_strdelimit (g_strdup (vips_error_buffer ()), "\n", ' ');

  vips_error_clear ();
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "vips %s: %s",
               call->offer->function, g_strstrip (why));
  return FALSE;
}

/* --- rasters as images --- */

/* libvips wants rows end to end; a part of a wider picture is read as that one and cut. */
static VipsImage *
image_of (const MossRaster *in)
{
  g_autoptr (Image) whole = NULL;
  VipsImage *part;
  gsize row = (gsize) in->width * in->channels;
  guint wide = in->stride / in->channels;

  if (in->stride == row)
    return vips_image_new_from_memory (in->data, row * in->height, in->width, in->height,
                                       in->channels, VIPS_FORMAT_UCHAR);
  if (in->stride % in->channels == 0)
    {
      /* The last row ends before it would in the wider picture; nothing after is looked at. */
      whole = vips_image_new_from_memory (in->data, in->stride * in->height, wide, in->height,
                                          in->channels, VIPS_FORMAT_UCHAR);
      return whole != NULL && vips_crop (whole, &part, 0, 0, in->width, in->height, NULL) == 0
               ? part
               : NULL;
    }
  whole = vips_image_new_from_memory (in->data, in->stride * in->height, in->stride, in->height,
                                      1, VIPS_FORMAT_UCHAR);
  if (whole == NULL || vips_crop (whole, &part, 0, 0, row, in->height, NULL) != 0)
    return NULL;
  g_object_unref (g_steal_pointer (&whole));
  whole = part;
  return vips_bandunfold (whole, &part, "factor", (int) in->channels, NULL) == 0 ? part : NULL;
}

static VipsImage *
picture_of (const MossRaster *in)
{
  g_autoptr (Image) plain = image_of (in);
  VipsImage *picture;

  return plain != NULL && vips_copy (plain, &picture, "interpretation",
                                     VIPS_INTERPRETATION_sRGB, NULL) == 0
           ? picture
           : NULL;
}

/* The channels that were asked for, 8 bits each. */
static VipsImage *
as_raster (VipsImage *image, guint channels)
{
  g_autoptr (Image) colour = NULL;
  g_autoptr (Image) bytes = NULL;
  VipsImage *result;
  int fewest;

  if (vips_colourspace (image, &colour, VIPS_INTERPRETATION_sRGB, NULL) != 0 ||
      vips_cast_uchar (colour, &bytes, NULL) != 0)
    return NULL;
  fewest = channels == 0 ? CLAMP (bytes->Bands, 3, 4) : (int) channels;
  if (bytes->Bands == fewest)
    return g_steal_pointer (&bytes);
  if (bytes->Bands > fewest)
    return vips_extract_band (bytes, &result, 0, "n", fewest, NULL) == 0 ? result : NULL;
  return vips_bandjoin_const1 (bytes, &result, 255, NULL) == 0 ? result : NULL;
}

static gboolean
write_out (MossPictureCall *call, VipsImage *image, GError **error)
{
  g_autoptr (Image) result = NULL;
  g_autoptr (Image) raster = NULL;

  if (image == NULL)
    return fail (call, error);
  if (!moss_raster_check (image->Xsize, image->Ysize, error))
    return FALSE;
  raster = as_raster (image, call->channels);
  if (raster == NULL)
    return fail (call, error);
  if (!moss_raster_alloc (&call->out, raster->Xsize, raster->Ysize, raster->Bands, error))
    return FALSE;
  result = vips_image_new_from_memory (call->out.data, call->out.stride * call->out.height,
                                       call->out.width, call->out.height, call->out.channels,
                                       VIPS_FORMAT_UCHAR);
  if (result == NULL || vips_image_write (raster, result) != 0)
    return fail (call, error);
  return TRUE;
}

/* --- files --- */

static VipsImage *
load (MossPictureCall *call, GError **error)
{
  gsize length;
  const void *data = g_bytes_get_data (call->bytes, &length);
  VipsImage *image;

  /* The header is read here, the pixels when they are asked for. */
  image = vips_image_new_from_buffer (data, length, "", "access", VIPS_ACCESS_SEQUENTIAL,
                                      "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL);
  if (image == NULL)
    return fail (call, error), NULL;
  if (!moss_raster_check (image->Xsize, image->Ysize, error))
    g_clear_object (&image);
  return image;
}

static gboolean
decode (MossPictureCall *call, GError **error)
{
  g_autoptr (Image) image = load (call, error);

  return image != NULL && write_out (call, image, error);
}

static int
save_png (VipsImage *image, MossPictureCall *call, void **data, gsize *length, GError **error)
{
  int level;

  if (!moss_picture_get_int (call, "level", DEFAULT_PNG_LEVEL, 0, 9, &level, error))
    return -1;
  return vips_pngsave_buffer (image, data, length, "compression", level, NULL);
}

static int
save_jpeg (VipsImage *image, MossPictureCall *call, void **data, gsize *length, GError **error)
{
  int quality;

  if (!moss_picture_get_int (call, "quality", DEFAULT_JPEG_QUALITY, 1, 100, &quality, error))
    return -1;
  return vips_jpegsave_buffer (image, data, length, "Q", quality, "subsample_mode",
                               VIPS_FOREIGN_SUBSAMPLE_ON, NULL);
}

static int
save_webp (VipsImage *image, MossPictureCall *call, void **data, gsize *length, GError **error)
{
  gboolean lossless = FALSE;
  int quality;

  if (!moss_picture_get_int (call, "quality", DEFAULT_WEBP_QUALITY, 0, 100, &quality, error))
    return -1;
  g_variant_dict_lookup (&call->options, "lossless", "b", &lossless);
  return vips_webpsave_buffer (image, data, length, "Q", quality, "lossless", lossless, NULL);
}

static int
save_tiff (VipsImage *image, MossPictureCall *call, void **data, gsize *length, GError **error)
{
  return vips_tiffsave_buffer (image, data, length, NULL);
}

static const struct
{
  const char *media;
  int (*save) (VipsImage *image, MossPictureCall *call, void **data, gsize *length,
               GError **error);
} savers[] = {
  { "image/png", save_png },
  { "image/jpeg", save_jpeg },
  { "image/webp", save_webp },
  { "image/tiff", save_tiff },
};

static gboolean
save (MossPictureCall *call, VipsImage *image, GError **error)
{
  void *data = NULL;
  gsize length = 0;
  gboolean ok;

  for (guint i = 0; i < G_N_ELEMENTS (savers); i++)
    if (g_str_equal (savers[i].media, call->media))
      {
        if (savers[i].save (image, call, &data, &length, error) != 0)
          return error != NULL && *error != NULL ? FALSE : fail (call, error);
        ok = moss_picture_give_bytes (call, data, length, error);
        g_free (data);
        return ok;
      }
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_NOT_OFFERED, "vips writes no %s",
               call->media);
  return FALSE;
}

static gboolean
encode (MossPictureCall *call, GError **error)
{
  g_autoptr (Image) image = picture_of (&call->in);

  return image == NULL ? fail (call, error) : save (call, image, error);
}

/* The two steps of a chain in one: no raster stands between them. */
static gboolean
convert (MossPictureCall *call, GError **error)
{
  g_autoptr (Image) image = load (call, error);

  return image != NULL && save (call, image, error);
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
  g_autoptr (Image) image = picture_of (&call->in);
  g_autoptr (Image) result = NULL;
  guint width, height;

  if (!moss_picture_get_size (call, &width, &height, error))
    return FALSE;
  if (image != NULL)
    vips_resize (image, &result, (double) width / call->in.width, "vscale",
                 (double) height / call->in.height, "kernel", VIPS_KERNEL_LINEAR, "gap", 1.0,
                 NULL);
  return write_out (call, result, error);
}

static gboolean
flip (MossPictureCall *call, GError **error)
{
  g_autoptr (Image) image = picture_of (&call->in);
  g_autoptr (Image) result = NULL;
  g_autofree char *direction = moss_picture_get_word (
    call, "direction", NULL, (const char *const[]){ "horizontal", "vertical", NULL }, error);

  if (direction == NULL)
    return FALSE;
  if (image != NULL)
    vips_flip (image, &result,
               *direction == 'h' ? VIPS_DIRECTION_HORIZONTAL : VIPS_DIRECTION_VERTICAL, NULL);
  return write_out (call, result, error);
}

static gboolean
turn (MossPictureCall *call, GError **error)
{
  g_autoptr (Image) image = picture_of (&call->in);
  g_autoptr (Image) result = NULL;
  int angle;

  if (!moss_picture_get_angle (call, &angle, error))
    return FALSE;
  if (image != NULL)
    vips_rot (image, &result, angle / 90, NULL); /* VIPS_ANGLE_D0, D90, … */
  return write_out (call, result, error);
}

static VipsImage *
blurred (VipsImage *image, double sigma)
{
  VipsImage *result;

  /* Whole-number masks are twice as fast, but by up to 7 of 255 too dark. */
  return vips_gaussblur (image, &result, sigma, "min_ampl", 0.05, "precision",
                         VIPS_PRECISION_FLOAT, NULL) == 0
           ? result
           : NULL;
}

static gboolean
blur (MossPictureCall *call, GError **error)
{
  g_autoptr (Image) image = picture_of (&call->in);
  g_autoptr (Image) result = NULL;
  double sigma;

  if (!moss_picture_get_double (call, "sigma", DEFAULT_BLUR_SIGMA, 0.1, SIGMA_MAX, &sigma,
                                error))
    return FALSE;
  result = image != NULL ? blurred (image, sigma) : NULL;
  return write_out (call, result, error);
}

/* An unsharp mask: the picture, and a part of what a blur takes from it. libvips' own sharpen
 * works on lightness alone, so its result would be another one than that of the others. */
static gboolean
sharpen (MossPictureCall *call, GError **error)
{
  g_autoptr (Image) image = picture_of (&call->in);
  g_autoptr (Image) soft = NULL;
  g_autoptr (Image) more = NULL;
  g_autoptr (Image) less = NULL;
  g_autoptr (Image) sum = NULL;
  double sigma, amount;

  if (!moss_picture_get_sharpening (call, &sigma, &amount, error))
    return FALSE;
  soft = image != NULL ? blurred (image, sigma) : NULL;
  if (soft == NULL || vips_linear1 (image, &more, 1 + amount, 0.5, NULL) != 0 ||
      vips_linear1 (soft, &less, -amount, 0, NULL) != 0 ||
      vips_add (more, less, &sum, NULL) != 0)
    return fail (call, error);
  return write_out (call, sum, error);
}

static gboolean
invert (MossPictureCall *call, GError **error)
{
  g_autoptr (Image) image = picture_of (&call->in);
  g_autoptr (Image) result = NULL;
  const double colours[] = { -1, -1, -1, 1 }, offsets[] = { 255, 255, 255, 0 };

  if (image != NULL)
    vips_linear (image, &result, colours, offsets, call->in.channels, "uchar", TRUE, NULL);
  return write_out (call, result, error);
}

/* --- what there is in this build of libvips --- */

static const MossPictureOffer offers[] = {
  { CAPABILITY_DECODE_PNG, "pngload_buffer", QUALITY_DECODED, FALSE, 8, decode, NULL },
  { CAPABILITY_DECODE_JPEG, "jpegload_buffer", QUALITY_DECODED, FALSE, 30, decode, NULL },
  { CAPABILITY_DECODE_WEBP, "webpload_buffer", QUALITY_DECODED, FALSE, 30, decode, NULL },
  { CAPABILITY_DECODE_TIFF, "tiffload_buffer", QUALITY_DECODED, FALSE, 2, decode, NULL },
  { CAPABILITY_DECODE_GIF, "gifload_buffer", QUALITY_DECODED, FALSE, 20, decode, NULL },
  { CAPABILITY_ENCODE_PNG, "pngsave_buffer", QUALITY_PNG, FALSE, 1, encode, NULL },
  { CAPABILITY_ENCODE_JPEG, "jpegsave_buffer", QUALITY_JPEG, TRUE, 0.5, encode, NULL },
  { CAPABILITY_ENCODE_WEBP, "webpsave_buffer", QUALITY_WEBP, TRUE, 2, encode, NULL },
  { CAPABILITY_ENCODE_TIFF, "tiffsave_buffer", QUALITY_LOSSLESS, FALSE, 1.1, encode, NULL },
  { CAPABILITY_CROP, "crop", QUALITY_EXACT, FALSE, 0, crop, NULL },
  { CAPABILITY_SHRINK, "resize", QUALITY_AREA, FALSE, 0.5, shrink, NULL },
  { CAPABILITY_FLIP, "flip", QUALITY_EXACT, FALSE, 1, flip, NULL },
  { CAPABILITY_ROTATE, "rot", QUALITY_EXACT, FALSE, 1, turn, NULL },
  { CAPABILITY_BLUR, "gaussblur", QUALITY_GAUSS, FALSE, 1, blur, NULL },
  { CAPABILITY_SHARPEN, "gaussblur+linear", QUALITY_UNSHARP, FALSE, 1, sharpen, NULL },
  { CAPABILITY_INVERT, "linear", QUALITY_EXACT, FALSE, 1, invert, NULL },
  { "convert(image/png;quality:i?,lossless:b?) -> image/webp", "pngload_buffer+webpsave_buffer",
    QUALITY_WEBP, TRUE, 16, convert, NULL },
  { "convert(image/jpeg;quality:i?,lossless:b?) -> image/webp",
    "jpegload_buffer+webpsave_buffer", QUALITY_WEBP, TRUE, 60, convert, NULL },
  { "convert(image/tiff;level:i?) -> image/png", "tiffload_buffer+pngsave_buffer", QUALITY_PNG,
    FALSE, 2, convert, NULL },
  { "convert(image/webp;level:i?) -> image/png", "webpload_buffer+pngsave_buffer", QUALITY_PNG,
    FALSE, 60, convert, NULL },
  { "convert(image/png;quality:i?) -> image/jpeg", "pngload_buffer+jpegsave_buffer",
    QUALITY_JPEG, TRUE, 8, convert, NULL },
};

static gboolean
is_there (const MossPictureOffer *offer)
{
  g_auto (GStrv) steps = g_strsplit (offer->function, "+", -1);
  gboolean there = TRUE;

  for (guint i = 0; steps[i] != NULL; i++)
    there = there && vips_type_find ("VipsOperation", steps[i]) != 0;
  return there;
}

static MossFfiProvider *
open_vips (const char *manifest, GError **error)
{
  MossFfiProvider *provider;

  if (VIPS_INIT ("moss-ffi-worker") != 0)
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "libvips doesn't start: %s",
                   vips_error_buffer ());
      return NULL;
    }
  vips_block_untrusted_set (TRUE);
  vips_cache_set_max (0);
  provider = moss_ffi_provider_new ("vips", vips_version_string ());
  moss_ffi_provider_set_name (provider, "libvips");
  for (guint i = 0; i < G_N_ELEMENTS (offers); i++)
    if (is_there (&offers[i]))
      moss_picture_add (provider, &offers[i], 1, "LGPL-2.1-or-later");
  return provider;
}

const MossFfiBridge moss_ffi_bridge = {
  .abi = MOSS_FFI_BRIDGE_ABI,
  .name = "vips",
  .open = open_vips,
  .close = vips_shutdown,
};
