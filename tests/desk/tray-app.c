// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "tray-app"

#include <gio/gio.h>
#include <libdbusmenu-glib/dbusmenu-glib.h>
#include <unistd.h>

/* A program with a sign in the tray and no window: a red square with a menu of one row. What it
   is told to do it counts in ~/tray: "activated N menu N". It registers once, when it first sees
   a tray, and never again: as an app that moved knows nothing of the move. */

static const char introspection[] =
    "<node><interface name='org.kde.StatusNotifierItem'>"
    "<property name='Id' type='s' access='read'/>"
    "<property name='Title' type='s' access='read'/>"
    "<property name='Status' type='s' access='read'/>"
    "<property name='IconPixmap' type='a(iiay)' access='read'/>"
    "<property name='ItemIsMenu' type='b' access='read'/>"
    "<property name='Menu' type='o' access='read'/>"
    "<method name='Activate'><arg type='i' direction='in'/><arg type='i' direction='in'/></method>"
    "</interface></node>";

static guint activated, chosen;
static gboolean registered;

static void
write_down (void)
{
  g_autofree char *path = g_build_filename (g_get_home_dir (), "tray", NULL);
  g_autofree char *text = g_strdup_printf ("activated %u menu %u\n", activated, chosen);

  g_file_set_contents (path, text, -1, NULL);
}

static void
on_method_call (GDBusConnection *bus, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer data)
{
  activated++;
  write_down ();
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static GVariant *
make_square (void)
{
  guint8 pixels[16 * 16 * 4];
  GVariantBuilder list;

  for (guint i = 0; i < sizeof pixels; i += 4)
    {
      pixels[i] = pixels[i + 1] = 0xff;
      pixels[i + 2] = pixels[i + 3] = 0;
    }
  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(iiay)"));
  g_variant_builder_add (&list, "(ii@ay)", 16, 16,
                         g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, pixels, sizeof pixels,
                                                    1));
  return g_variant_builder_end (&list);
}

static GVariant *
on_get_property (GDBusConnection *bus, const char *sender, const char *path,
                 const char *interface, const char *property, GError **error, gpointer data)
{
  if (g_str_equal (property, "IconPixmap"))
    return make_square ();
  if (g_str_equal (property, "ItemIsMenu"))
    return g_variant_new_boolean (FALSE);
  if (g_str_equal (property, "Menu"))
    return g_variant_new_object_path ("/Menu");
  if (g_str_equal (property, "Id"))
    return g_variant_new_string ("moss-net"); /* it isn't: the shell must not take it for that */
  return g_variant_new_string (g_str_equal (property, "Status") ? "Active" : "Red square");
}

static const GDBusInterfaceVTable vtable = { on_method_call, on_get_property, NULL, { 0 } };

static void
on_chosen (DbusmenuMenuitem *item, guint time, gpointer data)
{
  chosen++;
  write_down ();
}

static void
on_tray (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  if (!registered)
    g_dbus_connection_call (bus, owner, "/StatusNotifierWatcher",
                            "org.kde.StatusNotifierWatcher", "RegisterStatusNotifierItem",
                            g_variant_new ("(s)", data), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                            NULL, NULL);
  registered = TRUE;
}

static void
make_menu (void)
{
  DbusmenuServer *server = dbusmenu_server_new ("/Menu");
  DbusmenuMenuitem *root = dbusmenu_menuitem_new ();
  DbusmenuMenuitem *row = dbusmenu_menuitem_new ();

  dbusmenu_menuitem_property_set (row, DBUSMENU_MENUITEM_PROP_LABEL, "Paint it");
  g_signal_connect (row, DBUSMENU_MENUITEM_SIGNAL_ITEM_ACTIVATED, G_CALLBACK (on_chosen), NULL);
  dbusmenu_menuitem_child_append (root, row);
  dbusmenu_server_set_root (server, root);
}

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (introspection, NULL);
  g_autofree char *name = g_strdup_printf ("org.kde.StatusNotifierItem-%d-1", (int) getpid ());

  if (bus == NULL)
    return 1;
  make_menu (); /* as long as the program */
  g_dbus_connection_register_object (bus, "/StatusNotifierItem", info->interfaces[0], &vtable,
                                     NULL, NULL, NULL);
  g_bus_own_name_on_connection (bus, name, G_BUS_NAME_OWNER_FLAGS_NONE, NULL, NULL, NULL, NULL);
  g_bus_watch_name_on_connection (bus, "org.kde.StatusNotifierWatcher",
                                  G_BUS_NAME_WATCHER_FLAGS_NONE, on_tray, NULL, name, NULL);
  write_down ();
  g_main_loop_run (loop);
  return 0;
}
