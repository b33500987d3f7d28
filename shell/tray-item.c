// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-tray-item"

#include "tray-item.h"

#include "dbus-menu.h"
#include "files-header.h"

#include <glib/gi18n.h>
#include <string.h>

/* MossTrayItem: one StatusNotifierItem as a button. What it says about itself is read whole
   and checked whenever it says that something is new, at most a few times a second. Icons
   are names of the theme or small pictures; paths and theme folders of an item are not
   followed. An item of an app says which one it is of. The session's own item for the files on
   /net opens its menu with a header. Emits "gone" when its program left the bus. */

#define INTERFACE "org.kde.StatusNotifierItem"
#define REFRESH_MS 120
#define MAX_ICON 512
#define SIZE 16
/* session/tray/item.h */
#define FILES_ID "moss-net"

struct _MossTrayItem
{
  GtkWidget parent_instance;

  GDBusConnection *bus;
  MossMenuLayer *menus;
  GtkWidget *button;
  GtkWidget *image;
  char *id;
  char *name;
  char *path;
  char *menu_path; /* or NULL */
  char *app;       /* or NULL */
  char *owner;     /* of the name, once known */
  MossFilesClient *files; /* NULL: it is some other item */
  gboolean is_menu;
  guint watch;
  guint subscription;
  guint refresh;
  GCancellable *cancellable;
};

enum { GONE, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossTrayItem, moss_tray_item, GTK_TYPE_WIDGET)

/* The picture that is nearest above the size shown; wire order is ARGB, big-endian. */
static GdkTexture *
read_pixmap (GVariant *pixmaps)
{
  g_autoptr (GVariant) best = NULL;
  int best_width = 0, best_height = 0;
  gsize n = MIN (g_variant_n_children (pixmaps), 16);

  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) data = NULL;
      int width, height;

      g_variant_get_child (pixmaps, i, "(ii@ay)", &width, &height, &data);
      if (width <= 0 || height <= 0 || width > MAX_ICON || height > MAX_ICON ||
          g_variant_get_size (data) != (gsize) width * height * 4)
        continue;
      if (best != NULL && (best_width >= SIZE ? width > best_width : width < best_width))
        continue;
      g_clear_pointer (&best, g_variant_unref);
      best = g_steal_pointer (&data);
      best_width = width;
      best_height = height;
    }
  if (best == NULL)
    return NULL;
  {
    g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (best);
    return gdk_memory_texture_new (best_width, best_height, GDK_MEMORY_A8R8G8B8, bytes,
                                   (gsize) best_width * 4);
  }
}

static void
show_icon (MossTrayItem *self, GVariant *properties)
{
  GtkIconTheme *theme = gtk_icon_theme_get_for_display (
      gtk_widget_get_display (GTK_WIDGET (self)));
  g_autoptr (GVariant) pixmaps = g_variant_lookup_value (properties, "IconPixmap",
                                                         G_VARIANT_TYPE ("a(iiay)"));
  g_autoptr (GdkTexture) texture = NULL;
  const char *icon = NULL;

  if (g_variant_lookup (properties, "IconName", "&s", &icon) &&
      gtk_icon_theme_has_icon (theme, icon))
    {
      gtk_image_set_from_icon_name (GTK_IMAGE (self->image), icon);
      return;
    }
  if (pixmaps != NULL)
    texture = read_pixmap (pixmaps);
  if (texture != NULL)
    gtk_image_set_from_paintable (GTK_IMAGE (self->image), GDK_PAINTABLE (texture));
  else
    gtk_image_set_from_icon_name (GTK_IMAGE (self->image), "application-x-executable-symbolic");
}

static char *
make_title (MossTrayItem *self, const char *title)
{
  g_autofree char *clean = moss_files_clean (title, 80);

  if (self->app == NULL)
    return g_steal_pointer (&clean);
  /* Translators: app, then what its sign in the tray says */
  return *clean != '\0' ? g_strdup_printf (_("%s: %s"), self->app, clean)
                        : g_strdup (self->app);
}

static void
take_properties (MossTrayItem *self, GVariant *properties)
{
  const char *title = "", *status = "", *menu = NULL, *id = "";
  g_autofree char *shown = NULL;

  show_icon (self, properties);
  g_variant_lookup (properties, "Title", "&s", &title);
  g_variant_lookup (properties, "Status", "&s", &status);
  g_variant_lookup (properties, "ItemIsMenu", "b", &self->is_menu);
  g_clear_pointer (&self->menu_path, g_free);
  if (g_variant_lookup (properties, "Menu", "&o", &menu) &&
      strcmp (menu, "/NO_DBUSMENU") != 0)
    self->menu_path = g_strdup (menu);
  g_variant_lookup (properties, "Id", "&s", &id);
  if (self->app == NULL && strcmp (id, FILES_ID) == 0 && self->files == NULL)
    self->files = moss_files_client_new (self->bus);
  shown = make_title (self, title);
  gtk_widget_set_tooltip_text (self->button, shown);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->button),
                                  GTK_ACCESSIBLE_PROPERTY_LABEL, shown, -1);
  gtk_widget_set_visible (GTK_WIDGET (self), strcmp (status, "Passive") != 0);
}

static void
on_properties (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) properties = NULL;

  if (answer == NULL)
    return; /* cancelled with the item, or it has nothing to say */
  g_variant_get (answer, "(@a{sv})", &properties);
  take_properties (data, properties);
}

