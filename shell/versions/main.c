// SPDX-License-Identifier: GPL-3.0-or-later
/* moss-versions: shows the versions of a file on /net. File managers start it. */
#define G_LOG_DOMAIN "moss-versions"

#include "shell/small-program.h"
#include "versions-window.h"

static GtkWidget *
make_window (GtkApplication *application, GDBusConnection *bus, const char *given)
{
  g_autofree char *path = g_canonicalize_filename (given, NULL);

  return moss_versions_window_new (application, bus, path);
}

int
main (int argc, char **argv)
{
  static const MossSmallProgram program = { .name = "moss-versions",
                                            .id = "org.moss.Versions",
                                            .needs_file = TRUE,
                                            .make_window = make_window };

  return moss_small_program_run (&program, argc, argv);
}
