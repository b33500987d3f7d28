/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Many small images in one file. A D-Bus message carries at most 253 descriptors, and CRIU writes
 * seven images a process and one a thread.
 *
 * Little endian:  "MOSSPAK1"  u32 count  u32 zero  count × { u64 offset  u64 size  char name[64] }
 * and then each image at a multiple of 4096, in the order of the table: whoever compares blocks of
 * two packs finds the same images at the same places of a block.
 *
 * Policy: a pack comes from another machine. Its table is bounded, its images lie in the file one
 * after the other, their names are CRIU's and none is there twice; what is in them is for the
 * check of images. */
#define G_LOG_DOMAIN "moss-image"
#include "image-pack.h"
#include "image-check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "MOSSPAK1"
#define MAX_PACKED 20000
#define NAME_SIZE 64
#define BLOCK 4096
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

typedef struct
{
  char magic[8];
  guint32 count;
  guint32 zero;
} Head;

typedef struct
{
  guint64 offset;
  guint64 size;
  char name[NAME_SIZE];
} Entry;

G_STATIC_ASSERT (sizeof (Head) == 16);
G_STATIC_ASSERT (sizeof (Entry) == 80);

gboolean
moss_image_name_is_good (const char *name)
{
  gsize length = strlen (name);

  return length > 4 && length < NAME_SIZE && g_str_has_suffix (name, ".img") && name[0] != '.'
         && strspn (name, LETTERS "0123456789-_.") == length;
}

static gboolean
fail (GError **error, int code, const char *what, const char *reason)
{
  g_set_error (error, MOSS_IMAGE_ERROR, code, "images: %s: %s", what, reason);
  return FALSE;
}

static gboolean
corrupt (GError **error, const char *reason)
{
  return fail (error, MOSS_IMAGE_ERROR_CORRUPT, MOSS_IMAGE_PACK, reason);
}

static gboolean
fail_errno (GError **error, const char *what)
{
  return fail (error, MOSS_IMAGE_ERROR_FAILED, what, g_strerror (errno));
}

/* Copies size bytes to the end of a file. */
static gboolean
append (int to, int from, guint64 offset, guint64 size)
{
  off_t at = offset;

  while ((guint64) at < offset + size)
    if (sendfile (to, from, &at, MIN (offset + size - at, 1u << 30)) <= 0)
      return FALSE;
  return TRUE;
}

/* ---- packing -------------------------------------------------------------------------- */

static guint64
round_up (guint64 size)
{
  return (size + BLOCK - 1) / BLOCK * BLOCK;
}

