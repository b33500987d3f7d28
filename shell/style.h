// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_STYLE (moss_style_get_type ())
G_DECLARE_FINAL_TYPE (MossStyle, moss_style, MOSS, STYLE, GObject)

MossStyle *moss_style_new (GdkDisplay *display, const char *scheme);
gboolean moss_style_get_dark (MossStyle *self);
void moss_style_toggle (MossStyle *self);
GVariant *moss_style_get_settings (MossStyle *self);

G_END_DECLS
