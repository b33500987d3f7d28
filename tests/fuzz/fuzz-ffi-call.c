// SPDX-License-Identifier: GPL-3.0-or-later
/* Frames as the two libraries take them from a connection, with whatever is in their
 * bodies: a caller that a hostile provider answers, and a provider that a hostile caller
 * calls. Whatever is let through is used to its last byte. With libFuzzer: clang
 * -fsanitize=fuzzer -DMOSS_LIBFUZZER. Without: PROGRAM [ROUNDS [SEED]] mutates good ones. */
#include "memory.h"
#include "mutate.h"

#include "ffi-broker/client/buffer-wire.h"
#include "ffi-broker/client/link.h"
#include "ffi-broker/client/provider.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

#define SERIAL 7
#define FLAGS 2 /* bytes before a packet: what it is for, what memory comes with it */

static void
use_buffer (MossFfiBuffer *buffer)
{
  g_autoptr (GBytes) bytes = moss_ffi_buffer_get_bytes (buffer, NULL);
  gsize length = 0;
  const guint8 *data = bytes ? g_bytes_get_data (bytes, &length) : NULL;
  volatile guint sum = 0;

  for (gsize at = 0; at < length; at++)
    sum += data[at];
  if (length > MEMORY || !g_utf8_validate (moss_ffi_buffer_get_caps (buffer), -1, NULL))
    abort ();
}

/* What people read. */
static void
use_error (const GError *error)
{
  if (error == NULL || *error->message == '\0' || !g_utf8_validate (error->message, -1, NULL))
    abort ();
}

