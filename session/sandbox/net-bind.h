/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "registry.h"

G_BEGIN_DECLS

/* Where the owner's /net is for their sandboxes: a mount that only we see, where the owner is the
 * app's user. Made on first use. NULL when they have no /net, or this kernel can't give it to a
 * sandbox. Free with g_free(). */
char *moss_net_bind_path (MossRegistry *registry, uid_t owner, GError **error);
/* A copy of that mount which hangs nowhere yet; -1 like NULL there. The caller closes it. */
int moss_net_bind_make (MossRegistry *registry, uid_t owner, GError **error);

/* Mounts it in one sandbox that runs and hasn't got it; its lock is held. */
void moss_net_bind_late (MossSandbox *sandbox);
/* Mounts and unmounts it in all of the owner's sandboxes that run. */
void moss_net_bind_all (MossRegistry *registry, uid_t owner);
void moss_net_unbind_all (MossRegistry *registry, uid_t owner);

G_END_DECLS
