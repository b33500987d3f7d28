// SPDX-License-Identifier: GPL-3.0-or-later
/* Pointer constraints and relative motion, for games and for what turns a view by dragging:
 * an app may hold the pointer where it is (lock) or inside of its surface (confine), as long
 * as that surface has both the pointer and the keyboard. The viewer does it on the real
 * desktop; the person gets the pointer back by giving the keyboard to something else. */
#include "display-private.h"
#include "pointer-constraints-unstable-v1-server-protocol.h"
#include "relative-pointer-unstable-v1-server-protocol.h"

struct _MossConstraint
{
  struct wl_list link; /* display->seat.constraints */
  struct wl_resource *resource;
  MossDisplay *display;
  MossSurface *surface; /* NULL when it went, or a one-shot is spent */
  struct wl_listener destroyed;
  bool locks, once;
  MossRegion region, pending_region; /* infinite: all of the surface */
  bool region_set;
  double hint_x, hint_y, pending_x, pending_y;
  bool has_hint, hint_set;
};

/* ---- when it is in force ------------------------------------------------------------- */

static void
say (MossConstraint *constraint, bool active)
{
  if (constraint->locks && active)
    zwp_locked_pointer_v1_send_locked (constraint->resource);
  else if (constraint->locks)
    zwp_locked_pointer_v1_send_unlocked (constraint->resource);
  else if (active)
    zwp_confined_pointer_v1_send_confined (constraint->resource);
  else
    zwp_confined_pointer_v1_send_unconfined (constraint->resource);
}

static void
release_surface (MossConstraint *constraint)
{
  if (!constraint->surface)
    return;
  wl_list_remove (&constraint->destroyed.link);
  constraint->surface = NULL;
}

static bool
may_act (MossDisplay *display, MossConstraint *constraint)
{
  MossSeat *seat = &display->seat;
  MossSurface *surface = constraint->surface;
  int32_t x, y;

  return surface && surface->resource && seat->pointer == surface && seat->keyboard
         && moss_surface_get_toplevel (surface, &x, &y)
                == moss_surface_get_toplevel (seat->keyboard, &x, &y)
         && (constraint == seat->constraint
             || moss_region_contains (&constraint->region, seat->x, seat->y));
}

static MossConstraint *
find_acting (MossDisplay *display)
{
  MossConstraint *constraint;

  if (display->drag.active)
    return NULL;
  wl_list_for_each (constraint, &display->seat.constraints, link)
    if (may_act (display, constraint))
      return constraint;
  return NULL;
}

void
moss_constraint_update (MossDisplay *display)
{
  MossSeat *seat = &display->seat;
  MossConstraint *old = seat->constraint;
  MossConstraint *acting = find_acting (display);

  if (acting == old)
    return;
  seat->constraint = acting;
  if (old)
    {
      say (old, false);
      if (old->once)
        release_surface (old);
    }
  if (acting)
    say (acting, true);
  display->stale |= MOSS_STALE_POINTER;
  moss_display_schedule (display);
}

void
moss_constraint_get (MossDisplay *display, MossConstraintState *state)
{
  MossConstraint *constraint = display->seat.constraint;
  int32_t x = 0, y = 0, root_x = 0, root_y = 0;
  MossSurface *root;

  *state = (MossConstraintState){ 0 };
  root = constraint ? moss_surface_get_root (constraint->surface) : NULL;
  if (!root)
    return;
  moss_surface_get_toplevel (constraint->surface, &x, &y);
  moss_surface_get_toplevel (root, &root_x, &root_y);
  state->root = root;
  state->mode = constraint->locks ? MOSS_WIRE_POINTER_LOCKED : MOSS_WIRE_POINTER_CONFINED;
  state->x = (constraint->has_hint ? constraint->hint_x : display->seat.x) + x - root_x;
  state->y = (constraint->has_hint ? constraint->hint_y : display->seat.y) + y - root_y;
}

bool
moss_constraint_locks (MossDisplay *display)
{
  return display->seat.constraint && display->seat.constraint->locks;
}

