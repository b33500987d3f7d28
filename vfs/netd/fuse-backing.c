// SPDX-License-Identifier: GPL-3.0-or-later
/* Files that the kernel reads in place of asking us (FUSE passthrough).
 *
 * Policy: such a file is plaintext. It lies in a directory of the session's that is in memory
 * (tmpfs), mode 0600, and is made only of a file whose bytes are all here, that is opened for the
 * third time, that nobody writes, and that is worth it. What was there from another session is
 * wiped at the start, all of it at the end. sandboxd tells the kernel (only root may).
 *
 * Rules of the kernel's, all of them per file: while one program has it open in this way, every
 * other must have it open so, by the same id; and none may start while it is open the other way.
 * So a writer that comes while readers have it writes the file itself, and its content is taken
 * into the tree at fsync, at close and, as a mapping outlives its descriptor without our hearing
 * of it, until nobody has it mapped any more.
 *
 * A file that is new and only written goes past the kernel's cache, as that makes two requests and
 * more of a write that doesn't end with a page. Who opens it meanwhile goes past the cache, too:
 * the kernel doesn't keep the two together. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SIZE_MIN (128u << 10)
#define OPENS_BEFORE 3
#define CHUNK (1u << 20)
#define LINGER_US (500 * G_TIME_SPAN_MILLISECOND)
#define KNOWN_MAX 4096

/* A file that is or was open lately. */
typedef struct
{
  guint64 ino;
  guint heat;    /* opens for reading since it last changed */
  guint cached;  /* opens that go by the kernel's cache */
  guint writers; /* of these */
  guint stale;   /* the kernel's cache isn't right: one open must drop it */
  guint direct;  /* opens that write past the kernel's cache */
  gboolean met;  /* somebody else opened it meanwhile */
  gboolean wanted; /* being made */

  int fd; /* -1: none */
  int id;
  guint64 size;
  guint through;    /* opens that go by the file */
  guint through_writers;
  gboolean written; /* differs from the tree, or may */
  gint64 used_us;
} Backed;

struct _MountBacking
{
  MossMount *mount;
  char *dir;
  guint64 room_bytes, used_bytes;
  GMutex lock;
  GHashTable *files; /* ino → Backed */
  GMutex copying;    /* of content between a file and the tree */
  GAsyncQueue *wishes;
  GThread *thread;
};

/* ---- the directory ------------------------------------------------------------------- */

static char *
file_path (MountBacking *backing, guint64 ino)
{
  return g_strdup_printf ("%s/%016" G_GINT64_MODIFIER "x", backing->dir, ino);
}

static void
wipe (MountBacking *backing)
{
  g_autoptr (GDir) dir = g_dir_open (backing->dir, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (backing->dir, name, NULL);

      g_unlink (path);
    }
}

/* A quarter of what is free in memory, as the files are there for speed alone. */
static gboolean
measure (MountBacking *backing)
{
  struct statfs fs;

  if (g_mkdir_with_parents (backing->dir, 0700) != 0 || statfs (backing->dir, &fs) != 0
      || fs.f_type != TMPFS_MAGIC)
    return FALSE;
  backing->room_bytes = (guint64) fs.f_bavail * fs.f_bsize / 4;
  return TRUE;
}

/* ---- making one ---------------------------------------------------------------------- */

static Backed *
find (MountBacking *backing, guint64 ino)
{
  return g_hash_table_lookup (backing->files, &ino);
}

static void
backed_free (gpointer data)
{
  Backed *file = data;

  if (file->fd >= 0)
    close (file->fd);
  g_free (file);
}

/* Lock held. Gives up the plaintext; nobody has it open. */
static void
drop (MountBacking *backing, Backed *file)
{
  MossMount *mount = backing->mount;
  g_autofree char *path = NULL;

  if (file->fd < 0)
    return;
  path = file_path (backing, file->ino);
  if (mount->hooks.close_backing != NULL)
    mount->hooks.close_backing (mount->connection, file->id, mount->user_data);
  close (file->fd);
  g_unlink (path);
  backing->used_bytes -= file->size;
  file->fd = -1;
  file->id = 0;
  file->written = FALSE;
  file->heat = 0;
}

