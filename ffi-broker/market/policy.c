// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy.h"

#include <math.h>
#include <string.h>

/* What takes longer than this is learned from real calls alone. */
#define MEASURE_MOST_US 2e6f
/* Who was this much slower is looked at a quarter as often. */
#define HOPELESS_LOG2 4.0f
/* So wrong what was learned at other sizes may be. */
#define GUESS_TIMES 4

/* What a function of this media type is tried with when it is new, in bytes: from what is almost
 * nothing to 1 MiB, of raw pictures and sound 16 MiB. So many tell overhead, throughput and a bad
 * exponent apart; whoever is slow is given up early. */
void
moss_ffi_canary_sizes (const char *media, guint64 sizes[MOSS_FFI_CANARIES])
{
  guint smallest = 8, step = 3;

  if (media != NULL && (strcmp (media, "video/x-raw") == 0 || strcmp (media, "audio/x-raw") == 0))
    step = 4;
  for (guint i = 0; i < MOSS_FFI_CANARIES; i++)
    sizes[i] = G_GUINT64_CONSTANT (1) << (smallest + i * step);
}

/* When to give up @chosen and ask another: at three times what the best of the others takes. When
 * only @chosen was measured at this size, what the others take is a guess, and it is given more
 * time, but not for ever: it may hang. 0: never, nobody else is known. Since the choice is greedy,
 * that is never less than three times what was predicted of @chosen itself. Only for pure
 * functions: others must not run twice. */
float
moss_ffi_kill_after_us (const MossFfiTable *table,
                        const MossFfiCandidates *candidates,
                        guint chosen,
                        guint64 bytes)
{
  gboolean guess
      = !moss_ffi_curve_is_measured (&moss_ffi_table_get_offer (table, chosen)->curve, bytes);
  float measured = INFINITY, expected = INFINITY, least;

  for (guint i = 0; i < candidates->n; i++)
    {
      const MossFfiTableOffer *offer = moss_ffi_table_get_offer (table, candidates->offers[i]);
      float cost = moss_ffi_offer_cost_us (table, candidates->offers[i], bytes);

      if (candidates->offers[i] == chosen || (offer->flags & MOSS_FFI_OFFER_RESTING) != 0 ||
          isnan (cost))
        continue;
      expected = MIN (expected, cost);
      if (moss_ffi_curve_is_measured (&offer->curve, bytes))
        measured = MIN (measured, cost);
    }
  least = measured;
  if (!isfinite (measured) && isfinite (expected))
    least = guess ? expected
                  : GUESS_TIMES * MAX (expected, moss_ffi_offer_cost_us (table, chosen, bytes));
  if (!isfinite (least))
    return 0;
  return MAX (MOSS_FFI_KILL_FACTOR * least, MOSS_FFI_KILL_LEAST_US);
}

void
moss_ffi_demand_note (MossFfiDemand *demand, guint64 bytes)
{
  demand->calls[moss_ffi_bucket (bytes)]++;
}

/* What the best of those measured in bucket @b takes, log2 µs; infinite when nobody was. */
static float
best_measured (const MossFfiLearner *const *learners, guint n, guint except, guint b)
{
  float least = INFINITY;

  for (guint i = 0; i < n; i++)
    if (i != except && learners[i]->curve.count[b] > 0)
      least = MIN (least, learners[i]->curve.log2_us[b]);
  return least;
}

/* How much it is worth to measure one provider at one size now; 0: nothing. */
static guint64
worth (const MossFfiLearner *learner,
       guint b,
       guint32 calls,
       float best,
       guint32 now,
       guint32 stale_after)
{
  gboolean never = learner->curve.count[b] == 0;
  guint32 age = now - learner->measured_at[b];
  float expected = learner->curve.log2_us[b];
  guint64 sort = 0;

  if (isfinite (best) && exp2f (best) > MEASURE_MOST_US)
    return 0;
  if (!never && expected > best + HOPELESS_LOG2)
    stale_after = stale_after > G_MAXUINT32 / 4 ? G_MAXUINT32 : stale_after * 4;
  /* It began to differ from what was known: look again soon, at other sizes too. */
  if (learner->row != 0 && !never && age >= stale_after / 8)
    sort = 3;
  else if (never)
    sort = 2;
  else if (age >= stale_after)
    sort = 1;
  return sort == 0 ? 0 : sort << 32 | MIN (calls + 1, G_MAXUINT32 - 1);
}

