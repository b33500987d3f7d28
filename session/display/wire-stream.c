// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Messages over a stream socket with file descriptors.
 *
 * An fd travels with the first byte of its message: what is sent in one sendmsg() begins
 * with the message that has fds and ends before the next one that has. The kernel keeps
 * that border, so the receiver may take fds off its queue in the order of messages.
 */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct
{
  int fd;
  uint64_t position; /* of the message's first byte since the stream began */
} QueuedFd;

struct _MossWire
{
  int fd;
  bool failed;     /* what came in was bad */
  bool out_failed; /* nothing can be written any more; what came in can still be read */

  uint8_t *out;
  size_t out_start, out_end, out_size;
  size_t message; /* start of the one that is being written */
  uint64_t out_position; /* stream position of out[out_start] */
  QueuedFd out_fds[MOSS_WIRE_MAX_QUEUED_FDS];
  unsigned n_out_fds;

  uint8_t *in;
  size_t in_start, in_end;
  int in_fds[MOSS_WIRE_MAX_FDS * 16];
  unsigned n_in_fds;
  MossWireMessage message_in; /* handed out by moss_wire_next() */
};

#define IN_SIZE (2 * MOSS_WIRE_MAX_MESSAGE)

MossWire *
moss_wire_new (int fd)
{
  MossWire *wire = calloc (1, sizeof *wire);

  if (!wire || !(wire->in = malloc (IN_SIZE)))
    {
      free (wire);
      errno = ENOMEM;
      return NULL;
    }
  wire->fd = fd;
  for (int i = 0; i < MOSS_WIRE_MAX_FDS; i++)
    wire->message_in.fds[i] = -1;
  if (fd >= 0)
    {
      fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
      fcntl (fd, F_SETFD, FD_CLOEXEC);
    }
  return wire;
}

static void
close_left_over (MossWire *wire)
{
  for (int i = 0; i < MOSS_WIRE_MAX_FDS; i++)
    {
      if (wire->message_in.fds[i] >= 0)
        close (wire->message_in.fds[i]);
      wire->message_in.fds[i] = -1;
    }
}

void
moss_wire_free (MossWire *wire)
{
  if (!wire)
    return;
  close_left_over (wire);
  for (unsigned i = 0; i < wire->n_out_fds; i++)
    close (wire->out_fds[i].fd);
  for (unsigned i = 0; i < wire->n_in_fds; i++)
    close (wire->in_fds[i]);
  if (wire->fd >= 0)
    close (wire->fd);
  free (wire->out);
  free (wire->in);
  free (wire);
}

int
moss_wire_get_fd (MossWire *wire)
{
  return wire->fd;
}

bool
moss_wire_failed (MossWire *wire)
{
  return wire->failed || wire->out_failed;
}

size_t
moss_wire_queued (MossWire *wire)
{
  return wire->out_end - wire->out_start;
}

/* ---- writing ------------------------------------------------------------------------- */

static bool
reserve (MossWire *wire, size_t n)
{
  size_t used = wire->out_end - wire->out_start;

  if (wire->out_failed)
    return false;
  if (wire->out_end + n <= wire->out_size)
    return true;
  if (used + n > MOSS_WIRE_MAX_QUEUE)
    {
      wire->out_failed = true;
      return false;
    }
  if (wire->out_start)
    {
      memmove (wire->out, wire->out + wire->out_start, used);
      wire->message -= wire->out_start;
      wire->out_start = 0;
      wire->out_end = used;
    }
  if (used + n > wire->out_size)
    {
      size_t size = wire->out_size ? wire->out_size : 4096;
      uint8_t *out;

      while (size < used + n)
        size *= 2;
      out = realloc (wire->out, size);
      if (!out)
        {
          wire->out_failed = true;
          return false;
        }
      wire->out = out;
      wire->out_size = size;
    }
  return true;
}

static void
store (uint8_t *at, uint32_t value, int n)
{
  for (int i = 0; i < n; i++)
    at[i] = value >> (8 * i);
}

void
moss_wire_begin (MossWire *wire, uint16_t type, uint32_t id)
{
  if (!reserve (wire, MOSS_WIRE_HEADER))
    return;
  wire->message = wire->out_end;
  store (wire->out + wire->out_end, 0, 4);
  store (wire->out + wire->out_end + 4, type, 2);
  store (wire->out + wire->out_end + 6, 0, 2);
  store (wire->out + wire->out_end + 8, id, 4);
  wire->out_end += MOSS_WIRE_HEADER;
}

void
moss_wire_put_u32 (MossWire *wire, uint32_t value)
{
  if (!reserve (wire, 4))
    return;
  store (wire->out + wire->out_end, value, 4);
  wire->out_end += 4;
}

void
moss_wire_put_i32 (MossWire *wire, int32_t value)
{
  moss_wire_put_u32 (wire, (uint32_t) value);
}

