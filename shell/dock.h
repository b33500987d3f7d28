// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell.h"

G_BEGIN_DECLS

#define MOSS_TYPE_DOCK (moss_dock_get_type ())
G_DECLARE_FINAL_TYPE (MossDock, moss_dock, MOSS, DOCK, GtkWidget)

void moss_dock_set_shell (MossDock *self, MossShell *shell);
void moss_dock_activate (MossDock *self, guint position);
void moss_dock_grab_focus (MossDock *self);
void moss_dock_set_notifications (MossDock *self, guint n);
void moss_dock_refresh (MossDock *self);

G_END_DECLS
