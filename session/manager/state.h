/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "session/move/journal.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* What the session keeps on disk: sandboxes, snapshots and the journal of moves, in one SQLite
 * file (write-ahead log). All functions may be called in any thread. A write is safe against a
 * crash of this process at once; against a power cut where "durable" is asked for.
 * Write errors are logged and returned; a session without a journal must not move anything. */
typedef struct _MossState MossState;

/* A line of the journal. */
typedef struct
{
  char *move;         /* its id, a UUID */
  char *sandbox;
  char *peer;         /* the other device */
  MossMoveState state;
  GBytes *envelope;   /* the snapshot that moves; NULL before there is one */
} MossMoveRow;

typedef struct
{
  char *snapshot;     /* its id, a UUID */
  char *sandbox;
  char *kind;         /* "manual", "move", "undo", "logout" */
  char *label;
  gint64 time_us;     /* since 1970 */
  guint64 bytes;      /* of all files */
  guint64 new_bytes;  /* that no earlier snapshot had */
  GVariant *refs;     /* a(ayay): the envelope's objects */
  GVariant *about;    /* a{sv} of the manifest */
} MossSnapshotRow;

MossState *moss_state_open (const char *directory, GError **error);
void moss_state_free (MossState *state);

/* Sandboxes: what the registry knows, as a{sv}. */
gboolean moss_state_save_sandbox (MossState *state, const char *id, GVariant *record);
void moss_state_delete_sandbox (MossState *state, const char *id);
/* aa{sv}; floating. */
GVariant *moss_state_load_sandboxes (MossState *state);

/* The journal. Begin adds a line; it is the newest of its sandbox. */
gboolean moss_state_begin_move (MossState *state, const char *move, const char *sandbox,
                                const char *peer, MossMoveState first, GError **error);
gboolean moss_state_write_move (MossState *state, const char *move, MossMoveState next,
                                gboolean durable, GError **error);
gboolean moss_state_keep_envelope (MossState *state, const char *move, GBytes *envelope,
                                   GError **error);
/* NULL when there is no such move. Free with moss_move_row_free(). */
MossMoveRow *moss_state_find_move (MossState *state, const char *move);
/* The newest move of a sandbox, or NULL. */
MossMoveRow *moss_state_last_move (MossState *state, const char *sandbox);
/* The newest move of each sandbox, of MossMoveRow. */
GPtrArray *moss_state_last_moves (MossState *state);
void moss_move_row_free (MossMoveRow *row);

gboolean moss_state_add_snapshot (MossState *state, const MossSnapshotRow *row, GError **error);
void moss_state_delete_snapshot (MossState *state, const char *snapshot);
MossSnapshotRow *moss_state_find_snapshot (MossState *state, const char *snapshot);
/* Newest first; sandbox may be NULL for all. */
GPtrArray *moss_state_snapshots (MossState *state, const char *sandbox);
void moss_snapshot_row_free (MossSnapshotRow *row);

/* Content hashes of runtime files, by what stat() says of them; NULL: not known. */
GBytes *moss_state_find_hash (MossState *state, const char *stamp);
void moss_state_keep_hash (MossState *state, const char *stamp, GBytes *hash);

/* Small settings. */
GVariant *moss_state_get (MossState *state, const char *key, const GVariantType *type);
void moss_state_set (MossState *state, const char *key, GVariant *value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossMoveRow, moss_move_row_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossSnapshotRow, moss_snapshot_row_free)

G_END_DECLS
