// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-frame"

#include "frame.h"

#include "format.h"
#include "surface-view.h"
#include "title-bar.h"

#include <glib/gi18n.h>

/* MossFrame: one window of an app: the title bar where the app wants one, its picture, its
   popups (which may reach beyond it), and a thin line while it travels. It outlives the
   connection to the app, so that a window whose app is frozen stays where it is.

   Signals: "size" the app has another size than the frame; "drag", "resize" (edges), "menu" (x, y)
   in the frame's coordinates; "pressed"; "minimize", "maximize" (gboolean),
   "fullscreen" (gboolean), "activate" (trusted). */

struct _MossFrame
{
  GtkWidget parent_instance;

  MossSandbox *sandbox;
  guint id;
  MossViewerSurface *surface;
  GtkWidget *clip;
  GtkWidget *title_bar;
  GtkWidget *progress;
  GtkWidget *view;
  MossFrameRect rect;
  MossFrameRect normal; /* to come back to */
  MossFrameState state;
  gboolean minimized;
  gboolean on_top;
  gboolean active;
  gboolean resizing;
  MossViewerEdge border_edges; /* under the pointer */
};

enum {
  SIZE, DRAG, RESIZE, MENU, PRESSED, MINIMIZE, MAXIMIZE, FULLSCREEN, ACTIVATE, N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossFrame, moss_frame, GTK_TYPE_WIDGET)

MossFrameRect *
moss_frame_rect (MossFrame *self)
{
  return &self->rect;
}

MossFrameRect *
moss_frame_normal_rect (MossFrame *self)
{
  return &self->normal;
}

static gboolean
has_title_bar (MossFrame *self)
{
  if (self->state == MOSS_FRAME_FULLSCREEN)
    return FALSE;
  return self->surface == NULL || moss_viewer_surface_get_server_decorated (self->surface);
}

/* 0 when the app draws its own. */
int
moss_frame_get_title_height (MossFrame *self)
{
  return gtk_widget_get_visible (self->title_bar) ? MOSS_FRAME_TITLE_HEIGHT : 0;
}

void
moss_frame_get_outer_size (MossFrame *self, int *width, int *height)
{
  *width = self->rect.width;
  *height = self->rect.height + moss_frame_get_title_height (self);
}

const char *
moss_frame_get_title (MossFrame *self)
{
  const char *title = self->surface != NULL ? moss_viewer_surface_get_title (self->surface)
                                            : "";

  if (*title == '\0')
    title = self->sandbox->name;
  return *title != '\0' ? title : _("App");
}

static void
set_class (MossFrame *self, const char *name, gboolean on)
{
  if (on)
    gtk_widget_add_css_class (GTK_WIDGET (self), name);
  else
    gtk_widget_remove_css_class (GTK_WIDGET (self), name);
}

static void
update_badge (MossFrame *self)
{
  MossTitleBar *bar = MOSS_TITLE_BAR (self->title_bar);

  if (self->surface != NULL && !moss_viewer_surface_get_responsive (self->surface))
    moss_title_bar_set_badge (bar, _("not answering"), TRUE);
  else if (self->sandbox->state == MOSS_SANDBOX_FROZEN)
    moss_title_bar_set_badge (bar, _("standing still"), FALSE);
  else if (self->on_top)
    moss_title_bar_set_badge (bar, _("on top"), FALSE);
  else if (self->active && self->sandbox->state == MOSS_SANDBOX_RUNNING &&
           gtk_widget_get_state_flags (self->title_bar) & GTK_STATE_FLAG_PRELIGHT)
    moss_title_bar_set_badge (bar, self->sandbox->travels ? _("can travel")
                                                          : _("can't travel"),
                              !self->sandbox->travels);
  else
    moss_title_bar_set_badge (bar, NULL, FALSE);
}

static void
on_hover_changed (GtkWidget *title_bar, GtkStateFlags before, MossFrame *self)
{
  update_badge (self);
}

