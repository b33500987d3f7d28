// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-info.h"

const char *
fuse_info_state (const MossTreeInfo *info, guint64 size)
{
  if (info->conflict_of != 0)
    return "conflict";
  if (info->bytes_missing > 0)
    return info->bytes_missing >= size ? "elsewhere" : "partly";
  return info->dirty ? "waiting" : "here";
}

guint
fuse_info_cost_ms (const MossMountHooks *hooks, gpointer user_data, guint64 missing_bytes)
{
  if (missing_bytes == 0 || hooks->get_cost_ms == NULL)
    return 0;
  return hooks->get_cost_ms (missing_bytes, user_data);
}

guint
fuse_info_hosts (const MossMountHooks *hooks, gpointer user_data, const MossTreeInfo *info)
{
  return hooks->count_hosts != NULL ? hooks->count_hosts (info, user_data) : 0;
}

char *
fuse_info_lease (const MossMountHooks *hooks, gpointer user_data, guint64 ino, gint64 *end_us)
{
  char *lease = NULL;

  *end_us = 0;
  if (hooks->get_lease != NULL)
    lease = hooks->get_lease (ino, end_us, user_data);
  return lease != NULL ? lease : g_strdup ("");
}
