// SPDX-License-Identifier: LGPL-2.1-or-later
/* What arrives is from somebody who may be hostile: the head is checked first, then the
 * number of descriptors, then that the body is the type of its kind in normal form.
 * Whoever sends anything else is not talked to any more. */
#include "buffer.h"
#include "frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC "MFF1"
#define BUFFERS "a" MOSS_FFI_BUFFER_TYPE

typedef union
{
  struct cmsghdr head;
  char bytes[CMSG_SPACE (MOSS_FFI_FRAME_FDS * sizeof (int))];
} Control;

/* The type of a kind's body; NULL when there is no such kind. Any thread. */
const GVariantType *
moss_ffi_frame_type (guint kind)
{
  static const char *const types[] = {
    [MOSS_FFI_FRAME_CALL] = "(ssa{sv}" BUFFERS "a{sv})",
    [MOSS_FFI_FRAME_CANCEL] = "()",
    [MOSS_FFI_FRAME_RESULT] = "(" BUFFERS "a{sv}ta{sv})",
    [MOSS_FFI_FRAME_ERROR] = "(ss)",
    [MOSS_FFI_FRAME_PROGRESS] = "(d)",
    [MOSS_FFI_FRAME_HELLO] = "(sa{sv})",
    [MOSS_FFI_FRAME_WELCOME] = "(ua{sv})",
    [MOSS_FFI_FRAME_CONNECT] = "(u)",
    [MOSS_FFI_FRAME_CONNECTED] = "(a{sv})",
    [MOSS_FFI_FRAME_REPORT] = "(uttttu)",
    [MOSS_FFI_FRAME_ASK] = "(sa{sv})",
    [MOSS_FFI_FRAME_ANSWER] = "(aa{sv})",
    [MOSS_FFI_FRAME_BEGIN] = "(stu)",
    [MOSS_FFI_FRAME_END] = "()",
    [MOSS_FFI_FRAME_TABLE] = "()",
    [MOSS_FFI_FRAME_ANNOUNCE] = "(a{sv}aa{sv})",
    [MOSS_FFI_FRAME_ANNOUNCED] = "(au)",
    [MOSS_FFI_FRAME_WITHDRAW] = "(au)",
    [MOSS_FFI_FRAME_CALLER] = "(a{sv})",
  };

  if (kind >= G_N_ELEMENTS (types) || types[kind] == NULL)
    return NULL;
  return G_VARIANT_TYPE (types[kind]);
}

void
moss_ffi_frame_clear (MossFfiFrame *frame)
{
  for (guint i = 0; i < frame->n_fds; i++)
    if (frame->fds[i] >= 0)
      close (frame->fds[i]);
  g_clear_pointer (&frame->body, g_variant_unref);
  frame->n_fds = 0;
}

/* The descriptor with this index, now the caller's; -1 when there is none (any more). */
int
moss_ffi_frame_take_fd (MossFfiFrame *frame, guint index)
{
  int fd;

  if (index >= frame->n_fds)
    return -1;
  fd = frame->fds[index];
  frame->fds[index] = -1;
  return fd;
}

static gboolean
broken (GError **error, const char *why)
{
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_PROTOCOL,
               "The other side doesn't speak our frames: %s", why);
  return FALSE;
}

static void
put16 (guint8 *at, guint16 value)
{
  value = GUINT16_TO_LE (value);
  memcpy (at, &value, sizeof value);
}

static void
put32 (guint8 *at, guint32 value)
{
  value = GUINT32_TO_LE (value);
  memcpy (at, &value, sizeof value);
}

static void
put64 (guint8 *at, guint64 value)
{
  value = GUINT64_TO_LE (value);
  memcpy (at, &value, sizeof value);
}

static guint16
get16 (const guint8 *at)
{
  guint16 value;

  memcpy (&value, at, sizeof value);
  return GUINT16_FROM_LE (value);
}

static guint32
get32 (const guint8 *at)
{
  guint32 value;

  memcpy (&value, at, sizeof value);
  return GUINT32_FROM_LE (value);
}

static guint64
get64 (const guint8 *at)
{
  guint64 value;

  memcpy (&value, at, sizeof value);
  return GUINT64_FROM_LE (value);
}

