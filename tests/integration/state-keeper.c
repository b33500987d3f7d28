/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keeps state of every kind that a program can have and looks all the time whether it is still
 * true. Run in a sandbox that is moved: "state-keeper KIND..." makes a process a kind, which writes
 * its number of looks to ~/state/KIND, or what is broken. Kinds that can't travel are at the
 * end. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 50
#define WAIT_MS 2000

static const char *kind;
static char file_of_kind[256];

static void
tell (const char *text, int number)
{
  char path[300];
  FILE *file;

  snprintf (path, sizeof path, "%s.new", file_of_kind);
  file = fopen (path, "w");
  if (file == NULL)
    return;
  fprintf (file, "%s %d %s\n", text, number, strcmp (text, "ok") == 0 ? "" : strerror (errno));
  fclose (file);
  rename (path, file_of_kind);
}

static void
expect_at (int holds, const char *what)
{
  if (holds)
    return;
  tell (what, 0);
  _exit (1);
}
#define EXPECT(condition) expect_at ((condition) != 0, #condition)

static int
readable (int fd)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

  while (poll (&poll_fd, 1, WAIT_MS) < 0 && errno == EINTR)
    ;
  return (poll_fd.revents & POLLIN) != 0;
}

static const char *
in_home (const char *name)
{
  static char path[256];

  snprintf (path, sizeof path, "%s/state/%s.%s", getenv ("HOME"), kind, name);
  return path;
}

/* ---- processes and threads ------------------------------------------------------------ */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static _Thread_local int own;
static int turn;

static void *
take_turns (void *data)
{
  int number = (int) (intptr_t) data;

  own = number * 7;
  for (;;)
    {
      pthread_mutex_lock (&mutex);
      while (turn % 4 != number)
        pthread_cond_wait (&turned, &mutex);
      EXPECT (own == number * 7);
      turn++;
      pthread_cond_broadcast (&turned);
      pthread_mutex_unlock (&mutex);
      usleep (2000);
    }
  return NULL;
}

static void
threads_begin (void)
{
  for (intptr_t i = 0; i < 4; i++)
    {
      pthread_t thread;

      EXPECT (pthread_create (&thread, NULL, take_turns, (void *) i) == 0);
    }
}

static void
threads_look (void)
{
  int before;

  pthread_mutex_lock (&mutex);
  before = turn;
  pthread_mutex_unlock (&mutex);
  usleep (100000);
  pthread_mutex_lock (&mutex);
  EXPECT (turn > before);
  pthread_mutex_unlock (&mutex);
}

static pid_t child, ended;
static int to_child[2], from_child[2];

static void
children_begin (void)
{
  siginfo_t info;

  EXPECT (pipe (to_child) == 0 && pipe (from_child) == 0);
  child = fork ();
  if (child == 0)
    {
      char letter;

      setpgid (0, 0);
      while (read (to_child[0], &letter, 1) == 1)
        EXPECT (write (from_child[1], &letter, 1) == 1);
      _exit (0);
    }
  ended = fork ();
  if (ended == 0)
    _exit (42);
  EXPECT (waitid (P_PID, ended, &info, WEXITED | WNOWAIT) == 0);
  EXPECT (write (to_child[1], "ab", 2) == 2);
}

/* A child that ended and is not waited for stays what it is. */
static void
children_look (void)
{
  static char next = 'c';
  siginfo_t info = { 0 };
  char letter;

  EXPECT (write (to_child[1], &next, 1) == 1);
  EXPECT (readable (from_child[0]) && read (from_child[0], &letter, 1) == 1);
  EXPECT (letter == (next - 'a' + 26 - 2) % 26 + 'a');
  next = (next - 'a' + 1) % 26 + 'a';
  EXPECT (getpgid (child) == child);
  EXPECT (waitid (P_PID, ended, &info, WEXITED | WNOHANG | WNOWAIT) == 0);
  EXPECT (info.si_pid == ended && info.si_status == 42);
}

static int caught;

static void
on_signal (int number)
{
  caught += number == SIGUSR1;
}

static void
task_begin (void)
{
  struct rlimit limit = { 100, 200 };
  sigset_t blocked;

  sigemptyset (&blocked);
  sigaddset (&blocked, SIGUSR2);
  EXPECT (sigprocmask (SIG_BLOCK, &blocked, NULL) == 0);
  EXPECT (signal (SIGUSR1, on_signal) != SIG_ERR && raise (SIGUSR2) == 0);
  EXPECT (setrlimit (RLIMIT_NOFILE, &limit) == 0 && prctl (PR_SET_NAME, "kept-name") == 0);
  EXPECT (nice (3) == 3 && mkdir (in_home ("dir"), 0700) == 0 && chdir (in_home ("dir")) == 0);
  umask (027);
}

