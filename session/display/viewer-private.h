// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "damage.h"
#include "viewer.h"
#include "wire.h"

/* What one display may make the shell keep; beyond it windows stay without pixels. */
#define MAX_SURFACES 4096
#define MAX_POOLS 1024
#define MAX_PIXEL_BYTES (G_GUINT64_CONSTANT (512) * 1024 * 1024)

typedef struct
{
  int fd;
} ViewerPool;

/* A copy of a buffer's pixels that can be handed out. */
typedef struct
{
  gint refs, users; /* atomic: textures may be freed in another thread */
  guchar *data;
  int width, height;
  MossDamage stale;
} PixelCopy;

typedef struct
{
  guint kind, pool_id, colour;
  guint offset, stride, format;
  int buffer_width, buffer_height, width, height, scale;
  guint transform;
  gboolean has_source;
  double x, y, source_width, source_height; /* logical */
} ViewerContent;

typedef struct
{
  MossRect rect;
  gboolean subtract;
} ViewerRegionOp;

enum
{
  TOUCHED_CHANGED = 1 << 0,
  TOUCHED_COMMIT = 1 << 1,
  TOUCHED_FRAME = 1 << 2,
};

struct _MossViewerSurface
{
  GObject parent;
  MossViewer *viewer; /* not owned; NULL when removed */
  guint id, parent_id, role, flags;
  gboolean added, removed;
  guint touched;
  int x, y;
  ViewerContent content;
  MossDamage damage; /* for take_damage */
  PixelCopy *copies[2];
  int latest; /* index into copies, or -1 */
  GArray *stack_ids;
  GPtrArray *stack;
  gboolean input_infinite;
  GArray *input; /* ViewerRegionOp */
  /* toplevels and popups */
  gboolean server_decorated;
  guint states;
  MossViewerRect geometry;
  int min_width, min_height, max_width, max_height;
  char *title, *app_id;
};

struct _MossViewer
{
  GObject parent;
  MossWire *wire;
  GMainContext *context;
  GSource *source, *out_source;
  gboolean welcomed, ready, closed, dispatching;
  GHashTable *surfaces, *pools;
  GPtrArray *touched;   /* surfaces, referenced */
  GPtrArray *toplevels; /* mapped, not referenced */
  guint64 pixel_bytes;
  guint bye;

  gboolean cursor_stale, held_stale, drag_stale, drop_stale, text_stale;
  guint selection_stale; /* bits */
  char *cursor_name; /* NULL: a surface */
  guint cursor_id;
  int hot_x, hot_y;
  guint held_mode, held_id;
  double held_x, held_y;
  char **selections[2];
  gboolean drag_active;
  guint drag_actions, drag_icon;
  char **drag_types;
  char *drop_type;
  guint drop_action;
  MossViewerTextInput text;
};

/* viewer-in.c: FALSE when the message is not what the protocol allows. */
gboolean moss_viewer_take_message (MossViewer *viewer, MossWireMessage *message);
/* viewer-emit.c */
void moss_viewer_touch (MossViewerSurface *surface, guint bits);
void moss_viewer_emit_batch (MossViewer *viewer);
void moss_viewer_remove_surface (MossViewer *viewer, guint id);
gboolean moss_viewer_emit_fd (MossViewer *viewer, const char *signal, int which,
                              const char *mime_type, int fd);
/* viewer.c */
void moss_viewer_flush (MossViewer *viewer);
void moss_viewer_shut (MossViewer *viewer, GError *reason);
/* viewer-surface.c */
MossViewerSurface *moss_viewer_surface_new (MossViewer *viewer, guint id);
/* viewer-pixels.c */
void moss_viewer_surface_drop_pixels (MossViewerSurface *surface);
void moss_viewer_surface_add_damage (MossViewerSurface *surface, const MossDamage *damage);
