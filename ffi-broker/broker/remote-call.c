/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A provider on another device, as its callers see it: a socket that speaks frames. Of devices
 * that are about equally good, two are drawn at random and the better one is taken, so that not
 * all callers run to the same. A call that takes much longer than it should is sent to a second
 * one, when that has nothing else to do; only pure functions are offered across devices. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "remote.h"

#include "ffi-broker/client/buffer-wire.h"

#include <math.h>
#include <unistd.h>

enum
{
  CALLS_OF_CALLER_MAX = 16,
  HEDGE_TIMES = 2,            /* of the prediction */
  HEDGE_MIN_MS = 300,
  TIMEOUT_MS = 10 * 60 * 1000,
};

#define NEARLY_EQUAL 1.3

typedef struct
{
  Broker *broker;
  guint provider_number;
  MossFfiConn *conn;          /* NULL once the caller hung up */
  GHashTable *calls;          /* serial → Call */
} Proxy;

typedef struct
{
  Proxy *proxy;
  guint64 serial;
  char *function, *caps;
  GVariant *options;
  GPtrArray *inputs;
  guint64 bytes_in;
  gint64 started_us;
  guint pending;              /* devices that were asked and have not answered */
  gboolean answered;
  guint hedge;
  GError *error;              /* of the last that failed */
  char *first;                /* device */
  GPtrArray *asks;            /* Ask, under way; not owned */
} Call;

typedef struct
{
  Call *call;
  char *device;
  guint64 wire_serial;
  gint64 asked_us;            /* monotonic */
  gboolean answered;
} Ask;

/* Differ after a restart, too: the other side knows calls by them. */
static guint64 wire_serials;

static void
proxy_clear (gpointer data)
{
  g_hash_table_unref (((Proxy *) data)->calls);
}

static void
call_clear (gpointer data)
{
  Call *call = data;

  g_clear_handle_id (&call->hedge, g_source_remove);
  g_free (call->function);
  g_free (call->caps);
  g_free (call->first);
  g_variant_unref (call->options);
  g_clear_pointer (&call->inputs, g_ptr_array_unref);
  g_clear_pointer (&call->asks, g_ptr_array_unref);
  g_clear_error (&call->error);
  g_rc_box_release_full (call->proxy, proxy_clear);
}

static void
call_unref (gpointer data)
{
  g_rc_box_release_full (data, call_clear);
}

static void
ask_free (Ask *ask)
{
  g_ptr_array_remove_fast (ask->call->asks, ask);
  call_unref (ask->call);
  g_free (ask->device);
  g_free (ask);
}

/* --- the answer --- */

/* The devices that still work on it need not. */
static void
cancel_asks (Call *call)
{
  for (guint i = 0; i < call->asks->len; i++)
    {
      const Ask *ask = call->asks->pdata[i];

      if (!ask->answered)
        g_dbus_connection_call (call->proxy->broker->bus, NET_NAME, NET_PATH, NET_NAME, "Call",
                                g_variant_new ("(ssvu)", ask->device, CANCEL_METHOD,
                                               g_variant_new ("(t)", ask->wire_serial), 5000u),
                                NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, 7000, NULL, NULL, NULL);
    }
}

static void
end_call (Call *call)
{
  cancel_asks (call);
  g_clear_handle_id (&call->hedge, g_source_remove);
  call->answered = TRUE;
  g_hash_table_remove (call->proxy->calls, &call->serial);
}

static void
failed (Call *call)
{
  if (call->answered || call->pending > 0)
    return;
  if (call->proxy->conn != NULL)
    moss_ffi_conn_send_error (call->proxy->conn, call->serial, call->error);
  end_call (call);
}

static void
note_error (Call *call, const GError *error)
{
  g_clear_error (&call->error);
  call->error = g_error_copy (error);
}

typedef struct
{
  Ask *ask;
  GVariant *values;
  guint64 run_us;
} Answer;

