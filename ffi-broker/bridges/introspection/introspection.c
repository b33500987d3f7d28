// SPDX-License-Identifier: GPL-3.0-or-later
/* The bridge to whatever has a typelib: functions of an allow-list (allowed.c) are called as
 * their typelib describes them. At the start each one's description is compared with what the
 * list says; one that isn't there, or takes something else than the list thinks, is left out. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/bridges/introspection/allowed.h"
#include "ffi-broker/types/capability.h"
#include "ffi-broker/worker/module.h"

#include <girepository.h>
#include <string.h>

#define ARGUMENTS_MAX 8

typedef struct
{
  const Allowed *allowed;
  GIFunctionInfo *info;
  char **words;
  guint n_words;
  GITypeTag returns;
  gboolean frees;
  char *value_type; /* of a scalar result; NULL when a buffer comes back */
  char *media;
} Function;

static void
function_free (gpointer data)
{
  Function *function = data;

  g_base_info_unref (function->info);
  g_strfreev (function->words);
  g_free (function->value_type);
  g_free (function->media);
  g_free (function);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Function, function_free)

/* --- does the typelib say what the list says? --- */

static gboolean
is_number (GITypeTag tag)
{
  return tag == GI_TYPE_TAG_BOOLEAN || (tag >= GI_TYPE_TAG_INT8 && tag <= GI_TYPE_TAG_DOUBLE);
}

static gboolean
is_interface (GITypeInfo *type, GIInfoType kind, const char *name)
{
  GIBaseInfo *info = g_type_info_get_interface (type);
  gboolean is = info != NULL && g_base_info_get_type (info) == kind &&
                (name == NULL || g_strcmp0 (g_base_info_get_name (info), name) == 0);

  g_clear_pointer (&info, g_base_info_unref);
  return is;
}

static gboolean
is_byte_array (GITypeInfo *type)
{
  GITypeInfo *of = g_type_info_get_param_type (type, 0);
  gboolean is = g_type_info_get_array_type (type) == GI_ARRAY_TYPE_C &&
                g_type_info_get_tag (of) == GI_TYPE_TAG_UINT8;

  g_base_info_unref (of);
  return is;
}

static gboolean
fits (const char *word, GITypeInfo *type)
{
  GITypeTag tag = g_type_info_get_tag (type);

  if (g_str_equal (word, "bytes"))
    return tag == GI_TYPE_TAG_INTERFACE && is_interface (type, GI_INFO_TYPE_STRUCT, "Bytes");
  if (g_str_equal (word, "data"))
    return tag == GI_TYPE_TAG_ARRAY && is_byte_array (type);
  if (g_str_equal (word, "text") || g_str_equal (word, "null") || *word == ':')
    return tag == GI_TYPE_TAG_UTF8;
  return is_number (tag) ||
         (tag == GI_TYPE_TAG_INTERFACE && is_interface (type, GI_INFO_TYPE_ENUM, NULL));
}

static gboolean
argument_fits (Function *function, guint i)
{
  GIArgInfo *argument = g_callable_info_get_arg (function->info, i);
  GITypeInfo *type = g_arg_info_get_type (argument);
  gboolean ok = g_arg_info_get_direction (argument) == GI_DIRECTION_IN &&
                g_arg_info_get_ownership_transfer (argument) == GI_TRANSFER_NOTHING &&
                fits (function->words[i], type);

  g_base_info_unref (type);
  g_base_info_unref (argument);
  return ok;
}

static gboolean
result_fits (Function *function)
{
  GITypeInfo *type = g_callable_info_get_return_type (function->info);
  GITransfer transfer = g_callable_info_get_caller_owns (function->info);

  function->returns = g_type_info_get_tag (type);
  function->frees = transfer == GI_TRANSFER_EVERYTHING;
  g_base_info_unref (type);
  if (function->returns == GI_TYPE_TAG_UTF8)
    return function->value_type == NULL || g_str_equal (function->value_type, "s");
  return is_number (function->returns) && function->value_type != NULL &&
         !g_str_equal (function->value_type, "s");
}

static gboolean
is_as_described (Function *function)
{
  GIFunctionInfoFlags flags = g_function_info_get_flags (function->info);

  if (flags & (GI_FUNCTION_IS_METHOD | GI_FUNCTION_THROWS) ||
      (guint) g_callable_info_get_n_args (function->info) != function->n_words ||
      function->n_words > ARGUMENTS_MAX || !result_fits (function))
    return FALSE;
  for (guint i = 0; i < function->n_words; i++)
    if (!argument_fits (function, i))
      return FALSE;
  return TRUE;
}

