// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "fake-session"

#include "moss-dbus-net.h"
#include "moss-dbus-session.h"

#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <stdio.h>
#include <stdlib.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A test fixture: owns org.moss.Session1 and org.moss.Net1 with devices and apps that a test
   asks for, and writes each call of the shell to stdout, one a line. Commands come on
   stdin, one a line:

     device ID NAME KIND STATE LOAD CORES [stranger]
     app ID APP NAME STATE [DEVICE [PROGRESS]]
     viewer ID SOCKET     Connect answers with a connection to this display
     files ID NAME…       what ListFiles says
     gone ID
     notice ID KIND ACTION TEXT…
     tray                 a program registers a tray item
     answer DEVICE travels|refuses MS BYTES PRESENT REASON…  */

static MossDBusSession1 *session;
static MossDBusNet1 *net;
static GHashTable *apps;    /* id → GVariantDict */
static GHashTable *viewers; /* id → socket path */
static GHashTable *files;   /* id → names */
static GHashTable *answers; /* device → GVariant */
static GPtrArray *order;    /* of app ids */
static GHashTable *devices; /* id → GVariant */
static GPtrArray *device_order;

static void
say (const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  vprintf (format, arguments);
  va_end (arguments);
  putchar ('\n');
  fflush (stdout);
}

static GVariant *
fields_of (const char *id)
{
  GVariant *fields = g_hash_table_lookup (apps, id);

  return fields != NULL ? g_variant_ref (fields) : NULL;
}

static void
set_app (const char *id, GVariantDict *dict)
{
  GVariant *fields = g_variant_ref_sink (g_variant_dict_end (dict));

  if (!g_hash_table_contains (apps, id))
    g_ptr_array_add (order, g_strdup (id));
  g_hash_table_insert (apps, g_strdup (id), fields);
  moss_dbus_session1_emit_changed (session, id, fields);
}

static void
change (const char *id, const char *state, const char *device, double progress)
{
  g_autoptr (GVariant) fields = fields_of (id);
  GVariantDict dict;

  g_variant_dict_init (&dict, fields);
  g_variant_dict_insert (&dict, "state", "s", state);
  if (device != NULL)
    g_variant_dict_insert (&dict, "device", "s", device);
  g_variant_dict_insert (&dict, "progress", "d", progress);
  set_app (id, &dict);
}

static gboolean
on_list (MossDBusSession1 *object, GDBusMethodInvocation *invocation)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < order->len; i++)
    if (g_hash_table_contains (apps, order->pdata[i]))
      g_variant_builder_add_value (&list, g_hash_table_lookup (apps, order->pdata[i]));
  moss_dbus_session1_complete_list (object, invocation, g_variant_builder_end (&list));
  return TRUE;
}

static gboolean
on_describe (MossDBusSession1 *object, GDBusMethodInvocation *invocation, const char *id)
{
  g_autoptr (GVariant) fields = fields_of (id);

  if (fields == NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, "org.moss.Error.Unknown",
                                                "no such app");
  else
    moss_dbus_session1_complete_describe (object, invocation, fields);
  return TRUE;
}

static gboolean
on_run (MossDBusSession1 *object, GDBusMethodInvocation *invocation, GUnixFDList *fds,
        const char *what, GVariant *arguments, GVariant *run_files, GVariant *options)
{
  static guint counter;
  g_autofree char *id = g_strdup_printf ("run-%u", ++counter);
  GVariantDict dict;

  say ("run %s files=%u", what, (guint) g_variant_n_children (run_files));
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", id);
  g_variant_dict_insert (&dict, "app", "s", what);
  g_variant_dict_insert (&dict, "state", "s", "running");
  set_app (id, &dict);
  moss_dbus_session1_complete_run (object, invocation, NULL, id);
  return TRUE;
}

static gboolean
on_connect (MossDBusSession1 *object, GDBusMethodInvocation *invocation, GUnixFDList *fds,
            const char *id)
{
  const char *path = g_hash_table_lookup (viewers, id);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
  int fd;

  say ("connect %s", id);
  fd = path != NULL ? socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
  if (fd >= 0)
    g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) != 0)
    {
      g_dbus_method_invocation_return_dbus_error (invocation, "org.moss.Error.Failed",
                                                  "it has no display yet");
      return TRUE;
    }
  moss_dbus_session1_complete_connect (object, invocation, list,
                                       g_variant_new_handle (g_unix_fd_list_append (list, fd,
                                                                                    NULL)));
  close (fd);
  return TRUE;
}

