// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_LAUNCHER (moss_launcher_get_type ())
G_DECLARE_FINAL_TYPE (MossLauncher, moss_launcher, MOSS, LAUNCHER, GtkWidget)

GtkWidget *moss_launcher_new (void);
void moss_launcher_reset (MossLauncher *self);

G_END_DECLS
