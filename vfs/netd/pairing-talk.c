// SPDX-License-Identifier: GPL-3.0-or-later
/* What two devices say to one another while they pair, in a thread of its own
 * (docs/formats/pairing.md).
 *
 * Policy: the other side is a stranger. Frames of at most MOSS_PAIRING_MESSAGE_MAX bytes are read
 * from it, in a fixed order, each of fixed parts; what is longer is read only from who has shown
 * to have the key. Nothing of a stranger reaches the agent: it is asked only after the codes were
 * found to be the same. The old device's chain is on its disk before the new one gets it;
 * joining.c has what happens when either stops in between. */
#define G_LOG_DOMAIN "moss-netd"

#include "core/fault.h"
#include "vfs/netd/pairing.h"

#include <glib/gi18n.h>
#include <string.h>

#define AGENT_NAME "org.moss.Agent1"
#define AGENT_PATH "/org/moss/Agent"
#define AGENT_MS 20000

void
talk_free (gpointer data)
{
  Talk *talk = data;

  g_clear_object (&talk->tls);
  g_clear_object (&talk->socket);
  g_clear_pointer (&talk->pairing, moss_pairing_free);
  g_clear_pointer (&talk->chain, g_bytes_unref);
  if (talk->code != NULL)
    moss_crypto_wipe (talk->code, strlen (talk->code));
  g_free (talk->code);
  g_free (talk->peer);
  g_free (talk->address);
  g_free (talk->name);
  g_free (talk);
}

/* --- frames: u32 length, bytes --- */

static gboolean
send_frame (Talk *talk, GBytes *bytes, GError **error)
{
  GOutputStream *out = g_io_stream_get_output_stream (talk->tls);
  gsize length;
  gconstpointer data = g_bytes_get_data (bytes, &length);
  guint32 head = GUINT32_TO_LE (length);

  return g_output_stream_write_all (out, &head, sizeof head, NULL, NULL, error) &&
         g_output_stream_write_all (out, data, length, NULL, NULL, error) &&
         g_output_stream_flush (out, NULL, error);
}

static gboolean
read_whole (Talk *talk, gpointer data, gsize length, GError **error)
{
  GInputStream *in = g_io_stream_get_input_stream (talk->tls);
  gsize got;

  if (!g_input_stream_read_all (in, data, length, &got, NULL, error))
    return FALSE;
  if (got == length)
    return TRUE;
  g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY,
               _ ("The other device ended the conversation."));
  return FALSE;
}

/* An empty frame says that the codes differ. */
static GBytes *
receive_frame (Talk *talk, gsize limit, GError **error)
{
  g_autofree guint8 *data = NULL;
  guint32 length;

  if (!read_whole (talk, &length, sizeof length, error))
    return NULL;
  length = GUINT32_FROM_LE (length);
  if (length == 0 || length > limit)
    {
      g_set_error (error, MOSS_PAIRING_ERROR,
                   length == 0 ? MOSS_PAIRING_ERROR_WRONG_CODE : MOSS_PAIRING_ERROR_PROTOCOL,
                   length == 0 ? "the codes differ" : "a message is too long");
      return NULL;
    }
  data = g_malloc (length);
  if (!read_whole (talk, data, length, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&data), length);
}

static gboolean
send_sealed (Talk *talk, GBytes *content, GError **error)
{
  g_autoptr (GBytes) message = moss_pairing_seal (talk->pairing, content, error);

  return message != NULL && send_frame (talk, message, error);
}

static GBytes *
receive_sealed (Talk *talk, gsize limit, GError **error)
{
  g_autoptr (GBytes) message = receive_frame (talk, limit, error);

  return message == NULL ? NULL : moss_pairing_open (talk->pairing, message, error);
}

/* --- the agent, from a thread --- */

static GVariant *
ask_agent (Talk *talk,
           const char *method,
           GVariant *parameters,
           const char *type,
           GError **error)
{
  GError *local = NULL;
  GVariant *reply = g_dbus_connection_call_sync (
      talk->netd->bus, AGENT_NAME, AGENT_PATH, AGENT_NAME, method, parameters,
      G_VARIANT_TYPE (type), G_DBUS_CALL_FLAGS_NO_AUTO_START, AGENT_MS, NULL, &local);

  if (reply == NULL)
    {
      g_dbus_error_strip_remote_error (local);
      g_propagate_error (error, local);
    }
  return reply;
}

static GVariant *
byte_array (GBytes *bytes)
{
  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

static GBytes *
child_bytes (GVariant *tuple, gsize index)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (tuple, index);

  return g_variant_get_data_as_bytes (child);
}

