// SPDX-License-Identifier: LGPL-2.1-or-later
/* Verifying a chain.
 *
 * Policy: a statement holds if it names the hash of the one before it and the next number, if
 * a device signed it that was alive and had full scope at that place, and if what it says is
 * possible there. The bytes are kept as they came. A chain with one bad statement is refused
 * as a whole: nobody acts on its good part. What a revoked device signs afterwards is refused
 * with a code of its own. Whether a chain is the newest can't be seen in it: core/identity/
 * seen.c remembers what this device has seen. */
#define G_LOG_DOMAIN "moss-identity"

#include "core/identity/chain.h"

#include <string.h>

enum
{
  FIRST_SLOT = 1,
};

typedef struct
{
  MossDeviceRecord *record;
  guint32 added_seq;
  gboolean revoked;
  guint32 as_of;
  guint32 revoked_seq;
  guint32 generation;
  guint8 box[MOSS_BOX_BYTES];
} Device;

typedef struct
{
  guint8 commitment[MOSS_HASH_BYTES];
  guint8 sealed_previous[MOSS_SEALED_PREVIOUS_BYTES];
} Rotation;

typedef struct
{
  guint8 hash[MOSS_HASH_BYTES];
  gsize offset;
} Link;

struct _MossChain
{
  gatomicrefcount refs;
  GBytes *bytes;
  guint suite; /* of the first statement: its hash makes the id and the links */
  guint8 id[MOSS_HASH_BYTES];
  char *id_text;
  char *name;
  GStrv hosts;
  GArray *links;     /* Link, one a statement */
  GArray *devices;   /* Device; slot 1 is the first */
  GArray *rotations; /* Rotation; generation 1 is the first */
};

static gboolean
refuse (GError **error, MossChainError code, guint32 seq, const char *reason)
{
  g_set_error (error, MOSS_CHAIN_ERROR, code, "statement %u of the identity is refused: %s",
               seq, reason);
  return FALSE;
}

static void
clear_device (gpointer data)
{
  Device *device = data;

  g_clear_pointer (&device->record, moss_device_record_free);
}

static MossChain *
chain_new (void)
{
  static const char *const none[] = { NULL };
  MossChain *chain = g_new0 (MossChain, 1);

  g_atomic_ref_count_init (&chain->refs);
  chain->hosts = g_strdupv ((GStrv) none);
  chain->links = g_array_new (FALSE, FALSE, sizeof (Link));
  chain->devices = g_array_new (FALSE, TRUE, sizeof (Device));
  g_array_set_clear_func (chain->devices, clear_device);
  chain->rotations = g_array_new (FALSE, FALSE, sizeof (Rotation));
  return chain;
}

static MossChain *
chain_copy (MossChain *chain)
{
  MossChain *copy = chain_new ();

  copy->suite = chain->suite;
  memcpy (copy->id, chain->id, sizeof copy->id);
  copy->id_text = g_strdup (chain->id_text);
  copy->name = g_strdup (chain->name);
  g_strfreev (copy->hosts);
  copy->hosts = g_strdupv (chain->hosts);
  g_array_append_vals (copy->links, chain->links->data, chain->links->len);
  g_array_append_vals (copy->rotations, chain->rotations->data, chain->rotations->len);
  g_array_append_vals (copy->devices, chain->devices->data, chain->devices->len);
  for (guint i = 0; i < copy->devices->len; i++)
    {
      Device *device = &g_array_index (copy->devices, Device, i);

      device->record = moss_device_record_copy (device->record);
    }
  return copy;
}

MossChain *
moss_chain_ref (MossChain *chain)
{
  g_atomic_ref_count_inc (&chain->refs);
  return chain;
}

void
moss_chain_unref (MossChain *chain)
{
  if (!g_atomic_ref_count_dec (&chain->refs))
    return;
  g_clear_pointer (&chain->bytes, g_bytes_unref);
  g_array_unref (chain->links);
  g_array_unref (chain->devices);
  g_array_unref (chain->rotations);
  g_strfreev (chain->hosts);
  g_free (chain->id_text);
  g_free (chain->name);
  g_free (chain);
}

