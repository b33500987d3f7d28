// SPDX-License-Identifier: LGPL-2.1-or-later
/* One authenticated connection to another device, used by both sides alike.
 *
 * Two threads do blocking reads and writes on the TLS stream; tables and queues between them
 * and the main context are under the link's lock. Whoever sees it break first calls
 * moss_link_fail(), once; the main context then ends every open request with a reason. */
#define G_LOG_DOMAIN "moss-link"

#include "core/link/link-private.h"

#include "core/fault.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum
{
  TICK_BUSY_MS = 900,
  TICK_IDLE_MS = 3000,
  TICK_QUIET_MS = 180 * 1000,
  QUIET_AFTER_US = 30 * 1000 * 1000,
  SILENCE_BUSY_US = 2700 * 1000,
  SILENCE_IDLE_US = 8500 * 1000,
  BULK_KEEP_BYTES = 64 * 1024 * 1024, /* above that, pushes are read again when it's time */
  KNOWN_MAX = 65536,
};

G_DEFINE_QUARK (moss-link-call-name, call_name)

MossRequest *
moss_request_ref (MossRequest *request)
{
  g_atomic_ref_count_inc (&request->refs);
  return request;
}

void
moss_request_unref (MossRequest *request)
{
  if (!g_atomic_ref_count_dec (&request->refs))
    return;
  if (request->destroy != NULL)
    request->destroy (request->user_data);
  g_clear_object (&request->task);
  g_free (request);
}

void
moss_bulk_free (MossBulk *bulk)
{
  g_clear_pointer (&bulk->sealed, g_bytes_unref);
  g_clear_pointer (&bulk->ids, g_array_unref);
  g_free (bulk);
}

/**
 * moss_link_new:
 * @stream: the handshake is done and the other side's certificate checked
 * @device: its id
 *
 * Returns: (transfer full): call moss_link_start() when it is ready to be called back
 */
MossLink *
moss_link_new (GIOStream *stream,
               GSocket *socket,
               const char *device,
               gboolean dialled,
               const MossLinkEvents *events,
               gpointer user_data)
{
  MossLink *link = g_new0 (MossLink, 1);

  g_atomic_ref_count_init (&link->refs);
  link->stream = g_object_ref (stream);
  link->socket = g_object_ref (socket);
  link->device = g_strdup (device);
  link->dialled = dialled;
  link->events = *events;
  link->user_data = user_data;
  g_mutex_init (&link->lock);
  g_cond_init (&link->changed);
  link->next_request = 1;
  link->requests = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL,
                                          (GDestroyNotify) moss_request_unref);
  link->incoming = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  link->known = g_hash_table_new_full (moss_id_hash, moss_id_equal, g_free, NULL);
  g_queue_init (&link->urgent);
  g_queue_init (&link->bulk);
  link->born_us = g_get_monotonic_time ();
  link->last_use_us = link->born_us;
  link->last_heard_us = link->last_progress_us = link->born_us;
  return link;
}

MossLink *
moss_link_ref (MossLink *link)
{
  g_atomic_ref_count_inc (&link->refs);
  return link;
}

void
moss_link_unref (MossLink *link)
{
  if (!g_atomic_ref_count_dec (&link->refs))
    return;
  g_queue_clear_full (&link->urgent, (GDestroyNotify) g_bytes_unref);
  g_queue_clear_full (&link->bulk, (GDestroyNotify) moss_bulk_free);
  g_hash_table_unref (link->requests);
  g_hash_table_unref (link->incoming);
  g_hash_table_unref (link->known);
  g_clear_error (&link->reason);
  g_object_unref (link->stream);
  g_object_unref (link->socket);
  g_mutex_clear (&link->lock);
  g_cond_clear (&link->changed);
  g_free (link->device);
  g_free (link);
}

/* --- to the main context --- */

typedef struct
{
  MossLink *link;
  guint8 type; /* 0: closed */
  guint64 request;
  GVariant *body;
} Message;

static void
free_message (gpointer data)
{
  Message *message = data;

  g_clear_pointer (&message->body, g_variant_unref);
  moss_link_unref (message->link);
  g_free (message);
}

