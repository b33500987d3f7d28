/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "item-menu.h"

#include "tray.h"

#include <glib/gi18n.h>
#include <libdbusmenu-glib/dbusmenu-glib.h>

#define MAX_CONFLICTS 8
#define MAX_LATEST 10
#define MAX_HOSTS 8

struct _MossItemMenu
{
  GObject parent_instance;

  MossFilesClient *client;
  GCancellable *cancellable;
  DbusmenuServer *server;
  DbusmenuMenuitem *root;
  DbusmenuMenuitem *title, *detail; /* of the root; change while it is open */
  GVariant *conflicts;              /* aa{sv} or NULL */
  guint n_conflicts;                /* that were asked for */
  char *shape;                      /* what the rows were made from */
};

G_DEFINE_FINAL_TYPE (MossItemMenu, moss_item_menu, G_TYPE_OBJECT)

/* ---- what a row does ----------------------------------------------------------------- */

typedef struct
{
  MossFilesClient *client;
  char *method; /* NULL: show the path */
  char *path, *argument;
} Deed;

static void
deed_free (gpointer data, GClosure *closure)
{
  Deed *deed = data;

  g_object_unref (deed->client);
  g_free (deed->method);
  g_free (deed->path);
  g_free (deed->argument);
  g_free (deed);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (answer == NULL)
    g_message ("%s", error->message);
}

static void
on_activated (DbusmenuMenuitem *item, guint time, Deed *deed)
{
  if (deed->method == NULL)
    moss_tray_open (moss_files_client_get_bus (deed->client), deed->path);
  else
    moss_files_client_call (deed->client, deed->method,
                            g_variant_new ("(ss)", deed->path, deed->argument), NULL, on_done,
                            NULL);
}

/* One underline would mark a key. */
static void
set_label (DbusmenuMenuitem *item, const char *label)
{
  g_auto (GStrv) parts = g_strsplit (label, "_", -1);
  g_autofree char *text = g_strjoinv ("__", parts);

  dbusmenu_menuitem_property_set (item, DBUSMENU_MENUITEM_PROP_LABEL, text);
}

static DbusmenuMenuitem *
add_row (DbusmenuMenuitem *menu, const char *label)
{
  DbusmenuMenuitem *item = dbusmenu_menuitem_new ();

  set_label (item, label);
  dbusmenu_menuitem_child_append (menu, item);
  g_object_unref (item); /* the menu has it */
  return item;
}

static void
add_deed (MossItemMenu *self, DbusmenuMenuitem *menu, const char *label, const char *method,
          const char *path, const char *argument)
{
  DbusmenuMenuitem *item = add_row (menu, label);
  Deed *deed = g_new0 (Deed, 1);

  deed->client = g_object_ref (self->client);
  deed->method = g_strdup (method);
  deed->path = g_strdup (path);
  deed->argument = g_strdup (argument);
  g_signal_connect_data (item, DBUSMENU_MENUITEM_SIGNAL_ITEM_ACTIVATED,
                         G_CALLBACK (on_activated), deed, deed_free, 0);
}

static DbusmenuMenuitem *
add_text (DbusmenuMenuitem *menu, const char *text)
{
  DbusmenuMenuitem *item = add_row (menu, text);

  dbusmenu_menuitem_property_set_bool (item, DBUSMENU_MENUITEM_PROP_ENABLED, FALSE);
  return item;
}

static DbusmenuMenuitem *
add_submenu (DbusmenuMenuitem *menu, const char *label)
{
  DbusmenuMenuitem *item = add_row (menu, label);

  dbusmenu_menuitem_property_set (item, DBUSMENU_MENUITEM_PROP_CHILD_DISPLAY,
                                  DBUSMENU_MENUITEM_CHILD_DISPLAY_SUBMENU);
  return item;
}

static void
add_separator (DbusmenuMenuitem *menu)
{
  DbusmenuMenuitem *item = add_row (menu, "");

  dbusmenu_menuitem_property_set (item, DBUSMENU_MENUITEM_PROP_TYPE, "separator");
}

/* ---- the rows ------------------------------------------------------------------------ */

