// SPDX-License-Identifier: LGPL-2.1-or-later
/* A connection carries one call at a time: the thread that calls sends, waits and
 * receives itself, which spares the change to another thread and back that a call over
 * GDBus costs. */
#include "link.h"

#include "buffer-wire.h"
#include "result-private.h"

#include <errno.h>
#include <poll.h>

static guint64
next_serial (void)
{
  static guint64 last;

  return __atomic_add_fetch (&last, 1, __ATOMIC_RELAXED);
}

static GVariant *
hints (const MossFfiRequest *request)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  if (request->bytes_out > 0)
    g_variant_builder_add (&builder, "{sv}", "bytes-out",
                           g_variant_new_uint64 (request->bytes_out));
  if (request->deadline_us > 0)
    g_variant_builder_add (&builder, "{sv}", "deadline-us",
                           g_variant_new_uint64 (request->deadline_us));
  return g_variant_builder_end (&builder);
}

static gboolean
send_call (int socket, const MossFfiRequest *request, guint64 serial, GError **error)
{
  MossFfiFds fds = { .n_fds = 0 };
  MossFfiTrust trust = request->trusted ? MOSS_FFI_TRUST_LENT : MOSS_FFI_TRUST_SEALED;
  GVariant *inputs
      = moss_ffi_buffers_to_wire (request->inputs, request->n_inputs, trust, &fds, error);
  GVariant *options = request->options;

  if (inputs == NULL)
    return FALSE;
  if (options == NULL)
    options = g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);
  return moss_ffi_frame_send (socket, MOSS_FFI_FRAME_CALL, serial,
                              g_variant_new ("(ss@a{sv}@a" MOSS_FFI_BUFFER_TYPE "@a{sv})",
                                             request->function, request->out_caps,
                                             options, inputs, hints (request)),
                              fds.fds, fds.n_fds, error);
}

static gboolean
over (GError **error, MossFfiError code, const char *sentence)
{
  g_set_error_literal (error, MOSS_FFI_ERROR, code, sentence);
  return FALSE;
}

/* Until there is something to read. */
static gboolean
wait_readable (int socket, GPollFD *cancel, gint64 deadline, GError **error)
{
  for (;;)
    {
      struct pollfd polled[2] = { { socket, POLLIN, 0 }, { cancel->fd, POLLIN, 0 } };
      gint64 left = deadline > 0 ? deadline - g_get_monotonic_time () : G_MAXINT32;
      int n;

      if (left <= 0)
        return over (error, MOSS_FFI_ERROR_TIMED_OUT, "The call took longer than it may");
      n = poll (polled, cancel->fd >= 0 ? 2 : 1,
                deadline > 0 ? (int)MIN ((left + 999) / 1000, G_MAXINT32) : -1);
      if (n < 0 && errno != EINTR)
        return over (error, MOSS_FFI_ERROR_FAILED, g_strerror (errno));
      if (n > 0 && polled[1].revents != 0 && cancel->fd >= 0)
        return over (error, MOSS_FFI_ERROR_CANCELLED, "The call was cancelled");
      if (n > 0 && polled[0].revents != 0)
        return TRUE;
    }
}

/* What is wrong with a result's buffers is its provider's fault, whatever it is. */
static MossFfiResult *
read_result (MossFfiFrame *frame, const MossFfiRequest *request, GError **error)
{
  g_autoptr (MossFfiResult) result = NULL;
  g_autoptr (GVariant) wire = NULL;
  g_autoptr (GVariant) values = NULL;
  g_autoptr (GError) cause = NULL;
  MossFfiTrust trust = request->trusted ? MOSS_FFI_TRUST_ALL : MOSS_FFI_TRUST_COPY;
  GPtrArray *buffers;
  guint64 run_us;

  g_variant_get (frame->body, "(@a" MOSS_FFI_BUFFER_TYPE "@a{sv}t@a{sv})", &wire, &values,
                 &run_us, NULL);
  buffers = moss_ffi_buffers_from_wire (wire, frame, trust, &cause);
  if (buffers == NULL)
    {
      moss_ffi_fail (error, MOSS_FFI_ERROR_WRONG_TYPE, "The result is refused: %s",
                     cause->message);
      return NULL;
    }
  result = moss_ffi_result_new (buffers, values, run_us);
  if (!moss_ffi_result_check (result, request->out_caps, error))
    return NULL;
  return g_steal_pointer (&result);
}

