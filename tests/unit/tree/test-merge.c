// SPDX-License-Identifier: GPL-3.0-or-later
#include "tree-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  Kit kit;
  Device *desk, *lap, *pad;
} Fixture;

static void
set_up (Fixture *f, gconstpointer suite)
{
  kit_init (&f->kit, 3, GPOINTER_TO_UINT (suite));
  f->desk = &f->kit.devices[0];
  f->lap = &f->kit.devices[1];
  f->pad = &f->kit.devices[2];
}

static void
tear_down (Fixture *f, gconstpointer suite)
{
  kit_clear (&f->kit);
}

/* @to takes @from's newest root in. */
static MossTreeMerged
pull (Device *to, Device *from)
{
  g_autoptr (GBytes) record = device_record (from);
  g_autoptr (GError) error = NULL;
  MossTreeMerged merged = { 0 };

  /* Nothing yet, or what it has is what it was given. */
  if (record == NULL)
    return merged;
  moss_tree_merge (to->tree, record, &merged, &error);
  if (!g_error_matches (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID))
    g_assert_no_error (error);
  return merged;
}

static void
assert_same (Device *a, Device *b)
{
  g_autofree char *one = kit_dump (a->tree);
  g_autofree char *other = kit_dump (b->tree);

  g_assert_cmpstr (one, ==, other);
}

/* Back and forth until neither has anything new; it must end soon. */
static void
settle (Device *a, Device *b)
{
  gboolean behind = TRUE;

  for (guint i = 0; behind; i++)
    {
      g_assert_cmpint (i, <, 4);
      behind = pull (a, b).behind;
      behind = pull (b, a).behind || behind;
    }
  assert_same (a, b);
}

static void
assert_text (Device *device, const char *path, const char *wanted)
{
  g_autofree char *text = kit_read_file (device->tree, path);

  g_assert_cmpstr (text, ==, wanted);
}

static void
test_follow (Fixture *f, gconstpointer suite)
{
  kit_mkdir (f->desk->tree, "/a");
  kit_write_file (f->desk->tree, "/a/one", "1");
  pull (f->lap, f->desk);
  assert_same (f->desk, f->lap);
  kit_write_file (f->lap->tree, "/a/two", "2");
  g_assert_cmpint (moss_tree_unlink (f->lap->tree, kit_ino (f->lap->tree, "/a"), "one", NULL),
                   ==, 0);
  pull (f->desk, f->lap);
  assert_same (f->desk, f->lap);
  g_assert_cmpint (f->desk->changed->len, >, 0);
  assert_text (f->desk, "/a/two", "2");
}

static void
test_both_write (Fixture *f, gconstpointer suite)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GArray) conflicts = NULL;
  MossTreeConflict *conflict;
  g_autofree char *copy = NULL;

  kit_write_file (f->desk->tree, "/notes.txt", "base");
  settle (f->desk, f->lap);
  kit_write_file (f->desk->tree, "/notes.txt", "from the desk");
  kit_write_file (f->lap->tree, "/notes.txt", "from the laptop");
  g_assert_cmpint (pull (f->desk, f->lap).conflicts, ==, 1);
  settle (f->desk, f->lap);
  assert_text (f->desk, "/notes.txt", "from the laptop");
  names = kit_names (f->desk->tree, "/");
  g_assert_cmpint (names->len, ==, 2);
  g_assert_true (g_str_has_prefix (names->pdata[0], "notes (conflict of desk, "));
  g_assert_true (g_str_has_suffix (names->pdata[0], ").txt"));
  copy = g_strconcat ("/", names->pdata[0], NULL);
  assert_text (f->lap, copy, "from the desk");
  conflicts = moss_tree_list_conflicts (f->lap->tree);
  g_assert_cmpint (conflicts->len, ==, 1);
  conflict = &g_array_index (conflicts, MossTreeConflict, 0);
  g_assert_cmpmem (conflict->device, 32, f->desk->id, 32);
  g_assert_cmpint (moss_tree_resolve_conflict (f->lap->tree, conflict->ino, conflict->other,
                                               MOSS_TREE_KEEP_THEIRS), ==, 0);
  settle (f->desk, f->lap);
  assert_text (f->desk, "/notes.txt", "from the desk");
  g_clear_pointer (&conflicts, g_array_unref);
  conflicts = moss_tree_list_conflicts (f->desk->tree);
  g_assert_cmpint (conflicts->len, ==, 0);
}

