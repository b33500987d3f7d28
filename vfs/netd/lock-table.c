// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/lock-table.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

/* Two pieces are left of a lock out of whose middle one is cut. */
#define MOST_NEW 2

static gboolean
is_sound (const FuseStateLock *lock)
{
  return lock->start <= lock->end && (lock->type == F_RDLCK || lock->type == F_WRLCK);
}

void
lock_table_check (FuseStateBlock *block)
{
  block->locks_end = MIN (block->locks_end, FUSE_STATE_LOCKS);
  for (guint i = 0; i < block->locks_end; i++)
    if (!is_sound (&block->locks[i]))
      block->locks[i].node = 0;
}

static gboolean
is_same_owner (const FuseStateLock *one, const FuseStateLock *other)
{
  return one->node == other->node && one->whole == other->whole && one->owner == other->owner;
}

static gboolean
overlaps (const FuseStateLock *one, const FuseStateLock *other)
{
  return one->start <= other->end && other->start <= one->end;
}

/* The kernel tells us of each close that ends fcntl locks, but not for files that are open for
 * reading or for writing alone (fuse-file.c): there its process may be gone, and somebody else
 * still have the descriptor. */
static gboolean
is_orphan (FuseStateBlock *block, const FuseStateLock *lock)
{
  const FuseStateHandle *handle;

  if (lock->whole || lock->pid == 0 || lock->handle == 0 || lock->handle > FUSE_STATE_HANDLES)
    return FALSE;
  handle = &block->handles[lock->handle - 1];
  return (handle->flags & O_ACCMODE) != O_RDWR && kill (lock->pid, 0) != 0 && errno == ESRCH;
}

const FuseStateLock *
lock_table_find (FuseStateBlock *block, const FuseStateLock *want)
{
  for (guint i = 0; i < block->locks_end; i++)
    {
      FuseStateLock *lock = &block->locks[i];

      if (lock->node != want->node || lock->whole != want->whole
          || (lock->owner == want->owner && lock->owner != 0) || !overlaps (lock, want)
          || (lock->type == F_RDLCK && want->type == F_RDLCK))
        continue;
      if (!is_orphan (block, lock))
        return lock;
      lock->node = 0;
    }
  return NULL;
}

static gboolean
has_room (FuseStateBlock *block)
{
  guint room = FUSE_STATE_LOCKS - block->locks_end;

  for (guint i = 0; room < MOST_NEW && i < block->locks_end; i++)
    room += block->locks[i].node == 0;
  return room >= MOST_NEW;
}

/* The number of the file last: without it there is no lock. */
static void
add (FuseStateBlock *block, const FuseStateLock *lock)
{
  FuseStateLock *place = NULL;

  for (guint i = 0; place == NULL && i < block->locks_end; i++)
    if (block->locks[i].node == 0)
      place = &block->locks[i];
  if (place == NULL)
    place = &block->locks[block->locks_end++];
  memcpy ((char *) place + sizeof place->node, (const char *) lock + sizeof lock->node,
          sizeof *lock - sizeof lock->node);
  place->node = lock->node;
}

/* What the owner has there gives way. */
static void
cut (FuseStateBlock *block, const FuseStateLock *want)
{
  guint end = block->locks_end;

  for (guint i = 0; i < end; i++)
    {
      FuseStateLock *lock = &block->locks[i];
      FuseStateLock rest = *lock;

      if (!is_same_owner (lock, want) || !overlaps (lock, want))
        continue;
      if (lock->start < want->start)
        lock->end = want->start - 1;
      else
        lock->node = 0;
      if (rest.end > want->end)
        {
          rest.start = want->end + 1;
          add (block, &rest);
        }
    }
}

/* Neighbours of one kind become one. */
static void
join (FuseStateBlock *block, FuseStateLock *want)
{
  for (guint i = 0; i < block->locks_end; i++)
    {
      FuseStateLock *lock = &block->locks[i];

      if (!is_same_owner (lock, want) || lock->type != want->type)
        continue;
      if (want->start > 0 && lock->end == want->start - 1)
        want->start = lock->start;
      else if (want->end < G_MAXUINT64 && lock->start == want->end + 1)
        want->end = lock->end;
      else
        continue;
      lock->node = 0;
    }
}

int
lock_table_set (FuseStateBlock *block, const FuseStateLock *want)
{
  FuseStateLock lock = *want;

  if (!has_room (block))
    return -ENOLCK;
  cut (block, want);
  if (want->type == F_UNLCK)
    return 0;
  join (block, &lock);
  add (block, &lock);
  return 0;
}

gboolean
lock_table_drop_handle (FuseStateBlock *block, guint64 node, guint64 handle)
{
  gboolean any = FALSE;

  for (guint i = 0; i < block->locks_end; i++)
    if (block->locks[i].node == node && block->locks[i].handle == handle)
      {
        block->locks[i].node = 0;
        any = TRUE;
      }
  return any;
}

gboolean
lock_table_drop_owner (FuseStateBlock *block, guint64 node, guint64 owner)
{
  gboolean any = FALSE;

  for (guint i = 0; i < block->locks_end; i++)
    if (block->locks[i].node == node && block->locks[i].owner == owner
        && !block->locks[i].whole)
      {
        block->locks[i].node = 0;
        any = TRUE;
      }
  return any;
}

gboolean
lock_table_drop_adopted (FuseStateBlock *block, const FuseStateLock *like)
{
  gboolean any = FALSE;

  for (guint i = 0; i < block->locks_end; i++)
    {
      FuseStateLock *lock = &block->locks[i];

      if (lock->node != like->node || lock->owner != 0 || lock->whole != like->whole
          || !overlaps (lock, like))
        continue;
      lock->node = 0;
      any = TRUE;
    }
  return any;
}

LockMode
lock_table_mode (FuseStateBlock *block, guint64 node)
{
  LockMode mode = LOCKED_NOT;

  for (guint i = 0; i < block->locks_end; i++)
    if (block->locks[i].node == node)
      mode = MAX (mode, block->locks[i].type == F_WRLCK ? LOCKED_TO_WRITE : LOCKED_TO_READ);
  return mode;
}
