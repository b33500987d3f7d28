// SPDX-License-Identifier: GPL-3.0-or-later
/* Pairing: a new device shows a code, a person types it on an old one, and then the identity has
 * both (docs/formats/pairing.md). Here: the code that is shown, and what is asked for on the bus;
 * the conversation is pairing-talk.c.
 *
 * Policy: strangers reach this code, and only while a code is shown. A conversation takes a few
 * seconds at most; few at a time, and each that begins uses up one of the code's tries. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/pairing.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  CONVERSATIONS_MAX = 4,
  SILENCE_S = 10, /* of the other side, between two of its bytes */
  TALK_S = 40,    /* all of it */
  CONNECT_S = 6,
  TYPED_TRIES = 3, /* at one address, each within TYPED_S */
  TYPED_S = 120,
};

typedef struct
{
  gint64 since_us;
  guint tries;
} Typed;

/* However slowly the other side speaks: the thread wakes and gives up. */
static gboolean
on_deadline (gpointer data)
{
  Talk *talk = data;

  talk->deadline = 0;
  g_socket_shutdown (talk->socket, TRUE, TRUE, NULL);
  return G_SOURCE_REMOVE;
}

static void
end_talk (Talk *talk)
{
  g_clear_handle_id (&talk->deadline, g_source_remove);
  talk->netd->pairing->conversations--;
}

static void
start_talk (Talk *talk, GAsyncReadyCallback done)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, done, talk->netd);

  talk->netd->pairing->conversations++;
  g_socket_set_timeout (talk->socket, SILENCE_S);
  talk->deadline = g_timeout_add_seconds (TALK_S, on_deadline, talk);
  g_task_set_task_data (task, talk, talk_free);
  g_task_run_in_thread (task, talk_run);
}

static void
say (Netd *netd, const char *state, const char *sentence)
{
  moss_dbus_net1_emit_pairing (netd->interface, state, sentence);
}

static void
end_offer (Netd *netd)
{
  PairingState *state = netd->pairing;

  g_clear_handle_id (&state->end, g_source_remove);
  g_clear_handle_id (&state->shower, g_bus_unwatch_name);
  g_mutex_lock (&state->lock);
  g_clear_pointer (&state->offer, moss_pairing_offer_free);
  g_mutex_unlock (&state->lock);
}

static gboolean
has_tries (PairingState *state)
{
  gboolean left;

  g_mutex_lock (&state->lock);
  left = state->offer != NULL && state->offer->tries > 0;
  g_mutex_unlock (&state->lock);
  return left;
}

static void
say_paired (Netd *netd, const char *sentence)
{
  if (netd->pairing->offer == NULL)
    return; /* it was said */
  end_offer (netd);
  say (netd, "paired", sentence);
}

static void
on_shown_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Netd *netd = user_data;
  Talk *talk = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  g_autofree char *sentence = NULL;

  end_talk (talk);
  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      sentence = g_strdup_printf (_ ("Paired with %s."), talk->name);
      say_paired (netd, sentence);
      return;
    }
  g_message ("a pairing failed: %s", error->message);
  if (talk->joined)
    joining_load (netd);
  if (g_error_matches (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_WRONG_CODE) &&
      has_tries (netd->pairing))
    say (netd, "tried", _ ("A wrong code was typed."));
  else if (!has_tries (netd->pairing))
    {
      end_offer (netd);
      say (netd, "ended", _ ("A wrong code was typed three times. Show a new one."));
    }
  else
    {
      sentence = g_strdup_printf (_ ("That pairing failed: %s"), error->message);
      say (netd, "tried", sentence);
    }
}

/* The chain has this device, by whatever way it came. */
void
pairing_joined (Netd *netd)
{
  g_autofree char *sentence = NULL;

  sentence = g_strdup_printf (_ ("This device belongs to %s now."),
                              moss_chain_get_name (netd->chain));
  say_paired (netd, sentence);
}

gboolean
pairing_is_open (Netd *netd)
{
  return netd->pairing != NULL && has_tries (netd->pairing);
}

/* A stranger, while a code is shown: the handshake saw to that. */
void
pairing_accept (Netd *netd, GIOStream *tls, GSocket *socket, const char *id)
{
  Talk *talk;

  if (!pairing_is_open (netd) || netd->pairing->conversations >= CONVERSATIONS_MAX)
    return;
  talk = g_new0 (Talk, 1);
  talk->netd = netd;
  talk->tls = g_object_ref (tls);
  talk->socket = g_object_ref (socket);
  talk->peer = g_strdup (id);
  start_talk (talk, on_shown_done);
}

