// SPDX-License-Identifier: GPL-3.0-or-later
/* Listening, and the rule by which two devices that dial each other at once keep one link.
 *
 * Of two links between the same two processes the one is kept that the device with the smaller
 * id dialled; both sides see that alike. A link to another process (the other side's netd was
 * restarted) always replaces an older one. The one that isn't kept gets no new requests and is
 * closed when its open ones are answered. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/sync.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  RETIRE_MS = 1000,
  RETIRE_TRIES = 60,
  LINKS_MAX = 256,
  STEADY_US = 2 * G_USEC_PER_SEC,   /* a link that lasted less is no success */
  SUSPECT_US = 3500 * 1000,         /* a ping goes out every 3 s */
};

static void
on_accepted (Netd *netd,
             GIOStream *tls,
             GSocket *socket,
             const char *id,
             const GError *error,
             gpointer user_data)
{
  if (error != NULL)
    g_debug ("a connection was refused: %s", error->message);
  else
    peers_accept (netd, tls, socket, id, FALSE);
}

static gboolean
on_incoming (GSocketService *service,
             GSocketConnection *connection,
             GObject *source,
             Netd *netd)
{
  handshake (netd, connection, NULL, on_accepted, NULL);
  return TRUE;
}

static gboolean
listen_at (Netd *netd, guint16 port, GError **error)
{
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GSocketAddress) effective = NULL;

  if (netd->listen_address == NULL)
    {
      if (port == 0)
        {
          netd->port = g_socket_listener_add_any_inet_port (
              G_SOCKET_LISTENER (netd->service), NULL, error);
          return netd->port != 0;
        }
      netd->port = port;
      return g_socket_listener_add_inet_port (G_SOCKET_LISTENER (netd->service), port, NULL,
                                              error);
    }
  address = g_inet_socket_address_new_from_string (netd->listen_address, port);
  if (address == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "“%s” is not an address to listen at", netd->listen_address);
      return FALSE;
    }
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (netd->service), address,
                                      G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
                                      &effective, error))
    return FALSE;
  netd->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (effective));
  return TRUE;
}

/* Others remember the port, so it is kept from one start to the next. */
static int
saved_port (const char *path)
{
  g_autofree char *text = NULL;
  guint64 port;

  if (g_file_get_contents (path, &text, NULL, NULL) &&
      g_ascii_string_to_unsigned (g_strstrip (text), 10, 1, 65535, &port, NULL))
    return port;
  return MOSS_LINK_PORT;
}

/**
 * peers_listen:
 * @wanted_port: -1: the usual one, or any that is free; 0: any
 */
gboolean
peers_listen (Netd *netd, int wanted_port, GError **error)
{
  g_autofree char *path = g_build_filename (netd->state_dir, "port", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) local = NULL;

  netd->service = g_socket_service_new ();
  g_signal_connect (netd->service, "incoming", G_CALLBACK (on_incoming), netd);
  if (wanted_port >= 0)
    {
      if (!listen_at (netd, wanted_port, error))
        return FALSE;
    }
  else if (!listen_at (netd, saved_port (path), &local) && !listen_at (netd, 0, error))
    return FALSE;
  netd->hello.port = netd->port;
  text = g_strdup_printf ("%u\n", netd->port);
  g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL);
  g_socket_service_start (netd->service);
  return TRUE;
}

/**
 * peers_accept:
 * @id: a pinned device: the handshake saw to it
 */
void
peers_accept (Netd *netd, GIOStream *tls, GSocket *socket, const char *id, gboolean dialled)
{
  MossLink *link;
  g_autoptr (GError) error = NULL;

  if (netd->stopping || netd->links >= LINKS_MAX)
    return;
  link = moss_link_new (tls, socket, id, dialled, &peers_events, netd);
  netd->links++;
  /* The link's threads keep it until it is closed; on_closed() drops this reference. */
  if (!moss_link_start (link, &netd->hello, &error))
    {
      g_warning ("%s: %s", id, error->message);
      netd->links--;
      moss_link_unref (link);
    }
}

