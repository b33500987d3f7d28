// SPDX-License-Identifier: LGPL-2.1-or-later
#include "result-private.h"

#include "ffi-broker/types/caps.h"

#include <string.h>

struct _MossFfiResult
{
  gatomicrefcount refs;
  GPtrArray *buffers;
  GVariant *values;
  guint64 run_us;
  GVariant *explanation;
};

G_DEFINE_BOXED_TYPE (MossFfiResult,
                     moss_ffi_result,
                     moss_ffi_result_ref,
                     moss_ffi_result_unref)

/* Takes @buffers; @values is an a{sv}. */
MossFfiResult *
moss_ffi_result_new (GPtrArray *buffers, GVariant *values, guint64 run_us)
{
  MossFfiResult *result = g_new0 (MossFfiResult, 1);

  g_atomic_ref_count_init (&result->refs);
  result->buffers = buffers;
  result->values = g_variant_ref_sink (values);
  result->run_us = run_us;
  return result;
}

/* Before anybody else has it. */
void
moss_ffi_result_set_explanation (MossFfiResult *result, GVariant *explanation)
{
  g_clear_pointer (&result->explanation, g_variant_unref);
  result->explanation = g_variant_ref_sink (explanation);
}

/**
 * moss_ffi_result_ref: (skip)
 * @result: a result
 *
 * Returns: (transfer full): @result
 */
MossFfiResult *
moss_ffi_result_ref (MossFfiResult *result)
{
  g_atomic_ref_count_inc (&result->refs);
  return result;
}

/**
 * moss_ffi_result_unref: (skip)
 * @result: (transfer full): a result
 */
void
moss_ffi_result_unref (MossFfiResult *result)
{
  if (!g_atomic_ref_count_dec (&result->refs))
    return;
  g_clear_pointer (&result->buffers, g_ptr_array_unref);
  g_clear_pointer (&result->values, g_variant_unref);
  g_clear_pointer (&result->explanation, g_variant_unref);
  g_free (result);
}

/**
 * moss_ffi_result_get_n_buffers:
 * @result: a result
 *
 * Returns: how many buffers came back; none when the result is a value
 */
guint
moss_ffi_result_get_n_buffers (MossFfiResult *result)
{
  return result->buffers->len;
}

/**
 * moss_ffi_result_get_buffer:
 * @result: a result
 * @index: which buffer
 *
 * Returns: (transfer none) (nullable): the buffer; %NULL when there are fewer
 */
MossFfiBuffer *
moss_ffi_result_get_buffer (MossFfiResult *result, guint index)
{
  return index < result->buffers->len ? result->buffers->pdata[index] : NULL;
}

/**
 * moss_ffi_result_get_values:
 * @result: a result
 *
 * Returns: (transfer none): the scalars that came back, an a{sv}
 */
GVariant *
moss_ffi_result_get_values (MossFfiResult *result)
{
  return result->values;
}

/**
 * moss_ffi_result_get_value:
 * @result: a result
 * @name: of a value; "value" is what a function that gives just one calls it
 *
 * Returns: (transfer full) (nullable): the value, or %NULL
 */
GVariant *
moss_ffi_result_get_value (MossFfiResult *result, const char *name)
{
  return g_variant_lookup_value (result->values, name, NULL);
}

/**
 * moss_ffi_result_get_run_us:
 * @result: a result
 *
 * Returns: how long the function itself ran, in microseconds, as its provider says
 */
guint64
moss_ffi_result_get_run_us (MossFfiResult *result)
{
  return result->run_us;
}

/**
 * moss_ffi_result_get_explanation:
 * @result: a result
 *
 * Returns: (transfer none) (nullable): an a{sv} that says who did it and why: "provider"
 * s, "capability" s, "predicted-us" t, "measured-us" t, "tried" as, "steps" aa{sv}
 */
GVariant *
moss_ffi_result_get_explanation (MossFfiResult *result)
{
  return result->explanation;
}

/* --- is it what was asked for?
 * ------------------------------------------------------------ */

static gboolean
wrong (GError **error, const char *wanted, const char *got)
{
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_WRONG_TYPE,
               "The provider was to give %s, but gave %s", wanted, got);
  return FALSE;
}

#define VALUE_CAPS "application/x-moss-value"

/* "application/x-moss-value,type=s": a value of that type by the name "value". */
static gboolean
check_value (MossFfiResult *result, const char *out_caps, GError **error)
{
  const char *type = strstr (out_caps, "type=");
  g_autoptr (GVariant) value = moss_ffi_result_get_value (result, "value");

  if (value == NULL)
    return wrong (error, out_caps, "no value");
  if (type == NULL)
    return TRUE;
  type += strlen ("type=");
  if (g_variant_type_string_is_valid (type)
      && g_variant_is_of_type (value, G_VARIANT_TYPE (type)))
    return TRUE;
  return wrong (error, out_caps, g_variant_get_type_string (value));
}

static gboolean
same_media_type (const char *caps, const char *wanted)
{
  gsize length = strcspn (wanted, ",; ");

  return strcspn (caps, ",; ") == length
         && g_ascii_strncasecmp (caps, wanted, length) == 0;
}

static gboolean
is_kind_of (const char *caps, const char *wanted)
{
  g_autoptr (MossFfiCaps) is = moss_ffi_caps_parse (caps, NULL);
  g_autoptr (MossFfiCaps) should = moss_ffi_caps_parse (wanted, NULL);

  return is != NULL && should != NULL && moss_ffi_caps_is_subset (is, should);
}

/* Whether @result is what @out_caps promised; "" promises nothing. Any thread. */
gboolean
moss_ffi_result_check (MossFfiResult *result, const char *out_caps, GError **error)
{
  const char *caps;

  if (*out_caps == '\0')
    return TRUE;
  if (same_media_type (VALUE_CAPS, out_caps))
    return check_value (result, out_caps, error);
  if (result->buffers->len != 1)
    return wrong (error, out_caps,
                  result->buffers->len == 0 ? "nothing" : "several buffers");
  caps = moss_ffi_buffer_get_caps (result->buffers->pdata[0]);
  return g_str_equal (caps, out_caps) || is_kind_of (caps, out_caps)
         || wrong (error, out_caps, caps);
}
