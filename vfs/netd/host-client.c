// SPDX-License-Identifier: GPL-3.0-or-later
/* Requests to a moss-host.
 *
 * Policy: a host may be anybody's. What it answers is bounded before it is read, in length and
 * in time; nothing of it is unpacked, followed elsewhere or guessed at by libsoup. Objects are
 * checked by who asked for them (their hash), roots by their signatures: here it is only seen to
 * that an answer has the form it must have. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/host-client.h"

#include "core/clock.h"

#include <libsoup/soup.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum
{
  SILENCE_S = 15,
  WAIT_MAX_S = 300,
  PATIENCE_S = 20,
  SLOWEST_BYTES_A_SECOND = 16 * 1024,
  SMALL_ANSWER = 64 * 1024,
  FETCH_MAX_BYTES = 10 * 1024 * 1024,
  CHAIN_MAX_BYTES = 1024 * 1024,
  TOKEN_S = 12 * 3600,
  TOKEN_LEFT_S = 600,
  TRIES = 3,
};

G_DEFINE_QUARK (host-client-error-quark, host_client_error)

struct _HostClient
{
  char *url;  /* without a slash at its end */
  char *name; /* host[:port], as tokens name it */
  HostClientSelf self;
  GMainContext *context;
  SoupSession *session;
  SoupSession *waiter; /* nullable: for answers that may be long in coming */
  char *tokens[MOSS_TOKEN_DELETE]; /* by verb, from 0 */
  gint64 expires_s[MOSS_TOKEN_DELETE];
  guint64 used, quota;
};

/* One request and what came of it. */
typedef struct
{
  const char *method;
  const char *path;
  MossTokenVerb verb; /* 0: no token */
  GBytes *body;       /* nullable */
  const char *condition_name; /* nullable */
  const char *condition;
  guint wait_s;
  gsize most; /* bytes of an answer */
  guint status;
  GBytes *answer;
  char *etag;
} Exchange;

static void
exchange_clear (Exchange *exchange)
{
  g_clear_pointer (&exchange->answer, g_bytes_unref);
  g_clear_pointer (&exchange->etag, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Exchange, exchange_clear)

static gboolean
fail (HostClient *client, int code, const char *reason, GError **error)
{
  g_set_error (error, HOST_CLIENT_ERROR, code, "%s: %s", client->name, reason);
  return FALSE;
}

/* --- making and ending --- */

static char *
name_of (GUri *uri)
{
  const char *host = g_uri_get_host (uri);
  g_autofree char *bare =
      strchr (host, ':') != NULL ? g_strconcat ("[", host, "]", NULL) : g_strdup (host);

  return g_uri_get_port (uri) < 0 ? g_steal_pointer (&bare)
                                  : g_strdup_printf ("%s:%d", bare, g_uri_get_port (uri));
}

/* A connection keeps the timeout that its session had when it was made. */
static SoupSession *
make_session (guint timeout_s)
{
  SoupSession *session = soup_session_new_with_options ("timeout", timeout_s, "user-agent",
                                                        "moss", "max-conns", 2, NULL);

  soup_session_remove_feature_by_type (session, SOUP_TYPE_CONTENT_DECODER);
  return session;
}

/**
 * host_client_new:
 * @url: "https://host[:port]", or "http://…"
 * @self: copied
 */
HostClient *
host_client_new (const char *url, const HostClientSelf *self, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, error);
  const char *scheme = uri == NULL ? "" : g_uri_get_scheme (uri);
  HostClient *client;
  gsize length;

  if (uri == NULL)
    return NULL;
  if ((strcmp (scheme, "https") != 0 && strcmp (scheme, "http") != 0) ||
      g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0' ||
      strlen (g_uri_get_path (uri)) > 1)
    {
      g_set_error (error, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_FAILED,
                   "“%s” is not the address of a host, such as https://example.org", url);
      return NULL;
    }
  client = g_new0 (HostClient, 1);
  client->name = name_of (uri);
  client->url = g_strdup (url);
  length = strlen (client->url);
  if (client->url[length - 1] == '/')
    client->url[length - 1] = '\0';
  client->self = *self;
  client->context = g_main_context_new ();
  g_main_context_push_thread_default (client->context);
  client->session = make_session (SILENCE_S);
  g_main_context_pop_thread_default (client->context);
  return client;
}

