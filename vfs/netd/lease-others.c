// SPDX-License-Identifier: GPL-3.0-or-later
/* What the other devices have, and what they were promised. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/lease-private.h"

#include <string.h>

LeaseOther *
lease_other (Leases *leases, const guint8 *device)
{
  return g_hash_table_lookup (leases->others, device);
}

static gboolean
is_same (const guint8 *one, const guint8 *other)
{
  return other != NULL && memcmp (one, other, MOSS_HASH_BYTES) == 0;
}

const guint8 *
lease_blocker (Leases *leases, guint64 ino, guint mode, const guint8 *device)
{
  gint64 now = lease_now_us ();
  GHashTableIter iter;
  LeaseOther *other;

  g_hash_table_iter_init (&iter, leases->others);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &other))
    if (other->deadline_us > now && !is_same (other->set->device, device)
        && lease_clash (lease_set_mode (other->set, ino), mode))
      return other->set->device;
  for (guint i = 0; i < leases->promises->len; i++)
    {
      LeasePromise *promise = &g_array_index (leases->promises, LeasePromise, i);

      if (promise->ino == ino && promise->deadline_us > now
          && !is_same (promise->device, device) && lease_clash (promise->mode, mode))
        return promise->device;
    }
  return NULL;
}

void
lease_promise (Leases *leases, guint64 ino, guint mode, const guint8 *device)
{
  LeasePromise promise = { ino, mode, { 0 }, 0 };

  lease_promise_kept (leases, ino, device);
  if (leases->promises->len >= LEASE_PROMISES_MAX)
    g_array_remove_index (leases->promises, 0);
  memcpy (promise.device, device, MOSS_HASH_BYTES);
  promise.deadline_us = lease_now_us () + LEASE_PROMISE_S * LEASE_SECOND;
  g_array_append_val (leases->promises, promise);
}

void
lease_promise_kept (Leases *leases, guint64 ino, const guint8 *device)
{
  for (guint i = leases->promises->len; i > 0; i--)
    {
      LeasePromise *promise = &g_array_index (leases->promises, LeasePromise, i - 1);

      if (promise->ino == ino && is_same (promise->device, device))
        g_array_remove_index (leases->promises, i - 1);
    }
}

/* What this device has locked while nobody could be asked, and another was given. */
static void
lose_to (Leases *leases, const LeaseSet *set)
{
  GHashTableIter iter;
  Lease *lease;

  g_hash_table_iter_init (&iter, leases->mine);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &lease))
    if (lease->alone && lease->need > 0
        && lease_clash (lease->need, lease_set_mode (set, lease->ino)))
      {
        lease->lost = lease->doubt = TRUE;
        lease->mode = 0;
      }
}

/* The device itself has the last word over its own link; what others pass on of it counts when it
 * is newer than what is known. */
gboolean
lease_take_set (Leases *leases, LeaseSet *set, GBytes *record, gboolean direct, guint left_s)
{
  LeaseOther *other = lease_other (leases, set->device);

  if (!direct && other != NULL && set->sequence <= other->set->sequence)
    {
      lease_set_free (set);
      return FALSE;
    }
  if (other == NULL)
    {
      other = g_new0 (LeaseOther, 1);
      g_hash_table_insert (leases->others, g_memdup2 (set->device, MOSS_HASH_BYTES), other);
    }
  g_clear_pointer (&other->set, lease_set_free);
  g_clear_pointer (&other->record, g_bytes_unref);
  other->set = set;
  other->record = g_bytes_ref (record);
  other->deadline_us = lease_now_us () + MIN (set->life_s, left_s) * LEASE_SECOND;
  for (guint i = 0; i < set->items->len; i++)
    lease_promise_kept (leases, g_array_index (set->items, LeaseItem, i).ino, set->device);
  lose_to (leases, set);
  return TRUE;
}

gboolean
lease_expire (Leases *leases)
{
  gint64 now = lease_now_us ();
  gboolean any = FALSE;
  GHashTableIter iter;
  LeaseOther *other;

  for (guint i = leases->promises->len; i > 0; i--)
    if (g_array_index (leases->promises, LeasePromise, i - 1).deadline_us <= now)
      g_array_remove_index (leases->promises, i - 1);
  g_hash_table_iter_init (&iter, leases->others);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &other))
    any = any || (other->deadline_us > now && other->set->items->len > 0);
  return any || leases->promises->len > 0;
}
