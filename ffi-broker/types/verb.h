// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a function does, from a closed list, and what the parts of a tensor are. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define MOSS_FFI_TEXT_MAX 4096

#define MOSS_FFI_TEXT_ERROR (moss_ffi_text_error_quark ())
typedef enum
{
  MOSS_FFI_TEXT_ERROR_MALFORMED, /* not the language of docs/formats/capability.md */
  MOSS_FFI_TEXT_ERROR_TOO_LONG,  /* beyond a bound of it */
  MOSS_FFI_TEXT_ERROR_UNKNOWN,   /* a verb, dtype, option or program that isn't there */
  MOSS_FFI_TEXT_ERROR_REFUSED,   /* well said, but a value is not allowed */
} MossFfiTextError;

GQuark moss_ffi_text_error_quark (void);

typedef enum
{
  MOSS_FFI_VERB_CONVERT,
  MOSS_FFI_VERB_ENCODE,
  MOSS_FFI_VERB_DECODE,
  MOSS_FFI_VERB_TRANSFORM,
  MOSS_FFI_VERB_FILTER,
  MOSS_FFI_VERB_REDUCE,
  MOSS_FFI_VERB_COMPARE,
  MOSS_FFI_VERB_GENERATE,
  MOSS_FFI_VERB_HASH,
  MOSS_FFI_N_VERBS,
} MossFfiVerb;

const char *moss_ffi_verb_name (MossFfiVerb verb);
gboolean moss_ffi_verb_parse (const char *text, gsize length, MossFfiVerb *verb);
gboolean moss_ffi_verb_keeps_meaning (MossFfiVerb verb);

/* DLPack's codes (DLDataTypeCode of dlpack.h 0.8). */
typedef enum
{
  MOSS_FFI_DTYPE_INT = 0,
  MOSS_FFI_DTYPE_UINT = 1,
  MOSS_FFI_DTYPE_FLOAT = 2,
  MOSS_FFI_DTYPE_BFLOAT = 4,
  MOSS_FFI_DTYPE_COMPLEX = 5,
  MOSS_FFI_DTYPE_BOOL = 6,
} MossFfiDtypeCode;

typedef struct
{
  guint8 code; /* MossFfiDtypeCode */
  guint8 bits;
  guint16 lanes;
} MossFfiDtype;

gboolean moss_ffi_dtype_parse (const char *text, MossFfiDtype *dtype, GError **error);
char *moss_ffi_dtype_to_string (const MossFfiDtype *dtype);
gsize moss_ffi_dtype_bytes (const MossFfiDtype *dtype);

G_END_DECLS
