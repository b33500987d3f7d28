/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "criu.h"

G_BEGIN_DECLS

/* Reads and removes the stats-dump file of a dump that just ended. Without it stats stay
 * as they are. */
void moss_criu_read_dump_stats (int images_dirfd, MossCriuStats *stats);

/* The text of a small file, at most max bytes of its end; NULL when there is none.
 * g_free(). */
char *moss_criu_read_tail (int dirfd, const char *name, gsize max, gsize *size);

G_END_DECLS
