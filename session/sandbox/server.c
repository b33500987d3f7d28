/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: who may connect is decided by the socket's mode and owner, and once more by the uid the
 * kernel names (SO_PEERCRED); that uid is the caller, whatever the messages say. A caller has
 * few connections and few calls at a time; each call runs in its own thread, so a slow one
 * keeps nobody else waiting. */

#include "server.h"
#include "error.h"
#include "requests.h"
#include "room.h"
#include "moss-dbus-sandboxd.h"

#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#define OBJECT_PATH "/org/moss/Sandboxd"
#define MAX_CONNECTIONS 256
#define MAX_CONNECTIONS_PER_USER 32
#define MAX_CALLS_PER_USER 64

struct _MossServer
{
  GSocketService *service;
  MossRegistry **registry;
  GPtrArray *peers;
  GMutex lock;       /* of calls */
  GHashTable *calls; /* uid → number of calls under way */
  GArray *allowed;
  gid_t group; /* -1: none */
  char *path;
};

typedef struct
{
  gatomicrefcount refs;
  MossServer *server;
  GDBusConnection *connection; /* NULL until it has authenticated */
  uid_t uid;
} Peer;

typedef struct
{
  Peer *peer;
  GDBusMethodInvocation *invocation;
  MossRequestHandler handler;
} Call;

static void
peer_unref (Peer *peer)
{
  if (!g_atomic_ref_count_dec (&peer->refs))
    return;
  g_clear_object (&peer->connection);
  g_free (peer);
}

static Peer *
peer_ref (Peer *peer)
{
  g_atomic_ref_count_inc (&peer->refs);
  return peer;
}

/* ---- calls --------------------------------------------------------------------------- */

/* Counted for the user and not for the connection: a call that hangs (in a file of a file system
 * that the caller serves) outlives the connection. */
static gboolean
begin_call (Peer *peer)
{
  MossServer *server = peer->server;
  gpointer key = GUINT_TO_POINTER (peer->uid);
  gboolean allowed;
  guint n;

  g_mutex_lock (&server->lock);
  n = GPOINTER_TO_UINT (g_hash_table_lookup (server->calls, key));
  allowed = n < MAX_CALLS_PER_USER;
  if (allowed)
    g_hash_table_insert (server->calls, key, GUINT_TO_POINTER (n + 1));
  g_mutex_unlock (&server->lock);
  return allowed;
}

static void
end_call (Peer *peer)
{
  MossServer *server = peer->server;
  gpointer key = GUINT_TO_POINTER (peer->uid);
  guint n;

  g_mutex_lock (&server->lock);
  n = GPOINTER_TO_UINT (g_hash_table_lookup (server->calls, key));
  if (n > 1)
    g_hash_table_insert (server->calls, key, GUINT_TO_POINTER (n - 1));
  else
    g_hash_table_remove (server->calls, key);
  g_mutex_unlock (&server->lock);
}

/* What is quoted from a caller or an app can be cut in the middle of a character. */
static void
make_fit_to_send (GError *error)
{
  char *valid = g_utf8_make_valid (error->message, -1);

  g_free (error->message);
  error->message = valid;
}

static gpointer
run_call (gpointer data)
{
  Call *call = data;
  GDBusMessage *message = g_dbus_method_invocation_get_message (call->invocation);
  g_autoptr (GUnixFDList) fds_out = g_unix_fd_list_new ();
  g_autoptr (GError) error = NULL;
  MossRequest request = {
    .registry = *call->peer->server->registry,
    .caller = call->peer->uid,
    .parameters = g_dbus_method_invocation_get_parameters (call->invocation),
    .fds_in = g_dbus_message_get_unix_fd_list (message),
    .fds_out = fds_out,
  };
  GVariant *result = call->handler (&request, &error);

  end_call (call->peer);
  if (error != NULL)
    make_fit_to_send (error);
  if (result != NULL)
    g_dbus_method_invocation_return_value_with_unix_fd_list (call->invocation, result, fds_out);
  else
    g_dbus_method_invocation_return_gerror (call->invocation, error);
  peer_unref (call->peer);
  g_free (call);
  return NULL;
}

static void
on_method_call (GDBusConnection *connection,
                const char *sender,
                const char *object_path,
                const char *interface_name,
                const char *method_name,
                GVariant *parameters,
                GDBusMethodInvocation *invocation,
                gpointer data)
{
  Peer *peer = data;
  MossRequestHandler handler = moss_request_find_handler (method_name);
  Call *call;

  if (handler == NULL)
    {
      g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR,
                                             G_DBUS_ERROR_UNKNOWN_METHOD, "%s is not there",
                                             method_name);
      return;
    }
  if (!begin_call (peer))
    {
      g_dbus_method_invocation_return_error (invocation, MOSS_SANDBOX_ERROR,
                                             MOSS_SANDBOX_ERROR_LIMIT,
                                             "%d calls of yours are under way already",
                                             MAX_CALLS_PER_USER);
      return;
    }
  call = g_new0 (Call, 1);
  call->peer = peer_ref (peer);
  call->invocation = invocation;
  call->handler = handler;
  g_thread_unref (g_thread_new ("call", run_call, call));
}

static const GDBusInterfaceVTable vtable = { on_method_call, NULL, NULL };

/* ---- connections --------------------------------------------------------------------- */

static void
drop_peer (Peer *peer)
{
  g_ptr_array_remove_fast (peer->server->peers, peer);
}

static guint
count_peers (MossServer *server, uid_t uid)
{
  guint n = 0;

  for (guint i = 0; i < server->peers->len; i++)
    n += ((Peer *) server->peers->pdata[i])->uid == uid;
  return n;
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer data)
{
  Peer *peer = data;
  MossServer *server = peer->server;
  uid_t uid = peer->uid;

  g_signal_handlers_disconnect_by_data (connection, peer);
  drop_peer (peer);
  if (count_peers (server, uid) == 0)
    moss_room_drop_all (uid);
}

