// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-tray"

#include "tray.h"

#include "tray-item.h"

#include <string.h>

/* MossTray: the signs of other programs in the dock. It is the StatusNotifierWatcher of a
   session that has none and shows what registers there; nested in a desktop with a tray of
   its own it waits in the queue for the name and shows nothing. Items are other programs:
   there are at most so many, and each goes when its name leaves the bus. */

#define BUS_NAME "org.kde.StatusNotifierWatcher"
#define OBJECT_PATH "/StatusNotifierWatcher"
#define MAX_ITEMS 16

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

struct _MossTray
{
  GtkWidget parent_instance;

  GDBusConnection *bus;
  MossMenuLayer *menus;
  guint owner;
  guint registration;
};

G_DEFINE_FINAL_TYPE (MossTray, moss_tray, GTK_TYPE_WIDGET)

static void
emit (MossTray *self, const char *signal, const char *item)
{
  g_dbus_connection_emit_signal (self->bus, NULL, OBJECT_PATH, BUS_NAME, signal,
                                 g_variant_new ("(s)", item), NULL);
}

static void
on_item_gone (MossTrayItem *item, MossTray *self)
{
  emit (self, "StatusNotifierItemUnregistered", moss_tray_item_get_id (item));
  gtk_widget_unparent (GTK_WIDGET (item));
}

static void
add_item (MossTray *self, const char *sender, const char *service)
{
  const char *name = *service == '/' ? sender : service;
  const char *path = *service == '/' ? service : "/StatusNotifierItem";
  g_autofree char *id = g_strconcat (name, path, NULL);
  GtkWidget *item;
  guint n = 0;

  if (!g_dbus_is_name (name) || !g_variant_is_object_path (path))
    return;
  for (GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self)); child != NULL;
       child = gtk_widget_get_next_sibling (child), n++)
    if (strcmp (moss_tray_item_get_id (MOSS_TRAY_ITEM (child)), id) == 0)
      return;
  if (n >= MAX_ITEMS)
    return;
  item = moss_tray_item_new (self->bus, name, path, self->menus);
  g_signal_connect (item, "gone", G_CALLBACK (on_item_gone), self);
  gtk_widget_set_parent (item, GTK_WIDGET (self));
  emit (self, "StatusNotifierItemRegistered", id);
}

static void
on_method_call (GDBusConnection *bus, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer data)
{
  const char *service;

  if (strcmp (method, "RegisterStatusNotifierItem") == 0)
    {
      g_variant_get (parameters, "(&s)", &service);
      add_item (data, sender, service);
    }
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static GVariant *
on_get_property (GDBusConnection *bus, const char *sender, const char *path,
                 const char *interface, const char *property, GError **error, gpointer data)
{
  GVariantBuilder items;

  if (strcmp (property, "IsStatusNotifierHostRegistered") == 0)
    return g_variant_new_boolean (TRUE);
  if (strcmp (property, "ProtocolVersion") == 0)
    return g_variant_new_int32 (0);
  g_variant_builder_init (&items, G_VARIANT_TYPE_STRING_ARRAY);
  for (GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (data)); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    g_variant_builder_add (&items, "s", moss_tray_item_get_id (MOSS_TRAY_ITEM (child)));
  return g_variant_builder_end (&items);
}

static const GDBusInterfaceVTable vtable = { on_method_call, on_get_property, NULL, { 0 } };

/* menus: (unowned): where an item's menu opens. */
void
moss_tray_start (MossTray *self, GDBusConnection *bus, MossMenuLayer *menus)
{
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (introspection, NULL);
  g_autoptr (GError) error = NULL;

  self->bus = g_object_ref (bus);
  self->menus = menus;
  self->registration = g_dbus_connection_register_object (
      bus, OBJECT_PATH, info->interfaces[0], &vtable, self, NULL, &error);
  if (self->registration == 0)
    g_warning ("the tray: %s", error->message);
  self->owner = g_bus_own_name_on_connection (bus, BUS_NAME,
                                              G_BUS_NAME_OWNER_FLAGS_ALLOW_REPLACEMENT, NULL,
                                              NULL, NULL, NULL);
}

static void
moss_tray_dispose (GObject *object)
{
  MossTray *self = MOSS_TRAY (object);
  GtkWidget *child;

  g_clear_handle_id (&self->owner, g_bus_unown_name);
  if (self->registration != 0)
    g_dbus_connection_unregister_object (self->bus, self->registration);
  self->registration = 0;
  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    gtk_widget_unparent (child);
  g_clear_object (&self->bus);
  G_OBJECT_CLASS (moss_tray_parent_class)->dispose (object);
}

static void
moss_tray_class_init (MossTrayClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_tray_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BOX_LAYOUT);
}

static void
moss_tray_init (MossTray *self)
{
  GtkLayoutManager *layout = gtk_widget_get_layout_manager (GTK_WIDGET (self));

  gtk_box_layout_set_spacing (GTK_BOX_LAYOUT (layout), 4);
}

GtkWidget *
moss_tray_new (void)
{
  return g_object_new (MOSS_TYPE_TRAY, NULL);
}
