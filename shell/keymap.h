// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "viewer.h"

#include <gdk/gdk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_KEYMAP (moss_keymap_get_type ())
G_DECLARE_FINAL_TYPE (MossKeymap, moss_keymap, MOSS, KEYMAP, GObject)

MossKeymap *moss_keymap_new (GdkDisplay *display);
const char *moss_keymap_get_text (MossKeymap *self);
void moss_keymap_apply (MossKeymap *self, MossViewer *viewer);

G_END_DECLS
