// SPDX-License-Identifier: GPL-3.0-or-later
/* A host's cell: the newest root of each device; docs/formats/host.md. And what a host has ever
 * shown, so that it can't go back.
 *
 * The highest root of each device that a host has shown or acknowledged is written down before
 * it is used. A host that shows an older one later, or none, has taken something back: it is
 * named, and what it shows is not used. So it is when a device says that its root is there and
 * the host shows an older one: then it shows different things to different devices. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/sync-private.h"

#include <glib/gi18n.h>
#include <string.h>

#define STATE_FORMAT "(taya(ayt))"

static void
entry_free (gpointer data)
{
  CellEntry *entry = data;

  g_bytes_unref (entry->record);
  g_free (entry);
}

static gboolean
invalid (const char *reason, GError **error)
{
  g_set_error (error, HOST_CLIENT_ERROR, HOST_CLIENT_ERROR_LIES, "its cell is damaged: %s",
               reason);
  return FALSE;
}

static gint
by_device (gconstpointer a, gconstpointer b)
{
  const CellEntry *one = *(CellEntry *const *) a;
  const CellEntry *other = *(CellEntry *const *) b;

  return memcmp (one->device, other->device, MOSS_HASH_BYTES);
}

static gboolean
add_entry (GPtrArray *entries, GBytes *record, const guint8 *tree, GError **error)
{
  CellEntry *entry;
  MossTreeRoot root;

  if (!moss_tree_root_parse (record, &root, error))
    return FALSE;
  if (memcmp (root.tree_id, tree, MOSS_HASH_BYTES) != 0)
    return invalid ("a root of another tree is in it", error);
  entry = g_new0 (CellEntry, 1);
  memcpy (entry->device, root.device, MOSS_HASH_BYTES);
  entry->number = root.number;
  entry->record = g_bytes_ref (record);
  g_ptr_array_add (entries, entry);
  return entries->len == 1 ||
         by_device (&entries->pdata[entries->len - 2], &entries->pdata[entries->len - 1]) < 0 ||
         invalid ("its devices are out of order", error);
}

/**
 * sync_cell_parse:
 * @cell: (nullable): none yet
 *
 * Returns: (transfer full): CellEntry, sorted by device; signatures are not verified
 */
GPtrArray *
sync_cell_parse (GBytes *cell, const guint8 *tree, GError **error)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (entry_free);
  gsize at = 0;

  while (cell != NULL && entries->len <= SYNC_RECORDS_MAX)
    {
      g_autoptr (GBytes) record = NULL;

      if (!moss_bundle_next (cell, &at, &record, error))
        return NULL;
      if (record == NULL)
        break;
      if (!add_entry (entries, record, tree, error))
        return NULL;
    }
  return g_steal_pointer (&entries);
}

/* Returns: (transfer full): the cell with @record in the place of that device's */
GBytes *
sync_cell_replace (GPtrArray *entries, const MossTreeRoot *root, GBytes *record)
{
  GByteArray *cell = g_byte_array_new ();
  gboolean done = FALSE;

  for (guint i = 0; i <= entries->len; i++)
    {
      CellEntry *entry = i < entries->len ? g_ptr_array_index (entries, i) : NULL;
      int order = entry == NULL ? 1 : memcmp (entry->device, root->device, MOSS_HASH_BYTES);

      if (!done && order >= 0)
        {
          moss_bundle_add (cell, g_bytes_get_data (record, NULL), g_bytes_get_size (record));
          done = TRUE;
        }
      if (entry != NULL && order != 0)
        moss_bundle_add (cell, g_bytes_get_data (entry->record, NULL),
                         g_bytes_get_size (entry->record));
    }
  return g_byte_array_free_to_bytes (cell);
}

/* --- what it has shown --- */

static guint64
number_of (GPtrArray *entries, const guint8 *device)
{
  for (guint i = 0; i < entries->len; i++)
    if (memcmp (((CellEntry *) g_ptr_array_index (entries, i))->device, device,
                MOSS_HASH_BYTES) == 0)
      return ((CellEntry *) g_ptr_array_index (entries, i))->number;
  return 0;
}

/* What a host may not show less of, from now on. */
typedef struct
{
  guint64 number;
  gboolean claimed; /* by the device itself; else the host has shown it */
} Expected;

static void
expect (GHashTable *all, const guint8 *device, guint64 number, gboolean claimed)
{
  Expected *known = g_hash_table_lookup (all, device);
  Expected expected = { number, claimed };

  if (known == NULL || known->number < number)
    g_hash_table_replace (all, g_memdup2 (device, MOSS_HASH_BYTES),
                          g_memdup2 (&expected, sizeof expected));
}

/* With the lock. */
static void
expect_claims (SyncHost *host, GHashTable *all)
{
  MossChain *chain = host->sync->chain;

  for (guint slot = 1; chain != NULL && slot <= moss_chain_get_n_devices (chain); slot++)
    {
      g_autofree char *hex = NULL;
      g_autofree char *key = NULL;
      MossChainDevice member;
      guint64 *claimed;

      moss_chain_get_device (chain, slot, &member);
      hex = moss_id_to_string ((const MossId *) member.record->fingerprint);
      key = g_strdup_printf ("%s %s", host->url, hex);
      claimed = g_hash_table_lookup (host->sync->claims, key);
      if (claimed != NULL && !member.revoked)
        expect (all, member.record->fingerprint, *claimed, TRUE);
    }
}

