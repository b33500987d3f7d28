// SPDX-License-Identifier: GPL-3.0-or-later
/* One caller and one provider, over their socket and nothing else. What a hostile one
 * sends is sent here by hand. */
#include "ffi-broker/client/buffer-wire.h"
#include "ffi-broker/client/client-private.h"
#include "ffi-broker/client/link.h"
#include "ffi-broker/client/provider.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT "text/plain"
#define OCTETS "application/octet-stream"

/* --- a provider in a thread of its own
 * ------------------------------------------------------ */

typedef struct
{
  GThread *thread;
  MossFfiProvider *provider;
  GMainContext *context;
  gboolean over; /* atomic */
  int socket;
  gboolean trusted;
  guint threads;
  GMutex lock;
  GCond ready;
  guint begun, cancelled; /* atomic */
} Server;

static void
on_reverse (MossFfiInvocation *call, gpointer data)
{
  MossFfiBuffer *input = moss_ffi_invocation_get_input (call, 0);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) out = NULL;
  g_autoptr (MossFfiBuffer) output = NULL;
  g_autofree char *text = NULL;
  gsize size;

  if (input == NULL)
    {
      moss_ffi_invocation_return_failure (call, MOSS_FFI_ERROR_INVALID,
                                          "Nothing to reverse");
      return;
    }
  bytes = moss_ffi_buffer_get_bytes (input, NULL);
  text = g_strndup (g_bytes_get_data (bytes, &size), g_bytes_get_size (bytes));
  g_strreverse (text);
  out = g_bytes_new (text, g_bytes_get_size (bytes));
  output = moss_ffi_buffer_new (TEXT, out);
  moss_ffi_invocation_progress (call, 0.5);
  moss_ffi_invocation_add_output (call, output);
  moss_ffi_invocation_return (call);
}

static void
on_empty (MossFfiInvocation *call, gpointer data)
{
  moss_ffi_invocation_set_value (call, "value", g_variant_new_string ("hello"));
  moss_ffi_invocation_return (call);
}

/* Answers in its own time: holds the call until it is cancelled. */
static gboolean
on_tick (gpointer data)
{
  MossFfiInvocation *call = data;

  if (!g_cancellable_is_cancelled (moss_ffi_invocation_get_cancellable (call)))
    return G_SOURCE_CONTINUE;
  moss_ffi_invocation_return_failure (call, MOSS_FFI_ERROR_CANCELLED, "As you like");
  return G_SOURCE_REMOVE;
}

static void
on_wait (MossFfiInvocation *call, gpointer data)
{
  g_autoptr (GSource) source = g_timeout_source_new (1);

  g_source_set_callback (source, on_tick, g_object_ref (call), g_object_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
}

static void
on_wait_thread (MossFfiInvocation *call, gpointer data)
{
  Server *server = data;
  GCancellable *cancellable = moss_ffi_invocation_get_cancellable (call);

  g_atomic_int_inc (&server->begun);
  while (!g_cancellable_is_cancelled (cancellable))
    g_usleep (500);
  g_atomic_int_inc (&server->cancelled);
}

static void
on_forget (MossFfiInvocation *call, gpointer data)
{
}

static void
on_wrong (MossFfiInvocation *call, gpointer data)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("x", 1);
  g_autoptr (MossFfiBuffer) output = moss_ffi_buffer_new ("image/png", bytes);

  moss_ffi_invocation_add_output (call, output);
  moss_ffi_invocation_return (call);
}

static void
on_big (MossFfiInvocation *call, gpointer data)
{
  g_autoptr (MossFfiBuffer) output = moss_ffi_buffer_new_writable (OCTETS, 1 << 20, NULL);
  gsize length;
  guint8 *bytes = moss_ffi_buffer_get_data (output, &length);

  memset (bytes, 7, length);
  g_assert_true (moss_ffi_buffer_shorten (output, length - 10, NULL));
  moss_ffi_invocation_add_output (call, output);
  moss_ffi_invocation_return (call);
}

