// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/clock.h"
#include "core/fault.h"

#include <glib/gstdio.h>

#ifdef MOSS_FAULTS
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void
test_plan (void)
{
  g_autoptr (GError) error = NULL;

  g_setenv ("MOSS_FAULT", "alpha:fail,beta:fail@2, gamma:sleep=30", TRUE);
  g_assert_true (moss_fault ("alpha"));
  g_assert_true (moss_fault ("alpha"));
  g_assert_false (moss_fault ("beta"));
  g_assert_true (moss_fault ("beta"));
  g_assert_false (moss_fault ("beta"));
  g_assert_false (moss_fault ("delta"));
  g_assert_false (moss_fault_error ("alpha", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);

  gint64 before = g_get_monotonic_time ();
  g_assert_false (moss_fault ("gamma"));
  g_assert_cmpint (g_get_monotonic_time () - before, >=, 30000);
  g_unsetenv ("MOSS_FAULT");
  g_assert_false (moss_fault ("alpha"));
}

static void
test_file (void)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "moss-fault-XXXXXX", NULL);
  int fd = g_mkstemp (path);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_setenv ("MOSS_FAULT_FILE", path, TRUE);
  g_assert_false (moss_fault ("late"));
  g_assert_true (g_file_set_contents (path, "late:fail\n", -1, NULL));
  g_assert_true (moss_fault ("late"));
  g_unsetenv ("MOSS_FAULT_FILE");
  g_unlink (path);
}

static void
test_kill (void)
{
  if (g_test_subprocess ())
    {
      g_setenv ("MOSS_FAULT", "omega:kill", TRUE);
      moss_fault ("omega");
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
}

/* Who is stopped at a point goes on from there. */
static void
test_stop (void)
{
  int status;
  pid_t child = fork ();

  if (child == 0)
    {
      g_setenv ("MOSS_FAULT", "sigma:stop", TRUE);
      _exit (moss_fault ("sigma") ? 1 : 42);
    }
  g_assert_cmpint (waitpid (child, &status, WUNTRACED), ==, child);
  g_assert_true (WIFSTOPPED (status));
  g_assert_cmpint (kill (child, SIGCONT), ==, 0);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 42);
}

static void
test_clock (void)
{
  gint64 plain = moss_clock_now ();

  g_assert_cmpint (ABS (plain / 1000 - g_get_real_time ()), <, G_USEC_PER_SEC);
  g_setenv ("MOSS_TEST_CLOCK_OFFSET", "-3600", TRUE);
  g_assert_cmpint (ABS (moss_clock_now () - plain + 3600 * G_GINT64_CONSTANT (1000000000)), <,
                   G_GINT64_CONSTANT (1000000000));
  g_unsetenv ("MOSS_TEST_CLOCK_OFFSET");
}
#else
static void
test_absent (void)
{
  g_setenv ("MOSS_FAULT", "alpha:fail", TRUE);
  g_assert_false (moss_fault ("alpha"));
}
#endif

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#ifdef MOSS_FAULTS
  g_test_add_func ("/fault/plan", test_plan);
  g_test_add_func ("/fault/file", test_file);
  g_test_add_func ("/fault/kill", test_kill);
  g_test_add_func ("/fault/stop", test_stop);
  g_test_add_func ("/fault/clock", test_clock);
#else
  g_test_add_func ("/fault/absent", test_absent);
#endif
  return g_test_run ();
}
