// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* MossGioMount: /net/name@domain in a sidebar. It is a path, a name and an icon, and never looks
 * at the path: only who follows the row does. */
#define MOSS_TYPE_GIO_MOUNT (moss_gio_mount_get_type ())
G_DECLARE_FINAL_TYPE (MossGioMount, moss_gio_mount, MOSS, GIO_MOUNT, GObject)

void moss_gio_mount_register (GIOModule *module);
/* home: "/net/name@domain"; icon: the name of a symbolic icon. */
MossGioMount *moss_gio_mount_new (const char *home, const char *name, const char *icon);
const char *moss_gio_mount_get_home (MossGioMount *self);
/* TRUE: it is another one than before. */
gboolean moss_gio_mount_set_icon (MossGioMount *self, const char *icon);

G_END_DECLS
