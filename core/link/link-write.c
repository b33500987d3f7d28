// SPDX-License-Identifier: LGPL-2.1-or-later
/* The thread that writes: calls before objects, and an object in parts, so that a call waits
 * for 64 KiB at most. Answers to gets go before pushes. */
#define G_LOG_DOMAIN "moss-link"

#include "core/link/link-private.h"

#include <string.h>

typedef struct
{
  GBytes *sealed; /* the object under way; empty: not here */
  gsize offset;
  guint8 type;
  guint64 request;
  guint8 buffer[MOSS_FRAME_HEAD + MOSS_FRAME_PART];
} Writer;

static gboolean
write_bytes (MossLink *link, const guint8 *bytes, gsize length)
{
  g_autoptr (GError) error = NULL;
  GOutputStream *out = g_io_stream_get_output_stream (link->stream);

  if (g_output_stream_write_all (out, bytes, length, NULL, NULL, &error))
    {
      g_mutex_lock (&link->lock);
      link->sent += length;
      g_mutex_unlock (&link->lock);
      return TRUE;
    }
  moss_link_fail (link, g_error_new (MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY,
                                     "the connection broke: %s", error->message));
  return FALSE;
}

static gboolean
write_part (MossLink *link, Writer *writer)
{
  gsize length;
  const guint8 *bytes = g_bytes_get_data (writer->sealed, &length);
  gsize part = MIN (length - writer->offset, MOSS_FRAME_PART);
  gboolean last = writer->offset + part == length;

  moss_frame_write_head (writer->buffer, last ? writer->type : MOSS_FRAME_PART_OF,
                         writer->request, part);
  if (part > 0)
    memcpy (writer->buffer + MOSS_FRAME_HEAD, bytes + writer->offset, part);
  if (!write_bytes (link, writer->buffer, MOSS_FRAME_HEAD + part))
    return FALSE;
  writer->offset += part;
  g_mutex_lock (&link->lock);
  link->last_progress_us = g_get_monotonic_time ();
  g_mutex_unlock (&link->lock);
  if (last)
    g_clear_pointer (&writer->sealed, g_bytes_unref);
  return TRUE;
}

/* Decides what a get is answered with. An object that was pushed just before may still be on
 * its way: the other side is told to look again, and gets it when it asks a second time. */
static gboolean
is_pushed_before (MossLink *link, const MossId *id)
{
  gboolean pushed;

  g_mutex_lock (&link->lock);
  pushed = GPOINTER_TO_UINT (g_hash_table_lookup (link->known, id)) == 1;
  g_hash_table_replace (link->known, g_memdup2 (id, sizeof *id), GUINT_TO_POINTER (2));
  g_mutex_unlock (&link->lock);
  return pushed;
}

/* Called with the lock, which it gives up meanwhile: reading an object takes time. */
static void
begin_bulk_locked (MossLink *link, Writer *writer)
{
  MossBulk *bulk = g_queue_peek_head (&link->bulk);
  gboolean is_push = bulk->is_push;
  gboolean spent = is_push || bulk->next + 1 >= bulk->ids->len;
  MossId id = is_push ? bulk->id : g_array_index (bulk->ids, MossId, bulk->next);
  g_autoptr (GBytes) sealed = g_steal_pointer (&bulk->sealed);

  writer->type = is_push ? MOSS_FRAME_PUSH : MOSS_FRAME_OBJECT;
  writer->request = bulk->request;
  writer->offset = 0;
  bulk->next++;
  if (sealed != NULL)
    link->bulk_bytes -= g_bytes_get_size (sealed);
  if (spent)
    {
      g_hash_table_remove (link->incoming, &bulk->request);
      moss_bulk_free (g_queue_pop_head (&link->bulk));
    }
  g_mutex_unlock (&link->lock);
  if (sealed == NULL && (is_push || !is_pushed_before (link, &id)))
    sealed = link->events.load (&id, link->user_data);
  /* An empty answer says "not here"; there is no empty push. */
  if (sealed == NULL && !is_push)
    sealed = g_bytes_new (NULL, 0);
  writer->sealed = g_steal_pointer (&sealed);
  g_mutex_lock (&link->lock);
}

static void
note_rate (MossLink *link, gint64 started_us, guint64 bytes)
{
  gint64 took_us = g_get_monotonic_time () - started_us;

  /* Less than this fits into buffers and says nothing about the link. */
  if (bytes < 4 * 1024 * 1024 || took_us <= 0)
    return;
  g_mutex_lock (&link->lock);
  link->bytes_per_s = bytes * G_USEC_PER_SEC / took_us;
  g_mutex_unlock (&link->lock);
}

static gboolean
work_locked (MossLink *link, Writer *writer, gint64 *bulk_start_us, guint64 *bulk_bytes)
{
  g_autoptr (GBytes) frame = g_queue_pop_head (&link->urgent);
  gboolean ok = TRUE;

  if (frame == NULL && writer->sealed == NULL)
    {
      if (*bulk_start_us == 0)
        *bulk_start_us = g_get_monotonic_time ();
      begin_bulk_locked (link, writer);
      return TRUE;
    }
  g_mutex_unlock (&link->lock);
  if (frame != NULL)
    ok = write_bytes (link, g_bytes_get_data (frame, NULL), g_bytes_get_size (frame));
  else
    {
      gsize left = g_bytes_get_size (writer->sealed) - writer->offset;

      ok = write_part (link, writer);
      *bulk_bytes += MIN (left, MOSS_FRAME_PART);
    }
  g_mutex_lock (&link->lock);
  return ok;
}

gpointer
moss_link_write_thread (gpointer data)
{
  g_autoptr (MossLink) link = data;
  g_autofree Writer *writer = g_new0 (Writer, 1);
  gint64 bulk_start_us = 0;
  guint64 bulk_bytes = 0;

  g_mutex_lock (&link->lock);
  while (!link->closing)
    {
      if (!g_queue_is_empty (&link->urgent) || writer->sealed != NULL ||
          !g_queue_is_empty (&link->bulk))
        {
          if (!work_locked (link, writer, &bulk_start_us, &bulk_bytes))
            break;
          continue;
        }
      if (bulk_start_us != 0)
        {
          g_mutex_unlock (&link->lock);
          note_rate (link, bulk_start_us, bulk_bytes);
          bulk_start_us = 0;
          bulk_bytes = 0;
          g_mutex_lock (&link->lock);
          continue;
        }
      g_cond_wait (&link->changed, &link->lock);
    }
  g_mutex_unlock (&link->lock);
  g_clear_pointer (&writer->sealed, g_bytes_unref);
  return NULL;
}
