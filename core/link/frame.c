// SPDX-License-Identifier: LGPL-2.1-or-later
/* The bytes of the peer link.
 *
 * Policy: the other side is pinned but not trusted. A frame's length is judged by its type
 * before room is made for it; the first frame is a hello and no other is; bodies are GVariant
 * of one fixed type a frame, in normal form, checked before anything looks into them; names
 * and counts are bounded. What breaks a rule ends the link with a sentence that says which. */
#define G_LOG_DOMAIN "moss-link"

#include "core/link/frame.h"

#include <string.h>

G_DEFINE_QUARK (moss-link-error-quark, moss_link_error)

enum
{
  NAME_MAX_BYTES = 64,
  KEY_MAX_BYTES = 128,
  IDS_MAX_BYTES = MOSS_LINK_MAX_IDS * 40,
};

typedef struct
{
  const char *type; /* NULL: raw bytes; "": no body */
  guint32 max;
} Rule;

static const Rule rules[] = {
  [MOSS_FRAME_HELLO] = { "(usua{sv})", 64 * 1024 },
  [MOSS_FRAME_STATUS] = { "a{sv}", 4096 },
  [MOSS_FRAME_PING] = { "", 0 },
  [MOSS_FRAME_PONG] = { "", 0 },
  [MOSS_FRAME_CALL] = { "(sv)", MOSS_FRAME_MAX_BODY },
  [MOSS_FRAME_REPLY] = { "v", MOSS_FRAME_MAX_BODY },
  [MOSS_FRAME_ERROR] = { "(ss)", 64 * 1024 },
  [MOSS_FRAME_GET] = { "aay", IDS_MAX_BYTES },
  [MOSS_FRAME_OBJECT] = { NULL, MOSS_OBJECT_MAX_SEALED },
  [MOSS_FRAME_PUSH] = { NULL, MOSS_OBJECT_MAX_SEALED },
  [MOSS_FRAME_CANCEL] = { "", 0 },
  [MOSS_FRAME_PART_OF] = { NULL, MOSS_FRAME_PART },
};

static gboolean
break_off (GError **error, const char *reason)
{
  g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_PROTOCOL,
               "the other device doesn't keep to the protocol: %s", reason);
  return FALSE;
}

static gboolean
check_order (MossFrameState *state, const MossFrameHead *head, GError **error)
{
  if (!state->greeted != (head->type == MOSS_FRAME_HELLO))
    return break_off (error, state->greeted ? "a second greeting" : "no greeting");
  state->greeted = TRUE;
  if (head->type != MOSS_FRAME_OBJECT && head->type != MOSS_FRAME_PUSH &&
      head->type != MOSS_FRAME_PART_OF)
    return TRUE;
  if (state->assembled + head->body_length > MOSS_OBJECT_MAX_SEALED)
    return break_off (error, "an object that is too large");
  if (head->type == MOSS_FRAME_PART_OF && head->body_length == 0)
    return break_off (error, "an empty part");
  state->assembled =
      head->type == MOSS_FRAME_PART_OF ? state->assembled + head->body_length : 0;
  return TRUE;
}

/**
 * moss_frame_read_head:
 * @bytes: %MOSS_FRAME_HEAD of them
 *
 * Says whether a frame with this head may come now, before its body is read. A type that isn't
 * known is allowed: its body is to be skipped.
 */
gboolean
moss_frame_read_head (MossFrameState *state,
                      const guint8 *bytes,
                      MossFrameHead *head,
                      GError **error)
{
  guint32 length;

  memcpy (&length, bytes, 4);
  length = GUINT32_FROM_LE (length);
  head->type = bytes[4];
  memcpy (&head->request, bytes + 5, 8);
  head->request = GUINT64_FROM_LE (head->request);
  if (length < 9 || length - 9 > MOSS_FRAME_MAX_BODY)
    return break_off (error, "a frame of impossible length");
  head->body_length = length - 9;
  if (head->type > 0 && head->type < G_N_ELEMENTS (rules) &&
      head->body_length > rules[head->type].max)
    return break_off (error, "a frame that is too long for its type");
  return check_order (state, head, error);
}

