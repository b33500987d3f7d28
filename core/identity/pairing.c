// SPDX-License-Identifier: LGPL-2.1-or-later
/* Pairing by a short code.
 *
 * Policy: a code is good for three tries and two minutes, and a try is counted when it begins.
 * What both sides' certificates are is part of the key, so whoever stands between two TLS
 * connections and only hands messages on gets nothing, not even a try without the code. Before
 * anything sealed is looked at, each side shows that it has the key by a keyed hash: the seal
 * alone would not do, for one sealed message can be made to open under many keys, and would be
 * many guesses. Who typed the code shows it first. The keys are used in one conversation and
 * each message has its number, so nothing can be left out, repeated or sent back. */
#define G_LOG_DOMAIN "moss-pairing"

#include "core/identity/pairing.h"

#include "core/crypto/suite.h"
#include "core/identity/cpace.h"

#include <sodium.h>
#include <string.h>

G_DEFINE_QUARK (moss-pairing-error-quark, moss_pairing_error)

enum
{
  VERSION = 1,
  SID_BYTES = 16,
  NAME_MAX_BYTES = 64,
  SUITE = MOSS_SUITE_SODIUM,
};

struct _MossPairing
{
  gboolean typed_here; /* this side began */
  GBytes *code;
  GBytes *channel;
  GBytes *sid; /* nullable */
  GBytes *my_about;
  GBytes *their_about; /* nullable */
  char *their_name;
  guint8 scalar[MOSS_CPACE_SCALAR_BYTES];
  guint8 share[MOSS_CPACE_POINT_BYTES];
  gboolean keyed;
  guint8 my_tag[MOSS_HASH_BYTES];
  guint8 their_tag[MOSS_HASH_BYTES];
  guint8 send_key[MOSS_KEY_BYTES];
  guint8 receive_key[MOSS_KEY_BYTES];
  guint64 sent;
  guint64 received;
};

/* --- the code --- */

/* Returns: (transfer full): digits only */
char *
moss_pairing_code_new (void)
{
  guint32 space = 1;

  for (guint i = 0; i < MOSS_PAIRING_DIGITS; i++)
    space *= 10;
  return g_strdup_printf ("%0*u", MOSS_PAIRING_DIGITS, randombytes_uniform (space));
}

/* Returns: (transfer full): in two groups, as it is read out */
char *
moss_pairing_code_show (const char *code)
{
  gsize half = strlen (code) / 2;

  return g_strdup_printf ("%.*s %s", (int) half, code, code + half);
}

/**
 * moss_pairing_code_parse:
 * @text: as a person types it, in any script's digits
 *
 * Returns: (transfer full): digits only
 */
char *
moss_pairing_code_parse (const char *text, GError **error)
{
  g_autoptr (GString) code = g_string_new (NULL);
  gboolean good = g_utf8_validate (text, -1, NULL);

  for (const char *at = text; good && *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      if (g_unichar_isdigit (c))
        g_string_append_c (code, '0' + g_unichar_digit_value (c));
      else
        good = g_unichar_isspace (c) || c == '-' || g_unichar_iszerowidth (c);
      good = good && code->len <= MOSS_PAIRING_DIGITS;
    }
  if (good && code->len == MOSS_PAIRING_DIGITS)
    return g_strdup (code->str);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
               "a code has %d digits; the new device shows it", MOSS_PAIRING_DIGITS);
  return NULL;
}

/* Returns: (transfer full) */
MossPairingOffer *
moss_pairing_offer_new (const char *code, gint64 now_us)
{
  MossPairingOffer *offer = g_new0 (MossPairingOffer, 1);

  offer->code = g_strdup (code);
  offer->until_us = now_us + MOSS_PAIRING_SECONDS * G_USEC_PER_SEC;
  offer->tries = MOSS_PAIRING_TRIES;
  return offer;
}

void
moss_pairing_offer_free (MossPairingOffer *offer)
{
  sodium_memzero (offer->code, strlen (offer->code));
  g_free (offer->code);
  g_free (offer);
}

/* Takes one of the tries; fails with %MOSS_PAIRING_ERROR_USED_UP. */
gboolean
moss_pairing_offer_try (MossPairingOffer *offer, gint64 now_us, GError **error)
{
  if (offer->tries > 0 && now_us <= offer->until_us)
    {
      offer->tries--;
      return TRUE;
    }
  g_set_error (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_USED_UP,
               offer->tries == 0 ? "the code was tried too often; a new one is needed"
                                 : "the code is too old; a new one is needed");
  return FALSE;
}

/* --- the conversation --- */

static gboolean
refuse (GError **error)
{
  g_set_error (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_PROTOCOL,
               "the other side doesn't speak as a device does that is to be paired");
  return FALSE;
}

