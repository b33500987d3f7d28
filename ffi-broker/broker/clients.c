/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections of callers and of processes that announce functions. A caller may report what a
 * call cost only of providers that it was connected to; an app in a sandbox is told that the
 * table must be copied, and is trusted by no provider. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum
{
  NAME_MAX_CHARS = 64,
  CONNECTING_MAX = 64,
  ASKING_MAX = 64,
  BACK_S = 4,          /* in which providers find a new broker */
  ASK_AGAIN_MS = 100,
};

struct _Client
{
  Broker *broker;
  MossFfiConn *conn;       /* NULL once it is gone */
  char *name, *app;
  gboolean greeted;
  gboolean same_user;      /* as the broker */
  guint connecting, asking;
  GHashTable *providers;   /* numbers it may report of */
};

typedef struct
{
  Client *client;
  guint64 serial;
  guint provider;
  gboolean trusted;
} Connecting;

static void
client_clear (gpointer data)
{
  Client *client = data;

  g_free (client->name);
  g_free (client->app);
  g_hash_table_unref (client->providers);
}

static void
client_unref (gpointer data)
{
  g_rc_box_release_full (data, client_clear);
}

static void
answer_error (Client *client, guint64 serial, int code, const char *text)
{
  g_autoptr (GError) error = g_error_new_literal (MOSS_FFI_ERROR, code, text);

  moss_ffi_conn_send_error (client->conn, serial, error);
}

static void
on_hello (Client *client, MossFfiFrame *frame)
{
  const char *name;
  GVariantDict about;
  int table;

  g_variant_get_child (frame->body, 0, "&s", &name);
  g_free (client->name);
  client->name = g_utf8_substring (name, 0, MIN (NAME_MAX_CHARS, g_utf8_strlen (name, -1)));
  client->greeted = TRUE;
  publish_now (client->broker);
  table = publish_get_fd (client->broker);
  g_variant_dict_init (&about, NULL);
  g_variant_dict_insert (&about, "cpu", "s", client->broker->cpu);
  g_variant_dict_insert (&about, "relayed", "b", client->app != NULL);
  g_variant_dict_insert (&about, "generation", "t", client->broker->generation);
  moss_ffi_conn_send (client->conn, MOSS_FFI_FRAME_WELCOME, frame->serial,
                      g_variant_new ("(u@a{sv})", 1u, g_variant_dict_end (&about)),
                      &table, 1);
}

static void
on_connected (int socket, const GError *error, gpointer user_data)
{
  Connecting *connecting = user_data;
  Client *client = connecting->client;
  GVariantDict about;

  client->connecting--;
  if (client->conn != NULL && socket >= 0)
    {
      g_hash_table_add (client->providers, GUINT_TO_POINTER (connecting->provider));
      g_variant_dict_init (&about, NULL);
      g_variant_dict_insert (&about, "trusted", "b", connecting->trusted);
      moss_ffi_conn_send (client->conn, MOSS_FFI_FRAME_CONNECTED, connecting->serial,
                          g_variant_new ("(@a{sv})", g_variant_dict_end (&about)), &socket, 1);
    }
  else if (client->conn != NULL)
    moss_ffi_conn_send_error (client->conn, connecting->serial, error);
  if (socket >= 0)
    close (socket);
  client_unref (client);
  g_free (connecting);
}

static void
on_connect (Client *client, MossFfiFrame *frame)
{
  Provider *provider;
  Connecting *connecting;
  guint number;

  g_variant_get (frame->body, "(u)", &number);
  provider = publish_get_provider (client->broker, number);
  if (provider == NULL || provider->kind == MOSS_FFI_KIND_IN_PROCESS)
    {
      answer_error (client, frame->serial, MOSS_FFI_ERROR_NOT_OFFERED,
                    "there is no such provider any more");
      return;
    }
  if (client->connecting >= CONNECTING_MAX)
    {
      answer_error (client, frame->serial, MOSS_FFI_ERROR_BUSY, "too many connections at once");
      return;
    }
  connecting = g_new0 (Connecting, 1);
  connecting->client = g_rc_box_acquire (client);
  connecting->serial = frame->serial;
  connecting->provider = provider->number;
  connecting->trusted = client_trusts (client, provider);
  client->connecting++;
  connect_provider (provider, client->app != NULL ? client->app : client->name,
                    connecting->trusted, on_connected, connecting);
}

