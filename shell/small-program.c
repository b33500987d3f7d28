// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-shell"

#include "small-program.h"

#include "moss-config.h"
#include "style.h"

#include <glib/gi18n.h>
#include <locale.h>

#define STATUS_USAGE 2

static const MossSmallProgram *running;
static char *scheme;
static char **paths;

static const GOptionEntry common[] = {
  { "color-scheme", 0, 0, G_OPTION_ARG_STRING, &scheme, N_ ("Stay light or dark"),
    N_ ("light|dark") },
  { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, N_ ("FILE") },
  { NULL }
};

static void
set_locale (void)
{
  const char *folder = g_getenv ("MOSS_LOCALEDIR");

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, folder != NULL ? folder : MOSS_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
}

static void
on_activate (GtkApplication *application)
{
  GDBusConnection *bus = g_application_get_dbus_connection (G_APPLICATION (application));

  if (bus == NULL)
    {
      g_printerr ("%s: %s\n", running->name, _ ("there is no session bus"));
      return;
    }
  moss_style_new (gdk_display_get_default (), scheme); /* for as long as the program runs */
  gtk_window_present (GTK_WINDOW (
      running->make_window (application, bus, paths != NULL ? paths[0] : NULL)));
}

static gboolean
read_arguments (int *argc, char ***argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  guint n;

  g_option_context_add_main_entries (context, common, GETTEXT_PACKAGE);
  if (running->entries != NULL)
    g_option_context_add_main_entries (context, running->entries, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, argc, argv, &error))
    {
      g_printerr ("%s: %s\n", running->name, error->message);
      return FALSE;
    }
  n = paths != NULL ? g_strv_length (paths) : 0;
  if (n > 1 || (n == 0 && running->needs_file))
    {
      g_printerr ("%s: %s\n", running->name, _ ("it takes the name of one file"));
      return FALSE;
    }
  return TRUE;
}

int
moss_small_program_run (const MossSmallProgram *program, int argc, char **argv)
{
  g_autoptr (GtkApplication) application = NULL;

  running = program;
  set_locale ();
  if (!read_arguments (&argc, &argv))
    return STATUS_USAGE;
  application = gtk_application_new (program->id, G_APPLICATION_NON_UNIQUE);
  g_signal_connect (application, "activate", G_CALLBACK (on_activate), NULL);
  return g_application_run (G_APPLICATION (application), 1, argv);
}
