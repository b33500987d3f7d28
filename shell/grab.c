// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-grab"

#include "grab.h"

#include <math.h>

/* MossGrab: a window that is being moved or resized. It reads the pointer in the capture
   phase of the workspace, before anybody below, so that a window whose app draws its own
   title bar is moved by the same code.

   Near the end edge the rail opens. There the window follows the pointer with resistance,
   shrinks and tilts, and goes under the rail; a card becomes hot only after the pointer
   has rested on it for a moment: nobody sends a window by accident. */

#define OPEN_AT 300     /* pixels from the end edge: the rail shows cards */
#define CLOSE_AT 380    /* and tiles again */
#define CARDS_WIDTH 296 /* where resistance begins */
#define DWELL_MS 220
#define SNAP_EDGE 4
#define SMALLEST 0.58
#define LATE_US (2 * G_USEC_PER_SEC) /* a busy app takes up its size so long after the release */

typedef enum { NOTHING, MOVE, SIZE } Kind;

struct _MossGrab
{
  MossWorkspace *workspace;
  Kind kind;
  MossFrame *frame;
  gboolean button_down;
  gboolean taken_back;     /* Esc: nothing more until the button is up */
  double x, y;             /* pointer, workspace coordinates */
  double press_x, press_y; /* where the button went down */
  double grip_x, grip_y;   /* where the frame is held, its own coordinates */
  double start_x, start_y; /* of a resize */
  MossFrameRect start;
  MossFrameState start_state;
  MossViewerEdge edges;
  MossFrame *late;         /* (unowned) resized just now; start and edges are still its */
  gint64 late_until_us;
  MossFrameState snap;
  gboolean rail_open;
  double depth;        /* 0 free, 1 wholly at the rail */
  MossDevice *over;    /* (unowned) the card under the pointer */
  MossDevice *hot;     /* (unowned) the same, after the dwell */
  guint dwell;
};

static double
distance_to_end (MossGrab *self)
{
  GtkWidget *widget = GTK_WIDGET (self->workspace);

  if (gtk_widget_get_direction (widget) == GTK_TEXT_DIR_RTL)
    return self->x;
  return gtk_widget_get_width (widget) - self->x;
}

static gboolean
on_dwell (gpointer data)
{
  MossGrab *self = data;

  self->dwell = 0;
  self->hot = self->over;
  moss_rail_set_hot (moss_workspace_get_rail (self->workspace), self->hot);
  return G_SOURCE_REMOVE;
}

static MossDevice *
device_under_pointer (MossGrab *self)
{
  MossRail *rail = moss_workspace_get_rail (self->workspace);
  graphene_point_t point;

  if (!self->rail_open || distance_to_end (self) > CARDS_WIDTH ||
      !gtk_widget_compute_point (GTK_WIDGET (self->workspace), GTK_WIDGET (rail),
                                 &GRAPHENE_POINT_INIT (self->x, self->y), &point))
    return NULL;
  return moss_rail_device_at (rail, point.y);
}

static void
set_over (MossGrab *self, MossDevice *device)
{
  if (self->over == device)
    return;
  g_clear_handle_id (&self->dwell, g_source_remove);
  self->over = device;
  self->hot = NULL;
  moss_rail_set_hot (moss_workspace_get_rail (self->workspace), NULL);
  if (device != NULL)
    /* After all input: where drawing is slow, a release that waits already counts first. But
     * before drawing: an app that moves without a pause must not keep the card cold. */
    self->dwell = g_timeout_add_full (G_PRIORITY_HIGH_IDLE, DWELL_MS, on_dwell, self, NULL);
}

static void
set_rail_open (MossGrab *self, gboolean open)
{
  MossRail *rail = moss_workspace_get_rail (self->workspace);

  if (self->rail_open == open || rail == NULL)
    return;
  self->rail_open = open;
  moss_rail_set_offer (rail, open ? moss_frame_get_sandbox (self->frame)->id : NULL);
}

