// SPDX-License-Identifier: GPL-3.0-or-later
/* Random operations. One device against a simple model, with restarts and crashes; three devices
 * that merge now and then, in any order. The seed is printed; MOSS_SEED and MOSS_ROUNDS choose.
 *
 * What must hold for three: when all have heard all, all have the same tree; it is sound (link
 * counts, one place a directory, everything reachable); and each text that nobody who could see
 * it overwrote or removed is in it. */
#include "tree-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/fs.h>
#include <string.h>

static GRand *dice;

static guint
roll (guint sides)
{
  return g_rand_int_range (dice, 0, sides);
}

static guint
number_from (const char *name, guint otherwise)
{
  const char *text = g_getenv (name);

  return text != NULL ? (guint) atoi (text) : otherwise;
}

static char *
random_path (void)
{
  GString *path = g_string_new (NULL);
  guint depth = 1 + roll (3);

  for (guint i = 0; i < depth; i++)
    g_string_append_printf (path, "/%c", 'a' + roll (4));
  return g_string_free (path, FALSE);
}

/* --- the model of one device --- */

typedef struct
{
  gatomicrefcount refs;
  gboolean directory;
  char *text;
} Node;

static void
node_unref (gpointer data)
{
  Node *node = data;

  if (!g_atomic_ref_count_dec (&node->refs))
    return;
  g_free (node->text);
  g_free (node);
}

static Node *
node_new (gboolean directory, const char *text)
{
  Node *node = g_new0 (Node, 1);

  g_atomic_ref_count_init (&node->refs);
  node->directory = directory;
  node->text = g_strdup (text);
  return node;
}

/* path → Node */
static GHashTable *
model_new (void)
{
  GHashTable *model = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, node_unref);

  g_hash_table_insert (model, g_strdup ("/"), node_new (TRUE, NULL));
  return model;
}

static int
model_parent (GHashTable *model, const char *path)
{
  g_autofree char *dir = g_path_get_dirname (path);
  Node *node = g_hash_table_lookup (model, dir);

  /* Something above may be a file: the lookup of it fails there. */
  return node != NULL && node->directory ? 0 : -1;
}

static gboolean
model_is_empty (GHashTable *model, const char *path)
{
  g_autofree char *prefix = g_strconcat (path, "/", NULL);
  GHashTableIter iter;
  gpointer other;

  g_hash_table_iter_init (&iter, model);
  while (g_hash_table_iter_next (&iter, &other, NULL))
    if (g_str_has_prefix (other, prefix))
      return FALSE;
  return TRUE;
}

static void
model_move (GHashTable *model, const char *from, const char *to)
{
  g_autofree char *prefix = g_strconcat (from, "/", NULL);
  g_autoptr (GList) paths = g_hash_table_get_keys (model);

  for (GList *l = paths; l != NULL; l = l->next)
    {
      Node *node = g_hash_table_lookup (model, l->data);
      g_autofree char *old = NULL;

      if (strcmp (l->data, from) != 0 && !g_str_has_prefix (l->data, prefix))
        continue;
      old = g_strdup (l->data);
      g_atomic_ref_count_inc (&node->refs);
      g_hash_table_remove (model, old);
      g_hash_table_replace (model, g_strconcat (to, old + strlen (from), NULL), node);
    }
}

/* --- operations on a tree --- */

static guint64
dir_of (MossTree *tree, const char *path, char **name)
{
  g_autofree char *dir = g_path_get_dirname (path);
  MossTreeAttr attr;

  *name = g_path_get_basename (path);
  if (moss_tree_resolve (tree, dir, &attr) != 0 || !S_ISDIR (attr.mode))
    return 0;
  return attr.ino;
}

static guint texts;

/* Result of the write of a new text, or what stood in the way. */
static int
do_write (MossTree *tree, const char *path, char **text)
{
  g_autofree char *name = NULL;
  guint64 dir = dir_of (tree, path, &name);
  MossTreeAttr attr = { 0 };
  int result;

  if (dir == 0)
    return -1;
  result = moss_tree_mknod (tree, dir, name, S_IFREG | 0644, 0, 0, 0, &attr);
  if (result != 0 && result != -EEXIST)
    return result;
  if (!S_ISREG (attr.mode))
    return -EISDIR;
  *text = g_strdup_printf ("text %u %.*s", texts++, (int) roll (2000),
                           "................................................................"
                           "................................................................");
  g_assert_cmpint (moss_tree_open_file (tree, attr.ino, O_WRONLY | O_TRUNC), ==, 0);
  g_assert_cmpint (moss_tree_write (tree, attr.ino, *text, strlen (*text), 0, FALSE, FALSE),
                   ==, strlen (*text));
  return moss_tree_release (tree, attr.ino, O_WRONLY);
}

