/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `criu swrk`: one process per request, spoken to over a seqpacket socket pair. CRIU
 * opens our file descriptors through /proc/PID/fd of whoever made the socket pair, that
 * is us, so the numbers in a request are our own. */
#define G_LOG_DOMAIN "moss-criu"
#include "criu-rpc.h"

#include "moss-config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_MESSAGE (64 * 1024)
#define CHILD_SOCKET 3

const char *
moss_criu_program (const MossCriuConfig *config)
{
  static const char *const places[] = { MOSS_LIBEXECDIR "/criu", "/usr/sbin/criu",
                                        "/usr/bin/criu", "/usr/local/sbin/criu" };

  if (config != NULL && config->program != NULL)
    return config->program;
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    if (access (places[i], X_OK) == 0)
      return places[i];
  return places[0];
}

/* A dump that loses its CRIU half way can take the app with it: its threads may be in the
 * middle of code that CRIU lent them. So it must not be what goes when memory runs out.
 */
static void
protect_from_oom (void)
{
  int fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

  if (fd >= 0 && write (fd, "-1000", 5) == 5)
    close (fd);
}

/* Only what is safe between fork and exec of a process with threads. */
static void
run_criu (const char *program, int peer, gboolean private_run, int network)
{
  static const char *const env[]
      = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
  const char *const argv[] = { "criu", "--no-default-config", "swrk", "3", NULL };
  struct sigaction plain = { .sa_handler = SIG_DFL };
  sigset_t none;
  int null = open ("/dev/null", O_RDWR);

  sigemptyset (&none);
  for (int i = 1; i < NSIG; i++)
    sigaction (i, &plain, NULL);
  sigprocmask (SIG_SETMASK, &none, NULL);
  setsid ();
  /* The app stands still meanwhile; what CRIU restores gets its own priority back. */
  setpriority (PRIO_PROCESS, 0, -15);
  protect_from_oom ();
  if (network >= 0 && setns (network, CLONE_NEWNET) != 0)
    _exit (126);
  if (peer == CHILD_SOCKET)
    fcntl (peer, F_SETFD, 0);
  else
    dup2 (peer, CHILD_SOCKET);
  if (null > CHILD_SOCKET || null < 0)
    for (int i = 0; i < 3; i++)
      dup2 (null, i);
  close_range (CHILD_SOCKET + 1, ~0u, 0);
  if (private_run
      && (unshare (CLONE_NEWNS) != 0
          || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
          || mount ("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
                 != 0))
    _exit (126);
  execve (program, (char *const *)argv, (char *const *)env);
  _exit (127);
}

MossCriuWorker *
moss_criu_worker_new (const MossCriuConfig *config, gboolean private_run, int network,
                      GError **error)
{
  const char *program = moss_criu_program (config);
  MossCriuWorker *worker;
  int pair[2];
  pid_t pid;

  if (access (program, X_OK) != 0)
    {
      g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_MISSING,
                   "apps can't travel: CRIU is not installed (%s: %s)", program,
                   g_strerror (errno));
      return NULL;
    }
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    {
      g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED,
                   "no socket for CRIU: %s", g_strerror (errno));
      return NULL;
    }

  pid = fork ();
  if (pid == 0)
    run_criu (program, pair[1], private_run, network);
  close (pair[1]);
  if (pid < 0)
    {
      g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED,
                   "CRIU could not be started: %s", g_strerror (errno));
      close (pair[0]);
      return NULL;
    }

  worker = g_new0 (MossCriuWorker, 1);
  worker->pid = pid;
  worker->socket = pair[0];
  return worker;
}

