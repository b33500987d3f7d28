// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "menu.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_TRAY (moss_tray_get_type ())
G_DECLARE_FINAL_TYPE (MossTray, moss_tray, MOSS, TRAY, GtkWidget)

GtkWidget *moss_tray_new (void);
void moss_tray_start (MossTray *self, GDBusConnection *bus, MossMenuLayer *menus);

G_END_DECLS
