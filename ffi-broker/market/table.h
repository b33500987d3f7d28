// SPDX-License-Identifier: LGPL-2.1-or-later
/* The table of all offers and what they cost, in memory that the broker writes and everybody else
 * reads: docs/formats/capability.md. Costs change in place; what is offered never does, another
 * table supersedes this one. */
#pragma once

#include "curve.h"

G_BEGIN_DECLS

#define MOSS_FFI_TABLE_MAGIC "MOSSFFT1"
#define MOSS_FFI_TABLE_MAX_BYTES (64 * 1024 * 1024)
#define MOSS_FFI_TABLE_MAX_OFFERS 65536

#define MOSS_FFI_MARKET_ERROR (moss_ffi_market_error_quark ())
typedef enum
{
  MOSS_FFI_MARKET_ERROR_CORRUPT,  /* not a table: ask the broker again */
  MOSS_FFI_MARKET_ERROR_NOBODY,   /* nobody offers that */
  MOSS_FFI_MARKET_ERROR_LOSSY,    /* only with loss, and that was not asked for */
  MOSS_FFI_MARKET_ERROR_WANTS,    /* offers are there, but not in that quality or licence */
  MOSS_FFI_MARKET_ERROR_FAILED,
} MossFfiMarketError;

GQuark moss_ffi_market_error_quark (void);

/* All numbers little-endian; "at": bytes from the beginning of the table; "text": from the
 * beginning of the pool. */
typedef struct
{
  char magic[8];
  guint32 size;
  guint32 sequence; /* grows with each change; odd while one is made */
  guint32 superseded;
  guint32 n_keys, keys_at;
  guint32 n_offers, offers_at;
  guint32 n_providers, providers_at;
  guint32 pool_size, pool_at;
  guint32 zero[3];
} MossFfiTableHeader;

typedef struct
{
  guint64 hash; /* ascending */
  guint32 text; /* "encode video/x-raw -> image/png" */
  guint32 first, n; /* its offers stand together */
  guint32 zero;
} MossFfiTableKey;

typedef enum
{
  MOSS_FFI_OFFER_PURE = 1 << 0,
  MOSS_FFI_OFFER_DETERMINISTIC = 1 << 1,
  MOSS_FFI_OFFER_LOSSY = 1 << 2,
  MOSS_FFI_OFFER_IDEMPOTENT = 1 << 3,
  /* Not to be chosen now: it lied, crashed, or is the only one that is being measured. */
  MOSS_FFI_OFFER_RESTING = 1 << 4,
} MossFfiOfferFlags;

typedef struct
{
  guint32 number; /* the broker's name for it, the same in all its tables */
  guint32 provider; /* index */
  guint32 key; /* index */
  guint32 flags; /* MossFfiOfferFlags; only RESTING changes in place */
  guint32 rank; /* of quality: 500 is what one expects; more is better */
  guint32 capability, quality, licence, function; /* texts */
  float memory_per_byte;
  float out_per_in; /* bytes, smoothed */
  guint32 zero;
  MossFfiCurve curve;
} MossFfiTableOffer;

typedef enum
{
  MOSS_FFI_KIND_IN_PROCESS,
  MOSS_FFI_KIND_LOCAL,
  MOSS_FFI_KIND_REMOTE,
} MossFfiKind;

typedef struct
{
  guint32 number; /* the broker's name for it */
  guint32 id, name, version, device; /* texts; device "" is this one */
  guint32 kind; /* MossFfiKind */
  /* From here on changed in place. */
  guint32 warm; /* 1: no start needed */
  float start_us;
  float queue_us;
  float latency_us;   /* of a call there and back */
  float bytes_per_us; /* of arguments and results; 0: they don't travel */
  guint32 zero;
} MossFfiTableProvider;

typedef struct _MossFfiTable MossFfiTable;

MossFfiTable *moss_ffi_table_map (int fd, GError **error);
MossFfiTable *moss_ffi_table_read (int fd, GError **error);
MossFfiTable *moss_ffi_table_new_for_bytes (GBytes *bytes, GError **error);
MossFfiTable *moss_ffi_table_ref (MossFfiTable *table);
void moss_ffi_table_unref (MossFfiTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiTable, moss_ffi_table_unref)

guint32 moss_ffi_table_get_sequence (const MossFfiTable *table);
gboolean moss_ffi_table_is_superseded (const MossFfiTable *table);
guint moss_ffi_table_get_n_keys (const MossFfiTable *table);
guint moss_ffi_table_get_n_offers (const MossFfiTable *table);
guint moss_ffi_table_get_n_providers (const MossFfiTable *table);
const MossFfiTableKey *moss_ffi_table_get_key (const MossFfiTable *table, guint i);
const MossFfiTableOffer *moss_ffi_table_get_offer (const MossFfiTable *table, guint i);
const MossFfiTableProvider *moss_ffi_table_get_provider (const MossFfiTable *table, guint i);
const MossFfiTableProvider *moss_ffi_table_get_provider_of (const MossFfiTable *table,
                                                            const MossFfiTableOffer *offer);
const char *moss_ffi_table_get_text (const MossFfiTable *table, guint32 text);
const MossFfiTableKey *moss_ffi_table_find_key (const MossFfiTable *table, const char *key);
guint moss_ffi_table_find_offer (const MossFfiTable *table, guint32 number);

G_END_DECLS
