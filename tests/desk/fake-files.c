// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "fake-files"

#include "moss-dbus-files.h"
#include "moss-dbus-net.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>

/* A test fixture: owns org.moss.Net1 with the files that a test asks for, and writes each call
   to stdout, one a line. It stands in for states that are hard to bring about (a full host, a
   hang). Commands come on stdin, one a line; VALUE is GVariant text:

     mount HOME STATE [REASON…]
     status VALUE          a{sv}
     info PATH VALUE       a{sv}; a path without one has an empty answer
     versions PATH VALUE   aa{sv}
     conflicts VALUE       aa{sv}
     devices VALUE         aa{sv}
     changed PATH
     received DEVICE PATH
     refuse NAME TEXT…     what the next call that changes something is answered with */

static MossDBusFiles1 *files;
static MossDBusNet1 *net;
static GVariant *status, *conflicts, *devices;
static GHashTable *infos, *versions;
static char *refusal_name, *refusal_text;

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

static void
set (GVariant **place, GVariant *value)
{
  g_clear_pointer (place, g_variant_unref);
  *place = value;
}

static gboolean
on_status (MossDBusFiles1 *object, GDBusMethodInvocation *invocation)
{
  moss_dbus_files1_complete_status (object, invocation, status);
  return TRUE;
}

static gboolean
on_info (MossDBusFiles1 *object, GDBusMethodInvocation *invocation, const char *const *paths)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; paths[i] != NULL; i++)
    {
      GVariant *info = g_hash_table_lookup (infos, paths[i]);

      g_variant_builder_add_value (&list,
                                   info != NULL ? info : g_variant_new ("a{sv}", NULL));
    }
  say ("Info %u", g_strv_length ((char **) paths));
  moss_dbus_files1_complete_info (object, invocation, g_variant_builder_end (&list));
  return TRUE;
}

static gboolean
on_versions (MossDBusFiles1 *object, GDBusMethodInvocation *invocation, const char *path)
{
  GVariant *list = g_hash_table_lookup (versions, path);

  say ("Versions %s", path);
  if (list == NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, "org.moss.Error.NotFound",
                                                "There is no such file.");
  else
    moss_dbus_files1_complete_versions (object, invocation, list);
  return TRUE;
}

static gboolean
on_conflicts (MossDBusFiles1 *object, GDBusMethodInvocation *invocation)
{
  moss_dbus_files1_complete_conflicts (object, invocation, conflicts);
  return TRUE;
}

static gboolean
on_devices (MossDBusNet1 *object, GDBusMethodInvocation *invocation)
{
  moss_dbus_net1_complete_devices (object, invocation, devices);
  return TRUE;
}

/* All that change something are written down and answered the same way. */
static gboolean
on_deed (MossDBusFiles1 *object, GDBusMethodInvocation *invocation)
{
  g_autofree char *text =
      g_variant_print (g_dbus_method_invocation_get_parameters (invocation), FALSE);

  say ("%s %s", g_dbus_method_invocation_get_method_name (invocation), text);
  if (refusal_name != NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, refusal_name, refusal_text);
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
  g_clear_pointer (&refusal_name, g_free);
  return TRUE;
}

static GVariant *
parse (const char *type, const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *value = g_variant_parse (G_VARIANT_TYPE (type), text, NULL, NULL, &error);

  if (value == NULL)
    {
      g_printerr ("fake-files: %s: %s\n", text, error->message);
      exit (2);
    }
  return value;
}

static void
obey_words (char **words, guint n)
{
  if (g_str_equal (words[0], "mount") && n >= 3)
    {
      moss_dbus_files1_set_home (files, g_str_equal (words[1], "-") ? "" : words[1]);
      moss_dbus_files1_set_mount_reason (files, n > 3 ? words[3] : "");
      moss_dbus_files1_set_mount_state (files, words[2]);
    }
  else if (g_str_equal (words[0], "received") && n >= 3)
    moss_dbus_files1_emit_received (files, words[2], words[1]);
}

