// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-pointer-hold"

#include "pointer-hold.h"

#include <gdk/wayland/gdkwayland.h>
#include <gdk/x11/gdkx.h>
#include <math.h>
#include <xcb/xcb.h>

/* MossPointerHold: does on the host what an app asks for that holds the pointer: a game that
   turns the view, a drawing that pans. On Wayland the host does it; on X11 the pointer is put
   back to the middle of the view whenever it went far from it, and what it went is counted.
   The app lets go as soon as its window loses the keyboard, so every key of the shell that
   takes the focus also frees the pointer. */

struct _MossPointerHold
{
  GtkWidget *view;
  MossViewerSurface *surface; /* (unowned) */
  MossViewer *viewer;         /* whose signal is heard, or NULL */
  MossViewerPointer mode;     /* in force here */
  double hint_x, hint_y;      /* in the view: where it is put when let go */
  GtkWidget *root;            /* (unowned): has the controller */
  GtkEventController *motion; /* (unowned) */
  xcb_connection_t *x11;
  double last_x, last_y;      /* in the view */
  gboolean known;             /* last is */
  gboolean warped;            /* the event of our own warp is still to come */
  MossWaylandHold *wayland;
};

static gboolean
to_view (MossPointerHold *self, GdkEvent *event, double *x, double *y)
{
  GtkNative *native = gtk_widget_get_native (self->view);
  double offset_x, offset_y;
  graphene_point_t point;

  if (native == NULL || !gdk_event_get_position (event, x, y))
    return FALSE;
  gtk_native_get_surface_transform (native, &offset_x, &offset_y);
  if (!gtk_widget_compute_point (GTK_WIDGET (native), self->view,
                                 &GRAPHENE_POINT_INIT (*x - offset_x, *y - offset_y), &point))
    return FALSE;
  *x = point.x;
  *y = point.y;
  return TRUE;
}

static gboolean
to_native (MossPointerHold *self, double *x, double *y)
{
  GtkNative *native = gtk_widget_get_native (self->view);
  double offset_x, offset_y;
  graphene_point_t point;

  if (native == NULL || !gtk_widget_compute_point (self->view, GTK_WIDGET (native),
                                                   &GRAPHENE_POINT_INIT (*x, *y), &point))
    return FALSE;
  gtk_native_get_surface_transform (native, &offset_x, &offset_y);
  *x = point.x + offset_x;
  *y = point.y + offset_y;
  return TRUE;
}

/* ---- X11 ----------------------------------------------------------------------------- */

static void
warp (MossPointerHold *self, double x, double y)
{
  GdkSurface *surface = gtk_native_get_surface (gtk_widget_get_native (self->view));
  int scale = gtk_widget_get_scale_factor (self->view);

  if (self->x11 == NULL || !to_native (self, &x, &y))
    return;
  xcb_warp_pointer (self->x11, XCB_NONE, gdk_x11_surface_get_xid (surface), 0, 0, 0, 0,
                    lround (x * scale), lround (y * scale));
  xcb_flush (self->x11);
  self->warped = TRUE;
}

static void
on_locked_motion (MossPointerHold *self, double x, double y)
{
  double middle_x = floor (gtk_widget_get_width (self->view) / 2.0);
  double middle_y = floor (gtk_widget_get_height (self->view) / 2.0);
  double dx = x - self->last_x, dy = y - self->last_y;
  gboolean ours = self->warped && fabs (x - middle_x) < 1.5 && fabs (y - middle_y) < 1.5;

  if (self->known && !ours && (dx != 0 || dy != 0))
    moss_viewer_pointer_relative (self->viewer, dx, dy, g_get_monotonic_time ());
  self->last_x = x;
  self->last_y = y;
  self->known = TRUE;
  if (ours)
    self->warped = FALSE;
  else if (!self->warped && (fabs (x - middle_x) > middle_x / 2 ||
                             fabs (y - middle_y) > middle_y / 2))
    warp (self, middle_x, middle_y);
}

static gboolean
on_confined_motion (MossPointerHold *self, double x, double y)
{
  double inside_x = CLAMP (x, 0, gtk_widget_get_width (self->view) - 1);
  double inside_y = CLAMP (y, 0, gtk_widget_get_height (self->view) - 1);

  if (inside_x == x && inside_y == y)
    return FALSE;
  warp (self, inside_x, inside_y);
  return TRUE;
}

static gboolean
on_event (GtkEventControllerLegacy *controller, GdkEvent *event, MossPointerHold *self)
{
  double x, y;

  if (gdk_event_get_event_type (event) != GDK_MOTION_NOTIFY || !to_view (self, event, &x, &y))
    return FALSE;
  if (self->mode == MOSS_VIEWER_POINTER_CONFINED)
    return on_confined_motion (self, x, y);
  on_locked_motion (self, x, y);
  return TRUE;
}

static void
watch_motion (MossPointerHold *self)
{
  self->root = GTK_WIDGET (gtk_widget_get_native (self->view));
  self->motion = gtk_event_controller_legacy_new ();
  gtk_event_controller_set_propagation_phase (self->motion, GTK_PHASE_CAPTURE);
  g_signal_connect (self->motion, "event", G_CALLBACK (on_event), self);
  gtk_widget_add_controller (self->root, self->motion);
  g_object_add_weak_pointer (G_OBJECT (self->root), (gpointer *) &self->root);
}

