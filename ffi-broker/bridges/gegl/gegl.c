// SPDX-License-Identifier: GPL-3.0-or-later
/* The bridge to GEGL. A call is a graph of three nodes: the caller's pixels as they lie in the
 * buffer, the operation, and a blit into the result's. The pixels go in and out as linear ones,
 * so that GEGL computes with the numbers that are there, as the other libraries do; its own
 * conversion to linear light would be another result.
 *
 * A file is written to descriptor 1, which GEGL takes "-" for: a worker can open nothing for
 * writing. Its loaders are not offered: that a file was bad they say in the log alone. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/bridges/picture.h"
#include "ffi-broker/bridges/pictures.h"
#include "ffi-broker/worker/module.h"

#include <errno.h>
#include <fcntl.h>
#include <gegl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const Babl *
format_of (guint channels)
{
  return babl_format (channels == 4 ? "RGBA u8" : "RGB u8");
}

static const Babl *
format_of_file (guint channels)
{
  return babl_format (channels == 4 ? "R'G'B'A u8" : "R'G'B' u8");
}

/* --- pictures into pictures --- */

static GeglBuffer *
over (const MossRaster *raster, const Babl *format)
{
  return gegl_buffer_linear_new_from_data (
    raster->data, format, GEGL_RECTANGLE (0, 0, raster->width, raster->height), raster->stride,
    NULL, NULL);
}

/* What the operation makes of the input, in an area of that size from the origin on. */
static gboolean
run (MossPictureCall *call, GeglNode *graph, GeglNode *operation, guint width, guint height,
     GError **error)
{
  g_autoptr (GeglBuffer) buffer = over (&call->in, format_of (call->in.channels));
  GeglNode *source = gegl_node_new_child (graph, "operation", "gegl:buffer-source", "buffer",
                                          buffer, NULL);
  guint channels = call->channels != 0 ? call->channels : call->in.channels;

  if (!moss_raster_alloc (&call->out, width, height, channels, error))
    return FALSE;
  gegl_node_link (source, operation);
  gegl_node_blit (operation, 1.0, GEGL_RECTANGLE (0, 0, width, height), format_of (channels),
                  call->out.data, call->out.stride, GEGL_BLIT_DEFAULT);
  return TRUE;
}

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
  g_autoptr (GeglNode) graph = gegl_node_new ();
  GeglNode *scale;
  guint width, height;

  if (!moss_picture_get_size (call, &width, &height, error))
    return FALSE;
  scale = gegl_node_new_child (graph, "operation", "gegl:scale-size", "x", (double) width, "y",
                               (double) height, "sampler", GEGL_SAMPLER_LINEAR, NULL);
  return run (call, graph, scale, width, height, error);
}

static gboolean
flip (MossPictureCall *call, GError **error)
{
  g_autoptr (GeglNode) graph = gegl_node_new ();
  g_autofree char *direction = moss_picture_get_word (
    call, "direction", NULL, (const char *const[]){ "horizontal", "vertical", NULL }, error);
  GeglNode *mirror;

  if (direction == NULL)
    return FALSE;
  mirror = gegl_node_new_child (graph, "operation", "gegl:reflect", "sampler",
                                GEGL_SAMPLER_NEAREST, "x", *direction == 'h' ? 0.0 : 1.0, "y",
                                *direction == 'h' ? 1.0 : 0.0, "origin-x",
                                call->in.width / 2.0, "origin-y", call->in.height / 2.0, NULL);
  return run (call, graph, mirror, call->in.width, call->in.height, error);
}

/* At the border both take the nearest pixel, as the other libraries do. */
static gboolean
blur (MossPictureCall *call, GError **error)
{
  g_autoptr (GeglNode) graph = gegl_node_new ();
  GeglNode *node;
  double sigma;

  if (!moss_picture_get_double (call, "sigma", DEFAULT_BLUR_SIGMA, 0.1, SIGMA_MAX, &sigma,
                                error))
    return FALSE;
  node = gegl_node_new_child (graph, "operation", "gegl:gaussian-blur", "std-dev-x", sigma,
                              "std-dev-y", sigma, NULL);
  return run (call, graph, node, call->in.width, call->in.height, error);
}

static gboolean
sharpen (MossPictureCall *call, GError **error)
{
  g_autoptr (GeglNode) graph = gegl_node_new ();
  GeglNode *node;
  double sigma, amount;

  if (!moss_picture_get_sharpening (call, &sigma, &amount, error))
    return FALSE;
  node = gegl_node_new_child (graph, "operation", "gegl:unsharp-mask", "std-dev", sigma,
                              "scale", amount, NULL);
  return run (call, graph, node, call->in.width, call->in.height, error);
}

static gboolean
invert (MossPictureCall *call, GError **error)
{
  g_autoptr (GeglNode) graph = gegl_node_new ();
  GeglNode *node = gegl_node_new_child (graph, "operation", "gegl:invert-linear", NULL);

  return run (call, graph, node, call->in.width, call->in.height, error);
}

/* --- files --- */

static GMutex standard_output;

static gboolean
fail (MossPictureCall *call, const char *why, GError **error)
{
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "%s: %s", call->offer->function,
               why);
  return FALSE;
}