static gboolean
on_preflight (MossDBusSession1 *object, GDBusMethodInvocation *invocation, const char *id,
              const char *device)
{
  GVariant *answer = g_hash_table_lookup (answers, device);
  GVariantDict dict;

  if (answer != NULL)
    {
      moss_dbus_session1_complete_preflight (object, invocation, answer);
      return TRUE;
    }
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "travels", "b", TRUE);
  g_variant_dict_insert (&dict, "time-ms", "u", 200);
  g_variant_dict_insert (&dict, "bytes", "t", (guint64) 3000000);
  moss_dbus_session1_complete_preflight (object, invocation, g_variant_dict_end (&dict));
  return TRUE;
}

typedef struct
{
  char *id;
  char *device;
  double progress;
  GDBusMethodInvocation *invocation;
} Journey;

static gboolean
on_journey (gpointer data)
{
  Journey *journey = data;

  journey->progress += 0.1;
  if (journey->progress < 1.0)
    {
      change (journey->id, "leaving", journey->device, journey->progress);
      return G_SOURCE_CONTINUE;
    }
  change (journey->id, "away", journey->device, 0);
  moss_dbus_session1_complete_send (session, journey->invocation,
                                    g_variant_new ("a{sv}", NULL));
  g_free (journey->id);
  g_free (journey->device);
  g_free (journey);
  return G_SOURCE_REMOVE;
}

static gboolean
on_send (MossDBusSession1 *object, GDBusMethodInvocation *invocation, const char *id,
         const char *device)
{
  Journey *journey = g_new0 (Journey, 1);

  say ("send %s %s", id, device);
  journey->id = g_strdup (id);
  journey->device = g_strdup (device);
  journey->invocation = invocation;
  change (id, "leaving", device, 0);
  g_timeout_add (60, on_journey, journey);
  return TRUE;
}

static gboolean
on_bring (MossDBusSession1 *object, GDBusMethodInvocation *invocation, const char *id)
{
  say ("bring %s", id);
  change (id, "running", "", 0);
  moss_dbus_session1_complete_bring (object, invocation, g_variant_new ("a{sv}", NULL));
  return TRUE;
}

static gboolean
on_cancel (MossDBusSession1 *object, GDBusMethodInvocation *invocation, const char *id)
{
  say ("cancel %s", id);
  moss_dbus_session1_complete_cancel (object, invocation);
  return TRUE;
}

static gboolean
on_snapshot (MossDBusSession1 *object, GDBusMethodInvocation *invocation, const char *id,
             const char *label)
{
  say ("snapshot %s", id);
  moss_dbus_session1_complete_snapshot (object, invocation, "snapshot-1");
  return TRUE;
}

static gboolean
on_snapshots (MossDBusSession1 *object, GDBusMethodInvocation *invocation, const char *id)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (gint64 i = 0; i < 3; i++)
    {
      GVariantDict dict;

      g_variant_dict_init (&dict, NULL);
      g_variant_dict_insert (&dict, "snapshot", "s", i == 0 ? "s0" : i == 1 ? "s1" : "s2");
      g_variant_dict_insert (&dict, "time", "x",
                             (1795341840 - i * 3600) * G_USEC_PER_SEC);
      g_variant_dict_insert (&dict, "new-bytes", "t", (guint64) (i + 1) * 2100000);
      g_variant_builder_add_value (&list, g_variant_dict_end (&dict));
    }
  moss_dbus_session1_complete_snapshots (object, invocation, g_variant_builder_end (&list));
  return TRUE;
}

static gboolean
on_restore (MossDBusSession1 *object, GDBusMethodInvocation *invocation,
            const char *snapshot, gboolean copy)
{
  say ("restore %s copy=%d", snapshot, copy);
  moss_dbus_session1_complete_restore (object, invocation, "restored");
  return TRUE;
}

static gboolean
on_close (MossDBusSession1 *object, GDBusMethodInvocation *invocation, const char *id,
          gboolean force)
{
  say ("close %s force=%d", id, force);
  moss_dbus_session1_complete_close (object, invocation);
  return TRUE;
}

static gboolean
on_set_geometry (MossDBusSession1 *object, GDBusMethodInvocation *invocation,
                 const char *id, GVariant *geometry)
{
  g_autoptr (GVariant) inner = g_variant_get_variant (geometry);
  g_autofree char *text = g_variant_print (inner, FALSE);
  g_autoptr (GVariant) fields = fields_of (id);
  GVariantDict dict;

  say ("geometry %s %s", id, text);
  if (fields != NULL)
    {
      g_variant_dict_init (&dict, fields);
      g_variant_dict_insert (&dict, "geometry", "v", inner);
      g_hash_table_insert (apps, g_strdup (id),
                           g_variant_ref_sink (g_variant_dict_end (&dict)));
    }
  moss_dbus_session1_complete_set_geometry (object, invocation);
  return TRUE;
}

