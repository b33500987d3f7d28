// SPDX-License-Identifier: GPL-3.0-or-later
/* What a call costs beside the alternatives, each measured in turns with it in one run:
 * an empty call and a raw peer-to-peer GDBus call; 16 MiB in a memfd and the same memory
 * handed over by nothing but sendmsg; 16 MiB that must be copied into a memfd, one of the
 * pool and a new one each time. One JSON line a figure. */
#include "ffi-broker/client/buffer-wire.h"
#include "ffi-broker/client/link.h"
#include "ffi-broker/client/provider.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIG (16 * 1024 * 1024)
#define OCTETS "application/octet-stream"

static volatile guint sink;

/* What both providers do with it: one byte of 64. */
static guint
look (const guint8 *data, gsize length)
{
  guint sum = 0;

  for (gsize i = 0; i < length; i += 64)
    sum += data[i];
  return sum;
}

static void
die (const char *what)
{
  g_printerr ("%s: %s\n", what, g_strerror (errno));
  exit (1);
}

/* --- the providers, each a process
 * ---------------------------------------------------------- */

static void
on_empty (MossFfiInvocation *call, gpointer data)
{
  moss_ffi_invocation_return (call);
}

static void
on_look (MossFfiInvocation *call, gpointer data)
{
  g_autoptr (GBytes) bytes
      = moss_ffi_buffer_get_bytes (moss_ffi_invocation_get_input (call, 0), NULL);
  gsize length;
  const guint8 *raw = g_bytes_get_data (bytes, &length);

  moss_ffi_invocation_set_value (call, "value",
                                 g_variant_new_uint32 (look (raw, length)));
  moss_ffi_invocation_return (call);
}

static void
serve_moss (int socket)
{
  MossFfiProvider *provider = moss_ffi_provider_new ("process:bench", "1");

  moss_ffi_provider_add (provider, "empty", NULL, on_empty, NULL, NULL, NULL);
  moss_ffi_provider_add (provider, "look", NULL, on_look, NULL, NULL, NULL);
  moss_ffi_provider_add_caller (provider, socket, TRUE);
  for (;;)
    g_main_context_iteration (NULL, TRUE);
}

static void
on_gdbus_call (GDBusConnection *bus,
               const char *sender,
               const char *path,
               const char *interface,
               const char *method,
               GVariant *arguments,
               GDBusMethodInvocation *call,
               gpointer data)
{
  g_dbus_method_invocation_return_value (call, NULL);
}

static void
serve_gdbus (int socket)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_gdbus_call };
  g_autoptr (GSocket) end = g_socket_new_from_fd (socket, NULL);
  g_autoptr (GSocketConnection) stream
      = g_socket_connection_factory_create_connection (end);
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autoptr (GDBusConnection) bus = g_dbus_connection_new_sync (
      G_IO_STREAM (stream), guid,
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER
          | G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_ALLOW_ANONYMOUS,
      NULL, NULL, NULL);
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (
      "<node><interface name='org.moss.Bench'><method name='Empty'/></interface></node>",
      NULL);

  g_dbus_connection_register_object (bus, "/", info->interfaces[0], &vtable, NULL, NULL,
                                     NULL);
  for (;;)
    g_main_context_iteration (NULL, TRUE);
}

/* The least that handing memory over can be: its descriptor comes, it is mapped, looked
 * at and answered. */
static void
serve_bare (int socket)
{
  for (;;)
    {
      char control[CMSG_SPACE (sizeof (int))], byte;
      struct iovec part = { &byte, 1 };
      struct msghdr message = { .msg_iov = &part,
                                .msg_iovlen = 1,
                                .msg_control = control,
                                .msg_controllen = sizeof control };
      guint sum;
      void *data;
      int fd;

      if (recvmsg (socket, &message, MSG_CMSG_CLOEXEC) != 1)
        _exit (0);
      memcpy (&fd, CMSG_DATA (CMSG_FIRSTHDR (&message)), sizeof fd);
      data = mmap (NULL, BIG, PROT_READ, MAP_SHARED, fd, 0);
      sum = look (data, BIG);
      munmap (data, BIG);
      close (fd);
      if (send (socket, &sum, sizeof sum, 0) != sizeof sum)
        _exit (0);
    }
}

static int
start (void (*serve) (int socket), int type, pid_t *pid)
{
  int ends[2];

  if (socketpair (AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0)
    die ("socketpair");
  *pid = fork ();
  if (*pid < 0)
    die ("fork");
  if (*pid == 0)
    {
      close (ends[0]);
      serve (ends[1]);
      _exit (0);
    }
  close (ends[1]);
  return ends[0];
}

/* --- the callers
 * ------------------------------------------------------------------------------ */

typedef struct
{
  int socket;
  GDBusConnection *bus;
  MossFfiBuffer *buffer;
  GBytes *bytes; /* of a new buffer for each call */
  gboolean trusted;
} Caller;

static void
call_moss (Caller *caller, const char *function)
{
  MossFfiRequest request = { .function = function,
                             .out_caps = "",
                             .inputs = &caller->buffer,
                             .n_inputs = caller->buffer ? 1 : 0,
                             .trusted = caller->trusted };
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiResult) result
      = moss_ffi_link_call (caller->socket, &request, NULL, &error);

  if (result == NULL)
    g_error ("%s", error->message);
}