/* --- what is asked for on the bus --- */

static gboolean
on_offer_end (gpointer data)
{
  Netd *netd = data;

  netd->pairing->end = 0;
  end_offer (netd);
  say (netd, "ended", _ ("The code was not typed in time. Show a new one."));
  return G_SOURCE_REMOVE;
}

/* Whoever showed the code was closed or interrupted: nobody reads it any more. */
static void
on_shower_vanished (GDBusConnection *bus, const char *name, gpointer data)
{
  end_offer (data);
}

static gboolean
on_handle_show (MossDBusNet1 *interface, GDBusMethodInvocation *invocation, Netd *netd)
{
  PairingState *state = netd->pairing;
  g_autofree char *code = NULL;
  g_autofree char *shown = NULL;

  if (netd->chain != NULL)
    {
      g_dbus_method_invocation_return_error (
          invocation, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
          _ ("This device belongs to %s already. Type the code of the new device here."),
          moss_chain_get_name (netd->chain));
      return TRUE;
    }
  if (netd->agent == NULL || moss_dbus_agent1_get_locked (netd->agent))
    {
      g_dbus_method_invocation_return_error (
          invocation, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
          _ ("Moss is locked. Unlock it with: moss identity unlock"));
      return TRUE;
    }
  end_offer (netd);
  code = moss_pairing_code_new ();
  shown = moss_pairing_code_show (code);
  g_mutex_lock (&state->lock);
  state->offer = moss_pairing_offer_new (code, g_get_monotonic_time ());
  g_mutex_unlock (&state->lock);
  state->end = g_timeout_add_seconds (MOSS_PAIRING_SECONDS, on_offer_end, netd);
  state->shower = g_bus_watch_name_on_connection (
      netd->bus, g_dbus_method_invocation_get_sender (invocation),
      G_BUS_NAME_WATCHER_FLAGS_NONE, NULL, on_shower_vanished, netd, NULL);
  moss_dbus_net1_complete_show_code (interface, invocation, shown, MOSS_PAIRING_SECONDS);
  moss_crypto_wipe (code, strlen (code));
  moss_crypto_wipe (shown, strlen (shown));
  return TRUE;
}

static gboolean
on_handle_hide (MossDBusNet1 *interface, GDBusMethodInvocation *invocation, Netd *netd)
{
  end_offer (netd);
  moss_dbus_net1_complete_hide_code (interface, invocation);
  return TRUE;
}

static void
answer_error (Talk *talk, const GError *error)
{
  if (g_error_matches (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_WRONG_CODE))
    g_dbus_method_invocation_return_dbus_error (
        talk->invocation, "org.moss.Error.WrongCode",
        _ ("That is not the code that the other device shows."));
  else if (error->domain == MOSS_PAIRING_ERROR)
    g_dbus_method_invocation_return_dbus_error (
        talk->invocation, "org.moss.Error.Protocol",
        _ ("What answers there doesn't pair as Moss does."));
  else
    g_dbus_method_invocation_return_dbus_error (talk->invocation, "org.moss.Error.Failed",
                                                error->message);
}

static void
on_typed_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Netd *netd = user_data;
  Talk *talk = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  Device *device;

  end_talk (talk);
  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      answer_error (talk, error);
      return;
    }
  g_hash_table_remove (netd->pairing->typed, talk->address);
  device = device_get (netd, talk->peer);
  if (device != NULL)
    {
      g_free (device->name);
      device->name = g_strdup (talk->name);
      device_remember_address (device, talk->address);
      dial_now (device);
    }
  moss_dbus_net1_complete_type_code (netd->interface, talk->invocation, talk->peer,
                                     talk->name);
}

/* Nobody was there to guess. */
static void
uncount_typed (PairingState *state, const char *address)
{
  Typed *typed = g_hash_table_lookup (state->typed, address);

  if (typed != NULL && typed->tries > 0)
    typed->tries--;
}

