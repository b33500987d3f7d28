// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "viewer.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef struct _MossKeyboard MossKeyboard;

MossKeyboard *moss_keyboard_new (GtkWidget *widget);
void moss_keyboard_free (MossKeyboard *self);
void moss_keyboard_set_surface (MossKeyboard *self, MossViewerSurface *surface);

G_END_DECLS
