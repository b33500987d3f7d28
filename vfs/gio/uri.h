// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MOSS_GIO_SCHEME "moss"

/* Whether the text is one of ours at all: "moss:…". */
gboolean moss_gio_is_uri (const char *text);
/* The path below /net that "moss://name@domain/p" means ("moss:///name@domain/p" is the same,
 * "moss:" is /net), or NULL when it means none. Free with g_free(). Pure, any thread. */
char *moss_gio_path_of_uri (const char *uri);

G_END_DECLS
