/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Moves a real process tree back and forth between two roots that share no inode: dump
 * behind the freezer, layer out, layer into a fresh upper directory, restore, and dump
 * again of what was restored. Needs root, CRIU and cgroup v2; elsewhere it is skipped
 * (77).
 *
 * The app counts in a loop and writes each number to a file. What must hold: no number is
 * ever written while a copy is frozen, none is lost, and after each hop it goes on with
 * the next. */
#include "criu.h"
#include "image-check.h"
#include "layer.h"
#include "sandbox-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char *opt_root_a, *opt_root_b, *opt_app, *opt_criu;
static int opt_hops = 4, opt_log_level, opt_settle_ms = 300;
static gboolean opt_run_tmpfs, opt_keep, opt_quiet, opt_no_check;

static const GOptionEntry options[] = {
  { "root-a", 0, 0, G_OPTION_ARG_FILENAME, &opt_root_a, "One runtime", "DIR" },
  { "root-b", 0, 0, G_OPTION_ARG_FILENAME, &opt_root_b, "The other", "DIR" },
  { "app", 0, 0, G_OPTION_ARG_STRING, &opt_app, "loop, foot or gtk", "APP" },
  { "criu", 0, 0, G_OPTION_ARG_FILENAME, &opt_criu, "Program", "PATH" },
  { "hops", 0, 0, G_OPTION_ARG_INT, &opt_hops, "How many moves", "N" },
  { "log-level", 0, 0, G_OPTION_ARG_INT, &opt_log_level, "Of CRIU", "N" },
  { "settle-ms", 0, 0, G_OPTION_ARG_INT, &opt_settle_ms, "Between moves", "MS" },
  { "run-tmpfs", 0, 0, G_OPTION_ARG_NONE, &opt_run_tmpfs, "Mount a tmpfs at /run", NULL },
  { "keep", 0, 0, G_OPTION_ARG_NONE, &opt_keep, "Keep images in the work directory",
    NULL },
  { "no-check", 0, 0, G_OPTION_ARG_NONE, &opt_no_check, "Skip the image checker", NULL },
  { "quiet", 0, 0, G_OPTION_ARG_NONE, &opt_quiet, "Print no times", NULL },
  { NULL }
};

#define WESTON                                                                           \
  "sh -c 'Xvfb :9 -screen 0 1280x800x24 & sleep 1; DISPLAY=:9 exec weston "              \
  "--backend=x11-backend.so --use-pixman --socket=wayland-0 --idle-time=0'"

static const struct
{
  const char *name, *script;
  int settle_ms;
} apps[] = {
  { "loop", TEST_LOOP, 200 },
  { "foot",
    TEST_AS_APP WESTON
    " & sleep 3; export WAYLAND_DISPLAY=wayland-0; cd /home/moss; " TEST_AS_APP
    "foot " TEST_COUNT " & wait",
    4000 },
  { "gtk",
    TEST_AS_APP WESTON
    " & " TEST_AS_APP TEST_COUNT " & sleep 3; export WAYLAND_DISPLAY=wayland-0; "
    "cd /home/moss; " TEST_AS_APP "dbus-run-session -- gtk4-widget-factory & wait",
    6000 },
};

/* The test's pid 1 is a plain shell, and nobody sets up a filter. */
static MossImagePolicy policy;

typedef struct
{
  TestSandbox *from;
  GBytes *index;
  int content;
  gint64 layer_us;
} Hop;

static gboolean
export_layer (gpointer data, GError **error)
{
  Hop *hop = data;
  gint64 start = g_get_monotonic_time ();
  gboolean ok = moss_layer_export (hop->from->upper_dirfd, hop->from->lower_dirfd, NULL, FALSE,
                                   &hop->index, &hop->content, error);

  hop->layer_us = g_get_monotonic_time () - start;
  return ok;
}

