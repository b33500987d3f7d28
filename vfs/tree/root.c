// SPDX-License-Identifier: GPL-3.0-or-later
/* Signed roots: docs/formats/tree.md has the bytes.
 *
 * Policy: what comes from a host or peer is checked in this order: length and form, signature (by
 * the callback, which knows the chain), then the seal. Nothing inside is used before. The clear
 * part is what a host may know: whose tree, which device, which number, when. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "vfs/tree/bytes.h"

enum
{
  CLEAR = 4 + 1 + 1 + 2 + 4 + 8 + 8 + 32 * 3 + 4,
  SIGNATURE_MAX = 256,
};

static const char magic[4] = { 'M', 'T', 'R', '1' };

/* --- what a root has seen --- */

static guint
seen_index (GArray *seen, guint16 slot)
{
  guint i = 0;

  while (i < seen->len && g_array_index (seen, Seen, i).slot < slot)
    i++;
  return i;
}

guint64
seen_of (GArray *seen, guint16 slot)
{
  guint i = seen_index (seen, slot);

  if (i < seen->len && g_array_index (seen, Seen, i).slot == slot)
    return g_array_index (seen, Seen, i).number;
  return 0;
}

gboolean
seen_has (GArray *seen, guint64 dot)
{
  return NUMBER_OF (dot) <= seen_of (seen, SLOT_OF (dot));
}

void
seen_raise (GArray *seen, guint16 slot, guint64 number)
{
  guint i = seen_index (seen, slot);
  Seen one = { slot, number };

  if (i == seen->len || g_array_index (seen, Seen, i).slot != slot)
    g_array_insert_val (seen, i, one);
  else if (g_array_index (seen, Seen, i).number < number)
    g_array_index (seen, Seen, i).number = number;
}

void
moss_root_body_clear (MossRootBody *body)
{
  g_clear_pointer (&body->seen, g_array_unref);
}

/* --- keys --- */

static gboolean
body_key (MossTree *tree, const MossTreeRoot *root, guint suite, guint8 *key, GError **error)
{
  guint8 message[64] = "moss root body 1";
  guint8 tree_key[MOSS_KEY_BYTES];
  guint64 number = GUINT64_TO_LE (root->number);
  gboolean ok;

  if (!tree->config.callbacks.key (root->generation, tree_key, tree->config.user_data))
    {
      g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_LOCKED,
                   "the key of generation %u isn't here", root->generation);
      return FALSE;
    }
  memcpy (message + 16, root->device, 32);
  memcpy (message + 48, &number, 8);
  ok = moss_suite_keyed_hash (suite, tree_key, message, sizeof message, key, error);
  moss_crypto_wipe (tree_key, sizeof tree_key);
  return ok;
}

/* --- writing --- */

static GByteArray *
write_body (const MossRootBody *body)
{
  GByteArray *bytes = g_byte_array_new ();

  moss_put_bytes (bytes, &body->table, sizeof body->table);
  moss_put_number (bytes, body->seen->len, 2);
  for (guint i = 0; i < body->seen->len; i++)
    {
      Seen *seen = &g_array_index (body->seen, Seen, i);

      moss_put_number (bytes, seen->slot, 2);
      moss_put_number (bytes, seen->number, 8);
    }
  return bytes;
}

static void
write_clear (GByteArray *out, const MossTreeRoot *root, guint suite, guint32 sealed)
{
  moss_put_bytes (out, magic, 4);
  moss_put_number (out, suite, 1);
  moss_put_number (out, 0, 1);
  moss_put_number (out, root->slot, 2);
  moss_put_number (out, root->generation, 4);
  moss_put_number (out, root->number, 8);
  moss_put_number (out, root->time_us, 8);
  moss_put_bytes (out, root->tree_id, 32);
  moss_put_bytes (out, root->device, 32);
  moss_put_bytes (out, root->previous, 32);
  moss_put_number (out, sealed, 4);
}

/* @root: all but its id. NULL with no @error: can't be signed now. */
GBytes *
root_make (MossTree *tree,
           const MossTreeRoot *root,
           const MossRootBody *body,
           GError **error)
{
  guint suite = tree->config.suite;
  gsize nonce_bytes = moss_suite_nonce_bytes (suite);
  g_autoptr (GByteArray) plain = write_body (body);
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GBytes) signature = NULL;
  guint8 key[MOSS_KEY_BYTES];
  guint8 nonce[MOSS_NONCE_MAX];
  guint sign_suite = 0;
  gsize length, start;
  gboolean ok;

  if (tree->config.callbacks.sign == NULL || !body_key (tree, root, suite, key, error))
    return NULL;
  write_clear (out, root, suite, nonce_bytes + plain->len + MOSS_TAG_BYTES);
  moss_crypto_random (nonce, sizeof nonce);
  start = out->len + nonce_bytes;
  moss_put_bytes (out, nonce, nonce_bytes);
  g_byte_array_set_size (out, start + plain->len + MOSS_TAG_BYTES);
  ok = moss_suite_seal (suite, key, nonce, out->data, CLEAR, plain->data, plain->len,
                        out->data + start, error);
  moss_crypto_wipe (key, sizeof key);
  if (!ok)
    return NULL;
  signature = tree->config.callbacks.sign (out->data, out->len, &sign_suite,
                                           tree->config.user_data);
  if (signature == NULL || g_bytes_get_size (signature) > SIGNATURE_MAX)
    return NULL;
  length = g_bytes_get_size (signature);
  moss_put_number (out, sign_suite, 1);
  moss_put_number (out, length, 2);
  moss_put_bytes (out, g_bytes_get_data (signature, NULL), length);
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

