/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "net.h"

#include "core/crypto/suite.h"
#include "helper.h"
#include "session/move/manifest.h"
#include "session/move/move-error.h"

#include <glib/gi18n.h>

#define NET_NAME "org.moss.Net1"
#define FILES_TIMEOUT_MS 5000
#define NET_PATH "/org/moss/Net"
#define AGENT_NAME "org.moss.Agent1"
#define AGENT_PATH "/org/moss/Agent"

struct _MossNet
{
  GObject parent_instance;
  GMutex lock;
  GDBusConnection *bus;
  char *owner;         /* unique name of netd */
  char *self_id, *self_name;
  GHashTable *devices; /* id → a{sv} */
  guint32 suite;       /* of our signing key; 0: not known yet */
  GBytes *public_key;
};

enum
{
  DEVICE_LINKED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_TYPE (MossNet, moss_net, G_TYPE_OBJECT)

static void
moss_net_finalize (GObject *object)
{
  MossNet *net = MOSS_NET (object);

  g_clear_object (&net->bus);
  g_free (net->owner);
  g_free (net->self_id);
  g_free (net->self_name);
  g_hash_table_unref (net->devices);
  g_clear_pointer (&net->public_key, g_bytes_unref);
  g_mutex_clear (&net->lock);
  G_OBJECT_CLASS (moss_net_parent_class)->finalize (object);
}

static void
moss_net_class_init (MossNetClass *class)
{
  G_OBJECT_CLASS (class)->finalize = moss_net_finalize;
  signals[DEVICE_LINKED] = g_signal_new ("device-linked", MOSS_TYPE_NET, G_SIGNAL_RUN_LAST, 0,
                                         NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
moss_net_init (MossNet *net)
{
  g_mutex_init (&net->lock);
  net->devices = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                        (GDestroyNotify) g_variant_unref);
}

static gboolean
is_linked (GVariant *device)
{
  const char *state = "";

  return device != NULL && g_variant_lookup (device, "state", "&s", &state)
         && g_str_equal (state, "linked");
}

static void
take_device (MossNet *net, const char *id, GVariant *device)
{
  gboolean was_linked;

  g_mutex_lock (&net->lock);
  was_linked = is_linked (g_hash_table_lookup (net->devices, id));
  g_hash_table_replace (net->devices, g_strdup (id), g_variant_ref (device));
  g_mutex_unlock (&net->lock);
  if (!was_linked && is_linked (device))
    g_signal_emit (net, signals[DEVICE_LINKED], 0, id);
}

static void
on_net_signal (GDBusConnection *bus, const char *sender, const char *path,
               const char *interface, const char *name, GVariant *parameters, gpointer data)
{
  MossNet *net = data;
  const char *id;

  if (g_str_equal (name, "DeviceChanged")
      && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv})")))
    {
      g_autoptr (GVariant) device = NULL;

      g_variant_get (parameters, "(&s@a{sv})", &id, &device);
      take_device (net, id, device);
    }
  else if (g_str_equal (name, "DeviceRemoved")
           && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(s)")))
    {
      g_variant_get (parameters, "(&s)", &id);
      g_mutex_lock (&net->lock);
      g_hash_table_remove (net->devices, id);
      g_mutex_unlock (&net->lock);
    }
}

static void
on_devices_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossNet) net = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) list = NULL;

  if (reply == NULL)
    {
      g_warning ("moss-netd does not list its devices: %s", error->message);
      return;
    }
  list = g_variant_get_child_value (reply, 0);
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) device = g_variant_get_child_value (list, i);
      const char *id;

      if (g_variant_lookup (device, "id", "&s", &id))
        take_device (net, id, device);
    }
}

static void
on_self_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossNet) net = data;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GVariant) all = NULL;

  if (reply == NULL)
    return;
  all = g_variant_get_child_value (reply, 0);
  g_mutex_lock (&net->lock);
  g_clear_pointer (&net->self_id, g_free);
  g_clear_pointer (&net->self_name, g_free);
  g_variant_lookup (all, "DeviceId", "s", &net->self_id);
  g_variant_lookup (all, "DeviceName", "s", &net->self_name);
  g_mutex_unlock (&net->lock);
}

