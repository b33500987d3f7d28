/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changing a process's cgroup waits some ms for all processors (the kernel's
 * cgroup_threadgroup_rwsem), and all forks wait with it. A CRIU that was started ahead is
 * put there then; else a thread does it while CRIU goes on. To be born there
 * with CLONE_INTO_CGROUP is no way: Linux 6.18 kills what is born into a cgroup that was
 * ever killed.
 *
 * The place outside is a leaf beside the sandbox's cgroup: a cgroup with controllers
 * switched on for its children can't hold processes itself. It stays there, for all. */
#define G_LOG_DOMAIN "moss-criu"
#include "criu-place.h"
#include "criu-cgroup.h"
#include "criu.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEAF "../criu"

struct _MossCriuPlace
{
  pid_t criu_pid;
  int cgroup_dirfd;
  gboolean outside;
  GThread *thread;
  GError *error;
};

static int
open_outside (int cgroup_dirfd, GError **error)
{
  int fd = -1;

  if (mkdirat (cgroup_dirfd, LEAF, 0755) == 0 || errno == EEXIST)
    fd = openat (cgroup_dirfd, LEAF, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED,
                 "no control group for CRIU: %s", g_strerror (errno));
  return fd;
}

static gpointer
place_thread (gpointer data)
{
  MossCriuPlace *place = data;
  int fd = place->outside ? open_outside (place->cgroup_dirfd, &place->error)
                          : place->cgroup_dirfd;

  if (fd >= 0)
    moss_cgroup_add (fd, place->criu_pid, &place->error);
  if (place->outside && fd >= 0)
    close (fd);
  return NULL;
}

static MossCriuPlace *
begin (int cgroup_dirfd, pid_t criu_pid, gboolean outside)
{
  MossCriuPlace *place = g_new0 (MossCriuPlace, 1);

  place->criu_pid = criu_pid;
  place->cgroup_dirfd = cgroup_dirfd;
  place->outside = outside;
  place->thread = g_thread_new ("criu-place", place_thread, place);
  return place;
}

MossCriuPlace *
moss_criu_place_inside (int cgroup_dirfd, pid_t criu_pid)
{
  return begin (cgroup_dirfd, criu_pid, FALSE);
}

MossCriuPlace *
moss_criu_place_outside (int cgroup_dirfd, pid_t criu_pid)
{
  return begin (cgroup_dirfd, criu_pid, TRUE);
}

gboolean
moss_criu_place_wait (MossCriuPlace *place, GError **error)
{
  gboolean ok;

  if (place == NULL)
    {
      g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_PROTOCOL,
                   "CRIU did things in an unknown order");
      return FALSE;
    }
  g_thread_join (place->thread);
  ok = place->error == NULL;
  if (!ok)
    g_propagate_error (error, place->error);
  g_free (place);
  return ok;
}