static void
update_look (MossFrame *self)
{
  gboolean title = has_title_bar (self);

  gtk_widget_set_visible (self->title_bar, title);
  gtk_widget_set_overflow (self->clip, title ? GTK_OVERFLOW_HIDDEN : GTK_OVERFLOW_VISIBLE);
  set_class (self, "own-decoration", !title);
  set_class (self, "maximized", self->state == MOSS_FRAME_MAXIMIZED);
  set_class (self, "fullscreen", self->state == MOSS_FRAME_FULLSCREEN);
  set_class (self, "tiled", self->state == MOSS_FRAME_LEFT ||
                            self->state == MOSS_FRAME_RIGHT);
  moss_title_bar_set_maximized (MOSS_TITLE_BAR (self->title_bar),
                                self->state == MOSS_FRAME_MAXIMIZED);
  moss_title_bar_set_title (MOSS_TITLE_BAR (self->title_bar), moss_frame_get_title (self));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->view), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  moss_frame_get_title (self), -1);
  update_badge (self);
  gtk_widget_queue_resize (GTK_WIDGET (self));
}

static MossViewerState
viewer_states (MossFrame *self)
{
  MossViewerState states = 0;

  if (self->active)
    states |= MOSS_VIEWER_STATE_ACTIVATED;
  if (self->resizing)
    states |= MOSS_VIEWER_STATE_RESIZING;
  switch (self->state)
    {
    case MOSS_FRAME_MAXIMIZED:
      return states | MOSS_VIEWER_STATE_MAXIMIZED;
    case MOSS_FRAME_FULLSCREEN:
      return states | MOSS_VIEWER_STATE_FULLSCREEN;
    case MOSS_FRAME_LEFT:
      return states | MOSS_VIEWER_STATE_TILED_LEFT | MOSS_VIEWER_STATE_TILED_TOP |
             MOSS_VIEWER_STATE_TILED_BOTTOM;
    case MOSS_FRAME_RIGHT:
      return states | MOSS_VIEWER_STATE_TILED_RIGHT | MOSS_VIEWER_STATE_TILED_TOP |
             MOSS_VIEWER_STATE_TILED_BOTTOM;
    case MOSS_FRAME_NORMAL:
    default:
      return states;
    }
}

static MossViewer *
get_viewer (MossFrame *self)
{
  return self->surface != NULL ? moss_viewer_surface_get_viewer (self->surface) : NULL;
}

/* Asks the app for a size of its window geometry; 0×0 lets it choose. */
void
moss_frame_configure (MossFrame *self, int width, int height, gboolean resizing)
{
  MossViewer *viewer = get_viewer (self);

  self->resizing = resizing;
  if (viewer != NULL)
    moss_viewer_configure (viewer, self->surface, width, height, viewer_states (self));
}

/* Where the app's popups may lie: on the whole workspace of this size. */
void
moss_frame_set_popup_bounds (MossFrame *self, int width, int height)
{
  MossViewer *viewer = get_viewer (self);
  MossViewerRect geometry;
  MossViewerRect bounds;

  if (viewer == NULL)
    return;
  moss_viewer_surface_get_geometry (self->surface, &geometry);
  bounds.x = geometry.x - self->rect.x;
  bounds.y = geometry.y - self->rect.y - moss_frame_get_title_height (self);
  bounds.width = width;
  bounds.height = height;
  moss_viewer_set_popup_bounds (viewer, self->surface, &bounds);
}

void
moss_frame_get_size_limits (MossFrame *self, int *min_width, int *min_height, int *max_width,
                            int *max_height)
{
  *min_width = *min_height = *max_width = *max_height = 0;
  if (self->surface != NULL)
    {
      moss_viewer_surface_get_min_size (self->surface, min_width, min_height);
      moss_viewer_surface_get_max_size (self->surface, max_width, max_height);
    }
  *min_width = MAX (*min_width, 120);
  *min_height = MAX (*min_height, 48);
}

