/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A table of text with aligned columns and a line of headings. */
typedef struct _MossTable MossTable;

/* columns: headings, ended by NULL. A heading that starts with '>' has its column aligned to the
 * right. */
MossTable *moss_table_new (const char *const *columns);
/* Adds a cell; the rows fill up from left to right. The text is cleaned. */
void moss_table_add (MossTable *table, const char *text);
/* The table as text; width: columns to keep the last one within, 0: any. Free with g_free(). */
char *moss_table_format (MossTable *table, guint width);
/* To stdout; on a terminal no line is longer than it. */
void moss_table_print (MossTable *table);
void moss_table_free (MossTable *table);

/* Columns of the terminal that a descriptor is; 0 when it is none. */
guint moss_terminal_columns (int fd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossTable, moss_table_free)

G_END_DECLS
