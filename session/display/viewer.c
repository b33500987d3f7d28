// SPDX-License-Identifier: GPL-3.0-or-later
/* The connection of a viewer: its life, its socket and its getters. */
#include "viewer-private.h"

#include <glib-unix.h>
#include <unistd.h>

G_DEFINE_QUARK (moss-viewer-error-quark, moss_viewer_error)
G_DEFINE_TYPE (MossViewer, moss_viewer, G_TYPE_OBJECT)

/* ---- ending -------------------------------------------------------------------------- */

static void
stop_sources (MossViewer *viewer)
{
  GSource **sources[] = { &viewer->source, &viewer->out_source };

  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    if (*sources[i])
      {
        g_source_destroy (*sources[i]);
        g_clear_pointer (sources[i], g_source_unref);
      }
}

static void
remove_all (MossViewer *viewer)
{
  GHashTableIter iter;
  gpointer id;

  for (;;)
    {
      g_hash_table_iter_init (&iter, viewer->surfaces);
      if (!g_hash_table_iter_next (&iter, &id, NULL))
        break;
      moss_viewer_remove_surface (viewer, GPOINTER_TO_UINT (id));
    }
}

/* reason: taken over; NULL when nobody wants to hear it. */
void
moss_viewer_shut (MossViewer *viewer, GError *reason)
{
  g_autoptr (GError) error = reason;
  g_autoptr (MossViewer) self = g_object_ref (viewer);

  if (self->closed)
    return;
  self->closed = TRUE;
  stop_sources (self);
  remove_all (self);
  g_hash_table_remove_all (self->pools);
  if (!self->dispatching)
    g_clear_pointer (&self->wire, moss_wire_free);
  if (error)
    g_signal_emit_by_name (self, "closed", error);
}

static GError *
reason_for_end (MossViewer *viewer)
{
  switch (viewer->bye)
    {
    case MOSS_WIRE_BYE_REPLACED:
      return g_error_new (MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_REPLACED,
                          "Another viewer shows this app now");
    case MOSS_WIRE_BYE_DETACHED:
      return g_error_new (MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_DETACHED,
                          "The app's display detached");
    case MOSS_WIRE_BYE_PROTOCOL:
      return g_error_new (MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_PROTOCOL,
                          "The app's display did not understand this viewer");
    default:
      return g_error_new (MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_CLOSED,
                          "The app's display closed the connection");
    }
}

static GError *
reason_for_nonsense (void)
{
  return g_error_new (MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_PROTOCOL,
                      "The app's display sent a message that is not allowed");
}

/* ---- the socket ---------------------------------------------------------------------- */

static gboolean
on_writable (gint fd, GIOCondition condition, gpointer data)
{
  MossViewer *viewer = data;

  if (moss_wire_flush (viewer->wire) && moss_wire_queued (viewer->wire) > 0)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&viewer->out_source, g_source_unref);
  return G_SOURCE_REMOVE;
}

static gboolean
on_stalled (gpointer data)
{
  MossViewer *viewer = data;

  moss_viewer_shut (viewer, g_error_new (MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_STALLED,
                                         "The app's display reads nothing any more"));
  return G_SOURCE_REMOVE;
}

/* Writing may fail for good only by a full queue; an end shows when reading. */
void
moss_viewer_flush (MossViewer *viewer)
{
  size_t queued;

  if (viewer->closed || viewer->dispatching)
    return;
  moss_wire_flush (viewer->wire);
  queued = moss_wire_queued (viewer->wire);
  if (queued == 0 || viewer->out_source)
    return;
  if (moss_wire_failed (viewer->wire))
    {
      viewer->out_source = g_idle_source_new ();
      g_source_set_callback (viewer->out_source, on_stalled, viewer, NULL);
    }
  else
    {
      viewer->out_source
          = g_unix_fd_source_new (moss_wire_get_fd (viewer->wire), G_IO_OUT);
      g_source_set_callback (viewer->out_source, G_SOURCE_FUNC (on_writable), viewer, NULL);
    }
  g_source_attach (viewer->out_source, viewer->context);
}

