// SPDX-License-Identifier: GPL-3.0-or-later
/* Tokens: a device says to one host, by name, what it may do with one tree for how long, and
 * signs it. The host name keeps a host from showing the token to another one. A token to
 * delete is good for one request: it names the body by its hash and lives ten minutes, and the
 * host remembers its nonce that long. */
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/token.h"

#include <string.h>

enum
{
  HEAD_BYTES = 161,
  HEADER_MAX = 1024,
  SIGNATURE_MAX = 256,
};

static const guint8 magic[4] = { 'M', 'H', 'T', '1' };

G_DEFINE_QUARK (moss-host-error-quark, moss_host_error)

static gboolean
refuse (int code, const char *reason, GError **error)
{
  g_set_error (error, MOSS_HOST_ERROR, code, "the token is refused: %s", reason);
  return FALSE;
}

/**
 * moss_token_message:
 *
 * Returns: (transfer full): the bytes that the device signs, in domain %MOSS_TOKEN_DOMAIN
 */
GBytes *
moss_token_message (const MossToken *token)
{
  gsize name_length = strnlen (token->host, MOSS_TOKEN_HOST_MAX);
  guint8 *bytes = g_malloc0 (HEAD_BYTES + name_length);
  gint64 expires = GINT64_TO_LE (token->expires_s);

  memcpy (bytes, magic, sizeof magic);
  bytes[4] = token->suite;
  bytes[5] = token->verb;
  memcpy (bytes + 8, &expires, 8);
  memcpy (bytes + 16, token->nonce, MOSS_TOKEN_NONCE_BYTES);
  memcpy (bytes + 32, token->identity, MOSS_HASH_BYTES);
  memcpy (bytes + 64, token->device, MOSS_HASH_BYTES);
  memcpy (bytes + 96, token->tree, MOSS_HASH_BYTES);
  memcpy (bytes + 128, token->digest, MOSS_HASH_BYTES);
  bytes[160] = name_length;
  memcpy (bytes + HEAD_BYTES, token->host, name_length);
  return g_bytes_new_take (bytes, HEAD_BYTES + name_length);
}

/**
 * moss_token_header:
 *
 * Returns: (transfer full): what follows "Authorization: "
 */
char *
moss_token_header (GBytes *message, GBytes *signature)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_autofree char *text = NULL;

  g_byte_array_append (all, g_bytes_get_data (message, NULL), g_bytes_get_size (message));
  g_byte_array_append (all, g_bytes_get_data (signature, NULL),
                       g_bytes_get_size (signature));
  text = g_base64_encode (all->data, all->len);
  return g_strconcat (MOSS_TOKEN_SCHEME, text, NULL);
}

static gboolean
is_name (const guint8 *bytes, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (bytes[i]) &&
        (bytes[i] == '\0' || strchr (".-:[]_", bytes[i]) == NULL))
      return FALSE;
  return length > 0;
}

static gboolean
read_message (const guint8 *bytes, gsize length, MossToken *token, GError **error)
{
  gsize name_length;

  memset (token, 0, sizeof *token);
  if (length < HEAD_BYTES || memcmp (bytes, magic, sizeof magic) != 0 || bytes[6] != 0 ||
      bytes[7] != 0)
    return refuse (MOSS_HOST_ERROR_INVALID, "it is not one", error);
  token->suite = bytes[4];
  token->verb = bytes[5];
  memcpy (&token->expires_s, bytes + 8, 8);
  token->expires_s = GINT64_FROM_LE (token->expires_s);
  memcpy (token->nonce, bytes + 16, MOSS_TOKEN_NONCE_BYTES);
  memcpy (token->identity, bytes + 32, MOSS_HASH_BYTES);
  memcpy (token->device, bytes + 64, MOSS_HASH_BYTES);
  memcpy (token->tree, bytes + 96, MOSS_HASH_BYTES);
  memcpy (token->digest, bytes + 128, MOSS_HASH_BYTES);
  name_length = bytes[160];
  if (length <= HEAD_BYTES + name_length || length - HEAD_BYTES - name_length > SIGNATURE_MAX ||
      !is_name (bytes + HEAD_BYTES, name_length))
    return refuse (MOSS_HOST_ERROR_INVALID, "its host name or its signature is missing", error);
  memcpy (token->host, bytes + HEAD_BYTES, name_length);
  return TRUE;
}

/* GLib's decoder passes over what isn't base64: here that is an error. */
static gboolean
is_base64 (const char *text)
{
  gsize length = strlen (text);
  gsize letters = strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "+/");

  return length % 4 == 0 && length - letters <= 2 &&
         strspn (text + letters, "=") == length - letters;
}

/**
 * moss_token_parse:
 * @header: (nullable): the value of "Authorization"
 * @message: (out): the signed bytes, as they came
 * @signature: (out): not verified here
 */
gboolean
moss_token_parse (const char *header,
                  MossToken *token,
                  GBytes **message,
                  GBytes **signature,
                  GError **error)
{
  g_autofree guchar *bytes = NULL;
  gsize length, signed_length;

  if (header == NULL)
    return refuse (MOSS_HOST_ERROR_DENIED, "there is none", error);
  if (!g_str_has_prefix (header, MOSS_TOKEN_SCHEME) || strlen (header) > HEADER_MAX ||
      !is_base64 (header + strlen (MOSS_TOKEN_SCHEME)))
    return refuse (MOSS_HOST_ERROR_INVALID, "it is not one", error);
  bytes = g_base64_decode (header + strlen (MOSS_TOKEN_SCHEME), &length);
  if (!read_message (bytes, length, token, error))
    return FALSE;
  signed_length = HEAD_BYTES + strlen (token->host);
  *message = g_bytes_new (bytes, signed_length);
  *signature = g_bytes_new (bytes + signed_length, length - signed_length);
  return TRUE;
}

static gboolean
check_verb (const MossToken *token, MossTokenVerb wanted, GError **error)
{
  gboolean covers = token->verb == wanted ||
                    (token->verb == MOSS_TOKEN_WRITE && wanted == MOSS_TOKEN_READ);

  return covers || refuse (MOSS_HOST_ERROR_DENIED, "it is for something else", error);
}

/**
 * moss_token_check:
 * @tree: the tree that the request is about
 *
 * What can be said of a token without knowing keys and names.
 */
gboolean
moss_token_check (const MossToken *token,
                  MossTokenVerb wanted,
                  const guint8 *tree,
                  gint64 now_s,
                  GError **error)
{
  gint64 life = token->verb == MOSS_TOKEN_DELETE ? MOSS_TOKEN_DELETE_LIFE_S : MOSS_TOKEN_LIFE_S;

  if (!check_verb (token, wanted, error))
    return FALSE;
  if (memcmp (token->tree, tree, MOSS_HASH_BYTES) != 0)
    return refuse (MOSS_HOST_ERROR_DENIED, "it is for another tree", error);
  if (token->expires_s < now_s)
    return refuse (MOSS_HOST_ERROR_EXPIRED, "it has expired", error);
  if (token->expires_s > now_s + life + MOSS_TOKEN_SKEW_S)
    return refuse (MOSS_HOST_ERROR_INVALID, "it is good for too long, or a clock is wrong",
                   error);
  return TRUE;
}