static void
on_netd_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  MossNet *net = data;

  g_mutex_lock (&net->lock);
  g_free (net->owner);
  net->owner = g_strdup (owner);
  g_mutex_unlock (&net->lock);
  g_dbus_connection_call (bus, NET_NAME, NET_PATH, "org.freedesktop.DBus.Properties", "GetAll",
                          g_variant_new ("(s)", NET_NAME), G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_self_ready, g_object_ref (net));
  g_dbus_connection_call (bus, NET_NAME, NET_PATH, NET_NAME, "Devices", NULL,
                          G_VARIANT_TYPE ("(aa{sv})"), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                          on_devices_ready, g_object_ref (net));
}

static void
on_netd_vanished (GDBusConnection *bus, const char *name, gpointer data)
{
  MossNet *net = data;

  g_mutex_lock (&net->lock);
  g_clear_pointer (&net->owner, g_free);
  g_hash_table_remove_all (net->devices); /* whoever is linked again is news */
  g_mutex_unlock (&net->lock);
}

MossNet *
moss_net_new (GDBusConnection *bus)
{
  MossNet *net = g_object_new (MOSS_TYPE_NET, NULL);

  net->bus = g_object_ref (bus);
  g_dbus_connection_signal_subscribe (bus, NET_NAME, NET_NAME, NULL, NET_PATH, NULL,
                                      G_DBUS_SIGNAL_FLAGS_NONE, on_net_signal, net, NULL);
  g_bus_watch_name_on_connection (bus, NET_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                  on_netd_appeared, on_netd_vanished, net, NULL);
  return net;
}

static char *
dup_field (MossNet *net, char **field)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&net->lock);

  return g_strdup (*field ? *field : "");
}

char *
moss_net_self_id (MossNet *net)
{
  return dup_field (net, &net->self_id);
}

char *
moss_net_self_name (MossNet *net)
{
  return dup_field (net, &net->self_name);
}

GVariant *
moss_net_device (MossNet *net, const char *device)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&net->lock);
  GVariant *found = g_hash_table_lookup (net->devices, device);

  return found == NULL ? NULL : g_variant_ref (found);
}

char *
moss_net_device_name (MossNet *net, const char *device)
{
  g_autoptr (GVariant) found = moss_net_device (net, device);
  const char *name = "";

  if (found != NULL && g_variant_lookup (found, "name", "&s", &name) && *name != '\0')
    return g_strdup (name);
  return g_strndup (device, 8);
}

gboolean
moss_net_require_linked (MossNet *net, const char *device, GError **error)
{
  g_autoptr (GVariant) found = moss_net_device (net, device);
  g_autofree char *name = moss_net_device_name (net, device);
  const char *reason = "";

  if (found == NULL)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                   _("There is no device “%s” here"), name);
      return FALSE;
    }
  if (is_linked (found))
    return TRUE;
  g_variant_lookup (found, "reason", "&s", &reason);
  if (*reason != '\0')
    g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_AWAY, _("%s can't be reached: %s"),
                 name, reason);
  else
    g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_AWAY, _("%s can't be reached now"),
                 name);
  return FALSE;
}

GStrv
moss_net_linked (MossNet *net)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&net->lock);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  GHashTableIter iter;
  gpointer id, device;

  g_hash_table_iter_init (&iter, net->devices);
  while (g_hash_table_iter_next (&iter, &id, &device))
    if (is_linked (device))
      g_strv_builder_add (builder, id);
  return g_strv_builder_end (builder);
}

gboolean
moss_net_is_netd (MossNet *net, const char *sender)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&net->lock);

  return net->owner != NULL && g_strcmp0 (net->owner, sender) == 0;
}

/* Names for what D-Bus itself says when a service isn't there. */
static void
propagate (GError **error, GError *local, const char *service)
{
  moss_tidy_error (local);
  if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_set_error_literal (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CANCELLED, "It was cancelled");
      g_error_free (local);
      return;
    }
  if (g_error_matches (local, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
      || g_error_matches (local, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER)
      || g_error_matches (local, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)
      || g_error_matches (local, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_AWAY,
                   _("Moss's service %s is not running or was stopped just now"), service);
      g_error_free (local);
      return;
    }
  g_propagate_error (error, local);
}

/* What waits for another device gives up when the thread's current cancellable says so. */
static GVariant *
call (MossNet *net, const char *method, GVariant *parameters, const char *type, int timeout_ms,
      GUnixFDList *fds_in, GUnixFDList **fds_out, GError **error)
{
  GError *local = NULL;
  GVariant *reply = g_dbus_connection_call_with_unix_fd_list_sync (
      net->bus, NET_NAME, NET_PATH, NET_NAME, method, parameters, G_VARIANT_TYPE (type),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, timeout_ms, fds_in, fds_out,
      g_cancellable_get_current (), &local);

  if (reply == NULL)
    propagate (error, local, "moss-netd");
  return reply;
}

