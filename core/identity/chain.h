// SPDX-License-Identifier: LGPL-2.1-or-later
/* The chain of an identity: who a person is, which devices are theirs, where their files are
 * kept (docs/formats/identity.md). A MossChain has been verified from its first statement to
 * its last; it never changes, and any thread may read it. */
#pragma once

#include "core/identity/statement.h"

G_BEGIN_DECLS

#define MOSS_CHAIN_MAX_BYTES (1024 * 1024)
#define MOSS_CHAIN_MAX_DEVICES 1024
#define MOSS_CHAIN_NOW G_MAXUINT32

typedef struct _MossChain MossChain;

/* What a chain says about a device. Borrowed from the chain. */
typedef struct
{
  guint16 slot; /* from 1, in the order of adding; never used twice */
  const MossDeviceRecord *record;
  guint32 added_seq;
  gboolean revoked;
  guint32 as_of;       /* if revoked: what it signed later than this seq is void */
  guint32 revoked_seq; /* if revoked: of the statement that says so */
  guint32 generation;  /* the newest user key it was given; 0: none yet */
} MossChainDevice;

typedef enum
{
  MOSS_CHAIN_SAME,
  MOSS_CHAIN_NEWER, /* the first goes on where the second ends */
  MOSS_CHAIN_OLDER, /* the other way round */
  MOSS_CHAIN_FORK,  /* they contradict each other */
  MOSS_CHAIN_FOREIGN,
} MossChainOrder;

MossChain *moss_chain_parse (GBytes *bytes, GError **error);
MossChain *moss_chain_append (MossChain *chain, GBytes *statements, GError **error);
MossChain *moss_chain_ref (MossChain *chain);
void moss_chain_unref (MossChain *chain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossChain, moss_chain_unref)

GBytes *moss_chain_get_bytes (MossChain *chain);
const guint8 *moss_chain_get_id (MossChain *chain);
const char *moss_chain_get_id_text (MossChain *chain);
const char *moss_chain_get_name (MossChain *chain);
guint32 moss_chain_get_seq (MossChain *chain);
const guint8 *moss_chain_get_head (MossChain *chain);
const guint8 *moss_chain_get_hash_at (MossChain *chain, guint32 seq);
const char *const *moss_chain_get_hosts (MossChain *chain);
guint moss_chain_get_suite (MossChain *chain);

guint moss_chain_get_n_devices (MossChain *chain);
gboolean moss_chain_get_device (MossChain *chain, guint slot, MossChainDevice *device);
gboolean moss_chain_find_device (MossChain *chain,
                                 const guint8 *fingerprint,
                                 MossChainDevice *device);
gboolean moss_chain_find_signer (MossChain *chain,
                                 guint suite,
                                 GBytes *signing_key,
                                 MossChainDevice *device);
gboolean moss_chain_device_alive (MossChain *chain, guint slot, guint32 at);

guint32 moss_chain_get_generation (MossChain *chain);
gboolean moss_chain_get_rotation (MossChain *chain,
                                  guint32 generation,
                                  const guint8 **commitment,
                                  const guint8 **sealed_previous);
const guint8 *moss_chain_get_box (MossChain *chain, guint slot);

MossChainOrder moss_chain_compare (MossChain *chain, MossChain *other);
guint32 moss_chain_find_fork (MossChain *chain, MossChain *other);
gboolean moss_chain_revokes_branch (MossChain *chain, MossChain *other);
gboolean moss_chain_describe (MossChain *chain, guint32 seq, MossStatement *statement);

G_END_DECLS
