/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Text for people on a terminal. Pure, any thread. */

/* A copy that may be printed: valid UTF-8, and what steers a terminal (control characters,
 * overrides of the writing direction) is U+FFFD. An app chooses its title. Free with g_free(). */
char *moss_text_clean (const char *text);
/* Columns that a text takes on a terminal. */
guint moss_text_width (const char *text);
/* The first columns of a text, with "…" at the end when there is more. Free with g_free(). */
char *moss_text_shorten (const char *text, guint columns);
/* "0.21 s"; free with g_free(). */
char *moss_text_duration (double ms);
/* A point in time, in microseconds since 1970, as local time; free with g_free(). */
char *moss_text_time (gint64 time_us);
/* The first letters of an id, which is what tables show; free with g_free(). */
char *moss_text_short_id (const char *id);

/* Members of a{sv}. string: "" when there is none, owned by the dictionary; number: of whatever
 * type, else the fallback. */
const char *moss_dict_string (GVariant *dict, const char *key);
double moss_dict_number (GVariant *dict, const char *key, double fallback);
gboolean moss_dict_boolean (GVariant *dict, const char *key);

G_END_DECLS
