// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-surface-input"

#include "surface-input.h"

#include "drag.h"
#include "drop-zone.h"
#include "keyboard.h"
#include "pointer-hold.h"

#include <linux/input-event-codes.h>
#include <math.h>

/* MossSurfaceInput: pointer, touch and keys over one view, as the viewer wants them: in
   surface coordinates, with evdev codes. It listens to raw events, because an app needs
   each button and finger and not what a gesture makes of them. */

#define MAX_FINGERS 10
#define WHEEL_PIXELS 15.0

struct _MossSurfaceInput
{
  GtkWidget *widget;
  MossViewerSurface *surface; /* (unowned): the view holds it */
  MossViewer *viewer;         /* whose cursor is shown, or NULL */
  MossKeyboard *keyboard;
  MossPointerHold *hold;
  MossDrag *drag;
  MossDropZone *drop;
  guint buttons; /* a bit for each that the app knows as down */
  gpointer fingers[MAX_FINGERS];
};

static MossViewer *
get_viewer (MossSurfaceInput *self)
{
  return self->surface != NULL ? moss_viewer_surface_get_viewer (self->surface) : NULL;
}

/* From the view's to the surface's coordinates. */
static void
to_surface (MossSurfaceInput *self, double *x, double *y)
{
  MossViewerRect geometry;

  moss_viewer_surface_get_geometry (self->surface, &geometry);
  *x += geometry.x;
  *y += geometry.y;
}

static gboolean
stack_accepts (MossViewerSurface *surface, double x, double y, guint depth)
{
  GPtrArray *stack = moss_viewer_surface_get_stack (surface);

  for (guint i = 0; stack != NULL && depth < 8 && i < stack->len; i++)
    {
      MossViewerSurface *entry = g_ptr_array_index (stack, i);
      int dx = 0, dy = 0;

      if (entry == surface)
        {
          if (moss_viewer_surface_accepts_input (entry, x, y))
            return TRUE;
          continue;
        }
      moss_viewer_surface_get_offset (entry, &dx, &dy);
      if (stack_accepts (entry, x - dx, y - dy, depth + 1))
        return TRUE;
    }
  return FALSE;
}

/* Whether the app takes input at this point of the view. */
gboolean
moss_surface_input_accepts (MossSurfaceInput *self, double x, double y)
{
  if (self->surface == NULL)
    return FALSE;
  to_surface (self, &x, &y);
  return stack_accepts (self->surface, x, y, 0);
}

static gboolean
get_position (MossSurfaceInput *self, GdkEvent *event, double *x, double *y)
{
  GtkNative *native = gtk_widget_get_native (self->widget);
  double offset_x, offset_y;
  graphene_point_t point;

  if (native == NULL || !gdk_event_get_position (event, x, y))
    return FALSE;
  gtk_native_get_surface_transform (native, &offset_x, &offset_y);
  if (!gtk_widget_compute_point (GTK_WIDGET (native), self->widget,
                                 &GRAPHENE_POINT_INIT (*x - offset_x, *y - offset_y), &point))
    return FALSE;
  *x = point.x;
  *y = point.y;
  to_surface (self, x, y);
  return TRUE;
}

static gint64
event_time_us (GdkEvent *event)
{
  /* Events carry the host's clock; the app is promised the monotonic one. */
  return g_get_monotonic_time ();
}

static guint
evdev_button (guint button)
{
  switch (button)
    {
    case 1:
      return BTN_LEFT;
    case 2:
      return BTN_MIDDLE;
    case 3:
      return BTN_RIGHT;
    default:
      return button >= 8 ? BTN_SIDE + button - 8 : 0;
    }
}

static gboolean
on_button (MossSurfaceInput *self, MossViewer *viewer, GdkEvent *event, gboolean pressed)
{
  guint button = gdk_button_event_get_button (event);
  guint code = evdev_button (button);
  guint bit = 1u << MIN (button, 31);
  double x, y;

  if (code == 0 || !get_position (self, event, &x, &y))
    return FALSE;
  if (pressed)
    {
      self->buttons |= bit;
      gtk_widget_grab_focus (self->widget);
    }
  else if (!(self->buttons & bit))
    return FALSE;
  else
    self->buttons &= ~bit;
  moss_viewer_pointer_motion (viewer, self->surface, x, y, event_time_us (event));
  moss_viewer_pointer_button (viewer, code, pressed, event_time_us (event));
  return TRUE;
}