static void
add_conflict (MossItemMenu *self, DbusmenuMenuitem *menu, GVariant *conflict)
{
  const char *path = moss_files_get_string (conflict, "path");
  const char *other = moss_files_get_string (conflict, "other");
  g_autofree char *device =
      moss_files_clean (moss_files_get_string (conflict, "device"), 40);
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *name = moss_files_clean (base, 40);
  /* Translators: a file that was changed on two devices at once */
  g_autofree char *label = g_strdup_printf (_ ("%s has two versions"), name);
  g_autofree char *theirs = g_strdup_printf (_ ("Keep the one of %s"), device);
  DbusmenuMenuitem *submenu = add_submenu (menu, label);

  add_deed (self, submenu, _ ("Open this one"), NULL, path, NULL);
  add_deed (self, submenu, _ ("Open the other one"), NULL, other, NULL);
  add_deed (self, submenu, _ ("Keep this one"), "Resolve", path, "mine");
  add_deed (self, submenu, theirs, "Resolve", path, "theirs");
  add_deed (self, submenu, _ ("Keep both"), "Resolve", path, "both");
}

static void
add_conflicts (MossItemMenu *self)
{
  gsize n = self->conflicts != NULL ? g_variant_n_children (self->conflicts) : 0;

  if (n == 0)
    return;
  add_separator (self->root);
  for (gsize i = 0; i < MIN (n, MAX_CONFLICTS); i++)
    {
      g_autoptr (GVariant) conflict = g_variant_get_child_value (self->conflicts, i);

      add_conflict (self, self->root, conflict);
    }
}

static void
add_hosts (MossItemMenu *self, GVariant *status)
{
  g_autoptr (GVariant) hosts =
      g_variant_lookup_value (status, "hosts", G_VARIANT_TYPE ("aa{sv}"));
  gsize n = hosts != NULL ? MIN (g_variant_n_children (hosts), MAX_HOSTS) : 0;

  if (n == 0)
    return;
  add_separator (self->root);
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (hosts, i);
      g_autofree char *line = moss_files_host_line (host);

      add_text (self->root, line);
    }
}

static void
add_latest (MossItemMenu *self, GVariant *status)
{
  g_autoptr (GVariant) latest =
      g_variant_lookup_value (status, "latest", G_VARIANT_TYPE ("a(ssx)"));
  gsize n = latest != NULL ? MIN (g_variant_n_children (latest), MAX_LATEST) : 0;
  DbusmenuMenuitem *submenu = n > 0 ? add_submenu (self->root, _ ("Latest changes")) : NULL;

  for (gsize i = 0; i < n; i++)
    {
      const char *path, *what;
      g_autofree char *line = NULL;

      g_variant_get_child (latest, i, "(&s&sx)", &path, &what, NULL);
      line = moss_files_latest_line (path, what);
      if (g_str_equal (what, "removed"))
        add_text (submenu, line);
      else
        add_deed (self, submenu, line, NULL, path, NULL);
    }
}

static void
on_pause (DbusmenuMenuitem *item, guint time, MossItemMenu *self)
{
  const MossFilesView *view = moss_files_client_get_view (self->client);
  gboolean paused = moss_files_view_state (view) == MOSS_FILES_PAUSED;

  moss_files_client_call (self->client, "Pause", g_variant_new ("(b)", !paused), NULL, on_done,
                          NULL);
}

static void
add_pause (MossItemMenu *self, gboolean paused)
{
  DbusmenuMenuitem *item;

  add_separator (self->root);
  item = add_row (self->root, _ ("Pause syncing"));
  dbusmenu_menuitem_property_set (item, DBUSMENU_MENUITEM_PROP_TOGGLE_TYPE,
                                  DBUSMENU_MENUITEM_TOGGLE_CHECK);
  dbusmenu_menuitem_property_set_int (item, DBUSMENU_MENUITEM_PROP_TOGGLE_STATE, paused);
  g_signal_connect (item, DBUSMENU_MENUITEM_SIGNAL_ITEM_ACTIVATED, G_CALLBACK (on_pause), self);
}

