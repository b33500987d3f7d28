// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-surface-view"

#include "surface-view.h"

#include "keyboard.h"
#include "surface-input.h"
#include "surface-texture.h"

/* MossSurfaceView: one window or popup of an app. It draws when the app commits and not
   otherwise, and says "frame done" from the frame clock, only while it can be seen. When
   the surface goes away (the sandbox is frozen) the last picture stays. */

#define MAX_DEPTH 8

struct _MossSurfaceView
{
  GtkWidget parent_instance;

  MossViewerSurface *surface; /* NULL: only a picture */
  GdkTexture *picture;
  GskRenderNode *last; /* what was drawn last */
  MossSurfaceInput *input;
  guint tick;
  gboolean whole;
  gboolean still; /* keeps the last picture whatever the app commits */
  GdkTexture *small; /* stands for the window while it is shrunk, without a GPU */
};

G_DEFINE_FINAL_TYPE (MossSurfaceView, moss_surface_view, GTK_TYPE_WIDGET)

static void
snapshot_stack (MossSurfaceView *self, MossViewerSurface *surface, GtkSnapshot *snapshot,
                guint depth)
{
  GPtrArray *stack = moss_viewer_surface_get_stack (surface);

  for (guint i = 0; stack != NULL && i < stack->len; i++)
    {
      MossViewerSurface *entry = g_ptr_array_index (stack, i);
      int x = 0, y = 0;

      if (entry == surface)
        {
          moss_surface_texture_snapshot (entry, snapshot, self->whole);
          continue;
        }
      if (depth >= MAX_DEPTH)
        continue;
      moss_viewer_surface_get_offset (entry, &x, &y);
      gtk_snapshot_save (snapshot);
      gtk_snapshot_translate (snapshot, &GRAPHENE_POINT_INIT (x, y));
      snapshot_stack (self, entry, snapshot, depth + 1);
      gtk_snapshot_restore (snapshot);
    }
}

static GskRenderNode *
draw_surface (MossSurfaceView *self)
{
  GtkSnapshot *snapshot = gtk_snapshot_new ();
  MossViewerRect geometry;

  moss_viewer_surface_get_geometry (self->surface, &geometry);
  gtk_snapshot_translate (snapshot, &GRAPHENE_POINT_INIT (-geometry.x, -geometry.y));
  snapshot_stack (self, self->surface, snapshot, 0);
  return gtk_snapshot_free_to_node (snapshot);
}

static void
moss_surface_view_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  MossSurfaceView *self = MOSS_SURFACE_VIEW (widget);

  if (self->small != NULL)
    {
      gtk_snapshot_append_texture (snapshot, self->small,
                                   &GRAPHENE_RECT_INIT (0, 0, gtk_widget_get_width (widget),
                                                        gtk_widget_get_height (widget)));
      return;
    }
  if (self->surface != NULL && !self->still &&
      !moss_viewer_surface_is_removed (self->surface))
    {
      g_clear_pointer (&self->last, gsk_render_node_unref);
      self->last = draw_surface (self);
    }
  if (self->last != NULL)
    gtk_snapshot_append_node (snapshot, self->last);
  else if (self->picture != NULL)
    gtk_snapshot_append_texture (snapshot, self->picture,
                                 &GRAPHENE_RECT_INIT (0, 0, gtk_widget_get_width (widget),
                                                      gtk_widget_get_height (widget)));
}

static gboolean
on_tick (GtkWidget *widget, GdkFrameClock *clock, gpointer data)
{
  MossSurfaceView *self = MOSS_SURFACE_VIEW (widget);
  MossViewer *viewer;

  self->tick = 0;
  if (self->surface == NULL || !gtk_widget_get_mapped (widget))
    return G_SOURCE_REMOVE;
  viewer = moss_viewer_surface_get_viewer (self->surface);
  if (viewer != NULL && moss_viewer_surface_get_wants_frame (self->surface))
    moss_viewer_frame_done (viewer, self->surface, gdk_frame_clock_get_frame_time (clock));
  return G_SOURCE_REMOVE;
}

static void
ensure_tick (MossSurfaceView *self)
{
  if (self->tick == 0 && self->surface != NULL && gtk_widget_get_mapped (GTK_WIDGET (self)) &&
      moss_viewer_surface_get_wants_frame (self->surface))
    self->tick = gtk_widget_add_tick_callback (GTK_WIDGET (self), on_tick, NULL, NULL);
}

static void
on_commit (MossSurfaceView *self)
{
  gtk_widget_queue_draw (GTK_WIDGET (self));
  ensure_tick (self);
}

static void
moss_surface_view_map (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (moss_surface_view_parent_class)->map (widget);
  ensure_tick (MOSS_SURFACE_VIEW (widget));
}

static gboolean
moss_surface_view_contains (GtkWidget *widget, double x, double y)
{
  MossSurfaceView *self = MOSS_SURFACE_VIEW (widget);

  if (self->surface == NULL || moss_viewer_surface_is_removed (self->surface))
    return x >= 0 && y >= 0 && x < gtk_widget_get_width (widget) &&
           y < gtk_widget_get_height (widget);
  return moss_surface_input_accepts (self->input, x, y);
}

static void
moss_surface_view_measure (GtkWidget *widget, GtkOrientation orientation, int for_size,
                           int *minimum, int *natural, int *minimum_baseline,
                           int *natural_baseline)
{
  *minimum = *natural = 0;
}

