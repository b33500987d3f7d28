// SPDX-License-Identifier: LGPL-2.1-or-later
/* A program's own routine in the market; not a part of the public interface. Any thread. */
#pragma once

#include "session.h"

G_BEGIN_DECLS

guint moss_ffi_own_announce (MossFfiSession *session,
                             const char *capability,
                             gconstpointer routine,
                             GError **error);
void moss_ffi_own_report (MossFfiSession *session,
                          guint offer,
                          guint64 bytes_in,
                          guint64 bytes_out,
                          double took_us);

G_END_DECLS
