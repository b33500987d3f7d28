// SPDX-License-Identifier: GPL-3.0-or-later
#include "ffi-broker/market/plan.h"
#include "ffi-broker/market/policy.h"
#include "ffi-broker/market/table-writer.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void
test_curve_learns (void)
{
  MossFfiLearner learner;
  const MossFfiCurve *curve = &learner.curve;

  moss_ffi_learner_init (&learner);
  g_assert_true (isnan (moss_ffi_curve_predict_us (curve, 100)));
  g_assert_false (moss_ffi_curve_is_known (curve));
  moss_ffi_learner_observe (&learner, 256, 10, 1);
  moss_ffi_learner_observe (&learner, 65536, 2560, 2);
  g_assert_cmpfloat_with_epsilon (moss_ffi_curve_predict_us (curve, 256), 10, 0.1);
  /* In proportion between the two, and beyond. */
  g_assert_cmpfloat_with_epsilon (moss_ffi_curve_predict_us (curve, 4096), 160, 2);
  g_assert_cmpfloat_with_epsilon (moss_ffi_curve_predict_us (curve, 1048576), 40960, 500);
  g_assert_true (moss_ffi_curve_is_measured (curve, 300));
  g_assert_false (moss_ffi_curve_is_measured (curve, 4096));
  g_assert_cmpuint (learner.measured_at[8], ==, 1);
  /* Of sizes that are no power of two the same is learned. */
  for (guint i = 0; i < 50; i++)
    moss_ffi_learner_observe (&learner, 3000 + i * 50, (3000 + i * 50) / 25.6, 3);
  g_assert_cmpfloat_with_epsilon (moss_ffi_curve_predict_us (curve, 4096), 160, 8);
  for (guint i = 0; i < MOSS_FFI_BUCKETS; i++)
    g_assert_cmpuint (moss_ffi_bucket (moss_ffi_bucket_bytes (i)), ==, i);
  g_assert_cmpuint (moss_ffi_bucket (0), ==, 0);
  g_assert_cmpuint (moss_ffi_bucket (G_MAXUINT64), ==, MOSS_FFI_BUCKETS - 1);
}

/* Noise is smoothed; a change in a row moves sizes that weren't seen since. */
static void
test_curve_follows_change (void)
{
  MossFfiLearner learner;

  moss_ffi_learner_init (&learner);
  for (guint round = 0; round < 20; round++)
    for (guint b = 8; b < 20; b += 2)
      moss_ffi_learner_observe (&learner, 1 << b, (1 << b) / 100.0 * (round % 2 ? 1.2 : 0.85), 1);
  g_assert_cmpfloat_with_epsilon (moss_ffi_curve_predict_us (&learner.curve, 65536), 655, 70);
  moss_ffi_learner_observe (&learner, 1 << 14, 9000, 2);
  g_assert_cmpfloat (moss_ffi_curve_predict_us (&learner.curve, 65536), <, 750);
  moss_ffi_learner_observe (&learner, 1 << 8, 2.56 * 8, 3);
  moss_ffi_learner_observe (&learner, 1 << 10, 10.24 * 8, 4);
  g_assert_cmpfloat (moss_ffi_curve_predict_us (&learner.curve, 65536), >, 655 * 5);
  g_assert_cmpfloat (moss_ffi_curve_predict_us (&learner.curve, 65536), <, 655 * 24);
}

static void
test_curve_censored (void)
{
  MossFfiLearner learner;

  moss_ffi_learner_init (&learner);
  moss_ffi_learner_observe (&learner, 1024, 100, 1);
  moss_ffi_learner_observe_killed (&learner, 65536, 50000, 2);
  g_assert_cmpfloat (moss_ffi_curve_predict_us (&learner.curve, 65536), >, 90000);
  /* It says "longer than", so it never makes anything quicker. */
  moss_ffi_learner_observe_killed (&learner, 65536, 10, 3);
  g_assert_cmpfloat (moss_ffi_curve_predict_us (&learner.curve, 65536), >, 90000);
  moss_ffi_learner_observe (&learner, 1024, NAN, 4);
  moss_ffi_learner_observe (&learner, 1024, -5, 4);
  moss_ffi_learner_observe_killed (&learner, 1024, NAN, 4);
  g_assert_cmpfloat_with_epsilon (moss_ffi_curve_predict_us (&learner.curve, 1024), 100, 1);
}

static void
test_curve_bytes (void)
{
  MossFfiLearner learner;
  MossFfiCurve again;
  g_autoptr (GBytes) bytes = NULL, shorter = NULL;

  moss_ffi_learner_init (&learner);
  moss_ffi_learner_observe (&learner, 1024, 100, 1);
  learner.curve.log2_us[20] = INFINITY;
  learner.curve.log2_us[21] = -3e30;
  bytes = moss_ffi_curve_to_bytes (&learner.curve);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, 240);
  g_assert_true (moss_ffi_curve_from_bytes (bytes, &again));
  g_assert_cmpfloat_with_epsilon (moss_ffi_curve_predict_us (&again, 1024), 100, 1);
  g_assert_true (isnan (again.log2_us[20]) && isnan (again.log2_us[21]));
  shorter = g_bytes_new_from_bytes (bytes, 0, 239);
  g_assert_false (moss_ffi_curve_from_bytes (shorter, &again));
}