/* The app's surface; NULL lets the last picture stand. */
void
moss_surface_view_set_surface (MossSurfaceView *self, MossViewerSurface *surface)
{
  if (self->surface == surface)
    return;
  if (self->surface != NULL)
    {
      g_signal_handlers_disconnect_by_func (self->surface, on_commit, self);
      g_signal_handlers_disconnect_by_func (self->surface, ensure_tick, self);
    }
  g_set_object (&self->surface, surface);
  moss_surface_input_set_surface (self->input, surface);
  if (surface == NULL)
    return;
  g_signal_connect_object (surface, "commit", G_CALLBACK (on_commit), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (surface, "wants-frame", G_CALLBACK (ensure_tick), self,
                           G_CONNECT_SWAPPED);
  /* A popup gets the keyboard through the window that it belongs to. */
  gtk_widget_set_focusable (GTK_WIDGET (self), moss_viewer_surface_get_role (surface) !=
                                                   MOSS_VIEWER_ROLE_POPUP);
  on_commit (self);
}

/* (transfer none) (nullable) */
MossViewerSurface *
moss_surface_view_get_surface (MossSurfaceView *self)
{
  return self->surface;
}

/* picture: (nullable): shown until the app itself has drawn something. */
void
moss_surface_view_set_picture (MossSurfaceView *self, GdkTexture *picture)
{
  g_set_object (&self->picture, picture);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static gboolean
draws_without_gpu (MossSurfaceView *self)
{
  GtkNative *native = gtk_widget_get_native (GTK_WIDGET (self));

  return native != NULL && GSK_IS_CAIRO_RENDERER (gtk_native_get_renderer (native));
}

/* Whole: no seams, for a window that is shrunk or turned. Where cairo draws, scaling it
   down anew for each frame would cost most of the frame: a small picture is made once. */
void
moss_surface_view_set_whole (MossSurfaceView *self, gboolean whole)
{
  if (self->whole == whole)
    return;
  g_clear_object (&self->small);
  if (whole && draws_without_gpu (self))
    self->small = moss_surface_view_make_picture (
        self, (int) (gtk_widget_get_width (GTK_WIDGET (self)) * 0.6));
  self->whole = whole;
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
moss_surface_view_set_still (MossSurfaceView *self, gboolean still)
{
  self->still = still;
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

gboolean
moss_surface_view_has_content (MossSurfaceView *self)
{
  return self->last != NULL || self->picture != NULL;
}

/* Buttons and fingers that are down count as up: the shell has taken the pointer. */
void
moss_surface_view_forget_input (MossSurfaceView *self)
{
  moss_surface_input_forget (self->input);
}

/* (transfer full) (nullable): a small picture of what is shown, at most max_width wide. */
GdkTexture *
moss_surface_view_make_picture (MossSurfaceView *self, int max_width)
{
  GtkNative *native = gtk_widget_get_native (GTK_WIDGET (self));
  int width = gtk_widget_get_width (GTK_WIDGET (self));
  int height = gtk_widget_get_height (GTK_WIDGET (self));
  double scale = MIN (1.0, max_width / (double) MAX (width, 1));
  g_autoptr (GskRenderNode) node = NULL;
  g_autoptr (GskRenderNode) content = NULL;
  gboolean was_whole = self->whole;
  GtkSnapshot *snapshot;

  if (native == NULL || width <= 0 || height <= 0)
    return NULL;
  if (self->surface != NULL && !moss_viewer_surface_is_removed (self->surface))
    {
      self->whole = TRUE; /* scaled tiles would show their seams */
      content = draw_surface (self);
      self->whole = was_whole;
    }
  else if (self->last != NULL)
    content = gsk_render_node_ref (self->last);
  if (content == NULL)
    return NULL;
  snapshot = gtk_snapshot_new ();
  gtk_snapshot_scale (snapshot, scale, scale);
  gtk_snapshot_push_clip (snapshot, &GRAPHENE_RECT_INIT (0, 0, width, height));
  gtk_snapshot_append_node (snapshot, content);
  gtk_snapshot_pop (snapshot);
  node = gtk_snapshot_free_to_node (snapshot);
  if (node == NULL)
    return NULL;
  return gsk_renderer_render_texture (
      gtk_native_get_renderer (native), node,
      &GRAPHENE_RECT_INIT (0, 0, (int) (width * scale), (int) (height * scale)));
}

static void
moss_surface_view_dispose (GObject *object)
{
  MossSurfaceView *self = MOSS_SURFACE_VIEW (object);

  if (self->tick != 0)
    gtk_widget_remove_tick_callback (GTK_WIDGET (self), self->tick);
  self->tick = 0;
  moss_surface_view_set_surface (self, NULL);
  g_clear_pointer (&self->input, moss_surface_input_free);
  g_clear_pointer (&self->last, gsk_render_node_unref);
  g_clear_object (&self->picture);
  g_clear_object (&self->small);
  G_OBJECT_CLASS (moss_surface_view_parent_class)->dispose (object);
}

static void
moss_surface_view_class_init (MossSurfaceViewClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_surface_view_dispose;
  widget_class->snapshot = moss_surface_view_snapshot;
  widget_class->measure = moss_surface_view_measure;
  widget_class->contains = moss_surface_view_contains;
  widget_class->map = moss_surface_view_map;
  gtk_widget_class_set_css_name (widget_class, "surface-view");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_WINDOW);
}

static void
moss_surface_view_init (MossSurfaceView *self)
{
  gtk_widget_set_focusable (GTK_WIDGET (self), TRUE);
  self->input = moss_surface_input_new (GTK_WIDGET (self));
}

GtkWidget *
moss_surface_view_new (void)
{
  return g_object_new (MOSS_TYPE_SURFACE_VIEW, NULL);
}
