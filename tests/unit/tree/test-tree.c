// SPDX-License-Identifier: GPL-3.0-or-later
#include "tree-kit.h"

#include "core/store/store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

typedef struct
{
  Kit kit;
  Device *device;
  MossTree *tree;
} Fixture;

static void
set_up (Fixture *f, gconstpointer suite)
{
  kit_init (&f->kit, 1, GPOINTER_TO_UINT (suite));
  f->device = &f->kit.devices[0];
  f->tree = f->device->tree;
}

static void
tear_down (Fixture *f, gconstpointer suite)
{
  kit_clear (&f->kit);
}

static void
reopen (Fixture *f)
{
  device_close (f->device);
  device_open (f->device, TRUE);
  f->tree = f->device->tree;
}

/* The state as a crash leaves it, opened. */
static void
crash (Fixture *f)
{
  g_autofree char *saved = g_strconcat (f->device->dir, ".crash", NULL);

  device_copy_state (f->device, saved);
  device_close (f->device);
  kit_remove_dir (f->device->dir);
  g_assert_cmpint (rename (saved, f->device->dir), ==, 0);
  device_open (f->device, TRUE);
  f->tree = f->device->tree;
}

static void
assert_text (MossTree *tree, const char *path, const char *wanted)
{
  g_autofree char *text = kit_read_file (tree, path);

  g_assert_cmpstr (text, ==, wanted);
}

static void
fill (Fixture *f)
{
  MossTreeAttr attr;
  guint64 ino;

  kit_mkdir (f->tree, "/src");
  kit_mkdir (f->tree, "/src/deep");
  ino = kit_write_file (f->tree, "/src/a.c", "int main;\n");
  kit_write_file (f->tree, "/src/deep/b", "");
  g_assert_cmpint (moss_tree_symlink (f->tree, kit_ino (f->tree, "/src"), "l", "../x", 1, 2,
                                      NULL), ==, 0);
  g_assert_cmpint (moss_tree_link (f->tree, ino, MOSS_TREE_ROOT, "hard", &attr), ==, 0);
  g_assert_cmpint (attr.nlink, ==, 2);
  g_assert_cmpint (moss_tree_setxattr (f->tree, ino, "user.note", "hello", 5, 0), ==, 0);
}

static void
test_persistent (Fixture *f, gconstpointer suite)
{
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  g_autofree char *third = NULL;

  fill (f);
  before = kit_dump (f->tree);
  reopen (f);
  after = kit_dump (f->tree);
  g_assert_cmpstr (before, ==, after);
  g_assert_cmpint (moss_tree_unlink (f->tree, MOSS_TREE_ROOT, "hard", NULL), ==, 0);
  kit_write_file (f->tree, "/src/a.c", "int other;\n");
  g_free (g_steal_pointer (&before));
  before = kit_dump (f->tree);
  reopen (f);
  third = kit_dump (f->tree);
  g_assert_cmpstr (before, ==, third);
}

static void
test_journal (Fixture *f, gconstpointer suite)
{
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  guint64 ino;

  fill (f);
  g_assert_cmpint (moss_tree_sync (f->tree), ==, 0);
  ino = kit_write_file (f->tree, "/src/new", "one");
  g_assert_cmpint (moss_tree_rename (f->tree, kit_ino (f->tree, "/src"), "a.c",
                                     kit_ino (f->tree, "/src/deep"), "moved", 0, NULL), ==, 0);
  g_assert_cmpint (moss_tree_unlink (f->tree, MOSS_TREE_ROOT, "hard", NULL), ==, 0);
  g_assert_cmpint (moss_tree_setxattr (f->tree, ino, "user.n", "2", 1, 0), ==, 0);
  g_assert_cmpint (moss_tree_fsync (f->tree, ino), ==, 0);
  before = kit_dump (f->tree);
  kit_write_file (f->tree, "/src/later", "isn't synced");
  crash (f);
  after = kit_dump (f->tree);
  g_assert_cmpstr (before, ==, after);
}

