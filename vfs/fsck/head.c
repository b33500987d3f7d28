// SPDX-License-Identifier: GPL-3.0-or-later
/* The heads file and the signed roots that it holds. docs/formats/tree.md. */
#define G_LOG_DOMAIN "moss-fsck"

#include "vfs/fsck/fsck.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <unistd.h>

enum
{
  PLACE_BYTES = 256 * 1024,
  HEAD_CLEAR = 24,
  ROOT_CLEAR = 128,
  RECORD_MAX = 64 * 1024,
};

typedef struct
{
  guint8 *plain; /* owned, nullable: nothing whole is there */
  guint32 length;
  guint suite;
  guint64 sequence;
  guint8 local_key[32];
  const Signer *device;
} Head;

/* Whose head it is isn't written on it: it is the device whose key opens it. */
static gboolean
open_with (Check *check, const guint8 *bytes, guint32 generation, const Signer *device, Head *head)
{
  const guint8 *tree_key = keys_find (check, generation);
  gsize nonce = moss_suite_nonce_bytes (head->suite);
  guint8 message[64] = "moss tree local 1";

  if (tree_key == NULL)
    return FALSE;
  memcpy (message + 32, device->device, 32);
  if (!moss_suite_keyed_hash (head->suite, tree_key, message, sizeof message, head->local_key,
                              NULL))
    return FALSE;
  head->device = device;
  return moss_suite_open (head->suite, head->local_key, bytes + HEAD_CLEAR, bytes, HEAD_CLEAR,
                          bytes + HEAD_CLEAR + nonce, head->length + MOSS_TAG_BYTES,
                          head->plain, NULL);
}

/* FALSE: bytes are there and can't be opened. */
static gboolean
read_place (Check *check, int fd, guint which, Head *head)
{
  g_autofree guint8 *bytes = g_malloc (PLACE_BYTES);
  In in = in_new (bytes, PLACE_BYTES);
  guint32 generation;

  if (!read_at (fd, bytes, PLACE_BYTES, (guint64) which * PLACE_BYTES))
    return FALSE;
  if (is_zero (bytes, PLACE_BYTES))
    return TRUE;
  if (memcmp (in_bytes (&in, 4), "MTH1", 4) != 0)
    return FALSE;
  head->suite = in_number (&in, 1);
  in_bytes (&in, 3);
  generation = in_number (&in, 4);
  head->sequence = in_number (&in, 8);
  head->length = in_number (&in, 4);
  if (!moss_suite_known (head->suite, NULL) ||
      head->length > PLACE_BYTES - HEAD_CLEAR - MOSS_NONCE_MAX - MOSS_TAG_BYTES)
    return FALSE;
  head->plain = g_malloc (head->length + 1);
  for (guint i = 0; i < check->signers->len; i++)
    if (open_with (check, bytes, generation, &g_array_index (check->signers, Signer, i), head))
      return TRUE;
  g_clear_pointer (&head->plain, g_free);
  return FALSE;
}

/* --- roots --- */

typedef struct
{
  guint suite, slot, sign_suite;
  guint32 generation;
  guint64 number;
  const guint8 *tree_id, *device;
  const guint8 *sealed;
  guint32 sealed_length;
  gsize message_length;
  const guint8 *signature;
  gsize signature_length;
} Root;

static gboolean
parse_root (const guint8 *bytes, gsize length, Root *root)
{
  In in = in_new (bytes, length);

  if (length > RECORD_MAX || length < ROOT_CLEAR || memcmp (in_bytes (&in, 4), "MTR1", 4) != 0)
    return FALSE;
  root->suite = in_number (&in, 1);
  if (in_number (&in, 1) != 0)
    return FALSE;
  root->slot = in_number (&in, 2);
  root->generation = in_number (&in, 4);
  root->number = in_number (&in, 8);
  in_number (&in, 8);
  root->tree_id = in_bytes (&in, 32);
  root->device = in_bytes (&in, 32);
  in_bytes (&in, 32);
  root->sealed_length = in_number (&in, 4);
  root->sealed = in_bytes (&in, root->sealed_length);
  root->message_length = in.at - bytes;
  root->sign_suite = in_number (&in, 1);
  root->signature_length = in_number (&in, 2);
  root->signature = in_bytes (&in, root->signature_length);
  return in_end (&in) && moss_suite_known (root->suite, NULL) && root->signature_length > 0 &&
         root->number > 0 && root->number < G_GUINT64_CONSTANT (1) << 48 &&
         root->sealed_length >= moss_suite_nonce_bytes (root->suite) + MOSS_TAG_BYTES + 66;
}

static const char *
verify_root (Check *check, const guint8 *bytes, const Root *root)
{
  for (guint i = 0; i < check->signers->len; i++)
    {
      const Signer *signer = &g_array_index (check->signers, Signer, i);
      g_autoptr (GBytes) signature = NULL;

      if (memcmp (signer->device, root->device, 32) != 0)
        continue;
      if (signer->public_key == NULL)
        return NULL;
      signature = g_bytes_new (root->signature, root->signature_length);
      if (signer->slot == root->slot && signer->suite == root->sign_suite &&
          moss_verify_domain (signer->suite, signer->public_key, "moss-root-1", bytes,
                              root->message_length, signature, NULL))
        return NULL;
      return "its signature isn't the device's";
    }
  return "no device of the identity signed it";
}