GVariant *
moss_net_call (MossNet *net, const char *device, const char *method, GVariant *body,
               guint timeout_ms, GError **error)
{
  g_autoptr (GVariant) reply
      = call (net, "Call", g_variant_new ("(ssvu)", device, method, body, timeout_ms), "(v)",
              timeout_ms + 2000, NULL, NULL, error);
  g_autoptr (GVariant) value = NULL;

  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(v)", &value);
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
                   _("The other device gave an answer that can't be understood"));
      return NULL;
    }
  return g_steal_pointer (&value);
}

GVariant *
moss_net_put (MossNet *net, int content, GVariant *ranges, const char *on_way_to,
              guint64 *stored_bytes, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GVariant) sunk = g_variant_ref_sink (ranges);
  g_autoptr (GVariant) reply = NULL;
  GVariant *refs;
  guint64 stored;

  if (g_unix_fd_list_append (fds, content, error) < 0)
    return NULL;
  reply = call (net, "Put", g_variant_new ("(h@a(tu)s)", 0, sunk, on_way_to), "(a(ayay)t)",
                120000, fds, NULL, error);
  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(@a(ayay)t)", &refs, &stored);
  if (stored_bytes != NULL)
    *stored_bytes += stored;
  return refs;
}

int
moss_net_get (MossNet *net, GVariant *refs, const char *device, GVariant **lengths,
              guint64 *fetched_bytes, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = call (net, "Get", g_variant_new ("(@a(ayay)s)", refs, device),
                                     "(haut)", 120000, NULL, &fds, error);
  gint32 handle;
  guint64 fetched;
  int fd;

  if (reply == NULL)
    return -1;
  g_variant_get (reply, "(h@aut)", &handle, lengths, &fetched);
  if (fetched_bytes != NULL)
    *fetched_bytes += fetched;
  fd = moss_helper_take_fd (fds, handle, error);
  if (fd < 0)
    g_clear_pointer (lengths, g_variant_unref);
  return fd;
}

gboolean
moss_net_set_root (MossNet *net, const char *name, GVariant *refs, GError **error)
{
  GVariantBuilder ids;
  g_autoptr (GVariant) reply = NULL;

  g_variant_builder_init (&ids, G_VARIANT_TYPE ("aay"));
  for (gsize i = 0; refs != NULL && i < g_variant_n_children (refs); i++)
    {
      g_autoptr (GVariant) id = NULL;

      g_variant_get_child (refs, i, "(@ay@ay)", &id, NULL);
      g_variant_builder_add_value (&ids, id);
    }
  reply = call (net, "SetRoot", g_variant_new ("(saay)", name, &ids), "()", 30000, NULL, NULL,
                error);
  return reply != NULL;
}

/* A move does without, rather than fail: what is behind comes by itself. */
GVariant *
moss_net_leave_files (MossNet *net, const char *sandbox, const char *device)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (net, "LeaveFiles", g_variant_new ("(ss)", sandbox, device),
                                     "(aya(tttyy))", FILES_TIMEOUT_MS, NULL, NULL, &error);
  g_autoptr (GVariant) root = NULL, locks = NULL;

  if (reply == NULL)
    {
      g_message ("An app leaves without word of its files on /net: %s", error->message);
      return NULL;
    }
  g_variant_get (reply, "(@ay@a(tttyy))", &root, &locks);
  return g_variant_ref_sink (
      g_variant_new_parsed ("{'root': <%@ay>, 'locks': <%@a(tttyy)>}", root, locks));
}

void
moss_net_enter_files (MossNet *net, const char *sandbox, GVariant *files)
{
  g_autoptr (GVariant) root
      = g_variant_lookup_value (files, "root", G_VARIANT_TYPE_BYTESTRING);
  g_autoptr (GVariant) locks
      = g_variant_lookup_value (files, "locks", G_VARIANT_TYPE ("a(tttyy)"));
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;

  if (root == NULL || locks == NULL)
    return;
  reply = call (net, "EnterFiles", g_variant_new ("(s@ay@a(tttyy))", sandbox, root, locks), "()",
                FILES_TIMEOUT_MS, NULL, NULL, &error);
  if (reply == NULL)
    g_message ("An app comes before its files on /net: %s", error->message);
}

