/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss-sandboxd, the root helper: makes, freezes, dumps and restores sandboxes.
 *
 * Policy, in plain words:
 *
 * - It runs as root, because namespaces with ids of nobody, overlays and CRIU need it. It does
 *   nothing but what data/dbus/org.moss.sandboxd.xml lists, takes nothing from its environment
 *   and opens no path that a caller named: callers hand over file descriptors, ids (UUIDs), names
 *   of one component, and options from a short list, each bounded.
 * - Its socket belongs to root and the group "moss" (mode 0660), or to the one user given by
 *   --allow-uid. Without either only root can connect. The uid that the kernel reports for a
 *   connection is the caller; a caller sees and touches only its own sandboxes, another's ids
 *   "do not exist".
 * - A sandbox lives in user, pid, mount, net, ipc, uts and cgroup namespaces. Its ids 0–65535
 *   are 1900019712–1900085247 outside, which no account uses. It sees the runtime's programs,
 *   libraries and settings read-only, never a home, /run, /tmp or any other top folder
 *   (base.c). What it writes lands in STATE/UID/ID/upper below a directory that only root can
 *   enter.
 * - An app has no capability, can't gain one (no_new_privs, nosuid), and a seccomp filter keeps it
 *   from nested namespaces, mounts, io_uring, bpf, keyrings and the like (init-seccomp.c).
 * - No device but null, zero, full, random, urandom and tty, no network but loopback (unless asked
 *   for), no socket of the machine. The one way in is /run/moss/display inside, to which we
 *   connect on behalf of the owner.
 * - One person at a time has /net: they get a FUSE connection to serve it (net-mount.c), may name
 *   files of their own that the kernel reads in its place (net-backing.c), and their sandboxes
 *   see it (net-bind.c).
 * - Images and layers that come from elsewhere are copied to where only we can write, checked
 *   whole (image-check.c, layer.c), and only then given to CRIU.
 * - A crash of sandboxd costs no app: their names stand in RUN/running/UID-ID, and the next
 *   one takes over what it finds alive, known by pid and start time. What was half made or
 *   half restored has no such name and is killed.
 * - Each request runs in its own thread; none waits for another but those on the same
 *   sandbox. */

#include "error.h"
#include "moss-config.h"
#include "net-mount.h"
#include "registry.h"
#include "server.h"
#include "travel.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  char *socket;
  char *state;
  char *run;
  char *criu;
  char *libexec;
  char *root;
  char *group;
  GArray *allowed;
} Settings;

static gboolean
add_allowed (const char *option, const char *value, gpointer data, GError **error)
{
  Settings *settings = data;
  guint64 number;
  uid_t uid;

  if (!g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT32 - 1, &number, error))
    return FALSE;
  uid = number;
  g_array_append_val (settings->allowed, uid);
  return TRUE;
}

