/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Peers that no library would make, for tests; they speak frames themselves.
 *   call REQUEST HOW     calls with a buffer that is "unsealed", "short", "huge" or good ("fine");
 *                        prints the name of the error, or "result"
 *   offer ID CAPABILITY HOW
 *                        offers it, and lies: "cheap" takes 300 ms and says 1 µs, "change" writes
 *                        into its result after handing it over; honest until the file in
 *                        MOSS_TEST_TURN is there
 *   announce N           announces N hundred offers; prints how many are taken, and the error
 *   flood SECONDS        sends as many frames as the broker takes
 *   flood-bus CALLS      asks so much on the bus without waiting; prints how many were refused
 *   adopt APP ID CAPABILITY HOW
 *                        as offer, as an app in a sandbox would: the session hands its socket over
 *   decide REQUEST       prints how many ns a decision takes */
#include "ffi-broker/client/connect.h"
#include "ffi-broker/client/buffer-wire.h"
#include "ffi-broker/market/choice.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BROKER "org.moss.FunctionBroker1"
#define BROKER_PATH "/org/moss/FunctionBroker"
#define BYTES 65536
#define PATIENCE_US (20 * G_USEC_PER_SEC)
#define CHEAP_US 300000
#define DECISIONS 2000
#define SOME 100

static void
fail (const GError *error)
{
  g_printerr ("ffi-hostile: %s\n", error != NULL ? error->message : "that can't be");
  exit (1);
}

static void
send_frame (int fd, MossFfiFrameKind kind, guint64 serial, GVariant *body, const int *fds,
            guint n_fds)
{
  g_autoptr (GError) error = NULL;

  if (!moss_ffi_frame_send (fd, kind, serial, body, fds, n_fds, &error))
    fail (error);
}

/* The next frame of that kind, or an error. */
static void
await (int fd, MossFfiFrameKind kind, MossFfiFrame *frame)
{
  g_autoptr (GError) error = NULL;

  do
    {
      moss_ffi_frame_clear (frame);
      if (!moss_ffi_await_frame (fd, g_get_monotonic_time () + PATIENCE_US, frame, &error))
        fail (error);
    }
  while (frame->kind != kind && frame->kind != MOSS_FFI_FRAME_ERROR);
}

static int
enter (MossFfiTable **table)
{
  g_autoptr (GError) error = NULL;
  g_auto (MossFfiFrame) frame = { 0 };
  int fd = moss_ffi_connect (&error);

  if (fd < 0)
    fail (error);
  send_frame (fd, MOSS_FFI_FRAME_HELLO, 1, g_variant_new ("(sa{sv})", "hostile", NULL), NULL, 0);
  await (fd, MOSS_FFI_FRAME_WELCOME, &frame);
  *table = frame.n_fds > 0 ? moss_ffi_table_map (frame.fds[0], &error) : NULL;
  if (*table == NULL)
    fail (error);
  return fd;
}

static void
resolve (MossFfiTable *table, const char *request, MossFfiCandidates *candidates)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiCapability) capability = moss_ffi_capability_parse (request, &error);

  if (capability == NULL || !moss_ffi_resolve (table, capability, NULL, candidates, &error))
    fail (error);
}