static int
do_mkdir (MossTree *tree, const char *path)
{
  g_autofree char *name = NULL;
  guint64 dir = dir_of (tree, path, &name);

  return dir == 0 ? -1 : moss_tree_mkdir (tree, dir, name, 0755, 0, 0, NULL);
}

static int
do_remove (MossTree *tree, const char *path, gboolean directory)
{
  g_autofree char *name = NULL;
  guint64 dir = dir_of (tree, path, &name);

  if (dir == 0)
    return -1;
  return directory ? moss_tree_rmdir (tree, dir, name, NULL)
                   : moss_tree_unlink (tree, dir, name, NULL);
}

static int
do_rename (MossTree *tree, const char *from, const char *to)
{
  g_autofree char *name = NULL;
  g_autofree char *new_name = NULL;
  guint64 dir = dir_of (tree, from, &name);
  guint64 new_dir = dir_of (tree, to, &new_name);

  if (dir == 0 || new_dir == 0)
    return -1;
  return moss_tree_rename (tree, dir, name, new_dir, new_name, 0, NULL);
}

static int
do_link (MossTree *tree, const char *from, const char *to)
{
  g_autofree char *name = NULL;
  guint64 dir = dir_of (tree, to, &name);
  MossTreeAttr attr;

  if (dir == 0 || moss_tree_resolve (tree, from, &attr) != 0)
    return -1;
  return moss_tree_link (tree, attr.ino, dir, name, NULL);
}

/* --- one device --- */

static void
check_model (GHashTable *model, MossTree *tree)
{
  GHashTableIter iter;
  gpointer path, value;
  guint count = 0;
  g_auto (GStrv) lines = NULL;
  g_autofree char *dump = kit_dump (tree);

  g_hash_table_iter_init (&iter, model);
  while (g_hash_table_iter_next (&iter, &path, &value))
    {
      Node *node = value;
      MossTreeAttr attr;
      g_autofree char *text = NULL;

      g_assert_cmpint (moss_tree_resolve (tree, path, &attr), ==, 0);
      g_assert_cmpint (!!S_ISDIR (attr.mode), ==, node->directory);
      count++;
      if (node->directory)
        continue;
      text = kit_read_file (tree, path);
      g_assert_cmpstr (text, ==, node->text);
      g_assert_cmpint (attr.nlink, ==, node->refs);
    }
  lines = g_strsplit (dump, "\n", -1);
  g_assert_cmpint (g_strv_length (lines) - 1, ==, count);
}

static void
model_write (GHashTable *model, MossTree *tree, const char *path)
{
  Node *node = g_hash_table_lookup (model, path);
  g_autofree char *text = NULL;
  int result = do_write (tree, path, &text);

  if (model_parent (model, path) != 0 || (node != NULL && node->directory))
    g_assert_cmpint (result, <, 0);
  else if (node == NULL)
    {
      g_assert_cmpint (result, ==, 0);
      g_hash_table_insert (model, g_strdup (path), node_new (FALSE, text));
    }
  else
    {
      g_assert_cmpint (result, ==, 0);
      g_free (node->text);
      node->text = g_steal_pointer (&text);
    }
}

static void
model_rename (GHashTable *model, MossTree *tree, const char *from, const char *to)
{
  Node *moved = g_hash_table_lookup (model, from);
  Node *other = g_hash_table_lookup (model, to);
  g_autofree char *inside = g_strconcat (from, "/", NULL);
  int result = do_rename (tree, from, to);

  if (moved == NULL || model_parent (model, from) != 0 || model_parent (model, to) != 0 ||
      g_str_has_prefix (to, inside) ||
      (other != NULL && other != moved && other->directory != moved->directory) ||
      (other != NULL && other != moved && other->directory && !model_is_empty (model, to)))
    {
      g_assert_cmpint (result, <, 0);
      return;
    }
  g_assert_cmpint (result, ==, 0);
  if (moved == other)
    return;
  g_hash_table_remove (model, to);
  model_move (model, from, to);
}