static MossFrameState
snap_at_pointer (MossGrab *self)
{
  int width = gtk_widget_get_width (GTK_WIDGET (self->workspace));
  gboolean near_rail = self->over != NULL;

  if (self->y <= SNAP_EDGE)
    return MOSS_FRAME_MAXIMIZED;
  if (self->x <= SNAP_EDGE && !near_rail)
    return MOSS_FRAME_LEFT;
  if (self->x >= width - 1 - SNAP_EDGE && !near_rail)
    return MOSS_FRAME_RIGHT;
  return MOSS_FRAME_NORMAL;
}

static void
update_rail (MossGrab *self)
{
  double distance = distance_to_end (self);

  if (moss_workspace_get_rail (self->workspace) == NULL)
    return;
  if (distance < OPEN_AT)
    set_rail_open (self, TRUE);
  else if (distance > CLOSE_AT)
    set_rail_open (self, FALSE);
  set_over (self, device_under_pointer (self));
  self->depth = self->rail_open ? CLAMP ((OPEN_AT - distance) / 160.0, 0.0, 1.0) : 0.0;
  moss_frame_set_shrunk (self->frame, self->depth > 0);
}

static void
update_move (MossGrab *self)
{
  MossFrameRect *rect = moss_frame_rect (self->frame);
  MossFrameState snap;

  if (moss_frame_get_state (self->frame) != MOSS_FRAME_NORMAL)
    {
      double share = self->grip_x / MAX (rect->width, 1);

      moss_workspace_restore_at (self->workspace, self->frame, self->x, self->y);
      self->grip_x = share * rect->width;
    }
  rect->x = (int) round (self->x - self->grip_x);
  rect->y = MAX (0, (int) round (self->y - self->grip_y));
  update_rail (self);
  snap = snap_at_pointer (self);
  if (snap != self->snap)
    {
      self->snap = snap;
      moss_workspace_show_preview (self->workspace, snap, self->frame);
    }
  gtk_widget_queue_allocate (GTK_WIDGET (self->workspace));
}

static void
configure_size (MossGrab *self, gboolean resizing)
{
  int dx = (int) round (self->x - self->start_x);
  int dy = (int) round (self->y - self->start_y);
  int width = self->start.width, height = self->start.height;
  int min_width, min_height, max_width, max_height;

  if (self->edges & MOSS_VIEWER_EDGE_RIGHT)
    width += dx;
  if (self->edges & MOSS_VIEWER_EDGE_LEFT)
    width -= dx;
  if (self->edges & MOSS_VIEWER_EDGE_BOTTOM)
    height += dy;
  if (self->edges & MOSS_VIEWER_EDGE_TOP)
    height -= dy;
  moss_frame_get_size_limits (self->frame, &min_width, &min_height, &max_width, &max_height);
  width = MAX (width, min_width);
  height = MAX (height, min_height);
  if (max_width > 0)
    width = MIN (width, max_width);
  if (max_height > 0)
    height = MIN (height, max_height);
  moss_frame_configure (self->frame, width, height, resizing);
}

static void
reset (MossGrab *self)
{
  g_clear_handle_id (&self->dwell, g_source_remove);
  if (self->frame != NULL)
    moss_frame_set_shrunk (self->frame, FALSE);
  set_over (self, NULL);
  set_rail_open (self, FALSE);
  moss_workspace_show_preview (self->workspace, MOSS_FRAME_NORMAL, NULL);
  self->kind = NOTHING;
  self->frame = NULL;
  self->depth = 0;
  self->snap = MOSS_FRAME_NORMAL;
  gtk_widget_queue_allocate (GTK_WIDGET (self->workspace));
}

static void
finish_move (MossGrab *self)
{
  g_autoptr (MossFrame) frame = g_object_ref (self->frame);
  g_autoptr (MossDevice) device = self->hot != NULL ? g_object_ref (self->hot) : NULL;
  MossFrameState snap = self->snap;
  gboolean at_rail = self->depth > 0.3;
  MossFrameRect start = self->start;

  reset (self);
  if (device != NULL || at_rail)
    {
      /* Whatever comes of it, the window goes back to where it stood. */
      moss_workspace_animate (self->workspace, frame);
      *moss_frame_rect (frame) = (MossFrameRect){
        start.x, start.y, moss_frame_rect (frame)->width, moss_frame_rect (frame)->height
      };
      if (device != NULL)
        g_signal_emit_by_name (self->workspace, "send", frame, device);
    }
  else if (snap != MOSS_FRAME_NORMAL)
    {
      moss_workspace_set_state (self->workspace, frame, snap);
    }
  moss_workspace_settled (self->workspace, frame);
}

