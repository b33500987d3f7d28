// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "offers.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* MossFunctionsClient: the broker, as a page shows it. Never blocks; main context.
 * Signals: "changed" offers, or why there are none, are others; "running" calls are others. */
#define MOSS_TYPE_FUNCTIONS_CLIENT (moss_functions_client_get_type ())
G_DECLARE_FINAL_TYPE (MossFunctionsClient, moss_functions_client, MOSS, FUNCTIONS_CLIENT, GObject)

MossFunctionsClient *moss_functions_client_new (GDBusConnection *bus);
/* Of MossCapability; borrowed until "changed". NULL: not known (yet). */
GPtrArray *moss_functions_client_get_capabilities (MossFunctionsClient *self);
/* Why there is nothing to show: a sentence, or NULL. */
const char *moss_functions_client_get_problem (MossFunctionsClient *self);
/* Asks again at once; by itself it does so ever more seldom while there is a problem. */
void moss_functions_client_retry (MossFunctionsClient *self);
/* aa{sv} as Running gives it, or NULL; borrowed until "running". */
GVariant *moss_functions_client_get_running (MossFunctionsClient *self);
void moss_functions_client_cancel (MossFunctionsClient *self, guint64 call);
/* callback as g_dbus_connection_call() has it; the answer is (aa{sv}) of Possible. */
void moss_functions_client_ask_possible (MossFunctionsClient *self, const char *caps,
                                         guint64 bytes, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer data);

G_END_DECLS
