// SPDX-License-Identifier: GPL-3.0-or-later
/* Roots that a device of the identity signed and that hold what none of ours would write: each
 * is refused, or taken without harm. */
#include "tree-kit.h"
#include "vfs/tree/tree-private.h"

#include <errno.h>

typedef struct
{
  Kit kit;
  Device *thief, *mine;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  kit_init (&f->kit, 2, MOSS_SUITE_SODIUM);
  f->thief = &f->kit.devices[0];
  f->mine = &f->kit.devices[1];
  kit_mkdir (f->thief->tree, "/d");
  kit_write_file (f->thief->tree, "/d/f", "good");
  g_autoptr (GBytes) record = device_record (f->thief);
  g_assert_true (moss_tree_merge (f->mine->tree, record, NULL, NULL));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *dump = kit_dump (f->mine->tree); /* ends, and can all be read */

  g_assert_nonnull (dump);
  kit_clear (&f->kit);
}

static const guint64 dot = (G_GUINT64_CONSTANT (1) << SLOT_SHIFT) | 1000;

static void
add (MossChanges *changes, const MossKey *key, GByteArray *value)
{
  moss_changes_add (changes, key->bytes, key->length, value->data, value->len);
  g_byte_array_unref (value);
}

static void
add_entry (MossChanges *changes, guint64 dir, const char *name, guint64 ino, guint32 type)
{
  MossEntryRecord record = { .ino = ino, .dot = dot, .type = type };
  GByteArray *value = g_byte_array_new ();
  MossKey key;

  moss_entry_record_write (&record, value);
  moss_key_init (&key, SPACE_ENTRY, dir);
  moss_key_add (&key, name, strlen (name));
  add (changes, &key, value);
}

static void
add_inode (MossChanges *changes, guint64 ino, guint32 mode, guint64 size, guint64 parent)
{
  MossInodeRecord record = { .mode = mode,
                             .nlink = S_ISDIR (mode) ? 3 : 1,
                             .size = size,
                             .attr_dot = dot,
                             .content_dot = dot,
                             .parent = parent };
  GByteArray *value = g_byte_array_new ();
  MossKey key;

  moss_inode_record_write (&record, value);
  moss_key_init (&key, SPACE_INODE, ino);
  add (changes, &key, value);
}

/* The thief's table with @changes, signed. */
static GBytes *
forge (Fixture *f, MossChanges *changes, guint64 seen)
{
  MossTree *tree = f->thief->tree;
  MossTreeRoot root = { .slot = 1, .number = 1000, .time_us = 1, .generation = 1 };
  g_auto (MossRootBody) body = { 0 };
  g_autoptr (GError) error = NULL;
  GBytes *record;

  moss_changes_sort (changes);
  g_assert_true (moss_table_apply (tree->table, &tree->base, changes, &body.table, &error));
  body.seen = g_array_copy (tree->seen);
  seen_raise (body.seen, 1, seen);
  memcpy (root.tree_id, f->kit.tree_id, 32);
  memcpy (root.device, f->thief->id, 32);
  record = root_make (tree, &root, &body, &error);
  g_assert_no_error (error);
  return record;
}

static void
expect (Fixture *f, MossChanges *changes, gboolean taken)
{
  g_autoptr (GBytes) record = forge (f, changes, 1000);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (moss_tree_merge (f->mine->tree, record, NULL, &error), ==, taken);
  if (!taken)
    g_assert_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT);
}

static void
test_names (Fixture *f, gconstpointer name)
{
  g_autoptr (MossChanges) changes = moss_changes_new ();

  add_inode (changes, 77, S_IFREG | 0644, 0, 1);
  add_entry (changes, 1, name, 77, S_IFREG);
  expect (f, changes, FALSE);
}

static void
test_sizes (Fixture *f, gconstpointer data)
{
  g_autoptr (MossChanges) changes = moss_changes_new ();

  add_inode (changes, 77, S_IFREG | 0644, G_MAXUINT64, 1);
  add_entry (changes, 1, "big", 77, S_IFREG);
  expect (f, changes, FALSE);
}

static void
test_nothing (Fixture *f, gconstpointer data)
{
  g_autoptr (MossChanges) changes = moss_changes_new ();

  add_entry (changes, 1, "ghost", 77, S_IFREG);
  expect (f, changes, FALSE);
}

static void
test_in_itself (Fixture *f, gconstpointer data)
{
  g_autoptr (MossChanges) changes = moss_changes_new ();

  add_inode (changes, 77, S_IFDIR | 0755, 0, 77);
  add_entry (changes, 77, "again", 77, S_IFDIR);
  expect (f, changes, FALSE);
}

/* Two directories that are in each other and nowhere else come to the top. */
static void
test_circle (Fixture *f, gconstpointer data)
{
  g_autoptr (MossChanges) changes = moss_changes_new ();

  add_inode (changes, 77, S_IFDIR | 0755, 0, 78);
  add_inode (changes, 78, S_IFDIR | 0755, 0, 77);
  add_entry (changes, 77, "in", 78, S_IFDIR);
  add_entry (changes, 78, "out", 77, S_IFDIR);
  expect (f, changes, TRUE);
  g_assert_cmpint (kit_ino (f->mine->tree, "/out"), ==, 77);
}

/* A directory that is the root's own, below another. */
static void
test_root_below (Fixture *f, gconstpointer data)
{
  g_autoptr (MossChanges) changes = moss_changes_new ();

  add_entry (changes, kit_ino (f->mine->tree, "/d"), "up", MOSS_TREE_ROOT, S_IFDIR);
  expect (f, changes, FALSE);
}

static void
test_no_root (Fixture *f, gconstpointer data)
{
  g_autoptr (MossChanges) changes = moss_changes_new ();
  MossKey key;

  moss_key_init (&key, SPACE_INODE, MOSS_TREE_ROOT);
  moss_changes_remove (changes, key.bytes, key.length);
  expect (f, changes, FALSE);
}

/* A dot that the root says it hasn't seen would make every other device's items old. */
static void
test_unseen (Fixture *f, gconstpointer data)
{
  g_autoptr (MossChanges) changes = moss_changes_new ();
  g_autoptr (GBytes) record = NULL;
  g_autoptr (GError) error = NULL;
  MossKey key;
  GByteArray *value = g_byte_array_new ();
  MossEntryRecord entry = { .ino = 77, .dot = dot + 500, .type = S_IFREG };

  add_inode (changes, 77, S_IFREG | 0644, 0, 1);
  moss_entry_record_write (&entry, value);
  moss_key_init (&key, SPACE_ENTRY, 1);
  moss_key_add (&key, "x", 1);
  add (changes, &key, value);
  record = forge (f, changes, 1000);
  g_assert_false (moss_tree_merge (f->mine->tree, record, NULL, &error));
  g_assert_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT);
}

#define ADD(path, data, test) \
  g_test_add ("/hostile/" path, Fixture, data, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("slash", "../../etc/passwd", test_names);
  ADD ("dots", "..", test_names);
  ADD ("dot", ".", test_names);
  ADD ("size", NULL, test_sizes);
  ADD ("nothing", NULL, test_nothing);
  ADD ("in-itself", NULL, test_in_itself);
  ADD ("circle", NULL, test_circle);
  ADD ("root-below", NULL, test_root_below);
  ADD ("no-root", NULL, test_no_root);
  ADD ("unseen", NULL, test_unseen);
  return g_test_run ();
}
