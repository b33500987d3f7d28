/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Policy: the list comes from another device. Its length is bounded, a path in it is absolute and
 * is opened inside the runtime only, what is not a regular file that this user may read counts as
 * different, and nothing of a file but "same" or "not the same" is told. */
#define G_LOG_DOMAIN "moss-session"

#include "moves.h"

#include "core/crypto/suite.h"
#include "session/move/move-error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FILES 8192
#define MAX_FILE_BYTES (512u << 20)

/* Symlinks are followed as if the runtime were the root. */
static int
open_in_runtime (MossManager *manager, const char *path)
{
  struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                          .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
  int root = open (manager->runtime, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int fd;

  if (root < 0)
    return -1;
  fd = syscall (SYS_openat2, root, path, &how, sizeof how);
  close (root);
  return fd;
}

static GBytes *
hash_content (int fd, gsize size)
{
  guint8 hash[MOSS_HASH_BYTES];
  gpointer data = NULL;
  gboolean ok;

  if (size > 0)
    {
      data = mmap (NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
      if (data == MAP_FAILED)
        return NULL;
    }
  ok = moss_suite_hash (MOSS_SUITE_SODIUM, size ? data : (gpointer) "", size, hash, NULL);
  if (size > 0)
    munmap (data, size);
  return ok ? g_bytes_new (hash, sizeof hash) : NULL;
}

static GBytes *
hash_file (MossManager *manager, int fd, const struct stat *info)
{
  g_autofree char *stamp = g_strdup_printf (
      "%lx:%lx:%ld.%09ld:%ld.%09ld:%ld", (gulong) info->st_dev, (gulong) info->st_ino,
      (glong) info->st_mtim.tv_sec, (glong) info->st_mtim.tv_nsec, (glong) info->st_ctim.tv_sec,
      (glong) info->st_ctim.tv_nsec, (glong) info->st_size);
  GBytes *hash = moss_state_find_hash (manager->state, stamp);

  if (hash != NULL)
    return hash;
  hash = hash_content (fd, info->st_size);
  if (hash != NULL)
    moss_state_keep_hash (manager->state, stamp, hash);
  return hash;
}

/* FALSE: there is no such readable regular file. */
static gboolean
look (MossManager *manager, const char *path, guint32 *mode, guint64 *size, GBytes **hash)
{
  int fd = *path == '/' ? open_in_runtime (manager, path) : -1;
  struct stat info;
  gboolean ok;

  *hash = NULL;
  if (fd < 0)
    return FALSE;
  ok = fstat (fd, &info) == 0 && S_ISREG (info.st_mode) && info.st_size <= MAX_FILE_BYTES
       && (*hash = hash_file (manager, fd, &info)) != NULL;
  close (fd);
  if (!ok)
    return FALSE;
  *mode = info.st_mode & 07777;
  *size = info.st_size;
  return TRUE;
}

GVariant *
moss_runtime_describe (MossManager *manager, GVariant *files)
{
  GVariantBuilder builder;
  GVariantIter iter;
  GVariant *child;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ayutay)"));
  g_variant_iter_init (&iter, files);
  while ((child = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_autoptr (GVariant) path = child;
      g_autoptr (GBytes) hash = NULL;
      guint32 mode;
      guint64 size;

      if (look (manager, g_variant_get_bytestring (path), &mode, &size, &hash))
        g_variant_builder_add (
            &builder, "(@ayut@ay)", path, mode, size,
            g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, hash, TRUE));
    }
  return g_variant_builder_end (&builder);
}

static gboolean
is_same (MossManager *manager, const char *path, guint32 mode, guint64 size, GVariant *hash)
{
  g_autoptr (GBytes) wanted = g_variant_get_data_as_bytes (hash);
  g_autoptr (GBytes) found = NULL;
  guint32 my_mode;
  guint64 my_size;

  return look (manager, path, &my_mode, &my_size, &found) && my_mode == mode && my_size == size
         && g_bytes_equal (found, wanted);
}

GVariant *
moss_runtime_differing (MossManager *manager, GVariant *described, GError **error)
{
  GVariantBuilder builder;
  gsize n = g_variant_n_children (described);

  if (n > MAX_FILES)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
                   "A list of %" G_GSIZE_FORMAT " open files is refused", n);
      return NULL;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aay"));
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) path = NULL, hash = NULL;
      guint32 mode;
      guint64 size;

      g_variant_get_child (described, i, "(@ayut@ay)", &path, &mode, &size, &hash);
      if (!is_same (manager, g_variant_get_bytestring (path), mode, size, hash))
        g_variant_builder_add_value (&builder, path);
    }
  return g_variant_builder_end (&builder);
}

/* ---- what a sandbox uses ------------------------------------------------------------- */

static GMutex known_lock;
static GHashTable *known_files; /* sandbox → set of paths */

static GHashTable *
known_of (const char *id)
{
  GHashTable *paths;

  if (known_files == NULL)
    known_files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                         (GDestroyNotify) g_hash_table_unref);
  paths = g_hash_table_lookup (known_files, id);
  if (paths == NULL)
    {
      paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      /* Every program has it open for an instant when it starts. */
      g_hash_table_add (paths, g_strdup ("/etc/ld.so.cache"));
      g_hash_table_insert (known_files, g_strdup (id), paths);
    }
  return paths;
}

GVariant *
moss_runtime_known (const char *id, GVariant *files)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&known_lock);
  GHashTable *paths = known_of (id);
  GVariantBuilder builder;
  GHashTableIter iter;
  gpointer path;
  gsize n = files == NULL ? 0 : g_variant_n_children (files);

  for (gsize i = 0; i < n && g_hash_table_size (paths) < MAX_FILES; i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (files, i);

      g_hash_table_add (paths, g_strdup (g_variant_get_bytestring (one)));
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aay"));
  g_hash_table_iter_init (&iter, paths);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    g_variant_builder_add_value (&builder, g_variant_new_bytestring (path));
  return g_variant_builder_end (&builder);
}

/* A protobuf string: its length stands before it, as one byte or two. What only looks like one is
 * no file and harmless. */
static gsize
string_at (const guint8 *data, gsize size, gsize at)
{
  gsize length = 0;

  if (at >= 1 && data[at - 1] < 0x80)
    length = data[at - 1];
  if (at >= 2 && data[at - 2] >= 0x80 && data[at - 1] < 0x20 && data[at - 1] > 0)
    length = (data[at - 2] & 0x7f) | (gsize) data[at - 1] << 7;
  if (length < 2 || length > size - at)
    return 0;
  for (gsize i = 0; i < length; i++)
    if (data[at + i] < 0x20)
      return 0;
  return length;
}

GVariant *
moss_runtime_scan (int files_image, gsize size)
{
  GVariantBuilder builder;
  guint8 *data = size > 0 ? mmap (NULL, size, PROT_READ, MAP_PRIVATE, files_image, 0) : MAP_FAILED;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aay"));
  for (gsize at = 1; data != MAP_FAILED && at < size; at++)
    {
      gsize length = data[at] == '/' ? string_at (data, size, at) : 0;
      g_autofree char *path = length > 0 ? g_strndup ((char *) data + at, length) : NULL;

      if (path != NULL)
        g_variant_builder_add_value (&builder, g_variant_new_bytestring (path));
    }
  if (data != MAP_FAILED)
    munmap (data, size);
  return g_variant_builder_end (&builder);
}
