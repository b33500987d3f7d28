// SPDX-License-Identifier: LGPL-2.1-or-later
/* Manifests of programs.
 *
 * Policy: a manifest names one program and lists of arguments for it. No shell is in between.
 * What a caller sends becomes a part of an argument only as a number within bounds that the
 * manifest gives, or as a text that the manifest gives for a word: a caller can't put in an
 * option, a path or a second argument. The program gets data on its standard input and gives
 * data on its standard output; it is told no names of files. */
#include "ffi-broker/types/manifest.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define PROVIDER "Provider"
#define FUNCTION "Function "

/* How an option's value becomes text. */
typedef struct
{
  GHashTable *words; /* value → text; NULL for numbers */
  double least, most;
  char *fallback; /* text where the option isn't given; NULL: it must be */
} Value;

static void
value_free (gpointer data)
{
  Value *value = data;

  g_clear_pointer (&value->words, g_hash_table_unref);
  g_free (value->fallback);
  g_free (value);
}

static void
function_free (gpointer data)
{
  MossFfiManifestFunction *function = data;

  g_free (function->name);
  g_clear_pointer (&function->capability, moss_ffi_capability_free);
  g_strfreev (function->arguments);
  g_free (function->quality);
  g_hash_table_unref (function->values);
  g_free (function);
}

void
moss_ffi_manifest_free (MossFfiManifest *manifest)
{
  g_free (manifest->id);
  g_free (manifest->name);
  g_free (manifest->version);
  g_free (manifest->program);
  g_free (manifest->licence);
  g_ptr_array_unref (manifest->functions);
  g_free (manifest);
}

static gboolean
fail (MossFfiTextError code, const char *group, const char *why, GError **error)
{
  g_set_error (error, MOSS_FFI_TEXT_ERROR, code, "[%s]: %s", group, why);
  return FALSE;
}

/* --- options --- */

static gboolean
parse_words (Value *value, char **pairs)
{
  value->words = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; pairs[i] != NULL; i++)
    {
      const char *colon = strchr (pairs[i], ':');

      if (colon == NULL || colon == pairs[i] || i >= MOSS_FFI_MAX_OPTIONS)
        return FALSE;
      g_hash_table_insert (value->words, g_strndup (pairs[i], colon - pairs[i]),
                           g_strdup (colon + 1));
    }
  return pairs[0] != NULL;
}

static gboolean
parse_number (const char *text, double *number)
{
  char *end;

  *number = g_ascii_strtod (text, &end);
  return end > text && *end == '\0' && isfinite (*number);
}

static gboolean
parse_range (Value *value, char **ends)
{
  return g_strv_length (ends) == 2 && parse_number (ends[0], &value->least) &&
         parse_number (ends[1], &value->most) && value->least <= value->most;
}

static char **
list (GKeyFile *file, const char *group, const char *prefix, const char *name)
{
  g_autofree char *key = g_strconcat (prefix, name, NULL);

  return g_key_file_get_string_list (file, group, key, NULL, NULL);
}

/* What stands in braces as @name; %NULL when the manifest doesn't say what it may be. */
static Value *
parse_value (GKeyFile *file, const char *group, const char *name)
{
  Value *value = g_new0 (Value, 1);
  g_autofree char *key = g_strconcat ("Default-", name, NULL);
  g_auto (GStrv) words = list (file, group, "Words-", name);
  g_auto (GStrv) range = list (file, group, "Range-", name);

  value->fallback = g_key_file_get_string (file, group, key, NULL);
  if (words != NULL ? parse_words (value, words) : range != NULL && parse_range (value, range))
    return value;
  value_free (value);
  return NULL;
}

/* Whether what callers give as this option can become a part of an argument. */
static gboolean
can_be (const Value *value, const MossFfiOption *option)
{
  return strchr (value->words != NULL ? "sbynqiuxt" : "ynqiuxtd", *option->type) != NULL;
}

static gboolean
is_of_input (const char *name)
{
  return g_str_equal (name, "in.width") || g_str_equal (name, "in.height");
}