static void
take (Device *to, GBytes *record)
{
  g_autoptr (GError) error = NULL;
  MossTreeMerged merged;

  moss_tree_merge (to->tree, record, &merged, &error);
  g_assert_no_error (error);
}

static MossTreeConflict
only_conflict (Device *device)
{
  g_autoptr (GArray) conflicts = moss_tree_list_conflicts (device->tree);

  g_assert_cmpint (conflicts->len, ==, 1);
  return g_array_index (conflicts, MossTreeConflict, 0);
}

static void
assert_settled (Device *device)
{
  g_autoptr (GArray) conflicts = moss_tree_list_conflicts (device->tree);
  g_autoptr (GPtrArray) names = kit_names (device->tree, "/");

  g_assert_cmpint (conflicts->len, ==, 0);
  g_assert_cmpint (names->len, ==, 1);
}

/* Each takes the other's in before it hears that the other did so, too. */
static void
cross (Fixture *f)
{
  g_autoptr (GBytes) of_desk = device_record (f->desk);
  g_autoptr (GBytes) of_lap = device_record (f->lap);

  take (f->desk, of_lap);
  take (f->lap, of_desk);
}

/* Settled on one, while the others have made the same copy each by itself. */
static void
test_settled_meanwhile (Fixture *f, gconstpointer suite)
{
  MossTreeConflict conflict;

  kit_write_file (f->desk->tree, "/notes.txt", "base");
  settle (f->desk, f->lap);
  kit_write_file (f->desk->tree, "/notes.txt", "from the desk");
  kit_write_file (f->lap->tree, "/notes.txt", "from the laptop");
  pull (f->pad, f->desk);
  pull (f->pad, f->lap);
  cross (f);
  only_conflict (f->lap);
  only_conflict (f->pad);
  conflict = only_conflict (f->desk);
  g_assert_cmpint (moss_tree_resolve_conflict (f->desk->tree, conflict.ino, conflict.other,
                                               MOSS_TREE_KEEP_THEIRS), ==, 0);
  settle (f->desk, f->lap);
  assert_settled (f->lap);
  settle (f->pad, f->lap);
  assert_settled (f->pad);
  settle (f->desk, f->pad);
  assert_settled (f->desk);
  assert_text (f->lap, "/notes.txt", "from the desk");
}

/* The same, but somebody has written on in the copy. */
static void
test_settled_but_wanted (Fixture *f, gconstpointer suite)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *copy = NULL;
  MossTreeConflict conflict;

  kit_write_file (f->desk->tree, "/notes.txt", "base");
  settle (f->desk, f->lap);
  kit_write_file (f->desk->tree, "/notes.txt", "from the desk");
  kit_write_file (f->lap->tree, "/notes.txt", "from the laptop");
  cross (f);
  names = kit_names (f->lap->tree, "/");
  copy = g_strconcat ("/", names->pdata[0], NULL);
  kit_write_file (f->lap->tree, copy, "from the desk, and on");
  conflict = only_conflict (f->desk);
  g_assert_cmpint (moss_tree_resolve_conflict (f->desk->tree, conflict.ino, conflict.other,
                                               MOSS_TREE_KEEP_MINE), ==, 0);
  settle (f->desk, f->lap);
  assert_text (f->desk, copy, "from the desk, and on");
  assert_text (f->desk, "/notes.txt", "from the laptop");
}

/* Two files of one name; the one that lost it is removed on one side. */
static void
test_settled_name (Fixture *f, gconstpointer suite)
{
  MossTreeConflict conflict;

  kit_write_file (f->desk->tree, "/other", "x");
  settle (f->desk, f->lap);
  g_assert_cmpint (moss_tree_unlink (f->desk->tree, 1, "other", NULL), ==, 0);
  settle (f->desk, f->lap);
  kit_write_file (f->desk->tree, "/new", "from the desk");
  kit_write_file (f->lap->tree, "/new", "from the laptop");
  cross (f);
  conflict = only_conflict (f->desk);
  g_assert_cmpint (moss_tree_resolve_conflict (f->desk->tree, conflict.ino, conflict.other,
                                               MOSS_TREE_KEEP_MINE), ==, 0);
  settle (f->desk, f->lap);
  assert_settled (f->lap);
  assert_text (f->desk, "/new", "from the laptop");
}

