// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "workspace.h"

G_BEGIN_DECLS

#define MOSS_TYPE_SWITCHER (moss_switcher_get_type ())
G_DECLARE_FINAL_TYPE (MossSwitcher, moss_switcher, MOSS, SWITCHER, GtkWidget)

GtkWidget *moss_switcher_new (MossWorkspace *workspace);
void moss_switcher_step (MossSwitcher *self, int step);
void moss_switcher_choose (MossSwitcher *self);

G_END_DECLS
