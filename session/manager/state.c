/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "state.h"

#include "session/move/move-error.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

struct _MossState
{
  GMutex lock;
  sqlite3 *db;
  GHashTable *statements; /* SQL → sqlite3_stmt, made once */
};

static const char schema[]
    = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
      "CREATE TABLE IF NOT EXISTS sandboxes (id TEXT PRIMARY KEY, record BLOB NOT NULL);"
      "CREATE TABLE IF NOT EXISTS moves (seq INTEGER PRIMARY KEY AUTOINCREMENT,"
      "  move TEXT NOT NULL UNIQUE, sandbox TEXT NOT NULL, peer TEXT NOT NULL,"
      "  state TEXT NOT NULL, envelope BLOB, time INTEGER NOT NULL);"
      "CREATE INDEX IF NOT EXISTS moves_by_sandbox ON moves (sandbox, seq);"
      "CREATE TABLE IF NOT EXISTS snapshots (seq INTEGER PRIMARY KEY AUTOINCREMENT,"
      "  snapshot TEXT NOT NULL UNIQUE, sandbox TEXT NOT NULL, kind TEXT NOT NULL,"
      "  label TEXT NOT NULL, time INTEGER NOT NULL, bytes INTEGER NOT NULL,"
      "  new_bytes INTEGER NOT NULL, refs BLOB NOT NULL, about BLOB NOT NULL);"
      "CREATE TABLE IF NOT EXISTS hashes (stamp TEXT PRIMARY KEY, hash BLOB NOT NULL);"
      "CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value BLOB NOT NULL);";

static gboolean
sql_failed (MossState *state, const char *what, GError **error)
{
  int code = sqlite3_errcode (state->db);

  /* A disk that fails is no fault of ours. */
  g_log (G_LOG_DOMAIN,
         code == SQLITE_ERROR || code == SQLITE_MISUSE ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE,
         "The session's journal: %s: %s", what, sqlite3_errmsg (state->db));
  g_set_error (error, MOSS_MOVE_ERROR,
               code == SQLITE_FULL ? MOSS_MOVE_ERROR_FULL : MOSS_MOVE_ERROR_FAILED,
               "The session's journal can't be used (%s: %s)", what, sqlite3_errmsg (state->db));
  return FALSE;
}

static void
finalize (gpointer statement)
{
  sqlite3_finalize (statement);
}

MossState *
moss_state_open (const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, "session.db", NULL);
  MossState *state;

  if (g_mkdir_with_parents (directory, 0700) < 0)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
                   "The folder %s can't be made: %s", directory, g_strerror (errno));
      return NULL;
    }
  state = g_new0 (MossState, 1);
  g_mutex_init (&state->lock);
  state->statements = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, finalize);
  if (sqlite3_open_v2 (path, &state->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL)
          != SQLITE_OK
      || sqlite3_busy_timeout (state->db, 5000) != SQLITE_OK
      || sqlite3_exec (state->db, schema, NULL, NULL, NULL) != SQLITE_OK)
    {
      sql_failed (state, path, error);
      moss_state_free (state);
      return NULL;
    }
  return state;
}

void
moss_state_free (MossState *state)
{
  g_hash_table_unref (state->statements);
  sqlite3_close (state->db);
  g_mutex_clear (&state->lock);
  g_free (state);
}

/* The statement for a literal, ready to be bound. The lock is held. */
static sqlite3_stmt *
statement (MossState *state, const char *sql)
{
  sqlite3_stmt *stmt = g_hash_table_lookup (state->statements, sql);

  if (stmt == NULL)
    {
      if (sqlite3_prepare_v3 (state->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL)
          != SQLITE_OK)
        g_error ("%s: %s", sql, sqlite3_errmsg (state->db)); /* our own literal */
      g_hash_table_insert (state->statements, (gpointer) sql, stmt);
    }
  sqlite3_reset (stmt);
  sqlite3_clear_bindings (stmt);
  return stmt;
}