static void
model_step (GHashTable *model, MossTree *tree)
{
  g_autofree char *path = random_path ();
  g_autofree char *other = random_path ();
  Node *node = g_hash_table_lookup (model, path);
  int result;

  switch (roll (8))
    {
    case 0:
    case 1:
    case 2:
      model_write (model, tree, path);
      break;
    case 3:
      result = do_mkdir (tree, path);
      g_assert_cmpint (result == 0, ==, node == NULL && model_parent (model, path) == 0);
      if (result == 0)
        g_hash_table_insert (model, g_strdup (path), node_new (TRUE, NULL));
      break;
    case 4:
      result = do_remove (tree, path, node != NULL && node->directory);
      g_assert_cmpint (result == 0, ==,
                       node != NULL && (!node->directory || model_is_empty (model, path)));
      if (result == 0)
        g_hash_table_remove (model, path);
      break;
    case 5:
      result = do_link (tree, path, other);
      g_assert_cmpint (result == 0, ==,
                       node != NULL && !node->directory && model_parent (model, other) == 0 &&
                           !g_hash_table_contains (model, other));
      if (result != 0)
        break;
      g_atomic_ref_count_inc (&node->refs);
      g_hash_table_insert (model, g_strdup (other), node);
      break;
    default:
      model_rename (model, tree, path, other);
    }
}

static void
fsync_all (GHashTable *model, MossTree *tree)
{
  GHashTableIter iter;
  gpointer path;

  g_hash_table_iter_init (&iter, model);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    g_assert_cmpint (moss_tree_fsync (tree, kit_ino (tree, path)), ==, 0);
}

static void
crash (Device *device)
{
  g_autofree char *saved = g_strconcat (device->dir, ".crash", NULL);

  device_copy_state (device, saved);
  device_close (device);
  kit_remove_dir (device->dir);
  g_assert_cmpint (g_rename (saved, device->dir), ==, 0);
  device_open (device, TRUE);
}

static void
test_one (void)
{
  guint rounds = number_from ("MOSS_ROUNDS", 4000);
  g_autoptr (GHashTable) model = model_new ();
  Device *device;
  Kit kit;

  kit_init (&kit, 1, MOSS_SUITE_SODIUM);
  device = &kit.devices[0];
  for (guint i = 0; i < rounds; i++)
    {
      model_step (model, device->tree);
      switch (roll (100))
        {
        case 0:
          g_assert_cmpint (moss_tree_sync (device->tree), ==, 0);
          break;
        case 1:
          check_model (model, device->tree);
          break;
        case 2:
          if (roll (4) > 0)
            break;
          device_close (device);
          device_open (device, TRUE);
          check_model (model, device->tree);
          break;
        case 3:
          if (roll (4) > 0)
            break;
          fsync_all (model, device->tree);
          crash (device);
          check_model (model, device->tree);
          break;
        default:
          break;
        }
    }
  check_model (model, device->tree);
  kit_clear (&kit);
}

/* --- three devices --- */

static GHashTable *alive; /* text → NULL: nobody who could see it gave it up */

static void
give_up (MossTree *tree, const char *path)
{
  MossTreeAttr attr;
  g_autofree char *text = NULL;

  if (moss_tree_resolve (tree, path, &attr) != 0 || !S_ISREG (attr.mode))
    return;
  text = kit_read_file (tree, path);
  g_hash_table_remove (alive, text);
}

static void
three_step (Device *device)
{
  MossTree *tree = device->tree;
  g_autofree char *path = random_path ();
  g_autofree char *other = random_path ();
  g_autofree char *text = NULL;
  MossTreeAttr attr = { 0 }, there = { 0 };

  moss_tree_resolve (tree, path, &attr);
  moss_tree_resolve (tree, other, &there);
  switch (roll (8))
    {
    case 0:
    case 1:
    case 2:
      give_up (tree, path);
      if (do_write (tree, path, &text) == 0)
        g_hash_table_add (alive, g_steal_pointer (&text));
      break;
    case 3:
      do_mkdir (tree, path);
      break;
    case 4:
      if (attr.nlink == 1)
        give_up (tree, path);
      do_remove (tree, path, S_ISDIR (attr.mode));
      break;
    case 5:
      do_link (tree, path, other);
      break;
    default:
      /* What it replaces is given up, if it does. */
      if (S_ISREG (attr.mode) && attr.ino != there.ino && there.nlink == 1)
        give_up (tree, other);
      do_rename (tree, path, other);
    }
}

static gboolean
pull (Device *to, Device *from)
{
  g_autoptr (GBytes) record = device_record (from);
  g_autoptr (GError) error = NULL;

  if (record == NULL || moss_tree_merge (to->tree, record, NULL, &error))
    return record != NULL;
  if (!g_error_matches (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID))
    g_assert_no_error (error);
  return FALSE;
}

