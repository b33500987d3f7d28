// SPDX-License-Identifier: GPL-3.0-or-later
/* A sorted map of byte strings in store objects, never changed, only made anew where it differs.
 * See table.c. Any thread. */
#pragma once

#include "vfs/tree/node.h"

typedef gboolean (*MossTableFetch) (const MossId *ids,
                                    gsize count,
                                    gpointer user_data,
                                    GError **error);

typedef struct
{
  MossStore *store;
  guint8 tree_id[MOSS_TREE_ID_BYTES];
  MossTableFetch fetch; /* nullable */
  gpointer user_data;
  GMutex lock;       /* of what follows */
  GHashTable *cache; /* id → Cached */
  GQueue recent;     /* Cached, newest first */
  gsize cache_bytes;
  gsize cache_max;
} MossTable;

/* A table is named by the ref of its uppermost block; an id of zeros is the empty one. */
gboolean moss_table_is_empty (const MossRef *root);

MossTable *moss_table_new (MossStore *store,
                           const guint8 *tree_id,
                           MossTableFetch fetch,
                           gpointer user_data);
void moss_table_free (MossTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossTable, moss_table_free)

MossNode *moss_table_node (MossTable *table, const MossRef *ref, GError **error);
GBytes *moss_table_object (MossTable *table, const MossRef *ref, GError **error);
void moss_item_ref (const MossItem *item, MossRef *ref);

/* A place in a table: an item, or a block not yet gone into. */
typedef struct
{
  MossTable *table;
  guint depth; /* 0: at the end */
  struct
  {
    MossNode *node;
    guint index;
  } path[MOSS_NODE_LEVEL_MAX + 1];
} MossCursor;

gboolean moss_cursor_start (MossCursor *cursor,
                            MossTable *table,
                            const MossRef *root,
                            GError **error);
gboolean moss_cursor_seek (MossCursor *cursor,
                           MossTable *table,
                           const MossRef *root,
                           const guint8 *key,
                           gsize key_length,
                           GError **error);
const MossItem *moss_cursor_item (MossCursor *cursor);
guint moss_cursor_level (MossCursor *cursor);
gboolean moss_cursor_down (MossCursor *cursor, GError **error);
gboolean moss_cursor_to_item (MossCursor *cursor, GError **error);
void moss_cursor_next (MossCursor *cursor);
void moss_cursor_clear (MossCursor *cursor);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MossCursor, moss_cursor_clear)

/* Found items point into @holder. */
gboolean moss_table_find (MossTable *table,
                          const MossRef *root,
                          const guint8 *key,
                          gsize key_length,
                          MossItem *item,
                          MossNode **holder,
                          GError **error);
/* Each item whose key begins with @prefix, from @from (nullable) on. FALSE from @each stops; so
 * does an error. */
typedef gboolean (*MossItemFunc) (const MossItem *item, gpointer user_data);
gboolean moss_table_each (MossTable *table,
                          const MossRef *root,
                          const guint8 *prefix,
                          gsize prefix_length,
                          const guint8 *from,
                          gsize from_length,
                          MossItemFunc each,
                          gpointer user_data,
                          GError **error);

/* Keys that differ: @a or @b is NULL where there is none. FALSE stops (no error). */
typedef gboolean (*MossDiffFunc) (const MossItem *a, const MossItem *b, gpointer user_data);
/* A block of b that a hasn't at that place, before it is read. */
typedef gboolean (*MossBlockFunc) (const MossRef *ref, gpointer user_data);
gboolean moss_table_diff (MossTable *table,
                          const MossRef *a,
                          const MossRef *b,
                          MossBlockFunc block,
                          MossDiffFunc each,
                          gpointer user_data,
                          GError **error);

/* What is to change: sorted, each key once. All bytes lie in one array, for a commit may have a
 * hundred thousand of them. */
typedef struct
{
  gsize at; /* of the key; the value follows it */
  guint16 key_length;
  guint16 value_length;
  gboolean goes;
} MossChange;

typedef struct
{
  GArray *list; /* MossChange */
  GByteArray *bytes;
} MossChanges;

MossChanges *moss_changes_new (void);
void moss_changes_free (MossChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossChanges, moss_changes_free)
void moss_changes_add (MossChanges *changes,
                       const guint8 *key,
                       gsize key_length,
                       gconstpointer value,
                       gsize value_length);
void moss_changes_remove (MossChanges *changes, const guint8 *key, gsize key_length);
MossItem moss_changes_item (const MossChanges *changes, guint index);
void moss_changes_sort (MossChanges *changes);

gboolean moss_table_apply (MossTable *table,
                           const MossRef *root,
                           MossChanges *changes,
                           MossRef *new_root,
                           GError **error);
