/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mount, user, uts, time and ipc namespaces, and the control group.
 *
 * Policy: the mounts are exactly the sandbox's (root overlay, /proc, /dev/pts and what
 * else the policy lists), none shared, external or from a plugin, all nosuid, with
 * harmless options; but /net may be there too, and only as a name for this machine's own;
 * user ids are mapped exactly as on this machine; System V objects belong to users of the
 * sandbox; no control group is described, since CRIU is told to leave them alone. */
#define G_LOG_DOMAIN "moss-image"
#include "image-read.h"

#include <string.h>
#include <sys/mount.h>

#define FS_FUSE 15
#define FS_PROC 1
#define FS_TMPFS 5
#define FS_DEVPTS 6
#define FS_OVERLAY 17

#define KNOWN_MOUNT_FLAGS                                                                \
  (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME             \
   | MS_RELATIME | MS_STRICTATIME | MS_PRIVATE)
#define KNOWN_SB_FLAGS (MS_RDONLY | MS_SYNCHRONOUS | MS_LAZYTIME)
#define MAX_SEM 32000

static const char *
filesystem_name (guint32 fstype)
{
  switch (fstype)
    {
    case FS_PROC:
      return "proc";
    case FS_TMPFS:
      return "tmpfs";
    case FS_DEVPTS:
      return "devpts";
    case FS_OVERLAY:
      return "overlay";
    default:
      return NULL;
    }
}

/* For the overlay they describe the other machine's paths and are not used. */
static gboolean
check_options (ImageSet *s, const MossImage__Mount *m, GError **error)
{
  static const char *const known[]
      = { "mode",      "uid",      "gid",         "size",    "nr_inodes",
          "nr_blocks", "ptmxmode", "newinstance", "inode64", "inode32",
          "hidepid",   "max",      NULL };
  g_auto (GStrv) options = g_strsplit (m->options, ",", 64);

  if (m->fstype == FS_OVERLAY)
    return TRUE;
  for (guint i = 0; options[i] != NULL; i++)
    {
      char *value = strchr (options[i], '=');

      if (value != NULL)
        *value++ = '\0';
      if (*options[i] == '\0')
        continue;
      if (!g_strv_contains (known, options[i]))
        return image_denied (s, error, "%s is mounted with the option \"%.40s\"", m->path,
                             options[i]);
      if (value != NULL
          && strspn (value, "0123456789abcdefinvsblktopr%kKmMgG") != strlen (value))
        return image_denied (s, error, "%s is mounted with a strange option", m->path);
    }
  return TRUE;
}

static gboolean
is_allowed_mount (ImageSet *s, const MossImage__Mount *m)
{
  const char *type = filesystem_name (m->fstype);

  for (const MossImageMount *a = s->policy->mounts; type != NULL && a->path != NULL; a++)
    if (g_str_equal (a->path, m->path) && g_str_equal (a->type, type))
      return TRUE;
  return FALSE;
}

static gboolean
is_net (const MossImage__Mount *m)
{
  return g_str_equal (m->path, "/net") && m->external_key != NULL
         && g_str_equal (m->external_key, MOSS_IMAGE_NET_KEY);
}

/* Nothing of it is in the images; CRIU puts there what it is told to. */
static gboolean
check_net (ImageSet *s, const MossImage__Mount *m, GError **error)
{
  const guint32 needed = MS_NOSUID | MS_NODEV;

  if (!s->policy->has_net)
    return image_denied (s, error, "it uses files on /net, which isn't open on this machine");
  if (m->fstype != FS_FUSE || m->with_plugin || m->internal_sharing || m->deleted
      || m->shared != 0 || m->master != 0 || !g_str_equal (m->root, "/")
      || (m->flags & needed) != needed || (m->flags & ~(guint32)KNOWN_MOUNT_FLAGS) != 0
      || strlen (m->source) > 255 || strlen (m->options) > 4096)
    return image_denied (s, error, "/net is mounted in a way that is refused");
  if (s->net)
    return image_denied (s, error, "something is mounted over /net");
  s->net = TRUE;
  return (m->id <= G_MAXINT32 && image_remember (s->mounts, m->id))
         || image_corrupt (s, error, "a mount stands twice");
}

static gboolean
check_mount (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Mount *m = message;
  ImageSet *s = r->set;

  if (is_net (m))
    return check_net (s, m, error);
  if (!is_allowed_mount (s, m))
    return image_denied (s, error,
                         "something else is mounted at \"%.100s\" (file system %u)",
                         m->path, m->fstype);
  if (m->external || m->with_plugin || m->external_key != NULL || m->internal_sharing
      || m->deleted || (m->fsname != NULL && *m->fsname != '\0'))
    return image_denied (s, error, "%s is mounted from outside", m->path);
  if (m->shared != 0 || m->master != 0)
    return image_denied (s, error, "%s is a shared mount", m->path);
  if (!g_str_equal (m->root, "/"))
    return image_denied (s, error, "%s is a part of a file system", m->path);
  if ((m->flags & MS_NOSUID) == 0 || (m->flags & ~(guint32)KNOWN_MOUNT_FLAGS) != 0
      || (m->sb_flags & ~(guint32)KNOWN_SB_FLAGS) != 0)
    return image_denied (s, error, "%s is mounted with flags that are refused (%x)",
                         m->path, m->flags);
  if (strlen (m->source) > 255 || strlen (m->options) > 4096)
    return image_corrupt (s, error, "%s has too long options", m->path);
  if (!g_hash_table_add (s->mount_paths, g_strdup (m->path)))
    return image_denied (s, error, "something is mounted over %s", m->path);
  if (m->id > G_MAXINT32 || !image_remember (s->mounts, m->id))
    return image_corrupt (s, error, "a mount stands twice");
  return check_options (s, m, error);
}

