// SPDX-License-Identifier: GPL-3.0-or-later
/* moss-fsck on what libmoss-tree wrote: clean as it is, and after a kill; a finding for each
 * kind of thing that has a wrong byte, and for each kind of record that contradicts another. */
#include "tree-kit.h"

#include "vfs/tree/bytes.h"
#include "vfs/tree/tree-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  Kit kit;
  Device *device;
  MossTree *tree;
  char *keys;
  char *copy;
  guint64 dir, inner, file;
} Fixture;

static char *
hex (const guint8 *bytes, gsize length)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < length; i++)
    g_string_append_printf (text, "%02x", bytes[i]);
  return g_string_free (text, FALSE);
}

static void
write_keys (Fixture *f)
{
  guint8 key[32];
  g_autofree char *tree = hex (f->kit.tree_id, 32);
  g_autofree char *device = hex (f->device->id, 32);
  gsize length;
  const guint8 *public_bytes = g_bytes_get_data (f->device->public_key, &length);
  g_autofree char *public_key = hex (public_bytes, length);
  g_autofree char *key_text = NULL, *text = NULL;

  memcpy (key, f->kit.user_key, 32);
  key[0] ^= 1;
  key_text = hex (key, 32);
  text = g_strdup_printf ("tree %s\nkey 1 %s\ndevice %u %u %s %s\n", tree, key_text,
                          f->device->slot, f->kit.suite, device, public_key);
  f->keys = g_build_filename (f->kit.dir, "keys", NULL);
  g_assert_true (g_file_set_contents (f->keys, text, -1, NULL));
}

static void
write_long (Fixture *f, const char *name, gsize length)
{
  g_autofree guint8 *bytes = g_malloc (length);
  guint64 ino = kit_write_file (f->tree, name, "x");

  moss_crypto_random (bytes, length);
  g_assert_cmpint (moss_tree_open_file (f->tree, ino, O_WRONLY), ==, 0);
  g_assert_cmpint (moss_tree_write (f->tree, ino, bytes, length, 0, FALSE, FALSE), ==, length);
  g_assert_cmpint (moss_tree_release (f->tree, ino, O_WRONLY), ==, 0);
  f->file = ino;
}

/* Something of everything, committed twice, so that there is a former root and a version. */
static void
fill (Fixture *f)
{
  g_autofree char *attribute = g_strnfill (6000, 'a');
  MossTreeAttr attr;

  f->dir = kit_mkdir (f->tree, "/dir");
  f->inner = kit_mkdir (f->tree, "/dir/inner");
  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *name = g_strdup_printf ("/dir/inner/file %u", i);

      kit_write_file (f->tree, name, i % 2 ? "short" : attribute);
    }
  write_long (f, "/long", 700 * 1000);
  g_assert_cmpint (moss_tree_link (f->tree, f->file, f->inner, "linked", &attr), ==, 0);
  g_assert_cmpint (moss_tree_symlink (f->tree, f->dir, "link", "../long", 1000, 1000, &attr), ==,
                   0);
  g_assert_cmpint (moss_tree_setxattr (f->tree, f->file, "user.a", attribute, 6000, 0), ==, 0);
  g_assert_cmpint (moss_tree_setxattr (f->tree, f->file, "user.b", "b", 1, 0), ==, 0);
  g_assert_cmpint (moss_tree_sync (f->tree), ==, 0);
  write_long (f, "/long", 300 * 1000);
  kit_write_file (f->tree, "/nameless", attribute);
  g_assert_cmpint (moss_tree_open_file (f->tree, kit_ino (f->tree, "/nameless"), O_RDONLY), ==,
                   0);
  g_assert_cmpint (moss_tree_unlink (f->tree, 1, "nameless", NULL), ==, 0);
  g_bytes_unref (device_record (f->device));
  g_assert_cmpint (moss_tree_sync (f->tree), ==, 0);
}

/* Several frames that no commit has seen. */
static void
change (Fixture *f)
{
  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *name = g_strdup_printf ("/dir/new %u", i);
      guint64 ino = kit_write_file (f->tree, name, "not committed");

      g_assert_cmpint (moss_tree_fsync (f->tree, ino), ==, 0);
    }
  write_long (f, "/dir/new long", 400 * 1000);
  g_assert_cmpint (moss_tree_fsync (f->tree, f->file), ==, 0);
}

static void
copy (Fixture *f)
{
  kit_remove_dir (f->copy);
  device_copy_state (f->device, f->copy);
}

static void
set_up (Fixture *f, gconstpointer suite)
{
  kit_init (&f->kit, 1, GPOINTER_TO_UINT (suite));
  f->device = &f->kit.devices[0];
  f->tree = f->device->tree;
  f->copy = g_build_filename (f->kit.dir, "copy", NULL);
  write_keys (f);
  fill (f);
}

