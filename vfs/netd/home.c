// SPDX-License-Identifier: GPL-3.0-or-later
/* Opens the files of this device's identity when the agent has their keys, and closes them when it
 * locks.
 *
 * Policy: the keys of the tree come from the agent and stay in this process's memory while the tree
 * is open; roots are signed by the agent, one by one. A root of another device counts when its
 * signature is by the key that the identity's chain names for that device, and the device is not
 * revoked. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/home-private.h"

#include "core/state.h"

#include <glib/gi18n.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AGENT "org.moss.Agent1"
#define AGENT_PATH "/org/moss/Agent"
#define KEY_BYTES 32

typedef struct
{
  guint32 generation;
  guint8 tree[KEY_BYTES];
  guint8 dedup[KEY_BYTES];
} TreeKey;

/* ---- what the tree asks for ---------------------------------------------------------- */

MossChain *
home_ref_chain (Netd *netd)
{
  Home *home = netd->home;
  MossChain *chain;

  g_mutex_lock (&home->lock);
  chain = home->chain != NULL ? moss_chain_ref (home->chain) : NULL;
  g_mutex_unlock (&home->lock);
  return chain;
}

static GBytes *
on_sign (const guint8 *message, gsize length, guint *suite, gpointer data)
{
  Netd *netd = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      netd->bus, AGENT, AGENT_PATH, AGENT, "Sign",
      g_variant_new ("(s@ay)", "moss-root-1",
                     g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, message, length, 1)),
      G_VARIANT_TYPE ("(ay)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, 10000, NULL, &error);
  g_autoptr (GVariant) signature = NULL;

  if (reply == NULL)
    {
      g_debug ("a root isn't signed: %s", error->message);
      return NULL;
    }
  *suite = netd->home->suite;
  signature = g_variant_get_child_value (reply, 0);
  return g_variant_get_data_as_bytes (signature);
}

static gboolean
on_verify (const MossTreeRoot *root, guint suite, const guint8 *message, gsize length,
           GBytes *signature, gpointer data)
{
  g_autoptr (MossChain) chain = home_ref_chain (data);
  MossChainDevice found;

  return chain != NULL && moss_chain_find_device (chain, root->device, &found)
         && found.slot == root->slot
         && moss_chain_device_alive (chain, found.slot, MOSS_CHAIN_NOW)
         && moss_verify_domain (suite, found.record->signing_key, "moss-root-1", message, length,
                                signature, NULL);
}

static gboolean
on_key (guint32 generation, guint8 *key, gpointer data)
{
  Home *home = ((Netd *) data)->home;
  gboolean found = FALSE;

  g_mutex_lock (&home->lock);
  for (guint i = 0; !found && i < home->keys->len; i++)
    {
      const TreeKey *its = &g_array_index (home->keys, TreeKey, i);

      found = its->generation == generation;
      if (found)
        memcpy (key, its->tree, KEY_BYTES);
    }
  g_mutex_unlock (&home->lock);
  return found;
}

static char *
on_device_name (const guint8 *device, gpointer data)
{
  g_autoptr (MossChain) chain = home_ref_chain (data);
  MossChainDevice found;

  if (chain == NULL || !moss_chain_find_device (chain, device, &found))
    return NULL;
  return g_strdup (found.record->name);
}

static gboolean
on_fetch (const MossId *ids, gsize count, gpointer data, GError **error)
{
  Netd *netd = data;

  if (netd->home->sync.fetch != NULL)
    return netd->home->sync.fetch (ids, count, netd, error);
  g_set_error_literal (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY,
                       _ ("Nobody who has it can be reached."));
  return FALSE;
}

static void
on_committed (const MossTreeRoot *root, GBytes *record, gpointer data)
{
  Netd *netd = data;

  if (netd->home->sync.committed != NULL)
    netd->home->sync.committed (root, record, netd);
}

