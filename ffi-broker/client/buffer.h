// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "error.h"

#include <glib-object.h>

G_BEGIN_DECLS

#define MOSS_FFI_TYPE_BUFFER (moss_ffi_buffer_get_type ())

/**
 * MossFfiBuffer:
 *
 * Data on its way to or from a function: bytes, and caps that say what they are
 * ("image/png", "video/x-raw,format=RGB,width=640,height=480"). Small ones are in memory,
 * big ones in a memfd that nobody can shrink any more. Once handed to a call it can't be
 * written any more.
 *
 * A reference counted boxed type; a buffer that is not being written may be used by any
 * thread.
 */
typedef struct _MossFfiBuffer MossFfiBuffer;

GType moss_ffi_buffer_get_type (void);

MossFfiBuffer *moss_ffi_buffer_new (const char *caps, GBytes *bytes);
MossFfiBuffer *
moss_ffi_buffer_new_writable (const char *caps, gsize length, GError **error);
MossFfiBuffer *moss_ffi_buffer_new_for_fd (
    const char *caps, int fd, guint64 offset, guint64 length, GError **error);
MossFfiBuffer *moss_ffi_buffer_ref (MossFfiBuffer *buffer);
void moss_ffi_buffer_unref (MossFfiBuffer *buffer);

guint8 *moss_ffi_buffer_get_data (MossFfiBuffer *buffer, gsize *length);
gboolean moss_ffi_buffer_write (MossFfiBuffer *buffer,
                                gsize offset,
                                GBytes *bytes,
                                GError **error);
gboolean moss_ffi_buffer_seal (MossFfiBuffer *buffer, GError **error);
gboolean moss_ffi_buffer_shorten (MossFfiBuffer *buffer, gsize length, GError **error);

GBytes *moss_ffi_buffer_get_bytes (MossFfiBuffer *buffer, GError **error);
gsize moss_ffi_buffer_get_length (MossFfiBuffer *buffer);
const char *moss_ffi_buffer_get_caps (MossFfiBuffer *buffer);
void moss_ffi_buffer_set_caps (MossFfiBuffer *buffer, const char *caps);
int moss_ffi_buffer_get_fd (MossFfiBuffer *buffer);
guint64 moss_ffi_buffer_get_offset (MossFfiBuffer *buffer);

/* At most this many; a picture has (height, bytes a row) and (width, bytes a pixel). */
#define MOSS_FFI_BUFFER_DIMS 8
void moss_ffi_buffer_add_dim (MossFfiBuffer *buffer, guint64 extent, gint64 stride);
guint moss_ffi_buffer_get_n_dims (MossFfiBuffer *buffer);
gboolean moss_ffi_buffer_get_dim (MossFfiBuffer *buffer,
                                  guint index,
                                  guint64 *extent,
                                  gint64 *stride);
void moss_ffi_buffer_set_metadata (MossFfiBuffer *buffer, GVariant *metadata);
GVariant *moss_ffi_buffer_get_metadata (MossFfiBuffer *buffer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiBuffer, moss_ffi_buffer_unref)

/* Its form in a frame: bytes when short, index of the descriptor, offset, length, caps,
 * (extent, stride) of each dimension, metadata. */
#define MOSS_FFI_BUFFER_TYPE "(ayittsa(tx)a{sv})"
#define MOSS_FFI_BUFFER_INLINE (32 * 1024)

G_END_DECLS
