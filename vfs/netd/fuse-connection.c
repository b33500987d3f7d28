// SPDX-License-Identifier: GPL-3.0-or-later
/* libfuse's session over a connection that is older and younger than this process.
 *
 * libfuse expects to mount and to be there when the kernel says INIT. Here it reads and writes
 * through two functions of ours instead (fuse_session_custom_io()):
 * - The kernel's INIT is kept in the state. A later server's libfuse is given it again, and its
 *   answer is swallowed.
 * - The answer to INIT gets the flags that libfuse 3.14 doesn't know yet.
 * - What is under way is noted in the state. When a server is killed, the kernel is asked by the
 *   next one to send again what was taken and not answered (FUSE_NOTIFY_RESEND, since 6.9); on
 *   an older kernel those requests are answered with EIO, so that nobody waits for ever. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* linux/fuse.h of Debian 12 is 7.38. */
#define INIT_PASSTHROUGH (1u << (37 - 32))
#define INIT_DIRECT_MMAP (1u << (36 - 32))
#define INIT_ALLOW_IDMAP (1u << (40 - 32))
#define NOTIFY_RESEND 7
#define UNIQUE_RESEND (G_GUINT64_CONSTANT (1) << 63)

static _Thread_local FuseStateSlot *own_slot;
static _Thread_local const struct fuse_in_header *own_request;

/* ---- requests under way -------------------------------------------------------------- */

const struct fuse_in_header *
connection_request (void)
{
  return own_request;
}

gboolean
connection_was_executed (MossMount *mount, guint64 *handle)
{
  guint64 unique = own_request->unique;
  gpointer value;

  if ((unique & UNIQUE_RESEND) == 0)
    return FALSE;
  unique &= ~UNIQUE_RESEND;
  if (!g_hash_table_lookup_extended (mount->executed, &unique, NULL, &value))
    return FALSE;
  if (handle != NULL)
    *handle = GPOINTER_TO_SIZE (value);
  return TRUE;
}

int
connection_forgive (int result, int done_before)
{
  gboolean resent = (own_request->unique & UNIQUE_RESEND) != 0;

  return resent && result == done_before ? 0 : result;
}

void
connection_note_handle (guint64 handle)
{
  if (own_slot != NULL)
    own_slot->handle = handle;
}

static void
begin_request (const struct fuse_in_header *header)
{
  own_request = header;
  if (own_slot == NULL)
    return;
  own_slot->done = 0;
  own_slot->handle = 0;
  own_slot->opcode = header->opcode;
  own_slot->since_us = g_get_monotonic_time ();
  own_slot->unique = header->unique & ~UNIQUE_RESEND;
}

void
connection_use_slot (FuseStateSlot *slot)
{
  own_slot = slot;
}

void
connection_end_request (void)
{
  own_slot->unique = 0;
}

/* ---- INIT ---------------------------------------------------------------------------- */

/* As the header of 7.40 has it. */
typedef struct
{
  struct fuse_out_header header;
  struct fuse_init_out init;
} InitAnswer;

static void
remember_init (MossMount *mount, const void *data, gsize length)
{
  FuseStateBlock *block = fuse_state_get_block (mount->state);

  if (length > FUSE_STATE_INIT_MAX)
    return;
  memcpy (block->init, data, length);
  block->init_length = length;
  block->magic = FUSE_STATE_MAGIC;
}

static guint64
kernel_flags (MossMount *mount)
{
  FuseStateBlock *block = fuse_state_get_block (mount->state);
  const struct fuse_init_in *in = (gconstpointer) (block->init + sizeof (struct fuse_in_header));

  if (block->init_length < sizeof (struct fuse_in_header) + sizeof *in
      || (in->flags & FUSE_INIT_EXT) == 0)
    return 0;
  return in->flags | (guint64) in->flags2 << 32;
}

/* Passthrough excludes the kernel's cache of writes; ids are mapped for sandboxes. */
static void
add_flags (MossMount *mount, struct fuse_init_out *init)
{
  guint64 offered = kernel_flags (mount);

  init->flags |= offered & (FUSE_HANDLE_KILLPRIV_V2 | FUSE_ABORT_ERROR);
  init->flags &= ~(guint32) (FUSE_WRITEBACK_CACHE | FUSE_HANDLE_KILLPRIV);
  if (offered == 0)
    return;
  init->flags |= FUSE_INIT_EXT;
  init->flags2 |= (offered >> 32) & (INIT_ALLOW_IDMAP | INIT_DIRECT_MMAP);
  mount->has_direct = ((offered >> 32) & INIT_DIRECT_MMAP) != 0 && mount->backing != NULL;
  if (((offered >> 32) & INIT_PASSTHROUGH) != 0 && mount->backing != NULL)
    {
      init->flags2 |= INIT_PASSTHROUGH;
      init->unused[0] = 1; /* max_stack_depth */
      mount->has_passthrough = TRUE;
    }
}

