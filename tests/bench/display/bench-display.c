// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the private display costs: `bench-display HOST OUT.json [--app PROGRAM] [--idle S]`
 * writes one JSON object a line.
 *
 * commit-cpu-ratio     CPU time of the display a commit, whole-window damage, 1280×800
 *                      over 64×64: it must not look at the pixels
 * commit-cpu-us        the same at 1280×800, absolute
 * display-private-mib  private memory of the process with one 1280×800 window, a keymap
 *                      and a viewer
 * idle-switches-app    voluntary context switches a second of display and app together,
 *                      --idle seconds long after 20 s without input
 *
 * Here is client and viewer at once, in one thread; the display is another process.
 */
#include <fcntl.h>
#include <gio/gio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wayland-client.h>

#include "viewer.h"
#include "xdg-shell-client-protocol.h"

#define ROUNDS 21
#define COMMITS 400

typedef struct
{
  struct wl_display *display;
  struct wl_compositor *compositor;
  struct wl_shm *shm;
  struct xdg_wm_base *shell;
  struct wl_seat *seat;
  struct wl_surface *surface;
  struct wl_buffer *buffers[2];
  gboolean configured;
} Client;

static FILE *out;

static void
die (const char *what)
{
  perror (what);
  exit (1);
}

static void
record (const char *name, double value, const char *unit, const char *goal, const char *baseline,
        const char *baseline_name, int n)
{
  fprintf (out,
           "{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"%s\",\"better\":\"lower\",\"goal\":%s,"
           "\"baseline\":%s,\"baseline_name\":%s,\"n\":%d}\n",
           name, value, unit, goal, baseline, baseline_name, n);
  printf ("%-22s %10.4g %s (goal %s)\n", name, value, unit, goal);
  fflush (out);
}

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static double
median (double *values, int n)
{
  qsort (values, n, sizeof *values, compare);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ---- processes ----------------------------------------------------------------------- */

static pid_t
start (char *const argv[], const char *directory, int *ready)
{
  int fds[2];
  pid_t pid;

  if (pipe2 (fds, O_CLOEXEC))
    die ("pipe");
  pid = fork ();
  if (pid == 0)
    {
      setenv ("XDG_RUNTIME_DIR", directory, 1);
      setenv ("WAYLAND_DISPLAY", "wayland-0", 1);
      setenv ("GDK_BACKEND", "wayland", 1);
      setenv ("QT_QPA_PLATFORM", "wayland", 1);
      setenv ("GSK_RENDERER", "cairo", 1);
      setenv ("NO_AT_BRIDGE", "1", 1);
      unsetenv ("DISPLAY");
      if (ready)
        dup2 (fds[1], 1);
      setpgid (0, 0);
      execvp (argv[0], argv);
      _exit (127);
    }
  close (fds[1]);
  if (ready)
    *ready = fds[0];
  else
    close (fds[0]);
  return pid;
}

static double
cpu_seconds (pid_t pid)
{
  struct timespec ts;
  clockid_t clock;

  if (clock_getcpuclockid (pid, &clock) || clock_gettime (clock, &ts))
    die ("CPU clock of the display");
  return ts.tv_sec + ts.tv_nsec / 1e9;
}

static double
private_mib (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/smaps_rollup", pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  double kib = 0;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    die (path);
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line; line++)
    if (g_str_has_prefix (*line, "Private_"))
      kib += atof (strchr (*line, ':') + 1);
  return kib / 1024;
}

/* Of all threads; those of children are counted by the caller. */
static guint64
switches (pid_t pid)
{
  g_autofree char *tasks = g_strdup_printf ("/proc/%d/task", pid);
  g_autoptr (GDir) dir = g_dir_open (tasks, 0, NULL);
  const char *task;
  guint64 sum = 0;

  while (dir && (task = g_dir_read_name (dir)))
    {
      g_autofree char *path = g_strdup_printf ("%s/%s/status", tasks, task);
      g_autofree char *text = NULL;
      char *at;

      if (g_file_get_contents (path, &text, NULL, NULL)
          && (at = strstr (text, "\nvoluntary_ctxt_switches:")))
        sum += g_ascii_strtoull (at + 25, NULL, 10);
    }
  return sum;
}

/* ---- the client ---------------------------------------------------------------------- */

