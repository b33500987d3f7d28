// SPDX-License-Identifier: LGPL-2.1-or-later
/* What raw pictures hold, by GStreamer's names of formats. Only plan.c uses this. */
#pragma once

#include "ffi-broker/types/caps.h"

G_BEGIN_DECLS

guint moss_ffi_colour_most (const MossFfiCaps *from, const MossFfiCaps *to);
gboolean moss_ffi_colour_follow (const char *format, guint least, guint *model, guint *models);
MossFfiCaps *moss_ffi_colour_keep (const MossFfiCaps *out,
                                   const MossFfiCaps *from,
                                   gboolean same_format);

G_END_DECLS
