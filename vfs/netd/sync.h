// SPDX-License-Identifier: GPL-3.0-or-later
/* The tree of this device's identity, kept alike on all its devices and on its hosts. */
#pragma once

#include "core/identity/chain.h"
#include "vfs/netd/netd.h"
#include "vfs/tree/tree.h"

typedef struct _Sync Sync;

#define SYNC_CALL_PREFIX "tree."

/* main.c */
void sync_start (Netd *netd);
void sync_stop (Netd *netd);

/* home.c, main context. @tree: %NULL before it is closed: returns when nobody here uses it. */
void sync_set_tree (Netd *netd, MossTree *tree);
/* identity.c, main context. @chain: (nullable): what holds from now on. */
void sync_set_chain (Netd *netd, MossChain *chain);
/* peers.c, main context: a device was linked, or its link went. */
void sync_links_changed (Netd *netd);
/* A call of another device whose method begins with SYNC_CALL_PREFIX. */
void sync_call (Netd *netd,
                MossLink *link,
                guint64 request,
                const char *method,
                GVariant *body);

/* What MossTreeCallbacks wants; user_data is the Netd. */
gboolean sync_fetch (const MossId *ids, gsize count, gpointer netd, GError **error);
void sync_committed (const MossTreeRoot *root, GBytes *record, gpointer netd);

/* What MossMountHooks wants; any thread. */
guint sync_count_hosts (const MossTreeInfo *info, gpointer netd);
guint sync_cost_ms (guint64 bytes, gpointer netd);

/* The tree, which stays until it is given back, or NULL. Any thread. */
MossTree *sync_borrow_tree (Netd *netd);
void sync_return_tree (Netd *netd);
/* files-sync.c: the handlers of Files1 that are about other devices. */
void sync_export (Netd *netd);
/* files.c, main context. */
GVariant *sync_status (Netd *netd);
void sync_pause (Netd *netd, gboolean paused);
/* sync-latest.c, any thread */
void sync_note_came (Netd *netd, guint64 ino);
void sync_note_saved (guint64 ino, gpointer netd);
void sync_note_changes (const MossTreeChange *changes, gsize count, gpointer netd);

/* agent-sign.c: any thread, waits for the agent. */
GBytes *agent_sign (Netd *netd,
                    const char *domain,
                    const guint8 *message,
                    gsize length,
                    guint *suite,
                    GError **error);
