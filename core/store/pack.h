// SPDX-License-Identifier: LGPL-2.1-or-later
/* Pack files: objects one after the other, only ever appended to. Internal to core/store. */
#pragma once

#include "core/store/object.h"

#define MOSS_PACK_SOFT_LIMIT (64 * 1024 * 1024)
#define MOSS_PACK_RECORD_HEAD 80

typedef struct
{
  gatomicrefcount refs;
  guint number;
  int fd;
  guint64 size;   /* end of the last whole record */
  guint64 synced; /* everything before is on the disk and in the index */
  char *path;
} MossPack;

typedef struct
{
  MossId id;
  guint8 dedup[MOSS_HASH_BYTES]; /* all zeros: not known, the object came from elsewhere */
  guint64 offset;                /* of the ciphertext */
  guint32 length;
  gint64 added; /* seconds since 1970 */
} MossRecord;

typedef void (*MossPackFound) (const MossRecord *record, gpointer user_data);

MossPack *moss_pack_open (const char *dir, guint number, gboolean create, GError **error);
MossPack *moss_pack_ref (MossPack *pack);
void moss_pack_unref (MossPack *pack);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossPack, moss_pack_unref)

gboolean moss_pack_append (MossPack *pack,
                           MossRecord *record,
                           const guint8 *sealed,
                           GError **error);
gboolean moss_pack_read (MossPack *pack,
                         const MossRecord *record,
                         guint8 *sealed,
                         GError **error);
gboolean moss_pack_recover (MossPack *pack,
                            MossPackFound found,
                            gpointer user_data,
                            guint64 *cut_bytes,
                            GError **error);
gboolean moss_pack_sync (MossPack *pack, GError **error);
