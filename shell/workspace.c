// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-workspace"

#include "workspace.h"

#include "grab.h"

#include <math.h>

/* MossWorkspace: where the windows are. It knows their places, their order (that of the
   widget's children, bottom to top) and which one has the focus. What a place means for
   the session, and what is sent where, others decide.

   Signals: "menu" (frame, x, y) in its coordinates; "grabbed" (frame) a drag began; "send"
   (frame, device) dropped on a device; "settled" (frame) a place is worth remembering;
   "focused" (frame or NULL); "closed-over" () whether a full-screen window is in front. */

#define ANIMATION_US 260000
#define IDLE_US (10 * G_USEC_PER_SEC)
#define MARGIN 12

struct _MossWorkspace
{
  GtkWidget parent_instance;

  MossGrab *grab;
  MossRail *rail;
  GtkWidget *preview;
  MossFrameState preview_state;
  MossFrame *focused;
  int bottom_inset;
  int end_inset;
  gint64 last_input_us;
  guint cascade;
  guint tick;
  int width, height;
};

enum { MENU, GRABBED, SEND, SETTLED, FOCUSED, COVERED, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossWorkspace, moss_workspace, GTK_TYPE_WIDGET)

typedef struct
{
  MossFrameRect from; /* outer */
  gint64 start_us;
} Animation;

/* ---- places -------------------------------------------------------------------------- */

/* The part of the workspace that dock and rail leave free. */
void
moss_workspace_get_area (MossWorkspace *self, MossFrameRect *area)
{
  gboolean rtl = gtk_widget_get_direction (GTK_WIDGET (self)) == GTK_TEXT_DIR_RTL;

  area->x = rtl ? self->end_inset : 0;
  area->y = 0;
  area->width = MAX (self->width - self->end_inset, 1);
  area->height = MAX (self->height - self->bottom_inset, 1);
}

/* Where a window of this state lies, title bar included. */
MossFrameRect
moss_workspace_slot (MossWorkspace *self, MossFrameState state)
{
  MossFrameRect area;

  moss_workspace_get_area (self, &area);
  switch (state)
    {
    case MOSS_FRAME_FULLSCREEN:
      return (MossFrameRect){ 0, 0, self->width, self->height };
    case MOSS_FRAME_LEFT:
      return (MossFrameRect){ area.x + 4, 4, area.width / 2 - 6, area.height - 8 };
    case MOSS_FRAME_RIGHT:
      return (MossFrameRect){ area.x + area.width / 2 + 2, 4, area.width / 2 - 6,
                              area.height - 8 };
    case MOSS_FRAME_MAXIMIZED:
    case MOSS_FRAME_NORMAL:
    default:
      return area;
    }
}

static void
keep_on_screen (MossWorkspace *self, MossFrameRect *rect)
{
  MossFrameRect area;

  moss_workspace_get_area (self, &area);
  if (self->width <= 0)
    return;
  rect->x = CLAMP (rect->x, 80 - rect->width, self->width - 80);
  rect->y = CLAMP (rect->y, 0, MAX (area.height - MOSS_FRAME_TITLE_HEIGHT, 0));
}

/* Puts the frame at a place that somebody remembered: shown as it is, kept on screen. */
void
moss_workspace_place (MossWorkspace *self, MossFrame *frame, const MossFrameRect *rect)
{
  MossFrameRect *mine = moss_frame_rect (frame);

  *mine = *rect;
  keep_on_screen (self, mine);
  *moss_frame_normal_rect (frame) = *mine;
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

static MossFrame *
find_parent_frame (MossWorkspace *self, MossFrame *frame)
{
  MossViewerSurface *surface = moss_frame_get_surface (frame);
  MossViewerSurface *parent =
      surface != NULL ? moss_viewer_surface_get_parent (surface) : NULL;

  if (parent == NULL)
    return NULL;
  for (GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self)); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    if (MOSS_IS_FRAME (child) && moss_frame_get_surface (MOSS_FRAME (child)) == parent)
      return MOSS_FRAME (child);
  return NULL;
}

/* A window that would hang under the rail or the dock is asked to be smaller; what it can't or
   won't do stays its own matter. */
static void
ask_to_fit (MossFrame *frame, const MossFrameRect *area)
{
  MossFrameRect *rect = moss_frame_rect (frame);
  int title = moss_frame_get_title_height (frame);
  int min_width, min_height, max_width, max_height;

  moss_frame_get_size_limits (frame, &min_width, &min_height, &max_width, &max_height);
  rect->width = MAX (MIN (rect->width, area->width), min_width);
  rect->height = MAX (MIN (rect->height, area->height - title), min_height);
  moss_frame_configure (frame, rect->width, rect->height, FALSE);
}

