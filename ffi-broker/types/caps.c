// SPDX-License-Identifier: LGPL-2.1-or-later
/* Text of caps may be anybody's: at most 4096 bytes, 32 fields and 256 values of a field. A field
 * that is not there may be anything. */
#include "caps.h"

#include "caps-value.h"
#include "media.h"

#include <string.h>

typedef struct
{
  char *name;
  Value value;
} Field;

struct _MossFfiCaps
{
  char *media;
  char *text;
  GArray *fields; /* Field, ascending by name */
};

static void
field_clear (gpointer data)
{
  Field *field = data;

  g_free (field->name);
  value_clear (&field->value);
}

static void
caps_clear (gpointer data)
{
  MossFfiCaps *caps = data;

  g_free (caps->media);
  g_free (caps->text);
  g_array_unref (caps->fields);
}

static MossFfiCaps *
caps_new (const char *media, gsize length)
{
  MossFfiCaps *caps = g_atomic_rc_box_new0 (MossFfiCaps);

  caps->media = g_strndup (media, length);
  caps->fields = g_array_new (FALSE, FALSE, sizeof (Field));
  g_array_set_clear_func (caps->fields, field_clear);
  return caps;
}

MossFfiCaps *
moss_ffi_caps_ref (const MossFfiCaps *caps)
{
  return g_atomic_rc_box_acquire ((MossFfiCaps *) caps);
}

void
moss_ffi_caps_unref (MossFfiCaps *caps)
{
  g_atomic_rc_box_release_full (caps, caps_clear);
}

static const Field *
field_at (const MossFfiCaps *caps, guint i)
{
  return &g_array_index (caps->fields, Field, i);
}

static const Value *
find (const MossFfiCaps *caps, const char *name)
{
  for (guint i = 0; i < caps->fields->len; i++)
    if (strcmp (field_at (caps, i)->name, name) == 0)
      return &field_at (caps, i)->value;
  return NULL;
}

static int
compare_fields (gconstpointer a, gconstpointer b)
{
  return strcmp (((const Field *) a)->name, ((const Field *) b)->name);
}

/* Takes @value. */
static void
add_field (MossFfiCaps *caps, const char *name, gsize length, Value value)
{
  Field field = { g_strndup (name, length), value };

  g_array_append_val (caps->fields, field);
}

/* The text is made once, so that equality is a comparison of texts. */
static MossFfiCaps *
finish (MossFfiCaps *caps)
{
  GString *text = g_string_new (caps->media);

  g_array_sort (caps->fields, compare_fields);
  for (guint i = 0; i < caps->fields->len; i++)
    {
      g_string_append_printf (text, ",%s=", field_at (caps, i)->name);
      value_write (&field_at (caps, i)->value, text);
    }
  caps->text = g_string_free (text, FALSE);
  return caps;
}

static gboolean
is_name (const char *text, gsize length)
{
  if (length == 0 || length > MOSS_FFI_CAPS_MAX_WORD || !g_ascii_isalpha (*text))
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (text[i]) && text[i] != '-' && text[i] != '_')
      return FALSE;
  return TRUE;
}

static const char *
word_end (const char *at, const char *end)
{
  while (at < end && strchr ("=,; ()", *at) == NULL)
    at++;
  return at;
}

/* Reads one "name=value" when the comma at @at begins one; else it belongs to who called. */
static gboolean
read_field (MossFfiCaps *caps, const char **at, const char *end, gboolean *found, GError **error)
{
  const char *name = *at + 1, *stop;
  g_autofree char *word = NULL;
  Value value;

  skip_blanks (&name, end);
  stop = word_end (name, end);
  *found = memchr (name, '/', stop - name) == NULL;
  if (!*found)
    return TRUE;
  word = g_utf8_make_valid (name, MIN (stop - name, MOSS_FFI_CAPS_MAX_WORD));
  *at = stop;
  skip_blanks (at, end);
  if (!is_name (name, stop - name) || *at == end || **at != '=')
    {
      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_MALFORMED,
                   "“name=value” expected at “%s” of %s", word, caps->media);
      return FALSE;
    }
  if (caps->fields->len == MOSS_FFI_CAPS_MAX_FIELDS || find (caps, word) != NULL)
    {
      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG,
                   "%s has %s twice or more than %d fields", caps->media, word,
                   MOSS_FFI_CAPS_MAX_FIELDS);
      return FALSE;
    }
  (*at)++;
  skip_blanks (at, end);
  if (!value_parse (at, end, &value, error))
    {
      g_prefix_error (error, "%s of %s: ", word, caps->media);
      return FALSE;
    }
  add_field (caps, name, stop - name, value);
  return TRUE;
}

