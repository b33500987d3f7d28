/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "options.h"

#include <sys/types.h>

G_BEGIN_DECLS

#define MOSS_SANDBOX_MAX_PER_USER 128

typedef struct _MossRegistry MossRegistry;
typedef struct _MossSandbox MossSandbox;

/* Called in the main thread when the last process of a sandbox ended. status as an exit code;
 * 128 + n for signal n; -1 when nobody knows (sandboxd was restarted). */
typedef void (*MossRegistryExited) (uid_t owner, const char *id, int status, gpointer data);

typedef struct
{
  char *state_dir;   /* upper and work directories: UID/ID */
  char *run_dir;     /* what must survive sandboxd, but not a reboot */
  char *private_dir; /* a tmpfs that only we see: base layer, mount points, images */
  char *root_dir;    /* the runtime */
  char *libexec_dir;
  char *criu;        /* or NULL */
} MossRegistryPaths;

/* One program in its namespaces, or just its files when it is dead. Fields are read and written
 * with lock held, but those marked constant. */
struct _MossSandbox
{
  gatomicrefcount refs;
  GMutex lock;
  MossRegistry *registry; /* constant */
  uid_t owner;            /* constant */
  char *id;               /* constant */
  char *key;              /* constant: "UID-ID", a file name */
  char *name;
  gboolean network;
  gboolean alive;
  gboolean fresh; /* has files, but no app ever ran on them */
  pid_t pid;
  int pidfd;
  guint64 start_time;
  int cgroup_fd;
  int upper_fd; /* -1 without files */
  GSource *watch;
  GPtrArray *applied; /* of moss_layer_apply_again(), while it is true; or NULL */
};

/* Makes the private tmpfs and base layer, opens the cgroup, and takes over what an earlier
 * sandboxd left running. paths is taken over on success. */
MossRegistry *moss_registry_new (const MossRegistryPaths *paths, MossRegistryExited exited,
                                 gpointer data, GError **error);
const MossRegistryPaths *moss_registry_get_paths (MossRegistry *registry);

/* The caller's sandbox, locked, or NULL with NOT_FOUND. Give it back with
 * moss_sandbox_release(). */
MossSandbox *moss_registry_acquire (MossRegistry *registry, uid_t owner, const char *id,
                                    GError **error);
/* The same, made when it isn't there (within the caller's limit). */
MossSandbox *moss_registry_acquire_new (MossRegistry *registry, uid_t owner, const char *id,
                                        GError **error);
/* The same, for the steps of an arrival: what Prepare left is still as it left it. */
MossSandbox *moss_registry_acquire_arriving (MossRegistry *registry, uid_t owner,
                                             const char *id, GError **error);
void moss_sandbox_release (MossSandbox *sandbox);

/* References to all of a caller's sandboxes; free with g_ptr_array_unref(). */
GPtrArray *moss_registry_list (MossRegistry *registry, uid_t owner);

/* ---- with the lock held -------------------------------------------------------------- */

/* Opens the directory with "upper" and "work" of this sandbox, made when create. */
gboolean moss_sandbox_open_files (MossSandbox *sandbox, gboolean create, GError **error);
/* The same for a new sandbox, with a home and what else is its own. */
gboolean moss_sandbox_make_files (MossSandbox *sandbox, GError **error);
/* Forgets what overlayfs noted of the files: before a mount, when the upper was written to. */
gboolean moss_sandbox_clear_work (MossSandbox *sandbox, GError **error);
/* Mounts base, runtime and upper; returns the path of the mount point (free with
 * g_free()), which is ours alone. Undone by moss_sandbox_unmount(). */
char *moss_sandbox_mount (MossSandbox *sandbox, GError **error);
void moss_sandbox_unmount (const char *path);
gboolean moss_sandbox_open_cgroup (MossSandbox *sandbox, GError **error);

/* Runs a new app in it. */
gboolean moss_sandbox_start (MossSandbox *sandbox, const MossSandboxOptions *options,
                             GError **error);
/* Takes over a process tree: writes it down so that the next sandboxd finds it, and watches
 * it. pidfd becomes ours. */
gboolean moss_sandbox_adopt (MossSandbox *sandbox, pid_t pid, int pidfd, GError **error);
/* Kills it and waits. Idempotent. */
gboolean moss_sandbox_kill (MossSandbox *sandbox, GError **error);
/* Removes the files of a dead one and forgets it. */
gboolean moss_sandbox_remove (MossSandbox *sandbox, GError **error);
/* Sets error to STATE when it is dead. */
gboolean moss_sandbox_require_alive (MossSandbox *sandbox, GError **error);

MossSandbox *moss_sandbox_ref (MossSandbox *sandbox);
void moss_sandbox_unref (MossSandbox *sandbox);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossSandbox, moss_sandbox_release)

G_END_DECLS