typedef struct
{
  MossLink *link;
  guint tries;
} Retire;

static gboolean
on_retire (gpointer data)
{
  Retire *retire = data;

  if (!moss_link_is_idle (retire->link) && retire->tries++ < RETIRE_TRIES)
    return G_SOURCE_CONTINUE;
  moss_link_close (retire->link, "another link between the two is used");
  return G_SOURCE_REMOVE;
}

static void
free_retire (gpointer data)
{
  Retire *retire = data;

  moss_link_unref (retire->link);
  g_free (retire);
}

static void
retire_link (MossLink *link)
{
  Retire *retire = g_new0 (Retire, 1);

  retire->link = moss_link_ref (link);
  g_timeout_add_full (G_PRIORITY_DEFAULT, RETIRE_MS, on_retire, retire, free_retire);
}

static gboolean
is_preferred (Netd *netd, MossLink *link)
{
  gboolean mine_is_smaller = strcmp (netd->id, moss_link_get_device (link)) < 0;

  return moss_link_get_dialled (link) == mine_is_smaller;
}

/* Says whether the new one is to be used. */
static gboolean
choose (Netd *netd, Device *device, MossLink *link, const MossHello *hello)
{
  if (device->link == NULL || device->instance != hello->instance ||
      moss_link_get_silence_us (device->link) > SUSPECT_US)
    return TRUE;
  return is_preferred (netd, link) || !is_preferred (netd, device->link);
}

/* The signing key is pinned when it is first seen: a device whose netd was taken over can't
 * bring a key of its own. */
static gboolean
check_signing_key (Device *device, const MossHello *hello)
{
  if (hello->signing_key == NULL)
    return TRUE;
  if (device->signing_key == NULL)
    {
      device->signing_key = g_bytes_ref (hello->signing_key);
      device->suite = hello->suite;
      return TRUE;
    }
  return device->suite == hello->suite &&
         g_bytes_equal (device->signing_key, hello->signing_key);
}

/**
 * peers_address:
 * @remote: (nullable): the other end of a connection
 * @port: where the other side listens
 *
 * Returns: (transfer full) (nullable): "host:port"
 */
char *
peers_address (GSocketAddress *remote, guint16 port)
{
  g_autofree char *host = NULL;
  GInetAddress *inet;

  if (remote == NULL || !G_IS_INET_SOCKET_ADDRESS (remote) || port == 0)
    return NULL;
  inet = g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote));
  if (g_inet_address_get_is_link_local (inet))
    return NULL; /* means nothing without its interface */
  host = g_inet_address_to_string (inet);
  if (g_str_has_prefix (host, "::ffff:") && strchr (host, '.') != NULL)
    return g_strdup_printf ("%s:%u", host + strlen ("::ffff:"), port);
  if (g_inet_address_get_family (inet) == G_SOCKET_FAMILY_IPV6)
    return g_strdup_printf ("[%s]:%u", host, port);
  return g_strdup_printf ("%s:%u", host, port);
}

