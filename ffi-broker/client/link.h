// SPDX-License-Identifier: LGPL-2.1-or-later
/* One call over one connection to a provider: what the client does, and the broker when
 * it measures one. Not a part of the public interface. */
#pragma once

#include "client.h"

G_BEGIN_DECLS

/* What is asked of a provider; everything is borrowed. */
typedef struct
{
  const char *function; /* as the offer says */
  const char *out_caps; /* what must come back, one for each output; "" = anything */
  GVariant *options;    /* a{sv} or NULL */
  MossFfiBuffer *const *inputs;
  guint n_inputs;
  guint64 bytes_out;  /* expected; 0 = unknown */
  gint64 deadline_us; /* from now; 0 = none */
  gboolean trusted;   /* both ends trust each other: unsealed memory may be shared */
  MossFfiProgress progress; /* as often as the provider says something; any fraction 0..1 */
  gpointer progress_data;
} MossFfiRequest;

MossFfiResult *moss_ffi_link_call (int socket,
                                   const MossFfiRequest *request,
                                   GCancellable *cancellable,
                                   GError **error);

G_END_DECLS