static void
send_result (Call *call, GPtrArray *buffers, GVariant *values, guint64 run_us, const char *device)
{
  g_autoptr (GError) error = NULL;
  MossFfiFds fds = { 0 };
  GVariant *wire = moss_ffi_buffers_to_wire ((MossFfiBuffer *const *) buffers->pdata,
                                             buffers->len, MOSS_FFI_TRUST_SEALED, &fds, &error);
  GVariantDict about;

  if (wire == NULL)
    {
      moss_ffi_conn_send_error (call->proxy->conn, call->serial, error);
      return;
    }
  g_variant_dict_init (&about, NULL);
  g_variant_dict_insert (&about, "device", "s", device);
  moss_ffi_conn_send (call->proxy->conn, MOSS_FFI_FRAME_RESULT, call->serial,
                      g_variant_new ("(@a" MOSS_FFI_BUFFER_TYPE "@a{sv}t@a{sv})", wire, values,
                                     run_us, g_variant_dict_end (&about)),
                      fds.fds, fds.n_fds);
}

static Provider *
find_provider (Call *call, const char *device)
{
  Proxy *proxy = call->proxy;
  GHashTableIter iter;
  Provider *provider, *own = NULL;

  g_hash_table_iter_init (&iter, proxy->broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    if (provider->number == proxy->provider_number)
      own = provider;
  if (own == NULL || device == NULL)
    return own;
  return registry_get_provider (proxy->broker, own->id, device);
}

static Offer *
find_offer (Provider *provider, Call *call)
{
  for (guint i = 0; provider != NULL && i < provider->offers->len; i++)
    {
      Offer *offer = provider->offers->pdata[i];

      if (offer_is_present (offer) && g_str_equal (offer->function, call->function))
        return offer;
    }
  return NULL;
}

/* The caller can't say which device it was. */
static void
learn (Ask *ask, GPtrArray *outputs, guint64 run_us, guint outcome)
{
  Call *call = ask->call;
  Offer *offer = find_offer (find_provider (call, ask->device), call);
  guint64 bytes_out = 0;

  for (guint i = 0; outputs != NULL && i < outputs->len; i++)
    bytes_out += moss_ffi_buffer_get_length (outputs->pdata[i]);
  if (offer != NULL)
    learn_report (call->proxy->broker, offer, call->bytes_in, bytes_out, run_us,
                  g_get_monotonic_time () - ask->asked_us, outcome);
}

static void
on_unpacked (GPtrArray *buffers, const GError *error, gpointer user_data)
{
  Answer *got = user_data;
  Call *call = got->ask->call;

  call->pending--;
  if (error != NULL)
    {
      note_error (call, error);
      failed (call);
    }
  else if (!call->answered)
    {
      learn (got->ask, buffers, got->run_us, MOSS_FFI_OUTCOME_DONE);
      if (call->proxy->conn != NULL)
        send_result (call, buffers, got->values, got->run_us, got->ask->device);
      end_call (call);
    }
  g_variant_unref (got->values);
  ask_free (got->ask);
  g_free (got);
}

static void
less_asked (Ask *ask)
{
  Remote *remote = ask->call->proxy->broker->remote;
  Peer *peer = remote != NULL ? remote_get_peer (remote, ask->device) : NULL;

  if (peer != NULL && peer->asked > 0)
    peer->asked--;
}

static void
on_answered (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Ask *ask = user_data;
  Call *call = ask->call;
  g_autoptr (GError) error = NULL, told = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, &error);
  g_autoptr (GVariant) value = NULL, wire = NULL;
  Answer *got;

  ask->answered = TRUE;
  less_asked (ask);
  if (reply != NULL)
    g_variant_get (reply, "(v)", &value);
  if (value == NULL || !g_variant_is_of_type (value, G_VARIANT_TYPE (RESULT_TYPE)))
    {
      g_autofree char *name = error != NULL ? g_dbus_error_get_remote_error (error) : NULL;

      if (error != NULL)
        g_dbus_error_strip_remote_error (error);
      told = moss_ffi_error_from_name (
          name != NULL && !g_str_equal (name, "org.moss.Error.Away") ? name
                                                                    : "org.moss.Error.Lost",
          error != NULL ? error->message : "the other device gave an answer that is none");
      call->pending--;
      if (!call->answered && g_error_matches (told, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST))
        learn (ask, NULL, 0, MOSS_FFI_OUTCOME_LOST);
      note_error (call, told);
      failed (call);
      ask_free (ask);
      return;
    }
  got = g_new0 (Answer, 1);
  got->ask = ask;
  g_variant_get (value, "(@" WIRE_BUFFERS "@a{sv}t)", &wire, &got->values, &got->run_us);
  remote_unpack (call->proxy->broker, wire, ask->device, on_unpacked, got);
}

