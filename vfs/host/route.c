// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/route.h"

#include <string.h>

/* method → what it means at a place; NULL ends the list */
typedef struct
{
  const char *method;
  RouteKind kind;
} Meaning;

static RouteKind
choose (const char *method, const Meaning *meanings)
{
  for (; meanings->method != NULL; meanings++)
    if (strcmp (method, meanings->method) == 0)
      return meanings->kind;
  return ROUTE_WRONG_VERB;
}

/* Takes a hex id from the front of @text. Returns what follows, or NULL. */
static const char *
take_id (const char *text, MossId *id)
{
  g_autofree char *hex = NULL;

  if (strnlen (text, 2 * MOSS_HASH_BYTES) < 2 * MOSS_HASH_BYTES)
    return NULL;
  hex = g_strndup (text, 2 * MOSS_HASH_BYTES);
  return moss_id_from_string (hex, id) ? text + 2 * MOSS_HASH_BYTES : NULL;
}

/* Returns: (transfer full) (nullable): the value of one parameter, unescaped */
static char *
parameter (const char *query, const char *name)
{
  g_autoptr (GHashTable) all =
      query == NULL || strlen (query) > 1024
          ? NULL
          : g_uri_parse_params (query, -1, "&", G_URI_PARAMS_NONE, NULL);

  return all == NULL ? NULL : g_strdup (g_hash_table_lookup (all, name));
}

static void
parse_list (const char *query, Route *route)
{
  g_autofree char *after = parameter (query, "after");
  g_autofree char *limit = parameter (query, "limit");
  guint64 number;

  route->limit = ROUTE_LIST_MAX;
  memset (&route->object, 0, sizeof route->object);
  if ((after != NULL && *after != '\0' && !moss_id_from_string (after, &route->object)) ||
      (limit != NULL &&
       !g_ascii_string_to_unsigned (limit, 10, 1, ROUTE_LIST_MAX, &number, NULL)))
    route->kind = ROUTE_NONE;
  else if (limit != NULL)
    route->limit = number;
}

static void
parse_tree (const char *method, const char *path, const char *query, Route *route)
{
  static const Meaning at_object[] = { { "GET", ROUTE_GET_OBJECT },
                                       { "HEAD", ROUTE_GET_OBJECT },
                                       { "PUT", ROUTE_PUT_OBJECT },
                                       { NULL } };
  static const Meaning at_list[] = { { "GET", ROUTE_LIST }, { NULL } };
  static const Meaning missing[] = { { "POST", ROUTE_MISSING }, { NULL } };
  static const Meaning many[] = { { "POST", ROUTE_MANY }, { NULL } };
  static const Meaning fetch[] = { { "POST", ROUTE_FETCH }, { NULL } };
  static const Meaning remove[] = { { "POST", ROUTE_DELETE }, { NULL } };
  const char *rest = take_id (path, &route->tree);
  const char *end;

  if (rest == NULL)
    return;
  if (*rest == '\0')
    route->kind = choose (method, at_list);
  else if (strcmp (rest, "/missing") == 0)
    route->kind = choose (method, missing);
  else if (strcmp (rest, "/many") == 0)
    route->kind = choose (method, many);
  else if (strcmp (rest, "/fetch") == 0)
    route->kind = choose (method, fetch);
  else if (strcmp (rest, "/delete") == 0)
    route->kind = choose (method, remove);
  else if (*rest == '/' && (end = take_id (rest + 1, &route->object)) != NULL && *end == '\0')
    route->kind = choose (method, at_object);
  if (route->kind == ROUTE_LIST)
    parse_list (query, route);
}

/* RFC 7033: resource=acct:name@domain */
static void
parse_finger (const char *query, Route *route)
{
  g_autofree char *resource = parameter (query, "resource");
  const char *name = resource != NULL && g_str_has_prefix (resource, "acct:")
                         ? resource + strlen ("acct:")
                         : NULL;
  const char *at = name == NULL ? NULL : strrchr (name, '@');
  g_autofree char *local = at == NULL ? NULL : g_strndup (name, at - name);

  if (local == NULL || !route_name_ok (local) || strlen (at + 1) >= sizeof route->domain)
    return;
  g_strlcpy (route->name, local, sizeof route->name);
  g_strlcpy (route->domain, at + 1, sizeof route->domain);
}

/* A name as a host gives it out: it stands in addresses, paths and JSON as it is. */
gboolean
route_name_ok (const char *name)
{
  gsize length = strlen (name);

  return length > 0 && length < 64 && *name != '.' && *name != '-' &&
         strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == length;
}

/**
 * route_parse:
 * @path: decoded
 * @query: (nullable): as it came
 * @route: (out):
 */
