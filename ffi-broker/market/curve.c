// SPDX-License-Identifier: LGPL-2.1-or-later
#include "curve.h"

#include <string.h>

/* A new observation counts at least this much, so that a curve follows what changes. */
#define LEAST_WEIGHT 0.2f
/* log2 of what a call has to be off by to be no noise, and how many in a row mean a change. */
#define OFF_BY 0.8f
#define ROW 3
/* Run times in proportion to the size, when nothing better is known. */
#define USUAL_SLOPE 1.0f
#define LEAST_SLOPE_BEYOND 0.5f
#define GREATEST_SLOPE 3.0f
/* Who was killed would have taken twice as long: more is not known, less is wrong. */
#define LOG2_BEYOND_KILL 1.0f
#define LOG2_US_MIN -10.0f
#define LOG2_US_MAX 44.0f

G_STATIC_ASSERT (sizeof (MossFfiCurve) == 6 * MOSS_FFI_BUCKETS);

void
moss_ffi_curve_init (MossFfiCurve *curve)
{
  for (guint i = 0; i < MOSS_FFI_BUCKETS; i++)
    curve->log2_us[i] = NAN;
  memset (curve->count, 0, sizeof curve->count);
}

/* Numbers of the table are written while they are read. */
static inline float
known (const MossFfiCurve *curve, int i)
{
  float value;

  __atomic_load (&curve->log2_us[i], &value, __ATOMIC_RELAXED);
  return value;
}

static inline float
log2_bytes (guint64 bytes)
{
  return log2f (MAX (bytes, 1));
}

static inline int
nearest (float x)
{
  return CLAMP ((int) (x + 0.5f), 0, MOSS_FFI_BUCKETS - 1);
}

guint
moss_ffi_bucket (guint64 bytes)
{
  return nearest (log2_bytes (bytes));
}

guint64
moss_ffi_bucket_bytes (guint bucket)
{
  return G_GUINT64_CONSTANT (1) << MIN (bucket, MOSS_FFI_BUCKETS - 1);
}

/* The nearest bucket from @i on in direction @step of which something is known; -1: none. A value
 * that is no number, whoever wrote it, is not known. */
static int
next_known (const MossFfiCurve *curve, int i, int step)
{
  for (; i >= 0 && i < MOSS_FFI_BUCKETS; i += step)
    if (isfinite (known (curve, i)))
      return i;
  return -1;
}

/* From the last known bucket @i outwards in direction @step. */
static float
beyond (const MossFfiCurve *curve, int i, int step, float x)
{
  int before = next_known (curve, i - step, -step);
  float slope = USUAL_SLOPE;

  if (before >= 0)
    slope = (known (curve, i) - known (curve, before)) / (i - before);
  if (step > 0)
    slope = CLAMP (slope, LEAST_SLOPE_BEYOND, GREATEST_SLOPE);
  else
    slope = CLAMP (slope, 0, USUAL_SLOPE);
  return known (curve, i) + slope * (x - i);
}

/* log2 of the microseconds at a size that is given as its logarithm; NaN: nothing is known. */
float
moss_ffi_curve_log2_us_at (const MossFfiCurve *curve, float x)
{
  int low = next_known (curve, CLAMP ((int) x, 0, MOSS_FFI_BUCKETS - 1), -1);
  int high = next_known (curve, CLAMP ((int) x + 1, 0, MOSS_FFI_BUCKETS - 1), 1);

  if (low < 0 && high < 0)
    return NAN;
  if (high < 0 || low == high)
    return beyond (curve, low, 1, x);
  if (low < 0)
    return beyond (curve, high, -1, x);
  return known (curve, low) +
         (known (curve, high) - known (curve, low)) * (x - low) / (high - low);
}

/* log2 of the microseconds that @bytes take; NaN when nothing is known. */
float
moss_ffi_curve_log2_us (const MossFfiCurve *curve, guint64 bytes)
{
  return moss_ffi_curve_log2_us_at (curve, log2_bytes (bytes));
}

/* The microseconds that @bytes take; NaN when nothing is known. */
float
moss_ffi_curve_predict_us (const MossFfiCurve *curve, guint64 bytes)
{
  return exp2f (moss_ffi_curve_log2_us (curve, bytes));
}

gboolean
moss_ffi_curve_is_known (const MossFfiCurve *curve)
{
  return next_known (curve, 0, 1) >= 0;
}

static gboolean
has_count (const MossFfiCurve *curve, int i)
{
  return i >= 0 && i < MOSS_FFI_BUCKETS &&
         __atomic_load_n (&curve->count[i], __ATOMIC_RELAXED) > 0 && isfinite (known (curve, i));
}

/* TRUE when it ran at about this size, so that the prediction is no guess. */
gboolean
moss_ffi_curve_is_measured (const MossFfiCurve *curve, guint64 bytes)
{
  int i = moss_ffi_bucket (bytes);

  return has_count (curve, i) || (has_count (curve, i - 1) && has_count (curve, i + 1));
}

