// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-pinned"

#include "pinned.h"

#include <gio/gdesktopappinfo.h>

/* Which apps stay in the dock: a list of desktop ids in moss/shell.ini of the user's
   configuration. Without that file a terminal, an editor, a calculator, as far as they are
   there. */

#define GROUP "Dock"
#define KEY "Pinned"
#define MAX_PINNED 16

static const char *const candidates[] = {
  "foot.desktop",
  "org.gnome.Console.desktop",
  "org.xfce.mousepad.desktop",
  "org.gnome.TextEditor.desktop",
  "org.gnome.Calculator.desktop",
  "org.gtk.WidgetFactory4.desktop",
  NULL,
};

static char *
get_path (void)
{
  return g_build_filename (g_get_user_config_dir (), "moss", "shell.ini", NULL);
}

static char **
find_defaults (void)
{
  g_autoptr (GStrvBuilder) found = g_strv_builder_new ();

  for (guint i = 0; candidates[i] != NULL; i++)
    {
      g_autoptr (GDesktopAppInfo) info = g_desktop_app_info_new (candidates[i]);

      if (info != NULL)
        g_strv_builder_add (found, candidates[i]);
    }
  return g_strv_builder_end (found);
}

/* (transfer full) */
char **
moss_pinned_load (void)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *path = get_path ();
  char **apps = NULL;
  gsize n = 0;

  if (g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
    apps = g_key_file_get_string_list (file, GROUP, KEY, &n, NULL);
  if (apps == NULL)
    return find_defaults ();
  for (gsize i = MAX_PINNED; i < n; i++)
    g_clear_pointer (&apps[i], g_free);
  return apps;
}

/* Pins the app, or lets it go. */
void
moss_pinned_toggle (const char *app)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GStrvBuilder) kept = g_strv_builder_new ();
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) before = moss_pinned_load ();
  g_auto (GStrv) after = NULL;
  g_autofree char *path = get_path ();
  g_autofree char *folder = g_path_get_dirname (path);

  for (guint i = 0; before[i] != NULL; i++)
    if (g_strcmp0 (before[i], app) != 0)
      g_strv_builder_add (kept, before[i]);
  if (!g_strv_contains ((const char *const *) before, app))
    g_strv_builder_add (kept, app);
  after = g_strv_builder_end (kept);
  g_key_file_load_from_file (file, path, G_KEY_FILE_KEEP_COMMENTS, NULL);
  g_key_file_set_string_list (file, GROUP, KEY, (const char *const *) after,
                              g_strv_length (after));
  g_mkdir_with_parents (folder, 0700);
  if (!g_key_file_save_to_file (file, path, &error))
    g_warning ("the dock is not remembered: %s", error->message);
}