static void
write_head (
    guint8 *head, MossFfiFrameKind kind, guint64 serial, gsize body_length, guint n_fds)
{
  memset (head, 0, MOSS_FFI_FRAME_HEAD);
  memcpy (head, MAGIC, 4);
  put16 (head + 4, kind);
  put64 (head + 8, serial);
  put32 (head + 16, body_length);
  put32 (head + 20, n_fds);
}

/* Little-endian on the wire whatever we are. */
static GVariant *
wire_order (GVariant *body)
{
  if (G_BYTE_ORDER == G_LITTLE_ENDIAN)
    return g_variant_ref (body);
  return g_variant_byteswap (body);
}

static gboolean
fits (gsize body_length, guint n_fds, GError **error)
{
  if (body_length <= MOSS_FFI_FRAME_MAX - MOSS_FFI_FRAME_HEAD
      && n_fds <= MOSS_FFI_FRAME_FDS)
    return TRUE;
  g_set_error (
      error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID,
      "A call of %" G_GSIZE_FORMAT " bytes with %u buffers of their own is too big: "
      "at most %d bytes and %d buffers",
      body_length, n_fds, MOSS_FFI_FRAME_MAX - MOSS_FFI_FRAME_HEAD, MOSS_FFI_FRAME_FDS);
  return FALSE;
}

/* The packet that says it; @body is taken when floating. Transfer full. Any thread. */
GBytes *
moss_ffi_frame_write (
    MossFfiFrameKind kind, guint64 serial, GVariant *body, guint n_fds, GError **error)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (body);
  g_autoptr (GVariant) ordered = wire_order (held);
  gsize length = g_variant_get_size (ordered);
  guint8 *packet;

  if (!fits (length, n_fds, error))
    return NULL;
  packet = g_malloc (MOSS_FFI_FRAME_HEAD + length);
  write_head (packet, kind, serial, length, n_fds);
  g_variant_store (ordered, packet + MOSS_FFI_FRAME_HEAD);
  return g_bytes_new_take (packet, MOSS_FFI_FRAME_HEAD + length);
}

/* Reads the packet @packet that came with @n_fds descriptors; @frame gets everything but
 * these, and must be empty before. */
gboolean
moss_ffi_frame_read (
    const guint8 *packet, gsize length, guint n_fds, MossFfiFrame *frame, GError **error)
{
  const GVariantType *type;
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (length < MOSS_FFI_FRAME_HEAD)
    return broken (error, "a packet is shorter than a head");
  if (length > MOSS_FFI_FRAME_MAX)
    return broken (error, "a packet is too long");
  if (memcmp (packet, MAGIC, 4) != 0)
    return broken (error, "a packet doesn't begin with " MAGIC);
  if (get32 (packet + 16) != length - MOSS_FFI_FRAME_HEAD)
    return broken (error, "a packet has not the length it says");
  if (get32 (packet + 20) != n_fds)
    return broken (error, "a packet has not the descriptors it says");
  if (get64 (packet + 24) != 0)
    return broken (error, "a packet's reserved bytes are used");
  type = moss_ffi_frame_type (get16 (packet + 4));
  if (type == NULL)
    return broken (error, "a packet is of an unknown kind");
  bytes = g_bytes_new (packet + MOSS_FFI_FRAME_HEAD, length - MOSS_FFI_FRAME_HEAD);
  body = g_variant_ref_sink (g_variant_new_from_bytes (type, bytes, FALSE));
  if (!g_variant_is_normal_form (body))
    return broken (error, "a packet's body is not in normal form");
  frame->kind = get16 (packet + 4);
  frame->flags = get16 (packet + 6);
  frame->serial = get64 (packet + 8);
  frame->body = wire_order (body);
  return TRUE;
}

static void
put_fds (struct msghdr *message, Control *control, const int *fds, guint n_fds)
{
  struct cmsghdr *head;

  memset (control, 0, sizeof *control);
  message->msg_control = control->bytes;
  message->msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
  head = CMSG_FIRSTHDR (message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN (n_fds * sizeof (int));
  memcpy (CMSG_DATA (head), fds, n_fds * sizeof (int));
}

static gboolean
gone (GError **error, int code, const char *what)
{
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST, "%s: %s", what,
               g_strerror (code));
  return FALSE;
}

