// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The display's state, as a viewer learns it.
 *
 * Nothing is queued for a slow viewer but flags: what changed is marked dirty, and when
 * the viewer has answered enough of the earlier batches, its newest state is written. So
 * a flood of commits becomes one message, and memory stays bounded by the state itself.
 * A batch ends with DONE; the viewer's ACK of it means that it won't read buffers that
 * the batch replaced.
 */
#include "display-private.h"

#include <fcntl.h>
#include <unistd.h>

#define HIGH_WATER (256 * 1024)

/* ---- single messages ----------------------------------------------------------------- */

static uint32_t
flags_of (MossSurface *surface)
{
  MossXdgSurface *xdg = moss_surface_get_xdg (surface);
  uint32_t flags = 0;

  if (surface->mapped)
    flags |= MOSS_WIRE_SURFACE_MAPPED;
  if (xdg && xdg->grabs)
    flags |= MOSS_WIRE_SURFACE_GRABS;
  if (surface->role != MOSS_ROLE_SUBSURFACE && moss_surface_wants_frame (surface))
    {
      flags |= MOSS_WIRE_SURFACE_WANTS_FRAME;
      surface->frame_wanted_sent = true;
    }
  if (surface->opaque)
    flags |= MOSS_WIRE_SURFACE_OPAQUE;
  if (surface->idle_inhibitors)
    flags |= MOSS_WIRE_SURFACE_INHIBITS_IDLE;
  if (surface->shortcut_inhibitors)
    flags |= MOSS_WIRE_SURFACE_INHIBITS_SHORTCUTS;
  if (xdg && xdg->hangs)
    flags |= MOSS_WIRE_SURFACE_HANGS;
  return flags;
}

static void
put_surface (MossWire *wire, MossSurface *surface)
{
  MossSurface *parent = moss_surface_get_parent (surface);
  int32_t x, y;

  moss_surface_get_offset (surface, &x, &y);
  moss_wire_begin (wire, MOSS_WIRE_SURFACE, surface->id);
  moss_wire_put_u32 (wire, surface->role);
  moss_wire_put_u32 (wire, parent ? parent->id : 0);
  moss_wire_put_u32 (wire, flags_of (surface));
  moss_wire_put_i32 (wire, x);
  moss_wire_put_i32 (wire, y);
  moss_wire_end (wire);
}

static void
put_toplevel (MossWire *wire, MossSurface *surface)
{
  MossXdgSurface *xdg = moss_surface_get_xdg (surface);
  MossRect geometry;

  if (!xdg)
    return;
  moss_xdg_get_geometry (xdg, &geometry);
  moss_wire_begin (wire, MOSS_WIRE_TOPLEVEL, surface->id);
  moss_wire_put_u32 (wire, moss_toplevel_server_decorated (surface));
  moss_wire_put_u32 (wire, xdg->acked_states);
  moss_wire_put_i32 (wire, geometry.x);
  moss_wire_put_i32 (wire, geometry.y);
  moss_wire_put_i32 (wire, geometry.width);
  moss_wire_put_i32 (wire, geometry.height);
  moss_wire_put_i32 (wire, xdg->min_width);
  moss_wire_put_i32 (wire, xdg->min_height);
  moss_wire_put_i32 (wire, xdg->max_width);
  moss_wire_put_i32 (wire, xdg->max_height);
  moss_wire_put_string (wire, xdg->title);
  moss_wire_put_string (wire, xdg->app_id);
  moss_wire_end (wire);
}

static void
put_stack (MossWire *wire, MossSurface *surface)
{
  MossStackEntry *entry;

  moss_wire_begin (wire, MOSS_WIRE_STACK, surface->id);
  moss_wire_put_u32 (wire, wl_list_length (&surface->stack));
  wl_list_for_each (entry, &surface->stack, link)
    moss_wire_put_u32 (wire, entry->surface->id);
  moss_wire_end (wire);
}

static void
put_input_region (MossWire *wire, MossSurface *surface)
{
  const MossRegion *region = &surface->current.input;

  moss_wire_begin (wire, MOSS_WIRE_INPUT_REGION, surface->id);
  moss_wire_put_u32 (wire, region->infinite);
  moss_wire_put_u32 (wire, region->n);
  for (unsigned i = 0; i < region->n; i++)
    {
      moss_wire_put_u32 (wire, region->ops[i].subtract);
      moss_wire_put_i32 (wire, region->ops[i].rect.x);
      moss_wire_put_i32 (wire, region->ops[i].rect.y);
      moss_wire_put_i32 (wire, region->ops[i].rect.width);
      moss_wire_put_i32 (wire, region->ops[i].rect.height);
    }
  moss_wire_end (wire);
}

