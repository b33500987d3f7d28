// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define MOSS_TYPE_SANDBOX (moss_sandbox_get_type ())
G_DECLARE_FINAL_TYPE (MossSandbox, moss_sandbox, MOSS, SANDBOX, GObject)

typedef enum {
  MOSS_SANDBOX_STARTING,
  MOSS_SANDBOX_RUNNING,
  MOSS_SANDBOX_FROZEN,
  MOSS_SANDBOX_LEAVING,
  MOSS_SANDBOX_ARRIVING,
  MOSS_SANDBOX_AWAY,
  MOSS_SANDBOX_ON_ITS_WAY,
  MOSS_SANDBOX_STORED,
  MOSS_SANDBOX_ENDED,
} MossSandboxState;

/* A mirror of one dictionary of org.moss.Session1; the fields are read-only outside
   sandbox.c. Strings are never NULL. Emits "changed" after an update. */
struct _MossSandbox
{
  GObject parent_instance;

  char *id;
  char *app;
  char *name;
  char *icon;
  char *device;
  char *origin;
  char *text;
  MossSandboxState state;
  double progress;
  gboolean travels;
  gboolean network;
  guint files;
  char **blockers;
  GVariant *geometry; /* what the shell stored, or NULL */
  GBytes *picture;    /* PNG, or NULL */
};

MossSandbox *moss_sandbox_new (const char *id);
void moss_sandbox_update (MossSandbox *self, GVariant *fields);
gboolean moss_sandbox_has_display (MossSandbox *self);
gboolean moss_sandbox_is_moving (MossSandbox *self);
gboolean moss_sandbox_is_elsewhere (MossSandbox *self);

G_END_DECLS
