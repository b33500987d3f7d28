// SPDX-License-Identifier: GPL-3.0-or-later
/* "Crop, shrink, sharpen" of a picture with 5000 × 5000 pixels: three calls to whom the broker's
 * table names, against the better of two that are called directly in this process: libvips for
 * the three steps as one, and gdk-pixbuf, which shrinks faster, with libvips to sharpen. In
 * turns, so that all have the same machine; the median of each. The broker is there already and
 * has its providers (ffi.py). */
#include "ffi-broker/client/moss-ffi.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#define SIDE 5000
#define RASTER "video/x-raw,format=RGB"

static MossFfiBuffer *
make_picture (void)
{
  MossFfiBuffer *buffer = moss_ffi_buffer_new_writable (
    RASTER ",width=5000,height=5000", (gsize) SIDE * SIDE * 3, NULL);
  guint8 *at = moss_ffi_buffer_get_data (buffer, NULL);

  for (guint y = 0; y < SIDE; y++)
    for (guint x = 0; x < SIDE; x++, at += 3)
      {
        at[0] = x * 255 / SIDE;
        at[1] = y * 255 / SIDE;
        at[2] = (x * y) >> 10;
      }
  return buffer;
}

/* --- through the broker --- */

static MossFfiBuffer *
step (MossFfiClient *client, const char *capability, MossFfiBuffer *input, const char *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) given = g_variant_parse (G_VARIANT_TYPE_VARDICT, options, NULL, NULL, NULL);
  g_autoptr (MossFfiResult) result = moss_ffi_client_call (client, capability, &input, 1, given,
                                                           NULL, &error);

  if (result == NULL)
    g_error ("%s: %s", capability, error->message);
  return moss_ffi_buffer_ref (moss_ffi_result_get_buffer (result, 0));
}

static void
through_broker (MossFfiClient *client, MossFfiBuffer *picture)
{
  g_autoptr (MossFfiBuffer) part = step (
    client, "transform crop(" RASTER ";left:i,top:i,width:i,height:i) -> " RASTER, picture,
    "{'left': <500>, 'top': <500>, 'width': <4000>, 'height': <4000>}");
  g_autoptr (MossFfiBuffer) small = step (
    client, "transform shrink(" RASTER ";width:i,height:i) -> " RASTER, part,
    "{'width': <1000>, 'height': <1000>}");
  g_autoptr (MossFfiBuffer) sharp = step (
    client, "filter sharpen(" RASTER ";sigma:d?,amount:d?) -> " RASTER, small,
    "{'sigma': <1.0>, 'amount': <0.5>}");
  g_autoptr (GBytes) bytes = moss_ffi_buffer_get_bytes (sharp, NULL);

  g_assert (g_bytes_get_size (bytes) >= 1000 * 1000 * 3);
}

/* --- directly: what the bridges ask of the libraries --- */

static VipsImage *
over (const void *pixels, guint side)
{
  g_autoptr (GObject) plain = G_OBJECT (vips_image_new_from_memory (
    pixels, (gsize) side * side * 3, side, side, 3, VIPS_FORMAT_UCHAR));
  VipsImage *picture;

  if (vips_copy ((VipsImage *) plain, &picture, "interpretation", VIPS_INTERPRETATION_sRGB, NULL))
    g_error ("libvips: %s", vips_error_buffer ());
  return picture;
}

static void
sharpen (VipsImage *small)
{
  VipsImage *soft, *more, *less, *sum, *result;
  gsize length;
  void *pixels;

  if (vips_gaussblur (small, &soft, 1.0, "min_ampl", 0.05, "precision", VIPS_PRECISION_FLOAT,
                      NULL) ||
      vips_linear1 (small, &more, 1.5, 0.5, NULL) || vips_linear1 (soft, &less, -0.5, 0, NULL) ||
      vips_add (more, less, &sum, NULL) || vips_cast_uchar (sum, &result, NULL))
    g_error ("libvips: %s", vips_error_buffer ());
  pixels = vips_image_write_to_memory (result, &length);
  g_assert (length == 1000 * 1000 * 3);
  g_free (pixels);
  g_object_unref (soft);
  g_object_unref (more);
  g_object_unref (less);
  g_object_unref (sum);
  g_object_unref (result);
}

