/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Session1 and Net1 for the test of the command line, with apps that are only names: it prints
 * every call, and answers in the ways that are hard to bring about with real apps (a title that
 * steers the terminal, a move that hangs until it is cancelled, each kind of error). */

#include "moss-dbus-net.h"
#include "moss-dbus-session.h"

#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FOOT "aaaa1111-0000-4000-8000-000000000001"
#define FOOT_AWAY "aaaa2222-0000-4000-8000-000000000002"
#define PAD "bbbb3333-0000-4000-8000-000000000003"
#define GPU "cccc4444-0000-4000-8000-000000000004"
#define ENDED "dddd5555-0000-4000-8000-000000000005"
#define LAPTOP "1111111111111111111111111111111111111111111111111111111111111111"
#define SELF "2222222222222222222222222222222222222222222222222222222222222222"

static const char list_text[]
    = "[{'id': <'" FOOT "'>, 'app': <'foot.desktop'>, 'name': <'Foot'>, 'state': <'running'>, "
      "  'argv': <[b'foot']>, 'travels': <true>, 'progress': <0.0>, 'text': <''>, "
      "  'files': <uint32 2>},"
      " {'id': <'" FOOT_AWAY "'>, 'app': <'foot.desktop'>, 'name': <'Foot'>, "
      "  'state': <'away'>, 'device': <'" LAPTOP "'>, 'text': <'Runs on laptop'>},"
      " {'id': <'" PAD "'>, 'app': <'mousepad.desktop'>, 'name': <'\\u001b[2JPad'>, "
      "  'state': <'running'>, 'text': <''>},"
      " {'id': <'" GPU "'>, 'app': <'glxgears'>, 'name': <'Gears'>, 'state': <'running'>, "
      "  'travels': <false>, 'blockers': <['it uses the graphics card']>},"
      " {'id': <'" ENDED "'>, 'app': <'gimp.desktop'>, 'name': <'GIMP'>, 'state': <'ended'>, "
      "  'files': <uint32 1>}]";

static const char snapshots_text[]
    = "[{'snapshot': <'eeee1111-0000-4000-8000-000000000001'>, 'id': <'" FOOT "'>, "
      "  'app': <'foot.desktop'>, 'name': <'Foot'>, 'label': <'lunch'>, "
      "  'time': <int64 1700000000000000>, 'bytes': <uint64 5000000>, "
      "  'new-bytes': <uint64 1000>, 'kind': <'manual'>},"
      " {'snapshot': <'eeee2222-0000-4000-8000-000000000002'>, 'id': <'" FOOT "'>, "
      "  'app': <'foot.desktop'>, 'name': <'Foot'>, 'label': <''>, "
      "  'time': <int64 1600000000000000>, 'bytes': <uint64 5000000>, "
      "  'new-bytes': <uint64 5000000>, 'kind': <'move'>}]";

static const char devices_text[]
    = "[{'id': <'" LAPTOP "'>, 'name': <'laptop'>, 'state': <'linked'>, 'load': <0.25>, "
      "  'address': <'10.0.0.2'>, 'paired': <true>},"
      " {'id': <'3333333333333333333333333333333333333333333333333333333333333333'>, "
      "  'name': <'shelf'>, 'state': <'away'>, 'reason': <'Shelf is away since noon.'>, "
      "  'paired': <true>},"
      " {'id': <'4444444444444444444444444444444444444444444444444444444444444444'>, "
      "  'name': <'stranger'>, 'state': <'away'>, 'paired': <false>}]";

static const char report_text[]
    = "{'freeze-ms': <210.0>, 'bytes-sent': <uint64 1200000>, 'image-bytes': <uint64 5000000>}";

static GMainLoop *loop;
static GDBusMethodInvocation *hanging;   /* a send that waits for its Cancel */

static GVariant *
parse (const char *type, const char *text)
{
  GError *error = NULL;
  GVariant *value = g_variant_parse (G_VARIANT_TYPE (type), text, NULL, NULL, &error);

  if (value == NULL)
    g_error ("%s", error->message);
  return value;
}

/* Prints every call; those that have nothing to say are answered. */
static gboolean
on_authorize (GDBusInterfaceSkeleton *skeleton, GDBusMethodInvocation *invocation, gpointer data)
{
  g_autofree char *text
      = g_variant_print (g_dbus_method_invocation_get_parameters (invocation), FALSE);

  printf ("%s %s\n", g_dbus_method_invocation_get_method_name (invocation), text);
  fflush (stdout);
  return TRUE;
}

static gboolean
refuse (GDBusMethodInvocation *invocation, const char *name, const char *message)
{
  g_dbus_method_invocation_return_dbus_error (invocation, name, message);
  return TRUE;
}

static gboolean
on_list (MossDBusSession1 *session, GDBusMethodInvocation *invocation)
{
  moss_dbus_session1_complete_list (session, invocation, parse ("aa{sv}", list_text));
  return TRUE;
}

