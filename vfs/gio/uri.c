// SPDX-License-Identifier: LGPL-2.1-or-later
#include "uri.h"

#include <string.h>

#define ROOT "/net"
#define MAX_URI 8192

gboolean
moss_gio_is_uri (const char *text)
{
  return g_ascii_strncasecmp (text, MOSS_GIO_SCHEME ":", strlen (MOSS_GIO_SCHEME) + 1) == 0;
}

/* A way up would leave /net. */
static gboolean
has_way_up (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  return g_strv_contains ((const char *const *) parts, "..");
}

char *
moss_gio_path_of_uri (const char *uri)
{
  g_autofree char *path = NULL;
  const char *rest;

  if (!moss_gio_is_uri (uri) || strlen (uri) > MAX_URI)
    return NULL;
  rest = uri + strlen (MOSS_GIO_SCHEME) + 1;
  rest += strspn (rest, "/");
  if (strpbrk (rest, "?#") != NULL)
    return NULL;
  path = g_uri_unescape_string (rest, NULL); /* NULL also for %00 */
  if (path == NULL || has_way_up (path))
    return NULL;
  return g_canonicalize_filename (path, ROOT);
}
