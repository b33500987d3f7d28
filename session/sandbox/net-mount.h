/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "requests.h"

G_BEGIN_DECLS

/* Where a person's files are, on every machine. */
#define MOSS_NET_PATH "/net"

/* Remembers the machine's own mounts; called once, before sandboxd leaves them. */
gboolean moss_net_mount_start (GError **error);

/* A copy of the caller's /net that hangs nowhere yet (see open_tree()), or -1 with the error set;
 * NOT_FOUND when nothing of the caller's is mounted there. The caller closes it. */
int moss_net_mount_clone (uid_t owner, GError **error);
/* Whether the caller has a /net on this machine. */
gboolean moss_net_mount_is_there (uid_t owner);

/* The primary group of a user; a number like the user's when there is no such account. */
gid_t moss_net_group_of (uid_t uid);

GVariant *moss_net_mount_request (MossRequest *request, GError **error);
GVariant *moss_net_unmount_request (MossRequest *request, GError **error);
GVariant *moss_net_abort_request (MossRequest *request, GError **error);
GVariant *moss_net_bind_request (MossRequest *request, GError **error);
GVariant *moss_net_tune_request (MossRequest *request, GError **error);

G_END_DECLS
