// SPDX-License-Identifier: LGPL-2.1-or-later
/* Makes a table and changes its costs. The broker's thread only. */
#pragma once

#include "table.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean warm;
  float start_us, queue_us, latency_us, bytes_per_us;
} MossFfiProviderCost;

typedef struct
{
  guint32 number;
  const char *id, *name, *version, *device; /* NULL: "" */
  MossFfiKind kind;
  MossFfiProviderCost cost;
} MossFfiProviderInfo;

typedef struct
{
  guint32 number;
  guint provider; /* as moss_ffi_table_builder_add_provider () said */
  MossFfiOfferFlags flags;
  guint32 rank;
  const char *capability, *quality, *licence, *function; /* NULL: "" */
  float memory_per_byte, out_per_in;
  const MossFfiCurve *curve; /* NULL: nothing is known */
} MossFfiOfferInfo;

typedef struct _MossFfiTableBuilder MossFfiTableBuilder;
typedef struct _MossFfiTableWriter MossFfiTableWriter;

MossFfiTableBuilder *moss_ffi_table_builder_new (void);
guint moss_ffi_table_builder_add_provider (MossFfiTableBuilder *builder,
                                           const MossFfiProviderInfo *info);
gboolean moss_ffi_table_builder_add_offer (MossFfiTableBuilder *builder,
                                           const MossFfiOfferInfo *info,
                                           GError **error);
GBytes *moss_ffi_table_builder_to_bytes (MossFfiTableBuilder *builder);
MossFfiTableWriter *moss_ffi_table_builder_publish (MossFfiTableBuilder *builder, GError **error);
void moss_ffi_table_builder_free (MossFfiTableBuilder *builder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiTableBuilder, moss_ffi_table_builder_free)

int moss_ffi_table_writer_get_fd (MossFfiTableWriter *writer);
MossFfiTable *moss_ffi_table_writer_get_table (MossFfiTableWriter *writer);
void moss_ffi_table_writer_set_curve (MossFfiTableWriter *writer,
                                      guint offer,
                                      const MossFfiCurve *curve);
void moss_ffi_table_writer_set_ratio (MossFfiTableWriter *writer, guint offer, float out_per_in);
void moss_ffi_table_writer_set_resting (MossFfiTableWriter *writer, guint offer, gboolean resting);
void moss_ffi_table_writer_set_cost (MossFfiTableWriter *writer,
                                     guint provider,
                                     const MossFfiProviderCost *cost);
void moss_ffi_table_writer_supersede (MossFfiTableWriter *writer);
void moss_ffi_table_writer_free (MossFfiTableWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiTableWriter, moss_ffi_table_writer_free)

G_END_DECLS
