// SPDX-License-Identifier: LGPL-2.1-or-later
/* Caps: a media type and what is known of its fields, in the text that GStreamer uses
 * ("video/x-raw,format={RGB,RGBA},width=[1,4096]"). docs/formats/capability.md. Immutable and
 * counted: any thread. */
#pragma once

#include "verb.h"

G_BEGIN_DECLS

#define MOSS_FFI_CAPS_MAX_FIELDS 32
#define MOSS_FFI_CAPS_MAX_ITEMS 256
#define MOSS_FFI_CAPS_MAX_WORD 64

typedef struct _MossFfiCaps MossFfiCaps;

MossFfiCaps *moss_ffi_caps_parse (const char *text, GError **error);
MossFfiCaps *moss_ffi_caps_parse_part (const char **at, const char *end, GError **error);
MossFfiCaps *moss_ffi_caps_ref (const MossFfiCaps *caps);
void moss_ffi_caps_unref (MossFfiCaps *caps);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiCaps, moss_ffi_caps_unref)

const char *moss_ffi_caps_get_text (const MossFfiCaps *caps);
const char *moss_ffi_caps_get_media (const MossFfiCaps *caps);
gboolean moss_ffi_caps_has_field (const MossFfiCaps *caps, const char *name);
gboolean moss_ffi_caps_has_fields_of (const MossFfiCaps *caps, const MossFfiCaps *other);
gboolean moss_ffi_caps_get_int (const MossFfiCaps *caps, const char *name, gint64 *value);
const char *moss_ffi_caps_get_string (const MossFfiCaps *caps, const char *name);
char **moss_ffi_caps_dup_choices (const MossFfiCaps *caps, const char *name);
char *moss_ffi_caps_dup_field (const MossFfiCaps *caps, const char *name);

gboolean moss_ffi_caps_equal (const MossFfiCaps *a, const MossFfiCaps *b);
gboolean moss_ffi_caps_is_fixed (const MossFfiCaps *caps);
gboolean moss_ffi_caps_is_subset (const MossFfiCaps *caps, const MossFfiCaps *of);
MossFfiCaps *moss_ffi_caps_intersect (const MossFfiCaps *a, const MossFfiCaps *b);
MossFfiCaps *moss_ffi_caps_fixate (const MossFfiCaps *caps);
MossFfiCaps *moss_ffi_caps_with_string (const MossFfiCaps *caps,
                                        const char *name,
                                        const char *value,
                                        GError **error);
MossFfiCaps *moss_ffi_caps_without (const MossFfiCaps *caps, const char *name);

G_END_DECLS
