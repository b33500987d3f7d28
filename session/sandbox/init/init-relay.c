/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: the shell may speak with the private message bus of the apps, through here: bytes are
 * passed on, both ways, through buffers of a fixed size, and neither side can make the other or
 * the display wait. No file descriptor passes. The bus runs as the app's user and may have been
 * replaced by the app, so nothing that it says is believed: it is logged in to without waiting for
 * its answers, and only the line that answers is left out. A message to the shell that says it is
 * larger than any tray item needs ends the relay. All of it ends before a freeze. */

#include "init.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wayland-server-core.h>

#define RELAYS_MAX 3
#define BUFFER_SIZE 65536
#define LET_GO_MS 20
#define MESSAGE_MAX (4u << 20)
#define HEADER_SIZE 16

/* D-Bus specification, "Authentication Protocol": all that a client says, at once. moss-init is
 * user 0 in here, in hexadecimal digits of its ASCII. */
static const char login[] = "\0AUTH EXTERNAL 30\r\nBEGIN\r\n";

/* One direction. */
typedef struct
{
  uint8_t bytes[BUFFER_SIZE];
  size_t used;
} Buffer;

typedef struct
{
  struct wl_list link;
  int fds[2]; /* outer, bus */
  struct wl_event_source *sources[2];
  Buffer to[2]; /* what waits for that side */
  bool welcomed;  /* the bus has answered the login */
  uint8_t header[HEADER_SIZE]; /* of the message that the bus is sending */
  size_t header_used;
  size_t left; /* of it, after its header */
} Relay;

enum
{
  OUTER,
  BUS,
};

static struct wl_list relays;
static bool ready;

static void
relay_free (Relay *relay)
{
  wl_list_remove (&relay->link);
  for (int side = 0; side < 2; side++)
    {
      if (relay->sources[side] != NULL)
        wl_event_source_remove (relay->sources[side]);
      close (relay->fds[side]);
    }
  free (relay);
}

static uint32_t
load_u32 (const uint8_t *at, bool little)
{
  return little ? at[0] | at[1] << 8 | at[2] << 16 | (uint32_t) at[3] << 24
                : at[3] | at[2] << 8 | at[1] << 16 | (uint32_t) at[0] << 24;
}

/* D-Bus specification, "Message Format": how long the message is whose fixed part this is, after
 * that part; false: no message, or one that is too long. */
static bool
measure (Relay *relay)
{
  bool little = relay->header[0] == 'l';
  uint64_t body = load_u32 (relay->header + 4, little);
  uint64_t fields = load_u32 (relay->header + 12, little);
  uint64_t left = (fields + 7) / 8 * 8 + body;

  if ((!little && relay->header[0] != 'B') || left > MESSAGE_MAX)
    return false;
  relay->left = left;
  return true;
}

/* Follows where messages of the bus begin. */
static bool
check_messages (Relay *relay, const uint8_t *bytes, size_t n)
{
  while (n > 0)
    {
      size_t take = relay->left;

      if (take == 0)
        {
          take = HEADER_SIZE - relay->header_used;
          take = n < take ? n : take;
          memcpy (relay->header + relay->header_used, bytes, take);
          relay->header_used += take;
          if (relay->header_used == HEADER_SIZE)
            {
              relay->header_used = 0;
              if (!measure (relay))
                return false;
            }
        }
      else
        {
          take = n < take ? n : take;
          relay->left -= take;
        }
      bytes += take;
      n -= take;
    }
  return true;
}

/* Leaves out the first line of the bus. False: there is no end to it. */
static bool
skip_answer (Relay *relay, Buffer *buffer)
{
  uint8_t *end = memchr (buffer->bytes, '\n', buffer->used);

  if (end == NULL)
    return buffer->used < 256;
  relay->welcomed = true;
  if (buffer->used < 3 || memcmp (buffer->bytes, "OK ", 3) != 0)
    return false;
  buffer->used -= end + 1 - buffer->bytes;
  memmove (buffer->bytes, end + 1, buffer->used);
  return check_messages (relay, buffer->bytes, buffer->used);
}

