// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "viewer.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef struct _MossSurfaceInput MossSurfaceInput;

MossSurfaceInput *moss_surface_input_new (GtkWidget *widget);
void moss_surface_input_free (MossSurfaceInput *self);
void moss_surface_input_set_surface (MossSurfaceInput *self, MossViewerSurface *surface);
gboolean moss_surface_input_accepts (MossSurfaceInput *self, double x, double y);
void moss_surface_input_forget (MossSurfaceInput *self);

G_END_DECLS
