// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reads and writes of files that are whole or failed. */
#include "core/whole.h"

#include <errno.h>
#include <unistd.h>

/**
 * moss_pread_all:
 * @data: (out caller-allocates): @length bytes; undefined after a failure
 *
 * Any thread.
 *
 * Returns: %FALSE and errno, EIO where the file ends before
 */
gboolean
moss_pread_all (int fd, guint8 *data, gsize length, guint64 offset)
{
  while (length > 0)
    {
      gssize done = pread (fd, data, length, offset);

      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        {
          errno = done == 0 ? EIO : errno;
          return FALSE;
        }
      data += done;
      length -= done;
      offset += done;
    }
  return TRUE;
}

/**
 * moss_pwrite_all:
 *
 * Any thread. A part may have been written when it fails.
 *
 * Returns: %FALSE and errno, ENOSPC where nothing more is taken
 */
gboolean
moss_pwrite_all (int fd, const guint8 *data, gsize length, guint64 offset)
{
  while (length > 0)
    {
      gssize done = pwrite (fd, data, length, offset);

      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        {
          errno = done == 0 ? ENOSPC : errno;
          return FALSE;
        }
      data += done;
      length -= done;
      offset += done;
    }
  return TRUE;
}
