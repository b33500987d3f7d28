// SPDX-License-Identifier: GPL-3.0-or-later
/* moss-fsck: checks what a device keeps, reads everything anew from docs/formats/ and shares with
 * the code that wrote it nothing but the crypto calls.
 *
 * Policy: nothing is written below the two directories. Every byte may be damaged or hostile:
 * lengths are checked before they are used, and a finding never ends the check. What grows with
 * the tree (names, blocks seen, objects without a row) is in a temporary database that SQLite
 * keeps on the disk; memory is bounded by its page cache and one object. */
#pragma once

#include "core/crypto/suite.h"

#include <sqlite3.h>
#include <string.h>

#define ID_BYTES 32
#define REF_BYTES 64
#define PLAIN_MAX (1024 * 1024)
#define SEALED_MAX 1114112

typedef struct
{
  guint32 generation;
  guint8 tree_key[32];
} Key;

typedef struct
{
  guint16 slot;
  guint suite;
  guint8 device[32];
  GBytes *public_key;
} Signer;

typedef struct
{
  const guint8 *at;
  const guint8 *end;
  gboolean bad;
} In;

typedef struct
{
  guint8 id[ID_BYTES];
  guint pack;
  guint64 offset;
  guint32 length;
} Place;

typedef struct
{
  /* What to check. */
  char *store_dir;
  char *tree_dir;
  gboolean complete; /* what isn't here is missing, not elsewhere */
  guint8 tree_id[32];
  GArray *keys;    /* Key */
  GArray *signers; /* Signer */

  /* store.c */
  sqlite3 *index; /* nullable */
  sqlite3_stmt *find;
  int pack_fd;
  guint pack_open; /* 0: none */
  guint8 *sealed;  /* SEALED_MAX bytes */

  /* temporary database */
  sqlite3 *work;
  gboolean work_failed; /* its disk is full: nothing can be said */
  sqlite3_stmt *add_tail, *find_tail, *add_seen, *add_inode, *add_name, *add_extent;
  sqlite3_stmt *add_owner, *add_history;
  GHashTable *lengths; /* id → plain length of objects that were opened; bounded */

  /* head.c */
  guint suite;
  guint8 local_key[32];
  guint64 epoch;
  guint32 skip;
  guint8 table[REF_BYTES];
  guint8 orphans[REF_BYTES];

  /* table.c */
  gboolean current;     /* not a former root: names and links count */
  gboolean blocks_away; /* so that links can not be counted */
  guint64 extent_ino, extent_end, extent_sum; /* of the file whose extents come */

  guint findings;
  guint64 objects, blocks, inodes, names, away, records;
} Check;

/* main.c */
void finding (Check *check, const char *object, const char *what, const char *advice);
char *id_text (const guint8 *id);

/* input.c */
In in_new (const guint8 *bytes, gsize length);
const guint8 *in_bytes (In *in, gsize length);
guint64 in_number (In *in, guint bytes);
gboolean in_end (const In *in);
guint64 big_endian (const guint8 *bytes);
gboolean is_zero (const guint8 *bytes, gsize length);
gboolean read_at (int fd, guint8 *bytes, gsize length, guint64 offset);
gboolean name_is_legal (const guint8 *name, gsize length);

/* keys.c */
gboolean keys_from_file (Check *check, const char *path, GError **error);
gboolean keys_from_agent (Check *check, GError **error);
const guint8 *keys_find (Check *check, guint32 generation);

/* store.c */
gboolean store_check (Check *check, GError **error);
void store_close (Check *check);
typedef enum
{
  OBJECT_GOOD,
  OBJECT_AWAY,
  OBJECT_BAD
} ObjectState;
ObjectState store_open_object (Check *check,
                               const guint8 *ref,
                               guint8 **plain,
                               guint32 *length,
                               const char **reason);
gboolean store_check_ref (Check *check, const guint8 *ref, guint64 needed, const char *whose);

/* head.c */
gboolean head_check (Check *check, GError **error);

/* table.c */
void table_check (Check *check, const guint8 *ref, gboolean current, const char *whose);

/* items.c */
void item_check (Check *check,
                 const guint8 *key,
                 guint key_length,
                 const guint8 *value,
                 guint value_length);
gboolean inode_is_good (const guint8 *bytes, gsize length, const char **reason);
gboolean extent_check (Check *check, guint64 offset, const guint8 *bytes, const char *whose);
void orphans_check (Check *check);

/* links.c */
gboolean work_open (Check *check, GError **error);
void work_close (Check *check);
void work_run (Check *check, sqlite3_stmt *statement);
void work_add (Check *check, sqlite3_stmt *statement, const gint64 *numbers, guint count);
void history_check (Check *check);
void links_check (Check *check);

/* journal.c */
void journal_check (Check *check);
