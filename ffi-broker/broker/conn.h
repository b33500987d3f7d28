/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "ffi-broker/client/frame.h"

G_BEGIN_DECLS

/* A socket of frames that never makes the broker wait: a peer that doesn't read what it is sent,
 * sends what is no frame, or more than so many a second, is hung up on. Main thread. */
typedef struct _MossFfiConn MossFfiConn;

typedef struct
{
  void (*frame) (MossFfiConn *conn, MossFfiFrame *frame, gpointer user_data);
  /* The conn is freed after it; it may be called from a function that sends. */
  void (*ended) (MossFfiConn *conn, gpointer user_data);
} MossFfiConnFuncs;

/* Takes the socket. */
MossFfiConn *moss_ffi_conn_new (int socket, const MossFfiConnFuncs *funcs, gpointer user_data);
/* Frees it without `ended`; not from within `ended`. */
void moss_ffi_conn_free (MossFfiConn *conn);
/* Hangs up at the next turn of the loop, `ended` is called then. */
void moss_ffi_conn_hang_up (MossFfiConn *conn, const char *why);

/* FALSE: the peer is gone or full, and will be hung up on; or the body is too big, which whoever
 * waits for it as a result is told. Takes a floating body. */
gboolean moss_ffi_conn_send (MossFfiConn *conn, MossFfiFrameKind kind, guint64 serial,
                             GVariant *body, const int *fds, guint n_fds);
void moss_ffi_conn_send_error (MossFfiConn *conn, guint64 serial, const GError *error);

int moss_ffi_conn_get_fd (MossFfiConn *conn);

G_END_DECLS
