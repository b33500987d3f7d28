// SPDX-License-Identifier: GPL-3.0-or-later
/* moss-functions: what can be asked for here, and what can be done with a file. In the shell the
 * same page is a sheet; this program shows it on any desktop. File managers start it. */
#define G_LOG_DOMAIN "moss-functions"

#include "page.h"
#include "shell/small-program.h"

#include <glib/gi18n.h>

#define WIDTH 940
#define HEIGHT 640

static char *request;

static const GOptionEntry entries[] = {
  { "run", 0, 0, G_OPTION_ARG_STRING, &request, N_ ("Do this with the file at once"),
    N_ ("FUNCTION") },
  { NULL }
};

static GtkWidget *
make_window (GtkApplication *application, GDBusConnection *bus, const char *path)
{
  GtkWidget *window = gtk_application_window_new (application);
  GtkWidget *page = moss_functions_page_new (bus);

  gtk_widget_add_css_class (window, "moss");
  gtk_widget_add_css_class (window, "dialog");
  gtk_window_set_title (GTK_WINDOW (window), _ ("Functions"));
  gtk_window_set_default_size (GTK_WINDOW (window), WIDTH, HEIGHT);
  gtk_window_set_titlebar (GTK_WINDOW (window), gtk_header_bar_new ());
  gtk_window_set_child (GTK_WINDOW (window), page);
  if (path != NULL)
    {
      g_autoptr (GFile) file = g_file_new_for_commandline_arg (path);

      moss_functions_page_take_file (MOSS_FUNCTIONS_PAGE (page), file, request);
    }
  return window;
}

int
main (int argc, char **argv)
{
  static const MossSmallProgram program = { .name = "moss-functions",
                                            .id = "org.moss.Functions",
                                            .entries = entries,
                                            .make_window = make_window };

  return moss_small_program_run (&program, argc, argv);
}
