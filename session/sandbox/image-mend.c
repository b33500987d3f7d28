/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What CRIU 4.2 restores otherwise than it was, put right in its images before it reads them.
 *
 * A timerfd's image holds the time that is left, in the kernel's words. Of one that repeats and has
 * run out without being read, that is zero, which set again means "off": a nanosecond says "run
 * out" instead. One that was set to an absolute time gets whole seconds of the clock added to what
 * is left, which brings it forward by up to a second, and starts again one that was off; the time
 * that is left is all that it needs.
 *
 * Both changes keep the size of their entry: it is written over in its place. */
#define G_LOG_DOMAIN "moss-image"
#include "image-mend.h"
#include "image-read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MAX_FILES_IMAGE (512u << 20)

static gboolean
mend_timer (MossImage__TimerFd *timer)
{
  gboolean repeats = timer->interval_sec != 0 || timer->interval_nsec != 0;
  gboolean mended = FALSE;

  if (repeats && timer->value_sec == 0 && timer->value_nsec == 0)
    {
      timer->value_nsec = 1;
      mended = TRUE;
    }
  if ((timer->settime_flags & TFD_TIMER_ABSTIME) != 0)
    {
      timer->settime_flags &= ~TFD_TIMER_ABSTIME;
      mended = TRUE;
    }
  return mended;
}

static gboolean
write_over (int fd, MossImage__File *file, gsize at, gsize size)
{
  g_autofree guint8 *packed = NULL;

  if (moss_image__file__get_packed_size (file) != size)
    return FALSE;
  packed = g_malloc (size);
  moss_image__file__pack (file, packed);
  return pwrite (fd, packed, size, at) == (gssize) size;
}

/* The check has read it already: nothing in it is unknown or out of bounds. */
static gboolean
mend_entry (int fd, ImageReader *reader, GError **error)
{
  gsize start = reader->at;
  MossImage__File *file = image_read_message (reader, &moss_image__file__descriptor, error);
  gsize header = sizeof (guint32);
  gboolean ok = file != NULL;

  if (ok && file->timerfd != NULL && mend_timer (file->timerfd)
      && !write_over (fd, file, start + header, reader->at - start - header))
    ok = image_corrupt (reader->set, error, "a timer can't be written anew");
  if (file != NULL)
    moss_image__file__free_unpacked (file, NULL);
  return ok;
}

static gboolean
mend_files (int fd, const guint8 *data, gsize size, GError **error)
{
  ImageSet set = { .name = "files.img", .alone = TRUE };
  ImageReader reader = { .set = &set, .data = data, .size = size };

  if (!image_skip (&reader, 2 * sizeof (guint32), error)) /* the magic numbers */
    return FALSE;
  while (!image_at_end (&reader))
    if (!mend_entry (fd, &reader, error))
      return FALSE;
  return TRUE;
}

gboolean
moss_image_mend (int images_dirfd, GError **error)
{
  int fd = openat (images_dirfd, "files.img", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  g_autofree guint8 *data = NULL;
  struct stat st;
  gboolean ok = FALSE;

  if (fd < 0 && errno == ENOENT)
    return TRUE;
  if (fd >= 0 && fstat (fd, &st) == 0 && st.st_size <= MAX_FILES_IMAGE)
    {
      data = g_malloc (st.st_size + 1);
      ok = pread (fd, data, st.st_size, 0) == st.st_size;
    }
  if (!ok)
    g_set_error (error, MOSS_IMAGE_ERROR, MOSS_IMAGE_ERROR_FAILED,
                 "images: files.img can't be read: %s", g_strerror (errno));
  ok = ok && mend_files (fd, data, st.st_size, error);
  if (fd >= 0)
    close (fd);
  return ok;
}
