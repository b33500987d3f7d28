// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-dbus-menu"

#include "dbus-menu.h"

#include <string.h>

/* Reads a com.canonical.dbusmenu and opens it as a menu of the shell: asked for when it is
   wanted and forgotten when it closes. It comes from another program: depth, number of rows
   and length of labels are bounded, and it has two seconds to answer. */

#define INTERFACE "com.canonical.dbusmenu"
#define TIMEOUT_MS 2000
#define MAX_ROWS 100
#define MAX_LABEL 80

typedef struct
{
  GDBusConnection *bus;
  char *name;
  char *path;
  MossMenuLayer *menus;
  GtkWidget *header; /* or NULL */
  double x, y;
} Request;

typedef struct
{
  GDBusConnection *bus;
  char *name;
  char *path;
  int id;
} Row;

static void
request_free (Request *request)
{
  g_object_unref (request->bus);
  g_object_unref (request->menus);
  g_clear_object (&request->header);
  g_free (request->name);
  g_free (request->path);
  g_free (request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Request, request_free)

static void
row_free (gpointer data)
{
  Row *row = data;

  g_object_unref (row->bus);
  g_free (row->name);
  g_free (row->path);
  g_free (row);
}

static void
on_chosen (gpointer data)
{
  Row *row = data;

  g_dbus_connection_call (row->bus, row->name, row->path, INTERFACE, "Event",
                          g_variant_new ("(isvu)", row->id, "clicked",
                                         g_variant_new_int32 (0), 0u),
                          NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_MS, NULL, NULL, NULL);
}

/* Without the underline that marks a mnemonic; two of them are one. */
static char *
clean_label (const char *label)
{
  GString *text = g_string_new (NULL);
  guint n = 0;

  for (const char *at = label; *at != '\0' && n < MAX_LABEL; n++)
    {
      const char *next = g_utf8_next_char (at);

      if (*at != '_')
        g_string_append_len (text, at, next - at);
      else if (*next == '_')
        {
          g_string_append_c (text, '_');
          next++;
        }
      at = next;
    }
  return g_string_free (text, FALSE);
}

static void fill (Request *request, MossMenu *menu, GVariant *children, guint *left,
                  gboolean nested);

static void
add_row (Request *request, MossMenu *menu, GVariant *node, guint *left, gboolean nested)
{
  g_autoptr (GVariant) properties = NULL;
  g_autoptr (GVariant) children = NULL;
  g_autofree char *text = NULL;
  const char *label = "", *type = "", *toggle = "";
  gboolean enabled = TRUE, visible = TRUE;
  GtkWidget *widget;
  int id, state = -1;
  Row *row;

  g_variant_get (node, "(i@a{sv}@av)", &id, &properties, &children);
  g_variant_lookup (properties, "label", "&s", &label);
  g_variant_lookup (properties, "type", "&s", &type);
  g_variant_lookup (properties, "enabled", "b", &enabled);
  g_variant_lookup (properties, "visible", "b", &visible);
  g_variant_lookup (properties, "toggle-type", "&s", &toggle);
  g_variant_lookup (properties, "toggle-state", "i", &state);
  if (!visible)
    return;
  if (strcmp (type, "separator") == 0)
    {
      moss_menu_add_separator (menu);
      return;
    }
  text = clean_label (label);
  if (!nested && g_variant_n_children (children) > 0)
    {
      fill (request, moss_menu_add_submenu (menu, text), children, left, TRUE);
      return;
    }
  row = g_new0 (Row, 1);
  row->bus = g_object_ref (request->bus);
  row->name = g_strdup (request->name);
  row->path = g_strdup (request->path);
  row->id = id;
  widget = *toggle != '\0'
           ? moss_menu_add_check (menu, text, NULL, state == 1, on_chosen, row, row_free)
           : moss_menu_add (menu, text, NULL, on_chosen, row, row_free);
  gtk_widget_set_sensitive (widget, enabled);
}

static void
fill (Request *request, MossMenu *menu, GVariant *children, guint *left, gboolean nested)
{
  for (gsize i = 0; i < g_variant_n_children (children) && *left > 0; i++)
    {
      g_autoptr (GVariant) boxed = g_variant_get_child_value (children, i);
      g_autoptr (GVariant) node = g_variant_get_variant (boxed);

      if (!g_variant_is_of_type (node, G_VARIANT_TYPE ("(ia{sv}av)")))
        continue;
      *left -= 1;
      add_row (request, menu, node, left, nested);
    }
}

static gboolean
is_separator (GVariant *children, gsize i)
{
  g_autoptr (GVariant) boxed = g_variant_get_child_value (children, i);
  g_autoptr (GVariant) node = g_variant_get_variant (boxed);
  g_autoptr (GVariant) properties = NULL;
  const char *type = "";

  if (!g_variant_is_of_type (node, G_VARIANT_TYPE ("(ia{sv}av)")))
    return FALSE;
  properties = g_variant_get_child_value (node, 1);
  g_variant_lookup (properties, "type", "&s", &type);
  return strcmp (type, "separator") == 0;
}

/* What stands before the first line says what the header says. Takes the children. */
static GVariant *
skip_texts (GVariant **children)
{
  g_autoptr (GVariant) all = g_steal_pointer (children);
  GVariantBuilder rest;
  gsize i = 0, n = g_variant_n_children (all);

  while (i < n && !is_separator (all, i))
    i++;
  g_variant_builder_init (&rest, G_VARIANT_TYPE ("av"));
  for (; i < n; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (all, i);

      g_variant_builder_add_value (&rest, child);
    }
  return g_variant_ref_sink (g_variant_builder_end (&rest));
}

static void
on_layout (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Request) request = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) children = NULL;
  MossMenu *menu;
  guint left = MAX_ROWS;

  if (answer == NULL)
    {
      g_debug ("the menu of %s: %s", request->name, error->message);
      return;
    }
  g_variant_get (answer, "(u(i@a{sv}@av))", NULL, NULL, NULL, &children);
  menu = moss_menu_new ();
  if (request->header != NULL)
    {
      moss_menu_add_widget (menu, request->header);
      children = skip_texts (&children);
    }
  fill (request, menu, children, &left, FALSE);
  moss_menu_layer_popup (request->menus, menu, request->x, request->y, MOSS_MENU_ABOVE);
}

static void
on_about_to_show (GObject *source, GAsyncResult *result, gpointer data)
{
  Request *request = data;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  /* Whatever it answered, also an error: what there is is shown. */
  g_dbus_connection_call (request->bus, request->name, request->path, INTERFACE, "GetLayout",
                          g_variant_new ("(ii@as)", 0, 3,
                                         g_variant_new_strv (NULL, 0)),
                          G_VARIANT_TYPE ("(u(ia{sv}av))"), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          TIMEOUT_MS, NULL, on_layout, request);
}

/* Opens the menu above the point, when the program has said what is in it. header: (nullable)
   (transfer floating): stands above it, instead of the texts that it begins with. */
void
moss_dbus_menu_popup (GDBusConnection *bus, const char *name, const char *path,
                      MossMenuLayer *menus, double x, double y, GtkWidget *header)
{
  Request *request = g_new0 (Request, 1);

  request->bus = g_object_ref (bus);
  request->menus = g_object_ref (menus);
  request->header = header != NULL ? g_object_ref_sink (header) : NULL;
  request->name = g_strdup (name);
  request->path = g_strdup (path);
  request->x = x;
  request->y = y;
  g_dbus_connection_call (bus, name, path, INTERFACE, "AboutToShow",
                          g_variant_new ("(i)", 0), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, 250,
                          NULL, on_about_to_show, request);
}
