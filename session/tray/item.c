/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "item.h"

#include "item-menu.h"
#include "moss-config.h"
#include "tray.h"

#include <glib/gi18n.h>
#include <unistd.h>

#define INTERFACE "org.kde.StatusNotifierItem"
#define WATCHER "org.kde.StatusNotifierWatcher"
#define ITEM_PATH "/StatusNotifierItem"

static const char introspection[] =
    "<node><interface name='org.kde.StatusNotifierItem'>"
    "<property name='Category' type='s' access='read'/>"
    "<property name='Id' type='s' access='read'/>"
    "<property name='Title' type='s' access='read'/>"
    "<property name='Status' type='s' access='read'/>"
    "<property name='WindowId' type='i' access='read'/>"
    "<property name='IconName' type='s' access='read'/>"
    "<property name='IconThemePath' type='s' access='read'/>"
    "<property name='IconPixmap' type='a(iiay)' access='read'/>"
    "<property name='OverlayIconName' type='s' access='read'/>"
    "<property name='OverlayIconPixmap' type='a(iiay)' access='read'/>"
    "<property name='AttentionIconName' type='s' access='read'/>"
    "<property name='AttentionIconPixmap' type='a(iiay)' access='read'/>"
    "<property name='AttentionMovieName' type='s' access='read'/>"
    "<property name='ToolTip' type='(sa(iiay)ss)' access='read'/>"
    "<property name='ItemIsMenu' type='b' access='read'/>"
    "<property name='Menu' type='o' access='read'/>"
    "<method name='ContextMenu'><arg type='i' direction='in'/><arg type='i' direction='in'/>"
    "</method>"
    "<method name='Activate'><arg type='i' direction='in'/><arg type='i' direction='in'/></method>"
    "<method name='SecondaryActivate'><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/></method>"
    "<method name='Scroll'><arg type='i' direction='in'/><arg type='s' direction='in'/></method>"
    "<method name='ProvideXdgActivationToken'><arg type='s' direction='in'/></method>"
    "<signal name='NewTitle'/><signal name='NewIcon'/><signal name='NewAttentionIcon'/>"
    "<signal name='NewOverlayIcon'/><signal name='NewToolTip'/>"
    "<signal name='NewStatus'><arg type='s'/></signal>"
    "</interface></node>";

struct _MossNetItem
{
  GObject parent_instance;

  MossFilesClient *client;
  MossItemMenu *menu;
  char *name; /* on the bus */
  char *title, *detail;
  MossFilesState state;
  guint owner, watch, registration;
};

G_DEFINE_FINAL_TYPE (MossNetItem, moss_net_item, G_TYPE_OBJECT)

static GDBusConnection *
get_bus (MossNetItem *self)
{
  return moss_files_client_get_bus (self->client);
}

static const char *
get_status (MossNetItem *self)
{
  if (self->state == MOSS_FILES_NONE)
    return "Passive";
  return moss_files_state_needs_attention (self->state) ? "NeedsAttention" : "Active";
}

/* For trays that look for icons only where they were told. */
static char *
find_icon_folder (void)
{
  const char *const *dirs = g_get_system_data_dirs ();

  for (guint i = 0; dirs[i] != NULL; i++)
    {
      g_autofree char *icons = g_build_filename (dirs[i], "icons", NULL);
      g_autofree char *one = g_build_filename (icons, "hicolor", "symbolic", "apps",
                                               "moss-net-symbolic.svg", NULL);

      if (g_file_test (one, G_FILE_TEST_EXISTS))
        return g_steal_pointer (&icons);
    }
  return g_strdup ("");
}

static GVariant *
make_tool_tip (MossNetItem *self)
{
  return g_variant_new ("(s@a(iiay)ss)", moss_files_state_icon (self->state),
                        g_variant_new ("a(iiay)", NULL), self->title, self->detail);
}

static GVariant *
on_get_property (GDBusConnection *bus, const char *sender, const char *path,
                 const char *interface, const char *property, GError **error, gpointer data)
{
  MossNetItem *self = data;
  g_autofree char *folder = NULL;

  if (g_str_equal (property, "Category"))
    return g_variant_new_string ("SystemServices");
  if (g_str_equal (property, "Id"))
    return g_variant_new_string (MOSS_NET_ITEM_ID);
  if (g_str_equal (property, "Title"))
    return g_variant_new_string (self->title);
  if (g_str_equal (property, "Status"))
    return g_variant_new_string (get_status (self));
  if (g_str_equal (property, "WindowId"))
    return g_variant_new_int32 (0);
  if (g_str_equal (property, "IconName") || g_str_equal (property, "AttentionIconName"))
    return g_variant_new_string (moss_files_state_icon (self->state));
  if (g_str_equal (property, "IconThemePath"))
    return g_variant_new_take_string (find_icon_folder ());
  if (g_str_has_suffix (property, "Pixmap"))
    return g_variant_new ("a(iiay)", NULL);
  if (g_str_equal (property, "ToolTip"))
    return make_tool_tip (self);
  if (g_str_equal (property, "ItemIsMenu"))
    return g_variant_new_boolean (FALSE);
  if (g_str_equal (property, "Menu"))
    return g_variant_new_object_path (MOSS_ITEM_MENU_PATH);
  return g_variant_new_string ("");
}

