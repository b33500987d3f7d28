/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inputs to measure with. Plain data is made up: pictures with edges and noise, tensors of
 * random numbers, text of words. Of other types the results of earlier canaries are kept, in
 * memory, so that a decoder is measured with what an encoder made. No person's data is used. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#include <math.h>
#include <string.h>

enum
{
  KEPT_BYTES_MAX = 64 * 1024 * 1024,
  PIXEL_BYTES = 3,
};

typedef struct
{
  char *media;
  GBytes *bytes;
} Kept;

static GPtrArray *kept; /* Kept, newest last */
static gsize kept_bytes;

/* xorshift64*: the same data in every life, so that times can be compared. */
static guint64
next_random (guint64 *state)
{
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 2685821657736338717ull;
}

static GBytes *
make_random (gsize bytes)
{
  guint64 state = 88172645463325252ull;
  guint8 *data = g_malloc (MAX (bytes, 1));

  for (gsize at = 0; at < bytes; at += 8)
    {
      guint64 value = next_random (&state);

      memcpy (data + at, &value, MIN (8, bytes - at));
    }
  return g_bytes_new_take (data, bytes);
}

/* Words with the lengths and repetitions of a language, so that compressors have work. */
static GBytes *
make_text (gsize bytes)
{
  guint64 state = 362436069ull;
  char *data = g_malloc (bytes + 1);
  gsize at = 0;

  while (at < bytes)
    {
      guint64 value = next_random (&state);
      guint length = 2 + value % 8;
      guint word = (value >> 8) % 400; /* of a vocabulary */

      for (guint i = 0; i < length && at < bytes; i++)
        data[at++] = 'a' + (word * 7 + i * (word % 5 + 3)) % 26;
      if (at < bytes)
        data[at++] = (value >> 32) % 12 == 0 ? '\n' : ' ';
    }
  return g_bytes_new_take (data, bytes);
}

static GBytes *
make_tensor (const char *dtype, gsize bytes)
{
  guint64 state = 123456789ull;
  float *data;

  if (dtype == NULL || dtype[0] != 'f')
    return make_random (bytes & ~(gsize) 7);
  bytes &= ~(gsize) 7;
  if (g_str_equal (dtype, "f64"))
    {
      double *wide = g_malloc (MAX (bytes, 8));

      for (gsize i = 0; i < bytes / 8; i++)
        wide[i] = (double) (next_random (&state) >> 11) / (1ull << 53);
      return g_bytes_new_take (wide, bytes);
    }
  data = g_malloc (MAX (bytes, 4));
  for (gsize i = 0; i < bytes / 4; i++)
    data[i] = (float) (next_random (&state) >> 40) / (1 << 24);
  return g_bytes_new_take (data, bytes);
}

static guint
pixel_bytes (const char *format)
{
  if (format != NULL && (g_str_equal (format, "GRAY8")))
    return 1;
  return format != NULL && strlen (format) == 4 ? 4 : PIXEL_BYTES;
}

/* A gradient with stripes and a little noise. */
static GBytes *
make_raster (guint width, guint height, guint pixel)
{
  gsize row = (gsize) width * pixel;
  guint8 *data = g_malloc (row * height);
  guint64 state = 521288629ull;

  for (guint y = 0; y < height; y++)
    for (guint x = 0; x < width; x++)
      for (guint c = 0; c < pixel; c++)
        data[y * row + x * pixel + c] =
            (c == 3 ? 255
                    : (x * 255 / width) / 2 + ((y / 16 + c) % 2 ? 90 : 10) +
                          (next_random (&state) >> 60));
  return g_bytes_new_take (data, row * height);
}

static char *
choose (const MossFfiCaps *caps, const char *name, const char *otherwise)
{
  g_auto (GStrv) choices = moss_ffi_caps_dup_choices (caps, name);

  if (choices == NULL || choices[0] == NULL || g_strv_contains ((const char *const *) choices,
                                                                otherwise))
    return g_strdup (otherwise);
  return g_strdup (choices[0]);
}

static GBytes *
make_picture (const MossFfiCaps *caps, gsize bytes, MossFfiCaps **fixed)
{
  g_autofree char *format = choose (caps, "format", "RGB");
  guint pixel = pixel_bytes (format);
  guint side = MAX (8, (guint) sqrt ((double) bytes / pixel));
  g_autofree char *text =
      g_strdup_printf ("video/x-raw,format=%s,width=%u,height=%u", format, side, side);

  *fixed = moss_ffi_caps_parse (text, NULL);
  return *fixed != NULL ? make_raster (side, side, pixel) : NULL;
}

/* The one nearest in size, within a factor of four. */
static GBytes *
find_kept (const char *media, gsize bytes)
{
  Kept *best = NULL;
  double best_apart = log (4.0);

  for (guint i = 0; kept != NULL && i < kept->len; i++)
    {
      Kept *one = kept->pdata[i];
      double apart = fabs (log ((double) (g_bytes_get_size (one->bytes) + 1) / (bytes + 1)));

      if (g_str_equal (one->media, media) && apart < best_apart)
        {
          best = one;
          best_apart = apart;
        }
    }
  return best != NULL ? g_bytes_ref (best->bytes) : NULL;
}

GBytes *
sample_make (const MossFfiCaps *caps, gsize bytes, MossFfiCaps **fixed)
{
  const char *media = moss_ffi_caps_get_media (caps);
  g_autofree char *dtype = NULL;
  GBytes *sample;

  *fixed = NULL;
  if (g_str_equal (media, "video/x-raw"))
    return make_picture (caps, bytes, fixed);
  if (g_str_equal (media, "text/plain"))
    sample = make_text (bytes);
  else if (g_str_equal (media, "application/x-moss-tensor"))
    {
      /* Of the size that is wanted, and not what somebody sorted already. */
      dtype = choose (caps, "dtype", "i32");
      sample = make_tensor (dtype, bytes);
      if (moss_ffi_caps_has_field (caps, "dtype"))
        *fixed = moss_ffi_caps_fixate (caps);
    }
  else
    sample = find_kept (media, bytes);
  if (sample == NULL && g_str_equal (media, "application/octet-stream"))
    sample = make_text (bytes);
  if (sample != NULL && *fixed == NULL)
    *fixed = moss_ffi_caps_fixate (caps);
  return sample;
}

static void
kept_free (gpointer data)
{
  Kept *one = data;

  kept_bytes -= g_bytes_get_size (one->bytes);
  g_bytes_unref (one->bytes);
  g_free (one->media);
  g_free (one);
}

void
sample_keep (const char *media, GBytes *bytes)
{
  g_autoptr (GBytes) near = find_kept (media, g_bytes_get_size (bytes));
  Kept *one;

  if (near != NULL || g_bytes_get_size (bytes) > KEPT_BYTES_MAX / 4)
    return;
  if (kept == NULL)
    kept = g_ptr_array_new_with_free_func (kept_free);
  while (kept_bytes + g_bytes_get_size (bytes) > KEPT_BYTES_MAX)
    g_ptr_array_remove_index (kept, 0);
  one = g_new0 (Kept, 1);
  one->media = g_strdup (media);
  one->bytes = g_bytes_new (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  kept_bytes += g_bytes_get_size (bytes);
  g_ptr_array_add (kept, one);
}

void
samples_free (void)
{
  g_clear_pointer (&kept, g_ptr_array_unref);
}
