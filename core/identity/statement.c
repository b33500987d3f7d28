// SPDX-License-Identifier: LGPL-2.1-or-later
/* Encoding and decoding of statements. Fixed little-endian fields; every length is checked
 * against what is there before anything is read, and not a byte may be left over, so that one
 * meaning has one encoding. */
#define G_LOG_DOMAIN "moss-identity"

#include "core/identity/statement.h"

#include <string.h>

G_DEFINE_QUARK (moss-chain-error-quark, moss_chain_error)

static const guint8 magic[4] = { 'M', 'I', 'D', '1' };

static gboolean
corrupt (GError **error, const char *reason)
{
  g_set_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_CORRUPT,
               "a statement of an identity can't be read: %s", reason);
  return FALSE;
}

/* --- writing --- */

static void
put_u16 (GByteArray *out, guint16 value)
{
  value = GUINT16_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, sizeof value);
}

static void
put_u32 (GByteArray *out, guint32 value)
{
  value = GUINT32_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, sizeof value);
}

static void
put_u64 (GByteArray *out, guint64 value)
{
  value = GUINT64_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, sizeof value);
}

static void
put_u8 (GByteArray *out, guint8 value)
{
  g_byte_array_append (out, &value, 1);
}

static void
put_bytes (GByteArray *out, GBytes *bytes)
{
  g_byte_array_append (out, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

static void
put_text (GByteArray *out, const char *text)
{
  put_u8 (out, strlen (text));
  g_byte_array_append (out, (const guint8 *) text, strlen (text));
}

/* --- reading --- */

typedef struct
{
  const guint8 *at;
  gsize left;
} Cursor;

static const guint8 *
take (Cursor *cursor, gsize length)
{
  const guint8 *at = cursor->at;

  if (cursor->left < length)
    return NULL;
  cursor->at += length;
  cursor->left -= length;
  return at;
}

static gboolean
take_into (Cursor *cursor, gpointer out, gsize length)
{
  const guint8 *at = take (cursor, length);

  if (at != NULL)
    memcpy (out, at, length);
  return at != NULL;
}

static gboolean
take_u8 (Cursor *cursor, guint8 *value)
{
  return take_into (cursor, value, 1);
}

static gboolean
take_u16 (Cursor *cursor, guint16 *value)
{
  gboolean taken = take_into (cursor, value, sizeof *value);

  *value = GUINT16_FROM_LE (*value);
  return taken;
}

static gboolean
take_u32 (Cursor *cursor, guint32 *value)
{
  gboolean taken = take_into (cursor, value, sizeof *value);

  *value = GUINT32_FROM_LE (*value);
  return taken;
}

static gboolean
is_good_text (const char *text, gsize length, gsize limit)
{
  if (length == 0 || length > limit || !g_utf8_validate_len (text, length, NULL))
    return FALSE;
  for (const char *at = text; at < text + length; at = g_utf8_next_char (at))
    if (!g_unichar_isprint (g_utf8_get_char (at)))
      return FALSE;
  return TRUE;
}

static gboolean
take_text (Cursor *cursor, gsize limit, char **text)
{
  guint8 length;
  const guint8 *at;

  if (!take_u8 (cursor, &length) || (at = take (cursor, length)) == NULL ||
      !is_good_text ((const char *) at, length, limit))
    return FALSE;
  *text = g_strndup ((const char *) at, length);
  return TRUE;
}

static GBytes *
take_bytes (Cursor *cursor, gsize length)
{
  const guint8 *at = length == 0 ? NULL : take (cursor, length);

  return at == NULL ? NULL : g_bytes_new (at, length);
}

/**
 * moss_identity_name_is_valid:
 *
 * Whether a person can be called so: the name is a folder's, too ("name@domain" or "name").
 */
gboolean
moss_identity_name_is_valid (const char *name)
{
  return is_good_text (name, strlen (name), MOSS_IDENTITY_NAME_MAX) && name[0] != '.' &&
         name[0] != '~' && name[0] != '-' && strpbrk (name, "/\\ ") == NULL;
}

/* --- devices --- */

void
moss_device_record_free (MossDeviceRecord *record)
{
  g_clear_pointer (&record->signing_key, g_bytes_unref);
  g_free (record->name);
  g_free (record);
}

/* Returns: (transfer full) */
MossDeviceRecord *
moss_device_record_copy (const MossDeviceRecord *record)
{
  MossDeviceRecord *copy = g_memdup2 (record, sizeof *record);

  copy->signing_key = g_bytes_ref (record->signing_key);
  copy->name = g_strdup (record->name);
  return copy;
}

static gboolean
put_device (GByteArray *out, const MossDeviceRecord *record, GError **error)
{
  if (g_bytes_get_size (record->signing_key) != moss_suite_public_bytes (record->suite) ||
      !is_good_text (record->name, strlen (record->name), MOSS_DEVICE_NAME_MAX))
    return corrupt (error, "the device has no usable name or key");
  g_byte_array_append (out, record->fingerprint, sizeof record->fingerprint);
  put_u8 (out, record->suite);
  put_bytes (out, record->signing_key);
  g_byte_array_append (out, record->exchange_key, sizeof record->exchange_key);
  put_u8 (out, record->scope);
  put_text (out, record->name);
  return TRUE;
}

static MossDeviceRecord *
take_device (Cursor *cursor, GError **error)
{
  g_autoptr (MossDeviceRecord) record = g_new0 (MossDeviceRecord, 1);

  if (!take_into (cursor, record->fingerprint, sizeof record->fingerprint) ||
      !take_u8 (cursor, &record->suite))
    {
      corrupt (error, "it ends in the middle of a device");
      return NULL;
    }
  if (!moss_suite_known (record->suite, error))
    return NULL;
  record->signing_key = take_bytes (cursor, moss_suite_public_bytes (record->suite));
  if (record->signing_key == NULL ||
      !take_into (cursor, record->exchange_key, sizeof record->exchange_key) ||
      !take_u8 (cursor, &record->scope) || record->scope < MOSS_SCOPE_FULL ||
      record->scope > MOSS_SCOPE_KIOSK ||
      !take_text (cursor, MOSS_DEVICE_NAME_MAX, &record->name))
    {
      corrupt (error, "a device is not described as it should be");
      return NULL;
    }
  return g_steal_pointer (&record);
}

/* Returns: (transfer full): what the new device signs, with the identity's id before it */
GBytes *
moss_device_record_encode (const MossDeviceRecord *record, GError **error)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  if (!put_device (out, record, error))
    return NULL;
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

/* Returns: (transfer full) */
MossDeviceRecord *
moss_device_record_decode (GBytes *bytes, GError **error)
{
  Cursor cursor = { g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes) };
  g_autoptr (MossDeviceRecord) record = take_device (&cursor, error);

  if (record == NULL)
    return NULL;
  if (cursor.left == 0)
    return g_steal_pointer (&record);
  corrupt (error, "something follows a device");
  return NULL;
}

/* Returns: (transfer full): what the reverse signature is over, in %MOSS_DEVICE_DOMAIN */
GBytes *
moss_device_reverse_message (const guint8 *identity, GBytes *record)
{
  GByteArray *out = g_byte_array_new ();

  g_byte_array_append (out, identity, MOSS_HASH_BYTES);
  put_bytes (out, record);
  return g_byte_array_free_to_bytes (out);
}

/* --- statements --- */

void
moss_statement_clear (MossStatement *statement)
{
  g_clear_pointer (&statement->name, g_free);
  g_clear_pointer (&statement->device, moss_device_record_free);
  g_clear_pointer (&statement->reverse, g_bytes_unref);
  g_clear_pointer (&statement->hosts, g_strfreev);
}

static gboolean
put_hosts (GByteArray *out, GStrv hosts, GError **error)
{
  guint count = hosts == NULL ? 0 : g_strv_length (hosts);

  if (count > MOSS_HOSTS_MAX)
    return corrupt (error, "there are too many hosts");
  put_u8 (out, count);
  for (guint i = 0; i < count; i++)
    {
      if (!is_good_text (hosts[i], strlen (hosts[i]), MOSS_HOST_NAME_MAX))
        return corrupt (error, "a host's address is empty or too long");
      put_text (out, hosts[i]);
    }
  return TRUE;
}

static gboolean
put_body (GByteArray *out, const MossStatement *statement, GError **error)
{
  switch (statement->type)
    {
    case MOSS_STATEMENT_CREATE:
    case MOSS_STATEMENT_NAME:
      if (!moss_identity_name_is_valid (statement->name))
        return corrupt (error, "nobody can be called so");
      put_text (out, statement->name);
      return statement->type == MOSS_STATEMENT_NAME ||
             put_device (out, statement->device, error);
    case MOSS_STATEMENT_ADD_DEVICE:
      put_u16 (out, statement->slot);
      if (!put_device (out, statement->device, error))
        return FALSE;
      put_bytes (out, statement->reverse);
      return TRUE;
    case MOSS_STATEMENT_REVOKE:
      put_u16 (out, statement->slot);
      put_u32 (out, statement->as_of);
      return TRUE;
    case MOSS_STATEMENT_ROTATE:
      put_u32 (out, statement->generation);
      g_byte_array_append (out, statement->commitment, sizeof statement->commitment);
      g_byte_array_append (out, statement->sealed_previous,
                           sizeof statement->sealed_previous);
      return TRUE;
    case MOSS_STATEMENT_GRANT:
      put_u32 (out, statement->generation);
      put_u16 (out, statement->slot);
      g_byte_array_append (out, statement->box, sizeof statement->box);
      return TRUE;
    case MOSS_STATEMENT_HOSTS:
      return put_hosts (out, statement->hosts, error);
    default:
      return corrupt (error, "it is of an unknown kind");
    }
}

/**
 * moss_statement_encode:
 *
 * Returns: (transfer full): everything but the signature, which is made over these bytes in
 *   %MOSS_STATEMENT_DOMAIN and follows them
 */
GBytes *
moss_statement_encode (const MossStatement *statement, GError **error)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  gsize signature = moss_suite_signature_bytes (statement->suite);
  guint16 length;

  if (!moss_suite_known (statement->suite, error))
    return NULL;
  g_byte_array_append (out, magic, sizeof magic);
  put_u16 (out, 0);
  put_u8 (out, statement->type);
  put_u8 (out, statement->suite);
  put_u32 (out, statement->seq);
  put_u16 (out, statement->signer);
  put_u16 (out, 0);
  put_u64 (out, statement->time_s);
  g_byte_array_append (out, statement->previous, sizeof statement->previous);
  if (!put_body (out, statement, error))
    return NULL;
  if (out->len + signature > MOSS_STATEMENT_MAX)
    {
      corrupt (error, "it is too long");
      return NULL;
    }
  length = GUINT16_TO_LE (out->len + signature);
  memcpy (out->data + sizeof magic, &length, sizeof length);
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

/**
 * moss_statement_sign:
 * @secret: the signer's
 *
 * Returns: (transfer full): the whole statement
 */
GBytes *
moss_statement_sign (const MossStatement *statement, GBytes *secret, GError **error)
{
  g_autoptr (GBytes) bare = moss_statement_encode (statement, error);
  g_autoptr (GBytes) signature = NULL;
  GByteArray *whole;

  if (bare == NULL)
    return NULL;
  signature = moss_sign_domain (statement->suite, secret, MOSS_STATEMENT_DOMAIN,
                                g_bytes_get_data (bare, NULL), g_bytes_get_size (bare), error);
  if (signature == NULL)
    return NULL;
  whole = g_byte_array_new ();
  put_bytes (whole, bare);
  put_bytes (whole, signature);
  return g_byte_array_free_to_bytes (whole);
}

static gboolean
take_hosts (Cursor *cursor, GStrv *hosts, GError **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  guint8 count;

  if (!take_u8 (cursor, &count) || count > MOSS_HOSTS_MAX)
    return corrupt (error, "it names too many hosts");
  for (guint i = 0; i < count; i++)
    {
      char *host = NULL;

      if (!take_text (cursor, MOSS_HOST_NAME_MAX, &host))
        return corrupt (error, "a host's address is damaged");
      g_ptr_array_add (list, host);
    }
  g_ptr_array_add (list, NULL);
  *hosts = (GStrv) g_ptr_array_free (g_steal_pointer (&list), FALSE);
  return TRUE;
}

static gboolean
take_name (Cursor *cursor, char **name, GError **error)
{
  if (take_text (cursor, MOSS_IDENTITY_NAME_MAX, name) && moss_identity_name_is_valid (*name))
    return TRUE;
  return corrupt (error, "the person's name is not one");
}

static gboolean
take_add (Cursor *cursor, MossStatement *statement, GError **error)
{
  if (!take_u16 (cursor, &statement->slot))
    return corrupt (error, "it is too short");
  statement->device = take_device (cursor, error);
  if (statement->device == NULL)
    return FALSE;
  statement->reverse =
      take_bytes (cursor, moss_suite_signature_bytes (statement->device->suite));
  return statement->reverse != NULL || corrupt (error, "the new device didn't sign");
}

static gboolean
take_body (Cursor *cursor, MossStatement *statement, GError **error)
{
  gboolean taken = FALSE;

  switch (statement->type)
    {
    case MOSS_STATEMENT_CREATE:
      return take_name (cursor, &statement->name, error) &&
             (statement->device = take_device (cursor, error)) != NULL;
    case MOSS_STATEMENT_NAME:
      return take_name (cursor, &statement->name, error);
    case MOSS_STATEMENT_ADD_DEVICE:
      return take_add (cursor, statement, error);
    case MOSS_STATEMENT_HOSTS:
      return take_hosts (cursor, &statement->hosts, error);
    case MOSS_STATEMENT_REVOKE:
      taken = take_u16 (cursor, &statement->slot) && take_u32 (cursor, &statement->as_of);
      break;
    case MOSS_STATEMENT_ROTATE:
      taken = take_u32 (cursor, &statement->generation) &&
              take_into (cursor, statement->commitment, sizeof statement->commitment) &&
              take_into (cursor, statement->sealed_previous,
                         sizeof statement->sealed_previous);
      break;
    case MOSS_STATEMENT_GRANT:
      taken = take_u32 (cursor, &statement->generation) &&
              take_u16 (cursor, &statement->slot) &&
              take_into (cursor, statement->box, sizeof statement->box);
      break;
    default:
      g_set_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_NEWER,
                   "a statement is of a kind that a newer version of Moss made");
      return FALSE;
    }
  return taken || corrupt (error, "it is too short");
}

