// SPDX-License-Identifier: LGPL-2.1-or-later
/* The client keeps one connection to the broker and those to providers that nobody calls
 * on just now. The calls themselves are call.c. */
#include "client-private.h"

#include "connect.h"

#include <poll.h>
#include <unistd.h>

struct _MossFfiClient
{
  GObject parent_instance;
  char *path;     /* NULL: the person's broker */
  GMutex opening; /* one thread at a time makes a session */
  GMutex lock;    /* of what follows */
  MossFfiSession *session;
  gboolean had_session;
  GHashTable *idle; /* provider → GArray of MossFfiIdle, of this session */
};

G_DEFINE_FINAL_TYPE (MossFfiClient, moss_ffi_client, G_TYPE_OBJECT)

#define IDLE_LINKS 8 /* of a provider */
#define AGAIN_US (2 * G_TIME_SPAN_SECOND)
#define AGAIN_PAUSE_US (20 * G_TIME_SPAN_MILLISECOND)

static void
close_links (gpointer data)
{
  GArray *links = data;

  for (guint i = 0; i < links->len; i++)
    close (g_array_index (links, MossFfiIdle, i).socket);
  g_array_unref (links);
}

static void
moss_ffi_client_finalize (GObject *object)
{
  MossFfiClient *self = MOSS_FFI_CLIENT (object);

  if (self->session)
    moss_ffi_session_close (self->session);
  g_clear_pointer (&self->session, moss_ffi_session_unref);
  g_clear_pointer (&self->idle, g_hash_table_unref);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->opening);
  g_free (self->path);
  G_OBJECT_CLASS (moss_ffi_client_parent_class)->finalize (object);
}

static void
moss_ffi_client_class_init (MossFfiClientClass *class)
{
  G_OBJECT_CLASS (class)->finalize = moss_ffi_client_finalize;
}

static void
moss_ffi_client_init (MossFfiClient *self)
{
  g_mutex_init (&self->lock);
  g_mutex_init (&self->opening);
  self->idle = g_hash_table_new_full (NULL, NULL, NULL, close_links);
}

/**
 * moss_ffi_client_get_default:
 * @error: where to say why not
 *
 * The client of this process, connected to the person's broker, which is started when it
 * isn't running. Any thread; blocks until the broker has answered.
 *
 * Returns: (transfer none): the client, or %NULL when there is no broker
 */
MossFfiClient *
moss_ffi_client_get_default (GError **error)
{
  static MossFfiClient *the_client;
  g_autoptr (MossFfiSession) session = NULL;

  if (g_once_init_enter (&the_client))
    g_once_init_leave (&the_client, moss_ffi_client_new_for_socket (NULL));
  if (moss_ffi_client_had_session (the_client))
    return the_client; /* a broker that went away is waited for by the call */
  session = moss_ffi_client_get_session (the_client, error);
  return session ? the_client : NULL;
}

/**
 * moss_ffi_client_new_for_socket:
 * @path: (nullable): where a broker listens; %NULL: the person's
 *
 * Connects with the first call.
 *
 * Returns: (transfer full): a client
 */
MossFfiClient *
moss_ffi_client_new_for_socket (const char *path)
{
  MossFfiClient *self = g_object_new (MOSS_FFI_TYPE_CLIENT, NULL);

  self->path = g_strdup (path);
  return self;
}

/* --- the broker
 * ------------------------------------------------------------------------- */

/* The connection to the broker if there is one; never waits. Transfer full. */
MossFfiSession *
moss_ffi_client_peek_session (MossFfiClient *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  if (self->session == NULL || moss_ffi_session_is_over (self->session))
    return NULL;
  return moss_ffi_session_ref (self->session);
}

static void
replace (MossFfiClient *self, MossFfiSession *session)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  g_clear_pointer (&self->session, moss_ffi_session_unref);
  self->session = moss_ffi_session_ref (session);
  self->had_session = TRUE;
  g_hash_table_remove_all (self->idle);
}

/* Whether this client was ever connected: then the broker may come back soon. */
gboolean
moss_ffi_client_had_session (MossFfiClient *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->had_session;
}

/* A broker that ends while it is greeted is soon there again, and is tried again for so long. */
static MossFfiSession *
open_session (MossFfiClient *self, GError **error)
{
  gint64 until = 0;

  for (;;)
    {
      g_autoptr (GError) cause = NULL;
      int fd = self->path ? moss_ffi_connect_to (self->path, &cause) : moss_ffi_connect (&cause);
      MossFfiSession *session = fd >= 0 ? moss_ffi_session_new (fd, &cause) : NULL;

      if (session != NULL)
        return session;
      if (fd >= 0 && until == 0)
        until = g_get_monotonic_time () + AGAIN_US;
      if (g_get_monotonic_time () >= until
          || !g_error_matches (cause, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST))
        {
          g_propagate_error (error, g_steal_pointer (&cause));
          return NULL;
        }
      g_usleep (AGAIN_PAUSE_US);
    }
}