static int
memory (int seals)
{
  int fd = memfd_create ("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd < 0 || ftruncate (fd, BYTES) < 0 || fcntl (fd, F_ADD_SEALS, seals) < 0)
    fail (NULL);
  return fd;
}

static void
print_answer (const MossFfiFrame *frame)
{
  const char *name, *sentence;

  if (frame->kind == MOSS_FFI_FRAME_ERROR)
    {
      g_variant_get (frame->body, "(&s&s)", &name, &sentence);
      printf ("%s\n", name);
      return;
    }
  printf ("result\n");
}

/* --- as a caller --- */

static void
call (const char *request, const char *how)
{
  const int whole = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  g_autoptr (MossFfiTable) table = NULL;
  int broker = enter (&table), provider, data;
  g_auto (MossFfiFrame) connected = { 0 };
  g_auto (MossFfiFrame) answer = { 0 };
  const MossFfiTableOffer *offer;
  MossFfiCandidates candidates;
  guint64 length = g_str_equal (how, "short") ? BYTES + 1 : BYTES;
  const char *dims = g_str_equal (how, "huge") ? "[(4611686018427387904, 4), (2, 1)]" : "[]";
  g_autofree char *text = g_strdup_printf (
      "[([], 0, 0, %" G_GUINT64_FORMAT ", 'text/plain', %s, {})]", length, dims);
  g_autoptr (GVariant) buffers =
      g_variant_parse (G_VARIANT_TYPE ("a" MOSS_FFI_BUFFER_TYPE), text, NULL, NULL, NULL);

  resolve (table, request, &candidates);
  offer = moss_ffi_table_get_offer (table, candidates.offers[0]);
  send_frame (broker, MOSS_FFI_FRAME_CONNECT, 2,
              g_variant_new ("(u)", moss_ffi_table_get_provider_of (table, offer)->number), NULL,
              0);
  await (broker, MOSS_FFI_FRAME_CONNECTED, &connected);
  provider = moss_ffi_frame_take_fd (&connected, 0);
  if (provider < 0)
    fail (NULL);
  data = memory (g_str_equal (how, "unsealed") ? 0 : whole);
  send_frame (provider, MOSS_FFI_FRAME_CALL, 3,
              g_variant_new ("(ss@a{sv}@a" MOSS_FFI_BUFFER_TYPE "@a{sv})",
                             moss_ffi_table_get_text (table, offer->function), "text/plain",
                             g_variant_new ("a{sv}", NULL),
                             buffers, g_variant_new ("a{sv}", NULL)),
              &data, 1);
  await (provider, MOSS_FFI_FRAME_RESULT, &answer);
  print_answer (&answer);
}

static void
flood (double seconds)
{
  g_autoptr (MossFfiTable) table = NULL;
  int broker = enter (&table);
  gint64 end = g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
  guint n = 0;

  while (g_get_monotonic_time () < end)
    {
      g_auto (MossFfiFrame) answer = { 0 };
      g_autoptr (GError) error = NULL;
      struct pollfd room = { broker, POLLOUT, 0 };

      if (poll (&room, 1, 10) == 1 &&
          !moss_ffi_frame_send (broker, MOSS_FFI_FRAME_ASK, n++,
                                g_variant_new ("(sa{sv})", "convert(a/b) -> c/d", NULL), NULL, 0,
                                &error))
        break; /* it was hung up on */
      moss_ffi_frame_receive (broker, &answer, NULL);
    }
  printf ("%u\n", n);
}

static gint answers, refusals;

static void
on_answer (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, &error);
  g_autofree char *name = error != NULL ? g_dbus_error_get_remote_error (error) : NULL;

  answers++;
  refusals += g_strcmp0 (name, "org.moss.Error.Busy") == 0;
}

static GDBusConnection *
get_bus (void)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error);

  if (bus == NULL)
    fail (error);
  return bus;
}

static void
flood_bus (int calls)
{
  g_autoptr (GDBusConnection) bus = get_bus ();

  for (int i = 0; i < calls; i++)
    g_dbus_connection_call (bus, BROKER, BROKER_PATH, BROKER, "Query", g_variant_new ("(s)", ""),
                            NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_answer, NULL);
  while (answers < calls)
    g_main_context_iteration (NULL, TRUE);
  printf ("%d\n", refusals);
}

/* --- as a provider --- */

static GVariant *
describe_provider (const char *id)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", id);
  g_variant_dict_insert (&dict, "version", "s", "1");
  g_variant_dict_insert (&dict, "kind", "s", "local");
  return g_variant_dict_end (&dict);
}