static gboolean
take_head (Cursor *cursor, MossStatement *statement, guint16 *length, GError **error)
{
  const guint8 *start = take (cursor, sizeof magic);
  guint16 reserved;
  guint64 time_s;

  if (start == NULL || memcmp (start, magic, sizeof magic) != 0)
    return corrupt (error, "it doesn't begin like one");
  if (!take_u16 (cursor, length) || !take_u8 (cursor, &statement->type) ||
      !take_u8 (cursor, &statement->suite) || !take_u32 (cursor, &statement->seq) ||
      !take_u16 (cursor, &statement->signer) || !take_u16 (cursor, &reserved) ||
      !take_into (cursor, &time_s, sizeof time_s) ||
      !take_into (cursor, statement->previous, sizeof statement->previous))
    return corrupt (error, "it is too short");
  statement->time_s = GUINT64_FROM_LE (time_s);
  return reserved == 0 || corrupt (error, "what is reserved is not zero");
}

/**
 * moss_statement_decode:
 * @available: how many bytes there are at least
 * @statement: zeroed; to be cleared by the caller in any case
 * @length: (out): of this statement, its signature included
 *
 * Reads what a statement says. Its signature is not checked here.
 */
gboolean
moss_statement_decode (const guint8 *bytes,
                       gsize available,
                       MossStatement *statement,
                       gsize *length,
                       GError **error)
{
  Cursor cursor = { bytes, available };
  gsize signature;
  guint16 whole;

  if (!take_head (&cursor, statement, &whole, error) ||
      !moss_suite_known (statement->suite, error))
    return FALSE;
  signature = moss_suite_signature_bytes (statement->suite);
  if (whole > MOSS_STATEMENT_MAX || whole > available ||
      whole < MOSS_STATEMENT_HEAD + signature)
    return corrupt (error, "its length is wrong");
  cursor.left = whole - MOSS_STATEMENT_HEAD - signature;
  if (!take_body (&cursor, statement, error))
    return FALSE;
  *length = whole;
  return cursor.left == 0 || corrupt (error, "something is left over");
}