static void
task_look (void)
{
  static int looks;
  struct rlimit limit;
  char name[32] = "", dir[256] = "";
  sigset_t pending;

  raise (SIGUSR1);
  EXPECT (caught == ++looks);
  EXPECT (sigpending (&pending) == 0 && sigismember (&pending, SIGUSR2) == 1);
  EXPECT (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 100);
  EXPECT (limit.rlim_max == 200 && getpriority (PRIO_PROCESS, 0) == 3);
  EXPECT (prctl (PR_GET_NAME, name) == 0 && strcmp (name, "kept-name") == 0);
  EXPECT (getcwd (dir, sizeof dir) != NULL && strcmp (dir, in_home ("dir")) == 0);
  EXPECT (umask (027) == 027);
}

/* ---- memory --------------------------------------------------------------------------- */

static int *shared, *mapped, *named, *private;
static int memfd;

static int *
map_file (int fd, int flags)
{
  int *at;

  EXPECT (fd >= 0 && ftruncate (fd, 8192) == 0);
  at = mmap (NULL, 8192, PROT_READ | PROT_WRITE, flags, fd, 0);
  EXPECT (at != MAP_FAILED);
  return at;
}

static void
memory_begin (void)
{
  shared = mmap (NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  EXPECT (shared != MAP_FAILED);
  memfd = memfd_create ("kept", MFD_ALLOW_SEALING);
  mapped = map_file (memfd, MAP_SHARED);
  EXPECT (fcntl (memfd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
  named = map_file (open (in_home ("mapped"), O_RDWR | O_CREAT, 0600), MAP_SHARED);
  private = map_file (open (in_home ("private"), O_RDWR | O_CREAT, 0600), MAP_PRIVATE);
  if (fork () == 0)
    for (;; usleep (1000))
      shared[1] = shared[0], mapped[1] = mapped[0], named[1] = named[0];
}

static void
memory_look (void)
{
  static int looks;
  int read_back = -1;

  EXPECT (private[0] == looks);
  private[0] = shared[0] = mapped[0] = named[0] = ++looks;
  for (int i = 0; i < WAIT_MS && shared[1] + mapped[1] + named[1] != 3 * looks; i++)
    usleep (1000);
  EXPECT (shared[1] == looks && mapped[1] == looks && named[1] == looks);
  EXPECT (pread (memfd, &read_back, sizeof read_back, 0) == sizeof read_back && read_back == looks);
  EXPECT (fcntl (memfd, F_GET_SEALS) == F_SEAL_SHRINK);
}

static int segment, semaphore;

static void
sysv_begin (void)
{
  segment = shmget (IPC_PRIVATE, 8192, 0600);
  EXPECT (segment >= 0 && (shared = shmat (segment, NULL, 0)) != (void *) -1);
  semaphore = semget (0x1234, 2, IPC_CREAT | 0600);
  EXPECT (semaphore >= 0 && semctl (semaphore, 1, SETVAL, 5) == 0);
  shared[7] = 77;
}

static void
sysv_look (void)
{
  struct shmid_ds about;

  EXPECT (shared[7] == 77 && shmctl (segment, IPC_STAT, &about) == 0 && about.shm_segsz == 8192);
  EXPECT (semget (0x1234, 2, 0) == semaphore && semctl (semaphore, 1, GETVAL) == 5);
}

/* ---- files ---------------------------------------------------------------------------- */

static int unlinked, locked, flocked;

static void
files_begin (void)
{
  unlinked = open (in_home ("gone"), O_RDWR | O_CREAT, 0600);
  EXPECT (unlinked >= 0 && write (unlinked, "kept", 4) == 4 && unlink (in_home ("gone")) == 0);
  flocked = open (in_home ("flock"), O_RDWR | O_CREAT, 0600);
  EXPECT (flocked >= 0 && flock (flocked, LOCK_EX) == 0);
  locked = open (in_home ("lock"), O_RDWR | O_CREAT | O_APPEND, 0600);
  EXPECT (locked >= 0 && write (locked, "0123456789", 10) == 10);
  EXPECT (lseek (locked, 3, SEEK_SET) == 3 && lockf (locked, F_TLOCK, 4) == 0);
}

static int
child_can_lock (void)
{
  pid_t pid = fork ();
  int status = 0;

  if (pid == 0)
    {
      int one = open (in_home ("flock"), O_RDWR), two = open (in_home ("lock"), O_RDWR);

      lseek (two, 3, SEEK_SET);
      _exit (flock (one, LOCK_EX | LOCK_NB) == 0 || lockf (two, F_TEST, 4) == 0);
    }
  EXPECT (waitpid (pid, &status, 0) == pid);
  return status != 0;
}

static void
files_look (void)
{
  char text[8] = "";

  EXPECT (pread (unlinked, text, 4, 0) == 4 && strcmp (text, "kept") == 0);
  EXPECT (lseek (unlinked, 0, SEEK_CUR) == 4 && lseek (locked, 0, SEEK_CUR) == 3);
  EXPECT ((fcntl (locked, F_GETFL) & O_APPEND) != 0 && !child_can_lock ());
}

static int watch, fifo, directory;

static void
inotify_begin (void)
{
  EXPECT (mkdir (in_home ("watched"), 0700) == 0);
  watch = inotify_init1 (IN_CLOEXEC);
  EXPECT (watch >= 0 && inotify_add_watch (watch, in_home ("watched"), IN_CREATE) == 1);
  directory = open (in_home ("watched"), O_DIRECTORY | O_RDONLY);
  EXPECT (directory >= 0);
}

static void
inotify_look (void)
{
  static int looks;
  char buffer[512], name[32];
  struct inotify_event *event = (void *) buffer;

  snprintf (name, sizeof name, "f%d", looks++);
  close (openat (directory, name, O_CREAT | O_WRONLY, 0600));
  EXPECT (readable (watch) && read (watch, buffer, sizeof buffer) > 0);
  EXPECT (event->wd == 1 && event->mask == IN_CREATE && strcmp (event->name, name) == 0);
}

static int master, slave, pipe_ends[2];

static void
channels_begin (void)
{
  EXPECT (mkfifo (in_home ("fifo"), 0600) == 0);
  fifo = open (in_home ("fifo"), O_RDWR);
  EXPECT (fifo >= 0 && write (fifo, "f0", 2) == 2);
  EXPECT (pipe (pipe_ends) == 0 && write (pipe_ends[1], "p0", 2) == 2);
  EXPECT (openpty (&master, &slave, NULL, NULL, &(struct winsize) { 33, 99, 0, 0 }) == 0);
}

static void
channels_look (void)
{
  char text[64] = "";
  struct winsize size;

  EXPECT (read (fifo, text, 2) == 2 && memcmp (text, "f0", 2) == 0 && write (fifo, "f0", 2) == 2);
  EXPECT (read (pipe_ends[0], text, 2) == 2 && memcmp (text, "p0", 2) == 0);
  EXPECT (write (pipe_ends[1], "p0", 2) == 2);
  EXPECT (ioctl (slave, TIOCGWINSZ, &size) == 0 && size.ws_row == 33 && size.ws_col == 99);
  EXPECT (write (master, "line\n", 5) == 5 && readable (slave));
  EXPECT (read (slave, text, sizeof text) == 5 && memcmp (text, "line\n", 5) == 0);
  EXPECT (readable (master) && read (master, text, sizeof text) == 6);
}

/* ---- events and time ------------------------------------------------------------------ */

static int outer, inner, event, signals, timer;
static volatile sig_atomic_t alarms;

static void
events_begin (void)
{
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGUSR1);
  EXPECT (sigprocmask (SIG_BLOCK, &set, NULL) == 0);
  signals = signalfd (-1, &set, 0);
  event = eventfd (3, 0);
  outer = epoll_create1 (0), inner = epoll_create1 (0);
  EXPECT (signals >= 0 && event >= 0 && outer >= 0 && inner >= 0);
  EXPECT (epoll_ctl (inner, EPOLL_CTL_ADD, signals,
                     &(struct epoll_event) { EPOLLIN, { .u64 = 11 } }) == 0);
  EXPECT (epoll_ctl (outer, EPOLL_CTL_ADD, inner,
                     &(struct epoll_event) { EPOLLIN, { .u64 = 22 } }) == 0);
}

static void
events_look (void)
{
  struct signalfd_siginfo info;
  struct epoll_event got = { 0 };
  uint64_t value = 0;

  EXPECT (epoll_wait (outer, &got, 1, 0) == 0);
  raise (SIGUSR1);
  EXPECT (epoll_wait (outer, &got, 1, WAIT_MS) == 1 && got.data.u64 == 22);
  EXPECT (epoll_wait (inner, &got, 1, WAIT_MS) == 1 && got.data.u64 == 11);
  EXPECT (read (signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1);
  EXPECT (read (event, &value, 8) == 8 && value == 3 && write (event, &value, 8) == 8);
}

static void
on_alarm (int number)
{
  alarms += number == SIGALRM;
}

static const struct itimerspec once = { .it_value = { 0, 20000000 } };
static int repeating;

static void
clocks_begin (void)
{
  struct itimerspec every = { { 0, 20000000 }, { 0, 20000000 } };
  struct itimerspec often = { { 0, 1000000 }, { 0, 1000000 } };
  struct sigevent by_signal = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
  timer_t posix;

  signal (SIGALRM, on_alarm);
  timer = timerfd_create (CLOCK_MONOTONIC, 0);
  EXPECT (timer >= 0 && timerfd_settime (timer, 0, &once, NULL) == 0);
  /* It has run out whenever a move comes: it is read only here and there. */
  repeating = timerfd_create (CLOCK_MONOTONIC, 0);
  EXPECT (repeating >= 0 && timerfd_settime (repeating, 0, &often, NULL) == 0);
  EXPECT (timer_create (CLOCK_MONOTONIC, &by_signal, &posix) == 0);
  EXPECT (timer_settime (posix, 0, &every, NULL) == 0);
}

static void
clocks_look (void)
{
  static double last;
  struct timespec now;
  uint64_t ticks = 0;
  int before = alarms;
  double at;

  clock_gettime (CLOCK_MONOTONIC, &now);
  at = now.tv_sec + now.tv_nsec / 1e9;
  EXPECT (last == 0 || (at >= last && at < last + 30));
  last = at;
  EXPECT (readable (timer));
  EXPECT (read (timer, &ticks, 8) == 8 && ticks == 1);
  EXPECT (timerfd_settime (timer, 0, &once, NULL) == 0);
  EXPECT (readable (repeating));
  EXPECT (read (repeating, &ticks, 8) == 8 && ticks >= 1);
  for (int i = 0; i < WAIT_MS && alarms == before; i++)
    usleep (1000);
  EXPECT (alarms > before);
}

/* ---- sockets -------------------------------------------------------------------------- */

static int pair[2], abstract, datagram;

static struct sockaddr_un
abstract_name (void)
{
  return (struct sockaddr_un) { .sun_family = AF_UNIX, .sun_path = "\0state-keeper" };
}

static void
unix_begin (void)
{
  struct sockaddr_un name = abstract_name ();

  EXPECT (socketpair (AF_UNIX, SOCK_STREAM, 0, pair) == 0 && write (pair[0], "queued", 6) == 6);
  abstract = socket (AF_UNIX, SOCK_SEQPACKET, 0);
  EXPECT (bind (abstract, (void *) &name, sizeof name) == 0 && listen (abstract, 4) == 0);
}

static void
unix_look (void)
{
  struct sockaddr_un name = abstract_name ();
  int client = socket (AF_UNIX, SOCK_SEQPACKET, 0), served;
  char text[8] = "";

  EXPECT (read (pair[1], text, 8) == 6 && strcmp (text, "queued") == 0);
  EXPECT (write (pair[0], "queued", 6) == 6);
  EXPECT (connect (client, (void *) &name, sizeof name) == 0);
  EXPECT ((served = accept (abstract, NULL, NULL)) >= 0 && write (client, "x", 1) == 1);
  EXPECT (read (served, text, 8) == 1);
  close (served);
  close (client);
}

static struct sockaddr_in
loopback (int port)
{
  return (struct sockaddr_in) { .sin_family = AF_INET, .sin_port = htons (port),
                                .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
}

static int listener, client, server;

static void
connect_again (void)
{
  struct sockaddr_in name = loopback (4711);

  client = socket (AF_INET, SOCK_STREAM, 0);
  EXPECT (connect (client, (void *) &name, sizeof name) == 0);
  EXPECT (readable (listener) && (server = accept (listener, NULL, NULL)) >= 0);
}

static void
inet_begin (void)
{
  struct sockaddr_in name = loopback (4711);

  signal (SIGPIPE, SIG_IGN);
  listener = socket (AF_INET, SOCK_STREAM, 0);
  EXPECT (bind (listener, (void *) &name, sizeof name) == 0 && listen (listener, 4) == 0);
  connect_again ();
  name = loopback (4712);
  datagram = socket (AF_INET, SOCK_DGRAM, 0);
  EXPECT (bind (datagram, (void *) &name, sizeof name) == 0);
}

/* Connections end with a move; who listens listens on. */
static void
inet_look (void)
{
  struct sockaddr_in name = loopback (4712);
  char text[8];

  if (write (client, "x", 1) != 1 || !readable (server) || read (server, text, 1) != 1)
    {
      close (client);
      close (server);
      connect_again ();
    }
  EXPECT (sendto (datagram, "u", 1, 0, (void *) &name, sizeof name) == 1);
  EXPECT (readable (datagram) && read (datagram, text, 8) == 1);
}

/* ---- what can't travel ---------------------------------------------------------------- */

static void
nothing_look (void)
{
}

static void
msgqueue_begin (void)
{
  struct
  {
    long type;
    char text[8];
  } message = { 1, "waits" };
  int queue = msgget (IPC_PRIVATE, 0600);

  EXPECT (queue >= 0 && msgsnd (queue, &message, 6, 0) == 0);
}

static void
mqueue_begin (void)
{
  struct mq_attr about = { .mq_maxmsg = 4, .mq_msgsize = 64 };

  EXPECT (mq_open ("/kept", O_CREAT | O_RDWR, 0600, &about) >= 0);
}

static void
aio_begin (void)
{
  unsigned long context = 0;

  EXPECT (syscall (SYS_io_setup, 16, &context) == 0);
}

/* CRIU restores it as a plain one. */
static void
semaphore_begin (void)
{
  EXPECT (eventfd (3, EFD_SEMAPHORE) >= 0);
}

/* A crowd: each of them counts in a place of its own, and none may stand still. */
#define CROWD_PROCESSES 100
#define CROWD_THREADS 300
#define CROWD (CROWD_PROCESSES + CROWD_THREADS)

static volatile int *crowd, crowd_before[CROWD];

static void *
count_alone (void *place)
{
  while (usleep (50000) == 0 || errno == EINTR)
    ++*(volatile int *) place;
  return NULL;
}

static void
many_begin (void)
{
  pthread_attr_t small;
  pthread_t thread;

  crowd = mmap (NULL, CROWD * sizeof *crowd, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                0);
  EXPECT (crowd != MAP_FAILED);
  for (int i = 0; i < CROWD_PROCESSES; i++)
    if (fork () == 0)
      count_alone ((void *) &crowd[i]);
  pthread_attr_init (&small);
  pthread_attr_setstacksize (&small, 65536);
  for (int i = CROWD_PROCESSES; i < CROWD; i++)
    EXPECT (pthread_create (&thread, &small, count_alone, (void *) &crowd[i]) == 0);
}

static void
many_look (void)
{
  for (int i = 0; i < CROWD; i++)
    {
      for (int waited = 0; waited < WAIT_MS && crowd[i] == crowd_before[i]; waited++)
        usleep (1000);
      EXPECT (crowd[i] > crowd_before[i]);
      crowd_before[i] = crowd[i];
    }
}

static const struct
{
  const char *name;
  void (*begin) (void);
  void (*look) (void);
} kinds[] = {
  { "threads", threads_begin, threads_look },    { "children", children_begin, children_look },
  { "task", task_begin, task_look },             { "memory", memory_begin, memory_look },
  { "sysv", sysv_begin, sysv_look },             { "files", files_begin, files_look },
  { "inotify", inotify_begin, inotify_look },    { "channels", channels_begin, channels_look },
  { "events", events_begin, events_look },       { "clocks", clocks_begin, clocks_look },
  { "unix", unix_begin, unix_look },             { "inet", inet_begin, inet_look },
  { "msgqueue", msgqueue_begin, nothing_look },  { "mqueue", mqueue_begin, nothing_look },
  { "aio", aio_begin, nothing_look },            { "semaphore", semaphore_begin, nothing_look },
  { "many", many_begin, many_look },
};

static void
keep (const char *name)
{
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    {
      if (strcmp (kinds[i].name, name) != 0)
        continue;
      kind = name;
      snprintf (file_of_kind, sizeof file_of_kind, "%s/state/%s", getenv ("HOME"), name);
      kinds[i].begin ();
      for (int looks = 1;; looks++)
        {
          kinds[i].look ();
          tell ("ok", looks);
          usleep (LOOK_MS * 1000);
        }
    }
}

int
main (int argc, char **argv)
{
  char path[256];

  snprintf (path, sizeof path, "%s/state", getenv ("HOME"));
  mkdir (path, 0700);
  for (int i = 1; i < argc; i++)
    if (fork () == 0)
      {
        keep (argv[i]);
        _exit (1);
      }
  for (;;)
    pause ();
}
