// SPDX-License-Identifier: GPL-3.0-or-later
/* The bridge to GStreamer. A call is a short pipeline, "appsrc ! ELEMENTS ! appsink", that gets
 * one buffer and gives one back; frames lie where the caller's buffer is, with its rows' distance
 * said in a GstVideoMeta. An element is named in a table here: what a caller sends never becomes
 * a part of a pipeline's text but as a number in its bounds. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/bridges/picture.h"
#include "ffi-broker/bridges/pictures.h"
#include "ffi-broker/worker/module.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <string.h>

#define WAIT (120 * GST_SECOND) /* the broker is the one that gives up earlier */

typedef struct
{
  GstElement *pipeline, *source, *sink;
} Line;

static gboolean
fail (MossPictureCall *call, const char *why, GError **error)
{
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "%s: %s", call->offer->function,
               why);
  return FALSE;
}

static void
line_clear (Line *line)
{
  if (line->pipeline != NULL)
    gst_element_set_state (line->pipeline, GST_STATE_NULL);
  gst_clear_object (&line->source);
  gst_clear_object (&line->sink);
  gst_clear_object (&line->pipeline);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Line, line_clear)

static gboolean
line_open (Line *line, const char *elements, GstCaps *in, GstCaps *out, GError **error)
{
  g_autofree char *text =
    g_strdup_printf ("appsrc name=in format=time ! %s ! appsink name=out sync=false", elements);

  *line = (Line){ gst_parse_launch_full (text, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error) };
  if (line->pipeline == NULL)
    return FALSE;
  line->source = gst_bin_get_by_name (GST_BIN (line->pipeline), "in");
  line->sink = gst_bin_get_by_name (GST_BIN (line->pipeline), "out");
  gst_app_src_set_caps (GST_APP_SRC (line->source), in);
  if (out != NULL)
    gst_app_sink_set_caps (GST_APP_SINK (line->sink), out);
  return TRUE;
}

static void
take_message (Line *line, MossPictureCall *call, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (line->pipeline);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_autoptr (GError) why = NULL;

  if (message != NULL)
    gst_message_parse_error (message, &why, NULL);
  fail (call, why != NULL ? why->message : "nothing came out", error);
}

/* One buffer in, one out. */
static GstSample *
line_run (Line *line, MossPictureCall *call, GstBuffer *buffer, GError **error)
{
  GstSample *sample = NULL;

  GST_BUFFER_PTS (buffer) = 0;
  GST_BUFFER_DURATION (buffer) = GST_SECOND;
  gst_element_set_state (line->pipeline, GST_STATE_PLAYING);
  if (gst_app_src_push_buffer (GST_APP_SRC (line->source), buffer) == GST_FLOW_OK &&
      gst_app_src_end_of_stream (GST_APP_SRC (line->source)) == GST_FLOW_OK)
    sample = gst_app_sink_try_pull_sample (GST_APP_SINK (line->sink), WAIT);
  if (sample == NULL)
    take_message (line, call, error);
  return sample;
}

/* --- rasters --- */

static const char *
format_name (guint channels)
{
  return channels == 4 ? "RGBA" : "RGB";
}

static GstCaps *
caps_of (guint width, guint height, guint channels)
{
  return gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, format_name (channels),
                              "width", G_TYPE_INT, (int) width, "height", G_TYPE_INT,
                              (int) height, "framerate", GST_TYPE_FRACTION, 0, 1, NULL);
}

static GstBuffer *
wrap (gconstpointer data, gsize length)
{
  return gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY, (gpointer) data, length, 0,
                                      length, NULL, NULL);
}

static GstBuffer *
wrap_raster (const MossRaster *raster)
{
  gsize length = raster->stride * (raster->height - 1) +
                 (gsize) raster->width * raster->channels;
  GstBuffer *buffer = wrap (raster->data, length);
  gsize offsets[GST_VIDEO_MAX_PLANES] = { 0 };
  int strides[GST_VIDEO_MAX_PLANES] = { raster->stride };

  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE,
                                  raster->channels == 4 ? GST_VIDEO_FORMAT_RGBA
                                                        : GST_VIDEO_FORMAT_RGB,
                                  raster->width, raster->height, 1, offsets, strides);
  return buffer;
}

