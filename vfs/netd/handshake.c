// SPDX-License-Identifier: GPL-3.0-or-later
/* TLS between two devices.
 *
 * Policy: TLS 1.3 and nothing else; both sides show a certificate; no authority, name or date
 * counts, only whether the SHA-256 of the certificate is one that a person gave to this device
 * (or, when dialling, exactly the one that was meant). "Don't know" is "no". Whoever isn't
 * known is cut off in the handshake: no byte of theirs reaches a parser of ours. The one
 * exception is a stranger who asks for a pairing (by ALPN) while this device shows a code, or
 * whom a person here wants to pair with: pairing.c gets them, and nothing else does. Few
 * handshakes at a time, each with an end. */
#define G_LOG_DOMAIN "moss-netd"

#include "core/identity/pairing.h"
#include "vfs/netd/netd.h"

#include <glib/gi18n.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum
{
  HANDSHAKES_MAX = 32,
  HANDSHAKE_SECONDS = 5,
};

typedef struct
{
  Netd *netd;
  GIOStream *tls;
  GSocket *socket;
  char *expected; /* nullable: any that is pinned */
  char *id;       /* what the other side showed */
  gboolean unknown;
  gboolean dialled;
  gboolean pairing; /* dialled, to pair with whoever answers */
  GCancellable *cancellable;
  guint timeout;
  HandshakeDone done;
  gpointer user_data;
} Handshake;

static void
handshake_free (Handshake *handshake)
{
  handshake->netd->handshakes--;
  g_clear_handle_id (&handshake->timeout, g_source_remove);
  g_object_unref (handshake->tls);
  g_object_unref (handshake->socket);
  g_object_unref (handshake->cancellable);
  g_free (handshake->expected);
  g_free (handshake->id);
  g_free (handshake);
}

static gboolean
on_accept_certificate (GTlsConnection *tls,
                       GTlsCertificate *certificate,
                       GTlsCertificateFlags flags,
                       Handshake *handshake)
{
  Device *device;

  g_free (handshake->id);
  handshake->id = moss_certificate_fingerprint (certificate);
  device = device_find (handshake->netd, handshake->id);
  handshake->unknown = device == NULL || !device->paired ||
                       (handshake->expected != NULL &&
                        strcmp (handshake->expected, handshake->id) != 0);
  /* Whether a stranger asks for a pairing is known when the handshake is done. */
  return !handshake->unknown || handshake->pairing ||
         (!handshake->dialled && pairing_is_open (handshake->netd));
}

static gboolean
wants_pairing (Handshake *handshake)
{
  return g_strcmp0 (g_tls_connection_get_negotiated_protocol (
                        G_TLS_CONNECTION (handshake->tls)),
                    MOSS_PAIRING_PROTOCOL) == 0;
}

static gboolean
check_result (Handshake *handshake, GError **error)
{
  if (handshake->id == NULL)
    g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_REFUSED,
                 _ ("The other side showed no certificate."));
  else if (handshake->pairing && !wants_pairing (handshake))
    g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_REFUSED,
                 "the other side doesn't want to pair");
  else if (handshake->unknown && handshake->expected != NULL)
    g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_REFUSED,
                 _ ("Another device answers at its address (its fingerprint starts with "
                    "%.8s)."),
                 handshake->id);
  else if (handshake->unknown && !wants_pairing (handshake))
    g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_REFUSED,
                 "the device %.8s is not known here", handshake->id);
  else if (g_tls_connection_get_protocol_version (G_TLS_CONNECTION (handshake->tls)) !=
           G_TLS_PROTOCOL_VERSION_TLS_1_3)
    g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_REFUSED,
                 _ ("The other side doesn't speak TLS 1.3."));
  else
    return TRUE;
  return FALSE;
}

static void
on_handshake (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Handshake *handshake = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) verdict = NULL;
  gboolean shaken =
      g_tls_connection_handshake_finish (G_TLS_CONNECTION (source), result, &error);

  /* Who was refused is told so, not that a certificate was unacceptable. */
  if ((shaken || handshake->unknown) && !check_result (handshake, &verdict))
    {
      g_clear_error (&error);
      error = g_steal_pointer (&verdict);
    }
  if (error != NULL)
    {
      g_socket_shutdown (handshake->socket, TRUE, TRUE, NULL);
      handshake->done (handshake->netd, NULL, NULL, handshake->id, error,
                       handshake->user_data);
    }
  else if (!handshake->dialled && wants_pairing (handshake))
    pairing_accept (handshake->netd, handshake->tls, handshake->socket, handshake->id);
  else
    handshake->done (handshake->netd, handshake->tls, handshake->socket, handshake->id, NULL,
                     handshake->user_data);
  handshake_free (handshake);
}

