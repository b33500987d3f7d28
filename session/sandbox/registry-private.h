/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "registry.h"

G_BEGIN_DECLS

/* In the run directory: who runs, for the next sandboxd. Names of apps are nobody else's
 * business. */
#define MOSS_REGISTRY_RECORDS "running"

struct _MossRegistry
{
  MossRegistryPaths paths;
  GMutex lock; /* of the table; never taken before a sandbox's lock is waited for */
  GHashTable *sandboxes;
  int cgroup_base;
  MossRegistryExited exited;
  gpointer exited_data;
};

/* Takes it out of the table. */
void moss_registry_forget (MossSandbox *sandbox);
/* Looks whether an earlier sandboxd left it running; called before anybody else knows it. */
void moss_sandbox_readopt (MossSandbox *sandbox);

G_END_DECLS
