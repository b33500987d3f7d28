// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef void (*MossChosenFunc) (GFile *file, gpointer data);

void moss_compat_choose_save (GtkWindow *parent, const char *title, const char *name,
                              MossChosenFunc func, gpointer data);
void moss_compat_choose_open (GtkWindow *parent, const char *title, MossChosenFunc func,
                              gpointer data);

G_END_DECLS
