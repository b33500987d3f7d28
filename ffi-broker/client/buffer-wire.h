// SPDX-License-Identifier: LGPL-2.1-or-later
/* Buffers into frames and out of them; not a part of the public interface. */
#pragma once

#include "buffer.h"
#include "frame.h"

G_BEGIN_DECLS

/* What a receiver lets pass. Shrinking and growing must be sealed for all of them, and
 * only a memfd can be sealed: a file on a slow disk or a device is refused by that. */
typedef enum
{
  MOSS_FFI_TRUST_SEALED, /* an argument: refused when its sender can still write it */
  MOSS_FFI_TRUST_COPY,   /* a result: copied when its sender can still write it */
  MOSS_FFI_TRUST_ALL,    /* our own processes: used as it is */
  MOSS_FFI_TRUST_LENT, /* an argument for one of those, which gives it back by answering */
} MossFfiTrust;

/* Lent by the buffers, to be sent with their frame. */
typedef struct
{
  int fds[MOSS_FFI_FRAME_FDS];
  guint n_fds;
} MossFfiFds;

GVariant *moss_ffi_buffers_to_wire (MossFfiBuffer *const *buffers,
                                    guint n_buffers,
                                    MossFfiTrust trust,
                                    MossFfiFds *fds,
                                    GError **error);
GPtrArray *moss_ffi_buffers_from_wire (GVariant *buffers,
                                       MossFfiFrame *frame,
                                       MossFfiTrust trust,
                                       GError **error);
gboolean moss_ffi_buffer_check (MossFfiBuffer *buffer, GError **error);
gboolean moss_ffi_buffer_share (MossFfiBuffer *buffer, MossFfiTrust trust, GError **error);
void moss_ffi_buffer_forgo (MossFfiBuffer *buffer);
gboolean moss_ffi_buffer_is_lent (MossFfiBuffer *argument, MossFfiBuffer *result);
void moss_ffi_buffer_avoid_mappings (void);

G_END_DECLS
