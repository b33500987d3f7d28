// SPDX-License-Identifier: GPL-3.0-or-later
/* A merge under way. Pure: from two tables and what each has seen to a set of changes of the
 * first; no lock, nothing of the live tree. */
#pragma once

#include "vfs/tree/tree-private.h"

typedef enum
{
  SIDE_A, /* ours */
  SIDE_B, /* theirs */
} Side;

/* A key that both don't have alike. */
typedef struct
{
  GBytes *key;
  GBytes *value[2]; /* by side; NULL: not there */
} Pair;

typedef enum
{
  FATE_A,       /* as A has it */
  FATE_B,       /* content as B has it */
  FATE_DELETED, /* gone */
  FATE_SKIPPED, /* A deleted it, stays so */
} Fate;

typedef struct
{
  guint64 dir;
  char *name;
  MossEntryRecord record;
} Link;

/* Two different things of one name. */
typedef struct
{
  guint64 dir;
  char *name;
  MossEntryRecord record[2]; /* by side */
} Collision;

typedef struct
{
  MossTable *table;
  MossRef root[2];
  GArray *seen[2];
  guint64 dot;  /* of what the merge itself makes */
  char *(*device_name) (guint16 slot, gpointer user_data);
  gpointer user_data;

  GPtrArray *pairs;      /* Pair, sorted */
  GHashTable *overlay;   /* key → value, or NULL: goes: the result, beside A */
  GHashTable *fates;     /* ino → Fate */
  GHashTable *settled;   /* ino → Settled, merge-settled.c */
  GArray *collisions;    /* Collision */
  GArray *conflicts;     /* guint64: files whose content both changed */
  guint conflict_count;
} Merge;

void merge_init (Merge *merge, MossTable *table);
void merge_clear (Merge *merge);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Merge, merge_clear)

/* merge-items.c */
gboolean merge_collect (Merge *merge, GError **error);
gboolean merge_items (Merge *merge, GError **error);
/* Points into both. @value: (nullable) */
MossItem merge_item_of (GBytes *key, GBytes *value);
/* merge-settled.c */
gboolean merge_find_settled (Merge *merge, GError **error);
gboolean merge_inode_settled (Merge *merge, guint64 ino);
gboolean merge_item_settled (Merge *merge, guint64 ino, guint64 dot);
/* merge-names.c */
gboolean merge_names (Merge *merge, GError **error);
/* merge-places.c */
gboolean merge_places (Merge *merge, GError **error);

/* merge-entries.c */
void merge_set_entry (Merge *merge,
                      guint64 dir,
                      const char *name,
                      const MossEntryRecord *record);
void merge_drop_entry (Merge *merge, guint64 dir, const char *name);
gboolean merge_get_entry (Merge *merge,
                          guint64 dir,
                          const char *name,
                          MossEntryRecord *record,
                          gboolean *found,
                          GError **error);
gboolean merge_read_entry (GBytes *key, GBytes *value, MossEntryRecord *record);
void merge_clear_link (gpointer link);
void merge_add_link (GArray *links,
                     guint64 dir,
                     const char *name,
                     const MossEntryRecord *record);
/* (element-type Link) */
GArray *merge_changed_links (Merge *merge, GError **error);
char *merge_free_name (Merge *merge,
                       guint64 dir,
                       const char *name,
                       guint16 slot,
                       gint64 time_ns,
                       GError **error);
void merge_list_conflict (Merge *merge,
                          guint64 copy,
                          guint64 ino,
                          guint16 slot,
                          gint64 time_ns,
                          const guint64 cause[2]);
gboolean merge_exists_on (Merge *merge,
                          Side side,
                          guint64 ino,
                          gboolean *found,
                          GError **error);
gboolean merge_name_on (Merge *merge,
                        Side side,
                        guint64 ino,
                        guint64 *dir,
                        char **name,
                        GError **error);
guint16 merge_writer_of (const MossInodeRecord *record);

/* The result so far. (transfer full) (nullable) */
gboolean merge_get (Merge *merge, const MossKey *key, GBytes **value, GError **error);
gboolean merge_get_side (Merge *merge,
                         Side side,
                         const MossKey *key,
                         GBytes **value,
                         GError **error);
void merge_set (Merge *merge, const MossKey *key, GBytes *value);
gboolean merge_record (Merge *merge,
                       guint64 ino,
                       MossInodeRecord *record,
                       GBytes **holder,
                       gboolean *found,
                       GError **error);
gboolean merge_record_side (Merge *merge,
                            Side side,
                            guint64 ino,
                            MossInodeRecord *record,
                            GBytes **holder,
                            gboolean *found,
                            GError **error);
void merge_set_record (Merge *merge, guint64 ino, const MossInodeRecord *record);
gboolean merge_same_content (Merge *merge,
                             guint64 a,
                             guint64 b,
                             gboolean *same,
                             GError **error);
gboolean merge_copy_content (Merge *merge,
                             Side side,
                             guint64 from,
                             guint64 to,
                             GError **error);
gboolean merge_drop_inode (Merge *merge, guint64 ino, GError **error);
gboolean merge_restore_inode (Merge *merge, guint64 ino, gboolean *done, GError **error);