/* Gives back what it was called with. */
static void
on_same (MossFfiInvocation *call, gpointer data)
{
  moss_ffi_invocation_add_output (call, moss_ffi_invocation_get_input (call, 0));
  moss_ffi_invocation_return (call);
}

/* Says which memory its argument is in, and whether that could still be written. */
static void
on_memory (MossFfiInvocation *call, gpointer data)
{
  int fd = moss_ffi_buffer_get_fd (moss_ffi_invocation_get_input (call, 0));
  struct stat info;

  g_assert_no_errno (fstat (fd, &info));
  moss_ffi_invocation_set_value (call, "value", g_variant_new_uint64 (info.st_ino));
  moss_ffi_invocation_set_value (
      call, "sealed",
      g_variant_new_boolean ((fcntl (fd, F_GET_SEALS) & F_SEAL_WRITE) != 0));
  moss_ffi_invocation_return (call);
}

static void
offer (Server *server, const char *name, const char *capability, MossFfiFunction function)
{
  GVariantDict attributes;

  g_variant_dict_init (&attributes, NULL);
  g_variant_dict_insert (&attributes, "function", "s", name);
  g_assert_true (moss_ffi_provider_add (server->provider, capability,
                                        g_variant_dict_end (&attributes), function,
                                        server, NULL, NULL));
}

static gpointer
serve (gpointer data)
{
  Server *server = data;
  GMainContext *context = server->context;

  g_main_context_push_thread_default (context);
  g_mutex_lock (&server->lock);
  server->provider = moss_ffi_provider_new ("process:test", "1");
  moss_ffi_provider_set_threads (server->provider, server->threads);
  offer (server, "reverse", "transform reverse(text/plain) -> text/plain", on_reverse);
  offer (server, "empty", "generate hello() -> application/x-moss-value,type=s",
         on_empty);
  offer (server, "wait", "generate wait() -> text/plain", on_wait);
  offer (server, "wait-thread", "generate wait-more() -> text/plain", on_wait_thread);
  offer (server, "forget", "generate nothing() -> text/plain", on_forget);
  offer (server, "wrong", "generate text() -> text/plain", on_wrong);
  offer (server, "same", "transform same(text/plain) -> text/plain", on_same);
  offer (server, "memory", "compare memory(text/plain) -> application/x-moss-value,type=t",
         on_memory);
  offer (server, "big", "generate much() -> application/octet-stream", on_big);
  moss_ffi_provider_add_caller (server->provider, server->socket, server->trusted);
  g_cond_signal (&server->ready);
  g_mutex_unlock (&server->lock);
  while (!g_atomic_int_get (&server->over))
    g_main_context_iteration (context, TRUE);
  g_clear_object (&server->provider);
  g_main_context_pop_thread_default (context);
  return NULL;
}

typedef struct
{
  Server server;
  int socket; /* the caller's */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer threads)
{
  int ends[2];

  g_assert_true (moss_ffi_socket_pair (ends, NULL));
  fixture->socket = ends[0];
  fixture->server.socket = ends[1];
  fixture->server.threads = GPOINTER_TO_UINT (threads);
  fixture->server.context = g_main_context_new ();
  g_mutex_init (&fixture->server.lock);
  g_cond_init (&fixture->server.ready);
  g_mutex_lock (&fixture->server.lock);
  fixture->server.thread = g_thread_new ("provider", serve, &fixture->server);
  while (fixture->server.provider == NULL)
    g_cond_wait (&fixture->server.ready, &fixture->server.lock);
  g_mutex_unlock (&fixture->server.lock);
}

