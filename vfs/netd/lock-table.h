// SPDX-License-Identifier: GPL-3.0-or-later
/* Which program has which lock on a file of /net: as fcntl(2) and flock(2) say, on this machine
 * alone. The table lies in the state that the next server finds, so that a program keeps its locks
 * when this one is killed. The caller sees to it that one thread at a time is in here. */
#pragma once

#include "vfs/netd/fuse-state.h"

G_BEGIN_DECLS

/* What the locks on a file need among the person's devices. */
typedef enum
{
  LOCKED_NOT,
  LOCKED_TO_READ,
  LOCKED_TO_WRITE,
} LockMode;

/* Makes one that a dying server left half changed whole. */
void lock_table_check (FuseStateBlock *block);
/* What stands in the way of a lock, or NULL. */
const FuseStateLock *lock_table_find (FuseStateBlock *block, const FuseStateLock *want);
/* Takes it, in place of what its owner has there; type F_UNLCK gives back. 0, or -ENOLCK when there
 * are too many. */
int lock_table_set (FuseStateBlock *block, const FuseStateLock *want);
/* A handle was closed for good. Whether a lock went with it. */
gboolean lock_table_drop_handle (FuseStateBlock *block, guint64 node, guint64 handle);
/* A process closed one of its descriptors of the file: its fcntl locks go, whichever descriptor
 * they were taken by. */
gboolean lock_table_drop_owner (FuseStateBlock *block, guint64 node, guint64 owner);
/* Those that came with an app from another machine, whose owner nobody knows here. */
gboolean lock_table_drop_adopted (FuseStateBlock *block, const FuseStateLock *like);
LockMode lock_table_mode (FuseStateBlock *block, guint64 node);

G_END_DECLS
