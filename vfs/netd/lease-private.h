// SPDX-License-Identifier: GPL-3.0-or-later
/* What the files of the leases share. The lock covers all of Leases; it is never held while
 * anything else of netd is called, but for the lock of Sync. Times are of CLOCK_BOOTTIME, which
 * nobody sets and which goes on while the machine sleeps. */
#pragma once

#include "vfs/netd/lease-record.h"
#include "vfs/netd/lease.h"
#include "vfs/netd/sync-private.h"

#include <time.h>

enum
{
  LEASE_LIFE_S = 30,
  LEASE_RENEW_S = 10,
  LEASE_PROMISE_S = 10,
  LEASE_LEAVE_S = 60, /* a move takes no longer */
  LEASE_IDLE_S = 1, /* it is kept so long for who locks again */
  LEASE_ASK_MS = 3000,
  LEASE_SAY_MS = 100,
  LEASE_PROMISES_MAX = 4096,
};

#define LEASE_SECOND ((gint64) G_USEC_PER_SEC)

/* A file that programs here have locked, had a moment ago, or want to lock. */
typedef struct
{
  guint64 ino;
  guint need; /* of the locks that are held: 0 none, 1 read, 2 write */
  guint said; /* of need: what the others were told */
  guint mode; /* that the others agreed to */
  guint asked; /* not 0: being asked for */
  gboolean recheck; /* being asked for again, as nobody could be asked before */
  gboolean yields;  /* another device asks at the same time, and goes first */
  gboolean denied;
  gboolean alone; /* nobody could be asked, or nobody has heard of it for too long */
  gboolean lost;  /* locked here, and another device was given the lease */
  gboolean doubt; /* or may have been, since it was locked */
  guint8 leaving_to[MOSS_HASH_BYTES]; /* until leaving_us */
  gint64 leaving_us;
  gint64 idle_us; /* since when need is 0 */
} Lease;

/* What another device says that it has. */
typedef struct
{
  LeaseSet *set;
  GBytes *record;
  gint64 deadline_us;
} LeaseOther;

/* Nobody else is told that it is free before this has passed. */
typedef struct
{
  guint64 ino;
  guint mode;
  guint8 device[MOSS_HASH_BYTES];
  gint64 deadline_us;
} LeasePromise;

struct _Leases
{
  Netd *netd;
  GMutex lock;
  GHashTable *mine;   /* ino → Lease */
  GHashTable *others; /* device (MossId) → LeaseOther */
  GArray *promises;   /* LeasePromise */
  guint64 sequence;
  gint64 said_us, until_us; /* until_us 0: nobody has heard */
  gboolean signing, say_again;
  guint say;   /* source */
  guint timer; /* source */
};

typedef struct _Leases Leases;

static inline gint64
lease_now_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return now.tv_sec * LEASE_SECOND + now.tv_nsec / 1000;
}

static inline gboolean
lease_clash (guint one, guint other)
{
  return (one == 2 && other > 0) || (other == 2 && one > 0);
}

/* lease.c */
void lease_wake (Leases *leases);
/* The others' answers are in. @by: nullable. Main context. */
void lease_decided (Leases *leases, guint64 ino, gboolean granted, gboolean heard);
/* Somebody gave something back: who was denied may ask again. Main context. */
void lease_retry (Leases *leases);

/* lease-others.c: with the lock */
LeaseOther *lease_other (Leases *leases, const guint8 *device);
/* Who else stands in the way of @device, as far as is known here: NULL nobody. */
const guint8 *lease_blocker (Leases *leases, guint64 ino, guint mode, const guint8 *device);
void lease_promise (Leases *leases, guint64 ino, guint mode, const guint8 *device);
void lease_promise_kept (Leases *leases, guint64 ino, const guint8 *device);
/* TRUE: it counts. */
gboolean lease_take_set (Leases *leases, LeaseSet *set, GBytes *record, gboolean direct,
                         guint left_s);
/* What has run out goes. FALSE when nothing is left that could. */
gboolean lease_expire (Leases *leases);

/* lease-wire.c: main context */
void lease_ask (Leases *leases, guint64 ino, guint mode);
/* Tells the others soon what this device has. */
void lease_say (Leases *leases);
void lease_say_locked (Leases *leases);
void lease_relay (Leases *leases);
