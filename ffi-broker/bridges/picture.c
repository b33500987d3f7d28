// SPDX-License-Identifier: GPL-3.0-or-later
/* From a call to a bridge's function and back: the input is opened and checked, options are
 * held to their bounds, the result goes out in the buffer that it was written to. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/bridges/picture.h"

#include "ffi-broker/bridges/pictures.h"
#include "ffi-broker/types/caps.h"

#include <math.h>
#include <string.h>

static gboolean
out_of_bounds (const char *name, double least, double most, GError **error)
{
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "%s must be from %g to %g", name,
               least, most);
  return FALSE;
}

static gboolean
not_there (MossPictureCall *call, const char *name, GError **error)
{
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "%s: the option %s is missing",
               call->offer->function, name);
  return FALSE;
}

/**
 * moss_picture_get_int:
 * @fallback: where it isn't given; below @least when it must be
 */
gboolean
moss_picture_get_int (MossPictureCall *call, const char *name, int fallback, int least,
                      int most, int *value, GError **error)
{
  *value = fallback;
  if (!g_variant_dict_lookup (&call->options, name, "i", value) && fallback < least)
    return not_there (call, name, error);
  return (*value >= least && *value <= most) || out_of_bounds (name, least, most, error);
}

gboolean
moss_picture_get_double (MossPictureCall *call, const char *name, double fallback,
                         double least, double most, double *value, GError **error)
{
  *value = fallback;
  g_variant_dict_lookup (&call->options, name, "d", value);
  return (isfinite (*value) && *value >= least && *value <= most) ||
         out_of_bounds (name, least, most, error);
}

/**
 * moss_picture_get_word:
 * @fallback: (nullable): where it isn't given; %NULL when it must be
 * @words: what it may be, ended by %NULL
 *
 * Returns: (transfer full): one of @words, or %NULL
 */
char *
moss_picture_get_word (MossPictureCall *call, const char *name, const char *fallback,
                       const char *const *words, GError **error)
{
  g_autofree char *word = NULL;
  g_autofree char *all = NULL;

  if (!g_variant_dict_lookup (&call->options, name, "s", &word))
    word = g_strdup (fallback);
  if (word == NULL)
    return not_there (call, name, error), NULL;
  if (g_strv_contains (words, word))
    return g_steal_pointer (&word);
  all = g_strjoinv (", ", (char **) words);
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "%s must be one of: %s", name,
               all);
  return NULL;
}

/**
 * moss_picture_get_area:
 * @area: (out caller-allocates): left, top, width, height of a part of the input, not empty
 */
gboolean
moss_picture_get_area (MossPictureCall *call, guint area[4], GError **error)
{
  const MossRaster *in = &call->in;
  int left, top, width, height;

  if (!moss_picture_get_int (call, "left", -1, 0, in->width - 1, &left, error) ||
      !moss_picture_get_int (call, "top", -1, 0, in->height - 1, &top, error) ||
      !moss_picture_get_int (call, "width", -1, 1, in->width - left, &width, error) ||
      !moss_picture_get_int (call, "height", -1, 1, in->height - top, &height, error))
    return FALSE;
  area[0] = left;
  area[1] = top;
  area[2] = width;
  area[3] = height;
  return TRUE;
}

/**
 * moss_picture_get_size:
 *
 * A size that isn't larger than the input.
 */
gboolean
moss_picture_get_size (MossPictureCall *call, guint *width, guint *height, GError **error)
{
  int w, h;

  if (!moss_picture_get_int (call, "width", -1, 1, call->in.width, &w, error) ||
      !moss_picture_get_int (call, "height", -1, 1, call->in.height, &h, error))
    return FALSE;
  *width = w;
  *height = h;
  return TRUE;
}

/**
 * moss_picture_get_angle:
 * @angle: (out): 0, 90, 180 or 270 degrees clockwise
 */
gboolean
moss_picture_get_angle (MossPictureCall *call, int *angle, GError **error)
{
  if (!moss_picture_get_int (call, "angle", -1, 0, 270, angle, error))
    return FALSE;
  if (*angle % 90 == 0)
    return TRUE;
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID,
               "angle must be 0, 90, 180 or 270");
  return FALSE;
}

gboolean
moss_picture_get_sharpening (MossPictureCall *call, double *sigma, double *amount,
                             GError **error)
{
  return moss_picture_get_double (call, "sigma", DEFAULT_SHARPEN_SIGMA, 0.1, SIGMA_MAX, sigma,
                                  error) &&
         moss_picture_get_double (call, "amount", DEFAULT_SHARPEN_AMOUNT, 0, 10, amount, error);
}

/**
 * moss_picture_give_bytes:
 *
 * The result is a file's: copied into a buffer for it.
 */
