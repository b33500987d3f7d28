// SPDX-License-Identifier: GPL-3.0-or-later
#include "display-private.h"

static MossSubsurface *
get_sub (MossSurface *surface)
{
  return surface->role == MOSS_ROLE_SUBSURFACE ? surface->role_object : NULL;
}

bool
moss_subsurface_is_sync (MossSurface *surface)
{
  for (MossSubsurface *sub = get_sub (surface); sub; sub = get_sub (sub->parent))
    {
      if (sub->sync)
        return true;
      if (!sub->parent)
        break;
    }
  return false;
}

static void
drop_cache (MossSubsurface *sub)
{
  if (sub->cache.buffer)
    moss_buffer_drop (sub->cache.buffer);
  moss_surface_state_clear (&sub->cache);
  moss_surface_state_init (&sub->cache);
  sub->has_cache = false;
}

static void
apply_cache (MossSubsurface *sub)
{
  if (!sub->has_cache)
    return;
  sub->has_cache = false;
  moss_surface_apply (sub->surface, &sub->cache);
}

bool
moss_subsurface_commit (MossSurface *surface)
{
  MossSubsurface *sub = get_sub (surface);

  if (!sub)
    return false;
  if (!moss_subsurface_is_sync (surface))
    {
      if (!sub->has_cache)
        return false;
      moss_surface_state_merge (&sub->cache, &surface->pending);
      apply_cache (sub);
      return true;
    }
  moss_surface_state_merge (&sub->cache, &surface->pending);
  sub->has_cache = true;
  return true;
}

/* The order that the client asked for since the last commit. */
static bool
apply_order (MossSurface *parent)
{
  MossStackEntry *entry;

  if (!parent->stack_changed)
    return false;
  parent->stack_changed = false;
  wl_list_init (&parent->stack);
  wl_list_for_each (entry, &parent->pending_stack, pending_link)
    {
      wl_list_insert (parent->stack.prev, &entry->link);
      if (entry->surface != parent)
        {
          MossSubsurface *sub = get_sub (entry->surface);

          sub->added = true;
        }
    }
  moss_surface_dirty (parent, MOSS_DIRTY_STACK);
  return true;
}

void
moss_subsurface_parent_applied (MossSurface *parent)
{
  MossStackEntry *entry, *next;
  bool moved = apply_order (parent);

  wl_list_for_each_safe (entry, next, &parent->stack, link)
    {
      MossSubsurface *sub;

      if (entry->surface == parent || !(sub = get_sub (entry->surface)))
        continue;
      if (sub->position_set)
        {
          sub->position_set = false;
          sub->x = sub->pending_x;
          sub->y = sub->pending_y;
          moved = true;
          moss_surface_dirty (sub->surface, MOSS_DIRTY_SURFACE);
        }
      if (moss_subsurface_is_sync (sub->surface))
        apply_cache (sub);
      moss_surface_update_mapped (sub->surface);
    }
  if (moved)
    moss_pointer_refocus (parent->display);
}

/* ---- requests ------------------------------------------------------------------------ */

static void
sub_set_position (struct wl_client *client, struct wl_resource *resource, int32_t x, int32_t y)
{
  MossSubsurface *sub = wl_resource_get_user_data (resource);

  if (!sub)
    return;
  sub->pending_x = x;
  sub->pending_y = y;
  sub->position_set = true;
}

static MossStackEntry *
find_sibling (MossSubsurface *sub, struct wl_resource *sibling)
{
  MossSurface *surface = moss_surface_from_resource (sibling);
  MossStackEntry *entry;

  if (surface != sub->surface)
    wl_list_for_each (entry, &sub->parent->pending_stack, pending_link)
      if (entry->surface == surface)
        return entry;
  wl_resource_post_error (sub->resource, WL_SUBSURFACE_ERROR_BAD_SURFACE,
                          "not a sibling or the parent");
  return NULL;
}

static void
place (struct wl_resource *resource, struct wl_resource *sibling, bool above)
{
  MossSubsurface *sub = wl_resource_get_user_data (resource);
  MossStackEntry *entry;

  if (!sub || !sub->parent || !(entry = find_sibling (sub, sibling)))
    return;
  wl_list_remove (&sub->entry.pending_link);
  wl_list_insert (above ? &entry->pending_link : entry->pending_link.prev,
                  &sub->entry.pending_link);
  sub->parent->stack_changed = true;
}

static void
sub_place_above (struct wl_client *client,
                 struct wl_resource *resource,
                 struct wl_resource *sibling)
{
  place (resource, sibling, true);
}

static void
sub_place_below (struct wl_client *client,
                 struct wl_resource *resource,
                 struct wl_resource *sibling)
{
  place (resource, sibling, false);
}

static void
sub_set_sync (struct wl_client *client, struct wl_resource *resource)
{
  MossSubsurface *sub = wl_resource_get_user_data (resource);

  if (sub)
    sub->sync = true;
}

