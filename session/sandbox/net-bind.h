/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "registry.h"

G_BEGIN_DECLS

/* A copy of the owner's /net in which the owner is the app's user, for a sandbox. Hangs nowhere
 * yet; the caller closes it. -1 when there is no /net, or (with error set, which may be NULL)
 * when this kernel can't give it to a sandbox. */
int moss_net_bind_make (uid_t owner, GError **error);

/* Mounts and unmounts it in all of the owner's sandboxes that run. */
void moss_net_bind_all (MossRegistry *registry, uid_t owner);
void moss_net_unbind_all (MossRegistry *registry, uid_t owner);

G_END_DECLS