static void
test_both_make (Fixture *f, gconstpointer suite)
{
  kit_mkdir (f->desk->tree, "/dir");
  kit_write_file (f->desk->tree, "/dir/mine", "1");
  kit_write_file (f->desk->tree, "/dir/same", "equal");
  kit_write_file (f->desk->tree, "/dir/other", "desk");
  kit_mkdir (f->lap->tree, "/dir");
  kit_write_file (f->lap->tree, "/dir/theirs", "2");
  kit_write_file (f->lap->tree, "/dir/same", "equal");
  kit_write_file (f->lap->tree, "/dir/other", "laptop");
  settle (f->desk, f->lap);
  g_autoptr (GPtrArray) names = kit_names (f->desk->tree, "/dir");
  g_assert_cmpint (names->len, ==, 5);
  assert_text (f->desk, "/dir/other", "laptop");
  assert_text (f->desk, "/dir/mine", "1");
  assert_text (f->desk, "/dir/theirs", "2");
}

static void
test_delete_and_change (Fixture *f, gconstpointer suite)
{
  MossTree *desk = f->desk->tree, *lap = f->lap->tree;

  kit_mkdir (desk, "/d");
  kit_write_file (desk, "/d/f", "old");
  kit_write_file (desk, "/d/g", "gone");
  settle (f->desk, f->lap);
  g_assert_cmpint (moss_tree_unlink (desk, kit_ino (desk, "/d"), "f", NULL), ==, 0);
  g_assert_cmpint (moss_tree_unlink (desk, kit_ino (desk, "/d"), "g", NULL), ==, 0);
  g_assert_cmpint (moss_tree_rmdir (desk, MOSS_TREE_ROOT, "d", NULL), ==, 0);
  kit_write_file (lap, "/d/f", "changed");
  settle (f->desk, f->lap);
  assert_text (f->desk, "/d/f", "changed");
  g_assert_cmpint (kit_ino (desk, "/d/g"), ==, 0);
}

/* a into b here, b into a there. */
static void
test_circle (Fixture *f, gconstpointer suite)
{
  MossTree *desk = f->desk->tree, *lap = f->lap->tree;
  g_autoptr (GPtrArray) names = NULL;

  kit_mkdir (desk, "/a");
  kit_write_file (desk, "/a/in-a", "1");
  kit_mkdir (desk, "/b");
  kit_write_file (desk, "/b/in-b", "2");
  settle (f->desk, f->lap);
  g_assert_cmpint (moss_tree_rename (desk, 1, "a", kit_ino (desk, "/b"), "a", 0, NULL), ==, 0);
  g_assert_cmpint (moss_tree_rename (lap, 1, "b", kit_ino (lap, "/a"), "b", 0, NULL), ==, 0);
  settle (f->desk, f->lap);
  names = kit_names (desk, "/");
  g_assert_cmpint (names->len, ==, 1);
  assert_text (f->lap, "/a/in-a", "1");
  assert_text (f->lap, "/a/b/in-b", "2");
}

/* One device moves a directory here, the other there: it is in one place. */
static void
test_two_places (Fixture *f, gconstpointer suite)
{
  MossTree *desk = f->desk->tree, *lap = f->lap->tree;
  guint64 ino;

  kit_mkdir (desk, "/x");
  kit_mkdir (desk, "/y");
  ino = kit_mkdir (desk, "/d");
  settle (f->desk, f->lap);
  g_assert_cmpint (moss_tree_rename (desk, 1, "d", kit_ino (desk, "/x"), "d", 0, NULL), ==, 0);
  g_assert_cmpint (moss_tree_rename (lap, 1, "d", kit_ino (lap, "/y"), "e", 0, NULL), ==, 0);
  settle (f->desk, f->lap);
  g_assert_cmpint ((kit_ino (desk, "/x/d") == ino) + (kit_ino (desk, "/y/e") == ino), ==, 1);
}