static gboolean
is_idle (Backed *file)
{
  return file->through == 0 && file->cached == 0 && !file->wanted && !file->written;
}

/* Lock held. Makes room by giving up what was used longest ago. */
static gboolean
make_room (MountBacking *backing, guint64 bytes)
{
  while (backing->used_bytes + bytes > backing->room_bytes)
    {
      GHashTableIter iter;
      Backed *file, *oldest = NULL;

      g_hash_table_iter_init (&iter, backing->files);
      while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &file))
        if (file->fd >= 0 && is_idle (file)
            && (oldest == NULL || file->used_us < oldest->used_us))
          oldest = file;
      if (oldest == NULL)
        return FALSE;
      drop (backing, oldest);
    }
  return TRUE;
}

/* Lock held. Forgets what nobody has open, when there is too much of it. */
static void
prune (MountBacking *backing)
{
  GHashTableIter iter;
  Backed *file;

  if (g_hash_table_size (backing->files) < KNOWN_MAX)
    return;
  g_hash_table_iter_init (&iter, backing->files);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &file))
    if (file->fd < 0 && is_idle (file) && file->stale == 0)
      g_hash_table_iter_remove (&iter);
}

static Backed *
ensure (MountBacking *backing, guint64 ino)
{
  Backed *file = find (backing, ino);

  if (file != NULL)
    return file;
  prune (backing);
  file = g_new0 (Backed, 1);
  file->ino = ino;
  file->fd = -1;
  g_hash_table_insert (backing->files, &file->ino, file);
  return file;
}

static gboolean
copy_out (MossMount *mount, guint64 ino, int fd, guint64 size)
{
  g_autofree guint8 *chunk = g_malloc (CHUNK);

  for (guint64 at = 0; at < size;)
    {
      gssize n = moss_tree_read (mount->tree, ino, chunk, CHUNK, at);

      if (n <= 0 || pwrite (fd, chunk, n, at) != n)
        return FALSE;
      at += n;
    }
  return ftruncate (fd, size) == 0;
}

static gboolean
is_same (const MossTreeAttr *one, const MossTreeAttr *other)
{
  return one->version == other->version && one->size == other->size
         && one->mtime_ns == other->mtime_ns && one->ctime_ns == other->ctime_ns;
}

/* Returns a copy of the file as it is and stays meanwhile, or -1. */
static int
make_file (MountBacking *backing, guint64 ino, guint64 *size)
{
  MossTree *tree = backing->mount->tree;
  g_autofree char *path = file_path (backing, ino);
  MossTreeAttr before, after;
  MossTreeInfo info;
  int fd;

  if (moss_tree_getattr (tree, ino, &before) != 0 || moss_tree_info (tree, ino, &info) != 0
      || info.bytes_missing > 0)
    return -1;
  g_unlink (path);
  fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0 && copy_out (backing->mount, ino, fd, before.size)
      && moss_tree_getattr (tree, ino, &after) == 0 && is_same (&before, &after))
    {
      *size = before.size;
      return fd;
    }
  if (fd >= 0)
    {
      close (fd);
      g_unlink (path);
    }
  return -1;
}

static void
grant (MountBacking *backing, guint64 ino)
{
  MossMount *mount = backing->mount;
  guint64 size = 0;
  int fd = make_file (backing, ino, &size);
  int id = fd < 0 ? -1 : mount->hooks.open_backing (mount->connection, fd, mount->user_data);
  Backed *file;

  g_mutex_lock (&backing->lock);
  file = find (backing, ino);
  file->wanted = FALSE;
  if (id > 0)
    {
      file->fd = fd;
      file->id = id;
      file->size = size;
      file->used_us = g_get_monotonic_time ();
      backing->used_bytes += size;
      if (file->writers > 0 || file->heat == 0) /* it changed meanwhile */
        drop (backing, file);
    }
  g_mutex_unlock (&backing->lock);
  if (id <= 0 && fd >= 0)
    {
      g_autofree char *path = file_path (backing, ino);

      close (fd);
      g_unlink (path);
    }
}

