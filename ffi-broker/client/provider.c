// SPDX-License-Identifier: LGPL-2.1-or-later
/* The other side of a call: functions by name, their callers, and a queue to the main
 * context or to threads. The way to the broker is provider-broker.c. */
#include "provider-private.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

G_DEFINE_FINAL_TYPE (MossFfiProvider, moss_ffi_provider, G_TYPE_OBJECT)

MossFfiOffered *
moss_ffi_offered_ref (MossFfiOffered *offered)
{
  g_atomic_ref_count_inc (&offered->refs);
  return offered;
}

void
moss_ffi_offered_unref (MossFfiOffered *offered)
{
  if (!g_atomic_ref_count_dec (&offered->refs))
    return;
  if (offered->destroy)
    offered->destroy (offered->data);
  g_variant_unref (offered->attributes);
  g_free (offered->name);
  g_free (offered->capability);
  g_free (offered);
}

void
moss_ffi_clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
drop_caller (gpointer data)
{
  MossFfiCaller *caller = data;

  moss_ffi_clear_source (&caller->source);
  moss_ffi_caller_cut (caller);
  moss_ffi_caller_unref (caller);
}

static void
moss_ffi_provider_dispose (GObject *object)
{
  MossFfiProvider *self = MOSS_FFI_PROVIDER (object);

  moss_ffi_clear_source (&self->retry);
  moss_ffi_provider_drop_broker (self);
  g_clear_pointer (&self->callers, g_hash_table_unref);
  if (self->threads)
    g_thread_pool_free (g_steal_pointer (&self->threads), FALSE, TRUE);
  G_OBJECT_CLASS (moss_ffi_provider_parent_class)->dispose (object);
}

static void
moss_ffi_provider_finalize (GObject *object)
{
  MossFfiProvider *self = MOSS_FFI_PROVIDER (object);

  g_clear_pointer (&self->functions, g_hash_table_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  g_mutex_clear (&self->lock);
  g_free (self->id);
  g_free (self->version);
  g_free (self->name);
  G_OBJECT_CLASS (moss_ffi_provider_parent_class)->finalize (object);
}

static void
moss_ffi_provider_class_init (MossFfiProviderClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = moss_ffi_provider_dispose;
  object_class->finalize = moss_ffi_provider_finalize;
}

static void
moss_ffi_provider_init (MossFfiProvider *self)
{
  g_mutex_init (&self->lock);
  self->broker = -1;
  self->functions = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                           (GDestroyNotify)moss_ffi_offered_unref);
  self->callers = g_hash_table_new_full (NULL, NULL, drop_caller, NULL);
  self->context = g_main_context_ref_thread_default ();
  self->loop = g_main_loop_new (self->context, FALSE);
}

/**
 * moss_ffi_provider_new:
 * @id: who offers, as "process:myprog"
 * @version: its version; what is learned about its speed is thrown away with it
 *
 * Its callbacks run in the main context that is this thread's default now.
 *
 * Returns: (transfer full): a provider without functions
 */
MossFfiProvider *
moss_ffi_provider_new (const char *id, const char *version)
{
  MossFfiProvider *self = g_object_new (MOSS_FFI_TYPE_PROVIDER, NULL);

  self->id = g_strdup (id);
  self->version = g_strdup (version);
  return self;
}

/**
 * moss_ffi_provider_set_name:
 * @provider: a provider
 * @name: what people read; before it is attached
 */
void
moss_ffi_provider_set_name (MossFfiProvider *self, const char *name)
{
  g_autofree char *old = self->name;

  self->name = g_strdup (name);
}

/**
 * moss_ffi_provider_set_returns_memory:
 * @provider: a provider
 * @returns: whether its functions don't look at what they were called with after they
 *   answered
 *
 * Large arguments of callers that it trusts are then in memory that is used again, which
 * is quicker. Before it is attached.
 */
void
moss_ffi_provider_set_returns_memory (MossFfiProvider *self, gboolean returns)
{
  self->returns_memory = returns;
}

static void
run_in_thread (gpointer invocation, gpointer unused)
{
  moss_ffi_invocation_run (invocation);
}

/**
 * moss_ffi_provider_set_threads:
 * @provider: a provider
 * @threads: how many calls may run at the same time; 0: one after the other in the main
 * context
 *
 * Before the first call.
 */
void
moss_ffi_provider_set_threads (MossFfiProvider *self, guint threads)
{
  if (self->threads)
    g_thread_pool_free (g_steal_pointer (&self->threads), FALSE, TRUE);
  if (threads > 0)
    self->threads = g_thread_pool_new (run_in_thread, NULL, threads, FALSE, NULL);
}

/**
 * moss_ffi_provider_get_n_calls:
 * @provider: a provider
 *
 * Returns: how many calls are under way. Any thread.
 */
guint
moss_ffi_provider_get_n_calls (MossFfiProvider *self)
{
  return __atomic_load_n (&self->n_calls, __ATOMIC_RELAXED);
}

/* --- calls
 * ----------------------------------------------------------------------------------- */

static MossFfiOffered *
find (MossFfiProvider *self, const char *name, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  MossFfiOffered *offered = g_hash_table_lookup (self->functions, name);

  if (offered != NULL)
    return moss_ffi_offered_ref (offered);
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_NOT_OFFERED, "%s doesn't offer “%s”",
               self->id, name);
  return NULL;
}

