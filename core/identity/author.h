// SPDX-License-Identifier: LGPL-2.1-or-later
/* Making statements. Only who holds a device's signing key can: the agent. Every function gives
 * back a new chain that was verified like one from elsewhere. */
#pragma once

#include "core/identity/user-key.h"

G_BEGIN_DECLS

/* Who signs. */
typedef struct
{
  guint slot;
  guint suite;
  GBytes *secret;
} MossAuthor;

GBytes *moss_author_agree (const MossDeviceRecord *record,
                           GBytes *secret,
                           const guint8 *identity,
                           GError **error);
MossChain *moss_author_append (const MossAuthor *author,
                               MossChain *chain,
                               MossStatement *statement,
                               GError **error);
MossChain *moss_author_create (const MossAuthor *author,
                               const char *name,
                               const MossDeviceRecord *record,
                               GBytes *user_key,
                               GError **error);
MossChain *moss_author_add_device (const MossAuthor *author,
                                   MossChain *chain,
                                   const MossDeviceRecord *record,
                                   GBytes *reverse,
                                   GBytes *user_key,
                                   GError **error);
MossChain *moss_author_revoke (const MossAuthor *author,
                               MossChain *chain,
                               guint slot,
                               GBytes *user_key,
                               GBytes *next_key,
                               GError **error);

G_END_DECLS