static gboolean
on_motion (MossSurfaceInput *self, MossViewer *viewer, GdkEvent *event)
{
  double x, y;

  if (!get_position (self, event, &x, &y))
    return FALSE;
  moss_viewer_pointer_motion (viewer, self->surface, x, y, event_time_us (event));
  return TRUE;
}

static gboolean
on_scroll (MossSurfaceInput *self, MossViewer *viewer, GdkEvent *event)
{
  gboolean wheel = gdk_scroll_event_get_unit (event) == GDK_SCROLL_UNIT_WHEEL;
  double dx = 0, dy = 0;

  switch (gdk_scroll_event_get_direction (event))
    {
    case GDK_SCROLL_UP:
      dy = -1;
      break;
    case GDK_SCROLL_DOWN:
      dy = 1;
      break;
    case GDK_SCROLL_LEFT:
      dx = -1;
      break;
    case GDK_SCROLL_RIGHT:
      dx = 1;
      break;
    default:
      gdk_scroll_event_get_deltas (event, &dx, &dy);
    }
  if (wheel)
    moss_viewer_pointer_axis (viewer, dx * WHEEL_PIXELS, dy * WHEEL_PIXELS,
                              (int) lround (dx * 120), (int) lround (dy * 120),
                              MOSS_VIEWER_AXIS_SOURCE_WHEEL, event_time_us (event));
  else if (gdk_scroll_event_is_stop (event))
    moss_viewer_pointer_axis (viewer, 0, 0, 0, 0, MOSS_VIEWER_AXIS_SOURCE_FINGER,
                              event_time_us (event));
  else
    moss_viewer_pointer_axis (viewer, dx, dy, 0, 0, MOSS_VIEWER_AXIS_SOURCE_FINGER,
                              event_time_us (event));
  return TRUE;
}

static int
find_finger (MossSurfaceInput *self, gpointer sequence)
{
  for (int i = 0; i < MAX_FINGERS; i++)
    if (self->fingers[i] == sequence)
      return i;
  return -1;
}

static gboolean
on_touch (MossSurfaceInput *self, MossViewer *viewer, GdkEvent *event, GdkEventType type)
{
  gpointer sequence = gdk_event_get_event_sequence (event);
  int finger = find_finger (self, type == GDK_TOUCH_BEGIN ? NULL : sequence);
  double x, y;

  if (sequence == NULL || finger < 0 || !get_position (self, event, &x, &y))
    return FALSE;
  switch (type)
    {
    case GDK_TOUCH_BEGIN:
      self->fingers[finger] = sequence;
      gtk_widget_grab_focus (self->widget);
      moss_viewer_touch_down (viewer, self->surface, finger, x, y, event_time_us (event));
      break;
    case GDK_TOUCH_UPDATE:
      moss_viewer_touch_motion (viewer, finger, x, y, event_time_us (event));
      break;
    case GDK_TOUCH_END:
      self->fingers[finger] = NULL;
      moss_viewer_touch_up (viewer, finger, event_time_us (event));
      break;
    default:
      self->fingers[finger] = NULL;
      moss_viewer_touch_cancel (viewer);
    }
  return TRUE;
}

static gboolean
on_event (GtkEventControllerLegacy *controller, GdkEvent *event, MossSurfaceInput *self)
{
  GdkEventType type = gdk_event_get_event_type (event);
  MossViewer *viewer = get_viewer (self);

  if (viewer == NULL)
    return FALSE;
  switch (type)
    {
    case GDK_BUTTON_PRESS:
    case GDK_BUTTON_RELEASE:
      return on_button (self, viewer, event, type == GDK_BUTTON_PRESS);
    case GDK_MOTION_NOTIFY:
      return on_motion (self, viewer, event);
    case GDK_SCROLL:
      return on_scroll (self, viewer, event);
    case GDK_TOUCH_BEGIN:
    case GDK_TOUCH_UPDATE:
    case GDK_TOUCH_END:
    case GDK_TOUCH_CANCEL:
      return on_touch (self, viewer, event, type);
    default:
      return FALSE;
    }
}

static void
on_leave (GtkEventControllerMotion *controller, MossSurfaceInput *self)
{
  MossViewer *viewer = get_viewer (self);

  if (viewer != NULL && self->buttons == 0)
    moss_viewer_pointer_leave (viewer);
}

