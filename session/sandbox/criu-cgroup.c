/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See "Core Interface Files" in the kernel's Documentation/admin-guide/cgroup-v2.rst. */
#define G_LOG_DOMAIN "moss-criu"
#include "criu-cgroup.h"
#include "criu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static gboolean
write_file (int cgroup_dirfd, const char *name, const char *text, GError **error)
{
  int fd = openat (cgroup_dirfd, name, O_WRONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : write (fd, text, strlen (text));
  int saved = errno;

  if (fd >= 0)
    close (fd);
  if (n == (ssize_t)strlen (text))
    return TRUE;
  g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED,
               "%s of the sandbox's control group can't be written: %s", name,
               g_strerror (saved));
  return FALSE;
}

/* Waits until cgroup.events holds the line. The kernel reports a change as POLLPRI. */
static gboolean
wait_event (int cgroup_dirfd, const char *line, guint timeout_ms, GError **error)
{
  gint64 end = g_get_monotonic_time () + timeout_ms * G_TIME_SPAN_MILLISECOND;
  int fd = openat (cgroup_dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);
  gboolean seen = FALSE;

  while (fd >= 0)
    {
      struct pollfd wait = { .fd = fd, .events = POLLPRI };
      gint64 left_ms = (end - g_get_monotonic_time ()) / 1000;
      char text[256] = "";
      ssize_t n = pread (fd, text, sizeof text - 1, 0);

      seen = n > 0 && strstr (text, line) != NULL;
      if (n < 0 || seen || left_ms <= 0)
        break;
      poll (&wait, 1, MIN (left_ms, 100));
    }
  if (fd >= 0)
    close (fd);
  if (!seen)
    g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED,
                 "the sandbox's control group did not become \"%s\" within %u ms", line,
                 timeout_ms);
  return seen;
}

gboolean
moss_cgroup_set_frozen (int cgroup_dirfd, gboolean frozen, GError **error)
{
  return write_file (cgroup_dirfd, "cgroup.freeze", frozen ? "1" : "0", error);
}

gboolean
moss_cgroup_wait_frozen (int cgroup_dirfd, guint timeout_ms, GError **error)
{
  return wait_event (cgroup_dirfd, "frozen 1", timeout_ms, error);
}

gboolean
moss_cgroup_kill (int cgroup_dirfd, guint timeout_ms, GError **error)
{
  if (!write_file (cgroup_dirfd, "cgroup.kill", "1", error))
    return FALSE;
  return wait_event (cgroup_dirfd, "populated 0", timeout_ms, error);
}

gboolean
moss_cgroup_add (int cgroup_dirfd, pid_t pid, GError **error)
{
  char text[16];

  g_snprintf (text, sizeof text, "%d", (int)pid);
  return write_file (cgroup_dirfd, "cgroup.procs", text, error);
}
