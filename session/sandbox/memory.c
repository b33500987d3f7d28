/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: reads only, bounded by MAX_BYTES and by what is resident. Nothing that a process says
 * is trusted: the kernel's own lists (maps, pagemap, map_files) name the pages. A page that goes
 * away meanwhile is left out; the dump decides in the end. */

#include "memory.h"
#include "error.h"
#include "fds.h"
#include "sandbox-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PAGE 4096u
#define MAX_BYTES (4ull << 30)
#define BATCH_RANGES 512
#define BATCH_BYTES (8u << 20)
#define PAGEMAP_ENTRIES 8192
#define SCAN_REGIONS 512
#define MAX_SPARSE (64ull << 30) /* larger mappings are left to the dump by kernels before 6.7 */

/* Kernel, Documentation/admin-guide/mm/pagemap.rst */
#define ENTRY_PRESENT (1ull << 63)
#define ENTRY_SWAPPED (1ull << 62)
#define ENTRY_FILE_OR_SHARED (1ull << 61)

#ifndef PAGEMAP_SCAN
#define PAGE_IS_FILE (1 << 2)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#define PAGE_IS_PFNZERO (1 << 5)
struct page_region
{
  guint64 start, end, categories;
};
struct pm_scan_arg
{
  guint64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
  guint64 category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN _IOWR ('f', 16, struct pm_scan_arg)
#endif

typedef struct
{
  guint8 *pages; /* the memfd, mapped at its largest size */
  guint64 used;
  pid_t pid;
  struct iovec ranges[BATCH_RANGES];
  guint n_ranges;
  gsize batch_bytes;
  GHashTable *seen; /* shared objects already copied: "dev:ino" */
} Reader;

static gboolean
is_full (Reader *reader, gsize more)
{
  return reader->used + more > MAX_BYTES;
}

/* Keeps the pages of [used, used + n) that are not all zero. */
static void
keep_pages (Reader *reader, gsize n)
{
  static const guint8 zeros[PAGE];
  guint8 *from = reader->pages + reader->used;

  for (gsize at = 0; at + PAGE <= n; at += PAGE)
    {
      if (memcmp (from + at, zeros, PAGE) == 0)
        continue;
      if (from + at != reader->pages + reader->used)
        memcpy (reader->pages + reader->used, from + at, PAGE);
      reader->used += PAGE;
    }
}

/* Reads the batched ranges. Where a page is gone the call stops short: go on behind it. */
static void
flush (Reader *reader)
{
  guint first = 0;

  while (first < reader->n_ranges && !is_full (reader, reader->batch_bytes))
    {
      struct iovec local = { reader->pages + reader->used, reader->batch_bytes };
      gssize n = process_vm_readv (reader->pid, &local, 1, reader->ranges + first,
                                   reader->n_ranges - first, 0);
      gsize skip = PAGE;

      if (n < 0 && errno != EFAULT)
        break;
      n = MAX (n, 0) & ~(gssize) (PAGE - 1);
      if (n > 0)
        keep_pages (reader, n);
      for (skip += n; first < reader->n_ranges && skip >= reader->ranges[first].iov_len; first++)
        skip -= reader->ranges[first].iov_len;
      if (first < reader->n_ranges)
        {
          reader->ranges[first].iov_base = (guint8 *) reader->ranges[first].iov_base + skip;
          reader->ranges[first].iov_len -= skip;
        }
    }
  reader->n_ranges = 0;
  reader->batch_bytes = 0;
}

static void
add_page (Reader *reader, guint64 address)
{
  struct iovec *last = reader->n_ranges > 0 ? &reader->ranges[reader->n_ranges - 1] : NULL;

  if (last != NULL && (guint64) (gsize) last->iov_base + last->iov_len == address)
    last->iov_len += PAGE;
  else
    {
      reader->ranges[reader->n_ranges].iov_base = (void *) (gsize) address;
      reader->ranges[reader->n_ranges++].iov_len = PAGE;
    }
  reader->batch_bytes += PAGE;
  if (reader->n_ranges == BATCH_RANGES || reader->batch_bytes >= BATCH_BYTES)
    flush (reader);
}

/* Linux 6.7: the kernel walks its page tables and names what is there. Without it a mapping of
 * terabytes, as garbage collectors reserve them, takes a minute. TRUE when it could. */
static gboolean
scan_private (Reader *reader, int pagemap, guint64 start, guint64 end)
{
  struct page_region regions[SCAN_REGIONS];
  struct pm_scan_arg scan = {
    .size = sizeof scan,
    .start = start,
    .end = end,
    .vec = (gsize) regions,
    .vec_len = SCAN_REGIONS,
    .category_inverted = PAGE_IS_FILE | PAGE_IS_PFNZERO,
    .category_mask = PAGE_IS_FILE | PAGE_IS_PFNZERO,
    .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
    .return_mask = PAGE_IS_PRESENT,
  };

  while (scan.start < end && !is_full (reader, BATCH_BYTES))
    {
      int n = ioctl (pagemap, PAGEMAP_SCAN, &scan);

      if (n < 0)
        return FALSE;
      for (int i = 0; i < n; i++)
        for (guint64 at = regions[i].start; at < regions[i].end; at += PAGE)
          add_page (reader, at);
      if (scan.walk_end <= scan.start)
        break;
      scan.start = scan.walk_end;
    }
  return TRUE;
}

/* Anonymous pages of a private mapping, also those of a file that were written to. */
static void
read_private (Reader *reader, int pagemap, guint64 start, guint64 end)
{
  guint64 entries[PAGEMAP_ENTRIES];

  if (scan_private (reader, pagemap, start, end) || end - start > MAX_SPARSE)
    return;
  for (guint64 at = start; at < end && !is_full (reader, BATCH_BYTES);)
    {
      gsize wanted = MIN ((end - at) / PAGE, PAGEMAP_ENTRIES) * sizeof entries[0];
      gssize n = pread (pagemap, entries, wanted, at / PAGE * sizeof entries[0]);

      if (n <= 0)
        return;
      for (gsize i = 0; i < n / sizeof entries[0]; i++, at += PAGE)
        if ((entries[i] & ENTRY_SWAPPED)
            || ((entries[i] & ENTRY_PRESENT) && !(entries[i] & ENTRY_FILE_OR_SHARED)))
          add_page (reader, at);
    }
}

/* The data of a memfd or anonymous shared memory, once however often it is mapped. */
static void
read_shared (Reader *reader, const char *path)
{
  /* What was a memfd when it was looked at can be a terminal now: it must not become ours. */
  moss_autofd fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat st;
  off_t at = 0, end;
  char *key;

  if (fd < 0 || fstat (fd, &st) != 0 || !S_ISREG (st.st_mode))
    return;
  key = g_strdup_printf ("%lx:%lx", (gulong) st.st_dev, (gulong) st.st_ino);
  if (!g_hash_table_add (reader->seen, key))
    return;
  while ((at = lseek (fd, at, SEEK_DATA)) >= 0 && (end = lseek (fd, at, SEEK_HOLE)) > at)
    while (at < end)
      {
        gsize wanted = MIN (end - at, BATCH_BYTES);
        gssize n;

        if (is_full (reader, BATCH_BYTES))
          return;
        n = pread (fd, reader->pages + reader->used, wanted, at);
        if (n <= 0)
          return;
        at += n;
        if (n % PAGE != 0) /* the last page of the file: the dump has zeros behind its end */
          {
            memset (reader->pages + reader->used + n, 0, PAGE - n % PAGE);
            n += PAGE - n % PAGE;
          }
        keep_pages (reader, n);
      }
}

static gboolean
is_shared_memory (const char *path)
{
  return g_str_has_prefix (path, "/memfd:") || g_str_has_prefix (path, "/dev/zero (deleted)")
         || g_str_has_prefix (path, "/SYSV");
}

static gboolean
is_kernels (const char *path)
{
  return g_str_has_prefix (path, "[vdso]") || g_str_has_prefix (path, "[vvar")
         || g_str_has_prefix (path, "[vsyscall]");
}

static void
read_mappings (Reader *reader)
{
  g_autofree char *maps_path = g_strdup_printf ("/proc/%d/maps", reader->pid);
  g_autofree char *pagemap_path = g_strdup_printf ("/proc/%d/pagemap", reader->pid);
  g_autofree char *maps = NULL;
  moss_autofd pagemap = open (pagemap_path, O_RDONLY | O_CLOEXEC);
  g_auto (GStrv) lines = NULL;

  if (pagemap < 0 || !g_file_get_contents (maps_path, &maps, NULL, NULL))
    return;
  lines = g_strsplit (maps, "\n", -1);
  for (int i = 0; lines[i] != NULL; i++)
    {
      guint64 start, end;
      char permissions[5];
      int path_at = 0;

      if (sscanf (lines[i], "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %4s %*s %*s %*s %n",
                  &start, &end, permissions, &path_at) != 3
          || is_kernels (lines[i] + path_at))
        continue;
      if (permissions[3] == 'p')
        read_private (reader, pagemap, start, end);
      else if (is_shared_memory (lines[i] + path_at))
        {
          g_autofree char *file = g_strdup_printf (
              "/proc/%d/map_files/%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x", reader->pid,
              start, end);

          read_shared (reader, file);
        }
    }
  flush (reader);
}

/* Window buffers whose client does not map them at the moment. */
static void
read_descriptors (Reader *reader)
{
  g_autofree char *dir_path = g_strdup_printf ("/proc/%d/fd", reader->pid);
  g_autoptr (GDir) dir = g_dir_open (dir_path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (dir_path, name, NULL);
      g_autofree char *target = g_file_read_link (path, NULL);

      if (target != NULL && g_str_has_prefix (target, "/memfd:"))
        read_shared (reader, path);
    }
}

int
moss_memory_read (GArray *pids, GError **error)
{
  g_autofree Reader *reader = g_new0 (Reader, 1);
  moss_autofd fd = memfd_create ("moss-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd < 0 || ftruncate (fd, MAX_BYTES + BATCH_BYTES) != 0
      || (reader->pages = mmap (NULL, MAX_BYTES + BATCH_BYTES, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_NORESERVE, fd, 0))
             == MAP_FAILED)
    {
      moss_sandbox_fail_errno (error, errno, "Can't make room for a copy of the memory");
      return -1;
    }
  reader->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < pids->len; i++)
    {
      reader->pid = g_array_index (pids, pid_t, i);
      read_mappings (reader);
      read_descriptors (reader);
    }
  g_hash_table_unref (reader->seen);
  munmap (reader->pages, MAX_BYTES + BATCH_BYTES);
  if (ftruncate (fd, reader->used) == 0
      && fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
    return g_steal_fd (&fd);
  moss_sandbox_fail_errno (error, errno, "Can't seal a copy of the memory");
  return -1;
}

GVariant *
moss_memory_request (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = NULL;
  g_autoptr (GArray) pids = NULL;
  const char *id;
  int fd, index;

  g_variant_get_child (request->parameters, 0, "&s", &id);
  sandbox = moss_registry_acquire (request->registry, request->caller, id, error);
  if (sandbox == NULL || !moss_sandbox_require_alive (sandbox, error))
    return NULL;
  pids = moss_sandbox_cgroup_get_pids (sandbox->cgroup_fd);
  fd = moss_memory_read (pids, error);
  if (fd < 0 || (index = moss_request_add_fd (request, fd, error)) < 0)
    return NULL;
  return g_variant_new ("(h)", index);
}
