/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "inspect.h"
#include "memory.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static void
test_good_links (void)
{
  static const char *const links[] = {
    "/dev/null",      "/dev/urandom",         "/dev/pts/3",  "/dev/ptmx",
    "/dev/shm/x",     "anon_inode:[eventfd]", "pipe:[1234]", "anon_inode:inotify",
    "/memfd:x (deleted)", "/home/moss/dev/dri", "/dev/zero (deleted)", "anon_inode:[pidfd]",
  };

  for (guint i = 0; i < G_N_ELEMENTS (links); i++)
    g_assert_null (moss_inspect_judge_link ("app", links[i]));
}

static void
test_blockers (void)
{
  static const char *const links[][2] = {
    { "/dev/dri/card0", "app can't travel: it has /dev/dri/card0 open" },
    { "/dev/kvm", "app can't travel: it has /dev/kvm open" },
    { "/dev/tty",
      "app can't travel: it shares its terminal in a way that can't be moved (/dev/tty)" },
    { "anon_inode:[io_uring]", "app can't travel: it uses io_uring" },
    { "anon_inode:[userfaultfd]", "app can't travel: it uses userfaultfd" },
    { "anon_inode:kvm-vm", "app can't travel: it runs a virtual machine (KVM)" },
    { "/dmabuf:", "app can't travel: it shares memory with the graphics card" },
    { "anon_inode:[new-thing]", "app can't travel: it has a kernel object open ([new-thing])" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (links); i++)
    {
      g_autofree char *sentence = moss_inspect_judge_link ("app", links[i][0]);

      g_assert_cmpstr (sentence, ==, links[i][1]);
    }
}

/* Reads our own memory: private, shared by memfd, once each, zeros left out. */
static void
test_memory (void)
{
  g_autoptr (GArray) pids = g_array_new (FALSE, FALSE, sizeof (pid_t));
  g_autoptr (GError) error = NULL;
  pid_t self = getpid ();
  char *private_pages = mmap (NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int memfd = memfd_create ("test", 0);
  int shared_found = 0, private_found = 0, zeros = 0, fd;
  static const char zero[PAGE];
  char *shared, *copy;
  struct stat st;

  g_assert_cmpint (ftruncate (memfd, 4 * PAGE), ==, 0);
  shared = mmap (NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
  for (int i = 0; i < 8; i += 2)
    memset (private_pages + i * PAGE, 0xa7, PAGE);
  memset (private_pages + PAGE, 0, PAGE);
  memset (shared, 0x5c, 3 * PAGE);

  g_array_append_val (pids, self);
  fd = moss_memory_read (pids, &error);
  if (fd < 0 && geteuid () != 0)
    {
      g_test_skip ("needs root");
      return;
    }
  g_assert_no_error (error);
  g_assert_cmpint (fstat (fd, &st), ==, 0);
  g_assert_cmpint (st.st_size % PAGE, ==, 0);
  copy = mmap (NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
  for (off_t at = 0; at < st.st_size; at += PAGE)
    {
      private_found += memcmp (copy + at, private_pages, PAGE) == 0;
      shared_found += memcmp (copy + at, shared, PAGE) == 0;
      zeros += memcmp (copy + at, zero, PAGE) == 0;
    }
  g_assert_cmpint (private_found, ==, 4);
  g_assert_cmpint (shared_found, ==, geteuid () == 0 ? 3 : shared_found);
  g_assert_cmpint (zeros, ==, 0);
  munmap (copy, st.st_size);
  close (fd);
  close (memfd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sandboxd/inspect/good", test_good_links);
  g_test_add_func ("/sandboxd/inspect/blockers", test_blockers);
  g_test_add_func ("/sandboxd/memory", test_memory);
  return g_test_run ();
}
