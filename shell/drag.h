// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "viewer.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef struct _MossDrag MossDrag;

MossDrag *moss_drag_new (GtkWidget *widget);
void moss_drag_free (MossDrag *self);
/* viewer: (nullable): whose drags begin over the widget. */
void moss_drag_set_viewer (MossDrag *self, MossViewer *viewer);

/* (transfer none) (nullable): the app that a drag over us comes from. */
MossViewer *moss_drag_get_origin (GdkDrop *drop);
/* Whether it is over the windows of that app, which then does all by itself. */
void moss_drag_set_at_home (GdkDrop *drop, gboolean at_home);

GdkDragAction moss_drag_to_gdk (MossViewerAction actions);
MossViewerAction moss_drag_from_gdk (GdkDragAction actions);

G_END_DECLS
