// SPDX-License-Identifier: GPL-3.0-or-later
/* The relay for the functions that apps ask for: packets and descriptors both ways, sockets that
 * can be cut, and an end that leaves nothing. */
#include <glib.h>
#include <stdbool.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "session/sandbox/init/init-functions.c"

#define DOOR "./functions-door"

/* The test's folder stands for the sandbox's. */
int
init_setup_functions_socket (void)
{
  struct sockaddr_un address = { AF_UNIX, DOOR };
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  unlink (DOOR);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (fd, 16), ==, 0);
  return fd;
}

void
init_setup_remove_functions_socket (void)
{
  unlink (DOOR);
}

typedef struct
{
  struct wl_event_loop *loop;
  int session, app, outer;
} World;

static void
turn (World *world)
{
  for (int i = 0; i < 8; i++)
    wl_event_loop_dispatch (world->loop, 0);
}

/* A packet with at most one descriptor; its length, 0 at the end, -1 when there is none. */
static ssize_t
hear (int fd, void *bytes, size_t size, int *got)
{
  union
  {
    struct cmsghdr header;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control;
  struct iovec part = { bytes, size };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  ssize_t n = recvmsg (fd, &message, MSG_DONTWAIT);
  struct cmsghdr *at = n < 0 ? NULL : CMSG_FIRSTHDR (&message);

  if (got != NULL)
    *got = -1;
  if (at != NULL && got != NULL)
    memcpy (got, CMSG_DATA (at), sizeof *got);
  return n;
}

static int
knock (World *world)
{
  struct sockaddr_un address = { AF_UNIX, DOOR };
  int fd = socket (AF_UNIX, SOCK_SEQPACKET, 0);

  if (connect (fd, (struct sockaddr *) &address, sizeof address) != 0)
    {
      close (fd);
      return -1;
    }
  turn (world);
  return fd;
}

static void
open_world (World *world)
{
  int pair[2];
  char byte;

  world->loop = wl_event_loop_create ();
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), ==, 0);
  world->session = pair[0];
  g_assert_true (init_functions_open (world->loop, pair[1]));
  world->app = knock (world);
  g_assert_cmpint (world->app, >=, 0);
  g_assert_cmpint (hear (world->session, &byte, 1, &world->outer), ==, 1);
  g_assert_cmpint (byte, ==, 'F');
  g_assert_cmpint (world->outer, >=, 0);
}

static void
close_world (World *world)
{
  init_functions_end_all ();
  close (world->session);
  close (world->app);
  close (world->outer);
  wl_event_loop_destroy (world->loop);
  g_assert_cmpint (access (DOOR, F_OK), ==, -1);
}

static void
test_passes (void)
{
  World world;
  g_autofree char *big = g_malloc0 (PACKET_MAX);
  g_autofree char *got = g_malloc (PACKET_MAX);

  open_world (&world);
  g_assert_cmpint (send (world.app, "ask", 3, 0), ==, 3);
  g_assert_cmpint (send (world.app, big, PACKET_MAX, 0), ==, PACKET_MAX);
  turn (&world);
  g_assert_cmpint (hear (world.outer, got, PACKET_MAX, NULL), ==, 3);
  g_assert_cmpint (hear (world.outer, got, PACKET_MAX, NULL), ==, PACKET_MAX);
  g_assert_cmpint (send (world.outer, "answer", 6, 0), ==, 6);
  turn (&world);
  g_assert_cmpint (hear (world.app, got, PACKET_MAX, NULL), ==, 6);
  close_world (&world);
}

/* Who doesn't read holds up nothing but their own packets, and loses none. */
static void
test_waits (void)
{
  World world;
  g_autofree char *packet = g_malloc0 (PACKET_MAX);
  int sent = 0, heard = 0;

  open_world (&world);
  for (int idle = 0; idle < 3; idle++)
    {
      while (send (world.app, packet, PACKET_MAX, MSG_DONTWAIT) == PACKET_MAX)
        {
          packet[0] = ++sent;
          idle = 0;
        }
      turn (&world);
    }
  while (hear (world.outer, packet, PACKET_MAX, NULL) == PACKET_MAX)
    {
      g_assert_cmpint ((guint8) packet[0], ==, (guint8) heard++);
      turn (&world);
    }
  g_assert_cmpint (sent, >, 2);
  g_assert_cmpint (heard, ==, sent);
  close_world (&world);
}

