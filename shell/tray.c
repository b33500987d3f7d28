// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-tray"

#include "tray.h"

#include "tray-item.h"
#include "tray-watcher.h"

#include <string.h>

/* MossTray: the signs of other programs in the dock. It shows what registers with it on the
   session's bus and on the private buses of the apps; nested in a desktop with a tray of its
   own it shows only the latter. Items are other programs: there are at most so many, of one
   app fewer, and each goes when its name leaves its bus. */

#define MAX_ITEMS 16
#define MAX_ITEMS_OF_APP 3

struct _MossTray
{
  GtkWidget parent_instance;

  MossMenuLayer *menus;
  GPtrArray *watchers;
  GDBusConnection *session; /* its bus, of the first watcher */
};

G_DEFINE_FINAL_TYPE (MossTray, moss_tray, GTK_TYPE_WIDGET)

static MossTrayWatcher *
find_watcher (MossTray *self, GDBusConnection *bus)
{
  for (guint i = 0; i < self->watchers->len; i++)
    if (moss_tray_watcher_get_bus (self->watchers->pdata[i]) == bus)
      return self->watchers->pdata[i];
  return NULL;
}

static void
remove_item (MossTray *self, MossTrayItem *item)
{
  MossTrayWatcher *watcher = find_watcher (self, moss_tray_item_get_bus (item));

  if (watcher != NULL)
    moss_tray_watcher_remove (watcher, moss_tray_item_get_id (item));
  gtk_widget_unparent (GTK_WIDGET (item));
}

static void
on_item_gone (MossTrayItem *item, MossTray *self)
{
  remove_item (self, item);
}

/* Whether there is room for another one of this bus, which isn't shown already. */
static gboolean
may_add (MossTray *self, GDBusConnection *bus, const char *id)
{
  guint all = 0, same = 0;

  for (GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self)); child != NULL;
       child = gtk_widget_get_next_sibling (child), all++)
    {
      MossTrayItem *item = MOSS_TRAY_ITEM (child);

      if (moss_tray_item_get_bus (item) != bus)
        continue;
      if (moss_tray_item_is_same (item, id))
        return FALSE;
      same++;
    }
  return all < MAX_ITEMS && (bus == self->session || same < MAX_ITEMS_OF_APP);
}

static void
on_registered (MossTrayWatcher *watcher, const char *name, const char *path, MossTray *self)
{
  GDBusConnection *bus = moss_tray_watcher_get_bus (watcher);
  const char *app = g_object_get_data (G_OBJECT (watcher), "app");
  g_autofree char *id = g_strconcat (name, path, NULL);
  GtkWidget *item;

  if (!may_add (self, bus, id))
    return;
  item = moss_tray_item_new (bus, name, path, self->menus, app);
  g_signal_connect (item, "gone", G_CALLBACK (on_item_gone), self);
  gtk_widget_set_parent (item, GTK_WIDGET (self));
  moss_tray_watcher_add (watcher, id);
}

void
moss_tray_add_bus (MossTray *self, GDBusConnection *bus, const char *app)
{
  MossTrayWatcher *watcher = moss_tray_watcher_new (bus);

  g_object_set_data_full (G_OBJECT (watcher), "app", g_strdup (app), g_free);
  g_signal_connect (watcher, "registered", G_CALLBACK (on_registered), self);
  g_ptr_array_add (self->watchers, watcher);
  moss_tray_watcher_start (watcher);
}

void
moss_tray_remove_bus (MossTray *self, GDBusConnection *bus)
{
  GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self));
  MossTrayWatcher *watcher = find_watcher (self, bus);

  while (child != NULL)
    {
      GtkWidget *next = gtk_widget_get_next_sibling (child);

      if (moss_tray_item_get_bus (MOSS_TRAY_ITEM (child)) == bus)
        remove_item (self, MOSS_TRAY_ITEM (child));
      child = next;
    }
  g_ptr_array_remove (self->watchers, watcher);
}

/* menus: (unowned): where an item's menu opens. */
void
moss_tray_start (MossTray *self, GDBusConnection *bus, MossMenuLayer *menus)
{
  self->menus = menus;
  self->session = g_object_ref (bus);
  moss_tray_add_bus (self, bus, NULL);
}

static void
moss_tray_dispose (GObject *object)
{
  MossTray *self = MOSS_TRAY (object);
  GtkWidget *child;

  if (self->watchers != NULL)
    for (guint i = 0; i < self->watchers->len; i++)
      g_signal_handlers_disconnect_by_data (self->watchers->pdata[i], self);
  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    gtk_widget_unparent (child);
  g_clear_pointer (&self->watchers, g_ptr_array_unref);
  g_clear_object (&self->session);
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
  self->watchers = g_ptr_array_new_with_free_func (g_object_unref);
}

GtkWidget *
moss_tray_new (void)
{
  return g_object_new (MOSS_TYPE_TRAY, NULL);
}