static void
tear_down (Fixture *fixture, gconstpointer threads)
{
  g_atomic_int_set (&fixture->server.over, TRUE);
  g_main_context_wakeup (fixture->server.context);
  if (fixture->socket >= 0)
    close (fixture->socket);
  g_thread_join (fixture->server.thread);
  g_main_context_unref (fixture->server.context);
  g_mutex_clear (&fixture->server.lock);
  g_cond_clear (&fixture->server.ready);
}

static MossFfiResult *
call (Fixture *fixture,
      const char *function,
      const char *out_caps,
      MossFfiBuffer *input,
      GError **error)
{
  MossFfiRequest request = { .function = function,
                             .out_caps = out_caps,
                             .inputs = &input,
                             .n_inputs = input ? 1 : 0 };

  return moss_ffi_link_call (fixture->socket, &request, NULL, error);
}

static MossFfiBuffer *
text_buffer (const char *text, gsize length)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, length);

  return moss_ffi_buffer_new (TEXT, bytes);
}

/* --- calls that work
 * --------------------------------------------------------------------------- */

static void
test_short (Fixture *fixture, gconstpointer threads)
{
  g_autoptr (MossFfiBuffer) input = text_buffer ("moss", 4);
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 3; i++)
    {
      g_autoptr (MossFfiResult) result = call (fixture, "reverse", TEXT, input, &error);
      g_autoptr (GBytes) bytes = NULL;

      g_assert_no_error (error);
      g_assert_cmpuint (moss_ffi_result_get_n_buffers (result), ==, 1);
      bytes = moss_ffi_buffer_get_bytes (moss_ffi_result_get_buffer (result, 0), &error);
      g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "ssom",
                       4);
    }
}

static void
test_value (Fixture *fixture, gconstpointer threads)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiResult) result
      = call (fixture, "empty", "application/x-moss-value,type=s", NULL, &error);
  g_autoptr (GVariant) value = NULL;

  g_assert_no_error (error);
  value = moss_ffi_result_get_value (result, "value");
  g_assert_cmpstr (g_variant_get_string (value, NULL), ==, "hello");
  g_clear_pointer (&result, moss_ffi_result_unref);
  result = call (fixture, "empty", "application/x-moss-value,type=i", NULL, &error);
  g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_WRONG_TYPE);
}

/* Big ones go by memfd, there and back. */
static void
test_big (Fixture *fixture, gconstpointer threads)
{
  const gsize length = 200000;
  g_autofree char *text = g_malloc (length);
  g_autoptr (MossFfiBuffer) input = NULL;
  g_autoptr (MossFfiResult) result = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < length; i++)
    text[i] = 'a' + i % 26;
  input = text_buffer (text, length);
  result = call (fixture, "reverse", TEXT, input, &error);
  g_assert_no_error (error);
  g_assert_cmpint (moss_ffi_buffer_get_fd (moss_ffi_result_get_buffer (result, 0)), >=,
                   0);
  bytes = moss_ffi_buffer_get_bytes (moss_ffi_result_get_buffer (result, 0), &error);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, length);
  for (gsize i = 0; i < length; i++)
    if (((const char *)g_bytes_get_data (bytes, NULL))[i] != text[length - 1 - i])
      g_error ("byte %" G_GSIZE_FORMAT " differs", i);
  g_clear_pointer (&result, moss_ffi_result_unref);
  result = call (fixture, "big", OCTETS, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (moss_ffi_buffer_get_length (moss_ffi_result_get_buffer (result, 0)),
                    ==, (1 << 20) - 10);
}

static void
on_progress (double fraction, gpointer data)
{
  *(double *)data = fraction;
}

static void
test_progress (Fixture *fixture, gconstpointer threads)
{
  g_autoptr (MossFfiBuffer) input = text_buffer ("moss", 4);
  double fraction = 0;
  MossFfiRequest request = { .function = "reverse",
                             .out_caps = TEXT,
                             .inputs = &input,
                             .n_inputs = 1,
                             .progress = on_progress,
                             .progress_data = &fraction };
  g_autoptr (MossFfiResult) result
      = moss_ffi_link_call (fixture->socket, &request, NULL, NULL);

  g_assert_nonnull (result);
  g_assert_cmpfloat (fraction, ==, 0.5);
}