/* Saved by rename on one side, written in place on the other. */
static void
test_replaced (Fixture *f, gconstpointer suite)
{
  MossTree *desk = f->desk->tree, *lap = f->lap->tree;
  g_autoptr (GArray) conflicts = NULL;

  kit_write_file (desk, "/f", "old");
  settle (f->desk, f->lap);
  kit_write_file (desk, "/.f.tmp", "renamed");
  g_assert_cmpint (moss_tree_rename (desk, 1, ".f.tmp", 1, "f", 0, NULL), ==, 0);
  kit_write_file (lap, "/f", "in place");
  settle (f->desk, f->lap);
  assert_text (f->desk, "/f", "renamed");
  g_autoptr (GPtrArray) names = kit_names (desk, "/");
  g_assert_cmpint (names->len, ==, 2);
  conflicts = moss_tree_list_conflicts (desk);
  g_assert_cmpint (conflicts->len, ==, 1);
}

static void
test_attributes (Fixture *f, gconstpointer suite)
{
  MossTree *desk = f->desk->tree, *lap = f->lap->tree;
  guint64 ino = kit_write_file (desk, "/f", "text");
  MossTreeAttr attr = { .mode = 0755 };

  settle (f->desk, f->lap);
  g_assert_cmpint (moss_tree_setattr (desk, ino, &attr, MOSS_TREE_SET_MODE, NULL), ==, 0);
  kit_write_file (lap, "/f", "longer text");
  g_assert_cmpint (moss_tree_setxattr (desk, ino, "user.a", "1", 1, 0), ==, 0);
  g_assert_cmpint (moss_tree_setxattr (lap, ino, "user.b", "2", 1, 0), ==, 0);
  settle (f->desk, f->lap);
  g_assert_cmpint (moss_tree_getattr (lap, ino, &attr), ==, 0);
  g_assert_cmpint (attr.mode & 07777, ==, 0755);
  g_assert_cmpint (attr.size, ==, 11);
  g_autoptr (GPtrArray) names = kit_names (desk, "/");
  g_assert_cmpint (names->len, ==, 1);
}

static void
test_refused (Fixture *f, gconstpointer suite)
{
  g_autoptr (GBytes) old = NULL;
  g_autoptr (GBytes) forged = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bytes = NULL;

  kit_write_file (f->desk->tree, "/f", "1");
  old = device_record (f->desk);
  kit_write_file (f->desk->tree, "/f", "2");
  pull (f->lap, f->desk);
  g_assert_false (moss_tree_merge (f->lap->tree, old, NULL, &error));
  g_assert_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID);
  g_clear_error (&error);
  for (gsize i = 0; i < g_bytes_get_size (old); i++)
    {
      bytes = g_memdup2 (g_bytes_get_data (old, NULL), g_bytes_get_size (old));
      bytes[i] ^= 1;
      forged = g_bytes_new_take (g_steal_pointer (&bytes), g_bytes_get_size (old));
      g_assert_false (moss_tree_merge (f->pad->tree, forged, NULL, &error));
      g_assert_nonnull (error);
      g_clear_error (&error);
      g_clear_pointer (&forged, g_bytes_unref);
    }
}

/* The same number twice: the device's state was set back, and it went on differently. */
static void
test_forked (Fixture *f, gconstpointer suite)
{
  g_autofree char *saved = g_strconcat (f->desk->dir, ".saved", NULL);
  g_autoptr (GBytes) first = NULL;
  g_autoptr (GBytes) second = NULL;
  g_autoptr (GError) error = NULL;

  kit_write_file (f->desk->tree, "/f", "1");
  settle (f->desk, f->lap);
  device_close (f->desk);
  device_copy_state (f->desk, saved);
  device_open (f->desk, TRUE);
  kit_write_file (f->desk->tree, "/f", "one way");
  first = device_record (f->desk);
  device_close (f->desk);
  kit_remove_dir (f->desk->dir);
  g_assert_cmpint (g_rename (saved, f->desk->dir), ==, 0);
  device_open (f->desk, TRUE);
  kit_write_file (f->desk->tree, "/f", "another");
  second = device_record (f->desk);
  g_assert_true (moss_tree_merge (f->lap->tree, second, NULL, &error));
  g_assert_false (moss_tree_merge (f->lap->tree, first, NULL, &error));
  g_assert_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_FORKED);
}

