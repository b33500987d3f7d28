/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The gate between a stranger's CRIU images and a CRIU that runs as root and believes
 * them.
 *
 * Policy: an image is of a kind in the table below, a regular file, begins with its
 * kind's magic number, is bounded, and consists of entries that protobuf-c can read with
 * no field that this file's schema does not have. What may stand in them is said at the
 * head of image-tasks.c, image-memory.c, image-files.c, image-extras.c and
 * image-spaces.c. What one image says of another is true. The network namespace is made
 * new and empty before, so nothing about it may stand there. Old forms of images, which CRIU
 * reads where the new one is missing, are not in the table: what the table lacks is
 * refused. Pages and bytes in pipes and sockets are data of the app and may be anything.
 */
#define G_LOG_DOMAIN "moss-image"
#include "image-read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMON_MAGIC 0x54564319u
#define MAX_FILES 20000
#define MAX_IMAGE (512u << 20)
#define PAGE 4096
#define CAP(n) (G_GUINT64_CONSTANT (1) << (n))
#define CAP_SETGID 6
#define CAP_SETUID 7
#define CAP_SETPCAP 8

typedef enum
{
  NO_NUMBER,
  DECIMAL,
  HEX
} Numbering;

typedef struct
{
  const char *name; /* before "-NUMBER.img" or ".img" */
  Numbering numbering;
  guint32 magic;      /* 0: raw bytes, no header */
  ImageChecker check; /* NULL: only its size counts */
  int rank;           /* what others refer to is read first */
} ImageKind;

static const ImageKind kinds[] = {
  { "inventory", NO_NUMBER, 0x58313116, image_check_inventory, 0 },
  { "pstree", NO_NUMBER, 0x50273030, image_check_pstree, 1 },
  { "files", NO_NUMBER, 0x56303138, image_check_files, 1 },
  { "tty-info", NO_NUMBER, 0x59453036, image_check_tty_info, 1 },
  { "memfd", NO_NUMBER, 0x48453499, image_check_memfd, 1 },
  { "seccomp", NO_NUMBER, 0x64413049, image_check_seccomp, 1 },
  { "core", DECIMAL, 0x55053847, image_check_core, 2 },
  { "ids", DECIMAL, 0x54432030, image_check_task_ids, 2 },
  { "mm", DECIMAL, 0x57492820, image_check_mm, 2 },
  { "fs", DECIMAL, 0x51403912, image_check_fs, 2 },
  { "fdinfo", DECIMAL, 0x56213732, image_check_fdinfo, 2 },
  { "pagemap", DECIMAL, 0x56084025, image_check_pagemap, 2 },
  { "pagemap-shmem", DECIMAL, 0x56084025, image_check_pagemap, 2 },
  { "pages", DECIMAL, 0, NULL, 2 },
  { "remap-fpath", NO_NUMBER, 0x59133954, image_check_remap, 2 },
  { "ghost-file", HEX, 0x52583605, image_check_ghost, 2 },
  { "tty-data", NO_NUMBER, 0x59413026, image_check_tty_data, 2 },
  { "filelocks", NO_NUMBER, 0x54323616, image_check_file_locks, 2 },
  { "sk-queues", NO_NUMBER, 0x56264026, image_check_queues, 2 },
  { "pipes-data", NO_NUMBER, 0x56453709, image_check_pipe_data, 2 },
  { "fifo-data", NO_NUMBER, 0x59333054, image_check_pipe_data, 2 },
  { "cpuinfo", NO_NUMBER, 0x61404013, image_check_cpuinfo, 2 },
  { "cgroup", NO_NUMBER, 0x59383330, image_check_cgroup, 2 },
  { "mountpoints", DECIMAL, 0x55563928, image_check_mounts, 2 },
  { "userns", DECIMAL, 0x55474906, image_check_userns, 2 },
  { "utsns", DECIMAL, 0x54473203, image_check_utsns, 2 },
  { "timens", DECIMAL, 0x43114433, image_check_timens, 2 },
  { "ipcns-var", DECIMAL, 0x53115007, image_check_ipc_var, 2 },
  { "ipcns-shm", DECIMAL, 0x46283044, image_check_ipc_shm, 2 },
  { "ipcns-sem", DECIMAL, 0x59573019, image_check_ipc_sem, 2 },
};
#define LAST_RANK 2

