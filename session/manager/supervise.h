/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manager.h"

G_BEGIN_DECLS

/* Keeps a program running: starts it, and again when it ends, after a pause that grows from 0.2 s
 * to 10 s while it keeps failing. Where a systemd user instance has a unit of that name, systemd
 * does this, and the unit is only started. Main thread only. */
typedef struct _MossChild MossChild;

/* program: its name below libexec or in PATH. bus_name: what it owns once it is up; it is not
 * started when somebody owns that already; may be NULL. argv: further arguments, or NULL. */
MossChild *moss_child_keep (GDBusConnection *bus, const char *program, const char *bus_name,
                            const char *const *argv);
/* Ends it, waits a moment, and frees. */
void moss_child_end (MossChild *child);

G_END_DECLS
