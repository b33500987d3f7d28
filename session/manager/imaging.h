/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manager.h"
#include "session/move/assembler.h"
#include "session/move/imager.h"
#include "stages.h"

G_BEGIN_DECLS

/* From a sandbox to a signed snapshot in the store. The order is
 *   begin → copy ahead (as often as it pays) → dump → finish;
 * a taking is used by one thread. */
typedef struct
{
  MossManager *manager;
  char *id;
  char *device;         /* where new blocks are sent to at once, or "" */
  MossPool *pool;
  guint64 stored_bytes;
  guint64 ahead_new_bytes; /* that the last round ahead had to store */
  /* of the dump */
  GUnixFDList *fds;
  GVariant *images;     /* a(sht) */
  gint32 layer_index, layer_content;
  gint64 frozen_at_us;
  MossImagerStats stats;
} MossTaking;

/* Loads the blocks of the last snapshot of the sandbox, so that they are known. */
MossTaking *moss_taking_begin (MossManager *manager, const char *id, const char *device);
void moss_taking_free (MossTaking *taking);

/* Reads memory and files while the app runs and stores what is new. extra: aay of runtime files
 * that the dump will hold too. manifest: NULL, or gets the layer's files and every segment
 * there is. */
gboolean moss_taking_copy_ahead (MossTaking *taking, GVariant *extra, MossManifest *manifest,
                                 GError **error);
/* Freezes and dumps it; it stays frozen on success. extra: aay, floating. */
gboolean moss_taking_dump (MossTaking *taking, GVariant *extra, MossStages *stages,
                           GError **error);
/* Cuts the dump, stores what is new, and signs. about is filled from the registry; further
 * fields may be in it already. */
GBytes *moss_taking_finish (MossTaking *taking, MossManifest *manifest, MossStages *stages,
                            GError **error);
/* Who and what a snapshot of this sandbox is of. kind: "manual", "move"… */
void moss_taking_describe (MossTaking *taking, MossManifest *manifest, const char *kind,
                           const char *label, const char *move);
GBytes *moss_taking_sign (MossTaking *taking, MossManifest *manifest, GError **error);

/* From a manifest to files that sandboxd takes. */
typedef struct
{
  GUnixFDList *fds;
  GVariant *images; /* a(sht) */
  gint32 layer_index, layer_content;
} MossFiles;

/* Fetches what the shelf lacks from the store or the device ("" for none). */
gboolean moss_shelf_fetch (MossShelf *shelf, MossManager *manager, const MossManifest *manifest,
                           const char *device, guint64 *fetched_bytes, GError **error);
/* What was made ready for a restore: the layer that sandboxd has prepared, and room for the largest
 * file. Any of it may be NULL. */
typedef struct
{
  MossManifest *manifest;
  GBytes *index; /* of the prepared layer */
  MossSpare *spare;
} MossReady;
void moss_ready_clear (MossReady *ready);

/* ready: NULL when nothing is; its spare may be used up. */
MossFiles *moss_files_assemble (const MossManifest *manifest, MossShelf *shelf, MossReady *ready,
                                GError **error);
/* The index of an assembled layer. */
GBytes *moss_files_read_index (MossFiles *files, GError **error);
void moss_files_free (MossFiles *files);
/* Restores them as a sandbox; it is frozen on success. stages may be NULL. */
gboolean moss_files_restore (MossFiles *files, MossManager *manager, const char *id,
                             const MossManifest *manifest, MossStages *stages, GError **error);

/* Keeps an envelope in the store and in the list of snapshots. Only the newest "move" snapshot of
 * a sandbox is kept. Returns the snapshot's id; free with g_free(). */
char *moss_snapshot_keep (MossManager *manager, GBytes *envelope, MossManifest *manifest,
                          guint64 new_bytes, GError **error);
void moss_snapshot_forget (MossManager *manager, const MossSnapshotRow *row);
/* The verified manifest of a snapshot in the list. */
MossManifest *moss_snapshot_load (MossManager *manager, const MossSnapshotRow *row,
                                  GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossTaking, moss_taking_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFiles, moss_files_free)

G_END_DECLS
