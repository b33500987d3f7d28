// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

void
keep_register (MossTree *tree)
{
}

void
keep_unregister (MossTree *tree)
{
}

gboolean
moss_tree_retain (MossTree *tree, const MossTreeKeepRule *rules, GError **error)
{
  return TRUE;
}
