/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "cli.h"

#include "ffi-broker/client/moss-ffi.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean json, lossy, local;
  char *output, *quality;
  gint64 bytes;
} MossFunctionOptions;

/* The verb "call" of moss fn; args[0] is it. */
gboolean moss_function_call (MossCall *call, const MossFunctionOptions *options,
                             GError **error);

/* What goes into a function and comes out of it on a command line. Errors are MossCliErrors. */

/* The capability that a word asks for: one in full, a key ("hash sha256
 * application/octet-stream -> …"), or a media type to convert file (may be NULL: stdin) to. Free
 * with g_free(). */
char *moss_function_complete (const char *word, const char *file, GError **error);
/* "level=9" is one, "a.png" is none. */
gboolean moss_function_is_option (const char *word);
/* One buffer an input; "-" or nothing is stdin. Free with g_ptr_array_unref(). */
GPtrArray *moss_function_read_inputs (const char *request, GPtrArray *files, GError **error);
/* a{sv} for the call, with the types that the offers want; free with g_variant_unref(). */
GVariant *moss_function_read_options (const char *request, GPtrArray *words, gboolean lossy,
                                      gboolean local, const char *quality, GError **error);
/* a{sv} as Explain wants it, for so many bytes; floating. */
GVariant *moss_function_wants (const MossFunctionOptions *options, guint64 bytes);
/* "0.4 ms", "12 µs", "3.1 s", "–" for none; free with g_free(). */
char *moss_function_duration (double us);
/* FALSE with the way out: this kind of result would only make a mess of the terminal. */
gboolean moss_function_may_print (const char *media, const char *path, GError **error);
/* To a file, or to stdout (path NULL). */
gboolean moss_function_write (MossFfiBuffer *buffer, const char *path, GError **error);
void moss_function_print_values (GVariant *values);

G_END_DECLS
