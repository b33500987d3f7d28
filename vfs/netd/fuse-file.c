// SPDX-License-Identifier: GPL-3.0-or-later
/* Content of files.
 *
 * The kernel keeps what it read and what went through it (keep_cache): all changes are made
 * through it, or it is told of them (fuse-changes.c). Writes go through to the tree at once, and
 * into its journal (moss_tree_note()), so that what returned survives this process. Long writes
 * don't before the tree has stored them, some MiB later: then the next fsync says so. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"

#include <fcntl.h>
#include <string.h>

#define OPEN_PASSTHROUGH (1u << 7) /* FOPEN_PASSTHROUGH of 7.40 */
#define NOTE_MAX (128u << 10) /* longer writes go to the store, not through the journal */
#define WRITE_KILL_PRIVILEGES (1u << 2) /* FUSE_WRITE_KILL_SUIDGID */

/* ---- open ---------------------------------------------------------------------------- */

static gboolean
is_written (int flags)
{
  return (flags & O_ACCMODE) != O_RDONLY;
}

/* The close of a descriptor ends the fcntl locks of its process, and we hear of it only by a flush,
 * which takes as long as an open: so for files that are open for both reading and writing, as
 * those are whose bytes programs lock. Others lose them when all is closed. */
static gboolean
may_lock (int flags)
{
  return (flags & O_ACCMODE) == O_RDWR && (flags & O_EXCL) == 0;
}

static void
fill_open (guint64 number, int flags, int backing, gboolean drop_cache, struct fuse_open_out *out)
{
  memset (out, 0, sizeof *out);
  out->fh = number;
  if (!may_lock (flags))
    out->open_flags = FOPEN_NOFLUSH;
  if (backing > 0)
    {
      out->open_flags |= OPEN_PASSTHROUGH;
      out->padding = backing; /* backing_id of 7.40 */
    }
  else if ((flags & FUSE_STATE_DIRECT) != 0)
    out->open_flags |= FOPEN_DIRECT_IO;
  else if (!drop_cache)
    out->open_flags |= FOPEN_KEEP_CACHE;
}

/* Counts an open and gives it a number. */
static int
open_node (MossMount *mount, fuse_ino_t node, int flags, gboolean fresh, struct fuse_open_out *out)
{
  guint64 ino = to_ino (node), number;
  gboolean drop_cache = FALSE;
  int backing = 0, result = moss_tree_open_file (mount->tree, ino, flags & ~(O_CREAT | O_EXCL));

  if (result != 0)
    return result;
  if (fresh && mount->has_direct && (flags & O_ACCMODE) == O_WRONLY)
    flags |= FUSE_STATE_DIRECT;
  if (mount->backing != NULL)
    backing = backing_open (mount, ino, &flags, &drop_cache);
  number = fuse_state_open (mount->state, node, flags, backing);
  if (number == 0)
    {
      if (mount->backing != NULL)
        backing_close (mount, ino, backing, flags);
      moss_tree_release (mount->tree, ino, flags);
      return -ENFILE;
    }
  connection_note_handle (number);
  fill_open (number, flags, backing, drop_cache, out);
  return 0;
}

/* TRUE when the last server opened it for this very request. */
static gboolean
find_open (MossMount *mount, struct fuse_open_out *out)
{
  FuseStateHandle handle;
  guint64 number;

  if (!connection_was_executed (mount, &number)
      || !fuse_state_look (mount->state, number, &handle))
    return FALSE;
  fill_open (number, handle.flags, handle.backing, FALSE, out);
  return TRUE;
}

static void
on_open (fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
  MossMount *mount = get_mount (request);
  struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };
  int result = 0;

  if (is_live (node) && !find_open (mount, &out))
    result = open_node (mount, node, info->flags, FALSE, &out);
  else if (!is_live (node) && is_written (info->flags))
    result = -EROFS;
  if (result != 0)
    fuse_reply_err (request, -result);
  else
    fuse_reply_buf (request, (const char *) &out, sizeof out);
}

static int
create (MossMount *mount, fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
        MossTreeAttr *attr)
{
  const struct fuse_ctx *ctx = fuse_req_ctx (request);
  guint32 gid = ops_tree_gid (mount, ctx->gid);

  if (!is_live (parent))
    return parent == NODE_ROOT ? -EPERM : -EROFS;
  if (views_is_reserved (parent, name))
    return -EPERM;
  if (connection_was_executed (mount, NULL))
    return moss_tree_lookup (mount->tree, to_ino (parent), name, attr);
  ops_inherit (mount, parent, &gid, &mode);
  return moss_tree_mknod (mount->tree, to_ino (parent), name, (mode & 07777) | S_IFREG, 0,
                          ops_tree_uid (mount, ctx->uid), gid, attr);
}

