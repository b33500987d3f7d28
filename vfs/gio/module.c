// SPDX-License-Identifier: LGPL-2.1-or-later
/* The GIO module of Moss: "moss:" leads to the path below /net, and /net stands in the sidebar
 * of file dialogs and file managers.
 *
 * Policy: it is loaded into every program that uses GIO, also into privileged ones and into such
 * as are not ours to disturb. It stays small, links GIO alone, starts no process and no thread,
 * blocks nowhere, never touches the mount, and all that it shows comes from one service of the
 * same person on the session bus, cleaned and bounded. */

#include "monitor.h"
#include "mount.h"
#include "vfs.h"

G_MODULE_EXPORT void
g_io_module_load (GIOModule *module)
{
  /* Types and objects of it live in the program: it can't be unloaded. */
  g_type_module_use (G_TYPE_MODULE (module));
  moss_gio_mount_register (module);
  moss_gio_vfs_register (module);
  moss_gio_monitor_register (module);
}

G_MODULE_EXPORT void
g_io_module_unload (GIOModule *module)
{
}

G_MODULE_EXPORT char **
g_io_module_query (void)
{
  static const char *const points[] = { G_VFS_EXTENSION_POINT_NAME,
                                        G_VOLUME_MONITOR_EXTENSION_POINT_NAME, NULL };

  return g_strdupv ((char **) points);
}
