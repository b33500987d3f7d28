/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry.h"
#include "registry-private.h"
#include "base.h"
#include "sandbox-cgroup.h"
#include "error.h"
#include "fds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char *
make_key (uid_t owner, const char *id)
{
  return g_strdup_printf ("%u-%s", owner, id);
}

static MossSandbox *
sandbox_new (MossRegistry *registry, uid_t owner, const char *id)
{
  MossSandbox *sandbox = g_new0 (MossSandbox, 1);

  g_atomic_ref_count_init (&sandbox->refs);
  g_mutex_init (&sandbox->lock);
  sandbox->registry = registry;
  sandbox->owner = owner;
  sandbox->id = g_strdup (id);
  sandbox->key = make_key (owner, id);
  sandbox->name = g_strdup ("the app");
  sandbox->pidfd = sandbox->cgroup_fd = sandbox->upper_fd = -1;
  return sandbox;
}

MossSandbox *
moss_sandbox_ref (MossSandbox *sandbox)
{
  g_atomic_ref_count_inc (&sandbox->refs);
  return sandbox;
}

void
moss_sandbox_unref (MossSandbox *sandbox)
{
  if (!g_atomic_ref_count_dec (&sandbox->refs))
    return;
  moss_fd_cleanup (&sandbox->pidfd);
  moss_fd_cleanup (&sandbox->cgroup_fd);
  moss_fd_cleanup (&sandbox->upper_fd);
  g_clear_pointer (&sandbox->applied, g_ptr_array_unref);
  g_mutex_clear (&sandbox->lock);
  g_free (sandbox->id);
  g_free (sandbox->key);
  g_free (sandbox->name);
  g_free (sandbox);
}

void
moss_sandbox_release (MossSandbox *sandbox)
{
  g_mutex_unlock (&sandbox->lock);
  moss_sandbox_unref (sandbox);
}

static gboolean
check_id (const char *id, GError **error)
{
  if (moss_sandbox_id_is_valid (id))
    return TRUE;
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
                       "The id of a sandbox must be a lower-case UUID");
  return FALSE;
}

/* FALSE when it was removed while we waited for its lock. */
static gboolean
is_listed (MossSandbox *sandbox)
{
  MossRegistry *registry = sandbox->registry;
  gboolean listed;

  g_mutex_lock (&registry->lock);
  listed = g_hash_table_lookup (registry->sandboxes, sandbox->key) == sandbox;
  g_mutex_unlock (&registry->lock);
  return listed;
}

/* A reference, or NULL. */
static MossSandbox *
lookup (MossRegistry *registry, uid_t owner, const char *id)
{
  g_autofree char *key = make_key (owner, id);
  MossSandbox *sandbox;

  g_mutex_lock (&registry->lock);
  sandbox = g_hash_table_lookup (registry->sandboxes, key);
  if (sandbox != NULL)
    moss_sandbox_ref (sandbox);
  g_mutex_unlock (&registry->lock);
  return sandbox;
}

MossSandbox *
moss_registry_acquire (MossRegistry *registry, uid_t owner, const char *id, GError **error)
{
  MossSandbox *sandbox;

  if (!check_id (id, error))
    return NULL;
  while ((sandbox = lookup (registry, owner, id)) != NULL)
    {
      g_mutex_lock (&sandbox->lock);
      if (is_listed (sandbox))
        return sandbox;
      moss_sandbox_release (sandbox);
    }
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_NOT_FOUND,
               "There is no sandbox %s of yours", id);
  return NULL;
}

