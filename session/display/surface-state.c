// SPDX-License-Identifier: GPL-3.0-or-later
/* The double-buffered half of a surface: pending, cached (synchronised subsurfaces) and
 * current states, and what changes when one becomes the other. */
#include "display-private.h"

void
moss_surface_state_init (MossSurfaceState *state)
{
  memset (state, 0, sizeof *state);
  state->input.infinite = true;
  state->scale = 1;
  state->view.to_width = state->view.to_height = -1;
  wl_list_init (&state->frames);
}

static void
forget_frames (struct wl_list *frames)
{
  struct wl_resource *callback, *next;

  wl_resource_for_each_safe (callback, next, frames)
    wl_resource_destroy (callback);
}

/* The buffer is let go by the caller, who knows whether it is held. */
void
moss_surface_state_clear (MossSurfaceState *state)
{
  forget_frames (&state->frames);
  moss_region_clear (&state->opaque);
  moss_region_clear (&state->input);
}

static void
move_buffer (MossSurfaceState *to, MossSurfaceState *from)
{
  if (to->buffer)
    moss_buffer_drop (to->buffer);
  to->buffer = from->buffer;
  from->buffer = NULL;
}

void
moss_surface_state_merge (MossSurfaceState *to, MossSurfaceState *from)
{
  if (from->set & MOSS_STATE_BUFFER)
    move_buffer (to, from);
  if (from->set & MOSS_STATE_OPAQUE)
    moss_region_copy (&to->opaque, &from->opaque);
  if (from->set & MOSS_STATE_INPUT)
    moss_region_copy (&to->input, &from->input);
  if (from->set & MOSS_STATE_SCALE)
    to->scale = from->scale;
  if (from->set & MOSS_STATE_TRANSFORM)
    to->transform = from->transform;
  if (from->set & MOSS_STATE_VIEWPORT)
    to->view = from->view;
  to->set |= from->set;
  to->dx += from->dx;
  to->dy += from->dy;
  moss_damage_merge (&to->damage, &from->damage);
  moss_damage_merge (&to->damage_buffer, &from->damage_buffer);
  wl_list_insert_list (to->frames.prev, &from->frames);
  wl_list_init (&from->frames);
  from->set = 0;
  from->dx = from->dy = 0;
  moss_damage_clear (&from->damage);
  moss_damage_clear (&from->damage_buffer);
}

/* ---- becoming current ---------------------------------------------------------------- */

static void
compute_size (MossSurface *surface)
{
  const MossSurfaceState *state = &surface->current;
  int32_t width = 0, height = 0;

  if (state->buffer)
    {
      bool turned = state->transform & 1;

      width = (turned ? state->buffer->height : state->buffer->width) / state->scale;
      height = (turned ? state->buffer->width : state->buffer->height) / state->scale;
      if (state->view.to_width > 0)
        {
          width = state->view.to_width;
          height = state->view.to_height;
        }
      else if (state->view.has_source)
        {
          width = wl_fixed_to_int (state->view.width);
          height = wl_fixed_to_int (state->view.height);
        }
    }
  surface->width = width;
  surface->height = height;
}

/* Surface damage is exact only when a logical pixel is a whole number of buffer pixels;
 * else all of the buffer is read again. */
static void
take_damage (MossSurface *surface, bool resized)
{
  MossSurfaceState *state = &surface->current;
  MossBuffer *buffer = state->buffer;
  bool simple = !state->transform && !state->view.has_source && state->view.to_width < 0;

  if (buffer && (resized || (state->damage.n && !simple)))
    moss_damage_all (&surface->damage, buffer->width, buffer->height);
  else if (buffer)
    {
      for (unsigned i = 0; i < state->damage_buffer.n; i++)
        {
          const MossRect *r = &state->damage_buffer.rects[i];

          moss_damage_add (&surface->damage, r->x, r->y, r->width, r->height,
                           buffer->width, buffer->height);
        }
      for (unsigned i = 0; i < state->damage.n; i++)
        {
          const MossRect *r = &state->damage.rects[i];
          int64_t s = state->scale;

          moss_damage_add (&surface->damage, r->x * s, r->y * s, r->width * s,
                           r->height * s, buffer->width, buffer->height);
        }
    }
  moss_damage_clear (&state->damage);
  moss_damage_clear (&state->damage_buffer);
}

static bool
view_fits (MossSurface *surface)
{
  const MossSurfaceState *s = &surface->current;
  int32_t width, height;

  if (!s->view.has_source || !s->buffer || !surface->viewport)
    return true;
  width = (s->transform & 1 ? s->buffer->height : s->buffer->width) / s->scale;
  height = (s->transform & 1 ? s->buffer->width : s->buffer->height) / s->scale;
  return (int64_t) s->view.x + s->view.width <= (int64_t) width * 256
         && (int64_t) s->view.y + s->view.height <= (int64_t) height * 256;
}

static bool
is_opaque (MossSurface *surface)
{
  const MossSurfaceState *s = &surface->current;

  if (!s->buffer)
    return false;
  return s->buffer->format == WL_SHM_FORMAT_XRGB8888
         || moss_region_covers (&s->opaque, surface->width, surface->height);
}

void
moss_surface_apply (MossSurface *surface, MossSurfaceState *state)
{
  MossSurfaceState *current = &surface->current;
  uint32_t set = state->set;
  int32_t width = surface->width, height = surface->height;
  int32_t buffer_width = current->buffer ? current->buffer->width : 0;
  int32_t buffer_height = current->buffer ? current->buffer->height : 0;
  uint32_t dirty = 0;
  bool resized, opaque;

  moss_surface_state_merge (current, state);
  surface->offset_x += current->dx;
  surface->offset_y += current->dy;
  if (current->dx || current->dy)
    dirty |= MOSS_DIRTY_SURFACE;
  current->dx = current->dy = 0;
  current->set = 0;
  compute_size (surface);
  if (!view_fits (surface))
    wl_resource_post_error (surface->viewport, 2 /* out_of_buffer */,
                            "the viewport's source is outside of the buffer");
  resized = current->buffer
            && (buffer_width != current->buffer->width
                || buffer_height != current->buffer->height);
  take_damage (surface, resized);
  if (set & MOSS_STATE_BUFFER)
    moss_held_surface_replaced (surface);
  opaque = is_opaque (surface);
  if (opaque != surface->opaque)
    dirty |= MOSS_DIRTY_SURFACE;
  surface->opaque = opaque;
  if (set & (MOSS_STATE_BUFFER | MOSS_STATE_SCALE | MOSS_STATE_TRANSFORM
             | MOSS_STATE_VIEWPORT)
      || surface->damage.n)
    dirty |= MOSS_DIRTY_CONTENT;
  if (set & MOSS_STATE_INPUT || width != surface->width || height != surface->height)
    dirty |= MOSS_DIRTY_INPUT;
  moss_subsurface_parent_applied (surface);
  moss_xdg_surface_committed (surface);
  moss_constraint_committed (surface);
  moss_surface_update_mapped (surface);
  if (dirty)
    moss_surface_dirty (surface, dirty);
  if (dirty & MOSS_DIRTY_INPUT && surface->display->seat.over)
    moss_pointer_refocus (surface->display);
  moss_surface_note_frame (surface);
}