static gssize
answer_init (MossMount *mount, int fd, const struct iovec *parts, int count)
{
  InitAnswer answer = { 0 };
  gsize length = 0;

  for (int i = 0; i < count; i++)
    {
      gsize part = MIN (parts[i].iov_len, sizeof answer - length);

      memcpy ((guint8 *) &answer + length, parts[i].iov_base, part);
      length += part;
    }
  mount->init_unique = 0;
  if (answer.header.error == 0)
    add_flags (mount, &answer.init);
  if (mount->resumed)
    return length;
  answer.header.len = length;
  return write (fd, &answer, length);
}

/* ---- reading and writing ------------------------------------------------------------- */

static ssize_t
on_writev (int fd, struct iovec *parts, int count, void *data)
{
  MossMount *mount = data;
  const struct fuse_out_header *header = parts[0].iov_base;
  gboolean own;
  gssize result;
  int error;

  if (header->unique != 0 && header->unique == mount->init_unique)
    return answer_init (mount, fd, parts, count);
  /* A lock that somebody else waited for is answered by whoever gave it back. */
  own = header->unique != 0 && own_slot != NULL
        && own_slot->unique == (header->unique & ~UNIQUE_RESEND);
  if (own && header->error == 0)
    own_slot->done = 1;
  result = writev (fd, parts, count);
  error = errno;
  if (header->unique != 0)
    {
      if (own)
        own_slot->unique = 0;
      g_atomic_int_inc (&fuse_state_get_block (mount->state)->answers);
    }
  errno = error;
  return result;
}

/* The first read of a server that goes on is answered from the state. */
static ssize_t
read_old_init (MossMount *mount, void *buffer)
{
  FuseStateBlock *block = fuse_state_get_block (mount->state);

  memcpy (buffer, block->init, block->init_length);
  mount->init_unique = ((struct fuse_in_header *) buffer)->unique;
  return block->init_length;
}

static ssize_t
on_read (int fd, void *buffer, size_t length, void *data)
{
  MossMount *mount = data;
  struct fuse_in_header *header = buffer;
  ssize_t n;

  if (mount->init_unique != 0)
    return read_old_init (mount, buffer);
  n = read (fd, buffer, length);
  if (n < (ssize_t) sizeof *header)
    return n;
  if (header->opcode == FUSE_INIT)
    {
      mount->init_unique = header->unique;
      remember_init (mount, buffer, n);
    }
  begin_request (header);
  return n;
}

/* ---- taking over --------------------------------------------------------------------- */

static gboolean
ask_to_resend (MossMount *mount)
{
  struct fuse_out_header header = { .len = sizeof header, .error = NOTIFY_RESEND };

  return write (mount->connection, &header, sizeof header) == sizeof header;
}

static void
answer_lost (MossMount *mount, guint64 unique)
{
  struct fuse_out_header header = { .len = sizeof header, .error = -EIO, .unique = unique };

  if (write (mount->connection, &header, sizeof header) < 0)
    g_debug ("a request of the last server is gone: %s", g_strerror (errno));
}

/* What the last server had taken. */
static void
settle_requests (MossMount *mount)
{
  FuseStateBlock *block = fuse_state_get_block (mount->state);
  gboolean resent = ask_to_resend (mount);

  for (guint i = 0; i < FUSE_STATE_SLOTS; i++)
    {
      FuseStateSlot *slot = &block->slots[i];

      if (slot->unique != 0 && !resent)
        answer_lost (mount, slot->unique);
      else if (slot->unique != 0 && slot->done)
        g_hash_table_insert (mount->executed, g_memdup2 (&slot->unique, sizeof slot->unique),
                             GSIZE_TO_POINTER (slot->handle));
      memset (slot, 0, sizeof *slot);
    }
  for (guint i = 0; i < FUSE_STATE_WAITS; i++)
    {
      if (block->waits[i] != 0 && !resent)
        answer_lost (mount, block->waits[i]);
      block->waits[i] = 0;
    }
}

