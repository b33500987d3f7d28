/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads an overlay's upper directory (and a few runtime files) into a layer.
 *
 * The upper directory was written by an app: nothing is followed, every count is bounded,
 * and what cannot stand in a layer is an error that names the file. In an upper directory
 * a deleted runtime file is a character device 0:0 and a directory that hides the one
 * below has the attribute trusted.overlay.opaque=y (kernel:
 * Documentation/filesystems/overlayfs.rst). */
#define G_LOG_DOMAIN "moss-layer"
#include "layer-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_ENTRIES 1000000
#define MAX_LINKS 40

typedef struct
{
  int upper_dirfd;
  int runtime_dirfd;
  gboolean live;      /* the app runs: what it takes away meanwhile is left out */
  const char *prefix; /* of the directory that is being read */
  GPtrArray *entries;
  GHashTable *by_path;
  GQueue directories; /* paths still to be read */
} Export;

static gboolean
cant_travel (GError **error, const char *path, const char *why)
{
  g_autofree char *shown = g_strescape (path, NULL);

  g_set_error (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_NOT_TRAVELABLE, "/%.200s %s",
               shown, why);
  return FALSE;
}

/* Files that the overlay copied up from the runtime keep the runtime's owner; there a
 * number means the same number inside. */
static gboolean
inside_id (guint32 outside, guint32 *inside)
{
  if (outside >= MOSS_LAYER_FIRST_ID && outside - MOSS_LAYER_FIRST_ID <= LAYER_MAX_ID)
    *inside = outside - MOSS_LAYER_FIRST_ID;
  else
    *inside = outside;
  return *inside <= LAYER_MAX_ID;
}

static gboolean
add_xattr (LayerEntry *entry, int fd, const char *name, GError **error)
{
  g_autofree char *value = g_malloc (LAYER_MAX_XATTR);
  ssize_t n;

  if (g_str_equal (name, "trusted.overlay.opaque"))
    {
      n = fgetxattr (fd, name, value, LAYER_MAX_XATTR);
      if (n == 1 && value[0] == 'y' && entry->kind == 'd')
        entry->kind = 'o';
      return TRUE;
    }
  if (g_str_equal (name, "trusted.overlay.redirect")
      || g_str_equal (name, "trusted.overlay.metacopy"))
    return cant_travel (error, entry->path,
                        "was moved in a way that can't be written down (redirect)");
  if (!g_str_has_prefix (name, "user."))
    return TRUE;
  n = fgetxattr (fd, name, value, LAYER_MAX_XATTR);
  if (n < 0)
    return errno == ENODATA
           || cant_travel (error, entry->path, "has an attribute that can't be read");
  if (!g_utf8_validate (name, -1, NULL))
    return cant_travel (error, entry->path, "has an attribute with a strange name");
  layer_entry_add_xattr (entry, name, value, n);
  if (entry->xattrs->len > LAYER_MAX_XATTRS)
    return cant_travel (error, entry->path, "has too many attributes");
  return TRUE;
}

static gboolean
read_xattrs (LayerEntry *entry, int dirfd, const char *name, GError **error)
{
  g_autofree char *list = NULL;
  int fd = layer_open (dirfd, name, O_RDONLY | O_NONBLOCK | O_NOATIME);
  ssize_t n;
  gboolean ok = TRUE;

  if (fd < 0)
    {
      layer_fail (error, entry->path, "can't be opened", errno);
      return FALSE;
    }
  n = flistxattr (fd, NULL, 0);
  if (n > 0)
    {
      list = g_malloc0 (n + 1);
      n = flistxattr (fd, list, n);
    }
  for (char *p = list; ok && n > 0 && p < list + n; p += strlen (p) + 1)
    ok = add_xattr (entry, fd, p, error);
  close (fd);
  return ok;
}

static gboolean
read_target (LayerEntry *entry, int dirfd, const char *name, GError **error)
{
  char target[LAYER_MAX_PATH + 1];
  ssize_t n = readlinkat (dirfd, name, target, sizeof target);

  if (n < 0)
    {
      layer_fail (error, entry->path, "the link can't be read", errno);
      return FALSE;
    }
  if (n <= 0 || n > LAYER_MAX_PATH)
    return cant_travel (error, entry->path, "is a link that can't be read");
  g_free (entry->target);
  entry->target = g_strndup (target, n);
  return TRUE;
}

static char
kind_of (const struct stat *st, gboolean from_runtime)
{
  switch (st->st_mode & S_IFMT)
    {
    case S_IFDIR:
      return 'd';
    case S_IFREG:
      return 'f';
    case S_IFLNK:
      return 'l';
    case S_IFSOCK:
      return 's';
    case S_IFIFO:
      return 'p';
    case S_IFCHR:
      return st->st_rdev == 0 && !from_runtime ? 'w' : 0;
    default:
      return 0;
    }
}

