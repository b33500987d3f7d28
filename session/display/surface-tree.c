// SPDX-License-Identifier: GPL-3.0-or-later
/* How surfaces hang together: parents, places, who is under the pointer, who is seen. */
#include "display-private.h"

MossSurface *
moss_display_find_surface (MossDisplay *display, uint32_t id)
{
  MossSurface *surface;

  wl_list_for_each (surface, &display->surfaces, link)
    if (surface->id == id)
      return surface;
  return NULL;
}

MossSurface *
moss_surface_get_parent (MossSurface *surface)
{
  MossSubsurface *sub;
  MossXdgSurface *xdg;

  switch (surface->role)
    {
    case MOSS_ROLE_SUBSURFACE:
      sub = surface->role_object;
      return sub ? sub->parent : NULL;
    case MOSS_ROLE_POPUP:
      xdg = surface->role_object;
      return xdg ? xdg->popup_parent : NULL;
    case MOSS_ROLE_TOPLEVEL:
      xdg = surface->role_object;
      return xdg ? xdg->parent : NULL;
    default:
      return NULL;
    }
}

void
moss_surface_get_offset (MossSurface *surface, int32_t *x, int32_t *y)
{
  *x = *y = 0;
  if (surface->role == MOSS_ROLE_SUBSURFACE && surface->role_object)
    {
      MossSubsurface *sub = surface->role_object;

      *x = sub->x;
      *y = sub->y;
    }
  else if (surface->role == MOSS_ROLE_POPUP && surface->role_object)
    {
      MossXdgSurface *xdg = surface->role_object;
      MossXdgSurface *parent = xdg->popup_parent ? moss_surface_get_xdg (xdg->popup_parent)
                                                 : NULL;
      MossRect own, outer = { 0 };

      moss_xdg_get_geometry (xdg, &own);
      if (parent)
        moss_xdg_get_geometry (parent, &outer);
      *x = outer.x + xdg->popup.x - own.x;
      *y = outer.y + xdg->popup.y - own.y;
    }
  else if (surface->role == MOSS_ROLE_DRAG_ICON)
    {
      *x = surface->offset_x;
      *y = surface->offset_y;
    }
}

MossSurface *
moss_surface_get_root (MossSurface *surface)
{
  while (surface && surface->role == MOSS_ROLE_SUBSURFACE)
    surface = moss_surface_get_parent (surface);
  return surface;
}

MossSurface *
moss_surface_get_toplevel (MossSurface *surface, int32_t *x, int32_t *y)
{
  int32_t dx, dy;

  *x = *y = 0;
  while (surface && surface->role != MOSS_ROLE_TOPLEVEL)
    {
      moss_surface_get_offset (surface, &dx, &dy);
      *x += dx;
      *y += dy;
      surface = moss_surface_get_parent (surface);
    }
  return surface;
}

bool
moss_surface_is_ancestor (MossSurface *of, MossSurface *maybe)
{
  while (of && of != maybe)
    of = moss_surface_get_parent (of);
  return of != NULL;
}

MossSurface *
moss_surface_pick (MossSurface *surface, double *x, double *y)
{
  MossStackEntry *entry;

  wl_list_for_each_reverse (entry, &surface->stack, link)
    {
      double px = *x, py = *y;
      MossSurface *child = entry->surface;

      if (child == surface)
        {
          if (surface->current.buffer && px >= 0 && py >= 0 && px < surface->width
              && py < surface->height
              && moss_region_contains (&surface->current.input, px, py))
            return surface;
        }
      else if (child->current.buffer)
        {
          int32_t dx, dy;
          MossSurface *found;

          moss_surface_get_offset (child, &dx, &dy);
          px -= dx;
          py -= dy;
          found = moss_surface_pick (child, &px, &py);
          if (found)
            {
              *x = px;
              *y = py;
              return found;
            }
        }
    }
  return NULL;
}

/* ---- frames -------------------------------------------------------------------------- */

bool
moss_surface_wants_frame (MossSurface *surface)
{
  MossStackEntry *entry;

  if (!wl_list_empty (&surface->current.frames))
    return true;
  wl_list_for_each (entry, &surface->stack, link)
    if (entry->surface != surface && moss_surface_wants_frame (entry->surface))
      return true;
  return false;
}

void
moss_surface_frame_done (MossSurface *surface, uint32_t time_ms)
{
  struct wl_resource *callback, *next;
  MossStackEntry *entry;

  wl_resource_for_each_safe (callback, next, &surface->current.frames)
    {
      wl_callback_send_done (callback, time_ms);
      wl_resource_destroy (callback);
    }
  surface->frame_wanted_sent = false;
  wl_list_for_each (entry, &surface->stack, link)
    if (entry->surface != surface)
      moss_surface_frame_done (entry->surface, time_ms);
}

/* Tells the viewer once that somebody below this root waits. */
void
moss_surface_note_frame (MossSurface *surface)
{
  MossSurface *root;

  if (wl_list_empty (&surface->current.frames))
    return;
  root = moss_surface_get_root (surface);
  if (!root || root->role == MOSS_ROLE_NONE || root->frame_wanted_sent)
    return;
  root->frame_wanted_sent = true;
  moss_surface_dirty (root, MOSS_DIRTY_SURFACE);
}

/* ---- seen or not --------------------------------------------------------------------- */

void
moss_surface_dirty (MossSurface *surface, uint32_t bits)
{
  surface->dirty |= bits;
  if (surface->role == MOSS_ROLE_NONE || !surface->display->viewer)
    return;
  if (wl_list_empty (&surface->dirty_link))
    wl_list_insert (surface->display->dirty.prev, &surface->dirty_link);
  moss_display_schedule (surface->display);
}

static bool
is_mapped (MossSurface *surface)
{
  if (!surface->current.buffer || surface->role == MOSS_ROLE_NONE)
    return false;
  if (surface->role == MOSS_ROLE_TOPLEVEL || surface->role == MOSS_ROLE_POPUP)
    {
      MossXdgSurface *xdg = surface->role_object;

      return xdg && xdg->mapped;
    }
  if (surface->role == MOSS_ROLE_SUBSURFACE)
    {
      MossSubsurface *sub = surface->role_object;

      return sub && sub->parent && sub->added;
    }
  return true;
}

void
moss_surface_update_mapped (MossSurface *surface)
{
  bool mapped = is_mapped (surface);

  if (mapped == surface->mapped)
    return;
  surface->mapped = mapped;
  if (surface->role == MOSS_ROLE_TOPLEVEL)
    moss_display_count_toplevels (surface->display, mapped ? 1 : -1);
  if (mapped)
    {
      moss_surface_enter_output (surface);
      if (surface->role == MOSS_ROLE_POPUP)
        moss_keyboard_update_focus (surface->display);
    }
  else
    moss_seat_surface_unmapped (surface);
  moss_surface_dirty (surface, MOSS_DIRTY_SURFACE | MOSS_DIRTY_CONTENT | MOSS_DIRTY_INPUT);
}
