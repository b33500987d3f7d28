// SPDX-License-Identifier: GPL-3.0-or-later
/* What another device sends, as a stream of frames. With libFuzzer: clang -fsanitize=fuzzer
 * -DMOSS_LIBFUZZER. Without: the program mutates good streams itself, for as many rounds as its
 * first argument says (seed: the second), and feeds some of them to a real link. */
#include "core/link/link.h"

#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

#define DEVICE "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void
use_name (const char *name)
{
  if (name == NULL || *name == '\0' || strlen (name) > 64 || !g_utf8_validate (name, -1, NULL) ||
      strchr (name, '\n') != NULL)
    abort ();
}

static void
use_body (guint8 type, GVariant *body)
{
  static const guint8 fingerprint[MOSS_HASH_BYTES];
  g_autofree char *printed = g_variant_print (body, TRUE);

  if (type == MOSS_FRAME_HELLO)
    {
      g_auto (MossHello) hello = { 0 };

      if (!moss_hello_from_variant (body, fingerprint, &hello, NULL))
        return;
      use_name (hello.name);
      use_name (hello.arch);
      use_name (hello.kind);
    }
  else if (type == MOSS_FRAME_GET)
    {
      g_autoptr (GArray) ids = moss_ids_from_variant (body, MOSS_LINK_MAX_IDS, NULL);

      if (ids != NULL && ids->len != g_variant_n_children (body))
        abort ();
    }
}

static void
use_object (const guint8 *bytes, gsize length)
{
  g_auto (MossUnsealed) unsealed = { 0 };
  MossRef ref = { 0 };

  moss_object_id (bytes, length, &ref.id, NULL);
  if (moss_object_unseal (bytes, length, &ref, &unsealed, NULL))
    abort (); /* nobody guesses a key */
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  MossFrameState state = { 0 };
  MossFrameHead head;

  while (size >= MOSS_FRAME_HEAD)
    {
      g_autoptr (GBytes) bytes = NULL;
      g_autoptr (GVariant) body = NULL;
      g_autofree guint8 *aligned = NULL;

      if (!moss_frame_read_head (&state, data, &head, NULL))
        return 0;
      if (state.assembled > MOSS_OBJECT_MAX_SEALED ||
          head.body_length > MOSS_FRAME_MAX_BODY)
        abort ();
      data += MOSS_FRAME_HEAD;
      size -= MOSS_FRAME_HEAD;
      if (head.body_length > size)
        return 0;
      aligned = g_memdup2 (data, head.body_length);
      bytes = g_bytes_new (aligned, head.body_length);
      if (!moss_frame_read_body (head.type, bytes, &body, NULL))
        return 0;
      if (body != NULL)
        use_body (head.type, body);
      else if (head.type == MOSS_FRAME_OBJECT || head.type == MOSS_FRAME_PUSH)
        use_object (data, head.body_length);
      data += head.body_length;
      size -= head.body_length;
    }
  return 0;
}

#ifndef MOSS_LIBFUZZER
static void
append (GByteArray *stream, guint8 type, guint64 request, GVariant *body)
{
  g_autoptr (GBytes) frame = moss_frame_new (type, request, body, NULL);

  g_byte_array_append (stream, g_bytes_get_data (frame, NULL), g_bytes_get_size (frame));
}

static void
append_raw (GByteArray *stream, guint8 type, guint64 request, gsize length)
{
  guint8 head[MOSS_FRAME_HEAD];
  g_autofree guint8 *body = g_malloc0 (length + 1);

  moss_frame_write_head (head, type, request, length);
  memset (body, 1, length);
  g_byte_array_append (stream, head, sizeof head);
  g_byte_array_append (stream, body, length);
}