static gboolean
on_set_picture (MossDBusSession1 *object, GDBusMethodInvocation *invocation, const char *id,
                const char *unused)
{
  g_autoptr (GVariant) png = g_variant_get_child_value (
      g_dbus_method_invocation_get_parameters (invocation), 1);
  g_autoptr (GVariant) fields = fields_of (id);
  GVariantDict dict;

  say ("picture %s %u", id, (guint) g_variant_get_size (png));
  if (fields != NULL)
    {
      g_variant_dict_init (&dict, fields);
      g_variant_dict_insert_value (&dict, "picture", png);
      g_hash_table_insert (apps, g_strdup (id),
                           g_variant_ref_sink (g_variant_dict_end (&dict)));
    }
  moss_dbus_session1_complete_set_picture (object, invocation);
  return TRUE;
}

static gboolean
on_set_settings (MossDBusSession1 *object, GDBusMethodInvocation *invocation,
                 GVariant *settings)
{
  g_autofree char *text = g_variant_print (settings, FALSE);

  say ("settings %.200s", text);
  moss_dbus_session1_complete_set_settings (object, invocation);
  return TRUE;
}

static gboolean
on_list_files (MossDBusSession1 *object, GDBusMethodInvocation *invocation, const char *id)
{
  char **names = g_hash_table_lookup (files, id);
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; names != NULL && names[i] != NULL; i++)
    {
      GVariantDict dict;

      g_variant_dict_init (&dict, NULL);
      g_variant_dict_insert (&dict, "path", "^ay", names[i]);
      g_variant_dict_insert (&dict, "size", "t", (guint64) (i + 1) * 1234567);
      g_variant_builder_add_value (&list, g_variant_dict_end (&dict));
    }
  moss_dbus_session1_complete_list_files (object, invocation, g_variant_builder_end (&list));
  return TRUE;
}

static gboolean
on_devices (MossDBusNet1 *object, GDBusMethodInvocation *invocation)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < device_order->len; i++)
    g_variant_builder_add_value (&list, g_hash_table_lookup (devices,
                                                             device_order->pdata[i]));
  moss_dbus_net1_complete_devices (object, invocation, g_variant_builder_end (&list));
  return TRUE;
}

static gboolean
on_add_device (MossDBusNet1 *object, GDBusMethodInvocation *invocation, const char *address,
               const char *fingerprint)
{
  say ("add-device %s %s", address, fingerprint);
  moss_dbus_net1_complete_add_device (object, invocation, fingerprint);
  return TRUE;
}

/* A device that belongs to no identity. */
static gboolean
on_identity (MossDBusNet1 *object, GDBusMethodInvocation *invocation)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "problem", "s", "");
  g_variant_dict_insert (&dict, "sealing", "s", "none");
  g_variant_dict_insert (&dict, "locked", "b", FALSE);
  moss_dbus_net1_complete_identity (object, invocation, g_variant_dict_end (&dict));
  return TRUE;
}

/* ---- a program with a tray item ------------------------------------------------------- */

static const char tray_xml[] =
    "<node><interface name='org.kde.StatusNotifierItem'>"
    "<method name='Activate'>"
    "<arg type='i' direction='in'/><arg type='i' direction='in'/></method>"
    "<property name='Title' type='s' access='read'/>"
    "<property name='Status' type='s' access='read'/>"
    "<property name='IconName' type='s' access='read'/>"
    "<property name='IconPixmap' type='a(iiay)' access='read'/>"
    "<property name='Menu' type='o' access='read'/></interface>"
    "<interface name='com.canonical.dbusmenu'>"
    "<method name='AboutToShow'>"
    "<arg type='i' direction='in'/><arg type='b' direction='out'/></method>"
    "<method name='GetLayout'><arg type='i' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='as' direction='in'/><arg type='u' direction='out'/>"
    "<arg type='(ia{sv}av)' direction='out'/></method>"
    "<method name='Event'><arg type='i' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='v' direction='in'/><arg type='u' direction='in'/></method></interface></node>";