/* Contents stay where they are until they are read; what it costs is known before. */
static void
test_cold (Fixture *f, gconstpointer suite)
{
  g_autofree char *big = g_strnfill (300000, 'x');
  g_autofree guint8 *noise = g_malloc (300000);
  MossTreeInfo info;
  guint64 ino;
  char byte;

  for (guint i = 0; i < 300000; i++)
    noise[i] = g_random_int ();
  ino = kit_write_file (f->desk->tree, "/big", "");
  g_assert_cmpint (moss_tree_write (f->desk->tree, ino, noise, 300000, 0, FALSE, FALSE), ==,
                   300000);
  pull (f->lap, f->desk);
  g_assert_cmpint (moss_tree_lookup (f->lap->tree, 1, "big", NULL), ==, 0);
  g_assert_cmpint (moss_tree_info (f->lap->tree, ino, &info), ==, 0);
  g_assert_cmpint (info.bytes_missing, ==, 300000);
  g_assert_cmpint (moss_tree_read (f->lap->tree, ino, &byte, 1, 299999), ==, 1);
  g_assert_cmpint (byte, ==, (char) noise[299999]);
  g_assert_cmpint (moss_tree_info (f->lap->tree, ino, &info), ==, 0);
  g_assert_cmpint (info.bytes_missing, <, 300000);
  g_assert_cmpint (info.bytes_missing, >, 200000);
  f->lap->cut_off = TRUE;
  g_assert_cmpint (moss_tree_read (f->lap->tree, ino, &byte, 1, 0), ==, -EHOSTUNREACH);
  f->lap->cut_off = FALSE;
  g_assert_cmpint (moss_tree_hydrate (f->lap->tree, ino, 0, G_MAXUINT64), ==, 0);
  g_assert_cmpint (moss_tree_info (f->lap->tree, ino, &info), ==, 0);
  g_assert_cmpint (info.bytes_missing, ==, 0);
}

/* The first root can't be had just now: it can be taken later. */
static void
test_first_cut_off (Fixture *f, gconstpointer suite)
{
  g_autoptr (GBytes) record = NULL;
  g_autoptr (GError) error = NULL;

  kit_write_file (f->desk->tree, "/f", "1");
  record = device_record (f->desk);
  f->lap->cut_off = TRUE;
  g_assert_false (moss_tree_merge (f->lap->tree, record, NULL, &error));
  g_assert_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_MISSING);
  g_clear_error (&error);
  f->lap->cut_off = FALSE;
  g_assert_true (moss_tree_merge (f->lap->tree, record, NULL, &error));
  g_assert_no_error (error);
  assert_same (f->desk, f->lap);
}

/* Tables that hold the same under other keys are the same. */
static void
test_other_keys (Fixture *f, gconstpointer suite)
{
  device_close (f->lap);
  f->lap->own_keys = TRUE;
  device_open (f->lap, TRUE);
  kit_write_file (f->desk->tree, "/f", "1");
  settle (f->desk, f->lap);
  kit_write_file (f->lap->tree, "/g", "2");
  kit_write_file (f->desk->tree, "/f", "3");
  settle (f->desk, f->lap);
}

/* Three devices, each pair knows something the third doesn't. */
static void
test_three (Fixture *f, gconstpointer suite)
{
  kit_write_file (f->desk->tree, "/f", "0");
  settle (f->desk, f->lap);
  settle (f->lap, f->pad);
  kit_write_file (f->desk->tree, "/d", "desk");
  kit_write_file (f->lap->tree, "/l", "lap");
  kit_write_file (f->pad->tree, "/p", "pad");
  g_assert_cmpint (moss_tree_unlink (f->pad->tree, 1, "f", NULL), ==, 0);
  pull (f->desk, f->pad);
  pull (f->lap, f->desk);
  pull (f->pad, f->lap);
  settle (f->desk, f->lap);
  settle (f->lap, f->pad);
  settle (f->pad, f->desk);
  assert_same (f->desk, f->lap);
  g_autoptr (GPtrArray) names = kit_names (f->desk->tree, "/");
  g_assert_cmpint (names->len, ==, 3);
}

