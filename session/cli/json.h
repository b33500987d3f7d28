/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A value as JSON text (RFC 8259), for other programs to read. Pure, any thread; free the text
 * with g_free(). Dictionaries with string keys become objects (of a key that stands twice the
 * first one), variants what is in them, tuples and arrays arrays, maybes the value or null. An
 * array of dictionaries has one of them a line. A byte array that ends in NUL becomes a string
 * in which what is not UTF-8 is U+FFFD, any other byte array a string in base64. Numbers that
 * are not finite become null. */
char *moss_json_from_variant (GVariant *value);

/* A string in quotes, escaped. */
void moss_json_append_string (GString *json, const char *text);

G_END_DECLS