/* A curve of @us at 1 KiB and @slope octaves of time an octave of size. */
static MossFfiCurve
line (double us, double slope)
{
  MossFfiCurve curve;

  moss_ffi_curve_init (&curve);
  for (guint i = 6; i < 30; i++)
    {
      curve.log2_us[i] = log2 (us) + slope * (i - 10.0);
      curve.count[i] = 3;
    }
  return curve;
}

static guint
add_provider (MossFfiTableBuilder *builder, const char *id, MossFfiKind kind, float latency)
{
  MossFfiProviderInfo info
      = { .number = 7, .id = id, .kind = kind, .cost = { TRUE, 0, 0, latency, 0 } };

  return moss_ffi_table_builder_add_provider (builder, &info);
}

static void
add_offer (MossFfiTableBuilder *builder,
           guint32 number,
           guint provider,
           const char *text,
           guint32 flags,
           guint32 rank,
           MossFfiCurve curve)
{
  MossFfiOfferInfo info = { .number = number,
                            .provider = provider,
                            .flags = flags,
                            .rank = rank,
                            .capability = text,
                            .quality = rank > 500 ? "fine" : "usual",
                            .licence = number % 2 ? "MIT" : "GPL-3.0-or-later",
                            .memory_per_byte = number,
                            .out_per_in = 1,
                            .curve = &curve };
  g_autoptr (GError) error = NULL;

  moss_ffi_table_builder_add_offer (builder, &info, &error);
  g_assert_no_error (error);
}

#define SORT "transform sort(application/x-moss-tensor,dtype=i32) -> application/x-moss-tensor"
#define PNG "encode(video/x-raw,format={RGB,RGBA}) -> image/png"

static MossFfiTableBuilder *
usual_offers (void)
{
  MossFfiTableBuilder *builder = moss_ffi_table_builder_new ();
  guint own = add_provider (builder, "own", MOSS_FFI_KIND_IN_PROCESS, 0);
  guint near = add_provider (builder, "near", MOSS_FFI_KIND_LOCAL, 100);
  guint far = add_provider (builder, "far", MOSS_FFI_KIND_REMOTE, 2000);

  add_offer (builder, 1, own, SORT, MOSS_FFI_OFFER_PURE, 500, line (10, 1.5));
  add_offer (builder, 2, near, SORT, MOSS_FFI_OFFER_PURE, 500, line (5, 1.1));
  add_offer (builder, 3, far, SORT, MOSS_FFI_OFFER_PURE, 500, line (1, 1.0));
  add_offer (builder, 4, near, PNG, MOSS_FFI_OFFER_PURE, 500, line (10, 1));
  add_offer (builder, 5, far, PNG, MOSS_FFI_OFFER_PURE, 600, line (100, 1));
  add_offer (builder, 6, near, PNG, MOSS_FFI_OFFER_PURE | MOSS_FFI_OFFER_LOSSY, 600, line (1, 1));
  add_offer (builder, 7, near, "encode(video/x-raw,format=RGB) -> image/jpeg",
             MOSS_FFI_OFFER_LOSSY, 500, line (1, 1));
  add_offer (builder, 8, near, "hash sha256(application/octet-stream) -> application/x-moss-digest",
             MOSS_FFI_OFFER_PURE, 500, line (1, 1));
  return builder;
}

static MossFfiCandidates
resolve (const MossFfiTable *table, const char *text, const MossFfiWants *wants)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiCapability) request = moss_ffi_capability_parse (text, &error);
  MossFfiCandidates candidates;

  g_assert_no_error (error);
  moss_ffi_resolve (table, request, wants, &candidates, &error);
  g_assert_no_error (error);
  return candidates;
}

static int
why_nobody (const MossFfiTable *table, const char *text, const MossFfiWants *wants)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiCapability) request = moss_ffi_capability_parse (text, NULL);
  MossFfiCandidates candidates;

  g_assert_false (moss_ffi_resolve (table, request, wants, &candidates, &error));
  g_assert_true (error->domain == MOSS_FFI_MARKET_ERROR);
  return error->code;
}

/* The number of who is chosen. */
static guint32
chosen (const MossFfiTable *table, const MossFfiCandidates *candidates, guint64 bytes)
{
  float us;
  guint offer = moss_ffi_choose (table, candidates, bytes, &us);

  g_assert_cmpuint (offer, !=, MOSS_FFI_NO_OFFER);
  g_assert_cmpfloat (us, ==, moss_ffi_offer_cost_us (table, offer, bytes));
  return moss_ffi_table_get_offer (table, offer)->number;
}

