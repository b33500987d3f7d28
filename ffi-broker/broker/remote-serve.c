/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls of another device's, run here. Only what we offer to others, only while the owner's
 * policy says so, only so many at once; the provider is in its confined process as always, and
 * a call ends when its deadline is over. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "remote.h"

#include "ffi-broker/client/buffer-wire.h"

#include <unistd.h>

enum
{
  OF_PEER_MAX = 4,
  ALL_MAX = 8,
  LONGEST_US = 10 * 60 * 1000000,
};

typedef struct
{
  Broker *broker;
  char *device, *key;
  guint64 serial;
  GDBusMethodInvocation *invocation;  /* NULL once answered */
  char *provider, *function, *caps;
  GVariant *options;
  GPtrArray *inputs;
  MossFfiConn *conn;
  guint deadline;
} Served;

static void
served_clear (gpointer data)
{
  Served *served = data;

  g_clear_handle_id (&served->deadline, g_source_remove);
  g_free (served->device);
  g_free (served->key);
  g_free (served->provider);
  g_free (served->function);
  g_free (served->caps);
  g_clear_pointer (&served->options, g_variant_unref);
  g_clear_pointer (&served->inputs, g_ptr_array_unref);
}

static void
served_unref (Served *served)
{
  g_rc_box_release_full (served, served_clear);
}

/* Answers, and makes room for the next. Takes a floating result. */
static void
answer (Served *served, GVariant *result, const GError *error)
{
  GDBusMethodInvocation *invocation = g_steal_pointer (&served->invocation);
  Remote *remote = served->broker->remote;
  Peer *peer = remote != NULL ? remote_get_peer (remote, served->device) : NULL;

  if (invocation == NULL)
    {
      if (result != NULL)
        g_variant_unref (g_variant_ref_sink (result));
      return;
    }
  if (error != NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, moss_ffi_error_name (error),
                                                error->message);
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(v)", result));
  g_clear_handle_id (&served->deadline, g_source_remove);
  if (served->conn != NULL)
    moss_ffi_conn_hang_up (served->conn, NULL);
  if (peer != NULL)
    peer->serving--;
  if (remote != NULL)
    {
      remote->serving--;
      g_hash_table_remove (remote->served, served->key);
    }
  served_unref (served);
}

static void
fail (Served *served, int code, const char *why)
{
  g_autoptr (GError) error = g_error_new_literal (MOSS_FFI_ERROR, code, why);

  answer (served, NULL, error);
}

typedef struct
{
  Served *served;
  GVariant *values;
  guint64 run_us;
} Result;

static void
on_packed (GVariant *buffers, const GError *error, gpointer user_data)
{
  Result *result = user_data;

  if (error != NULL)
    answer (result->served, NULL, error);
  else
    answer (result->served,
            g_variant_new ("(@" WIRE_BUFFERS "@a{sv}t)", buffers, result->values,
                           result->run_us),
            NULL);
  g_variant_unref (result->values);
  served_unref (result->served);
  g_free (result);
}

static void
on_result (Served *served, MossFfiFrame *frame)
{
  g_autoptr (GVariant) outputs = NULL, about = NULL;
  g_autoptr (GPtrArray) buffers = NULL;
  g_autoptr (GError) error = NULL;
  Result *result = g_new0 (Result, 1);

  g_variant_get (frame->body, "(@a" MOSS_FFI_BUFFER_TYPE "@a{sv}t@a{sv})", &outputs,
                 &result->values, &result->run_us, &about);
  buffers = moss_ffi_buffers_from_wire (outputs, frame, MOSS_FFI_TRUST_COPY, &error);
  if (buffers == NULL)
    {
      g_variant_unref (result->values);
      g_free (result);
      answer (served, NULL, error);
      return;
    }
  result->served = g_rc_box_acquire (served);
  remote_pack (served->broker, buffers, served->device, on_packed, result);
}

static void
on_frame (MossFfiConn *conn, MossFfiFrame *frame, gpointer user_data)
{
  Served *served = user_data;
  const char *name, *sentence;
  g_autoptr (GError) error = NULL;

  if (served->invocation == NULL || frame->kind == MOSS_FFI_FRAME_PROGRESS)
    return;
  if (frame->kind == MOSS_FFI_FRAME_RESULT)
    {
      on_result (served, frame);
      return;
    }
  if (frame->kind != MOSS_FFI_FRAME_ERROR)
    {
      fail (served, MOSS_FFI_ERROR_PROTOCOL, "the provider gave an answer that is none");
      return;
    }
  g_variant_get (frame->body, "(&s&s)", &name, &sentence);
  error = moss_ffi_error_from_name (name, sentence);
  answer (served, NULL, error);
}

static void
on_ended (MossFfiConn *conn, gpointer user_data)
{
  Served *served = user_data;

  served->conn = NULL;
  fail (served, MOSS_FFI_ERROR_LOST, "the provider went away");
  served_unref (served);
}

static const MossFfiConnFuncs funcs = { on_frame, on_ended };

