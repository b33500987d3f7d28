/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-criu"
#include "criu-net.h"
#include "criu.h"
#include "fds.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static gboolean
raise_here (void)
{
  struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
  moss_autofd fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  return fd >= 0 && ioctl (fd, SIOCSIFFLAGS, &request) == 0;
}

gboolean
moss_criu_raise_loopback (pid_t pid, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/ns/net", pid);
  moss_autofd own = open ("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  moss_autofd its = open (path, O_RDONLY | O_CLOEXEC);
  gboolean raised;
  int raise_errno;

  if (own < 0 || its < 0 || setns (its, CLONE_NEWNET) != 0)
    {
      g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED,
                   "can't enter the network namespace of the sandbox: %s",
                   g_strerror (errno));
      return FALSE;
    }
  raised = raise_here ();
  raise_errno = errno;
  if (setns (own, CLONE_NEWNET) != 0)
    g_error ("this thread can't leave a sandbox's network namespace: %s",
             g_strerror (errno));
  if (!raised)
    g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED,
                 "the loopback interface does not come up: %s", g_strerror (raise_errno));
  return raised;
}