/* Finds a place for a window that has none: over its parent, else in the middle and a step
   further for each one that came before. */
void
moss_workspace_place_new (MossWorkspace *self, MossFrame *frame)
{
  MossFrame *parent = find_parent_frame (self, frame);
  MossFrameRect *rect = moss_frame_rect (frame);
  MossFrameRect area;
  static const int steps[] = { 0, 32, 64, -32, -64 };
  int width, height, step;

  moss_frame_get_outer_size (frame, &width, &height);
  moss_workspace_get_area (self, &area);
  if (parent != NULL)
    {
      int parent_width, parent_height;

      moss_frame_get_outer_size (parent, &parent_width, &parent_height);
      rect->x = moss_frame_rect (parent)->x + (parent_width - width) / 2;
      rect->y = moss_frame_rect (parent)->y + (parent_height - height) / 2;
    }
  else
    {
      step = steps[self->cascade++ % G_N_ELEMENTS (steps)];
      rect->x = area.x + (area.width - width) / 2 + step;
      rect->y = (area.height - height) / 2 + step;
    }
  rect->x = CLAMP (rect->x, area.x, MAX (area.x, area.x + area.width - width));
  rect->y = CLAMP (rect->y, 0, MAX (0, area.height - height));
  if (width > area.width || height > area.height)
    ask_to_fit (frame, &area);
  keep_on_screen (self, rect);
  *moss_frame_normal_rect (frame) = *rect;
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

/* ---- motion of windows that change place --------------------------------------------- */

static gboolean
animations_on (MossWorkspace *self)
{
  gboolean on = TRUE;

  g_object_get (gtk_widget_get_settings (GTK_WIDGET (self)), "gtk-enable-animations", &on,
                NULL);
  return on;
}

static Animation *
get_animation (MossFrame *frame)
{
  return g_object_get_data (G_OBJECT (frame), "moss-animation");
}

static gboolean
on_tick (GtkWidget *widget, GdkFrameClock *clock, gpointer data)
{
  MossWorkspace *self = MOSS_WORKSPACE (widget);
  gint64 now = gdk_frame_clock_get_frame_time (clock);
  gboolean running = FALSE;

  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    {
      Animation *animation = MOSS_IS_FRAME (child) ? get_animation (MOSS_FRAME (child)) : NULL;

      if (animation == NULL)
        continue;
      if (animation->start_us == 0)
        animation->start_us = now;
      if (now - animation->start_us < ANIMATION_US)
        running = TRUE;
      else
        {
          g_object_set_data (G_OBJECT (child), "moss-animation", NULL);
          if (moss_grab_get_frame (self->grab) != MOSS_FRAME (child))
            moss_frame_set_shrunk (MOSS_FRAME (child), FALSE);
        }
    }
  gtk_widget_queue_allocate (widget);
  if (running)
    return G_SOURCE_CONTINUE;
  self->tick = 0;
  return G_SOURCE_REMOVE;
}

/* From here the frame glides to wherever it is put next. */
void
moss_workspace_animate (MossWorkspace *self, MossFrame *frame)
{
  Animation *animation;

  if (!animations_on (self) || !gtk_widget_get_mapped (GTK_WIDGET (frame)))
    return;
  animation = g_new0 (Animation, 1);
  animation->from = *moss_frame_rect (frame);
  moss_frame_get_outer_size (frame, &animation->from.width, &animation->from.height);
  g_object_set_data_full (G_OBJECT (frame), "moss-animation", animation, g_free);
  moss_frame_set_shrunk (frame, TRUE);
  if (self->tick == 0)
    self->tick = gtk_widget_add_tick_callback (GTK_WIDGET (self), on_tick, NULL, NULL);
}

static GskTransform *
animated_transform (MossWorkspace *self, MossFrame *frame, int width, int height)
{
  Animation *animation = get_animation (frame);
  GdkFrameClock *clock = gtk_widget_get_frame_clock (GTK_WIDGET (self));
  MossFrameRect *to = moss_frame_rect (frame);
  GskTransform *transform = NULL;
  double t, left;

  if (animation == NULL || clock == NULL)
    return NULL;
  t = animation->start_us == 0 ? 0
      : (gdk_frame_clock_get_frame_time (clock) - animation->start_us) /
        (double) ANIMATION_US;
  left = pow (1.0 - CLAMP (t, 0.0, 1.0), 3);
  transform = gsk_transform_translate (
      transform, &GRAPHENE_POINT_INIT (to->x + (animation->from.x - to->x) * left,
                                       to->y + (animation->from.y - to->y) * left));
  return gsk_transform_scale (
      transform, 1.0 + (animation->from.width / (double) MAX (width, 1) - 1.0) * left,
      1.0 + (animation->from.height / (double) MAX (height, 1) - 1.0) * left);
}

static void
allocate_frame (MossWorkspace *self, MossFrame *frame)
{
  MossFrameRect *rect = moss_frame_rect (frame);
  GskTransform *transform = moss_grab_get_transform (self->grab, frame);
  int width, height;

  moss_frame_get_outer_size (frame, &width, &height);
  if (transform == NULL)
    transform = animated_transform (self, frame, width, height);
  if (transform == NULL)
    transform = gsk_transform_translate (NULL, &GRAPHENE_POINT_INIT (rect->x, rect->y));
  gtk_widget_allocate (GTK_WIDGET (frame), MAX (width, 1), MAX (height, 1), -1, transform);
}

static void
refit (MossWorkspace *self)
{
  for (GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self)); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    {
      MossFrame *frame = MOSS_IS_FRAME (child) ? MOSS_FRAME (child) : NULL;

      if (frame == NULL)
        continue;
      if (moss_frame_get_state (frame) != MOSS_FRAME_NORMAL)
        moss_workspace_set_state (self, frame, moss_frame_get_state (frame));
      else
        keep_on_screen (self, moss_frame_rect (frame));
    }
}

