// SPDX-License-Identifier: GPL-3.0-or-later
/* A real worker, started as the broker does, and the test in the place of the broker and of a
 * caller. */
#pragma once

#include "ffi-broker/client/moss-ffi.h"
#include "pictures.h"

G_BEGIN_DECLS

typedef struct
{
  GSubprocess *process;
  int broker; /* our end */
  int caller; /* a connection to its provider */
  char *id;
  GVariant *offers; /* aa{sv} */
  gint64 patience_us;
} Worker;

Worker *worker_start (const char *bridge, const char *manifest);
int worker_end (Worker *worker);
void worker_free (Worker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Worker, worker_free)

const char *worker_find (Worker *worker, const char *key, guint channels);
gboolean worker_get_flag (Worker *worker, const char *function, const char *attribute);
MossFfiResult *worker_call (Worker *worker, const char *function, const char *out_caps,
                            MossFfiBuffer *input, const char *options, GError **error);

MossFfiBuffer *buffer_of_picture (const Picture *picture);
MossFfiBuffer *buffer_of_bytes (const char *caps, GBytes *bytes);
Picture picture_of_result (MossFfiResult *result);

G_END_DECLS