static void
read_error (MossFfiFrame *frame, GError **error)
{
  const char *name, *sentence;

  g_variant_get (frame->body, "(&s&s)", &name, &sentence);
  g_propagate_error (error, moss_ffi_error_from_name (name, sentence));
}

static void
read_progress (MossFfiFrame *frame, const MossFfiRequest *request)
{
  double fraction;

  g_variant_get (frame->body, "(d)", &fraction);
  if (request->progress && fraction >= 0 && fraction <= 1)
    request->progress (fraction, request->progress_data);
}

/* Reads frames until the answer to @serial is there; FALSE also when it was an error. */
static gboolean
receive_answer (int socket,
                const MossFfiRequest *request,
                guint64 serial,
                GPollFD *cancel,
                gint64 deadline,
                MossFfiResult **result,
                GError **error)
{
  for (;;)
    {
      g_auto (MossFfiFrame) frame = { 0 };
      g_autoptr (GError) local = NULL;

      if (!wait_readable (socket, cancel, deadline, error))
        return FALSE;
      if (!moss_ffi_frame_receive (socket, &frame, &local))
        {
          if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
            continue;
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
      if (frame.serial != serial)
        continue; /* of a call that was given up */
      if (frame.kind == MOSS_FFI_FRAME_PROGRESS)
        read_progress (&frame, request);
      else if (frame.kind == MOSS_FFI_FRAME_RESULT)
        return (*result = read_result (&frame, request, error)) != NULL;
      else if (frame.kind == MOSS_FFI_FRAME_ERROR)
        {
          read_error (&frame, error);
          return FALSE;
        }
      else
        return over (error, MOSS_FFI_ERROR_PROTOCOL,
                     "The provider answers with another frame");
    }
}

/* What was lent is ours again with the answer, unless it is the answer. */
static void
take_back (const MossFfiRequest *request, MossFfiResult *result)
{
  guint n = result ? moss_ffi_result_get_n_buffers (result) : 0;

  for (guint i = 0; request->trusted && i < request->n_inputs; i++)
    {
      gboolean kept = result == NULL;

      for (guint j = 0; j < n && !kept; j++)
        kept = moss_ffi_buffer_is_lent (request->inputs[i],
                                        moss_ffi_result_get_buffer (result, j));
      if (kept)
        moss_ffi_buffer_forgo (request->inputs[i]);
    }
}

/* Calls the provider at the other end of @socket and waits for its answer. After an error
 * the socket may still be in the middle of something: close it then. Any thread, but one
 * call at a time on a socket. */
MossFfiResult *
moss_ffi_link_call (int socket,
                    const MossFfiRequest *request,
                    GCancellable *cancellable,
                    GError **error)
{
  MossFfiResult *result = NULL;
  GPollFD cancel = { .fd = -1 };
  guint64 serial = next_serial ();
  gint64 deadline
      = request->deadline_us > 0 ? g_get_monotonic_time () + request->deadline_us : 0;

  if (!send_call (socket, request, serial, error))
    {
      take_back (request, NULL);
      return NULL;
    }
  if (cancellable && !g_cancellable_make_pollfd (cancellable, &cancel))
    cancel.fd = -1;
  if (!receive_answer (socket, request, serial, &cancel, deadline, &result, error))
    moss_ffi_frame_send (socket, MOSS_FFI_FRAME_CANCEL, serial, g_variant_new ("()"),
                         NULL, 0, NULL);
  if (cancel.fd >= 0)
    g_cancellable_release_fd (cancellable);
  take_back (request, result);
  return result;
}