static GVariant *
describe_offer (const char *capability, const char *function)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "capability", "s", capability);
  g_variant_dict_insert (&dict, "function", "s", function);
  g_variant_dict_insert (&dict, "pure", "b", TRUE);
  g_variant_dict_insert (&dict, "quality-rank", "u", 500u);
  return g_variant_dict_end (&dict);
}

static gpointer
keep_writing (gpointer memory)
{
  for (guint i = 0;; i++)
    memset (memory, 'A' + i % 26, BYTES);
  return NULL;
}

/* A result that its maker can write for ever. */
static int
changing_memory (void)
{
  static int fd = -1;
  gpointer data;

  if (fd >= 0)
    return fd;
  fd = memory (F_SEAL_SHRINK | F_SEAL_GROW);
  data = mmap (NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED)
    fail (NULL);
  g_thread_unref (g_thread_new ("writer", keep_writing, data));
  return fd;
}

static void
answer_call (int caller, guint64 serial, const char *how)
{
  gboolean lies = g_file_test (g_getenv ("MOSS_TEST_TURN"), G_FILE_TEST_EXISTS);
  g_autoptr (GVariant) outputs = NULL;
  const char *text = "[([0x41, 0x42, 0x43], -1, 0, 3, 'text/plain', [], {})]";
  guint n_fds = 0;
  int fd = -1;

  if (lies && g_str_equal (how, "cheap"))
    g_usleep (CHEAP_US);
  if (lies && g_str_equal (how, "change"))
    {
      fd = changing_memory ();
      n_fds = 1;
      text = "[([], 0, 0, 65536, 'text/plain', [], {})]";
    }
  outputs = g_variant_ref_sink (
      g_variant_parse (G_VARIANT_TYPE ("a" MOSS_FFI_BUFFER_TYPE), text, NULL, NULL, NULL));
  send_frame (caller, MOSS_FFI_FRAME_RESULT, serial,
              g_variant_new ("(@a" MOSS_FFI_BUFFER_TYPE "@a{sv}t@a{sv})", outputs,
                             g_variant_new ("a{sv}", NULL), (guint64) 1,
                             g_variant_new ("a{sv}", NULL)),
              &fd, n_fds);
}

/* FALSE: the peer hung up. */
static gboolean
serve (GArray *polled, guint i, const char *how)
{
  int fd = g_array_index (polled, struct pollfd, i).fd;
  g_auto (MossFfiFrame) frame = { 0 };
  g_autoptr (GError) error = NULL;

  if (!moss_ffi_frame_receive (fd, &frame, &error))
    return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  if (frame.kind == MOSS_FFI_FRAME_CALLER)
    {
      struct pollfd caller = { moss_ffi_frame_take_fd (&frame, 0), POLLIN, 0 };

      g_array_append_val (polled, caller);
    }
  else if (frame.kind == MOSS_FFI_FRAME_CALL)
    answer_call (fd, frame.serial, how);
  return TRUE;
}

static int
enter_as (const char *app)
{
  g_autoptr (GDBusConnection) bus = get_bus ();
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  int ends[2];

  if (!moss_ffi_socket_pair (ends, &error))
    fail (error);
  g_unix_fd_list_append (fds, ends[0], NULL);
  reply = g_dbus_connection_call_with_unix_fd_list_sync (
      bus, BROKER, BROKER_PATH, BROKER, "Adopt", g_variant_new ("(hss)", 0, "box", app), NULL,
      G_DBUS_CALL_FLAGS_NONE, -1, fds, NULL, NULL, &error);
  if (reply == NULL)
    fail (error);
  close (ends[0]);
  return ends[1];
}

