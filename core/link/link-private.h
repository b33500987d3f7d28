// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core/link/link.h"

/* A request of ours that is open. */
typedef struct
{
  gatomicrefcount refs;
  guint64 number;
  gboolean is_fetch;
  /* a call; main context only */
  GTask *task;
  guint timeout;
  /* a fetch; next is the reader's */
  gsize count;
  gsize next;
  MossLinkArrived arrived;
  gpointer user_data;
  GDestroyNotify destroy;
} MossRequest;

/* Objects on their way out: either one that is pushed, or the answer to a get. */
typedef struct
{
  gboolean is_push;
  MossId id;
  GBytes *sealed; /* nullable: read when it is its turn */
  guint64 request;
  GArray *ids;
  gsize next;
} MossBulk;

struct _MossLink
{
  gatomicrefcount refs;
  GIOStream *stream;
  GSocket *socket;
  char *device;
  gboolean dialled;
  gint64 born_us;
  MossLinkEvents events;
  gpointer user_data;
  guint tick;     /* main context */
  gboolean ended; /* main context: the closed event was given */

  GMutex lock; /* everything below */
  GCond changed;
  GError *reason; /* why it closed */
  gboolean closing;
  gboolean greeted;
  guint64 next_request;
  GHashTable *requests; /* number → MossRequest: ours */
  GHashTable *incoming; /* set of numbers: theirs */
  gint64 busy_since_us; /* 0: no request of ours is open */

  GQueue urgent; /* GBytes: whole frames */
  GQueue bulk;   /* MossBulk */
  gsize bulk_bytes;
  GHashTable *known; /* MossId → 1 pushed, 2 asked for or came from there */

  guint settling; /* objects that are being looked at */
  gint64 last_heard_us;
  gint64 last_progress_us;
  gint64 last_use_us; /* somebody asked for something */
  guint64 ping;
  gint64 ping_since_us; /* the first one that wasn't answered */
  guint64 rtt_us;
  guint64 bytes_per_s;
  guint64 sent;
  guint64 received;
};

void moss_link_fail (MossLink *link, GError *reason);
void moss_link_send (MossLink *link, GBytes *frame);
gpointer moss_link_write_thread (gpointer data);
gpointer moss_link_read_thread (gpointer data);
void moss_link_to_main (MossLink *link,
                        guint8 type,
                        guint64 request,
                        GVariant *body,
                        GError *error);
MossRequest *moss_request_ref (MossRequest *request);
void moss_request_unref (MossRequest *request);
void moss_bulk_free (MossBulk *bulk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossRequest, moss_request_unref)