/* What people see never runs backwards, whatever providers say and however often. */
static void
test_told (void)
{
  MossFfiTold told = { 0 };

  moss_ffi_told_part (&told, 0, 0.5);
  g_assert_false (moss_ffi_told_take (&told, NAN, 1));
  g_assert_false (moss_ffi_told_take (&told, -1, 1));
  g_assert_false (moss_ffi_told_take (&told, INFINITY, 1));
  g_assert_false (moss_ffi_told_take (&told, 0, 1));
  g_assert_true (moss_ffi_told_take (&told, 0.5, 1));
  g_assert_cmpfloat (told.told, ==, 0.25);
  g_assert_false (moss_ffi_told_take (&told, 0.6, 99999));
  g_assert_false (moss_ffi_told_take (&told, 0.4, 200000));
  g_assert_true (moss_ffi_told_take (&told, 1, 200000));
  g_assert_cmpfloat (told.told, ==, 0.5);
  moss_ffi_told_part (&told, 0.5, 7);
  g_assert_false (moss_ffi_told_take (&told, 0, 400000));
  g_assert_true (moss_ffi_told_take (&told, 1, 400000));
  g_assert_cmpfloat (told.told, ==, 1);
}

/* --- calls that end otherwise
 * -------------------------------------------------------------------- */

static void
test_errors (Fixture *fixture, gconstpointer threads)
{
  static const struct
  {
    const char *function;
    MossFfiError code;
  } wrong[] = { { "reverse", MOSS_FFI_ERROR_INVALID },
                { "unknown", MOSS_FFI_ERROR_NOT_OFFERED },
                { "forget", MOSS_FFI_ERROR_FAILED },
                { "wrong", MOSS_FFI_ERROR_WRONG_TYPE } };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (call (fixture, wrong[i].function, TEXT, NULL, &error));
      g_assert_error (error, MOSS_FFI_ERROR, (int)wrong[i].code);
    }
}

typedef struct
{
  Server *server;
  GCancellable *cancellable;
} Canceller;

/* Once it runs. */
static gpointer
cancel_soon (gpointer data)
{
  Canceller *canceller = data;

  while (g_atomic_int_get (&canceller->server->begun) == 0)
    g_usleep (1000);
  g_cancellable_cancel (canceller->cancellable);
  return NULL;
}

static void
test_cancel (Fixture *fixture, gconstpointer threads)
{
  MossFfiRequest request = { .function = "wait-thread", .out_caps = TEXT };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Canceller canceller = { &fixture->server, cancellable };
  GThread *thread = g_thread_new ("cancel", cancel_soon, &canceller);

  g_assert_null (moss_ffi_link_call (fixture->socket, &request, cancellable, &error));
  g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_CANCELLED);
  g_thread_join (thread);
  while (g_atomic_int_get (&fixture->server.cancelled) == 0)
    g_usleep (1000);
}

static void
test_deadline (Fixture *fixture, gconstpointer threads)
{
  MossFfiRequest request = { .function = "wait", .out_caps = TEXT, .deadline_us = 30000 };
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiResult) late = NULL;

  g_assert_null (moss_ffi_link_call (fixture->socket, &request, NULL, &error));
  g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_TIMED_OUT);
  g_clear_error (&error);
  /* Its answer, which comes now, is no other call's. */
  late = call (fixture, "empty", "", NULL, &error);
  g_assert_no_error (error);
}

static void
test_caller_leaves (Fixture *fixture, gconstpointer threads)
{
  g_assert_true (moss_ffi_frame_send (
      fixture->socket, MOSS_FFI_FRAME_CALL, 7,
      g_variant_new_parsed ("('wait-thread', '', @a{sv} {}, @a" MOSS_FFI_BUFFER_TYPE
                            " [], @a{sv} {})"),
      NULL, 0, NULL));
  while (g_atomic_int_get (&fixture->server.begun) == 0)
    g_usleep (1000);
  close (fixture->socket);
  fixture->socket = -1;
  while (g_atomic_int_get (&fixture->server.cancelled) == 0)
    g_usleep (1000);
}

