/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "criu.h"
#include "requests.h"

G_BEGIN_DECLS

/* The requests that take a sandbox apart and put one together. */
GVariant *moss_travel_dump (MossRequest *request, GError **error);
GVariant *moss_travel_restore (MossRequest *request, GError **error);
GVariant *moss_travel_prepare (MossRequest *request, GError **error);
GVariant *moss_travel_read_layer (MossRequest *request, GError **error);

/* Looks once, in a thread of its own, whether CRIU works here and warms its caches. */
void moss_travel_start (const char *criu);
/* The sentences found; waits for the look to end. Free with g_strfreev(). */
GStrv moss_travel_get_problems (void);
/* CRIU's version or "". Constant. */
const char *moss_travel_get_version (void);

/* Sets INCOMPATIBLE when apps can't travel here. */
gboolean moss_travel_require_criu (GError **error);
/* What every request asks of CRIU. sandbox: whose name stands in messages, or NULL. */
void moss_travel_fill_config (MossCriuConfig *config, MossSandbox *sandbox);
/* A CRIU that waits for a restore of sandbox, whose lock is held, or NULL; see moss_criu_warm(). */
struct _MossCriuWorker *moss_travel_warm (MossSandbox *sandbox);

G_END_DECLS
