// SPDX-License-Identifier: GPL-3.0-or-later
/* Names and attributes. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"

#include <sys/sysmacros.h>
#include <string.h>
#include <time.h>

#define NS_PER_S G_GINT64_CONSTANT (1000000000)

/* ---- attributes ---------------------------------------------------------------------- */

static struct timespec
to_timespec (gint64 ns)
{
  gint64 seconds = ns / NS_PER_S;

  if (ns % NS_PER_S < 0)
    seconds--;
  return (struct timespec) { seconds, ns - seconds * NS_PER_S };
}

static gint64
from_timespec (struct timespec ts)
{
  return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

guint32
ops_tree_uid (MossMount *mount, guint32 uid)
{
  return uid == mount->uid ? MOSS_MOUNT_OWNER : uid;
}

guint32
ops_tree_gid (MossMount *mount, guint32 gid)
{
  return gid == mount->gid ? MOSS_MOUNT_OWNER : gid;
}

void
ops_to_stat (MossMount *mount, const MossTreeAttr *attr, struct stat *st)
{
  memset (st, 0, sizeof *st);
  st->st_ino = to_node (attr->ino);
  st->st_mode = attr->mode;
  st->st_nlink = attr->nlink;
  st->st_uid = attr->uid == MOSS_MOUNT_OWNER ? mount->uid : attr->uid;
  st->st_gid = attr->gid == MOSS_MOUNT_OWNER ? mount->gid : attr->gid;
  st->st_rdev = attr->rdev;
  st->st_size = attr->size;
  st->st_blocks = (attr->allocated + 511) / 512;
  st->st_blksize = BLOCK_BYTES;
  st->st_atim = to_timespec (attr->atime_ns);
  st->st_mtim = to_timespec (attr->mtime_ns);
  st->st_ctim = to_timespec (attr->ctime_ns);
}

void
ops_fill_entry (MossMount *mount, const MossTreeAttr *attr, struct fuse_entry_param *entry)
{
  memset (entry, 0, sizeof *entry);
  entry->ino = to_node (attr->ino);
  entry->attr_timeout = CACHE_SECONDS;
  entry->entry_timeout = CACHE_SECONDS;
  ops_to_stat (mount, attr, &entry->attr);
}

void
ops_reply_entry (fuse_req_t request, int result, const MossTreeAttr *attr)
{
  struct fuse_entry_param entry;

  if (result != 0)
    {
      fuse_reply_err (request, -result);
      return;
    }
  ops_fill_entry (get_mount (request), attr, &entry);
  fuse_reply_entry (request, &entry);
}

/* A file that the kernel writes itself is as long as it is there. */
static void
correct_size (MossMount *mount, guint64 ino, struct stat *st)
{
  gint64 size;

  if (mount->backing != NULL && S_ISREG (st->st_mode)
      && (size = backing_get_size (mount, ino)) >= 0)
    st->st_size = size;
}

static void
on_getattr (fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
  MossMount *mount = get_mount (request);
  MossTreeAttr attr;
  double seconds = CACHE_SECONDS;
  struct stat st;
  int result;

  if (is_live (node))
    {
      result = moss_tree_getattr (mount->tree, to_ino (node), &attr);
      if (result == -ENOENT)
        result = gone_getattr (mount, to_ino (node), &attr);
      if (result == 0)
        {
          ops_to_stat (mount, &attr, &st);
          correct_size (mount, to_ino (node), &st);
        }
    }
  else
    result = views_getattr (mount, node, &st, &seconds);
  if (result != 0)
    fuse_reply_err (request, -result);
  else
    fuse_reply_attr (request, &st, seconds);
}

static gint64
now_ns (void)
{
  return g_get_real_time () * 1000;
}

/* Linux takes the set-user-id and set-group-id bits off a file that gets another owner, or that
 * somebody without CAP_FSETID writes; the kernel leaves both to us (HANDLE_KILLPRIV_V2). */
static void
drop_privileges (MossMount *mount, guint64 ino, MossTreeAttr *values, MossTreeSet *set)
{
  MossTreeAttr now;
  guint32 mode;

  if (moss_tree_getattr (mount->tree, ino, &now) != 0 || S_ISDIR (now.mode))
    return;
  mode = (*set & MOSS_TREE_SET_MODE) != 0 ? values->mode : now.mode;
  if ((mode & S_ISUID) == 0 && (mode & (S_ISGID | S_IXGRP)) != (S_ISGID | S_IXGRP))
    return;
  mode &= ~(guint32) S_ISUID;
  if ((mode & S_IXGRP) != 0)
    mode &= ~(guint32) S_ISGID;
  values->mode = mode;
  *set |= MOSS_TREE_SET_MODE;
}

static gboolean
kills_privileges (int to_set)
{
  const struct fuse_in_header *header = connection_request ();
  const struct fuse_setattr_in *in = (gconstpointer) (header + 1);

  return (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0
         || (in->valid & FATTR_KILL_SUIDGID) != 0;
}

static MossTreeSet
read_values (MossMount *mount, const struct stat *st, int to_set, MossTreeAttr *values)
{
  MossTreeSet set = 0;

  values->mode = st->st_mode & 07777;
  values->uid = ops_tree_uid (mount, st->st_uid);
  values->gid = ops_tree_gid (mount, st->st_gid);
  values->size = st->st_size;
  values->atime_ns = (to_set & FUSE_SET_ATTR_ATIME_NOW) != 0 ? now_ns ()
                                                             : from_timespec (st->st_atim);
  values->mtime_ns = (to_set & FUSE_SET_ATTR_MTIME_NOW) != 0 ? now_ns ()
                                                             : from_timespec (st->st_mtim);
  if ((to_set & FUSE_SET_ATTR_MODE) != 0)
    set |= MOSS_TREE_SET_MODE;
  if ((to_set & FUSE_SET_ATTR_UID) != 0)
    set |= MOSS_TREE_SET_UID;
  if ((to_set & FUSE_SET_ATTR_GID) != 0)
    set |= MOSS_TREE_SET_GID;
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0)
    set |= MOSS_TREE_SET_SIZE;
  if ((to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) != 0)
    set |= MOSS_TREE_SET_ATIME;
  if ((to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) != 0)
    set |= MOSS_TREE_SET_MTIME;
  return set;
}

static void
on_setattr (fuse_req_t request, fuse_ino_t node, struct stat *st, int to_set,
            struct fuse_file_info *info)
{
  MossMount *mount = get_mount (request);
  MossTreeAttr values = { 0 }, attr;
  MossTreeSet set = read_values (mount, st, to_set, &values);
  guint64 ino = to_ino (node);
  struct stat answer;
  int result;

  if (!is_live (node))
    {
      fuse_reply_err (request, EROFS);
      return;
    }
  if (kills_privileges (to_set))
    drop_privileges (mount, ino, &values, &set);
  /* What the kernel wrote itself comes first, or it would grow back. */
  if ((set & MOSS_TREE_SET_SIZE) != 0 && mount->backing != NULL)
    backing_take_in (mount, ino);
  result = moss_tree_setattr (mount->tree, ino, &values, set, &attr);
  if (result != 0)
    {
      fuse_reply_err (request, -result);
      return;
    }
  /* A time alone may be lost with this process: copying programs set one for each file. */
  if ((set & ~(MOSS_TREE_SET_ATIME | MOSS_TREE_SET_MTIME)) != 0)
    moss_tree_note (mount->tree, ino);
  if ((set & MOSS_TREE_SET_SIZE) != 0 && mount->backing != NULL)
    backing_refresh (mount, ino);
  ops_to_stat (mount, &attr, &answer);
  correct_size (mount, ino, &answer);
  fuse_reply_attr (request, &answer, CACHE_SECONDS);
}

/* ---- names --------------------------------------------------------------------------- */

/* Not to be remembered when something came meanwhile: the notice may be older than this answer. */
static void
reply_absent (fuse_req_t request, gint told)
{
  struct fuse_entry_param entry = { .entry_timeout = ABSENT_SECONDS };

  if (g_atomic_int_get (&get_mount (request)->changes_told) != told)
    fuse_reply_err (request, ENOENT);
  else
    fuse_reply_entry (request, &entry);
}

static void
on_lookup (fuse_req_t request, fuse_ino_t parent, const char *name)
{
  MossMount *mount = get_mount (request);
  gint told = g_atomic_int_get (&mount->changes_told);
  struct fuse_entry_param entry;
  MossTreeAttr attr;
  int result;

  if (!is_live (parent) || views_is_reserved (parent, name))
    {
      views_lookup (request, parent, name);
      return;
    }
  result = moss_tree_lookup (mount->tree, to_ino (parent), name, &attr);
  if (result == -ENOENT)
    {
      reply_absent (request, told);
      return;
    }
  if (result != 0)
    {
      fuse_reply_err (request, -result);
      return;
    }
  ops_fill_entry (mount, &attr, &entry);
  correct_size (mount, attr.ino, &entry.attr);
  fuse_reply_entry (request, &entry);
}

static void
forget (MossMount *mount, fuse_ino_t node, guint64 count)
{
  if (is_live (node))
    gone_forget (mount, to_ino (node));
  else
    views_forget (mount, node, count);
}

static void
on_forget (fuse_req_t request, fuse_ino_t node, uint64_t count)
{
  forget (get_mount (request), node, count);
  fuse_reply_none (request);
}

static void
on_forget_multi (fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
  for (size_t i = 0; i < count; i++)
    forget (get_mount (request), forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none (request);
}

static void
on_readlink (fuse_req_t request, fuse_ino_t node)
{
  g_autofree char *target = NULL;
  int result;

  if (!is_live (node))
    {
      views_readlink (request, node);
      return;
    }
  result = moss_tree_readlink (get_mount (request)->tree, to_ino (node), &target);
  if (result != 0)
    fuse_reply_err (request, -result);
  else
    fuse_reply_readlink (request, target);
}

/* 0 where names can be made and removed. */
static int
check_writable (fuse_ino_t parent, const char *name)
{
  if (!is_live (parent))
    return parent == NODE_ROOT ? -EPERM : -EROFS;
  return views_is_reserved (parent, name) ? -EPERM : 0;
}

void
ops_inherit (MossMount *mount, fuse_ino_t parent, guint32 *gid, mode_t *mode)
{
  MossTreeAttr attr;

  if (moss_tree_getattr (mount->tree, to_ino (parent), &attr) != 0 || !(attr.mode & S_ISGID))
    return;
  *gid = attr.gid;
  if (S_ISDIR (*mode))
    *mode |= S_ISGID;
}

static void
make (fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev,
      const char *target)
{
  MossMount *mount = get_mount (request);
  const struct fuse_ctx *ctx = fuse_req_ctx (request);
  int result = check_writable (parent, name);
  guint64 ino = to_ino (parent);
  guint32 uid = ops_tree_uid (mount, ctx->uid), gid = ops_tree_gid (mount, ctx->gid);
  MossTreeAttr attr;

  if (result == 0)
    ops_inherit (mount, parent, &gid, &mode);
  if (result != 0)
    ;
  else if (connection_was_executed (mount, NULL))
    result = moss_tree_lookup (mount->tree, ino, name, &attr);
  else if (target != NULL)
    result = moss_tree_symlink (mount->tree, ino, name, target, uid, gid, &attr);
  else if (S_ISDIR (mode))
    result = moss_tree_mkdir (mount->tree, ino, name, mode, uid, gid, &attr);
  else
    result = moss_tree_mknod (mount->tree, ino, name, mode, rdev, uid, gid, &attr);
  if (result == -EEXIST && (attr.mode & S_IFMT) == (mode & S_IFMT))
    result = connection_forgive (result, -EEXIST);
  if (result == 0)
    moss_tree_note (mount->tree, attr.ino);
  ops_reply_entry (request, result, &attr);
}

static void
on_mknod (fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
  make (request, parent, name, mode, rdev, NULL);
}

static void
on_mkdir (fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
  make (request, parent, name, (mode & 07777) | S_IFDIR, 0, NULL);
}

static void
on_symlink (fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
  make (request, parent, name, S_IFLNK | 0777, 0, target);
}

static void
on_link (fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char *name)
{
  MossMount *mount = get_mount (request);
  int result = check_writable (parent, name);
  MossTreeAttr attr;

  if (result == 0 && !is_live (node))
    result = -EXDEV;
  if (result == 0 && connection_was_executed (mount, NULL))
    result = moss_tree_lookup (mount->tree, to_ino (parent), name, &attr);
  else if (result == 0)
    result = moss_tree_link (mount->tree, to_ino (node), to_ino (parent), name, &attr);
  if (result == -EEXIST && moss_tree_lookup (mount->tree, to_ino (parent), name, &attr) == 0
      && attr.ino == to_ino (node))
    result = connection_forgive (result, -EEXIST);
  if (result == 0)
    moss_tree_note (mount->tree, attr.ino);
  ops_reply_entry (request, result, &attr);
}

static void
on_unlink (fuse_req_t request, fuse_ino_t parent, const char *name)
{
  MossMount *mount = get_mount (request);
  int result = check_writable (parent, name);
  MossTreeAttr last;
  gboolean ends = result == 0 && gone_find_last (mount, to_ino (parent), name, &last);

  if (result == 0 && !connection_was_executed (mount, NULL))
    result = connection_forgive (
        moss_tree_unlink (mount->tree, to_ino (parent), name, NULL), -ENOENT);
  if (result == 0 && ends)
    gone_remember (mount, &last);
  if (result == 0)
    moss_tree_note (mount->tree, to_ino (parent));
  fuse_reply_err (request, -result);
}

static void
on_rmdir (fuse_req_t request, fuse_ino_t parent, const char *name)
{
  MossMount *mount = get_mount (request);
  int result = check_writable (parent, name);
  MossTreeAttr last;
  gboolean ends = result == 0 && gone_find_last (mount, to_ino (parent), name, &last);

  if (result == 0 && !connection_was_executed (mount, NULL))
    result = connection_forgive (moss_tree_rmdir (mount->tree, to_ino (parent), name, NULL),
                                 -ENOENT);
  if (result == 0 && ends)
    gone_remember (mount, &last);
  if (result == 0)
    moss_tree_note (mount->tree, to_ino (parent));
  fuse_reply_err (request, -result);
}

static void
on_rename (fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
           const char *new_name, unsigned flags)
{
  MossMount *mount = get_mount (request);
  int result = check_writable (parent, name);
  MossTreeAttr there;

  if (result == 0)
    result = check_writable (new_parent, new_name);
  if (result == 0 && !connection_was_executed (mount, NULL))
    result = moss_tree_rename (mount->tree, to_ino (parent), name, to_ino (new_parent),
                               new_name, flags, NULL);
  if (result == -ENOENT
      && moss_tree_lookup (mount->tree, to_ino (new_parent), new_name, &there) == 0)
    result = connection_forgive (result, -ENOENT);
  if (result == 0)
    moss_tree_note (mount->tree, to_ino (parent));
  fuse_reply_err (request, -result);
}

static void
on_statfs (fuse_req_t request, fuse_ino_t node)
{
  struct statvfs buffer = { 0 };
  int result = moss_tree_statfs (get_mount (request)->tree, &buffer);

  if (result != 0)
    fuse_reply_err (request, -result);
  else
    fuse_reply_statfs (request, &buffer);
}

void
ops_fill (struct fuse_lowlevel_ops *ops)
{
  ops->lookup = on_lookup;
  ops->forget = on_forget;
  ops->forget_multi = on_forget_multi;
  ops->getattr = on_getattr;
  ops->setattr = on_setattr;
  ops->readlink = on_readlink;
  ops->mknod = on_mknod;
  ops->mkdir = on_mkdir;
  ops->symlink = on_symlink;
  ops->link = on_link;
  ops->unlink = on_unlink;
  ops->rmdir = on_rmdir;
  ops->rename = on_rename;
  ops->statfs = on_statfs;
}