static void
put_pool (MossWire *wire, MossPool *pool)
{
  if (pool->known)
    return;
  moss_wire_begin (wire, MOSS_WIRE_POOL, pool->id);
  moss_wire_put_fd (wire, fcntl (pool->fd, F_DUPFD_CLOEXEC, 3));
  moss_wire_end (wire);
  pool->known = true;
}

static void
put_content (MossWire *wire, MossSurface *surface)
{
  const MossSurfaceState *state = &surface->current;
  MossBuffer *buffer = surface->mapped ? state->buffer : NULL;

  if (buffer && buffer->pool)
    put_pool (wire, buffer->pool);
  moss_wire_begin (wire, MOSS_WIRE_CONTENT, surface->id);
  moss_wire_put_u32 (wire, !buffer         ? MOSS_WIRE_CONTENT_NONE
                           : buffer->pool ? MOSS_WIRE_CONTENT_SHM
                                           : MOSS_WIRE_CONTENT_SOLID);
  if (buffer)
    {
      moss_wire_put_u32 (wire, buffer->pool ? buffer->pool->id : buffer->solid);
      moss_wire_put_u32 (wire, buffer->offset);
      moss_wire_put_u32 (wire, buffer->stride);
      moss_wire_put_u32 (wire, buffer->format);
      moss_wire_put_i32 (wire, buffer->width);
      moss_wire_put_i32 (wire, buffer->height);
      moss_wire_put_i32 (wire, surface->width);
      moss_wire_put_i32 (wire, surface->height);
      moss_wire_put_i32 (wire, state->scale);
      moss_wire_put_u32 (wire, state->transform);
      moss_wire_put_u32 (wire, state->view.has_source);
      moss_wire_put_i32 (wire, state->view.x);
      moss_wire_put_i32 (wire, state->view.y);
      moss_wire_put_i32 (wire, state->view.width);
      moss_wire_put_i32 (wire, state->view.height);
      moss_wire_put_u32 (wire, surface->damage.n);
      for (unsigned i = 0; i < surface->damage.n; i++)
        {
          moss_wire_put_i32 (wire, surface->damage.rects[i].x);
          moss_wire_put_i32 (wire, surface->damage.rects[i].y);
          moss_wire_put_i32 (wire, surface->damage.rects[i].width);
          moss_wire_put_i32 (wire, surface->damage.rects[i].height);
        }
    }
  moss_wire_end (wire);
}

/* The viewer may read the old buffer until it answers this batch. */
static void
replace_sent (MossDisplayConnection *connection, MossSurface *surface)
{
  MossBuffer *buffer = surface->mapped ? surface->current.buffer : NULL;
  MossBuffer *old = surface->sent;

  moss_damage_clear (&surface->damage);
  if (old == buffer)
    return;
  if (buffer)
    moss_buffer_hold (buffer);
  surface->sent = buffer;
  if (old)
    moss_held_add (connection, surface, old);
}

static void
put_all (MossDisplayConnection *connection, MossSurface *surface)
{
  MossWire *wire = connection->wire;
  uint32_t dirty = surface->announced ? surface->dirty : MOSS_DIRTY_ALL;

  surface->announced = true;
  surface->dirty = 0;
  if (dirty & MOSS_DIRTY_SURFACE)
    put_surface (wire, surface);
  if (dirty & MOSS_DIRTY_TOPLEVEL)
    put_toplevel (wire, surface);
  if (dirty & MOSS_DIRTY_STACK)
    put_stack (wire, surface);
  if (dirty & MOSS_DIRTY_INPUT)
    put_input_region (wire, surface);
  if (dirty & MOSS_DIRTY_CONTENT)
    {
      put_content (wire, surface);
      replace_sent (connection, surface);
    }
}

/* ---- what belongs to no surface ------------------------------------------------------ */

static void
put_cursor (MossWire *wire, MossDisplay *display)
{
  MossCursor *cursor = &display->seat.cursor;

  moss_wire_begin (wire, MOSS_WIRE_CURSOR, cursor->surface ? cursor->surface->id : 0);
  moss_wire_put_u32 (wire, cursor->surface ? MOSS_WIRE_CURSOR_SURFACE
                                           : MOSS_WIRE_CURSOR_NAMED);
  moss_wire_put_i32 (wire, cursor->hot_x);
  moss_wire_put_i32 (wire, cursor->hot_y);
  moss_wire_put_string (wire, cursor->name ? cursor->name : "default");
  moss_wire_end (wire);
}

