// SPDX-License-Identifier: GPL-3.0-or-later
/* The HTTP side. libsoup parses; here is what keeps it in bounds.
 *
 * - A connection has a deadline for everything it does: for saying something, for each request
 *   to come in (longer with its length, at 16 KiB a second), for taking the answer, for being
 *   idle. Past it the connection is cut. So many of them in all, so many an address.
 * - A request is judged when its headers are there. One that will be refused has its body read
 *   to nowhere. A body has a Content-Length within the limit of its route; bodies under way are
 *   bounded together.
 * - "Range" is taken out of the request before libsoup answers: we answer it ourselves. */
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/host.h"

#include <string.h>

enum
{
  CONNECTIONS_MAX = 1024,
  CONNECTIONS_AN_ADDRESS = 64,
  FIRST_WORD_S = 20,
  IDLE_S = 75,
  SWEEP_S = 5,
  SLOWEST_BYTES_A_SECOND = 16 * 1024,
  STRANGER_A_SECOND = 20,
  STRANGER_AT_ONCE = 200,
};

#define BODIES_MAX ((guint64) 128 * 1024 * 1024)

typedef struct
{
  Host *host;
  GSocket *socket;
  char *address;
  gint64 deadline_us; /* monotonic; 0: we make them wait */
} Connection;

static GQuark
connection_quark (void)
{
  return g_quark_from_static_string ("moss-connection");
}

static GQuark
request_quark (void)
{
  return g_quark_from_static_string ("moss-request");
}

/* --- connections --- */

static void
set_deadline (Connection *connection, gint64 seconds)
{
  if (connection != NULL)
    connection->deadline_us = g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
}

static Connection *
connection_of (SoupServerMessage *msg)
{
  GSocketAddress *address = soup_server_message_get_remote_address (msg);

  return address == NULL ? NULL : g_object_get_qdata (G_OBJECT (address), connection_quark ());
}

static gboolean
on_sweep (gpointer data)
{
  Host *host = data;
  gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  Connection *connection;

  g_hash_table_iter_init (&iter, host->connections);
  while (g_hash_table_iter_next (&iter, (gpointer *) &connection, NULL))
    if (connection->deadline_us != 0 && connection->deadline_us < now)
      g_socket_shutdown (connection->socket, TRUE, TRUE, NULL);
  if (g_hash_table_size (host->connections) > 0)
    return G_SOURCE_CONTINUE;
  host->sweep = 0;
  return G_SOURCE_REMOVE;
}

static guint
count_of (Host *host, const char *address)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (host->an_address, address));
}

static void
set_count (Host *host, const char *address, guint count)
{
  if (count == 0)
    g_hash_table_remove (host->an_address, address);
  else
    g_hash_table_replace (host->an_address, g_strdup (address), GUINT_TO_POINTER (count));
}

/* The stream is gone: libsoup closed it, or we did. */
static void
on_stream_gone (gpointer data, GObject *where)
{
  Connection *connection = data;
  Host *host = connection->host;

  set_count (host, connection->address, count_of (host, connection->address) - 1);
  g_hash_table_remove (host->connections, connection);
  g_object_unref (connection->socket);
  g_free (connection->address);
  /* libsoup may keep the address a little longer, which points here. */
  memset (connection, 0, sizeof *connection);
}

