// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "sandbox.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_DOCK_ITEM (moss_dock_item_get_type ())
G_DECLARE_FINAL_TYPE (MossDockItem, moss_dock_item, MOSS, DOCK_ITEM, GtkWidget)

GtkWidget *moss_dock_item_new (const char *app);
const char *moss_dock_item_get_app (MossDockItem *self);
void moss_dock_item_set_pinned (MossDockItem *self, gboolean pinned);
gboolean moss_dock_item_get_pinned (MossDockItem *self);
void moss_dock_item_set_sandboxes (MossDockItem *self, GPtrArray *sandboxes);
GPtrArray *moss_dock_item_get_sandboxes (MossDockItem *self);
void moss_dock_item_set_sign (MossDockItem *self, const char *icon_name,
                              const char *device);
void moss_dock_item_set_focused (MossDockItem *self, gboolean focused);
const char *moss_dock_item_get_name (MossDockItem *self);

G_END_DECLS