void
host_client_free (HostClient *client)
{
  g_main_context_push_thread_default (client->context);
  soup_session_abort (client->session);
  g_clear_object (&client->session);
  if (client->waiter != NULL)
    soup_session_abort (client->waiter);
  g_clear_object (&client->waiter);
  g_main_context_pop_thread_default (client->context);
  g_main_context_unref (client->context);
  for (guint i = 0; i < G_N_ELEMENTS (client->tokens); i++)
    g_free (client->tokens[i]);
  g_free (client->name);
  g_free (client->url);
  g_free (client);
}

/* As of the last answer; zeros before. */
void
host_client_get_room (HostClient *client, guint64 *used, guint64 *quota)
{
  *used = client->used;
  *quota = client->quota;
}

/* --- tokens --- */

static char *
make_token (HostClient *client, MossTokenVerb verb, GBytes *body, gint64 expires, GError **error)
{
  MossToken token = { .verb = verb, .expires_s = expires };
  g_autoptr (GBytes) message = NULL;
  g_autoptr (GBytes) signature = NULL;
  guint suite = client->self.suite;

  token.suite = suite;
  moss_crypto_random (token.nonce, sizeof token.nonce);
  memcpy (token.identity, client->self.identity, MOSS_HASH_BYTES);
  memcpy (token.device, client->self.device, MOSS_HASH_BYTES);
  memcpy (token.tree, client->self.tree.bytes, MOSS_HASH_BYTES);
  g_strlcpy (token.host, client->name, sizeof token.host);
  if (verb == MOSS_TOKEN_DELETE)
    moss_suite_hash (MOSS_SUITE_SODIUM, g_bytes_get_data (body, NULL), g_bytes_get_size (body),
                     token.digest, NULL);
  message = moss_token_message (&token);
  signature = client->self.sign (g_bytes_get_data (message, NULL), g_bytes_get_size (message),
                                 &suite, client->self.user_data, error);
  if (signature == NULL)
    return NULL;
  if (suite != token.suite)
    {
      /* The agent has another kind of key than it had: once more. */
      client->self.suite = suite;
      return make_token (client, verb, body, expires, error);
    }
  return moss_token_header (message, signature);
}

/* Returns: (transfer full) */
static char *
get_token (HostClient *client, MossTokenVerb verb, GBytes *body, GError **error)
{
  gint64 now = moss_clock_now_us () / G_USEC_PER_SEC;
  guint at = verb - 1;

  if (verb == MOSS_TOKEN_DELETE)
    return make_token (client, verb, body, now + MOSS_TOKEN_DELETE_LIFE_S, error);
  if (client->tokens[at] == NULL || client->expires_s[at] < now + TOKEN_LEFT_S)
    {
      g_clear_pointer (&client->tokens[at], g_free);
      client->expires_s[at] = now + TOKEN_S;
      client->tokens[at] = make_token (client, verb, body, now + TOKEN_S, error);
    }
  return g_strdup (client->tokens[at]);
}

static void
drop_tokens (HostClient *client)
{
  for (guint i = 0; i < G_N_ELEMENTS (client->tokens); i++)
    g_clear_pointer (&client->tokens[i], g_free);
}

/* --- one exchange --- */

/* Ten seconds of silence, then three tries five seconds apart: a connection that waits for a
 * cell ends when the host is gone, without waking anybody before. */
static void
on_network_event (SoupMessage *msg,
                  GSocketClientEvent event,
                  GIOStream *connection,
                  gpointer user_data)
{
  static const struct
  {
    int level, option, value;
  } options[] = {
    { SOL_SOCKET, SO_KEEPALIVE, 1 },
    { IPPROTO_TCP, TCP_KEEPIDLE, 10 },
    { IPPROTO_TCP, TCP_KEEPINTVL, 5 },
    { IPPROTO_TCP, TCP_KEEPCNT, 3 },
  };

  if (event != G_SOCKET_CLIENT_CONNECTED || !G_IS_SOCKET_CONNECTION (connection))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    g_socket_set_option (g_socket_connection_get_socket (G_SOCKET_CONNECTION (connection)),
                         options[i].level, options[i].option, options[i].value, NULL);
}

