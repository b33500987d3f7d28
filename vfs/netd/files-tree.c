// SPDX-License-Identifier: GPL-3.0-or-later
/* Files1's questions about single files: Info, Versions, Restore and Pin, and the signal Changed.
 *
 * Each call is answered in a thread of a small pool, since the first visit of a directory may need
 * its blocks from elsewhere, and nothing else may wait for that. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/files-tree.h"

#include "vfs/netd/fuse-views.h"
#include "vfs/netd/home-private.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>

#define THREADS 4
#define CHANGED_MS 100
#define CHANGED_MAX 256

typedef struct
{
  Netd *netd;
  MossTree *tree;
  GDBusMethodInvocation *invocation;
  GVariant *(*run) (MossTree *tree, Netd *netd, GVariant *parameters, GError **error);
} Question;

static GMutex lock;
static GCond done;
static guint under_way;
static GThreadPool *pool;
static GHashTable *changed; /* paths to tell; under lock */
static guint changed_source;

/* ---- paths --------------------------------------------------------------------------- */

/* The path inside the tree: "" for its root; NULL: it isn't in it. */
static const char *
inside (Netd *netd, const char *path)
{
  const char *home = home_get_path (netd);
  gsize length = home != NULL ? strlen (home) : 0;

  if (length == 0 || strncmp (path, home, length) != 0)
    return NULL;
  if (path[length] != '\0' && path[length] != '/')
    return NULL;
  return path + length;
}

static int
resolve (Netd *netd, MossTree *tree, const char *path, MossTreeAttr *attr)
{
  const char *name = inside (netd, path);

  if (name == NULL)
    return -ENOENT;
  while (*name == '/')
    name++;
  return *name == '\0' ? moss_tree_getattr (tree, MOSS_TREE_ROOT, attr)
                       : moss_tree_resolve (tree, name, attr);
}

static gboolean
fail (GError **error, int result, const char *path)
{
  if (result == -ENOENT || result == -ENOTDIR || result == -ESTALE)
    return files_fail_absent (error, path);
  g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_FAILED, "%s: %s", path,
               g_strerror (-result));
  return FALSE;
}

static gboolean
find (Netd *netd, MossTree *tree, const char *path, MossTreeAttr *attr, GError **error)
{
  int result = resolve (netd, tree, path, attr);

  return result == 0 || fail (error, result, path);
}

/* ---- questions ----------------------------------------------------------------------- */

static char *
full_path (Netd *netd, MossTree *tree, guint64 ino)
{
  g_autofree char *path = NULL;

  if (moss_tree_path (tree, ino, &path) != 0)
    return NULL;
  return g_strconcat (home_get_path (netd), path, NULL);
}

static GVariant *
describe (Netd *netd, MossTree *tree, const MossTreeAttr *attr, const MossTreeInfo *info)
{
  const MossMountHooks *hooks = home_get_hooks (netd);
  gint64 lease_end_us;
  g_autofree char *lease = fuse_info_lease (hooks, netd, attr->ino, &lease_end_us);
  g_autofree char *original
      = info->conflict_of != 0 ? full_path (netd, tree, info->conflict_of) : NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "state", "s", fuse_info_state (info, attr->size));
  g_variant_dict_insert (&dict, "cost-ms", "u",
                         fuse_info_cost_ms (hooks, netd, info->bytes_missing));
  g_variant_dict_insert (&dict, "bytes-missing", "t", info->bytes_missing);
  g_variant_dict_insert (&dict, "version", "t", info->version);
  g_variant_dict_insert (&dict, "hosts", "u", fuse_info_hosts (hooks, netd, info));
  g_variant_dict_insert (&dict, "pinned", "b", info->pinned);
  g_variant_dict_insert (&dict, "lease", "s", lease);
  if (*lease != '\0')
    g_variant_dict_insert (&dict, "lease-until", "x", lease_end_us);
  g_variant_dict_insert (&dict, "suite", "u", info->suite);
  if (original != NULL)
    g_variant_dict_insert (&dict, "conflict-of", "s", original);
  return g_variant_dict_end (&dict);
}