static char *
address_text (GSocketAddress *address)
{
  if (!G_IS_INET_SOCKET_ADDRESS (address))
    return g_strdup ("local");
  return g_inet_address_to_string (
      g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
}

static Connection *
connection_new (Host *host, GSocketConnection *stream, GSocketAddress *remote, char *text)
{
  Connection *connection = g_new0 (Connection, 1);

  connection->host = host;
  connection->socket = g_object_ref (g_socket_connection_get_socket (stream));
  connection->address = text;
  set_deadline (connection, FIRST_WORD_S);
  set_count (host, text, count_of (host, text) + 1);
  g_hash_table_add (host->connections, connection);
  g_object_set_qdata_full (G_OBJECT (remote), connection_quark (), connection, g_free);
  /* The weak reference may outlive the address, so it keeps it. */
  g_object_set_data_full (G_OBJECT (stream), "moss-remote", g_object_ref (remote),
                          g_object_unref);
  g_object_weak_ref (G_OBJECT (stream), on_stream_gone, connection);
  if (host->sweep == 0)
    host->sweep = g_timeout_add_seconds (SWEEP_S, on_sweep, host);
  return connection;
}

static GIOStream *
wrap_tls (Host *host, GSocketConnection *stream, GError **error)
{
  if (host->certificate == NULL)
    return g_object_ref (G_IO_STREAM (stream));
  return g_tls_server_connection_new (G_IO_STREAM (stream), host->certificate, error);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *stream, GObject *source, Host *host)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) local = g_socket_connection_get_local_address (stream, NULL);
  g_autoptr (GSocketAddress) remote = g_socket_connection_get_remote_address (stream, NULL);
  g_autoptr (GIOStream) outer = NULL;
  g_autofree char *text = NULL;

  if (local == NULL || remote == NULL)
    return TRUE;
  text = address_text (remote);
  if (g_hash_table_size (host->connections) >= CONNECTIONS_MAX ||
      (!host->behind && count_of (host, text) >= CONNECTIONS_AN_ADDRESS))
    {
      g_debug ("%s: too many connections", text);
      return TRUE;
    }
  g_socket_set_option (g_socket_connection_get_socket (stream), 6 /* IPPROTO_TCP */,
                       1 /* TCP_NODELAY */, TRUE, NULL);
  outer = wrap_tls (host, stream, &error);
  if (outer == NULL)
    {
      g_warning ("TLS: %s", error->message);
      return TRUE;
    }
  connection_new (host, stream, remote, g_steal_pointer (&text));
  if (!soup_server_accept_iostream (host->server, outer, local, remote, &error))
    g_debug ("a connection: %s", error->message);
  return TRUE;
}

/* --- requests --- */

/* Behind a web server the last entry is what that server saw. */
static const char *
who_asks (Host *host, SoupServerMessage *msg, char **keep)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (msg);
  const char *list =
      host->behind ? soup_message_headers_get_list (headers, "X-Forwarded-For") : NULL;
  const char *comma = list == NULL ? NULL : strrchr (list, ',');
  Connection *connection = connection_of (msg);

  if (list != NULL)
    {
      *keep = g_strndup (comma == NULL ? list : comma + 1, 64);
      return g_strstrip (*keep);
    }
  return connection == NULL || connection->address == NULL ? "" : connection->address;
}

static gboolean
check_length (Request *request)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (request->msg);
  gsize most = route_max_body (request->route.kind);
  SoupEncoding encoding = soup_message_headers_get_encoding (headers);
  goffset length = soup_message_headers_get_content_length (headers);

  if (encoding != SOUP_ENCODING_CONTENT_LENGTH && encoding != SOUP_ENCODING_NONE)
    request_refuse (request, SOUP_STATUS_LENGTH_REQUIRED, "a body needs a Content-Length");
  else if (length < 0 || (guint64) length > most)
    request_refuse (request, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE,
                    "the body may have %" G_GSIZE_FORMAT " bytes at most", most);
  else if (request->host->bodies + length > BODIES_MAX)
    request_refuse (request, SOUP_STATUS_SERVICE_UNAVAILABLE, "too much comes in at once");
  else
    {
      request->body_length = length;
      return TRUE;
    }
  return FALSE;
}

