// SPDX-License-Identifier: GPL-3.0-or-later
/* The cell of a tree: its newest signed root, swapped only by who knew the one before; and who
 * waits for it to change. */
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/host.h"

#include <string.h>

enum
{
  WAITING_MAX = 64, /* of one person's devices */
};

static void
answer_with_cell (Request *request)
{
  Tree *tree = request->tree;

  if (tree->cell == NULL)
    {
      request_refuse (request, SOUP_STATUS_NOT_FOUND, "the tree has no root yet");
      return;
    }
  g_strlcpy (request->etag, tree->etag, sizeof request->etag);
  if (request->condition != NULL && g_str_equal (request->condition, tree->etag))
    request->status = SOUP_STATUS_NOT_MODIFIED;
  else
    request_answer (request, SOUP_STATUS_OK, g_bytes_ref (tree->cell));
}

void
cell_forget_waiter (Request *request)
{
  if (request->wait == 0)
    return;
  g_clear_handle_id (&request->wait, g_source_remove);
  request->person->waiting--;
  g_ptr_array_remove_fast (request->tree->waiters, request); /* may free it */
}

static gboolean
on_waited (gpointer data)
{
  g_autoptr (GPtrArray) keep = g_ptr_array_new_with_free_func ((GDestroyNotify) request_unref);
  Request *request = data;

  g_ptr_array_add (keep, request_ref (request));
  cell_forget_waiter (request);
  answer_with_cell (request);
  request_send (request);
  return G_SOURCE_REMOVE;
}

/* "Prefer: wait=N" and the ETag that is known: the answer comes when there is another one. */
void
cell_get (Request *request)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (request->msg);
  guint wait_s = route_parse_wait (soup_message_headers_get_one (headers, "Prefer"));
  const char *known = request->condition != NULL ? request->condition : "";

  if (wait_s == 0 || !g_str_equal (known, request->tree->etag) ||
      request->person->waiting >= WAITING_MAX)
    {
      answer_with_cell (request);
      request_send (request);
      return;
    }
  request->person->waiting++;
  request->wait = g_timeout_add_seconds (wait_s, on_waited, request);
  g_ptr_array_add (request->tree->waiters, request_ref (request));
  request_pause (request);
}

void
cell_put (Request *request)
{
  guint8 hash[MOSS_HASH_BYTES];
  gsize length;
  const guint8 *bytes = g_bytes_get_data (request->body, &length);
  g_autofree char *hex = NULL;

  if (request->condition == NULL || length == 0)
    {
      request_refuse (request, SOUP_STATUS_BAD_REQUEST,
                      "a root is swapped for the one that If-Match names");
      request_send (request);
      return;
    }
  moss_suite_hash (MOSS_SUITE_SODIUM, bytes, length, hash, NULL);
  hex = moss_id_to_string ((const MossId *) hash);
  g_strlcpy (request->etag, hex, sizeof request->etag);
  writer_push (request);
}

/* It is on the disk. */
void
cell_changed (Tree *tree, GBytes *cell, const char *etag)
{
  g_autoptr (GPtrArray) waiters =
      g_ptr_array_new_with_free_func ((GDestroyNotify) request_unref);

  g_clear_pointer (&tree->cell, g_bytes_unref);
  tree->cell = g_bytes_ref (cell);
  g_strlcpy (tree->etag, etag, sizeof tree->etag);
  for (guint i = 0; i < tree->waiters->len; i++)
    g_ptr_array_add (waiters, request_ref (g_ptr_array_index (tree->waiters, i)));
  for (guint i = 0; i < waiters->len; i++)
    on_waited (g_ptr_array_index (waiters, i));
}