static void
place_popups (MossFrame *self)
{
  MossViewerRect toplevel = { 0 };

  if (self->surface != NULL)
    moss_viewer_surface_get_geometry (self->surface, &toplevel);
  for (GtkWidget *child = gtk_widget_get_next_sibling (self->clip); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    {
      MossViewerSurface *popup =
          MOSS_IS_SURFACE_VIEW (child)
              ? moss_surface_view_get_surface (MOSS_SURFACE_VIEW (child)) : NULL;
      MossViewerRect geometry;
      int x = -toplevel.x, y = moss_frame_get_title_height (self) - toplevel.y;

      if (popup == NULL)
        continue;
      moss_viewer_surface_get_geometry (popup, &geometry);
      x += geometry.x;
      y += geometry.y;
      for (MossViewerSurface *at = popup; at != NULL && at != self->surface;
           at = moss_viewer_surface_get_parent (at))
        {
          int dx, dy;
          moss_viewer_surface_get_offset (at, &dx, &dy);
          x += dx;
          y += dy;
        }
      gtk_widget_size_allocate (
          child,
          &(GtkAllocation){ x, y, MAX (geometry.width, 1), MAX (geometry.height, 1) }, -1);
    }
}

static void
moss_frame_size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  MossFrame *self = MOSS_FRAME (widget);
  int title = moss_frame_get_title_height (self);
  int minimum;

  gtk_widget_measure (self->title_bar, GTK_ORIENTATION_HORIZONTAL, -1, &minimum, NULL, NULL,
                      NULL);
  gtk_widget_size_allocate (self->clip, &(GtkAllocation){ 0, 0, width, height }, -1);
  if (title > 0)
    gtk_widget_size_allocate (self->title_bar,
                              &(GtkAllocation){ 0, 0, MAX (width, minimum), title }, -1);
  gtk_widget_size_allocate (self->view,
                            &(GtkAllocation){ 0, title, width, MAX (height - title, 1) }, -1);
  if (gtk_widget_get_visible (self->progress))
    {
      gtk_widget_measure (self->progress, GTK_ORIENTATION_VERTICAL, -1, &minimum, NULL, NULL,
                          NULL);
      gtk_widget_size_allocate (self->progress,
                                &(GtkAllocation){ 0, title, width, minimum }, -1);
    }
  place_popups (self);
}

static void
moss_frame_measure (GtkWidget *widget, GtkOrientation orientation, int for_size,
                    int *minimum, int *natural, int *minimum_baseline,
                    int *natural_baseline)
{
  MossFrame *self = MOSS_FRAME (widget);
  int width, height;

  /* Children that are allocated must have been measured. */
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    gtk_widget_measure (child, orientation, -1, NULL, NULL, NULL, NULL);
  moss_frame_get_outer_size (self, &width, &height);
  *minimum = *natural = MAX (orientation == GTK_ORIENTATION_HORIZONTAL ? width : height, 1);
}

#define BORDER 8

static gboolean
is_resizable (MossFrame *self)
{
  return self->state == MOSS_FRAME_NORMAL && has_title_bar (self) && self->surface != NULL;
}

static MossViewerEdge
edges_at (MossFrame *self, double x, double y)
{
  int width = gtk_widget_get_width (GTK_WIDGET (self));
  int height = gtk_widget_get_height (GTK_WIDGET (self));
  gboolean outside = x < 0 || y < 0 || x >= width || y >= height;
  MossViewerEdge edges = 0;

  if (!outside || !is_resizable (self))
    return 0;
  if (x < BORDER)
    edges |= MOSS_VIEWER_EDGE_LEFT;
  else if (x >= width - BORDER)
    edges |= MOSS_VIEWER_EDGE_RIGHT;
  if (y < BORDER)
    edges |= MOSS_VIEWER_EDGE_TOP;
  else if (y >= height - BORDER)
    edges |= MOSS_VIEWER_EDGE_BOTTOM;
  return edges;
}

static gboolean
moss_frame_contains (GtkWidget *widget, double x, double y)
{
  int border = is_resizable (MOSS_FRAME (widget)) ? BORDER : 0;

  return x >= -border && y >= -border && x < gtk_widget_get_width (widget) + border &&
         y < gtk_widget_get_height (widget) + border;
}

static const char *
edges_cursor (MossViewerEdge edges)
{
  switch ((int) edges)
    {
    case MOSS_VIEWER_EDGE_TOP:
    case MOSS_VIEWER_EDGE_BOTTOM:
      return "ns-resize";
    case MOSS_VIEWER_EDGE_LEFT:
    case MOSS_VIEWER_EDGE_RIGHT:
      return "ew-resize";
    case MOSS_VIEWER_EDGE_TOP | MOSS_VIEWER_EDGE_LEFT:
    case MOSS_VIEWER_EDGE_BOTTOM | MOSS_VIEWER_EDGE_RIGHT:
      return "nwse-resize";
    case MOSS_VIEWER_EDGE_TOP | MOSS_VIEWER_EDGE_RIGHT:
    case MOSS_VIEWER_EDGE_BOTTOM | MOSS_VIEWER_EDGE_LEFT:
      return "nesw-resize";
    default:
      return NULL;
    }
}

static void
on_border_motion (GtkEventControllerMotion *controller, double x, double y, MossFrame *self)
{
  MossViewerEdge edges = edges_at (self, x, y);

  if (edges == self->border_edges)
    return;
  self->border_edges = edges;
  gtk_widget_set_cursor_from_name (GTK_WIDGET (self), edges_cursor (edges));
}

