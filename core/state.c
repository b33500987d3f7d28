// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/state.h"

#include <errno.h>
#include <glib/gstdio.h>

/**
 * moss_state_dir:
 * @chosen: (nullable): from a command line; else MOSS_STATE_DIR, else $XDG_DATA_HOME/moss
 * @part: (nullable): a directory in it
 *
 * Returns: (transfer full): the directory, made with mode 0700 if it wasn't there
 */
char *
moss_state_dir (const char *chosen, const char *part, GError **error)
{
  const char *base = chosen != NULL ? chosen : g_getenv ("MOSS_STATE_DIR");
  g_autofree char *standard = g_build_filename (g_get_user_data_dir (), "moss", NULL);
  g_autofree char *dir =
      g_build_filename (base != NULL && *base != '\0' ? base : standard, part, NULL);

  if (g_mkdir_with_parents (dir, 0700) == 0)
    return g_steal_pointer (&dir);
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
               "the directory %s can't be made: %s", dir, g_strerror (errno));
  return NULL;
}
