/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "json.h"

#include <math.h>

static void append_value (GString *json, GVariant *value);

/* Everything that isn't printable is escaped, so that the text may also go to a terminal. */
static void
append_character (GString *json, gunichar c)
{
  if (c == '"' || c == '\\')
    g_string_append_printf (json, "\\%c", (char) c);
  else if (c == '\n')
    g_string_append (json, "\\n");
  else if (c == '\t')
    g_string_append (json, "\\t");
  else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
    g_string_append_printf (json, "\\u%04x", c);
  else
    g_string_append_unichar (json, c);
}

void
moss_json_append_string (GString *json, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  g_string_append_c (json, '"');
  for (const char *c = valid; *c != '\0'; c = g_utf8_next_char (c))
    append_character (json, g_utf8_get_char (c));
  g_string_append_c (json, '"');
}

static void
append_bytes (GString *json, GVariant *value)
{
  gsize n;
  const char *bytes = g_variant_get_fixed_array (value, &n, 1);

  if (n > 0 && memchr (bytes, '\0', n) == bytes + n - 1)
    moss_json_append_string (json, bytes);
  else
    {
      g_autofree char *text = g_base64_encode ((const guchar *) (n > 0 ? bytes : ""), n);

      moss_json_append_string (json, text);
    }
}

static void
append_double (GString *json, double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (number))
    g_string_append (json, "null");
  else
    g_string_append (json, g_ascii_dtostr (text, sizeof text, number));
}

static void
append_array (GString *json, GVariant *value)
{
  gboolean lines = g_variant_is_of_type (value, G_VARIANT_TYPE ("aa{sv}"));

  g_string_append_c (json, '[');
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      if (i > 0)
        g_string_append (json, lines ? ",\n " : ", ");
      append_value (json, child);
    }
  g_string_append_c (json, ']');
}

static void
append_dictionary (GString *json, GVariant *value)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  g_string_append_c (json, '{');
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (value, i);
      g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
      g_autoptr (GVariant) member = g_variant_get_child_value (entry, 1);

      if (!g_hash_table_add (seen, g_variant_dup_string (key, NULL)))
        continue;
      if (i > 0)
        g_string_append (json, ", ");
      moss_json_append_string (json, g_variant_get_string (key, NULL));
      g_string_append (json, ": ");
      append_value (json, member);
    }
  g_string_append_c (json, '}');
}

static void
append_inner (GString *json, GVariant *value)
{
  g_autoptr (GVariant) inner = g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT)
                                   ? g_variant_get_variant (value)
                                   : g_variant_get_maybe (value);

  if (inner != NULL)
    append_value (json, inner);
  else
    g_string_append (json, "null");
}

static void
append_container (GString *json, GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    append_bytes (json, value);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE ("a{s*}")))
    append_dictionary (json, value);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT)
           || g_variant_is_of_type (value, G_VARIANT_TYPE_MAYBE))
    append_inner (json, value);
  else
    append_array (json, value);
}

static void
append_value (GString *json, GVariant *value)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
      g_string_append (json, g_variant_get_boolean (value) ? "true" : "false");
      break;
    case G_VARIANT_CLASS_BYTE:
      g_string_append_printf (json, "%u", g_variant_get_byte (value));
      break;
    case G_VARIANT_CLASS_INT16:
      g_string_append_printf (json, "%d", g_variant_get_int16 (value));
      break;
    case G_VARIANT_CLASS_UINT16:
      g_string_append_printf (json, "%u", g_variant_get_uint16 (value));
      break;
    case G_VARIANT_CLASS_INT32:
      g_string_append_printf (json, "%d", g_variant_get_int32 (value));
      break;
    case G_VARIANT_CLASS_UINT32:
      g_string_append_printf (json, "%u", g_variant_get_uint32 (value));
      break;
    case G_VARIANT_CLASS_INT64:
      g_string_append_printf (json, "%" G_GINT64_FORMAT, g_variant_get_int64 (value));
      break;
    case G_VARIANT_CLASS_UINT64:
      g_string_append_printf (json, "%" G_GUINT64_FORMAT, g_variant_get_uint64 (value));
      break;
    case G_VARIANT_CLASS_HANDLE:
      g_string_append_printf (json, "%d", g_variant_get_handle (value));
      break;
    case G_VARIANT_CLASS_DOUBLE:
      append_double (json, g_variant_get_double (value));
      break;
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
    case G_VARIANT_CLASS_SIGNATURE:
      moss_json_append_string (json, g_variant_get_string (value, NULL));
      break;
    default:
      append_container (json, value);
    }
}

char *
moss_json_from_variant (GVariant *value)
{
  GString *json = g_string_new (NULL);

  append_value (json, value);
  return g_string_free (json, FALSE);
}
