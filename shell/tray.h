// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "menu.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_TRAY (moss_tray_get_type ())
G_DECLARE_FINAL_TYPE (MossTray, moss_tray, MOSS, TRAY, GtkWidget)

GtkWidget *moss_tray_new (void);
/* bus: of the session, with the programs that run beside Moss. */
void moss_tray_start (MossTray *self, GDBusConnection *bus, MossMenuLayer *menus);
/* The bus of one app in a sandbox; app: what to call it. Until it is removed. */
void moss_tray_add_bus (MossTray *self, GDBusConnection *bus, const char *app);
void moss_tray_remove_bus (MossTray *self, GDBusConnection *bus);

G_END_DECLS
