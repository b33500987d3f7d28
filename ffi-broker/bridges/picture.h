// SPDX-License-Identifier: GPL-3.0-or-later
/* What the bridges to picture libraries share: rasters in buffers, checked; options, checked;
 * tables of offers in the same words, so that they overlap. */
#pragma once

#include "ffi-broker/client/moss-ffi.h"

G_BEGIN_DECLS

/* Bigger is refused before anything is allocated for it; a file's own header counts. */
#define MOSS_RASTER_SIDE_MAX 65535
#define MOSS_RASTER_PIXELS_MAX (256u * 1024 * 1024)

/**
 * MossRaster:
 * @channels: 1 (GRAY8), 3 (RGB) or 4 (RGBA), a byte each
 * @stride: bytes from one row to the next
 *
 * Rows of pixels. @data belongs to @buffer or, where that is %NULL, to somebody else.
 */
typedef struct
{
  guint width, height, channels;
  gsize stride;
  guint8 *data;
  MossFfiBuffer *buffer;
  GBytes *mapped;
} MossRaster;

gboolean moss_raster_check (guint64 width, guint64 height, GError **error);
gboolean moss_raster_open (MossRaster *raster, MossFfiBuffer *buffer, GError **error);
gboolean moss_raster_alloc (MossRaster *raster, guint width, guint height, guint channels,
                            GError **error);
gboolean moss_raster_view (MossRaster *raster, const MossRaster *of, guint left, guint top,
                           guint width, guint height, GError **error);
void moss_raster_clear (MossRaster *raster);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MossRaster, moss_raster_clear)

typedef struct _MossPictureCall MossPictureCall;
typedef gboolean (*MossPictureRun) (MossPictureCall *call, GError **error);

/**
 * MossPictureOffer:
 * @capability: "encode(video/x-raw,format={RGB,RGBA};level:i?) -> image/png"; see pictures.h
 * @function: the library's own name for it, different for each offer of a bridge
 * @quality: what comes out, in words that are the same for comparable offers
 * @lossy: whether something is lost that asking for it doesn't say
 * @memory: bytes needed for each byte of input
 * @data: for @run
 */
typedef struct
{
  const char *capability;
  const char *function;
  const char *quality;
  gboolean lossy;
  double memory;
  MossPictureRun run;
  gconstpointer data;
} MossPictureOffer;

/**
 * MossPictureCall:
 * @in: the input where it's video/x-raw
 * @bytes: (nullable): the input where it's a file's
 * @media: the media type of what is asked for
 * @channels: asked for, or 0 when any will do
 * @out: the result where it's video/x-raw
 * @buffer: (nullable): the result where it's a file's
 */
struct _MossPictureCall
{
  const MossPictureOffer *offer;
  MossRaster in;
  GBytes *bytes;
  GVariantDict options;
  char *media;
  guint channels;
  MossRaster out;
  MossFfiBuffer *buffer;
};

gboolean moss_picture_get_int (MossPictureCall *call, const char *name, int fallback, int least,
                               int most, int *value, GError **error);
gboolean moss_picture_get_double (MossPictureCall *call, const char *name, double fallback,
                                  double least, double most, double *value, GError **error);
char *moss_picture_get_word (MossPictureCall *call, const char *name, const char *fallback,
                             const char *const *words, GError **error);
gboolean moss_picture_get_area (MossPictureCall *call, guint area[4], GError **error);
gboolean moss_picture_get_size (MossPictureCall *call, guint *width, guint *height,
                                GError **error);
gboolean moss_picture_get_angle (MossPictureCall *call, int *angle, GError **error);
gboolean moss_picture_get_sharpening (MossPictureCall *call, double *sigma, double *amount,
                                      GError **error);
gboolean moss_picture_give_bytes (MossPictureCall *call, const void *data, gsize length,
                                  GError **error);

void moss_picture_add (MossFfiProvider *provider, const MossPictureOffer *offers,
                       guint n_offers, const char *licence);

G_END_DECLS
