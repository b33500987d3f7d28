// SPDX-License-Identifier: LGPL-2.1-or-later
#include "verb.h"

#include <string.h>

G_DEFINE_QUARK (moss-ffi-text-error-quark, moss_ffi_text_error)

/* The list is closed: a new verb would split what one request finds today. */
static const char *const verbs[MOSS_FFI_N_VERBS]
    = { "convert", "encode",  "decode",   "transform", "filter",
        "reduce",  "compare", "generate", "hash" };

/* The verb's word, static. */
const char *
moss_ffi_verb_name (MossFfiVerb verb)
{
  g_return_val_if_fail (verb < MOSS_FFI_N_VERBS, NULL);
  return verbs[verb];
}

/* TRUE when the @length bytes of @text are a verb. */
gboolean
moss_ffi_verb_parse (const char *text, gsize length, MossFfiVerb *verb)
{
  for (guint i = 0; i < MOSS_FFI_N_VERBS; i++)
    if (strlen (verbs[i]) == length && memcmp (verbs[i], text, length) == 0)
      {
        *verb = i;
        return TRUE;
      }
  return FALSE;
}

/* The same content in another form: such functions may be put in a chain unasked. */
gboolean
moss_ffi_verb_keeps_meaning (MossFfiVerb verb)
{
  return verb == MOSS_FFI_VERB_CONVERT || verb == MOSS_FFI_VERB_ENCODE ||
         verb == MOSS_FFI_VERB_DECODE;
}

static const struct
{
  const char *name;
  guint8 code, bits;
} dtypes[] = {
  { "i8", MOSS_FFI_DTYPE_INT, 8 },       { "i16", MOSS_FFI_DTYPE_INT, 16 },
  { "i32", MOSS_FFI_DTYPE_INT, 32 },     { "i64", MOSS_FFI_DTYPE_INT, 64 },
  { "u8", MOSS_FFI_DTYPE_UINT, 8 },      { "u16", MOSS_FFI_DTYPE_UINT, 16 },
  { "u32", MOSS_FFI_DTYPE_UINT, 32 },    { "u64", MOSS_FFI_DTYPE_UINT, 64 },
  { "f16", MOSS_FFI_DTYPE_FLOAT, 16 },   { "f32", MOSS_FFI_DTYPE_FLOAT, 32 },
  { "f64", MOSS_FFI_DTYPE_FLOAT, 64 },   { "bf16", MOSS_FFI_DTYPE_BFLOAT, 16 },
  { "c64", MOSS_FFI_DTYPE_COMPLEX, 64 }, { "c128", MOSS_FFI_DTYPE_COMPLEX, 128 },
  { "bool", MOSS_FFI_DTYPE_BOOL, 8 },
};

/* Reads "i32", or "f32x4" with four lanes. Vocabulary: DLPack's DLDataType. */
gboolean
moss_ffi_dtype_parse (const char *text, MossFfiDtype *dtype, GError **error)
{
  gsize word = strcspn (text, "x");
  guint64 lanes = 1;

  if (text[word] == 'x' && !g_ascii_string_to_unsigned (text + word + 1, 10, 2, 64, &lanes, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    if (strlen (dtypes[i].name) == word && memcmp (dtypes[i].name, text, word) == 0)
      {
        *dtype = (MossFfiDtype){ dtypes[i].code, dtypes[i].bits, lanes };
        return TRUE;
      }
  g_set_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_UNKNOWN,
               "“%.16s” is no type of a tensor: there are i8 to i64, u8 to u64, f16, bf16, f32, "
               "f64, c64, c128, bool",
               text);
  return FALSE;
}

/* The text of @dtype; NULL when it has none. */
char *
moss_ffi_dtype_to_string (const MossFfiDtype *dtype)
{
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    if (dtypes[i].code == dtype->code && dtypes[i].bits == dtype->bits)
      return dtype->lanes == 1 ? g_strdup (dtypes[i].name)
                               : g_strdup_printf ("%sx%u", dtypes[i].name, dtype->lanes);
  return NULL;
}

/* Bytes of one element with all its lanes. */
gsize
moss_ffi_dtype_bytes (const MossFfiDtype *dtype)
{
  return (gsize) dtype->bits / 8 * dtype->lanes;
}
