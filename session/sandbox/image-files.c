/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Open files.
 *
 * Policy: a file is of a kind that stays inside the sandbox. A path is absolute and goes
 * straight down; /proc only for reading what a process may know about itself and the
 * machine; /sys never; of /dev only the nodes that sandboxd makes. No socket that was
 * said to lead outside, no file that is opened to be created or emptied, nothing that a
 * restored process would have to be handed. */
#define G_LOG_DOMAIN "moss-image"
#include "image-read.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum
{
  TYPE_REG = 1,
  TYPE_PIPE = 2,
  TYPE_FIFO = 3,
  TYPE_INET = 4,
  TYPE_UNIX = 5,
  TYPE_EVENTFD = 6,
  TYPE_EPOLL = 7,
  TYPE_INOTIFY = 8,
  TYPE_SIGNALFD = 9,
  TYPE_TTY = 11,
  TYPE_NETLINK = 13,
  TYPE_TIMERFD = 17,
  TYPE_MEMFD = 18,
  TYPE_PIDFD = 20
};

#define MAX_FD (1u << 20)
#define KERNEL_O_LARGEFILE 0100000
#define BAD_OPEN_FLAGS (O_CREAT | O_EXCL | O_TRUNC)
#define MAX_WATCHES 65536

static gboolean
starts_with (const char *path, const char *top)
{
  gsize n = strlen (top);

  return strncmp (path, top, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static gboolean
is_one_of (const char *name, const char *const *list)
{
  return g_strv_contains (list, name);
}

/* /proc, /proc/PID and a few files of both, read only. */
static gboolean
check_proc_path (ImageSet *s, const char *path, guint32 flags, GError **error)
{
  static const char *const global[]
      = { "cpuinfo",     "meminfo",     "stat",   "uptime", "loadavg",
          "version",     "filesystems", "mounts", "vmstat", "self",
          "thread-self", "pressure",    NULL };
  static const char *const own[]
      = { "auxv",      "cgroup",     "cmdline",      "comm",          "environ",
          "fdinfo",    "io",         "limits",       "maps",          "mountinfo",
          "mounts",    "mountstats", "oom_score",    "oom_score_adj", "sched",
          "schedstat", "smaps",      "smaps_rollup", "stat",          "statm",
          "status",    "task",       "fd",           "net",           "wchan",
          NULL };
  g_auto (GStrv) parts = g_strsplit (path + 1, "/", 0);
  guint n = g_strv_length (parts);

  if ((flags & O_ACCMODE) != O_RDONLY)
    return image_denied (s, error, "%s is open for writing", path);
  if (n == 1)
    return TRUE;
  if (g_ascii_isdigit (parts[1][0]) || g_str_equal (parts[1], "self"))
    {
      if (n == 2 || (n == 3 && is_one_of (parts[2], own)))
        return TRUE;
      if (n >= 4 && g_str_equal (parts[2], "task")
          && (n == 4 || is_one_of (parts[4], own)) && n <= 5)
        return TRUE;
    }
  else if (is_one_of (parts[1], global) && n <= 3)
    return TRUE;
  return image_denied (s, error, "%s may not be open", path);
}

static gboolean
check_dev_path (ImageSet *s, const char *path, GError **error)
{
  if (g_str_equal (path, "/dev") || starts_with (path, "/dev/shm")
      || starts_with (path, "/dev/pts") || g_str_equal (path, "/dev/tty")
      || g_str_equal (path, "/dev/ptmx"))
    return TRUE;
  for (const MossImageDevice *d = s->policy->devices; d->path != NULL; d++)
    if (g_str_equal (path, d->path))
      return TRUE;
  return image_denied (s, error, "the device %s is open", path);
}

static gboolean
check_open_path (ImageSet *s, const char *path, guint32 flags, GError **error)
{
  if (!image_check_path (s, path, error))
    return FALSE;
  if (starts_with (path, "/proc"))
    return check_proc_path (s, path, flags, error);
  if (starts_with (path, "/sys"))
    return image_denied (s, error, "%s may not be open", path);
  if (starts_with (path, "/dev"))
    return check_dev_path (s, path, error);
  return TRUE;
}

static gboolean
check_owner (ImageSet *s, const MossImage__Owner *o, GError **error)
{
  if (o->signal > 64 || o->pid_type > 3)
    return image_corrupt (s, error, "the owner of a file is impossible");
  return image_check_ids (s, o->uid, o->euid, "the owner of a file", error);
}

static gboolean
check_reg (ImageSet *s, const MossImage__File *f, ImageFile *file, GError **error)
{
  const MossImage__RegFile *m = f->reg;

  if ((m->flags & BAD_OPEN_FLAGS) != 0)
    return image_denied (s, error, "%s would be created or emptied", m->path);
  if (m->has_mode && (S_ISBLK (m->mode) || S_ISSOCK (m->mode)))
    return image_denied (s, error, "%s is a block device or socket", m->path);
  if (m->has_mode && S_ISCHR (m->mode) && !starts_with (m->path, "/dev"))
    return image_denied (s, error, "the device %s is open", m->path);
  if (m->pos > G_MAXINT64)
    return image_corrupt (s, error, "an impossible position in %s", m->path);
  file->path = g_strdup (m->path);
  file->mnt = m->has_mnt ? m->mnt : -1;
  return check_open_path (s, m->path, m->flags, error)
         && check_owner (s, m->owner, error);
}

static gboolean
check_socket_options (ImageSet *s, const MossImage__SocketOptions *o, GError **error)
{
  if (o->n_filter > 4096)
    return image_corrupt (s, error, "a socket's filter is too long");
  if (o->bound_device != NULL && strlen (o->bound_device) > 15)
    return image_corrupt (s, error, "a socket is bound to an impossible device");
  return TRUE;
}

static gboolean
check_inet (ImageSet *s, const MossImage__File *f, ImageFile *file, GError **error)
{
  const MossImage__InetSocket *m = f->inet;

  if (m->family != AF_INET && m->family != AF_INET6)
    return image_denied (s, error, "a socket of an unknown family (%u)", m->family);
  if (m->type != SOCK_STREAM && m->type != SOCK_DGRAM)
    return image_denied (s, error, "a raw network socket");
  if (m->n_src_addr > 4 || m->n_dst_addr > 4 || m->src_port > 65535
      || m->dst_port > 65535)
    return image_corrupt (s, error, "a socket has an impossible address");
  if (m->ifname != NULL && strlen (m->ifname) > 15)
    return image_corrupt (s, error, "a socket is bound to an impossible device");
  return check_socket_options (s, m->opts, error) && check_owner (s, m->owner, error);
}

static gboolean
check_netlink (ImageSet *s, const MossImage__File *f, ImageFile *file, GError **error)
{
  const MossImage__NetlinkSocket *m = f->netlink;

  if (m->protocol > 31 || m->n_groups > 64)
    return image_corrupt (s, error, "a netlink socket is impossible");
  return check_socket_options (s, m->opts, error) && check_owner (s, m->owner, error);
}

/* An abstract name starts with a zero byte; a path may or may not end with one. */
static gboolean
check_unix_name (ImageSet *s, const MossImage__UnixSocket *m, GError **error)
{
  g_autofree char *name = NULL;

  if (m->name.len > 109)
    return image_corrupt (s, error, "a socket's name is too long");
  if (m->directory != NULL && *m->directory != '\0'
      && !image_check_path (s, m->directory, error))
    return FALSE;
  if (m->name.len == 0 || m->name.data[0] == '\0')
    return TRUE;
  name = g_strndup ((const char *)m->name.data, m->name.len);
  if (name[0] != '/')
    {
      g_autofree char *absolute = g_strdup_printf ("/%s", name);

      return image_check_path (s, absolute, error);
    }
  return check_open_path (s, name, O_RDONLY, error);
}

static gboolean
check_unix (ImageSet *s, const MossImage__File *f, ImageFile *file, GError **error)
{
  const MossImage__UnixSocket *m = f->unix_socket;

  if (m->uflags != 0)
    return image_denied (s, error, "a socket leads outside the sandbox");
  if (m->type != SOCK_STREAM && m->type != SOCK_DGRAM && m->type != SOCK_SEQPACKET)
    return image_corrupt (s, error, "a socket of an impossible type");
  if (m->permissions != NULL)
    {
      if ((m->permissions->mode & (S_ISUID | S_ISGID)) != 0)
        return image_denied (s, error, "a socket is set-uid or set-gid");
      if (!image_check_ids (s, m->permissions->uid, m->permissions->gid, "a socket",
                            error))
        return FALSE;
    }
  if (!image_remember (s->sockets, m->ino))
    return image_corrupt (s, error, "a socket stands twice");
  if (m->peer != 0)
    g_ptr_array_add (s->peers, GUINT_TO_POINTER (m->peer));
  file->mnt = m->has_mnt ? m->mnt : -1;
  return check_unix_name (s, m, error) && check_socket_options (s, m->opts, error)
         && check_owner (s, m->owner, error);
}

static gboolean
check_inotify (ImageSet *s, const MossImage__File *f, ImageFile *file, GError **error)
{
  const MossImage__Inotify *m = f->inotify;

  if (m->n_watches > MAX_WATCHES)
    return image_corrupt (s, error, "too many watches");
  for (gsize i = 0; i < m->n_watches; i++)
    {
      const MossImage__FileHandle *h = m->watches[i]->handle;
      g_autofree char *path = NULL;

      if (h->path == NULL)
        return image_denied (s, error, "a watch does not tell its path");
      path = h->path[0] == '/' ? g_strdup (h->path) : g_strdup_printf ("/%s", h->path);
      if (h->n_handle > 16 || h->bytes > 128)
        return image_corrupt (s, error, "a watch is impossible");
      if (!image_check_path (s, path, error))
        return FALSE;
    }
  return check_owner (s, m->owner, error);
}

static gboolean
check_owned (ImageSet *s, const MossImage__File *f, ImageFile *file, GError **error)
{
  switch (f->type)
    {
    case TYPE_PIPE:
      file->key = f->pipe->pipe;
      return check_owner (s, f->pipe->owner, error);
    case TYPE_EVENTFD:
      return check_owner (s, f->eventfd->owner, error);
    case TYPE_EPOLL:
      return (f->epoll->n_targets <= MAX_FD
              || image_corrupt (s, error, "an epoll set is too big"))
             && check_owner (s, f->epoll->owner, error);
    case TYPE_SIGNALFD:
      return check_owner (s, f->signalfd->owner, error);
    case TYPE_TIMERFD:
      return check_owner (s, f->timerfd->owner, error);
    case TYPE_MEMFD:
      file->key = f->memfd->inode;
      return ((f->memfd->flags & BAD_OPEN_FLAGS) == 0
              || image_denied (s, error, "a memfd would be created or emptied"))
             && check_owner (s, f->memfd->owner, error);
    case TYPE_PIDFD:
      return check_owner (s, f->pidfd->owner, error);
    case TYPE_TTY:
      file->key = f->tty->info;
      file->ref = f->tty->has_reg_file ? f->tty->reg_file : 0;
      return check_owner (s, f->tty->owner, error);
    case TYPE_FIFO:
      file->key = f->fifo->pipe;
      file->ref = f->fifo->has_reg_file ? f->fifo->reg_file : 0;
      return TRUE;
    default:
      g_return_val_if_reached (FALSE);
    }
}

typedef gboolean (*KindChecker) (ImageSet *s,
                                 const MossImage__File *f,
                                 ImageFile *file,
                                 GError **error);

/* Exactly the part that belongs to the type must be there, with the same id. */
#define KIND(TYPE, MEMBER, CHECK)                                                        \
  case TYPE:                                                                             \
    part = f->MEMBER != NULL;                                                            \
    same = part && f->MEMBER->id == f->id;                                               \
    check = CHECK;                                                                       \
    break;

static guint
count_parts (const MossImage__File *f)
{
  return (f->reg != NULL) + (f->inet != NULL) + (f->netlink != NULL)
         + (f->eventfd != NULL) + (f->epoll != NULL) + (f->signalfd != NULL)
         + (f->timerfd != NULL) + (f->inotify != NULL) + (f->unix_socket != NULL)
         + (f->fifo != NULL) + (f->pipe != NULL) + (f->tty != NULL) + (f->memfd != NULL)
         + (f->pidfd != NULL);
}

static gboolean
check_file (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__File *f = message;
  ImageSet *s = r->set;
  gboolean part = FALSE, same = FALSE;
  KindChecker check = NULL;
  ImageFile *file;

  switch (f->type)
    {
      KIND (TYPE_REG, reg, check_reg)
      KIND (TYPE_PIPE, pipe, check_owned)
      KIND (TYPE_FIFO, fifo, check_owned)
      KIND (TYPE_INET, inet, check_inet)
      KIND (TYPE_UNIX, unix_socket, check_unix)
      KIND (TYPE_EVENTFD, eventfd, check_owned)
      KIND (TYPE_EPOLL, epoll, check_owned)
      KIND (TYPE_INOTIFY, inotify, check_inotify)
      KIND (TYPE_SIGNALFD, signalfd, check_owned)
      KIND (TYPE_TTY, tty, check_owned)
      KIND (TYPE_NETLINK, netlink, check_netlink)
      KIND (TYPE_TIMERFD, timerfd, check_owned)
      KIND (TYPE_MEMFD, memfd, check_owned)
      KIND (TYPE_PIDFD, pidfd, check_owned)
    default:
      return image_denied (s, error, "a file of a kind that may not travel (%u)",
                           f->type);
    }
  if (!part || !same || count_parts (f) != 1)
    return image_corrupt (s, error, "file %u is not what it says", f->id);
  if (g_hash_table_contains (s->files, GUINT_TO_POINTER (f->id)))
    return image_corrupt (s, error, "file %u stands twice", f->id);
  file = g_new0 (ImageFile, 1);
  file->type = f->type;
  file->mnt = -1;
  g_hash_table_insert (s->files, GUINT_TO_POINTER (f->id), file);
  return check (s, f, file, error);
}

gboolean
image_check_files (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__file__descriptor, check_file, error);
}

static gboolean
check_fd (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Fd *m = message;

  if (m->fd >= MAX_FD)
    return image_corrupt (r->set, error, "an impossible descriptor (%u)", m->fd);
  if ((m->flags & ~1u) != 0)
    return image_corrupt (r->set, error, "impossible descriptor flags (%x)", m->flags);
  image_use_file (r->set, m->file);
  return TRUE;
}

gboolean
image_check_fdinfo (ImageReader *r, GError **error)
{
  image_remember (r->set->fd_tables, r->set->number);
  return image_each (r, &moss_image__fd__descriptor, check_fd, error);
}

/* files.img was read before: a process may have no other root than the sandbox's. */
static gboolean
check_fs (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Fs *m = message;
  ImageSet *s = r->set;
  const ImageFile *root = g_hash_table_lookup (s->files, GUINT_TO_POINTER (m->root));

  image_use_file (s, m->cwd);
  image_use_file (s, m->root);
  if (s->alone)
    return TRUE;
  if (root == NULL || root->type != TYPE_REG || !g_str_equal (root->path, "/"))
    return image_denied (s, error, "a process has another root directory");
  return TRUE;
}

gboolean
image_check_fs (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__fs__descriptor, check_fs, error);
}

