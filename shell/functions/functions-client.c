// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "functions-client.h"

#include <glib/gi18n.h>

#define NAME "org.moss.FunctionBroker1"
#define PATH "/org/moss/FunctionBroker"
#define SETTLE_MS 150 /* many changes come together */
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 30000

struct _MossFunctionsClient
{
  GObject parent_instance;

  GDBusConnection *bus;
  GCancellable *cancellable;
  GPtrArray *capabilities;
  GVariant *running;
  char *problem;
  guint signals;
  guint name_watch;
  guint load_timer;
  guint retry_ms; /* 0: all is well */
  gboolean here;  /* the broker has its name */
};

enum { CHANGED, RUNNING, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossFunctionsClient, moss_functions_client, G_TYPE_OBJECT)

static void
call (MossFunctionsClient *self, const char *method, GVariant *parameters, const char *reply,
      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  g_dbus_connection_call (self->bus, NAME, PATH, NAME, method, parameters,
                          G_VARIANT_TYPE (reply), G_DBUS_CALL_FLAGS_NONE, -1, cancellable,
                          callback, data);
}

static gboolean on_load (gpointer data);

/* Asking starts the broker, when it can be started at all. */
static void
load_after (MossFunctionsClient *self, guint ms)
{
  if (self->load_timer == 0)
    self->load_timer = g_timeout_add (ms, on_load, self);
}

static void
load_soon (MossFunctionsClient *self)
{
  load_after (self, SETTLE_MS);
}

static void
retry_later (MossFunctionsClient *self)
{
  self->retry_ms = CLAMP (self->retry_ms * 2, RETRY_MIN_MS, RETRY_MAX_MS);
  load_after (self, self->retry_ms);
}

static void
set_problem (MossFunctionsClient *self, GError *error)
{
  g_free (self->problem);
  self->problem = NULL;
  if (error == NULL)
    return;
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    self->problem = g_strdup (_ ("The service that knows the functions isn't installed: Moss is "
                                 "not whole here. Install it again; this page keeps looking."));
  else if (error->domain == G_DBUS_ERROR && error->code >= G_DBUS_ERROR_SPAWN_EXEC_FAILED
           && error->code <= G_DBUS_ERROR_SPAWN_NO_MEMORY)
    self->problem = g_strdup (_ ("The service that knows the functions can't be started. Log out "
                                 "and in again; if that doesn't help, Moss is not whole here."));
  else
    {
      g_dbus_error_strip_remote_error (error);
      self->problem = g_strdup (error->message);
    }
}

static void
on_offers_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  MossFunctionsClient *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GPtrArray) before = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  set_problem (self, error);
  before = g_steal_pointer (&self->capabilities);
  if (answer != NULL)
    {
      g_autoptr (GVariant) offers = g_variant_get_child_value (answer, 0);

      self->capabilities = moss_capabilities_new (offers);
      self->retry_ms = 0;
    }
  else
    retry_later (self);
  /* What was borrowed lives until all have looked again. */
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
on_running_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  MossFunctionsClient *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_pointer (&self->running, g_variant_unref);
  if (answer != NULL)
    self->running = g_variant_get_child_value (answer, 0);
  g_signal_emit (self, signals[RUNNING], 0);
}

static void
load_running (MossFunctionsClient *self)
{
  call (self, "Running", NULL, "(aa{sv})", self->cancellable, on_running_ready, self);
}

static gboolean
on_load (gpointer data)
{
  MossFunctionsClient *self = data;

  self->load_timer = 0;
  call (self, "Query", g_variant_new ("(s)", ""), "(aa{sv})", self->cancellable,
        on_offers_ready, self);
  return G_SOURCE_REMOVE;
}

static void
on_signal (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
           const char *name, GVariant *parameters, gpointer data)
{
  if (g_str_equal (name, "RunningChanged"))
    load_running (data);
  else if (g_str_equal (name, "Changed"))
    load_soon (data);
}

/* Another broker: all is asked again, and nothing runs. */
static void
on_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  MossFunctionsClient *self = data;

  self->here = TRUE;
  moss_functions_client_retry (self);
}

