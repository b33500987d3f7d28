/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* A small child that outlives us for a moment: it holds CRIU's socket open and, when we
 * are gone, kills the half-restored sandbox before it lets CRIU's socket close. */
typedef struct
{
  pid_t pid;
  int lifeline;
} MossCriuGuard;

MossCriuGuard *
moss_criu_guard_new (int socket, int cgroup_dirfd, pid_t criu_pid, GError **error);

/* All is well (or cleaned up): the guard ends and is reaped. */
void moss_criu_guard_free (MossCriuGuard *guard);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossCriuGuard, moss_criu_guard_free)

G_END_DECLS