static void
on_global (void *data, struct wl_registry *registry, uint32_t name, const char *interface,
           uint32_t version)
{
  Client *client = data;

  if (!strcmp (interface, "wl_compositor"))
    client->compositor = wl_registry_bind (registry, name, &wl_compositor_interface, 4);
  else if (!strcmp (interface, "wl_shm"))
    client->shm = wl_registry_bind (registry, name, &wl_shm_interface, 1);
  else if (!strcmp (interface, "xdg_wm_base"))
    client->shell = wl_registry_bind (registry, name, &xdg_wm_base_interface, 1);
  else if (!strcmp (interface, "wl_seat"))
    client->seat = wl_registry_bind (registry, name, &wl_seat_interface, 5);
}

static void
on_remove (void *data, struct wl_registry *registry, uint32_t name)
{
}

static const struct wl_registry_listener registry_listener = { on_global, on_remove };

static void
on_configure (void *data, struct xdg_surface *xdg, uint32_t serial)
{
  Client *client = data;

  xdg_surface_ack_configure (xdg, serial);
  client->configured = TRUE;
}

static const struct xdg_surface_listener xdg_listener = { on_configure };

static void
client_connect (Client *client, const char *directory)
{
  g_autofree char *path = g_strdup_printf ("%s/wayland-0", directory);
  struct wl_registry *registry;
  struct xdg_surface *xdg;

  client->display = wl_display_connect (path);
  if (!client->display)
    die (path);
  registry = wl_display_get_registry (client->display);
  wl_registry_add_listener (registry, &registry_listener, client);
  wl_display_roundtrip (client->display);
  client->surface = wl_compositor_create_surface (client->compositor);
  xdg = xdg_wm_base_get_xdg_surface (client->shell, client->surface);
  xdg_surface_add_listener (xdg, &xdg_listener, client);
  xdg_surface_get_toplevel (xdg);
  wl_seat_get_keyboard (client->seat);
  wl_surface_commit (client->surface);
  while (!client->configured)
    wl_display_roundtrip (client->display);
}

static void
client_size (Client *client, int width, int height)
{
  int size = width * height * 4;
  int fd = memfd_create ("bench", MFD_CLOEXEC);
  struct wl_shm_pool *pool;

  if (fd < 0 || ftruncate (fd, 2 * size))
    die ("memfd");
  pool = wl_shm_create_pool (client->shm, fd, 2 * size);
  for (int i = 0; i < 2; i++)
    {
      if (client->buffers[i])
        wl_buffer_destroy (client->buffers[i]);
      client->buffers[i] = wl_shm_pool_create_buffer (pool, i * size, width, height, width * 4,
                                                      WL_SHM_FORMAT_XRGB8888);
    }
  wl_shm_pool_destroy (pool);
  close (fd);
}

static void
spin (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* Microseconds of the display's CPU a commit. The viewer takes each batch as it comes. */
static double
measure (Client *client, pid_t host, int width, int height, int commits)
{
  double before;

  client_size (client, width, height);
  for (int i = 0; i < 10; i++)
    {
      wl_surface_attach (client->surface, client->buffers[i % 2], 0, 0);
      wl_surface_commit (client->surface);
      wl_display_roundtrip (client->display);
      spin ();
    }
  before = cpu_seconds (host);
  for (int i = 0; i < commits; i++)
    {
      wl_surface_attach (client->surface, client->buffers[i % 2], 0, 0);
      wl_surface_damage_buffer (client->surface, 0, 0, width, height);
      wl_surface_commit (client->surface);
      wl_display_roundtrip (client->display);
      spin ();
    }
  return (cpu_seconds (host) - before) * 1e6 / commits;
}

/* ---- the viewer ---------------------------------------------------------------------- */

static MossViewer *
attach (const char *directory)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  snprintf (address.sun_path, sizeof address.sun_path, "%s/viewer", directory);
  if (connect (fd, (struct sockaddr *) &address, sizeof address))
    die (address.sun_path);
  return moss_viewer_new (fd);
}

