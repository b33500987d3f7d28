// SPDX-License-Identifier: GPL-3.0-or-later
/* What a hostile caller or provider sends: frames of calls and results with good,
 * unsealed and short memory. With libFuzzer: clang -fsanitize=fuzzer -DMOSS_LIBFUZZER.
 * Without: PROGRAM [ROUNDS [SEED]] mutates good ones. */
#include "memory.h"
#include "mutate.h"

#include "ffi-broker/client/buffer-wire.h"
#include "ffi-broker/client/link.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* Whatever was let through must be readable to its last byte. */
static void
use_buffers (GPtrArray *buffers)
{
  for (guint i = 0; i < buffers->len; i++)
    {
      g_autoptr (GBytes) bytes = moss_ffi_buffer_get_bytes (buffers->pdata[i], NULL);
      gsize length = 0;
      const guint8 *data = bytes ? g_bytes_get_data (bytes, &length) : NULL;
      volatile guint sum = 0;

      for (gsize at = 0; at < length; at++)
        sum += data[at];
      if (length > MEMORY
          || (bytes && length != moss_ffi_buffer_get_length (buffers->pdata[i])))
        abort ();
    }
}

static void
use_frame (MossFfiFrame *frame, MossFfiTrust trust)
{
  g_autofree char *printed = g_variant_print (frame->body, TRUE);
  g_autoptr (GPtrArray) buffers = NULL;
  g_autoptr (GVariant) wire = NULL;

  if (frame->kind == MOSS_FFI_FRAME_CALL)
    wire = g_variant_get_child_value (frame->body, 3);
  else if (frame->kind == MOSS_FFI_FRAME_RESULT)
    wire = g_variant_get_child_value (frame->body, 0);
  if (wire == NULL)
    return;
  buffers = moss_ffi_buffers_from_wire (wire, frame, trust, NULL);
  if (buffers)
    use_buffers (buffers);
}

/* The first byte says what memory comes with the frame. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const int seals[]
      = { F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, F_SEAL_SHRINK | F_SEAL_GROW, 0 };
  g_auto (MossFfiFrame) frame = { 0 };
  guint n_fds;

  if (size < 1)
    return 0;
  n_fds = data[0] & 3;
  if (!moss_ffi_frame_read (data + 1, size - 1, n_fds, &frame, NULL))
    return 0;
  if (moss_ffi_frame_type (frame.kind) == NULL || !g_variant_is_normal_form (frame.body))
    abort ();
  for (guint i = 0; i < n_fds; i++)
    frame.fds[frame.n_fds++] = memory (seals[(data[0] >> 2) % G_N_ELEMENTS (seals)]);
  use_frame (&frame, (data[0] >> 4) % 3);
  return 0;
}

#ifndef MOSS_LIBFUZZER
static GBytes *
good (guint i)
{
  static const char *const bodies[] = {
    "('png', 'image/png', @a{sv} {'level': <6>}, "
    "[([], 0, 0, 65536, 'video/x-raw,format=RGB,width=10,height=20', [(20, 32), (10, "
    "3)], {}), "
    "(b'abc', -1, 0, 4, 'text/plain', [], {'a': <'b'>})], @a{sv} {'bytes-out': <uint64 "
    "9>})",
    "([([], 0, 4096, 1000, 'image/png', [], @a{sv} {}), ([], 1, 0, 9, 'x/y', [], {})], "
    "@a{sv} {'value': <'text'>}, uint64 77, @a{sv} {})",
  };
  const MossFfiFrameKind kinds[] = { MOSS_FFI_FRAME_CALL, MOSS_FFI_FRAME_RESULT };
  g_autoptr (GError) error = NULL;
  GVariant *body
      = g_variant_parse (moss_ffi_frame_type (kinds[i]), bodies[i], NULL, NULL, &error);

  if (body == NULL)
    g_error ("%s", error->message);
  return moss_ffi_frame_write (kinds[i], 5, body, i + 1, NULL);
}

int
main (int argc, char **argv)
{
  guint rounds, passed = 0;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);

  for (guint i = 0; i < rounds; i++)
    {
      g_autoptr (GBytes) frame = good (i % 2);
      g_autoptr (GByteArray) packet
          = mutate (rand, g_bytes_get_data (frame, NULL), g_bytes_get_size (frame));
      guint8 memory_kind = i % 2 + 1 + 4 * g_rand_int_range (rand, 0, 3)
                           + 16 * g_rand_int_range (rand, 0, 3);
      guint32 length
          = GUINT32_TO_LE (packet->len - MIN (packet->len, MOSS_FFI_FRAME_HEAD));

      /* Else hardly any would come through the door. */
      if (packet->len >= MOSS_FFI_FRAME_HEAD && g_rand_boolean (rand))
        memcpy (packet->data + 16, &length, sizeof length);
      g_byte_array_prepend (packet, &memory_kind, 1);
      LLVMFuzzerTestOneInput (packet->data, packet->len);
      passed++;
    }
  g_print ("%u rounds\n", passed);
  return 0;
}
#endif
