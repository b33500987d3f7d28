// SPDX-License-Identifier: GPL-3.0-or-later
/* All writing, in one thread: it takes what has queued up meanwhile, writes all of it, waits
 * for the disk once, and only then lets the answers go.
 *
 * Promise: what was answered with success is there after a crash and after a power cut. A sync
 * that fails leaves in doubt what the disk has: from then on nothing more is taken until a
 * restart has looked (the store reads back and verifies what wasn't known to be safe). */
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/host.h"

#include "core/fault.h"

#include <string.h>

enum
{
  BATCH_MAX = 128,
  RECORD_BYTES = 80, /* what an object costs beside itself */
};

#define PACK_AFTER_BYTES ((guint64) 32 * 1024 * 1024)
#define PACK_AT_ONCE_BYTES ((guint64) 256 * 1024 * 1024)

static const char stop_mark;

static gboolean
is_object_write (Request *request)
{
  return request->route.kind == ROUTE_PUT_OBJECT || request->route.kind == ROUTE_MANY;
}

/* Says whether it is new here. */
static gboolean
put (Request *request, GBytes *object, const MossId *wanted, MossId *id, GError **error)
{
  MossStore *store = request->tree->store;
  gsize length;
  const guint8 *bytes = g_bytes_get_data (object, &length);

  if (!moss_fault_error ("host-put", error) || !moss_object_id (bytes, length, id, error))
    return FALSE;
  if (wanted != NULL && !moss_id_equal (id, wanted))
    {
      g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_INVALID,
                   "the body is not the object that the address names");
      return FALSE;
    }
  if (moss_store_has (store, id))
    return TRUE;
  if (!moss_store_put_raw (store, object, id, NULL, error))
    return FALSE;
  request->stored_bytes += length + RECORD_BYTES;
  return TRUE;
}

/* An object that can't be one is its sender's mistake, not ours. */
static void
refuse_object (Request *request, GError *error)
{
  if (g_error_matches (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT) ||
      error->domain == MOSS_CRYPTO_ERROR)
    request_refuse (request, SOUP_STATUS_BAD_REQUEST, "%s", error->message);
  else
    request_fail (request, error);
}

static void
put_one (Request *request)
{
  g_autoptr (GError) error = NULL;
  MossId id;

  if (!put (request, request->body, &request->route.object, &id, &error))
    refuse_object (request, error);
  else
    request->status = request->stored_bytes > 0 ? SOUP_STATUS_CREATED : SOUP_STATUS_OK;
}

/* Answers the ids of what was taken, in order. */
static void
put_many (Request *request)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (MossId));
  g_autoptr (GError) error = NULL;
  gsize at = 0;
  guint count;

  if (!moss_bundle_check (request->body, &count, &error))
    {
      request_fail (request, error);
      return;
    }
  for (guint i = 0; i < count; i++)
    {
      g_autoptr (GBytes) object = NULL;
      MossId id;

      if (!moss_bundle_next (request->body, &at, &object, &error) ||
          !put (request, object, NULL, &id, &error))
        {
          refuse_object (request, error);
          return;
        }
      g_array_append_val (ids, id);
    }
  request_answer (request, SOUP_STATUS_OK,
                  moss_id_list_new ((const MossId *) ids->data, ids->len));
}

static void
sync_tree (Host *host, Tree *tree, GPtrArray *batch)
{
  g_autoptr (GError) error = NULL;

  if (moss_fault_error ("host-sync", &error) && moss_store_sync (tree->store, &error))
    return;
  g_atomic_int_set (&host->broken, TRUE);
  for (guint i = 0; i < batch->len; i++)
    {
      Request *request = g_ptr_array_index (batch, i);

      if (is_object_write (request) && request->tree == tree && request->status < 300)
        request_fail (request, error);
    }
}

static void
write_objects (Host *host, GPtrArray *batch)
{
  g_autoptr (GHashTable) touched = g_hash_table_new (NULL, NULL);
  GHashTableIter iter;
  gpointer tree;

  for (guint i = 0; i < batch->len; i++)
    {
      Request *request = g_ptr_array_index (batch, i);

      if (!is_object_write (request))
        continue;
      if (request->route.kind == ROUTE_MANY)
        put_many (request);
      else
        put_one (request);
      g_hash_table_add (touched, request->tree);
    }
  g_hash_table_iter_init (&iter, touched);
  while (g_hash_table_iter_next (&iter, &tree, NULL))
    sync_tree (host, tree, batch);
}

/* Compare and swap; what counts is what was written last, also within this batch. */
static gboolean
write_cell (Request *request, GError **error)
{
  Tree *tree = request->tree;
  gboolean fits = g_str_equal (request->condition, "*")
                      ? *tree->written == '\0'
                      : g_str_equal (request->condition, tree->written);

  if (!fits)
    {
      request_refuse (request, SOUP_STATUS_PRECONDITION_FAILED, "the cell has changed");
      g_strlcpy (request->etag, tree->written, sizeof request->etag);
      return TRUE;
    }
  if (!moss_fault_error ("host-cell", error) ||
      !host_db_set_cell (request->host->db, &tree->id, request->body, error))
    return FALSE;
  g_strlcpy (tree->written, request->etag, sizeof tree->written);
  request->status = SOUP_STATUS_NO_CONTENT;
  return TRUE;
}