static Entry *
make_table (int dirfd, const char *const *names, guint n, GError **error)
{
  g_autofree Entry *table = g_new0 (Entry, n);
  guint64 offset = round_up (sizeof (Head) + n * sizeof (Entry));

  for (guint i = 0; i < n; i++)
    {
      struct stat st;

      if (fstatat (dirfd, names[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
        return (void) fail_errno (error, names[i]), NULL;
      table[i].offset = GUINT64_TO_LE (offset);
      table[i].size = GUINT64_TO_LE (st.st_size);
      g_strlcpy (table[i].name, names[i], NAME_SIZE);
      offset += round_up (st.st_size);
    }
  return g_steal_pointer (&table);
}

static gboolean
append_image (int pack, int dirfd, const Entry *entry, GError **error)
{
  int from = openat (dirfd, entry->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  guint64 offset = GUINT64_FROM_LE (entry->offset);
  gboolean ok = from >= 0 && lseek (pack, offset, SEEK_SET) == (off_t) offset
                && append (pack, from, 0, GUINT64_FROM_LE (entry->size));

  if (!ok)
    fail_errno (error, entry->name);
  if (from >= 0)
    close (from);
  return ok;
}

static gboolean
fill (int pack, int dirfd, const char *const *names, guint n, guint64 *size, GError **error)
{
  Head head = { MAGIC, GUINT32_TO_LE (n), 0 };
  g_autofree Entry *table = make_table (dirfd, names, n, error);

  if (table == NULL)
    return FALSE;
  if (write (pack, &head, sizeof head) != sizeof head
      || write (pack, table, n * sizeof *table) != (gssize) (n * sizeof *table))
    return fail_errno (error, MOSS_IMAGE_PACK);
  for (guint i = 0; i < n; i++)
    if (!append_image (pack, dirfd, &table[i], error))
      return FALSE;
  *size = round_up (lseek (pack, 0, SEEK_END));
  if (ftruncate (pack, *size) == 0 && fcntl (pack, F_ADD_SEALS, SEALS) == 0)
    return TRUE;
  return fail_errno (error, MOSS_IMAGE_PACK);
}

int
moss_image_pack (int images_dirfd, const char *const *names, guint64 *size, GError **error)
{
  guint n = g_strv_length ((GStrv) names);
  int pack;

  if (n > MAX_PACKED)
    return (void) fail (error, MOSS_IMAGE_ERROR_DENIED, MOSS_IMAGE_PACK, "too many images"), -1;
  pack = memfd_create ("moss-images", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (pack < 0)
    return (void) fail_errno (error, MOSS_IMAGE_PACK), -1;
  if (fill (pack, images_dirfd, names, n, size, error))
    return pack;
  close (pack);
  return -1;
}

/* ---- unpacking ------------------------------------------------------------------------ */

static Entry *
read_table (int fd, guint64 size, guint *n, GError **error)
{
  g_autofree Entry *table = NULL;
  Head head;
  gsize bytes;

  if (pread (fd, &head, sizeof head, 0) != sizeof head
      || memcmp (head.magic, MAGIC, sizeof head.magic) != 0 || head.zero != 0)
    return (void) corrupt (error, "is not what its name says"), NULL;
  *n = GUINT32_FROM_LE (head.count);
  bytes = (gsize) *n * sizeof (Entry);
  if (*n == 0 || *n > MAX_PACKED || bytes > size - sizeof head)
    return (void) corrupt (error, "its table is empty or too long"), NULL;
  table = g_malloc (bytes);
  if (pread (fd, table, bytes, sizeof head) != (gssize) bytes)
    return (void) corrupt (error, "its table is cut short"), NULL;
  return g_steal_pointer (&table);
}

static gboolean
check_entry (const Entry *entry, guint64 *end, guint64 size, GError **error)
{
  guint64 offset = GUINT64_FROM_LE (entry->offset), length = GUINT64_FROM_LE (entry->size);

  if (memchr (entry->name, '\0', NAME_SIZE) == NULL || !moss_image_name_is_good (entry->name)
      || g_str_equal (entry->name, MOSS_IMAGE_PACK))
    return corrupt (error, "it holds what is no image");
  if (offset < *end || offset > size || length > size - offset)
    return corrupt (error, "an image lies outside of it");
  *end = offset + length;
  return TRUE;
}

static gboolean
extract (int fd, const Entry *entry, int dirfd, GError **error)
{
  int to = openat (dirfd, entry->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  gboolean ok;

  if (to < 0 && errno == EEXIST)
    return corrupt (error, "an image stands twice");
  ok = to >= 0
       && append (to, fd, GUINT64_FROM_LE (entry->offset), GUINT64_FROM_LE (entry->size));
  if (!ok)
    fail_errno (error, entry->name);
  if (to >= 0)
    close (to);
  return ok;
}

gboolean
moss_image_unpack (int fd, guint64 size, int images_dirfd, GError **error)
{
  g_autofree Entry *table = NULL;
  guint64 end;
  guint n;

  if (size < sizeof (Head))
    return corrupt (error, "cut short");
  table = read_table (fd, size, &n, error);
  if (table == NULL)
    return FALSE;
  end = sizeof (Head) + n * sizeof (Entry);
  for (guint i = 0; i < n; i++)
    if (!check_entry (&table[i], &end, size, error)
        || !extract (fd, &table[i], images_dirfd, error))
      return FALSE;
  return TRUE;
}
