// SPDX-License-Identifier: LGPL-2.1-or-later
#include "provider-private.h"

struct _MossFfiInvocation
{
  GObject parent_instance;
  MossFfiCaller *caller;
  MossFfiOffered *offered;
  guint64 serial;
  char *function;
  char *out_caps;
  GVariant *options;
  GPtrArray *inputs;
  guint64 bytes_out;
  gint64 until_us; /* monotonic; 0: no deadline */
  gint64 started_us;
  GCancellable *cancellable;
  GMutex lock; /* of what follows */
  GPtrArray *outputs;
  GVariantDict values;
  gboolean has_values;
  gboolean answered;
  gint64 progress_us; /* when it was last told */
};

G_DEFINE_FINAL_TYPE (MossFfiInvocation, moss_ffi_invocation, G_TYPE_OBJECT)

#define MAX_CALLS 64
#define PROGRESS_PAUSE_US (50 * 1000)

static void
forget (MossFfiInvocation *self)
{
  g_mutex_lock (&self->caller->lock);
  g_hash_table_remove (self->caller->running, &self->serial);
  g_mutex_unlock (&self->caller->lock);
}

/* Whether this is the first answer. */
static gboolean
begin_answer (MossFfiInvocation *self)
{
  gboolean first;

  g_mutex_lock (&self->lock);
  first = !self->answered;
  self->answered = TRUE;
  g_mutex_unlock (&self->lock);
  if (!first)
    g_warning ("A call of “%s” was answered twice", self->function);
  else
    forget (self);
  return first;
}

static void
moss_ffi_invocation_finalize (GObject *object)
{
  MossFfiInvocation *self = MOSS_FFI_INVOCATION (object);

  if (!self->answered && self->caller != NULL && self->offered != NULL)
    moss_ffi_invocation_return_failure (self, MOSS_FFI_ERROR_FAILED,
                                        "The function gave no answer");
  if (self->caller != NULL && !self->answered)
    forget (self);
  if (self->offered != NULL)
    __atomic_sub_fetch (self->caller->n_calls, 1, __ATOMIC_RELAXED);
  g_clear_pointer (&self->offered, moss_ffi_offered_unref);
  g_clear_pointer (&self->caller, moss_ffi_caller_unref);
  g_clear_pointer (&self->options, g_variant_unref);
  g_clear_pointer (&self->inputs, g_ptr_array_unref);
  g_clear_pointer (&self->outputs, g_ptr_array_unref);
  g_clear_object (&self->cancellable);
  if (self->has_values)
    g_variant_dict_clear (&self->values);
  g_mutex_clear (&self->lock);
  g_free (self->function);
  g_free (self->out_caps);
  G_OBJECT_CLASS (moss_ffi_invocation_parent_class)->finalize (object);
}

static void
moss_ffi_invocation_class_init (MossFfiInvocationClass *class)
{
  G_OBJECT_CLASS (class)->finalize = moss_ffi_invocation_finalize;
}

static void
moss_ffi_invocation_init (MossFfiInvocation *self)
{
  g_mutex_init (&self->lock);
  self->cancellable = g_cancellable_new ();
}

static gboolean
enter (MossFfiInvocation *self, GError **error)
{
  MossFfiCaller *caller = self->caller;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&caller->lock);

  if (g_hash_table_size (caller->running) >= MAX_CALLS)
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BUSY,
                   "This caller has %d calls under way already", MAX_CALLS);
      return FALSE;
    }
  if (g_hash_table_contains (caller->running, &self->serial))
    {
      g_set_error_literal (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_PROTOCOL,
                           "Two calls have the same number");
      return FALSE;
    }
  g_hash_table_insert (caller->running, &self->serial, self->cancellable);
  return TRUE;
}