static Device *
find_slot (MossChain *chain, guint slot)
{
  if (slot < FIRST_SLOT || slot >= FIRST_SLOT + chain->devices->len)
    return NULL;
  return &g_array_index (chain->devices, Device, slot - FIRST_SLOT);
}

/* --- what a statement may say, and what it changes --- */

static gboolean
is_taken (MossChain *chain, const MossDeviceRecord *record)
{
  for (guint i = 0; i < chain->devices->len; i++)
    {
      const Device *device = &g_array_index (chain->devices, Device, i);

      if (!device->revoked &&
          (memcmp (device->record->fingerprint, record->fingerprint, MOSS_HASH_BYTES) == 0 ||
           g_bytes_equal (device->record->signing_key, record->signing_key)))
        return TRUE;
    }
  return FALSE;
}

static void
add_device (MossChain *chain, MossStatement *statement)
{
  Device device = { 0 };

  device.record = g_steal_pointer (&statement->device);
  device.added_seq = statement->seq;
  g_array_append_val (chain->devices, device);
}

static gboolean
apply_add (MossChain *chain, MossStatement *statement, GError **error)
{
  g_autoptr (GBytes) record = NULL;
  g_autoptr (GBytes) message = NULL;

  if (chain->devices->len >= MOSS_CHAIN_MAX_DEVICES)
    return refuse (error, MOSS_CHAIN_ERROR_FULL, statement->seq, "too many devices");
  if (statement->slot != FIRST_SLOT + chain->devices->len)
    return refuse (error, MOSS_CHAIN_ERROR_CORRUPT, statement->seq, "it skips a slot");
  if (is_taken (chain, statement->device))
    return refuse (error, MOSS_CHAIN_ERROR_FORGED, statement->seq,
                   "the device is in it already");
  record = moss_device_record_encode (statement->device, error);
  if (record == NULL)
    return FALSE;
  message = moss_device_reverse_message (chain->id, record);
  if (!moss_verify_domain (statement->device->suite, statement->device->signing_key,
                           MOSS_DEVICE_DOMAIN, g_bytes_get_data (message, NULL),
                           g_bytes_get_size (message), statement->reverse, NULL))
    return refuse (error, MOSS_CHAIN_ERROR_FORGED, statement->seq,
                   "the new device didn't agree to it");
  add_device (chain, statement);
  return TRUE;
}

static gboolean
somebody_else_may_sign (MossChain *chain, const Device *leaving)
{
  for (guint i = 0; i < chain->devices->len; i++)
    {
      const Device *device = &g_array_index (chain->devices, Device, i);

      if (device != leaving && !device->revoked && device->record->scope == MOSS_SCOPE_FULL)
        return TRUE;
    }
  return FALSE;
}

static gboolean
apply_revoke (MossChain *chain, const MossStatement *statement, GError **error)
{
  Device *device = find_slot (chain, statement->slot);

  if (device == NULL || device->revoked || statement->as_of < device->added_seq ||
      statement->as_of >= statement->seq)
    return refuse (error, MOSS_CHAIN_ERROR_CORRUPT, statement->seq,
                   "there is no such device to revoke");
  if (!somebody_else_may_sign (chain, device))
    return refuse (error, MOSS_CHAIN_ERROR_CORRUPT, statement->seq,
                   "no device would be left that may change the identity");
  device->revoked = TRUE;
  device->as_of = statement->as_of;
  device->revoked_seq = statement->seq;
  return TRUE;
}

static gboolean
apply_rotate (MossChain *chain, const MossStatement *statement, GError **error)
{
  Rotation rotation;

  if (statement->generation != chain->rotations->len + 1)
    return refuse (error, MOSS_CHAIN_ERROR_CORRUPT, statement->seq,
                   "it skips a generation of the person's key");
  memcpy (rotation.commitment, statement->commitment, sizeof rotation.commitment);
  memcpy (rotation.sealed_previous, statement->sealed_previous,
          sizeof rotation.sealed_previous);
  g_array_append_val (chain->rotations, rotation);
  return TRUE;
}