static void
test_choice (void)
{
  g_autoptr (MossFfiTableBuilder) builder = usual_offers ();
  g_autoptr (MossFfiTableWriter) writer = moss_ffi_table_builder_publish (builder, NULL);
  MossFfiTable *table = moss_ffi_table_writer_get_table (writer);
  const char *sort = "transform sort(application/x-moss-tensor,dtype=i32) -> "
                     "application/x-moss-tensor";
  MossFfiCandidates candidates = resolve (table, sort, &(MossFfiWants){ .own = "own" });

  g_assert_cmpuint (candidates.n, ==, 3);
  g_assert_cmpuint (chosen (table, &candidates, 1000), ==, 1);
  g_assert_cmpuint (chosen (table, &candidates, 100000), ==, 2);
  g_assert_cmpuint (chosen (table, &candidates, 10000000), ==, 3);
  /* In-process functions of others can't be called, remote ones need not be. */
  candidates = resolve (table, sort, NULL);
  g_assert_cmpuint (candidates.n, ==, 2);
  candidates = resolve (table, sort, &(MossFfiWants){ .local = TRUE, .own = "own" });
  g_assert_cmpuint (chosen (table, &candidates, 10000000), ==, 2);
  moss_ffi_candidates_remove (&candidates, moss_ffi_table_find_offer (table, 2));
  g_assert_cmpuint (chosen (table, &candidates, 10000000), ==, 1);
  /* Who rests or needs too much memory isn't chosen. */
  candidates = resolve (table, sort, &(MossFfiWants){ .memory_bytes = 25000000 });
  g_assert_cmpuint (chosen (table, &candidates, 10000000), ==, 2);
  moss_ffi_table_writer_set_resting (writer, moss_ffi_table_find_offer (table, 2), TRUE);
  g_assert_cmpuint (moss_ffi_choose (table, &candidates, 10000000, NULL), ==, MOSS_FFI_NO_OFFER);
  g_assert_cmpint (why_nobody (table, "transform sort(a/b) -> a/b", NULL), ==,
                   MOSS_FFI_MARKET_ERROR_NOBODY);
  g_assert_cmpint (why_nobody (table, "transform sor(a/b) -> a/b", NULL), ==,
                   MOSS_FFI_MARKET_ERROR_NOBODY);
  candidates = resolve (table, "hash sha256(image/png) -> application/x-moss-digest", NULL);
  g_assert_cmpuint (chosen (table, &candidates, 1000), ==, 8);
}

static void
test_choice_keeps_quality (void)
{
  g_autoptr (MossFfiTableBuilder) builder = usual_offers ();
  g_autoptr (MossFfiTableWriter) writer = moss_ffi_table_builder_publish (builder, NULL);
  MossFfiTable *table = moss_ffi_table_writer_get_table (writer);
  const char *png = "encode(video/x-raw,format=RGB) -> image/png";
  const char *jpeg = "encode(video/x-raw,format=RGB) -> image/jpeg";
  const char *mit[] = { "MIT", NULL };
  MossFfiCandidates candidates = resolve (table, png, NULL);

  /* The finer one, though ten times slower; loss only when asked for. */
  g_assert_cmpuint (chosen (table, &candidates, 1000000), ==, 5);
  candidates = resolve (table, png, &(MossFfiWants){ .least_rank = 400 });
  g_assert_cmpuint (chosen (table, &candidates, 1000000), ==, 4);
  candidates = resolve (table, png, &(MossFfiWants){ .lossy = TRUE });
  g_assert_cmpuint (chosen (table, &candidates, 1000000), ==, 6);
  candidates = resolve (table, png, &(MossFfiWants){ .quality = "usual" });
  g_assert_cmpuint (chosen (table, &candidates, 1000000), ==, 4);
  candidates = resolve (table, png, &(MossFfiWants){ .licences = mit });
  g_assert_cmpuint (candidates.n, ==, 1);
  g_assert_cmpint (why_nobody (table, jpeg, NULL), ==, MOSS_FFI_MARKET_ERROR_LOSSY);
  g_assert_cmpint (why_nobody (table, png, &(MossFfiWants){ .quality = "best" }), ==,
                   MOSS_FFI_MARKET_ERROR_WANTS);
  candidates = resolve (table, jpeg, &(MossFfiWants){ .lossy = TRUE });
  g_assert_cmpuint (chosen (table, &candidates, 1000), ==, 7);
}

