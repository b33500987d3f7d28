// SPDX-License-Identifier: LGPL-2.1-or-later
/* The thread that reads. It judges each head before it makes room for a body, answers pings
 * itself, hands objects to workers and everything else to the main context. */
#define G_LOG_DOMAIN "moss-link"

#include "core/link/link-private.h"

#include <string.h>

enum
{
  SETTLING_MAX = 48, /* objects, each of about 1 MiB */
};

typedef struct
{
  MossFrameState state;
  guint8 *object; /* the object under way */
  gsize length;
  guint64 wire_bytes;
} Reader;

typedef struct
{
  MossLink *link;
  MossRequest *request; /* NULL: a push */
  gsize index;
  GBytes *sealed;
  guint64 wire_bytes;
} Arrival;

static void
settle (gpointer data, gpointer unused)
{
  g_autofree Arrival *arrival = data;
  MossLink *link = arrival->link;

  if (arrival->request != NULL)
    arrival->request->arrived (arrival->index, arrival->sealed, arrival->wire_bytes,
                               arrival->request->user_data);
  else
    link->events.pushed (link, arrival->sealed, link->user_data);
  g_clear_pointer (&arrival->request, moss_request_unref);
  g_clear_pointer (&arrival->sealed, g_bytes_unref);
  g_mutex_lock (&link->lock);
  link->settling--;
  g_cond_broadcast (&link->changed);
  g_mutex_unlock (&link->lock);
  moss_link_unref (link);
}

static GThreadPool *
workers (void)
{
  static gsize once;
  static GThreadPool *pool;

  if (g_once_init_enter (&once))
    {
      pool = g_thread_pool_new (settle, NULL, (gint) g_get_num_processors (), FALSE, NULL);
      g_once_init_leave (&once, 1);
    }
  return pool;
}

/* Waits while many are being looked at: the other side then waits too, by way of TCP. */
static void
hand_over (MossLink *link, Arrival *arrival)
{
  g_mutex_lock (&link->lock);
  while (link->settling >= SETTLING_MAX && !link->closing)
    {
      g_cond_wait (&link->changed, &link->lock);
      link->last_heard_us = g_get_monotonic_time ();
    }
  link->settling++;
  g_mutex_unlock (&link->lock);
  arrival->link = moss_link_ref (link);
  g_thread_pool_push (workers (), arrival, NULL);
}

static gboolean
read_bytes (MossLink *link, guint8 *bytes, gsize length, GError **error)
{
  GInputStream *in = g_io_stream_get_input_stream (link->stream);
  gsize done = 0;

  while (done < length)
    {
      gssize some = g_input_stream_read (in, bytes + done, length - done, NULL, error);

      if (some < 0)
        return FALSE;
      if (some == 0)
        {
          g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY,
                       "the other device ended the connection");
          return FALSE;
        }
      done += some;
      g_mutex_lock (&link->lock);
      link->last_heard_us = g_get_monotonic_time ();
      link->received += some;
      g_mutex_unlock (&link->lock);
    }
  return TRUE;
}

/* An object that nobody waits for any more is dropped. */
static void
on_object (MossLink *link, const MossFrameHead *head, GBytes *sealed, guint64 wire_bytes)
{
  g_autoptr (MossRequest) request = NULL;
  Arrival *arrival;

  if (head->type == MOSS_FRAME_OBJECT)
    {
      g_mutex_lock (&link->lock);
      request = g_hash_table_lookup (link->requests, &head->request);
      if (request != NULL && request->is_fetch)
        moss_request_ref (request);
      else
        request = NULL;
      g_mutex_unlock (&link->lock);
      if (request == NULL)
        return;
    }
  arrival = g_new0 (Arrival, 1);
  arrival->sealed = g_bytes_get_size (sealed) > 0 ? g_bytes_ref (sealed) : NULL;
  arrival->wire_bytes = wire_bytes;
  if (request != NULL)
    {
      arrival->index = request->next++;
      if (request->next == request->count)
        {
          g_mutex_lock (&link->lock);
          g_hash_table_remove (link->requests, &request->number);
          if (g_hash_table_size (link->requests) == 0)
            link->busy_since_us = 0;
          g_mutex_unlock (&link->lock);
        }
      arrival->request = g_steal_pointer (&request);
    }
  else if (arrival->sealed == NULL)
    {
      g_free (arrival);
      return;
    }
  hand_over (link, arrival);
}

static gboolean
read_object (MossLink *link, Reader *reader, const MossFrameHead *head, GError **error)
{
  gboolean last = head->type != MOSS_FRAME_PART_OF;
  gsize room = last ? reader->length + head->body_length : MOSS_OBJECT_MAX_SEALED;
  g_autoptr (GBytes) sealed = NULL;

  /* The head was checked: all parts together fit. */
  if (reader->object == NULL)
    reader->object = g_malloc (MAX (room, 1));
  if (!read_bytes (link, reader->object + reader->length, head->body_length, error))
    return FALSE;
  reader->length += head->body_length;
  reader->wire_bytes += MOSS_FRAME_HEAD + head->body_length;
  if (!last)
    return TRUE;
  sealed = g_bytes_new_take (g_steal_pointer (&reader->object), reader->length);
  on_object (link, head, sealed, reader->wire_bytes);
  reader->length = 0;
  reader->wire_bytes = 0;
  return TRUE;
}

