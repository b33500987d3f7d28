// SPDX-License-Identifier: LGPL-2.1-or-later
/* Memory for large arguments that is used again; not a part of the public interface. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A memfd with its mapping for writing. */
typedef struct
{
  int fd; /* -1: none */
  gsize size;
  guint8 *data;
} MossFfiPooled;

gboolean moss_ffi_pool_take (gsize length, MossFfiPooled *pooled, GError **error);
void moss_ffi_pool_give (const MossFfiPooled *pooled);
void moss_ffi_pooled_close (const MossFfiPooled *pooled);

G_END_DECLS
