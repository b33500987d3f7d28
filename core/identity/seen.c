// SPDX-License-Identifier: LGPL-2.1-or-later
/* A chain that is older than one that was seen before, or contradicts it, is a good chain by
 * itself; only memory finds it out. So what is seen is written down, durable, before anybody
 * acts on it (the mistakes of CVE-2022-29173 and CVE-2025-2888 were to do it later, or not).
 *
 * The file: GVariant, normal form, little-endian, a(ayuay): identity, seq, head. */
#define G_LOG_DOMAIN "moss-identity"

#include "core/identity/seen.h"

#include "core/fault.h"

#include <string.h>

#define SEEN_FORMAT "a(ayuay)"

enum
{
  SEEN_MAX = 4096,
  FILE_MAX = 1024 * 1024,
};

typedef struct
{
  guint8 id[MOSS_HASH_BYTES];
  guint32 seq;
  guint8 head[MOSS_HASH_BYTES];
} Entry;

struct _MossSeen
{
  char *path;
  GArray *entries;
};

static gboolean
copy_hash (GVariant *child, gsize index, guint8 *hash)
{
  g_autoptr (GVariant) bytes = g_variant_get_child_value (child, index);
  gsize length;
  gconstpointer data = g_variant_get_fixed_array (bytes, &length, 1);

  if (length != MOSS_HASH_BYTES)
    return FALSE;
  memcpy (hash, data, length);
  return TRUE;
}

static gboolean
read_entries (MossSeen *seen, GBytes *bytes)
{
  g_autoptr (GVariant) list = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (SEEN_FORMAT), bytes, FALSE));
  gsize count;

  if (!g_variant_is_normal_form (list))
    return FALSE;
  count = g_variant_n_children (list);
  for (gsize i = 0; i < count && i < SEEN_MAX; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (list, i);
      Entry entry;

      g_variant_get_child (child, 1, "u", &entry.seq);
      entry.seq = GUINT32_FROM_LE (entry.seq);
      if (!copy_hash (child, 0, entry.id) || !copy_hash (child, 2, entry.head))
        return FALSE;
      g_array_append_val (seen->entries, entry);
    }
  return count <= SEEN_MAX;
}

/**
 * moss_seen_open:
 * @path: the file; it need not be there
 *
 * Fails when it is damaged: then nobody knows what was seen, and a person must.
 *
 * Returns: (transfer full)
 */
MossSeen *
moss_seen_open (const char *path, GError **error)
{
  g_autoptr (MossSeen) seen = g_new0 (MossSeen, 1);
  g_autoptr (GError) local = NULL;
  g_autoptr (GBytes) bytes = NULL;
  char *text = NULL;
  gsize length = 0;

  seen->path = g_strdup (path);
  seen->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  if (!g_file_get_contents (path, &text, &length, &local))
    {
      if (g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return g_steal_pointer (&seen);
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
  bytes = g_bytes_new_take (text, length);
  if (length <= FILE_MAX && read_entries (seen, bytes))
    return g_steal_pointer (&seen);
  g_set_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_CORRUPT,
               "%s, where the newest state of each identity is noted, is damaged", path);
  return NULL;
}

void
moss_seen_free (MossSeen *seen)
{
  g_array_unref (seen->entries);
  g_free (seen->path);
  g_free (seen);
}

static Entry *
find (MossSeen *seen, const guint8 *id)
{
  for (guint i = 0; i < seen->entries->len; i++)
    {
      Entry *entry = &g_array_index (seen->entries, Entry, i);

      if (memcmp (entry->id, id, MOSS_HASH_BYTES) == 0)
        return entry;
    }
  return NULL;
}

static gboolean
save (MossSeen *seen, GError **error)
{
  GVariantBuilder builder;
  g_autoptr (GVariant) list = NULL;

  g_variant_builder_init (&builder, G_VARIANT_TYPE (SEEN_FORMAT));
  for (guint i = 0; i < seen->entries->len; i++)
    {
      const Entry *entry = &g_array_index (seen->entries, Entry, i);

      g_variant_builder_add (
          &builder, "(@ayu@ay)",
          g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, entry->id, MOSS_HASH_BYTES, 1),
          GUINT32_TO_LE (entry->seq),
          g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, entry->head, MOSS_HASH_BYTES, 1));
    }
  list = g_variant_ref_sink (g_variant_builder_end (&builder));
  return moss_fault_error ("seen-save", error) &&
         g_file_set_contents_full (seen->path, g_variant_get_data (list),
                                   g_variant_get_size (list),
                                   G_FILE_SET_CONTENTS_CONSISTENT |
                                       G_FILE_SET_CONTENTS_DURABLE,
                                   0600, error);
}