/* The call in a CALL frame of @caller; its buffers are checked here. */
MossFfiInvocation *
moss_ffi_invocation_new (MossFfiCaller *caller, MossFfiFrame *frame, GError **error)
{
  g_autoptr (MossFfiInvocation) self = g_object_new (MOSS_FFI_TYPE_INVOCATION, NULL);
  g_autoptr (GVariant) wire = NULL;
  g_autoptr (GVariant) hints = NULL;
  guint64 deadline_us;

  g_variant_get (frame->body, "(ss@a{sv}@a" MOSS_FFI_BUFFER_TYPE "@a{sv})",
                 &self->function, &self->out_caps, &self->options, &wire, &hints);
  g_variant_lookup (hints, "bytes-out", "t", &self->bytes_out);
  if (g_variant_lookup (hints, "deadline-us", "t", &deadline_us))
    self->until_us = g_get_monotonic_time () + MIN (deadline_us, G_MAXINT64 / 2);
  self->serial = frame->serial;
  self->inputs = moss_ffi_buffers_from_wire (
      wire, frame, caller->trusted ? MOSS_FFI_TRUST_ALL : MOSS_FFI_TRUST_SEALED, error);
  if (self->inputs == NULL)
    return NULL;
  self->caller = moss_ffi_caller_ref (caller);
  if (!enter (self, error))
    {
      self->answered = TRUE; /* the number isn't ours to forget */
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
moss_ffi_invocation_set_offered (MossFfiInvocation *self, MossFfiOffered *offered)
{
  self->offered = moss_ffi_offered_ref (offered);
  __atomic_add_fetch (self->caller->n_calls, 1, __ATOMIC_RELAXED);
}

/* Runs the function, unless its time ran out while it waited; takes @self. In the thread
 * it is to run in. */
void
moss_ffi_invocation_run (MossFfiInvocation *self)
{
  self->started_us = g_get_monotonic_time ();
  if (self->until_us > 0 && self->started_us >= self->until_us)
    moss_ffi_invocation_return_failure (self, MOSS_FFI_ERROR_TIMED_OUT,
                                        "The time of the call was over before its turn");
  else if (!g_cancellable_is_cancelled (self->cancellable))
    self->offered->run (self, self->offered->data);
  g_object_unref (self);
}

/* --- what the function sees
 * --------------------------------------------------------------- */

/**
 * moss_ffi_invocation_get_function:
 * @invocation: a call
 *
 * Returns: the name of the function
 */
const char *
moss_ffi_invocation_get_function (MossFfiInvocation *self)
{
  return self->function;
}

/**
 * moss_ffi_invocation_get_out_caps:
 * @invocation: a call
 *
 * Returns: what the caller wants back
 */
const char *
moss_ffi_invocation_get_out_caps (MossFfiInvocation *self)
{
  return self->out_caps;
}

/**
 * moss_ffi_invocation_get_options:
 * @invocation: a call
 *
 * Returns: (transfer none): the options it is called with, an a{sv}
 */
GVariant *
moss_ffi_invocation_get_options (MossFfiInvocation *self)
{
  return self->options;
}

/**
 * moss_ffi_invocation_get_option:
 * @invocation: a call
 * @name: of an option
 * @type: (nullable): what it must be
 *
 * Returns: (transfer full) (nullable): the option; %NULL when it isn't given or of
 * another type
 */
GVariant *
moss_ffi_invocation_get_option (MossFfiInvocation *self,
                                const char *name,
                                const GVariantType *type)
{
  return g_variant_lookup_value (self->options, name, type);
}

/**
 * moss_ffi_invocation_get_n_inputs:
 * @invocation: a call
 *
 * Returns: how many buffers it is called with
 */
guint
moss_ffi_invocation_get_n_inputs (MossFfiInvocation *self)
{
  return self->inputs->len;
}

/**
 * moss_ffi_invocation_get_input:
 * @invocation: a call
 * @index: which buffer
 *
 * Returns: (transfer none) (nullable): a buffer it is called with
 */
MossFfiBuffer *
moss_ffi_invocation_get_input (MossFfiInvocation *self, guint index)
{
  return index < self->inputs->len ? self->inputs->pdata[index] : NULL;
}

/**
 * moss_ffi_invocation_get_bytes_out:
 * @invocation: a call
 *
 * Returns: how many bytes the caller expects back; 0 when it doesn't know
 */
guint64
moss_ffi_invocation_get_bytes_out (MossFfiInvocation *self)
{
  return self->bytes_out;
}

/**
 * moss_ffi_invocation_get_cancellable:
 * @invocation: a call
 *
 * Returns: (transfer none): cancelled when nobody waits for the answer any more
 */
GCancellable *
moss_ffi_invocation_get_cancellable (MossFfiInvocation *self)
{
  return self->cancellable;
}

/* --- what it answers
 * ------------------------------------------------------------------------ */

/**
 * moss_ffi_invocation_add_output:
 * @invocation: a call
 * @buffer: a buffer to give back; it is sealed then
 */
void
moss_ffi_invocation_add_output (MossFfiInvocation *self, MossFfiBuffer *buffer)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  if (self->outputs == NULL)
    self->outputs
        = g_ptr_array_new_with_free_func ((GDestroyNotify)moss_ffi_buffer_unref);
  g_ptr_array_add (self->outputs, moss_ffi_buffer_ref (buffer));
}

/**
 * moss_ffi_invocation_set_value:
 * @invocation: a call
 * @name: of the value; "value" when there is just one
 * @value: a scalar to give back
 */
void
moss_ffi_invocation_set_value (MossFfiInvocation *self, const char *name, GVariant *value)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  if (!self->has_values)
    g_variant_dict_init (&self->values, NULL);
  self->has_values = TRUE;
  g_variant_dict_insert_value (&self->values, name, value);
}

