// SPDX-License-Identifier: GPL-3.0-or-later
/* The blocks of a table, from the top down. docs/formats/tree.md.
 *
 * Each step goes down exactly one level, and into a range of keys of its own: nothing can lead
 * the walk in a circle or to one block twice. */
#define G_LOG_DOMAIN "moss-fsck"

#include "vfs/fsck/fsck.h"

enum
{
  BLOCK_HEAD = 40,
  BLOCK_MAX = 512 * 1024,
  LEVEL_MAX = 12,
  KEY_MIN = 9,
  KEY_MAX = 265,
  VALUE_MAX = 8192,
  ANY_LEVEL = LEVEL_MAX + 1,
};

typedef struct
{
  const guint8 *bytes; /* nullable: no bound */
  guint length;
} Bytes;

static void walk (Check *check,
                  const guint8 *ref,
                  guint level,
                  Bytes after,
                  Bytes last,
                  const char *whose);

static int
compare (Bytes a, Bytes b)
{
  int order = memcmp (a.bytes, b.bytes, MIN (a.length, b.length));

  return order != 0 ? order : (int) a.length - (int) b.length;
}

static void
damaged (Check *check, const guint8 *ref, const char *whose, const char *what)
{
  g_autofree char *name = id_text (ref);
  g_autofree char *object = g_strdup_printf ("%s, block %s", whose, name);

  if (check->current)
    check->blocks_away = TRUE;
  finding (check, object, what, "it is fetched anew when a device or host has it");
}

/* NULL: the head is right, and *@level is the block's. */
static const char *
check_head (Check *check, const guint8 *bytes, guint32 length, guint *level)
{
  if (length <= BLOCK_HEAD || length > BLOCK_MAX || memcmp (bytes, "MTN1", 4) != 0)
    return "it is no block";
  if (bytes[4] > LEVEL_MAX || !is_zero (bytes + 5, 3))
    return "its head makes no sense";
  if (memcmp (bytes + 8, check->tree_id, 32) != 0)
    return "it belongs to another tree";
  if (*level != ANY_LEVEL && bytes[4] != *level)
    return "it is of another level";
  *level = bytes[4];
  return NULL;
}

/* One item: FALSE: the rest of the block can't be read. */
static const char *
next_item (In *in, guint level, Bytes before, Bytes *key, Bytes *value)
{
  key->length = in_number (in, 2);
  value->length = in_number (in, 2);
  key->bytes = in_bytes (in, key->length);
  value->bytes = in_bytes (in, value->length);
  if (in->bad)
    return "an item is cut off";
  if (key->length < KEY_MIN || key->length > KEY_MAX || value->length > VALUE_MAX ||
      (level > 0 && value->length != REF_BYTES))
    return "an item has an impossible length";
  if (before.bytes != NULL && compare (before, *key) >= 0)
    return "its items are out of order";
  return NULL;
}

static void
walk_items (Check *check,
            const guint8 *ref,
            In in,
            guint level,
            Bytes before,
            Bytes last,
            const char *whose)
{
  Bytes key = before, value;
  const char *reason = NULL;

  while (in.at < in.end)
    {
      reason = next_item (&in, level, before, &key, &value);
      if (reason != NULL)
        break;
      if (level > 0)
        walk (check, value.bytes, level - 1, before, key, whose);
      else
        item_check (check, key.bytes, key.length, value.bytes, value.length);
      before = key;
    }
  if (reason == NULL && last.bytes != NULL && compare (key, last) != 0)
    reason = "it ends with another key than the block above says";
  if (reason != NULL)
    damaged (check, ref, whose, reason);
}

static gboolean
is_new (Check *check, const guint8 *id)
{
  sqlite3_bind_blob (check->add_seen, 1, id, ID_BYTES, SQLITE_STATIC);
  work_run (check, check->add_seen);
  return sqlite3_changes (check->work) > 0;
}

static void
walk (Check *check, const guint8 *ref, guint level, Bytes after, Bytes last, const char *whose)
{
  g_autofree guint8 *plain = NULL;
  guint32 length;
  const char *reason;
  ObjectState state;

  if (!is_new (check, ref) && !check->current)
    return;
  check->blocks++;
  state = store_open_object (check, ref, &plain, &length, &reason);
  /* The top of what this device committed is always here. */
  if (state == OBJECT_AWAY && !check->complete && !(check->current && level == ANY_LEVEL))
    {
      check->away++;
      if (check->current)
        check->blocks_away = TRUE;
      return;
    }
  if (state == OBJECT_GOOD)
    reason = check_head (check, plain, length, &level);
  if (reason != NULL)
    {
      damaged (check, ref, whose, reason);
      return;
    }
  walk_items (check, ref, in_new (plain + BLOCK_HEAD, length - BLOCK_HEAD), level, after, last,
              whose);
}

/* @current: the table that is shown; else one of the past */
void
table_check (Check *check, const guint8 *ref, gboolean current, const char *whose)
{
  check->current = current;
  if (!is_zero (ref, ID_BYTES))
    walk (check, ref, ANY_LEVEL, (Bytes){ NULL, 0 }, (Bytes){ NULL, 0 }, whose);
}