/* All of it becomes slower (+) or quicker (-). */
void
moss_ffi_curve_shift (MossFfiCurve *curve, float log2_factor)
{
  for (guint i = 0; i < MOSS_FFI_BUCKETS; i++)
    curve->log2_us[i] = CLAMP (curve->log2_us[i] + log2_factor, LOG2_US_MIN, LOG2_US_MAX);
}

/* Writes down at each bucket what is expected there, so that readers needn't look for neighbours.
 * Counts stay: what was measured is still told from what was not. */
void
moss_ffi_curve_fill (MossFfiCurve *curve)
{
  MossFfiCurve full = *curve;

  for (guint i = 0; i < MOSS_FFI_BUCKETS; i++)
    full.log2_us[i] = moss_ffi_curve_log2_us_at (curve, i);
  *curve = full;
}

/* As it is kept on disk: little-endian, first the floats. */
GBytes *
moss_ffi_curve_to_bytes (const MossFfiCurve *curve)
{
  G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);
  return g_bytes_new (curve, sizeof *curve);
}

/* FALSE when @bytes are no curve; what in them is no sensible number is not known. */
gboolean
moss_ffi_curve_from_bytes (GBytes *bytes, MossFfiCurve *curve)
{
  if (g_bytes_get_size (bytes) != sizeof *curve)
    return FALSE;
  memcpy (curve, g_bytes_get_data (bytes, NULL), sizeof *curve);
  for (guint i = 0; i < MOSS_FFI_BUCKETS; i++)
    if (!(curve->log2_us[i] >= LOG2_US_MIN && curve->log2_us[i] <= LOG2_US_MAX))
      {
        curve->log2_us[i] = NAN;
        curve->count[i] = 0;
      }
  return TRUE;
}

void
moss_ffi_learner_init (MossFfiLearner *learner)
{
  *learner = (MossFfiLearner){ 0 };
  moss_ffi_curve_init (&learner->curve);
}

/* A size is seldom a power of two: the slope on its side, by which it is also predicted, says what
 * it would have taken at one. */
static float
at_bucket (const MossFfiCurve *curve, float x, float y)
{
  int i = nearest (x);
  int low = x < i ? i - 1 : i;
  float slope = moss_ffi_curve_log2_us_at (curve, low + 1) - moss_ffi_curve_log2_us_at (curve, low);

  if (!isfinite (slope))
    slope = USUAL_SLOPE;
  return y - CLAMP (slope, -GREATEST_SLOPE, GREATEST_SLOPE) * (x - i);
}

static void
count (MossFfiLearner *learner, int i, guint32 now)
{
  learner->curve.count[i] += learner->curve.count[i] < G_MAXUINT16;
  learner->measured_at[i] = now;
}

/* Calls off in the same direction, one after the other, at whatever sizes: the provider itself
 * has changed, so all sizes have. TRUE when the curve was moved. */
static gboolean
follow_change (MossFfiLearner *learner, float off)
{
  int sign = off > 0 ? 1 : -1;

  if (fabsf (off) < OFF_BY || learner->row * sign < 0)
    {
      learner->row = 0;
      learner->drift = 0;
    }
  if (fabsf (off) < OFF_BY)
    return FALSE;
  learner->row += sign;
  learner->drift += off;
  if (ABS (learner->row) < ROW)
    return FALSE;
  moss_ffi_curve_shift (&learner->curve, learner->drift / ABS (learner->row));
  learner->row = 0;
  learner->drift = 0;
  return TRUE;
}

/* A call or canary took @us at the provider. */
void
moss_ffi_learner_observe (MossFfiLearner *learner, guint64 bytes, double us, guint32 now)
{
  MossFfiCurve *curve = &learner->curve;
  float x = log2_bytes (bytes), y, off, weight;
  int i = nearest (x);

  if (!(us >= 0))
    return;
  y = at_bucket (curve, x, CLAMP (log2f (MAX (us, 1e-3)), LOG2_US_MIN, LOG2_US_MAX));
  off = y - curve->log2_us[i];
  if (curve->count[i] == 0 || !isfinite (off))
    curve->log2_us[i] = y;
  else if (follow_change (learner, off))
    curve->log2_us[i] = y;
  else
    {
      weight = MAX (1.0f / (curve->count[i] + 1), LEAST_WEIGHT);
      curve->log2_us[i] += weight * off;
    }
  count (learner, i, now);
}

/* It had not ended after @us and was killed: all that is known is that it takes longer
 * (right-censored: Tornede and others, arXiv 2109.06234). */
void
moss_ffi_learner_observe_killed (MossFfiLearner *learner, guint64 bytes, double us, guint32 now)
{
  MossFfiCurve *curve = &learner->curve;
  float x = log2_bytes (bytes), y;
  int i = nearest (x);

  if (!(us > 0))
    return;
  y = at_bucket (curve, x, log2f (us) + LOG2_BEYOND_KILL);
  if (!(curve->log2_us[i] >= y))
    curve->log2_us[i] = CLAMP (y, LOG2_US_MIN, LOG2_US_MAX);
  count (learner, i, now);
}
