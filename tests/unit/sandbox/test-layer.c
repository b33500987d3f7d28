/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ID MOSS_LAYER_FIRST_ID

typedef struct
{
  char *dir;
  int from, to, runtime;
} Fixture;

static int
make_dir (const char *top, const char *name)
{
  g_autofree char *path = g_build_filename (top, name, NULL);

  g_assert_cmpint (g_mkdir_with_parents (path, 0755), ==, 0);
  return open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->dir = g_dir_make_tmp ("moss-layer-XXXXXX", NULL);
  f->from = make_dir (f->dir, "from");
  f->to = make_dir (f->dir, "to");
  f->runtime = make_dir (f->dir, "runtime");
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", f->dir);

  close (f->from);
  close (f->to);
  close (f->runtime);
  g_assert_cmpint (system (command), ==, 0);
  g_free (f->dir);
}

static gboolean
may_make_nodes (void)
{
  if (geteuid () == 0)
    return TRUE;
  g_test_skip ("needs root");
  return FALSE;
}

static void
put (int dirfd, const char *path, const char *text)
{
  int fd = openat (dirfd, path, O_WRONLY | O_CREAT | O_TRUNC, 0640);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, strlen (text));
  g_assert_cmpint (fchown (fd, ID + 1000, ID + 1000), ==, 0);
  close (fd);
}

static char *
get (int dirfd, const char *path)
{
  char text[65536];
  int fd = openat (dirfd, path, O_RDONLY | O_NOFOLLOW);
  ssize_t n = fd >= 0 ? read (fd, text, sizeof text) : -1;

  if (fd >= 0)
    close (fd);
  return n >= 0 ? g_strndup (text, n) : NULL;
}

static void
export_to (Fixture *f, const char *const *extra, GBytes **index, int *content)
{
  g_autoptr (GError) error = NULL;

  moss_layer_export (f->from, f->runtime, extra, extra == NULL, index, content, &error);
  g_assert_no_error (error);
}

static void
move (Fixture *f)
{
  g_autoptr (GBytes) index = NULL;
  g_autoptr (GError) error = NULL;
  int content;

  export_to (f, NULL, &index, &content);
  moss_layer_apply (index, content, f->to, &error);
  g_assert_no_error (error);
  close (content);
}

/* Every name with its kind, mode, owner, size, time and link, one a line. */
static gboolean
describe (int dirfd, const char *name, gpointer data, GError **error)
{
  GString *text = data;
  gsize before = text->len;
  char target[256] = "", opaque = '-', value[64] = "";
  struct stat st;
  int fd;

  g_assert_cmpint (fstatat (dirfd, name, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
  if (S_ISLNK (st.st_mode))
    g_assert_cmpint (readlinkat (dirfd, name, target, sizeof target - 1), >, 0);
  fd = openat (dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (fd >= 0)
    {
      fgetxattr (fd, "trusted.overlay.opaque", &opaque, 1);
      fgetxattr (fd, "user.note", value, sizeof value - 1);
    }
  g_string_append_printf (
      text, "%s %o %u:%u %ld %ld.%09ld %u %c %s %s\n", name, st.st_mode, st.st_uid,
      st.st_gid, S_ISREG (st.st_mode) ? (long)st.st_size : 0,
      S_ISCHR (st.st_mode) ? 0 : (long)st.st_mtim.tv_sec,
      S_ISCHR (st.st_mode) ? 0 : st.st_mtim.tv_nsec,
      S_ISREG (st.st_mode) ? (guint)st.st_nlink : 0, opaque, target, value);
  if (S_ISDIR (st.st_mode) && strcmp (name, "dev") != 0)
    g_assert_true (layer_each_name (fd, describe, text, error));
  if (fd >= 0)
    close (fd);
  g_assert_cmpuint (text->len, >, before);
  return TRUE;
}

static int
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *)a, *(char *const *)b);
}

/* Without /dev, which is sandboxd's. */
static char *
describe_all (int dirfd)
{
  g_autoptr (GString) text = g_string_new ("");
  g_auto (GStrv) lines = NULL;
  g_autoptr (GPtrArray) sorted = g_ptr_array_new ();

  g_assert_true (layer_each_name (dirfd, describe, text, NULL));
  lines = g_strsplit (text->str, "\n", 0);
  for (guint i = 0; lines[i] != NULL; i++)
    if (!g_str_has_prefix (lines[i], "dev "))
      g_ptr_array_add (sorted, lines[i]);
  g_ptr_array_sort (sorted, compare_lines);
  g_ptr_array_add (sorted, NULL);
  return g_strjoinv ("\n", (char **)sorted->pdata);
}

