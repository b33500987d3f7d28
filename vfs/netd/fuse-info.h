// SPDX-License-Identifier: GPL-3.0-or-later
/* What is to be known of a file before it is opened: the same in the attributes user.moss.* and in
 * Files1. Nothing here waits. */
#pragma once

#include "vfs/netd/fuse.h"

G_BEGIN_DECLS

/* "here" | "partly" | "elsewhere" | "waiting" | "conflict" */
const char *fuse_info_state (const MossTreeInfo *info, guint64 size);
guint fuse_info_cost_ms (const MossMountHooks *hooks, gpointer user_data, guint64 missing_bytes);
guint fuse_info_hosts (const MossMountHooks *hooks, gpointer user_data,
                       const MossTreeInfo *info);
/* The holder's device name, "" when it is free. Free with g_free(). @end_us: until when, µs since
 * 1970; 0: as long as no other device can be asked. */
char *fuse_info_lease (const MossMountHooks *hooks,
                       gpointer user_data,
                       guint64 ino,
                       gint64 *end_us);

G_END_DECLS
