/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manager.h"

G_BEGIN_DECLS

/* Has /net mounted while netd has the keys of this person's files, and keeps the connection, so
 * that a netd that dies or hangs costs programs no more than a moment. Main thread. */
typedef struct _MossNetMount MossNetMount;

MossNetMount *moss_net_mount_new (MossManager *manager);
/* Unmounts it and frees. */
void moss_net_mount_free (MossNetMount *mount);

G_END_DECLS
