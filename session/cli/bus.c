/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The session bus and the two services that `moss` is a client of. */

#include "cli.h"
#include "json.h"
#include "text.h"

#include <glib/gi18n.h>

static GDBusConnection *bus;
static MossDBusSession1 *session;
static MossDBusNet1 *net;
static MossDBusAgent1 *agent;
static MossDBusFiles1 *files;
static MossDBusFunctionBroker1 *broker;

/* Without the autolaunch that GDBus would try: a bus of its own has no session on it. */
static gboolean
connect_bus (GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (bus != NULL)
    return TRUE;
  if (g_getenv ("DBUS_SESSION_BUS_ADDRESS") == NULL)
    {
      g_autofree char *socket = g_build_filename (g_get_user_runtime_dir (), "bus", NULL);

      if (g_file_test (socket, G_FILE_TEST_EXISTS))
        bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &cause);
    }
  else
    bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &cause);
  if (bus != NULL)
    return TRUE;
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
               _ ("there is no session bus here (%s). Run moss inside your desktop session, as "
                  "the person who is logged in."),
               cause != NULL ? cause->message : _ ("DBUS_SESSION_BUS_ADDRESS is not set"));
  return FALSE;
}

MossDBusSession1 *
moss_cli_get_session (GError **error)
{
  GError *cause = NULL;

  if (session != NULL)
    return session;
  if (!connect_bus (error))
    return NULL;
  session = moss_dbus_session1_proxy_new_sync (
      bus, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES, "org.moss.Session1",
      "/org/moss/Session", NULL, &cause);
  if (session == NULL)
    {
      moss_cli_fail (error, MOSS_CLI_SESSION, cause);
      return NULL;
    }
  /* A move or a snapshot takes as long as it takes; Ctrl-C ends the waiting. */
  g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (session), G_MAXINT);
  return session;
}

MossDBusNet1 *
moss_cli_get_net (GError **error)
{
  GError *cause = NULL;

  if (net != NULL)
    return net;
  if (!connect_bus (error))
    return NULL;
  net = moss_dbus_net1_proxy_new_sync (bus, G_DBUS_PROXY_FLAGS_NONE, "org.moss.Net1",
                                       "/org/moss/Net", NULL, &cause);
  if (net == NULL)
    moss_cli_fail (error, MOSS_CLI_NET, cause);
  return net;
}

/* Its properties are known only when it runs. */
static gboolean
check_files (MossDBusFiles1 *proxy, GError **error)
{
  g_autofree char *owner = g_dbus_proxy_get_name_owner (G_DBUS_PROXY (proxy));
  gboolean other = owner != NULL && moss_dbus_files1_get_mount_state (proxy) == NULL;

  if (owner != NULL && !other)
    return TRUE;
  return moss_cli_fail (error, MOSS_CLI_NET,
                        g_error_new_literal (G_DBUS_ERROR,
                                             other ? G_DBUS_ERROR_UNKNOWN_INTERFACE
                                                   : G_DBUS_ERROR_SERVICE_UNKNOWN, ""));
}

MossDBusFiles1 *
moss_cli_get_files (GError **error)
{
  GError *cause = NULL;

  if (files == NULL && connect_bus (error))
    {
      files = moss_dbus_files1_proxy_new_sync (bus, G_DBUS_PROXY_FLAGS_NONE, "org.moss.Net1",
                                               "/org/moss/Files", NULL, &cause);
      if (files == NULL)
        moss_cli_fail (error, MOSS_CLI_NET, cause);
    }
  return files != NULL && check_files (files, error) ? files : NULL;
}

MossDBusAgent1 *
moss_cli_get_agent (GError **error)
{
  GError *cause = NULL;

  if (agent != NULL)
    return agent;
  if (!connect_bus (error))
    return NULL;
  agent = moss_dbus_agent1_proxy_new_sync (bus, G_DBUS_PROXY_FLAGS_NONE, "org.moss.Agent1",
                                           "/org/moss/Agent", NULL, &cause);
  if (agent == NULL)
    {
      moss_cli_fail (error, MOSS_CLI_AGENT, cause);
      return NULL;
    }
  /* The keyring may ask the person for its own password first. */
  g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (agent), G_MAXINT);
  return agent;
}

MossDBusFunctionBroker1 *
moss_cli_get_broker (GError **error)
{
  GError *cause = NULL;

  if (broker != NULL)
    return broker;
  if (!connect_bus (error))
    return NULL;
  broker = moss_dbus_function_broker1_proxy_new_sync (
      bus, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES, "org.moss.FunctionBroker1",
      "/org/moss/FunctionBroker", NULL, &cause);
  if (broker == NULL)
    {
      moss_cli_fail (error, MOSS_CLI_BROKER, cause);
      return NULL;
    }
  /* Measuring takes as long as it takes. */
  g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (broker), G_MAXINT);
  return broker;
}

void
moss_cli_disconnect (void)
{
  g_clear_object (&broker);
  g_clear_object (&agent);
  g_clear_object (&files);
  g_clear_object (&session);
  g_clear_object (&net);
  g_clear_object (&bus);
}

GVariant *
moss_cli_list_sandboxes (GError **error)
{
  MossDBusSession1 *proxy = moss_cli_get_session (error);
  GVariant *list = NULL;
  GError *cause = NULL;

  if (proxy != NULL && !moss_dbus_session1_call_list_sync (proxy, &list, NULL, &cause))
    moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  return list;
}

GVariant *
moss_cli_list_devices (GError **error)
{
  MossDBusNet1 *proxy = moss_cli_get_net (error);
  GVariant *list = NULL;
  GError *cause = NULL;

  if (proxy != NULL && !moss_dbus_net1_call_devices_sync (proxy, &list, NULL, &cause))
    moss_cli_fail (error, MOSS_CLI_NET, cause);
  return list;
}

GVariant *
moss_cli_get_identity (GError **error)
{
  MossDBusNet1 *proxy = moss_cli_get_net (error);
  GVariant *identity = NULL;
  GError *cause = NULL;

  if (proxy != NULL && !moss_dbus_net1_call_identity_sync (proxy, &identity, NULL, &cause))
    moss_cli_fail (error, MOSS_CLI_NET, cause);
  return identity;
}

GVariant *
moss_cli_list_snapshots (const char *sandbox, GError **error)
{
  MossDBusSession1 *proxy = moss_cli_get_session (error);
  const char *id = sandbox != NULL ? sandbox : "";
  GVariant *list = NULL;
  GError *cause = NULL;

  if (proxy != NULL
      && !moss_dbus_session1_call_snapshots_sync (proxy, id, &list, NULL, &cause))
    moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  return list;
}

void
moss_cli_say (const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_printerr ("%s\n", text);
}

void
moss_cli_print_json (GVariant *value)
{
  g_autofree char *text = moss_json_from_variant (value);

  g_print ("%s\n", text);
}
