/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The broker's end of a connection. */
#include "ffi-broker/broker/conn.h"

#include <string.h>
#include <unistd.h>

static void
on_frame (MossFfiConn *conn, MossFfiFrame *frame, gpointer data)
{
}

static void
on_ended (MossFfiConn *conn, gpointer data)
{
}

static const MossFfiConnFuncs funcs = { on_frame, on_ended };

static const char *
read_sentence (int socket, MossFfiFrame *frame)
{
  const char *sentence;

  g_assert_true (moss_ffi_frame_receive (socket, frame, NULL));
  g_assert_cmpint (frame->kind, ==, MOSS_FFI_FRAME_ERROR);
  g_assert_cmpuint (frame->serial, ==, 7);
  g_variant_get (frame->body, "(&s&s)", NULL, &sentence);
  return sentence;
}

/* Whoever waits for an answer gets one, however big that is which another device gave. */
static void
test_too_big (void)
{
  g_autofree char *text = g_strnfill (MOSS_FFI_FRAME_MAX, 'x');
  g_autoptr (GError) error = g_error_new_literal (MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST, text);
  g_auto (MossFfiFrame) frame = { 0 };
  MossFfiConn *conn;
  GVariant *result;
  int ends[2];

  g_assert_true (moss_ffi_socket_pair (ends, NULL));
  conn = moss_ffi_conn_new (ends[0], &funcs, NULL);
  result = g_variant_new_parsed ("(@a(ayittsa(tx)a{sv}) [], {'value': <%s>}, @t 1, @a{sv} {})",
                                 text);
  g_assert_false (moss_ffi_conn_send (conn, MOSS_FFI_FRAME_RESULT, 7, result, NULL, 0));
  g_assert_nonnull (strstr (read_sentence (ends[1], &frame), "too big"));
  moss_ffi_frame_clear (&frame);
  moss_ffi_conn_send_error (conn, 7, error);
  g_assert_true (g_str_has_prefix (read_sentence (ends[1], &frame), "xxx"));
  moss_ffi_frame_clear (&frame);
  /* What is no answer is nobody's to be told. */
  result = g_variant_new ("(sa{sv})", text, NULL);
  g_assert_false (moss_ffi_conn_send (conn, MOSS_FFI_FRAME_ASK, 7, result, NULL, 0));
  g_assert_false (moss_ffi_frame_receive (ends[1], &frame, NULL));
  moss_ffi_conn_free (conn);
  close (ends[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ffi/broker/too-big", test_too_big);
  return g_test_run ();
}
