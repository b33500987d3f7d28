// SPDX-License-Identifier: LGPL-2.1-or-later
/* One connection of a client to the broker: questions, the table, and people's
 * cancellations. Not a part of the public interface. Any thread. */
#pragma once

#include "ffi-broker/market/table.h"
#include "frame.h"

G_BEGIN_DECLS

typedef struct _MossFfiSession MossFfiSession;

MossFfiSession *moss_ffi_session_new (int socket, GError **error);
MossFfiSession *moss_ffi_session_ref (MossFfiSession *session);
void moss_ffi_session_unref (MossFfiSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiSession, moss_ffi_session_unref)

void moss_ffi_session_close (MossFfiSession *session);
gboolean moss_ffi_session_is_over (MossFfiSession *session);
MossFfiTable *moss_ffi_session_get_table (MossFfiSession *session);
gboolean moss_ffi_session_ask (MossFfiSession *session,
                               MossFfiFrameKind kind,
                               GVariant *body,
                               gint64 until_us,
                               MossFfiFrameKind expected,
                               MossFfiFrame *answer,
                               GError **error);
void moss_ffi_session_tell (MossFfiSession *session,
                            MossFfiFrameKind kind,
                            guint64 serial,
                            GVariant *body);
void moss_ffi_session_try_tell (MossFfiSession *session,
                                MossFfiFrameKind kind,
                                guint64 serial,
                                GVariant *body);
guint64 moss_ffi_session_begin (MossFfiSession *session,
                                const char *what,
                                guint64 predicted_us,
                                guint offer,
                                GCancellable *cancellable);
void moss_ffi_session_end (MossFfiSession *session, guint64 serial);

G_END_DECLS
