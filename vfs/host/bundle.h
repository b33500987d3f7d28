// SPDX-License-Identifier: GPL-3.0-or-later
/* Several objects in one body, and lists of ids: docs/formats/host.md. Pure, any thread. */
#pragma once

#include "core/store/object.h"

G_BEGIN_DECLS

#define MOSS_BUNDLE_MAX_BYTES (16 * 1024 * 1024)
#define MOSS_BUNDLE_MAX_IDS 16384
#define MOSS_LIST_ENTRY_BYTES (MOSS_HASH_BYTES + 4)

void moss_bundle_add (GByteArray *bundle, const guint8 *object, gsize length);
gboolean moss_bundle_next (GBytes *bundle, gsize *at, GBytes **object, GError **error);
gboolean moss_bundle_check (GBytes *bundle, guint *count, GError **error);
GArray *moss_id_list_parse (GBytes *body, GError **error);
GBytes *moss_id_list_new (const MossId *ids, gsize count);
gboolean moss_id_from_string (const char *text, MossId *id);

G_END_DECLS
