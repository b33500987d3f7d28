// SPDX-License-Identifier: LGPL-2.1-or-later
/* A thread listens: the broker may send a new table or a person's cancellation at any
 * time. Whoever asked something waits until the thread has its answer. */
#include "session.h"

#include "buffer-wire.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_US (20 * G_USEC_PER_SEC) /* a worker may have to be started for it */

struct _MossFfiSession
{
  gatomicrefcount refs;
  int socket;
  gboolean relayed;
  GMutex lock; /* of what follows */
  GCond answered;
  gboolean over;
  guint64 last_serial;
  GHashTable *questions; /* serial → MossFfiFrame of who waits for it */
  GHashTable *running;   /* serial → GCancellable */
  MossFfiTable *table;
};

MossFfiSession *
moss_ffi_session_ref (MossFfiSession *session)
{
  g_atomic_ref_count_inc (&session->refs);
  return session;
}

static void
session_free (MossFfiSession *session)
{
  close (session->socket);
  g_hash_table_unref (session->questions);
  g_hash_table_unref (session->running);
  g_clear_pointer (&session->table, moss_ffi_table_unref);
  g_cond_clear (&session->answered);
  g_mutex_clear (&session->lock);
  g_free (session);
}

/* The thread has a reference of its own, which ends with the connection. */
void
moss_ffi_session_unref (MossFfiSession *session)
{
  if (g_atomic_ref_count_dec (&session->refs))
    session_free (session);
}

/* Ends it; its thread goes soon after. */
void
moss_ffi_session_close (MossFfiSession *session)
{
  shutdown (session->socket, SHUT_RDWR);
}

gboolean
moss_ffi_session_is_over (MossFfiSession *session)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&session->lock);

  return session->over;
}

/* Transfer full. */
MossFfiTable *
moss_ffi_session_get_table (MossFfiSession *session)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&session->lock);

  return moss_ffi_table_ref (session->table);
}

static gboolean
take_table (MossFfiSession *session, MossFfiFrame *frame, GError **error)
{
  int fd = moss_ffi_frame_take_fd (frame, 0);
  MossFfiTable *table, *old;

  table = session->relayed ? moss_ffi_table_read (fd, error)
                           : moss_ffi_table_map (fd, error);
  if (fd >= 0)
    close (fd);
  if (table == NULL)
    return FALSE;
  g_mutex_lock (&session->lock);
  old = session->table;
  session->table = table;
  g_mutex_unlock (&session->lock);
  g_clear_pointer (&old, moss_ffi_table_unref);
  return TRUE;
}

static void
cancel (MossFfiSession *session, guint64 serial)
{
  g_autoptr (GCancellable) cancellable = NULL;

  g_mutex_lock (&session->lock);
  g_set_object (&cancellable, g_hash_table_lookup (session->running, &serial));
  g_mutex_unlock (&session->lock);
  if (cancellable)
    g_cancellable_cancel (cancellable);
}

static void
answer (MossFfiSession *session, MossFfiFrame *frame)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&session->lock);
  MossFfiFrame *slot = g_hash_table_lookup (session->questions, &frame->serial);

  if (slot == NULL || slot->body != NULL)
    return;
  *slot = *frame;
  memset (frame, 0, sizeof *frame);
  g_cond_broadcast (&session->answered);
}

/* FALSE: what it says makes no sense. */
static gboolean
hear (MossFfiSession *session, MossFfiFrame *frame)
{
  if (frame->kind == MOSS_FFI_FRAME_TABLE)
    return take_table (session, frame, NULL);
  if (frame->kind == MOSS_FFI_FRAME_CANCEL)
    cancel (session, frame->serial);
  else
    answer (session, frame);
  return TRUE;
}