/* The connection to the broker, made anew when it broke. Transfer full. */
MossFfiSession *
moss_ffi_client_get_session (MossFfiClient *self, GError **error)
{
  MossFfiSession *session = moss_ffi_client_peek_session (self);
  g_autoptr (GMutexLocker) locker = NULL;

  if (session != NULL)
    return session;
  locker = g_mutex_locker_new (&self->opening);
  session = moss_ffi_client_peek_session (self);
  if (session != NULL)
    return session;
  session = open_session (self, error);
  if (session != NULL)
    replace (self, session);
  return session;
}

/* --- providers
 * --------------------------------------------------------------------------- */

static gboolean
pop_idle (MossFfiClient *self, MossFfiSession *session, guint provider, MossFfiIdle *link)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  GArray *links = g_hash_table_lookup (self->idle, GUINT_TO_POINTER (provider));

  if (links == NULL || links->len == 0 || self->session != session)
    return FALSE;
  *link = g_array_index (links, MossFfiIdle, links->len - 1);
  g_array_set_size (links, links->len - 1);
  return TRUE;
}

/* Nothing may have come in while nobody called: that would be the end, or a provider that
 * doesn't keep to the rules. */
static gboolean
is_quiet (int socket)
{
  struct pollfd polled = { socket, POLLIN, 0 };

  return poll (&polled, 1, 0) == 0;
}

/* A connection to the provider that the table has as number @provider; waited for until
 * the monotonic time @until_us, 0: as long as it takes. */
gboolean
moss_ffi_client_take_link (MossFfiClient *self,
                           MossFfiSession *session,
                           guint provider,
                           gint64 until_us,
                           MossFfiIdle *link,
                           GError **error)
{
  g_auto (MossFfiFrame) answer = { 0 };
  g_autoptr (GVariant) about = NULL;

  while (pop_idle (self, session, provider, link))
    {
      if (is_quiet (link->socket))
        return TRUE;
      close (link->socket);
    }
  if (!moss_ffi_session_ask (session, MOSS_FFI_FRAME_CONNECT,
                             g_variant_new ("(u)", provider), until_us,
                             MOSS_FFI_FRAME_CONNECTED, &answer, error))
    return FALSE;
  about = g_variant_get_child_value (answer.body, 0);
  link->trusted = FALSE;
  g_variant_lookup (about, "trusted", "b", &link->trusted);
  link->socket = moss_ffi_frame_take_fd (&answer, 0);
  return link->socket >= 0
         || moss_ffi_fail (error, MOSS_FFI_ERROR_PROTOCOL,
                           "The function broker connects to nobody");
}

/* Takes back a connection on which a call just ended well. */
void
moss_ffi_client_give_link (MossFfiClient *self,
                           MossFfiSession *session,
                           guint provider,
                           const MossFfiIdle *link)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  GArray *links = g_hash_table_lookup (self->idle, GUINT_TO_POINTER (provider));

  if (self->session != session || (links != NULL && links->len >= IDLE_LINKS))
    {
      close (link->socket);
      return;
    }
  if (links == NULL)
    {
      links = g_array_new (FALSE, FALSE, sizeof (MossFfiIdle));
      g_hash_table_insert (self->idle, GUINT_TO_POINTER (provider), links);
    }
  g_array_append_val (links, *link);
}

/* --- calls
 * ---------------------------------------------------------------------------------- */

/**
 * moss_ffi_client_call:
 * @client: a client
 * @capability: what is wanted, as "encode(video/x-raw; level:i?) -> image/png"
 * @inputs: (array length=n_inputs) (nullable): the buffers; they can't be changed
 * afterwards
 * @n_inputs: how many
 * @options: (nullable): an a{sv}: the function's options, and what the call wants beside
 * the result: "want:lossy" b, "want:quality" s, "want:licence" s, "want:local" b,
 *   "want:deadline-us" t: who is known to take longer isn't begun, what isn't done then is
 *   cancelled, both with %MOSS_FFI_ERROR_TIMED_OUT
 * @cancellable: (nullable): gives it up
 * @error: where to say why there is no result
 *
 * Calls whoever does this best and waits; what nobody does directly is done in several
 * steps. A pure function whose provider dies is asked for elsewhere, for any other
 * %MOSS_FFI_ERROR_LOST says so. Any thread; the main loop needn't run.
 *
 * Returns: (transfer full): the result, or %NULL
 */
MossFfiResult *
moss_ffi_client_call (MossFfiClient *self,
                      const char *capability,
                      MossFfiBuffer **inputs,
                      guint n_inputs,
                      GVariant *options,
                      GCancellable *cancellable,
                      GError **error)
{
  g_autoptr (GVariant) held = options ? g_variant_ref_sink (options) : NULL;

  return moss_ffi_call_run (self, capability, inputs, n_inputs, held, 0, NULL, cancellable,
                            error);
}

typedef struct
{
  char *capability;
  GPtrArray *inputs;
  GVariant *options;
  MossFfiProgress progress;
  gpointer progress_data;
  GDestroyNotify progress_destroy;
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  g_free (job->capability);
  g_ptr_array_unref (job->inputs);
  g_clear_pointer (&job->options, g_variant_unref);
  if (job->progress_destroy)
    job->progress_destroy (job->progress_data);
  g_free (job);
}

