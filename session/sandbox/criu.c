/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dump and restore.
 *
 * Dump: CRIU is told to leave the tasks running. At its "post-dump" everything is written
 * and every task still hangs in ptrace; there the cgroup is frozen, so that when CRIU
 * lets go, no task executes one instruction of its own. Whatever fails before leaves the
 * app running.
 *
 * Restore: CRIU works inside the sandbox's cgroup, so that all it makes is born there. At
 * "pre-resume" every task is complete and held; CRIU is moved out and the cgroup is
 * frozen before it lets go. It works in a network namespace made for the sandbox, with
 * nothing but loopback up (see criu-net.c), and so what it restores lives there. CRIU goes
 * on even when that notification fails or we are gone, so a guard process keeps the other
 * end of its socket open and kills the cgroup should we die in between. */
#define G_LOG_DOMAIN "moss-criu"
#include "criu.h"
#include "criu-cgroup.h"
#include "criu-guard.h"
#include "criu-net.h"
#include "criu-place.h"
#include "criu-rpc.h"
#include "criu-stats.h"
#include "fds.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_FILE "criu.log"
#define REMAPS_FILE "remap-fpath.img"
#define IMAGE_HEAD_BYTES 8 /* two magic numbers; then the entries */
#define GHOST_LIMIT (256u << 20)
#define CPU_FPU 1
#define CPU_INS 4
#define CGROUPS_IGNORE 0
#define NETWORK_LOCK_SKIP 3
#define DEFAULT_TIMEOUT_S 10
#define FREEZE_TIMEOUT_MS 2000
#define KILL_TIMEOUT_MS 5000

typedef struct
{
  const MossCriuConfig *config;
  int cgroup_dirfd;
  MossCriuHook before_freeze;
  gpointer data;
  MossCriuStats *stats;
  gboolean frozen;
  gboolean has_pages; /* before_pages said so */
  pid_t init_pid;
  MossCriuWorker *worker;
  MossCriuPlace *inside, *outside;
  GError *error;
} Move;

static guint
timeout_s (const MossCriuConfig *config)
{
  return config->timeout_s != 0 ? config->timeout_s : DEFAULT_TIMEOUT_S;
}

static void
fill_options (MossCriu__Options *opts, const MossCriuConfig *config, int images_dirfd)
{
  opts->images_dir_fd = images_dirfd;
  opts->has_log_level = TRUE;
  opts->log_level = config->log_level > 0 ? config->log_level : 1;
  opts->log_file = (char *)LOG_FILE;
  opts->has_notify_scripts = opts->notify_scripts = TRUE;
  opts->has_file_locks = opts->file_locks = TRUE;
  opts->has_link_remap = opts->link_remap = TRUE;
  opts->has_cpu_cap = TRUE;
  opts->cpu_cap = config->cpu_cap != 0 ? config->cpu_cap : CPU_FPU | CPU_INS;
  opts->has_manage_cgroups_mode = TRUE;
  opts->manage_cgroups_mode = CGROUPS_IGNORE;
  opts->has_ghost_limit = TRUE;
  opts->ghost_limit
      = config->ghost_limit != 0 ? MIN (config->ghost_limit, G_MAXUINT32) : GHOST_LIMIT;
  /* For images whose tasks lived in a network namespace that CRIU did not work in. */
  opts->has_empty_ns = TRUE;
  opts->empty_ns = CLONE_NEWNET;
  opts->has_timeout = TRUE;
  opts->timeout = timeout_s (config);
  opts->has_tcp_close = TRUE;
  opts->tcp_close = config->tcp_close;
  opts->has_network_lock = TRUE;
  opts->network_lock = NETWORK_LOCK_SKIP;
}

/* A log that was asked for stays; it is no image. */
static void
drop_log (const MossCriuConfig *config, int images_dirfd)
{
  if (config->log_level <= 1)
    unlinkat (images_dirfd, LOG_FILE, 0);
}

/* The message of a hook that failed says more than CRIU's log about it. */
static void
fail (Move *move,
      gboolean restore,
      const MossCriu__Response *response,
      int images_dirfd,
      GError **error)
{
  if (move->error != NULL)
    {
      g_clear_error (error);
      g_propagate_error (error, g_steal_pointer (&move->error));
    }
  else if (response != NULL || error == NULL || *error == NULL
           || (*error)->code == MOSS_CRIU_ERROR_PROTOCOL)
    moss_criu_explain (error, move->config, restore, response, images_dirfd);
}

static gboolean
on_dump_notify (const char *script, pid_t pid, gpointer data)
{
  Move *move = data;

  if (g_str_equal (script, "pre-dump"))
    return move->before_freeze == NULL || move->before_freeze (move->data, &move->error);
  if (g_str_equal (script,
                   "query-ext-files")) /* comes right after the last task was stopped */
    {
      move->stats->frozen_at_us = g_get_monotonic_time ();
      return move->config->stopped == NULL
             || move->config->stopped (move->config->hook_data, &move->error);
    }
  if (!g_str_equal (script, "post-dump"))
    return TRUE;
  if (!moss_cgroup_set_frozen (move->cgroup_dirfd, TRUE, &move->error))
    return FALSE;
  move->frozen = TRUE;
  return move->config->frozen == NULL
         || move->config->frozen (move->config->hook_data, &move->error);
}

