/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

/* moss-netd and moss-agent, seen from the session: blocking calls for worker threads, and what is
 * known of the devices. Errors are MossMoveErrors; their messages are sentences. */
#define MOSS_TYPE_NET (moss_net_get_type ())
G_DECLARE_FINAL_TYPE (MossNet, moss_net, MOSS, NET, GObject)

/* Signals, in the main context: "device-linked" (const char *id). */

MossNet *moss_net_new (GDBusConnection *bus);

/* Waits until netd and the agent answer, but no longer than this. FALSE: they don't yet. */
gboolean moss_net_wait_ready (MossNet *net, guint timeout_ms);

/* This device; "" while netd isn't there. Free with g_free(). */
char *moss_net_self_id (MossNet *net);
char *moss_net_self_name (MossNet *net);
/* What netd says of a device (a{sv}), or NULL. */
GVariant *moss_net_device (MossNet *net, const char *device);
/* Its name, or the first letters of its id. Free with g_free(). */
char *moss_net_device_name (MossNet *net, const char *device);
/* Whether it is linked now; else AWAY with the reason. */
gboolean moss_net_require_linked (MossNet *net, const char *device, GError **error);
/* Ids of all linked devices. */
GStrv moss_net_linked (MossNet *net);
/* Whether a D-Bus sender is netd itself. */
gboolean moss_net_is_netd (MossNet *net, const char *sender);

/* Calls the session of another device. Returns the reply's a{sv}. */
GVariant *moss_net_call (MossNet *net, const char *device, const char *method, GVariant *body,
                         guint timeout_ms, GError **error);
/* a(ayay) of the stored ranges. The descriptor is borrowed. */
GVariant *moss_net_put (MossNet *net, int content, GVariant *ranges, const char *on_way_to,
                        guint64 *stored_bytes, GError **error);
/* A sealed memfd (the caller closes it) and au of lengths; refs: a(ayay). −1 on error. */
int moss_net_get (MossNet *net, GVariant *refs, const char *device, GVariant **lengths,
                  guint64 *fetched_bytes, GError **error);
/* refs: a(ayay) whose ids are the root's; NULL removes it. */
gboolean moss_net_set_root (MossNet *net, const char *name, GVariant *refs, GError **error);
/* Bytes sent to a device over its link so far. */
guint64 moss_net_sent_bytes (MossNet *net, const char *device);

/* The envelope of a manifest, signed by this device. */
/* What the other device's moss_net_enter_files() needs before an app that stands still here runs
 * there: a dictionary, or NULL when there is nothing to say. (transfer full) */
GVariant *moss_net_leave_files (MossNet *net, const char *sandbox, const char *device);
void moss_net_enter_files (MossNet *net, const char *sandbox, GVariant *files);
GBytes *moss_net_seal (MossNet *net, GBytes *manifest, GError **error);
/* The manifest in an envelope that the device (or this one) must have signed. */
GBytes *moss_net_open (MossNet *net, const char *device, GBytes *envelope, GError **error);

G_END_DECLS
