// SPDX-License-Identifier: LGPL-2.1-or-later
/* Plans of one step: what somebody offers directly. */
#include "plan.h"

struct _MossFfiPlanner
{
  MossFfiTable *table;
};

MossFfiPlanner *
moss_ffi_planner_new (MossFfiTable *table)
{
  MossFfiPlanner *planner = g_new0 (MossFfiPlanner, 1);

  planner->table = moss_ffi_table_ref (table);
  return planner;
}

void
moss_ffi_planner_free (MossFfiPlanner *planner)
{
  moss_ffi_table_unref (planner->table);
  g_free (planner);
}

static guint64
expected_out (const MossFfiTable *table, guint offer, guint64 bytes)
{
  float ratio = moss_ffi_table_get_offer (table, offer)->out_per_in;

  return ratio > 0 && ratio < 1e6f ? (guint64) (bytes * (double) ratio) : bytes;
}

MossFfiPlan *
moss_ffi_planner_plan (MossFfiPlanner *planner, const MossFfiCapability *request,
                       const MossFfiWants *wants, guint64 bytes, gint64 now_us, GError **error)
{
  MossFfiCandidates candidates;
  MossFfiPlan *plan;
  float us = 0;
  guint offer;

  if (!moss_ffi_resolve (planner->table, request, wants, &candidates, error))
    return NULL;
  offer = moss_ffi_choose (planner->table, &candidates, bytes, &us);
  if (offer == MOSS_FFI_NO_OFFER)
    {
      g_set_error_literal (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_NOBODY,
                           "nobody offers that now");
      return NULL;
    }
  plan = g_new0 (MossFfiPlan, 1);
  plan->n = 1;
  plan->predicted_us = us;
  plan->steps[0].offer = offer;
  if (request->inputs->len > 0)
    plan->steps[0].in = moss_ffi_caps_ref (moss_ffi_capability_get_input (request, 0));
  plan->steps[0].out = moss_ffi_caps_ref (request->output);
  plan->steps[0].bytes_in = bytes;
  plan->steps[0].bytes_out = expected_out (planner->table, offer, bytes);
  plan->steps[0].predicted_us = us;
  plan->steps[0].asked = TRUE;
  return plan;
}

void
moss_ffi_plan_free (MossFfiPlan *plan)
{
  for (guint i = 0; i < plan->n; i++)
    {
      g_clear_pointer (&plan->steps[i].in, moss_ffi_caps_unref);
      g_clear_pointer (&plan->steps[i].out, moss_ffi_caps_unref);
    }
  g_free (plan);
}

char *
moss_ffi_plan_to_string (const MossFfiPlan *plan, const MossFfiTable *table)
{
  const MossFfiTableOffer *offer = moss_ffi_table_get_offer (table, plan->steps[0].offer);
  const MossFfiTableProvider *provider = moss_ffi_table_get_provider_of (table, offer);

  return g_strdup_printf ("%s (%s, %.1f ms)", moss_ffi_caps_get_media (plan->steps[0].out),
                          moss_ffi_table_get_text (table, provider->name),
                          plan->predicted_us / 1000);
}
