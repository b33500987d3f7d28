// SPDX-License-Identifier: GPL-3.0-or-later
/* Directories. The kernel is told that opening one needs nobody (NO_OPENDIR_SUPPORT), and keeps
 * what it read until something changes. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"

#include <string.h>

struct _DirBuffer
{
  fuse_req_t request;
  gboolean plus;
  char *data;
  gsize size, used;
  guint64 offset;
};

DirBuffer *
dir_buffer_new (fuse_req_t request, gsize size, off_t offset, gboolean plus)
{
  DirBuffer *buffer = g_new0 (DirBuffer, 1);

  buffer->request = request;
  buffer->plus = plus;
  buffer->size = MIN (size, READ_MAX);
  buffer->data = g_malloc (buffer->size);
  buffer->offset = offset;
  return buffer;
}

gboolean
dir_buffer_wants (DirBuffer *buffer, guint64 next)
{
  return next > buffer->offset;
}

gboolean
dir_buffer_add (DirBuffer *buffer, const char *name, const struct fuse_entry_param *entry,
                guint64 next)
{
  gsize left = buffer->size - buffer->used;
  char *at = buffer->data + buffer->used;
  gsize needed = buffer->plus
                     ? fuse_add_direntry_plus (buffer->request, at, left, name, entry, next)
                     : fuse_add_direntry (buffer->request, at, left, name, &entry->attr, next);

  if (needed > left)
    return FALSE;
  buffer->used += needed;
  return TRUE;
}

void
dir_buffer_reply (DirBuffer *buffer, int error)
{
  if (error != 0 && buffer->used == 0)
    fuse_reply_err (buffer->request, error);
  else
    fuse_reply_buf (buffer->request, buffer->data, buffer->used);
  g_free (buffer->data);
  g_free (buffer);
}

/* "." and ".." are no look-ups: their node is 0 in a readdirplus. */
static gboolean
on_entry (const char *name, guint64 ino, guint32 mode, const MossTreeAttr *attr, guint64 cookie,
          gpointer data)
{
  gboolean is_dot = name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
  struct fuse_entry_param entry = { 0 };
  DirBuffer *buffer = data;

  if (attr != NULL && !is_dot)
    ops_fill_entry (get_mount (buffer->request), attr, &entry);
  else
    entry.attr = (struct stat) { .st_ino = to_node (ino), .st_mode = mode };
  return dir_buffer_add (buffer, name, &entry, cookie);
}

static void
read_dir (fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, gboolean plus)
{
  DirBuffer *buffer;
  int result;

  if (!is_live (node))
    {
      views_readdir (request, node, size, offset, plus);
      return;
    }
  buffer = dir_buffer_new (request, size, offset, plus);
  result = moss_tree_readdir (get_mount (request)->tree, to_ino (node), offset, plus, on_entry,
                              buffer);
  dir_buffer_reply (buffer, -result);
}

static void
on_readdir (fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
            struct fuse_file_info *info)
{
  read_dir (request, node, size, offset, FALSE);
}

static void
on_readdirplus (fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                struct fuse_file_info *info)
{
  read_dir (request, node, size, offset, TRUE);
}

/* Once refused, no directory is opened any more. */
static void
on_opendir (fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
  fuse_reply_err (request, ENOSYS);
}

static void
on_fsyncdir (fuse_req_t request, fuse_ino_t node, int data_only, struct fuse_file_info *info)
{
  int result = is_live (node) ? moss_tree_fsync (get_mount (request)->tree, to_ino (node)) : 0;

  fuse_reply_err (request, -result);
}

void
dir_fill (struct fuse_lowlevel_ops *ops)
{
  ops->opendir = on_opendir;
  ops->readdir = on_readdir;
  ops->readdirplus = on_readdirplus;
  ops->fsyncdir = on_fsyncdir;
}
