// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frame.h"
#include "rail.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_WORKSPACE (moss_workspace_get_type ())
G_DECLARE_FINAL_TYPE (MossWorkspace, moss_workspace, MOSS, WORKSPACE, GtkWidget)

void moss_workspace_set_rail (MossWorkspace *self, MossRail *rail);
void moss_workspace_set_insets (MossWorkspace *self, int bottom, int end);
void moss_workspace_get_area (MossWorkspace *self, MossFrameRect *area);

void moss_workspace_add (MossWorkspace *self, MossFrame *frame, gboolean take_focus);
void moss_workspace_remove (MossWorkspace *self, MossFrame *frame);
void moss_workspace_place (MossWorkspace *self, MossFrame *frame, const MossFrameRect *rect);
void moss_workspace_place_new (MossWorkspace *self, MossFrame *frame);
GPtrArray *moss_workspace_get_frames (MossWorkspace *self);

void moss_workspace_focus (MossWorkspace *self, MossFrame *frame);
MossFrame *moss_workspace_get_focused (MossWorkspace *self);
gboolean moss_workspace_is_idle (MossWorkspace *self);
void moss_workspace_raise (MossWorkspace *self, MossFrame *frame);
void moss_workspace_minimize (MossWorkspace *self, MossFrame *frame);
void moss_workspace_set_state (MossWorkspace *self, MossFrame *frame, MossFrameState state);
void moss_workspace_set_on_top (MossWorkspace *self, MossFrame *frame, gboolean on_top);
void moss_workspace_nudge (MossWorkspace *self, MossFrame *frame, int dx, int dy);

gboolean moss_workspace_cancel_grab (MossWorkspace *self);

/* For grab.c alone. */
void moss_workspace_animate (MossWorkspace *self, MossFrame *frame);
MossFrameRect moss_workspace_slot (MossWorkspace *self, MossFrameState state);
void moss_workspace_show_preview (MossWorkspace *self, MossFrameState state,
                                  MossFrame *below);
void moss_workspace_settled (MossWorkspace *self, MossFrame *frame);
void moss_workspace_restore_at (MossWorkspace *self, MossFrame *frame, double x, double y);
MossRail *moss_workspace_get_rail (MossWorkspace *self);

G_END_DECLS
