// SPDX-License-Identifier: LGPL-2.1-or-later
/* Text of capabilities may be anybody's: at most 4096 bytes, 8 inputs and 32 options, no file
 * descriptors among the options. */
#include "capability.h"

#include "caps-value.h"
#include "media.h"

#include <sodium.h>
#include <string.h>

#define OPERATION_MAX 96
#define TYPE_MAX 32

static gboolean
malformed (GError **error, const char *at, const char *end, const char *wanted)
{
  g_autofree char *rest = g_utf8_make_valid (at, MIN (end - at, 24));

  g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_MALFORMED,
               "%s expected at “%s”", wanted, rest);
  return FALSE;
}

static void
option_clear (gpointer data)
{
  MossFfiOption *option = data;

  g_free (option->name);
  g_free (option->type);
}

static MossFfiCapability *
capability_new (void)
{
  MossFfiCapability *capability = g_new0 (MossFfiCapability, 1);

  capability->operation = g_strdup ("");
  capability->inputs = g_ptr_array_new_with_free_func ((GDestroyNotify) moss_ffi_caps_unref);
  capability->options = g_array_new (FALSE, FALSE, sizeof (MossFfiOption));
  g_array_set_clear_func (capability->options, option_clear);
  return capability;
}

void
moss_ffi_capability_free (MossFfiCapability *capability)
{
  g_free (capability->operation);
  g_ptr_array_unref (capability->inputs);
  g_array_unref (capability->options);
  g_clear_pointer (&capability->output, moss_ffi_caps_unref);
  g_free (capability);
}

/* Lower case, digits, "-", and "." for a successor's number or a foreign operation's domain. */
static gboolean
is_operation (const char *text, gsize length)
{
  if (length > OPERATION_MAX || !g_ascii_islower (*text) || text[length - 1] == '.')
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_islower (text[i]) && !g_ascii_isdigit (text[i]) && text[i] != '-' &&
        (text[i] != '.' || text[i - 1] == '.'))
      return FALSE;
  return TRUE;
}

static const char *
word_end (const char *at, const char *end)
{
  while (at < end && strchr (" (;:,)", *at) == NULL)
    at++;
  return at;
}

static gboolean
read_head (MossFfiCapability *capability, const char **at, const char *end, GError **error)
{
  const char *stop = word_end (*at, end);

  if (!moss_ffi_verb_parse (*at, stop - *at, &capability->verb))
    {
      g_autofree char *word = g_utf8_make_valid (*at, MIN (stop - *at, 24));

      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_UNKNOWN,
                   "“%s” is no verb: there are convert, encode, decode, transform, filter, "
                   "reduce, compare, generate and hash",
                   word);
      return FALSE;
    }
  *at = stop;
  skip_blanks (at, end);
  stop = word_end (*at, end);
  if (stop > *at)
    {
      if (!is_operation (*at, stop - *at))
        return malformed (error, *at, end, "an operation like “sort” or “sort.2”");
      g_free (capability->operation);
      capability->operation = g_strndup (*at, stop - *at);
      *at = stop;
      skip_blanks (at, end);
    }
  if (*at == end || **at != '(')
    return malformed (error, *at, end, "“(”");
  (*at)++;
  skip_blanks (at, end);
  return TRUE;
}

static gboolean
read_inputs (MossFfiCapability *capability, const char **at, const char *end, GError **error)
{
  if (*at < end && (**at == ')' || **at == ';'))
    return TRUE;
  while (TRUE)
    {
      MossFfiCaps *caps = moss_ffi_caps_parse_part (at, end, error);

      if (caps == NULL)
        return FALSE;
      g_ptr_array_add (capability->inputs, caps);
      skip_blanks (at, end);
      if (*at == end || **at != ',')
        return TRUE;
      if (capability->inputs->len == MOSS_FFI_MAX_INPUTS)
        {
          g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG,
                       "a function takes at most %d inputs", MOSS_FFI_MAX_INPUTS);
          return FALSE;
        }
      (*at)++;
      skip_blanks (at, end);
    }
}

static gboolean
is_option_name (const char *text, gsize length)
{
  if (length == 0 || length > MOSS_FFI_CAPS_MAX_WORD || !g_ascii_islower (*text))
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (text[i]) && text[i] != '-' && text[i] != '_')
      return FALSE;
  return TRUE;
}

