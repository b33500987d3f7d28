// SPDX-License-Identifier: LGPL-2.1-or-later
/* moss-agent: the only holder of this device's keys and of the person's.
 *
 * Policy: whoever is on the user's session bus may ask for a signature, but only in the domains
 * that service.c names, so that nothing signed for one purpose can be shown for another; those
 * of an identity only while this device is alive in it. No signing or exchange key and no key
 * of the person is given to anybody: netd gets what was derived from them for the trees, and
 * only while it is unlocked. Statements of the identity are made here and nowhere else, and
 * what comes from elsewhere is verified from its first byte before it is kept: nothing on the
 * bus can put a chain here that contradicts what was seen. Secrets are sealed on the disk under
 * a passphrase or the keyring, as the person chose. The process can't be traced or dumped by
 * others of the same user, its secrets are in locked memory. It opens no file but its own and
 * no socket but the bus. */
#define G_LOG_DOMAIN "moss-agent"

#include "core/agent/service.h"
#include "core/state.h"
#include "moss-config.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <sys/prctl.h>
#include <sys/resource.h>

typedef struct
{
  MossAgentService service;
  GMainLoop *loop;
  int status;
} Agent;

static void
forbid_dumps (void)
{
  struct rlimit none = { 0, 0 };

  if (prctl (PR_SET_DUMPABLE, 0) < 0 || setrlimit (RLIMIT_CORE, &none) < 0)
    g_warning ("memory dumps can't be forbidden");
}

static void
on_bus_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Agent *agent = user_data;
  g_autoptr (GError) error = NULL;

  if (!g_dbus_interface_skeleton_export (
          G_DBUS_INTERFACE_SKELETON (agent->service.interface), connection,
          "/org/moss/Agent", &error))
    g_warning ("/org/moss/Agent: %s", error->message);
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Agent *agent = user_data;

  g_message ("%s is taken by another process, or the session bus is gone", name);
  agent->status = 1;
  g_main_loop_quit (agent->loop);
}

static gboolean
on_signal (gpointer user_data)
{
  g_main_loop_quit (((Agent *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
load (MossAgentService *service, const char *state, GError **error)
{
  g_autofree char *keys = moss_state_dir (state, "agent", error);
  g_autofree char *identity = keys == NULL ? NULL : moss_state_dir (state, "identity", error);

  return identity != NULL &&
         moss_agent_keys_load_or_make (&service->keys, keys, error) &&
         moss_agent_identity_load (&service->identity, &service->keys, identity, error);
}

static int
run (Agent *agent)
{
  guint owner;

  agent->loop = g_main_loop_new (NULL, FALSE);
  moss_agent_service_start (&agent->service);
  owner = g_bus_own_name (G_BUS_TYPE_SESSION, "org.moss.Agent1",
                          G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, on_bus_acquired, NULL,
                          on_name_lost, agent, NULL);
  g_unix_signal_add (SIGTERM, on_signal, agent);
  g_unix_signal_add (SIGINT, on_signal, agent);
  g_main_loop_run (agent->loop);
  g_bus_unown_name (owner);
  g_main_loop_unref (agent->loop);
  return agent->status;
}

int
main (int argc, char **argv)
{
  g_autofree char *state = NULL;
  g_autoptr (GError) error = NULL;
  Agent agent = { 0 };
  int status = 1;
  GOptionEntry entries[] = {
    { "state", 0, 0, G_OPTION_ARG_FILENAME, &state, "Where the keys are kept", "DIR" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, MOSS_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  forbid_dumps ();
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, &argc, &argv, &error) || !moss_crypto_init (&error) ||
      !load (&agent.service, state, &error))
    g_printerr ("moss-agent: %s\n", error->message);
  else
    status = run (&agent);
  moss_agent_service_clear (&agent.service);
  return status;
}
