/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "helper.h"

#include "session/move/move-error.h"

#include <glib/gi18n.h>

#define INTERFACE "org.moss.Sandboxd1"
#define PATH "/org/moss/Sandboxd"
#define TIMEOUT_MS 120000

struct _MossHelper
{
  GObject parent_instance;
  GMutex lock;
  char *socket;
  GDBusConnection *connection;
};

enum
{
  EXITED,
  LOST,
  CONNECTED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_TYPE (MossHelper, moss_helper, G_TYPE_OBJECT)

static void
moss_helper_finalize (GObject *object)
{
  MossHelper *helper = MOSS_HELPER (object);

  g_clear_object (&helper->connection);
  g_free (helper->socket);
  g_mutex_clear (&helper->lock);
  G_OBJECT_CLASS (moss_helper_parent_class)->finalize (object);
}

static void
moss_helper_class_init (MossHelperClass *class)
{
  G_OBJECT_CLASS (class)->finalize = moss_helper_finalize;
  signals[EXITED] = g_signal_new ("exited", MOSS_TYPE_HELPER, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                  NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_INT);
  signals[LOST] = g_signal_new ("lost", MOSS_TYPE_HELPER, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                NULL, G_TYPE_NONE, 0);
  signals[CONNECTED] = g_signal_new ("connected", MOSS_TYPE_HELPER, G_SIGNAL_RUN_LAST, 0, NULL,
                                     NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_helper_init (MossHelper *helper)
{
  g_mutex_init (&helper->lock);
}

MossHelper *
moss_helper_new (const char *socket)
{
  MossHelper *helper = g_object_new (MOSS_TYPE_HELPER, NULL);

  moss_move_error_quark (); /* what it answers is known by name only once this was called */
  if (socket == NULL)
    socket = g_getenv ("MOSS_SANDBOXD_SOCKET");
  helper->socket = g_strdup (socket ? socket : "/run/moss/sandboxd.sock");
  return helper;
}

static void
on_exited (GDBusConnection *connection, const char *sender, const char *path,
           const char *interface, const char *name, GVariant *parameters, gpointer data)
{
  const char *id;
  gint32 status;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(si)")))
    return;
  g_variant_get (parameters, "(&si)", &id, &status);
  g_signal_emit (data, signals[EXITED], 0, id, status);
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, MossHelper *helper)
{
  g_mutex_lock (&helper->lock);
  if (helper->connection == connection)
    g_clear_object (&helper->connection);
  g_mutex_unlock (&helper->lock);
  g_signal_emit (helper, signals[LOST], 0);
}

static gboolean
say_connected (gpointer helper)
{
  g_signal_emit (helper, signals[CONNECTED], 0);
  return G_SOURCE_REMOVE;
}

/* The lock is held. */
static gboolean
make_connection (MossHelper *helper, GError **error)
{
  g_autofree char *escaped = g_dbus_address_escape_value (helper->socket);
  g_autofree char *address = g_strconcat ("unix:path=", escaped, NULL);
  g_autoptr (GError) local = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, &local);

  if (connection == NULL)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
                   _("Moss's system service (moss-sandboxd) can't be reached: %s"),
                   local->message);
      return FALSE;
    }
  g_dbus_connection_signal_subscribe (connection, NULL, INTERFACE, "Exited", PATH, NULL,
                                      G_DBUS_SIGNAL_FLAGS_NONE, on_exited, helper, NULL);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), helper);
  helper->connection = connection;
  g_idle_add_full (G_PRIORITY_DEFAULT, say_connected, g_object_ref (helper), g_object_unref);
  return TRUE;
}

static GDBusConnection *
ref_connection (MossHelper *helper, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&helper->lock);

  if (helper->connection != NULL && g_dbus_connection_is_closed (helper->connection))
    g_clear_object (&helper->connection);
  if (helper->connection == NULL && !make_connection (helper, error))
    return NULL;
  return g_object_ref (helper->connection);
}

const char *
moss_helper_get_socket (MossHelper *helper)
{
  return helper->socket;
}

gboolean
moss_helper_connect (MossHelper *helper, GError **error)
{
  g_autoptr (GDBusConnection) connection = ref_connection (helper, error);

  return connection != NULL;
}

GError *
moss_tidy_error (GError *error)
{
  if (error != NULL)
    g_dbus_error_strip_remote_error (error);
  return error;
}

/* GIO's own words say nothing of what broke. */
static GError *
explain_broken (GError *error)
{
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    return moss_tidy_error (error);
  g_error_free (error);
  return g_error_new (MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
                      _("Moss's system service (moss-sandboxd) can't be reached: %s"),
                      _("it ended in the middle of its work"));
}

GVariant *
moss_helper_call (MossHelper *helper, const char *method, GVariant *parameters,
                  const char *reply_type, GUnixFDList *fds_in, GUnixFDList **fds_out,
                  GError **error)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (parameters);
  g_autoptr (GDBusConnection) connection = ref_connection (helper, error);
  GError *local = NULL;
  GVariant *reply;

  if (connection == NULL)
    return NULL;
  reply = g_dbus_connection_call_with_unix_fd_list_sync (
      connection, NULL, PATH, INTERFACE, method, sunk, G_VARIANT_TYPE (reply_type),
      G_DBUS_CALL_FLAGS_NONE, TIMEOUT_MS, fds_in, fds_out, NULL, &local);
  if (reply == NULL)
    g_propagate_error (error, explain_broken (local));
  return reply;
}

gboolean
moss_helper_do (MossHelper *helper, const char *method, const char *id, GError **error)
{
  g_autoptr (GVariant) reply
      = moss_helper_call (helper, method, g_variant_new ("(s)", id), "()", NULL, NULL, error);

  return reply != NULL;
}

char *
moss_helper_state (MossHelper *helper, const char *id, GError **error)
{
  g_autoptr (GVariant) reply
      = moss_helper_call (helper, "List", g_variant_new ("()"), "(aa{sv})", NULL, NULL, error);
  g_autoptr (GVariant) list = NULL;

  if (reply == NULL)
    return NULL;
  list = g_variant_get_child_value (reply, 0);
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) sandbox = g_variant_get_child_value (list, i);
      const char *other = "", *state = "dead";

      g_variant_lookup (sandbox, "id", "&s", &other);
      g_variant_lookup (sandbox, "state", "&s", &state);
      if (g_str_equal (other, id))
        return g_strdup (state);
    }
  return NULL;
}

int
moss_helper_take_fd (GUnixFDList *fds, gint32 handle, GError **error)
{
  if (fds == NULL || handle < 0 || handle >= g_unix_fd_list_get_length (fds))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
                   "An answer names a file descriptor that did not come with it");
      return -1;
    }
  return g_unix_fd_list_get (fds, handle, error);
}
