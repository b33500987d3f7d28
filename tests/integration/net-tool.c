// SPDX-License-Identifier: GPL-3.0-or-later
/* What the link test needs of D-Bus with file descriptors, for Python has none.
 *
 *   net-tool put MIB SEED DEVICE    stores random bytes; prints refs, then a line of JSON
 *   net-tool get DEVICE < refs      prints a line of JSON with the SHA-256 of what came
 *   net-tool call DEVICE METHOD TEXT TIMEOUT_MS
 *   net-tool serve                  answers as a session does: echo, wait, fail, device */
#include "moss-dbus-net.h"
#include "moss-dbus-session.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  OBJECT = 1 << 20,
};

static MossDBusNet1 *
connect_net (void)
{
  g_autoptr (GError) error = NULL;
  MossDBusNet1 *net = moss_dbus_net1_proxy_new_for_bus_sync (
      G_BUS_TYPE_SESSION, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES, "org.moss.Net1",
      "/org/moss/Net", NULL, &error);

  if (net == NULL)
    g_error ("%s", error->message);
  g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (net), 600000);
  return net;
}

static int
fail (GError *error)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);

  g_dbus_error_strip_remote_error (error);
  g_print ("{\"error\": \"%s\", \"text\": \"%s\"}\n", name != NULL ? name : "", error->message);
  return 1;
}

static void
print_hex (GVariant *bytes)
{
  gsize length;
  const guint8 *data = g_variant_get_fixed_array (bytes, &length, 1);

  for (gsize i = 0; i < length; i++)
    g_print ("%02x", data[i]);
}

static GVariant *
read_hex (const char *text)
{
  guint8 bytes[32];

  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (g_ascii_xdigit_value (text[2 * i]) << 4) |
               g_ascii_xdigit_value (text[2 * i + 1]);
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, sizeof bytes, 1);
}

/* Random, but every other page compresses, as memory does. */
static int
make_content (gsize length, guint32 seed, char **sum)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  int fd = memfd_create ("content", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  guint32 *words;

  if (ftruncate (fd, length) < 0)
    g_error ("ftruncate");
  words = mmap (NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  for (gsize i = 0; i < length / 4; i++)
    {
      words[i] = g_rand_int (rand);
      if ((i / 1024) % 2 == 0)
        words[i] &= 0xff;
    }
  *sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (guint8 *) words, length);
  munmap (words, length);
  fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  return fd;
}

static int
put (guint mib, guint32 seed, const char *device)
{
  g_autoptr (MossDBusNet1) net = connect_net ();
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) refs = NULL;
  g_autofree char *sum = NULL;
  GVariantBuilder ranges;
  guint64 stored;
  gint64 start;
  int fd = make_content ((gsize) mib * OBJECT, seed, &sum);

  g_variant_builder_init (&ranges, G_VARIANT_TYPE ("a(tu)"));
  for (guint i = 0; i < mib; i++)
    g_variant_builder_add (&ranges, "(tu)", (guint64) i * OBJECT, OBJECT);
  start = g_get_monotonic_time ();
  if (!moss_dbus_net1_call_put_sync (
          net, g_variant_new_handle (g_unix_fd_list_append (fds, fd, NULL)),
          g_variant_builder_end (&ranges), device, fds, &refs, &stored, NULL, NULL, &error))
    return fail (error);
  gint64 took = g_get_monotonic_time () - start;
  for (gsize i = 0; i < g_variant_n_children (refs); i++)
    {
      g_autoptr (GVariant) id = NULL;
      g_autoptr (GVariant) key = NULL;

      g_variant_get_child (refs, i, "(@ay@ay)", &id, &key);
      print_hex (id);
      g_print (" ");
      print_hex (key);
      g_print ("\n");
    }
  g_print ("{\"sha256\": \"%s\", \"stored\": %" G_GUINT64_FORMAT ", \"ms\": %.1f}\n", sum,
           stored, took / 1000.0);
  return 0;
}

