// SPDX-License-Identifier: GPL-3.0-or-later
/* "Convert to": what the broker says can be made of a file of this type. It is asked when such a
 * file is chosen for the first time; the row is there as soon as it has answered. */
#define G_LOG_DOMAIN "moss-nautilus"

#include "extension.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define BROKER "org.moss.FunctionBroker1"
#define BROKER_PATH "/org/moss/FunctionBroker"
#define MAX_ROWS 20
#define MAX_TYPES 200
#define USUAL_BYTES (1 << 20) /* the menu tells no times: any size will do */

typedef struct
{
  MossNautilus *self;
  char *type;
} Question;

typedef struct
{
  char *path;
  char *request;
} Conversion;

static void
conversion_free (gpointer data, GClosure *closure)
{
  Conversion *conversion = data;

  g_free (conversion->path);
  g_free (conversion->request);
  g_free (conversion);
}

static void
on_activated (NautilusMenuItem *item, Conversion *conversion)
{
  const char *argv[] = { "moss-functions", "--run", conversion->request, "--",
                         conversion->path, NULL };
  g_autoptr (GError) error = NULL;

  if (!g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &error))
    g_message ("%s", error->message);
}

/* ---- asking -------------------------------------------------------------------------- */

static void
on_possible_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  Question *question = data;
  g_autoptr (MossNautilus) self = question->self;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  if (answer != NULL && self->possible != NULL)
    {
      g_hash_table_replace (self->possible, g_steal_pointer (&question->type),
                            g_variant_get_child_value (answer, 0));
      nautilus_menu_provider_emit_items_updated_signal (NAUTILUS_MENU_PROVIDER (self));
    }
  else if (self->possible != NULL) /* nobody is there; perhaps the next time */
    g_hash_table_remove (self->possible, question->type);
  g_free (question->type);
  g_free (question);
}

static void
ask (MossNautilus *self, const char *type)
{
  Question *question = g_new0 (Question, 1);

  question->self = g_object_ref (self);
  question->type = g_strdup (type);
  if (g_hash_table_size (self->possible) >= MAX_TYPES)
    g_hash_table_remove_all (self->possible);
  g_hash_table_replace (self->possible, g_strdup (type),
                        g_variant_ref_sink (g_variant_new ("aa{sv}", NULL)));
  g_dbus_connection_call (moss_files_client_get_bus (self->client), BROKER, BROKER_PATH, BROKER,
                          "Possible", g_variant_new ("(st)", type, (guint64) USUAL_BYTES),
                          G_VARIANT_TYPE ("(aa{sv})"), G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL,
                          on_possible_ready, question);
}

/* ---- the row ------------------------------------------------------------------------- */

/* "WebP image" of "convert(image/png) -> image/webp"; NULL: it makes no file type of that. */
static char *
make_label (const char *request)
{
  const char *arrow = g_str_has_prefix (request, "convert(") ? strstr (request, ") -> ") : NULL;
  g_autofree char *media = NULL;

  if (arrow == NULL)
    return NULL;
  media = g_strndup (arrow + 5, strcspn (arrow + 5, ", "));
  return g_content_type_is_unknown (media) ? NULL : g_content_type_get_description (media);
}

static gboolean
add_row (NautilusMenu *menu, GVariant *possible, const char *path, gsize number)
{
  const char *request = moss_files_get_string (possible, "request");
  g_autofree char *label = make_label (request);
  g_autofree char *name = g_strdup_printf ("Moss::convert-%" G_GSIZE_FORMAT, number);
  NautilusMenuItem *item;
  Conversion *conversion;

  if (label == NULL)
    return FALSE;
  item = nautilus_menu_item_new (name, label, request, NULL);
  conversion = g_new0 (Conversion, 1);
  conversion->path = g_strdup (path);
  conversion->request = g_strdup (request);
  g_signal_connect_data (item, "activate", G_CALLBACK (on_activated), conversion,
                         conversion_free, 0);
  nautilus_menu_append_item (menu, item);
  return TRUE;
}

NautilusMenuItem *
moss_nautilus_make_convert (MossNautilus *self, NautilusFileInfo *file)
{
  g_autoptr (GFile) location = nautilus_file_info_get_location (file);
  g_autofree char *path = location != NULL ? g_file_get_path (location) : NULL;
  g_autofree char *type = nautilus_file_info_get_mime_type (file);
  GVariant *possible = type != NULL ? g_hash_table_lookup (self->possible, type) : NULL;
  NautilusMenuItem *item;
  NautilusMenu *menu;
  guint shown = 0;

  if (path == NULL || type == NULL || nautilus_file_info_is_directory (file))
    return NULL;
  if (possible == NULL)
    {
      ask (self, type);
      return NULL;
    }
  menu = nautilus_menu_new ();
  for (gsize i = 0; i < g_variant_n_children (possible) && shown < MAX_ROWS; i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (possible, i);

      shown += add_row (menu, one, path, i);
    }
  if (shown == 0)
    {
      g_object_unref (menu);
      return NULL;
    }
  item = nautilus_menu_item_new ("Moss::convert", _ ("Convert to"),
                                 _ ("Make a file of another type of it, beside it"), NULL);
  nautilus_menu_item_set_submenu (item, menu);
  return item;
}
