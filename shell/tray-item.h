// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "menu.h"

G_BEGIN_DECLS

#define MOSS_TYPE_TRAY_ITEM (moss_tray_item_get_type ())
G_DECLARE_FINAL_TYPE (MossTrayItem, moss_tray_item, MOSS, TRAY_ITEM, GtkWidget)

/* app: (nullable): the app in a sandbox that it belongs to; NULL: one of the session's. */
GtkWidget *moss_tray_item_new (GDBusConnection *bus, const char *name, const char *path,
                               MossMenuLayer *menus, const char *app);
const char *moss_tray_item_get_id (MossTrayItem *self);
GDBusConnection *moss_tray_item_get_bus (MossTrayItem *self); /* borrowed */
/* Whether the id names it: by the name that it registered, or by that name's owner. */
gboolean moss_tray_item_is_same (MossTrayItem *self, const char *id);

G_END_DECLS
