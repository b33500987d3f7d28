/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a canary hands to a provider: inputs of a size, and values for the options that must be
 * there. */
#include "broker.h"

#include "ffi-broker/client/buffer.h"

/* A value for an option that must be there; NULL when none can be guessed. */
static GVariant *
guess_option (const MossFfiOption *option, const MossFfiCaps *input)
{
  gint64 side = 16;

  if (input != NULL)
    moss_ffi_caps_get_int (input, "width", &side);
  if (g_str_equal (option->name, "left") || g_str_equal (option->name, "top"))
    side = 0;
  else if (g_str_equal (option->name, "width") || g_str_equal (option->name, "height"))
    side = MAX (1, side / 2);
  else
    side = 1;
  switch (option->type[0])
    {
    case 'y':
      return g_variant_new_byte (side);
    case 'n':
      return g_variant_new_int16 (side);
    case 'q':
      return g_variant_new_uint16 (side);
    case 'i':
      return g_variant_new_int32 (side);
    case 'u':
      return g_variant_new_uint32 (side);
    case 'x':
      return g_variant_new_int64 (side);
    case 't':
      return g_variant_new_uint64 (side);
    case 'd':
      return g_variant_new_double (1);
    case 'b':
      return g_variant_new_boolean (FALSE);
    default:
      return NULL;
    }
}

GVariant *
canary_guess_options (const MossFfiCapability *capability, const MossFfiCaps *input)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  for (guint i = 0; i < capability->options->len; i++)
    {
      const MossFfiOption *option =
          &g_array_index (capability->options, MossFfiOption, i);
      GVariant *value = option->optional ? NULL : guess_option (option, input);

      if (value != NULL)
        g_variant_dict_insert_value (&dict, option->name, value);
      else if (!option->optional)
        {
          g_variant_dict_clear (&dict);
          return NULL;
        }
    }
  return g_variant_dict_end (&dict);
}

GPtrArray *
canary_make_inputs (const MossFfiCapability *capability, gsize size, MossFfiCaps **first,
                    guint64 *bytes_in)
{
  g_autoptr (GPtrArray) inputs =
      g_ptr_array_new_with_free_func ((GDestroyNotify) moss_ffi_buffer_unref);

  *first = NULL;
  *bytes_in = 0;
  for (guint i = 0; i < capability->inputs->len; i++)
    {
      g_autoptr (MossFfiCaps) caps = NULL;
      g_autoptr (GBytes) bytes = sample_make (
          moss_ffi_capability_get_input (capability, i), size, &caps);

      if (bytes == NULL || caps == NULL)
        {
          g_clear_pointer (first, moss_ffi_caps_unref);
          return NULL;
        }
      g_ptr_array_add (inputs, moss_ffi_buffer_new (moss_ffi_caps_get_text (caps), bytes));
      *bytes_in += g_bytes_get_size (bytes);
      if (*first == NULL)
        *first = g_steal_pointer (&caps);
    }
  return g_steal_pointer (&inputs);
}
