// SPDX-License-Identifier: GPL-3.0-or-later
/* Many images in one file, and what may not stand in such a file. */
#include "image-check.h"
#include "image-pack.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRY 80
#define HEAD 16

static const char *const names[] = { "core-1.img", "core-2.img", "pages-1.img", NULL };

typedef struct
{
  char *path;
  int fd;
} Place;

static Place
place_new (void)
{
  char *path = g_dir_make_tmp ("moss-pack-XXXXXX", NULL);

  return (Place) { path, open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
}

static void
place_clear (Place *place)
{
  g_autofree char *clean = g_strdup_printf ("rm -rf '%s'", place->path);

  close (place->fd);
  g_assert_cmpint (system (clean), ==, 0);
  g_free (place->path);
}

static void
put (Place *place, const char *name, gsize size)
{
  g_autofree char *path = g_build_filename (place->path, name, NULL);
  g_autofree char *content = g_strnfill (size, name[5]);

  g_assert_true (g_file_set_contents (path, content, size, NULL));
}

static int
pack (guint64 *size)
{
  Place place = place_new ();
  g_autoptr (GError) error = NULL;
  int fd;

  put (&place, "core-1.img", 10);
  put (&place, "core-2.img", 0);
  put (&place, "pages-1.img", 8192);
  fd = moss_image_pack (place.fd, names, size, &error);
  g_assert_no_error (error);
  g_assert_cmpint (fd, >=, 0);
  place_clear (&place);
  return fd;
}

static void
there_and_back (void)
{
  Place place = place_new ();
  g_autoptr (GError) error = NULL;
  guint64 size;
  int fd = pack (&size);

  g_assert_cmpuint (size, ==, 4 * 4096);
  g_assert_cmpint (write (fd, "x", 1), <, 0);
  g_assert_true (moss_image_unpack (fd, size, place.fd, &error));
  g_assert_no_error (error);
  for (guint i = 0; names[i] != NULL; i++)
    {
      static const gsize sizes[] = { 10, 0, 8192 };
      g_autofree char *path = g_build_filename (place.path, names[i], NULL);
      g_autofree char *content = NULL;
      gsize length;

      g_assert_true (g_file_get_contents (path, &content, &length, NULL));
      g_assert_cmpuint (length, ==, sizes[i]);
      for (gsize at = 0; at < length; at++)
        g_assert_cmpint (content[at], ==, names[i][5]);
    }
  /* They are there already. */
  g_assert_false (moss_image_unpack (fd, size, place.fd, &error));
  g_assert_error (error, MOSS_IMAGE_ERROR, MOSS_IMAGE_ERROR_CORRUPT);
  close (fd);
  place_clear (&place);
}

/* A copy with some bytes replaced. */
static gboolean
unpack_changed (gsize at, const void *bytes, gsize n, guint64 cut)
{
  Place place = place_new ();
  g_autoptr (GError) error = NULL;
  guint64 size;
  int fd = pack (&size), copy = memfd_create ("copy", MFD_CLOEXEC);
  g_autofree char *content = g_malloc (size);
  gboolean ok;

  g_assert_cmpint (pread (fd, content, size, 0), ==, size);
  if (n > 0)
    memcpy (content + at, bytes, n);
  size -= cut;
  g_assert_cmpint (write (copy, content, size), ==, size);
  ok = moss_image_unpack (copy, size, place.fd, &error);
  if (!ok)
    g_assert_error (error, MOSS_IMAGE_ERROR, MOSS_IMAGE_ERROR_CORRUPT);
  close (fd);
  close (copy);
  place_clear (&place);
  return ok;
}

static void
refused (void)
{
  static const char up[] = "../core-9.img", hidden[] = ".core.img", self[] = MOSS_IMAGE_PACK;
  static const char other[] = "core-1.imx";
  const guint64 far = GUINT64_TO_LE (1 << 20), wrap = GUINT64_TO_LE (G_MAXUINT64 - 100), head = 0;
  const guint32 many = GUINT32_TO_LE (G_MAXUINT32), none = 0;
  char endless[64];

  memset (endless, 'a', sizeof endless);
  g_assert_true (unpack_changed (0, "M", 1, 0));
  g_assert_false (unpack_changed (0, "X", 1, 0));
  g_assert_false (unpack_changed (8, &many, sizeof many, 0));
  g_assert_false (unpack_changed (8, &none, sizeof none, 0));
  g_assert_false (unpack_changed (HEAD + 16, up, sizeof up, 0));
  g_assert_false (unpack_changed (HEAD + 16, hidden, sizeof hidden, 0));
  g_assert_false (unpack_changed (HEAD + 16, self, sizeof self, 0));
  g_assert_false (unpack_changed (HEAD + 16, other, sizeof other, 0));
  g_assert_false (unpack_changed (HEAD + 16, endless, sizeof endless, 0));
  g_assert_false (unpack_changed (HEAD + ENTRY + 16, names[0], sizeof "core-1.img", 0));
  g_assert_false (unpack_changed (HEAD, &far, sizeof far, 0));
  g_assert_false (unpack_changed (HEAD, &head, sizeof head, 0));
  g_assert_false (unpack_changed (HEAD + 8, &far, sizeof far, 0));
  g_assert_false (unpack_changed (HEAD + 8, &wrap, sizeof wrap, 0));
  for (guint64 cut = 1; cut <= 4 * 4096; cut += 97)
    g_assert_false (unpack_changed (0, NULL, 0, cut));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image-pack/there-and-back", there_and_back);
  g_test_add_func ("/image-pack/refused", refused);
  return g_test_run ();
}