static GByteArray *
good_stream (void)
{
  GByteArray *stream = g_byte_array_new ();
  MossHello hello = { .name = "laptop",
                      .suite = 1,
                      .arch = "x86_64",
                      .kind = "laptop",
                      .cores = 8,
                      .port = 42117,
                      .instance = 7 };
  GVariantDict status;
  MossId ids[3] = { 0 };

  append (stream, MOSS_FRAME_HELLO, 0, moss_hello_to_variant (&hello));
  g_variant_dict_init (&status, NULL);
  g_variant_dict_insert (&status, "load", "d", 0.5);
  append (stream, MOSS_FRAME_STATUS, 0, g_variant_dict_end (&status));
  append (stream, MOSS_FRAME_PING, 1, NULL);
  append (stream, MOSS_FRAME_CALL, 1,
          g_variant_new ("(sv)", "offer", g_variant_new ("(sas)", "foot", NULL)));
  append (stream, MOSS_FRAME_GET, 2, moss_ids_to_variant (ids, G_N_ELEMENTS (ids)));
  append_raw (stream, MOSS_FRAME_PART_OF, 3, 100);
  append_raw (stream, MOSS_FRAME_PUSH, 3, 100);
  append_raw (stream, MOSS_FRAME_OBJECT, 4, 0);
  append (stream, MOSS_FRAME_REPLY, 1, g_variant_new_variant (g_variant_new_string ("yes")));
  append (stream, MOSS_FRAME_ERROR, 1, g_variant_new ("(ss)", "org.moss.Error.Away", "no"));
  append (stream, MOSS_FRAME_CANCEL, 2, NULL);
  return stream;
}

static void
mutate (GRand *rand, GByteArray *stream)
{
  guint times = g_rand_int_range (rand, 0, 6);

  while (times-- > 0 && stream->len > MOSS_FRAME_HEAD)
    {
      guint at = g_rand_int_range (rand, 0, stream->len);
      guint some = g_rand_int_range (rand, 1, 100);

      switch (g_rand_int_range (rand, 0, 4))
        {
        case 0:
          stream->data[at] ^= 1 << g_rand_int_range (rand, 0, 8);
          break;
        case 1:
          stream->data[at] = g_rand_int (rand);
          break;
        case 2:
          g_byte_array_remove_range (stream, at, MIN (stream->len - at, some));
          break;
        default:
          {
            guint length = MIN (stream->len - at, some);
            g_autofree guint8 *copy = g_memdup2 (stream->data + at, length);

            g_byte_array_append (stream, copy, length);
          }
        }
    }
}

/* --- the same bytes into a real link, which must end by itself and in order --- */

static void
on_greeted (MossLink *link, const MossHello *hello, gpointer closed)
{
}

static void
on_status (MossLink *link, GVariant *status, gpointer closed)
{
}

static void
on_call (MossLink *link, guint64 request, const char *method, GVariant *body, gpointer closed)
{
  moss_link_reply (link, request, body);
}

static void
on_cancelled (MossLink *link, guint64 request, gpointer closed)
{
}

static void
on_closed (MossLink *link, const GError *reason, gpointer closed)
{
  *(gboolean *) closed = TRUE;
}

static GBytes *
load (const MossId *id, gpointer closed)
{
  return NULL;
}

static void
on_pushed (MossLink *link, GBytes *sealed, gpointer closed)
{
}

static void
feed_link (const guint8 *data, gsize size)
{
  static const MossLinkEvents events = { on_greeted, on_status, on_call,  on_cancelled,
                                         on_closed,  load,      on_pushed };
  MossHello mine = { .name = "desktop", .arch = "x86_64", .kind = "desktop" };
  gboolean closed = FALSE;
  int ends[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
    abort ();
  g_autoptr (GSocket) socket = g_socket_new_from_fd (ends[0], NULL);
  g_autoptr (GSocketConnection) stream = g_socket_connection_factory_create_connection (socket);
  g_autoptr (MossLink) link =
      moss_link_new (G_IO_STREAM (stream), socket, DEVICE, TRUE, &events, &closed);
  if (!moss_link_start (link, &mine, NULL))
    abort ();
  for (gsize done = 0; done < size;)
    {
      gssize some = send (ends[1], data + done, size - done, MSG_NOSIGNAL);

      if (some <= 0)
        break;
      done += some;
    }
  shutdown (ends[1], SHUT_WR);
  while (!closed)
    g_main_context_iteration (NULL, TRUE);
  close (ends[1]);
}

int
main (int argc, char **argv)
{
  guint rounds = argc > 1 ? atoi (argv[1]) : 20000;
  guint32 seed = argc > 2 ? atoi (argv[2]) : 1;
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autoptr (GByteArray) good = good_stream ();

  if (!moss_crypto_init (NULL))
    return 1;
  for (guint i = 0; i < rounds; i++)
    {
      g_autoptr (GByteArray) stream = g_byte_array_new ();

      g_byte_array_append (stream, good->data, good->len);
      if (i > 0)
        mutate (rand, stream);
      LLVMFuzzerTestOneInput (stream->data, stream->len);
      if (i % 50 == 0)
        feed_link (stream->data, stream->len);
    }
  g_print ("%u rounds, seed %u\n", rounds, seed);
  return 0;
}
#endif
