// SPDX-License-Identifier: GPL-3.0-or-later
/* Timers as CRIU writes them, and as it has to read them. */
#include "criu-images.pb-c.h"
#include "image-check.h"
#include "image-mend.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define HEADER 8
#define TIMERFD 17

typedef struct
{
  guint64 value_sec, value_nsec, interval_sec;
  guint32 flags;
} Timer;

static GByteArray *
pack (const Timer *timers, guint n)
{
  GByteArray *image = g_byte_array_new ();

  g_byte_array_append (image, (const guint8 *) "\x19\x43\x56\x54\x38\x01\x30\x56", HEADER);
  for (guint i = 0; i < n; i++)
    {
      MossImage__File file = MOSS_IMAGE__FILE__INIT;
      MossImage__TimerFd timer = MOSS_IMAGE__TIMER_FD__INIT;
      MossImage__Owner owner = MOSS_IMAGE__OWNER__INIT;
      guint8 packed[256];
      guint32 size;

      file.type = TIMERFD;
      file.id = timer.id = i + 1;
      file.timerfd = &timer;
      timer.owner = &owner;
      timer.clock = CLOCK_MONOTONIC;
      timer.settime_flags = timers[i].flags;
      timer.value_sec = timers[i].value_sec;
      timer.value_nsec = timers[i].value_nsec;
      timer.interval_sec = timers[i].interval_sec;
      size = GUINT32_TO_LE (moss_image__file__pack (&file, packed));
      g_byte_array_append (image, (guint8 *) &size, sizeof size);
      g_byte_array_append (image, packed, GUINT32_FROM_LE (size));
    }
  return image;
}

static gboolean
mend (const char *content, gsize size, char **mended, GError **error)
{
  g_autofree char *dir = g_dir_make_tmp ("moss-mend-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "files.img", NULL);
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gsize length = 0;
  gboolean ok;

  g_assert_true (g_file_set_contents (path, content, size, NULL));
  ok = moss_image_mend (fd, error);
  g_assert_true (g_file_get_contents (path, mended, &length, NULL));
  g_assert_cmpuint (length, ==, size);
  g_unlink (path);
  g_rmdir (dir);
  close (fd);
  return ok;
}

static void
timers (void)
{
  static const Timer before[] = {
    { 0, 0, 5, 0 },                  /* repeats, has run out */
    { 0, 0, 5, TFD_TIMER_ABSTIME },
    { 0, 0, 0, TFD_TIMER_ABSTIME },  /* off */
    { 3, 7, 0, TFD_TIMER_ABSTIME },  /* runs out at a time of the clock */
    { 3, 7, 5, 0 },
    { 0, 0, 0, 0 },
  };
  static const Timer after[] = {
    { 0, 1, 5, 0 }, { 0, 1, 5, 0 }, { 0, 0, 0, 0 }, { 3, 7, 0, 0 }, { 3, 7, 5, 0 }, { 0, 0, 0, 0 },
  };
  g_autoptr (GByteArray) image = pack (before, G_N_ELEMENTS (before));
  g_autoptr (GByteArray) wanted = pack (after, G_N_ELEMENTS (after));
  g_autoptr (GError) error = NULL;
  g_autofree char *mended = NULL;

  g_assert_true (mend ((char *) image->data, image->len, &mended, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (mended, image->len, wanted->data, wanted->len);
}

/* It only ever sees what was checked; what was not must do no harm either. */
static void
nonsense (void)
{
  static const Timer one[] = { { 0, 0, 5, 0 } };
  g_autoptr (GByteArray) image = pack (one, 1);

  for (guint size = 0; size < image->len; size++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *mended = NULL;

      if (!mend ((char *) image->data, size, &mended, &error))
        g_assert_error (error, MOSS_IMAGE_ERROR, MOSS_IMAGE_ERROR_CORRUPT);
    }
}

static void
without_files (void)
{
  g_autofree char *dir = g_dir_make_tmp ("moss-mend-XXXXXX", NULL);
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  g_assert_true (moss_image_mend (fd, NULL));
  close (fd);
  g_rmdir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image-mend/timers", timers);
  g_test_add_func ("/image-mend/nonsense", nonsense);
  g_test_add_func ("/image-mend/without-files", without_files);
  return g_test_run ();
}
