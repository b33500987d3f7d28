// SPDX-License-Identifier: LGPL-2.1-or-later
/* The SQLite index of a store. Internal to core/store; one thread at a time. */
#pragma once

#include "core/store/pack.h"

typedef struct _MossIndex MossIndex;

typedef struct
{
  guint pack;
  MossRecord record;
} MossEntry;

typedef void (*MossIndexEach) (const MossEntry *entry, gpointer user_data);

MossIndex *moss_index_open (const char *path, GError **error);
void moss_index_free (MossIndex *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossIndex, moss_index_free)

void moss_index_checkpoint (MossIndex *index);

/* A batch: begin, any number of changes, commit; durable: on the disk when commit returns. */
gboolean moss_index_begin (MossIndex *index, gboolean durable, GError **error);
gboolean moss_index_commit (MossIndex *index, GError **error);
void moss_index_rollback (MossIndex *index);

gboolean moss_index_add (MossIndex *index, const MossEntry *entry, GError **error);
gboolean moss_index_remove (MossIndex *index, const MossId *id, GError **error);
gboolean moss_index_touch (MossIndex *index, const MossId *id, gint64 added, GError **error);
gboolean moss_index_forget_tail (MossIndex *index,
                                 guint pack,
                                 guint64 offset,
                                 GError **error);
gboolean moss_index_set_synced (MossIndex *index,
                                guint pack,
                                guint64 synced,
                                GError **error);
gboolean moss_index_forget_pack (MossIndex *index, guint pack, GError **error);
GArray *moss_index_list_packs (MossIndex *index);
guint64 moss_index_get_synced (MossIndex *index, guint pack);

gboolean moss_index_find (MossIndex *index, const MossId *id, MossEntry *entry);
gboolean moss_index_find_dedup (MossIndex *index, const guint8 *dedup, MossEntry *entry);
gboolean moss_index_each (MossIndex *index,
                          guint pack,
                          MossIndexEach each,
                          gpointer user_data,
                          GError **error);

gboolean moss_index_list (MossIndex *index,
                          const MossId *after,
                          guint max,
                          MossIndexEach each,
                          gpointer user_data,
                          GError **error);
void moss_index_total (MossIndex *index, guint64 *count, guint64 *bytes);

gboolean moss_index_set_root (MossIndex *index,
                              const char *name,
                              const MossId *ids,
                              gsize count,
                              GError **error);
GBytes *moss_index_get_root (MossIndex *index, const char *name);
GPtrArray *moss_index_list_roots (MossIndex *index, const char *prefix);
GHashTable *moss_index_live_ids (MossIndex *index, GError **error);