/* --- hostile callers
 * ------------------------------------------------------------------------------ */

/* Sends a call of "reverse" with one buffer as it stands in @buffer; what comes back. */
static GError *
send_buffer (Fixture *fixture, const char *buffer, int fd)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) wire = g_variant_parse (G_VARIANT_TYPE (MOSS_FFI_BUFFER_TYPE),
                                               buffer, NULL, NULL, &error);
  g_auto (MossFfiFrame) frame = { 0 };
  const char *name, *sentence;

  g_assert_no_error (error);
  g_assert_true (moss_ffi_frame_send (
      fixture->socket, MOSS_FFI_FRAME_CALL, 9,
      g_variant_new ("(ss@a{sv}@a" MOSS_FFI_BUFFER_TYPE "@a{sv})", "reverse", TEXT,
                     g_variant_new_parsed ("@a{sv} {}"),
                     g_variant_new_array (NULL, &wire, 1),
                     g_variant_new_parsed ("@a{sv} {}")),
      &fd, fd >= 0 ? 1 : 0, NULL));
  while (!moss_ffi_frame_receive (fixture->socket, &frame, &error)
         && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    {
      g_clear_error (&error);
      g_usleep (200);
    }
  g_assert_no_error (error);
  if (frame.kind != MOSS_FFI_FRAME_ERROR)
    return NULL;
  g_variant_get (frame.body, "(&s&s)", &name, &sentence);
  g_test_message ("%s: %s", name, sentence);
  return moss_ffi_error_from_name (name, sentence);
}

static int
memfd (int seals)
{
  int fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (ftruncate (fd, 65536), ==, 0);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, seals), ==, 0);
  return fd;
}

static void
test_bad_buffers (Fixture *fixture, gconstpointer threads)
{
  const int whole = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  const struct
  {
    const char *buffer;
    int seals;
    MossFfiError code;
  } bad[] = {
    /* unsealed, or not sealed enough */
    { "([], 0, 0, 65536, 'text/plain', [], {})", 0, MOSS_FFI_ERROR_UNSEALED },
    { "([], 0, 0, 65536, 'text/plain', [], {})", F_SEAL_WRITE, MOSS_FFI_ERROR_UNSEALED },
    { "([], 0, 0, 65536, 'text/plain', [], {})", F_SEAL_SHRINK | F_SEAL_GROW,
      MOSS_FFI_ERROR_UNSEALED },
    /* shorter than it says */
    { "([], 0, 0, 65537, 'text/plain', [], {})", whole, MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 0, 65536, 1, 'text/plain', [], {})", whole, MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 0, 18446744073709551615, 65536, 'text/plain', [], {})", whole,
      MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 0, 1, 18446744073709551615, 'text/plain', [], {})", whole,
      MOSS_FFI_ERROR_BAD_BUFFER },
    { "(b'abc', -1, 0, 400, 'text/plain', [], {})", -1, MOSS_FFI_ERROR_BAD_BUFFER },
    { "(b'abc', -1, 1, 4, 'text/plain', [], {})", -1, MOSS_FFI_ERROR_BAD_BUFFER },
    /* no memory at all */
    { "([], 0, 0, 1, 'text/plain', [], {})", -1, MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], -2, 0, 1, 'text/plain', [], {})", -1, MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 2147483647, 0, 1, 'text/plain', [], {})", whole, MOSS_FFI_ERROR_BAD_BUFFER },
    /* absurd dimensions */
    { "([], 0, 0, 65536, 'x/y', [(0, 1)], {})", whole, MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 0, 0, 65536, 'x/y', [(65537, 1)], {})", whole, MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 0, 0, 65536, 'x/y', [(2, -1)], {})", whole, MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 0, 0, 65536, 'x/y', [(4611686018427387904, 4), (2, 1)], {})", whole,
      MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 0, 0, 65536, 'x/y', [(1,1),(1,1),(1,1),(1,1),(1,1),(1,1),(1,1),(1,1),(1,1)], "
      "{})",
      whole, MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 0, 0, 65536, 'video/x-raw,format=RGBA,width=129,height=128', [], {})", whole,
      MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 0, 0, 65536, 'video/x-raw,format=RGB,width=-5,height=128', [], {})", whole,
      MOSS_FFI_ERROR_BAD_BUFFER },
    { "([], 0, 0, 65536, 'video/x-raw,format=RGB,width=2147483647,height=2147483647', "
      "[], {})",
      whole, MOSS_FFI_ERROR_BAD_BUFFER },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      int fd = bad[i].seals >= 0 ? memfd (bad[i].seals) : -1;
      g_autoptr (GError) error = send_buffer (fixture, bad[i].buffer, fd);

      if (error == NULL)
        g_error ("taken: %s", bad[i].buffer);
      g_assert_error (error, MOSS_FFI_ERROR, (int)bad[i].code);
      if (fd >= 0)
        close (fd);
    }
  /* The same provider goes on with who behaves. */
  g_assert_null (send_buffer (fixture, "(b'abc', -1, 0, 4, 'text/plain', [], {})", -1));
}

