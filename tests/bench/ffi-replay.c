// SPDX-License-Identifier: GPL-3.0-or-later
/* Replays calls over recorded costs of real providers (ffi-costs.json: what each of them takes at
 * each size) with the broker's own curves, choice and policy, and compares with an oracle that
 * knows all of it. One JSON line a figure. Every capability counts the same. What is measured
 * while idle is not counted, as in life; it is at most one measurement for five calls.
 *   ffi-replay [--quick] [COSTS] */
#include "ffi-broker/market/policy.h"
#include "ffi-broker/market/table-writer.h"

#include <stdlib.h>
#include <string.h>

#define CALLS 2000
#define WARM 500
#define PROVIDERS_MAX 8
#define SIZES_MAX 64
#define STALE_AFTER 250
#define IDLE_EVERY 5
#define CHANGE 8.0

typedef struct
{
  char *name, *media;
  GPtrArray *providers;
  guint n_sizes;
  guint64 sizes[SIZES_MAX];
  double us[PROVIDERS_MAX][SIZES_MAX]; /* infinite: not in a minute, or not at all */
} Vectors;

/* --- reading --- */

static void
expect (GScanner *scanner, guint token)
{
  if (g_scanner_get_next_token (scanner) != token)
    g_error ("ffi-costs.json: line %u: unexpected", scanner->line);
}

static char *
read_string (GScanner *scanner)
{
  expect (scanner, G_TOKEN_STRING);
  return g_strdup (scanner->value.v_string);
}

static void
read_name (GScanner *scanner, const char *name)
{
  g_autofree char *found = read_string (scanner);

  if (strcmp (found, name) != 0)
    g_error ("ffi-costs.json: line %u: “%s” instead of “%s”", scanner->line, found, name);
  expect (scanner, ':');
}

static gboolean
more (GScanner *scanner, guint close)
{
  GTokenType token = g_scanner_get_next_token (scanner);

  if (token != ',' && token != close)
    g_error ("ffi-costs.json: line %u: unexpected", scanner->line);
  return token == ',';
}

static guint
read_numbers (GScanner *scanner, double *numbers)
{
  guint n = 0;

  expect (scanner, '[');
  do
    {
      GTokenType token = g_scanner_get_next_token (scanner);

      if (n == SIZES_MAX)
        g_error ("ffi-costs.json: line %u: more than %d sizes", scanner->line, SIZES_MAX);
      numbers[n++] = token == G_TOKEN_FLOAT ? MAX (scanner->value.v_float, 1) : INFINITY;
    }
  while (more (scanner, ']'));
  return n;
}

static Vectors *
read_capability (GScanner *scanner)
{
  Vectors *vectors = g_new0 (Vectors, 1);
  double sizes[SIZES_MAX];
  guint row = 0;

  expect (scanner, '{');
  read_name (scanner, "name");
  vectors->name = read_string (scanner);
  expect (scanner, ',');
  read_name (scanner, "media");
  vectors->media = read_string (scanner);
  expect (scanner, ',');
  read_name (scanner, "providers");
  vectors->providers = g_ptr_array_new_with_free_func (g_free);
  expect (scanner, '[');
  do
    g_ptr_array_add (vectors->providers, read_string (scanner));
  while (more (scanner, ']'));
  expect (scanner, ',');
  read_name (scanner, "sizes");
  vectors->n_sizes = read_numbers (scanner, sizes);
  for (guint i = 0; i < vectors->n_sizes; i++)
    vectors->sizes[i] = sizes[i];
  expect (scanner, ',');
  read_name (scanner, "us");
  expect (scanner, '[');
  do
    {
      if (row == PROVIDERS_MAX || row == vectors->providers->len ||
          read_numbers (scanner, vectors->us[row++]) != vectors->n_sizes)
        g_error ("ffi-costs.json: line %u: not one number a size and provider", scanner->line);
    }
  while (more (scanner, ']'));
  expect (scanner, '}');
  return vectors;
}

/* Who can't do it at all was no choice. */
static void
drop_incapable (Vectors *vectors)
{
  for (guint i = vectors->providers->len; i-- > 0;)
    {
      gboolean can = FALSE;

      for (guint j = 0; j < vectors->n_sizes; j++)
        can |= isfinite (vectors->us[i][j]);
      if (can)
        continue;
      g_ptr_array_remove_index (vectors->providers, i);
      memmove (vectors->us[i], vectors->us[i + 1],
               (vectors->providers->len - i) * sizeof *vectors->us);
    }
}

