// SPDX-License-Identifier: LGPL-2.1-or-later
/* What org.moss.Files1 says of /net, in the words that tray, command line and file managers
 * share. All pure, any thread; what is given back is a new string for g_free() unless it is
 * const. Texts that came from the service are cleaned: no control characters, bounded. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  MOSS_FILES_NONE, /* no identity on this device, or netd isn't there */
  MOSS_FILES_SYNCED,
  MOSS_FILES_SYNCING,
  MOSS_FILES_OFFLINE,
  MOSS_FILES_CONFLICT,
  MOSS_FILES_HOST_FULL,
  MOSS_FILES_PAUSED,
  MOSS_FILES_LOCKED,
  MOSS_FILES_FAILED,
} MossFilesState;

typedef struct
{
  const char *mount_state;  /* as Files1 has it; never NULL */
  const char *mount_reason; /* never NULL */
  GVariant *status;         /* a{sv}; NULL: not known */
} MossFilesView;

MossFilesState moss_files_view_state (const MossFilesView *view);
/* The symbolic icon of a state; const. */
const char *moss_files_state_icon (MossFilesState state);
/* A person should look: conflict, host full, mount failed. */
gboolean moss_files_state_needs_attention (MossFilesState state);
/* "Syncing 3 of 12" */
char *moss_files_view_title (const MossFilesView *view);
/* "4.2 MB/s, 12 s left", or the reason; "" when there is nothing to add. */
char *moss_files_view_detail (const MossFilesView *view);
/* 0..1, or -1 when nothing is under way. */
double moss_files_view_progress (const MossFilesView *view);
guint moss_files_view_conflicts (const MossFilesView *view);

/* "home.test: 1.2 GB of 5 GB used"; host: one of the status' hosts. */
char *moss_files_host_line (GVariant *host);
/* "notes.txt came" */
char *moss_files_latest_line (const char *path, const char *what);
/* "me@home.test" of "/net/me@home.test"; "" without a home. */
char *moss_files_home_name (const char *home);
/* "12 s", "3 min", "2 h" */
char *moss_files_duration (guint64 seconds);
/* Without control characters and overrides of the writing direction, at most max characters. */
char *moss_files_clean (const char *text, guint max);

/* Members of a{sv}; number: of whatever integer type. */
const char *moss_files_get_string (GVariant *dict, const char *key);
guint64 moss_files_get_number (GVariant *dict, const char *key);

G_END_DECLS