static gboolean
fill_entry (LayerEntry *entry, const struct stat *st, GError **error)
{
  entry->kind = kind_of (st, entry->from_runtime);
  if (entry->kind == 0)
    return cant_travel (error, entry->path, "is a device");
  entry->mtime
      = st->st_mtim.tv_sec * G_GINT64_CONSTANT (1000000000) + st->st_mtim.tv_nsec;
  if (entry->kind == 'w')
    {
      entry->mtime = 0;
      return TRUE;
    }
  /* Set-id bits mean nothing on a nosuid mount. */
  entry->mode = entry->kind == 'l' ? 0777 : st->st_mode & 01777;
  if (!inside_id (st->st_uid, &entry->uid) || !inside_id (st->st_gid, &entry->gid))
    return cant_travel (error, entry->path, "belongs to somebody outside the sandbox");
  if (entry->kind == 'f')
    {
      entry->size = st->st_size;
      entry->dev = st->st_dev;
      entry->ino = st->st_ino;
    }
  return TRUE;
}

static gboolean
add_entry (Export *x, int dirfd, const char *name, LayerEntry *entry, GError **error)
{
  struct stat st;

  if (x->entries->len >= MAX_ENTRIES)
    return cant_travel (error, entry->path, "is one changed file too many");
  if (fstatat (dirfd, *name != '\0' ? name : ".", &st, AT_SYMLINK_NOFOLLOW) != 0)
    {
      layer_fail (error, entry->path, "can't be looked at", errno);
      return FALSE;
    }
  if (!fill_entry (entry, &st, error))
    return FALSE;
  if ((entry->kind == 'f' || entry->kind == 'd') && !entry->from_runtime
      && !read_xattrs (entry, dirfd, name, error))
    return FALSE;
  return entry->kind != 'l' || read_target (entry, dirfd, name, error);
}

static void
keep_entry (Export *x, LayerEntry *entry)
{
  g_ptr_array_add (x->entries, entry);
  g_hash_table_insert (x->by_path, entry->path, entry);
}

/* Whether an error means no more than that a running app was quicker than we are. */
static gboolean
is_passing (const Export *x, const GError *error)
{
  return x->live && g_error_matches (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_FAILED);
}

