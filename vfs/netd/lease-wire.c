// SPDX-License-Identifier: GPL-3.0-or-later
/* What devices tell each other of leases: docs/formats/lease.md. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/lease-private.h"

#include "core/clock.h"

#include <glib/gi18n.h>
#include <string.h>

#define ASK_METHOD LEASE_CALL_PREFIX "ask"
#define ASK_TYPE "(ayty)"
#define ANSWER_TYPE "(yay)"
#define SET_METHOD LEASE_CALL_PREFIX "set"
#define SET_TYPE "(ayu)"

static GVariant *
bytes_variant (const guint8 *bytes)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, MOSS_HASH_BYTES, 1);
}

/* ---- asking all who are linked ------------------------------------------------------- */

typedef struct
{
  Leases *leases;
  guint64 ino;
  guint mode;
  guint waiting;
  gboolean heard;
  GHashTable *free;   /* devices that have nothing against it */
  GHashTable *denied; /* devices that are said to have it */
} Ask;

typedef struct
{
  Ask *ask;
  guint8 device[MOSS_HASH_BYTES];
} Question;

static void
on_nothing (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) reply = moss_link_call_finish (result, NULL, NULL);
}

static GVariant *
question (Leases *leases, guint64 ino, guint mode)
{
  return g_variant_new ("(@ayty)", bytes_variant (leases->netd->sync->identity), ino, mode);
}

/* Promises that were given in vain are given back. */
static void
withdraw (Leases *leases, guint64 ino)
{
  g_autoptr (GPtrArray) peers = sync_peers_copy (leases->netd->sync);

  for (guint i = 0; i < peers->len; i++)
    moss_link_call (((SyncPeer *) g_ptr_array_index (peers, i))->link, ASK_METHOD,
                    question (leases, ino, 0), LEASE_ASK_MS, on_nothing, NULL);
}

/* Who itself says that it is free knows better than who says that it has it. */
static gboolean
is_denied (Ask *ask)
{
  GHashTableIter iter;
  gpointer device;

  g_hash_table_iter_init (&iter, ask->denied);
  while (g_hash_table_iter_next (&iter, &device, NULL))
    if (!g_hash_table_contains (ask->free, device))
      return TRUE;
  return FALSE;
}

static void
finish (Ask *ask)
{
  Leases *leases = ask->leases;
  gboolean denied = is_denied (ask);
  Lease *lease;

  g_mutex_lock (&leases->lock);
  lease = g_hash_table_lookup (leases->mine, &ask->ino);
  denied = denied || lease == NULL || lease->yields;
  g_mutex_unlock (&leases->lock);
  lease_decided (leases, ask->ino, !denied, ask->heard);
  if (denied)
    withdraw (leases, ask->ino);
  g_hash_table_unref (ask->free);
  g_hash_table_unref (ask->denied);
  g_free (ask);
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  Question *question = data;
  Ask *ask = question->ask;
  g_autoptr (GVariant) reply = moss_link_call_finish (result, NULL, NULL);
  g_autoptr (GVariant) by = NULL;
  guint8 verdict;

  if (reply != NULL && g_variant_is_of_type (reply, G_VARIANT_TYPE (ANSWER_TYPE)))
    {
      g_variant_get (reply, "(y@ay)", &verdict, &by);
      ask->heard = TRUE;
      if (verdict == 0)
        g_hash_table_add (ask->free, g_memdup2 (question->device, MOSS_HASH_BYTES));
      else if (g_variant_get_size (by) == MOSS_HASH_BYTES)
        g_hash_table_add (ask->denied, g_memdup2 (g_variant_get_data (by), MOSS_HASH_BYTES));
    }
  g_free (question);
  if (--ask->waiting == 0)
    finish (ask);
}

void
lease_ask (Leases *leases, guint64 ino, guint mode)
{
  g_autoptr (GPtrArray) peers = sync_peers_copy (leases->netd->sync);
  Ask *ask = g_new0 (Ask, 1);
  const guint8 *blocker;

  ask->leases = leases;
  ask->ino = ino;
  ask->mode = mode;
  ask->free = g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free, NULL);
  ask->denied = g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free, NULL);
  g_mutex_lock (&leases->lock);
  blocker = lease_blocker (leases, ino, mode, NULL);
  if (blocker != NULL)
    g_hash_table_add (ask->denied, g_memdup2 (blocker, MOSS_HASH_BYTES));
  g_mutex_unlock (&leases->lock);
  ask->waiting = peers->len;
  for (guint i = 0; i < peers->len; i++)
    {
      SyncPeer *peer = g_ptr_array_index (peers, i);
      Question *one = g_new0 (Question, 1);

      one->ask = ask;
      moss_fingerprint_to_bytes (peer->id, one->device);
      moss_link_call (peer->link, ASK_METHOD, question (leases, ino, mode), LEASE_ASK_MS,
                      on_answer, one);
    }
  if (peers->len == 0)
    finish (ask);
}