static void
fill (int d)
{
  struct timespec odd[2] = { { 1, 2 }, { -5, 123456789 } };
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d/home/sock", d);
  int s = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

  g_assert_cmpint (mkdirat (d, "home", 0755), ==, 0);
  g_assert_cmpint (mkdirat (d, "home/hidden", 0700), ==, 0);
  g_assert_cmpint (mkdirat (d, "dev", 0755), ==, 0);
  g_assert_cmpint (mknodat (d, "dev/null", S_IFCHR | 0666, makedev (1, 3)), ==, 0);
  put (d, "home/text", "hello");
  put (d, "home/empty", "");
  put (d, "home/a b\n\"c\xff", "odd name");
  put (d, "home/hidden/x", "x");
  put (d, "home-2", "sorts between home and home/");
  g_assert_cmpint (linkat (d, "home/text", d, "home/zz-link", 0), ==, 0);
  g_assert_cmpint (symlinkat ("/etc/passwd", d, "home/link"), ==, 0);
  g_assert_cmpint (symlinkat ("../../..", d, "home/up"), ==, 0);
  g_assert_cmpint (mknodat (d, "home/gone", S_IFCHR, makedev (0, 0)), ==, 0);
  g_assert_cmpint (mkfifoat (d, "home/fifo", 0600), ==, 0);
  g_strlcpy (a.sun_path, path, sizeof a.sun_path);
  g_assert_cmpint (bind (s, (struct sockaddr *)&a, sizeof a), ==, 0);
  close (s);
  fd = openat (d, "home/hidden", O_RDONLY);
  g_assert_cmpint (fsetxattr (fd, "trusted.overlay.opaque", "y", 1, 0), ==, 0);
  close (fd);
  fd = openat (d, "home/text", O_RDWR);
  if (fsetxattr (fd, "user.note", "mine", 4, 0) != 0)
    g_test_message ("no user attributes on this file system");
  fsetxattr (fd, "trusted.overlay.origin", "inode", 5, 0);
  close (fd);
  fd = openat (d, "home/sparse", O_RDWR | O_CREAT, 0600);
  g_assert_cmpint (pwrite (fd, "end", 3, 1 << 20), ==, 3);
  g_assert_cmpint (ftruncate (fd, 3 << 20), ==, 0);
  close (fd);
  g_assert_cmpint (utimensat (d, "home/text", odd, 0), ==, 0);
  for (const char *const *p
       = (const char *const[]){ "home", "home/hidden", "home/link", "home/up",
                                "home/fifo", "home/sock", "home/sparse", NULL };
       *p; p++)
    g_assert_cmpint (fchownat (d, *p, ID + 1000, ID + 1000, AT_SYMLINK_NOFOLLOW), ==, 0);
}

static void
round_trip (Fixture *f, gconstpointer data)
{
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  g_autofree char *text = NULL;
  char value[16];
  struct stat st;
  int fd;

  if (!may_make_nodes ())
    return;
  fill (f->from);
  g_assert_cmpint (mkdirat (f->to, "dev", 0755), ==, 0);
  put (f->to, "stale", "from an older layer");
  g_assert_cmpint (mkdirat (f->to, "home", 0700), ==, 0);
  g_assert_cmpint (mkdirat (f->to, "home/text", 0700), ==, 0);
  put (f->to, "home/text/below", "of another kind");
  move (f);

  before = describe_all (f->from);
  after = describe_all (f->to);
  g_assert_cmpstr (before, ==, after);
  g_assert_cmpint (fstatat (f->to, "dev/null", &st, 0), !=, 0);
  text = get (f->to, "home/zz-link");
  g_assert_cmpstr (text, ==, "hello");
  fd = openat (f->to, "home/text", O_RDONLY);
  g_assert_cmpint (fgetxattr (fd, "trusted.overlay.origin", value, sizeof value), <, 0);
  close (fd);
  fd = openat (f->to, "home/sparse", O_RDONLY);
  g_assert_cmpint (pread (fd, value, 3, 1 << 20), ==, 3);
  g_assert_cmpmem (value, 3, "end", 3);
  g_assert_cmpint (fstat (fd, &st), ==, 0);
  g_assert_cmpint (st.st_size, ==, 3 << 20);
  g_assert_cmpint (st.st_blocks * 512, <, 1 << 20);
  close (fd);
}

