/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: apps may ask for functions of the desktop, through here. The session gives a socket, and
 * over it one socket for each app that knocks, whose other end the broker gets: no app reaches
 * anything that the session did not hand out. Packets are passed on whole, one waits for each
 * direction at most, and nobody makes the display wait. Descriptors pass only when they are plain
 * memory or files; a socket is replaced by one of ours, so that all that leads outward can be cut
 * here. All of it ends before a freeze: apps see the end of their connections and knock again. */

#include "init.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wayland-server-core.h>

#define PAIRS_MAX 64
#define PACKET_MAX 61440 /* docs/formats/call.md */
#define FDS_MAX 16
#define PASS_AT_ONCE 16 /* packets, before others have their turn */

/* A packet that could not be sent yet. */
typedef struct
{
  size_t length;
  int n_fds;
  int fds[FDS_MAX];
  uint8_t bytes[];
} Packet;

typedef struct
{
  struct wl_list link;
  int fds[2];
  struct wl_event_source *sources[2];
  Packet *to[2]; /* what waits for that side */
} Pair;

static struct
{
  struct wl_event_loop *loop;
  struct wl_list pairs;
  int trunk; /* where the session takes new connections */
  struct wl_event_source *trunk_source;
  int door; /* where apps knock */
  struct wl_event_source *door_source;
  bool ready;
} functions = { .trunk = -1, .door = -1 };

static uint8_t scratch[PACKET_MAX];

static void
close_fds (const int *fds, int n)
{
  for (int i = 0; i < n; i++)
    close (fds[i]);
}

static void
packet_free (Packet *packet)
{
  if (packet != NULL)
    close_fds (packet->fds, packet->n_fds);
  free (packet);
}

static void
pair_free (Pair *pair)
{
  wl_list_remove (&pair->link);
  for (int side = 0; side < 2; side++)
    {
      if (pair->sources[side] != NULL)
        wl_event_source_remove (pair->sources[side]);
      close (pair->fds[side]);
      packet_free (pair->to[side]);
    }
  free (pair);
}

static int on_pair (int fd, uint32_t mask, void *data);

/* Joins two sockets; takes both, also when it fails. */
static bool
pair_new (int one, int other)
{
  Pair *pair = wl_list_length (&functions.pairs) < PAIRS_MAX ? calloc (1, sizeof *pair) : NULL;

  if (pair == NULL)
    {
      close (one);
      close (other);
      return false;
    }
  pair->fds[0] = one;
  pair->fds[1] = other;
  wl_list_insert (&functions.pairs, &pair->link);
  for (int side = 0; side < 2; side++)
    pair->sources[side] = wl_event_loop_add_fd (functions.loop, pair->fds[side],
                                                WL_EVENT_READABLE, on_pair, pair);
  if (pair->sources[0] != NULL && pair->sources[1] != NULL)
    return true;
  pair_free (pair);
  return false;
}

/* A socket whose other end is joined with fd; takes fd. -1: not possible. */
static int
stand_in (int fd)
{
  int ends[2];

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    {
      close (fd);
      return -1;
    }
  if (pair_new (fd, ends[0]))
    return ends[1];
  close (ends[1]);
  return -1;
}

/* Sockets become ours; false: something else came that may not pass. */
static bool
screen_fds (int *fds, int n)
{
  for (int i = 0; i < n; i++)
    {
      struct stat status;

      if (fstat (fds[i], &status) != 0)
        return false;
      if (S_ISREG (status.st_mode))
        continue;
      if (!S_ISSOCK (status.st_mode))
        return false;
      fds[i] = stand_in (fds[i]);
      if (fds[i] < 0)
        {
          close_fds (fds + i + 1, n - i - 1);
          memset (fds + i, 0xff, (n - i) * sizeof *fds);
          return false;
        }
    }
  return true;
}

/* Length of the packet now in scratch; 0: the connection ends; -1: there is none. */
static ssize_t
receive (int fd, int *fds, int *n_fds)
{
  char control[CMSG_SPACE (sizeof (int) * FDS_MAX)];
  struct iovec part = { scratch, sizeof scratch };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                            .msg_controllen = sizeof control };
  ssize_t length = recvmsg (fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

  *n_fds = 0;
  if (length < 0)
    return errno == EAGAIN || errno == EINTR ? -1 : 0;
  for (struct cmsghdr *at = CMSG_FIRSTHDR (&message); at != NULL; at = CMSG_NXTHDR (&message, at))
    if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS)
      {
        *n_fds = (at->cmsg_len - CMSG_LEN (0)) / sizeof (int);
        memcpy (fds, CMSG_DATA (at), *n_fds * sizeof (int));
      }
  return message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? 0 : length;
}