static void
moss_workspace_size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  MossWorkspace *self = MOSS_WORKSPACE (widget);

  if (width != self->width || height != self->height)
    {
      self->width = width;
      self->height = height;
      refit (self);
      g_signal_emit (self, signals[SETTLED], 0, NULL);
    }
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    {
      gtk_widget_measure (child, GTK_ORIENTATION_HORIZONTAL, -1, NULL, NULL, NULL, NULL);
      if (!gtk_widget_should_layout (child))
        continue;
      if (MOSS_IS_FRAME (child))
        allocate_frame (self, MOSS_FRAME (child));
      else if (child == self->preview)
        {
          MossFrameRect slot = moss_workspace_slot (self, self->preview_state);

          gtk_widget_size_allocate (
              child,
              &(GtkAllocation){ slot.x + 4, slot.y + 4, slot.width - 8, slot.height - 8 },
              -1);
        }
    }
}

static void
moss_workspace_measure (GtkWidget *widget, GtkOrientation orientation, int for_size,
                        int *minimum, int *natural, int *minimum_baseline,
                        int *natural_baseline)
{
  *minimum = *natural = 0;
}

/* state: where the window would go; NORMAL takes the preview away. */
void
moss_workspace_show_preview (MossWorkspace *self, MossFrameState state, MossFrame *below)
{
  self->preview_state = state;
  if (below != NULL)
    gtk_widget_insert_before (self->preview, GTK_WIDGET (self), GTK_WIDGET (below));
  gtk_widget_set_visible (self->preview, state != MOSS_FRAME_NORMAL);
}

/* ---- order and focus ----------------------------------------------------------------- */

static void
raise_alone (MossWorkspace *self, MossFrame *frame)
{
  GtkWidget *before = NULL;

  for (GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self));
       child != NULL && !moss_frame_get_on_top (frame);
       child = gtk_widget_get_next_sibling (child))
    if (MOSS_IS_FRAME (child) && moss_frame_get_on_top (MOSS_FRAME (child)) &&
        child != GTK_WIDGET (frame))
      {
        before = child;
        break;
      }
  if (before == NULL && gtk_widget_get_last_child (GTK_WIDGET (self)) == GTK_WIDGET (frame))
    return;
  gtk_widget_insert_before (GTK_WIDGET (frame), GTK_WIDGET (self), before);
}

/* To the front of its kind, with the windows that belong to it over it. */
void
moss_workspace_raise (MossWorkspace *self, MossFrame *frame)
{
  g_autoptr (GPtrArray) frames = moss_workspace_get_frames (self);

  raise_alone (self, frame);
  for (guint i = 0; i < frames->len; i++)
    {
      MossFrame *other = g_ptr_array_index (frames, i);

      if (other != frame && find_parent_frame (self, other) == frame)
        raise_alone (self, other);
    }
}

