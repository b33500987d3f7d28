// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "vfs/netd/netd.h"

G_BEGIN_DECLS

/* Answers Info, Versions, Restore or Pin when there is a tree; FALSE: there is none, and the call
 * waits for another answer. Takes the invocation when TRUE. */
gboolean files_tree_answer (Netd *netd, GDBusMethodInvocation *invocation);

/* files.c: there is no such path, or it is none of /net. Always FALSE. */
gboolean files_fail_absent (GError **error, const char *path);

G_END_DECLS
