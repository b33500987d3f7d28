// SPDX-License-Identifier: GPL-3.0-or-later
/* What only root may do for the mount: sandboxd does it. Called from threads of the mount. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/home-private.h"

#define TIMEOUT_MS 5000

static GMutex lock;
static char *socket_path;
static GDBusConnection *connection;

void
helper_set_socket (Netd *netd, const char *socket)
{
  g_mutex_lock (&lock);
  if (g_strcmp0 (socket, socket_path) != 0)
    {
      g_clear_object (&connection);
      g_free (socket_path);
      socket_path = g_strdup (socket);
    }
  g_mutex_unlock (&lock);
}

static GDBusConnection *
ref_connection (GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  g_autofree char *escaped = NULL;
  g_autofree char *address = NULL;

  if (connection != NULL && g_dbus_connection_is_closed (connection))
    g_clear_object (&connection);
  if (connection == NULL)
    {
      escaped = g_dbus_address_escape_value (
          socket_path != NULL ? socket_path : "/run/moss/sandboxd.sock");
      address = g_strconcat ("unix:path=", escaped, NULL);
      connection = g_dbus_connection_new_for_address_sync (
          address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, error);
    }
  return connection != NULL ? g_object_ref (connection) : NULL;
}

static GVariant *
call (const char *method, GVariant *parameters, const char *reply_type, GUnixFDList *fds)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (parameters);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) helper = ref_connection (&error);
  GVariant *reply = helper == NULL
                        ? NULL
                        : g_dbus_connection_call_with_unix_fd_list_sync (
                              helper, NULL, "/org/moss/Sandboxd", "org.moss.Sandboxd1", method,
                              sunk, G_VARIANT_TYPE (reply_type), G_DBUS_CALL_FLAGS_NONE,
                              TIMEOUT_MS, fds, NULL, NULL, &error);

  if (reply == NULL)
    g_message ("%s: %s", method, error->message);
  return reply;
}

int
helper_open_backing (int fuse, int file, gpointer netd)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GVariant) reply = NULL;
  int id = -1;

  if (g_unix_fd_list_append (fds, fuse, NULL) != 0 || g_unix_fd_list_append (fds, file, NULL) != 1)
    return -1;
  reply = call ("OpenBacking", g_variant_new ("(hh)", 0, 1), "(i)", fds);
  if (reply != NULL)
    g_variant_get (reply, "(i)", &id);
  return id;
}

void
helper_close_backing (int fuse, int id, gpointer netd)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GVariant) reply = NULL;

  if (g_unix_fd_list_append (fds, fuse, NULL) == 0)
    reply = call ("CloseBacking", g_variant_new ("(hi)", 0, id), "()", fds);
}