/* Types of which every value says what it is, and no file descriptors. */
static gboolean
is_option_type (const char *at, const char *end, const char **stop)
{
  if (!g_variant_type_string_scan (at, end, stop) || *stop - at > TYPE_MAX)
    return FALSE;
  for (const char *c = at; c < *stop; c++)
    if (strchr ("h*?r", *c) != NULL)
      return FALSE;
  return TRUE;
}

static gboolean
read_option (MossFfiCapability *capability, const char **at, const char *end, GError **error)
{
  const char *name = *at, *stop = word_end (*at, end), *type;
  MossFfiOption option;
  g_autofree char *word = g_utf8_make_valid (name, MIN (stop - name, MOSS_FFI_CAPS_MAX_WORD));

  if (!is_option_name (name, stop - name) || stop == end || *stop != ':')
    return malformed (error, name, end, "an option like “level:i” or “level:i?”");
  if (capability->options->len == MOSS_FFI_MAX_OPTIONS ||
      moss_ffi_capability_get_option (capability, word) != NULL)
    {
      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG,
                   "the option %s is there twice, or there are more than %d", word,
                   MOSS_FFI_MAX_OPTIONS);
      return FALSE;
    }
  type = stop + 1;
  if (!is_option_type (type, end, at))
    return malformed (error, type, end, "a definite type of GVariant");
  option = (MossFfiOption){ g_strdup (word), g_strndup (type, *at - type),
                            *at < end && **at == '?' };
  *at += option.optional;
  g_array_append_val (capability->options, option);
  return TRUE;
}

static gboolean
read_options (MossFfiCapability *capability, const char **at, const char *end, GError **error)
{
  if (*at == end || **at != ';')
    return TRUE;
  do
    {
      (*at)++;
      skip_blanks (at, end);
      if (!read_option (capability, at, end, error))
        return FALSE;
      skip_blanks (at, end);
    }
  while (*at < end && **at == ',');
  return TRUE;
}

/* Reads an offer's or a request's text. */
MossFfiCapability *
moss_ffi_capability_parse (const char *text, GError **error)
{
  g_autoptr (MossFfiCapability) capability = capability_new ();
  const char *at = text, *end = text + strnlen (text, MOSS_FFI_TEXT_MAX + 1);

  if (end - text > MOSS_FFI_TEXT_MAX)
    {
      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG,
                   "a capability's text has at most %d bytes", MOSS_FFI_TEXT_MAX);
      return NULL;
    }
  skip_blanks (&at, end);
  if (!read_head (capability, &at, end, error) || !read_inputs (capability, &at, end, error) ||
      !read_options (capability, &at, end, error))
    return NULL;
  if (at == end || *at != ')')
    {
      malformed (error, at, end, "“)”");
      return NULL;
    }
  at++;
  skip_blanks (&at, end);
  if (end - at < 2 || at[0] != '-' || at[1] != '>')
    {
      malformed (error, at, end, "“->”");
      return NULL;
    }
  at += 2;
  skip_blanks (&at, end);
  capability->output = moss_ffi_caps_parse (at, error);
  return capability->output != NULL ? g_steal_pointer (&capability) : NULL;
}

MossFfiCapability *
moss_ffi_capability_copy (const MossFfiCapability *capability)
{
  MossFfiCapability *copy = capability_new ();

  copy->verb = capability->verb;
  g_free (copy->operation);
  copy->operation = g_strdup (capability->operation);
  for (guint i = 0; i < capability->inputs->len; i++)
    g_ptr_array_add (copy->inputs, moss_ffi_caps_ref (capability->inputs->pdata[i]));
  for (guint i = 0; i < capability->options->len; i++)
    {
      MossFfiOption option = g_array_index (capability->options, MossFfiOption, i);

      option.name = g_strdup (option.name);
      option.type = g_strdup (option.type);
      g_array_append_val (copy->options, option);
    }
  copy->output = moss_ffi_caps_ref (capability->output);
  return copy;
}

static void
write_head (const MossFfiCapability *capability, GString *text)
{
  g_string_append (text, moss_ffi_verb_name (capability->verb));
  if (*capability->operation != '\0')
    g_string_append_printf (text, " %s", capability->operation);
}

