// SPDX-License-Identifier: GPL-3.0-or-later
#include "tree-kit.h"
#include "vfs/tree/table.h"

#include <string.h>

typedef struct
{
  char *dir;
  MossStore *store;
  MossTable *table;
} Fixture;

static const guint8 tree_id[32] = { 1, 2, 3, 4 };

static void
set_up (Fixture *f, gconstpointer data)
{
  f->dir = g_dir_make_tmp ("moss-table-XXXXXX", NULL);
  f->store = moss_store_open (f->dir, NULL);
  f->table = moss_table_new (f->store, tree_id, NULL, NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  moss_table_free (f->table);
  moss_store_unref (f->store);
  kit_remove_dir (f->dir);
  g_free (f->dir);
}

static void
key_of (guint n, guint8 *key)
{
  memset (key, 0, 12);
  key[0] = 1 + n % 3;
  key[7] = n >> 16;
  key[8] = n >> 8;
  key[9] = n;
}

static void
add (MossChanges *changes, guint n, guint value)
{
  guint8 key[12], bytes[100];

  key_of (n, key);
  memset (bytes, value, sizeof bytes);
  moss_changes_add (changes, key, sizeof key, bytes, 4 + (n * 7 + value) % 96);
}

static void
drop (MossChanges *changes, guint n)
{
  guint8 key[12];

  key_of (n, key);
  moss_changes_remove (changes, key, sizeof key);
}

static void
apply (Fixture *f, MossRef *root, MossChanges *changes)
{
  g_autoptr (GError) error = NULL;

  moss_changes_sort (changes);
  moss_table_apply (f->table, root, changes, root, &error);
  g_assert_no_error (error);
}

static void
check (Fixture *f, const MossRef *root, const guint *model, guint count)
{
  for (guint n = 0; n < count; n++)
    {
      g_autoptr (MossNode) holder = NULL;
      g_autoptr (GError) error = NULL;
      MossItem item;
      guint8 key[12];

      key_of (n, key);
      moss_table_find (f->table, root, key, sizeof key, &item, &holder, &error);
      g_assert_no_error (error);
      g_assert_cmpint (holder != NULL, ==, model[n] != 0);
      if (holder != NULL)
        g_assert_cmpint (item.value[0], ==, model[n]);
    }
}

static gboolean
count_diff (const MossItem *a, const MossItem *b, gpointer count)
{
  (*(guint *) count)++;
  return TRUE;
}

/* Random changes in batches; the same content built at once gives the same root. */
static void
test_canonical (Fixture *f, gconstpointer data)
{
  enum { KEYS = 20000 };
  g_autofree guint *model = g_new0 (guint, KEYS);
  g_autofree guint *before = g_new0 (guint, KEYS);
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  g_autoptr (MossChanges) all = moss_changes_new ();
  MossRef root = { 0 }, again = { 0 }, old = { 0 };
  guint differing = 0, found = 0;

  for (guint round = 0; round < 40; round++)
    {
      g_autoptr (MossChanges) changes = moss_changes_new ();
      guint many = round % 4 == 0 ? 4000 : 5;

      if (round == 39)
        {
          old = root;
          memcpy (before, model, KEYS * sizeof *model);
        }
      for (guint i = 0; i < many; i++)
        {
          guint n = g_rand_int_range (rand, 0, KEYS);

          model[n] = g_rand_int_range (rand, 0, 3) == 0 ? 0 : g_rand_int_range (rand, 1, 200);
          if (model[n] == 0)
            drop (changes, n);
          else
            add (changes, n, model[n]);
        }
      apply (f, &root, changes);
    }
  check (f, &root, model, KEYS);
  for (guint n = 0; n < KEYS; n++)
    {
      if (model[n] != 0)
        add (all, n, model[n]);
      differing += model[n] != before[n];
    }
  apply (f, &again, all);
  g_assert_cmpmem (&root, sizeof root, &again, sizeof again);
  g_assert_true (moss_table_diff (f->table, &old, &root, NULL, count_diff, &found, NULL));
  g_assert_cmpint (found, ==, differing);
}

static void
test_empty (Fixture *f, gconstpointer data)
{
  g_autoptr (MossChanges) some = moss_changes_new ();
  g_autoptr (MossChanges) none = moss_changes_new ();
  MossRef root = { 0 };

  for (guint n = 0; n < 3000; n++)
    add (some, n, 5);
  apply (f, &root, some);
  g_assert_false (moss_table_is_empty (&root));
  for (guint n = 0; n < 3000; n++)
    drop (none, n);
  apply (f, &root, none);
  g_assert_true (moss_table_is_empty (&root));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/table/canonical", Fixture, NULL, set_up, test_canonical, tear_down);
  g_test_add ("/table/empty", Fixture, NULL, set_up, test_empty, tear_down);
  return g_test_run ();
}