static void
put_sized (GByteArray *out, gconstpointer data, guint8 length)
{
  g_byte_array_append (out, &length, 1);
  g_byte_array_append (out, data, length);
}

/* Which two devices this is between, and what for. */
static GBytes *
make_channel (const guint8 *began, const guint8 *answered)
{
  GByteArray *out = g_byte_array_new ();

  put_sized (out, MOSS_PAIRING_PROTOCOL, strlen (MOSS_PAIRING_PROTOCOL));
  put_sized (out, began, MOSS_HASH_BYTES);
  put_sized (out, answered, MOSS_HASH_BYTES);
  return g_byte_array_free_to_bytes (out);
}

/**
 * moss_pairing_new:
 * @typed_here: the code was typed here and is shown there; this side begins
 * @code: digits
 * @my_fingerprint, @their_fingerprint: of the certificates that this connection has
 * @my_name: shown to the other person
 *
 * Returns: (transfer full): one try
 */
MossPairing *
moss_pairing_new (gboolean typed_here,
                  const char *code,
                  const guint8 *my_fingerprint,
                  const guint8 *their_fingerprint,
                  const char *my_name)
{
  MossPairing *pairing = g_new0 (MossPairing, 1);
  const char *end = my_name;

  while (*end != '\0' && g_utf8_next_char (end) - my_name <= NAME_MAX_BYTES)
    end = g_utf8_next_char (end);
  pairing->typed_here = typed_here;
  pairing->code = g_bytes_new (code, strlen (code));
  pairing->my_about = g_bytes_new (my_name, end - my_name);
  pairing->channel = typed_here ? make_channel (my_fingerprint, their_fingerprint)
                                : make_channel (their_fingerprint, my_fingerprint);
  return pairing;
}

void
moss_pairing_free (MossPairing *pairing)
{
  g_bytes_unref (pairing->code);
  g_bytes_unref (pairing->channel);
  g_bytes_unref (pairing->my_about);
  g_clear_pointer (&pairing->sid, g_bytes_unref);
  g_clear_pointer (&pairing->their_about, g_bytes_unref);
  g_free (pairing->their_name);
  sodium_memzero (pairing, sizeof *pairing);
  g_free (pairing);
}

/* Returns: (nullable): what the other one calls itself: not to be believed before it is paired */
const char *
moss_pairing_get_their_name (MossPairing *pairing)
{
  return pairing->their_name;
}

static gboolean
take_about (MossPairing *pairing, const guint8 *data, gsize length, GError **error)
{
  if (length == 0 || length > NAME_MAX_BYTES ||
      !g_utf8_validate_len ((const char *) data, length, NULL))
    return refuse (error);
  pairing->their_about = g_bytes_new (data, length);
  pairing->their_name = g_strndup ((const char *) data, length);
  return TRUE;
}

static void
derive (const guint8 *root, const char *label, guint8 *key)
{
  moss_suite_keyed_hash (SUITE, root, (const guint8 *) label, strlen (label), key, NULL);
}

static gboolean
make_keys (MossPairing *pairing, const guint8 *their_share, GError **error)
{
  guint8 point[MOSS_CPACE_POINT_BYTES];
  guint8 isk[MOSS_CPACE_ISK_BYTES];
  guint8 root[MOSS_KEY_BYTES];
  gboolean began = pairing->typed_here;

  if (!moss_cpace_point (pairing->scalar, their_share, point))
    return refuse (error);
  moss_cpace_isk (point, pairing->sid, began ? pairing->share : their_share,
                  began ? pairing->my_about : pairing->their_about,
                  began ? their_share : pairing->share,
                  began ? pairing->their_about : pairing->my_about, isk);
  moss_suite_hash (SUITE, isk, sizeof isk, root, NULL);
  derive (root, "moss pair tag A", began ? pairing->my_tag : pairing->their_tag);
  derive (root, "moss pair tag B", began ? pairing->their_tag : pairing->my_tag);
  derive (root, "moss pair key A", began ? pairing->send_key : pairing->receive_key);
  derive (root, "moss pair key B", began ? pairing->receive_key : pairing->send_key);
  pairing->keyed = TRUE;
  sodium_memzero (point, sizeof point);
  sodium_memzero (isk, sizeof isk);
  sodium_memzero (root, sizeof root);
  return TRUE;
}

/**
 * moss_pairing_begin:
 *
 * Returns: (transfer full): message 1, from where the code was typed
 */
GBytes *
moss_pairing_begin (MossPairing *pairing)
{
  guint8 sid[SID_BYTES];
  guint8 version = VERSION;
  GByteArray *out = g_byte_array_new ();

  moss_crypto_random (sid, sizeof sid);
  pairing->sid = g_bytes_new (sid, sizeof sid);
  moss_cpace_start (pairing->code, pairing->channel, pairing->sid, pairing->scalar,
                    pairing->share);
  g_byte_array_append (out, &version, 1);
  g_byte_array_append (out, sid, sizeof sid);
  g_byte_array_append (out, pairing->share, sizeof pairing->share);
  g_byte_array_append (out, g_bytes_get_data (pairing->my_about, NULL),
                       g_bytes_get_size (pairing->my_about));
  return g_byte_array_free_to_bytes (out);
}