/* --- the id as text --- */

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

enum
{
  ID_DIGITS = 52, /* 32 bytes in base32 (RFC 4648), lower case, without padding */
};

/**
 * moss_identity_id_to_text:
 * @id: %MOSS_HASH_BYTES bytes
 *
 * Returns: (transfer full): "~" and 52 letters and digits
 */
char *
moss_identity_id_to_text (const guint8 *id)
{
  GString *text = g_string_new ("~");
  guint bits = 0, have = 0;

  for (guint i = 0; i < MOSS_HASH_BYTES; i++)
    {
      bits = (bits << 8) | id[i];
      for (have += 8; have >= 5; have -= 5)
        g_string_append_c (text, alphabet[(bits >> (have - 5)) & 31]);
    }
  g_string_append_c (text, alphabet[(bits << (5 - have)) & 31]);
  return g_string_free (text, FALSE);
}

/**
 * moss_identity_id_from_text:
 * @id: room for %MOSS_HASH_BYTES bytes
 */
gboolean
moss_identity_id_from_text (const char *text, guint8 *id, GError **error)
{
  guint bits = 0, have = 0, written = 0;
  gboolean good = text[0] == '~' && strlen (text) == ID_DIGITS + 1;

  for (guint i = 1; good && i <= ID_DIGITS; i++)
    {
      const char *digit = strchr (alphabet, text[i]);

      good = digit != NULL;
      bits = (bits << 5) | (good ? (guint) (digit - alphabet) : 0);
      have += 5;
      if (have < 8)
        continue;
      have -= 8;
      id[written++] = bits >> have;
    }
  if (good && (bits & ((1u << have) - 1)) == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
               "“%.60s” is not the id of an identity: “~” and %d letters and digits", text,
               ID_DIGITS);
  return FALSE;
}