static gboolean
has_ended (pid_t pid)
{
  siginfo_t info = { 0 };

  return waitid (P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0
         || info.si_pid == pid;
}

gboolean
moss_criu_worker_has_ended (const MossCriuWorker *worker)
{
  return has_ended (worker->pid);
}

static void
reap (pid_t pid)
{
  while (waitpid (pid, NULL, 0) < 0 && errno == EINTR)
    ;
}

/* It ends by itself once its socket is closed or its answer is sent; a moment of grace
 * lets it clean up what it made, and let go of tasks that it holds. */
static void
wait_for_end (pid_t pid)
{
  for (int i = 0; i < 400 && !has_ended (pid); i++)
    g_usleep (i < 50 ? 200 : 5000);
  if (!has_ended (pid))
    kill (pid, SIGKILL);
}

void
moss_criu_worker_free (MossCriuWorker *worker)
{
  if (worker->socket >= 0)
    close (worker->socket);
  wait_for_end (worker->pid);
  /* Helpers of a CRIU that was killed would sleep on for ever; its session is theirs
   * alone, and until it is reaped nobody else can have its number. */
  kill (-worker->pid, SIGKILL);
  reap (worker->pid);
  g_free (worker);
}

static gpointer
retire_thread (gpointer data)
{
  MossCriuWorker *worker = data;

  close (worker->socket);
  wait_for_end (worker->pid);
  reap (worker->pid);
  g_free (worker);
  return NULL;
}

void
moss_criu_worker_retire (MossCriuWorker *worker, gboolean in_background)
{
  if (in_background)
    g_thread_unref (g_thread_new ("criu-end", retire_thread, worker));
  else
    moss_criu_worker_free (worker);
}

static gboolean
send_request (MossCriuWorker *worker, const MossCriu__Request *request, GError **error)
{
  gsize size = moss_criu__request__get_packed_size (request);
  g_autofree guint8 *bytes = g_malloc (size);
  ssize_t n;

  moss_criu__request__pack (request, bytes);
  do
    n = send (worker->socket, bytes, size, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n == (ssize_t)size)
    return TRUE;
  g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_PROTOCOL,
               "CRIU takes no request: %s", n < 0 ? g_strerror (errno) : "cut short");
  return FALSE;
}

static MossCriu__Response *
receive_response (MossCriuWorker *worker, guint timeout_s, GError **error)
{
  g_autofree guint8 *bytes = g_malloc (MAX_MESSAGE);
  struct pollfd wait = { .fd = worker->socket, .events = POLLIN };
  MossCriu__Response *response;
  ssize_t n;
  int r;

  do
    r = poll (&wait, 1, (int)timeout_s * 1000);
  while (r < 0 && errno == EINTR);
  if (r == 0)
    {
      g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_PROTOCOL,
                   "CRIU was silent for %u seconds", timeout_s);
      return NULL;
    }
  do
    n = recv (worker->socket, bytes, MAX_MESSAGE, 0);
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    {
      g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_PROTOCOL,
                   "CRIU ended without an answer");
      return NULL;
    }
  response = moss_criu__response__unpack (NULL, n, bytes);
  if (response == NULL)
    g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_PROTOCOL,
                 "CRIU's answer can't be read");
  return response;
}

static gboolean
answer_notify (MossCriuWorker *worker,
               const MossCriu__Response *response,
               MossCriuNotify notify,
               gpointer data,
               GError **error)
{
  MossCriu__Request request = MOSS_CRIU__REQUEST__INIT;
  const MossCriu__Notify *note = response->notify;
  const char *script = note != NULL && note->script != NULL ? note->script : "";

  request.type = MOSS_CRIU_NOTIFY;
  request.has_notify_success = TRUE;
  request.notify_success
      = notify == NULL
        || notify (script, note != NULL && note->has_pid ? note->pid : 0, data);
  return send_request (worker, &request, error);
}

MossCriu__Response *
moss_criu_worker_call (MossCriuWorker *worker,
                       const MossCriu__Request *request,
                       guint timeout_s,
                       MossCriuNotify notify,
                       gpointer data,
                       GError **error)
{
  if (!send_request (worker, request, error))
    return NULL;

  for (;;)
    {
      MossCriu__Response *response = receive_response (worker, timeout_s, error);
      gboolean answered;

      if (response == NULL || response->type != MOSS_CRIU_NOTIFY)
        return response;
      answered = answer_notify (worker, response, notify, data, error);
      moss_criu__response__free_unpacked (response, NULL);
      if (!answered)
        return NULL;
    }
}
