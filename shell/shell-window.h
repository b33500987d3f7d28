// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell.h"

G_BEGIN_DECLS

#define MOSS_TYPE_SHELL_WINDOW (moss_shell_window_get_type ())
G_DECLARE_FINAL_TYPE (MossShellWindow, moss_shell_window, MOSS, SHELL_WINDOW,
                      GtkApplicationWindow)

GtkWidget *moss_shell_window_new (GtkApplication *application, MossStyle *style,
                                  GDBusConnection *bus, MossKeySet keys);

G_END_DECLS
