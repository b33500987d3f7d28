// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/program.h"

#include "moss-config.h"

/**
 * moss_program_find:
 * @program: the name of one of our own processes
 *
 * Returns: (transfer full) (nullable): its path: in MOSS_LIBEXECDIR of the environment, where it
 *   was installed, or in PATH
 */
char *
moss_program_find (const char *program)
{
  const char *dir = g_getenv ("MOSS_LIBEXECDIR");
  const char *dirs[] = { dir != NULL ? dir : MOSS_LIBEXECDIR, MOSS_LIBEXECDIR };

  for (guint i = 0; i < G_N_ELEMENTS (dirs); i++)
    {
      g_autofree char *path = g_build_filename (dirs[i], program, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_EXECUTABLE))
        return g_steal_pointer (&path);
    }
  return g_find_program_in_path (program);
}