static guint
count_of (MossRegistry *registry, uid_t owner)
{
  GHashTableIter iter;
  gpointer value;
  guint n = 0;

  g_hash_table_iter_init (&iter, registry->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    n += ((MossSandbox *) value)->owner == owner;
  return n;
}

/* A reference to the one of this id, made when there is none; NULL at the limit. */
static MossSandbox *
lookup_or_make (MossRegistry *registry, uid_t owner, const char *id)
{
  g_autofree char *key = make_key (owner, id);
  MossSandbox *sandbox;

  g_mutex_lock (&registry->lock);
  sandbox = g_hash_table_lookup (registry->sandboxes, key);
  if (sandbox == NULL && count_of (registry, owner) < MOSS_SANDBOX_MAX_PER_USER)
    {
      sandbox = sandbox_new (registry, owner, id);
      g_hash_table_insert (registry->sandboxes, g_steal_pointer (&key), sandbox);
    }
  if (sandbox != NULL)
    moss_sandbox_ref (sandbox);
  g_mutex_unlock (&registry->lock);
  return sandbox;
}

MossSandbox *
moss_registry_acquire_new (MossRegistry *registry, uid_t owner, const char *id, GError **error)
{
  MossSandbox *sandbox = moss_registry_acquire_arriving (registry, owner, id, error);

  if (sandbox != NULL)
    g_clear_pointer (&sandbox->applied, g_ptr_array_unref);
  return sandbox;
}

MossSandbox *
moss_registry_acquire_arriving (MossRegistry *registry, uid_t owner, const char *id,
                                GError **error)
{
  MossSandbox *sandbox;

  if (!check_id (id, error))
    return NULL;
  while ((sandbox = lookup_or_make (registry, owner, id)) != NULL)
    {
      g_mutex_lock (&sandbox->lock);
      if (is_listed (sandbox))
        return sandbox;
      moss_sandbox_release (sandbox);
    }
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_LIMIT,
               "You have %d sandboxes already; remove some first", MOSS_SANDBOX_MAX_PER_USER);
  return NULL;
}

GPtrArray *
moss_registry_list (MossRegistry *registry, uid_t owner)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify) moss_sandbox_unref);
  GHashTableIter iter;
  gpointer value;

  g_mutex_lock (&registry->lock);
  g_hash_table_iter_init (&iter, registry->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((MossSandbox *) value)->owner == owner)
      g_ptr_array_add (list, moss_sandbox_ref (value));
  g_mutex_unlock (&registry->lock);
  return list;
}

void
moss_registry_forget (MossSandbox *sandbox)
{
  MossRegistry *registry = sandbox->registry;

  g_mutex_lock (&registry->lock);
  g_hash_table_remove (registry->sandboxes, sandbox->key);
  g_mutex_unlock (&registry->lock);
}

const MossRegistryPaths *
moss_registry_get_paths (MossRegistry *registry)
{
  return &registry->paths;
}

/* ---- start --------------------------------------------------------------------------- */

static gboolean
make_dir (const char *path, mode_t mode, GError **error)
{
  if ((mkdir (path, mode) == 0 || errno == EEXIST) && chmod (path, mode) == 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't make the directory %s", path);
}

/* Overlay options know no quoting that all kernels share. */
static gboolean
check_path (const char *path, GError **error)
{
  if (path[0] == '/' && strpbrk (path, ",:\\\"") == NULL)
    return TRUE;
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
               "%s must be an absolute path without comma, colon, quote or backslash", path);
  return FALSE;
}

/* The base must not lie on the runtime's file system: overlayfs refuses a layer in a layer. */
static gboolean
make_private (MossRegistryPaths *paths, GError **error)
{
  const char *dir = paths->private_dir;
  g_autofree char *base = g_build_filename (dir, "base", NULL);
  g_autofree char *mounts = g_build_filename (dir, "mnt", NULL);
  g_autofree char *images = g_build_filename (dir, "images", NULL);

  if (!make_dir (dir, 0700, error))
    return FALSE;
  /* Large pages halve the time that copying images takes; old kernels may not have them. */
  if (mount ("moss", dir, "tmpfs", MS_NOSUID, "mode=0700,huge=within_size") != 0
      && mount ("moss", dir, "tmpfs", MS_NOSUID, "mode=0700") != 0)
    return moss_sandbox_fail_errno (error, errno, "Can't mount a tmpfs on %s", dir);
  return make_dir (base, 0755, error) && make_dir (mounts, 0700, error)
         && make_dir (images, 0700, error)
         && moss_base_build (base, paths->root_dir, error);
}

static gboolean
make_records (const MossRegistryPaths *paths, GError **error)
{
  g_autofree char *path = g_build_filename (paths->run_dir, MOSS_REGISTRY_RECORDS, NULL);

  return make_dir (path, 0700, error);
}

