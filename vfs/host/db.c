// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/db.h"

#include "core/fault.h"

#include <sqlite3.h>

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;"
    "CREATE TABLE IF NOT EXISTS people (id BLOB PRIMARY KEY, chain BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS trees (id BLOB PRIMARY KEY, owner BLOB NOT NULL, cell BLOB);"
    "PRAGMA user_version = 1;";

struct _HostDb
{
  GMutex lock; /* held from begin to commit or rollback */
  gboolean begun;
  sqlite3 *db;
  char *path;
};

static gboolean
fail (HostDb *db, int result, GError **error)
{
  int code = MOSS_STORE_ERROR_FAILED;

  if (result == SQLITE_FULL)
    code = MOSS_STORE_ERROR_NO_SPACE;
  else if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB)
    code = MOSS_STORE_ERROR_CORRUPT;
  g_set_error (error, MOSS_STORE_ERROR, code, "%s: %s", db->path, sqlite3_errmsg (db->db));
  return FALSE;
}

static gboolean
run (HostDb *db, const char *text, GError **error)
{
  int result = sqlite3_exec (db->db, text, NULL, NULL, NULL);

  return result == SQLITE_OK || fail (db, result, error);
}

HostDb *
host_db_open (const char *path, GError **error)
{
  g_autoptr (HostDb) db = g_new0 (HostDb, 1);
  int result;

  g_mutex_init (&db->lock);
  db->path = g_strdup (path);
  result = sqlite3_open_v2 (path, &db->db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                            NULL);
  if (result != SQLITE_OK)
    {
      fail (db, result, error);
      return NULL;
    }
  return run (db, schema, error) ? g_steal_pointer (&db) : NULL;
}

void
host_db_close (HostDb *db)
{
  sqlite3_close (db->db);
  g_mutex_clear (&db->lock);
  g_free (db->path);
  g_free (db);
}

static GBytes *
column_bytes (sqlite3_stmt *statement, int column)
{
  if (sqlite3_column_type (statement, column) != SQLITE_BLOB)
    return NULL;
  return g_bytes_new (sqlite3_column_blob (statement, column),
                      sqlite3_column_bytes (statement, column));
}

static gboolean
is_hash (sqlite3_stmt *statement, int column)
{
  return sqlite3_column_bytes (statement, column) == MOSS_HASH_BYTES;
}

static void
tell_tree (sqlite3_stmt *row, HostDbTree tree, gpointer user_data)
{
  g_autoptr (GBytes) cell = column_bytes (row, 2);

  if (is_hash (row, 0) && is_hash (row, 1))
    tree (sqlite3_column_blob (row, 0), sqlite3_column_blob (row, 1), cell, user_data);
}

static void
tell_person (sqlite3_stmt *row, HostDbPerson person, gpointer user_data)
{
  g_autoptr (GBytes) chain = column_bytes (row, 1);

  if (is_hash (row, 0) && chain != NULL)
    person (sqlite3_column_blob (row, 0), chain, user_data);
}

gboolean
host_db_load (HostDb *db,
              HostDbPerson person,
              HostDbTree tree,
              gpointer user_data,
              GError **error)
{
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2 (db->db, "SELECT id, chain FROM people ORDER BY rowid",
                                   -1, &statement, NULL);

  while (result == SQLITE_OK && (result = sqlite3_step (statement)) == SQLITE_ROW)
    {
      tell_person (statement, person, user_data);
      result = SQLITE_OK;
    }
  sqlite3_finalize (statement);
  if (result != SQLITE_DONE)
    return fail (db, result, error);
  result = sqlite3_prepare_v2 (db->db, "SELECT id, owner, cell FROM trees", -1, &statement, NULL);
  while (result == SQLITE_OK && (result = sqlite3_step (statement)) == SQLITE_ROW)
    {
      tell_tree (statement, tree, user_data);
      result = SQLITE_OK;
    }
  sqlite3_finalize (statement);
  return result == SQLITE_DONE || fail (db, result, error);
}

/* Nobody else changes anything until commit or rollback. */
gboolean
host_db_begin (HostDb *db, GError **error)
{
  g_mutex_lock (&db->lock);
  db->begun = run (db, "BEGIN IMMEDIATE", error);
  if (!db->begun)
    g_mutex_unlock (&db->lock);
  return db->begun;
}

/* When it fails, rollback is still to be called. */
gboolean
host_db_commit (HostDb *db, GError **error)
{
  if (!moss_fault_error ("host-commit", error) || !run (db, "COMMIT", error))
    return FALSE;
  db->begun = FALSE;
  g_mutex_unlock (&db->lock);
  return TRUE;
}

void
host_db_rollback (HostDb *db)
{
  if (!db->begun)
    return;
  run (db, "ROLLBACK", NULL);
  db->begun = FALSE;
  g_mutex_unlock (&db->lock);
}

/* Two blobs, the first one a hash. */
static gboolean
change (HostDb *db,
        const char *text,
        const guint8 *first,
        gconstpointer second,
        gsize length,
        GError **error)
{
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2 (db->db, text, -1, &statement, NULL);

  if (result == SQLITE_OK)
    {
      sqlite3_bind_blob (statement, 1, first, MOSS_HASH_BYTES, SQLITE_STATIC);
      sqlite3_bind_blob64 (statement, 2, second, length, SQLITE_STATIC);
      result = sqlite3_step (statement);
    }
  sqlite3_finalize (statement);
  return result == SQLITE_DONE || fail (db, result, error);
}

/* Fails with %MOSS_STORE_ERROR_INVALID if it is somebody else's. Any thread. */
gboolean
host_db_add_tree (HostDb *db, const MossId *tree, const guint8 *owner, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&db->lock);

  if (!change (db,
               "INSERT INTO trees (id, owner) VALUES (?1, ?2)"
               " ON CONFLICT (id) DO UPDATE SET owner = ?2 WHERE owner = ?2",
               tree->bytes, owner, MOSS_HASH_BYTES, error))
    return FALSE;
  if (sqlite3_changes (db->db) == 1)
    return TRUE;
  g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_INVALID,
               "that tree is somebody else's");
  return FALSE;
}

gboolean
host_db_set_cell (HostDb *db, const MossId *tree, GBytes *cell, GError **error)
{
  return change (db, "UPDATE trees SET cell = ?2 WHERE id = ?1", tree->bytes,
                 g_bytes_get_data (cell, NULL), g_bytes_get_size (cell), error);
}

gboolean
host_db_set_chain (HostDb *db, const guint8 *identity, GBytes *chain, GError **error)
{
  return change (db,
                 "INSERT INTO people (id, chain) VALUES (?1, ?2)"
                 " ON CONFLICT (id) DO UPDATE SET chain = ?2",
                 identity, g_bytes_get_data (chain, NULL), g_bytes_get_size (chain), error);
}
