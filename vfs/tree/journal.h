// SPDX-License-Identifier: GPL-3.0-or-later
/* The ordered, encrypted journal of one tree on one device. See journal.c. */
#pragma once

#include "vfs/tree/tree.h"

typedef struct _MossJournal MossJournal;

MossJournal *moss_journal_open (const char *dir,
                                const guint8 *tree_id,
                                guint suite,
                                const guint8 *key,
                                GError **error);
void moss_journal_free (MossJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossJournal, moss_journal_free)

/* FALSE from @each: the record can't be; replay ends with CORRUPT. */
typedef gboolean (*MossJournalEach) (const guint8 *record,
                                     gsize length,
                                     gpointer user_data,
                                     GError **error);
gboolean moss_journal_replay (MossJournal *journal,
                              guint64 from_epoch,
                              guint32 skip,
                              MossJournalEach each,
                              gpointer user_data,
                              GError **error);

/* The caller orders calls of these (the tree's lock). */
void moss_journal_append (MossJournal *journal, const guint8 *record, gsize length);
void moss_journal_mark (MossJournal *journal, guint64 *epoch, guint32 *skip);
guint64 moss_journal_position (MossJournal *journal);
guint64 moss_journal_bytes (MossJournal *journal);

/* Any thread, without locks. */
gboolean moss_journal_write (MossJournal *journal, guint64 position, GError **error);
gboolean moss_journal_sync (MossJournal *journal, guint64 position, GError **error);
void moss_journal_prepare (MossJournal *journal);
void moss_journal_drop (MossJournal *journal, guint64 before);
