// SPDX-License-Identifier: GPL-3.0-or-later
/* fcntl and flock on /net: first among the programs of this machine (lock-table.c), then, by a
 * lease, among the person's devices.
 *
 * A request that can't be answered at once leaves its thread and waits in a list, so that no
 * number of programs that wait for a lock stops the others, and a server with such a request is
 * not taken for one that hangs. It is tried again whenever something on its file is given back.
 * Nobody looks for two programs that wait for each other (EDEADLK). */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"
#include "vfs/netd/lock-table.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#define WAITING 1

typedef struct
{
  fuse_req_t request;
  guint64 unique;
  FuseStateLock want;
  gboolean patient; /* it waits for others, too */
  gboolean asked;
} Wait;

struct _MountLocks
{
  MossMount *mount;
  FuseStateBlock *block;
  GMutex lock; /* of what follows, and of the table */
  GPtrArray *waits; /* Wait, in the order they came */
};

MountLocks *
locks_new (MossMount *mount)
{
  MountLocks *locks = g_new0 (MountLocks, 1);

  locks->mount = mount;
  locks->block = fuse_state_get_block (mount->state);
  g_mutex_init (&locks->lock);
  locks->waits = g_ptr_array_new_with_free_func (g_free);
  lock_table_check (locks->block);
  return locks;
}

/* Who waits goes on to do so, and asks the next server. */
void
locks_free (MountLocks *locks)
{
  g_ptr_array_unref (locks->waits);
  g_mutex_clear (&locks->lock);
  g_free (locks);
}

/* ---- one request --------------------------------------------------------------------- */

static MossMountLease
ask_for_lease (MossMount *mount, Wait *wait)
{
  gboolean again = wait->asked;

  wait->asked = TRUE;
  if (mount->hooks.want_lease == NULL)
    return MOSS_MOUNT_LEASE_HELD;
  return mount->hooks.want_lease (to_ino (wait->want.node), wait->want.type == F_WRLCK, again,
                                  mount->user_data);
}

static void
tell_need (MountLocks *locks, guint64 node)
{
  MossMount *mount = locks->mount;

  if (mount->hooks.need_lease != NULL)
    mount->hooks.need_lease (to_ino (node), lock_table_mode (locks->block, node),
                             mount->user_data);
}

/* With the lock. 0, -errno or WAITING. */
static int
attempt (MountLocks *locks, Wait *wait)
{
  int in_vain = wait->patient ? WAITING : -EAGAIN;
  int result;

  if (lock_table_find (locks->block, &wait->want) != NULL)
    locks_claim (locks->mount, &wait->want);
  if (lock_table_find (locks->block, &wait->want) != NULL)
    return in_vain;
  switch (ask_for_lease (locks->mount, wait))
    {
    case MOSS_MOUNT_LEASE_ASKED:
      return WAITING;
    case MOSS_MOUNT_LEASE_DENIED:
      return in_vain;
    default:
      wait->want.foreign = moss_tree_foreign (locks->mount->tree, to_ino (wait->want.node));
      result = lock_table_set (locks->block, &wait->want);
      tell_need (locks, wait->want.node);
      return result;
    }
}

/* ---- those that wait ----------------------------------------------------------------- */

static void
note_wait (MountLocks *locks, guint64 before, guint64 after)
{
  for (guint i = 0; i < FUSE_STATE_WAITS; i++)
    if (locks->block->waits[i] == before)
      {
        locks->block->waits[i] = after;
        return;
      }
}

static void
answer (MountLocks *locks, guint index, int result)
{
  Wait *wait = g_ptr_array_index (locks->waits, index);

  note_wait (locks, wait->unique, 0);
  fuse_reply_err (wait->request, -result);
  g_ptr_array_remove_index (locks->waits, index);
}

/* With the lock: something about this file was given back, or decided. */
static void
try_again (MountLocks *locks, guint64 node)
{
  for (guint i = 0; i < locks->waits->len;)
    {
      Wait *wait = g_ptr_array_index (locks->waits, i);
      int result = wait->want.node == node ? attempt (locks, wait) : WAITING;

      if (result == WAITING)
        i++;
      else
        answer (locks, i, result);
    }
}

static void
given_back (MountLocks *locks, guint64 node)
{
  tell_need (locks, node);
  try_again (locks, node);
}

/* A signal came for the program. The request stays valid until this returns. */
static void
on_interrupt (fuse_req_t request, void *data)
{
  MountLocks *locks = data;

  g_mutex_lock (&locks->lock);
  for (guint i = 0; i < locks->waits->len; i++)
    if (((Wait *) g_ptr_array_index (locks->waits, i))->request == request)
      {
        answer (locks, i, -EINTR);
        break;
      }
  g_mutex_unlock (&locks->lock);
}

/* With the lock. libfuse's own lock of the request is held while on_interrupt() runs: so it is told
 * of the function before ours is taken, and asked afterwards whether it was called too early. */
static void
wait_for (MountLocks *locks, const Wait *wait)
{
  g_ptr_array_add (locks->waits, g_memdup2 (wait, sizeof *wait));
  note_wait (locks, 0, wait->unique);
  if (fuse_req_interrupted (wait->request))
    answer (locks, locks->waits->len - 1, -EINTR);
}

static void
take (MossMount *mount, fuse_req_t request, const FuseStateLock *want, gboolean patient)
{
  MountLocks *locks = mount->locks;
  Wait wait = { request, connection_request ()->unique, *want, patient, FALSE };
  int result;

  wait.want.app = locks_app_of (want->pid);
  fuse_req_interrupt_func (request, on_interrupt, locks);
  g_mutex_lock (&locks->lock);
  result = attempt (locks, &wait);
  if (result == WAITING)
    wait_for (locks, &wait);
  g_mutex_unlock (&locks->lock);
  if (result != WAITING)
    fuse_reply_err (request, -result);
}