/* Along its edge, when it would leave only one way. */
void
moss_constraint_clamp (MossDisplay *display, double *x, double *y)
{
  MossSeat *seat = &display->seat;
  MossConstraint *constraint = seat->constraint;
  MossSurface *surface;

  if (!constraint)
    return;
  surface = constraint->surface;
  *x = *x < 0 ? 0 : *x >= surface->width ? surface->width - 1 : *x;
  *y = *y < 0 ? 0 : *y >= surface->height ? surface->height - 1 : *y;
  if (moss_region_contains (&constraint->region, *x, *y))
    return;
  if (moss_region_contains (&constraint->region, *x, seat->y))
    *y = seat->y;
  else if (moss_region_contains (&constraint->region, seat->x, *y))
    *x = seat->x;
  else
    {
      *x = seat->x;
      *y = seat->y;
    }
}

void
moss_constraint_committed (MossSurface *surface)
{
  MossDisplay *display = surface->display;
  MossConstraint *constraint;

  wl_list_for_each (constraint, &display->seat.constraints, link)
    {
      if (constraint->surface != surface)
        continue;
      if (constraint->region_set)
        moss_region_copy (&constraint->region, &constraint->pending_region);
      if (constraint->hint_set)
        {
          constraint->hint_x = constraint->pending_x;
          constraint->hint_y = constraint->pending_y;
          constraint->has_hint = true;
          if (display->seat.constraint == constraint)
            {
              display->stale |= MOSS_STALE_POINTER;
              moss_display_schedule (display);
            }
        }
      constraint->region_set = constraint->hint_set = false;
    }
  moss_constraint_update (display);
}

/* ---- the objects --------------------------------------------------------------------- */

static void
on_surface_destroyed (struct wl_listener *listener, void *data)
{
  MossConstraint *constraint = wl_container_of (listener, constraint, destroyed);
  MossSurface *surface = constraint->surface;

  release_surface (constraint);
  moss_constraint_update (surface->display);
}

static void
constraint_destroyed (struct wl_resource *resource)
{
  MossConstraint *constraint = wl_resource_get_user_data (resource);
  MossDisplay *display = constraint->display;

  release_surface (constraint);
  wl_list_remove (&constraint->link);
  moss_region_clear (&constraint->region);
  moss_region_clear (&constraint->pending_region);
  if (display->seat.constraint == constraint)
    {
      display->seat.constraint = NULL;
      display->stale |= MOSS_STALE_POINTER;
      moss_display_schedule (display);
      moss_constraint_update (display);
    }
  free (constraint);
}

static void
set_pending_region (MossConstraint *constraint, struct wl_resource *region)
{
  moss_region_clear (&constraint->pending_region);
  if (region)
    moss_region_copy (&constraint->pending_region, wl_resource_get_user_data (region));
  else
    constraint->pending_region.infinite = true;
  constraint->region_set = true;
}

static void
set_region (struct wl_client *client, struct wl_resource *resource, struct wl_resource *region)
{
  set_pending_region (wl_resource_get_user_data (resource), region);
}

static void
set_hint (struct wl_client *client, struct wl_resource *resource, wl_fixed_t x, wl_fixed_t y)
{
  MossConstraint *constraint = wl_resource_get_user_data (resource);

  constraint->pending_x = wl_fixed_to_double (x);
  constraint->pending_y = wl_fixed_to_double (y);
  constraint->hint_set = true;
}

static const struct zwp_locked_pointer_v1_interface locked_implementation = {
  .destroy = moss_resource_destroy_request,
  .set_cursor_position_hint = set_hint,
  .set_region = set_region,
};

static const struct zwp_confined_pointer_v1_interface confined_implementation = {
  .destroy = moss_resource_destroy_request,
  .set_region = set_region,
};

static bool
is_constrained (MossDisplay *display, MossSurface *surface)
{
  MossConstraint *constraint;

  wl_list_for_each (constraint, &display->seat.constraints, link)
    if (constraint->surface == surface)
      return true;
  return false;
}