static MossRequest *
take_request (MossLink *link, guint64 number)
{
  MossRequest *request;

  g_mutex_lock (&link->lock);
  request = g_hash_table_lookup (link->requests, &number);
  if (request != NULL && !request->is_fetch)
    {
      moss_request_ref (request);
      g_hash_table_remove (link->requests, &number);
      if (g_hash_table_size (link->requests) == 0)
        link->busy_since_us = 0;
    }
  else
    request = NULL;
  g_mutex_unlock (&link->lock);
  return request;
}

static void
end_call (MossRequest *request, GVariant *reply, GError *error)
{
  g_clear_handle_id (&request->timeout, g_source_remove);
  if (error != NULL)
    g_task_return_error (request->task, error);
  else
    g_task_return_pointer (request->task, g_variant_ref (reply),
                           (GDestroyNotify) g_variant_unref);
}

static void
on_answer (MossLink *link, guint8 type, guint64 number, GVariant *body)
{
  g_autoptr (MossRequest) request = take_request (link, number);
  const char *name, *sentence;

  if (request == NULL) /* it came too late */
    return;
  if (type == MOSS_FRAME_REPLY)
    {
      g_autoptr (GVariant) reply = g_variant_get_variant (body);

      end_call (request, reply, NULL);
      return;
    }
  g_variant_get (body, "(&s&s)", &name, &sentence);
  g_object_set_qdata_full (G_OBJECT (request->task), call_name_quark (), g_strdup (name),
                           g_free);
  end_call (request, NULL,
            g_error_new (MOSS_LINK_ERROR, MOSS_LINK_ERROR_REMOTE, "%s", sentence));
}

static void
on_hello (MossLink *link, GVariant *body)
{
  g_auto (MossHello) hello = { 0 };
  guint8 fingerprint[MOSS_HASH_BYTES];
  GError *error = NULL;

  for (guint i = 0; i < MOSS_HASH_BYTES; i++)
    fingerprint[i] = (g_ascii_xdigit_value (link->device[2 * i]) << 4) |
                     g_ascii_xdigit_value (link->device[2 * i + 1]);
  if (!moss_hello_from_variant (body, fingerprint, &hello, &error))
    {
      moss_link_fail (link, error);
      return;
    }
  g_mutex_lock (&link->lock);
  link->greeted = TRUE;
  g_mutex_unlock (&link->lock);
  link->events.greeted (link, &hello, link->user_data);
}

static void
on_closed (MossLink *link)
{
  g_autoptr (GPtrArray) open =
      g_ptr_array_new_with_free_func ((GDestroyNotify) moss_request_unref);
  g_autoptr (GError) reason = NULL;
  GHashTableIter iter;
  MossRequest *request;

  g_mutex_lock (&link->lock);
  reason = g_error_copy (link->reason);
  g_hash_table_iter_init (&iter, link->requests);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &request))
    g_ptr_array_add (open, moss_request_ref (request));
  g_hash_table_remove_all (link->requests);
  g_mutex_unlock (&link->lock);
  g_clear_handle_id (&link->tick, g_source_remove);
  for (guint i = 0; i < open->len; i++)
    {
      request = g_ptr_array_index (open, i);
      if (request->is_fetch)
        request->arrived (G_MAXSIZE, NULL, 0, request->user_data);
      else
        end_call (request, NULL,
                  g_error_new (MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY,
                               "the device is away: %s", reason->message));
    }
  link->events.closed (link, reason, link->user_data);
}

static gboolean
on_message (gpointer data)
{
  Message *message = data;
  MossLink *link = message->link;
  g_autoptr (GVariant) inner = NULL;
  const char *method;

  if (link->ended || (message->type > MOSS_FRAME_HELLO && !link->greeted))
    return G_SOURCE_REMOVE;
  switch (message->type)
    {
    case 0:
      link->ended = TRUE;
      on_closed (link);
      break;
    case MOSS_FRAME_HELLO:
      on_hello (link, message->body);
      break;
    case MOSS_FRAME_STATUS:
      link->events.status (link, message->body, link->user_data);
      break;
    case MOSS_FRAME_CALL:
      g_variant_get (message->body, "(&sv)", &method, &inner);
      link->events.call (link, message->request, method, inner, link->user_data);
      break;
    case MOSS_FRAME_CANCEL:
      link->events.cancelled (link, message->request, link->user_data);
      break;
    default:
      on_answer (link, message->type, message->request, message->body);
    }
  return G_SOURCE_REMOVE;
}