/* --- asking --- */

static void
on_packed (GVariant *buffers, const GError *error, gpointer user_data)
{
  Ask *ask = user_data;
  Call *call = ask->call;
  Provider *provider = find_provider (call, ask->device);
  GVariant *body;

  if (error != NULL || provider == NULL)
    {
      g_autoptr (GError) gone = g_error_new (MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST,
                                             "the other device does not offer that any more");

      if (buffers != NULL)
        g_variant_unref (g_variant_ref_sink (buffers));
      call->pending--;
      less_asked (ask);
      note_error (call, error != NULL ? error : gone);
      failed (call);
      ask_free (ask);
      return;
    }
  body = g_variant_new ("(tsss@a{sv}@" WIRE_BUFFERS "t)", ask->wire_serial, provider->id,
                        call->function, call->caps, call->options, buffers,
                        (guint64) TIMEOUT_MS * 1000);
  g_dbus_connection_call (call->proxy->broker->bus, NET_NAME, NET_PATH, NET_NAME, "Call",
                          g_variant_new ("(ssvu)", ask->device, CALL_METHOD, body, TIMEOUT_MS),
                          G_VARIANT_TYPE ("(v)"), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          TIMEOUT_MS + 2000, NULL, on_answered, ask);
}

static void
ask_device (Call *call, const char *device)
{
  Peer *peer = remote_get_peer (call->proxy->broker->remote, device);
  Ask *ask = g_new0 (Ask, 1);

  ask->call = g_rc_box_acquire (call);
  ask->device = g_strdup (device);
  ask->asked_us = g_get_monotonic_time ();
  if (wire_serials == 0)
    wire_serials = g_get_real_time ();
  ask->wire_serial = ++wire_serials;
  g_ptr_array_add (call->asks, ask);
  if (peer != NULL)
    peer->asked++;
  call->pending++;
  remote_pack (call->proxy->broker, call->inputs, device, on_packed, ask);
}

static double
cost (Offer *offer, guint64 bytes)
{
  Provider *provider = offer->provider;
  Peer *peer = remote_get_peer (provider->broker->remote, provider->device);
  double run = learn_predict (offer, bytes);

  if (isnan (run))
    run = 1e6;
  return (run * (1 + (peer != NULL ? peer->asked : 0))) + provider->latency_us +
         bytes / MAX (provider->bytes_per_us, 1e-3);
}