static int
get (const char *device)
{
  g_autoptr (MossDBusNet1) net = connect_net ();
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) handle = NULL;
  g_autoptr (GVariant) lengths = NULL;
  g_autofree char *sum = NULL;
  GVariantBuilder refs;
  char line[256];
  guint64 fetched, total = 0;
  gint64 start;

  g_variant_builder_init (&refs, G_VARIANT_TYPE ("a(ayay)"));
  while (fgets (line, sizeof line, stdin) != NULL)
    if (strlen (line) >= 129)
      g_variant_builder_add (&refs, "(@ay@ay)", read_hex (line), read_hex (line + 65));
  start = g_get_monotonic_time ();
  if (!moss_dbus_net1_call_get_sync (net, g_variant_builder_end (&refs), device, NULL,
                                     &handle, &lengths, &fetched, &fds, NULL, &error))
    return fail (error);
  gint64 took = g_get_monotonic_time () - start;
  int fd = g_unix_fd_list_get (fds, g_variant_get_handle (handle), NULL);
  for (gsize i = 0; i < g_variant_n_children (lengths); i++)
    {
      guint32 length;

      g_variant_get_child (lengths, i, "u", &length);
      total += length;
    }
  if ((guint64) lseek (fd, 0, SEEK_END) != total || (fcntl (fd, F_GET_SEALS) & F_SEAL_WRITE) == 0)
    g_error ("what came is not a sealed file of the right size");
  guint8 *map = mmap (NULL, total, PROT_READ, MAP_PRIVATE, fd, 0);
  sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, map, total);
  g_print ("{\"sha256\": \"%s\", \"bytes\": %" G_GUINT64_FORMAT
           ", \"fetched\": %" G_GUINT64_FORMAT ", \"ms\": %.1f, \"mb_per_s\": %.0f}\n",
           sum, total, fetched, took / 1000.0, total / (double) took);
  return 0;
}

static int
call (const char *device, const char *method, const char *text, guint timeout_ms)
{
  g_autoptr (MossDBusNet1) net = connect_net ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) inner = NULL;
  gint64 start = g_get_monotonic_time ();

  if (!moss_dbus_net1_call_call_sync (net, device, method,
                                      g_variant_new_variant (g_variant_new_string (text)),
                                      timeout_ms, &reply, NULL, &error))
    return fail (error);
  inner = g_variant_get_variant (reply);
  g_autofree char *printed = g_variant_print (inner, FALSE);
  g_print ("{\"reply\": \"%s\", \"ms\": %.1f}\n", printed,
           (g_get_monotonic_time () - start) / 1000.0);
  return 0;
}

static gboolean
on_waited (gpointer data)
{
  g_dbus_method_invocation_return_value (
      data, g_variant_new ("(v)", g_variant_new_string ("waited")));
  return G_SOURCE_REMOVE;
}

static gboolean
on_handle (MossDBusSessionPeer1 *peer,
           GDBusMethodInvocation *invocation,
           const char *device,
           const char *method,
           GVariant *body,
           gpointer unused)
{
  if (strcmp (method, "wait") == 0)
    g_timeout_add (3000, on_waited, invocation);
  else if (strcmp (method, "fail") == 0)
    g_dbus_method_invocation_return_dbus_error (invocation, "org.moss.Error.Blocked",
                                                "it has /dev/dri/card0 open");
  else if (strcmp (method, "device") == 0)
    moss_dbus_session_peer1_complete_handle (
        peer, invocation, g_variant_new_variant (g_variant_new_string (device)));
  else
    moss_dbus_session_peer1_complete_handle (peer, invocation, body);
  return TRUE;
}

static int
serve (void)
{
  g_autoptr (MossDBusSessionPeer1) peer = moss_dbus_session_peer1_skeleton_new ();
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_signal_connect (peer, "handle-handle", G_CALLBACK (on_handle), NULL);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (peer), bus,
                                         "/org/moss/Session", &error))
    g_error ("%s", error->message);
  g_bus_own_name_on_connection (bus, "org.moss.Session1", 0, NULL, NULL, NULL, NULL);
  g_main_loop_run (g_main_loop_new (NULL, FALSE));
  return 0;
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  if (argc == 5 && strcmp (argv[1], "put") == 0)
    return put (atoi (argv[2]), atoi (argv[3]), argv[4]);
  if (argc == 3 && strcmp (argv[1], "get") == 0)
    return get (argv[2]);
  if (argc == 6 && strcmp (argv[1], "call") == 0)
    return call (argv[2], argv[3], argv[4], atoi (argv[5]));
  if (argc == 2 && strcmp (argv[1], "serve") == 0)
    return serve ();
  g_printerr ("net-tool put|get|call|serve\n");
  return 2;
}
