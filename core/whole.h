// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean moss_pread_all (int fd, guint8 *data, gsize length, guint64 offset);
gboolean moss_pwrite_all (int fd, const guint8 *data, gsize length, guint64 offset);

G_END_DECLS