/* The second layer is exactly what is there afterwards, whatever was there before. */
static void
twice (Fixture *f, gconstpointer data)
{
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  if (!may_make_nodes ())
    return;
  fill (f->from);
  move (f);
  g_assert_cmpint (unlinkat (f->from, "home/gone", 0), ==, 0);
  put (f->from, "home/gone", "back again");
  g_assert_cmpint (unlinkat (f->from, "home/zz-link", 0), ==, 0);
  put (f->from, "home/zz-link", "a file of its own");
  g_assert_cmpint (unlinkat (f->from, "home/hidden/x", 0), ==, 0);
  g_assert_cmpint (unlinkat (f->from, "home/hidden", AT_REMOVEDIR), ==, 0);
  g_assert_cmpint (symlinkat ("text", f->from, "home/hidden"), ==, 0);
  g_assert_cmpint (fchownat (f->from, "home/hidden", ID, ID, AT_SYMLINK_NOFOLLOW), ==, 0);
  move (f);
  before = describe_all (f->from);
  after = describe_all (f->to);
  g_assert_cmpstr (before, ==, after);
  {
    g_autofree char *x = get (f->to, "home/zz-link");
    g_autofree char *y = get (f->to, "home/text");

    g_assert_cmpstr (x, ==, "a file of its own");
    g_assert_cmpstr (y, ==, "hello");
  }
}

static GBytes *
with_kept (GBytes *index, guint64 size, const char *path)
{
  g_autoptr (GPtrArray) entries = layer_index_parse (index, size, NULL);

  for (guint i = 0; i < entries->len; i++)
    {
      LayerEntry *e = entries->pdata[i];

      if (strcmp (e->path, path) == 0)
        e->offset = MOSS_LAYER_KEPT;
    }
  return layer_index_build (entries, NULL);
}

static void
kept (Fixture *f, gconstpointer data)
{
  g_autoptr (GBytes) index = NULL;
  g_autoptr (GBytes) second = NULL;
  g_autoptr (GError) error = NULL;
  struct stat one, two;
  int content;

  if (!may_make_nodes ())
    return;
  fill (f->from);
  export_to (f, NULL, &index, &content);
  second = with_kept (index, G_MAXINT64, "home/text");
  g_assert_false (moss_layer_apply (second, content, f->to, &error));
  g_assert_error (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_MISSING);
  g_clear_error (&error);

  g_assert_true (moss_layer_apply (index, content, f->to, NULL));
  g_assert_cmpint (fstatat (f->to, "home/text", &one, 0), ==, 0);
  moss_layer_apply (second, content, f->to, &error);
  g_assert_no_error (error);
  g_assert_cmpint (fstatat (f->to, "home/text", &two, 0), ==, 0);
  g_assert_cmpint (one.st_ino, ==, two.st_ino);

  put (f->to, "home/text", "HELLO");
  g_assert_false (moss_layer_apply (second, content, f->to, &error));
  g_assert_error (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_MISSING);
  close (content);
}

static GBytes *
with_all_kept (GBytes *index)
{
  g_autoptr (GPtrArray) entries = layer_index_parse (index, G_MAXINT64, NULL);

  for (guint i = 0; i < entries->len; i++)
    {
      LayerEntry *e = entries->pdata[i];

      if (e->kind == 'f' && *e->target == '\0' && strcmp (e->path, "home/other") != 0)
        e->offset = MOSS_LAYER_KEPT;
    }
  return layer_index_build (entries, NULL);
}