static gboolean
on_refresh (gpointer data)
{
  MossTrayItem *self = data;

  self->refresh = 0;
  g_dbus_connection_call (self->bus, self->name, self->path,
                          "org.freedesktop.DBus.Properties", "GetAll",
                          g_variant_new ("(s)", INTERFACE), G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, 2000, self->cancellable,
                          on_properties, self);
  return G_SOURCE_REMOVE;
}

static void
on_signal (GDBusConnection *bus, const char *sender, const char *path,
           const char *interface, const char *signal, GVariant *parameters, gpointer data)
{
  MossTrayItem *self = data;

  if (self->refresh == 0)
    self->refresh = g_timeout_add (REFRESH_MS, on_refresh, self);
}

static void
on_name_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  MossTrayItem *self = data;

  g_free (self->owner);
  self->owner = g_strdup (owner);
}

static void
on_name_vanished (GDBusConnection *bus, const char *name, gpointer data)
{
  g_signal_emit (data, signals[GONE], 0);
}

static void
open_menu (MossTrayItem *self)
{
  graphene_rect_t bounds;

  if (self->menu_path == NULL ||
      !gtk_widget_compute_bounds (GTK_WIDGET (self), GTK_WIDGET (self->menus), &bounds))
    return;
  moss_dbus_menu_popup (self->bus, self->name, self->menu_path, self->menus,
                        bounds.origin.x + bounds.size.width / 2, bounds.origin.y - 20,
                        self->files != NULL ? moss_files_header_new (self->files) : NULL);
}

static void
call_item (MossTrayItem *self, const char *method)
{
  g_dbus_connection_call (self->bus, self->name, self->path, INTERFACE, method,
                          g_variant_new ("(ii)", 0, 0), NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, 2000, NULL, NULL, NULL);
}

static void
on_clicked (GtkButton *button, MossTrayItem *self)
{
  if (self->is_menu || self->files != NULL)
    open_menu (self);
  else
    call_item (self, "Activate");
}

static void
on_secondary (GtkGestureClick *gesture, int n, double x, double y, MossTrayItem *self)
{
  gtk_gesture_set_state (GTK_GESTURE (gesture), GTK_EVENT_SEQUENCE_CLAIMED);
  if (self->menu_path != NULL)
    open_menu (self);
  else
    call_item (self, "ContextMenu");
}

const char *
moss_tray_item_get_id (MossTrayItem *self)
{
  return self->id;
}

GDBusConnection *
moss_tray_item_get_bus (MossTrayItem *self)
{
  return self->bus;
}

gboolean
moss_tray_item_is_same (MossTrayItem *self, const char *id)
{
  g_autofree char *by_owner =
      self->owner != NULL ? g_strconcat (self->owner, self->path, NULL) : NULL;

  return strcmp (self->id, id) == 0 || g_strcmp0 (by_owner, id) == 0;
}

static void
moss_tray_item_dispose (GObject *object)
{
  MossTrayItem *self = MOSS_TRAY_ITEM (object);

  g_clear_handle_id (&self->refresh, g_source_remove);
  g_clear_handle_id (&self->watch, g_bus_unwatch_name);
  if (self->subscription != 0)
    g_dbus_connection_signal_unsubscribe (self->bus, self->subscription);
  self->subscription = 0;
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->files);
  g_clear_object (&self->bus);
  g_clear_pointer (&self->button, gtk_widget_unparent);
  g_clear_pointer (&self->id, g_free);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->menu_path, g_free);
  g_clear_pointer (&self->app, g_free);
  g_clear_pointer (&self->owner, g_free);
  G_OBJECT_CLASS (moss_tray_item_parent_class)->dispose (object);
}

static void
moss_tray_item_class_init (MossTrayItemClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_tray_item_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  signals[GONE] = g_signal_new ("gone", MOSS_TYPE_TRAY_ITEM, G_SIGNAL_RUN_LAST, 0, NULL,
                                NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_tray_item_init (MossTrayItem *self)
{
  GtkGesture *secondary = gtk_gesture_click_new ();

  self->cancellable = g_cancellable_new ();
  self->button = gtk_button_new ();
  self->image = gtk_image_new ();
  gtk_image_set_pixel_size (GTK_IMAGE (self->image), SIZE);
  gtk_widget_set_halign (self->image, GTK_ALIGN_CENTER);
  gtk_widget_set_valign (self->image, GTK_ALIGN_CENTER);
  gtk_button_set_child (GTK_BUTTON (self->button), self->image);
  gtk_widget_set_valign (self->button, GTK_ALIGN_CENTER);
  g_signal_connect (self->button, "clicked", G_CALLBACK (on_clicked), self);
  gtk_widget_set_parent (self->button, GTK_WIDGET (self));
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (secondary), GDK_BUTTON_SECONDARY);
  g_signal_connect (secondary, "pressed", G_CALLBACK (on_secondary), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (secondary));
}

/* menus: (unowned) */
GtkWidget *
moss_tray_item_new (GDBusConnection *bus, const char *name, const char *path,
                    MossMenuLayer *menus, const char *app)
{
  MossTrayItem *self = g_object_new (MOSS_TYPE_TRAY_ITEM, NULL);

  self->bus = g_object_ref (bus);
  self->menus = menus;
  self->app = g_strdup (app);
  self->name = g_strdup (name);
  self->path = g_strdup (path);
  self->id = g_strconcat (name, path, NULL);
  self->subscription = g_dbus_connection_signal_subscribe (
      bus, name, INTERFACE, NULL, path, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self,
      NULL);
  self->watch = g_bus_watch_name_on_connection (bus, name, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                on_name_appeared, on_name_vanished, self,
                                                NULL);
  on_refresh (self);
  return GTK_WIDGET (self);
}
