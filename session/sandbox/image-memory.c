/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory: the maps of each process, which pages are in which file, and memfds.
 *
 * Policy: a map is of a kind that the sandbox can have, lies below the kernel, does not
 * overlap the one before; a pagemap accounts for every byte of its pages file and refers
 * to no other dump. */
#define G_LOG_DOMAIN "moss-image"
#include "image-read.h"

#include <string.h>

#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096
#define END_OF_USER G_GUINT64_CONSTANT (0x7ffffffff000)

enum
{
  AREA_REGULAR = 1 << 0,
  AREA_STACK = 1 << 1,
  AREA_VSYSCALL = 1 << 2,
  AREA_VDSO = 1 << 3,
  AREA_HEAP = 1 << 5,
  FILE_PRIVATE = 1 << 6,
  FILE_SHARED = 1 << 7,
  ANON_SHARED = 1 << 8,
  ANON_PRIVATE = 1 << 9,
  AREA_SYSVIPC = 1 << 10,
  AREA_VVAR = 1 << 12,
  AREA_MEMFD = 1 << 14,
  AREA_GUARD = 1 << 16,
};

/* No sockets, AIO rings, probes or plugins. */
#define KNOWN_AREAS                                                                      \
  (AREA_REGULAR | AREA_STACK | AREA_VSYSCALL | AREA_VDSO | AREA_HEAP | FILE_PRIVATE      \
   | FILE_SHARED | ANON_SHARED | ANON_PRIVATE | AREA_SYSVIPC | AREA_VVAR | AREA_MEMFD    \
   | AREA_GUARD)
#define KNOWN_FLAGS                                                                      \
  (MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_NORESERVE | MAP_LOCKED \
   | MAP_STACK | MAP_FIXED | 0x08 /* MAP_DROPPABLE */)
#define PAGES_PARENT 1
#define PAGES_LAZY 2
#define PAGES_PRESENT 4
#define SEALS 0x3f

static gboolean
check_vma (ImageSet *s, const MossImage__Vma *v, guint64 *last_end, GError **error)
{
  if (v->start >= v->end || v->start % PAGE != 0 || v->end % PAGE != 0
      || v->start < *last_end)
    return image_corrupt (s, error, "a map is out of order");
  *last_end = v->end;
  if (v->end > END_OF_USER && (v->status & AREA_VSYSCALL) == 0)
    return image_denied (s, error, "a map lies in the kernel's half");
  if ((v->status & ~(guint32)KNOWN_AREAS) != 0)
    return image_denied (s, error, "a map is of a kind that can't be restored (%x)",
                         v->status);
  if ((v->flags & ~(guint32)KNOWN_FLAGS) != 0)
    return image_denied (s, error, "a map has flags that can't be restored (%x)",
                         v->flags);
  if ((v->prot & ~(guint32)(PROT_READ | PROT_WRITE | PROT_EXEC)) != 0)
    return image_denied (s, error, "a map has an impossible protection (%x)", v->prot);
  if (v->pgoff > G_MAXINT64)
    return image_corrupt (s, error, "a map starts at an impossible place of its file");
  if ((v->status & (FILE_PRIVATE | FILE_SHARED)) != 0)
    {
      if (v->shmid > G_MAXUINT32)
        return image_corrupt (s, error, "a map of an impossible file");
      image_use_file (s, v->shmid);
    }
  return TRUE;
}

static gboolean
check_mm (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Mm *m = message;
  guint64 last_end = 0;

  if (m->n_vmas > 1 << 20)
    return image_corrupt (r->set, error, "too many maps");
  for (gsize i = 0; i < m->n_vmas; i++)
    if (!check_vma (r->set, m->vmas[i], &last_end, error))
      return FALSE;
  if (m->n_auxv > 128)
    return image_corrupt (r->set, error, "its auxiliary vector is too long");
  image_use_file (r->set, m->exe_file);
  return TRUE;
}

gboolean
image_check_mm (ImageReader *r, GError **error)
{
  return image_only (r, &moss_image__mm__descriptor, check_mm, error);
}

