// SPDX-License-Identifier: LGPL-2.1-or-later
/* Where each object lies. The packs are the truth: the index can be behind them after a crash
 * (moss_pack_recover() catches up) but is never ahead of what a sync brought to the disk. */
#define G_LOG_DOMAIN "moss-store"

#include "core/store/index.h"

#include <sqlite3.h>
#include <string.h>

enum
{
  CHECKPOINT_PAGES = 1000,
};

typedef enum
{
  ADD,
  REMOVE,
  TOUCH,
  FORGET_TAIL,
  SET_SYNCED,
  FORGET_PACK,
  GET_SYNCED,
  LIST_PACKS,
  FIND,
  FIND_DEDUP,
  EACH,
  SET_ROOT,
  DROP_ROOT,
  GET_ROOT,
  ALL_ROOTS,
  ROOT_NAMES,
  LIST_AFTER,
  TOTAL,
  N_STATEMENTS
} Statement;

static const char *const sql[N_STATEMENTS] = {
  [ADD] = "INSERT OR REPLACE INTO objects (id, pack, offset, length, dedup, added)"
          " VALUES (?, ?, ?, ?, ?, ?)",
  [REMOVE] = "DELETE FROM objects WHERE id = ?",
  [TOUCH] = "UPDATE objects SET added = ?2 WHERE id = ?1",
  [FORGET_TAIL] = "DELETE FROM objects WHERE pack = ? AND offset >= ?",
  [SET_SYNCED] = "INSERT OR REPLACE INTO packs (number, synced) VALUES (?, ?)",
  [FORGET_PACK] = "DELETE FROM packs WHERE number = ?",
  [GET_SYNCED] = "SELECT synced FROM packs WHERE number = ?",
  [LIST_PACKS] = "SELECT number FROM packs",
  [FIND] = "SELECT id, pack, offset, length, dedup, added FROM objects WHERE id = ?",
  [FIND_DEDUP] = "SELECT id, pack, offset, length, dedup, added FROM objects"
                 " WHERE dedup = ?",
  [EACH] = "SELECT id, pack, offset, length, dedup, added FROM objects WHERE pack = ?"
           " ORDER BY offset",
  [SET_ROOT] = "INSERT OR REPLACE INTO roots (name, ids) VALUES (?, ?)",
  [DROP_ROOT] = "DELETE FROM roots WHERE name = ?",
  [GET_ROOT] = "SELECT ids FROM roots WHERE name = ?",
  [ALL_ROOTS] = "SELECT ids FROM roots",
  [ROOT_NAMES] = "SELECT name FROM roots WHERE substr (name, 1, ?2) = ?1",
  [LIST_AFTER] = "SELECT id, pack, offset, length, dedup, added FROM objects WHERE id > ?"
                 " ORDER BY id LIMIT ?",
  [TOTAL] = "SELECT count (*), coalesce (sum (length), 0) FROM objects",
};

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;"
    "CREATE TABLE IF NOT EXISTS objects (id BLOB PRIMARY KEY, pack INTEGER NOT NULL,"
    " offset INTEGER NOT NULL, length INTEGER NOT NULL, dedup BLOB, added INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS by_dedup ON objects (dedup) WHERE dedup IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS by_pack ON objects (pack, offset);"
    "CREATE TABLE IF NOT EXISTS packs (number INTEGER PRIMARY KEY, synced INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS roots (name TEXT PRIMARY KEY, ids BLOB NOT NULL);"
    "PRAGMA user_version = 1;";

struct _MossIndex
{
  sqlite3 *db;
  sqlite3_stmt *statements[N_STATEMENTS];
  char *path;
  gint log_pages; /* atomic: length of the write-ahead log */
};

static gboolean
fail (MossIndex *index, int result, GError **error)
{
  int code = MOSS_STORE_ERROR_FAILED;

  if (result == SQLITE_FULL)
    code = MOSS_STORE_ERROR_NO_SPACE;
  else if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB)
    code = MOSS_STORE_ERROR_CORRUPT;
  g_set_error (error, MOSS_STORE_ERROR, code, "the index %s: %s", index->path,
               sqlite3_errmsg (index->db));
  return FALSE;
}