static void
obey (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 4);
  const char *rest = strchr (line, ' ');
  const char *rest2 = rest != NULL ? strchr (rest + 1, ' ') : NULL;

  if (g_str_equal (words[0], "status"))
    {
      set (&status, parse ("a{sv}", rest + 1));
      moss_dbus_files1_emit_status_changed (files, status);
    }
  else if (g_str_equal (words[0], "info"))
    g_hash_table_insert (infos, g_strdup (words[1]), parse ("a{sv}", rest2 + 1));
  else if (g_str_equal (words[0], "versions"))
    g_hash_table_insert (versions, g_strdup (words[1]), parse ("aa{sv}", rest2 + 1));
  else if (g_str_equal (words[0], "conflicts"))
    set (&conflicts, parse ("aa{sv}", rest + 1));
  else if (g_str_equal (words[0], "devices"))
    set (&devices, parse ("aa{sv}", rest + 1));
  else if (g_str_equal (words[0], "changed"))
    moss_dbus_files1_emit_changed (files, (const char *const[]){ words[1], NULL });
  else if (g_str_equal (words[0], "refuse"))
    {
      refusal_name = g_strdup (words[1]);
      refusal_text = g_strdup (rest2 + 1);
    }
  else
    obey_words (words, g_strv_length (words));
}

static gboolean
on_input (gint fd, GIOCondition condition, gpointer data)
{
  static GString *text;
  char chunk[4096];
  gssize n = read (fd, chunk, sizeof chunk);
  char *end;

  if (n <= 0)
    return G_SOURCE_REMOVE;
  if (text == NULL)
    text = g_string_new (NULL);
  g_string_append_len (text, chunk, n);
  while ((end = strchr (text->str, '\n')) != NULL)
    {
      g_autofree char *line = g_strndup (text->str, end - text->str);

      g_string_erase (text, 0, end - text->str + 1);
      obey (line);
    }
  return G_SOURCE_CONTINUE;
}

static void
on_name_acquired (GDBusConnection *bus, const char *name, gpointer data)
{
  say ("ready");
}

static void
on_name_lost (GDBusConnection *bus, const char *name, gpointer data)
{
  g_main_loop_quit (data);
}

static void
export (GDBusConnection *bus)
{
  static const char *const deeds[] = { "handle-restore", "handle-pin", "handle-resolve",
                                       "handle-pause", "handle-send-to" };

  files = moss_dbus_files1_skeleton_new ();
  net = moss_dbus_net1_skeleton_new ();
  moss_dbus_files1_set_home (files, "");
  moss_dbus_files1_set_mount_state (files, "none");
  moss_dbus_files1_set_mount_reason (files, "");
  g_signal_connect (files, "handle-status", G_CALLBACK (on_status), NULL);
  g_signal_connect (files, "handle-info", G_CALLBACK (on_info), NULL);
  g_signal_connect (files, "handle-versions", G_CALLBACK (on_versions), NULL);
  g_signal_connect (files, "handle-conflicts", G_CALLBACK (on_conflicts), NULL);
  g_signal_connect (net, "handle-devices", G_CALLBACK (on_devices), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (deeds); i++)
    g_signal_connect (files, deeds[i], G_CALLBACK (on_deed), NULL);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (files), bus, "/org/moss/Files",
                                    NULL);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (net), bus, "/org/moss/Net", NULL);
}

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);

  if (bus == NULL)
    return 1;
  infos = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                 (GDestroyNotify) g_variant_unref);
  versions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                    (GDestroyNotify) g_variant_unref);
  status = parse ("a{sv}", "{'state': <'none'>}");
  conflicts = parse ("aa{sv}", "[]");
  devices = parse ("aa{sv}", "[]");
  export (bus);
  g_unix_fd_add (0, G_IO_IN | G_IO_HUP, on_input, NULL);
  g_bus_own_name_on_connection (bus, "org.moss.Net1", G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                on_name_acquired, on_name_lost, loop, NULL);
  g_main_loop_run (loop);
  return 0;
}
