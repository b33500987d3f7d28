// SPDX-License-Identifier: GPL-3.0-or-later
/* Packs, their index, and objects out of them. docs/formats/store.md.
 *
 * The index is opened as SQLite's immutable file, or, when its log holds changes, as a copy of
 * both: opening a database in place would write beside it. */
#define G_LOG_DOMAIN "moss-fsck"

#include "vfs/fsck/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum
{
  RECORD_HEAD = 80,
  INNER_HEAD = 9,
  LENGTHS_MAX = 65536,
};

/* --- the index --- */

static gboolean
copy_file (const char *from, const char *to, GError **error)
{
  g_autoptr (GFile) source = g_file_new_for_path (from);
  g_autoptr (GFile) target = g_file_new_for_path (to);

  return g_file_copy (source, target, G_FILE_COPY_TARGET_DEFAULT_PERMS, NULL, NULL, NULL, error);
}

static gboolean
open_copy (Check *check, const char *path, const char *log, GError **error)
{
  g_autofree char *dir = g_dir_make_tmp ("moss-fsck-XXXXXX", error);
  g_autofree char *index = NULL, *index_log = NULL, *shared = NULL;
  gboolean ok;

  if (dir == NULL)
    return FALSE;
  index = g_build_filename (dir, "index.db", NULL);
  index_log = g_strconcat (index, "-wal", NULL);
  shared = g_strconcat (index, "-shm", NULL);
  ok = copy_file (path, index, error) && copy_file (log, index_log, error) &&
       sqlite3_open_v2 (index, &check->index, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
       sqlite3_exec (check->index, "SELECT count (*) FROM packs", NULL, NULL, NULL) == SQLITE_OK;
  /* Open, they need no names any more. */
  g_unlink (index);
  g_unlink (index_log);
  g_unlink (shared);
  g_rmdir (dir);
  if (!ok && error != NULL && *error == NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s can't be read", path);
  return ok;
}

static gboolean
open_index (Check *check, GError **error)
{
  g_autofree char *path = g_build_filename (check->store_dir, "index.db", NULL);
  g_autofree char *log = g_strconcat (path, "-wal", NULL);
  g_autofree char *escaped = g_uri_escape_string (path, "/", FALSE);
  g_autofree char *uri = g_strdup_printf ("file:%s?immutable=1", escaped);
  struct stat st;

  if (stat (log, &st) == 0 && st.st_size > 0)
    return open_copy (check, path, log, error);
  if (sqlite3_open_v2 (uri, &check->index, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) ==
      SQLITE_OK)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s can't be opened", path);
  return FALSE;
}

/* SQLite's own check of its pages, each complaint a finding. */
static int
on_complaint (void *data, int count, char **values, char **names)
{
  if (g_strcmp0 (values[0], "ok") != 0)
    finding (data, "index.db", values[0], "put it aside: it is made anew from the packs");
  return 0;
}

static gboolean
check_index (Check *check)
{
  guint before = check->findings;
  char *message = NULL;

  if (sqlite3_exec (check->index, "PRAGMA integrity_check (20)", on_complaint, check,
                    &message) != SQLITE_OK)
    finding (check, "index.db", message != NULL ? message : "it can't be read",
             "put it aside: it is made anew from the packs");
  sqlite3_free (message);
  return check->findings == before;
}

/* --- packs --- */

typedef struct
{
  Check *check;
  guint number;
  int fd;
  guint64 size, at, synced;
} Pack;

static gboolean
open_pack (Check *check, guint number)
{
  g_autofree char *name = g_strdup_printf ("pack-%06u", number);
  g_autofree char *path = g_build_filename (check->store_dir, name, NULL);

  if (check->pack_open == number && check->pack_fd >= 0)
    return TRUE;
  if (check->pack_fd >= 0)
    close (check->pack_fd);
  check->pack_fd = open (path, O_RDONLY | O_CLOEXEC);
  check->pack_open = number;
  return check->pack_fd >= 0;
}

/* NULL: the record is whole. */
static const char *
check_record (Pack *pack, guint64 at, Place *place)
{
  guint8 *sealed = pack->check->sealed;
  guint8 head[RECORD_HEAD] = { 0 };
  guint8 id[ID_BYTES];
  In in = in_new (head, sizeof head);

  if (at + RECORD_HEAD > pack->size || !read_at (pack->fd, head, sizeof head, at) ||
      memcmp (in_bytes (&in, 4), "MOB1", 4) != 0)
    return "no record begins there";
  place->length = in_number (&in, 4);
  memcpy (place->id, in_bytes (&in, ID_BYTES), ID_BYTES);
  place->pack = pack->number;
  place->offset = at + RECORD_HEAD;
  if (place->length < 1 || place->length > SEALED_MAX ||
      place->offset + place->length > pack->size)
    return "its record has an impossible length";
  if (!read_at (pack->fd, sealed, place->length, place->offset))
    return "it can't be read from the disk";
  if (!moss_suite_known (sealed[0], NULL) ||
      !moss_suite_hash (sealed[0], sealed, place->length, id, NULL) ||
      memcmp (id, place->id, ID_BYTES) != 0)
    return "it is damaged";
  return NULL;
}

static void
tell (Pack *pack, const guint8 *id, guint64 at, const char *what)
{
  g_autofree char *name = id_text (id);
  g_autofree char *object = g_strdup_printf ("object %s, pack-%06u at %" G_GUINT64_FORMAT, name,
                                             pack->number, at);

  finding (pack->check, object, what, "it is fetched anew when a device or host has it");
}

static void
add_tail (Check *check, const Place *place)
{
  sqlite3_stmt *add = check->add_tail;

  sqlite3_bind_blob (add, 1, place->id, ID_BYTES, SQLITE_STATIC);
  sqlite3_bind_int64 (add, 2, place->pack);
  sqlite3_bind_int64 (add, 3, place->offset);
  sqlite3_bind_int64 (add, 4, place->length);
  work_run (check, add);
}

/* Records that no row names: dead ones, or, behind what was synced, new ones. */
static void
pass_unnamed (Pack *pack, guint64 until)
{
  while (pack->at < until)
    {
      Place place;
      const char *reason = check_record (pack, pack->at, &place);

      if (reason != NULL && !g_str_equal (reason, "it is damaged"))
        break;
      if (reason == NULL && pack->at >= pack->synced)
        {
          add_tail (pack->check, &place);
          pack->check->objects++;
        }
      pack->at = place.offset + place.length;
    }
}

static void
check_row (Pack *pack, const guint8 *id, guint64 offset, guint64 length)
{
  const char *reason;
  Place place;

  if (offset < RECORD_HEAD || length > SEALED_MAX)
    {
      tell (pack, id, offset, "its row in the index names an impossible place");
      return;
    }
  pass_unnamed (pack, offset - RECORD_HEAD);
  pack->check->objects++;
  reason = check_record (pack, offset - RECORD_HEAD, &place);
  if (reason == NULL && (memcmp (place.id, id, ID_BYTES) != 0 || place.length != length))
    reason = "another object lies where the index says that it does";
  if (reason != NULL)
    tell (pack, id, offset, reason);
  pack->at = MAX (pack->at, offset + length);
}

static void
check_pack (Check *check, guint number, guint64 synced)
{
  Pack pack = { .check = check, .number = number, .synced = synced };
  g_autofree char *object = g_strdup_printf ("pack-%06u", number);
  sqlite3_stmt *rows = NULL;
  struct stat st;

  if (!open_pack (check, number) || fstat (check->pack_fd, &st) < 0)
    {
      finding (check, object, g_strerror (errno), "what was in it is fetched anew");
      return;
    }
  pack.fd = check->pack_fd;
  pack.size = st.st_size;
  if (pack.size < synced)
    finding (check, object, "it is shorter than it was once on the disk",
             "what was in it is fetched anew");
  if (sqlite3_prepare_v2 (check->index,
                          "SELECT id, offset, length FROM objects WHERE pack = ?"
                          " ORDER BY offset", -1, &rows, NULL) != SQLITE_OK)
    return;
  sqlite3_bind_int64 (rows, 1, number);
  while (sqlite3_step (rows) == SQLITE_ROW)
    if (sqlite3_column_bytes (rows, 0) == ID_BYTES)
      check_row (&pack, sqlite3_column_blob (rows, 0), sqlite3_column_int64 (rows, 1),
                 sqlite3_column_int64 (rows, 2));
    else
      finding (check, object, "a row of the index names no object",
               "put the index aside: it is made anew from the packs");
  sqlite3_finalize (rows);
  pass_unnamed (&pack, pack.size);
}

/* Those on the disk: the index may be behind. */
static void
check_packs (Check *check)
{
  g_autoptr (GDir) dir = g_dir_open (check->store_dir, 0, NULL);
  sqlite3_stmt *synced = NULL;
  const char *name;

  sqlite3_prepare_v2 (check->index, "SELECT synced FROM packs WHERE number = ?", -1, &synced,
                      NULL);
  while (dir != NULL && synced != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      guint64 number;

      if (!g_str_has_prefix (name, "pack-") ||
          !g_ascii_string_to_unsigned (name + 5, 10, 1, 999999, &number, NULL))
        continue;
      sqlite3_bind_int64 (synced, 1, number);
      check_pack (check, number,
                  sqlite3_step (synced) == SQLITE_ROW ? sqlite3_column_int64 (synced, 0) : 0);
      sqlite3_reset (synced);
    }
  sqlite3_finalize (synced);
}

static guint
ref_hash (gconstpointer ref)
{
  guint hash;

  memcpy (&hash, ref, sizeof hash);
  return hash;
}

static gboolean
ref_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, REF_BYTES) == 0;
}