static void
on_changed (const MossTreeChange *changes, gsize count, gpointer data)
{
  Home *home = ((Netd *) data)->home;

  g_mutex_lock (&home->lock);
  if (home->mount != NULL)
    moss_mount_changed (home->mount, changes, count);
  g_mutex_unlock (&home->lock);
  files_tree_changed (data, changes, count);
  if (home->sync.changed != NULL)
    home->sync.changed (changes, count, data);
}

void
home_lease_settled (Netd *netd, guint64 ino)
{
  Home *home = netd->home;

  if (home == NULL)
    return;
  g_mutex_lock (&home->lock);
  if (home->mount != NULL)
    moss_mount_lease_settled (home->mount, ino);
  g_mutex_unlock (&home->lock);
}

/* ---- the mount ----------------------------------------------------------------------- */

/* While it exists, programs may have files open that a tree must not drop. */
static char *
marker_path (void)
{
  return g_build_filename (g_get_user_runtime_dir (), "moss", "net-mounted", NULL);
}

static void
set_marker (gboolean mounted)
{
  g_autofree char *path = marker_path ();
  g_autofree char *dir = g_path_get_dirname (path);

  if (!mounted)
    unlink (path);
  else if (g_mkdir_with_parents (dir, 0700) != 0 || !g_file_set_contents (path, "", 0, NULL))
    g_warning ("%s can't be written", path);
}

static gboolean
serve (Netd *netd, GError **error)
{
  Home *home = netd->home;
  g_autofree char *plain = g_build_filename (g_get_user_runtime_dir (), "moss", "net-plain", NULL);
  MossMountConfig config = {
    .tree = home->tree,
    .name = home->name,
    .connection = home->connection,
    .state = home->state,
    .slot = home->slot,
    .uid = getuid (),
    .gid = getgid (),
    .backing_dir = plain,
    .hooks = *home_get_hooks (netd),
    .user_data = netd,
  };
  MossMount *mount = moss_mount_new (&config, error);

  if (mount == NULL)
    return FALSE;
  g_mutex_lock (&home->lock);
  home->mount = mount;
  g_mutex_unlock (&home->lock);
  set_marker (TRUE);
  files_set_mount (netd, home->path, "mounted", "");
  return TRUE;
}

static void
stop_serving (Netd *netd)
{
  Home *home = netd->home;
  MossMount *mount;

  g_mutex_lock (&home->lock);
  mount = g_steal_pointer (&home->mount);
  g_mutex_unlock (&home->lock);
  g_clear_pointer (&mount, moss_mount_free);
}

static void
forget_connection (Home *home)
{
  if (home->connection >= 0)
    close (home->connection);
  if (home->state >= 0)
    close (home->state);
  home->connection = home->state = -1;
}

static void
say_state (Netd *netd)
{
  Home *home = netd->home;
  const char *state = home->chain == NULL ? "none"
                      : home->locked      ? "locked"
                      : home->mount       ? "mounted"
                                          : "failed";

  files_set_mount (netd, home->chain != NULL && home->path != NULL ? home->path : "", state,
                   strcmp (state, "failed") == 0 ? home->reason : "");
}

/* ---- the tree ------------------------------------------------------------------------ */

static gboolean
fill_config (Netd *netd, MossTreeConfig *config, char **dir, GError **error)
{
  Home *home = netd->home;

  *dir = g_build_filename (netd->state_dir, "tree", NULL);
  if (g_mkdir_with_parents (*dir, 0700) != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s can't be made", *dir);
      return FALSE;
    }
  memset (config, 0, sizeof *config);
  config->dir = *dir;
  config->store = netd->store;
  memcpy (config->tree_id, moss_chain_get_id (home->chain), MOSS_TREE_ID_BYTES);
  moss_fingerprint_to_bytes (netd->id, config->device);
  config->slot = home->slot;
  config->generation = home->generation;
  config->uid = config->gid = MOSS_MOUNT_OWNER;
  config->suite = MOSS_SUITE_SODIUM;
  config->callbacks = (MossTreeCallbacks) {
    .sign = on_sign,
    .verify = on_verify,
    .key = on_key,
    .fetch = on_fetch,
    .device_name = on_device_name,
    .committed = on_committed,
    .changed = on_changed,
  };
  config->user_data = netd;
  return TRUE;
}

