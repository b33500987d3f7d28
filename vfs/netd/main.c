// SPDX-License-Identifier: GPL-3.0-or-later
/* moss-netd: links to other devices and the object store.
 *
 * Policy: the only process that touches the network. Strangers end in the TLS handshake
 * (handshake.c). What a pinned device sends is bounded and checked (core/link/frame.c) and
 * reaches three places only: objects, verified by their hash, go to the store; chains of the
 * person's own identity to the agent (identity.c); other calls to the session, which decides
 * what another device may ask for. It holds the TLS key and the store's
 * dedup key, and no signing key: a netd that was taken over can't sign a snapshot. */
#define G_LOG_DOMAIN "moss-netd"

#include "core/state.h"
#include "moss-config.h"
#include "vfs/netd/home.h"
#include "vfs/netd/lease.h"
#include "vfs/netd/sync.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <sys/utsname.h>

static const GDBusErrorEntry link_errors[] = {
  { MOSS_LINK_ERROR_PROTOCOL, "org.moss.Error.Protocol" },
  { MOSS_LINK_ERROR_AWAY, "org.moss.Error.Away" },
  { MOSS_LINK_ERROR_REFUSED, "org.moss.Error.Refused" },
  { MOSS_LINK_ERROR_TIMEOUT, "org.moss.Error.Timeout" },
  { MOSS_LINK_ERROR_REMOTE, "org.moss.Error.Remote" },
  { MOSS_LINK_ERROR_INVALID, "org.moss.Error.Invalid" },
};

static const GDBusErrorEntry store_errors[] = {
  { MOSS_STORE_ERROR_MISSING, "org.moss.Error.Missing" },
  { MOSS_STORE_ERROR_CORRUPT, "org.moss.Error.Corrupt" },
  { MOSS_STORE_ERROR_NO_SPACE, "org.moss.Error.NoSpace" },
  { MOSS_STORE_ERROR_INVALID, "org.moss.Error.InvalidObject" },
  { MOSS_STORE_ERROR_BUSY, "org.moss.Error.Busy" },
  { MOSS_STORE_ERROR_FAILED, "org.moss.Error.Failed" },
};

static void
register_errors (void)
{
  static gsize link_quark, store_quark;

  g_dbus_error_register_error_domain ("moss-link-error-quark", &link_quark, link_errors,
                                      G_N_ELEMENTS (link_errors));
  g_dbus_error_register_error_domain ("moss-store-error-quark", &store_quark, store_errors,
                                      G_N_ELEMENTS (store_errors));
}

static gboolean
on_handle_devices (MossDBusNet1 *interface, GDBusMethodInvocation *invocation, Netd *netd)
{
  moss_dbus_net1_complete_devices (interface, invocation, devices_to_variant (netd));
  return TRUE;
}

/* Adds the usual port. Returns: (transfer full) (nullable) */
char *
complete_address (const char *address, GError **error)
{
  g_autoptr (GSocketConnectable) parsed =
      g_network_address_parse (address, MOSS_LINK_PORT, error);
  const char *host;
  guint16 port;

  if (parsed == NULL)
    return NULL;
  host = g_network_address_get_hostname (G_NETWORK_ADDRESS (parsed));
  port = g_network_address_get_port (G_NETWORK_ADDRESS (parsed));
  return strchr (host, ':') != NULL ? g_strdup_printf ("[%s]:%u", host, port)
                                    : g_strdup_printf ("%s:%u", host, port);
}

static char *
add_device (Netd *netd, const char *address, const char *fingerprint, GError **error)
{
  g_autofree char *id = moss_fingerprint_parse (fingerprint, error);
  g_autofree char *complete = NULL;
  Device *device;

  if (id == NULL)
    return NULL;
  if (g_str_equal (id, netd->id))
    {
      g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                   _ ("That is this device's own fingerprint."));
      return NULL;
    }
  if (identity_has_revoked (netd->chain, id))
    {
      g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                   _ ("That device was revoked. Pair it by a code if it is yours again."));
      return NULL;
    }
  if (*address != '\0' && (complete = complete_address (address, error)) == NULL)
    return NULL;
  device = device_pin (netd, id, complete);
  if (device == NULL)
    {
      g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                   _ ("There are too many devices."));
      return NULL;
    }
  dial_stop (device);
  dial_now (device);
  return g_steal_pointer (&id);
}

