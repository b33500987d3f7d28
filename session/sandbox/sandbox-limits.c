/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: a hostile app costs only itself. Its processes, queued signals and open files have
 * limits that it can't raise. What the kernel counts for whoever made the user namespace as well,
 * it counts for root (kernel: kernel/ucount.c): the system's own services would get no inotify
 * instance any more. So a sandbox gets at most a quarter of what root may have. */

#include "sandbox-limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SHARE 4
#define MIN_SHARE 8

static const struct
{
  int resource;
  rlim_t most;
} resources[] = {
  { RLIMIT_NPROC, 2048 },
  { RLIMIT_SIGPENDING, 1024 },
  { RLIMIT_NOFILE, 65536 },
  { RLIMIT_MSGQUEUE, 819200 },
  { RLIMIT_MEMLOCK, 8 << 20 },
  /* 1 and not 0: only this also keeps it from a program that collects crashes on the machine. */
  { RLIMIT_CORE, 1 },
  { RLIMIT_NICE, 0 },
  { RLIMIT_RTPRIO, 0 },
};

static const struct
{
  const char *machine;
  const char *sandbox; /* means the user namespace of who opens it */
} shares[] = {
  { "/proc/sys/fs/inotify/max_user_instances", "/proc/sys/user/max_inotify_instances" },
  { "/proc/sys/fs/inotify/max_user_watches", "/proc/sys/user/max_inotify_watches" },
};

int
moss_limits_set_resources (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (resources); i++)
    {
      struct rlimit limit;

      if (getrlimit (resources[i].resource, &limit) != 0)
        return -1;
      limit.rlim_max = MIN (limit.rlim_max, resources[i].most);
      limit.rlim_cur = MIN (limit.rlim_cur, limit.rlim_max);
      if (setrlimit (resources[i].resource, &limit) != 0)
        return -1;
    }
  return 0;
}

static void
get_share (guint i, char *text, gsize size)
{
  g_autofree char *machine = NULL;
  guint64 most = 0;

  if (g_file_get_contents (shares[i].machine, &machine, NULL, NULL))
    most = g_ascii_strtoull (machine, NULL, 10);
  g_snprintf (text, size, "%" G_GUINT64_FORMAT, MAX (most / SHARE, MIN_SHARE));
}

/* Between fork and exit of a process with threads: system calls only. */
static _Noreturn void
enter_and_write (int pidfd, char values[][24])
{
  if (setns (pidfd, CLONE_NEWUSER) != 0)
    _exit (1);
  for (guint i = 0; i < G_N_ELEMENTS (shares); i++)
    {
      int fd = open (shares[i].sandbox, O_WRONLY | O_CLOEXEC);

      if (fd < 0 || write (fd, values[i], strlen (values[i])) < 0)
        _exit (1);
      close (fd);
    }
  _exit (0);
}

void
moss_limits_set_share (int pidfd)
{
  char values[G_N_ELEMENTS (shares)][24];
  int status = 0;
  pid_t pid;

  for (guint i = 0; i < G_N_ELEMENTS (shares); i++)
    get_share (i, values[i], sizeof values[i]);
  pid = fork ();
  if (pid == 0)
    enter_and_write (pidfd, values);
  if (pid > 0)
    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
      ;
  if (pid < 0 || !WIFEXITED (status) || WEXITSTATUS (status) != 0)
    g_warning ("A sandbox can use up root's share of inotify: its limits can't be set");
}