/* --- reading --- */

typedef struct
{
  guint suite;
  guint32 sealed_length;
  gsize message_length; /* what is signed */
  guint sign_suite;
  const guint8 *signature;
  gsize signature_length;
} Parts;

static gboolean
corrupt (const char *reason, GError **error)
{
  g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT, "a root is not one: %s",
               reason);
  return FALSE;
}

static gboolean
split (GBytes *record, MossTreeRoot *root, Parts *parts, GError **error)
{
  gsize length;
  const guint8 *bytes = g_bytes_get_data (record, &length);
  MossReader reader = moss_reader (bytes, length);
  const guint8 *head = moss_read_bytes (&reader, 4);

  memset (root, 0, sizeof *root);
  if (length > MOSS_TREE_RECORD_MAX || length < CLEAR || memcmp (head, magic, 4) != 0)
    return corrupt ("it has no head", error);
  parts->suite = moss_read_number (&reader, 1);
  if (moss_read_number (&reader, 1) != 0)
    return corrupt ("it is of a newer form", error);
  root->slot = moss_read_number (&reader, 2);
  root->generation = moss_read_number (&reader, 4);
  root->number = moss_read_number (&reader, 8);
  root->time_us = moss_read_number (&reader, 8);
  moss_read_into (&reader, root->tree_id, 32);
  moss_read_into (&reader, root->device, 32);
  moss_read_into (&reader, root->previous, 32);
  parts->sealed_length = moss_read_number (&reader, 4);
  moss_read_bytes (&reader, parts->sealed_length);
  parts->message_length = reader.at - bytes;
  parts->sign_suite = moss_read_number (&reader, 1);
  parts->signature_length = moss_read_number (&reader, 2);
  parts->signature = moss_read_bytes (&reader, parts->signature_length);
  if (!moss_read_end (&reader) || parts->signature_length == 0 ||
      parts->signature_length > SIGNATURE_MAX)
    return corrupt ("its length is wrong", error);
  if (!moss_suite_known (parts->suite, NULL))
    return corrupt ("it names an unknown suite", error);
  if (parts->sealed_length < moss_suite_nonce_bytes (parts->suite) + MOSS_TAG_BYTES)
    return corrupt ("nothing is sealed in it", error);
  if (root->slot == 0 || root->number == 0 || root->number > NUMBER_MAX ||
      root->time_us < 0 || root->generation == 0)
    return corrupt ("its numbers make no sense", error);
  return moss_suite_hash (parts->suite, bytes, length, root->id, error);
}

gboolean
moss_tree_root_parse (GBytes *record, MossTreeRoot *root, GError **error)
{
  Parts parts;

  return split (record, root, &parts, error);
}

gboolean
moss_tree_root_verify (MossTree *tree, GBytes *record, MossTreeRoot *root, GError **error)
{
  g_autoptr (GBytes) signature = NULL;
  Parts parts;

  if (!split (record, root, &parts, error))
    return FALSE;
  if (memcmp (root->tree_id, tree->config.tree_id, MOSS_TREE_ID_BYTES) != 0)
    {
      g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_FORGED,
                   "the root is of another identity's tree");
      return FALSE;
    }
  signature = g_bytes_new (parts.signature, parts.signature_length);
  if (tree->config.callbacks.verify != NULL &&
      tree->config.callbacks.verify (root, parts.sign_suite, g_bytes_get_data (record, NULL),
                                     parts.message_length, signature,
                                     tree->config.user_data))
    return TRUE;
  g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_FORGED,
               "the root isn't signed by a living device of this identity");
  return FALSE;
}

static gboolean
read_body (const guint8 *bytes, gsize length, MossRootBody *body)
{
  MossReader reader = moss_reader (bytes, length);
  guint count;
  guint last = 0;

  moss_read_into (&reader, &body->table, sizeof body->table);
  count = moss_read_number (&reader, 2);
  body->seen = g_array_new (FALSE, FALSE, sizeof (Seen));
  for (guint i = 0; i < count && !reader.bad; i++)
    {
      Seen one;

      one.slot = moss_read_number (&reader, 2);
      one.number = moss_read_number (&reader, 8);
      if (one.slot <= last || one.number > NUMBER_MAX)
        return FALSE;
      last = one.slot;
      g_array_append_val (body->seen, one);
    }
  return moss_read_end (&reader);
}

/* The sealed part of a record that was verified, or is our own. */
gboolean
root_open (MossTree *tree, GBytes *record, MossRootBody *body, GError **error)
{
  const guint8 *bytes = g_bytes_get_data (record, NULL);
  g_autofree guint8 *plain = NULL;
  guint8 key[MOSS_KEY_BYTES];
  gsize nonce_bytes, length;
  MossTreeRoot root;
  Parts parts;
  gboolean ok;

  memset (body, 0, sizeof *body);
  if (!split (record, &root, &parts, error) ||
      !body_key (tree, &root, parts.suite, key, error))
    return FALSE;
  nonce_bytes = moss_suite_nonce_bytes (parts.suite);
  length = parts.sealed_length - nonce_bytes - MOSS_TAG_BYTES;
  plain = g_malloc (length + 1);
  ok = moss_suite_open (parts.suite, key, bytes + CLEAR, bytes, CLEAR,
                        bytes + CLEAR + nonce_bytes, length + MOSS_TAG_BYTES, plain, NULL);
  moss_crypto_wipe (key, sizeof key);
  if (!ok)
    return corrupt ("its seal is broken or the key is another's", error);
  if (!read_body (plain, length, body))
    return corrupt ("what is sealed in it makes no sense", error);
  return TRUE;
}