static gboolean
on_handle_add_device (MossDBusNet1 *interface,
                      GDBusMethodInvocation *invocation,
                      const char *address,
                      const char *fingerprint,
                      Netd *netd)
{
  GError *error = NULL;
  g_autofree char *id = add_device (netd, address, fingerprint, &error);

  if (id == NULL)
    g_dbus_method_invocation_take_error (invocation, error);
  else
    moss_dbus_net1_complete_add_device (interface, invocation, id);
  return TRUE;
}

static gboolean
on_handle_remove_device (MossDBusNet1 *interface,
                         GDBusMethodInvocation *invocation,
                         const char *id,
                         Netd *netd)
{
  Device *device = device_find (netd, id);

  if (device == NULL || !device->paired)
    {
      g_dbus_method_invocation_return_error (invocation, MOSS_LINK_ERROR,
                                             MOSS_LINK_ERROR_INVALID,
                                             _ ("There is no device “%s”."), id);
      return TRUE;
    }
  if (device->slot > 0)
    {
      g_dbus_method_invocation_return_error (
          invocation, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
          _ ("%s is a device of yours. Take it out for good with: moss device revoke"),
          device->name);
      return TRUE;
    }
  device_unpin (device);
  moss_dbus_net1_complete_remove_device (interface, invocation);
  return TRUE;
}

static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  g_debug ("%s is mine", name);
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Netd *netd = user_data;

  g_message ("%s is taken by another process, or the session bus is gone", name);
  netd->exit_status = 1;
  g_main_loop_quit (netd->loop);
}