/* On its way to the thread that called. */
typedef struct
{
  GTask *task;
  double fraction;
} Told;

static void
told_free (gpointer data)
{
  Told *told = data;

  g_object_unref (told->task);
  g_free (told);
}

static gboolean
tell (gpointer data)
{
  Told *told = data;
  Job *job = g_task_get_task_data (told->task);

  if (!g_task_get_completed (told->task))
    job->progress (told->fraction, job->progress_data);
  return G_SOURCE_REMOVE;
}

static void
on_progress (double fraction, gpointer data)
{
  GTask *task = data;
  g_autoptr (GSource) source = g_idle_source_new ();
  Told *told = g_new (Told, 1);

  *told = (Told){ g_object_ref (task), fraction };
  g_source_set_priority (source, g_task_get_priority (task));
  g_source_set_callback (source, tell, told, told_free);
  g_source_attach (source, g_task_get_context (task));
}

static void
run_job (GTask *task, gpointer client, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;
  MossFfiTold told = { .func = job->progress ? on_progress : NULL, .data = task };
  MossFfiResult *result = moss_ffi_call_run (
      client, job->capability, (MossFfiBuffer *const *)job->inputs->pdata,
      job->inputs->len, job->options, 0, &told, cancellable, &error);

  if (result)
    g_task_return_pointer (task, result, (GDestroyNotify)moss_ffi_result_unref);
  else
    g_task_return_error (task, error);
}

static void
run_task (gpointer data, gpointer unused)
{
  g_autoptr (GTask) task = data;

  run_job (task, g_task_get_source_object (task), g_task_get_task_data (task),
           g_task_get_cancellable (task));
}

/* A thread for each call that waits: GTask's own pool would let ten hanging ones stop
 * all. */
static void
start (GTask *task)
{
  static GThreadPool *threads;

  if (g_once_init_enter (&threads))
    g_once_init_leave (&threads, g_thread_pool_new (run_task, NULL, -1, FALSE, NULL));
  g_thread_pool_push (threads, task, NULL);
}

/**
 * moss_ffi_client_call_async:
 * @client: a client
 * @capability: what is wanted
 * @inputs: (array length=n_inputs) (nullable): the buffers
 * @n_inputs: how many
 * @options: (nullable): an a{sv}
 * @cancellable: (nullable): gives it up
 * @callback: (scope async): called in this thread's main context
 * @user_data: for @callback
 *
 * moss_ffi_client_call() without waiting.
 */
void
moss_ffi_client_call_async (MossFfiClient *self,
                            const char *capability,
                            MossFfiBuffer **inputs,
                            guint n_inputs,
                            GVariant *options,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  moss_ffi_client_call_with_progress_async (self, capability, inputs, n_inputs, options,
                                            cancellable, NULL, NULL, NULL, callback,
                                            user_data);
}

/**
 * moss_ffi_client_call_with_progress_async:
 * @client: a client
 * @capability: what is wanted
 * @inputs: (array length=n_inputs) (nullable): the buffers
 * @n_inputs: how many
 * @options: (nullable): an a{sv}
 * @cancellable: (nullable): gives it up
 * @progress: (nullable) (scope notified) (closure progress_data) (destroy progress_destroy):
 *   called in this thread's main context before @callback, ten times a second at most, when a
 *   provider says how far it is; many never do
 * @progress_data: for @progress
 * @progress_destroy: (nullable): frees @progress_data
 * @callback: (scope async) (closure user_data): called in this thread's main context
 * @user_data: for @callback
 *
 * moss_ffi_client_call_async() that says how much is done: of several steps as far as they are
 * predicted to be of the whole.
 */
void
moss_ffi_client_call_with_progress_async (MossFfiClient *self,
                                          const char *capability,
                                          MossFfiBuffer **inputs,
                                          guint n_inputs,
                                          GVariant *options,
                                          GCancellable *cancellable,
                                          MossFfiProgress progress,
                                          gpointer progress_data,
                                          GDestroyNotify progress_destroy,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Job *job = g_new0 (Job, 1);

  job->progress = progress;
  job->progress_data = progress_data;
  job->progress_destroy = progress_destroy;
  job->capability = g_strdup (capability);
  job->options = options ? g_variant_ref_sink (options) : NULL;
  job->inputs = g_ptr_array_new_with_free_func ((GDestroyNotify)moss_ffi_buffer_unref);
  for (guint i = 0; i < n_inputs; i++)
    g_ptr_array_add (job->inputs, moss_ffi_buffer_ref (inputs[i]));
  g_task_set_source_tag (task, moss_ffi_client_call_with_progress_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, job, job_free);
  start (task);
}

/**
 * moss_ffi_client_call_finish:
 * @client: a client
 * @result: what the callback was given
 * @error: where to say why there is no result
 *
 * Returns: (transfer full): the result, or %NULL
 */
MossFfiResult *
moss_ffi_client_call_finish (MossFfiClient *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