/* ---- taking in what the kernel wrote ------------------------------------------------- */

static gboolean
take_chunk (MossMount *mount, guint64 ino, int fd, guint64 at, guint8 *chunk, guint8 *old)
{
  gssize n = pread (fd, chunk, CHUNK, at);
  gssize m = moss_tree_read (mount->tree, ino, old, CHUNK, at);

  if (n < 0)
    return FALSE;
  return (n == m && memcmp (chunk, old, n) == 0) || n == 0
         || moss_tree_write (mount->tree, ino, chunk, n, at, FALSE, FALSE) == n;
}

static int
copy_in (MossMount *mount, guint64 ino, int fd)
{
  g_autofree guint8 *chunk = g_malloc (CHUNK);
  g_autofree guint8 *old = g_malloc (CHUNK);
  struct stat st;
  MossTreeAttr attr;

  if (fstat (fd, &st) != 0 || moss_tree_getattr (mount->tree, ino, &attr) != 0)
    return -EIO;
  for (gint64 at = 0; at < st.st_size; at += CHUNK)
    if (!take_chunk (mount, ino, fd, at, chunk, old))
      return -EIO;
  if (moss_tree_getattr (mount->tree, ino, &attr) != 0 || attr.size == (guint64) st.st_size)
    return 0;
  attr.size = st.st_size;
  return moss_tree_setattr (mount->tree, ino, &attr, MOSS_TREE_SET_SIZE, NULL);
}

/* Whether somebody has it open or mapped whom we don't know of: a lease for writing is given
 * only to whoever has the file alone. */
static gboolean
is_alone (int fd)
{
  if (fcntl (fd, F_SETLEASE, F_WRLCK) != 0)
    return FALSE;
  fcntl (fd, F_SETLEASE, F_UNLCK);
  return TRUE;
}

int
backing_take_in (MossMount *mount, guint64 ino)
{
  MountBacking *backing = mount->backing;
  Backed *file;
  int fd = -1, result = 0;

  g_mutex_lock (&backing->lock);
  file = find (backing, ino);
  if (file != NULL && file->written && file->fd >= 0)
    fd = fcntl (file->fd, F_DUPFD_CLOEXEC, 3);
  g_mutex_unlock (&backing->lock);
  if (fd < 0)
    return 0;
  g_mutex_lock (&backing->copying);
  result = locks_guard (mount, ino);
  if (result == 0)
    result = copy_in (mount, ino, fd);
  g_mutex_unlock (&backing->copying);
  close (fd);
  return result;
}

/* Once nobody can write it any more it is a copy of the tree's like any other, and given up: the
 * next who opens it starts anew. */
static void
settle (MountBacking *backing, guint64 ino)
{
  Backed *file;

  backing_take_in (backing->mount, ino);
  g_mutex_lock (&backing->lock);
  file = find (backing, ino);
  if (file != NULL && file->written && file->through == 0 && is_alone (file->fd))
    {
      g_mutex_unlock (&backing->lock);
      backing_take_in (backing->mount, ino); /* written between the two */
      g_mutex_lock (&backing->lock);
      file = find (backing, ino);
      if (file != NULL && file->through == 0)
        {
          file->stale = 1;
          drop (backing, file);
        }
    }
  g_mutex_unlock (&backing->lock);
}

static gboolean
collect_written (MountBacking *backing, GArray *inos)
{
  GHashTableIter iter;
  Backed *file;

  g_mutex_lock (&backing->lock);
  g_hash_table_iter_init (&iter, backing->files);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &file))
    if (file->written && file->through_writers == 0)
      g_array_append_val (inos, file->ino);
  g_mutex_unlock (&backing->lock);
  return inos->len > 0;
}

/* ---- the thread ---------------------------------------------------------------------- */

