/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "vfs/files/client.h"

G_BEGIN_DECLS

/* MossNetItem: the sign of /net in the tray of any desktop, a StatusNotifierItem (KDE's and
 * freedesktop's protocol). It registers with whatever StatusNotifierWatcher comes, hides itself
 * (status "Passive") while there is no identity, and has a menu (item-menu.h). */
#define MOSS_TYPE_NET_ITEM (moss_net_item_get_type ())
G_DECLARE_FINAL_TYPE (MossNetItem, moss_net_item, MOSS, NET_ITEM, GObject)

/* What the shell knows it by. */
#define MOSS_NET_ITEM_ID "moss-net"

MossNetItem *moss_net_item_new (MossFilesClient *client);

G_END_DECLS
