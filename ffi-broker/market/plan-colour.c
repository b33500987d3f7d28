// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan-colour.h"

#include <string.h>

typedef enum
{
  MODEL_NONE = 0,
  MODEL_GREY = 1,
  MODEL_RGB = 2,
  MODEL_YUV = 3,
  MODEL_CMYK = 4,
} Model;

/* What a picture of a format can hold. */
enum
{
  HOLDS_ANYTHING = 0,
  HOLDS_GREY = 1,
  HOLDS_COLOUR = 2,
  HOLDS_TRANSPARENCY = 3,
};

static const struct
{
  const char *prefix;
  guint8 model, holds;
} formats[] = {
  { "RGBA", MODEL_RGB, HOLDS_TRANSPARENCY },  { "BGRA", MODEL_RGB, HOLDS_TRANSPARENCY },
  { "ARGB", MODEL_RGB, HOLDS_TRANSPARENCY },  { "ABGR", MODEL_RGB, HOLDS_TRANSPARENCY },
  { "RGB", MODEL_RGB, HOLDS_COLOUR },         { "BGR", MODEL_RGB, HOLDS_COLOUR },
  { "xRGB", MODEL_RGB, HOLDS_COLOUR },        { "xBGR", MODEL_RGB, HOLDS_COLOUR },
  { "GBRA", MODEL_RGB, HOLDS_TRANSPARENCY },  { "GBR", MODEL_RGB, HOLDS_COLOUR },
  { "GRAY", MODEL_GREY, HOLDS_GREY },         { "AYUV", MODEL_YUV, HOLDS_TRANSPARENCY },
  { "A420", MODEL_YUV, HOLDS_TRANSPARENCY },  { "I420", MODEL_YUV, HOLDS_COLOUR },
  { "YV12", MODEL_YUV, HOLDS_COLOUR },        { "NV", MODEL_YUV, HOLDS_COLOUR },
  { "Y4", MODEL_YUV, HOLDS_COLOUR },          { "YUY2", MODEL_YUV, HOLDS_COLOUR },
  { "UYVY", MODEL_YUV, HOLDS_COLOUR },        { "YVYU", MODEL_YUV, HOLDS_COLOUR },
  { "I422", MODEL_YUV, HOLDS_COLOUR },        { "I444", MODEL_YUV, HOLDS_COLOUR },
  { "CMYK", MODEL_CMYK, HOLDS_COLOUR },
};

static const struct
{
  const char *media;
  guint8 holds;
} files[] = { { "image/jpeg", HOLDS_COLOUR }, { "image/x-portable-pixmap", HOLDS_COLOUR },
              { "image/x-portable-graymap", HOLDS_GREY } };

static int
find (const char *format)
{
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (strncmp (format, formats[i].prefix, strlen (formats[i].prefix)) == 0)
      return i;
  return -1;
}

/* What a picture with these caps can hold at most. */
static guint
holds (const MossFfiCaps *caps)
{
  g_auto (GStrv) choices = moss_ffi_caps_dup_choices (caps, "format");
  guint most = 0;

  for (guint i = 0; choices != NULL && choices[i] != NULL; i++)
    {
      int found = find (choices[i]);

      most = MAX (most, found >= 0 ? formats[found].holds : HOLDS_TRANSPARENCY);
    }
  if (choices != NULL)
    return most;
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    if (strcmp (files[i].media, moss_ffi_caps_get_media (caps)) == 0)
      return files[i].holds;
  return HOLDS_TRANSPARENCY;
}

/* What the pictures between @from and @to should hold: no more than both ends can. */
guint
moss_ffi_colour_most (const MossFfiCaps *from, const MossFfiCaps *to)
{
  return MIN (holds (from), holds (to));
}

/* A chain goes on with @format (NULL: none is known, as of a file). FALSE when that holds too
 * little, or is a colour model that the chain has left before. */
gboolean
moss_ffi_colour_follow (const char *format, guint least, guint *model, guint *models)
{
  int found = format != NULL ? find (format) : -1;
  guint next = found >= 0 ? formats[found].model : MODEL_NONE;

  if (found >= 0 && formats[found].holds < least)
    return FALSE;
  if (next == MODEL_NONE || next == *model)
    return TRUE;
  if ((*models & 1u << next) != 0)
    return FALSE;
  *model = next;
  *models |= 1u << next;
  return TRUE;
}

/* Of what an offer may give: when it changes the picture and not its form (@same_format), the
 * format that the picture has. (transfer full) */
MossFfiCaps *
moss_ffi_colour_keep (const MossFfiCaps *out, const MossFfiCaps *from, gboolean same_format)
{
  const char *format = moss_ffi_caps_get_string (from, "format");
  g_auto (GStrv) choices = moss_ffi_caps_dup_choices (out, "format");

  if (same_format && format != NULL && choices != NULL &&
      g_strv_contains ((const char *const *) choices, format))
    return moss_ffi_caps_with_string (out, "format", format, NULL);
  return moss_ffi_caps_ref (out);
}