static void
fill (MossItemMenu *self)
{
  const MossFilesView *view = moss_files_client_get_view (self->client);
  const char *home = moss_files_client_get_home (self->client);
  g_autofree char *name = moss_files_home_name (home);
  g_autofree char *open = g_strdup_printf (_ ("Open %s"), name);

  self->title = add_text (self->root, "");
  self->detail = add_text (self->root, "");
  if (*home == '\0')
    return;
  add_separator (self->root);
  add_deed (self, self->root, open, NULL, home, NULL);
  if (view->status == NULL)
    return;
  add_latest (self, view->status);
  add_conflicts (self);
  add_hosts (self, view->status);
  add_pause (self, moss_files_view_state (view) == MOSS_FILES_PAUSED);
}

/* What the rows depend on but for the first two, as text to compare. */
static char *
describe_shape (MossItemMenu *self)
{
  const MossFilesView *view = moss_files_client_get_view (self->client);
  GString *shape = g_string_new (moss_files_client_get_home (self->client));
  static const char *const keys[] = { "hosts", "latest" };

  g_string_append_printf (shape, " %d", moss_files_view_state (view) == MOSS_FILES_PAUSED);
  for (guint i = 0; view->status != NULL && i < G_N_ELEMENTS (keys); i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (view->status, keys[i], NULL);

      if (value != NULL)
        g_variant_print_string (value, shape, FALSE);
    }
  if (self->conflicts != NULL)
    g_variant_print_string (self->conflicts, shape, FALSE);
  return g_string_free (shape, FALSE);
}

static void
rebuild (MossItemMenu *self)
{
  g_clear_object (&self->root);
  self->root = dbusmenu_menuitem_new ();
  fill (self);
  dbusmenu_server_set_root (self->server, self->root);
}

static void
refresh (MossItemMenu *self)
{
  const MossFilesView *view = moss_files_client_get_view (self->client);
  g_autofree char *title = moss_files_view_title (view);
  g_autofree char *detail = moss_files_view_detail (view);
  g_autofree char *shape = describe_shape (self);

  if (g_strcmp0 (shape, self->shape) != 0)
    rebuild (self);
  g_free (self->shape);
  self->shape = g_steal_pointer (&shape);
  set_label (self->title, title);
  set_label (self->detail, detail);
  dbusmenu_menuitem_property_set_bool (self->detail, DBUSMENU_MENUITEM_PROP_VISIBLE,
                                       *detail != '\0');
}

/* ---- following ----------------------------------------------------------------------- */

static void
on_conflicts_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  MossItemMenu *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_pointer (&self->conflicts, g_variant_unref);
  if (answer != NULL && g_variant_is_of_type (answer, G_VARIANT_TYPE ("(aa{sv})")))
    self->conflicts = g_variant_get_child_value (answer, 0);
  refresh (self);
}

static void
on_client_changed (MossFilesClient *client, MossItemMenu *self)
{
  guint n = moss_files_view_conflicts (moss_files_client_get_view (client));

  if (n != self->n_conflicts)
    {
      self->n_conflicts = n;
      moss_files_client_call (client, "Conflicts", NULL, self->cancellable, on_conflicts_ready,
                              self);
    }
  refresh (self);
}

static void
moss_item_menu_dispose (GObject *object)
{
  MossItemMenu *self = MOSS_ITEM_MENU (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  if (self->client != NULL)
    g_signal_handlers_disconnect_by_data (self->client, self);
  g_clear_object (&self->client);
  g_clear_object (&self->server);
  g_clear_object (&self->root);
  g_clear_pointer (&self->conflicts, g_variant_unref);
  g_clear_pointer (&self->shape, g_free);
  G_OBJECT_CLASS (moss_item_menu_parent_class)->dispose (object);
}

static void
moss_item_menu_class_init (MossItemMenuClass *class)
{
  G_OBJECT_CLASS (class)->dispose = moss_item_menu_dispose;
}

static void
moss_item_menu_init (MossItemMenu *self)
{
  self->cancellable = g_cancellable_new ();
  self->server = dbusmenu_server_new (MOSS_ITEM_MENU_PATH);
}

MossItemMenu *
moss_item_menu_new (MossFilesClient *client)
{
  MossItemMenu *self = g_object_new (MOSS_TYPE_ITEM_MENU, NULL);

  self->client = g_object_ref (client);
  g_signal_connect (client, "changed", G_CALLBACK (on_client_changed), self);
  on_client_changed (client, self);
  return self;
}
