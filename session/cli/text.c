/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "text.h"

#include <glib/gi18n.h>

#define SHORT_ID 8

static gboolean
is_harmless (gunichar c)
{
  return !g_unichar_iscntrl (c) && !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069)
         && c != 0x2028 && c != 0x2029;
}

char *
moss_text_clean (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *clean = g_string_sized_new (strlen (valid));

  for (const char *c = valid; *c != '\0'; c = g_utf8_next_char (c))
    g_string_append_unichar (clean, is_harmless (g_utf8_get_char (c)) ? g_utf8_get_char (c)
                                                                      : 0xfffd);
  return g_string_free (clean, FALSE);
}

static guint
get_columns (gunichar c)
{
  if (g_unichar_iszerowidth (c))
    return 0;
  return g_unichar_iswide (c) ? 2 : 1;
}

guint
moss_text_width (const char *text)
{
  guint columns = 0;

  for (const char *c = text; *c != '\0'; c = g_utf8_next_char (c))
    columns += get_columns (g_utf8_get_char (c));
  return columns;
}

char *
moss_text_shorten (const char *text, guint columns)
{
  guint used = 0;
  const char *c = text;

  if (moss_text_width (text) <= columns)
    return g_strdup (text);
  if (columns == 0)
    return g_strdup ("");
  while (*c != '\0' && used + get_columns (g_utf8_get_char (c)) < columns)
    {
      used += get_columns (g_utf8_get_char (c));
      c = g_utf8_next_char (c);
    }
  return g_strdup_printf ("%.*s…", (int) (c - text), text);
}

char *
moss_text_duration (double ms)
{
  /* Translators: a duration in seconds */
  return g_strdup_printf (ms < 10000 ? _ ("%.2f s") : _ ("%.0f s"), ms / 1000);
}

char *
moss_text_time (gint64 time_us)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (time_us / G_USEC_PER_SEC);

  return time != NULL ? g_date_time_format (time, "%Y-%m-%d %H:%M:%S") : g_strdup ("?");
}

char *
moss_text_short_id (const char *id)
{
  g_autofree char *clean = moss_text_clean (id);

  return g_utf8_substring (clean, 0, MIN (g_utf8_strlen (clean, -1), SHORT_ID));
}

const char *
moss_dict_string (GVariant *dict, const char *key)
{
  const char *text = "";

  g_variant_lookup (dict, key, "&s", &text);
  return text;
}

double
moss_dict_number (GVariant *dict, const char *key, double fallback)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, key, NULL);

  switch (value != NULL ? g_variant_classify (value) : G_VARIANT_CLASS_STRING)
    {
    case G_VARIANT_CLASS_DOUBLE:
      return g_variant_get_double (value);
    case G_VARIANT_CLASS_UINT16:
      return g_variant_get_uint16 (value);
    case G_VARIANT_CLASS_INT32:
      return g_variant_get_int32 (value);
    case G_VARIANT_CLASS_UINT32:
      return g_variant_get_uint32 (value);
    case G_VARIANT_CLASS_INT64:
      return g_variant_get_int64 (value);
    case G_VARIANT_CLASS_UINT64:
      return g_variant_get_uint64 (value);
    default:
      return fallback;
    }
}

gboolean
moss_dict_boolean (GVariant *dict, const char *key)
{
  gboolean value = FALSE;

  g_variant_lookup (dict, key, "b", &value);
  return value;
}
