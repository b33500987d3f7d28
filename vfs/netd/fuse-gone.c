// SPDX-License-Identifier: GPL-3.0-or-later
/* Pipes, sockets, links and directories that lost their last name while somebody holds them. The
 * kernel opens such things itself and never says so, but asks for their attributes until it
 * forgets them; the tree has nothing of them any more. (Files that are open the tree keeps.) */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"

#include <errno.h>

struct _MountGone
{
  GMutex lock;
  GHashTable *attrs; /* inode → MossTreeAttr */
  gint count;        /* atomic: mostly nothing */
};

MountGone *
gone_new (void)
{
  MountGone *gone = g_new0 (MountGone, 1);

  g_mutex_init (&gone->lock);
  gone->attrs = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  return gone;
}

void
gone_free (MountGone *gone)
{
  g_hash_table_unref (gone->attrs);
  g_mutex_clear (&gone->lock);
  g_free (gone);
}

gboolean
gone_find_last (MossMount *mount, guint64 parent, const char *name, MossTreeAttr *attr)
{
  if (moss_tree_lookup (mount->tree, parent, name, attr) != 0 || S_ISREG (attr->mode))
    return FALSE;
  if (!S_ISDIR (attr->mode) && attr->nlink > 1)
    return FALSE;
  attr->nlink = 0;
  return TRUE;
}

void
gone_remember (MossMount *mount, const MossTreeAttr *attr)
{
  MountGone *gone = mount->gone;

  g_mutex_lock (&gone->lock);
  g_hash_table_replace (gone->attrs, g_memdup2 (&attr->ino, sizeof attr->ino),
                        g_memdup2 (attr, sizeof *attr));
  g_atomic_int_set (&gone->count, g_hash_table_size (gone->attrs));
  g_mutex_unlock (&gone->lock);
}

int
gone_getattr (MossMount *mount, guint64 ino, MossTreeAttr *attr)
{
  MountGone *gone = mount->gone;
  MossTreeAttr *found;

  if (g_atomic_int_get (&gone->count) == 0)
    return -ENOENT;
  g_mutex_lock (&gone->lock);
  found = g_hash_table_lookup (gone->attrs, &ino);
  if (found != NULL)
    *attr = *found;
  g_mutex_unlock (&gone->lock);
  return found != NULL ? 0 : -ENOENT;
}

void
gone_forget (MossMount *mount, guint64 ino)
{
  MountGone *gone = mount->gone;

  if (g_atomic_int_get (&gone->count) == 0)
    return;
  g_mutex_lock (&gone->lock);
  g_hash_table_remove (gone->attrs, &ino);
  g_atomic_int_set (&gone->count, g_hash_table_size (gone->attrs));
  g_mutex_unlock (&gone->lock);
}
