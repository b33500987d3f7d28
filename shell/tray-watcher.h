// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* MossTrayWatcher: the StatusNotifierWatcher of one message bus. Where somebody else has that
   name it waits in the queue. Signal: "registered" (const char *name, const char *path), also
   for what was there before. */
#define MOSS_TYPE_TRAY_WATCHER (moss_tray_watcher_get_type ())
G_DECLARE_FINAL_TYPE (MossTrayWatcher, moss_tray_watcher, MOSS, TRAY_WATCHER, GObject)

MossTrayWatcher *moss_tray_watcher_new (GDBusConnection *bus);
GDBusConnection *moss_tray_watcher_get_bus (MossTrayWatcher *self); /* borrowed */
void moss_tray_watcher_start (MossTrayWatcher *self);
void moss_tray_watcher_add (MossTrayWatcher *self, const char *id);
void moss_tray_watcher_remove (MossTrayWatcher *self, const char *id);

G_END_DECLS
