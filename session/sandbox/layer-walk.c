/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reaching files of an upper directory that an app has written to, as root: nothing is
 * ever followed, no mount is crossed. */
#define G_LOG_DOMAIN "moss-layer"
#include "layer-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int
layer_open (int dirfd, const char *path, int flags)
{
  struct open_how how = {
    .flags = flags | O_CLOEXEC | O_NOFOLLOW,
    .resolve
    = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
  };

  return syscall (SYS_openat2, dirfd, *path != '\0' ? path : ".", &how, sizeof how);
}

int
layer_open_parent (int dirfd, const char *path, const char **name)
{
  const char *slash = strrchr (path, '/');
  g_autofree char *parent
      = slash != NULL ? g_strndup (path, slash - path) : g_strdup ("");

  *name = slash != NULL ? slash + 1 : path;
  return layer_open (dirfd, parent, O_PATH | O_DIRECTORY);
}

void
layer_fail (GError **error, const char *path, const char *what, int saved_errno)
{
  g_autofree char *shown = g_strescape (path, NULL);

  g_set_error (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_FAILED, "layer: /%.200s: %s: %s",
               shown, what, g_strerror (saved_errno));
}

gboolean
layer_each_name (int dirfd, LayerVisit visit, gpointer data, GError **error)
{
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry;
  gboolean going = TRUE;

  if (dir == NULL)
    {
      layer_fail (error, "", "a directory can't be read", errno);
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  while (going && (errno = 0, entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      going = visit (dirfd, entry->d_name, data, error);
  if (going && errno != 0)
    {
      layer_fail (error, "", "a directory can't be read", errno);
      going = FALSE;
    }
  closedir (dir);
  return going;
}
