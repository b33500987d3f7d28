// SPDX-License-Identifier: GPL-3.0-or-later
#include "display-private.h"
#include "xdg-shell-server-protocol.h"

/* ---- regions ------------------------------------------------------------------------- */

static void
region_add (struct wl_client *client,
            struct wl_resource *resource,
            int32_t x,
            int32_t y,
            int32_t width,
            int32_t height)
{
  MossRect rect = { x, y, width, height };

  moss_region_add (wl_resource_get_user_data (resource), &rect, false);
}

static void
region_subtract (struct wl_client *client,
                 struct wl_resource *resource,
                 int32_t x,
                 int32_t y,
                 int32_t width,
                 int32_t height)
{
  MossRect rect = { x, y, width, height };

  moss_region_add (wl_resource_get_user_data (resource), &rect, true);
}

static const struct wl_region_interface region_implementation = {
  .destroy = moss_resource_destroy_request,
  .add = region_add,
  .subtract = region_subtract,
};

static void
region_destroyed (struct wl_resource *resource)
{
  MossRegion *region = wl_resource_get_user_data (resource);

  moss_region_clear (region);
  free (region);
}

static void
create_region (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  MossRegion *region = calloc (1, sizeof *region);

  if (!region)
    wl_client_post_no_memory (client);
  else if (!moss_resource (client, &wl_region_interface, 1, id, &region_implementation,
                           region, region_destroyed))
    free (region);
}

/* ---- requests of wl_surface ---------------------------------------------------------- */

static void
set_pending_buffer (MossSurface *surface, MossBuffer *buffer)
{
  if (buffer)
    moss_buffer_ref (buffer);
  if (surface->pending.buffer)
    moss_buffer_unref (surface->pending.buffer);
  surface->pending.buffer = buffer;
  surface->pending.set |= MOSS_STATE_BUFFER;
}

static void
surface_attach (struct wl_client *client,
                struct wl_resource *resource,
                struct wl_resource *buffer_resource,
                int32_t x,
                int32_t y)
{
  MossSurface *surface = wl_resource_get_user_data (resource);
  MossBuffer *buffer = NULL;
  MossXdgSurface *xdg;

  if (buffer_resource && !(buffer = moss_buffer_from_resource (buffer_resource)))
    {
      wl_resource_post_error (resource, WL_DISPLAY_ERROR_INVALID_OBJECT,
                              "not a buffer of wl_shm");
      return;
    }
  if (wl_resource_get_version (resource) >= WL_SURFACE_OFFSET_SINCE_VERSION
      && (x || y))
    {
      wl_resource_post_error (resource, WL_SURFACE_ERROR_INVALID_OFFSET,
                              "attach with an offset; use wl_surface.offset");
      return;
    }
  if (buffer && surface->role == MOSS_ROLE_NONE && (xdg = moss_xdg_find (surface)))
    {
      wl_resource_post_error (xdg->resource, XDG_SURFACE_ERROR_UNCONFIGURED_BUFFER,
                              "a buffer before the window was made");
      return;
    }
  set_pending_buffer (surface, buffer);
  if (x || y)
    {
      surface->pending.dx = x;
      surface->pending.dy = y;
    }
}

static void
surface_offset (struct wl_client *client, struct wl_resource *resource, int32_t x, int32_t y)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  surface->pending.dx = x;
  surface->pending.dy = y;
}

static void
surface_damage (struct wl_client *client,
                struct wl_resource *resource,
                int32_t x,
                int32_t y,
                int32_t width,
                int32_t height)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  moss_damage_add (&surface->pending.damage, x, y, width, height, 32767, 32767);
}

static void
surface_damage_buffer (struct wl_client *client,
                       struct wl_resource *resource,
                       int32_t x,
                       int32_t y,
                       int32_t width,
                       int32_t height)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  moss_damage_add (&surface->pending.damage_buffer, x, y, width, height, 32767, 32767);
}

