// SPDX-License-Identifier: LGPL-2.1-or-later
/* A record: "MOB1", u32 length, id, dedup hash, u64 seconds, ciphertext; little-endian. The
 * head repeats what the index knows, so that what was appended since the last sync can be
 * found again after a crash, and a torn tail is recognised by its hash and cut. */
#define G_LOG_DOMAIN "moss-store"

#include "core/store/pack.h"

#include "core/fault.h"
#include "core/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[4] = { 'M', 'O', 'B', '1' };

static gboolean
fail (MossPack *pack, const char *what, int number, GError **error)
{
  g_set_error (error, MOSS_STORE_ERROR,
               number == ENOSPC || number == EDQUOT || number == EFBIG
                   ? MOSS_STORE_ERROR_NO_SPACE
                   : MOSS_STORE_ERROR_FAILED,
               "%s can't be %s: %s", pack->path, what, g_strerror (number));
  return FALSE;
}

/**
 * moss_pack_open:
 * @create: make it; fails if it is there
 */
MossPack *
moss_pack_open (const char *dir, guint number, gboolean create, GError **error)
{
  g_autoptr (MossPack) pack = g_new0 (MossPack, 1);
  struct stat st;

  g_atomic_ref_count_init (&pack->refs);
  pack->number = number;
  pack->path = g_strdup_printf ("%s/pack-%06u", dir, number);
  pack->fd = open (pack->path, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600);
  if (pack->fd < 0 || fstat (pack->fd, &st) < 0)
    {
      fail (pack, "opened", errno, error);
      return NULL;
    }
  pack->size = st.st_size;
  return g_steal_pointer (&pack);
}

MossPack *
moss_pack_ref (MossPack *pack)
{
  g_atomic_ref_count_inc (&pack->refs);
  return pack;
}

void
moss_pack_unref (MossPack *pack)
{
  if (!g_atomic_ref_count_dec (&pack->refs))
    return;
  if (pack->fd >= 0)
    close (pack->fd);
  g_free (pack->path);
  g_free (pack);
}

static void
write_head (guint8 *head, const MossRecord *record)
{
  guint32 length = GUINT32_TO_LE (record->length);
  gint64 added = GINT64_TO_LE (record->added);

  memcpy (head, magic, 4);
  memcpy (head + 4, &length, 4);
  memcpy (head + 8, record->id.bytes, 32);
  memcpy (head + 40, record->dedup, 32);
  memcpy (head + 72, &added, 8);
}

static gboolean
read_head (const guint8 *head, MossRecord *record)
{
  memcpy (&record->length, head + 4, 4);
  record->length = GUINT32_FROM_LE (record->length);
  memcpy (record->id.bytes, head + 8, 32);
  memcpy (record->dedup, head + 40, 32);
  memcpy (&record->added, head + 72, 8);
  record->added = GINT64_FROM_LE (record->added);
  return memcmp (head, magic, 4) == 0 && record->length <= MOSS_OBJECT_MAX_SEALED;
}

/**
 * moss_pack_append:
 * @record: its offset is filled in
 *
 * One thread at a time. When it fails the pack is as it was before.
 */
gboolean
moss_pack_append (MossPack *pack, MossRecord *record, const guint8 *sealed, GError **error)
{
  guint8 head[MOSS_PACK_RECORD_HEAD];
  int number = 0;

  write_head (head, record);
  if (moss_fault ("store-append"))
    number = ENOSPC;
  else if (!moss_pwrite_all (pack->fd, head, sizeof head, pack->size) ||
           !moss_pwrite_all (pack->fd, sealed, record->length, pack->size + sizeof head))
    number = errno;
  if (number != 0)
    {
      if (ftruncate (pack->fd, pack->size) < 0)
        g_message ("%s can't be cut back: %s", pack->path, g_strerror (errno));
      return fail (pack, "written", number, error);
    }
  record->offset = pack->size + sizeof head;
  pack->size = record->offset + record->length;
  return TRUE;
}

/**
 * moss_pack_read:
 * @sealed: room for @record->length bytes
 *
 * Any thread.
 */
gboolean
moss_pack_read (MossPack *pack, const MossRecord *record, guint8 *sealed, GError **error)
{
  return moss_pread_all (pack->fd, sealed, record->length, record->offset) ||
         fail (pack, "read", errno, error);
}

/**
 * moss_pack_recover:
 * @found: called for each whole record after @pack->synced
 * @cut_bytes: (out): what was torn and is cut off
 */
gboolean
moss_pack_recover (MossPack *pack,
                   MossPackFound found,
                   gpointer user_data,
                   guint64 *cut_bytes,
                   GError **error)
{
  g_autofree guint8 *sealed = g_malloc (MOSS_OBJECT_MAX_SEALED);
  guint64 file_size = pack->size;
  guint64 end = MIN (pack->synced, pack->size); /* of the last whole record */
  guint64 next = end;

  *cut_bytes = 0;
  while (next + MOSS_PACK_RECORD_HEAD <= file_size)
    {
      guint8 head[MOSS_PACK_RECORD_HEAD];
      MossRecord record = { .offset = next + sizeof head };
      MossId id;

      if (!moss_pread_all (pack->fd, head, sizeof head, next) || !read_head (head, &record) ||
          record.offset + record.length > file_size ||
          !moss_pread_all (pack->fd, sealed, record.length, record.offset))
        break;
      next = record.offset + record.length;
      /* One that is damaged, not torn, is passed over: what follows may be whole. */
      if (!moss_object_id (sealed, record.length, &id, NULL) ||
          !moss_id_equal (&id, &record.id))
        continue;
      found (&record, user_data);
      end = next;
    }
  *cut_bytes = file_size - end;
  pack->size = end;
  if (*cut_bytes > 0 && ftruncate (pack->fd, end) < 0)
    return fail (pack, "cut", errno, error);
  return TRUE;
}

gboolean
moss_pack_sync (MossPack *pack, GError **error)
{
  return fdatasync (pack->fd) == 0 || fail (pack, "brought to the disk", errno, error);
}