gboolean
store_check (Check *check, GError **error)
{
  check->pack_fd = -1;
  check->sealed = g_malloc (SEALED_MAX);
  check->lengths = g_hash_table_new_full (ref_hash, ref_equal, g_free, NULL);
  if (!open_index (check, error))
    return FALSE;
  if (!check_index (check) ||
      sqlite3_prepare_v2 (check->index, "SELECT pack, offset, length FROM objects WHERE id = ?",
                          -1, &check->find, NULL) != SQLITE_OK)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the index of %s can't be used",
                   check->store_dir);
      return FALSE;
    }
  check_packs (check);
  return TRUE;
}

void
store_close (Check *check)
{
  sqlite3_finalize (check->find);
  sqlite3_close (check->index);
  if (check->pack_fd > 0)
    close (check->pack_fd);
  g_free (check->sealed);
  g_clear_pointer (&check->lengths, g_hash_table_unref);
}

/* --- objects --- */

static gboolean
find_in (sqlite3_stmt *find, const guint8 *id, Place *place)
{
  gboolean found;

  sqlite3_bind_blob (find, 1, id, ID_BYTES, SQLITE_STATIC);
  found = sqlite3_step (find) == SQLITE_ROW;
  if (found)
    {
      gint64 length = sqlite3_column_int64 (find, 2);

      place->pack = sqlite3_column_int64 (find, 0);
      place->offset = sqlite3_column_int64 (find, 1);
      place->length = length > 0 && length <= SEALED_MAX ? length : 0;
    }
  sqlite3_reset (find);
  return found;
}

