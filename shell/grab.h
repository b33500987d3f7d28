// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "workspace.h"

G_BEGIN_DECLS

/* What the pointer does to a window while a button is down. */
typedef struct _MossGrab MossGrab;

MossGrab *moss_grab_new (MossWorkspace *workspace);
void moss_grab_free (MossGrab *self);
void moss_grab_begin_move (MossGrab *self, MossFrame *frame);
void moss_grab_begin_resize (MossGrab *self, MossFrame *frame, MossViewerEdge edges);
gboolean moss_grab_cancel (MossGrab *self);
void moss_grab_drop_frame (MossGrab *self, MossFrame *frame);
MossFrame *moss_grab_get_frame (MossGrab *self);
GskTransform *moss_grab_get_transform (MossGrab *self, MossFrame *frame);
gboolean moss_grab_size (MossGrab *self, MossFrame *frame, int width, int height);

G_END_DECLS