static void
on_tray_call (GDBusConnection *bus, const char *sender, const char *path,
              const char *interface, const char *method, GVariant *parameters,
              GDBusMethodInvocation *invocation, gpointer data)
{
  GVariant *answer = NULL;

  if (g_str_equal (method, "Activate"))
    say ("tray activate");
  else if (g_str_equal (method, "AboutToShow"))
    answer = g_variant_new ("(b)", FALSE);
  else if (g_str_equal (method, "GetLayout"))
    answer = g_variant_new_parsed (
        "(uint32 1, (0, @a{sv} {}, ["
        "<(1, {'label': <'_Pause'>}, @av [])>, <(2, {'type': <'separator'>}, @av [])>,"
        "<(3, {'label': <'Quit'>}, @av [])>]))");
  else if (g_str_equal (method, "Event"))
    {
      int id;
      g_variant_get_child (parameters, 0, "i", &id);
      say ("tray event %d", id);
    }
  g_dbus_method_invocation_return_value (invocation, answer);
}

static GVariant *
on_tray_property (GDBusConnection *bus, const char *sender, const char *path,
                  const char *interface, const char *property, GError **error, gpointer data)
{
  static guchar red[16 * 16 * 4];

  if (g_str_equal (property, "Menu"))
    return g_variant_new_object_path ("/StatusNotifierItem");
  if (g_str_equal (property, "IconPixmap"))
    {
      for (gsize i = 0; i < sizeof red; i += 4)
        red[i] = red[i + 1] = 255;
      return g_variant_new_parsed ("[(16, 16, %@ay), (16, 16, [byte 1, 2]), (-1, 5, @ay [])]",
                                   g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, red,
                                                              sizeof red, 1));
    }
  return g_variant_new_string (g_str_equal (property, "Status") ? "Active"
                               : g_str_equal (property, "Title") ? "Sync" : "");
}

static void
do_tray (void)
{
  static const GDBusInterfaceVTable vtable = { on_tray_call, on_tray_property, NULL, { 0 } };
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (tray_xml, NULL);
  GDBusConnection *bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);

  for (guint i = 0; i < 2; i++)
    g_dbus_connection_register_object (bus, "/StatusNotifierItem", info->interfaces[i],
                                       &vtable, NULL, NULL, NULL);
  g_dbus_connection_call (bus, "org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher",
                          "org.kde.StatusNotifierWatcher", "RegisterStatusNotifierItem",
                          g_variant_new ("(s)", "/StatusNotifierItem"), NULL, 0, -1, NULL,
                          NULL, NULL);
}

/* ---- commands ------------------------------------------------------------------------ */

static void
do_device (char **words, guint n)
{
  GVariantDict dict;
  GVariant *fields;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", words[1]);
  g_variant_dict_insert (&dict, "name", "s", words[2]);
  g_variant_dict_insert (&dict, "kind", "s", words[3]);
  g_variant_dict_insert (&dict, "state", "s", words[4]);
  g_variant_dict_insert (&dict, "load", "d", g_ascii_strtod (words[5], NULL));
  g_variant_dict_insert (&dict, "cores", "u", (guint) atoi (words[6]));
  g_variant_dict_insert (&dict, "idle", "b", TRUE);
  g_variant_dict_insert (&dict, "paired", "b", n <= 7);
  fields = g_variant_ref_sink (g_variant_dict_end (&dict));
  if (!g_hash_table_contains (devices, words[1]))
    g_ptr_array_add (device_order, g_strdup (words[1]));
  g_hash_table_insert (devices, g_strdup (words[1]), fields);
  moss_dbus_net1_emit_device_changed (net, words[1], fields);
}

static void
do_app (char **words, guint n)
{
  g_autoptr (GVariant) old = fields_of (words[1]);
  GVariantDict dict;

  g_variant_dict_init (&dict, old);
  g_variant_dict_insert (&dict, "id", "s", words[1]);
  g_variant_dict_insert (&dict, "app", "s", words[2]);
  g_variant_dict_insert (&dict, "name", "s", words[3]);
  g_variant_dict_insert (&dict, "state", "s", words[4]);
  g_variant_dict_insert (&dict, "travels", "b", TRUE);
  g_variant_dict_insert (&dict, "device", "s", n > 5 ? words[5] : "");
  g_variant_dict_insert (&dict, "progress", "d", n > 6 ? g_ascii_strtod (words[6], NULL) : 0);
  g_variant_dict_insert (&dict, "files", "u", g_hash_table_contains (files, words[1]) ? 2 : 0);
  set_app (words[1], &dict);
}

static void
do_answer (char **words)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "travels", "b", g_str_equal (words[2], "travels"));
  g_variant_dict_insert (&dict, "time-ms", "u", (guint) atoi (words[3]));
  g_variant_dict_insert (&dict, "bytes", "t", g_ascii_strtoull (words[4], NULL, 10));
  g_variant_dict_insert (&dict, "present-bytes", "t", g_ascii_strtoull (words[5], NULL, 10));
  if (words[6] != NULL)
    {
      g_autofree char *reason = g_strjoinv (" ", words + 6);
      g_variant_dict_insert (&dict, "reason", "s", reason);
    }
  g_hash_table_insert (answers, g_strdup (words[1]),
                       g_variant_ref_sink (g_variant_dict_end (&dict)));
}