static MossCriu__Response *
ask_dump (Move *move, pid_t init_pid, int images_dirfd, GError **error)
{
  MossCriu__Options opts = MOSS_CRIU__OPTIONS__INIT;
  char *net = (char *) "mnt[/net]:net"; /* the person's files stay where they are */
  MossCriu__Request request = MOSS_CRIU__REQUEST__INIT;
  moss_autofd network = moss_criu_open_network (init_pid, error);

  if (network < 0)
    return NULL;
  move->worker = moss_criu_worker_new (move->config, FALSE, network, error);
  if (move->worker == NULL)
    return NULL;
  fill_options (&opts, move->config, images_dirfd);
  opts.has_pid = TRUE;
  opts.pid = init_pid;
  opts.has_leave_running = opts.leave_running = TRUE;
  opts.external = &net;
  opts.n_external = 1;
  request.type = MOSS_CRIU_DUMP;
  request.opts = &opts;
  return moss_criu_worker_call (move->worker, &request, timeout_s (move->config) + 5,
                                on_dump_notify, move, error);
}

gboolean
moss_criu_has_remaps (int images_dirfd)
{
  struct stat st;

  return fstatat (images_dirfd, REMAPS_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0
         && st.st_size > IMAGE_HEAD_BYTES;
}

gboolean
moss_criu_dump (const MossCriuConfig *config,
                pid_t init_pid,
                int images_dirfd,
                int cgroup_dirfd,
                MossCriuHook before_freeze,
                gpointer data,
                MossCriuStats *stats,
                GError **error)
{
  MossCriuStats ignored = { 0 };
  Move move = { .config = config,
                .cgroup_dirfd = cgroup_dirfd,
                .data = data,
                .before_freeze = before_freeze,
                .stats = stats != NULL ? stats : &ignored };
  MossCriu__Response *response;
  g_autoptr (GError) local = NULL;
  gboolean done;

  memset (move.stats, 0, sizeof *move.stats);
  move.stats->started_us = g_get_monotonic_time ();
  response = ask_dump (&move, init_pid, images_dirfd, &local);
  done = response != NULL && response->success && move.frozen
         && moss_cgroup_wait_frozen (cgroup_dirfd, FREEZE_TIMEOUT_MS, &move.error);
  if (done)
    {
      moss_criu_read_dump_stats (images_dirfd, move.stats);
      drop_log (config, images_dirfd);
    }
  else
    {
      fail (&move, FALSE, response, images_dirfd, &local);
      if (move.frozen)
        moss_cgroup_set_frozen (cgroup_dirfd, FALSE, NULL);
      g_propagate_error (error, g_steal_pointer (&local));
    }
  if (response != NULL)
    moss_criu__response__free_unpacked (response, NULL);
  if (move.worker != NULL)
    moss_criu_worker_retire (move.worker, done);
  move.stats->done_at_us = g_get_monotonic_time ();
  g_clear_error (&move.error);
  return done;
}

static gboolean
get_pages (Move *move)
{
  const MossCriuConfig *config = move->config;

  move->has_pages = config->before_pages == NULL
                    || config->before_pages (config->hook_data, &move->error);
  return move->has_pages;
}

static gboolean
check_pages (Move *move)
{
  if (!move->has_pages)
    g_set_error (&move->error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_PROTOCOL,
                 "CRIU did things in an unknown order");
  return move->has_pages;
}

static gboolean
on_restore_notify (const char *script, pid_t pid, gpointer data)
{
  Move *move = data;

  if (pid > 0 && move->init_pid == 0)
    move->init_pid = pid;
  if (g_str_equal (script, "pre-restore")) /* comes right before init is forked */
    return move->worker->inside
           || moss_criu_place_wait (g_steal_pointer (&move->inside), &move->error);
  if (g_str_equal (script, "setup-namespaces"))
    {
      /* Init exists, and all others will be its children. */
      move->outside = moss_criu_place_outside (move->cgroup_dirfd, move->worker->pid);
      return TRUE;
    }
  if (g_str_equal (script, "post-setup-namespaces")) /* comes right before init forks */
    return get_pages (move);
  if (!g_str_equal (script, "pre-resume"))
    return TRUE;
  if (check_pages (move) && moss_criu_place_wait (g_steal_pointer (&move->outside), &move->error)
      && moss_cgroup_set_frozen (move->cgroup_dirfd, TRUE, &move->error))
    {
      move->frozen = TRUE;
      return TRUE;
    }
  /* CRIU would go on and let them run. */
  moss_cgroup_kill (move->cgroup_dirfd, 0, NULL);
  return FALSE;
}

MossCriuWorker *
moss_criu_warm (const MossCriuConfig *config, int cgroup_dirfd, GError **error)
{
  moss_autofd network = moss_criu_make_network (error);
  MossCriuWorker *worker
      = network < 0 ? NULL : moss_criu_worker_new (config, FALSE, network, error);

  if (worker != NULL && cgroup_dirfd >= 0)
    worker->inside = moss_cgroup_add (cgroup_dirfd, worker->pid, NULL);
  return worker;
}

static MossCriuWorker *
take_warm (const MossCriuConfig *config, GError **error)
{
  if (config->warm != NULL && !moss_criu_worker_has_ended (config->warm))
    return config->warm;
  if (config->warm != NULL)
    moss_criu_worker_free (config->warm);
  return moss_criu_warm (config, -1, error);
}

static MossCriu__Response *
ask_restore (Move *move, int images_dirfd, const char *root_path, GError **error)
{
  MossCriu__Options opts = MOSS_CRIU__OPTIONS__INIT;
  g_autofree char *net = NULL;
  MossCriu__Request request = MOSS_CRIU__REQUEST__INIT;
  MossCriu__Response *response;
  g_autoptr (MossCriuGuard) guard = NULL;

  move->worker = take_warm (move->config, error);
  if (move->worker == NULL)
    return NULL;
  if (!move->worker->inside)
    move->inside = moss_criu_place_inside (move->cgroup_dirfd, move->worker->pid);
  guard = moss_criu_guard_new (move->worker->socket, move->cgroup_dirfd,
                               move->worker->pid, error);
  if (guard == NULL)
    {
      if (move->inside != NULL)
        moss_criu_place_wait (g_steal_pointer (&move->inside), NULL);
      return NULL;
    }
  fill_options (&opts, move->config, images_dirfd);
  opts.root = (char *)root_path;
  opts.has_rst_sibling = opts.rst_sibling = TRUE;
  if (move->config->net_path != NULL)
    {
      net = g_strconcat ("mnt[net]:", move->config->net_path, NULL);
      opts.external = &net;
      opts.n_external = 1;
    }
  request.type = MOSS_CRIU_RESTORE;
  request.opts = &opts;
  response = moss_criu_worker_call (move->worker, &request, timeout_s (move->config) + 5,
                                    on_restore_notify, move, error);
  /* Not waited for when CRIU gave up early. */
  if (move->inside != NULL)
    moss_criu_place_wait (g_steal_pointer (&move->inside), NULL);
  if (move->outside != NULL)
    moss_criu_place_wait (g_steal_pointer (&move->outside), NULL);
  if (response == NULL || !response->success || !move->frozen
      || !moss_cgroup_wait_frozen (move->cgroup_dirfd, FREEZE_TIMEOUT_MS, &move->error))
    {
      moss_cgroup_kill (move->cgroup_dirfd, KILL_TIMEOUT_MS, NULL);
      move->frozen = FALSE;
    }
  return response;
}

/* The restored init is our child; a dead one must not stay as a zombie. */
static void
bury (Move *move)
{
  int r;

  moss_cgroup_set_frozen (move->cgroup_dirfd, FALSE, NULL);
  if (move->init_pid <= 0)
    return;
  for (int i = 0; i < 200; i++)
    {
      r = waitpid (move->init_pid, NULL, WNOHANG);
      if (r > 0 || (r < 0 && errno != EINTR))
        return;
      g_usleep (5000);
    }
}

gboolean
moss_criu_restore (const MossCriuConfig *config,
                   int images_dirfd,
                   const char *root_path,
                   int cgroup_dirfd,
                   pid_t *init_pid,
                   MossCriuStats *stats,
                   GError **error)
{
  MossCriuStats ignored = { 0 };
  Move move = { .config = config,
                .cgroup_dirfd = cgroup_dirfd,
                .stats = stats != NULL ? stats : &ignored };
  MossCriu__Response *response;
  g_autoptr (GError) local = NULL;

  memset (move.stats, 0, sizeof *move.stats);
  move.stats->started_us = g_get_monotonic_time ();
  /* Tasks that are already in the sandbox's user namespace, some still with our own id
   * there, look for images by name; that needs the right to search the directory. */
  if (fchmod (images_dirfd, 0711) != 0)
    g_debug ("the images' directory keeps its mode: %s", g_strerror (errno));
  response = ask_restore (&move, images_dirfd, root_path, &local);
  move.stats->frozen_at_us = g_get_monotonic_time ();
  if (!move.frozen)
    {
      fail (&move, TRUE, response, images_dirfd, &local);
      bury (&move);
      g_propagate_error (error, g_steal_pointer (&local));
    }
  else
    {
      *init_pid = response->restore != NULL ? response->restore->pid : move.init_pid;
      drop_log (config, images_dirfd);
      unlinkat (images_dirfd, "stats-restore", 0);
    }
  if (response != NULL)
    moss_criu__response__free_unpacked (response, NULL);
  if (move.worker != NULL)
    moss_criu_worker_retire (move.worker, move.frozen);
  move.stats->done_at_us = g_get_monotonic_time ();
  g_clear_error (&move.error);
  return move.frozen;
}
