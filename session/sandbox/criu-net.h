/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* A network namespace with nothing in it but loopback, which is up; nobody's until a process
 * enters it. Returns a descriptor that the caller closes, or -1. */
int moss_criu_make_network (GError **error);

/* The network namespace of a process. Returns a descriptor that the caller closes, or -1. */
int moss_criu_open_network (pid_t pid, GError **error);

G_END_DECLS
