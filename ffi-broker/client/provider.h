// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "buffer.h"

G_BEGIN_DECLS

/**
 * MossFfiInvocation:
 *
 * One call as the function sees it. It belongs to the function until it is answered with
 * moss_ffi_invocation_return() or moss_ffi_invocation_return_error(), from any thread and
 * also after the callback came back; freed unanswered, its caller gets an error.
 */
#define MOSS_FFI_TYPE_INVOCATION (moss_ffi_invocation_get_type ())
G_DECLARE_FINAL_TYPE (
    MossFfiInvocation, moss_ffi_invocation, MOSS_FFI, INVOCATION, GObject)

const char *moss_ffi_invocation_get_function (MossFfiInvocation *invocation);
const char *moss_ffi_invocation_get_out_caps (MossFfiInvocation *invocation);
GVariant *moss_ffi_invocation_get_options (MossFfiInvocation *invocation);
GVariant *moss_ffi_invocation_get_option (MossFfiInvocation *invocation,
                                          const char *name,
                                          const GVariantType *type);
guint moss_ffi_invocation_get_n_inputs (MossFfiInvocation *invocation);
MossFfiBuffer *moss_ffi_invocation_get_input (MossFfiInvocation *invocation, guint index);
guint64 moss_ffi_invocation_get_bytes_out (MossFfiInvocation *invocation);
GCancellable *moss_ffi_invocation_get_cancellable (MossFfiInvocation *invocation);

void moss_ffi_invocation_add_output (MossFfiInvocation *invocation,
                                     MossFfiBuffer *buffer);
void moss_ffi_invocation_set_value (MossFfiInvocation *invocation,
                                    const char *name,
                                    GVariant *value);
void moss_ffi_invocation_progress (MossFfiInvocation *invocation, double fraction);
void moss_ffi_invocation_return (MossFfiInvocation *invocation);
void moss_ffi_invocation_return_error (MossFfiInvocation *invocation,
                                       const GError *error);
void moss_ffi_invocation_return_failure (MossFfiInvocation *invocation,
                                         int code,
                                         const char *sentence);

/**
 * MossFfiFunction:
 * @invocation: (transfer none): the call; keep a reference to answer it later
 * @user_data: (closure): what the function was added with
 *
 * What is called. Runs in the provider's main context, or in one of its threads when
 * moss_ffi_provider_set_threads() says so.
 */
typedef void (*MossFfiFunction) (MossFfiInvocation *invocation, gpointer user_data);

/**
 * MossFfiProvider:
 *
 * Offers functions: announces them to the broker and answers callers directly.
 */
#define MOSS_FFI_TYPE_PROVIDER (moss_ffi_provider_get_type ())
G_DECLARE_FINAL_TYPE (MossFfiProvider, moss_ffi_provider, MOSS_FFI, PROVIDER, GObject)

MossFfiProvider *moss_ffi_provider_new (const char *id, const char *version);
void moss_ffi_provider_set_name (MossFfiProvider *provider, const char *name);
void moss_ffi_provider_set_returns_memory (MossFfiProvider *provider, gboolean returns);
void moss_ffi_provider_set_threads (MossFfiProvider *provider, guint threads);
gboolean moss_ffi_provider_add (MossFfiProvider *provider,
                                const char *capability,
                                GVariant *attributes,
                                MossFfiFunction function,
                                gpointer user_data,
                                GDestroyNotify destroy,
                                GError **error);
gboolean moss_ffi_provider_attach (MossFfiProvider *provider, GError **error);
gboolean moss_ffi_provider_run (MossFfiProvider *provider, GError **error);
void moss_ffi_provider_quit (MossFfiProvider *provider);
gboolean moss_ffi_provider_add_broker (MossFfiProvider *provider, int fd, GError **error);
void moss_ffi_provider_add_caller (MossFfiProvider *provider, int fd, gboolean trusted);
guint moss_ffi_provider_get_n_calls (MossFfiProvider *provider);

G_END_DECLS
