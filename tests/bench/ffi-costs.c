// SPDX-License-Identifier: GPL-3.0-or-later
/* Records what real providers cost at many sizes: the whole call as its caller sees it, in
 * microseconds, the median of three. "ffi-costs MANIFESTS > tests/bench/ffi-costs.json", with
 * MOSS_FFI_WORKER and MOSS_FFI_BRIDGES set as for the unit tests of the bridges. What took
 * longer than a minute, or can't be done, is null. */
#include "tests/unit/bridges/workers.h"

#include <stdlib.h>
#include <string.h>

#define REPEATS 3
#define SIZES 14

typedef enum
{
  PIXELS,
  PNG,
  BYTES,
} Input;

typedef struct
{
  const char *key, *out_caps;
  const char *options; /* SIDE: half the side */
  Input input;
  const char *providers[8];
} Capability;

static const Capability capabilities[] = {
  { "encode video/x-raw -> image/png", "image/png", NULL, PIXELS,
    { "vips", "pixbuf", "gegl", "gstreamer", "exec:ffmpeg" } },
  { "encode video/x-raw -> image/jpeg", "image/jpeg", NULL, PIXELS,
    { "vips", "gegl", "gstreamer", "exec:ffmpeg", "exec:imagemagick" } },
  { "decode image/png -> video/x-raw", "video/x-raw,format=RGB", NULL, PNG,
    { "vips", "pixbuf", "gstreamer", "exec:ffmpeg" } },
  { "transform shrink video/x-raw -> video/x-raw", "video/x-raw,format=RGB",
    "{'width': <SIDE>, 'height': <SIDE>}", PIXELS,
    { "vips", "pixbuf", "gegl", "gstreamer", "exec:ffmpeg", "exec:imagemagick" } },
  { "transform flip video/x-raw -> video/x-raw", "video/x-raw,format=RGB",
    "{'direction': <'vertical'>}", PIXELS,
    { "vips", "pixbuf", "gegl", "gstreamer", "exec:ffmpeg", "exec:imagemagick" } },
  { "hash sha256 application/octet-stream -> application/x-moss-digest",
    "application/x-moss-digest", NULL, BYTES,
    { "introspection", "exec:sha256sum", "exec:openssl", "exec:cksum", "exec:shasum" } },
};

/* Powers of two and what lies between them, in pixels a side or in bytes. */
static guint
nth_size (Input input, guint i)
{
  static const guint sides[SIZES] = { 8,   16,  24,  32,  48,   64,   96,
                                      128, 192, 256, 512, 1024, 1536, 2048 };

  return input == BYTES ? 64u << (i * 18 / (SIZES - 1)) : sides[i];
}

/* As a camera's: without it the bytes of a file would say nothing of its pixels. */
static void
add_noise (Picture *picture)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  gsize length = (gsize) picture->width * picture->height * picture->channels;

  for (gsize i = 0; i < length; i++)
    picture->pixels[i] ^= g_rand_int (rand) & 15;
}

static MossFfiBuffer *
make_input (Input input, guint size, gsize *length)
{
  g_auto (Picture) picture = picture_new (MAX (size, 1), input == BYTES ? 1 : size, 3);
  g_autoptr (GBytes) bytes = NULL;

  *length = (gsize) size * size * 3;
  if (input != BYTES)
    add_noise (&picture);
  if (input == PIXELS)
    return buffer_of_picture (&picture);
  bytes = input == PNG ? picture_to_png (&picture) : g_bytes_new (picture.pixels, size);
  *length = g_bytes_get_size (bytes);
  return buffer_of_bytes (input == PNG ? "image/png" : "application/octet-stream", bytes);
}

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

/* The median, or less than nothing. */
static double
measure (Worker *worker, const char *function, const Capability *capability,
         MossFfiBuffer *input, const char *options)
{
  double times[REPEATS];

  for (guint i = 0; i < REPEATS; i++)
    {
      gint64 start = g_get_monotonic_time ();
      g_autoptr (MossFfiResult) result = worker_call (worker, function, capability->out_caps,
                                                      input, options, NULL);

      if (result == NULL)
        return -1;
      times[i] = g_get_monotonic_time () - start;
    }
  qsort (times, REPEATS, sizeof *times, compare);
  return times[REPEATS / 2];
}

static Worker *
start (const char *provider, const char *manifests)
{
  g_autofree char *file = NULL;
  g_autofree char *path = NULL;

  if (!g_str_has_prefix (provider, "exec:"))
    return worker_start (provider, NULL);
  file = g_strconcat (provider + strlen ("exec:"), ".mossfn", NULL);
  path = g_build_filename (manifests, file, NULL);
  return worker_start ("exec", path);
}

static char *
options_for (const Capability *capability, guint size)
{
  g_auto (GStrv) parts = g_strsplit (capability->options, "SIDE", -1);
  g_autofree char *side = g_strdup_printf ("%u", size / 2);

  return g_strjoinv (side, parts);
}

static void
print_provider (const Capability *capability, const char *provider, const char *manifests,
                gboolean first)
{
  g_autoptr (Worker) worker = start (provider, manifests);
  const char *function = worker != NULL ? worker_find (worker, capability->key, 3) : NULL;

  g_print ("%s\n    [", first ? "" : ",");
  for (guint i = 0; i < SIZES; i++)
    {
      guint size = nth_size (capability->input, i);
      gsize length;
      g_autoptr (MossFfiBuffer) input = make_input (capability->input, size, &length);
      g_autofree char *options = NULL;
      double us = -1;

      if (capability->options != NULL)
        options = options_for (capability, size);
      if (function != NULL)
        us = measure (worker, function, capability, input, options);
      if (us < 0)
        g_print ("%snull", i > 0 ? ", " : "");
      else
        g_print ("%s%.0f", i > 0 ? ", " : "", us);
    }
  g_print ("]");
}

static void
print_capability (const Capability *capability, const char *manifests, gboolean first)
{
  const char *in = capability->input == PIXELS ? "video/x-raw"
                   : capability->input == PNG  ? "image/png"
                                               : "application/octet-stream";

  g_print ("%s\n  {\"name\": \"%s\", \"media\": \"%s\",\n   \"providers\": [", first ? "" : ",",
           capability->key, in);
  for (guint i = 0; capability->providers[i] != NULL; i++)
    g_print ("%s\"%s\"", i > 0 ? ", " : "", capability->providers[i]);
  g_print ("],\n   \"sizes\": [");
  for (guint i = 0; i < SIZES; i++)
    {
      gsize length;
      guint size = nth_size (capability->input, i);
      g_autoptr (MossFfiBuffer) input = make_input (capability->input, size, &length);

      g_print ("%s%" G_GSIZE_FORMAT, i > 0 ? ", " : "", length);
    }
  g_print ("],\n   \"us\": [");
  for (guint i = 0; capability->providers[i] != NULL; i++)
    print_provider (capability, capability->providers[i], manifests, i == 0);
  g_print ("]}");
}

int
main (int argc, char **argv)
{
  if (argc != 2)
    {
      g_printerr ("usage: ffi-costs MANIFESTS\n");
      return EXIT_FAILURE;
    }
  g_print ("{\"machine\": \"%u processors\", \"capabilities\": [", g_get_num_processors ());
  for (guint i = 0; i < G_N_ELEMENTS (capabilities); i++)
    print_capability (&capabilities[i], argv[1], i == 0);
  g_print ("\n]}\n");
  return EXIT_SUCCESS;
}
