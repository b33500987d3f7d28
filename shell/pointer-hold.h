// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

#include "viewer.h"

G_BEGIN_DECLS

typedef struct _MossPointerHold MossPointerHold;

MossPointerHold *moss_pointer_hold_new (GtkWidget *view);
void moss_pointer_hold_free (MossPointerHold *self);
/* surface: (nullable) (unowned): what the view shows. */
void moss_pointer_hold_set_surface (MossPointerHold *self, MossViewerSurface *surface);

/* ---- on a Wayland desktop (pointer-hold-wayland.c) ----------------------------------- */

typedef struct _MossWaylandHold MossWaylandHold;
typedef void (*MossRelativeFunc) (double dx, double dy, gpointer data);

/* NULL: this desktop can't. area: of the surface that the pointer may not leave, or NULL: it
   is locked, and its motion goes to the function. */
MossWaylandHold *moss_wayland_hold_new (GdkSurface *surface, const GdkRectangle *area,
                                        MossRelativeFunc moved, gpointer data);
/* x, y: where in the surface the pointer shall be; both −1: where it is. */
void moss_wayland_hold_free (MossWaylandHold *self, double x, double y);

G_END_DECLS