/* Reads caps from the beginning of a longer text and moves @at to what it doesn't understand:
 * the end, or ")", ";" or the comma before another media type. */
MossFfiCaps *
moss_ffi_caps_parse_part (const char **at, const char *end, GError **error)
{
  const char *stop = word_end (*at, end);
  g_autoptr (MossFfiCaps) caps = NULL;
  gboolean found = TRUE;

  if (end - *at > MOSS_FFI_TEXT_MAX)
    {
      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG,
                   "%td bytes of caps; %d are allowed", end - *at, MOSS_FFI_TEXT_MAX);
      return NULL;
    }
  if (!moss_ffi_media_is_valid (*at, stop - *at))
    {
      g_autofree char *word = g_utf8_make_valid (*at, MIN (stop - *at, MOSS_FFI_MEDIA_MAX));

      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_MALFORMED,
                   "“%s” is no media type in lower case", word);
      return NULL;
    }
  caps = caps_new (*at, stop - *at);
  *at = stop;
  while (TRUE)
    {
      const char *comma = *at;

      skip_blanks (&comma, end);
      if (comma == end || *comma != ',')
        break;
      *at = comma;
      if (!read_field (caps, at, end, &found, error))
        return NULL;
      if (!found)
        break;
    }
  return finish (g_steal_pointer (&caps));
}

/* Reads a whole text as caps. */
MossFfiCaps *
moss_ffi_caps_parse (const char *text, GError **error)
{
  const char *at = text, *end = text + strnlen (text, MOSS_FFI_TEXT_MAX + 1);
  g_autoptr (MossFfiCaps) caps = NULL;

  skip_blanks (&at, end);
  caps = moss_ffi_caps_parse_part (&at, end, error);
  if (caps == NULL)
    return NULL;
  skip_blanks (&at, end);
  if (at != end)
    {
      g_autofree char *rest = g_utf8_make_valid (at, MIN (end - at, 24));

      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_MALFORMED,
                   "“%s” after the caps of %s", rest, caps->media);
      return NULL;
    }
  return g_steal_pointer (&caps);
}

/* The canonical text, owned by @caps: fields by name, no blanks, no types. */
const char *
moss_ffi_caps_get_text (const MossFfiCaps *caps)
{
  return caps->text;
}

const char *
moss_ffi_caps_get_media (const MossFfiCaps *caps)
{
  return caps->media;
}

gboolean
moss_ffi_caps_has_field (const MossFfiCaps *caps, const char *name)
{
  return find (caps, name) != NULL;
}

/* TRUE when @caps says something of every field that @other speaks of. */
gboolean
moss_ffi_caps_has_fields_of (const MossFfiCaps *caps, const MossFfiCaps *other)
{
  for (guint i = 0; i < other->fields->len; i++)
    if (find (caps, field_at (other, i)->name) == NULL)
      return FALSE;
  return TRUE;
}

/* TRUE when the field is one whole number. */
gboolean
moss_ffi_caps_get_int (const MossFfiCaps *caps, const char *name, gint64 *value)
{
  const Value *found = find (caps, name);

  if (found == NULL || found->kind != VALUE_FIXED || value_item (found, 0)->type != SCALAR_INT)
    return FALSE;
  *value = value_item (found, 0)->number;
  return TRUE;
}

/* The field when it is one string, owned by @caps; else NULL. */
const char *
moss_ffi_caps_get_string (const MossFfiCaps *caps, const char *name)
{
  const Value *found = find (caps, name);

  if (found == NULL || found->kind != VALUE_FIXED)
    return NULL;
  return value_item (found, 0)->string;
}

/* What strings the field may be, best first; NULL when it is not there or no string. */
char **
moss_ffi_caps_dup_choices (const MossFfiCaps *caps, const char *name)
{
  g_autoptr (GStrvBuilder) choices = g_strv_builder_new ();
  const Value *found = find (caps, name);

  if (found == NULL || value_item (found, 0)->type != SCALAR_STRING)
    return NULL;
  for (guint i = 0; i < found->items->len; i++)
    if (value_item (found, i)->type == SCALAR_STRING)
      g_strv_builder_add (choices, value_item (found, i)->string);
  return g_strv_builder_end (choices);
}

/* The field's value as text, without the quotes of a string; NULL without the field. */
char *
moss_ffi_caps_dup_field (const MossFfiCaps *caps, const char *name)
{
  const Value *found = find (caps, name);
  GString *text;

  if (found == NULL)
    return NULL;
  if (moss_ffi_caps_get_string (caps, name) != NULL)
    return g_strdup (moss_ffi_caps_get_string (caps, name));
  text = g_string_new (NULL);
  value_write (found, text);
  return g_string_free (text, FALSE);
}