/* libfuse's own INIT, with nothing coming from the kernel. */
static gboolean
give_init (MossMount *mount, GError **error)
{
  struct fuse_buf buffer = { 0 };
  struct fuse_in_header *header
      = (struct fuse_in_header *) fuse_state_get_block (mount->state)->init;

  mount->init_unique = header->unique != 0 ? header->unique : 1;
  header->unique = mount->init_unique;
  if (fuse_session_receive_buf (mount->session, &buffer) > 0)
    fuse_session_process_buf (mount->session, &buffer);
  free (buffer.mem);
  if (mount->init_unique == 0 && !fuse_session_exited (mount->session))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
               "What the last server of /net left can't be used");
  return FALSE;
}

/* ---- the mount ----------------------------------------------------------------------- */

static void
on_init (void *data, struct fuse_conn_info *conn)
{
  /* What isn't offered must not be wanted. */
  const unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS
                          | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_READDIRPLUS
                          | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ASYNC_DIO
                          | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPLICIT_INVAL_DATA
                          | FUSE_CAP_NO_OPENDIR_SUPPORT | FUSE_CAP_EXPIRE_ONLY
                          | FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;

  conn->want = conn->capable & wanted;
  conn->max_readahead = 16u << 20;
  conn->max_background = 64;
  conn->congestion_threshold = 48;
  conn->time_gran = 1;
}

static gboolean
open_session (MossMount *mount, int connection, GError **error)
{
  static const struct fuse_custom_io io = { .writev = on_writev, .read = on_read };
  char *argv[] = { (char *) "moss-netd", NULL };
  struct fuse_args args = FUSE_ARGS_INIT (1, argv);
  struct fuse_lowlevel_ops ops = { .init = on_init };

  ops_fill (&ops);
  file_fill (&ops);
  dir_fill (&ops);
  xattr_fill (&ops);
  lock_fill (&ops);
  mount->connection = fcntl (connection, F_DUPFD_CLOEXEC, 3);
  mount->session = fuse_session_new (&args, &ops, sizeof ops, mount);
  fuse_opt_free_args (&args);
  if (mount->session != NULL && mount->connection >= 0
      && fuse_session_custom_io (mount->session, &io, mount->connection) == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "/net can't be served: %s",
               g_strerror (errno));
  return FALSE;
}

static gboolean
begin (MossMount *mount, const MossMountConfig *config, GError **error)
{
  mount->state = fuse_state_new (config->state, error);
  if (mount->state == NULL)
    return FALSE;
  mount->resumed = fuse_state_is_used (mount->state);
  mount->views = views_new ();
  mount->gone = gone_new ();
  mount->changes = changes_new (mount);
  mount->locks = locks_new (mount);
  if (config->backing_dir != NULL && config->hooks.open_backing != NULL)
    mount->backing = backing_new (mount, config->backing_dir);
  if (!open_session (mount, config->connection, error))
    return FALSE;
  if (mount->resumed)
    {
      if (!give_init (mount, error))
        return FALSE;
      file_resume (mount);
      locks_resume (mount);
      settle_requests (mount);
    }
  mount->threads = threads_new (mount);
  threads_start (mount->threads);
  return TRUE;
}

MossMount *
moss_mount_new (const MossMountConfig *config, GError **error)
{
  MossMount *mount = g_new0 (MossMount, 1);

  mount->tree = config->tree;
  mount->name = g_strdup (config->name);
  mount->home = g_strconcat ("/net/", config->name, NULL);
  mount->slot = config->slot;
  mount->uid = config->uid;
  mount->gid = config->gid;
  mount->hooks = config->hooks;
  mount->user_data = config->user_data;
  mount->made_ns = g_get_real_time () * 1000;
  mount->connection = -1;
  mount->executed = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  mount->lost = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_mutex_init (&mount->lock);
  if (begin (mount, config, error))
    return mount;
  moss_mount_free (mount);
  return NULL;
}

void
moss_mount_free (MossMount *mount)
{
  g_atomic_int_set (&mount->stopping, 1);
  if (mount->session != NULL)
    fuse_session_exit (mount->session);
  g_clear_pointer (&mount->threads, threads_free);
  g_clear_pointer (&mount->changes, changes_free);
  g_clear_pointer (&mount->backing, backing_free);
  g_clear_pointer (&mount->locks, locks_free);
  g_clear_pointer (&mount->views, views_free);
  g_clear_pointer (&mount->gone, gone_free);
  if (mount->session != NULL)
    fuse_session_destroy (mount->session); /* closes the connection, too */
  else if (mount->connection >= 0)
    close (mount->connection);
  g_clear_pointer (&mount->state, fuse_state_free);
  g_hash_table_unref (mount->executed);
  g_hash_table_unref (mount->lost);
  g_mutex_clear (&mount->lock);
  g_free (mount->name);
  g_free (mount->home);
  g_free (mount);
}

const char *
moss_mount_get_home (MossMount *mount)
{
  return mount->home;
}
