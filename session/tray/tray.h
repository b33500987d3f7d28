/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "vfs/files/client.h"

G_BEGIN_DECLS

/* What a person sees of /net on any desktop: the tray item with its menu, the row in file
 * managers' sidebars (libcloudproviders), and notifications of what needs a person. */
typedef struct _MossTray MossTray;

/* Runs in the main context from now on. bus: the one on which org.moss.Session1 is owned. */
MossTray *moss_tray_start (GDBusConnection *bus);
void moss_tray_stop (MossTray *tray);

/* open.c: shows a file or folder of /net: in an app of the Moss desktop when that is there, else
 * in the person's own. path is not looked at here. */
void moss_tray_open (GDBusConnection *bus, const char *path);

G_END_DECLS