/* Only what differs is touched, and the outcome is that of the whole. */
static void
again (Fixture *f, gconstpointer data)
{
  g_autoptr (GBytes) first = NULL, second = NULL, kept_index = NULL;
  g_autoptr (GPtrArray) applied = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *whole = NULL, *to = NULL;
  struct stat one, two;
  int content, fresh = make_dir (f->dir, "fresh");

  if (!may_make_nodes ())
    return;
  g_assert_cmpint (mkdirat (f->from, "home", 0755), ==, 0);
  put (f->from, "home/text", "hello");
  put (f->from, "home/other", "old");
  export_to (f, NULL, &first, &content);
  g_assert_true (moss_layer_apply_again (first, content, f->to, &applied, &error));
  g_assert_nonnull (applied);
  close (content);
  g_assert_cmpint (fstatat (f->to, "home/text", &one, 0), ==, 0);

  put (f->from, "home/other", "new and longer");
  g_assert_cmpint (mkdirat (f->from, "home/more", 0711), ==, 0);
  g_assert_cmpint (symlinkat ("x", f->from, "home/more/link"), ==, 0);
  export_to (f, NULL, &second, &content);
  kept_index = with_all_kept (second);
  moss_layer_apply_again (kept_index, content, f->to, &applied, &error);
  g_assert_no_error (error);
  g_assert_true (moss_layer_apply (second, content, fresh, NULL));
  whole = describe_all (fresh);
  to = describe_all (f->to);
  g_assert_cmpstr (whole, ==, to);
  close (fresh);
  g_assert_cmpint (fstatat (f->to, "home/text", &two, 0), ==, 0);
  g_assert_cmpint (one.st_ino, ==, two.st_ino);

  /* A name that went makes it look at all of them. */
  g_assert_cmpint (unlinkat (f->from, "home/more/link", 0), ==, 0);
  close (content);
  g_clear_pointer (&second, g_bytes_unref);
  export_to (f, NULL, &second, &content);
  g_assert_true (moss_layer_apply_again (second, content, f->to, &applied, &error));
  g_assert_cmpint (faccessat (f->to, "home/more/link", F_OK, AT_SYMLINK_NOFOLLOW), <, 0);
  close (content);
}

