/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The offers in SQLite. What was learned of an offer stands in a table of its own, by the model
 * of the CPU and the version of the provider, so that a change of either doesn't destroy it. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "ffi-broker/broker/db.h"

#include <glib/gstdio.h>
#include <sqlite3.h>

G_DEFINE_QUARK (moss-ffi-db-error-quark, moss_ffi_db_error)

enum
{
  BEGIN, COMMIT, ADD_PROVIDER, SET_PROVIDER, ADD_OFFER, SET_OFFER, SET_COSTS, GET_COSTS,
  REMOVE_OFFER, REMOVE_OFFER_COSTS, REMOVE_PROVIDER, GET_WORD, SET_WORD, N_STATEMENTS,
  BUSY_MS = 2000,
};

struct _MossFfiDb
{
  sqlite3 *db;
  char *cpu;
  sqlite3_stmt *statements[N_STATEMENTS];
};

static const char layout[] =
  "CREATE TABLE IF NOT EXISTS providers (number INTEGER PRIMARY KEY AUTOINCREMENT,"
  " id TEXT NOT NULL, version TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL,"
  " name TEXT NOT NULL, bridge TEXT NOT NULL, start_us REAL, latency_us REAL,"
  " bytes_per_us REAL, UNIQUE (id, device));"
  "CREATE TABLE IF NOT EXISTS offers (number INTEGER PRIMARY KEY AUTOINCREMENT,"
  " provider INTEGER NOT NULL, capability TEXT NOT NULL, attributes BLOB NOT NULL);"
  "CREATE INDEX IF NOT EXISTS of_provider ON offers (provider);"
  "CREATE TABLE IF NOT EXISTS costs (offer INTEGER NOT NULL, cpu TEXT NOT NULL,"
  " version TEXT NOT NULL, curve BLOB, ratio REAL, calls INTEGER,"
  " PRIMARY KEY (offer, cpu, version)) WITHOUT ROWID;"
  "CREATE TABLE IF NOT EXISTS words (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;";

static const char *const sql[N_STATEMENTS] = {
  [BEGIN] = "BEGIN IMMEDIATE",
  [COMMIT] = "COMMIT",
  [ADD_PROVIDER] = "INSERT INTO providers (id, version, kind, device, name, bridge, start_us,"
                   " latency_us, bytes_per_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
  [SET_PROVIDER] = "UPDATE providers SET id = ?, version = ?, kind = ?, device = ?, name = ?,"
                   " bridge = ?, start_us = ?, latency_us = ?, bytes_per_us = ?"
                   " WHERE number = ?",
  [ADD_OFFER] = "INSERT INTO offers (provider, capability, attributes) VALUES (?, ?, ?)",
  [SET_OFFER] = "UPDATE offers SET provider = ?, capability = ?, attributes = ?"
                " WHERE number = ?",
  [SET_COSTS] = "INSERT OR REPLACE INTO costs (offer, cpu, version, curve, ratio, calls)"
                " VALUES (?, ?, ?, ?, ?, ?)",
  [GET_COSTS] = "SELECT curve, ratio, calls FROM costs WHERE offer = ? AND cpu = ?"
                " AND version = ?",
  [REMOVE_OFFER] = "DELETE FROM offers WHERE number = ?",
  [REMOVE_OFFER_COSTS] = "DELETE FROM costs WHERE offer = ?",
  [REMOVE_PROVIDER] = "DELETE FROM providers WHERE number = ?",
  [GET_WORD] = "SELECT value FROM words WHERE name = ?",
  [SET_WORD] = "INSERT OR REPLACE INTO words (name, value) VALUES (?, ?)",
};

static gboolean
fail (MossFfiDb *db, GError **error)
{
  g_set_error (error, MOSS_FFI_DB_ERROR, 0, "the offers' database: %s",
               sqlite3_errmsg (db->db));
  return FALSE;
}

static gboolean
open_file (MossFfiDb *db, const char *path, int *result)
{
  *result = sqlite3_open_v2 (path, &db->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                             NULL);
  if (*result != SQLITE_OK)
    return FALSE;
  sqlite3_busy_timeout (db->db, BUSY_MS);
  *result = sqlite3_exec (db->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",
                          NULL, NULL, NULL);
  if (*result == SQLITE_OK)
    *result = sqlite3_exec (db->db, layout, NULL, NULL, NULL);
  for (guint i = 0; *result == SQLITE_OK && i < N_STATEMENTS; i++)
    *result = sqlite3_prepare_v3 (db->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &db->statements[i], NULL);
  return *result == SQLITE_OK;
}

static void
close_file (MossFfiDb *db)
{
  for (guint i = 0; i < N_STATEMENTS; i++)
    g_clear_pointer (&db->statements[i], sqlite3_finalize);
  g_clear_pointer (&db->db, sqlite3_close);
}