/* ---- all together --------------------------------------------------------------------
 */

static gboolean
cross_file (ImageSet *s, guint32 id, const ImageFile *f, GError **error)
{
  if (f->type == TYPE_MEMFD && !image_knows (s->memfds, f->key))
    return image_corrupt (s, error, "file %u is a memfd that is not there", id);
  if (f->type == TYPE_TTY && !image_knows (s->ttys, f->key))
    return image_corrupt (s, error, "file %u is a terminal that is not there", id);
  if (f->ref != 0)
    {
      const ImageFile *ref = g_hash_table_lookup (s->files, GUINT_TO_POINTER (f->ref));

      if (ref == NULL || ref->type != TYPE_REG)
        return image_corrupt (s, error, "file %u has no name", id);
    }
  if (f->mnt > 0 && !image_knows (s->mounts, f->mnt))
    return image_corrupt (s, error, "file %u is on a mount that is not there", id);
  return TRUE;
}

static gboolean
cross_remap (ImageSet *s, const MossImage__Remap *m, GError **error)
{
  const ImageFile *file = g_hash_table_lookup (s->files, GUINT_TO_POINTER (m->file));

  if (file == NULL)
    return image_corrupt (s, error, "remap-fpath.img names file %u that is not there",
                          m->file);
  if (m->type == 1 && !image_knows (s->ghosts, m->remap))
    return image_corrupt (s, error, "ghost-file-%x.img is missing", m->remap);
  if (m->type == 0)
    {
      const ImageFile *linked
          = g_hash_table_lookup (s->files, GUINT_TO_POINTER (m->remap));

      if (linked == NULL || linked->type != TYPE_REG)
        return image_corrupt (
            s, error, "remap-fpath.img links to file %u that is not there", m->remap);
    }
  return TRUE;
}

gboolean
image_cross_files (ImageSet *s, GError **error)
{
  GHashTableIter iter;
  gpointer id, value;

  g_hash_table_iter_init (&iter, s->files);
  while (g_hash_table_iter_next (&iter, &id, &value))
    if (!cross_file (s, GPOINTER_TO_UINT (id), value, error))
      return FALSE;
  g_hash_table_iter_init (&iter, s->file_users);
  while (g_hash_table_iter_next (&iter, &id, &value))
    if (!g_hash_table_contains (s->files, id))
      return image_corrupt (s, error, "%s names file %u that is not there",
                            (const char *)value, GPOINTER_TO_UINT (id));
  for (guint i = 0; i < s->peers->len; i++)
    if (!image_knows (s->sockets, GPOINTER_TO_UINT (s->peers->pdata[i])))
      return image_denied (s, error, "a socket's other end is not in the sandbox");
  for (guint i = 0; i < s->remaps->len; i++)
    if (!cross_remap (s, s->remaps->pdata[i], error))
      return FALSE;
  return TRUE;
}
