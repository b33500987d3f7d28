// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vfs/files/host-address.h"

#include <string.h>

/* A space GLib takes for a part of a name. */
gboolean
moss_host_address_is_valid (const char *address)
{
  g_autofree char *scheme = NULL;
  g_autofree char *name = NULL;

  return strpbrk (address, " \t\n") == NULL
         && g_uri_split_network (address, G_URI_FLAGS_NONE, &scheme, &name, NULL, NULL)
         && (strcmp (scheme, "https") == 0 || strcmp (scheme, "http") == 0) && name != NULL
         && *name != '\0';
}