static gboolean
visit_upper (int dirfd, const char *name, gpointer data, GError **error)
{
  Export *x = data;
  g_autofree char *path
      = *x->prefix != '\0' ? g_strdup_printf ("%s/%s", x->prefix, name) : g_strdup (name);
  g_autoptr (LayerEntry) entry = NULL;
  g_autoptr (GError) local = NULL;

  /* A name that is given anew while we read its directory may come twice. */
  if (layer_path_is_reserved (path) || g_hash_table_contains (x->by_path, path))
    return TRUE;
  if (strlen (path) > LAYER_MAX_PATH)
    return cant_travel (error, x->prefix, "holds a file with too long a path");
  entry = layer_entry_new (path, 0);
  if (!add_entry (x, dirfd, name, entry, &local))
    {
      if (is_passing (x, local))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (layer_kind_is_directory (entry->kind))
    g_queue_push_tail (&x->directories, entry->path);
  keep_entry (x, g_steal_pointer (&entry));
  return TRUE;
}

static gboolean
read_upper (Export *x, GError **error)
{
  g_autoptr (LayerEntry) root = layer_entry_new ("", 0);

  if (!add_entry (x, x->upper_dirfd, "", root, error))
    return FALSE;
  g_queue_push_tail (&x->directories, root->path);
  keep_entry (x, g_steal_pointer (&root));

  while ((x->prefix = g_queue_pop_head (&x->directories)) != NULL)
    {
      int fd = layer_open (x->upper_dirfd, x->prefix, O_RDONLY | O_DIRECTORY);
      gboolean ok;

      if (fd < 0 && x->live)
        continue;
      if (fd < 0)
        {
          layer_fail (error, x->prefix, "can't be opened", errno);
          return FALSE;
        }
      ok = layer_each_name (fd, visit_upper, x, error);
      close (fd);
      if (!ok)
        return FALSE;
    }
  return TRUE;
}

/* What the app sees at path, when the layer says something about it. */
static const LayerEntry *
seen_by_app (Export *x, const char *path)
{
  return g_hash_table_lookup (x->by_path, path);
}

/* We read as root for a caller who is not, and for an app who is nobody: what other users may not
 * read or enter is none of their business. */
static gboolean
is_for_everybody (const LayerEntry *e)
{
  if (e->kind == 'f')
    return (e->mode & 04) != 0;
  return e->kind != 'd' || (e->mode & 01) != 0;
}

/* Adds one runtime file that is in no way hidden by the upper directory. found gets its
 * kind, or 0 when the path ends here; *target a link's target. */
static gboolean
add_runtime (Export *x, const char *path, char *found, char **target, GError **error)
{
  const LayerEntry *there = seen_by_app (x, path);
  g_autoptr (LayerEntry) entry = NULL;
  const char *name;
  int fd;
  gboolean ok;

  if (there != NULL)
    {
      *found = there->kind == 'w' || there->kind == 'o' ? 0 : there->kind;
      *target = g_strdup (there->target);
      return TRUE;
    }
  entry = layer_entry_new (path, 0);
  entry->from_runtime = TRUE;
  fd = layer_open_parent (x->runtime_dirfd, path, &name);
  if (fd < 0)
    {
      *found = 0;
      return TRUE;
    }
  ok = faccessat (fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
  if (ok)
    {
      close (fd);
      *found = 0;
      return TRUE;
    }
  ok = add_entry (x, fd, name, entry, error);
  close (fd);
  if (!ok)
    return FALSE;
  if (!is_for_everybody (entry))
    return cant_travel (error, path, "of this machine may not be read by everybody");
  *found = entry->kind;
  *target = g_strdup (entry->target);
  keep_entry (x, g_steal_pointer (&entry));
  return TRUE;
}

/* Walks one path component by component through links, adding what it passes. */
static gboolean
add_extra (Export *x, const char *extra, GError **error)
{
  GQueue rest = G_QUEUE_INIT;
  g_autoptr (GString) path = g_string_new ("");
  g_auto (GStrv) parts = g_strsplit (extra, "/", 0);
  gboolean ok = TRUE;
  int links = 0;

  for (guint i = 0; parts[i] != NULL; i++)
    g_queue_push_tail (&rest, g_strdup (parts[i]));
  while (ok && !g_queue_is_empty (&rest))
    {
      g_autofree char *part = g_queue_pop_head (&rest);
      g_autofree char *target = NULL;
      gsize before = path->len;
      char found = 0;

      if (*part == '\0' || g_str_equal (part, "."))
        continue;
      if (g_str_equal (part, ".."))
        {
          const char *slash = strrchr (path->str, '/');

          g_string_truncate (path, slash != NULL ? (gsize)(slash - path->str) : 0);
          continue;
        }
      g_string_append_printf (path, "%s%s", path->len > 0 ? "/" : "", part);
      if (path->len > LAYER_MAX_PATH || strlen (part) > LAYER_MAX_NAME
          || layer_path_is_reserved (path->str))
        break;
      ok = add_runtime (x, path->str, &found, &target, error);
      if (ok && found == 'l' && ++links <= MAX_LINKS)
        {
          g_auto (GStrv) more = g_strsplit (target, "/", 0);

          for (guint i = g_strv_length (more); i > 0; i--)
            g_queue_push_head (&rest, g_strdup (more[i - 1]));
          g_string_truncate (path, *target == '/' ? 0 : before);
        }
      else if (found != 'd')
        break;
    }
  g_queue_clear_full (&rest, g_free);
  return ok;
}

/* Gives each file its place in the content; a second name of the same inode gets none. A file with
 * a hole can be of any size, and sizes add up: FALSE when they come to more than may travel. */
static gboolean
lay_out (GPtrArray *entries, guint64 *size, GError **error)
{
  g_autoptr (GHashTable) inodes
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  guint64 end = 0;

  for (guint i = 0; i < entries->len; i++)
    {
      LayerEntry *e = entries->pdata[i];
      const LayerEntry *first;
      char key[64];

      if (e->kind != 'f')
        continue;
      g_snprintf (key, sizeof key, "%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
                  (guint64)e->dev, (guint64)e->ino);
      first = g_hash_table_lookup (inodes, key);
      if (first != NULL)
        {
          g_free (e->target);
          e->target = g_strdup (first->path);
          e->size = 0;
          g_clear_pointer (&e->xattrs, g_ptr_array_unref);
          continue;
        }
      g_hash_table_insert (inodes, g_strdup (key), e);
      if (e->size > MOSS_LAYER_MAX_CONTENT)
        return cant_travel (error, e->path, "is too large");
      e->offset = end;
      end += (e->size + LAYER_BLOCK - 1) / LAYER_BLOCK * LAYER_BLOCK;
      if (end > MOSS_LAYER_MAX_CONTENT)
        return cant_travel (error, e->path, "makes the changed files too large");
    }
  *size = end;
  return TRUE;
}

static gboolean
copy_content (int fd, const LayerEntry *e, guint8 *to, GError **error)
{
  off_t at = 0;

  while (at < (off_t)e->size)
    {
      off_t data = lseek (fd, at, SEEK_DATA), end;
      ssize_t n;

      if (data < 0 && errno == ENXIO)
        break; /* a hole up to the end: the memory is zero already */
      if (data > at)
        at = MIN (data, (off_t)e->size);
      end = lseek (fd, at, SEEK_HOLE);
      end = end > at ? MIN (end, (off_t)e->size) : (off_t)e->size;
      n = at < end ? pread (fd, to + at, end - at, at) : 0;
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          layer_fail (error, e->path, "can't be read", errno);
          return FALSE;
        }
      if (n == 0)
        break; /* it got shorter meanwhile */
      at += n;
    }
  return TRUE;
}

/* A name may have been given to another file since we looked at it. */
static gboolean
is_same_file (int fd, const LayerEntry *e, GError **error)
{
  struct stat st;

  if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_dev == e->dev && st.st_ino == e->ino)
    return TRUE;
  layer_fail (error, e->path, "it was replaced while it was read", ESTALE);
  return FALSE;
}