static gboolean
parse_arguments (int *argc, char ***argv, Settings *settings, GError **error)
{
  const GOptionEntry entries[] = {
    { "socket", 0, 0, G_OPTION_ARG_FILENAME, &settings->socket, "Where to listen", "PATH" },
    { "state", 0, 0, G_OPTION_ARG_FILENAME, &settings->state, "Files of sandboxes", "DIR" },
    { "run", 0, 0, G_OPTION_ARG_FILENAME, &settings->run, "What lasts until a reboot", "DIR" },
    { "criu", 0, 0, G_OPTION_ARG_FILENAME, &settings->criu, "The criu program", "PATH" },
    { "libexec", 0, 0, G_OPTION_ARG_FILENAME, &settings->libexec, "Where moss-init is", "DIR" },
    { "root", 0, 0, G_OPTION_ARG_FILENAME, &settings->root, "The runtime", "DIR" },
    { "group", 0, 0, G_OPTION_ARG_STRING, &settings->group, "Who may connect", "NAME" },
    { "allow-uid", 0, 0, G_OPTION_ARG_CALLBACK, add_allowed, "Who may connect", "UID" },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  GOptionGroup *group = g_option_group_new ("moss", "", "", settings, NULL);

  settings->allowed = g_array_new (FALSE, FALSE, sizeof (uid_t));
  g_option_group_add_entries (group, entries);
  g_option_context_set_main_group (context, group);
  g_option_context_set_summary (context, "The root helper of Moss: makes and moves sandboxes.");
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
#define DEFAULT(field, value)                                                                    \
  if (settings->field == NULL)                                                                   \
  settings->field = g_strdup (value)
  DEFAULT (run, "/run/moss");
  DEFAULT (state, "/var/lib/moss");
  DEFAULT (libexec, MOSS_LIBEXECDIR);
  DEFAULT (root, "/");
  DEFAULT (group, "moss");
#undef DEFAULT
  if (settings->socket == NULL)
    settings->socket = g_build_filename (settings->run, "sandboxd.sock", NULL);
  return TRUE;
}

/* Descriptors 0–2 must not become something else's. */
static void
fill_standard_fds (void)
{
  int fd;

  do
    fd = open ("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= 2);
  close (fd);
}

/* Mounts of ours are seen by nobody; those of the machine still arrive. Orphans of CRIU
 * become our children, so that we learn how a restored app ended. */
static gboolean
enter_own_mounts (GError **error)
{
  if (unshare (CLONE_NEWNS) != 0 || mount (NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
    return moss_sandbox_fail_errno (error, errno, "Can't make mounts of our own (not root?)");
  if (prctl (PR_SET_CHILD_SUBREAPER, 1) != 0)
    return moss_sandbox_fail_errno (error, errno, "Can't become the parent of orphans");
  return TRUE;
}

/* Two daemons on one run directory would fight over the same sandboxes. */
static gboolean
lock_run_dir (const char *run, GError **error)
{
  g_autofree char *path = g_build_filename (run, "sandboxd.lock", NULL);
  int fd;

  if (g_mkdir_with_parents (run, 0755) != 0
      || (fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
    return moss_sandbox_fail_errno (error, errno, "Can't make %s", path);
  if (flock (fd, LOCK_EX | LOCK_NB) == 0)
    return TRUE; /* held until we end */
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_FAILED,
               "Another moss-sandboxd works in %s", run);
  close (fd);
  return FALSE;
}

static MossServer *server;
static MossRegistry *registry;

static void
on_exited (uid_t owner, const char *id, int status, gpointer data)
{
  if (server != NULL)
    moss_server_emit_exited (server, owner, id, status);
}

static gboolean
on_signal (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

/* Nothing of the caller's passes, but in builds for the crash tests what these go by. */
static void
clear_environment (void)
{
#ifdef MOSS_FAULTS
  g_autofree char *fault = g_strdup (g_getenv ("MOSS_FAULT"));
  g_autofree char *fault_file = g_strdup (g_getenv ("MOSS_FAULT_FILE"));
#endif

  clearenv ();
  setenv ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
#ifdef MOSS_FAULTS
  if (fault != NULL)
    setenv ("MOSS_FAULT", fault, 1);
  if (fault_file != NULL)
    setenv ("MOSS_FAULT_FILE", fault_file, 1);
#endif
}

static gboolean
start (const Settings *settings, GError **error)
{
  MossServerAccess access = { settings->socket, settings->group, settings->allowed };
  MossRegistryPaths paths = {
    .state_dir = settings->state,
    .run_dir = settings->run,
    .private_dir = g_build_filename (settings->run, "private", NULL),
    .root_dir = settings->root,
    .libexec_dir = settings->libexec,
    .criu = settings->criu,
  };

  if (!lock_run_dir (settings->run, error) || !moss_net_mount_start (error)
      || !enter_own_mounts (error)
      || g_mkdir_with_parents (settings->state, 0700) != 0)
    return FALSE;
  registry = moss_registry_new (&paths, on_exited, NULL, error);
  if (registry == NULL)
    return FALSE;
  moss_travel_start (settings->criu);
  server = moss_server_new (&access, &registry, error);
  return server != NULL;
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = NULL;
  g_autoptr (GError) error = NULL;
  static Settings settings;

  fill_standard_fds ();
  umask (022);
  clear_environment ();
  signal (SIGPIPE, SIG_IGN);
  if (!parse_arguments (&argc, &argv, &settings, &error) || !start (&settings, &error))
    {
      g_printerr ("moss-sandboxd: %s\n", error != NULL ? error->message : "can't start");
      return 1;
    }
  loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, on_signal, loop);
  g_unix_signal_add (SIGINT, on_signal, loop);
  g_main_loop_run (loop);
  unlink (settings.socket);
  moss_server_free (server);
  return 0;
}
