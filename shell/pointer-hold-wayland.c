// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-pointer-hold"

#include "pointer-hold.h"

#include <gdk/wayland/gdkwayland.h>

#include "pointer-constraints-unstable-v1-client-protocol.h"
#include "relative-pointer-unstable-v1-client-protocol.h"

/* MossWaylandHold: asks the desktop that the shell runs on to hold the pointer. GDK knows
   nothing of this, so its connection is used beside it: events of our objects come through
   GDK's own queue, in the main thread. */

typedef struct
{
  struct wl_registry *registry;
  struct wl_compositor *compositor;
  struct zwp_pointer_constraints_v1 *constraints;
  struct zwp_relative_pointer_manager_v1 *relatives;
} Globals;

struct _MossWaylandHold
{
  GdkSurface *surface;
  struct zwp_locked_pointer_v1 *locked;
  struct zwp_confined_pointer_v1 *confined;
  struct zwp_relative_pointer_v1 *relative;
  MossRelativeFunc moved;
  gpointer data;
};

static void
on_global (void *data, struct wl_registry *registry, uint32_t name, const char *interface,
           uint32_t version)
{
  Globals *globals = data;

  if (g_str_equal (interface, zwp_pointer_constraints_v1_interface.name))
    globals->constraints
        = wl_registry_bind (registry, name, &zwp_pointer_constraints_v1_interface, 1);
  else if (g_str_equal (interface, zwp_relative_pointer_manager_v1_interface.name))
    globals->relatives
        = wl_registry_bind (registry, name, &zwp_relative_pointer_manager_v1_interface, 1);
  else if (g_str_equal (interface, wl_compositor_interface.name))
    globals->compositor = wl_registry_bind (registry, name, &wl_compositor_interface, 1);
}

static void
on_global_gone (void *data, struct wl_registry *registry, uint32_t name)
{
}

static const struct wl_registry_listener registry_listener = { on_global, on_global_gone };

/* The desktop's offers, asked for once for the life of the process. */
static const Globals *
get_globals (struct wl_display *display)
{
  static Globals globals;
  struct wl_event_queue *queue;
  struct wl_display *wrapper;

  if (globals.registry != NULL)
    return &globals;
  queue = wl_display_create_queue (display);
  wrapper = wl_proxy_create_wrapper (display);
  wl_proxy_set_queue ((struct wl_proxy *) wrapper, queue);
  globals.registry = wl_display_get_registry (wrapper);
  wl_proxy_wrapper_destroy (wrapper);
  wl_registry_add_listener (globals.registry, &registry_listener, &globals);
  wl_display_roundtrip_queue (display, queue);
  /* What is made of these from now on speaks through GDK's queue. */
  if (globals.constraints != NULL)
    wl_proxy_set_queue ((struct wl_proxy *) globals.constraints, NULL);
  if (globals.relatives != NULL)
    wl_proxy_set_queue ((struct wl_proxy *) globals.relatives, NULL);
  if (globals.compositor != NULL)
    wl_proxy_set_queue ((struct wl_proxy *) globals.compositor, NULL);
  wl_proxy_set_queue ((struct wl_proxy *) globals.registry, NULL);
  wl_event_queue_destroy (queue);
  return &globals;
}

static void
on_relative (void *data, struct zwp_relative_pointer_v1 *relative, uint32_t time_high,
             uint32_t time_low, wl_fixed_t dx, wl_fixed_t dy, wl_fixed_t raw_dx,
             wl_fixed_t raw_dy)
{
  MossWaylandHold *self = data;

  self->moved (wl_fixed_to_double (dx), wl_fixed_to_double (dy), self->data);
}

static const struct zwp_relative_pointer_v1_listener relative_listener = { on_relative };

static void
confine (MossWaylandHold *self, const Globals *globals, struct wl_pointer *pointer,
         const GdkRectangle *area)
{
  struct wl_region *region = wl_compositor_create_region (globals->compositor);

  wl_region_add (region, area->x, area->y, area->width, area->height);
  self->confined = zwp_pointer_constraints_v1_confine_pointer (
      globals->constraints, gdk_wayland_surface_get_wl_surface (self->surface), pointer,
      region, ZWP_POINTER_CONSTRAINTS_V1_LIFETIME_PERSISTENT);
  wl_region_destroy (region);
}

static void
lock (MossWaylandHold *self, const Globals *globals, struct wl_pointer *pointer)
{
  self->locked = zwp_pointer_constraints_v1_lock_pointer (
      globals->constraints, gdk_wayland_surface_get_wl_surface (self->surface), pointer, NULL,
      ZWP_POINTER_CONSTRAINTS_V1_LIFETIME_PERSISTENT);
  self->relative
      = zwp_relative_pointer_manager_v1_get_relative_pointer (globals->relatives, pointer);
  zwp_relative_pointer_v1_add_listener (self->relative, &relative_listener, self);
}

MossWaylandHold *
moss_wayland_hold_new (GdkSurface *surface, const GdkRectangle *area, MossRelativeFunc moved,
                       gpointer data)
{
  GdkDisplay *display = gdk_surface_get_display (surface);
  GdkSeat *seat = gdk_display_get_default_seat (display);
  const Globals *globals = get_globals (gdk_wayland_display_get_wl_display (display));
  MossWaylandHold *self;
  struct wl_pointer *pointer;

  if (seat == NULL || globals->constraints == NULL || globals->relatives == NULL
      || globals->compositor == NULL)
    return NULL;
  pointer = gdk_wayland_device_get_wl_pointer (gdk_seat_get_pointer (seat));
  if (pointer == NULL)
    return NULL;
  self = g_new0 (MossWaylandHold, 1);
  self->surface = g_object_ref (surface);
  self->moved = moved;
  self->data = data;
  if (area != NULL)
    confine (self, globals, pointer, area);
  else
    lock (self, globals, pointer);
  return self;
}

void
moss_wayland_hold_free (MossWaylandHold *self, double x, double y)
{
  if (self->locked != NULL)
    {
      if (x >= 0 && y >= 0 && !gdk_surface_is_destroyed (self->surface))
        {
          zwp_locked_pointer_v1_set_cursor_position_hint (
              self->locked, wl_fixed_from_double (x), wl_fixed_from_double (y));
          wl_surface_commit (gdk_wayland_surface_get_wl_surface (self->surface));
        }
      zwp_locked_pointer_v1_destroy (self->locked);
    }
  g_clear_pointer (&self->confined, zwp_confined_pointer_v1_destroy);
  g_clear_pointer (&self->relative, zwp_relative_pointer_v1_destroy);
  g_object_unref (self->surface);
  g_free (self);
}
