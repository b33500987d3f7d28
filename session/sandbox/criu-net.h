/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* Brings the loopback interface up in the network namespace of pid. The calling thread is
 * in that namespace for a moment. */
gboolean moss_criu_raise_loopback (pid_t pid, GError **error);

G_END_DECLS
