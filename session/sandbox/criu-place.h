/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* Moves CRIU into the sandbox's cgroup, or out of it, while it works on. */
typedef struct _MossCriuPlace MossCriuPlace;

MossCriuPlace *moss_criu_place_inside (int cgroup_dirfd, pid_t criu_pid);
MossCriuPlace *moss_criu_place_outside (int cgroup_dirfd, pid_t criu_pid);

/* Waits until it is done and frees place. FALSE when it failed, or place is NULL: it
 * never began. */
gboolean moss_criu_place_wait (MossCriuPlace *place, GError **error);

G_END_DECLS
