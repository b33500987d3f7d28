/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What is to be run, and how it is shown. */
typedef struct
{
  char *app;   /* desktop id or program name */
  char *name;
  char *icon;
  GPtrArray *argv; /* char *, no NULL at the end; files not yet in it */
  guint files_at;  /* where in argv file names go */
  gboolean many_files; /* takes more than one */
} MossLaunch;

/* what: a desktop id, with or without ".desktop", or a program. arguments: NULL-terminated.
 * Fails with NOT_FOUND. */
MossLaunch *moss_launch_find (const char *what, const char *const *arguments, GError **error);
void moss_launch_free (MossLaunch *launch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossLaunch, moss_launch_free)

G_END_DECLS