static GVariant *
run_info (MossTree *tree, Netd *netd, GVariant *parameters, GError **error)
{
  g_autofree const char **paths = NULL;
  GVariantBuilder infos;

  g_variant_get (parameters, "(^a&s)", &paths);
  g_variant_builder_init (&infos, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; paths[i] != NULL; i++)
    {
      MossTreeAttr attr;
      MossTreeInfo info;

      if (resolve (netd, tree, paths[i], &attr) == 0
          && moss_tree_info (tree, attr.ino, &info) == 0)
        g_variant_builder_add_value (&infos, describe (netd, tree, &attr, &info));
      else
        g_variant_builder_add_value (&infos, g_variant_new ("a{sv}", NULL));
    }
  return g_variant_new ("(aa{sv})", &infos);
}

static char *
device_name (MossChain *chain, const guint8 *device)
{
  MossChainDevice found;

  if (chain == NULL || !moss_chain_find_device (chain, device, &found))
    return g_strdup ("");
  return g_strdup (found.record->name);
}

static GVariant *
describe_version (Netd *netd, MossChain *chain, const char *path,
                  const MossTreeVersion *version)
{
  g_autofree char *device = device_name (chain, version->device);
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *name = views_version_name (base, version);
  g_autofree char *read_only
      = version->current ? g_strdup (path)
                         : g_strconcat (home_get_path (netd), "/.versions",
                                        inside (netd, path), "/", name, NULL);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "version", "t", version->version);
  g_variant_dict_insert (&dict, "time", "x", version->time_us);
  g_variant_dict_insert (&dict, "size", "t", version->size);
  g_variant_dict_insert (&dict, "device", "s", device);
  g_variant_dict_insert (&dict, "path", "s", read_only);
  g_variant_dict_insert (&dict, "hosts", "u", 0);
  return g_variant_dict_end (&dict);
}

static GVariant *
run_versions (MossTree *tree, Netd *netd, GVariant *parameters, GError **error)
{
  g_autoptr (MossChain) chain = home_ref_chain (netd);
  g_autoptr (GArray) versions = NULL;
  GVariantBuilder list;
  MossTreeAttr attr;
  const char *path;
  int result;

  g_variant_get (parameters, "(&s)", &path);
  if (!find (netd, tree, path, &attr, error))
    return NULL;
  result = moss_tree_list_versions (tree, attr.ino, &versions);
  if (result != 0)
    {
      fail (error, result, path);
      return NULL;
    }
  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < versions->len; i++)
    g_variant_builder_add_value (&list,
                                 describe_version (netd, chain, path,
                                                   &g_array_index (versions, MossTreeVersion,
                                                                   i)));
  return g_variant_new ("(aa{sv})", &list);
}

/* Which device wrote it isn't said: of two with one number the newer is meant. */
static int
restore (MossTree *tree, guint64 ino, guint64 number)
{
  g_autoptr (GArray) versions = NULL;
  int result = moss_tree_list_versions (tree, ino, &versions);

  for (guint i = 0; result == 0 && i < versions->len; i++)
    {
      const MossTreeVersion *version = &g_array_index (versions, MossTreeVersion, i);

      if (version->version == number)
        return moss_tree_restore_version (tree, ino, number, version->slot);
    }
  return result != 0 ? result : -ENOENT;
}

static GVariant *
run_restore (MossTree *tree, Netd *netd, GVariant *parameters, GError **error)
{
  MossTreeAttr attr;
  const char *path;
  guint64 version;
  int result;

  g_variant_get (parameters, "(&st)", &path, &version);
  if (!find (netd, tree, path, &attr, error))
    return NULL;
  result = restore (tree, attr.ino, version);
  if (result == -ENOENT)
    g_set_error (error, FILES_ERROR, FILES_ERROR_NOT_FOUND,
                 _ ("“%s” has no version %lu (any more)."), path, (gulong) version);
  else if (result != 0)
    fail (error, result, path);
  return result == 0 ? g_variant_new ("()") : NULL;
}

/* What is kept with a folder can't be given up by itself: said rather than passed over. */
static gboolean
is_kept_above (MossTree *tree, guint64 ino, const char *path, GError **error)
{
  MossTreeInfo info;

  if (moss_tree_info (tree, ino, &info) != 0 || !info.pinned)
    return FALSE;
  g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_FAILED,
               _ ("“%s” is kept here with a folder that it is in: that one would have to be "
                  "kept no longer."),
               path);
  return TRUE;
}