static const MossImageMount default_mounts[] = {
  { "/", "overlay" }, { "/proc", "proc" }, { "/dev/pts", "devpts" }, { NULL, NULL }
};
static const MossImageDevice default_devices[]
    = { { "/dev/null", 1, 3 },   { "/dev/zero", 1, 5 },    { "/dev/full", 1, 7 },
        { "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
        { NULL, 0, 0 } };
static const MossImagePolicy default_policy = {
  .first_id = 1900019712u,
  .n_ids = 65536,
  .mounts = default_mounts,
  .devices = default_devices,
  .init_capabilities = CAP (CAP_SETGID) | CAP (CAP_SETUID) | CAP (CAP_SETPCAP),
  .need_seccomp = TRUE,
  .max_bytes = G_GUINT64_CONSTANT (64) << 30,
  .max_tasks = 8192,
};

const MossImagePolicy *
moss_image_policy_default (void)
{
  return &default_policy;
}

/* ---- names ---------------------------------------------------------------------------
 */

static gboolean
parse_number (const char *text, const char *end, Numbering numbering, guint32 *number)
{
  guint base = numbering == HEX ? 16 : 10;
  guint64 value = 0;

  if (text == end || (*text == '0' && end - text > 1))
    return FALSE;
  for (; text < end; text++)
    {
      int digit = g_ascii_xdigit_value (*text);

      if (digit < 0 || digit >= (int)base || g_ascii_isupper (*text))
        return FALSE;
      value = value * base + digit;
      if (value > G_MAXUINT32)
        return FALSE;
    }
  *number = value;
  return TRUE;
}

static const ImageKind *
find_kind (const char *name, guint32 *number)
{
  gsize length = strlen (name);
  const char *end = name + length - 4;

  if (length <= 4 || length > 64 || !g_str_has_suffix (name, ".img"))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      const ImageKind *k = &kinds[i];
      gsize n = strlen (k->name);

      if (strncmp (name, k->name, n) != 0)
        continue;
      *number = 0;
      if (k->numbering == NO_NUMBER && name + n == end)
        return k;
      if (k->numbering != NO_NUMBER && name[n] == '-'
          && parse_number (name + n + 1, end, k->numbering, number))
        return k;
    }
  return NULL;
}

/* ---- the set -------------------------------------------------------------------------
 */

static void
free_file (gpointer data)
{
  ImageFile *file = data;

  g_free (file->path);
  g_free (file);
}

static void
image_set_init (ImageSet *s, const MossImagePolicy *policy)
{
  memset (s, 0, sizeof *s);
  s->policy = policy;
  s->files = g_hash_table_new_full (NULL, NULL, NULL, free_file);
  s->processes = g_hash_table_new (NULL, NULL);
  s->threads = g_hash_table_new (NULL, NULL);
  s->cores = g_hash_table_new (NULL, NULL);
  s->ids = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  s->fd_tables = g_hash_table_new (NULL, NULL);
  s->file_users = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  s->memfds = g_hash_table_new (NULL, NULL);
  s->ttys = g_hash_table_new (NULL, NULL);
  s->ghosts = g_hash_table_new (NULL, NULL);
  s->sockets = g_hash_table_new (NULL, NULL);
  s->mounts = g_hash_table_new (NULL, NULL);
  s->mount_paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  s->pages = g_hash_table_new (NULL, NULL);
  s->pagemaps = g_hash_table_new (NULL, NULL);
  s->namespaces = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  s->peers = g_ptr_array_new ();
  s->remaps = g_ptr_array_new_with_free_func (g_free);
  s->filters = g_byte_array_new ();
}

static void
image_set_clear (ImageSet *s)
{
  g_free (s->root_ids);
  g_hash_table_unref (s->files);
  g_hash_table_unref (s->processes);
  g_hash_table_unref (s->threads);
  g_hash_table_unref (s->cores);
  g_hash_table_unref (s->ids);
  g_hash_table_unref (s->fd_tables);
  g_hash_table_unref (s->file_users);
  g_hash_table_unref (s->memfds);
  g_hash_table_unref (s->ttys);
  g_hash_table_unref (s->ghosts);
  g_hash_table_unref (s->sockets);
  g_hash_table_unref (s->mounts);
  g_hash_table_unref (s->mount_paths);
  g_hash_table_unref (s->pages);
  g_hash_table_unref (s->pagemaps);
  g_hash_table_unref (s->namespaces);
  g_ptr_array_unref (s->peers);
  g_ptr_array_unref (s->remaps);
  g_byte_array_unref (s->filters);
}

static gboolean
check_pages (ImageSet *s, guint64 size, GError **error)
{
  if (size % PAGE != 0 || size / PAGE >= G_MAXINT32)
    return image_corrupt (s, error, "is not made of whole pages");
  g_hash_table_insert (s->pages, GUINT_TO_POINTER (s->number),
                       GUINT_TO_POINTER ((guint)(size / PAGE) + 1));
  return TRUE;
}