static void
open_tree (Netd *netd)
{
  Home *home = netd->home;
  g_autofree char *marker = marker_path ();
  g_autofree char *dir = NULL;
  g_autoptr (GError) error = NULL;
  MossTreeConfig config;

  if (!fill_config (netd, &config, &dir, &error)
      || (home->tree = moss_tree_open (&config, !g_file_test (marker, G_FILE_TEST_EXISTS),
                                       &error))
             == NULL)
    {
      g_warning ("The files on /net can't be opened: %s", error->message);
      g_free (home->reason);
      home->reason = g_strdup (error->message);
      say_state (netd);
      return;
    }
  if (home->sync.set_tree != NULL)
    home->sync.set_tree (netd, home->tree);
  moss_dbus_net1_set_tree_ready (netd->interface, TRUE);
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (netd->interface));
}

static void
close_tree (Netd *netd)
{
  Home *home = netd->home;
  g_autoptr (GError) error = NULL;

  stop_serving (netd);
  if (home->tree == NULL)
    return;
  files_tree_wait (netd);
  if (home->sync.set_tree != NULL)
    home->sync.set_tree (netd, NULL);
  if (!moss_tree_close (g_steal_pointer (&home->tree), &error))
    g_warning ("The last changes stay in the journal: %s", error->message);
  moss_dbus_net1_set_tree_ready (netd->interface, FALSE);
}

/* ---- the agent ----------------------------------------------------------------------- */

static void
clear_keys (Home *home)
{
  g_mutex_lock (&home->lock);
  if (home->keys->len > 0)
    explicit_bzero (home->keys->data, home->keys->len * sizeof (TreeKey));
  g_array_set_size (home->keys, 0);
  g_mutex_unlock (&home->lock);
}

static gboolean
take_bytes (GVariant *parent, gsize index, guint8 *key)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (parent, index);
  gsize size;
  gconstpointer data = g_variant_get_fixed_array (child, &size, 1);

  if (size != KEY_BYTES)
    return FALSE;
  memcpy (key, data, KEY_BYTES);
  return TRUE;
}

static void
take_keys (Home *home, GVariant *list)
{
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) item = g_variant_get_child_value (list, i);
      TreeKey key;

      g_variant_get_child (item, 0, "u", &key.generation);
      if (!take_bytes (item, 1, key.tree) || !take_bytes (item, 2, key.dedup))
        continue;
      g_mutex_lock (&home->lock);
      g_array_append_val (home->keys, key);
      g_mutex_unlock (&home->lock);
      home->generation = MAX (home->generation, key.generation);
      explicit_bzero (&key, sizeof key);
    }
}

/* New objects are found again by the newest key. */
static void
set_dedup_key (Netd *netd)
{
  Home *home = netd->home;

  for (guint i = 0; i < home->keys->len; i++)
    {
      const TreeKey *key = &g_array_index (home->keys, TreeKey, i);

      if (key->generation == home->generation)
        moss_store_set_dedup_key (netd->store, key->dedup);
    }
}

static void
on_keys (GObject *source, GAsyncResult *result, gpointer data)
{
  Netd *netd = data;
  Home *home = netd->home;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) list = NULL;

  home->asking = FALSE;
  if (reply == NULL || home->locked || home->chain == NULL)
    {
      if (reply == NULL)
        g_message ("The agent gives no keys for /net: %s", error->message);
      return;
    }
  list = g_variant_get_child_value (reply, 0);
  clear_keys (home);
  take_keys (home, list);
  if (home->keys->len == 0)
    return;
  set_dedup_key (netd);
  if (home->tree != NULL)
    moss_tree_set_generation (home->tree, home->generation);
  else
    open_tree (netd);
}