static void
bind_text (sqlite3_stmt *stmt, int place, const char *text)
{
  sqlite3_bind_text (stmt, place, text, -1, SQLITE_TRANSIENT);
}

static void
bind_bytes (sqlite3_stmt *stmt, int place, GBytes *bytes)
{
  sqlite3_bind_blob64 (stmt, place, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                       SQLITE_TRANSIENT);
}

static void
bind_variant (sqlite3_stmt *stmt, int place, GVariant *value)
{
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (value);

  bind_bytes (stmt, place, bytes);
}

static GBytes *
column_bytes (sqlite3_stmt *stmt, int column)
{
  const void *data = sqlite3_column_blob (stmt, column);

  return data == NULL ? NULL : g_bytes_new (data, sqlite3_column_bytes (stmt, column));
}

static GVariant *
column_variant (sqlite3_stmt *stmt, int column, const char *type)
{
  g_autoptr (GBytes) bytes = column_bytes (stmt, column);
  g_autoptr (GBytes) none = g_bytes_new (NULL, 0);
  g_autoptr (GVariant) value = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (type), bytes ? bytes : none, FALSE));

  return g_variant_get_normal_form (value);
}

static char *
column_text (sqlite3_stmt *stmt, int column)
{
  return g_strdup ((const char *) sqlite3_column_text (stmt, column));
}

static gboolean
run (MossState *state, sqlite3_stmt *stmt, const char *what, GError **error)
{
  int code = sqlite3_step (stmt);

  sqlite3_reset (stmt);
  return code == SQLITE_DONE || code == SQLITE_ROW || sql_failed (state, what, error);
}

/* In WAL mode FULL syncs the log at each commit, NORMAL does not. */
static void
set_durable (MossState *state, gboolean durable)
{
  sqlite3_exec (state->db, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                NULL, NULL, NULL);
}

gboolean
moss_state_save_sandbox (MossState *state, const char *id, GVariant *record)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "INSERT OR REPLACE INTO sandboxes VALUES (?, ?)");

  bind_text (stmt, 1, id);
  bind_variant (stmt, 2, record);
  return run (state, stmt, "saving a sandbox", NULL);
}

void
moss_state_delete_sandbox (MossState *state, const char *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "DELETE FROM sandboxes WHERE id = ?");

  bind_text (stmt, 1, id);
  run (state, stmt, "forgetting a sandbox", NULL);
}

GVariant *
moss_state_load_sandboxes (MossState *state)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "SELECT record FROM sandboxes");
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  while (sqlite3_step (stmt) == SQLITE_ROW)
    {
      g_autoptr (GVariant) record = column_variant (stmt, 0, "a{sv}");

      g_variant_builder_add_value (&builder, record);
    }
  sqlite3_reset (stmt);
  return g_variant_builder_end (&builder);
}

gboolean
moss_state_begin_move (MossState *state, const char *move, const char *sandbox,
                       const char *peer, MossMoveState first, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt;

  /* Older moves of it keep their state, for whoever asks late, but not their snapshot. */
  stmt = statement (state, "UPDATE moves SET envelope = NULL WHERE sandbox = ?");
  bind_text (stmt, 1, sandbox);
  run (state, stmt, "forgetting old snapshots", NULL);
  stmt = statement (state, "INSERT INTO moves (move, sandbox, peer, state, time)"
                           " VALUES (?, ?, ?, ?, ?)");
  bind_text (stmt, 1, move);
  bind_text (stmt, 2, sandbox);
  bind_text (stmt, 3, peer);
  bind_text (stmt, 4, moss_move_state_name (first));
  sqlite3_bind_int64 (stmt, 5, g_get_real_time ());
  return run (state, stmt, "beginning a move", error);
}