gboolean
moss_picture_give_bytes (MossPictureCall *call, const void *data, gsize length, GError **error)
{
  call->buffer = moss_ffi_buffer_new_writable (call->media, length, error);
  if (call->buffer == NULL)
    return FALSE;
  memcpy (moss_ffi_buffer_get_data (call->buffer, NULL), data, length);
  return TRUE;
}

/* --- a call --- */

static gboolean
open_input (MossPictureCall *call, MossFfiBuffer *input, GError **error)
{
  const char *caps = moss_ffi_buffer_get_caps (input);

  if (!g_str_has_prefix (caps, "video/x-raw"))
    {
      call->bytes = moss_ffi_buffer_get_bytes (input, error);
      return call->bytes != NULL;
    }
  if (!moss_raster_open (&call->in, input, error))
    return FALSE;
  if (call->in.channels >= 3)
    return TRUE;
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BAD_BUFFER, "%s: RGB or RGBA is needed",
               caps);
  return FALSE;
}

/* What the offer takes decides, not what came: a raster is never read as a file. */
static gboolean
is_raster_wanted (const MossPictureCall *call)
{
  return strstr (call->offer->capability, "(video/x-raw") != NULL;
}

static gboolean
open_output (MossPictureCall *call, const char *text, GError **error)
{
  g_autoptr (MossFfiCaps) caps = moss_ffi_caps_parse (text, error);
  const char *format;

  if (caps == NULL)
    return FALSE;
  call->media = g_strdup (moss_ffi_caps_get_media (caps));
  format = moss_ffi_caps_get_string (caps, "format");
  call->channels = g_strcmp0 (format, "RGB") == 0    ? 3
                   : g_strcmp0 (format, "RGBA") == 0 ? 4
                                                     : 0;
  return TRUE;
}

static gboolean
call_open (MossPictureCall *call, const MossPictureOffer *offer, MossFfiInvocation *invocation,
           GError **error)
{
  *call = (MossPictureCall){ .offer = offer };
  g_variant_dict_init (&call->options, moss_ffi_invocation_get_options (invocation));
  if (moss_ffi_invocation_get_n_inputs (invocation) != 1)
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "%s takes one picture",
                   offer->function);
      return FALSE;
    }
  if (!open_output (call, moss_ffi_invocation_get_out_caps (invocation), error) ||
      !open_input (call, moss_ffi_invocation_get_input (invocation, 0), error))
    return FALSE;
  if (is_raster_wanted (call) == (call->bytes == NULL))
    return TRUE;
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BAD_BUFFER, "%s doesn't take %s",
               offer->capability,
               moss_ffi_buffer_get_caps (moss_ffi_invocation_get_input (invocation, 0)));
  return FALSE;
}

static void
call_clear (MossPictureCall *call)
{
  g_variant_dict_clear (&call->options);
  moss_raster_clear (&call->in);
  moss_raster_clear (&call->out);
  g_clear_pointer (&call->bytes, g_bytes_unref);
  g_clear_pointer (&call->buffer, moss_ffi_buffer_unref);
  g_clear_pointer (&call->media, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MossPictureCall, call_clear)

static void
on_call (MossFfiInvocation *invocation, gpointer user_data)
{
  g_auto (MossPictureCall) call;
  g_autoptr (GError) error = NULL;

  if (!call_open (&call, user_data, invocation, &error) || !call.offer->run (&call, &error))
    {
      moss_ffi_invocation_return_error (invocation, error);
      return;
    }
  moss_ffi_invocation_add_output (invocation,
                                  call.buffer != NULL ? call.buffer : call.out.buffer);
  moss_ffi_invocation_return (invocation);
}

static GVariant *
attributes_of (const MossPictureOffer *offer, const char *licence)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "pure", "b", TRUE);
  g_variant_dict_insert (&dict, "deterministic", "b", TRUE);
  g_variant_dict_insert (&dict, "lossy", "b", offer->lossy);
  g_variant_dict_insert (&dict, "quality", "s", offer->quality);
  g_variant_dict_insert (&dict, "memory-per-byte", "d", offer->memory);
  g_variant_dict_insert (&dict, "licence", "s", licence);
  g_variant_dict_insert (&dict, "function", "s", offer->function);
  return g_variant_dict_end (&dict);
}

/**
 * moss_picture_add:
 * @offers: static
 *
 * What the library has, as @provider's functions.
 */
void
moss_picture_add (MossFfiProvider *provider, const MossPictureOffer *offers, guint n_offers,
                  const char *licence)
{
  for (guint i = 0; i < n_offers; i++)
    {
      g_autoptr (GError) error = NULL;

      if (!moss_ffi_provider_add (provider, offers[i].capability,
                                  attributes_of (&offers[i], licence), on_call,
                                  (gpointer) &offers[i], NULL, &error))
        g_warning ("%s: %s", offers[i].capability, error->message);
    }
}
