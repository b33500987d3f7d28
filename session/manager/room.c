/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "manager.h"

#include <string.h>
#include <sys/statvfs.h>

/* Where moss-sandboxd keeps the files of sandboxes, as a rule; its own folder is root's alone. */
#define SANDBOXES_DISK "/var/lib"

static guint64
free_bytes (const char *path)
{
  g_autofree char *at = g_strdup (path);
  struct statvfs disk;

  /* Of a folder that isn't there yet the nearest that is. */
  while (statvfs (at, &disk) < 0)
    {
      char *parent;

      if (g_str_equal (at, "/") || g_str_equal (at, "."))
        return G_MAXUINT64;
      parent = g_path_get_dirname (at);
      g_free (at);
      at = parent;
    }
  return (guint64) disk.f_bavail * disk.f_frsize;
}

guint64
moss_manager_free_disk_bytes (void)
{
  return MIN (free_bytes (g_get_user_data_dir ()), free_bytes (SANDBOXES_DISK));
}

guint64
moss_manager_free_memory_bytes (void)
{
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/meminfo", &text, NULL, NULL)
      || (line = strstr (text, "MemAvailable:")) == NULL)
    return G_MAXUINT64;
  return g_ascii_strtoull (line + strlen ("MemAvailable:"), NULL, 10) << 10;
}