static void
on_border_pressed (GtkGestureClick *gesture, int n, double x, double y, MossFrame *self)
{
  MossViewerEdge edges = edges_at (self, x, y);

  if (edges != 0)
    g_signal_emit (self, signals[RESIZE], 0, edges);
}

/* ---- what the app says --------------------------------------------------------------- */

static void
on_commit (MossFrame *self)
{
  MossViewerRect geometry;

  moss_viewer_surface_get_geometry (self->surface, &geometry);
  if (geometry.width > 0 && geometry.height > 0 &&
      (geometry.width != self->rect.width || geometry.height != self->rect.height))
    g_signal_emit (self, signals[SIZE], 0, geometry.width, geometry.height);
}

static void
on_changed (MossFrame *self)
{
  update_look (self);
}

static void
on_request_move (MossFrame *self)
{
  g_signal_emit (self, signals[DRAG], 0);
}

static void
on_request_resize (MossFrame *self, guint edges)
{
  g_signal_emit (self, signals[RESIZE], 0, edges);
}

static void
on_request_menu (MossFrame *self, int x, int y)
{
  MossViewerRect geometry;

  moss_viewer_surface_get_geometry (self->surface, &geometry);
  g_signal_emit (self, signals[MENU], 0, (double) (x - geometry.x),
                 (double) (y - geometry.y + moss_frame_get_title_height (self)));
}

static void
on_request_minimize (MossFrame *self)
{
  g_signal_emit (self, signals[MINIMIZE], 0);
}

static void
on_request_maximize (MossFrame *self, gboolean maximize)
{
  g_signal_emit (self, signals[MAXIMIZE], 0, maximize);
}

static void
on_request_fullscreen (MossFrame *self, gboolean fullscreen)
{
  g_signal_emit (self, signals[FULLSCREEN], 0, fullscreen);
}

static void
on_request_activate (MossFrame *self, gboolean trusted)
{
  g_signal_emit (self, signals[ACTIVATE], 0, trusted);
}

static void
disconnect_surface (MossFrame *self)
{
  if (self->surface != NULL)
    g_signal_handlers_disconnect_by_data (self->surface, self);
  g_clear_object (&self->surface);
}

/* surface: (nullable): NULL when the app is frozen or gone: its last picture stays. */
void
moss_frame_set_surface (MossFrame *self, MossViewerSurface *surface)
{
  disconnect_surface (self);
  moss_surface_view_set_surface (MOSS_SURFACE_VIEW (self->view), surface);
  if (surface == NULL)
    return;
  self->surface = g_object_ref (surface);
  self->id = moss_viewer_surface_get_id (surface);
  g_object_connect (surface,
                    "swapped-signal::commit", on_commit, self,
                    "swapped-signal::changed", on_changed, self,
                    "swapped-signal::request-move", on_request_move, self,
                    "swapped-signal::request-resize", on_request_resize, self,
                    "swapped-signal::request-menu", on_request_menu, self,
                    "swapped-signal::request-minimize", on_request_minimize, self,
                    "swapped-signal::request-maximize", on_request_maximize, self,
                    "swapped-signal::request-fullscreen", on_request_fullscreen, self,
                    "swapped-signal::request-activate", on_request_activate, self, NULL);
  update_look (self);
}

/* (transfer none) (nullable) */
MossViewerSurface *
moss_frame_get_surface (MossFrame *self)
{
  return self->surface;
}

static void
on_popup_removed (MossViewerSurface *popup, GtkWidget *view)
{
  g_signal_handlers_disconnect_by_data (popup, view);
  gtk_widget_unparent (view);
}