/* Not memory at all: /dev/zero and a pipe can't be sealed. */
static void
test_not_memory (Fixture *fixture, gconstpointer threads)
{
  int fd = open ("/dev/zero", O_RDWR | O_CLOEXEC);
  g_autoptr (GError) error
      = send_buffer (fixture, "([], 0, 0, 65536, 'text/plain', [], {})", fd);

  g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_UNSEALED);
  close (fd);
}

static void
test_rubbish (Fixture *fixture, gconstpointer threads)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (write (fixture->socket, "nonsense", 8), ==, 8);
  g_assert_null (call (fixture, "empty", "", NULL, &error));
  g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST);
}

/* --- hostile providers
 * ----------------------------------------------------------------------------- */

typedef struct
{
  int socket;
  const char *buffer;
  int fd;
  gboolean change;
} Liar;

static gpointer
lie (gpointer data)
{
  Liar *liar = data;
  g_auto (MossFfiFrame) frame = { 0 };
  g_autoptr (GVariant) wire = g_variant_parse (G_VARIANT_TYPE (MOSS_FFI_BUFFER_TYPE),
                                               liar->buffer, NULL, NULL, NULL);

  while (!moss_ffi_frame_receive (liar->socket, &frame, NULL))
    g_usleep (200);
  moss_ffi_frame_send (liar->socket, MOSS_FFI_FRAME_RESULT, frame.serial,
                       g_variant_new ("(@a" MOSS_FFI_BUFFER_TYPE "@a{sv}t@a{sv})",
                                      g_variant_new_array (NULL, &wire, 1),
                                      g_variant_new_parsed ("@a{sv} {}"), (guint64)5,
                                      g_variant_new_parsed ("@a{sv} {}")),
                       &liar->fd, liar->fd >= 0 ? 1 : 0, NULL);
  return NULL;
}

static MossFfiResult *
call_liar (const char *buffer, int fd, GError **error)
{
  MossFfiRequest request = { .function = "x", .out_caps = TEXT };
  MossFfiResult *result;
  int ends[2];
  Liar liar = { .buffer = buffer, .fd = fd };
  GThread *thread;

  g_assert_true (moss_ffi_socket_pair (ends, NULL));
  liar.socket = ends[1];
  thread = g_thread_new ("liar", lie, &liar);
  result = moss_ffi_link_call (ends[0], &request, NULL, error);
  g_thread_join (thread);
  close (ends[0]);
  close (ends[1]);
  return result;
}

