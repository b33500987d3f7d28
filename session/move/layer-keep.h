/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manifest.h"

G_BEGIN_DECLS

#define MOSS_LAYER_KEPT_OFFSET G_MAXUINT64

/* Finds the files of a layer whose content is block for block that of the same path in a layer
 * that was prepared before, and marks them as kept (docs/formats/layer.md), so that nothing of
 * them need be put together or written again inside the freeze.
 *
 * index, prepared_index: the layers' indexes. manifest, prepared: where their contents stand.
 * kept: gets one byte a block of layer/content, 1 where it is not needed; free with g_free().
 * Returns the new index, or a reference to the old one when nothing can be kept or an index is not
 * in order (sandboxd will say what is wrong with it). Free with g_bytes_unref(). */
GBytes *moss_layer_keep (GBytes *index, const MossManifest *manifest, GBytes *prepared_index,
                         const MossManifest *prepared, guint8 **kept);

G_END_DECLS