static void
take_messages (MossViewer *viewer)
{
  MossWireMessage *message;
  MossWireRead read = MOSS_WIRE_READ_MESSAGE;

  while (!viewer->closed && read == MOSS_WIRE_READ_MESSAGE)
    {
      read = moss_wire_next (viewer->wire, &message);
      if (read == MOSS_WIRE_READ_MESSAGE && !moss_viewer_take_message (viewer, message))
        read = MOSS_WIRE_READ_BAD;
    }
  if (read == MOSS_WIRE_READ_BAD)
    moss_viewer_shut (viewer, reason_for_nonsense ());
}

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer data)
{
  g_autoptr (MossViewer) viewer = g_object_ref (data);
  MossWireRead read;

  viewer->dispatching = TRUE;
  read = moss_wire_fill (viewer->wire);
  if (read == MOSS_WIRE_READ_MESSAGE)
    take_messages (viewer);
  else if (read == MOSS_WIRE_READ_BAD)
    moss_viewer_shut (viewer, reason_for_nonsense ());
  else if (read == MOSS_WIRE_READ_END)
    moss_viewer_shut (viewer, reason_for_end (viewer));
  viewer->dispatching = FALSE;
  if (viewer->closed)
    {
      g_clear_pointer (&viewer->wire, moss_wire_free);
      return G_SOURCE_REMOVE;
    }
  moss_viewer_flush (viewer);
  return G_SOURCE_CONTINUE;
}

/* ---- life ---------------------------------------------------------------------------- */

static void
pool_free (gpointer data)
{
  ViewerPool *pool = data;

  close (pool->fd);
  g_free (pool);
}

static void
moss_viewer_dispose (GObject *object)
{
  moss_viewer_shut (MOSS_VIEWER (object), NULL);
  G_OBJECT_CLASS (moss_viewer_parent_class)->dispose (object);
}

static void
moss_viewer_finalize (GObject *object)
{
  MossViewer *self = MOSS_VIEWER (object);

  g_clear_pointer (&self->wire, moss_wire_free);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_hash_table_unref (self->surfaces);
  g_hash_table_unref (self->pools);
  g_ptr_array_unref (self->touched);
  g_ptr_array_unref (self->toplevels);
  g_free (self->cursor_name);
  g_strfreev (self->selections[0]);
  g_strfreev (self->selections[1]);
  g_strfreev (self->drag_types);
  g_free (self->drop_type);
  g_free ((char *) self->text.surrounding);
  G_OBJECT_CLASS (moss_viewer_parent_class)->finalize (object);
}

static void
add_signal (const char *name, GType result, guint n, GType a, GType b, GType c)
{
  GType types[3] = { a, b, c };

  g_signal_newv (name, MOSS_TYPE_VIEWER, G_SIGNAL_RUN_LAST, NULL,
                 result == G_TYPE_BOOLEAN ? g_signal_accumulator_true_handled : NULL, NULL,
                 NULL, result, n, types);
}

static void
moss_viewer_class_init (MossViewerClass *klass)
{
  static const char *const plain[] = { "ready",        "cursor-changed", "drag-changed",
                                       "drop-changed", "text-input-changed",
                                       "pointer-held-changed" };

  G_OBJECT_CLASS (klass)->dispose = moss_viewer_dispose;
  G_OBJECT_CLASS (klass)->finalize = moss_viewer_finalize;
  for (guint i = 0; i < G_N_ELEMENTS (plain); i++)
    add_signal (plain[i], G_TYPE_NONE, 0, 0, 0, 0);
  add_signal ("closed", G_TYPE_NONE, 1, G_TYPE_ERROR, 0, 0);
  add_signal ("surface-added", G_TYPE_NONE, 1, MOSS_TYPE_VIEWER_SURFACE, 0, 0);
  add_signal ("selection-changed", G_TYPE_NONE, 1, G_TYPE_UINT, 0, 0);
  add_signal ("selection-requested", G_TYPE_BOOLEAN, 3, G_TYPE_UINT, G_TYPE_STRING,
              G_TYPE_INT);
  add_signal ("drop-requested", G_TYPE_BOOLEAN, 2, G_TYPE_STRING, G_TYPE_INT, 0);
  add_signal ("drop-finished", G_TYPE_NONE, 1, G_TYPE_UINT, 0, 0);
}

static void
moss_viewer_init (MossViewer *self)
{
  self->surfaces = g_hash_table_new_full (NULL, NULL, NULL, g_object_unref);
  self->pools = g_hash_table_new_full (NULL, NULL, NULL, pool_free);
  self->touched = g_ptr_array_new_with_free_func (g_object_unref);
  self->toplevels = g_ptr_array_new ();
  self->cursor_name = g_strdup ("default");
  self->text.surrounding = g_strdup ("");
}

