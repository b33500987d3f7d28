// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "menu.h"

G_BEGIN_DECLS

#define MOSS_TYPE_TRAY_ITEM (moss_tray_item_get_type ())
G_DECLARE_FINAL_TYPE (MossTrayItem, moss_tray_item, MOSS, TRAY_ITEM, GtkWidget)

GtkWidget *moss_tray_item_new (GDBusConnection *bus, const char *name, const char *path,
                               MossMenuLayer *menus);
const char *moss_tray_item_get_id (MossTrayItem *self);

G_END_DECLS