static void
surface_frame (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  MossSurface *surface = wl_resource_get_user_data (resource);
  struct wl_resource *callback = moss_resource (client, &wl_callback_interface, 1, id, NULL,
                                                NULL, moss_resource_unlink);

  if (callback)
    wl_list_insert (surface->pending.frames.prev, wl_resource_get_link (callback));
}

static void
surface_set_opaque_region (struct wl_client *client,
                           struct wl_resource *resource,
                           struct wl_resource *region)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  moss_region_clear (&surface->pending.opaque);
  if (region)
    moss_region_copy (&surface->pending.opaque, wl_resource_get_user_data (region));
  surface->pending.set |= MOSS_STATE_OPAQUE;
}

static void
surface_set_input_region (struct wl_client *client,
                          struct wl_resource *resource,
                          struct wl_resource *region)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  moss_region_clear (&surface->pending.input);
  if (region)
    moss_region_copy (&surface->pending.input, wl_resource_get_user_data (region));
  else
    surface->pending.input.infinite = true;
  surface->pending.set |= MOSS_STATE_INPUT;
}

static void
surface_set_buffer_transform (struct wl_client *client,
                              struct wl_resource *resource,
                              int32_t transform)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  if (transform < 0 || transform > WL_OUTPUT_TRANSFORM_FLIPPED_270)
    {
      wl_resource_post_error (resource, WL_SURFACE_ERROR_INVALID_TRANSFORM,
                              "no such transform: %d", transform);
      return;
    }
  surface->pending.transform = transform;
  surface->pending.set |= MOSS_STATE_TRANSFORM;
}

static void
surface_set_buffer_scale (struct wl_client *client,
                          struct wl_resource *resource,
                          int32_t scale)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  if (scale < 1 || scale > 64)
    {
      wl_resource_post_error (resource, WL_SURFACE_ERROR_INVALID_SCALE, "scale %d", scale);
      return;
    }
  surface->pending.scale = scale;
  surface->pending.set |= MOSS_STATE_SCALE;
}

/* Memory that a move lost: the last picture stays, and the window is asked for another. */
static void
give_back (MossSurface *surface, MossBuffer *buffer)
{
  int32_t x, y;
  MossSurface *toplevel = moss_surface_get_toplevel (surface, &x, &y);
  MossXdgSurface *xdg = toplevel ? moss_surface_get_xdg (toplevel) : NULL;

  moss_buffer_hold (buffer);
  moss_buffer_unref (buffer);
  moss_buffer_drop (buffer);
  surface->pending.buffer = NULL;
  surface->pending.set &= ~MOSS_STATE_BUFFER;
  moss_damage_clear (&surface->pending.damage);
  moss_damage_clear (&surface->pending.damage_buffer);
  if (xdg)
    moss_xdg_schedule_configure (xdg);
}

/* What was only referenced becomes held: from here on the display reads it. */
static bool
take_pending_buffer (MossSurface *surface)
{
  MossBuffer *buffer = surface->pending.buffer;

  if (!(surface->pending.set & MOSS_STATE_BUFFER) || !buffer)
    return true;
  if (moss_buffer_is_lost (buffer))
    {
      give_back (surface, buffer);
      return true;
    }
  if (!moss_buffer_check (buffer))
    {
      if (buffer->resource)
        wl_resource_post_error (buffer->resource, WL_SHM_ERROR_INVALID_FD,
                                "the buffer's memory is smaller than it was");
      else
        wl_client_post_implementation_error (wl_resource_get_client (surface->resource),
                                             "a buffer's memory is gone");
      return false;
    }
  moss_buffer_hold (buffer);
  moss_buffer_unref (buffer);
  return true;
}

static void
surface_commit (struct wl_client *client, struct wl_resource *resource)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  if (!take_pending_buffer (surface))
    {
      set_pending_buffer (surface, NULL);
      return;
    }
  if (!moss_subsurface_commit (surface))
    moss_surface_apply (surface, &surface->pending);
}

