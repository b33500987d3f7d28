// SPDX-License-Identifier: GPL-3.0-or-later
#include "viewer-private.h"

G_DEFINE_TYPE (MossViewerSurface, moss_viewer_surface, G_TYPE_OBJECT)

static void
moss_viewer_surface_finalize (GObject *object)
{
  MossViewerSurface *self = MOSS_VIEWER_SURFACE (object);

  moss_viewer_surface_drop_pixels (self);
  g_array_unref (self->stack_ids);
  g_ptr_array_unref (self->stack);
  g_array_unref (self->input);
  g_free (self->title);
  g_free (self->app_id);
  G_OBJECT_CLASS (moss_viewer_surface_parent_class)->finalize (object);
}

static void
add_signal (const char *name, guint n, GType a, GType b)
{
  GType types[2] = { a, b };

  g_signal_newv (name, MOSS_TYPE_VIEWER_SURFACE, G_SIGNAL_RUN_LAST, NULL, NULL, NULL, NULL,
                 G_TYPE_NONE, n, types);
}

static void
moss_viewer_surface_class_init (MossViewerSurfaceClass *klass)
{
  static const char *const plain[]
      = { "commit",       "changed",          "removed",
          "wants-frame",  "request-move",     "request-minimize" };

  G_OBJECT_CLASS (klass)->finalize = moss_viewer_surface_finalize;
  for (guint i = 0; i < G_N_ELEMENTS (plain); i++)
    add_signal (plain[i], 0, 0, 0);
  add_signal ("request-resize", 1, G_TYPE_UINT, 0);
  add_signal ("request-menu", 2, G_TYPE_INT, G_TYPE_INT);
  add_signal ("request-maximize", 1, G_TYPE_BOOLEAN, 0);
  add_signal ("request-fullscreen", 1, G_TYPE_BOOLEAN, 0);
  add_signal ("request-activate", 1, G_TYPE_BOOLEAN, 0);
}

static void
moss_viewer_surface_init (MossViewerSurface *self)
{
  self->stack_ids = g_array_new (FALSE, FALSE, sizeof (guint));
  self->stack = g_ptr_array_new ();
  self->input = g_array_new (FALSE, FALSE, sizeof (ViewerRegionOp));
  self->input_infinite = TRUE;
  self->latest = -1;
  self->title = g_strdup ("");
  self->app_id = g_strdup ("");
}

MossViewerSurface *
moss_viewer_surface_new (MossViewer *viewer, guint id)
{
  MossViewerSurface *surface = g_object_new (MOSS_TYPE_VIEWER_SURFACE, NULL);

  surface->viewer = viewer;
  surface->id = id;
  return surface;
}

/* ---- getters ------------------------------------------------------------------------- */

guint
moss_viewer_surface_get_id (MossViewerSurface *surface)
{
  return surface->id;
}

MossViewer *
moss_viewer_surface_get_viewer (MossViewerSurface *surface)
{
  return surface->viewer;
}

MossViewerRole
moss_viewer_surface_get_role (MossViewerSurface *surface)
{
  return surface->role;
}

gboolean
moss_viewer_surface_is_removed (MossViewerSurface *surface)
{
  return surface->removed;
}

const char *
moss_viewer_surface_get_title (MossViewerSurface *surface)
{
  return surface->title;
}

const char *
moss_viewer_surface_get_app_id (MossViewerSurface *surface)
{
  return surface->app_id;
}

MossViewerSurface *
moss_viewer_surface_get_parent (MossViewerSurface *surface)
{
  if (!surface->viewer || !surface->parent_id)
    return NULL;
  return moss_viewer_lookup (surface->viewer, surface->parent_id);
}

void
moss_viewer_surface_get_geometry (MossViewerSurface *surface, MossViewerRect *rect)
{
  *rect = surface->geometry;
  if (rect->width <= 0 || rect->height <= 0)
    *rect = (MossViewerRect){ 0, 0, surface->content.width, surface->content.height };
}

void
moss_viewer_surface_get_min_size (MossViewerSurface *surface, int *width, int *height)
{
  *width = surface->min_width;
  *height = surface->min_height;
}

void
moss_viewer_surface_get_max_size (MossViewerSurface *surface, int *width, int *height)
{
  *width = surface->max_width;
  *height = surface->max_height;
}