static GPtrArray *
read_costs (const char *path)
{
  g_autofree char *text = NULL;
  g_autofree char *machine = NULL;
  g_autoptr (GError) error = NULL;
  GScanner *scanner = g_scanner_new (NULL);
  GPtrArray *all = g_ptr_array_new ();
  gsize length;

  if (!g_file_get_contents (path, &text, &length, &error))
    g_error ("%s", error->message);
  scanner->config->int_2_float = TRUE;
  g_scanner_input_text (scanner, text, length);
  expect (scanner, '{');
  read_name (scanner, "machine");
  machine = read_string (scanner);
  expect (scanner, ',');
  read_name (scanner, "capabilities");
  expect (scanner, '[');
  do
    {
      Vectors *vectors = read_capability (scanner);

      drop_incapable (vectors);
      if (vectors->providers->len >= 4)
        g_ptr_array_add (all, vectors);
      else
        g_printerr ("%s has only %u providers: not played\n", vectors->name,
                    vectors->providers->len);
    }
  while (more (scanner, ']'));
  g_scanner_destroy (scanner);
  return all;
}

/* --- the world --- */

typedef struct
{
  const Vectors *vectors;
  guint n;
  double factor[PROVIDERS_MAX]; /* what the providers are slower by now */
} World;

/* What a provider takes: as recorded, between recorded sizes in a straight line of logarithms. */
static double
true_us (const World *world, guint provider, guint64 bytes)
{
  const Vectors *vectors = world->vectors;
  const double *us = vectors->us[provider];
  guint high = 1;
  double x0, x1, t;

  for (guint i = 0; i < vectors->n_sizes; i++)
    if (vectors->sizes[i] == bytes)
      return us[i] * world->factor[provider];
  while (high + 1 < vectors->n_sizes && vectors->sizes[high] < bytes)
    high++;
  x0 = log2 (vectors->sizes[high - 1]);
  x1 = log2 (vectors->sizes[high]);
  t = CLAMP ((log2 (bytes) - x0) / (x1 - x0), 0, 2);
  return exp2 (log2 (us[high - 1]) + t * (log2 (us[high]) - log2 (us[high - 1]))) *
         world->factor[provider];
}

static double
oracle_us (const World *world, guint64 bytes)
{
  double least = INFINITY;

  for (guint i = 0; i < world->n; i++)
    least = MIN (least, true_us (world, i, bytes));
  return least;
}

/* --- the market --- */

typedef struct
{
  MossFfiTableWriter *writer;
  MossFfiTable *table;
  MossFfiCandidates candidates;
  MossFfiLearner learners[PROVIDERS_MAX];
  MossFfiDemand demand;
  guint index[PROVIDERS_MAX]; /* of the provider's offer in the table */
} Market;

#define REQUEST "transform played(application/octet-stream) -> application/octet-stream"

static void
add_offer (MossFfiTableBuilder *builder,
           guint32 number,
           const char *text,
           const MossFfiCurve *curve)
{
  g_autofree char *id = g_strdup_printf ("provider-%u", number);
  MossFfiProviderInfo provider
      = { .number = number, .id = id, .kind = MOSS_FFI_KIND_LOCAL, .cost = { .warm = TRUE } };
  MossFfiOfferInfo offer = { .number = number,
                             .provider = moss_ffi_table_builder_add_provider (builder, &provider),
                             .flags = MOSS_FFI_OFFER_PURE,
                             .rank = MOSS_FFI_RANK_USUAL,
                             .capability = text,
                             .out_per_in = 1,
                             .curve = curve };
  g_autoptr (GError) error = NULL;

  if (!moss_ffi_table_builder_add_offer (builder, &offer, &error))
    g_error ("%s", error->message);
}

static void
market_open (Market *market, const World *world)
{
  g_autoptr (MossFfiTableBuilder) builder = moss_ffi_table_builder_new ();
  g_autoptr (MossFfiCapability) request = moss_ffi_capability_parse (REQUEST, NULL);

  memset (market, 0, sizeof *market);
  for (guint i = 0; i < world->n; i++)
    {
      moss_ffi_learner_init (&market->learners[i]);
      add_offer (builder, i, REQUEST, NULL);
    }
  market->writer = moss_ffi_table_builder_publish (builder, NULL);
  market->table = moss_ffi_table_writer_get_table (market->writer);
  for (guint i = 0; i < world->n; i++)
    market->index[i] = moss_ffi_table_find_offer (market->table, i);
  moss_ffi_resolve (market->table, request, NULL, &market->candidates, NULL);
}

