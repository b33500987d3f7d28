// SPDX-License-Identifier: GPL-3.0-or-later
/* One request on its way: taken apart when its headers are there (server.c), worked on in a
 * thread where a disk is involved, answered in the main context. */
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/host.h"

#include <string.h>

Request *
request_new (Host *host, SoupServerMessage *msg)
{
  Request *request = g_new0 (Request, 1);

  g_atomic_ref_count_init (&request->refs);
  request->host = host;
  request->msg = msg;
  return request;
}

Request *
request_ref (Request *request)
{
  g_atomic_ref_count_inc (&request->refs);
  return request;
}

void
request_unref (Request *request)
{
  if (!g_atomic_ref_count_dec (&request->refs))
    return;
  g_clear_pointer (&request->body, g_bytes_unref);
  g_clear_pointer (&request->answer, g_bytes_unref);
  g_clear_pointer (&request->chain, moss_chain_unref);
  g_free (request->range);
  g_free (request->condition);
  g_free (request->sentence);
  g_free (request);
}

/* Any thread that works on it. */
void
request_refuse (Request *request, guint status, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_free (request->sentence);
  request->sentence = g_strdup_vprintf (format, arguments);
  request->status = status;
  va_end (arguments);
}

static guint
status_of (const GError *error)
{
  if (g_error_matches (error, MOSS_HOST_ERROR, MOSS_HOST_ERROR_EXPIRED))
    return SOUP_STATUS_UNAUTHORIZED;
  if (g_error_matches (error, MOSS_HOST_ERROR, MOSS_HOST_ERROR_DENIED))
    return SOUP_STATUS_FORBIDDEN;
  if (error->domain == MOSS_HOST_ERROR)
    return SOUP_STATUS_BAD_REQUEST;
  if (g_error_matches (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_NO_SPACE))
    return SOUP_STATUS_INSUFFICIENT_STORAGE;
  if (g_error_matches (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_MISSING))
    return SOUP_STATUS_NOT_FOUND;
  if (g_error_matches (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_INVALID))
    return SOUP_STATUS_BAD_REQUEST;
  return SOUP_STATUS_INTERNAL_SERVER_ERROR;
}

/* What our own disk says is for the log: a stranger needs no paths of this machine. */
void
request_fail (Request *request, const GError *error)
{
  guint status = status_of (error);

  if (status == SOUP_STATUS_INSUFFICIENT_STORAGE)
    request_refuse (request, status, "this host's disk is full");
  else if (status == SOUP_STATUS_INTERNAL_SERVER_ERROR)
    request_refuse (request, status, "this host's disk doesn't work");
  else
    request_refuse (request, status, "%s", error->message);
  if (status >= 500)
    g_warning ("%s", error->message);
}

/* Takes @answer. */
void
request_answer (Request *request, guint status, GBytes *answer)
{
  request->status = status;
  g_clear_pointer (&request->answer, g_bytes_unref);
  request->answer = answer;
}

/* The answer comes later. */
void
request_pause (Request *request)
{
  request->paused = TRUE;
  soup_server_message_pause (request->msg);
}

static void
add_number (SoupMessageHeaders *headers, const char *name, guint64 number)
{
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, number);

  soup_message_headers_replace (headers, name, text);
}

static void
add_headers (Request *request, SoupMessageHeaders *headers)
{
  soup_message_headers_replace (headers, "Cache-Control", "no-store");
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  if (*request->etag != '\0')
    {
      g_autofree char *quoted = g_strdup_printf ("\"%s\"", request->etag);

      soup_message_headers_replace (headers, "ETag", quoted);
    }
  if (request->person != NULL)
    {
      add_number (headers, "Moss-Used", request->person->used);
      add_number (headers, "Moss-Quota", request->person->quota);
    }
  if (request->status == STATUS_TOO_MANY ||
      request->status == SOUP_STATUS_SERVICE_UNAVAILABLE)
    soup_message_headers_replace (headers, "Retry-After", "1");
  if (request->status == SOUP_STATUS_PARTIAL_CONTENT)
    soup_message_headers_set_content_range (headers, request->range_start,
                                            request->range_start + request->range_length - 1,
                                            request->total);
}

static const char *
content_type (Request *request)
{
  if (request->sentence != NULL)
    return "text/plain; charset=utf-8";
  if (request->route.kind == ROUTE_FINGER)
    return "application/jrd+json";
  return "application/octet-stream";
}

/* Main context: gives the answer to libsoup. */
void
request_send (Request *request)
{
  SoupMessageHeaders *headers;

  if (request->gone)
    return;
  headers = soup_server_message_get_response_headers (request->msg);
  add_headers (request, headers);
  soup_server_message_set_status (request->msg, request->status, NULL);
  if (request->sentence != NULL)
    soup_server_message_set_response (request->msg, content_type (request), SOUP_MEMORY_COPY,
                                      request->sentence, strlen (request->sentence));
  else if (request->answer != NULL)
    {
      soup_message_headers_replace (headers, "Content-Type", content_type (request));
      if (g_bytes_get_size (request->answer) > 0)
        soup_message_body_append_bytes (
            soup_server_message_get_response_body (request->msg), request->answer);
      if (soup_server_message_get_method (request->msg) == SOUP_METHOD_HEAD)
        soup_message_headers_set_content_length (headers, g_bytes_get_size (request->answer));
    }
  if (request->paused)
    soup_server_message_unpause (request->msg);
  request->paused = FALSE;
}

static void
account (Request *request)
{
  Person *person = request->person;

  if (person == NULL)
    return;
  if (request->route.kind == ROUTE_DELETE)
    person->used -= MIN (person->used, request->stored_bytes);
  else
    person->used += request->stored_bytes;
}

static gboolean
on_done (gpointer data)
{
  Request *request = data;

  account (request);
  trees_unreserve (request);
  if (request->status < 300 && request->route.kind == ROUTE_PUT_CELL)
    cell_changed (request->tree, request->body, request->etag);
  if (request->status < 300 && request->route.kind == ROUTE_PUT_CHAIN)
    people_chain_written (request);
  request_send (request);
  request_unref (request);
  return G_SOURCE_REMOVE;
}

/* Any thread; takes the reference that the thread was given. */
void
request_done_in_thread (Request *request)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, on_done, request, NULL);
}
