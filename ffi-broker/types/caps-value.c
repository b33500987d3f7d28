// SPDX-License-Identifier: LGPL-2.1-or-later
/* Text of caps may be anybody's: everything is bounded before it is looked at, and nothing
 * nests. */
#include "caps-value.h"

#include <math.h>
#include <string.h>

#define STRING_MAX 256

static gboolean
malformed (GError **error, const char *at, const char *end, const char *wanted)
{
  g_autofree char *rest = g_utf8_make_valid (at, MIN (end - at, 24));

  g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_MALFORMED,
               "%s expected at “%s”", wanted, rest);
  return FALSE;
}

static gboolean
is_word (char c)
{
  return g_ascii_isalnum (c) || (c != '\0' && strchr ("_.+:/-", c) != NULL);
}

static void
scalar_clear (gpointer scalar)
{
  g_free (((Scalar *) scalar)->string);
}

static Value
value_new (ValueKind kind)
{
  Value value = { kind, g_array_new (FALSE, FALSE, sizeof (Scalar)) };

  g_array_set_clear_func (value.items, scalar_clear);
  return value;
}

void
value_clear (Value *value)
{
  g_clear_pointer (&value->items, g_array_unref);
}

static void
add (Value *value, const Scalar *scalar)
{
  Scalar own = *scalar;

  own.string = g_strdup (scalar->string);
  g_array_append_val (value->items, own);
}

Value
value_copy (const Value *value)
{
  Value copy = value_new (value->kind);

  for (guint i = 0; i < value->items->len; i++)
    add (&copy, value_item (value, i));
  return copy;
}

/* Takes @string as it is, whatever it looks like. */
Value
value_of_string (const char *string)
{
  Value value = value_new (VALUE_FIXED);
  Scalar scalar = { SCALAR_STRING, .string = (char *) string };

  add (&value, &scalar);
  return value;
}

static int
compare_fractions (const Scalar *a, const Scalar *b)
{
  __int128 left = (__int128) a->number * b->divisor, right = (__int128) b->number * a->divisor;

  return left < right ? -1 : left > right;
}

/* Values of two types are never equal, and no text or boolean is in a range. */
static gboolean
scalar_equal (const Scalar *a, const Scalar *b)
{
  if (a->type != b->type)
    return FALSE;
  switch (a->type)
    {
    case SCALAR_STRING:
      return strcmp (a->string, b->string) == 0;
    case SCALAR_DOUBLE:
      return a->real == b->real;
    case SCALAR_FRACTION:
      return compare_fractions (a, b) == 0;
    default:
      return a->number == b->number;
    }
}

/* Both of one ordered type. */
static gboolean
scalar_less (const Scalar *a, const Scalar *b)
{
  if (a->type == SCALAR_DOUBLE)
    return a->real < b->real;
  if (a->type == SCALAR_FRACTION)
    return compare_fractions (a, b) < 0;
  return a->number < b->number;
}

static gboolean
is_ordered (const Scalar *scalar)
{
  return scalar->type <= SCALAR_FRACTION;
}

static gboolean
value_contains (const Value *value, const Scalar *scalar)
{
  if (value->kind == VALUE_RANGE)
    return value_item (value, 0)->type == scalar->type &&
           !scalar_less (scalar, value_item (value, 0)) &&
           !scalar_less (value_item (value, 1), scalar);
  for (guint i = 0; i < value->items->len; i++)
    if (scalar_equal (value_item (value, i), scalar))
      return TRUE;
  return FALSE;
}

static gboolean
all_digits (const char *text)
{
  const char *digits = text + (*text == '-' || *text == '+');

  return *digits != '\0' && strspn (digits, "0123456789") == strlen (digits);
}

/* Of a word without quotes; @type is what stood in parentheses before it, or -1. */
static gboolean
read_number (const char *word, int type, Scalar *scalar)
{
  const char *slash = strchr (word, '/');
  char *rest;

  if ((type == -1 || type == SCALAR_INT) && all_digits (word))
    {
      scalar->type = SCALAR_INT;
      return g_ascii_string_to_signed (word, 10, G_MININT64, G_MAXINT64, &scalar->number, NULL);
    }
  if ((type == -1 || type == SCALAR_FRACTION) && slash != NULL && all_digits (slash + 1))
    {
      g_autofree char *numerator = g_strndup (word, slash - word);

      scalar->type = SCALAR_FRACTION;
      return all_digits (numerator) &&
             g_ascii_string_to_signed (numerator, 10, G_MININT32, G_MAXINT32, &scalar->number,
                                       NULL) &&
             g_ascii_string_to_signed (slash + 1, 10, 1, G_MAXINT32, &scalar->divisor, NULL);
    }
  if ((type == -1 || type == SCALAR_DOUBLE) &&
      strspn (word, "0123456789.eE+-") == strlen (word) && strpbrk (word, "0123456789") != NULL)
    {
      scalar->type = SCALAR_DOUBLE;
      scalar->real = g_ascii_strtod (word, &rest);
      return *rest == '\0' && isfinite (scalar->real);
    }
  return FALSE;
}