static void
tear_down (Fixture *f, gconstpointer suite)
{
  kit_clear (&f->kit);
  g_free (f->keys);
  g_free (f->copy);
}

/* What it said; @status: its exit code. */
static char *
run (Fixture *f, int *status)
{
  g_autofree char *store = g_build_filename (f->copy, "store", NULL);
  g_autofree char *tree = g_build_filename (f->copy, "tree", NULL);
  const char *argv[] = { g_getenv ("MOSS_FSCK"), "--complete", "--store", store, "--tree", tree,
                         "--keys", f->keys, NULL };
  g_autoptr (GError) error = NULL;
  char *out = NULL;
  int wait_status;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, NULL,
                &wait_status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (wait_status));
  *status = WEXITSTATUS (wait_status);
  return out;
}

static void
expect_clean (Fixture *f)
{
  int status;
  g_autofree char *out = run (f, &status);

  g_test_message ("%s", out);
  g_assert_true (g_str_has_prefix (out, "clean: "));
  g_assert_cmpint (status, ==, 0);
}

static void
expect (Fixture *f, const char *what)
{
  int status;
  g_autofree char *out = run (f, &status);

  if (strstr (out, what) == NULL)
    g_error ("\"%s\" is not in: %s", what, out);
  g_assert_cmpint (status, ==, 1);
}

static char *
path_of (Fixture *f, const char *name)
{
  return g_build_filename (f->copy, name, NULL);
}

static void
flip (Fixture *f, const char *name, guint64 offset)
{
  g_autofree char *path = path_of (f, name);
  int fd = open (path, O_RDWR);
  guint8 byte;

  g_assert_cmpint (pread (fd, &byte, 1, offset), ==, 1);
  byte ^= 0x40;
  g_assert_cmpint (pwrite (fd, &byte, 1, offset), ==, 1);
  close (fd);
}

/* --- tests --- */

static void
test_clean (Fixture *f, gconstpointer suite)
{
  g_autofree char *out = NULL;
  const char *records;
  int status;

  copy (f);
  expect_clean (f);
  change (f);
  copy (f);
  out = run (f, &status);
  g_assert_true (g_str_has_prefix (out, "clean: "));
  /* The root, and six files, each made, written and closed: the journal was read. */
  records = strstr (out, " names, ");
  g_assert_nonnull (records);
  g_assert_cmpuint (g_ascii_strtoull (records + 8, NULL, 10), >=, 19);
  device_close (f->device);
  copy (f);
  expect_clean (f);
}

static void
test_objects (Fixture *f, gconstpointer suite)
{
  g_autoptr (GArray) starts = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_autofree char *pack = NULL, *bytes = NULL;
  gsize length;

  device_close (f->device);
  copy (f);
  pack = path_of (f, "store/pack-000001");
  g_assert_true (g_file_get_contents (pack, &bytes, &length, NULL));
  for (guint64 at = 0; at + 80 < length;)
    {
      guint32 size;

      memcpy (&size, bytes + at + 4, 4);
      g_array_append_val (starts, at);
      at += 80 + GUINT32_FROM_LE (size);
    }
  g_assert_cmpuint (starts->len, >, 8);
  for (guint i = 0; i < starts->len; i++)
    {
      guint64 at = g_array_index (starts, guint64, i);
      guint64 place = at + (i % 3 == 0 ? 80 + 40 : i % 3 == 1 ? 10 : 0);

      flip (f, "store/pack-000001", place);
      expect (f, "object ");
      flip (f, "store/pack-000001", place);
    }
  expect_clean (f);
}

