// SPDX-License-Identifier: GPL-3.0-or-later
#include "vfs/netd/lock-table.h"

#include <errno.h>
#include <fcntl.h>

#define FILE_A 100
#define END G_MAXUINT64

static FuseStateBlock *
make_block (void)
{
  return g_malloc0 (sizeof (FuseStateBlock));
}

static FuseStateLock
lock (guint64 owner, guint type, guint64 start, guint64 end)
{
  return (FuseStateLock) {
    .node = FILE_A, .owner = owner, .handle = owner, .start = start, .end = end, .type = type
  };
}

static int
set (FuseStateBlock *block, guint64 owner, guint type, guint64 start, guint64 end)
{
  FuseStateLock want = lock (owner, type, start, end);

  return lock_table_set (block, &want);
}

static gboolean
is_free (FuseStateBlock *block, guint64 owner, guint type, guint64 start, guint64 end)
{
  FuseStateLock want = lock (owner, type, start, end);

  return lock_table_find (block, &want) == NULL;
}

static guint
count (FuseStateBlock *block)
{
  guint n = 0;

  for (guint i = 0; i < block->locks_end; i++)
    n += block->locks[i].node != 0;
  return n;
}

static void
test_readers_and_writers (void)
{
  g_autofree FuseStateBlock *block = make_block ();

  g_assert_cmpint (set (block, 1, F_RDLCK, 0, 99), ==, 0);
  g_assert_true (is_free (block, 2, F_RDLCK, 50, END));
  g_assert_false (is_free (block, 2, F_WRLCK, 50, END));
  g_assert_true (is_free (block, 2, F_WRLCK, 100, END));
  g_assert_true (is_free (block, 1, F_WRLCK, 0, END));
  g_assert_cmpint (lock_table_mode (block, FILE_A), ==, LOCKED_TO_READ);
  g_assert_cmpint (set (block, 1, F_WRLCK, 0, 99), ==, 0);
  g_assert_cmpint (lock_table_mode (block, FILE_A), ==, LOCKED_TO_WRITE);
  g_assert_cmpint (lock_table_mode (block, FILE_A + 1), ==, LOCKED_NOT);
}

static void
test_out_of_the_middle (void)
{
  g_autofree FuseStateBlock *block = make_block ();

  set (block, 1, F_WRLCK, 0, END);
  set (block, 1, F_UNLCK, 10, 19);
  g_assert_cmpuint (count (block), ==, 2);
  g_assert_true (is_free (block, 2, F_WRLCK, 10, 19));
  g_assert_false (is_free (block, 2, F_WRLCK, 9, 9));
  g_assert_false (is_free (block, 2, F_WRLCK, 20, 20));
  set (block, 1, F_RDLCK, 15, 30);
  g_assert_true (is_free (block, 2, F_RDLCK, 10, 30));
  g_assert_false (is_free (block, 2, F_RDLCK, 31, 31));
  set (block, 1, F_UNLCK, 0, END);
  g_assert_cmpuint (count (block), ==, 0);
}

/* Whoever locks byte after byte must not fill the table. */
static void
test_neighbours_join (void)
{
  g_autofree FuseStateBlock *block = make_block ();

  for (guint i = 0; i < 1000; i++)
    g_assert_cmpint (set (block, 1, F_WRLCK, i, i), ==, 0);
  g_assert_cmpuint (count (block), ==, 1);
  set (block, 1, F_WRLCK, 2000, END);
  set (block, 1, F_WRLCK, 1000, 1999);
  g_assert_cmpuint (count (block), ==, 1);
}

static void
test_whose_end (void)
{
  g_autofree FuseStateBlock *block = make_block ();
  FuseStateLock whole = lock (3, F_WRLCK, 0, END);

  whole.whole = 1;
  set (block, 1, F_WRLCK, 0, 9);
  set (block, 2, F_WRLCK, 10, 19);
  g_assert_null (lock_table_find (block, &whole)); /* flock and fcntl don't meet */
  lock_table_set (block, &whole);
  g_assert_true (lock_table_drop_owner (block, FILE_A, 1));
  g_assert_false (lock_table_drop_owner (block, FILE_A, 3));
  g_assert_true (lock_table_drop_handle (block, FILE_A, 3));
  g_assert_cmpuint (count (block), ==, 1);
}

static void
test_full (void)
{
  g_autofree FuseStateBlock *block = make_block ();
  int result = 0;
  guint i;

  for (i = 0; i < 2 * FUSE_STATE_LOCKS && result == 0; i++)
    result = set (block, 1, F_WRLCK, 2 * i, 2 * i);
  g_assert_cmpint (result, ==, -ENOLCK);
  g_assert_cmpuint (i, >=, FUSE_STATE_LOCKS - 2);
  g_assert_cmpuint (block->locks_end, <=, FUSE_STATE_LOCKS);
}

/* What a server that was killed half way left. */
static void
test_torn (void)
{
  g_autofree FuseStateBlock *block = make_block ();

  set (block, 1, F_WRLCK, 5, 9);
  block->locks[0].end = 4;
  block->locks_end = G_MAXUINT32;
  lock_table_check (block);
  g_assert_cmpuint (count (block), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/locks/readers-and-writers", test_readers_and_writers);
  g_test_add_func ("/locks/out-of-the-middle", test_out_of_the_middle);
  g_test_add_func ("/locks/neighbours-join", test_neighbours_join);
  g_test_add_func ("/locks/whose-end", test_whose_end);
  g_test_add_func ("/locks/full", test_full);
  g_test_add_func ("/locks/torn", test_torn);
  return g_test_run ();
}