/* It gets the size where it was let go, which the app may not have taken up yet. */
static void
finish_resize (MossGrab *self)
{
  g_autoptr (MossFrame) frame = g_object_ref (self->frame);

  configure_size (self, FALSE);
  reset (self);
  self->late = frame;
  self->late_until_us = g_get_monotonic_time () + LATE_US;
  moss_workspace_settled (self->workspace, frame);
}

static void
finish (MossGrab *self)
{
  if (self->kind == MOVE)
    finish_move (self);
  else if (self->kind == SIZE)
    finish_resize (self);
}

/* Takes everything back. FALSE when nothing was going on. */
gboolean
moss_grab_cancel (MossGrab *self)
{
  g_autoptr (MossFrame) frame = NULL;

  if (self->kind == NOTHING)
    return FALSE;
  self->taken_back = TRUE;
  frame = g_object_ref (self->frame);
  moss_workspace_animate (self->workspace, frame);
  moss_frame_rect (frame)->x = self->start.x;
  moss_frame_rect (frame)->y = self->start.y;
  if (self->kind == SIZE)
    moss_frame_configure (frame, self->start.width, self->start.height, FALSE);
  reset (self);
  if (self->start_state != MOSS_FRAME_NORMAL)
    moss_workspace_set_state (self->workspace, frame, self->start_state);
  return TRUE;
}

/* The frame is about to go. */
void
moss_grab_drop_frame (MossGrab *self, MossFrame *frame)
{
  if (self->frame == frame)
    reset (self);
  if (self->late == frame)
    self->late = NULL;
}

static gboolean
begin (MossGrab *self, MossFrame *frame, Kind kind)
{
  if (!self->button_down || self->taken_back || self->kind != NOTHING)
    return FALSE;
  self->kind = kind;
  self->frame = frame;
  self->late = NULL;
  self->start = *moss_frame_rect (frame);
  self->start_state = moss_frame_get_state (frame);
  moss_frame_forget_input (frame);
  g_signal_emit_by_name (self->workspace, "grabbed", frame);
  return TRUE;
}

/* Counts from where the button went down: a title bar waits for a threshold, and an app
   asks a little after the pointer began to move. */
void
moss_grab_begin_move (MossGrab *self, MossFrame *frame)
{
  if (moss_frame_get_state (frame) == MOSS_FRAME_FULLSCREEN || !begin (self, frame, MOVE))
    return;
  self->grip_x = self->press_x - self->start.x;
  self->grip_y = self->press_y - self->start.y;
}

void
moss_grab_begin_resize (MossGrab *self, MossFrame *frame, MossViewerEdge edges)
{
  if (moss_frame_get_state (frame) != MOSS_FRAME_NORMAL || !begin (self, frame, SIZE))
    return;
  self->edges = edges;
  self->start_x = self->press_x;
  self->start_y = self->press_y;
}

/* (transfer none) (nullable) */
MossFrame *
moss_grab_get_frame (MossGrab *self)
{
  return self->frame;
}

static gboolean
is_late (MossGrab *self, MossFrame *frame)
{
  return self->late == frame && moss_frame_get_state (frame) == MOSS_FRAME_NORMAL
         && g_get_monotonic_time () < self->late_until_us;
}

/* The app has taken this size: keeps the edge that is not pulled, or was not, where it was. TRUE
   while the grab goes on and sizes the frame. */
gboolean
moss_grab_size (MossGrab *self, MossFrame *frame, int width, int height)
{
  MossFrameRect *rect = moss_frame_rect (frame);
  gboolean held = self->kind == SIZE && self->frame == frame;

  if (!held && !is_late (self, frame))
    return FALSE;
  if (self->edges & MOSS_VIEWER_EDGE_LEFT)
    rect->x = self->start.x + self->start.width - width;
  if (self->edges & MOSS_VIEWER_EDGE_TOP)
    rect->y = self->start.y + self->start.height - height;
  rect->width = width;
  rect->height = height;
  return held;
}

