// SPDX-License-Identifier: GPL-3.0-or-later
/* Reading: get, missing, fetch and list. In threads; several of one tree at once. */
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/host.h"

#include <string.h>

enum
{
  FETCH_MAX_BYTES = 8 * 1024 * 1024,
};

/* A range or all of one object. What is damaged here counts as not here: the store has said so
 * and forgotten it. */
void
objects_get (Request *request)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) object =
      moss_store_get_raw (request->tree->store, &request->route.object, &error);

  if (object == NULL)
    {
      if (g_error_matches (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT))
        request_refuse (request, SOUP_STATUS_NOT_FOUND, "%s", error->message);
      else
        request_fail (request, error);
      return;
    }
  request->total = g_bytes_get_size (object);
  if (!route_parse_range (request->range, request->total, &request->range_start,
                          &request->range_length))
    request_refuse (request, SOUP_STATUS_REQUESTED_RANGE_NOT_SATISFIABLE,
                    "the object has %" G_GUINT64_FORMAT " bytes", request->total);
  else if (request->range_length < request->total)
    request_answer (request, SOUP_STATUS_PARTIAL_CONTENT,
                    g_bytes_new_from_bytes (object, request->range_start,
                                            request->range_length));
  else
    request_answer (request, SOUP_STATUS_OK, g_steal_pointer (&object));
}

/* Those of the ids in the body that aren't here. */
void
objects_missing (Request *request)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) ids = moss_id_list_parse (request->body, &error);
  guint missing = 0;

  if (ids == NULL)
    {
      request_fail (request, error);
      return;
    }
  for (guint i = 0; i < ids->len; i++)
    {
      MossId id = g_array_index (ids, MossId, i);

      if (!moss_store_has (request->tree->store, &id))
        g_array_index (ids, MossId, missing++) = id;
    }
  request_answer (request, SOUP_STATUS_OK,
                  moss_id_list_new ((const MossId *) ids->data, missing));
}

/* As many of the objects in the body, in their order, as fit into an answer. */
void
objects_fetch (Request *request)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) ids = moss_id_list_parse (request->body, &error);
  GByteArray *bundle;

  if (ids == NULL)
    {
      request_fail (request, error);
      return;
    }
  bundle = g_byte_array_new ();
  for (guint i = 0; i < ids->len && bundle->len < FETCH_MAX_BYTES; i++)
    {
      g_autoptr (GBytes) object =
          moss_store_get_raw (request->tree->store, &g_array_index (ids, MossId, i), NULL);

      moss_bundle_add (bundle, object == NULL ? NULL : g_bytes_get_data (object, NULL),
                       object == NULL ? 0 : g_bytes_get_size (object));
    }
  request_answer (request, SOUP_STATUS_OK, g_byte_array_free_to_bytes (bundle));
}

void
objects_list (Request *request)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) list = moss_store_list (request->tree->store, &request->route.object,
                                             request->route.limit, &error);
  GByteArray *answer;

  if (list == NULL)
    {
      request_fail (request, error);
      return;
    }
  answer = g_byte_array_sized_new (list->len * MOSS_LIST_ENTRY_BYTES);
  for (guint i = 0; i < list->len; i++)
    {
      const MossListed *listed = &g_array_index (list, MossListed, i);
      guint32 length = GUINT32_TO_LE (listed->length);

      g_byte_array_append (answer, listed->id.bytes, MOSS_HASH_BYTES);
      g_byte_array_append (answer, (const guint8 *) &length, sizeof length);
    }
  request_answer (request, SOUP_STATUS_OK, g_byte_array_free_to_bytes (answer));
}
