// SPDX-License-Identifier: GPL-3.0-or-later
#include "tree-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* --- callbacks --- */

static GBytes *
sign (const guint8 *message, gsize length, guint *suite, gpointer user_data)
{
  Device *device = user_data;

  if (device->locked)
    return NULL;
  *suite = device->kit->suite;
  return moss_sign_domain (*suite, device->secret, "moss-root-1", message, length, NULL);
}

static gboolean
verify (const MossTreeRoot *root,
        guint suite,
        const guint8 *message,
        gsize length,
        GBytes *signature,
        gpointer user_data)
{
  Kit *kit = ((Device *) user_data)->kit;

  for (guint i = 0; i < kit->count; i++)
    if (memcmp (kit->devices[i].id, root->device, 32) == 0)
      return root->slot == kit->devices[i].slot && suite == kit->suite &&
             moss_verify_domain (suite, kit->devices[i].public_key, "moss-root-1", message,
                                 length, signature, NULL);
  return FALSE;
}

static gboolean
get_key (guint32 generation, guint8 *key, gpointer user_data)
{
  memcpy (key, ((Device *) user_data)->kit->user_key, 32);
  key[0] ^= generation;
  return TRUE;
}

static gboolean
fetch_one (Device *device, const MossId *id)
{
  Kit *kit = device->kit;

  for (guint i = 0; i < kit->count; i++)
    {
      Device *other = &kit->devices[i];
      g_autoptr (GBytes) sealed = NULL;

      if (other == device || other->store == NULL || other->cut_off)
        continue;
      sealed = moss_store_get_raw (other->store, id, NULL);
      if (sealed != NULL && moss_store_put_raw (device->store, sealed, id, NULL, NULL))
        return TRUE;
    }
  return FALSE;
}

static gboolean
fetch (const MossId *ids, gsize count, gpointer user_data, GError **error)
{
  Device *device = user_data;

  for (gsize i = 0; i < count; i++)
    {
      if (device->cut_off || !fetch_one (device, &ids[i]))
        {
          g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_MISSING, "nobody has it");
          return FALSE;
        }
      g_atomic_int_inc (&device->fetched);
    }
  return TRUE;
}

static char *
device_name (const guint8 *id, gpointer user_data)
{
  Kit *kit = ((Device *) user_data)->kit;

  for (guint i = 0; i < kit->count; i++)
    if (memcmp (kit->devices[i].id, id, 32) == 0)
      return g_strdup (kit->devices[i].name);
  return NULL;
}

static void
committed (const MossTreeRoot *root, GBytes *record, gpointer user_data)
{
  g_atomic_int_inc (&((Device *) user_data)->commits);
}

static void
changed (const MossTreeChange *changes, gsize count, gpointer user_data)
{
  Device *device = user_data;

  g_mutex_lock (&device->lock);
  for (gsize i = 0; i < count; i++)
    g_ptr_array_add (device->changed,
                     g_strdup_printf ("%" G_GINT64_MODIFIER "x %s", changes[i].ino,
                                      changes[i].name != NULL ? changes[i].name : ""));
  g_mutex_unlock (&device->lock);
}

/* --- devices --- */

void
kit_init (Kit *kit, guint devices, guint suite)
{
  memset (kit, 0, sizeof *kit);
  kit->dir = g_dir_make_tmp ("moss-tree-XXXXXX", NULL);
  kit->suite = suite;
  kit->commit_after_ms = 3600 * 1000;
  g_assert_true (moss_crypto_init (NULL));
  memset (kit->tree_id, 7, sizeof kit->tree_id);
  memset (kit->user_key, 9, sizeof kit->user_key);
  kit->count = devices;
  for (guint i = 0; i < devices; i++)
    {
      Device *device = &kit->devices[i];
      static const char *const names[] = { "desk", "lap", "pad", "hut", "e", "f", "g", "h" };

      device->kit = kit;
      device->slot = i + 1;
      memset (device->id, 'a' + i, sizeof device->id);
      device->name = g_strdup (names[i]);
      device->dir = g_strdup_printf ("%s/%s", kit->dir, device->name);
      device->changed = g_ptr_array_new_with_free_func (g_free);
      g_mutex_init (&device->lock);
      g_assert_true (moss_suite_signing_keygen (suite, &device->secret, &device->public_key,
                                                NULL));
      device_open (device, TRUE);
    }
}