/* Of machines that cost the same each gets some; of a clear winner all. */
static void
test_choice_spreads (void)
{
  g_autoptr (MossFfiTableBuilder) builder = moss_ffi_table_builder_new ();
  g_autoptr (MossFfiTableWriter) writer = NULL;
  MossFfiTable *table;
  MossFfiCandidates candidates;
  guint32 calls[5] = { 0 };

  for (guint i = 1; i < 5; i++)
    add_offer (builder, i, add_provider (builder, "far", MOSS_FFI_KIND_REMOTE, 1000), SORT, 0, 500,
               line (10 * (i < 4 ? 1 + i / 100.0 : 9), 1));
  writer = moss_ffi_table_builder_publish (builder, NULL);
  table = moss_ffi_table_writer_get_table (writer);
  candidates = resolve (table, SORT, NULL);
  for (guint dice = 0; dice < 600; dice++)
    {
      guint offer = moss_ffi_choose_spread (table, &candidates, 1 << 20, dice, NULL);

      calls[moss_ffi_table_get_offer (table, offer)->number]++;
    }
  g_assert_cmpuint (calls[1], >, 100);
  g_assert_cmpuint (calls[2], >, 100);
  g_assert_cmpuint (calls[4], ==, 0);
  /* A queue counts. */
  moss_ffi_table_writer_set_cost (writer, 0, &(MossFfiProviderCost){ TRUE, 0, 1e6, 1000, 0 });
  moss_ffi_table_writer_set_cost (writer, 2, &(MossFfiProviderCost){ FALSE, 1e6, 0, 1000, 0 });
  for (guint dice = 0; dice < 100; dice++)
    g_assert_cmpuint (moss_ffi_choose_spread (table, &candidates, 1 << 20, dice, NULL), ==,
                      moss_ffi_table_find_offer (table, 2));
}

static void
test_table (void)
{
  g_autoptr (MossFfiTableBuilder) builder = usual_offers ();
  g_autoptr (MossFfiTableWriter) writer = moss_ffi_table_builder_publish (builder, NULL);
  int fd = moss_ffi_table_writer_get_fd (writer);
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiTable) shared = moss_ffi_table_map (fd, &error);
  g_autoptr (MossFfiTable) copy = moss_ffi_table_read (fd, &error);
  guint offer = moss_ffi_table_find_offer (shared, 2);
  guint32 sequence = moss_ffi_table_get_sequence (shared);
  MossFfiCurve slow = line (1000, 1);
  const MossFfiTableKey *key;

  g_assert_no_error (error);
  g_assert_cmpuint (moss_ffi_table_get_n_offers (shared), ==, 8);
  key = moss_ffi_table_find_key (shared, "encode video/x-raw -> image/png");
  g_assert_nonnull (key);
  g_assert_cmpuint (key->n, ==, 3);
  g_assert_null (moss_ffi_table_find_key (shared, "encode video/x-raw -> image/gif"));
  g_assert_cmpuint (moss_ffi_table_find_offer (shared, 99), ==, G_MAXUINT);
  moss_ffi_table_writer_set_curve (writer, offer, &slow);
  moss_ffi_table_writer_supersede (writer);
  g_assert_cmpuint (moss_ffi_table_get_sequence (shared), ==, sequence + 4);
  g_assert_true (moss_ffi_table_is_superseded (shared));
  g_assert_false (moss_ffi_table_is_superseded (copy));
  g_assert_cmpfloat (moss_ffi_offer_cost_us (shared, offer, 1024), >, 1000);
  g_assert_cmpfloat (moss_ffi_offer_cost_us (copy, offer, 1024), <, 200);
  /* Nobody else gets memory that can be written. */
  g_assert_true (mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  g_assert_cmpint (ftruncate (fd, 10), ==, -1);
}

static void
test_table_unsealed (void)
{
  g_autoptr (MossFfiTableBuilder) builder = usual_offers ();
  g_autoptr (GBytes) bytes = moss_ffi_table_builder_to_bytes (builder);
  g_autoptr (GError) error = NULL;
  int fd = memfd_create ("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  gsize size = g_bytes_get_size (bytes);

  g_assert_cmpint (write (fd, g_bytes_get_data (bytes, NULL), size), ==, size);
  g_assert_null (moss_ffi_table_map (fd, &error));
  g_assert_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_CORRUPT);
  g_clear_error (&error);
  moss_ffi_table_unref (moss_ffi_table_read (fd, &error));
  g_assert_no_error (error);
  g_assert_cmpint (ftruncate (fd, size - 8), ==, 0);
  g_assert_null (moss_ffi_table_read (fd, &error));
  g_assert_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_CORRUPT);
  close (fd);
}

/* Each number of the head and of the first rows set to what it must not be. */
static void
test_table_hostile (void)
{
  g_autoptr (MossFfiTableBuilder) builder = usual_offers ();
  g_autoptr (GBytes) good = moss_ffi_table_builder_to_bytes (builder);
  guint refused = 0;
  gsize size;
  const guint8 *data = g_bytes_get_data (good, &size);

  for (gsize at = 0; at + 4 <= size; at += 4)
    {
      guint8 *changed = g_memdup2 (data, size);
      g_autoptr (GBytes) bytes = g_bytes_new_take (changed, size);
      g_autoptr (MossFfiTable) table = NULL;

      memset (changed + at, 0xff, 4);
      table = moss_ffi_table_new_for_bytes (bytes, NULL);
      refused += table == NULL;
      if (table != NULL)
        for (guint i = 0; i < moss_ffi_table_get_n_offers (table); i++)
          moss_ffi_offer_cost_us (table, i, 1000);
    }
  g_assert_cmpuint (refused, >, 13);
}

