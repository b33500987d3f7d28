// SPDX-License-Identifier: GPL-3.0-or-later
/* How often somebody may ask. The table of strangers is bounded: who has been quiet long enough
 * to have a full bucket is forgotten, and while it is full of others, a newcomer is refused. */
#include "vfs/host/rate.h"

enum
{
  STRANGERS_MAX = 4096,
};

struct _RateTable
{
  double a_second, at_once;
  GHashTable *rates; /* name → Rate */
};

gboolean
rate_take (Rate *rate, double a_second, double at_once, gint64 now_us)
{
  if (rate->last_us == 0)
    rate->level = at_once;
  else
    rate->level += a_second * (double) (now_us - rate->last_us) / G_USEC_PER_SEC;
  rate->last_us = now_us;
  rate->level = MIN (rate->level, at_once);
  if (rate->level < 1)
    return FALSE;
  rate->level -= 1;
  return TRUE;
}

RateTable *
rate_table_new (double a_second, double at_once)
{
  RateTable *table = g_new0 (RateTable, 1);

  table->a_second = a_second;
  table->at_once = at_once;
  table->rates = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return table;
}

static void
forget_quiet (RateTable *table, gint64 now_us)
{
  gint64 quiet = (gint64) (table->at_once / table->a_second * G_USEC_PER_SEC);
  GHashTableIter iter;
  Rate *rate;

  g_hash_table_iter_init (&iter, table->rates);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &rate))
    if (now_us - rate->last_us > quiet)
      g_hash_table_iter_remove (&iter);
}

gboolean
rate_table_take (RateTable *table, const char *who, gint64 now_us)
{
  Rate *rate = g_hash_table_lookup (table->rates, who);

  if (rate == NULL)
    {
      if (g_hash_table_size (table->rates) >= STRANGERS_MAX)
        forget_quiet (table, now_us);
      if (g_hash_table_size (table->rates) >= STRANGERS_MAX)
        return FALSE;
      rate = g_new0 (Rate, 1);
      g_hash_table_insert (table->rates, g_strdup (who), rate);
    }
  return rate_take (rate, table->a_second, table->at_once, now_us);
}

void
rate_table_free (RateTable *table)
{
  g_hash_table_unref (table->rates);
  g_free (table);
}