/* A peer that doesn't read is waited for this long, then given up. */
#define SEND_WAIT_MS 10000

/* Sends one frame; blocks while the other side's queue is full, %MOSS_FFI_ERROR_BUSY
 * after ten seconds of that, %MOSS_FFI_ERROR_LOST when it is gone. @body is taken when
 * floating; @fds stay the caller's. Any thread: a packet is whole or not at all. */
gboolean
moss_ffi_frame_send (int socket,
                     MossFfiFrameKind kind,
                     guint64 serial,
                     GVariant *body,
                     const int *fds,
                     guint n_fds,
                     GError **error)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (body);
  g_autoptr (GVariant) ordered = wire_order (held);
  gsize length = g_variant_get_size (ordered);
  guint8 head[MOSS_FFI_FRAME_HEAD];
  struct iovec parts[2]
      = { { head, sizeof head }, { (void *)g_variant_get_data (ordered), length } };
  struct msghdr message = { .msg_iov = parts, .msg_iovlen = length > 0 ? 2 : 1 };
  Control control;

  if (!fits (length, n_fds, error))
    return FALSE;
  write_head (head, kind, serial, length, n_fds);
  if (n_fds > 0)
    put_fds (&message, &control, fds, n_fds);
  while (sendmsg (socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    {
      struct pollfd waiting = { socket, POLLOUT, 0 };

      if (errno == EINTR)
        continue;
      if (errno != EAGAIN && errno != ETOOMANYREFS)
        return gone (error, errno, "The other side is gone");
      if (errno == EAGAIN && poll (&waiting, 1, SEND_WAIT_MS) != 0)
        continue;
      g_set_error_literal (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BUSY,
                           "The other side doesn't read what it is sent");
      return FALSE;
    }
  return TRUE;
}

static void
collect_fds (struct msghdr *message, MossFfiFrame *frame)
{
  for (struct cmsghdr *head = CMSG_FIRSTHDR (message); head;
       head = CMSG_NXTHDR (message, head))
    if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
      {
        guint n = (head->cmsg_len - CMSG_LEN (0)) / sizeof (int);

        n = MIN (n, MOSS_FFI_FRAME_FDS - frame->n_fds);
        memcpy (frame->fds + frame->n_fds, CMSG_DATA (head), n * sizeof (int));
        frame->n_fds += n;
      }
}

/* Takes the next frame; @frame must be empty or cleared. Doesn't wait
 * (%G_IO_ERROR_WOULD_BLOCK); %MOSS_FFI_ERROR_LOST at the end, %MOSS_FFI_ERROR_PROTOCOL
 * for what isn't a frame. */
gboolean
moss_ffi_frame_receive (int socket, MossFfiFrame *frame, GError **error)
{
  guint8 packet[MOSS_FFI_FRAME_MAX] __attribute__ ((aligned (8)));
  struct iovec part = { packet, sizeof packet };
  Control control;
  struct msghdr message = { .msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  gssize length;

  memset (frame, 0, sizeof *frame);
  do
    length = recvmsg (socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (length < 0 && errno == EINTR);
  if (length < 0 && errno == EAGAIN)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "No frame yet");
      return FALSE;
    }
  if (length < 0)
    return gone (error, errno, "The other side is gone");
  collect_fds (&message, frame);
  if (length == 0 && frame->n_fds == 0)
    {
      g_set_error_literal (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST,
                           "The other side hung up");
      return FALSE;
    }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
          ? broken (error, "a packet is too long")
          : moss_ffi_frame_read (packet, length, frame->n_fds, frame, error))
    return TRUE;
  moss_ffi_frame_clear (frame);
  return FALSE;
}

/* Two connected ends for frames. */
gboolean
moss_ffi_socket_pair (int ends[2], GError **error)
{
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0)
    return TRUE;
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "No socket: %s",
               g_strerror (errno));
  return FALSE;
}