void
moss_frame_write_head (guint8 *bytes, guint8 type, guint64 request, guint32 body_length)
{
  guint32 length = GUINT32_TO_LE (body_length + 9);

  request = GUINT64_TO_LE (request);
  memcpy (bytes, &length, 4);
  bytes[4] = type;
  memcpy (bytes + 5, &request, 8);
}

static GVariant *
little_endian (GVariant *value)
{
  g_autoptr (GVariant) owned = value;

  if (G_BYTE_ORDER == G_LITTLE_ENDIAN)
    return g_steal_pointer (&owned);
  return g_variant_byteswap (owned);
}

/**
 * moss_frame_new:
 * @body: (nullable): floating or not
 *
 * Returns: (transfer full): a whole frame; %MOSS_LINK_ERROR_INVALID if @body is too large
 */
GBytes *
moss_frame_new (guint8 type, guint64 request, GVariant *body, GError **error)
{
  g_autoptr (GVariant) own = body == NULL ? NULL : g_variant_ref_sink (body);
  g_autoptr (GVariant) wire = NULL;
  gsize length = 0;
  guint8 *bytes;

  if (own != NULL)
    {
      g_autoptr (GVariant) normal = g_variant_get_normal_form (own);

      wire = little_endian (g_steal_pointer (&normal));
      length = g_variant_get_size (wire);
    }
  if (length > rules[type].max)
    {
      g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                   "a message of %" G_GSIZE_FORMAT " bytes is too large for the link", length);
      return NULL;
    }
  bytes = g_malloc (MOSS_FRAME_HEAD + length);
  moss_frame_write_head (bytes, type, request, length);
  if (length > 0)
    memcpy (bytes + MOSS_FRAME_HEAD, g_variant_get_data (wire), length);
  return g_bytes_new_take (bytes, MOSS_FRAME_HEAD + length);
}

/**
 * moss_frame_read_body:
 * @body: (out) (nullable): the checked body; %NULL for raw bytes, none, and unknown types
 */
gboolean
moss_frame_read_body (guint8 type, GBytes *bytes, GVariant **body, GError **error)
{
  g_autoptr (GVariant) value = NULL;

  *body = NULL;
  if (type == 0 || type >= G_N_ELEMENTS (rules) || rules[type].type == NULL ||
      *rules[type].type == '\0')
    return TRUE;
  value = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (rules[type].type), bytes, FALSE));
  if (!g_variant_is_normal_form (value))
    return break_off (error, "a body that is not in normal form");
  *body = little_endian (g_steal_pointer (&value));
  return TRUE;
}

static GVariant *
bytes_variant (GBytes *bytes)
{
  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

/* Returns: (transfer floating) */
GVariant *
moss_hello_to_variant (const MossHello *hello)
{
  GVariantDict about;

  g_variant_dict_init (&about, NULL);
  if (hello->signing_key != NULL)
    {
      g_variant_dict_insert_value (&about, "signing-key", bytes_variant (hello->signing_key));
      g_variant_dict_insert_value (&about, "proof", bytes_variant (hello->proof));
    }
  g_variant_dict_insert (&about, "arch", "s", hello->arch);
  g_variant_dict_insert (&about, "kind", "s", hello->kind);
  g_variant_dict_insert (&about, "cores", "u", hello->cores);
  g_variant_dict_insert (&about, "port", "q", hello->port);
  g_variant_dict_insert (&about, "instance", "t", hello->instance);
  return g_variant_new ("(usu@a{sv})", MOSS_LINK_VERSION, hello->name, hello->suite,
                        g_variant_dict_end (&about));
}

/**
 * moss_clean_name:
 *
 * Returns: (transfer full): @name as it may be shown: valid, one line, at most 64 bytes
 */
char *
moss_clean_name (const char *name)
{
  g_autofree char *valid = g_utf8_make_valid (name, -1);
  GString *clean = g_string_new (NULL);

  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar letter = g_utf8_get_char (at);

      if (clean->len + 6 > NAME_MAX_BYTES)
        break;
      if (g_unichar_isprint (letter) && g_unichar_type (letter) != G_UNICODE_FORMAT)
        g_string_append_unichar (clean, letter);
    }
  if (clean->len == 0)
    g_string_append (clean, "?");
  return g_string_free (clean, FALSE);
}