static void
call_empty (Caller *caller)
{
  call_moss (caller, "empty");
}

static void
call_look (Caller *caller)
{
  call_moss (caller, "look");
}

/* An argument that is in memory only, as most are. */
static void
call_copied (Caller *caller)
{
  caller->buffer = moss_ffi_buffer_new (OCTETS, caller->bytes);
  call_moss (caller, "look");
  g_clear_pointer (&caller->buffer, moss_ffi_buffer_unref);
}

static void
call_gdbus (Caller *caller)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      caller->bus, NULL, "/", "org.moss.Bench", "Empty", NULL, NULL,
      G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

  if (reply == NULL)
    g_error ("%s", error->message);
}

static void
call_bare (Caller *caller)
{
  char control[CMSG_SPACE (sizeof (int))] = { 0 }, byte = 0;
  struct iovec part = { &byte, 1 };
  struct msghdr message = { .msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control };
  struct cmsghdr *head = CMSG_FIRSTHDR (&message);
  int fd = moss_ffi_buffer_get_fd (caller->buffer);
  guint sum;

  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN (sizeof fd);
  memcpy (CMSG_DATA (head), &fd, sizeof fd);
  if (sendmsg (caller->socket, &message, 0) != 1
      || recv (caller->socket, &sum, sizeof sum, 0) != sizeof sum)
    die ("bare");
  sink += sum;
}

static int
by_size (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

  return x < y ? -1 : x > y;
}

static gint64
time_once (void (*call) (Caller *), Caller *caller)
{
  struct timespec before, after;

  clock_gettime (CLOCK_MONOTONIC, &before);
  call (caller);
  clock_gettime (CLOCK_MONOTONIC, &after);
  return (after.tv_sec - before.tv_sec) * G_GINT64_CONSTANT (1000000000) + after.tv_nsec
         - before.tv_nsec;
}

/* In turns, so that what else the machine does hits both; medians. */
static void
compare (const char *name,
         double goal,
         void (*ours) (Caller *),
         Caller *a,
         void (*theirs) (Caller *),
         Caller *b,
         guint rounds)
{
  g_autofree gint64 *mine = g_new (gint64, rounds);
  g_autofree gint64 *other = g_new (gint64, rounds);

  for (guint i = 0; i < rounds / 10 + 1; i++)
    {
      ours (a);
      theirs (b);
    }
  for (guint i = 0; i < rounds; i++)
    {
      mine[i] = time_once (ours, a);
      other[i] = time_once (theirs, b);
    }
  qsort (mine, rounds, sizeof *mine, by_size);
  qsort (other, rounds, sizeof *other, by_size);
  g_print ("{\"name\": \"%s\", \"value\": %.3f, \"goal\": %g, \"unit\": \"times\", "
           "\"ours_us\": %.1f, \"theirs_us\": %.1f, \"rounds\": %u}\n",
           name, (double)mine[rounds / 2] / other[rounds / 2], goal,
           mine[rounds / 2] / 1000.0, other[rounds / 2] / 1000.0, rounds);
}

static GDBusConnection *
open_gdbus (int socket)
{
  g_autoptr (GSocket) end = g_socket_new_from_fd (socket, NULL);
  g_autoptr (GSocketConnection) stream
      = g_socket_connection_factory_create_connection (end);
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus = g_dbus_connection_new_sync (
      G_IO_STREAM (stream), NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL,
      NULL, &error);

  if (bus == NULL)
    g_error ("%s", error->message);
  return bus;
}

int
main (int argc, char **argv)
{
  gboolean quick = argc > 1 && g_str_equal (argv[1], "--quick");
  pid_t pids[3];
  Caller moss = { .socket = start (serve_moss, SOCK_SEQPACKET, &pids[0]) };
  Caller bare = { .socket = start (serve_bare, SOCK_SEQPACKET, &pids[1]) };
  int peer = start (serve_gdbus, SOCK_STREAM, &pids[2]);
  Caller gdbus = { .bus = open_gdbus (peer) };
  Caller lent = { .trusted = TRUE }, fresh = { .trusted = FALSE };
  g_autoptr (MossFfiBuffer) buffer = moss_ffi_buffer_new_writable (OCTETS, BIG, NULL);

  compare ("empty-call-vs-gdbus", 1.3, call_empty, &moss, call_gdbus, &gdbus,
           quick ? 1000 : 10000);
  memset (moss_ffi_buffer_get_data (buffer, NULL), 7, BIG);
  moss_ffi_buffer_seal (buffer, NULL);
  moss.buffer = bare.buffer = buffer;
  compare ("memfd-16mib-vs-bare-fd", 1.2, call_look, &moss, call_bare, &bare,
           quick ? 50 : 400);
  lent.socket = fresh.socket = moss.socket;
  lent.bytes = fresh.bytes = moss_ffi_buffer_get_bytes (buffer, NULL);
  compare ("argument-16mib-pooled-vs-fresh", 1, call_copied, &lent, call_copied, &fresh,
           quick ? 20 : 200);
  for (guint i = 0; i < G_N_ELEMENTS (pids); i++)
    {
      kill (pids[i], SIGKILL);
      waitpid (pids[i], NULL, 0);
    }
  return 0;
}
