// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "result.h"

G_BEGIN_DECLS

/**
 * MossFfiClient:
 *
 * Calls functions: chooses the provider that is best for this input, calls it, and asks
 * the next best one when it dies. Any thread; calls from several threads run at the same
 * time.
 */
#define MOSS_FFI_TYPE_CLIENT (moss_ffi_client_get_type ())
G_DECLARE_FINAL_TYPE (MossFfiClient, moss_ffi_client, MOSS_FFI, CLIENT, GObject)

MossFfiClient *moss_ffi_client_get_default (GError **error);
MossFfiClient *moss_ffi_client_new_for_socket (const char *path);

MossFfiResult *moss_ffi_client_call (MossFfiClient *client,
                                     const char *capability,
                                     MossFfiBuffer **inputs,
                                     guint n_inputs,
                                     GVariant *options,
                                     GCancellable *cancellable,
                                     GError **error);
void moss_ffi_client_call_async (MossFfiClient *client,
                                 const char *capability,
                                 MossFfiBuffer **inputs,
                                 guint n_inputs,
                                 GVariant *options,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);
/**
 * MossFfiProgress:
 * @fraction: how much is done, 0 to 1; never less than before
 * @data: what was given with it
 */
typedef void (*MossFfiProgress) (double fraction, gpointer data);

void moss_ffi_client_call_with_progress_async (MossFfiClient *client,
                                               const char *capability,
                                               MossFfiBuffer **inputs,
                                               guint n_inputs,
                                               GVariant *options,
                                               GCancellable *cancellable,
                                               MossFfiProgress progress,
                                               gpointer progress_data,
                                               GDestroyNotify progress_destroy,
                                               GAsyncReadyCallback callback,
                                               gpointer user_data);
MossFfiResult *
moss_ffi_client_call_finish (MossFfiClient *client, GAsyncResult *result, GError **error);

G_END_DECLS
