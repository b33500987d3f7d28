// SPDX-License-Identifier: LGPL-2.1-or-later
/* Chains: what nobody offers directly is planned as at most four steps, the quickest way through
 * the offers for this size. One thread a planner. */
#pragma once

#include "choice.h"

G_BEGIN_DECLS

#define MOSS_FFI_PLAN_MAX_STEPS 4

typedef struct
{
  guint offer; /* index in the table */
  MossFfiCaps *in, *out; /* @out is what the step is to be asked for */
  guint64 bytes_in, bytes_out; /* expected */
  float predicted_us;
  gboolean asked; /* it is the operation that was asked for and gets the options */
} MossFfiPlanStep;

typedef struct
{
  guint n;
  MossFfiPlanStep steps[MOSS_FFI_PLAN_MAX_STEPS];
  float predicted_us;
  gboolean cached; /* it was found before */
} MossFfiPlan;

typedef struct _MossFfiPlanner MossFfiPlanner;

MossFfiPlanner *moss_ffi_planner_new (MossFfiTable *table);
void moss_ffi_planner_free (MossFfiPlanner *planner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiPlanner, moss_ffi_planner_free)

MossFfiPlan *moss_ffi_planner_plan (MossFfiPlanner *planner,
                                    const MossFfiCapability *request,
                                    const MossFfiWants *wants,
                                    guint64 bytes,
                                    gint64 now_us,
                                    GError **error);
void moss_ffi_plan_free (MossFfiPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiPlan, moss_ffi_plan_free)
char *moss_ffi_duration_to_string (double us);
char *moss_ffi_plan_to_string (const MossFfiPlan *plan, const MossFfiTable *table);

G_END_DECLS
