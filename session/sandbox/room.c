/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: the pages of an app that arrives are written once, into a file on the tmpfs where CRIU
 * reads them, and not copied there in the freeze. The file has no name, is of root and may be
 * written by nobody; its owner gets the one descriptor that can. It is taken for an image only
 * when it is the very file that was given out and no descriptor and no mapping that could
 * change it is left anywhere, which the kernel says by granting a read lease: from then on it
 * is as fixed as a sealed memfd. A user has one at a time, of at most MAX_ROOM_BYTES, and with it one
 * CRIU that is started and waits. */

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
#include <sys/stat.h>

#define MAX_ROOM_BYTES (1u << 30)
#define MAX_TRIES 40
#define TRY_US 500

typedef struct
{
  char *key;            /* of the sandbox */
  int fd;               /* for reading; -1 once it is an image */
  MossCriuWorker *criu; /* or NULL */
} Room;

static GMutex lock;
static GHashTable *rooms; /* uid → Room */

static void
room_free (Room *room)
{
  moss_fd_cleanup (&room->fd);
  g_clear_pointer (&room->criu, moss_criu_worker_free);
  g_free (room->key);
  g_free (room);
}

/* The room of its owner, when it is for this sandbox. The lock is held. */
static Room *
find (MossSandbox *sandbox)
{
  gpointer owner = GUINT_TO_POINTER (sandbox->owner);
  Room *room = rooms != NULL ? g_hash_table_lookup (rooms, owner) : NULL;

  return room != NULL && strcmp (room->key, sandbox->key) == 0 ? room : NULL;
}

/* Takes it out of the table, so that nobody waits for the end of its CRIU with the lock held. */
static Room *
remove_room (gpointer owner)
{
  gpointer room = NULL;

  if (rooms != NULL)
    g_hash_table_steal_extended (rooms, owner, NULL, &room);
  return room;
}

void
moss_room_drop (MossSandbox *sandbox)
{
  Room *room;

  g_mutex_lock (&lock);
  room = find (sandbox) != NULL ? remove_room (GUINT_TO_POINTER (sandbox->owner)) : NULL;
  g_mutex_unlock (&lock);
  if (room != NULL)
    room_free (room);
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

static void
keep (MossSandbox *sandbox, int reader, MossCriuWorker *criu)
{
  Room *room = g_new (Room, 1), *other;

  room->key = g_strdup (sandbox->key);
  room->fd = reader;
  room->criu = criu;
  g_mutex_lock (&lock);
  if (rooms == NULL)
    rooms = g_hash_table_new (NULL, NULL);
  other = remove_room (GUINT_TO_POINTER (sandbox->owner));
  g_hash_table_insert (rooms, GUINT_TO_POINTER (sandbox->owner), room);
  g_mutex_unlock (&lock);
  if (other != NULL)
    room_free (other);
}

GVariant *
moss_room_make (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = NULL;
  g_autofree char *images = NULL, *self = NULL;
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
  images = g_build_filename (moss_registry_get_paths (sandbox->registry)->private_dir, "images",
                             NULL);
  writer = open (images, O_TMPFILE | O_RDWR | O_CLOEXEC, 0444);
  self = g_strdup_printf ("/proc/self/fd/%d", writer);
  if (writer >= 0)
    reader = open (self, O_RDONLY | O_CLOEXEC);
  if (reader < 0 || fallocate (writer, 0, 0, size) != 0)
    {
      moss_sandbox_fail_errno (error, errno, "Can't make room for an image");
      return NULL;
    }
  index = moss_request_add_fd (request, writer, error);
  writer = -1; /* the answer's */
  if (index < 0)
    return NULL;
  keep (sandbox, reader, moss_travel_warm ());
  reader = -1;
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
