// SPDX-License-Identifier: GPL-3.0-or-later
/* Numbers and names out of bytes that nobody vouches for. */
#define G_LOG_DOMAIN "moss-fsck"

#include "vfs/fsck/fsck.h"

#include <errno.h>
#include <unistd.h>

In
in_new (const guint8 *bytes, gsize length)
{
  return (In){ bytes, bytes + length, FALSE };
}

/* NULL, and bad from now on, when there are fewer. */
const guint8 *
in_bytes (In *in, gsize length)
{
  const guint8 *at = in->at;

  if (in->bad || length > (gsize) (in->end - in->at))
    {
      in->bad = TRUE;
      return NULL;
    }
  in->at += length;
  return at;
}

/* 0 when there are no so many bytes. */
guint64
in_number (In *in, guint bytes)
{
  const guint8 *at = in_bytes (in, bytes);
  guint64 number = 0;

  while (at != NULL && bytes-- > 0)
    number = number << 8 | at[bytes];
  return number;
}

gboolean
in_end (const In *in)
{
  return !in->bad && in->at == in->end;
}

guint64
big_endian (const guint8 *bytes)
{
  guint64 number = 0;

  for (guint i = 0; i < 8; i++)
    number = number << 8 | bytes[i];
  return number;
}

gboolean
is_zero (const guint8 *bytes, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (bytes[i] != 0)
      return FALSE;
  return TRUE;
}

/* Whether all of it came. */
gboolean
read_at (int fd, guint8 *bytes, gsize length, guint64 offset)
{
  while (length > 0)
    {
      gssize got = pread (fd, bytes, length, offset);

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return FALSE;
      bytes += got;
      length -= got;
      offset += got;
    }
  return TRUE;
}

gboolean
name_is_legal (const guint8 *name, gsize length)
{
  gboolean dots = length <= 2 && length > 0 && name[0] == '.' && name[length - 1] == '.';

  return length > 0 && length <= 255 && !dots && memchr (name, '/', length) == NULL &&
         memchr (name, 0, length) == NULL;
}