static gboolean
apply_grant (MossChain *chain, const MossStatement *statement, GError **error)
{
  Device *device = find_slot (chain, statement->slot);

  if (device == NULL || device->revoked || statement->generation != chain->rotations->len ||
      statement->generation == 0 || device->generation == statement->generation)
    return refuse (error, MOSS_CHAIN_ERROR_CORRUPT, statement->seq,
                   "it gives a key to nobody who may have it");
  device->generation = statement->generation;
  memcpy (device->box, statement->box, sizeof device->box);
  return TRUE;
}

static gboolean
apply (MossChain *chain, MossStatement *statement, GError **error)
{
  switch (statement->type)
    {
    case MOSS_STATEMENT_ADD_DEVICE:
      return apply_add (chain, statement, error);
    case MOSS_STATEMENT_REVOKE:
      return apply_revoke (chain, statement, error);
    case MOSS_STATEMENT_ROTATE:
      return apply_rotate (chain, statement, error);
    case MOSS_STATEMENT_GRANT:
      return apply_grant (chain, statement, error);
    case MOSS_STATEMENT_HOSTS:
      g_strfreev (chain->hosts);
      chain->hosts = g_steal_pointer (&statement->hosts);
      return TRUE;
    case MOSS_STATEMENT_NAME:
      g_free (chain->name);
      chain->name = g_steal_pointer (&statement->name);
      return TRUE;
    default:
      return refuse (error, MOSS_CHAIN_ERROR_CORRUPT, statement->seq,
                     "an identity begins only once");
    }
}

/* --- one statement after the other --- */

static gboolean
check_signature (const MossStatement *statement,
                 GBytes *key,
                 const guint8 *bytes,
                 gsize length,
                 GError **error)
{
  gsize signature_length = moss_suite_signature_bytes (statement->suite);
  g_autoptr (GBytes) signature =
      g_bytes_new (bytes + length - signature_length, signature_length);

  return moss_verify_domain (statement->suite, key, MOSS_STATEMENT_DOMAIN, bytes,
                             length - signature_length, signature, NULL) ||
         refuse (error, MOSS_CHAIN_ERROR_FORGED, statement->seq,
                 "its signature doesn't fit");
}

/* The first statement: the device that it brings signs it. */
static gboolean
begin (MossChain *chain,
       MossStatement *statement,
       const guint8 *bytes,
       gsize length,
       GError **error)
{
  static const guint8 nothing[MOSS_HASH_BYTES];

  if (statement->type != MOSS_STATEMENT_CREATE || statement->seq != 0 ||
      statement->signer != FIRST_SLOT || statement->suite != statement->device->suite ||
      statement->device->scope != MOSS_SCOPE_FULL ||
      memcmp (statement->previous, nothing, sizeof nothing) != 0)
    return refuse (error, MOSS_CHAIN_ERROR_CORRUPT, 0, "no identity begins with it");
  if (!check_signature (statement, statement->device->signing_key, bytes, length, error) ||
      !moss_suite_hash (statement->suite, bytes, length, chain->id, error))
    return FALSE;
  chain->suite = statement->suite;
  chain->id_text = moss_identity_id_to_text (chain->id);
  chain->name = g_steal_pointer (&statement->name);
  add_device (chain, statement);
  return TRUE;
}

