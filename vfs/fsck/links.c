// SPDX-License-Identifier: GPL-3.0-or-later
/* What holds between records: names, links, parents, sizes, no circles. Asked of a temporary
 * database, so that memory doesn't grow with the tree. */
#define G_LOG_DOMAIN "moss-fsck"

#include "vfs/fsck/fsck.h"

#include <gio/gio.h>

static const char schema[] =
    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384;"
    "PRAGMA temp_store = FILE;"
    "CREATE TABLE tail (id BLOB PRIMARY KEY, pack, offset, length) WITHOUT ROWID;"
    "CREATE TABLE seen (id BLOB PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE inodes (ino INTEGER PRIMARY KEY, type, links, parent, size, allocated,"
    " inlined);"
    "CREATE TABLE names (dir, ino, type);"
    "CREATE TABLE extents (ino INTEGER PRIMARY KEY, end, sum);"
    "CREATE TABLE owners (ino INTEGER PRIMARY KEY);"
    "CREATE TABLE history (ref BLOB);"
    "BEGIN;";

gboolean
work_open (Check *check, GError **error)
{
  const struct
  {
    sqlite3_stmt **statement;
    const char *text;
  } all[] = {
    { &check->add_tail, "INSERT OR REPLACE INTO tail VALUES (?, ?, ?, ?)" },
    { &check->find_tail, "SELECT pack, offset, length FROM tail WHERE id = ?" },
    { &check->add_seen, "INSERT OR IGNORE INTO seen VALUES (?)" },
    { &check->add_inode, "INSERT OR IGNORE INTO inodes VALUES (?, ?, ?, ?, ?, ?, ?)" },
    { &check->add_name, "INSERT INTO names VALUES (?, ?, ?)" },
    { &check->add_extent, "INSERT OR REPLACE INTO extents VALUES (?, ?, ?)" },
    { &check->add_owner, "INSERT OR IGNORE INTO owners VALUES (?)" },
    { &check->add_history, "INSERT INTO history VALUES (?)" },
  };
  gboolean ok = sqlite3_open ("", &check->work) == SQLITE_OK &&
                sqlite3_exec (check->work, schema, NULL, NULL, NULL) == SQLITE_OK;

  for (guint i = 0; ok && i < G_N_ELEMENTS (all); i++)
    ok = sqlite3_prepare_v2 (check->work, all[i].text, -1, all[i].statement, NULL) == SQLITE_OK;
  if (!ok)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "no temporary database can be made: %s",
                 sqlite3_errmsg (check->work));
  return ok;
}

void
work_close (Check *check)
{
  sqlite3_stmt *statement;

  while (check->work != NULL && (statement = sqlite3_next_stmt (check->work, NULL)) != NULL)
    sqlite3_finalize (statement);
  sqlite3_close (check->work);
}

void
work_run (Check *check, sqlite3_stmt *statement)
{
  if (sqlite3_step (statement) != SQLITE_DONE)
    check->work_failed = TRUE;
  sqlite3_reset (statement);
}

void
work_add (Check *check, sqlite3_stmt *statement, const gint64 *numbers, guint count)
{
  for (guint i = 0; i < count; i++)
    sqlite3_bind_int64 (statement, i + 1, numbers[i]);
  work_run (check, statement);
}