static gboolean
add_pagemap (ImageReader *r,
             const MossImage__Pagemap *m,
             guint64 *end,
             guint64 *pages,
             GError **error)
{
  ImageSet *s = r->set;
  guint64 n = m->has_pages ? m->pages : m->old_pages;

  if (m->address % PAGE != 0 || m->address < *end || n == 0
      || n > (G_MAXUINT64 - m->address) / PAGE || m->address + n * PAGE > END_OF_USER)
    return image_corrupt (s, error, "pages are out of order");
  *end = m->address + n * PAGE;
  if (m->in_parent || (m->flags & PAGES_PARENT) != 0)
    return image_denied (s, error, "pages are said to be in another dump");
  if (!m->has_flags || (m->flags & PAGES_PRESENT) == 0
      || (m->flags & ~(PAGES_PRESENT | PAGES_LAZY)) != 0)
    return image_denied (s, error, "pages are said to be somewhere else (%x)", m->flags);
  *pages += n;
  if (*pages > s->policy->max_bytes / PAGE)
    return image_denied (s, error, "more memory than the policy allows");
  return TRUE;
}

/* One head, then any number of runs. */
gboolean
image_check_pagemap (ImageReader *r, GError **error)
{
  MossImage__PagemapHead *head
      = image_read_message (r, &moss_image__pagemap_head__descriptor, error);
  guint64 end = 0, pages = 0;
  guint32 id;

  if (head == NULL)
    return FALSE;
  id = head->pages_id;
  protobuf_c_message_free_unpacked ((ProtobufCMessage *)head, NULL);
  while (!image_at_end (r))
    {
      MossImage__Pagemap *m
          = image_read_message (r, &moss_image__pagemap__descriptor, error);
      gboolean ok = m != NULL && add_pagemap (r, m, &end, &pages, error);

      if (m != NULL)
        protobuf_c_message_free_unpacked ((ProtobufCMessage *)m, NULL);
      if (!ok)
        return FALSE;
    }
  if (!g_hash_table_insert (r->set->pagemaps, GUINT_TO_POINTER (id),
                            GUINT_TO_POINTER ((guint)pages + 1)))
    return image_corrupt (r->set, error, "its pages belong to another one too");
  return TRUE;
}

static gboolean
check_memfd (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__MemFd *m = message;
  ImageSet *s = r->set;

  if (m->inode > G_MAXUINT32 || !image_remember (s->memfds, m->inode))
    return image_corrupt (s, error, "a memfd stands twice");
  if (m->size > s->policy->max_bytes)
    return image_denied (s, error, "a memfd is too big");
  if (m->hugetlb != 0)
    return image_denied (s, error, "a memfd wants huge pages");
  if ((m->seals & ~SEALS) != 0 || strlen (m->name) > 249)
    return image_corrupt (s, error, "a memfd is impossible");
  if (m->has_mode && (m->mode & (S_ISUID | S_ISGID)) != 0)
    return image_denied (s, error, "a memfd is set-uid or set-gid");
  return image_check_ids (s, m->uid, m->gid, "a memfd", error);
}

gboolean
image_check_memfd (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__mem_fd__descriptor, check_memfd, error);
}

gboolean
image_cross_memory (ImageSet *s, GError **error)
{
  GHashTableIter iter;
  gpointer id, n;

  g_hash_table_iter_init (&iter, s->pagemaps);
  while (g_hash_table_iter_next (&iter, &id, &n))
    {
      /* Both counts are kept plus one; without pages there need be no file. */
      guint have = GPOINTER_TO_UINT (g_hash_table_lookup (s->pages, id));

      if (MAX (have, 1) != GPOINTER_TO_UINT (n))
        return image_corrupt (s, error, "pages-%u.img is of %u pages and should be of %u",
                              GPOINTER_TO_UINT (id), MAX (have, 1) - 1,
                              GPOINTER_TO_UINT (n) - 1);
    }
  g_hash_table_iter_init (&iter, s->pages);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    if (!g_hash_table_contains (s->pagemaps, id))
      return image_corrupt (s, error, "pages-%u.img belongs to nothing",
                            GPOINTER_TO_UINT (id));
  return TRUE;
}
