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
  MossCriuConfig config;
  char *images; /* folder */
  int images_fd;
  GBytes *index;
  int content;
  gint64 layer_us, check_us, apply_us;
  MossCriuStats dump, restore;
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

static void
remove_tree (const char *path)
{
  g_autofree char *quoted = g_shell_quote (path);
  g_autofree char *command = g_strdup_printf ("rm -rf --one-file-system %s", quoted);

  g_assert_cmpint (system (command), ==, 0);
}

/* Dumps hop->from, which stays frozen. */
static void
dump_one (Hop *hop, const char *work, const char *name)
{
  g_autoptr (GError) error = NULL;

  hop->images = g_build_filename (work, name, NULL);
  mkdir (hop->images, 0700);
  hop->images_fd = open (hop->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  hop->config = (MossCriuConfig){ .program = opt_criu,
                                  .log_level = opt_log_level,
                                  .tcp_close = TRUE,
                                  .frozen = export_layer,
                                  .hook_data = hop };
  if (!moss_criu_dump (&hop->config, hop->from->init, hop->images_fd, hop->from->cgroup_dirfd,
                       NULL, NULL, &hop->dump, &error))
    g_error ("dump %s: %s", name, error->message);
}

static void
hop_clear (Hop *hop)
{
  g_clear_pointer (&hop->index, g_bytes_unref);
  close (hop->content);
  close (hop->images_fd);
  if (!opt_keep)
    remove_tree (hop->images);
  g_clear_pointer (&hop->images, g_free);
}

/* The other way a dump can end: the app runs on as if nothing had been. */
static void
dump_and_go_on (TestSandbox *from, const char *work)
{
  Hop hop = { .from = from, .content = -1 };
  int before = test_sandbox_wait_count (from, 0, 5000);

  dump_one (&hop, work, "given-up");
  stays_frozen (from);
  test_sandbox_thaw (from);
  test_sandbox_wait_count (from, before + 2, 5000);
  hop_clear (&hop);
}

static void
check_images (Hop *hop)
{
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();

  if (opt_log_level > 1)
    renameat (hop->images_fd, "criu.log", hop->images_fd, "dump.log");
  else if (!opt_no_check && !moss_image_check (hop->images_fd, &policy, &error))
    g_error ("%s: %s", hop->images, error->message);
  hop->check_us = g_get_monotonic_time () - start;
}

/* A sandbox with the files of the dumped one, not yet running. */
static TestSandbox *
receive (Hop *hop, const char *lower, const char *work)
{
  g_autoptr (GError) error = NULL;
  TestSandbox *to = test_sandbox_new (lower, work);
  gint64 start = g_get_monotonic_time ();

  if (!moss_layer_apply (hop->index, hop->content, to->upper_dirfd, &error))
    g_error ("layer of %s: %s", hop->images, error->message);
  test_sandbox_prepare_upper (to);
  hop->apply_us = g_get_monotonic_time () - start;
  g_assert_cmpint (test_sandbox_count (to), ==, test_sandbox_count (hop->from));
  test_sandbox_mount (to);
  return to;
}

static void
restore_into (Hop *hop, TestSandbox *to)
{
  g_autofree char *root = test_sandbox_root (to);
  g_autoptr (GError) error = NULL;
  pid_t init = 0;

  if (!moss_criu_restore (&hop->config, hop->images_fd, root, to->cgroup_dirfd, &init,
                          &hop->restore, &error))
    g_error ("restore of %s: %s", hop->images, error->message);
  to->init = init;
}

static void
print_times (const Hop *hop)
{
  if (opt_quiet)
    return;
  g_print ("# %s: dump %.1f (before the freeze %.1f, frozen %.1f of which layer %.1f), "
           "check %.1f, apply %.1f, restore %.1f ms; %" G_GUINT64_FORMAT
           " pages, images %.1f MB\n",
           hop->images, ms (hop->dump.done_at_us - hop->dump.started_us),
           ms (hop->dump.frozen_at_us - hop->dump.started_us),
           ms (hop->dump.done_at_us - hop->dump.frozen_at_us), ms (hop->layer_us),
           ms (hop->check_us), ms (hop->apply_us),
           ms (hop->restore.frozen_at_us - hop->restore.started_us), hop->dump.pages,
           sum_sizes (hop->images) / 1e6);
}

/* Takes @from; returns what runs on in its place. */
static TestSandbox *
move_once (TestSandbox *from, const char *lower, const char *work, int n)
{
  g_autofree char *name = g_strdup_printf ("images-%d", n);
  Hop hop = { .from = from, .content = -1 };
  TestSandbox *to;
  int before;

  dump_one (&hop, work, name);
  check_images (&hop);
  to = receive (&hop, lower, work);
  before = test_sandbox_count (to);
  restore_into (&hop, to);
  stays_frozen (to);
  g_assert_cmpint (test_sandbox_count (to), ==, before);
  print_times (&hop);
  test_sandbox_kill (from);
  test_sandbox_free (from);
  test_sandbox_thaw (to);
  test_sandbox_wait_count (to, before, 5000);
  g_usleep (opt_settle_ms * 1000);
  hop_clear (&hop);
  return to;
}

/* 77 with a reason: this machine can't do it. */
static int
prepare (void)
{
  g_auto (GStrv) problems = NULL;

  if (geteuid () != 0)
    {
      g_print ("1..0 # SKIP needs root\n");
      return 77;
    }
  if (opt_criu == NULL)
    opt_criu = g_strdup (g_getenv ("MOSS_CRIU"));
  policy = *moss_image_policy_default ();
  policy.init_capabilities = G_MAXUINT64;
  policy.need_seccomp = FALSE;
  problems = moss_criu_check (&(MossCriuConfig){ .program = opt_criu });
  if (problems[0] == NULL)
    return 0;
  g_print ("1..0 # SKIP %s\n", problems[0]);
  return 77;
}

/* Two runtimes on two file systems, where none were named. */
static void
make_runtimes (const char *disk, const char *shm)
{
  if (opt_root_a == NULL)
    {
      opt_root_a = g_build_filename (disk, "runtime", NULL);
      test_sandbox_copy_runtime (opt_root_a);
    }
  if (opt_root_b == NULL)
    {
      opt_root_b = g_build_filename (shm, "runtime", NULL);
      test_sandbox_copy_runtime (opt_root_b);
    }
}

static TestSandbox *
start_app (const char *work)
{
  TestSandbox *s = test_sandbox_new (opt_root_a, work);
  guint app = 0;

  for (guint i = 0; i < G_N_ELEMENTS (apps); i++)
    if (g_strcmp0 (apps[i].name, opt_app) == 0)
      app = i;
  test_sandbox_prepare_upper (s);
  test_sandbox_mount (s);
  test_sandbox_start (s, apps[app].script, opt_run_tmpfs);
  test_sandbox_wait_count (s, 3, 20000);
  g_usleep (apps[app].settle_ms * 1000);
  return s;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *base = NULL;
  g_autofree char *shm = NULL;
  TestSandbox *s;
  int status;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_error ("%s", error->message);
  status = prepare ();
  if (status != 0)
    return status;
  base = g_dir_make_tmp ("moss-roundtrip-XXXXXX", NULL);
  chmod (base, 0755);
  shm = g_build_filename (base, "shm", NULL);
  mkdir (shm, 0755);
  if (mount ("tmpfs", shm, "tmpfs", 0, NULL) != 0)
    g_error ("%s", g_strerror (errno));
  make_runtimes (base, shm);

  s = start_app (shm);
  dump_and_go_on (s, shm);
  for (int i = 1; i <= opt_hops; i++)
    s = move_once (s, i % 2 != 0 ? opt_root_b : opt_root_a, shm, i);
  g_print ("# count at the end: %d\n", test_sandbox_wait_count (s, 0, 5000));
  test_sandbox_free (s);

  if (opt_keep)
    return 0;
  umount2 (shm, MNT_DETACH);
  remove_tree (base);
  g_print ("ok 1 %d hops of %s\n1..1\n", opt_hops, opt_app ? opt_app : apps[0].name);
  return 0;
}