static void
announce_cover (MossWorkspace *self)
{
  gboolean covered = self->focused != NULL &&
                     moss_frame_get_state (self->focused) == MOSS_FRAME_FULLSCREEN;

  g_signal_emit (self, signals[COVERED], 0, covered);
}

/* frame: (nullable) */
void
moss_workspace_focus (MossWorkspace *self, MossFrame *frame)
{
  MossFrame *before = self->focused;

  if (frame != NULL && moss_frame_get_minimized (frame))
    moss_frame_set_minimized (frame, FALSE);
  self->focused = frame;
  if (before != NULL && before != frame)
    moss_frame_set_active (before, FALSE);
  if (frame != NULL)
    {
      moss_workspace_raise (self, frame);
      moss_frame_set_active (frame, TRUE);
      moss_frame_grab_keyboard (frame);
    }
  else
    gtk_widget_grab_focus (GTK_WIDGET (self));
  if (before != frame)
    g_signal_emit (self, signals[FOCUSED], 0, frame);
  announce_cover (self);
}

/* (transfer none) (nullable) */
MossFrame *
moss_workspace_get_focused (MossWorkspace *self)
{
  return self->focused;
}

static void
focus_topmost (MossWorkspace *self)
{
  for (GtkWidget *child = gtk_widget_get_last_child (GTK_WIDGET (self)); child != NULL;
       child = gtk_widget_get_prev_sibling (child))
    if (MOSS_IS_FRAME (child) && !moss_frame_get_minimized (MOSS_FRAME (child)))
      {
        moss_workspace_focus (self, MOSS_FRAME (child));
        return;
      }
  moss_workspace_focus (self, NULL);
}

/* Nobody has touched this desktop for a moment. */
gboolean
moss_workspace_is_idle (MossWorkspace *self)
{
  return g_get_monotonic_time () - self->last_input_us > IDLE_US;
}

/* (transfer container): bottom to top. */
GPtrArray *
moss_workspace_get_frames (MossWorkspace *self)
{
  GPtrArray *frames = g_ptr_array_new ();

  for (GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self)); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    if (MOSS_IS_FRAME (child))
      g_ptr_array_add (frames, child);
  return frames;
}

void
moss_workspace_settled (MossWorkspace *self, MossFrame *frame)
{
  if (moss_frame_get_state (frame) == MOSS_FRAME_NORMAL)
    *moss_frame_normal_rect (frame) = *moss_frame_rect (frame);
  moss_frame_set_popup_bounds (frame, self->width, self->height);
  g_signal_emit (self, signals[SETTLED], 0, frame);
}

/* ---- what is done to a window -------------------------------------------------------- */

void
moss_workspace_minimize (MossWorkspace *self, MossFrame *frame)
{
  moss_frame_set_minimized (frame, TRUE);
  moss_workspace_settled (self, frame);
  if (self->focused == frame)
    focus_topmost (self);
}

