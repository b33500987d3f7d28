/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "vfs/files/client.h"

G_BEGIN_DECLS

/* MossItemMenu: the tray item's menu, exported by libdbusmenu-glib at this path: what is going
 * on, the files, conflicts with what can be done about each, hosts, latest changes, pause. */
#define MOSS_ITEM_MENU_PATH "/org/moss/Tray/Menu"

#define MOSS_TYPE_ITEM_MENU (moss_item_menu_get_type ())
G_DECLARE_FINAL_TYPE (MossItemMenu, moss_item_menu, MOSS, ITEM_MENU, GObject)

MossItemMenu *moss_item_menu_new (MossFilesClient *client);

G_END_DECLS