/* 1: sent; 0: no room now; -1: the other end is gone. */
static int
send_packet (int fd, const uint8_t *bytes, size_t length, const int *fds, int n_fds)
{
  union
  {
    struct cmsghdr header;
    char bytes[CMSG_SPACE (sizeof (int) * FDS_MAX)];
  } control = { 0 };
  struct iovec part = { (void *) bytes, length };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

  if (n_fds > 0)
    {
      message.msg_control = control.bytes;
      message.msg_controllen = CMSG_SPACE (sizeof (int) * n_fds);
      control.header = (struct cmsghdr) { .cmsg_len = CMSG_LEN (sizeof (int) * n_fds),
                                          .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
      memcpy (CMSG_DATA (&control.header), fds, sizeof (int) * n_fds);
    }
  if (sendmsg (fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
    return 1;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static bool
keep (Pair *pair, int side, size_t length, const int *fds, int n_fds)
{
  Packet *packet = malloc (sizeof *packet + length);

  if (packet == NULL)
    return false;
  packet->length = length;
  packet->n_fds = n_fds;
  memcpy (packet->fds, fds, sizeof (int) * n_fds);
  memcpy (packet->bytes, scratch, length);
  pair->to[side] = packet;
  return true;
}

/* Passes on one packet from a side; 1: did, 0: there was none, -1: the pair ends. */
static int
pass_one (Pair *pair, int side)
{
  int fds[FDS_MAX], n_fds, sent;
  ssize_t length = receive (pair->fds[side], fds, &n_fds);

  if (length < 0)
    return 0;
  if (length == 0 || !screen_fds (fds, n_fds))
    {
      close_fds (fds, n_fds);
      return -1;
    }
  sent = send_packet (pair->fds[!side], scratch, length, fds, n_fds);
  if (sent == 0 && keep (pair, !side, length, fds, n_fds))
    return 1;
  close_fds (fds, n_fds);
  return sent == 1 ? 1 : -1;
}

static bool
flush (Pair *pair, int side)
{
  Packet *packet = pair->to[side];
  int sent = packet == NULL ? 0 : send_packet (pair->fds[side], packet->bytes, packet->length,
                                               packet->fds, packet->n_fds);

  if (sent == 1)
    {
      packet_free (packet);
      pair->to[side] = NULL;
    }
  return sent >= 0;
}

/* Reads where the other side has room, writes where something waits. */
static void
update (Pair *pair)
{
  for (int side = 0; side < 2; side++)
    wl_event_source_fd_update (pair->sources[side],
                               (pair->to[!side] == NULL ? WL_EVENT_READABLE : 0)
                                   | (pair->to[side] != NULL ? WL_EVENT_WRITABLE : 0));
}

static int
on_pair (int fd, uint32_t mask, void *data)
{
  Pair *pair = data;
  int side = fd == pair->fds[1];
  bool good = flush (pair, side);
  int passed = 1;

  for (int i = 0; good && passed == 1 && pair->to[!side] == NULL && i < PASS_AT_ONCE; i++)
    {
      passed = pass_one (pair, side);
      good = passed >= 0;
    }
  /* What the end that went had said is passed on first, if it can be. */
  if ((mask & (WL_EVENT_ERROR | WL_EVENT_HANGUP)) && (passed != 1 || pair->to[!side] != NULL))
    good = false;
  if (good)
    update (pair);
  else
    pair_free (pair);
  return 0;
}

/* An app knocks: the session gets a socket for it. */
static int
on_door (int fd, uint32_t mask, void *data)
{
  int app = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  int outer = app < 0 ? -1 : stand_in (app);

  if (outer < 0)
    return 0;
  /* The session doesn't take it: the pair ends as its other end is closed. */
  send_packet (functions.trunk, (const uint8_t *) "F", 1, &outer, 1);
  close (outer);
  return 0;
}

static void
close_door (void)
{
  if (functions.door_source != NULL)
    wl_event_source_remove (functions.door_source);
  if (functions.trunk_source != NULL)
    wl_event_source_remove (functions.trunk_source);
  functions.door_source = functions.trunk_source = NULL;
  if (functions.door >= 0)
    {
      close (functions.door);
      init_setup_remove_functions_socket ();
    }
  if (functions.trunk >= 0)
    close (functions.trunk);
  functions.door = functions.trunk = -1;
}

/* The session says nothing over it: it is gone. */
static int
on_trunk (int fd, uint32_t mask, void *data)
{
  close_door ();
  return 0;
}

bool
init_functions_open (struct wl_event_loop *loop, int trunk)
{
  if (!functions.ready)
    wl_list_init (&functions.pairs);
  functions.ready = true;
  functions.loop = loop;
  close_door ();
  functions.door = init_setup_functions_socket ();
  if (functions.door < 0)
    return false;
  functions.trunk = trunk;
  functions.door_source
      = wl_event_loop_add_fd (loop, functions.door, WL_EVENT_READABLE, on_door, NULL);
  functions.trunk_source = wl_event_loop_add_fd (loop, trunk, WL_EVENT_READABLE, on_trunk, NULL);
  if (functions.door_source != NULL && functions.trunk_source != NULL)
    return true;
  functions.trunk = -1; /* still the caller's */
  close_door ();
  return false;
}

void
init_functions_end_all (void)
{
  Pair *pair, *next;

  if (!functions.ready)
    return;
  close_door ();
  wl_list_for_each_safe (pair, next, &functions.pairs, link)
    pair_free (pair);
}