/* ---- being asked --------------------------------------------------------------------- */

/* With the lock. Of two who ask at the same time the one with the lower fingerprint goes first. */
static gboolean
is_mine (Leases *leases, guint64 ino, guint mode, const guint8 *device)
{
  Lease *lease = g_hash_table_lookup (leases->mine, &ino);

  if (lease == NULL || lease->lost)
    return FALSE;
  if (lease->leaving_us > lease_now_us ()
      && memcmp (lease->leaving_to, device, MOSS_HASH_BYTES) == 0)
    {
      lease->mode = 0; /* asked for again should the app come back */
      return FALSE;
    }
  if (lease_clash (lease->need, mode) && !(lease->alone && lease->recheck && lease->asked > 0))
    return TRUE;
  if (lease_clash (lease->asked, mode))
    {
      if (memcmp (leases->netd->sync->me, device, MOSS_HASH_BYTES) < 0)
        return TRUE;
      lease->yields = TRUE;
    }
  if (lease_clash (lease->mode, mode))
    lease->mode = lease->need;
  return FALSE;
}

/* With the lock. NULL: free, and promised. */
static const guint8 *
judge (Leases *leases, guint64 ino, guint mode, const guint8 *device)
{
  const guint8 *by;

  if (is_mine (leases, ino, mode, device))
    return leases->netd->sync->me;
  by = lease_blocker (leases, ino, mode, device);
  if (by == NULL)
    lease_promise (leases, ino, mode, device);
  return by;
}

static gboolean
take_question (Leases *leases, MossLink *link, guint64 request, GVariant *body,
               const guint8 *device)
{
  static const guint8 nobody[MOSS_HASH_BYTES];
  g_autoptr (GVariant) tree = NULL;
  const guint8 *by = NULL;
  GVariant *answer;
  guint64 ino;
  guint8 mode;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE (ASK_TYPE)))
    return FALSE;
  g_variant_get (body, "(@ayty)", &tree, &ino, &mode);
  if (g_variant_get_size (tree) != MOSS_HASH_BYTES || ino == 0 || mode > 2
      || memcmp (g_variant_get_data (tree), leases->netd->sync->identity, MOSS_HASH_BYTES) != 0)
    return FALSE;
  g_mutex_lock (&leases->lock);
  if (mode == 0)
    lease_promise_kept (leases, ino, device);
  else
    by = judge (leases, ino, mode, device);
  answer = g_variant_new ("(y@ay)", by != NULL ? 1 : 0, bytes_variant (by != NULL ? by : nobody));
  lease_wake (leases);
  g_mutex_unlock (&leases->lock);
  moss_link_reply (link, request, answer);
  if (mode == 0)
    lease_retry (leases);
  return TRUE;
}

/* ---- saying what is had -------------------------------------------------------------- */

typedef struct
{
  Leases *leases;
  GByteArray *message;
  gint64 at_us;
} Saying;

static void
saying_free (Saying *saying)
{
  g_byte_array_unref (saying->message);
  g_free (saying);
}

static gint
by_ino (gconstpointer a, gconstpointer b)
{
  const LeaseItem *one = a, *other = b;

  return (one->ino > other->ino) - (one->ino < other->ino);
}

/* With the lock. */
static GArray *
list_mine (Leases *leases)
{
  GArray *items = g_array_new (FALSE, TRUE, sizeof (LeaseItem));
  GHashTableIter iter;
  Lease *lease;

  g_hash_table_iter_init (&iter, leases->mine);
  while (items->len < LEASE_ITEMS_MAX && g_hash_table_iter_next (&iter, NULL, (gpointer *) &lease))
    {
      LeaseItem item = { lease->ino, lease->need };

      lease->said = lease->need;
      if (lease->need > 0 && lease->mode > 0)
        g_array_append_val (items, item);
    }
  g_array_sort (items, by_ino);
  return items;
}

