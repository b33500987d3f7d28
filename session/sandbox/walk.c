/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "walk.h"
#include "fds.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

typedef struct
{
  MossWalkFunc func;
  gpointer data;
  GString *path;
} Walk;

static gboolean walk_dir (Walk *walk, int fd, guint depth);

static gboolean
visit (Walk *walk, int dir_fd, const char *name, guint depth)
{
  struct stat st;
  moss_autofd fd = -1;

  if (fstatat (dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return TRUE; /* gone meanwhile */
  if (!S_ISDIR (st.st_mode))
    return walk->func (MOSS_WALK_ENTRY, dir_fd, name, walk->path->str, &st, walk->data);
  if (!walk->func (MOSS_WALK_BEFORE, dir_fd, name, walk->path->str, &st, walk->data))
    return TRUE;
  if (depth >= MOSS_WALK_MAX_DEPTH)
    return FALSE;
  fd = openat (dir_fd, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && !walk_dir (walk, fd, depth + 1))
    return FALSE;
  return walk->func (MOSS_WALK_AFTER, dir_fd, name, walk->path->str, &st, walk->data);
}

static gboolean
walk_dir (Walk *walk, int fd, guint depth)
{
  int own = openat (fd, ".", O_DIRECTORY | O_CLOEXEC);
  DIR *dir = own >= 0 ? fdopendir (own) : NULL;
  gsize length = walk->path->len;
  gboolean goes_on = TRUE;
  struct dirent *entry;

  while (dir != NULL && goes_on && (entry = readdir (dir)) != NULL)
    {
      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        continue;
      if (length > 0)
        g_string_append_c (walk->path, '/');
      g_string_append (walk->path, entry->d_name);
      goes_on = visit (walk, fd, entry->d_name, depth);
      g_string_truncate (walk->path, length);
    }
  if (dir != NULL)
    closedir (dir);
  return goes_on;
}

gboolean
moss_walk (int dir_fd, MossWalkFunc func, gpointer data)
{
  g_autoptr (GString) path = g_string_new (NULL);
  Walk walk = { func, data, path };

  return walk_dir (&walk, dir_fd, 0);
}