static gboolean
check_route (Request *request)
{
  if (request->route.kind == ROUTE_NONE)
    request_refuse (request, SOUP_STATUS_NOT_FOUND, "there is no such thing here");
  else if (request->route.kind == ROUTE_WRONG_VERB)
    request_refuse (request, SOUP_STATUS_METHOD_NOT_ALLOWED, "that can't be done with it");
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_stranger (Request *request)
{
  g_autofree char *keep = NULL;
  const char *who = who_asks (request->host, request->msg, &keep);

  if (rate_table_take (request->host->strangers, who, g_get_monotonic_time ()))
    return TRUE;
  request_refuse (request, STATUS_TOO_MANY, "too many requests");
  return FALSE;
}

/* Who has a good token is bounded as a person, everybody else by address: a refusal counts. */
static gboolean
judge (Request *request, SoupMessageHeaders *headers)
{
  gboolean known_route = check_route (request);

  if (known_route && ROUTE_NEEDS_TOKEN (request->route.kind) &&
      trees_authorise (request, soup_message_headers_get_one (headers, "Authorization")))
    return check_length (request) && trees_reserve (request);
  if (request->person != NULL)
    return FALSE;
  if (!check_stranger (request) || !known_route || ROUTE_NEEDS_TOKEN (request->route.kind))
    return FALSE;
  return check_length (request);
}

static void
take_condition (Request *request, SoupMessageHeaders *headers)
{
  const char *match = soup_message_headers_get_one (headers, "If-Match");
  const char *none = soup_message_headers_get_one (headers, "If-None-Match");
  char etag[2 * MOSS_HASH_BYTES + 1];

  if (request->route.kind == ROUTE_PUT_CELL && none != NULL && strcmp (none, "*") == 0)
    request->condition = g_strdup ("*");
  else if (route_parse_etag (request->route.kind == ROUTE_PUT_CELL ? match : none, etag))
    request->condition = g_strdup (etag);
}

static void
on_finished (SoupServerMessage *msg, Request *request)
{
  Connection *connection = connection_of (msg);

  request->gone = TRUE;
  request->host->bodies -= request->body_length;
  request->host->requests--;
  if (!request->paused)
    trees_unreserve (request); /* else it is being written, and done then */
  cell_forget_waiter (request);
  set_deadline (connection, IDLE_S);
}

static void
refuse_early (Request *request)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (request->msg);

  request->body_length = 0;
  soup_message_body_set_accumulate (soup_server_message_get_request_body (request->msg), FALSE);
  soup_message_headers_replace (headers, "Connection", "close");
  request_send (request);
}

static void
on_headers (SoupServer *server,
            SoupServerMessage *msg,
            const char *path,
            GHashTable *query,
            gpointer user_data)
{
  Host *host = user_data;
  Request *request = request_new (host, msg);
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (msg);
  GUri *uri = soup_server_message_get_uri (msg);

  host->requests++;
  g_object_set_qdata_full (G_OBJECT (msg), request_quark (), request,
                           (GDestroyNotify) request_unref);
  g_signal_connect (msg, "finished", G_CALLBACK (on_finished), request);
  request->range = g_strdup (soup_message_headers_get_one (headers, "Range"));
  soup_message_headers_remove (headers, "Range");
  route_parse (soup_server_message_get_method (msg), path, g_uri_get_query (uri),
               &request->route);
  if (!judge (request, headers))
    {
      refuse_early (request);
      return;
    }
  take_condition (request, headers);
  host->bodies += request->body_length;
  set_deadline (connection_of (msg),
                FIRST_WORD_S + request->body_length / SLOWEST_BYTES_A_SECOND);
}

static void
run_in_reader (gpointer data, gpointer user_data)
{
  Request *request = data;

  request->work (request);
  request_done_in_thread (request);
}

static void
read_in_thread (Request *request, RequestWork work)
{
  request->work = work;
  request_pause (request);
  g_thread_pool_push (request->host->readers, request_ref (request), NULL);
}

static void
about (Request *request)
{
  static const char text[] = "This is a Moss host. It keeps encrypted files and can read none.\n";

  request_answer (request, SOUP_STATUS_OK, g_bytes_new_static (text, sizeof text - 1));
  request_send (request);
}

static void
dispatch (Request *request)
{
  switch (request->route.kind)
    {
    case ROUTE_ABOUT:
      about (request);
      break;
    case ROUTE_FINGER:
      people_finger (request);
      break;
    case ROUTE_GET_CHAIN:
      people_get_chain (request);
      break;
    case ROUTE_PUT_CHAIN:
      people_put_chain (request);
      break;
    case ROUTE_GET_OBJECT:
      read_in_thread (request, objects_get);
      break;
    case ROUTE_MISSING:
      read_in_thread (request, objects_missing);
      break;
    case ROUTE_FETCH:
      read_in_thread (request, objects_fetch);
      break;
    case ROUTE_LIST:
      read_in_thread (request, objects_list);
      break;
    case ROUTE_GET_CELL:
      cell_get (request);
      break;
    case ROUTE_PUT_CELL:
      cell_put (request);
      break;
    default:
      writer_push (request);
    }
}