static void
on_authenticated (GObject *source, GAsyncResult *result, gpointer data)
{
  Peer *peer = data;
  g_autoptr (GError) error = NULL;

  peer->connection = g_dbus_connection_new_finish (result, &error);
  if (peer->connection == NULL)
    {
      drop_peer (peer);
      return;
    }
  g_dbus_connection_set_exit_on_close (peer->connection, FALSE);
  g_signal_connect (peer->connection, "closed", G_CALLBACK (on_closed), peer);
  if (g_dbus_connection_register_object (peer->connection, OBJECT_PATH,
                                         moss_dbus_sandboxd1_interface_info (), &vtable, peer,
                                         NULL, &error) == 0)
    g_warning ("Can't serve a connection: %s", error->message);
  g_dbus_connection_start_message_processing (peer->connection);
}

static gboolean
is_member (uid_t uid, gid_t group)
{
  struct passwd *entry = getpwuid (uid);
  gid_t groups[256];
  int n = G_N_ELEMENTS (groups);

  if (entry == NULL || group == (gid_t) -1)
    return FALSE;
  if (getgrouplist (entry->pw_name, entry->pw_gid, groups, &n) < 0)
    return FALSE;
  for (int i = 0; i < n; i++)
    if (groups[i] == group)
      return TRUE;
  return FALSE;
}

static gboolean
may_connect (MossServer *server, uid_t uid)
{
  if (count_peers (server, uid) >= MAX_CONNECTIONS_PER_USER
      || server->peers->len >= MAX_CONNECTIONS)
    return FALSE;
  for (guint i = 0; i < server->allowed->len; i++)
    if (g_array_index (server->allowed, uid_t, i) == uid)
      return TRUE;
  return uid == 0 || is_member (uid, server->group);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *stream, GObject *source, gpointer data)
{
  MossServer *server = data;
  GSocket *socket = g_socket_connection_get_socket (stream);
  g_autoptr (GCredentials) credentials = g_socket_get_credentials (socket, NULL);
  g_autofree char *guid = g_dbus_generate_guid ();
  uid_t uid = credentials == NULL ? (uid_t) -1
                                  : g_credentials_get_unix_user (credentials, NULL);
  Peer *peer;

  if (uid == (uid_t) -1 || !may_connect (server, uid))
    return TRUE;
  peer = g_new0 (Peer, 1);
  g_atomic_ref_count_init (&peer->refs);
  peer->server = server;
  peer->uid = uid;
  g_ptr_array_add (server->peers, peer);
  g_dbus_connection_new (G_IO_STREAM (stream), guid,
                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER
                             | G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                         NULL, NULL, on_authenticated, peer);
  return TRUE;
}

void
moss_server_emit_exited (MossServer *server, uid_t owner, const char *id, int status)
{
  for (guint i = 0; i < server->peers->len; i++)
    {
      Peer *peer = server->peers->pdata[i];

      if (peer->uid == owner && peer->connection != NULL)
        g_dbus_connection_emit_signal (peer->connection, NULL, OBJECT_PATH,
                                       "org.moss.Sandboxd1", "Exited",
                                       g_variant_new ("(si)", id, status), NULL);
    }
}

/* ---- the socket ---------------------------------------------------------------------- */

/* 0660: the group moss when there is one; the first allowed uid as owner. With neither nobody but
 * root gets in: who can start sandboxes can run code as root's choice of ids, so "everybody" is
 * not a default. */
static gboolean
set_access (MossServer *server, GError **error)
{
  gboolean group = server->group != (gid_t) -1;
  uid_t owner = server->allowed->len > 0 ? g_array_index (server->allowed, uid_t, 0) : 0;

  if (chown (server->path, owner, group ? server->group : 0) == 0
      && chmod (server->path, server->allowed->len > 1 ? 0666 : group ? 0660 : 0600) == 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't set who may use %s", server->path);
}

MossServer *
moss_server_new (const MossServerAccess *access, MossRegistry **registry, GError **error)
{
  MossServer *server = g_new0 (MossServer, 1);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (access->path);
  struct group *group = access->group != NULL ? getgrnam (access->group) : NULL;
  mode_t mask;
  gboolean listening;

  server->service = g_socket_service_new ();
  server->registry = registry;
  g_mutex_init (&server->lock);
  server->calls = g_hash_table_new (NULL, NULL);
  server->peers = g_ptr_array_new_with_free_func ((GDestroyNotify) peer_unref);
  server->allowed = g_array_ref (access->allowed);
  server->group = group != NULL ? group->gr_gid : (gid_t) -1;
  server->path = g_strdup (access->path);
  unlink (access->path);
  mask = umask (0177);
  listening = g_socket_listener_add_address (G_SOCKET_LISTENER (server->service), address,
                                             G_SOCKET_TYPE_STREAM, 0, NULL, NULL, error);
  umask (mask);
  if (!listening || !set_access (server, error))
    {
      moss_server_free (server);
      return NULL;
    }
  g_signal_connect (server->service, "incoming", G_CALLBACK (on_incoming), server);
  g_socket_service_start (server->service);
  return server;
}

void
moss_server_free (MossServer *server)
{
  g_socket_service_stop (server->service);
  g_socket_listener_close (G_SOCKET_LISTENER (server->service));
  g_clear_object (&server->service);
  g_clear_pointer (&server->peers, g_ptr_array_unref);
  g_clear_pointer (&server->allowed, g_array_unref);
  g_clear_pointer (&server->calls, g_hash_table_unref);
  g_mutex_clear (&server->lock);
  g_free (server->path);
  g_free (server);
}