static void
on_connected (int socket, const GError *error, gpointer user_data)
{
  Served *served = user_data;
  g_autoptr (GError) cause = NULL;
  MossFfiFds fds = { 0 };
  GVariant *wire;

  if (socket < 0 || served->invocation == NULL)
    {
      if (socket >= 0)
        close (socket);
      answer (served, NULL, error);
      served_unref (served);
      return;
    }
  served->conn = moss_ffi_conn_new (socket, &funcs, served); /* keeps the reference */
  wire = moss_ffi_buffers_to_wire ((MossFfiBuffer *const *) served->inputs->pdata,
                                   served->inputs->len, MOSS_FFI_TRUST_SEALED, &fds, &cause);
  if (wire == NULL)
    {
      answer (served, NULL, cause);
      return;
    }
  if (!moss_ffi_conn_send (served->conn, MOSS_FFI_FRAME_CALL, 1,
                           g_variant_new ("(ss@a{sv}@a" MOSS_FFI_BUFFER_TYPE "a{sv})",
                                          served->function, served->caps, served->options, wire,
                                          NULL),
                           fds.fds, fds.n_fds))
    fail (served, MOSS_FFI_ERROR_INVALID, "the call is too big, besides its buffers");
}

static void
on_unpacked (GPtrArray *buffers, const GError *error, gpointer user_data)
{
  Served *served = user_data;
  Provider *provider = registry_get_provider (served->broker, served->provider, "");

  if (error != NULL)
    answer (served, NULL, error);
  else if (provider == NULL)
    fail (served, MOSS_FFI_ERROR_NOT_OFFERED, "that is not offered here any more");
  else
    {
      served->inputs = g_ptr_array_ref (buffers);
      connect_provider (provider, served->device, FALSE, on_connected,
                        g_rc_box_acquire (served));
    }
  served_unref (served);
}

static gboolean
on_deadline (gpointer user_data)
{
  Served *served = user_data;

  served->deadline = 0;
  fail (served, MOSS_FFI_ERROR_TIMED_OUT, "its time is over");
  return G_SOURCE_REMOVE;
}

/* Pure and measured, as in what we announced. */
static gboolean
is_offered (Broker *broker, const char *id, const char *function)
{
  Provider *provider = registry_get_provider (broker, id, "");

  for (guint i = 0; provider != NULL && i < provider->offers->len; i++)
    {
      Offer *offer = provider->offers->pdata[i];

      if (offer_is_present (offer) && (offer->flags & MOSS_FFI_OFFER_PURE) != 0 &&
          provider->kind == MOSS_FFI_KIND_LOCAL && g_str_equal (offer->function, function))
        return TRUE;
    }
  return FALSE;
}

static const char *
why_not (Remote *remote, Peer *peer, GVariant *body, int *code)
{
  const char *id, *function;

  *code = MOSS_FFI_ERROR_INVALID;
  if (!g_variant_is_of_type (body, G_VARIANT_TYPE (CALL_TYPE)))
    return "that is no call";
  *code = MOSS_FFI_ERROR_BUSY;
  if (!remote_is_welcome (remote))
    return "this device does not take calls of others now";
  if (peer->serving >= OF_PEER_MAX || remote->serving >= ALL_MAX)
    return "this device has enough calls of others";
  g_variant_get_child (body, 1, "&s", &id);
  g_variant_get_child (body, 2, "&s", &function);
  *code = MOSS_FFI_ERROR_NOT_OFFERED;
  return is_offered (remote->broker, id, function) ? NULL : "that is not offered here";
}

void
remote_serve (Remote *remote, Peer *peer, GDBusMethodInvocation *invocation, GVariant *body)
{
  g_autoptr (GVariant) wire = NULL;
  g_autoptr (GError) error = NULL;
  Served *served;
  guint64 deadline_us;
  int code;
  const char *why = why_not (remote, peer, body, &code);

  if (why != NULL)
    {
      error = g_error_new_literal (MOSS_FFI_ERROR, code, why);
      g_dbus_method_invocation_return_dbus_error (invocation, moss_ffi_error_name (error), why);
      return;
    }
  served = g_rc_box_new0 (Served);
  served->broker = remote->broker;
  served->device = g_strdup (peer->id);
  served->invocation = invocation;
  g_variant_get (body, "(tsss@a{sv}@" WIRE_BUFFERS "t)", &served->serial, &served->provider,
                 &served->function, &served->caps, &served->options, &wire, &deadline_us);
  served->key = g_strdup_printf ("%s %" G_GUINT64_FORMAT, peer->id, served->serial);
  g_hash_table_insert (remote->served, g_strdup (served->key), served);
  peer->serving++;
  remote->serving++;
  served->deadline =
      g_timeout_add (MIN (deadline_us, LONGEST_US) / 1000 + 1, on_deadline, served);
  remote_unpack (remote->broker, wire, peer->id, on_unpacked, g_rc_box_acquire (served));
}

void
remote_serve_cancel (Remote *remote, Peer *peer, GVariant *body)
{
  g_autofree char *key = NULL;
  Served *served;
  guint64 serial;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE ("(t)")))
    return;
  g_variant_get (body, "(t)", &serial);
  key = g_strdup_printf ("%s %" G_GUINT64_FORMAT, peer->id, serial);
  served = g_hash_table_lookup (remote->served, key);
  if (served != NULL)
    fail (served, MOSS_FFI_ERROR_CANCELLED, "it was cancelled");
}
