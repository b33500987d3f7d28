// SPDX-License-Identifier: GPL-3.0-or-later
/* Each bridge to a picture library, in its own confined worker: what it gives back against what
 * should come out, pixel by pixel, and what it says to pictures made to hurt. Which bridge: the
 * first argument. What a bridge doesn't offer isn't asked of it, but one that offers nothing of
 * it all fails. */
#include "workers.h"

static Worker *worker;

/* NULL: it isn't offered for so many channels. */
static const char *
find (const char *key, guint channels)
{
  return worker_find (worker, key, channels);
}

static MossFfiResult *
call (const char *function, const char *out_caps, MossFfiBuffer *input, const char *options)
{
  g_autoptr (GError) error = NULL;
  MossFfiResult *result = worker_call (worker, function, out_caps, input, options, &error);

  g_assert_no_error (error);
  g_assert_nonnull (result);
  return result;
}

static void
check (const Picture *is, const Picture *should_be, guint border, double mean_at_most,
       guint most_at_most)
{
  double mean;
  guint most;

  picture_compare (is, should_be, border, &mean, &most);
  g_test_message ("%s: mean %.3f, most %u", worker->id, mean, most);
  g_assert_cmpfloat (mean, <=, mean_at_most);
  g_assert_cmpuint (most, <=, most_at_most);
}

/* With both numbers of channels, and once as a part of a wider picture: rows that don't lie
 * end to end. */
static void
check_transform (const char *key, const char *options, const Picture *from,
                 const Picture *should_be, guint border, double mean, guint most)
{
  const char *function = find (key, from->channels);
  g_autoptr (MossFfiBuffer) input = NULL;
  g_autoptr (MossFfiResult) result = NULL;
  g_auto (Picture) is = { 0 };

  if (function == NULL)
    return;
  input = buffer_of_picture (from);
  result = call (function, "video/x-raw", input, options);
  is = picture_of_result (result);
  check (&is, should_be, border, mean, most);
}

static void
test_crop (void)
{
  for (guint channels = 3; channels <= 4; channels++)
    {
      g_auto (Picture) from = picture_new (301, 203, channels);
      g_auto (Picture) part = picture_crop (&from, 17, 5, 120, 80);

      check_transform ("transform crop video/x-raw -> video/x-raw",
                       "{'left': <17>, 'top': <5>, 'width': <120>, 'height': <80>}", &from, &part,
                       0, 0, 0);
    }
}

static void
test_shrink (void)
{
  for (guint channels = 3; channels <= 4; channels++)
    {
      g_auto (Picture) from = picture_new (400, 240, channels);
      g_auto (Picture) small = picture_shrink (&from, 4);

      check_transform ("transform shrink video/x-raw -> video/x-raw",
                       "{'width': <100>, 'height': <60>}", &from, &small, 0, 1.5, 60);
    }
}

/* The result of one call, a part of the caller's own memory, is the input of the next. */
static void
test_part_of_wider (void)
{
  const char *crop = find ("transform crop video/x-raw -> video/x-raw", 3);
  const char *flip = find ("transform flip video/x-raw -> video/x-raw", 3);
  g_auto (Picture) from = picture_new (301, 203, 3);
  g_auto (Picture) part = picture_crop (&from, 17, 5, 120, 80);
  g_auto (Picture) flipped = picture_flip (&part, TRUE);
  g_auto (Picture) is = { 0 };
  g_autoptr (MossFfiBuffer) input = buffer_of_picture (&from);
  g_autoptr (MossFfiResult) middle = NULL;
  g_autoptr (MossFfiResult) result = NULL;

  if (crop == NULL || flip == NULL)
    return;
  middle = call (crop, "video/x-raw", input,
                 "{'left': <17>, 'top': <5>, 'width': <120>, 'height': <80>}");
  result = call (flip, "video/x-raw", moss_ffi_result_get_buffer (middle, 0),
                 "{'direction': <'horizontal'>}");
  is = picture_of_result (result);
  check (&is, &flipped, 0, 0, 0);
}

static void
test_flip (void)
{
  g_auto (Picture) from = picture_new (151, 90, 4);
  g_auto (Picture) across = picture_flip (&from, TRUE);
  g_auto (Picture) down = picture_flip (&from, FALSE);

  check_transform ("transform flip video/x-raw -> video/x-raw",
                   "{'direction': <'horizontal'>}", &from, &across, 0, 0, 0);
  check_transform ("transform flip video/x-raw -> video/x-raw", "{'direction': <'vertical'>}",
                   &from, &down, 0, 0, 0);
}