static void
on_report (Client *client, MossFfiFrame *frame)
{
  guint number, outcome;
  guint64 in, out, run, whole;
  Offer *offer;

  g_variant_get (frame->body, "(uttttu)", &number, &in, &out, &run, &whole, &outcome);
  offer = registry_get_offer (client->broker, number);
  if (offer == NULL)
    return;
  if (offer->provider->kind == MOSS_FFI_KIND_REMOTE && outcome <= MOSS_FFI_OUTCOME_LOST)
    return; /* remote-call.c knows which device it was */
  if (offer->provider->client == client ||
      g_hash_table_contains (client->providers, GUINT_TO_POINTER (offer->provider->number)))
    learn_report (client->broker, offer, in, out, run, whole, outcome);
}

typedef struct
{
  Client *client;
  guint64 serial;
  char *request;
  GVariant *options;
  gint64 until_us;
} Asking;

static void
asking_free (Asking *asking)
{
  asking->client->asking--;
  client_unref (asking->client);
  g_free (asking->request);
  g_variant_unref (asking->options);
  g_free (asking);
}

/* FALSE: nobody offers it yet, but those who did may be on their way back. */
static gboolean
answer_ask (Asking *asking)
{
  Client *client = asking->client;
  g_autoptr (GError) error = NULL;
  GVariant *plan;

  if (client->conn == NULL)
    return TRUE;
  plan = explain_plan (client->broker, asking->request, asking->options, &error);
  if (plan != NULL)
    moss_ffi_conn_send (client->conn, MOSS_FFI_FRAME_ANSWER, asking->serial,
                        g_variant_new ("(@aa{sv})", plan), NULL, 0);
  else if (g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_NOT_OFFERED) &&
           g_get_monotonic_time () < asking->until_us)
    return FALSE;
  else
    moss_ffi_conn_send_error (client->conn, asking->serial, error);
  return TRUE;
}

static gboolean
on_ask_again (gpointer user_data)
{
  Asking *asking = user_data;

  if (!answer_ask (asking))
    return G_SOURCE_CONTINUE;
  asking_free (asking);
  return G_SOURCE_REMOVE;
}

/* Who was offered by a process in the broker's last life announces again in its next. */
static gboolean
was_offered (Broker *broker, const char *request)
{
  g_autoptr (MossFfiCapability) capability = moss_ffi_capability_parse (request, NULL);
  GHashTableIter iter;
  Offer *offer;

  g_hash_table_iter_init (&iter, broker->offers);
  while (capability != NULL && g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    if (!offer->announced && offer->provider->kind == MOSS_FFI_KIND_LOCAL &&
        moss_ffi_capability_match (offer->capability, capability) != MOSS_FFI_MATCH_NO)
      return TRUE;
  return FALSE;
}

static void
on_ask (Client *client, MossFfiFrame *frame)
{
  gint64 back_us = client->broker->started_us + BACK_S * G_USEC_PER_SEC;
  gint64 now = g_get_monotonic_time ();
  Asking *asking = g_new0 (Asking, 1);
  guint64 deadline_us;

  asking->client = g_rc_box_acquire (client);
  client->asking++;
  asking->serial = frame->serial;
  g_variant_get (frame->body, "(s@a{sv})", &asking->request, &asking->options);
  if (now < back_us && client->asking < ASKING_MAX &&
      was_offered (client->broker, asking->request))
    asking->until_us = back_us;
  if (g_variant_lookup (asking->options, "deadline-us", "t", &deadline_us))
    asking->until_us = MIN (asking->until_us, now + (gint64) MIN (deadline_us, G_MAXINT64 / 2));
  if (answer_ask (asking))
    asking_free (asking);
  else
    g_timeout_add (ASK_AGAIN_MS, on_ask_again, asking);
}

static void
on_announce (Client *client, MossFfiFrame *frame)
{
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GVariant) provider = NULL, offers = NULL;
  g_autoptr (GError) error = NULL;
  GVariant *list;

  g_variant_get (frame->body, "(@a{sv}@aa{sv})", &provider, &offers);
  if (registry_announce (client->broker, provider, offers, client, NULL, numbers, &error) == NULL)
    {
      moss_ffi_conn_send_error (client->conn, frame->serial, error);
      return;
    }
  list = g_variant_new_fixed_array (G_VARIANT_TYPE_UINT32, numbers->data, numbers->len, 4);
  moss_ffi_conn_send (client->conn, MOSS_FFI_FRAME_ANNOUNCED, frame->serial,
                      g_variant_new ("(@au)", list), NULL, 0);
}

