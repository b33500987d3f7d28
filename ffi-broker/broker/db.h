/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The offers and what was learned of them, as rows. What was written and committed is there
 * again after the process was killed; a file that SQLite can't read is put aside. One thread. */
typedef struct _MossFfiDb MossFfiDb;

#define MOSS_FFI_DB_ERROR (moss_ffi_db_error_quark ())
GQuark moss_ffi_db_error_quark (void);

/* cpu: what costs are learned on; those of another one are kept, not shown. */
MossFfiDb *moss_ffi_db_open (const char *path, const char *cpu, GError **error);
void moss_ffi_db_close (MossFfiDb *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiDb, moss_ffi_db_close)

typedef struct
{
  guint number;
  const char *id, *version, *kind, *device, *name, *bridge;
  double start_us, latency_us, bytes_per_us;
} MossFfiProviderRow;

typedef struct
{
  guint number, provider;
  const char *capability;
  GVariant *attributes;   /* a{sv} */
  GBytes *curve;          /* NULL: nothing was learned on this CPU with this version */
  double ratio;
  guint64 calls;
} MossFfiOfferRow;

/* The rows in order of their numbers; the texts are good until the callback returns. */
typedef void (*MossFfiProviderFunc) (const MossFfiProviderRow *row, gpointer user_data);
typedef void (*MossFfiOfferFunc) (const MossFfiOfferRow *row, gpointer user_data);
gboolean moss_ffi_db_load (MossFfiDb *db, MossFfiProviderFunc on_provider,
                           MossFfiOfferFunc on_offer, gpointer user_data, GError **error);

/* Writes what changed since the last commit; every function below may be in between. */
gboolean moss_ffi_db_begin (MossFfiDb *db, GError **error);
gboolean moss_ffi_db_commit (MossFfiDb *db, GError **error);

/* Number 0: a new row, whose number is set. */
gboolean moss_ffi_db_put_provider (MossFfiDb *db, MossFfiProviderRow *row, GError **error);
gboolean moss_ffi_db_put_offer (MossFfiDb *db, MossFfiOfferRow *row, GError **error);
/* version: the provider's. */
gboolean moss_ffi_db_put_costs (MossFfiDb *db, const MossFfiOfferRow *row, const char *version,
                                GError **error);
/* NULL without an error: nothing was learned of the offer with that version. */
GBytes *moss_ffi_db_get_costs (MossFfiDb *db, guint offer, const char *version, double *ratio,
                               guint64 *calls);
gboolean moss_ffi_db_remove_offer (MossFfiDb *db, guint number, GError **error);
gboolean moss_ffi_db_remove_provider (MossFfiDb *db, guint number, GError **error);

/* A word of the broker itself (the newest time of a bridge's file, the owner's policy). */
char *moss_ffi_db_get_word (MossFfiDb *db, const char *name);
gboolean moss_ffi_db_set_word (MossFfiDb *db, const char *name, const char *value,
                               GError **error);

G_END_DECLS