/* The table's ref is copied to @table. */
static const char *
open_root (Check *check, const guint8 *bytes, const Root *root, guint8 *table)
{
  const guint8 *tree_key = keys_find (check, root->generation);
  gsize nonce = moss_suite_nonce_bytes (root->suite);
  g_autofree guint8 *plain = g_malloc (root->sealed_length);
  guint8 message[64] = "moss root body 1";
  guint64 number = GUINT64_TO_LE (root->number);
  guint8 key[32];

  if (tree_key == NULL)
    return "the key of its generation isn't here";
  memcpy (message + 16, root->device, 32);
  memcpy (message + 48, &number, 8);
  if (!moss_suite_keyed_hash (root->suite, tree_key, message, sizeof message, key, NULL) ||
      !moss_suite_open (root->suite, key, root->sealed, bytes, ROOT_CLEAR, root->sealed + nonce,
                        root->sealed_length - nonce, plain, NULL))
    return "its seal is broken";
  memcpy (table, plain, REF_BYTES);
  return NULL;
}

static void
check_record (Check *check,
              const guint8 *device,
              const guint8 *bytes,
              gsize length,
              const guint8 *current)
{
  g_autofree char *name = id_text (device);
  g_autofree char *object = g_strconcat ("heads: the root of device ", name, NULL);
  guint8 table[REF_BYTES];
  const char *reason = NULL;
  Root root;

  check->records++;
  if (!parse_root (bytes, length, &root))
    reason = "it is not one";
  else if (memcmp (root.tree_id, check->tree_id, 32) != 0)
    reason = "it is of another tree";
  else if (memcmp (root.device, device, 32) != 0)
    reason = "it is another device's";
  else
    reason = verify_root (check, bytes, &root);
  if (reason == NULL)
    reason = open_root (check, bytes, &root, table);
  if (reason == NULL && memcmp (device, current, 32) == 0 &&
      memcmp (table, check->table, REF_BYTES) != 0)
    reason = "it names another table than the head does";
  if (reason != NULL)
    finding (check, object, reason, "it comes anew with that device's next root");
}

/* --- the head --- */

static gboolean
parse_head (Check *check, const Head *head)
{
  In in = in_new (head->plain, head->length);
  const guint8 *refs = in_bytes (&in, 2 * REF_BYTES);
  const guint8 *current, *bytes;
  guint count;

  in_number (&in, 8);
  in_bytes (&in, 32);
  current = in_bytes (&in, 32);
  in_number (&in, 8);
  check->epoch = in_number (&in, 8);
  check->skip = in_number (&in, 4);
  in_number (&in, 8);
  count = in_number (&in, 2);
  in_bytes (&in, count * 10);
  count = in_number (&in, 2);
  if (in.bad)
    return FALSE;
  memcpy (check->table, refs, REF_BYTES);
  memcpy (check->orphans, refs + REF_BYTES, REF_BYTES);
  for (guint i = 0; i < count; i++)
    {
      const guint8 *device = in_bytes (&in, 32);
      guint32 length = in_number (&in, 4);

      bytes = in_bytes (&in, length);
      if (bytes == NULL)
        return FALSE;
      check_record (check, device, bytes, length, current);
    }
  return in_end (&in);
}

/* Nothing is committed yet, or the first head was cut off as it was written (place 1): all there is
 * stands in the journal, whose key can't be told from here. */
static gboolean
is_new (const Head heads[2], const gboolean whole[2])
{
  return whole[0] && heads[0].plain == NULL && heads[1].plain == NULL &&
         (whole[1] || heads[1].sequence == 1);
}

/* FALSE: without a head there is nothing to begin with. */
gboolean
head_check (Check *check, GError **error)
{
  g_autofree char *path = g_build_filename (check->tree_dir, "heads", NULL);
  Head heads[2] = { { 0 }, { 0 } };
  const Head *newest;
  gboolean whole[2];
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  gboolean ok = FALSE;

  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s can't be opened", path);
      return FALSE;
    }
  for (guint i = 0; i < 2; i++)
    whole[i] = read_place (check, fd, i, &heads[i]);
  close (fd);
  if (is_new (heads, whole))
    return TRUE;
  for (guint i = 0; i < 2; i++)
    if (!whole[i])
      {
        g_autofree char *object = g_strdup_printf ("%s, place %u", path, i);

        finding (check, object, "it is damaged, or its key isn't here",
                 "the other place is used; two commits write it anew");
      }
  newest = heads[1].plain != NULL &&
                   (heads[0].plain == NULL || heads[1].sequence > heads[0].sequence)
               ? &heads[1]
               : &heads[0];
  if (newest->plain != NULL)
    {
      check->suite = newest->suite;
      memcpy (check->local_key, newest->local_key, 32);
      ok = parse_head (check, newest);
      if (!ok)
        finding (check, path, "what is sealed in it makes no sense",
                 "join this device anew; hosts and other devices have the tree");
    }
  else
    finding (check, path, "no head is whole",
             "join this device anew; hosts and other devices have the tree");
  g_free (heads[0].plain);
  g_free (heads[1].plain);
  return ok;
}
