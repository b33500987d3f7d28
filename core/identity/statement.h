// SPDX-License-Identifier: LGPL-2.1-or-later
/* One signed statement of an identity's chain: docs/formats/identity.md. Pure functions, any
 * thread. Nothing here decides whether a statement holds: the chain does. */
#pragma once

#include "core/crypto/suite.h"

G_BEGIN_DECLS

#define MOSS_STATEMENT_MAX 512
#define MOSS_STATEMENT_HEAD 56
#define MOSS_STATEMENT_DOMAIN "moss-identity-1"
#define MOSS_DEVICE_DOMAIN "moss-device-1"
#define MOSS_IDENTITY_NAME_MAX 48
#define MOSS_DEVICE_NAME_MAX 40
#define MOSS_HOST_NAME_MAX 100
#define MOSS_HOSTS_MAX 8
#define MOSS_SEALED_PREVIOUS_BYTES (MOSS_KEY_BYTES + MOSS_TAG_BYTES)
#define MOSS_BOX_BYTES (MOSS_KEY_BYTES + MOSS_KEY_BYTES + MOSS_TAG_BYTES)

#define MOSS_CHAIN_ERROR (moss_chain_error_quark ())
typedef enum
{
  MOSS_CHAIN_ERROR_CORRUPT, /* not what a statement or a chain looks like: refuse it */
  MOSS_CHAIN_ERROR_NEWER,   /* made by a newer version of Moss */
  MOSS_CHAIN_ERROR_FORGED,  /* a signature doesn't fit, or the signer had no right to it */
  MOSS_CHAIN_ERROR_REVOKED, /* signed by a device after its revocation */
  MOSS_CHAIN_ERROR_OLD,     /* an older chain than was seen: somebody holds something back */
  MOSS_CHAIN_ERROR_FORKED,  /* two chains of one identity contradict each other */
  MOSS_CHAIN_ERROR_FOREIGN, /* the chain of another identity */
  MOSS_CHAIN_ERROR_FULL,
} MossChainError;

GQuark moss_chain_error_quark (void);

/* Numbers are on disks and wires: never reuse one. */
typedef enum
{
  MOSS_STATEMENT_CREATE = 1,
  MOSS_STATEMENT_ADD_DEVICE = 2,
  MOSS_STATEMENT_REVOKE = 3,
  MOSS_STATEMENT_ROTATE = 4,
  MOSS_STATEMENT_GRANT = 5,
  MOSS_STATEMENT_HOSTS = 6,
  MOSS_STATEMENT_NAME = 7,
} MossStatementType;

typedef enum
{
  MOSS_SCOPE_FULL = 1,     /* may sign statements */
  MOSS_SCOPE_NO_ADMIN = 2, /* reads and writes files, changes no devices */
  MOSS_SCOPE_KIOSK = 3,
} MossScope;

typedef struct
{
  guint8 fingerprint[MOSS_HASH_BYTES]; /* of its TLS certificate */
  guint8 suite;
  GBytes *signing_key;
  guint8 exchange_key[MOSS_KEY_BYTES];
  guint8 scope;
  char *name;
} MossDeviceRecord;

typedef struct
{
  guint8 type;
  guint8 suite; /* of the signature */
  guint32 seq;
  guint16 signer; /* slot */
  gint64 time_s;  /* as its signer's clock said; nothing hangs on it */
  guint8 previous[MOSS_HASH_BYTES];

  char *name;               /* create, name: the person's */
  MossDeviceRecord *device; /* create, add-device */
  guint16 slot;             /* add-device, revoke, grant: whose */
  guint32 as_of;            /* revoke: the last seq at which the device was to be believed */
  GBytes *reverse;          /* add-device: signature of the new device */
  guint32 generation;       /* rotate, grant */
  guint8 commitment[MOSS_HASH_BYTES];                /* rotate */
  guint8 sealed_previous[MOSS_SEALED_PREVIOUS_BYTES]; /* rotate */
  guint8 box[MOSS_BOX_BYTES];                        /* grant */
  GStrv hosts;              /* hosts */
} MossStatement;

void moss_device_record_free (MossDeviceRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossDeviceRecord, moss_device_record_free)
MossDeviceRecord *moss_device_record_copy (const MossDeviceRecord *record);
GBytes *moss_device_record_encode (const MossDeviceRecord *record, GError **error);
MossDeviceRecord *moss_device_record_decode (GBytes *bytes, GError **error);
GBytes *moss_device_reverse_message (const guint8 *identity, GBytes *record);

GBytes *moss_statement_encode (const MossStatement *statement, GError **error);
GBytes *moss_statement_sign (const MossStatement *statement, GBytes *secret, GError **error);
gboolean moss_statement_decode (const guint8 *bytes,
                                gsize available,
                                MossStatement *statement,
                                gsize *length,
                                GError **error);
void moss_statement_clear (MossStatement *statement);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MossStatement, moss_statement_clear)

gboolean moss_identity_name_is_valid (const char *name);
char *moss_identity_id_to_text (const guint8 *id);
gboolean moss_identity_id_from_text (const char *text, guint8 *id, GError **error);

G_END_DECLS
