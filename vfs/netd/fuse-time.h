// SPDX-License-Identifier: GPL-3.0-or-later
/* Times as names of directories. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* "2026-11-22T18:30:05Z". Free with g_free(). */
char *fuse_time_format (gint64 time_us);

/* Reads what a person may type below .at: that form, with another time zone or none (then the local
 * one), without seconds; "2026-11-22" (as it was at the end of that day); "yesterday"; "30min",
 * "2h", "3d" (ago); "@1795372205". now_us: what relative ones start from. is_relative (out): it
 * will mean another time later. FALSE: it is no time. */
gboolean fuse_time_parse (const char *text, gint64 now_us, gint64 *time_us,
                          gboolean *is_relative);

G_END_DECLS