/* Also heard in the beginning, when it isn't there yet: the answer to the first question then says
 * whether it could be started. */
static void
on_vanished (GDBusConnection *bus, const char *name, gpointer data)
{
  MossFunctionsClient *self = data;

  if (!self->here)
    return;
  self->here = FALSE;
  g_free (self->problem);
  self->problem = g_strdup (_ ("The service that knows the functions has ended. It is being "
                               "started again."));
  g_clear_pointer (&self->running, g_variant_unref);
  g_signal_emit (self, signals[RUNNING], 0);
  g_signal_emit (self, signals[CHANGED], 0);
  retry_later (self);
}

static void
moss_functions_client_dispose (GObject *object)
{
  MossFunctionsClient *self = MOSS_FUNCTIONS_CLIENT (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->load_timer, g_source_remove);
  if (self->signals != 0)
    g_dbus_connection_signal_unsubscribe (self->bus, self->signals);
  if (self->name_watch != 0)
    g_bus_unwatch_name (self->name_watch);
  self->signals = self->name_watch = 0;
  G_OBJECT_CLASS (moss_functions_client_parent_class)->dispose (object);
}

static void
moss_functions_client_finalize (GObject *object)
{
  MossFunctionsClient *self = MOSS_FUNCTIONS_CLIENT (object);

  g_clear_object (&self->bus);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->capabilities, g_ptr_array_unref);
  g_clear_pointer (&self->running, g_variant_unref);
  g_free (self->problem);
  G_OBJECT_CLASS (moss_functions_client_parent_class)->finalize (object);
}

static void
moss_functions_client_class_init (MossFunctionsClientClass *class)
{
  G_OBJECT_CLASS (class)->dispose = moss_functions_client_dispose;
  G_OBJECT_CLASS (class)->finalize = moss_functions_client_finalize;
  signals[CHANGED] = g_signal_new ("changed", MOSS_TYPE_FUNCTIONS_CLIENT, G_SIGNAL_RUN_LAST, 0,
                                   NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[RUNNING] = g_signal_new ("running", MOSS_TYPE_FUNCTIONS_CLIENT, G_SIGNAL_RUN_LAST, 0,
                                   NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_functions_client_init (MossFunctionsClient *self)
{
  self->cancellable = g_cancellable_new ();
}

MossFunctionsClient *
moss_functions_client_new (GDBusConnection *bus)
{
  MossFunctionsClient *self = g_object_new (MOSS_TYPE_FUNCTIONS_CLIENT, NULL);

  self->bus = g_object_ref (bus);
  self->signals = g_dbus_connection_signal_subscribe (bus, NAME, NAME, NULL, PATH, NULL,
                                                      G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self,
                                                      NULL);
  self->name_watch = g_bus_watch_name_on_connection (bus, NAME,
                                                     G_BUS_NAME_WATCHER_FLAGS_AUTO_START,
                                                     on_appeared, on_vanished, self, NULL);
  load_soon (self);
  return self;
}

GPtrArray *
moss_functions_client_get_capabilities (MossFunctionsClient *self)
{
  return self->capabilities;
}

const char *
moss_functions_client_get_problem (MossFunctionsClient *self)
{
  return self->problem;
}

GVariant *
moss_functions_client_get_running (MossFunctionsClient *self)
{
  return self->running;
}

void
moss_functions_client_retry (MossFunctionsClient *self)
{
  g_clear_handle_id (&self->load_timer, g_source_remove);
  load_soon (self);
  load_running (self);
}

void
moss_functions_client_cancel (MossFunctionsClient *self, guint64 number)
{
  call (self, "Cancel", g_variant_new ("(t)", number), "()", NULL, NULL, NULL);
}

void
moss_functions_client_ask_possible (MossFunctionsClient *self, const char *caps, guint64 bytes,
                                    GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer data)
{
  call (self, "Possible", g_variant_new ("(st)", caps, bytes), "(aa{sv})", cancellable,
        callback, data);
}