static void
test_rotate (void)
{
  g_auto (Picture) from = picture_new (150, 91, 3);
  g_auto (Picture) turned = picture_turn (&from);

  check_transform ("transform rotate video/x-raw -> video/x-raw", "{'angle': <90>}", &from,
                   &turned, 0, 0, 0);
}

static void
test_invert (void)
{
  g_auto (Picture) from = picture_new (120, 80, 4);
  g_auto (Picture) negative = picture_invert (&from);

  check_transform ("filter invert video/x-raw -> video/x-raw", NULL, &from, &negative, 0, 0, 0);
}

static void
test_blur (void)
{
  g_auto (Picture) from = picture_new (120, 90, 3);
  g_auto (Picture) soft = picture_blur (&from, 3);

  check_transform ("filter blur video/x-raw -> video/x-raw", "{'sigma': <3.0>}", &from, &soft,
                   0, 0.7, 6);
}

static void
test_sharpen (void)
{
  g_auto (Picture) from = picture_new (120, 90, 3);
  g_auto (Picture) sharp = picture_sharpen (&from, 2, 0.5);

  check_transform ("filter sharpen video/x-raw -> video/x-raw",
                   "{'sigma': <2.0>, 'amount': <0.5>}", &from, &sharp, 0, 0.9, 8);
}

static void
test_decode_png (void)
{
  for (guint channels = 3; channels <= 4; channels++)
    {
      const char *function = find ("decode image/png -> video/x-raw", channels);
      g_auto (Picture) from = picture_new (90, 70, channels);
      g_autoptr (GBytes) file = picture_to_png (&from);
      g_autoptr (MossFfiBuffer) input = buffer_of_bytes ("image/png", file);
      g_autoptr (MossFfiResult) result = NULL;
      g_auto (Picture) is = { 0 };

      if (function == NULL)
        return;
      result = call (function,
                     channels == 4 ? "video/x-raw,format=RGBA" : "video/x-raw,format=RGB",
                     input, NULL);
      is = picture_of_result (result);
      check (&is, &from, 0, 0, 0);
    }
}

/* Who only writes is read by another. */
static Worker *
reader_of (const char *key)
{
  static Worker *other;

  if (worker_find (worker, key, 3) != NULL)
    return worker;
  if (other == NULL)
    other = worker_start ("pixbuf", NULL);
  return other != NULL && worker_find (other, key, 3) != NULL ? other : NULL;
}

static void
go_round (const char *encode, const char *media, const char *options, Worker *reader,
          const char *decode, guint channels, double mean, guint most)
{
  g_auto (Picture) from = picture_new (200, 150, channels);
  g_auto (Picture) is = { 0 };
  g_autoptr (MossFfiBuffer) input = buffer_of_picture (&from);
  g_autoptr (MossFfiResult) file = call (encode, media, input, options);
  MossFfiBuffer *buffer = moss_ffi_result_get_buffer (file, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiResult) result = worker_call (
    reader, decode, channels == 4 ? "video/x-raw,format=RGBA" : "video/x-raw,format=RGB", buffer,
    NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (moss_ffi_buffer_get_caps (buffer), ==, media);
  is = picture_of_result (result);
  check (&is, &from, 0, mean, most);
}

/* There and back: what was written is what it says it is. */
static void
check_round (const char *media, const char *options, double mean, guint most)
{
  g_autofree char *to = g_strdup_printf ("encode video/x-raw -> %s", media);
  g_autofree char *back = g_strdup_printf ("decode %s -> video/x-raw", media);
  const char *encode = find (to, 3);
  Worker *reader = encode != NULL ? reader_of (back) : NULL;

  for (guint channels = 3; reader != NULL && channels <= 4; channels++)
    {
      const char *decode = worker_find (reader, back, channels);

      if (decode != NULL)
        go_round (encode, media, options, reader, decode, channels, mean, most);
    }
}

static void
test_round (void)
{
  check_round ("image/png", NULL, 0, 0);
  check_round ("image/jpeg", "{'quality': <90>}", 2.5, 110);
  check_round ("image/tiff", NULL, 0, 0);
  check_round ("image/webp", "{'lossless': <true>}", 0, 0);
}

static void
test_level (void)
{
  const char *function = find ("encode video/x-raw -> image/png", 3);
  g_auto (Picture) from = picture_new (300, 200, 3);
  g_autoptr (MossFfiBuffer) input = buffer_of_picture (&from);
  g_autoptr (MossFfiResult) low = NULL;
  g_autoptr (MossFfiResult) high = NULL;
  g_autoptr (GError) error = NULL;

  if (function == NULL)
    return;
  low = call (function, "image/png", input, "{'level': <1>}");
  high = call (function, "image/png", input, "{'level': <9>}");
  g_assert_cmpuint (moss_ffi_buffer_get_length (moss_ffi_result_get_buffer (high, 0)), <,
                    moss_ffi_buffer_get_length (moss_ffi_result_get_buffer (low, 0)));
  g_assert_null (worker_call (worker, function, "image/png", input, "{'level': <99>}", &error));
  g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID);
}