static gboolean
learn_name (MossFfiManifestFunction *function, GKeyFile *file, const char *group,
            const char *name, GError **error)
{
  g_autofree char *why = NULL;
  const MossFfiOption *option = moss_ffi_capability_get_option (function->capability, name);
  Value *value;

  if (is_of_input (name) || g_hash_table_contains (function->values, name))
    return TRUE;
  if (option == NULL && !g_str_equal (name, "in.format"))
    {
      why = g_strdup_printf ("{%s} is no option of the capability", name);
      return fail (MOSS_FFI_TEXT_ERROR_UNKNOWN, group, why, error);
    }
  value = parse_value (file, group, name);
  if (value == NULL || (option != NULL && option->optional && value->fallback == NULL))
    {
      g_clear_pointer (&value, value_free);
      why = g_strdup_printf ("what {%s} may be is missing: Range-%s or Words-%s, and Default-%s "
                             "where it is optional", name, name, name, name);
      return fail (MOSS_FFI_TEXT_ERROR_REFUSED, group, why, error);
    }
  if (option != NULL && !can_be (value, option))
    {
      why = g_strdup_printf ("{%s} is of the type “%s”: %s is for %s", name, option->type,
                             value->words != NULL ? "Words" : "Range",
                             value->words != NULL ? "texts, booleans and whole numbers"
                                                  : "numbers");
      value_free (value);
      return fail (MOSS_FFI_TEXT_ERROR_REFUSED, group, why, error);
    }
  g_hash_table_insert (function->values, g_strdup (name), value);
  return TRUE;
}

/* Where the next name begins, NULL: nowhere. Two braces are one that is meant. */
static const char *
find_name (const char *at)
{
  for (at = strchr (at, '{'); at != NULL && at[1] == '{'; at = strchr (at + 2, '{'))
    ;
  return at;
}

/* The names in braces of one argument. */
static gboolean
learn_names (MossFfiManifestFunction *function, GKeyFile *file, const char *group,
             const char *argument, GError **error)
{
  for (const char *at = find_name (argument); at != NULL; at = find_name (at))
    {
      const char *end = strchr (++at, '}');
      g_autofree char *name = NULL;

      if (end == NULL || end == at)
        return fail (MOSS_FFI_TEXT_ERROR_MALFORMED, group, "a brace is not closed", error);
      name = g_strndup (at, end - at);
      if (!learn_name (function, file, group, name, error))
        return FALSE;
    }
  return TRUE;
}

/* --- a function --- */

static gboolean
parse_result (MossFfiManifestFunction *function, GKeyFile *file, const char *group,
              GError **error)
{
  g_autofree char *word = g_key_file_get_string (file, group, "Result", NULL);

  if (word == NULL || g_str_equal (word, "whole"))
    function->result = MOSS_FFI_MANIFEST_WHOLE;
  else if (g_str_equal (word, "word"))
    function->result = MOSS_FFI_MANIFEST_WORD;
  else if (g_str_equal (word, "pnm"))
    function->result = MOSS_FFI_MANIFEST_PNM;
  else
    return fail (MOSS_FFI_TEXT_ERROR_UNKNOWN, group, "Result is whole, word or pnm", error);
  return TRUE;
}

static gboolean
parse_arguments (MossFfiManifestFunction *function, GKeyFile *file, const char *group,
                 GError **error)
{
  gsize n = 0;

  function->arguments = g_key_file_get_string_list (file, group, "Arguments", &n, NULL);
  if (function->arguments == NULL)
    function->arguments = g_new0 (char *, 1);
  if (n > MOSS_FFI_MANIFEST_ARGUMENTS_MAX)
    return fail (MOSS_FFI_TEXT_ERROR_TOO_LONG, group, "too many arguments", error);
  for (gsize i = 0; i < n; i++)
    if (!learn_names (function, file, group, function->arguments[i], error))
      return FALSE;
  return TRUE;
}

/* What is there and isn't understood is refused: a "yes" must not be taken for "false". */
static gboolean
parse_boolean (GKeyFile *file, const char *group, const char *key, gboolean *value,
               GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *why = NULL;
  gboolean read = g_key_file_get_boolean (file, group, key, &cause);

  if (cause == NULL)
    *value = read;
  if (cause == NULL || g_error_matches (cause, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND))
    return TRUE;
  why = g_strdup_printf ("%s is true or false", key);
  return fail (MOSS_FFI_TEXT_ERROR_REFUSED, group, why, error);
}

