/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changing a process's cgroup waits some ms for all processors (the kernel's
 * cgroup_threadgroup_rwsem), so a thread does it while CRIU restores. The new place is a leaf beside
 * the sandbox's cgroup: a cgroup with controllers switched on for its children can't hold
 * processes itself. */
#define G_LOG_DOMAIN "moss-criu"
#include "criu-leave.h"
#include "criu-cgroup.h"
#include "criu.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct _MossCriuLeave
{
  pid_t criu_pid;
  int parent_dirfd;
  char name[32];
  GThread *thread;
  GError *error;
};

static gpointer
leave_thread (gpointer data)
{
  MossCriuLeave *leave = data;
  int fd = -1;

  if (mkdirat (leave->parent_dirfd, leave->name, 0755) == 0 || errno == EEXIST)
    fd = openat (leave->parent_dirfd, leave->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    g_set_error (&leave->error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED,
                 "no control group for CRIU: %s", g_strerror (errno));
  else
    {
      moss_cgroup_add (fd, leave->criu_pid, &leave->error);
      close (fd);
    }
  return NULL;
}

MossCriuLeave *
moss_criu_leave_begin (int cgroup_dirfd, pid_t criu_pid)
{
  MossCriuLeave *leave = g_new0 (MossCriuLeave, 1);

  leave->criu_pid = criu_pid;
  leave->parent_dirfd = openat (cgroup_dirfd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
  g_snprintf (leave->name, sizeof leave->name, "criu-%d", (int) criu_pid);
  leave->thread = g_thread_new ("leave", leave_thread, leave);
  return leave;
}

gboolean
moss_criu_leave_wait (MossCriuLeave *leave, GError **error)
{
  if (leave == NULL)
    {
      g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_PROTOCOL,
                   "CRIU restored nothing that could be frozen");
      return FALSE;
    }
  if (leave->thread != NULL)
    g_thread_join (g_steal_pointer (&leave->thread));
  if (leave->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&leave->error));
  return FALSE;
}

static gpointer
end_thread (gpointer data)
{
  MossCriuLeave *leave = data;

  for (int i = 0; i < 400; i++)
    {
      if (unlinkat (leave->parent_dirfd, leave->name, AT_REMOVEDIR) == 0 || errno != EBUSY)
        break;
      g_usleep (5000);
    }
  close (leave->parent_dirfd);
  g_clear_error (&leave->error);
  g_free (leave);
  return NULL;
}

void
moss_criu_leave_end (MossCriuLeave *leave)
{
  if (leave->thread != NULL)
    g_thread_join (g_steal_pointer (&leave->thread));
  g_thread_unref (g_thread_new ("leave-end", end_thread, leave));
}
