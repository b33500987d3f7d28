// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-drop-zone"

#include "drop-zone.h"

#include "drag.h"
#include "transfer.h"

#include <glib/gstdio.h>

#include <linux/input-event-codes.h>

/* MossDropZone: lets an app take what is dragged over its view, from another app or the host.
   The app answers a little later what it would do; until then it counts as willing, so that
   nothing that is let go quickly is lost: it can still refuse. */

struct _MossDropZone
{
  GtkWidget *view;
  MossViewerSurface *surface; /* (unowned) */
  MossViewer *viewer;         /* whose signals are heard, or NULL */
  GdkDrop *drop;              /* over us, or let go and not finished */
  gboolean answered;
};

#define ALL_ACTIONS (GDK_ACTION_COPY | GDK_ACTION_MOVE | GDK_ACTION_ASK)

static void
to_surface (MossDropZone *self, double *x, double *y)
{
  MossViewerRect geometry;

  moss_viewer_surface_get_geometry (self->surface, &geometry);
  *x += geometry.x;
  *y += geometry.y;
}

static gboolean
is_home (MossDropZone *self, GdkDrop *drop)
{
  return self->viewer != NULL && moss_drag_get_origin (drop) == self->viewer;
}

static GdkDragAction
get_action (MossDropZone *self, GdkDrop *drop)
{
  GdkDragAction offered = gdk_drop_get_actions (drop) & ALL_ACTIONS;

  if (self->answered)
    return moss_drag_to_gdk (moss_viewer_get_drop_action (self->viewer));
  return offered & GDK_ACTION_COPY ? GDK_ACTION_COPY : offered & -offered;
}

static void
on_drop_changed (MossDropZone *self)
{
  if (self->drop == NULL || is_home (self, self->drop))
    return;
  self->answered = TRUE;
  gdk_drop_status (self->drop, ALL_ACTIONS, get_action (self, self->drop));
}

static void
on_drop_finished (MossViewer *viewer, MossViewerAction action, MossDropZone *self)
{
  if (self->drop == NULL)
    return;
  gdk_drop_finish (self->drop, moss_drag_to_gdk (action));
  g_clear_object (&self->drop);
}

static void
on_read_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  int fd = GPOINTER_TO_INT (data);
  g_autoptr (GError) error = NULL;
  const char *type;
  GInputStream *input = gdk_drop_read_finish (GDK_DROP (source), result, &type, &error);

  if (input != NULL)
    {
      moss_transfer_pour (input, fd);
      return;
    }
  g_debug ("dropping: %s", error->message);
  g_close (fd, NULL);
}

static gboolean
on_drop_requested (MossViewer *viewer, const char *type, int fd, MossDropZone *self)
{
  if (self->drop == NULL)
    return FALSE;
  gdk_drop_read_async (self->drop, (const char *[]){ type, NULL }, G_PRIORITY_DEFAULT, NULL,
                       on_read_ready, GINT_TO_POINTER (fd));
  return TRUE;
}

static GdkDragAction
on_enter (GtkDropTargetAsync *target, GdkDrop *drop, double x, double y, MossDropZone *self)
{
  g_autoptr (GdkContentFormats) all = NULL;
  g_autoptr (GPtrArray) types = NULL;

  if (self->viewer == NULL)
    return 0;
  to_surface (self, &x, &y);
  g_set_object (&self->drop, drop);
  self->answered = FALSE;
  if (is_home (self, drop))
    {
      moss_drag_set_at_home (drop, TRUE);
      moss_viewer_pointer_motion (self->viewer, self->surface, x, y, g_get_monotonic_time ());
      return get_action (self, drop);
    }
  types = moss_transfer_types (gdk_drop_get_formats (drop), &all);
  moss_viewer_drop_enter (self->viewer, self->surface, x, y,
                          (const char *const *) types->pdata,
                          moss_drag_from_gdk (gdk_drop_get_actions (drop)));
  return get_action (self, drop);
}

static GdkDragAction
on_motion (GtkDropTargetAsync *target, GdkDrop *drop, double x, double y, MossDropZone *self)
{
  if (self->viewer == NULL)
    return 0;
  to_surface (self, &x, &y);
  if (is_home (self, drop))
    moss_viewer_pointer_motion (self->viewer, self->surface, x, y, g_get_monotonic_time ());
  else
    moss_viewer_drop_motion (self->viewer, self->surface, x, y, g_get_monotonic_time ());
  return get_action (self, drop);
}

static void
on_leave (GtkDropTargetAsync *target, GdkDrop *drop, MossDropZone *self)
{
  if (self->viewer == NULL)
    return;
  if (is_home (self, drop))
    {
      moss_drag_set_at_home (drop, FALSE);
      moss_viewer_pointer_leave (self->viewer);
    }
  else
    moss_viewer_drop_leave (self->viewer);
  g_clear_object (&self->drop);
}

static gboolean
on_drop (GtkDropTargetAsync *target, GdkDrop *drop, double x, double y, MossDropZone *self)
{
  if (self->viewer == NULL)
    return FALSE;
  if (!is_home (self, drop))
    {
      moss_viewer_drop_drop (self->viewer);
      return TRUE;
    }
  moss_viewer_pointer_button (self->viewer, BTN_LEFT, FALSE, g_get_monotonic_time ());
  gdk_drop_finish (drop, get_action (self, drop));
  g_clear_object (&self->drop);
  return TRUE;
}

void
moss_drop_zone_set_surface (MossDropZone *self, MossViewerSurface *surface)
{
  MossViewer *viewer = surface != NULL ? moss_viewer_surface_get_viewer (surface) : NULL;

  self->surface = surface;
  if (self->viewer == viewer)
    return;
  g_clear_object (&self->drop);
  if (self->viewer != NULL)
    g_signal_handlers_disconnect_by_data (self->viewer, self);
  g_set_object (&self->viewer, viewer);
  if (viewer == NULL)
    return;
  g_signal_connect_swapped (viewer, "drop-changed", G_CALLBACK (on_drop_changed), self);
  g_signal_connect (viewer, "drop-finished", G_CALLBACK (on_drop_finished), self);
  g_signal_connect (viewer, "drop-requested", G_CALLBACK (on_drop_requested), self);
}

void
moss_drop_zone_free (MossDropZone *self)
{
  moss_drop_zone_set_surface (self, NULL);
  g_free (self);
}

MossDropZone *
moss_drop_zone_new (GtkWidget *view)
{
  MossDropZone *self = g_new0 (MossDropZone, 1);
  GtkDropTargetAsync *target = gtk_drop_target_async_new (NULL, ALL_ACTIONS);

  self->view = view;
  g_signal_connect (target, "drag-enter", G_CALLBACK (on_enter), self);
  g_signal_connect (target, "drag-motion", G_CALLBACK (on_motion), self);
  g_signal_connect (target, "drag-leave", G_CALLBACK (on_leave), self);
  g_signal_connect (target, "drop", G_CALLBACK (on_drop), self);
  gtk_widget_add_controller (view, GTK_EVENT_CONTROLLER (target));
  return self;
}
