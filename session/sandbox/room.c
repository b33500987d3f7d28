/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: the pages of an app that arrives are written once, into a file on a tmpfs where CRIU
 * reads them, and not copied there in the freeze. The file has no name, is of root and may be
 * written by nobody; its owner gets the one descriptor that can. It is taken for an image only
 * when it is the very file that was given out and no descriptor and no mapping that could
 * change it is left anywhere, which the kernel says by granting a read lease: from then on its
 * size is as fixed as that of a sealed memfd. (What the pages hold is the owner's to choose.)
 * The descriptor can also make the file larger, and nobody can take it back: so all rooms of a
 * user lie on a tmpfs of their own, which holds no more than MAX_ROOM_BYTES whatever is done to
 * them. A user has few at a time, and with each one CRIU that is started and waits; they are
 * let go when the last connection of the user ends. */

#include "room.h"

#include "criu-rpc.h"
#include "error.h"
#include "fds.h"
#include "registry-private.h"
#include "travel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ROOM_BYTES (1u << 30)
#define MAX_ROOMS 4   /* of a user */
#define MAX_FILES 16  /* and of files that are held after their rooms are gone */
#define MAX_TRIES 40
#define TRY_US 500

typedef struct
{
  uid_t owner;
  int fd;               /* for reading; -1 once it is an image */
  MossCriuWorker *criu; /* or NULL */
} Room;

static GMutex lock;
static GHashTable *rooms; /* key of the sandbox → Room */

static void
room_free (Room *room)
{
  moss_fd_cleanup (&room->fd);
  g_clear_pointer (&room->criu, moss_criu_worker_free);
  g_free (room);
}

/* The lock is held. */
static Room *
find (MossSandbox *sandbox)
{
  return rooms != NULL ? g_hash_table_lookup (rooms, sandbox->key) : NULL;
}

/* Takes it out of the table, so that nobody waits for the end of its CRIU with the lock held. */
void
moss_room_drop (MossSandbox *sandbox)
{
  gpointer room = NULL, key = NULL;

  g_mutex_lock (&lock);
  if (rooms != NULL)
    g_hash_table_steal_extended (rooms, sandbox->key, &key, &room);
  g_mutex_unlock (&lock);
  g_free (key);
  if (room != NULL)
    room_free (room);
}

static gpointer
free_rooms_thread (gpointer data)
{
  g_ptr_array_unref (data);
  return NULL;
}

void
moss_room_drop_all (uid_t owner)
{
  GPtrArray *dropped = g_ptr_array_new_with_free_func ((GDestroyNotify) room_free);
  GHashTableIter iter;
  gpointer key, room;

  g_mutex_lock (&lock);
  if (rooms != NULL)
    for (g_hash_table_iter_init (&iter, rooms); g_hash_table_iter_next (&iter, &key, &room);)
      if (((Room *) room)->owner == owner)
        {
          g_ptr_array_add (dropped, room);
          g_hash_table_iter_steal (&iter);
          g_free (key);
        }
  g_mutex_unlock (&lock);
  g_thread_unref (g_thread_new ("drop-rooms", free_rooms_thread, dropped));
}

MossCriuWorker *
moss_room_take_criu (MossSandbox *sandbox)
{
  MossCriuWorker *criu = NULL;
  Room *room;

  g_mutex_lock (&lock);
  room = find (sandbox);
  if (room != NULL)
    criu = g_steal_pointer (&room->criu);
  g_mutex_unlock (&lock);
  return criu;
}

static guint
count_of (uid_t owner)
{
  GHashTableIter iter;
  gpointer room;
  guint n = 0;

  g_hash_table_iter_init (&iter, rooms);
  while (g_hash_table_iter_next (&iter, NULL, &room))
    n += ((Room *) room)->owner == owner;
  return n;
}

/* The sandbox's lock is held, so it has no other room by now. */
static gboolean
keep (MossSandbox *sandbox, int reader, GError **error)
{
  Room *room;

  g_mutex_lock (&lock);
  if (rooms == NULL)
    rooms = g_hash_table_new (g_str_hash, g_str_equal);
  if (count_of (sandbox->owner) >= MAX_ROOMS)
    {
      g_mutex_unlock (&lock);
      g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_LIMIT,
                   "There are %d rooms for images of yours already", MAX_ROOMS);
      return FALSE;
    }
  room = g_new (Room, 1);
  *room = (Room) { sandbox->owner, reader, NULL };
  g_hash_table_insert (rooms, g_strdup (sandbox->key), room);
  g_mutex_unlock (&lock);
  return TRUE;
}

/* Only now, so that there are never more of them than rooms. */
static void
warm_criu (MossSandbox *sandbox)
{
  MossCriuWorker *criu = moss_travel_warm (sandbox);
  Room *room;

  g_mutex_lock (&lock);
  room = find (sandbox);
  if (room != NULL)
    room->criu = g_steal_pointer (&criu);
  g_mutex_unlock (&lock);
  g_clear_pointer (&criu, moss_criu_worker_free);
}