/* What a token to delete is good for, its digest says. */
static gboolean
is_spent_on_this (Request *request)
{
  guint8 digest[MOSS_HASH_BYTES];

  if (request->route.kind != ROUTE_DELETE)
    return TRUE;
  moss_suite_hash (MOSS_SUITE_SODIUM, g_bytes_get_data (request->body, NULL),
                   g_bytes_get_size (request->body), digest, NULL);
  if (moss_crypto_equal (digest, request->token.digest, sizeof digest))
    return TRUE;
  request_refuse (request, SOUP_STATUS_FORBIDDEN, "the token is for another list");
  request_send (request);
  return FALSE;
}

static void
on_request (SoupServer *server,
            SoupServerMessage *msg,
            const char *path,
            GHashTable *query,
            gpointer user_data)
{
  Request *request = g_object_get_qdata (G_OBJECT (msg), request_quark ());
  Connection *connection = connection_of (msg);

  if (request == NULL)
    {
      soup_server_message_set_status (msg, SOUP_STATUS_BAD_REQUEST, NULL);
      return;
    }
  request->body = soup_message_body_flatten (soup_server_message_get_request_body (msg));
  /* A long poll keeps us waiting, not them; what comes after is bounded by its size. */
  set_deadline (connection, ROUTE_WAIT_MAX_S + 2 * FIRST_WORD_S +
                                MOSS_BUNDLE_MAX_BYTES / SLOWEST_BYTES_A_SECOND);
  if (is_spent_on_this (request))
    dispatch (request);
}

/* --- starting and stopping --- */

static gboolean
add_listener (Host *host, const char *listen, GError **error)
{
  g_autoptr (GSocketConnectable) parsed = g_network_address_parse (listen, 0, error);
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GSocketAddress) effective = NULL;
  g_autofree char *text = NULL;
  const char *name;
  guint16 port;

  if (parsed == NULL)
    return FALSE;
  name = g_network_address_get_hostname (G_NETWORK_ADDRESS (parsed));
  address = g_inet_socket_address_new_from_string (
      name, g_network_address_get_port (G_NETWORK_ADDRESS (parsed)));
  if (address == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "“%s” is not an address with a port to listen at", listen);
      return FALSE;
    }
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (host->service), address,
                                      G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
                                      &effective, error))
    return FALSE;
  port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (effective));
  text = g_strdup_printf (strchr (name, ':') ? "[%s]:%u" : "%s:%u", name, port);
  g_message ("listening at %s", text);
  return TRUE;
}

gboolean
server_start (Host *host, const char *listen, GError **error)
{
  host->connections = g_hash_table_new (NULL, NULL);
  host->an_address = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  host->strangers = rate_table_new (STRANGER_A_SECOND, STRANGER_AT_ONCE);
  host->readers = g_thread_pool_new (run_in_reader, NULL, 4, FALSE, error);
  if (host->readers == NULL || !writer_start (host, error))
    return FALSE;
  host->server = soup_server_new ("server-header", "moss-host", NULL);
  soup_server_add_early_handler (host->server, NULL, on_headers, host, NULL);
  soup_server_add_handler (host->server, NULL, on_request, host, NULL);
  host->service = g_socket_service_new ();
  g_signal_connect (host->service, "incoming", G_CALLBACK (on_incoming), host);
  return add_listener (host, listen, error);
}

/* What was taken in is written and answered as far as that goes within two seconds. */
void
server_stop (Host *host)
{
  gint64 end = g_get_monotonic_time () + 2 * G_USEC_PER_SEC;
  GHashTableIter iter;
  gpointer tree;

  g_socket_service_stop (host->service);
  g_socket_listener_close (G_SOCKET_LISTENER (host->service));
  writer_stop (host);
  g_hash_table_iter_init (&iter, host->trees);
  while (g_hash_table_iter_next (&iter, NULL, &tree))
    while (((Tree *) tree)->waiters->len > 0)
      {
        Request *request = request_ref (g_ptr_array_index (((Tree *) tree)->waiters, 0));

        cell_forget_waiter (request);
        request_refuse (request, SOUP_STATUS_SERVICE_UNAVAILABLE, "this host is shutting down");
        request_send (request);
        request_unref (request);
      }
  while (host->requests > 0 && g_get_monotonic_time () < end)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (5000);
  soup_server_disconnect (host->server);
}