static gboolean
on_signal (gpointer user_data)
{
  g_main_loop_quit (((Netd *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

/* A network came up or went: what didn't answer may answer now. */
static void
on_network_changed (GNetworkMonitor *monitor, gboolean available, Netd *netd)
{
  GHashTableIter iter;
  Device *device;

  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    {
      device->delay_ms = 0;
      dial_now (device);
    }
}

static void
describe_myself (Netd *netd, const char *name)
{
  struct utsname uts;

  uname (&uts);
  netd->name = moss_clean_name (name != NULL ? name : g_get_host_name ());
  netd->hello.name = g_strdup (netd->name);
  netd->hello.arch = g_strdup (uts.machine);
  netd->hello.kind = g_strdup (status_kind ());
  netd->hello.cores = g_get_num_processors ();
  netd->hello.suite = MOSS_SUITE_SODIUM;
  moss_crypto_random ((guint8 *) &netd->hello.instance, sizeof netd->hello.instance);
}

static gboolean
prepare (Netd *netd, const char *state, const char *name, int port, GError **error)
{
  g_autofree char *certificate = NULL;
  g_autofree char *store = NULL;

  netd->devices = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, device_free);
  netd->state_dir = moss_state_dir (state, "net", error);
  if (netd->state_dir == NULL || !moss_crypto_init (error))
    return FALSE;
  certificate = g_build_filename (netd->state_dir, "certificate.pem", NULL);
  store = g_build_filename (netd->state_dir, "store", NULL);
  netd->certificate = moss_certificate_load_or_make (certificate, error);
  if (netd->certificate == NULL)
    return FALSE;
  netd->id = moss_certificate_fingerprint (netd->certificate);
  describe_myself (netd, name);
  netd->store = moss_store_open (store, error);
  if (netd->store == NULL || !devices_load (netd, error))
    return FALSE;
  identity_load (netd);
  joining_load (netd);
  netd->bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, error);
  return netd->bus != NULL && peers_listen (netd, port, error);
}

static const HomeSync home_sync = {
  .set_tree = sync_set_tree,
  .fetch = sync_fetch,
  .committed = sync_committed,
  .changed = sync_note_changes,
  .saved = sync_note_saved,
  .count_hosts = sync_count_hosts,
  .get_lease = lease_get,
  .want_lease = lease_want,
  .need_lease = lease_need,
  .doubt_lease = lease_in_doubt,
  .get_cost_ms = sync_cost_ms,
};

static gboolean
export (Netd *netd, GError **error)
{
  netd->interface = moss_dbus_net1_skeleton_new ();
  moss_dbus_net1_set_device_id (netd->interface, netd->id);
  moss_dbus_net1_set_device_name (netd->interface, netd->name);
  moss_dbus_net1_set_port (netd->interface, netd->port);
  g_signal_connect (netd->interface, "handle-devices", G_CALLBACK (on_handle_devices), netd);
  g_signal_connect (netd->interface, "handle-add-device", G_CALLBACK (on_handle_add_device),
                    netd);
  g_signal_connect (netd->interface, "handle-remove-device",
                    G_CALLBACK (on_handle_remove_device), netd);
  transfer_export (netd);
  relay_export (netd);
  identity_export (netd);
  pairing_export (netd);
  if (!files_export (netd, error))
    return FALSE;
  lease_start (netd);
  sync_start (netd);
  home_set_sync (netd, &home_sync);
  home_start (netd);
  home_move_export (netd);
  return g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (netd->interface),
                                           netd->bus, "/org/moss/Net", error);
}

static gboolean
on_patience_lost (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Lets threads end that still use what is about to go. */
static void
wind_up (Netd *netd)
{
  gboolean late = FALSE;

  peers_stop (netd);
  g_timeout_add (2000, on_patience_lost, &late);
  while (!late && (netd->links > 0 || netd->handshakes > 0 || !transfer_is_idle ()))
    g_main_context_iteration (NULL, TRUE);
}

static void
run (Netd *netd)
{
  guint owner;

  signing_start (netd);
  identity_start (netd);
  status_start (netd);
  owner = g_bus_own_name_on_connection (netd->bus, "org.moss.Net1",
                                        G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                        on_name_acquired, on_name_lost, netd, NULL);
  g_signal_connect (g_network_monitor_get_default (), "network-changed",
                    G_CALLBACK (on_network_changed), netd);
  on_network_changed (NULL, TRUE, netd);
  discovery_start (netd);
  g_main_loop_run (netd->loop);
  discovery_stop (netd);
  g_bus_unown_name (owner);
  home_stop (netd);
  sync_stop (netd);
  wind_up (netd);
}

int
main (int argc, char **argv)
{
  static Netd netd;
  g_autofree char *state = NULL;
  g_autofree char *name = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  int port = -1;
  GOptionEntry entries[] = {
    { "state", 0, 0, G_OPTION_ARG_FILENAME, &state, N_ ("Where everything is kept"), "DIR" },
    { "port", 0, 0, G_OPTION_ARG_INT, &port, N_ ("The port to listen at"), "N" },
    { "name", 0, 0, G_OPTION_ARG_STRING, &name, N_ ("This device's name"), "NAME" },
    { "listen", 0, 0, G_OPTION_ARG_STRING, &netd.listen_address,
      N_ ("The address to listen at"), "ADDR" },
    { NULL },
  };

  /* Read by GnuTLS's TLS backend when it starts; nothing else of ours speaks TLS. */
  g_setenv ("G_TLS_GNUTLS_PRIORITY", "NORMAL:-VERS-ALL:+VERS-TLS1.3", TRUE);
  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, MOSS_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  netd.loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, on_signal, &netd);
  g_unix_signal_add (SIGINT, on_signal, &netd);
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  register_errors ();
  if (!g_option_context_parse (context, &argc, &argv, &error) ||
      !prepare (&netd, state, name, CLAMP (port, -1, 65535), &error) ||
      !export (&netd, &error))
    {
      g_printerr ("moss-netd: %s\n", error->message);
      return 1;
    }
  run (&netd);
  moss_store_sync (netd.store, NULL);
  return netd.exit_status;
}
