/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/stat.h>

G_BEGIN_DECLS

typedef enum
{
  MOSS_WALK_BEFORE, /* a directory, before what is in it; FALSE skips it */
  MOSS_WALK_ENTRY,  /* anything else */
  MOSS_WALK_AFTER,  /* a directory, after what is in it */
} MossWalkStep;

/* path is relative to where the walk began. FALSE (but for BEFORE) ends the walk. */
typedef gboolean (*MossWalkFunc) (MossWalkStep step, int dir_fd, const char *name,
                                  const char *path, const struct stat *st, gpointer data);

/* Walks a tree that somebody else may be changing: it never leaves it, follows no link, and
 * stops at MOSS_WALK_MAX_DEPTH. FALSE when func ended it or it was too deep. */
gboolean moss_walk (int dir_fd, MossWalkFunc func, gpointer data);

#define MOSS_WALK_MAX_DEPTH 200

G_END_DECLS
