/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How long each step of a move took, for reports and the log: a(sd), names and milliseconds. */
typedef struct
{
  GVariantBuilder builder;
  gint64 last_us;
} MossStages;

static inline void
moss_stages_begin (MossStages *stages)
{
  g_variant_builder_init (&stages->builder, G_VARIANT_TYPE ("a(sd)"));
  stages->last_us = g_get_monotonic_time ();
}

/* What was done since the last mark was the step of this name. */
static inline void
moss_stages_mark (MossStages *stages, const char *name)
{
  gint64 now_us = g_get_monotonic_time ();

  g_variant_builder_add (&stages->builder, "(sd)", name, (now_us - stages->last_us) / 1000.0);
  stages->last_us = now_us;
}

/* The steps that somebody else measured. */
static inline void
moss_stages_append (MossStages *stages, GVariant *others)
{
  GVariantIter iter;
  const char *name;
  double ms;

  g_variant_iter_init (&iter, others);
  while (g_variant_iter_next (&iter, "(&sd)", &name, &ms))
    g_variant_builder_add (&stages->builder, "(sd)", name, ms);
}

G_END_DECLS