/* The content of the files that came along is printed as well. */
static gboolean
on_run (MossDBusSession1 *session, GDBusMethodInvocation *invocation, GUnixFDList *fds,
        const char *what, const char *const *arguments, GVariant *files, GVariant *options)
{
  char buffer[256];

  for (int i = 0; fds != NULL && i < g_unix_fd_list_get_length (fds); i++)
    {
      int fd = g_unix_fd_list_get (fds, i, NULL);
      gssize n = read (fd, buffer, sizeof buffer);

      printf ("content %.*s\n", (int) MAX (n, 0), buffer);
      close (fd);
    }
  fflush (stdout);
  if (strcmp (what, "crash") == 0)
    _exit (1);
  if (strcmp (what, "nothing") == 0)
    return refuse (invocation, "org.moss.Error.NotFound", "no program is called 'nothing'");
  moss_dbus_session1_complete_run (session, invocation, NULL, FOOT);
  return TRUE;
}

static void
emit_progress (MossDBusSession1 *session, const char *id)
{
  moss_dbus_session1_emit_changed (
      session, id, parse ("a{sv}", "{'progress': <0.5>, 'text': <'sending memory'>}"));
}

static gboolean
on_send (MossDBusSession1 *session, GDBusMethodInvocation *invocation, const char *id,
         const char *device)
{
  if (strcmp (id, GPU) == 0)
    return refuse (invocation, "org.moss.Error.NotTravelable",
                   "Gears can't travel: it uses the graphics card");
  emit_progress (session, id);
  if (strcmp (id, PAD) == 0)
    hanging = invocation;
  else
    moss_dbus_session1_complete_send (session, invocation, parse ("a{sv}", report_text));
  return TRUE;
}

static gboolean
on_bring (MossDBusSession1 *session, GDBusMethodInvocation *invocation, const char *id)
{
  moss_dbus_session1_complete_bring (session, invocation, parse ("a{sv}", report_text));
  return TRUE;
}

static gboolean
on_cancel (MossDBusSession1 *session, GDBusMethodInvocation *invocation, const char *id)
{
  if (hanging != NULL)
    refuse (hanging, "org.moss.Error.Cancelled", "cancelled");
  hanging = NULL;
  moss_dbus_session1_complete_cancel (session, invocation);
  return TRUE;
}

static gboolean
on_preflight (MossDBusSession1 *session, GDBusMethodInvocation *invocation, const char *id,
              const char *device)
{
  const char *answer = strcmp (id, GPU) == 0
                           ? "{'travels': <false>, 'reason': <'Gears uses the graphics card'>}"
                           : "{'travels': <true>, 'time-ms': <uint32 400>, "
                             " 'bytes': <uint64 12000000>, 'present-bytes': <uint64 3000000>}";

  moss_dbus_session1_complete_preflight (session, invocation, parse ("a{sv}", answer));
  return TRUE;
}

static gboolean
on_snapshot (MossDBusSession1 *session, GDBusMethodInvocation *invocation, const char *id,
             const char *label)
{
  moss_dbus_session1_complete_snapshot (session, invocation, "eeee3333");
  return TRUE;
}

static gboolean
on_snapshots (MossDBusSession1 *session, GDBusMethodInvocation *invocation, const char *id)
{
  gboolean some = id[0] == '\0' || strcmp (id, FOOT) == 0;

  moss_dbus_session1_complete_snapshots (session, invocation,
                                         parse ("aa{sv}", some ? snapshots_text : "[]"));
  return TRUE;
}

static gboolean
on_restore (MossDBusSession1 *session, GDBusMethodInvocation *invocation, const char *snapshot,
            gboolean copy)
{
  moss_dbus_session1_complete_restore (session, invocation, copy ? PAD : FOOT);
  return TRUE;
}

static gboolean
on_delete_snapshot (MossDBusSession1 *session, GDBusMethodInvocation *invocation,
                    const char *snapshot)
{
  moss_dbus_session1_complete_delete_snapshot (session, invocation);
  return TRUE;
}

static gboolean
on_close (MossDBusSession1 *session, GDBusMethodInvocation *invocation, const char *id,
          gboolean force)
{
  moss_dbus_session1_complete_close (session, invocation);
  return TRUE;
}

static gboolean
on_discard (MossDBusSession1 *session, GDBusMethodInvocation *invocation, const char *id)
{
  moss_dbus_session1_complete_discard (session, invocation);
  return TRUE;
}

/* pad's app is hostile: its files have names that lead out. */
static gboolean
on_list_files (MossDBusSession1 *session, GDBusMethodInvocation *invocation, const char *id)
{
  const char *files
      = strcmp (id, PAD) == 0
            ? "[{'path': <b'../../escaped'>, 'size': <uint64 1>},"
              " {'path': <b'/tmp/escaped'>}, {'path': <b'.bashrc'>}, {'path': <b'a/../b'>},"
              " {'path': <b'a//b'>}, {'path': <b'good'>, 'size': <uint64 1>}]"
            : "[{'path': <b'notes.txt'>, 'size': <uint64 6>, "
              "   'mtime': <int64 1700000000000000000>},"
              " {'path': <b'deep/er/odd\\377name'>, 'size': <uint64 6>}]";

  moss_dbus_session1_complete_list_files (session, invocation, parse ("aa{sv}", files));
  return TRUE;
}

