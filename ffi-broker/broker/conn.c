/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frames in and out without waiting. The rate is bounded: whoever sends more is not read for a
 * while, which fills its own queue and nobody else's. What finds no room is kept, so much of it. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "ffi-broker/broker/conn.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <unistd.h>

enum
{
  FRAMES_A_TURN = 64,
  FRAMES_A_SECOND = 20000,
  REST_MS = 20,
  WAITING_MAX = 20000,
  WAITING_FDS_MAX = 256,
  WAITING_BYTES_MAX = 4 * 1024 * 1024,
};

/* A frame that found no room. */
typedef struct
{
  MossFfiFrameKind kind;
  guint64 serial;
  GVariant *body;
  int fds[MOSS_FFI_FRAME_FDS];
  guint n_fds;
} Waiting;

struct _MossFfiConn
{
  int socket;
  const MossFfiConnFuncs *funcs;
  gpointer user_data;
  GSource *source, *rest, *end, *room;
  GQueue waiting;          /* Waiting */
  gsize waiting_bytes;
  guint waiting_fds;
  gint64 window_us;
  guint in_window;
};

static gboolean on_readable (int fd, GIOCondition condition, gpointer user_data);

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
listen (MossFfiConn *conn)
{
  conn->source = g_unix_fd_source_new (conn->socket, G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_callback (conn->source, G_SOURCE_FUNC (on_readable), conn, NULL);
  g_source_attach (conn->source, NULL);
}

static gboolean
on_rested (gpointer user_data)
{
  MossFfiConn *conn = user_data;

  clear_source (&conn->rest);
  if (conn->end == NULL)
    listen (conn);
  return G_SOURCE_REMOVE;
}

/* Reads no more from it for a moment. */
static void
rest (MossFfiConn *conn)
{
  clear_source (&conn->source);
  conn->rest = g_timeout_source_new (REST_MS);
  g_source_set_callback (conn->rest, on_rested, conn, NULL);
  g_source_attach (conn->rest, NULL);
}

static gboolean
is_flooding (MossFfiConn *conn)
{
  gint64 now = g_get_monotonic_time ();

  if (now - conn->window_us > G_USEC_PER_SEC / 10)
    {
      conn->window_us = now;
      conn->in_window = 0;
    }
  return ++conn->in_window > FRAMES_A_SECOND / 10;
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  MossFfiConn *conn = user_data;

  for (guint i = 0; i < FRAMES_A_TURN && conn->end == NULL; i++)
    {
      g_auto (MossFfiFrame) frame = { 0 };
      g_autoptr (GError) error = NULL;

      if (moss_ffi_frame_receive (fd, &frame, &error))
        conn->funcs->frame (conn, &frame, conn->user_data);
      else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        break;
      else
        moss_ffi_conn_hang_up (conn, error->code == MOSS_FFI_ERROR_PROTOCOL ? error->message
                                                                            : NULL);
      if (conn->end == NULL && is_flooding (conn))
        {
          rest (conn);
          return G_SOURCE_CONTINUE; /* its source is destroyed */
        }
    }
  return G_SOURCE_CONTINUE;
}

MossFfiConn *
moss_ffi_conn_new (int socket, const MossFfiConnFuncs *funcs, gpointer user_data)
{
  MossFfiConn *conn = g_new0 (MossFfiConn, 1);

  conn->socket = socket;
  conn->funcs = funcs;
  conn->user_data = user_data;
  listen (conn);
  return conn;
}

static void
waiting_free (MossFfiConn *conn, Waiting *one)
{
  conn->waiting_bytes -= g_variant_get_size (one->body);
  conn->waiting_fds -= one->n_fds;
  for (guint i = 0; i < one->n_fds; i++)
    close (one->fds[i]);
  g_variant_unref (one->body);
  g_free (one);
}

void
moss_ffi_conn_free (MossFfiConn *conn)
{
  Waiting *one;

  clear_source (&conn->source);
  clear_source (&conn->rest);
  clear_source (&conn->end);
  clear_source (&conn->room);
  while ((one = g_queue_pop_head (&conn->waiting)) != NULL)
    waiting_free (conn, one);
  close (conn->socket);
  g_free (conn);
}

static gboolean
on_end (gpointer user_data)
{
  MossFfiConn *conn = user_data;

  conn->funcs->ended (conn, conn->user_data);
  moss_ffi_conn_free (conn);
  return G_SOURCE_REMOVE;
}

void
moss_ffi_conn_hang_up (MossFfiConn *conn, const char *why)
{
  if (conn->end != NULL)
    return;
  if (why != NULL)
    g_message ("a connection is ended: %s", why);
  clear_source (&conn->source);
  clear_source (&conn->rest);
  conn->end = g_idle_source_new ();
  g_source_set_priority (conn->end, G_PRIORITY_HIGH);
  g_source_set_callback (conn->end, on_end, conn, NULL);
  g_source_attach (conn->end, NULL);
}

static gboolean
has_room (MossFfiConn *conn)
{
  struct pollfd room = { conn->socket, POLLOUT, 0 };

  return poll (&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0;
}

static gboolean
send_now (MossFfiConn *conn, MossFfiFrameKind kind, guint64 serial, GVariant *body,
          const int *fds, guint n_fds)
{
  g_autoptr (GError) error = NULL;

  if (moss_ffi_frame_send (conn->socket, kind, serial, body, fds, n_fds, &error))
    return TRUE;
  if (g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID))
    g_warning ("a frame of kind %d is not sent: %s", kind, error->message);
  else
    moss_ffi_conn_hang_up (conn, NULL);
  return FALSE;
}

static gboolean
on_room (int fd, GIOCondition condition, gpointer user_data)
{
  MossFfiConn *conn = user_data;

  while (conn->end == NULL && conn->waiting.length > 0 && has_room (conn))
    {
      Waiting *one = g_queue_pop_head (&conn->waiting);

      send_now (conn, one->kind, one->serial, one->body, one->fds, one->n_fds);
      waiting_free (conn, one);
    }
  if (conn->end == NULL && conn->waiting.length > 0 && (condition & (G_IO_HUP | G_IO_ERR)) == 0)
    return G_SOURCE_CONTINUE;
  clear_source (&conn->room);
  return G_SOURCE_REMOVE;
}

/* Keeps it until the peer has read what came before. */
static gboolean
keep (MossFfiConn *conn, MossFfiFrameKind kind, guint64 serial, GVariant *body, const int *fds,
      guint n_fds)
{
  Waiting *one;

  if (conn->waiting.length >= WAITING_MAX || conn->waiting_fds + n_fds > WAITING_FDS_MAX ||
      conn->waiting_bytes > WAITING_BYTES_MAX)
    {
      moss_ffi_conn_hang_up (conn, "it doesn't read what it is sent");
      return FALSE;
    }
  one = g_new0 (Waiting, 1);
  one->kind = kind;
  one->serial = serial;
  one->body = g_variant_ref (body);
  for (; one->n_fds < n_fds; one->n_fds++)
    one->fds[one->n_fds] = fcntl (fds[one->n_fds], F_DUPFD_CLOEXEC, 3);
  conn->waiting_bytes += g_variant_get_size (body);
  conn->waiting_fds += n_fds;
  g_queue_push_tail (&conn->waiting, one);
  if (conn->room == NULL)
    {
      conn->room = g_unix_fd_source_new (conn->socket, G_IO_OUT | G_IO_HUP | G_IO_ERR);
      g_source_set_callback (conn->room, G_SOURCE_FUNC (on_room), conn, NULL);
      g_source_attach (conn->room, NULL);
    }
  return TRUE;
}

/* What others said decides how big an answer is: whoever waits for one that is too big for a frame
 * hears that. */
static void
refuse (MossFfiConn *conn, MossFfiFrameKind kind, guint64 serial)
{
  g_autoptr (GError) error = NULL;

  if (kind != MOSS_FFI_FRAME_RESULT && kind != MOSS_FFI_FRAME_ANSWER)
    return;
  g_set_error (&error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED,
               "The answer is too big: besides buffers it has more than %d bytes",
               MOSS_FFI_FRAME_MAX);
  moss_ffi_conn_send_error (conn, serial, error);
}

gboolean
moss_ffi_conn_send (MossFfiConn *conn, MossFfiFrameKind kind, guint64 serial, GVariant *body,
                    const int *fds, guint n_fds)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (body);

  if (conn->end != NULL)
    return FALSE;
  if (g_variant_get_size (held) > MOSS_FFI_FRAME_MAX - MOSS_FFI_FRAME_HEAD)
    {
      refuse (conn, kind, serial);
      return FALSE;
    }
  if (conn->waiting.length > 0 || !has_room (conn))
    return keep (conn, kind, serial, held, fds, n_fds);
  return send_now (conn, kind, serial, held, fds, n_fds);
}

void
moss_ffi_conn_send_error (MossFfiConn *conn, guint64 serial, const GError *error)
{
  g_autofree char *sentence = moss_ffi_error_sentence (error);

  moss_ffi_conn_send (conn, MOSS_FFI_FRAME_ERROR, serial,
                      g_variant_new ("(ss)", moss_ffi_error_name (error), sentence), NULL, 0);
}

int
moss_ffi_conn_get_fd (MossFfiConn *conn)
{
  return conn->socket;
}
