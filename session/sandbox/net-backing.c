/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: a FUSE server may let the kernel read and write a file of its own in place of asking it
 * (passthrough), but only CAP_SYS_ADMIN may say which. Once that is said, the kernel opens the
 * file again for each program with the rights of whoever said it and checks no permission. So:
 *
 * - The caller hands over the connection and the file, both open; no name is looked up.
 * - The file is a regular one of the caller's own, closed to everybody else (mode 0600 at most),
 *   with no second name, open for reading and writing already: what a program can do by the
 *   connection, the caller can do without it.
 * - It lies in memory (tmpfs), as what is in it is plaintext.
 * - The kernel is told with the caller's file system ids, not with root's. */

#include "net-backing.h"
#include "net-mount.h"
#include "error.h"
#include "fds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FUSE_MAJOR 10
#define FUSE_MINOR 229

/* linux/fuse.h has them from 6.9 on. */
typedef struct
{
  gint32 fd;
  guint32 flags;
  guint64 padding;
} BackingMap;
#define BACKING_OPEN _IOW (229, 1, BackingMap)
#define BACKING_CLOSE _IOW (229, 2, guint32)

static gboolean
is_connection (int fd, GError **error)
{
  struct stat st;

  if (fstat (fd, &st) == 0 && S_ISCHR (st.st_mode)
      && st.st_rdev == makedev (FUSE_MAJOR, FUSE_MINOR))
    return TRUE;
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
                       "What was given as a FUSE connection is none");
  return FALSE;
}

static gboolean
is_fit (int fd, uid_t owner, GError **error)
{
  struct stat st;
  struct statfs fs;
  int flags = fcntl (fd, F_GETFL);
  const char *reason = NULL;

  if (flags < 0 || fstat (fd, &st) != 0 || fstatfs (fd, &fs) != 0)
    return moss_sandbox_fail_errno (error, errno, "Can't look at a backing file");
  if (!S_ISREG (st.st_mode))
    reason = "it is not a regular file";
  else if (st.st_uid != owner)
    reason = "it is not the caller's own";
  else if ((st.st_mode & 077) != 0)
    reason = "others may open it";
  else if (st.st_nlink > 1)
    reason = "it has more than one name";
  else if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) != O_RDWR)
    reason = "it is not open for reading and writing";
  else if (fs.f_type != TMPFS_MAGIC)
    reason = "it does not lie in memory";
  if (reason == NULL)
    return TRUE;
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_DENIED,
               "A backing file is refused: %s", reason);
  return FALSE;
}

/* The thread's own ids: glibc's setfsuid() too is for one thread only. Capabilities that are about
 * files leave the effective set with them; CAP_SYS_ADMIN stays. */
static int
open_as (int connection, int file, uid_t owner)
{
  BackingMap map = { .fd = file };
  int id;

  syscall (SYS_setfsgid, moss_net_group_of (owner));
  syscall (SYS_setfsuid, owner);
  id = ioctl (connection, BACKING_OPEN, &map);
  syscall (SYS_setfsuid, 0);
  syscall (SYS_setfsgid, 0);
  return id;
}

GVariant *
moss_net_open_backing_request (MossRequest *request, GError **error)
{
  gint32 handles[2];
  moss_autofd connection = -1;
  moss_autofd file = -1;
  int id;

  g_variant_get (request->parameters, "(hh)", &handles[0], &handles[1]);
  connection = moss_request_get_fd (request, handles[0], error);
  if (connection < 0 || !is_connection (connection, error))
    return NULL;
  file = moss_request_get_fd (request, handles[1], error);
  if (file < 0 || !is_fit (file, request->caller, error))
    return NULL;
  id = open_as (connection, file, request->caller);
  if (id > 0)
    return g_variant_new ("(i)", id);
  moss_sandbox_fail_errno (error, errno, "The kernel refuses a backing file");
  return NULL;
}

GVariant *
moss_net_close_backing_request (MossRequest *request, GError **error)
{
  gint32 handle, number;
  guint32 id;
  moss_autofd connection = -1;

  g_variant_get (request->parameters, "(hi)", &handle, &number);
  connection = moss_request_get_fd (request, handle, error);
  if (connection < 0 || !is_connection (connection, error))
    return NULL;
  id = number;
  if (ioctl (connection, BACKING_CLOSE, &id) == 0)
    return g_variant_new ("()");
  moss_sandbox_fail_errno (error, errno, "The kernel knows no backing file %d", number);
  return NULL;
}