static GByteArray *
write_mine (Leases *leases)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&leases->lock);
  g_autoptr (GArray) items = list_mine (leases);
  LeaseSet set = { .life_s = LEASE_LIFE_S, .items = items };

  leases->sequence = MAX (leases->sequence + 1, (guint64) moss_clock_now_us ());
  set.sequence = leases->sequence;
  set.end_us = moss_clock_now_us () + LEASE_LIFE_S * LEASE_SECOND;
  memcpy (set.tree, leases->netd->sync->identity, MOSS_HASH_BYTES);
  memcpy (set.device, leases->netd->sync->me, MOSS_HASH_BYTES);
  return lease_set_write (&set);
}

typedef struct
{
  Leases *leases;
  gint64 until_us;
} Heard;

static void
on_heard (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree Heard *heard = data;
  g_autoptr (GVariant) reply = moss_link_call_finish (result, NULL, NULL);

  if (reply == NULL)
    return;
  g_mutex_lock (&heard->leases->lock);
  heard->leases->until_us = MAX (heard->leases->until_us, heard->until_us);
  g_mutex_unlock (&heard->leases->lock);
}

static void
tell_all (Leases *leases, GBytes *record, gint64 at_us)
{
  g_autoptr (GPtrArray) peers = sync_peers_copy (leases->netd->sync);

  for (guint i = 0; i < peers->len; i++)
    {
      Heard *heard = g_new0 (Heard, 1);

      heard->leases = leases;
      heard->until_us = at_us + LEASE_LIFE_S * LEASE_SECOND;
      moss_link_call (((SyncPeer *) g_ptr_array_index (peers, i))->link, SET_METHOD,
                      g_variant_new ("(@ayu)",
                                     g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, record,
                                                               TRUE),
                                     (guint32) LEASE_LIFE_S),
                      LEASE_ASK_MS, on_heard, heard);
    }
}

static void say_now (Leases *leases);

static void
on_signed (GObject *source, GAsyncResult *result, gpointer data)
{
  Saying *saying = data;
  Leases *leases = saying->leases;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  gboolean again;

  if (reply != NULL)
    {
      g_autoptr (GVariant) signature = g_variant_get_child_value (reply, 0);
      g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (signature);
      g_autoptr (GBytes) record
          = lease_set_seal (saying->message, leases->netd->hello.suite, bytes);

      tell_all (leases, record, saying->at_us);
    }
  else
    g_debug ("the leases of this device are not signed: %s", error->message);
  saying_free (saying);
  g_mutex_lock (&leases->lock);
  leases->signing = FALSE;
  again = leases->say_again;
  leases->say_again = FALSE;
  g_mutex_unlock (&leases->lock);
  if (again)
    say_now (leases);
}

static void
say_now (Leases *leases)
{
  Saying *saying;

  g_mutex_lock (&leases->lock);
  leases->say_again = leases->signing;
  if (leases->signing)
    {
      g_mutex_unlock (&leases->lock);
      return;
    }
  leases->signing = TRUE;
  leases->said_us = lease_now_us ();
  g_mutex_unlock (&leases->lock);
  saying = g_new0 (Saying, 1);
  saying->leases = leases;
  saying->at_us = leases->said_us;
  saying->message = write_mine (leases);
  g_dbus_connection_call (
      leases->netd->bus, "org.moss.Agent1", "/org/moss/Agent", "org.moss.Agent1", "Sign",
      g_variant_new ("(s@ay)", LEASE_DOMAIN,
                     g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, saying->message->data,
                                                saying->message->len, 1)),
      G_VARIANT_TYPE ("(ay)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, on_signed, saying);
}

static gboolean
on_say (gpointer data)
{
  Leases *leases = data;

  g_mutex_lock (&leases->lock);
  leases->say = 0;
  g_mutex_unlock (&leases->lock);
  say_now (leases);
  return G_SOURCE_REMOVE;
}

void
lease_say (Leases *leases)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&leases->lock);

  lease_say_locked (leases);
}

/* A program that locks again and again is told of once a while. Any thread. */
void
lease_say_locked (Leases *leases)
{
  if (leases->say == 0)
    leases->say = g_timeout_add (LEASE_SAY_MS, on_say, leases);
}

/* ---- hearing what others have -------------------------------------------------------- */

