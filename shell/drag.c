// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-drag"

#include "drag.h"

#include "selection-provider.h"

/* MossDrag: what an app drags becomes a drag of the shell, so that it can be dropped on
   other apps and on the host. Over the app's own windows it stays the app's own: there the
   pointer's motion goes on to it (see MossDropZone), and letting go is letting go. */

struct _MossDrag
{
  GtkWidget *widget; /* over whose window it begins */
  MossViewer *viewer;
  GdkDrag *drag; /* under way, or NULL */
  gboolean at_home;
  gboolean dropped; /* on somebody else */
};

#define ORIGIN "moss-drag"

GdkDragAction
moss_drag_to_gdk (MossViewerAction actions)
{
  return (actions & MOSS_VIEWER_ACTION_COPY ? GDK_ACTION_COPY : 0) |
         (actions & MOSS_VIEWER_ACTION_MOVE ? GDK_ACTION_MOVE : 0) |
         (actions & MOSS_VIEWER_ACTION_ASK ? GDK_ACTION_ASK : 0);
}

MossViewerAction
moss_drag_from_gdk (GdkDragAction actions)
{
  return (actions & GDK_ACTION_COPY ? MOSS_VIEWER_ACTION_COPY : 0) |
         (actions & GDK_ACTION_MOVE ? MOSS_VIEWER_ACTION_MOVE : 0) |
         (actions & GDK_ACTION_ASK ? MOSS_VIEWER_ACTION_ASK : 0);
}

static MossDrag *
get_drag (GdkDrop *drop)
{
  GdkDrag *drag = gdk_drop_get_drag (drop);

  return drag != NULL ? g_object_get_data (G_OBJECT (drag), ORIGIN) : NULL;
}

MossViewer *
moss_drag_get_origin (GdkDrop *drop)
{
  MossDrag *self = get_drag (drop);

  return self != NULL ? self->viewer : NULL;
}

void
moss_drag_set_at_home (GdkDrop *drop, gboolean at_home)
{
  MossDrag *self = get_drag (drop);

  if (self != NULL)
    self->at_home = at_home;
}

static void
forget (MossDrag *self)
{
  if (self->drag == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->drag, self);
  g_object_set_data (G_OBJECT (self->drag), ORIGIN, NULL);
  g_clear_object (&self->drag);
}

static void
on_action_changed (MossDrag *self)
{
  GdkDragAction action = gdk_drag_get_selected_action (self->drag);
  const char *const *types = moss_viewer_get_drag_mime_types (self->viewer);

  if (self->at_home || self->dropped || types == NULL)
    return;
  moss_viewer_drag_target (self->viewer, action != 0 ? types[0] : NULL,
                           moss_drag_from_gdk (action));
}

static void
on_drop_performed (MossDrag *self)
{
  if (self->at_home)
    return;
  self->dropped = TRUE;
  moss_viewer_drag_dropped (self->viewer);
}

static void
on_finished (MossDrag *self)
{
  if (self->dropped)
    moss_viewer_drag_finished (
        self->viewer, moss_drag_from_gdk (gdk_drag_get_selected_action (self->drag)));
  forget (self);
}

static void
on_cancelled (MossDrag *self, GdkDragCancelReason reason)
{
  if (!self->at_home || reason == GDK_DRAG_CANCEL_USER_CANCELLED)
    moss_viewer_drag_cancel (self->viewer);
  forget (self);
}

static void
show_icon (MossDrag *self)
{
  MossViewerSurface *icon = moss_viewer_get_drag_icon (self->viewer);
  g_autoptr (GdkTexture) texture = NULL;
  g_autoptr (GBytes) pixels = NULL;
  int width, height, x = 0, y = 0;

  if (icon == NULL || self->drag == NULL)
    return;
  pixels = moss_viewer_surface_ref_pixels (icon, &width, &height);
  if (pixels == NULL)
    return;
  texture = gdk_memory_texture_new (width, height, GDK_MEMORY_DEFAULT, pixels,
                                    (gsize) width * 4);
  moss_viewer_surface_get_offset (icon, &x, &y);
  gtk_drag_icon_set_from_paintable (self->drag, GDK_PAINTABLE (texture), -x, -y);
}

static void
begin (MossDrag *self)
{
  GtkNative *native = gtk_widget_get_native (self->widget);
  GdkSeat *seat = gdk_display_get_default_seat (gtk_widget_get_display (self->widget));
  const char *const *types = moss_viewer_get_drag_mime_types (self->viewer);
  g_autoptr (GdkContentProvider) content = NULL;
  GdkDragAction actions = moss_drag_to_gdk (moss_viewer_get_drag_actions (self->viewer));

  if (native == NULL || seat == NULL || types == NULL || types[0] == NULL)
    return;
  content = moss_selection_provider_new_drag (self->viewer, types);
  self->drag = gdk_drag_begin (gtk_native_get_surface (native), gdk_seat_get_pointer (seat),
                               content, actions != 0 ? actions : GDK_ACTION_COPY, 0, 0);
  if (self->drag == NULL)
    return;
  self->at_home = TRUE;
  self->dropped = FALSE;
  g_object_set_data (G_OBJECT (self->drag), ORIGIN, self);
  g_object_connect (self->drag,
                    "swapped-signal::notify::selected-action", on_action_changed, self,
                    "swapped-signal::drop-performed", on_drop_performed, self,
                    "swapped-signal::dnd-finished", on_finished, self,
                    "swapped-signal::cancel", on_cancelled, self, NULL);
}

/* Only the view that has the pointer's press begins it: the others of the app hear of it, too. */
static void
on_drag_changed (MossDrag *self)
{
  if (!moss_viewer_get_drag_active (self->viewer))
    return;
  if (self->drag == NULL &&
      (gtk_widget_get_state_flags (self->widget) & GTK_STATE_FLAG_PRELIGHT))
    begin (self);
  show_icon (self);
}

void
moss_drag_set_viewer (MossDrag *self, MossViewer *viewer)
{
  if (self->viewer == viewer)
    return;
  forget (self);
  if (self->viewer != NULL)
    g_signal_handlers_disconnect_by_data (self->viewer, self);
  g_set_object (&self->viewer, viewer);
  if (viewer != NULL)
    g_signal_connect_swapped (viewer, "drag-changed", G_CALLBACK (on_drag_changed), self);
}

void
moss_drag_free (MossDrag *self)
{
  moss_drag_set_viewer (self, NULL);
  g_free (self);
}

MossDrag *
moss_drag_new (GtkWidget *widget)
{
  MossDrag *self = g_new0 (MossDrag, 1);

  self->widget = widget;
  return self;
}