static void
on_shaken (Netd *netd,
           GIOStream *tls,
           GSocket *socket,
           const char *id,
           const GError *error,
           gpointer user_data)
{
  Talk *talk = user_data;
  guint8 mine[MOSS_HASH_BYTES], theirs[MOSS_HASH_BYTES];

  if (error != NULL)
    {
      g_dbus_method_invocation_return_dbus_error (
          talk->invocation, "org.moss.Error.NoCode",
          _ ("That device shows no code. Run “moss device pair” there first."));
      g_debug ("pairing: %s", error->message);
      uncount_typed (netd->pairing, talk->address);
      talk_free (talk);
      return;
    }
  talk->tls = g_object_ref (tls);
  talk->socket = g_object_ref (socket);
  talk->peer = g_strdup (id);
  moss_fingerprint_to_bytes (netd->id, mine);
  moss_fingerprint_to_bytes (id, theirs);
  talk->pairing = moss_pairing_new (TRUE, talk->code, mine, theirs, netd->name);
  start_talk (talk, on_typed_done);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Talk *talk = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect_finish (G_SOCKET_CLIENT (source), result, &error);

  if (connection != NULL)
    {
      handshake_pairing (talk->netd, connection, on_shaken, talk);
      return;
    }
  g_dbus_method_invocation_return_error (talk->invocation, MOSS_LINK_ERROR,
                                         MOSS_LINK_ERROR_AWAY, _ ("It doesn't answer at %s."),
                                         talk->address);
  g_debug ("pairing: %s", error->message);
  uncount_typed (talk->netd->pairing, talk->address);
  talk_free (talk);
}

/* Who answers there gets one guess each time the person types: not more than three. */
static gboolean
count_typed (PairingState *state, const char *address, GError **error)
{
  Typed *typed = g_hash_table_lookup (state->typed, address);
  gint64 now = g_get_monotonic_time ();

  if (typed == NULL || now - typed->since_us > TYPED_S * G_USEC_PER_SEC)
    {
      typed = g_new0 (Typed, 1);
      typed->since_us = now;
      g_hash_table_replace (state->typed, g_strdup (address), typed);
    }
  if (typed->tries++ < TYPED_TRIES)
    return TRUE;
  g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_REFUSED,
               _ ("The code was wrong three times. Wait two minutes and let the other device "
                  "show a new one."));
  return FALSE;
}

static Talk *
prepare_typed (Netd *netd, const char *where, const char *typed_code, GError **error)
{
  g_autofree char *code = moss_pairing_code_parse (typed_code, error);
  g_autofree char *address = NULL;
  Device *device = device_find (netd, where);
  Talk *talk;

  if (code == NULL)
    return NULL;
  if (device != NULL)
    address = g_strdup (device_best_address (device));
  else
    address = complete_address (where, error);
  if (address == NULL && device != NULL)
    g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY, _ ("%s can't be found now."),
                 device->name);
  if (address == NULL || !count_typed (netd->pairing, address, error))
    return NULL;
  talk = g_new0 (Talk, 1);
  talk->netd = netd;
  talk->address = g_steal_pointer (&address);
  talk->code = g_steal_pointer (&code);
  talk->chain = g_bytes_ref (moss_chain_get_bytes (netd->chain));
  return talk;
}

static gboolean
on_handle_type (MossDBusNet1 *interface,
                GDBusMethodInvocation *invocation,
                const char *where,
                const char *code,
                Netd *netd)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  GError *error = NULL;
  Talk *talk = NULL;

  if (netd->chain == NULL)
    g_set_error (&error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                 _ ("This device belongs to no identity yet. Make one with: moss identity "
                    "create NAME"));
  else if (netd->pairing->conversations >= CONVERSATIONS_MAX)
    g_set_error (&error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                 _ ("A pairing is under way already."));
  else
    talk = prepare_typed (netd, where, code, &error);
  if (talk == NULL)
    {
      g_dbus_method_invocation_take_error (invocation, error);
      return TRUE;
    }
  talk->invocation = invocation;
  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_set_timeout (client, CONNECT_S);
  g_socket_client_connect_to_host_async (client, talk->address, MOSS_LINK_PORT, NULL,
                                         on_connected, talk);
  return TRUE;
}

void
pairing_export (Netd *netd)
{
  netd->pairing = g_new0 (PairingState, 1);
  g_mutex_init (&netd->pairing->lock);
  netd->pairing->typed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_signal_connect (netd->interface, "handle-show-code", G_CALLBACK (on_handle_show), netd);
  g_signal_connect (netd->interface, "handle-hide-code", G_CALLBACK (on_handle_hide), netd);
  g_signal_connect (netd->interface, "handle-type-code", G_CALLBACK (on_handle_type), netd);
}
