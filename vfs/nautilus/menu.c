// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-nautilus"

#include "extension.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define MAX_DEVICES 20

/* What a menu row does to the files that were chosen. */
typedef struct
{
  MossNautilus *self;
  const char *method; /* "Pin", "SendTo", or NULL: show the versions */
  GStrv paths;
  char *device;
  gboolean keep;
} Deed;

static void
deed_free (gpointer data, GClosure *closure)
{
  Deed *deed = data;

  g_object_unref (deed->self);
  g_strfreev (deed->paths);
  g_free (deed->device);
  g_free (deed);
}

/* netd told all who look what became of it; a refusal is worth a notification. */
static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GNotification) notification = NULL;

  if (answer != NULL || g_application_get_default () == NULL)
    return;
  g_dbus_error_strip_remote_error (error);
  notification = g_notification_new (error->message);
  g_application_send_notification (g_application_get_default (), "moss", notification);
}

static void
show_versions (Deed *deed)
{
  const char *argv[] = { "moss-versions", "--", deed->paths[0], NULL };
  g_autoptr (GError) error = NULL;

  if (!g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &error))
    g_message ("%s", error->message);
}

static void
on_activated (NautilusMenuItem *item, Deed *deed)
{
  if (deed->method == NULL)
    show_versions (deed);
  for (guint i = 0; deed->method != NULL && deed->paths[i] != NULL; i++)
    moss_files_client_call (deed->self->client, deed->method,
                            deed->device != NULL
                                ? g_variant_new ("(ss)", deed->paths[i], deed->device)
                                : g_variant_new ("(sb)", deed->paths[i], deed->keep),
                            NULL, on_done, NULL);
}

static NautilusMenuItem *
make_item (MossNautilus *self, const char *name, const char *label, const char *tip,
           const char *method, char **paths, const char *device, gboolean keep)
{
  NautilusMenuItem *item = nautilus_menu_item_new (name, label, tip, NULL);
  Deed *deed = g_new0 (Deed, 1);

  deed->self = g_object_ref (self);
  deed->method = method;
  deed->paths = g_strdupv (paths);
  deed->device = g_strdup (device);
  deed->keep = keep;
  g_signal_connect_data (item, "activate", G_CALLBACK (on_activated), deed, deed_free, 0);
  return item;
}

/* A row a device of this person that was ever met; it is kept until that one is there. */
static NautilusMenuItem *
make_send_to (MossNautilus *self, char **paths)
{
  NautilusMenuItem *item;
  NautilusMenu *menu = nautilus_menu_new ();
  gsize n = self->devices != NULL ? g_variant_n_children (self->devices) : 0;
  guint shown = 0;

  for (gsize i = 0; i < n && shown < MAX_DEVICES; i++)
    {
      g_autoptr (GVariant) device = g_variant_get_child_value (self->devices, i);
      const char *id = moss_files_get_string (device, "id");
      g_autofree char *name = moss_files_clean (moss_files_get_string (device, "name"), 60);
      g_autofree char *row = g_strconcat ("Moss::send-", id, NULL);
      gboolean paired = FALSE;

      g_variant_lookup (device, "paired", "b", &paired);
      if (!paired)
        continue;
      nautilus_menu_append_item (menu, make_item (self, row, name, NULL, "SendTo", paths, id,
                                                  FALSE));
      shown++;
    }
  if (shown == 0)
    {
      g_object_unref (menu);
      return NULL;
    }
  item = nautilus_menu_item_new ("Moss::send", _ ("Send to"),
                                 _ ("Keep it on another device of yours, and say so there"), NULL);
  nautilus_menu_item_set_submenu (item, menu);
  return item;
}

/* NULL when one of them isn't below /net. */
static GStrv
paths_of (GList *files)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (GList *l = files; l != NULL; l = l->next)
    {
      g_autofree char *path = moss_nautilus_path_of (l->data);

      if (path == NULL)
        return NULL;
      g_strv_builder_add (builder, path);
    }
  return g_strv_builder_end (builder);
}

static gboolean
are_kept (GList *files)
{
  for (GList *l = files; l != NULL; l = l->next)
    {
      g_autofree char *kept = nautilus_file_info_get_string_attribute (l->data, "moss_kept");

      if (g_strcmp0 (kept, "1") != 0)
        return FALSE;
    }
  return TRUE;
}

/* What stands there for files on /net alone. */
static GList *
make_net_items (MossNautilus *self, GList *files, GStrv paths)
{
  gboolean kept = are_kept (files);
  NautilusMenuItem *send;
  GList *items = NULL;

  if (g_strv_length (paths) == 1 && !nautilus_file_info_is_directory (files->data))
    items = g_list_append (items, make_item (self, "Moss::versions", _ ("Versions…"),
                                             _ ("What it was before, and how to have that back"),
                                             NULL, paths, NULL, FALSE));
  items = g_list_append (
      items, make_item (self, "Moss::keep", kept ? _ ("Keep here no longer") : _ ("Keep here"),
                        _ ("So that it opens at once, also without a network"), "Pin", paths,
                        NULL, !kept));
  send = make_send_to (self, paths);
  return send != NULL ? g_list_append (items, send) : items;
}

static GList *
get_file_items (NautilusMenuProvider *provider, GList *files)
{
  MossNautilus *self = MOSS_NAUTILUS (provider);
  g_auto (GStrv) paths = files != NULL && self->client != NULL ? paths_of (files) : NULL;
  GList *items = paths != NULL ? make_net_items (self, files, paths) : NULL;
  NautilusMenuItem *convert = NULL;

  if (self->client != NULL && files != NULL && files->next == NULL)
    convert = moss_nautilus_make_convert (self, files->data);
  return convert != NULL ? g_list_append (items, convert) : items;
}

static GList *
get_background_items (NautilusMenuProvider *provider, NautilusFileInfo *folder)
{
  return NULL;
}

void
moss_nautilus_menu_iface_init (NautilusMenuProviderInterface *iface)
{
  iface->get_file_items = get_file_items;
  iface->get_background_items = get_background_items;
}
