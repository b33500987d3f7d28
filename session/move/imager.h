/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "pool.h"

G_BEGIN_DECLS

/* Cuts files into blocks, finds the known ones in a pool and collects the others into new
 * segments, which the pool knows from then on. One imager a cut; the pool outlives it.
 *
 *   imager = moss_imager_new (pool);
 *   moss_imager_add (imager, "image/pages-1.img", fd, size, &error); …
 *   moss_imager_cut (imager, 2, &error);
 *   → store moss_imager_get_content() in the ranges of moss_imager_get_ranges() …
 *   moss_imager_set_refs (imager, refs, &error);
 *   moss_imager_write (imager, manifest, &error);
 */
typedef struct _MossImager MossImager;

typedef struct
{
  guint64 total_bytes; /* of whole blocks */
  guint64 zero_bytes;
  guint64 known_bytes;
  guint64 new_bytes;
} MossImagerStats;

MossImager *moss_imager_new (MossPool *pool);
void moss_imager_free (MossImager *imager);

/* Maps a file that can't shrink (a sealed memfd). The descriptor is borrowed. */
gboolean moss_imager_add (MossImager *imager, const char *name, int fd, guint64 size,
                          GError **error);
/* Does the work; blocks; threads: 1 or 2 are sensible. */
gboolean moss_imager_cut (MossImager *imager, guint threads, GError **error);

/* A sealed memfd with the new segments one after the other; −1 when there is nothing new. The
 * imager owns it. */
int moss_imager_get_content (MossImager *imager);
/* Where they are in it, as a(tu): offset and length in bytes. Floating. */
GVariant *moss_imager_get_ranges (MossImager *imager);
/* Their ids and keys, as a(ayay) in the same order. */
gboolean moss_imager_set_refs (MossImager *imager, GVariant *refs, GError **error);

/* Appends the files and the segments they use to a manifest. Every segment must have its ref. */
void moss_imager_write (MossImager *imager, MossManifest *manifest);

const MossImagerStats *moss_imager_get_stats (MossImager *imager);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossImager, moss_imager_free)

G_END_DECLS
