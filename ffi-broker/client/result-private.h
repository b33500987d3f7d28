// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "result.h"

G_BEGIN_DECLS

MossFfiResult *moss_ffi_result_new (GPtrArray *buffers, GVariant *values, guint64 run_us);
void moss_ffi_result_set_explanation (MossFfiResult *result, GVariant *explanation);
gboolean
moss_ffi_result_check (MossFfiResult *result, const char *out_caps, GError **error);

G_END_DECLS
