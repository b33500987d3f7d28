/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "helper.h"
#include "net.h"
#include "registry.h"
#include "state.h"

G_BEGIN_DECLS

/* What every part of the session works with. Made once in main.c, lives as long as the process. */
typedef struct
{
  GMainLoop *loop;
  GDBusConnection *bus;
  MossState *state;
  MossRegistry *registry;
  MossHelper *helper;
  MossNet *net;
  char *runtime;          /* root of the runtime's files, "/" as a rule */
  char *boot_id;          /* of this kernel: one boot, one monotonic clock */
  GVariant *features;     /* a{sv} of sandboxd's Hello, or NULL; under lock */
  GMutex lock;
  GHashTable *arrivals;   /* move id → MossArrival; under lock (receive.c) */
  GHashTable *inspections; /* sandbox id → what preflight.c knows; under lock */
  GHashTable *checks;     /* device id → what it said of itself; under lock */
  gint apps_have_net;     /* atomic: sandboxes here get /net (mount.c) */
  gint64 looked_us;       /* when somebody last looked at the list; under lock (preflight.c) */
  guint look_timer;       /* 0: nobody looks; under lock */
  gboolean logging_out;
  void (*notice) (const char *id, const char *kind, const char *text, const char *action);
} MossManager;

/* Says a sentence to the person; any thread. id and action may be "". */
void moss_manager_notice (MossManager *manager, const char *id, const char *kind,
                          const char *action, const char *format, ...) G_GNUC_PRINTF (5, 6);

/* What sandboxd says of this machine (a{sv}), asked once; NULL with the error set. */
GVariant *moss_manager_features (MossManager *manager, GError **error);

/* Room for sandboxes: on the fuller of the disks that they use, and in memory. */
guint64 moss_manager_free_disk_bytes (void);
guint64 moss_manager_free_memory_bytes (void);

/* Runs a function in a thread of its own. data is freed by it. */
void moss_manager_spawn (MossManager *manager, const char *name,
                         void (*function) (MossManager *manager, gpointer data), gpointer data);

/* The name of a sandbox as messages call it; free with g_free(). */
char *moss_manager_app_name (MossManager *manager, const char *id);

G_END_DECLS