/* Makes copies, and looks after those that may still be written by a mapping. */
static gpointer
run (gpointer data)
{
  MountBacking *backing = data;
  gboolean written = FALSE;

  for (;;)
    {
      g_autoptr (GArray) inos = g_array_new (FALSE, FALSE, sizeof (guint64));
      guint64 *wish = written ? g_async_queue_timeout_pop (backing->wishes, LINGER_US)
                              : g_async_queue_pop (backing->wishes);
      guint64 ino = wish != NULL ? *wish : 0;
      gboolean end = wish != NULL && ino == 0;

      g_free (wish);
      if (end)
        return NULL;
      if (ino > 1)
        grant (backing, ino);
      written = collect_written (backing, inos);
      for (guint i = 0; i < inos->len; i++)
        settle (backing, g_array_index (inos, guint64, i));
    }
}

static void
wake (MountBacking *backing, guint64 ino)
{
  g_async_queue_push (backing->wishes, g_memdup2 (&ino, sizeof ino));
}

/* ---- opens --------------------------------------------------------------------------- */

/* Lock held. */
static int
go_through (Backed *file, int flags)
{
  gboolean writes = (flags & O_ACCMODE) != O_RDONLY;

  file->through++;
  file->used_us = g_get_monotonic_time ();
  file->through_writers += writes;
  file->written |= writes;
  if ((flags & O_TRUNC) != 0 && ftruncate (file->fd, 0) != 0)
    g_warning ("A file can't be emptied: %s", g_strerror (errno));
  return file->id;
}

static gboolean
is_worth_it (MountBacking *backing, Backed *file)
{
  MossTreeAttr attr;

  if (file->heat < OPENS_BEFORE || file->writers > 0 || file->wanted || file->fd >= 0)
    return FALSE;
  return moss_tree_getattr (backing->mount->tree, file->ino, &attr) == 0
         && S_ISREG (attr.mode) && attr.size >= SIZE_MIN && make_room (backing, attr.size);
}

/* Lock held. Whether an open is to go past the kernel's cache. */
static gboolean
goes_direct (Backed *file, int flags)
{
  gboolean direct = file->direct > 0 || (flags & FUSE_STATE_DIRECT) != 0;

  file->met |= file->direct > 0;
  file->direct += direct && (flags & O_ACCMODE) != O_RDONLY;
  return direct;
}

/* Lock held. The last one that wrote so is gone: what others mapped may be older. */
static void
end_direct (Backed *file, int flags)
{
  if ((flags & FUSE_STATE_DIRECT) == 0 || (flags & O_ACCMODE) == O_RDONLY || file->direct == 0
      || --file->direct > 0)
    return;
  file->stale |= file->met;
  file->met = FALSE;
}

int
backing_open (MossMount *mount, guint64 ino, int *open_flags, gboolean *drop_cache)
{
  MountBacking *backing = mount->backing;
  int flags = *open_flags;
  gboolean writes = (flags & O_ACCMODE) != O_RDONLY;
  Backed *file;
  int id = 0;

  g_mutex_lock (&backing->lock);
  file = ensure (backing, ino);
  if (writes && file->through == 0 && !file->written)
    drop (backing, file);
  *open_flags &= ~FUSE_STATE_DIRECT;
  if (file->fd >= 0 && file->cached == 0)
    id = go_through (file, flags);
  else if (goes_direct (file, flags))
    {
      *open_flags |= FUSE_STATE_DIRECT;
      file->cached++;
      file->writers += writes;
      file->heat = 0;
    }
  else
    {
      file->cached++;
      file->writers += writes;
      file->heat = writes ? 0 : file->heat + 1;
      *drop_cache = file->stale != 0;
      file->stale = 0;
      if (is_worth_it (backing, file))
        {
          file->wanted = TRUE;
          wake (backing, ino);
        }
    }
  g_mutex_unlock (&backing->lock);
  return id;
}

void
backing_close (MossMount *mount, guint64 ino, int id, int flags)
{
  MountBacking *backing = mount->backing;
  gboolean writes = (flags & O_ACCMODE) != O_RDONLY, take = FALSE;
  Backed *file;

  g_mutex_lock (&backing->lock);
  file = find (backing, ino);
  if (file != NULL && id > 0)
    {
      file->through -= file->through > 0;
      file->through_writers -= writes && file->through_writers > 0;
      take = writes;
    }
  else if (file != NULL)
    {
      file->cached -= file->cached > 0;
      file->writers -= writes && file->writers > 0;
      end_direct (file, flags);
    }
  g_mutex_unlock (&backing->lock);
  if (!take)
    return;
  backing_take_in (mount, ino);
  wake (backing, 1);
}

