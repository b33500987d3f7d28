// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-tray"

#include "tray-watcher.h"

#include <string.h>

#define BUS_NAME "org.kde.StatusNotifierWatcher"
#define OBJECT_PATH "/StatusNotifierWatcher"
#define ITEM_PREFIX "org.kde.StatusNotifierItem-"
#define ITEM_PATH "/StatusNotifierItem"
#define MAX_NAMES 1000

static const char introspection[] =
    "<node><interface name='org.kde.StatusNotifierWatcher'>"
    "<method name='RegisterStatusNotifierItem'><arg type='s' direction='in'/></method>"
    "<method name='RegisterStatusNotifierHost'><arg type='s' direction='in'/></method>"
    "<property name='RegisteredStatusNotifierItems' type='as' access='read'/>"
    "<property name='IsStatusNotifierHostRegistered' type='b' access='read'/>"
    "<property name='ProtocolVersion' type='i' access='read'/>"
    "<signal name='StatusNotifierItemRegistered'><arg type='s'/></signal>"
    "<signal name='StatusNotifierItemUnregistered'><arg type='s'/></signal>"
    "<signal name='StatusNotifierHostRegistered'/>"
    "</interface></node>";

struct _MossTrayWatcher
{
  GObject parent_instance;

  GDBusConnection *bus;
  GPtrArray *ids;
  GCancellable *cancellable;
  guint owner;
  guint registration;
};

enum { REGISTERED, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossTrayWatcher, moss_tray_watcher, G_TYPE_OBJECT)

static void
emit (MossTrayWatcher *self, const char *signal, const char *id)
{
  g_dbus_connection_emit_signal (self->bus, NULL, OBJECT_PATH, BUS_NAME, signal,
                                 g_variant_new ("(s)", id), NULL);
}

static void
on_method_call (GDBusConnection *bus, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer data)
{
  const char *service, *name, *item;

  if (strcmp (method, "RegisterStatusNotifierItem") == 0)
    {
      g_variant_get (parameters, "(&s)", &service);
      name = *service == '/' ? sender : service;
      item = *service == '/' ? service : ITEM_PATH;
      if (g_dbus_is_name (name) && g_variant_is_object_path (item))
        g_signal_emit (data, signals[REGISTERED], 0, name, item);
    }
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static GVariant *
on_get_property (GDBusConnection *bus, const char *sender, const char *path,
                 const char *interface, const char *property, GError **error, gpointer data)
{
  MossTrayWatcher *self = data;

  if (strcmp (property, "IsStatusNotifierHostRegistered") == 0)
    return g_variant_new_boolean (TRUE);
  if (strcmp (property, "ProtocolVersion") == 0)
    return g_variant_new_int32 (0);
  return g_variant_new_strv ((const char *const *) self->ids->pdata, self->ids->len);
}

static const GDBusInterfaceVTable vtable = { on_method_call, on_get_property, NULL, { 0 } };

/* Not every program registers once more when a tray appears: an app that came from another
   device may believe that it still is registered. */
static void
on_names_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GVariant) names = NULL;

  if (answer == NULL)
    return; /* perhaps cancelled: the watcher may be gone */
  names = g_variant_get_child_value (answer, 0);
  for (gsize i = 0; i < MIN (g_variant_n_children (names), MAX_NAMES); i++)
    {
      const char *name;

      g_variant_get_child (names, i, "&s", &name);
      if (g_str_has_prefix (name, ITEM_PREFIX) && g_dbus_is_name (name))
        g_signal_emit (data, signals[REGISTERED], 0, name, ITEM_PATH);
    }
}

static void
on_name_acquired (GDBusConnection *bus, const char *name, gpointer data)
{
  MossTrayWatcher *self = data;

  g_dbus_connection_emit_signal (bus, NULL, OBJECT_PATH, BUS_NAME,
                                 "StatusNotifierHostRegistered", NULL, NULL);
  g_dbus_connection_call (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                          "org.freedesktop.DBus", "ListNames", NULL, G_VARIANT_TYPE ("(as)"),
                          G_DBUS_CALL_FLAGS_NONE, 2000, self->cancellable, on_names_ready,
                          self);
}

GDBusConnection *
moss_tray_watcher_get_bus (MossTrayWatcher *self)
{
  return self->bus;
}

/* An item is shown from now on; id: bus name and path, joined. */
void
moss_tray_watcher_add (MossTrayWatcher *self, const char *id)
{
  g_ptr_array_add (self->ids, g_strdup (id));
  emit (self, "StatusNotifierItemRegistered", id);
}

void
moss_tray_watcher_remove (MossTrayWatcher *self, const char *id)
{
  guint index;

  if (!g_ptr_array_find_with_equal_func (self->ids, id, g_str_equal, &index))
    return;
  emit (self, "StatusNotifierItemUnregistered", id);
  g_ptr_array_remove_index (self->ids, index);
}

void
moss_tray_watcher_start (MossTrayWatcher *self)
{
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (introspection, NULL);
  g_autoptr (GError) error = NULL;

  self->registration = g_dbus_connection_register_object (
      self->bus, OBJECT_PATH, info->interfaces[0], &vtable, self, NULL, &error);
  if (self->registration == 0)
    g_warning ("the tray: %s", error->message);
  self->owner = g_bus_own_name_on_connection (self->bus, BUS_NAME,
                                              G_BUS_NAME_OWNER_FLAGS_ALLOW_REPLACEMENT,
                                              on_name_acquired, NULL, self, NULL);
}

static void
moss_tray_watcher_dispose (GObject *object)
{
  MossTrayWatcher *self = MOSS_TRAY_WATCHER (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_handle_id (&self->owner, g_bus_unown_name);
  if (self->registration != 0)
    g_dbus_connection_unregister_object (self->bus, self->registration);
  self->registration = 0;
  g_clear_object (&self->bus);
  g_clear_pointer (&self->ids, g_ptr_array_unref);
  G_OBJECT_CLASS (moss_tray_watcher_parent_class)->dispose (object);
}

static void
moss_tray_watcher_class_init (MossTrayWatcherClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_tray_watcher_dispose;
  signals[REGISTERED] = g_signal_new ("registered", MOSS_TYPE_TRAY_WATCHER, G_SIGNAL_RUN_LAST,
                                      0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_STRING,
                                      G_TYPE_STRING);
}

static void
moss_tray_watcher_init (MossTrayWatcher *self)
{
  self->cancellable = g_cancellable_new ();
  self->ids = g_ptr_array_new_with_free_func (g_free);
}

MossTrayWatcher *
moss_tray_watcher_new (GDBusConnection *bus)
{
  MossTrayWatcher *self = g_object_new (MOSS_TYPE_TRAY_WATCHER, NULL);

  self->bus = g_object_ref (bus);
  return self;
}
