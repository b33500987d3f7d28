/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manager.h"

G_BEGIN_DECLS

/* Moves, from both ends. All of these block and are for worker threads. */

/* Sends a sandbox to a device; returns the report (a{sv}) once it runs there. */
GVariant *moss_send (MossManager *manager, const char *id, const char *device, GError **error);
/* Has the device that it is on send it here. */
GVariant *moss_bring (MossManager *manager, const char *id, GError **error);

/* Gives up the move that it is in, from either end of it. */
void moss_cancel (MossManager *manager, const char *id);

/* Answers another session: a{sv}, or NULL with the error set. */
GVariant *moss_peer_handle (MossManager *manager, const char *device, const char *method,
                            GVariant *body, GError **error);

/* What the journal says is still to be done, for the newest move of each sandbox. device: only
 * moves with that one (the link came back), NULL: all (the session began). */
void moss_recover (MossManager *manager, const char *device);

/* Parts of it, shared by the two ends and recovery. */

/* Takes a step of a move and writes it down; the actions to be done are returned in actions.
 * FALSE: the step isn't allowed in its state (FAILED), or the journal can't be written. */
gboolean moss_move_advance (MossManager *manager, const char *move, MossMoveEvent event,
                            guint *actions, GError **error);
/* Tells the target of a released move until it says that it lives there; AWAY when it can't be
 * reached. report may be NULL. */
GVariant *moss_move_tell_released (MossManager *manager, const char *move, const char *id,
                                   const char *device, GError **error);
/* The move was released to us: make it run here. */
gboolean moss_move_own (MossManager *manager, const char *move, GVariant **answer,
                        GError **error);
/* The target's end of a move that came to nothing. */
void moss_move_drop (MossManager *manager, const char *move, MossMoveEvent event);

/* receive.c: answers to the source. */
GVariant *moss_receive_offer (MossManager *manager, const char *device, GVariant *body,
                              GError **error);
GVariant *moss_receive_ahead (MossManager *manager, const char *device, GVariant *body,
                              GError **error);
GVariant *moss_receive_manifest (MossManager *manager, const char *device, GVariant *body,
                                 GError **error);

/* whereabouts.c: tell() tells the origin what became of a sandbox here; take() hears it; ask() asks
 * for all that is with a device; answer() is for those who ask (a{sv}, floating). */
void moss_whereabouts_tell (MossManager *manager, const char *id, const char *origin);
void moss_whereabouts_take (MossManager *manager, const char *device, GVariant *news);
void moss_whereabouts_ask (MossManager *manager, const char *device);
GVariant *moss_whereabouts_answer (MossManager *manager, const char *id);

/* runtime-files.c: which of the runtime's files differ on two devices. files: aay of absolute
 * paths. describe() gives a(ayutay): path, mode, size, hash; differing() takes it on the other
 * side and gives the aay of those that are not the same there. */
/* known() remembers the files that a sandbox was seen to use and gives all of them so far (aay,
 * floating): programs that it starts for an instant are seldom seen twice. files: aay or NULL. */
GVariant *moss_runtime_known (const char *id, GVariant *files);
/* The absolute paths that stand in CRIU's list of open files (aay, floating). */
GVariant *moss_runtime_scan (int files_image, gsize size);
GVariant *moss_runtime_describe (MossManager *manager, GVariant *files);
GVariant *moss_runtime_differing (MossManager *manager, GVariant *described, GError **error);

G_END_DECLS
