// SPDX-License-Identifier: LGPL-2.1-or-later
/* The object store: encrypted, deduplicated, append-only. All functions may be called from
 * any thread. See store.c. */
#pragma once

#include "core/store/object.h"

G_BEGIN_DECLS

typedef struct _MossStore MossStore;

typedef struct
{
  guint64 offset;
  guint32 length;
} MossRange;

/* Tells of an object as soon as it is made, before it is written. sealed is NULL when it was
 * in the store already. Called from several threads. */
typedef void (*MossStoreMade) (const MossId *id, GBytes *sealed, gpointer user_data);

MossStore *moss_store_open (const char *dir, GError **error);
MossStore *moss_store_open_with_suite (const char *dir, guint suite, GError **error);
MossStore *moss_store_open_blind (const char *dir, GError **error);
/* By which key (32 bytes) equal content is found again from now on. */
void moss_store_set_dedup_key (MossStore *store, const guint8 *key);
MossStore *moss_store_ref (MossStore *store);
void moss_store_unref (MossStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossStore, moss_store_unref)

gboolean moss_store_put (MossStore *store,
                         const guint8 *plain,
                         gsize length,
                         MossRef *ref,
                         GError **error);
gboolean moss_store_put_many (MossStore *store,
                              const guint8 *base,
                              const MossRange *ranges,
                              gsize count,
                              MossRef *refs,
                              guint64 *stored_bytes,
                              MossStoreMade made,
                              gpointer user_data,
                              GError **error);
GBytes *moss_store_get (MossStore *store, const MossRef *ref, GError **error);
gboolean moss_store_unseal (MossStore *store,
                            const MossRef *ref,
                            MossUnsealed *unsealed,
                            GError **error);

gboolean moss_store_has (MossStore *store, const MossId *id);
GBytes *moss_store_get_raw (MossStore *store, const MossId *id, GError **error);
gboolean moss_store_put_raw (MossStore *store,
                             GBytes *sealed,
                             const MossId *id,
                             MossId *made,
                             GError **error);

typedef struct
{
  MossId id;
  guint32 length; /* of the ciphertext */
} MossListed;

gboolean moss_store_get_length (MossStore *store, const MossId *id, guint32 *length);
GArray *moss_store_list (MossStore *store, const MossId *after, guint max, GError **error);
gboolean moss_store_total (MossStore *store,
                           guint64 *count,
                           guint64 *bytes,
                           GError **error);
gboolean moss_store_remove (MossStore *store,
                            const MossId *ids,
                            gsize count,
                            guint64 *removed_bytes,
                            GError **error);

gboolean moss_store_flush (MossStore *store, GError **error);
gboolean moss_store_sync (MossStore *store, GError **error);

gboolean moss_store_set_root (MossStore *store,
                              const char *name,
                              const MossId *ids,
                              gsize count,
                              GError **error);
GBytes *moss_store_get_root (MossStore *store, const char *name);

typedef struct _MossKeeping MossKeeping;
typedef gboolean (*MossStoreKeep) (MossKeeping *keeping, gpointer user_data, GError **error);
void moss_keeping_add (MossKeeping *keeping, const MossId *id);
gboolean moss_store_add_keeper (MossStore *store,
                                const char *name,
                                MossStoreKeep keep,
                                gpointer user_data,
                                GError **error);
void moss_store_remove_keeper (MossStore *store, const char *name);
gboolean moss_store_forget_keeper (MossStore *store, const char *name, GError **error);

gboolean moss_store_collect (MossStore *store,
                             gint64 grace_s,
                             guint64 max_bytes,
                             guint64 *freed_bytes,
                             GError **error);

typedef void (*MossStoreDamaged) (const MossId *id, gpointer user_data);
gboolean moss_store_scrub (MossStore *store,
                           MossId *after,
                           guint64 max_bytes,
                           MossStoreDamaged damaged,
                           gpointer user_data,
                           GError **error);

G_END_DECLS