void
moss_link_to_main (MossLink *link,
                   guint8 type,
                   guint64 request,
                   GVariant *body,
                   GError *unused)
{
  Message *message = g_new0 (Message, 1);
  g_autoptr (GSource) source = g_idle_source_new ();

  message->link = moss_link_ref (link);
  message->type = type;
  message->request = request;
  message->body = body == NULL ? NULL : g_variant_ref (body);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_message, message, free_message);
  g_source_attach (source, NULL);
}

/* Takes @reason. The first reason counts. Any thread. */
void
moss_link_fail (MossLink *link, GError *reason)
{
  gboolean first;

  g_mutex_lock (&link->lock);
  first = !link->closing;
  link->closing = TRUE;
  if (first)
    link->reason = g_steal_pointer (&reason);
  g_cond_broadcast (&link->changed);
  g_mutex_unlock (&link->lock);
  g_clear_error (&reason);
  if (!first)
    return;
  /* Wakes both threads, whatever they wait for. */
  g_socket_shutdown (link->socket, TRUE, TRUE, NULL);
  moss_link_to_main (link, 0, 0, NULL, NULL);
}

/* Takes @frame (nullable). Any thread. */
void
moss_link_send (MossLink *link, GBytes *frame)
{
  if (frame == NULL)
    return;
  g_mutex_lock (&link->lock);
  if (link->closing)
    g_bytes_unref (frame);
  else
    g_queue_push_tail (&link->urgent, frame);
  g_cond_broadcast (&link->changed);
  g_mutex_unlock (&link->lock);
}

/* --- keeping it alive --- */

static gboolean on_tick (gpointer data);

static void
arm_tick (MossLink *link, guint after_ms)
{
  g_clear_handle_id (&link->tick, g_source_remove);
  link->tick = g_timeout_add (after_ms, on_tick, link);
}

static void
send_ping (MossLink *link)
{
  guint64 number = g_get_monotonic_time ();

  g_mutex_lock (&link->lock);
  if (link->ping == 0)
    link->ping_since_us = number;
  link->ping = number;
  g_mutex_unlock (&link->lock);
  moss_link_send (link, moss_frame_new (MOSS_FRAME_PING, number, NULL, NULL));
}

/* How a link is doing, as a tick sees it. */
typedef struct
{
  gboolean busy;   /* a request of ours is open */
  gboolean quiet;  /* nobody has wanted anything for a while, and no ping is under way */
  gint64 silence_us;
} Pulse;

static Pulse
feel_pulse (MossLink *link)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&link->lock);
  gint64 now = g_get_monotonic_time ();
  gint64 alive = MAX (link->last_heard_us, link->last_progress_us);
  Pulse pulse = { .busy = link->busy_since_us != 0 };

  if (pulse.busy)
    alive = MAX (alive, link->busy_since_us);
  if (link->ping != 0)
    alive = MAX (alive, link->ping_since_us - TICK_IDLE_MS * 1000);
  pulse.silence_us = now - alive;
  pulse.quiet = !pulse.busy && link->ping == 0 && now - link->last_use_us > QUIET_AFTER_US;
  return pulse;
}

/* A link that nobody uses costs nobody a wakeup: its pings pause, and the kernel's keepalive sees
 * that the other machine is still there. Now and then one goes out all the same. */
static gboolean
on_tick (gpointer data)
{
  MossLink *link = data;
  Pulse pulse = feel_pulse (link);

  link->tick = 0;
  if (pulse.silence_us > (pulse.busy ? SILENCE_BUSY_US : SILENCE_IDLE_US) && !pulse.quiet)
    {
      moss_link_fail (link, g_error_new (MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY,
                                         "the other device doesn't answer any more"));
      return G_SOURCE_REMOVE;
    }
  if (pulse.quiet && pulse.silence_us < TICK_QUIET_MS * G_GINT64_CONSTANT (1000))
    {
      arm_tick (link, TICK_QUIET_MS);
      return G_SOURCE_REMOVE;
    }
  send_ping (link);
  arm_tick (link, pulse.busy ? TICK_BUSY_MS : TICK_IDLE_MS);
  return G_SOURCE_REMOVE;
}