static void
stays_frozen (TestSandbox *s)
{
  int before = test_sandbox_count (s);

  g_usleep (150000);
  g_assert_cmpint (test_sandbox_count (s), ==, before);
}

static double
ms (gint64 us)
{
  return us / 1000.0;
}

static guint64
sum_sizes (const char *dir)
{
  g_autoptr (GDir) d = g_dir_open (dir, 0, NULL);
  const char *name;
  guint64 sum = 0;

  while (d != NULL && (name = g_dir_read_name (d)) != NULL)
    {
      g_autofree char *path = g_build_filename (dir, name, NULL);
      struct stat st;

      sum += stat (path, &st) == 0 ? st.st_blocks * 512 : 0;
    }
  return sum;
}

static TestSandbox *
move_once (TestSandbox *from, const char *lower, const char *work, int n)
{
  MossCriuConfig config
      = { .program = opt_criu, .log_level = opt_log_level, .tcp_close = TRUE };
  g_autofree char *images = g_strdup_printf ("%s/images-%d", work, n);
  g_autofree char *root = NULL;
  g_autofree char *clean = NULL;
  g_autoptr (GError) error = NULL;
  MossCriuStats dump = { 0 }, restore = { 0 };
  gint64 checked_us, applied_us, start;
  Hop hop = { .from = from, .content = -1 };
  TestSandbox *to;
  int images_fd, before;
  pid_t init = 0;

must_make:
  mkdir (images, 0700);
  images_fd = open (images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  config.frozen = export_layer;
  config.hook_data = &hop;
  before = test_sandbox_wait_count (from, 0, 5000);
  if (!moss_criu_dump (&config, from->init, images_fd, from->cgroup_dirfd, NULL, NULL,
                       &dump, &error))
    g_error ("dump %d: %s", n, error->message);
  if (n == 1)
    stays_frozen (from);
  if (n == 1) /* the other way it could end: it runs on as if nothing had been */
    {
      test_sandbox_thaw (from);
      test_sandbox_wait_count (from, before + 2, 5000);
      g_bytes_unref (hop.index);
      close (hop.content);
      close (images_fd);
      clean = g_strdup_printf ("rm -rf '%s'", images);
      g_assert_cmpint (system (clean), ==, 0);
      g_clear_pointer (&clean, g_free);
      n = 101;
      goto must_make;
    }

  start = g_get_monotonic_time ();
  if (opt_log_level > 1) /* the log would be refused */
    opt_no_check = TRUE;
  if (!opt_no_check && !moss_image_check (images_fd, &policy, &error))
    g_error ("images of hop %d: %s", n, error->message);
  checked_us = g_get_monotonic_time () - start;

  to = test_sandbox_new (lower, work);
  start = g_get_monotonic_time ();
  if (!moss_layer_apply (hop.index, hop.content, to->upper_dirfd, &error))
    g_error ("layer of hop %d: %s", n, error->message);
  test_sandbox_prepare_upper (to);
  applied_us = g_get_monotonic_time () - start;
  before = test_sandbox_count (to);
  g_assert_cmpint (before, ==, test_sandbox_count (from));
  test_sandbox_mount (to);
  root = test_sandbox_root (to);
  if (opt_log_level > 1)
    renameat (images_fd, "criu.log", images_fd, "dump.log");
  if (!moss_criu_restore (&config, images_fd, root, to->cgroup_dirfd, &init, &restore,
                          &error))
    g_error ("restore %d: %s", n, error->message);
  to->init = init;
  if (n < 104)
    stays_frozen (to);
  g_assert_cmpint (test_sandbox_count (to), ==, before);
  if (!opt_quiet)
    g_print (
        "# hop %d: dump %.1f (before the freeze %.1f, frozen %.1f of which layer %.1f), "
        "check %.1f, apply %.1f, restore %.1f ms; %" G_GUINT64_FORMAT
        " pages, images %.1f MB\n",
        n % 100, ms (dump.done_at_us - dump.started_us),
        ms (dump.frozen_at_us - dump.started_us),
        ms (dump.done_at_us - dump.frozen_at_us), ms (hop.layer_us), ms (checked_us),
        ms (applied_us), ms (restore.frozen_at_us - restore.started_us), dump.pages,
        sum_sizes (images) / 1e6);
  test_sandbox_kill (from);
  test_sandbox_free (from);
  test_sandbox_thaw (to);
  test_sandbox_wait_count (to, before, 5000);
  g_usleep (opt_settle_ms * 1000);

  g_bytes_unref (hop.index);
  close (hop.content);
  close (images_fd);
  if (!opt_keep)
    {
      clean = g_strdup_printf ("rm -rf '%s'", images);
      g_assert_cmpint (system (clean), ==, 0);
    }
  return to;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *base = NULL;
  g_autofree char *shm = NULL;
  g_autofree char *clean = NULL;
  g_auto (GStrv) problems = NULL;
  TestSandbox *s;
  guint app = 0;
  gint64 start = g_get_monotonic_time ();

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_error ("%s", error->message);
  if (opt_criu == NULL)
    opt_criu = g_strdup (g_getenv ("MOSS_CRIU"));
  if (geteuid () != 0)
    {
      g_print ("1..0 # SKIP needs root\n");
      return 77;
    }
  if (opt_criu == NULL)
    opt_criu = g_strdup (g_getenv ("MOSS_CRIU"));
  if (opt_criu == NULL && access ("/opt/moss-criu/sbin/criu", X_OK) == 0)
    opt_criu = g_strdup ("/opt/moss-criu/sbin/criu");
  policy = *moss_image_policy_default ();
  policy.init_capabilities = G_MAXUINT64;
  policy.need_seccomp = FALSE;
  problems = moss_criu_check (&(MossCriuConfig){ .program = opt_criu });
  if (problems[0] != NULL)
    {
      g_print ("1..0 # SKIP %s\n", problems[0]);
      return 77;
    }
  for (guint i = 0; i < G_N_ELEMENTS (apps); i++)
    if (g_strcmp0 (apps[i].name, opt_app) == 0)
      app = i;
  g_print ("# check took %.1f ms\n", ms (g_get_monotonic_time () - start));

  base = g_dir_make_tmp ("moss-roundtrip-XXXXXX", NULL);
  chmod (base, 0755);
  shm = g_strdup_printf ("%s/shm", base);
  mkdir (shm, 0755);
  if (mount ("tmpfs", shm, "tmpfs", 0, NULL) != 0)
    g_error ("%s", g_strerror (errno));
  if (opt_root_a == NULL)
    {
      opt_root_a = g_strdup_printf ("%s/runtime", base);
      test_sandbox_copy_runtime (opt_root_a);
    }
  if (opt_root_b == NULL)
    {
      opt_root_b = g_strdup_printf ("%s/runtime", shm);
      test_sandbox_copy_runtime (opt_root_b);
    }

  s = test_sandbox_new (opt_root_a, shm);
  test_sandbox_prepare_upper (s);
  test_sandbox_mount (s);
  test_sandbox_start (s, apps[app].script, opt_run_tmpfs);
  test_sandbox_wait_count (s, 3, 20000);
  g_usleep (apps[app].settle_ms * 1000);
  for (int i = 1; i <= opt_hops; i++)
    s = move_once (s, i % 2 != 0 ? opt_root_b : opt_root_a, shm, i);
  g_print ("# count at the end: %d\n", test_sandbox_wait_count (s, 0, 5000));
  test_sandbox_free (s);

  if (opt_keep)
    return 0;
  umount2 (shm, MNT_DETACH);
  clean = g_strdup_printf ("rm -rf --one-file-system '%s'", base);
  g_assert_cmpint (system (clean), ==, 0);
  g_print ("ok 1 %d hops of %s\n1..1\n", opt_hops, apps[app].name);
  return 0;
}