static void
pass_on (MossLink *link, GBytes *record, guint left_s)
{
  moss_link_call (link, SET_METHOD,
                  g_variant_new ("(@ayu)",
                                 g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, record, TRUE),
                                 left_s),
                  LEASE_ASK_MS, on_nothing, NULL);
}

/* What a device says itself goes on to those that may not be linked with it. */
static void
pass_on_to_others (Leases *leases, MossLink *from, GBytes *record, guint left_s)
{
  g_autoptr (GPtrArray) peers = sync_peers_copy (leases->netd->sync);

  for (guint i = 0; i < peers->len; i++)
    if (((SyncPeer *) g_ptr_array_index (peers, i))->link != from)
      pass_on (((SyncPeer *) g_ptr_array_index (peers, i))->link, record, left_s);
}

void
lease_relay (Leases *leases)
{
  g_autoptr (GPtrArray) peers = sync_peers_copy (leases->netd->sync);
  gint64 now = lease_now_us ();
  GHashTableIter iter;
  LeaseOther *other;

  g_mutex_lock (&leases->lock);
  g_hash_table_iter_init (&iter, leases->others);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &other))
    for (guint i = 0; i < peers->len && other->deadline_us > now && other->set->items->len > 0;
         i++)
      pass_on (((SyncPeer *) g_ptr_array_index (peers, i))->link, other->record,
               (other->deadline_us - now) / LEASE_SECOND);
  g_mutex_unlock (&leases->lock);
}

/* Signed by a device of this identity that may still sign, and not by this one. */
static gboolean
is_believed (Leases *leases, const LeaseSet *set, GBytes *record)
{
  Sync *sync = leases->netd->sync;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);
  MossChainDevice device;

  return sync->chain != NULL && memcmp (set->tree, sync->identity, MOSS_HASH_BYTES) == 0
         && memcmp (set->device, sync->me, MOSS_HASH_BYTES) != 0
         && moss_chain_find_device (sync->chain, set->device, &device) && !device.revoked
         && moss_verify_domain (set->suite, device.record->signing_key, LEASE_DOMAIN,
                                g_bytes_get_data (record, NULL), set->signed_length,
                                set->signature, NULL);
}

static gboolean
take_set (Leases *leases, MossLink *link, guint64 request, GVariant *body, const guint8 *device)
{
  g_autoptr (GVariant) child = NULL;
  g_autoptr (GBytes) record = NULL;
  g_autoptr (LeaseSet) set = NULL;
  gboolean direct, counts;
  guint left_s;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE (SET_TYPE)))
    return FALSE;
  g_variant_get (body, "(@ayu)", &child, &left_s);
  record = g_variant_get_data_as_bytes (child);
  set = lease_set_read (record, NULL);
  if (set == NULL)
    return FALSE;
  if (memcmp (set->device, leases->netd->sync->me, MOSS_HASH_BYTES) == 0)
    {
      moss_link_reply (link, request, g_variant_new ("()"));
      return TRUE; /* it went round */
    }
  if (!is_believed (leases, set, record))
    return FALSE;
  direct = memcmp (set->device, device, MOSS_HASH_BYTES) == 0;
  g_mutex_lock (&leases->lock);
  counts = lease_take_set (leases, g_steal_pointer (&set), record, direct, left_s);
  lease_wake (leases);
  g_mutex_unlock (&leases->lock);
  moss_link_reply (link, request, g_variant_new ("()"));
  if (counts && direct)
    pass_on_to_others (leases, link, record, left_s);
  if (counts)
    lease_retry (leases);
  return TRUE;
}

static gboolean
is_own (Leases *leases, const guint8 *device)
{
  Sync *sync = leases->netd->sync;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&sync->lock);
  MossChainDevice found;

  return sync->chain != NULL && moss_chain_find_device (sync->chain, device, &found)
         && !found.revoked;
}

void
lease_call (Netd *netd, MossLink *link, guint64 request, const char *method, GVariant *body)
{
  Leases *leases = netd->leases;
  guint8 device[MOSS_HASH_BYTES];
  gboolean good;

  moss_fingerprint_to_bytes (moss_link_get_device (link), device);
  if (!is_own (leases, device))
    good = FALSE;
  else if (g_str_equal (method, ASK_METHOD))
    good = take_question (leases, link, request, body, device);
  else
    good = g_str_equal (method, SET_METHOD)
           && take_set (leases, link, request, body, device);
  if (!good)
    moss_link_reply_error (link, request, "org.moss.Error.Invalid",
                           _ ("That is no lease of this person's files."));
}