static GBytes *
agent_chain (Talk *talk, GError **error)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      talk->netd->bus, AGENT_NAME, AGENT_PATH, "org.freedesktop.DBus.Properties", "Get",
      g_variant_new ("(ss)", AGENT_NAME, "Chain"), G_VARIANT_TYPE ("(v)"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, AGENT_MS, NULL, error);
  g_autoptr (GVariant) value = NULL;

  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(v)", &value);
  return g_variant_get_data_as_bytes (value);
}

/* --- the code was typed here --- */

/* Message 4: u16 length of the record, record, reverse signature. */
static gboolean
read_agreement (Talk *talk, GBytes *content, GBytes **record, GBytes **reverse, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (content, &size);
  guint8 fingerprint[MOSS_HASH_BYTES];
  g_autoptr (MossDeviceRecord) decoded = NULL;
  guint length = size < 2 ? 0 : data[0] | data[1] << 8;

  if (length > 0 && size > 2 + length)
    {
      *record = g_bytes_new_from_bytes (content, 2, length);
      *reverse = g_bytes_new_from_bytes (content, 2 + length, size - 2 - length);
      decoded = moss_device_record_decode (*record, NULL);
    }
  moss_fingerprint_to_bytes (talk->peer, fingerprint);
  if (decoded != NULL && memcmp (decoded->fingerprint, fingerprint, sizeof fingerprint) == 0)
    {
      g_free (talk->name);
      talk->name = g_strdup (decoded->name);
      return TRUE;
    }
  g_set_error (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_PROTOCOL,
               "the new device describes another one than itself");
  return FALSE;
}

static gboolean
meet_typed (Talk *talk, GError **error)
{
  g_autoptr (GBytes) begin = moss_pairing_begin (talk->pairing);
  g_autoptr (GBytes) answer = NULL;

  if (!send_frame (talk, begin, error))
    return FALSE;
  answer = receive_frame (talk, MOSS_PAIRING_MESSAGE_MAX, error);
  return answer != NULL && moss_pairing_finish (talk->pairing, answer, error);
}

/* Message 3: the id of the identity, u16 port at which this device listens. */
static GBytes *
write_invitation (MossChain *chain, guint16 port)
{
  GByteArray *out = g_byte_array_new ();

  port = GUINT16_TO_LE (port);
  g_byte_array_append (out, moss_chain_get_id (chain), MOSS_HASH_BYTES);
  g_byte_array_append (out, (const guint8 *) &port, sizeof port);
  return g_byte_array_free_to_bytes (out);
}

static gboolean
talk_typed (Talk *talk, GError **error)
{
  g_autoptr (MossChain) mine = moss_chain_parse (talk->chain, error);
  g_autoptr (GBytes) mine_bytes = NULL;
  g_autoptr (GBytes) content = NULL;
  g_autoptr (GBytes) record = NULL;
  g_autoptr (GBytes) reverse = NULL;
  g_autoptr (GVariant) added = NULL;
  g_autoptr (GBytes) chain = NULL;
  g_autoptr (GBytes) held = NULL;

  if (mine == NULL || !meet_typed (talk, error))
    return FALSE;
  mine_bytes = write_invitation (mine, talk->netd->port);
  if (!send_sealed (talk, mine_bytes, error))
    return FALSE;
  content = receive_sealed (talk, MOSS_PAIRING_MESSAGE_MAX, error);
  if (content == NULL || !read_agreement (talk, content, &record, &reverse, error) ||
      !moss_fault_error ("pairing-before-add", error))
    return FALSE;
  added = ask_agent (talk, "AddDevice",
                     g_variant_new ("(@ay@ay)", byte_array (record), byte_array (reverse)),
                     "()", error);
  if (added == NULL)
    return FALSE;
  /* From here on it is a device of the identity, whatever happens. */
  talk->joined = TRUE;
  moss_fault ("pairing-after-add");
  chain = agent_chain (talk, NULL);
  if (chain != NULL && send_sealed (talk, chain, NULL))
    held = receive_sealed (talk, MOSS_PAIRING_MESSAGE_MAX, NULL);
  g_debug ("%s %s", talk->name, held != NULL ? "has joined" : "will join when it is back");
  return TRUE;
}

/* --- the code is shown here --- */

