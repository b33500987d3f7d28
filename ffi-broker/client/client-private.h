// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "client.h"
#include "session.h"

G_BEGIN_DECLS

/* A connection to a provider while nobody calls on it. */
typedef struct
{
  int socket;
  gboolean trusted;
} MossFfiIdle;

MossFfiSession *moss_ffi_client_get_session (MossFfiClient *client, GError **error);
MossFfiSession *moss_ffi_client_peek_session (MossFfiClient *client);
gboolean moss_ffi_client_had_session (MossFfiClient *client);
gboolean moss_ffi_client_take_link (MossFfiClient *client,
                                    MossFfiSession *session,
                                    guint provider,
                                    gint64 until_us,
                                    MossFfiIdle *link,
                                    GError **error);
void moss_ffi_client_give_link (MossFfiClient *client,
                                MossFfiSession *session,
                                guint provider,
                                const MossFfiIdle *link);

/* Whom to tell how much of a call is done; see call-progress.c. */
typedef struct
{
  MossFfiProgress func; /* in the calling thread; NULL: nobody */
  gpointer data;
  double from, to; /* the part of the whole that is under way */
  double told;
  gint64 told_us;
} MossFfiTold;

void moss_ffi_told_part (MossFfiTold *told, double from, double to);
gboolean moss_ffi_told_take (MossFfiTold *told, double fraction, gint64 now_us);

/* call.c: one call from the text to the result, in the calling thread. @own_us: what the
 * caller would take itself, 0: it can't; then nobody is asked who would be slower, or for
 * longer than thrice that, and nobody is waited for. */
MossFfiResult *moss_ffi_call_run (MossFfiClient *client,
                                  const char *text,
                                  MossFfiBuffer *const *inputs,
                                  guint n_inputs,
                                  GVariant *options,
                                  double own_us,
                                  const MossFfiTold *told,
                                  GCancellable *cancellable,
                                  GError **error);

G_END_DECLS