/* Four seconds of silence, then three tries two seconds apart: without waking anybody. */
static void
keep_alive (GSocket *socket)
{
  static const struct
  {
    int level, option, value;
  } options[] = {
    { SOL_SOCKET, SO_KEEPALIVE, 1 },
    { IPPROTO_TCP, TCP_KEEPIDLE, 4 },
    { IPPROTO_TCP, TCP_KEEPINTVL, 2 },
    { IPPROTO_TCP, TCP_KEEPCNT, 3 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    g_socket_set_option (socket, options[i].level, options[i].option, options[i].value, NULL);
}

static gboolean
on_busy (gpointer data)
{
  MossLink *link = data;
  gboolean closing;

  g_mutex_lock (&link->lock);
  closing = link->closing;
  g_mutex_unlock (&link->lock);
  if (!closing)
    {
      send_ping (link);
      arm_tick (link, TICK_BUSY_MS);
    }
  return G_SOURCE_REMOVE;
}

/* Registers a request of ours and takes a reference of it for the table. Any thread. */
static gboolean
open_request (MossLink *link, MossRequest *request, GError **error)
{
  gboolean ok, was_idle;

  g_mutex_lock (&link->lock);
  ok = !link->closing && g_hash_table_size (link->requests) < MOSS_LINK_MAX_REQUESTS;
  was_idle = link->busy_since_us == 0;
  if (ok)
    {
      request->number = link->next_request++;
      link->last_use_us = g_get_monotonic_time ();
      g_hash_table_replace (link->requests, &request->number, moss_request_ref (request));
      if (was_idle)
        link->busy_since_us = g_get_monotonic_time ();
    }
  else
    g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY,
                 link->closing ? "the device is away: %s" : "%s",
                 link->closing ? link->reason->message
                               : "too many requests to the device are open");
  g_mutex_unlock (&link->lock);
  if (ok && was_idle)
    g_idle_add_full (G_PRIORITY_DEFAULT, on_busy, moss_link_ref (link),
                     (GDestroyNotify) moss_link_unref);
  return ok;
}

/* --- public --- */

/**
 * moss_link_start:
 *
 * Greets and begins to read and write. Main context.
 */
gboolean
moss_link_start (MossLink *link, const MossHello *mine, GError **error)
{
  GBytes *hello = moss_frame_new (MOSS_FRAME_HELLO, 0, moss_hello_to_variant (mine), error);

  if (hello == NULL)
    return FALSE;
  moss_link_send (link, hello);
  g_thread_unref (g_thread_new ("link-write", moss_link_write_thread, moss_link_ref (link)));
  g_thread_unref (g_thread_new ("link-read", moss_link_read_thread, moss_link_ref (link)));
  keep_alive (link->socket);
  send_ping (link); /* the first measure of the way */
  arm_tick (link, TICK_IDLE_MS);
  return TRUE;
}

/* Main context; the closed event comes later. */
void
moss_link_close (MossLink *link, const char *reason)
{
  moss_link_fail (link,
                  g_error_new (MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY, "%s", reason));
}

const char *
moss_link_get_device (MossLink *link)
{
  return link->device;
}

gboolean
moss_link_get_dialled (MossLink *link)
{
  return link->dialled;
}

/* Whether the other side's greeting came: only then it knows this device. */
gboolean
moss_link_get_greeted (MossLink *link)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&link->lock);

  return link->greeted;
}

/* Returns: (transfer full) (nullable) */
GSocketAddress *
moss_link_get_remote_address (MossLink *link)
{
  return g_socket_get_remote_address (link->socket, NULL);
}

/* Whether nothing is open in either direction. */
gboolean
moss_link_is_idle (MossLink *link)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&link->lock);

  return g_hash_table_size (link->requests) == 0 &&
         g_hash_table_size (link->incoming) == 0 && g_queue_is_empty (&link->bulk) &&
         g_queue_is_empty (&link->urgent);
}