gboolean
moss_ffi_caps_equal (const MossFfiCaps *a, const MossFfiCaps *b)
{
  return strcmp (a->text, b->text) == 0;
}

/* TRUE when no field leaves a choice. */
gboolean
moss_ffi_caps_is_fixed (const MossFfiCaps *caps)
{
  for (guint i = 0; i < caps->fields->len; i++)
    if (field_at (caps, i)->value.kind != VALUE_FIXED)
      return FALSE;
  return TRUE;
}

/* TRUE when whoever takes @of can be given anything that @caps may be. */
gboolean
moss_ffi_caps_is_subset (const MossFfiCaps *caps, const MossFfiCaps *of)
{
  if (!moss_ffi_media_is_a (moss_ffi_media_get_default (), caps->media, of->media))
    return FALSE;
  for (guint i = 0; i < of->fields->len; i++)
    {
      const Value *value = find (caps, field_at (of, i)->name);

      if (value == NULL || !value_is_subset (value, &field_at (of, i)->value))
        return FALSE;
    }
  return TRUE;
}

/* What both may be, of the narrower of two media types, lists in @a's order; NULL when that is
 * nothing. */
MossFfiCaps *
moss_ffi_caps_intersect (const MossFfiCaps *a, const MossFfiCaps *b)
{
  const MossFfiMedia *media = moss_ffi_media_get_default ();
  gboolean narrower = moss_ffi_media_is_a (media, a->media, b->media);
  const char *type = narrower ? a->media : b->media;
  g_autoptr (MossFfiCaps) both = NULL;

  if (!narrower && !moss_ffi_media_is_a (media, b->media, a->media))
    return NULL;
  both = caps_new (type, strlen (type));
  for (guint i = 0; i < a->fields->len; i++)
    {
      const Field *field = field_at (a, i);
      const Value *other = find (b, field->name);
      Value value;

      if (other == NULL)
        value = value_copy (&field->value);
      else if (!value_intersect (&field->value, other, &value))
        return NULL;
      add_field (both, field->name, strlen (field->name), value);
    }
  for (guint i = 0; i < b->fields->len; i++)
    if (find (a, field_at (b, i)->name) == NULL)
      add_field (both, field_at (b, i)->name, strlen (field_at (b, i)->name),
                 value_copy (&field_at (b, i)->value));
  /* More than a text may say is nothing that anybody offers. */
  return both->fields->len > MOSS_FFI_CAPS_MAX_FIELDS ? NULL : finish (g_steal_pointer (&both));
}

/* Of each list the first, of each range the lowest. */
MossFfiCaps *
moss_ffi_caps_fixate (const MossFfiCaps *caps)
{
  MossFfiCaps *fixed = caps_new (caps->media, strlen (caps->media));

  for (guint i = 0; i < caps->fields->len; i++)
    add_field (fixed, field_at (caps, i)->name, strlen (field_at (caps, i)->name),
               value_fixate (&field_at (caps, i)->value));
  return finish (fixed);
}

/* A copy in which the field is not there. */
MossFfiCaps *
moss_ffi_caps_without (const MossFfiCaps *caps, const char *name)
{
  MossFfiCaps *rest = caps_new (caps->media, strlen (caps->media));

  for (guint i = 0; i < caps->fields->len; i++)
    if (strcmp (field_at (caps, i)->name, name) != 0)
      add_field (rest, field_at (caps, i)->name, strlen (field_at (caps, i)->name),
                 value_copy (&field_at (caps, i)->value));
  return finish (rest);
}

static gboolean
is_string (const char *text)
{
  for (const char *at = text; *at != '\0'; at++)
    if (g_ascii_iscntrl (*at))
      return FALSE;
  return strlen (text) <= 256 && g_utf8_validate (text, -1, NULL);
}

/* A copy in which the field is @value; fails for a name or value that caps can't have. */
MossFfiCaps *
moss_ffi_caps_with_string (const MossFfiCaps *caps,
                           const char *name,
                           const char *value,
                           GError **error)
{
  g_autoptr (MossFfiCaps) rest = moss_ffi_caps_without (caps, name);

  if (!is_name (name, strlen (name)) || !is_string (value) ||
      rest->fields->len == MOSS_FFI_CAPS_MAX_FIELDS)
    {
      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_REFUSED,
                   "%s can't have that value of %s", caps->media, name);
      return NULL;
    }
  g_clear_pointer (&rest->text, g_free);
  add_field (rest, name, strlen (name), value_of_string (value));
  return finish (g_steal_pointer (&rest));
}