/* The kernel's own form: an entry, then what was opened. */
static void
reply_create (fuse_req_t request, const MossTreeAttr *attr, const struct fuse_open_out *out)
{
  struct
  {
    struct fuse_entry_out entry;
    struct fuse_open_out open;
  } reply = { .open = *out };
  struct stat st;

  ops_to_stat (get_mount (request), attr, &st);
  reply.entry.nodeid = to_node (attr->ino);
  reply.entry.entry_valid = CACHE_SECONDS;
  reply.entry.attr_valid = CACHE_SECONDS;
  reply.entry.attr.ino = st.st_ino;
  reply.entry.attr.size = st.st_size;
  reply.entry.attr.blocks = st.st_blocks;
  reply.entry.attr.atime = st.st_atim.tv_sec;
  reply.entry.attr.mtime = st.st_mtim.tv_sec;
  reply.entry.attr.ctime = st.st_ctim.tv_sec;
  reply.entry.attr.atimensec = st.st_atim.tv_nsec;
  reply.entry.attr.mtimensec = st.st_mtim.tv_nsec;
  reply.entry.attr.ctimensec = st.st_ctim.tv_nsec;
  reply.entry.attr.mode = st.st_mode;
  reply.entry.attr.nlink = st.st_nlink;
  reply.entry.attr.uid = st.st_uid;
  reply.entry.attr.gid = st.st_gid;
  reply.entry.attr.blksize = st.st_blksize;
  fuse_reply_buf (request, (const char *) &reply, sizeof reply);
}

/* The kernel looked before and found nothing; with another writer (a merge) it may be there by
 * now: then it is opened, unless it must be new. */
static void
on_create (fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
           struct fuse_file_info *info)
{
  MossMount *mount = get_mount (request);
  struct fuse_open_out out;
  MossTreeAttr attr;
  int result = create (mount, request, parent, name, mode, &attr);
  gboolean fresh = result == 0 && !connection_was_executed (mount, NULL);

  if (result == -EEXIST && S_ISREG (attr.mode))
    result = (info->flags & O_EXCL) == 0 ? 0 : connection_forgive (result, -EEXIST);
  if (result == 0 && !find_open (mount, &out))
    result = open_node (mount, to_node (attr.ino), info->flags, fresh, &out);
  if (result == 0 && (info->flags & O_TRUNC) != 0)
    result = moss_tree_getattr (mount->tree, attr.ino, &attr);
  if (result == 0)
    moss_tree_note (mount->tree, attr.ino);
  if (result != 0)
    fuse_reply_err (request, -result);
  else
    reply_create (request, &attr, &out);
}

static guint64
version_of (MossMount *mount, guint64 ino)
{
  MossTreeAttr attr;

  return moss_tree_getattr (mount->tree, ino, &attr) == 0 ? attr.version : 0;
}

static void
release_written (MossMount *mount, guint64 ino, int flags)
{
  guint64 before = version_of (mount, ino);

  moss_tree_release (mount->tree, ino, flags);
  if (version_of (mount, ino) != before)
    mount->hooks.saved (ino, mount->user_data);
}

static void
close_handle (MossMount *mount, guint64 number)
{
  FuseStateHandle handle;

  if (!fuse_state_close (mount->state, number, &handle))
    return;
  if (mount->backing != NULL)
    backing_close (mount, to_ino (handle.node), handle.backing, handle.flags);
  if (is_written (handle.flags) && mount->hooks.saved != NULL)
    release_written (mount, to_ino (handle.node), handle.flags);
  else
    moss_tree_release (mount->tree, to_ino (handle.node), handle.flags);
}

static void
on_release (fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
  if (is_live (node))
    {
      locks_released (get_mount (request), node, info->fh);
      close_handle (get_mount (request), info->fh);
    }
  fuse_reply_err (request, 0);
}

void
file_resume (MossMount *mount)
{
  FuseStateBlock *block = fuse_state_get_block (mount->state);

  for (guint64 i = 0; i < block->handles_end; i++)
    {
      FuseStateHandle *handle = &block->handles[i];
      guint64 ino = to_ino (handle->node);

      if (handle->node == 0)
        continue;
      if ((handle->flags & FUSE_STATE_UNSAFE) != 0)
        g_hash_table_add (mount->lost, g_memdup2 (&handle->node, sizeof handle->node));
      handle->flags &= ~FUSE_STATE_UNSAFE;
      if (moss_tree_open_file (mount->tree, ino, handle->flags & ~(O_TRUNC | O_CREAT)) != 0)
        g_message ("A file that was open is gone");
      else if (mount->backing != NULL)
        backing_resume (mount, ino, handle->backing, handle->flags);
    }
}

/* ---- read and write ------------------------------------------------------------------ */

static _Thread_local guint8 *read_buffer;

static void
free_buffer (gpointer data)
{
  g_free (data);
}

/* One a thread, as long as it lives. */
static guint8 *
get_buffer (void)
{
  static GPrivate owner = G_PRIVATE_INIT (free_buffer);

  if (read_buffer == NULL)
    {
      read_buffer = g_malloc (READ_MAX);
      g_private_set (&owner, read_buffer);
    }
  return read_buffer;
}

static void
on_read (fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
         struct fuse_file_info *info)
{
  MossMount *mount = get_mount (request);
  guint8 *buffer = get_buffer ();
  gssize n;