/* A number that no variable holds must not become a text unnoticed. */
static gboolean
looks_like_number (const char *word)
{
  char *rest;

  if (strspn (word, "0123456789.eE+-") != strlen (word) || strpbrk (word, "0123456789") == NULL)
    return FALSE;
  g_ascii_strtod (word, &rest);
  return *rest == '\0';
}

static gboolean
read_quoted (const char **at, const char *end, Scalar *scalar, GError **error)
{
  g_autoptr (GString) string = g_string_new (NULL);
  const char *start = *at;

  for ((*at)++; *at < end && **at != '"'; (*at)++)
    {
      if (**at == '\\' && *at + 1 < end)
        (*at)++;
      if (g_ascii_iscntrl (**at))
        return malformed (error, start, end, "text without control characters");
      g_string_append_c (string, **at);
    }
  if (*at == end || string->len > STRING_MAX || !g_utf8_validate (string->str, -1, NULL))
    return malformed (error, start, end, "a closing quote after at most 256 bytes");
  (*at)++;
  scalar->type = SCALAR_STRING;
  scalar->string = g_string_free (g_steal_pointer (&string), FALSE);
  return TRUE;
}

static gboolean
read_scalar (const char **at, const char *end, int type, Scalar *scalar, GError **error)
{
  g_autofree char *word = NULL;
  const char *start = *at;

  *scalar = (Scalar){ .divisor = 1 };
  if (start < end && *start == '"' && (type == -1 || type == SCALAR_STRING))
    return read_quoted (at, end, scalar, error);
  while (*at < end && is_word (**at))
    (*at)++;
  if (*at == start || *at - start > STRING_MAX)
    return malformed (error, start, end, "a value");
  word = g_strndup (start, *at - start);
  if (type != SCALAR_STRING && read_number (word, type, scalar))
    return TRUE;
  if ((type == -1 || type == SCALAR_BOOLEAN) &&
      (strcmp (word, "true") == 0 || strcmp (word, "false") == 0))
    {
      *scalar = (Scalar){ SCALAR_BOOLEAN, .number = *word == 't' };
      return TRUE;
    }
  if ((type != -1 && type != SCALAR_STRING) || (type == -1 && looks_like_number (word)))
    return malformed (error, start, end, "a value of its type and range");
  *scalar = (Scalar){ SCALAR_STRING, .string = g_steal_pointer (&word) };
  return TRUE;
}

/* "(int)", in the long and short names that GStreamer has; none: any type. */
static gboolean
read_type (const char **at, const char *end, int *type, GError **error)
{
  static const struct
  {
    const char *name;
    ScalarType type;
  } names[] = { { "int", SCALAR_INT },         { "i", SCALAR_INT },
                { "int64", SCALAR_INT },       { "double", SCALAR_DOUBLE },
                { "d", SCALAR_DOUBLE },        { "fraction", SCALAR_FRACTION },
                { "boolean", SCALAR_BOOLEAN }, { "bool", SCALAR_BOOLEAN },
                { "b", SCALAR_BOOLEAN },       { "string", SCALAR_STRING },
                { "str", SCALAR_STRING },      { "s", SCALAR_STRING } };
  const char *close;

  *type = -1;
  if (*at == end || **at != '(')
    return TRUE;
  close = memchr (*at, ')', end - *at);
  for (guint i = 0; close != NULL && i < G_N_ELEMENTS (names); i++)
    if ((gsize) (close - *at - 1) == strlen (names[i].name) &&
        memcmp (*at + 1, names[i].name, close - *at - 1) == 0)
      {
        *type = names[i].type;
        *at = close + 1;
        skip_blanks (at, end);
        return TRUE;
      }
  return malformed (error, *at, end, "(int), (double), (fraction), (boolean) or (string)");
}

static gboolean
read_items (const char **at, const char *end, int type, char close, Value *value, GError **error)
{
  for ((*at)++;; (*at)++)
    {
      Scalar scalar;

      skip_blanks (at, end);
      if (!read_scalar (at, end, type, &scalar, error))
        return FALSE;
      if (value->kind == VALUE_RANGE || !value_contains (value, &scalar))
        g_array_append_val (value->items, scalar);
      else
        scalar_clear (&scalar);
      skip_blanks (at, end);
      if (*at < end && **at == close)
        break;
      if (*at == end || **at != ',')
        return malformed (error, *at, end, "“,” or the end of the list");
      if (value->items->len == MOSS_FFI_CAPS_MAX_ITEMS)
        {
          g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG,
                       "a list has more than %d values", MOSS_FFI_CAPS_MAX_ITEMS);
          return FALSE;
        }
    }
  (*at)++;
  return TRUE;
}

/* One value is neither a list nor a range, however it was written. */
static void
simplify (Value *value)
{
  if (value->kind == VALUE_RANGE && scalar_equal (value_item (value, 0), value_item (value, 1)))
    g_array_set_size (value->items, 1);
  if (value->items->len == 1)
    value->kind = VALUE_FIXED;
}