MossViewer *
moss_viewer_new (int fd)
{
  MossViewer *viewer = g_object_new (MOSS_TYPE_VIEWER, NULL);

  viewer->context = g_main_context_ref_thread_default ();
  viewer->wire = moss_wire_new (fd);
  if (!viewer->wire)
    g_error ("out of memory");
  moss_wire_begin (viewer->wire, MOSS_WIRE_HELLO, 0);
  moss_wire_put_u32 (viewer->wire, MOSS_WIRE_MAGIC);
  moss_wire_put_u32 (viewer->wire, MOSS_WIRE_VERSION);
  moss_wire_put_u32 (viewer->wire, MOSS_WIRE_ROLE_VIEWER);
  moss_wire_end (viewer->wire);
  viewer->source = g_unix_fd_source_new (fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_callback (viewer->source, G_SOURCE_FUNC (on_readable), viewer, NULL);
  g_source_attach (viewer->source, viewer->context);
  moss_viewer_flush (viewer);
  return viewer;
}

void
moss_viewer_close (MossViewer *viewer)
{
  g_return_if_fail (MOSS_IS_VIEWER (viewer));
  moss_viewer_shut (viewer, NULL);
}

gboolean
moss_viewer_is_ready (MossViewer *viewer)
{
  return viewer->ready && !viewer->closed;
}

gboolean
moss_viewer_is_closed (MossViewer *viewer)
{
  return viewer->closed;
}

/* ---- getters ------------------------------------------------------------------------- */

GPtrArray *
moss_viewer_get_toplevels (MossViewer *viewer)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < viewer->toplevels->len; i++)
    g_ptr_array_add (copy, g_object_ref (viewer->toplevels->pdata[i]));
  return copy;
}

MossViewerSurface *
moss_viewer_lookup (MossViewer *viewer, guint id)
{
  return g_hash_table_lookup (viewer->surfaces, GUINT_TO_POINTER (id));
}

const char *
moss_viewer_get_cursor_name (MossViewer *viewer)
{
  return viewer->cursor_name;
}

MossViewerSurface *
moss_viewer_get_cursor_surface (MossViewer *viewer, int *hotspot_x, int *hotspot_y)
{
  *hotspot_x = viewer->hot_x;
  *hotspot_y = viewer->hot_y;
  return viewer->cursor_id ? moss_viewer_lookup (viewer, viewer->cursor_id) : NULL;
}

MossViewerPointer
moss_viewer_get_pointer_held (MossViewer *viewer,
                              MossViewerSurface **surface,
                              double *x,
                              double *y)
{
  *surface = moss_viewer_lookup (viewer, viewer->held_id);
  *x = viewer->held_x;
  *y = viewer->held_y;
  return *surface && !viewer->closed ? viewer->held_mode : MOSS_VIEWER_POINTER_FREE;
}

const MossViewerTextInput *
moss_viewer_get_text_input (MossViewer *viewer)
{
  return &viewer->text;
}

const char *const *
moss_viewer_get_selection (MossViewer *viewer, MossViewerSelection which)
{
  g_return_val_if_fail (which <= MOSS_VIEWER_SELECTION_PRIMARY, NULL);
  return (const char *const *) viewer->selections[which];
}

gboolean
moss_viewer_get_drag_active (MossViewer *viewer)
{
  return viewer->drag_active && !viewer->closed;
}

const char *const *
moss_viewer_get_drag_mime_types (MossViewer *viewer)
{
  return (const char *const *) viewer->drag_types;
}

MossViewerAction
moss_viewer_get_drag_actions (MossViewer *viewer)
{
  return viewer->drag_actions;
}

MossViewerSurface *
moss_viewer_get_drag_icon (MossViewer *viewer)
{
  return viewer->drag_icon ? moss_viewer_lookup (viewer, viewer->drag_icon) : NULL;
}

const char *
moss_viewer_get_drop_mime_type (MossViewer *viewer)
{
  return viewer->drop_type;
}

MossViewerAction
moss_viewer_get_drop_action (MossViewer *viewer)
{
  return viewer->drop_action;
}