static gboolean
skip (MossLink *link, gsize length, GError **error)
{
  guint8 buffer[4096];

  while (length > 0)
    {
      gsize some = MIN (length, sizeof buffer);

      if (!read_bytes (link, buffer, some, error))
        return FALSE;
      length -= some;
    }
  return TRUE;
}

static void
on_pong (MossLink *link, guint64 number)
{
  g_mutex_lock (&link->lock);
  if (number != 0 && number == link->ping)
    {
      guint64 rtt = g_get_monotonic_time () - (gint64) number;

      link->rtt_us = link->rtt_us == 0 ? rtt : (3 * link->rtt_us + rtt) / 4;
      link->ping = 0;
    }
  g_mutex_unlock (&link->lock);
}

static gboolean
open_incoming (MossLink *link, guint64 number, GError **error)
{
  gboolean ok;

  g_mutex_lock (&link->lock);
  ok = g_hash_table_size (link->incoming) < MOSS_LINK_MAX_REQUESTS &&
       g_hash_table_add (link->incoming, g_memdup2 (&number, sizeof number));
  link->last_use_us = g_get_monotonic_time ();
  g_mutex_unlock (&link->lock);
  if (!ok)
    g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_PROTOCOL,
                 "the other device doesn't keep to the protocol: too many requests, or one "
                 "number twice");
  return ok;
}

static gboolean
on_get (MossLink *link, guint64 number, GVariant *body, GError **error)
{
  g_autoptr (GArray) ids = moss_ids_from_variant (body, MOSS_LINK_MAX_IDS, error);
  MossBulk *bulk;
  guint position = 0;

  if (ids == NULL || !open_incoming (link, number, error))
    return FALSE;
  g_mutex_lock (&link->lock);
  if (ids->len == 0)
    g_hash_table_remove (link->incoming, &number);
  else
    {
      bulk = g_new0 (MossBulk, 1);
      bulk->request = number;
      bulk->ids = g_steal_pointer (&ids);
      for (GList *l = link->bulk.head; l != NULL && !((MossBulk *) l->data)->is_push;
           l = l->next)
        position++;
      g_queue_push_nth (&link->bulk, bulk, position);
      g_cond_broadcast (&link->changed);
    }
  g_mutex_unlock (&link->lock);
  return TRUE;
}

/* A call that is cancelled is the main context's business; a get ends here. */
static void
on_cancel (MossLink *link, guint64 number)
{
  g_mutex_lock (&link->lock);
  for (GList *l = link->bulk.head; l != NULL; l = l->next)
    {
      MossBulk *bulk = l->data;

      if (bulk->is_push || bulk->request != number)
        continue;
      g_hash_table_remove (link->incoming, &number);
      g_queue_delete_link (&link->bulk, l);
      moss_bulk_free (bulk);
      break;
    }
  g_mutex_unlock (&link->lock);
}

static gboolean
read_message (MossLink *link, const MossFrameHead *head, GError **error)
{
  g_autofree guint8 *buffer = g_malloc (MAX (head->body_length, 1));
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) body = NULL;

  if (!read_bytes (link, buffer, head->body_length, error))
    return FALSE;
  bytes = g_bytes_new_take (g_steal_pointer (&buffer), head->body_length);
  if (!moss_frame_read_body (head->type, bytes, &body, error))
    return FALSE;
  switch (head->type)
    {
    case MOSS_FRAME_PING:
      moss_link_send (link, moss_frame_new (MOSS_FRAME_PONG, head->request, NULL, NULL));
      return TRUE;
    case MOSS_FRAME_PONG:
      on_pong (link, head->request);
      return TRUE;
    case MOSS_FRAME_GET:
      return on_get (link, head->request, body, error);
    case MOSS_FRAME_CANCEL:
      on_cancel (link, head->request);
      break;
    case MOSS_FRAME_CALL:
      if (!open_incoming (link, head->request, error))
        return FALSE;
      break;
    default:
      break;
    }
  moss_link_to_main (link, head->type, head->request, body, NULL);
  return TRUE;
}

static gboolean
read_frame (MossLink *link, Reader *reader, GError **error)
{
  guint8 bytes[MOSS_FRAME_HEAD];
  MossFrameHead head;

  if (!read_bytes (link, bytes, sizeof bytes, error) ||
      !moss_frame_read_head (&reader->state, bytes, &head, error))
    return FALSE;
  switch (head.type)
    {
    case MOSS_FRAME_OBJECT:
    case MOSS_FRAME_PUSH:
    case MOSS_FRAME_PART_OF:
      return read_object (link, reader, &head, error);
    case MOSS_FRAME_HELLO:
    case MOSS_FRAME_STATUS:
    case MOSS_FRAME_PING:
    case MOSS_FRAME_PONG:
    case MOSS_FRAME_CALL:
    case MOSS_FRAME_REPLY:
    case MOSS_FRAME_ERROR:
    case MOSS_FRAME_GET:
    case MOSS_FRAME_CANCEL:
      return read_message (link, &head, error);
    default:
      return skip (link, head.body_length, error);
    }
}

gpointer
moss_link_read_thread (gpointer data)
{
  g_autoptr (MossLink) link = data;
  Reader reader = { 0 };
  GError *error = NULL;

  while (read_frame (link, &reader, &error))
    ;
  g_free (reader.object);
  moss_link_fail (link, error);
  return NULL;
}