guint64
moss_net_sent_bytes (MossNet *net, const char *device)
{
  g_autoptr (GVariant) reply = call (net, "LinkBytes", g_variant_new ("(s)", device), "(tt)",
                                     5000, NULL, NULL, NULL);
  guint64 sent = 0;

  if (reply != NULL)
    g_variant_get (reply, "(tt)", &sent, NULL);
  return sent;
}

static GVariant *
call_agent (MossNet *net, const char *interface, const char *method, GVariant *parameters,
            const char *type, GError **error)
{
  GError *local = NULL;
  GVariant *reply = g_dbus_connection_call_sync (
      net->bus, AGENT_NAME, AGENT_PATH, interface, method, parameters, G_VARIANT_TYPE (type),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, 10000, NULL, &local);

  if (reply == NULL)
    propagate (error, local, "moss-agent");
  return reply;
}

/* Asks the agent once for the public half of the key. */
static gboolean
load_key (MossNet *net, GError **error)
{
  g_autoptr (GVariant) reply = NULL, all = NULL, key = NULL;
  guint32 suite = 0;

  g_mutex_lock (&net->lock);
  suite = net->suite;
  g_mutex_unlock (&net->lock);
  if (suite != 0)
    return TRUE;
  reply = call_agent (net, "org.freedesktop.DBus.Properties", "GetAll",
                      g_variant_new ("(s)", AGENT_NAME), "(a{sv})", error);
  if (reply == NULL)
    return FALSE;
  all = g_variant_get_child_value (reply, 0);
  key = g_variant_lookup_value (all, "PublicKey", G_VARIANT_TYPE_BYTESTRING);
  if (!g_variant_lookup (all, "Suite", "u", &suite) || key == NULL)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
                   _("Moss's agent has no signing key"));
      return FALSE;
    }
  g_mutex_lock (&net->lock);
  g_clear_pointer (&net->public_key, g_bytes_unref);
  net->public_key = g_variant_get_data_as_bytes (key);
  net->suite = suite;
  g_mutex_unlock (&net->lock);
  return TRUE;
}

gboolean
moss_net_wait_ready (MossNet *net, guint timeout_ms)
{
  gint64 deadline_us = g_get_monotonic_time () + timeout_ms * 1000;

  for (;;)
    {
      g_autofree char *self = moss_net_self_id (net);

      if (*self != '\0' && load_key (net, NULL))
        return TRUE;
      if (g_get_monotonic_time () > deadline_us)
        return FALSE;
      g_usleep (20000);
    }
}

GBytes *
moss_net_seal (MossNet *net, GBytes *manifest, GError **error)
{
  g_autoptr (GVariant) reply = NULL, signature = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (!load_key (net, error))
    return NULL;
  reply = call_agent (
      net, AGENT_NAME, "Sign",
      g_variant_new ("(s@ay)", MOSS_SNAPSHOT_DOMAIN,
                     g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, manifest, TRUE)),
      "(ay)", error);
  if (reply == NULL)
    return NULL;
  signature = g_variant_get_child_value (reply, 0);
  bytes = g_variant_get_data_as_bytes (signature);
  return moss_envelope_seal (net->suite, net->public_key, bytes, manifest);
}

static gboolean
verify (guint32 suite, GBytes *key, const char *domain, GBytes *message, GBytes *signature,
        GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (message, &size);

  return moss_verify_domain (suite, key, domain, data, size, signature, error);
}

GBytes *
moss_net_open (MossNet *net, const char *device, GBytes *envelope, GError **error)
{
  g_autofree char *self = moss_net_self_id (net);
  g_autoptr (GVariant) found = NULL, key = NULL;
  g_autoptr (GBytes) bytes = NULL;
  guint32 suite;

  if (*device == '\0' || g_str_equal (device, self))
    return load_key (net, error)
               ? moss_envelope_open (envelope, net->suite, net->public_key, verify, error)
               : NULL;
  found = moss_net_device (net, device);
  if (found != NULL)
    key = g_variant_lookup_value (found, "signing-key", G_VARIANT_TYPE_BYTESTRING);
  if (key == NULL || g_variant_get_size (key) == 0
      || !g_variant_lookup (found, "signing-suite", "u", &suite))
    {
      g_autofree char *name = moss_net_device_name (net, device);

      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_DENIED,
                   _("The signing key of %s is not known here"), name);
      return NULL;
    }
  bytes = g_variant_get_data_as_bytes (key);
  return moss_envelope_open (envelope, suite, bytes, verify, error);
}