/**
 * sync_cell_expect:
 *
 * To be called before the host is asked: an answer that was under way when something was put
 * there is no lie.
 *
 * Returns: (transfer full): for sync_cell_check()
 */
GHashTable *
sync_cell_expect (SyncHost *host)
{
  GHashTable *all = g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free, g_free);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host->sync->lock);
  GHashTableIter iter;
  gpointer device, number;

  g_hash_table_iter_init (&iter, host->shown);
  while (g_hash_table_iter_next (&iter, &device, &number))
    expect (all, device, *(guint64 *) number, FALSE);
  expect_claims (host, all);
  return all;
}

static void
accuse (SyncHost *host, const guint8 *device, guint64 shown, const Expected *expected)
{
  g_autofree char *name = sync_device_name (host->sync, device);

  sync_host_lied (
      host,
      expected->claimed
          ? _ ("It shows root %lu of %s here, but has taken %lu from that device.")
          : _ ("It shows root %lu of %s, but has shown %lu before."),
      (gulong) shown, name, (gulong) expected->number);
}

static void
remember (SyncHost *host, GPtrArray *entries)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host->sync->lock);

  for (guint i = 0; i < entries->len; i++)
    {
      CellEntry *entry = g_ptr_array_index (entries, i);
      guint64 *known = g_hash_table_lookup (host->shown, entry->device);

      if (known == NULL || *known < entry->number)
        g_hash_table_replace (host->shown, g_memdup2 (entry->device, MOSS_HASH_BYTES),
                              g_memdup2 (&entry->number, sizeof entry->number));
    }
}

/**
 * sync_cell_check:
 * @expected: from sync_cell_expect()
 *
 * A host's thread. Returns: %FALSE if the host was caught at something, or what it shows can't
 * be written down
 */
gboolean
sync_cell_check (SyncHost *host, GHashTable *expected, GPtrArray *entries)
{
  GHashTableIter iter;
  gpointer device, least;

  g_hash_table_iter_init (&iter, expected);
  while (g_hash_table_iter_next (&iter, &device, &least))
    {
      guint64 shown = number_of (entries, device);

      if (shown >= ((Expected *) least)->number)
        continue;
      accuse (host, device, shown, least);
      return FALSE;
    }
  remember (host, entries);
  return sync_host_save (host);
}

/* --- on the disk --- */

static char *
state_path (SyncHost *host)
{
  g_autofree char *name = g_compute_checksum_for_string (G_CHECKSUM_SHA256, host->url, -1);
  g_autofree char *dir = g_build_filename (host->sync->netd->state_dir, "hosts", NULL);

  g_mkdir_with_parents (dir, 0700);
  return g_build_filename (dir, name, NULL);
}

static gboolean
take_state (SyncHost *host, GVariant *state)
{
  g_autoptr (GVariant) base = NULL;
  g_autoptr (GVariant) list = NULL;
  guint64 number;

  g_variant_get (state, "(t@ay@a(ayt))", &number, &base, &list);
  host->number = GUINT64_FROM_LE (number);
  if (g_variant_get_size (base) > 0)
    host->base = g_variant_get_data_as_bytes (base);
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) device = NULL;

      g_variant_get_child (list, i, "(@ayt)", &device, &number);
      if (g_variant_get_size (device) != MOSS_HASH_BYTES)
        return FALSE;
      number = GUINT64_FROM_LE (number);
      g_hash_table_replace (host->shown,
                            g_memdup2 (g_variant_get_data (device), MOSS_HASH_BYTES),
                            g_memdup2 (&number, sizeof number));
    }
  return TRUE;
}

/* Returns: %FALSE if there is something that can't be read */
gboolean
sync_host_load (SyncHost *host)
{
  g_autofree char *path = state_path (host);
  g_autofree char *text = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) state = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, &error))
    return g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  bytes = g_bytes_new_take (g_steal_pointer (&text), length);
  state = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (STATE_FORMAT), bytes, FALSE));
  return g_variant_is_normal_form (state) && take_state (host, state);
}

static GVariant *
state_of (SyncHost *host)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host->sync->lock);
  GVariantBuilder list;
  GHashTableIter iter;
  gpointer device, number;
  GVariant *base =
      host->base == NULL
          ? g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, NULL, 0, 1)
          : g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, host->base, TRUE);

  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(ayt)"));
  g_hash_table_iter_init (&iter, host->shown);
  while (g_hash_table_iter_next (&iter, &device, &number))
    g_variant_builder_add (
        &list, "(@ayt)",
        g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, device, MOSS_HASH_BYTES, 1),
        GUINT64_TO_LE (*(guint64 *) number));
  return g_variant_ref_sink (g_variant_new ("(t@ay@a(ayt))", GUINT64_TO_LE (host->number), base,
                                            g_variant_builder_end (&list)));
}

/* Durable when it returns %TRUE. */
gboolean
sync_host_save (SyncHost *host)
{
  g_autofree char *path = state_path (host);
  g_autoptr (GVariant) state = state_of (host);
  g_autoptr (GError) error = NULL;

  if (g_file_set_contents_full (path, g_variant_get_data (state), g_variant_get_size (state),
                                G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                0600, &error))
    return TRUE;
  g_warning ("%s", error->message);
  return FALSE;
}