static gboolean
go_on (MossChain *chain,
       MossStatement *statement,
       const guint8 *bytes,
       gsize length,
       GError **error)
{
  Device *signer = find_slot (chain, statement->signer);
  guint32 seq = chain->links->len;

  if (statement->seq != seq ||
      memcmp (statement->previous, moss_chain_get_head (chain), MOSS_HASH_BYTES) != 0)
    return refuse (error, MOSS_CHAIN_ERROR_FORKED, seq, "it doesn't follow the one before");
  if (signer == NULL || statement->suite != signer->record->suite)
    return refuse (error, MOSS_CHAIN_ERROR_FORGED, seq, "nobody signed it");
  if (!check_signature (statement, signer->record->signing_key, bytes, length, error))
    return FALSE;
  if (signer->revoked)
    return refuse (error, MOSS_CHAIN_ERROR_REVOKED, seq,
                   "a device signed it after it was revoked");
  if (signer->record->scope != MOSS_SCOPE_FULL)
    return refuse (error, MOSS_CHAIN_ERROR_FORGED, seq,
                   "the device that signed it may not change the identity");
  return apply (chain, statement, error);
}

static gboolean
add_statement (MossChain *chain,
               const guint8 *bytes,
               gsize available,
               gsize offset,
               gsize *length,
               GError **error)
{
  g_auto (MossStatement) statement = { 0 };
  Link link = { .offset = offset };
  gboolean good;

  if (!moss_statement_decode (bytes, available, &statement, length, error))
    return FALSE;
  good = chain->links->len == 0 ? begin (chain, &statement, bytes, *length, error)
                                : go_on (chain, &statement, bytes, *length, error);
  if (!good || !moss_suite_hash (chain->suite, bytes, *length, link.hash, error))
    return FALSE;
  g_array_append_val (chain->links, link);
  return TRUE;
}

/* Adds all of @more, which stand at @offset of the whole. */
static gboolean
add_all (MossChain *chain, GBytes *more, gsize offset, GError **error)
{
  gsize left, length;
  const guint8 *at = g_bytes_get_data (more, &left);

  while (left > 0)
    {
      if (!add_statement (chain, at, left, offset, &length, error))
        return FALSE;
      at += length;
      left -= length;
      offset += length;
    }
  return TRUE;
}

static gboolean
check_size (gsize size, GError **error)
{
  if (size > 0 && size <= MOSS_CHAIN_MAX_BYTES)
    return TRUE;
  g_set_error (error, MOSS_CHAIN_ERROR,
               size == 0 ? MOSS_CHAIN_ERROR_CORRUPT : MOSS_CHAIN_ERROR_FULL,
               size == 0 ? "an identity without a statement is none"
                         : "the identity has grown too long");
  return FALSE;
}

/**
 * moss_chain_parse:
 * @bytes: all statements, one after the other, from wherever
 *
 * Errors: %MOSS_CHAIN_ERROR, or %MOSS_CRYPTO_ERROR_UNKNOWN_SUITE. Takes about 0.1 ms a
 * statement.
 *
 * Returns: (transfer full): the chain, if every statement of it holds
 */
MossChain *
moss_chain_parse (GBytes *bytes, GError **error)
{
  g_autoptr (MossChain) chain = chain_new ();

  if (!check_size (g_bytes_get_size (bytes), error) || !add_all (chain, bytes, 0, error))
    return NULL;
  chain->bytes = g_bytes_ref (bytes);
  return g_steal_pointer (&chain);
}

/**
 * moss_chain_append:
 * @statements: one or more that go on where @chain ends
 *
 * Returns: (transfer full): a new chain; all of @statements hold, or none is taken
 */
MossChain *
moss_chain_append (MossChain *chain, GBytes *statements, GError **error)
{
  g_autoptr (MossChain) longer = chain_copy (chain);
  gsize old_size = g_bytes_get_size (chain->bytes);
  GByteArray *whole;

  if (!check_size (old_size + g_bytes_get_size (statements), error) ||
      !add_all (longer, statements, old_size, error))
    return NULL;
  whole = g_byte_array_sized_new (old_size + g_bytes_get_size (statements));
  g_byte_array_append (whole, g_bytes_get_data (chain->bytes, NULL), old_size);
  g_byte_array_append (whole, g_bytes_get_data (statements, NULL),
                       g_bytes_get_size (statements));
  longer->bytes = g_byte_array_free_to_bytes (whole);
  return g_steal_pointer (&longer);
}