/* @fd in place of descriptor 1 for a while; gives back what was there. */
static int
put_in_place (int fd)
{
  int before = fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

  dup2 (fd, STDOUT_FILENO);
  return before;
}

static void
put_back (int before)
{
  if (before < 0)
    close (STDOUT_FILENO);
  else
    {
      dup2 (before, STDOUT_FILENO);
      close (before);
    }
}

static gboolean
take_file (MossPictureCall *call, int fd, GError **error)
{
  struct stat st;
  void *data;
  gboolean ok;

  if (fstat (fd, &st) < 0 || st.st_size == 0)
    return fail (call, "nothing was written", error);
  data = mmap (NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED)
    return fail (call, g_strerror (errno), error);
  ok = moss_picture_give_bytes (call, data, st.st_size, error);
  munmap (data, st.st_size);
  return ok;
}

static gboolean
save (MossPictureCall *call, GeglNode *graph, GeglNode *sink, GError **error)
{
  g_autoptr (GeglBuffer) buffer = over (&call->in, format_of_file (call->in.channels));
  GeglNode *source = gegl_node_new_child (graph, "operation", "gegl:buffer-source", "buffer",
                                          buffer, NULL);
  int fd = memfd_create ("gegl", MFD_CLOEXEC);
  int before;
  gboolean ok;

  if (fd < 0)
    return fail (call, g_strerror (errno), error);
  gegl_node_link (source, sink);
  g_mutex_lock (&standard_output);
  before = put_in_place (fd);
  gegl_node_process (sink);
  put_back (before);
  g_mutex_unlock (&standard_output);
  ok = take_file (call, fd, error);
  close (fd);
  return ok;
}

static gboolean
encode_png (MossPictureCall *call, GError **error)
{
  g_autoptr (GeglNode) graph = gegl_node_new ();
  int level;

  return moss_picture_get_int (call, "level", DEFAULT_PNG_LEVEL, 1, 9, &level, error) &&
         save (call, graph,
               gegl_node_new_child (graph, "operation", "gegl:png-save", "path", "-",
                                    "compression", level, "bitdepth", 8, NULL),
               error);
}

static gboolean
encode_jpeg (MossPictureCall *call, GError **error)
{
  g_autoptr (GeglNode) graph = gegl_node_new ();
  int quality;

  return moss_picture_get_int (call, "quality", DEFAULT_JPEG_QUALITY, 1, 100, &quality,
                               error) &&
         save (call, graph,
               gegl_node_new_child (graph, "operation", "gegl:jpg-save", "path", "-", "quality",
                                    quality, "smoothing", 0, "optimize", FALSE, "progressive",
                                    FALSE, NULL),
               error);
}

/* --- what there is: every operation is a module of its own --- */

static const MossPictureOffer offers[] = {
  { CAPABILITY_ENCODE_PNG, "gegl:png-save", QUALITY_PNG, FALSE, 2, encode_png, NULL },
  { CAPABILITY_ENCODE_JPEG, "gegl:jpg-save", QUALITY_JPEG, TRUE, 2, encode_jpeg, NULL },
  { CAPABILITY_CROP, "gegl:crop", QUALITY_EXACT, FALSE, 0, crop, NULL },
  { CAPABILITY_SHRINK, "gegl:scale-size", QUALITY_AREA, FALSE, 4, shrink, NULL },
  { CAPABILITY_FLIP, "gegl:reflect", QUALITY_EXACT, FALSE, 4, flip, NULL },
  { CAPABILITY_BLUR, "gegl:gaussian-blur", QUALITY_GAUSS, FALSE, 8, blur, NULL },
  { CAPABILITY_SHARPEN, "gegl:unsharp-mask", QUALITY_UNSHARP, FALSE, 12, sharpen, NULL },
  { CAPABILITY_INVERT, "gegl:invert-linear", QUALITY_EXACT, FALSE, 4, invert, NULL },
};

static MossFfiProvider *
open_gegl (const char *manifest, GError **error)
{
  g_autofree char *version = NULL;
  MossFfiProvider *provider;
  int major, minor, micro;

  gegl_init (NULL, NULL);
  gegl_get_version (&major, &minor, &micro);
  version = g_strdup_printf ("%d.%d.%d", major, minor, micro);
  provider = moss_ffi_provider_new ("gegl", version);
  moss_ffi_provider_set_name (provider, "GEGL");
  for (guint i = 0; i < G_N_ELEMENTS (offers); i++)
    if (gegl_has_operation (offers[i].function))
      moss_picture_add (provider, &offers[i], 1, "LGPL-3.0-or-later");
  return provider;
}

/* No swap files, no graphics cards, and no more cache than what one call needs. */
static const char *const environment[] = {
  "GEGL_SWAP=RAM", "GEGL_USE_OPENCL=no", "GEGL_CACHE_SIZE=512", NULL,
};

const MossFfiBridge moss_ffi_bridge = {
  .abi = MOSS_FFI_BRIDGE_ABI,
  .name = "gegl",
  .environment = environment,
  .open = open_gegl,
  .close = gegl_exit,
};