/* A conversion in one step gives what two would. */
static void
test_merged (void)
{
  const char *function = find ("convert image/png -> image/webp", 3);
  const char *decode = find ("decode image/webp -> video/x-raw", 3);
  g_auto (Picture) from = picture_new (200, 150, 3);
  g_autoptr (GBytes) file = picture_to_png (&from);
  g_autoptr (MossFfiBuffer) input = buffer_of_bytes ("image/png", file);
  g_autoptr (MossFfiResult) webp = NULL;
  g_autoptr (MossFfiResult) result = NULL;
  g_auto (Picture) is = { 0 };

  if (function == NULL || decode == NULL)
    return;
  webp = call (function, "image/webp", input, "{'lossless': <true>}");
  result = call (decode, "video/x-raw,format=RGB", moss_ffi_result_get_buffer (webp, 0), NULL);
  is = picture_of_result (result);
  check (&is, &from, 0, 0, 0);
}

/* --- pictures made to hurt: an error, in little time and memory, and the worker lives on --- */

static void
refuses (const char *key, const char *caps, GBytes *bytes, const char *options)
{
  const char *function = find (key, 3);
  g_autoptr (MossFfiBuffer) input = buffer_of_bytes (caps, bytes);
  g_autoptr (GError) error = NULL;

  if (function == NULL)
    return;
  g_assert_null (worker_call (worker, function, "video/x-raw", input, options, &error));
  g_assert_nonnull (error);
  g_test_message ("%s: %s", worker->id, error->message);
  g_assert_false (g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST));
}

static void
test_absurd_size (void)
{
  const struct { guint width, height; } sizes[] = {
    { 0x7fffffff, 0x7fffffff }, { 0x10000, 0x10000 }, { 0, 5 }, { 1, 0x7fffffff },
    { 60000, 60000 }, { 65000, 5000 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GBytes) file = png_with_size (sizes[i].width, sizes[i].height);

      refuses ("decode image/png -> video/x-raw", "image/png", file, NULL);
    }
  test_decode_png ();
}

static void
test_cut_and_noise (void)
{
  g_auto (Picture) picture = picture_new (90, 70, 3);
  g_autoptr (GBytes) file = picture_to_png (&picture);
  g_autoptr (GBytes) cut = g_bytes_new_from_bytes (file, 0, g_bytes_get_size (file) / 2);
  g_autoptr (GBytes) none = g_bytes_new (NULL, 0);
  g_autofree guint8 *noise = g_malloc (5000);
  g_autoptr (GBytes) noisy = NULL;

  for (guint i = 0; i < 5000; i++)
    noise[i] = g_test_rand_int ();
  noisy = g_bytes_new (noise, 5000);
  refuses ("decode image/png -> video/x-raw", "image/png", cut, NULL);
  refuses ("decode image/png -> video/x-raw", "image/png", none, NULL);
  refuses ("decode image/png -> video/x-raw", "image/png", noisy, NULL);
  refuses ("decode image/jpeg -> video/x-raw", "image/jpeg", noisy, NULL);
  test_decode_png ();
}