static void
pull_all (Kit *kit)
{
  for (guint round = 0; round < 12; round++)
    {
      gboolean any = FALSE;

      for (guint i = 0; i < kit->count; i++)
        for (guint j = 0; j < kit->count; j++)
          if (i != j)
            any = pull (&kit->devices[i], &kit->devices[j]) || any;
      if (!any)
        return;
    }
  g_error ("the devices don't come to an end");
}

/* Returns the number of directories directly in @path; adds what it holds. */
static guint
check_sound (MossTree *tree,
             const char *path,
             guint64 ino,
             GHashTable *links,
             GHashTable *directories)
{
  g_autoptr (GPtrArray) names = kit_names (tree, path);
  guint count = 0;

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *child = g_strdup_printf ("%s%s%s", path, path[1] != '\0' ? "/" : "",
                                                (char *) names->pdata[i]);
      MossTreeAttr attr;
      guint64 parent;

      g_assert_cmpint (moss_tree_resolve (tree, child, &attr), ==, 0);
      if (S_ISDIR (attr.mode))
        {
          count++;
          g_assert_true (g_hash_table_add (directories, g_memdup2 (&attr.ino, 8)));
          g_assert_cmpint (moss_tree_parent (tree, attr.ino, &parent), ==, 0);
          g_assert_cmpint (parent, ==, ino);
          g_assert_cmpint (attr.nlink, ==,
                           2 + check_sound (tree, child, attr.ino, links, directories));
          continue;
        }
      g_hash_table_replace (links, g_memdup2 (&attr.ino, 8),
                            GUINT_TO_POINTER (1 + GPOINTER_TO_UINT (g_hash_table_lookup (
                                                      links, &attr.ino))));
      if (S_ISREG (attr.mode))
        {
          g_autofree char *text = kit_read_file (tree, child);

          g_hash_table_remove (alive, text);
        }
    }
  return count;
}

static void
check_links (MossTree *tree)
{
  g_autoptr (GHashTable) links
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_autoptr (GHashTable) directories
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer ino, count;
  MossTreeAttr attr;

  check_sound (tree, "/", MOSS_TREE_ROOT, links, directories);
  g_hash_table_iter_init (&iter, links);
  while (g_hash_table_iter_next (&iter, &ino, &count))
    {
      g_assert_cmpint (moss_tree_getattr (tree, *(guint64 *) ino, &attr), ==, 0);
      g_assert_cmpint (attr.nlink, ==, GPOINTER_TO_UINT (count));
    }
}

static void
run_three (guint steps)
{
  g_autofree char *first = NULL;
  GHashTableIter iter;
  gpointer text;
  Kit kit;

  kit_init (&kit, 3, MOSS_SUITE_SODIUM);
  alive = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < steps; i++)
    {
      three_step (&kit.devices[roll (3)]);
      if (roll (12) == 0)
        {
          guint to = roll (3);

          pull (&kit.devices[to], &kit.devices[(to + 1 + roll (2)) % 3]);
        }
      if (roll (60) == 0)
        {
          Device *device = &kit.devices[roll (3)];

          device_close (device);
          device_open (device, TRUE);
        }
    }
  pull_all (&kit);
  first = kit_dump (kit.devices[0].tree);
  for (guint i = 1; i < kit.count; i++)
    {
      g_autofree char *other = kit_dump (kit.devices[i].tree);

      g_assert_cmpstr (first, ==, other);
    }
  check_links (kit.devices[0].tree);
  g_hash_table_iter_init (&iter, alive);
  while (g_hash_table_iter_next (&iter, &text, NULL))
    g_error ("“%.12s” is lost; the tree:\n%s", (char *) text, first);
  g_hash_table_unref (alive);
  kit_clear (&kit);
}

static void
test_three (void)
{
  guint rounds = number_from ("MOSS_ROUNDS", 0);

  for (guint i = 0; i < (rounds > 0 ? rounds / 100 : 25); i++)
    run_three (20 + roll (150));
}

int
main (int argc, char **argv)
{
  /* The suite runs a fixed sample; a search for more gives its own. */
  guint seed = number_from ("MOSS_SEED", 2);

  g_test_init (&argc, &argv, NULL);
  g_print ("# MOSS_SEED=%u\n", seed);
  dice = g_rand_new_with_seed (seed);
  g_test_add_func ("/model/one", test_one);
  g_test_add_func ("/model/three", test_three);
  return g_test_run ();
}