/* Ten thousand offers of one kind: the quickest are among those that are looked at. */
static void
test_flood (void)
{
  g_autoptr (MossFfiTableBuilder) builder = moss_ffi_table_builder_new ();
  g_autoptr (MossFfiTableWriter) writer = NULL;
  MossFfiTable *table;
  MossFfiCandidates candidates;
  guint provider = add_provider (builder, "near", MOSS_FFI_KIND_LOCAL, 1);

  for (guint i = 0; i < 10000; i++)
    add_offer (builder, i, provider, SORT, 0, 500, line (100 + i, 1));
  add_offer (builder, 20000, provider, SORT, 0, 500, line (1, 2));
  writer = moss_ffi_table_builder_publish (builder, NULL);
  table = moss_ffi_table_writer_get_table (writer);
  candidates = resolve (table, SORT, NULL);
  g_assert_cmpuint (candidates.n, ==, MOSS_FFI_MAX_CANDIDATES);
  g_assert_cmpuint (chosen (table, &candidates, 2048), ==, 20000);
  g_assert_cmpuint (chosen (table, &candidates, 1 << 24), ==, 0);
}

static void
test_kill (void)
{
  g_autoptr (MossFfiTableBuilder) builder = moss_ffi_table_builder_new ();
  g_autoptr (MossFfiTableWriter) writer = NULL;
  MossFfiTable *table;
  MossFfiCandidates candidates;
  MossFfiCurve guessed = line (1, 1);
  guint provider = add_provider (builder, "near", MOSS_FFI_KIND_LOCAL, 0), offer;

  memset (guessed.count, 0, sizeof guessed.count);
  add_offer (builder, 1, provider, SORT, 0, 500, guessed);
  add_offer (builder, 2, provider, SORT, 0, 500, line (50, 1));
  writer = moss_ffi_table_builder_publish (builder, NULL);
  table = moss_ffi_table_writer_get_table (writer);
  candidates = resolve (table, SORT, NULL);
  offer = moss_ffi_choose (table, &candidates, 1 << 20, NULL);
  g_assert_cmpuint (moss_ffi_table_get_offer (table, offer)->number, ==, 1);
  g_assert_cmpfloat_with_epsilon (moss_ffi_kill_after_us (table, &candidates, offer, 1 << 20),
                                  3 * 50 * 1024, 100);
  g_assert_cmpfloat (moss_ffi_kill_after_us (table, &candidates, offer, 1 << 10), ==,
                     MOSS_FFI_KILL_LEAST_US);
  /* What the other takes is a guess: it must do much worse than both. */
  offer = moss_ffi_table_find_offer (table, 2);
  g_assert_cmpfloat_with_epsilon (moss_ffi_kill_after_us (table, &candidates, offer, 1 << 20),
                                  3 * 4 * 50 * 1024, 400);
  /* Nobody else is known: there is nothing to change to. */
  moss_ffi_candidates_remove (&candidates, moss_ffi_table_find_offer (table, 1));
  g_assert_cmpfloat (moss_ffi_kill_after_us (table, &candidates, offer, 1 << 20), ==, 0);
}

/* A bar that neither runs backwards nor is full before the end. */
static void
test_shown_fraction (void)
{
  double last = 0;

  g_assert_cmpfloat (moss_ffi_shown_fraction (5e6, 0), ==, 0);
  g_assert_cmpfloat (moss_ffi_shown_fraction (-1, 1e6), ==, 0);
  g_assert_cmpfloat_with_epsilon (moss_ffi_shown_fraction (5e5, 1e6), 0.5, 1e-9);
  for (guint i = 1; i <= 30; i++)
    {
      double now = moss_ffi_shown_fraction (i * 1e5, 1e6);

      g_assert_cmpfloat (now, >, last);
      g_assert_cmpfloat (now, <, 1);
      last = now;
    }
}

