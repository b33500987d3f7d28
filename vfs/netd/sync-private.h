// SPDX-License-Identifier: GPL-3.0-or-later
/* What the files of sync share.
 *
 * Threads: one that merges, one that sends to devices, and for each host one that uploads and
 * one that waits for its cell to change. The lock covers all of Sync, SyncHost and SyncPeer that
 * isn't said to be somebody's alone; it is never held while anything is waited for. */
#pragma once

#include "vfs/netd/host-client.h"
#include "vfs/netd/sync.h"

#define SYNC_RECORDS_MAX 256

typedef enum
{
  HOST_AWAY,
  HOST_LINKED,
  HOST_FULL,
  HOST_REFUSED, /* it doesn't let us in, or it lied: nothing it says is used */
} HostState;

typedef struct
{
  gatomicrefcount refs;
  Sync *sync;
  char *url;
  GCancellable *cancellable;
  GCancellable *nudge; /* of the watcher: the network may be another one, ask again */
  GThread *uploader, *watcher;
  gboolean stopped;
  HostState state;
  char *reason;       /* why it isn't linked */
  char *lie;          /* nullable: what it was caught at */
  guint64 used, quota;
  guint64 number;     /* newest root of ours that it has, with all objects */
  guint failures;     /* of fetches in a row */
  gint64 slow_until_us; /* monotonic: it was slow, others first */
  GHashTable *shown;  /* device (MossId) → guint64: the highest root it has ever shown us */
  GBytes *base;       /* nullable: that root's record */
  gboolean introduced; /* it has our chain */
  guint chain_seq;     /* that it has */
  GPtrArray *clients;  /* HostClient: for fetches, idle */
  gboolean watching;   /* its cell was looked at since it came */
} SyncHost;

/* One of the person's devices that is linked now. */
typedef struct
{
  char *id;
  char *name;
  MossLink *link;
  guint64 rtt_us;
} SyncPeer;

/* A root that came from somewhere and waits to be merged. */
typedef struct
{
  GBytes *record;
  char *source; /* who gave it, for people */
  SyncHost *host; /* nullable */
  MossLink *link; /* nullable: told when it is merged */
  guint64 request;
  guint tries;
} Incoming;

typedef struct
{
  guint64 ino; /* 0: it is gone, and was at @path */
  char *path;
  const char *what; /* "saved" | "came" | "removed" */
  gint64 time_us;
} Latest;

struct _Sync
{
  Netd *netd;
  GMutex lock;
  GCond changed; /* anything that a thread may wait for */
  gboolean stopping;
  gboolean paused;
  gboolean locked; /* the agent didn't sign */
  MossTree *tree;  /* nullable */
  char *home;      /* nullable: "/net/NAME" */
  gboolean closing; /* the tree is wanted back */
  guint users;      /* of the tree */
  guint8 identity[MOSS_HASH_BYTES];
  guint8 me[MOSS_HASH_BYTES];
  MossChain *chain; /* nullable */
  guint64 number;   /* of this device's newest signed root */
  GBytes *record;   /* nullable: that */
  GBytes *told;     /* nullable: the record that the devices were told before: the sender's */
  GPtrArray *hosts; /* SyncHost */
  GPtrArray *peers; /* SyncPeer */
  GHashTable *acknowledged; /* device id (hex) → guint64: our newest root that it has merged */
  GHashTable *claims; /* "url device-hex" → guint64: what a device says a host has of it */
  GQueue incoming;    /* Incoming */
  GHashTable *in_flight; /* MossId: being fetched */
  GThread *merger, *sender, *keeper;
  gboolean look_at_pins;
  GHashTable *sent_here; /* ino → name of the device that sent it: not all here yet */
  guint sender_wake;  /* counts */
  gboolean retell;
  GHashTable *troubles; /* source → sentence: what was found wrong, as long as it lasts */
  /* progress */
  guint done, total;
  guint64 waiting_bytes;
  guint64 sent_bytes, sent_before;
  gint64 measured_us;
  guint64 bytes_per_s;
  GQueue latest; /* Latest, newest first */
  guint announce; /* source */
};

/* sync.c */
MossTree *sync_hold_tree (Sync *sync);
void sync_drop_tree (Sync *sync);
void sync_wake (Sync *sync);
void sync_status_changed (Sync *sync);
void sync_blame (Sync *sync, const char *source, const char *format, ...) G_GNUC_PRINTF (3, 4);
void sync_forgive (Sync *sync, const char *source);
char *sync_path_of (Sync *sync, MossTree *tree, guint64 ino);
char *sync_device_name (Sync *sync, const guint8 *device);

/* sync-latest.c: a(ssx), (transfer full); without the lock */
GVariant *sync_latest (Sync *sync);

/* sync-merge.c */
void sync_merge_start (Sync *sync);
void sync_merge_push (Sync *sync,
                      GBytes *record,
                      const char *source,
                      SyncHost *host,
                      MossLink *link,
                      guint64 request);
void sync_incoming_free (gpointer data);

/* sync-pins.c */
void sync_pins_start (Sync *sync);
void sync_pins_look (Sync *sync);
void sync_pins_compare (Sync *sync, MossTree *tree, GArray *before, const guint8 *device);

/* sync-peers.c */
void sync_peers_start (Sync *sync);
void sync_peers_refresh (Sync *sync);
void sync_peer_free (gpointer data);
GPtrArray *sync_peers_copy (Sync *sync);

/* sync-hosts.c */
void sync_hosts_refresh (Sync *sync);
void sync_hosts_stop (Sync *sync);
void sync_hosts_nudge (Sync *sync);
SyncHost *sync_host_ref (SyncHost *host);
void sync_host_unref (gpointer data);
GPtrArray *sync_hosts_copy (Sync *sync);
HostClient *sync_host_client (SyncHost *host, GError **error);
void sync_host_set_state (SyncHost *host, HostState state, const char *reason);
void sync_host_failed (SyncHost *host, const GError *error);
void sync_host_lied (SyncHost *host, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* sync-upload.c: threads of a host */
gpointer sync_upload_thread (gpointer host);
gpointer sync_watch_thread (gpointer host);

/* sync-cell.c */
typedef struct
{
  guint8 device[MOSS_HASH_BYTES];
  guint64 number;
  GBytes *record;
} CellEntry;

GPtrArray *sync_cell_parse (GBytes *cell, const guint8 *tree, GError **error);
GBytes *sync_cell_replace (GPtrArray *entries, const MossTreeRoot *root, GBytes *record);
GHashTable *sync_cell_expect (SyncHost *host);
gboolean sync_cell_check (SyncHost *host, GHashTable *expected, GPtrArray *entries);
gboolean sync_host_load (SyncHost *host);
gboolean sync_host_save (SyncHost *host);
