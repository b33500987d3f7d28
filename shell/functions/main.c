// SPDX-License-Identifier: GPL-3.0-or-later
/* moss-functions: what can be asked for here, and what can be done with a file. In the shell the
 * same page is a sheet; this program shows it on any desktop. File managers start it. */
#define G_LOG_DOMAIN "moss-functions"

#include "moss-config.h"
#include "page.h"
#include "shell/style.h"

#include <glib/gi18n.h>
#include <locale.h>

static char *scheme;
static char *request;
static char **paths;

static const GOptionEntry entries[] = {
  { "color-scheme", 0, 0, G_OPTION_ARG_STRING, &scheme, N_ ("Stay light or dark"),
    N_ ("light|dark") },
  { "run", 0, 0, G_OPTION_ARG_STRING, &request, N_ ("Do this with the file at once"),
    N_ ("FUNCTION") },
  { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, N_ ("FILE") },
  { NULL }
};

static void
on_activate (GtkApplication *application)
{
  GDBusConnection *bus = g_application_get_dbus_connection (G_APPLICATION (application));
  GtkWidget *window = gtk_application_window_new (application);
  GtkWidget *page;

  if (bus == NULL)
    {
      g_printerr ("moss-functions: %s\n", _ ("there is no session bus"));
      return;
    }
  moss_style_new (gdk_display_get_default (), scheme); /* for as long as the program runs */
  page = moss_functions_page_new (bus);
  gtk_widget_add_css_class (window, "moss");
  gtk_widget_add_css_class (window, "dialog");
  gtk_window_set_title (GTK_WINDOW (window), _ ("Functions"));
  gtk_window_set_default_size (GTK_WINDOW (window), 940, 640);
  gtk_window_set_titlebar (GTK_WINDOW (window), gtk_header_bar_new ());
  gtk_window_set_child (GTK_WINDOW (window), page);
  if (paths != NULL)
    {
      g_autoptr (GFile) file = g_file_new_for_commandline_arg (paths[0]);

      moss_functions_page_take_file (MOSS_FUNCTIONS_PAGE (page), file, request);
    }
  gtk_window_present (GTK_WINDOW (window));
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
      g_printerr ("moss-functions: %s\n", error->message);
      return 2;
    }
  if (paths != NULL && g_strv_length (paths) != 1)
    {
      g_printerr ("moss-functions: %s\n", _ ("it takes the name of one file"));
      return 2;
    }
  application = gtk_application_new ("org.moss.Functions", G_APPLICATION_NON_UNIQUE);
  g_signal_connect (application, "activate", G_CALLBACK (on_activate), NULL);
  return g_application_run (G_APPLICATION (application), 1, argv);
}