static gboolean
is_db_write (Request *request)
{
  return request->route.kind == ROUTE_PUT_CELL || request->route.kind == ROUTE_PUT_CHAIN;
}

static gboolean
write_rows (Host *host, GPtrArray *batch, GError **error)
{
  for (guint i = 0; i < batch->len; i++)
    {
      Request *request = g_ptr_array_index (batch, i);

      if ((request->route.kind == ROUTE_PUT_CELL && !write_cell (request, error)) ||
          (request->route.kind == ROUTE_PUT_CHAIN && !people_write_chain (request)))
        return FALSE;
    }
  return TRUE;
}

/* Nothing of the batch happened. */
static void
undo_rows (Host *host, GPtrArray *batch, GHashTable *before, const GError *error)
{
  GHashTableIter iter;
  gpointer tree, etag;

  host_db_rollback (host->db);
  g_hash_table_iter_init (&iter, before);
  while (g_hash_table_iter_next (&iter, &tree, &etag))
    g_strlcpy (((Tree *) tree)->written, etag, sizeof ((Tree *) tree)->written);
  for (guint i = 0; i < batch->len; i++)
    if (is_db_write (g_ptr_array_index (batch, i)))
      request_fail (g_ptr_array_index (batch, i), error);
}

static void
write_db (Host *host, GPtrArray *batch)
{
  g_autoptr (GHashTable) before = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  g_autoptr (GError) error = NULL;
  gboolean any = FALSE;

  for (guint i = 0; i < batch->len; i++)
    {
      Request *request = g_ptr_array_index (batch, i);

      any = any || is_db_write (request);
      if (request->tree != NULL && !g_hash_table_contains (before, request->tree))
        g_hash_table_insert (before, request->tree, g_strdup (request->tree->written));
    }
  if (!any)
    return;
  if (!host_db_begin (host->db, &error) || !write_rows (host, batch, &error) ||
      !host_db_commit (host->db, &error))
    undo_rows (host, batch, before, error);
}

static void
pack_together (Tree *tree)
{
  g_autoptr (GError) error = NULL;
  guint64 freed;

  /* A grace without end: only what was removed goes. */
  if (!moss_store_collect (tree->store, G_MAXINT64 / 4, PACK_AT_ONCE_BYTES, &freed, &error))
    g_warning ("%s", error->message);
  else
    tree->removed = 0;
}

static void
delete_objects (Request *request)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) ids = moss_id_list_parse (request->body, &error);
  guint64 bytes;

  if (ids == NULL || !moss_fault_error ("host-delete", &error) ||
      !moss_store_remove (request->tree->store, (const MossId *) ids->data, ids->len, &bytes,
                          &error))
    {
      request_fail (request, error);
      return;
    }
  request->stored_bytes = bytes;
  request->tree->removed += bytes;
  request->status = SOUP_STATUS_NO_CONTENT;
  if (request->tree->removed > PACK_AFTER_BYTES)
    pack_together (request->tree);
}

static void
write_batch (Host *host, GPtrArray *batch)
{
  write_objects (host, batch);
  for (guint i = 0; i < batch->len; i++)
    if (((Request *) g_ptr_array_index (batch, i))->route.kind == ROUTE_DELETE)
      delete_objects (g_ptr_array_index (batch, i));
  write_db (host, batch);
  for (guint i = 0; i < batch->len; i++)
    request_done_in_thread (g_ptr_array_index (batch, i));
}

static gpointer
writer_thread (gpointer data)
{
  Host *host = data;
  g_autoptr (GPtrArray) batch = g_ptr_array_new ();
  gpointer next;

  while ((next = g_async_queue_pop (host->writes)) != (gpointer) &stop_mark)
    {
      g_ptr_array_set_size (batch, 0);
      do
        g_ptr_array_add (batch, next);
      while (batch->len < BATCH_MAX && (next = g_async_queue_try_pop (host->writes)) != NULL &&
             next != (gpointer) &stop_mark);
      write_batch (host, batch);
      if (next == (gpointer) &stop_mark)
        break;
    }
  return NULL;
}

gboolean
writer_start (Host *host, GError **error)
{
  host->writes = g_async_queue_new ();
  host->writer = g_thread_try_new ("writer", writer_thread, host, error);
  return host->writer != NULL;
}

/* What was pushed before is written. */
void
writer_stop (Host *host)
{
  g_async_queue_push (host->writes, (gpointer) &stop_mark);
  g_thread_join (host->writer);
}

/* Takes a reference to @request; it is answered when the disk has it. */
void
writer_push (Request *request)
{
  if (g_atomic_int_get (&request->host->broken))
    {
      request_refuse (request, SOUP_STATUS_INTERNAL_SERVER_ERROR,
                      "this host's disk doesn't work");
      request_send (request);
      return;
    }
  request_pause (request);
  g_async_queue_push (request->host->writes, request_ref (request));
}