/* --- a call --- */

typedef struct
{
  GIArgument values[ARGUMENTS_MAX];
  GBytes *bytes;
  char *text;
} Arguments;

static void
arguments_clear (Arguments *arguments)
{
  g_clear_pointer (&arguments->bytes, g_bytes_unref);
  g_clear_pointer (&arguments->text, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, arguments_clear)

static gboolean
take_input (Arguments *arguments, Function *function, MossFfiInvocation *invocation,
            GError **error)
{
  gboolean wanted = strstr (function->allowed->capability, "(;") == NULL &&
                    strstr (function->allowed->capability, "()") == NULL;

  if (moss_ffi_invocation_get_n_inputs (invocation) == (wanted ? 1 : 0))
    {
      if (wanted)
        arguments->bytes = moss_ffi_buffer_get_bytes (
          moss_ffi_invocation_get_input (invocation, 0), error);
      return !wanted || arguments->bytes != NULL;
    }
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "%s takes %s",
               function->allowed->capability, wanted ? "one input" : "no input");
  return FALSE;
}

static gboolean
take_text (Arguments *arguments, GError **error)
{
  gsize length;
  const char *data = g_bytes_get_data (arguments->bytes, &length);

  if (length == 0 || g_utf8_validate_len (data, length, NULL))
    {
      arguments->text = g_strndup (data != NULL ? data : "", length);
      return TRUE;
    }
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BAD_BUFFER,
               "the text is not UTF-8, or has a null character in it");
  return FALSE;
}

static gboolean
take_option (GIArgument *value, const char *name, MossFfiInvocation *invocation,
             GVariant **held, GError **error)
{
  g_autoptr (GVariant) option = g_variant_lookup_value (
    moss_ffi_invocation_get_options (invocation), name, NULL);

  if (option == NULL)
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "the option %s is missing",
                   name);
      return FALSE;
    }
  if (g_variant_is_of_type (option, G_VARIANT_TYPE_STRING))
    {
      value->v_string = (char *) g_variant_get_string (option, NULL);
      *held = g_steal_pointer (&option);
      return TRUE;
    }
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "the option %s is of type %s", name,
               g_variant_get_type_string (option));
  return FALSE;
}

static gboolean
take_argument (Arguments *arguments, Function *function, guint i,
               MossFfiInvocation *invocation, GVariant **held, GError **error)
{
  const char *word = function->words[i];
  GIArgument *value = &arguments->values[i];

  if (g_str_equal (word, "bytes"))
    value->v_pointer = arguments->bytes;
  else if (g_str_equal (word, "data"))
    value->v_pointer = (gpointer) g_bytes_get_data (arguments->bytes, NULL);
  else if (g_str_equal (word, "length"))
    value->v_uint64 = g_bytes_get_size (arguments->bytes);
  else if (g_str_equal (word, "null"))
    value->v_pointer = NULL;
  else if (*word == '=')
    value->v_int64 = g_ascii_strtoll (word + 1, NULL, 10);
  else if (*word == ':')
    return take_option (value, word + 1, invocation, held, error);
  else if (!take_text (arguments, error))
    return FALSE;
  else
    value->v_string = arguments->text;
  return TRUE;
}

static GVariant *
value_of (GITypeTag tag, GIArgument *result)
{
  switch (tag)
    {
    case GI_TYPE_TAG_UTF8:
      return g_variant_new_string (result->v_string);
    case GI_TYPE_TAG_BOOLEAN:
      return g_variant_new_boolean (result->v_boolean);
    case GI_TYPE_TAG_INT32:
      return g_variant_new_int32 (result->v_int32);
    case GI_TYPE_TAG_INT64:
      return g_variant_new_int64 (result->v_int64);
    case GI_TYPE_TAG_DOUBLE:
      return g_variant_new_double (result->v_double);
    default:
      return NULL;
    }
}

static void
give (Function *function, MossFfiInvocation *invocation, GIArgument *result)
{
  if (function->returns == GI_TYPE_TAG_UTF8 && result->v_string == NULL)
    {
      moss_ffi_invocation_return_failure (invocation, MOSS_FFI_ERROR_FAILED,
                                          "the function found nothing to give back");
      return;
    }
  if (function->value_type != NULL)
    moss_ffi_invocation_set_value (invocation, "value", value_of (function->returns, result));
  else
    {
      g_autoptr (GBytes) bytes = g_bytes_new (result->v_string, strlen (result->v_string));
      g_autoptr (MossFfiBuffer) buffer = moss_ffi_buffer_new (function->media, bytes);

      moss_ffi_invocation_add_output (invocation, buffer);
    }
  if (function->frees && function->returns == GI_TYPE_TAG_UTF8)
    g_free (result->v_string);
  moss_ffi_invocation_return (invocation);
}

