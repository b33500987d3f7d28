// SPDX-License-Identifier: LGPL-2.1-or-later
#define G_LOG_DOMAIN "moss-files"

#include "client.h"

#include <string.h>

/* How long what was known stays while nobody owns the name: a netd that died is back by then. */
#define PATIENCE_MS 3000

struct _MossFilesClient
{
  GObject parent_instance;

  GDBusConnection *bus;
  GCancellable *cancellable; /* of the questions to this owner */
  char *owner;
  char *home, *mount_state, *mount_reason;
  GVariant *status;
  MossFilesView view;
  guint watch, timer;
  guint subscriptions[2];
};

enum
{
  CHANGED,
  FILES_CHANGED,
  RECEIVED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossFilesClient, moss_files_client, G_TYPE_OBJECT)

static void
tell (MossFilesClient *self)
{
  self->view.mount_state = self->mount_state;
  self->view.mount_reason = self->mount_reason;
  self->view.status = self->status;
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
take_text (char **place, GVariant *properties, const char *key)
{
  const char *text;

  if (g_variant_lookup (properties, key, "&s", &text))
    {
      g_free (*place);
      *place = g_strdup (text);
    }
}

static void
take_properties (MossFilesClient *self, GVariant *properties)
{
  take_text (&self->home, properties, "Home");
  take_text (&self->mount_state, properties, "MountState");
  take_text (&self->mount_reason, properties, "MountReason");
  tell (self);
}

static void
take_status (MossFilesClient *self, GVariant *status)
{
  g_clear_pointer (&self->status, g_variant_unref);
  self->status = g_variant_ref (status);
  tell (self);
}

/* NULL when the answer is of no use; then nobody may touch the client: it may be gone. */
static GVariant *
take_answer (GObject *source, GAsyncResult *result)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (answer != NULL)
    return g_variant_get_child_value (answer, 0);
  g_debug ("org.moss.Files1: %s", error->message);
  return NULL;
}

static void
on_properties_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) properties = take_answer (source, result);

  if (properties != NULL)
    take_properties (data, properties);
}

static void
on_status_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) status = take_answer (source, result);

  if (status != NULL)
    take_status (data, status);
}

static void
on_files_signal (GDBusConnection *bus, const char *sender, const char *path,
                 const char *interface, const char *name, GVariant *parameters, gpointer data)
{
  MossFilesClient *self = data;
  g_autoptr (GVariant) status = NULL;
  g_autofree const char **paths = NULL;
  const char *file, *device;

  if (g_str_equal (name, "StatusChanged")
      && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(a{sv})")))
    {
      status = g_variant_get_child_value (parameters, 0);
      take_status (self, status);
    }
  else if (g_str_equal (name, "Changed")
           && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(as)")))
    {
      g_variant_get (parameters, "(^a&s)", &paths);
      g_signal_emit (self, signals[FILES_CHANGED], 0, paths);
    }
  else if (g_str_equal (name, "Received")
           && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(ss)")))
    {
      g_variant_get (parameters, "(&s&s)", &file, &device);
      g_signal_emit (self, signals[RECEIVED], 0, file, device);
    }
}

static void
on_properties_changed (GDBusConnection *bus, const char *sender, const char *path,
                       const char *interface, const char *name, GVariant *parameters,
                       gpointer data)
{
  g_autoptr (GVariant) properties = NULL;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")))
    return;
  properties = g_variant_get_child_value (parameters, 1);
  take_properties (data, properties);
}

static void
ask (MossFilesClient *self, const char *interface, const char *method, GVariant *parameters,
     GAsyncReadyCallback callback)
{
  g_dbus_connection_call (self->bus, self->owner, MOSS_FILES_PATH, interface, method, parameters,
                          G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NO_AUTO_START, G_MAXINT,
                          self->cancellable, callback, self);
}

static void
subscribe (MossFilesClient *self)
{
  self->subscriptions[0] = g_dbus_connection_signal_subscribe (
      self->bus, self->owner, MOSS_FILES_INTERFACE, NULL, MOSS_FILES_PATH, NULL,
      G_DBUS_SIGNAL_FLAGS_NONE, on_files_signal, self, NULL);
  self->subscriptions[1] = g_dbus_connection_signal_subscribe (
      self->bus, self->owner, "org.freedesktop.DBus.Properties", "PropertiesChanged",
      MOSS_FILES_PATH, MOSS_FILES_INTERFACE, G_DBUS_SIGNAL_FLAGS_NONE, on_properties_changed,
      self, NULL);
}

static void
forget_owner (MossFilesClient *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->subscriptions); i++)
    {
      if (self->subscriptions[i] != 0)
        g_dbus_connection_signal_unsubscribe (self->bus, self->subscriptions[i]);
      self->subscriptions[i] = 0;
    }
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->owner, g_free);
}

