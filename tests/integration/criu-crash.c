/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kills CRIU, or the process that drives it, at a random moment of a dump or a restore.
 *
 * What must hold afterwards: during a dump the app either runs on or is frozen and runs
 * on when thawed (except when it is CRIU that is killed: that may take the app along, but
 * nothing stays half alive; the count of such losses is printed); during a restore
 * nothing of the copy ever runs, and nothing of it is left unless it was complete and
 * frozen. Then the same app is moved once more, for real. PROGRAM [ROUNDS [SEED]] */
#include "criu.h"
#include "criu-cgroup.h"
#include "layer.h"
#include "sandbox-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static MossCriuConfig config = { .tcp_close = TRUE };
static GRand *rand_;
static char *work;
static guint lost;

typedef struct
{
  TestSandbox *sandbox;
  GBytes *index;
  int content;
} Layer;

static gboolean
export_layer (gpointer data, GError **error)
{
  Layer *l = data;

  return moss_layer_export (l->sandbox->upper_dirfd, l->sandbox->lower_dirfd, NULL, FALSE,
                            &l->index, &l->content, error);
}

static char *
read_text (const char *path)
{
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

/* The CRIU that driver started. */
static pid_t
find_criu (pid_t driver)
{
  g_autofree char *path
      = g_strdup_printf ("/proc/%d/task/%d/children", (int)driver, (int)driver);
  g_autofree char *list = read_text (path);
  g_auto (GStrv) pids = g_strsplit (list != NULL ? list : "", " ", 0);

  for (guint i = 0; pids[i] != NULL; i++)
    {
      g_autofree char *comm_path = g_strdup_printf ("/proc/%s/comm", pids[i]);
      g_autofree char *comm = read_text (comm_path);

      if (g_strcmp0 (comm, "criu\n") == 0)
        return atoi (pids[i]);
    }
  return 0;
}

/* Runs work in a child and kills it, or its CRIU, after a while. TRUE when it ended well.
 */
static gboolean
run_and_kill (gboolean (*function) (gpointer),
              gpointer data,
              gboolean kill_driver,
              guint after_us)
{
  pid_t child = fork (), criu;
  int status;

  if (child == 0)
    _exit (function (data) ? 0 : 1);
  g_usleep (after_us);
  criu = find_criu (child);
  if (kill_driver)
    kill (child, SIGKILL);
  else if (criu > 0)
    kill (criu, SIGKILL);
  while (waitpid (child, &status, 0) < 0)
    ;
  return WIFEXITED (status) && WEXITSTATUS (status) == 0;
}

static int
make_images (char **path)
{
  static int serial;

  *path = g_strdup_printf ("%s/images-%d", work, ++serial);
  if (mkdir (*path, 0700) != 0)
    g_error ("%s", g_strerror (errno));
  return open (*path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
drop_images (int fd, char *path)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", path);

  close (fd);
  if (system (command) != 0)
    g_error ("rm");
  g_free (path);
}

static gboolean
is_frozen (TestSandbox *s)
{
  g_autofree char *path = g_build_filename (s->cgroup, "cgroup.events", NULL);
  g_autofree char *text = read_text (path);

  return text != NULL && strstr (text, "frozen 1") != NULL;
}

static gboolean
is_populated (TestSandbox *s)
{
  g_autofree char *path = g_build_filename (s->cgroup, "cgroup.events", NULL);
  g_autofree char *text = read_text (path);

  return text != NULL && strstr (text, "populated 1") != NULL;
}

typedef struct
{
  TestSandbox *from, *to;
  int images;
} Job;

static gboolean
dump_job (gpointer data)
{
  Job *job = data;

  return moss_criu_dump (&config, job->from->init, job->images, job->from->cgroup_dirfd,
                         NULL, NULL, NULL, NULL);
}

static gboolean
restore_job (gpointer data)
{
  Job *job = data;
  g_autofree char *root = test_sandbox_root (job->to);
  pid_t init;

  return moss_criu_restore (&config, job->images, root, job->to->cgroup_dirfd, &init,
                            NULL, NULL);
}

/* FALSE when all of it is dead; half of it is an error. */
static gboolean
goes_on (TestSandbox *s)
{
  int before = test_sandbox_count (s);

  for (int i = 0; i < 400; i++)
    {
      if (test_sandbox_count (s) > before)
        return TRUE;
      if (!is_populated (s))
        return FALSE;
      g_usleep (5000);
    }
  g_error ("the app hangs at %d", before);
}

/* A new app in the place of one that was lost. */
static TestSandbox *
start_again (TestSandbox *dead, const char *lower)
{
  TestSandbox *s;

  test_sandbox_free (dead);
  s = test_sandbox_new (lower, work);
  test_sandbox_prepare_upper (s);
  test_sandbox_mount (s);
  test_sandbox_start (s, TEST_LOOP, FALSE);
  test_sandbox_wait_count (s, 3, 10000);
  return s;
}

static TestSandbox *
crash_dump (TestSandbox *s, gboolean kill_driver, guint after_us)
{
  char *path;
  Job job = { s, NULL, make_images (&path) };
  int before = test_sandbox_wait_count (s, 0, 5000);
  gboolean done = run_and_kill (dump_job, &job, kill_driver, after_us);

  /* CRIU may still be busy letting go when only the driver died. */
  for (int i = 0; i < 400 && !is_frozen (s) && test_sandbox_count (s) <= before; i++)
    g_usleep (5000);
  g_print ("# dump, %s killed after %5u us: %s, %s\n", kill_driver ? "driver" : "CRIU",
           after_us, done ? "done" : "failed", is_frozen (s) ? "frozen" : "running");
  if (done && !is_frozen (s))
    g_error ("the dump is said to be done but the app runs");
  drop_images (job.images, path);
  test_sandbox_thaw (s);
  if (!kill_driver && !goes_on (s))
    {
      g_autofree char *lower = g_strdup (s->lower);

      g_print ("# the app was lost with its CRIU (%u so far)\n", ++lost);
      return start_again (s, lower);
    }
  test_sandbox_wait_count (s, test_sandbox_count (s), 5000);
  return s;
}

/* A killed driver leaves its guard to us, which may have its last deed still before it.
 */
static void
wait_for_strays (pid_t but)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%d/children", (int)getpid ());

  for (int i = 0; i < 400; i++)
    {
      g_autofree char *list = NULL;
      g_auto (GStrv) pids = NULL;
      guint n = 0;

      while (waitpid (-1, NULL, WNOHANG) > 0)
        ;
      list = read_text (path);
      pids = g_strsplit (list != NULL ? list : "", " ", 0);
      for (guint k = 0; pids[k] != NULL; k++)
        n += *pids[k] != '\0' && atoi (pids[k]) != but;
      if (n == 0)
        return;
      g_usleep (5000);
    }
  g_error ("a process of a killed driver stays");
}

static void
crash_restore (
    TestSandbox *from, TestSandbox *to, int images, gboolean kill_driver, guint after_us)
{
  Job job = { from, to, images };
  int before = test_sandbox_count (to);
  gboolean done = run_and_kill (restore_job, &job, kill_driver, after_us);

  for (int i = 0; i < 400 && is_populated (to) && !is_frozen (to); i++)
    g_usleep (5000);
  g_print ("# restore, %s killed after %5u us: %s, %s\n", kill_driver ? "driver" : "CRIU",
           after_us, done ? "done" : "failed",
           !is_populated (to) ? "nothing left"
           : is_frozen (to)   ? "frozen"
                              : "running");
  if (is_populated (to) && !is_frozen (to))
    g_error ("a copy runs");
  g_usleep (30000);
  if (test_sandbox_count (to) != before)
    g_error ("a copy has run: %d, not %d", test_sandbox_count (to), before);
  test_sandbox_kill (to);
  wait_for_strays (from->init);
  moss_cgroup_set_frozen (to->cgroup_dirfd, FALSE, NULL);
}

static TestSandbox *
round_of_crashes (TestSandbox *from, const char *lower)
{
  g_autoptr (GError) error = NULL;
  Layer layer = { NULL, NULL, -1 };
  TestSandbox *to;
  char *path;
  int images;

  from = crash_dump (from, FALSE, g_rand_int_range (rand_, 0, 60000));
  layer.sandbox = from;
  crash_dump (from, TRUE, g_rand_int_range (rand_, 0, 60000));

  images = make_images (&path);
  config.frozen = export_layer;
  config.hook_data = &layer;
  if (!moss_criu_dump (&config, from->init, images, from->cgroup_dirfd, NULL, NULL, NULL,
                       &error))
    g_error ("%s", error->message);
  config.frozen = NULL;
  to = test_sandbox_new (lower, work);
  if (!moss_layer_apply (layer.index, layer.content, to->upper_dirfd, &error))
    g_error ("%s", error->message);
  test_sandbox_prepare_upper (to);
  test_sandbox_mount (to);
  crash_restore (from, to, images, FALSE, g_rand_int_range (rand_, 0, 60000));
  crash_restore (from, to, images, TRUE, g_rand_int_range (rand_, 0, 60000));
  {
    g_autofree char *root = test_sandbox_root (to);

    if (!moss_criu_restore (&config, images, root, to->cgroup_dirfd, &to->init, NULL,
                            &error))
      g_error ("%s", error->message);
  }
  test_sandbox_kill (from);
  test_sandbox_free (from);
  test_sandbox_thaw (to);
  test_sandbox_wait_count (to, test_sandbox_count (to), 5000);
  g_bytes_unref (layer.index);
  close (layer.content);
  drop_images (images, path);
  return to;
}

int
main (int argc, char **argv)
{
  guint rounds = argc > 1 ? strtoul (argv[1], NULL, 0) : 3;
  guint32 seed = argc > 2 ? strtoul (argv[2], NULL, 0) : 1;
  g_autofree char *runtimes[2] = { NULL };
  g_auto (GStrv) problems = NULL;
  g_autofree char *clean = NULL;
  TestSandbox *s;

  if (geteuid () != 0)
    {
      g_print ("1..0 # SKIP needs root\n");
      return 77;
    }
  config.program = g_getenv ("MOSS_CRIU");
  problems = moss_criu_check (&config);
  if (problems[0] != NULL)
    {
      g_print ("1..0 # SKIP %s\n", problems[0]);
      return 77;
    }
  prctl (PR_SET_CHILD_SUBREAPER, 1);
  rand_ = g_rand_new_with_seed (seed);
  g_print ("# %u rounds with seed %u\n", rounds, seed);
  work = g_dir_make_tmp ("moss-crash-XXXXXX", NULL);
  chmod (work, 0755);
  if (mount ("tmpfs", work, "tmpfs", 0, "mode=755") != 0)
    g_error ("%s", g_strerror (errno));
  for (int i = 0; i < 2; i++)
    {
      runtimes[i] = g_strdup_printf ("%s/runtime-%d", work, i);
      test_sandbox_copy_runtime (runtimes[i]);
    }
  s = test_sandbox_new (runtimes[0], work);
  test_sandbox_prepare_upper (s);
  test_sandbox_mount (s);
  test_sandbox_start (s, TEST_LOOP, FALSE);
  test_sandbox_wait_count (s, 3, 10000);
  for (guint i = 0; i < rounds; i++)
    s = round_of_crashes (s, runtimes[(i + 1) % 2]);
  test_sandbox_free (s);
  umount2 (work, MNT_DETACH);
  rmdir (work);
  g_print ("ok 1 %u crashes\n1..1\n", rounds * 4);
  return 0;
}