static void
do_command (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  guint n = g_strv_length (words);

  if (n >= 7 && g_str_equal (words[0], "device"))
    do_device (words, n);
  else if (n >= 5 && g_str_equal (words[0], "app"))
    do_app (words, n);
  else if (n >= 3 && g_str_equal (words[0], "viewer"))
    g_hash_table_insert (viewers, g_strdup (words[1]), g_strdup (words[2]));
  else if (n >= 3 && g_str_equal (words[0], "files"))
    g_hash_table_insert (files, g_strdup (words[1]), g_strdupv (words + 2));
  else if (n >= 2 && g_str_equal (words[0], "gone"))
    {
      g_hash_table_remove (apps, words[1]);
      moss_dbus_session1_emit_removed (session, words[1]);
    }
  else if (n >= 5 && g_str_equal (words[0], "notice"))
    {
      g_autofree char *text = g_strjoinv (" ", words + 4);
      moss_dbus_session1_emit_notice (session, words[1], words[2], text,
                                      g_str_equal (words[3], "-") ? "" : words[3]);
    }
  else if (g_str_equal (words[0], "tray"))
    do_tray ();
  else if (n >= 6 && g_str_equal (words[0], "answer"))
    do_answer (words);
  else if (*line != '\0')
    say ("error: %s", line);
}

static void
on_line (GObject *source, GAsyncResult *result, gpointer loop)
{
  GDataInputStream *input = G_DATA_INPUT_STREAM (source);
  g_autofree char *line = g_data_input_stream_read_line_finish_utf8 (input, result, NULL,
                                                                     NULL);

  if (line == NULL)
    {
      g_main_loop_quit (loop);
      return;
    }
  do_command (line);
  g_data_input_stream_read_line_async (input, G_PRIORITY_DEFAULT, NULL, on_line, loop);
}

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  GDBusConnection *bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  GInputStream *input = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  GDataInputStream *lines = g_data_input_stream_new (input);

  session = moss_dbus_session1_skeleton_new ();
  net = moss_dbus_net1_skeleton_new ();
  apps = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                (GDestroyNotify) g_variant_unref);
  devices = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                   (GDestroyNotify) g_variant_unref);
  answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                   (GDestroyNotify) g_variant_unref);
  viewers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                 (GDestroyNotify) g_strfreev);
  order = g_ptr_array_new ();
  device_order = g_ptr_array_new ();
  g_object_connect (session,
                    "signal::handle-list", on_list, NULL,
                    "signal::handle-describe", on_describe, NULL,
                    "signal::handle-run", on_run, NULL,
                    "signal::handle-connect", on_connect, NULL,
                    "signal::handle-preflight", on_preflight, NULL,
                    "signal::handle-send", on_send, NULL,
                    "signal::handle-bring", on_bring, NULL,
                    "signal::handle-cancel", on_cancel, NULL,
                    "signal::handle-snapshot", on_snapshot, NULL,
                    "signal::handle-snapshots", on_snapshots, NULL,
                    "signal::handle-restore", on_restore, NULL,
                    "signal::handle-close", on_close, NULL,
                    "signal::handle-list-files", on_list_files, NULL,
                    "signal::handle-set-geometry", on_set_geometry, NULL,
                    "signal::handle-set-picture", on_set_picture, NULL,
                    "signal::handle-set-settings", on_set_settings, NULL, NULL);
  g_object_connect (net,
                    "signal::handle-devices", on_devices, NULL,
                    "signal::handle-identity", on_identity, NULL,
                    "signal::handle-add-device", on_add_device, NULL, NULL);
  moss_dbus_net1_set_device_id (net, "3fa927c1d0b54e86a1f2c3d4e5f60718293a4b5c6d7e8f90"
                                     "a1b2c3d4e5f60718");
  moss_dbus_net1_set_device_name (net, "Desktop");
  moss_dbus_net1_set_port (net, 7787);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (session), bus,
                                    "/org/moss/Session", NULL);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (net), bus, "/org/moss/Net",
                                    NULL);
  g_bus_own_name_on_connection (bus, "org.moss.Session1", 0, NULL, NULL, NULL, NULL);
  g_bus_own_name_on_connection (bus, "org.moss.Net1", 0, NULL, NULL, NULL, NULL);
  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, on_line, loop);
  say ("ready");
  g_main_loop_run (loop);
  return 0;
}
