// SPDX-License-Identifier: GPL-3.0-or-later
/* Leases: what programs here have locked on /net, no program on another of the person's devices
 * has locked at the same time.
 *
 * Policy: a lease is agreed among the devices that are linked. Who wants one asks them all; each
 * says no for what it has itself, for what it knows another to have, and for what it has just
 * promised to another. What a device has it says in a signed statement that holds for half a
 * minute and is renewed. Devices that can't be reached can't be asked: then a lock holds on this
 * device alone, and says so. When they meet again and the other has the lease, this one has lost
 * it: the program goes on, as nobody can take a lock from it, and before it writes over what the
 * other device wrote, that is kept beside the file as a conflict. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/lease-private.h"

#include "core/clock.h"
#include "vfs/netd/home.h"

#include <string.h>

static gboolean on_tick (gpointer data);

static void
other_free (gpointer data)
{
  LeaseOther *other = data;

  lease_set_free (other->set);
  g_bytes_unref (other->record);
  g_free (other);
}

void
lease_start (Netd *netd)
{
  Leases *leases = g_new0 (Leases, 1);

  leases->netd = netd;
  g_mutex_init (&leases->lock);
  leases->mine = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_free);
  leases->others = g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free, other_free);
  leases->promises = g_array_new (FALSE, FALSE, sizeof (LeasePromise));
  netd->leases = leases;
}

static Lease *
find (Leases *leases, guint64 ino)
{
  return g_hash_table_lookup (leases->mine, &ino);
}

static Lease *
obtain (Leases *leases, guint64 ino)
{
  Lease *lease = find (leases, ino);

  if (lease == NULL)
    {
      lease = g_new0 (Lease, 1);
      lease->ino = ino;
      g_hash_table_insert (leases->mine, &lease->ino, lease);
    }
  return lease;
}

static guint
count_linked (Leases *leases)
{
  Sync *sync = leases->netd->sync;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);

  return sync->peers->len;
}

/* ---- asking -------------------------------------------------------------------------- */

typedef struct
{
  Leases *leases;
  guint64 ino;
  guint mode;
} Wish;

static gboolean
on_wish (gpointer data)
{
  Wish *wish = data;

  lease_ask (wish->leases, wish->ino, wish->mode);
  return G_SOURCE_REMOVE;
}

/* With the lock. */
static void
begin_to_ask (Leases *leases, Lease *lease, guint mode, gboolean recheck)
{
  Wish *wish = g_new0 (Wish, 1);

  lease->asked = mode;
  lease->recheck = recheck;
  lease->denied = lease->yields = FALSE;
  *wish = (Wish) { leases, lease->ino, mode };
  g_idle_add_full (G_PRIORITY_HIGH, on_wish, wish, g_free);
}

/* With the lock. Nobody is linked: what was heard last counts. */
static MossMountLease
decide_alone (Leases *leases, Lease *lease, guint mode)
{
  if (lease_blocker (leases, lease->ino, mode, NULL) != NULL)
    {
      lease->denied = TRUE;
      lease_wake (leases);
      return MOSS_MOUNT_LEASE_DENIED;
    }
  lease->mode = lease->need = MAX (lease->need, mode);
  lease->alone = lease->doubt = TRUE;
  return MOSS_MOUNT_LEASE_HELD;
}

MossMountLease
lease_want (guint64 ino, gboolean write, gboolean again, gpointer netd)
{
  Leases *leases = ((Netd *) netd)->leases;
  guint mode = write ? 2 : 1, linked = count_linked (leases);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&leases->lock);
  Lease *lease = obtain (leases, ino);

  if (lease->lost)
    return MOSS_MOUNT_LEASE_DENIED;
  if (lease->mode >= mode)
    {
      lease->need = MAX (lease->need, mode);
      return MOSS_MOUNT_LEASE_HELD;
    }
  if (lease->asked > 0)
    return MOSS_MOUNT_LEASE_ASKED;
  if (again && lease->denied)
    return MOSS_MOUNT_LEASE_DENIED;
  if (linked == 0)
    return decide_alone (leases, lease, mode);
  begin_to_ask (leases, lease, MAX (mode, lease->need), FALSE);
  return MOSS_MOUNT_LEASE_ASKED;
}