void
moss_wire_put_bytes (MossWire *wire, const void *bytes, size_t size)
{
  if (size == 0 || !reserve (wire, size))
    return;
  memcpy (wire->out + wire->out_end, bytes, size);
  wire->out_end += size;
}

/* Cut at a whole character when too long: a title is worth no failure. */
void
moss_wire_put_string (MossWire *wire, const char *text)
{
  size_t n = text ? strlen (text) : 0;

  if (n > MOSS_WIRE_MAX_STRING)
    {
      n = MOSS_WIRE_MAX_STRING;
      while (n > 0 && ((uint8_t) text[n] & 0xc0) == 0x80)
        n--;
    }
  if (n && !moss_wire_utf8 (text, n))
    n = 0;
  moss_wire_put_u32 (wire, n);
  moss_wire_put_bytes (wire, text, n);
}

void
moss_wire_put_strings (MossWire *wire, const char *const *strings)
{
  uint32_t n = 0;

  if (!strings)
    {
      moss_wire_put_u32 (wire, MOSS_WIRE_NONE);
      return;
    }
  while (strings[n] && n < MOSS_WIRE_MAX_MIMES)
    n++;
  moss_wire_put_u32 (wire, n);
  for (uint32_t i = 0; i < n; i++)
    moss_wire_put_string (wire, strings[i]);
}

void
moss_wire_put_fd (MossWire *wire, int fd)
{
  uint8_t *count;

  if (fd >= 0)
    fcntl (fd, F_SETFD, FD_CLOEXEC);
  if (wire->out_failed || fd < 0 || wire->n_out_fds == MOSS_WIRE_MAX_QUEUED_FDS)
    {
      if (fd >= 0)
        close (fd);
      wire->out_failed = true;
      return;
    }
  wire->out_fds[wire->n_out_fds].fd = fd;
  wire->out_fds[wire->n_out_fds++].position
      = wire->out_position + (wire->message - wire->out_start);
  count = wire->out + wire->message + 6;
  store (count, count[0] + 1, 2);
}

void
moss_wire_end (MossWire *wire)
{
  size_t size;

  if (wire->out_failed)
    return;
  size = wire->out_end - wire->message;
  if (size > MOSS_WIRE_MAX_MESSAGE)
    wire->out_failed = true;
  else
    store (wire->out + wire->message, size, 4);
}

/* How much may go in one sendmsg(), and how many fds go with its first byte. */
static size_t
next_chunk (MossWire *wire, unsigned *n_fds)
{
  size_t queued = wire->out_end - wire->out_start;

  *n_fds = 0;
  while (*n_fds < wire->n_out_fds
         && wire->out_fds[*n_fds].position == wire->out_position)
    (*n_fds)++;
  if (*n_fds < wire->n_out_fds)
    {
      uint64_t border = wire->out_fds[*n_fds].position - wire->out_position;

      if (border < queued)
        queued = border;
    }
  return queued;
}

static void
sent (MossWire *wire, size_t n, unsigned n_fds)
{
  for (unsigned i = 0; i < n_fds; i++)
    close (wire->out_fds[i].fd);
  wire->n_out_fds -= n_fds;
  memmove (wire->out_fds, wire->out_fds + n_fds, wire->n_out_fds * sizeof (QueuedFd));
  wire->out_start += n;
  wire->out_position += n;
  if (wire->out_start == wire->out_end)
    {
      wire->out_start = wire->out_end = 0;
      if (wire->out_size > MOSS_WIRE_MAX_MESSAGE) /* a large attach is over */
        {
          free (wire->out);
          wire->out = NULL;
          wire->out_size = 0;
        }
    }
}