/* Where the rooms of a user lie. */
static char *
place_of (MossSandbox *sandbox)
{
  return g_strdup_printf ("%s/rooms/%u",
                          moss_registry_get_paths (sandbox->registry)->private_dir,
                          sandbox->owner);
}

static gboolean
mount_place (const char *path)
{
  g_autofree char *plain = g_strdup_printf ("mode=0700,size=%u,nr_inodes=%d", MAX_ROOM_BYTES,
                                            MAX_FILES);
  g_autofree char *large = g_strconcat (plain, ",huge=within_size", NULL);

  return mount ("moss-rooms", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, large) == 0
         || mount ("moss-rooms", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, plain) == 0;
}

/* Only the first time for a user does it mount. */
static gboolean
open_place (const char *path, GError **error)
{
  static GMutex mounting;
  g_autofree char *parent = g_path_get_dirname (path);
  struct stat above, st;
  gboolean ok;

  g_mutex_lock (&mounting);
  ok = g_mkdir_with_parents (path, 0700) == 0 && stat (parent, &above) == 0
       && stat (path, &st) == 0 && (st.st_dev != above.st_dev || mount_place (path));
  g_mutex_unlock (&mounting);
  return ok || moss_sandbox_fail_errno (error, errno, "Can't make room for images in %s", path);
}

GVariant *
moss_room_make (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = NULL;
  g_autofree char *place = NULL, *self = NULL;
  moss_autofd writer = -1, reader = -1;
  const char *id;
  guint64 size;
  int index;

  g_variant_get (request->parameters, "(&st)", &id, &size);
  if (size == 0 || size > MAX_ROOM_BYTES)
    {
      g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_LIMIT,
                   "There is no room of that size");
      return NULL;
    }
  sandbox = moss_registry_acquire_arriving (request->registry, request->caller, id, error);
  if (sandbox == NULL)
    return NULL;
  moss_room_drop (sandbox);
  place = place_of (sandbox);
  if (!open_place (place, error))
    return NULL;
  writer = open (place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0444);
  self = g_strdup_printf ("/proc/self/fd/%d", writer);
  if (writer >= 0)
    reader = open (self, O_RDONLY | O_CLOEXEC);
  if (reader < 0 || fallocate (writer, 0, 0, size) != 0)
    {
      moss_sandbox_fail_errno (error, errno, "Can't make room for an image");
      return NULL;
    }
  index = moss_request_add_fd (request, g_steal_fd (&writer), error); /* the answer's */
  if (index < 0 || !keep (sandbox, reader, error))
    return NULL;
  reader = -1; /* the room's */
  warm_criu (sandbox);
  return g_variant_new ("(h)", index);
}

/* The descriptor of the room, when it is the file that was given out; else -1. */
static int
steal (MossSandbox *sandbox, const struct stat *wanted)
{
  struct stat st;
  Room *room;
  int fd = -1;

  g_mutex_lock (&lock);
  room = find (sandbox);
  if (room != NULL && room->fd >= 0 && fstat (room->fd, &st) == 0
      && st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino)
    {
      fd = room->fd;
      room->fd = -1;
    }
  g_mutex_unlock (&lock);
  return fd;
}

/* The kernel grants it only while nothing that could write is open. A child that another thread
 * just made has our descriptors until it runs its program. */
static gboolean
is_fixed (int fd)
{
  for (int tries = 0; tries < MAX_TRIES; tries++)
    {
      if (fcntl (fd, F_SETLEASE, F_RDLCK) == 0)
        return fcntl (fd, F_SETLEASE, F_UNLCK) == 0;
      g_usleep (TRY_US);
    }
  return FALSE;
}

int
moss_room_take (MossSandbox *sandbox, int fd, guint64 size, GError **error)
{
  struct stat st;
  int room;

  if (fstat (fd, &st) != 0 || (room = steal (sandbox, &st)) < 0)
    return -1;
  if (is_fixed (room) && fstat (room, &st) == 0 && (guint64) st.st_size == size)
    return room;
  close (room);
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
               "The image in the room that was made for it can still be changed, or is not of "
               "the size that was said");
  return -1;
}

gboolean
moss_room_show (MossSandbox *sandbox, int room, const char *path, GError **error)
{
  g_autofree char *place = place_of (sandbox);
  g_autofree char *name = g_build_filename (place, sandbox->key, NULL);
  g_autofree char *self = g_strdup_printf ("/proc/self/fd/%d", room);
  moss_autofd spot = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  gboolean ok;

  /* A file without a name can't be bound. */
  ok = spot >= 0 && linkat (AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0
       && mount (name, path, NULL, MS_BIND, NULL) == 0;
  if (!ok)
    moss_sandbox_fail_errno (error, errno, "Can't place the image %s", path);
  unlink (name);
  return ok;
}
