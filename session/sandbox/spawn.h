/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "options.h"

#include <sys/types.h>

G_BEGIN_DECLS

typedef struct
{
  pid_t pid;
  int pidfd;
} MossSpawned;

/* Called when the namespaces of pid exist, before anything runs in them. */
typedef void (*MossSpawnHook) (pid_t pid, gpointer data);

/* Starts moss-init as pid 1 of new namespaces with root_path (a mounted overlay) as its root, and
 * moss-init starts the app. net: a mount that hangs nowhere yet, for /net, or -1. The tasks are
 * born in cgroup_fd. Returns when the display is there and
 * the app was started; on failure nothing is left. Blocks; any thread. */
gboolean moss_spawn (const char *root_path, int net, int cgroup_fd,
                     const MossSandboxOptions *options, MossSpawnHook hook, gpointer data,
                     MossSpawned *spawned, GError **error);

/* The whole environment of the app, for tests. Free with g_strfreev(). */
GStrv moss_spawn_make_env (const MossSandboxOptions *options);

G_END_DECLS
