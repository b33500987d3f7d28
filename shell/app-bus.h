// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "moss-dbus-session.h"

G_BEGIN_DECLS

/* Connects to the private message bus of a sandbox (docs/formats/viewer.md, "Message bus"). Who
   answers there is an app. Nothing blocks; the connection closes when the app is frozen. */
void moss_app_bus_connect (MossDBusSession1 *session, const char *sandbox,
                           GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer data);
/* (transfer full) */
GDBusConnection *moss_app_bus_connect_finish (GAsyncResult *result, GError **error);

G_END_DECLS