static gboolean
parse_attributes (MossFfiManifestFunction *function, GKeyFile *file, const char *group,
                  GError **error)
{
  g_autofree char *memory = g_key_file_get_string (file, group, "MemoryPerByte", NULL);

  function->quality = g_key_file_get_string (file, group, "Quality", NULL);
  if (function->quality == NULL)
    function->quality = g_strdup ("");
  function->deterministic = TRUE;
  if (!parse_boolean (file, group, "Lossy", &function->lossy, error) ||
      !parse_boolean (file, group, "Deterministic", &function->deterministic, error))
    return FALSE;
  return memory == NULL ||
         (parse_number (memory, &function->memory_per_byte) && function->memory_per_byte >= 0) ||
         fail (MOSS_FFI_TEXT_ERROR_REFUSED, group, "MemoryPerByte is no amount", error);
}

static MossFfiManifestFunction *
parse_function (GKeyFile *file, const char *group, GError **error)
{
  MossFfiManifestFunction *function = g_new0 (MossFfiManifestFunction, 1);
  g_autofree char *text = g_key_file_get_string (file, group, "Capability", error);

  function->values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, value_free);
  function->name = g_strstrip (g_strdup (group + strlen (FUNCTION)));
  function->capability = text != NULL ? moss_ffi_capability_parse (text, error) : NULL;
  if (function->capability != NULL && function->capability->inputs->len > 1)
    fail (MOSS_FFI_TEXT_ERROR_REFUSED, group, "a program has one standard input", error);
  else if (function->capability != NULL && parse_arguments (function, file, group, error) &&
           parse_result (function, file, group, error) &&
           parse_attributes (function, file, group, error))
    return function;
  function_free (function);
  return NULL;
}

/* --- the file --- */

static gboolean
is_id (const char *id)
{
  return *id != '\0' && strlen (id) <= 64 &&
         strspn (id, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen (id);
}

static gboolean
parse_provider (MossFfiManifest *manifest, GKeyFile *file, GError **error)
{
  g_autofree char *id = g_key_file_get_string (file, PROVIDER, "Id", error);

  if (id == NULL)
    return FALSE;
  manifest->program = g_key_file_get_string (file, PROVIDER, "Program", error);
  if (manifest->program == NULL)
    return FALSE;
  if (!is_id (id))
    return fail (MOSS_FFI_TEXT_ERROR_REFUSED, PROVIDER, "Id has other than a-z 0-9 . -", error);
  if (!g_path_is_absolute (manifest->program))
    return fail (MOSS_FFI_TEXT_ERROR_REFUSED, PROVIDER, "Program is not an absolute path", error);
  manifest->id = g_strconcat ("process:", id, NULL);
  manifest->name = g_key_file_get_locale_string (file, PROVIDER, "Name", NULL, NULL);
  if (manifest->name == NULL)
    manifest->name = g_steal_pointer (&id);
  manifest->version = g_key_file_get_string (file, PROVIDER, "Version", NULL);
  manifest->licence = g_key_file_get_string (file, PROVIDER, "Licence", NULL);
  return TRUE;
}

static gboolean
parse_functions (MossFfiManifest *manifest, GKeyFile *file, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  for (guint i = 0; groups[i] != NULL; i++)
    {
      MossFfiManifestFunction *function;

      if (!g_str_has_prefix (groups[i], FUNCTION))
        continue;
      if (manifest->functions->len == MOSS_FFI_MANIFEST_FUNCTIONS_MAX)
        return fail (MOSS_FFI_TEXT_ERROR_TOO_LONG, groups[i], "too many functions", error);
      function = parse_function (file, groups[i], error);
      if (function == NULL)
        return FALSE;
      g_ptr_array_add (manifest->functions, function);
    }
  return manifest->functions->len > 0 ||
         fail (MOSS_FFI_TEXT_ERROR_MALFORMED, PROVIDER, "there is no function", error);
}

/**
 * moss_ffi_manifest_parse:
 * @text: a manifest
 *
 * Returns: (transfer full): what it says, or %NULL with why it is refused as a whole. Whether
 *   the program is there is not looked at.
 */
MossFfiManifest *
moss_ffi_manifest_parse (const char *text, gsize length, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (MossFfiManifest) manifest = g_new0 (MossFfiManifest, 1);

  manifest->functions = g_ptr_array_new_with_free_func (function_free);
  if (length > MOSS_FFI_MANIFEST_BYTES_MAX)
    {
      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG,
                   "a manifest has at most %d bytes", MOSS_FFI_MANIFEST_BYTES_MAX);
      return NULL;
    }
  if (!g_utf8_validate_len (text, length, NULL))
    {
      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_MALFORMED,
                   "a manifest is UTF-8");
      return NULL;
    }
  if (!g_key_file_load_from_data (file, text, length, G_KEY_FILE_NONE, error) ||
      !parse_provider (manifest, file, error) || !parse_functions (manifest, file, error))
    return NULL;
  return g_steal_pointer (&manifest);
}

