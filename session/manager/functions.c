/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Policy: an app reaches the broker only over a socket that came out of its own sandbox, and the
 * broker is told which sandbox that is; what is said over it is between the two. A sandbox gives
 * sockets and nothing else: anything more ends its connection. */
#define G_LOG_DOMAIN "moss-session"

#include "functions.h"

#include "session/display/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum
{
  PATIENCE_S = 2,
  AGAIN_MS = 250, /* twice as long each time */
  AGAIN_MAX_MS = 8000,
};

/* The HELLO of role 4 and the WELCOME that answers it: docs/formats/viewer.md. */
static const guint8 hello[] = { 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'S', 'M', 'O', 'V',
                                1, 0, 0, 0, MOSS_WIRE_ROLE_FUNCTIONS, 0, 0, 0 };
static const guint8 welcome[] = { 16, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0 };

struct _MossFunctions
{
  MossManager *manager;
  GHashTable *doors; /* sandbox id → Door */
  GCancellable *cancellable;
};

/* Where the apps of a sandbox knock. */
typedef struct
{
  MossFunctions *functions;
  char *id;
  int fd; /* -1: closed */
  guint source;
  guint timer;
  guint again_ms;
  gboolean opening;
} Door;

static void
door_close (Door *door)
{
  g_clear_handle_id (&door->source, g_source_remove);
  if (door->fd >= 0)
    close (door->fd);
  door->fd = -1;
}

static void
door_free (gpointer data)
{
  Door *door = data;

  door_close (door);
  g_clear_handle_id (&door->timer, g_source_remove);
  g_free (door->id);
  g_free (door);
}

static void door_open (Door *door);

static gboolean
on_again (gpointer data)
{
  Door *door = data;

  door->timer = 0;
  door_open (door);
  return G_SOURCE_REMOVE;
}

static void
open_later (Door *door)
{
  if (door->timer != 0)
    return;
  door->timer = g_timeout_add (door->again_ms, on_again, door);
  door->again_ms = MIN (door->again_ms * 2, AGAIN_MAX_MS);
}

/* ---- those who knock ----------------------------------------------------------------- */

static void
on_adopted (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (
      G_DBUS_CONNECTION (source), NULL, result, &error);

  if (reply == NULL)
    g_debug ("An app can't ask for functions: %s", error->message);
}

/* Takes the socket. */
static void
give_to_broker (Door *door, int fd)
{
  MossManager *manager = door->functions->manager;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new_from_array (&fd, 1);
  g_autofree char *name = moss_manager_app_name (manager, door->id);

  g_dbus_connection_call_with_unix_fd_list (
      manager->bus, "org.moss.FunctionBroker1", "/org/moss/FunctionBroker",
      "org.moss.FunctionBroker1", "Adopt", g_variant_new ("(hss)", 0, door->id, name), NULL,
      G_DBUS_CALL_FLAGS_NONE, -1, fds, door->functions->cancellable, on_adopted, NULL);
}

