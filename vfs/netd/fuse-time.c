// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-time.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US G_GINT64_CONSTANT (1000000)
#define TEXT_MAX 40

char *
fuse_time_format (gint64 time_us)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (time_us / SECOND_US);

  return time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup ("0");
}

static gint64
to_us (GDateTime *time)
{
  return g_date_time_to_unix (time) * SECOND_US;
}

/* The last moment of that day, here. */
static gboolean
parse_day (const char *text, gint64 *time_us)
{
  g_autoptr (GDateTime) start = NULL;
  g_autoptr (GDateTime) end = NULL;
  int year, month, day, used = 0;

  if (sscanf (text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || text[used] != '\0')
    return FALSE;
  start = g_date_time_new_local (year, month, day, 0, 0, 0);
  end = start != NULL ? g_date_time_add_days (start, 1) : NULL;
  if (end == NULL)
    return FALSE;
  *time_us = to_us (end) - 1;
  return TRUE;
}

static gboolean
parse_ago (const char *text, gint64 now_us, gint64 *time_us)
{
  static const struct
  {
    const char *unit;
    gint64 seconds;
  } units[] = { { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 604800 } };
  char *rest;
  guint64 n = g_ascii_strtoull (text, &rest, 10);

  if (!g_ascii_isdigit (*text) || n > 100000)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    if (strcmp (rest, units[i].unit) == 0)
      {
        *time_us = now_us - (gint64) n * units[i].seconds * SECOND_US;
        return TRUE;
      }
  return FALSE;
}

static gboolean
parse_yesterday (const char *text, gint64 now_us, gint64 *time_us)
{
  g_autoptr (GDateTime) now = NULL;
  g_autoptr (GDateTime) midnight = NULL;

  if (strcmp (text, "yesterday") != 0)
    return FALSE;
  now = g_date_time_new_from_unix_local (now_us / SECOND_US);
  midnight = g_date_time_new_local (g_date_time_get_year (now), g_date_time_get_month (now),
                                    g_date_time_get_day_of_month (now), 0, 0, 0);
  *time_us = midnight != NULL ? to_us (midnight) - 1 : now_us - 86400 * SECOND_US;
  return TRUE;
}

/* A second stands for its end, so that a listed name finds what it was made from. */
static gboolean
parse_moment (const char *text, gint64 *time_us)
{
  g_autoptr (GTimeZone) zone = g_time_zone_new_local ();
  g_autoptr (GDateTime) time = NULL;
  g_autofree char *full = NULL;

  if (strlen (text) == strlen ("2026-11-22T18:30"))
    full = g_strconcat (text, ":59", NULL);
  time = g_date_time_new_from_iso8601 (full != NULL ? full : text, zone);
  if (time == NULL)
    return FALSE;
  *time_us = to_us (time) + SECOND_US - 1;
  return TRUE;
}

gboolean
fuse_time_parse (const char *text, gint64 now_us, gint64 *time_us, gboolean *is_relative)
{
  char *rest;

  *is_relative = FALSE;
  if (strlen (text) > TEXT_MAX)
    return FALSE;
  if (*text == '@' && g_ascii_isdigit (text[1]))
    {
      *time_us = g_ascii_strtoll (text + 1, &rest, 10) * SECOND_US + SECOND_US - 1;
      return *rest == '\0' && strlen (text) < 13;
    }
  if (parse_day (text, time_us) || parse_moment (text, time_us))
    return TRUE;
  *is_relative = parse_ago (text, now_us, time_us) || parse_yesterday (text, now_us, time_us);
  return *is_relative;
}
