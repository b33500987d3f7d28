// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "vfs/tree/tree-private.h"

typedef gboolean (*MossListEach) (const MossId *id, gpointer user_data);

gboolean list_objects (MossTable *table,
                       const MossRef *root,
                       const MossRef *known,
                       gboolean metadata_only,
                       gboolean tolerant,
                       MossListEach each,
                       gpointer user_data,
                       GError **error);
