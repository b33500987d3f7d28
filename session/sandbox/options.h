/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MOSS_SANDBOX_HOME "/home/moss"
#define MOSS_SANDBOX_MAX_ARGS 256
#define MOSS_SANDBOX_MAX_ARGS_BYTES (64u << 10)
#define MOSS_SANDBOX_MAX_NAME 64

/* What a caller asked for, checked. */
typedef struct
{
  GStrv argv;    /* the app's; NULL in options for Restore */
  GStrv env;     /* NAME=value, allow-listed names only, each once; never NULL */
  char *cwd;     /* absolute, as seen inside */
  char *name;    /* what messages call it */
  gboolean network;
  gboolean x11;
} MossSandboxOptions;

typedef enum
{
  MOSS_SANDBOX_OPTIONS_CREATE,
  MOSS_SANDBOX_OPTIONS_RESTORE, /* only name and network */
} MossSandboxOptionsUse;

/* Reads a{sv} as data/dbus/org.moss.sandboxd.xml describes it. Unknown keys, wrong types and
 * anything too long are refused with INVALID or LIMIT. Pure. */
MossSandboxOptions *moss_sandbox_options_parse (GVariant *dict, MossSandboxOptionsUse use,
                                                GError **error);
void moss_sandbox_options_free (MossSandboxOptions *options);

/* A lower-case UUID, which is all that an id may be: it becomes part of paths. */
gboolean moss_sandbox_id_is_valid (const char *id);

/* TRUE when "NAME=value" may be given to an app. */
gboolean moss_sandbox_env_is_allowed (const char *assignment);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossSandboxOptions, moss_sandbox_options_free)

G_END_DECLS
