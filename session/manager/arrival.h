/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "imaging.h"

G_BEGIN_DECLS

/* What the target holds ready in memory for a sandbox that is on its way here. Used by whoever has
 * claimed the sandbox; lost in a crash, after which all of it is fetched again. */
typedef struct
{
  char *id;
  char *device;             /* the source */
  MossShelf *shelf;         /* plaintext of what came ahead */
  MossReady ready;
  MossManifest *manifest;   /* of what was restored */
} MossArrival;

void moss_arrival_free (MossArrival *arrival);
/* Borrowed; stays until moss_arrival_forget(). */
MossArrival *moss_arrival_find (MossManager *manager, const char *move);
/* The caller's from then on, or NULL. */
MossArrival *moss_arrival_steal (MossManager *manager, const char *move);
void moss_arrival_forget (MossManager *manager, const char *move);

G_END_DECLS
