// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Registers the extension "moss" of "gio-vfs": what GIO takes for its default GVfs instead of
 * gvfs' or its own, and which is that one in all but the scheme "moss". */
void moss_gio_vfs_register (GIOModule *module);
/* Teaches the scheme to a default GVfs that isn't ours (GIO_USE_VFS=local). */
void moss_gio_vfs_teach (GVfs *vfs);

G_END_DECLS
