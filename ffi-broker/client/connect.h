// SPDX-License-Identifier: LGPL-2.1-or-later
/* The way to the broker; not a part of the public interface. Any thread. */
#pragma once

#include "frame.h"

G_BEGIN_DECLS

char *moss_ffi_socket_path (void);
int moss_ffi_connect_to (const char *path, GError **error);
int moss_ffi_connect (GError **error);
gboolean
moss_ffi_await_frame (int socket, gint64 until_us, MossFfiFrame *frame, GError **error);

G_END_DECLS