static gboolean
on_read_file (MossDBusSession1 *session, GDBusMethodInvocation *invocation, GUnixFDList *unused,
              const char *id, const char *path)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  int fd;

  if (strcmp (path, "missing") == 0)
    return refuse (invocation, "org.moss.Error.NotFound", "Foot keeps no file 'missing'");
  fd = memfd_create ("content", MFD_CLOEXEC);
  /* The position is left at the end, where a writer leaves it. */
  if (write (fd, "hello\n", 6) != 6)
    g_error ("can't write");
  g_unix_fd_list_append (fds, fd, NULL);
  close (fd);
  moss_dbus_session1_complete_read_file (session, invocation, fds, g_variant_new_handle (0));
  return TRUE;
}

static gboolean
on_logout (MossDBusSession1 *session, GDBusMethodInvocation *invocation)
{
  moss_dbus_session1_complete_logout (session, invocation);
  g_dbus_connection_flush_sync (g_dbus_method_invocation_get_connection (invocation), NULL, NULL);
  g_main_loop_quit (loop);
  return TRUE;
}

static gboolean
on_devices (MossDBusNet1 *net, GDBusMethodInvocation *invocation)
{
  moss_dbus_net1_complete_devices (net, invocation, parse ("aa{sv}", devices_text));
  return TRUE;
}

static gboolean
on_add_device (MossDBusNet1 *net, GDBusMethodInvocation *invocation, const char *address,
               const char *fingerprint)
{
  if (strlen (fingerprint) < 64)
    return refuse (invocation, "org.moss.Error.Invalid",
                   "a fingerprint has 64 digits, this one fewer");
  moss_dbus_net1_complete_add_device (net, invocation, LAPTOP);
  return TRUE;
}

static gboolean
on_remove_device (MossDBusNet1 *net, GDBusMethodInvocation *invocation, const char *id)
{
  moss_dbus_net1_complete_remove_device (net, invocation);
  return TRUE;
}

static void
export_session (GDBusConnection *bus)
{
  static const struct
  {
    const char *signal;
    GCallback handler;
  } handlers[] = {
    { "handle-list", G_CALLBACK (on_list) },
    { "handle-run", G_CALLBACK (on_run) },
    { "handle-send", G_CALLBACK (on_send) },
    { "handle-bring", G_CALLBACK (on_bring) },
    { "handle-cancel", G_CALLBACK (on_cancel) },
    { "handle-preflight", G_CALLBACK (on_preflight) },
    { "handle-snapshot", G_CALLBACK (on_snapshot) },
    { "handle-snapshots", G_CALLBACK (on_snapshots) },
    { "handle-restore", G_CALLBACK (on_restore) },
    { "handle-delete-snapshot", G_CALLBACK (on_delete_snapshot) },
    { "handle-close", G_CALLBACK (on_close) },
    { "handle-discard", G_CALLBACK (on_discard) },
    { "handle-list-files", G_CALLBACK (on_list_files) },
    { "handle-read-file", G_CALLBACK (on_read_file) },
    { "handle-logout", G_CALLBACK (on_logout) },
  };
  MossDBusSession1 *session = moss_dbus_session1_skeleton_new ();

  g_signal_connect (session, "g-authorize-method", G_CALLBACK (on_authorize), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (handlers); i++)
    g_signal_connect (session, handlers[i].signal, handlers[i].handler, NULL);
  /* Calls come in the order in which they are printed. */
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (session), bus,
                                    "/org/moss/Session", NULL);
}

static void
export_net (GDBusConnection *bus)
{
  MossDBusNet1 *net = moss_dbus_net1_skeleton_new ();

  moss_dbus_net1_set_device_id (net, SELF);
  moss_dbus_net1_set_device_name (net, "desktop");
  g_signal_connect (net, "g-authorize-method", G_CALLBACK (on_authorize), NULL);
  g_signal_connect (net, "handle-devices", G_CALLBACK (on_devices), NULL);
  g_signal_connect (net, "handle-add-device", G_CALLBACK (on_add_device), NULL);
  g_signal_connect (net, "handle-remove-device", G_CALLBACK (on_remove_device), NULL);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (net), bus, "/org/moss/Net", NULL);
}

static void
on_name_acquired (GDBusConnection *bus, const char *name, gpointer data)
{
  printf ("ready %s\n", name);
  fflush (stdout);
}

int
main (int argc, char **argv)
{
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);

  if (bus == NULL)
    return 1;
  loop = g_main_loop_new (NULL, FALSE);
  export_session (bus);
  if (argc < 2 || strcmp (argv[1], "--without-net") != 0)
    {
      export_net (bus);
      g_bus_own_name_on_connection (bus, "org.moss.Net1", 0, NULL, NULL, NULL, NULL);
    }
  g_bus_own_name_on_connection (bus, "org.moss.Session1", 0, on_name_acquired, NULL, NULL, NULL);
  g_main_loop_run (loop);
  return 0;
}
