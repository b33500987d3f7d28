// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_APP_ICON (moss_app_icon_get_type ())
G_DECLARE_FINAL_TYPE (MossAppIcon, moss_app_icon, MOSS, APP_ICON, GtkWidget)

GtkWidget *moss_app_icon_new (int size);
void moss_app_icon_set_app (MossAppIcon *self, const char *app, const char *icon,
                            const char *name);
void moss_app_icon_set_gicon (MossAppIcon *self, GIcon *icon, const char *name);

G_END_DECLS