/* The plaintext, or why there is none. */
static const char *
unseal (Check *check, const guint8 *key, guint32 sealed_length, guint8 **plain, guint32 *length)
{
  const guint8 *sealed = check->sealed;
  gsize head = 1 + moss_suite_nonce_bytes (sealed[0]);
  g_autofree guint8 *inner = NULL;
  guint32 payload;
  gsize room;
  In in;

  if (!moss_suite_known (sealed[0], NULL) || sealed_length < head + INNER_HEAD + MOSS_TAG_BYTES)
    return "it is no object";
  room = sealed_length - head - MOSS_TAG_BYTES;
  inner = g_malloc (room);
  if (!moss_suite_open (sealed[0], key, sealed + 1, sealed, 1, sealed + head,
                        sealed_length - head, inner, NULL))
    return "its seal is broken, or the key is another's";
  in = in_new (inner + 1, room - 1);
  *length = in_number (&in, 4);
  payload = in_number (&in, 4);
  if (*length == 0 || *length > PLAIN_MAX || payload > room - INNER_HEAD || inner[0] > 1 ||
      (inner[0] == 0 && payload != *length))
    return "what is sealed in it makes no sense";
  *plain = g_malloc (*length);
  if (inner[0] == 0)
    memcpy (*plain, inner + INNER_HEAD, *length);
  else if (ZSTD_decompress (*plain, *length, inner + INNER_HEAD, payload) != *length)
    {
      g_clear_pointer (plain, g_free);
      return "it can't be unpacked";
    }
  return NULL;
}