MossViewerState
moss_viewer_surface_get_states (MossViewerSurface *surface)
{
  return surface->states;
}

gboolean
moss_viewer_surface_get_server_decorated (MossViewerSurface *surface)
{
  return surface->server_decorated;
}

gboolean
moss_viewer_surface_get_inhibits_idle (MossViewerSurface *surface)
{
  return (surface->flags & MOSS_WIRE_SURFACE_INHIBITS_IDLE) != 0;
}

gboolean
moss_viewer_surface_get_inhibits_shortcuts (MossViewerSurface *surface)
{
  return (surface->flags & MOSS_WIRE_SURFACE_INHIBITS_SHORTCUTS) != 0;
}

gboolean
moss_viewer_surface_get_responsive (MossViewerSurface *surface)
{
  return !(surface->flags & MOSS_WIRE_SURFACE_HANGS);
}

gboolean
moss_viewer_surface_get_grabs (MossViewerSurface *surface)
{
  return (surface->flags & MOSS_WIRE_SURFACE_GRABS) != 0;
}

gboolean
moss_viewer_surface_get_wants_frame (MossViewerSurface *surface)
{
  return (surface->flags & MOSS_WIRE_SURFACE_WANTS_FRAME) != 0;
}

GPtrArray *
moss_viewer_surface_get_stack (MossViewerSurface *surface)
{
  g_ptr_array_set_size (surface->stack, 0);
  for (guint i = 0; i < surface->stack_ids->len; i++)
    {
      guint id = g_array_index (surface->stack_ids, guint, i);
      MossViewerSurface *child
          = surface->viewer ? moss_viewer_lookup (surface->viewer, id) : NULL;

      if (id == surface->id)
        g_ptr_array_add (surface->stack, surface);
      else if (child && child->role == MOSS_VIEWER_ROLE_SUBSURFACE
               && child->parent_id == surface->id
               && child->flags & MOSS_WIRE_SURFACE_MAPPED)
        g_ptr_array_add (surface->stack, child);
    }
  if (surface->stack->len == 0)
    g_ptr_array_add (surface->stack, surface);
  return surface->stack;
}

void
moss_viewer_surface_get_offset (MossViewerSurface *surface, int *x, int *y)
{
  *x = surface->x;
  *y = surface->y;
}

void
moss_viewer_surface_get_size (MossViewerSurface *surface, int *width, int *height)
{
  *width = surface->content.width;
  *height = surface->content.height;
}

void
moss_viewer_surface_get_buffer_size (MossViewerSurface *surface, int *width, int *height)
{
  *width = surface->content.buffer_width;
  *height = surface->content.buffer_height;
}

void
moss_viewer_surface_get_source (MossViewerSurface *surface, MossViewerArea *area)
{
  const ViewerContent *content = &surface->content;
  gboolean turned = content->transform & 1;

  *area = (MossViewerArea){ 0, 0, turned ? content->buffer_height : content->buffer_width,
                            turned ? content->buffer_width : content->buffer_height };
  if (content->has_source)
    *area = (MossViewerArea){ content->x * content->scale, content->y * content->scale,
                              content->source_width * content->scale,
                              content->source_height * content->scale };
}

MossViewerTransform
moss_viewer_surface_get_transform (MossViewerSurface *surface)
{
  return surface->content.transform;
}

int
moss_viewer_surface_get_scale (MossViewerSurface *surface)
{
  return MAX (surface->content.scale, 1);
}

gboolean
moss_viewer_surface_get_opaque (MossViewerSurface *surface)
{
  return (surface->flags & MOSS_WIRE_SURFACE_OPAQUE) != 0;
}

gboolean
moss_viewer_surface_accepts_input (MossViewerSurface *surface, double x, double y)
{
  gboolean in = surface->input_infinite;

  if (surface->content.kind == MOSS_WIRE_CONTENT_NONE || x < 0 || y < 0
      || x >= surface->content.width || y >= surface->content.height)
    return FALSE;
  for (guint i = 0; i < surface->input->len; i++)
    {
      const ViewerRegionOp *op = &g_array_index (surface->input, ViewerRegionOp, i);

      if (x >= op->rect.x && y >= op->rect.y && x < (double) op->rect.x + op->rect.width
          && y < (double) op->rect.y + op->rect.height)
        in = !op->subtract;
    }
  return in;
}