static void
vips_alone (GBytes *bytes)
{
  VipsImage *picture = over (g_bytes_get_data (bytes, NULL), SIDE);
  VipsImage *part, *small;

  if (vips_crop (picture, &part, 500, 500, 4000, 4000, NULL) ||
      vips_resize (part, &small, 0.25, "kernel", VIPS_KERNEL_LINEAR, "gap", 1.0, NULL))
    g_error ("libvips: %s", vips_error_buffer ());
  sharpen (small);
  g_object_unref (picture);
  g_object_unref (part);
  g_object_unref (small);
}

static void
pixbuf_and_vips (GBytes *bytes)
{
  g_autoptr (GdkPixbuf) whole = gdk_pixbuf_new_from_bytes (bytes, GDK_COLORSPACE_RGB, FALSE, 8,
                                                           SIDE, SIDE, SIDE * 3);
  g_autoptr (GdkPixbuf) part = gdk_pixbuf_new_subpixbuf (whole, 500, 500, 4000, 4000);
  g_autoptr (GdkPixbuf) small = gdk_pixbuf_scale_simple (part, 1000, 1000,
                                                         GDK_INTERP_BILINEAR);
  VipsImage *picture = over (gdk_pixbuf_read_pixels (small), 1000);

  sharpen (picture);
  g_object_unref (picture);
}

/* --- in turns --- */

static int
compare (const void *a, const void *b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

static gint64
median (gint64 *times, guint n)
{
  qsort (times, n, sizeof *times, compare);
  return times[n / 2];
}

/* What each took: ours, and the two direct ways. */
static void
one_round (MossFfiClient *client, MossFfiBuffer *picture, GBytes *bytes, gint64 *took[3],
           guint i)
{
  gint64 start = g_get_monotonic_time ();

  through_broker (client, picture);
  took[0][i] = g_get_monotonic_time () - start;
  vips_alone (bytes);
  took[1][i] = g_get_monotonic_time () - start - took[0][i];
  start = g_get_monotonic_time ();
  pixbuf_and_vips (bytes);
  took[2][i] = g_get_monotonic_time () - start;
}

int
main (int argc, char **argv)
{
  guint rounds = argc > 1 && g_str_equal (argv[1], "--quick") ? 3 : 9;
  gint64 times[3][9] = { { 0 } }, *took[3] = { times[0], times[1], times[2] };
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiClient) client = NULL;
  g_autoptr (MossFfiBuffer) picture = make_picture ();
  g_autoptr (GBytes) bytes = NULL;
  gint64 ours, best;

  if (VIPS_INIT (argv[0]) != 0)
    return EXIT_FAILURE;
  vips_cache_set_max (0);
  client = moss_ffi_client_get_default (&error);
  if (client == NULL)
    g_error ("no broker: %s", error->message);
  bytes = moss_ffi_buffer_get_bytes (picture, NULL);
  for (guint i = 0; i < 3; i++) /* workers start, costs are learned */
    one_round (client, picture, bytes, took, 0);
  for (guint i = 0; i < rounds; i++)
    one_round (client, picture, bytes, took, i);
  ours = median (took[0], rounds);
  best = MIN (median (took[1], rounds), median (took[2], rounds));
  g_print ("{\"name\": \"picture-job-vs-best\", \"value\": %.3f, \"goal\": 1.1, \"unit\": "
           "\"times\", \"ours_us\": %" G_GINT64_FORMAT ", \"direct_us\": %" G_GINT64_FORMAT
           "}\n",
           (double) ours / best, ours, best);
  return EXIT_SUCCESS;
}