static SoupMessage *
make_message (HostClient *client, const Exchange *exchange, GError **error)
{
  g_autofree char *url = g_strconcat (client->url, exchange->path, NULL);
  g_autoptr (SoupMessage) msg = soup_message_new (exchange->method, url);
  g_autofree char *token = NULL;
  SoupMessageHeaders *headers;

  if (msg == NULL)
    {
      fail (client, HOST_CLIENT_ERROR_FAILED, "its address makes no sense", error);
      return NULL;
    }
  soup_message_add_flags (msg, SOUP_MESSAGE_NO_REDIRECT);
  g_signal_connect (msg, "network-event", G_CALLBACK (on_network_event), NULL);
  soup_message_disable_feature (msg, SOUP_TYPE_CONTENT_SNIFFER);
  headers = soup_message_get_request_headers (msg);
  if (exchange->verb != 0)
    {
      token = get_token (client, exchange->verb, exchange->body, error);
      if (token == NULL)
        return NULL;
      soup_message_headers_replace (headers, "Authorization", token);
    }
  if (exchange->condition_name != NULL)
    soup_message_headers_replace (headers, exchange->condition_name, exchange->condition);
  if (exchange->wait_s > 0)
    {
      g_autofree char *wait = g_strdup_printf ("wait=%u", exchange->wait_s);

      soup_message_headers_replace (headers, "Prefer", wait);
    }
  if (exchange->body != NULL)
    soup_message_set_request_body_from_bytes (msg, "application/octet-stream", exchange->body);
  return g_steal_pointer (&msg);
}

static guint64
header_number (SoupMessageHeaders *headers, const char *name)
{
  const char *text = soup_message_headers_get_one (headers, name);
  guint64 number = 0;

  if (text != NULL)
    g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &number, NULL);
  return number;
}

/* At most so many bytes, not slower than is of use. */
static GBytes *
read_answer (HostClient *client,
             GInputStream *stream,
             gsize most,
             GCancellable *cancellable,
             GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gint64 begin = g_get_monotonic_time ();
  g_autofree guint8 *buffer = g_malloc (64 * 1024);

  for (;;)
    {
      gint64 allowed_s = PATIENCE_S + bytes->len / SLOWEST_BYTES_A_SECOND;
      gssize got = g_input_stream_read (stream, buffer, 64 * 1024, cancellable, error);

      if (got < 0)
        return NULL;
      if (got == 0)
        return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
      if (bytes->len + (gsize) got > most)
        {
          fail (client, HOST_CLIENT_ERROR_LIES, "it answers more than was asked for", error);
          return NULL;
        }
      g_byte_array_append (bytes, buffer, got);
      if (g_get_monotonic_time () - begin > allowed_s * G_USEC_PER_SEC)
        {
          fail (client, HOST_CLIENT_ERROR_SLOW, "it answers too slowly", error);
          return NULL;
        }
    }
}

static gboolean
take_answer (HostClient *client,
             SoupMessage *msg,
             GInputStream *stream,
             Exchange *exchange,
             GCancellable *cancellable,
             GError **error)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (msg);
  gboolean good;

  exchange->status = soup_message_get_status (msg);
  good = SOUP_STATUS_IS_SUCCESSFUL (exchange->status);
  exchange->answer = read_answer (client, stream, good ? exchange->most : SMALL_ANSWER,
                                  cancellable, error);
  if (exchange->answer == NULL)
    return FALSE;
  exchange->etag = g_strdup (soup_message_headers_get_one (headers, "ETag"));
  if (good && exchange->verb != 0)
    {
      client->used = header_number (headers, "Moss-Used");
      client->quota = header_number (headers, "Moss-Quota");
    }
  return TRUE;
}

