// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "viewer.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* Draws one toplevel or popup of an app with its subsurfaces and passes input to it. Its
   allocation is the window geometry; shadows of the app are drawn around it. */
#define MOSS_TYPE_SURFACE_VIEW (moss_surface_view_get_type ())
G_DECLARE_FINAL_TYPE (MossSurfaceView, moss_surface_view, MOSS, SURFACE_VIEW, GtkWidget)

GtkWidget *moss_surface_view_new (void);
void moss_surface_view_set_surface (MossSurfaceView *self, MossViewerSurface *surface);
MossViewerSurface *moss_surface_view_get_surface (MossSurfaceView *self);
void moss_surface_view_set_picture (MossSurfaceView *self, GdkTexture *picture);
void moss_surface_view_set_whole (MossSurfaceView *self, gboolean whole);
void moss_surface_view_set_still (MossSurfaceView *self, gboolean still);
gboolean moss_surface_view_has_content (MossSurfaceView *self);
GdkTexture *moss_surface_view_make_picture (MossSurfaceView *self, int max_width);
void moss_surface_view_forget_input (MossSurfaceView *self);

G_END_DECLS