/* What was learned can be learned again: a broken file is no reason not to start. */
static gboolean
put_aside (const char *path)
{
  g_autofree char *aside = g_strconcat (path, ".broken", NULL);
  const char *const others[] = { "-wal", "-shm" };

  g_warning ("%s can't be read; it is kept as %s, and everything is learned anew", path, aside);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_autofree char *other = g_strconcat (path, others[i], NULL);

      g_unlink (other);
    }
  return g_rename (path, aside) == 0;
}

MossFfiDb *
moss_ffi_db_open (const char *path, const char *cpu, GError **error)
{
  g_autoptr (MossFfiDb) db = g_new0 (MossFfiDb, 1);
  int result;

  db->cpu = g_strdup (cpu);
  if (open_file (db, path, &result))
    return g_steal_pointer (&db);
  if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB || result == SQLITE_ERROR)
    {
      close_file (db);
      if (put_aside (path) && open_file (db, path, &result))
        return g_steal_pointer (&db);
    }
  g_set_error (error, MOSS_FFI_DB_ERROR, 0, "%s: %s", path, sqlite3_errstr (result));
  return NULL;
}

void
moss_ffi_db_close (MossFfiDb *db)
{
  close_file (db);
  g_free (db->cpu);
  g_free (db);
}

/* Binds by types: i: guint, t: guint64, s: text, d: double, b: GBytes or NULL. */
static sqlite3_stmt *
bind (MossFfiDb *db, guint which, const char *types, ...)
{
  sqlite3_stmt *statement = db->statements[which];
  va_list arguments;

  va_start (arguments, types);
  for (int i = 0; types[i] != '\0'; i++)
    if (types[i] == 'i')
      sqlite3_bind_int64 (statement, i + 1, va_arg (arguments, guint));
    else if (types[i] == 't')
      sqlite3_bind_int64 (statement, i + 1, va_arg (arguments, guint64));
    else if (types[i] == 'd')
      sqlite3_bind_double (statement, i + 1, va_arg (arguments, double));
    else if (types[i] == 's')
      sqlite3_bind_text (statement, i + 1, va_arg (arguments, const char *), -1,
                         SQLITE_TRANSIENT);
    else
      {
        GBytes *bytes = va_arg (arguments, GBytes *);
        gsize size = 0;
        const void *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;

        sqlite3_bind_blob (statement, i + 1, data, size, SQLITE_TRANSIENT);
      }
  va_end (arguments);
  return statement;
}

static void
reset (sqlite3_stmt *statement)
{
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
}

static gboolean
run (MossFfiDb *db, sqlite3_stmt *statement, GError **error)
{
  int result = sqlite3_step (statement);
  gboolean done = result == SQLITE_DONE || result == SQLITE_ROW || fail (db, error);

  reset (statement);
  return done;
}

static GBytes *
column_bytes (sqlite3_stmt *statement, int column)
{
  return g_bytes_new (sqlite3_column_blob (statement, column),
                      sqlite3_column_bytes (statement, column));
}

static const char *
column_text (sqlite3_stmt *statement, int column)
{
  const char *text = (const char *) sqlite3_column_text (statement, column);

  return text != NULL ? text : "";
}

static gboolean
load_providers (MossFfiDb *db, MossFfiProviderFunc on_provider, gpointer user_data)
{
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2 (
      db->db, "SELECT number, id, version, kind, device, name, bridge, start_us, latency_us,"
      " bytes_per_us FROM providers ORDER BY number", -1, &statement, NULL);

  while (result == SQLITE_OK && sqlite3_step (statement) == SQLITE_ROW)
    {
      MossFfiProviderRow row = {
        .number = sqlite3_column_int64 (statement, 0),
        .id = column_text (statement, 1),
        .version = column_text (statement, 2),
        .kind = column_text (statement, 3),
        .device = column_text (statement, 4),
        .name = column_text (statement, 5),
        .bridge = column_text (statement, 6),
        .start_us = sqlite3_column_double (statement, 7),
        .latency_us = sqlite3_column_double (statement, 8),
        .bytes_per_us = sqlite3_column_double (statement, 9),
      };

      on_provider (&row, user_data);
    }
  return sqlite3_finalize (statement) == SQLITE_OK && result == SQLITE_OK;
}

static void
load_offer (sqlite3_stmt *statement, MossFfiOfferFunc on_offer, gpointer user_data)
{
  g_autoptr (GBytes) attributes = column_bytes (statement, 3);
  g_autoptr (GBytes) curve =
      sqlite3_column_type (statement, 4) == SQLITE_BLOB ? column_bytes (statement, 4) : NULL;
  g_autoptr (GVariant) dict = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, attributes, FALSE));
  MossFfiOfferRow row = {
    .number = sqlite3_column_int64 (statement, 0),
    .provider = sqlite3_column_int64 (statement, 1),
    .capability = column_text (statement, 2),
    .attributes = dict,
    .curve = curve,
    .ratio = sqlite3_column_double (statement, 5),
    .calls = sqlite3_column_int64 (statement, 6),
  };

  if (g_variant_is_normal_form (dict))
    on_offer (&row, user_data);
}

