// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-session-client"

#include "session-client.h"

#include <string.h>

/* MossSessionClient: the list of sandboxes as moss-session tells it. It waits for the name
   on the bus, loads the list, follows the signals, and empties the list when the session
   is gone; nothing here ever blocks.

   Signals: "notice" (id, kind, text, action) is a sentence for the person. */

#define BUS_NAME "org.moss.Session1"
#define OBJECT_PATH "/org/moss/Session"

struct _MossSessionClient
{
  GObject parent_instance;

  GDBusConnection *bus;
  guint watch;
  GCancellable *cancellable;
  MossDBusSession1 *proxy; /* NULL until the session is there */
  GListStore *sandboxes;
};

enum { NOTICE, READY, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossSessionClient, moss_session_client, G_TYPE_OBJECT)

static gboolean
find_position (MossSessionClient *self, const char *id, guint *position)
{
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->sandboxes));

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (MossSandbox) sandbox =
          g_list_model_get_item (G_LIST_MODEL (self->sandboxes), i);

      if (strcmp (sandbox->id, id) != 0)
        continue;
      *position = i;
      return TRUE;
    }
  return FALSE;
}

static void
take_fields (MossSessionClient *self, const char *id, GVariant *fields)
{
  g_autoptr (MossSandbox) sandbox = NULL;
  guint position;

  if (find_position (self, id, &position))
    {
      sandbox = g_list_model_get_item (G_LIST_MODEL (self->sandboxes), position);
      moss_sandbox_update (sandbox, fields);
      return;
    }
  sandbox = moss_sandbox_new (id);
  moss_sandbox_update (sandbox, fields);
  g_list_store_append (self->sandboxes, sandbox);
}

static void
on_changed (MossDBusSession1 *proxy, const char *id, GVariant *fields,
            MossSessionClient *self)
{
  if (*id != '\0')
    take_fields (self, id, fields);
}

static void
on_removed (MossDBusSession1 *proxy, const char *id, MossSessionClient *self)
{
  guint position;

  if (find_position (self, id, &position))
    g_list_store_remove (self->sandboxes, position);
}

static void
on_notice (MossDBusSession1 *proxy, const char *id, const char *kind, const char *text,
           const char *action, MossSessionClient *self)
{
  g_signal_emit (self, signals[NOTICE], 0, id, kind, text, action);
}

static void
on_list_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GError) error = NULL;
  MossSessionClient *self = data;
  GVariantIter iter;
  GVariant *fields;

  if (!moss_dbus_session1_call_list_finish (MOSS_DBUS_SESSION1 (source), &list, result,
                                            &error))
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_warning ("the list of sandboxes: %s", error->message);
      return;
    }
  g_variant_iter_init (&iter, list);
  while ((fields = g_variant_iter_next_value (&iter)) != NULL)
    {
      const char *id = NULL;

      if (g_variant_lookup (fields, "id", "&s", &id) && *id != '\0')
        take_fields (self, id, fields);
      g_variant_unref (fields);
    }
  g_signal_emit (self, signals[READY], 0);
}

static void
on_proxy_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  MossDBusSession1 *proxy = moss_dbus_session1_proxy_new_finish (result, &error);
  MossSessionClient *self = data;

  if (proxy == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_warning ("the session: %s", error->message);
      return;
    }
  self->proxy = proxy;
  /* A move takes as long as the link is slow: no timeout of the bus ends it. */
  g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (proxy), G_MAXINT);
  g_signal_connect_object (proxy, "changed", G_CALLBACK (on_changed), self, 0);
  g_signal_connect_object (proxy, "removed", G_CALLBACK (on_removed), self, 0);
  g_signal_connect_object (proxy, "notice", G_CALLBACK (on_notice), self, 0);
  moss_dbus_session1_call_list (proxy, self->cancellable, on_list_ready, self);
}

static void
on_name_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  MossSessionClient *self = data;

  self->cancellable = g_cancellable_new ();
  moss_dbus_session1_proxy_new (bus, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES, BUS_NAME,
                                OBJECT_PATH, self->cancellable, on_proxy_ready, self);
}

static void
on_name_vanished (GDBusConnection *bus, const char *name, gpointer data)
{
  MossSessionClient *self = data;

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->proxy);
  g_list_store_remove_all (self->sandboxes);
}

/* (transfer none): the sandboxes, in the order in which they came. */
GListModel *
moss_session_client_get_sandboxes (MossSessionClient *self)
{
  return G_LIST_MODEL (self->sandboxes);
}

/* (transfer none) (nullable) */
MossSandbox *
moss_session_client_find (MossSessionClient *self, const char *id)
{
  g_autoptr (MossSandbox) sandbox = NULL;
  guint position;

  if (!find_position (self, id, &position))
    return NULL;
  sandbox = g_list_model_get_item (G_LIST_MODEL (self->sandboxes), position);
  return sandbox;
}

/* (transfer none) (nullable): NULL while there is no session on the bus. */
MossDBusSession1 *
moss_session_client_get_proxy (MossSessionClient *self)
{
  return self->proxy;
}

static void
moss_session_client_dispose (GObject *object)
{
  MossSessionClient *self = MOSS_SESSION_CLIENT (object);

  g_clear_handle_id (&self->watch, g_bus_unwatch_name);
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->proxy);
  g_clear_object (&self->sandboxes);
  g_clear_object (&self->bus);
  G_OBJECT_CLASS (moss_session_client_parent_class)->dispose (object);
}

static void
moss_session_client_class_init (MossSessionClientClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_session_client_dispose;
  signals[NOTICE] = g_signal_new ("notice", MOSS_TYPE_SESSION_CLIENT, G_SIGNAL_RUN_LAST, 0,
                                  NULL, NULL, NULL, G_TYPE_NONE, 4, G_TYPE_STRING,
                                  G_TYPE_STRING, G_TYPE_STRING, G_TYPE_STRING);
  signals[READY] = g_signal_new ("ready", MOSS_TYPE_SESSION_CLIENT, G_SIGNAL_RUN_LAST, 0,
                                 NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_session_client_init (MossSessionClient *self)
{
  self->sandboxes = g_list_store_new (MOSS_TYPE_SANDBOX);
}

MossSessionClient *
moss_session_client_new (GDBusConnection *bus)
{
  MossSessionClient *self = g_object_new (MOSS_TYPE_SESSION_CLIENT, NULL);

  self->bus = g_object_ref (bus);
  self->watch = g_bus_watch_name_on_connection (bus, BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                on_name_appeared, on_name_vanished, self,
                                                NULL);
  return self;
}