static void
test_measure (void)
{
  MossFfiLearner one, other;
  const MossFfiLearner *learners[] = { &one, &other };
  MossFfiDemand demand = { 0 };
  MossFfiMeasure measure;
  guint rounds = 0;

  moss_ffi_learner_init (&one);
  moss_ffi_learner_init (&other);
  /* First the canaries, small ones first. */
  while (moss_ffi_next_measure (learners, 2, &demand, NULL, 1, 100, &measure))
    {
      if (rounds < 2)
        g_assert_cmpuint (measure.bytes, ==, 256);
      moss_ffi_learner_observe (measure.offer == 0 ? &one : &other, measure.bytes,
                                measure.bytes * (measure.offer + 1), 1);
      rounds++;
      g_assert_cmpuint (rounds, <=, 2 * MOSS_FFI_CANARIES);
    }
  g_assert_cmpuint (rounds, ==, 2 * MOSS_FFI_CANARIES);
  /* Then what is asked for, with a limit. */
  moss_ffi_demand_note (&demand, 1 << 16);
  moss_ffi_learner_observe (&one, 1 << 16, 65536, 2);
  g_assert_true (moss_ffi_next_measure (learners, 2, &demand, NULL, 3, 100, &measure));
  g_assert_cmpuint (measure.offer, ==, 1);
  g_assert_cmpuint (measure.bytes, ==, 1 << 16);
  g_assert_cmpfloat_with_epsilon (measure.limit_us, 3 * 65536, 100);
  moss_ffi_learner_observe_killed (&other, 1 << 16, 200000, 3);
  g_assert_false (moss_ffi_next_measure (learners, 2, &demand, NULL, 4, 100, &measure));
  /* Then what is old. */
  g_assert_true (moss_ffi_next_measure (learners, 2, &demand, NULL, 110, 100, &measure));
}

/* Who never ran with what others are called with is tried with it once. */
static void
test_asked (void)
{
  MossFfiLearner own, other;
  const MossFfiLearner *others[] = { &own };
  MossFfiDemand demand = { 0 };

  moss_ffi_learner_init (&own);
  moss_ffi_learner_init (&other);
  moss_ffi_learner_observe (&other, 1 << 20, 1e6, 1);
  moss_ffi_demand_note (&demand, 1 << 24);
  /* What nobody was measured with has no limit. */
  g_assert_cmpuint (moss_ffi_next_asked (&other, others, 1, &demand, 0), ==, 0);
  moss_ffi_learner_observe (&own, 1 << 24, 6e5, 1);
  g_assert_cmpuint (moss_ffi_next_asked (&other, others, 1, &demand, 0), ==, 1 << 24);
  g_assert_cmpuint (moss_ffi_next_asked (&other, others, 1, &demand, 1 << 24), ==, 0);
  /* The size that is asked for most comes first. */
  moss_ffi_learner_observe (&own, 1 << 12, 40, 1);
  moss_ffi_demand_note (&demand, 1 << 12);
  moss_ffi_demand_note (&demand, 1 << 12);
  g_assert_cmpuint (moss_ffi_next_asked (&other, others, 1, &demand, 0), ==, 1 << 12);
  moss_ffi_learner_observe (&other, 1 << 12, 400, 1);
  moss_ffi_learner_observe_killed (&other, 1 << 24, 2e6, 1);
  g_assert_cmpuint (moss_ffi_next_asked (&other, others, 1, &demand, 0), ==, 0);
  /* Neither what is too big for an input that is made up, nor what takes anybody too long. */
  moss_ffi_learner_observe (&own, 1 << 27, 1e6, 1);
  moss_ffi_demand_note (&demand, 1 << 27);
  moss_ffi_learner_observe (&own, 1 << 18, 31e6, 1);
  moss_ffi_demand_note (&demand, 1 << 18);
  g_assert_cmpuint (moss_ffi_next_asked (&other, others, 1, &demand, 0), ==, 0);
}

/* One call in a thousand that waits for the processor changes little, a change is followed. */
static void
test_smooth (void)
{
  double us = moss_ffi_smooth (0, 5, 0.25);

  g_assert_cmpfloat (us, ==, 5);
  us = moss_ffi_smooth (us, 10000, 0.25);
  g_assert_cmpfloat (us, <, 50);
  for (guint i = 0; i < 20; i++)
    us = moss_ffi_smooth (us, 400, 0.25);
  g_assert_cmpfloat_with_epsilon (us, 400, 20);
  g_assert_cmpfloat (moss_ffi_smooth (us, 0, 0.25), ==, us);
}

static void
add_step (MossFfiTableBuilder *builder,
          guint32 number,
          guint provider,
          const char *text,
          guint32 flags,
          float ratio,
          float us)
{
  MossFfiCurve curve = line (us, 1), none;
  MossFfiOfferInfo info = { .number = number,
                            .provider = provider,
                            .flags = flags,
                            .rank = 500,
                            .capability = text,
                            .out_per_in = ratio,
                            .curve = us > 0 ? &curve : &none };

  moss_ffi_curve_init (&none);
  g_assert_true (moss_ffi_table_builder_add_offer (builder, &info, NULL));
}

#define RAW "video/x-raw,format="

