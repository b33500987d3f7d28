/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "tray.h"

#include <gio/gdesktopappinfo.h>
#include <string.h>

#define SHELL_NAME "org.moss.Shell"

typedef struct
{
  GDBusConnection *bus;
  char *path;
} Wish;

static void
wish_free (Wish *wish)
{
  g_object_unref (wish->bus);
  g_free (wish->path);
  g_free (wish);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Wish, wish_free)

/* By its name alone: the file is not looked at, for that could take long. What has no dot is
 * taken for a folder when it is a home, else for text. */
static GAppInfo *
find_app (const char *path)
{
  g_autofree char *type = NULL;
  g_autofree char *mime = NULL;

  if (strchr (path + strlen ("/net/"), '/') == NULL)
    return g_app_info_get_default_for_type ("inode/directory", FALSE);
  type = g_content_type_guess (path, NULL, 0, NULL);
  return g_app_info_get_default_for_type (type, FALSE);
}

/* In a sandbox /net is at the same place, so the path means the same there. */
static void
open_in_sandbox (Wish *wish, GAppInfo *app)
{
  GVariantBuilder arguments;

  g_variant_builder_init (&arguments, G_VARIANT_TYPE ("aay"));
  g_variant_builder_add_value (&arguments, g_variant_new_bytestring (wish->path));
  g_dbus_connection_call (
      wish->bus, "org.moss.Session1", "/org/moss/Session", "org.moss.Session1", "Run",
      g_variant_new ("(s@aay@a(ayh)@a{sv})", g_app_info_get_id (app),
                     g_variant_builder_end (&arguments), g_variant_new ("a(ayh)", NULL),
                     g_variant_new ("a{sv}", NULL)),
      NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, G_MAXINT, NULL, NULL, NULL);
}

static void
on_launched (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  if (!g_app_info_launch_default_for_uri_finish (result, &error))
    g_message ("%s: %s", (char *) data, error->message);
  g_free (data);
}

static void
open_on_desktop (Wish *wish)
{
  g_autofree char *uri = g_filename_to_uri (wish->path, NULL, NULL);

  if (uri != NULL)
    g_app_info_launch_default_for_uri_async (uri, NULL, NULL, on_launched,
                                             g_strdup (wish->path));
}

static void
on_shell_known (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Wish) wish = data;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GAppInfo) app = find_app (wish->path);
  gboolean there = FALSE;

  if (reply != NULL)
    g_variant_get (reply, "(b)", &there);
  if (there && app != NULL)
    open_in_sandbox (wish, app);
  else
    open_on_desktop (wish);
}

void
moss_tray_open (GDBusConnection *bus, const char *path)
{
  Wish *wish;

  if (!g_str_has_prefix (path, "/net/"))
    return;
  wish = g_new0 (Wish, 1);
  wish->bus = g_object_ref (bus);
  wish->path = g_strdup (path);
  g_dbus_connection_call (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                          "org.freedesktop.DBus", "NameHasOwner",
                          g_variant_new ("(s)", SHELL_NAME), G_VARIANT_TYPE ("(b)"),
                          G_DBUS_CALL_FLAGS_NONE, 2000, NULL, on_shell_known, wish);
}
