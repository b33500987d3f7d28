// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef void (*MossParallelFunc) (gsize index, gpointer user_data);

void moss_parallel (gsize count, MossParallelFunc func, gpointer user_data);

G_END_DECLS
