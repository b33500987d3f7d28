// SPDX-License-Identifier: GPL-3.0-or-later
#include "pictures.h"

#include <math.h>
#include <string.h>

void
picture_clear (Picture *picture)
{
  g_clear_pointer (&picture->pixels, g_free);
}

static Picture
blank (guint width, guint height, guint channels)
{
  return (Picture){ width, height, channels,
                    g_malloc0 ((gsize) width * height * channels) };
}

static guint8 *
at (const Picture *picture, guint x, guint y)
{
  return picture->pixels + ((gsize) y * picture->width + x) * picture->channels;
}

/* Smooth, with another slope for each channel and a disc in it, so that nothing is symmetric. */
Picture
picture_new (guint width, guint height, guint channels)
{
  Picture picture = blank (width, height, channels);

  for (guint y = 0; y < height; y++)
    for (guint x = 0; x < width; x++)
      {
        guint8 *p = at (&picture, x, y);
        double dx = x - width * 0.3, dy = y - height * 0.6;
        gboolean inside = dx * dx + dy * dy < height * height * 0.04;

        p[0] = 20 + 200 * x / width;
        p[1] = 30 + 180 * y / height;
        p[2] = inside ? 200 : 60 + 90 * (x + y) / (width + height);
        if (channels == 4)
          p[3] = 255;
      }
  return picture;
}

Picture
picture_crop (const Picture *of, guint left, guint top, guint width, guint height)
{
  Picture part = blank (width, height, of->channels);

  for (guint y = 0; y < height; y++)
    memcpy (at (&part, 0, y), at (of, left, top + y), (gsize) width * of->channels);
  return part;
}

Picture
picture_shrink (const Picture *of, guint by)
{
  Picture small = blank (of->width / by, of->height / by, of->channels);

  for (guint y = 0; y < small.height; y++)
    for (guint x = 0; x < small.width; x++)
      for (guint c = 0; c < of->channels; c++)
        {
          guint sum = 0;

          for (guint i = 0; i < by * by; i++)
            sum += at (of, x * by + i % by, y * by + i / by)[c];
          at (&small, x, y)[c] = (sum + by * by / 2) / (by * by);
        }
  return small;
}

Picture
picture_flip (const Picture *of, gboolean horizontal)
{
  Picture result = blank (of->width, of->height, of->channels);

  for (guint y = 0; y < of->height; y++)
    for (guint x = 0; x < of->width; x++)
      memcpy (at (&result, x, y),
              horizontal ? at (of, of->width - 1 - x, y) : at (of, x, of->height - 1 - y),
              of->channels);
  return result;
}

/* 90 degrees clockwise: what was left is up. */
Picture
picture_turn (const Picture *of)
{
  Picture result = blank (of->height, of->width, of->channels);

  for (guint y = 0; y < of->height; y++)
    for (guint x = 0; x < of->width; x++)
      memcpy (at (&result, of->height - 1 - y, x), at (of, x, y), of->channels);
  return result;
}

Picture
picture_invert (const Picture *of)
{
  Picture result = blank (of->width, of->height, of->channels);

  for (gsize i = 0; i < (gsize) of->width * of->height * of->channels; i++)
    result.pixels[i] = i % of->channels == 3 ? of->pixels[i] : 255 - of->pixels[i];
  return result;
}

static double
along (const Picture *of, int x, int y, guint c, gboolean horizontal, const double *weights,
       int reach)
{
  double sum = 0;

  for (int i = -reach; i <= reach; i++)
    {
      int sx = horizontal ? CLAMP (x + i, 0, (int) of->width - 1) : x;
      int sy = horizontal ? y : CLAMP (y + i, 0, (int) of->height - 1);

      sum += weights[ABS (i)] * at (of, sx, sy)[c];
    }
  return sum;
}

static Picture
blur_along (const Picture *of, double sigma, gboolean horizontal)
{
  Picture result = blank (of->width, of->height, of->channels);
  int reach = ceil (sigma * 4);
  g_autofree double *weights = g_new (double, reach + 1);
  double sum = 0;

  for (int i = 0; i <= reach; i++)
    {
      weights[i] = exp (-i * i / (2 * sigma * sigma));
      sum += i == 0 ? weights[i] : 2 * weights[i];
    }
  for (int i = 0; i <= reach; i++)
    weights[i] /= sum;
  for (guint y = 0; y < of->height; y++)
    for (guint x = 0; x < of->width; x++)
      for (guint c = 0; c < of->channels; c++)
        at (&result, x, y)[c] = lround (along (of, x, y, c, horizontal, weights, reach));
  return result;
}

