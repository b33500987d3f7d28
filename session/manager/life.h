/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manager.h"

G_BEGIN_DECLS

/* The life of a sandbox on this device. All but the handlers block and are for worker threads. */

/* files: a(ayh) into fds. Returns the id; free with g_free(). */
char *moss_run (MossManager *manager, const char *what, const char *const *arguments,
                GVariant *files, GUnixFDList *fds, GVariant *options, GError **error);
gboolean moss_close (MossManager *manager, const char *id, gboolean force, GError **error);
gboolean moss_discard (MossManager *manager, const char *id, GError **error);

/* Its last process ended. */
void moss_life_on_exited (MossManager *manager, const char *id, int status);
/* Brings the list in line with what sandboxd has, after a start of either. */
void moss_life_reconcile (MossManager *manager);
/* An app that stopped although nobody asked it to: what is kept of it, told in one sentence. */
void moss_life_lost (MossManager *manager, const char *id);

/* snapshots.c. Each returns an id; free with g_free(). */
char *moss_snapshot_take (MossManager *manager, const char *id, const char *kind,
                          const char *label, GError **error);
char *moss_snapshot_restore (MossManager *manager, const char *snapshot, gboolean copy,
                             GError **error);
/* Saves every sandbox and ends it. FALSE: one could not be saved; it and those not yet saved run
 * on. */
gboolean moss_logout (MossManager *manager, GError **error);
/* What the last logout saved runs again. */
void moss_login (MossManager *manager);

/* settings.c: the desktop's settings, told to one sandbox or (id NULL) to all that run. */
void moss_settings_apply (MossManager *manager, const char *id, GVariant *settings);
GVariant *moss_settings_get (MossManager *manager);
/* Asks the windows to close, over the display. */
gboolean moss_display_close_all (MossManager *manager, const char *id, GError **error);

/* preflight.c: a{sv}, floating. Answers from what is known within 50 ms and freshens that. */
GVariant *moss_preflight (MossManager *manager, const char *id, const char *device,
                          GError **error);
/* Looks what could keep it from travelling, for the badge. */
void moss_preflight_refresh (MossManager *manager, const char *id);
/* Somebody looks at the list: it is kept fresh for a while. Does not block. */
void moss_preflight_look (MossManager *manager);

G_END_DECLS