static void
test_descriptors (void)
{
  World world;
  int memory = memfd_create ("test", 0);
  int ends[2], got = -1;
  char text[8];

  open_world (&world);
  g_assert_cmpint (write (memory, "inside", 6), ==, 6);
  g_assert_cmpint (send_packet (world.app, (const guint8 *) "m", 1, &memory, 1), ==, 1);
  turn (&world);
  g_assert_cmpint (hear (world.outer, text, sizeof text, &got), ==, 1);
  g_assert_cmpint (pread (got, text, 6, 0), ==, 6);
  close (got);

  /* A socket comes as another one, that ends with all the rest. */
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET, 0, ends), ==, 0);
  g_assert_cmpint (send_packet (world.outer, (const guint8 *) "s", 1, &ends[1], 1), ==, 1);
  close (ends[1]);
  turn (&world);
  g_assert_cmpint (hear (world.app, text, sizeof text, &got), ==, 1);
  g_assert_cmpint (got, >=, 0);
  g_assert_cmpint (send (got, "hello", 5, 0), ==, 5);
  turn (&world);
  g_assert_cmpint (hear (ends[0], text, sizeof text, NULL), ==, 5);
  init_functions_end_all ();
  g_assert_cmpint (hear (got, text, sizeof text, NULL), ==, 0);
  g_assert_cmpint (hear (ends[0], text, sizeof text, NULL), ==, 0);
  close (got);
  close (ends[0]);
  close (memory);
  close_world (&world);
}

static void
test_refuses (void)
{
  World world;
  int folder = open (".", O_PATH);
  char text[8];

  open_world (&world);
  g_assert_cmpint (send_packet (world.app, (const guint8 *) "d", 1, &folder, 1), ==, 1);
  turn (&world);
  g_assert_cmpint (hear (world.outer, text, sizeof text, NULL), ==, 0);
  g_assert_cmpint (hear (world.app, text, sizeof text, NULL), ==, 0);
  close (folder);
  close_world (&world);
}

static void
test_ends (void)
{
  World world;
  char text[8];

  open_world (&world);
  g_assert_cmpint (send (world.app, "last", 4, 0), ==, 4);
  close (world.app);
  turn (&world);
  g_assert_cmpint (hear (world.outer, text, sizeof text, NULL), ==, 4);
  g_assert_cmpint (hear (world.outer, text, sizeof text, NULL), ==, 0);
  /* Nobody takes those who knock: there is no door. */
  close (world.session);
  turn (&world);
  world.app = knock (&world);
  g_assert_cmpint (world.app, ==, -1);
  world.session = -1;
  close_world (&world);
}

static void
test_many (void)
{
  World world;
  int apps[PAIRS_MAX + 4];

  open_world (&world);
  for (guint i = 0; i < G_N_ELEMENTS (apps); i++)
    apps[i] = knock (&world);
  g_assert_cmpint (wl_list_length (&functions.pairs), ==, PAIRS_MAX);
  for (guint i = 0; i < G_N_ELEMENTS (apps); i++)
    close (apps[i]);
  turn (&world);
  g_assert_cmpint (wl_list_length (&functions.pairs), <, PAIRS_MAX);
  close_world (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/init/functions/passes", test_passes);
  g_test_add_func ("/init/functions/waits", test_waits);
  g_test_add_func ("/init/functions/descriptors", test_descriptors);
  g_test_add_func ("/init/functions/refuses", test_refuses);
  g_test_add_func ("/init/functions/ends", test_ends);
  g_test_add_func ("/init/functions/many", test_many);
  return g_test_run ();
}
