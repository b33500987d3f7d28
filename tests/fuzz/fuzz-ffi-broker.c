// SPDX-License-Identifier: GPL-3.0-or-later
/* What a hostile program says to the broker of functions: frames of every kind that a client
 * sends, with whatever is in their bodies, and what it answers as a provider when the broker
 * measures it. With libFuzzer: clang -fsanitize=fuzzer -DMOSS_LIBFUZZER. Without: PROGRAM
 * [ROUNDS [SEED]] mutates good ones. */
#include "mutate.h"

#include "ffi-broker/broker/broker.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

#define OFFERS_KEPT 300

static void
iterate (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* A broker as main() makes it, but for the bus and the bridges. */
static Broker *
get_broker (void)
{
  static Broker broker = { .slowdown = 1 };

  if (broker.db != NULL)
    return &broker;
  broker.cpu = g_strdup ("fuzz");
  broker.interface = moss_dbus_function_broker1_skeleton_new ();
  broker.db = moss_ffi_db_open (":memory:", broker.cpu, NULL);
  if (broker.db == NULL || !registry_load (&broker, NULL))
    abort ();
  clients_start (&broker);
  running_start (&broker);
  demand_start (&broker);
  canaries_start (&broker);
  broker.workers = g_hash_table_new (g_str_hash, g_str_equal);
  publish_now (&broker);
  return &broker;
}

/* Does not wait for room: the broker stops reading whoever sends too much. */
static void
send_packet (int socket, const guint8 *data, gsize size)
{
  send (socket, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Answers what the broker calls its provider with. */
static void
be_measured (int socket, const guint8 *answer, gsize size)
{
  g_auto (MossFfiFrame) call = { 0 };
  g_autofree guint8 *packet = g_memdup2 (answer, MAX (size, 16));
  guint64 serial;

  iterate ();
  if (moss_ffi_frame_receive (socket, &call, NULL))
    {
      serial = GUINT64_TO_LE (call.serial);
      memcpy (packet + 8, &serial, sizeof serial);
      send_packet (socket, packet, size);
      iterate ();
    }
  close (socket);
}

/* Everything that the broker says is a frame. */
static void
listen_to_broker (int socket, const guint8 *answer, gsize size)
{
  for (;;)
    {
      g_auto (MossFfiFrame) frame = { 0 };
      g_autoptr (GError) error = NULL;
      int caller;

      if (!moss_ffi_frame_receive (socket, &frame, &error))
        {
          if (g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_PROTOCOL))
            g_error ("%s", error->message);
          return;
        }
      caller = frame.kind == MOSS_FFI_FRAME_CALLER ? moss_ffi_frame_take_fd (&frame, 0) : -1;
      if (caller >= 0 && size >= 16)
        be_measured (caller, answer, size);
      else if (caller >= 0)
        close (caller);
    }
}

/* Nothing is left of a client that went away but what it announced. */
static void
check (Broker *broker)
{
  GHashTableIter iter;
  Offer *offer;
  MossFfiTable *table;

  if (g_hash_table_size (broker->clients) > 0 || running_any (broker))
    abort ();
  if (broker->n_offers < OFFERS_KEPT)
    return;
  publish_now (broker);
  table = moss_ffi_table_read (publish_get_fd (broker), NULL);
  if (table == NULL)
    abort ();
  moss_ffi_table_unref (table);
  while (broker->n_offers > 0)
    {
      g_hash_table_iter_init (&iter, broker->offers);
      if (!g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
        abort ();
      registry_forget (broker, offer);
    }
}

/* Packets, each with two bytes of its length before it; the last one is what a provider
 * answers. The first byte says whether it is an app in a sandbox. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  Broker *broker = get_broker ();
  const guint8 *packets[8];
  gsize sizes[8], n = 0, at = 1;
  int ends[2];

  while (n < G_N_ELEMENTS (packets) && at + 2 <= size)
    {
      sizes[n] = data[at] + 256 * (gsize) data[at + 1];
      sizes[n] = MIN (sizes[n], size - at - 2);
      packets[n] = data + at + 2;
      at += 2 + sizes[n++];
    }
  if (n == 0)
    return 0;
  if (!moss_ffi_socket_pair (ends, NULL))
    abort ();
  clients_add (broker, ends[0], (data[0] & 1) != 0 ? "org.example.App" : NULL);
  for (gsize i = 0; i < n; i++)
    {
      send_packet (ends[1], packets[i], sizes[i]);
      iterate ();
      listen_to_broker (ends[1], packets[n - 1], sizes[n - 1]);
    }
  close (ends[1]);
  iterate ();
  check (broker);
  return 0;
}

#ifndef MOSS_LIBFUZZER
typedef struct
{
  MossFfiFrameKind kind;
  const char *body;
} Good;

#define ID "'id': <'process:%u'>, 'version': <'%u'>"
#define PURE "'pure': <true>, 'function': <'f%u'>"
#define SORT "application/x-moss-tensor,dtype=i32"

/* %u: a small number that is another one each time. */
static const Good says[] = {
  { MOSS_FFI_FRAME_HELLO, "('fuzz %u', {})" },
  { MOSS_FFI_FRAME_CONNECT, "(%u,)" },
  { MOSS_FFI_FRAME_REPORT, "(%u, 4096, 4096, 70, 80, %u)" },
  { MOSS_FFI_FRAME_REPORT, "(%u, 9223372036854775807, 1, 18446744073709551615, 3600000000, 0)" },
  { MOSS_FFI_FRAME_REPORT, "(%u, 0, 18446744073709551615, 0, 0, 3)" },
  { MOSS_FFI_FRAME_ASK, "('transform t%u(text/plain) -> text/plain', {'bytes': <uint64 9>})" },
  { MOSS_FFI_FRAME_ASK, "('transform sort(" SORT ") -> " SORT "', {'deadline-us': <uint64 0>,"
                        " 'memory-bytes': <uint64 18446744073709551615>, 'lossy': <true>})" },
  { MOSS_FFI_FRAME_ASK, "('convert(image/png) -> image/webp', {'quality': <'%u'>,"
                        " 'least-rank': <uint32 4294967295>, 'licence': <'\\u4e2d'>})" },
  { MOSS_FFI_FRAME_BEGIN, "('what \\u4e2d', 18446744073709551615, %u)" },
  { MOSS_FFI_FRAME_PROGRESS, "(0.%u,)" },
  { MOSS_FFI_FRAME_PROGRESS, "(nan,)" },
  { MOSS_FFI_FRAME_END, "()" },
  { MOSS_FFI_FRAME_ANNOUNCE, "({" ID ", 'name': <'a\\u0007\\u4e2d'>}, [{'capability':"
                             " <'transform t%u(text/plain) -> text/plain'>, " PURE "}])" },
  { MOSS_FFI_FRAME_ANNOUNCE, "({" ID ", 'kind': <'in-process'>}, [{'capability':"
                             " <'transform sort(" SORT ") -> " SORT "'>, " PURE "}])" },
  { MOSS_FFI_FRAME_ANNOUNCE,
    "({" ID ", 'returns-memory': <true>}, [{'capability': <'decode(image/png; left:i, x:s?) ->"
    " video/x-raw,format={RGB,RGBA},width=[1,2147483647]'>, " PURE ", 'memory-per-byte': <-1e308>,"
    " 'quality': <'\\u4e2d'>, 'quality-rank': <uint32 4294967295>}, {'capability':"
    " <'encode(video/x-raw) -> image/png'>, 'lossy': <true>, " PURE "}])" },
  { MOSS_FFI_FRAME_WITHDRAW, "([%u, %u, 0, 4294967295],)" },
  { MOSS_FFI_FRAME_CANCEL, "()" },
};
static const Good answers[] = {
  { MOSS_FFI_FRAME_RESULT, "([(b'ABC', -1, 0, 4, 'text/plain', [], {})], @a{sv} {}, %u, {})" },
  { MOSS_FFI_FRAME_RESULT,
    "([(b'ABC', -1, 0, 4, 'video/x-raw,format=RGB,width=%u,height=1', [(1, 3), (1, 3)], {})],"
    " @a{sv} {'value': <1>}, 18446744073709551615, {})" },
  { MOSS_FFI_FRAME_ERROR, "('org.moss.Error.Failed', '%u \\u4e2d')" },
  { MOSS_FFI_FRAME_PROGRESS, "(0.5,)" },
};

static char *
fill (GRand *rand, const char *format)
{
  GString *text = g_string_new (NULL);

  for (const char *at = format; *at != '\0'; at++)
    if (at[0] == '%' && at[1] == 'u')
      {
        g_string_append_printf (text, "%u", g_rand_int_range (rand, 0, 9));
        at++;
      }
    else
      g_string_append_c (text, *at);
  return g_string_free (text, FALSE);
}

/* Every other one is as it should be: the rest would not be reached. */
static void
append (GRand *rand, GByteArray *all, const Good *good)
{
  g_autofree char *text = fill (rand, good->body);
  g_autoptr (GError) error = NULL;
  GVariant *body = g_variant_parse (moss_ffi_frame_type (good->kind), text, NULL, NULL, &error);
  g_autoptr (GBytes) frame = NULL;
  g_autoptr (GByteArray) packet = NULL;
  guint32 length;
  guint8 head[2];

  if (body == NULL)
    g_error ("%s: %s", text, error->message);
  frame = moss_ffi_frame_write (good->kind, 5, body, 0, NULL);
  packet = mutate (rand, g_bytes_get_data (frame, NULL), g_bytes_get_size (frame));
  if (g_rand_boolean (rand))
    {
      g_byte_array_set_size (packet, 0);
      g_byte_array_append (packet, g_bytes_get_data (frame, NULL), g_bytes_get_size (frame));
    }
  length = GUINT32_TO_LE (packet->len - MIN (packet->len, MOSS_FFI_FRAME_HEAD));
  if (packet->len >= MOSS_FFI_FRAME_HEAD && g_rand_int_range (rand, 0, 4) > 0)
    {
      memcpy (packet->data, g_bytes_get_data (frame, NULL), MOSS_FFI_FRAME_HEAD);
      memcpy (packet->data + 16, &length, sizeof length);
    }
  head[0] = packet->len & 255;
  head[1] = packet->len >> 8;
  g_byte_array_append (all, head, sizeof head);
  g_byte_array_append (all, packet->data, packet->len);
}

int
main (int argc, char **argv)
{
  guint rounds;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);

  for (guint i = 0; i < rounds; i++)
    {
      g_autoptr (GByteArray) all = g_byte_array_new ();
      guint8 app = g_rand_int_range (rand, 0, 4) == 0;

      g_byte_array_append (all, &app, 1);
      for (int n = g_rand_int_range (rand, 1, 7); n > 0; n--)
        append (rand, all, &says[g_rand_int_range (rand, 0, G_N_ELEMENTS (says))]);
      append (rand, all, &answers[g_rand_int_range (rand, 0, G_N_ELEMENTS (answers))]);
      LLVMFuzzerTestOneInput (all->data, all->len);
    }
  g_print ("%u rounds\n", rounds);
  return 0;
}
#endif