/* A vector with more bytes than a message holds is cut. */
static void
put_mime_types (MossWire *wire, MossSource *source)
{
  const char *types[MOSS_WIRE_MAX_MIMES + 1];
  size_t bytes = 0;
  unsigned n = 0;

  if (!source)
    {
      moss_wire_put_strings (wire, NULL);
      return;
    }
  for (unsigned i = 0; i < source->n_mime_types; i++)
    {
      bytes += strlen (source->mime_types[i]) + 4;
      if (bytes > MOSS_WIRE_MAX_MESSAGE / 2)
        break;
      if (moss_wire_utf8 (source->mime_types[i], strlen (source->mime_types[i])))
        types[n++] = source->mime_types[i];
    }
  types[n] = NULL;
  moss_wire_put_strings (wire, types);
}

static void
put_selection (MossWire *wire, MossDisplay *display, MossSelection which)
{
  MossSource *source = display->selections[which];

  moss_wire_begin (wire, MOSS_WIRE_SELECTION, 0);
  moss_wire_put_u32 (wire, which);
  put_mime_types (wire, source && source->resource ? source : NULL);
  moss_wire_end (wire);
}

static void
put_drag (MossWire *wire, MossDisplay *display)
{
  MossDrag *drag = &display->drag;
  bool active = drag->active && !drag->from_viewer;
  MossSource *source = active ? drag->source : NULL;

  moss_wire_begin (wire, MOSS_WIRE_DRAG, active && drag->icon ? drag->icon->id : 0);
  moss_wire_put_u32 (wire, active);
  moss_wire_put_u32 (wire, !source               ? 0
                           : source->actions_set ? source->actions
                                                 : 1);
  put_mime_types (wire, source);
  moss_wire_end (wire);
}

static void
put_drop_status (MossWire *wire, MossDisplay *display)
{
  moss_wire_begin (wire, MOSS_WIRE_DROP_STATUS, 0);
  moss_wire_put_u32 (wire, display->drop_action);
  moss_wire_put_u32 (wire, display->drop_mime_type != NULL);
  moss_wire_put_string (wire, display->drop_mime_type);
  moss_wire_end (wire);
}

static void
put_text_input (MossWire *wire, MossDisplay *display)
{
  static const MossTextState none;
  const MossTextState *state = moss_text_input_get (display);

  moss_wire_begin (wire, MOSS_WIRE_TEXT_INPUT, 0);
  moss_wire_put_u32 (wire, state != NULL);
  if (!state)
    state = &none;
  moss_wire_put_u32 (wire, state->surrounding ? state->cursor : 0);
  moss_wire_put_u32 (wire, state->surrounding ? state->anchor : 0);
  moss_wire_put_u32 (wire, state->hint);
  moss_wire_put_u32 (wire, state->purpose);
  moss_wire_put_u32 (wire, state->cause);
  moss_wire_put_i32 (wire, state->rect.x);
  moss_wire_put_i32 (wire, state->rect.y);
  moss_wire_put_i32 (wire, state->rect.width);
  moss_wire_put_i32 (wire, state->rect.height);
  moss_wire_put_string (wire, state->surrounding);
  moss_wire_end (wire);
}

static void
put_pointer_held (MossWire *wire, MossDisplay *display)
{
  MossConstraintState state;

  moss_constraint_get (display, &state);
  moss_wire_begin (wire, MOSS_WIRE_POINTER_HELD, state.root ? state.root->id : 0);
  moss_wire_put_u32 (wire, state.mode);
  moss_wire_put_i32 (wire, wl_fixed_from_double (state.x));
  moss_wire_put_i32 (wire, wl_fixed_from_double (state.y));
  moss_wire_end (wire);
}

static void
put_stale (MossWire *wire, MossDisplay *display)
{
  uint32_t stale = display->stale;

  display->stale = 0;
  if (stale & MOSS_STALE_CURSOR)
    put_cursor (wire, display);
  if (stale & MOSS_STALE_CLIPBOARD)
    put_selection (wire, display, MOSS_SELECTION_CLIPBOARD);
  if (stale & MOSS_STALE_PRIMARY)
    put_selection (wire, display, MOSS_SELECTION_PRIMARY);
  if (stale & MOSS_STALE_DRAG)
    put_drag (wire, display);
  if (stale & MOSS_STALE_DROP)
    put_drop_status (wire, display);
  if (stale & MOSS_STALE_TEXT)
    put_text_input (wire, display);
  if (stale & MOSS_STALE_POINTER)
    put_pointer_held (wire, display);
}

/* ---- batches ------------------------------------------------------------------------- */

void
moss_sync_run (MossDisplayConnection *connection)
{
  MossDisplay *display = connection->display;
  MossWire *wire = connection->wire;
  MossSurface *surface, *next;

  if (connection->serial - connection->acked >= MOSS_MAX_BATCHES
      || moss_wire_queued (wire) > HIGH_WATER)
    return;
  if (wl_list_empty (&display->dirty) && !display->stale)
    return;
  wl_list_for_each_safe (surface, next, &display->dirty, dirty_link)
    {
      wl_list_remove (&surface->dirty_link);
      wl_list_init (&surface->dirty_link);
      put_all (connection, surface);
    }
  put_stale (wire, display);
  moss_wire_begin (wire, MOSS_WIRE_DONE, 0);
  moss_wire_put_u32 (wire, ++connection->serial);
  moss_wire_end (wire);
}