static MossFfiTableBuilder *
picture_offers (void)
{
  MossFfiTableBuilder *builder = moss_ffi_table_builder_new ();
  guint one = add_provider (builder, "one", MOSS_FFI_KIND_LOCAL, 100);
  guint two = add_provider (builder, "two", MOSS_FFI_KIND_LOCAL, 100);

  add_step (builder, 1, one, "decode(image/png) -> " RAW "{RGBA,RGB,GRAY8}", 0, 10, 100);
  add_step (builder, 2, two, "decode(image/png) -> " RAW "GRAY8", 0, 3, 10);
  add_step (builder, 3, two, "decode(image/png) -> " RAW "{RGB}", 0, 8, 50);
  add_step (builder, 4, one, "encode(" RAW "{RGB,RGBA};level:i?) -> image/webp", 0, 0.1, 20);
  add_step (builder, 5, two, "encode(" RAW "{GRAY8,RGB}) -> image/webp", 0, 0.1, 10);
  add_step (builder, 6, two, "encode(" RAW "{RGB,I420}) -> image/jpeg", MOSS_FFI_OFFER_LOSSY, 0.05,
            5);
  add_step (builder, 7, one, "convert(" RAW "RGB) -> " RAW "I420", 0, 0.5, 1);
  add_step (builder, 8, one, "convert(" RAW "I420) -> " RAW "BGRx", 0, 2, 1);
  add_step (builder, 9, one, "filter sharpen(" RAW "{RGB,RGBA};sigma:d?) -> " RAW "{RGB,RGBA}", 0,
            1, 5);
  add_step (builder, 10, two, "encode(" RAW "BGRx) -> image/bmp", 0, 1, 1);
  add_step (builder, 11, two, "decode(image/gif) -> " RAW "RGB", 0, 10, 10);
  return builder;
}

/* The numbers of the steps, "1 4"; "" when there is no chain. */
static char *
plan (MossFfiPlanner *planner, MossFfiTable *table, const char *text, const MossFfiWants *wants)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiCapability) request = moss_ffi_capability_parse (text, &error);
  g_autoptr (MossFfiPlan) found = NULL;
  g_autoptr (GString) steps = g_string_new (NULL);

  g_assert_no_error (error);
  found = moss_ffi_planner_plan (planner, request, wants, 1 << 20, 1, &error);
  g_assert_true ((found == NULL) == (error != NULL));
  for (guint i = 0; found != NULL && i < found->n; i++)
    {
      const MossFfiPlanStep *step = &found->steps[i];

      g_string_append_printf (steps, "%s%u%s", i > 0 ? " " : "",
                              moss_ffi_table_get_offer (table, step->offer)->number,
                              step->asked ? "!" : "");
      if (i > 0)
        g_assert_true (moss_ffi_caps_equal (step->in, found->steps[i - 1].out));
    }
  return g_string_free (g_steal_pointer (&steps), FALSE);
}

static void
test_plan (void)
{
  static const struct
  {
    const char *request, *steps;
    gboolean lossy;
  } cases[] = {
    /* Transparency and colours are kept, though grey would be quicker. */
    { "convert(image/png) -> image/webp", "1 4", FALSE },
    { "convert(image/jpeg) -> image/webp", "", FALSE },
    { "convert(image/gif) -> image/webp", "11 5", FALSE },
    { "convert(" RAW "GRAY8) -> image/webp", "5", FALSE },
    /* Loss only when it was asked for. */
    { "convert(image/png) -> image/jpeg", "", FALSE },
    /* Half the bytes for one step more. */
    { "convert(image/png) -> image/jpeg", "3 7 6", TRUE },
    /* RGB to I420 and back to RGB is no way. */
    { "convert(image/gif) -> image/bmp", "", FALSE },
    { "convert(" RAW "I420) -> image/bmp", "8 10", FALSE },
    /* An operation in the middle of two changes of form. */
    { "filter sharpen(image/png;sigma:d) -> image/webp", "1 9! 4", FALSE },
    { "filter sharpen(image/png;sigma:i) -> image/webp", "", FALSE },
    { "filter blur(image/png) -> image/webp", "", FALSE },
    { "convert(image/png;level:i) -> image/webp", "1 4!", FALSE },
    { "decode(image/png) -> " RAW "GRAY8", "2", FALSE },
  };
  g_autoptr (MossFfiTableBuilder) builder = picture_offers ();
  g_autoptr (MossFfiTableWriter) writer = moss_ffi_table_builder_publish (builder, NULL);
  MossFfiTable *table = moss_ffi_table_writer_get_table (writer);
  g_autoptr (MossFfiPlanner) planner = moss_ffi_planner_new (table);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *steps = plan (planner, table, cases[i].request,
                                     &(MossFfiWants){ .lossy = cases[i].lossy });

      g_test_message ("%s", cases[i].request);
      g_assert_cmpstr (steps, ==, cases[i].steps);
    }
}

/* What makes bytes of any kind makes no picture: packing and unpacking was once a lossless way to
 * WebP, and quicker than the real one. */