static void
learn (Market *market, guint provider, guint64 bytes, double us, gboolean killed, guint now)
{
  MossFfiLearner *learner = &market->learners[provider];

  if (killed)
    moss_ffi_learner_observe_killed (learner, bytes, us, now);
  else
    moss_ffi_learner_observe (learner, bytes, us, now);
  moss_ffi_table_writer_set_curve (market->writer, market->index[provider], &learner->curve);
}

/* Nobody waits for it. FALSE when nothing is worth measuring. */
static gboolean
measure_idle (Market *market, const World *world, guint now)
{
  const MossFfiLearner *learners[PROVIDERS_MAX];
  MossFfiMeasure measure;
  double us;

  for (guint i = 0; i < world->n; i++)
    learners[i] = &market->learners[i];
  if (!moss_ffi_next_measure (learners, world->n, &market->demand, world->vectors->media, now,
                              STALE_AFTER, &measure))
    return FALSE;
  us = true_us (world, measure.offer, measure.bytes);
  if (measure.limit_us == 0 && !isfinite (us))
    measure.limit_us = 60e6;
  if (measure.limit_us > 0 && us > measure.limit_us)
    learn (market, measure.offer, measure.bytes, measure.limit_us, TRUE, now);
  else
    learn (market, measure.offer, measure.bytes, us, FALSE, now);
  return TRUE;
}

/* One call as a client makes it; what it had to wait for all in all. */
static double
call (Market *market, const World *world, guint64 bytes, guint now)
{
  MossFfiCandidates left = market->candidates;
  double waited = 0;

  moss_ffi_demand_note (&market->demand, bytes);
  while (TRUE)
    {
      guint offer = moss_ffi_choose (market->table, &left, bytes, NULL);
      guint provider = moss_ffi_table_get_offer (market->table, offer)->number;
      float limit = moss_ffi_kill_after_us (market->table, &left, offer, bytes);
      double us = true_us (world, provider, bytes);

      if (left.n == 1 || limit == 0 || us <= limit)
        {
          if (!isfinite (us))
            g_error ("%s: nobody can do %" G_GUINT64_FORMAT " bytes", world->vectors->name, bytes);
          learn (market, provider, bytes, us, FALSE, now);
          return waited + us;
        }
      learn (market, provider, bytes, limit, TRUE, now);
      moss_ffi_candidates_remove (&left, offer);
      waited += limit;
    }
}

/* --- the figures --- */

typedef struct
{
  double total, late, oracle, late_oracle, logarithms, worst;
  double single[PROVIDERS_MAX], late_single[PROVIDERS_MAX];
  guint calls;
} Sums;

static void
play (const Vectors *vectors, guint32 seed, double change, Sums *sums)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  World world = { .vectors = vectors, .n = vectors->providers->len };
  Market market;

  for (guint i = 0; i < world.n; i++)
    world.factor[i] = 1;
  market_open (&market, &world);
  while (measure_idle (&market, &world, 1))
    ;
  for (guint now = 1; now <= CALLS; now++)
    {
      guint64 bytes = vectors->sizes[g_rand_int_range (rand, 0, vectors->n_sizes)];
      double us, least;

      if (now == CALLS / 2 && change != 1)
        {
          guint one = g_rand_int_range (rand, 0, world.n);

          world.factor[one] = world.factor[(one + 1) % world.n] = change;
        }
      least = oracle_us (&world, bytes);
      us = call (&market, &world, bytes, now);
      sums->total += us;
      sums->oracle += least;
      sums->logarithms += log (us / least);
      sums->worst = MAX (sums->worst, us / least);
      sums->calls++;
      if (now > (change != 1 ? CALLS / 2 : WARM))
        {
          sums->late += us;
          sums->late_oracle += least;
          for (guint i = 0; i < world.n; i++)
            sums->late_single[i] += MIN (true_us (&world, i, bytes), 60e6);
        }
      if (now % IDLE_EVERY == 0)
        measure_idle (&market, &world, now);
    }
  moss_ffi_table_writer_free (market.writer);
}

static void
figure (const char *name, double value, const char *unit, const char *better, double goal, guint n)
{
  g_print ("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\", \"better\": \"%s\", "
           "\"goal\": %g, \"n\": %u}\n",
           name, value, unit, better, goal, n);
}

static double
best_single (const Sums *sums, guint n)
{
  double least = INFINITY;

  for (guint i = 0; i < n; i++)
    least = MIN (least, sums->late_single[i]);
  return least;
}