static gboolean
on_time (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
run_for (double seconds)
{
  gboolean done = FALSE;

  g_timeout_add (seconds * 1000, on_time, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
}

static gboolean
send_frame (gpointer data)
{
  MossViewerSurface *surface = data;
  MossViewer *viewer = moss_viewer_surface_get_viewer (surface);

  if (viewer)
    moss_viewer_frame_done (viewer, surface, g_get_monotonic_time ());
  g_object_unref (surface);
  return G_SOURCE_REMOVE;
}

static void
on_wants_frame (MossViewerSurface *surface, gpointer data)
{
  g_timeout_add (16, send_frame, g_object_ref (surface));
}

static void
on_added (MossViewer *viewer, MossViewerSurface *surface, gpointer data)
{
  g_signal_connect (surface, "wants-frame", G_CALLBACK (on_wants_frame), NULL);
  if (moss_viewer_surface_get_role (surface) != MOSS_VIEWER_ROLE_TOPLEVEL)
    return;
  moss_viewer_configure (viewer, surface, 800, 600, MOSS_VIEWER_STATE_ACTIVATED);
  moss_viewer_set_keyboard_focus (viewer, surface);
}

/* ---- the numbers --------------------------------------------------------------------- */

static void
bench_commits (const char *directory, pid_t host)
{
  Client client = { 0 };
  g_autoptr (MossViewer) viewer = attach (directory);
  double small[ROUNDS], large[ROUNDS], ratio[ROUNDS];
  g_autofree char *base = NULL;

  moss_viewer_set_keymap_names (viewer, NULL, NULL, "de", NULL, NULL, NULL);
  client_connect (&client, directory);
  measure (&client, host, 64, 64, COMMITS);
  for (int i = 0; i < ROUNDS; i++)
    {
      small[i] = measure (&client, host, 64, 64, COMMITS);
      large[i] = measure (&client, host, 1280, 800, COMMITS);
      ratio[i] = large[i] / small[i];
    }
  base = g_strdup_printf ("%.4g", median (small, ROUNDS));
  record ("commit-cpu-ratio", median (ratio, ROUNDS), "", "1.2", "1", "\"64x64\"", ROUNDS);
  record ("commit-cpu-us", median (large, ROUNDS), "us", "null", base, "\"64x64\"", ROUNDS);
  record ("display-private-mib", private_mib (host), "MiB", "8", "null", "null", 1);
  wl_display_disconnect (client.display);
  moss_viewer_close (viewer);
}

static void
bench_idle (const char *directory, pid_t host, char *app, double seconds)
{
  char *argv[] = { app, NULL };
  g_autoptr (MossViewer) viewer = attach (directory);
  pid_t pid;
  guint64 before;

  g_signal_connect (viewer, "surface-added", G_CALLBACK (on_added), NULL);
  pid = start (argv, directory, NULL);
  run_for (20);
  before = switches (host) + switches (pid);
  run_for (seconds);
  record ("idle-switches-app", (switches (host) + switches (pid) - before) / seconds, "1/s", "2",
          "null", "null", 1);
  kill (pid, SIGTERM);
  waitpid (pid, NULL, 0);
  moss_viewer_close (viewer);
}

int
main (int argc, char **argv)
{
  g_autofree char *directory = g_dir_make_tmp ("moss-bench-XXXXXX", NULL);
  g_autofree char *cleanup = NULL;
  char *host_argv[] = { argc > 2 ? argv[1] : NULL, directory, NULL };
  char *app = NULL;
  double seconds = 30;
  char bytes[64];
  int ready, hold[2];
  pid_t host;

  if (argc < 3 || !directory || !(out = fopen (argv[2], "w")))
    {
      fprintf (stderr, "usage: bench-display HOST OUT.json [--app PROGRAM] [--idle SECONDS]\n");
      return 2;
    }
  for (int i = 3; i + 1 < argc; i += 2)
    if (!strcmp (argv[i], "--app"))
      app = argv[i + 1];
    else if (!strcmp (argv[i], "--idle"))
      seconds = atof (argv[i + 1]);
  if (pipe (hold)) /* the display ends with its standard input */
    die ("pipe");
  dup2 (hold[0], 0);
  close (hold[0]);
  fcntl (hold[1], F_SETFD, FD_CLOEXEC);
  host = start (host_argv, directory, &ready);
  if (read (ready, bytes, sizeof bytes) <= 0)
    die ("the display did not start");
  bench_commits (directory, host);
  if (app)
    bench_idle (directory, host, app, seconds);
  kill (host, SIGTERM);
  waitpid (host, NULL, 0);
  cleanup = g_strdup_printf ("%s/viewer", directory);
  unlink (cleanup);
  rmdir (directory);
  return fclose (out) != 0;
}
