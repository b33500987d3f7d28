// SPDX-License-Identifier: LGPL-2.1-or-later
/* MossFilesClient: what netd says of /net, kept up to date by its signals.
 *
 * It never blocks, starts nothing and never touches the mount: it may live in any program that
 * shows files. While netd is restarted what was known stays for some seconds. All of it belongs
 * to the main context that was thread-default when it was made.
 *
 * Signals: "changed" () home, mount or status; "files-changed" (GStrv) paths whose Info is
 * another; "received" (const char *path, const char *device). */
#pragma once

#include "info.h"
#include "status.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define MOSS_FILES_NAME "org.moss.Net1"
#define MOSS_FILES_PATH "/org/moss/Files"
#define MOSS_FILES_INTERFACE "org.moss.Files1"

#define MOSS_TYPE_FILES_CLIENT (moss_files_client_get_type ())
G_DECLARE_FINAL_TYPE (MossFilesClient, moss_files_client, MOSS, FILES_CLIENT, GObject)

MossFilesClient *moss_files_client_new (GDBusConnection *bus);
GDBusConnection *moss_files_client_get_bus (MossFilesClient *self); /* borrowed */
/* "/net/name@domain", "" without one; borrowed until "changed". */
const char *moss_files_client_get_home (MossFilesClient *self);
const char *moss_files_client_get_mount_state (MossFilesClient *self);
/* Borrowed until "changed". */
const MossFilesView *moss_files_client_get_view (MossFilesClient *self);
/* A call of Files1; callback as g_dbus_connection_call() has it (source: the connection). It
 * waits as long as it takes: nothing of the caller's may wait for it. parameters: floating. */
void moss_files_client_call (MossFilesClient *self, const char *method, GVariant *parameters,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer data);

G_END_DECLS