/* The canonical text. */
char *
moss_ffi_capability_to_string (const MossFfiCapability *capability)
{
  GString *text = g_string_new (NULL);

  write_head (capability, text);
  g_string_append_c (text, '(');
  for (guint i = 0; i < capability->inputs->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? ", " : "",
                            moss_ffi_caps_get_text (capability->inputs->pdata[i]));
  for (guint i = 0; i < capability->options->len; i++)
    {
      const MossFfiOption *option = &g_array_index (capability->options, MossFfiOption, i);

      g_string_append_printf (text, "%c%s:%s%s", i > 0 ? ',' : ';', option->name, option->type,
                              option->optional ? "?" : "");
    }
  g_string_append_printf (text, ") -> %s", moss_ffi_caps_get_text (capability->output));
  return g_string_free (text, FALSE);
}

/* What all offers of one kind share: verb, operation and canonical media types, as
 * "encode video/x-raw -> image/png". */
char *
moss_ffi_capability_dup_key (const MossFfiCapability *capability)
{
  const MossFfiMedia *media = moss_ffi_media_get_default ();
  GString *text = g_string_new (NULL);

  write_head (capability, text);
  for (guint i = 0; i < capability->inputs->len; i++)
    g_string_append_printf (
        text, "%s%s", i > 0 ? ", " : " ",
        moss_ffi_media_canonical (media, moss_ffi_caps_get_media (capability->inputs->pdata[i])));
  g_string_append_printf (
      text, " -> %s",
      moss_ffi_media_canonical (media, moss_ffi_caps_get_media (capability->output)));
  return g_string_free (text, FALSE);
}

/* The first 8 bytes of the key's BLAKE2b-256, little-endian. */
guint64
moss_ffi_key_hash (const char *key)
{
  guint8 hash[crypto_generichash_BYTES];
  guint64 number;

  crypto_generichash (hash, sizeof hash, (const guint8 *) key, strlen (key), NULL, 0);
  memcpy (&number, hash, sizeof number);
  return GUINT64_FROM_LE (number);
}

/* Owned by @capability. */
const MossFfiCaps *
moss_ffi_capability_get_input (const MossFfiCapability *capability, guint i)
{
  return i < capability->inputs->len ? capability->inputs->pdata[i] : NULL;
}

/* NULL when there is none of that name. */
const MossFfiOption *
moss_ffi_capability_get_option (const MossFfiCapability *capability, const char *name)
{
  for (guint i = 0; i < capability->options->len; i++)
    {
      const MossFfiOption *option = &g_array_index (capability->options, MossFfiOption, i);

      if (strcmp (option->name, name) == 0)
        return option;
    }
  return NULL;
}

/* Says of a request what is really given, as a buffer's caps. */
void
moss_ffi_capability_set_input (MossFfiCapability *capability, guint i, MossFfiCaps *caps)
{
  g_return_if_fail (i < capability->inputs->len);
  moss_ffi_caps_unref (capability->inputs->pdata[i]);
  capability->inputs->pdata[i] = moss_ffi_caps_ref (caps);
}

/* Says of a request which options (a{sv}, or NULL) will be given. */
gboolean
moss_ffi_capability_set_options (MossFfiCapability *request, GVariant *options, GError **error)
{
  gsize n = options != NULL ? g_variant_n_children (options) : 0;

  g_array_set_size (request->options, 0);
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) value = NULL;
      const char *name, *type;
      MossFfiOption option;

      g_variant_get_child (options, i, "{&sv}", &name, &value);
      type = g_variant_get_type_string (value);
      if (i == MOSS_FFI_MAX_OPTIONS || !is_option_name (name, strlen (name)) ||
          strchr (type, 'h') != NULL || strlen (type) > TYPE_MAX ||
          moss_ffi_capability_get_option (request, name) != NULL)
        {
          g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_REFUSED,
                       "“%.64s” can't be an option, or is there twice, or is one too many", name);
          return FALSE;
        }
      option = (MossFfiOption){ g_strdup (name), g_strdup (type), FALSE };
      g_array_append_val (request->options, option);
    }
  return TRUE;
}