static void
test_plan_any_bytes (void)
{
  const char *webp = "convert(image/png) -> image/webp";
  g_autoptr (MossFfiTableBuilder) builder = moss_ffi_table_builder_new ();
  g_autoptr (MossFfiTableWriter) writer = NULL;
  g_autoptr (MossFfiPlanner) planner = NULL;
  g_autofree char *lossless = NULL, *lossy = NULL, *packed = NULL;
  guint one = add_provider (builder, "one", MOSS_FFI_KIND_LOCAL, 100);
  MossFfiTable *table;

  add_step (builder, 1, one, "decode(image/png) -> " RAW "{RGB,RGBA}", 0, 10, 100);
  add_step (builder, 2, one, "encode(" RAW "{RGB,RGBA}) -> image/webp", MOSS_FFI_OFFER_LOSSY, 0.1,
            100);
  add_step (builder, 3, one, "encode(application/octet-stream;level:i?) -> application/x-xz", 0, 1,
            1);
  add_step (builder, 4, one, "decode(application/x-xz) -> application/octet-stream", 0, 1, 1);
  writer = moss_ffi_table_builder_publish (builder, NULL);
  table = moss_ffi_table_writer_get_table (writer);
  planner = moss_ffi_planner_new (table);
  lossless = plan (planner, table, webp, &(MossFfiWants){ .partly = TRUE });
  g_assert_cmpstr (lossless, ==, "");
  lossy = plan (planner, table, webp, &(MossFfiWants){ .lossy = TRUE, .partly = TRUE });
  g_assert_cmpstr (lossy, ==, "1 2");
  packed = plan (planner, table, "encode(image/png) -> application/x-xz", NULL);
  g_assert_cmpstr (packed, ==, "3");
}

static void
test_plan_cache_and_merge (void)
{
  g_autoptr (MossFfiTableBuilder) builder = picture_offers ();
  g_autoptr (MossFfiTableWriter) writer = NULL;
  g_autoptr (MossFfiPlanner) planner = NULL;
  g_autoptr (MossFfiCapability) request
      = moss_ffi_capability_parse ("convert(image/png) -> image/webp", NULL);
  MossFfiPlan *found;
  MossFfiTable *table;
  g_autofree char *text = NULL;

  /* Provider one does both steps at once, which nobody has tried. */
  add_step (builder, 20, 0, "convert(image/png) -> image/webp", 0, 1, -1);
  writer = moss_ffi_table_builder_publish (builder, NULL);
  table = moss_ffi_table_writer_get_table (writer);
  planner = moss_ffi_planner_new (table);
  found = moss_ffi_planner_plan (planner, request, NULL, 1 << 20, 1, NULL);
  g_assert_cmpuint (found->n, ==, 1);
  g_assert_cmpuint (moss_ffi_table_get_offer (table, found->steps[0].offer)->number, ==, 20);
  g_assert_false (found->cached);
  text = moss_ffi_plan_to_string (found, table);
  g_assert_true (g_str_has_prefix (text, "image/png → image/webp (one, "));
  moss_ffi_plan_free (found);
  /* Kept for sizes of the same bucket, for ten seconds, as long as everybody can be called. */
  found = moss_ffi_planner_plan (planner, request, NULL, (1 << 20) + 5, 2, NULL);
  g_assert_true (found->cached);
  moss_ffi_plan_free (found);
  found = moss_ffi_planner_plan (planner, request, NULL, 1 << 25, 2, NULL);
  g_assert_false (found->cached);
  moss_ffi_plan_free (found);
  found = moss_ffi_planner_plan (planner, request, NULL, 1 << 20, 20 * G_USEC_PER_SEC, NULL);
  g_assert_false (found->cached);
  moss_ffi_plan_free (found);
  moss_ffi_table_writer_set_resting (writer, moss_ffi_table_find_offer (table, 20), TRUE);
  found = moss_ffi_planner_plan (planner, request, NULL, 1 << 20, 20 * G_USEC_PER_SEC, NULL);
  g_assert_cmpuint (found->n, ==, 2);
  moss_ffi_plan_free (found);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/curve/learns", test_curve_learns);
  g_test_add_func ("/curve/follows-change", test_curve_follows_change);
  g_test_add_func ("/curve/censored", test_curve_censored);
  g_test_add_func ("/curve/bytes", test_curve_bytes);
  g_test_add_func ("/choice/size", test_choice);
  g_test_add_func ("/choice/quality", test_choice_keeps_quality);
  g_test_add_func ("/choice/spread", test_choice_spreads);
  g_test_add_func ("/choice/flood", test_flood);
  g_test_add_func ("/table/published", test_table);
  g_test_add_func ("/table/unsealed", test_table_unsealed);
  g_test_add_func ("/table/hostile", test_table_hostile);
  g_test_add_func ("/plan/chains", test_plan);
  g_test_add_func ("/plan/any-bytes", test_plan_any_bytes);
  g_test_add_func ("/plan/cache-and-merge", test_plan_cache_and_merge);
  g_test_add_func ("/policy/kill", test_kill);
  g_test_add_func ("/policy/measure", test_measure);
  g_test_add_func ("/policy/asked", test_asked);
  g_test_add_func ("/policy/smooth", test_smooth);
  g_test_add_func ("/policy/shown-fraction", test_shown_fraction);
  return g_test_run ();
}