static void
begin_x11 (MossPointerHold *self, GdkDisplay *display)
{
  self->x11 = xcb_connect (gdk_display_get_name (display), NULL);
  if (xcb_connection_has_error (self->x11))
    g_clear_pointer (&self->x11, xcb_disconnect);
  self->known = self->warped = FALSE;
  watch_motion (self);
  if (self->mode == MOSS_VIEWER_POINTER_LOCKED)
    warp (self, floor (gtk_widget_get_width (self->view) / 2.0),
          floor (gtk_widget_get_height (self->view) / 2.0));
}

static void
end_x11 (MossPointerHold *self)
{
  if (self->root != NULL)
    {
      g_object_remove_weak_pointer (G_OBJECT (self->root), (gpointer *) &self->root);
      gtk_widget_remove_controller (self->root, self->motion);
    }
  self->root = NULL;
  self->motion = NULL;
  if (self->x11 != NULL && self->mode == MOSS_VIEWER_POINTER_LOCKED &&
      gtk_widget_get_mapped (self->view))
    warp (self, CLAMP (self->hint_x, 0, gtk_widget_get_width (self->view)),
          CLAMP (self->hint_y, 0, gtk_widget_get_height (self->view)));
  g_clear_pointer (&self->x11, xcb_disconnect);
}

/* ---- both ---------------------------------------------------------------------------- */

static void
on_relative (double dx, double dy, gpointer data)
{
  MossPointerHold *self = data;

  if (self->viewer != NULL)
    moss_viewer_pointer_relative (self->viewer, dx, dy, g_get_monotonic_time ());
}

static void
begin_wayland (MossPointerHold *self)
{
  double x = 0, y = 0;
  GdkRectangle area;

  if (!to_native (self, &x, &y))
    return;
  area = (GdkRectangle){ (int) x, (int) y, gtk_widget_get_width (self->view),
                         gtk_widget_get_height (self->view) };
  self->wayland = moss_wayland_hold_new (
      gtk_native_get_surface (gtk_widget_get_native (self->view)),
      self->mode == MOSS_VIEWER_POINTER_CONFINED ? &area : NULL, on_relative, self);
}

static void
begin (MossPointerHold *self, MossViewerPointer mode)
{
  GdkDisplay *display = gtk_widget_get_display (self->view);

  if (gtk_widget_get_native (self->view) == NULL)
    return;
  self->mode = mode;
  if (GDK_IS_X11_DISPLAY (display))
    begin_x11 (self, display);
  else if (GDK_IS_WAYLAND_DISPLAY (display))
    begin_wayland (self);
  if (mode == MOSS_VIEWER_POINTER_LOCKED)
    gtk_widget_set_cursor_from_name (self->view, "none");
}

static void
end (MossPointerHold *self)
{
  double x = self->hint_x, y = self->hint_y;

  if (self->mode == MOSS_VIEWER_POINTER_FREE)
    return;
  if (self->wayland != NULL)
    {
      if (!to_native (self, &x, &y))
        x = y = -1;
      moss_wayland_hold_free (self->wayland, x, y);
      self->wayland = NULL;
    }
  end_x11 (self);
  self->mode = MOSS_VIEWER_POINTER_FREE;
}

static void
on_held_changed (MossPointerHold *self)
{
  MossViewerPointer mode = MOSS_VIEWER_POINTER_FREE;
  MossViewerSurface *surface = NULL;
  MossViewerRect geometry;
  double x = 0, y = 0;

  if (self->viewer != NULL)
    mode = moss_viewer_get_pointer_held (self->viewer, &surface, &x, &y);
  if (surface != self->surface || surface == NULL)
    mode = MOSS_VIEWER_POINTER_FREE;
  if (mode != MOSS_VIEWER_POINTER_FREE)
    {
      moss_viewer_surface_get_geometry (surface, &geometry);
      self->hint_x = x - geometry.x;
      self->hint_y = y - geometry.y;
    }
  if (mode == self->mode)
    return;
  end (self);
  if (mode != MOSS_VIEWER_POINTER_FREE)
    begin (self, mode);
}

void
moss_pointer_hold_set_surface (MossPointerHold *self, MossViewerSurface *surface)
{
  MossViewer *viewer = surface != NULL ? moss_viewer_surface_get_viewer (surface) : NULL;

  if (self->viewer != viewer && self->viewer != NULL)
    g_signal_handlers_disconnect_by_data (self->viewer, self);
  if (self->viewer != viewer && viewer != NULL)
    g_signal_connect_swapped (viewer, "pointer-held-changed", G_CALLBACK (on_held_changed),
                              self);
  g_set_object (&self->viewer, viewer);
  self->surface = surface;
  on_held_changed (self);
}

void
moss_pointer_hold_free (MossPointerHold *self)
{
  moss_pointer_hold_set_surface (self, NULL);
  g_free (self);
}

MossPointerHold *
moss_pointer_hold_new (GtkWidget *view)
{
  MossPointerHold *self = g_new0 (MossPointerHold, 1);

  self->view = view;
  return self;
}