static guint
count_text (Device *device, const char *wanted)
{
  g_autoptr (GPtrArray) names = kit_names (device->tree, "/");
  guint count = 0;

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_strconcat ("/", names->pdata[i], NULL);
      g_autofree char *text = kit_read_file (device->tree, path);

      count += g_strcmp0 (text, wanted) == 0;
    }
  return count;
}

/* The file itself and a copy of what it held once come under one name: that they are equal on
 * their sides doesn't make the file spare, which holds something else by now. */
static void
test_equal_once (Fixture *f, gconstpointer suite)
{
  MossTree *lap = f->lap->tree;

  kit_write_file (f->desk->tree, "/a", "base");
  pull (f->lap, f->desk);
  pull (f->pad, f->desk);
  kit_write_file (f->desk->tree, "/a", "from the desk");
  kit_write_file (f->pad->tree, "/a", "from the pad");
  kit_write_file (lap, "/new", "from the laptop");
  g_assert_cmpint (moss_tree_rename (lap, 1, "new", 1, "a", 0, NULL), ==, 0);
  pull (f->pad, f->desk);
  pull (f->lap, f->desk);
  pull (f->lap, f->pad);
  g_assert_cmpint (count_text (f->lap, "from the pad"), ==, 1);
  g_assert_cmpint (count_text (f->lap, "from the laptop"), ==, 1);
  g_assert_cmpint (count_text (f->lap, "from the desk"), >=, 1);
  settle (f->desk, f->lap);
  settle (f->lap, f->pad);
  assert_same (f->desk, f->pad);
}

static gboolean
count_object (const MossId *id, gboolean is_here, gpointer count)
{
  g_assert_true (is_here);
  (*(guint *) count)++;
  return TRUE;
}

/* What a collection leaves is enough for everything; what it takes is what nothing needs. */
static void
test_collect (Fixture *f, gconstpointer suite)
{
  MossTreeKeepRule nothing[] = { { 0, 0 } };
  g_autoptr (GBytes) record = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  guint all = 0, fewer = 0;
  guint64 freed;

  for (guint i = 0; i < 60; i++)
    {
      g_autofree char *text = g_strnfill (2000 + i * 500, 'a' + i % 20);

      kit_write_file (f->desk->tree, i % 2 ? "/f" : "/g", text);
      g_assert_cmpint (moss_tree_sync (f->desk->tree), ==, 0);
    }
  record = device_record (f->desk);
  g_assert_true (moss_tree_list_objects (f->desk->tree, record, NULL, FALSE, count_object,
                                         &all, &error));
  before = kit_dump (f->desk->tree);
  g_assert_true (moss_tree_retain (f->desk->tree, nothing, &error));
  g_assert_true (moss_store_collect (f->desk->store, 0, G_MAXUINT64, &freed, &error));
  g_assert_no_error (error);
  g_clear_pointer (&record, g_bytes_unref);
  record = device_record (f->desk);
  g_assert_true (moss_tree_list_objects (f->desk->tree, record, NULL, FALSE, count_object,
                                         &fewer, &error));
  g_assert_cmpint (fewer, <, all / 4);
  device_close (f->desk);
  device_open (f->desk, TRUE);
  after = kit_dump (f->desk->tree);
  g_assert_cmpstr (before, ==, after);
}

#define ADD(name) \
  g_test_add ("/merge/" #name "/sodium", Fixture, GUINT_TO_POINTER (MOSS_SUITE_SODIUM), \
              set_up, test_##name, tear_down); \
  g_test_add ("/merge/" #name "/gnutls", Fixture, GUINT_TO_POINTER (MOSS_SUITE_GNUTLS), \
              set_up, test_##name, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD (follow);
  ADD (both_write);
  ADD (settled_meanwhile);
  ADD (settled_but_wanted);
  ADD (settled_name);
  ADD (both_make);
  ADD (delete_and_change);
  ADD (circle);
  ADD (two_places);
  ADD (replaced);
  ADD (attributes);
  ADD (refused);
  ADD (forked);
  ADD (cold);
  ADD (first_cut_off);
  ADD (other_keys);
  ADD (three);
  ADD (equal_once);
  ADD (collect);
  return g_test_run ();
}
