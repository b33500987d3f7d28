/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* A bare sandbox for tests of dump, restore and layer: what moss-sandboxd builds, without its
 * policy. Errors end the test. */
typedef struct
{
  char *dir;          /* upper, work, root */
  char *lower;
  int upper_dirfd;
  int lower_dirfd;
  int cgroup_dirfd;
  char *cgroup;
  pid_t init;
  gboolean mounted;
} TestSandbox;

/* lower is the runtime, parent a directory for its files, script what pid 1 runs with sh. */
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

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestSandbox, test_sandbox_free)

G_END_DECLS
