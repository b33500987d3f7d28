// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "viewer.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef struct _MossDropZone MossDropZone;

MossDropZone *moss_drop_zone_new (GtkWidget *view);
void moss_drop_zone_free (MossDropZone *self);
/* surface: (nullable) (unowned): what the view shows. */
void moss_drop_zone_set_surface (MossDropZone *self, MossViewerSurface *surface);

G_END_DECLS
