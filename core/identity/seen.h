// SPDX-License-Identifier: LGPL-2.1-or-later
/* The newest chain of each identity that this device has seen. */
#pragma once

#include "core/identity/chain.h"

G_BEGIN_DECLS

typedef struct _MossSeen MossSeen;

MossSeen *moss_seen_open (const char *path, GError **error);
void moss_seen_free (MossSeen *seen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossSeen, moss_seen_free)

gboolean moss_seen_check (MossSeen *seen, MossChain *chain, GError **error);
gboolean moss_seen_take (MossSeen *seen, MossChain *chain, GError **error);
gboolean moss_seen_replace (MossSeen *seen, MossChain *chain, GError **error);
gboolean moss_seen_leave (MossSeen *seen, MossChain *chain, guint16 slot, GError **error);

G_END_DECLS
