// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* A program of one window beside the shell, on any desktop: moss-versions, moss-functions. Each
 * takes --color-scheme and a file beside its own options. */
typedef struct
{
  const char *name; /* "moss-versions", which begins its messages */
  const char *id;
  const GOptionEntry *entries; /* of its own, or NULL */
  gboolean needs_file;
  /* path: as it was given, or NULL. */
  GtkWidget *(*make_window) (GtkApplication *application, GDBusConnection *bus, const char *path);
} MossSmallProgram;

/* Gives the status that the process ends with. */
int moss_small_program_run (const MossSmallProgram *program, int argc, char **argv);

G_END_DECLS