/* NORMAL goes back to where the window was before. */
void
moss_workspace_set_state (MossWorkspace *self, MossFrame *frame, MossFrameState state)
{
  MossFrameRect *rect = moss_frame_rect (frame);
  MossFrameRect *normal = moss_frame_normal_rect (frame);
  MossFrameRect slot = moss_workspace_slot (self, state);

  if (moss_frame_get_state (frame) == MOSS_FRAME_NORMAL && state != MOSS_FRAME_NORMAL)
    *normal = *rect;
  if (moss_frame_get_state (frame) != state)
    moss_workspace_animate (self, frame);
  moss_frame_set_state (frame, state);
  if (state == MOSS_FRAME_NORMAL)
    {
      *rect = *normal;
      keep_on_screen (self, rect);
    }
  else
    {
      slot.height -= moss_frame_get_title_height (frame);
      *rect = slot;
    }
  moss_frame_configure (frame, rect->width, rect->height, FALSE);
  moss_workspace_settled (self, frame);
  announce_cover (self);
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

/* Back to its own size, under the pointer, without asking where it was. */
void
moss_workspace_restore_at (MossWorkspace *self, MossFrame *frame, double x, double y)
{
  MossFrameRect *rect = moss_frame_rect (frame);
  MossFrameRect normal = *moss_frame_normal_rect (frame);

  moss_frame_set_state (frame, MOSS_FRAME_NORMAL);
  rect->width = normal.width;
  rect->height = normal.height;
  moss_frame_configure (frame, rect->width, rect->height, FALSE);
}

void
moss_workspace_set_on_top (MossWorkspace *self, MossFrame *frame, gboolean on_top)
{
  moss_frame_set_on_top (frame, on_top);
  moss_workspace_raise (self, frame);
  moss_workspace_settled (self, frame);
}

/* Moves by the keyboard. */
void
moss_workspace_nudge (MossWorkspace *self, MossFrame *frame, int dx, int dy)
{
  MossFrameRect *rect = moss_frame_rect (frame);

  if (moss_frame_get_state (frame) != MOSS_FRAME_NORMAL)
    return;
  rect->x += dx;
  rect->y += dy;
  keep_on_screen (self, rect);
  moss_workspace_settled (self, frame);
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

/* ---- what a frame says --------------------------------------------------------------- */

static void
on_frame_size (MossFrame *frame, int width, int height, MossWorkspace *self)
{
  MossFrameRect *rect = moss_frame_rect (frame);

  if (!moss_grab_size (self->grab, frame, width, height))
    {
      rect->width = width;
      rect->height = height;
      if (moss_frame_get_state (frame) == MOSS_FRAME_NORMAL)
        {
          moss_frame_normal_rect (frame)->width = width;
          moss_frame_normal_rect (frame)->height = height;
        }
      moss_workspace_settled (self, frame);
    }
  gtk_widget_queue_resize (GTK_WIDGET (frame));
}

static void
on_frame_drag (MossFrame *frame, MossWorkspace *self)
{
  moss_grab_begin_move (self->grab, frame);
}

static void
on_frame_resize (MossFrame *frame, guint edges, MossWorkspace *self)
{
  moss_grab_begin_resize (self->grab, frame, edges);
}

static void
on_frame_menu (MossFrame *frame, double x, double y, MossWorkspace *self)
{
  graphene_point_t point;

  moss_workspace_focus (self, frame);
  if (gtk_widget_compute_point (GTK_WIDGET (frame), GTK_WIDGET (self),
                                &GRAPHENE_POINT_INIT (x, y), &point))
    g_signal_emit (self, signals[MENU], 0, frame, (double) point.x, (double) point.y);
}

static void
on_frame_pressed (MossFrame *frame, MossWorkspace *self)
{
  if (self->focused != frame)
    moss_workspace_focus (self, frame);
  else
    moss_workspace_raise (self, frame);
}

static void
on_frame_minimize (MossFrame *frame, MossWorkspace *self)
{
  moss_workspace_minimize (self, frame);
}

static void
on_frame_maximize (MossFrame *frame, gboolean maximize, MossWorkspace *self)
{
  moss_workspace_set_state (self, frame, maximize ? MOSS_FRAME_MAXIMIZED
                                                  : MOSS_FRAME_NORMAL);
}

static void
on_frame_fullscreen (MossFrame *frame, gboolean fullscreen, MossWorkspace *self)
{
  moss_workspace_set_state (self, frame, fullscreen ? MOSS_FRAME_FULLSCREEN
                                                    : MOSS_FRAME_NORMAL);
}

static void
on_frame_activate (MossFrame *frame, gboolean trusted, MossWorkspace *self)
{
  if (trusted || moss_workspace_is_idle (self))
    moss_workspace_focus (self, frame);
}

/* frame: (transfer floating) */
void
moss_workspace_add (MossWorkspace *self, MossFrame *frame, gboolean take_focus)
{
  gtk_widget_set_parent (GTK_WIDGET (frame), GTK_WIDGET (self));
  g_object_connect (frame,
                    "signal::size", on_frame_size, self,
                    "signal::drag", on_frame_drag, self,
                    "signal::resize", on_frame_resize, self,
                    "signal::menu", on_frame_menu, self,
                    "signal::pressed", on_frame_pressed, self,
                    "signal::minimize", on_frame_minimize, self,
                    "signal::maximize", on_frame_maximize, self,
                    "signal::fullscreen", on_frame_fullscreen, self,
                    "signal::activate", on_frame_activate, self, NULL);
  moss_frame_set_popup_bounds (frame, self->width, self->height);
  if (take_focus || self->focused == NULL)
    moss_workspace_focus (self, frame);
  else if (self->focused != NULL)
    moss_workspace_raise (self, self->focused);
}

void
moss_workspace_remove (MossWorkspace *self, MossFrame *frame)
{
  gboolean had_focus = self->focused == frame;

  moss_grab_drop_frame (self->grab, frame);
  if (had_focus)
    self->focused = NULL;
  g_signal_handlers_disconnect_by_data (frame, self);
  gtk_widget_unparent (GTK_WIDGET (frame));
  if (had_focus)
    focus_topmost (self);
}

/* Esc: TRUE when there was something to take back. */
gboolean
moss_workspace_cancel_grab (MossWorkspace *self)
{
  return moss_grab_cancel (self->grab);
}

/* rail: (nullable) (unowned) */
void
moss_workspace_set_rail (MossWorkspace *self, MossRail *rail)
{
  self->rail = rail;
}

MossRail *
moss_workspace_get_rail (MossWorkspace *self)
{
  return self->rail;
}

/* Pixels that the dock and the rail take from a maximised window. */
void
moss_workspace_set_insets (MossWorkspace *self, int bottom, int end)
{
  if (self->bottom_inset == bottom && self->end_inset == end)
    return;
  self->bottom_inset = bottom;
  self->end_inset = end;
  refit (self);
}

static gboolean
on_any_event (GtkEventControllerLegacy *controller, GdkEvent *event, MossWorkspace *self)
{
  switch ((int) gdk_event_get_event_type (event))
    {
    case GDK_KEY_PRESS:
    case GDK_BUTTON_PRESS:
    case GDK_TOUCH_BEGIN:
    case GDK_MOTION_NOTIFY:
      self->last_input_us = g_get_monotonic_time ();
      break;
    default:
      break;
    }
  return FALSE;
}

static void
on_background_pressed (GtkGestureClick *gesture, int n, double x, double y,
                       MossWorkspace *self)
{
  if (gtk_widget_pick (GTK_WIDGET (self), x, y, GTK_PICK_DEFAULT) == GTK_WIDGET (self))
    moss_workspace_focus (self, NULL);
}

static void
moss_workspace_dispose (GObject *object)
{
  MossWorkspace *self = MOSS_WORKSPACE (object);
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    {
      g_signal_handlers_disconnect_by_data (child, self);
      gtk_widget_unparent (child);
    }
  self->focused = NULL;
  G_OBJECT_CLASS (moss_workspace_parent_class)->dispose (object);
}

static void
moss_workspace_finalize (GObject *object)
{
  MossWorkspace *self = MOSS_WORKSPACE (object);

  g_clear_pointer (&self->grab, moss_grab_free);
  G_OBJECT_CLASS (moss_workspace_parent_class)->finalize (object);
}

static void
moss_workspace_class_init (MossWorkspaceClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);
  GType type = MOSS_TYPE_WORKSPACE;

  G_OBJECT_CLASS (klass)->dispose = moss_workspace_dispose;
  G_OBJECT_CLASS (klass)->finalize = moss_workspace_finalize;
  widget_class->size_allocate = moss_workspace_size_allocate;
  widget_class->measure = moss_workspace_measure;
  gtk_widget_class_set_css_name (widget_class, "workspace");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_GROUP);
#define NEW(name, n, ...) \
  g_signal_new (name, type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, n, \
                __VA_ARGS__)
  signals[MENU] = NEW ("menu", 3, MOSS_TYPE_FRAME, G_TYPE_DOUBLE, G_TYPE_DOUBLE);
  signals[GRABBED] = NEW ("grabbed", 1, MOSS_TYPE_FRAME);
  signals[SEND] = NEW ("send", 2, MOSS_TYPE_FRAME, MOSS_TYPE_DEVICE);
  signals[SETTLED] = NEW ("settled", 1, MOSS_TYPE_FRAME);
  signals[FOCUSED] = NEW ("focused", 1, MOSS_TYPE_FRAME);
  signals[COVERED] = NEW ("covered", 1, G_TYPE_BOOLEAN);
#undef NEW
}

static void
moss_workspace_init (MossWorkspace *self)
{
  GtkEventController *raw = gtk_event_controller_legacy_new ();
  GtkGesture *click = gtk_gesture_click_new ();

  gtk_widget_set_focusable (GTK_WIDGET (self), TRUE);
  gtk_event_controller_set_propagation_phase (raw, GTK_PHASE_CAPTURE);
  g_signal_connect (raw, "event", G_CALLBACK (on_any_event), self);
  gtk_widget_add_controller (GTK_WIDGET (self), raw);
  g_signal_connect (click, "pressed", G_CALLBACK (on_background_pressed), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (click));
  self->preview = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 0);
  gtk_widget_add_css_class (self->preview, "snap-preview");
  gtk_widget_set_visible (self->preview, FALSE);
  gtk_widget_set_can_target (self->preview, FALSE);
  gtk_widget_set_parent (self->preview, GTK_WIDGET (self));
  self->grab = moss_grab_new (self);
}