static void
offer (int fd, const char *id, const char *capability, const char *how)
{
  g_autoptr (GArray) polled = g_array_new (FALSE, FALSE, sizeof (struct pollfd));
  struct pollfd broker = { fd, POLLIN, 0 };
  GVariant *offers[] = { describe_offer (capability, how) };

  g_array_append_val (polled, broker);
  send_frame (broker.fd, MOSS_FFI_FRAME_ANNOUNCE, 2,
              g_variant_new ("(@a{sv}@aa{sv})", describe_provider (id),
                             g_variant_new_array (NULL, offers, 1)),
              NULL, 0);
  while (poll ((struct pollfd *) polled->data, polled->len, -1) > 0)
    for (guint i = polled->len; i-- > 0;)
      if (g_array_index (polled, struct pollfd, i).revents != 0 && !serve (polled, i, how))
        {
          close (g_array_index (polled, struct pollfd, i).fd);
          g_array_remove_index (polled, i);
          if (i == 0)
            return; /* the broker */
        }
}

/* Returns the name of the error, or NULL. */
static char *
announce_some (int broker, guint number)
{
  g_auto (MossFfiFrame) answer = { 0 };
  GVariant *offers[SOME];
  char *name = NULL;

  for (guint i = 0; i < SOME; i++)
    {
      g_autofree char *function = g_strdup_printf ("f%u", number * SOME + i);
      g_autofree char *capability =
          g_strdup_printf ("transform %s(text/plain) -> text/plain", function);

      offers[i] = describe_offer (capability, function);
    }
  send_frame (broker, MOSS_FFI_FRAME_ANNOUNCE, number + 2,
              g_variant_new ("(@a{sv}@aa{sv})", describe_provider ("process:hostile"),
                             g_variant_new_array (NULL, offers, SOME)),
              NULL, 0);
  await (broker, MOSS_FFI_FRAME_ANNOUNCED, &answer);
  if (answer.kind == MOSS_FFI_FRAME_ERROR)
    g_variant_get (answer.body, "(ss)", &name, NULL);
  return name;
}

static void
announce (guint n)
{
  g_autoptr (MossFfiTable) table = NULL;
  g_autofree char *name = NULL;
  int broker = enter (&table);
  guint taken = 0;

  while (taken < n && (name = announce_some (broker, taken)) == NULL)
    taken++;
  printf ("%u %s\n", taken, name != NULL ? name : "");
}

/* --- */

static void
decide (const char *request)
{
  g_autoptr (MossFfiTable) table = NULL;
  gint64 least_us = G_MAXINT64;
  MossFfiCandidates candidates;
  guint chosen = 0;

  close (enter (&table));
  resolve (table, request, &candidates);
  for (guint round = 0; round < 20; round++)
    {
      gint64 began = g_get_monotonic_time ();

      for (guint i = 0; i < DECISIONS; i++)
        chosen += moss_ffi_choose (table, &candidates, 1000 + i, NULL);
      least_us = MIN (least_us, g_get_monotonic_time () - began);
    }
  printf ("%" G_GINT64_FORMAT " %u %u\n", least_us * 1000 / DECISIONS,
          moss_ffi_table_get_n_offers (table), chosen);
}

int
main (int argc, char **argv)
{
  const char *what = argc > 2 ? argv[1] : "";
  g_autoptr (MossFfiTable) table = NULL;

  if (g_str_equal (what, "call") && argc == 4)
    call (argv[2], argv[3]);
  else if (g_str_equal (what, "offer") && argc == 5)
    offer (enter (&table), argv[2], argv[3], argv[4]);
  else if (g_str_equal (what, "adopt") && argc == 6)
    offer (enter_as (argv[2]), argv[3], argv[4], argv[5]);
  else if (g_str_equal (what, "flood-bus") && argc == 3)
    flood_bus (atoi (argv[2]));
  else if (g_str_equal (what, "announce") && argc == 3)
    announce (atoi (argv[2]));
  else if (g_str_equal (what, "flood") && argc == 3)
    flood (g_ascii_strtod (argv[2], NULL));
  else if (g_str_equal (what, "decide") && argc == 3)
    decide (argv[2]);
  else
    return 2;
  return 0;
}