static gboolean
on_timeout (gpointer data)
{
  Handshake *handshake = data;

  handshake->timeout = 0;
  g_cancellable_cancel (handshake->cancellable);
  return G_SOURCE_REMOVE;
}

static void
tune_socket (GSocket *socket)
{
  /* A call must not wait behind megabytes of objects that the kernel has already taken. */
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 128 * 1024, NULL);
  g_socket_set_keepalive (socket, TRUE);
}

static GIOStream *
make_tls (Netd *netd,
          GSocketConnection *connection,
          gboolean dialled,
          gboolean pairing,
          GError **error)
{
  static const char *const protocols[] = { MOSS_PAIRING_PROTOCOL, NULL };
  GIOStream *tls;

  if (dialled)
    {
      tls = g_tls_client_connection_new (G_IO_STREAM (connection), NULL, error);
      if (tls != NULL)
        g_tls_connection_set_certificate (G_TLS_CONNECTION (tls), netd->certificate);
    }
  else
    {
      tls = g_tls_server_connection_new (G_IO_STREAM (connection), netd->certificate, error);
      if (tls != NULL)
        g_object_set (tls, "authentication-mode", G_TLS_AUTHENTICATION_REQUIRED, NULL);
    }
  if (tls != NULL)
    {
      g_tls_connection_set_database (G_TLS_CONNECTION (tls), NULL);
      g_tls_connection_set_require_close_notify (G_TLS_CONNECTION (tls), FALSE);
      if (pairing)
        g_tls_connection_set_advertised_protocols (G_TLS_CONNECTION (tls), protocols);
    }
  return tls;
}

static void
shake (Netd *netd,
       GSocketConnection *connection,
       const char *expected,
       gboolean pairing,
       HandshakeDone done,
       gpointer user_data)
{
  gboolean dialled = expected != NULL || pairing;
  g_autoptr (GError) error = NULL;
  g_autoptr (GIOStream) tls = NULL;
  g_autoptr (GSocketAddress) remote = NULL;
  Handshake *self;

  /* glib-networking asks for the address too, and stumbles when it is gone already. */
  remote = g_socket_connection_get_remote_address (connection, &error);
  if (remote == NULL)
    {
      done (netd, NULL, NULL, NULL, error, user_data);
      return;
    }
  if (netd->handshakes >= HANDSHAKES_MAX)
    {
      error = g_error_new (MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY,
                           "too many connections are being made");
      done (netd, NULL, NULL, NULL, error, user_data);
      return;
    }
  tls = make_tls (netd, connection, dialled, dialled ? pairing : pairing_is_open (netd),
                  &error);
  if (tls == NULL)
    {
      done (netd, NULL, NULL, NULL, error, user_data);
      return;
    }
  self = g_new0 (Handshake, 1);
  self->netd = netd;
  self->tls = g_steal_pointer (&tls);
  self->socket = g_object_ref (g_socket_connection_get_socket (connection));
  self->expected = g_strdup (expected);
  self->dialled = dialled;
  self->pairing = pairing;
  self->cancellable = g_cancellable_new ();
  self->done = done;
  self->user_data = user_data;
  netd->handshakes++;
  tune_socket (self->socket);
  self->timeout = g_timeout_add_seconds (HANDSHAKE_SECONDS, on_timeout, self);
  g_signal_connect (self->tls, "accept-certificate", G_CALLBACK (on_accept_certificate), self);
  g_tls_connection_handshake_async (G_TLS_CONNECTION (self->tls), G_PRIORITY_DEFAULT,
                                    self->cancellable, on_handshake, self);
}

/**
 * handshake:
 * @expected: (nullable): the device that was dialled; %NULL when the other side did
 * @done: called once, in the main context, with a stream or with an error; not at all for a
 *   stranger who is to be paired
 */
void
handshake (Netd *netd,
           GSocketConnection *connection,
           const char *expected,
           HandshakeDone done,
           gpointer user_data)
{
  shake (netd, connection, expected, FALSE, done, user_data);
}

/**
 * handshake_pairing:
 *
 * With whoever answers, if they show a code.
 */
void
handshake_pairing (Netd *netd,
                   GSocketConnection *connection,
                   HandshakeDone done,
                   gpointer user_data)
{
  shake (netd, connection, NULL, TRUE, done, user_data);
}