/* The packet with this serial, and with as much memory as its head says. */
static void
send_packet (int socket, const guint8 *data, gsize size, guint8 how, guint64 serial)
{
  static const int seals[]
      = { F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, F_SEAL_SHRINK | F_SEAL_GROW, 0 };
  g_autofree guint8 *packet = g_memdup2 (data, MAX (size, 1));
  union
  {
    struct cmsghdr head;
    char bytes[CMSG_SPACE (4 * sizeof (int))];
  } control = { 0 };
  struct iovec part = { packet, size };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
  guint n_fds = how & 3;
  int fds[4];

  serial = GUINT64_TO_LE (serial);
  if (size >= 16)
    memcpy (packet + 8, &serial, sizeof serial);
  for (guint i = 0; i < n_fds; i++)
    fds[i] = memory (seals[(how >> 2) % G_N_ELEMENTS (seals)]);
  if (n_fds > 0)
    {
      message.msg_control = control.bytes;
      message.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      control.head = (struct cmsghdr){ CMSG_LEN (n_fds * sizeof (int)), SOL_SOCKET, SCM_RIGHTS };
      memcpy (CMSG_DATA (&control.head), fds, n_fds * sizeof (int));
    }
  sendmsg (socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  for (guint i = 0; i < n_fds; i++)
    close (fds[i]);
}

/* --- the caller --- */

static void
on_progress (double fraction, gpointer data)
{
  if (!(fraction >= 0 && fraction <= 1))
    abort ();
}

static void
use_result (MossFfiResult *result)
{
  GVariant *values = moss_ffi_result_get_values (result);
  g_autofree char *printed = values ? g_variant_print (values, TRUE) : NULL;

  for (guint i = 0; i < moss_ffi_result_get_n_buffers (result); i++)
    use_buffer (moss_ffi_result_get_buffer (result, i));
}

/* The answer is there before the question: the provider guessed the number. */
static void
answer_a_call (const guint8 *data, gsize size, guint8 how, gboolean trusted)
{
  static guint64 calls; /* as many as link.c has counted */
  g_autoptr (GBytes) text = g_bytes_new_static ("abc", 3);
  g_autoptr (MossFfiBuffer) input = moss_ffi_buffer_new ("text/plain", text);
  g_autoptr (MossFfiResult) result = NULL;
  g_autoptr (GError) error = NULL;
  MossFfiRequest request = { .function = "any",
                             .out_caps = (how & 0x40) != 0 ? "" : "image/png",
                             .inputs = &input,
                             .n_inputs = 1,
                             .trusted = trusted,
                             .progress = on_progress };
  int ends[2];

  if (!moss_ffi_socket_pair (ends, NULL))
    abort ();
  send_packet (ends[1], data, size, how, ++calls);
  shutdown (ends[1], SHUT_WR);
  result = moss_ffi_link_call (ends[0], &request, NULL, &error);
  if (result)
    use_result (result);
  else
    use_error (error);
  close (ends[0]);
  close (ends[1]);
}

/* --- the provider --- */

static GSList *held; /* calls that aren't answered */

static void
on_use (MossFfiInvocation *call, gpointer data)
{
  GVariant *options = moss_ffi_invocation_get_options (call);
  g_autofree char *printed = g_variant_print (options, TRUE);

  moss_ffi_invocation_progress (call, moss_ffi_invocation_get_bytes_out (call) / 9.0);
  for (guint i = 0; i < moss_ffi_invocation_get_n_inputs (call); i++)
    {
      use_buffer (moss_ffi_invocation_get_input (call, i));
      moss_ffi_invocation_add_output (call, moss_ffi_invocation_get_input (call, i));
    }
  moss_ffi_invocation_set_value (call, "options", options);
  moss_ffi_invocation_return (call);
}

static void
on_hold (MossFfiInvocation *call, gpointer data)
{
  held = g_slist_prepend (held, g_object_ref (call));
}

static void
iterate (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static MossFfiProvider *
get_provider (void)
{
  static MossFfiProvider *provider;

  if (provider == NULL)
    {
      provider = moss_ffi_provider_new ("process:fuzz", "1");
      moss_ffi_provider_add (provider, "use", NULL, on_use, NULL, NULL, NULL);
      moss_ffi_provider_add (provider, "hold", NULL, on_hold, NULL, NULL, NULL);
    }
  return provider;
}

/* Whatever it was asked, it answers in frames of the kinds that a provider says. */
static void
read_answers (int socket)
{
  for (;;)
    {
      g_auto (MossFfiFrame) frame = { 0 };
      g_autoptr (GError) error = NULL;

      if (!moss_ffi_frame_receive (socket, &frame, &error))
        {
          if (g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_PROTOCOL))
            g_error ("%s", error->message);
          return;
        }
      if (frame.kind != MOSS_FFI_FRAME_RESULT && frame.kind != MOSS_FFI_FRAME_ERROR
          && frame.kind != MOSS_FFI_FRAME_PROGRESS)
        abort ();
    }
}

/* Twice the same number, then the end while a call may be under way. */
static void
call_a_provider (const guint8 *data, gsize size, guint8 how, gboolean trusted)
{
  int ends[2];

  if (!moss_ffi_socket_pair (ends, NULL))
    abort ();
  moss_ffi_provider_add_caller (get_provider (), ends[0], trusted);
  for (guint i = 0; i < 2; i++)
    send_packet (ends[1], data, size, how, SERIAL);
  iterate ();
  read_answers (ends[1]);
  close (ends[1]);
  iterate ();
  g_slist_free_full (g_steal_pointer (&held), g_object_unref);
  iterate ();
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  gboolean trusted;

  if (size < FLAGS)
    return 0;
  trusted = (data[0] & 2) != 0;
  if ((data[0] & 1) != 0)
    answer_a_call (data + FLAGS, size - FLAGS, data[1], trusted);
  else
    call_a_provider (data + FLAGS, size - FLAGS, data[1], trusted);
  return 0;
}

#ifndef MOSS_LIBFUZZER
typedef struct
{
  MossFfiFrameKind kind;
  guint n_fds;
  const char *body;
} Good;

#define CALL(function, options, inputs)                                                  \
  {                                                                                      \
    MOSS_FFI_FRAME_CALL, 1,                                                              \
        "('" function "', 'image/png', @a{sv} " options ", " inputs                      \
        ", @a{sv} {'bytes-out': <uint64 9>, 'deadline-us': <uint64 1>})"                 \
  }
#define RESULT(n_fds, outputs, values)                                                   \
  {                                                                                      \
    MOSS_FFI_FRAME_RESULT, n_fds, "(" outputs ", @a{sv} " values ", 77, {})"             \
  }
#define RAW "'video/x-raw,format=RGB,width=10,height=20'"

static const Good calls[] = {
  CALL ("use", "{'level': <6>}", "[([], 0, 0, 65536, " RAW ", [(20, 32), (10, 3)], {})]"),
  CALL ("use", "{}", "[([], 0, 0, 65536, " RAW ", [(18446744073709551615, 2), (2, -1)], {})]"),
  CALL ("use", "{}", "[([], 0, 18446744073709551615, 2, 'a/b', [], {'a': <<<'b'>>>})]"),
  CALL ("use", "{'a': <nan>, 'b': <[(1, 'x')]>}", "[(b'abc', -1, 0, 4, 'text/plain', [], {})]"),
  CALL ("hold", "{}", "[([], 0, 4096, 1000, '\\u00e9\\u4e2d(', [], {}),"
                      " ([], 0, 0, 1, 'a/b', [], {})]"),
  { MOSS_FFI_FRAME_CANCEL, 0, "()" },
  { MOSS_FFI_FRAME_PROGRESS, 0, "(0.5,)" },
};
static const Good answers[] = {
  RESULT (1, "[([], 0, 4096, 1000, 'image/png', [], {})]", "{'value': <'text'>}"),
  RESULT (2,
          "[([], 0, 0, 9, 'image/png', [(9, 1)], {}), ([], 1, 65535, 2, 'x/y', [], {})]",
          "{}"),
  RESULT (1, "[([], 0, 0, 65536, " RAW ", [(20, 4611686018427387904), (10, 3)], {})]", "{}"),
  RESULT (0,
          "[(b'abc', -1, 0, 4, 'image/png', [(0, 0), (4, 1)], {'\\u4e2d': <@mv nothing>})]",
          "{}"),
  { MOSS_FFI_FRAME_ERROR, 0, "('org.moss.Error.Lost', 'so it goes: \\u4e2d')" },
  { MOSS_FFI_FRAME_ERROR, 0, "('', '')" },
  { MOSS_FFI_FRAME_PROGRESS, 0, "(-1.0,)" },
  { MOSS_FFI_FRAME_WELCOME, 1, "(1, {})" },
};

static GBytes *
make (const Good *good)
{
  g_autoptr (GError) error = NULL;
  GVariant *body
      = g_variant_parse (moss_ffi_frame_type (good->kind), good->body, NULL, NULL, &error);

  if (body == NULL)
    g_error ("%s: %s", good->body, error->message);
  return moss_ffi_frame_write (good->kind, 0, body, good->n_fds, NULL);
}

/* One of them, one in four as it is, else with changes. Half of the others keep the length
 * that they say: else hardly any would come through the door. */
static GByteArray *
choose (GRand *rand, const Good *good)
{
  g_autoptr (GBytes) frame = make (good);
  gsize size;
  const guint8 *data = g_bytes_get_data (frame, &size);
  GByteArray *packet;
  guint32 length;

  if (g_rand_int_range (rand, 0, 4) == 0)
    return g_byte_array_append (g_byte_array_new (), data, size);
  packet = mutate (rand, data, size);
  length = GUINT32_TO_LE (packet->len - MIN (packet->len, MOSS_FFI_FRAME_HEAD));
  if (packet->len >= MOSS_FFI_FRAME_HEAD && g_rand_boolean (rand))
    {
      memcpy (packet->data, data, MOSS_FFI_FRAME_HEAD);
      memcpy (packet->data + 16, &length, sizeof length);
    }
  return packet;
}

int
main (int argc, char **argv)
{
  guint rounds;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);

  for (guint i = 0; i < rounds; i++)
    {
      gboolean answer = i % 2;
      const Good *good
          = answer ? &answers[g_rand_int_range (rand, 0, G_N_ELEMENTS (answers))]
                   : &calls[g_rand_int_range (rand, 0, G_N_ELEMENTS (calls))];
      g_autoptr (GByteArray) packet = choose (rand, good);
      guint8 flags[FLAGS] = { answer | g_rand_int_range (rand, 0, 2) << 1,
                              good->n_fds | g_rand_int_range (rand, 0, 3) << 2
                                  | g_rand_int_range (rand, 0, 2) << 6 };

      g_byte_array_prepend (packet, flags, sizeof flags);
      LLVMFuzzerTestOneInput (packet->data, packet->len);
    }
  g_print ("%u rounds\n", rounds);
  return 0;
}
#endif
