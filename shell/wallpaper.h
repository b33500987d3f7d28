// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_WALLPAPER (moss_wallpaper_get_type ())
G_DECLARE_FINAL_TYPE (MossWallpaper, moss_wallpaper, MOSS, WALLPAPER, GtkWidget)

void moss_wallpaper_set_dark (MossWallpaper *self, gboolean dark);

G_END_DECLS