static gboolean
give_frame (MossPictureCall *call, GstSample *sample, GError **error)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  gboolean ok;

  if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) ||
      !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
    return fail (call, "what came out is no picture", error);
  ok = moss_raster_alloc (&call->out, info.width, info.height,
                          GST_VIDEO_INFO_FORMAT (&info) == GST_VIDEO_FORMAT_RGBA ? 4 : 3, error);
  for (guint y = 0; ok && y < call->out.height; y++)
    memcpy (call->out.data + y * call->out.stride,
            (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0) +
              (gsize) y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0),
            call->out.stride);
  gst_video_frame_unmap (&frame);
  return ok;
}

static gboolean
give_data (MossPictureCall *call, GstSample *sample, GError **error)
{
  GstMapInfo map;
  gboolean ok;

  if (!gst_buffer_map (gst_sample_get_buffer (sample), &map, GST_MAP_READ))
    return fail (call, "what came out can't be read", error);
  ok = moss_picture_give_bytes (call, map.data, map.size, error);
  gst_buffer_unmap (gst_sample_get_buffer (sample), &map);
  return ok;
}

/* --- files --- */

static gboolean
encode (MossPictureCall *call, const char *elements, GError **error)
{
  g_auto (Line) line = { NULL };
  g_autoptr (GstCaps) in = caps_of (call->in.width, call->in.height, call->in.channels);
  g_autoptr (GstSample) sample = NULL;

  if (!line_open (&line, elements, in, NULL, error))
    return FALSE;
  sample = line_run (&line, call, wrap_raster (&call->in), error);
  return sample != NULL && give_data (call, sample, error);
}

static gboolean
encode_png (MossPictureCall *call, GError **error)
{
  g_autofree char *elements = NULL;
  int level;

  if (!moss_picture_get_int (call, "level", DEFAULT_PNG_LEVEL, 0, 9, &level, error))
    return FALSE;
  elements = g_strdup_printf ("pngenc snapshot=true compression-level=%d", level);
  return encode (call, elements, error);
}

static gboolean
encode_jpeg (MossPictureCall *call, GError **error)
{
  g_autofree char *elements = NULL;
  int quality;

  if (!moss_picture_get_int (call, "quality", DEFAULT_JPEG_QUALITY, 1, 100, &quality, error))
    return FALSE;
  elements = g_strdup_printf ("videoconvert ! video/x-raw,format=I420,colorimetry=1:4:0:0 "
                              "! jpegenc snapshot=true quality=%d", quality);
  return encode (call, elements, error);
}

typedef struct
{
  const char *media;
  const char *elements;
} Decoder;

static GstPadProbeReturn
check_size (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GError **refused = data;
  GstCaps *caps;
  int width = 0, height = 0;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  gst_event_parse_caps (event, &caps);
  gst_structure_get_int (gst_caps_get_structure (caps, 0), "width", &width);
  gst_structure_get_int (gst_caps_get_structure (caps, 0), "height", &height);
  if (*refused == NULL)
    moss_raster_check (width, height, refused);
  return *refused == NULL ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

/* A decoder says by its caps how large the picture is before it makes one; too large a one goes
 * no further, and the decoder gives up when nobody has taken its caps. */
static void
watch_size (Line *line, GError **refused)
{
  g_autoptr (GstElement) decoder = gst_bin_get_by_name (GST_BIN (line->pipeline), "decoder");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (decoder, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, check_size, refused, NULL);
}

static gboolean
decode (MossPictureCall *call, GError **error)
{
  const Decoder *decoder = call->offer->data;
  g_auto (Line) line = { NULL };
  g_autoptr (GstCaps) in = gst_caps_new_empty_simple (decoder->media);
  g_autoptr (GstCaps) out = NULL;
  g_autoptr (GstSample) sample = NULL;
  g_autoptr (GError) refused = NULL;
  g_autoptr (GError) failed = NULL;
  gsize length;
  gconstpointer data = g_bytes_get_data (call->bytes, &length);

  out = call->channels != 0
          ? gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING,
                                 format_name (call->channels), NULL)
          : gst_caps_from_string ("video/x-raw,format={(string)RGB,(string)RGBA}");
  if (!line_open (&line, decoder->elements, in, out, error))
    return FALSE;
  watch_size (&line, &refused);
  sample = line_run (&line, call, wrap (data, length), &failed);
  if (refused != NULL)
    return g_propagate_error (error, g_steal_pointer (&refused)), FALSE;
  if (sample == NULL)
    return g_propagate_error (error, g_steal_pointer (&failed)), FALSE;
  return give_frame (call, sample, error);
}

/* --- pictures into pictures --- */

