/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of functions, as whoever listens at the broker's place may send it. With libFuzzer:
 * clang -fsanitize=fuzzer -DMOSS_LIBFUZZER. Without: a good one is changed at random. */
#include "ffi-broker/market/plan.h"
#include "ffi-broker/market/policy.h"
#include "ffi-broker/market/table-writer.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const char *const requests[]
    = { "encode(video/x-raw,format=RGB) -> image/png", "convert(image/png) -> image/webp" };

/* All that a client does with a table. */
static void
use (MossFfiTable *table)
{
  g_autoptr (MossFfiPlanner) planner = moss_ffi_planner_new (table);

  for (guint i = 0; i < moss_ffi_table_get_n_keys (table); i++)
    {
      const MossFfiTableKey *key = moss_ffi_table_get_key (table, i);

      moss_ffi_table_find_key (table, moss_ffi_table_get_text (table, key->text));
    }
  for (guint i = 0; i < moss_ffi_table_get_n_offers (table); i++)
    if (moss_ffi_table_find_offer (table, moss_ffi_table_get_offer (table, i)->number) != i)
      abort ();
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      g_autoptr (MossFfiCapability) request = moss_ffi_capability_parse (requests[i], NULL);
      g_autoptr (MossFfiPlan) plan = NULL;
      MossFfiCandidates candidates;
      float us;

      if (moss_ffi_resolve (table, request, NULL, &candidates, NULL))
        {
          guint offer = moss_ffi_choose (table, &candidates, 5000, &us);

          if (offer != MOSS_FFI_NO_OFFER)
            moss_ffi_kill_after_us (table, &candidates, offer, 5000);
          moss_ffi_choose_spread (table, &candidates, G_MAXUINT64, i, &us);
        }
      plan = moss_ffi_planner_plan (planner, request, NULL, 5000, 1, NULL);
      if (plan != NULL)
        g_free (moss_ffi_plan_to_string (plan, table));
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiTable) table = moss_ffi_table_new_for_bytes (bytes, &error);

  if ((table == NULL) != (error != NULL))
    abort ();
  if (table != NULL)
    use (table);
  return table != NULL;
}

#ifndef MOSS_LIBFUZZER
#  include "mutate.h"

static GBytes *
good_table (void)
{
  static const char *const offers[]
      = { "encode(video/x-raw,format={RGB,RGBA};level:i?) -> image/png",
          "decode(image/png) -> video/x-raw,format={RGBA,RGB}",
          "encode(video/x-raw,format=RGB) -> image/webp",
          "encode(video/x-raw,format={RGB,GRAY8}) -> image/png" };
  g_autoptr (MossFfiTableBuilder) builder = moss_ffi_table_builder_new ();
  MossFfiProviderInfo provider
      = { .id = "one", .name = "One", .version = "1", .cost = { TRUE, 5, 5, 5, 5 } };
  MossFfiLearner learner;

  moss_ffi_learner_init (&learner);
  moss_ffi_learner_observe (&learner, 5000, 50, 1);
  moss_ffi_table_builder_add_provider (builder, &provider);
  provider.kind = MOSS_FFI_KIND_REMOTE;
  moss_ffi_table_builder_add_provider (builder, &provider);
  for (guint i = 0; i < G_N_ELEMENTS (offers); i++)
    {
      MossFfiOfferInfo offer = { .number = i,
                                 .provider = i % 2,
                                 .rank = 500,
                                 .capability = offers[i],
                                 .out_per_in = 1,
                                 .curve = &learner.curve };

      moss_ffi_table_builder_add_offer (builder, &offer, NULL);
    }
  return moss_ffi_table_builder_to_bytes (builder);
}

int
main (int argc, char **argv)
{
  guint rounds;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);
  g_autoptr (GBytes) good = good_table ();
  gsize size;
  const guint8 *data = g_bytes_get_data (good, &size);

  if (!LLVMFuzzerTestOneInput (data, size))
    return 1;
  for (guint i = 0; i < rounds; i++)
    {
      g_autoptr (GByteArray) bytes = mutate (rand, data, size);

      LLVMFuzzerTestOneInput (bytes->data, bytes->len);
    }
  return 0;
}
#endif
