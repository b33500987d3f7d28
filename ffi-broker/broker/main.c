/* SPDX-License-Identifier: GPL-3.0-or-later */
/* moss-ffi-broker: the market of functions.
 *
 * Policy: any process of this user may ask, and may announce what it offers; what it says is
 * bounded, parsed, and believed only where it was measured. Calls to providers on this device
 * don't come here: a caller is given a socket to the provider and speaks with it alone. Those to
 * and from other devices do: their frames are checked and passed on through netd
 * (remote-call.c, remote-serve.c). No provider runs in this process. Of other devices only those
 * of the same person are listened to, and only if the owner said so. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#include "core/state.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <string.h>
#include <sys/resource.h>

/* Costs are learned for a processor; the same disk in another machine starts anew. */
static char *
read_cpu (void)
{
  g_autofree char *text = NULL;
  const char *at;

  if (!g_file_get_contents ("/proc/cpuinfo", &text, NULL, NULL))
    return g_strdup ("unknown");
  at = strstr (text, "model name");
  if (at == NULL)
    at = strstr (text, "CPU part");
  at = at != NULL ? strchr (at, ':') : NULL;
  if (at == NULL)
    return g_strdup ("unknown");
  return g_strdup_printf ("%.*s, %u", (int) MIN (strcspn (at + 1, "\n"), 96), at + 1,
                          g_get_num_processors ());
}

static gboolean
on_signal (gpointer user_data)
{
  g_main_loop_quit (((Broker *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

static void
on_name_acquired (GDBusConnection *bus, const char *name, gpointer user_data)
{
  Broker *broker = user_data;
  g_autoptr (GError) error = NULL;

  if (clients_listen (broker, &error))
    return;
  g_warning ("%s", error->message);
  broker->status = 1;
  g_main_loop_quit (broker->loop);
}

static void
on_name_lost (GDBusConnection *bus, const char *name, gpointer user_data)
{
  Broker *broker = user_data;

  g_message ("%s is taken by another process, or the session bus is gone", name);
  broker->status = 1;
  g_main_loop_quit (broker->loop);
}

static gboolean
open_database (Broker *broker, GError **error)
{
  g_autofree char *dir = moss_state_dir (NULL, NULL, error);
  g_autofree char *path = dir != NULL ? g_build_filename (dir, "functions.db", NULL) : NULL;

  if (path == NULL)
    return FALSE;
  broker->db = moss_ffi_db_open (path, broker->cpu, error);
  return broker->db != NULL && registry_load (broker, error);
}

static gboolean
start (Broker *broker, GError **error)
{
  g_autofree char *sharing = NULL;

  broker->bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, error);
  if (broker->bus == NULL || !open_database (broker, error))
    return FALSE;
  guard_start (broker);
  sharing = moss_ffi_db_get_word (broker->db, "sharing");
  moss_dbus_function_broker1_set_sharing (broker->interface,
                                          sharing != NULL ? sharing : "when-idle,on-mains");
  clients_start (broker);
  running_start (broker);
  demand_start (broker);
  canaries_start (broker);
  workers_scan (broker);
  publish_now (broker);
  remote_start (broker);
  return service_export (broker, error);
}

static void
stop (Broker *broker)
{
  g_clear_handle_id (&broker->learned_source, g_source_remove);
  clients_stop (broker);
  if (broker->canaries != NULL)
    canaries_stop (broker);
  if (broker->remote != NULL)
    remote_stop (broker);
  if (broker->running != NULL)
    running_stop (broker);
  if (broker->providers != NULL)
    registry_flush (broker);
  workers_stop (broker);
  queue_stop (broker);
  publish_stop (broker);
  registry_free (broker);
  demand_stop (broker);
  learn_free (broker);
  g_clear_pointer (&broker->db, moss_ffi_db_close);
  g_clear_object (&broker->interface);
  g_clear_object (&broker->peer_interface);
  g_clear_object (&broker->bus);
  g_free (broker->cpu);
}

/* Every caller costs a descriptor for a moment, every connection one. */
static void
raise_descriptors (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return;
  limit.rlim_cur = MIN (limit.rlim_max, 8192);
  setrlimit (RLIMIT_NOFILE, &limit);
}

int
main (int argc, char **argv)
{
  Broker broker = { .slowdown = 1 };
  g_autoptr (GError) error = NULL;
  guint owner = 0, terminate, interrupt;

  setlocale (LC_ALL, "");
  g_set_prgname ("moss-ffi-broker");
  raise_descriptors ();
  broker.loop = g_main_loop_new (NULL, FALSE);
  broker.cpu = read_cpu ();
  broker.started_us = g_get_monotonic_time ();
  broker.interface = moss_dbus_function_broker1_skeleton_new ();
  broker.peer_interface = moss_dbus_function_broker_peer1_skeleton_new ();
  terminate = g_unix_signal_add (SIGTERM, on_signal, &broker);
  interrupt = g_unix_signal_add (SIGINT, on_signal, &broker);
  if (start (&broker, &error))
    {
      owner = g_bus_own_name_on_connection (broker.bus, BUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE,
                                            on_name_acquired, on_name_lost, &broker, NULL);
      g_main_loop_run (broker.loop);
      g_bus_unown_name (owner);
    }
  else
    {
      g_printerr ("moss-ffi-broker: %s\n", error->message);
      broker.status = 1;
    }
  stop (&broker);
  g_source_remove (terminate);
  g_source_remove (interrupt);
  g_main_loop_unref (broker.loop);
  return broker.status;
}