/* A result that could still be written is copied before anybody looks at it. */
static void
test_changes_afterwards (void)
{
  int fd = memfd (F_SEAL_SHRINK | F_SEAL_GROW);
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiResult) result = NULL;
  g_autoptr (GBytes) bytes = NULL;

  g_assert_cmpint (pwrite (fd, "before", 6, 0), ==, 6);
  result = call_liar ("([], 0, 0, 65536, 'text/plain', [], {})", fd, &error);
  g_assert_no_error (error);
  g_assert_cmpint (pwrite (fd, "after!", 6, 0), ==, 6);
  bytes = moss_ffi_buffer_get_bytes (moss_ffi_result_get_buffer (result, 0), NULL);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), 6, "before", 6);
  close (fd);
}

static void
test_bad_results (void)
{
  const int whole = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  const struct
  {
    const char *buffer;
    int seals;
  } bad[] = {
    { "([], 0, 0, 65536, 'text/plain', [], {})", 0 },
    { "([], 0, 0, 65537, 'text/plain', [], {})", whole },
    { "([], 0, 0, 65536, 'image/png', [], {})", whole },
    { "([], 0, 0, 65536, 'no caps', [], {})", whole },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      int fd = memfd (bad[i].seals);
      g_autoptr (GError) error = NULL;

      g_assert_null (call_liar (bad[i].buffer, fd, &error));
      g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_WRONG_TYPE);
      close (fd);
    }
}

/* --- buffers by themselves
 * ------------------------------------------------------------------------- */

static void
test_sealed (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new_static ("abc", 3);

  for (gsize length = 10; length <= 100000; length *= 10000)
    {
      g_autoptr (MossFfiBuffer) buffer
          = moss_ffi_buffer_new_writable (TEXT, length, &error);
      g_autoptr (GBytes) read = NULL;

      g_assert_no_error (error);
      g_assert_true (moss_ffi_buffer_write (buffer, length - 3, bytes, &error));
      g_assert_false (moss_ffi_buffer_write (buffer, length - 2, bytes, &error));
      g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BAD_BUFFER);
      g_clear_error (&error);
      g_assert_true (moss_ffi_buffer_seal (buffer, &error));
      g_assert_false (moss_ffi_buffer_write (buffer, 0, bytes, &error));
      g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID);
      g_clear_error (&error);
      read = moss_ffi_buffer_get_bytes (buffer, &error);
      g_assert_cmpuint (g_bytes_get_size (read), ==, length);
      g_assert_cmpmem ((const char *)g_bytes_get_data (read, NULL) + length - 3, 3, "abc",
                       3);
    }
}

static void
test_too_many (void)
{
  g_autoptr (MossFfiBuffer) buffer = moss_ffi_buffer_new_writable (TEXT, 100000, NULL);
  MossFfiBuffer *many[MOSS_FFI_FRAME_FDS + 1];
  MossFfiFds fds = { .n_fds = 0 };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (many); i++)
    many[i] = buffer;
  g_assert_null (moss_ffi_buffers_to_wire (many, G_N_ELEMENTS (many),
                                           MOSS_FFI_TRUST_SEALED, &fds, &error));
  g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID);
}

#define LARGE 100000

static void
set_up_trusted (Fixture *fixture, gconstpointer threads)
{
  fixture->server.trusted = TRUE;
  set_up (fixture, threads);
}

static MossFfiResult *
call_trusted (Fixture *fixture, const char *function, const char *caps, MossFfiBuffer *input)
{
  MossFfiRequest request = { .function = function,
                             .out_caps = caps,
                             .inputs = &input,
                             .n_inputs = 1,
                             .trusted = TRUE };
  g_autoptr (GError) error = NULL;
  MossFfiResult *result = moss_ffi_link_call (fixture->socket, &request, NULL, &error);

  g_assert_no_error (error);
  return result;
}