/**
 * moss_ffi_invocation_progress:
 * @invocation: a call
 * @fraction: how much is done, 0 to 1
 *
 * As often as you like: the caller hears of it twenty times a second at most. Any thread.
 */
void
moss_ffi_invocation_progress (MossFfiInvocation *self, double fraction)
{
  gint64 now = g_get_monotonic_time ();
  gboolean late;

  g_mutex_lock (&self->lock);
  late = !self->answered && now >= self->progress_us + PROGRESS_PAUSE_US;
  if (late)
    self->progress_us = now;
  g_mutex_unlock (&self->lock);
  if (!late || !(fraction >= 0 && fraction <= 1))
    return;
  moss_ffi_caller_send (self->caller, MOSS_FFI_FRAME_PROGRESS, self->serial,
                        g_variant_new ("(d)", fraction), NULL);
}

static GVariant *
end_values (MossFfiInvocation *self)
{
  if (!self->has_values)
    return g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);
  self->has_values = FALSE;
  return g_variant_dict_end (&self->values);
}

/**
 * moss_ffi_invocation_return:
 * @invocation: a call
 *
 * Answers with the buffers and values that were added. Any thread.
 */
void
moss_ffi_invocation_return (MossFfiInvocation *self)
{
  guint64 run_us = g_get_monotonic_time () - self->started_us;
  g_autoptr (GError) error = NULL;
  MossFfiFds fds = { .n_fds = 0 };
  GVariant *outputs;

  if (!begin_answer (self))
    return;
  outputs = moss_ffi_buffers_to_wire (
      self->outputs ? (MossFfiBuffer *const *)self->outputs->pdata : NULL,
      self->outputs ? self->outputs->len : 0,
      self->caller->trusted ? MOSS_FFI_TRUST_ALL : MOSS_FFI_TRUST_SEALED, &fds, &error);
  if (outputs == NULL)
    moss_ffi_caller_send_error (self->caller, self->serial, error);
  else
    moss_ffi_caller_send (
        self->caller, MOSS_FFI_FRAME_RESULT, self->serial,
        g_variant_new ("(@a" MOSS_FFI_BUFFER_TYPE "@a{sv}t@a{sv})", outputs,
                       end_values (self), run_us,
                       g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0)),
        &fds);
}

/**
 * moss_ffi_invocation_return_error: (skip)
 * @invocation: a call
 * @error: why it can't be answered
 *
 * Any thread.
 */
void
moss_ffi_invocation_return_error (MossFfiInvocation *self, const GError *error)
{
  if (begin_answer (self))
    moss_ffi_caller_send_error (self->caller, self->serial, error);
}

/**
 * moss_ffi_invocation_return_failure:
 * @invocation: a call
 * @code: a #MossFfiError
 * @sentence: why it can't be answered, naming what and the reason
 *
 * Any thread.
 */
void
moss_ffi_invocation_return_failure (MossFfiInvocation *self,
                                    int code,
                                    const char *sentence)
{
  g_autoptr (GError) error = g_error_new_literal (MOSS_FFI_ERROR, code, sentence);

  moss_ffi_invocation_return_error (self, error);
}