static GVariant *
run_pin (MossTree *tree, Netd *netd, GVariant *parameters, GError **error)
{
  MossTreeAttr attr;
  const char *path;
  gboolean keep;
  int result;

  g_variant_get (parameters, "(&sb)", &path, &keep);
  if (!find (netd, tree, path, &attr, error))
    return NULL;
  result = moss_tree_pin (tree, attr.ino, home_get_slot (netd), keep);
  if (result != 0)
    {
      fail (error, result, path);
      return NULL;
    }
  files_tree_changed (netd, &(MossTreeChange) { .ino = attr.ino }, 1);
  return !keep && is_kept_above (tree, attr.ino, path, error) ? NULL : g_variant_new ("()");
}

/* ---- the pool ------------------------------------------------------------------------ */

static void
answer (gpointer data, gpointer user_data)
{
  Question *question = data;
  GError *error = NULL;
  GVariant *reply = question->run (
      question->tree, question->netd,
      g_dbus_method_invocation_get_parameters (question->invocation), &error);

  if (reply != NULL)
    g_dbus_method_invocation_return_value (question->invocation, reply);
  else
    g_dbus_method_invocation_take_error (question->invocation, error);
  g_free (question);
  g_mutex_lock (&lock);
  if (--under_way == 0)
    g_cond_broadcast (&done);
  g_mutex_unlock (&lock);
}

gboolean
files_tree_answer (Netd *netd, GDBusMethodInvocation *invocation)
{
  static const struct
  {
    const char *method;
    GVariant *(*run) (MossTree *tree, Netd *netd, GVariant *parameters, GError **error);
  } runs[] = { { "Info", run_info },
               { "Versions", run_versions },
               { "Restore", run_restore },
               { "Pin", run_pin } };
  const char *method = g_dbus_method_invocation_get_method_name (invocation);
  Question *question;

  if (home_get_tree (netd) == NULL)
    return FALSE;
  question = g_new0 (Question, 1);
  question->netd = netd;
  question->tree = home_get_tree (netd);
  question->invocation = invocation;
  for (guint i = 0; i < G_N_ELEMENTS (runs); i++)
    if (strcmp (runs[i].method, method) == 0)
      question->run = runs[i].run;
  g_mutex_lock (&lock);
  if (pool == NULL)
    pool = g_thread_pool_new (answer, NULL, THREADS, FALSE, NULL);
  under_way++;
  g_mutex_unlock (&lock);
  g_thread_pool_push (pool, question, NULL);
  return TRUE;
}

void
files_tree_wait (Netd *netd)
{
  g_mutex_lock (&lock);
  while (under_way > 0)
    g_cond_wait (&done, &lock);
  g_mutex_unlock (&lock);
}

/* ---- Changed ------------------------------------------------------------------------- */

static gboolean
tell_changed (gpointer data)
{
  Netd *netd = data;
  g_autoptr (GHashTable) paths = NULL;
  g_autofree char **list = NULL;

  g_mutex_lock (&lock);
  paths = g_steal_pointer (&changed);
  changed_source = 0;
  g_mutex_unlock (&lock);
  list = (char **) g_hash_table_get_keys_as_array (paths, NULL);
  moss_dbus_files1_emit_changed (netd->files, (const char *const *) list);
  return G_SOURCE_REMOVE;
}

/* Many at once: the root stands for all. */
void
files_tree_changed (Netd *netd, const MossTreeChange *changes, gsize count)
{
  g_mutex_lock (&lock);
  if (changed == NULL)
    changed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (gsize i = 0; i < count; i++)
    {
      char *path;

      if (g_hash_table_size (changed) >= CHANGED_MAX)
        {
          g_hash_table_remove_all (changed);
          g_hash_table_add (changed, g_strdup (home_get_path (netd)));
          break;
        }
      path = full_path (netd, home_get_tree (netd), changes[i].ino);
      if (path != NULL)
        g_hash_table_add (changed, path);
    }
  if (g_hash_table_size (changed) > 0 && changed_source == 0)
    changed_source = g_timeout_add (CHANGED_MS, tell_changed, netd);
  g_mutex_unlock (&lock);
}
