// SPDX-License-Identifier: GPL-3.0-or-later
/* moss-versions: shows the versions of a file on /net. File managers start it. */
#define G_LOG_DOMAIN "moss-versions"

#include "moss-config.h"
#include "shell/style.h"
#include "versions-window.h"

#include <glib/gi18n.h>
#include <locale.h>

static char *scheme;
static char **paths;

static const GOptionEntry entries[] = {
  { "color-scheme", 0, 0, G_OPTION_ARG_STRING, &scheme, N_ ("Stay light or dark"),
    N_ ("light|dark") },
  { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, N_ ("FILE") },
  { NULL }
};

static void
on_activate (GtkApplication *application)
{
  GDBusConnection *bus = g_application_get_dbus_connection (G_APPLICATION (application));
  g_autofree char *path = g_canonicalize_filename (paths[0], NULL);

  moss_style_new (gdk_display_get_default (), scheme); /* for as long as the program runs */
  gtk_window_present (GTK_WINDOW (moss_versions_window_new (application, bus, path)));
}

int
main (int argc, char **argv)
{
  g_autoptr (GtkApplication) application = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  const char *localedir = g_getenv ("MOSS_LOCALEDIR");

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, localedir != NULL ? localedir : MOSS_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      g_printerr ("moss-versions: %s\n", error->message);
      return 2;
    }
  if (paths == NULL || g_strv_length (paths) != 1)
    {
      g_printerr ("moss-versions: %s\n", _ ("it takes the name of one file"));
      return 2;
    }
  application = gtk_application_new ("org.moss.Versions", G_APPLICATION_NON_UNIQUE);
  g_signal_connect (application, "activate", G_CALLBACK (on_activate), NULL);
  return g_application_run (G_APPLICATION (application), 1, argv);
}
