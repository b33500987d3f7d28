/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sandbox-cgroup.h"
#include "error.h"
#include "fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_STEP_US 500
#define WAIT_MAX_US (10 * G_USEC_PER_SEC)

/* Where cgroup2 is mounted: on systems with both versions not at /sys/fs/cgroup. */
static char *
find_mount (GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents ("/proc/self/mountinfo", &text, NULL, error))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  for (int i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) fields = NULL;

      if (strstr (lines[i], " - cgroup2 ") == NULL)
        continue;
      fields = g_strsplit (lines[i], " ", 6);
      if (g_strv_length (fields) >= 5)
        return g_strcompress (fields[4]);
    }
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_FAILED,
                       "cgroup version 2 is not mounted on this machine; sandboxes need it");
  return NULL;
}

/* Our own cgroup below that mount, "" for the top. */
static char *
find_own (void)
{
  g_autofree char *text = NULL;
  char *line;

  if (!g_file_get_contents ("/proc/self/cgroup", &text, NULL, NULL)
      || (line = strstr (text, "0::/")) == NULL)
    return g_strdup ("");
  line += strlen ("0::");
  line[strcspn (line, "\n")] = '\0';
  return g_strdup (strcmp (line, "/") == 0 ? "" : line);
}

/* The base of the last daemon, when it is still there. */
static int
open_noted (const char *name, const char *note)
{
  g_autofree char *path = NULL;

  if (!g_file_get_contents (note, &path, NULL, NULL) || path[0] != '/'
      || !g_str_has_suffix (path, name))
    return -1;
  return open (path, O_DIRECTORY | O_CLOEXEC);
}

int
moss_sandbox_cgroup_open_base (const char *name, const char *note, GError **error)
{
  g_autofree char *mount = NULL, *own = NULL, *path = NULL;
  int fd = open_noted (name, note);

  if (fd >= 0)
    return fd;
  mount = find_mount (error);
  if (mount == NULL)
    return -1;
  own = find_own ();
  path = g_strconcat (mount, own, "/", name, NULL);
  if ((mkdir (path, 0755) != 0 && errno != EEXIST)
      || (fd = open (path, O_DIRECTORY | O_CLOEXEC)) < 0)
    {
      moss_sandbox_fail_errno (error, errno, "Can't make the control group %s", path);
      return -1;
    }
  if (g_file_set_contents (note, path, -1, error))
    return fd;
  close (fd);
  return -1;
}

int
moss_sandbox_cgroup_open (int base_fd, const char *name, gboolean create, GError **error)
{
  int fd;

  if ((create && mkdirat (base_fd, name, 0755) != 0 && errno != EEXIST)
      || (fd = openat (base_fd, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
    {
      moss_sandbox_fail_errno (error, errno, "Can't open the control group %s", name);
      return -1;
    }
  return fd;
}

static gboolean
write_file (int cgroup_fd, const char *file, const char *text, GError **error)
{
  moss_autofd fd = openat (cgroup_fd, file, O_WRONLY | O_CLOEXEC);

  if (fd >= 0 && write (fd, text, strlen (text)) > 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't write %s of the sandbox", file);
}

static gssize
read_file (int cgroup_fd, const char *file, char *buffer, gsize size)
{
  moss_autofd fd = openat (cgroup_fd, file, O_RDONLY | O_CLOEXEC);
  gssize n = fd < 0 ? -1 : read (fd, buffer, size - 1);

  buffer[MAX (n, 0)] = '\0';
  return n;
}

static gboolean
event_is (int cgroup_fd, const char *line)
{
  char events[256];

  read_file (cgroup_fd, "cgroup.events", events, sizeof events);
  return strstr (events, line) != NULL;
}

static gboolean
wait_for_event (int cgroup_fd, const char *line)
{
  for (gint64 waited = 0; waited < WAIT_MAX_US; waited += WAIT_STEP_US)
    {
      if (event_is (cgroup_fd, line))
        return TRUE;
      g_usleep (WAIT_STEP_US);
    }
  return FALSE;
}

gboolean
moss_sandbox_cgroup_set_frozen (int cgroup_fd, gboolean frozen, GError **error)
{
  if (!write_file (cgroup_fd, "cgroup.freeze", frozen ? "1" : "0", error))
    return FALSE;
  if (!frozen || wait_for_event (cgroup_fd, "frozen 1"))
    return TRUE;
  write_file (cgroup_fd, "cgroup.freeze", "0", NULL);
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_FAILED,
                       "The sandbox did not stand still within ten seconds");
  return FALSE;
}

gboolean
moss_sandbox_cgroup_get_frozen (int cgroup_fd)
{
  char text[8];

  return read_file (cgroup_fd, "cgroup.freeze", text, sizeof text) > 0 && text[0] == '1';
}

gboolean
moss_sandbox_cgroup_is_empty (int cgroup_fd)
{
  return event_is (cgroup_fd, "populated 0");
}

gboolean
moss_sandbox_cgroup_kill (int cgroup_fd, GError **error)
{
  if (!write_file (cgroup_fd, "cgroup.kill", "1", error))
    return FALSE;
  if (wait_for_event (cgroup_fd, "populated 0"))
    return TRUE;
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_FAILED,
                       "The sandbox did not end within ten seconds of being killed");
  return FALSE;
}

GArray *
moss_sandbox_cgroup_get_pids (int cgroup_fd)
{
  GArray *pids = g_array_new (FALSE, FALSE, sizeof (pid_t));
  moss_autofd fd = openat (cgroup_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  FILE *stream = fd < 0 ? NULL : fdopen (fd, "re");
  int pid;

  if (stream == NULL)
    return pids;
  g_steal_fd (&fd);
  while (fscanf (stream, "%d", &pid) == 1)
    {
      pid_t value = pid;

      g_array_append_val (pids, value);
    }
  fclose (stream);
  return pids;
}

void
moss_sandbox_cgroup_remove (int base_fd, const char *name)
{
  unlinkat (base_fd, name, AT_REMOVEDIR);
}
