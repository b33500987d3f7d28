/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* Which Unix sockets of a sandbox lead out of it. (transfer full): a set of inode numbers, as
 * GUINT_TO_POINTER, of sockets in the namespace of process pid whose other end is not there.
 * Empty when the kernel doesn't tell. Any thread; takes a millisecond. */
GHashTable *moss_outward_find (pid_t pid);

/* Whether a socket was made in another network namespace than that of process pid. */
gboolean moss_outward_is_foreign (int socket_fd, pid_t pid);

G_END_DECLS