gboolean
device_try_open (Device *device, gboolean fresh_mount, GError **error)
{
  g_autofree char *store = g_build_filename (device->dir, "store", NULL);
  g_autofree char *tree = g_build_filename (device->dir, "tree", NULL);
  MossTreeConfig config = { .dir = tree,
                            .slot = device->slot,
                            .generation = 1,
                            .uid = 1000,
                            .gid = 1000,
                            .suite = device->kit->suite,
                            .commit_after_ms = device->kit->commit_after_ms,
                            .callbacks = { sign, verify, get_key, fetch, device_name,
                                           committed, changed },
                            .user_data = device };

  device->store = moss_store_open_with_suite (store, device->kit->suite, error);
  if (device->store == NULL)
    return FALSE;
  if (!device->own_keys)
    moss_store_set_dedup_key (device->store, device->kit->user_key);
  config.store = device->store;
  memcpy (config.tree_id, device->kit->tree_id, 32);
  memcpy (config.device, device->id, 32);
  device->tree = moss_tree_open (&config, fresh_mount, error);
  if (device->tree == NULL)
    g_clear_pointer (&device->store, moss_store_unref);
  return device->tree != NULL;
}

void
device_open (Device *device, gboolean fresh_mount)
{
  g_autoptr (GError) error = NULL;

  device_try_open (device, fresh_mount, &error);
  g_assert_no_error (error);
}

void
device_close (Device *device)
{
  g_autoptr (GError) error = NULL;

  if (device->tree != NULL)
    moss_tree_close (g_steal_pointer (&device->tree), &error);
  g_assert_no_error (error);
  g_clear_pointer (&device->store, moss_store_unref);
}

void
kit_clear (Kit *kit)
{
  for (guint i = 0; i < kit->count; i++)
    {
      Device *device = &kit->devices[i];

      device_close (device);
      g_free (device->name);
      g_free (device->dir);
      g_ptr_array_unref (device->changed);
      g_bytes_unref (device->secret);
      g_bytes_unref (device->public_key);
      g_mutex_clear (&device->lock);
    }
  kit_remove_dir (kit->dir);
  g_free (kit->dir);
}

void
kit_remove_dir (const char *path)
{
  const char *argv[] = { "rm", "-rf", path, NULL };

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                NULL);
}

void
device_copy_state (Device *device, const char *to)
{
  const char *argv[] = { "cp", "-a", device->dir, to, NULL };
  int status = 0;

  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                               NULL, NULL, &status, NULL));
  g_assert_cmpint (status, ==, 0);
}

GBytes *
device_record (Device *device)
{
  g_autoptr (GError) error = NULL;
  GBytes *record = NULL;
  MossTreeRoot root;

  moss_tree_snapshot (device->tree, &root, &record, &error);
  g_assert_no_error (error);
  return record;
}

/* --- files --- */

guint64
kit_ino (MossTree *tree, const char *path)
{
  MossTreeAttr attr;

  return moss_tree_resolve (tree, path, &attr) == 0 ? attr.ino : 0;
}

static guint64
parent_of (MossTree *tree, const char *path)
{
  g_autofree char *dir = g_path_get_dirname (path);

  return kit_ino (tree, dir);
}

guint64
kit_mkdir (MossTree *tree, const char *path)
{
  g_autofree char *name = g_path_get_basename (path);
  MossTreeAttr attr = { 0 };

  g_assert_cmpint (moss_tree_mkdir (tree, parent_of (tree, path), name, 0755, 1000, 1000,
                                    &attr), ==, 0);
  return attr.ino;
}

