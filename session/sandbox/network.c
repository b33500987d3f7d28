/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: an app has no network unless its owner asked for it. Then pasta joins the sandbox's
 * network namespace and the user namespace that owns it (it keeps no capability of ours
 * there), makes one interface and carries its connections as if they were the machine's own.
 * No port of the machine is forwarded in or out, and the machine's loopback is not reachable.
 * The address inside is the same on every machine.
 * It never sees a freeze: it is stopped before, and started with the thaw;
 * what was connected is closed by the move. */

#include "network.h"
#include "error.h"
#include "fds.h"
#include "registry-private.h"
#include "sandbox-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define INTERFACE "moss0"
#define READY_TIMEOUT_MS 2000
#define READY_STEP_MS 5

const char *
moss_network_get_program (void)
{
  static const char *const places[] = { "/usr/bin/pasta", "/usr/local/bin/pasta", "/bin/pasta" };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    if (access (places[i], X_OK) == 0)
      return places[i];
  return NULL;
}

static char *
cgroup_name (MossSandbox *sandbox)
{
  return g_strconcat (sandbox->key, ".net", NULL);
}

/* The namespaces stand on descriptors that it keeps: from within the user namespace it could not
 * look into another process for them. */
static _Noreturn void
run_pasta (const char *program, char *const *argv, int net, int owner)
{
  static char *const environment[] = { NULL };
  int null = open ("/dev/null", O_RDWR);
  sigset_t none;

  dup2 (net, 0);
  dup2 (owner, 1);
  dup2 (null, 2);
  syscall (SYS_close_range, 3, ~0U, 0);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  signal (SIGPIPE, SIG_DFL);
  execve (program, argv, environment);
  _exit (127);
}

static pid_t
spawn_pasta (const char *program, pid_t init_pid, int cgroup_fd)
{
  g_autofree char *net_ns = g_strdup_printf ("/proc/%d/ns/net", init_pid);
  moss_autofd net = open (net_ns, O_RDONLY | O_CLOEXEC);
  moss_autofd owner = net >= 0 ? ioctl (net, NS_GET_USERNS) : -1;
  char *argv[] = { "pasta", "-q", "-f", "-4", "--config-net", "-I", INTERFACE,
                   "-a", "10.0.2.15", "-n", "24", "-g", "10.0.2.2", "--no-map-gw",
                   "-t", "none", "-u", "none", "-T", "none", "-U", "none",
                   "--dns-forward", "169.254.53.53", "--runas", "0",
                   "--userns", "/proc/self/fd/1", "--netns", "/proc/self/fd/0", NULL };
  struct clone_args args = {
    .flags = CLONE_INTO_CGROUP,
    .exit_signal = SIGCHLD,
    .cgroup = cgroup_fd,
  };
  pid_t pid = owner >= 0 ? syscall (SYS_clone3, &args, sizeof args) : -1;

  if (pid == 0)
    run_pasta (program, argv, net, owner);
  return pid;
}

/* There is a default route through it. */
static gboolean
is_ready (pid_t init_pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/net/route", init_pid);
  g_autofree char *routes = NULL;

  return g_file_get_contents (path, &routes, NULL, NULL)
         && strstr (routes, INTERFACE "\t00000000\t") != NULL;
}

static gboolean
wait_until_ready (pid_t pasta, pid_t init_pid)
{
  for (int ms = 0; ms < READY_TIMEOUT_MS; ms += READY_STEP_MS)
    {
      if (is_ready (init_pid))
        return TRUE;
      if (waitpid (pasta, NULL, WNOHANG) != 0)
        return FALSE;
      g_usleep (READY_STEP_MS * 1000);
    }
  return FALSE;
}

void
moss_network_start (MossSandbox *sandbox, pid_t init_pid)
{
  const char *program = moss_network_get_program ();
  g_autofree char *name = cgroup_name (sandbox);
  g_autoptr (GError) error = NULL;
  moss_autofd cgroup = -1;
  pid_t pasta;

  if (!sandbox->network || is_ready (init_pid))
    return;
  if (program == NULL)
    {
      g_message ("%s has no network: pasta is not installed", sandbox->name);
      return;
    }
  moss_network_stop (sandbox);
  cgroup = moss_sandbox_cgroup_open (sandbox->registry->cgroup_base, name, TRUE, &error);
  if (cgroup < 0)
    {
      g_message ("%s has no network: %s", sandbox->name, error->message);
      return;
    }
  pasta = spawn_pasta (program, init_pid, cgroup);
  if (pasta > 0 && wait_until_ready (pasta, init_pid))
    return;
  g_message ("%s has no network: pasta did not start (is this machine offline?)", sandbox->name);
  moss_network_stop (sandbox);
}

void
moss_network_stop (MossSandbox *sandbox)
{
  g_autofree char *name = cgroup_name (sandbox);
  moss_autofd cgroup
      = moss_sandbox_cgroup_open (sandbox->registry->cgroup_base, name, FALSE, NULL);
  g_autoptr (GArray) pids = NULL;

  if (cgroup < 0)
    return;
  pids = moss_sandbox_cgroup_get_pids (cgroup);
  moss_sandbox_cgroup_kill (cgroup, NULL);
  for (guint i = 0; i < pids->len; i++)
    waitpid (g_array_index (pids, pid_t, i), NULL, 0);
  moss_sandbox_cgroup_remove (sandbox->registry->cgroup_base, name);
}
