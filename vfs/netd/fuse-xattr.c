// SPDX-License-Identifier: GPL-3.0-or-later
/* Extended attributes: the tree's own, and user.moss.*, which say what opening a file will cost.
 * Those are not listed, so that no copy carries them along. POSIX ACLs are not there (system.*):
 * said so, ls and cp ask once and not for every file. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-info.h"
#include "vfs/netd/fuse-private.h"

#include <string.h>

#define OWN_PREFIX "user.moss."

/* ---- user.moss.* --------------------------------------------------------------------- */

/* "laptop until 2026-03-01T10:20:30Z", "laptop alone" when no other device can be asked, or "". */
static char *
describe_lease (MossMount *mount, guint64 ino)
{
  gint64 end_us;
  g_autofree char *holder = fuse_info_lease (&mount->hooks, mount->user_data, ino, &end_us);
  g_autoptr (GDateTime) end = g_date_time_new_from_unix_utc (end_us / G_USEC_PER_SEC);
  g_autofree char *text = end != NULL ? g_date_time_format (end, "%Y-%m-%dT%H:%M:%SZ") : NULL;

  if (*holder == '\0')
    return g_steal_pointer (&holder);
  return end_us == 0 || text == NULL ? g_strdup_printf ("%s alone", holder)
                                     : g_strdup_printf ("%s until %s", holder, text);
}

static char *
describe (MossMount *mount, guint64 ino, const char *what, const MossTreeInfo *info)
{
  MossTreeAttr attr = { 0 };

  if (strcmp (what, "bytes-missing") == 0)
    return g_strdup_printf ("%" G_GUINT64_FORMAT, info->bytes_missing);
  if (strcmp (what, "cost-ms") == 0)
    return g_strdup_printf ("%u", fuse_info_cost_ms (&mount->hooks, mount->user_data,
                                                     info->bytes_missing));
  if (strcmp (what, "version") == 0)
    return g_strdup_printf ("%" G_GUINT64_FORMAT, info->version);
  if (strcmp (what, "hosts") == 0)
    return g_strdup_printf ("%u", fuse_info_hosts (&mount->hooks, mount->user_data, info));
  if (strcmp (what, "suite") == 0)
    return g_strdup_printf ("%u", info->suite);
  if (strcmp (what, "pinned") == 0)
    return g_strdup (info->pinned ? "1" : "0");
  if (strcmp (what, "lease") == 0)
    return describe_lease (mount, ino);
  if (strcmp (what, "state") != 0 || moss_tree_getattr (mount->tree, ino, &attr) != 0)
    return NULL;
  return g_strdup (fuse_info_state (info, attr.size));
}

static int
get_own (MossMount *mount, guint64 ino, const char *what, GBytes **value)
{
  MossTreeInfo info;
  int result = moss_tree_info (mount->tree, ino, &info);
  char *text;

  if (result != 0)
    return result;
  text = describe (mount, ino, what, &info);
  if (text == NULL)
    return -ENODATA;
  *value = g_bytes_new_take (text, strlen (text));
  return 0;
}

/* user.moss.pinned alone can be set: "1" or "0". */
static int
set_own (MossMount *mount, guint64 ino, const char *what, const char *value, gsize size)
{
  if (strcmp (what, "pinned") != 0)
    return -EPERM;
  if (size != 1 || (*value != '0' && *value != '1'))
    return -EINVAL;
  return moss_tree_pin (mount->tree, ino, mount->slot, *value == '1');
}

static const char *
own_name (const char *name)
{
  return g_str_has_prefix (name, OWN_PREFIX) ? name + strlen (OWN_PREFIX) : NULL;
}

/* ---- operations ---------------------------------------------------------------------- */

static void
reply_bytes (fuse_req_t request, int result, GBytes *value, gsize size)
{
  gsize length = 0;
  gconstpointer data = value != NULL ? g_bytes_get_data (value, &length) : NULL;

  if (result != 0)
    fuse_reply_err (request, -result);
  else if (size == 0)
    fuse_reply_xattr (request, length);
  else if (length > size)
    fuse_reply_err (request, ERANGE);
  else
    fuse_reply_buf (request, data, length);
}

static void
on_getxattr (fuse_req_t request, fuse_ino_t node, const char *name, size_t size)
{
  MossMount *mount = get_mount (request);
  g_autoptr (GBytes) value = NULL;
  const char *own = own_name (name);
  int result;

  if (g_str_has_prefix (name, "system."))
    result = -EOPNOTSUPP;
  else if (!is_live (node))
    result = views_getxattr (mount, node, name, &value);
  else if (own != NULL)
    result = get_own (mount, to_ino (node), own, &value);
  else
    result = moss_tree_getxattr (mount->tree, to_ino (node), name, &value);
  reply_bytes (request, result, value, size);
}

static void
on_listxattr (fuse_req_t request, fuse_ino_t node, size_t size)
{
  MossMount *mount = get_mount (request);
  g_autoptr (GBytes) names = NULL;
  int result = is_live (node) ? moss_tree_listxattr (mount->tree, to_ino (node), &names)
                              : views_listxattr (mount, node, &names);

  reply_bytes (request, result, names, size);
}

static void
on_setxattr (fuse_req_t request, fuse_ino_t node, const char *name, const char *value,
             size_t size, int flags)
{
  MossMount *mount = get_mount (request);
  const char *own = own_name (name);
  int result;

  if (!is_live (node))
    result = -EROFS;
  else if (g_str_has_prefix (name, "system."))
    result = -EOPNOTSUPP;
  else if (own != NULL)
    result = set_own (mount, to_ino (node), own, value, size);
  else if (connection_was_executed (mount, NULL))
    result = 0;
  else
    result = connection_forgive (
        moss_tree_setxattr (mount->tree, to_ino (node), name, value, size, flags), -EEXIST);
  if (result == 0)
    moss_tree_note (mount->tree, to_ino (node));
  fuse_reply_err (request, -result);
}

static void
on_removexattr (fuse_req_t request, fuse_ino_t node, const char *name)
{
  MossMount *mount = get_mount (request);
  const char *own = own_name (name);
  int result;

  if (!is_live (node))
    result = -EROFS;
  else if (g_str_has_prefix (name, "system."))
    result = -EOPNOTSUPP;
  else if (own != NULL)
    result = set_own (mount, to_ino (node), own, "0", 1);
  else if (connection_was_executed (mount, NULL))
    result = 0;
  else
    result = connection_forgive (moss_tree_removexattr (mount->tree, to_ino (node), name),
                                 -ENODATA);
  if (result == 0)
    moss_tree_note (mount->tree, to_ino (node));
  fuse_reply_err (request, -result);
}

void
xattr_fill (struct fuse_lowlevel_ops *ops)
{
  ops->getxattr = on_getxattr;
  ops->listxattr = on_listxattr;
  ops->setxattr = on_setxattr;
  ops->removexattr = on_removexattr;
}