static void
on_withdraw (Client *client, MossFfiFrame *frame)
{
  g_autoptr (GVariant) list = g_variant_get_child_value (frame->body, 0);
  gsize n;
  const guint *numbers = g_variant_get_fixed_array (list, &n, sizeof (guint));

  for (gsize i = 0; i < n; i++)
    {
      Offer *offer = registry_get_offer (client->broker, numbers[i]);

      if (offer != NULL && offer->provider->client == client)
        offer->announced = FALSE;
    }
  publish_soon (client->broker);
}

static void
on_begin (Client *client, MossFfiFrame *frame)
{
  const char *what;
  guint64 predicted_us;
  guint offer;

  g_variant_get (frame->body, "(&stu)", &what, &predicted_us, &offer);
  running_begin (client, frame->serial, what, predicted_us, offer);
}

static void
on_progress (Client *client, MossFfiFrame *frame)
{
  double fraction;

  g_variant_get (frame->body, "(d)", &fraction);
  running_progress (client, frame->serial, fraction);
}

static void
on_frame (MossFfiConn *conn, MossFfiFrame *frame, gpointer user_data)
{
  Client *client = user_data;

  switch (frame->kind)
    {
    case MOSS_FFI_FRAME_HELLO:
      on_hello (client, frame);
      break;
    case MOSS_FFI_FRAME_CONNECT:
      on_connect (client, frame);
      break;
    case MOSS_FFI_FRAME_REPORT:
      on_report (client, frame);
      break;
    case MOSS_FFI_FRAME_ASK:
      on_ask (client, frame);
      break;
    case MOSS_FFI_FRAME_BEGIN:
      on_begin (client, frame);
      break;
    case MOSS_FFI_FRAME_PROGRESS:
      on_progress (client, frame);
      break;
    case MOSS_FFI_FRAME_END:
      running_end (client, frame->serial);
      break;
    case MOSS_FFI_FRAME_ANNOUNCE:
      on_announce (client, frame);
      break;
    case MOSS_FFI_FRAME_WITHDRAW:
      on_withdraw (client, frame);
      break;
    default:
      moss_ffi_conn_hang_up (conn, "it sends what only a broker or a provider says");
    }
}

