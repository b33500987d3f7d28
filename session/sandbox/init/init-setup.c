/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "init.h"

#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static const struct
{
  const char *path;
  mode_t mode;
  uid_t owner;
} dirs[] = {
  { INIT_CONTROL_DIR, 0700, 0 },
  { "/run/user", 0755, 0 },
  { INIT_RUNTIME_DIR, 0700, INIT_APP_ID },
  { "/run/shm", 01777, 0 },
  { "/run/lock", 01777, 0 },
  { "/tmp/.X11-unix", 01777, 0 },
  { INIT_FUNCTIONS_DIR, 0700, INIT_APP_ID },
  { INIT_HOME "/.cache", 0700, INIT_APP_ID },
  { INIT_HOME "/.config", 0700, INIT_APP_ID },
  { INIT_HOME "/.config/glib-2.0", 0700, INIT_APP_ID },
  { INIT_HOME "/.config/glib-2.0/settings", 0700, INIT_APP_ID },
};

static bool
bring_loopback_up (void)
{
  struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool ok = fd >= 0 && ioctl (fd, SIOCSIFFLAGS, &request) == 0;

  if (fd >= 0)
    close (fd);
  return ok;
}

const char *
init_setup_system (void)
{
  for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
    if ((mkdir (dirs[i].path, 0700) != 0 && errno != EEXIST)
        || chown (dirs[i].path, dirs[i].owner, dirs[i].owner) != 0
        || chmod (dirs[i].path, dirs[i].mode) != 0)
      return dirs[i].path;
  return bring_loopback_up () ? NULL : "the loopback interface";
}

const char *
init_setup_drop_capabilities (void)
{
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  const unsigned keep = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_SETPCAP;
  struct __user_cap_data_struct data[2] = { { keep, keep, 0 }, { 0, 0, 0 } };

  for (int cap = 0; cap < 64; cap++)
    if (cap != CAP_SETUID && cap != CAP_SETGID && cap != CAP_SETPCAP)
      prctl (PR_CAPBSET_DROP, cap, 0, 0, 0);
  if (syscall (SYS_capset, &header, data) != 0)
    return "capabilities";
  return NULL;
}

void
init_setup_files_as_app (void)
{
  setfsgid (INIT_APP_ID);
  setfsuid (INIT_APP_ID);
}

void
init_setup_files_as_root (void)
{
  setfsuid (0);
  setfsgid (0);
  prctl (PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int
listen_at (const char *path, int type, mode_t mode)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  strncpy (address.sun_path, path, sizeof address.sun_path - 1);
  unlink (path);
  if (fd >= 0 && bind (fd, (struct sockaddr *) &address, sizeof address) == 0
      && chmod (path, mode) == 0 && listen (fd, 16) == 0)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

int
init_setup_control_socket (void)
{
  return listen_at (INIT_CONTROL_SOCKET, SOCK_STREAM, 0600);
}

int
init_setup_x11_socket (void)
{
  return listen_at ("/tmp/.X11-unix/X0", SOCK_STREAM, 0666);
}

int
init_setup_functions_socket (void)
{
  int fd;

  init_setup_files_as_app ();
  fd = listen_at (INIT_FUNCTIONS_SOCKET, SOCK_SEQPACKET, 0600);
  init_setup_files_as_root ();
  return fd;
}

void
init_setup_remove_functions_socket (void)
{
  init_setup_files_as_app ();
  unlink (INIT_FUNCTIONS_SOCKET);
  init_setup_files_as_root ();
}
