/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Listening sockets that were renamed. Qt's local servers, which many of its apps have to run once
 * only, bind their socket in a folder of their own, give the file its real name and remove the
 * folder. CRIU restores such a one by binding it anew where it was bound, and finds no folder. So
 * before a dump the file goes back there, and a symbolic link stands at its real name: who connects
 * notices nothing, here or at the target.
 *
 * Policy: the folders belong to an app, and root works in them. All paths are resolved inside the
 * sandbox's root and its one mount; only a socket is renamed, and only while the app stands still;
 * nothing is replaced. */

#include "listeners.h"
#include "fds.h"
#include "sandbox-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/un.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MAX_LISTENERS 64
#define LISTENS 0x10000 /* __SO_ACCEPTCON in the table of the kernel */

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

typedef struct
{
  char *bound; /* the path that it was bound to */
  char *name;  /* that its file has now */
} Listener;

static void
listener_free (gpointer data)
{
  Listener *listener = data;

  g_free (listener->bound);
  g_free (listener->name);
  g_free (listener);
}

/* ---- paths inside -------------------------------------------------------------------- */

static int
open_inside (MossSandbox *sandbox, const char *path, int flags)
{
  g_autofree char *root_path = g_strdup_printf ("/proc/%d/root", sandbox->pid);
  moss_autofd root = open (root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct open_how how = { .flags = O_PATH | O_CLOEXEC | flags,
                          .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_XDEV };
  int fd = root < 0 ? -1 : syscall (SYS_openat2, root, path, &how, sizeof how);

  if (root < 0)
    errno = ESRCH;
  return fd;
}

static int
open_folder_of (MossSandbox *sandbox, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);

  return open_inside (sandbox, folder, O_DIRECTORY);
}

gboolean
moss_listeners_is_gone (MossSandbox *sandbox, const char *path)
{
  moss_autofd fd = open_inside (sandbox, path, O_NOFOLLOW);

  return fd < 0 && errno == ENOENT;
}

/* ---- sockets ------------------------------------------------------------------------- */

static char *
dup_bound (int socket_fd)
{
  struct sockaddr_un address;
  socklen_t size = sizeof address, one = sizeof (int);
  int listens = 0;

  if (getsockopt (socket_fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &one) != 0 || !listens
      || getsockname (socket_fd, (struct sockaddr *) &address, &size) != 0
      || size <= G_STRUCT_OFFSET (struct sockaddr_un, sun_path) || address.sun_path[0] != '/')
    return NULL;
  return g_strndup (address.sun_path, size - G_STRUCT_OFFSET (struct sockaddr_un, sun_path));
}

/* The kernel tells the file that a socket was bound to, by whatever name it has. */
char *
moss_listeners_dup_name (MossSandbox *sandbox, int socket_fd)
{
  moss_autofd file = ioctl (socket_fd, SIOCUNIXFILE);
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", file);
  g_autofree char *name = file < 0 ? NULL : g_file_read_link (link, NULL);
  moss_autofd found = name == NULL ? -1 : open_inside (sandbox, name, O_NOFOLLOW);
  struct stat one, other;

  if (found < 0 || fstat (file, &one) != 0 || fstat (found, &other) != 0
      || !S_ISSOCK (one.st_mode) || one.st_dev != other.st_dev || one.st_ino != other.st_ino)
    return NULL;
  return g_steal_pointer (&name);
}

static gboolean
has_folder (MossSandbox *sandbox, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);

  return !moss_listeners_is_gone (sandbox, folder);
}

static Listener *
examine (MossSandbox *sandbox, int socket_fd)
{
  g_autofree char *bound = dup_bound (socket_fd);
  g_autofree char *name = NULL;
  Listener *listener;

  if (bound == NULL || has_folder (sandbox, bound))
    return NULL;
  name = moss_listeners_dup_name (sandbox, socket_fd);
  if (name == NULL)
    return NULL;
  listener = g_new0 (Listener, 1);
  listener->bound = g_steal_pointer (&bound);
  listener->name = g_steal_pointer (&name);
  return listener;
}

/* ---- finding them -------------------------------------------------------------------- */