/* What was learned of a program holds until another one stands in its place. */
static char *
version_of (const char *program)
{
  struct stat st;

  return stat (program, &st) == 0 ? g_strdup_printf ("%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT,
                                                     (gint64) st.st_mtime, (gint64) st.st_size)
                                  : g_strdup ("");
}

/**
 * moss_ffi_manifest_load:
 * @path: a manifest
 *
 * Like moss_ffi_manifest_parse(); a version that isn't given is made from the program's file.
 */
MossFfiManifest *
moss_ffi_manifest_load (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  MossFfiManifest *manifest;
  struct stat st;
  gsize length;

  if (stat (path, &st) == 0 && st.st_size > MOSS_FFI_MANIFEST_BYTES_MAX)
    {
      g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG,
                   "%s: a manifest has at most %d bytes", path, MOSS_FFI_MANIFEST_BYTES_MAX);
      return NULL;
    }
  if (!g_file_get_contents (path, &text, &length, error))
    return NULL;
  manifest = moss_ffi_manifest_parse (text, length, error);
  if (manifest == NULL)
    g_prefix_error (error, "%s: ", path);
  else if (manifest->version == NULL)
    manifest->version = version_of (manifest->program);
  return manifest;
}

/* --- arguments for a call --- */

/* As a number, and as the text that a program reads; FALSE: it is none. */
static gboolean
read_number (GVariant *option, double *number, char text[G_ASCII_DTOSTR_BUF_SIZE])
{
  guint64 whole = 0;
  gboolean negative = FALSE;

  switch (g_variant_classify (option))
    {
    case G_VARIANT_CLASS_DOUBLE:
      *number = g_variant_get_double (option);
      g_ascii_dtostr (text, G_ASCII_DTOSTR_BUF_SIZE, *number);
      return isfinite (*number);
    case G_VARIANT_CLASS_BYTE:
      whole = g_variant_get_byte (option);
      break;
    case G_VARIANT_CLASS_UINT16:
      whole = g_variant_get_uint16 (option);
      break;
    case G_VARIANT_CLASS_UINT32:
      whole = g_variant_get_uint32 (option);
      break;
    case G_VARIANT_CLASS_UINT64:
      whole = g_variant_get_uint64 (option);
      break;
    case G_VARIANT_CLASS_INT16:
      negative = g_variant_get_int16 (option) < 0;
      whole = g_variant_get_int16 (option);
      break;
    case G_VARIANT_CLASS_INT32:
      negative = g_variant_get_int32 (option) < 0;
      whole = g_variant_get_int32 (option);
      break;
    case G_VARIANT_CLASS_INT64:
      negative = g_variant_get_int64 (option) < 0;
      whole = g_variant_get_int64 (option);
      break;
    default:
      return FALSE;
    }
  *number = negative ? (double) (gint64) whole : (double) whole;
  g_snprintf (text, G_ASCII_DTOSTR_BUF_SIZE,
              negative ? "%" G_GINT64_FORMAT : "%" G_GUINT64_FORMAT, whole);
  return TRUE;
}

static gboolean
append_option (GString *argument, const Value *value, GVariant *option)
{
  char number_text[G_ASCII_DTOSTR_BUF_SIZE];
  const char *text = NULL;
  double number;

  if (option == NULL)
    text = value->fallback;
  else if (value->words == NULL)
    text = read_number (option, &number, number_text) && number >= value->least &&
                   number <= value->most
               ? number_text
               : NULL;
  else if (g_variant_is_of_type (option, G_VARIANT_TYPE_STRING))
    text = g_hash_table_lookup (value->words, g_variant_get_string (option, NULL));
  else if (g_variant_is_of_type (option, G_VARIANT_TYPE_BOOLEAN))
    text = g_hash_table_lookup (value->words, g_variant_get_boolean (option) ? "true" : "false");
  else if (read_number (option, &number, number_text))
    text = g_hash_table_lookup (value->words, number_text);
  if (text != NULL)
    g_string_append (argument, text);
  return text != NULL;
}