static gboolean
run (MossIndex *index, const char *text, GError **error)
{
  int result = sqlite3_exec (index->db, text, NULL, NULL, NULL);

  return result == SQLITE_OK || fail (index, result, error);
}

/* Being there, it also keeps commits from copying the log back themselves: that waits for the
 * disk, and a commit may be on the way of an app that stands still. */
static int
on_commit (void *data, sqlite3 *db, const char *name, int pages)
{
  g_atomic_int_set (&((MossIndex *) data)->log_pages, pages);
  return SQLITE_OK;
}

MossIndex *
moss_index_open (const char *path, GError **error)
{
  g_autoptr (MossIndex) index = g_new0 (MossIndex, 1);
  int result;

  index->path = g_strdup (path);
  result = sqlite3_open_v2 (path, &index->db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                            NULL);
  if (result != SQLITE_OK)
    {
      fail (index, result, error);
      return NULL;
    }
  if (!run (index, schema, error))
    return NULL;
  for (guint i = 0; i < N_STATEMENTS; i++)
    {
      result = sqlite3_prepare_v3 (index->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                   &index->statements[i], NULL);
      if (result != SQLITE_OK)
        {
          fail (index, result, error);
          return NULL;
        }
    }
  sqlite3_wal_hook (index->db, on_commit, index);
  return g_steal_pointer (&index);
}

/* Copies a log that has grown long back into the index. On a connection of its own: may be
 * called while another thread uses @index. Waits for the disk. */