void
moss_sync_ack (MossDisplayConnection *connection, uint32_t serial)
{
  connection->acked = serial;
  moss_held_ack (connection, serial);
}

void
moss_sync_attach (MossDisplayConnection *connection)
{
  MossDisplay *display = connection->display;
  MossSurface *surface;

  wl_list_for_each (surface, &display->surfaces, link)
    {
      if (surface->current.buffer)
        moss_damage_all (&surface->damage, surface->current.buffer->width,
                         surface->current.buffer->height);
      moss_surface_dirty (surface, MOSS_DIRTY_ALL);
    }
  display->stale = MOSS_STALE_ALL;
  moss_display_schedule (display);
}

void
moss_sync_detached (MossDisplayConnection *connection)
{
  MossDisplay *display = connection->display;
  MossSurface *surface;
  MossPool *pool;

  moss_sync_ack (connection, connection->serial + 1);
  wl_list_for_each (surface, &display->surfaces, link)
    {
      MossBuffer *sent = surface->sent;

      surface->sent = NULL;
      surface->announced = surface->frame_wanted_sent = false;
      surface->hidden = false;
      wl_list_remove (&surface->dirty_link);
      wl_list_init (&surface->dirty_link);
      if (sent)
        moss_buffer_drop (sent);
    }
  wl_list_for_each (pool, &display->pools, link)
    pool->known = false;
}

void
moss_sync_surface_gone (MossSurface *surface)
{
  MossDisplayConnection *viewer = surface->display->viewer;

  if (viewer && surface->announced)
    {
      moss_wire_begin (viewer->wire, MOSS_WIRE_SURFACE_GONE, surface->id);
      moss_wire_end (viewer->wire);
      moss_display_schedule (surface->display);
    }
  surface->announced = false;
  if (surface->sent)
    {
      MossBuffer *sent = surface->sent;

      surface->sent = NULL;
      if (!viewer)
        moss_buffer_drop (sent);
      else
        {
          moss_held_add (viewer, surface, sent);
          surface->display->stale |= MOSS_STALE_CURSOR; /* so that a batch follows */
        }
    }
}

void
moss_sync_pool_gone (MossPool *pool)
{
  MossDisplayConnection *viewer = pool->display->viewer;

  if (!viewer || !pool->known)
    return;
  moss_wire_begin (viewer->wire, MOSS_WIRE_POOL_GONE, pool->id);
  moss_wire_end (viewer->wire);
  moss_display_schedule (pool->display);
}

/* ---- events that are not state ------------------------------------------------------- */

static bool
may_send (MossDisplay *display)
{
  return display->viewer && moss_wire_queued (display->viewer->wire) < HIGH_WATER;
}

void
moss_viewer_request (MossSurface *surface, uint32_t request, int32_t a, int32_t b)
{
  MossDisplay *display = surface->display;

  if (!may_send (display))
    return;
  if (!wl_list_empty (&surface->dirty_link))
    moss_sync_run (display->viewer); /* the viewer should know the window first */
  moss_wire_begin (display->viewer->wire, MOSS_WIRE_REQUEST, surface->id);
  moss_wire_put_u32 (display->viewer->wire, request);
  moss_wire_put_i32 (display->viewer->wire, a);
  moss_wire_put_i32 (display->viewer->wire, b);
  moss_wire_end (display->viewer->wire);
  moss_display_schedule (display);
}

void
moss_viewer_send_fd (MossDisplay *display,
                     uint16_t type,
                     int32_t which,
                     const char *mime_type,
                     int fd)
{
  MossWire *wire = may_send (display) ? display->viewer->wire : NULL;

  if (!wire)
    {
      close (fd);
      return;
    }
  moss_wire_begin (wire, type, 0);
  if (type == MOSS_WIRE_SELECTION_SEND)
    moss_wire_put_u32 (wire, which);
  moss_wire_put_string (wire, mime_type);
  moss_wire_put_fd (wire, fd);
  moss_wire_end (wire);
  moss_display_schedule (display);
}

void
moss_viewer_drop_finished (MossDisplay *display, uint32_t action)
{
  if (!may_send (display))
    return;
  moss_wire_begin (display->viewer->wire, MOSS_WIRE_DROP_FINISHED, 0);
  moss_wire_put_u32 (display->viewer->wire, action);
  moss_wire_end (display->viewer->wire);
  moss_display_schedule (display);
}
