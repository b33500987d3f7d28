// SPDX-License-Identifier: LGPL-2.1-or-later
/* The inside of a buffer, for buffer.c and buffer-wire.c only. */
#pragma once

#include "buffer-wire.h"
#include "pool.h"

G_BEGIN_DECLS

struct _MossFfiBuffer
{
  gatomicrefcount refs;
  GMutex lock; /* of bytes and fd, which come late */
  char *caps;
  guint8 *writable; /* until sealed */
  gsize room;       /* of writable */
  GBytes *bytes;
  int fd; /* -1: in memory only */
  MossFfiPooled lent; /* a copy for who trusts us, which goes back to the pool */
  gboolean forgone;   /* or doesn't */
  guint64 offset;
  gsize length;
  guint n_dims;
  struct
  {
    guint64 extent;
    gint64 stride;
  } dims[MOSS_FFI_BUFFER_DIMS];
  GVariant *metadata;
};

MossFfiBuffer *moss_ffi_buffer_make (const char *caps);
void moss_ffi_buffer_end_writing (MossFfiBuffer *buffer);
GBytes *moss_ffi_buffer_read (MossFfiBuffer *buffer, GError **error);
int moss_ffi_memfd_make (gsize length, GError **error);
gboolean moss_ffi_fd_has (int fd, guint64 offset, guint64 length, GError **error);
gboolean moss_ffi_fd_seal (int fd, GError **error);

G_END_DECLS
