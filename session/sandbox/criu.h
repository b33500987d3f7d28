/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* Dumps and restores a whole sandbox with `criu swrk`, so that at no moment two copies
 * can run.
 *
 * What holds the tasks still is the freezer of the sandbox's cgroup (v2), not CRIU: at
 * the end of a dump the cgroup is frozen while CRIU's ptrace still holds every task, and
 * just before a restored task would run its first instruction it is frozen too. A later
 * thaw is invisible to the app; a kill leaves nothing behind. */

#define MOSS_CRIU_ERROR (moss_criu_error_quark ())

typedef enum
{
  MOSS_CRIU_ERROR_FAILED,         /* CRIU failed, for a reason that is in the message */
  MOSS_CRIU_ERROR_MISSING,        /* no CRIU, too old, or the kernel can't do it */
  MOSS_CRIU_ERROR_NOT_TRAVELABLE, /* the app holds something that can't be moved */
  MOSS_CRIU_ERROR_INCOMPATIBLE,   /* this machine can't run these images (CPU, files) */
  MOSS_CRIU_ERROR_PROTOCOL,       /* CRIU answered nonsense or ended too early */
} MossCriuError;

GQuark moss_criu_error_quark (void);

/* Called in the calling thread. FALSE cancels the dump with the error set. */
typedef gboolean (*MossCriuHook) (gpointer data, GError **error);

typedef struct
{
  const char
      *program;  /* path of criu; NULL: the one beside our programs, else the system's */
  int log_level; /* 0–4; 0 means 1 (errors only); more costs time in the freeze */
  guint32 cpu_cap;     /* CRIU_CPU_CAP bits; 0 means fpu|ins, what glibc depends on */
  guint64 ghost_limit; /* bytes of one deleted file that is still open; 0 means 256 MiB */
  gboolean tcp_close;  /* TCP connections are closed by the move (always wanted so far) */
  guint timeout_s;     /* CRIU gives up after so many seconds; 0 means 10 */
  const char *name;    /* how messages call the app ("mousepad"); NULL: "the app" */
  const char *net_path; /* restore: what to put at /net, if it had one; may be NULL */
  MossCriuHook stopped; /* see moss_criu_dump(); may be NULL */
  MossCriuHook frozen;
  MossCriuHook before_pages; /* see moss_criu_restore(); may be NULL */
  gpointer hook_data; /* of all three */
  struct _MossCriuWorker *warm; /* restore: of moss_criu_warm(), used up; or NULL */
} MossCriuConfig;

typedef struct
{
  gint64 started_us;      /* CLOCK_MONOTONIC: the call began */
  gint64 frozen_at_us;    /* dump: from here on no task runs; restore: all tasks exist,
                             frozen */
  gint64 done_at_us;      /* the call ended */
  guint64 pages;          /* dump: pages written */
  guint32 criu_frozen_us; /* dump: CRIU's own count of the time the tasks were stopped */
} MossCriuStats;

/* Dumps the tree below init_pid (as seen from here) into images_dirfd, best on tmpfs.
 * cgroup_dirfd is the cgroup v2 directory that holds just this sandbox.
 * before_freeze is called right before CRIU stops the tasks (the display detaches there);
 * config->stopped as soon as the last task was stopped, and config->frozen as soon as
 * everything is dumped and frozen. The layer must be exported in the latter and not later:
 * names that CRIU gave to files that have none (link remaps)
 * stand in the file tree only until it returns; moss_criu_has_remaps() says whether there are
 * any, and without them the layer is the same from config->stopped on. TRUE: the images are
 * complete and the tasks are frozen by cgroup.freeze (the caller writes 0 to let them run on,
 * or kills
 * them). FALSE: they run on, and error says why in a sentence. Blocks; any thread. stats
 * may be NULL. */
gboolean moss_criu_dump (const MossCriuConfig *config,
                         pid_t init_pid,
                         int images_dirfd,
                         int cgroup_dirfd,
                         MossCriuHook before_freeze,
                         gpointer data,
                         MossCriuStats *stats,
                         GError **error);

/* TRUE when CRIU noted files without a name in images_dirfd. */
gboolean moss_criu_has_remaps (int images_dirfd);

/* Restores the images in images_dirfd onto root_path, a mount point that is already the
 * whole root of the sandbox (the overlay). The tasks are born in cgroup_dirfd and, on
 * TRUE, are frozen there by cgroup.freeze before any of them ran. init_pid becomes a
 * child of the caller, who reaps it. FALSE: nothing of it is left. Blocks; any thread.
 * config->before_pages is called once the namespaces are made; until it returned TRUE nothing
 * has read what is in the files of pages. The images must have passed moss_image_check() before. */
gboolean moss_criu_restore (const MossCriuConfig *config,
                            int images_dirfd,
                            const char *root_path,
                            int cgroup_dirfd,
                            pid_t *init_pid,
                            MossCriuStats *stats,
                            GError **error);

/* Starts a CRIU for a later restore, in a network namespace made for the sandbox and in its
 * cgroup, where nothing may be running: that is some 20 ms less to do while the app stands
 * still. cgroup_dirfd: the one that will be restored into, or -1. Free with
 * moss_criu_worker_free(), or give it to moss_criu_restore(). NULL with error. */
struct _MossCriuWorker *moss_criu_warm (const MossCriuConfig *config, int cgroup_dirfd,
                                        GError **error);

/* CRIU's version as "4.2.1", or NULL with MISSING. Free with g_free(). */
char *moss_criu_version (const MossCriuConfig *config, GError **error);

/* What keeps apps from travelling on this machine, as sentences; empty when nothing does.
 * Runs `criu check` and fills the kernel-feature cache, so call it once at start. Free
 * with g_strfreev(). */
GStrv moss_criu_check (const MossCriuConfig *config);

G_END_DECLS