/**
 * moss_pairing_answer:
 * @begin: message 1
 *
 * Returns: (transfer full): message 2, from where the code is shown
 */
GBytes *
moss_pairing_answer (MossPairing *pairing, GBytes *begin, GError **error)
{
  gsize head = 1 + SID_BYTES + MOSS_CPACE_POINT_BYTES;
  gsize length;
  const guint8 *data = g_bytes_get_data (begin, &length);
  GByteArray *out;

  if (pairing->typed_here || pairing->sid != NULL || length <= head || data[0] != VERSION)
    {
      refuse (error);
      return NULL;
    }
  pairing->sid = g_bytes_new (data + 1, SID_BYTES);
  moss_cpace_start (pairing->code, pairing->channel, pairing->sid, pairing->scalar,
                    pairing->share);
  if (!take_about (pairing, data + head, length - head, error) ||
      !make_keys (pairing, data + 1 + SID_BYTES, error))
    return NULL;
  out = g_byte_array_new ();
  g_byte_array_append (out, pairing->share, sizeof pairing->share);
  g_byte_array_append (out, g_bytes_get_data (pairing->my_about, NULL),
                       g_bytes_get_size (pairing->my_about));
  return g_byte_array_free_to_bytes (out);
}

/* @answer: message 2. From now on both sides seal and open. */
gboolean
moss_pairing_finish (MossPairing *pairing, GBytes *answer, GError **error)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (answer, &length);

  if (!pairing->typed_here || pairing->sid == NULL || pairing->keyed ||
      length <= MOSS_CPACE_POINT_BYTES)
    return refuse (error);
  return take_about (pairing, data + MOSS_CPACE_POINT_BYTES, length - MOSS_CPACE_POINT_BYTES,
                     error) &&
         make_keys (pairing, data, error);
}

static void
make_nonce (guint64 number, guint8 *nonce)
{
  number = GUINT64_TO_LE (number);
  memset (nonce, 0, MOSS_NONCE_MAX);
  memcpy (nonce, &number, sizeof number);
}

/* Each side's first sealed message carries its tag before it. */
static gsize
tag_bytes (guint64 number)
{
  return number == 0 ? MOSS_HASH_BYTES : 0;
}

/* Returns: (transfer full): the next message to the other side */
GBytes *
moss_pairing_seal (MossPairing *pairing, GBytes *content, GError **error)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (content, &length);
  gsize tag = tag_bytes (pairing->sent);
  guint8 nonce[MOSS_NONCE_MAX];
  guint8 *out;

  /* Who shows the code says nothing under the key before the other one has shown to have it. */
  if (!pairing->keyed || (!pairing->typed_here && pairing->received == 0))
    {
      refuse (error);
      return NULL;
    }
  out = g_malloc (tag + length + MOSS_TAG_BYTES);
  memcpy (out, pairing->my_tag, tag);
  make_nonce (pairing->sent, nonce);
  if (!moss_suite_seal (SUITE, pairing->send_key, nonce, NULL, 0, data, length, out + tag,
                        error))
    {
      g_free (out);
      return NULL;
    }
  pairing->sent++;
  return g_bytes_new_take (out, tag + length + MOSS_TAG_BYTES);
}

/**
 * moss_pairing_open:
 *
 * Fails with %MOSS_PAIRING_ERROR_WRONG_CODE if the other side has another key. The conversation
 * is over then.
 *
 * Returns: (transfer full): what the other side said
 */
GBytes *
moss_pairing_open (MossPairing *pairing, GBytes *message, GError **error)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (message, &length);
  gsize tag = tag_bytes (pairing->received);
  guint8 nonce[MOSS_NONCE_MAX];
  guint8 *out;

  if (!pairing->keyed || length < tag + MOSS_TAG_BYTES)
    {
      refuse (error);
      return NULL;
    }
  if (tag > 0 && !moss_crypto_equal (data, pairing->their_tag, tag))
    {
      g_set_error (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_WRONG_CODE,
                   "the codes differ");
      pairing->keyed = FALSE;
      return NULL;
    }
  out = g_malloc (length - tag);
  make_nonce (pairing->received, nonce);
  if (!moss_suite_open (SUITE, pairing->receive_key, nonce, NULL, 0, data + tag, length - tag,
                        out, error))
    {
      g_free (out);
      pairing->keyed = FALSE;
      return NULL;
    }
  pairing->received++;
  return g_bytes_new_take (out, length - tag - MOSS_TAG_BYTES);
}
