// SPDX-License-Identifier: LGPL-2.1-or-later
#include "info.h"

#include "status.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

gboolean
moss_files_info_is_pinned (GVariant *info)
{
  gboolean pinned = FALSE;

  g_variant_lookup (info, "pinned", "b", &pinned);
  return pinned;
}

/* What it takes to have it all here. */
static char *
say_cost (GVariant *info, const char *state)
{
  guint64 missing = moss_files_get_number (info, "bytes-missing");
  guint64 cost_ms = moss_files_get_number (info, "cost-ms");
  g_autofree char *size = g_format_size (missing);
  g_autofree char *time = moss_files_duration ((cost_ms + 999) / 1000);

  if (missing == 0)
    return g_strdup (state);
  if (cost_ms == 0)
    /* Translators: state, bytes that are not here */
    return g_strdup_printf (_ ("%s, %s missing"), state, size);
  /* Translators: state, bytes that are not here, time to get them */
  return g_strdup_printf (_ ("%s, %s missing, about %s"), state, size, time);
}

char *
moss_files_info_state (GVariant *info)
{
  const char *state = moss_files_get_string (info, "state");

  if (strcmp (state, "conflict") == 0)
    return g_strdup (_ ("Two versions"));
  if (strcmp (state, "waiting") == 0)
    return g_strdup (_ ("Saved here, waits for a host"));
  if (strcmp (state, "elsewhere") == 0)
    return say_cost (info, _ ("Elsewhere"));
  if (strcmp (state, "partly") == 0)
    return say_cost (info, _ ("Partly here"));
  if (strcmp (state, "here") == 0)
    return g_strdup (moss_files_info_is_pinned (info) ? _ ("Kept here") : _ ("Here"));
  return g_strdup ("");
}

const char *
moss_files_info_emblem (GVariant *info)
{
  const char *state = moss_files_get_string (info, "state");

  if (strcmp (state, "conflict") == 0)
    return "moss-conflict";
  if (strcmp (state, "waiting") == 0)
    return "moss-waiting";
  if (strcmp (state, "elsewhere") == 0 || strcmp (state, "partly") == 0)
    return "moss-elsewhere";
  if (strcmp (state, "here") == 0)
    return moss_files_info_is_pinned (info) ? "moss-kept" : "moss-here";
  return NULL;
}

char *
moss_files_info_hosts (GVariant *info)
{
  guint hosts = MIN (moss_files_get_number (info, "hosts"), 1000);

  if (moss_files_info_emblem (info) == NULL)
    return g_strdup ("");
  if (hosts == 0 && g_str_equal (moss_files_get_string (info, "state"), "waiting"))
    return g_strdup (""); /* the state says so */
  if (hosts == 0)
    return g_strdup (_ ("Not on a host yet"));
  return g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "On %u host", "On %u hosts", hosts),
                          hosts);
}