static gboolean
append_of_input (GString *argument, const Value *value, const MossFfiCaps *input,
                 const char *name)
{
  const char *field = name + strlen ("in.");
  const char *text, *word = NULL;
  gint64 number;

  if (input == NULL)
    return FALSE;
  if (value == NULL)
    {
      if (!moss_ffi_caps_get_int (input, field, &number) || number < 1)
        return FALSE;
      g_string_append_printf (argument, "%" G_GINT64_FORMAT, number);
      return TRUE;
    }
  text = moss_ffi_caps_get_string (input, field);
  if (text != NULL && value->words != NULL)
    word = g_hash_table_lookup (value->words, text);
  if (word != NULL)
    g_string_append (argument, word);
  return word != NULL;
}

/* "a number from 1 to 9", "one of fast, good". */
static char *
describe (const Value *value)
{
  g_autoptr (GList) words = NULL;
  GString *text = g_string_new (NULL);

  if (value->words == NULL)
    {
      g_string_printf (text, "a number from %.15g to %.15g", value->least, value->most);
      return g_string_free (text, FALSE);
    }
  words = g_list_sort (g_hash_table_get_keys (value->words), (GCompareFunc) strcmp);
  for (GList *at = words; at != NULL; at = at->next)
    g_string_append_printf (text, "%s%s", at == words ? "one of " : ", ",
                            (const char *) at->data);
  return g_string_free (text, FALSE);
}

static void
refuse (const MossFfiManifestFunction *function, const Value *value, const char *name,
        GVariant *option, GError **error)
{
  g_autofree char *takes = value != NULL ? describe (value) : NULL;
  g_autofree char *given = option != NULL ? g_variant_print (option, FALSE) : NULL;

  if (g_str_has_prefix (name, "in."))
    g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_REFUSED,
                 "%s takes no input of this %s%s%s", function->name, name + strlen ("in."),
                 takes != NULL ? ", but " : "", takes != NULL ? takes : "");
  else if (given == NULL)
    g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_REFUSED, "%s needs %s: %s",
                 function->name, name, takes);
  else
    g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_REFUSED,
                 "%s can't be %.64s: %s takes %s", name, given, function->name, takes);
}

static gboolean
append_name (GString *argument, const MossFfiManifestFunction *function, const char *name,
             const MossFfiCaps *input, GVariant *options, GError **error)
{
  const Value *value = g_hash_table_lookup (function->values, name);
  g_autoptr (GVariant) option = NULL;
  gboolean ok;

  if (options != NULL)
    option = g_variant_lookup_value (options, name, NULL);
  ok = g_str_has_prefix (name, "in.") ? append_of_input (argument, value, input, name)
                                      : append_option (argument, value, option);
  if (!ok)
    refuse (function, value, name, option, error);
  return ok;
}

static char *
expand (const MossFfiManifestFunction *function, const char *template, const MossFfiCaps *input,
        GVariant *options, GError **error)
{
  g_autoptr (GString) argument = g_string_new (NULL);

  for (const char *at = template; *at != '\0';)
    {
      const char *open = strchr (at, '{');
      g_autofree char *name = NULL;

      if (open != NULL && open[1] == '{')
        {
          g_string_append_len (argument, at, open + 1 - at);
          at = open + 2;
          continue;
        }
      g_string_append_len (argument, at, open != NULL ? open - at : (gssize) strlen (at));
      if (open == NULL)
        break;
      name = g_strndup (open + 1, strcspn (open + 1, "}"));
      if (!append_name (argument, function, name, input, options, error))
        return NULL;
      at = open + 1 + strlen (name) + 1;
    }
  return g_string_free (g_steal_pointer (&argument), FALSE);
}

/**
 * moss_ffi_manifest_function_expand:
 * @input: (nullable): the caps of what is on standard input
 * @options: (nullable): an a{sv}
 *
 * Returns: (transfer full): the program's arguments, without its name; %NULL when an option is
 *   missing or not what the manifest allows
 */
char **
moss_ffi_manifest_function_expand (const MossFfiManifestFunction *function,
                                   const MossFfiCaps *input, GVariant *options, GError **error)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; function->arguments[i] != NULL; i++)
    {
      char *argument = expand (function, function->arguments[i], input, options, error);

      if (argument == NULL)
        return NULL;
      if (*argument != '\0') /* a word that stands for nothing */
        g_ptr_array_add (arguments, argument);
      else
        g_free (argument);
    }
  g_ptr_array_add (arguments, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&arguments), FALSE);
}
