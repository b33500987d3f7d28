/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "criu.h"
#include "criu-rpc.pb-c.h"

G_BEGIN_DECLS

/* Request types, from CRIU's RPC description. */
enum
{
  MOSS_CRIU_DUMP = 1,
  MOSS_CRIU_RESTORE = 2,
  MOSS_CRIU_CHECK = 3,
  MOSS_CRIU_NOTIFY = 6,
  MOSS_CRIU_FEATURE_CHECK = 9,
  MOSS_CRIU_VERSION = 10,
};

/* One `criu swrk`, which serves one request and ends. */
typedef struct _MossCriuWorker
{
  pid_t pid;
  int socket;
  gboolean inside; /* in the cgroup of what it will restore */
} MossCriuWorker;

/* Called for each "notify" with its name and pid (0: none). FALSE is passed on to CRIU as
 * failure. */
typedef gboolean (*MossCriuNotify) (const char *script, pid_t pid, gpointer data);

/* private_run: it sees a fresh tmpfs at /run. network: the namespace it is to work in, or -1. */
MossCriuWorker *moss_criu_worker_new (const MossCriuConfig *config,
                                      gboolean private_run,
                                      int network,
                                      GError **error);

/* TRUE when it is there no more, though nobody ended it. */
gboolean moss_criu_worker_has_ended (const MossCriuWorker *worker);

/* Closes the socket, ends CRIU if it still runs and reaps it. */
void moss_criu_worker_free (MossCriuWorker *worker);

/* The same; with in_background it is done by a thread, as a CRIU whose work is done takes
 * some ms to end. */
void moss_criu_worker_retire (MossCriuWorker *worker, gboolean in_background);

/* Sends the request, serves the notifications and gives back the answer, also one that
 * says no. NULL when CRIU went away, was silent for timeout_s or talked nonsense. Free
 * with moss_criu__response__free_unpacked(). */
MossCriu__Response *moss_criu_worker_call (MossCriuWorker *worker,
                                           const MossCriu__Request *request,
                                           guint timeout_s,
                                           MossCriuNotify notify,
                                           gpointer data,
                                           GError **error);

const char *moss_criu_program (const MossCriuConfig *config);

/* A sentence for a failure, from CRIU's answer and its log in images_dirfd (may be -1).
 */
void moss_criu_explain (GError **error,
                        const MossCriuConfig *config,
                        gboolean restore,
                        const MossCriu__Response *response,
                        int images_dirfd);

/* The same from the text of a log alone. Free with g_error_free(). */
GError *moss_criu_explain_log (const char *log, const char *name, gboolean restore);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossCriuWorker, moss_criu_worker_free)

G_END_DECLS