static void
set_unknown (MossFilesClient *self)
{
  g_free (self->home);
  g_free (self->mount_state);
  g_free (self->mount_reason);
  self->home = g_strdup ("");
  self->mount_state = g_strdup ("none");
  self->mount_reason = g_strdup ("");
  g_clear_pointer (&self->status, g_variant_unref);
  tell (self);
}

static void
on_name_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  MossFilesClient *self = data;

  g_clear_handle_id (&self->timer, g_source_remove);
  forget_owner (self);
  self->owner = g_strdup (owner);
  self->cancellable = g_cancellable_new ();
  subscribe (self);
  ask (self, "org.freedesktop.DBus.Properties", "GetAll",
       g_variant_new ("(s)", MOSS_FILES_INTERFACE), on_properties_ready);
  ask (self, MOSS_FILES_INTERFACE, "Status", NULL, on_status_ready);
}

static gboolean
on_patience_lost (gpointer data)
{
  MossFilesClient *self = data;

  self->timer = 0;
  set_unknown (self);
  return G_SOURCE_REMOVE;
}

static void
on_name_vanished (GDBusConnection *bus, const char *name, gpointer data)
{
  MossFilesClient *self = data;

  if (self->owner == NULL || self->timer != 0)
    return;
  forget_owner (self);
  self->timer = g_timeout_add (PATIENCE_MS, on_patience_lost, self);
}

GDBusConnection *
moss_files_client_get_bus (MossFilesClient *self)
{
  return self->bus;
}

const char *
moss_files_client_get_home (MossFilesClient *self)
{
  return self->home;
}

const char *
moss_files_client_get_mount_state (MossFilesClient *self)
{
  return self->mount_state;
}

const MossFilesView *
moss_files_client_get_view (MossFilesClient *self)
{
  return &self->view;
}

void
moss_files_client_call (MossFilesClient *self, const char *method, GVariant *parameters,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  g_dbus_connection_call (self->bus, MOSS_FILES_NAME, MOSS_FILES_PATH, MOSS_FILES_INTERFACE,
                          method, parameters, NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, G_MAXINT,
                          cancellable, callback, data);
}

static void
moss_files_client_dispose (GObject *object)
{
  MossFilesClient *self = MOSS_FILES_CLIENT (object);

  if (self->bus != NULL)
    forget_owner (self);
  g_clear_handle_id (&self->watch, g_bus_unwatch_name);
  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_object (&self->bus);
  G_OBJECT_CLASS (moss_files_client_parent_class)->dispose (object);
}

static void
moss_files_client_finalize (GObject *object)
{
  MossFilesClient *self = MOSS_FILES_CLIENT (object);

  g_free (self->home);
  g_free (self->mount_state);
  g_free (self->mount_reason);
  g_clear_pointer (&self->status, g_variant_unref);
  G_OBJECT_CLASS (moss_files_client_parent_class)->finalize (object);
}

static void
moss_files_client_class_init (MossFilesClientClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = moss_files_client_dispose;
  object_class->finalize = moss_files_client_finalize;
  signals[CHANGED] = g_signal_new ("changed", MOSS_TYPE_FILES_CLIENT, G_SIGNAL_RUN_LAST, 0,
                                   NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[FILES_CHANGED] = g_signal_new ("files-changed", MOSS_TYPE_FILES_CLIENT,
                                         G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                         G_TYPE_POINTER);
  signals[RECEIVED] = g_signal_new ("received", MOSS_TYPE_FILES_CLIENT, G_SIGNAL_RUN_LAST, 0,
                                    NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_STRING,
                                    G_TYPE_STRING);
}

static void
moss_files_client_init (MossFilesClient *self)
{
  set_unknown (self);
}

MossFilesClient *
moss_files_client_new (GDBusConnection *bus)
{
  MossFilesClient *self = g_object_new (MOSS_TYPE_FILES_CLIENT, NULL);

  self->bus = g_object_ref (bus);
  self->watch = g_bus_watch_name_on_connection (bus, MOSS_FILES_NAME,
                                                G_BUS_NAME_WATCHER_FLAGS_NONE, on_name_appeared,
                                                on_name_vanished, self, NULL);
  return self;
}
