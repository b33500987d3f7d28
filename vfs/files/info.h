// SPDX-License-Identifier: LGPL-2.1-or-later
/* What org.moss.Files1.Info says of one file, in words and emblems. Pure, any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* "Here", "Elsewhere, 12 MB, about 3 s", "Conflict"; "" for what isn't below /net. info: a{sv} */
char *moss_files_info_state (GVariant *info);
/* The emblem's icon name without "emblem-", or NULL; const. */
const char *moss_files_info_emblem (GVariant *info);
gboolean moss_files_info_is_pinned (GVariant *info);
/* "On 2 hosts", "Not on a host yet" */
char *moss_files_info_hosts (GVariant *info);

G_END_DECLS