/* Each gives an inode, and perhaps a number that is and one that should be. */
static const struct
{
  const char *query;
  const char *what;
  const char *advice;
} rules[] = {
  { "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM inodes WHERE ino = 1 AND type = 4)",
    "the tree has no root directory", "go back to a version (moss net snapshots)" },
  { "SELECT names.ino FROM names LEFT JOIN inodes ON inodes.ino = names.ino"
    " WHERE inodes.ino IS NULL",
    "a name leads to it and it isn't there", "take the name away" },
  { "SELECT names.ino, names.type, inodes.type FROM names JOIN inodes"
    " ON inodes.ino = names.ino WHERE names.type != inodes.type",
    "its name says that it is of another type", "rename it there and back" },
  { "SELECT DISTINCT names.dir FROM names LEFT JOIN inodes ON inodes.ino = names.dir"
    " WHERE inodes.type IS NOT 4",
    "names stand in it and it is no directory", "go back to a version" },
  { "SELECT ino FROM inodes WHERE ino != 1 AND ino NOT IN (SELECT ino FROM names)",
    "no name leads to it", "link it, or go back to a version" },
  { "SELECT ino, links, count FROM inodes JOIN (SELECT ino AS named, count (*) AS count"
    " FROM names GROUP BY ino) ON named = ino WHERE type != 4 AND links != count",
    "its link count is wrong", "link and unlink it once" },
  { "SELECT ino, links, 2 + (SELECT count (*) FROM names WHERE dir = inodes.ino AND type = 4)"
    " AS wanted FROM inodes WHERE type = 4 AND links != wanted",
    "the directory's link count is wrong", "make and remove a directory in it" },
  { "SELECT ino FROM names WHERE type = 4 GROUP BY ino HAVING count (*) > 1",
    "the directory has several names", "remove all but one" },
  { "SELECT inodes.ino FROM inodes JOIN names ON names.ino = inodes.ino"
    " WHERE inodes.type = 4 AND inodes.parent != names.dir",
    "the directory says that it stands in another", "rename it there and back" },
  { "WITH RECURSIVE reached (ino) AS (SELECT 1 UNION SELECT names.ino FROM names"
    " JOIN reached ON names.dir = reached.ino WHERE names.type = 4)"
    " SELECT ino FROM inodes WHERE type = 4 AND ino NOT IN (SELECT ino FROM reached)"
    " AND ino IN (SELECT ino FROM names)",
    "the directory stands in a circle that the root doesn't lead to",
    "go back to a version" },
  { "SELECT extents.ino FROM extents LEFT JOIN inodes ON inodes.ino = extents.ino"
    " WHERE inodes.type IS NOT 8 OR inodes.inlined",
    "it has extents and is no file that may have some", "go back to a version of it" },
  { "SELECT ino, end, size FROM extents JOIN inodes USING (ino) WHERE end > size",
    "its extents go beyond its end", "truncate it to its size" },
  { "SELECT ino FROM owners WHERE ino NOT IN (SELECT ino FROM inodes)",
    "it has extended attributes and isn't there", "nothing is lost" },
};

void
links_check (Check *check)
{
  if (check->blocks_away)
    {
      g_print ("note: blocks of the table are elsewhere: links are not counted\n");
      return;
    }
  sqlite3_exec (check->work,
                "CREATE INDEX by_ino ON names (ino); CREATE INDEX by_dir ON names (dir);", NULL,
                NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      sqlite3_stmt *rule = NULL;

      int result = sqlite3_prepare_v2 (check->work, rules[i].query, -1, &rule, NULL);

      if (result == SQLITE_OK)
        result = sqlite3_step (rule);
      for (; result == SQLITE_ROW; result = sqlite3_step (rule))
        {
          g_autofree char *object =
              g_strdup_printf ("inode %" G_GINT64_MODIFIER "x",
                               (guint64) sqlite3_column_int64 (rule, 0));
          g_autofree char *what =
              sqlite3_column_count (rule) < 3
                  ? g_strdup (rules[i].what)
                  : g_strdup_printf ("%s: %" G_GINT64_FORMAT ", and should be %" G_GINT64_FORMAT,
                                     rules[i].what, (gint64) sqlite3_column_int64 (rule, 1),
                                     (gint64) sqlite3_column_int64 (rule, 2));

          finding (check, object, what, rules[i].advice);
        }
      sqlite3_finalize (rule);
      check->work_failed |= result != SQLITE_DONE;
    }
}

/* Former roots share most blocks with the current one: what was seen isn't read again. */
void
history_check (Check *check)
{
  sqlite3_stmt *each = NULL;

  check->current = FALSE;
  sqlite3_prepare_v2 (check->work, "SELECT ref FROM history", -1, &each, NULL);
  while (each != NULL && sqlite3_step (each) == SQLITE_ROW)
    {
      guint8 ref[REF_BYTES];

      memcpy (ref, sqlite3_column_blob (each, 0), REF_BYTES);
      table_check (check, ref, FALSE, "a former root");
    }
  sqlite3_finalize (each);
}
