/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "cli.h"

G_BEGIN_DECLS

/* Which sandbox, snapshot or device a word on the command line means. All of these are pure:
 * they choose in a list (aa{sv}) and return the member (a{sv}; free with g_variant_unref()), or
 * NULL with NOT_FOUND and a sentence that says what there is instead. */

/* An id may be shortened to so many characters, if it stays the only one. */
#define MOSS_NAMES_MIN_PREFIX 4

/* Which of several sandboxes of the same name is meant when only one is in such a state. */
typedef enum
{
  MOSS_PREFER_LIVE,    /* anything but ended */
  MOSS_PREFER_HERE,    /* running or frozen on this device */
  MOSS_PREFER_GONE,    /* away or on its way */
  MOSS_PREFER_ENDED,
} MossPrefer;

/* By id, by its app or name, or by the first letters of the id. */
GVariant *moss_names_find_sandbox (GVariant *list, const char *word, MossPrefer prefer,
                                   GError **error);
/* By name, by id or its first letters; only devices that are paired. */
GVariant *moss_names_find_device (GVariant *list, const char *word, GError **error);
/* By id, its first letters, or its label. */
GVariant *moss_names_find_snapshot (GVariant *list, const char *word, GError **error);
/* Those (aa{sv}) of apps that are called so, also of apps that are gone. */
GVariant *moss_names_find_snapshots (GVariant *list, const char *app);
/* The newest of them; NULL, with the error set only when they are of several apps. */
GVariant *moss_names_find_newest (GVariant *list, const char *app, GError **error);

/* What a sandbox is called in a sentence, cleaned; free with g_free(). */
char *moss_names_call_sandbox (GVariant *sandbox);
/* What the device with an id is called; list may be NULL. Free with g_free(). */
char *moss_names_call_device (GVariant *list, const char *id);
/* The app without the ".desktop" of its id; free with g_free(). */
char *moss_names_call_app (GVariant *sandbox);

/* The same with the list fetched. */
GVariant *moss_cli_find_sandbox (const char *word, MossPrefer prefer, GError **error);
GVariant *moss_cli_find_device (const char *word, GError **error);

G_END_DECLS