/* Content that is written in many ways is what an array of bytes would hold. */
static void
test_content (Fixture *f, gconstpointer suite)
{
  enum { SIZE = 400000 };
  g_autofree guint8 *model = g_malloc0 (SIZE);
  g_autofree guint8 *got = g_malloc0 (SIZE);
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  guint64 ino = kit_write_file (f->tree, "/f", "x");
  gsize size = 1;

  model[0] = 'x';
  for (guint round = 0; round < 400; round++)
    {
      gsize offset = g_rand_int_range (rand, 0, SIZE - 1);
      gsize length = g_rand_int_range (rand, 1, MIN (90000, SIZE - offset) + 1);
      MossTreeAttr attr = { .size = offset };
      g_autofree guint8 *bytes = g_malloc (length);

      memset (bytes, g_rand_int (rand), length);
      switch (g_rand_int_range (rand, 0, 8))
        {
        case 0:
          g_assert_cmpint (moss_tree_setattr (f->tree, ino, &attr, MOSS_TREE_SET_SIZE, NULL),
                           ==, 0);
          if (offset < size)
            memset (model + offset, 0, size - offset);
          size = offset;
          break;
        case 1:
          g_assert_cmpint (moss_tree_fallocate (f->tree, ino,
                                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                                offset, length), ==, 0);
          memset (model + offset, 0, length);
          break;
        case 2:
          g_assert_cmpint (moss_tree_sync (f->tree), ==, 0);
          break;
        case 3:
          g_assert_cmpint (moss_tree_fsync (f->tree, ino), ==, 0);
          if (round % 3 == 0)
            crash (f);
          break;
        case 4:
          length = MIN (length, 300);
          G_GNUC_FALLTHROUGH;
        default:
          g_assert_cmpint (moss_tree_write (f->tree, ino, bytes, length, offset, FALSE, FALSE),
                           ==, length);
          memcpy (model + offset, bytes, length);
          size = MAX (size, offset + length);
        }
      memset (got, 1, SIZE);
      g_assert_cmpint (moss_tree_read (f->tree, ino, got, SIZE, 0), ==, size);
      g_assert_cmpmem (got, size, model, size);
    }
}

static void
test_names (Fixture *f, gconstpointer suite)
{
  guint64 src, removed;
  MossTreeAttr attr;

  fill (f);
  src = kit_ino (f->tree, "/src");
  g_assert_cmpint (moss_tree_lookup (f->tree, src, "nothing", NULL), ==, -ENOENT);
  g_assert_cmpint (moss_tree_lookup (f->tree, src, "a/b", NULL), ==, -EINVAL);
  g_assert_cmpint (moss_tree_lookup (f->tree, src, "..", NULL), ==, -EINVAL);
  g_assert_cmpint (moss_tree_mknod (f->tree, src, "a.c", S_IFREG, 0, 0, 0, &attr), ==, -EEXIST);
  g_assert_cmpint (moss_tree_rmdir (f->tree, MOSS_TREE_ROOT, "src", NULL), ==, -ENOTEMPTY);
  g_assert_cmpint (moss_tree_unlink (f->tree, MOSS_TREE_ROOT, "src", NULL), ==, -EISDIR);
  g_assert_cmpint (moss_tree_rmdir (f->tree, src, "a.c", NULL), ==, -ENOTDIR);
  g_assert_cmpint (moss_tree_rename (f->tree, MOSS_TREE_ROOT, "src",
                                     kit_ino (f->tree, "/src/deep"), "in", 0, NULL), ==, -EINVAL);
  g_assert_cmpint (moss_tree_rename (f->tree, src, "a.c", src, "l", RENAME_NOREPLACE, NULL), ==,
                   -EEXIST);
  g_assert_cmpint (moss_tree_rename (f->tree, src, "deep", MOSS_TREE_ROOT, "hard",
                                     RENAME_EXCHANGE, NULL), ==, 0);
  g_assert_cmpint (moss_tree_getattr (f->tree, src, &attr), ==, 0);
  g_assert_cmpint (attr.nlink, ==, 2);
  g_assert_cmpint (moss_tree_getattr (f->tree, MOSS_TREE_ROOT, &attr), ==, 0);
  g_assert_cmpint (attr.nlink, ==, 4);
  assert_text (f->tree, "/src/deep", "int main;\n");
  g_assert_cmpint (moss_tree_rename (f->tree, src, "a.c", src, "l", 0, &removed), ==, 0);
  g_assert_cmpint (removed, !=, 0);
  assert_text (f->tree, "/src/l", "int main;\n");
  g_assert_cmpint (moss_tree_setxattr (f->tree, src, "user.a", "", 0, XATTR_REPLACE), ==,
                   -ENODATA);
}

/* Unlinked and open: readable until the last release, also for the process after. */
static void
test_orphan (Fixture *f, gconstpointer suite)
{
  guint64 ino = kit_write_file (f->tree, "/f", "still here");
  char text[32] = { 0 };

  g_assert_cmpint (moss_tree_sync (f->tree), ==, 0);
  g_assert_cmpint (moss_tree_open_file (f->tree, ino, O_RDWR), ==, 0);
  g_assert_cmpint (moss_tree_unlink (f->tree, MOSS_TREE_ROOT, "f", NULL), ==, 0);
  g_assert_cmpint (moss_tree_sync (f->tree), ==, 0);
  g_assert_cmpint (moss_tree_read (f->tree, ino, text, sizeof text, 0), ==, 10);
  g_assert_cmpint (moss_tree_write (f->tree, ino, "!", 1, 10, FALSE, FALSE), ==, 1);
  g_assert_cmpint (moss_tree_sync (f->tree), ==, 0);
  device_close (f->device);
  device_open (f->device, FALSE);
  f->tree = f->device->tree;
  g_assert_cmpint (moss_tree_read (f->tree, ino, text, sizeof text, 0), ==, 11);
  g_assert_cmpstr (text, ==, "still here!");
  g_assert_cmpint (moss_tree_release (f->tree, ino, O_RDWR), ==, 0);
  g_assert_cmpint (moss_tree_getattr (f->tree, ino, NULL), ==, -ENOENT);
}