/* The shell has taken the pointer (a move, a resize): for the app it left. */
void
moss_surface_input_forget (MossSurfaceInput *self)
{
  MossViewer *viewer = get_viewer (self);

  for (guint button = 1; button < 32 && viewer != NULL; button++)
    if (self->buttons & (1u << button))
      moss_viewer_pointer_button (viewer, evdev_button (button), FALSE,
                                  g_get_monotonic_time ());
  self->buttons = 0;
  if (viewer == NULL)
    return;
  moss_viewer_pointer_leave (viewer);
  for (int i = 0; i < MAX_FINGERS; i++)
    if (self->fingers[i] != NULL)
      {
        moss_viewer_touch_cancel (viewer);
        break;
      }
  memset (self->fingers, 0, sizeof self->fingers);
}

static GdkCursor *
make_cursor (MossViewer *viewer)
{
  MossViewerSurface *surface;
  int hotspot_x = 0, hotspot_y = 0, width, height;
  g_autoptr (GdkTexture) texture = NULL;
  g_autoptr (GBytes) pixels = NULL;

  surface = moss_viewer_get_cursor_surface (viewer, &hotspot_x, &hotspot_y);
  if (surface == NULL)
    return NULL;
  pixels = moss_viewer_surface_ref_pixels (surface, &width, &height);
  if (pixels == NULL || width <= 0 || height <= 0 || width > 256 || height > 256)
    return NULL;
  texture = gdk_memory_texture_new (width, height, GDK_MEMORY_DEFAULT, pixels,
                                    (gsize) width * 4);
  return gdk_cursor_new_from_texture (texture, CLAMP (hotspot_x, 0, width - 1),
                                      CLAMP (hotspot_y, 0, height - 1), NULL);
}

static void
on_cursor_changed (MossViewer *viewer, MossSurfaceInput *self)
{
  const char *name = moss_viewer_get_cursor_name (viewer);
  g_autoptr (GdkCursor) cursor = NULL;

  if (name != NULL)
    {
      gtk_widget_set_cursor_from_name (self->widget, name);
      return;
    }
  cursor = make_cursor (viewer);
  gtk_widget_set_cursor (self->widget, cursor);
}

static void
follow_viewer (MossSurfaceInput *self)
{
  MossViewer *viewer = get_viewer (self);

  if (self->viewer == viewer)
    return;
  if (self->viewer != NULL)
    g_signal_handlers_disconnect_by_data (self->viewer, self);
  g_set_object (&self->viewer, viewer);
  if (viewer == NULL)
    return;
  g_signal_connect (viewer, "cursor-changed", G_CALLBACK (on_cursor_changed), self);
  on_cursor_changed (viewer, self);
}

void
moss_surface_input_set_surface (MossSurfaceInput *self, MossViewerSurface *surface)
{
  self->surface = surface;
  follow_viewer (self);
  self->buttons = 0;
  memset (self->fingers, 0, sizeof self->fingers);
  moss_keyboard_set_surface (self->keyboard, surface);
  moss_pointer_hold_set_surface (self->hold, surface);
  moss_drag_set_viewer (self->drag, get_viewer (self));
  moss_drop_zone_set_surface (self->drop, surface);
}

void
moss_surface_input_free (MossSurfaceInput *self)
{
  self->surface = NULL;
  follow_viewer (self);
  moss_keyboard_free (self->keyboard);
  moss_pointer_hold_free (self->hold);
  moss_drag_free (self->drag);
  moss_drop_zone_free (self->drop);
  g_free (self);
}

MossSurfaceInput *
moss_surface_input_new (GtkWidget *widget)
{
  MossSurfaceInput *self = g_new0 (MossSurfaceInput, 1);
  GtkEventController *raw = gtk_event_controller_legacy_new ();
  GtkEventController *motion = gtk_event_controller_motion_new ();

  self->widget = widget;
  g_signal_connect (raw, "event", G_CALLBACK (on_event), self);
  gtk_widget_add_controller (widget, raw);
  g_signal_connect (motion, "leave", G_CALLBACK (on_leave), self);
  gtk_widget_add_controller (widget, motion);
  self->keyboard = moss_keyboard_new (widget);
  self->hold = moss_pointer_hold_new (widget);
  self->drag = moss_drag_new (widget);
  self->drop = moss_drop_zone_new (widget);
  return self;
}
