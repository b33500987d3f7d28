// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "viewer.h"

#include <gdk/gdk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_CLIPBOARD (moss_clipboard_get_type ())
G_DECLARE_FINAL_TYPE (MossClipboard, moss_clipboard, MOSS, CLIPBOARD, GObject)

MossClipboard *moss_clipboard_new (GdkDisplay *display);
void moss_clipboard_add_viewer (MossClipboard *self, MossViewer *viewer);
void moss_clipboard_remove_viewer (MossClipboard *self, MossViewer *viewer);

G_END_DECLS
