// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a person gives as the address of a host. Pure, any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* "https://example.org", "http://192.0.2.1:7788": a scheme, a name, and no space. */
gboolean moss_host_address_is_valid (const char *address);

G_END_DECLS