static void
replay (GPtrArray *all, guint seeds)
{
  double total = 0, logarithms = 0, worst = 0, gap = 0, whole_gap = 0, changed = 0;
  guint calls = 0;

  for (guint i = 0; i < all->len; i++)
    {
      const Vectors *vectors = all->pdata[i];
      Sums sums = { 0 }, slower = { 0 }, quicker = { 0 };
      double single;

      for (guint32 seed = 1; seed <= seeds; seed++)
        {
          play (vectors, seed, 1, &sums);
          play (vectors, seed + 1000, CHANGE, &slower);
          play (vectors, seed + 2000, 1 / CHANGE, &quicker);
        }
      single = best_single (&sums, vectors->providers->len);
      total += sums.total / sums.oracle;
      logarithms += sums.logarithms;
      worst = MAX (worst, sums.worst);
      gap += (single - sums.late) / sums.late_oracle;
      whole_gap += (single - sums.late_oracle) / sums.late_oracle;
      changed += (slower.late / slower.late_oracle + quicker.late / quicker.late_oracle) / 2;
      calls += sums.calls;
      g_printerr ("%-50s total %.4f  geometric %.4f  worst %.2f  best single %.3f  slower %.3f  "
                  "quicker %.3f\n",
                  vectors->name, sums.total / sums.oracle, exp (sums.logarithms / sums.calls),
                  sums.worst, single / sums.late_oracle, slower.late / slower.late_oracle,
                  quicker.late / quicker.late_oracle);
    }
  figure ("replay-total", total / all->len, "ratio", "lower", 1.05, calls);
  figure ("replay-geometric", exp (logarithms / calls), "ratio", "lower", 1.03, calls);
  figure ("replay-worst", worst, "ratio", "lower", 8, calls);
  figure ("replay-after-change", changed / all->len, "ratio", "lower", 1.2, calls);
  figure ("closed-gap", gap / whole_gap, "ratio", "higher", 0.95, calls);
}

/* --- the decision --- */

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

/* The median of rounds of one choice, in µs, among as many candidates as there can be, in a table
 * with ten thousand offers. */
static double
decision_us (guint rounds)
{
  g_autoptr (MossFfiTableBuilder) builder = moss_ffi_table_builder_new ();
  g_autoptr (MossFfiTableWriter) writer = NULL;
  g_autoptr (MossFfiCapability) request = moss_ffi_capability_parse (REQUEST, NULL);
  MossFfiCandidates candidates;
  MossFfiLearner learner;
  g_autofree double *times = g_new (double, rounds);
  guint sum = 0;

  for (guint i = 0; i < 10000; i++)
    {
      g_autofree char *text
          = i < 100 ? g_strdup (REQUEST)
                    : g_strdup_printf ("transform other-%u(a/b) -> a/b", i / 4);

      moss_ffi_learner_init (&learner);
      for (guint b = 8; b < 26; b += 3)
        moss_ffi_learner_observe (&learner, 1 << b, (1 << b) / 100.0 + i * 10, 1);
      add_offer (builder, i, text, &learner.curve);
    }
  writer = moss_ffi_table_builder_publish (builder, NULL);
  moss_ffi_resolve (moss_ffi_table_writer_get_table (writer), request, NULL, &candidates, NULL);
  for (guint round = 0; round < rounds; round++)
    {
      gint64 start = g_get_monotonic_time ();

      for (guint i = 0; i < 1000; i++)
        sum += moss_ffi_choose (moss_ffi_table_writer_get_table (writer), &candidates,
                                100 + (guint64) i * i * 10, NULL);
      times[round] = (g_get_monotonic_time () - start) / 1000.0;
    }
  g_assert_cmpuint (sum, >, 0);
  g_assert_cmpuint (candidates.n, ==, MOSS_FFI_MAX_CANDIDATES);
  qsort (times, rounds, sizeof *times, compare);
  return times[rounds / 2];
}

int
main (int argc, char **argv)
{
  gboolean quick = argc > 1 && strcmp (argv[1], "--quick") == 0;
  const char *path = argc > 1 + quick ? argv[1 + quick] : COSTS;
  g_autoptr (GPtrArray) all = NULL;

  figure ("decision", decision_us (quick ? 20 : 200), "us", "lower", 2, quick ? 20000 : 200000);
  all = read_costs (path);
  if (all->len < 5)
    {
      g_printerr ("%s has only %u capabilities with four providers\n", path, all->len);
      return EXIT_FAILURE;
    }
  replay (all, quick ? 1 : 12);
  return EXIT_SUCCESS;
}
