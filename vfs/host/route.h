// SPDX-License-Identifier: GPL-3.0-or-later
/* What a request is about. Pure functions: they are what the fuzzer feeds. */
#pragma once

#include "core/identity/chain.h"
#include "vfs/host/bundle.h"
#include "vfs/host/token.h"

typedef enum
{
  ROUTE_NONE,       /* no such thing here */
  ROUTE_WRONG_VERB, /* there is, but not with this method */
  ROUTE_ABOUT,
  ROUTE_FINGER,
  ROUTE_GET_CHAIN,
  ROUTE_PUT_CHAIN,
  /* From here on a token is needed. */
  ROUTE_GET_OBJECT,
  ROUTE_PUT_OBJECT,
  ROUTE_MISSING,
  ROUTE_MANY,
  ROUTE_FETCH,
  ROUTE_LIST,
  ROUTE_DELETE,
  ROUTE_GET_CELL,
  ROUTE_PUT_CELL,
} RouteKind;

#define ROUTE_NEEDS_TOKEN(kind) ((kind) >= ROUTE_GET_OBJECT)
#define ROUTE_LIST_MAX 4096
#define ROUTE_CELL_MAX (64 * 1024)
#define ROUTE_CHAIN_MAX MOSS_CHAIN_MAX_BYTES
#define ROUTE_WAIT_MAX_S 300

typedef struct
{
  RouteKind kind;
  MossId tree;
  MossId object;   /* ROUTE_LIST: list what is behind it */
  guint limit;     /* ROUTE_LIST */
  guint8 identity[MOSS_HASH_BYTES];
  char name[65];   /* ROUTE_FINGER: "" for what can't be a name */
  char domain[256];
} Route;

void route_parse (const char *method, const char *path, const char *query, Route *route);
gsize route_max_body (RouteKind kind);
MossTokenVerb route_verb (RouteKind kind);
gboolean route_parse_range (const char *header,
                            guint64 size,
                            guint64 *start,
                            guint64 *length);
guint route_parse_wait (const char *prefer);
gboolean route_parse_etag (const char *header, char etag[2 * MOSS_HASH_BYTES + 1]);
gboolean route_name_ok (const char *name);