guint64
kit_write_file (MossTree *tree, const char *path, const char *text)
{
  g_autofree char *name = g_path_get_basename (path);
  MossTreeAttr attr = { 0 };
  int result = moss_tree_mknod (tree, parent_of (tree, path), name, S_IFREG | 0644, 0, 1000,
                                1000, &attr);

  if (result != -EEXIST)
    g_assert_cmpint (result, ==, 0);
  g_assert_cmpint (moss_tree_open_file (tree, attr.ino, O_WRONLY | O_TRUNC), ==, 0);
  g_assert_cmpint (moss_tree_write (tree, attr.ino, text, strlen (text), 0, FALSE, FALSE), ==,
                   strlen (text));
  g_assert_cmpint (moss_tree_release (tree, attr.ino, O_WRONLY), ==, 0);
  return attr.ino;
}

char *
kit_read_file (MossTree *tree, const char *path)
{
  MossTreeAttr attr;
  char *text;
  gssize length;

  if (moss_tree_resolve (tree, path, &attr) != 0)
    return NULL;
  text = g_malloc0 (attr.size + 1);
  length = moss_tree_read (tree, attr.ino, text, attr.size, 0);
  g_assert_cmpint (length, ==, attr.size);
  return text;
}

static gboolean
on_name (const char *name,
         guint64 ino,
         guint32 mode,
         const MossTreeAttr *attr,
         guint64 cookie,
         gpointer names)
{
  if (cookie > 2)
    g_ptr_array_add (names, g_strdup (name));
  return TRUE;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char **) a, *(char **) b);
}

GPtrArray *
kit_names (MossTree *tree, const char *path)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  g_assert_cmpint (moss_tree_readdir (tree, kit_ino (tree, path), 0, FALSE, on_name, names),
                   ==, 0);
  g_ptr_array_sort (names, compare_names);
  return names;
}

static void
dump_xattrs (MossTree *tree, guint64 ino, GString *out)
{
  g_autoptr (GBytes) names = NULL;
  gsize length;
  const char *at, *end;

  g_assert_cmpint (moss_tree_listxattr (tree, ino, &names), ==, 0);
  at = g_bytes_get_data (names, &length);
  for (end = at + length; at < end; at += strlen (at) + 1)
    {
      g_autoptr (GBytes) value = NULL;

      g_assert_cmpint (moss_tree_getxattr (tree, ino, at, &value), ==, 0);
      g_string_append_printf (out, " %s=%u", at, g_bytes_hash (value));
    }
}

static void
dump_content (MossTree *tree, const MossTreeAttr *attr, GString *out)
{
  g_autofree guint8 *bytes = g_malloc (attr->size + 1);
  g_autoptr (GBytes) all = NULL;
  gssize got = moss_tree_read (tree, attr->ino, bytes, attr->size, 0);

  g_assert_cmpint (got, ==, attr->size);
  all = g_bytes_new (bytes, got);
  g_string_append_printf (out, " %" G_GUINT64_FORMAT " %u", attr->size, g_bytes_hash (all));
}

static void
dump (MossTree *tree, const char *path, GString *out)
{
  g_autofree char *target = NULL;
  MossTreeAttr attr;

  g_assert_cmpint (moss_tree_resolve (tree, path, &attr), ==, 0);
  g_string_append_printf (out, "%s %" G_GINT64_MODIFIER "x %o %u %u:%u", path, attr.ino,
                          attr.mode, attr.nlink, attr.uid, attr.gid);
  if (S_ISREG (attr.mode))
    dump_content (tree, &attr, out);
  if (S_ISLNK (attr.mode))
    {
      g_assert_cmpint (moss_tree_readlink (tree, attr.ino, &target), ==, 0);
      g_string_append_printf (out, " -> %s", target);
    }
  dump_xattrs (tree, attr.ino, out);
  g_string_append_c (out, '\n');
  if (S_ISDIR (attr.mode))
    {
      g_autoptr (GPtrArray) names = kit_names (tree, path);

      for (guint i = 0; i < names->len; i++)
        {
          g_autofree char *child
              = g_strdup_printf ("%s%s%s", path, path[1] != '\0' ? "/" : "",
                                 (char *) g_ptr_array_index (names, i));

          dump (tree, child, out);
        }
    }
}

char *
kit_dump (MossTree *tree)
{
  GString *out = g_string_new (NULL);

  dump (tree, "/", out);
  return g_string_free (out, FALSE);
}