/* @plain: (out) (transfer full): set when the state is GOOD; else @reason may say why not */
ObjectState
store_open_object (Check *check,
                   const guint8 *ref,
                   guint8 **plain,
                   guint32 *length,
                   const char **reason)
{
  guint8 id[ID_BYTES];
  Place place;

  *plain = NULL;
  *reason = "it isn't here";
  if (!find_in (check->find, ref, &place) && !find_in (check->find_tail, ref, &place))
    return OBJECT_AWAY;
  *reason = "it can't be read";
  if (place.length == 0 || !open_pack (check, place.pack) ||
      !read_at (check->pack_fd, check->sealed, place.length, place.offset))
    return OBJECT_BAD;
  *reason = "it is damaged";
  if (!moss_suite_known (check->sealed[0], NULL) ||
      !moss_suite_hash (check->sealed[0], check->sealed, place.length, id, NULL) ||
      memcmp (id, ref, ID_BYTES) != 0)
    return OBJECT_BAD;
  *reason = unseal (check, ref + ID_BYTES, place.length, plain, length);
  return *reason == NULL ? OBJECT_GOOD : OBJECT_BAD;
}

/* Objects hold many pieces: each is opened once, as long as there is room to remember it. */
static gboolean
known_length (Check *check, const guint8 *ref, guint32 *length)
{
  gpointer value = g_hash_table_lookup (check->lengths, ref);

  *length = GPOINTER_TO_UINT (value);
  return value != NULL;
}

/* Whether the object is here, opens with its key and holds @needed bytes. */
gboolean
store_check_ref (Check *check, const guint8 *ref, guint64 needed, const char *whose)
{
  g_autofree guint8 *plain = NULL;
  g_autofree char *name = NULL, *object = NULL;
  const char *reason = NULL;
  ObjectState state = OBJECT_GOOD;
  guint32 length;

  if (!known_length (check, ref, &length))
    {
      state = store_open_object (check, ref, &plain, &length, &reason);
      if (g_hash_table_size (check->lengths) >= LENGTHS_MAX)
        g_hash_table_remove_all (check->lengths);
      if (state == OBJECT_GOOD)
        g_hash_table_insert (check->lengths, g_memdup2 (ref, REF_BYTES),
                             GUINT_TO_POINTER (length));
    }
  if (state == OBJECT_AWAY && !check->complete)
    {
      check->away++;
      return TRUE;
    }
  if (state == OBJECT_GOOD && length < needed)
    reason = "it is shorter than what refers to it";
  if (reason == NULL)
    return TRUE;
  name = id_text (ref);
  object = g_strdup_printf ("%s: object %s", whose, name);
  finding (check, object, reason, "it is fetched anew when a device or host has it");
  return FALSE;
}