Picture
picture_blur (const Picture *of, double sigma)
{
  g_auto (Picture) half = blur_along (of, sigma, TRUE);

  return blur_along (&half, sigma, FALSE);
}

Picture
picture_sharpen (const Picture *of, double sigma, double amount)
{
  g_auto (Picture) soft = picture_blur (of, sigma);
  Picture result = blank (of->width, of->height, of->channels);

  for (gsize i = 0; i < (gsize) of->width * of->height * of->channels; i++)
    {
      double value = of->pixels[i] + amount * ((double) of->pixels[i] - soft.pixels[i]);

      result.pixels[i] = i % of->channels == 3 ? of->pixels[i]
                                               : CLAMP (lround (value), 0, 255);
    }
  return result;
}

void
picture_compare (const Picture *a, const Picture *b, guint border, double *mean, guint *most)
{
  guint64 sum = 0, n = 0;

  g_assert_cmpuint (a->width, ==, b->width);
  g_assert_cmpuint (a->height, ==, b->height);
  g_assert_cmpuint (a->channels, ==, b->channels);
  *most = 0;
  for (guint y = border; y < a->height - border; y++)
    for (guint x = border; x < a->width - border; x++)
      for (guint c = 0; c < a->channels; c++, n++)
        {
          guint apart = ABS ((int) at (a, x, y)[c] - (int) at (b, x, y)[c]);

          sum += apart;
          *most = MAX (*most, apart);
        }
  *mean = (double) sum / n;
}

/* --- PNG, by its specification (W3C, second edition) --- */

static guint32
crc (const guint8 *data, gsize length)
{
  guint32 value = 0xffffffff;

  for (gsize i = 0; i < length; i++)
    {
      value ^= data[i];
      for (guint bit = 0; bit < 8; bit++)
        value = value & 1 ? value >> 1 ^ 0xedb88320 : value >> 1;
    }
  return ~value;
}

static void
append_number (GByteArray *file, guint32 number)
{
  guint32 big = GUINT32_TO_BE (number);

  g_byte_array_append (file, (guint8 *) &big, 4);
}

static void
append_chunk (GByteArray *file, const char *type, gconstpointer data, gsize length)
{
  gsize start;

  append_number (file, length);
  start = file->len;
  g_byte_array_append (file, (const guint8 *) type, 4);
  g_byte_array_append (file, data, length);
  append_number (file, crc (file->data + start, file->len - start));
}

static GBytes *
deflate (GBytes *plain)
{
  g_autoptr (GZlibCompressor) zlib = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 6);
  g_autoptr (GInputStream) memory = g_memory_input_stream_new_from_bytes (plain);
  g_autoptr (GInputStream) stream = g_converter_input_stream_new (memory, G_CONVERTER (zlib));
  g_autoptr (GOutputStream) out = g_memory_output_stream_new_resizable ();

  g_assert_cmpint (g_output_stream_splice (out, stream, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                           NULL, NULL), >=, 0);
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (out));
}

static GBytes *
png (guint width, guint height, guint channels, GBytes *rows)
{
  GByteArray *file = g_byte_array_new ();
  g_autoptr (GBytes) packed = deflate (rows);
  guint32 sizes[2] = { GUINT32_TO_BE (width), GUINT32_TO_BE (height) };
  guint8 header[13] = { 0 };

  g_byte_array_append (file, (const guint8 *) "\x89PNG\r\n\x1a\n", 8);
  memcpy (header, sizes, 8);
  header[8] = 8;
  header[9] = channels == 4 ? 6 : 2;
  append_chunk (file, "IHDR", header, sizeof header);
  append_chunk (file, "IDAT", g_bytes_get_data (packed, NULL), g_bytes_get_size (packed));
  append_chunk (file, "IEND", "", 0);
  return g_byte_array_free_to_bytes (file);
}

GBytes *
picture_to_png (const Picture *picture)
{
  g_autoptr (GByteArray) rows = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;

  for (guint y = 0; y < picture->height; y++)
    {
      g_byte_array_append (rows, (const guint8 *) "", 1); /* filter: none */
      g_byte_array_append (rows, at (picture, 0, y), picture->width * picture->channels);
    }
  bytes = g_bytes_new (rows->data, rows->len);
  return png (picture->width, picture->height, picture->channels, bytes);
}

/* A picture that says it has that size, and has some bytes of it. */
GBytes *
png_with_size (guint width, guint height)
{
  g_autoptr (GBytes) rows = g_bytes_new_take (g_malloc0 (100), 100);

  return png (width, height, 3, rows);
}