  size = MIN (size, READ_MAX);
  if (is_live (node))
    n = moss_tree_read (mount->tree, to_ino (node), buffer, size, offset);
  else
    n = views_read (mount, node, buffer, size, offset);
  if (n < 0)
    fuse_reply_err (request, -n);
  else
    fuse_reply_buf (request, (const char *) buffer, n);
}

/* TRUE once for a file whose last bytes went with the last server: whoever waits for them to be on
 * the disk must hear of it. */
static gboolean
was_lost (MossMount *mount, fuse_ino_t node)
{
  guint64 number = node;
  gboolean lost;

  g_mutex_lock (&mount->lock);
  lost = g_hash_table_remove (mount->lost, &number);
  g_mutex_unlock (&mount->lock);
  return lost;
}

static const struct fuse_write_in *
get_write (void)
{
  return (gconstpointer) (connection_request () + 1);
}

static gboolean
kills_privileges (void)
{
  return (get_write ()->write_flags & WRITE_KILL_PRIVILEGES) != 0;
}

static int
sync_node (MossMount *mount, fuse_ino_t node, guint64 handle)
{
  int result = 0;

  if (is_live (node) && mount->backing != NULL)
    result = backing_take_in (mount, to_ino (node));
  if (is_live (node) && result == 0)
    result = moss_tree_fsync (mount->tree, to_ino (node));
  if (result == 0)
    fuse_state_set_safe (mount->state, handle, TRUE);
  if (result == 0 && was_lost (mount, node))
    result = -EIO;
  return result;
}

/* What goes past the kernel's cache gets here without the kernel's having looked for it. */
static void
drop_capability (MossMount *mount, guint64 ino)
{
  static const char name[] = "security.capability";
  g_autoptr (GBytes) value = NULL;

  if (moss_tree_getxattr (mount->tree, ino, name, &value) == 0)
    moss_tree_removexattr (mount->tree, ino, name);
}

/* The kernel knows where the end is: it alone appends. Who wants each write on the disk (O_DSYNC)
 * relies on us: the kernel syncs only what goes through its cache. */
static void
on_write (fuse_req_t request, fuse_ino_t node, const char *data, size_t size, off_t offset,
          struct fuse_file_info *info)
{
  MossMount *mount = get_mount (request);
  gssize n = -EROFS;
  int result = 0;

  if (is_live (node))
    n = locks_guard (mount, to_ino (node));
  if (n == 0)
    n = moss_tree_write (mount->tree, to_ino (node), data, size, offset, FALSE,
                         kills_privileges ());
  if (n > 0 && kills_privileges ())
    drop_capability (mount, to_ino (node));
  if (n > 0)
    fuse_state_set_safe (mount->state, info->fh,
                         size < NOTE_MAX && moss_tree_note (mount->tree, to_ino (node)) > 0);
  if (n > 0 && (get_write ()->flags & O_DSYNC) != 0)
    result = sync_node (mount, node, info->fh);
  if (n < 0 || result < 0)
    fuse_reply_err (request, n < 0 ? -n : -result);
  else
    fuse_reply_write (request, n);
}

/* ---- the rest ------------------------------------------------------------------------ */

/* The version is made at the release. */
static void
on_flush (fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
  if (is_live (node))
    locks_flushed (get_mount (request), node, info->lock_owner);
  fuse_reply_err (request, 0);
}

static void
on_fsync (fuse_req_t request, fuse_ino_t node, int data_only, struct fuse_file_info *info)
{
  fuse_reply_err (request, -sync_node (get_mount (request), node, info->fh));
}

static void
on_fallocate (fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
              struct fuse_file_info *info)
{
  MossMount *mount = get_mount (request);
  int result = -EROFS;

  if (is_live (node))
    {
      if (mount->backing != NULL)
        backing_take_in (mount, to_ino (node));
      result = moss_tree_fallocate (mount->tree, to_ino (node), mode, offset, length);
      moss_tree_note (mount->tree, to_ino (node));
      if (result == 0 && mount->backing != NULL)
        backing_refresh (mount, to_ino (node));
    }
  fuse_reply_err (request, -result);
}

static void
on_lseek (fuse_req_t request, fuse_ino_t node, off_t offset, int whence,
          struct fuse_file_info *info)
{
  MossMount *mount = get_mount (request);
  gint64 result;

  if (!is_live (node))
    {
      fuse_reply_err (request, ENOSYS);
      return;
    }
  if (mount->backing != NULL)
    backing_take_in (mount, to_ino (node));
  result = moss_tree_seek (mount->tree, to_ino (node), offset, whence);
  if (result < 0)
    fuse_reply_err (request, -result);
  else
    fuse_reply_lseek (request, result);
}

void
file_fill (struct fuse_lowlevel_ops *ops)
{
  ops->open = on_open;
  ops->create = on_create;
  ops->release = on_release;
  ops->read = on_read;
  ops->write = on_write;
  ops->flush = on_flush;
  ops->fsync = on_fsync;
  ops->fallocate = on_fallocate;
  ops->lseek = on_lseek;
}
