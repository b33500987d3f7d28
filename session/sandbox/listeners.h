/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "registry.h"

G_BEGIN_DECLS

/* Whether nothing stands at a path, in the sandbox's own root, any more; a mount there, which might
 * hang, counts as not gone. */
gboolean moss_listeners_is_gone (MossSandbox *sandbox, const char *path);

/* The path of the name that a Unix socket's file has now, when it was given another than it was
 * bound to; NULL when it has none or wasn't. Free with g_free(). */
char *moss_listeners_dup_name (MossSandbox *sandbox, int socket_fd);

/* The listening sockets of a running sandbox that have another name now, and whose folder is gone;
 * NULL when there is none, as nearly always. Free with g_ptr_array_unref(). Any thread. */
GPtrArray *moss_listeners_find (MossSandbox *sandbox);

/* Gives them their names and folders back, with a link from the other name, while the sandbox is
 * frozen. What fails is left as it was. Any thread. */
void moss_listeners_put_back (MossSandbox *sandbox, GPtrArray *listeners);

G_END_DECLS
