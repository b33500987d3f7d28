/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manifest.h"

G_BEGIN_DECLS

/* The plaintext of segments that are at hand, by object id. Filled ahead of a restore; one thread
 * at a time. */
typedef struct _MossShelf MossShelf;

MossShelf *moss_shelf_new (void);
void moss_shelf_free (MossShelf *shelf);

void moss_shelf_add (MossShelf *shelf, const guint8 *id, GBytes *plain);
/* Borrowed, or NULL. */
GBytes *moss_shelf_find (MossShelf *shelf, const guint8 *id);
guint64 moss_shelf_bytes (MossShelf *shelf);

/* The segments of a manifest that are not at hand, as a(ayay) for Net1.Get, in the manifest's
 * order; floating. n may be NULL. */
GVariant *moss_shelf_missing (MossShelf *shelf, const MossManifest *manifest, guint *n);
/* Takes what Net1.Get gave for refs: a sealed memfd with all of them, one after the other, and
 * their lengths (au). The descriptor is borrowed; its content stays mapped. Fails with CORRUPT. */
gboolean moss_shelf_take (MossShelf *shelf, GVariant *refs, int content, GVariant *lengths,
                          GError **error);

/* A file that is made ready before it is needed: its memory is there and mapped, so that several
 * threads can write to it; and sandboxd made it, which then need not copy it. */
typedef struct
{
  int fd;       /* −1 once it is used up */
  gsize size;   /* bytes */
  guint8 *data; /* of the file, all zeros; NULL once it is used up */
} MossSpare;

/* Takes the descriptor that MakeRoom gave; NULL when it can't be mapped. A spare is a help and
 * never needed. */
MossSpare *moss_spare_new (int fd, gsize size);
void moss_spare_free (MossSpare *spare);

/* Writes one file of a manifest into a new sealed memfd, or into the spare, of which then only a
 * descriptor for reading is left. keep: one byte a block, where 1 means
 * that it is not needed and stays a hole; NULL: all are needed. spare: used up when it is large
 * enough, NULL: none. Returns the descriptor, or −1 with CORRUPT (a segment is not at hand
 * or has the wrong length) or FULL. Any thread. */
int moss_assemble (const MossManifest *manifest, const MossManifestFile *file, MossShelf *shelf,
                   const guint8 *keep, MossSpare *spare, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossShelf, moss_shelf_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossSpare, moss_spare_free)

G_END_DECLS