static void
on_method_call (GDBusConnection *bus, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer data)
{
  MossNetItem *self = data;
  const char *home = moss_files_client_get_home (self->client);

  if (g_str_equal (method, "Activate") && *home != '\0')
    moss_tray_open (bus, home);
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static const GDBusInterfaceVTable vtable = { on_method_call, on_get_property, NULL, { 0 } };

static void
emit (MossNetItem *self, const char *signal, GVariant *parameters)
{
  g_dbus_connection_emit_signal (get_bus (self), NULL, ITEM_PATH, INTERFACE, signal, parameters,
                                 NULL);
}

static void
on_client_changed (MossFilesClient *client, MossNetItem *self)
{
  const MossFilesView *view = moss_files_client_get_view (client);
  g_autofree char *title = moss_files_view_title (view);
  g_autofree char *detail = moss_files_view_detail (view);
  MossFilesState state = moss_files_view_state (view);
  gboolean other_state = state != self->state;
  gboolean other_text =
      g_strcmp0 (title, self->title) != 0 || g_strcmp0 (detail, self->detail) != 0;

  g_free (self->title);
  g_free (self->detail);
  self->title = g_steal_pointer (&title);
  self->detail = g_steal_pointer (&detail);
  self->state = state;
  if (other_state)
    {
      emit (self, "NewIcon", NULL);
      emit (self, "NewAttentionIcon", NULL);
      emit (self, "NewStatus", g_variant_new ("(s)", get_status (self)));
    }
  if (other_text)
    {
      emit (self, "NewTitle", NULL);
      emit (self, "NewToolTip", NULL);
    }
}

static void
on_watcher_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  MossNetItem *self = data;

  g_dbus_connection_call (bus, owner, "/StatusNotifierWatcher", WATCHER,
                          "RegisterStatusNotifierItem", g_variant_new ("(s)", self->name), NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL, NULL);
}

/* Only with the name does a watcher find us: it is looked for then. */
static void
on_name_acquired (GDBusConnection *bus, const char *name, gpointer data)
{
  MossNetItem *self = data;

  if (self->watch == 0)
    self->watch = g_bus_watch_name_on_connection (bus, WATCHER, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                  on_watcher_appeared, NULL, self, NULL);
}

static void
moss_net_item_dispose (GObject *object)
{
  MossNetItem *self = MOSS_NET_ITEM (object);

  g_clear_handle_id (&self->watch, g_bus_unwatch_name);
  g_clear_handle_id (&self->owner, g_bus_unown_name);
  if (self->registration != 0)
    g_dbus_connection_unregister_object (get_bus (self), self->registration);
  self->registration = 0;
  g_clear_object (&self->menu);
  if (self->client != NULL)
    g_signal_handlers_disconnect_by_data (self->client, self);
  g_clear_object (&self->client);
  G_OBJECT_CLASS (moss_net_item_parent_class)->dispose (object);
}

static void
moss_net_item_finalize (GObject *object)
{
  MossNetItem *self = MOSS_NET_ITEM (object);

  g_free (self->name);
  g_free (self->title);
  g_free (self->detail);
  G_OBJECT_CLASS (moss_net_item_parent_class)->finalize (object);
}

static void
moss_net_item_class_init (MossNetItemClass *class)
{
  G_OBJECT_CLASS (class)->dispose = moss_net_item_dispose;
  G_OBJECT_CLASS (class)->finalize = moss_net_item_finalize;
}

static void
moss_net_item_init (MossNetItem *self)
{
  self->name = g_strdup_printf ("org.kde.StatusNotifierItem-%d-1", (int) getpid ());
  self->title = g_strdup ("");
  self->detail = g_strdup ("");
}

MossNetItem *
moss_net_item_new (MossFilesClient *client)
{
  MossNetItem *self = g_object_new (MOSS_TYPE_NET_ITEM, NULL);
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (introspection, NULL);
  g_autoptr (GError) error = NULL;

  self->client = g_object_ref (client);
  self->menu = moss_item_menu_new (client);
  self->registration = g_dbus_connection_register_object (
      get_bus (self), ITEM_PATH, info->interfaces[0], &vtable, self, NULL, &error);
  if (self->registration == 0)
    g_warning ("the tray item: %s", error->message);
  g_signal_connect (client, "changed", G_CALLBACK (on_client_changed), self);
  on_client_changed (client, self);
  self->owner = g_bus_own_name_on_connection (get_bus (self), self->name,
                                              G_BUS_NAME_OWNER_FLAGS_NONE, on_name_acquired,
                                              NULL, self, NULL);
  return self;
}
