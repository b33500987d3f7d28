/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "registry.h"

G_BEGIN_DECLS

/* The program pasta, or NULL. Constant. */
const char *moss_network_get_program (void);

/* Gives a sandbox that asked for it a way to the network, and waits until it is there (at most two
 * seconds). Without one it simply has none: that is said in the log. The lock is held. */
void moss_network_start (MossSandbox *sandbox, pid_t init_pid);

/* Takes it away: from here on nothing leads outward. Idempotent. The lock is held. */
void moss_network_stop (MossSandbox *sandbox);

G_END_DECLS