/* libsoup's and GIO's many codes, as far as the caller can do something about them. */
static void
explain (HostClient *client, GError **error)
{
  g_autoptr (GError) original = g_steal_pointer (error);

  if (original->domain == HOST_CLIENT_ERROR ||
      g_error_matches (original, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    *error = g_steal_pointer (&original);
  else if (g_error_matches (original, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    fail (client, HOST_CLIENT_ERROR_AWAY, "it doesn't answer", error);
  else if (original->domain == G_TLS_ERROR)
    fail (client, HOST_CLIENT_ERROR_REFUSED, original->message, error);
  else if (original->domain == G_DBUS_ERROR || original->domain == MOSS_CRYPTO_ERROR)
    fail (client, HOST_CLIENT_ERROR_FAILED, original->message, error);
  else
    fail (client, HOST_CLIENT_ERROR_AWAY, original->message, error);
}

static gboolean
try_once (HostClient *client, Exchange *exchange, GCancellable *cancellable, GError **error)
{
  g_autoptr (SoupMessage) msg = make_message (client, exchange, error);
  g_autoptr (GInputStream) stream = NULL;
  SoupSession *session = client->session;

  if (msg == NULL)
    return FALSE;
  /* While it makes us wait, silence is no fault. */
  if (exchange->wait_s > 0)
    {
      if (client->waiter == NULL)
        client->waiter = make_session (SILENCE_S + WAIT_MAX_S);
      session = client->waiter;
    }
  stream = soup_session_send (session, msg, cancellable, error);
  return stream != NULL &&
         take_answer (client, msg, stream, exchange, cancellable, error);
}

/* What the host says in place of an answer, as an error of ours. */
static gboolean
check_status (HostClient *client, Exchange *exchange, GError **error)
{
  g_autofree char *said = NULL;
  int code = HOST_CLIENT_ERROR_FAILED;
  gsize length;
  const char *bytes;

  if (SOUP_STATUS_IS_SUCCESSFUL (exchange->status) ||
      exchange->status == SOUP_STATUS_NOT_MODIFIED)
    return TRUE;
  switch (exchange->status)
    {
    case SOUP_STATUS_UNAUTHORIZED:
    case SOUP_STATUS_FORBIDDEN:
      code = HOST_CLIENT_ERROR_REFUSED;
      break;
    case SOUP_STATUS_NOT_FOUND:
      code = HOST_CLIENT_ERROR_MISSING;
      break;
    case SOUP_STATUS_PRECONDITION_FAILED:
    case SOUP_STATUS_CONFLICT:
      code = HOST_CLIENT_ERROR_CHANGED;
      break;
    case SOUP_STATUS_INSUFFICIENT_STORAGE:
      code = HOST_CLIENT_ERROR_FULL;
      break;
    case SOUP_STATUS_SERVICE_UNAVAILABLE:
    case SOUP_STATUS_BAD_GATEWAY:
    case SOUP_STATUS_GATEWAY_TIMEOUT:
    case 429:
      code = HOST_CLIENT_ERROR_AWAY;
      break;
    }
  /* A stranger's words: so many of them, and only what can be shown. */
  bytes = g_bytes_get_data (exchange->answer, &length);
  said = length == 0 ? NULL : g_utf8_make_valid (bytes, MIN (length, 200));
  if (said != NULL)
    g_strcanon (said, " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                      ".,:;()'-~@/", '?');
  g_set_error (error, HOST_CLIENT_ERROR, code, "%s: %s (%u)", client->name,
               said != NULL ? said : "it refuses", exchange->status);
  return FALSE;
}

static gboolean
run (HostClient *client, Exchange *exchange, GCancellable *cancellable, GError **error)
{
  gboolean ok = FALSE;

  g_main_context_push_thread_default (client->context);
  for (guint i = 0; i < TRIES; i++)
    {
      g_clear_error (error);
      exchange_clear (exchange);
      ok = try_once (client, exchange, cancellable, error);
      if (!ok || (exchange->status != SOUP_STATUS_UNAUTHORIZED && exchange->status != 429))
        break;
      drop_tokens (client);
      if (exchange->status == 429)
        g_usleep (G_USEC_PER_SEC);
    }
  g_main_context_pop_thread_default (client->context);
  if (ok)
    return check_status (client, exchange, error);
  explain (client, error);
  return FALSE;
}

/* "/o/TREE" and what follows */
static char *
tree_path (HostClient *client, const char *before, const char *after)
{
  g_autofree char *tree = moss_id_to_string (&client->self.tree);

  return g_strconcat (before, tree, after, NULL);
}

/* --- chains --- */

/* A chain that the host knows already is no error; one that it finds older than its own is
 * %HOST_CLIENT_ERROR_CHANGED. */
gboolean
host_client_put_chain (HostClient *client,
                       const char *identity,
                       GBytes *chain,
                       GCancellable *cancellable,
                       GError **error)
{
  g_autofree char *path = g_strconcat ("/id/", identity, NULL);
  g_auto (Exchange) exchange = { .method = "PUT", .path = path, .body = chain,
                                 .most = SMALL_ANSWER };

  return run (client, &exchange, cancellable, error);
}

/* Returns: (transfer full): not verified */
GBytes *
host_client_get_chain (HostClient *client,
                       const char *identity,
                       GCancellable *cancellable,
                       GError **error)
{
  g_autofree char *path = g_strconcat ("/id/", identity, NULL);
  g_auto (Exchange) exchange = { .method = "GET", .path = path, .most = CHAIN_MAX_BYTES };

  return run (client, &exchange, cancellable, error) ? g_steal_pointer (&exchange.answer)
                                                     : NULL;
}

/* --- objects --- */

/* Returns: (transfer full): those of @ids that the host lacks; only ever some of them */
GArray *
host_client_missing (HostClient *client,
                     const MossId *ids,
                     gsize count,
                     GCancellable *cancellable,
                     GError **error)
{
  g_autofree char *path = tree_path (client, "/o/", "/missing");
  g_autoptr (GBytes) body = moss_id_list_new (ids, count);
  g_auto (Exchange) exchange = { .method = "POST", .path = path, .verb = MOSS_TOKEN_READ,
                                 .body = body, .most = count * sizeof (MossId) };
  g_autoptr (GError) local = NULL;
  GArray *missing;

  if (!run (client, &exchange, cancellable, &local))
    {
      if (!g_error_matches (local, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_MISSING))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return NULL;
        }
      /* It has nothing of the tree yet. */
      missing = g_array_new (FALSE, FALSE, sizeof (MossId));
      return g_array_append_vals (missing, ids, count);
    }
  missing = moss_id_list_parse (exchange.answer, NULL);
  if (missing == NULL)
    fail (client, HOST_CLIENT_ERROR_LIES, "its list makes no sense", error);
  return missing;
}

gboolean
host_client_put_many (HostClient *client,
                      GBytes *bundle,
                      GCancellable *cancellable,
                      GError **error)
{
  g_autofree char *path = tree_path (client, "/o/", "/many");
  g_auto (Exchange) exchange = { .method = "POST", .path = path, .verb = MOSS_TOKEN_WRITE,
                                 .body = bundle,
                                 .most = MOSS_BUNDLE_MAX_IDS * sizeof (MossId) };
  guint count;

  if (!run (client, &exchange, cancellable, error))
    return FALSE;
  if (!moss_bundle_check (bundle, &count, NULL) ||
      g_bytes_get_size (exchange.answer) != count * sizeof (MossId))
    return fail (client, HOST_CLIENT_ERROR_LIES, "it took other objects than were sent", error);
  return TRUE;
}

/**
 * host_client_fetch:
 * @answered: (out): how many of @ids the host spoke of: the first ones; at least one
 *
 * What comes is not verified here.
 */
gboolean
host_client_fetch (HostClient *client,
                   const MossId *ids,
                   gsize count,
                   HostClientObject each,
                   gpointer user_data,
                   gsize *answered,
                   GCancellable *cancellable,
                   GError **error)
{
  g_autofree char *path = tree_path (client, "/o/", "/fetch");
  g_autoptr (GBytes) body = moss_id_list_new (ids, MIN (count, MOSS_BUNDLE_MAX_IDS));
  g_auto (Exchange) exchange = { .method = "POST", .path = path, .verb = MOSS_TOKEN_READ,
                                 .body = body, .most = FETCH_MAX_BYTES };
  gsize at = 0;

  *answered = 0;
  if (!run (client, &exchange, cancellable, error))
    return FALSE;
  while (*answered < count)
    {
      g_autoptr (GBytes) object = NULL;

      if (!moss_bundle_next (exchange.answer, &at, &object, NULL))
        return fail (client, HOST_CLIENT_ERROR_LIES, "its bundle is torn", error);
      if (object == NULL)
        break;
      if (!each ((*answered)++, g_bytes_get_size (object) > 0 ? object : NULL, user_data))
        return TRUE;
    }
  return *answered > 0 ||
         fail (client, HOST_CLIENT_ERROR_LIES, "it answers with nothing", error);
}

gboolean
host_client_delete (HostClient *client,
                    const MossId *ids,
                    gsize count,
                    GCancellable *cancellable,
                    GError **error)
{
  g_autofree char *path = tree_path (client, "/o/", "/delete");
  g_autoptr (GBytes) body = moss_id_list_new (ids, count);
  g_auto (Exchange) exchange = { .method = "POST", .path = path, .verb = MOSS_TOKEN_DELETE,
                                 .body = body, .most = SMALL_ANSWER };

  return run (client, &exchange, cancellable, error);
}

/* --- the cell --- */

/**
 * host_client_get_cell:
 * @known: (nullable): the ETag of what is known: then only another one is told
 * @wait_s: how long the host may wait for another one
 * @cell: (out) (nullable): %NULL: there is none yet, or none but @known
 * @etag: (out) (nullable): of @cell
 */
gboolean
host_client_get_cell (HostClient *client,
                      const char *known,
                      guint wait_s,
                      GBytes **cell,
                      char **etag,
                      GCancellable *cancellable,
                      GError **error)
{
  g_autofree char *path = tree_path (client, "/cell/", "");
  g_autoptr (GError) local = NULL;
  g_auto (Exchange) exchange = { .method = "GET", .path = path, .verb = MOSS_TOKEN_READ,
                                 .condition_name = known == NULL ? NULL : "If-None-Match",
                                 .condition = known, .wait_s = wait_s, .most = HOST_CELL_MAX };

  *cell = NULL;
  *etag = NULL;
  if (!run (client, &exchange, cancellable, &local))
    {
      if (g_error_matches (local, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_MISSING))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (exchange.status == SOUP_STATUS_NOT_MODIFIED)
    return TRUE;
  if (exchange.etag == NULL || strlen (exchange.etag) > 80)
    return fail (client, HOST_CLIENT_ERROR_LIES, "its cell has no ETag", error);
  *cell = g_steal_pointer (&exchange.answer);
  *etag = g_steal_pointer (&exchange.etag);
  return TRUE;
}

/**
 * host_client_put_cell:
 * @etag: (nullable): of what it replaces; %NULL: the first one
 * @new_etag: (out): of @cell
 */
gboolean
host_client_put_cell (HostClient *client,
                      GBytes *cell,
                      const char *etag,
                      char **new_etag,
                      GCancellable *cancellable,
                      GError **error)
{
  g_autofree char *path = tree_path (client, "/cell/", "");
  g_auto (Exchange) exchange = { .method = "PUT", .path = path, .verb = MOSS_TOKEN_WRITE,
                                 .condition_name = etag == NULL ? "If-None-Match" : "If-Match",
                                 .condition = etag == NULL ? "*" : etag, .body = cell,
                                 .most = SMALL_ANSWER };

  if (!run (client, &exchange, cancellable, error))
    return FALSE;
  *new_etag = g_steal_pointer (&exchange.etag);
  return TRUE;
}