static void
on_ended (MossFfiConn *conn, gpointer user_data)
{
  Client *client = user_data;
  GHashTableIter iter;
  Provider *provider;

  client->conn = NULL;
  running_client_gone (client);
  g_hash_table_iter_init (&iter, client->broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    if (provider->client == client)
      registry_provider_gone (provider);
  g_hash_table_remove (client->broker->clients, client);
}

static const MossFfiConnFuncs funcs = { on_frame, on_ended };

static gboolean
is_same_user (int socket)
{
  struct ucred peer = { .uid = -1 };
  socklen_t size = sizeof peer;

  return getsockopt (socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == getuid ();
}

Client *
clients_add (Broker *broker, int socket, const char *app)
{
  Client *client;

  if (g_hash_table_size (broker->clients) >= CLIENTS_MAX)
    {
      g_message ("there are %u connections already, one more is refused", CLIENTS_MAX);
      close (socket);
      return NULL;
    }
  client = g_rc_box_new0 (Client);
  client->broker = broker;
  client->name = g_strdup ("");
  client->app = g_strdup (app);
  client->providers = g_hash_table_new (NULL, NULL);
  client->same_user = is_same_user (socket);
  client->conn = moss_ffi_conn_new (socket, &funcs, client);
  g_hash_table_add (broker->clients, client);
  return client;
}

const char *
client_get_name (Client *client)
{
  return client->app != NULL ? client->app : client->name;
}

gboolean
client_trusts (Client *client, const Provider *provider)
{
  return !client->app && client->same_user && provider->kind == MOSS_FFI_KIND_LOCAL &&
         provider->worker == NULL && provider->client != NULL && !provider->client->app &&
         provider->client->same_user && provider->returns_memory;
}

Broker *
client_get_broker (Client *client)
{
  return client->broker;
}

MossFfiConn *
client_get_conn (Client *client)
{
  return client->conn;
}

const char *
client_get_app (Client *client)
{
  return client->app;
}

void
clients_tell_table (Broker *broker)
{
  int table = publish_get_fd (broker);
  GHashTableIter iter;
  Client *client;

  g_hash_table_iter_init (&iter, broker->clients);
  while (g_hash_table_iter_next (&iter, (gpointer *) &client, NULL))
    if (client->greeted && client->conn != NULL)
      moss_ffi_conn_send (client->conn, MOSS_FFI_FRAME_TABLE, 0, g_variant_new ("()"),
                          &table, 1);
}

/* --- the socket --- */

static gboolean
on_incoming (int fd, GIOCondition condition, gpointer user_data)
{
  int socket = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (socket >= 0)
    clients_add (user_data, socket, NULL);
  return G_SOURCE_CONTINUE;
}

static void
client_gone (gpointer data)
{
  Client *client = data;

  g_clear_pointer (&client->conn, moss_ffi_conn_free);
  client_unref (client);
}

static char *
choose_path (void)
{
  const char *chosen = g_getenv ("MOSS_FFI_SOCKET");

  if (chosen != NULL && *chosen != '\0')
    return g_strdup (chosen);
  return g_build_filename (g_get_user_runtime_dir (), "moss", "ffi", NULL);
}

static int
bind_socket (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autofree char *dir = g_path_get_dirname (path);
  int fd = -1;

  if (strlen (path) >= sizeof address.sun_path)
    errno = ENAMETOOLONG;
  else if (g_mkdir_with_parents (dir, 0700) == 0)
    fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0)
    {
      memcpy (address.sun_path, path, strlen (path) + 1);
      g_unlink (path); /* the name on the bus is ours: whoever had it is gone */
      if (bind (fd, (struct sockaddr *) &address, sizeof address) == 0 &&
          g_chmod (path, 0600) == 0 && listen (fd, 128) == 0)
        return fd;
    }
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "%s: %s", path,
               g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static void
close_listener (gpointer data)
{
  close (GPOINTER_TO_INT (data));
}

gboolean
clients_listen (Broker *broker, GError **error)
{
  int fd;

  broker->socket_path = choose_path ();
  fd = bind_socket (broker->socket_path, error);
  if (fd < 0)
    return FALSE;
  broker->listener = g_unix_fd_source_new (fd, G_IO_IN);
  g_source_set_callback (broker->listener, G_SOURCE_FUNC (on_incoming), broker, NULL);
  g_source_attach (broker->listener, NULL);
  g_object_set_data_full (G_OBJECT (broker->interface), "listener", GINT_TO_POINTER (fd),
                          close_listener);
  return TRUE;
}

void
clients_start (Broker *broker)
{
  broker->clients = g_hash_table_new_full (NULL, NULL, client_gone, NULL);
}

void
clients_stop (Broker *broker)
{
  if (broker->listener != NULL)
    {
      g_source_destroy (broker->listener);
      g_clear_pointer (&broker->listener, g_source_unref);
      g_unlink (broker->socket_path);
    }
  g_clear_pointer (&broker->clients, g_hash_table_unref);
  g_clear_pointer (&broker->socket_path, g_free);
}