static bool
read_side (Relay *relay, int side)
{
  Buffer *buffer = &relay->to[!side];
  ssize_t n;

  if (buffer->used == BUFFER_SIZE)
    return true;
  n = recv (relay->fds[side], buffer->bytes + buffer->used, BUFFER_SIZE - buffer->used, 0);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR;
  if (n == 0)
    return false;
  buffer->used += n;
  if (side == OUTER)
    return true;
  return relay->welcomed ? check_messages (relay, buffer->bytes + buffer->used - n, n)
                         : skip_answer (relay, buffer);
}

static bool
write_side (Relay *relay, int side)
{
  Buffer *buffer = &relay->to[side];
  ssize_t n;

  if (buffer->used == 0 || (side == OUTER && !relay->welcomed))
    return true;
  n = send (relay->fds[side], buffer->bytes, buffer->used, MSG_NOSIGNAL);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR;
  buffer->used -= n;
  memmove (buffer->bytes, buffer->bytes + n, buffer->used);
  return true;
}

/* Reads where there is room, writes where something waits. */
static void
update (Relay *relay)
{
  for (int side = 0; side < 2; side++)
    {
      bool waits = relay->to[side].used > 0 && (side == BUS || relay->welcomed);
      bool room = relay->to[!side].used < BUFFER_SIZE;

      wl_event_source_fd_update (relay->sources[side], (room ? WL_EVENT_READABLE : 0)
                                                           | (waits ? WL_EVENT_WRITABLE : 0));
    }
}

static int
on_ready (int fd, uint32_t mask, void *data)
{
  Relay *relay = data;
  int side = fd == relay->fds[BUS] ? BUS : OUTER;
  bool good = true;

  if (mask & (WL_EVENT_READABLE | WL_EVENT_HANGUP))
    good = read_side (relay, side);
  if (mask & (WL_EVENT_ERROR | WL_EVENT_HANGUP))
    good = false;
  if (good && write_side (relay, OUTER) && write_side (relay, BUS))
    update (relay);
  else
    relay_free (relay);
  return 0;
}

static int
connect_bus (void)
{
  struct sockaddr_un address = { AF_UNIX, INIT_RUNTIME_DIR "/bus" };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  bool connected;

  init_setup_files_as_app ();
  connected = fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
  init_setup_files_as_root ();
  if (connected && send (fd, login, sizeof login - 1, MSG_NOSIGNAL) == sizeof login - 1)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

bool
init_relay_add (struct wl_event_loop *loop, int outer)
{
  Relay *relay;
  int bus;

  if (!ready)
    wl_list_init (&relays);
  ready = true;
  if (wl_list_length (&relays) >= RELAYS_MAX)
    relay_free (wl_container_of (relays.prev, relay, link));
  relay = calloc (1, sizeof *relay);
  bus = relay != NULL ? connect_bus () : -1;
  if (bus < 0)
    {
      free (relay);
      return false;
    }
  wl_list_insert (&relays, &relay->link);
  relay->fds[OUTER] = outer;
  relay->fds[BUS] = bus;
  for (int side = 0; side < 2; side++)
    relay->sources[side] =
        wl_event_loop_add_fd (loop, relay->fds[side], WL_EVENT_READABLE, on_ready, relay);
  if (relay->sources[OUTER] != NULL && relay->sources[BUS] != NULL)
    return true;
  relay->fds[OUTER] = -1; /* still the caller's */
  relay_free (relay);
  return false;
}

/* The bus closes its end when it sees ours go; CRIU can't dump one end alone. */
static void
let_bus_go (Relay *relay)
{
  struct pollfd wait = { relay->fds[BUS], POLLRDHUP, 0 };

  shutdown (relay->fds[BUS], SHUT_WR);
  poll (&wait, 1, LET_GO_MS);
}

void
init_relay_end_all (void)
{
  Relay *relay, *next;

  if (!ready)
    return;
  wl_list_for_each_safe (relay, next, &relays, link)
    {
      let_bus_go (relay);
      relay_free (relay);
    }
}