bool
moss_wire_flush (MossWire *wire)
{
  while (!wire->out_failed && wire->out_end > wire->out_start)
    {
      union
      {
        char bytes[CMSG_SPACE (MOSS_WIRE_MAX_FDS * sizeof (int))];
        struct cmsghdr align;
      } control = { 0 };
      unsigned n_fds;
      size_t size = next_chunk (wire, &n_fds);
      struct iovec iov = { wire->out + wire->out_start, size };
      struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
      ssize_t n;

      if (n_fds)
        {
          struct cmsghdr *c;
          int fds[MOSS_WIRE_MAX_FDS];

          for (unsigned i = 0; i < n_fds && i < MOSS_WIRE_MAX_FDS; i++)
            fds[i] = wire->out_fds[i].fd;
          msg.msg_control = control.bytes;
          msg.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
          c = CMSG_FIRSTHDR (&msg);
          c->cmsg_level = SOL_SOCKET;
          c->cmsg_type = SCM_RIGHTS;
          c->cmsg_len = CMSG_LEN (n_fds * sizeof (int));
          memcpy (CMSG_DATA (c), fds, n_fds * sizeof (int));
        }
      n = sendmsg (wire->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        return true;
      if (n <= 0)
        wire->out_failed = true;
      else
        sent (wire, n, n_fds);
    }
  return !wire->out_failed;
}

/* ---- reading ------------------------------------------------------------------------- */

static bool
keep_fds (MossWire *wire, struct msghdr *msg)
{
  bool good = !(msg->msg_flags & MSG_CTRUNC);

  for (struct cmsghdr *c = CMSG_FIRSTHDR (msg); c; c = CMSG_NXTHDR (msg, c))
    {
      size_t n;

      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        continue;
      n = (c->cmsg_len - CMSG_LEN (0)) / sizeof (int);
      for (size_t i = 0; i < n; i++)
        {
          int fd;

          memcpy (&fd, CMSG_DATA (c) + i * sizeof (int), sizeof fd);
          if (wire->n_in_fds < sizeof wire->in_fds / sizeof (int))
            wire->in_fds[wire->n_in_fds++] = fd;
          else
            {
              close (fd);
              good = false;
            }
        }
    }
  return good;
}

static void
compact (MossWire *wire)
{
  if (!wire->in_start)
    return;
  memmove (wire->in, wire->in + wire->in_start, wire->in_end - wire->in_start);
  wire->in_end -= wire->in_start;
  wire->in_start = 0;
}

MossWireRead
moss_wire_fill (MossWire *wire)
{
  union
  {
    char bytes[CMSG_SPACE (MOSS_WIRE_MAX_FDS * sizeof (int))];
    struct cmsghdr align;
  } control;
  struct iovec iov;
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
  ssize_t n;

  close_left_over (wire);
  if (wire->failed)
    return MOSS_WIRE_READ_BAD;
  compact (wire);
  if (wire->in_end == IN_SIZE)
    return MOSS_WIRE_READ_AGAIN;
  iov.iov_base = wire->in + wire->in_end;
  iov.iov_len = IN_SIZE - wire->in_end;
  if (iov.iov_len > MOSS_WIRE_MAX_MESSAGE)
    iov.iov_len = MOSS_WIRE_MAX_MESSAGE;
  msg.msg_control = control.bytes;
  msg.msg_controllen = sizeof control.bytes;
  n = recvmsg (wire->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR ? MOSS_WIRE_READ_AGAIN : MOSS_WIRE_READ_END;
  if (!keep_fds (wire, &msg))
    {
      wire->failed = true;
      return MOSS_WIRE_READ_BAD;
    }
  if (n == 0)
    return MOSS_WIRE_READ_END;
  wire->in_end += n;
  return MOSS_WIRE_READ_MESSAGE;
}

void
moss_wire_feed (MossWire *wire, const uint8_t *bytes, size_t size)
{
  close_left_over (wire);
  compact (wire);
  if (size > IN_SIZE - wire->in_end)
    size = IN_SIZE - wire->in_end;
  memcpy (wire->in + wire->in_end, bytes, size);
  wire->in_end += size;
}

static uint32_t
load (const uint8_t *at, int n)
{
  uint32_t value = 0;

  for (int i = 0; i < n; i++)
    value |= (uint32_t) at[i] << (8 * i);
  return value;
}

MossWireRead
moss_wire_next (MossWire *wire, MossWireMessage **next)
{
  MossWireMessage *message = &wire->message_in;
  const uint8_t *at = wire->in + wire->in_start;
  size_t have = wire->in_end - wire->in_start;
  uint32_t size;

  close_left_over (wire);
  if (wire->failed)
    return MOSS_WIRE_READ_BAD;
  if (have < MOSS_WIRE_HEADER)
    return MOSS_WIRE_READ_AGAIN;
  size = load (at, 4);
  if (size < MOSS_WIRE_HEADER || size > MOSS_WIRE_MAX_MESSAGE)
    goto bad;
  if (have < size)
    return MOSS_WIRE_READ_AGAIN;
  *message = (MossWireMessage){ .type = load (at + 4, 2),
                                .n_fds = load (at + 6, 2),
                                .id = load (at + 8, 4),
                                .body = at + MOSS_WIRE_HEADER,
                                .size = size - MOSS_WIRE_HEADER,
                                .fds = { -1, -1, -1, -1 } };
  if (message->n_fds > MOSS_WIRE_MAX_FDS || message->n_fds > wire->n_in_fds)
    goto bad; /* its fds are still -1 */
  memcpy (message->fds, wire->in_fds, message->n_fds * sizeof (int));
  wire->n_in_fds -= message->n_fds;
  memmove (wire->in_fds, wire->in_fds + message->n_fds, wire->n_in_fds * sizeof (int));
  wire->in_start += size;
  *next = message;
  return MOSS_WIRE_READ_MESSAGE;

bad:
  wire->failed = true;
  return MOSS_WIRE_READ_BAD;
}
