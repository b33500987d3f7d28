// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core/store/index.h"
#include "core/store/store.h"

struct _MossStore
{
  gatomicrefcount refs;
  GMutex lock; /* everything below */
  char *dir;
  int lock_fd;
  guint suite;
  gboolean rebuilding; /* while it is opened: the index was lost */
  guint8 dedup_key[MOSS_KEY_BYTES];
  MossIndex *index;
  GPtrArray *keepers; /* Keeper */
  GHashTable *packs; /* number → MossPack */
  MossPack *current; /* nullable, owned by packs */
  guint last_pack;
  /* Appended, not yet in the index: rows are written in batches. */
  GHashTable *pending;       /* id → MossEntry */
  GHashTable *pending_dedup; /* dedup hash → the same MossEntry */
};

gboolean moss_store_find_locked (MossStore *store, const MossId *id, MossEntry *entry);
gboolean moss_store_append_locked (MossStore *store,
                                   const MossId *id,
                                   const guint8 *dedup,
                                   const guint8 *sealed,
                                   gsize length,
                                   gint64 added,
                                   MossEntry *entry,
                                   GError **error);
gboolean moss_store_flush_locked (MossStore *store, GError **error);

/* keep.c */
#define MOSS_KEEPER_PREFIX "keeper:"
void moss_store_free_keeper (gpointer keeper);
MossKeeping *moss_store_ask_keepers (MossStore *store, GError **error);
gboolean moss_keeping_has (MossKeeping *keeping, const MossId *id);
void moss_keeping_free (MossKeeping *keeping);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossKeeping, moss_keeping_free)