static void
test_short_raster (void)
{
  g_autofree guint8 *pixels = g_malloc0 (60000);
  g_autoptr (GBytes) bytes = g_bytes_new (pixels, 60000);
  const char *const caps[] = {
    "video/x-raw,format=RGB,width=200,height=101",
    "video/x-raw,format=RGB,width=2147483647,height=2147483647",
    "video/x-raw,format=RGB,width=-5,height=10",
    "video/x-raw,format=RGB",
    "video/x-raw,format=NV12,width=10,height=10",
    "image/png",
  };

  for (guint i = 0; i < G_N_ELEMENTS (caps); i++)
    {
      refuses ("transform flip video/x-raw -> video/x-raw", caps[i], bytes,
               "{'direction': <'horizontal'>}");
      refuses ("encode video/x-raw -> image/png", caps[i], bytes, NULL);
    }
}

static void
test_wrong_options (void)
{
  const char *const wrong[] = {
    "{'left': <0>, 'top': <0>, 'width': <5000>, 'height': <10>}",
    "{'left': <-1>, 'top': <0>, 'width': <5>, 'height': <5>}",
    "{'left': <2147483647>, 'top': <2>, 'width': <2147483647>, 'height': <5>}",
    "{'left': <'x'>, 'top': <2>, 'width': <2>, 'height': <5>}", "{}",
  };
  const char *function = find ("transform crop video/x-raw -> video/x-raw", 3);
  g_auto (Picture) from = picture_new (100, 90, 3);
  g_autoptr (MossFfiBuffer) input = buffer_of_picture (&from);

  for (guint i = 0; function != NULL && i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (worker_call (worker, function, "video/x-raw", input, wrong[i], &error));
      g_assert_true (error->domain == MOSS_FFI_ERROR && error->code != MOSS_FFI_ERROR_LOST);
    }
}

/* It has offers, honest ones, and ends when its broker does. */
static void
test_offers (void)
{
  const char *jpeg = worker_find (worker, "encode video/x-raw -> image/jpeg", 3);
  const char *png = worker_find (worker, "encode video/x-raw -> image/png", 3);

  g_assert_cmpuint (g_variant_n_children (worker->offers), >=, 3);
  g_assert_true (jpeg == NULL || worker_get_flag (worker, jpeg, "lossy"));
  g_assert_false (png != NULL && worker_get_flag (worker, png, "lossy"));
  g_assert_true (png == NULL || worker_get_flag (worker, png, "pure"));
}

static void
test_end (void)
{
  g_assert_cmpint (worker_end (worker), ==, 0);
}

#define RASTER "video/x-raw -> video/x-raw"

/* key: what must be offered; NULL: nothing, or the test looks itself. */
static const struct
{
  const char *path;
  GTestFunc test;
  const char *key;
} tests[] = {
  { "/pictures/offers", test_offers, NULL },
  { "/pictures/decode-png", test_decode_png, "decode image/png -> video/x-raw" },
  { "/pictures/round", test_round, NULL },
  { "/pictures/level", test_level, "encode video/x-raw -> image/png" },
  { "/pictures/merged", test_merged, "convert image/png -> image/webp" },
  { "/pictures/crop", test_crop, "transform crop " RASTER },
  { "/pictures/part-of-wider", test_part_of_wider, "transform crop " RASTER },
  { "/pictures/shrink", test_shrink, "transform shrink " RASTER },
  { "/pictures/flip", test_flip, "transform flip " RASTER },
  { "/pictures/rotate", test_rotate, "transform rotate " RASTER },
  { "/pictures/invert", test_invert, "filter invert " RASTER },
  { "/pictures/blur", test_blur, "filter blur " RASTER },
  { "/pictures/sharpen", test_sharpen, "filter sharpen " RASTER },
  { "/pictures/absurd-size", test_absurd_size, NULL },
  { "/pictures/cut-and-noise", test_cut_and_noise, NULL },
  { "/pictures/short-raster", test_short_raster, NULL },
  { "/pictures/wrong-options", test_wrong_options, "transform crop " RASTER },
  { "/pictures/end", test_end, NULL },
};

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  worker = worker_start (argv[1], argc > 2 ? argv[2] : NULL);
  if (worker == NULL)
    return 77;
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    if (tests[i].key == NULL || find (tests[i].key, 3) != NULL || find (tests[i].key, 4) != NULL)
      g_test_add_func (tests[i].path, tests[i].test);
  return g_test_run ();
}
