// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-format"

#include "format.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

/* Numbers and errors as a person reads them. Every function gives back a new string. */

/* “0.4 s”, “12 s”, “3 min” */
char *
moss_format_duration_ms (guint milliseconds)
{
  double seconds = MAX (milliseconds, 100) / 1000.0;

  if (seconds < 10)
    /* Translators: a short time, as in “0.4 s” */
    return g_strdup_printf (_("%.1f s"), seconds);
  if (seconds < 100)
    return g_strdup_printf (_("%.0f s"), seconds);
  return g_strdup_printf (_("%.0f min"), seconds / 60.0);
}

/* “640 KB”, “12 MB”, “1.2 GB” */
char *
moss_format_bytes (guint64 bytes)
{
  if (bytes < 1000 * 1000)
    return g_strdup_printf (_("%.0f KB"), MAX (bytes / 1000.0, 1.0));
  if (bytes < 10 * 1000 * 1000)
    return g_strdup_printf (_("%.1f MB"), bytes / 1e6);
  if (bytes < 1000 * 1000 * 1000)
    return g_strdup_printf (_("%.0f MB"), bytes / 1e6);
  return g_strdup_printf (_("%.1f GB"), bytes / 1e9);
}

/* Groups of four, eight to a line: what two people can compare aloud. */
char *
moss_format_fingerprint (const char *hex)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; hex[i] != '\0'; i++)
    {
      if (i > 0 && i % 32 == 0)
        g_string_append_c (text, '\n');
      else if (i > 0 && i % 4 == 0)
        g_string_append_c (text, ' ');
      g_string_append_c (text, hex[i]);
    }
  return g_string_free (text, FALSE);
}

/* “Today, 12:30”; both since 1970. Free with g_free(). */
char *
moss_format_time (gint64 time_us, gint64 now_us)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (time_us / G_USEC_PER_SEC);
  g_autoptr (GDateTime) now = g_date_time_new_from_unix_local (now_us / G_USEC_PER_SEC);
  g_autoptr (GDateTime) yesterday = now != NULL ? g_date_time_add_days (now, -1) : NULL;

  if (time == NULL || yesterday == NULL)
    return g_strdup ("?");
  if (g_date_time_get_year (time) == g_date_time_get_year (now)
      && g_date_time_get_day_of_year (time) == g_date_time_get_day_of_year (now))
    /* Translators: a time of today, as strftime has it */
    return g_date_time_format (time, _ ("Today, %H:%M"));
  if (g_date_time_get_year (time) == g_date_time_get_year (yesterday)
      && g_date_time_get_day_of_year (time) == g_date_time_get_day_of_year (yesterday))
    return g_date_time_format (time, _ ("Yesterday, %H:%M"));
  if (g_date_time_get_year (time) == g_date_time_get_year (now))
    return g_date_time_format (time, _ ("%-d %B, %H:%M"));
  return g_date_time_format (time, _ ("%-d %B %Y, %H:%M"));
}

/* “Today, 12:30 · before lunch”; time_us is since 1970 */
char *
moss_format_snapshot (const char *label, gint64 time_us)
{
  g_autofree char *when = moss_format_time (time_us, g_get_real_time ());

  return *label != '\0' ? g_strdup_printf ("%s · %s", when, label) : g_steal_pointer (&when);
}

/* The sentence of an error that came over the bus, without the bus's own words. */
char *
moss_format_error (const GError *error)
{
  g_autoptr (GError) copy = g_error_copy (error);

  g_dbus_error_strip_remote_error (copy);
  return g_strdup (copy->message);
}

/* What to call an app that may not have said its name. */
char *
moss_format_app_name (const char *name, const char *app)
{
  if (name != NULL && *name != '\0')
    return g_strdup (name);
  if (app != NULL && g_str_has_suffix (app, ".desktop"))
    return g_strndup (app, strlen (app) - strlen (".desktop"));
  return g_strdup (app != NULL && *app != '\0' ? app : _("App"));
}
