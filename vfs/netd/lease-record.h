// SPDX-License-Identifier: GPL-3.0-or-later
/* What a device says of the leases it has: one signed statement of all of them;
 * docs/formats/lease.md. */
#pragma once

#include "core/crypto/suite.h"

G_BEGIN_DECLS

#define LEASE_ITEMS_MAX 4096
#define LEASE_RECORD_MAX (64 * 1024)
#define LEASE_LIFE_MAX_S 60
#define LEASE_DOMAIN "moss-lease-1"

typedef struct
{
  guint64 ino;
  guint8 mode; /* 1 to read, 2 to write */
} LeaseItem;

typedef struct
{
  guint8 tree[MOSS_HASH_BYTES];
  guint8 device[MOSS_HASH_BYTES];
  guint64 sequence; /* grows with each of this device */
  gint64 end_us;    /* by its own clock: to be shown, nothing hangs on it */
  guint32 life_s;   /* it is for so long from when it came */
  GArray *items;    /* LeaseItem */
  guint suite;      /* of the signature */
  GBytes *signature;
  gsize signed_length;
} LeaseSet;

/* What is to be signed. */
GByteArray *lease_set_write (const LeaseSet *set);
/* With its signature. (transfer full) */
GBytes *lease_set_seal (GByteArray *message, guint suite, GBytes *signature);
/* Checks the form, not the signature, which is over the first signed_length bytes. G_IO_ERROR */
LeaseSet *lease_set_read (GBytes *record, GError **error);
void lease_set_free (LeaseSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LeaseSet, lease_set_free)
/* 0: not among them */
guint lease_set_mode (const LeaseSet *set, guint64 ino);

G_END_DECLS