static void
extra_files (Fixture *f, gconstpointer data)
{
  static const char *const extra[]
      = { "/usr/lib/libx.so", "/usr/gone/y", "/usr/mine", "/lib/z", NULL };
  g_autoptr (GBytes) index = NULL;
  g_autofree char *text = NULL;
  g_autofree char *own = NULL;
  g_autofree char *z = NULL;
  struct stat st;
  int content;

  if (!may_make_nodes ())
    return;
  g_assert_cmpint (mkdirat (f->runtime, "usr", 0755), ==, 0);
  g_assert_cmpint (mkdirat (f->runtime, "usr/lib", 0755), ==, 0);
  g_assert_cmpint (mkdirat (f->runtime, "usr/gone", 0755), ==, 0);
  g_assert_cmpint (symlinkat ("usr/lib", f->runtime, "lib"), ==, 0);
  put (f->runtime, "usr/lib/libx.so.1", "library");
  put (f->runtime, "usr/lib/z", "through a link");
  put (f->runtime, "usr/gone/y", "y");
  put (f->runtime, "usr/mine", "theirs");
  g_assert_cmpint (fchownat (f->runtime, "usr/lib/libx.so.1", 0, 0, 0), ==, 0);
  g_assert_cmpint (fchmodat (f->runtime, "usr/lib/libx.so.1", 0644, 0), ==, 0);
  g_assert_cmpint (fchmodat (f->runtime, "usr/lib/z", 0644, 0), ==, 0);
  g_assert_cmpint (symlinkat ("libx.so.1", f->runtime, "usr/lib/libx.so"), ==, 0);
  g_assert_cmpint (mkdirat (f->from, "usr", 0755), ==, 0);
  g_assert_cmpint (mknodat (f->from, "usr/gone", S_IFCHR, makedev (0, 0)), ==, 0);
  put (f->from, "usr/mine", "mine");
  export_to (f, extra, &index, &content);
  g_assert_true (moss_layer_apply (index, content, f->to, NULL));
  text = get (f->to, "usr/lib/libx.so.1");
  own = get (f->to, "usr/mine");
  z = get (f->to, "usr/lib/z");
  g_assert_cmpstr (text, ==, "library");
  g_assert_cmpstr (own, ==, "mine");
  g_assert_cmpstr (z, ==, "through a link");
  g_assert_cmpint (fstatat (f->to, "usr/lib/libx.so.1", &st, 0), ==, 0);
  g_assert_cmpint (st.st_uid, ==, ID);
  g_assert_cmpint (fstatat (f->to, "usr/lib/libx.so", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
  g_assert_true (S_ISLNK (st.st_mode));
  g_assert_cmpint (fstatat (f->to, "usr/gone", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
  g_assert_true (S_ISCHR (st.st_mode));
  close (content);
}

static void
device_stays (Fixture *f, gconstpointer data)
{
  g_autoptr (GBytes) index = NULL;
  g_autoptr (GError) error = NULL;
  int content;

  if (!may_make_nodes ())
    return;
  g_assert_cmpint (mknodat (f->from, "mem", S_IFCHR | 0666, makedev (1, 1)), ==, 0);
  g_assert_false (
      moss_layer_export (f->from, f->runtime, NULL, TRUE, &index, &content, &error));
  g_assert_error (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_NOT_TRAVELABLE);
  g_assert_nonnull (strstr (error->message, "/mem"));
}

/* A directory of the layer that stands as a link in the upper must be replaced, not
 * followed. */
static void
not_led_astray (Fixture *f, gconstpointer data)
{
  g_autofree char *outside = g_build_filename (f->dir, "runtime", NULL);
  struct stat st;

  if (!may_make_nodes ())
    return;
  g_assert_cmpint (mkdirat (f->from, "home", 0755), ==, 0);
  g_assert_cmpint (fchownat (f->from, "home", ID, ID, 0), ==, 0);
  put (f->from, "home/file", "inside");
  g_assert_cmpint (symlinkat (outside, f->to, "home"), ==, 0);
  put (f->runtime, "file", "outside");
  move (f);
  {
    g_autofree char *text = get (f->runtime, "file");

    g_assert_cmpstr (text, ==, "outside");
  }
  g_assert_cmpint (fstatat (f->to, "home", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
  g_assert_true (S_ISDIR (st.st_mode));
}

/* ---- what must be refused ------------------------------------------------------------
 */

static LayerEntry *
entry (const char *path, char kind)
{
  LayerEntry *e = layer_entry_new (path, kind);

  e->mode = 0644;
  return e;
}

static void
refused (GPtrArray *entries, int code)
{
  g_autoptr (GBytes) index = NULL;
  g_autoptr (GError) error = NULL;

  if (*((LayerEntry *)entries->pdata[0])->path != '\0')
    g_ptr_array_insert (entries, 0, entry ("", 'd'));
  index = layer_index_build (entries, NULL);
  g_assert_false (moss_layer_check (index, 8192, &error));
  g_assert_error (error, MOSS_LAYER_ERROR, code);
  g_ptr_array_set_size (entries, 0);
}

static void
bad_entries (void)
{
  g_autoptr (GPtrArray) list
      = g_ptr_array_new_with_free_func ((GDestroyNotify)layer_entry_free);
  static const char *const bad_paths[]
      = { "/a",  "a/",  "a//b",    "../a",   "a/..", "a/../b",
          "./a", "dev", "dev/sda", "proc/1", "sys",  "run/moss/x" };
  g_autofree char *long_name = g_strnfill (256, 'x');
  LayerEntry *e;

#define ADD(path, kind) g_ptr_array_add (list, e = entry (path, kind))
#define CORRUPT MOSS_LAYER_ERROR_CORRUPT
#define DENIED MOSS_LAYER_ERROR_DENIED
  for (guint i = 0; i < G_N_ELEMENTS (bad_paths); i++)
    {
      g_autoptr (GBytes) index = NULL;

      ADD ("", 'd');
      ADD ("a", 'd');
      ADD ("run", 'd');
      index = layer_index_build (list, NULL);
      g_assert_true (moss_layer_check (index, 0, NULL));
      g_clear_pointer (&index, g_bytes_unref);
      ADD (bad_paths[i], 'f');
      g_ptr_array_sort (list, layer_entry_compare);
      index = layer_index_build (list, NULL);
      g_assert_false (moss_layer_check (index, 0, NULL));
      g_ptr_array_set_size (list, 0);
    }
  ADD (long_name, 'f'), refused (list, CORRUPT);
  ADD ("a", 'b'), refused (list, DENIED);
  ADD ("a", 'c'), refused (list, DENIED);
  ADD ("a", 0), refused (list, DENIED);
  ADD ("a", 'f'), e->mode = 04755, refused (list, DENIED);
  ADD ("a", 'f'), e->mode = 02755, refused (list, DENIED);
  ADD ("a", 'f'), e->mode = 0100644, refused (list, CORRUPT);
  ADD ("a", 'f'), e->uid = 65535, refused (list, DENIED);
  ADD ("a", 'f'), e->gid = 100000, refused (list, DENIED);
  ADD ("a", 'f'), e->size = 8193, refused (list, CORRUPT);
  ADD ("a", 'f'), e->offset = 1, refused (list, CORRUPT);
  ADD ("a", 'f'), e->offset = 4096, e->size = 4097, refused (list, CORRUPT);
  ADD ("a", 'f'), e->size = G_MAXUINT64, refused (list, CORRUPT);
  ADD ("a", 'f'), e->size = 4096, e->offset = G_MAXUINT64 - 4095, refused (list, CORRUPT);
  ADD ("a", 'f'), e->size = 10, ADD ("b", 'f'), e->size = 10, refused (list, CORRUPT);
  ADD ("a", 'd'), e->size = 10, refused (list, CORRUPT);
  ADD ("a", 'l'), refused (list, CORRUPT);
  ADD ("a", 'd'), e->target[0] = 0, g_free (e->target), e->target = g_strdup ("x"),
                  refused (list, CORRUPT);
  ADD ("a", 'f'), g_free (e->target), e->target = g_strdup ("b"), refused (list, CORRUPT);
  ADD ("b", 'd'), ADD ("c", 'f'), g_free (e->target), e->target = g_strdup ("b"),
                                                      refused (list, CORRUPT);
  ADD ("b", 'f'), ADD ("a", 'f'), refused (list, CORRUPT);
  ADD ("a", 'f'), ADD ("a", 'f'), refused (list, CORRUPT);
  ADD ("a/b", 'f'), refused (list, CORRUPT);
  ADD ("a", 'f'), ADD ("a/b", 'f'), refused (list, CORRUPT);
  ADD ("a", 'l'), g_free (e->target), e->target = g_strdup ("/etc"), ADD ("a/b", 'f'),
                                      refused (list, CORRUPT);
  ADD ("", 'f'), refused (list, CORRUPT);
  ADD ("a", 'f'), layer_entry_add_xattr (e, "security.capability", "x", 1),
      refused (list, DENIED);
  ADD ("a", 'f'), layer_entry_add_xattr (e, "trusted.overlay.redirect", "x", 1),
      refused (list, DENIED);
  ADD ("a", 'f'), layer_entry_add_xattr (e, "user.a", "x", 1),
      layer_entry_add_xattr (e, "user.a", "x", 1), refused (list, CORRUPT);
  ADD ("a", 's'), layer_entry_add_xattr (e, "user.a", "x", 1), refused (list, CORRUPT);
}

static void
bad_bytes (void)
{
  g_autoptr (GPtrArray) list
      = g_ptr_array_new_with_free_func ((GDestroyNotify)layer_entry_free);
  g_autoptr (GBytes) index = NULL;
  const guint8 *data;
  gsize size;
  LayerEntry *e;

  ADD ("", 'd');
  ADD ("home", 'd');
  ADD ("home/file", 'f');
  e->size = 5;
  layer_entry_add_xattr (e, "user.note", "mine", 4);
  index = layer_index_build (list, NULL);
  g_assert_true (moss_layer_check (index, 4096, NULL));
  g_assert_false (moss_layer_check (index, 4095, NULL));
  data = g_bytes_get_data (index, &size);
  for (gsize n = 0; n < size; n++)
    {
      g_autoptr (GBytes) cut = g_bytes_new (data, n);

      g_assert_false (moss_layer_check (cut, 4096, NULL));
    }
  /* A flipped bit may give another valid layer; it must never do more than that. */
  for (gsize bit = 0; bit < size * 8; bit++)
    {
      g_autofree guint8 *copy = g_memdup2 (data, size);
      g_autoptr (GBytes) changed = NULL;

      copy[bit / 8] ^= 1 << (bit % 8);
      changed = g_bytes_new (copy, size);
      moss_layer_check (changed, 4096, NULL);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define CASE(name, function)                                                             \
  g_test_add ("/layer/" name, Fixture, NULL, set_up, function, tear_down)
  CASE ("round-trip", round_trip);
  CASE ("twice", twice);
  CASE ("kept", kept);
  CASE ("again", again);
  CASE ("extra-files", extra_files);
  CASE ("device-stays", device_stays);
  CASE ("not-led-astray", not_led_astray);
  g_test_add_func ("/layer/bad-entries", bad_entries);
  g_test_add_func ("/layer/bad-bytes", bad_bytes);
  return g_test_run ();
}