/* Frames as they are, heads included, TLS not. */
void
moss_link_get_bytes (MossLink *link, guint64 *sent, guint64 *received)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&link->lock);

  *sent = link->sent;
  *received = link->received;
}

/* How long it is there. */
gint64
moss_link_get_age_us (MossLink *link)
{
  return g_get_monotonic_time () - link->born_us;
}

/* How long nothing was heard from the other side. */
gint64
moss_link_get_silence_us (MossLink *link)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&link->lock);

  return g_get_monotonic_time () - link->last_heard_us;
}

guint64
moss_link_get_rtt_us (MossLink *link)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&link->lock);

  return link->rtt_us;
}

guint64
moss_link_get_bytes_per_s (MossLink *link)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&link->lock);

  return link->bytes_per_s;
}

void
moss_link_send_status (MossLink *link, GVariant *status)
{
  moss_link_send (link, moss_frame_new (MOSS_FRAME_STATUS, 0, status, NULL));
}

typedef struct
{
  MossLink *link;
  guint64 number;
} Deadline;

static void
free_deadline (gpointer data)
{
  Deadline *deadline = data;

  moss_link_unref (deadline->link);
  g_free (deadline);
}

static gboolean
on_timeout (gpointer data)
{
  Deadline *deadline = data;
  MossLink *link = deadline->link;
  g_autoptr (MossRequest) request = take_request (link, deadline->number);

  if (request == NULL)
    return G_SOURCE_REMOVE;
  request->timeout = 0;
  moss_link_send (link, moss_frame_new (MOSS_FRAME_CANCEL, request->number, NULL, NULL));
  end_call (request, NULL,
            g_error_new (MOSS_LINK_ERROR, MOSS_LINK_ERROR_TIMEOUT,
                         "the device didn't answer in time"));
  return G_SOURCE_REMOVE;
}

/**
 * moss_link_call:
 * @body: (transfer floating):
 * @timeout_ms: 0 for none
 *
 * Main context. Ends with moss_link_call_finish().
 */
void
moss_link_call (MossLink *link,
                const char *method,
                GVariant *body,
                guint timeout_ms,
                GAsyncReadyCallback callback,
                gpointer user_data)
{
  g_autoptr (MossRequest) request = g_new0 (MossRequest, 1);
  GError *error = NULL;
  GBytes *frame;

  g_atomic_ref_count_init (&request->refs);
  request->task = g_task_new (NULL, NULL, callback, user_data);
  frame = moss_frame_new (MOSS_FRAME_CALL, 0, g_variant_new ("(sv)", method, body), &error);
  if (frame == NULL || !open_request (link, request, &error))
    {
      g_clear_pointer (&frame, g_bytes_unref);
      g_task_return_error (request->task, error);
      return;
    }
  /* The number is known only now; the frame is nobody else's yet. */
  moss_frame_write_head ((guint8 *) g_bytes_get_data (frame, NULL), MOSS_FRAME_CALL,
                         request->number, g_bytes_get_size (frame) - MOSS_FRAME_HEAD);
  if (timeout_ms > 0)
    {
      Deadline *deadline = g_new0 (Deadline, 1);

      deadline->link = moss_link_ref (link);
      deadline->number = request->number;
      request->timeout = g_timeout_add_full (G_PRIORITY_DEFAULT, timeout_ms, on_timeout,
                                             deadline, free_deadline);
    }
  moss_link_send (link, frame);
}

/**
 * moss_link_call_finish:
 * @remote_name: (out) (optional): the error's name when %MOSS_LINK_ERROR_REMOTE
 *
 * Returns: (transfer full): the reply
 */
GVariant *
moss_link_call_finish (GAsyncResult *result, char **remote_name, GError **error)
{
  if (remote_name != NULL)
    *remote_name = g_strdup (g_object_get_qdata (G_OBJECT (result), call_name_quark ()));
  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
close_incoming (MossLink *link, guint64 number)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&link->lock);

  return g_hash_table_remove (link->incoming, &number);
}

