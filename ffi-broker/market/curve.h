// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a function costs at each size: a smoothed logarithm of its run time in buckets of log2 of
 * the input's bytes, interpolated between them. Pure functions, any thread; a curve in the shared
 * table is written by one process and read by many, each number by itself. */
#pragma once

#include <gio/gio.h>
#include <math.h>

G_BEGIN_DECLS

#define MOSS_FFI_BUCKETS 40

/* Also how a curve is kept on disk and in the table: docs/formats/capability.md. */
typedef struct
{
  float log2_us[MOSS_FFI_BUCKETS]; /* at 2^bucket bytes; NaN: not known */
  guint16 count[MOSS_FFI_BUCKETS]; /* how often observed, at most 65535 */
} MossFfiCurve;

/* A curve and what its owner, the broker, has to remember to keep it right. */
typedef struct
{
  MossFfiCurve curve;
  guint32 measured_at[MOSS_FFI_BUCKETS]; /* in the owner's clock; 0: never */
  float drift;                           /* sum of log2 of what a row of calls was off by */
  gint32 row;                            /* calls in a row that were off by much: + slower */
} MossFfiLearner;

/* A time follows what is seen of it by its logarithm: now and then one has to wait for the
 * processor a thousand times as long as it runs, which must not count as a thousand. @known: 0 when
 * nothing is. */
static inline double
moss_ffi_smooth (double known, double seen, double weight)
{
  return known > 0 && seen > 0 ? known * pow (seen / known, weight) : MAX (known, seen);
}

void moss_ffi_curve_init (MossFfiCurve *curve);
guint moss_ffi_bucket (guint64 bytes);
guint64 moss_ffi_bucket_bytes (guint bucket);
float moss_ffi_curve_log2_us (const MossFfiCurve *curve, guint64 bytes);
float moss_ffi_curve_log2_us_at (const MossFfiCurve *curve, float log2_bytes);
void moss_ffi_curve_fill (MossFfiCurve *curve);
float moss_ffi_curve_predict_us (const MossFfiCurve *curve, guint64 bytes);
gboolean moss_ffi_curve_is_known (const MossFfiCurve *curve);
gboolean moss_ffi_curve_is_measured (const MossFfiCurve *curve, guint64 bytes);
void moss_ffi_curve_shift (MossFfiCurve *curve, float log2_factor);

GBytes *moss_ffi_curve_to_bytes (const MossFfiCurve *curve);
gboolean moss_ffi_curve_from_bytes (GBytes *bytes, MossFfiCurve *curve);

/* As moss_ffi_curve_log2_us_at (), for hot code: two loads where both neighbours are known. */
static inline float
moss_ffi_curve_quick_log2_us (const MossFfiCurve *curve, float log2_bytes)
{
  int i = (int) log2_bytes;
  float low, high;

  if (!(log2_bytes >= 0) || i >= MOSS_FFI_BUCKETS - 1)
    return moss_ffi_curve_log2_us_at (curve, log2_bytes);
  /* Numbers of the table are written while they are read. */
  __atomic_load (&curve->log2_us[i], &low, __ATOMIC_RELAXED);
  __atomic_load (&curve->log2_us[i + 1], &high, __ATOMIC_RELAXED);
  low += (high - low) * (log2_bytes - i);
  return isfinite (low) ? low : moss_ffi_curve_log2_us_at (curve, log2_bytes);
}

void moss_ffi_learner_init (MossFfiLearner *learner);
void moss_ffi_learner_observe (MossFfiLearner *learner, guint64 bytes, double us, guint32 now);
void moss_ffi_learner_observe_killed (MossFfiLearner *learner,
                                      guint64 bytes,
                                      double us,
                                      guint32 now);

G_END_DECLS