/* --- what it says --- */

/* Returns: (transfer none): as they came */
GBytes *
moss_chain_get_bytes (MossChain *chain)
{
  return chain->bytes;
}

/* Returns: %MOSS_HASH_BYTES bytes: the hash of the first statement */
const guint8 *
moss_chain_get_id (MossChain *chain)
{
  return chain->id;
}

/* Returns: "~" and 52 letters and digits */
const char *
moss_chain_get_id_text (MossChain *chain)
{
  return chain->id_text;
}

const char *
moss_chain_get_name (MossChain *chain)
{
  return chain->name;
}

/* Returns: the number of the last statement; the first has 0 */
guint32
moss_chain_get_seq (MossChain *chain)
{
  return chain->links->len - 1;
}

/* Returns: %MOSS_HASH_BYTES bytes: the hash of the last statement */
const guint8 *
moss_chain_get_head (MossChain *chain)
{
  return g_array_index (chain->links, Link, chain->links->len - 1).hash;
}

/* Returns: (nullable): %MOSS_HASH_BYTES bytes; %NULL behind the end */
const guint8 *
moss_chain_get_hash_at (MossChain *chain, guint32 seq)
{
  return seq < chain->links->len ? g_array_index (chain->links, Link, seq).hash : NULL;
}

/* Returns: (transfer none): ends with %NULL; empty where none was named */
const char *const *
moss_chain_get_hosts (MossChain *chain)
{
  return (const char *const *) chain->hosts;
}

guint
moss_chain_get_suite (MossChain *chain)
{
  return chain->suite;
}

/* Returns: with those that were revoked; slots are 1 to this */
guint
moss_chain_get_n_devices (MossChain *chain)
{
  return chain->devices->len;
}

/**
 * moss_chain_get_device:
 * @device: (out): valid as long as @chain
 *
 * Returns: %FALSE if there is no such slot
 */
gboolean
moss_chain_get_device (MossChain *chain, guint slot, MossChainDevice *device)
{
  const Device *found = find_slot (chain, slot);

  if (found == NULL)
    return FALSE;
  device->slot = slot;
  device->record = found->record;
  device->added_seq = found->added_seq;
  device->revoked = found->revoked;
  device->as_of = found->as_of;
  device->revoked_seq = found->revoked_seq;
  device->generation = found->generation;
  return TRUE;
}

/**
 * moss_chain_find_device:
 * @fingerprint: %MOSS_HASH_BYTES bytes
 *
 * Of a device that was revoked and added again, the newest slot is found.
 */
gboolean
moss_chain_find_device (MossChain *chain, const guint8 *fingerprint, MossChainDevice *device)
{
  for (guint slot = chain->devices->len; slot >= FIRST_SLOT; slot--)
    if (memcmp (find_slot (chain, slot)->record->fingerprint, fingerprint,
                MOSS_HASH_BYTES) == 0)
      return moss_chain_get_device (chain, slot, device);
  return FALSE;
}

/* As moss_chain_find_device(), by the key that it signs with. */
gboolean
moss_chain_find_signer (MossChain *chain,
                        guint suite,
                        GBytes *signing_key,
                        MossChainDevice *device)
{
  for (guint slot = chain->devices->len; slot >= FIRST_SLOT; slot--)
    {
      const MossDeviceRecord *record = find_slot (chain, slot)->record;

      if (record->suite == suite && g_bytes_equal (record->signing_key, signing_key))
        return moss_chain_get_device (chain, slot, device);
    }
  return FALSE;
}

/**
 * moss_chain_device_alive:
 * @at: the chain's seq that what it signed names, or %MOSS_CHAIN_NOW
 *
 * Whether a device is to be believed.
 */
gboolean
moss_chain_device_alive (MossChain *chain, guint slot, guint32 at)
{
  const Device *device = find_slot (chain, slot);

  if (device == NULL || at < device->added_seq)
    return FALSE;
  return !device->revoked || at <= device->as_of;
}

