/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* The few files of a cgroup v2 directory that a move needs. Errors are of
 * MOSS_CRIU_ERROR. */

gboolean moss_cgroup_set_frozen (int cgroup_dirfd, gboolean frozen, GError **error);

/* Waits until every task of it is frozen. */
gboolean moss_cgroup_wait_frozen (int cgroup_dirfd, guint timeout_ms, GError **error);

/* Kills all tasks, frozen or not, and waits until they are gone. */
gboolean moss_cgroup_kill (int cgroup_dirfd, guint timeout_ms, GError **error);

gboolean moss_cgroup_add (int cgroup_dirfd, pid_t pid, GError **error);

G_END_DECLS
