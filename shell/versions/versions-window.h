// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* MossVersionsWindow: the versions of one file on /net, newest first: open one, or bring it back,
 * which can be undone. */
#define MOSS_TYPE_VERSIONS_WINDOW (moss_versions_window_get_type ())
G_DECLARE_FINAL_TYPE (MossVersionsWindow, moss_versions_window, MOSS, VERSIONS_WINDOW,
                      GtkApplicationWindow)

GtkWidget *moss_versions_window_new (GtkApplication *application, GDBusConnection *bus,
                                     const char *path);

G_END_DECLS