/**
 * moss_seen_check:
 *
 * Whether @chain goes on from what was seen. Fails with %MOSS_CHAIN_ERROR_OLD for one that was
 * cut back, with %MOSS_CHAIN_ERROR_FORKED for one that contradicts it. Writes nothing.
 */
gboolean
moss_seen_check (MossSeen *seen, MossChain *chain, GError **error)
{
  const Entry *entry = find (seen, moss_chain_get_id (chain));
  const guint8 *hash;

  if (entry == NULL)
    return TRUE;
  hash = moss_chain_get_hash_at (chain, entry->seq);
  if (hash == NULL)
    g_set_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_OLD,
                 "the identity of %s ends at statement %u, but %u was seen here before: "
                 "somebody holds the newer ones back",
                 moss_chain_get_name (chain), moss_chain_get_seq (chain), entry->seq);
  else if (memcmp (hash, entry->head, MOSS_HASH_BYTES) != 0)
    g_set_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_FORKED,
                 "the identity of %s was changed in two ways at once: statement %u is not the "
                 "one that was seen here",
                 moss_chain_get_name (chain), entry->seq);
  else
    return TRUE;
  return FALSE;
}

/* Notes @chain up to @seq, durable, whatever was there. */
static gboolean
note (MossSeen *seen, MossChain *chain, guint32 seq, GError **error)
{
  Entry *entry = find (seen, moss_chain_get_id (chain));
  gboolean fresh = entry == NULL;
  Entry before;

  if (fresh)
    {
      if (seen->entries->len >= SEEN_MAX)
        {
          g_set_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_FULL,
                       "too many identities have been seen here");
          return FALSE;
        }
      g_array_set_size (seen->entries, seen->entries->len + 1);
      entry = &g_array_index (seen->entries, Entry, seen->entries->len - 1);
      memset (entry, 0, sizeof *entry);
      memcpy (entry->id, moss_chain_get_id (chain), MOSS_HASH_BYTES);
    }
  before = *entry;
  entry->seq = seq;
  memcpy (entry->head, moss_chain_get_hash_at (chain, seq), MOSS_HASH_BYTES);
  if (save (seen, error))
    return TRUE;
  *entry = before;
  if (fresh)
    g_array_set_size (seen->entries, seen->entries->len - 1);
  return FALSE;
}

/**
 * moss_seen_take:
 *
 * Checks @chain, and notes it, durable. Only when this has succeeded may anything be done that
 * @chain says.
 */
gboolean
moss_seen_take (MossSeen *seen, MossChain *chain, GError **error)
{
  const Entry *entry;

  if (!moss_seen_check (seen, chain, error))
    return FALSE;
  entry = find (seen, moss_chain_get_id (chain));
  if (entry != NULL && entry->seq == moss_chain_get_seq (chain))
    return TRUE;
  return note (seen, chain, moss_chain_get_seq (chain), error);
}

/**
 * moss_seen_replace:
 *
 * Notes @chain though it contradicts what was seen: a person has decided so.
 */
gboolean
moss_seen_replace (MossSeen *seen, MossChain *chain, GError **error)
{
  return note (seen, chain, moss_chain_get_seq (chain), error);
}

/**
 * moss_seen_leave:
 * @slot: the device's, which leaves
 *
 * What it said last, and nobody else after it, may have reached no one, and then the others' chain
 * goes on without it: a device that was revoked doesn't hear of that. Only what others have built
 * on, or said, is remembered, so that it can be paired again.
 */
gboolean
moss_seen_leave (MossSeen *seen, MossChain *chain, guint16 slot, GError **error)
{
  guint32 seq = moss_chain_get_seq (chain);

  for (; seq > 0; seq--)
    {
      g_auto (MossStatement) statement = { 0 };

      if (!moss_chain_describe (chain, seq, &statement) || statement.signer != slot)
        break;
    }
  return note (seen, chain, seq, error);
}