static gboolean
check_data (
    ImageSet *s, const ImageKind *kind, const guint8 *data, gsize size, GError **error)
{
  ImageReader r = { .set = s, .data = data, .size = size };

  if (kind->magic != 0)
    {
      /* The inventory alone has no common magic before its own. */
      if (kind->check != image_check_inventory
          && !image_read_magic (&r, COMMON_MAGIC, error))
        return FALSE;
      if (!image_read_magic (&r, kind->magic, error))
        return FALSE;
    }
  return kind->check (&r, error);
}

/* ---- the directory -------------------------------------------------------------------
 */

typedef struct
{
  const ImageKind *kind;
  guint32 number;
  char *name;
} Listed;

static void
free_listed (gpointer data)
{
  Listed *l = data;

  g_free (l->name);
  g_free (l);
}

static gboolean
list_images (ImageSet *s, int images_dirfd, GPtrArray *list, GError **error)
{
  int fd = openat (images_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry;
  gboolean ok = dir != NULL;

  if (!ok)
    g_set_error (error, MOSS_IMAGE_ERROR, MOSS_IMAGE_ERROR_FAILED,
                 "images: the directory can't be read: %s", g_strerror (errno));
  while (ok && (entry = readdir (dir)) != NULL)
    {
      guint32 number;
      const ImageKind *kind;
      Listed *l;

      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        continue;
      s->name = entry->d_name;
      kind = find_kind (entry->d_name, &number);
      if (kind == NULL || list->len >= MAX_FILES)
        {
          ok = image_denied (s, error,
                             kind == NULL ? "is not an image that may travel"
                                          : "is one image too many");
          break;
        }
      l = g_new (Listed, 1);
      *l = (Listed){ kind, number, g_strdup (entry->d_name) };
      g_ptr_array_add (list, l);
    }
  s->name = NULL;
  if (dir != NULL)
    closedir (dir);
  else if (fd >= 0)
    close (fd);
  return ok;
}

static gboolean
check_mapped (ImageSet *s, const Listed *l, int fd, gsize size, GError **error)
{
  void *map;
  gboolean ok;

  if (size > MAX_IMAGE)
    return image_denied (s, error, "is too big");
  if (size == 0)
    return check_data (s, l->kind, (const guint8 *)"", 0, error);
  map = mmap (NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (map == MAP_FAILED)
    return image_corrupt (s, error, "can't be read: %s", g_strerror (errno));
  ok = check_data (s, l->kind, map, size, error);
  munmap (map, size);
  return ok;
}

static gboolean
check_listed (
    ImageSet *s, const Listed *l, int images_dirfd, guint64 *total, GError **error)
{
  int fd = openat (images_dirfd, l->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat st;
  gboolean ok;

  s->name = l->name;
  s->number = l->number;
  if (fd < 0 || fstat (fd, &st) != 0 || !S_ISREG (st.st_mode))
    {
      if (fd >= 0)
        close (fd);
      return image_denied (s, error, "is not a plain file");
    }
  *total += st.st_size;
  if (*total > s->policy->max_bytes)
    ok = image_denied (s, error, "all together are too big");
  else if (l->kind->check == NULL)
    ok = check_pages (s, st.st_size, error);
  else
    ok = check_mapped (s, l, fd, st.st_size, error);
  close (fd);
  g_hash_table_add (s->namespaces, g_strndup (l->name, strlen (l->name) - 4));
  return ok;
}

gboolean
moss_image_check (int images_dirfd, const MossImagePolicy *policy, GError **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (free_listed);
  ImageSet set;
  guint64 total = 0;
  gboolean ok;

  image_set_init (&set, policy);
  ok = list_images (&set, images_dirfd, list, error);
  for (int rank = 0; ok && rank <= LAST_RANK; rank++)
    for (guint i = 0; ok && i < list->len; i++)
      if (((Listed *)list->pdata[i])->kind->rank == rank)
        ok = check_listed (&set, list->pdata[i], images_dirfd, &total, error);
  set.name = NULL;
  ok = ok && image_cross_tasks (&set, error) && image_cross_memory (&set, error)
       && image_cross_files (&set, error);
  image_set_clear (&set);
  return ok;
}

gboolean
moss_image_check_one (const char *name,
                      const guint8 *data,
                      gsize size,
                      const MossImagePolicy *policy,
                      GError **error)
{
  ImageSet set;
  const ImageKind *kind;
  gboolean ok;

  image_set_init (&set, policy);
  set.alone = TRUE;
  set.name = name;
  kind = find_kind (name, &set.number);
  if (kind == NULL)
    ok = image_denied (&set, error, "is not an image that may travel");
  else if (kind->check == NULL)
    ok = check_pages (&set, size, error);
  else
    ok = check_data (&set, kind, data, size, error);
  image_set_clear (&set);
  return ok;
}
