// SPDX-License-Identifier: GPL-3.0-or-later
/* Leases: the right to lock a file of /net, among the person's devices; docs/formats/lease.md. */
#pragma once

#include "core/link/link.h"
#include "vfs/netd/fuse.h"
#include "vfs/netd/netd.h"

#define LEASE_CALL_PREFIX "lease."

/* Main context, before the others. */
void lease_start (Netd *netd);
/* A device was linked, or its link went. Main context. */
void lease_links_changed (Netd *netd);
/* A call of another device whose method begins with LEASE_CALL_PREFIX. Main context. */
void lease_call (Netd *netd,
                 MossLink *link,
                 guint64 request,
                 const char *method,
                 GVariant *body);

/* The app that has these locked, a(tttyy), is on its way to a device, which may have the leases
 * from now on. Any thread. */
void lease_leave (Netd *netd, GVariant *locks, const char *device);

/* What MossMountHooks wants; any thread, user_data is the Netd. */
MossMountLease lease_want (guint64 ino, gboolean write, gboolean again, gpointer netd);
void lease_need (guint64 ino, guint need, gpointer netd);
gboolean lease_in_doubt (guint64 ino, gpointer netd);
/* Who has it: a device's name, "" when it is free. (transfer full). @end_us: until when, by the
 * clock on the wall; 0: as long as no other device can be asked. */
char *lease_get (guint64 ino, gint64 *end_us, gpointer netd);