static void
test_versions (Fixture *f, gconstpointer suite)
{
  g_autoptr (GArray) versions = NULL;
  guint64 ino = kit_write_file (f->tree, "/f", "first");
  gint64 then;
  g_autoptr (MossView) view = NULL;
  MossTreeVersion *one;
  MossTreeAttr attr;
  MossTreeRoot root;
  char text[16] = { 0 };

  g_assert_true (moss_tree_snapshot (f->tree, &root, NULL, NULL));
  then = root.time_us;
  kit_write_file (f->tree, "/f", "second");
  kit_write_file (f->tree, "/f", "third one");
  g_assert_cmpint (moss_tree_sync (f->tree), ==, 0);
  g_assert_cmpint (moss_tree_list_versions (f->tree, ino, &versions), ==, 0);
  g_assert_cmpint (versions->len, ==, 3);
  one = &g_array_index (versions, MossTreeVersion, 2);
  g_assert_cmpint (one->size, ==, 5);
  g_assert_cmpint (moss_tree_read_version (f->tree, ino, one->version, one->slot, text, 16, 0),
                   ==, 5);
  g_assert_cmpstr (text, ==, "first");
  view = moss_tree_view_at (f->tree, then, NULL);
  g_assert_nonnull (view);
  g_assert_cmpint (moss_view_resolve (view, "/f", &attr), ==, 0);
  g_assert_cmpint (moss_view_read (view, attr.ino, text, 16, 0), ==, 5);
  g_assert_cmpint (moss_tree_restore_version (f->tree, ino, one->version, one->slot), ==, 0);
  assert_text (f->tree, "/f", "first");
  g_assert_cmpint (moss_tree_sync (f->tree), ==, 0);
  g_clear_pointer (&versions, g_array_unref);
  g_assert_cmpint (moss_tree_list_versions (f->tree, ino, &versions), ==, 0);
  g_assert_cmpint (versions->len, ==, 4);
}

static void
test_locked (Fixture *f, gconstpointer suite)
{
  g_autoptr (GBytes) record = NULL;
  MossTreeRoot root;

  f->device->locked = TRUE;
  kit_write_file (f->tree, "/f", "x");
  g_assert_true (moss_tree_snapshot (f->tree, &root, &record, NULL));
  g_assert_null (record);
  f->device->locked = FALSE;
  g_assert_true (moss_tree_snapshot (f->tree, &root, &record, NULL));
  g_assert_nonnull (record);
  g_assert_true (moss_tree_root_verify (f->tree, record, &root, NULL));
}

/* A device that left one identity and joined another: nothing of the old one is in the way, and
 * the store collects again. */
static void
test_other_identity (Fixture *f, gconstpointer suite)
{
  g_autoptr (MossKeeping) keeping = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 3; i++)
    {
      kit_write_file (f->tree, "/f", "of the first identity");
      g_assert_cmpint (moss_tree_sync (f->tree), ==, 0);
      reopen (f);
    }
  device_close (f->device);
  memset (f->kit.tree_id, 8, sizeof f->kit.tree_id);
  memset (f->kit.user_key, 10, sizeof f->kit.user_key);
  device_open (f->device, TRUE);
  f->tree = f->device->tree;
  g_assert_cmpuint (kit_ino (f->tree, "/f"), ==, 0);
  keeping = moss_store_ask_keepers (f->device->store, &error); /* all are there */
  g_assert_no_error (error);
  g_assert_nonnull (keeping);
  kit_write_file (f->tree, "/f", "of the second");
  reopen (f);
  assert_text (f->tree, "/f", "of the second");
}

/* By its word files are removed: one that is damaged says nothing, and is made anew. */
static void
test_damaged_identity (Fixture *f, gconstpointer suite)
{
  static const char *const damaged[] = { "", "\n", "0", "0\n", "0\n1\n", "\n\n" };

  kit_write_file (f->tree, "/f", "kept");
  for (guint i = 0; i < G_N_ELEMENTS (damaged); i++)
    {
      g_autofree char *path = g_build_filename (f->device->dir, "tree", "identity", NULL);
      g_autofree char *text = NULL;

      g_assert_true (g_file_set_contents (path, damaged[i], -1, NULL));
      reopen (f);
      assert_text (f->tree, "/f", "kept");
      g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
      g_assert_cmpuint (strlen (text), >, 64);
    }
}

#define ADD(name) \
  g_test_add ("/tree/" #name "/sodium", Fixture, GUINT_TO_POINTER (MOSS_SUITE_SODIUM), \
              set_up, test_##name, tear_down); \
  g_test_add ("/tree/" #name "/gnutls", Fixture, GUINT_TO_POINTER (MOSS_SUITE_GNUTLS), \
              set_up, test_##name, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD (persistent);
  ADD (journal);
  ADD (content);
  ADD (names);
  ADD (orphan);
  ADD (versions);
  ADD (locked);
  ADD (other_identity);
  ADD (damaged_identity);
  return g_test_run ();
}