/* Each of the policy's mounts once: as many as there are, and no path twice. */
gboolean
image_check_mounts (ImageReader *r, GError **error)
{
  guint n = 0;

  if (!image_each (r, &moss_image__mount__descriptor, check_mount, error))
    return FALSE;
  n += r->set->net;
  for (const MossImageMount *a = r->set->policy->mounts; a->path != NULL; a++)
    n++;
  if (g_hash_table_size (r->set->mounts) != n)
    return image_denied (r->set, error, "has %u mounts and not %u",
                         g_hash_table_size (r->set->mounts), n);
  return TRUE;
}

static gboolean
is_our_map (const MossImagePolicy *p, size_t n, MossImage__IdExtent *const *extents)
{
  return n == 1 && extents[0]->first == 0 && extents[0]->outside == p->first_id
         && extents[0]->count == p->n_ids;
}

static gboolean
check_userns (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__UserNs *m = message;
  const MossImagePolicy *p = r->set->policy;

  if (is_our_map (p, m->n_uids, m->uids) && is_our_map (p, m->n_gids, m->gids))
    return TRUE;
  return image_denied (r->set, error,
                       "its users are mapped to others than the sandbox's");
}

gboolean
image_check_userns (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__user_ns__descriptor, check_userns, error);
}

static gboolean
check_utsns (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__UtsNs *m = message;

  return (strlen (m->node) <= 64 && strlen (m->domain) <= 64)
         || image_corrupt (r->set, error, "the host name is too long");
}

gboolean
image_check_utsns (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__uts_ns__descriptor, check_utsns, error);
}

static gboolean
check_timens (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__TimeNs *m = message;

  if (m->monotonic->part >= 1000000000 || m->boottime->part >= 1000000000
      || m->monotonic->sec > G_MAXINT64 / 1000000000
      || m->boottime->sec > G_MAXINT64 / 1000000000)
    return image_corrupt (r->set, error, "an impossible time");
  return TRUE;
}

gboolean
image_check_timens (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__time_ns__descriptor, check_timens, error);
}

static gboolean
check_ipc_var (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__IpcVar *m = message;

  if (m->n_sem_ctls != 4)
    return image_corrupt (r->set, error, "wrong semaphore limits");
  return TRUE;
}

gboolean
image_check_ipc_var (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__ipc_var__descriptor, check_ipc_var, error);
}

static gboolean
check_desc (ImageSet *s, const MossImage__IpcDesc *d, GError **error)
{
  if (d->id > G_MAXINT32)
    return image_corrupt (s, error, "an impossible number");
  return image_check_ids (s, d->uid, d->gid, "a System V object", error)
         && image_check_ids (s, d->cuid, d->cgid, "a System V object", error);
}

static gboolean
check_ipc_shm (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__IpcShm *m = message;
  ImageSet *s = r->set;

  if (!m->in_pagemaps)
    return image_foreign (s, error, "shared memory in an old form");
  if (m->hugetlb != 0)
    return image_denied (s, error, "shared memory wants huge pages");
  if (m->size > s->policy->max_bytes)
    return image_denied (s, error, "shared memory is too big");
  return check_desc (s, m->desc, error);
}

gboolean
image_check_ipc_shm (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__ipc_shm__descriptor, check_ipc_shm, error);
}

/* The values follow, two bytes each, up to the next multiple of eight. */
static gboolean
check_ipc_sem (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__IpcSem *m = message;

  if (m->count > MAX_SEM)
    return image_corrupt (r->set, error, "too many semaphores");
  return check_desc (r->set, m->desc, error)
         && image_skip (r, ((guint64)m->count * 2 + 7) / 8 * 8, error);
}

gboolean
image_check_ipc_sem (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__ipc_sem__descriptor, check_ipc_sem, error);
}

static gboolean
check_cgroup (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Cgroup *m = message;

  if (m->n_sets > r->set->policy->max_tasks || m->n_controllers > 64)
    return image_corrupt (r->set, error, "too many control groups");
  for (gsize i = 0; i < m->n_controllers; i++)
    if (m->controllers[i]->n_directories > 0)
      return image_denied (r->set, error, "describes control groups of its own");
  return TRUE;
}

gboolean
image_check_cgroup (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__cgroup__descriptor, check_cgroup, error);
}