gboolean
moss_state_write_move (MossState *state, const char *move, MossMoveState next, gboolean durable,
                       GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "UPDATE moves SET state = ? WHERE move = ?");
  gboolean ok;

  bind_text (stmt, 1, moss_move_state_name (next));
  bind_text (stmt, 2, move);
  if (durable)
    set_durable (state, TRUE);
  ok = run (state, stmt, "writing a move", error);
  if (durable)
    set_durable (state, FALSE);
  return ok;
}

gboolean
moss_state_keep_envelope (MossState *state, const char *move, GBytes *envelope, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "UPDATE moves SET envelope = ? WHERE move = ?");

  bind_bytes (stmt, 1, envelope);
  bind_text (stmt, 2, move);
  return run (state, stmt, "keeping a moving snapshot", error);
}

#define MOVE_COLUMNS "move, sandbox, peer, state, envelope"

static MossMoveRow *
move_row (sqlite3_stmt *stmt)
{
  MossMoveRow *row = g_new0 (MossMoveRow, 1);
  g_autofree char *name = column_text (stmt, 3);

  row->move = column_text (stmt, 0);
  row->sandbox = column_text (stmt, 1);
  row->peer = column_text (stmt, 2);
  if (!moss_move_state_parse (name, &row->state))
    g_warning ("The session's journal: move %s has the unknown state “%s”", row->move, name);
  row->envelope = column_bytes (stmt, 4);
  return row;
}

void
moss_move_row_free (MossMoveRow *row)
{
  g_free (row->move);
  g_free (row->sandbox);
  g_free (row->peer);
  g_clear_pointer (&row->envelope, g_bytes_unref);
  g_free (row);
}

static MossMoveRow *
one_move (MossState *state, const char *sql, const char *key)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, sql);
  MossMoveRow *row = NULL;

  bind_text (stmt, 1, key);
  if (sqlite3_step (stmt) == SQLITE_ROW)
    row = move_row (stmt);
  sqlite3_reset (stmt);
  return row;
}

MossMoveRow *
moss_state_find_move (MossState *state, const char *move)
{
  return one_move (state, "SELECT " MOVE_COLUMNS " FROM moves WHERE move = ?", move);
}

MossMoveRow *
moss_state_last_move (MossState *state, const char *sandbox)
{
  return one_move (state,
                   "SELECT " MOVE_COLUMNS " FROM moves WHERE sandbox = ?"
                   " ORDER BY seq DESC LIMIT 1",
                   sandbox);
}

GPtrArray *
moss_state_last_moves (MossState *state)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "SELECT " MOVE_COLUMNS " FROM moves WHERE seq IN"
                                         " (SELECT max (seq) FROM moves GROUP BY sandbox)");
  GPtrArray *rows = g_ptr_array_new_with_free_func ((GDestroyNotify) moss_move_row_free);

  while (sqlite3_step (stmt) == SQLITE_ROW)
    g_ptr_array_add (rows, move_row (stmt));
  sqlite3_reset (stmt);
  return rows;
}

#define SNAPSHOT_COLUMNS "snapshot, sandbox, kind, label, time, bytes, new_bytes, refs, about"

gboolean
moss_state_add_snapshot (MossState *state, const MossSnapshotRow *row, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "INSERT INTO snapshots (" SNAPSHOT_COLUMNS ")"
                                         " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  gboolean ok;

  bind_text (stmt, 1, row->snapshot);
  bind_text (stmt, 2, row->sandbox);
  bind_text (stmt, 3, row->kind);
  bind_text (stmt, 4, row->label);
  sqlite3_bind_int64 (stmt, 5, row->time_us);
  sqlite3_bind_int64 (stmt, 6, row->bytes);
  sqlite3_bind_int64 (stmt, 7, row->new_bytes);
  bind_variant (stmt, 8, row->refs);
  bind_variant (stmt, 9, row->about);
  set_durable (state, TRUE);
  ok = run (state, stmt, "keeping a snapshot", error);
  set_durable (state, FALSE);
  return ok;
}