/* Message 1, and whether another try may be made. */
static gboolean
meet_shown (Talk *talk, GError **error)
{
  PairingState *state = talk->netd->pairing;
  g_autoptr (GBytes) begin = receive_frame (talk, MOSS_PAIRING_MESSAGE_MAX, error);
  g_autoptr (GBytes) answer = NULL;
  guint8 mine[MOSS_HASH_BYTES], theirs[MOSS_HASH_BYTES];
  gboolean may_try = FALSE;

  if (begin == NULL)
    return FALSE;
  g_mutex_lock (&state->lock);
  if (state->offer != NULL)
    may_try = moss_pairing_offer_try (state->offer, g_get_monotonic_time (), error);
  else
    g_set_error (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_USED_UP, "no code is shown");
  if (may_try)
    talk->code = g_strdup (state->offer->code);
  g_mutex_unlock (&state->lock);
  if (!may_try)
    return FALSE;
  moss_fingerprint_to_bytes (talk->netd->id, mine);
  moss_fingerprint_to_bytes (talk->peer, theirs);
  talk->pairing = moss_pairing_new (FALSE, talk->code, mine, theirs, talk->netd->name);
  answer = moss_pairing_answer (talk->pairing, begin, error);
  return answer != NULL && send_frame (talk, answer, error);
}

static GBytes *
agree (Talk *talk, GBytes *identity, GError **error)
{
  guint8 fingerprint[MOSS_HASH_BYTES];
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GBytes) record = NULL;
  g_autoptr (GBytes) reverse = NULL;
  GByteArray *out;
  guint8 length[2];

  moss_fingerprint_to_bytes (talk->netd->id, fingerprint);
  reply = ask_agent (
      talk, "Join",
      g_variant_new ("(@ay@ays)", byte_array (identity),
                     g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, fingerprint,
                                                sizeof fingerprint, 1),
                     talk->netd->name),
      "(ayay)", error);
  if (reply == NULL)
    return NULL;
  record = child_bytes (reply, 0);
  reverse = child_bytes (reply, 1);
  length[0] = g_bytes_get_size (record) & 0xff;
  length[1] = g_bytes_get_size (record) >> 8;
  out = g_byte_array_new ();
  g_byte_array_append (out, length, sizeof length);
  g_byte_array_append (out, g_bytes_get_data (record, NULL), g_bytes_get_size (record));
  g_byte_array_append (out, g_bytes_get_data (reverse, NULL), g_bytes_get_size (reverse));
  return g_byte_array_free_to_bytes (out);
}

static GBytes *
read_invitation (Talk *talk, GBytes *content, char **address, GError **error)
{
  g_autoptr (GSocketAddress) remote = g_socket_get_remote_address (talk->socket, NULL);
  const guint8 *data = g_bytes_get_data (content, NULL);

  if (g_bytes_get_size (content) != MOSS_HASH_BYTES + 2)
    {
      g_set_error (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_PROTOCOL,
                   "the old device invites to no identity");
      return NULL;
    }
  *address = peers_address (remote, data[MOSS_HASH_BYTES] | data[MOSS_HASH_BYTES + 1] << 8);
  return g_bytes_new_from_bytes (content, 0, MOSS_HASH_BYTES);
}

static gboolean
talk_shown (Talk *talk, GError **error)
{
  g_autoptr (GBytes) empty = g_bytes_new_static ("", 0);
  g_autoptr (GBytes) done = g_bytes_new_static ("held", 4);
  g_autoptr (GBytes) invitation = NULL;
  g_autoptr (GBytes) identity = NULL;
  g_autofree char *address = NULL;
  g_autoptr (GBytes) agreement = NULL;
  g_autoptr (GBytes) chain = NULL;
  g_autoptr (GVariant) taken = NULL;
  g_autoptr (GError) local = NULL;

  if (!meet_shown (talk, error))
    return FALSE;
  invitation = receive_sealed (talk, MOSS_PAIRING_MESSAGE_MAX, &local);
  if (invitation == NULL)
    {
      if (g_error_matches (local, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_WRONG_CODE))
        send_frame (talk, empty, NULL);
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  talk->name = moss_clean_name (moss_pairing_get_their_name (talk->pairing));
  identity = read_invitation (talk, invitation, &address, error);
  agreement = identity == NULL ? NULL : agree (talk, identity, error);
  if (agreement == NULL || !moss_fault_error ("pairing-before-agree", error) ||
      !joining_save (talk->netd, talk->peer, talk->name, address, error) ||
      !send_sealed (talk, agreement, error))
    return FALSE;
  talk->joined = TRUE; /* unless the other one stops now: joining.c */
  moss_fault ("pairing-after-agree");
  chain = receive_sealed (talk, MOSS_CHAIN_MAX_BYTES + 64, error);
  if (chain == NULL)
    return FALSE;
  taken = ask_agent (talk, "TakeChain", g_variant_new ("(@ay)", byte_array (chain)), "(s)",
                     error);
  return taken != NULL && send_sealed (talk, done, error);
}

/* --- both --- */

void
talk_run (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Talk *talk = task_data;
  GError *error = NULL;
  gboolean done = talk->address != NULL ? talk_typed (talk, &error)
                                        : talk_shown (talk, &error);

  /* What was said last has to get there before the connection ends. */
  g_io_stream_close (talk->tls, NULL, NULL);
  if (done)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}
