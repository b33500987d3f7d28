// SPDX-License-Identifier: LGPL-2.1-or-later
/* moss-agent: the only holder of this device's signing key.
 *
 * Policy: whoever is on the user's session bus may ask for a signature, but only in one of the
 * domains below, so that nothing signed for one purpose can be shown for another. The key is
 * given to nobody. The process can't be traced or dumped by others of the same user, its
 * secrets are in locked memory. It opens no file but its own and no socket but the bus. */
#define G_LOG_DOMAIN "moss-agent"

#include "core/agent/key.h"
#include "core/state.h"

#include "moss-dbus-agent.h"

#include <glib-unix.h>
#include <locale.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const char *const domains[] = { "moss-snapshot-1", "moss-link-1", NULL };

enum
{
  MESSAGE_MAX = 64 * 1024 * 1024,
};

typedef struct
{
  MossSigningKey key;
  MossDBusAgent1 *interface;
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

static GVariant *
byte_array (GBytes *bytes)
{
  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

static gboolean
on_handle_sign (MossDBusAgent1 *interface,
                GDBusMethodInvocation *invocation,
                const char *domain,
                GVariant *message,
                Agent *agent)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) signature = NULL;
  gsize length;
  const guint8 *bytes = g_variant_get_fixed_array (message, &length, 1);

  if (!g_strv_contains (domains, domain) || length > MESSAGE_MAX)
    {
      g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR,
                                             G_DBUS_ERROR_ACCESS_DENIED,
                                             "the agent doesn't sign for “%s”", domain);
      return TRUE;
    }
  signature = moss_sign_domain (agent->key.suite, agent->key.secret, domain, bytes, length,
                                &error);
  if (signature == NULL)
    g_dbus_method_invocation_return_gerror (invocation, error);
  else
    moss_dbus_agent1_complete_sign (interface, invocation, byte_array (signature));
  return TRUE;
}

static void
on_bus_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Agent *agent = user_data;
  g_autoptr (GError) error = NULL;

  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (agent->interface),
                                         connection, "/org/moss/Agent", &error))
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
load_key (const char *state, MossSigningKey *key, GError **error)
{
  g_autofree char *dir = moss_state_dir (state, "agent", error);
  g_autofree char *path = NULL;
  g_autoptr (GError) local = NULL;

  if (dir == NULL)
    return FALSE;
  path = g_build_filename (dir, "signing-key", NULL);
  if (moss_signing_key_load (path, key, &local))
    return TRUE;
  if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return moss_signing_key_make (path, key, error);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static int
run (Agent *agent)
{
  guint owner;

  agent->loop = g_main_loop_new (NULL, FALSE);
  agent->interface = moss_dbus_agent1_skeleton_new ();
  moss_dbus_agent1_set_suite (agent->interface, agent->key.suite);
  moss_dbus_agent1_set_public_key (agent->interface, byte_array (agent->key.public_key));
  g_signal_connect (agent->interface, "handle-sign", G_CALLBACK (on_handle_sign), agent);
  owner = g_bus_own_name (G_BUS_TYPE_SESSION, "org.moss.Agent1",
                          G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, on_bus_acquired, NULL,
                          on_name_lost, agent, NULL);
  g_unix_signal_add (SIGTERM, on_signal, agent);
  g_unix_signal_add (SIGINT, on_signal, agent);
  g_main_loop_run (agent->loop);
  g_bus_unown_name (owner);
  g_object_unref (agent->interface);
  g_main_loop_unref (agent->loop);
  return agent->status;
}

int
main (int argc, char **argv)
{
  g_autofree char *state = NULL;
  g_autoptr (GError) error = NULL;
  Agent agent = { 0 };
  int status;
  GOptionEntry entries[] = {
    { "state", 0, 0, G_OPTION_ARG_FILENAME, &state, "Where the key is kept", "DIR" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  setlocale (LC_ALL, "");
  forbid_dumps ();
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, &argc, &argv, &error) || !moss_crypto_init (&error) ||
      !load_key (state, &agent.key, &error))
    {
      g_printerr ("moss-agent: %s\n", error->message);
      return 1;
    }
  status = run (&agent);
  moss_signing_key_clear (&agent.key);
  return status;
}