static gboolean
transform (MossPictureCall *call, const char *elements, guint width, guint height,
           GError **error)
{
  g_auto (Line) line = { NULL };
  guint channels = call->channels != 0 ? call->channels : call->in.channels;
  g_autoptr (GstCaps) in = caps_of (call->in.width, call->in.height, call->in.channels);
  g_autoptr (GstCaps) out = caps_of (width, height, channels);
  g_autoptr (GstSample) sample = NULL;

  if (!line_open (&line, elements, in, out, error))
    return FALSE;
  sample = line_run (&line, call, wrap_raster (&call->in), error);
  return sample != NULL && give_frame (call, sample, error);
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
  guint width, height;

  return moss_picture_get_size (call, &width, &height, error) &&
         transform (call, "videoscale method=bilinear2 add-borders=false", width, height, error);
}

static gboolean
flip (MossPictureCall *call, GError **error)
{
  g_autofree char *direction = moss_picture_get_word (
    call, "direction", NULL, (const char *const[]){ "horizontal", "vertical", NULL }, error);

  return direction != NULL &&
         transform (call,
                    *direction == 'h' ? "videoflip video-direction=horiz"
                                      : "videoflip video-direction=vert",
                    call->in.width, call->in.height, error);
}

static gboolean
turn (MossPictureCall *call, GError **error)
{
  const char *ways[] = { "identity", "90r", "180", "90l" };
  g_autofree char *elements = NULL;
  int angle;

  if (!moss_picture_get_angle (call, &angle, error))
    return FALSE;
  elements = g_strdup_printf ("videoflip video-direction=%s", ways[angle / 90]);
  return transform (call, elements, angle % 180 == 0 ? call->in.width : call->in.height,
                    angle % 180 == 0 ? call->in.height : call->in.width, error);
}

/* --- what there is: elements come in plug-ins, some installed, some not --- */

static const Decoder png = { "image/png", "pngdec name=decoder ! videoconvert" };
static const Decoder jpeg = { "image/jpeg", "jpegdec name=decoder ! videoconvert" };

static const MossPictureOffer offers[] = {
  { CAPABILITY_DECODE_PNG, "pngdec", QUALITY_DECODED, FALSE, 12, decode, &png },
  { CAPABILITY_DECODE_JPEG, "jpegdec", QUALITY_DECODED, FALSE, 60, decode, &jpeg },
  { CAPABILITY_ENCODE_PNG, "pngenc", QUALITY_PNG, FALSE, 1, encode_png, NULL },
  { CAPABILITY_ENCODE_JPEG, "jpegenc", QUALITY_JPEG, TRUE, 1, encode_jpeg, NULL },
  { CAPABILITY_CROP, "videocrop", QUALITY_EXACT, FALSE, 0, crop, NULL },
  { CAPABILITY_SHRINK, "videoscale", QUALITY_AREA, FALSE, 1, shrink, NULL },
  { CAPABILITY_FLIP, "videoflip:flip", QUALITY_EXACT, FALSE, 2, flip, NULL },
  { CAPABILITY_ROTATE, "videoflip:rotate", QUALITY_EXACT, FALSE, 2, turn, NULL },
};

static gboolean
is_there (const char *function)
{
  g_autofree char *element = g_strndup (function, strcspn (function, ":"));
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (element);

  return factory != NULL;
}

static MossFfiProvider *
open_gstreamer (const char *manifest, GError **error)
{
  g_autofree char *version = NULL;
  MossFfiProvider *provider;

  gst_registry_fork_set_enabled (FALSE); /* plug-ins are looked at in this process */
  if (!gst_init_check (NULL, NULL, error))
    return NULL;
  version = g_strdup_printf ("%d.%d.%d", GST_VERSION_MAJOR, GST_VERSION_MINOR,
                             GST_VERSION_MICRO);
  provider = moss_ffi_provider_new ("gstreamer", version);
  moss_ffi_provider_set_name (provider, "GStreamer");
  for (guint i = 0; i < G_N_ELEMENTS (offers); i++)
    if (is_there (offers[i].function))
      moss_picture_add (provider, &offers[i], 1, "LGPL-2.1-or-later");
  return provider;
}

/* Nothing is kept in a file of what was found. */
static const char *const environment[] = {
  "GST_REGISTRY=/nonexistent/registry", "GST_GL_WINDOW=surfaceless", NULL,
};

const MossFfiBridge moss_ffi_bridge = {
  .abi = MOSS_FFI_BRIDGE_ABI,
  .name = "gstreamer",
  .environment = environment,
  .open = open_gstreamer,
};