static MossFfiMatch
match_inputs (const MossFfiCapability *offer, const MossFfiCapability *request)
{
  MossFfiMatch match = MOSS_FFI_MATCH_FULLY;

  if (offer->inputs->len != request->inputs->len)
    return MOSS_FFI_MATCH_NO;
  for (guint i = 0; i < offer->inputs->len; i++)
    {
      const MossFfiCaps *given = request->inputs->pdata[i], *taken = offer->inputs->pdata[i];
      g_autoptr (MossFfiCaps) both = NULL;

      if (moss_ffi_caps_is_subset (given, taken))
        continue;
      both = moss_ffi_caps_intersect (given, taken);
      if (both == NULL)
        return MOSS_FFI_MATCH_NO;
      match = MOSS_FFI_MATCH_PARTLY;
    }
  return match;
}

/* The caller says in the call which of the offered outputs it wants, so one is enough; but what
 * the offer doesn't speak of, it doesn't promise. */
static MossFfiMatch
match_output (const MossFfiCaps *offered, const MossFfiCaps *wanted)
{
  g_autoptr (MossFfiCaps) both = moss_ffi_caps_intersect (offered, wanted);

  if (both == NULL || !moss_ffi_media_is_a (moss_ffi_media_get_default (),
                                            moss_ffi_caps_get_media (offered),
                                            moss_ffi_caps_get_media (wanted)))
    return MOSS_FFI_MATCH_NO;
  return moss_ffi_caps_has_fields_of (offered, wanted) ? MOSS_FFI_MATCH_FULLY
                                                       : MOSS_FFI_MATCH_PARTLY;
}

static MossFfiMatch
match_options (const MossFfiCapability *offer, const MossFfiCapability *request)
{
  for (guint i = 0; i < request->options->len; i++)
    {
      const MossFfiOption *given = &g_array_index (request->options, MossFfiOption, i);
      const MossFfiOption *taken = moss_ffi_capability_get_option (offer, given->name);

      if (taken == NULL || strcmp (taken->type, given->type) != 0)
        return MOSS_FFI_MATCH_NO;
    }
  for (guint i = 0; i < offer->options->len; i++)
    {
      const MossFfiOption *taken = &g_array_index (offer->options, MossFfiOption, i);

      if (!taken->optional && moss_ffi_capability_get_option (request, taken->name) == NULL)
        return MOSS_FFI_MATCH_PARTLY;
    }
  return MOSS_FFI_MATCH_FULLY;
}

/* Whether @offer does what @request asks. */
MossFfiMatch
moss_ffi_capability_match (const MossFfiCapability *offer, const MossFfiCapability *request)
{
  MossFfiMatch inputs, output, options;

  if (offer->verb != request->verb || strcmp (offer->operation, request->operation) != 0)
    return MOSS_FFI_MATCH_NO;
  options = match_options (offer, request);
  if (options == MOSS_FFI_MATCH_NO)
    return MOSS_FFI_MATCH_NO;
  inputs = match_inputs (offer, request);
  if (inputs == MOSS_FFI_MATCH_NO)
    return MOSS_FFI_MATCH_NO;
  output = match_output (offer->output, request->output);
  return MIN (MIN (inputs, output), options);
}

/* Whether a call of @offer may have these options (a{sv}, or NULL). */
gboolean
moss_ffi_capability_check_options (const MossFfiCapability *offer,
                                   GVariant *options,
                                   GError **error)
{
  g_autoptr (MossFfiCapability) request = moss_ffi_capability_copy (offer);

  if (!moss_ffi_capability_set_options (request, options, error))
    return FALSE;
  for (guint i = 0; i < request->options->len; i++)
    {
      const MossFfiOption *given = &g_array_index (request->options, MossFfiOption, i);
      const MossFfiOption *taken = moss_ffi_capability_get_option (offer, given->name);

      if (taken == NULL || strcmp (taken->type, given->type) != 0)
        {
          g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_UNKNOWN,
                       "the option %s of type %s is not known; %s", given->name, given->type,
                       taken == NULL ? "there is none of that name" : "its type is another");
          return FALSE;
        }
    }
  for (guint i = 0; i < offer->options->len; i++)
    {
      const MossFfiOption *taken = &g_array_index (offer->options, MossFfiOption, i);

      if (!taken->optional && moss_ffi_capability_get_option (request, taken->name) == NULL)
        {
          g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_REFUSED,
                       "the option %s is missing", taken->name);
          return FALSE;
        }
    }
  return TRUE;
}
