// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "menu.h"

G_BEGIN_DECLS

void moss_dbus_menu_popup (GDBusConnection *bus, const char *name, const char *path,
                           MossMenuLayer *menus, double x, double y, GtkWidget *header);

G_END_DECLS