static gboolean
copy_entry (Export *x, const LayerEntry *e, guint8 *to, GError **error)
{
  int fd = layer_open (e->from_runtime ? x->runtime_dirfd : x->upper_dirfd, e->path,
                       O_RDONLY | O_NONBLOCK | O_NOATIME);
  gboolean ok;

  if (fd < 0)
    {
      layer_fail (error, e->path, "can't be opened", errno);
      return FALSE;
    }
  ok = is_same_file (fd, e, error) && copy_content (fd, e, to + e->offset, error);
  close (fd);
  return ok;
}

/* What a running app took away meanwhile stays zeros: the dump decides. */
static gboolean
copy_all (Export *x, guint8 *to, GError **error)
{
  for (guint i = 0; i < x->entries->len; i++)
    {
      const LayerEntry *e = x->entries->pdata[i];
      g_autoptr (GError) local = NULL;

      if (e->kind != 'f' || *e->target != '\0' || e->size == 0
          || copy_entry (x, e, to, &local) || is_passing (x, local))
        continue;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return TRUE;
}

static int
make_content (Export *x, guint64 size, GError **error)
{
  int fd = memfd_create ("moss-layer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  guint8 *map = NULL;
  gboolean ok = fd >= 0 && ftruncate (fd, size) == 0;

  if (ok && size > 0)
    {
      map = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      ok = map != MAP_FAILED;
    }
  if (!ok)
    layer_fail (error, "", "there is no memory for its contents", errno);
  else
    ok = copy_all (x, map, error);
  if (map != NULL && map != MAP_FAILED)
    munmap (map, size);
  if (ok
      && fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)
             == 0)
    return fd;
  if (ok)
    layer_fail (error, "", "its contents can't be sealed", errno);
  if (fd >= 0)
    close (fd);
  return -1;
}

gboolean
moss_layer_export (int upper_dirfd,
                   int runtime_dirfd,
                   const char *const *extra_paths,
                   gboolean live,
                   GBytes **index,
                   int *content_memfd,
                   GError **error)
{
  Export x = { .upper_dirfd = upper_dirfd,
               .runtime_dirfd = runtime_dirfd,
               .live = live,
               .directories = G_QUEUE_INIT };
  g_autoptr (GPtrArray) entries
      = g_ptr_array_new_with_free_func ((GDestroyNotify)layer_entry_free);
  g_autoptr (GHashTable) by_path = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GBytes) built = NULL;
  guint64 size = 0;
  gboolean ok;

  x.entries = entries;
  x.by_path = by_path;
  ok = read_upper (&x, error);
  for (guint i = 0; ok && extra_paths != NULL && extra_paths[i] != NULL; i++)
    ok = add_extra (&x, extra_paths[i], error);
  g_queue_clear (&x.directories);
  if (!ok)
    return FALSE;

  g_ptr_array_sort (entries, layer_entry_compare);
  if (!lay_out (entries, &size, error))
    return FALSE;
  *content_memfd = make_content (&x, size, error);
  if (*content_memfd < 0)
    return FALSE;
  built = layer_index_build (entries, error);
  if (built == NULL)
    {
      close (*content_memfd);
      *content_memfd = -1;
      return FALSE;
    }
  *index = g_steal_pointer (&built);
  return TRUE;
}
