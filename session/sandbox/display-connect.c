/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: what lies in a sandbox's file tree is the app's to arrange. Root follows no link in it,
 * leaves it by no "..", and connects only to a socket that the sandbox's own root made. */

#include "display-connect.h"
#include "base.h"
#include "error.h"
#include "fds.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

static int
open_socket_file (pid_t pid, GError **error)
{
  struct open_how how = {
    .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
  };
  g_autofree char *path = g_strdup_printf ("/proc/%d/root", pid);
  moss_autofd root = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct stat st;
  int fd = root < 0 ? -1 : syscall (SYS_openat2, root, "run/moss/display", &how, sizeof how);

  if (fd < 0)
    {
      moss_sandbox_fail_errno (error, errno, "Can't find the display of the sandbox");
      return -1;
    }
  if (fstat (fd, &st) == 0 && S_ISSOCK (st.st_mode) && st.st_uid == MOSS_SANDBOX_FIRST_ID)
    return fd;
  close (fd);
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_DENIED,
                       "What stands in the place of the display is not its socket");
  return -1;
}

int
moss_display_connect (pid_t pid, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  moss_autofd file = open_socket_file (pid, error);
  moss_autofd fd = -1;

  if (file < 0)
    return -1;
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  g_snprintf (address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", file);
  if (fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
    return g_steal_fd (&fd);
  moss_sandbox_fail_errno (error, errno, "Can't connect to the display of the sandbox");
  return -1;
}

#define DETACH_TIMEOUT_MS 1000

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossWire, moss_wire_free)

static gboolean
send_detach (MossWire *wire)
{
  moss_wire_begin (wire, MOSS_WIRE_HELLO, 0);
  moss_wire_put_u32 (wire, MOSS_WIRE_MAGIC);
  moss_wire_put_u32 (wire, MOSS_WIRE_VERSION);
  moss_wire_put_u32 (wire, MOSS_WIRE_ROLE_CONTROL);
  moss_wire_end (wire);
  moss_wire_begin (wire, MOSS_WIRE_DETACH, 0);
  moss_wire_end (wire);
  return moss_wire_flush (wire);
}

/* Waits for one kind of message; others are passed over. END: it closed the connection. */
static MossWireRead
wait_for (MossWire *wire, uint16_t type, gint64 end_us)
{
  MossWireMessage *message;

  for (;;)
    {
      struct pollfd poll_fd = { moss_wire_get_fd (wire), POLLIN, 0 };
      gint64 left_ms = (end_us - g_get_monotonic_time ()) / 1000;
      MossWireRead read;

      while ((read = moss_wire_next (wire, &message)) == MOSS_WIRE_READ_MESSAGE)
        if (message->type == type)
          return MOSS_WIRE_READ_MESSAGE;
      if (read == MOSS_WIRE_READ_BAD || left_ms <= 0 || poll (&poll_fd, 1, left_ms) <= 0)
        return MOSS_WIRE_READ_BAD;
      read = moss_wire_fill (wire);
      if (read == MOSS_WIRE_READ_END || read == MOSS_WIRE_READ_BAD)
        return read;
    }
}

gboolean
moss_display_detach_all (pid_t pid, GError **error)
{
  gint64 end_us = g_get_monotonic_time () + DETACH_TIMEOUT_MS * 1000;
  int fd = moss_display_connect (pid, error);
  g_autoptr (MossWire) wire = fd < 0 ? NULL : moss_wire_new (fd);

  if (fd < 0)
    return FALSE;
  /* Its end must be closed, too, before anything is frozen. */
  if (wire != NULL && send_detach (wire)
      && wait_for (wire, MOSS_WIRE_DETACHED, end_us) == MOSS_WIRE_READ_MESSAGE
      && wait_for (wire, 0, end_us) == MOSS_WIRE_READ_END)
    return TRUE;
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_FAILED,
                       "The display of the sandbox does not answer");
  return FALSE;
}