/* What to measure next while the machine is idle; FALSE: nothing now. @learners are of offers that
 * do the same; @now and @stale_after are in the clock of their measured_at. First whoever is new
 * at the canary sizes, then everybody at the sizes that were asked for, then what is old. */
gboolean
moss_ffi_next_measure (const MossFfiLearner *const *learners,
                       guint n,
                       const MossFfiDemand *demand,
                       const char *media,
                       guint32 now,
                       guint32 stale_after,
                       MossFfiMeasure *measure)
{
  guint64 sizes[MOSS_FFI_CANARIES], most = 0;
  gboolean canary[MOSS_FFI_BUCKETS] = { 0 };

  moss_ffi_canary_sizes (media, sizes);
  for (guint i = 0; i < MOSS_FFI_CANARIES; i++)
    canary[moss_ffi_bucket (sizes[i])] = TRUE;
  for (guint b = 0; b < MOSS_FFI_BUCKETS; b++)
    for (guint i = 0; i < n && (canary[b] || demand->calls[b] > 0); i++)
      {
        float best = best_measured (learners, n, i, b);
        guint64 value = worth (learners[i], b, demand->calls[b], best, now, stale_after);

        /* Small canaries first: they say how long the large ones take. */
        if (canary[b] && learners[i]->curve.count[b] == 0)
          value = (G_GUINT64_CONSTANT (1) << 40) + (MOSS_FFI_BUCKETS - b);
        if (value <= most)
          continue;
        most = value;
        *measure = (MossFfiMeasure){ i, moss_ffi_bucket_bytes (b),
                                     isfinite (best) ? MAX (MOSS_FFI_KILL_FACTOR * exp2f (best),
                                                            MOSS_FFI_KILL_LEAST_US)
                                                     : 0 };
      }
  return most > 0;
}

/* The size, of those that were asked for, with which to try who never ran at it: what it takes
 * there is a guess from much smaller ones, and whoever loses by a guess would never be called and
 * never known better. Only where one of the @n others was measured, the most asked first; bit b of
 * @tried: not again with 2^b bytes. 0: none. */
guint64
moss_ffi_next_asked (const MossFfiLearner *learner,
                     const MossFfiLearner *const *others,
                     guint n,
                     const MossFfiDemand *demand,
                     guint64 tried)
{
  guint64 bytes = 0;
  guint32 most = 0;

  for (guint b = 0; b <= MOSS_FFI_ASKED_BUCKET_MAX; b++)
    {
      if (demand->calls[b] <= most || learner->curve.count[b] > 0 || (tried >> b & 1) != 0 ||
          !(exp2f (best_measured (others, n, n, b)) <= MOSS_FFI_ASKED_MOST_US))
        continue;
      most = demand->calls[b];
      bytes = moss_ffi_bucket_bytes (b);
    }
  return bytes;
}

#define STEADY 0.85 /* up to here a bar goes as fast as the time */

/* How full to draw the bar of a call that runs for @passed_us already: it slows down before the
 * predicted end and never says that it is over. 0: nothing is predicted. */
double
moss_ffi_shown_fraction (double passed_us, double predicted_us)
{
  double passed = predicted_us > 0 ? passed_us / predicted_us : 0;

  if (!(passed > 0))
    return 0;
  if (passed <= STEADY)
    return passed;
  return 1 - (1 - STEADY) * exp (-(passed - STEADY) / (1 - STEADY));
}
