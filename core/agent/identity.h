// SPDX-License-Identifier: LGPL-2.1-or-later
/* The identity of this device as its agent keeps it: the chain, and what only the agent can
 * add to it. */
#pragma once

#include "core/agent/keys.h"
#include "core/identity/seen.h"

G_BEGIN_DECLS

typedef struct
{
  MossAgentKeys *keys;
  char *dir;
  MossSeen *seen;
  MossChain *chain; /* nullable */
  MossChain *fork;  /* nullable: what contradicts it */
  char *problem;    /* a sentence, or "" */
} MossAgentIdentity;

gboolean moss_agent_identity_load (MossAgentIdentity *self,
                                   MossAgentKeys *keys,
                                   const char *dir,
                                   GError **error);
void moss_agent_identity_clear (MossAgentIdentity *self);

gboolean moss_agent_identity_create (MossAgentIdentity *self,
                                     const char *name,
                                     GBytes *fingerprint,
                                     const char *device_name,
                                     GError **error);
gboolean moss_agent_identity_join (MossAgentIdentity *self,
                                   GBytes *identity,
                                   GBytes *fingerprint,
                                   const char *device_name,
                                   GBytes **record,
                                   GBytes **reverse,
                                   GError **error);
gboolean moss_agent_identity_add (MossAgentIdentity *self,
                                  GBytes *record,
                                  GBytes *reverse,
                                  GError **error);
gboolean moss_agent_identity_revoke (MossAgentIdentity *self,
                                     GBytes *fingerprint,
                                     GError **error);
gboolean moss_agent_identity_set_hosts (MossAgentIdentity *self,
                                        const char *const *hosts,
                                        GError **error);
const char *moss_agent_identity_take (MossAgentIdentity *self, GBytes *bytes, GError **error);
gboolean moss_agent_identity_leave (MossAgentIdentity *self, gboolean force, GError **error);
gboolean moss_agent_identity_resolve (MossAgentIdentity *self, gboolean mine, GError **error);
GVariant *moss_agent_identity_tree_keys (MossAgentIdentity *self, GError **error);
gboolean moss_agent_identity_is_alive (MossAgentIdentity *self);

G_END_DECLS
