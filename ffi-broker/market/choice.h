// SPDX-License-Identifier: LGPL-2.1-or-later
/* Who is to be called. A request is resolved once for a table; the choice for a size is made anew
 * for each call and takes less than 2 µs. Pure functions, any thread. */
#pragma once

#include "ffi-broker/types/capability.h"
#include "table.h"

G_BEGIN_DECLS

#define MOSS_FFI_MAX_CANDIDATES 32
#define MOSS_FFI_NO_OFFER G_MAXUINT
#define MOSS_FFI_RANK_USUAL 500

/* What the caller cares about beside the time. All zero: the best quality that can be had, without
 * loss, whatever licence and memory. */
typedef struct
{
  const char *quality;  /* exactly this one, as an offer says it; NULL: any of the best rank */
  guint least_rank;     /* this one or better, the quickest of them; 0: the best */
  gboolean lossy;       /* loss is all right */
  gboolean local;       /* on this device only */
  gboolean partly;      /* what the request leaves open may be refused by whom is chosen */
  guint64 memory_bytes; /* 0: no bound */
  const char *own;      /* in-process offers only of the provider of this id */
  const char *const *licences; /* SPDX names, one of these; NULL: any */
} MossFfiWants;

typedef struct
{
  guint64 memory_bytes;
  guint n;
  guint offers[MOSS_FFI_MAX_CANDIDATES]; /* indexes; of two as good the first is taken */
} MossFfiCandidates;

gboolean moss_ffi_resolve (const MossFfiTable *table,
                           const MossFfiCapability *request,
                           const MossFfiWants *wants,
                           MossFfiCandidates *candidates,
                           GError **error);
void moss_ffi_candidates_remove (MossFfiCandidates *candidates, guint offer);

float moss_ffi_offer_cost_us (const MossFfiTable *table, guint offer, guint64 bytes);
guint moss_ffi_choose (const MossFfiTable *table,
                       const MossFfiCandidates *candidates,
                       guint64 bytes,
                       float *predicted_us);
guint moss_ffi_choose_spread (const MossFfiTable *table,
                              const MossFfiCandidates *candidates,
                              guint64 bytes,
                              guint32 dice,
                              float *predicted_us);

G_END_DECLS