void
lease_need (guint64 ino, guint need, gpointer netd)
{
  Leases *leases = ((Netd *) netd)->leases;
  guint linked = count_linked (leases);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&leases->lock);
  Lease *lease = need > 0 ? obtain (leases, ino) : find (leases, ino);

  if (lease == NULL)
    return;
  lease->need = need;
  lease->idle_us = lease_now_us ();
  lease->doubt = lease->doubt && need > 0;
  if (linked > 0 && lease->said != need)
    lease_say_locked (leases);
  if (need == 0 && lease->asked == 0 && (lease->lost || linked == 0))
    g_hash_table_remove (leases->mine, &ino);
  else if (need > lease->mode && lease->asked == 0 && !lease->lost
           && lease_now_us () > lease->leaving_us)
    {
      lease->doubt = TRUE; /* held since before this netd */
      begin_to_ask (leases, lease, need, TRUE);
    }
  if (linked > 0)
    lease_wake (leases);
}

/* A program may have it by now: that is told from here, so that the others hear of the lock. */
static void
settled (Leases *leases, guint64 ino)
{
  home_lease_settled (leases->netd, ino);
  lease_say (leases);
}

void
lease_decided (Leases *leases, guint64 ino, gboolean granted, gboolean heard)
{
  Lease *lease;

  g_mutex_lock (&leases->lock);
  lease = find (leases, ino);
  if (lease != NULL && lease->asked > 0)
    {
      if (granted)
        {
          lease->mode = MAX (lease->mode, lease->asked);
          lease->alone = !heard;
          lease->doubt = lease->doubt || lease->alone;
          lease->idle_us = lease_now_us ();
        }
      else if (lease->recheck && lease->need > 0)
        {
          lease->lost = lease->doubt = TRUE;
          lease->mode = 0;
        }
      else
        lease->denied = TRUE;
      lease->asked = 0;
    }
  g_mutex_unlock (&leases->lock);
  settled (leases, ino);
  lease_wake (leases);
}

/* ---- as time goes by ----------------------------------------------------------------- */

/* With the lock. Those who may ask again. */
static GArray *
take_denied (Leases *leases)
{
  GArray *inos = g_array_new (FALSE, FALSE, sizeof (guint64));
  GHashTableIter iter;
  Lease *lease;

  g_hash_table_iter_init (&iter, leases->mine);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &lease))
    if (lease->denied)
      {
        lease->denied = FALSE;
        g_array_append_val (inos, lease->ino);
      }
  return inos;
}

void
lease_retry (Leases *leases)
{
  g_autoptr (GArray) inos = NULL;

  g_mutex_lock (&leases->lock);
  inos = take_denied (leases);
  g_mutex_unlock (&leases->lock);
  for (guint i = 0; i < inos->len; i++)
    home_lease_settled (leases->netd, g_array_index (inos, guint64, i));
}

/* With the lock. What nobody uses goes; what nobody has heard of for too long another may have. */
static void
age (Leases *leases, gboolean *renew, gboolean *busy)
{
  gint64 now = lease_now_us ();
  gboolean late = leases->until_us != 0 && now > leases->until_us;
  GHashTableIter iter;
  Lease *lease;

  g_hash_table_iter_init (&iter, leases->mine);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &lease))
    {
      if (lease->need == 0 && lease->asked == 0 && !lease->denied
          && now - lease->idle_us >= LEASE_IDLE_S * LEASE_SECOND)
        {
          g_hash_table_iter_remove (&iter);
          continue;
        }
      *busy = TRUE;
      if (lease->need > lease->mode && lease->asked == 0 && !lease->lost
          && now > lease->leaving_us)
        begin_to_ask (leases, lease, lease->need, TRUE);
      lease->alone = lease->alone || (late && lease->need > 0);
      lease->doubt = lease->need > 0 && (lease->doubt || lease->alone);
      *renew = *renew || (lease->need > 0 && now - leases->said_us >= LEASE_RENEW_S * LEASE_SECOND);
    }
  if (late)
    leases->until_us = 0;
}