/* Other devices that have the same, about as good. */
static GPtrArray *
find_equals (Call *call, Offer *own)
{
  g_autoptr (GPtrArray) equals = g_ptr_array_new ();
  Broker *broker = call->proxy->broker;
  double limit = cost (own, call->bytes_in) * NEARLY_EQUAL;
  GHashTableIter iter;
  Provider *provider;

  g_hash_table_iter_init (&iter, broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    if (provider->kind == MOSS_FFI_KIND_REMOTE && provider_is_present (provider) &&
        g_str_equal (provider->id, own->provider->id) &&
        g_str_equal (provider->version, own->provider->version))
      {
        Offer *offer = find_offer (provider, call);

        if (offer != NULL && cost (offer, call->bytes_in) <= limit)
          g_ptr_array_add (equals, offer);
      }
  return g_steal_pointer (&equals);
}

/* Two random choices (Mitzenmacher): the better of two that were drawn. */
static const char *
choose_device (Call *call, Offer *own)
{
  g_autoptr (GPtrArray) equals = find_equals (call, own);
  guint one, other;

  if (equals->len < 2)
    return own->provider->device;
  one = g_random_int_range (0, equals->len);
  other = g_random_int_range (0, equals->len - 1);
  other += other >= one;
  if (cost (equals->pdata[other], call->bytes_in) < cost (equals->pdata[one], call->bytes_in))
    one = other;
  return ((Offer *) equals->pdata[one])->provider->device;
}

static gboolean
on_hedge (gpointer user_data)
{
  Call *call = user_data;
  Offer *own = find_offer (find_provider (call, NULL), call);
  g_autoptr (GPtrArray) equals = own != NULL ? find_equals (call, own) : g_ptr_array_new ();

  call->hedge = 0;
  for (guint i = 0; i < equals->len; i++)
    {
      Provider *provider = ((Offer *) equals->pdata[i])->provider;
      Peer *peer = remote_get_peer (call->proxy->broker->remote, provider->device);

      if (g_str_equal (provider->device, call->first) || peer == NULL || peer->asked > 0 ||
          peer->load > 0.15)
        continue;
      ask_device (call, provider->device);
      break;
    }
  return G_SOURCE_REMOVE;
}

static void
on_call (Proxy *proxy, MossFfiFrame *frame)
{
  Call *call = g_rc_box_new0 (Call);
  g_autoptr (GVariant) inputs = NULL, hints = NULL;
  g_autoptr (GError) error = NULL;
  Offer *own;
  double predicted_us;

  call->proxy = g_rc_box_acquire (proxy);
  call->serial = frame->serial;
  call->asks = g_ptr_array_new ();
  call->started_us = g_get_monotonic_time ();
  g_variant_get (frame->body, "(ss@a{sv}@a" MOSS_FFI_BUFFER_TYPE "@a{sv})", &call->function,
                 &call->caps, &call->options, &inputs, &hints);
  call->inputs = moss_ffi_buffers_from_wire (inputs, frame, MOSS_FFI_TRUST_SEALED, &error);
  own = find_offer (find_provider (call, NULL), call);
  if (call->inputs != NULL && own == NULL)
    g_set_error_literal (&error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST,
                         "the other device does not offer that any more");
  if (error == NULL && g_hash_table_size (proxy->calls) >= CALLS_OF_CALLER_MAX)
    g_set_error_literal (&error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BUSY, "too many calls at once");
  if (error != NULL)
    {
      moss_ffi_conn_send_error (proxy->conn, frame->serial, error);
      call_unref (call);
      return;
    }
  for (guint i = 0; i < call->inputs->len; i++)
    call->bytes_in += moss_ffi_buffer_get_length (call->inputs->pdata[i]);
  g_hash_table_insert (proxy->calls, &call->serial, call);
  call->first = g_strdup (choose_device (call, own));
  predicted_us = cost (own, call->bytes_in);
  call->hedge = g_timeout_add (MAX (HEDGE_MIN_MS, predicted_us * HEDGE_TIMES / 1000), on_hedge,
                               call);
  ask_device (call, call->first);
}

static void
on_cancelled (Proxy *proxy, guint64 serial)
{
  Call *call = g_hash_table_lookup (proxy->calls, &serial);
  g_autoptr (GError) error = NULL;

  if (call == NULL)
    return;
  error = g_error_new_literal (MOSS_FFI_ERROR, MOSS_FFI_ERROR_CANCELLED, "it was cancelled");
  moss_ffi_conn_send_error (proxy->conn, serial, error);
  end_call (call);
}

static void
on_frame (MossFfiConn *conn, MossFfiFrame *frame, gpointer user_data)
{
  Proxy *proxy = user_data;

  if (frame->kind == MOSS_FFI_FRAME_CALL)
    on_call (proxy, frame);
  else if (frame->kind == MOSS_FFI_FRAME_CANCEL)
    on_cancelled (proxy, frame->serial);
  else
    moss_ffi_conn_hang_up (conn, "it sends what no caller says");
}

static gboolean
forget_call (gpointer key, gpointer value, gpointer user_data)
{
  Call *call = value;

  cancel_asks (call);
  call->answered = TRUE;
  g_clear_handle_id (&call->hedge, g_source_remove);
  return TRUE;
}

static void
on_ended (MossFfiConn *conn, gpointer user_data)
{
  Proxy *proxy = user_data;

  proxy->conn = NULL;
  g_hash_table_foreach_remove (proxy->calls, forget_call, NULL);
  g_rc_box_release_full (proxy, proxy_clear);
}

static const MossFfiConnFuncs funcs = { on_frame, on_ended };

void
remote_connect (Provider *provider, ConnectFunc func, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  Proxy *proxy;
  int ends[2];

  if (!moss_ffi_socket_pair (ends, &error))
    {
      func (-1, error, user_data);
      return;
    }
  proxy = g_rc_box_new0 (Proxy);
  proxy->broker = provider->broker;
  proxy->provider_number = provider->number;
  proxy->calls = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, call_unref);
  proxy->conn = moss_ffi_conn_new (ends[0], &funcs, proxy);
  func (ends[1], NULL, user_data);
}
