// SPDX-License-Identifier: GPL-3.0-or-later
/* The relay to the apps' message bus, against a bus that is the test: the login, bytes both ways,
 * and what a bus may not say. */
#define INIT_RUNTIME_DIR "."

#include <glib.h>
#include <stdbool.h>

/* The test's folder stands for the sandbox's; the helpers that change users do nothing. */
#include "session/sandbox/init/init-relay.c"

void
init_setup_files_as_app (void)
{
}

void
init_setup_files_as_root (void)
{
}

typedef struct
{
  struct wl_event_loop *loop;
  int listener, bus, outer;
} World;

static void
turn (World *world)
{
  for (int i = 0; i < 8; i++)
    wl_event_loop_dispatch (world->loop, 0);
}

static void
open_world (World *world)
{
  struct sockaddr_un address = { AF_UNIX, "./bus" };
  int pair[2];
  char text[100];

  unlink ("./bus");
  world->loop = wl_event_loop_create ();
  world->listener = socket (AF_UNIX, SOCK_STREAM, 0);
  g_assert_cmpint (bind (world->listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (world->listener, 1), ==, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), ==, 0);
  world->outer = pair[0];
  g_assert_true (init_relay_add (world->loop, pair[1]));
  world->bus = accept (world->listener, NULL, NULL);
  g_assert_cmpint (recv (world->bus, text, sizeof text, 0), ==, sizeof login - 1);
  g_assert_cmpmem (text, sizeof login - 1, login, sizeof login - 1);
}

static void
close_world (World *world)
{
  init_relay_end_all ();
  close (world->outer);
  close (world->bus);
  close (world->listener);
  wl_event_loop_destroy (world->loop);
  unlink ("./bus");
}

static void
say (World *world, const void *bytes, size_t n)
{
  g_assert_cmpint (send (world->bus, bytes, n, 0), ==, n);
  turn (world);
}

/* What came out: at most so much; 0 when the relay ended, -1 when nothing came. */
static ssize_t
hear (World *world, void *bytes, size_t n)
{
  return recv (world->outer, bytes, n, MSG_DONTWAIT);
}

/* A message of this many bytes of body, little-endian, without fields. */
static void
make_header (guint8 *header, guint32 body, guint32 fields)
{
  memset (header, 0, 16);
  header[0] = 'l';
  for (int i = 0; i < 4; i++)
    {
      header[4 + i] = body >> 8 * i;
      header[12 + i] = fields >> 8 * i;
    }
}

static void
test_passes (void)
{
  World world;
  guint8 message[16 + 8 + 4], got[100];

  open_world (&world);
  make_header (message, 4, 5);
  memset (message + 16, 'x', 12);
  say (&world, "OK 0123", 7);
  g_assert_cmpint (hear (&world, got, sizeof got), ==, -1);
  say (&world, "\r\n", 2);
  /* In pieces that end anywhere. */
  for (guint i = 0; i < sizeof message; i += 3)
    say (&world, message + i, MIN (3, sizeof message - i));
  say (&world, message, sizeof message);
  g_assert_cmpint (hear (&world, got, sizeof got), ==, 2 * sizeof message);
  g_assert_cmpmem (got, sizeof message, message, sizeof message);
  g_assert_cmpint (send (world.outer, "hello", 5, 0), ==, 5);
  turn (&world);
  g_assert_cmpint (recv (world.bus, got, sizeof got, MSG_DONTWAIT), ==, 5);
  close_world (&world);
}

static void
assert_ends (const void *bytes, size_t n)
{
  World world;
  guint8 got[4096];

  open_world (&world);
  say (&world, bytes, n);
  g_assert_cmpint (hear (&world, got, sizeof got), ==, 0);
  close_world (&world);
}

static void
test_refuses (void)
{
  guint8 large[9 + 16] = "OK 01234\n";
  guint8 fields[9 + 16] = "OK 01234\n";
  guint8 none[9 + 16] = "OK 01234\n";
  guint8 endless[300];

  memset (endless, 'O', sizeof endless);
  make_header (large + 9, MESSAGE_MAX + 1, 0);
  make_header (fields + 9, 0, 0xffffffff);
  make_header (none + 9, 0, 0);
  none[9] = 'x';
  assert_ends ("REJECTED EXTERNAL\r\n", 19);
  assert_ends (endless, sizeof endless);
  assert_ends (large, sizeof large);
  assert_ends (fields, sizeof fields);
  assert_ends (none, sizeof none);
}

/* The shell reads nothing: the bus waits, and nothing grows. */
static void
test_waits (void)
{
  World world;
  guint8 chunk[4096] = { 0 }, header[16];
  ssize_t sent, all = 0;

  open_world (&world);
  make_header (header, MESSAGE_MAX, 0);
  say (&world, "OK 1\r\n", 6);
  say (&world, header, sizeof header);
  do
    {
      sent = send (world.bus, chunk, sizeof chunk, MSG_DONTWAIT);
      all += MAX (sent, 0);
      turn (&world);
    }
  while (sent > 0 && all < (ssize_t) MESSAGE_MAX);
  g_assert_cmpint (sent, ==, -1);
  g_assert_cmpint (all, <, 2 << 20);
  close_world (&world);
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = g_dir_make_tmp ("moss-relay-XXXXXX", NULL);
  int status;

  g_assert_cmpint (chdir (folder), ==, 0);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/passes", test_passes);
  g_test_add_func ("/relay/refuses", test_refuses);
  g_test_add_func ("/relay/waits", test_waits);
  status = g_test_run ();
  g_assert_cmpint (chdir ("/"), ==, 0);
  rmdir (folder);
  return status;
}