/* A menu or the like of this window's app. It goes by itself. */
void
moss_frame_add_popup (MossFrame *self, MossViewerSurface *popup)
{
  GtkWidget *view = moss_surface_view_new ();

  moss_surface_view_set_surface (MOSS_SURFACE_VIEW (view), popup);
  g_signal_connect_object (popup, "removed", G_CALLBACK (on_popup_removed), view, 0);
  g_signal_connect_object (popup, "commit", G_CALLBACK (gtk_widget_queue_allocate), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (popup, "changed", G_CALLBACK (gtk_widget_queue_allocate), self,
                           G_CONNECT_SWAPPED);
  gtk_widget_set_parent (view, GTK_WIDGET (self));
}

/* ---- what the shell says ------------------------------------------------------------- */

void
moss_frame_set_picture (MossFrame *self, GdkTexture *picture)
{
  moss_surface_view_set_picture (MOSS_SURFACE_VIEW (self->view), picture);
}

/* (transfer full) (nullable) */
GdkTexture *
moss_frame_make_picture (MossFrame *self, int max_width)
{
  return moss_surface_view_make_picture (MOSS_SURFACE_VIEW (self->view), max_width);
}

/* fraction: below 0 takes the line away; text: (nullable) for a screen reader. */
void
moss_frame_set_progress (MossFrame *self, double fraction, const char *text)
{
  gtk_widget_set_visible (self->progress, fraction >= 0);
  if (fraction < 0)
    return;
  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (self->progress), fraction);
  if (text != NULL)
    gtk_accessible_update_property (GTK_ACCESSIBLE (self->progress),
                                    GTK_ACCESSIBLE_PROPERTY_LABEL, text, -1);
}

MossFrameState
moss_frame_get_state (MossFrame *self)
{
  return self->state;
}

void
moss_frame_set_state (MossFrame *self, MossFrameState state)
{
  self->state = state;
  update_look (self);
}

gboolean
moss_frame_get_minimized (MossFrame *self)
{
  return self->minimized;
}

void
moss_frame_set_minimized (MossFrame *self, gboolean minimized)
{
  MossViewer *viewer = get_viewer (self);

  self->minimized = minimized;
  gtk_widget_set_visible (GTK_WIDGET (self), !minimized);
  if (viewer != NULL)
    moss_viewer_set_visible (viewer, self->surface, !minimized);
}

gboolean
moss_frame_get_on_top (MossFrame *self)
{
  return self->on_top;
}

void
moss_frame_set_on_top (MossFrame *self, gboolean on_top)
{
  self->on_top = on_top;
  update_badge (self);
}

/* Has the focus of the workspace: the app draws itself accordingly. */
void
moss_frame_set_active (MossFrame *self, gboolean active)
{
  gboolean normal = self->state == MOSS_FRAME_NORMAL;

  if (self->active == active)
    return;
  self->active = active;
  set_class (self, "active", active);
  update_badge (self);
  if (self->surface != NULL)
    moss_frame_configure (self, normal && self->rect.width <= 1 ? 0 : self->rect.width,
                          normal && self->rect.width <= 1 ? 0 : self->rect.height, FALSE);
}

void
moss_frame_grab_keyboard (MossFrame *self)
{
  gtk_widget_grab_focus (self->view);
}

/* Drawn smaller than it is: no seams then, and a light shadow. */
void
moss_frame_set_shrunk (MossFrame *self, gboolean shrunk)
{
  set_class (self, "shrunk", shrunk);
  moss_surface_view_set_whole (MOSS_SURFACE_VIEW (self->view), shrunk);
}

void
moss_frame_forget_input (MossFrame *self)
{
  moss_surface_view_forget_input (MOSS_SURFACE_VIEW (self->view));
}

/* Asks the app to close this window; it may ask back. */
void
moss_frame_close (MossFrame *self)
{
  MossViewer *viewer = get_viewer (self);

  if (viewer != NULL)
    moss_viewer_close_toplevel (viewer, self->surface);
}

/* (transfer none) */
MossSandbox *
moss_frame_get_sandbox (MossFrame *self)
{
  return self->sandbox;
}

guint
moss_frame_get_id (MossFrame *self)
{
  return self->id;
}

void
moss_frame_set_id (MossFrame *self, guint id)
{
  self->id = id;
}

static void
on_bar_drag (MossFrame *self)
{
  g_signal_emit (self, signals[DRAG], 0);
}

static void
on_bar_menu (MossFrame *self, double x, double y)
{
  graphene_point_t point;

  if (gtk_widget_compute_point (self->title_bar, GTK_WIDGET (self),
                                &GRAPHENE_POINT_INIT (x, y), &point))
    g_signal_emit (self, signals[MENU], 0, (double) point.x, (double) point.y);
}

static void
on_bar_maximize (MossFrame *self)
{
  g_signal_emit (self, signals[MAXIMIZE], 0, self->state != MOSS_FRAME_MAXIMIZED);
}

static void
on_pressed (GtkGestureClick *gesture, int n, double x, double y, MossFrame *self)
{
  g_signal_emit (self, signals[PRESSED], 0);
}