static void
change_index (Fixture *f, const char *text)
{
  g_autofree char *path = path_of (f, "store/index.db");
  sqlite3 *db;

  g_assert_cmpint (sqlite3_open (path, &db), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (db, text, NULL, NULL, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_changes (db), ==, 1);
  sqlite3_close (db);
}

static void
test_index (Fixture *f, gconstpointer suite)
{
  device_close (f->device);
  copy (f);
  change_index (f, "UPDATE objects SET offset = offset + 1 WHERE id ="
                   " (SELECT max (id) FROM objects)");
  expect (f, "object ");
  copy (f);
  change_index (f, "DELETE FROM objects WHERE id = (SELECT id FROM objects ORDER BY length DESC"
                   " LIMIT 1)");
  expect (f, "it isn't here");
  copy (f);
  flip (f, "store/index.db", 20);
  expect (f, "index.db");
}

static void
test_head (Fixture *f, gconstpointer suite)
{
  device_close (f->device);
  for (guint place = 0; place < 2; place++)
    {
      copy (f);
      flip (f, "tree/heads", place * 256 * 1024 + 100);
      expect (f, "it is damaged, or its key isn't here");
    }
  flip (f, "tree/heads", 100);
  expect (f, "no head is whole");
}

static void
test_journal (Fixture *f, gconstpointer suite)
{
  g_autofree char *name = NULL;

  change (f);
  copy (f);
  expect_clean (f);
  name = g_strdup_printf ("tree/journal-%u", (guint) (f->tree->mark_epoch % 2));
  flip (f, name, 64 + 36 + 5);
  expect (f, "it is damaged, and whole ones follow");
  flip (f, name, 64 + 36 + 5);
  flip (f, name, 1);
  expect (f, "its head is damaged");
}

/* --- contradictions --- */

/* A commit of a table that our own code would never have made. */
static void
forge (Fixture *f, MossChanges *changes, const char *what)
{
  g_autoptr (Head) head = head_new ();
  g_autoptr (GError) error = NULL;
  MossTree *tree = f->tree;
  MossRef base = tree->base;

  moss_changes_sort (changes);
  moss_table_apply (tree->table, &base, changes, &head->table, &error);
  g_assert_no_error (error);
  head->number = tree->number;
  head->epoch = tree->mark_epoch;
  head->skip = tree->mark_skip;
  g_assert_true (head_write (tree, head, &error));
  copy (f);
  expect (f, what);
  moss_changes_free (changes);
}

static void
put_entry (MossChanges *changes, guint64 dir, const char *name, guint64 ino, guint32 type)
{
  g_autoptr (GByteArray) value = g_byte_array_new ();
  MossEntryRecord entry = { .ino = ino, .dot = 1, .type = type };
  MossKey key;

  moss_key_init (&key, SPACE_ENTRY, dir);
  moss_key_add (&key, name, strlen (name));
  if (ino != 0)
    moss_entry_record_write (&entry, value);
  if (ino != 0)
    moss_changes_add (changes, key.bytes, key.length, value->data, value->len);
  else
    moss_changes_remove (changes, key.bytes, key.length);
}

static MossChanges *
one_entry (guint64 dir, const char *name, guint64 ino, guint32 type)
{
  MossChanges *changes = moss_changes_new ();

  put_entry (changes, dir, name, ino, type);
  return changes;
}

static void
test_contradictions (Fixture *f, gconstpointer suite)
{
  MossChanges *changes;
  guint8 extent[72] = { 1 };
  MossKey key;

  forge (f, one_entry (1, "..", f->file, S_IFREG), "the name is forbidden");
  forge (f, one_entry (1, "a/b", f->file, S_IFREG), "the name is forbidden");
  forge (f, one_entry (1, "again", f->file, S_IFREG), "its link count is wrong");
  forge (f, one_entry (1, "again", f->file, S_IFLNK), "it is of another type");
  forge (f, one_entry (1, "again", f->inner, S_IFDIR), "the directory has several names");
  forge (f, one_entry (1, "nobody", 77777, S_IFREG), "a name leads to it and it isn't there");
  forge (f, one_entry (f->file, "in", f->inner, S_IFDIR), "it is no directory");
  forge (f, one_entry (1, "long", 0, 0), "its link count is wrong");
  forge (f, one_entry (f->dir, "link", 0, 0), "no name leads to it");
  changes = one_entry (1, "dir", 0, 0);
  put_entry (changes, f->inner, "dir", f->dir, S_IFDIR);
  forge (f, changes, "the directory stands in a circle");
  changes = moss_changes_new ();
  moss_key_init (&key, SPACE_EXTENT, f->dir);
  moss_key_add_number (&key, 0);
  moss_changes_add (changes, key.bytes, key.length, extent, sizeof extent);
  forge (f, changes, "it isn't here");
}

static void
test_refusal (Fixture *f, gconstpointer suite)
{
  g_autofree char *away = NULL;
  g_autofree char *out = NULL;
  int status;

  /* In use. */
  away = g_steal_pointer (&f->copy);
  f->copy = g_strdup (f->device->dir);
  out = run (f, &status);
  g_assert_cmpint (status, ==, 2);
  g_free (f->copy);
  f->copy = g_steal_pointer (&away);
}

int
main (int argc, char **argv)
{
  gconstpointer suites[] = { GUINT_TO_POINTER (1), GUINT_TO_POINTER (2) };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *clean = g_strdup_printf ("/fsck/clean/%u", i + 1);
      g_autofree char *journal = g_strdup_printf ("/fsck/journal/%u", i + 1);

      g_test_add (clean, Fixture, suites[i], set_up, test_clean, tear_down);
      g_test_add (journal, Fixture, suites[i], set_up, test_journal, tear_down);
    }
  g_test_add ("/fsck/objects", Fixture, suites[0], set_up, test_objects, tear_down);
  g_test_add ("/fsck/index", Fixture, suites[0], set_up, test_index, tear_down);
  g_test_add ("/fsck/head", Fixture, suites[0], set_up, test_head, tear_down);
  g_test_add ("/fsck/contradictions", Fixture, suites[0], set_up, test_contradictions,
              tear_down);
  g_test_add ("/fsck/refusal", Fixture, suites[0], set_up, test_refusal, tear_down);
  return g_test_run ();
}
