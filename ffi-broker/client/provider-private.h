// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "buffer-wire.h"
#include "provider.h"

#include <glib-unix.h>

G_BEGIN_DECLS

/* A function as it was added. Counted, so that a call under way keeps its closure. */
typedef struct
{
  gatomicrefcount refs;
  char *name;
  char *capability;
  GVariant *attributes; /* a{sv} */
  MossFfiFunction run;
  gpointer data;
  GDestroyNotify destroy;
} MossFfiOffered;

struct _MossFfiProvider
{
  GObject parent_instance;
  char *id;
  char *version;
  char *name;
  GMutex lock;           /* of functions */
  GHashTable *functions; /* name → offered */
  GMainContext *context;
  GMainLoop *loop;
  GThreadPool *threads;
  GHashTable *callers; /* used by context only */
  guint n_calls;       /* atomic */
  gboolean returns_memory;
  int broker;
  gboolean inherited; /* the broker's socket was given to us: with it goes the provider */
  GSource *broker_source;
  GSource *retry;
};

void moss_ffi_clear_source (GSource **source);
GSource *moss_ffi_provider_watch (MossFfiProvider *provider,
                                  int fd,
                                  GUnixFDSourceFunc func,
                                  gpointer data,
                                  GDestroyNotify destroy);
/* provider-broker.c. @list: of MossFfiOffered */
gboolean
moss_ffi_provider_announce (MossFfiProvider *provider, GPtrArray *list, GError **error);
void moss_ffi_provider_drop_broker (MossFfiProvider *provider);

MossFfiOffered *moss_ffi_offered_ref (MossFfiOffered *offered);
void moss_ffi_offered_unref (MossFfiOffered *offered);

/* Somebody's connection. Answers go out on it from any thread; it is closed with its last
 * reference, and cut before that when its caller is gone or breaks the rules. */
typedef struct
{
  gatomicrefcount refs;
  int fd;
  gboolean trusted;
  guint *n_calls;      /* of the provider, atomic */
  GSource *source;     /* of the provider's context */
  GMutex lock;         /* of running */
  GHashTable *running; /* serial → GCancellable, both the invocation's */
} MossFfiCaller;

MossFfiCaller *moss_ffi_caller_new (int fd, gboolean trusted);
MossFfiCaller *moss_ffi_caller_ref (MossFfiCaller *caller);
void moss_ffi_caller_unref (MossFfiCaller *caller);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiCaller, moss_ffi_caller_unref)
void moss_ffi_caller_cut (MossFfiCaller *caller);
void moss_ffi_caller_cancel (MossFfiCaller *caller, guint64 serial);
gboolean moss_ffi_caller_send (MossFfiCaller *caller,
                               MossFfiFrameKind kind,
                               guint64 serial,
                               GVariant *body,
                               const MossFfiFds *fds);
void
moss_ffi_caller_send_error (MossFfiCaller *caller, guint64 serial, const GError *error);

MossFfiInvocation *
moss_ffi_invocation_new (MossFfiCaller *caller, MossFfiFrame *frame, GError **error);
void moss_ffi_invocation_run (MossFfiInvocation *invocation);
void moss_ffi_invocation_set_offered (MossFfiInvocation *invocation,
                                      MossFfiOffered *offered);

G_END_DECLS