static gboolean
open_cgroup_base (MossRegistry *registry, GError **error)
{
  struct stat st;
  g_autofree char *name = NULL;
  g_autofree char *note = g_build_filename (registry->paths.run_dir, "cgroup", NULL);

  if (stat (registry->paths.run_dir, &st) != 0)
    return moss_sandbox_fail_errno (error, errno, "Can't look at %s", registry->paths.run_dir);
  name = g_strdup_printf ("moss-%x-%lx", (guint) st.st_dev, (gulong) st.st_ino);
  registry->cgroup_base = moss_sandbox_cgroup_open_base (name, note, error);
  return registry->cgroup_base >= 0;
}

/* Finds the files that are there: UID/ID in the state directory. */
static void
scan_files (MossRegistry *registry)
{
  g_autoptr (GDir) users = g_dir_open (registry->paths.state_dir, 0, NULL);
  const char *user, *id;

  while (users != NULL && (user = g_dir_read_name (users)) != NULL)
    {
      g_autofree char *path = g_build_filename (registry->paths.state_dir, user, NULL);
      g_autoptr (GDir) ids = g_dir_open (path, 0, NULL);
      guint64 uid;

      if (ids == NULL || !g_ascii_string_to_unsigned (user, 10, 0, G_MAXUINT32 - 1, &uid, NULL))
        continue;
      while ((id = g_dir_read_name (ids)) != NULL)
        if (moss_sandbox_id_is_valid (id))
          {
            MossSandbox *sandbox = sandbox_new (registry, uid, id);

            g_hash_table_insert (registry->sandboxes, g_strdup (sandbox->key), sandbox);
            moss_sandbox_readopt (sandbox);
          }
    }
}

/* The sandbox, or its helper's, of a living one. */
static gboolean
is_used (MossRegistry *registry, const char *name)
{
  g_autofree char *key
      = g_strndup (name, g_str_has_suffix (name, ".net") ? strlen (name) - 4 : strlen (name));
  MossSandbox *sandbox = g_hash_table_lookup (registry->sandboxes, key);

  return sandbox != NULL && sandbox->alive;
}

/* What an earlier sandboxd had half made or half restored when it was killed: nobody may let it
 * run, since nobody knows how far it was. */
static void
kill_leftovers (MossRegistry *registry)
{
  int own = openat (registry->cgroup_base, ".", O_DIRECTORY | O_CLOEXEC);
  DIR *dir = own >= 0 ? fdopendir (own) : NULL;
  struct dirent *entry;

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    {
      moss_autofd fd = -1;

      if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || is_used (registry, entry->d_name))
        continue;
      fd = moss_sandbox_cgroup_open (registry->cgroup_base, entry->d_name, FALSE, NULL);
      if (fd >= 0)
        moss_sandbox_cgroup_kill (fd, NULL);
      moss_sandbox_cgroup_remove (registry->cgroup_base, entry->d_name);
    }
  if (dir != NULL)
    closedir (dir);
}

MossRegistry *
moss_registry_new (const MossRegistryPaths *paths, MossRegistryExited exited, gpointer data,
                   GError **error)
{
  MossRegistry *registry = g_new0 (MossRegistry, 1);

  registry->paths = *paths;
  registry->exited = exited;
  registry->exited_data = data;
  registry->cgroup_base = -1;
  g_mutex_init (&registry->lock);
  registry->sandboxes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                               (GDestroyNotify) moss_sandbox_unref);
  if (check_path (paths->state_dir, error) && check_path (paths->run_dir, error)
      && check_path (paths->root_dir, error) && make_dir (paths->state_dir, 0700, error)
      && make_records (&registry->paths, error) && make_private (&registry->paths, error)
      && open_cgroup_base (registry, error))
    {
      scan_files (registry);
      kill_leftovers (registry);
      return registry;
    }
  g_hash_table_unref (registry->sandboxes);
  g_mutex_clear (&registry->lock);
  moss_fd_cleanup (&registry->cgroup_base);
  g_free (registry);
  return NULL;
}
