// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "session-client.h"
#include "workspace.h"

G_BEGIN_DECLS

#define MOSS_TYPE_WINDOWS (moss_windows_get_type ())
G_DECLARE_FINAL_TYPE (MossWindows, moss_windows, MOSS, WINDOWS, GObject)

MossWindows *moss_windows_new (MossSessionClient *session, MossWorkspace *workspace);
void moss_windows_update_output (MossWindows *self);
void moss_windows_update_keyboard (MossWindows *self);
void moss_windows_expect (MossWindows *self, const char *sandbox);
MossFrame *moss_windows_find (MossWindows *self, const char *sandbox);
void moss_windows_save_picture (MossWindows *self, MossFrame *frame);

G_END_DECLS