/* Returns: of the person's key; 0: there is none yet */
guint32
moss_chain_get_generation (MossChain *chain)
{
  return chain->rotations->len;
}

/* @commitment, @sealed_previous: (out) (transfer none): see core/identity/user-key.h */
gboolean
moss_chain_get_rotation (MossChain *chain,
                         guint32 generation,
                         const guint8 **commitment,
                         const guint8 **sealed_previous)
{
  const Rotation *rotation;

  if (generation == 0 || generation > chain->rotations->len)
    return FALSE;
  rotation = &g_array_index (chain->rotations, Rotation, generation - 1);
  *commitment = rotation->commitment;
  *sealed_previous = rotation->sealed_previous;
  return TRUE;
}

/* Returns: (nullable): %MOSS_BOX_BYTES bytes: the newest user key that the device was given */
const guint8 *
moss_chain_get_box (MossChain *chain, guint slot)
{
  const Device *device = find_slot (chain, slot);

  return device != NULL && device->generation > 0 ? device->box : NULL;
}

/**
 * moss_chain_compare:
 *
 * How @chain stands to @other. Both are good chains; a fork is two of them that contradict
 * each other.
 */
MossChainOrder
moss_chain_compare (MossChain *chain, MossChain *other)
{
  guint32 mine = moss_chain_get_seq (chain), theirs = moss_chain_get_seq (other);
  guint32 common = MIN (mine, theirs);

  if (memcmp (chain->id, other->id, MOSS_HASH_BYTES) != 0)
    return MOSS_CHAIN_FOREIGN;
  if (memcmp (moss_chain_get_hash_at (chain, common), moss_chain_get_hash_at (other, common),
              MOSS_HASH_BYTES) != 0)
    return MOSS_CHAIN_FORK;
  if (mine == theirs)
    return MOSS_CHAIN_SAME;
  return mine > theirs ? MOSS_CHAIN_NEWER : MOSS_CHAIN_OLDER;
}

/* Returns: the number of the first statement in which two chains that fork differ */
guint32
moss_chain_find_fork (MossChain *chain, MossChain *other)
{
  guint32 seq = 0;

  while (seq < chain->links->len && seq < other->links->len &&
         memcmp (moss_chain_get_hash_at (chain, seq), moss_chain_get_hash_at (other, seq),
                 MOSS_HASH_BYTES) == 0)
    seq++;
  return seq;
}

/**
 * moss_chain_revokes_branch:
 * @other: forks from @chain
 *
 * Whether everything that @other says from the fork on was signed by devices that @chain
 * revokes there: then it is worth nothing to who believes @chain. Both can be so at once, when
 * two devices revoke each other.
 */
gboolean
moss_chain_revokes_branch (MossChain *chain, MossChain *other)
{
  guint32 fork = moss_chain_find_fork (chain, other);

  for (guint32 seq = fork; seq < other->links->len; seq++)
    {
      g_auto (MossStatement) statement = { 0 };
      MossChainDevice device;

      /* A slot that was given before the fork is the same device in both. */
      if (!moss_chain_describe (other, seq, &statement) ||
          !moss_chain_get_device (chain, statement.signer, &device) ||
          device.added_seq >= fork || !device.revoked || device.revoked_seq < fork)
        return FALSE;
    }
  return TRUE;
}

/**
 * moss_chain_describe:
 * @statement: zeroed; to be cleared by the caller
 *
 * What one statement says, to show it.
 */
gboolean
moss_chain_describe (MossChain *chain, guint32 seq, MossStatement *statement)
{
  gsize size, length;
  const guint8 *data = g_bytes_get_data (chain->bytes, &size);
  gsize offset;

  if (seq >= chain->links->len)
    return FALSE;
  offset = g_array_index (chain->links, Link, seq).offset;
  return moss_statement_decode (data + offset, size - offset, statement, &length, NULL);
}