static void
ask_for_keys (Netd *netd)
{
  if (netd->home->asking)
    return;
  netd->home->asking = TRUE;
  g_dbus_connection_call (netd->bus, AGENT, AGENT_PATH, AGENT, "TreeKeys", NULL,
                          G_VARIANT_TYPE ("(a(uayay))"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1,
                          NULL, on_keys, netd);
}

static void
set_name (Home *home)
{
  const char *name = moss_chain_get_name (home->chain);

  g_autofree char *path = NULL;

  /* Interned: other threads may use the old ones for a while. */
  home->name = g_intern_string (name != NULL && *name != '\0' && strchr (name, '/') == NULL
                                    ? name
                                    : moss_chain_get_id_text (home->chain));
  path = g_strconcat ("/net/", home->name, NULL);
  home->path = g_intern_string (path);
}

static void
take_chain (Netd *netd, GVariant *value)
{
  Home *home = netd->home;
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (value);
  g_autoptr (GError) error = NULL;
  MossChain *chain = g_bytes_get_size (bytes) > 0 ? moss_chain_parse (bytes, &error) : NULL;
  guint8 fingerprint[MOSS_HASH_BYTES];
  MossChainDevice own;

  if (error != NULL)
    g_warning ("The agent's chain can't be read: %s", error->message);
  moss_fingerprint_to_bytes (netd->id, fingerprint);
  if (chain != NULL && !moss_chain_find_device (chain, fingerprint, &own))
    g_clear_pointer (&chain, moss_chain_unref);
  g_mutex_lock (&home->lock);
  g_clear_pointer (&home->chain, moss_chain_unref);
  home->chain = chain;
  home->slot = chain != NULL ? own.slot : 0;
  g_mutex_unlock (&home->lock);
  if (chain != NULL)
    set_name (home);
}

static void
decide (Netd *netd)
{
  Home *home = netd->home;

  if (home->chain == NULL || home->locked)
    {
      close_tree (netd);
      clear_keys (home);
    }
  else
    ask_for_keys (netd);
  say_state (netd);
}

static void
take_properties (Netd *netd, GVariant *dict)
{
  g_autoptr (GVariant) chain = g_variant_lookup_value (dict, "Chain", G_VARIANT_TYPE_BYTESTRING);

  g_variant_lookup (dict, "Suite", "u", &netd->home->suite);
  g_variant_lookup (dict, "Locked", "b", &netd->home->locked);
  if (chain != NULL)
    take_chain (netd, chain);
  decide (netd);
}

static void
on_properties (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GVariant) dict = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;

  if (dict != NULL)
    take_properties (data, dict);
}

static void
ask_agent (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  g_dbus_connection_call (bus, AGENT, AGENT_PATH, "org.freedesktop.DBus.Properties", "GetAll",
                          g_variant_new ("(s)", AGENT), G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, on_properties, data);
}

static void
on_agent_signal (GDBusConnection *bus, const char *sender, const char *path,
                 const char *interface, const char *name, GVariant *parameters, gpointer data)
{
  ask_agent (bus, NULL, NULL, data);
}

/* ---- Net1 ---------------------------------------------------------------------------- */

static int
take_fd (GUnixFDList *fds, GVariant *handle)
{
  int index = g_variant_get_handle (handle);

  return fds != NULL && index >= 0 && index < g_unix_fd_list_get_length (fds)
             ? g_unix_fd_list_get (fds, index, NULL)
             : -1;
}

static gboolean
on_handle_serve (MossDBusNet1 *interface, GDBusMethodInvocation *invocation, GUnixFDList *fds,
                 GVariant *connection, GVariant *state, GVariant *options, Netd *netd)
{
  Home *home = netd->home;
  const char *socket = NULL;
  GError *error = NULL;

  if (home->tree == NULL)
    {
      g_dbus_method_invocation_return_error (invocation, FILES_ERROR, FILES_ERROR_LOCKED,
                                             _ ("/net is locked. Unlock it first."));
      return TRUE;
    }
  stop_serving (netd);
  forget_connection (home);
  home->connection = take_fd (fds, connection);
  home->state = take_fd (fds, state);
  if (g_variant_lookup (options, "sandboxd", "&s", &socket))
    helper_set_socket (netd, socket);
  if (home->connection >= 0 && home->state >= 0 && serve (netd, &error))
    moss_dbus_net1_complete_serve_net (interface, invocation, NULL);
  else if (error != NULL)
    g_dbus_method_invocation_take_error (invocation, error);
  else
    g_dbus_method_invocation_return_error (invocation, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                                           "The descriptors are missing");
  return TRUE;
}

