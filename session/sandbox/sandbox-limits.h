/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Limits the calling process, which is to become pid 1 of a sandbox, and all that it starts.
 * System calls only; returns 0 or -1 with errno. */
int moss_limits_set_resources (void);

/* Limits what the sandbox whose pid 1 is pidfd can take of root's share. Where the machine doesn't
 * let us (/proc/sys can be read-only in a container) that is only logged. Any thread. */
void moss_limits_set_share (int pidfd);

G_END_DECLS
