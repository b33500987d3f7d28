// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "viewer.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

void moss_surface_texture_snapshot (MossViewerSurface *surface, GtkSnapshot *snapshot,
                                    gboolean whole);

G_END_DECLS