static void
on_greeted (MossLink *link, const MossHello *hello, gpointer user_data)
{
  Netd *netd = user_data;
  Device *device = device_find (netd, moss_link_get_device (link));
  g_autoptr (MossLink) old = NULL;
  g_autoptr (GSocketAddress) remote = NULL;
  g_autofree char *address = NULL;

  if (device == NULL || !device->paired)
    {
      moss_link_close (link, "the device was removed");
      return;
    }
  if (!check_signing_key (device, hello))
    {
      moss_link_close (link, "its signing key is another one");
      if (device->link == NULL)
        device_set_state (device, DEVICE_REFUSED,
                          _ ("Its signing key has changed. Remove it and add it again if you "
                             "know why."));
      return;
    }
  if (!choose (netd, device, link, hello))
    {
      retire_link (link);
      return;
    }
  old = g_steal_pointer (&device->link);
  if (old != NULL && device->instance == hello->instance)
    retire_link (old);
  else if (old != NULL)
    moss_link_close (old, "the other device has started anew");
  device->link = moss_link_ref (link);
  device->instance = hello->instance;
  device->cores = hello->cores;
  g_free (device->name);
  device->name = g_strdup (hello->name);
  g_free (device->arch);
  device->arch = g_strdup (hello->arch);
  g_free (device->kind);
  device->kind = g_strdup (hello->kind);
  g_clear_handle_id (&device->retry, g_source_remove);
  remote = moss_link_get_dialled (link) ? NULL : moss_link_get_remote_address (link);
  address = peers_address (remote, hello->port);
  if (address != NULL)
    device_remember_address (device, address);
  devices_save (netd);
  device_set_state (device, DEVICE_LINKED, "");
  device_changed (device);
  status_greet (netd, link);
  sync_links_changed (netd);
  identity_greet (netd, device);
  where_tell (netd);
}

static void
on_status (MossLink *link, GVariant *status, gpointer user_data)
{
  Netd *netd = user_data;
  Device *device = device_find (netd, moss_link_get_device (link));

  if (device == NULL)
    return;
  g_clear_pointer (&device->status, g_variant_unref);
  device->status = g_variant_ref (status);
  device_changed (device);
}

/* Why a device ends a link that it didn't greet. */
static char *
say_refusal (Device *device, const GError *reason)
{
  if (g_error_matches (reason, MOSS_LINK_ERROR, MOSS_LINK_ERROR_PROTOCOL))
    return g_strdup (reason->message);
  if (device->slot > 0)
    return g_strdup_printf (_ ("%s doesn't know this device any more. Pair again?"),
                            device->name);
  return g_strdup (_ ("It doesn't know this device, or no longer."));
}

static void
on_closed (MossLink *link, const GError *reason, gpointer user_data)
{
  Netd *netd = user_data;
  Device *device = device_find (netd, moss_link_get_device (link));

  g_debug ("link to %.8s: %s", moss_link_get_device (link), reason->message);
  netd->links--;
  if (device != NULL && device->link == link)
    {
      g_clear_pointer (&device->link, moss_link_unref);
      device_set_state (device, DEVICE_AWAY, reason->message);
      sync_links_changed (netd);
      if (moss_link_get_age_us (link) < STEADY_US)
        {
          dial_later (device);
        }
      else
        {
          device->delay_ms = 0;
          dial_now (device);
        }
    }
  else if (device != NULL && device->link == NULL && !moss_link_get_greeted (link) &&
           moss_link_get_dialled (link))
    {
      /* With TLS 1.3 the handshake looks good to who dialled, even when the other side then
       * refuses: all that shows is an end before the greeting. */
      g_autofree char *sentence = say_refusal (device, reason);

      device_set_state (device, DEVICE_REFUSED, sentence);
      dial_later (device);
    }
  moss_link_unref (link);
}

/* Closes the link of a device at once. */
void
peers_drop (Device *device, const char *reason)
{
  if (device->link != NULL)
    moss_link_close (device->link, reason);
}

void
peers_drop_all (Netd *netd, const char *reason)
{
  GHashTableIter iter;
  Device *device;

  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    peers_drop (device, reason);
}

/* No more connections are taken or made. */
void
peers_stop (Netd *netd)
{
  GHashTableIter iter;
  Device *device;

  netd->stopping = TRUE;
  g_socket_service_stop (netd->service);
  g_socket_listener_close (G_SOCKET_LISTENER (netd->service));
  peers_drop_all (netd, "this device is shutting down");
  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    dial_stop (device);
}

const MossLinkEvents peers_events = {
  .greeted = on_greeted,
  .status = on_status,
  .call = relay_call,
  .cancelled = relay_cancelled,
  .closed = on_closed,
  .load = transfer_load,
  .pushed = transfer_pushed,
};
