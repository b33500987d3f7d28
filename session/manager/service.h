/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manager.h"

G_BEGIN_DECLS

/* org.moss.Session1 and org.moss.SessionPeer1 on the session bus: a thin skin around the blocking
 * functions, each call in a thread of its own. on_logout is called in the main context once
 * everything is saved. */
gboolean moss_service_export (MossManager *manager, GError **error);
/* For the notices, from any thread. */
void moss_service_notice (MossManager *manager, const char *id, const char *kind,
                          const char *text, const char *action);

G_END_DECLS