static gpointer
listen_to_broker (gpointer data)
{
  g_autoptr (MossFfiSession) session = data;

  for (;;)
    {
      g_auto (MossFfiFrame) frame = { 0 };
      g_autoptr (GError) error = NULL;
      struct pollfd polled = { session->socket, POLLIN, 0 };

      poll (&polled, 1, -1);
      if (moss_ffi_frame_receive (session->socket, &frame, &error)
              ? !hear (session, &frame)
              : !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        break;
    }
  g_mutex_lock (&session->lock);
  session->over = TRUE;
  shutdown (session->socket, SHUT_RDWR);
  g_cond_broadcast (&session->answered);
  g_mutex_unlock (&session->lock);
  return NULL;
}

static gboolean
read_answer (MossFfiFrame *answer, MossFfiFrameKind expected, GError **error)
{
  const char *name, *sentence;

  if (answer->kind == expected)
    return TRUE;
  if (answer->kind == MOSS_FFI_FRAME_ERROR)
    {
      g_variant_get (answer->body, "(&s&s)", &name, &sentence);
      g_propagate_error (error, moss_ffi_error_from_name (name, sentence));
    }
  else
    moss_ffi_fail (error, MOSS_FFI_ERROR_PROTOCOL,
                   "The function broker answers something else");
  moss_ffi_frame_clear (answer);
  return FALSE;
}

static guint64
new_serial (MossFfiSession *session)
{
  return ++session->last_serial;
}

static gboolean
no_answer (gboolean broker, GError **error)
{
  return broker ? moss_ffi_fail (error, MOSS_FFI_ERROR_TIMED_OUT,
                                 "The function broker doesn't answer")
                : moss_ffi_fail (error, MOSS_FFI_ERROR_TIMED_OUT,
                                 "The time of the call was over before it was begun");
}

/* Asks and waits, until the monotonic time @until_us if that isn't 0; @answer is the
 * caller's to clear. %MOSS_FFI_ERROR_LOST when the broker went away, its own error when
 * it says no. */
gboolean
moss_ffi_session_ask (MossFfiSession *session,
                      MossFfiFrameKind kind,
                      GVariant *body,
                      gint64 until_us,
                      MossFfiFrameKind expected,
                      MossFfiFrame *answer,
                      GError **error)
{
  gint64 patience = g_get_monotonic_time () + ANSWER_US;
  gint64 until = until_us > 0 ? MIN (until_us, patience) : patience;
  gboolean over, sent;
  guint64 serial;

  memset (answer, 0, sizeof *answer);
  g_mutex_lock (&session->lock);
  serial = new_serial (session);
  g_hash_table_insert (session->questions, &serial, answer);
  g_mutex_unlock (&session->lock);
  sent = moss_ffi_frame_send (session->socket, kind, serial, body, NULL, 0, error);
  g_mutex_lock (&session->lock);
  while (sent && answer->body == NULL && !session->over
         && g_cond_wait_until (&session->answered, &session->lock, until))
    ;
  over = session->over;
  g_hash_table_remove (session->questions, &serial);
  g_mutex_unlock (&session->lock);
  if (!sent)
    return FALSE;
  if (answer->body != NULL)
    return read_answer (answer, expected, error);
  return over
             ? moss_ffi_fail (error, MOSS_FFI_ERROR_LOST, "The function broker went away")
             : no_answer (until == patience, error);
}

/* Something that has no answer; lost when the broker is. */
void
moss_ffi_session_tell (MossFfiSession *session,
                       MossFfiFrameKind kind,
                       guint64 serial,
                       GVariant *body)
{
  moss_ffi_frame_send (session->socket, kind, serial, body, NULL, 0, NULL);
}

/* As moss_ffi_session_tell(), but never waits: lost also when the broker doesn't read. */
void
moss_ffi_session_try_tell (MossFfiSession *session,
                           MossFfiFrameKind kind,
                           guint64 serial,
                           GVariant *body)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (body);
  struct pollfd polled = { session->socket, POLLOUT, 0 };

  if (poll (&polled, 1, 0) == 1 && (polled.revents & POLLOUT) != 0)
    moss_ffi_session_tell (session, kind, serial, held);
}

/* Lets people see a long call, and cancel it. Gives the number it ends with. */
guint64
moss_ffi_session_begin (MossFfiSession *session,
                        const char *what,
                        guint64 predicted_us,
                        guint offer,
                        GCancellable *cancellable)
{
  guint64 *serial = g_new (guint64, 1);

  g_mutex_lock (&session->lock);
  *serial = new_serial (session);
  g_hash_table_insert (session->running, serial, g_object_ref (cancellable));
  g_mutex_unlock (&session->lock);
  moss_ffi_session_tell (session, MOSS_FFI_FRAME_BEGIN, *serial,
                         g_variant_new ("(stu)", what, predicted_us, offer));
  return *serial;
}

void
moss_ffi_session_end (MossFfiSession *session, guint64 serial)
{
  g_mutex_lock (&session->lock);
  g_hash_table_remove (session->running, &serial);
  g_mutex_unlock (&session->lock);
  moss_ffi_session_tell (session, MOSS_FFI_FRAME_END, serial, g_variant_new ("()"));
}

static gboolean
greet (MossFfiSession *session, GError **error)
{
  g_auto (MossFfiFrame) welcome = { 0 };
  g_autoptr (GVariant) about = NULL;
  const char *name = g_get_prgname ();

  if (!moss_ffi_session_ask (
          session, MOSS_FFI_FRAME_HELLO,
          g_variant_new ("(s@a{sv})", name ? name : "",
                         g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0)),
          0, MOSS_FFI_FRAME_WELCOME, &welcome, error))
    return FALSE;
  about = g_variant_get_child_value (welcome.body, 1);
  g_variant_lookup (about, "relayed", "b", &session->relayed);
  if (session->relayed)
    moss_ffi_buffer_avoid_mappings ();
  return take_table (session, &welcome, error);
}

/* Greets the broker on @socket, which is taken. Transfer full. */
MossFfiSession *
moss_ffi_session_new (int socket, GError **error)
{
  MossFfiSession *session = g_new0 (MossFfiSession, 1);

  g_atomic_ref_count_init (&session->refs);
  g_mutex_init (&session->lock);
  g_cond_init (&session->answered);
  session->socket = socket;
  session->questions = g_hash_table_new (g_int64_hash, g_int64_equal);
  session->running
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_object_unref);
  g_thread_unref (
      g_thread_new ("moss-ffi", listen_to_broker, moss_ffi_session_ref (session)));
  if (greet (session, error))
    return session;
  moss_ffi_session_close (session);
  moss_ffi_session_unref (session);
  return NULL;
}