static gboolean
start (MossFfiProvider *self, MossFfiCaller *caller, MossFfiFrame *frame, GError **error)
{
  g_autoptr (MossFfiInvocation) call = moss_ffi_invocation_new (caller, frame, error);
  MossFfiOffered *offered;

  if (call == NULL)
    return FALSE;
  offered = find (self, moss_ffi_invocation_get_function (call), error);
  if (offered == NULL)
    return FALSE;
  moss_ffi_invocation_set_offered (call, offered);
  moss_ffi_offered_unref (offered);
  if (self->threads)
    g_thread_pool_push (self->threads, g_steal_pointer (&call), NULL);
  else
    moss_ffi_invocation_run (g_steal_pointer (&call));
  return TRUE;
}

/* FALSE: this caller isn't listened to any more. */
static gboolean
handle (MossFfiProvider *self, MossFfiCaller *caller, MossFfiFrame *frame)
{
  g_autoptr (GError) error = NULL;

  if (frame->kind == MOSS_FFI_FRAME_CANCEL)
    moss_ffi_caller_cancel (caller, frame->serial);
  else if (frame->kind != MOSS_FFI_FRAME_CALL)
    return FALSE;
  else if (!start (self, caller, frame, &error))
    moss_ffi_caller_send_error (caller, frame->serial, error);
  return !g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_PROTOCOL);
}

typedef struct
{
  MossFfiProvider *provider; /* outlives the source */
  MossFfiCaller *caller;
} Ear;

static gboolean
on_caller_readable (int fd, GIOCondition condition, gpointer data)
{
  Ear *ear = data;
  g_autoptr (MossFfiProvider) self = g_object_ref (ear->provider);
  g_autoptr (GError) error = NULL;
  g_auto (MossFfiFrame) frame = { 0 };
  g_autoptr (MossFfiCaller) caller = moss_ffi_caller_ref (ear->caller);

  if (moss_ffi_frame_receive (fd, &frame, &error))
    {
      if (handle (self, caller, &frame) || self->callers == NULL)
        return G_SOURCE_CONTINUE;
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return G_SOURCE_CONTINUE;
  else if (g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_PROTOCOL))
    moss_ffi_caller_send_error (caller, 0, error);
  g_hash_table_remove (self->callers, caller);
  return G_SOURCE_REMOVE;
}

GSource *
moss_ffi_provider_watch (MossFfiProvider *self,
                         int fd,
                         GUnixFDSourceFunc func,
                         gpointer data,
                         GDestroyNotify destroy)
{
  GSource *source = g_unix_fd_source_new (fd, G_IO_IN);

  g_source_set_callback (source, G_SOURCE_FUNC (func), data, destroy);
  g_source_attach (source, self->context);
  return source;
}

/**
 * moss_ffi_provider_add_caller:
 * @provider: a provider
 * @fd: a SOCK_SEQPACKET socket that somebody will send calls on; taken
 * @trusted: whether its buffers may be used although it could still change them
 *
 * What the broker does for every caller it introduces. In the thread of the provider's
 * main context, or before that runs.
 */
void
moss_ffi_provider_add_caller (MossFfiProvider *self, int fd, gboolean trusted)
{
  MossFfiCaller *caller = moss_ffi_caller_new (fd, trusted);
  Ear *ear = g_new (Ear, 1);

  caller->n_calls = &self->n_calls;
  *ear = (Ear){ self, caller };
  g_hash_table_add (self->callers, caller);
  caller->source = moss_ffi_provider_watch (self, fd, on_caller_readable, ear, g_free);
}

static MossFfiOffered *
offered_new (const char *capability,
             GVariant *attributes,
             MossFfiFunction function,
             gpointer user_data,
             GDestroyNotify destroy)
{
  MossFfiOffered *offered = g_new0 (MossFfiOffered, 1);

  g_atomic_ref_count_init (&offered->refs);
  offered->capability = g_strdup (capability);
  offered->attributes = g_variant_ref_sink (attributes);
  if (!g_variant_lookup (attributes, "function", "s", &offered->name))
    offered->name = g_strdup (capability);
  offered->run = function;
  offered->data = user_data;
  offered->destroy = destroy;
  return offered;
}

/**
 * moss_ffi_provider_add:
 * @provider: a provider
 * @capability: what the function does, as "transform reverse(text/plain) -> text/plain"
 * @attributes: (nullable): an a{sv}: "pure" b, "lossy" b, "quality" s, "licence" s, …
 * @function: (scope notified) (closure user_data) (destroy destroy): what is called
 * @user_data: for @function
 * @destroy: (nullable): frees @user_data
 * @error: where to say why not
 *
 * A pure function's result depends on nothing but its inputs, and it changes nothing:
 * such a call may be repeated elsewhere when its provider dies.
 *
 * Returns: %FALSE when it is offered already, or the broker is gone
 */
gboolean
moss_ffi_provider_add (MossFfiProvider *self,
                       const char *capability,
                       GVariant *attributes,
                       MossFfiFunction function,
                       gpointer user_data,
                       GDestroyNotify destroy,
                       GError **error)
{
  GVariant *own
      = attributes ? attributes : g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);
  g_autoptr (GPtrArray) list = g_ptr_array_new ();
  MossFfiOffered *offered = offered_new (capability, own, function, user_data, destroy);

  g_mutex_lock (&self->lock);
  if (g_hash_table_contains (self->functions, offered->name))
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID,
                   "%s offers “%s” already", self->id, offered->name);
      g_mutex_unlock (&self->lock);
      moss_ffi_offered_unref (offered);
      return FALSE;
    }
  g_hash_table_insert (self->functions, offered->name, offered);
  g_mutex_unlock (&self->lock);
  g_ptr_array_add (list, offered);
  return self->broker < 0 || moss_ffi_provider_announce (self, list, error);
}
