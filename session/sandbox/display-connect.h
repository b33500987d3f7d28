/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* Connects to the display inside of the sandbox whose pid 1 is pid (as seen from here).
 * Returns a non-blocking stream socket that is the caller's, or -1 with error. Any thread. */
int moss_display_connect (pid_t pid, GError **error);

/* Has the display of that sandbox let go of everything that leads outward; returns once it
 * has. Blocks for at most a second. */
gboolean moss_display_detach_all (pid_t pid, GError **error);

G_END_DECLS