void
backing_resume (MossMount *mount, guint64 ino, int id, int flags)
{
  MountBacking *backing = mount->backing;
  g_autofree char *path = file_path (backing, ino);
  struct stat st;
  Backed *file;

  g_mutex_lock (&backing->lock);
  file = ensure (backing, ino);
  if (id == 0)
    {
      file->cached++;
      file->writers += (flags & O_ACCMODE) != O_RDONLY;
      if ((flags & FUSE_STATE_DIRECT) != 0)
        goes_direct (file, flags);
      file->met |= file->direct > 0;
    }
  else
    {
      if (file->fd < 0 && (file->fd = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)) < 0)
        g_warning ("The copy of an open file is gone: %s", g_strerror (errno));
      else if (file->id == 0 && fstat (file->fd, &st) == 0)
        backing->used_bytes += file->size = st.st_size;
      file->id = id;
      if (file->fd >= 0)
        go_through (file, flags & ~O_TRUNC);
    }
  g_mutex_unlock (&backing->lock);
}

gint64
backing_get_size (MossMount *mount, guint64 ino)
{
  MountBacking *backing = mount->backing;
  gint64 size = -1;
  struct stat st;
  Backed *file;

  g_mutex_lock (&backing->lock);
  file = find (backing, ino);
  if (file != NULL && file->written && file->fd >= 0 && fstat (file->fd, &st) == 0)
    size = st.st_size;
  g_mutex_unlock (&backing->lock);
  return size;
}

void
backing_refresh (MossMount *mount, guint64 ino)
{
  MountBacking *backing = mount->backing;
  MossTreeAttr attr;
  Backed *file;
  int fd = -1;

  g_mutex_lock (&backing->lock);
  file = find (backing, ino);
  if (file != NULL)
    {
      file->heat = 0;
      if (file->through > 0)
        fd = fcntl (file->fd, F_DUPFD_CLOEXEC, 3);
      else if (!file->written)
        drop (backing, file);
    }
  g_mutex_unlock (&backing->lock);
  if (fd < 0)
    return;
  g_mutex_lock (&backing->copying);
  if (moss_tree_getattr (mount->tree, ino, &attr) != 0
      || !copy_out (mount, ino, fd, attr.size))
    g_warning ("A file that is open can't be brought up to date");
  g_mutex_unlock (&backing->copying);
  close (fd);
}

/* ---- life ---------------------------------------------------------------------------- */

MountBacking *
backing_new (MossMount *mount, const char *dir)
{
  MountBacking *backing = g_new0 (MountBacking, 1);

  backing->mount = mount;
  backing->dir = g_strdup (dir);
  if (!measure (backing))
    {
      g_message ("%s does not lie in memory: files go by the kernel's cache", dir);
      g_free (backing->dir);
      g_free (backing);
      return NULL;
    }
  g_mutex_init (&backing->lock);
  g_mutex_init (&backing->copying);
  backing->files = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, backed_free);
  backing->wishes = g_async_queue_new_full (g_free);
  if (!mount->resumed)
    wipe (backing);
  backing->thread = g_thread_new ("net-backing", run, backing);
  return backing;
}

/* What is open stays for the next server. */
void
backing_free (MountBacking *backing)
{
  GHashTableIter iter;
  Backed *file;

  g_async_queue_push_front (backing->wishes, g_new0 (guint64, 1));
  g_thread_join (backing->thread);
  g_hash_table_iter_init (&iter, backing->files);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &file))
    if (file->through == 0 && !file->written)
      drop (backing, file);
  g_hash_table_unref (backing->files);
  g_async_queue_unref (backing->wishes);
  g_mutex_clear (&backing->lock);
  g_mutex_clear (&backing->copying);
  g_free (backing->dir);
  g_free (backing);
}