void
route_parse (const char *method, const char *path, const char *query, Route *route)
{
  static const Meaning about[] = { { "GET", ROUTE_ABOUT }, { "HEAD", ROUTE_ABOUT }, { NULL } };
  static const Meaning finger[] = { { "GET", ROUTE_FINGER }, { NULL } };
  static const Meaning chain[] = { { "GET", ROUTE_GET_CHAIN },
                                   { "PUT", ROUTE_PUT_CHAIN },
                                   { NULL } };
  static const Meaning cell[] = { { "GET", ROUTE_GET_CELL }, { "PUT", ROUTE_PUT_CELL }, { NULL } };
  const char *rest;

  memset (route, 0, sizeof *route);
  if (strcmp (path, "/") == 0)
    route->kind = choose (method, about);
  else if (strcmp (path, "/.well-known/webfinger") == 0)
    route->kind = choose (method, finger);
  else if (g_str_has_prefix (path, "/id/") &&
           moss_identity_id_from_text (path + strlen ("/id/"), route->identity, NULL))
    route->kind = choose (method, chain);
  else if (g_str_has_prefix (path, "/o/"))
    parse_tree (method, path + strlen ("/o/"), query, route);
  else if (g_str_has_prefix (path, "/cell/") &&
           (rest = take_id (path + strlen ("/cell/"), &route->tree)) != NULL && *rest == '\0')
    route->kind = choose (method, cell);
  if (route->kind == ROUTE_FINGER)
    parse_finger (query, route);
}

/* The longest body that a request may have. */
gsize
route_max_body (RouteKind kind)
{
  switch (kind)
    {
    case ROUTE_PUT_CHAIN:
      return ROUTE_CHAIN_MAX;
    case ROUTE_PUT_OBJECT:
      return MOSS_OBJECT_MAX_SEALED;
    case ROUTE_MANY:
      return MOSS_BUNDLE_MAX_BYTES;
    case ROUTE_MISSING:
    case ROUTE_FETCH:
    case ROUTE_DELETE:
      return MOSS_BUNDLE_MAX_IDS * sizeof (MossId);
    case ROUTE_PUT_CELL:
      return ROUTE_CELL_MAX;
    default:
      return 0;
    }
}

MossTokenVerb
route_verb (RouteKind kind)
{
  switch (kind)
    {
    case ROUTE_PUT_OBJECT:
    case ROUTE_MANY:
    case ROUTE_PUT_CELL:
      return MOSS_TOKEN_WRITE;
    case ROUTE_DELETE:
      return MOSS_TOKEN_DELETE;
    default:
      return MOSS_TOKEN_READ;
    }
}

/* Digits only, no sign and no blanks. Returns what follows, or NULL. */
static const char *
take_number (const char *text, guint64 *number)
{
  char *end = NULL;

  if (!g_ascii_isdigit (*text) || strspn (text, "0123456789") > 18)
    return NULL;
  *number = g_ascii_strtoull (text, &end, 10);
  return end;
}

/**
 * route_parse_range:
 * @header: (nullable): "Range"; one range alone: RFC 9110, 14.2
 *
 * Returns: %FALSE if there is nothing of that range. Without a header, or with one that we
 *   don't know, it is all of it.
 */
gboolean
route_parse_range (const char *header, guint64 size, guint64 *start, guint64 *length)
{
  guint64 first = 0, last = 0;
  const char *rest;

  *start = 0;
  *length = size;
  if (header == NULL || !g_str_has_prefix (header, "bytes="))
    return TRUE;
  header += strlen ("bytes=");
  if (*header == '-')
    {
      rest = take_number (header + 1, &last);
      if (rest == NULL || *rest != '\0')
        return TRUE;
      *start = size - MIN (last, size);
      *length = size - *start;
      return *length > 0;
    }
  rest = take_number (header, &first);
  if (rest == NULL || *rest != '-')
    return TRUE;
  last = G_MAXUINT64;
  if (rest[1] != '\0' && ((rest = take_number (rest + 1, &last)) == NULL || *rest != '\0'))
    return TRUE;
  if (last < first)
    return TRUE;
  if (first >= size)
    return FALSE;
  *start = first;
  *length = MIN (last, size - 1) - first + 1;
  return TRUE;
}

/* RFC 7240: "Prefer: wait=60". Returns seconds, 0 for not at all. */
guint
route_parse_wait (const char *prefer)
{
  guint64 seconds;
  const char *rest;

  if (prefer == NULL || !g_str_has_prefix (prefer, "wait="))
    return 0;
  rest = take_number (prefer + strlen ("wait="), &seconds);
  return rest == NULL || *rest != '\0' ? 0 : MIN (seconds, ROUTE_WAIT_MAX_S);
}

/* A quoted hash in lower-case hex. */
gboolean
route_parse_etag (const char *header, char etag[2 * MOSS_HASH_BYTES + 1])
{
  g_autofree char *hex = NULL;
  MossId id;

  etag[0] = '\0';
  if (header == NULL || strlen (header) != 2 * MOSS_HASH_BYTES + 2 || *header != '"' ||
      header[2 * MOSS_HASH_BYTES + 1] != '"')
    return FALSE;
  hex = g_strndup (header + 1, 2 * MOSS_HASH_BYTES);
  if (!moss_id_from_string (hex, &id))
    return FALSE;
  g_strlcpy (etag, hex, 2 * MOSS_HASH_BYTES + 1);
  return TRUE;
}
