// SPDX-License-Identifier: GPL-3.0-or-later
/* Locks that go with an app to another machine, and come with one.
 *
 * The app believes that it has them when it runs on; its owners are others there, as the kernel
 * names them. So what came belongs to nobody until a process of the app's sandbox asks for it,
 * gives it back, or has closed the file. Which sandbox a process is in says its control group. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"
#include "vfs/netd/lock-table.h"

#include <fcntl.h>
#include <string.h>

#define LOCKS_TYPE "a(tttyy)"
#define UUID_LENGTH 36

guint32
locks_app_of (guint32 pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%u/cgroup", pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) names = NULL;

  if (pid == 0 || !g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  names = g_strsplit_set (text, "/\n", -1);
  for (guint i = 0; names[i] != NULL; i++)
    {
      gsize length = strlen (names[i]);

      if (length >= UUID_LENGTH && g_uuid_string_is_valid (names[i] + length - UUID_LENGTH))
        return g_str_hash (names[i] + length - UUID_LENGTH); /* "UID-SANDBOX" */
    }
  return 0;
}

GVariant *
moss_mount_list_locks (MossMount *mount, const char *sandbox)
{
  FuseStateBlock *block = fuse_state_get_block (mount->state);
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE (LOCKS_TYPE));
  locks_begin (mount);
  for (guint i = 0; i < block->locks_end; i++)
    {
      const FuseStateLock *lock = &block->locks[i];

      if (lock->node >= NODE_LIVE && lock->app == g_str_hash (sandbox))
        g_variant_builder_add (&list, "(tttyy)", lock->node, lock->start, lock->end,
                               (guint8) (lock->type == F_WRLCK), (guint8) lock->whole);
    }
  locks_end (mount);
  return g_variant_ref_sink (g_variant_builder_end (&list));
}

void
moss_mount_adopt_locks (MossMount *mount, const char *sandbox, GVariant *locks)
{
  FuseStateBlock *block = fuse_state_get_block (mount->state);
  GVariantIter iter;
  FuseStateLock lock = { .app = g_str_hash (sandbox) };
  guint8 write, whole;

  g_variant_iter_init (&iter, locks);
  while (g_variant_iter_next (&iter, "(tttyy)", &lock.node, &lock.start, &lock.end, &write, &whole))
    {
      if (lock.node < NODE_LIVE || lock.start > lock.end)
        continue;
      lock.type = write ? F_WRLCK : F_RDLCK;
      lock.whole = whole != 0;
      lock.foreign = moss_tree_foreign (mount->tree, lock.node);
      locks_begin (mount);
      if (lock_table_find (block, &lock) == NULL && lock_table_set (block, &lock) == 0)
        locks_tell (mount, lock.node);
      locks_end (mount);
    }
}

void
moss_mount_forget_locks (MossMount *mount)
{
  FuseStateBlock *block = fuse_state_get_block (mount->state);

  locks_begin (mount);
  for (guint i = 0; i < block->locks_end; i++)
    {
      guint64 node = block->locks[i].node;

      if (node != 0 && locks_drop_unclaimed (mount, node, 0))
        locks_tell (mount, node);
    }
  locks_end (mount);
}

/* With the lock. A process of the app asks for what it has: it is its own from now on. */
void
locks_claim (MossMount *mount, const FuseStateLock *want)
{
  FuseStateBlock *block = fuse_state_get_block (mount->state);

  for (guint i = 0; want->app != 0 && i < block->locks_end; i++)
    {
      FuseStateLock *lock = &block->locks[i];

      if (lock->node != want->node || lock->owner != 0 || lock->whole != want->whole
          || lock->app != want->app)
        continue;
      lock->handle = want->handle;
      lock->pid = want->pid;
      lock->owner = want->owner;
    }
}

/* With the lock. When the last descriptor of a file is gone, nobody can have it locked. */
gboolean
locks_drop_unclaimed (MossMount *mount, guint64 node, guint64 handle)
{
  FuseStateBlock *block = fuse_state_get_block (mount->state);
  gboolean any = FALSE, all;

  for (guint i = 0; !any && i < block->locks_end; i++)
    any = block->locks[i].node == node && block->locks[i].owner == 0;
  if (!any)
    return FALSE;
  for (guint64 i = 0; i < block->handles_end; i++)
    if (block->handles[i].node == node && i + 1 != handle)
      return FALSE;
  all = lock_table_drop_adopted (
      block, &(FuseStateLock) { .node = node, .end = G_MAXUINT64, .whole = 0 });
  return lock_table_drop_adopted (
             block, &(FuseStateLock) { .node = node, .end = G_MAXUINT64, .whole = 1 })
         || all;
}