static gboolean
load_offers (MossFfiDb *db, MossFfiOfferFunc on_offer, gpointer user_data)
{
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2 (
      db->db, "SELECT o.number, o.provider, o.capability, o.attributes, c.curve, c.ratio, c.calls"
      " FROM offers o JOIN providers p ON p.number = o.provider LEFT JOIN costs c"
      " ON c.offer = o.number AND c.cpu = ? AND c.version = p.version ORDER BY o.number",
      -1, &statement, NULL);

  if (result == SQLITE_OK)
    sqlite3_bind_text (statement, 1, db->cpu, -1, SQLITE_STATIC);
  while (result == SQLITE_OK && sqlite3_step (statement) == SQLITE_ROW)
    load_offer (statement, on_offer, user_data);
  return sqlite3_finalize (statement) == SQLITE_OK && result == SQLITE_OK;
}

gboolean
moss_ffi_db_load (MossFfiDb *db, MossFfiProviderFunc on_provider, MossFfiOfferFunc on_offer,
                  gpointer user_data, GError **error)
{
  return (load_providers (db, on_provider, user_data) && load_offers (db, on_offer, user_data)) ||
         fail (db, error);
}

gboolean
moss_ffi_db_begin (MossFfiDb *db, GError **error)
{
  return run (db, db->statements[BEGIN], error);
}

gboolean
moss_ffi_db_commit (MossFfiDb *db, GError **error)
{
  return run (db, db->statements[COMMIT], error);
}

gboolean
moss_ffi_db_put_provider (MossFfiDb *db, MossFfiProviderRow *row, GError **error)
{
  sqlite3_stmt *statement =
      bind (db, row->number == 0 ? ADD_PROVIDER : SET_PROVIDER, "ssssssddd", row->id,
            row->version, row->kind, row->device, row->name, row->bridge, row->start_us,
            row->latency_us, row->bytes_per_us);

  if (row->number != 0)
    sqlite3_bind_int64 (statement, 10, row->number);
  if (!run (db, statement, error))
    return FALSE;
  if (row->number == 0)
    row->number = sqlite3_last_insert_rowid (db->db);
  return TRUE;
}

gboolean
moss_ffi_db_put_offer (MossFfiDb *db, MossFfiOfferRow *row, GError **error)
{
  g_autoptr (GVariant) normal = g_variant_get_normal_form (row->attributes);
  g_autoptr (GBytes) attributes = g_variant_get_data_as_bytes (normal);
  sqlite3_stmt *statement = bind (db, row->number == 0 ? ADD_OFFER : SET_OFFER, "isb",
                                  row->provider, row->capability, attributes);

  if (row->number != 0)
    sqlite3_bind_int64 (statement, 4, row->number);
  if (!run (db, statement, error))
    return FALSE;
  if (row->number == 0)
    row->number = sqlite3_last_insert_rowid (db->db);
  return TRUE;
}

gboolean
moss_ffi_db_put_costs (MossFfiDb *db, const MossFfiOfferRow *row, const char *version,
                       GError **error)
{
  return run (db, bind (db, SET_COSTS, "issbdt", row->number, db->cpu, version, row->curve,
                        row->ratio, row->calls), error);
}

GBytes *
moss_ffi_db_get_costs (MossFfiDb *db, guint offer, const char *version, double *ratio,
                       guint64 *calls)
{
  sqlite3_stmt *statement = bind (db, GET_COSTS, "iss", offer, db->cpu, version);
  GBytes *curve = NULL;

  if (sqlite3_step (statement) == SQLITE_ROW)
    {
      curve = column_bytes (statement, 0);
      *ratio = sqlite3_column_double (statement, 1);
      *calls = sqlite3_column_int64 (statement, 2);
    }
  reset (statement);
  return curve;
}

gboolean
moss_ffi_db_remove_offer (MossFfiDb *db, guint number, GError **error)
{
  return run (db, bind (db, REMOVE_OFFER, "i", number), error) &&
         run (db, bind (db, REMOVE_OFFER_COSTS, "i", number), error);
}

gboolean
moss_ffi_db_remove_provider (MossFfiDb *db, guint number, GError **error)
{
  return run (db, bind (db, REMOVE_PROVIDER, "i", number), error);
}

char *
moss_ffi_db_get_word (MossFfiDb *db, const char *name)
{
  sqlite3_stmt *statement = bind (db, GET_WORD, "s", name);
  char *value = sqlite3_step (statement) == SQLITE_ROW
                    ? g_strdup (column_text (statement, 0)) : NULL;

  reset (statement);
  return value;
}

gboolean
moss_ffi_db_set_word (MossFfiDb *db, const char *name, const char *value, GError **error)
{
  return run (db, bind (db, SET_WORD, "ss", name, value), error);
}