/* The socket that came; -1: none now, -2: the connection is to end. */
static int
receive_socket (int fd)
{
  union
  {
    struct cmsghdr header;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control;
  char byte;
  struct iovec part = { &byte, 1 };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  ssize_t n = recvmsg (fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  struct cmsghdr *at = n == 1 ? CMSG_FIRSTHDR (&message) : NULL;
  int type, result = -2;
  socklen_t size = sizeof type;

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return -1;
  if (at != NULL && at->cmsg_type == SCM_RIGHTS && at->cmsg_len == CMSG_LEN (sizeof (int)))
    memcpy (&result, CMSG_DATA (at), sizeof result);
  if (result < 0 || (byte == 'F' && !(message.msg_flags & MSG_CTRUNC)
                     && getsockopt (result, SOL_SOCKET, SO_TYPE, &type, &size) == 0
                     && type == SOCK_SEQPACKET))
    return result;
  close (result);
  return -2;
}

static gboolean
on_knock (int fd, GIOCondition condition, gpointer data)
{
  Door *door = data;
  int app = receive_socket (fd);

  if (app >= 0)
    give_to_broker (door, app);
  if (app != -2)
    return G_SOURCE_CONTINUE;
  /* Detached, or moss-init is gone: the sandbox's next state says what comes. */
  door->source = 0;
  door_close (door);
  open_later (door);
  return G_SOURCE_REMOVE;
}

/* ---- opening ------------------------------------------------------------------------- */

static gboolean
greet (int fd)
{
  struct timeval patience = { .tv_sec = PATIENCE_S };
  guint8 answer[sizeof welcome];
  int flags = fcntl (fd, F_GETFL);

  return flags >= 0 && fcntl (fd, F_SETFL, flags & ~O_NONBLOCK) == 0
         && setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0
         && send (fd, hello, sizeof hello, MSG_NOSIGNAL) == sizeof hello
         && recv (fd, answer, sizeof answer, MSG_WAITALL) == sizeof answer
         && memcmp (answer, welcome, sizeof welcome) == 0;
}

static void
open_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  MossManager *manager = data;
  const char *id = g_task_get_name (task);
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = moss_helper_call (
      manager->helper, "Connect", g_variant_new ("(s)", id), "(h)", NULL, &fds, NULL);
  gint32 handle;
  int fd = -1;

  if (reply != NULL)
    {
      g_variant_get (reply, "(h)", &handle);
      fd = moss_helper_take_fd (fds, handle, NULL);
    }
  if (fd >= 0 && !greet (fd))
    {
      close (fd);
      fd = -1;
    }
  g_task_return_int (task, fd);
}

static void
on_opened (GObject *source, GAsyncResult *result, gpointer data)
{
  MossFunctions *functions = data;
  int fd = g_task_propagate_int (G_TASK (result), NULL);
  Door *door;

  if (g_cancellable_is_cancelled (g_task_get_cancellable (G_TASK (result))))
    {
      if (fd >= 0)
        close (fd);
      return;
    }
  door = g_hash_table_lookup (functions->doors, g_task_get_name (G_TASK (result)));
  if (door == NULL && fd >= 0)
    close (fd);
  if (door == NULL)
    return;
  door->opening = FALSE;
  if (fd < 0)
    {
      open_later (door);
      return;
    }
  door->fd = fd;
  door->again_ms = AGAIN_MS;
  door->source = g_unix_fd_add (fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_knock, door);
}

static void
door_open (Door *door)
{
  MossFunctions *functions = door->functions;
  GTask *task;

  if (door->fd >= 0 || door->opening
      || !moss_registry_is (functions->manager->registry, door->id, "running"))
    return;
  /* Whoever holds it may be about to freeze it: nothing may connect then. */
  if (moss_registry_is_claimed (functions->manager->registry, door->id))
    {
      open_later (door);
      return;
    }
  door->opening = TRUE;
  task = g_task_new (NULL, functions->cancellable, on_opened, functions);
  g_task_set_name (task, door->id);
  g_task_set_task_data (task, functions->manager, NULL);
  g_task_set_return_on_cancel (task, FALSE);
  g_task_set_check_cancellable (task, FALSE);
  g_task_run_in_thread (task, open_in_thread);
  g_object_unref (task);
}

/* ---- sandboxes come and go ----------------------------------------------------------- */

static void
on_changed (MossRegistry *registry, const char *id, MossFunctions *functions)
{
  Door *door = g_hash_table_lookup (functions->doors, id);

  if (!moss_registry_is (registry, id, "running"))
    return;
  if (door == NULL)
    {
      door = g_new0 (Door, 1);
      door->functions = functions;
      door->id = g_strdup (id);
      door->fd = -1;
      door->again_ms = AGAIN_MS;
      g_hash_table_insert (functions->doors, door->id, door);
    }
  if (door->timer == 0)
    door_open (door);
}

static void
on_removed (MossRegistry *registry, const char *id, MossFunctions *functions)
{
  g_hash_table_remove (functions->doors, id);
}

MossFunctions *
moss_functions_new (MossManager *manager)
{
  MossFunctions *functions = g_new0 (MossFunctions, 1);
  g_auto (GStrv) ids = moss_registry_ids (manager->registry);

  functions->manager = manager;
  functions->cancellable = g_cancellable_new ();
  functions->doors = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, door_free);
  g_signal_connect (manager->registry, "changed", G_CALLBACK (on_changed), functions);
  g_signal_connect (manager->registry, "removed", G_CALLBACK (on_removed), functions);
  for (guint i = 0; ids[i] != NULL; i++)
    on_changed (manager->registry, ids[i], functions);
  return functions;
}

void
moss_functions_free (MossFunctions *functions)
{
  g_signal_handlers_disconnect_by_data (functions->manager->registry, functions);
  g_cancellable_cancel (functions->cancellable);
  g_object_unref (functions->cancellable);
  g_hash_table_unref (functions->doors);
  g_free (functions);
}
