// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <glib.h>

/* A bucket of tokens: so many a second, so many at once. */
typedef struct
{
  double level;
  gint64 last_us; /* monotonic; 0: never used, so full */
} Rate;

gboolean rate_take (Rate *rate, double a_second, double at_once, gint64 now_us);

typedef struct _RateTable RateTable;

RateTable *rate_table_new (double a_second, double at_once);
gboolean rate_table_take (RateTable *table, const char *who, gint64 now_us);
void rate_table_free (RateTable *table);