/* What waited for the parent waits no longer, here and below. */
static void
apply_desync (MossSurface *surface)
{
  MossSubsurface *sub = get_sub (surface);
  MossStackEntry *entry, *next;

  if (moss_subsurface_is_sync (surface))
    return;
  if (sub)
    apply_cache (sub);
  wl_list_for_each_safe (entry, next, &surface->stack, link)
    if (entry->surface != surface)
      apply_desync (entry->surface);
}

static void
sub_set_desync (struct wl_client *client, struct wl_resource *resource)
{
  MossSubsurface *sub = wl_resource_get_user_data (resource);

  if (!sub)
    return;
  sub->sync = false;
  apply_desync (sub->surface);
}

static const struct wl_subsurface_interface subsurface_implementation = {
  .destroy = moss_resource_destroy_request,
  .set_position = sub_set_position,
  .place_above = sub_place_above,
  .place_below = sub_place_below,
  .set_sync = sub_set_sync,
  .set_desync = sub_set_desync,
};

/* ---- life ---------------------------------------------------------------------------- */

static void
leave_parent (MossSubsurface *sub)
{
  MossSurface *parent = sub->parent;

  if (!parent)
    return;
  wl_list_remove (&sub->entry.link);
  wl_list_remove (&sub->entry.pending_link);
  wl_list_init (&sub->entry.link);
  wl_list_init (&sub->entry.pending_link);
  wl_list_remove (&sub->parent_destroyed.link);
  sub->parent = NULL;
  sub->added = false;
  moss_surface_dirty (parent, MOSS_DIRTY_STACK);
  moss_surface_update_mapped (sub->surface);
  moss_surface_dirty (sub->surface, MOSS_DIRTY_SURFACE);
}

static void
on_parent_destroyed (struct wl_listener *listener, void *data)
{
  MossSubsurface *sub = wl_container_of (listener, sub, parent_destroyed);

  leave_parent (sub);
}

static void
sub_free (MossSubsurface *sub)
{
  leave_parent (sub);
  drop_cache (sub);
  moss_surface_state_clear (&sub->cache);
  sub->surface->role_object = NULL;
  if (sub->resource)
    wl_resource_set_user_data (sub->resource, NULL);
  free (sub);
}

void
moss_subsurface_surface_destroyed (MossSurface *surface)
{
  MossSubsurface *sub = get_sub (surface);

  if (sub)
    sub_free (sub);
}

static void
sub_destroyed (struct wl_resource *resource)
{
  MossSubsurface *sub = wl_resource_get_user_data (resource);

  if (!sub)
    return;
  sub->resource = NULL;
  sub_free (sub);
}

static void
get_subsurface (struct wl_client *client,
                struct wl_resource *resource,
                uint32_t id,
                struct wl_resource *surface_resource,
                struct wl_resource *parent_resource)
{
  MossSurface *surface = moss_surface_from_resource (surface_resource);
  MossSurface *parent = moss_surface_from_resource (parent_resource);
  MossSubsurface *sub;

  if (surface->role_object || moss_surface_is_ancestor (parent, surface))
    {
      wl_resource_post_error (resource, WL_SUBCOMPOSITOR_ERROR_BAD_SURFACE,
                              "the surface can't be a subsurface of that parent");
      return;
    }
  if (!moss_surface_set_role (surface, MOSS_ROLE_SUBSURFACE, resource,
                              WL_SUBCOMPOSITOR_ERROR_BAD_SURFACE))
    return;
  sub = calloc (1, sizeof *sub);
  if (!sub)
    {
      wl_client_post_no_memory (client);
      return;
    }
  sub->resource = moss_resource (client, &wl_subsurface_interface, 1, id,
                                 &subsurface_implementation, sub, sub_destroyed);
  if (!sub->resource)
    {
      free (sub);
      return;
    }
  sub->surface = surface;
  sub->parent = parent;
  sub->sync = true;
  moss_surface_state_init (&sub->cache);
  sub->entry.surface = surface;
  wl_list_init (&sub->entry.link);
  wl_list_insert (parent->pending_stack.prev, &sub->entry.pending_link);
  parent->stack_changed = true;
  sub->parent_destroyed.notify = on_parent_destroyed;
  wl_signal_add (&parent->destroyed, &sub->parent_destroyed);
  surface->role_object = sub;
}

static const struct wl_subcompositor_interface subcompositor_implementation = {
  .destroy = moss_resource_destroy_request,
  .get_subsurface = get_subsurface,
};

static void
bind_subcompositor (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &wl_subcompositor_interface, version, id,
                 &subcompositor_implementation, data, NULL);
}

void
moss_subcompositor_init (MossDisplay *display)
{
  wl_global_create (display->wl, &wl_subcompositor_interface, 1, display,
                    bind_subcompositor);
}
