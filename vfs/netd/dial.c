// SPDX-License-Identifier: GPL-3.0-or-later
/* Reaching a pinned device: its addresses one after the other, soon again after a failure and
 * then less often, at once when there is a sign of it. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/netd.h"

#include <glib/gi18n.h>

enum
{
  DELAY_FIRST_MS = 150,
  DELAY_MAX_MS = 5000,
  CONNECT_SECONDS = 4,
};

typedef struct
{
  Netd *netd;
  char *id;
  char *address;
} Dial;

static void
dial_free (Dial *dial)
{
  g_free (dial->id);
  g_free (dial->address);
  g_free (dial);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Dial, dial_free)

static const char *
next_address (Device *device)
{
  guint count = device->addresses->len + (device->discovered != NULL ? 1 : 0);
  guint index;

  if (count == 0)
    return NULL;
  index = device->attempt++ % count;
  if (device->discovered != NULL)
    {
      if (index == 0)
        return device->discovered;
      index--;
    }
  return g_ptr_array_index (device->addresses, index);
}

static void
failed (Device *device, const char *address, const GError *error)
{
  g_autofree char *reason = NULL;

  device->dialling = FALSE;
  if (device->link != NULL || !device->paired)
    return;
  if (g_error_matches (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_REFUSED))
    device_set_state (device, DEVICE_REFUSED, error->message);
  else
    {
      reason = g_strdup_printf (_ ("It doesn't answer at %s."), address);
      device_set_state (device, DEVICE_AWAY, reason);
      g_debug ("%s: %s", address, error->message);
    }
  dial_later (device);
}

static void
on_handshake_done (Netd *netd,
                   GIOStream *tls,
                   GSocket *socket,
                   const char *id,
                   const GError *error,
                   gpointer user_data)
{
  g_autoptr (Dial) dial = user_data;
  Device *device = device_find (netd, dial->id);

  if (device == NULL || !device->paired)
    return; /* removed meanwhile */
  if (error != NULL)
    {
      failed (device, dial->address, error);
      return;
    }
  device->dialling = FALSE;
  device_remember_address (device, dial->address);
  peers_accept (netd, tls, socket, id, TRUE);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Dial) dial = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect_finish (G_SOCKET_CLIENT (source), result, &error);
  Device *device = device_find (dial->netd, dial->id);

  if (device == NULL || !device->paired)
    return;
  if (connection == NULL)
    {
      failed (device, dial->address, error);
      return;
    }
  g_socket_set_timeout (g_socket_connection_get_socket (connection), 0);
  handshake (dial->netd, connection, device->id, on_handshake_done, dial);
  g_steal_pointer (&dial);
}

static gboolean
on_retry (gpointer data)
{
  Device *device = data;

  device->retry = 0;
  dial_now (device);
  return G_SOURCE_REMOVE;
}

/* Tries again after a while that grows with every failure. */
void
dial_later (Device *device)
{
  guint spread;

  if (device->link != NULL || device->retry != 0 || device->dialling || !device->paired ||
      device->netd->stopping)
    return;
  if (device->addresses->len == 0 && device->discovered == NULL)
    return;
  if (device->delay_ms == 0)
    device->delay_ms = DELAY_FIRST_MS;
  spread = g_random_int_range (0, device->delay_ms / 4 + 1);
  device->retry = g_timeout_add (MIN (device->delay_ms + spread, DELAY_MAX_MS), on_retry,
                                 device);
  device->delay_ms = MIN (device->delay_ms * 2, DELAY_MAX_MS);
}

/* Tries now, unless it is linked or being tried. */
void
dial_now (Device *device)
{
  g_autoptr (GSocketClient) client = NULL;
  const char *address;
  Dial *dial;

  if (device->link != NULL || device->dialling || !device->paired || device->netd->stopping)
    return;
  g_clear_handle_id (&device->retry, g_source_remove);
  address = next_address (device);
  if (address == NULL)
    return;
  client = g_socket_client_new ();
  /* Links go straight: a proxy for web pages has nothing to do with them. */
  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_set_timeout (client, CONNECT_SECONDS);
  dial = g_new0 (Dial, 1);
  dial->netd = device->netd;
  dial->id = g_strdup (device->id);
  dial->address = g_strdup (address);
  device->dialling = TRUE;
  g_socket_client_connect_to_host_async (client, address, MOSS_LINK_PORT, NULL, on_connected,
                                         dial);
}

void
dial_stop (Device *device)
{
  g_clear_handle_id (&device->retry, g_source_remove);
  device->delay_ms = 0;
}
