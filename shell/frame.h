// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "sandbox.h"
#include "viewer.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_FRAME_TITLE_HEIGHT 40

typedef enum
{
  MOSS_FRAME_NORMAL,
  MOSS_FRAME_MAXIMIZED,
  MOSS_FRAME_LEFT,
  MOSS_FRAME_RIGHT,
  MOSS_FRAME_FULLSCREEN,
} MossFrameState;

/* One window on the workspace. x, y is where its visible part begins (title bar included),
   width and height that of the app's window geometry; the workspace writes them. */
#define MOSS_TYPE_FRAME (moss_frame_get_type ())
G_DECLARE_FINAL_TYPE (MossFrame, moss_frame, MOSS, FRAME, GtkWidget)

MossFrame *moss_frame_new (MossSandbox *sandbox, guint id);
MossSandbox *moss_frame_get_sandbox (MossFrame *self);
guint moss_frame_get_id (MossFrame *self);
void moss_frame_set_id (MossFrame *self, guint id);
const char *moss_frame_get_title (MossFrame *self);

void moss_frame_set_surface (MossFrame *self, MossViewerSurface *surface);
MossViewerSurface *moss_frame_get_surface (MossFrame *self);
void moss_frame_set_picture (MossFrame *self, GdkTexture *picture);
GdkTexture *moss_frame_make_picture (MossFrame *self, int max_width);
void moss_frame_set_progress (MossFrame *self, double fraction, const char *text);
void moss_frame_add_popup (MossFrame *self, MossViewerSurface *popup);

/* Geometry */
int moss_frame_get_title_height (MossFrame *self);
void moss_frame_get_outer_size (MossFrame *self, int *width, int *height);
void moss_frame_get_size_limits (MossFrame *self, int *min_width, int *min_height,
                                 int *max_width, int *max_height);
void moss_frame_configure (MossFrame *self, int width, int height, gboolean resizing);
void moss_frame_set_popup_bounds (MossFrame *self, int width, int height);

/* State */
MossFrameState moss_frame_get_state (MossFrame *self);
void moss_frame_set_state (MossFrame *self, MossFrameState state);
gboolean moss_frame_get_minimized (MossFrame *self);
void moss_frame_set_minimized (MossFrame *self, gboolean minimized);
gboolean moss_frame_get_on_top (MossFrame *self);
void moss_frame_set_on_top (MossFrame *self, gboolean on_top);
void moss_frame_set_active (MossFrame *self, gboolean active);
void moss_frame_grab_keyboard (MossFrame *self);
void moss_frame_set_shrunk (MossFrame *self, gboolean shrunk);
void moss_frame_forget_input (MossFrame *self);
void moss_frame_close (MossFrame *self);

/* Written by the workspace alone. */
typedef struct
{
  int x, y, width, height;
} MossFrameRect;

MossFrameRect *moss_frame_rect (MossFrame *self);
MossFrameRect *moss_frame_normal_rect (MossFrame *self);

G_END_DECLS
