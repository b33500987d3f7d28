// SPDX-License-Identifier: GPL-3.0-or-later
/* Calls between the sessions of two devices: netd only carries them. What a device may ask
 * for, the session decides (org.moss.SessionPeer1.Handle), of functions ("ffi.") the broker of
 * functions, which is started for that (org.moss.FunctionBrokerPeer1.Handle). */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/lease.h"
#include "vfs/netd/sync.h"

#include "core/fault.h"

#include <glib/gi18n.h>
#include <string.h>

#define FUNCTIONS_PREFIX "ffi."

enum
{
  METHOD_MAX = 128,
};

static const struct
{
  const char *name, *path, *interface;
  GDBusCallFlags flags;
} answerers[] = {
  { "org.moss.Session1", "/org/moss/Session", "org.moss.SessionPeer1",
    G_DBUS_CALL_FLAGS_NO_AUTO_START },
  { "org.moss.FunctionBroker1", "/org/moss/FunctionBroker", "org.moss.FunctionBrokerPeer1",
    G_DBUS_CALL_FLAGS_NONE },
};

/* --- from this session to another device --- */

static void
on_replied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;
  g_autoptr (GVariant) reply = moss_link_call_finish (result, &name, &error);

  if (reply != NULL)
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(v)", reply));
  else if (name != NULL && g_dbus_is_error_name (name))
    g_dbus_method_invocation_return_dbus_error (invocation, name, error->message);
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
}

static gboolean
on_handle_call (MossDBusNet1 *interface,
                GDBusMethodInvocation *invocation,
                const char *id,
                const char *method,
                GVariant *body,
                guint timeout_ms,
                Netd *netd)
{
  Device *device = device_find (netd, id);
  g_autoptr (GVariant) inner = g_variant_get_variant (body);

  if (device == NULL || !device->paired || strlen (method) > METHOD_MAX)
    g_dbus_method_invocation_return_error (invocation, MOSS_LINK_ERROR,
                                           MOSS_LINK_ERROR_INVALID,
                                           _ ("There is no device “%s”."), id);
  else if (device->link == NULL)
    g_dbus_method_invocation_return_error (
        invocation, MOSS_LINK_ERROR,
        device->state == DEVICE_REFUSED ? MOSS_LINK_ERROR_REFUSED : MOSS_LINK_ERROR_AWAY,
        "%s: %s", device->name, device->reason);
  else if (moss_fault ("netd-call"))
    g_dbus_method_invocation_return_error (invocation, MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY,
                                           "fault");
  else
    moss_link_call (device->link, method, inner, timeout_ms, on_replied, invocation);
  return TRUE;
}

/* --- from another device to this session --- */

typedef struct
{
  Netd *netd;
  MossLink *link;
  guint64 request;
  char *key;
} Incoming;

static char *
call_key (MossLink *link, guint64 request)
{
  return g_strdup_printf ("%p %" G_GUINT64_FORMAT, (void *) link, request);
}

static void
on_handled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Incoming *incoming = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autofree char *name = NULL;

  if (reply != NULL)
    {
      g_autoptr (GVariant) value = NULL;

      g_variant_get (reply, "(v)", &value);
      moss_link_reply (incoming->link, incoming->request, value);
    }
  else
    {
      name = g_dbus_error_get_remote_error (error);
      g_dbus_error_strip_remote_error (error);
      if (name == NULL || g_str_has_prefix (name, "org.freedesktop.DBus.Error.NameHasNoOwner") ||
          g_str_equal (name, "org.freedesktop.DBus.Error.ServiceUnknown"))
        moss_link_reply_error (incoming->link, incoming->request, "org.moss.Error.Away",
                               _ ("Nobody is logged in to Moss on that device."));
      else
        moss_link_reply_error (incoming->link, incoming->request, name, error->message);
    }
  g_hash_table_remove (incoming->netd->calls, incoming->key);
  g_free (incoming->key);
  moss_link_unref (incoming->link);
}

void
relay_call (MossLink *link,
            guint64 request,
            const char *method,
            GVariant *body,
            gpointer user_data)
{
  Netd *netd = user_data;
  guint answerer = g_str_has_prefix (method, FUNCTIONS_PREFIX);
  GCancellable *cancellable;
  Incoming *incoming;

  if (g_str_equal (method, WHERE_METHOD))
    {
      where_call (netd, link, request, body);
      return;
    }
  if (g_str_equal (method, IDENTITY_CHAIN_METHOD))
    {
      identity_call (netd, link, request, body);
      return;
    }
  if (g_str_has_prefix (method, SYNC_CALL_PREFIX))
    {
      sync_call (netd, link, request, method, body);
      return;
    }
  if (g_str_has_prefix (method, LEASE_CALL_PREFIX))
    {
      lease_call (netd, link, request, method, body);
      return;
    }
  if (strlen (method) > METHOD_MAX || moss_fault ("netd-called"))
    {
      moss_link_reply_error (link, request, "org.moss.Error.Invalid", "not possible");
      return;
    }
  incoming = g_new0 (Incoming, 1);
  incoming->netd = netd;
  incoming->link = moss_link_ref (link);
  incoming->request = request;
  incoming->key = call_key (link, request);
  cancellable = g_cancellable_new ();
  g_hash_table_replace (netd->calls, g_strdup (incoming->key), cancellable);
  g_dbus_connection_call (netd->bus, answerers[answerer].name, answerers[answerer].path,
                          answerers[answerer].interface, "Handle",
                          g_variant_new ("(ssv)", moss_link_get_device (link), method, body),
                          G_VARIANT_TYPE ("(v)"), answerers[answerer].flags, G_MAXINT,
                          cancellable, on_handled, incoming);
}

void
relay_cancelled (MossLink *link, guint64 request, gpointer user_data)
{
  Netd *netd = user_data;
  g_autofree char *key = call_key (link, request);
  GCancellable *cancellable = g_hash_table_lookup (netd->calls, key);

  if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
}

void
relay_export (Netd *netd)
{
  netd->calls = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  g_signal_connect (netd->interface, "handle-call", G_CALLBACK (on_handle_call), netd);
}
