// SPDX-License-Identifier: GPL-3.0-or-later
/* The files of this device's identity: the tree, open while the agent gives its keys, and its mount
 * on /net. Main thread, except where it says otherwise. */
#pragma once

#include "core/identity/chain.h"
#include "vfs/netd/fuse-info.h"
#include "vfs/netd/netd.h"

G_BEGIN_DECLS

/* What the part that talks to other devices and hosts does for the files. Each may be NULL; user
 * data is netd. */
typedef struct
{
  /* The tree is there, or (NULL) about to be closed: then nobody uses it any more when this
   * returns. Main thread. */
  void (*set_tree) (Netd *netd, MossTree *tree);
  /* As in MossTreeCallbacks. */
  gboolean (*fetch) (const MossId *ids, gsize count, gpointer netd, GError **error);
  void (*committed) (const MossTreeRoot *root, GBytes *record, gpointer netd);
  void (*changed) (const MossTreeChange *changes, gsize count, gpointer netd);
  /* As in MossMountHooks. */
  void (*saved) (guint64 ino, gpointer netd);
  guint (*count_hosts) (const MossTreeInfo *info, gpointer netd);
  char *(*get_lease) (guint64 ino, gint64 *end_us, gpointer netd);
  MossMountLease (*want_lease) (guint64 ino, gboolean write, gboolean again, gpointer netd);
  void (*need_lease) (guint64 ino, guint need, gpointer netd);
  gboolean (*doubt_lease) (guint64 ino, gpointer netd);
  guint (*get_cost_ms) (guint64 bytes, gpointer netd);
} HomeSync;

void home_start (Netd *netd);
/* home-move.c */
void home_move_export (Netd *netd);
/* Unmounts nothing: the next netd goes on. */
void home_stop (Netd *netd);
/* Before home_start(); copied. */
void home_set_sync (Netd *netd, const HomeSync *sync);

/* The tree, or NULL while it is locked or there is no identity. Borrowed until set_tree (NULL). */
MossTree *home_get_tree (Netd *netd);
/* The identity's chain, or NULL. (transfer full); any thread. */
MossChain *home_ref_chain (Netd *netd);
/* This device's place in it; 0: none. Any thread. */
guint16 home_get_slot (Netd *netd);
/* "/net/NAME", or NULL without an identity. */
const char *home_get_path (Netd *netd);
/* As moss_mount_lease_settled(), while there is a mount. */
void home_lease_settled (Netd *netd, guint64 ino);
/* What the mount asks, for Files1 too; user data is netd. */
const MossMountHooks *home_get_hooks (Netd *netd);

G_END_DECLS