void
moss_index_checkpoint (MossIndex *index)
{
  sqlite3 *db = NULL;

  if (g_atomic_int_get (&index->log_pages) < CHECKPOINT_PAGES)
    return;
  if (sqlite3_open_v2 (index->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
          SQLITE_OK ||
      /* Only a connection that has read something knows that there is a log. */
      sqlite3_exec (db, "SELECT count (*) FROM packs", NULL, NULL, NULL) != SQLITE_OK ||
      sqlite3_wal_checkpoint_v2 (db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) !=
          SQLITE_OK)
    g_message ("%s: %s", index->path, sqlite3_errmsg (db));
  sqlite3_close (db);
}

void
moss_index_free (MossIndex *index)
{
  for (guint i = 0; i < N_STATEMENTS; i++)
    sqlite3_finalize (index->statements[i]);
  sqlite3_close (index->db);
  g_free (index->path);
  g_free (index);
}

/* Binds by letters: i integer, b id or hash, d dedup hash (zeros: NULL). */
static sqlite3_stmt *
bind (MossIndex *index, Statement which, const char *kinds, ...)
{
  static const guint8 none[MOSS_HASH_BYTES];
  sqlite3_stmt *statement = index->statements[which];
  va_list arguments;

  va_start (arguments, kinds);
  for (int i = 0; kinds[i] != '\0'; i++)
    {
      const guint8 *bytes;

      if (kinds[i] == 'i')
        {
          sqlite3_bind_int64 (statement, i + 1, va_arg (arguments, gint64));
          continue;
        }
      bytes = va_arg (arguments, const guint8 *);
      if (kinds[i] == 'd' && memcmp (bytes, none, sizeof none) == 0)
        sqlite3_bind_null (statement, i + 1);
      else
        sqlite3_bind_blob (statement, i + 1, bytes, MOSS_HASH_BYTES, SQLITE_STATIC);
    }
  va_end (arguments);
  return statement;
}

static gboolean
finish (MossIndex *index, sqlite3_stmt *statement, GError **error)
{
  int result = sqlite3_step (statement);
  gboolean ok = result == SQLITE_DONE || result == SQLITE_ROW || fail (index, result, error);

  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  return ok;
}

gboolean
moss_index_begin (MossIndex *index, gboolean durable, GError **error)
{
  return run (index, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
              error) &&
         run (index, "BEGIN IMMEDIATE", error);
}

gboolean
moss_index_commit (MossIndex *index, GError **error)
{
  return run (index, "COMMIT", error);
}

void
moss_index_rollback (MossIndex *index)
{
  run (index, "ROLLBACK", NULL);
}

gboolean
moss_index_add (MossIndex *index, const MossEntry *entry, GError **error)
{
  const MossRecord *record = &entry->record;

  return finish (index,
                 bind (index, ADD, "biiidi", record->id.bytes, (gint64) entry->pack,
                       (gint64) record->offset, (gint64) record->length, record->dedup,
                       record->added),
                 error);
}

gboolean
moss_index_remove (MossIndex *index, const MossId *id, GError **error)
{
  return finish (index, bind (index, REMOVE, "b", id->bytes), error);
}

gboolean
moss_index_touch (MossIndex *index, const MossId *id, gint64 added, GError **error)
{
  return finish (index, bind (index, TOUCH, "bi", id->bytes, added), error);
}

gboolean
moss_index_forget_tail (MossIndex *index, guint pack, guint64 offset, GError **error)
{
  return finish (index, bind (index, FORGET_TAIL, "ii", (gint64) pack, (gint64) offset),
                 error);
}

gboolean
moss_index_set_synced (MossIndex *index, guint pack, guint64 synced, GError **error)
{
  return finish (index, bind (index, SET_SYNCED, "ii", (gint64) pack, (gint64) synced),
                 error);
}

gboolean
moss_index_forget_pack (MossIndex *index, guint pack, GError **error)
{
  return finish (index, bind (index, FORGET_PACK, "i", (gint64) pack), error);
}

/* 0 for a pack that was never synced: all of it is looked at again. */
guint64
moss_index_get_synced (MossIndex *index, guint pack)
{
  sqlite3_stmt *statement = bind (index, GET_SYNCED, "i", (gint64) pack);
  guint64 synced = 0;

  if (sqlite3_step (statement) == SQLITE_ROW)
    synced = sqlite3_column_int64 (statement, 0);
  sqlite3_reset (statement);
  return synced;
}

/* Returns: (transfer full): pack numbers (guint) */
GArray *
moss_index_list_packs (MossIndex *index)
{
  sqlite3_stmt *statement = index->statements[LIST_PACKS];
  GArray *packs = g_array_new (FALSE, FALSE, sizeof (guint));

  while (sqlite3_step (statement) == SQLITE_ROW)
    {
      guint number = sqlite3_column_int64 (statement, 0);

      g_array_append_val (packs, number);
    }
  sqlite3_reset (statement);
  return packs;
}

/* The index is a file like any other: nothing in a row is believed before it is checked. */
static gboolean
read_entry (sqlite3_stmt *statement, MossEntry *entry)
{
  gint64 offset = sqlite3_column_int64 (statement, 2);
  gint64 length = sqlite3_column_int64 (statement, 3);

  memset (entry, 0, sizeof *entry);
  if (sqlite3_column_bytes (statement, 0) != MOSS_HASH_BYTES || offset < 0 || length <= 0 ||
      length > MOSS_OBJECT_MAX_SEALED)
    return FALSE;
  memcpy (entry->record.id.bytes, sqlite3_column_blob (statement, 0), MOSS_HASH_BYTES);
  entry->pack = sqlite3_column_int64 (statement, 1);
  entry->record.offset = offset;
  entry->record.length = length;
  if (sqlite3_column_bytes (statement, 4) == MOSS_HASH_BYTES)
    memcpy (entry->record.dedup, sqlite3_column_blob (statement, 4), MOSS_HASH_BYTES);
  entry->record.added = sqlite3_column_int64 (statement, 5);
  return TRUE;
}

static gboolean
find (sqlite3_stmt *statement, MossEntry *entry)
{
  gboolean found = sqlite3_step (statement) == SQLITE_ROW && read_entry (statement, entry);

  sqlite3_reset (statement);
  return found;
}

gboolean
moss_index_find (MossIndex *index, const MossId *id, MossEntry *entry)
{
  return find (bind (index, FIND, "b", id->bytes), entry);
}

gboolean
moss_index_find_dedup (MossIndex *index, const guint8 *dedup, MossEntry *entry)
{
  return find (bind (index, FIND_DEDUP, "b", dedup), entry);
}

/* @each must not change the index. */
gboolean
moss_index_each (MossIndex *index,
                 guint pack,
                 MossIndexEach each,
                 gpointer user_data,
                 GError **error)
{
  sqlite3_stmt *statement = bind (index, EACH, "i", (gint64) pack);
  MossEntry entry;
  int result;

  while ((result = sqlite3_step (statement)) == SQLITE_ROW)
    {
      if (read_entry (statement, &entry))
        each (&entry, user_data);
    }
  sqlite3_reset (statement);
  return result == SQLITE_DONE || fail (index, result, error);
}

/* @each: in the order of ids, for at most @max of those behind @after. */
gboolean
moss_index_list (MossIndex *index,
                 const MossId *after,
                 guint max,
                 MossIndexEach each,
                 gpointer user_data,
                 GError **error)
{
  sqlite3_stmt *statement = bind (index, LIST_AFTER, "bi", after->bytes, (gint64) max);
  MossEntry entry;
  int result;

  while ((result = sqlite3_step (statement)) == SQLITE_ROW)
    {
      if (read_entry (statement, &entry))
        each (&entry, user_data);
    }
  sqlite3_reset (statement);
  return result == SQLITE_DONE || fail (index, result, error);
}

void
moss_index_total (MossIndex *index, guint64 *count, guint64 *bytes)
{
  sqlite3_stmt *statement = index->statements[TOTAL];

  *count = *bytes = 0;
  if (sqlite3_step (statement) == SQLITE_ROW)
    {
      *count = sqlite3_column_int64 (statement, 0);
      *bytes = sqlite3_column_int64 (statement, 1);
    }
  sqlite3_reset (statement);
}

gboolean
moss_index_set_root (MossIndex *index,
                     const char *name,
                     const MossId *ids,
                     gsize count,
                     GError **error)
{
  sqlite3_stmt *statement = index->statements[count > 0 ? SET_ROOT : DROP_ROOT];

  sqlite3_bind_text (statement, 1, name, -1, SQLITE_STATIC);
  if (count > 0)
    sqlite3_bind_blob64 (statement, 2, ids, count * sizeof (MossId), SQLITE_STATIC);
  return finish (index, statement, error);
}

/* Returns: (transfer full) (nullable): ids one after the other */
GBytes *
moss_index_get_root (MossIndex *index, const char *name)
{
  sqlite3_stmt *statement = index->statements[GET_ROOT];
  GBytes *ids = NULL;

  sqlite3_bind_text (statement, 1, name, -1, SQLITE_STATIC);
  if (sqlite3_step (statement) == SQLITE_ROW)
    ids = g_bytes_new (sqlite3_column_blob (statement, 0),
                       sqlite3_column_bytes (statement, 0));
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  return ids;
}

/* Returns: (transfer full): a set of MossId that some root keeps */
GHashTable *
moss_index_live_ids (MossIndex *index, GError **error)
{
  sqlite3_stmt *statement = index->statements[ALL_ROOTS];
  g_autoptr (GHashTable) live =
      g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free, NULL);
  int result;

  while ((result = sqlite3_step (statement)) == SQLITE_ROW)
    {
      const guint8 *ids = sqlite3_column_blob (statement, 0);
      gsize count = sqlite3_column_bytes (statement, 0) / sizeof (MossId);

      for (gsize i = 0; i < count; i++)
        g_hash_table_add (live, g_memdup2 (ids + i * sizeof (MossId), sizeof (MossId)));
    }
  sqlite3_reset (statement);
  if (result != SQLITE_DONE && !fail (index, result, error))
    return NULL;
  return g_steal_pointer (&live);
}

/* Returns: (transfer full) (element-type utf8): names of roots that begin with @prefix */
GPtrArray *
moss_index_list_roots (MossIndex *index, const char *prefix)
{
  sqlite3_stmt *statement = index->statements[ROOT_NAMES];
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  sqlite3_bind_text (statement, 1, prefix, -1, SQLITE_STATIC);
  sqlite3_bind_int (statement, 2, strlen (prefix));
  while (sqlite3_step (statement) == SQLITE_ROW)
    g_ptr_array_add (names, g_strdup ((const char *) sqlite3_column_text (statement, 0)));
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  return names;
}