static GBytes *
lookup_bytes (GVariantDict *dict, const char *key)
{
  g_autoptr (GVariant) value =
      g_variant_dict_lookup_value (dict, key, G_VARIANT_TYPE_BYTESTRING);
  gsize length;
  const guint8 *bytes;

  if (value == NULL)
    return NULL;
  bytes = g_variant_get_fixed_array (value, &length, 1);
  return length == 0 || length > KEY_MAX_BYTES ? NULL : g_bytes_new (bytes, length);
}

static char *
lookup_name (GVariantDict *dict, const char *key)
{
  const char *text = "";

  g_variant_dict_lookup (dict, key, "&s", &text);
  return moss_clean_name (text);
}

static gboolean
check_proof (const MossHello *hello, const guint8 *fingerprint, GError **error)
{
  if (hello->signing_key == NULL)
    return TRUE;
  if (hello->proof != NULL &&
      moss_verify_domain (hello->suite, hello->signing_key, "moss-link-1", fingerprint,
                          MOSS_HASH_BYTES, hello->proof, NULL))
    return TRUE;
  return break_off (error, "its signing key doesn't vouch for its certificate");
}

/**
 * moss_hello_from_variant:
 * @fingerprint: of the certificate that the other side showed
 * @hello: (out): clear it in either case
 */
gboolean
moss_hello_from_variant (GVariant *body,
                         const guint8 *fingerprint,
                         MossHello *hello,
                         GError **error)
{
  g_autoptr (GVariant) about = NULL;
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  const char *name;
  guint32 version;

  memset (hello, 0, sizeof *hello);
  g_variant_get (body, "(u&su@a{sv})", &version, &name, &hello->suite, &about);
  if (version != MOSS_LINK_VERSION)
    return break_off (error, "it speaks another version");
  g_variant_dict_init (&dict, about);
  hello->name = moss_clean_name (name);
  hello->arch = lookup_name (&dict, "arch");
  hello->kind = lookup_name (&dict, "kind");
  g_variant_dict_lookup (&dict, "cores", "u", &hello->cores);
  g_variant_dict_lookup (&dict, "port", "q", &hello->port);
  g_variant_dict_lookup (&dict, "instance", "t", &hello->instance);
  hello->signing_key = lookup_bytes (&dict, "signing-key");
  hello->proof = lookup_bytes (&dict, "proof");
  return check_proof (hello, fingerprint, error);
}

void
moss_hello_clear (MossHello *hello)
{
  g_clear_pointer (&hello->name, g_free);
  g_clear_pointer (&hello->arch, g_free);
  g_clear_pointer (&hello->kind, g_free);
  g_clear_pointer (&hello->signing_key, g_bytes_unref);
  g_clear_pointer (&hello->proof, g_bytes_unref);
}

/**
 * moss_ids_from_variant:
 * @ids: an aay
 *
 * Returns: (transfer full): #MossId s; an error if one has another length or there are more
 *   than @limit
 */
GArray *
moss_ids_from_variant (GVariant *ids, gsize limit, GError **error)
{
  gsize count = g_variant_n_children (ids);
  g_autoptr (GArray) array = NULL;

  if (count > limit)
    {
      g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                   "%" G_GSIZE_FORMAT " object ids are more than %" G_GSIZE_FORMAT, count,
                   limit);
      return NULL;
    }
  array = g_array_sized_new (FALSE, FALSE, sizeof (MossId), count);
  for (gsize i = 0; i < count; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (ids, i);
      gsize length;
      const guint8 *bytes = g_variant_get_fixed_array (child, &length, 1);

      if (length != sizeof (MossId))
        {
          g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                       "an object id has %" G_GSIZE_FORMAT " bytes instead of 32", length);
          return NULL;
        }
      g_array_append_vals (array, bytes, 1);
    }
  return g_steal_pointer (&array);
}

/* Returns: (transfer floating): an aay */
GVariant *
moss_ids_to_variant (const MossId *ids, gsize count)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aay"));
  for (gsize i = 0; i < count; i++)
    g_variant_builder_add_value (
        &builder,
        g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, ids[i].bytes, sizeof (MossId), 1));
  return g_variant_builder_end (&builder);
}
