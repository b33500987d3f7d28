/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* Moves CRIU out of the sandbox's cgroup while it works on. */
typedef struct _MossCriuLeave MossCriuLeave;

MossCriuLeave *moss_criu_leave_begin (int cgroup_dirfd, pid_t criu_pid);

/* FALSE when it is still inside. leave may be NULL: it never began. */
gboolean moss_criu_leave_wait (MossCriuLeave *leave, GError **error);

/* Removes the cgroup that CRIU was moved to, once CRIU has ended. */
void moss_criu_leave_end (MossCriuLeave *leave);

G_END_DECLS
