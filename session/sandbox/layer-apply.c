/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes an upper directory exactly what a layer says.
 *
 * Policy: the layer comes from another machine and this runs as root. The index is
 * checked as a whole before anything is touched. Every directory is reached from the
 * upper directory's own descriptor without following links or crossing mounts; the last
 * component is only ever created anew or opened with O_NOFOLLOW. Of overlay attributes
 * just "opaque" is written; all others are taken away, because they name inodes of some
 * other disk. */
#define G_LOG_DOMAIN "moss-layer"
#include "layer-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_DEPTH 900
#define OPAQUE "trusted.overlay.opaque"
#define NS_PER_S G_GINT64_CONSTANT (1000000000)

typedef struct
{
  int upper_dirfd;
  int content_fd;
  GHashTable *wanted;  /* path → LayerEntry */
  GHashTable *claimed; /* inode numbers that already belong to a name of the layer */
  char *prefix;
  int depth;
} Apply;

static gboolean remove_name (Apply *a, int dirfd, const char *name, GError **error);

static gboolean
visit_remove (int dirfd, const char *name, gpointer data, GError **error)
{
  return remove_name (data, dirfd, name, error);
}

static gboolean
empty_directory (Apply *a, int dirfd, const char *name, GError **error)
{
  int fd = layer_open (dirfd, name, O_RDONLY | O_DIRECTORY);
  gboolean ok;

  if (fd < 0 || a->depth >= MAX_DEPTH)
    {
      layer_fail (error, name, "can't be emptied", fd < 0 ? errno : ENAMETOOLONG);
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  a->depth++;
  ok = layer_each_name (fd, visit_remove, a, error);
  a->depth--;
  close (fd);
  return ok;
}

static gboolean
remove_name (Apply *a, int dirfd, const char *name, GError **error)
{
  if (unlinkat (dirfd, name, 0) == 0 || errno == ENOENT)
    return TRUE;
  if (errno == EISDIR || errno == EPERM)
    {
      if (!empty_directory (a, dirfd, name, error))
        return FALSE;
      if (unlinkat (dirfd, name, AT_REMOVEDIR) == 0)
        return TRUE;
    }
  layer_fail (error, name, "can't be removed", errno);
  return FALSE;
}

static gboolean
same_kind (const LayerEntry *e, const struct stat *st)
{
  switch (e->kind)
    {
    case 'd':
    case 'o':
      return S_ISDIR (st->st_mode);
    case 'f':
      return S_ISREG (st->st_mode);
    case 'l':
      return S_ISLNK (st->st_mode);
    case 's':
      return S_ISSOCK (st->st_mode);
    case 'p':
      return S_ISFIFO (st->st_mode);
    default:
      return S_ISCHR (st->st_mode) && st->st_rdev == 0;
    }
}

/* Takes away what the layer does not have, or has as something else. */
static gboolean
visit_prune (int dirfd, const char *name, gpointer data, GError **error)
{
  Apply *a = data;
  g_autofree char *path
      = *a->prefix != '\0' ? g_strdup_printf ("%s/%s", a->prefix, name) : g_strdup (name);
  const LayerEntry *e = g_hash_table_lookup (a->wanted, path);
  struct stat st;
  char *outer;
  gboolean ok;
  int fd;

  /* /run may be there just for /run/moss. */
  if (layer_path_is_reserved (path))
    return TRUE;
  if (fstatat (dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    {
      layer_fail (error, path, "can't be looked at", errno);
      return FALSE;
    }
  if (e == NULL && !(g_str_equal (path, "run") && S_ISDIR (st.st_mode)))
    return remove_name (a, dirfd, name, error);
  if (e != NULL && !same_kind (e, &st))
    return remove_name (a, dirfd, name, error);
  if (!S_ISDIR (st.st_mode))
    return TRUE;

  fd = layer_open (dirfd, name, O_RDONLY | O_DIRECTORY);
  if (fd < 0 || a->depth >= MAX_DEPTH)
    {
      layer_fail (error, path, "can't be opened", fd < 0 ? errno : ENAMETOOLONG);
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  outer = a->prefix;
  a->prefix = path;
  a->depth++;
  ok = layer_each_name (fd, visit_prune, a, error);
  a->depth--;
  a->prefix = outer;
  close (fd);
  return ok;
}

static gboolean
wants_xattr (const LayerEntry *e, const char *name)
{
  if (g_str_equal (name, OPAQUE))
    return e->kind == 'o';
  for (guint i = 0; e->xattrs != NULL && i < e->xattrs->len; i++)
    if (g_str_equal (((LayerXattr *)e->xattrs->pdata[i])->name, name))
      return TRUE;
  return FALSE;
}

static gboolean
has_opaque (int fd)
{
  char value[2];

  return fgetxattr (fd, OPAQUE, value, sizeof value) == 1 && value[0] == 'y';
}

/* fd is a file or directory. Attributes that are neither user.* nor the overlay's
 * (security.*) are the system's business. */
static gboolean
set_xattrs (int fd, const LayerEntry *e, GError **error)
{
  g_autofree char *list = NULL;
  ssize_t n = flistxattr (fd, NULL, 0);
  gboolean ok = TRUE;

  if (n > 0)
    {
      list = g_malloc0 (n + 1);
      n = flistxattr (fd, list, n);
    }
  for (char *p = list; ok && n > 0 && p < list + n; p += strlen (p) + 1)
    if ((g_str_has_prefix (p, "user.") || g_str_has_prefix (p, "trusted.overlay."))
        && !wants_xattr (e, p))
      ok = fremovexattr (fd, p) == 0 || errno == ENODATA;
  if (ok && e->kind == 'o' && !has_opaque (fd))
    ok = fsetxattr (fd, OPAQUE, "y", 1, 0) == 0;
  for (guint i = 0; ok && e->xattrs != NULL && i < e->xattrs->len; i++)
    {
      const LayerXattr *x = e->xattrs->pdata[i];
      gsize size;
      gconstpointer value = g_bytes_get_data (x->value, &size);

      ok = fsetxattr (fd, x->name, value, size, 0) == 0;
    }
  if (!ok)
    layer_fail (error, e->path, "its attributes can't be set", errno);
  return ok;
}

static void
get_times (const LayerEntry *e, struct timespec times[2])
{
  gint64 s = e->mtime / NS_PER_S, ns = e->mtime % NS_PER_S;

  if (ns < 0)
    {
      s--;
      ns += NS_PER_S;
    }
  times[0].tv_sec = times[1].tv_sec = s;
  times[0].tv_nsec = times[1].tv_nsec = ns;
}

static gboolean
set_owner (int dirfd, const char *name, const LayerEntry *e, GError **error)
{
  if (fchownat (dirfd, name, MOSS_LAYER_FIRST_ID + e->uid, MOSS_LAYER_FIRST_ID + e->gid,
                AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
      == 0)
    return TRUE;
  layer_fail (error, e->path, "its owner can't be set", errno);
  return FALSE;
}

/* Owner, mode and time are as they should be. Most of a layer was put there ahead of a freeze, and
 * each attribute that is set again costs a turn of the file system's journal in it. */
static gboolean
has_attributes (const LayerEntry *e, const struct stat *st)
{
  struct timespec times[2];

  get_times (e, times);
  return st->st_uid == MOSS_LAYER_FIRST_ID + e->uid && st->st_gid == MOSS_LAYER_FIRST_ID + e->gid
         && (S_ISLNK (st->st_mode) || (st->st_mode & 07777) == e->mode)
         && st->st_mtim.tv_sec == times[1].tv_sec && st->st_mtim.tv_nsec == times[1].tv_nsec;
}

/* Owner before mode (a chown clears bits), times last. */
static gboolean
finish_open (int fd, const LayerEntry *e, GError **error)
{
  struct timespec times[2];
  struct stat st;

  if (!set_xattrs (fd, e, error))
    return FALSE;
  if (fstat (fd, &st) == 0 && has_attributes (e, &st))
    return TRUE;
  get_times (e, times);
  if (!set_owner (fd, "", e, error))
    return FALSE;
  if (fchmod (fd, e->mode) == 0 && futimens (fd, times) == 0)
    return TRUE;
  layer_fail (error, e->path, "its mode can't be set", errno);
  return FALSE;
}

static gboolean
write_content (int from, off_t offset, int to, const LayerEntry *e, GError **error)
{
  off_t at = 0, size = e->size;

  if (ftruncate (to, size) != 0)
    {
      layer_fail (error, e->path, "can't be written", errno);
      return FALSE;
    }
  while (at < size)
    {
      off_t data = lseek (from, offset + at, SEEK_DATA);
      off_t pos, end;
      ssize_t n;

      if (data < 0 && errno == ENXIO)
        break; /* only zeros left */
      if (data > offset + at)
        at = data - offset;
      if (at >= size)
        break;
      pos = offset + at;
      end = lseek (from, pos, SEEK_HOLE) - offset;
      end = end > at ? MIN (end, size) : size;
      if (lseek (to, at, SEEK_SET) < 0)
        n = -1;
      else
        n = sendfile (to, from, &pos, end - at);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        {
          layer_fail (error, e->path, "can't be written", n < 0 ? errno : EIO);
          return FALSE;
        }
      at += n;
    }
  return TRUE;
}

static gboolean
write_file (Apply *a,
            int dirfd,
            const char *name,
            const LayerEntry *e,
            int from,
            off_t offset,
            GError **error)
{
  int fd;
  gboolean ok;

  if (!remove_name (a, dirfd, name, error))
    return FALSE;
  fd = openat (dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    {
      layer_fail (error, e->path, "can't be made", errno);
      return FALSE;
    }
  ok = write_content (from, offset, fd, e, error) && finish_open (fd, e, error);
  if (ok)
    {
      struct stat st;

      ok = fstat (fd, &st) == 0;
      g_hash_table_add (a->claimed, GSIZE_TO_POINTER (st.st_ino));
    }
  close (fd);
  return ok;
}

static gboolean
is_as_it_was (const LayerEntry *e, const struct stat *st)
{
  struct timespec times[2];

  get_times (e, times);
  return S_ISREG (st->st_mode) && st->st_size == (off_t)e->size
         && st->st_mtim.tv_sec == times[1].tv_sec
         && st->st_mtim.tv_nsec == times[1].tv_nsec;
}

static gboolean
keep_file (Apply *a, int dirfd, const char *name, const LayerEntry *e, GError **error)
{
  int fd = layer_open (dirfd, name, O_RDONLY | O_NONBLOCK);
  struct stat st;
  gboolean ok;

  if (fd < 0 || fstat (fd, &st) != 0 || !is_as_it_was (e, &st))
    {
      g_autofree char *shown = g_strescape (e->path, NULL);

      if (fd >= 0)
        close (fd);
      g_set_error (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_MISSING,
                   "layer: /%.200s was to be kept but is not here as it was", shown);
      return FALSE;
    }
  if (g_hash_table_contains (a->claimed, GSIZE_TO_POINTER (st.st_ino)))
    /* It was one file with another name and is not any more. fd keeps the content. */
    ok = write_file (a, dirfd, name, e, fd, 0, error);
  else
    {
      g_hash_table_add (a->claimed, GSIZE_TO_POINTER (st.st_ino));
      ok = finish_open (fd, e, error);
    }
  close (fd);
  return ok;
}

static gboolean
make_link (Apply *a, int dirfd, const char *name, const LayerEntry *e, GError **error)
{
  const char *old_name;
  int old_dirfd = layer_open_parent (a->upper_dirfd, e->target, &old_name);
  struct stat x, y;
  gboolean ok = old_dirfd >= 0;

  if (ok && fstatat (old_dirfd, old_name, &x, AT_SYMLINK_NOFOLLOW) == 0
      && fstatat (dirfd, name, &y, AT_SYMLINK_NOFOLLOW) == 0 && x.st_ino == y.st_ino)
    {
      close (old_dirfd);
      return TRUE;
    }
  ok = ok && remove_name (a, dirfd, name, error)
       && linkat (old_dirfd, old_name, dirfd, name, 0) == 0;
  if (!ok && (error == NULL || *error == NULL))
    layer_fail (error, e->path, "its second name can't be made", errno);
  if (old_dirfd >= 0)
    close (old_dirfd);
  return ok;
}

/* What is no file or directory is as it should be; of a different kind it was pruned already. */
static gboolean
node_is_there (int dirfd, const char *name, const LayerEntry *e)
{
  char target[LAYER_MAX_PATH + 1];
  struct stat st;
  ssize_t n;

  if (fstatat (dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !same_kind (e, &st))
    return FALSE;
  if (e->kind == 'w')
    return TRUE;
  if (st.st_nlink != 1 || !has_attributes (e, &st))
    return FALSE;
  if (e->kind != 'l')
    return TRUE;
  n = readlinkat (dirfd, name, target, sizeof target);
  return n == (ssize_t)strlen (e->target) && memcmp (target, e->target, n) == 0;
}

static gboolean
make_node (Apply *a, int dirfd, const char *name, const LayerEntry *e, GError **error)
{
  struct timespec times[2];
  int r;

  if (node_is_there (dirfd, name, e))
    return TRUE;
  if (!remove_name (a, dirfd, name, error))
    return FALSE;
  if (e->kind == 'l')
    r = symlinkat (e->target, dirfd, name);
  else if (e->kind == 'w')
    r = mknodat (dirfd, name, S_IFCHR, makedev (0, 0));
  else
    r = mknodat (dirfd, name, (e->kind == 's' ? S_IFSOCK : S_IFIFO) | 0600, 0);
  if (r != 0)
    {
      layer_fail (error, e->path, "can't be made", errno);
      return FALSE;
    }
  if (e->kind == 'w')
    return TRUE;
  get_times (e, times);
  if (!set_owner (dirfd, name, e, error))
    return FALSE;
  /* It was made by us a moment ago in a directory that only root reaches: it is no link.
   */
  if ((e->kind == 'l' || fchmodat (dirfd, name, e->mode, 0) == 0)
      && utimensat (dirfd, name, times, AT_SYMLINK_NOFOLLOW) == 0)
    return TRUE;
  layer_fail (error, e->path, "its mode can't be set", errno);
  return FALSE;
}

static gboolean
make_directory (
    Apply *a, int dirfd, const char *name, const LayerEntry *e, GError **error)
{
  if (*name != '\0' && mkdirat (dirfd, name, 0700) != 0 && errno != EEXIST)
    {
      layer_fail (error, e->path, "can't be made", errno);
      return FALSE;
    }
  return TRUE;
}

static gboolean
make_entry (Apply *a, const LayerEntry *e, GError **error)
{
  const char *name;
  int dirfd = layer_open_parent (a->upper_dirfd, e->path, &name);
  gboolean ok;

  if (dirfd < 0)
    {
      layer_fail (error, e->path, "its directory can't be opened", errno);
      return FALSE;
    }
  if (layer_kind_is_directory (e->kind))
    ok = make_directory (a, dirfd, name, e, error);
  else if (e->kind == 'f' && *e->target != '\0')
    ok = make_link (a, dirfd, name, e, error);
  else if (e->kind == 'f' && e->offset == MOSS_LAYER_KEPT)
    ok = keep_file (a, dirfd, name, e, error);
  else if (e->kind == 'f')
    ok = write_file (a, dirfd, name, e, a->content_fd, e->offset, error);
  else
    ok = make_node (a, dirfd, name, e, error);
  close (dirfd);
  return ok;
}

/* Directories are finished from the inside out: what is made in one changes its time. */
static gboolean
finish_directories (Apply *a, GPtrArray *entries, GHashTable *changed, GError **error)
{
  for (guint i = entries->len; i > 0; i--)
    {
      const LayerEntry *e = entries->pdata[i - 1];
      gboolean ok;
      int fd;

      if (!layer_kind_is_directory (e->kind)
          || (changed != NULL && !g_hash_table_contains (changed, e)))
        continue;
      fd = layer_open (a->upper_dirfd, e->path, O_RDONLY | O_DIRECTORY);
      if (fd < 0)
        {
          layer_fail (error, e->path, "can't be opened", errno);
          return FALSE;
        }
      ok = finish_open (fd, e, error);
      close (fd);
      if (!ok)
        return FALSE;
    }
  return TRUE;
}

/* changed: the entries to be made, NULL for all. */
static gboolean
apply (GPtrArray *entries, GHashTable *changed, int content_fd, int upper_dirfd, GError **error)
{
  g_autoptr (GHashTable) wanted = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) claimed = g_hash_table_new (NULL, NULL);
  Apply a = { .upper_dirfd = upper_dirfd,
              .content_fd = content_fd,
              .wanted = wanted,
              .claimed = claimed,
              .prefix = (char *)"" };

  for (guint i = 0; changed == NULL && i < entries->len; i++)
    g_hash_table_insert (wanted, ((LayerEntry *)entries->pdata[i])->path,
                         entries->pdata[i]);
  if (changed == NULL && !layer_each_name (upper_dirfd, visit_prune, &a, error))
    return FALSE;
  for (guint i = 0; i < entries->len; i++)
    if ((changed == NULL || g_hash_table_contains (changed, entries->pdata[i]))
        && !make_entry (&a, entries->pdata[i], error))
      return FALSE;
  return finish_directories (&a, entries, changed, error);
}

gboolean
moss_layer_apply_again (
    GBytes *index, int content_fd, int upper_dirfd, GPtrArray **applied, GError **error)
{
  g_autoptr (GPtrArray) before = g_steal_pointer (applied), entries = NULL;
  g_autoptr (GHashTable) changed = NULL;
  struct stat st;

  if (fstat (content_fd, &st) != 0 || !S_ISREG (st.st_mode))
    {
      layer_fail (error, "", "its contents are no file", EINVAL);
      return FALSE;
    }
  entries = layer_index_parse (index, st.st_size, error);
  if (entries == NULL)
    return FALSE;
  if (before != NULL)
    changed = layer_find_changed (before, entries);
  if (!apply (entries, changed, content_fd, upper_dirfd, error))
    return FALSE;
  *applied = g_steal_pointer (&entries);
  return TRUE;
}

gboolean
moss_layer_apply (GBytes *index, int content_fd, int upper_dirfd, GError **error)
{
  g_autoptr (GPtrArray) applied = NULL;

  return moss_layer_apply_again (index, content_fd, upper_dirfd, &applied, error);
}