static void
constrain (struct wl_client *client,
           struct wl_resource *manager,
           uint32_t id,
           struct wl_resource *surface_resource,
           struct wl_resource *region,
           uint32_t lifetime,
           bool locks)
{
  MossDisplay *display = wl_resource_get_user_data (manager);
  MossSurface *surface = moss_surface_from_resource (surface_resource);
  MossConstraint *constraint;

  if (is_constrained (display, surface))
    {
      wl_resource_post_error (manager, ZWP_POINTER_CONSTRAINTS_V1_ERROR_ALREADY_CONSTRAINED,
                              "the surface holds the pointer already");
      return;
    }
  constraint = calloc (1, sizeof *constraint);
  if (!constraint)
    {
      wl_client_post_no_memory (client);
      return;
    }
  constraint->resource = moss_resource (
      client, locks ? &zwp_locked_pointer_v1_interface : &zwp_confined_pointer_v1_interface,
      wl_resource_get_version (manager), id,
      locks ? (const void *) &locked_implementation : &confined_implementation, constraint,
      constraint_destroyed);
  if (!constraint->resource)
    {
      free (constraint);
      return;
    }
  constraint->display = display;
  constraint->surface = surface;
  constraint->locks = locks;
  constraint->once = lifetime == ZWP_POINTER_CONSTRAINTS_V1_LIFETIME_ONESHOT;
  set_pending_region (constraint, region);
  moss_region_copy (&constraint->region, &constraint->pending_region);
  constraint->region_set = false;
  constraint->destroyed.notify = on_surface_destroyed;
  wl_signal_add (&surface->destroyed, &constraint->destroyed);
  wl_list_insert (display->seat.constraints.prev, &constraint->link);
  moss_constraint_update (display);
}

static void
lock_pointer (struct wl_client *client,
              struct wl_resource *resource,
              uint32_t id,
              struct wl_resource *surface,
              struct wl_resource *pointer,
              struct wl_resource *region,
              uint32_t lifetime)
{
  constrain (client, resource, id, surface, region, lifetime, true);
}

static void
confine_pointer (struct wl_client *client,
                 struct wl_resource *resource,
                 uint32_t id,
                 struct wl_resource *surface,
                 struct wl_resource *pointer,
                 struct wl_resource *region,
                 uint32_t lifetime)
{
  constrain (client, resource, id, surface, region, lifetime, false);
}

static const struct zwp_pointer_constraints_v1_interface constraints_implementation = {
  .destroy = moss_resource_destroy_request,
  .lock_pointer = lock_pointer,
  .confine_pointer = confine_pointer,
};

/* ---- relative motion ----------------------------------------------------------------- */

void
moss_pointer_send_relative (MossDisplay *display, double dx, double dy, uint32_t time)
{
  MossSurface *focus = display->seat.pointer;
  uint64_t time_us = (uint64_t) time * 1000;
  struct wl_resource *relative;

  if (!focus || !focus->resource || (dx == 0 && dy == 0))
    return;
  wl_resource_for_each (relative, &display->seat.relatives)
    if (wl_resource_get_client (relative) == wl_resource_get_client (focus->resource))
      zwp_relative_pointer_v1_send_relative_motion (
          relative, time_us >> 32, (uint32_t) time_us, wl_fixed_from_double (dx),
          wl_fixed_from_double (dy), wl_fixed_from_double (dx), wl_fixed_from_double (dy));
}

static const struct zwp_relative_pointer_v1_interface relative_implementation = {
  .destroy = moss_resource_destroy_request,
};

static void
get_relative (struct wl_client *client,
              struct wl_resource *manager,
              uint32_t id,
              struct wl_resource *pointer)
{
  MossDisplay *display = wl_resource_get_user_data (manager);
  struct wl_resource *relative
      = moss_resource (client, &zwp_relative_pointer_v1_interface, 1, id,
                       &relative_implementation, display, moss_resource_unlink);

  if (relative)
    wl_list_insert (&display->seat.relatives, wl_resource_get_link (relative));
}

static const struct zwp_relative_pointer_manager_v1_interface relative_manager = {
  .destroy = moss_resource_destroy_request,
  .get_relative_pointer = get_relative,
};

static void
bind_constraints (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &zwp_pointer_constraints_v1_interface, version, id,
                 &constraints_implementation, data, NULL);
}

static void
bind_relative (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &zwp_relative_pointer_manager_v1_interface, version, id,
                 &relative_manager, data, NULL);
}

void
moss_constraint_init (MossDisplay *display)
{
  wl_list_init (&display->seat.constraints);
  wl_list_init (&display->seat.relatives);
  wl_global_create (display->wl, &zwp_pointer_constraints_v1_interface, 1, display,
                    bind_constraints);
  wl_global_create (display->wl, &zwp_relative_pointer_manager_v1_interface, 1, display,
                    bind_relative);
}
