/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

/* The connection to moss-sandboxd. It is made when it is first needed and again when it broke.
 * Calls block, may be made in any thread, and fail with a MossMoveError or an error of sandboxd
 * whose message is a sentence. */
#define MOSS_TYPE_HELPER (moss_helper_get_type ())
G_DECLARE_FINAL_TYPE (MossHelper, moss_helper, MOSS, HELPER, GObject)

/* Signals, in the main context: "exited" (const char *id, int status); "lost": the connection
 * broke; "connected": it is there (again). */

/* socket: NULL for $MOSS_SANDBOXD_SOCKET or /run/moss/sandboxd.sock. */
MossHelper *moss_helper_new (const char *socket);

/* Where sandboxd listens. */
const char *moss_helper_get_socket (MossHelper *helper);

gboolean moss_helper_connect (MossHelper *helper, GError **error);

/* Calls a method of Sandboxd1. parameters: a tuple, floating is taken. fds_in may be NULL, as may
 * fds_out. Returns the reply's tuple, which is of the type the interface says. */
GVariant *moss_helper_call (MossHelper *helper, const char *method, GVariant *parameters,
                            const char *reply_type, GUnixFDList *fds_in, GUnixFDList **fds_out,
                            GError **error);
/* The same for a method that takes only a sandbox and gives nothing back. */
gboolean moss_helper_do (MossHelper *helper, const char *method, const char *id, GError **error);
/* "running", "frozen", "dead", or NULL when it has no such sandbox (or an error is set). */
char *moss_helper_state (MossHelper *helper, const char *id, GError **error);

/* Takes the descriptor that a reply's handle names out of a list; −1 with the error set. */
int moss_helper_take_fd (GUnixFDList *fds, gint32 handle, GError **error);

/* Makes a D-Bus error's message the plain sentence it was. Returns error. */
GError *moss_tidy_error (GError *error);

G_END_DECLS
