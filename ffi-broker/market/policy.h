// SPDX-License-Identifier: LGPL-2.1-or-later
/* When something is measured, when a call is given up and how far it seems, as pure functions: the
 * broker and the replay over recorded costs use the same ones. */
#pragma once

#include "choice.h"

G_BEGIN_DECLS

#define MOSS_FFI_CANARIES 5
#define MOSS_FFI_KILL_FACTOR 3
/* Below this nobody is killed: a machine that is busy for a moment delays that much. */
#define MOSS_FFI_KILL_LEAST_US 10000
/* Nobody is tried with more than 32 MiB, or with what takes the best longer than this. */
#define MOSS_FFI_ASKED_BUCKET_MAX 25
#define MOSS_FFI_ASKED_MOST_US 30e6f

/* How often each size was asked for lately; halved now and then by its owner. */
typedef struct
{
  guint32 calls[MOSS_FFI_BUCKETS];
} MossFfiDemand;

typedef struct
{
  guint offer; /* index among those given */
  guint64 bytes;
  float limit_us; /* give up then; 0: never */
} MossFfiMeasure;

void moss_ffi_canary_sizes (const char *media, guint64 sizes[MOSS_FFI_CANARIES]);
float moss_ffi_kill_after_us (const MossFfiTable *table,
                              const MossFfiCandidates *candidates,
                              guint chosen,
                              guint64 bytes);
void moss_ffi_demand_note (MossFfiDemand *demand, guint64 bytes);
gboolean moss_ffi_next_measure (const MossFfiLearner *const *learners,
                                guint n,
                                const MossFfiDemand *demand,
                                const char *media,
                                guint32 now,
                                guint32 stale_after,
                                MossFfiMeasure *measure);
guint64 moss_ffi_next_asked (const MossFfiLearner *learner,
                             const MossFfiLearner *const *others,
                             guint n,
                             const MossFfiDemand *demand,
                             guint64 tried);
double moss_ffi_shown_fraction (double passed_us, double predicted_us);

G_END_DECLS
