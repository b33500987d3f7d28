// SPDX-License-Identifier: LGPL-2.1-or-later
/* What media types are called and which is a kind of which: shared-mime-info's "aliases" and
 * "subclasses". Read once, unchanged then: any thread. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define MOSS_FFI_MEDIA_MAX 127

typedef struct _MossFfiMedia MossFfiMedia;

MossFfiMedia *moss_ffi_media_new (const char *const *mime_dirs);
void moss_ffi_media_free (MossFfiMedia *media);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiMedia, moss_ffi_media_free)

const MossFfiMedia *moss_ffi_media_get_default (void);

gboolean moss_ffi_media_is_valid (const char *text, gsize length);
const char *moss_ffi_media_canonical (const MossFfiMedia *media, const char *type);
gboolean moss_ffi_media_is_a (const MossFfiMedia *media, const char *type, const char *base);

G_END_DECLS
