/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: every program in a sandbox but pid 1 runs as 1000:1000 with no group besides, an empty
 * capability bounding set, no_new_privs and the system call filter. It gets /dev/null to read
 * from and a log in its own home to write to. */

#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUS_CONFIG "/run/moss-bus.conf"
#define BUS_TIMEOUT_MS 5000
#define LOG_MAX (1 << 20)

/* What a message may start is in a folder of our own (init-services.c). Any user: moss-init
 * itself logs in (init-relay.c), and nobody from outside reaches the socket. */
static const char bus_config[]
    = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
      " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
      "<busconfig><type>session</type><keep_umask/>\n"
      "<listen>unix:path=" INIT_RUNTIME_DIR "/bus</listen><auth>EXTERNAL</auth>\n"
      "<servicedir>" INIT_SERVICES_DIR "</servicedir>\n"
      "<policy context=\"default\"><allow user=\"*\"/>\n"
      "<allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
      "<allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>\n"
      "<limit name=\"reply_timeout\">120000</limit>\n"
      "<limit name=\"service_start_timeout\">25000</limit></busconfig>\n";

/* Says which step failed and why; the parent makes a sentence of it. */
static _Noreturn void
child_fail (int report, const char *step)
{
  char text[200];
  int n = snprintf (text, sizeof text, "%s: %s", step, strerror (errno));

  if (write (report, text, n < (int) sizeof text ? n : (int) sizeof text - 1) < 0)
    _exit (126);
  _exit (127);
}

static void
child_drop_all (int report)
{
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };
  int result;

  for (int cap = 0; cap < 64; cap++)
    prctl (PR_CAPBSET_DROP, cap, 0, 0, 0);
  if (setgroups (0, NULL) != 0 || setresgid (INIT_APP_ID, INIT_APP_ID, INIT_APP_ID) != 0
      || setresuid (INIT_APP_ID, INIT_APP_ID, INIT_APP_ID) != 0)
    child_fail (report, "becoming the app's user");
  if (syscall (SYS_capset, &header, none) != 0 || prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    child_fail (report, "giving up capabilities");
  result = init_seccomp_load ();
  errno = -result;
  if (result != 0)
    child_fail (report, "loading the system call filter");
}

static void
child_open_log (void)
{
  int log = open (INIT_LOG, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

  if (log < 0)
    return;
  dup2 (log, 1);
  dup2 (log, 2);
}

/* A question mark and the name: there is no such program. */
static _Noreturn void
child_fail_to_start (int report, const char *program)
{
  bool missing = errno == ENOENT && (strchr (program, '/') == NULL || access (program, F_OK) != 0);
  char text[200];
  int n = snprintf (text, sizeof text, "?%s", program != NULL ? program : "");

  if (!missing)
    child_fail (report, program);
  if (write (report, text, n < (int) sizeof text ? n : (int) sizeof text - 1) < 0)
    _exit (126);
  _exit (127);
}

static _Noreturn void
child_main (char *const *argv, const char *cwd, int keep_fd, int report)
{
  sigset_t none;

  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  setsid ();
  child_drop_all (report);
  child_open_log ();
  if (chdir (cwd) != 0)
    child_fail (report, cwd);
  if (keep_fd >= 0)
    fcntl (keep_fd, F_SETFD, 0);
  execvp (argv[0], argv);
  child_fail_to_start (report, argv[0]);
}

pid_t
init_start (char *const *argv, const char *cwd, int keep_fd, char *why, size_t why_size)
{
  int report[2];
  ssize_t n;
  pid_t pid;

  if (pipe2 (report, O_CLOEXEC) != 0 || (pid = fork ()) < 0)
    {
      snprintf (why, why_size, "starting a process: %s", strerror (errno));
      return -1;
    }
  if (pid == 0)
    child_main (argv, cwd, keep_fd, report[1]);
  close (report[1]);
  n = read (report[0], why, why_size - 1);
  close (report[0]);
  if (n <= 0)
    return pid;
  why[n] = '\0';
  return -1;
}

static bool
write_bus_config (void)
{
  int fd = open (BUS_CONFIG, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool ok = fd >= 0 && write (fd, bus_config, sizeof bus_config - 1) > 0;

  if (fd >= 0)
    close (fd);
  return ok;
}

pid_t
init_start_bus (char *why, size_t why_size)
{
  char print_option[40], address[256];
  char *argv[] = { "dbus-daemon", "--nofork", "--nopidfile", "--config-file=" BUS_CONFIG,
                   print_option, NULL };
  struct pollfd wait = { -1, POLLIN, 0 };
  int ready[2];
  pid_t pid;

  if (!init_services_offer () || !write_bus_config () || pipe2 (ready, O_CLOEXEC) != 0)
    {
      snprintf (why, why_size, "preparing the message bus: %s", strerror (errno));
      return -1;
    }
  snprintf (print_option, sizeof print_option, "--print-address=%d", ready[1]);
  pid = init_start (argv, "/", ready[1], why, why_size);
  close (ready[1]);
  wait.fd = ready[0];
  if (pid > 0
      && (poll (&wait, 1, BUS_TIMEOUT_MS) != 1
          || read (ready[0], address, sizeof address) <= 0))
    {
      snprintf (why, why_size, "the message bus did not start");
      pid = -1;
    }
  close (ready[0]);
  return pid;
}

pid_t
init_start_x11 (int listen_fd, char *why, size_t why_size)
{
  char number[16];
  char *argv[] = { "Xwayland", ":0", "-shm", "-noreset", "-listenfd", number, NULL };

  snprintf (number, sizeof number, "%d", listen_fd);
  return init_start (argv, "/", listen_fd, why, why_size);
}

void
init_trim_log (void)
{
  struct stat st;
  int log;

  /* As the app, whose folder it is in: a link there leads to nothing that is not the app's. */
  init_setup_files_as_app ();
  log = open (INIT_LOG, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  init_setup_files_as_root ();
  if (log < 0)
    return;
  if (fstat (log, &st) != 0 || !S_ISREG (st.st_mode) || st.st_size <= LOG_MAX
      || ftruncate (log, 0) != 0)
    st.st_size = 0;
  close (log);
}
