// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core/agent/identity.h"

#include "moss-dbus-agent.h"

G_BEGIN_DECLS

/* What moss-agent is. One thread. */
typedef struct
{
  MossAgentKeys keys;
  MossAgentIdentity identity;
  MossDBusAgent1 *interface;
} MossAgentService;

void moss_agent_service_start (MossAgentService *service);
void moss_agent_service_clear (MossAgentService *service);

G_END_DECLS
