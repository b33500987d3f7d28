/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* The cgroup v2 directories that hold sandboxes. They need no controller, only cgroup.freeze
 * (Linux 5.2) and cgroup.kill (5.14). All of it may be called from any thread. */

/* Opens (makes) the directory below our own cgroup in which all sandboxes of this sandboxd
 * live. name keeps two daemons apart. note is a file that remembers the place: a daemon that is
 * started from elsewhere must find what the last one left. Returns an fd, or -1 with error. */
int moss_sandbox_cgroup_open_base (const char *name, const char *note, GError **error);

/* Makes or opens the cgroup of one sandbox. Returns an fd, or -1 with error. */
int moss_sandbox_cgroup_open (int base_fd, const char *name, gboolean create, GError **error);

/* Asks for freeze or thaw, and for a freeze waits until every task stands still. */
gboolean moss_sandbox_cgroup_set_frozen (int cgroup_fd, gboolean frozen, GError **error);
gboolean moss_sandbox_cgroup_get_frozen (int cgroup_fd);

/* Kills all that is in it, frozen or not, and waits until it is empty. */
gboolean moss_sandbox_cgroup_kill (int cgroup_fd, GError **error);
gboolean moss_sandbox_cgroup_is_empty (int cgroup_fd);

/* Process ids in it, as seen from here. Free with g_array_unref(). Empty on error. */
GArray *moss_sandbox_cgroup_get_pids (int cgroup_fd);

/* Removes it when empty. */
void moss_sandbox_cgroup_remove (int base_fd, const char *name);

G_END_DECLS
