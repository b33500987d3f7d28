/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* A bare sandbox for tests of dump, restore and layer: what moss-sandboxd builds, without
 * its policy. Errors end the test. */
typedef struct
{
  char *dir; /* upper, work, root */
  char *lower;
  int upper_dirfd;
  int lower_dirfd;
  int cgroup_dirfd;
  char *cgroup;
  pid_t init;
  gboolean mounted;
} TestSandbox;

/* lower is the runtime, parent a directory for its files, script what pid 1 runs with sh.
 */
TestSandbox *test_sandbox_new (const char *lower, const char *parent);
void test_sandbox_mount (TestSandbox *sandbox);
void test_sandbox_start (TestSandbox *sandbox, const char *script, gboolean run_tmpfs);
void test_sandbox_thaw (TestSandbox *sandbox);
void test_sandbox_kill (TestSandbox *sandbox);
void test_sandbox_free (TestSandbox *sandbox);
char *test_sandbox_root (TestSandbox *sandbox);

/* Puts a file into the upper directory before the start. */
void test_sandbox_write (TestSandbox *sandbox, const char *path, const char *text);
char *test_sandbox_read (TestSandbox *sandbox, const char *path);
void test_sandbox_prepare_upper (TestSandbox *sandbox);

/* The app of most tests: it counts, and writes each number to home/moss/count. */
#define TEST_AS_APP "setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs "
#define TEST_COUNT                                                                       \
  "sh -c 'i=0; while :; do i=$((i+1)); echo $i > /home/moss/count; sleep 0.02; done'"
#define TEST_LOOP TEST_AS_APP TEST_COUNT " & wait"

int test_sandbox_count (TestSandbox *sandbox);

/* Waits until the count is more than that, else ends the test. */
int test_sandbox_wait_count (TestSandbox *sandbox, int more_than, int timeout_ms);

/* Copies a runtime of just what the loop needs, so that it has its own inodes. */
void test_sandbox_copy_runtime (const char *dir);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestSandbox, test_sandbox_free)

G_END_DECLS