/* The inodes, as text, of the listeners in the namespace whose folder is gone. An app may put what
 * it likes into a path; it only decides where is looked. */
static GHashTable *
read_table (MossSandbox *sandbox)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/net/unix", sandbox->pid);
  GHashTable *inodes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return inodes;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL && g_hash_table_size (inodes) < MAX_LISTENERS; i++)
    {
      unsigned long flags, inode;
      int at = 0;

      if (sscanf (lines[i], "%*p: %*x %*x %lx %*x %*x %lu %n", &flags, &inode, &at) == 2 && at > 0
          && (flags & LISTENS) != 0 && lines[i][at] == '/'
          && !has_folder (sandbox, lines[i] + at))
        g_hash_table_add (inodes, g_strdup_printf ("socket:[%lu]", inode));
    }
  return inodes;
}

static void
look_through (MossSandbox *sandbox, pid_t pid, GHashTable *inodes, GPtrArray *listeners)
{
  g_autofree char *dir_path = g_strdup_printf ("/proc/%d/fd", pid);
  g_autoptr (GDir) dir = g_dir_open (dir_path, 0, NULL);
  moss_autofd pidfd = syscall (SYS_pidfd_open, pid, 0);
  const char *number;

  while (dir != NULL && (number = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (dir_path, number, NULL);
      g_autofree char *link = g_file_read_link (path, NULL);
      Listener *listener;

      if (link == NULL || !g_hash_table_remove (inodes, link))
        continue;
      moss_autofd fd = syscall (SYS_pidfd_getfd, pidfd, atoi (number), 0);
      listener = fd < 0 ? NULL : examine (sandbox, fd);
      if (listener != NULL)
        g_ptr_array_add (listeners, listener);
    }
}

GPtrArray *
moss_listeners_find (MossSandbox *sandbox)
{
  g_autoptr (GHashTable) inodes = read_table (sandbox);
  g_autoptr (GArray) pids = NULL;
  GPtrArray *listeners;

  if (g_hash_table_size (inodes) == 0)
    return NULL;
  pids = moss_sandbox_cgroup_get_pids (sandbox->cgroup_fd);
  listeners = g_ptr_array_new_with_free_func (listener_free);
  for (guint i = 0; i < pids->len && g_hash_table_size (inodes) > 0; i++)
    look_through (sandbox, g_array_index (pids, pid_t, i), inodes, listeners);
  return listeners;
}

/* ---- putting them back --------------------------------------------------------------- */

/* Only its owner may look into it, as into one of mkdtemp(3). */
static int
make_folder (int parent, const char *name, const struct stat *owner)
{
  int fd = -1;

  if (parent >= 0 && mkdirat (parent, name, 0700) == 0)
    fd = openat (parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0)
    fchownat (parent, name, owner->st_uid, owner->st_gid, AT_SYMLINK_NOFOLLOW);
  return fd;
}

static void
put_back (MossSandbox *sandbox, const Listener *listener)
{
  g_autofree char *folder = g_path_get_dirname (listener->bound);
  g_autofree char *folder_name = g_path_get_basename (folder);
  g_autofree char *file = g_path_get_basename (listener->bound);
  g_autofree char *name = g_path_get_basename (listener->name);
  moss_autofd parent = open_folder_of (sandbox, folder);
  moss_autofd here = open_folder_of (sandbox, listener->name);
  moss_autofd there = -1;
  struct stat st;

  if (here < 0 || fstatat (here, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISSOCK (st.st_mode))
    return;
  there = make_folder (parent, folder_name, &st);
  if (there < 0)
    return;
  if (renameat2 (here, name, there, file, RENAME_NOREPLACE) != 0)
    unlinkat (parent, folder_name, AT_REMOVEDIR);
  else if (symlinkat (listener->bound, here, name) == 0)
    fchownat (here, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
  else if (renameat2 (there, file, here, name, RENAME_NOREPLACE) == 0)
    unlinkat (parent, folder_name, AT_REMOVEDIR);
}

void
moss_listeners_put_back (MossSandbox *sandbox, GPtrArray *listeners)
{
  for (guint i = 0; listeners != NULL && i < listeners->len; i++)
    put_back (sandbox, listeners->pdata[i]);
}