void
moss_link_reply (MossLink *link, guint64 request, GVariant *reply)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) own = g_variant_ref_sink (reply);
  GBytes *frame =
      moss_frame_new (MOSS_FRAME_REPLY, request, g_variant_new_variant (own), &error);

  if (frame == NULL)
    moss_link_reply_error (link, request, "org.moss.Error.TooLarge", error->message);
  else if (close_incoming (link, request))
    moss_link_send (link, frame);
  else
    g_bytes_unref (frame);
}

void
moss_link_reply_error (MossLink *link,
                       guint64 request,
                       const char *name,
                       const char *sentence)
{
  g_autofree char *short_one = g_utf8_make_valid (sentence, MIN (strlen (sentence), 4096));

  if (close_incoming (link, request))
    moss_link_send (link, moss_frame_new (MOSS_FRAME_ERROR, request,
                                          g_variant_new ("(ss)", name, short_one), NULL));
}

/**
 * moss_link_push:
 * @sealed: (nullable): else it is read when it is its turn
 *
 * Sends an object that will be wanted, if the other side isn't known to have it. Any thread;
 * doesn't wait.
 */
void
moss_link_push (MossLink *link, const MossId *id, GBytes *sealed)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&link->lock);
  gsize length = sealed == NULL ? 0 : g_bytes_get_size (sealed);
  MossBulk *bulk;

  if (link->closing || g_hash_table_contains (link->known, id))
    return;
  if (g_hash_table_size (link->known) >= KNOWN_MAX)
    g_hash_table_remove_all (link->known);
  g_hash_table_replace (link->known, g_memdup2 (id, sizeof *id), GUINT_TO_POINTER (1));
  bulk = g_new0 (MossBulk, 1);
  bulk->is_push = TRUE;
  bulk->id = *id;
  if (length > 0 && link->bulk_bytes + length <= BULK_KEEP_BYTES)
    {
      bulk->sealed = g_bytes_ref (sealed);
      link->bulk_bytes += length;
    }
  g_queue_push_tail (&link->bulk, bulk);
  g_cond_broadcast (&link->changed);
}

/**
 * moss_link_fetch:
 * @count: 1 to %MOSS_LINK_MAX_IDS
 * @arrived: called once for each id, or with %G_MAXSIZE; never after @destroy
 * @request: (out): for moss_link_fetch_cancel()
 *
 * Asks for objects. Any thread; doesn't wait.
 */
gboolean
moss_link_fetch (MossLink *link,
                 const MossId *ids,
                 gsize count,
                 MossLinkArrived arrived,
                 gpointer user_data,
                 GDestroyNotify destroy,
                 guint64 *number,
                 GError **error)
{
  g_autoptr (MossRequest) request = g_new0 (MossRequest, 1);

  g_atomic_ref_count_init (&request->refs);
  request->is_fetch = TRUE;
  request->count = count;
  request->arrived = arrived;
  request->user_data = user_data;
  request->destroy = destroy;
  if (!moss_fault_error ("link-fetch", error) || !open_request (link, request, error))
    {
      request->destroy = NULL; /* @user_data stays the caller's */
      return FALSE;
    }
  *number = request->number;
  moss_link_send (link, moss_frame_new (MOSS_FRAME_GET, request->number,
                                        moss_ids_to_variant (ids, count), NULL));
  return TRUE;
}

void
moss_link_fetch_cancel (MossLink *link, guint64 number)
{
  gboolean open;

  g_mutex_lock (&link->lock);
  open = g_hash_table_remove (link->requests, &number);
  if (g_hash_table_size (link->requests) == 0)
    link->busy_since_us = 0;
  g_mutex_unlock (&link->lock);
  if (open)
    moss_link_send (link, moss_frame_new (MOSS_FRAME_CANCEL, number, NULL, NULL));
}

/**
 * moss_link_wait_settled:
 *
 * Waits until every object that came before this call has been looked at. Not from an
 * arrived or pushed callback.
 */
void
moss_link_wait_settled (MossLink *link)
{
  gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

  g_mutex_lock (&link->lock);
  while (link->settling > 0 && !link->closing &&
         g_cond_wait_until (&link->changed, &link->lock, end))
    ;
  g_mutex_unlock (&link->lock);
}
