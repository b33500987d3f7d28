// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "buffer.h"

G_BEGIN_DECLS

#define MOSS_FFI_TYPE_RESULT (moss_ffi_result_get_type ())

/**
 * MossFfiResult:
 *
 * What a call gave back: buffers, scalar values, and how it came about. Reference
 * counted; never changes, any thread.
 */
typedef struct _MossFfiResult MossFfiResult;

GType moss_ffi_result_get_type (void);

MossFfiResult *moss_ffi_result_ref (MossFfiResult *result);
void moss_ffi_result_unref (MossFfiResult *result);

guint moss_ffi_result_get_n_buffers (MossFfiResult *result);
MossFfiBuffer *moss_ffi_result_get_buffer (MossFfiResult *result, guint index);
GVariant *moss_ffi_result_get_values (MossFfiResult *result);
GVariant *moss_ffi_result_get_value (MossFfiResult *result, const char *name);
guint64 moss_ffi_result_get_run_us (MossFfiResult *result);
GVariant *moss_ffi_result_get_explanation (MossFfiResult *result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiResult, moss_ffi_result_unref)

G_END_DECLS