static gboolean
read_value (const char **at, const char *end, Value *value, GError **error)
{
  const char *start = *at;
  Scalar scalar;
  int type;

  if (!read_type (at, end, &type, error))
    return FALSE;
  if (*at < end && **at == '{')
    {
      value->kind = VALUE_LIST;
      return read_items (at, end, type, '}', value, error);
    }
  if (*at < end && **at == '[')
    {
      value->kind = VALUE_RANGE;
      if (!read_items (at, end, type, ']', value, error))
        return FALSE;
      if (value->items->len != 2 || value_item (value, 0)->type != value_item (value, 1)->type ||
          !is_ordered (value_item (value, 0)) ||
          scalar_less (value_item (value, 1), value_item (value, 0)))
        return malformed (error, start, end, "a range of two ascending numbers");
      return TRUE;
    }
  if (!read_scalar (at, end, type, &scalar, error))
    return FALSE;
  g_array_append_val (value->items, scalar);
  return TRUE;
}

/* Reads one value and moves @at behind it. On FALSE, @value is empty. */
gboolean
value_parse (const char **at, const char *end, Value *value, GError **error)
{
  *value = value_new (VALUE_FIXED);
  if (!read_value (at, end, value, error))
    {
      value_clear (value);
      return FALSE;
    }
  simplify (value);
  return TRUE;
}

static void
write_string (const char *string, GString *text)
{
  const char *at = string, *end = string + strlen (string);
  Scalar again = { 0 };

  while (at < end && is_word (*at))
    at++;
  /* What would read as something else needs its quotes. */
  if (at == end && at > string && !read_number (string, -1, &again) &&
      !looks_like_number (string) &&
      strcmp (string, "true") != 0 && strcmp (string, "false") != 0)
    {
      g_string_append (text, string);
      return;
    }
  g_string_append_c (text, '"');
  for (at = string; at < end; at++)
    {
      if (*at == '"' || *at == '\\')
        g_string_append_c (text, '\\');
      g_string_append_c (text, *at);
    }
  g_string_append_c (text, '"');
}

static void
write_scalar (const Scalar *scalar, GString *text)
{
  char real[G_ASCII_DTOSTR_BUF_SIZE];

  switch (scalar->type)
    {
    case SCALAR_INT:
      g_string_append_printf (text, "%" G_GINT64_FORMAT, scalar->number);
      break;
    case SCALAR_FRACTION:
      g_string_append_printf (text, "%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, scalar->number,
                              scalar->divisor);
      break;
    case SCALAR_BOOLEAN:
      g_string_append (text, scalar->number ? "true" : "false");
      break;
    case SCALAR_DOUBLE:
      g_string_append (text, g_ascii_dtostr (real, sizeof real, scalar->real));
      if (strpbrk (real, ".e") == NULL)
        g_string_append (text, ".0");
      break;
    case SCALAR_STRING:
      write_string (scalar->string, text);
      break;
    }
}

void
value_write (const Value *value, GString *text)
{
  static const char open[] = { [VALUE_LIST] = '{', [VALUE_RANGE] = '[' };
  static const char close[] = { [VALUE_LIST] = '}', [VALUE_RANGE] = ']' };

  if (value->kind != VALUE_FIXED)
    g_string_append_c (text, open[value->kind]);
  for (guint i = 0; i < value->items->len; i++)
    {
      if (i > 0)
        g_string_append_c (text, ',');
      write_scalar (value_item (value, i), text);
    }
  if (value->kind != VALUE_FIXED)
    g_string_append_c (text, close[value->kind]);
}

/* TRUE when all that @value may be, @of may be too. A list never holds a whole range. */
gboolean
value_is_subset (const Value *value, const Value *of)
{
  if (value->kind == VALUE_RANGE && of->kind != VALUE_RANGE)
    return FALSE;
  for (guint i = 0; i < value->items->len; i++)
    if (!value_contains (of, value_item (value, i)))
      return FALSE;
  return TRUE;
}

/* What @a and @b may both be, in @a's order; FALSE when that is nothing. */
gboolean
value_intersect (const Value *a, const Value *b, Value *both)
{
  if (a->kind == VALUE_RANGE && b->kind != VALUE_RANGE)
    return value_intersect (b, a, both);
  *both = value_new (a->kind);
  if (a->kind == VALUE_RANGE)
    {
      const Scalar *low = value_item (a, 0), *high = value_item (a, 1);

      if (low->type == value_item (b, 0)->type)
        {
          low = scalar_less (low, value_item (b, 0)) ? value_item (b, 0) : low;
          high = scalar_less (value_item (b, 1), high) ? value_item (b, 1) : high;
          if (!scalar_less (high, low))
            {
              add (both, low);
              add (both, high);
            }
        }
    }
  else
    for (guint i = 0; i < a->items->len; i++)
      if (value_contains (b, value_item (a, i)))
        add (both, value_item (a, i));
  if (both->items->len == 0)
    {
      value_clear (both);
      return FALSE;
    }
  simplify (both);
  return TRUE;
}

/* The first of a list, the lowest of a range. */
Value
value_fixate (const Value *value)
{
  Value fixed = value_new (VALUE_FIXED);

  add (&fixed, value_item (value, 0));
  return fixed;
}
