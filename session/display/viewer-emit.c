// SPDX-License-Identifier: GPL-3.0-or-later
/* From changed state to signals. Handlers may close the viewer; nothing is touched then. */
#include "viewer-private.h"

#include <unistd.h>

void
moss_viewer_touch (MossViewerSurface *surface, guint bits)
{
  if (!surface->touched && surface->viewer)
    g_ptr_array_add (surface->viewer->touched, g_object_ref (surface));
  surface->touched |= bits;
}

static gboolean
is_window (MossViewerSurface *surface)
{
  return surface->role == MOSS_VIEWER_ROLE_TOPLEVEL
         || surface->role == MOSS_VIEWER_ROLE_POPUP;
}

/* A change of a subsurface is one of all it hangs on. */
static void
spread_commits (MossViewer *viewer)
{
  for (guint i = 0; i < viewer->touched->len; i++)
    {
      MossViewerSurface *surface = viewer->touched->pdata[i];
      MossViewerSurface *parent = surface;

      if (!(surface->touched & TOUCHED_COMMIT))
        continue;
      for (guint depth = 0; depth < MAX_SURFACES; depth++)
        {
          if (parent->role != MOSS_VIEWER_ROLE_SUBSURFACE)
            break;
          parent = moss_viewer_surface_get_parent (parent);
          if (!parent || parent->touched & TOUCHED_COMMIT)
            break;
          moss_viewer_touch (parent, TOUCHED_COMMIT);
        }
    }
}

static void
forget (MossViewer *viewer, MossViewerSurface *surface)
{
  surface->added = FALSE;
  surface->removed = TRUE;
  g_ptr_array_remove (viewer->toplevels, surface);
  moss_viewer_surface_drop_pixels (surface);
  surface->viewer = NULL;
}

void
moss_viewer_remove_surface (MossViewer *viewer, guint id)
{
  MossViewerSurface *found = g_hash_table_lookup (viewer->surfaces, GUINT_TO_POINTER (id));
  g_autoptr (MossViewerSurface) surface = found ? g_object_ref (found) : NULL;
  gboolean added = found && found->added;

  if (!surface)
    return;
  g_hash_table_remove (viewer->surfaces, GUINT_TO_POINTER (id));
  forget (viewer, surface);
  if (added)
    g_signal_emit_by_name (surface, "removed");
}

static void
emit_surface (MossViewer *viewer, MossViewerSurface *surface)
{
  guint bits = surface->touched;
  gboolean mapped = (surface->flags & MOSS_WIRE_SURFACE_MAPPED) != 0;

  surface->touched = 0;
  if (surface->removed)
    return;
  if (is_window (surface) && mapped && !surface->added)
    {
      surface->added = TRUE;
      if (surface->role == MOSS_VIEWER_ROLE_TOPLEVEL)
        g_ptr_array_add (viewer->toplevels, surface);
      g_signal_emit_by_name (viewer, "surface-added", surface);
      bits &= TOUCHED_FRAME;
    }
  if (bits & TOUCHED_CHANGED && !surface->removed)
    g_signal_emit_by_name (surface, "changed");
  if (bits & TOUCHED_COMMIT && !surface->removed)
    g_signal_emit_by_name (surface, "commit");
  if (bits & TOUCHED_FRAME && !surface->removed)
    g_signal_emit_by_name (surface, "wants-frame");
}

/* Toplevels first, so that a popup's parent is known before it; parents are older. */
static gint
compare (gconstpointer a, gconstpointer b)
{
  const MossViewerSurface *first = *(MossViewerSurface *const *) a;
  const MossViewerSurface *second = *(MossViewerSurface *const *) b;
  guint x = first->role == MOSS_VIEWER_ROLE_TOPLEVEL ? 0 : first->id;
  guint y = second->role == MOSS_VIEWER_ROLE_TOPLEVEL ? 0 : second->id;

  if (x != y)
    return x < y ? -1 : 1;
  return first->id < second->id ? -1 : first->id > second->id;
}

static void
emit_rest (MossViewer *viewer)
{
  guint selections = viewer->selection_stale;

  viewer->selection_stale = 0;
  for (guint i = 0; i < 2; i++)
    if (selections & (1u << i))
      g_signal_emit_by_name (viewer, "selection-changed", i);
#define EMIT(flag, name)                                                                  \
  if (viewer->flag)                                                                       \
    {                                                                                     \
      viewer->flag = FALSE;                                                               \
      g_signal_emit_by_name (viewer, name);                                               \
    }
  EMIT (cursor_stale, "cursor-changed")
  EMIT (held_stale, "pointer-held-changed")
  EMIT (drag_stale, "drag-changed")
  EMIT (drop_stale, "drop-changed")
  EMIT (text_stale, "text-input-changed")
#undef EMIT
}

void
moss_viewer_emit_batch (MossViewer *viewer)
{
  g_autoptr (GPtrArray) touched = NULL;

  spread_commits (viewer);
  touched = g_steal_pointer (&viewer->touched);
  viewer->touched = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_sort (touched, compare);
  for (guint i = 0; i < touched->len && !viewer->closed; i++)
    {
      MossViewerSurface *surface = touched->pdata[i];

      if (surface->id == viewer->cursor_id && surface->touched & TOUCHED_COMMIT)
        viewer->cursor_stale = TRUE;
      if (surface->id == viewer->drag_icon && surface->touched & TOUCHED_COMMIT
          && viewer->drag_active)
        viewer->drag_stale = TRUE;
      emit_surface (viewer, surface);
    }
  if (!viewer->closed)
    emit_rest (viewer);
  if (!viewer->ready && !viewer->closed)
    {
      viewer->ready = TRUE;
      g_signal_emit_by_name (viewer, "ready");
    }
}

/* which < 0: a drop. The fd is closed unless a handler took it. */
gboolean
moss_viewer_emit_fd (MossViewer *viewer,
                     const char *signal,
                     int which,
                     const char *mime_type,
                     int fd)
{
  gboolean taken = FALSE;

  if (which < 0)
    g_signal_emit_by_name (viewer, signal, mime_type, fd, &taken);
  else
    g_signal_emit_by_name (viewer, signal, (guint) which, mime_type, fd, &taken);
  if (!taken)
    close (fd);
  return taken;
}