static void
on_call (MossFfiInvocation *invocation, gpointer user_data)
{
  Function *function = user_data;
  g_auto (Arguments) arguments = { 0 };
  g_autoptr (GPtrArray) held = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autoptr (GError) error = NULL;
  GIArgument result;
  gboolean ok = take_input (&arguments, function, invocation, &error);

  for (guint i = 0; ok && i < function->n_words; i++)
    {
      GVariant *option = NULL;

      ok = take_argument (&arguments, function, i, invocation, &option, &error);
      if (option != NULL)
        g_ptr_array_add (held, option);
    }
  if (ok && g_function_info_invoke (function->info, arguments.values, function->n_words, NULL, 0,
                                    &result, &error))
    give (function, invocation, &result);
  else
    moss_ffi_invocation_return_error (invocation, error);
}

/* --- what there is --- */

static Function *
function_new (const Allowed *allowed, GError **error)
{
  g_autoptr (MossFfiCapability) capability = NULL;
  g_autoptr (Function) function = NULL;
  const char *type;
  GIBaseInfo *info;

  capability = moss_ffi_capability_parse (allowed->capability, error);
  if (capability == NULL)
    return NULL;
  info = g_irepository_find_by_name (NULL, allowed->name_space, allowed->function);
  if (info == NULL || g_base_info_get_type (info) != GI_INFO_TYPE_FUNCTION)
    {
      g_clear_pointer (&info, g_base_info_unref);
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_NOT_OFFERED, "not in the typelib");
      return NULL;
    }
  function = g_new0 (Function, 1);
  function->allowed = allowed;
  function->info = info;
  function->words = g_strsplit (allowed->arguments, " ", -1);
  function->n_words = g_strv_length (function->words);
  type = moss_ffi_caps_get_string (capability->output, "type");
  function->value_type = g_strdup (type);
  function->media = g_strdup (moss_ffi_caps_get_media (capability->output));
  if (is_as_described (function))
    return g_steal_pointer (&function);
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_NOT_OFFERED,
               "its typelib describes another function");
  return NULL;
}

/* "GLib.utf8_strup (upper)": the same function may do several things. */
static GVariant *
attributes_of (const Allowed *allowed)
{
  g_autoptr (MossFfiCapability) capability =
    moss_ffi_capability_parse (allowed->capability, NULL);
  g_autofree char *name = g_strdup_printf ("%s.%s (%s)", allowed->name_space, allowed->function,
                                           capability->operation);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "pure", "b", TRUE);
  g_variant_dict_insert (&dict, "deterministic", "b", allowed->constant);
  g_variant_dict_insert (&dict, "lossy", "b", FALSE);
  g_variant_dict_insert (&dict, "memory-per-byte", "d", 2.0);
  g_variant_dict_insert (&dict, "licence", "s", "LGPL-2.1-or-later");
  g_variant_dict_insert (&dict, "function", "s", name);
  return g_variant_dict_end (&dict);
}

static void
add (MossFfiProvider *provider, const Allowed *allowed)
{
  g_autoptr (GError) error = NULL;
  Function *function = function_new (allowed, &error);

  if (function == NULL ||
      !moss_ffi_provider_add (provider, allowed->capability, attributes_of (allowed), on_call,
                              function, function_free, &error))
    g_message ("%s.%s is not offered: %s", allowed->name_space, allowed->function,
               error->message);
}

static MossFfiProvider *
open_introspection (const char *manifest, GError **error)
{
  g_autofree char *version = g_strdup_printf ("%u.%u.%u", glib_major_version,
                                              glib_minor_version, glib_micro_version);
  MossFfiProvider *provider;

  if (g_irepository_require (NULL, "GLib", "2.0", 0, error) == NULL)
    return NULL;
  provider = moss_ffi_provider_new ("introspection", version);
  moss_ffi_provider_set_name (provider, "GLib");
  for (guint i = 0; i < introspection_n_allowed; i++)
    add (provider, &introspection_allowed[i]);
  return provider;
}

const MossFfiBridge moss_ffi_bridge = {
  .abi = MOSS_FFI_BRIDGE_ABI,
  .name = "introspection",
  .open = open_introspection,
};