static gboolean
on_handle_stop (MossDBusNet1 *interface, GDBusMethodInvocation *invocation, Netd *netd)
{
  stop_serving (netd);
  forget_connection (netd->home);
  set_marker (FALSE);
  say_state (netd);
  moss_dbus_net1_complete_stop_net (interface, invocation);
  return TRUE;
}

static gboolean
on_handle_failed (MossDBusNet1 *interface, GDBusMethodInvocation *invocation,
                  const char *reason, Netd *netd)
{
  g_free (netd->home->reason);
  netd->home->reason = g_strdup (reason);
  say_state (netd);
  moss_dbus_net1_complete_net_failed (interface, invocation);
  return TRUE;
}

/* ---- public -------------------------------------------------------------------------- */

/* Made on first use: whoever sets hooks may come before. */
static Home *
ensure (Netd *netd)
{
  if (netd->home == NULL)
    {
      netd->home = g_new0 (Home, 1);
      g_mutex_init (&netd->home->lock);
      netd->home->keys = g_array_new (FALSE, FALSE, sizeof (TreeKey));
      netd->home->locked = TRUE;
      netd->home->reason = g_strdup ("");
      netd->home->connection = netd->home->state = -1;
      netd->home->hooks.open_backing = helper_open_backing;
      netd->home->hooks.close_backing = helper_close_backing;
    }
  return netd->home;
}

void
home_set_sync (Netd *netd, const HomeSync *sync)
{
  Home *home = ensure (netd);

  home->sync = *sync;
  home->hooks.count_hosts = sync->count_hosts;
  home->hooks.saved = sync->saved;
  home->hooks.get_lease = sync->get_lease;
  home->hooks.want_lease = sync->want_lease;
  home->hooks.need_lease = sync->need_lease;
  home->hooks.doubt_lease = sync->doubt_lease;
  home->hooks.get_cost_ms = sync->get_cost_ms;
}

void
home_start (Netd *netd)
{
  ensure (netd);
  g_signal_connect (netd->interface, "handle-serve-net", G_CALLBACK (on_handle_serve), netd);
  g_signal_connect (netd->interface, "handle-stop-net", G_CALLBACK (on_handle_stop), netd);
  g_signal_connect (netd->interface, "handle-net-failed", G_CALLBACK (on_handle_failed), netd);
  g_dbus_connection_signal_subscribe (netd->bus, AGENT, "org.freedesktop.DBus.Properties",
                                      "PropertiesChanged", AGENT_PATH, AGENT,
                                      G_DBUS_SIGNAL_FLAGS_NONE, on_agent_signal, netd, NULL);
  g_dbus_connection_signal_subscribe (netd->bus, AGENT, AGENT, "Unlocked", AGENT_PATH, NULL,
                                      G_DBUS_SIGNAL_FLAGS_NONE, on_agent_signal, netd, NULL);
  g_bus_watch_name_on_connection (netd->bus, AGENT, G_BUS_NAME_WATCHER_FLAGS_NONE, ask_agent,
                                  NULL, netd, NULL);
}

void
home_stop (Netd *netd)
{
  if (netd->home == NULL)
    return;
  close_tree (netd);
  clear_keys (netd->home);
}

const MossMountHooks *
home_get_hooks (Netd *netd)
{
  return &netd->home->hooks;
}

MossTree *
home_get_tree (Netd *netd)
{
  return netd->home->tree;
}

guint16
home_get_slot (Netd *netd)
{
  guint16 slot;

  g_mutex_lock (&netd->home->lock);
  slot = netd->home->slot;
  g_mutex_unlock (&netd->home->lock);
  return slot;
}

const char *
home_get_path (Netd *netd)
{
  return netd->home->path;
}