static gboolean
on_tick (gpointer data)
{
  Leases *leases = data;
  gboolean renew = FALSE, busy = FALSE, linked = count_linked (leases) > 0;

  lease_retry (leases);
  g_mutex_lock (&leases->lock);
  age (leases, &renew, &busy);
  busy = (busy && (linked || leases->until_us != 0)) | lease_expire (leases);
  if (!busy)
    leases->timer = 0;
  g_mutex_unlock (&leases->lock);
  if (renew && linked)
    lease_say (leases);
  return busy ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* With the lock; any thread. */
void
lease_wake (Leases *leases)
{
  if (leases->timer == 0)
    leases->timer = g_timeout_add_seconds (1, on_tick, leases);
}

/* Main context. Who was away may have been given what this device has locked alone. */
void
lease_links_changed (Netd *netd)
{
  Leases *leases = netd->leases;
  GHashTableIter iter;
  Lease *lease;
  gboolean linked = count_linked (leases) > 0, any = FALSE;

  g_mutex_lock (&leases->lock);
  g_hash_table_iter_init (&iter, leases->mine);
  while (linked && g_hash_table_iter_next (&iter, NULL, (gpointer *) &lease))
    {
      any = TRUE;
      if (lease->alone && lease->need > 0 && lease->asked == 0 && !lease->lost)
        begin_to_ask (leases, lease, lease->need, TRUE);
    }
  if (any)
    lease_wake (leases);
  g_mutex_unlock (&leases->lock);
  if (linked)
    lease_relay (leases);
  if (any)
    lease_say (leases);
}

void
lease_leave (Netd *netd, GVariant *locks, const char *device)
{
  Leases *leases = netd->leases;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&leases->lock);
  GVariantIter iter;
  guint64 ino;

  g_variant_iter_init (&iter, locks);
  while (g_variant_iter_next (&iter, "(tttyy)", &ino, NULL, NULL, NULL, NULL))
    {
      Lease *lease = find (leases, ino);

      if (lease == NULL)
        continue;
      moss_fingerprint_to_bytes (device, lease->leaving_to);
      lease->leaving_us = lease_now_us () + LEASE_LEAVE_S * LEASE_SECOND;
    }
}

/* ---- what is to be known ------------------------------------------------------------- */

gboolean
lease_in_doubt (guint64 ino, gpointer netd)
{
  Leases *leases = ((Netd *) netd)->leases;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&leases->lock);
  Lease *lease = find (leases, ino);

  return lease != NULL && lease->doubt;
}

/* With the lock. A promise is no lease yet. */
static LeaseOther *
holder (Leases *leases, guint64 ino)
{
  gint64 now = lease_now_us ();
  GHashTableIter iter;
  LeaseOther *other;

  g_hash_table_iter_init (&iter, leases->others);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &other))
    if (other->deadline_us > now && lease_set_mode (other->set, ino) > 0)
      return other;
  return NULL;
}

char *
lease_get (guint64 ino, gint64 *end_us, gpointer data)
{
  Netd *netd = data;
  Leases *leases = netd->leases;
  gint64 now = lease_now_us (), wall = moss_clock_now_us ();
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&leases->lock);
  Lease *lease = find (leases, ino);
  LeaseOther *other;

  *end_us = 0;
  if (lease != NULL && lease->need > 0 && lease->mode > 0)
    {
      if (!lease->alone)
        *end_us = wall + MAX (leases->until_us - now, 0);
      return g_strdup (netd->name);
    }
  other = holder (leases, ino);
  if (other == NULL)
    return g_strdup ("");
  *end_us = wall + other->deadline_us - now;
  return sync_device_name (netd->sync, other->set->device);
}
