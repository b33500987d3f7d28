/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Policy: a network namespace for a sandbox is empty but for loopback, and the user
 * namespace that owns it has no process in it: nothing inside the sandbox may configure it.
 *
 * It is not CRIU that makes it. CRIU walks the kernel's table of connections twice for every
 * network namespace that it finds beside its own, named external or not, which takes 13 ms of
 * a freeze. So it works inside the sandbox's, and then there is none beside its own. */
#define G_LOG_DOMAIN "moss-criu"
#include "criu-net.h"
#include "base.h"
#include "criu.h"
#include "fds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static gboolean
raise_here (void)
{
  struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
  moss_autofd fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  return fd >= 0 && ioctl (fd, SIOCSIFFLAGS, &request) == 0;
}

/* In the child: system calls only. It holds the namespaces until they were opened. */
static _Noreturn void
hold_namespaces (int opened_fd)
{
  char byte;
  gboolean raised = raise_here ();

  while (read (opened_fd, &byte, 1) < 0 && errno == EINTR)
    ;
  _exit (raised ? 0 : 1);
}

static gboolean
write_map (pid_t pid, const char *file)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/%s", (int)pid, file);
  g_autofree char *line
      = g_strdup_printf ("0 %u %u\n", MOSS_SANDBOX_FIRST_ID, MOSS_SANDBOX_N_IDS);
  moss_autofd fd = open (path, O_WRONLY | O_CLOEXEC);

  return fd >= 0 && write (fd, line, strlen (line)) > 0;
}

static gboolean
ended_well (pid_t pid)
{
  int status = -1;

  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      return FALSE;
  return WIFEXITED (status) && WEXITSTATUS (status) == 0;
}

int
moss_criu_make_network (GError **error)
{
  struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_NEWNET, .exit_signal = SIGCHLD };
  int ends[2], fd = -1, number = 0;
  pid_t pid = -1;

  if (pipe2 (ends, O_CLOEXEC) == 0)
    {
      moss_autofd reader = ends[0], writer = ends[1];

      pid = syscall (SYS_clone3, &args, sizeof args);
      if (pid == 0)
        {
          close (writer);
          hold_namespaces (reader);
        }
      number = errno;
      if (pid > 0 && write_map (pid, "uid_map") && write_map (pid, "gid_map"))
        fd = moss_criu_open_network (pid, NULL);
    }
  if (pid > 0 && ended_well (pid) && fd >= 0)
    return fd;
  moss_fd_cleanup (&fd);
  g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED,
               "can't make a network namespace: %s",
               pid < 0 ? g_strerror (number) : "it can't be set up");
  return -1;
}

int
moss_criu_open_network (pid_t pid, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/ns/net", (int)pid);
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  if (fd < 0)
    g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED,
                 "can't open the network namespace of the sandbox: %s", g_strerror (errno));
  return fd;
}
