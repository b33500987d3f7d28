// SPDX-License-Identifier: GPL-3.0-or-later
/* The head: which table was committed last, and from where the journal is to be replayed on it.
 * Two places in one file take turns, each sealed, so that one of them is always whole. The write
 * is what makes a commit one. docs/formats/tree.md has the bytes. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "core/fault.h"
#include "vfs/tree/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum
{
  PLACE = 256 * 1024,
  CLEAR = 4 + 1 + 3 + 4 + 8 + 4,
  RECORDS_MAX = 1024,
};

static const char magic[4] = { 'M', 'T', 'H', '1' };

Head *
head_new (void)
{
  Head *head = g_new0 (Head, 1);

  head->seen = g_array_new (FALSE, FALSE, sizeof (Seen));
  head->records = g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free,
                                         (GDestroyNotify) g_bytes_unref);
  return head;
}

void
head_free (Head *head)
{
  g_array_unref (head->seen);
  g_hash_table_unref (head->records);
  g_free (head);
}

static gboolean
fail (MossTree *tree, const char *what, int number, GError **error)
{
  g_set_error (error, MOSS_TREE_ERROR,
               number == ENOSPC || number == EDQUOT ? MOSS_TREE_ERROR_NO_SPACE
                                                    : MOSS_TREE_ERROR_FAILED,
               "the head of the tree in %s can't be %s: %s", tree->dir, what,
               g_strerror (number));
  return FALSE;
}

/* Journal and heads never leave this device: a key of their own, from the tree's. */
static gboolean
derive_local_key (MossTree *tree, guint32 generation, GError **error)
{
  guint8 message[64] = "moss tree local 1";
  guint8 tree_key[MOSS_KEY_BYTES];
  gboolean ok;

  if (!tree->config.callbacks.key (generation, tree_key, tree->config.user_data))
    {
      g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_LOCKED,
                   "the key of generation %u isn't here", generation);
      return FALSE;
    }
  memcpy (message + 32, tree->config.device, 32);
  ok = moss_suite_keyed_hash (tree->config.suite, tree_key, message, sizeof message,
                              tree->local_key, error);
  moss_crypto_wipe (tree_key, sizeof tree_key);
  tree->head_generation = generation;
  return ok;
}

static GByteArray *
encode (const Head *head)
{
  GByteArray *out = g_byte_array_new ();
  GHashTableIter iter;
  gpointer device, record;

  moss_put_bytes (out, &head->table, sizeof head->table);
  moss_put_bytes (out, &head->orphans, sizeof head->orphans);
  moss_put_number (out, head->number, 8);
  moss_put_bytes (out, head->last_id, sizeof head->last_id);
  moss_put_bytes (out, head->current, sizeof head->current);
  moss_put_number (out, head->time_us, 8);
  moss_put_number (out, head->epoch, 8);
  moss_put_number (out, head->skip, 4);
  moss_put_number (out, head->next_ino, 8);
  moss_put_number (out, head->seen->len, 2);
  for (guint i = 0; i < head->seen->len; i++)
    {
      moss_put_number (out, g_array_index (head->seen, Seen, i).slot, 2);
      moss_put_number (out, g_array_index (head->seen, Seen, i).number, 8);
    }
  moss_put_number (out, g_hash_table_size (head->records), 2);
  g_hash_table_iter_init (&iter, head->records);
  while (g_hash_table_iter_next (&iter, &device, &record))
    {
      moss_put_bytes (out, device, 32);
      moss_put_number (out, g_bytes_get_size (record), 4);
      moss_put_bytes (out, g_bytes_get_data (record, NULL), g_bytes_get_size (record));
    }
  return out;
}

static Head *
decode (const guint8 *bytes, gsize length)
{
  MossReader reader = moss_reader (bytes, length);
  g_autoptr (Head) head = head_new ();
  guint count;

  moss_read_into (&reader, &head->table, sizeof head->table);
  moss_read_into (&reader, &head->orphans, sizeof head->orphans);
  head->number = moss_read_number (&reader, 8);
  moss_read_into (&reader, head->last_id, sizeof head->last_id);
  moss_read_into (&reader, head->current, sizeof head->current);
  head->time_us = moss_read_number (&reader, 8);
  head->epoch = moss_read_number (&reader, 8);
  head->skip = moss_read_number (&reader, 4);
  head->next_ino = moss_read_number (&reader, 8);
  count = moss_read_number (&reader, 2);
  for (guint i = 0; i < count && !reader.bad; i++)
    {
      Seen one;

      one.slot = moss_read_number (&reader, 2);
      one.number = moss_read_number (&reader, 8);
      g_array_append_val (head->seen, one);
    }
  count = moss_read_number (&reader, 2);
  for (guint i = 0; i < count && !reader.bad; i++)
    {
      const guint8 *device = moss_read_bytes (&reader, 32);
      guint32 size = moss_read_number (&reader, 4);
      const guint8 *record = moss_read_bytes (&reader, size);

      if (record != NULL)
        g_hash_table_replace (head->records, g_memdup2 (device, 32),
                              g_bytes_new (record, size));
    }
  return moss_read_end (&reader) ? g_steal_pointer (&head) : NULL;
}