static void
moss_frame_dispose (GObject *object)
{
  MossFrame *self = MOSS_FRAME (object);
  GtkWidget *child;

  disconnect_surface (self);
  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    gtk_widget_unparent (child);
  g_clear_object (&self->sandbox);
  G_OBJECT_CLASS (moss_frame_parent_class)->dispose (object);
}

static void
moss_frame_class_init (MossFrameClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);
  GType type = MOSS_TYPE_FRAME;

  G_OBJECT_CLASS (klass)->dispose = moss_frame_dispose;
  widget_class->size_allocate = moss_frame_size_allocate;
  widget_class->measure = moss_frame_measure;
  widget_class->contains = moss_frame_contains;
  gtk_widget_class_set_css_name (widget_class, "frame-window");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_GROUP);
#define NEW(name, n, ...) \
  g_signal_new (name, type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, n, \
                ##__VA_ARGS__)
  signals[SIZE] = NEW ("size", 2, G_TYPE_INT, G_TYPE_INT);
  signals[DRAG] = NEW ("drag", 0);
  signals[RESIZE] = NEW ("resize", 1, G_TYPE_UINT);
  signals[MENU] = NEW ("menu", 2, G_TYPE_DOUBLE, G_TYPE_DOUBLE);
  signals[PRESSED] = NEW ("pressed", 0);
  signals[MINIMIZE] = NEW ("minimize", 0);
  signals[MAXIMIZE] = NEW ("maximize", 1, G_TYPE_BOOLEAN);
  signals[FULLSCREEN] = NEW ("fullscreen", 1, G_TYPE_BOOLEAN);
  signals[ACTIVATE] = NEW ("activate", 1, G_TYPE_BOOLEAN);
#undef NEW
}

static GtkWidget *
make_clip (MossFrame *self)
{
  /* A plain box would allocate its children by itself; this one leaves that to the frame. */
  GtkWidget *clip = g_object_new (GTK_TYPE_BOX, NULL);

  gtk_widget_set_layout_manager (clip, NULL);
  gtk_widget_add_css_class (clip, "clip");
  gtk_widget_set_overflow (clip, GTK_OVERFLOW_HIDDEN);
  return clip;
}

static void
moss_frame_init (MossFrame *self)
{
  GtkGesture *click = gtk_gesture_click_new ();
  GtkGesture *border = gtk_gesture_click_new ();
  GtkEventController *motion = gtk_event_controller_motion_new ();

  self->clip = make_clip (self);
  gtk_widget_set_parent (self->clip, GTK_WIDGET (self));
  self->view = moss_surface_view_new ();
  gtk_widget_set_parent (self->view, self->clip);
  self->title_bar = moss_title_bar_new ();
  gtk_widget_set_parent (self->title_bar, self->clip);
  self->progress = gtk_progress_bar_new ();
  gtk_widget_add_css_class (self->progress, "thin");
  gtk_widget_set_visible (self->progress, FALSE);
  gtk_widget_set_parent (self->progress, self->clip);
  g_object_connect (self->title_bar,
                    "swapped-signal::drag", on_bar_drag, self,
                    "swapped-signal::menu", on_bar_menu, self,
                    "swapped-signal::maximize", on_bar_maximize, self,
                    "swapped-signal::minimize", on_request_minimize, self,
                    "swapped-signal::close", moss_frame_close, self,
                    "signal::state-flags-changed", on_hover_changed, self, NULL);
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (click), 0);
  gtk_event_controller_set_propagation_phase (GTK_EVENT_CONTROLLER (click),
                                              GTK_PHASE_CAPTURE);
  g_signal_connect (click, "pressed", G_CALLBACK (on_pressed), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (click));
  g_signal_connect (border, "pressed", G_CALLBACK (on_border_pressed), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (border));
  g_signal_connect (motion, "motion", G_CALLBACK (on_border_motion), self);
  gtk_widget_add_controller (GTK_WIDGET (self), motion);
}

/* id: of the toplevel that will be shown, 0 when it is not known yet. */
MossFrame *
moss_frame_new (MossSandbox *sandbox, guint id)
{
  MossFrame *self = g_object_new (MOSS_TYPE_FRAME, NULL);

  self->sandbox = g_object_ref (sandbox);
  self->id = id;
  g_signal_connect_object (sandbox, "changed", G_CALLBACK (update_look), self,
                           G_CONNECT_SWAPPED);
  update_look (self);
  return self;
}