void
moss_state_delete_snapshot (MossState *state, const char *snapshot)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "DELETE FROM snapshots WHERE snapshot = ?");

  bind_text (stmt, 1, snapshot);
  run (state, stmt, "forgetting a snapshot", NULL);
}

static MossSnapshotRow *
snapshot_row (sqlite3_stmt *stmt)
{
  MossSnapshotRow *row = g_new0 (MossSnapshotRow, 1);

  row->snapshot = column_text (stmt, 0);
  row->sandbox = column_text (stmt, 1);
  row->kind = column_text (stmt, 2);
  row->label = column_text (stmt, 3);
  row->time_us = sqlite3_column_int64 (stmt, 4);
  row->bytes = sqlite3_column_int64 (stmt, 5);
  row->new_bytes = sqlite3_column_int64 (stmt, 6);
  row->refs = column_variant (stmt, 7, "a(ayay)");
  row->about = column_variant (stmt, 8, "a{sv}");
  return row;
}

void
moss_snapshot_row_free (MossSnapshotRow *row)
{
  g_free (row->snapshot);
  g_free (row->sandbox);
  g_free (row->kind);
  g_free (row->label);
  g_variant_unref (row->refs);
  g_variant_unref (row->about);
  g_free (row);
}

MossSnapshotRow *
moss_state_find_snapshot (MossState *state, const char *snapshot)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt
      = statement (state, "SELECT " SNAPSHOT_COLUMNS " FROM snapshots WHERE snapshot = ?");
  MossSnapshotRow *row = NULL;

  bind_text (stmt, 1, snapshot);
  if (sqlite3_step (stmt) == SQLITE_ROW)
    row = snapshot_row (stmt);
  sqlite3_reset (stmt);
  return row;
}

GPtrArray *
moss_state_snapshots (MossState *state, const char *sandbox)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt
      = statement (state, "SELECT " SNAPSHOT_COLUMNS " FROM snapshots"
                          " WHERE ?1 IS NULL OR sandbox = ?1 ORDER BY seq DESC");
  GPtrArray *rows = g_ptr_array_new_with_free_func ((GDestroyNotify) moss_snapshot_row_free);

  if (sandbox != NULL)
    bind_text (stmt, 1, sandbox);
  while (sqlite3_step (stmt) == SQLITE_ROW)
    g_ptr_array_add (rows, snapshot_row (stmt));
  sqlite3_reset (stmt);
  return rows;
}

GBytes *
moss_state_find_hash (MossState *state, const char *stamp)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "SELECT hash FROM hashes WHERE stamp = ?");
  GBytes *hash = NULL;

  bind_text (stmt, 1, stamp);
  if (sqlite3_step (stmt) == SQLITE_ROW)
    hash = column_bytes (stmt, 0);
  sqlite3_reset (stmt);
  return hash;
}

void
moss_state_keep_hash (MossState *state, const char *stamp, GBytes *hash)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "INSERT OR REPLACE INTO hashes VALUES (?, ?)");

  bind_text (stmt, 1, stamp);
  bind_bytes (stmt, 2, hash);
  run (state, stmt, "keeping a hash", NULL);
}

GVariant *
moss_state_get (MossState *state, const char *key, const GVariantType *type)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "SELECT value FROM settings WHERE key = ?");
  GVariant *value = NULL;

  bind_text (stmt, 1, key);
  if (sqlite3_step (stmt) == SQLITE_ROW)
    value = column_variant (stmt, 0, (const char *) type);
  sqlite3_reset (stmt);
  return value;
}

void
moss_state_set (MossState *state, const char *key, GVariant *value)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  sqlite3_stmt *stmt = statement (state, "INSERT OR REPLACE INTO settings VALUES (?, ?)");
  g_autoptr (GVariant) sunk = g_variant_ref_sink (value);

  bind_text (stmt, 1, key);
  bind_variant (stmt, 2, sunk);
  run (state, stmt, "keeping a setting", NULL);
}