static MossFfiBuffer *
large (char letter)
{
  g_autofree char *text = g_malloc (LARGE);

  memset (text, letter, LARGE);
  return text_buffer (text, LARGE);
}

static guint64
memory_of (MossFfiResult *result, gboolean sealed)
{
  g_autoptr (GVariant) memory = moss_ffi_result_get_value (result, "value");
  g_autoptr (GVariant) is_sealed = moss_ffi_result_get_value (result, "sealed");

  g_assert_true (g_variant_get_boolean (is_sealed) == sealed);
  return g_variant_get_uint64 (memory);
}

/* The memory of large arguments is used again, between those who trust each other alone. */
static void
test_pool (Fixture *fixture, gconstpointer threads)
{
  const char *caps = "application/x-moss-value,type=t";
  guint64 first = 0;

  for (int i = 0; i < 3; i++)
    {
      g_autoptr (MossFfiBuffer) input = large ('a' + i);
      g_autoptr (MossFfiResult) lent = call_trusted (fixture, "memory", caps, input);
      g_autoptr (MossFfiResult) sent = call (fixture, "memory", caps, input, NULL);

      first = first > 0 ? first : memory_of (lent, FALSE);
      g_assert_cmpuint (memory_of (lent, FALSE), ==, first);
      g_assert_cmpuint (memory_of (sent, TRUE), !=, first);
    }
}

/* A result that is the argument stays what it is. */
static void
test_pool_given_back (Fixture *fixture, gconstpointer threads)
{
  g_autoptr (MossFfiBuffer) input = large ('a');
  g_autoptr (MossFfiResult) result = call_trusted (fixture, "same", TEXT, input);
  g_autoptr (GBytes) bytes
      = moss_ffi_buffer_get_bytes (moss_ffi_result_get_buffer (result, 0), NULL);

  g_clear_pointer (&input, moss_ffi_buffer_unref);
  for (int i = 0; i < 3; i++)
    {
      g_autoptr (MossFfiBuffer) other = large ('b');
      g_autoptr (MossFfiResult) ignored = call_trusted (fixture, "same", TEXT, other);
    }
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, LARGE);
  for (gsize i = 0; i < LARGE; i++)
    g_assert_cmpint (((const char *)g_bytes_get_data (bytes, NULL))[i], ==, 'a');
}

static void
add (const char *name, guint threads, void (*test) (Fixture *, gconstpointer))
{
  g_autofree char *path = g_strdup_printf ("/ffi/call/%s", name);

  g_test_add (path, Fixture, GUINT_TO_POINTER (threads), set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("short", 0, test_short);
  add ("short-in-threads", 2, test_short);
  add ("value", 0, test_value);
  add ("big", 0, test_big);
  add ("progress", 0, test_progress);
  add ("errors", 0, test_errors);
  add ("errors-in-threads", 2, test_errors);
  add ("cancel", 2, test_cancel);
  add ("deadline", 0, test_deadline);
  add ("caller-leaves", 2, test_caller_leaves);
  add ("bad-buffers", 0, test_bad_buffers);
  add ("not-memory", 0, test_not_memory);
  add ("rubbish", 0, test_rubbish);
  g_test_add ("/ffi/pool/used-again", Fixture, NULL, set_up_trusted, test_pool, tear_down);
  g_test_add ("/ffi/pool/given-back", Fixture, NULL, set_up_trusted, test_pool_given_back,
              tear_down);
  g_test_add_func ("/ffi/call/told", test_told);
  g_test_add_func ("/ffi/result/changes-afterwards", test_changes_afterwards);
  g_test_add_func ("/ffi/result/bad", test_bad_results);
  g_test_add_func ("/ffi/buffer/sealed", test_sealed);
  g_test_add_func ("/ffi/buffer/too-many", test_too_many);
  return g_test_run ();
}
