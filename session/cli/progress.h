/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* One line on a terminal (stderr) that shows how far a move is; nothing where there is none. */
typedef struct
{
  char *title;       /* "foot → laptop"; owned by the caller */
  gboolean shown;    /* draw at all */
  gboolean drawn;    /* there is a line to be wiped */
} MossProgress;

void moss_progress_begin (MossProgress *progress, char *title, gboolean quiet);
/* fraction: 0 to 1; text: what is being done, may be "". */
void moss_progress_update (MossProgress *progress, double fraction, const char *text);
/* Wipes the line; the next update draws it again. */
void moss_progress_wipe (MossProgress *progress);

/* The line for a terminal of so many columns; free with g_free(). Pure. */
char *moss_progress_format (const char *title, double fraction, const char *text,
                            guint columns);

G_END_DECLS
