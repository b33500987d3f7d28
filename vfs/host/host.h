// SPDX-License-Identifier: GPL-3.0-or-later
/* What the files of moss-host share. All of it belongs to the main context, except where a
 * comment says otherwise. */
#pragma once

#include "core/identity/chain.h"
#include "core/store/store.h"
#include "vfs/host/db.h"
#include "vfs/host/rate.h"
#include "vfs/host/route.h"

#include <libsoup/soup.h>

#define STATUS_TOO_MANY 429 /* RFC 6585; libsoup has no name for it */

typedef struct _Host Host;
typedef struct _Request Request;

/* Somebody admitted. */
typedef struct
{
  guint8 id[MOSS_HASH_BYTES];
  MossChain *chain;    /* nullable: not shown yet */
  GBytes *chain_bytes; /* nullable */
  guint64 quota;       /* bytes */
  guint64 used;        /* of all trees, as the disk counts */
  guint64 reserved;    /* uploads under way */
  guint trees;
  guint waiting;
  Rate rate;
  char *reserved_name; /* nullable: what --admit said */
  MossChain *written;  /* nullable; the writer's alone */
} Person;

typedef struct
{
  MossId id;
  Person *owner;
  MossStore *store; /* any thread */
  GBytes *cell;     /* nullable */
  char etag[2 * MOSS_HASH_BYTES + 1]; /* of the cell, "" without one */
  GPtrArray *waiters;                 /* Request: told when the cell changes */
  /* The writer's alone. */
  char written[2 * MOSS_HASH_BYTES + 1];
  guint64 removed; /* since it was last packed together */
} Tree;

typedef void (*RequestWork) (Request *request);

struct _Request
{
  gatomicrefcount refs;
  Host *host;
  SoupServerMessage *msg; /* main context only */
  Route route;
  MossToken token;
  Person *person; /* nullable */
  Tree *tree;     /* nullable */
  gsize body_length;
  guint64 reserved;
  gboolean gone;   /* nobody waits for the answer any more */
  gboolean paused;
  guint wait;      /* source: a long poll */
  char *range;
  char *condition; /* If-Match's hash, "*" for If-None-Match: * */
  GBytes *body;
  RequestWork work;
  /* The answer; set by the one thread that works on it. */
  guint status;
  GBytes *answer;
  char *sentence;
  guint64 range_start, range_length, total;
  guint64 stored_bytes; /* newly taken, or given back by a delete */
  char etag[2 * MOSS_HASH_BYTES + 1];
  MossChain *chain;
};

struct _Host
{
  GMainLoop *loop;
  int exit_status;
  char *state_dir;
  char *domain; /* nullable */
  GPtrArray *names; /* what devices may call this host */
  guint64 quota;
  gboolean behind; /* a web server: addresses come in X-Forwarded-For */
  SoupServer *server;
  GSocketService *service;
  GTlsCertificate *certificate; /* nullable */
  GHashTable *connections;      /* set of Connection */
  GHashTable *an_address;       /* address → number of connections */
  guint sweep;
  guint64 bodies; /* bytes of requests that are being taken in */
  guint requests;
  HostDb *db; /* the writer's, once it runs */
  GHashTable *people; /* id → Person */
  GHashTable *trees;  /* id → Tree */
  GHashTable *names_taken; /* name → Person */
  GHashTable *spent;  /* nonces of deletes → gint64 expiry in s */
  GHashTable *checked; /* Authorization → gint64 expiry in s: signature is good */
  RateTable *strangers;
  GAsyncQueue *writes;
  GThread *writer;
  GThreadPool *readers;
  gint broken; /* atomic: the disk failed a sync; nothing is taken until a restart */
};

/* people.c */
gboolean people_admit (Host *host, const char *text, GError **error);
Person *person_find (Host *host, const guint8 *id);
void people_load_chain (const guint8 *identity, GBytes *chain, gpointer user_data);
void people_finger (Request *request);
void people_get_chain (Request *request);
void people_put_chain (Request *request);
gboolean people_write_chain (Request *request);
void people_chain_written (Request *request);

/* trees.c */
void trees_load (const MossId *tree, const guint8 *owner, GBytes *cell, gpointer user_data);
gboolean trees_authorise (Request *request, const char *header);
gboolean trees_reserve (Request *request);
void trees_unreserve (Request *request);

/* objects.c: in threads */
void objects_get (Request *request);
void objects_missing (Request *request);
void objects_fetch (Request *request);
void objects_list (Request *request);

/* writer.c */
gboolean writer_start (Host *host, GError **error);
void writer_stop (Host *host);
void writer_push (Request *request);

/* cell.c */
void cell_get (Request *request);
void cell_put (Request *request);
void cell_changed (Tree *tree, GBytes *cell, const char *etag);
void cell_forget_waiter (Request *request);

/* server.c */
gboolean server_start (Host *host, const char *listen, GError **error);
void server_stop (Host *host);

/* request.c */
Request *request_new (Host *host, SoupServerMessage *msg);
Request *request_ref (Request *request);
void request_unref (Request *request);
void request_refuse (Request *request, guint status, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
void request_fail (Request *request, const GError *error);
void request_answer (Request *request, guint status, GBytes *answer);
void request_pause (Request *request);
void request_send (Request *request);
void request_done_in_thread (Request *request);

/* confine.c */
gboolean confine (const char *state_dir, GError **error);