/* Durable when it returns. */
gboolean
head_write (MossTree *tree, const Head *head, GError **error)
{
  guint suite = tree->config.suite;
  gsize nonce_bytes = moss_suite_nonce_bytes (suite);
  g_autoptr (GByteArray) plain = encode (head);
  g_autoptr (GByteArray) out = g_byte_array_new ();
  guint8 nonce[MOSS_NONCE_MAX];
  guint64 sequence = tree->head_sequence + 1;

  if (CLEAR + nonce_bytes + plain->len + MOSS_TAG_BYTES > PLACE)
    return fail (tree, "written", EFBIG, error);
  moss_put_bytes (out, magic, 4);
  moss_put_number (out, suite, 1);
  moss_put_number (out, 0, 3);
  moss_put_number (out, tree->head_generation, 4);
  moss_put_number (out, sequence, 8);
  moss_put_number (out, plain->len, 4);
  moss_crypto_random (nonce, sizeof nonce);
  moss_put_bytes (out, nonce, nonce_bytes);
  g_byte_array_set_size (out, CLEAR + nonce_bytes + plain->len + MOSS_TAG_BYTES);
  if (!moss_suite_seal (suite, tree->local_key, nonce, out->data, CLEAR, plain->data,
                        plain->len, out->data + CLEAR + nonce_bytes, error))
    return FALSE;
  if (moss_fault ("tree-head"))
    return fail (tree, "written", ENOSPC, error);
  if (pwrite (tree->heads_fd, out->data, out->len, (sequence % 2) * PLACE) !=
          (gssize) out->len ||
      fdatasync (tree->heads_fd) < 0)
    return fail (tree, "written", errno, error);
  (void) moss_fault ("tree-head-written");
  tree->head_sequence = sequence;
  return TRUE;
}

/* NULL: nothing whole is there. */
static Head *
read_place (MossTree *tree, guint which, guint64 *sequence, guint32 *generation)
{
  g_autofree guint8 *bytes = g_malloc (PLACE);
  g_autofree guint8 *plain = NULL;
  gssize got = pread (tree->heads_fd, bytes, PLACE, which * PLACE);
  MossReader reader = moss_reader (bytes, MAX (got, 0));
  guint suite = tree->config.suite;
  gsize nonce_bytes = moss_suite_nonce_bytes (suite);
  guint32 length;
  const guint8 *head = moss_read_bytes (&reader, 8);

  if (head == NULL || memcmp (head, magic, 4) != 0 || head[4] != suite)
    return NULL;
  *generation = moss_read_number (&reader, 4);
  *sequence = moss_read_number (&reader, 8);
  length = moss_read_number (&reader, 4);
  if (reader.bad || length > PLACE - CLEAR - nonce_bytes - MOSS_TAG_BYTES ||
      (gsize) got < CLEAR + nonce_bytes + length + MOSS_TAG_BYTES ||
      !derive_local_key (tree, *generation, NULL))
    return NULL;
  plain = g_malloc (length + 1);
  if (!moss_suite_open (suite, tree->local_key, bytes + CLEAR, bytes, CLEAR,
                        bytes + CLEAR + nonce_bytes, length + MOSS_TAG_BYTES, plain, NULL))
    return NULL;
  return decode (plain, length);
}

static gboolean
open_file (MossTree *tree, gboolean *empty, GError **error)
{
  g_autofree char *path = g_build_filename (tree->dir, "heads", NULL);
  g_autofree guint8 *zeros = g_malloc0 (2 * PLACE);

  tree->heads_fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (tree->heads_fd < 0)
    return fail (tree, "opened", errno, error);
  *empty = lseek (tree->heads_fd, 0, SEEK_END) < PLACE;
  /* Written once as a whole, so that later writes change data only. */
  if (*empty && (pwrite (tree->heads_fd, zeros, 2 * PLACE, 0) != 2 * PLACE ||
                 fsync (tree->heads_fd) < 0))
    return fail (tree, "made", errno, error);
  return TRUE;
}

/* Nothing was committed yet. The very first head may have been cut off while it was written: then
 * the other place is blank, and all is in the journal. */
static gboolean
is_new (MossTree *tree, const guint64 sequence[2], const guint32 generation[2])
{
  guint8 start[2][4];

  if (pread (tree->heads_fd, start[0], 4, 0) != 4 ||
      pread (tree->heads_fd, start[1], 4, PLACE) != 4 ||
      memcmp (start[0], "\0\0\0\0", 4) != 0)
    return FALSE;
  return memcmp (start[1], "\0\0\0\0", 4) == 0 ||
         (sequence[1] == 1 && derive_local_key (tree, generation[1], NULL));
}

gboolean
head_read (MossTree *tree, Head **head, GError **error)
{
  guint64 sequence[2] = { 0, 0 };
  guint32 generation[2] = { 0, 0 };
  Head *found[2];
  gboolean empty;
  guint newer;

  *head = NULL;
  if (!open_file (tree, &empty, error))
    return FALSE;
  found[0] = read_place (tree, 0, &sequence[0], &generation[0]);
  found[1] = read_place (tree, 1, &sequence[1], &generation[1]);
  if (found[0] == NULL && found[1] == NULL)
    {
      if (is_new (tree, sequence, generation))
        return derive_local_key (tree, tree->config.generation, error);
      g_set_error (error, MOSS_TREE_ERROR,
                   MOSS_TREE_ERROR_CORRUPT,
                   "the head of the tree in %s is damaged, or its key isn't here",
                   tree->dir);
      return FALSE;
    }
  newer = found[1] != NULL && (found[0] == NULL || sequence[1] > sequence[0]);
  *head = found[newer];
  tree->head_sequence = sequence[newer];
  g_clear_pointer (&found[!newer], head_free);
  return derive_local_key (tree, generation[newer], error);
}
