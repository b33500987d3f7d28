/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "state.h"

G_BEGIN_DECLS

/* The list of sandboxes as org.moss.Session1 shows it: a table of fields each. All functions may
 * be called in any thread; "changed" and "removed" come in the main context. What outlives a
 * restart is written to the state as it changes. */
#define MOSS_TYPE_REGISTRY (moss_registry_get_type ())
G_DECLARE_FINAL_TYPE (MossRegistry, moss_registry, MOSS, REGISTRY, GObject)

/* Signals: "changed" (const char *id), "removed" (const char *id). */

MossRegistry *moss_registry_new (MossState *state);

/* Sets fields: key, GVariant (floating is taken) pairs, ended by NULL. A sandbox that was not
 * known is added. */
void moss_registry_set (MossRegistry *registry, const char *id, ...) G_GNUC_NULL_TERMINATED;
void moss_registry_remove (MossRegistry *registry, const char *id);

gboolean moss_registry_has (MossRegistry *registry, const char *id);
/* A field, or NULL; free with g_variant_unref(). */
GVariant *moss_registry_get (MossRegistry *registry, const char *id, const char *key);
/* A string field, "" when there is none; free with g_free(). */
char *moss_registry_get_string (MossRegistry *registry, const char *id, const char *key);
gboolean moss_registry_get_boolean (MossRegistry *registry, const char *id, const char *key);
gboolean moss_registry_is (MossRegistry *registry, const char *id, const char *state);

/* a{sv} and aa{sv}, floating; the picture only where asked for. NULL: no such sandbox. */
GVariant *moss_registry_describe (MossRegistry *registry, const char *id, gboolean picture);
GVariant *moss_registry_list (MossRegistry *registry);
/* Free with g_strfreev(). */
GStrv moss_registry_ids (MossRegistry *registry);

/* One thing at a time is done to a sandbox. claim() fails with BUSY, unless wait is set; the
 * cancellable it returns (referenced) is what moss_registry_cancel() triggers. */
GCancellable *moss_registry_claim (MossRegistry *registry, const char *id, gboolean wait,
                                   GError **error);
void moss_registry_release (MossRegistry *registry, const char *id);
gboolean moss_registry_cancel (MossRegistry *registry, const char *id);
gboolean moss_registry_is_claimed (MossRegistry *registry, const char *id);

G_END_DECLS