static const struct wl_surface_interface surface_implementation = {
  .destroy = moss_resource_destroy_request,
  .attach = surface_attach,
  .damage = surface_damage,
  .frame = surface_frame,
  .set_opaque_region = surface_set_opaque_region,
  .set_input_region = surface_set_input_region,
  .commit = surface_commit,
  .set_buffer_transform = surface_set_buffer_transform,
  .set_buffer_scale = surface_set_buffer_scale,
  .damage_buffer = surface_damage_buffer,
  .offset = surface_offset,
};

/* ---- life ---------------------------------------------------------------------------- */

static void
surface_destroyed (struct wl_resource *resource)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  surface->resource = NULL;
  moss_seat_surface_unmapped (surface);
  moss_xdg_surface_surface_destroyed (surface);
  moss_subsurface_surface_destroyed (surface);
  wl_signal_emit_mutable (&surface->destroyed, surface);
  moss_sync_surface_gone (surface);
  moss_surface_detach_addons (surface);
  if (surface->pending.buffer)
    moss_buffer_unref (surface->pending.buffer);
  if (surface->current.buffer)
    moss_buffer_drop (surface->current.buffer);
  moss_surface_state_clear (&surface->pending);
  moss_surface_state_clear (&surface->current);
  wl_list_remove (&surface->link);
  wl_list_remove (&surface->dirty_link);
  surface->client->n_surfaces--;
  moss_client_unref (surface->client);
  free (surface);
}

static void
create_surface (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  MossClient *owner = moss_client_get (client);
  MossSurface *surface;

  if (owner->n_surfaces >= MOSS_MAX_SURFACES)
    {
      moss_client_too_much (owner, "surfaces");
      return;
    }
  surface = calloc (1, sizeof *surface);
  if (!surface)
    {
      wl_client_post_no_memory (client);
      return;
    }
  surface->resource
      = moss_resource (client, &wl_surface_interface, wl_resource_get_version (resource),
                       id, &surface_implementation, surface, surface_destroyed);
  if (!surface->resource)
    {
      free (surface);
      return;
    }
  surface->display = display;
  surface->client = moss_client_ref (owner);
  owner->n_surfaces++;
  surface->id = ++display->next_id;
  moss_surface_state_init (&surface->pending);
  moss_surface_state_init (&surface->current);
  wl_list_init (&surface->stack);
  wl_list_init (&surface->pending_stack);
  surface->self.surface = surface;
  wl_list_insert (&surface->stack, &surface->self.link);
  wl_list_insert (&surface->pending_stack, &surface->self.pending_link);
  wl_list_init (&surface->dirty_link);
  wl_signal_init (&surface->destroyed);
  wl_list_insert (display->surfaces.prev, &surface->link);
}

static const struct wl_compositor_interface compositor_implementation = {
  .create_surface = create_surface,
  .create_region = create_region,
};

static void
bind_compositor (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &wl_compositor_interface, version, id, &compositor_implementation,
                 data, NULL);
}

void
moss_compositor_init (MossDisplay *display)
{
  wl_list_init (&display->surfaces);
  wl_list_init (&display->dirty);
  wl_global_create (display->wl, &wl_compositor_interface, 5, display, bind_compositor);
}

MossSurface *
moss_surface_from_resource (struct wl_resource *resource)
{
  return resource ? wl_resource_get_user_data (resource) : NULL;
}

bool
moss_surface_set_role (MossSurface *surface,
                       MossRole role,
                       struct wl_resource *error_on,
                       uint32_t error)
{
  if (surface->role != MOSS_ROLE_NONE && surface->role != role)
    {
      wl_resource_post_error (error_on, error, "the surface has another role already");
      return false;
    }
  surface->role = role;
  moss_surface_dirty (surface, MOSS_DIRTY_ALL);
  return true;
}