static void
give_back (MossMount *mount, fuse_req_t request, const FuseStateLock *want)
{
  MountLocks *locks = mount->locks;
  int result;

  g_mutex_lock (&locks->lock);
  lock_table_drop_adopted (locks->block, want);
  result = lock_table_set (locks->block, want);
  given_back (locks, want->node);
  g_mutex_unlock (&locks->lock);
  fuse_reply_err (request, -result);
}

static void
change (MossMount *mount, fuse_req_t request, const FuseStateLock *want, gboolean patient)
{
  if (!is_live (want->node))
    fuse_reply_err (request, want->type == F_WRLCK ? EROFS : 0);
  else if (want->type == F_UNLCK)
    give_back (mount, request, want);
  else
    take (mount, request, want, patient);
}

/* ---- operations ---------------------------------------------------------------------- */

static FuseStateLock
read_lock (fuse_ino_t node, const struct fuse_file_info *info, const struct flock *lock)
{
  return (FuseStateLock) {
    .node = node,
    .owner = info->lock_owner,
    .handle = info->fh,
    .start = lock->l_start,
    .end = lock->l_len == 0 ? G_MAXUINT64 : (guint64) lock->l_start + lock->l_len - 1,
    .pid = lock->l_pid,
    .type = lock->l_type,
  };
}

static void
on_getlk (fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info, struct flock *lock)
{
  MountLocks *locks = get_mount (request)->locks;
  FuseStateLock want = read_lock (node, info, lock);
  const FuseStateLock *found;
  struct flock answer = { .l_type = F_UNLCK };

  g_mutex_lock (&locks->lock);
  found = lock_table_find (locks->block, &want);
  if (found != NULL)
    answer = (struct flock) {
      .l_type = found->type,
      .l_whence = SEEK_SET,
      .l_start = found->start,
      .l_len = found->end >= G_MAXINT64 ? 0 : found->end - found->start + 1,
      .l_pid = found->pid,
    };
  g_mutex_unlock (&locks->lock);
  fuse_reply_lock (request, &answer);
}

static void
on_setlk (fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info, struct flock *lock,
          int sleep)
{
  FuseStateLock want = read_lock (node, info, lock);

  change (get_mount (request), request, &want, sleep);
}

static void
on_flock (fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info, int op)
{
  int kind = op & ~LOCK_NB;
  FuseStateLock want = {
    .node = node,
    .owner = info->lock_owner,
    .handle = info->fh,
    .end = G_MAXUINT64,
    .pid = fuse_req_ctx (request)->pid,
    .type = kind == LOCK_UN ? F_UNLCK : kind == LOCK_SH ? F_RDLCK : F_WRLCK,
    .whole = 1,
  };

  change (get_mount (request), request, &want, (op & LOCK_NB) == 0);
}

void
lock_fill (struct fuse_lowlevel_ops *ops)
{
  ops->getlk = on_getlk;
  ops->setlk = on_setlk;
  ops->flock = on_flock;
}

/* ---- what else ends a lock, or begins one -------------------------------------------- */

void
locks_released (MossMount *mount, fuse_ino_t node, guint64 handle)
{
  MountLocks *locks = mount->locks;

  if (locks->block->locks_end == 0)
    return;
  g_mutex_lock (&locks->lock);
  if (lock_table_drop_handle (locks->block, node, handle)
      | locks_drop_unclaimed (mount, node, handle))
    given_back (locks, node);
  g_mutex_unlock (&locks->lock);
}

void
locks_flushed (MossMount *mount, fuse_ino_t node, guint64 owner)
{
  MountLocks *locks = mount->locks;

  if (locks->block->locks_end == 0)
    return;
  g_mutex_lock (&locks->lock);
  if (lock_table_drop_owner (locks->block, node, owner))
    given_back (locks, node);
  g_mutex_unlock (&locks->lock);
}

void
locks_resume (MossMount *mount)
{
  MountLocks *locks = mount->locks;

  for (guint i = 0; i < locks->block->locks_end; i++)
    if (locks->block->locks[i].node != 0)
      tell_need (locks, locks->block->locks[i].node);
}

void
locks_begin (MossMount *mount)
{
  g_mutex_lock (&mount->locks->lock);
}

void
locks_end (MossMount *mount)
{
  g_mutex_unlock (&mount->locks->lock);
}

void
locks_tell (MossMount *mount, fuse_ino_t node)
{
  tell_need (mount->locks, node);
}

void
moss_mount_lease_settled (MossMount *mount, guint64 ino)
{
  g_mutex_lock (&mount->locks->lock);
  try_again (mount->locks, to_node (ino));
  g_mutex_unlock (&mount->locks->lock);
}

/* Whether the content is what a program found when it locked the file. */
static gboolean
is_as_locked (MountLocks *locks, guint64 node)
{
  guint64 foreign = moss_tree_foreign (locks->mount->tree, to_ino (node));
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&locks->lock);

  for (guint i = 0; i < locks->block->locks_end; i++)
    if (locks->block->locks[i].node == node && locks->block->locks[i].foreign == foreign)
      return TRUE;
  return FALSE;
}

int
locks_guard (MossMount *mount, guint64 ino)
{
  if (mount->hooks.doubt_lease == NULL || mount->locks->block->locks_end == 0
      || !mount->hooks.doubt_lease (ino, mount->user_data)
      || is_as_locked (mount->locks, to_node (ino)))
    return 0;
  return moss_tree_keep_beside (mount->tree, ino);
}