/* (transfer full) (nullable): how the frame lies while it goes under the rail. */
GskTransform *
moss_grab_get_transform (MossGrab *self, MossFrame *frame)
{
  gboolean rtl;
  double scale, x, past, grip_x;
  int width, height;
  GskTransform *transform = NULL;

  if (self->kind != MOVE || self->frame != frame || self->depth <= 0)
    return NULL;
  rtl = gtk_widget_get_direction (GTK_WIDGET (self->workspace)) == GTK_TEXT_DIR_RTL;
  scale = 1.0 - (1.0 - SMALLEST) * self->depth;
  past = MAX (0, OPEN_AT - distance_to_end (self));
  x = self->x + (rtl ? past : -past) * 0.7;
  transform = gsk_transform_translate (transform, &GRAPHENE_POINT_INIT (x, self->y));
  transform = gsk_transform_rotate (transform, (rtl ? -1.6f : 1.6f) * self->depth);
  transform = gsk_transform_scale (transform, scale, scale);
  /* However it is held, most of it is to be seen beside the rail. */
  moss_frame_get_outer_size (frame, &width, &height);
  grip_x = rtl ? MIN (self->grip_x, width * 0.4) : MAX (self->grip_x, width * 0.6);
  grip_x = self->grip_x + (grip_x - self->grip_x) * self->depth;
  return gsk_transform_translate (transform, &GRAPHENE_POINT_INIT (-grip_x, -self->grip_y));
}

static void
read_position (MossGrab *self, GdkEvent *event)
{
  GtkWidget *widget = GTK_WIDGET (self->workspace);
  GtkNative *native = gtk_widget_get_native (widget);
  double x, y, offset_x, offset_y;
  graphene_point_t point;

  if (!gdk_event_get_position (event, &x, &y))
    return;
  gtk_native_get_surface_transform (native, &offset_x, &offset_y);
  if (!gtk_widget_compute_point (GTK_WIDGET (native), widget,
                                 &GRAPHENE_POINT_INIT (x - offset_x, y - offset_y), &point))
    return;
  self->x = point.x;
  self->y = point.y;
}

static gboolean
on_event (GtkEventControllerLegacy *controller, GdkEvent *event, MossGrab *self)
{
  switch ((int) gdk_event_get_event_type (event))
    {
    case GDK_BUTTON_PRESS:
    case GDK_TOUCH_BEGIN:
      read_position (self, event);
      self->press_x = self->x;
      self->press_y = self->y;
      self->button_down = TRUE;
      self->taken_back = FALSE;
      return self->kind != NOTHING;
    case GDK_MOTION_NOTIFY:
    case GDK_TOUCH_UPDATE:
      read_position (self, event);
      if (self->kind == MOVE)
        update_move (self);
      else if (self->kind == SIZE)
        configure_size (self, TRUE);
      return self->kind != NOTHING;
    case GDK_BUTTON_RELEASE:
    case GDK_TOUCH_END:
      /* Goes on to whoever had the press: a gesture must see its end. */
      read_position (self, event);
      self->button_down = FALSE;
      finish (self);
      return FALSE;
    case GDK_TOUCH_CANCEL:
    case GDK_GRAB_BROKEN:
      self->button_down = FALSE;
      moss_grab_cancel (self);
      return FALSE;
    default:
      return FALSE;
    }
}

void
moss_grab_free (MossGrab *self)
{
  g_clear_handle_id (&self->dwell, g_source_remove);
  g_free (self);
}

/* workspace: (unowned): it owns the grab. */
MossGrab *
moss_grab_new (MossWorkspace *workspace)
{
  MossGrab *self = g_new0 (MossGrab, 1);
  GtkEventController *raw = gtk_event_controller_legacy_new ();

  self->workspace = workspace;
  gtk_event_controller_set_propagation_phase (raw, GTK_PHASE_CAPTURE);
  g_signal_connect (raw, "event", G_CALLBACK (on_event), self);
  gtk_widget_add_controller (GTK_WIDGET (workspace), raw);
  return self;
}
